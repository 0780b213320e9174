// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of __alloc_percpu_nolock() and free_percpu_nolock(): from each context
 * that this machine can bring about, and from NMIs that come in while all CPUs work.
 *
 * Failures are normal there, but must not last: after some, what was missed has to be
 * at hand.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/timer.h>

#if defined(CONFIG_X86_LOCAL_APIC) && !defined(CONFIG_UML)
#include <asm/apic.h>
#include <asm/nmi.h>
#define HAS_NMI	1
#else
#define HAS_NMI	0
#endif

#include "../../mm/percpu-internal.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* ---- objects ------------------------------------------------------------------ */

struct obj {
	u32 __percpu *ptr;
	u32 size;
	u32 tag;
};

static bool obj_holds(const struct obj *obj, u32 tag)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < obj->size / sizeof(u32); i++)
			if (per_cpu_ptr(obj->ptr, cpu)[i] != (tag ? tag << 12 | cpu : 0))
				return false;
	return true;
}

/* False if it is not zeroed; where there is no room @obj stays without one. */
static bool obj_alloc(struct obj *obj, u32 size, u32 tag)
{
	unsigned int cpu;

	obj->ptr = __alloc_percpu_nolock(size, 8, __GFP_ACCOUNT);
	if (!obj->ptr)
		return true;
	obj->size = size;
	obj->tag = tag;
	if (!obj_holds(obj, 0))
		return false;
	for_each_possible_cpu(cpu)
		memset32(per_cpu_ptr(obj->ptr, cpu), tag << 12 | cpu, size / sizeof(u32));
	return true;
}

/* False if somebody else wrote to it. */
static bool obj_free(struct obj *obj)
{
	bool intact;

	if (!obj->ptr)
		return true;
	intact = obj_holds(obj, obj->tag);
	free_percpu_nolock(obj->ptr);
	obj->ptr = NULL;
	return intact;
}

/* All that was left for later is done. */
static void settle(void)
{
	unsigned int i;

	pcpu_nolock_flush();
	for (i = 0; i < 100 && flush_delayed_work(&pcpu_main.balance_work); i++)
		;
}

/* ---- from everywhere ------------------------------------------------------------ */

struct run {
	void (*body)(struct run *run);
	bool (*expected)(void);
	bool seen;
	bool broken;
	unsigned int nr_failed;
	unsigned int done;
	struct completion completion;
	struct timer_list timer;
	struct irq_work irq_work;
	struct kunit *test;
};

static DEFINE_RAW_SPINLOCK(raw_lock);

static void run_body(struct run *run)
{
	run->seen = run->expected();
	run->body(run);
}

static void in_task_context(struct run *run)
{
	run_body(run);
}

static void in_irqs_off(struct run *run)
{
	unsigned long flags;

	local_irq_save(flags);
	run_body(run);
	local_irq_restore(flags);
}

static void in_raw_lock(struct run *run)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&raw_lock, flags);
	run_body(run);
	raw_spin_unlock_irqrestore(&raw_lock, flags);
}

/* As for an NMI that came in while this CPU has the lock: it cannot be had. */
static void in_percpu_lock(struct run *run)
{
	unsigned long flags;

	spin_lock_irqsave(&pcpu_main.lock, flags);
	run_body(run);
	spin_unlock_irqrestore(&pcpu_main.lock, flags);
}

static void run_timer(struct timer_list *timer)
{
	struct run *run = timer_container_of(run, timer, timer);

	run_body(run);
	complete(&run->completion);
}

static void in_softirq_context(struct run *run)
{
	timer_setup_on_stack(&run->timer, run_timer, 0);
	mod_timer(&run->timer, jiffies);
	wait_for_completion(&run->completion);
	timer_delete_sync(&run->timer);
	timer_destroy_on_stack(&run->timer);
}

static void run_irq_work(struct irq_work *work)
{
	struct run *run = container_of(work, struct run, irq_work);

	run_body(run);
	WRITE_ONCE(run->done, 1);
}

/* A hard interrupt on PREEMPT_RT, too, where the lock must not even be tried. */
static void in_hardirq_context(struct run *run)
{
	run->irq_work = IRQ_WORK_INIT_HARD(run_irq_work);
	irq_work_queue(&run->irq_work);
	irq_work_sync(&run->irq_work);
}

#if HAS_NMI
static struct run *nmi_run;

static int run_nmi(unsigned int type, struct pt_regs *regs)
{
	struct run *run = READ_ONCE(nmi_run);

	if (!run || READ_ONCE(run->done))
		return NMI_DONE;
	run_body(run);
	/* Pairs with in_nmi_context(): what the body did. */
	smp_store_release(&run->done, 1);
	return NMI_HANDLED;
}

