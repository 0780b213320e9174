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
 * Over @busy lies a segment tree whose leaves are its words.  Each node says
 * how many slots are free at the two ends of its span, and how long the longest
 * free run in it is.  The values are exact, so the lowest run that is long
 * enough is found in one walk from the root to a word, whatever is live, and a
 * map that has no such run is known at its root.  What a leaf says is computed
 * from the word, in steps that double (Warren, "Hacker's Delight", 6-3).
 */
#include "percpu-internal.h"

/* Slots that a word of a map stands for. */
#define PCPU_WORD_SLOTS		((unsigned int)BITS_PER_LONG)

static unsigned int pcpu_map_longs(unsigned int nr_slots)
{
	return BITS_TO_LONGS(nr_slots);
}

static unsigned int pcpu_map_leaves(unsigned int nr_slots)
{
	return roundup_pow_of_two(pcpu_map_longs(nr_slots));
}

/**
 * pcpu_area_storage_bytes - memory that the maps and the tree need
 * @nr_slots: slots of the map, a multiple of PCPU_ROW_SLOTS
 *
 * Return: bytes, a multiple of the size of a long
 */
size_t pcpu_area_storage_bytes(unsigned int nr_slots)
{
	return 3 * pcpu_map_longs(nr_slots) * sizeof(long) +
	       ALIGN(pcpu_map_leaves(nr_slots) * sizeof(struct pcpu_run), sizeof(long));
}

/**
 * pcpu_area_init - make a map with all its slots closed
 * @map: the map
 * @nr_slots: slots, a multiple of PCPU_ROW_SLOTS and not 0
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

/* ---- words: bits from the lowest on, a set bit is a free slot ---------------- */

/* Where runs of @nr free slots start inside the word; @nr fits in a word. */
static unsigned long pcpu_word_starts(unsigned long free, unsigned int nr)
{
	unsigned int have, step;

	for (have = 1; have < nr; have += step) {
		step = min(have, nr - have);
		free &= free >> step;
	}
	return free;
}

static unsigned int pcpu_word_longest(unsigned long free)
{
	/* starts[i]: where runs of 1 << i free slots start */
	unsigned long starts[ilog2(BITS_PER_LONG) + 1], next;
	unsigned int i = 0, nr = 1;

	if (!free)
		return 0;
	starts[0] = free;
	while (nr < PCPU_WORD_SLOTS) {
		next = starts[i] & (starts[i] >> nr);
		if (!next)
			break;
		starts[++i] = next;
		nr *= 2;
	}
	for (free = starts[i]; i--;) {
		next = nr < PCPU_WORD_SLOTS ? free & (starts[i] >> nr) : 0;
		if (!next)
			continue;
		free = next;
		nr += 1U << i;
	}
	return nr;
}

static bool pcpu_word_has(unsigned long free, unsigned int nr)
{
	return nr <= PCPU_WORD_SLOTS && pcpu_word_starts(free, nr);
}

/* Free slots at the lower end of a word. */
static unsigned int pcpu_word_head(unsigned long free)
{
	return ~free ? __ffs(~free) : PCPU_WORD_SLOTS;
}

/* Free slots at the upper end of a word. */
static unsigned int pcpu_word_tail(unsigned long free)
{
	return ~free ? PCPU_WORD_SLOTS - 1 - __fls(~free) : PCPU_WORD_SLOTS;
}

/**
 * pcpu_area_word_run - what a leaf of the tree says
 * @busy: the word of the busy map that it stands for
 *
 * Return: its free runs
 */
struct pcpu_run pcpu_area_word_run(unsigned long busy)
{
	struct pcpu_run run = {
		.head_slots = PCPU_WORD_SLOTS,
		.tail_slots = PCPU_WORD_SLOTS,
		.best_slots = PCPU_WORD_SLOTS,
	};

	if (busy) {
		run.head_slots = __ffs(busy);
		run.tail_slots = pcpu_word_tail(~busy);
		run.best_slots = pcpu_word_longest(~busy);
	}
	return run;
}

