// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-purge.c - freed address space, until it can be used again
 *
 * When an area is freed its page table entries are cleared at once, but TLBs may
 * still know them.  Such addresses are lazy: they wait until enough have come
 * together, and a purge flushes them all with one flush of the range that spans
 * them.  The worker purges when there are more than lazy_max_pages(), callers do
 * when they have run out of address space, and vm_unmap_aliases().
 *
 * A purge holds a node's lock for a few segments at a time, and no lock but its
 * own mutex while it flushes.
 */
#include <trace/events/vmalloc.h>

#include "vmalloc-internal.h"

/* Segments that are handled under one hold of a node's lock. */
#define VMAP_PURGE_BATCH	32

/* P: one purge at a time, and what frees empty segments. */
DEFINE_MUTEX(vmap_purge_lock);
static BLOCKING_NOTIFIER_HEAD(vmap_notify_list);

static atomic_long_t vmap_lazy_pages = ATOMIC_LONG_INIT(0);
static unsigned long nr_purges;

/* What one purge has come to. */
struct vmap_purge {
	unsigned long start;		/* spans all that was lazy */
	unsigned long end;
	unsigned int nr_areas;		/* ranges, and segments with lazy granules */
	unsigned long nr_pages;		/* in these */
	struct list_head ranges;	/* descriptors of ranges to be freed */
};

/* ---- how much is lazy ---------------------------------------------- */

/*
 * A flush costs the same however much it flushes, but interrupts every CPU; so
 * the more CPUs, the more is gathered, though slower than in proportion, for the
 * page tables and the time of a purge grow with it.
 */
static long lazy_max_pages(void)
{
	return (long)fls(num_online_cpus()) * (32UL << 20 >> PAGE_SHIFT);
}

static void vmap_purge_worker(struct work_struct *work)
{
	guard(mutex)(&vmap_purge_lock);
	vmap_space_purge_locked(ULONG_MAX, 0, false);
}

static DECLARE_WORK(vmap_purge_work, vmap_purge_worker);

/**
 * vmap_purge_tell_lazy - let what a node has freed count, and start the worker if there is
 *	enough for it
 * @vn: the node, locked
 */
void vmap_purge_tell_lazy(struct vmap_node *vn)
{
	long nr_lazy;

	lockdep_assert_held(&vn->lock);
	nr_lazy = atomic_long_add_return(vn->lazy_pages, &vmap_lazy_pages);
	vn->lazy_pages = 0;
	if (nr_lazy > lazy_max_pages())
		schedule_work(&vmap_purge_work);
}

/**
 * vmap_purge_trace_free - trace that something was freed
 * @addr: its address
 */
void vmap_purge_trace_free(unsigned long addr)
{
	/* Below 0 where a purge took what a node has not told of yet. */
	trace_free_vmap_area_noflush(addr, atomic_long_read(&vmap_lazy_pages),
				     lazy_max_pages());
}

/* ---- step 1: what is lazy by now ----------------------------------- */

static void purge_span(struct vmap_purge *purge, unsigned long start, unsigned long end,
		       unsigned long nr_pages)
{
	purge->nr_pages += nr_pages;
	purge->start = min(purge->start, start);
	purge->end = max(purge->end, end);
	purge->nr_areas++;
}

static unsigned int first_lazy(const struct vmap_segment *seg)
{
	unsigned int word = __ffs(seg->lazy_words);

	return word * BITS_PER_LONG + __ffs(seg->lazy[word]);
}

static unsigned int last_lazy(const struct vmap_segment *seg)
{
	unsigned int word = __fls(seg->lazy_words);

	return word * BITS_PER_LONG + __fls(seg->lazy[word]);
}

static void collect_segment(struct vmap_purge *purge, struct vmap_segment *seg)
{
	unsigned long start = vmap_granule_addr(seg, first_lazy(seg));
	unsigned long end = vmap_granule_addr(seg, last_lazy(seg) + 1);
	unsigned int words = seg->lazy_words, word;

	seg->flushing_words = words;
	while (words) {
		word = vmap_next_word(&words);
		seg->flushing[word] = seg->lazy[word];
		seg->lazy[word] = 0;
	}
	seg->lazy_words = 0;
	seg->nr_flushing = seg->nr_lazy;
	seg->nr_lazy = 0;
	purge_span(purge, start, end, (unsigned long)seg->nr_flushing <<
				      (vmap_class_shift(seg->class) - PAGE_SHIFT));
}

