// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-area.c - the area map: which slots of a chunk are in use
 *
 * Knows bits only: nothing of locks, gfp or pages.  The caller holds the
 * allocator's lock for all but pcpu_area_claim() and pcpu_area_length().
 *
 * Three bitmaps, a bit a slot.  @busy has the slots that cannot be handed out,
 * whether an area uses them or their row is closed.  @ends marks the last slot
 * of each area, so that the length of an area can be read from its start.
 * @live marks the first slot of each area until its owner frees it: an atomic
 * test-and-clear there decides who frees, before anything else is looked at.
 *
 * Over @busy lies a tree, as a segment tree over the blocks of the map.  Each
 * node says how many slots are free at its two ends, and how long the longest
 * free run in it is.  The values are exact, so the lowest run that is long
 * enough is found in one walk from the root to a block, whatever is live, and
 * a map that has no such run is known at its root.
 */
#include "percpu-internal.h"

static unsigned int pcpu_map_longs(unsigned int nr_slots)
{
	return BITS_TO_LONGS(nr_slots);
}

static unsigned int pcpu_map_leaves(unsigned int nr_slots)
{
	return roundup_pow_of_two(nr_slots >> PCPU_BLOCK_SHIFT);
}

/**
 * pcpu_area_storage_bytes - memory that the maps and the tree need
 * @nr_slots: slots of the map, a multiple of PCPU_BLOCK_SLOTS
 *
 * Return: bytes, a multiple of the size of a long
 */
size_t pcpu_area_storage_bytes(unsigned int nr_slots)
{
	return 3 * pcpu_map_longs(nr_slots) * sizeof(long) +
	       ALIGN(2 * pcpu_map_leaves(nr_slots) * sizeof(struct pcpu_run), sizeof(long));
}

/**
 * pcpu_area_init - make a map with all its slots closed
 * @map: the map
 * @nr_slots: slots, a multiple of PCPU_BLOCK_SLOTS and not 0
 * @storage: pcpu_area_storage_bytes() of zeroed memory, aligned for a long
 */
void pcpu_area_init(struct pcpu_area_map *map, unsigned int nr_slots, void *storage)
{
	unsigned int longs = pcpu_map_longs(nr_slots);

	map->nr_slots = nr_slots;
	map->nr_leaves = pcpu_map_leaves(nr_slots);
	map->busy = storage;
	map->ends = map->busy + longs;
	map->live = map->ends + longs;
	map->tree = (struct pcpu_run *)(map->live + longs);
	bitmap_fill(map->busy, nr_slots);
}

/**
 * pcpu_area_join - what two neighbouring spans of equal size are together
 * @left: the lower span
 * @right: the upper span
 * @half_slots: slots of each
 *
 * Return: the values for both
 */
struct pcpu_run pcpu_area_join(struct pcpu_run left, struct pcpu_run right,
			       u32 half_slots)
{
	struct pcpu_run both;

	both.head_slots = left.head_slots;
	if (left.head_slots == half_slots)
		both.head_slots += right.head_slots;
	both.tail_slots = right.tail_slots;
	if (right.tail_slots == half_slots)
		both.tail_slots += left.tail_slots;
	both.best_slots = max3(left.best_slots, right.best_slots,
			       left.tail_slots + right.head_slots);
	return both;
}

/* Carry a changed block up to the root, as far as it makes a difference. */
static void pcpu_tree_update(struct pcpu_area_map *map, unsigned int block,
			     struct pcpu_run leaf)
{
	unsigned int node = map->nr_leaves + block;
	u32 half_slots = PCPU_BLOCK_SLOTS;

	map->tree[node] = leaf;
	for (node >>= 1; node; node >>= 1, half_slots <<= 1) {
		struct pcpu_run both = pcpu_area_join(map->tree[2 * node],
						      map->tree[2 * node + 1],
						      half_slots);
		struct pcpu_run *old = &map->tree[node];

		if (old->best_slots == both.best_slots &&
		    old->head_slots == both.head_slots &&
		    old->tail_slots == both.tail_slots)
			break;
		*old = both;
	}
}