/* The slots of the word that starts at slot @base where areas so aligned may start. */
static unsigned long pcpu_word_aligned(unsigned int base, unsigned int align_slots)
{
	unsigned long mask = 1;
	unsigned int shift;

	if (align_slots >= PCPU_WORD_SLOTS)
		return IS_ALIGNED(base, align_slots);
	for (shift = align_slots; shift < PCPU_WORD_SLOTS; shift *= 2)
		mask |= mask << shift;
	return mask;
}

/* ---- the tree ----------------------------------------------------------------- */

static struct pcpu_run pcpu_node(const struct pcpu_area_map *map, unsigned int node)
{
	if (node < map->nr_leaves)
		return map->tree[node];
	return pcpu_area_word_run(map->busy[node - map->nr_leaves]);
}

/* Returns whether the node says something else now. */
static __always_inline bool pcpu_node_set(struct pcpu_run *node, struct pcpu_run run)
{
	if (node->best_slots == run.best_slots && node->head_slots == run.head_slots &&
	    node->tail_slots == run.tail_slots)
		return false;
	*node = run;
	return true;
}

/* Nodes [first, last] of one level from the stored ones below them. */
static bool pcpu_level_update(struct pcpu_run *tree, unsigned int first, unsigned int last,
			      u32 half_slots)
{
	bool changed = false;

	for (; first <= last; first++)
		changed |= pcpu_node_set(&tree[first],
					 pcpu_area_join(tree[2 * first], tree[2 * first + 1],
							half_slots));
	return changed;
}

/* Carry changed words up to the root, as far as they make a difference. */
static void pcpu_tree_update(struct pcpu_area_map *map, unsigned int first_word,
			     unsigned int last_word)
{
	unsigned int first = (map->nr_leaves + first_word) / 2;
	unsigned int last = (map->nr_leaves + last_word) / 2, node;
	const unsigned long *busy = map->busy + round_down(first_word, 2);
	struct pcpu_run *tree = map->tree;
	u32 half_slots = PCPU_WORD_SLOTS;
	bool changed = false;

	for (node = first; node <= last; node++, busy += 2)
		changed |= pcpu_node_set(&tree[node],
					 pcpu_area_join(pcpu_area_word_run(busy[0]),
							pcpu_area_word_run(busy[1]),
							half_slots));
	while (changed && first != last) {
		first /= 2;
		last /= 2;
		half_slots *= 2;
		changed = pcpu_level_update(tree, first, last, half_slots);
	}
	/* Mostly there is but one path. */
	for (node = first / 2; changed && node; node /= 2) {
		half_slots *= 2;
		changed = pcpu_node_set(&tree[node],
					pcpu_area_join(tree[2 * node], tree[2 * node + 1],
						       half_slots));
	}
}

/**
 * pcpu_area_open - make slots available that were closed
 * @map: the map
 * @slot: the first of them
 * @nr: how many, 0 allowed
 */
void pcpu_area_open(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	if (!nr)
		return;
	bitmap_clear(map->busy, slot, nr);
	pcpu_tree_update(map, BIT_WORD(slot), BIT_WORD(slot + nr - 1));
}

/**
 * pcpu_area_open_around - make slots available on both sides of an area
 * @map: the map
 * @first: the first of them
 * @slot: the first that stays closed
 * @next: the first above the area
 * @end: one past the last slot
 */
void pcpu_area_open_around(struct pcpu_area_map *map, unsigned int first, unsigned int slot,
			   unsigned int next, unsigned int end)
{
	bitmap_clear(map->busy, first, slot - first);
	bitmap_clear(map->busy, next, end - next);
	pcpu_tree_update(map, BIT_WORD(first), BIT_WORD(end - 1));
}

/**
 * pcpu_area_close - make slots unavailable
 * @map: the map
 * @slot: the first of them
 * @nr: how many, not 0; those that are closed already stay so
 */
void pcpu_area_close(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	bitmap_set(map->busy, slot, nr);
	pcpu_tree_update(map, BIT_WORD(slot), BIT_WORD(slot + nr - 1));
}

