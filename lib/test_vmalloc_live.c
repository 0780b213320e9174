// SPDX-License-Identifier: GPL-2.0
/*
 * What an area of vmalloc space costs while many others are live.
 *
 * For each count in the parameter live, so many areas are made by vmap(), which
 * allocates no pages: all of them show one page. Then, loops times, one of them
 * at random is unmapped and another of random size takes its place. Time is for
 * both together; the mapping of 1 to 8 pages is part of it.
 *
 * With floor=LOOPS it measures what a turn of some cases of lib/test_vmalloc.c cannot do
 * without: pages, NR_VMALLOC, their entries in the page tables, clearing these, and a
 * flush of the TLB for each 64 MiB; no area, no descriptor, no address space is looked
 * for. It does so on each online CPU at once; time is for a turn on one thread. With one
 * CPU there is "floor_full_fit" as well, which has, for each of the loops, its part of
 * what full_fit_alloc_test() does before and after its loop.
 *
 * With space=LOOPS it measures how threads meet where address space is found: each, bound to a
 * CPU of its own, replaces the oldest of 64 areas of 1 to 8 pages, to which nothing is
 * mapped; first one thread alone, then one on each online CPU. Time is per area on one thread.
 *
 * With slab=COUNT it measures how much slab memory so many live areas have: of vmap() with 1 to
 * 8 pages, then of vmalloc() with one page.
 *
 * Results are in the kernel's log as "live_COUNT VALUE ns", "floor_CASE_tTHREADS VALUE ns",
 * "space_tTHREADS VALUE ns", "slab_KIND_COUNT VALUE bytes".
 * Built in, it runs at boot, if one of these is set; a module does its work while it is loaded,
 * does not stay, and has only live and slab.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cacheflush.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include <asm/tlbflush.h>

#include "../mm/vmalloc.h"

#define MOST_PAGES	8
#define MOST_COUNTS	8

static int live[MOST_COUNTS];
static int nr_live;
module_param_array(live, int, &nr_live, 0444);
MODULE_PARM_DESC(live, "Numbers of live areas, separated by commas");

static int loops = 20000;
module_param(loops, int, 0444);
MODULE_PARM_DESC(loops, "How many are replaced");

static int floor;
module_param(floor, int, 0444);
MODULE_PARM_DESC(floor, "Loops for what vmalloc() costs at least");

static int space;
module_param(space, int, 0444);
MODULE_PARM_DESC(space, "Loops for what address space alone costs, with 1 and with all CPUs");

static int slab;
module_param(slab, int, 0444);
MODULE_PARM_DESC(slab, "Number of live areas whose slab memory is measured");

static struct page *pages[MOST_PAGES];
static struct rnd_state random;

static void *make_area(void)
{
	return vmap(pages, 1 + prandom_u32_state(&random) % MOST_PAGES, VM_MAP, PAGE_KERNEL);
}

/* Returns nanoseconds for one that goes and one that comes. */
static int replace(void **areas, int nr, u64 *ns)
{
	u64 began = ktime_get_ns();
	int i, at;

	for (i = 0; i < loops; i++) {
		at = prandom_u32_state(&random) % nr;
		vunmap(areas[at]);
		areas[at] = make_area();
		if (!areas[at])
			return -ENOMEM;
	}
	*ns = div_u64(ktime_get_ns() - began, loops);
	return 0;
}

static int measure(int nr)
{
	void **areas = vcalloc(nr, sizeof(*areas));
	int i, err = areas ? 0 : -ENOMEM;
	u64 ns = 0;

	for (i = 0; i < nr && !err; i++) {
		areas[i] = make_area();
		if (!areas[i])
			err = -ENOMEM;
		cond_resched();
	}
	if (!err)
		err = replace(areas, nr, &ns);
	for (i = 0; i < nr && areas; i++)
		vunmap(areas[i]);
	vfree(areas);
	if (!err)
		pr_info("live_%d %llu ns\n", nr, ns);
	return err;
}

/* ---- memory of what describes areas -------------------------------------------------- */

static void *make_page(void)
{
	return vmalloc(PAGE_SIZE);
}

