#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Lay a kernel tree that is ready to build.
#
#   dev/tree.sh ours     build/linux: pristine Linux, our files (as links into
#                        the repository), every patch
#   dev/tree.sh stock    build/linux-stock: pristine Linux and the tests that
#                        run on the stock allocator too
#
# Unchanged files are hard links to build/linux-base: replace files in these
# trees, never write into them. Run again it mends only what has changed; an
# edit to one of our files needs no run at all.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
die() { echo "tree: $*" >&2; exit 1; }

kind=${1:-ours}
case $kind in
ours)	tree=build/linux ;;
stock)	tree=build/linux-stock ;;
*)	die "usage: dev/tree.sh ours|stock" ;;
esac
base=build/linux-base
[ -f $base/mm/percpu.c ] || die "there is no $base; run: dev/get-linux.sh"
exec 9> $tree.lock
flock 9

patches=$(dev/overlay.py patches "$kind")
stamp=$({ stat -c '%i %w' $base; cat $base.from
	for name in $patches; do cat "patches/$name"; done; } | sha256sum)
if ! { [ -d $tree ] && [ "$stamp" = "$(cat $tree.stamp 2>/dev/null)" ]; }; then
	echo "Laying $tree" >&2
	rm -rf $tree.stamp $tree.files $tree.new
	cp -al $base $tree.new
	[ "$kind" = stock ] || (cd $tree.new && rm -f $(../../dev/overlay.py replaced))
	for name in $patches; do
		patch -d $tree.new -p1 -F0 -s --no-backup-if-mismatch < "patches/$name" ||
			die "patches/$name does not apply to $base"
	done
	rm -rf $tree
	mv $tree.new $tree
	echo "$stamp" > $tree.stamp
fi

# Links: those that lead nowhere any more go, the missing ones come.
touch $tree.files
dev/overlay.py files "$kind" > $tree.files.new
for path in $(comm -23 $tree.files $tree.files.new); do
	rm -f "$tree/$path"
	[ ! -f "$base/$path" ] || ln "$base/$path" "$tree/$path"
done
mv $tree.files.new $tree.files
while read -r path; do
	[ "$tree/$path" -ef "$path" ] && continue
	mkdir -p "$tree/$(dirname "$path")"
	ln -sfrn "$path" "$tree/$path"
done < $tree.files
