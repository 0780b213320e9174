// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-chunk.c - chunks: choice, rows, commit of pages, lookup by address
 *
 * How a request finds its slots:
 *
 *   1. Present room: a place in the row whose longest free run is the shortest
 *      that does.  No more is needed for nearly all requests.
 *   2. Else populate.  Take the pages for the missing rows with the caller's
 *      mask and no lock; under the lock claim a place, whose rows become
 *      COMING; map them without the lock, in a step that cannot fail; publish.
 *   3. Else, where it may block, build a chunk without the lock and publish
 *      that: it becomes a spare if another task was quicker.
 *
 * All that can fail or sleep comes before the claim, so there is nothing to
 * undo after it.  ("Resources first, then no failure", as lib/stackdepot.c.)
 *
 * Calls the area map and the backend.  Knows no gfp policy: requests come with
 * the mask that backing allocations get.  Locks: see percpu-internal.h.
 *
 * Its models: rows.pml and chunks.pml in tools/testing/percpu/model/
 */
#include "percpu-internal.h"

/* Tasks that may prepare pages or chunks at once before others wait a moment. */
#define PCPU_PREPARE_CAP	4
#define PCPU_MAX_PAUSES		3
/* A request that cannot sleep takes no more pages, and tries no more often. */
#define PCPU_NONBLOCK_PAGES	4096
#define PCPU_NONBLOCK_TRIES	8
/*
 * Rows that are tried in vain where some are too badly aligned; and then in each class
 * in which all fit if their bound is right: many may be wrong.  More save few pages.
 */
#define PCPU_DOUBTFUL_MISSES	1
#define PCPU_SURE_MISSES	64
/* Before a request fails, where hardly any fit.  Interrupts are disabled meanwhile. */
#define PCPU_LAST_MISSES	64
/* Chunks with ABSENT rows that are looked at before a spare one is begun. */
#define PCPU_MAX_CHUNKS		2
/*
 * Rows that may have whole lines of moved or tiny areas, as one may keep a row: so many, and
 * this share of those present; and others are begun for it only while there are fewer.
 */
#define PCPU_LINE_ROWS		8
#define PCPU_LINE_ROWS_SHARE	16
#define PCPU_NEW_LINE_ROWS	2
#define PCPU_NEW_LINE_SHARE	64
/* Rows that one TLB flush covers at most. */
#define PCPU_GIVE_BACK_BATCH	64
/* Chunks or rows that are looked at for them under one hold of the lock, but for one chunk. */
#define PCPU_PICK_LOOKS		64U

static bool pcpu_need_ext(void)
{
	if (!PCPU_HAS_EXT)
		return false;
	return IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING) || !mem_cgroup_kmem_disabled();
}

/* ---- counters and lists, under the lock ---------------------------------- */

static struct list_head *pcpu_grow_list(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	if (chunk->boot)
		return NULL;
	if (chunk->rows_fixed)
		return chunk->nr_empty_rows == chunk->nr_rows ? &pa->spare : NULL;
	if (chunk->nr_rows_in[PCPU_ROW_ABSENT] == chunk->nr_rows)
		return &pa->spare;
	return chunk->nr_rows_in[PCPU_ROW_ABSENT] ? &pa->partial : NULL;
}

static void pcpu_relist_grow(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	struct list_head *list = pcpu_grow_list(pa, chunk);

	if (list == chunk->grow_list)
		return;
	if (chunk->grow_list) {
		list_del(&chunk->grow_link);
		pa->nr_spare_chunks -= chunk->grow_list == &pa->spare;
	}
	if (list) {
		list_add_tail(&chunk->grow_link, list);
		pa->nr_spare_chunks += list == &pa->spare;
	}
	chunk->grow_list = list;
}

/* The only place where the state of a row changes. */
static void pcpu_row_update(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			    unsigned int index, enum pcpu_row_state state)
{
	struct pcpu_row *row = &chunk->rows[index];

	lockdep_assert_held(&pa->lock);

	chunk->nr_rows_in[row->state]--;
	chunk->nr_rows_in[state]++;
	if (!chunk->boot) {
		pa->nr_rows_in[row->state]--;
		pa->nr_rows_in[state]++;
	}
	row->state = state;
	pa->row_seq++;
	if (state == PCPU_ROW_ABSENT)
		chunk->low_absent_row = min(chunk->low_absent_row, index);
	pcpu_relist_grow(pa, chunk);
	/* It has more room than before: who looks from the end shall find it. */
	if (state == PCPU_ROW_ABSENT && chunk->grow_list == &pa->partial)
		list_move_tail(&chunk->grow_link, &pa->partial);
}

/* A row without an area is free throughout; only PRESENT rows are. */
static void pcpu_count_empty_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk, int nr)
{
	chunk->nr_empty_rows += nr;
	if (chunk != pa->reserved)
		pa->nr_empty_rows += nr;
	if (chunk->rows_fixed)
		pcpu_relist_grow(pa, chunk);
}

/* Put a row onto the list of another class than it was on. */
static __always_inline void pcpu_move_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
					  struct pcpu_row *row, unsigned int class)
{
	unsigned int old = row->fit_class;

	row->fit_class = class;
	if (likely(chunk != pa->reserved)) {
		if (old) {
			/* Both are the head if it is the last one. */
			if (row->fit_link.next == row->fit_link.prev)
				__clear_bit(old, pa->fit_mask);
			__list_del_entry(&row->fit_link);
		}
		/* What was touched last is used first, but rows that came empty in order. */
		if (class == PCPU_FIT_EMPTY && !old)
			list_add_tail(&row->fit_link, &pa->fit[class]);
		else if (class)
			list_add(&row->fit_link, &pa->fit[class]);
		if (class)
			__set_bit(class, pa->fit_mask);
	}
	if (old == PCPU_FIT_EMPTY) {
		pcpu_count_empty_row(pa, chunk, -1);
	} else if (class == PCPU_FIT_EMPTY) {
		pcpu_count_empty_row(pa, chunk, 1);
		pa->nr_line_rows -= row->for_lines;
		row->for_lines = false;
	}
}

static __always_inline void pcpu_relist_row(struct pcpu_allocator *pa,
					    struct pcpu_chunk *chunk, unsigned int index)
{
	struct pcpu_row *row = &chunk->rows[index];
	unsigned int class = pcpu_row_fit_class(&chunk->map, index);

	if (class != row->fit_class)
		pcpu_move_row(pa, chunk, row, class);
}

/* The first row that changes with a slot. */
static __always_inline unsigned int pcpu_relist_first(const struct pcpu_chunk *chunk,
						      unsigned int slot)
{
	unsigned int index = slot / PCPU_ROW_SLOTS;

	/* Runs that begin in the row before reach into this one's first. */
	if (slot % PCPU_ROW_SLOTS <= chunk->map.room[index].head_slots && index &&
	    chunk->map.room[index - 1].tail_slots)
		index--;
	return index;
}

/* After any change of the area map in [slot, slot + nr); most change the class of a row. */
static __always_inline void pcpu_relist_inline(struct pcpu_allocator *pa,
					       struct pcpu_chunk *chunk,
					       unsigned int slot, unsigned int nr)
{
	unsigned int index = pcpu_relist_first(chunk, slot);
	unsigned int last = (slot + nr - 1) / PCPU_ROW_SLOTS;

	lockdep_assert_held(&pa->lock);

	do {
		pcpu_relist_row(pa, chunk, index);
	} while (index++ < last);
}

/* The same for those who seldom do it. */
static noinline void pcpu_relist_slots(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
				       unsigned int slot, unsigned int nr)
{
	pcpu_relist_inline(pa, chunk, slot, nr);
}

static void pcpu_relist_chunk(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	pcpu_relist_slots(pa, chunk, 0, chunk->map.nr_slots);
}

/* For debugfs. */
static void pcpu_count_extremes(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
				const struct pcpu_request *req)
{
	struct pcpu_counts *counts = &pa->counts;
	size_t bytes = pcpu_want_object_bytes(&req->want);

	/* Nobody's. */
	if (!req->want.size_bytes)
		return;
	chunk->max_area_slots = max(chunk->max_area_slots, req->nr_slots);
	counts->nr_max_alloc = max(counts->nr_max_alloc, pa->peak_areas);
	counts->min_alloc_bytes = min(counts->min_alloc_bytes, bytes);
	counts->max_alloc_bytes = max(counts->max_alloc_bytes, bytes);
}

