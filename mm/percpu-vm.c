// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-vm.c - backend: chunks in vmalloc address space, mapped by rows
 *
 * A chunk gets the address space of all its units, and its page tables, when
 * it is created.  So putting pages into a row writes page table entries and
 * nothing else: it cannot fail, and where the architecture's map path allows
 * it, it needs no context that may sleep.
 *
 * Calls vmalloc and the page allocator.  Runs under no lock; the states of the
 * rows keep others away.
 */
#include "percpu-internal.h"

/*
 * Where mapping may sleep or take a lock that is not safe in interrupts:
 * KMSAN allocates shadow, parisc asks find_vm_area(), and the flushes of SMP
 * xtensa and of sparc32 send calls to other CPUs and wait.
 */
#define PCPU_VM_MAPS_ATOMIC						\
	(!IS_ENABLED(CONFIG_KMSAN) && !IS_ENABLED(CONFIG_PARISC) &&	\
	 !IS_ENABLED(CONFIG_XTENSA) && !IS_ENABLED(CONFIG_SPARC32))

/* Used by KMSAN alone, for its shadow, and there mapping may sleep. */
#define PCPU_VM_MAP_GFP							\
	(IS_ENABLED(CONFIG_KMSAN) ? GFP_NOIO | __GFP_NOFAIL : GFP_NOWAIT)

static size_t pcpu_vm_total_bytes(const struct pcpu_allocator *pa)
{
	size_t bytes = 0;
	unsigned int group;

	for (group = 0; group < pa->geo.nr_groups; group++)
		bytes += pa->geo.group_bytes[group];
	return bytes;
}

/* Upper bound of the page tables that a chunk can need. */
static unsigned int pcpu_vm_nr_tables(const struct pcpu_allocator *pa)
{
	unsigned int group, nr = 0;

	for (group = 0; group < pa->geo.nr_groups; group++) {
		size_t bytes = pa->geo.group_bytes[group];

		/* A page of lowest-level entries maps a PMD's range, and so on. */
		nr += DIV_ROUND_UP(bytes, PMD_SIZE) + 1;
		nr += DIV_ROUND_UP(bytes, PUD_SIZE) + 1;
	}
	return nr;
}

static bool pcpu_vm_may_give_up(gfp_t gfp)
{
	return gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL);
}

/*
 * Page tables are allocated as GFP_KERNEL, whatever the mask.  A caller that
 * would rather fail finds out here, with its own mask, whether as many pages
 * can be had.
 */
static bool pcpu_vm_tables_affordable(const struct pcpu_allocator *pa, gfp_t gfp)
{
	unsigned int nr = pcpu_vm_nr_tables(pa);
	struct page *page, *next;
	LIST_HEAD(pages);

	if (!pcpu_vm_may_give_up(gfp))
		return true;
	while (nr) {
		page = alloc_page(gfp);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		nr--;
	}
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	return !nr;
}

/*
 * The scope in which page tables are allocated for @gfp.  GFP_KERNEL of this
 * size never fails but in the noreclaim scope, where it returns at once: who
 * may give up gets that, having seen that the pages are there.  Only if others
 * took them in between may a table come from the emergency reserve.
 */
static unsigned int pcpu_vm_table_scope(gfp_t gfp)
{
	if (pcpu_vm_may_give_up(gfp))
		return memalloc_noreclaim_save();
	if (!(gfp & __GFP_IO))
		return memalloc_noio_save();
	if (!(gfp & __GFP_FS))
		return memalloc_nofs_save();
	return 0;
}

static int pcpu_vm_fill_tables(struct pcpu_allocator *pa, struct vm_struct **vms, gfp_t gfp)
{
	unsigned int flags, group;
	int err = 0;

	if (!pcpu_vm_tables_affordable(pa, gfp))
		return -ENOMEM;
	flags = pcpu_vm_table_scope(gfp);
	for (group = 0; group < pa->geo.nr_groups && !err; group++)
		err = apply_to_page_range(&init_mm,
					  (unsigned long)kasan_reset_tag(vms[group]->addr),
					  pa->geo.group_bytes[group], NULL, NULL);
	memalloc_flags_restore(flags);
	return err;
}

/*
 * Between kmem_cache_init() and vmalloc_init() there is no address space to be
 * had, which get_vm_area() says but pcpu_get_vm_areas() does not check.  It is
 * boot that asks, or the worker's first pass: nobody whose mask matters.
 */
static bool pcpu_vm_ready(void)
{
	static bool ready;
	struct vm_struct *area;

	if (likely(READ_ONCE(ready)))
		return true;
	area = get_vm_area(PAGE_SIZE, VM_MAP);
	if (!area)
		return false;
	free_vm_area(area);
	WRITE_ONCE(ready, true);
	return true;
}

