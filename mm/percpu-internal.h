/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percpu-internal.h - types and seams of the percpu allocator
 *
 * Documentation/mm/percpu.rst tells the whole story; this is its short form.
 *
 * 1. Terms
 *
 *   unit     the memory of one CPU in one chunk; all units of all chunks are
 *            laid out alike, so a percpu pointer plus a CPU's offset is an
 *            address in every chunk
 *   group    units that lie side by side, usually those of one NUMA node
 *   chunk    one unit for every possible CPU, plus the metadata here
 *   row      one page index of a chunk: that page of every CPU
 *   slot     PCPU_MIN_ALLOC_SIZE (4) bytes of a unit, what one bit stands for
 *   area     a run of slots handed out as one object
 *   address  as the allocator keeps it: of the copy in the unit at offset 0;
 *            __pcpu_ptr_to_addr() makes it from a percpu pointer
 *
 * Names end in their unit: _bytes, _slots, _rows, _pages.
 *
 * 2. Layers, each calling only those below it
 *
 *   percpu.c          the door: arguments, gfp policy, charge, hooks, zeroing
 *   percpu-balance.c  the worker: reserve, spare chunks, give-back, shrinker
 *   percpu-nolock.c   areas for callers in any context; frees that must wait
 *   percpu-cache.c    freed areas that each CPU keeps at hand
 *   percpu-chunk.c    chunks and their rows: choice, populate, lookup
 *   percpu-vm.c/-km.c backends: address space, pages in and out
 *   percpu-area.c     the area map: find, take, give back, length
 *   percpu-first.c    boot: geometry and the first chunk
 *   percpu-stats.c    debugfs, percpu_stats; percpu-sizes.c: percpu_sizes
 *   percpu-validate.c every invariant, checked
 *   percpu-fault.c    requests that fail because somebody wants to see that
 *   percpu-kasan.c    redzones, shadow and quarantine, with KASAN only
 *
 * 3. States of a row
 *
 *            claim               publish            go
 *   ABSENT ---------> COMING ------------> PRESENT -----> GOING
 *      ^              pages in hand,        areas may      unmapped, waiting
 *      |              being mapped          live here      for the TLB flush
 *      +------------------------------------------------------+  gone
 *
 *   Only PRESENT rows hold free slots in the area map; in the other states the
 *   row is closed there.  Rows of the first chunk and of the km backend are
 *   PRESENT for ever.
 *
 * 4. Locks
 *
 *   L  pcpu_allocator.lock, a spinlock_t taken with interrupts disabled, from
 *      any context but NMI (on PREEMPT_RT: any that may take a spinlock_t).
 *      Leaf lock: nothing is allocated, freed, mapped, charged or traced under
 *      it (the validator alone holds it long, and may print).  Hold times do
 *      not depend on the number of CPUs.
 *   I  written before the object is published, then constant
 *   A  atomic operations, no lock; NMIs may come in between any two of them
 *   P  private to the task that holds the object
 *   R  as L for writers; readers use RCU or READ_ONCE()
 *   W  the worker only
 *
 *   No mutex exists, and no task waits without bound for what another task
 *   holds while that one allocates memory.
 */
#ifndef _MM_PERCPU_INTERNAL_H
#define _MM_PERCPU_INTERNAL_H

#include "percpu-kernel.h"

#define PCPU_NONE		UINT_MAX	/* no slot, no row */
#define PCPU_NO_CPU		UINT_MAX	/* of pcpu_allocator.line_cpu */
#define PCPU_ROW_SLOTS		((unsigned int)(PAGE_SIZE >> PCPU_MIN_ALLOC_SHIFT))

/* Translation between a percpu pointer and the address of its copy at offset 0. */
#ifdef CONFIG_SMP
#ifndef __addr_to_pcpu_ptr
#define __addr_to_pcpu_ptr(addr)					\
	((void __percpu __force *)((unsigned long)(addr) -		\
		(unsigned long)pcpu_base_addr +				\
		(unsigned long)__per_cpu_start))
#endif
#ifndef __pcpu_ptr_to_addr
#define __pcpu_ptr_to_addr(ptr)						\
	((void __force *)((unsigned long)(ptr) -			\
		(unsigned long)__per_cpu_start +			\
		(unsigned long)pcpu_base_addr))
#endif
#else
#define __addr_to_pcpu_ptr(addr)	((void __percpu __force *)(addr))
#define __pcpu_ptr_to_addr(ptr)		((void __force *)(ptr))
#endif

/* Where the object of a pointer is, without what software tags of KASAN put into that. */
static inline unsigned long pcpu_object_addr(void __percpu *ptr)
{
	return (unsigned long)kasan_reset_tag(__pcpu_ptr_to_addr(ptr));
}

static inline size_t pcpu_slots_to_bytes(unsigned int nr_slots)
{
	return (size_t)nr_slots << PCPU_MIN_ALLOC_SHIFT;
}

/* ---- area map (percpu-area.c) ------------------------------------------ */

/* A row is also looked at as a word of grains, of so many slots each. */
#define PCPU_GRAIN_SLOTS	(PCPU_ROW_SLOTS / BITS_PER_LONG)

/**
 * struct pcpu_room - free slots of a row
 * @grains: a set bit is a grain whose slots are all free
 * @head_slots: free slots at its start
 * @tail_slots: free slots at its end
 * @free_slots: free slots in it
 * @bound_slots: no free run in it is longer, but for the one at its end
 */
struct pcpu_room {
	unsigned long grains;
	u32 head_slots;
	u32 tail_slots;
	u32 free_slots;
	u32 bound_slots;
};

/**
 * struct pcpu_area_map - which slots of a chunk are in use
 * @nr_slots: I: slots in the map, a multiple of PCPU_ROW_SLOTS
 * @busy: L: a set bit is a slot that cannot be handed out: used, or closed
 * @room: L: what is free in each row, and in one behind the last, where nothing is
 * @lengths: a byte a slot: at the first slot of an area its length, see below, and
 *	PCPU_AREA_LIVE until its owner frees it; 0 where no area starts
 */
struct pcpu_area_map {
	unsigned int nr_slots;
	unsigned long *busy;
	struct pcpu_room *room;
	u8 *lengths;
};

/*
 * Lengths are written under the lock, before anybody has the area and after its
 * last owner has given it up; between, the byte is its owner's.  So who owns an area
 * makes it live by a plain store, and one atomic operation on the byte decides who
 * frees it and tells its length.
 */
#define PCPU_AREA_LIVE		0x80U
/*
 * Slots whose bytes are a line of the CPU's caches; where lines are longer a part of one, as
 * what is taken for it ahead of need has to be little.
 */
#define PCPU_LINE_SLOTS		(SMP_CACHE_BYTES < 64 ? (unsigned int)SMP_CACHE_BYTES : 64U)
/* Of an area that would share it with many: 16 bytes.  One CPU shares with nobody. */
#define PCPU_TINY_SLOTS		(IS_ENABLED(CONFIG_SMP) ? PCPU_LINE_SLOTS / 16 : 0)
/* Longer areas have their length in the next bytes, 7 bits in each. */
#define PCPU_AREA_LONG		0x7fU
#define PCPU_LONG_BYTES		4U

/* The grains [first, last] of a row, as bits; what is shifted out is not missed. */
static inline unsigned long pcpu_grain_span(unsigned int first, unsigned int last)
{
	return (2UL << last) - (1UL << first);
}

/* The grains [from, to). */
static inline unsigned long pcpu_grain_mask(unsigned int from, unsigned int to)
{
	return from < to ? pcpu_grain_span(from, to - 1) : 0;
}

size_t pcpu_area_storage_bytes(unsigned int nr_slots);
void pcpu_area_init(struct pcpu_area_map *map, unsigned int nr_slots, void *storage);
void pcpu_area_open(struct pcpu_area_map *map, unsigned int slot, unsigned int nr);
void pcpu_area_close(struct pcpu_area_map *map, unsigned int slot, unsigned int nr);
unsigned int pcpu_area_find_inside(struct pcpu_area_map *map, unsigned int start,
				   unsigned int nr, unsigned int align_slots);
unsigned int pcpu_area_find(struct pcpu_area_map *map, unsigned int nr,
			    unsigned int align_slots);
unsigned int pcpu_area_free_before(const struct pcpu_area_map *map,
				   unsigned int slot, unsigned int max);
unsigned int pcpu_area_free_after(const struct pcpu_area_map *map,
				  unsigned int slot, unsigned int max);
void pcpu_rooms_add(struct pcpu_area_map *map, unsigned int slot, unsigned int end);
void pcpu_rooms_cut(struct pcpu_room *room, unsigned int from, unsigned int nr);
unsigned int pcpu_grains_bound(const struct pcpu_room *room);
void pcpu_length_write_long(u8 *byte, unsigned int nr);
unsigned int pcpu_area_length_long(const struct pcpu_area_map *map, unsigned int slot);
unsigned int pcpu_area_next(const struct pcpu_area_map *map, unsigned int slot);

/**
 * pcpu_area_reach - bound for the free runs that begin in a row
 * @map: the map
 * @row: the row
 *
 * A run counts no further than to the end of the next row.
 *
 * Return: slots; 0 if none is free, at most twice PCPU_ROW_SLOTS
 */
static inline unsigned int pcpu_area_reach(const struct pcpu_area_map *map, unsigned int row)
{
	const struct pcpu_room *room = &map->room[row];
	unsigned int across = room->tail_slots;

	if (across)
		across += room[1].head_slots;
	return max(room->bound_slots, across);
}

/* Slots that a word of a map stands for. */
#define PCPU_WORD_SLOTS		((unsigned int)BITS_PER_LONG)

