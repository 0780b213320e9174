/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sim.h - what a test sets and sees of the simulated kernel
 */
#ifndef SHIM_SIM_H
#define SHIM_SIM_H

#include "kernel.h"
#include "random.h"

/* Address space for vmalloc, and for memory that boot and slab hand out. */
#if BITS_PER_LONG == 32
#define SHIM_SPACE_BITS		30
#define SHIM_BOOT_MAX		BIT(28)
#define SHIM_BOOT_ALIGN		BIT(22)
#else
#ifndef SHIM_SPACE_BITS
#define SHIM_SPACE_BITS		36
#endif
#define SHIM_BOOT_MAX		BIT(32)
#define SHIM_BOOT_ALIGN		BIT(30)
#endif
#define SHIM_SPACE_MAX		BIT(SHIM_SPACE_BITS)

/* Kinds of backing allocations, as bits for @fail_kinds. */
enum {
	SIM_PAGES	= 1,
	SIM_METADATA	= 2,
	SIM_SPACE	= 4,
	SIM_TABLES	= 8,
	SIM_CHARGE	= 16,
	SIM_ALL		= 31,
	SIM_REQUESTS	= 32,	/* not backing: what is asked of the allocator itself */
};

/**
 * struct sim - the simulated kernel
 *
 * To set:
 * @fail_nth: let the n-th backing allocation from now on fail, 0 for none
 * @fail_permille: let so many in a thousand fail
 * @fail_kinds: which kinds the two apply to
 * @page_limit: pages that can be in use at once
 * @vmalloc_bytes: size of the vmalloc space
 * @ram_pages: memory that totalram_pages() tells of
 * @no_slab: boot has not come to slab yet
 * @no_vmalloc: boot has not come to vmalloc yet
 * @memcg: memory cgroups count kernel memory
 * @profiling: allocation profiling is switched on
 * @init_on_alloc: all memory is to be initialized when it is allocated
 * @init_on_free: all memory is to be initialized when it is freed
 * @leak_tolerant: kmemleak may be told of the end of objects that it does not know
 * @on_window: called, as another CPU, wherever the allocator under test calls
 *	out with no lock held, walks a list under RCU, or is about to do an atomic
 *	compare-and-exchange or has done it: what others may do there, a test can do
 * @on_reclaim: called by allocations that may reclaim, as the same task
 * @on_wait: called while a task waits
 * @on_backing: called by each backing allocation of one of the first four kinds,
 *	with the mask that its pages are asked for with
 *
 * To see:
 * @nr_events: backing allocations asked for
 * @nr_failed: of those, made to fail
 * @nr_pages: pages in use
 * @nr_objects: metadata allocations in use
 * @nr_spaces: areas of address space in use
 * @nr_tables: page tables in use
 * @nr_flushes: TLB flushes
 * @nr_lock_holds: times that a spinlock was taken
 * @nr_warnings: kernel warnings, and of those
 * @nr_expected: the ones that a test still expects
 * @nr_messages: lines of level warning and above
 * @message: the latest of them
 * @page_gfp: all masks of pages, or-ed
 * @meta_gfp: all masks of metadata and address space, or-ed
 * @table_gfp: all masks of page tables, or-ed
 * @nr_charged_bytes: charged to memory cgroups
 * @nr_leak_objects: known to kmemleak
 */
struct sim {
	unsigned long fail_nth;
	unsigned int fail_permille;
	unsigned int fail_kinds;
	unsigned long page_limit;
	u64 vmalloc_bytes;
	unsigned long ram_pages;
	bool no_slab;
	bool no_vmalloc;
	bool memcg;
	bool profiling;
	bool init_on_alloc;
	bool init_on_free;
	bool leak_tolerant;
	void (*on_window)(void);
	void (*on_reclaim)(gfp_t gfp);
	void (*on_wait)(void);
	void (*on_backing)(unsigned int kind, gfp_t gfp);

