// SPDX-License-Identifier: GPL-2.0
/*
 * test-percpu.c - congruent areas
 */
#include "test.h"
#include "../../../lib/tests/percpu_gfp.h"

#define GIB		0x40000000UL
#define NR_AREAS	4
#define NR_SPLITS	3	/* areas that each split a free range */
#define NR_SWINGS	100
#define NR_GROUPS	64

static void check_congruent(struct vm_struct **vms, const unsigned long *offsets,
			    const size_t *sizes, int nr)
{
	unsigned long base = (unsigned long)vms[0]->addr - offsets[0];
	struct vmap_area *va;
	int i;

	for (i = 0; i < nr; i++) {
		EXPECT_EQ((unsigned long)vms[i]->addr, base + offsets[i]);
		EXPECT_EQ(vms[i]->size, sizes[i]);
		/* There is no guard page, so the last page is read, poisoned and unmapped, too. */
		EXPECT_EQ(vms[i]->flags, VM_ALLOC | VM_NO_GUARD);
		EXPECT_EQ(get_vm_area_size(vms[i]), sizes[i]);
		va = vmap_space_find((unsigned long)vms[i]->addr + sizes[i] - 1);
		EXPECT(va && va->vm == vms[i]);
		EXPECT(va->va_start >= VMALLOC_START && va->va_end <= VMALLOC_END);
		sim_tlb_check(va->va_start, va->va_end);
		sim_shadow_check(va->va_start, va->va_end);
	}
	world_check();
}

/* Since @before areas came at the high end of a free range only: no second descriptor. */
static void expect_high_fits(const struct vmap_space_stats *before, unsigned long nr)
{
	struct vmap_space_stats now;

	vmap_space_read_stats(&now);
	EXPECT_EQ(now.nr_preload_hits, before->nr_preload_hits);
	EXPECT_EQ(now.nr_preload_allocs, before->nr_preload_allocs);
	EXPECT_EQ(now.nr_fits[VMAP_FIT_HIGH] - before->nr_fits[VMAP_FIT_HIGH], nr);
}

/* One group: at the end of what is free, chunk below chunk, with no second descriptor. */
TEST(percpu_one_group)
{
	unsigned long offset = 0, last = 0;
	size_t size = 16 * PAGE_SIZE;
	struct vmap_space_stats before;
	struct vm_struct **vms[8];
	int i;

	world_boot(1, 64 * GIB);
	vms[0] = pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE, GFP_KERNEL);
	EXPECT_EQ((unsigned long)vms[0][0]->addr, VMALLOC_END - size);
	last = VMALLOC_END - size;
	vmap_space_read_stats(&before);
	for (i = 1; i < 8; i++) {
		vms[i] = pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE, GFP_NOWAIT);
		EXPECT_EQ((unsigned long)vms[i][0]->addr, last - size);
		last -= size;
		check_congruent(vms[i], &offset, &size, 1);
	}
	expect_high_fits(&before, 7);
	for (i = 0; i < 8; i++)
		pcpu_free_vm_areas(vms[i], 1);
	world_shutdown();
}

static unsigned int nr_descriptors;

static void count_descriptors(const char *cache, gfp_t gfp)
{
	nr_descriptors += !strcmp(cache, "vmap_area");
}

/*
 * Two groups, as with two NUMA nodes, both at the end of what is free:
 *
 *	... free  222 111 000 | free  222 111 000 |
 *
 * No second descriptor is looked for, so none that is missing can fail a chunk.
 */
TEST(percpu_two_groups)
{
	unsigned long offsets[] = { 0, 64 * PAGE_SIZE };
	size_t sizes[] = { 8 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct vmap_space_stats before;
	struct vm_struct **vms[8];
	int i;

	world_boot(1, 64 * GIB);
	vms[0] = pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_KERNEL);
	vmap_space_read_stats(&before);
	for (i = 1; i < 7; i++) {
		nr_descriptors = 0;
		sim.on_alloc = count_descriptors;
		vms[i] = pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_NOWAIT);
		sim.on_alloc = NULL;
		EXPECT_EQ((unsigned long)vms[i][1]->addr, VMALLOC_END - (i + 1) * sizes[1]);
		EXPECT_EQ(nr_descriptors, 2);
		check_congruent(vms[i], offsets, sizes, 2);
	}
	expect_high_fits(&before, 12);
	for (i = 0; i < 7; i++)
		pcpu_free_vm_areas(vms[i], 2);
	world_shutdown();
}

