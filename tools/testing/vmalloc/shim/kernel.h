/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - stands in for mm/vmalloc-kernel.h
 *
 * Included ahead of each source file; the guard below makes that file's own
 * include of the kernel's headers an empty one.  The C dialect, bits and lists are
 * those of the percpu tests; trees and the types of vmalloc.h are the kernel's own.
 */
#ifndef _MM_VMALLOC_KERNEL_H
#define _MM_VMALLOC_KERNEL_H

#include "../../percpu/shim/base.h"
#include "../../percpu/shim/bits.h"
#include "../../percpu/shim/list.h"
#include <pthread.h>

/* ---- words that the percpu tests do not use ---------------------------------- */

#define __SPIN_LOCK_UNLOCKED(name) { PTHREAD_MUTEX_INITIALIZER, NULL, 0 }
#define might_alloc(gfp)	do { if (gfpflags_allow_blocking(gfp)) might_sleep(); } while (0)
#define rcu_dereference_raw(p)	data_race(__atomic_load_n(&(p), __ATOMIC_ACQUIRE))
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)
#define rcu_dereference_protected(p, c) (p)
#define hlist_del_rcu		hlist_del_init_rcu
#define alloc_hooks(call)	call
#define __realloc_size(x)
#define THREAD_ALIGN		PAGE_SIZE
#define CONFIG_64BIT		1
#define _LINUX_ALLOC_TAG_H	1

typedef struct { unsigned long pgprot; } pgprot_t;
typedef struct { unsigned long pte; } pte_t;
struct page;

static inline void bitmap_andnot(unsigned long *to, const unsigned long *a,
				 const unsigned long *b, unsigned int nbits)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nbits); i++)
		to[i] = a[i] & ~b[i];
}

static inline bool bitmap_subset(const unsigned long *a, const unsigned long *b,
				 unsigned int nbits)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nbits); i++)
		if (a[i] & ~b[i])
			return false;
	return true;
}

static inline unsigned long bitmap_find_next_zero_area(unsigned long *map, unsigned long size,
						       unsigned long start, unsigned int nr,
						       unsigned long mask)
{
	unsigned long at, busy;

	for (;; start = busy + 1) {
		at = __ALIGN_MASK(find_next_zero_bit(map, size, start), mask);
		if (at + nr > size)
			return at + nr;
		busy = find_next_bit(map, at + nr, at);
		if (busy >= at + nr)
			return at;
	}
}

/* ---- masks --------------------------------------------------------------------- */

#define __GFP_HIGHMEM		0x2u
#define __GFP_HIGH		0x20u
#define __GFP_IO		0x40u
#define __GFP_FS		0x80u
#define __GFP_ZERO		0x100u
#define __GFP_DIRECT_RECLAIM	0x400u
#define __GFP_KSWAPD_RECLAIM	0x800u
#define __GFP_NOWARN		0x2000u
#define __GFP_RETRY_MAYFAIL	0x4000u
#define __GFP_NOFAIL		0x8000u
#define __GFP_NORETRY		0x10000u
#define __GFP_NOMEMALLOC	0x80000u
#define __GFP_HARDWALL		0x100000u
#define __GFP_ACCOUNT		0x400000u
#define __GFP_RECLAIM		(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_RECLAIM_MASK	(__GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | \
				 __GFP_NOWARN | __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | \
				 __GFP_NORETRY | __GFP_NOMEMALLOC)
#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_HIGHUSER		(GFP_KERNEL | __GFP_HARDWALL | __GFP_HIGHMEM)
#define GFP_NOFS		(__GFP_RECLAIM | __GFP_IO)
#define GFP_NOIO		__GFP_RECLAIM
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT		(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)

/* The scopes of a task, which its caller has applied. */
#define PF_MEMALLOC		0x800
#define PF_MEMALLOC_NOFS	0x40000
#define PF_MEMALLOC_NOIO	0x80000
#define PF_MEMALLOC_PIN		0x10000000

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/* ---- tasks and locks -------------------------------------------------------------- */

/**
 * struct shim_task - what runs
 * @cpu: where
 * @nr_locks: spinlocks held
 * @nr_steps: functions that a lock was asserted in, since the last one was taken
 * @nr_taken: spinlocks taken so far, where tests run
 * @nr_works: locks taken and shadow released, since the last cond_resched()
 * @nr_rcu: RCU read-side sections it is in
 * @allocated: the object that it got last
 * @atomic: preemption is disabled
 * @gfp: every allocation must keep to this, if @gfp_known
 */
struct shim_task {
	unsigned int cpu;
	unsigned int nr_locks;
	unsigned int nr_steps;
	unsigned int nr_taken;
	unsigned int nr_works;
	unsigned int nr_rcu;
	void *allocated;
	bool atomic;
	gfp_t gfp;
	bool gfp_known;
};