/* ---- search --------------------------------------------------------------------- */

/* What is looked for. */
struct pcpu_fit {
	unsigned int nr;
	unsigned int align_slots;
};

/*
 * Inside the word that starts at @base, with what of it is @free: where the
 * lowest run that will do starts, an aligned one if there is such.
 */
static unsigned int pcpu_start_in_word(unsigned int base, unsigned long free,
				       struct pcpu_fit fit)
{
	unsigned long starts = pcpu_word_starts(free, fit.nr), aligned = starts;

	if (fit.align_slots > 1)
		aligned &= pcpu_word_aligned(base, fit.align_slots);
	return base + __ffs(aligned ? aligned : starts);
}

/* The lowest run in the span of a node that has one. */
static unsigned int pcpu_lowest_run(const struct pcpu_area_map *map, unsigned int node,
				    unsigned int base, unsigned int span_slots,
				    struct pcpu_fit fit)
{
	unsigned long free;

	while (node < map->nr_leaves / 2) {
		const struct pcpu_run *left = &map->tree[2 * node];

		span_slots /= 2;
		node *= 2;
		if (left->best_slots >= fit.nr)
			continue;
		if (left->tail_slots + left[1].head_slots >= fit.nr)
			return base + span_slots - left->tail_slots;
		base += span_slots;
		node++;
	}
	/* Two words, or one of them. */
	free = ~map->busy[BIT_WORD(base)];
	if (node < map->nr_leaves && !pcpu_word_has(free, fit.nr)) {
		base += PCPU_WORD_SLOTS;
		if (pcpu_word_tail(free) + pcpu_word_head(~map->busy[BIT_WORD(base)]) >= fit.nr)
			return base - pcpu_word_tail(free);
		free = ~map->busy[BIT_WORD(base)];
	}
	return pcpu_start_in_word(base, free, fit);
}

/* The lowest run that starts at @slot or above, or PCPU_NONE. */
static unsigned int pcpu_next_run(const struct pcpu_area_map *map, unsigned int slot,
				  struct pcpu_fit fit)
{
	unsigned int node = map->nr_leaves + BIT_WORD(slot);
	unsigned int base = round_down(slot, PCPU_WORD_SLOTS);
	unsigned int span_slots = PCPU_WORD_SLOTS, tail;
	unsigned long free = ~map->busy[BIT_WORD(slot)] & BITMAP_FIRST_WORD_MASK(slot);

	if (fit.nr <= PCPU_WORD_SLOTS && pcpu_word_starts(free, fit.nr) &
	    pcpu_word_aligned(base, fit.align_slots))
		return pcpu_start_in_word(base, free, fit);

	/* Climb; @tail slots are free where the span of @node ends. */
	tail = pcpu_word_tail(free);
	for (; node > 1; node /= 2, span_slots *= 2) {
		struct pcpu_run right;

		if (node & 1) {
			base -= span_slots;
			continue;
		}
		right = pcpu_node(map, node + 1);
		if (tail && tail + right.head_slots >= fit.nr)
			return base + span_slots - tail;
		if (right.best_slots >= fit.nr)
			return pcpu_lowest_run(map, node + 1, base + span_slots, span_slots,
					       fit);
		tail = right.tail_slots == span_slots ? tail + span_slots : right.tail_slots;
	}
	return PCPU_NONE;
}

/**
 * pcpu_area_find - find the lowest place for an area
 * @map: the map
 * @nr: slots
 * @align_slots: alignment in slots, a power of two, at most PCPU_ROW_SLOTS
 * @max_tries: free runs to look at that may be badly aligned; after so many
 *	only one will do that is long enough at any alignment
 *
 * Return: its first slot, or PCPU_NONE
 */
