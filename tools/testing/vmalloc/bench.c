// SPDX-License-Identifier: GPL-2.0
/*
 * bench.c - how costs grow, counted by callgrind (bench.sh)
 *
 *   sim LIVE PAGES PAIRS	with LIVE areas of one page and its guard page in use,
 *				allocates and frees areas of PAGES pages
 *   sim LIVE mixed PAIRS	with LIVE areas of 2 to 9 pages in use, frees one at random
 *				and allocates another in its place
 */
#include "test.h"

static struct vmap_request req = { .align_bytes = 1, .node = NUMA_NO_NODE, .gfp = GFP_KERNEL };

/* No layer above. */
void vmap_ram_purge_fragmented(void)
{
}

void free_vm_area(struct vm_struct *vm)
{
}

static unsigned long take(void)
{
	struct vmap_area *va = vmap_space_alloc(&req);

	EXPECT(!IS_ERR(va));
	return va->va_start;
}

/* What callgrind counts. */
noinline void bench_pairs(unsigned long nr)
{
	while (nr--) {
		vmap_space_free(vmap_space_unlink(take()));
		sim_run_work();
	}
}

static unsigned long take_mixed(void)
{
	req.size_bytes = sim_between(2, 9) * PAGE_SIZE;
	return take();
}

/* The same for areas of all ages. */
noinline void bench_mixed(unsigned long *live, unsigned long nr_live, unsigned long nr)
{
	unsigned long *at;

	while (nr--) {
		at = &live[sim_below(nr_live)];
		vmap_space_free(vmap_space_unlink(*at));
		*at = take_mixed();
		sim_run_work();
	}
}

static int run_mixed(unsigned long nr_live, unsigned long nr)
{
	unsigned long *live = calloc(nr_live, sizeof(*live)), i;

	for (i = 0; i < nr_live; i++)
		live[i] = take_mixed();
	bench_mixed(live, nr_live, nr);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long live, pages, nr;

	if (argc != 4)
		return 2;
	live = strtoul(argv[1], NULL, 0);
	pages = strtoul(argv[2], NULL, 0);
	nr = strtoul(argv[3], NULL, 0);
	shim_nr_cpus = 1;
	sim_reset();
	sim.window_start = WORLD_START;
	sim.window_end = WORLD_START + (1UL << 40);
	vmap_space_init(NULL);
	req.start = VMALLOC_START;
	req.end = VMALLOC_END;
	if (!strcmp(argv[2], "mixed"))
		return run_mixed(live, nr);
	req.size_bytes = 2 * PAGE_SIZE;
	while (live--)
		take();
	req.size_bytes = pages * PAGE_SIZE;
	bench_pairs(nr);
	return 0;
}