extern __thread struct shim_task shim_task;

/**
 * struct spinlock - a lock
 * @mutex: what it is here
 * @holder: who has it, or NULL
 * @nr_taken: how often it was taken, where tests run
 */
typedef struct spinlock {
	pthread_mutex_t mutex;
	struct shim_task *holder;
	unsigned long nr_taken;
} spinlock_t;

struct mutex {
	spinlock_t lock;
};

#define DEFINE_SPINLOCK(name)	spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_MUTEX(name)	struct mutex name = { __SPIN_LOCK_UNLOCKED(name) }

void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
#define mutex_is_locked(mutex)	(READ_ONCE((mutex)->lock.holder) != NULL)
void might_sleep(void);
#define cond_resched()							\
	do {								\
		might_sleep();						\
		if (!IS_ENABLED(SHIM_BENCH))				\
			shim_task.nr_works = 0;				\
	} while (0)
bool shim_is_held(const spinlock_t *lock);
#define SHIM_LOCK_OF(lock)	_Generic((lock), struct mutex *: (void *)(lock), \
					 default: (void *)(lock))
void shim_step(void);
#define lockdep_assert_held(lock)					\
	do {								\
		SHIM_ASSERT(shim_is_held(SHIM_LOCK_OF(lock)), "%s: lock is not held", \
			    __func__);					\
		shim_step();						\
	} while (0)

void rcu_read_lock(void);
void rcu_read_unlock(void);

static inline spinlock_t *shim_guard_spinlock(spinlock_t *lock)
{
	spin_lock(lock);
	return lock;
}

static inline struct mutex *shim_guard_mutex(struct mutex *mutex)
{
	mutex_lock(mutex);
	return mutex;
}

struct shim_rcu_guard { int unused; };

static inline struct shim_rcu_guard shim_guard_rcu(void)
{
	rcu_read_lock();
	return (struct shim_rcu_guard){ 0 };
}

static inline void shim_unguard_spinlock(spinlock_t **lock)
{
	spin_unlock(*lock);
}

static inline void shim_unguard_mutex(struct mutex **mutex)
{
	mutex_unlock(*mutex);
}

static inline void shim_unguard_rcu(struct shim_rcu_guard *unused)
{
	rcu_read_unlock();
}