/* An area is large among free runs of so many times its length, and less. */
#define PCPU_LARGE_SHARE	8

/*
 * Each allocation and free away from the bins passes through what follows, so it is
 * without calls.  What is taken or given back is a few words; WRITE_ONCE() keeps compilers
 * from a call of memset() for those.
 */
static __always_inline void pcpu_mark(struct pcpu_area_map *map, unsigned int slot,
				      unsigned int nr, bool busy)
{
	unsigned long *last = &map->busy[BIT_WORD(slot + nr - 1)];
	unsigned long *word = &map->busy[BIT_WORD(slot)];
	unsigned long mask = BITMAP_FIRST_WORD_MASK(slot);

	if (word != last) {
		*word = busy ? *word | mask : *word & ~mask;
		while (++word != last)
			WRITE_ONCE(*word, busy ? ~0UL : 0UL);
		mask = ~0UL;
	}
	mask &= BITMAP_LAST_WORD_MASK(slot + nr);
	*last = busy ? *last | mask : *last & ~mask;
}

/* Length of the free run that ends at @slot, as far as it lies in [low, slot). */
static __always_inline unsigned int pcpu_free_below(const struct pcpu_area_map *map,
						    unsigned int slot, unsigned int low)
{
	unsigned int word = BIT_WORD(slot - 1);
	unsigned long busy = map->busy[word] & BITMAP_LAST_WORD_MASK(slot);

	while (!busy && word > BIT_WORD(low))
		busy = map->busy[--word];
	return busy ? slot - (word * PCPU_WORD_SLOTS + __fls(busy) + 1) : slot - low;
}

/*
 * Length of the free run that starts at @slot, as far as it lies in [slot, high), or more
 * where @high lies inside a word.
 */
static __always_inline unsigned int pcpu_free_above(const struct pcpu_area_map *map,
						    unsigned int slot, unsigned int high)
{
	unsigned int word = BIT_WORD(slot);
	unsigned long busy = map->busy[word] & BITMAP_FIRST_WORD_MASK(slot);

	while (!busy && word < BIT_WORD(high - 1))
		busy = map->busy[++word];
	return busy ? word * PCPU_WORD_SLOTS + __ffs(busy) - slot : high - slot;
}

/* [slot, end) of the row that starts at @start was busy and is free now. */
static __always_inline void pcpu_room_add(struct pcpu_area_map *map, unsigned int start,
					  unsigned int slot, unsigned int end)
{
	struct pcpu_room *room = &map->room[start / PCPU_ROW_SLOTS];
	unsigned int from = slot - start, to = end - start;

	room->free_slots += to - from;
	/* The neighbours are known without a look if they are at the row's ends. */
	if (room->head_slots == from)
		from = 0;
	else
		from -= pcpu_free_below(map, slot, start);
	if (room->tail_slots == PCPU_ROW_SLOTS - to)
		to = PCPU_ROW_SLOTS;
	else
		to += pcpu_free_above(map, end, start + PCPU_ROW_SLOTS);

	room->grains |= pcpu_grain_mask(DIV_ROUND_UP(from, PCPU_GRAIN_SLOTS),
					to / PCPU_GRAIN_SLOTS);
	if (!from)
		room->head_slots = to;
	if (to == PCPU_ROW_SLOTS)
		room->tail_slots = to - from;
	else
		room->bound_slots = max(room->bound_slots, to - from);
	room->bound_slots = min(room->bound_slots, room->free_slots - room->tail_slots);
}

/* [from, to) of a row, whose tail begins at or before @from or behind @to, is busy now. */
static __always_inline void pcpu_room_cut(struct pcpu_room *room, unsigned int from,
					  unsigned int to)
{
	unsigned int tail = PCPU_ROW_SLOTS - room->tail_slots;

	room->free_slots -= to - from;
	room->grains &= ~pcpu_grain_span(from / PCPU_GRAIN_SLOTS, (to - 1) / PCPU_GRAIN_SLOTS);
	room->head_slots = min(room->head_slots, from);
	if (from >= tail) {
		/* What is left of it before the slots is a run as others are. */
		room->bound_slots = max(room->bound_slots, from - tail);
		room->tail_slots = PCPU_ROW_SLOTS - to;
	} else if ((to - from) * PCPU_LARGE_SHARE > room->bound_slots) {
		/* Of what was the longest run, most likely. */
		room->bound_slots = min(room->bound_slots, pcpu_grains_bound(room));
	}
	room->bound_slots = min(room->bound_slots, room->free_slots - room->tail_slots);
}

/* pcpu_area_open() without a call, for a few slots. */
static __always_inline void pcpu_area_open_inline(struct pcpu_area_map *map, unsigned int slot,
						  unsigned int nr)
{
	unsigned int end = slot + nr, start = round_down(slot, PCPU_ROW_SLOTS);

	pcpu_mark(map, slot, nr, false);
	if (likely(end <= start + PCPU_ROW_SLOTS))
		pcpu_room_add(map, start, slot, end);
	else
		pcpu_rooms_add(map, slot, end);
}

/* pcpu_area_close() without a call. */
static __always_inline void pcpu_area_close_inline(struct pcpu_area_map *map, unsigned int slot,
						   unsigned int nr)
{
	struct pcpu_room *room = &map->room[slot / PCPU_ROW_SLOTS];
	unsigned int from = slot % PCPU_ROW_SLOTS;

	pcpu_mark(map, slot, nr, true);
	if (unlikely(from + nr > PCPU_ROW_SLOTS))
		pcpu_rooms_cut(room, from, nr);
	else if (room->free_slots)
		pcpu_room_cut(room, from, from + nr);
}

/* In the free run at the end of a row, which may go on behind. */
static __always_inline unsigned int
pcpu_find_in_tail(const struct pcpu_room *room, unsigned int end, unsigned int nr,
		  unsigned int align_slots)
{
	unsigned int at = ALIGN(end - room->tail_slots, align_slots);
	unsigned int beyond = at + nr - end;

	if (!room->tail_slots)
		return PCPU_NONE;
	if ((int)beyond <= 0)
		return at;
	for (; beyond > PCPU_ROW_SLOTS; beyond -= PCPU_ROW_SLOTS)
		if ((++room)->head_slots < PCPU_ROW_SLOTS)
			return PCPU_NONE;
	return room[1].head_slots >= beyond ? at : PCPU_NONE;
}

/**
 * pcpu_area_find_in - find a place for an area that begins in a row
 * @map: the map
 * @row: the row
 * @nr: slots
 * @align_slots: alignment in slots, a power of two, at most PCPU_ROW_SLOTS
 *
 * In the free run at the row's end, where it is known without a search; else the
 * lowest place.  Where that run must be left behind for the sake of alignment, the
 * place may begin where the next row does.
 *
 * Return: its first slot, or PCPU_NONE
 */
static __always_inline unsigned int
pcpu_area_find_in(struct pcpu_area_map *map, unsigned int row, unsigned int nr,
		  unsigned int align_slots)
{
	unsigned int start = row * PCPU_ROW_SLOTS, slot;
	const struct pcpu_room *room = &map->room[row];

	slot = pcpu_find_in_tail(room, start + PCPU_ROW_SLOTS, nr, align_slots);
	if (slot == PCPU_NONE && nr <= room->bound_slots)
		return pcpu_area_find_inside(map, start, nr, align_slots);
	return slot;
}

/*
 * A byte of @lengths is going to be read, and then written.  Its line is often another
 * CPU's that wrote it last; fetched for the write it comes once, not twice.
 */
static __always_inline void pcpu_length_prefetch(const u8 *byte)
{
	prefetchw(byte);
}

/*
 * Store a byte of @lengths that is the caller's.  Where a cmpxchg() of a byte is one of
 * its word, that may be a read and a write under some lock, between which a plain store
 * to a neighbour would be lost.
 */
static inline void pcpu_length_store(u8 *byte, u8 value)
{
	u8 old;

	if (!IS_ENABLED(CONFIG_ARCH_NEED_CMPXCHG_1_EMU)) {
		WRITE_ONCE(*byte, value);
		return;
	}
	old = READ_ONCE(*byte);
	while (!try_cmpxchg(byte, &old, value))
		;
}

static inline void pcpu_length_write(struct pcpu_area_map *map, unsigned int slot, unsigned int nr)
{
	if (nr < PCPU_AREA_LONG)
		pcpu_length_store(&map->lengths[slot], nr);
	else
		pcpu_length_write_long(&map->lengths[slot], nr);
}

/**
 * pcpu_area_take - make areas of slots
 * @map: the map
 * @slot: the first slot
 * @nr: how many slots, as for pcpu_area_close()
 * @length: slots of each area, a divisor of @nr
 *
 * The areas are not live yet: nobody can free one before pcpu_area_enliven().
 *
 * Return: how many areas
 */
static __always_inline unsigned int
pcpu_area_take(struct pcpu_area_map *map, unsigned int slot, unsigned int nr,
	       unsigned int length)
{
	unsigned int nr_areas = 1, done;

	pcpu_length_write(map, slot, length);
	for (done = length; unlikely(done < nr); done += length) {
		pcpu_length_write(map, slot + done, length);
		nr_areas++;
	}
	pcpu_area_close_inline(map, slot, nr);
	return nr_areas;
}

/**
 * pcpu_area_unmark - the area ends, its slots stay closed
 * @map: the map
 * @slot: its first slot
 * @nr: its slots
 */
static inline void pcpu_area_unmark(struct pcpu_area_map *map, unsigned int slot,
				    unsigned int nr)
{
	u8 *byte = &map->lengths[slot];

	BUILD_BUG_ON(PCPU_LONG_BYTES != 4);
	if (nr >= PCPU_AREA_LONG) {
		pcpu_length_store(byte + 1, 0);
		pcpu_length_store(byte + 2, 0);
		pcpu_length_store(byte + 3, 0);
		pcpu_length_store(byte + 4, 0);
	}
	pcpu_length_store(byte, 0);
}

