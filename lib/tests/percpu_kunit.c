// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the per-CPU memory allocator, through its public interface.
 *
 * What every caller may rely on is checked here and nothing else, so the suite
 * passes on any implementation that keeps the contract: alignment, zeroing,
 * objects that do not overlap, one pointer for all CPUs, every context and
 * every mask, memory that survives while its neighbours come and go.
 *
 * An object under test is a struct obj.  It is filled, on every possible CPU,
 * with a pattern made from its tag and the CPU, and checked before it is freed:
 * two objects that share a byte, or two CPUs that share a copy, cannot both
 * keep their patterns.  Functions that also run in interrupts or in other
 * threads do not use KUnit's expectations; they return NULL, or what is wrong.
 *
 * Amounts are chosen from the number of possible CPUs (see page_budget()), so
 * that a case takes about the same memory on 1 CPU and on 64.
 *
 * percpu_kunit.seed=N repeats a run of the randomized cases.
 */
#include <kunit/test.h>
#include <linux/alloc_tag.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/percpu_counter.h>
#include <linux/percpu-refcount.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "Start of the random cases (0: a new one each run)");

static DEFINE_PER_CPU(u64, static_var);
static DEFINE_PER_CPU(u8[3 * 64], static_array);

/* ---- objects with patterns ---------------------------------------------- */

struct obj {
	void __percpu	*ptr;
	u32		size;
	u32		tag;	/* 1 .. 2^19 - 1, unique among the live objects */
};

/* Distance from a per-CPU pointer to the copy of @cpu. */
static unsigned long cpu_distance(unsigned int cpu)
{
#ifdef CONFIG_SMP
	return per_cpu_offset(cpu);
#else
	return 0;
#endif
}

/* Multiplication by an odd number: different keys give different words. */
static u32 obj_key(const struct obj *obj, unsigned int cpu)
{
	return (obj->tag << 13 | cpu) * 0x61c88647u;
}

static void obj_fill(const struct obj *obj)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		u8 *copy = per_cpu_ptr((u8 __percpu *)obj->ptr, cpu);
		u32 key = obj_key(obj, cpu);

		for (i = 0; i + sizeof(u32) <= obj->size; i += sizeof(u32))
			*(u32 *)(copy + i) = key + i;
		for (; i < obj->size; i++)
			copy[i] = key + i;
	}
}

static const char *obj_check(const struct obj *obj)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		const u8 *copy = per_cpu_ptr((u8 __percpu *)obj->ptr, cpu);
		u32 key = obj_key(obj, cpu);

		for (i = 0; i + sizeof(u32) <= obj->size; i += sizeof(u32)) {
			if (*(const u32 *)(copy + i) != key + i)
				return "an object's bytes changed";
		}
		for (; i < obj->size; i++) {
			if (copy[i] != (u8)(key + i))
				return "an object's last bytes changed";
		}
	}
	return NULL;
}

/* Everything that must hold for a new object before anyone writes to it. */
static const char *obj_check_new(const struct obj *obj, size_t align)
{
	unsigned long ptr = (unsigned long)(__force void *)obj->ptr;
	unsigned int cpu;

	align = max(align, sizeof(u32));
	if (!IS_ALIGNED(ptr, align))
		return "the pointer is not aligned";

	for_each_possible_cpu(cpu) {
		const void *copy = per_cpu_ptr(obj->ptr, cpu);

		if (!IS_ALIGNED((unsigned long)copy, align))
			return "a copy is not aligned";
		if ((unsigned long)copy != ptr + cpu_distance(cpu))
			return "a copy is not at pointer + per_cpu_offset()";
		if (memchr_inv(copy, 0, obj->size))
			return "a copy is not zeroed";
	}
	return NULL;
}

static const char no_memory[] = "the allocation failed";

static const char *obj_alloc(struct obj *obj, size_t size, size_t align,
			     gfp_t gfp, u32 tag)
{
	const char *problem;

	obj->ptr = __alloc_percpu_gfp(size, align, gfp);
	if (!obj->ptr)
		return no_memory;
	obj->size = size;
	obj->tag = tag;

	problem = obj_check_new(obj, align);
	obj_fill(obj);
	return problem;
}

static const char *obj_free(struct obj *obj)
{
	const char *problem = NULL;

	if (obj->ptr) {
		problem = obj_check(obj);
		free_percpu(obj->ptr);
		obj->ptr = NULL;
	}
	return problem;
}

/* Each unit is that large; whether one is larger, depends on the first chunk. */
static void skip_beyond_least_unit(struct kunit *test, size_t size)
{
	if (size > PCPU_MIN_UNIT_SIZE)
		kunit_skip(test, "%zu bytes may be more than a unit", size);
}

/* ---- many objects, freed also when a case ends early -------------------- */

struct bag {
	struct kunit	*test;
	unsigned int	nr;
	struct obj	*objs;
};

static void bag_release(void *data)
{
	struct bag *bag = data;
	unsigned int i;

	for (i = 0; i < bag->nr; i++)
		free_percpu(bag->objs[i].ptr);
	kvfree(bag->objs);
}

static struct bag *bag_create(struct kunit *test, unsigned int nr)
{
	struct bag *bag = kunit_kzalloc(test, sizeof(*bag), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bag);
	bag->test = test;
	bag->nr = nr;
	bag->objs = kvcalloc(nr, sizeof(*bag->objs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bag->objs);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, bag_release, bag));
	return bag;
}

static void bag_alloc(struct bag *bag, unsigned int i, size_t size,
		      size_t align, gfp_t gfp)
{
	const char *problem;

	problem = obj_alloc(&bag->objs[i], size, align, gfp, i + 1);
	KUNIT_ASSERT_NULL_MSG(bag->test, problem,
			      "%s (object %u, size %zu, align %zu, gfp %pGg)",
			      problem, i, size, align, &gfp);
}

static void bag_check(struct bag *bag)
{
	unsigned int i;

	for (i = 0; i < bag->nr; i++) {
		const struct obj *obj = &bag->objs[i];
		const char *problem;

		problem = obj->ptr ? obj_check(obj) : NULL;
		KUNIT_ASSERT_NULL_MSG(bag->test, problem,
				      "%s (object %u, size %u)",
				      problem, i, obj->size);
	}
}

static void bag_free(struct bag *bag, unsigned int i)
{
	struct obj *obj = &bag->objs[i];
	const char *problem = obj_free(obj);

	KUNIT_ASSERT_NULL_MSG(bag->test, problem, "%s (object %u, size %u)",
			      problem, i, obj->size);
}

static void bag_free_all(struct bag *bag)
{
	unsigned int i;

	for (i = 0; i < bag->nr; i++)
		bag_free(bag, i);
}

/* Leave populated room behind for small requests that do not block. */
static void leave_room(struct kunit *test)
{
	struct bag *bag = bag_create(test, 64);
	unsigned int i;

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, 128, 128, GFP_KERNEL);
	bag_free_all(bag);
}

/* ---- amounts and chance ------------------------------------------------- */

/*
 * Pages of each unit that a case may use: 32 MiB over all CPUs, but no more
 * than 2 MiB and no less than 64 KiB a unit.
 */
