// SPDX-License-Identifier: GPL-2.0
/*
 * test-area.c - the area map alone, against a map of bytes
 */
#include "test.h"

/* A map is a multiple of it. */
#define BLOCK_SLOTS	PCPU_ROW_SLOTS
#define MAX_SLOTS	(32 * BLOCK_SLOTS)

/* What each slot is, one byte each; areas are numbered by their first slot. */
enum { CLOSED = 'c', FREE = '.', USED = 'u' };

struct twin {
	struct pcpu_area_map map;
	void *storage;
	unsigned char slot[MAX_SLOTS];
	unsigned int length[MAX_SLOTS];		/* of the area that starts here, or 0 */
};

static void twin_init(struct twin *twin, unsigned int nr_slots)
{
	memset(twin, 0, sizeof(*twin));
	twin->storage = calloc(1, pcpu_area_storage_bytes(nr_slots));
	memset(twin->slot, CLOSED, nr_slots);
	pcpu_area_init(&twin->map, nr_slots, twin->storage);
}

static void twin_exit(struct twin *twin)
{
	free(twin->storage);
}

static void twin_fill(struct twin *twin, unsigned int slot, unsigned int nr, char what)
{
	memset(twin->slot + slot, what, nr);
}

static void twin_open(struct twin *twin, unsigned int slot, unsigned int nr)
{
	pcpu_area_open(&twin->map, slot, nr);
	twin_fill(twin, slot, nr, FREE);
}

static void twin_close(struct twin *twin, unsigned int slot, unsigned int nr)
{
	pcpu_area_close(&twin->map, slot, nr);
	twin_fill(twin, slot, nr, CLOSED);
}

static bool twin_is_free(const struct twin *twin, unsigned int slot, unsigned int nr)
{
	while (nr && slot + nr <= twin->map.nr_slots && twin->slot[slot + nr - 1] == FREE)
		nr--;
	return !nr;
}

/* A place that begins in a row: in the free run at its end, else the lowest. */
static unsigned int twin_find_in(const struct twin *twin, unsigned int row, unsigned int nr,
				 unsigned int align)
{
	unsigned int start = row * BLOCK_SLOTS, end = start + BLOCK_SLOTS, slot = end;

	while (slot > start && twin->slot[slot - 1] == FREE)
		slot--;
	slot = ALIGN(slot, align);
	if (twin->slot[end - 1] == FREE && twin_is_free(twin, slot, nr))
		return slot;
	for (slot = start; slot + nr <= end; slot += align) {
		if (twin_is_free(twin, slot, nr))
			return slot;
	}
	return PCPU_NONE;
}

/* A place in the lowest row that has one. */
static unsigned int twin_find(const struct twin *twin, unsigned int nr, unsigned int align)
{
	unsigned int row, slot;

	for (row = 0; row < twin->map.nr_slots / BLOCK_SLOTS; row++) {
		slot = twin_find_in(twin, row, nr, align);
		if (slot != PCPU_NONE)
			return slot;
	}
	return PCPU_NONE;
}

/* What is free in a row, with the length of the longest run but the last as the bound. */
static struct pcpu_room twin_room(const struct twin *twin, unsigned int row)
{
	struct pcpu_room room = {};
	unsigned int i, run = 0;

	for (i = 0; i < BLOCK_SLOTS; i++) {
		bool is_free = twin->slot[row * BLOCK_SLOTS + i] == FREE;

		if (!is_free)
			room.bound_slots = max(room.bound_slots, run);
		run = is_free ? run + 1 : 0;
		if (is_free && i % PCPU_GRAIN_SLOTS == PCPU_GRAIN_SLOTS - 1 &&
		    run >= PCPU_GRAIN_SLOTS)
			room.grains |= BIT(i / PCPU_GRAIN_SLOTS);
		room.free_slots += is_free;
		if (run == i + 1)
			room.head_slots = run;
	}
	room.tail_slots = run;
	return room;
}

