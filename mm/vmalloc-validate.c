// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-validate.c - every invariant of the address space, checked
 *
 * For tests and DEBUG_VM.  Others may allocate and free meanwhile.
 */
#include "vmalloc-internal.h"

#define CHECK(cond)	(WARN_ONCE(!(cond), "vmalloc: %s\n", #cond) ? false : true)

#define rb_area(node)	rb_entry(node, struct vmap_area, rb_node)

static unsigned long subtree_max(struct rb_node *node)
{
	return node ? rb_area(node)->subtree_max_size : 0;
}

static bool check_free_node(struct rb_node *node)
{
	struct vmap_area *va = rb_area(node);

	return CHECK(va->va_start < va->va_end) &&
	       CHECK(va->subtree_max_size == max3(vmap_area_bytes(va),
						  subtree_max(node->rb_left),
						  subtree_max(node->rb_right)));
}

/* Free and busy ranges follow each other; free ones do not touch. */
static bool check_ranges(void)
{
	struct rb_node *free = rb_first(&vmap_ranges.free), *busy = rb_first(&vmap_ranges.busy);
	unsigned long free_end = 0, end = 0;
	bool ok = true;

	while (ok && (free || busy)) {
		bool is_free = free && (!busy || rb_area(free)->va_start <
						 rb_area(busy)->va_start);
		struct vmap_area *va = rb_area(is_free ? free : busy);

		ok = CHECK(va->va_start >= end) && CHECK(va->va_start < va->va_end);
		end = va->va_end;
		if (!is_free) {
			busy = rb_next(busy);
			continue;
		}
		ok = ok && CHECK(!free_end || va->va_start > free_end) && check_free_node(free);
		free_end = va->va_end;
		free = rb_next(free);
	}
	return ok;
}

/* No free run is longer than the segment says. */
static bool check_runs(const struct vmap_segment *seg)
{
	unsigned int start, end = 0;
	bool ok = CHECK(seg->rest <= seg->bound);

	while (ok) {
		start = find_next_zero_bit(seg->busy, VMAP_SEGMENT_GRANULES, end);
		if (start >= VMAP_SEGMENT_GRANULES)
			break;
		end = find_next_bit(seg->busy, VMAP_SEGMENT_GRANULES, start);
		if (seg->hint < start || seg->hint >= end)
			ok = CHECK(end - start <= seg->rest);
		ok = ok && CHECK(end - start <= seg->bound);
	}
	return ok;
}

/* All chained areas are marked, lie in the segment one behind the other, and are busy. */
static bool check_areas(struct vmap_segment *seg)
{
	unsigned int shift = vmap_class_shift(seg->class), nr = 0, i, at, last, end = 0;
	bool ok = true;

	for (i = 0; i < VMAP_SEGMENT_CHAINS; i++) {
		struct list_head *link;

		for (link = seg->areas[i]; link; link = link->next, nr++)
			ok = ok && CHECK(vmap_area_segment(list_entry(link, struct vmap_area,
								      list)) == seg);
	}
	ok = ok && CHECK(nr == bitmap_weight(seg->starts, VMAP_SEGMENT_GRANULES));
	for_each_set_bit(at, seg->starts, VMAP_SEGMENT_GRANULES) {
		struct vmap_area *va = vmap_segment_find(seg, vmap_granule_addr(seg, at));

		if (!ok || !CHECK(va && va->va_start == vmap_granule_addr(seg, at)))
			return false;
		last = at + ((vmap_area_bytes(va) - 1) >> shift);
		ok = CHECK(at >= end) && CHECK(last < VMAP_SEGMENT_GRANULES) &&
		     CHECK(find_next_zero_bit(seg->busy, VMAP_SEGMENT_GRANULES, at) > last) &&
		     CHECK(find_next_bit(seg->lazy, VMAP_SEGMENT_GRANULES, at) > last) &&
		     CHECK(find_next_bit(seg->flushing, VMAP_SEGMENT_GRANULES, at) > last) &&
		     CHECK(va->flags & VMAP_IN_SEGMENT);
		end = last + 1;
	}
	return ok;
}

