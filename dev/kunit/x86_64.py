# SPDX-License-Identifier: GPL-2.0
# For kunit.py --qemu_config: after the suites the kernel goes on to the
# initramfs (dev/kunit/init) instead of shutting down.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='x86_64',
			   kconfig='',
			   qemu_arch='x86_64',
			   kernel_path='arch/x86/boot/bzImage',
			   kernel_command_line='console=ttyS0 kunit_shutdown=none',
			   extra_qemu_params=[])
