#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the KUnit tests of the percpu allocator and of vmalloc through the kernel's
# kunit.py, on several machines and under the kernel's own checkers.
#
#   dev/kunit.sh [NAME]...     without NAME: test
#     test                  the runs of dev/kunit/runs that "make test" does
#     full                  all runs
#     a run's name          as there: um-smp2, x86, x86-kcsan, s390x ...
#     MACHINE[+CHECK]...    any machine of dev/kunit/machines with just these
#                           checks (dev/configs/check-CHECK.config): x86+kcsan,
#                           arm64+lockdep+atomic-sleep
#
# um-smp64 has 64 CPUs, 60 of them never online: they are threads of the host,
# and spin for locks while others wait for its processors. On x86 dev/kunit/init
# runs the kernel's own percpu tests (lib/percpu_test.c, lib/test_vmalloc.c)
# after the suites, lets percpu requests fail below system calls
# (dev/kunit/fail-nth.c), and looks at charges, statistics, /proc/kcore and leaks. The runs
# x86-boot-* let a request of the kernel's init functions fail (fail_percpu=; dev/boots.sh
# tries all of them). With KASAN
# the suite percpu_kasan and KASAN's own provoke reports; those do not count.
#
# TREE=DIR tests another Linux 7.3 tree; it must have lib/tests/percpu_kunit.c
# (build/linux-stock has: "dev/tree.sh stock").
#
# The kernels are built in build/out/kunit-*, and stay: stopped (what was had so far
# is shown) and called again it builds what is missing. build/out/kunit-NAME/kunit.log
# is the kernel's whole output, once it has ended; until then kunit.py has it in
# test.log there, up to 16 KiB behind. A report there by any checker, or a warning, counts
# as a failed test.
# The last lines are a table of the runs and "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
die() { echo "kunit: $*" >&2; exit 2; }

# row TABLE NAME: the columns of a line
row() {
	awk -v name="$2" '$1 == name { $1 = ""; print; found = 1 } END { exit !found }' "dev/kunit/$1"
}

# plan NAME: sets $machine, $like (what it is but for the compiler), $checks (with
# commas), $arguments of the kernel, and $same, the first run with this kernel
plan() {
	arguments=''
	if columns=$(row runs "$1"); then
		# shellcheck disable=SC2086
		set -- "$1" $columns
		machine=$3 checks=$4
		shift 4
		arguments=$*
		same=$(awk -v m="$machine" -v c="$checks" \
			'$3 == m && $4 == c { print $1; exit }' dev/kunit/runs)
	else
		machine=${1%%+*} checks=$(echo "${1#"$machine"}" | tr + ,) same=$1
		checks=${checks#,}
	fi
	columns=$(row machines "$machine") || return 1
	like=${machine%-llvm}
	for check in $(echo "$checks" | tr , ' '); do
		[ -e "dev/configs/check-$check.config" ] || return 1
	done
}

# expand NAME...: sets become the runs in them
expand() {
	for name; do
		case $name in
		test | full)
			awk -v set="$name" '!/^#/ && ($2 == set || set == "full") { print $1 }' \
				dev/kunit/runs ;;
		*)	echo "$name" ;;
		esac
	done
}

[ $# -gt 0 ] || set -- test
# shellcheck disable=SC2046
set -- $(expand "$@")
groups=uml
for name; do
	plan "$name" || die "there is no '$name'; dev/kunit/runs has $(expand full | tr '\n' ' ')"
	case $machine in
	um-*)	;;
	x86*)	groups="$groups qemu $machine" ;;
	*)	groups="$groups $machine" ;;
	esac
done
# shellcheck disable=SC2086
dev/packages.sh $groups

if [ -n "${TREE:-}" ]; then
	tree=$(cd "$TREE" && pwd) || die "TREE=$TREE: no such folder"
	suffix=-$(basename "$tree")
	[ "$tree" != "$top/build/linux" ] || suffix=
else
	sh dev/tree.sh ours
	tree=$top/build/linux suffix=
fi
[ -e "$tree/lib/tests/percpu_kunit.c" ] ||
	die "$tree has no lib/tests/percpu_kunit.c; lay one that has: dev/tree.sh stock"

# The configuration of a machine with its checks; of two lines about the same
# symbol the later holds.
configuration() {
	case $like in
	um-* | x86) set -- ;;
	*)	set -- dev/configs/kunit-common.config ;;
	esac
	set -- "$@" "dev/configs/kunit-$like.config"
	for check in $(echo "$checks" | tr , ' '); do
		set -- "$@" "dev/configs/check-$check.config"
	done
	awk '
		/^(# )?CONFIG_/ {
			symbol = $0
			sub(/^# /, "", symbol)
			sub(/[= ].*/, "", symbol)
			if (!(symbol in line)) order[++n] = symbol
			line[symbol] = $0
		}
		END { for (i = 1; i <= n; i++) print line[order[i]] }
	' "$@"
	if [ -e "$tree/lib/tests/percpu_internal_kunit.c" ]; then
		echo CONFIG_PERCPU_INTERNAL_KUNIT_TEST=y
	fi
	case ",$checks," in *,kasan,* | *,kasan-sw,*)
		[ ! -e "$tree/lib/tests/percpu_kasan_kunit.c" ] ||
			echo CONFIG_PERCPU_KASAN_KUNIT_TEST=y ;;
	esac
}