/*
 * Three areas side by side that fill a free range, the one in the middle taken first: it
 * splits the range, and none of the others does.
 */
TEST(percpu_middle_first)
{
	unsigned long offsets[] = { 8 * PAGE_SIZE, 0, 16 * PAGE_SIZE };
	size_t sizes[] = { 8 * PAGE_SIZE, 8 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct vmap_space_stats before, after;
	struct vmap_request req = {
		.align_bytes = 1, .node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};
	struct vm_struct **vms;

	world_boot(1, 2048 * PAGE_SIZE);
	req.start = VMALLOC_START;
	req.end = VMALLOC_END - 24 * PAGE_SIZE;
	req.size_bytes = req.end - req.start;
	EXPECT(!IS_ERR(model_alloc(&req)));
	req.start = VMALLOC_END;
	req.end = req.start + PAGE_SIZE;
	req.size_bytes = PAGE_SIZE;
	EXPECT(!IS_ERR(model_alloc(&req)));
	vmap_space_read_stats(&before);
	vms = pcpu_get_vm_areas(offsets, sizes, 3, PAGE_SIZE, GFP_NOWAIT);
	check_congruent(vms, offsets, sizes, 3);
	vmap_space_read_stats(&after);
	EXPECT_EQ(after.nr_fits[VMAP_FIT_MIDDLE] - before.nr_fits[VMAP_FIT_MIDDLE], 1);
	EXPECT_EQ(after.nr_fits[VMAP_FIT_EXACT] - before.nr_fits[VMAP_FIT_EXACT], 2);
	EXPECT_EQ(after.nr_preload_hits - before.nr_preload_hits, 1);
	EXPECT_EQ(after.nr_preload_allocs, before.nr_preload_allocs);
	pcpu_free_vm_areas(vms, 3);
	model_free_all();
	world_shutdown();
}

/* The highest base that fits, found by trying each: among areas and uneven offsets. */
static unsigned long naive_base(const unsigned long *offsets, const size_t *sizes, int nr,
				unsigned long align, unsigned long span)
{
	unsigned long base = ALIGN_DOWN(VMALLOC_END, align) - span, at;
	int i;

	for (; base >= VMALLOC_START; base -= align) {
		bool fits = true;

		for (i = 0; i < nr && fits; i++)
			for (at = 0; at < sizes[i] && fits; at += PAGE_SIZE) {
				struct vmap_area *va = vmap_range_find(base + offsets[i] + at);

				fits = !va;
			}
		if (fits)
			return base;
	}
	return 0;
}

static void random_areas(unsigned long *offsets, size_t *sizes, unsigned long align)
{
	unsigned long at = 0;
	int i;

	for (i = 0; i < NR_AREAS; i++) {
		at += align * sim_below(4);
		offsets[i] = at;
		sizes[i] = align * sim_between(1, 4);
		at += sizes[i];
	}
	/* Not in order of address. */
	swap(offsets[1], offsets[3]);
	swap(sizes[1], sizes[3]);
}

TEST(percpu_uneven_offsets)
{
	unsigned long offsets[NR_AREAS], align, span, base;
	struct vm_struct **vms[1024];
	size_t sizes[NR_AREAS];
	unsigned int nr = 0, i, round;
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};

	world_boot(1, 2048 * PAGE_SIZE);
	for (i = 0; i < 40; i++) {
		req.start = VMALLOC_START + sim_below(2048) * PAGE_SIZE;
		req.end = req.start + PAGE_SIZE;
		model_alloc(&req);
	}
	for (round = 0; round < test_scaled(300); round++) {
		if (nr && sim_below(3) == 0) {
			i = sim_below(nr);
			pcpu_free_vm_areas(vms[i], NR_AREAS);
			vms[i] = vms[--nr];
			vmap_space_purge(ULONG_MAX, 0, false);
		}
		align = PAGE_SIZE << sim_below(3);
		random_areas(offsets, sizes, align);
		span = max(offsets[1] + sizes[1], offsets[3] + sizes[3]);
		base = naive_base(offsets, sizes, NR_AREAS, align, span);
		vms[nr] = pcpu_get_vm_areas(offsets, sizes, NR_AREAS, align,
					    sim_below(2) ? GFP_KERNEL : GFP_NOWAIT);
		EXPECT_EQ(!!vms[nr], !!base);
		if (!base)
			continue;
		check_congruent(vms[nr], offsets, sizes, NR_AREAS);
		EXPECT_EQ((unsigned long)vms[nr][0]->addr - offsets[0], base);
		nr++;
	}
	while (nr)
		pcpu_free_vm_areas(vms[--nr], NR_AREAS);
	model_free_all();
	world_shutdown();
}

