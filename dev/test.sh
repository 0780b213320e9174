#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the tests and sum up.
#
#   dev/test.sh [PART]...      parts: apply series tools sim vmalloc vparts kunit
#                              races (all of these without PART); on demand: load,
#                              pressure, boots, model, sim-be64, gdb, kunit-full (every machine
#                              and checker), and races-long, an hour or RACES_SECONDS of
#                              races
#   dev/test.sh full           all, with what else is run on demand only; the last is
#                              kunit-full, whose table so stands at the end
#
# A part's last line "N passed, N failed" counts; a part that fails without one
# counts as one failure. The output of each is kept in build/test/PART.log; what
# failed is said again at the end.
set -u
cd "$(dirname "$0")/.."

run_part() {
	case $1 in
	apply)	dev/packages.sh source && linux && dev/test-overlay.py apply ;;
	series)	dev/packages.sh source && linux && dev/test-overlay.py series ;;
	tools)	dev/packages.sh sim && dev/test-bench.py && dev/test-percpu-stats.py ;;
	sim)	dev/packages.sh source sim && linux && make -C tools/testing/percpu test ;;
	model)	dev/packages.sh model && make -C tools/testing/percpu model ;;
	sim-be64) dev/packages.sh source be64 && linux && make -C tools/testing/percpu be64 ;;
	vmalloc)	dev/packages.sh source sim && linux && make -C tools/testing/vmalloc test ;;
	vparts)	dev/packages.sh sim && make -C tools/testing/vmalloc/parts test ;;
	kunit)	dev/packages.sh source && linux && dev/kunit.sh test ;;
	kunit-full) dev/packages.sh source && linux && dev/kunit.sh full ;;
	gdb)	dev/gdb.sh ;;
	boots)	dev/boots.sh ;;
	load)	dev/run.sh load ;;
	pressure)	dev/run.sh pressure ;;
	races)	dev/run.sh races 60 ;;
	races-long)	dev/run.sh races "${RACES_SECONDS:-3600}" ;;
	esac
}

linux() { dev/get-linux.sh ${KERNEL:+"$KERNEL"}; }

basic='apply series tools sim vmalloc vparts kunit races'
full='apply series tools sim vmalloc vparts sim-be64 model gdb boots load pressure races races-long kunit-full'
# shellcheck disable=SC2086
case $* in
'')	set -- $basic ;;
full)	set -- $full ;;
esac
for part; do
	case " $basic $full " in
	*" $part "*) ;;
	*)	echo "test.sh: there is no part '$part'; there are kunit $full" >&2; exit 2 ;;
	esac
done
mkdir -p build/test
passed=0 failed=0 began=$(date +%s)
for part; do
	log=build/test/$part.log
	echo "== $part (after $((($(date +%s) - began) / 60)) min)"
	{ run_part "$part" 2>&1; echo $? > $log.status; } | tee "$log"
	status=$(cat $log.status)
	rm -f $log.status
	count=$(sed -n 's/.*\b\([0-9]\+\) passed, \([0-9]\+\) failed.*/\1 \2/p' "$log" | tail -n 1)
	p=${count% *} f=${count#* }
	# A part that died halfway, or that tested nothing, has failed too.
	if [ -z "$count" ] || { [ "$status" != 0 ] && [ "$f" = 0 ]; }; then f=1; fi
	passed=$((passed + ${p:-0})) failed=$((failed + $f))
	[ "$f" = 0 ] || failures="${failures:-}== $part
$({ grep -E -A 3 'FAILED|EXPECTATION|The kernel complains|did not come' "$log" ||
	tail -n 5 "$log"; } | cut -c 1-160 | head -n 12)
"
	results="${results:-}$(printf '%10s: %s passed, %s failed' "$part" "${p:-0}" "$f")
"
done
echo
printf %s "$results"
[ $failed = 0 ] || printf '\nWhat failed (all of it: build/test/PART.log)\n%s\n' "${failures%
}"
echo "in $((($(date +%s) - began) / 60)) min"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
