// SPDX-License-Identifier: GPL-2.0
/*
 * test-segment.c - segments: small areas, classes, nodes, windows
 */
#include "test.h"

#define GIB		0x40000000UL

static unsigned long nr_segments(void)
{
	struct vmap_space_stats stats;

	vmap_space_read_stats(&stats);
	return stats.nr_segments;
}

TEST(segment_small_areas_share_one)
{
	unsigned int i;

	world_boot(1, 64 * GIB);
	for (i = 0; i < VMAP_SEGMENT_GRANULES / 2; i++)
		EXPECT_EQ(model_alloc_pages(2, 1)->va_start,
			  VMALLOC_START + 2 * i * PAGE_SIZE);
	EXPECT_EQ(nr_segments(), 1);
	model_alloc_pages(2, 1);
	EXPECT_EQ(nr_segments(), 2);
	model_check();
	model_free_all();
	model_check();
	world_shutdown();
}

/* Up to 128 pages class 0, up to 2048 class 1, above that a range. */
TEST(segment_classes)
{
	static const unsigned long pages[] = { 1, 2, 127, 128, 129, 2047, 2048, 2049 };
	unsigned int i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct vmap_area *va = model_alloc_pages(pages[i], 1);

		EXPECT_EQ(!!(va->flags & VMAP_IN_SEGMENT), pages[i] <= 2048);
	}
	EXPECT_EQ(nr_segments(), 2);
	model_check();
	model_free_all();
	world_shutdown();
}

TEST(segment_alignment)
{
	unsigned long align, pages;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (align = 1; align <= 8192; align *= 2)
		for (pages = 1; pages <= 300; pages += 13)
			EXPECT(!IS_ERR(model_alloc_pages(pages, align)));
	model_check();
	model_free_all();
	world_shutdown();
}

/* An area in class 1 does not fill its last granule: what is behind it is nobody's. */
TEST(segment_padding_is_not_found)
{
	struct vmap_area *va;
	unsigned long end;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	va = model_alloc_pages(130, 1);
	end = va->va_end;
	EXPECT(vmap_space_find(end - 1) == va);
	EXPECT(!vmap_space_find(end));
	EXPECT(!vmap_space_unlink(end + PAGE_SIZE));
	EXPECT_EQ(model_alloc_pages(130, 1)->va_start, va->va_start + 144 * PAGE_SIZE);
	model_free_all();
	world_shutdown();
}

/* CPUs do not share segments, but free each other's areas. */
TEST(segment_nodes)
{
	unsigned long addr[4];
	unsigned int cpu;

	world_boot(4, 64 * GIB);
	EXPECT_EQ(nr_vmap_nodes, 4);
	for (cpu = 0; cpu < 4; cpu++) {
		shim_task.cpu = cpu;
		addr[cpu] = model_alloc_pages(2, 1)->va_start;
	}
	EXPECT_EQ(nr_segments(), 4);
	for (cpu = 0; cpu < 4; cpu++) {
		shim_task.cpu = 3 - cpu;
		model_free(addr[cpu], true);
	}
	model_check();
	world_shutdown();
}

/* A window that lies in a segment gets what is free there. */
TEST(segment_window_inside)
{
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	unsigned long first;

	world_boot(2, 64 * GIB);
	first = model_alloc_pages(2, 1)->va_start;
	shim_task.cpu = 1;
	req.start = first + 64 * PAGE_SIZE;
	req.end = req.start + 2 * PAGE_SIZE;
	EXPECT_EQ(model_alloc(&req)->va_start, req.start);
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	req.start = first;
	req.end = first + 2 * PAGE_SIZE;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	/* After it was freed, the window has room again: the purge sees to it. */
	model_free(first, true);
	EXPECT_EQ(model_alloc(&req)->va_start, first);
	model_check();
	model_free_all();
	world_shutdown();
}

