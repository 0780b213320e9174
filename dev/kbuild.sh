#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Configure and build a kernel outside its tree, with progress.
#
#   dev/kbuild.sh TREE OUT CONFIG [VARIABLE=VALUE...] TARGET...
#
# CONFIG is a fragment: what it does not name is off (allnoconfig), and what it
# names must hold afterwards. The whole output is kept in OUT/build.log.
#
#   dev/kbuild.sh build/linux build/out/load build/out/load.config bzImage modules
set -eu
die() { echo "kbuild: $*" >&2; exit 1; }
[ $# -ge 4 ] || die "usage: dev/kbuild.sh TREE OUT CONFIG [VARIABLE=VALUE...] TARGET..."
tree=$1 out=$2 config=$3
shift 3
variables='' targets='' compiler=gcc
for word; do
	case $word in
	CROSS_COMPILE=*) compiler=${word#*=}gcc variables="$variables $word" ;;
	LLVM=*)	compiler=clang${word#*=} variables="$variables $word" ;;
	*=*)	variables="$variables $word" ;;
	*)	targets="$targets $word" ;;
	esac
done
[ -f "$tree/Kbuild" ] || die "$tree is not a kernel tree"
mkdir -p "$out"
out=$(cd "$out" && pwd)
config=$(cd "$(dirname "$config")" && pwd)/$(basename "$config")
log=$out/build.log

if command -v ccache >/dev/null; then
	compiler="ccache $compiler"
	# Hits wherever the repository lies.
	CCACHE_BASEDIR=$(pwd)
	export CCACHE_BASEDIR
fi
# The same source gives the same kernel.
export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=percpu KBUILD_BUILD_HOST=next

run_make() { # shellcheck disable=SC2086
	make -C "$tree" O="$out" CC="$compiler" -j"$(nproc)" $variables "$@"
}

if ! run_make KCONFIG_ALLCONFIG="$config" allnoconfig > "$log" 2>&1; then
	tail -n 20 "$log" >&2
	die "the configuration failed"
fi
lost=$(grep -E '^CONFIG_' "$config" | grep -vxFf "$out/.config" || :)
[ -z "$lost" ] || die "$config: not taken by this tree:
$lost"

# One line at a time is enough to count them.
count() {
	files=0 shown=0
	while IFS= read -r line; do
		case $line in
		'  CC '* | '  AS '*) files=$((files + 1)) ;;
		'  LD '*.tmp_vmlinux1) [ ! -t 1 ] || printf '\r'; echo '  linking the kernel' ;;
		*' warning: '*) echo "$line" >&2 ;;
		esac
		if [ -t 1 ]; then
			printf '\r  %d files' $files
		elif [ $((files - shown)) -ge 250 ]; then
			shown=$files
			echo "  $files files"
		fi
	done
	[ ! -t 1 ] || printf '\r'
	echo "  $files files compiled"
}
rm -f "$out/build.status"
# shellcheck disable=SC2086
{ run_make $targets 2>&1 || echo $? > "$out/build.status"; } | tee -a "$log" | count
if [ -f "$out/build.status" ]; then
	grep -E ' error: |Error [0-9]|undefined reference' "$log" | head -n 20 >&2
	die "the build failed; all of its output: $log"
fi
