# SPDX-License-Identifier: GPL-2.0
# For kunit.py --qemu_config: riscv64 in machine mode, without firmware.
from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='riscv',
			   kconfig='',
			   qemu_arch='riscv64',
			   kernel_path='arch/riscv/boot/Image',
			   kernel_command_line='console=ttyS0 earlycon',
			   extra_qemu_params=['-machine', 'virt', '-cpu', 'rv64,mmu=off', '-bios', 'none'])