/* As pcpu_length_store(), after all that was written before. */
static inline void pcpu_length_publish(u8 *byte, u8 value)
{
	if (!IS_ENABLED(CONFIG_ARCH_NEED_CMPXCHG_1_EMU))
		/* Pairs with the cmpxchg() of pcpu_area_claim(). */
		smp_store_release(byte, value);
	else
		pcpu_length_store(byte, value);
}

/**
 * pcpu_area_enliven - let an area be freed
 * @map: the map
 * @slot: its first slot
 *
 * Context: any; the caller owns the area.
 */
static inline void pcpu_area_enliven(struct pcpu_area_map *map, unsigned int slot)
{
	u8 *length = &map->lengths[slot];

	/* Pairs with pcpu_area_claim(): who frees it finds all hooks done. */
	pcpu_length_publish(length, READ_ONCE(*length) | PCPU_AREA_LIVE);
}

/* Has its owner not freed the area yet? */
static inline bool pcpu_area_is_live(const struct pcpu_area_map *map, unsigned int slot)
{
	return READ_ONCE(map->lengths[slot]) & PCPU_AREA_LIVE;
}

/* The length that the byte of a slot tells, or those behind it. */
static inline unsigned int pcpu_length_read(const struct pcpu_area_map *map,
					    unsigned int slot, u8 byte)
{
	unsigned int length = byte & ~PCPU_AREA_LIVE;

	return likely(length != PCPU_AREA_LONG) ? length : pcpu_area_length_long(map, slot);
}

/**
 * pcpu_area_length - length of the area that starts at a slot
 * @map: the map
 * @slot: the first slot of an area
 *
 * Context: any; the caller owns the area, or holds the lock.
 * Return: slots, or 0 where no area starts
 */