static unsigned int twin_free_before(const struct twin *twin, unsigned int slot, unsigned int most)
{
	unsigned int n = 0;

	while (n < most && n < slot && twin->slot[slot - n - 1] == FREE)
		n++;
	return n;
}

static unsigned int twin_free_after(const struct twin *twin, unsigned int slot, unsigned int most)
{
	unsigned int n = 0;

	while (n < most && slot + n < twin->map.nr_slots && twin->slot[slot + n] == FREE)
		n++;
	return n;
}

/*
 * A place in the lowest row that has one, and a row that is searched in vain says so
 * from then on: nobody looks into it twice for the same.
 */
static void twin_expect_find(struct twin *twin, unsigned int nr, unsigned int align)
{
	unsigned int row;

	EXPECT_EQ(pcpu_area_find(&twin->map, nr, align), twin_find(twin, nr, align));
	for (row = 0; row < twin->map.nr_slots / BLOCK_SLOTS; row++) {
		if (pcpu_area_find_in(&twin->map, row, nr, align) != PCPU_NONE)
			continue;
		EXPECT(nr > BLOCK_SLOTS || pcpu_area_reach(&twin->map, row) < nr + align - 1);
	}
}

/* Take where both agree that it fits.  Returns the slot or PCPU_NONE. */
static unsigned int twin_alloc(struct twin *twin, unsigned int nr, unsigned int align)
{
	unsigned int slot = pcpu_area_find(&twin->map, nr, align);

	EXPECT_EQ(slot, twin_find(twin, nr, align));
	if (slot == PCPU_NONE)
		return slot;
	pcpu_area_take(&twin->map, slot, nr, nr);
	EXPECT_EQ(pcpu_area_claim(&twin->map, slot), 0);
	pcpu_area_enliven(&twin->map, slot);
	twin_fill(twin, slot, nr, USED);
	twin->length[slot] = nr;
	return slot;
}

static void twin_free(struct twin *twin, unsigned int slot)
{
	unsigned int nr = twin->length[slot];

	EXPECT_EQ(pcpu_area_length(&twin->map, slot), nr);
	EXPECT_EQ(pcpu_area_claim(&twin->map, slot), nr);
	EXPECT_EQ(pcpu_area_claim(&twin->map, slot), 0);
	pcpu_area_unmark(&twin->map, slot, nr);
	pcpu_area_open(&twin->map, slot, nr);
	twin->length[slot] = 0;
	twin_fill(twin, slot, nr, FREE);
}

/* The bits are those of the bytes, and so is what is known of each row. */
static void twin_compare(const struct twin *twin)
{
	const struct pcpu_area_map *map = &twin->map;
	unsigned int i;

	for (i = 0; i < map->nr_slots; i++) {
		EXPECT_EQ(test_bit(i, map->busy), twin->slot[i] != FREE);
		EXPECT_EQ(pcpu_area_is_live(map, i), !!twin->length[i]);
		if (twin->length[i])
			EXPECT_EQ(pcpu_area_length(map, i), twin->length[i]);
	}
	for (i = 0; i < map->nr_slots / BLOCK_SLOTS; i++) {
		struct pcpu_room want = twin_room(twin, i);

		EXPECT_EQ(map->room[i].grains, want.grains);
		EXPECT_EQ(map->room[i].head_slots, want.head_slots);
		EXPECT_EQ(map->room[i].tail_slots, want.tail_slots);
		EXPECT_EQ(map->room[i].free_slots, want.free_slots);
		EXPECT(map->room[i].bound_slots >= want.bound_slots);
		EXPECT(map->room[i].bound_slots <= want.free_slots);
	}
}

static struct twin twin;

/*
 * All ways to lay out eight pieces of a two-block map, each free or busy, with
 * borders near those of words and blocks; then each size and alignment.
 */