/* Where granules are 16 pages, an area begins at the start of one, in windows too. */
TEST(segment_window_in_granule)
{
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL | __GFP_NOWARN,
	};
	unsigned long granule;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	granule = model_alloc_pages(200, 1)->va_start + 16 * 16 * PAGE_SIZE;
	req.start = granule + PAGE_SIZE;
	req.end = granule + 16 * PAGE_SIZE;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	req.start = granule;
	EXPECT_EQ(model_alloc(&req)->va_start, granule);
	model_free_all();
	world_shutdown();
}

/*
 * A full window has many ranges, and none of them may be a segment: others who want the
 * lock need not wait until all were looked at.
 */
static void fill_and_fail(unsigned long start, unsigned long nr_pages)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL, .start = start, .end = start + nr_pages * PAGE_SIZE,
	};

	while (nr_pages--)
		EXPECT(!IS_ERR(model_alloc(&req)));
	sim.most_steps = 0;
	req.gfp |= __GFP_NOWARN;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	EXPECT(sim.most_steps && sim.most_steps < 100);
}

TEST(segment_full_window_in_batches)
{
	world_boot(1, 64 * GIB);
	fill_and_fail(VMALLOC_START + 32 * GIB, 1000);
	fill_and_fail(VMALLOC_START - 4 * GIB, 1000);
	model_check();
	model_free_all();
	world_shutdown();
}

/* Whoever comes by address to a segment that is going finds no room there. */
TEST(segment_detached_is_full)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_NOWAIT,
	};
	struct vmap_segment *seg;
	unsigned long addr;
	LIST_HEAD(ranges);

	world_boot(1, 64 * GIB);
	addr = model_alloc_pages(2, 1)->va_start;
	model_free(addr, false);
	rcu_read_lock();
	seg = vmap_segment_at(addr);
	rcu_read_unlock();
	spin_lock(&seg->node->lock);
	vmap_segment_detach(seg);
	spin_unlock(&seg->node->lock);
	req.start = addr;
	req.end = addr + PAGE_SIZE;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	vmap_segment_destroy(seg, &ranges);
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	vmap_range_free(&ranges);
	EXPECT_EQ(model_alloc(&req)->va_start, addr);
	model_free_all();
	world_shutdown();
}

static int see_first(struct vmap_area *va, void *data)
{
	*(struct vmap_area **)data = va;
	return 1;
}

/* A walk to an area does not come by all that lie before it, and misses none. */
TEST(segment_walk_from_within)
{
	unsigned int nr = VMAP_SEGMENT_GRANULES / 2, i;
	struct vmap_area *va, *seen;

	world_boot(1, 64 * GIB);
	for (i = 0; i < nr; i++)
		model_alloc_pages(2, 1);
	va = vmap_space_find(VMALLOC_START + (VMAP_SEGMENT_GRANULES - 2) * PAGE_SIZE);
	for (i = 0; i < 2; i++) {
		sim.most_steps = 0;
		EXPECT_EQ(vmap_space_walk(va->va_start + i * PAGE_SIZE, see_first, &seen), 1);
		EXPECT(seen == va);
		EXPECT(sim.most_steps && sim.most_steps < 5);
	}
	/* From where none starts any more, and from where none does at all. */
	model_free(va->va_start, true);
	EXPECT_EQ(vmap_space_walk(va->va_start, see_first, &seen), 0);
	model_free(VMALLOC_START, true);
	EXPECT_EQ(vmap_space_walk(VMALLOC_START + PAGE_SIZE, see_first, &seen), 1);
	EXPECT_EQ(seen->va_start, VMALLOC_START + 2 * PAGE_SIZE);
	EXPECT_EQ(vmap_space_walk(0, see_first, &seen), 1);
	EXPECT_EQ(seen->va_start, VMALLOC_START + 2 * PAGE_SIZE);
	model_free_all();
	world_shutdown();
}

/*
 * The first area of a segment begins where the segment does, and both where its range
 * does: none of that is a reference to what lies there, or a leak would be none.
 */