static void pcpu_count_alloc(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			     const struct pcpu_request *req, unsigned int nr)
{
	struct pcpu_counts *counts = &pa->counts;

	chunk->nr_areas += nr;
	counts->nr_alloc += nr;
	pa->peak_areas = max(pa->peak_areas, counts->nr_alloc - counts->nr_dealloc);
	if (IS_ENABLED(CONFIG_PERCPU_STATS))
		pcpu_count_extremes(pa, chunk, req);
}

/* Make the area of a request, or the run of areas, at the place that was found for it. */
static __always_inline void pcpu_commit(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_chunk *chunk = req->area.chunk;
	unsigned int nr_empty_before = pa->nr_empty_rows, slot = req->area.slot, nr;

	nr = pcpu_area_take(&chunk->map, slot, req->run_slots, req->nr_slots);
	pcpu_relist_inline(pa, chunk, slot, req->run_slots);
	pcpu_count_alloc(pa, chunk, req, nr);
	if (!req->may_block)
		pa->nonblock_rows += nr_empty_before - pa->nr_empty_rows;
}

static noinline void pcpu_area_commit(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	pcpu_commit(pa, req);
}

/* ---- step 1: present room -------------------------------------------------- */

/*
 * Where to look for what spans rows.  A run is tried where it begins: in the tail
 * before its first empty row, or there.  From rows further up there is less of it.
 */
static unsigned int pcpu_run_begin(const struct pcpu_area_map *map, unsigned int index)
{
	if (!index || map->room[index].free_slots < PCPU_ROW_SLOTS ||
	    !map->room[index - 1].tail_slots)
		return index;
	return map->room[index - 1].free_slots < PCPU_ROW_SLOTS ? index - 1 : PCPU_NONE;
}

/* Find a place that begins in a row. */
static __always_inline bool pcpu_find_in_row(struct pcpu_request *req, struct pcpu_row *row)
{
	struct pcpu_chunk *chunk = pcpu_row_chunk(row);
	unsigned int index = row->index, slot;

	if (req->run_slots > PCPU_ROW_SLOTS) {
		index = pcpu_run_begin(&chunk->map, index);
		if (index == PCPU_NONE)
			return false;
	}
	slot = pcpu_area_find_in(&chunk->map, index, req->run_slots, req->align_slots);
	if (slot == PCPU_NONE)
		return false;
	req->area = (struct pcpu_area){ chunk, slot, req->nr_slots };
	return true;
}

/*
 * Try rows of a class that has some, as long as @nr_left are left to be tried in vain; one
 * of them, @tried, has been.
 */
static bool pcpu_find_in_class(struct pcpu_allocator *pa, struct pcpu_request *req,
			       unsigned int class, unsigned int *nr_left,
			       const struct pcpu_row *tried)
{
	struct pcpu_row *row, *next = list_first_entry(&pa->fit[class], struct pcpu_row, fit_link);

	do {
		row = next;
		if (row != tried && pcpu_find_in_row(req, row))
			return true;
		next = list_next_entry(row, fit_link);
		/* The search may have found out that it promised too much. */
		pcpu_relist_row(pa, pcpu_row_chunk(row), row->index);
	} while (--*nr_left && !list_entry_is_head(next, &pa->fit[class], fit_link));
	return false;
}

/*
 * Begin with rows of @class.  After @nr_left disappointments only those are tried whose
 * longest run fits at any alignment, if their bound is right; and where it is not, it
 * is after that.  No class is searched to its end, so the number of chunks, rows and
 * areas does not matter; what is missed for that is found room for elsewhere.
 */
static noinline bool pcpu_find_behind(struct pcpu_allocator *pa, struct pcpu_request *req,
				      unsigned int class, unsigned int nr_left,
				      const struct pcpu_row *tried)
{
	unsigned int doubtful = pcpu_fit_class(req->run_slots + req->align_slots - 1);

	lockdep_assert_held(&pa->lock);

	for_each_set_bit_from(class, pa->fit_mask, PCPU_NR_FIT_CLASSES) {
		if (class > doubtful)
			nr_left = PCPU_SURE_MISSES;
		if (pcpu_find_in_class(pa, req, class, &nr_left, tried))
			return true;
		if (!nr_left)
			class = max(class, doubtful);
	}
	return false;
}

/* The same; most find room in the first row, and need no more than a look at that. */
static __always_inline bool pcpu_find_from(struct pcpu_allocator *pa, struct pcpu_request *req,
					   unsigned int class, unsigned int nr_left)
{
	struct pcpu_row *row;

	lockdep_assert_held(&pa->lock);

	class = find_next_bit(pa->fit_mask, PCPU_NR_FIT_CLASSES, class);
	if (class >= PCPU_NR_FIT_CLASSES)
		return false;
	row = list_first_entry(&pa->fit[class], struct pcpu_row, fit_link);
	return likely(pcpu_find_in_row(req, row)) ||
	       pcpu_find_behind(pa, req, class, nr_left, row);
}

/* Where the longest run is what such an area leaves behind, among others of its alignment. */
static __always_inline bool pcpu_find_present(struct pcpu_allocator *pa,
					      struct pcpu_request *req)
{
	return pcpu_find_from(pa, req, pcpu_fit_class(ALIGN(req->run_slots, req->align_slots)),
			      PCPU_DOUBTFUL_MISSES);
}

static noinline bool pcpu_take_present(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	bool found = pcpu_find_present(pa, req);

	if (found)
		pcpu_area_commit(pa, req);
	return found;
}

/* Would the area, with what is to follow it, be the first of a row? */
static bool pcpu_begins_row(const struct pcpu_request *req)
{
	const struct pcpu_row *rows = req->area.chunk->rows;
	unsigned int last_slot = req->area.slot + req->run_slots - 1;

	return rows[req->area.slot / PCPU_ROW_SLOTS].fit_class == PCPU_FIT_EMPTY ||
	       rows[last_slot / PCPU_ROW_SLOTS].fit_class == PCPU_FIT_EMPTY;
}

/* As pcpu_find_present(), for what is not worth another row: in rows that are in use. */
static noinline bool pcpu_find_in_use(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	return pcpu_find_present(pa, req) && !pcpu_begins_row(req);
}

static bool pcpu_take_in_use(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	bool found = pcpu_find_in_use(pa, req);

	if (found)
		pcpu_area_commit(pa, req);
	return found;
}

static bool pcpu_take_in_chunk(struct pcpu_allocator *pa, struct pcpu_request *req,
			       struct pcpu_chunk *chunk)
{
	unsigned int slot = pcpu_area_find(&chunk->map, req->run_slots, req->align_slots);

	if (slot == PCPU_NONE)
		return false;
	req->area = (struct pcpu_area){ chunk, slot, req->nr_slots };
	pcpu_area_commit(pa, req);
	return true;
}

/* Where chunks come with their pages, one that is empty: no search could miss it. */
static bool pcpu_take_spare(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_chunk *chunk;

	lockdep_assert_held(&pa->lock);

	if (!pa->backend->rows_fixed)
		return false;
	chunk = list_first_entry_or_null(&pa->spare, struct pcpu_chunk, grow_link);
	return chunk && pcpu_take_in_chunk(pa, req, chunk);
}

/* Before a request fails: look longer for a run that is aligned well enough. */
static bool pcpu_take_last(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&pa->lock, flags);
	taken = pcpu_find_from(pa, req, pcpu_fit_class(req->run_slots), PCPU_LAST_MISSES);
	if (taken)
		pcpu_area_commit(pa, req);
	spin_unlock_irqrestore(&pa->lock, flags);
	return taken;
}

/* ---- step 2: a place for rows that are not there yet ----------------------- */

/*
 * Where an area can go once @nr_rows rows that are ABSENT have pages.  It may
 * begin in free slots before them and end in free slots behind.
 */