static void collect_node(struct vmap_purge *purge, struct vmap_node *vn)
{
	struct vmap_segment *seg;
	LIST_HEAD(ranges);
	struct vmap_area *va;
	unsigned int nr = 0;

	spin_lock(&vn->lock);
	list_splice_init(&vn->lazy_ranges, &ranges);
	list_splice_init(&vn->lazy_segments, &vn->flush_segments);
	atomic_long_add(vn->lazy_pages, &vmap_lazy_pages);
	vn->lazy_pages = 0;
	list_for_each_entry(seg, &vn->flush_segments, lazy_link) {
		collect_segment(purge, seg);
		if (++nr % VMAP_PURGE_BATCH)
			continue;
		/* None leaves this list but by the purge, and none joins it. */
		spin_unlock(&vn->lock);
		cond_resched();
		spin_lock(&vn->lock);
	}
	spin_unlock(&vn->lock);
	list_for_each_entry(va, &ranges, list)
		purge_span(purge, va->va_start, va->va_end,
			   vmap_area_bytes(va) >> PAGE_SHIFT);
	list_splice(&ranges, &purge->ranges);
}

/* ---- step 2: KASAN's shadow, while nobody can use the addresses ---- */

static void release_shadow(unsigned long start, unsigned long end)
{
	if (is_vmalloc_or_module_addr((void *)start))
		kasan_release_vmalloc(start, end, start, end, KASAN_VMALLOC_PAGE_RANGE);
	cond_resched();
}

/*
 * No TLB may know shadow that was released.  That of UML stays mapped instead, and what
 * this would call there makes all of it say that memory is accessible: of others, too.
 */
static void flush_shadow(unsigned long start, unsigned long end)
{
	if (!IS_ENABLED(CONFIG_UML))
		kasan_release_vmalloc(start, end, start, end, KASAN_VMALLOC_TLB_FLUSH);
}

/* The flushing granules of a segment change by the purge only. */
static void release_segment(struct vmap_segment *seg)
{
	unsigned long first, end = 0;

	for (;;) {
		first = find_next_bit(seg->flushing, VMAP_SEGMENT_GRANULES, end);
		if (first >= VMAP_SEGMENT_GRANULES)
			break;
		end = find_next_zero_bit(seg->flushing, VMAP_SEGMENT_GRANULES, first);
		release_shadow(vmap_granule_addr(seg, first), vmap_granule_addr(seg, end));
	}
}

static void release_shadows(struct vmap_purge *purge)
{
	struct vmap_segment *seg;
	struct vmap_node *vn;
	struct vmap_area *va;

	if (!IS_ENABLED(CONFIG_KASAN_VMALLOC))
		return;
	for_each_vmap_node(vn)
		list_for_each_entry(seg, &vn->flush_segments, lazy_link)
			release_segment(seg);
	list_for_each_entry(va, &purge->ranges, list)
		release_shadow(va->va_start, va->va_end);
	flush_shadow(purge->start, purge->end);
}

/* ---- step 3: use it again ------------------------------------------ */

static void free_ranges(struct list_head *ranges)
{
	while (vmap_range_free_some(ranges))
		cond_resched();
}

/*
 * Detach some empty segments but for @keep.  All of them are in the last bin, and
 * besides them only some whose bound is not exact: these go to its end.
 *
 * Return: true if there may be more
 */
static bool detach_some(struct vmap_bins *bins, unsigned int keep, struct list_head *empty)
{
	struct list_head *largest = &bins->bin[VMAP_SEGMENT_BINS - 1];
	unsigned int looks = VMAP_PURGE_BATCH;
	struct vmap_segment *seg;

	for (; looks && bins->nr_empty > keep && !list_empty(largest); looks--) {
		seg = list_first_entry(largest, struct vmap_segment, link);
		if (seg->nr_busy) {
			list_move_tail(&seg->link, largest);
			continue;
		}
		vmap_segment_detach(seg);
		list_add(&seg->link, empty);
	}
	return !looks;
}