static inline unsigned int pcpu_area_length(const struct pcpu_area_map *map,
					    unsigned int slot)
{
	return pcpu_length_read(map, slot, READ_ONCE(map->lengths[slot]));
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
static inline unsigned int pcpu_area_claim(struct pcpu_area_map *map, unsigned int slot)
{
	u8 *byte = &map->lengths[slot], old, length;

	pcpu_length_prefetch(byte);
	old = READ_ONCE(*byte);
	length = old & ~PCPU_AREA_LIVE;
	if (!(old & PCPU_AREA_LIVE) || !try_cmpxchg(byte, &old, length))
		return 0;
	return pcpu_length_read(map, slot, length);
}

/* ---- per-object extensions ---------------------------------------------- */

#if defined(CONFIG_MEMCG) || defined(CONFIG_MEM_ALLOC_PROFILING)
#define PCPU_HAS_EXT	1
#else
#define PCPU_HAS_EXT	0
#endif

/**
 * struct pcpu_ext - what is remembered of an object, at its first slot
 * @objcg: whom it is charged to, or NULL
 * @tag: the call site that it is counted for
 */
struct pcpu_ext {
#ifdef CONFIG_MEMCG
	struct obj_cgroup *objcg;
#endif
#ifdef CONFIG_MEM_ALLOC_PROFILING
	union codetag_ref tag;
#endif
};

#if PCPU_HAS_EXT
#define PCPU_EXT_PER_PAGE	((unsigned int)(PAGE_SIZE / sizeof(struct pcpu_ext)))
#define PCPU_EXT_ROW_PAGES	(PCPU_ROW_SLOTS / PCPU_EXT_PER_PAGE)
#else
#define PCPU_EXT_PER_PAGE	1U
#define PCPU_EXT_ROW_PAGES	0U
#endif

/* ---- chunks (percpu-chunk.c) -------------------------------------------- */

enum pcpu_row_state {
	PCPU_ROW_ABSENT,
	PCPU_ROW_COMING,
	PCPU_ROW_PRESENT,
	PCPU_ROW_GOING,
	PCPU_NR_ROW_STATES,
};

/**
 * struct pcpu_row - one page index of a chunk
 * @fit_link: L: on pcpu_allocator.fit[], by the longest free run
 * @index: I: its number in the chunk
 * @state: L: enum pcpu_row_state
 * @fit_class: L: what pcpu_row_fit_class() said last; it is on that list unless
 *	it is 0, or the chunk is the reserved one
 * @for_lines: L: it is in use, and whole lines were taken there that nobody needed
 */
struct pcpu_row {
	struct list_head fit_link;
	u32 index;
	u8 state;
	u8 fit_class;
	bool for_lines;
};

/**
 * enum pcpu_pending_state - what is known of a chunk's pending frees
 * @PCPU_PENDING_IDLE: it is on no list; who marks a free lists it
 * @PCPU_PENDING_LISTED: it is on pcpu_allocator.pending, or about to be, and stays
 * @PCPU_PENDING_DEAD: it is being destroyed and has none: what was marked last was
 *	released before
 */
enum pcpu_pending_state {
	PCPU_PENDING_IDLE,
	PCPU_PENDING_LISTED,
	PCPU_PENDING_DEAD,
};

struct pcpu_chunk;

/* A chunk's range touches at most three index buckets of up to a unit each. */
#define PCPU_INDEX_ENTRIES	3
#define PCPU_INDEX_BITS		10

struct pcpu_index_entry {
	struct hlist_node node;		/* R */
	struct pcpu_chunk *chunk;	/* I */
};

/**
 * struct pcpu_chunk - a unit for every CPU, and its metadata
 * @map: the area map
 * @base_addr: I: address of slot 0 in the unit at offset 0
 * @nr_rows: I: pages of a unit that the chunk serves
 * @first_slot: I: the first slot it serves (boot chunks start inside a page)
 * @end_slot: I: one past the last slot that it serves
 * @rows_fixed: I: rows are PRESENT for ever (boot chunks, km backend)
 * @boot: I: from memblock, never destroyed
 * @rows: L: state and use of each row; they lie behind the chunk
 * @ext: PCPU_EXT_ROW_PAGES pointers a row, or NULL; set while the row is COMING,
 *	cleared while it is GOING, so whoever owns an area may read them
 * @backing: I: what the backend keeps
 * @nr_rows_in: L: rows by state
 * @nr_empty_rows: L: PRESENT rows without an area
 * @low_absent_row: L: no row below it is ABSENT
 * @nr_areas: L: areas handed out
 * @max_area_slots: L: the largest area ever handed out, for debugfs
 * @grow_list: L: the list that @grow_link is on, or NULL
 * @grow_link: L: on .partial or .spare, see there
 * @link: L: on .chunks
 * @index: R: in pcpu_allocator.index
 * @pending: A: a set bit is the first slot of an area that is not live and whose
 *	free is pending
 * @pending_state: A: enum pcpu_pending_state
 * @pending_node: A: on pcpu_allocator.pending
 * @rcu: to free it after lookups by address have left
 */
struct pcpu_chunk {
	struct pcpu_area_map map;
	unsigned long base_addr;
	unsigned int nr_rows;
	unsigned int first_slot;
	unsigned int end_slot;
	bool rows_fixed;
	bool boot;
	struct pcpu_row *rows;
	struct page **ext;
	void *backing;

	unsigned int nr_rows_in[PCPU_NR_ROW_STATES];
	unsigned int nr_empty_rows;
	unsigned int low_absent_row;
	unsigned int nr_areas;
	unsigned int max_area_slots;
	struct list_head *grow_list;
	struct list_head grow_link;
	struct list_head link;
	struct pcpu_index_entry index[PCPU_INDEX_ENTRIES];
	unsigned long *pending;
	atomic_t pending_state;
	struct llist_node pending_node;
	struct rcu_head rcu;
};

static inline struct pcpu_chunk *pcpu_row_chunk(struct pcpu_row *row)
{
	return (struct pcpu_chunk *)(row - row->index) - 1;
}

/**
 * struct pcpu_area - an area and where it is
 * @chunk: its chunk
 * @slot: its first slot
 * @nr_slots: its length
 */
struct pcpu_area {
	struct pcpu_chunk *chunk;
	unsigned int slot;
	unsigned int nr_slots;
};

/* ---- requests ------------------------------------------------------------ */

/* The modes of KASAN whose shadow is ours to write; hardware tags see no vmalloc space. */
#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
#define PCPU_KASAN	1
#endif

enum pcpu_fail {
	PCPU_FAIL_NOT,
	PCPU_FAIL_RESERVED,	/* the reserved chunk is full */
	PCPU_FAIL_ROOM,		/* may not block, and no chunk has room */
	PCPU_FAIL_CHUNK,	/* no memory or address space for a chunk */
	PCPU_FAIL_PAGES,	/* no pages for a row */
	PCPU_FAIL_KILLED,	/* a fatal signal; not reported */
	PCPU_FAIL_BROKEN,	/* an impossible state, warned about */
	PCPU_NR_FAILS,
};

/**
 * struct pcpu_want - what a caller wants, checked
 * @size_bytes: size of the area, a multiple of slots; larger than the object's
 *	with KASAN alone
 * @align_bytes: alignment, at least PCPU_MIN_ALLOC_SIZE
 * @exact_bytes: size of the object, with KASAN
 * @gfp: the caller's mask; the scope of its task applies too
 * @reserved: from the reserved chunk, where there is one
 */
struct pcpu_want {
	unsigned int size_bytes;
	unsigned int align_bytes;
#ifdef PCPU_KASAN
	unsigned int exact_bytes;
#endif
	gfp_t gfp;
	bool reserved;
};

/**
 * struct pcpu_request - one allocation on its way through the layers
 * @want: what the caller wants; zero for rows and chunks alone
 * @nr_slots: its size in slots
 * @align_slots: its alignment in slots
 * @run_slots: @nr_slots times the areas that are taken side by side
 * @backing_gfp: what of it reaches pages, metadata and address space
 * @may_block: may sleep and reclaim
 * @may_create: may create chunks: it may block and does not reclaim itself
 * @may_populate: may make rows present
 * @wants_all: every area of a run is wanted now, none is taken ahead of need
 * @pages: pages in hand, @nr_rows times one for each CPU, linked by lru
 * @ext_pages: in hand for the same rows
 * @nr_rows: rows in hand
 * @nr_pauses: times it waited for others to publish
 * @new_chunk: built and not yet published
 * @room_seq: what present room was when it was looked at in vain
 * @area: result: the area, which is not live yet
 * @fail: result: why not
 */
struct pcpu_request {
	struct pcpu_want want;
	unsigned int nr_slots;
	unsigned int align_slots;
	unsigned int run_slots;
	gfp_t backing_gfp;
	bool may_block;
	bool may_create;
	bool may_populate;
	bool wants_all;

	struct list_head pages;
	struct list_head ext_pages;
	unsigned int nr_rows;
	unsigned int nr_pauses;
	struct pcpu_chunk *new_chunk;
	u64 room_seq;

	struct pcpu_area area;
	enum pcpu_fail fail;
};

/* ---- the allocator -------------------------------------------------------- */

/**
 * struct pcpu_geometry - how units lie in memory; constant after set-up
 * @cpus: the CPUs that have a unit
 * @nr_cpus: their number
 * @unit_offsets: offset in bytes of each CPU's unit, by CPU number
 * @copy_offsets: the same without the CPU numbers that have no unit: @nr_cpus of
 *	them, for what visits all copies
 * @unit_pages: pages of a unit
 * @unit_bytes: the same in bytes
 * @nr_units: units of a chunk, padding included
 * @nr_groups: groups
 * @group_offsets: offset of each group, in bytes
 * @group_bytes: size of each group
 * @atom_bytes: alignment of each group
 * @low_cpu: the CPU whose unit lies lowest
 * @high_cpu: the CPU whose unit lies highest
 */
struct pcpu_geometry {
	const struct cpumask *cpus;
	unsigned int nr_cpus;
	const unsigned long *unit_offsets;
	const unsigned long *copy_offsets;
	unsigned int unit_pages;
	size_t unit_bytes;
	unsigned int nr_units;
	unsigned int nr_groups;
	const unsigned long *group_offsets;
	const size_t *group_bytes;
	size_t atom_bytes;
	unsigned int low_cpu;
	unsigned int high_cpu;
};

struct pcpu_allocator;

/**
 * struct pcpu_backend - where the memory of chunks comes from
 * @name: for messages
 * @rows_fixed: chunks come with all their rows PRESENT
 * @maps_atomic: @map_row works where sleeping does not
 * @create: give @chunk address space (and memory, with @rows_fixed); sets
 *	base_addr and backing.  May sleep as gfp allows.  0 or -ENOMEM.
 * @destroy: take it back; no row has pages, or @rows_fixed
 * @map_row: put one page for each CPU, from the list, into a row.  Does not
 *	sleep, allocate or fail; an error is a bug and means that nothing of
 *	the row may be used.
 * @map_flush: make rows [row, row + nr) visible to all CPUs
 * @unmap_row: take a row's pages out, onto the list; the caller flushes
 * @unmap_flush: flush the TLB for the rows of [start, end)
 * @chunk_overhead_bytes: memory that a spare chunk costs beyond its metadata
 * @max_spare_chunks: what address space, or prudence, allows
 *
 * Context: all are called without locks.
 */
struct pcpu_backend {
	const char *name;
	bool rows_fixed;
	bool maps_atomic;
	int (*create)(struct pcpu_allocator *pa, struct pcpu_chunk *chunk, gfp_t gfp);
	void (*destroy)(struct pcpu_allocator *pa, struct pcpu_chunk *chunk);
	int (*map_row)(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
		       unsigned int row, struct list_head *pages);
	void (*map_flush)(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			  unsigned int row, unsigned int nr);
	void (*unmap_row)(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			  unsigned int row, struct list_head *pages);
	void (*unmap_flush)(struct pcpu_allocator *pa, unsigned long start,
			    unsigned long end);
	size_t (*chunk_overhead_bytes)(struct pcpu_allocator *pa);
	unsigned int (*max_spare_chunks)(struct pcpu_allocator *pa);
};

/*
 * Lists by the longest free run: four to each power of two, as TLSF has them.
 * There are as many as runs of two rows need with pages of 256 KiB.  The last is
 * for rows without an area, so that others are tried before them.
 */
#define PCPU_FIT_SUBSHIFT	2
#define PCPU_NR_FIT_CLASSES	64
#define PCPU_FIT_EMPTY		(PCPU_NR_FIT_CLASSES - 1)

/* pcpu_fit_class() of what is less than twice PCPU_ROW_SLOTS. */
static inline unsigned int pcpu_reach_class(unsigned int nr_slots)
{
	/* Where a power of two has fewer lengths than classes, each length has its own. */
	unsigned int log = __fls(nr_slots | BIT(PCPU_FIT_SUBSHIFT)) - PCPU_FIT_SUBSHIFT;
	unsigned int class = (log << PCPU_FIT_SUBSHIFT) + (nr_slots >> log);

	/* Larger pages have one class too many. */
	return PAGE_SHIFT < 18 ? class : min(class, PCPU_FIT_EMPTY - 1U);
}

/**
 * pcpu_fit_class - index of the list for rows with such a free run
 * @nr_slots: its length; from twice PCPU_ROW_SLOTS on there is but one class
 *
 * Its power of two and the two bits below (TLSF: Masmano and others, 2004).
 *
 * Return: the index, 0 for none, less than PCPU_FIT_EMPTY
 */
static inline unsigned int pcpu_fit_class(unsigned int nr_slots)
{
	return pcpu_reach_class(min(nr_slots, 2 * PCPU_ROW_SLOTS - 1));
}

/**
 * pcpu_row_fit_class - index of the list that a row belongs on
 * @map: the area map of its chunk
 * @index: its number there
 *
 * Return: the index, 0 for none
 */
static inline unsigned int pcpu_row_fit_class(const struct pcpu_area_map *map,
					      unsigned int index)
{
	if (map->room[index].free_slots == PCPU_ROW_SLOTS)
		return PCPU_FIT_EMPTY;
	/* It is not free throughout, so no run from it is as long as two rows. */
	return pcpu_reach_class(pcpu_area_reach(map, index));
}

/**
 * struct pcpu_counts - lifetime figures for debugfs
 * @nr_alloc: L: areas handed out
 * @nr_dealloc: L: areas taken back
 * @nr_max_alloc: L: most areas taken at once, those at hand included
 * @nr_max_chunks: L: most chunks at once
 * @min_alloc_bytes: L: smallest area
 * @max_alloc_bytes: L: largest area
 */
struct pcpu_counts {
	u64 nr_alloc;
	u64 nr_dealloc;
	u64 nr_max_alloc;
	unsigned int nr_max_chunks;
	size_t min_alloc_bytes;
	size_t max_alloc_bytes;
};

/**
 * struct pcpu_allocator - all state
 * @geo: I: geometry
 * @backend: I: where memory comes from
 * @index_shift: I: log2 of the bytes of an index bucket
 * @first: I: the dynamic part of the first chunk
 * @first_addr: I: address of the first byte that it serves
 * @first_bytes: I: what it serves of a unit; 0 without one
 * @reserved: I: the reserved part of the first chunk, or NULL
 * @boot_pages: I: pages of a unit that the first chunk occupies
 * @static_bytes: I: size of the static area, for debugfs
 * @reserved_bytes: I: size of the reserved part, for debugfs
 * @dyn_bytes: I: size of the dynamic part, for debugfs
 * @alloc_bytes: I: size of one first-chunk allocation, for debugfs
 * @lock: see the table above
 * @index: R: chunks other than the boot chunks, by address
 * @fit: L: rows that free runs begin in, by the longest of them
 * @fit_mask: L: which of @fit hold a row
 * @partial: L: chunks with ABSENT rows and others
 * @spare: L: chunks without a use: all rows ABSENT, or with rows_fixed all empty
 * @chunks: L: all chunks but the boot chunks
 * @walks: L: who visits them one by one
 * @nr_chunks: L: their number
 * @nr_spare_chunks: L: chunks on @spare
 * @nr_rows_in: L: rows by state, without those of boot chunks
 * @nr_empty_rows: L: PRESENT rows without an area, boot chunks (but not the
 *	reserved one) included
 * @row_seq: L: counts rows that changed their state, and chunks that came and went
 * @publish_seq: L: counts rows and chunks that became available
 * @published: where tasks over the cap wait for that
 * @nr_preparing: A: tasks that are getting pages or a chunk
 * @counts: L: for debugfs
 * @balance_work: the worker
 * @balance_enabled: workqueues are up and bounds are known
 * @balance_urgent: A: a pass is asked for at once, and has not begun
 * @balance_drain: A: CPUs may keep areas at hand
 * @balance_pressure: A: the next pass gives back at once
 * @balance_retry: R: jiffies before which a failed fill is not tried again
 * @balance_backoff: W: how long the last failure made it wait, in jiffies
 * @balance_shrink_at: W: jiffies before which nothing is given back
 * @balance_validate_at: W: jiffies before which nothing is validated
 * @reserve_rows: R: PRESENT empty rows to keep
 * @reserve_max_rows: I: bound for @reserve_rows
 * @spare_chunks: I: spare chunks to keep
 * @nonblock_rows: L: rows that non-blocking requests began since the last pass
 * @missed: L: size and alignment, the largest of each, of those that have failed since and
 *	make no rows present
 * @peak_areas: L: most areas taken at once since the worker's last quiet pass
 * @nr_bad_frees: A: frees refused
 * @cache_max_bytes: R: the largest area that is kept at hand, 0 before
 *	pcpu_cache_enable()
 * @cache_total_bytes: I: what all CPUs together may keep at hand, of a unit
 * @cache_budget_bytes: A: what of it no bin has taken
 * @depot_used: a hint: the depot was given something since the worker found it empty, or
 *	@lines_wanted was set
 * @lines_wanted: a hint: since the worker looked, a bin was given what may lie in a line of
 *	another CPU
 * @line_cpu: a hint: the CPU that began to use a bin of small areas first, or moved them
 *	last; PCPU_NO_CPU before
 * @nr_line_rows: L: rows that are @for_lines
 * @pending: A: chunks with frees that are pending
 * @nr_pending: A: how many frees these are, at least
 * @nolock_enabled: irq_work can be queued for what callers in any context need
 *
 * Flags that are exchanged are of 32 bits: unlike cmpxchg(), xchg() of a byte is not
 * emulated where an architecture has none.
 */
struct pcpu_allocator {
	struct pcpu_geometry geo;
	const struct pcpu_backend *backend;
	unsigned int index_shift;
	struct pcpu_chunk *first;
	unsigned long first_addr;
	unsigned long first_bytes;
	struct pcpu_chunk *reserved;
	unsigned int boot_pages;
	size_t static_bytes;
	size_t reserved_bytes;
	size_t dyn_bytes;
	size_t alloc_bytes;
	unsigned int cache_max_bytes;
	unsigned int cache_total_bytes;
	u32 balance_drain;
	bool depot_used;
	bool lines_wanted;
	unsigned int line_cpu;
	unsigned int nr_line_rows;

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned int nr_chunks;
	unsigned int nr_spare_chunks;
	unsigned int nr_rows_in[PCPU_NR_ROW_STATES];
	unsigned int nr_empty_rows;
	u64 row_seq;
	unsigned int publish_seq;
	unsigned int nonblock_rows;
	struct pcpu_want missed;
	u64 peak_areas;
	DECLARE_BITMAP(fit_mask, PCPU_NR_FIT_CLASSES);
	struct list_head fit[PCPU_NR_FIT_CLASSES];
	struct list_head partial;
	struct list_head spare;
	struct list_head chunks;
	struct list_head walks;
	struct pcpu_counts counts;

	struct hlist_head index[1 << PCPU_INDEX_BITS] ____cacheline_aligned_in_smp;

	wait_queue_head_t published;
	atomic_t nr_preparing;
	struct delayed_work balance_work;
	bool balance_enabled;
	u32 balance_urgent;
	u32 balance_pressure;
	unsigned long balance_retry;
	unsigned long balance_backoff;
	unsigned long balance_shrink_at;
	unsigned long balance_validate_at;
	unsigned int reserve_rows;
	unsigned int reserve_max_rows;
	unsigned int spare_chunks;
	atomic_t nr_bad_frees;
	atomic_t cache_budget_bytes;
	struct llist_head pending;
	atomic_t nr_pending;
	bool nolock_enabled;
};

extern struct pcpu_allocator pcpu_main;
extern const struct pcpu_backend pcpu_backend;	/* the one that is built in */

/**
 * pcpu_peek - read a counter without the lock that guards it
 * @counter: the counter
 *
 * For decisions that a stale value does not make wrong, only early or late.
 *
 * Return: its value now, or a moment ago
 */
static inline unsigned int pcpu_peek(const unsigned int *counter)
{
	/* Deliberately racy, see above. */
	return data_race(READ_ONCE(*counter));
}

/* ---- lookup by address --------------------------------------------------- */

static inline struct hlist_head *pcpu_index_bucket(struct pcpu_allocator *pa,
						   unsigned long addr)
{
	return &pa->index[hash_long(addr >> pa->index_shift, PCPU_INDEX_BITS)];
}

static inline bool pcpu_chunk_has(const struct pcpu_chunk *chunk, unsigned long addr)
{
	unsigned long slot = (addr - chunk->base_addr) >> PCPU_MIN_ALLOC_SHIFT;

	return slot - chunk->first_slot < chunk->end_slot - chunk->first_slot;
}

/* Is it in the chunk that is there for ever and is not in the index? */
static __always_inline bool pcpu_first_has(const struct pcpu_allocator *pa, unsigned long addr)
{
	return addr - pa->first_addr < pa->first_bytes;
}

/* The chunk at an address that is not in the first one, or NULL.  Under RCU. */
static __always_inline struct pcpu_chunk *pcpu_later_chunk_of(struct pcpu_allocator *pa,
							      unsigned long addr)
{
	struct pcpu_index_entry *entry;

	/* Chunks in the index serve all of their unit. */
	hlist_for_each_entry_rcu(entry, pcpu_index_bucket(pa, addr), node)
		if (likely(addr - entry->chunk->base_addr < pa->geo.unit_bytes))
			return entry->chunk;
	if (pa->reserved && pcpu_chunk_has(pa->reserved, addr))
		return pa->reserved;
	return NULL;
}

/* The chunk at an address, or NULL.  Under RCU. */
static inline struct pcpu_chunk *pcpu_chunk_of(struct pcpu_allocator *pa, unsigned long addr)
{
	return pcpu_first_has(pa, addr) ? pa->first : pcpu_later_chunk_of(pa, addr);
}

/* Where in a chunk, or in none, an address is; of what length is not known. */
static __always_inline struct pcpu_area pcpu_area_at(struct pcpu_chunk *chunk,
						     unsigned long addr)
{
	struct pcpu_area area = { .chunk = chunk };

	if (likely(chunk))
		area.slot = (addr - chunk->base_addr) >> PCPU_MIN_ALLOC_SHIFT;
	return area;
}

/* The same, become the one who frees it; length 0 where no live area starts. */
static __always_inline struct pcpu_area pcpu_area_claim_at(struct pcpu_chunk *chunk,
							   unsigned long addr)
{
	struct pcpu_area area = pcpu_area_at(chunk, addr);

	if (likely(chunk))
		area.nr_slots = pcpu_area_claim(&chunk->map, area.slot);
	return area;
}

/**
 * pcpu_chunk_claim - become the one who frees the area at an address
 * @pa: the allocator
 * @addr: what may be an area's address
 *
 * A live area keeps its chunk, so after the claim the chunk stays until
 * pcpu_chunk_release().
 *
 * Context: any, no lock.
 * Return: the area; it has no slots where no live area starts at @addr
 */
static __always_inline struct pcpu_area pcpu_chunk_claim(struct pcpu_allocator *pa,
							 unsigned long addr)
{
	struct pcpu_area area = {};

	if (unlikely(!IS_ALIGNED(addr, PCPU_MIN_ALLOC_SIZE)))
		return area;
	if (pcpu_first_has(pa, addr))
		return pcpu_area_claim_at(pa->first, addr);
	rcu_read_lock();
	area = pcpu_area_claim_at(pcpu_later_chunk_of(pa, addr), addr);
	rcu_read_unlock();
	return area;
}

/**
 * pcpu_chunk_of_area - find an area that is taken and not live
 * @pa: the allocator
 * @addr: the area's address
 * @area: set to the area, or its chunk to NULL
 *
 * Context: any, no lock; the caller owns the area.
 * Return: false after a bug
 */
static __always_inline bool pcpu_chunk_of_area(struct pcpu_allocator *pa, unsigned long addr,
					       struct pcpu_area *area)
{
	if (pcpu_first_has(pa, addr)) {
		*area = pcpu_area_at(pa->first, addr);
	} else {
		rcu_read_lock();
		*area = pcpu_area_at(pcpu_later_chunk_of(pa, addr), addr);
		rcu_read_unlock();
	}
	if (unlikely(!area->chunk))
		return false;
	/* Its owner makes it live next, or gives it up. */
	pcpu_length_prefetch(&area->chunk->map.lengths[area->slot]);
	area->nr_slots = pcpu_area_length(&area->chunk->map, area->slot);
	if (likely(area->nr_slots))
		return true;
	area->chunk = NULL;
	return false;
}

/**
 * pcpu_chunk_prefetch_area - an area will be handed out soon
 * @pa: the allocator
 * @addr: the area's address
 *
 * Context: any, no lock; the caller owns the area.
 */
static inline void pcpu_chunk_prefetch_area(struct pcpu_allocator *pa, unsigned long addr)
{
	struct pcpu_area area;

	rcu_read_lock();
	area = pcpu_area_at(pcpu_chunk_of(pa, addr), addr);
	if (likely(area.chunk))
		pcpu_length_prefetch(&area.chunk->map.lengths[area.slot]);
	rcu_read_unlock();
}

/**
 * pcpu_chunk_ext - what is remembered of the object at a slot
 * @chunk: its chunk
 * @slot: its first slot
 *
 * Context: the caller owns the object.
 * Return: the entry, or NULL in chunks that have none
 */
static inline struct pcpu_ext *pcpu_chunk_ext(const struct pcpu_chunk *chunk,
					      unsigned int slot)
{
	struct pcpu_ext *entries;

	if (!PCPU_HAS_EXT || !chunk->ext)
		return NULL;
	entries = page_address(chunk->ext[slot / PCPU_EXT_PER_PAGE]);
	return entries + slot % PCPU_EXT_PER_PAGE;
}

/* ---- percpu-chunk.c --------------------------------------------------------- */

void pcpu_allocator_init(struct pcpu_allocator *pa, const struct pcpu_backend *backend);
size_t pcpu_chunk_bytes(unsigned int nr_rows, bool has_ext);
struct pcpu_chunk *pcpu_chunk_init(void *storage, unsigned int nr_rows, bool has_ext);
void pcpu_chunk_add_boot(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			 unsigned int first_slot, unsigned int nr_slots, bool reserved);
bool pcpu_chunk_take(struct pcpu_allocator *pa, struct pcpu_request *req);
int pcpu_chunk_make_room(struct pcpu_allocator *pa, struct pcpu_request *req);
int pcpu_chunk_alloc(struct pcpu_allocator *pa, struct pcpu_request *req);
bool pcpu_chunk_try_alloc(struct pcpu_allocator *pa, struct pcpu_request *req);
void pcpu_chunk_release(struct pcpu_allocator *pa, const struct pcpu_area *areas,
			unsigned int nr);
void pcpu_chunk_release_one(struct pcpu_allocator *pa, struct pcpu_area area);
DECLARE_PER_CPU_ALIGNED(unsigned long, pcpu_line_addr);
bool pcpu_chunk_take_in_line(struct pcpu_allocator *pa, struct pcpu_request *req);
unsigned int pcpu_chunk_take_run(struct pcpu_allocator *pa, struct pcpu_request *req,
				 unsigned int max);
void pcpu_request_drop(struct pcpu_request *req);
int pcpu_request_get_rows(struct pcpu_allocator *pa, struct pcpu_request *req,
			  unsigned int nr_rows);
int pcpu_request_get_chunk(struct pcpu_allocator *pa, struct pcpu_request *req);
bool pcpu_chunk_add_row(struct pcpu_allocator *pa, struct pcpu_request *req);
void pcpu_chunk_add_new(struct pcpu_allocator *pa, struct pcpu_request *req);
unsigned int pcpu_chunk_give_back(struct pcpu_allocator *pa, unsigned int keep_rows,
				  unsigned int max_rows);
bool pcpu_chunk_retire_spare(struct pcpu_allocator *pa, unsigned int keep_chunks);

/**
 * struct pcpu_walk - a place among the chunks, which come and go
 * @link: L: on pcpu_allocator.walks
 * @at: L: the chunk that was visited last, or where it was; or the head of the list
 * @nr_boot: L: how far it got with the boot chunks
 */
struct pcpu_walk {
	struct list_head link;
	struct list_head *at;
	unsigned int nr_boot;
};

void pcpu_walk_begin(struct pcpu_allocator *pa, struct pcpu_walk *walk);
void pcpu_walk_end(struct pcpu_allocator *pa, struct pcpu_walk *walk);
struct pcpu_chunk *pcpu_walk_next(struct pcpu_allocator *pa, struct pcpu_walk *walk);

/**
 * pcpu_request_begin - set what a request needs to be served from present memory
 * @req: the request
 * @want: what it is for
 *
 * All that most requests need, one by one: to clear it as a whole first costs more.
 */
static __always_inline void pcpu_request_begin(struct pcpu_request *req,
					       const struct pcpu_want *want)
{
	req->want = *want;
	req->nr_slots = want->size_bytes >> PCPU_MIN_ALLOC_SHIFT;
	req->align_slots = want->align_bytes >> PCPU_MIN_ALLOC_SHIFT;
	req->run_slots = req->nr_slots;
	req->may_block = gfpflags_allow_blocking(want->gfp);
	req->wants_all = false;
	req->area.chunk = NULL;
	req->fail = PCPU_FAIL_NOT;
}

/**
 * pcpu_request_arm - set what it needs beyond that to make room
 * @req: the request
 * @gfp: mask for backing allocations, which may block if what is wanted may
 */
static inline void pcpu_request_arm(struct pcpu_request *req, gfp_t gfp)
{
	req->backing_gfp = gfp;
	/* Page tables would come from the emergency reserve. */
	req->may_create = req->may_block && !(current->flags & PF_MEMALLOC);
	req->may_populate = true;
	INIT_LIST_HEAD(&req->pages);
	INIT_LIST_HEAD(&req->ext_pages);
	req->nr_rows = 0;
	req->nr_pauses = 0;
	req->new_chunk = NULL;
}

/**
 * pcpu_request_init - set all that a request needs to be served from chunks
 * @req: the request
 * @want: what it is for, or NULL for rows and chunks alone
 * @gfp: mask for backing allocations
 */
static inline void pcpu_request_init(struct pcpu_request *req, const struct pcpu_want *want,
				     gfp_t gfp)
{
	const struct pcpu_want none = { .gfp = gfp };

	pcpu_request_begin(req, want ?: &none);
	pcpu_request_arm(req, gfp);
}

/*
 * How many areas may be taken ahead of requests: not more than there were of late.
 * So where things grow, what is allocated together still lies together.
 */
static inline u64 pcpu_areas_ahead(const struct pcpu_allocator *pa)
{
	return pa->peak_areas - (pa->counts.nr_alloc - pa->counts.nr_dealloc);
}

/**
 * pcpu_chunk_may_run - may pcpu_chunk_take_run() take areas ahead of requests now?
 * @pa: the allocator
 * @nr_slots: size of each
 *
 * Context: any, no lock; true or false may be late by a moment.
 * Return: false if it would be in vain
 */
static inline bool pcpu_chunk_may_run(const struct pcpu_allocator *pa, unsigned int nr_slots)
{
	/* Deliberately racy: only a hint, that is looked at under the lock again. */
	return data_race(pcpu_areas_ahead(pa)) >= 2 || nr_slots <= PCPU_TINY_SLOTS;
}

/* ---- freed areas at hand (percpu-cache.c) ----------------------------------- */

#define PCPU_CACHE_BIN_BITS	4
#define PCPU_CACHE_BINS		BIT(PCPU_CACHE_BIN_BITS)
#define PCPU_CACHE_DEPTH	96U

/**
 * struct pcpu_bin - freed areas of one size at hand on one CPU, or in the depot
 * @nr_slots: their size; 0 if it has none yet.  Areas of another size may be
 *	in it after a change, so each is looked at when it is taken out.
 * @top: a hint: entries below it are in use, the one at it is not
 * @budget_bytes: A: its part of the budget
 * @nr_hits: requests served; approximate, as nothing keeps interrupts out
 * @nr_misses: requests that found it empty, likewise
 * @nr_conflicts: requests and frees of other sizes that wanted it, likewise
 * @patience: how many of these it bears while it is in use
 * @nr_moves: before it holds any: small areas that it has refused, as others may write in
 *	their lines, and those that took their places
 * @moves_round: what @nr_hits made of it when @nr_moves began anew
 * @seen_hits: @nr_hits when the worker looked last, or another number once it was stocked
 * @folded_hits: A: those of @nr_hits that were of former sizes, and are counted
 *	in percpu-sizes.c
 * @entry: A: 0, or the address of an area that is taken and not live
 */
struct pcpu_bin {
	unsigned int nr_slots;
	unsigned int top;
	atomic_t budget_bytes;
	unsigned int nr_misses;
	unsigned long nr_hits;
	unsigned int nr_conflicts;
	u16 patience;
	u8 nr_moves;
	u8 moves_round;
	unsigned long seen_hits;
	unsigned long folded_hits;
	unsigned long entry[PCPU_CACHE_DEPTH];
};

struct pcpu_cache {
	struct pcpu_bin bin[PCPU_CACHE_BINS];
};

DECLARE_PER_CPU_ALIGNED(struct pcpu_cache, pcpu_caches);

/* What some CPUs have too much of, for others: a cache like theirs that is no CPU's. */
#ifdef CONFIG_SMP
extern struct pcpu_cache pcpu_depot;

static inline struct pcpu_cache *pcpu_depot_cache(void)
{
	return &pcpu_depot;
}
#else
static inline struct pcpu_cache *pcpu_depot_cache(void)
{
	return NULL;
}
#endif

/**
 * struct pcpu_cache_figures - what debugfs shows of all bins
 * @nr_held: areas at hand
 * @nr_hits: requests served since each bin has its size
 */
struct pcpu_cache_figures {
	unsigned long nr_held;
	unsigned long nr_hits;
};

bool pcpu_cache_put_slow(struct pcpu_allocator *pa, struct pcpu_area area, bool may_spill);
struct pcpu_area pcpu_cache_get_slow(struct pcpu_allocator *pa, struct pcpu_want want,
				     struct pcpu_area area);
bool pcpu_cache_refill(struct pcpu_allocator *pa, struct pcpu_request *req);
bool pcpu_cache_stock(struct pcpu_allocator *pa, struct pcpu_request *req);
void pcpu_cache_release(struct pcpu_allocator *pa, struct pcpu_area *areas, unsigned int nr);
bool pcpu_cache_drain(struct pcpu_allocator *pa, bool all_cpus);
bool pcpu_cache_age(struct pcpu_allocator *pa);
struct pcpu_cache_figures pcpu_cache_count(struct pcpu_allocator *pa);
void pcpu_cache_enable(struct pcpu_allocator *pa, unsigned long ram_pages);

/*
 * Requests that a bin has served since it has its size.  Who was interrupted in
 * counting one may have set the count back.
 */
static inline unsigned long pcpu_bin_own_hits(const struct pcpu_bin *bin)
{
	long own_hits = READ_ONCE(bin->nr_hits) - READ_ONCE(bin->folded_hits);

	return max(own_hits, 0L);
}

static inline unsigned long pcpu_area_addr(const struct pcpu_area *area)
{
	return area->chunk->base_addr + pcpu_slots_to_bytes(area->slot);
}

/* Own what an entry holds: its address, or 0. */
static __always_inline unsigned long pcpu_entry_take(unsigned long *entry)
{
	unsigned long addr = READ_ONCE(*entry);

	return addr && cmpxchg(entry, addr, 0) == addr ? addr : 0;
}

static __always_inline unsigned long pcpu_bin_pop(struct pcpu_bin *bin)
{
	unsigned int last = READ_ONCE(bin->top) - 1;
	unsigned long addr;

	if (last >= PCPU_CACHE_DEPTH)
		return 0;
	addr = pcpu_entry_take(&bin->entry[last]);
	/* Without an address: it was drained, or an interrupt was here. */
	WRITE_ONCE(bin->top, last);
	return addr;
}

static __always_inline bool pcpu_bin_push(struct pcpu_bin *bin, unsigned long addr)
{
	unsigned int top = READ_ONCE(bin->top);
	bool free;

	if (top >= PCPU_CACHE_DEPTH)
		return false;
	free = !cmpxchg(&bin->entry[top], 0UL, addr);
	/* In use: an interrupt was here. */
	WRITE_ONCE(bin->top, top + 1);
	return free;
}

/* By the hint, one more area is within the bin's part of the budget. */
static __always_inline bool pcpu_bin_affords(struct pcpu_bin *bin, unsigned int size_bytes)
{
	return (READ_ONCE(bin->top) + 1) * size_bytes <=
	       (unsigned int)atomic_read(&bin->budget_bytes);
}

/*
 * Find the bin of a size in a cache; a size may have either of two.  Whether there is one
 * is told beside it, as compilers would look at its address for that, which may be 0.
 */
static __always_inline bool pcpu_bin_find(struct pcpu_cache *cache, unsigned int nr_slots,
					  struct pcpu_bin **bin)
{
	unsigned int index = hash_32(nr_slots, PCPU_CACHE_BIN_BITS);

	*bin = &cache->bin[index];
	if (likely(READ_ONCE((*bin)->nr_slots) == nr_slots))
		return true;
	*bin = &cache->bin[index ^ 1];
	return READ_ONCE((*bin)->nr_slots) == nr_slots;
}

/* The same, or NULL. */
static __always_inline struct pcpu_bin *pcpu_bin_in(struct pcpu_cache *cache,
						    unsigned int nr_slots)
{
	struct pcpu_bin *bin;

	return pcpu_bin_find(cache, nr_slots, &bin) ? bin : NULL;
}

/* That of this CPU.  Where it runs on from here does not matter: any CPU's will do. */
static __always_inline struct pcpu_bin *pcpu_bin_of(unsigned int nr_slots)
{
	return pcpu_bin_in(raw_cpu_ptr(&pcpu_caches), nr_slots);
}

/* The depot's bin of a size, or NULL. */
static inline struct pcpu_bin *pcpu_depot_bin(unsigned int nr_slots)
{
	return IS_ENABLED(CONFIG_SMP) ? pcpu_bin_in(pcpu_depot_cache(), nr_slots) : NULL;
}

/**
 * pcpu_cache_may_refill - is pcpu_cache_refill() worth a call?
 * @pa: the allocator
 * @nr_slots: size of what is wanted
 *
 * Context: any.
 * Return: false if the depot has no bin of that size, nothing may be taken ahead, and no
 *	bin has areas moved
 */
static inline bool pcpu_cache_may_refill(struct pcpu_allocator *pa, unsigned int nr_slots)
{
	return pcpu_chunk_may_run(pa, nr_slots) ||
	       (READ_ONCE(pa->depot_used) &&
		(pcpu_depot_bin(nr_slots) || READ_ONCE(pa->lines_wanted)));
}

/**
 * pcpu_cache_held_bytes - what of the budget is given out
 * @pa: the allocator
 *
 * Return: bytes of each unit that the bins of all CPUs and of the depot may hold now
 */
static inline unsigned int pcpu_cache_held_bytes(const struct pcpu_allocator *pa)
{
	return pa->cache_total_bytes - atomic_read(&pa->cache_budget_bytes);
}

static __always_inline bool pcpu_area_suits(const struct pcpu_area *area, unsigned long addr,
					    const struct pcpu_want *want)
{
	return area->nr_slots == want->size_bytes >> PCPU_MIN_ALLOC_SHIFT &&
	       IS_ALIGNED(addr, want->align_bytes);
}

/**
 * pcpu_cache_get - serve a request from what is at hand
 * @pa: the allocator
 * @want: what is wanted
 *
 * All by value, so that a hit needs no memory for it.
 *
 * Context: any but NMI.
 * Return: an area, which is not live; its chunk is NULL if there is none
 */
static __always_inline struct pcpu_area pcpu_cache_get(struct pcpu_allocator *pa,
						       struct pcpu_want want)
{
	unsigned int nr_slots = want.size_bytes >> PCPU_MIN_ALLOC_SHIFT;
	struct pcpu_area area = {};
	struct pcpu_bin *bin;
	unsigned long addr;

	/* A bin is made that of its size by a refill, which comes next. */
	if (!pcpu_bin_find(raw_cpu_ptr(&pcpu_caches), nr_slots, &bin) || want.reserved)
		return area;
	addr = pcpu_bin_pop(bin);
	if (!addr && !READ_ONCE(bin->top))
		return area;
	if (likely(addr && !WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, &area)) &&
		   pcpu_area_suits(&area, addr, &want))) {
		WRITE_ONCE(bin->nr_hits, READ_ONCE(bin->nr_hits) + 1);
		return area;
	}
	return pcpu_cache_get_slow(pa, want, area);
}