# build ARCH COMPILER TARGETS: the kernel of the planned run, once
built=
build() {
	case " $built " in *" $same "*) return ;; esac
	mkdir -p "$kernel"
	configuration > "$kernel/kunit.config"
	echo "== kernel ($kernel)"
	case $2 in
	-)	compiler= ;;
	*=*)	compiler=$2 ;;
	*)	compiler=CROSS_COMPILE=$2 ;;
	esac
	# shellcheck disable=SC2046,SC2086
	sh dev/kbuild.sh "$tree" "$kernel" "$kernel/kunit.config" "ARCH=$1" \
		$compiler $(echo "$3" | tr , ' ') || return 1
	built="$built $same"
}

# A /dev/kvm that opens may still be unable to run a kernel, and kunit.py would
# wait for it: boot one, and where that fails have QEMU emulate the CPUs.
emulate() {
	[ -w /dev/kvm ] || return 0
	timeout 20 qemu-system-x86_64 -accel kvm -nodefaults -display none -m 512 \
		-no-reboot -serial stdio -kernel "$kernel/arch/x86/boot/bzImage" \
		-append 'console=ttyS0 kunit.enable=0 panic=-1' \
		< /dev/null > "$kernel/probe.log" 2>&1 || :
	if grep -q 'Linux version' "$kernel/probe.log"; then return 0; fi
	echo "  /dev/kvm cannot run a kernel; QEMU emulates the CPUs"
	mkdir -p "$kernel/bin"
	for program in qemu-system-x86_64 qemu-system-i386; do
		cat > "$kernel/bin/$program" <<END
#!/bin/sh
# Without kvm: drop every "-accel NAME".
for word; do
	shift
	if [ "\$word" = -accel ]; then drop=1; continue; fi
	if [ -n "\${drop:-}" ]; then drop=; continue; fi
	set -- "\$@" "\$word"
done
exec $(PATH=$path command -v $program) -accel tcg,thread=multi -cpu max "\$@"
END
		chmod +x "$kernel/bin/$program"
	done
	PATH=$kernel/bin:$path
}
path=$PATH

initramfs() {
	root=$kernel/root
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp /bin/busybox "$root/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	cp dev/kunit/init "$root/init"
	gcc -O2 -Wall -static -o "$root/bin/fail-nth" dev/kunit/fail-nth.c
	find "$kernel" -path "$root" -prune -o -name '*.ko' -exec cp {} "$root/" \;
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) > "$kernel/initramfs"
}

# What no log may hold. A stack trace alone is one, whatever was said before it.
complaints='BUG: |BUG at|WARNING: |UBSAN: |KASAN: |Oops|Kernel panic|general protection'
complaints="$complaints|unreferenced object|INFO: (possible|task|rcu)|Call Trace|Bad page"
complaints="$complaints|ran out of memory on the host|lockdep is turned off"
complaints="$complaints|Unable to handle kernel|page allocation failure|pagealloc: "

# The log without the reports that the suites percpu_kasan and kasan provoke, which they
# look at themselves, and without the traces of injected failures; a line of theirs is
# left empty.
unprovoked() {
	awk '
		/# Subtest: percpu_kasan$/ { suite = "BUG: KASAN: percpu-" }
		/# Subtest: kasan$/ { suite = "BUG: KASAN: " }
		/ok [0-9]+ (percpu_)?kasan$/ { suite = "" }
		suite && index($0, suite) { report = 1 }
		!suite || /====================/ { report = 0 }
		/FAULT_INJECTION: forcing a failure/ { injected = 1 }
		{ print report || injected ? "" : $0 }
		/<\/TASK>/ { injected = 0 }
	'
}

# Where the kernel complains: "line: text". The kernel has data races of its own;
# those are ours that have a function of the files below near the top of a stack.
complain() {
	(cd "$kernel" && nm mm/percpu*.o mm/vmalloc*.o lib/tests/percpu*.o lib/tests/vmalloc*.o 2>/dev/null) |
		awk 'NF == 3 && $2 ~ /^[tT]$/ { print $3 }' > "$out/functions"
	awk -v others="$out/races-of-others" -v complaints="$complaints" '
		BEGIN { printf "" > others }
		FILENAME ~ /functions$/ { ours[$1]; next }
		/BUG: KCSAN: / { race = FNR ": " $0; mine = frame = 0; next }
		race && /(read|write|race) .*(to|at) 0x/ { frame = 0; next }
		race && match($0, /[A-Za-z_][A-Za-z0-9_.]*\+0x[0-9a-f]+\//) {
			if (++frame <= 3 && substr($0, RSTART, index(substr($0, RSTART), "+") - 1) in ours)
				mine = 1
			next
		}
		race && /====================/ {
			if (mine) print race; else print race > others
			race = ""
			next
		}
		!race && $0 ~ complaints { print FNR ": " $0 }
		END { if (race) print race }
	' "$out/functions" "$out/unprovoked.log"
}