static unsigned int page_budget(void)
{
	return clamp(SZ_32M / PAGE_SIZE / num_possible_cpus(), 16,
		     max(16, SZ_2M / PAGE_SIZE));
}

/* Objects of @bytes on average that fit into the budget, at most @most. */
static unsigned int obj_budget(unsigned int bytes, unsigned int most)
{
	return min_t(unsigned long, page_budget() * PAGE_SIZE / bytes, most);
}

static void random_start(struct kunit *test, struct rnd_state *rnd)
{
	u64 start = seed ?: get_random_u32();

	kunit_info(test, "repeat with percpu_kunit.seed=%llu\n", start);
	prandom_seed_state(rnd, start);
}

static u32 random_below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

/* Mostly small, as real callers are; now and then up to two pages. */
static size_t random_size(struct rnd_state *rnd)
{
	switch (random_below(rnd, 16)) {
	case 0:
		return 1 + random_below(rnd, min(2 * PAGE_SIZE, PCPU_MIN_UNIT_SIZE));
	case 1 ... 4:
		return 1 + random_below(rnd, 1024);
	default:
		return 1 + random_below(rnd, 128);
	}
}

static size_t random_align(struct rnd_state *rnd)
{
	return 1UL << random_below(rnd, random_below(rnd, 8) ? 7 : PAGE_SHIFT + 1);
}

/* ---- many threads at once ----------------------------------------------- */

struct crew {
	struct completion	start;
	struct completion	done;
	atomic_t		left;
	const char		*(*work)(void *data, unsigned int i);
	void			*data;
};

struct crew_member {
	struct task_struct	*task;
	struct crew		*crew;
	unsigned int		i;
	const char		*problem;
};

static int crew_thread(void *data)
{
	struct crew_member *me = data;
	struct crew *crew = me->crew;

	wait_for_completion(&crew->start);
	me->problem = crew->work(crew->data, me->i);
	if (atomic_dec_and_test(&crew->left))
		complete(&crew->done);

	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/*
 * Run work(data, 0), work(data, 1) ... work(data, nr - 1) in one thread each,
 * started together; with @bound on one online CPU each, in turn.
 */
static void crew_run(struct kunit *test, unsigned int nr, bool bound,
		     const char *(*work)(void *data, unsigned int i), void *data)
{
	struct crew crew = { .work = work, .data = data };
	struct crew_member *members;
	unsigned int i, started, cpu = nr_cpu_ids;

	members = kunit_kcalloc(test, nr, sizeof(*members), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, members);
	init_completion(&crew.start);
	init_completion(&crew.done);

	for (i = 0; i < nr; i++) {
		struct crew_member *member = &members[i];

		member->crew = &crew;
		member->i = i;
		member->task = kthread_create(crew_thread, member,
					      "percpu_kunit/%u", i);
		if (IS_ERR(member->task))
			break;
		if (bound) {
			cpu = cpumask_next_wrap(cpu, cpu_online_mask);
			kthread_bind(member->task, cpu);
		}
	}
	started = i;

	atomic_set(&crew.left, started);
	for (i = 0; i < started; i++)
		wake_up_process(members[i].task);
	complete_all(&crew.start);
	if (started)
		wait_for_completion(&crew.done);
	for (i = 0; i < started; i++)
		kthread_stop(members[i].task);

	KUNIT_ASSERT_EQ_MSG(test, started, nr, "not all threads could be made");
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_NULL_MSG(test, members[i].problem, "thread %u: %s",
				      i, members[i].problem);
	kunit_kfree(test, members);
}

/* ---- sizes and alignments ----------------------------------------------- */

static const size_t sizes[] = {
	1, 2, 3, 4, 5, 7, 8, 12, 16, 20, 24, 32, 40, 63, 64, 65, 96, 128, 192,
	256, 500, 512, 1000, 1024, 2044, 2048, PAGE_SIZE - 4, PAGE_SIZE,
	PAGE_SIZE + 4, 2 * PAGE_SIZE, 3 * PAGE_SIZE - 8, PCPU_MIN_UNIT_SIZE - 4,
	PCPU_MIN_UNIT_SIZE,
};

static void size_desc(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu bytes", *size);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

/* One size with every alignment, all alive together. */
static void sizes_aligns_test(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct bag *bag;
	unsigned int i;

	skip_beyond_least_unit(test, size);
	bag = bag_create(test, PAGE_SHIFT + 1);
	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, size, 1UL << i, GFP_KERNEL);
	bag_check(bag);
	bag_free_all(bag);
}

/* The macros that take a type use its size and its alignment. */
struct aligned_type {
	u8 bytes[40];
} __aligned(32);

static void types_test(struct kunit *test)
{
	struct aligned_type __percpu *a[8];
	u8 __percpu *b[8];
	struct obj obj;
	int i;

	for (i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = alloc_percpu(struct aligned_type);
		b[i] = alloc_percpu_gfp(u8, GFP_KERNEL);
	}
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		KUNIT_EXPECT_NOT_NULL(test, (__force void *)a[i]);
		KUNIT_EXPECT_NOT_NULL(test, (__force void *)b[i]);
		if (!a[i] || !b[i])
			continue;
		obj.ptr = a[i];
		obj.size = sizeof(*a[i]);
		KUNIT_EXPECT_NULL(test, obj_check_new(&obj, __alignof__(*a[i])));
		obj.ptr = b[i];
		obj.size = sizeof(*b[i]);
		KUNIT_EXPECT_NULL(test, obj_check_new(&obj, 1));
		/* Users keep flags in the two low bits of a pointer. */
		KUNIT_EXPECT_EQ(test, 0, (unsigned long)(__force void *)b[i] & 3);
	}
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		free_percpu(a[i]);
		free_percpu(b[i]);
	}
}

/* ---- requests that are refused ------------------------------------------ */

struct bad_request {
	const char	*name;
	size_t		size;
	size_t		align;
};

static const struct bad_request bad_requests[] = {
	{ "size 0",			0,				4 },
	{ "size 0, page aligned",	0,				PAGE_SIZE },
	{ "size beyond any unit",	(size_t)PCPU_MIN_UNIT_SIZE << 15, 4 },
	{ "half of all addresses",	SIZE_MAX / 2,			4 },
	{ "size that rounds up to 0",	SIZE_MAX,			4 },
	{ "size near the top",		SIZE_MAX - PAGE_SIZE,		8 },
	{ "align 6",			8,				6 },
	{ "align 24",			64,				24 },
	{ "align not a power of two",	PAGE_SIZE,			PAGE_SIZE - 1 },
	{ "align of two pages",		8,				2 * PAGE_SIZE },
	{ "align of half the addresses", 8,				SIZE_MAX / 2 + 1 },
	{ "align of all bits",		8,				SIZE_MAX },
};

KUNIT_ARRAY_PARAM_DESC(bad_request, bad_requests, name);