/* Detach empty segments but for @keep of each class: not more than there are now. */
static void detach_empty(struct vmap_node *vn, unsigned int keep, struct list_head *empty)
{
	unsigned int turns, class = 0;

	spin_lock(&vn->lock);
	turns = vn->nr_segments / VMAP_PURGE_BATCH + VMAP_NR_CLASSES;
	while (turns-- && class < VMAP_NR_CLASSES) {
		class += !detach_some(&vn->bins[class], keep, empty);
		spin_unlock(&vn->lock);
		cond_resched();
		spin_lock(&vn->lock);
	}
	spin_unlock(&vn->lock);
}

static void reuse_node(struct vmap_node *vn)
{
	struct vmap_segment *seg;
	unsigned int nr = 0;

	spin_lock(&vn->lock);
	while (!list_empty(&vn->flush_segments)) {
		seg = list_first_entry(&vn->flush_segments, struct vmap_segment, lazy_link);
		list_del_init(&seg->lazy_link);
		if (seg->nr_lazy)
			list_add(&seg->lazy_link, &vn->lazy_segments);
		vmap_segment_reuse(seg);
		if (++nr % VMAP_PURGE_BATCH)
			continue;
		spin_unlock(&vn->lock);
		cond_resched();
		spin_lock(&vn->lock);
	}
	spin_unlock(&vn->lock);
}

/* Segments that nobody needs go back to the ranges. */
static void shrink_node(struct vmap_node *vn, unsigned int keep, struct list_head *ranges)
{
	struct vmap_segment *seg, *ahead;
	LIST_HEAD(empty);

	detach_empty(vn, keep, &empty);
	list_for_each_entry_safe(seg, ahead, &empty, link) {
		vmap_segment_destroy(seg, ranges);
		cond_resched();
	}
}

/* Shadow of a segment lies on pages that no other range shares, or is kept. */
static void release_segments(struct list_head *ranges)
{
	unsigned long start = ULONG_MAX, end = 0;
	struct vmap_area *range;

	if (!IS_ENABLED(CONFIG_KASAN_VMALLOC) || list_empty(ranges))
		return;
	list_for_each_entry(range, ranges, list) {
		release_shadow(range->va_start, range->va_end);
		start = min(start, range->va_start);
		end = max(end, range->va_end);
	}
	flush_shadow(start, end);
}

static void shrink_nodes(unsigned int keep)
{
	struct vmap_node *vn;
	LIST_HEAD(ranges);

	lockdep_assert_held(&vmap_purge_lock);
	for_each_vmap_node(vn)
		shrink_node(vn, keep, &ranges);
	release_segments(&ranges);
	free_ranges(&ranges);
}

/* ---- a purge ------------------------------------------------------- */

/**
 * vmap_space_purge_locked - flush what was freed, and let it be used again
 * @start: flush at least from here on
 * @end: to here, if @start is less
 * @flush: do that even if nothing was freed
 *
 * The caller holds vmap_purge_lock. What was freed before the call has been
 * flushed at its end.
 */
void vmap_space_purge_locked(unsigned long start, unsigned long end, bool flush)
{
	struct vmap_purge purge = { .start = ULONG_MAX };
	struct vmap_node *vn;

	lockdep_assert_held(&vmap_purge_lock);
	INIT_LIST_HEAD(&purge.ranges);
	for_each_vmap_node(vn)
		collect_node(&purge, vn);
	if (!purge.nr_areas) {
		if (flush && start < end)
			flush_tlb_kernel_range(start, end);
		return;
	}
	atomic_long_sub(purge.nr_pages, &vmap_lazy_pages);
	/* The direct map may be part of this. No shadow is released for it. */
	start = min(start, purge.start);
	end = max(end, purge.end);
	flush_tlb_kernel_range(start, end);
	release_shadows(&purge);
	for_each_vmap_node(vn)
		reuse_node(vn);
	free_ranges(&purge.ranges);
	WRITE_ONCE(nr_purges, nr_purges + 1);
	trace_purge_vmap_area_lazy(start, end, purge.nr_areas);
	shrink_nodes(1);
}

