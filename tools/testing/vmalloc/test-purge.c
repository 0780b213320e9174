// SPDX-License-Identifier: GPL-2.0
/*
 * test-purge.c - lazily freed areas: flush before reuse, worker, shrinker, notifiers
 */
#include "test.h"

#define GIB		0x40000000UL

static unsigned long lazy_pages(void)
{
	struct vmap_space_stats stats;

	vmap_space_read_stats(&stats);
	return stats.lazy_pages;
}

TEST(purge_before_reuse)
{
	unsigned long small, large;

	world_boot(1, 64 * GIB);
	small = model_alloc_pages(2, 1)->va_start;
	large = model_alloc_pages(VMAP_SEGMENT_GRANULES * 16, 1)->va_start;
	model_free(small, true);
	model_free(large, true);
	EXPECT(model_alloc_pages(2, 1)->va_start != small);
	EXPECT(model_alloc_pages(VMAP_SEGMENT_GRANULES * 16, 1)->va_start != large);
	EXPECT_EQ(sim.nr_flushes, 0);
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(sim.nr_flushes, 1);
	EXPECT_EQ(lazy_pages(), 0);
	EXPECT_EQ(model_alloc_pages(2, 1)->va_start, small);
	EXPECT_EQ(model_alloc_pages(VMAP_SEGMENT_GRANULES * 16, 1)->va_start, large);
	model_check();
	model_free_all();
	world_shutdown();
}

/* set_memory() of x86 calls vm_unmap_aliases() before there is a vmalloc space. */
TEST(purge_before_boot)
{
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(sim.nr_flushes, 0);
	EXPECT_EQ(lazy_pages(), 0);
	world_boot(1, 64 * GIB);
	model_free(model_alloc_pages(2, 1)->va_start, true);
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(sim.nr_flushes, 1);
	EXPECT_EQ(lazy_pages(), 0);
	world_shutdown();
}

TEST(purge_unmapped_needs_no_flush)
{
	unsigned long addr;

	world_boot(1, 64 * GIB);
	addr = model_alloc_pages(2, 1)->va_start;
	model_free(addr, false);
	EXPECT_EQ(model_alloc_pages(2, 1)->va_start, addr);
	EXPECT_EQ(sim.nr_flushes, 0);
	model_free_all();
	world_shutdown();
}

/* vm_unmap_aliases(): its range is flushed even if nothing was freed. */
TEST(purge_flushes_what_is_asked_for)
{
	world_boot(1, 64 * GIB);
	vmap_space_purge(ULONG_MAX, 0, true);
	EXPECT_EQ(sim.nr_flushes, 0);
	sim_tlb_stale(VMALLOC_START, VMALLOC_START + PAGE_SIZE);
	vmap_space_purge(VMALLOC_START, VMALLOC_START + PAGE_SIZE, false);
	EXPECT_EQ(sim.nr_flushes, 0);
	vmap_space_purge(VMALLOC_START, VMALLOC_START + PAGE_SIZE, true);
	sim_tlb_check(VMALLOC_START, VMALLOC_START + PAGE_SIZE);
	/* And together with what was. */
	sim_tlb_stale(VMALLOC_START + GIB, VMALLOC_START + GIB + PAGE_SIZE);
	model_free(model_alloc_pages(2, 1)->va_start, true);
	vmap_space_purge(VMALLOC_START + GIB, VMALLOC_START + GIB + PAGE_SIZE, true);
	sim_tlb_check(VMALLOC_START + GIB, VMALLOC_START + GIB + PAGE_SIZE);
	EXPECT_EQ(sim.nr_flushes, 2);
	world_shutdown();
}

TEST(purge_worker_starts_when_due)
{
	unsigned long max = (32UL << 20) >> PAGE_SHIFT, nr = 0;

	world_boot(1, 64 * GIB);
	while (!sim.work) {
		model_free(model_alloc_pages(16, 1)->va_start, true);
		nr += 16;
		EXPECT(nr <= max + 512);
	}
	EXPECT(nr > max);
	EXPECT(lazy_pages() >= nr);
	EXPECT(sim_run_work());
	EXPECT_EQ(lazy_pages(), 0);
	model_check();
	world_shutdown();
}

