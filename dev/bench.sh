#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measure our percpu allocator against stock in one run ("make bench").
#
#   dev/bench.sh [build|run] [stock|ours] [um|x86]
#
# Without arguments: build both kinds for both machines, then run them all.
# BENCH_REPEAT=N sets how often each UML boot is repeated (5); KERNEL=DIR is a
# Linux 7.3 tree of your own. Results: build/bench/bench.csv and bench.svg.
set -eu
cd "$(dirname "$0")/.."
steps='' kinds='' machines=''
for word; do
	case $word in
	build | run)	steps="$steps $word" ;;
	stock | ours)	kinds="$kinds $word" ;;
	um | x86)	machines="$machines $word" ;;
	*)	echo "usage: dev/bench.sh [build|run] [stock|ours] [um|x86]" >&2; exit 2 ;;
	esac
done
kinds=${kinds:-stock ours} machines=${machines:-um x86}

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
			x86)	set -- ARCH=x86_64 bzImage ;;
			esac
			sh dev/kbuild.sh $tree "build/out/bench-$machine-$kind" \
				"dev/configs/bench-$machine.config" "$@"
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
