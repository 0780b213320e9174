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
die() { echo "check-series: $*" >&2; exit 1; }

dev/packages.sh source uml
dev/get-linux.sh ${KERNEL:+"$KERNEL"}
mkdir -p $out
dev/series.py $out/mails
rm -rf $tree
cp -al build/linux-base $tree
# For git, the tree is in no repository.
GIT_CEILING_DIRECTORIES=$PWD/build
export GIT_CEILING_DIRECTORIES

# configure KIND: as "make test" does, with those of our tests that the step has
configure() {
	grep -v -E 'CONFIG_(PERCPU|VMALLOC)_.*KUNIT' "dev/configs/kunit-um-$1.config"
	cat dev/configs/check-lockdep.config dev/configs/check-atomic-sleep.config
	printf 'CONFIG_%s\n' STDERR_CONSOLE=y DEBUG_FS=y PERCPU_STATS=y TEST_PERCPU=m
	sed -n -E 's/^config ((PERCPU|VMALLOC)_.*KUNIT.*)/CONFIG_\1=y/p' $tree/lib/Kconfig.debug
}

# boot KERNEL LOG ARGUMENT...: it runs the tests and ends by itself
boot() {
	kernel=$1 log=$2
	shift 2
	timeout 600 "$kernel" mem=512M seccomp=on loglevel=7 kunit_shutdown=halt "$@" \
		< /dev/null > "$log" 2>&1 && grep -q 'KTAP version' "$log" &&
		! grep -E 'Kernel panic|BUG:|WARNING:|(^|\] )not ok' "$log"
}

# shellcheck disable=SC2046
set -- $(find "$PWD/$out/mails" -name '0*.patch' ! -name '0000-*' | sort)
count=$# number=0
last=${last:-$count}
for mail; do
	number=$((number + 1))
	name=$(basename "$mail" .patch)
	git -C $tree apply "$mail" || die "$name does not apply"
	[ $number -ge "$first" ] || continue
	[ $number -le "$last" ] || break
	echo "== $number of $count: ${name#*-}"
	for kind in up smp; do
		configure $kind > $out/$kind.config
		dev/kbuild.sh $tree $out/$kind $out/$kind.config ARCH=um all
		cpus=$([ $kind = up ] || echo ncpus=2)
		# shellcheck disable=SC2086
		boot $out/$kind/linux $out/$kind.log $cpus ||
			die "step $number ($kind) does not boot or its tests fail; see $out/$kind.log"
		echo "  $kind boots; KUnit: $(grep -c -E '(^|\] )ok ' $out/$kind.log || :) suites passed"
	done
done
echo "Steps $first to $last of $count build and boot."