static void see_lazy(unsigned long start, unsigned long end, void *data)
{
	*(unsigned long *)data += (end - start) >> PAGE_SHIFT;
}

TEST(purge_walk_lazy)
{
	unsigned long nr = 0;

	world_boot(1, 64 * GIB);
	model_alloc_pages(2, 1);
	model_free(model_alloc_pages(2, 1)->va_start, true);
	model_alloc_pages(2, 1);
	model_free(model_alloc_pages(6, 1)->va_start, true);
	model_free(model_alloc_pages(VMAP_SEGMENT_GRANULES * 16, 1)->va_start, true);
	vmap_space_walk_lazy(see_lazy, &nr);
	EXPECT_EQ(nr, 8 + VMAP_SEGMENT_GRANULES * 16);
	EXPECT_EQ(lazy_pages(), nr);
	model_free_all();
	world_shutdown();
}

static void see_lazy_locked(unsigned long start, unsigned long end, void *data)
{
	lockdep_assert_held(&vmap_nodes->lock);
	see_lazy(start, end, data);
}

/* Nobody waits for a node's lock until all that is lazy was seen. */
TEST(purge_walk_lazy_in_batches)
{
	unsigned long nr = 0, nr_pages = 0;
	unsigned int i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (i = 0; i < 2000; i++) {
		model_alloc_pages(1, 1);
		model_free(model_alloc_pages(1, 1)->va_start, true);
	}
	nr_pages = 2000;
	for (i = 0; i < 400; i++)
		model_free(model_alloc_pages(VMAP_SEGMENT_GRANULES * 4 + 1, 1)->va_start, true);
	nr_pages += 400 * (VMAP_SEGMENT_GRANULES * 4 + 1);
	sim.most_steps = 0;
	vmap_space_walk_lazy(see_lazy_locked, &nr);
	EXPECT_EQ(nr, nr_pages);
	EXPECT(sim.most_steps > 100 && sim.most_steps <= VMAP_SEGMENT_GRANULES);
	model_free_all();
	world_shutdown();
}

/* What is freed while a purge flushes must wait for the next one. */
static unsigned long freed_meanwhile;

static void free_during_purge(unsigned long start, unsigned long end)
{
	unsigned long addr = freed_meanwhile;

	freed_meanwhile = 0;
	if (addr)
		model_free(addr, true);
}

TEST(purge_meets_frees)
{
	unsigned long first, second;
	unsigned int nr;

	world_boot(1, 64 * GIB);
	first = model_alloc_pages(2, 1)->va_start;
	second = model_alloc_pages(2, 1)->va_start;
	for (nr = 2; nr < VMAP_SEGMENT_GRANULES / 2; nr++)
		model_alloc_pages(2, 1);
	model_free(first, true);
	sim_on_release = free_during_purge;
	freed_meanwhile = second;
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT(!freed_meanwhile);
	EXPECT_EQ(lazy_pages(), 2);
	EXPECT_EQ(model_alloc_pages(2, 1)->va_start, first);
	EXPECT(model_alloc_pages(2, 1)->va_start != second);
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(lazy_pages(), 0);
	model_check();
	model_free_all();
	world_shutdown();
}

TEST(purge_gives_segments_back)
{
	struct vmap_space_stats stats;
	struct shrink_control sc = { };
	unsigned int i;

	world_boot(1, 64 * GIB);
	for (i = 0; i < 2048; i++)
		model_alloc_pages(2, 1);
	model_free_all();
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_segments, 8);
	vmap_space_purge(ULONG_MAX, 0, false);
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_segments, 1);
	world_check();
	/* One stays, and descriptors: the shrinker counts and frees them. */
	EXPECT_EQ(sim.shrinker->count_objects(sim.shrinker, &sc), 1 + 64);
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	EXPECT_EQ(sim.shrinker->count_objects(sim.shrinker, &sc), SHRINK_EMPTY);
	world_shutdown();
}

