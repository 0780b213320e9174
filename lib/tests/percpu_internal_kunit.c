// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what this percpu allocator promises beyond the common contract
 * (for that see percpu_kunit.c): objects as large as a unit, bursts of requests
 * that cannot sleep, frees that are refused, memory that goes back.
 *
 * They use the public interface, look at the allocator's counters, and have
 * pcpu_validate() check every invariant after each case.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include <trace/events/kmem.h>

#include "../../mm/percpu-internal.h"
#ifdef CONFIG_KMSAN
#include "../../mm/kmsan/kmsan.h"
#endif
#include "percpu_gfp.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

static DEFINE_PER_CPU(u64, static_var);

/* ---- helpers --------------------------------------------------------------- */

static bool on_km(void)
{
	return pcpu_main.backend->rows_fixed;
}

static void fill(void __percpu *ptr, size_t size, u32 tag)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		memset32(per_cpu_ptr(ptr, cpu), tag << 12 | cpu, size / sizeof(u32));
}

static bool intact(void __percpu *ptr, size_t size, u32 tag)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		u32 *copy = per_cpu_ptr((u32 __percpu *)ptr, cpu);

		for (i = 0; i < size / sizeof(u32); i++) {
			if (copy[i] != (tag << 12 | cpu))
				return false;
		}
	}
	return true;
}

static bool zeroed(void __percpu *ptr, size_t size)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (memchr_inv(per_cpu_ptr(ptr, cpu), 0, size))
			return false;
	}
	return true;
}

/* A case that ends early gives back what it had. */
static void free_action(void *ptr)
{
	free_percpu((void __percpu *)ptr);
}

static void __percpu *alloc(struct kunit *test, size_t size, size_t align, gfp_t gfp)
{
	void __percpu *ptr = __alloc_percpu_gfp(size, align, gfp);

	KUNIT_ASSERT_NOT_NULL_MSG(test, (__force void *)ptr, "size %zu align %zu",
				  size, align);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_action,
							   (__force void *)ptr));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)(__force void *)ptr, align));
	KUNIT_EXPECT_TRUE_MSG(test, zeroed(ptr, size), "size %zu", size);
	return ptr;
}

static void release(struct kunit *test, void __percpu *ptr)
{
	kunit_release_action(test, free_action, (__force void *)ptr);
}

/* Let the worker do all that it has to do. */
static void settle(void)
{
	unsigned int i;

	for (i = 0; i < 100 && flush_delayed_work(&pcpu_main.balance_work); i++)
		;
}

static unsigned int nr_bad_frees(void)
{
	return atomic_read(&pcpu_main.nr_bad_frees);
}

static void percpu_internal_exit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
}

/* ---- objects larger than PCPU_MIN_UNIT_SIZE --------------------------------- */

