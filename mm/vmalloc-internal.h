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
 *            range layer; a busy one is a segment, or an area
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
 *   L  vmap_ranges.lock, a spinlock: both trees of the range layer.  Leaf, but
 *      for the locks of vmalloc-ram.c where /proc/kcore is read.
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
#define VMAP_OWN_DESCRIPTOR	0x10	/* and whose descriptor is part of its owner's object */

/* ---- requests ------------------------------------------------------ */

/**
 * struct vmap_place - how much a segment is asked for
 * @class: which segments
 * @nr: granules; 0: segments do not serve this
 * @align: granules
 */
struct vmap_place {
	unsigned int class;
	unsigned int nr;
	unsigned int align;
};

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
 * @place: as vmap_segment_choose() says; needed with @va only
 * @va: a descriptor that the caller has room for, used if a segment serves this; or
 *	NULL.  It is the caller's again when the area was freed, or failed to come
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
	struct vmap_place place;
	struct vmap_area *va;
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

/* ---- statistics ---------------------------------------------------- */

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

/* ---- ranges (vmalloc-range.c) --------------------------------------------------- */

/**
 * struct vmap_ranges - all address space, in two trees sorted by address
 * @lock: L, see the top of this file
 * @seq: writers of @busy
 * @free: L: free ranges, no two of them touch; subtree_max_size is the size of the
 *	largest in the subtree
 * @busy: R: areas that lie in no segment, and segments
 * @nr_freed: L: how often something became free: a search in several holds may have
 *	passed it
 * @nr_fits: L: see struct vmap_space_stats
 */
struct vmap_ranges {
	spinlock_t lock;		/* L */
	seqcount_spinlock_t seq;
	struct rb_root free;
	struct rb_root busy;
	unsigned long nr_freed;
	unsigned long nr_fits[VMAP_NR_FITS];
};

/**
 * struct vmap_fit - a place for an area
 * @range: the free range that it lies in, or NULL if there is none
 * @start: its first address; without a range, where a search has to go on
 * @end: the first address behind it
 */
struct vmap_fit {
	struct vmap_area *range;
	unsigned long start;
	unsigned long end;
};

extern struct vmap_ranges vmap_ranges;

static inline unsigned long vmap_area_bytes(const struct vmap_area *va)
{
	return va->va_end - va->va_start;
}

void __init vmap_range_init(struct vm_struct *early_list);
struct vmap_area *vmap_descriptor_alloc(gfp_t gfp, int node);
void vmap_descriptor_free(struct vmap_area *va);
void vmap_descriptor_free_list(struct list_head *descriptors);
struct vmap_area * __must_check vmap_preload(gfp_t gfp, int node);
void vmap_preload_end(struct list_head *spares, gfp_t gfp, int node);
void vmap_preload_read_stats(struct vmap_space_stats *stats);

enum vmap_fit_kind vmap_fit_kind(const struct vmap_fit *fit);
void vmap_range_take(const struct vmap_fit *fit, struct list_head *spares);
void vmap_range_link(struct vmap_area *va);
struct vmap_area *vmap_range_free_below(unsigned long addr, unsigned long bytes);
int vmap_range_alloc(const struct vmap_request *req, struct vmap_area *va);
struct vmap_area *vmap_range_find(unsigned long addr);
struct vmap_area *vmap_range_next(unsigned long addr);
struct vmap_area *vmap_range_unlink(unsigned long addr);
void vmap_range_unlink_area(struct vmap_area *va);
bool vmap_range_free_some(struct list_head *areas);
void vmap_range_free(struct list_head *areas);

/* ---- segments (vmalloc-segment.c) ----------------------------------------------- */

#define VMAP_SEGMENT_GRANULES	512
#define VMAP_SEGMENT_CHAINS	32
#define VMAP_EXACT_SHIFT	4
#define VMAP_EXACT_BINS		16	/* 1 << VMAP_EXACT_SHIFT; smaller bounds have one each */
#define VMAP_SEGMENT_BINS	22	/* 0, 1, 2 ... 15, 16, 32, 64 ... 512 granules */
#define VMAP_NR_CLASSES		2

