#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run "name:command" pairs one after another and sum up what they report.
#
# A test program ends in a line "N passed, N failed"; the fuzzer counts as one test.
set -u

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

for pair; do
	name=${pair%%:*}
	command=${pair#*:}
	echo "== $name"
	if [ "$name" = fuzz ]; then
		mkdir -p "$(echo "$command" | sed 's/^cd \([^ ]*\) .*/\1/')/corpus"
		if sh -c "$command" > "$log" 2>&1; then
			grep -E 'stat::number_of_executed_units|stat::average' "$log" | sed 's/^/    /'
			echo "fuzz ok"
			passed=$((passed + 1))
		else
			tail -n 40 "$log"
			echo "fuzz FAILED; the input is in the file that is named above"
			failed=$((failed + 1))
		fi
		continue
	fi
	sh -c "$command" 2>&1 | tee "$log"
	last=$(tail -n 1 "$log")
	case $last in
	*' passed, '*' failed')
		passed=$((passed + ${last%% *}))
		last=${last#*, }
		failed=$((failed + ${last%% *}))
		;;
	*)
		echo "$name ended early"
		failed=$((failed + 1))
		;;
	esac
done
echo "== all builds"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