typedef struct shim_rcu_guard shim_rcu_guard_t;
typedef spinlock_t *shim_spinlock_guard_t;
typedef struct mutex *shim_mutex_guard_t;
#define SHIM_GLUE_2(a, b)	a##b
#define SHIM_GLUE(a, b)		SHIM_GLUE_2(a, b)
#define guard(name)							\
	shim_##name##_guard_t SHIM_GLUE(__guard_, __LINE__)		\
	__attribute__((cleanup(shim_unguard_##name), unused)) =		\
		shim_guard_##name

/* Called where a reader has read, for a test that writes meanwhile. */
extern void (*sim_on_read)(void);
/* Called at smp_wmb(), where what was written before can be seen by all. */
extern void (*sim_on_wmb)(void);
/* Called where the last spinlock was let go of, for a test that is another CPU then. */
extern void (*sim_on_unlock)(const spinlock_t *lock);
#undef smp_wmb
#define smp_wmb()							\
	do {								\
		shim_fence();						\
		if (!IS_ENABLED(SHIM_BENCH) && sim_on_wmb)		\
			sim_on_wmb();					\
	} while (0)

/* A writer in between makes a reader try again. */
typedef struct { unsigned int count; } seqcount_spinlock_t;
#define SEQCNT_SPINLOCK_ZERO(name, lock) { 0 }

static inline unsigned int read_seqcount_begin(seqcount_spinlock_t *seq)
{
	unsigned int count;

	while ((count = smp_load_acquire(&seq->count)) & 1)
		;
	return count;
}

static inline bool read_seqcount_retry(seqcount_spinlock_t *seq, unsigned int count)
{
	if (!IS_ENABLED(SHIM_BENCH) && sim_on_read)
		sim_on_read();
	smp_rmb();
	return READ_ONCE(seq->count) != count;
}

static inline void write_seqcount_begin(seqcount_spinlock_t *seq)
{
	WRITE_ONCE(seq->count, seq->count + 1);
	smp_wmb();
}

static inline void write_seqcount_end(seqcount_spinlock_t *seq)
{
	smp_wmb();
	smp_store_release(&seq->count, seq->count + 1);
}

struct rcu_head {
	struct rcu_head *next;
};

void shim_kfree_rcu(struct rcu_head *head, void *object);
#define kfree_rcu(object, member)	shim_kfree_rcu(&(object)->member, object)

typedef struct { long counter; } atomic_long_t;
#define ATOMIC_LONG_INIT(i)	{ i }
#define atomic_long_read(v)	__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_long_add(i, v)	((void)__atomic_fetch_add(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic_long_add_return(i, v)	__atomic_add_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic_long_inc(v)	atomic_long_add(1, v)
#define atomic_long_sub(i, v)	((void)__atomic_fetch_sub(&(v)->counter, i, __ATOMIC_RELAXED))

/* ---- variables of each CPU ------------------------------------------------------------ */

#define SHIM_NR_CPUS		8
#define raw_smp_processor_id()	(shim_task.cpu)
#define DEFINE_PER_CPU(type, name) __typeof__(type) name[SHIM_NR_CPUS]
#define per_cpu(name, cpu)	((name)[cpu])
#define this_cpu_read(name)	READ_ONCE((name)[shim_task.cpu])
#define this_cpu_xchg(name, v)	xchg(&(name)[shim_task.cpu], v)

/* ---- memory ------------------------------------------------------------------------------- */

#define SLAB_PANIC		1
#define SLAB_TYPESAFE_BY_RCU	2
struct kmem_cache;
struct kmem_cache *kmem_cache_create(const char *name, size_t bytes, size_t align,
				     unsigned int flags, void *ctor);
#define KMEM_CACHE(type, flags)	kmem_cache_create(#type, sizeof(struct type), 0, flags, NULL)
void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int node);
void kmem_cache_free(struct kmem_cache *cache, void *object);
void *kzalloc(size_t bytes, gfp_t gfp);
void kfree(const void *object);
#define kzalloc_obj(type, gfp)	kzalloc(sizeof(type), gfp)
#define kcalloc(n, bytes, gfp)	kzalloc(size_mul(n, bytes), gfp)
#define kmalloc_array(n, bytes, gfp) kzalloc(size_mul(n, bytes), gfp)
void shim_scan_area(const void *ptr, size_t bytes);
#define kmemleak_scan_area(ptr, bytes, gfp)				\
	do {								\
		if (!IS_ENABLED(SHIM_BENCH))				\
			shim_scan_area(ptr, bytes);			\
	} while (0)
unsigned long totalram_pages(void);

/* ---- what is called out to -------------------------------------------------------------------- */

#define VMALLOC_START		(sim.window_start)
#define VMALLOC_END		(sim.window_end)
#define CONFIG_KASAN_VMALLOC	1
#define KASAN_VMALLOC_PAGE_RANGE 1
#define KASAN_VMALLOC_TLB_FLUSH	2
#define KASAN_VMALLOC_PROT_NORMAL 4
int kasan_populate_vmalloc(unsigned long addr, unsigned long bytes, gfp_t gfp);
void kasan_release_vmalloc(unsigned long start, unsigned long end, unsigned long free_start,
			   unsigned long free_end, unsigned long flags);
#define kasan_unpoison_vmap_areas(vms, nr, flags) ((void)0)
#define kasan_reset_tag(p)	((void *)((unsigned long)(p)))
#define is_vmalloc_or_module_addr(p) true
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
#define pr_warn_ratelimited	pr_warn

struct work_struct {
	void (*func)(struct work_struct *work);
};
#define DECLARE_WORK(name, fn)	struct work_struct name = { fn }
void schedule_work(struct work_struct *work);

struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
	struct notifier_block *next;
};
struct blocking_notifier_head {
	struct notifier_block *head;
};
#define BLOCKING_NOTIFIER_HEAD(name) struct blocking_notifier_head name
int blocking_notifier_chain_register(struct blocking_notifier_head *head,
				     struct notifier_block *nb);
int blocking_notifier_chain_unregister(struct blocking_notifier_head *head,
				       struct notifier_block *nb);
int blocking_notifier_call_chain(struct blocking_notifier_head *head, unsigned long action,
				 void *data);

#define SHRINK_STOP		(~0UL)
#define SHRINK_EMPTY		(~0UL - 1)
struct shrink_control { int nid; };
struct shrinker {
	unsigned long (*count_objects)(struct shrinker *s, struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *s, struct shrink_control *sc);
};
struct shrinker *shrinker_alloc(unsigned int flags, const char *name);
void shrinker_register(struct shrinker *shrinker);

struct hlist_node *shim_rcu_load(struct hlist_node **node);

#define trace_alloc_vmap_area(...)	((void)0)
#define trace_free_vmap_area_noflush(...) ((void)0)
#define trace_free_vmap_area_noflush_enabled() false
#define trace_purge_vmap_area_lazy(...)	((void)0)

#include "sim.h"

/* The kernel's own */
#include <linux/rbtree_augmented.h>
#define _ASM_VMALLOC_H
#include <linux/vmalloc.h>

#endif /* _MM_VMALLOC_KERNEL_H */