passed=0 failed=0 skipped=0
table=
# run NAME KUNIT.PY-ARGUMENT...: run $kernel, keep its log, add up
run() {
	name=$1
	shift
	echo "== $name (log: $out/kunit.log)"
	rm -f "$kernel/test.log" "$out/kunit.log"
	began=$(date +%s)
	(cd "$tree" && ./tools/testing/kunit/kunit.py exec --build_dir="$kernel" \
		--timeout="$seconds" "$@" < /dev/null) > "$out/kunit.txt" 2>&1 || :
	tr -d '\r' < "$kernel/test.log" > "$out/kunit.log" || :

	# kunit.py's own words, without the cases that passed
	sed 's/\x1b\[[0-9;]*m//g; s/^\[[0-9:]*\] //' "$out/kunit.txt" > "$out/summary.txt"
	grep -v -E '^(\[PASSED\]|=+( |$)|Elapsed| *# (module|Totals|.*: pass:))' \
		"$out/summary.txt" || :
	line=$(grep '^Testing complete' "$out/summary.txt" || :)
	number() { echo "$line" | sed -n "s/.*$1:* \\([0-9]*\\).*/\\1/p"; }
	total=$(number Ran) p=$(number passed) s=$(number skipped)
	p=${p:-0} s=${s:-0} f=$((${total:-1} - ${p:-0} - ${s:-0}))
	# Errors are what the parser could not read; a kernel that died is one.
	errors=$(number errors)
	f=$((f + ${errors:-0}))

	if [ "$like" = x86 ]; then
		sed -n 's/^init: /  &/p' "$out/kunit.log"
		p=$((p + $(grep -c '^init: ok' "$out/kunit.log" || :)))
		f=$((f + $(grep -c '^init: FAILED' "$out/kunit.log" || :)))
		s=$((s + $(grep -c '^init: skipped' "$out/kunit.log" || :)))
		if ! grep -q '^init: end' "$out/kunit.log"; then
			echo "  dev/kunit/init did not come to its end"
			f=$((f + 1))
		fi
	fi
	unprovoked < "$out/kunit.log" > "$out/unprovoked.log"
	complain > "$out/complaints"
	if [ -s "$out/complaints" ]; then
		echo "  The kernel complains (line: text):"
		head -n 20 "$out/complaints" | sed 's/^/  /'
		f=$((f + 1))
	fi
	if [ -s "$out/races-of-others" ]; then
		echo "  Data races in other parts of the kernel: $(wc -l < "$out/races-of-others")"
	fi
	result "$name" "$p" "$f" "$s" $(($(date +%s) - began))
}

# result NAME PASSED FAILED SKIPPED SECONDS: a line of the table
result() {
	table="$table$(printf '%-12s %6s %6s %7s %9s  %s' "$@" "$checks")
"
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

# machine_run NAME and the columns of dev/kunit/machines
machine_run() {
	name=$1 arch=$2 seconds=$5 described=$7
	if ! build "$2" "$3" "$6"; then
		result "$name" 0 1 0 'not built'
		return
	fi
	case " $arguments " in
	*' build_only '*)
		result "$name" 1 0 0 'built'
		return ;;
	esac
	shift 7
	qemu=$*
	set --
	case $described in
	um)	;;
	*.py)	set -- --arch="$arch" --qemu_config="$top/dev/kunit/$described" ;;
	*)	set -- --arch="$described" ;;
	esac
	case $arch in x86_64 | i386) emulate ;; esac
	if [ "$like" = x86 ]; then
		initramfs
		qemu="$qemu -initrd $kernel/initramfs"
		set -- "$@" --kernel_args=panic=-1
	fi
	[ -z "$qemu" ] || set -- "$@" --qemu_args="$qemu"
	for argument in $arguments; do
		set -- "$@" --kernel_args="$argument"
	done
	run "$name" "$@"
	PATH=$path
}

# What was had when it is stopped is shown as well.
show() {
	echo
	printf '%-12s %6s %6s %7s %9s  %s\n' run passed failed skipped seconds checks
	printf %s "$table"
	echo "$passed passed, $failed failed, $skipped skipped"
}
trap 'show; echo "kunit: stopped in $name" >&2; exit 130' INT TERM

count=$# number=0
for name; do
	number=$((number + 1))
	[ $count = 1 ] || echo "== $number of $count: $name"
	plan "$name"
	kernel=$top/build/out/kunit-$same$suffix
	out=$top/build/out/kunit-$name$suffix
	mkdir -p "$out"
	# shellcheck disable=SC2086
	machine_run "$name" $columns
done

show
[ $failed = 0 ]