/*
 * A segment in the last bin that is in use, as its bound is not exact, does not keep an
 * empty one behind it from being given back.
 */
TEST(purge_passes_segment_in_use)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	struct shrink_control sc = { };
	struct vmap_space_stats stats;
	unsigned long addr[5];
	unsigned int i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	/* Four of them fill the first segment. */
	for (i = 0; i < 5; i++)
		addr[i] = model_alloc_pages(VMAP_SEGMENT_GRANULES / 4, 1)->va_start;
	for (i = 0; i < 5; i++)
		model_free(addr[i], false);
	req.start = addr[4] + 10 * PAGE_SIZE;
	req.end = req.start + 10 * PAGE_SIZE;
	EXPECT_EQ(model_alloc(&req)->va_start, req.start);
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_segments, 1);
	model_free_all();
	world_shutdown();
}

/* The shrinker does not wait for a purge, which may have called it. */
TEST(purge_shrinker_does_not_wait)
{
	struct shrink_control sc = { };

	world_boot(1, 64 * GIB);
	mutex_lock(&vmap_purge_lock);
	EXPECT_EQ(sim.shrinker->scan_objects(sim.shrinker, &sc), SHRINK_STOP);
	mutex_unlock(&vmap_purge_lock);
	world_shutdown();
}

static unsigned long held_by_driver;
static unsigned int nr_calls;

static int driver_frees(struct notifier_block *nb, unsigned long action, void *data)
{
	nr_calls++;
	if (held_by_driver) {
		model_free(held_by_driver, true);
		held_by_driver = 0;
		*(unsigned long *)data += 1;
	}
	return 0;
}

TEST(purge_notifier)
{
	struct notifier_block nb = { .notifier_call = driver_frees };
	unsigned long pages = (64UL << 20) >> PAGE_SHIFT;

	world_boot(1, 64UL << 20);
	register_vmap_purge_notifier(&nb);
	held_by_driver = model_alloc_pages(pages, 1)->va_start;
	EXPECT(IS_ERR(model_alloc_gfp(1, 1, GFP_NOWAIT)));
	EXPECT_EQ(nr_calls, 0);
	EXPECT(!IS_ERR(model_alloc_pages(pages, 1)));
	EXPECT_EQ(nr_calls, 1);
	EXPECT_EQ(PTR_ERR(model_alloc_pages(1, 1)), -EBUSY);
	EXPECT_EQ(nr_calls, 2);
	EXPECT_EQ(sim.nr_messages, 1);
	EXPECT_EQ(PTR_ERR(model_alloc_gfp(1, 1, GFP_KERNEL | __GFP_NOWARN)), -EBUSY);
	EXPECT_EQ(sim.nr_messages, 1);
	unregister_vmap_purge_notifier(&nb);
	model_free_all();
	world_shutdown();
}

static unsigned int nr_races;

/* After a purge, others take all that there is, and free it lazily. */
static void others_are_faster(const spinlock_t *lock)
{
	if (lock != &vmap_purge_lock.lock || !nr_races)
		return;
	nr_races--;
	sim_on_unlock = NULL;
	model_free(model_alloc_gfp((64UL << 20) >> PAGE_SHIFT, 1, GFP_NOWAIT)->va_start, true);
	sim_on_unlock = others_are_faster;
}

