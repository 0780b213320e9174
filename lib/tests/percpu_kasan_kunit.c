// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_kasan_kunit.c - does KASAN see bad accesses to percpu objects?
 *
 * In the manner of mm/kasan/kasan_test_c.c: each bad access must make KASAN report,
 * and nothing else must.  What was reported is read back from the kernel's log: the
 * kind of access, the stacks, the object and the CPU.
 */
#include <kunit/test.h>
#include <linux/kasan.h>
#include <linux/kmsg_dump.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../../mm/kasan/kasan.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* What a report says. */
#define SEEN_REPORT	BIT(0)
#define SEEN_OOB	BIT(1)
#define SEEN_UAF	BIT(2)
#define SEEN_ALLOCATED	BIT(3)
#define SEEN_FREED	BIT(4)
#define SEEN_OBJECT	BIT(5)
#define SEEN_COPY	BIT(6)
#define SEEN_ALL	(SEEN_REPORT | SEEN_ALLOCATED | SEEN_OBJECT | SEEN_COPY)

static const struct {
	const char *text;
	unsigned long bit;
} pk_texts[] = {
	{ "BUG: KASAN: ", SEEN_REPORT },
	{ "BUG: KASAN: percpu-out-of-bounds", SEEN_OOB },
	{ "BUG: KASAN: percpu-use-after-free", SEEN_UAF },
	{ "Allocated by task", SEEN_ALLOCATED },
	{ "Freed by task", SEEN_FREED },
	{ "belongs to the percpu object", SEEN_OBJECT },
};

#define PK_FLUSH_MS	1000

static bool pk_multi_shot;
/* In the log, what was printed next. */
static struct kmsg_dump_iter pk_log;

/* What is said in the log, from where it was looked at last, of that CPU's copy. */
static unsigned long pk_look(unsigned int cpu)
{
	static char line[256];
	unsigned long seen = 0;
	char copy[32];
	unsigned int i;
	size_t len;

	snprintf(copy, sizeof(copy), " its copy for CPU %u ", cpu);
	while (kmsg_dump_get_line(&pk_log, false, line, sizeof(line), &len)) {
		for (i = 0; i < ARRAY_SIZE(pk_texts); i++)
			if (strnstr(line, pk_texts[i].text, len))
				seen |= pk_texts[i].bit;
		if (strnstr(line, copy, len))
			seen |= SEEN_COPY;
	}
	/* A console is slower than reports come: it must not lose the results. */
	if (seen)
		pr_flush(PK_FLUSH_MS, true);
	return seen;
}

/* Since the last one, exactly this must have been reported. */
#define PK_EXPECT(test, cpu, what)						\
do {										\
	barrier();								\
	KUNIT_EXPECT_EQ(test, pk_look(cpu), (unsigned long)(what));		\
} while (0)

#define PK_OOB	(SEEN_ALL | SEEN_OOB)
#define PK_UAF	(SEEN_ALL | SEEN_UAF | SEEN_FREED)

/* Tags are of whole granules; in generic mode each byte counts. */
static size_t pk_accessible(size_t size)
{
	return IS_ENABLED(CONFIG_KASAN_GENERIC) ? size : round_up(size, KASAN_GRANULE_SIZE);
}

/* All bytes of all copies, and the first one behind each; of one the next granule, too. */
static void pk_check_bounds(struct kunit *test, u8 __percpu *object, size_t size)
{
	unsigned int cpu;
	size_t i;

	for_each_possible_cpu(cpu) {
		u8 *copy = per_cpu_ptr(object, cpu);

		for (i = 0; i < size; i++)
			WRITE_ONCE(copy[i], i);
		PK_EXPECT(test, cpu, 0);
		WRITE_ONCE(copy[pk_accessible(size)], 1);
		PK_EXPECT(test, cpu, PK_OOB);
	}
	cpu = cpumask_last(cpu_possible_mask);
	READ_ONCE(per_cpu_ptr(object, cpu)[round_up(size, KASAN_GRANULE_SIZE)]);
	PK_EXPECT(test, cpu, PK_OOB);
}

