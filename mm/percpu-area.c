// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-area.c - the area map: which slots of a chunk are in use
 *
 * Knows bits only: nothing of locks, gfp or pages.  The caller holds the
 * allocator's lock for all but pcpu_area_claim() and pcpu_area_length().
 *
 * A bitmap, a bit a slot: @busy has the slots that cannot be handed out, whether an
 * area uses them or their row is closed.  And @lengths, a byte a slot: at the first
 * slot of an area it has the area's length, and whether the area is live.  An atomic
 * operation on that byte decides who frees, before anything else is looked at.  They
 * are bytes and not bits so that owners of neighbours seldom share a cache line, and
 * the owner needs no atomic operation to make an area live.
 *
 * Of each row it is known how many slots are free at its two ends and in all of
 * it, and a bound for the longest free run before the one at its end.  The bound is
 * raised when slots are given back, to what their run then is.  When slots are taken
 * it is lowered only as far as can be told without a look at the bits: by the sum of
 * what is free and, when the area is so large that it was taken out of the longest run,
 * by the grains, see below.  The search that it misleads nevertheless lowers it.  So for
 * each area that is taken there is at most one search in vain, and little is kept up
 * to date that nobody asks for.  Where memory grows areas come from the runs at the ends
 * of rows, without a search, and the bound is right: it is what alignment has left over.
 *
 * A word for each row tells which of its grains, of a 32nd or 64th of a row, are
 * free throughout.  A free run that is not short has some of these inside, and
 * an area with a wide alignment starts with one, so for all but small areas the
 * word leads to the few places that are worth a look.
 *
 * A run that crosses the border of two rows is found by the two ends there.
 *
 * What nearly each allocation and free needs of this is in percpu-internal.h.
 */
#include "percpu-internal.h"

static unsigned int pcpu_map_longs(unsigned int nr_slots)
{
	return BITS_TO_LONGS(nr_slots);
}

/**
 * pcpu_area_storage_bytes - memory that the maps need
 * @nr_slots: slots of the map, a multiple of PCPU_ROW_SLOTS
 *
 * Return: bytes, a multiple of the size of a long
 */
size_t pcpu_area_storage_bytes(unsigned int nr_slots)
{
	return pcpu_map_longs(nr_slots) * sizeof(long) +
	       (nr_slots / PCPU_ROW_SLOTS + 1) * sizeof(struct pcpu_room) + nr_slots;
}

/**
 * pcpu_area_init - make a map with all its slots closed
 * @map: the map
 * @nr_slots: slots, a multiple of PCPU_ROW_SLOTS and not 0
 * @storage: pcpu_area_storage_bytes() of zeroed memory, aligned for a long; best to a
 *	line of the caches, as the lengths come first
 */
void pcpu_area_init(struct pcpu_area_map *map, unsigned int nr_slots, void *storage)
{
	unsigned int longs = pcpu_map_longs(nr_slots);

	map->nr_slots = nr_slots;
	map->lengths = storage;
	map->busy = storage + nr_slots;
	map->room = (struct pcpu_room *)(map->busy + longs);
	bitmap_fill(map->busy, nr_slots);
}

/* ---- opening and closing --------------------------------------------------------- */

/*
 * What the grains tell of the longest run before the tail, which is not all of the row: it
 * has parts of grains at both ends.  A step for each grain of it.
 */
unsigned int pcpu_grains_bound(const struct pcpu_room *room)
{
	unsigned long grains = room->grains << room->tail_slots / PCPU_GRAIN_SLOTS;
	unsigned int nr = 2;

	for (; grains; grains &= grains << 1)
		nr++;
	return nr * PCPU_GRAIN_SLOTS - 2;
}

/* pcpu_room_add() for each row of [slot, end). */
void pcpu_rooms_add(struct pcpu_area_map *map, unsigned int slot, unsigned int end)
{
	unsigned int start = round_down(slot, PCPU_ROW_SLOTS), next;

	do {
		next = start + PCPU_ROW_SLOTS;
		pcpu_room_add(map, start, slot, min(end, next));
		slot = next;
		start = next;
	} while (slot < end);
}

