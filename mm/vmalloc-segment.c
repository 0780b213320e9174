// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-segment.c - small areas anywhere in the vmalloc window
 *
 * Nearly all areas are of this kind.  A segment is a busy range that is shared
 * out by bitmap: no tree is searched or changed.  Each segment belongs to a node,
 * that of the CPU which first needed it, and is looked after under that node's
 * lock, so CPUs do not meet but to free each other's areas.  Freed areas leave
 * only set bits behind: their descriptors serve again at once.
 *
 * A lookup finds the segment in a hash, by address; there, the bitmap of first
 * granules leads to the area, also from an address inside it.
 */
#include "vmalloc-internal.h"

/* Segments in one bin that a search looks at. */
#define VMAP_SEGMENT_TRIES	8
/* Ranges that a search for segments by address passes under one hold of the lock. */
#define VMAP_NEXT_BATCH		32
/* Descriptors that a node keeps at hand. */
#define VMAP_NODE_SPARES	64
/* Areas of up to this part of a segment are taken from one. */
#define VMAP_SEGMENT_MOST	(VMAP_SEGMENT_GRANULES / 4)
/* A class is used where its segments are this small a part of the window. */
#define VMAP_WINDOW_PART	64

#define VMAP_HASH_BITS_MIN	6
#define VMAP_HASH_BITS_MAX	16

static struct vmap_node first_node;
struct vmap_node *vmap_nodes = &first_node;
/* None before vmap_segment_init(): a purge in early boot finds nothing. */
unsigned int nr_vmap_nodes __read_mostly;

static struct hlist_head few_buckets[1 << VMAP_HASH_BITS_MIN];
static struct hlist_head *buckets __ro_after_init = few_buckets;
static unsigned int bucket_bits __ro_after_init = VMAP_HASH_BITS_MIN;
static DEFINE_SPINLOCK(vmap_segment_hash_lock);

static struct kmem_cache *vmap_segment_cache __ro_after_init;
static unsigned int nr_classes __ro_after_init;

/* The longest free run seen, and how long all others are at most. */
struct vmap_run {
	unsigned int first;
	unsigned int nr;
	unsigned int rest;
};

/* ---- which segment lies where -------------------------------------- */

static struct hlist_head *bucket_of(unsigned long addr, unsigned int class)
{
	unsigned long index = addr / vmap_class_bytes(class);

	return &buckets[hash_long(index * VMAP_NR_CLASSES + class, bucket_bits)];
}

static __always_inline struct vmap_segment *segment_in(unsigned long addr, unsigned int class)
{
	unsigned long start = addr & ~(vmap_class_bytes(class) - 1);
	struct vmap_segment *seg;

	hlist_for_each_entry_rcu(seg, bucket_of(addr, class), hash)
		if (seg->start == start && seg->class == class)
			return seg;
	return NULL;
}

/**
 * vmap_segment_at - find the segment at an address
 * @addr: the address
 *
 * The caller is in an RCU read-side section, which keeps the segment in memory.
 *
 * Return: a segment, or NULL
 */
struct vmap_segment *vmap_segment_at(unsigned long addr)
{
	/* A call for each, so that all shifts are constants. */
	BUILD_BUG_ON(VMAP_NR_CLASSES != 2);
	return segment_in(addr, 0) ?: segment_in(addr, 1);
}

/* ---- bins ---------------------------------------------------------- */

static void bin_remove(struct vmap_bins *bins, struct vmap_segment *seg)
{
	unsigned int bin = vmap_bin_of(seg->bound);

	list_del_init(&seg->link);
	if (list_empty(&bins->bin[bin]))
		bins->filled &= ~BIT(bin);
}

static void bin_add(struct vmap_bins *bins, struct vmap_segment *seg)
{
	unsigned int bin = vmap_bin_of(seg->bound);

	list_add(&seg->link, &bins->bin[bin]);
	bins->filled |= BIT(bin);
}

/*
 * No run of free granules is longer than @bound.  A segment with a bound is in a bin,
 * those without are in none.
 */
static void set_bound(struct vmap_segment *seg, unsigned int bound)
{
	struct vmap_bins *bins = &seg->node->bins[seg->class];

	lockdep_assert_held(&seg->node->lock);
	if (bound == seg->bound)
		return;
	if (bound && seg->bound && vmap_bin_of(bound) == vmap_bin_of(seg->bound)) {
		seg->bound = bound;
		return;
	}
	if (seg->bound)
		bin_remove(bins, seg);
	seg->bound = bound;
	if (bound)
		bin_add(bins, seg);
}

/* ---- descriptors at hand ------------------------------------------- */

/**
 * vmap_node_get_spare - get a descriptor that is at hand
 * @vn: the node, locked
 *
 * Return: the descriptor, or NULL
 */
