// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-validate.c - every invariant of the percpu allocator, checked
 *
 * For tests, and for the worker with CONFIG_DEBUG_VM, every ten seconds at most.  Reads
 * all and changes nothing.  The first few broken invariants are printed.
 */
#define pr_fmt(fmt) "percpu: invariant broken: " fmt

#include "percpu-internal.h"

struct pcpu_check {
	struct pcpu_allocator *pa;
	unsigned int nr_broken;
	/* summed over the chunks, to compare with the allocator's counters */
	unsigned int nr_rows_in[PCPU_NR_ROW_STATES];
	unsigned int nr_empty_rows;
	unsigned int nr_line_rows;
	unsigned int nr_spare_chunks;
	unsigned int nr_chunks;
	unsigned int nr_listed_rows;
	u64 nr_areas;
};

#define pcpu_expect(check, chunk, cond, fmt, ...)				\
do {										\
	struct pcpu_chunk *__chunk = (chunk);					\
										\
	if (!(cond) && (check)->nr_broken++ < 10)				\
		pr_err("chunk %#lx: %s" fmt "\n",				\
		       __chunk ? __chunk->base_addr : 0UL, #cond, ##__VA_ARGS__); \
} while (0)

/* What is said of a row's free slots is what the bits say; the bound is one. */
static void pcpu_check_room(struct pcpu_check *check, struct pcpu_chunk *chunk,
			    unsigned int index)
{
	unsigned int start = index * PCPU_ROW_SLOTS, end = start + PCPU_ROW_SLOTS, slot, to;
	const struct pcpu_room *room = &chunk->map.room[index];
	struct pcpu_room seen = {};

	for (slot = start; slot < end; slot = to) {
		slot = find_next_zero_bit(chunk->map.busy, end, slot);
		to = find_next_bit(chunk->map.busy, end, slot);
		if (slot == start)
			seen.head_slots = to - slot;
		seen.tail_slots = to == end ? to - slot : 0;
		seen.free_slots += to - slot;
		if (to < end)
			seen.bound_slots = max(seen.bound_slots, to - slot);
		seen.grains |= pcpu_grain_mask(DIV_ROUND_UP(slot - start, PCPU_GRAIN_SLOTS),
					       (to - start) / PCPU_GRAIN_SLOTS);
	}
	pcpu_expect(check, chunk, room->grains == seen.grains, " (row %u: %lx, %lx)",
		    index, room->grains, seen.grains);
	pcpu_expect(check, chunk, room->head_slots == seen.head_slots, " (row %u: %u, %u)",
		    index, room->head_slots, seen.head_slots);
	pcpu_expect(check, chunk, room->tail_slots == seen.tail_slots, " (row %u: %u, %u)",
		    index, room->tail_slots, seen.tail_slots);
	pcpu_expect(check, chunk, room->free_slots == seen.free_slots, " (row %u: %u, %u)",
		    index, room->free_slots, seen.free_slots);
	pcpu_expect(check, chunk, room->bound_slots >= seen.bound_slots, " (row %u: %u, %u)",
		    index, room->bound_slots, seen.bound_slots);
}

/* Nothing is said of slots that lie inside an area, but where a long one's length is. */
static bool pcpu_inside_is_blank(const struct pcpu_area_map *map, unsigned int slot,
				 unsigned int nr)
{
	unsigned int skip = nr < PCPU_AREA_LONG ? 1 : 1 + PCPU_LONG_BYTES;

	return !memchr_inv(map->lengths + slot + skip, 0, nr - skip);
}

/* Areas lie one after the other, live or not, and are busy all through. */
static void pcpu_check_areas(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	struct pcpu_area_map *map = &chunk->map;
	unsigned int slot, nr, nr_areas = 0;

	for (slot = pcpu_area_next(map, 0); slot < map->nr_slots;
	     slot = pcpu_area_next(map, slot + nr)) {
		nr = pcpu_area_length(map, slot);
		pcpu_expect(check, chunk, nr && nr <= map->nr_slots - slot,
			    " (slot %u, %u slots)", slot, nr);
		if (!nr || nr > map->nr_slots - slot)
			return;
		nr_areas++;
		pcpu_expect(check, chunk,
			    find_next_zero_bit(map->busy, map->nr_slots, slot) >= slot + nr,
			    " (slot %u, %u slots)", slot, nr);
		pcpu_expect(check, chunk, pcpu_inside_is_blank(map, slot, nr),
			    " (slot %u, %u slots)", slot, nr);
	}
	pcpu_expect(check, chunk, nr_areas == chunk->nr_areas, " (%u, %u)", nr_areas,
		    chunk->nr_areas);
	check->nr_areas += chunk->nr_areas;
}

/* A free that is pending is that of a whole area which is not live. */
static void pcpu_check_pending(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	struct pcpu_area_map *map = &chunk->map;
	unsigned int slot, nr;

	for (slot = 0;; slot++) {
		/* Racy: more can be marked meanwhile, and none becomes live again. */
		slot = data_race(find_next_bit(chunk->pending, map->nr_slots, slot));
		if (slot >= map->nr_slots)
			break;
		nr = pcpu_area_length(map, slot);
		pcpu_expect(check, chunk, nr && !pcpu_area_is_live(map, slot),
			    " (slot %u, %u slots)", slot, nr);
	}
}

static void pcpu_check_row(struct pcpu_check *check, struct pcpu_chunk *chunk,
			   unsigned int index)
{
	unsigned int start = index * PCPU_ROW_SLOTS, end = start + PCPU_ROW_SLOTS;
	const struct pcpu_row *row = &chunk->rows[index];
	unsigned int busy = bitmap_weight_from(chunk->map.busy, start, end);

	pcpu_check_room(check, chunk, index);
	pcpu_expect(check, chunk, row->index == index, " (row %u)", index);
	pcpu_expect(check, chunk,
		    row->state != PCPU_ROW_ABSENT || index >= chunk->low_absent_row,
		    " (row %u)", index);
	switch (row->state) {
	case PCPU_ROW_PRESENT:
		break;
	case PCPU_ROW_COMING:
	case PCPU_ROW_ABSENT:
	case PCPU_ROW_GOING:
		pcpu_expect(check, chunk, busy == PCPU_ROW_SLOTS, " (row %u)", index);
		break;
	default:
		pcpu_expect(check, chunk, row->state < PCPU_NR_ROW_STATES, " (row %u)", index);
	}
	pcpu_expect(check, chunk, !chunk->rows_fixed || row->state == PCPU_ROW_PRESENT,
		    " (row %u)", index);
}

static void pcpu_check_rows(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	unsigned int nr_rows_in[PCPU_NR_ROW_STATES] = {};
	unsigned int index, state, nr_empty = 0;

	for (index = 0; index < chunk->nr_rows; index++) {
		const struct pcpu_row *row = &chunk->rows[index];

		pcpu_check_row(check, chunk, index);
		if (row->state < PCPU_NR_ROW_STATES)
			nr_rows_in[row->state]++;
		nr_empty += chunk->map.room[index].free_slots == PCPU_ROW_SLOTS;
		check->nr_line_rows += row->for_lines;
		pcpu_expect(check, chunk, !row->for_lines || row->fit_class != PCPU_FIT_EMPTY,
			    " (row %u)", index);
	}
	for (state = 0; state < PCPU_NR_ROW_STATES; state++) {
		pcpu_expect(check, chunk, nr_rows_in[state] == chunk->nr_rows_in[state],
			    " (state %u)", state);
		if (!chunk->boot)
			check->nr_rows_in[state] += nr_rows_in[state];
	}
	pcpu_expect(check, chunk, nr_empty == chunk->nr_empty_rows, " (%u, %u)",
		    nr_empty, chunk->nr_empty_rows);
	pcpu_expect(check, chunk, !memchr_inv(&chunk->map.room[index], 0,
					      sizeof(struct pcpu_room)), "");
	if (chunk != check->pa->reserved)
		check->nr_empty_rows += nr_empty;
}

static bool pcpu_list_has(const struct list_head *head, const struct list_head *item)
{
	const struct list_head *pos;

	list_for_each(pos, head)
		if (pos == item)
			return true;
	return false;
}

static void pcpu_check_fit(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	unsigned int index;

	for (index = 0; index < chunk->nr_rows; index++) {
		unsigned int class = chunk->rows[index].fit_class;
		unsigned int expected = pcpu_row_fit_class(&chunk->map, index);

		/* Searches in the reserved chunk make bounds better, and list nothing. */
		if (chunk == check->pa->reserved && class && expected)
			continue;
		pcpu_expect(check, chunk, class == expected, " (row %u: %u, %u)", index, class,
			    expected);
		check->nr_listed_rows += class && chunk != check->pa->reserved;
	}
}

static void pcpu_check_lists(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	struct pcpu_allocator *pa = check->pa;

	pcpu_check_fit(check, chunk);
	if (chunk == pa->reserved)
		return;
	if (chunk->boot) {
		pcpu_expect(check, chunk, !chunk->grow_list, "");
		return;
	}
	check->nr_chunks++;
	check->nr_spare_chunks += chunk->grow_list == &pa->spare;
	pcpu_expect(check, chunk,
		    !chunk->grow_list || pcpu_list_has(chunk->grow_list, &chunk->grow_link), "");
	if (!chunk->rows_fixed)
		pcpu_expect(check, chunk, !chunk->nr_rows_in[PCPU_ROW_ABSENT] ==
			    !chunk->grow_list, "");
	pcpu_expect(check, chunk, !hlist_unhashed(&chunk->index[0].node), "");
}

static void pcpu_check_chunk(struct pcpu_check *check, struct pcpu_chunk *chunk)
{
	pcpu_check_areas(check, chunk);
	pcpu_check_pending(check, chunk);
	pcpu_check_rows(check, chunk);
	pcpu_check_lists(check, chunk);
}

static void pcpu_check_sums(struct pcpu_check *check)
{
	struct pcpu_allocator *pa = check->pa;
	unsigned int state;

	for (state = 0; state < PCPU_NR_ROW_STATES; state++)
		pcpu_expect(check, NULL, check->nr_rows_in[state] == pa->nr_rows_in[state],
			    " (state %u: %u, %u)", state, check->nr_rows_in[state],
			    pa->nr_rows_in[state]);
	pcpu_expect(check, NULL, check->nr_empty_rows == pa->nr_empty_rows, " (%u, %u)",
		    check->nr_empty_rows, pa->nr_empty_rows);
	pcpu_expect(check, NULL, check->nr_line_rows == pa->nr_line_rows, " (%u, %u)",
		    check->nr_line_rows, pa->nr_line_rows);
	pcpu_expect(check, NULL, check->nr_chunks == pa->nr_chunks, "");
	pcpu_expect(check, NULL, check->nr_spare_chunks == pa->nr_spare_chunks, " (%u, %u)",
		    check->nr_spare_chunks, pa->nr_spare_chunks);
	pcpu_expect(check, NULL,
		    check->nr_areas == pa->counts.nr_alloc - pa->counts.nr_dealloc, "");
}

/* As many rows are on the lists as should be, each on that of its class. */
static void pcpu_check_fit_lists(struct pcpu_check *check)
{
	struct pcpu_allocator *pa = check->pa;
	unsigned int class, nr_rows = 0;
	struct pcpu_row *row;

	for (class = 0; class < PCPU_NR_FIT_CLASSES; class++) {
		pcpu_expect(check, NULL,
			    test_bit(class, pa->fit_mask) == !list_empty(&pa->fit[class]),
			    " (class %u)", class);
		list_for_each_entry(row, &pa->fit[class], fit_link) {
			nr_rows++;
			pcpu_expect(check, pcpu_row_chunk(row), row->fit_class == class,
				    " (row %u, class %u)", row->index, class);
		}
	}
	pcpu_expect(check, NULL, nr_rows == check->nr_listed_rows, " (%u, %u)", nr_rows,
		    check->nr_listed_rows);
}

static unsigned int pcpu_check_result(const struct pcpu_check *check)
{
	WARN_ONCE(check->nr_broken, "percpu: %u invariants broken\n", check->nr_broken);
	return check->nr_broken;
}

/**
 * pcpu_validate_chunks - check the invariants of each chunk for itself
 * @pa: the allocator
 *
 * Context: may sleep; takes the lock for one chunk at a time.
 * Return: the number of broken invariants
 */
unsigned int pcpu_validate_chunks(struct pcpu_allocator *pa)
{
	struct pcpu_check check = { .pa = pa };
	struct pcpu_chunk *chunk;
	struct pcpu_walk walk;

	pcpu_walk_begin(pa, &walk);
	do {
		spin_lock_irq(&pa->lock);
		chunk = pcpu_walk_next(pa, &walk);
		if (chunk)
			pcpu_check_chunk(&check, chunk);
		spin_unlock_irq(&pa->lock);
		cond_resched();
	} while (chunk);
	pcpu_walk_end(pa, &walk);
	return pcpu_check_result(&check);
}

/**
 * pcpu_validate - check all invariants of an allocator
 * @pa: the allocator
 *
 * Context: any that may take the lock; holds it for long.
 * Return: the number of broken invariants
 */
unsigned int pcpu_validate(struct pcpu_allocator *pa)
{
	struct pcpu_check check = { .pa = pa };
	struct pcpu_chunk *chunk;
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	if (pa->first)
		pcpu_check_chunk(&check, pa->first);
	if (pa->reserved)
		pcpu_check_chunk(&check, pa->reserved);
	list_for_each_entry(chunk, &pa->chunks, link)
		pcpu_check_chunk(&check, chunk);
	pcpu_check_sums(&check);
	pcpu_check_fit_lists(&check);
	spin_unlock_irqrestore(&pa->lock, flags);
	return pcpu_check_result(&check);
}
EXPORT_SYMBOL_IF_KUNIT(pcpu_validate);
