#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Let each percpu request of the kernel's init functions fail, one in each boot.
#
#   dev/boots.sh [FIRST [LAST]]      only those requests; without, all that there are
#
# UML with one CPU and with what makes such requests (dev/configs/boots.config). Without
# the request the kernel must come up and pass the suite "percpu", or end the boot in the
# words of who asked: a panic that says what it lacks, or a BUG_ON() in one of the
# functions below which the request failed. A few init functions of Linux 7.3 do not bear
# a failure, whoever allocates; see unbearable() below. The log of each boot stays in
# build/out/boots/N.log. The last line is "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
first=${1:-1} last=${2:-1000}
case $first$last in *[!0-9]*) echo "usage: dev/boots.sh [FIRST [LAST]]" >&2; exit 2 ;; esac
out=build/out/boots
dev/packages.sh source uml
dev/get-linux.sh ${KERNEL:+"$KERNEL"}
dev/tree.sh ours
mkdir -p $out
cat dev/configs/kunit-um-smp.config dev/configs/boots.config > $out.config
dev/kbuild.sh build/linux $out $out.config ARCH=um linux

# boot N: the log is written as it comes. After the tests there is no root file system.
boot() {
	timeout 60 $out/linux mem=512M stderr=1 console=stderr0 loglevel=7 \
		kunit.filter_glob=percpu "fail_percpu=$1,100,0,1" < /dev/null > $out/$1.log 2>&1
}
no_cache='WARNING: .*/mm/slab_common.c'	# kmem_cache_create() says so where it fails
the_end='Kernel panic - not syncing: VFS: Unable to mount root fs'

# The functions below which the request failed, up to the init function; UML's traces have
# others in between, and what lies on the stack as a pointer.
callers() {
	awk '
		/FAULT_INJECTION: forcing a failure/ { failed = 1 }
		!failed || /\+0x0\// || !match($0, /[A-Za-z_][A-Za-z0-9_.]*\+0x[0-9a-f]+\//) { next }
		{ name = substr($0, RSTART, index(substr($0, RSTART), "+") - 1) }
		name ~ /^(do_one_initcall|kernel_init.*|kthread)$/ { exit }
		name ~ /^pcpu_alloc/ { asked = 1; next }
		asked { print name }
	' "$1"
}

# unbearable FUNCTION: what it makes of a failure
unbearable() {
	case $1 in
	sock_init)	echo 'follows the error that kern_mount() returned' ;;
	inet_init)	echo 'goes on without a protocol that it then uses' ;;
	net_dev_init)	echo 'goes on without name spaces, and registers devices in them' ;;
	driver_init)	echo 'puts a device that has no release()' ;;
	*)	return 1 ;;
	esac
}

# outcome LOG: in words; fails if it is none of those that may be
outcome() {
	if grep -q '\] ok 1 percpu$' "$1" && grep -q "$the_end" "$1" &&
	   ! grep -v -e "$the_end" -e "$no_cache" "$1" |
	     grep -q -E 'BUG|WARNING|Oops|panic|not ok|invariant broken'; then
		echo 'comes up'
		return
	fi
	line=$(grep -E -m 1 'BUG: failure at|Kernel panic - not syncing' "$1" | sed 's/^[^]]*\] *//')
	where=$(echo "$line" | sed -n 's|^BUG: failure at .*/\([a-zA-Z0-9_]*\)()!$|\1|p')
	if [ -n "$where" ] && callers "$1" | grep -q -x "$where"; then
		echo "ends in a BUG_ON() of $where()"
		return
	fi
	case $line in
	'Kernel panic - not syncing: Segfault'* | "$the_end"* | BUG* | '')	;;
	*)	echo "ends: ${line#*: }"; return ;;
	esac
	init=$(callers "$1" | tail -n 1)
	unbearable "$init"
}

passed=0 failed=0 number=$first
while [ "$number" -le "$last" ]; do
	log=$out/$number.log
	boot "$number" || :
	if ! grep -q 'FAULT_INJECTION: forcing a failure' $log; then
		echo "boots: no request failed; see $log"
		failed=$((failed + 1))
		break
	fi
	# The last one of the kernel was before this.
	if callers $log | grep -q -x kunit_try_run_case; then break; fi
	if text=$(outcome $log); then
		passed=$((passed + 1))
	else
		failed=$((failed + 1)) text="FAILED; see $log: $text"
	fi
	echo "  request $number, $(callers $log | sed -n '$p'): $text"
	number=$((number + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
