/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percpu-kernel.h - every kernel header that the percpu allocator uses
 *
 * The one place for them, so that tools/testing/percpu/ can compile the same
 * sources in userspace: its shim defines the guard below and supplies its own
 * versions of what these headers declare.
 */
#ifndef _MM_PERCPU_KERNEL_H
#define _MM_PERCPU_KERNEL_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/find.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/kmsan-checks.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/prefetch.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <kunit/visibility.h>

#include <asm/cacheflush.h>
#include <asm/sections.h>
#include <asm/tlbflush.h>

#ifdef CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK
#include <linux/pgalloc.h>
#endif

#include <trace/events/percpu.h>

#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
#include <linux/uaccess.h>
#include "kasan/kasan.h"
#endif
#include "internal.h"
#include "vmalloc.h"

#endif /* _MM_PERCPU_KERNEL_H */
