#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the KUnit tests of the percpu allocator through the kernel's kunit.py.
#
#   dev/kunit.sh [NAME]...     without NAME: all of these but those on demand
#     um-up      UML, 1 CPU: chunks in lowmem (percpu-km)
#     um-smp2    UML, 2 CPUs: chunks in vmalloc space (percpu-vm)
#     um-smp64   UML, 64 CPUs, 60 of them never online: they are threads of the
#                host, and spin for locks while others wait for its processors
#     x86        x86-64 in QEMU, 4 CPUs, with lockdep, KASAN, UBSAN, kmemleak,
#                memcg and allocation profiling; then the kernel's own percpu
#                tests (lib/percpu_test.c, lib/test_vmalloc.c) and what
#                dev/kunit/init looks at
#     x86-rt     the same with PREEMPT_RT, without KASAN; on demand
#     x86-rt-page  that kernel, its first chunk made of single pages
#                (percpu_alloc=page; x86-64 with KASAN dies of that before it
#                prints, why is not known); on demand
#
# TREE=DIR tests another Linux 7.3 tree; it must have lib/tests/percpu_kunit.c
# (build/linux-stock has: "dev/tree.sh stock").
#
# The kernels are built in build/out/kunit-*; build/out/kunit-NAME/kunit.log is
# the kernel's whole output. A report there by lockdep, KASAN, UBSAN, kmemleak
# or any warning counts as a failed test. The last line of all is
# "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
limit=900	# seconds for one kernel to run
die() { echo "kunit: $*" >&2; exit 2; }

[ $# -gt 0 ] || set -- um-up um-smp2 um-smp64 x86
for name; do
	case $name in
	um-up | um-smp2 | um-smp64 | x86 | x86-rt | x86-rt-page) ;;
	*) die "there is no '$name'; there are um-up, um-smp2, um-smp64, x86, x86-rt and x86-rt-page" ;;
	esac
done

if [ -n "${TREE:-}" ]; then
	tree=$(cd "$TREE" && pwd) || die "TREE=$TREE: no such folder"
	suffix=-$(basename "$tree")
	[ "$tree" != "$top/build/linux" ] || suffix=
else
	sh dev/tree.sh ours
	tree=$top/build/linux suffix=
fi
[ -e "$tree/lib/tests/percpu_kunit.c" ] ||
	die "$tree has no lib/tests/percpu_kunit.c; lay one that has: dev/tree.sh stock"

# build KERNEL MAKE-ARGUMENT...: sets $kernel; builds it once in a run
built=
build() {
	kernel=$top/build/out/kunit-$1$suffix
	config=dev/configs/kunit-${1%-rt}.config
	case " $built " in *" $1 "*) return ;; esac
	built="$built $1"
	mkdir -p "$kernel"
	case $1 in
	*-rt)	grep -v -E 'KASAN|CONFIG_PREEMPT=' "$config" > "$kernel/kunit.config"
		echo CONFIG_PREEMPT_RT=y >> "$kernel/kunit.config" ;;
	*)	cp "$config" "$kernel/kunit.config" ;;
	esac
	if [ -e "$tree/lib/tests/percpu_internal_kunit.c" ]; then
		echo CONFIG_PERCPU_INTERNAL_KUNIT_TEST=y >> "$kernel/kunit.config"
	fi
	shift
	echo "== kernel ($kernel)"
	sh dev/kbuild.sh "$tree" "$kernel" "$kernel/kunit.config" "$@"
}

# A /dev/kvm that opens may still be unable to run a kernel, and kunit.py would
# wait for it: boot one, and where that fails have QEMU emulate the CPUs.
qemu() {
	[ -w /dev/kvm ] || return 0
	timeout 20 qemu-system-x86_64 -accel kvm -nodefaults -display none -m 512 \
		-no-reboot -serial stdio -kernel "$kernel/arch/x86/boot/bzImage" \
		-append 'console=ttyS0 kunit.enable=0 panic=-1' \
		< /dev/null > "$kernel/probe.log" 2>&1 || :
	if grep -q 'Linux version' "$kernel/probe.log"; then return 0; fi
	echo "  /dev/kvm cannot run a kernel; QEMU emulates the CPUs"
	mkdir -p "$kernel/bin"
	cat > "$kernel/bin/qemu-system-x86_64" <<END
#!/bin/sh
# Without kvm: drop every "-accel NAME".
for word; do
	shift
	if [ "\$word" = -accel ]; then drop=1; continue; fi
	if [ -n "\${drop:-}" ]; then drop=; continue; fi
	set -- "\$@" "\$word"
done
exec $(command -v qemu-system-x86_64) -accel tcg,thread=multi -cpu max "\$@"
END
	chmod +x "$kernel/bin/qemu-system-x86_64"
	PATH=$kernel/bin:$PATH
}