/**
 * vmap_space_purge - the same for callers that do not hold vmap_purge_lock
 * @start: see there
 * @end: see there
 * @flush: see there
 */
void vmap_space_purge(unsigned long start, unsigned long end, bool flush)
{
	might_sleep();
	guard(mutex)(&vmap_purge_lock);
	vmap_space_purge_locked(start, end, flush);
}

/* Some may be below 0 for a moment. */
static long nr_lazy_pages(void)
{
	long nr = atomic_long_read(&vmap_lazy_pages);
	struct vmap_node *vn;

	for_each_vmap_node(vn)
		nr += READ_ONCE(vn->lazy_pages);
	return nr;
}

/* Also while somebody else purges, or gives segments back: that is free when P is. */
static bool may_find_room(void)
{
	return nr_lazy_pages() > 0 || mutex_is_locked(&vmap_purge_lock);
}

/**
 * vmap_purge_make_room - there is no address space left: find some
 * @nr_tries: purges in a row for this request; 0 at first
 * @most: of these
 *
 * What a purge gave back may have been taken by others, and freed again, before the caller
 * came to it: then another purge may help.
 *
 * Return: true if it is worth to try again
 */
bool vmap_purge_make_room(unsigned int *nr_tries, unsigned int most)
{
	unsigned long freed = 0;

	if (!*nr_tries || (*nr_tries < most && may_find_room())) {
		++*nr_tries;
		guard(mutex)(&vmap_purge_lock);
		vmap_ram_purge_fragmented();
		vmap_space_purge_locked(ULONG_MAX, 0, false);
		shrink_nodes(0);
		return true;
	}
	blocking_notifier_call_chain(&vmap_notify_list, 0, &freed);
	if (freed)
		*nr_tries = 0;
	return freed;
}

int register_vmap_purge_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_register(&vmap_notify_list, nb);
}
EXPORT_SYMBOL_GPL(register_vmap_purge_notifier);

int unregister_vmap_purge_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_unregister(&vmap_notify_list, nb);
}
EXPORT_SYMBOL_GPL(unregister_vmap_purge_notifier);

/* ---- the shrinker -------------------------------------------------- */

static unsigned long vmap_shrink_count(struct shrinker *shrink, struct shrink_control *sc)
{
	unsigned long nr = 0;
	struct vmap_node *vn;
	unsigned int class;

	for_each_vmap_node(vn) {
		nr += READ_ONCE(vn->nr_spares);
		for (class = 0; class < VMAP_NR_CLASSES; class++)
			nr += READ_ONCE(vn->bins[class].nr_empty);
	}
	return nr ?: SHRINK_EMPTY;
}

static void free_spares(struct vmap_node *vn)
{
	struct vmap_area *va;
	LIST_HEAD(spares);

	spin_lock(&vn->lock);
	while ((va = vmap_node_get_spare(vn)))
		list_add(&va->list, &spares);
	spin_unlock(&vn->lock);
	vmap_descriptor_free_list(&spares);
}

static unsigned long vmap_shrink_scan(struct shrinker *shrink, struct shrink_control *sc)
{
	struct vmap_node *vn;

	/* Whoever purges frees the same, and need not be waited for. */
	if (!mutex_trylock(&vmap_purge_lock))
		return SHRINK_STOP;
	shrink_nodes(0);
	mutex_unlock(&vmap_purge_lock);
	for_each_vmap_node(vn)
		free_spares(vn);
	return SHRINK_STOP;
}

/**
 * vmap_purge_init - register the shrinker
 */
void __init vmap_purge_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "vmap-node");

	if (!shrinker) {
		pr_err("vmalloc: no memory for the shrinker\n");
		return;
	}
	shrinker->count_objects = vmap_shrink_count;
	shrinker->scan_objects = vmap_shrink_scan;
	shrinker_register(shrinker);
}

/**
 * vmap_purge_read_stats - count
 * @stats: gets the figures of this layer
 */
void vmap_purge_read_stats(struct vmap_space_stats *stats)
{
	stats->nr_purges = READ_ONCE(nr_purges);
	stats->lazy_pages = nr_lazy_pages();
}
