/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - as much of the kernel as the parts of vmalloc above the address space
 * need to be compiled in userspace
 *
 * Included ahead of each source file; the guards below keep the kernel's headers
 * out, those that it asks for by <> are empty files made by the Makefile.  One
 * thread: locks only know whether they are held.
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#define _MM_VMALLOC_KERNEL_H
#define __MM_INTERNAL_H
#define __MM_VMALLOC_H
#define _LINUX_PGALLOC_TRACK_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- C ------------------------------------------------------------------- */

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint64_t phys_addr_t;
typedef int pgprot_t;
typedef unsigned int gfp_t;
typedef unsigned int pgtbl_mod_mask;

#ifndef BITS_PER_LONG
#define BITS_PER_LONG		64
#endif
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define __init
#define __initdata
#define __ro_after_init
#define __must_check
#define noinline		__attribute__((noinline))
#define likely(x)		(x)
#define unlikely(x)		(x)
#define early_param(name, fn)	static void *shim_param_##fn __attribute__((unused)) = fn
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define READ_ONCE(x)		(x)
#define data_race(expression)	(expression)
#define WRITE_ONCE(x, v)	((x) = (v))
#define smp_wmb()
#define smp_rmb()
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	((void)(*(p) = (v)))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define min(a, b)		MIN(a, b)
#define max(a, b)		MAX(a, b)
#define min_t(type, a, b)	MIN((type)(a), (type)(b))
#define clamp(v, lo, hi)	MIN(MAX(v, lo), hi)
#define clamp_t(type, v, lo, hi) clamp((type)(v), (type)(lo), (type)(hi))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN(x, a)		ALIGN_DOWN((x) + (a) - 1, a)
#define IS_ALIGNED(x, a)	(!((x) & ((a) - 1)))
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x)		IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(x)	((unsigned long)(x) & (PAGE_SIZE - 1))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define ilog2(x)		(63 - __builtin_clzl(x))
#define __ffs(x)		__builtin_ctzl(x)
#define roundup_pow_of_two(x)	(x)
#define SZ_128M			(128UL << 20)
#define container_of(p, type, member)					\
	((type *)((char *)(p) - offsetof(type, member)))
#define ERR_PTR(err)		((void *)(long)(err))
#define IS_ERR(p)		((unsigned long)(p) >= -4095UL)
#define check_add_overflow	__builtin_add_overflow

/* IS_ENABLED() of options that a test defines as 1. */
#define SHIM_COMMA_1		,
#define SHIM_SECOND(ignored, v, ...) v
#define SHIM_ENABLED_3(x)	SHIM_SECOND(x 1, 0, 0)
#define SHIM_ENABLED_2(v)	SHIM_ENABLED_3(SHIM_COMMA_##v)
#define IS_ENABLED(option)	SHIM_ENABLED_2(option)

/* ---- warnings: counted ---------------------------------------------------- */

static int shim_warnings;

#define WARN_ON(condition)						\
({									\
	bool shim_bad = condition;					\
									\
	shim_warnings += shim_bad;					\
	shim_bad;							\
})
#define WARN_ON_ONCE(condition)	WARN_ON(condition)
#define WARN(condition, ...)	WARN_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define BUG_ON(condition)	assert(!(condition))
#define VIRTUAL_BUG_ON(condition) ((void)0)

/* ---- lists, bits ----------------------------------------------------------- */

struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node { void *next; };
struct rb_node { void *left; };
struct rb_root { void *node; };
struct rcu_head { void *next; };
struct llist_node { struct llist_node *next; };

#define LIST_HEAD(name)		struct list_head name = { &name, &name }

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline void list_add(struct list_head *new, struct list_head *head)
{
	new->next = head->next;
	new->prev = head;
	head->next->prev = new;
	head->next = new;
}

static inline void list_del_init(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	INIT_LIST_HEAD(entry);
}

#define list_entry(p, like, member) container_of(p, __typeof__(*(like)), member)
#define list_for_each_entry(pos, head, member)				\
	for ((pos) = list_entry((head)->next, pos, member);		\
	     &(pos)->member != (head);					\
	     (pos) = list_entry((pos)->member.next, pos, member))
#define list_for_each_entry_safe(pos, ahead, head, member)		\
	for ((pos) = list_entry((head)->next, pos, member),		\
	     (ahead) = list_entry((pos)->member.next, pos, member);	\
	     &(pos)->member != (head);					\
	     (pos) = (ahead), (ahead) = list_entry((ahead)->member.next, ahead, member))

#define BITS_TO_LONGS(n)	(((n) + 63) / 64)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]

static inline bool test_bit(unsigned int at, const unsigned long *map)
{
	return map[at / 64] >> (at % 64) & 1;
}

static inline void bitmap_set(unsigned long *map, unsigned int at, unsigned int nr)
{
	for (; nr--; at++) {
		assert(!test_bit(at, map));
		map[at / 64] |= 1UL << (at % 64);
	}
}

static inline void bitmap_clear(unsigned long *map, unsigned int at, unsigned int nr)
{
	for (; nr--; at++) {
		assert(test_bit(at, map));
		map[at / 64] &= ~(1UL << (at % 64));
	}
}

static inline unsigned int shim_next(const unsigned long *map, unsigned int at,
				     unsigned int size, bool value)
{
	while (at < size && test_bit(at, map) != value)
		at++;
	return at;
}