struct vmap_area *vmap_node_get_spare(struct vmap_node *vn)
{
	struct vmap_area *va;

	lockdep_assert_held(&vn->lock);
	if (!vn->spares)
		return NULL;
	va = list_entry(vn->spares, struct vmap_area, list);
	vn->spares = va->list.next;
	vn->nr_spares--;
	return va;
}

/**
 * vmap_node_put_spare - keep a descriptor at hand
 * @vn: the node, locked
 * @va: the descriptor
 *
 * Return: false if there are enough
 */
bool vmap_node_put_spare(struct vmap_node *vn, struct vmap_area *va)
{
	lockdep_assert_held(&vn->lock);
	if (vn->nr_spares >= VMAP_NODE_SPARES)
		return false;
	va->list.next = vn->spares;
	vn->spares = &va->list;
	vn->nr_spares++;
	return true;
}

/* ---- areas in a segment -------------------------------------------- */

static struct list_head **chain_of(struct vmap_segment *seg, unsigned int granule)
{
	return &seg->areas[granule / (VMAP_SEGMENT_GRANULES / VMAP_SEGMENT_CHAINS)];
}

static unsigned int nr_granules(const struct vmap_segment *seg, const struct vmap_area *va)
{
	unsigned int shift = vmap_class_shift(seg->class);

	return (vmap_area_bytes(va) + BIT(shift) - 1) >> shift;
}

/* Nearly all runs lie in one word. */
static __always_inline void set_run(unsigned long *map, unsigned int first, unsigned int nr)
{
	unsigned int last = first + nr - 1;

	if (likely(BIT_WORD(first) == BIT_WORD(last)))
		map[BIT_WORD(first)] |= GENMASK(last % BITS_PER_LONG, first % BITS_PER_LONG);
	else
		bitmap_set(map, first, nr);
}

/*
 * The first run of @nr free granules from @from on that lies in the word of @from, or
 * VMAP_SEGMENT_GRANULES.
 */
static unsigned int find_in_word(const struct vmap_segment *seg, unsigned int from,
				 unsigned int nr)
{
	unsigned long starts;
	unsigned int have, more;

	if (from >= VMAP_SEGMENT_GRANULES || nr > BITS_PER_LONG)
		return VMAP_SEGMENT_GRANULES;
	starts = ~seg->busy[BIT_WORD(from)] & (~0UL << from % BITS_PER_LONG);
	/* What is left are first granules of runs of @have. */
	for (have = 1; have < nr; have += more) {
		more = min(have, nr - have);
		starts &= starts >> more;
	}
	if (!starts)
		return VMAP_SEGMENT_GRANULES;
	return round_down(from, BITS_PER_LONG) + __ffs(starts);
}

static bool is_free_run(const struct vmap_segment *seg, unsigned int first, unsigned int nr)
{
	unsigned int end = first + nr;

	return end <= VMAP_SEGMENT_GRANULES && find_next_bit(seg->busy, end, first) >= end;
}

/* Another run was seen, or more of the longest. */
static void see_run(struct vmap_run *longest, unsigned int first, unsigned int nr)
{
	unsigned int shorter = min(nr, longest->nr);

	if (!longest->nr || first != longest->first)
		longest->rest = max(longest->rest, shorter);
	if (nr > longest->nr) {
		longest->first = first;
		longest->nr = nr;
	}
}

/*
 * The first run of @nr free granules that ends in this word, or VMAP_SEGMENT_GRANULES.
 * *carry free ones lie in front of the word, and will lie in front of the next; *longest
 * is the longest of those that are too short.
 */
static unsigned int scan_word(const struct vmap_segment *seg, unsigned int word, unsigned int nr,
			      unsigned int *carry, struct vmap_run *longest)
{
	unsigned int base = word * BITS_PER_LONG, before = *carry, bit, run;
	unsigned long free = ~seg->busy[word], ahead;

	*carry = 0;
	while (free) {
		bit = __ffs(free);
		ahead = ~(free >> bit);
		run = ahead ? __ffs(ahead) : BITS_PER_LONG;
		if (bit)
			before = 0;
		if (before + run >= nr)
			return base + bit - before;
		see_run(longest, base + bit - before, before + run);
		if (bit + run >= BITS_PER_LONG) {
			*carry = before + run;
			break;
		}
		free &= ~0UL << (bit + run);
	}
	return VMAP_SEGMENT_GRANULES;
}

/* The first run of @nr free granules; if there is none, *longest is the longest. */
static unsigned int find_run(const struct vmap_segment *seg, unsigned int nr,
			     struct vmap_run *longest)
{
	unsigned int word, at, carry = 0;

	for (word = 0; word < BITS_TO_LONGS(VMAP_SEGMENT_GRANULES); word++) {
		if (seg->busy[word] == ~0UL) {
			carry = 0;
			continue;
		}
		at = scan_word(seg, word, nr, &carry, longest);
		if (at < VMAP_SEGMENT_GRANULES)
			return at;
	}
	return VMAP_SEGMENT_GRANULES;
}