/* What is off by one node's and CPU's share that was not added up yet is some pages. */
static s64 slab_bytes(void)
{
	return (s64)(global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		     global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B)) << PAGE_SHIFT;
}

static int measure_slab(const char *kind, void *(*make)(void), int nr)
{
	void **areas = vcalloc(nr, sizeof(*areas));
	s64 before = slab_bytes();
	int i, err = areas ? 0 : -ENOMEM;

	for (i = 0; i < nr && !err; i++) {
		areas[i] = make();
		if (!areas[i])
			err = -ENOMEM;
		cond_resched();
	}
	if (!err)
		pr_info("slab_%s_%d %lld bytes\n", kind, nr, slab_bytes() - before);
	/* vfree() frees those of vmap() as well. */
	for (i = 0; i < nr && areas; i++)
		vfree(areas[i]);
	vfree(areas);
	return err;
}

static int measure_slabs(void)
{
	return measure_slab("vmap", make_area, slab) ?:
	       measure_slab("vmalloc", make_page, slab);
}

#ifndef MODULE
/* ---- what no vmalloc can do without ------------------------------------------------ */

/* As many as full_fit_alloc_test() has, and with guard pages 64 MiB; one CPU is assumed. */
#define FLOOR_AREAS	(32UL * SZ_1M / PAGE_SIZE)
#define ROOM_PAGES	(4 * FLOOR_AREAS)

/**
 * struct turn - one turn of a case of lib/test_vmalloc.c
 * @name: the case
 * @nr_pages: of the area
 * @gfp: what its pages are allocated with; 0: they are there
 * @touches: writes to it
 */
struct turn {
	const char	*name;
	unsigned int	nr_pages;
	gfp_t		gfp;
	bool		touches;
};

static const struct turn turns[] = {
	{ "fix_size",	1,	GFP_KERNEL | __GFP_HIGHMEM | __GFP_NOWARN,	true },
	{ "fix_align",	5,	GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN,		false },
	{ "vm_map_ram",	1,	0,						true },
	{ "no_block",	1,	GFP_NOWAIT | __GFP_HIGHMEM | __GFP_NOWARN,	true },
};

/**
 * struct floor - a thread that does without areas
 * @room: ROOM_PAGES of address space
 * @at: the area in the upper half of it that the next turn uses
 * @turn: what a turn is
 * @page: the pages of a turn
 * @pages: full_fit: those outside of the loop
 */
struct floor {
	struct vm_struct	*room;
	unsigned long		at;
	const struct turn	*turn;
	struct page		*page[MOST_PAGES];
	struct page		**pages;
};

static void floor_put(struct page **page, unsigned int nr)
{
	while (nr--) {
		mod_lruvec_page_state(page[nr], NR_VMALLOC, -1);
		__free_page(page[nr]);
	}
}

static int floor_get(struct page **page, unsigned int nr, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		page[i] = alloc_page(gfp);
		if (!page[i]) {
			floor_put(page, i);
			return -ENOMEM;
		}
		mod_lruvec_page_state(page[i], NR_VMALLOC, 1);
	}
	return 0;
}

static int floor_map(unsigned long addr, struct page **page, const struct turn *turn)
{
	unsigned long end = addr + turn->nr_pages * PAGE_SIZE;
	int err = turn->gfp ? floor_get(page, turn->nr_pages, turn->gfp) : 0;

	if (err)
		return err;
	err = vmap_pages_range_noflush(addr, end, PAGE_KERNEL, page, PAGE_SHIFT, GFP_KERNEL);
	if (!err) {
		flush_cache_vmap(addr, end);
		return 0;
	}
	vunmap_range_noflush(addr, end);
	if (turn->gfp)
		floor_put(page, turn->nr_pages);
	return err;
}

static void floor_unmap(unsigned long addr, struct page **page, const struct turn *turn)
{
	unsigned long end = addr + turn->nr_pages * PAGE_SIZE;

	flush_cache_vunmap(addr, end);
	vunmap_range_noflush(addr, end);
	if (turn->gfp)
		floor_put(page, turn->nr_pages);
}

static unsigned long floor_addr(const struct floor *f, unsigned long i)
{
	return (unsigned long)f->room->addr + (f->turn->nr_pages + 1) * i * PAGE_SIZE;
}