static void bad_request_test(struct kunit *test)
{
	const struct bad_request *bad = test->param_value;
	void __percpu *ptr;

	/* Silent where the caller asks for silence ... */
	kunit_warning_suppress(test) {
		ptr = __alloc_percpu_gfp(bad->size, bad->align,
					 GFP_KERNEL | __GFP_NOWARN);
		KUNIT_EXPECT_NULL(test, (__force void *)ptr);
		ptr = __alloc_percpu_gfp(bad->size, bad->align, GFP_NOWAIT);
		KUNIT_EXPECT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}

	/* ... and one warning otherwise. */
	kunit_warning_suppress(test) {
		ptr = __alloc_percpu_gfp(bad->size, bad->align, GFP_KERNEL);
		KUNIT_EXPECT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

static void free_null_test(struct kunit *test)
{
	kunit_warning_suppress(test) {
		free_percpu(NULL);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

/* ---- zeroing ------------------------------------------------------------ */

/*
 * Memory that was dirty on every CPU comes back as zeroes, through the same
 * sizes and through others; obj_alloc() looks at every byte.
 */
static void zeroing_test(struct kunit *test)
{
	static const struct {
		size_t	size;
		gfp_t	gfp;
	} rounds[] = {
		{ 64, GFP_KERNEL }, { 64, GFP_KERNEL }, { 32, GFP_NOWAIT },
		{ 96, GFP_NOWAIT }, { 8, GFP_NOWAIT }, { 1024, GFP_KERNEL },
		{ 4, GFP_KERNEL }, { 2000, GFP_KERNEL }, { 12, GFP_NOWAIT },
	};
	struct bag *bag = bag_create(test, obj_budget(2048, 128));
	unsigned int round, i;

	for (round = 0; round < ARRAY_SIZE(rounds); round++) {
		size_t size = rounds[round].size;

		for (i = 0; i < bag->nr; i++) {
			const char *problem;

			problem = obj_alloc(&bag->objs[i], size, 4,
					    rounds[round].gfp, i + 1);
			if (problem == no_memory &&
			    !gfpflags_allow_blocking(rounds[round].gfp))
				continue;
			KUNIT_ASSERT_NULL_MSG(test, problem,
					      "%s (round %u, object %u)",
					      problem, round, i);
		}
		bag_free_all(bag);
	}
}

/* Pages that went back to the page allocator are zeroed when they return. */
static void zeroing_pages_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, page_budget() / 2);
	unsigned int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < bag->nr; i++)
			bag_alloc(bag, i, PAGE_SIZE, 4, GFP_KERNEL);
		bag_free_all(bag);
	}
}

/* ---- objects do not overlap --------------------------------------------- */

static void disjoint_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, obj_budget(512, 2000));
	struct rnd_state rnd;
	unsigned int i, round;

	random_start(test, &rnd);
	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, random_size(&rnd), random_align(&rnd),
			  GFP_KERNEL);
	bag_check(bag);

	for (round = 2; round < 5; round++) {
		for (i = 0; i < bag->nr; i += round)
			bag_free(bag, i);
		bag_check(bag);
		for (i = 0; i < bag->nr; i += round)
			bag_alloc(bag, i, random_size(&rnd), random_align(&rnd),
				  GFP_KERNEL);
		bag_check(bag);
	}
	bag_free_all(bag);
}

/* The copies of one object lie apart by at least its size, on every CPU. */
static void copies_apart_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, 2);
	unsigned int i, a, b;

	bag_alloc(bag, 0, PCPU_MIN_UNIT_SIZE, PAGE_SIZE, GFP_KERNEL);
	bag_alloc(bag, 1, 4, 4, GFP_KERNEL);

	for (i = 0; i < bag->nr; i++) {
		const struct obj *obj = &bag->objs[i];

		for_each_possible_cpu(a) {
			unsigned long one = (unsigned long)per_cpu_ptr(obj->ptr, a);

			for_each_possible_cpu(b) {
				unsigned long two;

				two = (unsigned long)per_cpu_ptr(obj->ptr, b);
				if (a == b || abs_diff(one, two) >= obj->size)
					continue;
				KUNIT_FAIL_AND_ABORT(test,
						     "CPUs %u and %u overlap",
						     a, b);
			}
		}
	}
	bag_free_all(bag);
}

/* ---- the pointer law ----------------------------------------------------- */

static void add_cpu_number(void *ptr)
{
	unsigned int __percpu *numbers = (unsigned int __percpu *)ptr;

	this_cpu_add(*numbers, smp_processor_id() + 1);
}

/*
 * For all objects, dynamic or static, in whatever chunk: the copy of a CPU is
 * at the pointer plus one distance, that of the CPU.  Also at each of an
 * object's bytes, which users reach by pointer arithmetic.
 */
static void pointer_law_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, page_budget());
	unsigned int i, cpu;

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, i & 1 ? 4 : PAGE_SIZE, 4, GFP_KERNEL);

	for_each_possible_cpu(cpu) {
		unsigned long distance = cpu_distance(cpu);

		KUNIT_ASSERT_EQ(test, distance,
				(unsigned long)per_cpu_ptr(&static_var, cpu) -
				(unsigned long)(__force void *)&static_var);
		for (i = 0; i < bag->nr; i++) {
			u8 __percpu *ptr = bag->objs[i].ptr;
			size_t last = bag->objs[i].size - 1;

			KUNIT_ASSERT_EQ(test, distance,
					(unsigned long)per_cpu_ptr(ptr, cpu) -
					(unsigned long)(__force void *)ptr);
			KUNIT_ASSERT_PTR_EQ(test, per_cpu_ptr(ptr, cpu) + last,
					    per_cpu_ptr(ptr + last, cpu));
		}
	}
	bag_free_all(bag);
}

/* this_cpu operations on a CPU reach the copy that per_cpu_ptr() names. */
static void this_cpu_test(struct kunit *test)
{
	unsigned int __percpu *numbers = alloc_percpu(unsigned int);
	unsigned int cpu;

	KUNIT_ASSERT_NOT_NULL(test, (__force void *)numbers);
	on_each_cpu(add_cpu_number, (__force void *)numbers, 1);
	on_each_cpu(add_cpu_number, (__force void *)numbers, 1);

	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_EQ(test, *per_cpu_ptr(numbers, cpu),
				cpu_online(cpu) ? 2 * (cpu + 1) : 0);
	free_percpu(numbers);
}

/* ---- contexts ------------------------------------------------------------ */

struct context_run {
	gfp_t			gfp;
	bool			(*expected)(void);
	bool			seen;
	const char		*problem;
	struct completion	done;
	struct timer_list	timer;
	struct irq_work		irq_work;
};

struct context {
	const char	*name;
	gfp_t		gfp;
	void		(*enter)(struct context_run *run);
	bool		(*expected)(void);
	bool		not_on_rt;
};

static DEFINE_SPINLOCK(context_lock);

/* Few and small, so that any allocator has room for them at once. */
static void context_body(struct context_run *run)
{
	static const u16 some[] = { 4, 64, 8, 12, 100, 256, 40, 128 };
	struct obj objs[ARRAY_SIZE(some)] = {};
	const char *problem;
	unsigned int i, round;

	run->seen = run->expected();
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(some); i++) {
			problem = obj_alloc(&objs[i], some[i], 1 << i,
					    run->gfp, i + 1);
			run->problem = run->problem ?: problem;
		}
		for (i = 0; i < ARRAY_SIZE(some); i++) {
			problem = obj_free(&objs[(i + round) % ARRAY_SIZE(some)]);
			run->problem = run->problem ?: problem;
		}
	}
	complete(&run->done);
}

