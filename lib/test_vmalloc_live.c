// SPDX-License-Identifier: GPL-2.0
/*
 * What an area of vmalloc space costs while many others are live.
 *
 * For each count in the parameter live, so many areas are made by vmap(), which
 * allocates no pages: all of them show one page. Then, loops times, one of them
 * at random is unmapped and another of random size takes its place. Time is for
 * both together; the mapping of 1 to 8 pages is part of it.
 *
 * With floor=LOOPS it measures what vmalloc() and vfree() of a page cannot do without:
 * the page, NR_VMALLOC, its entry in the page tables, clearing that, and a flush of the
 * TLB for each 32 MiB; no area, no descriptor, no address space is looked for.
 * "floor_fix_size" is a pair of these; "floor_full_fit" has, for each of the loops, its
 * part of what full_fit_alloc_test() of lib/test_vmalloc.c does before and after its loop.
 *
 * With space=LOOPS it measures how threads meet where address space is found: each, bound to a
 * CPU of its own, replaces the oldest of 64 areas of 1 to 8 pages, to which nothing is
 * mapped; first one thread alone, then one on each online CPU. Time is per area on one thread.
 *
 * Results are in the kernel's log as "live_COUNT VALUE ns", "floor_TEST VALUE ns",
 * "space_tTHREADS VALUE ns".
 * Built in, it runs at boot, if live, floor or space is set; a module does its work while it
 * is loaded, does not stay, and has only live.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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
MODULE_PARM_DESC(floor, "Loops for what a page of vmalloc() costs at least");

static int space;
module_param(space, int, 0444);
MODULE_PARM_DESC(space, "Loops for what address space alone costs, with 1 and with all CPUs");

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

#ifndef MODULE
/* As many as full_fit_alloc_test() has, and with guard pages 64 MiB; one CPU is assumed. */
#define FLOOR_AREAS	(32UL * SZ_1M / PAGE_SIZE)

struct floor {
	unsigned long start;		/* of room for 2 * FLOOR_AREAS, guard pages included */
	unsigned long at;		/* where the next of the loop goes */
	struct page **pages;		/* of those outside of the loop */
};

static unsigned long floor_addr(const struct floor *f, unsigned long i)
{
	return f->start + 2 * i * PAGE_SIZE;
}

static struct page *floor_map(unsigned long addr)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_HIGHMEM | __GFP_NOWARN);

	if (!page)
		return NULL;
	mod_lruvec_page_state(page, NR_VMALLOC, 1);
	if (!vmap_pages_range_noflush(addr, addr + PAGE_SIZE, PAGE_KERNEL, &page, PAGE_SHIFT,
				      GFP_KERNEL))
		return page;
	mod_lruvec_page_state(page, NR_VMALLOC, -1);
	__free_page(page);
	return NULL;
}

static void floor_unmap(unsigned long addr, struct page *page)
{
	vunmap_range_noflush(addr, addr + 2 * PAGE_SIZE);
	mod_lruvec_page_state(page, NR_VMALLOC, -1);
	__free_page(page);
}

static void floor_flush(const struct floor *f)
{
	flush_tlb_kernel_range(f->start, floor_addr(f, 2 * FLOOR_AREAS));
}

/* In the second half of the room; each address is used once between two flushes. */
static int floor_loop(struct floor *f)
{
	struct page *page;
	int i;

	for (i = 0; i < floor; i++) {
		page = floor_map(floor_addr(f, FLOOR_AREAS + f->at));
		if (!page)
			return -ENOMEM;
		WRITE_ONCE(*(u8 *)floor_addr(f, FLOOR_AREAS + f->at), 1);
		floor_unmap(floor_addr(f, FLOOR_AREAS + f->at), page);
		if (++f->at < FLOOR_AREAS)
			continue;
		floor_flush(f);
		f->at = 0;
	}
	return 0;
}

/* Fill all of the room, free every other page, do the loop in their place, free the rest. */
static int floor_full_fit(struct floor *f)
{
	unsigned long i;
	int err = 0;

	for (i = 0; i < 2 * FLOOR_AREAS && !err; i++) {
		f->pages[i] = floor_map(floor_addr(f, i));
		err = f->pages[i] ? 0 : -ENOMEM;
	}
	for (i = FLOOR_AREAS; i < 2 * FLOOR_AREAS; i++)
		if (f->pages[i])
			floor_unmap(floor_addr(f, i), f->pages[i]);
	floor_flush(f);
	err = err ?: floor_loop(f);
	for (i = 0; i < FLOOR_AREAS; i++)
		if (f->pages[i])
			floor_unmap(floor_addr(f, i), f->pages[i]);
	floor_flush(f);
	return err;
}