/* Areas of @nr_used pages in all of the window, and holes of @nr_free between them. */
static unsigned int make_holes(unsigned int nr_used, unsigned int nr_free)
{
	struct vmap_request req = {
		.size_bytes = nr_used * PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL, .start = VMALLOC_START - PAGE_SIZE,
	};
	unsigned int nr = 0;

	for (; req.start < VMALLOC_END; req.start = req.end + nr_free * PAGE_SIZE) {
		req.end = req.start + req.size_bytes;
		EXPECT(!IS_ERR(model_alloc(&req)));
		nr++;
	}
	return nr;
}

/*
 *	|1|.......|1|...............|1|.......|1|...............|1|.......|1|.......|1|...
 *	            xxxxxxxx                    xxxxxxxx
 *
 * However many holes there are that are too small, a few looks find the others.
 */
TEST(percpu_passes_small_holes)
{
	unsigned long offsets[] = { 0, 64 * PAGE_SIZE };
	size_t sizes[] = { 8 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct vm_struct **vms;

	world_boot(1, 20000 * PAGE_SIZE);
	EXPECT(make_holes(1, 7) >= 2500);
	model_free(model_area_start(72), false);
	model_free(model_area_start(64), false);
	sim.most_steps = 0;
	vms = pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_NOWAIT);
	EXPECT(vms);
	check_congruent(vms, offsets, sizes, 2);
	/* There is no other place. */
	sizes[1] = 16 * PAGE_SIZE;
	EXPECT(!pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_NOWAIT));
	EXPECT(sim.most_steps && sim.most_steps < 20);
	pcpu_free_vm_areas(vms, 2);
	model_free_all();
	world_shutdown();
}

/*
 *	7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0
 *	|222|...........|222|...........|222|
 *
 * All holes are large enough for four pages, but not with that alignment.  Others get the
 * lock in between.
 */
TEST(percpu_passes_misfits_in_batches)
{
	unsigned long offset = 0, nr_taken, addr;
	size_t size = 4 * PAGE_SIZE;
	struct vm_struct **vms;
	unsigned int nr;

	world_boot(1, 16000 * PAGE_SIZE);
	nr = make_holes(2, 6);
	EXPECT(nr >= 2000);
	sim.most_steps = 0;
	nr_taken = shim_task.nr_taken;
	EXPECT(!pcpu_get_vm_areas(&offset, &size, 1, size, GFP_NOWAIT));
	EXPECT(shim_task.nr_taken - nr_taken > nr / 64);
	/* The lowest is the one: between two areas, in place of a third. */
	addr = model_area_start(1);
	model_free(addr, false);
	vms = pcpu_get_vm_areas(&offset, &size, 1, size, GFP_NOWAIT);
	EXPECT(vms);
	EXPECT_EQ((unsigned long)vms[0]->addr, addr + PAGE_SIZE);
	check_congruent(vms, &offset, &size, 1);
	EXPECT(sim.most_steps && sim.most_steps < 100);
	pcpu_free_vm_areas(vms, 1);
	model_free_all();
	world_shutdown();
}