static void context_timer(struct timer_list *timer)
{
	struct context_run *run = timer_container_of(run, timer, timer);

	context_body(run);
}

static void context_irq_work(struct irq_work *work)
{
	context_body(container_of(work, struct context_run, irq_work));
}

static bool context_is_task(void)
{
	return in_task() && !irqs_disabled();
}

static bool context_is_irqs_off(void)
{
	return in_task() && irqs_disabled();
}

static bool context_is_bh_off(void)
{
	return in_task() && softirq_count();
}

static bool context_is_preempt_off(void)
{
	return in_task() && (preempt_count() || !IS_ENABLED(CONFIG_PREEMPT_COUNT));
}

static bool context_is_softirq(void)
{
	return in_serving_softirq();
}

static bool context_is_hardirq(void)
{
	return in_hardirq();
}

static void context_in_task(struct context_run *run)
{
	context_body(run);
}

static void context_in_irqs_off(struct context_run *run)
{
	unsigned long flags;

	local_irq_save(flags);
	context_body(run);
	local_irq_restore(flags);
}

static void context_in_spinlock(struct context_run *run)
{
	unsigned long flags;

	spin_lock_irqsave(&context_lock, flags);
	context_body(run);
	spin_unlock_irqrestore(&context_lock, flags);
}

static void context_in_bh_off(struct context_run *run)
{
	local_bh_disable();
	context_body(run);
	local_bh_enable();
}

static void context_in_preempt_off(struct context_run *run)
{
	preempt_disable();
	context_body(run);
	preempt_enable();
}

static void context_in_softirq(struct context_run *run)
{
	timer_setup_on_stack(&run->timer, context_timer, 0);
	mod_timer(&run->timer, jiffies);
	wait_for_completion(&run->done);
	timer_delete_sync(&run->timer);
	timer_destroy_on_stack(&run->timer);
}

static void context_in_hardirq(struct context_run *run)
{
	/*
	 * Not IRQ_WORK_INIT_HARD(): a spinlock_t may be taken here.  On
	 * PREEMPT_RT this runs in a thread.
	 */
	init_irq_work(&run->irq_work, context_irq_work);
	irq_work_queue(&run->irq_work);
	wait_for_completion(&run->done);
	irq_work_sync(&run->irq_work);
}

static const struct context contexts[] = {
	{ "task, GFP_KERNEL", GFP_KERNEL, context_in_task, context_is_task },
	{ "task, GFP_NOWAIT", GFP_NOWAIT, context_in_task, context_is_task },
	{ "task, GFP_ATOMIC", GFP_ATOMIC, context_in_task, context_is_task },
	{ "interrupts off, GFP_NOWAIT", GFP_NOWAIT,
	  context_in_irqs_off, context_is_irqs_off, true },
	{ "interrupts off, GFP_ATOMIC", GFP_ATOMIC,
	  context_in_irqs_off, context_is_irqs_off, true },
	{ "under a spinlock, GFP_ATOMIC", GFP_ATOMIC,
	  context_in_spinlock, context_is_irqs_off, true },
	{ "bottom halves off, GFP_NOWAIT", GFP_NOWAIT,
	  context_in_bh_off, context_is_bh_off },
	{ "preemption off, GFP_NOWAIT", GFP_NOWAIT,
	  context_in_preempt_off, context_is_preempt_off, true },
	{ "softirq, GFP_NOWAIT", GFP_NOWAIT,
	  context_in_softirq, context_is_softirq, true },
	{ "softirq, GFP_ATOMIC", GFP_ATOMIC,
	  context_in_softirq, context_is_softirq, true },
	{ "hardirq, GFP_NOWAIT", GFP_NOWAIT,
	  context_in_hardirq, context_is_hardirq, true },
	{ "hardirq, GFP_ATOMIC", GFP_ATOMIC,
	  context_in_hardirq, context_is_hardirq, true },
};

KUNIT_ARRAY_PARAM_DESC(context, contexts, name);

static void context_test(struct kunit *test)
{
	const struct context *context = test->param_value;
	struct context_run run = {
		.gfp = context->gfp,
		.expected = context->expected,
	};

	if (context->not_on_rt && IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "a spinlock_t sleeps on PREEMPT_RT");

	leave_room(test);
	init_completion(&run.done);
	context->enter(&run);

	KUNIT_EXPECT_TRUE_MSG(test, run.seen, "not in the context of that name");
	KUNIT_EXPECT_NULL_MSG(test, run.problem, "%s", run.problem);
}

/* Objects made in one context are freed in another. */
struct handover {
	struct irq_work		irq_work;
	struct completion	done;
	struct bag		*bag;
	const char		*problem;
};

static void handover_free(struct irq_work *work)
{
	struct handover *handover = container_of(work, struct handover, irq_work);
	struct bag *bag = handover->bag;
	unsigned int i;

	for (i = 0; i < bag->nr; i++) {
		const char *problem = obj_free(&bag->objs[i]);

		handover->problem = handover->problem ?: problem;
	}
	complete(&handover->done);
}

static void free_in_hardirq_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, obj_budget(4096, 64));
	struct handover handover = { .bag = bag };
	unsigned int i;

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, i & 1 ? 24 : 4096, 4, GFP_KERNEL);

	init_completion(&handover.done);
	init_irq_work(&handover.irq_work, handover_free);
	irq_work_queue(&handover.irq_work);
	wait_for_completion(&handover.done);
	irq_work_sync(&handover.irq_work);
	KUNIT_EXPECT_NULL_MSG(test, handover.problem, "%s", handover.problem);
}

/* ---- masks and scopes ---------------------------------------------------- */

struct mask {
	const char	*name;
	gfp_t		gfp;
};

static const struct mask masks[] = {
	{ "GFP_KERNEL",			GFP_KERNEL },
	{ "GFP_KERNEL noretry",		GFP_KERNEL | __GFP_NORETRY },
	{ "GFP_KERNEL noretry nowarn",	GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN },
	{ "GFP_KERNEL retry_mayfail",	GFP_KERNEL | __GFP_RETRY_MAYFAIL },
	{ "GFP_KERNEL nomemalloc",	GFP_KERNEL | __GFP_NOMEMALLOC },
	{ "GFP_KERNEL zero",		GFP_KERNEL | __GFP_ZERO },
	{ "GFP_KERNEL high",		GFP_KERNEL | __GFP_HIGH },
	{ "GFP_KERNEL_ACCOUNT",		GFP_KERNEL_ACCOUNT },
	{ "GFP_USER",			GFP_USER },
	{ "GFP_HIGHUSER_MOVABLE",	GFP_HIGHUSER_MOVABLE },
	{ "GFP_NOFS",			GFP_NOFS },
	{ "GFP_NOIO",			GFP_NOIO },
	{ "GFP_NOWAIT",			GFP_NOWAIT },
	{ "GFP_NOWAIT account",		GFP_NOWAIT | __GFP_ACCOUNT },
	{ "GFP_ATOMIC",			GFP_ATOMIC },
	{ "GFP_ATOMIC account",		GFP_ATOMIC | __GFP_ACCOUNT },
	{ "no bits",			0 },
};