/**
 * struct vmap_segment - a stretch of address space that is shared out by bitmap
 * @start: I: a multiple of its size
 * @class: I: of its granules
 * @node: I: whom it belongs to
 * @range: I: the busy range that it is
 * @table: the page table that all of it lies in, once somebody has found that there is
 *	one; for vmalloc-map.c only.  Such a table stays as long as the segment
 * @hash: R (H): by address
 * @link: N: in the bin of its node that @bound says; empty if it has no room
 * @lazy_link: N: if it has lazy granules, or flushing ones
 * @bound: N: no run of free granules is longer
 * @hint: N: where the next search begins: behind what was taken last, or where the
 *	longest run was seen
 * @rest: N: no run that @hint does not lie in is longer
 * @nr_busy: N: granules that are not free
 * @nr_lazy: N: set bits of @lazy
 * @nr_flushing: N: set bits of @flushing
 * @lazy_words: N: a set bit is a word of @lazy that is not 0
 * @flushing_words: N: the same of @flushing
 * @busy: N: a set bit is a granule that is not free: in use, held, lazy, flushing
 * @lazy: N: of those, freed and not yet flushed
 * @flushing: N: of those, known to the purge that runs
 * @starts: N: a set bit is the first granule of an area that can be found
 * @areas: N: these areas, chained by list.next, in one chain those that start in
 *	the same part of the segment
 * @rcu: for freeing
 */
struct vmap_segment {
	unsigned long start;
	unsigned int class;
	struct vmap_node *node;
	struct vmap_area *range;
	void *table;
	struct hlist_node hash;
	struct list_head link;
	struct list_head lazy_link;
	unsigned int bound;
	unsigned int hint;
	unsigned int rest;
	unsigned int nr_busy;
	unsigned int nr_lazy;
	unsigned int nr_flushing;
	unsigned int lazy_words;
	unsigned int flushing_words;
	DECLARE_BITMAP(busy, VMAP_SEGMENT_GRANULES);
	DECLARE_BITMAP(lazy, VMAP_SEGMENT_GRANULES);
	DECLARE_BITMAP(flushing, VMAP_SEGMENT_GRANULES);
	DECLARE_BITMAP(starts, VMAP_SEGMENT_GRANULES);
	struct list_head *areas[VMAP_SEGMENT_CHAINS];
	struct rcu_head rcu;
};

/**
 * struct vmap_bins - segments of one class, by the longest run that they may have
 * @filled: N: a set bit is a bin that has some
 * @bin: N: by vmap_bin_of() their bound
 * @nr_empty: N: segments without a busy granule
 */
struct vmap_bins {
	unsigned long filled;
	struct list_head bin[VMAP_SEGMENT_BINS];
	unsigned int nr_empty;
};

/**
 * struct vmap_node - a part of the segments, and what CPUs of this node freed
 * @lock: N, see the top of this file
 * @bins: N: segments that may have room
 * @spares: N: descriptors at hand, chained by list.next
 * @nr_spares: N: how many
 * @lazy_pages: N: freed, and not yet in vmap_lazy_pages
 * @lazy_segments: N: segments with lazy granules
 * @flush_segments: N: segments with flushing granules
 * @lazy_ranges: N: areas that lie in no segment, freed and not yet flushed
 * @nr_freed: N: how often something became free in its segments; may be peeked at
 * @nr_areas: N: areas ever taken from its segments
 * @nr_segments: N: segments that it has
 */
struct vmap_node {
	spinlock_t lock;		/* N */
	struct vmap_bins bins[VMAP_NR_CLASSES];
	struct list_head *spares;
	unsigned int nr_spares;
	unsigned long lazy_pages;
	struct list_head lazy_segments;
	struct list_head flush_segments;
	struct list_head lazy_ranges;
	unsigned long nr_freed;
	unsigned long nr_areas;
	unsigned long nr_segments;
} ____cacheline_aligned_in_smp;

extern struct vmap_node *vmap_nodes;
extern unsigned int nr_vmap_nodes;

#define for_each_vmap_node(vn)						\
	for ((vn) = vmap_nodes; (vn) < vmap_nodes + nr_vmap_nodes; (vn)++)

