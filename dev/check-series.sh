#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build and boot every step of the mail series in UML, with one CPU (km backend)
# and with two (vm backend), and run the KUnit tests that the step has.
# Slow: an hour without ccache.
#
#   dev/check-series.sh [FIRST [LAST]]     only those mails
set -eu
cd "$(dirname "$0")/.."
first=${1:-1} last=${2:-}
tree=build/linux-series out=build/out/series
sim=$PWD/$out/sim
die() { echo "check-series: $*" >&2; exit 1; }
case $first$last in *[!0-9]*) die "usage: dev/check-series.sh [FIRST [LAST]]" ;; esac

dev/packages.sh source uml sim
dev/get-linux.sh ${KERNEL:+"$KERNEL"}
mkdir -p $out
dev/series.py $out/mails
# Objects of another step could be newer than the sources of this one; ccache has them.
rm -rf $tree $out/up $out/smp
cp -al build/linux-base $tree
# For git, the tree is in no repository.
GIT_CEILING_DIRECTORIES=$PWD/build
export GIT_CEILING_DIRECTORIES

# configure KIND: as "make test" does, with those of our tests that the step has
configure() {
	grep -v -E 'CONFIG_(PERCPU|VMALLOC)_.*KUNIT' "dev/configs/kunit-um-$1.config"
	cat dev/configs/check-lockdep.config dev/configs/check-atomic-sleep.config
	printf 'CONFIG_%s\n' STDERR_CONSOLE=y DEBUG_FS=y PROC_FS=y PERCPU_STATS=y TEST_PERCPU=m
	sed -n -E '/KASAN/d; s/^config ((PERCPU|VMALLOC)_.*KUNIT.*)/CONFIG_\1=y/p' \
		$tree/lib/Kconfig.debug
}

# boot KERNEL LOG ARGUMENT...: it runs the tests and ends by itself
boot() {
	kernel=$1 log=$2
	shift 2
	timeout 600 "$kernel" mem=512M seccomp=on loglevel=7 kunit_shutdown=halt "$@" \
		< /dev/null > "$log" 2>&1 && grep -q 'KTAP version' "$log" &&
		! grep -E 'Kernel panic|BUG:|WARNING:|(^|\] )not ok' "$log"
}

# Objects of what the kernel will build once the new vmalloc is complete.
early_objects() {
	for source in "$tree"/mm/vmalloc-*.c; do
		object=$(basename "$source" .c).o
		[ ! -f "$source" ] || grep -q "$object" $tree/mm/Makefile || echo "mm/$object"
	done
}

# run_sim FOLDER WHAT...: make it there, with its output in the log
run_sim() {
	folder=$1
	shift
	SCALE=20 make -C "$tree/tools/testing/$folder" O="$sim/$folder" "$@" \
		>> $out/sim.log 2>&1
}

# links WHAT: are there all files that its tests in userspace are made of?
links() {
	case $1 in
	percpu)	[ -f $tree/tools/testing/percpu/test-gfp.c ] ;;
	vmalloc)	[ -f $tree/mm/vmalloc-validate.c ] ;;
	esac
}

# userspace MAIL: what it changes, in the tests of percpu and of vmalloc: the program,
# or those of its objects that there are; each part of vmalloc is a program by itself
userspace() {
	for what in percpu vmalloc; do
		grep -q "^diff --git a/\(mm\|tools/testing\)/$what" "$1" || continue
		[ -f $tree/tools/testing/$what/Makefile ] || continue
		if links $what; then
			run_sim $what smp || return 1
		else
			objects=$(cd $tree && find mm tools/testing/$what -maxdepth 1 \
				-name "$what-*.c" -o -name 'test-*.c' -o -name main.c \
				-o -name world.c -o -name model.c |
				sed "s|.*/\(.*\)\.c|$sim/$what/smp/\1.o|
					s|smp/\(.*-kasan.o\)|kasan/\1|
					s|smp/\(.*-km.o\)|up/\1|")
			# shellcheck disable=SC2086
			run_sim $what $objects || return 1
		fi
		[ ! -f $tree/tools/testing/$what/parts/Makefile ] ||
			run_sim $what/parts test || return 1
	done
}

# shellcheck disable=SC2046
set -- $(find "$PWD/$out/mails" -name '0*.patch' ! -name '0000-*' | sort)
count=$# number=0
: > $out/up.booted
: > $out/smp.booted
last=${last:-$count}
{ [ "$first" -le "$last" ] && [ "$last" -le "$count" ]; } || die "there are mails 1 to $count"
for mail; do
	number=$((number + 1))
	name=$(basename "$mail" .patch)
	git -C $tree apply "$mail" || die "$name does not apply"
	[ $number -ge "$first" ] || continue
	[ $number -le "$last" ] || break
	echo "== $number of $count: ${name#*-}"
	: > $out/sim.log
	userspace "$mail" || die "step $number: tests in userspace fail; see $out/sim.log"
	sed -n 's/^[0-9]* passed, 0 failed/  userspace: &/p' $out/sim.log
	for kind in up smp; do
		configure $kind > $out/$kind.config
		dev/kbuild.sh $tree $out/$kind $out/$kind.config ARCH=um all
		# shellcheck disable=SC2046
		[ -z "$(early_objects)" ] ||
			dev/kbuild.sh $tree $out/$kind $out/$kind.config ARCH=um $(early_objects)
		sum=$(sha256sum < $out/$kind/linux)
		if [ "$sum" = "$(cat $out/$kind.booted)" ]; then
			echo "  $kind is the kernel of the step before"
			continue
		fi
		cpus=$([ $kind = up ] || echo ncpus=2)
		# shellcheck disable=SC2086
		boot $out/$kind/linux $out/$kind.log $cpus ||
			die "step $number ($kind) does not boot or its tests fail; see $out/$kind.log"
		echo "$sum" > $out/$kind.booted
		echo "  $kind boots; KUnit: $(grep -c -E '(^|\] )ok ' $out/$kind.log || :) suites passed"
	done
done
echo "Steps $first to $last of $count build and boot."