KUNIT_ARRAY_PARAM_DESC(mask, masks, name);

/* Every mask serves, and those that may block also have pages made. */
static void mask_test(struct kunit *test)
{
	const struct mask *mask = test->param_value;
	bool may_block = gfpflags_allow_blocking(mask->gfp);
	struct bag *bag = bag_create(test, may_block ? page_budget() / 2 : 32);
	unsigned int i;

	leave_room(test);
	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, may_block ? PAGE_SIZE : 48, 4, mask->gfp);
	bag_free_all(bag);
}

struct scope {
	const char	*name;
	unsigned int	flags;
	bool		under_reclaim;
};

static const struct scope scopes[] = {
	{ "nofs",			PF_MEMALLOC_NOFS },
	{ "noio",			PF_MEMALLOC_NOIO },
	{ "pin",			PF_MEMALLOC_PIN },
	{ "noreclaim",			PF_MEMALLOC },
	{ "nofs and noio and pin",	PF_MEMALLOC_NOFS | PF_MEMALLOC_NOIO |
					PF_MEMALLOC_PIN },
	{ "noio, as if in reclaim",	PF_MEMALLOC_NOIO, true },
	{ "nofs, as if in reclaim",	PF_MEMALLOC_NOFS, true },
};

KUNIT_ARRAY_PARAM_DESC(scope, scopes, name);

/*
 * Within a scope a GFP_KERNEL request is served, with new pages, and the
 * scope is still the caller's afterwards.  Where the test pretends to be in
 * reclaim, lockdep reports a request that reclaims, or that waits for someone
 * who does.  A task that reclaims itself creates no chunk: each of its objects
 * takes the place of one that was there before.
 */
static void scope_test(struct kunit *test)
{
	const unsigned int all = PF_MEMALLOC | PF_MEMALLOC_NOFS |
				 PF_MEMALLOC_NOIO | PF_MEMALLOC_PIN;
	const struct scope *scope = test->param_value;
	unsigned int before = current->flags & all;
	struct bag *bag = bag_create(test, page_budget() / 2), *room = NULL;
	unsigned int saved, i, failed = 0, changed = 0;
	const char *problem = NULL;

	if (scope->flags & PF_MEMALLOC) {
		room = bag_create(test, bag->nr);
		for (i = 0; i < room->nr; i++)
			bag_alloc(room, i, PAGE_SIZE, 4, GFP_KERNEL);
	}
	saved = memalloc_flags_save(scope->flags);
	if (scope->under_reclaim)
		fs_reclaim_acquire(GFP_KERNEL);

	for (i = 0; i < bag->nr; i++) {
		const char *p = room ? obj_free(&room->objs[i]) : NULL;

		if (!p)
			p = obj_alloc(&bag->objs[i], PAGE_SIZE, 4, GFP_KERNEL, i + 1);
		if (p) {
			problem = p;
			failed++;
		}
		if ((current->flags & all) != (before | scope->flags))
			changed++;
	}
	for (i = 0; i < bag->nr; i++)
		obj_free(&bag->objs[i]);
	if ((current->flags & all) != (before | scope->flags))
		changed++;

	if (scope->under_reclaim)
		fs_reclaim_release(GFP_KERNEL);
	memalloc_flags_restore(saved);

	KUNIT_EXPECT_EQ_MSG(test, failed, 0, "%s", problem);
	KUNIT_EXPECT_EQ_MSG(test, changed, 0, "the task's flags were changed");
	KUNIT_EXPECT_EQ(test, current->flags & all, before);
}

/* ---- reserved allocations ------------------------------------------------ */

/*
 * Where the first chunk has a reserved part, reserved requests are served from
 * there and nowhere else, other requests never; where it has none, reserved
 * requests are like any other.
 */
static void reserved_test(struct kunit *test)
{
	const size_t piece = 512;
	struct bag *bag = bag_create(test, 2 * PERCPU_MODULE_RESERVE / piece + 16);
	struct bag *other = bag_create(test, obj_budget(piece, bag->nr));
	const char *problem;
	unsigned int i, got;
	void __percpu *ptr;

	for (got = 0; got < bag->nr; got++) {
		struct obj *obj = &bag->objs[got];

		obj->ptr = alloc_hooks(pcpu_alloc_noprof(piece, 64, true,
							 GFP_KERNEL | __GFP_NOWARN));
		if (!obj->ptr)
			break;
		obj->size = piece;
		obj->tag = got + 1;
		problem = obj_check_new(obj, 64);
		KUNIT_ASSERT_NULL_MSG(test, problem, "%s", problem);
		obj_fill(obj);
	}

	if (got == bag->nr) {
		kunit_info(test, "no reserved part\n");
	} else {
		kunit_info(test, "%u x %zu bytes were free in the reserved part\n",
			   got, piece);
		KUNIT_EXPECT_LE(test, got * piece, PERCPU_MODULE_RESERVE);
	}

	/* Whether it is full or not is nothing to the others. */
	for (i = 0; i < other->nr; i++)
		bag_alloc(other, i, piece, 64, GFP_KERNEL);
	bag_check(bag);
	bag_free_all(other);

	bag_free_all(bag);
	ptr = __alloc_reserved_percpu(piece, 64);
	KUNIT_EXPECT_NOT_NULL(test, (__force void *)ptr);
	free_percpu(ptr);
}

/* ---- several tasks at once ----------------------------------------------- */

struct share {
	struct bag	*bag;
	unsigned int	each;
	unsigned int	threads;
	size_t		size;
};

static const char *share_alloc(void *data, unsigned int me)
{
	struct share *share = data;
	unsigned int i;

	for (i = me * share->each; i < (me + 1) * share->each; i++) {
		const char *problem;

		problem = obj_alloc(&share->bag->objs[i], share->size, 4,
				    GFP_KERNEL, i + 1);
		if (problem)
			return problem;
	}
	return NULL;
}

/* Free what the next thread allocated. */
static const char *share_free_next(void *data, unsigned int me)
{
	struct share *share = data;
	unsigned int next = (me + 1) % share->threads, i;
	const char *problem = NULL;

	for (i = next * share->each; i < (next + 1) * share->each; i++)
		problem = obj_free(&share->bag->objs[i]) ?: problem;
	return problem;
}

/* Take two, give one, over and over, in one's own part of the bag. */
static const char *share_churn(void *data, unsigned int me)
{
	struct share *share = data;
	struct obj *mine = &share->bag->objs[me * share->each];
	const char *problem = NULL;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, me + 1);
	for (i = 0; i < 40 * share->each && !problem; i++) {
		unsigned int pick = random_below(&rnd, share->each);

		if (mine[pick].ptr)
			problem = obj_free(&mine[pick]);
		else
			problem = obj_alloc(&mine[pick], random_size(&rnd),
					    random_align(&rnd), GFP_KERNEL,
					    me * share->each + pick + 1);
	}
	for (i = 0; i < share->each; i++)
		problem = obj_free(&mine[i]) ?: problem;
	return problem;
}