static const unsigned int eighths[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void eighths_desc(const unsigned int *param, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u/8 of a unit", *param);
}

KUNIT_ARRAY_PARAM(eighths, eighths, eighths_desc);

static void big_object_test(struct kunit *test)
{
	size_t unit = pcpu_main.geo.unit_bytes;
	size_t size = unit / 8 * *(const unsigned int *)test->param_value;
	void __percpu *small[32];
	void __percpu *big[2];
	unsigned int i;

	if (size <= PCPU_MIN_UNIT_SIZE && size < unit)
		kunit_skip(test, "%zu bytes are nothing special (units have %zu)",
			   size, unit);

	for (i = 0; i < ARRAY_SIZE(small); i++) {
		small[i] = alloc(test, 4 << i % 8, 4, GFP_KERNEL);
		fill(small[i], 4 << i % 8, i + 1);
	}
	for (i = 0; i < ARRAY_SIZE(big); i++) {
		big[i] = alloc(test, size, i ? PAGE_SIZE : 4, GFP_KERNEL);
		fill(big[i], size, 100 + i);
	}
	for (i = 0; i < ARRAY_SIZE(small); i += 2)
		release(test, small[i]);

	for (i = 0; i < ARRAY_SIZE(big); i++)
		KUNIT_EXPECT_TRUE(test, intact(big[i], size, 100 + i));
	for (i = 1; i < ARRAY_SIZE(small); i += 2) {
		KUNIT_EXPECT_TRUE(test, intact(small[i], 4 << i % 8, i + 1));
		release(test, small[i]);
	}
	KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
	for (i = 0; i < ARRAY_SIZE(big); i++)
		release(test, big[i]);
}

/* What no unit can hold is refused at the door. */
static void too_big_test(struct kunit *test)
{
	size_t unit = pcpu_main.geo.unit_bytes;
	void __percpu *ptr;

	kunit_warning_suppress(test) {
		ptr = __alloc_percpu_gfp(unit + 1, 4, GFP_KERNEL);
		KUNIT_EXPECT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	kunit_warning_suppress(test) {
		ptr = __alloc_percpu_gfp(unit + 4, 4, GFP_KERNEL | __GFP_NOWARN);
		KUNIT_EXPECT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

/* ---- bursts ------------------------------------------------------------------ */

struct burst {
	/* parameters */
	const char		*name;
	size_t			size;
	unsigned int		nr;
	void			(*enter)(struct burst *burst);
	/* one run */
	void __percpu		**ptrs;
	unsigned int		got;
	struct completion	done;
	struct timer_list	timer;
};

static void burst_body(struct burst *burst)
{
	void __percpu *ptr;

	while (burst->got < burst->nr) {
		ptr = __alloc_percpu_gfp(burst->size, burst->size, GFP_NOWAIT);
		if (!ptr)
			break;
		burst->ptrs[burst->got++] = ptr;
	}
}

static void burst_irqs_off(struct burst *burst)
{
	unsigned long flags;

	local_irq_save(flags);
	burst_body(burst);
	local_irq_restore(flags);
}

static void burst_timer(struct timer_list *timer)
{
	struct burst *burst = timer_container_of(burst, timer, timer);

	burst_body(burst);
	complete(&burst->done);
}

static void burst_softirq(struct burst *burst)
{
	init_completion(&burst->done);
	timer_setup_on_stack(&burst->timer, burst_timer, 0);
	mod_timer(&burst->timer, jiffies);
	wait_for_completion(&burst->done);
	timer_delete_sync(&burst->timer);
	timer_destroy_on_stack(&burst->timer);
}

static const struct burst bursts[] = {
	{ "16000 of 64 B, interrupts off",	64,	16000,	burst_irqs_off },
	{ "2000 of 512 B, interrupts off",	512,	2000,	burst_irqs_off },
	{ "16000 of 64 B, softirq",		64,	16000,	burst_softirq },
	{ "250 of 4 KiB, interrupts off",	4096,	250,	burst_irqs_off },
};

KUNIT_ARRAY_PARAM_DESC(burst, bursts, name);

static bool spares_are_ready(void)
{
	return READ_ONCE(pcpu_main.nr_spare_chunks) >= pcpu_main.spare_chunks;
}

/*
 * 1 MiB back to back: all succeed, are zeroed, and none overlaps another.  Where
 * vmalloc space or memory is scarce spare chunks have room for less, and no more
 * than that is promised.
 */
static void burst_test(struct kunit *test)
{
	struct burst burst = *(const struct burst *)test->param_value;
	ktime_t deadline = ktime_add_ms(ktime_get(), 10000);
	size_t room_bytes = pcpu_main.spare_chunks * pcpu_main.geo.unit_bytes;
	unsigned int i, bad = 0;

	if (!pcpu_main.backend->maps_atomic)
		kunit_skip(test, "the %s backend does not map without sleeping",
			   pcpu_main.backend->name);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "a spinlock_t sleeps on PREEMPT_RT");

	if (burst.nr > room_bytes / burst.size) {
		burst.nr = room_bytes / burst.size;
		kunit_info(test, "%u spare chunks have room for %u\n",
			   pcpu_main.spare_chunks, burst.nr);
	}
	/* Redzones take as much again. */
	burst.nr >>= PERCPU_KASAN_SHIFT;
	burst.ptrs = kvcalloc(burst.nr, sizeof(*burst.ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, burst.ptrs);
	settle();
	while (!spares_are_ready() && ktime_before(ktime_get(), deadline))
		msleep(20);

	burst.enter(&burst);

	for (i = 0; i < burst.got; i++) {
		bad += !zeroed(burst.ptrs[i], burst.size);
		fill(burst.ptrs[i], burst.size, i + 1);
	}
	for (i = 0; i < burst.got; i++)
		bad += !intact(burst.ptrs[i], burst.size, i + 1);
	KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
	for (i = 0; i < burst.got; i++)
		free_percpu(burst.ptrs[i]);
	kvfree(burst.ptrs);

	KUNIT_EXPECT_EQ(test, burst.got, burst.nr);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/*
 * After a burst the pages go back by themselves, and so do the chunks.  Rows
 * that must stay because something of other users lives in them are allowed
 * for: a handful.
 */
static void give_back_test(struct kunit *test)
{
	unsigned long before, full, now, slack = 4 * pcpu_main.geo.nr_units;
	ktime_t deadline = ktime_add_ms(ktime_get(), 120000);
	unsigned int nr = 256, i, rounds = 0;
	void __percpu **ptrs;

	if (on_km())
		kunit_skip(test, "the km backend keeps its chunks populated");

	/* Where it was: what is left once the worker finds nothing to do. */
	do {
		settle();
		before = pcpu_nr_pages();
		msleep(20);
	} while ((delayed_work_pending(&pcpu_main.balance_work) ||
		  before != pcpu_nr_pages()) && ++rounds < 50);

	ptrs = kunit_kcalloc(test, nr, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	for (i = 0; i < nr; i++) {
		ptrs[i] = __alloc_percpu_gfp(PAGE_SIZE, PAGE_SIZE,
					     i & 1 ? GFP_KERNEL : GFP_NOWAIT);
		if (!ptrs[i])
			ptrs[i] = __alloc_percpu(PAGE_SIZE, PAGE_SIZE);
	}
	full = pcpu_nr_pages();
	for (i = 0; i < nr; i++)
		free_percpu(ptrs[i]);
	KUNIT_EXPECT_GE(test, full, (nr - 64) * pcpu_main.geo.nr_units);

	do {
		msleep(20);
		now = pcpu_nr_pages();
	} while (now > before + slack && ktime_before(ktime_get(), deadline));
	kunit_info(test, "pages: %lu before, %lu full, %lu after\n", before, full, now);
	KUNIT_EXPECT_LE(test, now, before + slack);
}

/* ---- several objects by one call ------------------------------------------------ */

struct bulk {
	const char	*name;
	size_t		size;
	size_t		align;
	unsigned int	nr;
	bool		irqs_off;
};

static const struct bulk bulks[] = {
	{ "1 of 64 B",			64,	8,	1 },
	{ "17 of 4 B",			4,	4,	17 },
	{ "1000 of 64 B",		64,	64,	1000 },
	{ "100 of 20 B to 16",		20,	16,	100 },
	{ "40 of 2052 B",		2052,	4,	40 },
	{ "20 of a page",		PAGE_SIZE, PAGE_SIZE, 20 },
	{ "100 of 64 B, interrupts off", 64,	8,	100, true },
};

KUNIT_ARRAY_PARAM_DESC(bulk, bulks, name);

static bool bulk_alloc(const struct bulk *bulk, void __percpu **ptrs)
{
	unsigned long flags;
	bool got;

	if (!bulk->irqs_off)
		return __alloc_percpu_bulk(bulk->size, bulk->align, GFP_KERNEL, bulk->nr, ptrs);
	local_irq_save(flags);
	got = __alloc_percpu_bulk(bulk->size, bulk->align, GFP_NOWAIT, bulk->nr, ptrs);
	local_irq_restore(flags);
	return got;
}

/* All are there, aligned, zeroed and apart; twice, so that bins have their part. */
static void bulk_test(struct kunit *test)
{
	const struct bulk *bulk = test->param_value;
	unsigned int round, i, bad = 0;
	void __percpu **ptrs;
	bool got = true;

	if (bulk->irqs_off && IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "a spinlock_t sleeps on PREEMPT_RT");
	ptrs = kvcalloc(bulk->nr, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	for (round = 0; round < 2 && got; round++) {
		got = bulk_alloc(bulk, ptrs);
		if (!got)
			break;
		for (i = 0; i < bulk->nr; i++) {
			bad += !IS_ALIGNED((unsigned long)(__force void *)ptrs[i], bulk->align);
			bad += !zeroed(ptrs[i], bulk->size);
			fill(ptrs[i], bulk->size, i + 1);
		}
		for (i = 0; i < bulk->nr; i++)
			bad += !intact(ptrs[i], bulk->size, i + 1);
		KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
		free_percpu_bulk(bulk->nr, ptrs);
	}
	KUNIT_EXPECT_TRUE(test, got);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_FALSE(test, __alloc_percpu_bulk(64, 8, GFP_KERNEL, 0, ptrs));
	kvfree(ptrs);
}

/* Bad pointers in a batch are refused, the others freed. */
static void bulk_bad_frees_test(struct kunit *test)
{
	void __percpu *ptrs[24];
	unsigned int before = nr_bad_frees();

	KUNIT_ASSERT_TRUE(test, __alloc_percpu_bulk(64, 8, GFP_KERNEL, 20, ptrs));
	ptrs[20] = ptrs[3];
	ptrs[21] = NULL;
	ptrs[22] = ptrs[5] + 8;
	ptrs[23] = &static_var;
	swap(ptrs[0], ptrs[20]);
	swap(ptrs[1], ptrs[22]);
	kunit_warning_suppress(test) {
		free_percpu_bulk(ARRAY_SIZE(ptrs), ptrs);
	}
	KUNIT_EXPECT_EQ(test, nr_bad_frees(), before + 3);
}

/* The caller writes it; asked to, or told so, the allocator does. */
static void uninit_test(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		u64 __percpu *ptr = alloc_percpu_uninit(u64, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, (__force void *)ptr);
		if (want_init_on_alloc(GFP_KERNEL) || want_init_on_free())
			KUNIT_EXPECT_TRUE(test, zeroed(ptr, sizeof(u64)));
		fill(ptr, sizeof(u64), 1000 + i);
		KUNIT_EXPECT_TRUE(test, intact(ptr, sizeof(u64), 1000 + i));
		free_percpu(ptr);

		ptr = alloc_percpu_uninit(u64, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_TRUE(test, zeroed(ptr, sizeof(u64)));
		free_percpu(ptr);
	}
}

#ifdef CONFIG_KMSAN
/* Bytes in all copies that nobody initialized, as KMSAN has it. */
static size_t kmsan_unknown_bytes(void __percpu *ptr, size_t size)
{
	size_t nr_unknown = 0, i;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		u8 *copy = per_cpu_ptr((u8 __percpu *)ptr, cpu);

		for (i = 0; i < size; i++) {
			const u8 *shadow = kmsan_get_metadata(copy + i, KMSAN_META_SHADOW);

			nr_unknown += !shadow || *shadow;
		}
	}
	return nr_unknown;
}
#else
static size_t kmsan_unknown_bytes(void __percpu *ptr, size_t size)
{
	return 0;
}
#endif

/* Objects in both states come from the same memory again and again. */
static void kmsan_test(struct kunit *test)
{
	static const size_t sizes[] = { 4, 100, PAGE_SIZE };
	unsigned int i;

	if (!IS_ENABLED(CONFIG_KMSAN))
		kunit_skip(test, "no KMSAN");
	if (want_init_on_alloc(GFP_KERNEL) || want_init_on_free())
		kunit_skip(test, "all memory is initialized");
	for (i = 0; i < 10 * ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];
		void __percpu *ptr = __alloc_percpu_uninit(size, 4, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_EQ(test, kmsan_unknown_bytes(ptr, size), size * num_possible_cpus());
		memset(per_cpu_ptr(ptr, cpumask_first(cpu_possible_mask)), 1, size);
		KUNIT_EXPECT_EQ(test, kmsan_unknown_bytes(ptr, size),
				size * (num_possible_cpus() - 1));
		free_percpu(ptr);

		ptr = alloc(test, size, 4, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, kmsan_unknown_bytes(ptr, size), 0);
		release(test, ptr);
	}
}

/* ---- frees that are refused --------------------------------------------------- */

struct bad_free {
	const char	*name;
	void __percpu	*(*make)(struct kunit *test, void __percpu *live);
};

static void __percpu *bad_double(struct kunit *test, void __percpu *live)
{
	void __percpu *ptr = alloc(test, 64, 64, GFP_KERNEL);

	release(test, ptr);
	return ptr;
}

static void __percpu *bad_double_pages(struct kunit *test, void __percpu *live)
{
	void __percpu *ptr = alloc(test, 2 * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);

	release(test, ptr);
	return ptr;
}

static void __percpu *bad_first_slot(struct kunit *test, void __percpu *live)
{
	return live + 4;
}

static void __percpu *bad_middle(struct kunit *test, void __percpu *live)
{
	return live + PAGE_SIZE;
}

static void __percpu *bad_last_slot(struct kunit *test, void __percpu *live)
{
	return live + 2 * PAGE_SIZE - 4;
}

static void __percpu *bad_low_bits(struct kunit *test, void __percpu *live)
{
	return live + 1;
}

static void __percpu *bad_copy(struct kunit *test, void __percpu *live)
{
	unsigned int cpu = cpumask_last(cpu_possible_mask);

	/* On UP a pointer is the address of its one copy. */
	return IS_ENABLED(CONFIG_SMP) ? (void __percpu __force *)per_cpu_ptr(live, cpu) :
					live + 8;
}

static void __percpu *bad_error(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)ERR_PTR(-ENOMEM);
}

static void __percpu *bad_one(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)1UL;
}

static void __percpu *bad_static(struct kunit *test, void __percpu *live)
{
	return &static_var;
}

static void __percpu *bad_slab(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)kunit_kzalloc(test, 64, GFP_KERNEL);
}

static void __percpu *bad_stack(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)current->stack;
}

static void __percpu *bad_text(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)bad_text;
}

static void __percpu *bad_beyond(struct kunit *test, void __percpu *live)
{
	/* Where the top byte may be a tag of KASAN, the highest bit below that. */
	return live + (1UL << (BITS_PER_LONG - (IS_ENABLED(CONFIG_KASAN_SW_TAGS) ? 10 : 2)));
}

#ifdef CONFIG_KASAN_SW_TAGS
static void __percpu *bad_tag(struct kunit *test, void __percpu *live)
{
	return (void __percpu __force *)((unsigned long)live ^ (1UL << 56));
}
#endif

static const struct bad_free bad_frees[] = {
	{ "freed before",			bad_double },
	{ "freed before, whole pages",		bad_double_pages },
	{ "4 bytes into an object",		bad_first_slot },
	{ "a page into an object",		bad_middle },
	{ "the last 4 bytes of an object",	bad_last_slot },
	{ "not a multiple of 4",		bad_low_bits },
	{ "address of a copy",			bad_copy },
	{ "ERR_PTR",				bad_error },
	{ "1",					bad_one },
	{ "static percpu variable",		bad_static },
	{ "slab object",			bad_slab },
	{ "stack",				bad_stack },
	{ "kernel text",			bad_text },
	{ "far beyond",				bad_beyond },
#ifdef CONFIG_KASAN_SW_TAGS
	{ "tag of another object",		bad_tag },
#endif
};

KUNIT_ARRAY_PARAM_DESC(bad_free, bad_frees, name);

/* Refused, counted, warned about at most once, and nothing else happens. */
static void expect_refused(struct kunit *test, void __percpu *ptr)
{
	unsigned int before = nr_bad_frees();

	kunit_warning_suppress(test) {
		free_percpu(ptr);
		/* Without a warning where WARN_ONCE() has had its one. */
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
	}
	KUNIT_EXPECT_EQ(test, nr_bad_frees(), before + 1);
	KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
}

static void bad_free_test(struct kunit *test)
{
	const struct bad_free *bad = test->param_value;
	const size_t size = 2 * PAGE_SIZE;
	void __percpu *live = alloc(test, size, PAGE_SIZE, GFP_KERNEL);
	void __percpu *ptr;

	fill(live, size, 1);
	ptr = bad->make(test, live);
	expect_refused(test, ptr);
	expect_refused(test, ptr);
	KUNIT_EXPECT_TRUE(test, intact(live, size, 1));

	/* The object itself is still there to be freed, once. */
	release(test, live);
	expect_refused(test, live);
}

/* A pointer into a chunk that no longer exists. */
static void free_after_chunk_test(struct kunit *test)
{
	size_t unit = pcpu_main.geo.unit_bytes;
	unsigned int nr, i;
	void __percpu **ptrs;

	nr = pcpu_main.spare_chunks + 4;
	ptrs = kunit_kcalloc(test, nr, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	for (i = 0; i < nr; i++)
		ptrs[i] = alloc(test, unit, PAGE_SIZE, GFP_KERNEL);
	for (i = 0; i < nr; i++)
		release(test, ptrs[i]);
	settle();
	for (i = 0; i < nr; i++)
		expect_refused(test, ptrs[i]);
}

/* ---- masks ----------------------------------------------------------------------- */

#ifdef CONFIG_TRACEPOINTS
#define GFP_MAY_DO	(__GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS)

/**
 * struct gfp_watch - what a task allocates, by the tracepoints for that
 * @task: the task
 * @backing: the mask that it should take them with
 * @tables: what page tables it may take
 * @nr_rows: pages of objects, or blocks that are chunks
 * @nr_tables: page tables
 * @nr_objects: slab objects
 * @nr_bad: what it should not take like this
 * @bad_gfp: the mask of one of them
 */
struct gfp_watch {
	struct task_struct	*task;
	gfp_t			backing;
	enum pcpu_gfp_tables	tables;
	unsigned int		nr_rows;
	unsigned int		nr_tables;
	unsigned int		nr_objects;
	unsigned int		nr_bad;
	gfp_t			bad_gfp;
};

/* What reclaim may do for this page: nothing, in the noreclaim scope. */
static gfp_t gfp_effective(gfp_t gfp)
{
	return current->flags & PF_MEMALLOC ? 0 : gfp & GFP_MAY_DO;
}

/* A page of ours by its mask; those that slab takes have more bits. */
static bool gfp_is_row(gfp_t gfp, unsigned int order)
{
	if (on_km())
		return order && (gfp & (__GFP_NOMEMALLOC | __GFP_COMP)) == __GFP_NOMEMALLOC;
	return gfp & __GFP_HIGHMEM;
}

static bool gfp_is_table(gfp_t gfp)
{
	return (gfp & (__GFP_ZERO | __GFP_DIRECT_RECLAIM | __GFP_NOMEMALLOC)) ==
	       (__GFP_ZERO | __GFP_DIRECT_RECLAIM);
}

/* @gfp is @want, but for bits that it may have beyond that, and others that it may lack. */
static bool gfp_is(gfp_t gfp, gfp_t want, gfp_t may_add, gfp_t may_lack)
{
	return !(gfp & ~want & ~may_add) && !(want & ~gfp & ~may_lack);
}

/* Metadata, address space and shadow; debugging may ask for less on the way. */
static bool gfp_is_backing(gfp_t backing, gfp_t gfp, gfp_t may_add, gfp_t may_lack)
{
	return gfp_is(gfp, backing, may_add, may_lack) ||
	       gfp_is(gfp, gfp_nested_mask(backing), may_add | __GFP_HIGH, GFP_KERNEL);
}

/* All that is no row.  Page tables are pages, or objects, without __GFP_NOMEMALLOC. */
static bool gfp_is_good(const struct gfp_watch *watch, gfp_t gfp, gfp_t may_add,
			gfp_t may_lack)
{
	bool noreclaim = current->flags & PF_MEMALLOC;

	/* KMSAN's shadow of rows: whatever is asked, but neither IO nor file systems. */
	if (IS_ENABLED(CONFIG_KMSAN) && (gfp & __GFP_ZERO) && !(gfp & (__GFP_IO | __GFP_FS)))
		return true;
	if (gfp_effective(gfp) & ~watch->backing)
		return false;
	if (noreclaim && watch->tables == PCPU_TABLES_TRIED)
		return true;
	if (gfp & __GFP_NOMEMALLOC)
		return gfp_is_backing(watch->backing, gfp, may_add | __GFP_ZERO, may_lack);
	if (gfp & __GFP_DIRECT_RECLAIM)
		return !noreclaim && watch->tables == PCPU_TABLES_SAME;
	return true;
}

static void gfp_count(struct gfp_watch *watch, gfp_t gfp, bool good)
{
	if (!good) {
		watch->nr_bad++;
		watch->bad_gfp = gfp;
	}
}

static void gfp_probe_page(void *data, struct page *page, unsigned int order, gfp_t gfp,
			   int migratetype)
{
	struct gfp_watch *watch = data;

	if (current != watch->task || !in_task())
		return;
	watch->nr_rows += gfp_is_row(gfp, order);
	watch->nr_tables += gfp_is_table(gfp);
	gfp &= ~__GFP_HARDWALL;
	if (gfp_is_row(gfp, order))
		gfp_count(watch, gfp, (gfp & ~__GFP_HIGHMEM) == watch->backing);
	else if (gfp & __GFP_COMP)
		/* More than is needed is tried without waiting for it. */
		gfp_count(watch, gfp, gfp_is_good(watch, gfp, __GFP_COMP | __GFP_RECLAIMABLE |
						  __GFP_NORETRY, __GFP_RECLAIM));
	else
		gfp_count(watch, gfp, gfp_is_good(watch, gfp, 0, 0));
}

/* Of kvmalloc() more than a page is tried likewise; a CPU's next spare may be missing. */
static void gfp_probe_kmalloc(void *data, unsigned long ip, const void *ptr, size_t asked,
			      size_t got, gfp_t gfp, int node)
{
	struct gfp_watch *watch = data;

	if (current != watch->task || !in_task())
		return;
	watch->nr_objects += !!(gfp & __GFP_NOMEMALLOC);
	gfp = current_gfp_context(gfp);
	gfp_count(watch, gfp, gfp_is_good(watch, gfp, __GFP_NORETRY,
					  asked > PAGE_SIZE ? __GFP_DIRECT_RECLAIM : 0));
}

static void gfp_probe_object(void *data, unsigned long ip, const void *ptr,
			     struct kmem_cache *cache, gfp_t gfp, int node)
{
	gfp_probe_kmalloc(data, ip, ptr, 0, 0, gfp, node);
}

/* While the worker is stopped, chunks are made by those who need them. */
static void worker_stop(void)
{
	unsigned int i;

	settle();
	WRITE_ONCE(pcpu_main.balance_enabled, false);
	cancel_delayed_work_sync(&pcpu_main.balance_work);
	/* As under pressure: rows that earlier requests made it keep go at once. */
	for (i = 0; i < 100; i++) {
		WRITE_ONCE(pcpu_main.balance_pressure, true);
		if (!pcpu_balance_pass(&pcpu_main))
			break;
	}
}

static void worker_go_on(void *unused)
{
	WRITE_ONCE(pcpu_main.balance_enabled, true);
	pcpu_balance_kick(&pcpu_main, true);
}

/* Each chunk at a place of its own needs page tables of its own. */
static bool chunks_need_tables(void)
{
	return !on_km() && pcpu_main.geo.atom_bytes >= PMD_SIZE;
}

#ifdef CONFIG_NEED_PER_CPU_KM
static void take_used_space(struct kunit *test)
{
}
#else
static void free_space(void *vms)
{
	pcpu_free_vm_areas(vms, pcpu_main.geo.nr_groups);
}

/* Page tables stay when chunks go: take the address space where they are. */
static void take_used_space(struct kunit *test)
{
	const struct pcpu_geometry *geo = &pcpu_main.geo;
	unsigned int nr = min(2 * pcpu_main.counts.nr_max_chunks + 8, 128U);
	struct vm_struct **vms;

	while (chunks_need_tables() && nr--) {
		vms = pcpu_get_vm_areas(geo->group_offsets, geo->group_bytes, geo->nr_groups,
					geo->atom_bytes, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, vms);
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_space, vms));
	}
}
#endif

