/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmalloc-internal.h - types and seams of vmalloc
 *
 * Documentation/mm/vmalloc.rst tells the whole story; this is its short form.
 *
 * 1. Terms
 *
 *   area     what one request got, a struct vmap_area: [va_start, va_end)
 *   window   the addresses that a request may get
 *   range    a stretch of address space, free or busy, in the trees of the
 *            range layer; a busy one is an area or a segment
 *   segment  VMAP_SEGMENT_GRANULES granules, aligned to their size, handed out
 *            in small areas by bitmap
 *   granule  what one bit of a segment stands for: a page in segments of class
 *            0, 16 pages in those of class 1
 *   node     a part of the segments, with a lock of its own; CPUs are spread
 *            over the nodes (no NUMA node)
 *
 * 2. Layers, each calling only those below it
 *
 *   vmalloc-percpu.c    congruent areas for percpu chunks
 *   vmalloc-space.c     the door: allocate, find, unlink, free, walk
 *   vmalloc-purge.c     lazily freed areas: flush, reuse; worker and shrinker
 *   vmalloc-segment.c   segments: small areas anywhere in the vmalloc window
 *   vmalloc-range.c     ranges: any size, alignment and window; preload
 *   vmalloc-validate.c  every invariant, checked
 *
 * 3. States of an address
 *
 *            alloc          unlink           free              purge
 *   FREE ----------> BUSY ----------> HELD ----------> LAZY ----------> FLUSHING
 *    ^             findable       its owner's    TLB may know it     being flushed
 *    |                                |                                  |
 *    +--------------------------------+----------------------------------+
 *          free, where it was never mapped                after the flush
 *
 * 4. Locks, in this order
 *
 *   P  vmap_purge_lock, a mutex: one purge at a time.  Nothing is allocated
 *      under it, so that reclaim may take it.
 *   N  vmap_node.lock, a spinlock: the segments of a node, its lazy ranges.
 *   L  vmap_ranges.lock, a spinlock: both trees of the range layer.  Leaf.
 *   H  vmap_segment_hash_lock, a spinlock: writers of the hash.  Leaf.
 *   I  written before the object is published, then constant
 *   R  as the letter before it for writers; readers use RCU
 *   O  the owner of the area
 *
 *   No memory is allocated or freed under a spinlock.  They are taken with
 *   interrupts enabled: nothing here may be called from an interrupt.
 */
#ifndef _MM_VMALLOC_INTERNAL_H
#define _MM_VMALLOC_INTERNAL_H

#include "vmalloc-kernel.h"

/* vmap_area.flags: who looks after it */
#define VMAP_RAM		0x1	/* vm_map_ram() */
#define VMAP_BLOCK		0x2	/* and of that, a block that it shares out */
#define VMAP_FLAGS_MASK		0x3	/* what a caller can ask for */
#define VMAP_SEGMENT		0x4	/* a range that is a segment; never handed out */
#define VMAP_IN_SEGMENT		0x8	/* an area that lies in one */

/* ---- requests ----------------------------------------------------------- */

/**
 * struct vmap_request - what is asked for
 * @size_bytes: a multiple of PAGE_SIZE, guard page included
 * @align_bytes: a power of two
 * @start: first address of the window
 * @end: first address behind it
 * @node: NUMA node for descriptors, or NUMA_NO_NODE
 * @gfp: the caller's mask; its reclaim limits bind every allocation here
 * @va_flags: VMAP_RAM, VMAP_BLOCK, or none
 * @vm: gets address and size, and is in the area before that can be found; or NULL
 */
struct vmap_request {
	unsigned long size_bytes;
	unsigned long align_bytes;
	unsigned long start;
	unsigned long end;
	int node;
	gfp_t gfp;
	unsigned long va_flags;
	struct vm_struct *vm;
};

/* ---- the door (vmalloc-space.c) ------------------------------------------- */

void __init vmap_space_init(struct vm_struct *early_list);
struct vmap_area *vmap_space_alloc(const struct vmap_request *req);
struct vmap_area *vmap_space_find(unsigned long addr);
struct vmap_area *vmap_space_unlink(unsigned long addr);
void vmap_space_free(struct vmap_area *va);
void vmap_space_free_unmapped(struct vmap_area *va);

/* What is done with an area that a walk comes to; not 0 ends the walk. */
typedef int (*vmap_area_fn)(struct vmap_area *va, void *data);
typedef void (*vmap_lazy_fn)(unsigned long start, unsigned long end, void *data);

int vmap_space_walk(unsigned long addr, vmap_area_fn fn, void *data);
void vmap_space_walk_lazy(vmap_lazy_fn fn, void *data);
bool vmap_space_peek(unsigned long addr, vmap_area_fn fn, void *data);

/* ---- purge (vmalloc-purge.c) ------------------------------------------------ */

extern struct mutex vmap_purge_lock;

void vmap_space_purge(unsigned long start, unsigned long end, bool flush);
void vmap_space_purge_locked(unsigned long start, unsigned long end, bool flush);

/*
 * vmalloc-ram.c: unmap and free the blocks of vm_map_ram() that are mostly dirty.
 * Called when address space has run out, with vmap_purge_lock held.
 */
void vmap_ram_purge_fragmented(void);

/* ---- statistics --------------------------------------------------------------- */

/* How an area lies in the free range that it was taken from. */
enum vmap_fit_kind {
	VMAP_FIT_NONE,
	VMAP_FIT_EXACT,		/* all of it */
	VMAP_FIT_LOW,		/* at its start */
	VMAP_FIT_HIGH,		/* at its end */
	VMAP_FIT_MIDDLE,	/* inside: what is left is two ranges */
	VMAP_NR_FITS,
};

/**
 * struct vmap_space_stats - sums over all nodes
 * @nr_fits: areas, and segments, taken from free ranges, by kind of fit
 * @nr_in_segments: areas taken from segments
 * @nr_segments: segments that there are
 * @nr_preload_allocs: second descriptors that had to be allocated
 * @nr_preload_hits: those that a CPU had at hand
 * @nr_preload_failures: requests that failed because there was none
 * @nr_purges: purges that found something
 * @lazy_pages: pages of address space that wait for a purge
 */
struct vmap_space_stats {
	unsigned long nr_fits[VMAP_NR_FITS];
	unsigned long nr_in_segments;
	unsigned long nr_segments;
	unsigned long nr_preload_allocs;
	unsigned long nr_preload_hits;
	unsigned long nr_preload_failures;
	unsigned long nr_purges;
	unsigned long lazy_pages;
};

void vmap_space_read_stats(struct vmap_space_stats *stats);

#endif /* _MM_VMALLOC_INTERNAL_H */