struct pcpu_place {
	struct pcpu_chunk *chunk;
	unsigned int slot;
	unsigned int nr_rows;
};

/* The first row in [index, end) that is ABSENT, or is not, or @end. */
static unsigned int pcpu_next_row(const struct pcpu_chunk *chunk, unsigned int index,
				  unsigned int end, bool absent)
{
	while (index < end &&
	       (chunk->rows[index].state == PCPU_ROW_ABSENT) != absent)
		index++;
	return index;
}

static unsigned int pcpu_absent_rows_of(const struct pcpu_chunk *chunk, unsigned int slot,
					unsigned int nr)
{
	unsigned int index = slot / PCPU_ROW_SLOTS, n = 0;

	for (; index <= (slot + nr - 1) / PCPU_ROW_SLOTS; index++)
		n += chunk->rows[index].state == PCPU_ROW_ABSENT;
	return n;
}

static bool pcpu_place_in(struct pcpu_chunk *chunk, const struct pcpu_request *req,
			  struct pcpu_place *place)
{
	unsigned int max_rows = (req->run_slots + req->align_slots) / PCPU_ROW_SLOTS + 2;
	unsigned int first, end;

	chunk->low_absent_row = pcpu_next_row(chunk, chunk->low_absent_row, chunk->nr_rows,
					      true);
	end = chunk->low_absent_row;
	for (;;) {
		unsigned int slot, limit;

		first = pcpu_next_row(chunk, end, chunk->nr_rows, true);
		if (first >= chunk->nr_rows)
			return false;
		end = pcpu_next_row(chunk, first, min(first + max_rows, chunk->nr_rows), false);

		slot = first * PCPU_ROW_SLOTS;
		limit = end * PCPU_ROW_SLOTS;
		slot -= pcpu_area_free_before(&chunk->map, slot, req->run_slots - 1);
		limit += pcpu_area_free_after(&chunk->map, limit, req->run_slots - 1);
		slot = ALIGN(slot, req->align_slots);
		if (slot + req->run_slots > limit)
			continue;
		place->chunk = chunk;
		place->slot = slot;
		place->nr_rows = pcpu_absent_rows_of(chunk, slot, req->run_slots);
		return true;
	}
}

static bool pcpu_find_place(struct pcpu_allocator *pa, const struct pcpu_request *req,
			    struct pcpu_place *place)
{
	unsigned int nr_missed = 0;
	struct pcpu_chunk *chunk, *next;

	lockdep_assert_held(&pa->lock);

	/* Any row will do for most. */
	list_for_each_entry(chunk, &pa->partial, grow_link) {
		if (pcpu_place_in(chunk, req, place))
			return true;
		if (++nr_missed == PCPU_MAX_CHUNKS)
			break;
	}
	/* What needs several goes where the last such went, and then to a spare chunk. */
	nr_missed = 0;
	list_for_each_entry_safe_reverse(chunk, next, &pa->partial, grow_link) {
		if (pcpu_place_in(chunk, req, place))
			return true;
		/* Its rows are for those that need fewer; here it would hide others. */
		list_move(&chunk->grow_link, &pa->partial);
		if (++nr_missed == PCPU_MAX_CHUNKS)
			break;
	}
	list_for_each_entry(chunk, &pa->spare, grow_link)
		if (pcpu_place_in(chunk, req, place))
			return true;
	return false;
}

static void pcpu_claim_place(struct pcpu_allocator *pa, struct pcpu_request *req,
			     const struct pcpu_place *place)
{
	struct pcpu_chunk *chunk = place->chunk;
	unsigned int index = place->slot / PCPU_ROW_SLOTS;
	unsigned int last = (place->slot + req->run_slots - 1) / PCPU_ROW_SLOTS;

	for (; index <= last; index++)
		if (chunk->rows[index].state == PCPU_ROW_ABSENT)
			pcpu_row_update(pa, chunk, index, PCPU_ROW_COMING);
	if (!req->may_block)
		pa->nonblock_rows += place->nr_rows;
	req->area = (struct pcpu_area){ chunk, place->slot, req->nr_slots };
	pcpu_area_commit(pa, req);
}

/* ---- pages in hand --------------------------------------------------------- */

static void pcpu_free_page_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static struct page *pcpu_pop_page(struct list_head *pages)
{
	struct page *page = list_first_entry(pages, struct page, lru);

	list_del(&page->lru);
	return page;
}

/**
 * pcpu_request_drop - give back what a request holds and did not use
 * @req: the request
 *
 * Context: any that the request was made in.
 */
void pcpu_request_drop(struct pcpu_request *req)
{
	pcpu_free_page_list(&req->pages);
	pcpu_free_page_list(&req->ext_pages);
	req->nr_rows = 0;
}

static bool pcpu_get_page(struct list_head *pages, int node, gfp_t gfp)
{
	struct page *page = alloc_pages_node(node, gfp, 0);

	if (page)
		list_add_tail(&page->lru, pages);
	return page;
}

static bool pcpu_get_row(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned int cpu, i;

	for_each_cpu(cpu, pa->geo.cpus)
		if (!pcpu_get_page(&req->pages, cpu_to_node(cpu),
				   req->backing_gfp | __GFP_HIGHMEM))
			return false;
	if (!pcpu_need_ext())
		return true;
	for (i = 0; i < PCPU_EXT_ROW_PAGES; i++)
		if (!pcpu_get_page(&req->ext_pages, NUMA_NO_NODE,
				   req->backing_gfp | __GFP_ZERO))
			return false;
	return true;
}

/**
 * pcpu_request_get_rows - take the pages for rows, each CPU's from its node
 * @pa: the allocator
 * @req: the request; its list grows
 * @nr_rows: rows that it must have in hand
 *
 * Context: no lock; sleeps and reclaims as the request's mask allows.
 * Return: 0; or -ENOMEM, or -EINTR after a fatal signal, and the request has
 * no pages any more
 */
int pcpu_request_get_rows(struct pcpu_allocator *pa, struct pcpu_request *req,
			  unsigned int nr_rows)
{
	int err = -ENOMEM;

	if (!req->may_block && nr_rows > max(PCPU_NONBLOCK_PAGES / pa->geo.nr_cpus, 1U))
		goto fail;
	while (req->nr_rows < nr_rows) {
		/* One row is had without a look: it may be the last that the task needs. */
		if (req->nr_rows && req->may_block && fatal_signal_pending(current))
			err = -EINTR;
		if (err == -EINTR || !pcpu_get_row(pa, req))
			goto fail;
		req->nr_rows++;
		/* With thousands of CPUs a row alone is a lot of work. */
		if (req->may_block)
			cond_resched();
	}
	return 0;
fail:
	pcpu_request_drop(req);
	return err;
}

/* ---- map and publish ------------------------------------------------------- */

static void pcpu_row_set_ext(struct pcpu_chunk *chunk, unsigned int index,
			     struct list_head *ext_pages)
{
	unsigned int i;

	if (!chunk->ext)
		return;
	for (i = 0; i < PCPU_EXT_ROW_PAGES; i++)
		chunk->ext[index * PCPU_EXT_ROW_PAGES + i] = pcpu_pop_page(ext_pages);
}

static void pcpu_row_clear_ext(struct pcpu_chunk *chunk, unsigned int index,
			       struct list_head *ext_pages)
{
	unsigned int i;

	if (!chunk->ext)
		return;
	for (i = 0; i < PCPU_EXT_ROW_PAGES; i++) {
		struct page **ext = &chunk->ext[index * PCPU_EXT_ROW_PAGES + i];

		list_add_tail(&(*ext)->lru, ext_pages);
		*ext = NULL;
	}
}

/* COMING rows are those of the task that claimed them: their state holds still. */
static bool pcpu_row_is_coming(const struct pcpu_chunk *chunk, unsigned int index)
{
	/* No lock: neighbours change, but not this one if it is the caller's. */
	return data_race(READ_ONCE(chunk->rows[index].state)) == PCPU_ROW_COMING;
}

/* Map the COMING rows of [first, last] with the pages in hand. */
static int pcpu_map_coming(struct pcpu_allocator *pa, struct pcpu_request *req,
			   struct pcpu_chunk *chunk, unsigned int first, unsigned int last)
{
	unsigned int index;