static unsigned int find_aligned_room(struct vmap_segment *seg,
				      const struct vmap_place *place)
{
	unsigned long at;

	at = bitmap_find_next_zero_area(seg->busy, VMAP_SEGMENT_GRANULES, seg->hint,
					place->nr, place->align - 1);
	if (at >= VMAP_SEGMENT_GRANULES && seg->hint)
		at = bitmap_find_next_zero_area(seg->busy, VMAP_SEGMENT_GRANULES, 0,
						place->nr, place->align - 1);
	return at;
}

/*
 * Where does it fit?  VMAP_SEGMENT_GRANULES or more: nowhere, and what was seen is the
 * new bound, and where the next search begins.
 */
static unsigned int find_room(struct vmap_segment *seg, const struct vmap_place *place)
{
	struct vmap_run longest = { };
	unsigned int at;

	/* Alignment says nothing of runs, so the bound stays. */
	if (unlikely(place->align > 1))
		return find_aligned_room(seg, place);
	at = find_run(seg, place->nr, &longest);
	if (at >= VMAP_SEGMENT_GRANULES) {
		seg->hint = longest.first;
		seg->rest = longest.rest;
		set_bound(seg, longest.nr);
	}
	return at;
}

/* Keep what is known of runs when @nr granules are taken from one. */
static void shorten_run(struct vmap_segment *seg, unsigned int at, unsigned int nr)
{
	if (at != seg->hint)
		seg->rest = seg->bound;
	else
		set_bound(seg, max(seg->rest, seg->bound - min(nr, seg->bound)));
	seg->hint = at + nr;
}

static __always_inline void take_room(struct vmap_segment *seg, const struct vmap_request *req,
				      unsigned int at, unsigned int nr, struct vmap_area *va)
{
	struct list_head **chain = chain_of(seg, at);

	lockdep_assert_held(&seg->node->lock);
	if (!seg->nr_busy)
		seg->node->bins[seg->class].nr_empty--;
	set_run(seg->busy, at, nr);
	__set_bit(at, seg->starts);
	seg->nr_busy += nr;
	shorten_run(seg, at, nr);
	seg->node->nr_areas++;

	va->va_start = vmap_granule_addr(seg, at);
	va->va_end = va->va_start + req->size_bytes;
	va->flags = req->va_flags | VMAP_IN_SEGMENT;
	if (va == req->va)
		va->flags |= VMAP_OWN_DESCRIPTOR;
	va->vm = req->vm;
	if (req->vm) {
		req->vm->addr = (void *)va->va_start;
		req->vm->size = req->size_bytes;
	}
	va->list.prev = &seg->link;
	va->list.next = *chain;
	*chain = &va->list;
}

/* What points to the area that starts at a granule, which is marked so. */
static struct list_head **link_to(struct vmap_segment *seg, unsigned int granule)
{
	unsigned long addr = vmap_granule_addr(seg, granule);
	struct list_head **at = chain_of(seg, granule);

	while (*at && list_entry(*at, struct vmap_area, list)->va_start != addr)
		at = &(*at)->next;
	return at;
}

static struct vmap_area *area_from(struct vmap_segment *seg, unsigned int granule)
{
	struct list_head *at = *link_to(seg, granule);

	lockdep_assert_held(&seg->node->lock);
	return at ? list_entry(at, struct vmap_area, list) : NULL;
}

/* The last set bit up to @granule, or one too large. */
static unsigned int last_set(const unsigned long *map, unsigned int granule)
{
	unsigned int word = BIT_WORD(granule);
	unsigned long bits = map[word] & (~0UL >> (BITS_PER_LONG - 1 -
						   granule % BITS_PER_LONG));

	while (!bits) {
		if (!word--)
			return VMAP_SEGMENT_GRANULES;
		bits = map[word];
	}
	return word * BITS_PER_LONG + __fls(bits);
}

/* Where the area may start that lies at an address; VMAP_SEGMENT_GRANULES: nowhere. */
static unsigned int start_granule(const struct vmap_segment *seg, unsigned long addr)
{
	unsigned int granule = vmap_segment_granule(seg, addr);

	return test_bit(granule, seg->starts) ? granule : last_set(seg->starts, granule);
}

/**
 * vmap_segment_find - find the area at an address
 * @seg: the segment that has this address, its node locked
 * @addr: the address
 *
 * Return: the area, or NULL
 */
struct vmap_area *vmap_segment_find(struct vmap_segment *seg, unsigned long addr)
{
	unsigned int granule = start_granule(seg, addr);
	struct vmap_area *va;

	lockdep_assert_held(&seg->node->lock);
	if (granule >= VMAP_SEGMENT_GRANULES)
		return NULL;
	va = area_from(seg, granule);
	return va && addr < va->va_end ? va : NULL;
}