static void in_nmi_context(struct run *run)
{
	unsigned long nr_left = 100 * 1000 * 1000;

	KUNIT_ASSERT_EQ(run->test, 0,
			register_nmi_handler(NMI_LOCAL, run_nmi, NMI_FLAG_FIRST, "percpu_kunit"));
	run->done = 0;
	nmi_run = run;
	preempt_disable();
	__apic_send_IPI_mask(cpumask_of(smp_processor_id()), NMI_VECTOR);
	/* Pairs with run_nmi(). */
	while (!smp_load_acquire(&run->done) && --nr_left)
		cpu_relax();
	preempt_enable();
	nmi_run = NULL;
	unregister_nmi_handler(NMI_LOCAL, "percpu_kunit");
	KUNIT_EXPECT_TRUE_MSG(run->test, nr_left, "the NMI did not come");
}
#else
static void in_nmi_context(struct run *run)
{
	kunit_skip(run->test, "no NMI can be sent on this architecture");
}
#endif

static bool is_task(void)
{
	return in_task() && !irqs_disabled();
}

static bool is_irqs_off(void)
{
	return in_task() && irqs_disabled();
}

static bool is_locked(void)
{
	return in_task() && !!irqs_disabled() == !IS_ENABLED(CONFIG_PREEMPT_RT);
}

static bool is_softirq(void)
{
	return in_serving_softirq();
}

static bool is_hardirq(void)
{
	return in_hardirq();
}

static bool is_nmi(void)
{
	return in_nmi();
}

static const struct where {
	const char *name;
	void (*enter)(struct run *run);
	bool (*expected)(void);
} wheres[] = {
	{ "task", in_task_context, is_task },
	{ "interrupts off", in_irqs_off, is_irqs_off },
	{ "raw spinlock held", in_raw_lock, is_irqs_off },
	{ "percpu lock held", in_percpu_lock, is_locked },
	{ "softirq", in_softirq_context, is_softirq },
	{ "hard interrupt", in_hardirq_context, is_hardirq },
	{ "NMI", in_nmi_context, is_nmi },
};

KUNIT_ARRAY_PARAM_DESC(where, wheres, name);

static void run_in(struct run *run, const struct where *where)
{
	run->expected = where->expected;
	run->seen = false;
	init_completion(&run->completion);
	where->enter(run);
	KUNIT_EXPECT_TRUE_MSG(run->test, run->seen, "not in the context of that name");
}

static void few_objects(struct run *run)
{
	static const u16 sizes[] = { 64, 8, 1024, 128, 64, 4096, 256, 64 };
	struct obj objs[ARRAY_SIZE(sizes)];
	unsigned int i;

	run->nr_failed = 0;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		run->broken |= !obj_alloc(&objs[i], sizes[i], i + 1);
		/* A page may not be had where the lock cannot be tried. */
		run->nr_failed += !objs[i].ptr && sizes[i] <= SZ_2K;
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		run->broken |= !obj_free(&objs[i]);
}

/* Areas are put at hand on the CPU that missed them: stay there. */
static void stay_here(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, set_cpus_allowed_ptr(current,
						      cpumask_of(raw_smp_processor_id())));
}

static void worker_go_on(void *unused)
{
	WRITE_ONCE(pcpu_main.balance_enabled, true);
	pcpu_balance_kick(&pcpu_main, true);
}

/* It would populate for a burst while that lasts, the longer the more. */
static void worker_stop(struct kunit *test)
{
	settle();
	WRITE_ONCE(pcpu_main.balance_enabled, false);
	cancel_delayed_work_sync(&pcpu_main.balance_work);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, worker_go_on, NULL));
}

/*
 * Rounds until all is served.  The first tells what is missing; then one each
 *   - for a size that another of the same bin has hidden;
 *   - while the worker makes a row present;
 *   - if it took the bins for idle just before they were used.
 * Where a round is slow the latter may be so each time.  So it is stopped then: what is
 * present is put at hand without it.
 */
#define MAX_ROUNDS	5

static void expect_soon_served(struct run *run, const struct where *where)
{
	struct kunit *test = run->test;
	unsigned int round = 0;

	stay_here(test);
	run->body = few_objects;
	do {
		run_in(run, where);
		pcpu_nolock_flush();
		flush_delayed_work(&pcpu_main.balance_work);
	} while (++round < MAX_ROUNDS && run->nr_failed);
	if (run->nr_failed) {
		worker_stop(test);
		while (round++ < 2 * MAX_ROUNDS && run->nr_failed) {
			run_in(run, where);
			pcpu_nolock_flush();
		}
		kunit_release_action(test, worker_go_on, NULL);
	}
	KUNIT_EXPECT_EQ_MSG(test, run->nr_failed, 0, "in round %u", round);
	KUNIT_EXPECT_FALSE(test, run->broken);
	kunit_info(test, "%u not served in round %u\n", run->nr_failed, round);
}

