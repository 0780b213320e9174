// SPDX-License-Identifier: GPL-2.0
/*
 * test-map.c - mm/vmalloc-map.c over page tables of 8 entries
 *
 * Tables of five levels, small so that every boundary is met often, with leaves at
 * three of them (and of four entries, where CONFIG_HUGETLB_PAGE is set), cover
 * 32768 pages.  Random ranges are mapped, by pages or by physical addresses, and
 * unmapped; now and then a table cannot be allocated, an architecture refuses a
 * leaf, ptdump holds its lock, or something is mapped already.  Some of them are areas
 * of a segment, which is as large as a table and remembers it; where another range
 * covers all of that, the segment is another.  An array says what every page must be,
 * as vmalloc_to_page() sees it.  The architecture is told of each entry that is written,
 * of each before it is cleared, and of new tables that all processes have to share.
 */
#include "shim/tables.h"
#include "vmalloc-internal.h"
#define vmap_class_bytes(class)	((void)(class), PMD_SIZE)
#include "vmalloc-map.c"

/* ---- the model ---------------------------------------------------------------- */

#define NOTHING		(-1L)
#define MAX_LIVE	200

enum kind {
	PAGES,
	BLOCKS,
	PHYS,
	AREA,		/* every other */
};

struct range {
	unsigned long first, nr;
	enum kind kind;
};

static long model[NR_PAGES];	/* frame, or NOTHING */
static long wanted[NR_PAGES];
static struct page *pages[NR_PAGES];
static struct range live[MAX_LIVE];
static unsigned int nr_live;
static unsigned long nr_mapped, nr_failed, nr_collisions, nr_by_table;
static struct vmap_segment segments[NR_PAGES / ENTRIES];

static unsigned long addr_of(unsigned long page)
{
	return BASE + (page << PAGE_SHIFT);
}

static long frame_at(unsigned long page)
{
	struct page *found = vmalloc_to_page((void *)addr_of(page));

	return found ? (long)page_to_pfn(found) : NOTHING;
}

static void check_all(void)
{
	unsigned long i;

	for (i = 0; i < NR_PAGES; i++)
		assert(frame_at(i) == model[i]);
}

static bool is_free(const struct range *range)
{
	unsigned long i;

	for (i = 0; i < range->nr; i++)
		if (model[range->first + i] != NOTHING)
			return false;
	return true;
}

/* Pages in runs, or in aligned blocks of 1 << @order. */
static void choose_pages(const struct range *range, unsigned int order)
{
	unsigned long i, pfn = 0;

	for (i = 0; i < range->nr; i++) {
		if (order && IS_ALIGNED(i, 1UL << order))
			pfn = rand() % (NR_FRAMES >> order) << order;
		else if (!order && (!i || rand() % 5 == 0 || pfn + 1 == NR_FRAMES))
			pfn = rand() % NR_FRAMES;
		else
			pfn++;
		wanted[i] = pfn;
		pages[i] = pfn_to_page(pfn);
	}
}

/* Often with the same offset from a boundary as the addresses have. */
static unsigned long choose_phys(const struct range *range)
{
	unsigned long i, pfn = rand() % (NR_FRAMES - range->nr);

	if (rand() % 2)
		pfn = ALIGN_DOWN(pfn, 512) + range->first % 512;
	if (pfn + range->nr > NR_FRAMES)
		pfn = 0;
	for (i = 0; i < range->nr; i++)
		wanted[i] = pfn + i;
	return pfn << PAGE_SHIFT;
}

static struct vmap_area area_of(const struct range *range)
{
	/* With a guard page, which may be another's here: it is not touched. */
	return (struct vmap_area) {
		.va_start = addr_of(range->first),
		.va_end = addr_of(range->first + range->nr + 1),
		.flags = VMAP_IN_SEGMENT,
		.list.prev = &segments[range->first / ENTRIES].link,
	};
}