/*
 * Two for each CPU, but few enough for a host that has less CPUs than UML:
 * there, who spins for a lock takes time from who holds it.
 */
static unsigned int crew_size(void)
{
	return clamp(2 * num_online_cpus(), 4, 16);
}

/* All tasks want new pages of the same chunks at the same time. */
static void populate_race_test(struct kunit *test)
{
	struct share share = { .threads = crew_size(), .size = PAGE_SIZE };
	unsigned int round;

	share.each = max(page_budget() / share.threads, 2);
	share.bag = bag_create(test, share.threads * share.each);
	for (round = 0; round < 3; round++) {
		crew_run(test, share.threads, false, share_alloc, &share);
		bag_check(share.bag);
		crew_run(test, share.threads, false, share_free_next, &share);
	}
}

/* Several small objects share each new page: one task populates for others. */
static void populate_race_small_test(struct kunit *test)
{
	struct share share = { .threads = crew_size(), .size = 240 };
	unsigned int round;

	share.each = obj_budget(256 * share.threads, 64);
	share.bag = bag_create(test, share.threads * share.each);
	for (round = 0; round < 3; round++) {
		crew_run(test, share.threads, false, share_alloc, &share);
		bag_check(share.bag);
		crew_run(test, share.threads, false, share_free_next, &share);
	}
}

static void churn_threads_test(struct kunit *test)
{
	struct share share = { .threads = crew_size() };

	share.each = obj_budget(512 * share.threads, 64);
	share.bag = bag_create(test, share.threads * share.each);
	crew_run(test, share.threads, false, share_churn, &share);
}

/* Allocated on each CPU in turn, freed on the next. */
static void free_on_other_cpu_test(struct kunit *test)
{
	struct share share = { .size = 72 };
	unsigned int round;

	share.threads = min(num_online_cpus(), 16);
	if (share.threads < 2)
		kunit_skip(test, "needs two CPUs");

	share.each = obj_budget(80 * share.threads, 200);
	share.bag = bag_create(test, share.threads * share.each);
	for (round = 0; round < 3; round++) {
		crew_run(test, share.threads, true, share_alloc, &share);
		bag_check(share.bag);
		crew_run(test, share.threads, true, share_free_next, &share);
	}
}

/* ---- memory that comes and goes ------------------------------------------ */

/* Some symbols exist only for code that is built in. */
#if IS_BUILTIN(CONFIG_PERCPU_KUNIT_TEST)
#define BUILT_IN 1
#define nr_pages()	pcpu_nr_pages()
#else
#define BUILT_IN 0
#define nr_pages()	0UL
#endif

#define NOT_BUILT_IN	"needs symbols that are not exported: build the suite in"

/* Give pages up to a second to go back.  It is allowed that none do. */
static void wait_for_give_back(unsigned long full)
{
	unsigned long deadline = jiffies + HZ;
	unsigned long last = full, now;
	unsigned int calm = 0;

	while (BUILT_IN && calm < 5 && time_before(jiffies, deadline)) {
		msleep(20);
		now = nr_pages();
		calm = now == last && now < full ? calm + 1 : 0;
		last = now;
	}
}

struct survivors {
	const char	*name;
	unsigned int	every;
	size_t		size;
};

static const struct survivors survivors[] = {
	{ "every 2nd page",		2,	PAGE_SIZE },
	{ "every 7th page",		7,	PAGE_SIZE },
	{ "every 40th page",		40,	PAGE_SIZE },
	{ "every 40th of 3 pages",	40,	3 * PAGE_SIZE },
	{ "every 300th small object",	300,	96 },
};

KUNIT_ARRAY_PARAM_DESC(survivors, survivors, name);

/*
 * Free all but a few objects and let the pages between them go: the few keep
 * every byte, then and when the room between them is used again.
 */
static void depopulate_test(struct kunit *test)
{
	const struct survivors *param = test->param_value;
	unsigned int every = param->every, i;
	struct bag *bag;
	unsigned long full;

	skip_beyond_least_unit(test, param->size);
	bag = bag_create(test, obj_budget(param->size, 6000));
	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, param->size, 4, GFP_KERNEL);
	full = nr_pages();

	for (i = 0; i < bag->nr; i++) {
		if (i % every)
			bag_free(bag, i);
	}
	wait_for_give_back(full);
	bag_check(bag);
	if (BUILT_IN)
		kunit_info(test, "pages: %lu full, %lu with the survivors\n",
			   full, nr_pages());

	for (i = 0; i < bag->nr; i++) {
		if (i % every)
			bag_alloc(bag, i, param->size, 4, GFP_KERNEL);
	}
	bag_check(bag);
	bag_free_all(bag);
}

/* A large object finds room among the rests of many small ones. */
static void fragmentation_test(struct kunit *test)
{
	const unsigned int nr = obj_budget(256, 4000);
	struct bag *bag = bag_create(test, nr);
	struct bag *big = bag_create(test, 2);
	struct rnd_state rnd;
	unsigned int i;

	random_start(test, &rnd);
	for (i = 0; i < nr; i++)
		bag_alloc(bag, i, 128 + random_below(&rnd, 256), 4, GFP_KERNEL);
	for (i = 0; i < nr; i++) {
		if (random_below(&rnd, 4))
			bag_free(bag, i);
	}
	for (i = 0; i < big->nr; i++)
		bag_alloc(big, i, PCPU_MIN_UNIT_SIZE, PAGE_SIZE, GFP_KERNEL);
	bag_check(bag);

	for (i = 0; i < nr; i++) {
		if (!bag->objs[i].ptr)
			bag_alloc(bag, i, 1 + random_below(&rnd, 384), 4, GFP_KERNEL);
	}
	bag_check(bag);
	bag_check(big);
	bag_free_all(big);
	bag_free_all(bag);
}

/* Sizes, alignments, masks and order of life are all drawn. */
static void churn_test(struct kunit *test)
{
	static const gfp_t some[] = {
		GFP_KERNEL, GFP_NOWAIT, GFP_KERNEL, GFP_KERNEL_ACCOUNT,
		GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, GFP_NOFS,
	};
	struct bag *bag = bag_create(test, obj_budget(512, 1024));
	unsigned int steps = max(40000 / num_possible_cpus(), 2000);
	struct rnd_state rnd;
	unsigned int refused = 0;

	random_start(test, &rnd);
	while (steps--) {
		unsigned int i = random_below(&rnd, bag->nr);
		struct obj *obj = &bag->objs[i];
		const char *problem;
		gfp_t gfp;

		/* Now and then many at once, so that pages come and go. */
		if (!random_below(&rnd, 4000)) {
			for (i = random_below(&rnd, 3); i < bag->nr; i += 2)
				bag_free(bag, i);
			continue;
		}
		if (obj->ptr) {
			bag_free(bag, i);
			continue;
		}
		gfp = some[random_below(&rnd, ARRAY_SIZE(some))];
		problem = obj_alloc(obj, random_size(&rnd), random_align(&rnd),
				    gfp, i + 1);
		if (problem == no_memory && !gfpflags_allow_blocking(gfp)) {
			refused++;
			continue;
		}
		KUNIT_ASSERT_NULL_MSG(test, problem, "%s (gfp %pGg)", problem,
				      &gfp);
	}
	kunit_info(test, "%u requests that may not block were refused\n", refused);
	bag_check(bag);
	bag_free_all(bag);
}