static void gfp_watch_begin(struct kunit *test, struct gfp_watch *watch)
{
	KUNIT_EXPECT_EQ(test, 0, register_trace_mm_page_alloc(gfp_probe_page, watch));
	KUNIT_EXPECT_EQ(test, 0, register_trace_kmalloc(gfp_probe_kmalloc, watch));
	KUNIT_EXPECT_EQ(test, 0, register_trace_kmem_cache_alloc(gfp_probe_object, watch));
	watch->task = current;
}

static void gfp_watch_end(struct kunit *test, struct gfp_watch *watch)
{
	watch->task = NULL;
	unregister_trace_mm_page_alloc(gfp_probe_page, watch);
	unregister_trace_kmalloc(gfp_probe_kmalloc, watch);
	unregister_trace_kmem_cache_alloc(gfp_probe_object, watch);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ_MSG(test, watch->nr_bad, 0, "for example %#x, not %#x",
			    (__force u32)watch->bad_gfp, (__force u32)watch->backing);
}

KUNIT_ARRAY_PARAM_DESC(gfp, pcpu_gfp_cases, name);

/* Objects of a unit, until a chunk had to be made for one, or could not be. */
static unsigned int take_units(void __percpu **ptrs, unsigned int max, gfp_t gfp)
{
	unsigned int nr_chunks = READ_ONCE(pcpu_main.nr_chunks), nr = 0;

	while (nr < max && READ_ONCE(pcpu_main.nr_chunks) <= nr_chunks) {
		ptrs[nr] = __alloc_percpu_gfp(pcpu_main.geo.unit_bytes, 4, gfp);
		if (!ptrs[nr])
			break;
		nr++;
	}
	return nr;
}