	for (index = first; index <= last; index++) {
		if (!pcpu_row_is_coming(chunk, index))
			continue;
		pcpu_row_set_ext(chunk, index, &req->ext_pages);
		req->nr_rows--;
		if (WARN_ON_ONCE(pa->backend->map_row(pa, chunk, index, &req->pages)))
			return -EIO;
	}
	pa->backend->map_flush(pa, chunk, first, last - first + 1);
	return 0;
}

/* Open what of a COMING row lies outside the area [slot, end), and publish it. */
static void pcpu_publish_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			     unsigned int index, unsigned int slot, unsigned int end)
{
	unsigned int row_start = index * PCPU_ROW_SLOTS;
	unsigned int row_end = row_start + PCPU_ROW_SLOTS;

	slot = clamp(slot, row_start, row_end);
	end = clamp(end, row_start, row_end);
	pcpu_row_update(pa, chunk, index, PCPU_ROW_PRESENT);
	pcpu_area_open(&chunk->map, row_start, slot - row_start);
	pcpu_area_open(&chunk->map, end, row_end - end);
	pcpu_relist_slots(pa, chunk, row_start, PCPU_ROW_SLOTS);
}

static void pcpu_wake_waiters(struct pcpu_allocator *pa)
{
	if (wq_has_sleeper(&pa->published))
		wake_up_all(&pa->published);
}

static int pcpu_map_and_publish(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_chunk *chunk = req->area.chunk;
	unsigned int end = req->area.slot + req->run_slots;
	unsigned int first = req->area.slot / PCPU_ROW_SLOTS;
	unsigned int last = (end - 1) / PCPU_ROW_SLOTS, index;
	unsigned long flags;

	/* A bug below: keep the rows out of use for good, and stay up. */
	if (pcpu_map_coming(pa, req, chunk, first, last))
		return -EIO;

	spin_lock_irqsave(&pa->lock, flags);
	for (index = first; index <= last; index++)
		if (chunk->rows[index].state == PCPU_ROW_COMING)
			pcpu_publish_row(pa, chunk, index, req->area.slot, end);
	pa->publish_seq++;
	spin_unlock_irqrestore(&pa->lock, flags);
	pcpu_wake_waiters(pa);
	return 0;
}

/**
 * pcpu_chunk_add_row - make one ABSENT row present and leave it empty
 * @pa: the allocator
 * @req: a request with a row in hand
 *
 * The row is taken from a chunk that is in use, else from a spare one.
 *
 * Context: any that the request may populate in; takes the lock.
 * Return: false if no chunk has an ABSENT row
 */
bool pcpu_chunk_add_row(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_chunk *chunk;
	unsigned long flags;
	unsigned int index;

	spin_lock_irqsave(&pa->lock, flags);
	chunk = list_first_entry_or_null(&pa->partial, struct pcpu_chunk, grow_link);
	if (!chunk)
		chunk = list_first_entry_or_null(&pa->spare, struct pcpu_chunk, grow_link);
	if (!chunk || chunk->rows_fixed) {
		spin_unlock_irqrestore(&pa->lock, flags);
		return false;
	}
	index = pcpu_next_row(chunk, chunk->low_absent_row, chunk->nr_rows, true);
	pcpu_row_update(pa, chunk, index, PCPU_ROW_COMING);
	spin_unlock_irqrestore(&pa->lock, flags);

	if (pcpu_map_coming(pa, req, chunk, index, index))
		return false;

	spin_lock_irqsave(&pa->lock, flags);
	pcpu_publish_row(pa, chunk, index, 0, 0);
	pa->publish_seq++;
	spin_unlock_irqrestore(&pa->lock, flags);
	pcpu_wake_waiters(pa);
	return true;
}

/* ---- chunks: memory, index, life ------------------------------------------- */

/* The parts of a chunk's one block of memory. */
struct pcpu_chunk_layout {
	size_t rows;
	size_t ext;
	size_t maps;
	size_t pending;
	size_t end;
};

static struct pcpu_chunk_layout pcpu_chunk_layout(unsigned int nr_rows, bool has_ext)
{
	unsigned int nr_ext = has_ext ? nr_rows * PCPU_EXT_ROW_PAGES : 0;
	struct pcpu_chunk_layout at;

	at.rows = sizeof(struct pcpu_chunk);
	at.ext = ALIGN(at.rows + nr_rows * sizeof(struct pcpu_row), sizeof(long));
	at.maps = ALIGN(at.ext + nr_ext * sizeof(struct page *), SMP_CACHE_BYTES);
	at.pending = at.maps + pcpu_area_storage_bytes(nr_rows * PCPU_ROW_SLOTS);
	at.end = at.pending + BITS_TO_LONGS(nr_rows * PCPU_ROW_SLOTS) * sizeof(long);
	return at;
}

/**
 * pcpu_chunk_bytes - memory for a chunk's metadata
 * @nr_rows: pages of a unit that it serves
 * @has_ext: with memory cgroup and allocation tag entries
 *
 * Return: bytes
 */
size_t pcpu_chunk_bytes(unsigned int nr_rows, bool has_ext)
{
	return pcpu_chunk_layout(nr_rows, has_ext).end;
}

/**
 * pcpu_chunk_init - make a chunk whose rows are all ABSENT
 * @storage: pcpu_chunk_bytes() of zeroed memory
 * @nr_rows: pages of a unit that it serves
 * @has_ext: with memory cgroup and allocation tag entries
 *
 * Return: the chunk; base_addr and backing are the caller's to set
 */
struct pcpu_chunk *pcpu_chunk_init(void *storage, unsigned int nr_rows, bool has_ext)
{
	struct pcpu_chunk_layout at = pcpu_chunk_layout(nr_rows, has_ext);
	struct pcpu_chunk *chunk = storage;
	unsigned int i;

	pcpu_area_init(&chunk->map, nr_rows * PCPU_ROW_SLOTS, storage + at.maps);
	chunk->nr_rows = nr_rows;
	chunk->end_slot = chunk->map.nr_slots;
	chunk->rows = storage + at.rows;
	chunk->ext = has_ext ? storage + at.ext : NULL;
	chunk->pending = storage + at.pending;
	chunk->nr_rows_in[PCPU_ROW_ABSENT] = nr_rows;
	INIT_LIST_HEAD(&chunk->grow_link);
	INIT_LIST_HEAD(&chunk->link);
	for (i = 0; i < nr_rows; i++)
		chunk->rows[i].index = i;
	for (i = 0; i < PCPU_INDEX_ENTRIES; i++) {
		INIT_HLIST_NODE(&chunk->index[i].node);
		chunk->index[i].chunk = chunk;
	}
	return chunk;
}

static void __init pcpu_set_first(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	pa->first = chunk;
	pa->first_addr = chunk->base_addr + pcpu_slots_to_bytes(chunk->first_slot);
	pa->first_bytes = pcpu_slots_to_bytes(chunk->end_slot - chunk->first_slot);
}

/**
 * pcpu_chunk_add_boot - put a part of the first chunk into service
 * @pa: the allocator
 * @chunk: from pcpu_chunk_init(), with its base_addr
 * @first_slot: the first slot that it serves
 * @nr_slots: how many
 * @reserved: it is the reserved part
 *
 * Context: boot, one CPU, before any other use of @pa.
 */
void __init pcpu_chunk_add_boot(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
				unsigned int first_slot, unsigned int nr_slots, bool reserved)
{
	unsigned int index;
	unsigned long flags;

	chunk->boot = true;
	chunk->rows_fixed = true;
	chunk->first_slot = first_slot;
	chunk->end_slot = first_slot + nr_slots;

	spin_lock_irqsave(&pa->lock, flags);
	if (reserved)
		pa->reserved = chunk;
	else
		pcpu_set_first(pa, chunk);
	for (index = 0; index < chunk->nr_rows; index++)
		pcpu_row_update(pa, chunk, index, PCPU_ROW_PRESENT);
	pcpu_area_open(&chunk->map, first_slot, nr_slots);
	pcpu_relist_chunk(pa, chunk);
	spin_unlock_irqrestore(&pa->lock, flags);
}