static struct pcpu_run *pcpu_leaf(const struct pcpu_area_map *map, unsigned int block)
{
	return &map->tree[map->nr_leaves + block];
}

static unsigned int pcpu_nr_blocks(const struct pcpu_area_map *map)
{
	return map->nr_slots >> PCPU_BLOCK_SHIFT;
}

static unsigned long *pcpu_block_bits(const struct pcpu_area_map *map, unsigned int block)
{
	return map->busy + block * (PCPU_BLOCK_SLOTS / BITS_PER_LONG);
}

/* The first busy slot of a block at or after @from, or PCPU_BLOCK_SLOTS. */
static unsigned int pcpu_next_busy(const unsigned long *bits, unsigned int from)
{
	return find_next_bit(bits, PCPU_BLOCK_SLOTS, from);
}

/* One past the last busy slot of a block below @to, or 0. */
static unsigned int pcpu_prev_busy_end(const unsigned long *bits, unsigned int to)
{
	unsigned int last;

	if (!to)
		return 0;
	last = find_last_bit(bits, to);
	return last == to ? 0 : last + 1;
}

/**
 * pcpu_area_scan_block - read the free runs of a block from its bits
 * @map: the map
 * @block: the block
 *
 * Return: what the block's leaf must say
 */
struct pcpu_run pcpu_area_scan_block(const struct pcpu_area_map *map, unsigned int block)
{
	const unsigned long *bits = pcpu_block_bits(map, block);
	struct pcpu_run run = {};
	unsigned int start = 0, end;

	while (start < PCPU_BLOCK_SLOTS) {
		start = find_next_zero_bit(bits, PCPU_BLOCK_SLOTS, start);
		if (start >= PCPU_BLOCK_SLOTS)
			break;
		end = pcpu_next_busy(bits, start);
		if (!start)
			run.head_slots = end;
		if (end == PCPU_BLOCK_SLOTS)
			run.tail_slots = end - start;
		run.best_slots = max(run.best_slots, end - start);
		start = end + 1;
	}
	return run;
}

/* Part of a range that lies in one block, in slots of that block. */
struct pcpu_span {
	unsigned int block;
	unsigned int start;
	unsigned int end;
};

static struct pcpu_span pcpu_first_span(unsigned int slot, unsigned int nr)
{
	struct pcpu_span span = {
		.block = slot >> PCPU_BLOCK_SHIFT,
		.start = slot & (PCPU_BLOCK_SLOTS - 1),
	};

	span.end = min(span.start + nr, PCPU_BLOCK_SLOTS);
	return span;
}

static void pcpu_span_set_busy(struct pcpu_area_map *map, struct pcpu_span span)
{
	unsigned long *bits = pcpu_block_bits(map, span.block);
	struct pcpu_run leaf = *pcpu_leaf(map, span.block);
	unsigned int run_start, run_end;

	/* A closed block has nothing to give; its bits are set already. */
	if (!leaf.best_slots)
		return;

	run_start = pcpu_prev_busy_end(bits, span.start);
	run_end = pcpu_next_busy(bits, span.start);
	bitmap_set(bits, span.start, span.end - span.start);

	if (!run_start)
		leaf.head_slots = span.start;
	if (run_end == PCPU_BLOCK_SLOTS)
		leaf.tail_slots = run_end - span.end;
	/* Only where the longest run was cut may another be the longest now. */
	if (run_end - run_start == leaf.best_slots)
		leaf = pcpu_area_scan_block(map, span.block);
	pcpu_tree_update(map, span.block, leaf);
}

static void pcpu_span_clear_busy(struct pcpu_area_map *map, struct pcpu_span span)
{
	unsigned long *bits = pcpu_block_bits(map, span.block);
	struct pcpu_run leaf = *pcpu_leaf(map, span.block);
	unsigned int run_start = pcpu_prev_busy_end(bits, span.start);
	unsigned int run_end = span.end;

	if (run_end < PCPU_BLOCK_SLOTS)
		run_end = pcpu_next_busy(bits, run_end);
	bitmap_clear(bits, span.start, span.end - span.start);

	if (!run_start)
		leaf.head_slots = run_end;
	if (run_end == PCPU_BLOCK_SLOTS)
		leaf.tail_slots = run_end - run_start;
	leaf.best_slots = max(leaf.best_slots, run_end - run_start);
	pcpu_tree_update(map, span.block, leaf);
}

