// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of percpu allocations in and beside memory reclaim, through the
 * public interface.
 *
 * Free memory is taken away until an allocation that may sleep has to reclaim.
 * Reclaim then comes to a shrinker of ours, in the context of the task that
 * allocates, and this shrinker does what file systems and block drivers do at such a
 * moment: it waits for another task that allocates percpu memory with GFP_NOIO, or
 * allocates such memory itself.  Then it gives a part of the pages back, so that
 * whoever asked goes on.
 *
 *   holder                          IO task
 *   ------                          -------
 *   alloc_percpu(), GFP_KERNEL      has what IO needs
 *     reclaim
 *       shrinker waits for IO  --->   alloc_percpu(), GFP_NOIO
 *                              <---   done
 *
 * An allocator that holds a mutex while it allocates hangs in both cases.  Who
 * hangs is found by a timeout, and freed from it by the end of the wait, or by
 * SIGKILL.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swap.h>

#define HANG_JIFFIES	(45 * HZ)	/* some machines are emulated */
#define MAX_CPUS	16
#define MAX_HOLDERS	8
#define MAX_OBJECTS	2048U	/* of a page for each CPU */
#define OBJECTS_SHARE	4	/* of memory, for what all tasks have */
#define IO_OBJECTS	16
#define GIVE_PAGES	512UL	/* to each that reclaims */
#define TAKE_ORDER	8	/* of the largest block: smaller than what is given */

/**
 * struct party - a task that allocates percpu memory
 * @task: the task
 * @gfp: what it allocates with
 * @ptrs: what it has allocated
 * @nr: how many
 * @reclaim_gfp: masks that it came to the shrinker with, or-ed
 * @nr_reclaims: times that it did
 * @inside: it is there
 * @done: it is through
 */
struct party {
	struct task_struct	*task;
	gfp_t			gfp;
	void __percpu		**ptrs;
	unsigned int		nr;
	gfp_t			reclaim_gfp;
	unsigned int		nr_reclaims;
	bool			inside;
	struct completion	done;
};

/* The one scene at a time. */
static struct {
	struct shrinker		*shrinker;
	spinlock_t		lock;		/* of @blocks and @nr_pages */
	struct list_head	blocks;		/* taken away; page_private() is the order */
	unsigned long		nr_pages;
	void __percpu		*rows;		/* taken, too */

	struct party		holder[MAX_HOLDERS];
	struct party		io;
	unsigned int		nr_holders;
	void			(*in_reclaim)(struct party *party, gfp_t gfp);
	bool			waits_for_io_only;
	atomic_t		nr_inside;	/* holders that came to the shrinker */
	struct completion	one_inside;
	struct completion	all_inside;
	struct completion	io_done;
	bool			io_late;
	unsigned int		nr_nested;	/* allocated by the shrinker itself */
} scene;

/* ---- memory that is taken away ---------------------------------------------------- */

static bool take_block(unsigned int order)
{
	struct page *page = alloc_pages(GFP_NOWAIT | __GFP_NOMEMALLOC, order);

	if (!page)
		return false;
	set_page_private(page, order);
	spin_lock(&scene.lock);
	list_add(&page->lru, &scene.blocks);
	scene.nr_pages += 1UL << order;
	spin_unlock(&scene.lock);
	return true;
}

/* Large blocks first: page by page takes minutes where each is unmapped by an emulator. */
static void take_pages(void)
{
	int order;

	for (order = TAKE_ORDER; order >= 0; order--) {
		/*
		 * Not once somebody is there who waits: it would be taken from those
		 * that go on.
		 */
		while (!atomic_read(&scene.nr_inside) && take_block(order))
			cond_resched();
	}
}

/* Gives @nr pages or a block more, if there are as many. */
static unsigned long give_pages(unsigned long nr)
{
	struct page *page, *next;
	unsigned long given = 0;
	LIST_HEAD(blocks);

	spin_lock(&scene.lock);
	list_for_each_entry_safe(page, next, &scene.blocks, lru) {
		if (given >= nr)
			break;
		list_move(&page->lru, &blocks);
		given += 1UL << page_private(page);
	}
	scene.nr_pages -= given;
	spin_unlock(&scene.lock);

	list_for_each_entry_safe(page, next, &blocks, lru) {
		unsigned int order = page_private(page);

		set_page_private(page, 0);
		__free_pages(page, order);
	}
	return given;
}

/* In the object itself, where it leads to the next. */
static void __percpu **row_link(void __percpu *ptr)
{
	return per_cpu_ptr(ptr, cpumask_first(cpu_possible_mask));
}

/* What percpu memory is present without asking for pages, as a case before may have left. */
static void take_rows(void)
{
	void __percpu *ptr;

	while ((ptr = __alloc_percpu_gfp(PAGE_SIZE, PAGE_SIZE, GFP_NOWAIT | __GFP_NOWARN))) {
		*row_link(ptr) = scene.rows;
		scene.rows = ptr;
		cond_resched();
	}
}