unsigned int pcpu_area_find(const struct pcpu_area_map *map, unsigned int nr,
			    unsigned int align_slots, unsigned int max_tries)
{
	unsigned int all_slots = map->nr_leaves * PCPU_WORD_SLOTS, slot, at;
	struct pcpu_fit fit = { nr, align_slots };

	if (nr > pcpu_area_longest(map))
		return PCPU_NONE;

	slot = pcpu_lowest_run(map, 1, 0, all_slots, fit);
	while (max_tries-- && slot != PCPU_NONE) {
		at = ALIGN(slot, align_slots);
		if (at == slot)
			return at;
		if (at + nr > map->nr_slots)
			return PCPU_NONE;
		slot = find_next_bit(map->busy, at + nr, slot);
		if (slot == at + nr)
			return at;
		slot = pcpu_next_run(map, slot, fit);
	}
	fit = (struct pcpu_fit){ nr + align_slots - 1, 1 };
	if (slot == PCPU_NONE || fit.nr > pcpu_area_longest(map))
		return PCPU_NONE;
	return ALIGN(pcpu_lowest_run(map, 1, 0, all_slots, fit), align_slots);
}

/**
 * pcpu_area_free_before - length of the free run that ends at a row's start
 * @map: the map
 * @slot: first slot of a row
 * @max: count no further than this
 *
 * Return: slots, at most @max
 */
unsigned int pcpu_area_free_before(const struct pcpu_area_map *map,
				   unsigned int slot, unsigned int max)
{
	unsigned int word = BIT_WORD(slot), nr = 0, tail = PCPU_WORD_SLOTS;

	while (word-- && nr < max && tail == PCPU_WORD_SLOTS) {
		tail = pcpu_word_tail(~map->busy[word]);
		nr += tail;
	}
	return min(nr, max);
}

/**
 * pcpu_area_free_after - length of the free run that starts at a row's start
 * @map: the map
 * @slot: first slot of a row, or the map's end
 * @max: count no further than this
 *
 * Return: slots, at most @max
 */
unsigned int pcpu_area_free_after(const struct pcpu_area_map *map,
				  unsigned int slot, unsigned int max)
{
	unsigned int end = min(map->nr_slots - slot, max) + slot;

	return find_next_bit(map->busy, end, slot) - slot;
}

/* @ends is read without the lock, so each store to one of its words is whole. */
static void pcpu_write_end(struct pcpu_area_map *map, unsigned int slot, bool set)
{
	unsigned long *word = &map->ends[BIT_WORD(slot)];

	WRITE_ONCE(*word, set ? *word | BIT_MASK(slot) : *word & ~BIT_MASK(slot));
}

/**
 * pcpu_area_take - make areas of slots
 * @map: the map
 * @slot: the first slot
 * @nr: how many slots; each is free or closed
 * @length: slots of each area, a divisor of @nr
 *
 * The areas are not live yet: nobody can free one before pcpu_area_enliven().
 *
 * Return: how many areas
 */
unsigned int pcpu_area_take(struct pcpu_area_map *map, unsigned int slot, unsigned int nr,
			    unsigned int length)
{
	unsigned int end = slot + nr, nr_areas = 0;

	pcpu_area_close(map, slot, nr);
	for (slot += length; slot <= end; slot += length, nr_areas++)
		pcpu_write_end(map, slot - 1, true);
	return nr_areas;
}

/**
 * pcpu_area_unmark - the area ends, its slots stay closed
 * @map: the map
 * @slot: its first slot
 * @nr: its length
 */
void pcpu_area_unmark(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	pcpu_write_end(map, slot + nr - 1, false);
}

/**
 * pcpu_area_length_on - the rest of pcpu_area_length()
 * @map: the map
 * @slot: the first slot of an area that does not end in its word
 *
 * Context: as there.
 * Return: slots, or 0 where no area can start there
 */
unsigned int pcpu_area_length_on(const struct pcpu_area_map *map, unsigned int slot)
{
	unsigned int word = BIT_WORD(slot);
	unsigned long bits;

	do {
		if (++word >= pcpu_map_longs(map->nr_slots))
			return 0;
		bits = READ_ONCE(map->ends[word]);
	} while (!bits);
	return word * BITS_PER_LONG + __ffs(bits) - slot + 1;
}