static void nolock_context_test(struct kunit *test)
{
	struct run run = { .test = test };

	pcpu_cache_drain(&pcpu_main, true);
	expect_soon_served(&run, test->param_value);
	settle();
}

/* ---- a burst ---------------------------------------------------------------------- */

#define BURST	4000
#define BURST_BYTES	256

static struct obj burst_objs[BURST];

static void burst_body(struct run *run)
{
	unsigned int i;

	run->nr_failed = 0;
	for (i = 0; i < BURST; i++) {
		burst_objs[i].ptr = __alloc_percpu_nolock(BURST_BYTES, 8, 0);
		run->nr_failed += !burst_objs[i].ptr;
	}
}

static void odd_object(struct run *run)
{
	struct obj obj;

	run->broken |= !obj_alloc(&obj, 136, 1);
	run->nr_failed = !obj.ptr;
	run->broken |= !obj_free(&obj);
}

/* From present memory the irq_work alone puts at hand what was missed. */
static void nolock_flush_test(struct kunit *test)
{
	struct run run = { .test = test, .body = odd_object };

	stay_here(test);
	worker_stop(test);
	pcpu_cache_drain(&pcpu_main, true);
	run_in(&run, test->param_value);
	pcpu_nolock_flush();
	run_in(&run, test->param_value);
	KUNIT_EXPECT_EQ(test, run.nr_failed, 0);
	KUNIT_EXPECT_FALSE(test, run.broken);
}

/* What is present for a burst at the least, where the lock can be had. */
static unsigned int burst_room(const struct where *where)
{
	unsigned int nr_rows = pcpu_peek(&pcpu_main.nr_empty_rows);
	bool may_try = IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_PREEMPT_RT) &&
		       where->enter != in_percpu_lock;

	if (!nr_rows || (!may_try && where->enter != in_task_context))
		return 0;
	/* Others may need a row meanwhile. */
	return min((nr_rows - 1) * (PAGE_SIZE / (BURST_BYTES << PERCPU_KASAN_SHIFT)), BURST);
}

/*
 * It has what is present, takes no page, and leaves room for others.  What it costs
 * are failures until the worker has run.
 */
static void nolock_burst_test(struct kunit *test)
{
	struct run run = { .test = test, .body = burst_body };
	unsigned long nr_pages;
	unsigned int i, room;
	void __percpu *ptr;

	worker_stop(test);
	nr_pages = pcpu_nr_pages();
	room = burst_room(test->param_value);
	run_in(&run, test->param_value);
	kunit_info(test, "%u of %u served\n", BURST - run.nr_failed, BURST);
	KUNIT_EXPECT_GE(test, BURST - run.nr_failed, room);
	/* Others may need a row meanwhile. */
	KUNIT_EXPECT_LE(test, pcpu_nr_pages(), nr_pages + pcpu_main.geo.nr_units);
	kunit_release_action(test, worker_go_on, NULL);
	ptr = __alloc_percpu_gfp(BURST_BYTES, 8, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, (__force void *)ptr);
	free_percpu(ptr);
	expect_soon_served(&run, test->param_value);
	for (i = 0; i < BURST; i++)
		free_percpu_nolock(burst_objs[i].ptr);
	settle();
	KUNIT_EXPECT_TRUE(test, llist_empty(&pcpu_main.pending));
}

/* ---- frees that are refused --------------------------------------------------------- */

static void nolock_bad_free_test(struct kunit *test)
{
	unsigned int before = atomic_read(&pcpu_main.nr_bad_frees);
	void __percpu *ptr = __alloc_percpu(64, 8);

	KUNIT_ASSERT_NOT_NULL(test, (__force void *)ptr);
	free_percpu_nolock(ptr);
	kunit_warning_suppress(test) {
		free_percpu_nolock(ptr);
		free_percpu(ptr);
		/* Without a warning where WARN_ONCE() has had its one. */
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 2);
	}
	KUNIT_EXPECT_EQ(test, before + 2, atomic_read(&pcpu_main.nr_bad_frees));
	settle();
}

/* ---- NMIs while all CPUs work --------------------------------------------------------- */

#if HAS_NMI
#define STORM_NMIS	3000
#define STORM_OBJS	8

struct storm {
	struct obj objs[STORM_OBJS];
	unsigned int seq;
	unsigned int nr_served;
	unsigned int nr_failed;
	bool broken;
	bool asked;
};

static DEFINE_PER_CPU(struct storm, storms);

