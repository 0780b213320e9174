/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmalloc-kernel.h - every kernel header that vmalloc's address space uses
 *
 * The one place for them, so that tools/testing/vmalloc/ can compile the same
 * sources in userspace: its shim defines the guard below and supplies its own
 * versions of what these headers declare.
 */
#ifndef _MM_VMALLOC_KERNEL_H
#define _MM_VMALLOC_KERNEL_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/rbtree_augmented.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/seqlock.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include <asm/tlbflush.h>

#include "internal.h"
#include "vmalloc.h"

#endif /* _MM_VMALLOC_KERNEL_H */