static void pcpu_index_add(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	unsigned long number = chunk->base_addr >> pa->index_shift;
	unsigned long last = (chunk->base_addr + pa->geo.unit_bytes - 1) >> pa->index_shift;
	unsigned int i;

	for (i = 0; number <= last; number++, i++)
		hlist_add_head_rcu(&chunk->index[i].node,
				   pcpu_index_bucket(pa, number << pa->index_shift));
}

static void pcpu_index_del(struct pcpu_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < PCPU_INDEX_ENTRIES; i++)
		if (!hlist_unhashed(&chunk->index[i].node))
			hlist_del_rcu(&chunk->index[i].node);
}

/* Chunks whose rows are fixed have their extensions for good. */
static void pcpu_chunk_free_ext(struct pcpu_chunk *chunk)
{
	unsigned int i;

	if (!chunk->ext)
		return;
	for (i = 0; i < chunk->nr_rows * PCPU_EXT_ROW_PAGES && chunk->ext[i]; i++)
		__free_page(chunk->ext[i]);
}

static bool pcpu_chunk_fill_ext(struct pcpu_chunk *chunk, gfp_t gfp)
{
	unsigned int i;

	if (!chunk->ext)
		return true;
	for (i = 0; i < chunk->nr_rows * PCPU_EXT_ROW_PAGES; i++) {
		chunk->ext[i] = alloc_pages_node(NUMA_NO_NODE, gfp | __GFP_ZERO, 0);
		if (!chunk->ext[i])
			return false;
	}
	return true;
}

/**
 * pcpu_request_get_chunk - build a chunk, for publication by this request
 * @pa: the allocator
 * @req: the request; its new_chunk is set
 *
 * Context: may sleep; no lock.  Page tables take no mask: they are allocated
 * as GFP_KERNEL within the scope that the backend sets from the mask.
 * Return: 0 or -ENOMEM
 */
int pcpu_request_get_chunk(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned int nr_rows = pa->geo.unit_pages;
	bool has_ext = pcpu_need_ext();
	size_t nr_bytes = pcpu_chunk_bytes(nr_rows, has_ext);
	struct pcpu_chunk *chunk;
	void *storage;

	/* Until then the first chunk must do. */
	if (WARN_ON_ONCE(!slab_is_available()))
		return -ENOMEM;
	storage = kvmalloc(nr_bytes, req->backing_gfp);
	if (!storage)
		return -ENOMEM;
	/* Not by kvzalloc(), which zeroes what it rounds up to. */
	memset(storage, 0, nr_bytes);
	chunk = pcpu_chunk_init(storage, nr_rows, has_ext);
	chunk->rows_fixed = pa->backend->rows_fixed;
	if (chunk->rows_fixed && !pcpu_chunk_fill_ext(chunk, req->backing_gfp))
		goto fail;
	if (pa->backend->create(pa, chunk, req->backing_gfp))
		goto fail;
	trace_percpu_create_chunk((void *)chunk->base_addr);
	req->new_chunk = chunk;
	return 0;

fail:
	pcpu_chunk_free_ext(chunk);
	kvfree(storage);
	return -ENOMEM;
}

static void pcpu_publish_chunk(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	unsigned int index;

	lockdep_assert_held(&pa->lock);

	pa->nr_rows_in[PCPU_ROW_ABSENT] += chunk->nr_rows;
	list_add_tail(&chunk->link, &pa->chunks);
	pa->nr_chunks++;
	pa->row_seq++;
	pa->counts.nr_max_chunks = max(pa->counts.nr_max_chunks, pa->nr_chunks);
	pcpu_index_add(pa, chunk);
	if (chunk->rows_fixed) {
		for (index = 0; index < chunk->nr_rows; index++)
			pcpu_row_update(pa, chunk, index, PCPU_ROW_PRESENT);
		pcpu_area_open(&chunk->map, 0, chunk->map.nr_slots);
		pcpu_relist_chunk(pa, chunk);
	}
	pcpu_relist_grow(pa, chunk);
	pa->publish_seq++;
}

/**
 * pcpu_chunk_add_new - put the chunk that a request has built into service
 * @pa: the allocator
 * @req: the request
 *
 * Context: takes the lock.
 */
void pcpu_chunk_add_new(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	pcpu_publish_chunk(pa, req->new_chunk);
	req->new_chunk = NULL;
	spin_unlock_irqrestore(&pa->lock, flags);
	pcpu_wake_waiters(pa);
}

/* ---- visiting all of them --------------------------------------------------- */

/**
 * pcpu_walk_begin - visit the chunks one by one
 * @pa: the allocator
 * @walk: the caller's; pcpu_walk_end() must follow
 *
 * Context: may sleep; takes the lock.
 */
void pcpu_walk_begin(struct pcpu_allocator *pa, struct pcpu_walk *walk)
{
	spin_lock_irq(&pa->lock);
	walk->nr_boot = 0;
	walk->at = &pa->chunks;
	list_add(&walk->link, &pa->walks);
	spin_unlock_irq(&pa->lock);
}

/**
 * pcpu_walk_end - leave off
 * @pa: the allocator
 * @walk: the walk, at any place
 *
 * Context: may sleep; takes the lock.
 */
void pcpu_walk_end(struct pcpu_allocator *pa, struct pcpu_walk *walk)
{
	spin_lock_irq(&pa->lock);
	list_del(&walk->link);
	spin_unlock_irq(&pa->lock);
}

/**
 * pcpu_walk_next - the next chunk: the reserved one, the first, then all others
 * @pa: the allocator
 * @walk: the walk
 *
 * Each step takes the same time, however many chunks there are.
 *
 * Context: under the lock.
 * Return: the chunk, or NULL behind the last
 */
struct pcpu_chunk *pcpu_walk_next(struct pcpu_allocator *pa, struct pcpu_walk *walk)
{
	lockdep_assert_held(&pa->lock);

	if (!walk->nr_boot++ && pa->reserved)
		return pa->reserved;
	if (walk->nr_boot <= 2) {
		walk->nr_boot = 2;
		return pa->first;
	}
	walk->nr_boot = 3;
	if (list_is_last(walk->at, &pa->chunks))
		return NULL;
	walk->at = walk->at->next;
	return list_entry(walk->at, struct pcpu_chunk, link);
}

/* ---- chunks that go ---------------------------------------------------------- */

/* Who was here last goes on behind the chunk before. */
static void pcpu_walks_leave(struct pcpu_allocator *pa, const struct pcpu_chunk *chunk)
{
	struct pcpu_walk *walk;

	list_for_each_entry(walk, &pa->walks, link)
		if (walk->at == &chunk->link)
			walk->at = chunk->link.prev;
}

static void pcpu_unpublish_chunk(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	unsigned int state;

	lockdep_assert_held(&pa->lock);

	if (chunk->rows_fixed) {
		pcpu_area_close(&chunk->map, 0, chunk->map.nr_slots);
		pcpu_relist_chunk(pa, chunk);
	}
	/* Where rows are fixed it has no room any more, and is off it already. */
	if (chunk->grow_list) {
		list_del(&chunk->grow_link);
		pa->nr_spare_chunks--;
	}
	pcpu_walks_leave(pa, chunk);
	list_del(&chunk->link);
	pa->nr_chunks--;
	pa->row_seq++;
	for (state = 0; state < PCPU_NR_ROW_STATES; state++)
		pa->nr_rows_in[state] -= chunk->nr_rows_in[state];
	pcpu_index_del(chunk);
}

/**
 * pcpu_chunk_retire_spare - destroy a spare chunk
 * @pa: the allocator
 * @keep_chunks: spare chunks to keep
 *
 * Context: may sleep; takes the lock.
 * Return: true if there was one too many
 */
