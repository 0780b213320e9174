// SPDX-License-Identifier: GPL-2.0
/*
 * test-fail.c - each allocation fails in turn, the preload's own included
 */
#include "test.h"

#define GIB		0x40000000UL
#define MIB		0x100000UL

/* Does the scenario with the first, second ... allocation failing, until none does. */
static unsigned long fail_each(unsigned int nr_cpus, unsigned long window,
			       void (*scenario)(void))
{
	unsigned long nth = 0;

	world_boot(nr_cpus, window);
	do {
		sim.fail_nth = ++nth;
		scenario();
		if (!sim.fail_nth)
			world_check();
		model_check();
		model_free_all();
		vmap_space_purge(ULONG_MAX, 0, false);
		sim.shrinker->scan_objects(sim.shrinker, NULL);
	} while (!sim.fail_nth);
	sim.fail_nth = 0;
	world_shutdown();
	return nth - 1;
}

static void alloc_small(void)
{
	model_alloc_gfp(2, 1, GFP_NOWAIT);
	model_alloc_gfp(200, 1, GFP_NOIO);
	model_alloc_gfp(3000, 1, GFP_NOFS | __GFP_NORETRY);
}

TEST(fail_small)
{
	EXPECT(fail_each(1, 64 * GIB * (PAGE_SIZE >> 12), alloc_small) >= 9);
}

/* Middle fits only, so that each needs a second descriptor. */
static void alloc_windows(void)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_NOFS,
	};
	unsigned int i;

	for (i = 1; i < 4; i++) {
		req.start = VMALLOC_START + i * MIB;
		req.end = req.start + PAGE_SIZE;
		model_alloc(&req);
	}
}

TEST(fail_windows)
{
	EXPECT(fail_each(1, 64 * MIB, alloc_windows) >= 6);
}

/* With neither spare nor memory, a split fails clean, and edges are still served. */
TEST(fail_preload)
{
	struct vmap_space_stats stats;
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_NOWAIT,
	};
	struct vmap_area *spare;

	world_boot(1, 64 * MIB);
	req.start = VMALLOC_START;
	req.end = VMALLOC_START + PAGE_SIZE;
	EXPECT(!IS_ERR(model_alloc(&req)));	/* the rest starts behind it */
	spare = vmap_preload(GFP_NOWAIT, NUMA_NO_NODE);
	sim.fail_nth = 2;			/* the area's own is the first */
	req.start = VMALLOC_START + MIB;
	req.end = req.start + PAGE_SIZE;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -ENOMEM);
	EXPECT_EQ(sim.fail_nth, 0);
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_preload_failures, 1);
	model_check();
	sim.fail_nth = 2;
	req.start = VMALLOC_START + PAGE_SIZE;
	req.end = req.start + PAGE_SIZE;
	EXPECT(!IS_ERR(model_alloc(&req)) || sim.fail_nth == 0);
	vmap_descriptor_free(spare);
	sim.fail_nth = 0;
	model_free_all();
	world_shutdown();
}

/* Without memory for a segment, the area becomes a range. */
TEST(fail_segment_metadata)
{
	struct vmap_area *va;

	world_boot(1, 64 * GIB);
	sim.no_descriptors = "vmap_segment";
	va = model_alloc_gfp(2, 1, GFP_NOWAIT);
	EXPECT(!IS_ERR(va) && !(va->flags & VMAP_IN_SEGMENT));
	sim.no_descriptors = NULL;
	va = model_alloc_gfp(2, 1, GFP_NOWAIT);
	EXPECT(va->flags & VMAP_IN_SEGMENT);
	model_check();
	model_free_all();
	world_shutdown();
}

/* CPU 0 has no segment, nor memory for one; that of CPU 1 has room. */
static void boot_with_segment_of_other(void)
{
	world_boot(2, 64 * GIB);
	shim_task.cpu = 1;
	model_alloc_pages(3, 1);
	shim_task.cpu = 0;
	sim.no_descriptors = "vmap_segment";
}

static bool shadow_fails;

static void see_failure(const char *cache, gfp_t gfp)
{
	if (sim.fail_nth == 1)
		shadow_fails = !strcmp(cache, "shadow");
}

/* In ranges it would lie in the middle; whichever descriptor is missing, a segment needs one. */
TEST(fail_other_segment_serves)
{
	struct vmap_area *va, *spare;
	unsigned int nth;

	boot_with_segment_of_other();
	sim.on_alloc = see_failure;
	for (nth = 1; nth < 7; nth++) {
		spare = vmap_preload(GFP_NOWAIT, NUMA_NO_NODE);
		if (spare)
			vmap_descriptor_free(spare);
		sim.fail_nth = nth;
		va = model_alloc_gfp(2, 16, GFP_NOWAIT);
		sim.fail_nth = 0;
		EXPECT_EQ(IS_ERR(va), shadow_fails);
		shadow_fails = false;
		model_check();
	}
	sim.on_alloc = NULL;
	sim.no_descriptors = NULL;
	model_free_all();
	world_shutdown();
}

/* Nor does it need one if the caller has it. */
TEST(fail_own_descriptor_serves)
{
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = PAGE_SIZE, .node = NUMA_NO_NODE,
		.gfp = GFP_NOWAIT,
	};
	struct model_object object = { };

	boot_with_segment_of_other();
	sim.no_descriptors = "vmap_area";
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	model_bring_descriptor(&req, &object);
	EXPECT(vmap_space_alloc(&req) == &object.va);
	EXPECT(vmap_space_unlink(object.va.va_start) == &object.va);
	vmap_space_free(&object.va);
	sim.no_descriptors = NULL;
	model_free_all();
	world_shutdown();
}

TEST(fail_at_random)
{
	unsigned int i;

	world_boot(2, 64 * GIB);
	sim.fail_permille = 200;
	for (i = 0; i < test_scaled(3000); i++) {
		shim_task.cpu = sim_below(2);
		if (sim_below(2) || !model_nr_areas())
			model_alloc_gfp(sim_between(1, 3000), 1UL << sim_below(8),
					sim_below(2) ? GFP_NOWAIT : GFP_KERNEL | __GFP_NOWARN);
		else
			model_free(model_area_start(sim_below(model_nr_areas())), true);
		if (sim_below(50) == 0)
			vmap_space_purge(ULONG_MAX, 0, false);
		if (i % 100 == 0)
			model_check();
	}
	sim.fail_permille = 0;
	model_free_all();
	world_shutdown();
}