#define find_next_zero_bit(map, size, at)	shim_next(map, at, size, false)

#define for_each_set_bitrange(first, end, map, size)			\
	for ((first) = 0;						\
	     (first) = shim_next(map, first, size, true),		\
	     (end) = shim_next(map, first, size, false), (first) < (size); \
	     (first) = (end) + 1)

/* ---- locks: whether they are held ------------------------------------------- */

typedef struct { int held; } spinlock_t;
typedef struct { int unused; } seqcount_spinlock_t;
struct mutex { int held; };

static int shim_nr_spinlocks;
/* Locks taken in this RCU section, and the most in any. */
static int shim_nr_rcu_locks, shim_most_rcu_locks;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = 0;
}

static inline spinlock_t *shim_lock_spinlock(spinlock_t *lock)
{
	assert(!lock->held);
	lock->held = 1;
	shim_nr_spinlocks++;
	shim_nr_rcu_locks++;
	return lock;
}

static inline void shim_unlock_spinlock(spinlock_t **lock)
{
	assert((*lock)->held);
	(*lock)->held = 0;
	shim_nr_spinlocks--;
}

static inline struct mutex *shim_lock_mutex(struct mutex *mutex)
{
	assert(!mutex->held && !shim_nr_spinlocks);
	mutex->held = 1;
	return mutex;
}

static inline void shim_unlock_mutex(struct mutex **mutex)
{
	(*mutex)->held = 0;
}

static inline int shim_lock_rcu(void)
{
	shim_nr_rcu_locks = 0;
	return 0;
}

static inline void shim_unlock_rcu(int *unused)
{
	shim_most_rcu_locks = max(shim_most_rcu_locks, shim_nr_rcu_locks);
}

typedef spinlock_t *shim_spinlock_guard;
typedef struct mutex *shim_mutex_guard;
typedef int shim_rcu_guard;

#define SHIM_GLUE_2(a, b)	a##b
#define SHIM_GLUE(a, b)		SHIM_GLUE_2(a, b)
#define SHIM_GUARD(name)	SHIM_GLUE(shim_guard_, __LINE__)		\
	__attribute__((cleanup(shim_unlock_##name), unused)) = shim_lock_##name
#define guard(name)		shim_##name##_guard SHIM_GUARD(name)
#define scoped_guard(name, ...)						\
	for (int shim_once = 1; shim_once; )				\
		for (shim_##name##_guard SHIM_GUARD(name)(__VA_ARGS__); shim_once; shim_once = 0)
#define lockdep_assert_held(lock) assert((lock)->held)
#define might_sleep()		assert(!shim_nr_spinlocks)
#define cond_resched()		might_sleep()

/* ---- CPUs -------------------------------------------------------------------- */

#define SHIM_NR_CPUS		4
#define NR_CPUS			64
#define DEFINE_PER_CPU(type, name) __typeof__(type) name[SHIM_NR_CPUS]
#define raw_cpu_ptr(p)		(&(*(p))[shim_cpu])
#define per_cpu_ptr(p, cpu)	(&(*(p))[cpu])
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < SHIM_NR_CPUS; (cpu)++)

static unsigned int shim_cpu __attribute__((unused));

/* ---- failures: the n-th from now fails, and so many more after it ---------------- */

static int shim_fail_in, shim_fail_more;

static inline bool shim_fails(void)
{
	if (!shim_fail_in || --shim_fail_in)
		return false;
	if (shim_fail_more) {
		shim_fail_more--;
		shim_fail_in = 1;
	}
	return true;
}

/* ---- vmalloc.h -------------------------------------------------------------------- */

#define VM_IOREMAP		0x001
#define VM_ALLOC		0x002
#define VM_MAP			0x004
#define VM_USERMAP		0x008
#define VM_DMA_COHERENT		0x010
#define VM_UNINITIALIZED	0x020
#define VM_NO_GUARD		0x040
#define VM_FLUSH_RESET_PERMS	0x100
#define VM_MAP_PUT_PAGES	0x200
#define VM_ALLOW_HUGE_VMAP	0x400
#define VM_DEFER_KMEMLEAK	0
#define VM_SPARSE		0x1000
#define IOREMAP_MAX_ORDER	(7 + PAGE_SHIFT)

struct vm_struct {
	union {
		struct vm_struct *next;
		struct llist_node llnode;
	};
	void *addr;
	unsigned long size;
	unsigned long flags;
	struct page **pages;
	unsigned int page_order;
	unsigned long nr_pages;
	phys_addr_t phys_addr;
	const void *caller;
	unsigned long requested_size;
};
struct vm_struct *remove_vm_area(const void *addr);

struct vmap_area {
	unsigned long va_start;
	unsigned long va_end;
	struct rb_node rb_node;
	struct list_head list;
	struct vm_struct *vm;
	unsigned long flags;
};

static inline unsigned long get_vm_area_size(const struct vm_struct *vm)
{
	return vm->flags & VM_NO_GUARD ? vm->size : vm->size - PAGE_SIZE;
}

/* For what vmalloc-internal.h defines inline and nobody here calls. */
#define ____cacheline_aligned_in_smp
#define raw_smp_processor_id()	shim_cpu

#endif /* SHIM_KERNEL_H */
