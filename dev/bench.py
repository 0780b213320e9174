#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot the kernels that dev/bench.sh has built and compare what they measure.

Times come from native UML, where CPUs are threads of the host that contend for
real: each boot is repeated, stock and ours by turns, and the median counts.
Instruction counts come from QEMU with -icount, where a nanosecond of the guest's
clock is an instruction; they are repeatable, one boot is enough. Pages of 64 CPUs
come from QEMU too, UML has too few host mappings for them. How many pages groups
leave differs by seed: each of their boots has another one, and the mean counts, as a machine
meets bad seeds, too; the median is shown beside it. The cases of
lib/test_vmalloc.c are counted with all that they do before their loop.

A limit is what the project promises for a row. Time is per operation on one
thread, so twice the throughput is a ratio of 0.5. Only ratios mean something.
A row whose limit does not hold says FAILS; the exit status tells only whether all
boots came to their end.
"""
import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
OUT = REPO / "build/bench"
TIMEOUT = 600

MACHINES = {
    "um1": "UML, 1 CPU",
    "um2": "UML, 2 CPUs",
    "x86": "x86-64 under QEMU, 1 CPU",
    "many": "x86-64 under QEMU, 64 possible CPUs, 8 online",
    "vm": "x86-64 under QEMU, 1 CPU, vmalloc",
    "umvm1": "UML, 1 CPU, vmalloc",
    "umvm2": "UML, 2 CPUs, vmalloc by 2 threads",
    "fork": "x86-64 under QEMU, 1 CPU, system calls",
    "fork4": "x86-64 under QEMU, 4 possible CPUs, system calls",
}
KERNELS = {"um1": "um", "um2": "um", "x86": "x86", "many": "x86", "fork": "fork",
           "fork4": "fork", "vm": "x86", "umvm1": "um", "umvm2": "um"}
COUNTED = ("x86", "fork", "fork4", "vm")    # with -icount
# Which objects share a row is a matter of luck, some 2 %; so each boot has its own seed.
GROUPS_SEEDS = {"x86": 15, "many": 1}

# Cases of lib/test_vmalloc.c, and how often each is done. That which has to fail
# (align_shift) has no cost to speak of. One loop of pcpu_alloc has PCPU_OBJECTS, and is shown
# for a pair of one of them. That is what random35k of lib/test_percpu.c does, which is limited
# to 1/12, and what no allocator changes: two get_random_u32_inclusive() for each object and the
# vmalloc() of an array, some 90 instructions. With these it is 1/12.1.
PCPU_OBJECTS = 35000
VMALLOC = [(1, 20000), (2, 20000), (4, 20000), (8, 5000), (16, 20000), (32, 10000),
           (128, 1), (256, 5000), (512, 5000), (1024, 20000), (2048, 20000), (4096, 10000)]
# Those that UML has the host mappings for; a page is mapped and unmapped by the host.
VMALLOC_UM = [(1, 20000), (16, 10000), (1024, 20000), (2048, 20000)]

# (machine, parameters of lib/test_percpu.c, or of lib/test_vmalloc*.c): each is a boot of its own, so that
# every test finds a fresh allocator. UML has too few host mappings for random35k.
# The machines "fork" and "fork4" run dev/bench/forks.c instead.
PLAN = [
    ("um1", "test=pairs loops=50000"),
    ("um1", "test=slub loops=1000000"),
    ("um1", "test=cold"),
    ("um1", "test=burst_irqsoff size=64"),
    ("um1", "test=burst_irqsoff size=512"),
    ("um1", "test=groups"),
    ("um2", "test=pairs loops=50000"),
    ("um2", "test=neighbours loops=50000"),
    ("um2", "test=remote loops=200000"),
    ("um2", "test=slub loops=1000000"),
    ("um2", "test=cold"),
    ("um2", "test=burst_irqsoff size=64"),
    ("um2", "test=burst_irqsoff size=512"),
    ("um2", "test=groups"),
    ("x86", "test=pairs loops=16000"),
    ("x86", "test=slub loops=16000"),
    ("x86", "test=cold"),
    ("x86", "test=random35k"),
    ("x86", "test=burst_irqsoff size=64"),
    ("x86", "test=burst_irqsoff size=512"),
    ("x86", "test=groups"),
    ("many", "test=groups spread=1"),
    ("fork", "test=forks"),
    ("fork4", "test=forks"),
    *[("vm", f"run_test_mask={mask} test_loop_count={loops}") for mask, loops in VMALLOC],
    ("vm", "live=1000,100000"),
    ("vm", "floor=20000"),
    ("vm", "slab=100000"),
    *[(f"umvm{cpus}", f"run_test_mask={mask} test_loop_count={loops} nr_threads={cpus}")
      for mask, loops in VMALLOC_UM for cpus in (1, 2)],
    ("umvm2", "space=100000"),
    ("umvm2", "floor=20000"),
]

# pattern of a figure's name: what it is
FIGURES = [
    (r"pair_(\d+)_t1", "{0} B pair"),
    (r"pair_(\d+)_t(\d+)", "{0} B pair, {1} threads"),
    (r"pair_(\d+)_live(\d+)_t1", "{0} B pair, {1} live"),
    (r"pair_(\d+)_live(\d+)_t(\d+)", "{0} B pair, {1} live, {2} threads"),
    (r"pair_(\d+)_live(\d+)_t2_scaling", "{0} B pair, {1} live, 2 threads / 1"),
    (r"pair_(\d+)_batch(\d+)_t1", "{0} B pair in batches of {1}"),
    (r"pair_(\d+)_batch(\d+)_t(\d+)", "{0} B pair in batches of {1}, {2} threads"),
    (r"pair_nowait_(\d+)_live(\d+)_t1", "{0} B pair, {1} live, GFP_NOWAIT"),
    (r"pair_nowait_(\d+)_live(\d+)_t(\d+)", "{0} B pair, {1} live, GFP_NOWAIT, {2} threads"),
    (r"neighbours_(\d+)_t(\d+)", "{0} B pair, between those of others, threads: {1}"),
    (r"remote_(\d+)", "{0} B, one CPU allocates, one frees"),
    (r"cold", "28,000 cold objects, pair"),
    (r"cold_(\w+)", "28,000 cold objects, {0}"),
    (r"random35k", "35,000 random objects, pair"),
    (r"random35k_(\w+)", "35,000 random objects, {0}"),
    (r"burst_(\d+)", "{0} B in a row, interrupts off"),
    (r"groups_full_pages", "groups: pages when full"),
    (r"groups_left_pages", "groups: pages after 10 of 11 died"),
    (r"groups_left_median", "groups: the same, median of seeds"),
    (r"groups_end_pages", "groups: extra pages at the end"),
    (r"fork", "fork() and exit"),
    (r"fork_exec", "fork(), execve() and exit"),
    (r"cgroup", "mkdir() and rmdir() of a cgroup"),
    (r"map_entry", "BPF map made and freed, for each of 10,000"),
    (r"live_100000_of_1000", "vmap(), vunmap(), 100,000 live / 1,000"),
    (r"live_(\d+)", "vmap(), vunmap() of 1 to 8 pages, {0} live"),
    (r"floor_(\w+?)(_t\d+)?", "{0}: pages and page tables alone"),
    (r"space_t(\d+)", "address space alone, threads: {0}"),
    (r"slab_(\w+)_(\d+)", "slab of each of {1} live areas, {0}()"),
    (r"vm_(\w+)", "test_vmalloc: {0}"),
]

# (pattern of machines, of a figure's name, what is limited, by what); the first
# that matches counts. For fork, 1.01 means: gets no slower, within the accuracy.
LIMITS = [
    (r"um1", r"pair_(8|64|256|1024)_live64_t1", "ratio <=", "1/12"),
    (r"um2", r"pair_(8|64|256)_live64_t2", "ratio <=", "1/30"),
    (r"um2", r"pair_(8|64|256)_live64_t2_scaling", "ours <=", "1.15"),
    (r"um2", r"pair_1024_live64_t2", "ratio <=", "1/20"),
    (r"um2", r"pair_nowait_\d+_live64_t2", "ratio <=", "1/25"),
    (r"um2", r"remote_(64|1024)", "ratio <=", "1/8"),
    (r"x86", r"pair_64_batch64_t1", "ratio <=", "1/6"),
    (r"x86", r"pair_1024_batch64_t1", "ratio <=", "1/12"),
    (r"x86", r"pair_\w+_t1", "ratio <=", "1/2"),
    (r"x86", r"cold_alloc", "ratio <=", "1/4"),
    (r"x86", r"random35k", "ratio <=", "1/12"),
    (r"fork4?", r"fork(_exec)?", "ratio <=", "1.01"),
    (r"fork4?", r"cgroup", "ratio <=", "0.9"),
    (r"fork4?", r"map_entry", "ratio <=", "1/4"),
    (r".*", r"pair_\w+_t1", "ratio <=", "1"),
    (r".*", r"pair_\w+_t\d+", "ratio <=", "1/2"),
    (r"vm", r"vm_fix_size_alloc", "ratio <=", "0.8"),
    (r"vm", r"vm_full_fit_alloc", "ratio <=", "0.5"),
    (r"vm", r"vm_long_busy_list_alloc", "ratio <=", "0.7"),
    (r"vm", r"vm_(random_size|fix_align|random_size_align)_alloc", "ratio <=", "0.95"),
    (r"vm", r"vm_(kvfree_rcu_._arg_vmalloc|vm_map_ram)", "ratio <=", "0.95"),
    (r"vm", r"vm_vrealloc", "ratio <=", "0.9"),
    (r"vm", r"vm_no_block_alloc", "ratio <=", "1"),
    (r"vm", r"vm_pcpu_alloc", "ratio <=", "1/12"),
    (r"vm", r"slab_\w+", "ratio <=", "1"),
    (r"vm", r"live_100000_of_1000", "ours <=", "1.2"),
    (r"umvm2", r"vm_\w+", "ratio <=", "0.7"),
    (r"umvm2", r"space_t2", "ratio <=", "0.7"),
    (r".*", r"burst_64", "ours >=", "16000"),
    (r".*", r"burst_512", "ours >=", "2000"),
    (r".*", r"groups_full_pages", "ratio <=", "1.01"),
    (r".*", r"groups_left_pages", "ratio <=", "1"),
    (r".*", r"groups_end_pages", "ours <=", "0"),
]

# Where the mapping alone costs more than the limit allows, a row is held to so much of that:
# of "pages and page tables alone", of the kernel where these cost less.
FLOOR_TIMES = 1.1


def floor_of(results, machine, name):
    """What a turn of a vmalloc test costs without vmalloc, or None."""
    case = re.fullmatch(r"vm_(\w+?)(_alloc)?", name)
    if machine != "umvm2" or not case:
        return None
    floors = [average("floor", results.get((machine, f"floor_{case[1]}_t2", kind), ([], None))[0])
              for kind in ("stock", "ours")]
    return min((floor for floor in floors if floor), default=None)


# Limits of two threads are for where stock contends: where its second thread, too, finds
# address space at nearly the pace of the first, in the same run, it does not. There is nothing
# to gain then, and ours is to be no slower, as far as such times can tell.
CONTENDS = 1.5
NO_SLOWER = "1.1"


def contends(results):
    """False if two threads of stock hardly meet on this machine; else, or if unknown, True."""
    alone, two = (average(name, results.get(("umvm2", name, "stock"), ([], None))[0])
                  for name in ("space_t1", "space_t2"))
    return not (alone and two) or two / alone >= CONTENDS


def describe(name):
    """The title of a figure; None: not shown."""
    if name.endswith("_failed"):
        what = describe(name.removesuffix("_failed"))
        return what and what + ": failed"
    for pattern, title in FIGURES:
        match = re.fullmatch(pattern, name)
        if match:
            return title.format(*match.groups())
    return None


def judge(machine, name, row):
    """(limit as it is shown, verdict); both empty if nothing is promised."""
    for machines, pattern, what, limit in LIMITS:
        if re.fullmatch(machines, machine) and re.fullmatch(pattern, name):
            break
    else:
        return "", ""
    if machine == "umvm2" and not row["contends"]:
        limit = NO_SLOWER
    subject, relation = what.split()
    value, bound = row[subject], float(Fraction(limit))
    shown = f"{relation} {limit}"
    if value is None:
        return shown, ""
    holds = value <= bound if relation == "<=" else value >= bound
    if not holds and row["floor"]:
        shown, holds = f"{FLOOR_TIMES} floor", row["ours"] <= FLOOR_TIMES * row["floor"]
    return shown, "holds" if holds else "FAILS"


def output(machine, kind):
    return REPO / f"build/out/bench-{KERNELS[machine]}-{kind}"


def kernel(machine, kind):
    image = "linux" if KERNELS[machine] == "um" else "arch/x86/boot/bzImage"
    return output(machine, kind) / image


def command(machine, kind, parameters):
    # Of the three tests that are built in, one does something.
    words = [f"test_percpu.{word}" for word in parameters.split()] + ["test_percpu.halt=1"]
    if "vm" in machine:
        live = parameters.startswith(("live=", "floor=", "space=", "slab="))
        test = "test_vmalloc_live" if live else "test_vmalloc"
        words = ["test_percpu.test="] + [f"{test}.{word}" for word in parameters.split()]
        if test != "test_vmalloc":
            words.append("test_vmalloc.run_test_mask=0")
    image = str(kernel(machine, kind))
    if machine.startswith("um"):
        return [image, "mem=1G", f"ncpus={machine[-1]}", "seccomp=on", "con=null",
                "con0=null,fd:2", *([] if "vm" in machine else ["panic=-1"]), *words]
    qemu = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64,+rdrand,+rdseed",
            "-display", "none", "-vga", "none", "-nic", "none", "-no-reboot",
            "-serial", "stdio", "-monitor", "none", "-kernel", image]
    if machine in COUNTED:
        # Neither randomness nor the time of day differs from one boot to the next.
        # The firmware tells of one CPU in each socket.
        qemu += ["-smp", "4,sockets=4" if machine == "fork4" else "1", "-m", "512",
                 "-icount", "shift=0,sleep=off",
                 "-seed", "1", "-rtc", "base=2026-01-01,clock=vm"]
    else:
        # The firmware of other machines has no room for an MP table of 64 CPUs.
        qemu += ["-M", "microvm", "-smp", "64,sockets=64", "-m", "1G"]
        words += ["maxcpus=8", "reboot=t"]
    if machine.startswith("fork"):
        qemu += ["-initrd", str(output(machine, kind) / "initramfs")]
        # One that is online, so that what is counted is all there is.
        words = ["norandmaps", "maxcpus=1"]
    return [*qemu, "-append", " ".join(["console=ttyS0", "panic=-1", "tsc=reliable", *words])]


def vmalloc_figures(text):
    """What lib/test_vmalloc.c has printed: nanoseconds per loop, the mean of threads."""
    found = {}
    for name, loops, usec in re.findall(
            r"Summary: (\w+)_test passed: 1 failed: 0 .* loops: (\d+) avg: (\d+)", text):
        found.setdefault(f"vm_{name}", []).append(int(usec) * 1000 / int(loops))
    figures = {name: statistics.mean(values) for name, values in found.items()}
    if "vm_pcpu_alloc" in figures:
        figures["vm_pcpu_alloc"] /= PCPU_OBJECTS
    live = dict(re.findall(r"test_vmalloc_live: ((?:live|floor|space)_\w+) (\d+) ns", text))
    return figures | {name: float(ns) for name, ns in live.items()}


def boot(machine, kind, parameters, log):
    """The figures that one boot prints, {name: (value, unit)}, or None."""
    with open(log, "w") as output:
        try:
            subprocess.run(command(machine, kind, parameters), stdin=subprocess.DEVNULL,
                           stdout=output, stderr=subprocess.STDOUT, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            output.write(f"\nstopped after {TIMEOUT} s\n")
    text = log.read_text(errors="replace").replace("\r", "")
    figures = {}
    figure = r"(?:test_percpu|forks): (\w+) ([\d.]+) (\w+)$"
    for name, value, unit in re.findall(figure, text, re.M):
        unit = "instr." if unit == "ns" and machine in COUNTED else unit
        figures[name] = (float(value), unit)
        # What a second thread does to the first, in the same boot.
        if match := re.fullmatch(r"((?:pair|slub)_\d+_live\d+)_t2", name):
            alone = figures.get(f"{match[1]}_t1")
            if alone and alone[0]:
                figures[f"{name}_scaling"] = (float(value) / alone[0], "times")
    if "vm" in machine:
        unit = "instr." if machine in COUNTED else "ns"
        figures = {name: (value, unit) for name, value in vmalloc_figures(text).items()}
        figures |= {f"{kind}_{count}": (int(value) / int(count), "bytes")
                    for kind, count, value in re.findall(
                        r"test_vmalloc_live: (slab_\w+)_(\d+) (\d+) bytes", text)}
        few, many = figures.get("live_1000"), figures.get("live_100000")
        if few and many:
            figures["live_100000_of_1000"] = (many[0] / few[0], "times")
        if figures and "end: failed" not in text:
            return figures
    elif re.search("(test_percpu|forks): end: passed", text):
        return figures
    print(f"  no end of the test in {log}; its last lines:", *text.splitlines()[-8:],
          sep="\n    ", flush=True)
    return None


def turns(machine, parameters, repeat):
    """How often a boot is made: what is counted is the same each time, for one seed."""
    if KERNELS[machine] == "um":
        return repeat
    return GROUPS_SEEDS[machine] if "groups" in parameters else 1


def measure(kinds, machines, repeat):
    """{(machine, name, kind): ([values], unit)} in the order of the plan; and failures."""
    results, failures = {}, 0
    boots = [(machine, f"{parameters} seed={turn + 1}" if "groups" in parameters
              else parameters, turn)
             for turn in range(max(repeat, *GROUPS_SEEDS.values())) for machine, parameters in PLAN
             if KERNELS[machine] in machines and turn < turns(machine, parameters, repeat)]
    for number, (machine, parameters, turn) in enumerate(boots, 1):
        for kind in kinds if turn % 2 == 0 else kinds[::-1]:
            test = re.sub(r"\w+=", "", parameters).replace(" ", "-").replace(",", "-")
            start = time.monotonic()
            figures = boot(machine, kind, parameters, OUT / f"{machine}-{test}-{kind}.log")
            print(f"  {number}/{len(boots)} {MACHINES[machine]}, {test}, {kind}: "
                  f"{time.monotonic() - start:.0f} s", flush=True)
            if figures is None:
                failures += 1
                continue
            for name, (value, unit) in figures.items():
                results.setdefault((machine, name, kind), ([], unit))[0].append(value)
    return results, failures


def average(name, values):
    """The median, which bears a disturbed boot, but the mean of seeds; None of nothing."""
    mean = name.startswith("groups_") and not name.endswith("_median")
    return (statistics.mean if mean else statistics.median)(values) if values else None


def rows_of(results):
    """A row for each figure, by machine."""
    rows = []
    results = dict(results)
    for (machine, name, kind), found in list(results.items()):
        if name == "groups_left_pages":
            results[machine, "groups_left_median", kind] = found
    names = list(dict.fromkeys((machine, name) for machine, name, _ in results))
    for machine, name in sorted(names, key=lambda pair: list(MACHINES).index(pair[0])):
        if not describe(name):
            continue
        row = {"machine": MACHINES[machine], "figure": name, "work": describe(name)}
        for kind in ("stock", "ours"):
            values, unit = results.get((machine, name, kind), ([], None))
            row["unit"] = unit or row.get("unit")
            row[kind] = average(name, values)
            row[f"{kind}_min"] = min(values, default=None)
            row[f"{kind}_max"] = max(values, default=None)
        # The same with kmalloc(), from both kernels: SLUB is the same in them.
        slub = re.sub("^pair", "slub", name)
        row["kmalloc"] = None if slub == name else average(
            slub,
            [value for kind in ("stock", "ours")
             for value in results.get((machine, slub, kind), ([], None))[0]])
        stock, ours = row["stock"], row["ours"]
        comparable = stock and ours is not None and row["unit"] != "times"
        row["ratio"] = ours / stock if comparable else None
        row["floor"] = floor_of(results, machine, name)
        row["contends"] = contends(results)
        row["limit"], row["verdict"] = judge(machine, name, row)
        rows.append(row)
    return rows


def number(value, unit=None):
    if value is None:
        return "-"
    if unit == "times":
        return f"{value:.2f}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def show(rows):
    machine = None
    for row in rows:
        if row["machine"] != machine:
            machine = row["machine"]
            print(f"\n{machine:<50}{'kmalloc':>8}{'stock':>9}{'ours':>9} {'unit':<8}"
                  f"{'ratio':>6}  limit")
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
        kmalloc = "" if row["kmalloc"] is None else number(row["kmalloc"], row["unit"])
        print(f"  {row['work']:<48}{kmalloc:>8}{number(row['stock'], row['unit']):>9}"
              f"{number(row['ours'], row['unit']):>9} {row['unit']:<8}{ratio:>6}  "
              f"{row['limit']:<9} {row['verdict']}".rstrip())
    verdicts = [row["verdict"] for row in rows]
    if any(row["machine"] == MACHINES["umvm2"] and not row["contends"] for row in rows):
        print(f"\n{MACHINES['umvm2']}: stock does not contend here, "
              f"so the limit is {NO_SLOWER}: no slower")
    if any(verdicts):
        print(f"\n{verdicts.count('holds')} limits hold, {verdicts.count('FAILS')} fail")
    for row in rows:
        if row["verdict"] == "FAILS":
            print(f"  {row['machine']}: {row['work']}")


def write_csv(rows):
    with open(OUT / "bench.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def plot(rows):
    """Ratios where both kinds were measured, else the figures of the one that was."""
    rows = [row for row in rows if row["unit"] in ("ns", "instr.")]
    key, title = "ratio", "time or instructions per operation, ours / stock (less is better)"
    if not any(row["ratio"] for row in rows):
        key = "stock" if any(row["stock"] for row in rows) else "ours"
        title = f"time (ns) or instructions per operation, {key}"
    rows = [row for row in rows if row[key]]
    if not rows:
        return
    values = [row[key] for row in rows]
    origin = 1 if key == "ratio" else min(values) / 2
    low, high = min(origin, *values) / 1.2, max(origin, *values) * 1.2
    panels = [[row for row in rows if row["machine"] == machine]
              for machine in dict.fromkeys(row["machine"] for row in rows)]
    head, bar = 60, 16      # points: a panel's title and axis, each of its bars
    total = 30 + sum(head + bar * len(panel) for panel in panels)
    lines = [f"set terminal svg noenhanced size 900,{total} font 'sans,11'",
             "set output 'bench.svg'", "set style fill solid 0.7 noborder",
             "unset key", "set grid x", "set logscale x", "set ytics scale 0",
             "set lmargin at screen 0.43", "set rmargin at screen 0.97",
             f"set xrange [{low}:{high}]", f"set multiplot title '{title}'"]
    if key == "ratio":
        lines += ["set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)",
                  "set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 front"]
    top = 30
    for panel in panels:
        bottom = top + head + bar * len(panel)
        lines += [f"set tmargin at screen {1 - (top + 25) / total}",
                  f"set bmargin at screen {1 - (bottom - 35) / total}",
                  f"set title \"{panel[0]['machine']}\" offset 0,-0.6",
                  f"set yrange [{len(panel) - 0.4}:-0.6]", "$data << END"]
        for at, row in enumerate(panel):
            left, right = sorted((origin, row[key]))
            color = 0xcc4444 if key == "ratio" and row[key] > 1 else 0x3465a4
            lines.append(f"{left} {right} {at} \"{row['work']}\" {color}")
        lines += ["END", "plot $data using (($1+$2)/2):3:1:2:($3-0.35):($3+0.35):5:ytic(4) "
                  "with boxxyerror lc rgb variable"]
        top = bottom
    lines.append("unset multiplot")
    (OUT / "bench.gnuplot").write_text("\n".join(lines) + "\n")
    subprocess.run(["gnuplot", "bench.gnuplot"], cwd=OUT, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=["stock", "ours"],
                        default=["stock", "ours"])
    parser.add_argument("--machines", nargs="+", choices=["um", "x86", "fork"],
                        default=["um", "x86", "fork"])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    for kind in options.kinds:
        for machine in MACHINES:
            wanted = KERNELS[machine] in options.machines
            if wanted and not kernel(machine, kind).exists():
                sys.exit(f"bench: {kernel(machine, kind)} is missing; run: "
                         f"dev/bench.sh build {kind} {KERNELS[machine]}")
    OUT.mkdir(parents=True, exist_ok=True)
    print("== measuring")
    load = os.getloadavg()[0]
    if "um" in options.machines and load > 0.5:
        print(f"  the load of this machine is {load:.1f}: times on UML mean little "
              "unless it has nothing else to do")
    results, failures = measure(options.kinds, options.machines, options.repeat)
    rows = rows_of(results)
    if rows:
        show(rows)
        write_csv(rows)
        plot(rows)
        print(f"{OUT.relative_to(REPO)}/bench.csv, bench.svg, and the consoles in *.log")
    if failures or not rows:
        sys.exit(f"bench: {failures} boots did not come to their end")


if __name__ == "__main__":
    main()
