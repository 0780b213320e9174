// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-km.c - backend: chunks in contiguous kernel memory
 *
 * For UP, where a percpu pointer is an address, and for SMP without an MMU.
 * A chunk is one block from the page allocator that holds all its units, in
 * one group.  Its rows are PRESENT from its creation to its end, so requests
 * that cannot sleep are served from what is there, and may fail.
 */
#include "percpu-internal.h"

static unsigned int pcpu_km_order(const struct pcpu_allocator *pa)
{
	return order_base_2(pa->geo.group_bytes[0] >> PAGE_SHIFT);
}

static int pcpu_km_create(struct pcpu_allocator *pa, struct pcpu_chunk *chunk, gfp_t gfp)
{
	struct page *pages = alloc_pages(gfp, pcpu_km_order(pa));

	if (!pages)
		return -ENOMEM;
	chunk->backing = pages;
	/* Objects have tags of KASAN, chunks have none. */
	chunk->base_addr = (unsigned long)kasan_reset_tag(page_address(pages));
	pcpu_kasan_add_chunk(pa, chunk);
	return 0;
}

static void pcpu_km_destroy(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	__free_pages(chunk->backing, pcpu_km_order(pa));
}

static size_t pcpu_km_chunk_overhead_bytes(struct pcpu_allocator *pa)
{
	return PAGE_SIZE << pcpu_km_order(pa);
}

static unsigned int pcpu_km_max_spare_chunks(struct pcpu_allocator *pa)
{
	return 1;
}

const struct pcpu_backend pcpu_backend = {
	.name = "km",
	.rows_fixed = true,
	.create = pcpu_km_create,
	.destroy = pcpu_km_destroy,
	.chunk_overhead_bytes = pcpu_km_chunk_overhead_bytes,
	.max_spare_chunks = pcpu_km_max_spare_chunks,
};
