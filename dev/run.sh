#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build Linux with our percpu allocator for x86-64, boot it under QEMU with
# 4 CPUs, put real callers on it and show what happened ("make run").
#
# Ends with 0 only if every check held. Environment:
#   KERNEL=DIR         use this Linux 7.3 tree instead of Debian's source
#   RUN_SHELL=1        leave a shell in the guest afterwards
#   PERCPU_TREE=stock  run the stock allocator, for comparison
set -eu
cd "$(dirname "$0")/.."
kind=${PERCPU_TREE:-ours}
shell=${RUN_SHELL:-}
limit=1800	# seconds for the guest; some 100 on an idle machine without KVM
die() { echo "run: $*" >&2; exit 1; }

case $kind in
ours)	tree=build/linux out=build/out/run ;;
stock)	tree=build/linux-stock out=build/out/run-stock ;;
*)	die "PERCPU_TREE is '$kind'; it may be ours or stock" ;;
esac
[ -z "$shell" ] || [ -t 0 ] || die "a shell in the guest needs a terminal here"

echo "== packages and source"
sh dev/packages.sh source qemu
sh dev/get-linux.sh ${KERNEL:+"$KERNEL"}
sh dev/tree.sh "$kind"

echo "== kernel ($out)"
sh dev/kbuild.sh $tree $out dev/configs/run.config \
	ARCH=x86_64 bzImage modules
kernel=$out/arch/x86/boot/bzImage

echo "== userspace"
root=$out/root
rm -rf $root
mkdir -p $root/bin $root/modules $root/proc $root/sys $root/dev
cp /bin/busybox $root/bin/busybox
for name in $(/bin/busybox --list); do
	[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done
gcc -O2 -Wall -static -o $root/bin/callers dev/run/callers.c
cp dev/run/init $root/init
find $out -path $root -prune -o -name '*.ko' -exec cp {} $root/modules/ \;
(cd $root && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) > $out/initramfs.gz

# Two NUMA nodes, so that the units of a chunk are in two groups.
#
# boot SECONDS ACCELERATION CPU LOG ARGUMENTS: the serial console is our terminal
boot() {
	timeout --foreground "$1" qemu-system-x86_64 -accel "$2" -cpu "$3" \
		-smp 4,sockets=4 -m 512 -no-reboot -display none -vga none -nic none \
		-chardev "stdio,id=console,logfile=$4,$chardev" \
		-serial chardev:console -mon chardev=console,mode=readline \
		-kernel $kernel -initrd $out/initramfs.gz \
		-append "console=ttyS0 loglevel=5 panic=-1 numa=fake=2 $5"
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
echo "== guest (QEMU, $accel; console in $out/console.log)"

rm -f $out/console.log
if [ -n "$shell" ]; then
	# Control-C belongs to the guest; Control-A X ends QEMU.
	chardev=mux=on,signal=off
	boot 0 $accel $cpu $out/console.log run=shell || :
else
	boot $limit $accel $cpu $out/console.log '' < /dev/null | sed -u 's/\r//g'
fi

case $(tr -d '\r' < $out/console.log 2>/dev/null | grep '^run: ' | tail -n 1) in
'run: passed')	exit 0 ;;
'run: FAILED')	exit 1 ;;
esac
die "the guest did not come to its end (limit: $limit s); see $out/console.log"