	unsigned long nr_events;
	unsigned long nr_failed;
	long nr_pages;
	long nr_objects;
	long nr_spaces;
	long nr_tables;
	unsigned long nr_flushes;
	unsigned long nr_lock_holds;
	unsigned long nr_warnings;
	unsigned long nr_expected;
	unsigned long nr_messages;
	char message[256];
	gfp_t page_gfp;
	gfp_t meta_gfp;
	gfp_t table_gfp;
	long nr_charged_bytes;
	long nr_leak_objects;
};

extern struct sim sim;
extern bool sim_verbose;

/* Statistics: shared by threads, of no consequence for order. */
/* Callgrind is to count what runs under a lock (the build "bench" alone). */
extern bool shim_count_holds;

#define sim_count(field, n)	__atomic_fetch_add(&sim.field, n, __ATOMIC_RELAXED)
#define sim_note(field, bits)	__atomic_fetch_or(&sim.field, bits, __ATOMIC_RELAXED)

/* Let others run. */
void shim_window(void);

/* True if a test wants this backing allocation to fail. */
bool shim_should_fail(unsigned int kind);
/* Have the test look at it. */
void shim_tell_backing(unsigned int kind, gfp_t gfp);

void sim_reset(void);			/* a machine after power-on */
void sim_power_off(void);		/* its address space, boot memory, workers */

/* From here on, expect so many kernel warnings; sim_expected() ends that. */
void sim_expect_warnings(unsigned int nr);
bool sim_expected(void);

/*
 * Where the build has NMIs (SHIM_NMI): @sim_on_nmi is called, as an NMI on the same
 * CPU, around each marked store, atomic operation, and change of a lock.
 * With @sim_nmi_is_trace it is not an NMI, but what traces the code there.
 */
extern bool sim_nmi_is_trace;

/* All irq_work that is queued, as hard interrupts.  The two below begin with it. */
void sim_run_irq_work(void);

/* kmemleak is not told of this object's end: it is freed in any context. */
void sim_leak_forget(const void *ptr);

/*
 * Worker: what is due, or all with time advancing until nothing is queued, or
 * @most passes were run.  Both return the passes.
 */
unsigned int sim_run_due_work(void);
unsigned int sim_run_all_work(unsigned int most);
bool sim_work_pending(void);
void sim_advance(unsigned long by);

/* RCU: free what waits for readers.  There must be none. */
void sim_rcu_quiesce(void);

/*
 * What a read of a file in debugfs gives, or NULL where there is no such file.
 * The caller frees it.  Only in builds with CONFIG_PERCPU_STATS.
 */
char *sim_read_file(const char *name);

/* The shrinker that was registered, or NULL. */
struct shrinker *sim_shrinker(void);

/* AddressSanitizer's marks, where it is there. */
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN	1
#endif
#endif
#ifdef SIM_ASAN
void __asan_poison_memory_region(const volatile void *addr, size_t size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
void __sanitizer_print_stack_trace(void);
#define sim_poison(addr, size)	 __asan_poison_memory_region((void *)(addr), size)
#define sim_unpoison(addr, size) __asan_unpoison_memory_region((void *)(addr), size)
#else
#define sim_poison(addr, size)	 ((void)(addr), (void)(size))
#define sim_unpoison(addr, size) ((void)(addr), (void)(size))
#endif

/* shim-mem.c, for shim-boot.c and the tests */
void shim_mem_power_on(void);
void shim_mem_power_off(void);
void shim_boot_power_on(void);
void shim_boot_power_off(void);
void shim_hooks_power_on(void);
unsigned long shim_space_take(size_t bytes, unsigned long align);
void shim_space_give(unsigned long start, unsigned long bytes);
void *shim_block_get(unsigned int order);
void shim_block_put(void *block, unsigned int order);
unsigned long shim_boot_start(void);
struct page *shim_boot_page(const void *addr);
bool shim_is_boot_memory(const void *addr);
bool sim_page_is_mapped(unsigned long addr);

#endif /* SHIM_SIM_H */
