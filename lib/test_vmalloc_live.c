// SPDX-License-Identifier: GPL-2.0
/*
 * What an area of vmalloc space costs while many others are live.
 *
 * For each count in the parameter live, so many areas are made by vmap(), which
 * allocates no pages: all of them show one page. Then, loops times, one of them
 * at random is unmapped and another of random size takes its place. Time is for
 * both together; the mapping of 1 to 8 pages is part of it.
 *
 * Results are in the kernel's log as "live_COUNT VALUE ns".  Built in, it runs at
 * boot, if live is set; a module does its work while it is loaded, and does not
 * stay.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#define MOST_PAGES	8
#define MOST_COUNTS	8

static int live[MOST_COUNTS];
static int nr_live;
module_param_array(live, int, &nr_live, 0444);
MODULE_PARM_DESC(live, "Numbers of live areas, separated by commas");

static int loops = 20000;
module_param(loops, int, 0444);
MODULE_PARM_DESC(loops, "How many are replaced");

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

static int __init test_vmalloc_live_init(void)
{
	int i, err = 0;

	if (!nr_live)
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
	pr_info("end: %s\n", err ? "failed" : "passed");
	return err ?: IS_BUILTIN(CONFIG_TEST_VMALLOC_LIVE) ? 0 : -EAGAIN;
}
late_initcall(test_vmalloc_live_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of vmalloc areas while many are live");