static inline struct vmap_node *vmap_this_node(void)
{
	/* A CPU that the task leaves at once serves as well. */
	return &vmap_nodes[raw_smp_processor_id() % nr_vmap_nodes];
}

/* Which bin is for segments of this bound?  Not 0. */
static inline unsigned int vmap_bin_of(unsigned int bound)
{
	if (bound < VMAP_EXACT_BINS)
		return bound;
	return VMAP_EXACT_BINS - VMAP_EXACT_SHIFT + ilog2(bound);
}

static inline unsigned int vmap_class_shift(unsigned int class)
{
	return PAGE_SHIFT + 4 * class;
}

static inline unsigned long vmap_class_bytes(unsigned int class)
{
	return (unsigned long)VMAP_SEGMENT_GRANULES << vmap_class_shift(class);
}

static inline unsigned int vmap_segment_granule(const struct vmap_segment *seg,
						unsigned long addr)
{
	return (addr - seg->start) >> vmap_class_shift(seg->class);
}

static inline unsigned long vmap_granule_addr(const struct vmap_segment *seg,
					      unsigned long granule)
{
	return seg->start + (granule << vmap_class_shift(seg->class));
}

/* Takes the lowest set bit out of *bits, which is not 0, and says which it was. */
static inline unsigned int vmap_next_word(unsigned int *bits)
{
	unsigned int word = __ffs(*bits);

	*bits &= *bits - 1;
	return word;
}

/* Areas in a segment, and its range, point to it by their list.prev. */
static inline struct vmap_segment *vmap_area_segment(const struct vmap_area *va)
{
	return container_of(va->list.prev, struct vmap_segment, link);
}

void __init vmap_segment_init(void);
unsigned long vmap_segment_nr_freed(void);
bool vmap_segments_serve(const struct vmap_request *req);
bool vmap_segment_choose(const struct vmap_request *req, struct vmap_place *place);
struct vmap_area *vmap_segment_alloc(const struct vmap_request *req);
struct vmap_area *vmap_segment_alloc_window(const struct vmap_request *req);
struct vmap_segment *vmap_segment_at(unsigned long addr);
struct vmap_area *vmap_segment_find(struct vmap_segment *seg, unsigned long addr);
struct vmap_area *vmap_segment_unlink(struct vmap_segment *seg, unsigned long addr);
struct vmap_area *vmap_segment_free(struct vmap_area *va, bool lazy);
int vmap_segment_walk(struct vmap_segment *seg, unsigned long addr, vmap_area_fn fn,
		      void *data);
void vmap_segment_walk_lazy(struct vmap_segment *seg, vmap_lazy_fn fn, void *data);
void vmap_segment_reuse(struct vmap_segment *seg);
void vmap_segment_detach(struct vmap_segment *seg);
void vmap_segment_destroy(struct vmap_segment *seg, struct list_head *ranges);
bool vmap_node_put_spare(struct vmap_node *vn, struct vmap_area *va);
struct vmap_area *vmap_node_get_spare(struct vmap_node *vn);

/* ---- inside of purge, and the rest --------------------------------- */

/* Pages that a node gathers before they count for all. */
#define VMAP_LAZY_BATCH		256UL

void __init vmap_purge_init(void);
void vmap_purge_tell_lazy(struct vmap_node *vn);
void vmap_purge_trace_free(unsigned long addr);
void vmap_purge_read_stats(struct vmap_space_stats *stats);
bool vmap_purge_make_room(unsigned int *nr_tries, unsigned int most);

/* Count what a node, which is locked, has freed. */
static inline void vmap_purge_note_lazy(struct vmap_node *vn, unsigned long nr_pages)
{
	vn->lazy_pages += nr_pages;
	if (unlikely(vn->lazy_pages >= VMAP_LAZY_BATCH))
		vmap_purge_tell_lazy(vn);
}

#if defined(CONFIG_DEBUG_VM) || IS_ENABLED(CONFIG_KUNIT)
bool vmap_space_validate(void);
#endif

#endif /* _MM_VMALLOC_INTERNAL_H */