initramfs() {
	root=$kernel/root
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp /bin/busybox "$root/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	cp dev/kunit/init "$root/init"
	cp "$kernel/lib/percpu_test.ko" "$kernel/lib/test_vmalloc.ko" "$root/"
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) > "$kernel/initramfs"
}

# What no log may hold. A stack trace alone is one, whatever was said before it.
complaints='BUG: |BUG at|WARNING: |UBSAN: |KASAN: |Oops|Kernel panic|general protection'
complaints="$complaints|unreferenced object|INFO: (possible|task|rcu)|Call Trace|Bad page"
complaints="$complaints|ran out of memory on the host|lockdep is turned off"

passed=0 failed=0 skipped=0
table=
# run NAME KUNIT.PY-ARGUMENT...: run $kernel, keep its log, add up
run() {
	name=$1
	shift
	out=$top/build/out/kunit-$name$suffix
	mkdir -p "$out"
	echo "== $name (log: $out/kunit.log)"
	rm -f "$kernel/test.log" "$out/kunit.log"
	(cd "$tree" && ./tools/testing/kunit/kunit.py exec --build_dir="$kernel" \
		--timeout=$limit "$@" < /dev/null) > "$out/kunit.txt" 2>&1 || :
	tr -d '\r' < "$kernel/test.log" > "$out/kunit.log" || :

	# kunit.py's own words, without the cases that passed
	sed 's/\x1b\[[0-9;]*m//g; s/^\[[0-9:]*\] //' "$out/kunit.txt" > "$out/summary.txt"
	grep -v -E '^(\[PASSED\]|=+( |$)|Elapsed| *# (module|Totals|.*: pass:))' \
		"$out/summary.txt" || :
	line=$(grep '^Testing complete' "$out/summary.txt" || :)
	number() { echo "$line" | sed -n "s/.*$1:* \\([0-9]*\\).*/\\1/p"; }
	total=$(number Ran) p=$(number passed) s=$(number skipped)
	p=${p:-0} s=${s:-0} f=$((${total:-1} - ${p:-0} - ${s:-0}))
	# Errors are what the parser could not read; a kernel that died is one.
	errors=$(number errors)
	f=$((f + ${errors:-0}))

	if [ "${name#x86}" != "$name" ]; then
		sed -n 's/^init: /  &/p' "$out/kunit.log"
		p=$((p + $(grep -c '^init: ok' "$out/kunit.log" || :)))
		f=$((f + $(grep -c '^init: FAILED' "$out/kunit.log" || :)))
		if ! grep -q '^init: end' "$out/kunit.log"; then
			echo "  dev/kunit/init did not come to its end"
			f=$((f + 1))
		fi
	fi
	found=$(grep -c -E "$complaints" "$out/kunit.log") || :
	if [ "${found:-1}" != 0 ]; then
		echo "  The kernel complains (line: text):"
		grep -n -E "$complaints" "$out/kunit.log" | head -n 20 | sed 's/^/  /'
		f=$((f + 1))
	fi
	table="$table$(printf '%10s: %s passed, %s failed, %s skipped' "$name" "$p" "$f" "$s")
"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for name; do
	case $name in
	um-up)
		build um-up ARCH=um linux
		run um-up ;;
	um-smp2)
		build um-smp ARCH=um linux
		run um-smp2 --kernel_args=ncpus=2 --kernel_args=seccomp=on ;;
	um-smp64)
		build um-smp ARCH=um linux
		run um-smp64 --kernel_args=ncpus=64 --kernel_args=seccomp=on \
			--kernel_args=maxcpus=4 ;;
	x86*)
		build ${name%-page} ARCH=x86_64 bzImage modules
		initramfs
		qemu
		run $name --arch=x86_64 --qemu_config="$top/dev/kunit/x86_64.py" \
			--qemu_args="-smp 4,sockets=4 -initrd $kernel/initramfs" \
			--kernel_args=panic=-1 \
			$([ $name != x86-rt-page ] || echo --kernel_args=percpu_alloc=page) ;;
	esac
done

echo
printf %s "$table"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