/**
 * vmap_segment_unlink - let an area be found no more
 * @seg: the segment that has this address, its node locked
 * @addr: any address in the area
 *
 * Return: the area, or NULL if there is none
 */
struct vmap_area *vmap_segment_unlink(struct vmap_segment *seg, unsigned long addr)
{
	unsigned int granule = start_granule(seg, addr);
	struct list_head **link;
	struct vmap_area *va;

	lockdep_assert_held(&seg->node->lock);
	if (granule >= VMAP_SEGMENT_GRANULES)
		return NULL;
	link = link_to(seg, granule);
	if (!*link)
		return NULL;
	va = list_entry(*link, struct vmap_area, list);
	if (addr >= va->va_end)
		return NULL;
	*link = va->list.next;
	__clear_bit(granule, seg->starts);
	return va;
}

/* The free run around a granule, which is free. */
static struct vmap_run run_around(const struct vmap_segment *seg, unsigned int granule)
{
	unsigned int base = round_down(granule, BITS_PER_LONG), bit = granule - base, end;
	unsigned long below = seg->busy[BIT_WORD(granule)] & (BIT(bit) - 1);
	unsigned long above = seg->busy[BIT_WORD(granule)] >> bit;
	struct vmap_run run = { .first = 0 };

	if (below)
		run.first = base + __fls(below) + 1;
	else if (base)
		run.first = (last_set(seg->busy, base - 1) + 1) % (VMAP_SEGMENT_GRANULES + 1);
	if (above)
		end = granule + __ffs(above);
	else
		end = find_next_bit(seg->busy, VMAP_SEGMENT_GRANULES, base + BITS_PER_LONG);
	run.nr = end - run.first;
	return run;
}

static void note_freed(struct vmap_node *vn)
{
	WRITE_ONCE(vn->nr_freed, vn->nr_freed + 1);
}

/* @nr granules can be taken again; @run is the longest run with some of them. */
static void give_room(struct vmap_segment *seg, unsigned int nr, struct vmap_run run)
{
	note_freed(seg->node);
	seg->nr_busy -= nr;
	if (!seg->nr_busy)
		seg->node->bins[seg->class].nr_empty++;
	if (run.nr < seg->bound) {
		seg->rest = max(seg->rest, run.nr);
		return;
	}
	seg->hint = run.first;
	seg->rest = max(seg->bound, run.rest);
	set_bound(seg, run.nr);
}

static __always_inline void mark_lazy(struct vmap_segment *seg, unsigned int granule,
				      unsigned int nr)
{
	unsigned int first = BIT_WORD(granule), last = BIT_WORD(granule + nr - 1);

	set_run(seg->lazy, granule, nr);
	if (likely(first == last))
		seg->lazy_words |= BIT(first);
	else
		seg->lazy_words |= GENMASK(last, first);
	seg->nr_lazy += nr;
}

/**
 * vmap_segment_free - give back an area that was unlinked
 * @va: the area
 * @lazy: a TLB may know it: it waits for the next purge. Otherwise its addresses
 *	can be used at once.
 *
 * Return: the descriptor if it is to be freed, else NULL
 */
struct vmap_area *vmap_segment_free(struct vmap_area *va, bool lazy)
{
	struct vmap_segment *seg = vmap_area_segment(va);
	unsigned int granule = vmap_segment_granule(seg, va->va_start);
	unsigned int nr = nr_granules(seg, va);
	struct vmap_node *vn = seg->node;
	bool kept;

	spin_lock(&vn->lock);
	if (lazy) {
		mark_lazy(seg, granule, nr);
		if (list_empty(&seg->lazy_link))
			list_add(&seg->lazy_link, &vn->lazy_segments);
		vmap_purge_note_lazy(vn, (unsigned long)nr <<
					 (vmap_class_shift(seg->class) - PAGE_SHIFT));
	} else {
		bitmap_clear(seg->busy, granule, nr);
		give_room(seg, nr, run_around(seg, granule));
	}
	kept = (va->flags & VMAP_OWN_DESCRIPTOR) || vmap_node_put_spare(vn, va);
	spin_unlock(&vn->lock);
	return kept ? NULL : va;
}

/**
 * vmap_segment_walk - visit the areas of a segment, by address
 * @seg: the segment, which RCU keeps in memory
 * @addr: areas that end behind this address
 * @fn: called with the node locked
 * @data: for @fn
 *
 * Return: what @fn returned
 */