TEST(segment_start_is_no_reference)
{
	struct vmap_segment *seg;
	struct vmap_area *va;

	world_boot(1, 64 * GIB);
	va = model_alloc_pages(2, 1);
	rcu_read_lock();
	seg = vmap_segment_at(va->va_start);
	rcu_read_unlock();
	EXPECT_EQ(seg->start, va->va_start);
	EXPECT_EQ(sim_references(seg, va->va_start), 0);
	EXPECT_EQ(sim_references(seg->range, va->va_start), 0);
	EXPECT_EQ(sim_references(va, va->va_start), 0);
	/* But areas, and the range, are what a segment refers to. */
	EXPECT_EQ(sim_references(seg, (unsigned long)&va->list), 1);
	EXPECT_EQ(sim_references(seg, (unsigned long)seg->range), 1);
	model_free_all();
	world_shutdown();
}

/* Without room for another segment, areas come from anywhere. */
TEST(segment_space_runs_out)
{
	unsigned long bytes = vmap_class_bytes(0), addr;
	unsigned int i = 0;

	world_boot(1, 64 * bytes);
	EXPECT(!IS_ERR(model_alloc_pages(63 * VMAP_SEGMENT_GRANULES + 1, 1)));
	while (!IS_ERR(model_alloc_gfp(2, 1, GFP_NOWAIT)))
		i++;
	EXPECT_EQ(i, (VMAP_SEGMENT_GRANULES - 1) / 2);
	addr = model_area_start(1);
	model_free(addr, true);
	EXPECT(IS_ERR(model_alloc_gfp(2, 1, GFP_NOWAIT)));
	EXPECT_EQ(model_alloc_gfp(2, 1, GFP_KERNEL)->va_start, addr);
	model_check();
	model_free_all();
	world_shutdown();
}

/*
 * A full segment in which some are freed has short runs and nothing else: what the purge
 * says of its runs must be true, also of those that go on in the next word.
 */
TEST(segment_short_runs)
{
	unsigned int round, nr, i, purges;

	world_boot(1, 64 * GIB);
	for (round = 0; round < test_scaled(300); round++) {
		unsigned int most = sim_between(1, 4), sparse = 2 << sim_below(8);

		for (nr = 0; nr + most <= VMAP_SEGMENT_GRANULES; nr += i) {
			i = sim_between(1, most);
			EXPECT(!IS_ERR(model_alloc_pages(i, 1)));
		}
		while (nr++ < VMAP_SEGMENT_GRANULES)
			EXPECT(!IS_ERR(model_alloc_pages(1, 1)));
		for (purges = 0; purges < 3; purges++) {
			for (i = model_nr_areas(); i--;)
				if (!sim_below(sparse))
					model_free(model_area_start(i), true);
			vmap_space_purge(ULONG_MAX, 0, false);
			world_check();
		}
		model_free_all();
		vmap_space_purge(ULONG_MAX, 0, false);
		/* What is known of runs is exact in new segments only. */
		sim.shrinker->scan_objects(sim.shrinker, NULL);
		sim_rcu_quiesce();
	}
	world_shutdown();
}

/* Two neighbours with the end of a word between them, of which one is free already. */
static void free_neighbours(bool low_first)
{
	unsigned long start;
	unsigned int i;

	world_boot(1, 64 * GIB);
	start = model_alloc_pages(2, 1)->va_start;
	for (i = 2; i < VMAP_SEGMENT_GRANULES; i += 2)
		EXPECT(!IS_ERR(model_alloc_pages(2, 1)));
	start += (BITS_PER_LONG - 2) * PAGE_SIZE;
	model_free(low_first ? start : start + 2 * PAGE_SIZE, true);
	vmap_space_purge(ULONG_MAX, 0, false);
	model_free(low_first ? start + 2 * PAGE_SIZE : start, true);
	vmap_space_purge(ULONG_MAX, 0, false);
	world_check();
	EXPECT_EQ(model_alloc_pages(4, 1)->va_start, start);
	model_free_all();
	world_shutdown();
}

TEST(segment_run_goes_on_above)
{
	free_neighbours(false);
}