/* ---- CPUs ----------------------------------------------------------------- */

/* Each possible CPU, online or not, has a copy that is nobody else's. */
static void possible_cpus_test(struct kunit *test)
{
	u32 __percpu *ptr = alloc_percpu(u32);
	unsigned int writer, reader, wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, (__force void *)ptr);
	for_each_possible_cpu(writer) {
		*per_cpu_ptr(ptr, writer) = writer + 1;
		for_each_possible_cpu(reader) {
			u32 want = reader <= writer ? reader + 1 : 0;

			wrong += *per_cpu_ptr(ptr, reader) != want;
		}
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	free_percpu(ptr);
	kunit_info(test, "%u possible CPUs, %u online\n", num_possible_cpus(),
		   num_online_cpus());
}

/* Held pages are counted once for each possible CPU, at least. */
static void nr_pages_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, page_budget());
	unsigned int i;

	if (!BUILT_IN)
		kunit_skip(test, NOT_BUILT_IN);

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
	KUNIT_EXPECT_GE(test, nr_pages(),
			(unsigned long)bag->nr * num_possible_cpus());
	bag_free_all(bag);
	KUNIT_EXPECT_GE(test, nr_pages(), num_possible_cpus());
}

/* ---- addresses ------------------------------------------------------------ */

#if IS_BUILTIN(CONFIG_PERCPU_KUNIT_TEST)

/* What is written to a copy is found at the physical address given for it. */
static void expect_phys(struct kunit *test, u32 *addr)
{
	phys_addr_t phys = per_cpu_ptr_to_phys(addr);
	u32 old = READ_ONCE(*addr), value = (u32)phys ^ 0x5bd1e995;
	void *page;
	u32 seen;

	KUNIT_EXPECT_EQ(test, offset_in_page(addr), phys & ~PAGE_MASK);
	WRITE_ONCE(*addr, value);
	page = kmap_local_pfn(PHYS_PFN(phys));
	seen = READ_ONCE(*(u32 *)(page + offset_in_page(phys)));
	kunmap_local(page);
	WRITE_ONCE(*addr, old);
	KUNIT_EXPECT_EQ(test, seen, value);
}

static void phys_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, 40);
	unsigned int cpu, i, offset;

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, i & 1 ? 12 : min(2 * PAGE_SIZE, PCPU_MIN_UNIT_SIZE), 4,
			  GFP_KERNEL);

	for_each_possible_cpu(cpu) {
		expect_phys(test, (u32 *)per_cpu_ptr(&static_var, cpu));
		expect_phys(test, (u32 *)per_cpu_ptr(&static_var, cpu) + 1);
		for (i = 0; i < bag->nr; i++) {
			void *copy = per_cpu_ptr(bag->objs[i].ptr, cpu);
			u32 size = bag->objs[i].size;

			for (offset = 0; offset < size; offset += PAGE_SIZE)
				expect_phys(test, copy + offset);
			expect_phys(test, copy + size - sizeof(u32));
		}
	}
	bag_free_all(bag);
}

/* Static addresses of any CPU are known as such, and no others. */
static void is_static_test(struct kunit *test)
{
	struct bag *bag = bag_create(test, 64);
	unsigned long local = 1;
	unsigned int cpu, i;

	for (i = 0; i < bag->nr; i++)
		bag_alloc(bag, i, i & 1 ? 8 : PAGE_SIZE, 4, GFP_KERNEL);

	for_each_possible_cpu(cpu) {
		unsigned long addr = (unsigned long)per_cpu_ptr(&static_array, cpu);
		unsigned long can = 0;

		for (i = 0; i < sizeof(static_array); i += 64) {
			if (!IS_ENABLED(CONFIG_SMP)) {
				KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address(addr + i));
				continue;
			}
			KUNIT_EXPECT_TRUE(test, is_kernel_percpu_address(addr + i));
			KUNIT_EXPECT_TRUE(test, __is_kernel_percpu_address(addr + i, &can));
			KUNIT_EXPECT_EQ(test, can, i +
					(unsigned long)per_cpu_ptr(&static_array,
								   get_boot_cpu_id()));
		}
		for (i = 0; i < bag->nr; i++) {
			addr = (unsigned long)per_cpu_ptr(bag->objs[i].ptr, cpu);
			KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address(addr));
			KUNIT_EXPECT_FALSE(test, __is_kernel_percpu_address(addr, &can));
		}
	}
	KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address(0));
	KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address((unsigned long)&local));
	KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address((unsigned long)bag));
	KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address((unsigned long)is_static_test));
	KUNIT_EXPECT_FALSE(test, is_kernel_percpu_address(ULONG_MAX));
	bag_free_all(bag);
}

#else

static void phys_test(struct kunit *test)
{
	kunit_skip(test, NOT_BUILT_IN);
}

static void is_static_test(struct kunit *test)
{
	kunit_skip(test, NOT_BUILT_IN);
}

#endif

/* ---- users that others rely on -------------------------------------------- */

static void cleanup_test(struct kunit *test)
{
	u64 __percpu *kept = NULL;
	int i;

	for (i = 0; i < 3; i++) {
		u64 __percpu *ptr __free(free_percpu) = alloc_percpu(u64);
		u64 __percpu *none __free(free_percpu) = NULL;

		KUNIT_EXPECT_NOT_NULL(test, (__force void *)ptr);
		KUNIT_EXPECT_NULL(test, (__force void *)none);
		if (ptr)
			*raw_cpu_ptr(ptr) = 1;
		if (i == 2)
			kept = no_free_ptr(ptr);
	}
	KUNIT_ASSERT_NOT_NULL(test, (__force void *)kept);
	KUNIT_EXPECT_EQ(test, *raw_cpu_ptr(kept), 1);
	free_percpu(kept);
}

static void counter_test(struct kunit *test)
{
	static struct percpu_counter counters[20];	/* too many for the stack */
	int i, n;

	KUNIT_ASSERT_EQ(test, 0, percpu_counter_init_many(counters, 5, GFP_KERNEL,
							  ARRAY_SIZE(counters)));
	for (n = 0; n < 100; n++) {
		for (i = 0; i < ARRAY_SIZE(counters); i++)
			percpu_counter_add(&counters[i], i - n);
	}
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		KUNIT_EXPECT_EQ(test, percpu_counter_sum(&counters[i]),
				5 + 100 * i - 4950);
	percpu_counter_destroy_many(counters, ARRAY_SIZE(counters));
}

struct ref_user {
	struct percpu_ref	ref;
	struct completion	gone;
};

static void ref_gone(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct ref_user, ref)->gone);
}