static void give_rows(void)
{
	void __percpu *ptr;

	while ((ptr = scene.rows)) {
		scene.rows = *row_link(ptr);
		free_percpu(ptr);
	}
}

static void take_all(void)
{
	take_pages();
	take_rows();
}

static struct party *current_party(void)
{
	unsigned int i;

	for (i = 0; i < scene.nr_holders; i++) {
		if (current == scene.holder[i].task)
			return &scene.holder[i];
	}
	return current == scene.io.task ? &scene.io : NULL;
}

/* kswapd is left out: that tasks reclaim for themselves is the point. */
static unsigned long scene_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	if (current_is_kswapd())
		return SHRINK_EMPTY;
	return READ_ONCE(scene.nr_pages) ?: SHRINK_EMPTY;
}

static unsigned long scene_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct party *party = current_party();
	unsigned long given;

	if (party && !party->inside) {
		party->inside = true;
		party->reclaim_gfp |= sc->gfp_mask;
		if (!party->nr_reclaims++ && party != &scene.io)
			scene.in_reclaim(party, sc->gfp_mask);
		party->inside = false;
	}
	given = give_pages(GIVE_PAGES);
	mm_account_reclaimed_pages(given);
	sc->nr_scanned = given;
	/* Not called again for the rest: others who come need some as well. */
	return SHRINK_STOP;
}

/* ---- what the shrinker does -------------------------------------------------------- */

static void wait_for_io(struct party *party, gfp_t gfp)
{
	if (scene.waits_for_io_only && !(gfp & __GFP_IO))
		return;
	complete(&scene.one_inside);
	if (atomic_inc_return(&scene.nr_inside) == scene.nr_holders)
		complete(&scene.all_inside);
	if (!wait_for_completion_timeout(&scene.io_done, HANG_JIFFIES))
		WRITE_ONCE(scene.io_late, true);
}

static void allocate_in_reclaim(struct party *party, gfp_t gfp)
{
	static const size_t sizes[] = { 8, 64, 1024, PAGE_SIZE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void __percpu *ptr = __alloc_percpu_gfp(sizes[i], 8, GFP_NOFS | __GFP_NOWARN);

		scene.nr_nested += !!ptr;
		free_percpu(ptr);
	}
}

/* ---- tasks -------------------------------------------------------------------------- */

/*
 * Objects for each task.  All that the tasks have is a small part of memory, so either
 * there is some that the shrinker can give, or much is free: they are never out of it.
 * With KASAN each takes as much again for its redzones.
 */
static unsigned int max_objects(void)
{
	unsigned long pages = totalram_pages() / OBJECTS_SHARE / (scene.nr_holders + 1);

	if (IS_ENABLED(CONFIG_KASAN))
		pages /= 2;
	return min(pages / num_possible_cpus(), MAX_OBJECTS);
}

static bool party_add(struct party *party)
{
	if (party->nr >= max_objects() || fatal_signal_pending(current))
		return false;
	/* Without page tables a chunk is a block of pages, and that there is none is no news. */
	party->ptrs[party->nr] = __alloc_percpu_gfp(PAGE_SIZE, PAGE_SIZE,
						    party->gfp | __GFP_NOWARN);
	if (!party->ptrs[party->nr])
		return false;
	party->nr++;
	return true;
}

static void party_end(struct party *party)
{
	while (party->nr)
		free_percpu(party->ptrs[--party->nr]);
	complete(&party->done);
}

/* Allocates until it had to reclaim.  Others free memory meanwhile: that is taken, too. */
static int holder_main(void *data)
{
	struct party *party = data;

	allow_signal(SIGKILL);
	while (!party->nr_reclaims && party_add(party)) {
		if (party->nr % 16 == 0)
			take_pages();
	}
	party_end(party);
	return 0;
}

/* Once somebody waits for it, allocates a few, and says so. */
static int io_main(void *data)
{
	struct party *party = data;

	allow_signal(SIGKILL);
	if (wait_for_completion_timeout(&scene.one_inside, HANG_JIFFIES)) {
		wait_for_completion_timeout(&scene.all_inside, HZ);
		while (party->nr < IO_OBJECTS && party_add(party))
			;
	}
	complete_all(&scene.io_done);
	party_end(party);
	return 0;
}