int vmap_segment_walk(struct vmap_segment *seg, unsigned long addr, vmap_area_fn fn,
		      void *data)
{
	unsigned int granule = 0;
	struct vmap_area *va;
	int ret = 0;

	spin_lock(&seg->node->lock);
	/* Begin with the area that may lie there; if none starts before, with the first. */
	if (addr > seg->start)
		granule = start_granule(seg, addr) % VMAP_SEGMENT_GRANULES;
	for_each_set_bit_from(granule, seg->starts, VMAP_SEGMENT_GRANULES) {
		va = area_from(seg, granule);
		ret = va && va->va_end > addr ? fn(va, data) : 0;
		if (ret)
			break;
	}
	spin_unlock(&seg->node->lock);
	return ret;
}

/**
 * vmap_segment_walk_lazy - visit what was freed, by address
 * @seg: the segment, its node locked
 * @fn: called for each run of lazy granules
 * @data: for @fn
 */
void vmap_segment_walk_lazy(struct vmap_segment *seg, vmap_lazy_fn fn, void *data)
{
	unsigned long first, end = 0;

	lockdep_assert_held(&seg->node->lock);
	for (;;) {
		first = find_next_bit(seg->lazy, VMAP_SEGMENT_GRANULES, end);
		if (first >= VMAP_SEGMENT_GRANULES)
			break;
		end = find_next_zero_bit(seg->lazy, VMAP_SEGMENT_GRANULES, first);
		fn(vmap_granule_addr(seg, first), vmap_granule_addr(seg, end), data);
	}
}

/* ---- segments come ------------------------------------------------- */

static void hash_add(struct vmap_segment *seg)
{
	spin_lock(&vmap_segment_hash_lock);
	hlist_add_head_rcu(&seg->hash, bucket_of(seg->start, seg->class));
	spin_unlock(&vmap_segment_hash_lock);
}

static struct vmap_segment *segment_get_memory(gfp_t gfp, int node)
{
	struct vmap_segment *seg;

	seg = kmem_cache_alloc_node(vmap_segment_cache, gfp | __GFP_ZERO, node);
	/* Its start is the address of an area, and no reference to what lies there. */
	BUILD_BUG_ON(offsetof(struct vmap_segment, start) >
		     offsetof(struct vmap_segment, node));
	if (seg)
		kmemleak_scan_area(&seg->node, SIZE_MAX, gfp);
	return seg;
}

/* Not in a bin yet: nobody else can take from it. */
static struct vmap_segment *segment_create(const struct vmap_request *want,
					   unsigned int class, struct vmap_node *vn)
{
	struct vmap_request req = *want;
	struct vmap_segment *seg;
	struct vmap_area *range;

	seg = segment_get_memory(want->gfp & GFP_RECLAIM_MASK, want->node);
	range = seg ? vmap_descriptor_alloc(want->gfp, want->node) : NULL;
	if (!range)
		goto fail;
	seg->class = class;
	seg->node = vn;
	seg->range = range;
	INIT_LIST_HEAD(&seg->link);
	INIT_LIST_HEAD(&seg->lazy_link);
	range->flags = VMAP_SEGMENT;
	range->vm = NULL;
	range->list.prev = &seg->link;
	req.size_bytes = vmap_class_bytes(class);
	req.align_bytes = req.size_bytes;
	req.vm = NULL;
	/* It can be walked from here on: nothing in it is free, nothing in use. */
	bitmap_fill(seg->busy, VMAP_SEGMENT_GRANULES);
	if (vmap_range_alloc(&req, range))
		goto fail;
	hash_add(seg);
	return seg;
fail:
	if (range)
		vmap_descriptor_free(range);
	if (seg)
		kmem_cache_free(vmap_segment_cache, seg);
	return NULL;
}

static void segment_open(struct vmap_segment *seg)
{
	note_freed(seg->node);
	seg->node->nr_segments++;
	seg->node->bins[seg->class].nr_empty++;
	bitmap_zero(seg->busy, VMAP_SEGMENT_GRANULES);
	seg->hint = 0;
	seg->rest = 0;
	set_bound(seg, VMAP_SEGMENT_GRANULES);
}

/* ---- allocate ------------------------------------------------------ */

/*
 * The segment that a search would come to first has room, most often, behind what was
 * taken from it last.
 */
static bool take_at_hint(struct vmap_node *vn, const struct vmap_request *req,
			 const struct vmap_place *place, struct vmap_area *va)
{
	struct vmap_bins *bins = &vn->bins[place->class];
	unsigned int bin = vmap_bin_of(place->nr);
	unsigned long filled = bins->filled >> bin;
	struct vmap_segment *seg;
	unsigned int at;

	if (!filled || place->align > 1)
		return false;
	seg = list_first_entry(&bins->bin[bin + __ffs(filled)], struct vmap_segment, link);
	at = find_in_word(seg, seg->hint, place->nr);
	if (at >= VMAP_SEGMENT_GRANULES) {
		at = seg->hint;
		if (!is_free_run(seg, at, place->nr))
			return false;
	}
	take_room(seg, req, at, place->nr, va);
	return true;
}

