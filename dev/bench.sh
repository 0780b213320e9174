#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measure our percpu allocator against stock in one run ("make bench").
#
#   dev/bench.sh [build|run] [stock|ours] [um|x86|fork]
#
# um is UML with 1 and with 2 CPUs, x86 is QEMU with 1 and with 64 possible CPUs,
# fork is QEMU with a userspace, and 1 and 4 possible CPUs. Without arguments: build both kinds
# for all of them, then run them all. It fails if something does not build or does
# not come to its end; a limit that does not hold is shown, and is no failure.
# BENCH_REPEAT=N sets how often each UML boot is repeated (5); KERNEL=DIR is a
# Linux 7.3 tree of your own. Results: build/bench/bench.csv and bench.svg.
set -eu
cd "$(dirname "$0")/.."
steps='' kinds='' machines=''
for word; do
	case $word in
	build | run)	steps="$steps $word" ;;
	stock | ours)	kinds="$kinds $word" ;;
	um | x86 | fork) machines="$machines $word" ;;
	*)	echo "usage: dev/bench.sh [build|run] [stock|ours] [um|x86|fork]" >&2; exit 2 ;;
	esac
done
kinds=${kinds:-stock ours} machines=${machines:-um x86 fork}

# initramfs DIR: one static program, which is the init of its machine
initramfs() {
	mkdir -p "$1/root"
	gcc -O2 -Wall -static -o "$1/root/init" dev/bench/forks.c
	(cd "$1/root" && echo init | cpio --quiet -o -H newc -R 0:0) > "$1/initramfs"
}

build() {
	sh dev/packages.sh source bench
	sh dev/get-linux.sh ${KERNEL:+"$KERNEL"}
	for kind in $kinds; do
		sh dev/tree.sh "$kind"
		tree=build/linux
		[ "$kind" = ours ] || tree=build/linux-stock
		for machine in $machines; do
			echo "== kernel: $machine, $kind"
			case $machine in
			um)	set -- ARCH=um SUBARCH=x86_64 linux ;;
			*)	set -- ARCH=x86_64 bzImage ;;
			esac
			sh dev/kbuild.sh $tree "build/out/bench-$machine-$kind" \
				"dev/configs/bench-$machine.config" "$@"
			[ "$machine" != fork ] || initramfs "build/out/bench-fork-$kind"
		done
	done
}

run() {
	# shellcheck disable=SC2086
	python3 dev/bench.py --kinds $kinds --machines $machines \
		--repeat "${BENCH_REPEAT:-5}"
}

for step in ${steps:-build run}; do
	$step
done
