// SPDX-License-Identifier: GPL-2.0
/*
 * bench.c - how costs grow, counted by callgrind (bench.sh)
 *
 *   sim LIVE PAGES PAIRS	with LIVE areas of one page and its guard page in use,
 *				allocates and frees areas of PAGES pages
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
	req.size_bytes = 2 * PAGE_SIZE;
	while (live--)
		take();
	req.size_bytes = pages * PAGE_SIZE;
	bench_pairs(nr);
	return 0;
}