static unsigned int nr_tables_seen;

/* The masks of all pages and objects that a request takes, as Documentation has them. */
static void gfp_test(struct kunit *test)
{
	const struct pcpu_gfp_case *line = test->param_value;
	bool creates = line->tables != PCPU_TABLES_NONE;
	struct gfp_watch watch = {
		.backing = line->backing | __GFP_NOMEMALLOC | __GFP_NOWARN,
		.tables = line->tables,
	};
	unsigned int nr, nr_chunks, flags;
	void __percpu *ptrs[64];

	worker_stop();
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, worker_go_on, NULL));
	take_used_space(test);
	nr_chunks = pcpu_main.nr_chunks;
	gfp_watch_begin(test, &watch);
	flags = memalloc_flags_save(line->scope);
	nr = take_units(ptrs, ARRAY_SIZE(ptrs), line->gfp | __GFP_NOWARN);
	memalloc_flags_restore(flags);
	gfp_watch_end(test, &watch);
	KUNIT_EXPECT_EQ(test, pcpu_main.nr_chunks > nr_chunks, creates);

	if (creates)
		KUNIT_EXPECT_GT(test, watch.nr_objects, 0);
	if (creates || pcpu_main.backend->maps_atomic)
		KUNIT_EXPECT_GT(test, watch.nr_rows, 0);
	/* A chunk where one was before finds page tables there. */
	if (!creates)
		KUNIT_EXPECT_EQ(test, watch.nr_tables, 0);
	else if (!watch.nr_tables)
		kunit_info(test, "no page table was missing");
	nr_tables_seen += watch.nr_tables;
	while (nr)
		free_percpu(ptrs[--nr]);
}