TEST(segment_run_goes_on_below)
{
	free_neighbours(true);
}

/* Descriptors are reused while areas are lazy: none waits for the purge. */
TEST(segment_descriptors_are_reused)
{
	long before;
	unsigned int i;

	world_boot(1, 64 * GIB);
	model_free(model_alloc_pages(2, 1)->va_start, true);
	before = sim_cache_objects("vmap_area");
	for (i = 0; i < 200; i++)
		model_free(model_alloc_pages(2, 1)->va_start, true);
	EXPECT_EQ(sim_cache_objects("vmap_area"), before);
	world_shutdown();
}

/* A descriptor that the owner brings is used, and is the owner's again at once. */
TEST(segment_own_descriptor)
{
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	struct model_object *object = calloc(1, sizeof(*object));
	long before;

	world_boot(1, 64 * GIB);
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	model_bring_descriptor(&req, object);
	EXPECT(req.va == &object->va);
	model_free(model_alloc_pages(2, 1)->va_start, true);
	before = sim_cache_objects("vmap_area");
	EXPECT(vmap_space_alloc(&req) == &object->va);
	EXPECT_EQ(sim_cache_objects("vmap_area"), before);
	EXPECT(vmap_space_find(object->va.va_end - 1) == &object->va);
	EXPECT(vmap_space_unlink(object->va.va_start) == &object->va);
	vmap_space_free(&object->va);
	memset(object, 0xff, sizeof(*object));
	EXPECT(vmap_space_alloc(&req) == &object->va);
	EXPECT(vmap_space_unlink(object->va.va_start) == &object->va);
	vmap_space_free_unmapped(&object->va);
	EXPECT_EQ(sim_cache_objects("vmap_area"), before);
	free(object);
	world_shutdown();
}

/* Readers of the busy tree take no lock: a range has a descriptor that RCU keeps. */
TEST(segment_own_descriptor_not_for_ranges)
{
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	struct model_object *object = calloc(1, sizeof(*object));
	struct vmap_area *va;

	world_boot(1, 64 * GIB);
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	model_bring_descriptor(&req, object);
	sim.no_descriptors = "vmap_segment";
	va = vmap_space_alloc(&req);
	sim.no_descriptors = NULL;
	EXPECT(va != &object->va && !(va->flags & VMAP_IN_SEGMENT));
	vmap_space_free(vmap_space_unlink(va->va_start));
	/* None is brought for what no segment serves. */
	req.va = NULL;
	req.size_bytes = 4096 * PAGE_SIZE;
	model_bring_descriptor(&req, object);
	EXPECT(!req.va);
	free(object);
	world_shutdown();
}

