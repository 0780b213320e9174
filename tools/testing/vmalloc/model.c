// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - which addresses are in use, kept in the most obvious way
 *
 * An array of intervals, each of them compared with each other.  The TLB is
 * simulated by page: what was freed and not flushed must not come back.
 */
#include "test.h"

#define MAX_AREAS	4096

static struct interval {
	unsigned long start;
	unsigned long end;
	struct vm_struct *vm;
} areas[MAX_AREAS];
static unsigned int nr_areas;
bool model_own_descriptors;

unsigned int model_nr_areas(void)
{
	return nr_areas;
}

unsigned long model_area_start(unsigned int i)
{
	return areas[i].start;
}

static bool overlaps(unsigned long start, unsigned long end)
{
	unsigned int i;

	for (i = 0; i < nr_areas; i++)
		if (start < areas[i].end && areas[i].start < end)
			return true;
	return false;
}

static void check_released(unsigned long start, unsigned long end)
{
	EXPECT(!overlaps(start, end));
}

void model_bring_descriptor(struct vmap_request *req, struct model_object *object)
{
	req->vm = &object->vm;
	if (vmap_segment_choose(req, &req->place))
		req->va = &object->va;
}

struct vmap_area *model_alloc(const struct vmap_request *req)
{
	struct model_object *object = calloc(1, sizeof(*object));
	struct vmap_request with_vm = *req;
	struct vm_struct *vm = &object->vm;
	struct vmap_area *va;

	with_vm.vm = vm;
	if (model_own_descriptors && sim_below(2))
		model_bring_descriptor(&with_vm, object);
	sim_on_release = check_released;
	shim_task.gfp = req->gfp;
	shim_task.gfp_known = true;
	va = vmap_space_alloc(&with_vm);
	shim_task.gfp_known = false;
	if (IS_ERR(va)) {
		free(vm);
		return va;
	}
	EXPECT_EQ(va->va_end - va->va_start, req->size_bytes);
	EXPECT(IS_ALIGNED(va->va_start, req->align_bytes));
	EXPECT(va->va_start >= req->start && va->va_end <= req->end);
	EXPECT_EQ(va->flags & VMAP_FLAGS_MASK, req->va_flags);
	EXPECT(va->vm == vm && vm->addr == (void *)va->va_start);
	EXPECT_EQ(va == &object->va, !!(va->flags & VMAP_OWN_DESCRIPTOR));
	EXPECT(va != &object->va || (va->flags & VMAP_IN_SEGMENT));
	EXPECT_EQ(vm->size, req->size_bytes);
	EXPECT(!overlaps(va->va_start, va->va_end));
	sim_tlb_check(va->va_start, va->va_end);
	sim_shadow_check(va->va_start, va->va_end);
	EXPECT(nr_areas < MAX_AREAS);
	areas[nr_areas++] = (struct interval){ va->va_start, va->va_end, vm };
	return va;
}

struct vmap_area *model_alloc_gfp(unsigned long nr_pages, unsigned long align_pages, gfp_t gfp)
{
	struct vmap_request req = {
		.size_bytes = nr_pages << PAGE_SHIFT,
		.align_bytes = align_pages << PAGE_SHIFT,
		.start = VMALLOC_START,
		.end = VMALLOC_END,
		.node = NUMA_NO_NODE,
		.gfp = gfp,
	};

	return model_alloc(&req);
}

struct vmap_area *model_alloc_pages(unsigned long nr_pages, unsigned long align_pages)
{
	return model_alloc_gfp(nr_pages, align_pages, GFP_KERNEL);
}

static unsigned int index_of(unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < nr_areas; i++)
		if (addr >= areas[i].start && addr < areas[i].end)
			return i;
	return MAX_AREAS;
}

/* Areas that others made, like pcpu_get_vm_areas(), are not in the model. */
void model_free(unsigned long addr, bool mapped)
{
	unsigned int i = index_of(addr);
	struct vmap_area *va = vmap_space_unlink(addr);
	struct vm_struct *vm = NULL;
	unsigned long start, end;

	EXPECT(va);
	start = va->va_start;
	end = va->va_end;
	EXPECT(!vmap_space_find(addr));
	if (i < MAX_AREAS) {
		EXPECT(start == areas[i].start && end == areas[i].end);
		vm = areas[i].vm;
		areas[i] = areas[--nr_areas];
	}
	if (mapped) {
		sim_tlb_stale(start, end);
		vmap_space_free(va);
	} else {
		vmap_space_free_unmapped(va);
	}
	free(vm);
}

void model_free_all(void)
{
	while (nr_areas)
		model_free(areas[nr_areas - 1].start, true);
}

struct walk {
	unsigned long at;
	unsigned int nr;
};

static int see_area(struct vmap_area *va, void *data)
{
	struct walk *walk = data;
	unsigned int i = index_of(va->va_start);

	EXPECT(va->va_start >= walk->at);
	EXPECT(i < MAX_AREAS && areas[i].start == va->va_start && areas[i].end == va->va_end);
	walk->at = va->va_end;
	walk->nr++;
	return 0;
}

static int see_peek(struct vmap_area *va, void *data)
{
	*(unsigned long *)data = va->va_start;
	return 0;
}

static void check_lookup(unsigned long addr)
{
	unsigned int i = index_of(addr);
	struct vmap_area *va = vmap_space_find(addr);
	unsigned long peeked = 0;

	EXPECT_EQ(vmap_space_peek(addr, see_peek, &peeked), i < MAX_AREAS);
	if (i >= MAX_AREAS) {
		EXPECT(!va);
		return;
	}
	EXPECT(va && va->va_start == areas[i].start);
	EXPECT_EQ(peeked, areas[i].start);
}

void model_check(void)
{
	struct walk walk = { };
	unsigned int i;

	for (i = 0; i < nr_areas; i++) {
		struct interval *area = &areas[i];

		check_lookup(area->start);
		check_lookup(area->end - 1);
		check_lookup(area->start + (area->end - area->start) / 2);
		check_lookup(area->start - 1);
		check_lookup(area->end);
	}
	EXPECT_EQ(vmap_space_walk(0, see_area, &walk), 0);
	EXPECT_EQ(walk.nr, nr_areas);
	world_check();
}

/* ---- others, between two holds of a lock ---------------------------------------- */

static struct swing {
	unsigned long from;
	unsigned long to;
	unsigned long bytes;
	unsigned int nr_left;
	unsigned int nr_holds;
} swing;

static void take_place(unsigned long start)
{
	struct vmap_request req = {
		.size_bytes = swing.bytes, .align_bytes = 1, .start = start,
		.end = start + swing.bytes, .node = NUMA_NO_NODE, .gfp = GFP_NOWAIT,
	};

	EXPECT(!IS_ERR(model_alloc(&req)));
}

static void swing_over(const spinlock_t *lock)
{
	if (lock != &vmap_ranges.lock)
		return;
	swing.nr_holds++;
	if (!swing.nr_left)
		return;
	swing.nr_left--;
	sim_on_unlock = NULL;
	if (vmap_space_find(swing.to))
		return;
	model_free(swing.from, false);
	take_place(swing.to);
	swap(swing.from, swing.to);
	sim_on_unlock = swing_over;
}

void model_swing(unsigned long from, unsigned long to, unsigned long bytes, unsigned int nr)
{
	swing = (struct swing){ .from = from, .to = to, .bytes = bytes, .nr_left = nr };
	take_place(from);
	sim_on_unlock = swing_over;
}

unsigned int model_swing_end(void)
{
	sim_on_unlock = NULL;
	model_free(swing.from, false);
	return swing.nr_holds;
}
