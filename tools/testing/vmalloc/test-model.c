// SPDX-License-Identifier: GPL-2.0
/*
 * test-model.c - random calls, compared with the naive model after every step
 */
#include "test.h"

#define GIB		0x40000000UL
#define MIB		0x100000UL

static unsigned long random_pages(void)
{
	switch (sim_below(8)) {
	case 0:
		return sim_between(100, 600);
	case 1:
		return sim_between(1000, 5000);
	case 2:
		return sim_between(1, 130);
	default:
		return sim_between(1, 10);
	}
}

static void random_window(struct vmap_request *req)
{
	unsigned long pages = (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT;

	req->start = VMALLOC_START;
	req->end = VMALLOC_END;
	switch (sim_below(16)) {
	case 0:		/* near the start, where segments are */
		req->start += (u64)sim_below(min(pages, 4096UL)) << PAGE_SHIFT;
		req->end = req->start + ((u64)sim_between(1, 2000) << PAGE_SHIFT);
		break;
	case 1:
		req->start = 0;
		req->end = (u64)sim_between(1, 3000) << PAGE_SHIFT;
		break;
	case 2:
		req->end = ULONG_MAX;
		req->start = req->end - ((u64)sim_between(1, 3000) << PAGE_SHIFT);
		break;
	}
}

static void random_step(void)
{
	static const gfp_t masks[] = {
		GFP_KERNEL | __GFP_NOWARN, GFP_NOFS | __GFP_NOWARN, GFP_NOIO | __GFP_NOWARN,
		GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
	};
	struct vmap_request req = {
		.node = NUMA_NO_NODE, .gfp = masks[sim_below(ARRAY_SIZE(masks))],
		.size_bytes = random_pages() << PAGE_SHIFT,
		.align_bytes = sim_below(4) ? 1 : PAGE_SIZE << sim_below(12),
		.va_flags = sim_below(4),
	};
	unsigned int nr = model_nr_areas();

	shim_task.cpu = sim_below(shim_nr_cpus);
	random_window(&req);
	if (nr < 200 && (sim_below(5) < 3 || !nr)) {
		shim_task.atomic = !gfpflags_allow_blocking(req.gfp);
		model_alloc(&req);
		shim_task.atomic = false;
	} else {
		model_free(model_area_start(sim_below(nr)), sim_below(4));
	}
	switch (sim_below(100)) {
	case 0:
		vmap_space_purge(ULONG_MAX, 0, false);
		break;
	case 1:
		sim.shrinker->scan_objects(sim.shrinker, NULL);
		break;
	case 2:
		sim_rcu_quiesce();
		break;
	}
	sim_run_work();
}

static void run_random(unsigned int nr_cpus, unsigned long window, unsigned int steps)
{
	world_boot(nr_cpus, window);
	model_own_descriptors = true;
	while (steps--) {
		random_step();
		model_check();
	}
	model_free_all();
	model_own_descriptors = false;
	world_shutdown();
}

TEST(model_both_classes)
{
	run_random(4, 64 * GIB * (PAGE_SIZE >> 12), test_scaled(3000));
}

TEST(model_one_class)
{
	run_random(2, GIB * (PAGE_SIZE >> 12), test_scaled(3000));
}

TEST(model_ranges_only)
{
	run_random(1, 16 * MIB * (PAGE_SIZE >> 12), test_scaled(3000));
}

/* Fragmentation: what small areas leave behind must not keep a large one out. */
TEST(model_fragmentation)
{
	unsigned long pages = 128 * VMAP_SEGMENT_GRANULES;
	unsigned int i, kept = 0;

	world_boot(1, pages << PAGE_SHIFT);
	for (i = 0; i < 3000; i++)
		EXPECT(!IS_ERR(model_alloc_pages(2, 1)));
	while (model_nr_areas() > kept) {
		if (sim_below(100) == 0)
			kept++;
		else
			model_free(model_area_start(model_nr_areas() - 1 - 0), true);
		if (kept >= 30)
			break;
	}
	EXPECT(!IS_ERR(model_alloc_pages(pages - 12 * VMAP_SEGMENT_GRANULES, 1)));
	model_check();
	model_free_all();
	world_shutdown();
}