static void pk_check_freed(struct kunit *test, u8 __percpu *object, size_t size)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		u8 *copy = per_cpu_ptr(object, cpu);

		WRITE_ONCE(copy[size - 1], 1);
		PK_EXPECT(test, cpu, PK_UAF);
	}
	READ_ONCE(*per_cpu_ptr(object, cpumask_first(cpu_possible_mask)));
	PK_EXPECT(test, cpumask_first(cpu_possible_mask), PK_UAF);
}

/* An object where small systems have theirs, or far from it. */
static void pk_bounds(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 13, 4096 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u8 __percpu *object = __alloc_percpu(sizes[i], 4);

		KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
		OPTIMIZER_HIDE_VAR(object);
		pk_check_bounds(test, object, sizes[i]);
		free_percpu(object);
		pk_check_freed(test, object, sizes[i]);
	}
}

/* Take objects until they come from the first chunk, or from another one. */
static u8 __percpu *pk_alloc_in(struct kunit *test, bool first, u8 __percpu **all,
				unsigned int max, unsigned int *nr, size_t size)
{
	while (*nr < max) {
		u8 __percpu *object = __alloc_percpu(size, 8);
		bool in_vmalloc;

		KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
		all[(*nr)++] = object;
		in_vmalloc = is_vmalloc_addr(per_cpu_ptr(object, 0));
		if (in_vmalloc != first)
			return object;
	}
	return NULL;
}

#define PK_MAX_OBJECTS	20000U

static void pk_chunk(struct kunit *test, bool first, size_t size)
{
	u8 __percpu **all = vcalloc(PK_MAX_OBJECTS, sizeof(*all)), __percpu *object;
	unsigned int nr = 0, i;

	KUNIT_ASSERT_NOT_NULL(test, all);
	object = pk_alloc_in(test, first, all, PK_MAX_OBJECTS, &nr, size);
	OPTIMIZER_HIDE_VAR(object);
	if (object)
		pk_check_bounds(test, object, size);
	/* It comes last, so that the others do not push it out of the quarantine. */
	for (i = 0; i < nr; i++)
		free_percpu(all[i]);
	if (object)
		pk_check_freed(test, object, size);
	vfree(all);
	if (!object)
		kunit_skip(test, "no object of %zu bytes lies %s the first chunk", size,
			   first ? "in" : "outside of");
}

static void pk_first_chunk(struct kunit *test)
{
	pk_chunk(test, true, 12);
}

static void pk_later_chunk(struct kunit *test)
{
	pk_chunk(test, false, 1000);
}

static void pk_bulk(struct kunit *test)
{
	void __percpu *objects[3];
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, __alloc_percpu_bulk(20, 4, GFP_KERNEL, ARRAY_SIZE(objects),
						    objects));
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		pk_check_bounds(test, objects[i], 20);
	free_percpu_bulk(ARRAY_SIZE(objects), objects);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		pk_check_freed(test, objects[i], 20);
}