/**
 * pcpu_area_open - make slots available that were closed
 * @map: the map
 * @slot: the first of them
 * @nr: how many, 0 allowed
 */
void pcpu_area_open(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	while (nr) {
		struct pcpu_span span = pcpu_first_span(slot, nr);

		pcpu_span_clear_busy(map, span);
		slot += span.end - span.start;
		nr -= span.end - span.start;
	}
}

/**
 * pcpu_area_close - make free slots unavailable
 * @map: the map
 * @slot: the first of them; each is free, or lies in a block that is closed
 * @nr: how many
 */
void pcpu_area_close(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	while (nr) {
		struct pcpu_span span = pcpu_first_span(slot, nr);

		pcpu_span_set_busy(map, span);
		slot += span.end - span.start;
		nr -= span.end - span.start;
	}
}

/* First aligned fit inside one block, or PCPU_NONE. */
static unsigned int pcpu_find_in_block(const struct pcpu_area_map *map, unsigned int block,
				       unsigned int nr, unsigned int align_slots)
{
	const unsigned long *bits = pcpu_block_bits(map, block);
	unsigned int block_start = block << PCPU_BLOCK_SHIFT;
	unsigned int start = 0, end;

	while (start + nr <= PCPU_BLOCK_SLOTS) {
		start = find_next_zero_bit(bits, PCPU_BLOCK_SLOTS, start);
		/* Of the map, not of the block: pages may be larger than that. */
		start = ALIGN(block_start + start, align_slots) - block_start;
		if (start + nr > PCPU_BLOCK_SLOTS)
			break;
		end = pcpu_next_busy(bits, start);
		if (end >= start + nr)
			return block_start + start;
		start = end + 1;
	}
	return PCPU_NONE;
}

/*
 * The block in which the lowest run of @nr slots ends, from the tree.  Where
 * that run crosses into the block from below, it starts at the tail of a lower
 * one, which the walk of pcpu_area_find() from there sees.
 */
static unsigned int pcpu_lowest_start_block(const struct pcpu_area_map *map, unsigned int nr)
{
	unsigned int node = 1, span_slots = map->nr_leaves << PCPU_BLOCK_SHIFT, base = 0;

	while (node < map->nr_leaves) {
		const struct pcpu_run *left = &map->tree[2 * node];

		span_slots >>= 1;
		node *= 2;
		if (left->best_slots >= nr)
			continue;
		base += span_slots;
		if (left->tail_slots + left[1].head_slots >= nr)
			return (base - left->tail_slots) >> PCPU_BLOCK_SHIFT;
		node++;
	}
	return node - map->nr_leaves;
}

/**
 * pcpu_area_find - find the lowest place for an area
 * @map: the map
 * @nr: slots
 * @align_slots: alignment in slots, a power of two, at most PCPU_ROW_SLOTS
 *
 * Return: its first slot, or PCPU_NONE
 */
unsigned int pcpu_area_find(const struct pcpu_area_map *map, unsigned int nr,
			    unsigned int align_slots)
{
	unsigned int block, run_start = 0, run_slots = 0;

	if (nr > pcpu_area_longest(map))
		return PCPU_NONE;

	/* @run_slots free slots from @run_start on end where @block starts. */
	for (block = pcpu_lowest_start_block(map, nr); block < pcpu_nr_blocks(map); block++) {
		const struct pcpu_run *leaf = pcpu_leaf(map, block);
		unsigned int block_start = block << PCPU_BLOCK_SHIFT;
		unsigned int slot = ALIGN(run_start, align_slots);

		if (run_slots && slot + nr <= block_start + leaf->head_slots)
			return slot;
		if (leaf->best_slots >= nr) {
			slot = pcpu_find_in_block(map, block, nr, align_slots);
			if (slot != PCPU_NONE)
				return slot;
		}
		if (run_slots && leaf->head_slots == PCPU_BLOCK_SLOTS) {
			run_slots += PCPU_BLOCK_SLOTS;
		} else {
			run_slots = leaf->tail_slots;
			run_start = block_start + PCPU_BLOCK_SLOTS - run_slots;
		}
	}
	return PCPU_NONE;
}