/* Each time another object of this CPU is freed, or allocated. */
static int storm_nmi(unsigned int type, struct pt_regs *regs)
{
	struct storm *storm = this_cpu_ptr(&storms);
	struct obj *obj = &storm->objs[storm->seq % STORM_OBJS];
	u32 size = 32U << (storm->seq % 5);

	if (!READ_ONCE(storm->asked))
		return NMI_DONE;
	storm->seq += 3;
	if (obj->ptr) {
		storm->broken |= !obj_free(obj);
	} else {
		storm->broken |= !obj_alloc(obj, size, storm->seq & 0xfff);
		storm->nr_served += !!obj->ptr;
		storm->nr_failed += !obj->ptr;
	}
	/* Pairs with storm_send() and storm_end(): what was done to the objects. */
	smp_store_release(&storm->asked, false);
	return NMI_HANDLED;
}

/* Ordinary work, by task and by bulk, in the same sizes. */
static int storm_work(void *broken)
{
	void __percpu *ptrs[16];
	unsigned int round = 0, i;

	while (!kthread_should_stop()) {
		size_t size = 32U << (round++ % 5);

		for (i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = __alloc_percpu_gfp(size, 8, i % 2 ? GFP_KERNEL : GFP_NOWAIT);
		for (i = 0; i < ARRAY_SIZE(ptrs); i++)
			free_percpu(ptrs[i]);
		if (__alloc_percpu_bulk(size, 8, GFP_KERNEL, ARRAY_SIZE(ptrs), ptrs))
			free_percpu_bulk(ARRAY_SIZE(ptrs), ptrs);
		if (!(round % 16))
			pcpu_cache_drain(&pcpu_main, true);
		cond_resched();
	}
	return 0;
}

static void storm_send(void)
{
	unsigned int nr, cpu;

	for (nr = 0; nr < STORM_NMIS; nr++) {
		for_each_online_cpu(cpu) {
			/* The one before has not come yet.  Pairs with storm_nmi(). */
			if (smp_load_acquire(&per_cpu(storms, cpu).asked))
				continue;
			WRITE_ONCE(per_cpu(storms, cpu).asked, true);
			__apic_send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
		}
		cond_resched();
	}
}

static void storm_end(struct kunit *test)
{
	unsigned int nr_served = 0, nr_failed = 0, cpu, i;

	for_each_possible_cpu(cpu) {
		struct storm *storm = &per_cpu(storms, cpu);

		/* Pairs with storm_nmi(). */
		while (smp_load_acquire(&storm->asked))
			cond_resched();
		for (i = 0; i < STORM_OBJS; i++)
			storm->broken |= !obj_free(&storm->objs[i]);
		KUNIT_EXPECT_FALSE(test, storm->broken);
		nr_served += storm->nr_served;
		nr_failed += storm->nr_failed;
	}
	/* How many depends on when irq_work comes, which is a thread on PREEMPT_RT. */
	KUNIT_EXPECT_GT(test, nr_served, 0);
	kunit_info(test, "%u allocations in NMI served, %u failed\n", nr_served, nr_failed);
}

static void nolock_nmi_storm_test(struct kunit *test)
{
	struct task_struct *tasks[8] = {};
	unsigned int nr = 0, cpu;

	KUNIT_ASSERT_EQ(test, 0, register_nmi_handler(NMI_LOCAL, storm_nmi, NMI_FLAG_FIRST,
						      "percpu_kunit"));
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		if (nr == ARRAY_SIZE(tasks))
			break;
		tasks[nr] = kthread_run_on_cpu(storm_work, NULL, cpu, "percpu_storm/%u");
		if (IS_ERR(tasks[nr]))
			break;
		nr++;
	}
	storm_send();
	while (nr)
		kthread_stop(tasks[--nr]);
	storm_end(test);
	cpus_read_unlock();
	unregister_nmi_handler(NMI_LOCAL, "percpu_kunit");
	settle();
	KUNIT_EXPECT_TRUE(test, llist_empty(&pcpu_main.pending));
}
#else
static void nolock_nmi_storm_test(struct kunit *test)
{
	kunit_skip(test, "no NMI can be sent on this architecture");
}
#endif

static void percpu_nolock_exit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, pcpu_validate(&pcpu_main));
}

static struct kunit_case percpu_nolock_cases[] = {
	KUNIT_CASE_PARAM(nolock_context_test, where_gen_params),
	KUNIT_CASE_PARAM(nolock_flush_test, where_gen_params),
	KUNIT_CASE_PARAM(nolock_burst_test, where_gen_params),
	KUNIT_CASE(nolock_bad_free_test),
	KUNIT_CASE(nolock_nmi_storm_test),
	{}
};

static struct kunit_suite percpu_nolock_suite = {
	.name = "percpu_nolock",
	.exit = percpu_nolock_exit,
	.test_cases = percpu_nolock_cases,
};

kunit_test_suite(percpu_nolock_suite);

MODULE_DESCRIPTION("KUnit tests of percpu allocations in any context");
MODULE_LICENSE("GPL");
