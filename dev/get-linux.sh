#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Lay the pristine Linux 7.3 source in build/linux-base.
#
#   dev/get-linux.sh [KERNEL_TREE]
#
# Without an argument the source is Debian's linux-source-7.3, fetched and
# verified by apt from trixie-backports on the mirror that this machine already
# uses, and kept in ${XDG_CACHE_HOME:-~/.cache}/percpu-next.
set -eu
cd "$(dirname "$0")/.."
base=build/linux-base
cache=${XDG_CACHE_HOME:-$HOME/.cache}/percpu-next
own=${1:-}

die() { echo "get-linux: $*" >&2; exit 1; }

is_7_3() {
	[ -f "$1/Makefile" ] && [ -f "$1/mm/percpu.c" ] &&
		grep -qx 'VERSION = 7' "$1/Makefile" &&
		grep -qx 'PATCHLEVEL = 3' "$1/Makefile"
}

if [ -n "$own" ]; then
	is_7_3 "$own" || die "$own is not a Linux 7.3 tree"
	own=$(cd "$own" && pwd)
	[ ! -e "$own/.percpu-next" ] || die "$own has our allocator applied; make unapply TREE=$own first"
	from=$own
	if [ -e "$own/.git" ]; then
		from="$own $(git -C "$own" rev-parse HEAD)"
	elif [ -e "$own/.config" ]; then
		die "$own has been built in; clean it (make -C $own mrproper) or give a git tree"
	fi
	[ "$(cat $base.from 2>/dev/null)" = "$from" ] && is_7_3 $base && exit 0
else
	is_7_3 $base && exit 0
	from=debian
fi

mkdir -p build "$cache"
rm -rf $base.new
if [ "$from" != debian ]; then
	# A copy, so that nothing here can ever change the user's tree.
	echo "Copying $own to $base"
	mkdir $base.new
	if [ -e "$own/.git" ]; then
		git -C "$own" archive --format=tar HEAD | tar -x -C $base.new
	else
		tar -C "$own" --exclude=.git -c . | tar -x -C $base.new
	fi
else
	deb=$(ls "$cache"/linux-source-7.3_*_all.deb 2>/dev/null | tail -n 1)
	if [ -z "$deb" ]; then
		advice="give a Linux 7.3 tree of your own instead: make KERNEL=/path/to/linux-7.3 ..."
		command -v apt-get >/dev/null || die "no apt-get here; $advice"
		site=$(apt-get indextargets --format '$(SITE) $(CODENAME)' |
			grep -v -e security -e updates -e backports | head -n 1 | cut -d' ' -f1)
		[ -n "$site" ] || die "apt knows no Debian mirror; $advice"
		key=/usr/share/keyrings/debian-archive-keyring.gpg
		[ -f $key ] || die "$key is missing (package debian-archive-keyring); $advice"
		apt=$cache/apt
		mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
		echo "deb [signed-by=$key] $site trixie-backports main" > "$apt/sources.list"
		options="-o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=-
			-o Dir::State::Lists=$apt/lists -o Dir::Cache=$apt/cache
			-o APT::Sandbox::User=root"
		echo "Fetching linux-source-7.3 (170 MB, verified by apt)"
		apt-get -q $options update > "$apt/log" 2>&1 ||
			{ tail -n 5 "$apt/log" >&2; die "apt-get update failed; $advice"; }
		rm -rf "$cache/new" && mkdir "$cache/new"
		[ -t 1 ] && quiet= || quiet=-q	# on a terminal apt shows how far it is
		(cd "$cache/new" && apt-get $quiet $options download linux-source-7.3) ||
			die "the download failed; $advice"
		mv "$cache"/new/linux-source-7.3_*.deb "$cache"/
		rmdir "$cache/new"
		deb=$(ls "$cache"/linux-source-7.3_*_all.deb | tail -n 1)
	fi
	echo "Unpacking $(basename "$deb")"
	rm -rf build/unpack && mkdir build/unpack
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -x -J -C build/unpack || die "$deb is damaged; delete it and run this again"
	mv build/unpack/* $base.new
	rmdir build/unpack
fi
is_7_3 $base.new || die "what was unpacked is no Linux 7.3 tree"
rm -rf $base build/linux build/linux-stock
echo "$from" > $base.from
mv $base.new $base