bool pcpu_chunk_retire_spare(struct pcpu_allocator *pa, unsigned int keep_chunks)
{
	struct pcpu_chunk *chunk = NULL;
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	if (pa->nr_spare_chunks > keep_chunks) {
		chunk = list_last_entry(&pa->spare, struct pcpu_chunk, grow_link);
		/* On the list of pending frees, though it has none any more: later. */
		if (atomic_cmpxchg(&chunk->pending_state, PCPU_PENDING_IDLE,
				   PCPU_PENDING_DEAD) == PCPU_PENDING_IDLE)
			pcpu_unpublish_chunk(pa, chunk);
		else
			chunk = NULL;
	}
	spin_unlock_irqrestore(&pa->lock, flags);
	if (!chunk)
		return false;

	trace_percpu_destroy_chunk((void *)chunk->base_addr);
	pa->backend->destroy(pa, chunk);
	if (chunk->rows_fixed)
		pcpu_chunk_free_ext(chunk);
	kvfree_rcu(chunk, rcu);
	return true;
}

/* ---- a whole allocation ----------------------------------------------------- */

enum pcpu_step {
	PCPU_STEP_DONE,		/* the area is there */
	PCPU_STEP_MAP,		/* the area is claimed, its rows are COMING */
	PCPU_STEP_GET_ROWS,	/* more rows must be in hand */
	PCPU_STEP_GET_CHUNK,	/* no chunk has a place */
	PCPU_STEP_FAIL,
};

/* The same only as long as no area, row or chunk comes or goes. */
static u64 pcpu_room_seq(const struct pcpu_allocator *pa)
{
	return pa->counts.nr_alloc + pa->counts.nr_dealloc + pa->row_seq;
}

/* One hold of the lock: take what can be taken, or say what is missing. */
static enum pcpu_step pcpu_try(struct pcpu_allocator *pa, struct pcpu_request *req,
			       struct pcpu_place *place)
{
	if (req->new_chunk) {
		pcpu_publish_chunk(pa, req->new_chunk);
		req->new_chunk = NULL;
	}
	if (req->want.reserved && pa->reserved) {
		if (pcpu_take_in_chunk(pa, req, pa->reserved))
			return PCPU_STEP_DONE;
		req->fail = PCPU_FAIL_RESERVED;
		return PCPU_STEP_FAIL;
	}
	/* Where nothing has changed, the place is still there, and no other. */
	if (req->room_seq != pcpu_room_seq(pa)) {
		place->chunk = NULL;
		if (pcpu_take_present(pa, req))
			return PCPU_STEP_DONE;
		req->room_seq = pcpu_room_seq(pa);
	}
	if (pcpu_take_spare(pa, req))
		return PCPU_STEP_DONE;
	if (req->may_populate && (place->chunk || pcpu_find_place(pa, req, place))) {
		if (place->nr_rows > req->nr_rows)
			return PCPU_STEP_GET_ROWS;
		pcpu_claim_place(pa, req, place);
		return PCPU_STEP_MAP;
	}
	if (req->may_create)
		return PCPU_STEP_GET_CHUNK;
	req->fail = PCPU_FAIL_ROOM;
	return PCPU_STEP_FAIL;
}

/*
 * Many tasks that find the same row missing must not all take pages for it.
 * Over the cap a task waits until something is published, but never longer
 * than a jiffy: those at work may be in reclaim that it must not depend on.
 */
static bool pcpu_pause(struct pcpu_allocator *pa, struct pcpu_request *req, unsigned int seq)
{
	if (!req->may_block || req->nr_pauses == PCPU_MAX_PAUSES ||
	    atomic_read(&pa->nr_preparing) < PCPU_PREPARE_CAP)
		return false;
	req->nr_pauses++;
	wait_event_killable_timeout(pa->published,
				    pcpu_peek(&pa->publish_seq) != seq ||
				    atomic_read(&pa->nr_preparing) < PCPU_PREPARE_CAP, 1);
	return true;
}

/* Get what @step misses.  0 if it is worth another try. */
static int pcpu_prepare(struct pcpu_allocator *pa, struct pcpu_request *req,
			enum pcpu_step step, const struct pcpu_place *place,
			unsigned int seq)
{
	int err;

	if (step == PCPU_STEP_GET_CHUNK && fatal_signal_pending(current)) {
		req->fail = PCPU_FAIL_KILLED;
		return -EINTR;
	}
	if (pcpu_pause(pa, req, seq))
		return 0;

	atomic_inc(&pa->nr_preparing);
	if (step == PCPU_STEP_GET_ROWS) {
		req->fail = PCPU_FAIL_PAGES;
		err = pcpu_request_get_rows(pa, req, place->nr_rows);
	} else {
		req->fail = PCPU_FAIL_CHUNK;
		err = pcpu_request_get_chunk(pa, req);
	}
	atomic_dec(&pa->nr_preparing);
	if (err == -EINTR)
		req->fail = PCPU_FAIL_KILLED;
	return err;
}

/* May the row have whole lines that are not needed?  It counts as one that has, then. */
static bool pcpu_claim_line_row(struct pcpu_allocator *pa, const struct pcpu_request *req)
{
	struct pcpu_row *row = &req->area.chunk->rows[req->area.slot / PCPU_ROW_SLOTS];
	unsigned int nr_present = pa->nr_rows_in[PCPU_ROW_PRESENT];

	if (row->for_lines)
		return true;
	if (pa->nr_line_rows >= PCPU_LINE_ROWS + nr_present / PCPU_LINE_ROWS_SHARE)
		return false;
	if (pcpu_begins_row(req) &&
	    (pa->nr_line_rows >= PCPU_NEW_LINE_ROWS + nr_present / PCPU_NEW_LINE_SHARE ||
	     pa->nr_empty_rows <= READ_ONCE(pa->reserve_rows) / 2))
		return false;
	row->for_lines = true;
	pa->nr_line_rows++;
	return true;
}

/*
 * A run of small areas that has whole lines of @lengths, and of the units, for itself: its
 * CPU writes there with each of them, and is not to meet the owner of the next run.  An
 * empty row is not begun for it, but one that is has nothing but whole lines.
 */
static bool pcpu_take_lines(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned int end_slots = round_up(req->run_slots, PCPU_LINE_SLOTS);
	unsigned int align_slots = req->align_slots;
	bool taken;

	if (req->nr_slots >= PCPU_LINE_SLOTS || end_slots - req->run_slots >= req->nr_slots ||
	    req->wants_all)
		return false;
	req->align_slots = max(align_slots, PCPU_LINE_SLOTS);
	taken = pcpu_take_in_use(pa, req);
	req->align_slots = align_slots;
	return taken;
}

/*
 * More tiny areas than there were of late, if some row may have whole lines of these: two
 * CPUs that take them one by one, in turn, would meet in a line for as long as they live.
 */
static unsigned int pcpu_take_tiny_line(struct pcpu_allocator *pa, struct pcpu_request *req,
					unsigned int nr_late, unsigned int max)
{
	unsigned int nr = min(max, PCPU_LINE_SLOTS / req->nr_slots);
	unsigned int align_slots = req->align_slots;
	bool taken;

	if (req->wants_all || req->nr_slots > PCPU_TINY_SLOTS || nr_late >= nr || nr < 2)
		return 0;
	req->run_slots = nr * req->nr_slots;
	req->align_slots = max(align_slots, PCPU_LINE_SLOTS);
	taken = pcpu_find_in_use(pa, req) && pcpu_claim_line_row(pa, req);
	if (taken)
		pcpu_area_commit(pa, req);
	req->align_slots = align_slots;
	req->run_slots = req->nr_slots;
	return taken ? nr : 0;
}

/*
 * A run of @nr areas is taken for as little as one of them.  If that has a place in a row
 * in use, no other is begun for tiny areas, as whoever comes while things grow slowly would
 * begin the next; nor for others, if it took more than half of the reserve.
 */
static bool pcpu_run_may_begin_row(struct pcpu_allocator *pa, struct pcpu_request *req,
				   unsigned int nr)
{
	unsigned int nr_rows = DIV_ROUND_UP(nr * req->nr_slots, PCPU_ROW_SLOTS);

	if (req->wants_all ||
	    (req->nr_slots > PCPU_TINY_SLOTS &&
	     pa->nr_empty_rows >= READ_ONCE(pa->reserve_rows) / 2 + nr_rows))
		return true;
	return !pcpu_find_in_use(pa, req);
}