static void take_page(unsigned long addr)
{
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .start = addr,
		.end = addr + PAGE_SIZE, .node = NUMA_NO_NODE, .gfp = GFP_KERNEL,
	};

	EXPECT(!IS_ERR(model_alloc(&req)));
}

/* Where one in many groups pulls the base down at a time, each is looked at before. */
TEST(percpu_many_groups_in_batches)
{
	unsigned long offsets[NR_GROUPS], top, i;
	size_t sizes[NR_GROUPS];
	struct vm_struct **vms;

	world_boot(1, NR_GROUPS * 256 * PAGE_SIZE);
	for (i = 0; i < NR_GROUPS; i++) {
		offsets[i] = i * 256 * PAGE_SIZE;
		sizes[i] = PAGE_SIZE;
	}
	top = VMALLOC_END - offsets[NR_GROUPS - 1] - PAGE_SIZE;
	/* The i-th base from the top is wrong for group i only. */
	for (i = 0; i < 200; i++)
		take_page(top - i * PAGE_SIZE + offsets[i % NR_GROUPS]);
	sim.most_steps = 0;
	vms = pcpu_get_vm_areas(offsets, sizes, NR_GROUPS, PAGE_SIZE, GFP_NOWAIT);
	/* 32 looks, two more at each group, and three steps to take it. */
	EXPECT(sim.most_steps > NR_GROUPS && sim.most_steps <= 32 + 5 * NR_GROUPS);
	EXPECT(vms);
	check_congruent(vms, offsets, sizes, NR_GROUPS);
	EXPECT_EQ((unsigned long)vms[0]->addr, top - 200 * PAGE_SIZE);
	pcpu_free_vm_areas(vms, NR_GROUPS);
	model_free_all();
	world_shutdown();
}

/*
 *	0 1 2 3 4 5 6 7 8       6 7 8 9
 *	|LLL|x|...|xxx|...| ... .|x|HHH|	only L and H are aligned to two pages
 *
 * One of them is free at any time, if never the one that a search in two holds comes to.
 */
static unsigned int get_against_swing(unsigned int nr_swings, gfp_t gfp)
{
	unsigned long offset = 0, low = VMALLOC_START, high = VMALLOC_END - 2 * PAGE_SIZE, at;
	size_t size = 2 * PAGE_SIZE;
	struct vm_struct **vms;

	model_swing(high, low, size, nr_swings);
	vms = pcpu_get_vm_areas(&offset, &size, 1, size, gfp);
	EXPECT(vms);
	at = (unsigned long)vms[0]->addr;
	EXPECT(at == low || at == high);
	model_free(at, false);
	kfree(vms[0]);
	kfree(vms);
	return model_swing_end();
}

static void fill_but_two_places(void)
{
	unsigned long i;

	world_boot(1, 200 * PAGE_SIZE);
	take_page(VMALLOC_START - PAGE_SIZE);
	take_page(VMALLOC_END);
	for (i = 2; i < 198; i++)
		if (i % 4 == 1 || i % 4 == 2)
			take_page(VMALLOC_START + i * PAGE_SIZE);
}

/* The search begins at the top anew, since something became free. */
TEST(percpu_search_sees_what_became_free)
{
	fill_but_two_places();
	EXPECT(get_against_swing(1, GFP_NOWAIT) < 8);
	EXPECT(get_against_swing(1, GFP_KERNEL) < 8);
	model_free_all();
	world_shutdown();
}

/* Where others spoil each search in several holds, one hold is the end of it. */
TEST(percpu_search_ends_in_one_hold)
{
	unsigned int nr;

	fill_but_two_places();
	nr = get_against_swing(NR_SWINGS, GFP_NOWAIT);
	EXPECT(nr > 4 && nr < 16);
	nr = get_against_swing(NR_SWINGS, GFP_KERNEL);
	EXPECT(nr > 4 && nr < 16);
	model_free_all();
	world_shutdown();
}

