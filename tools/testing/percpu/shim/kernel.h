/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - stands in for mm/percpu-kernel.h
 *
 * Included ahead of each source file (-include); the guard below makes that
 * file's own include of the kernel's headers an empty one.
 */
#ifndef _MM_PERCPU_KERNEL_H
#define _MM_PERCPU_KERNEL_H

#include "base.h"
#include "bits.h"
#include "list.h"
#include "sync.h"
#include "mem.h"
#include "seq.h"
#include "hooks.h"
#include "kasan.h"

#endif /* _MM_PERCPU_KERNEL_H */