/* Take from any segment of the node: first from those where it fits least well. */
static noinline bool take_from_node(struct vmap_node *vn, const struct vmap_request *req,
				    const struct vmap_place *place, struct vmap_area *va)
{
	struct vmap_bins *bins = &vn->bins[place->class];
	unsigned int bin = vmap_bin_of(place->nr), tries, at;
	struct vmap_segment *seg, *ahead;

	for_each_set_bit_from(bin, &bins->filled, VMAP_SEGMENT_BINS) {
		tries = VMAP_SEGMENT_TRIES;
		list_for_each_entry_safe(seg, ahead, &bins->bin[bin], link) {
			if (seg->bound >= place->nr) {
				at = find_room(seg, place);
				if (at < VMAP_SEGMENT_GRANULES) {
					take_room(seg, req, at, place->nr, va);
					return true;
				}
				/* Its bound stands: let others be looked at. */
				if (place->align > 1 && bins->bin[bin].prev != &seg->link)
					list_move_tail(&seg->link, &bins->bin[bin]);
			}
			if (!--tries)
				break;
		}
	}
	return false;
}

/**
 * vmap_segment_choose - which class of segments serves a request?
 * @req: what is wanted
 * @place: gets the answer
 *
 * Return: false if none does; a request may come to lie elsewhere in any case
 */
bool vmap_segment_choose(const struct vmap_request *req, struct vmap_place *place)
{
	unsigned int class, shift;
	unsigned long nr;

	place->nr = 0;
	if (req->start != VMALLOC_START || req->end != VMALLOC_END)
		return false;
	for (class = 0; class < nr_classes; class++) {
		shift = vmap_class_shift(class);
		nr = ((req->size_bytes - 1) >> shift) + 1;
		if (nr > VMAP_SEGMENT_MOST || req->align_bytes >> shift > VMAP_SEGMENT_MOST)
			continue;
		place->class = class;
		place->nr = nr;
		place->align = max(req->align_bytes >> shift, 1UL);
		return true;
	}
	return false;
}

/* There was no descriptor at hand, or no room. */
static struct vmap_area *alloc_slow(const struct vmap_request *req, struct vmap_node *vn,
				    const struct vmap_place *place)
{
	struct vmap_area *va = req->va ?: vmap_descriptor_alloc(req->gfp, req->node);
	struct vmap_segment *seg;
	bool taken;

	if (!va)
		return NULL;
	spin_lock(&vn->lock);
	taken = take_from_node(vn, req, place, va);
	spin_unlock(&vn->lock);
	if (taken)
		return va;
	seg = segment_create(req, place->class, vn);
	if (!seg) {
		if (va != req->va)
			vmap_descriptor_free(va);
		return NULL;
	}
	spin_lock(&vn->lock);
	segment_open(seg);
	take_room(seg, req, 0, place->nr, va);
	spin_unlock(&vn->lock);
	return va;
}

/**
 * vmap_segment_alloc - allocate an area in a segment
 * @req: what is wanted
 *
 * Return: the area, which can be found; or NULL if it is not for segments, or if
 * there is no room or memory for another segment
 */
struct vmap_area *vmap_segment_alloc(const struct vmap_request *req)
{
	const struct vmap_place *place = &req->place;
	struct vmap_node *vn = vmap_this_node();
	struct vmap_place chosen;
	struct vmap_area *va;

	if (!req->va) {
		if (!vmap_segment_choose(req, &chosen))
			return NULL;
		place = &chosen;
	}
	spin_lock(&vn->lock);
	va = req->va ?: vmap_node_get_spare(vn);
	if (va && !take_at_hint(vn, req, place, va) && !take_from_node(vn, req, place, va)) {
		if (va != req->va)
			vmap_node_put_spare(vn, va);
		va = NULL;
	}
	spin_unlock(&vn->lock);
	return va ?: alloc_slow(req, vn, place);
}

/* Take from this segment what lies in the window. */
static bool take_in_window(struct vmap_segment *seg, const struct vmap_request *req,
			   struct vmap_area *va)
{
	unsigned int shift = vmap_class_shift(seg->class);
	unsigned long bytes = vmap_class_bytes(seg->class);
	unsigned long low = max(req->start, seg->start) - seg->start;
	unsigned long high = min(req->end - seg->start, bytes);
	unsigned long nr = ((req->size_bytes - 1) >> shift) + 1, at;
	bool taken = false;

	if (nr > VMAP_SEGMENT_GRANULES || req->align_bytes > bytes)
		return false;
	spin_lock(&seg->node->lock);
	at = bitmap_find_next_zero_area(seg->busy, VMAP_SEGMENT_GRANULES,
					(low + BIT(shift) - 1) >> shift, nr,
					max(req->align_bytes >> shift, 1UL) - 1);
	if (at < VMAP_SEGMENT_GRANULES && (at << shift) + req->size_bytes <= high) {
		take_room(seg, req, at, nr, va);
		taken = true;
	}
	spin_unlock(&seg->node->lock);
	return taken;
}