/**
 * pcpu_chunk_take_run - take areas side by side, if there is room for them
 * @pa: the allocator
 * @req: what each of them is to be; its area is set to the first of them
 * @max: how many at most
 *
 * No more areas are taken than there were of late, but of tiny ones a line, unless the
 * request wants all of them.  Where there is no room for so long a run, half of it is
 * looked for; tiny ones, and all when few rows are left, first in rows that are in use.
 *
 * Context: any but NMI; takes the lock, once.
 * Return: how many were taken, none of them live; 0, or more than 1
 */
unsigned int pcpu_chunk_take_run(struct pcpu_allocator *pa, struct pcpu_request *req,
				 unsigned int max)
{
	unsigned int nr = min(max, pa->geo.unit_pages * PCPU_ROW_SLOTS / req->nr_slots);
	unsigned int nr_line;
	bool may_begin_row;
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	if (!req->wants_all)
		nr = min_t(u64, nr, pcpu_areas_ahead(pa));
	nr_line = pcpu_take_tiny_line(pa, req, nr, max);
	nr = nr_line ?: nr;
	may_begin_row = nr_line || nr < 2 || pcpu_run_may_begin_row(pa, req, nr);
	for (; nr > 1 && !nr_line; nr /= 2) {
		req->run_slots = nr * req->nr_slots;
		if (pcpu_take_lines(pa, req) ||
		    (may_begin_row ? pcpu_take_present(pa, req) : pcpu_take_in_use(pa, req)))
			break;
	}
	spin_unlock_irqrestore(&pa->lock, flags);
	req->run_slots = req->nr_slots;
	return nr > 1 ? nr : 0;
}

/* The area that each CPU was given last by pcpu_chunk_take_in_line(); it may be gone. */
DEFINE_PER_CPU_ALIGNED(unsigned long, pcpu_line_addr);

/* A place behind that, or there; where an area ends does not matter, but where it starts. */
static bool pcpu_find_in_line(struct pcpu_allocator *pa, struct pcpu_request *req,
			      unsigned long addr)
{
	struct pcpu_area last = pcpu_area_at(addr ? pcpu_chunk_of(pa, addr) : NULL, addr);
	unsigned int slot, end;

	if (!last.chunk)
		return false;
	slot = last.slot + pcpu_area_length(&last.chunk->map, last.slot);
	slot = ALIGN(slot, req->align_slots);
	end = slot + req->nr_slots;
	if (slot / PCPU_LINE_SLOTS != last.slot / PCPU_LINE_SLOTS ||
	    end > last.chunk->map.nr_slots ||
	    find_next_bit(last.chunk->map.busy, end, slot) < end)
		return false;
	req->area = (struct pcpu_area){ last.chunk, slot, req->nr_slots };
	return !pcpu_begins_row(req);
}

/* A place at the start of a line that is free throughout. */
static bool pcpu_find_line(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned int align_slots = req->align_slots;
	bool found;

	req->align_slots = max(align_slots, PCPU_LINE_SLOTS);
	req->run_slots = PCPU_LINE_SLOTS;
	found = pcpu_find_present(pa, req);
	found = found && pcpu_claim_line_row(pa, req);
	req->align_slots = align_slots;
	req->run_slots = req->nr_slots;
	return found;
}

/**
 * pcpu_chunk_take_in_line - take a small area in a line of the lengths that is this CPU's
 * @pa: the allocator
 * @req: the request, for less than such a line; on success its area is set
 *
 * The line may become another CPU's as well, by areas that are taken otherwise.
 *
 * Context: any but NMI; takes the lock.
 * Return: false if there is no line that is free throughout, or none to spare
 */
bool pcpu_chunk_take_in_line(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned long flags, *line_addr;
	bool taken;

	spin_lock_irqsave(&pa->lock, flags);
	line_addr = raw_cpu_ptr(&pcpu_line_addr);
	taken = pcpu_find_in_line(pa, req, *line_addr) || pcpu_find_line(pa, req);
	if (taken) {
		pcpu_area_commit(pa, req);
		WRITE_ONCE(*line_addr, req->area.chunk->base_addr +
				       pcpu_slots_to_bytes(req->area.slot));
	}
	spin_unlock_irqrestore(&pa->lock, flags);
	return taken;
}

/**
 * pcpu_chunk_take - take a place in present memory
 * @pa: the allocator
 * @req: the request, from pcpu_request_begin() at least; on success its area is set
 *
 * Context: any but NMI; takes the lock.
 * Return: true if there was room
 */
bool pcpu_chunk_take(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&pa->lock, flags);
	taken = !(req->want.reserved && pa->reserved) && pcpu_find_present(pa, req);
	if (likely(taken))
		pcpu_commit(pa, req);
	else
		req->room_seq = pcpu_room_seq(pa);
	spin_unlock_irqrestore(&pa->lock, flags);
	return taken;
}

/**
 * pcpu_chunk_make_room - serve a request for which pcpu_chunk_take() found no room
 * @pa: the allocator
 * @req: the request; on success its area is set, else its fail
 *
 * Context: as the request says.  Takes the lock, but holds none while memory
 * is allocated or mapped.
 * Return: 0, -ENOMEM, -EINTR after a fatal signal, or -EIO after a bug
 */
int pcpu_chunk_make_room(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_place place = {};
	unsigned int nr_tries = 0, seq;
	enum pcpu_step step;
	unsigned long flags;
	int err;

	for (;;) {
		spin_lock_irqsave(&pa->lock, flags);
		step = pcpu_try(pa, req, &place);
		seq = pa->publish_seq;
		spin_unlock_irqrestore(&pa->lock, flags);

		err = 0;
		if (step == PCPU_STEP_DONE)
			break;
		err = -ENOMEM;
		if (step == PCPU_STEP_FAIL)
			break;
		if (step == PCPU_STEP_MAP) {
			req->fail = PCPU_FAIL_BROKEN;
			err = pcpu_map_and_publish(pa, req);
			break;
		}
		if (!req->may_block && ++nr_tries > PCPU_NONBLOCK_TRIES) {
			req->fail = PCPU_FAIL_ROOM;
			break;
		}
		err = pcpu_prepare(pa, req, step, &place, seq);
		if (err)
			break;
	}
	if (err == -ENOMEM && req->fail != PCPU_FAIL_RESERVED && pcpu_take_last(pa, req))
		err = 0;
	if (!err)
		req->fail = PCPU_FAIL_NOT;
	if (req->nr_rows)
		pcpu_request_drop(req);
	return err;
}

/**
 * pcpu_chunk_alloc - find or make room for a request
 * @pa: the allocator
 * @req: the request; on success its area is set, else its fail
 *
 * The area's memory is not zeroed.
 *
 * Context: as pcpu_chunk_make_room().
 * Return: as pcpu_chunk_make_room()
 */
int pcpu_chunk_alloc(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	if (unlikely(!pcpu_chunk_take(pa, req)))
		return pcpu_chunk_make_room(pa, req);
	/* The same request may have failed before. */
	req->fail = PCPU_FAIL_NOT;
	return 0;
}

/**
 * pcpu_chunk_try_alloc - take a place in present memory if the lock is free
 * @pa: the allocator
 * @req: the request; its area is set on success
 *
 * Context: any where a lock may be tried, see pcpu_may_trylock().
 * Return: true if there was room and the lock could be had
 */
bool pcpu_chunk_try_alloc(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned long flags;
	bool taken;

	if (!spin_trylock_irqsave(&pa->lock, flags))
		return false;
	taken = pcpu_take_present(pa, req) || pcpu_take_spare(pa, req);
	spin_unlock_irqrestore(&pa->lock, flags);
	return taken;
}

/* ---- frees ------------------------------------------------------------------- */

static bool pcpu_areas_touch(const struct pcpu_area *low, const struct pcpu_area *high)
{
	return low->chunk == high->chunk && low->slot + low->nr_slots == high->slot;
}