static void floor_flush(const struct floor *f)
{
	unsigned long start = (unsigned long)f->room->addr;

	flush_tlb_kernel_range(start, start + ROOM_PAGES * PAGE_SIZE);
}

/* In the upper half of the room; each address is used once between two flushes. */
static int floor_loop(struct floor *f)
{
	unsigned long nr = ROOM_PAGES / 2 / (f->turn->nr_pages + 1), addr;
	int i, err;

	for (i = 0; i < floor; i++) {
		addr = floor_addr(f, nr + f->at);
		err = floor_map(addr, f->page, f->turn);
		if (err)
			return err;
		if (f->turn->touches)
			WRITE_ONCE(*(u8 *)addr, 1);
		floor_unmap(addr, f->page, f->turn);
		if (++f->at < nr)
			continue;
		floor_flush(f);
		f->at = 0;
	}
	return 0;
}

/* Fill all of the room, free every other page, do the loop in their place, free the rest. */
static int floor_full_fit(struct floor *f)
{
	unsigned long i, nr = 0;
	int err = 0;

	for (; nr < 2 * FLOOR_AREAS && !err; nr += !err)
		err = floor_map(floor_addr(f, nr), &f->pages[nr], f->turn);
	for (i = FLOOR_AREAS; i < nr; i++)
		floor_unmap(floor_addr(f, i), &f->pages[i], f->turn);
	floor_flush(f);
	err = err ?: floor_loop(f);
	for (i = 0; i < min(nr, FLOOR_AREAS); i++)
		floor_unmap(floor_addr(f, i), &f->pages[i], f->turn);
	floor_flush(f);
	return err;
}

static int measure_full_fit(void)
{
	struct floor f = {
		.room = get_vm_area(ROOM_PAGES * PAGE_SIZE, VM_MAP),
		.turn = &turns[0],
		.pages = vcalloc(2 * FLOOR_AREAS, sizeof(*f.pages)),
	};
	u64 began = ktime_get_ns();
	int err = f.room && f.pages ? floor_full_fit(&f) : -ENOMEM;

	if (!err)
		pr_info("floor_full_fit %llu ns\n", div_u64(ktime_get_ns() - began, floor));
	vfree(f.pages);
	if (f.room)
		free_vm_area(f.room);
	return err;
}

/* ---- threads, one on each CPU ------------------------------------------------------ */

#define SPACE_LIVE	64

struct worker {
	struct completion done;
	int (*work)(struct worker *worker);
	struct floor floor;
	struct vm_struct *area[SPACE_LIVE];
	u64 ns;
	int err;
};

/* Workers that have not begun yet. */
static atomic_t nr_waiting;

static int worker_thread(void *data)
{
	struct worker *worker = data;
	u64 began;

	atomic_dec(&nr_waiting);
	while (atomic_read(&nr_waiting) > 0)
		cpu_relax();
	began = ktime_get_ns();
	worker->err = worker->work(worker);
	worker->ns = ktime_get_ns() - began;
	complete(&worker->done);
	return 0;
}

