// SPDX-License-Identifier: GPL-2.0
/*
 * test-range.c - ranges: kinds of fit, windows, the second descriptor
 *
 *	window of 64 MiB: too small for segments, so all areas are ranges
 */
#include "test.h"

#define MIB		0x100000UL
#define SMALL_WINDOW	(64 * MIB)
#define NR_SWINGS	100

static struct vmap_area *alloc_at(unsigned long addr, unsigned long bytes, gfp_t gfp)
{
	struct vmap_request req = {
		.size_bytes = bytes, .align_bytes = 1, .start = addr, .end = addr + bytes,
		.node = NUMA_NO_NODE, .gfp = gfp,
	};

	return model_alloc(&req);
}

static unsigned long fits(enum vmap_fit_kind kind)
{
	struct vmap_space_stats stats;

	vmap_space_read_stats(&stats);
	return stats.nr_fits[kind];
}

/*
 *	|.........free..........|
 *	|...|MIDDLE|............|
 *	|LOW|xxxxxx|....|HIGH...|
 *	|xxx|xxxxxx|EXACT|xxxxxx|
 */
TEST(range_fit_kinds)
{
	unsigned long at = WORLD_START;

	world_boot(1, SMALL_WINDOW);
	/* Bound the free range that the rest lies in. */
	EXPECT(!IS_ERR(alloc_at(at - PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	EXPECT_EQ(fits(VMAP_FIT_MIDDLE), 1);
	EXPECT(!IS_ERR(alloc_at(at + 16 * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	EXPECT_EQ(fits(VMAP_FIT_MIDDLE), 2);
	EXPECT(!IS_ERR(alloc_at(at, 2 * PAGE_SIZE, GFP_KERNEL)));
	EXPECT_EQ(fits(VMAP_FIT_LOW), 1);
	EXPECT(!IS_ERR(alloc_at(at + 14 * PAGE_SIZE, 2 * PAGE_SIZE, GFP_KERNEL)));
	EXPECT_EQ(fits(VMAP_FIT_HIGH), 1);
	EXPECT(!IS_ERR(alloc_at(at + 2 * PAGE_SIZE, 12 * PAGE_SIZE, GFP_KERNEL)));
	EXPECT_EQ(fits(VMAP_FIT_EXACT), 1);
	EXPECT(IS_ERR(alloc_at(at + 3 * PAGE_SIZE, PAGE_SIZE, GFP_NOWAIT)));
	model_check();
	model_free_all();
	world_shutdown();
}

TEST(range_lowest_first)
{
	unsigned long first, third;

	world_boot(1, SMALL_WINDOW);
	first = model_alloc_pages(3, 1)->va_start;
	EXPECT_EQ(first, WORLD_START);
	model_alloc_pages(1, 1);
	third = model_alloc_pages(2, 1)->va_start;
	model_alloc_pages(1, 1);
	model_free(third, false);
	model_free(first, false);
	EXPECT_EQ(model_alloc_pages(2, 1)->va_start, first);
	EXPECT_EQ(model_alloc_pages(2, 1)->va_start, third);
	model_check();
	model_free_all();
	world_shutdown();
}

/* Nothing may wrap at either end of the address space. */
TEST(range_window_ends)
{
	unsigned long top = ALIGN_DOWN(ULONG_MAX, PAGE_SIZE);
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = PAGE_SIZE, .end = ULONG_MAX,
		.node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};

	world_boot(1, SMALL_WINDOW);
	EXPECT_EQ(model_alloc(&req)->va_start, PAGE_SIZE);
	req.end = 3 * PAGE_SIZE;
	EXPECT_EQ(model_alloc(&req)->va_start, 2 * PAGE_SIZE);
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	req.start = top - 2 * PAGE_SIZE;
	req.end = ULONG_MAX;
	EXPECT_EQ(model_alloc(&req)->va_start, top - 2 * PAGE_SIZE);
	EXPECT_EQ(model_alloc(&req)->va_start, top - PAGE_SIZE);
	/* The last page is not whole: ULONG_MAX is behind the end. */
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	req.align_bytes = 1UL << (BITS_PER_LONG - 1);
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	req.start = 0;
	EXPECT_EQ(model_alloc(&req)->va_start, req.align_bytes);
	req.align_bytes = 1;
	req.size_bytes = ALIGN_DOWN(ULONG_MAX, PAGE_SIZE);
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	model_check();
	model_free_all();
	world_shutdown();
}

TEST(range_bad_requests)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = PAGE_SIZE, .end = ULONG_MAX,
		.node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};

	shim_nr_cpus = 1;
	EXPECT_EQ(PTR_ERR(vmap_space_alloc(&req)), -EBUSY);	/* before boot */
	EXPECT(!vmap_space_find(PAGE_SIZE));
	EXPECT(!vmap_space_unlink(PAGE_SIZE));
	world_boot(1, SMALL_WINDOW);
	req.size_bytes = 0;
	EXPECT_EQ(PTR_ERR(vmap_space_alloc(&req)), -EINVAL);
	req.size_bytes = PAGE_SIZE + 1;
	EXPECT_EQ(PTR_ERR(vmap_space_alloc(&req)), -EINVAL);
	req.size_bytes = PAGE_SIZE;
	req.align_bytes = 3 * PAGE_SIZE;
	EXPECT_EQ(PTR_ERR(vmap_space_alloc(&req)), -EINVAL);
	world_shutdown();
}

TEST(range_early_list)
{
	struct vm_struct high = { .addr = (void *)(WORLD_START + MIB), .size = 2 * PAGE_SIZE };
	struct vm_struct low = { .addr = (void *)WORLD_START, .size = PAGE_SIZE, .next = &high };
	struct vmap_area *va;

	world_boot_at(1, WORLD_START, SMALL_WINDOW, &low);
	va = vmap_space_find(WORLD_START + 1);
	EXPECT(va && va->vm == &low);
	va = vmap_space_find(WORLD_START + MIB + PAGE_SIZE);
	EXPECT(va && va->vm == &high);
	EXPECT(!vmap_space_find(WORLD_START + PAGE_SIZE));
	EXPECT_EQ(model_alloc_pages(1, 1)->va_start, WORLD_START + PAGE_SIZE);
	EXPECT_EQ(model_alloc_pages(MIB >> PAGE_SHIFT, 1)->va_start,
		  WORLD_START + MIB + 2 * PAGE_SIZE);
	model_free_all();
	model_free(WORLD_START, true);
	model_free(WORLD_START + MIB, true);
	world_shutdown();
}

/* A split in the middle takes the CPU's spare, and needs no memory. */
TEST(range_preload_serves_nowait)
{
	struct vmap_space_stats stats;

	world_boot(1, SMALL_WINDOW);
	shim_task.atomic = true;
	EXPECT(!IS_ERR(alloc_at(WORLD_START + MIB, PAGE_SIZE, GFP_NOWAIT)));
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_preload_hits, 1);
	EXPECT_EQ(stats.nr_preload_allocs, 0);
	/* It was replaced within the caller's mask. */
	EXPECT(!IS_ERR(alloc_at(WORLD_START + 2 * MIB, PAGE_SIZE, GFP_NOWAIT)));
	vmap_space_read_stats(&stats);
	EXPECT_EQ(stats.nr_preload_hits, 2);
	shim_task.atomic = false;
	model_free_all();
	world_shutdown();
}

/* Fits at an edge, and exact ones, ask for no second descriptor. */
TEST(range_preload_only_where_split)
{
	struct vmap_space_stats before, after;
	unsigned int i;

	world_boot(1, SMALL_WINDOW);
	EXPECT(!IS_ERR(alloc_at(WORLD_START + MIB, PAGE_SIZE, GFP_KERNEL)));
	vmap_space_read_stats(&before);
	for (i = 0; i < 16; i++)
		EXPECT(!IS_ERR(alloc_at(WORLD_START + MIB + (i + 1) * PAGE_SIZE, PAGE_SIZE,
					GFP_KERNEL)));
	vmap_space_read_stats(&after);
	EXPECT_EQ(after.nr_fits[VMAP_FIT_LOW] - before.nr_fits[VMAP_FIT_LOW], 16);
	EXPECT_EQ(after.nr_preload_hits, before.nr_preload_hits);
	EXPECT_EQ(after.nr_preload_allocs, before.nr_preload_allocs);
	model_free_all();
	world_shutdown();
}

/* Many ranges large enough, none aligned but the last: it is found. */
TEST(range_alignment_among_misfits)
{
	struct vmap_area *va;
	unsigned int i;

	world_boot(1, SMALL_WINDOW);
	for (i = 0; i < 40; i++)	/* pages 4 + 16i + 1 ... 15 + 4 stay free */
		EXPECT(!IS_ERR(alloc_at(WORLD_START + (16 * i) * PAGE_SIZE, PAGE_SIZE,
					GFP_KERNEL)));
	va = model_alloc_pages(15, 16);
	EXPECT_EQ(va->va_start, WORLD_START + 40 * 16 * PAGE_SIZE);
	EXPECT_EQ(model_alloc_pages(8, 8)->va_start, WORLD_START + 8 * PAGE_SIZE);
	model_check();
	model_free_all();
	world_shutdown();
}

/*
 *	0 1 2 3 4 5 6 7 8
 *	|x|.|x|.|x|.|x|.|
 *
 * Ranges that are not aligned, and none that is larger: all have to be tried, but others
 * get the lock in between.
 */
TEST(range_misfits_in_batches)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 2 * PAGE_SIZE, .start = WORLD_START,
		.end = WORLD_START + 3000 * PAGE_SIZE, .node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};
	unsigned long i, nr_taken;

	world_boot(1, SMALL_WINDOW);
	for (i = 0; i < 3000; i += 2)
		EXPECT(!IS_ERR(alloc_at(WORLD_START + i * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	EXPECT(!IS_ERR(alloc_at(WORLD_START + 3000 * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	req.gfp = GFP_NOWAIT;
	nr_taken = shim_task.nr_taken;
	EXPECT_EQ(PTR_ERR(model_alloc(&req)), -EBUSY);
	EXPECT(shim_task.nr_taken - nr_taken > 1500 / 64);
	/* The last but one has its neighbours busy and is aligned. */
	EXPECT(!IS_ERR(alloc_at(WORLD_START + 2995 * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	EXPECT(!IS_ERR(alloc_at(WORLD_START + 2997 * PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	model_free(WORLD_START + 2996 * PAGE_SIZE, false);
	EXPECT_EQ(model_alloc(&req)->va_start, WORLD_START + 2996 * PAGE_SIZE);
	/* And a larger one is found at once. */
	model_free(WORLD_START + 2500 * PAGE_SIZE, false);
	nr_taken = shim_task.nr_taken;
	EXPECT_EQ(model_alloc(&req)->va_start, WORLD_START + 2500 * PAGE_SIZE);
	EXPECT(shim_task.nr_taken - nr_taken < 8);
	model_check();
	model_free_all();
	world_shutdown();
}

/*
 *	0 1 2 3 4 5 6 7 8 9
 *	|x|.|x|x|x|.|x|x|x|.|	no hole is aligned to two pages
 *	|x|.|x|x|x|x|.|x|x|.|	and here one of them is
 *
 * Wherever a hold of the lock ends: the one that fits is found.
 */
TEST(range_finds_each_among_misfits)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 2 * PAGE_SIZE, .start = WORLD_START,
		.end = WORLD_START + 300 * PAGE_SIZE, .node = NUMA_NO_NODE, .gfp = GFP_NOWAIT,
	};
	struct vmap_area *va;
	unsigned long i, addr;

	world_boot(1, SMALL_WINDOW);
	EXPECT(!IS_ERR(alloc_at(WORLD_START - PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	for (i = 0; i <= 300; i++)
		if (i % 4 != 1)
			EXPECT(!IS_ERR(alloc_at(WORLD_START + i * PAGE_SIZE, PAGE_SIZE,
						GFP_KERNEL)));
	for (i = 2; i < 300; i += 4) {
		addr = WORLD_START + i * PAGE_SIZE;
		model_free(addr, false);
		EXPECT(!IS_ERR(alloc_at(addr - PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
		va = model_alloc(&req);
		EXPECT(!IS_ERR(va) && va->va_start == addr);
		model_free(addr - PAGE_SIZE, false);
	}
	model_free_all();
	world_shutdown();
}

/* The lowest address that would do, found by trying each; 0: there is none. */
static unsigned long naive_lowest(const struct vmap_request *req)
{
	unsigned long at = ALIGN(req->start, req->align_bytes), end;

	for (; at + req->size_bytes <= req->end; at += req->align_bytes) {
		for (end = at; end < at + req->size_bytes && !vmap_range_find(end);)
			end += PAGE_SIZE;
		if (end == at + req->size_bytes)
			return at;
	}
	return 0;
}

static void random_request(struct vmap_request *req)
{
	const unsigned long nr_pages = 1024;

	req->size_bytes = sim_between(1, sim_below(8) ? 2 : 20) * PAGE_SIZE;
	req->align_bytes = sim_below(3) ? PAGE_SIZE : PAGE_SIZE << sim_below(7);
	req->start = WORLD_START + sim_below(nr_pages) * PAGE_SIZE;
	req->end = req->start + sim_below(nr_pages) * PAGE_SIZE;
	if (sim_below(10) == 0)
		req->end = req->start - sim_below(5) * PAGE_SIZE;
}

/* What fits is never refused, and comes as low as it can be where alignment does not matter. */
TEST(range_lowest_of_all)
{
	struct vmap_request req = { .node = NUMA_NO_NODE, .gfp = GFP_NOWAIT };
	unsigned long lowest, nr_refused = 0;
	struct vmap_area *va;
	unsigned int i;

	world_boot(1, SMALL_WINDOW);
	for (i = 0; i < test_scaled(10000); i++) {
		/* It fills, and empties, by turns. */
		if (model_nr_areas() > 20 && sim_below(100) < (i / 1000 % 2 ? 55 : 45)) {
			model_free(model_area_start(sim_below(model_nr_areas())), false);
			continue;
		}
		random_request(&req);
		lowest = naive_lowest(&req);
		va = model_alloc(&req);
		EXPECT_EQ(IS_ERR(va), !lowest);
		nr_refused += !lowest;
		EXPECT(!lowest || req.align_bytes > PAGE_SIZE || va->va_start == lowest);
	}
	EXPECT(nr_refused && nr_refused < i);
	model_free_all();
	world_shutdown();
}

/*
 *	0 1 2 3 4 5 6    7  8  9  60 1
 *	|L|x|x|.|x|.|x ...|.|xx|xx|H|x|		only L and H are aligned
 *
 * One of them is free at any time, if never the one that a search in two holds comes to:
 * whoever asks for one gets it.
 */
static unsigned int alloc_against_swing(unsigned int nr_swings, gfp_t gfp)
{
	const unsigned long low = WORLD_START, high = WORLD_START + 60 * PAGE_SIZE;
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 2 * PAGE_SIZE, .start = low,
		.end = high + PAGE_SIZE, .node = NUMA_NO_NODE, .gfp = gfp,
	};
	unsigned long addr;
	struct vmap_area *va;

	model_swing(low, high, PAGE_SIZE, nr_swings);
	va = model_alloc(&req);
	EXPECT(!IS_ERR(va));
	addr = va->va_start;
	EXPECT(addr == low || addr == high);
	model_free(addr, false);
	return model_swing_end();
}

static void fill_but_two_places(void)
{
	unsigned long i;

	world_boot(1, SMALL_WINDOW);
	EXPECT(!IS_ERR(alloc_at(WORLD_START - PAGE_SIZE, PAGE_SIZE, GFP_KERNEL)));
	for (i = 1; i < 62; i++)
		if (i % 2 ? i == 1 || i >= 59 : i != 60)
			EXPECT(!IS_ERR(alloc_at(WORLD_START + i * PAGE_SIZE, PAGE_SIZE,
						GFP_KERNEL)));
}

/* It begins anew, since something became free. */
TEST(range_search_sees_what_became_free)
{
	fill_but_two_places();
	EXPECT(alloc_against_swing(1, GFP_NOWAIT) < 8);
	EXPECT(alloc_against_swing(1, GFP_KERNEL) < 8);
	model_free_all();
	world_shutdown();
}

/* Where others spoil each search in several holds, one hold is the end of it. */
TEST(range_search_ends_in_one_hold)
{
	unsigned int nr;

	fill_but_two_places();
	nr = alloc_against_swing(NR_SWINGS, GFP_NOWAIT);
	EXPECT(nr > 4 && nr < 16);
	nr = alloc_against_swing(NR_SWINGS, GFP_KERNEL);
	EXPECT(nr > 4 && nr < 16);
	model_free_all();
	world_shutdown();
}

TEST(range_free_merges)
{
	unsigned long a, b, c;

	world_boot(1, SMALL_WINDOW);
	a = model_alloc_pages(4, 1)->va_start;
	b = model_alloc_pages(4, 1)->va_start;
	c = model_alloc_pages(4, 1)->va_start;
	model_alloc_pages(4, 1);
	model_free(a, false);
	model_free(c, false);
	model_check();
	model_free(b, false);
	model_check();
	EXPECT_EQ(model_alloc_pages(12, 1)->va_start, a);
	model_free_all();
	world_shutdown();
}

TEST(range_double_free_is_refused)
{
	struct vmap_area *va;
	unsigned long addr;

	world_boot(1, SMALL_WINDOW);
	addr = model_alloc_pages(4, 1)->va_start;
	model_free(addr, true);
	EXPECT(!vmap_space_unlink(addr));
	vmap_space_purge(ULONG_MAX, 0, false);
	EXPECT(!vmap_space_unlink(addr));
	/* Somebody frees what is free: warned of, and nothing is broken. */
	va = vmap_descriptor_alloc(GFP_KERNEL, NUMA_NO_NODE);
	*va = (struct vmap_area){ .va_start = addr, .va_end = addr + PAGE_SIZE };
	sim_expect_warnings(1);
	vmap_space_free_unmapped(va);
	EXPECT(sim_expected());
	vmap_descriptor_free(va);
	world_shutdown();
}

/* ---- readers without a lock -------------------------------------------------------- */

#define NR_TRIES	8	/* VMAP_FIND_TRIES */

static struct vmap_area *moved;
static unsigned int nr_moved;

static void move_area(void)
{
	EXPECT(nr_moved < NR_TRIES);
	nr_moved++;
	spin_lock(&vmap_ranges.lock);
	vmap_range_unlink_area(moved);
	vmap_range_link(moved);
	spin_unlock(&vmap_ranges.lock);
}

/* A writer spoils each try of a reader: after the last it takes the lock. */
TEST(range_find_takes_lock)
{
	unsigned long addr, nr_taken;

	world_boot(1, SMALL_WINDOW);
	addr = model_alloc_pages(4, 1)->va_start;
	moved = model_alloc_pages(4, 1);
	sim_on_read = move_area;
	nr_taken = shim_task.nr_taken;
	EXPECT_EQ(vmap_range_find(addr)->va_start, addr);
	EXPECT_EQ(nr_moved, NR_TRIES);
	EXPECT_EQ(shim_task.nr_taken - nr_taken, NR_TRIES + 1);
	sim_on_read = NULL;

	/* While nobody writes it does not. */
	nr_taken = shim_task.nr_taken;
	EXPECT_EQ(vmap_range_find(addr)->va_start, addr);
	EXPECT_EQ(shim_task.nr_taken, nr_taken);
	model_free_all();
	world_shutdown();
}

static unsigned int nr_cleared;

/* The first barrier: nothing leads to it yet, and it leads nowhere. */
static void expect_cleared(void)
{
	if (nr_cleared++)
		return;
	EXPECT(!moved->rb_node.rb_left && !moved->rb_node.rb_right);
	EXPECT(vmap_range_free_below(moved->va_end, 1) != moved);
	EXPECT(vmap_range_next(moved->va_start) != moved);
}

/* As if an earlier use of its memory had left them. */
static void leave_children(void)
{
	static struct rb_node stale;

	moved->rb_node.rb_left = &stale;
	moved->rb_node.rb_right = &stale;
	nr_cleared = 0;
	sim_on_wmb = expect_cleared;
}

/* A reader that strays to a new node finds no children of before, in either tree. */
TEST(range_clears_children)
{
	unsigned long addr = WORLD_START + MIB;
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .start = addr, .end = addr + PAGE_SIZE,
		.node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};
	LIST_HEAD(areas);

	world_boot(1, SMALL_WINDOW);
	alloc_at(addr - PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
	alloc_at(addr + PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
	moved = vmap_descriptor_alloc(GFP_KERNEL, NUMA_NO_NODE);
	*moved = (struct vmap_area){ };
	EXPECT_EQ(vmap_range_alloc(&req, moved), 0);

	EXPECT(vmap_range_unlink(addr) == moved);
	leave_children();
	spin_lock(&vmap_ranges.lock);
	vmap_range_link(moved);
	spin_unlock(&vmap_ranges.lock);
	EXPECT(nr_cleared);

	EXPECT(vmap_range_unlink(addr) == moved);
	leave_children();
	list_add(&moved->list, &areas);
	vmap_range_free(&areas);
	EXPECT(nr_cleared);
	sim_on_wmb = NULL;
	model_free_all();
	world_shutdown();
}