/* pcpu_room_cut() for each row of @nr slots from @from of the first on. */
void pcpu_rooms_cut(struct pcpu_room *room, unsigned int from, unsigned int nr)
{
	unsigned int to;

	do {
		to = min(from + nr, PCPU_ROW_SLOTS);
		if (room->free_slots)
			pcpu_room_cut(room, from, to);
		nr -= to - from;
		from = 0;
		room++;
	} while (nr);
}

/**
 * pcpu_area_open - make slots available that were closed
 * @map: the map
 * @slot: the first of them
 * @nr: how many, 0 allowed
 */
void pcpu_area_open(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	if (nr)
		pcpu_area_open_inline(map, slot, nr);
}

/**
 * pcpu_area_close - make slots unavailable
 * @map: the map
 * @slot: the first of them
 * @nr: how many, not 0; in each row all of them are free, or the row has no
 *	free slots
 */
void pcpu_area_close(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	pcpu_area_close_inline(map, slot, nr);
}

/* ---- search --------------------------------------------------------------------- */

/* What is looked for. */
struct pcpu_fit {
	unsigned int nr;
	unsigned int align_slots;
};

/*
 * Where in a word runs of @nr free slots start, @nr no more than fit in one.  If
 * there is none, @bound_slots is raised to what the longest may be.
 */
static unsigned long pcpu_word_starts(unsigned long free, unsigned int nr,
				      unsigned int *bound_slots)
{
	unsigned int have, step;

	/* Steps that double: Warren, "Hacker's Delight", 6-3. */
	for (have = 1; have < nr && free; have += step) {
		step = min(have, nr - have);
		free &= free >> step;
	}
	if (!free)
		*bound_slots = max(*bound_slots, have - 1);
	return free;
}

/* The bits of the word that starts at slot @base where areas so aligned may start. */
static unsigned long pcpu_word_aligned(unsigned int base, unsigned int align_slots)
{
	if (align_slots >= PCPU_WORD_SLOTS)
		return IS_ALIGNED(base, align_slots);
	return ~0UL / (BIT(align_slots) - 1);
}

/* The lowest place inside one word, or PCPU_NONE; the bound as above. */
static unsigned int pcpu_find_in_word(unsigned int base, unsigned long free,
				      struct pcpu_fit fit, unsigned int *bound_slots)
{
	unsigned long starts;

	if (fit.nr > PCPU_WORD_SLOTS) {
		*bound_slots = max(*bound_slots, PCPU_WORD_SLOTS);
		return PCPU_NONE;
	}
	starts = pcpu_word_starts(free, fit.nr, bound_slots);
	if (!starts)
		return PCPU_NONE;
	starts &= pcpu_word_aligned(base, fit.align_slots);
	if (starts)
		return base + __ffs(starts);
	/* One of them would be well aligned in a run that is long enough for any start. */
	*bound_slots = max(*bound_slots, fit.nr + fit.align_slots - 2);
	return PCPU_NONE;
}

/*
 * The lowest place before the tail of the row that starts at @start, or PCPU_NONE; the
 * bound is set.
 */
static unsigned int pcpu_scan_row(struct pcpu_area_map *map, unsigned int start,
				  struct pcpu_fit fit, unsigned int *bound_slots)
{
	unsigned int end = start + PCPU_ROW_SLOTS - map->room[start / PCPU_ROW_SLOTS].tail_slots;
	unsigned int base, at;
	unsigned int from = start;	/* of the run that is looked at */

	for (base = start; base < end; base += PCPU_WORD_SLOTS) {
		unsigned long busy = map->busy[BIT_WORD(base)];
		unsigned int to;

		if (!~busy && from == base) {
			from += PCPU_WORD_SLOTS;
			continue;
		}
		if (!busy)
			continue;
		to = base + __ffs(busy);
		at = ALIGN(from, fit.align_slots);
		if (at + fit.nr <= to)
			return at;
		*bound_slots = max(*bound_slots, to - from);
		from = base + __fls(busy) + 1;
		/* A single run of used slots has no free ones inside. */
		busy |= busy - 1;
		if (!(busy & (busy + 1)))
			continue;
		at = pcpu_find_in_word(base, ~busy, fit, bound_slots);
		if (at != PCPU_NONE)
			return at;
	}
	return PCPU_NONE;
}