static int floor_show(struct floor *f, const char *name, int (*work)(struct floor *f))
{
	u64 began = ktime_get_ns();
	int err = work(f);

	if (!err)
		pr_info("floor_%s %llu ns\n", name, div_u64(ktime_get_ns() - began, floor));
	return err;
}

static int measure_floor(void)
{
	struct vm_struct *vm = get_vm_area(4 * FLOOR_AREAS * PAGE_SIZE, VM_MAP);
	struct floor f = { .pages = vcalloc(2 * FLOOR_AREAS, sizeof(*f.pages)) };
	int err = -ENOMEM;

	if (vm && f.pages) {
		f.start = (unsigned long)vm->addr;
		err = floor_show(&f, "full_fit", floor_full_fit) ?:
		      floor_show(&f, "fix_size", floor_loop);
	}
	vfree(f.pages);
	if (vm)
		free_vm_area(vm);
	return err;
}

#define SPACE_LIVE	64

struct space_worker {
	struct completion done;
	struct vm_struct *area[SPACE_LIVE];
	u64 ns;
	int err;
};

/* Workers that have not begun yet. */
static atomic_t space_waiting;

static int space_thread(void *data)
{
	struct space_worker *worker = data;
	struct vm_struct **area;
	u64 began;
	int i;

	atomic_dec(&space_waiting);
	while (atomic_read(&space_waiting) > 0)
		cpu_relax();
	began = ktime_get_ns();
	for (i = 0; i < space && !worker->err; i++) {
		area = &worker->area[i % SPACE_LIVE];
		if (*area)
			free_vm_area(*area);
		*area = get_vm_area((1 + i % MOST_PAGES) * PAGE_SIZE, VM_MAP);
		if (!*area)
			worker->err = -ENOMEM;
		if (i % 256 == 0)
			cond_resched();
	}
	worker->ns = ktime_get_ns() - began;
	for (i = 0; i < SPACE_LIVE; i++)
		if (worker->area[i])
			free_vm_area(worker->area[i]);
	complete(&worker->done);
	return 0;
}

static int space_start(struct space_worker *worker, unsigned int cpu)
{
	struct task_struct *task;

	init_completion(&worker->done);
	task = kthread_create_on_node(space_thread, worker, cpu_to_node(cpu), "space/%u", cpu);
	if (IS_ERR(task)) {
		/* The others are not to wait for it. */
		atomic_dec(&space_waiting);
		complete(&worker->done);
		return PTR_ERR(task);
	}
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

static int measure_space(unsigned int nr)
{
	struct space_worker *workers = kcalloc(nr, sizeof(*workers), GFP_KERNEL);
	unsigned int cpu, i = 0;
	int err = 0;
	u64 ns = 0;

	if (!workers)
		return -ENOMEM;
	atomic_set(&space_waiting, nr);
	for_each_online_cpu(cpu) {
		if (i == nr)
			break;
		workers[i].err = space_start(&workers[i], cpu);
		i++;
	}
	for (i = 0; i < nr; i++) {
		wait_for_completion(&workers[i].done);
		err = err ?: workers[i].err;
		ns += workers[i].ns;
	}
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

	if (!nr_live && floor <= 0 && space <= 0)
		return IS_BUILTIN(CONFIG_TEST_VMALLOC_LIVE) ? 0 : -EINVAL;
	pages[0] = alloc_page(GFP_KERNEL);
	if (!pages[0])
		return -ENOMEM;
	for (i = 1; i < MOST_PAGES; i++)
		pages[i] = pages[0];
	prandom_seed_state(&random, 1);
	for (i = 0; i < nr_live && !err; i++)
		err = live[i] > 0 ? measure(live[i]) : -EINVAL;
	__free_page(pages[0]);
	if (floor > 0 && !err)
		err = measure_floor();
	if (space > 0 && !err)
		err = measure_spaces();
	pr_info("end: %s\n", err ? "failed" : "passed");
	return err ?: IS_BUILTIN(CONFIG_TEST_VMALLOC_LIVE) ? 0 : -EAGAIN;
}
late_initcall(test_vmalloc_live_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of vmalloc areas while many are live");