/**
 * pcpu_cache_try_put - keep a freed area at hand, where that is simple
 * @pa: the allocator
 * @area: the area, the caller's own; no longer so if it was taken in
 *
 * Context: any, no lock.
 * Return: false if there is no place for it
 */
static __always_inline bool pcpu_cache_try_put(struct pcpu_allocator *pa,
					       struct pcpu_area area)
{
	struct pcpu_bin *bin;

	/* A bin of that size exists, so it is not too large to be kept. */
	return likely(pcpu_bin_find(raw_cpu_ptr(&pcpu_caches), area.nr_slots, &bin) &&
		      pcpu_bin_affords(bin, pcpu_slots_to_bytes(area.nr_slots)) &&
		      area.chunk != pa->reserved && pcpu_bin_push(bin, pcpu_area_addr(&area)));
}

static __always_inline bool pcpu_bin_in_use(struct pcpu_bin *bin)
{
	return atomic_read(&bin->budget_bytes) || READ_ONCE(bin->top);
}

/*
 * Has a size no bin in a cache, and gets none?  That takes some patience if both it may have
 * are in use for others.  Sizes that seldom recur learn no more than this.
 */
static __always_inline bool pcpu_bins_refuse(struct pcpu_cache *cache, unsigned int nr_slots)
{
	unsigned int index = hash_32(nr_slots, PCPU_CACHE_BIN_BITS), nr;
	struct pcpu_bin *bin = &cache->bin[index], *other = &cache->bin[index ^ 1];

	/* Or they are computed anew for each access. */
	OPTIMIZER_HIDE_VAR(bin);
	OPTIMIZER_HIDE_VAR(other);
	if (READ_ONCE(bin->nr_slots) == nr_slots || READ_ONCE(other->nr_slots) == nr_slots ||
	    !pcpu_bin_in_use(bin) || !pcpu_bin_in_use(other))
		return false;
	nr = READ_ONCE(bin->nr_conflicts) + 1;
	WRITE_ONCE(bin->nr_conflicts, nr);
	return nr < READ_ONCE(bin->patience);
}