static int worker_start(struct worker *worker, unsigned int cpu)
{
	struct task_struct *task;

	init_completion(&worker->done);
	task = kthread_create_on_node(worker_thread, worker, cpu_to_node(cpu), "live/%u", cpu);
	if (IS_ERR(task)) {
		/* The others are not to wait for it. */
		atomic_dec(&nr_waiting);
		complete(&worker->done);
		return PTR_ERR(task);
	}
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

/* Sets the nanoseconds of all workers together. */
static int workers_run(struct worker *workers, unsigned int nr, u64 *ns)
{
	unsigned int cpu, i = 0;
	int err;

	atomic_set(&nr_waiting, nr);
	for_each_online_cpu(cpu) {
		if (i == nr)
			break;
		/* Of one that runs, the error is its own. */
		err = worker_start(&workers[i], cpu);
		if (err)
			workers[i].err = err;
		i++;
	}
	err = 0;
	for (*ns = i = 0; i < nr; i++) {
		wait_for_completion(&workers[i].done);
		err = err ?: workers[i].err;
		*ns += workers[i].ns;
	}
	return err;
}

static int floor_work(struct worker *worker)
{
	return floor_loop(&worker->floor);
}

static int measure_turn(const struct turn *turn, unsigned int nr)
{
	struct worker *workers = kcalloc(nr, sizeof(*workers), GFP_KERNEL);
	int err = workers ? 0 : -ENOMEM;
	unsigned int i;
	u64 ns = 0;

	for (i = 0; i < nr && !err; i++) {
		workers[i].work = floor_work;
		workers[i].floor.turn = turn;
		workers[i].floor.page[0] = pages[0];
		workers[i].floor.room = get_vm_area(ROOM_PAGES * PAGE_SIZE, VM_MAP);
		err = workers[i].floor.room ? 0 : -ENOMEM;
	}
	err = err ?: workers_run(workers, nr, &ns);
	for (i = 0; i < nr && workers; i++)
		if (workers[i].floor.room)
			free_vm_area(workers[i].floor.room);
	kfree(workers);
	if (!err)
		pr_info("floor_%s_t%u %llu ns\n", turn->name, nr, div_u64(ns, nr * floor));
	return err;
}

static int measure_floor(void)
{
	unsigned int i, nr = num_online_cpus();
	int err = nr == 1 ? measure_full_fit() : 0;

	for (i = 0; i < ARRAY_SIZE(turns) && !err; i++)
		err = measure_turn(&turns[i], nr);
	return err;
}

/* ---- how threads meet where address space is found --------------------------------- */

static int space_work(struct worker *worker)
{
	struct vm_struct **area;
	int i;

	for (i = 0; i < space; i++) {
		area = &worker->area[i % SPACE_LIVE];
		if (*area)
			free_vm_area(*area);
		*area = get_vm_area((1 + i % MOST_PAGES) * PAGE_SIZE, VM_MAP);
		if (!*area)
			return -ENOMEM;
		if (i % 256 == 0)
			cond_resched();
	}
	return 0;
}

static int measure_space(unsigned int nr)
{
	struct worker *workers = kcalloc(nr, sizeof(*workers), GFP_KERNEL);
	unsigned int i, j;
	u64 ns = 0;
	int err;

	if (!workers)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		workers[i].work = space_work;
	err = workers_run(workers, nr, &ns);
	for (i = 0; i < nr; i++)
		for (j = 0; j < SPACE_LIVE; j++)
			if (workers[i].area[j])
				free_vm_area(workers[i].area[j]);
	kfree(workers);
	if (!err)
		pr_info("space_t%u %llu ns\n", nr, div_u64(ns, nr * space));
	return err;
}

static int measure_spaces(void)
{
	int err = measure_space(1);

	if (!err && num_online_cpus() > 1)
		err = measure_space(num_online_cpus());
	return err;
}
#else
static int measure_floor(void)
{
	return -EOPNOTSUPP;
}

static int measure_spaces(void)
{
	return -EOPNOTSUPP;
}
#endif

static int __init test_vmalloc_live_init(void)
{
	int i, err = 0;

	if (!nr_live && floor <= 0 && space <= 0 && slab <= 0)
		return IS_BUILTIN(CONFIG_TEST_VMALLOC_LIVE) ? 0 : -EINVAL;
	pages[0] = alloc_page(GFP_KERNEL);
	if (!pages[0])
		return -ENOMEM;
	for (i = 1; i < MOST_PAGES; i++)
		pages[i] = pages[0];
	prandom_seed_state(&random, 1);
	for (i = 0; i < nr_live && !err; i++)
		err = live[i] > 0 ? measure(live[i]) : -EINVAL;
	if (floor > 0 && !err)
		err = measure_floor();
	if (space > 0 && !err)
		err = measure_spaces();
	if (slab > 0 && !err)
		err = measure_slabs();
	__free_page(pages[0]);
	pr_info("end: %s\n", err ? "failed" : "passed");
	return err ?: IS_BUILTIN(CONFIG_TEST_VMALLOC_LIVE) ? 0 : -EAGAIN;
}
late_initcall(test_vmalloc_live_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of vmalloc areas while many are live");