/* Release areas[0], and what follows if it lies side by side.  Returns how many. */
static __always_inline unsigned int pcpu_release_run(struct pcpu_allocator *pa,
						     const struct pcpu_area *areas,
						     unsigned int nr)
{
	struct pcpu_chunk *chunk = areas->chunk;
	unsigned int slot = areas->slot, i = 0, nr_slots;

	do {
		pcpu_area_unmark(&chunk->map, areas[i].slot, areas[i].nr_slots);
	} while (++i < nr && pcpu_areas_touch(&areas[i - 1], &areas[i]));

	nr_slots = areas[i - 1].slot + areas[i - 1].nr_slots - slot;
	pcpu_area_open_inline(&chunk->map, slot, nr_slots);
	pcpu_relist_inline(pa, chunk, slot, nr_slots);
	chunk->nr_areas -= i;
	pa->counts.nr_dealloc += i;
	return i;
}

/**
 * pcpu_chunk_release - return the slots of areas that are not live
 * @pa: the allocator
 * @areas: the caller's areas; the cheaper, the more of them follow each other
 *	side by side
 * @nr: how many; few, as the lock is held once for all of them
 *
 * Context: any but NMI; takes the lock.  Their chunks may be gone on return.
 */
void pcpu_chunk_release(struct pcpu_allocator *pa, const struct pcpu_area *areas,
			unsigned int nr)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&pa->lock, flags);
	for (i = 0; i < nr;)
		i += pcpu_release_run(pa, &areas[i], nr - i);
	spin_unlock_irqrestore(&pa->lock, flags);
}

/**
 * pcpu_chunk_release_one - return the slots of an area that is not live
 * @pa: the allocator
 * @area: the caller's area
 *
 * Context: any but NMI; takes the lock.  Its chunk may be gone on return.
 */
void pcpu_chunk_release_one(struct pcpu_allocator *pa, struct pcpu_area area)
{
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	pcpu_release_run(pa, &area, 1);
	spin_unlock_irqrestore(&pa->lock, flags);
}

/* ---- giving rows back --------------------------------------------------------- */

struct pcpu_going {
	struct pcpu_chunk *chunk;
	unsigned int index;
};

/* Empty rows that can go: neither those to keep, nor those of the first chunk, which stay. */
static unsigned int pcpu_nr_surplus_rows(const struct pcpu_allocator *pa, unsigned int keep_rows)
{
	unsigned int nr_fixed = pa->first ? pa->first->nr_empty_rows : 0;

	keep_rows = max(keep_rows, nr_fixed);
	return pa->nr_empty_rows > keep_rows ? pa->nr_empty_rows - keep_rows : 0;
}

/* Close empty rows of a chunk, from the last one downward. */
static unsigned int pcpu_close_empty_rows(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
					  struct pcpu_going *going, unsigned int max)
{
	unsigned int index = chunk->nr_rows, nr = 0;

	while (nr < max && chunk->nr_empty_rows && index--) {
		if (chunk->rows[index].fit_class != PCPU_FIT_EMPTY)
			continue;
		pcpu_area_close(&chunk->map, index * PCPU_ROW_SLOTS, PCPU_ROW_SLOTS);
		pcpu_row_update(pa, chunk, index, PCPU_ROW_GOING);
		pcpu_relist_slots(pa, chunk, index * PCPU_ROW_SLOTS, PCPU_ROW_SLOTS);
		going[nr++] = (struct pcpu_going){ chunk, index };
	}
	return nr;
}

/* The same for the chunks before @at, which moves on; it sees only some of them. */
static unsigned int pcpu_pick_some(struct pcpu_allocator *pa, struct list_head **at,
				   struct pcpu_going *going, unsigned int max)
{
	unsigned int looks = PCPU_PICK_LOOKS, nr = 0;
	struct pcpu_chunk *chunk;

	lockdep_assert_held(&pa->lock);

	while (nr < max && looks && !list_is_first(*at, &pa->chunks)) {
		*at = (*at)->prev;
		chunk = list_entry(*at, struct pcpu_chunk, link);
		looks -= min(looks, chunk->nr_empty_rows ? chunk->nr_rows : 1);
		if (!chunk->rows_fixed)
			nr += pcpu_close_empty_rows(pa, chunk, &going[nr], max - nr);
	}
	return nr;
}

/*
 * Close empty rows, from the newest chunk on.  The lock is not held for all chunks at a
 * time: nobody but the caller takes one away.
 */
static unsigned int pcpu_pick_going(struct pcpu_allocator *pa, unsigned int keep_rows,
				    struct pcpu_going *going, unsigned int max)
{
	unsigned int nr = 0, nr_wanted, nr_picked;
	struct list_head *at = &pa->chunks;
	unsigned long flags;
	bool more;

	do {
		spin_lock_irqsave(&pa->lock, flags);
		nr_wanted = min(max - nr, pcpu_nr_surplus_rows(pa, keep_rows));
		nr_picked = pcpu_pick_some(pa, &at, &going[nr], nr_wanted);
		more = nr_picked < nr_wanted && !list_is_first(at, &pa->chunks);
		spin_unlock_irqrestore(&pa->lock, flags);
		nr += nr_picked;
	} while (more);
	return nr;
}

/* Unmap the rows, flush the TLB once, and only then free their pages. */
static void pcpu_unmap_going(struct pcpu_allocator *pa, const struct pcpu_going *going,
			     unsigned int nr)
{
	unsigned long start = ULONG_MAX, end = 0;
	LIST_HEAD(pages);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct pcpu_chunk *chunk = going[i].chunk;
		size_t offset_bytes = going[i].index * PAGE_SIZE;

		pa->backend->unmap_row(pa, chunk, going[i].index, &pages);
		pcpu_row_clear_ext(chunk, going[i].index, &pages);
		start = min(start, pcpu_chunk_addr(pa, chunk, pa->geo.low_cpu, offset_bytes));
		end = max(end, pcpu_chunk_addr(pa, chunk, pa->geo.high_cpu,
					       offset_bytes + PAGE_SIZE));
	}
	pa->backend->unmap_flush(pa, start, end);
	pcpu_free_page_list(&pages);
}

/**
 * pcpu_chunk_give_back - free the pages of empty rows
 * @pa: the allocator
 * @keep_rows: empty rows to keep
 * @max_rows: rows to give back at most
 *
 * Context: may sleep, interrupts on; takes the lock.  At most one at a time, and not
 *	beside pcpu_chunk_retire_spare().
 * Return: rows given back
 */
unsigned int pcpu_chunk_give_back(struct pcpu_allocator *pa, unsigned int keep_rows,
				  unsigned int max_rows)
{
	struct pcpu_going going[PCPU_GIVE_BACK_BATCH];
	unsigned long flags;
	unsigned int nr, i;

	nr = pcpu_pick_going(pa, keep_rows, going, min(max_rows, PCPU_GIVE_BACK_BATCH));
	if (!nr)
		return 0;

	pcpu_unmap_going(pa, going, nr);

	spin_lock_irqsave(&pa->lock, flags);
	for (i = 0; i < nr; i++)
		pcpu_row_update(pa, going[i].chunk, going[i].index, PCPU_ROW_ABSENT);
	spin_unlock_irqrestore(&pa->lock, flags);
	return nr;
}

/**
 * pcpu_allocator_init - make an allocator without chunks
 * @pa: the allocator, zeroed but for its geometry
 * @backend: where memory comes from
 *
 * Context: boot, or a test; before any other use.
 */
void pcpu_allocator_init(struct pcpu_allocator *pa, const struct pcpu_backend *backend)
{
	unsigned int i;

	pa->backend = backend;
	pa->index_shift = ilog2(pa->geo.unit_bytes);
	spin_lock_init(&pa->lock);
	for (i = 0; i < PCPU_NR_FIT_CLASSES; i++)
		INIT_LIST_HEAD(&pa->fit[i]);
	INIT_LIST_HEAD(&pa->partial);
	INIT_LIST_HEAD(&pa->spare);
	INIT_LIST_HEAD(&pa->chunks);
	INIT_LIST_HEAD(&pa->walks);
	for (i = 0; i < ARRAY_SIZE(pa->index); i++)
		INIT_HLIST_HEAD(&pa->index[i]);
	init_waitqueue_head(&pa->published);
	pa->counts.min_alloc_bytes = pa->geo.unit_bytes;
}
