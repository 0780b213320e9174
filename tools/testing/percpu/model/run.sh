#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check the models with spin: each as it is, in several sizes, and with mistakes
# that spin must find, so that a model is known to be able to fail.
#
#   run.sh OUT [JOBS]      OUT: folder for what is made; one job takes up to 1.1 GiB
#
# A line for each; ends in "N passed, N failed". Where one fails, its trail is in OUT:
# cd OUT/NAME && spin -t -p -g MODEL.pml -DFLAG...
set -u
here=$(cd "$(dirname "$0")" && pwd)

# MODEL FLAGS [MISTAKES]: all orders of events in a model of that size, then the
# mistakes one by one.
runs() {
	cat <<-'END'
		bins ALIGN TAKE PUSH NOTE KEEP HIDDEN
		bins REFILL KEEP DRAIN
		bins SIZES SIZE
		bins TWICE CLAIM FLAG
		bins TRIM PLACE MOVE
		bins TRIM,FAIL TRIM RETURN
		bins TRIM,FAIL,ALIGN
		bins TRIM,FAIL,SIZES DRAIN
		bins TRIM,REFILL,NR_USERS=1,NR_OPS=2
		bins TRIM,GIVE,LATE PLACE
		bins TRIM,GIVE,NR_USERS=1
		bins TRIM,TAKE,LATE BACK
		bins TRIM,TAKE,NR_USERS=1 KEEP
		bins NR_BINS=2 HINT BUDGET
		rows NR_PASSES=2 PLACE AGAIN CLOSE FLUSH LOCK DROP
		rows THREE_USERS PUBLISH WAIT
		chunks - GRACE LATE CLAIM LOCK ORDER
		pending - EARLY TAKE MARK LIST STATE RELIST BOUND COUNT NEXT DEL
		pending NR_PASSES=2 GRACE RCU DEAD KEEP RETIRE
		pending NR_CHUNKS=2,NR_AREAS=1 ADD
		pending NR_USERS=1,NR_AREAS=1,NR_OPS=3
		pending NR_USERS=3,NR_AREAS=3,NR_PASSES=0,NO_REQUEST
	END
}

# check OUT MODEL FLAG[,FLAG...] MISTAKE: a line, "ok" or "FAILED" in its second word
check() {
	name=$2${3:+-$3}${4:+-$4}
	dir=$1/$name
	defines=$(echo "$3" | tr ',' '\n' | sed 's/^\(..*\)/-D\1/')${4:+ -DBREAK_$4}
	rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" || return
	cp "$here/$2.pml" .
	began=$(date +%s)
	# shellcheck disable=SC2086
	{ spin -a $defines "$2.pml" && grep -q . pan.c &&
	  ${CC:-gcc} -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=1100 -o pan pan.c &&
	  ./pan -n -m20000; } > log 2>&1
	took=$(($(date +%s) - began))
	states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' log)
	found=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' log | head -n 1)
	if grep -q 'errors: 0$' log && ! grep -q 'not completed' log; then
		verdict=clean
	elif grep -q '^pan:[0-9]*: \(assertion violated\|invalid end state\)' log; then
		verdict=found
	else
		verdict=broken
	fi
	rm -f pan pan.?
	case $verdict-${4:+mistake} in
	clean-)		echo "$name: ok, $states states, $took s" ;;
	found-mistake)	echo "$name: ok, found: $found" | cut -c1-100 ;;
	clean-mistake)	echo "$name: FAILED, the mistake was not found ($took s)" ;;
	found-)		echo "$name: FAILED, $found; see $dir" ;;
	*)		echo "$name: FAILED, see $dir/log" ;;
	esac
}

[ $# -gt 0 ] || { echo "usage: run.sh OUT [JOBS]" >&2; exit 2; }
if [ "$1" = check ]; then
	shift
	check "$@"
	exit
fi

mkdir -p "$1" && out=$(cd "$1" && pwd) || exit
runs | while read -r model flags mistakes; do
	[ "$flags" != - ] || flags=
	for mistake in '' $mistakes; do
		printf '%s\n' "$model" "$flags" "$mistake"
	done
done | tr '\n' '\0' | xargs -0 -n 3 -P "${2:-1}" "$0" check "$out" | tee "$out/results"
failed=$(grep -c ': FAILED' "$out/results")
passed=$(grep -c ': ok' "$out/results")
# One line for each, or else some have died.
want=$(runs | awk '{ n += NF - 1 } END { print n }')
echo "$passed passed, $((want - passed)) failed"
[ "$passed" = "$want" ] && [ "$failed" = 0 ]