/* The same of a pass of the worker that makes a chunk. */
static void gfp_worker_test(struct kunit *test)
{
	struct gfp_watch watch = {
		.backing = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC,
		.tables = PCPU_TABLES_TRIED,
	};
	void __percpu *ptrs[64];
	unsigned int nr;

	worker_stop();
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, worker_go_on, NULL));
	take_used_space(test);
	nr = take_units(ptrs, ARRAY_SIZE(ptrs), GFP_KERNEL);
	gfp_watch_begin(test, &watch);
	pcpu_balance_pass(&pcpu_main);
	gfp_watch_end(test, &watch);
	/* All lines together met some, or nothing was tested. */
	if (chunks_need_tables())
		KUNIT_EXPECT_GT(test, nr_tables_seen + watch.nr_tables, 0);
	while (nr)
		free_percpu(ptrs[--nr]);
}
#else
KUNIT_ARRAY_PARAM_DESC(gfp, pcpu_gfp_cases, name);

static void gfp_test(struct kunit *test)
{
	kunit_skip(test, "masks are seen by a tracepoint, and there are none");
}

static void gfp_worker_test(struct kunit *test)
{
	kunit_skip(test, "masks are seen by a tracepoint, and there are none");
}
#endif

/* ---- the rest ------------------------------------------------------------------ */