/* Segments whose table this may have taken away are others from now on. */
static void forget_segments(const struct range *range)
{
	unsigned long i;

	for (i = 0; i < range->nr; i++)
		segments[(range->first + i) / ENTRIES].table = NULL;
}

static int map_range(const struct range *range, unsigned int order)
{
	const unsigned long start = addr_of(range->first);
	const unsigned long end = addr_of(range->first + range->nr);
	struct vmap_area va;
	int err;

	if (range->kind == AREA) {
		va = area_of(range);
		nr_by_table += !!segments[range->first / ENTRIES].table;
		choose_pages(range, 0);
		err = vmap_map_area(&va, end, PAGE_KERNEL, pages, PAGE_SHIFT, 0);
		/* Its caller does that. */
		flush_cache_vmap(start, end);
		return err;
	}
	if (range->nr >= ENTRIES)
		forget_segments(range);
	if (range->kind == PHYS)
		return vmap_page_range(start, end, choose_phys(range), PAGE_KERNEL);
	choose_pages(range, order);
	return vmap_pages_range(start, end, PAGE_KERNEL, pages, PAGE_SHIFT + order);
}

static void unmap(unsigned long first, unsigned long nr)
{
	vunmap_range(addr_of(first), addr_of(first + nr));
	shim_check_told();
}

static void unmap_range(const struct range *range)
{
	struct vmap_area va;

	if (range->kind != AREA) {
		unmap(range->first, range->nr);
		return;
	}
	va = area_of(range);
	vmap_unmap_area(&va, addr_of(range->first + range->nr));
	shim_check_told();
}

/* Of a range that met another's, only what lies before that was mapped. */
static void undo_collision(const struct range *range)
{
	unsigned long i;

	for (i = 0; i < range->nr && model[range->first + i] == NOTHING; i++) {
		if (frame_at(range->first + i) == NOTHING)
			continue;
		assert(frame_at(range->first + i) == wanted[i]);
		unmap(range->first + i, 1);
	}
	nr_collisions++;
}

static void step_map(void)
{
	static const unsigned int orders[] = { 0, 2, 3, 6, 9 };
	unsigned int order = 0;
	const int warnings = shim_warnings;
	struct range range = {
		.first = rand() % NR_PAGES,
		.nr = 1 + rand() % (rand() % 4 ? 40 : 2000),
		.kind = min(rand() % 6, AREA),
	};
	bool clear;
	int err;

	if (range.kind == BLOCKS) {
		order = orders[rand() % ARRAY_SIZE(orders)];
		range.nr = ALIGN(range.nr, 1UL << order);
		range.first = ALIGN_DOWN(range.first, 1UL << order);
	}
	if (range.kind == AREA)
		range.nr = 1 + rand() % (ENTRIES - range.first % ENTRIES);
	if (range.first + range.nr > NR_PAGES || nr_live == MAX_LIVE)
		return;
	clear = is_free(&range);
	if (!clear && (range.kind != PAGES || rand() % 4))
		return;
	shim_fail_in = clear && rand() % 6 == 0 ? 1 + rand() % 4 : 0;
	err = map_range(&range, order);
	shim_fail_in = 0;
	shim_check_told();
	if (!clear) {
		assert(err && shim_warnings > warnings);
		undo_collision(&range);
		return;
	}
	assert(shim_warnings == warnings);
	if (err) {
		unmap_range(&range);
		nr_failed++;
		return;
	}
	memcpy(model + range.first, wanted, range.nr * sizeof(*model));
	live[nr_live++] = range;
	nr_mapped++;
}

static void step_unmap(void)
{
	const int warnings = shim_warnings;
	struct range range;
	unsigned int i;

	if (!nr_live)
		return;
	i = rand() % nr_live;
	range = live[i];
	live[i] = live[--nr_live];
	unmap_range(&range);
	for (i = 0; i < range.nr; i++)
		model[range.first + i] = NOTHING;
	assert(shim_warnings == warnings);
}

