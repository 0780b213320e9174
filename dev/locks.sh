#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Count what two CPUs wait for each other in vmalloc and percpu memory, with stock and
# with ours ("make locks"): dev/run/locks in QEMU, with CONFIG_LOCK_STAT.
#
# Prints for each phase how often somebody had to wait, for how long, and the ratios
# ours/stock; then the locks that somebody waited for. Where the host takes a CPU away from
# the guest while it has a lock, one wait is as long as that: times want two idle cores.
set -eu
cd "$(dirname "$0")/.."
for kind in stock ours; do
	PERCPU_TREE=$kind dev/run.sh locks
done
for kind in stock ours; do
	suffix=
	[ $kind = ours ] || suffix=-stock
	tr -d '\r' < build/out/locks$suffix/locks.log | sed -n "s/^lock|/$kind|/p"
done > build/out/locks.txt
awk -F'|' '
	function ratio(stock, ours) { return stock ? sprintf("%.3f", ours / stock) : "-" }
	{ # kind, phase, class, acquisitions, contentions, microseconds
		if (!($2 in seen)) { seen[$2] = 1; phases[++nr] = $2 }
		waited[$1, $2] += $6
		met[$1, $2] += $5
		if ($5) lines[++nr_lines] = sprintf("%-8s%-6s %-28s%12d%12d%12d", $2, $1, $3, $4, $5, $6)
	}
	END {
		print "            times waited               microseconds waited"
		print "phase       stock     ours   ratio       stock      ours   ratio"
		for (i = 1; i <= nr; i++) {
			p = phases[i]
			printf "%-8s%9d%9d%8s%12d%10d%8s\n", p,
			       met["stock", p], met["ours", p], ratio(met["stock", p], met["ours", p]),
			       waited["stock", p], waited["ours", p],
			       ratio(waited["stock", p], waited["ours", p])
		}
		print "\nphase   tree   lock                        acquisitions  contentions microseconds"
		for (i = 1; i <= nr_lines; i++) print lines[i]
	}' build/out/locks.txt