/* __GFP_NOFAIL cannot be promised: said aloud, and the request goes on. */
static void nofail_test(struct kunit *test)
{
	void __percpu *ptr;

	kunit_warning_suppress(test) {
		ptr = __alloc_percpu_gfp(64, 64, GFP_KERNEL | __GFP_NOFAIL);
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		/* Where a suppressed warning does not use up WARN_ONCE(). */
		if (IS_ENABLED(CONFIG_X86) && !IS_ENABLED(CONFIG_UML))
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_NOT_NULL(test, (__force void *)ptr);
	free_percpu(ptr);
}

/* Somebody wants the second request to fail: it does, and no other. */
static void fail_nth_test(struct kunit *test)
{
#ifdef CONFIG_FAIL_PERCPU
	void __percpu *first, *second, *ptrs[40];
	unsigned int i;

	if (IS_ENABLED(CONFIG_FAILSLAB) || IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "fail_nth counts other allocations as well");
	/* From the chunks, then from what is at hand. */
	for (i = 0; i < 2; i++) {
		current->fail_nth = 2;
		first = __alloc_percpu_gfp(64, 8, GFP_KERNEL | __GFP_NOWARN);
		second = __alloc_percpu_gfp(64, 8, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		KUNIT_EXPECT_EQ(test, current->fail_nth, 0);
		current->fail_nth = 0;
		KUNIT_EXPECT_NOT_NULL(test, (__force void *)first);
		KUNIT_EXPECT_NULL(test, (__force void *)second);
		free_percpu(first);
		free_percpu(second);
	}
	/* In the middle of a batch: none of it is left. */
	current->fail_nth = 2;
	KUNIT_EXPECT_FALSE(test, __alloc_percpu_bulk(64, 8, GFP_KERNEL | __GFP_NOWARN,
						     ARRAY_SIZE(ptrs), ptrs));
	KUNIT_EXPECT_EQ(test, current->fail_nth, 0);
	current->fail_nth = 0;
	KUNIT_EXPECT_NULL(test, memchr_inv(ptrs, 0, sizeof(ptrs)));
	/* In any context, with an area at hand. */
	free_percpu(__alloc_percpu_gfp(64, 8, GFP_KERNEL));
	current->fail_nth = 1;
	first = __alloc_percpu_nolock(64, 8, 0);
	KUNIT_EXPECT_EQ(test, current->fail_nth, 0);
	current->fail_nth = 0;
	KUNIT_EXPECT_NULL(test, (__force void *)first);
	free_percpu(first);
#else
	kunit_skip(test, "CONFIG_FAIL_PERCPU is not set");
#endif
}

/* Each piece that is given back to the reserved part can be had again. */
static void reserved_reuse_test(struct kunit *test)
{
	const size_t piece = 256;
	unsigned int nr = PERCPU_MODULE_RESERVE / piece, got = 0, i;
	void __percpu **ptrs;

	if (!pcpu_main.reserved)
		kunit_skip(test, "there is no reserved part");

	ptrs = kunit_kcalloc(test, nr, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	while (got < nr) {
		ptrs[got] = alloc_hooks(pcpu_alloc_noprof(piece, 64, true,
							  GFP_KERNEL | __GFP_NOWARN));
		if (!ptrs[got])
			break;
		got++;
	}
	KUNIT_EXPECT_GT(test, got, 0);
	for (i = 0; i < got; i++) {
		free_percpu(ptrs[i]);
		ptrs[i] = alloc_hooks(pcpu_alloc_noprof(piece, 64, true,
							GFP_KERNEL | __GFP_NOWARN));
		KUNIT_EXPECT_NOT_NULL_MSG(test, (__force void *)ptrs[i],
					  "piece %u of %u", i, got);
	}
	for (i = 0; i < got; i++)
		free_percpu(ptrs[i]);
}

/* The figures in debugfs follow what is made and freed. */
static void counts_test(struct kunit *test)
{
	struct pcpu_counts before, after;
	void __percpu *ptrs[100];
	unsigned long flags;
	unsigned int i;

	/* These are the chunks' figures: keep nothing at hand meanwhile. */
	pcpu_kasan_drain(&pcpu_main);
	pcpu_cache_drain(&pcpu_main, true);
	spin_lock_irqsave(&pcpu_main.lock, flags);
	before = pcpu_main.counts;
	spin_unlock_irqrestore(&pcpu_main.lock, flags);

	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = __alloc_percpu(16 + i, 4);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		free_percpu(ptrs[i]);
	pcpu_kasan_drain(&pcpu_main);
	pcpu_cache_drain(&pcpu_main, true);

	spin_lock_irqsave(&pcpu_main.lock, flags);
	after = pcpu_main.counts;
	spin_unlock_irqrestore(&pcpu_main.lock, flags);

	/* Others may allocate meanwhile. */
	KUNIT_EXPECT_GE(test, after.nr_alloc, before.nr_alloc + ARRAY_SIZE(ptrs));
	KUNIT_EXPECT_GE(test, after.nr_dealloc, before.nr_dealloc + ARRAY_SIZE(ptrs));
	/* Extremes are kept for debugfs alone. */
	if (!IS_ENABLED(CONFIG_PERCPU_STATS))
		return;
	KUNIT_EXPECT_LE(test, after.min_alloc_bytes, 16);
	KUNIT_EXPECT_GE(test, after.max_alloc_bytes, 16 + ARRAY_SIZE(ptrs) - 1);
	KUNIT_EXPECT_GE(test, after.nr_max_alloc, ARRAY_SIZE(ptrs));
}

/* More than a bin holds, of a size that nobody else is likely to use. */
#define DEPOT_OBJECTS	256
#define DEPOT_SIZE	332

static long alloc_many(void *arg)
{
	void __percpu **ptrs = arg;
	unsigned int i;

	for (i = 0; i < DEPOT_OBJECTS; i++)
		ptrs[i] = __alloc_percpu(DEPOT_SIZE, 4);
	return 0;
}

static long free_many(void *arg)
{
	void __percpu **ptrs = arg;
	unsigned int i;

	for (i = 0; i < DEPOT_OBJECTS; i++)
		free_percpu(ptrs[i]);
	return 0;
}

static unsigned long depot_hits(void)
{
	struct pcpu_bin *bin = pcpu_bin_in(pcpu_depot_cache(), DEPOT_SIZE >> PCPU_MIN_ALLOC_SHIFT);

	return bin ? READ_ONCE(bin->nr_hits) : 0;
}

/* What one CPU frees another gets, if no others come in between: not each time. */
static void depot_test(struct kunit *test)
{
	unsigned int first = cpumask_first(cpu_online_mask);
	unsigned int second = cpumask_next(first, cpu_online_mask), turn;
	void __percpu **ptrs;
	unsigned long before;

	if (!pcpu_depot_cache() || second >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	if (IS_ENABLED(CONFIG_KASAN_GENERIC) || IS_ENABLED(CONFIG_KASAN_SW_TAGS))
		kunit_skip(test, "freed areas are in quarantine");
	ptrs = kunit_kcalloc(test, DEPOT_OBJECTS, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);

	before = depot_hits();
	for (turn = 0; turn < 100 && depot_hits() == before; turn++) {
		work_on_cpu(first, alloc_many, ptrs);
		KUNIT_EXPECT_NOT_NULL(test, (__force void *)ptrs[DEPOT_OBJECTS - 1]);
		work_on_cpu(second, free_many, ptrs);
	}
	KUNIT_EXPECT_NE(test, depot_hits(), before);
}

#ifdef CONFIG_HOTPLUG_CPU

/* Areas that a CPU has at hand, of whatever size. */
static unsigned int held_on(unsigned int cpu)
{
	const struct pcpu_cache *cache = &per_cpu(pcpu_caches, cpu);
	unsigned int i, j, nr = 0;

	for (i = 0; i < PCPU_CACHE_BINS; i++)
		for (j = 0; j < PCPU_CACHE_DEPTH; j++)
			nr += !!READ_ONCE(cache->bin[i].entry[j]);
	return nr;
}

/* With KASAN what is freed comes into the bins once the quarantine is full. */
static unsigned int fill_bins_on(unsigned int cpu, void __percpu **ptrs)
{
	unsigned int turn;

	for (turn = 0; turn < 100 && held_on(cpu) < 16; turn++) {
		work_on_cpu(cpu, alloc_many, ptrs);
		work_on_cpu(cpu, free_many, ptrs);
	}
	return held_on(cpu);
}

/* What a CPU has at hand when it goes is given back as if it were idle. */
static void offline_test(struct kunit *test)
{
	ktime_t deadline = ktime_add_ms(ktime_get(), 60000);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	void __percpu **ptrs;
	int err;

	if (!cpu)
		kunit_skip(test, "needs two CPUs");
	ptrs = kunit_kcalloc(test, DEPOT_OBJECTS, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);

	KUNIT_EXPECT_GE(test, fill_bins_on(cpu, ptrs), 16);
	err = remove_cpu(cpu);
	if (err)
		kunit_skip(test, "CPU %u stays online: %d", cpu, err);

	while (held_on(cpu) && ktime_before(ktime_get(), deadline)) {
		settle();
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, held_on(cpu), 0);
	KUNIT_EXPECT_EQ(test, pcpu_validate(&pcpu_main), 0);

	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
	KUNIT_EXPECT_GE(test, fill_bins_on(cpu, ptrs), 16);
}

#else

static void offline_test(struct kunit *test)
{
	kunit_skip(test, "CONFIG_HOTPLUG_CPU is not set");
}

#endif

static struct kunit_case percpu_internal_cases[] = {
	KUNIT_CASE_PARAM(big_object_test, eighths_gen_params),
	KUNIT_CASE(too_big_test),
	KUNIT_CASE_PARAM(burst_test, burst_gen_params),
	KUNIT_CASE_SLOW(give_back_test),
	KUNIT_CASE_PARAM(bulk_test, bulk_gen_params),
	KUNIT_CASE(bulk_bad_frees_test),
	KUNIT_CASE(uninit_test),
	KUNIT_CASE(kmsan_test),
	KUNIT_CASE_PARAM(bad_free_test, bad_free_gen_params),
	KUNIT_CASE(free_after_chunk_test),
	KUNIT_CASE_PARAM(gfp_test, gfp_gen_params),
	KUNIT_CASE(gfp_worker_test),
	KUNIT_CASE(nofail_test),
	KUNIT_CASE(fail_nth_test),
	KUNIT_CASE(reserved_reuse_test),
	KUNIT_CASE(counts_test),
	KUNIT_CASE(depot_test),
	KUNIT_CASE_SLOW(offline_test),
	{}
};

static struct kunit_suite percpu_internal_suite = {
	.name = "percpu_internal",
	.exit = percpu_internal_exit,
	.test_cases = percpu_internal_cases,
};

kunit_test_suite(percpu_internal_suite);