/* I/O is mapped into an area made for it, and nothing but all of that. */
static void test_ioremap(void)
{
	struct vm_struct vm = {
		.addr = (void *)addr_of(16), .size = 5 * PAGE_SIZE, .flags = VM_IOREMAP,
	};
	const unsigned long start = addr_of(16), end = addr_of(20);

	assert(ioremap_page_range(start, end, 0, PAGE_KERNEL) == -EINVAL && shim_warnings == 1);
	shim_area = &vm;
	assert(ioremap_page_range(start, end - PAGE_SIZE, 0, PAGE_KERNEL) == -ERANGE);
	assert(ioremap_page_range(start, end + PAGE_SIZE, 0, PAGE_KERNEL) == -ERANGE);
	assert(ioremap_page_range(start + PAGE_SIZE, end, 0, PAGE_KERNEL) == -ERANGE);
	vm.flags = VM_MAP;
	assert(ioremap_page_range(start, end, 0, PAGE_KERNEL) == -EINVAL && shim_warnings == 5);
	check_all();
	vm.flags = VM_IOREMAP;
	assert(!ioremap_page_range(start, end, PAGE_SIZE, PAGE_KERNEL) && shim_warnings == 5);
	assert(frame_at(16) == 1 && frame_at(19) == 4 && frame_at(20) == NOTHING);
	unmap(16, 4);
	shim_area = NULL;
	shim_warnings = 0;
}

/* Parts of sparse areas of their own, and of no others. */
static void test_sparse(void)
{
	struct vm_struct vm = {
		.addr = (void *)addr_of(16), .size = 5 * PAGE_SIZE, .flags = VM_SPARSE,
	};
	const struct range range = { .first = 17, .nr = 2 };
	const unsigned long start = addr_of(17), end = addr_of(19);

	choose_pages(&range, 0);
	assert(vm_area_map_pages(&vm, start - 2 * PAGE_SIZE, start, pages) == -ERANGE);
	assert(vm_area_map_pages(&vm, end, end + 2 * PAGE_SIZE, pages) == -ERANGE);
	assert(!shim_warnings);
	vm.flags = VM_SPARSE | VM_NO_GUARD;
	assert(vm_area_map_pages(&vm, start, end, pages) == -EINVAL && shim_warnings == 1);
	vm.flags = VM_MAP;
	assert(vm_area_map_pages(&vm, start, end, pages) == -EINVAL && shim_warnings == 2);
	check_all();
	vm.flags = VM_SPARSE;
	assert(!vm_area_map_pages(&vm, start, end, pages));
	assert(frame_at(17) == wanted[0] && frame_at(18) == wanted[1] && frame_at(19) == NOTHING);
	vm_area_unmap_pages(&vm, start, end);
	shim_check_told();
	check_all();
	shim_warnings = 0;
}

int main(int argc, char **argv)
{
	unsigned int i;

	srand(argc > 1 ? atoi(argv[1]) : 1);
	memset(model, 0xff, sizeof(model));
	test_ioremap();
	test_sparse();
	for (i = 0; i < 40000; i++) {
		if (rand() % 3)
			step_map();
		else
			step_unmap();
		if (i % 32 == 0)
			check_all();
	}
	while (nr_live)
		step_unmap();
	check_all();
	printf("map: %lu mapped, %lu of them by a known table, %lu failed, %lu collisions\n",
	       nr_mapped, nr_by_table, nr_failed, nr_collisions);
	assert(nr_mapped > 5000 && nr_failed > 100 && nr_collisions > 50);
	assert(nr_by_table > 500);
	assert(shim_nr_syncs > 20 && shim_nr_syncs < nr_mapped / 10);
	assert(shim_nr_vmap_flushes > nr_mapped && shim_nr_vunmap_flushes >= nr_mapped);
	return 0;
}
