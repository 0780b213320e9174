#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How the cost of a percpu pair grows with CPUs, live objects and chunks.

    bench.py OUT [PATTERN...]

OUT is the folder of the builds bench and lines; bench.csv, lines.csv, shared.csv, bench.svg
and the profiles go to OUT/bench; the plot shows hit, miss and mixed. Without a PATTERN, all
of them: four minutes on two CPUs.

Counts the instructions of mm/percpu*.c and of the bit operations that it calls, with
valgrind's callgrind, in userspace: good for how figures grow, not for what they are.
What else the kernel does for it is left out, but for memset(), which zeroes each CPU's
copy and is counted apart.

    hit     a pair of 64 B that is served from what a CPU keeps at hand
    miss    a pair of 64 B that takes and releases an area under the lock
    mixed   the same of 8 to 128 B, where every other object was freed before
    remote  a pair of 64 B, and one of 1024 B, allocated on one CPU and freed on another
    uninit  a hit whose copies are left as they are
    singles 2,000 objects of 64 B that are allocated and then freed, per object
    bulk    the same by __alloc_percpu_bulk() and free_percpu_bulk()
    cold    28,000 objects of any size up to a quarter page, and freeing them
    random  35,000 of them, with alignments from 2 to 2048
    zero    a page of each copy, as 64 areas of 64 B one by one and as one run
    lazy    requests that would find an area that the worker has zeroed, if it did so with
            what it finds at hand; of 64 objects, replaced one by one, or all at a time
    lines   cache lines that two and more CPUs write, see bench-lines.c
    groups  rows that are left when 10 of 11 groups of objects have died, where one CPU
            allocates them, or several: in turns by runs of a group, or one by one

Of these instructions, "held" are those under a lock, of memset() too: of maps, as no copy is
zeroed there. Of hit and miss also the cache lines of metadata that a pair reads and writes are
counted, from all accesses by mm/percpu*.c; what the objects' copies, the stack and the lock
itself take is left out. Each CPU reads the offset of each copy, 8 of them in a line that
nobody writes. For lines, each CPU is a thread, and they take turns. How long threads wait for
each other is not measured here, as it differs from run to run, and as a line that is another
CPU's costs what the machine makes it: that is seen on UML, by "make bench" at the top.

Cold and random show what lies behind the caches, which they do without unless CACHE=1 is
in the environment. The profile of the last run of each is kept:

    callgrind_annotate out/bench/callgrind.cold_alloc