static void pk_uninit(struct kunit *test)
{
	u8 __percpu *object = __alloc_percpu_uninit(30, 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
	OPTIMIZER_HIDE_VAR(object);
	pk_check_bounds(test, object, 30);
	free_percpu(object);
	pk_check_freed(test, object, 30);
}

/* Calls that are allowed in any context; who frees so gets no delay of the reuse. */
static void pk_nolock(struct kunit *test)
{
	u8 __percpu *object = NULL;
	unsigned int tries;

	/* The first ones may find nothing at hand. */
	for (tries = 0; !object && tries < 1000; tries++) {
		object = __alloc_percpu_nolock(52, 8, 0);
		cond_resched();
	}
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
	OPTIMIZER_HIDE_VAR(object);
	pk_check_bounds(test, object, 52);
	free_percpu_nolock(object);
	pk_check_freed(test, object, 52);
}

/* The compiler instruments none of these; size 32 ends with a granule. */
static void pk_this_cpu_ops(struct kunit *test)
{
	u64 __percpu *object = __alloc_percpu(32, 8);
	unsigned int cpu;
	u64 old = 0;

	KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
	OPTIMIZER_HIDE_VAR(object);
	migrate_disable();
	cpu = smp_processor_id();

	this_cpu_inc(object[0]);
	this_cpu_write(object[2], this_cpu_read(object[1]) + this_cpu_add_return(object[0], 2));
	PK_EXPECT(test, cpu, 0);
	KUNIT_EXPECT_EQ(test, this_cpu_read(object[2]), 3ULL);

	this_cpu_add(object[4], 0);
	PK_EXPECT(test, cpu, PK_OOB);
	this_cpu_read(object[4]);
	PK_EXPECT(test, cpu, PK_OOB);
	this_cpu_try_cmpxchg(object[4], &old, old);
	PK_EXPECT(test, cpu, PK_OOB);

	free_percpu(object);
	this_cpu_read(object[0]);
	PK_EXPECT(test, cpu, PK_UAF);
	this_cpu_add(object[1], 0);
	PK_EXPECT(test, cpu, PK_UAF);
	this_cpu_add_return(object[2], 0);
	PK_EXPECT(test, cpu, PK_UAF);
	migrate_enable();
}

/* Freed memory is not handed out again at once. */
static void pk_quarantine(struct kunit *test)
{
	u8 __percpu *object = __alloc_percpu(40, 8), __percpu *other;

	KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
	OPTIMIZER_HIDE_VAR(object);
	free_percpu(object);
	other = __alloc_percpu(40, 8);
	KUNIT_EXPECT_PTR_NE(test, (void __force *)object, (void __force *)other);
	free_percpu(other);
	pk_check_freed(test, object, 40);
}

static bool pk_same_place(u8 __percpu *a, u8 __percpu *b)
{
	return kasan_reset_tag(per_cpu_ptr(a, 0)) == kasan_reset_tag(per_cpu_ptr(b, 0));
}

/* The next object in the same place has another tag, so old pointers are still seen. */
static void pk_reuse(struct kunit *test)
{
	u8 __percpu *object, __percpu *other = NULL;
	unsigned int cpu, tries;

	if (!IS_ENABLED(CONFIG_KASAN_SW_TAGS))
		kunit_skip(test, "pointers have no tags");
	object = __alloc_percpu(40, 8);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)object);
	OPTIMIZER_HIDE_VAR(object);
	free_percpu(object);
	for (tries = 0; tries < PK_MAX_OBJECTS; tries++) {
		other = __alloc_percpu(40, 8);
		KUNIT_ASSERT_NOT_NULL(test, (void __force *)other);
		if (pk_same_place(object, other) && object != other)
			break;
		free_percpu(other);
	}
	KUNIT_ASSERT_LT(test, tries, PK_MAX_OBJECTS);
	for_each_possible_cpu(cpu) {
		WRITE_ONCE(*per_cpu_ptr(other, cpu), 1);
		PK_EXPECT(test, cpu, 0);
		READ_ONCE(*per_cpu_ptr(object, cpu));
		PK_EXPECT(test, cpu, SEEN_ALL | SEEN_UAF);
	}
	free_percpu(other);
}

static int pk_suite_init(struct kunit_suite *suite)
{
	kasan_kunit_test_suite_start();
	pk_multi_shot = kasan_save_enable_multi_shot();
	kmsg_dump_rewind(&pk_log);
	pk_look(0);
	return 0;
}

static void pk_suite_exit(struct kunit_suite *suite)
{
	kasan_kunit_test_suite_end();
	kasan_restore_multi_shot(pk_multi_shot);
}

/* Reports that no access here was to make. */
static void pk_exit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, pk_look(0), 0UL);
}

static struct kunit_case pk_cases[] = {
	KUNIT_CASE(pk_bounds),
	KUNIT_CASE_SLOW(pk_first_chunk),
	KUNIT_CASE_SLOW(pk_later_chunk),
	KUNIT_CASE(pk_bulk),
	KUNIT_CASE(pk_uninit),
	KUNIT_CASE(pk_nolock),
	KUNIT_CASE(pk_this_cpu_ops),
	KUNIT_CASE(pk_quarantine),
	KUNIT_CASE_SLOW(pk_reuse),
	{}
};

static struct kunit_suite pk_suite = {
	.name = "percpu_kasan",
	.suite_init = pk_suite_init,
	.suite_exit = pk_suite_exit,
	.exit = pk_exit,
	.test_cases = pk_cases,
};

kunit_test_suite(pk_suite);

MODULE_DESCRIPTION("KUnit test of KASAN with the percpu allocator");
MODULE_LICENSE("GPL");