/*
 * The first segment among the next few ranges from *addr on, which is moved on behind
 * what was looked at, or to @end.  NULL: there is none among them.
 */
static struct vmap_segment *segment_next(unsigned long *addr, unsigned long end)
{
	unsigned int nr = VMAP_NEXT_BATCH;
	struct vmap_area *range;

	guard(spinlock)(&vmap_ranges.lock);
	while (nr--) {
		range = vmap_range_next(*addr);
		if (!range || range->va_start >= end) {
			*addr = end;
			break;
		}
		*addr = range->va_end;
		if (range->flags & VMAP_SEGMENT)
			return vmap_area_segment(range);
	}
	return NULL;
}

static bool take_from_any(const struct vmap_request *req, struct vmap_area *va)
{
	/* Signed on some, and no constant. */
	unsigned long addr = max_t(unsigned long, req->start, VMALLOC_START);
	unsigned long end = min_t(unsigned long, req->end, VMALLOC_END);
	struct vmap_segment *seg;

	while (addr < end) {
		if (gfpflags_allow_blocking(req->gfp))
			cond_resched();
		guard(rcu)();
		seg = segment_next(&addr, end);
		if (seg && take_in_window(seg, req, va))
			return true;
	}
	return false;
}

/**
 * vmap_segment_nr_freed - how often did something become free in a segment?
 *
 * Who searches all of them may have passed it by then.
 *
 * Return: the number
 */
unsigned long vmap_segment_nr_freed(void)
{
	unsigned long nr = 0;
	struct vmap_node *vn;

	for_each_vmap_node(vn)
		nr += READ_ONCE(vn->nr_freed);
	return nr;
}

/**
 * vmap_segments_serve - can there be segments where a request may lie?
 * @req: what is wanted
 *
 * Segments lie in the vmalloc window; that of modules, for one, has none.
 *
 * Return: true if there can
 */
bool vmap_segments_serve(const struct vmap_request *req)
{
	return nr_classes && req->start < VMALLOC_END && req->end > VMALLOC_START;
}

/**
 * vmap_segment_alloc_window - allocate an area in any segment, of whatever node
 * @req: what is wanted, by somebody whom segments can serve
 *
 * For when there is no free range left, or no memory for what it takes to get one, and
 * for windows that lie in segments.
 *
 * Return: the area, which can be found, or NULL
 */
struct vmap_area *vmap_segment_alloc_window(const struct vmap_request *req)
{
	struct vmap_area *va = req->va ?: vmap_descriptor_alloc(req->gfp, req->node);

	if (!va || take_from_any(req, va))
		return va;
	if (va != req->va)
		vmap_descriptor_free(va);
	return NULL;
}

/* ---- purge --------------------------------------------------------- */

/*
 * Where small areas lie one behind the other, many are freed alone.  So if a word has runs
 * of up to four only, all of them flushed, and none goes on in the next word, see them at
 * once: of those that are not the longest it is enough that they are shorter.
 */
static bool see_short(const struct vmap_segment *seg, unsigned int word,
		      struct vmap_run *longest)
{
	unsigned long starts = ~seg->busy[word], runs = starts & ~(starts << 1), longer;
	unsigned long fours = starts & (starts >> 1);
	unsigned int nr = 1;

	fours &= fours >> 2;
	if (starts != seg->flushing[word] || fours & (fours >> 1))
		return false;
	if ((starts & 1) && word && !(seg->busy[word - 1] >> (BITS_PER_LONG - 1)))
		return false;
	if (starts >> (BITS_PER_LONG - 1) &&
	    word < BITS_TO_LONGS(VMAP_SEGMENT_GRANULES) - 1 && !(seg->busy[word + 1] & 1))
		return false;
	/* First granules of runs of @nr. */
	for (; (longer = starts & (starts >> 1)); nr++)
		starts = longer;
	see_run(longest, word * BITS_PER_LONG + __ffs(starts), nr);
	if (runs & (runs - 1))
		longest->rest = max(longest->rest, starts & (starts - 1) ? nr : nr - 1);
	return true;
}

/* See the free runs that have granules of this word of @flushing; up to *end all were. */
static void see_flushed(const struct vmap_segment *seg, unsigned int word,
			struct vmap_run *longest, unsigned int *end)
{
	unsigned int base = word * BITS_PER_LONG;
	unsigned long bits = seg->flushing[word];
	struct vmap_run run;

	for (;;) {
		/* A run goes to its end, whatever else of it was flushed. */
		if (*end >= base + BITS_PER_LONG)
			return;
		if (*end > base)
			bits &= ~0UL << (*end - base);
		if (!bits)
			return;
		run = run_around(seg, base + __ffs(bits));
		see_run(longest, run.first, run.nr);
		*end = run.first + run.nr;
	}
}