/* What descriptors cost for an area of a page and its guard page. */
TEST(segment_memory)
{
	unsigned int nr = 100 * VMAP_SEGMENT_GRANULES / 2, i;
	struct vmap_request req = {
		.size_bytes = 2 * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	unsigned long bytes;

	world_boot(1, 64 * GIB);
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	for (i = 0; i < nr; i++)
		EXPECT(!IS_ERR(vmap_space_alloc(&req)));
	bytes = sim_cache_objects("vmap_area") * sizeof(struct vmap_area) +
		sim_cache_objects("vmap_segment") * sizeof(struct vmap_segment);
	EXPECT(bytes / nr <= sizeof(struct vmap_area) + 4);
}

/*
 * Kernel stacks: of one size and aligned to it.  One in ten is short-lived, and of 1000
 * that are replaced one is another.  Segments with room are found, wherever they are in
 * their bin: a segment for each that lives on is too many.
 */
TEST(segment_aligned_areas_reuse_room)
{
	struct vmap_request req = {
		.size_bytes = 5 * PAGE_SIZE, .align_bytes = 4 * PAGE_SIZE, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	unsigned long live[2000], filled, i;
	unsigned int at;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	for (i = 0; i < ARRAY_SIZE(live); i++)
		live[i] = vmap_space_alloc(&req)->va_start;
	filled = nr_segments();
	for (i = 0; i < 400000; i++) {
		at = sim_below(1000) ? sim_below(ARRAY_SIZE(live) / 10) :
				       sim_below(ARRAY_SIZE(live));
		vmap_space_free(vmap_space_unlink(live[at]));
		live[at] = vmap_space_alloc(&req)->va_start;
		sim_run_work();
	}
	SHIM_ASSERT(nr_segments() <= 3 * filled, "%lu segments were enough, now there are %lu",
		    filled, nr_segments());
	for (i = 0; i < ARRAY_SIZE(live); i++)
		vmap_space_free(vmap_space_unlink(live[i]));
	world_shutdown();
}

static int see_some(struct vmap_area *va, void *data)
{
	unsigned int *nr_left = data;

	return !--*nr_left;
}

/* Walks need no lock that all CPUs share, within a segment and to the one behind it. */
TEST(segment_walk_without_ranges_lock)
{
	unsigned long nr = VMAP_SEGMENT_GRANULES, first, nr_taken, nr_shared;
	unsigned int nr_left = nr + nr / 4, i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	first = model_alloc_pages(1, 1)->va_start;
	for (i = 1; i < nr_left; i++)
		model_alloc_pages(1, 1);
	nr_taken = shim_task.nr_taken;
	nr_shared = vmap_ranges.lock.nr_taken;
	EXPECT_EQ(vmap_space_walk(first, see_some, &nr_left), 1);
	EXPECT_EQ(shim_task.nr_taken - nr_taken, 2);
	EXPECT_EQ(vmap_ranges.lock.nr_taken, nr_shared);
	/* Each segment is one hold of its node's lock. */
	nr_left = UINT_MAX;
	sim.most_steps = 0;
	EXPECT_EQ(vmap_space_walk(0, see_some, &nr_left), 0);
	EXPECT_EQ(UINT_MAX - nr_left, nr + nr / 4);
	EXPECT(sim.most_steps && sim.most_steps <= nr);
	model_free_all();
	world_shutdown();
}

/* Nor does a walk keep the CPU for itself, however many segments and ranges there are. */
TEST(segment_walk_lets_others_run)
{
	unsigned int nr_left = UINT_MAX, i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	for (i = 0; i < 400; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES / 4, 1);
	for (i = 0; i < 100; i++)
		model_alloc_pages(VMAP_SEGMENT_GRANULES * 4 + 1, 1);
	cond_resched();
	sim.most_works = 0;
	EXPECT_EQ(vmap_space_walk(0, see_some, &nr_left), 0);
	EXPECT_EQ(UINT_MAX - nr_left, 500);
	EXPECT(sim.most_works && sim.most_works < 4);
	model_free_all();
	world_shutdown();
}

static void use_small_areas(void)
{
	unsigned long nr_pages = sim_below(4) ? sim_between(1, 8) : sim_between(200, 400);
	unsigned int nr_left = UINT_MAX;
	unsigned long addr = model_alloc_pages(nr_pages, BIT(sim_below(3)))->va_start;

	EXPECT(vmap_space_find(addr + nr_pages * PAGE_SIZE - 1));
	EXPECT(!vmap_space_find(addr + 600 * PAGE_SIZE));
	nr_left = 1;
	EXPECT_EQ(vmap_space_walk(addr, see_some, &nr_left), 1);
	model_free(addr, sim_below(2));
}

/* Only for another segment, and when one goes, small areas take the lock that all share. */
TEST(segment_needs_no_ranges_lock)
{
	unsigned long nr_taken, i;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	model_alloc_pages(1, 1);
	model_alloc_pages(200, 1);
	nr_taken = vmap_ranges.lock.nr_taken;
	for (i = 0; i < 10; i++) {
		use_small_areas();
		vmap_space_purge(ULONG_MAX, 0, false);
	}
	EXPECT_EQ(vmap_ranges.lock.nr_taken, nr_taken);
	for (i = 0; i < VMAP_SEGMENT_GRANULES; i++)
		model_alloc_pages(1, 1);
	EXPECT_EQ(vmap_ranges.lock.nr_taken, nr_taken + 1);
	model_free_all();
	EXPECT_EQ(vmap_ranges.lock.nr_taken, nr_taken + 1);
	/* The segment is taken out, and its range becomes free. */
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT_EQ(vmap_ranges.lock.nr_taken, nr_taken + 3);
	world_shutdown();
}

static int see_start(struct vmap_area *va, void *data)
{
	*(unsigned long *)data = va->va_start;
	return 0;
}

static int see_none(struct vmap_area *va, void *data)
{
	EXPECT(false);
	return 0;
}

static void peek_with_lock(unsigned long addr, spinlock_t *lock)
{
	unsigned long peeked = 0;

	spin_lock(lock);
	EXPECT(!vmap_space_peek(addr, see_none, NULL));
	spin_unlock(lock);
	EXPECT(vmap_space_peek(addr, see_start, &peeked) && peeked == addr);
}

/* A report may come from where the lock is held: it does without, then. */
TEST(segment_peek_does_not_wait)
{
	unsigned long small, large;

	world_boot(1, 64 * GIB * (PAGE_SIZE >> 12));
	small = model_alloc_pages(2, 1)->va_start;
	large = model_alloc_pages(VMAP_SEGMENT_GRANULES * 16, 1)->va_start;
	peek_with_lock(small, &vmap_nodes[0].lock);
	peek_with_lock(large, &vmap_ranges.lock);
	model_free_all();
	world_shutdown();
}

/* ---- a search of all segments, while others free and take -------------------- */

/*
 *	|      range      |  segment of CPU 0  |  segment of CPU 1  |
 *	|xxxxxxxxxxxxxxxxx|.xxxxxxxxxxxxxxxxxxx|xxxxxxxxxxxxxxxxxxx.|
 *			   low					high
 */
static void fill_but_two_granules(unsigned long *low, unsigned long *high)
{
	const unsigned long nr_segments = 3 * 64;
	unsigned int i;

	world_boot(3, nr_segments * vmap_class_bytes(0));
	shim_task.cpu = 2;
	model_alloc_pages((nr_segments - 2) * VMAP_SEGMENT_GRANULES, 1);
	for (i = 0; i < 2 * VMAP_SEGMENT_GRANULES; i++) {
		shim_task.cpu = i / VMAP_SEGMENT_GRANULES;
		*high = model_alloc_pages(1, 1)->va_start;
	}
	*low = *high - (2 * VMAP_SEGMENT_GRANULES - 1) * PAGE_SIZE;
	model_free(*low, false);
	model_free(*high, false);
	shim_task.cpu = 2;
}

/*
 * One of the two places is free at any time.  Wherever it is when a search begins, and
 * whenever others move what is in the other: who cannot sleep gets it, too.
 */
TEST(segment_search_sees_what_became_free)
{
	unsigned long low, high;
	struct vmap_area *va;
	unsigned int nr;

	fill_but_two_granules(&low, &high);
	for (nr = 0; nr < 24; nr++) {
		model_swing(nr % 2 ? low : high, nr % 2 ? high : low, PAGE_SIZE, nr / 2);
		va = model_alloc_gfp(1, 1, GFP_NOWAIT);
		EXPECT(!IS_ERR(va));
		model_free(va->va_start, false);
		model_swing_end();
	}
	model_check();
	model_free_all();
	world_shutdown();
}

/* Where they never stop, it comes to an end all the same. */
TEST(segment_search_ends)
{
	unsigned long low, high;
	unsigned int nr;

	fill_but_two_granules(&low, &high);
	for (nr = 0; nr < 2; nr++) {
		model_swing(nr ? low : high, nr ? high : low, PAGE_SIZE, UINT_MAX);
		if (model_alloc_gfp(1, 1, GFP_NOWAIT) != ERR_PTR(-EBUSY))
			model_free(model_area_start(model_nr_areas() - 1), false);
		EXPECT(model_swing_end() < 200);
	}
	model_free_all();
	world_shutdown();
}