static int pcpu_vm_create(struct pcpu_allocator *pa, struct pcpu_chunk *chunk, gfp_t gfp)
{
	struct vm_struct **vms;

	if (!pcpu_vm_ready())
		return -ENOMEM;
	vms = pcpu_get_vm_areas(pa->geo.group_offsets, pa->geo.group_bytes,
				pa->geo.nr_groups, pa->geo.atom_bytes, gfp);
	if (!vms)
		return -ENOMEM;
	if (pcpu_vm_fill_tables(pa, vms, gfp)) {
		pcpu_free_vm_areas(vms, pa->geo.nr_groups);
		return -ENOMEM;
	}
	chunk->backing = vms;
	/* Objects have tags of KASAN, chunks have none. */
	chunk->base_addr = (unsigned long)kasan_reset_tag(vms[0]->addr) -
			   pa->geo.group_offsets[0];
	pcpu_kasan_add_chunk(pa, chunk);
	return 0;
}

static void pcpu_vm_destroy(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	pcpu_free_vm_areas(chunk->backing, pa->geo.nr_groups);
}

static int pcpu_vm_map_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			   unsigned int row, struct list_head *pages)
{
	unsigned int cpu, flags = 0;
	int err = 0;

	/* The page tables of the shadow take no mask. */
	if (IS_ENABLED(CONFIG_KMSAN))
		flags = memalloc_noio_save();

	for_each_cpu(cpu, pa->geo.cpus) {
		unsigned long addr = pcpu_chunk_addr(pa, chunk, cpu, row * PAGE_SIZE);
		struct page *page = list_first_entry(pages, struct page, lru);

		list_del(&page->lru);
		err = vmap_pages_range_noflush(addr, addr + PAGE_SIZE, PAGE_KERNEL, &page,
					       PAGE_SHIFT, PCPU_VM_MAP_GFP);
		if (err)
			break;
	}
	if (IS_ENABLED(CONFIG_KMSAN))
		memalloc_flags_restore(flags);
	return err;
}

static void pcpu_vm_map_flush(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			      unsigned int row, unsigned int nr)
{
	flush_cache_vmap(pcpu_chunk_addr(pa, chunk, pa->geo.low_cpu, row * PAGE_SIZE),
			 pcpu_chunk_addr(pa, chunk, pa->geo.high_cpu,
					 (row + nr) * PAGE_SIZE));
}

static void pcpu_vm_unmap_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			      unsigned int row, struct list_head *pages)
{
	unsigned int cpu;

	flush_cache_vunmap(pcpu_chunk_addr(pa, chunk, pa->geo.low_cpu, row * PAGE_SIZE),
			   pcpu_chunk_addr(pa, chunk, pa->geo.high_cpu,
					   (row + 1) * PAGE_SIZE));
	for_each_cpu(cpu, pa->geo.cpus) {
		unsigned long addr = pcpu_chunk_addr(pa, chunk, cpu, row * PAGE_SIZE);
		struct page *page = vmalloc_to_page((void *)addr);

		vunmap_range_noflush(addr, addr + PAGE_SIZE);
		if (!WARN_ON_ONCE(!page))
			list_add_tail(&page->lru, pages);
	}
}

static void pcpu_vm_unmap_flush(struct pcpu_allocator *pa, unsigned long start,
				unsigned long end)
{
	flush_tlb_kernel_range(start, end);
}

static size_t pcpu_vm_chunk_overhead_bytes(struct pcpu_allocator *pa)
{
	size_t bytes = pcpu_vm_nr_tables(pa) * PAGE_SIZE;

	/* At most one shadow byte for each eight of address space. */
	if (IS_ENABLED(CONFIG_KASAN_VMALLOC))
		bytes += pcpu_vm_total_bytes(pa) / 8;
	return bytes;
}

static unsigned int pcpu_vm_max_spare_chunks(struct pcpu_allocator *pa)
{
	return VMALLOC_TOTAL / 64 / pcpu_vm_total_bytes(pa);
}

const struct pcpu_backend pcpu_backend = {
	.name = "vm",
	.maps_atomic = PCPU_VM_MAPS_ATOMIC,
	.create = pcpu_vm_create,
	.destroy = pcpu_vm_destroy,
	.map_row = pcpu_vm_map_row,
	.map_flush = pcpu_vm_map_flush,
	.unmap_row = pcpu_vm_unmap_row,
	.unmap_flush = pcpu_vm_unmap_flush,
	.chunk_overhead_bytes = pcpu_vm_chunk_overhead_bytes,
	.max_spare_chunks = pcpu_vm_max_spare_chunks,
};
