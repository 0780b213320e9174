#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Install the Debian packages that a command needs.
#
#   dev/packages.sh GROUP...      groups: source apply sim be64 model uml qemu check gdb
#                                 bench, and machines of dev/kunit/machines, which
#                                 has their packages
#
# As root it calls apt-get; otherwise it prints the one command to run. On a
# system without dpkg it leaves the packages to you.
set -eu

packages_of() {
	case $1 in
	source)	echo binutils ca-certificates debian-archive-keyring git tar xz-utils; packages_of apply ;;
	sim)	echo gcc libc6-dev make clang libclang-rt-14-dev llvm libc6-dev-i386 lib32gcc-12-dev ;;
	be64)	packages_of sim; echo binutils-s390x-linux-gnu libgcc-12-dev-s390x-cross libc6-dev-s390x-cross qemu-user ;;
	model)	echo gcc libc6-dev make spin ;;
	uml)	echo gcc libc6-dev make flex bison bc libelf-dev ccache python3 perl rsync git ;;
	qemu)	packages_of uml; echo qemu-system-x86 busybox-static cpio kmod libssl-dev ;;
	check)	packages_of uml; echo coccinelle python3-docutils ;;
	gdb)	packages_of uml; echo gdb ;;
	bench)	packages_of qemu; echo gnuplot-nox ;;
	apply)	echo patch python3 ;;
	*)	packages_of_machine "$1" ;;
	esac
}

packages_of_machine() {
	packages_of uml
	awk -v machine="$1" '
		$1 == machine {
			found = 1
			if (sub("^LLVM=", "", $3)) print "clang" $3, "lld" $3, "llvm" $3
			else if ($3 != "-") print "gcc-" substr($3, 1, length($3) - 1)
			if ($4 != "-") { gsub(",", " ", $4); print $4 }
		}
		END { exit !found }
	' "$(dirname "$0")/kunit/machines" || { echo "packages.sh: unknown group '$1'" >&2; exit 2; }
}

# Before the pipe, which would hide that it fails.
for group; do packages_of "$group" > /dev/null; done
want=$(for group; do packages_of "$group"; done | tr ' ' '\n' | sort -u)
if ! command -v dpkg-query >/dev/null; then
	echo "No Debian system: have the like of these installed:" $want >&2
	exit 0
fi
missing=
for package in $want; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
		grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "These Debian packages are missing. Install them, then run this again:" >&2
	echo "  sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# Another apt may hold the lock on a machine that has just come up: wait.
{ apt-get -o DPkg::Lock::Timeout=300 -q update &&
  apt-get -o DPkg::Lock::Timeout=300 -q -y install --no-install-recommends $missing; } \
	> "$log" 2>&1 || { tail -n 20 "$log" >&2
	echo "packages.sh: apt-get failed; mend that and run this again" >&2; exit 1; }