/* After a purge the search begins at the top again, however far down it had come. */
TEST(percpu_purge_from_top)
{
	unsigned long offset = 0, low, high;
	size_t size = 2 * PAGE_SIZE;
	struct vm_struct **vms;

	fill_but_two_places();
	low = VMALLOC_START;
	high = VMALLOC_END - size;
	take_page(low);
	take_page(high);
	take_page(high + PAGE_SIZE);
	model_free(high, true);
	model_free(high + PAGE_SIZE, true);
	EXPECT(!pcpu_get_vm_areas(&offset, &size, 1, size, GFP_NOWAIT));
	vms = pcpu_get_vm_areas(&offset, &size, 1, size, GFP_KERNEL);
	EXPECT(vms && (unsigned long)vms[0]->addr == high);
	EXPECT_EQ(sim.nr_flushes, 1);
	pcpu_free_vm_areas(vms, 1);
	model_free_all();
	world_shutdown();
}

/* All or none, whichever allocation fails. */
TEST(percpu_fail_each)
{
	static const unsigned long offsets[] = { 64 * 4096, 0, 256 * 4096 };
	static const size_t sizes[] = { 8 * 4096, 8 * 4096, 8 * 4096 };
	unsigned long offset_of[3], nth;
	size_t size_of[3];
	struct vm_struct **vms = NULL;
	int i;

	for (i = 0; i < 3; i++) {
		offset_of[i] = offsets[i] / 4096 * PAGE_SIZE;
		size_of[i] = sizes[i] / 4096 * PAGE_SIZE;
	}
	world_boot(1, 64 * GIB);
	for (nth = 1; !vms; nth++) {
		sim.fail_nth = nth;
		shim_task.gfp = GFP_NOFS;
		shim_task.gfp_known = true;
		vms = pcpu_get_vm_areas(offset_of, size_of, 3, PAGE_SIZE, GFP_NOFS);
		shim_task.gfp_known = false;
		world_check();
		if (sim.fail_nth)
			break;
		/* A spare that is not replaced is the one failure that nobody sees. */
		EXPECT(!vms || nth > 10);
	}
	/* Arrays, descriptors, two spares besides the one at hand, and the next of those. */
	EXPECT(nth > 11);
	check_congruent(vms, offset_of, size_of, 3);
	pcpu_free_vm_areas(vms, 3);
	world_shutdown();
}

/* Whatever fails, the CPU has its spare afterwards, as it had before. */
TEST(percpu_failure_keeps_spare)
{
	unsigned long offsets[] = { 0, 16 * PAGE_SIZE }, nth;
	size_t sizes[] = { 8 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct vmap_space_stats before, after;
	struct vm_struct **vms = NULL;
	struct vmap_request req = {
		.size_bytes = PAGE_SIZE, .align_bytes = 1, .node = NUMA_NO_NODE,
		.gfp = GFP_NOWAIT,
	};

	world_boot(1, 2048 * PAGE_SIZE);
	for (nth = 1; !vms; nth++) {
		sim.fail_nth = nth;
		vms = pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_KERNEL);
		sim.fail_nth = 0;
		vmap_space_read_stats(&before);
		req.start = VMALLOC_START + 4 * nth * PAGE_SIZE;
		req.end = req.start + PAGE_SIZE;
		EXPECT(!IS_ERR(model_alloc(&req)));
		vmap_space_read_stats(&after);
		EXPECT_EQ(after.nr_fits[VMAP_FIT_MIDDLE], before.nr_fits[VMAP_FIT_MIDDLE] + 1);
		/* Where nothing failed but the refill, it is missing. */
		EXPECT(vms || after.nr_preload_allocs == before.nr_preload_allocs);
	}
	EXPECT(nth > 6);
	pcpu_free_vm_areas(vms, 2);
	model_free_all();
	world_shutdown();
}

/* ---- masks: those that the percpu allocator asks with ------------------------------ */

static struct {
	gfp_t gfp;
	unsigned int nr_objects;	/* areas and arrays of them */
	unsigned int nr_descriptors;
	unsigned int nr_spares;		/* for the CPU, which may fail */
	unsigned int nr_shadow;
} masks;