/* The same for alignments of words and more: there are few places to look at. */
static unsigned int pcpu_scan_aligned(const struct pcpu_area_map *map, unsigned int start,
				      struct pcpu_fit fit, unsigned int *bound_slots)
{
	unsigned int end = start + PCPU_ROW_SLOTS, at;

	for (at = start; at + fit.nr <= end; at += fit.align_slots) {
		if (map->busy[BIT_WORD(at)] & 1)
			continue;
		if (find_next_bit(map->busy, at + fit.nr, at) >= at + fit.nr)
			return at;
	}
	*bound_slots = fit.nr + fit.align_slots - 2;
	return PCPU_NONE;
}

/* Where in a word of grains runs of @nr of them start; @nr is not 0. */
static unsigned long pcpu_grain_starts(unsigned long grains, unsigned int nr)
{
	unsigned int have;

	for (have = 1; 2 * have <= nr; have *= 2)
		grains &= grains >> have;
	return grains & (grains >> (nr - have));
}

/*
 * The same for areas that are aligned to grains, and no shorter: whole grains, and
 * what is left of the area at the start of the next.
 */
static unsigned int pcpu_scan_grains(const struct pcpu_area_map *map, unsigned int start,
				     struct pcpu_fit fit, unsigned int *bound_slots)
{
	unsigned long grains = map->room[start / PCPU_ROW_SLOTS].grains;
	unsigned int nr = fit.nr / PCPU_GRAIN_SLOTS, rest = fit.nr % PCPU_GRAIN_SLOTS;
	unsigned long starts = pcpu_grain_starts(grains, nr) &
			       pcpu_word_aligned(0, fit.align_slots / PCPU_GRAIN_SLOTS);

	for (; starts; starts &= starts - 1) {
		unsigned int at = start + __ffs(starts) * PCPU_GRAIN_SLOTS;
		unsigned int end = at + fit.nr;

		if (!rest)
			return at;
		if (end <= start + PCPU_ROW_SLOTS &&
		    pcpu_free_above(map, end - rest, end) >= rest)
			return at;
	}
	*bound_slots = fit.nr + fit.align_slots - 2;
	return PCPU_NONE;
}

/* The same for areas that hold a grain or more wherever they start. */
static unsigned int pcpu_scan_runs(const struct pcpu_area_map *map, unsigned int start,
				   struct pcpu_fit fit, unsigned int *bound_slots)
{
	unsigned long grains = map->room[start / PCPU_ROW_SLOTS].grains;
	unsigned int row_end = start + PCPU_ROW_SLOTS;
	unsigned int nr = (fit.nr + 1) / PCPU_GRAIN_SLOTS - 1;
	unsigned long starts = pcpu_grain_starts(grains, nr);

	/* Shorter runs of grains, with parts of grains at both ends. */
	*bound_slots = fit.nr - 1;
	while (starts) {
		unsigned int first = __ffs(starts), from, to, at;
		unsigned long busy = ~grains & (~0UL << first);
		unsigned int last = busy ? __ffs(busy) : BITS_PER_LONG;

		from = start + first * PCPU_GRAIN_SLOTS;
		if (first)
			from -= pcpu_free_below(map, from, from - PCPU_GRAIN_SLOTS);
		to = start + last * PCPU_GRAIN_SLOTS;
		if (to < row_end)
			to += pcpu_free_above(map, to, to + PCPU_GRAIN_SLOTS);
		at = ALIGN(from, fit.align_slots);
		if (at + fit.nr <= to)
			return at;
		if (to < row_end)
			*bound_slots = max(*bound_slots, to - from);
		starts &= ~pcpu_grain_mask(first, last);
	}
	return PCPU_NONE;
}

/**
 * pcpu_area_find_inside - the rest of pcpu_area_find_in()
 * @map: the map
 * @start: the first slot of a row whose tail does not do
 * @nr: slots
 * @align_slots: alignment in slots
 *
 * Where there is no place, the row's bound gets better.
 *
 * Return: the first slot of the lowest place, or PCPU_NONE
 */