static void party_start(struct kunit *test, struct party *party, int (*fn)(void *), gfp_t gfp)
{
	struct task_struct *task;

	init_completion(&party->done);
	party->gfp = gfp;
	party->ptrs = kunit_kcalloc(test, MAX_OBJECTS, sizeof(*party->ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, party->ptrs);
	task = kthread_create(fn, party, "percpu_reclaim");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	party->task = get_task_struct(task);
}

/* True if it came to its end by itself. */
static bool party_finish(struct kunit *test, struct party *party)
{
	bool ended = wait_for_completion_timeout(&party->done, 2 * HANG_JIFFIES);

	if (!ended) {
		kunit_err(test, "a task hangs:\n");
		sched_show_task(party->task);
		send_sig(SIGKILL, party->task, 1);
		wait_for_completion(&party->done);
	}
	kthread_stop(party->task);
	put_task_struct(party->task);
	party->task = NULL;
	return ended;
}

/* ---- cases -------------------------------------------------------------------------- */

static int reclaim_init(struct kunit *test)
{
	memset(&scene, 0, sizeof(scene));
	spin_lock_init(&scene.lock);
	INIT_LIST_HEAD(&scene.blocks);
	init_completion(&scene.one_inside);
	init_completion(&scene.all_inside);
	init_completion(&scene.io_done);
	/* They would be at it for minutes: each object is a page for every CPU. */
	if (num_possible_cpus() > MAX_CPUS)
		kunit_skip(test, "more than %u possible CPUs", MAX_CPUS);
	scene.shrinker = shrinker_alloc(0, "percpu_reclaim_test");
	if (!scene.shrinker)
		return -ENOMEM;
	scene.shrinker->count_objects = scene_count;
	scene.shrinker->scan_objects = scene_scan;
	scene.shrinker->seeks = 0;
	scene.shrinker->batch = GIVE_PAGES;
	shrinker_register(scene.shrinker);
	return 0;
}

static void reclaim_exit(struct kunit *test)
{
	if (scene.shrinker)
		shrinker_free(scene.shrinker);
	give_pages(ULONG_MAX);
	give_rows();
}

struct io_case {
	const char	*name;
	unsigned int	nr_holders;
	bool		waits_for_io_only;
};

static const struct io_case io_cases[] = {
	{ "1 task, reclaim with IO waits",	1,		true },
	{ "8 tasks, reclaim with IO waits",	MAX_HOLDERS,	true },
	{ "1 task, any reclaim waits",		1,		false },
	{ "8 tasks, any reclaim waits",		MAX_HOLDERS,	false },
};

KUNIT_ARRAY_PARAM_DESC(io, io_cases, name);

/* Tasks in reclaim wait for one that allocates percpu memory with GFP_NOIO. */
static void io_test(struct kunit *test)
{
	const struct io_case *param = test->param_value;
	unsigned int i, nr_hung = 0, nr_reclaimed = 0, nr_with_io = 0;
	ktime_t began;

	scene.in_reclaim = wait_for_io;
	scene.waits_for_io_only = param->waits_for_io_only;
	for (i = 0; i < param->nr_holders; i++)
		party_start(test, &scene.holder[i], holder_main, GFP_KERNEL);
	scene.nr_holders = param->nr_holders;
	party_start(test, &scene.io, io_main, GFP_NOIO);

	take_all();
	began = ktime_get();
	wake_up_process(scene.io.task);
	for (i = 0; i < param->nr_holders; i++)
		wake_up_process(scene.holder[i].task);
	for (i = 0; i < param->nr_holders; i++) {
		nr_hung += !party_finish(test, &scene.holder[i]);
		nr_reclaimed += !!scene.holder[i].nr_reclaims;
		nr_with_io += !!(scene.holder[i].reclaim_gfp & __GFP_IO);
	}
	nr_hung += !party_finish(test, &scene.io);

	kunit_info(test, "%lld ms; of %u tasks %u reclaimed, %u with IO\n",
		   ktime_ms_delta(ktime_get(), began), param->nr_holders, nr_reclaimed,
		   nr_with_io);
	KUNIT_EXPECT_EQ(test, nr_hung, 0);
	KUNIT_EXPECT_FALSE_MSG(test, scene.io_late,
			       "the GFP_NOIO task waited for those that wait for it");
	/* What GFP_KERNEL asks for is what it gets, and GFP_NOIO as well. */
	KUNIT_EXPECT_GT(test, nr_reclaimed, 0);
	KUNIT_EXPECT_EQ(test, nr_with_io, nr_reclaimed);
	KUNIT_EXPECT_FALSE(test, scene.io.reclaim_gfp & (__GFP_IO | __GFP_FS));
}

/* A shrinker that allocates percpu memory with GFP_NOFS. */
static void nested_test(struct kunit *test)
{
	struct party *party = &scene.holder[0];

	scene.in_reclaim = allocate_in_reclaim;
	party_start(test, party, holder_main, GFP_KERNEL);
	scene.nr_holders = 1;
	take_all();
	wake_up_process(party->task);
	KUNIT_EXPECT_TRUE(test, party_finish(test, party));
	KUNIT_EXPECT_GT(test, party->nr_reclaims, 0);
	kunit_info(test, "the shrinker got %u of 4 objects\n", scene.nr_nested);
}

static struct kunit_case percpu_reclaim_cases[] = {
	KUNIT_CASE_PARAM_ATTR(io_test, io_gen_params, { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(nested_test),
	{}
};

static struct kunit_suite percpu_reclaim_suite = {
	.name = "percpu_reclaim",
	.init = reclaim_init,
	.exit = reclaim_exit,
	.test_cases = percpu_reclaim_cases,
};

kunit_test_suite(percpu_reclaim_suite);

MODULE_DESCRIPTION("KUnit tests of percpu allocations during memory reclaim");
MODULE_LICENSE("GPL");