/**
 * pcpu_area_free_before - length of the free run that ends at a block's start
 * @map: the map
 * @slot: first slot of a block
 * @max: count no further than this
 *
 * Return: slots, at most @max
 */
unsigned int pcpu_area_free_before(const struct pcpu_area_map *map,
				   unsigned int slot, unsigned int max)
{
	unsigned int block = slot >> PCPU_BLOCK_SHIFT, nr = 0;

	while (block-- && nr < max) {
		nr += pcpu_leaf(map, block)->tail_slots;
		if (pcpu_leaf(map, block)->tail_slots < PCPU_BLOCK_SLOTS)
			break;
	}
	return min(nr, max);
}

/**
 * pcpu_area_free_after - length of the free run that starts at a block's start
 * @map: the map
 * @slot: first slot of a block, or the map's end
 * @max: count no further than this
 *
 * Return: slots, at most @max
 */
unsigned int pcpu_area_free_after(const struct pcpu_area_map *map,
				  unsigned int slot, unsigned int max)
{
	unsigned int block = slot >> PCPU_BLOCK_SHIFT, nr = 0;

	for (; block < pcpu_nr_blocks(map) && nr < max; block++) {
		nr += pcpu_leaf(map, block)->head_slots;
		if (pcpu_leaf(map, block)->head_slots < PCPU_BLOCK_SLOTS)
			break;
	}
	return min(nr, max);
}

/* @ends is read without the lock, so each store to one of its words is whole. */
static void pcpu_write_end(struct pcpu_area_map *map, unsigned int slot, bool set)
{
	unsigned long *word = &map->ends[BIT_WORD(slot)];

	WRITE_ONCE(*word, set ? *word | BIT_MASK(slot) : *word & ~BIT_MASK(slot));
}

/**
 * pcpu_area_take - make an area of slots
 * @map: the map
 * @slot: its first slot
 * @nr: its length; each slot is free, or lies in a block that is closed
 *
 * The area is not live yet: nobody can free it before pcpu_area_enliven().
 */
void pcpu_area_take(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	pcpu_area_close(map, slot, nr);
	pcpu_write_end(map, slot + nr - 1, true);
}

/**
 * pcpu_area_give - return an area's slots
 * @map: the map
 * @slot: its first slot
 * @nr: its length
 */
void pcpu_area_give(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	pcpu_write_end(map, slot + nr - 1, false);
	pcpu_area_open(map, slot, nr);
}

/**
 * pcpu_area_enliven - let an area be freed
 * @map: the map
 * @slot: its first slot
 */
void pcpu_area_enliven(struct pcpu_area_map *map, unsigned int slot)
{
	set_bit(slot, map->live);
}

/**
 * pcpu_area_length - length of the area that starts at a slot
 * @map: the map
 * @slot: the first slot of an area
 *
 * Context: any; the caller owns the area, so that its end stays where it is.
 * Other bits of the words read may change meanwhile.
 * Return: slots, or 0 where no area can start there
 */
unsigned int pcpu_area_length(const struct pcpu_area_map *map, unsigned int slot)
{
	unsigned int word = BIT_WORD(slot);
	unsigned long bits = READ_ONCE(map->ends[word]) & BITMAP_FIRST_WORD_MASK(slot);

	while (!bits) {
		if (++word >= pcpu_map_longs(map->nr_slots))
			return 0;
		bits = READ_ONCE(map->ends[word]);
	}
	return word * BITS_PER_LONG + __ffs(bits) - slot + 1;
}

/**
 * pcpu_area_claim - become the one who frees an area
 * @map: the map
 * @slot: a slot of the map
 *
 * Context: any, no lock.
 * Return: the area's length in slots, or 0: no area starts at @slot, or
 * somebody else has claimed it
 */
unsigned int pcpu_area_claim(struct pcpu_area_map *map, unsigned int slot)
{
	if (!test_bit(slot, map->live) || !test_and_clear_bit(slot, map->live))
		return 0;
	return pcpu_area_length(map, slot);
}