/**
 * vmap_segment_reuse - what was flushed can be taken again
 * @seg: the segment, its node locked
 */
void vmap_segment_reuse(struct vmap_segment *seg)
{
	unsigned int words = seg->flushing_words, word, end = 0;
	struct vmap_run longest = { };

	lockdep_assert_held(&seg->node->lock);
	while (words) {
		word = vmap_next_word(&words);
		seg->busy[word] &= ~seg->flushing[word];
	}
	words = seg->flushing_words;
	while (words) {
		word = vmap_next_word(&words);
		if (!see_short(seg, word, &longest))
			see_flushed(seg, word, &longest, &end);
		seg->flushing[word] = 0;
	}
	seg->flushing_words = 0;
	give_room(seg, seg->nr_flushing, longest);
	seg->nr_flushing = 0;
}

/**
 * vmap_segment_detach - let nobody take from an empty segment any more
 * @seg: the segment, its node locked
 */
void vmap_segment_detach(struct vmap_segment *seg)
{
	lockdep_assert_held(&seg->node->lock);
	set_bound(seg, 0);
	seg->node->bins[seg->class].nr_empty--;
	seg->node->nr_segments--;
	/* Those who come to it by address find it full. */
	bitmap_fill(seg->busy, VMAP_SEGMENT_GRANULES);
}

/**
 * vmap_segment_destroy - take down a detached segment
 * @seg: the segment
 * @ranges: gets its range, which the caller frees
 */
void vmap_segment_destroy(struct vmap_segment *seg, struct list_head *ranges)
{
	struct vmap_area *range = seg->range;

	spin_lock(&vmap_segment_hash_lock);
	hlist_del_rcu(&seg->hash);
	spin_unlock(&vmap_segment_hash_lock);
	spin_lock(&vmap_ranges.lock);
	vmap_range_unlink_area(range);
	spin_unlock(&vmap_ranges.lock);
	list_add(&range->list, ranges);
	kfree_rcu(seg, rcu);
}

/* ---- boot ---------------------------------------------------------- */

static void __init init_node(struct vmap_node *vn)
{
	unsigned int class, bin;

	memset(vn, 0, sizeof(*vn));
	spin_lock_init(&vn->lock);
	INIT_LIST_HEAD(&vn->lazy_segments);
	INIT_LIST_HEAD(&vn->flush_segments);
	INIT_LIST_HEAD(&vn->lazy_ranges);
	for (class = 0; class < VMAP_NR_CLASSES; class++)
		for (bin = 0; bin < VMAP_SEGMENT_BINS; bin++)
			INIT_LIST_HEAD(&vn->bins[class].bin[bin]);
}

/* One for each CPU, up to 64.  On 32 bits address space is too dear for that. */
static void __init init_nodes(void)
{
	unsigned int nr = IS_ENABLED(CONFIG_64BIT) ? min(num_possible_cpus(), 64U) : 1;
	struct vmap_node *vn = NULL;

	if (nr > 1)
		vn = kmalloc_array(nr, sizeof(*vn), GFP_NOWAIT);
	if (vn)
		vmap_nodes = vn;
	nr_vmap_nodes = vn ? nr : 1;
	for_each_vmap_node(vn)
		init_node(vn);
}

/* A bucket for each 2 MiB of memory: as many segments as may well be filled. */
static void __init init_hash(void)
{
	unsigned int bits = clamp(ilog2(totalram_pages() / VMAP_SEGMENT_GRANULES + 1),
				  VMAP_HASH_BITS_MIN, VMAP_HASH_BITS_MAX);
	struct hlist_head *more = NULL;

	if (bits > VMAP_HASH_BITS_MIN)
		more = kcalloc(BIT(bits), sizeof(*more), GFP_NOWAIT);
	if (more) {
		buckets = more;
		bucket_bits = bits;
	}
}

/**
 * vmap_segment_init - set up nodes, none of which has a segment yet
 */
void __init vmap_segment_init(void)
{
	unsigned long window = VMALLOC_END - VMALLOC_START;

	BUILD_BUG_ON(BIT(VMAP_SEGMENT_BINS - 1 - VMAP_EXACT_BINS + VMAP_EXACT_SHIFT) !=
		     VMAP_SEGMENT_GRANULES);
	vmap_segment_cache = KMEM_CACHE(vmap_segment, SLAB_PANIC);
	init_nodes();
	init_hash();
	nr_classes = 0;
	while (IS_ENABLED(CONFIG_64BIT) && nr_classes < VMAP_NR_CLASSES &&
	       window / VMAP_WINDOW_PART / nr_vmap_nodes >= vmap_class_bytes(nr_classes))
		nr_classes++;
}