/**
 * pcpu_cache_may_put - is pcpu_cache_put_slow() worth a call?
 * @pa: the allocator
 * @area: an area that pcpu_cache_try_put() has found no place for
 *
 * Context: any.  A task that goes to another CPU before that call may take a bin there
 * which was not asked: rare, and it costs no more than that bin.
 * Return: false if the area is not to be kept at hand
 */
static __always_inline bool pcpu_cache_may_put(struct pcpu_allocator *pa,
					       const struct pcpu_area *area)
{
	return pcpu_slots_to_bytes(area->nr_slots) <= READ_ONCE(pa->cache_max_bytes) &&
	       area->chunk != pa->reserved &&
	       !pcpu_bins_refuse(raw_cpu_ptr(&pcpu_caches), area->nr_slots);
}

/**
 * pcpu_cache_put - keep a freed area at hand, if no others have to make room for it
 * @pa: the allocator
 * @area: the area, the caller's own; no longer so if it was taken in
 *
 * Context: any but NMI.
 * Return: false if there is no place for it
 */
static __always_inline bool pcpu_cache_put(struct pcpu_allocator *pa, struct pcpu_area area)
{
	return pcpu_cache_try_put(pa, area) ||
	       (pcpu_cache_may_put(pa, &area) && pcpu_cache_put_slow(pa, area, false));
}