static void expect_mask(const char *cache, gfp_t gfp)
{
	if (!strcmp(cache, "shadow")) {
		EXPECT_EQ(gfp, masks.gfp);
		masks.nr_shadow++;
	} else if (!strcmp(cache, "kmalloc")) {
		EXPECT_EQ(gfp & ~__GFP_ZERO, masks.gfp);
		masks.nr_objects++;
	} else if (masks.nr_descriptors < 2 * NR_SPLITS - 1) {
		EXPECT_EQ(gfp, masks.gfp);
		masks.nr_descriptors++;
	} else {
		EXPECT_EQ(gfp, masks.gfp | __GFP_NORETRY | __GFP_NOWARN);
		masks.nr_spares++;
	}
}

/* The CPU has one of the descriptors that the splits take. */
static void check_masks(gfp_t gfp)
{
	unsigned long offsets[NR_SPLITS] = { 64 * PAGE_SIZE, 0, 256 * PAGE_SIZE };
	size_t sizes[NR_SPLITS] = { 8 * PAGE_SIZE, 8 * PAGE_SIZE, 8 * PAGE_SIZE };
	struct vm_struct **vms;

	memset(&masks, 0, sizeof(masks));
	masks.gfp = gfp;
	sim.on_alloc = expect_mask;
	vms = pcpu_get_vm_areas(offsets, sizes, NR_SPLITS, PAGE_SIZE, gfp);
	sim.on_alloc = NULL;
	EXPECT_EQ(masks.nr_objects, NR_SPLITS + 2);
	EXPECT_EQ(masks.nr_descriptors, 2 * NR_SPLITS - 1);
	EXPECT_EQ(masks.nr_spares, 1);
	EXPECT_EQ(masks.nr_shadow, NR_SPLITS);
	check_congruent(vms, offsets, sizes, NR_SPLITS);
	pcpu_free_vm_areas(vms, NR_SPLITS);
	vmap_space_purge(ULONG_MAX, 0, false);
}

TEST(percpu_masks)
{
	unsigned int i;

	world_boot(1, 64 * GIB);
	for (i = 0; i < ARRAY_SIZE(pcpu_gfp_cases); i++) {
		if (sim_verbose)
			fprintf(stderr, "%s\n", pcpu_gfp_cases[i].name);
		check_masks(pcpu_gfp_cases[i].backing | __GFP_NOMEMALLOC);
	}
	world_shutdown();
}

TEST(percpu_purges_once)
{
	unsigned long offset = 0;
	size_t size = 1024 * PAGE_SIZE;
	struct vm_struct **vms;

	world_boot(1, 2048 * PAGE_SIZE);
	model_free(model_alloc_pages(2047, 1)->va_start, true);
	EXPECT(!pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE, GFP_NOWAIT));
	vms = pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE, GFP_KERNEL);
	EXPECT(vms);
	pcpu_free_vm_areas(vms, 1);
	world_shutdown();
}

/* What makes no sense is warned of and refused. */
TEST(percpu_misuse)
{
	unsigned long offsets[] = { 0, 4 * PAGE_SIZE };
	size_t sizes[] = { 8 * PAGE_SIZE, PAGE_SIZE };

	world_boot(1, 2048 * PAGE_SIZE);
	sim_expect_warnings(4);
	EXPECT(!pcpu_get_vm_areas(offsets, sizes, 2, PAGE_SIZE, GFP_KERNEL));
	EXPECT(!pcpu_get_vm_areas(offsets, sizes, 1, PAGE_SIZE / 2, GFP_KERNEL));
	EXPECT(!pcpu_get_vm_areas(offsets, sizes, 1, 3 * PAGE_SIZE, GFP_KERNEL));
	EXPECT(!pcpu_get_vm_areas(offsets, sizes, 1, 16 * PAGE_SIZE, GFP_KERNEL));
	EXPECT(sim_expected());
	world_shutdown();
}

TEST(percpu_span_too_large)
{
	unsigned long offset = 2048 * PAGE_SIZE;
	size_t size = PAGE_SIZE;

	world_boot(1, 2048 * PAGE_SIZE);
	sim_expect_warnings(1);
	EXPECT(!pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE, GFP_KERNEL));
	EXPECT(sim_expected());
	world_shutdown();
}