static void ref_test(struct kunit *test)
{
	static const unsigned int modes[] = {
		0, PERCPU_REF_INIT_ATOMIC, PERCPU_REF_INIT_DEAD,
		PERCPU_REF_ALLOW_REINIT,
	};
	struct ref_user *user;
	int i, n;

	user = kunit_kzalloc(test, sizeof(*user), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, user);

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		init_completion(&user->gone);
		KUNIT_ASSERT_EQ(test, 0, percpu_ref_init(&user->ref, ref_gone,
							 modes[i], GFP_KERNEL));
		if (modes[i] & PERCPU_REF_INIT_DEAD) {
			percpu_ref_exit(&user->ref);
			continue;
		}
		for (n = 0; n < 100; n++)
			percpu_ref_get(&user->ref);
		for (n = 0; n < 100; n++)
			percpu_ref_put(&user->ref);
		KUNIT_EXPECT_FALSE(test, completion_done(&user->gone));
		percpu_ref_kill(&user->ref);
		wait_for_completion(&user->gone);
		KUNIT_EXPECT_TRUE(test, percpu_ref_is_zero(&user->ref));
		percpu_ref_exit(&user->ref);
	}
}

/* ---- accounting ----------------------------------------------------------- */

#ifdef CONFIG_MEM_ALLOC_PROFILING

/* What a call site is charged with it gets back when the objects are freed. */
static void alloc_tag_test(struct kunit *test)
{
	DEFINE_ALLOC_TAG(tag);
	struct bag *bag = bag_create(test, page_budget());
	struct alloc_tag_counters full, rest;
	unsigned int i;

	if (!mem_alloc_profiling_enabled())
		kunit_skip(test, "memory allocation profiling is off");

	for (i = 0; i < bag->nr; i++) {
		struct obj *obj = &bag->objs[i];

		obj->size = PAGE_SIZE;
		obj->tag = i + 1;
		obj->ptr = alloc_hooks_tag(&tag, pcpu_alloc_noprof(PAGE_SIZE, 4, false,
								   GFP_KERNEL));
		KUNIT_ASSERT_NOT_NULL(test, (__force void *)obj->ptr);
		obj_fill(obj);
	}
	full = alloc_tag_read(&tag);
	bag_free_all(bag);
	rest = alloc_tag_read(&tag);

	/* Objects in the first chunk carry no tag. */
	KUNIT_EXPECT_GT(test, full.calls, 0);
	KUNIT_EXPECT_LE(test, full.calls, bag->nr);
	KUNIT_EXPECT_GE(test, full.bytes,
			full.calls * PAGE_SIZE * num_possible_cpus());
	KUNIT_EXPECT_EQ(test, rest.calls, 0);
	KUNIT_EXPECT_EQ(test, rest.bytes, 0);
}

static void bag_alloc_tagged(struct bag *bag, unsigned int i, struct alloc_tag *tag)
{
	struct obj *obj = &bag->objs[i];

	obj->size = 64;
	obj->tag = i + 1;
	obj->ptr = alloc_hooks_tag(tag, pcpu_alloc_noprof(obj->size, 4, false, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(bag->test, (__force void *)obj->ptr);
	obj_fill(obj);
}

/* Memory that is freed and handed out again at once is charged anew each time. */
static void alloc_tag_reuse_test(struct kunit *test)
{
	DEFINE_ALLOC_TAG(tag);
	struct bag *bag = bag_create(test, obj_budget(64, 8192));
	unsigned int i, turn, same = 0;
	void __percpu *before;

	if (!mem_alloc_profiling_enabled())
		kunit_skip(test, "memory allocation profiling is off");

	/* Objects in the first chunk carry no tag: one that is elsewhere. */
	for (i = 0; i < bag->nr && !alloc_tag_read(&tag).calls; i++)
		bag_alloc_tagged(bag, i, &tag);
	KUNIT_ASSERT_EQ(test, alloc_tag_read(&tag).calls, 1);

	i--;
	for (turn = 0; turn < 100; turn++) {
		before = bag->objs[i].ptr;
		bag_free(bag, i);
		KUNIT_EXPECT_EQ(test, alloc_tag_read(&tag).calls, 0);
		KUNIT_EXPECT_EQ(test, alloc_tag_read(&tag).bytes, 0);
		bag_alloc_tagged(bag, i, &tag);
		if (bag->objs[i].ptr != before)
			break;
		same++;
		KUNIT_EXPECT_EQ(test, alloc_tag_read(&tag).calls, 1);
		KUNIT_EXPECT_GE(test, alloc_tag_read(&tag).bytes, 64 * num_possible_cpus());
	}
	kunit_info(test, "the same memory %u times\n", same);
	bag_free_all(bag);
	KUNIT_EXPECT_EQ(test, alloc_tag_read(&tag).calls, 0);
	KUNIT_EXPECT_EQ(test, alloc_tag_read(&tag).bytes, 0);
}

#else

static void alloc_tag_test(struct kunit *test)
{
	kunit_skip(test, "CONFIG_MEM_ALLOC_PROFILING is not set");
}

static void alloc_tag_reuse_test(struct kunit *test)
{
	kunit_skip(test, "CONFIG_MEM_ALLOC_PROFILING is not set");
}

#endif

static struct kunit_case percpu_cases[] = {
	KUNIT_CASE_PARAM(sizes_aligns_test, size_gen_params),
	KUNIT_CASE(types_test),
	KUNIT_CASE_PARAM(bad_request_test, bad_request_gen_params),
	KUNIT_CASE(free_null_test),
	KUNIT_CASE(zeroing_test),
	KUNIT_CASE(zeroing_pages_test),
	KUNIT_CASE(disjoint_test),
	KUNIT_CASE(copies_apart_test),
	KUNIT_CASE(pointer_law_test),
	KUNIT_CASE(this_cpu_test),
	KUNIT_CASE_PARAM(context_test, context_gen_params),
	KUNIT_CASE(free_in_hardirq_test),
	KUNIT_CASE_PARAM(mask_test, mask_gen_params),
	KUNIT_CASE_PARAM(scope_test, scope_gen_params),
	KUNIT_CASE(reserved_test),
	KUNIT_CASE(populate_race_test),
	KUNIT_CASE(populate_race_small_test),
	KUNIT_CASE(churn_threads_test),
	KUNIT_CASE(free_on_other_cpu_test),
	KUNIT_CASE_PARAM(depopulate_test, survivors_gen_params),
	KUNIT_CASE(fragmentation_test),
	KUNIT_CASE(churn_test),
	KUNIT_CASE(possible_cpus_test),
	KUNIT_CASE(nr_pages_test),
	KUNIT_CASE(phys_test),
	KUNIT_CASE(is_static_test),
	KUNIT_CASE(cleanup_test),
	KUNIT_CASE(counter_test),
	KUNIT_CASE(ref_test),
	KUNIT_CASE(alloc_tag_test),
	KUNIT_CASE(alloc_tag_reuse_test),
	{}
};

static struct kunit_suite percpu_suite = {
	.name = "percpu",
	.test_cases = percpu_cases,
};

kunit_test_suite(percpu_suite);

MODULE_DESCRIPTION("KUnit tests of the per-CPU memory allocator");
MODULE_LICENSE("GPL");
