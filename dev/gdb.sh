#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Hold what gdb's lx-vmallocinfo finds against /proc/vmallocinfo of the same moment.
#
#   dev/gdb.sh
#
# A UML kernel stops in the KUnit case proc_lists_areas, where areas of each kind live and
# a range waits for a purge, and dev/gdb/vmallocinfo.py compares. The kernel (with debug
# info, some minutes) is built in build/out/gdb and stays; its output and both listings are
# in build/out/gdb/gdb.log. The last line is "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
out=$PWD/build/out/gdb
dev/packages.sh source uml gdb
dev/get-linux.sh ${KERNEL:+"$KERNEL"}
dev/tree.sh ours
mkdir -p "$out"
cat dev/configs/kunit-um-smp.config dev/configs/gdb.config > "$out.config"
dev/kbuild.sh build/linux "$out" "$out.config" ARCH=um linux scripts_gdb

# One CPU, as another may take a percpu chunk while this one stops; and addresses in /proc.
timeout 300 gdb -nx -batch -x "$out/vmlinux-gdb.py" -x dev/gdb/vmallocinfo.py \
	--args "$out/linux" mem=512M no_hash_pointers \
	kunit.filter_glob=vmalloc.proc_lists_areas < /dev/null > "$out/gdb.log" 2>&1 || :
if ! grep '^gdb: ' "$out/gdb.log"; then
	tail -n 5 "$out/gdb.log"
	echo "gdb: did not come to an end; see $out/gdb.log"
fi
passed=$(grep -c '^gdb: ok' "$out/gdb.log" || :)
[ "$passed" = 1 ] || { echo "0 passed, 1 failed"; exit 1; }
echo "1 passed, 0 failed"
