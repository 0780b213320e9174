# SPDX-License-Identifier: GPL-2.0
"""Run in gdb by dev/gdb.sh: compare lx-vmallocinfo with /proc/vmallocinfo."""
import re
import gdb

# Of each of these there has to be one; the last is what /proc alone shows.
KINDS = ["pages=5 vmalloc", "vmalloc vpages", "vmalloc user", "vmap", "vm_map_ram", "sparse",
         "phys=0x12345000 ioremap", "pcpu_get_vm_areas", "unpurged vm_area"]


def areas_of(text):
    """{start: "end size caller+offset words..."}; callers and numbers written in one way"""
    areas = {}
    for start, rest in re.findall(r"^0x([0-9a-f]+)-(0x.*)$", text, re.M):
        # name+0x1c/0x80 there, <name+28> here, <name> for its start
        rest = re.sub(r"<?\b([a-zA-Z_][\w.]*)(?:\+(\w+))?(?:/0x\w+|>)",
                      lambda caller: f"{caller[1]}+{int(caller[2] or '0', 0)}", rest)
        rest = re.sub(r"\b0x[0-9a-f]+\b", lambda number: f"{int(number[0], 16):#x}", rest)
        areas[int(start, 16)] = " ".join(rest.split())
    return areas


def compare(proc, script):
    """What differs, a line each"""
    lazy = {start for start in proc if proc[start].endswith("unpurged vm_area")}
    for start in sorted(set(proc) | set(script)):
        if start not in lazy and proc.get(start) != script.get(start):
            yield f"{start:#x}: /proc has {proc.get(start)}, gdb {script.get(start)}"
        if start in lazy and start in script:
            yield f"{start:#x}: waits for a purge, gdb has {script[start]}"
    for kind in KINDS:
        if not any(kind in line for line in proc.values()):
            yield f"there is no area of the kind '{kind}'"


def main():
    # The kernel's page faults and interrupts.
    gdb.execute("handle all nostop noprint pass", to_string=True)
    gdb.execute("set breakpoint pending off")
    gdb.execute("break listing_was_read")
    gdb.execute("run")
    proc = gdb.selected_frame().read_var("text").string()
    script = gdb.execute("lx-vmallocinfo", to_string=True)
    print(f"/proc/vmallocinfo\n{proc}\nlx-vmallocinfo\n{script}")
    proc, script = areas_of(proc), areas_of(script)
    differences = list(compare(proc, script))
    for line in differences:
        print("gdb: differs:", line)
    if not differences:
        print(f"gdb: ok, {len(script)} areas as in /proc/vmallocinfo, none of which waits for a purge")
    gdb.execute("kill")


main()
