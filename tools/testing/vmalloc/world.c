// SPDX-License-Identifier: GPL-2.0
/*
 * world.c - a machine: boot, checks, shutdown
 */
#include "test.h"

static long boot_objects;
static long boot_shadow;

void world_boot_at(unsigned int nr_cpus, unsigned long start, unsigned long window_bytes,
		   struct vm_struct *early_list)
{
	shim_nr_cpus = nr_cpus;
	sim_reset();
	sim.window_start = start;
	/* Gigabytes are none in 32 bits, where one has to do. */
	sim.window_end = start + (window_bytes ?: 0x40000000UL);
	vmap_space_init(early_list);
	boot_objects = sim.nr_objects;
	boot_shadow = sim.nr_shadow;
	world_check();
}

void world_boot(unsigned int nr_cpus, unsigned long window_bytes)
{
	world_boot_at(nr_cpus, WORLD_START, window_bytes, NULL);
}

void world_check(void)
{
	EXPECT(vmap_space_validate());
}

/* Layers above that this test does not have. */
void vmap_ram_purge_fragmented(void)
{
	lockdep_assert_held(&vmap_purge_lock);
}

void free_vm_area(struct vm_struct *vm)
{
	model_free((unsigned long)vm->addr, true);
	kfree(vm);
}

static unsigned long nr_ranges(struct rb_root *root)
{
	unsigned long nr = 0;
	struct rb_node *node;

	for (node = rb_first(root); node; node = rb_next(node))
		nr++;
	return nr;
}

void world_shutdown(void)
{
	struct vmap_space_stats stats;
	struct shrink_control sc = { };

	vmap_space_purge(ULONG_MAX, 0, false);
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	sim_rcu_quiesce();
	vmap_space_read_stats(&stats);
	world_check();
	EXPECT_EQ(stats.lazy_pages, 0);
	EXPECT_EQ(stats.nr_segments, 0);
	EXPECT_EQ(sim_cache_objects("vmap_segment"), 0);
	EXPECT_EQ(nr_ranges(&vmap_ranges.busy), 0);
	EXPECT_EQ(nr_ranges(&vmap_ranges.free), 1);
	/* One free range, and a spare for each CPU that has not used it up. */
	EXPECT(sim_cache_objects("vmap_area") <= 1 + SHIM_NR_CPUS);
	EXPECT(sim.nr_objects <= boot_objects);
}