unsigned int pcpu_area_find_inside(struct pcpu_area_map *map, unsigned int start,
				   unsigned int nr, unsigned int align_slots)
{
	struct pcpu_fit fit = { nr, align_slots };
	struct pcpu_room *room = &map->room[start / PCPU_ROW_SLOTS];
	unsigned int bound_slots = 0, at;

	if (fit.align_slots >= PCPU_GRAIN_SLOTS && fit.nr >= PCPU_GRAIN_SLOTS)
		at = pcpu_scan_grains(map, start, fit, &bound_slots);
	else if (fit.nr + 1 >= 2 * PCPU_GRAIN_SLOTS)
		at = pcpu_scan_runs(map, start, fit, &bound_slots);
	else if (fit.align_slots < PCPU_WORD_SLOTS)
		at = pcpu_scan_row(map, start, fit, &bound_slots);
	else
		at = pcpu_scan_aligned(map, start, fit, &bound_slots);
	if (at == PCPU_NONE)
		room->bound_slots = min3(room->bound_slots, bound_slots, pcpu_grains_bound(room));
	return at;
}

/**
 * pcpu_area_find - find a place for an area in the lowest row that has one
 * @map: the map
 * @nr: slots
 * @align_slots: alignment in slots, a power of two, at most PCPU_ROW_SLOTS
 *
 * Looks at each row.
 *
 * Return: its first slot, or PCPU_NONE
 */
unsigned int pcpu_area_find(struct pcpu_area_map *map, unsigned int nr,
			    unsigned int align_slots)
{
	unsigned int row, slot;

	for (row = 0; row < map->nr_slots / PCPU_ROW_SLOTS; row++) {
		slot = pcpu_area_find_in(map, row, nr, align_slots);
		if (slot != PCPU_NONE)
			return slot;
	}
	return PCPU_NONE;
}

/**
 * pcpu_area_free_before - length of the free run that ends at a row's start
 * @map: the map
 * @slot: first slot of a row, or the map's end
 * @max: count no further than this
 *
 * Return: slots, at most @max
 */
unsigned int pcpu_area_free_before(const struct pcpu_area_map *map,
				   unsigned int slot, unsigned int max)
{
	unsigned int row = slot / PCPU_ROW_SLOTS, nr = 0, tail = PCPU_ROW_SLOTS;

	while (row-- && nr < max && tail == PCPU_ROW_SLOTS) {
		tail = map->room[row].tail_slots;
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
	unsigned int row = slot / PCPU_ROW_SLOTS, nr = 0, head = PCPU_ROW_SLOTS;

	for (; row < map->nr_slots / PCPU_ROW_SLOTS && nr < max && head == PCPU_ROW_SLOTS; row++) {
		head = map->room[row].head_slots;
		nr += head;
	}
	return min(nr, max);
}

/*
 * Bytes of @lengths are read without the lock, but none is trusted before it says that
 * the area is live: pcpu_area_enliven() orders them all.
 */
void pcpu_length_write_long(u8 *byte, unsigned int nr)
{
	pcpu_length_store(byte + 1, nr & ~PCPU_AREA_LIVE);
	pcpu_length_store(byte + 2, nr >> 7 & ~PCPU_AREA_LIVE);
	pcpu_length_store(byte + 3, nr >> 14 & ~PCPU_AREA_LIVE);
	pcpu_length_store(byte + 4, nr >> 21);
	pcpu_length_store(byte, PCPU_AREA_LONG);
}

/**
 * pcpu_area_length_long - the rest of pcpu_area_length()
 * @map: the map
 * @slot: the first slot of an area that has PCPU_AREA_LONG there
 *
 * Context: as there.
 * Return: slots
 */
unsigned int pcpu_area_length_long(const struct pcpu_area_map *map, unsigned int slot)
{
	const u8 *byte = &map->lengths[slot];

	return READ_ONCE(byte[1]) | READ_ONCE(byte[2]) << 7 | READ_ONCE(byte[3]) << 14 |
	       READ_ONCE(byte[4]) << 21;
}

/**
 * pcpu_area_next - find the next area
 * @map: the map
 * @slot: where to begin, not inside an area
 *
 * Context: the lock, or a copy of the map.
 * Return: the first slot of the lowest area from @slot on, or @map's nr_slots
 */
unsigned int pcpu_area_next(const struct pcpu_area_map *map, unsigned int slot)
{
	/* Racy: owners of areas change whether these are live, and nothing else. */
	const u8 *found = data_race(memchr_inv(map->lengths + slot, 0, map->nr_slots - slot));

	return found ? found - map->lengths : map->nr_slots;
}