/* ---- any context (percpu-nolock.c) -------------------------------------------- */

struct pcpu_area pcpu_nolock_get(struct pcpu_allocator *pa, const struct pcpu_want *want);
void pcpu_nolock_put(struct pcpu_allocator *pa, const struct pcpu_area *area, bool may_keep);
bool pcpu_pending_drain(struct pcpu_allocator *pa);
void pcpu_nolock_enable(struct pcpu_allocator *pa);
void pcpu_nolock_flush(void);

/* The door's part of a free that is pending (percpu.c). */
void pcpu_object_settle(const struct pcpu_area *area);

/* percpu-balance.c */
void pcpu_balance_kick(struct pcpu_allocator *pa, bool urgent);
void pcpu_balance_if_low(struct pcpu_allocator *pa);
void pcpu_balance_after_alloc_slow(struct pcpu_allocator *pa, const struct pcpu_request *req);
void pcpu_balance_after_free_slow(struct pcpu_allocator *pa);
void pcpu_balance_drain_later(struct pcpu_allocator *pa);
bool pcpu_balance_pass(struct pcpu_allocator *pa);
void pcpu_balance_set_bounds(struct pcpu_allocator *pa, unsigned long ram_pages);
void pcpu_balance_enable(struct pcpu_allocator *pa);