TEST(area_find_exhaustive)
{
	static const unsigned int borders[] = {
		0, 1, 63, 65, 512, BLOCK_SLOTS - 3, BLOCK_SLOTS,
		BLOCK_SLOTS + 64, 2 * BLOCK_SLOTS - 1, 2 * BLOCK_SLOTS,
	};
	static const unsigned int sizes[] = {
		1, 2, 3, 4, 16, 62, 64, 65, 66, 67, 128, 447, 448, 511, 513, 1021, 1024,
		1025, 1088, 2046, 2047, 2048,
	};
	unsigned int layout, i, j, align, nr_pieces = ARRAY_SIZE(borders) - 1;

	for (layout = 0; layout < 1U << nr_pieces; layout++) {
		twin_init(&twin, 2 * BLOCK_SLOTS);
		for (i = 0; i < nr_pieces; i++)
			if (layout & 1U << i)
				twin_open(&twin, borders[i], borders[i + 1] - borders[i]);
		twin_compare(&twin);
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			for (align = 1; align <= PCPU_ROW_SLOTS; align *= 4)
				twin_expect_find(&twin, sizes[j], align);
		twin_exit(&twin);
	}
}

/* Every order in which six areas that fill a map can be taken and given back. */
TEST(area_orders)
{
	static const unsigned int sizes[6] = {
		1, BLOCK_SLOTS - 1, 5, BLOCK_SLOTS, 700,
		BLOCK_SLOTS - 705,
	};
	unsigned int order, code, at[6], i, j, pick[6];

	for (order = 0; order < 720; order++) {
		unsigned int left[6] = { 0, 1, 2, 3, 4, 5 };

		for (i = 0, code = order; i < 6; i++) {
			j = code % (6 - i);
			code /= 6 - i;
			pick[i] = left[j];
			memmove(left + j, left + j + 1, (5 - j) * sizeof(*left));
		}
		twin_init(&twin, 3 * BLOCK_SLOTS);
		twin_open(&twin, 0, 3 * BLOCK_SLOTS);
		for (i = 0; i < 6; i++) {
			at[pick[i]] = twin_alloc(&twin, sizes[pick[i]], 1);
			EXPECT(at[pick[i]] != PCPU_NONE);
		}
		EXPECT_EQ(pcpu_area_find(&twin.map, 1, 1), PCPU_NONE);
		for (i = 0; i < 6; i++)
			twin_free(&twin, at[pick[5 - i]]);
		EXPECT_EQ(pcpu_area_find(&twin.map, 3 * BLOCK_SLOTS, 1), 0);
		twin_compare(&twin);
		twin_exit(&twin);
	}
}

static unsigned int random_size(unsigned int most)
{
	unsigned int bits = sim_below(fls(most)) + 1;

	return min(sim_below(1U << bits) + 1, most);
}

static unsigned int random_align(void)
{
	return 1U << sim_below(fls(PCPU_ROW_SLOTS));
}

static void run_random(unsigned int nr_blocks, unsigned int rounds, unsigned int compare_every)
{
	unsigned int nr_slots = nr_blocks * BLOCK_SLOTS, round, nr, slot, n;
	static unsigned int live[MAX_SLOTS];
	unsigned int nr_live = 0, pressure = 50;

	twin_init(&twin, nr_slots);
	/* Rows at random are closed for good, to make odd shapes. */
	for (slot = 0; slot < nr_slots; slot += BLOCK_SLOTS)
		if (nr_blocks == 1 || sim_below(8))
			twin_open(&twin, slot, BLOCK_SLOTS);
	for (round = 0; round < rounds; round++) {
		if (!(round % 512))
			pressure = 20 + sim_below(70);
		if (sim_below(100) < pressure || !nr_live) {
			slot = twin_alloc(&twin, random_size(nr_slots), random_align());
			if (slot != PCPU_NONE)
				live[nr_live++] = slot;
		} else {
			nr = sim_below(nr_live);
			twin_free(&twin, live[nr]);
			live[nr] = live[--nr_live];
		}
		slot = sim_below(nr_blocks + 1) * BLOCK_SLOTS;
		n = sim_below(nr_slots) + 1;
		EXPECT_EQ(pcpu_area_free_before(&twin.map, slot, n),
			  twin_free_before(&twin, slot, n));
		EXPECT_EQ(pcpu_area_free_after(&twin.map, slot, n),
			  twin_free_after(&twin, slot, n));
		if (!(round % compare_every))
			twin_compare(&twin);
	}
	while (nr_live)
		twin_free(&twin, live[--nr_live]);
	twin_compare(&twin);
	EXPECT_EQ(pcpu_area_next(&twin.map, 0), nr_slots);
	twin_exit(&twin);
}

