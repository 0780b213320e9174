#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build Linux with our percpu allocator for x86-64, boot it under QEMU with
# 4 CPUs, put something on it and show what happened.
#
#   dev/run.sh [load]                   real callers ("make run")
#   dev/run.sh pressure [SCENE,...] [SEED]
#                                       take percpu memory until nothing is left
#   dev/run.sh races [SECONDS] [SEED]   churn, hotplug, shrinkers, modules, readers
#                                       at once, and look at every byte
#   dev/run.sh locks                    count who waits for whom (see dev/locks.sh)
#
# The scenarios are dev/run/load and so on. Ends with 0 only if every check held; the
# last line is "N passed, N failed". SEED is printed, and the same one has every actor
# do the same again. Environment:
#   KERNEL=DIR         use this Linux 7.3 tree instead of Debian's source
#   RUN_SHELL=1        leave a shell in the guest afterwards
#   PERCPU_TREE=stock  run the stock allocator, for comparison
set -eu
cd "$(dirname "$0")/.."
kind=${PERCPU_TREE:-ours}
shell=${RUN_SHELL:-}
scenario=${1:-load} seed=${3:-$(date +%s)}
limit=1800	# seconds for the guest; some 100 on an idle machine without KVM
memory=512	# MiB
cpus=4
die() { echo "run: $*" >&2; exit 1; }

case $kind in
ours)	tree=build/linux suffix= ;;
stock)	tree=build/linux-stock suffix=-stock ;;
*)	die "PERCPU_TREE is '$kind'; it may be ours or stock" ;;
esac
case $seed in *[!0-9]*) die "the seed '$seed' is no number" ;; esac
case $scenario in
load)	build=load arguments= ;;
pressure)
	scenes=noretry,nowait,forks,kernel,limit,limit-kernel,killed
	for scene in $(echo "${2:-}" | tr , ' '); do
		case ,$scenes, in
		*",$scene,"*) ;;
		*)	die "there is no scene '$scene'; there are $scenes" ;;
		esac
	done
	build=stress memory=256
	arguments="loglevel=3 scenes=${2:-$scenes} seed=$seed" ;;
races)	build=stress seconds=${2:-60}
	case $seconds in *[!0-9]*) die "'$seconds' is no number of seconds" ;; esac
	limit=$((limit + seconds))
	arguments="loglevel=4 seconds=$seconds seed=$seed" ;;
locks)	build=locks cpus=2 arguments= ;;
*)	die "there is no '$scenario'; there are load, pressure, races and locks" ;;
esac
arguments="smp=$cpus tree=$kind $arguments"
out=build/out/$build$suffix log=build/out/$build$suffix/$scenario.log
[ -z "$shell" ] || [ -t 0 ] || die "a shell in the guest needs a terminal here"

echo "== packages and source"
sh dev/packages.sh source qemu
sh dev/get-linux.sh ${KERNEL:+"$KERNEL"}
sh dev/tree.sh "$kind"

echo "== kernel ($out)"
mkdir -p build/out
cat dev/configs/run.config dev/configs/$build.config > $out.config
sh dev/kbuild.sh $tree $out $out.config ARCH=x86_64 bzImage modules
kernel=$out/arch/x86/boot/bzImage

echo "== userspace"
root=$out/root
rm -rf $root
mkdir -p $root/bin $root/modules $root/proc $root/sys $root/dev
cp /bin/busybox $root/bin/busybox
for name in $(/bin/busybox --list); do
	[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done
for program in callers stress; do
	gcc -O2 -Wall -static -o $root/bin/$program dev/run/$program.c
done
cp dev/run/init $root/init
cp dev/run/$scenario $root/scenario
find $out -path $root -prune -o -name '*.ko' -exec cp {} $root/modules/ \;
(cd $root && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) > $out/initramfs.gz

# Two NUMA nodes, so that the units of a chunk are in two groups. Without KVM Linux
# distrusts QEMU's TSC and counts ticks, which get lost where the host is busy: its
# seconds became minutes. QEMU has one TSC for all CPUs, and tsc=reliable says so.
#
# boot SECONDS ACCELERATION CPU LOG ARGUMENTS: the serial console is our terminal
boot() {
	timeout --foreground "$1" qemu-system-x86_64 -accel "$2" -cpu "$3" \
		-smp $cpus,sockets=$cpus -m $memory -no-reboot -display none -vga none -nic none \
		-chardev "stdio,id=console,logfile=$4,$chardev" \
		-serial chardev:console -mon chardev=console,mode=readline \
		-kernel $kernel -initrd $out/initramfs.gz \
		-append "console=ttyS0 loglevel=5 panic=-1 numa=fake=2 tsc=reliable $5 $arguments"
}
chardev=mux=on,signal=on

# A /dev/kvm that opens may still be unable to run a kernel: boot one.
accel=tcg,thread=multi cpu=max
if [ -w /dev/kvm ]; then
	boot 20 kvm host $out/probe.log run=probe < /dev/null > /dev/null 2>&1 || :
	if grep -q '^run: alive' $out/probe.log 2>/dev/null; then
		accel=kvm cpu=host
	fi
fi
echo "== guest (QEMU, $accel; console in $log)"

rm -f $log
if [ -n "$shell" ]; then
	# Control-C belongs to the guest; Control-A X ends QEMU.
	chardev=mux=on,signal=off
	boot 0 $accel $cpu $log run=shell || :
else
	boot $limit $accel $cpu $log '' < /dev/null | sed -u 's/\r//g'
fi

verdicts() { grep -c "^$1  *.*(.*)" $log || :; }
echo "$(verdicts ok) passed, $(verdicts FAILED) failed"
case $(tr -d '\r' < $log 2>/dev/null | grep '^run: ' | tail -n 1) in
'run: passed')	exit 0 ;;
'run: FAILED')	exit 1 ;;
esac
die "the guest did not come to its end (limit: $limit s); see $log"
