#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Instructions of a pair (allocate, unlink, free, its part of the purge), by the
# number of live areas. Needs valgrind. The shim's locks count, its TLB does not.
#
#   bench.sh SIM FOLDER
set -eu
[ $# = 2 ] || { echo "usage: bench.sh SIM FOLDER" >&2; exit 2; }
sim=$1 out=$2
pairs=20000

count() {
	valgrind --tool=callgrind --callgrind-out-file="$out/callgrind" --collect-atstart=no \
		--toggle-collect=bench_pairs --toggle-collect=bench_mixed "$sim" "$1" "$2" $pairs 2>&1 |
		sed -n 's/.*Collected : //p'
}

printf '%8s %8s %8s\n' pages live instr
for pages in 2 101 1000 4000 mixed; do
	for live in 1000 10000 100000; do
		printf '%8s %8d %8d\n' $pages $live $(($(count $live $pages) / pairs))
	done
done