/* Empty rows: with fewer the worker is called. */
#define PCPU_RESERVE_LOW_ROWS	2U

/* One pass that is asked for and has not begun will do. */
static __always_inline bool pcpu_balance_is_called(const struct pcpu_allocator *pa)
{
	/* After what it is asked for; pairs with the xchg() that a pass begins with. */
	smp_mb();
	return READ_ONCE(pa->balance_urgent);
}

/**
 * pcpu_balance_after_alloc - kick the worker if a request left too little
 * @pa: the allocator
 * @req: the request, served or failed
 *
 * Context: any but NMI; takes the lock after a failure.  Reads counters
 * without it: a late or a needless kick does no harm.
 */
static inline void pcpu_balance_after_alloc(struct pcpu_allocator *pa,
					    const struct pcpu_request *req)
{
	/* While things grow, one request calls the worker, and many come before it. */
	if (unlikely(req->fail) || !READ_ONCE(pa->balance_drain) ||
	    pcpu_peek(&pa->nr_empty_rows) >= PCPU_RESERVE_LOW_ROWS ||
	    !pcpu_balance_is_called(pa))
		pcpu_balance_after_alloc_slow(pa, req);
}

/**
 * pcpu_balance_after_free - kick the worker if a free left too much
 * @pa: the allocator
 *
 * Context: any but NMI, no lock.
 */
static inline void pcpu_balance_after_free(struct pcpu_allocator *pa)
{
	/* A pass that is queued will see, bins included. */
	if (!delayed_work_pending(&pa->balance_work) || !READ_ONCE(pa->balance_drain))
		pcpu_balance_after_free_slow(pa);
}

/* ---- KASAN (percpu-kasan.c) ---------------------------------------------------- */

#ifdef PCPU_KASAN
void pcpu_kasan_enlarge(const struct pcpu_allocator *pa, struct pcpu_want *want,
			size_t size_bytes);
void pcpu_kasan_add_chunk(const struct pcpu_allocator *pa, const struct pcpu_chunk *chunk);
void pcpu_kasan_alloc(const struct pcpu_allocator *pa, const struct pcpu_area *area,
		      const struct pcpu_want *want);
size_t pcpu_kasan_free(const struct pcpu_allocator *pa, const struct pcpu_area *area);
size_t pcpu_kasan_freed_bytes(const struct pcpu_allocator *pa, const struct pcpu_area *area);
bool pcpu_kasan_swap(struct pcpu_allocator *pa, struct pcpu_area *area);
bool pcpu_kasan_drain(struct pcpu_allocator *pa);
bool pcpu_kasan_age(struct pcpu_allocator *pa);
unsigned int pcpu_kasan_held_bytes(const struct pcpu_allocator *pa);
unsigned int pcpu_kasan_nr_held(const struct pcpu_allocator *pa);
void pcpu_kasan_enable(struct pcpu_allocator *pa, unsigned long ram_pages);

/* Bytes of a copy that its owner may write. */
static inline unsigned int pcpu_want_exact_bytes(const struct pcpu_want *want)
{
	return want->exact_bytes;
}

/* What an object is accounted with, and what those who watch are told. */
static inline unsigned int pcpu_want_object_bytes(const struct pcpu_want *want)
{
	return ALIGN(want->exact_bytes, PCPU_MIN_ALLOC_SIZE);
}
#else
static inline void pcpu_kasan_enlarge(const struct pcpu_allocator *pa, struct pcpu_want *want,
				      size_t size_bytes)
{
}

static inline void pcpu_kasan_add_chunk(const struct pcpu_allocator *pa,
					const struct pcpu_chunk *chunk)
{
}

static inline void pcpu_kasan_alloc(const struct pcpu_allocator *pa,
				    const struct pcpu_area *area, const struct pcpu_want *want)
{
}

static inline size_t pcpu_kasan_free(const struct pcpu_allocator *pa,
				     const struct pcpu_area *area)
{
	return pcpu_slots_to_bytes(area->nr_slots);
}

static inline size_t pcpu_kasan_freed_bytes(const struct pcpu_allocator *pa,
					    const struct pcpu_area *area)
{
	return pcpu_slots_to_bytes(area->nr_slots);
}

static inline bool pcpu_kasan_swap(struct pcpu_allocator *pa, struct pcpu_area *area)
{
	return true;
}

static inline bool pcpu_kasan_drain(struct pcpu_allocator *pa)
{
	return false;
}

static inline bool pcpu_kasan_age(struct pcpu_allocator *pa)
{
	return false;
}

static inline unsigned int pcpu_kasan_held_bytes(const struct pcpu_allocator *pa)
{
	return 0;
}

static inline unsigned int pcpu_kasan_nr_held(const struct pcpu_allocator *pa)
{
	return 0;
}

static inline void pcpu_kasan_enable(struct pcpu_allocator *pa, unsigned long ram_pages)
{
}

static inline unsigned int pcpu_want_exact_bytes(const struct pcpu_want *want)
{
	return want->size_bytes;
}

static inline unsigned int pcpu_want_object_bytes(const struct pcpu_want *want)
{
	return want->size_bytes;
}
#endif

#ifdef CONFIG_KASAN_SW_TAGS
unsigned long pcpu_kasan_object_addr(const struct pcpu_allocator *pa,
				     const struct pcpu_area *area);
bool pcpu_kasan_may_free(const struct pcpu_allocator *pa, const struct pcpu_area *area,
			 void __percpu *ptr);
#else
static inline unsigned long pcpu_kasan_object_addr(const struct pcpu_allocator *pa,
						   const struct pcpu_area *area)
{
	return pcpu_area_addr(area);
}

static inline bool pcpu_kasan_may_free(const struct pcpu_allocator *pa,
				       const struct pcpu_area *area, void __percpu *ptr)
{
	return true;
}
#endif

/* ---- figures for debugfs (percpu-stats.c, percpu-sizes.c) -------------------- */

/**
 * enum pcpu_size_event - what is counted for each size
 * @PCPU_SIZE_HIT: a request was served from what is at hand; comes from the bins
 * @PCPU_SIZE_MISS: a request was served by the chunks
 * @PCPU_SIZE_REFILL: a bin was refilled
 * @PCPU_SIZE_REFILLED: an area was taken ahead of requests
 * @PCPU_SIZE_SPILL: a bin was full, and a part of it went to the depot or the chunks
 * @PCPU_SIZE_RETURNED: an area went from a bin back to the chunks, whatever the reason
 * @PCPU_NR_SIZE_EVENTS: kinds of them
 */
enum pcpu_size_event {
	PCPU_SIZE_HIT,
	PCPU_SIZE_MISS,
	PCPU_SIZE_REFILL,
	PCPU_SIZE_REFILLED,
	PCPU_SIZE_SPILL,
	PCPU_SIZE_RETURNED,
	PCPU_NR_SIZE_EVENTS,
};

#ifdef CONFIG_PERCPU_STATS
void pcpu_size_count(unsigned int nr_slots, enum pcpu_size_event event, unsigned long nr);
unsigned long pcpu_size_total(enum pcpu_size_event event);
#else
static inline void pcpu_size_count(unsigned int nr_slots, enum pcpu_size_event event,
				   unsigned long nr)
{
}
#endif

/* percpu-fault.c */
#ifdef CONFIG_FAIL_PERCPU
bool pcpu_should_fail(const struct pcpu_want *want);
#else
static inline bool pcpu_should_fail(const struct pcpu_want *want)
{
	return false;
}
#endif

/* percpu-validate.c */
#if defined(CONFIG_DEBUG_VM) || IS_ENABLED(CONFIG_KUNIT)
unsigned int pcpu_validate(struct pcpu_allocator *pa);
unsigned int pcpu_validate_chunks(struct pcpu_allocator *pa);
#else
static inline unsigned int pcpu_validate(struct pcpu_allocator *pa)
{
	return 0;
}

static inline unsigned int pcpu_validate_chunks(struct pcpu_allocator *pa)
{
	return 0;
}
#endif

/**
 * pcpu_chunk_addr - address of a CPU's copy of a byte of a chunk
 * @pa: the allocator
 * @chunk: the chunk
 * @cpu: the CPU
 * @offset_bytes: offset inside the unit
 *
 * Return: the address
 */
static inline unsigned long pcpu_chunk_addr(const struct pcpu_allocator *pa,
					    const struct pcpu_chunk *chunk,
					    unsigned int cpu, size_t offset_bytes)
{
	return chunk->base_addr + pa->geo.unit_offsets[cpu] + offset_bytes;
}

/**
 * pcpu_full_size_bytes - what an object of a size is charged
 * @size_bytes: its size in one unit
 *
 * All its copies, and the owner pointers beside its slots where memory cgroups
 * count kernel memory.
 *
 * Return: bytes
 */
static inline size_t pcpu_full_size_bytes(size_t size_bytes)
{
	size_t ext_bytes = 0;

#ifdef CONFIG_MEMCG
	if (!mem_cgroup_kmem_disabled())
		ext_bytes = (size_bytes >> PCPU_MIN_ALLOC_SHIFT) * sizeof(struct obj_cgroup *);
#endif
	return size_bytes * pcpu_main.geo.nr_cpus + ext_bytes;
}

#endif /* _MM_PERCPU_INTERNAL_H */