"""
import re
import subprocess
import sys
from pathlib import Path

CPUS = (1, 4, 16, 64, 256, 1024, 4096)
LIVE = (1, 10, 100, 1000, 10000, 100000, 1000000)
THREADS = (1, 2, 4)     # that take turns
SIZES = (8, 24, 64, 128, 192, 256, 1024)
SHARING = ("hit", "ring", "neighbours", "fresh")
PAIRS = ("hit", "miss")
BY_LIVE = (*PAIRS, "mixed")
OTHERS = ("uninit", "singles", "bulk")
REMOTE = ("remote_64", "remote_1024")
MANY = ("cold", "random")
GROUPS = ("groups", "groups_turns", "groups_mixed")
ALL = (*BY_LIVE, "remote", *OTHERS, *MANY, "zero", "lazy", "lines", "groups")
RATES = (100, 1000, 10000, 100000)     # pairs a second


def count(sim, out, pattern, cpus, live, held=False):
    """(instructions of an operation, or those under the lock; those of memset; chunks)"""
    log = out / f"callgrind.{pattern}{'.held' if held else ''}"
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-jumps=no",
         f"--collect-atstart={'no' if held else 'yes'}", f"--callgrind-out-file={log}", sim, pattern, str(cpus), str(live),
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
            ours += cost if ("/mm/percpu" in file or "shim/bits.h" in file or
                             function == "zero_row") else 0
            zeroing += cost if "memset" in function else 0
            callee = False
    words = result.stdout.split()
    operations = int(words[words.index("operations") + 1])
    return round(ours / operations), round(zeroing / operations), int(words[-1])


def run(*command):
    """What a program prints, {word: number}."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"bench.py: {command} failed:\n{result.stdout}{result.stderr}")
    return {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", result.stdout)}


def print_touched(sim, out, pairs):
    """Cache lines of metadata that a pair reads, writes; of all pairs, the median."""
    print(f"\n{'':14}{'CPUs':>6}{'lines read':>12}{'written':>9}")
    with open(out / "lines.csv", "w") as table:
        for pattern, cpus in ((p, c) for p in pairs for c in CPUS[1:]):
            lines = run(sim, pattern, cpus, 1, 64)
            print(f"{pattern:14}{cpus:6}{lines['read']:12}{lines['written']:9}", flush=True)
            print(pattern, cpus, lines["read"], lines["written"], sep=",", file=table)


def print_shared(sim, out):
    """Lines that several CPUs write, and writes for which one came from another CPU."""
    print(f"\n{'':14}{'bytes':>6}{'CPUs':>6}{'lines shared':>14}{'moved per 100 pairs':>21}")
    with open(out / "shared.csv", "w") as table:
        for pattern, size, cpus in ((p, s, c) for p in SHARING for s in SIZES for c in THREADS):
            lines = run(sim, pattern, max(cpus, 4), cpus, size)
            moved = round(100 * lines["moved"] / lines["pairs"])
            print(f"{pattern:14}{size:6}{cpus:6}{lines['shared']:14}{moved:21}", flush=True)
            print(pattern, size, cpus, lines["shared"], moved, sep=",", file=table)


def print_zero(sim, out):
    """Instructions, and the least of 9 times, which are this machine's."""
    print(f"\n{'':14}{'CPUs':>6}{'instr.':>10}{'ns':>10}{'ns/CPU':>8}")
    for pattern, cpus in ((p, c) for p in ("zero_singles", "zero_run") for c in CPUS[1:]):
        cost = sum(count(sim, out, pattern, cpus, 1)[:2])
        least = min(run(sim, pattern, cpus, 1)["ns"] for _ in range(9))
        print(f"{pattern:14}{cpus:6}{cost:10}{least:10}{least / cpus:8.0f}", flush=True)


def print_lazy(sim):
    print(f"\n{'':14}{'pairs/s':>8}{'pairs':>9}{'found zeroed':>14}{'zeroed':>8}")
    for pattern, rate in ((p, r) for p in ("lazy_ring", "lazy_batch") for r in RATES):
        seen = run(sim, pattern, 4, rate)
        share = f"{100 * seen['found'] / seen['pairs']:.3f} %"
        print(f"{pattern:14}{rate:8}{seen['pairs']:9}{share:>14}{seen['zeroed']:8}", flush=True)


def print_groups(sim):
    print(f"\n{'':14}{'CPUs':>6}{'rows, full':>12}{'left':>6}")
    for pattern, cpus in ((p, c) for p in GROUPS for c in CPUS[:2]):
        rows = run(sim, pattern, cpus, 0)
        print(f"{pattern:14}{cpus:6}{rows['full']:12}{rows['left']:6}", flush=True)


def plot(out, patterns):
    def curves(where, x, names):
        return ", ".join(f"'< grep {where.format(p)} {out}/bench.csv' using {x}:{column} "
                         f"with linespoints title '{title}'" for p in names
                         for column, title in ((5, p), (7, f"{p}, under the lock")))
    # So many live are not given where it is by CPUs.
    by_cpus = curves("'^{},.*,0,'", 2, [p for p in patterns if p in PAIRS])
    by_live = curves("'^{},4,[1-9]'", 3, patterns)
    by_chunks = curves("'^{},4,[1-9]'", 4, patterns)
    lines = ", ".join(f"'< grep ^{p}, {out}/lines.csv' using 2:{column} with linespoints "
                      f"title '{p}, {what}'" for p in patterns if p in PAIRS
                      for column, what in ((3, "read"), (4, "written")))
    script = f"""
set terminal svg size 1800,400 dynamic background rgb 'white'
set output '{out}/bench.svg'
set datafile separator ','
set multiplot layout 1,4
set logscale x
set yrange [0:*]
set key top left
set ylabel 'instructions'
set xlabel 'possible CPUs'
plot {by_cpus}
set xlabel 'live objects'
plot {by_live}
set xlabel 'chunks'
plot {by_chunks}
set logscale y
set yrange [1:*]
set ylabel 'cache lines of metadata'
set xlabel 'possible CPUs'
plot {lines}
"""
    script = script.replace("'<", '"<').replace(".csv'", '.csv"')
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    if not sys.argv[1:]:
        sys.exit(__doc__.splitlines()[2].strip())
    builds, asked = Path(sys.argv[1]), sys.argv[2:] or ALL
    sim, lines, out = builds / "bench/sim", builds / "lines/sim", builds / "bench"
    pairs = [p for p in PAIRS if p in asked]
    runs = [(p, c, 0) for p in pairs for c in CPUS]
    runs += [(p, 4, n) for p in BY_LIVE if p in asked for n in LIVE]
    runs += [(p, c, 0) for p in OTHERS if p in asked for c in CPUS]
    runs += [(p, c, 0) for p in REMOTE if "remote" in asked for c in CPUS[1:3]]
    runs += [(f"{p}_{half}", c, 0) for p in MANY if p in asked
             for half in ("alloc", "free") for c in (1, 4)]
    if not set(asked) <= set(ALL):
        sys.exit("bench.py: the patterns are: " + " ".join(ALL))
    if runs:
        print(f"{'':14}{'CPUs':>6}{'live':>10}{'chunks':>8}{'instr.':>8}{'memset':>8}{'held':>8}")
    with open(out / "bench.csv", "w") as table:
        for pattern, cpus, live in runs:
            cost, zeroing, chunks = count(sim, out, pattern, cpus, live)
            held = sum(count(sim, out, pattern, cpus, live, held=True)[:2])
            print(f"{pattern:14}{cpus:6}{live:10}{chunks:8}{cost:8}{zeroing:8}{held:8}", flush=True)
            print(pattern, cpus, live, chunks, cost, zeroing, held, sep=",", file=table)
    if pairs:
        print_touched(lines, out, pairs)
    if "zero" in asked:
        print_zero(sim, out)
    if "lazy" in asked:
        print_lazy(sim)
    if "lines" in asked:
        print_shared(lines, out)
    if "groups" in asked:
        print_groups(sim)
    if set(BY_LIVE) <= set(asked):
        plot(out, BY_LIVE)
        print(f"{out}/bench.csv, bench.svg")


main()
