#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How the cost of a percpu pair grows with CPUs, live objects and chunks.

    bench.py SIM [OUT]      SIM is out/bench/sim, OUT a folder for bench.csv, bench.svg

Counts the instructions of mm/percpu*.c with valgrind's callgrind, in userspace: good
for how figures grow, not for what they are. What the kernel does for it is left out,
but for memset(), which zeroes each CPU's copy and is counted apart. "hit" is served from
what a CPU keeps at hand; "miss" takes and releases an area under the lock.
"""
import re
import subprocess
import sys
from pathlib import Path

CPUS = (1, 4, 16, 64, 256, 1024, 4096)
LIVE = (0, 1000, 10000, 100000, 1000000)
OPERATIONS = 2000


def count(sim, out, pattern, cpus, live):
    """(instructions of a pair, those of memset, chunks)"""
    log = out / "callgrind.out"
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=measure", "--collect-jumps=no",
         f"--callgrind-out-file={log}", sim, pattern, str(cpus), str(live)],
        capture_output=True, text=True)
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
            ours += cost if "/mm/percpu" in file else 0
            zeroing += cost if "memset" in function else 0
            callee = False
    chunks = int(result.stdout.split()[-1])
    return round(ours / OPERATIONS), round(zeroing / OPERATIONS), chunks


def plot(out):
    script = f"""
set terminal svg size 900,360 dynamic background rgb 'white'
set output '{out}/bench.svg'
set datafile separator ','
set multiplot layout 1,2
set logscale x
set yrange [0:*]
set key top left
set ylabel 'instructions'
set xlabel 'possible CPUs'
plot '< grep ^hit,.*,0, {out}/bench.csv' using 2:5 with linespoints title 'hit', \\
     '< grep ^miss,.*,0, {out}/bench.csv' using 2:5 with linespoints title 'miss'
set xlabel 'live objects'
plot '< grep ^hit,4, {out}/bench.csv' using ($3+1):5 with linespoints title 'hit', \\
     '< grep ^miss,4, {out}/bench.csv' using ($3+1):5 with linespoints title 'miss'
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    sim, out = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    runs = [(p, c, 0) for p in ("hit", "miss") for c in CPUS]
    runs += [(p, 4, n) for p in ("hit", "miss") for n in LIVE if n]
    print(f"{'':8}{'CPUs':>8}{'live':>10}{'chunks':>8}{'instr.':>8}{'memset':>8}")
    with open(out / "bench.csv", "w") as table:
        for pattern, cpus, live in runs:
            cost, zeroing, chunks = count(sim, out, pattern, cpus, live)
            print(f"{pattern:8}{cpus:8}{live:10}{chunks:8}{cost:8}{zeroing:8}", flush=True)
            print(pattern, cpus, live, chunks, cost, zeroing, sep=",", file=table)
    plot(out)
    print(f"{out}/bench.csv, bench.svg")


main()