/* Who can sleep is not refused for that, but not kept for ever either. */
TEST(purge_again)
{
	struct vmap_area *va;
	unsigned int purges;

	world_boot(1, 64UL << 20);
	for (purges = 1; purges < 6; purges++) {
		model_free(model_alloc_gfp((64UL << 20) >> PAGE_SHIFT, 1, GFP_KERNEL)->va_start,
			   true);
		nr_races = purges - 1;
		sim_on_unlock = others_are_faster;
		va = model_alloc_gfp(1, 1, GFP_KERNEL);
		EXPECT(!IS_ERR(va));
		model_free(va->va_start, true);
		EXPECT_EQ(nr_races, 0);
		sim_on_unlock = NULL;
	}
	nr_races = UINT_MAX;
	model_free(model_alloc_gfp((64UL << 20) >> PAGE_SHIFT, 1, GFP_KERNEL)->va_start, true);
	sim_on_unlock = others_are_faster;
	EXPECT_EQ(PTR_ERR(model_alloc_gfp(1, 1, GFP_KERNEL | __GFP_NOWARN)), -EBUSY);
	sim_on_unlock = NULL;
	EXPECT(UINT_MAX - nr_races < 100);
	world_shutdown();
}

/* Shadow is released where nothing is in use, and is there where something is. */
TEST(purge_shadow)
{
	unsigned long addr;
	long before;

	world_boot(1, 64 * GIB);
	before = sim.nr_shadow;
	addr = model_alloc_pages(64, 1)->va_start;
	EXPECT_EQ(sim.nr_shadow, before + 8);
	model_alloc_pages(2, 1);
	model_free(addr, true);
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(sim.nr_shadow, before + 1);
	model_free_all();
	world_shutdown();
	EXPECT_EQ(sim.nr_shadow, before);
}

/* KASAN hears of what is lazy, not of the direct map that is flushed along with it. */
TEST(purge_shadow_of_lazy_only)
{
	unsigned long first, second;

	world_boot(1, 64 * GIB);
	first = model_alloc_pages(64, 1)->va_start;
	second = model_alloc_pages(64, 1)->va_start;
	model_free(first, true);
	model_free(second, true);
	vmap_space_purge(VMALLOC_START - 64 * GIB, VMALLOC_START - 63 * GIB, true);
	EXPECT_EQ(sim.nr_flushes, 1);
	EXPECT_EQ(sim.nr_shadow_flushes, 1);
	EXPECT_EQ(sim.shadow_flush_start, first);
	EXPECT_EQ(sim.shadow_flush_end, second + 64 * PAGE_SIZE);
	model_free_all();
	world_shutdown();
}

/* However many segments were emptied: one flush for what was lazy, and one for them. */
TEST(purge_flushes_shadow_twice)
{
	struct shrink_control sc = { };
	unsigned int i;

	world_boot(1, 64 * GIB);
	for (i = 0; i < 64; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES / 4, 1);
	model_free_all();
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(sim.nr_shadow_flushes, 2);
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	EXPECT_EQ(sim.nr_shadow_flushes, 3);
	/* There was nothing to give back. */
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	EXPECT_EQ(sim.nr_shadow_flushes, 3);
	world_shutdown();
}

/* Others get the CPU in between, however many segments and ranges there are. */
TEST(purge_lets_others_run)
{
	unsigned int i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (i = 0; i < 400; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES / 4, 1);
	for (i = 0; i < 512; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES * 4 + 1, 1);
	model_free_all();
	cond_resched();
	sim.most_works = 0;
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT(sim.most_works && sim.most_works < 10);
	world_shutdown();
}

/* Nor does anybody wait long for a node's lock, however many of its segments are empty. */
TEST(purge_detaches_some_at_a_time)
{
	struct shrink_control sc = { };
	unsigned int i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (i = 0; i < 1600; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES / 4, 1);
	model_free_all();
	sim.most_steps = 0;
	vmap_space_purge(ULONG_MAX, 0, false);
	sim.shrinker->scan_objects(sim.shrinker, &sc);
	EXPECT(sim.most_steps && sim.most_steps < 100);
	EXPECT_EQ(sim.shrinker->count_objects(sim.shrinker, &sc), SHRINK_EMPTY);
	world_shutdown();
}
