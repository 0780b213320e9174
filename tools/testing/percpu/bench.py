#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How the cost of a percpu pair grows with CPUs, live objects and chunks.

    bench.py SIM OUT [PATTERN...]

SIM is out/bench/sim, OUT a folder for bench.csv, bench.svg and the profiles; without
a PATTERN, all of them.

Counts the instructions of mm/percpu*.c and of the bit operations that it calls, with
valgrind's callgrind, in userspace: good for how figures grow, not for what they are.
What else the kernel does for it is left out, but for memset(), which zeroes each CPU's
copy and is counted apart.

    hit     a pair of 64 B that is served from what a CPU keeps at hand
    miss    a pair of 64 B that takes and releases an area under the lock
    remote  a pair of 64 B, and one of 1024 B, allocated on one CPU and freed on another
    uninit  a hit whose copies are left as they are
    singles 2,000 objects of 64 B that are allocated and then freed, per object
    bulk    the same by __alloc_percpu_bulk() and free_percpu_bulk()
    cold    28,000 objects of any size up to a quarter page, and freeing them
    random  35,000 of them, with alignments from 2 to 2048

Of these instructions, "held" are those under a lock, of memset() too: of maps, as no copy is
zeroed there. Of hit and miss also the cache lines of metadata that a pair reads and writes are counted,
from a trace of memory accesses by mm/percpu*.c; what the objects' copies, the stack and the
lock itself take is left out. Threads are not measured here: how they meet differs from run
to run. Contention is measured on UML, by "make bench" at the top.

Cold and random show what lies behind the caches, which they do without unless CACHE=1 is
in the environment. The profile of the last run of each is kept:

    callgrind_annotate out/bench/callgrind.cold_alloc
"""
import re
import subprocess
import sys
from pathlib import Path

CPUS = (1, 4, 16, 64, 256, 1024, 4096)
LIVE = (0, 1000, 10000, 100000, 1000000)
TOUCHED = (4, 16, 64)   # with more, the trace of the boot takes minutes
TRACED = 33             # pairs whose accesses are looked at
LINE = 64
LOADED = 0x108000       # where valgrind puts the program
STACK = 0x1f00000000    # and, above, its stack
PAIRS = ("hit", "miss")
OTHERS = ("uninit", "singles", "bulk")
REMOTE = ("remote_64", "remote_1024")
MANY = ("cold", "random")
ALL = (*PAIRS, "remote", *OTHERS, *MANY)


def count(sim, out, pattern, cpus, live, held=False):
    """(instructions of an operation, or those under the lock; those of memset; chunks)"""
    log = out / f"callgrind.{pattern}{'.held' if held else ''}"
    when = "--collect-atstart=no" if held else "--toggle-collect=measure"
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", when, "--collect-jumps=no",
         f"--callgrind-out-file={log}", sim, pattern, str(cpus), str(live),
         *(["held"] if held else [])], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"bench.py: {sim} {pattern} {cpus} {live} failed:\n{result.stdout}{result.stderr}")
    ours = zeroing = 0
    function = file = ""
    names, callee = {}, False
    for line in log.read_text().splitlines():
        if match := re.match(r"(fn|fl|fi|fe|cfn|cfi)=\((\d+)\)(?: (.*))?", line):
            kind = "fn" if match[1] in ("fn", "cfn") else "file"
            name = names.setdefault((kind, match[2]), match[3])
            if match[1] == "fn":
                function = name
            elif match[1] in ("fl", "fi", "fe"):
                file = name
        elif line.startswith("calls="):
            callee = True       # the next line is what that cost
        elif re.match(r"[+\-*\d]", line):
            cost = 0 if callee else int(line.split()[-1])
            ours += cost if "/mm/percpu" in file or "shim/bits.h" in file else 0
            zeroing += cost if "memset" in function else 0
            callee = False
    words = result.stdout.split()
    operations = int(words[words.index("operations") + 1])
    return round(ours / operations), round(zeroing / operations), int(words[-1])


def ours_at(sim, base, addresses):
    """Those of the code addresses that are in mm/percpu*.c or in what it inlines."""
    wanted = sorted(addresses)
    files = subprocess.run(["addr2line", "-e", sim], capture_output=True, text=True, check=True,
                           input="".join(f"{address - base:x}\n" for address in wanted)).stdout
    return {address for address, file in zip(wanted, files.splitlines())
            if "/mm/percpu" in file or re.search(r"shim/(bits|list)\.h", file)}


def lines_of_pair(accesses, ours):
    """(cache lines that are read, that are written) by our code."""
    read, written = set(), set()
    for code, kind, address, size in accesses:
        if code in ours and address < STACK:
            lines = range(address // LINE, (address + size - 1) // LINE + 1)
            (read if kind == "L" else written).update(lines)
            if kind == "M":
                read.update(lines)
    return len(read), len(written)


def touched(sim, pattern, cpus):
    """Cache lines of metadata that a pair reads, writes; of all cached pairs, the median."""
    symbols = subprocess.run(["nm", sim], capture_output=True, text=True, check=True).stdout
    mark = LOADED + int(re.search(r"^(\w+) b mark$", symbols, re.M)[1], 16)
    trace = subprocess.Popen(["valgrind", "--tool=lackey", "--trace-mem=yes", "--log-fd=1",
                              sim, pattern, str(cpus), "0"], stdout=subprocess.PIPE)
    # Booting is most of the trace: let a quick tool skip it.
    begun = subprocess.Popen(["sed", "-n", f"/^ S {mark:08x},1$/,$p"], stdin=trace.stdout,
                             stdout=subprocess.PIPE, text=True)
    pairs, code = [], 0
    for line in begun.stdout:
        kind, where, _ = re.split(" +", line.strip() + " ", maxsplit=2)
        address, size = where.split(",")
        if kind == "I":
            code = int(address, 16)
        elif int(address, 16) == mark:
            if len(pairs) == TRACED:
                break
            pairs.append([])
        else:
            pairs[-1].append((code, kind, int(address, 16), int(size)))
    for process in (begun, trace):
        process.kill()
        process.wait()
    if len(pairs) < TRACED:
        sys.exit(f"bench.py: no trace of {pattern} with {cpus} CPUs")
    ours = ours_at(sim, LOADED, {access[0] for pair in pairs for access in pair})
    read, written = zip(*(lines_of_pair(pair, ours) for pair in pairs))
    return sorted(read)[TRACED // 2], sorted(written)[TRACED // 2]


def plot(out, patterns):
    what = [(p, c, title) for p in patterns for c, title in ((5, p), (7, f"{p}, under the lock"))]
    by_cpus = ", ".join(f"'< grep ^{p},.*,0, {out}/bench.csv' using 2:{c} with linespoints "
                        f"title '{title}'" for p, c, title in what)
    by_live = ", ".join(f"'< grep ^{p},4, {out}/bench.csv' using ($3+1):{c} with linespoints "
                        f"title '{title}'" for p, c, title in what)
    lines = ", ".join(f"'< grep ^{p}, {out}/lines.csv' using 2:{column} with linespoints "
                      f"title '{p}, {what}'"
                      for p in patterns for column, what in ((3, "read"), (4, "written")))
    script = f"""
