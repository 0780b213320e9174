#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Static checks of our files.
#
#   dev/check.sh [PART]...     parts: checkpatch kernel-doc rst build coccicheck overlap
#
# Every finding is a line in build/check/PART.txt; any finding makes it fail.
set -u
cd "$(dirname "$0")/.."
repo=$PWD tree=$PWD/build/linux found=$PWD/build/check
overlap=$PWD/../shared/tools/overlap

parts='checkpatch kernel-doc rst build coccicheck overlap'
for part; do
	case " $parts " in
	*" $part "*) ;;
	*)	echo "check.sh: there is no part '$part'; there are $parts" >&2; exit 2 ;;
	esac
done

dev/packages.sh source check || exit
dev/get-linux.sh ${KERNEL:+"$KERNEL"} || exit
dev/tree.sh ours || exit
mkdir -p "$found"
code=$(dev/overlay.py files | grep '\.[ch]$')
kernel=$(echo "$code" | grep -v '^tools/')		# what the kernel build compiles
code=$(echo "$code" | grep -v '/shim/')	# those imitate the kernel's headers

# Each part prints its findings, a line each, and nothing else.

# progress NUMBER TOTAL: how far a slow part is, on a terminal at each step
progress() {
	if [ -t 2 ]; then
		printf '\r  %d of %d ' "$1" "$2" >&2
		[ "$1" -lt "$2" ] || printf '\r' >&2
	elif [ $(($1 % 25)) = 0 ]; then
		echo "  $1 of $2" >&2
	fi
}

# Where checkpatch is not followed, and why.
exceptions() {
	sed 's/[[:space:]]*#.*//; /^$/d' <<-'END'
		percpu-first.c.*PREFER_PR_LEVEL		# pr_debug() would vanish from the log of a boot
		percpu-fault.c.*UNDOCUMENTED_SETUP	# it is, in a file that is not looked at
		percpu-kernel.h.*INCLUDE_LINUX		# flush_cache_vmap() and all
		percpu_nolock_kunit.c.*INCLUDE_LINUX	# register_nmi_handler()
		vmalloc-internal.h.*MACRO_ARG_REUSE	# a loop names its variable
		vmalloc-map.c.*SPACING			# "level##_t *entry" in macros
		vmalloc-map.c.*AVOID_BUG		# VIRTUAL_BUG_ON() is for debugging
		vmalloc-area.c.*AVOID_BUG		# areas that overlap in early boot
		vmalloc-ram.c.*NR_CPUS			# the size of a bitmap in a struct
		vmalloc-stats.c.*LOGGING_CONTINUATION	# ends a line of mem_dump_obj()
		percpu/lines.c.*(CAMELCASE|VOLATILE|SPACING|MACRO_ARG)	# what clang calls, by macros
		percpu/fuzz.c.*(CAMELCASE|AVOID_EXTERNS)	# libFuzzer chose the name
		percpu/test.h.*MACRO_ARG_REUSE		# the size of an array
		percpu/world.c.*NR_CPUS			# the size of an array of the shim
		tools/testing/percpu/.*PARENTHESIS_ALIGNMENT	# machines are compound literals
	END
}

part_checkpatch() {
	exceptions > "$found/exceptions"
	number=0 files=$(echo "$code" | wc -l)
	for file in $code; do
		number=$((number + 1))
		progress $number "$files"
		(cd "$tree" && perl scripts/checkpatch.pl --strict --terse --quiet --show-types -f "$file")
	done | grep -v '^total:' | grep -v -E -f "$found/exceptions"
}

part_kernel_doc() {
	# shellcheck disable=SC2086
	(cd "$tree" && tools/docs/kernel-doc -none -Wall $kernel 2>&1) | grep -i -e warning -e error
}

part_rst() {
	for page in $(dev/overlay.py files | grep '\.rst$'); do
		rst2pseudoxml --report=2 "$page" 2>&1 > /dev/null | grep '^[^ ]*:[0-9]*: ('
	done
}

# x86-64 reaches NUMA, memcg and the vm backend; UML without SMP the km backend.
part_build() {
	for kind in x86 um-up; do
		out=build/out/check-$kind log=$found/build-$kind.log
		case $kind in
		x86)	arch=ARCH=x86_64 others='percpu-km|percpu.kasan' ;;
		um-up)	arch=ARCH=um others='percpu-vm|percpu.kasan' ;;
		esac
		{ cat dev/configs/kunit-$kind.config dev/configs/check-profiling.config
		  printf 'CONFIG_%s\n' DEBUG_FS=y PERCPU_STATS=y TEST_PERCPU=m \
			FAULT_INJECTION=y FAIL_PERCPU=y \
			PERCPU_INTERNAL_KUNIT_TEST=y; } > "$found/$kind.config"
		dev/kbuild.sh "$tree" $out "$found/$kind.config" $arch prepare > "$log" 2>&1 ||
			{ echo "$kind: cannot be configured; see $log"; continue; }
		objects=$(echo "$kernel" | grep '\.c$' | grep -v -E "($others)" | sed 's/\.c$/.o/')
		# shellcheck disable=SC2086
		(cd $out && rm -f $objects)
		# shellcheck disable=SC2086
		make -C "$tree" O="$repo/$out" $arch -j"$(nproc)" -k W=1 $objects >> "$log" 2>&1
		grep -E 'warning:|error:|Error [0-9]' "$log" | sed "s/^/$kind: /"
	done
}

part_coccicheck() {
	scripts=$(cd "$tree" && find scripts/coccinelle -name '*.cocci' | sort)
	number=0 files=$(echo "$scripts" | wc -l)
	for script in $scripts; do
		number=$((number + 1))
		progress $number "$files"
		grep -q '^virtual report' "$tree/$script" || continue
		if grep -q '^@.*script:ocaml' "$tree/$script" && ! command -v ocamlopt; then
			continue	# cannot run without the OCaml compiler
		fi > /dev/null
		options=$(sed -n 's|^//.*Options:||p' "$tree/$script")
		# shellcheck disable=SC2086
		(cd "$tree" && timeout 300 spatch -D report --no-show-diff --very-quiet --cocci-file "$script" \
			$options -I include -I mm $kernel 2>/dev/null) || echo "$script: spatch failed"
	done | grep -v '^$'
}

part_overlap() {
	# shellcheck disable=SC2086
	$overlap build/linux-base $kernel | grep 'TOO LONG'
}

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $parts
total=0 summary=
for part; do
	if [ "$part" = overlap ] && [ ! -x "$overlap" ]; then
		summary="$summary$(printf '%12s  skipped: there is no ../shared/tools/overlap' overlap)
"
		continue
	fi
	echo "== $part"
	began=$(date +%s)
	"part_$(echo "$part" | tr - _)" > "$found/$part.txt"
	head -n 20 "$found/$part.txt"
	count=$(wc -l < "$found/$part.txt")
	[ "$count" -le 20 ] || echo "... all of them: build/check/$part.txt"
	total=$((total + count))
	summary="$summary$(printf '%12s  %d findings (%d s)' "$part" "$count" $(($(date +%s) - began)))
"
done
echo
printf %s "$summary"
[ $total = 0 ]