static bool check_words(const unsigned long *map, unsigned int words)
{
	unsigned int word;
	bool ok = true;

	for (word = 0; word < BITS_TO_LONGS(VMAP_SEGMENT_GRANULES); word++)
		ok = ok && CHECK(!map[word] == !(words & BIT(word)));
	return ok;
}

static bool check_segment(struct vmap_segment *seg)
{
	struct vmap_area *range = seg->range;

	lockdep_assert_held(&seg->node->lock);
	return CHECK(range->va_start == seg->start) &&
	       CHECK(vmap_area_bytes(range) == vmap_class_bytes(seg->class)) &&
	       CHECK(IS_ALIGNED(seg->start, vmap_class_bytes(seg->class))) &&
	       CHECK(seg->nr_busy == bitmap_weight(seg->busy, VMAP_SEGMENT_GRANULES)) &&
	       CHECK(bitmap_subset(seg->lazy, seg->busy, VMAP_SEGMENT_GRANULES)) &&
	       CHECK(bitmap_empty(seg->flushing, VMAP_SEGMENT_GRANULES)) &&
	       CHECK(bitmap_weight(seg->lazy, VMAP_SEGMENT_GRANULES) == seg->nr_lazy) &&
	       CHECK(bitmap_empty(seg->lazy, VMAP_SEGMENT_GRANULES) ==
		     list_empty(&seg->lazy_link)) &&
	       check_words(seg->lazy, seg->lazy_words) && CHECK(!seg->flushing_words) &&
	       check_runs(seg) &&
	       CHECK((seg->bound == 0) == list_empty(&seg->link)) &&
	       check_areas(seg);
}

/* The segments of a node, and what it counts. */
static bool check_node_segments(struct vmap_node *vn)
{
	unsigned int nr_empty[VMAP_NR_CLASSES] = { }, class;
	unsigned long nr = 0;
	struct rb_node *node;
	bool ok = true;

	for (node = rb_first(&vmap_ranges.busy); node && ok; node = rb_next(node)) {
		struct vmap_segment *seg;

		if (!(rb_area(node)->flags & VMAP_SEGMENT))
			continue;
		seg = vmap_area_segment(rb_area(node));
		if (seg->node != vn)
			continue;
		/* It is being made, and in no bin yet. */
		if (!seg->nr_busy && !seg->bound) {
			ok = CHECK(bitmap_full(seg->busy, VMAP_SEGMENT_GRANULES));
			continue;
		}
		nr++;
		nr_empty[seg->class] += !seg->nr_busy;
		ok = CHECK(vmap_segment_at(seg->start) == seg) && check_segment(seg);
	}
	for (class = 0; class < VMAP_NR_CLASSES; class++)
		ok = ok && CHECK(nr_empty[class] == vn->bins[class].nr_empty);
	return ok && CHECK(nr == vn->nr_segments);
}

static bool check_bins(struct vmap_node *vn)
{
	struct vmap_segment *seg;
	struct vmap_bins *bins;
	unsigned int bin;
	bool ok = true;

	for (bins = vn->bins; bins < vn->bins + VMAP_NR_CLASSES; bins++) {
		for (bin = 0; bin < VMAP_SEGMENT_BINS; bin++) {
			ok = ok && CHECK(list_empty(&bins->bin[bin]) ==
					 !(bins->filled & BIT(bin)));
			list_for_each_entry(seg, &bins->bin[bin], link)
				ok = ok && CHECK(vmap_bin_of(seg->bound) == bin);
		}
	}
	return ok;
}

/**
 * vmap_space_validate - check every invariant
 *
 * Context: may sleep.
 * Return: true if all hold; otherwise what does not was warned of
 */
bool vmap_space_validate(void)
{
	struct vmap_node *vn;
	bool ok = true;

	/* A purge has segments that are neither here nor there. */
	guard(mutex)(&vmap_purge_lock);
	for_each_vmap_node(vn) {
		guard(rcu)();
		spin_lock(&vn->lock);
		spin_lock(&vmap_ranges.lock);
		ok = ok && check_node_segments(vn) && check_bins(vn);
		spin_unlock(&vmap_ranges.lock);
		spin_unlock(&vn->lock);
	}
	spin_lock(&vmap_ranges.lock);
	ok = ok && check_ranges();
	spin_unlock(&vmap_ranges.lock);
	return ok;
}