set terminal svg size 1350,360 dynamic background rgb 'white'
set output '{out}/bench.svg'
set datafile separator ','
set multiplot layout 1,3
set logscale x
set yrange [0:*]
set key top left
set ylabel 'instructions'
set xlabel 'possible CPUs'
plot {by_cpus}
set xlabel 'live objects'
plot {by_live}
set logscale y
set yrange [1:*]
set ylabel 'cache lines of metadata'
set xlabel 'possible CPUs'
plot {lines}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    sim, out, asked = sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or ALL
    pairs = [p for p in PAIRS if p in asked]
    runs = [(p, c, 0) for p in pairs for c in CPUS]
    runs += [(p, 4, n) for p in pairs for n in LIVE if n]
    runs += [(p, c, 0) for p in OTHERS if p in asked for c in CPUS]
    runs += [(p, c, 0) for p in REMOTE if "remote" in asked for c in CPUS[1:3]]
    runs += [(f"{p}_{half}", c, 0) for p in MANY if p in asked
             for half in ("alloc", "free") for c in (1, 4)]
    if not set(asked) <= set(ALL):
        sys.exit("bench.py: the patterns are: " + " ".join(ALL))
    print(f"{'':14}{'CPUs':>6}{'live':>10}{'chunks':>8}{'instr.':>8}{'memset':>8}{'held':>8}")
    with open(out / "bench.csv", "w") as table:
        for pattern, cpus, live in runs:
            cost, zeroing, chunks = count(sim, out, pattern, cpus, live)
            held = sum(count(sim, out, pattern, cpus, live, held=True)[:2])
            print(f"{pattern:14}{cpus:6}{live:10}{chunks:8}{cost:8}{zeroing:8}{held:8}", flush=True)
            print(pattern, cpus, live, chunks, cost, zeroing, held, sep=",", file=table)
    with open(out / "lines.csv", "w") as table:
        for at, (pattern, cpus) in enumerate((p, c) for p in pairs for c in TOUCHED):
            if not at:
                print(f"\n{'':14}{'CPUs':>6}{'lines read':>12}{'written':>9}")
            read, written = touched(sim, pattern, cpus)
            print(f"{pattern:14}{cpus:6}{read:12}{written:9}", flush=True)
            print(pattern, cpus, read, written, sep=",", file=table)
    if pairs:
        plot(out, pairs)
    print(f"{out}/bench.csv" + (", bench.svg" if pairs else ""))


main()
