// SPDX-License-Identifier: GPL-2.0
/*
 * test-ram.c - mm/vmalloc-ram.c over an address space that is plain to see
 *
 * Random pieces are mapped and unmapped by four CPUs; now and then something
 * fails.  Nothing may be handed out that is mapped, or that a TLB may hold; after
 * vm_unmap_aliases() no TLB holds anything; at the end nothing is left.
 */
#include "shim/ram.h"
#include "vmalloc-ram.c"

#define MAX_LIVE	3000

static struct {
	void *p;
	unsigned int nr;
} live[MAX_LIVE];
static unsigned int nr_live;
static unsigned long nr_mapped, nr_failed;
static int most_areas;

static void step_map(void)
{
	unsigned int nr = 1 + rand() % (rand() % 4 ? 8 : VMAP_RAM_MAX_PAGES);
	void *p;

	if (nr_live == MAX_LIVE)
		return;
	if (rand() % 20 == 0)
		nr = 1 + rand() % 200;
	shim_fail_in = rand() % 30 == 0 ? 1 + rand() % (nr + 3) : 0;
	p = vm_map_ram(NULL, nr, -1);
	shim_fail_in = 0;
	if (!p) {
		nr_failed++;
		return;
	}
	live[nr_live].p = p;
	live[nr_live++].nr = nr;
	nr_mapped++;
}

static void step_unmap(void)
{
	unsigned int i;

	if (!nr_live)
		return;
	i = rand() % nr_live;
	vm_unmap_ram(live[i].p, live[i].nr);
	live[i] = live[--nr_live];
}

static void step_flush(void)
{
	unsigned long i;

	vm_unmap_aliases();
	for (i = 0; i < SPACE_PAGES; i++)
		assert(!space_stale[i]);
}

static int part_is_mapped(unsigned long start, unsigned long end, void *data)
{
	unsigned long i;

	assert(shim_nr_spinlocks == 1);
	for (i = space_page(start); i < space_page(end); i++)
		assert(space_mapped[i]);
	*(unsigned long *)data += end - start;
	return 0;
}

/* What is mapped is what is live, and what a reader is shown. */
static void check_all(void)
{
	unsigned long mapped = 0, counted = 0, shown = 0, own = 0, i;
	struct vmap_area *va;

	for (i = 0; i < SPACE_PAGES; i++)
		mapped += space_mapped[i];
	for (i = 0; i < nr_live; i++) {
		counted += live[i].nr;
		own += live[i].nr > VMAP_RAM_MAX_PAGES ? live[i].nr : 0;
	}
	list_for_each_entry(va, &space_busy, list)
		if (va->flags & VMAP_BLOCK)
			vmap_ram_visit_live(va->va_start, part_is_mapped, &shown);
	assert(mapped == counted);
	assert(shown >> PAGE_SHIFT == counted - own);
}

#define NR_BLOCKS	100

/* However many blocks there are, others get the CPU after some, and all are looked at. */
static void test_batches(void)
{
	const unsigned int nr_pieces = NR_BLOCKS * (VMAP_RAM_BLOCK_PAGES / VMAP_RAM_MAX_PAGES);
	unsigned int i;

	shim_cpu = 0;
	for (i = 0; i < nr_pieces; i++) {
		live[i].p = vm_map_ram(NULL, VMAP_RAM_MAX_PAGES, -1);
		live[i].nr = VMAP_RAM_MAX_PAGES;
		assert(live[i].p);
	}
	nr_live = nr_pieces;
	assert(space_nr_areas >= NR_BLOCKS);
	for (i = 0; i < NR_BLOCKS; i++)
		step_unmap();
	shim_most_rcu_locks = 0;
	step_flush();
	assert(shim_most_rcu_locks && shim_most_rcu_locks < NR_BLOCKS / 2);
	while (nr_live)
		step_unmap();
	space_make_room();
	assert(!space_nr_areas);
}

static unsigned long nr_mapped_pages(void)
{
	unsigned long nr = 0, i;

	for (i = 0; i < SPACE_PAGES; i++)
		nr += space_mapped[i];
	return nr;
}

/* What is not mapped, all of it, is refused with a warning, and others keep what they have. */
static void test_misuse(void)
{
	const unsigned int most = VMAP_RAM_MAX_PAGES;
	void *p[VMAP_RAM_BLOCK_PAGES / VMAP_RAM_MAX_PAGES];
	unsigned int i;

	shim_cpu = 0;
	vm_unmap_ram((void *)VMALLOC_START, 1);
	assert(shim_warnings == 1);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = vm_map_ram(NULL, most, -1);
	/* Behind the end of the block; then with pages that are dead, or all of them so. */
	vm_unmap_ram(p[ARRAY_SIZE(p) - 1] + PAGE_SIZE, most);
	assert(shim_warnings == 2 && nr_mapped_pages() == ARRAY_SIZE(p) * most);
	vm_unmap_ram(p[1], most);
	vm_unmap_ram(p[0] + PAGE_SIZE, most);
	vm_unmap_ram(p[1], most);
	assert(shim_warnings == 4 && nr_mapped_pages() == (ARRAY_SIZE(p) - 1) * most);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		if (i != 1)
			vm_unmap_ram(p[i], most);
	assert(shim_warnings == 4 && !nr_mapped_pages());
	vm_unmap_ram(p[0], most);
	assert(shim_warnings == 5);
	shim_warnings = 0;
	space_make_room();
	assert(!space_nr_areas);
}

int main(int argc, char **argv)
{
	unsigned int i, grow;

	srand(argc > 1 ? atoi(argv[1]) : 1);
	vmap_ram_init();
	test_misuse();
	test_batches();
	for (i = 0; i < 100000; i++) {
		shim_cpu = rand() % SHIM_NR_CPUS;
		grow = i / 20000 % 2 ? 60 : 40;
		if (rand() % 50 == 0)
			step_flush();
		else if (rand() % 100 < grow)
			step_map();
		else
			step_unmap();
		most_areas = max(most_areas, space_nr_areas);
		if (i % 500 == 0)
			check_all();
	}
	while (nr_live)
		step_unmap();
	space_make_room();
	assert(!space_nr_areas && !shim_warnings);
	for (i = 0; i < XA_SLOTS; i++)
		assert(!vmap_ram_blocks.slot[i]);
	printf("ram: %lu mapped, %lu failed, at most %d areas\n", nr_mapped, nr_failed,
	       most_areas);
	assert(nr_failed > 100);
	return 0;
}