TEST(area_random_1_block)
{
	run_random(1, test_scaled(60000), 7);
}

TEST(area_random_3_blocks)
{
	run_random(3, test_scaled(30000), 7);
}

TEST(area_random_32_blocks)
{
	run_random(32, test_scaled(6000), 31);
}

/* Rows come and go under areas: only whole, free blocks are closed. */
TEST(area_open_close)
{
	unsigned int nr_blocks = 7, round, block, slot, first, nr;

	twin_init(&twin, nr_blocks * BLOCK_SLOTS);
	for (round = 0; round < test_scaled(20000); round++) {
		block = sim_below(nr_blocks);
		slot = block * BLOCK_SLOTS;
		switch (twin.slot[slot]) {
		case CLOSED:
			/* An area claimed in a closed row, opened around when published. */
			first = sim_below(BLOCK_SLOTS);
			nr = sim_below(2) ? random_size(BLOCK_SLOTS - first) : 0;
			if (nr) {
				pcpu_area_take(&twin.map, slot + first, nr, nr);
				pcpu_area_enliven(&twin.map, slot + first);
				twin.length[slot + first] = nr;
				twin_fill(&twin, slot + first, nr, USED);
			}
			twin_open(&twin, slot, first);
			if (first + nr < BLOCK_SLOTS)
				twin_open(&twin, slot + first + nr,
					  BLOCK_SLOTS - first - nr);
			break;
		default:
			for (first = slot; first < slot + BLOCK_SLOTS; first++)
				if (twin.length[first])
					twin_free(&twin, first);
			if (memchr(twin.slot + slot, USED, BLOCK_SLOTS))
				break;
			twin_close(&twin, slot, BLOCK_SLOTS);
		}
		twin_compare(&twin);
		if (sim_below(4))
			continue;
		nr = random_size(BLOCK_SLOTS * 2);
		first = random_align();
		twin_expect_find(&twin, nr, first);
	}
	twin_exit(&twin);
}

/*
 * Two runs, and most of each is taken.  No search is needed to see that the two that are
 * left are not one.
 */
TEST(area_large_take_lowers_bound)
{
	const unsigned int run = BLOCK_SLOTS / 4, large = run / 4 * 3;

	twin_init(&twin, BLOCK_SLOTS);
	twin_open(&twin, 0, run);
	twin_open(&twin, 2 * run, run);
	EXPECT_EQ(twin.map.room[0].bound_slots, run);
	pcpu_area_take(&twin.map, 0, large, large);
	pcpu_area_take(&twin.map, 2 * run, large, large);
	EXPECT(twin.map.room[0].bound_slots >= run - large);
	EXPECT(twin.map.room[0].bound_slots < run - large + 2 * PCPU_GRAIN_SLOTS);
	twin_exit(&twin);
}

/* A claim at each slot of a map: only live starts give a length. */
TEST(area_claim_each_slot)
{
	unsigned int slot, round, nr_slots = 4 * BLOCK_SLOTS;

	for (round = 0; round < test_scaled(50); round++) {
		twin_init(&twin, nr_slots);
		twin_open(&twin, 0, nr_slots);
		while (twin_alloc(&twin, random_size(300), 1U << sim_below(5)) != PCPU_NONE)
			;
		for (slot = 0; slot < nr_slots; slot++)
			EXPECT_EQ(pcpu_area_claim(&twin.map, slot), twin.length[slot]);
		for (slot = 0; slot < nr_slots; slot++)
			EXPECT_EQ(pcpu_area_claim(&twin.map, slot), 0);
		twin_exit(&twin);
	}
}
