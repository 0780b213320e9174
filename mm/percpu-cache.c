// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-cache.c - each CPU keeps some freed areas at hand
 *
 * An area that is freed stays taken in its chunk, and its address is put on a
 * stack of the CPU that freed it, in the bin of its size.  A request of that
 * size on that CPU finds it there, without the allocator's lock and without
 * masking interrupts.  A bin that is full spills several areas, and one that has run
 * dry is refilled with several (magazines: Bonwick and Adams, 2001).
 *
 * Spills go to the depot first, and refills come from there.  It has bins as a CPU has
 * them, but is no CPU's.  So where one CPU allocates what another frees, areas go
 * around without the lock, and without a change of the chunks' maps.  Where the depot
 * has no room, or nothing, areas go back to the chunks, or several that lie side by
 * side are taken there, each time under one hold of the lock.
 *
 * An entry of a stack is one word, 0 or an address.  Who turns 0 into an address
 * gives the area to the bin; who turns the address into 0 owns the area.  Both
 * are single atomic operations, and the rest of a bin is hints or counters.  So
 * tasks, interrupts and other CPUs need no guard against each other, at the depot's
 * bins neither, and the worker empties all bins, those of CPUs that do not run included,
 * from where it is.
 * Nothing is written into the areas themselves: a late write to freed memory
 * cannot harm the allocator.
 *
 * What all bins together may hold is bounded by one budget, in bytes of a unit.
 * A bin takes a part of it before it grows, and returns that when it is
 * drained: by the worker when the bin has not served a request for a while, or
 * under memory pressure.
 *
 * Calls the chunk layer.  No locks; works in any context but NMI, except for what
 * visits all CPUs.  NMIs use the bins through percpu-nolock.c, and may do so between
 * any two instructions here.
 *
 * Its model: tools/testing/percpu/model/bins.pml
 */
#include "percpu-internal.h"

/* What the bins of all CPUs may hold, of each unit; and that of all units. */
#define PCPU_CACHE_TOTAL_BYTES	SZ_256K
#define PCPU_CACHE_RAM_SHIFT	9
#define PCPU_CACHE_MAX_BYTES	SZ_2K		/* larger areas are not kept */

/* A bin grows by so much at most, and is refilled with so much at most. */
#define PCPU_CACHE_GROW_BYTES	SZ_4K
#define PCPU_CACHE_GROW_SHARE	64	/* of what is left of the budget, but for an area */
#define PCPU_REFILL_BYTES	SZ_16K
#define PCPU_REFILL_AREAS	16U
#define PCPU_REFILL_SHARE	4	/* of what is left of the budget, a quarter */
#define PCPU_REFILL_MISSES	4U
#define PCPU_SPILL_AREAS	16U
#define PCPU_DEPOT_SHARE	2	/* of what is left, for one more batch */
/*
 * Requests and frees that find both of their bins used for other sizes until one yields; at
 * most so many times that where bins change hands and serve nobody.
 */
#define PCPU_BIN_PATIENCE	32U
#define PCPU_BIN_MAX_PATIENCE	(8 * PCPU_BIN_PATIENCE)
/*
 * Areas that a bin which begins has moved first, where other CPUs have such bins; others may
 * be once the number of its hits, shifted by this, is another one: who has few hits would
 * only scatter what little it allocates.
 */
#define PCPU_BIN_MOVES		64U
#define PCPU_BIN_MOVES_SHIFT	10

/* Of pcpu_main; other allocators have none. */
DEFINE_PER_CPU_ALIGNED(struct pcpu_cache, pcpu_caches);
#ifdef CONFIG_SMP
struct pcpu_cache pcpu_depot ____cacheline_aligned_in_smp;
#endif

/* ---- the budget ----------------------------------------------------------------- */

/* What a bin takes of the budget at a time: whole areas, few where little is left. */
static int pcpu_bin_more_bytes(int left_bytes, unsigned int size_bytes)
{
	unsigned int more_bytes = clamp_t(int, left_bytes / PCPU_CACHE_GROW_SHARE, 0,
					  PCPU_CACHE_GROW_BYTES);

	return clamp(more_bytes / size_bytes, 1U, PCPU_CACHE_DEPTH) * size_bytes;
}

/*
 * It may have room for one more area; nothing is taken.  No bin that has more of the
 * budget than is left of it gets more, so that those of other CPUs find some: a dynamic
 * threshold (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
 */
static bool pcpu_bin_may_grow(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			      unsigned int size_bytes)
{
	int left_bytes = atomic_read(&pa->cache_budget_bytes);

	return READ_ONCE(bin->top) < PCPU_CACHE_DEPTH &&
	       (pcpu_bin_affords(bin, size_bytes) ||
		left_bytes - pcpu_bin_more_bytes(left_bytes, size_bytes) >=
		atomic_read(&bin->budget_bytes));
}

static bool pcpu_bin_take_budget(struct pcpu_allocator *pa, struct pcpu_bin *bin, int bytes)
{
	if (atomic_sub_return(bytes, &pa->cache_budget_bytes) < 0) {
		atomic_add(bytes, &pa->cache_budget_bytes);
		return false;
	}
	atomic_add(bytes, &bin->budget_bytes);
	return true;
}

/* Room for one more area; takes more of the budget where it has to. */
static bool pcpu_bin_has_room(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			      unsigned int size_bytes)
{
	int left_bytes;

	if (pcpu_bin_affords(bin, size_bytes))
		return READ_ONCE(bin->top) < PCPU_CACHE_DEPTH;
	left_bytes = atomic_read(&pa->cache_budget_bytes);
	return pcpu_bin_may_grow(pa, bin, size_bytes) &&
	       pcpu_bin_take_budget(pa, bin, pcpu_bin_more_bytes(left_bytes, size_bytes));
}

/*
 * Areas for one refill: no more than the bin has budget for, or finds of it, and fewer
 * of large ones where little is left.
 */
static unsigned int pcpu_refill_areas(const struct pcpu_allocator *pa,
				      const struct pcpu_bin *bin, unsigned int size_bytes)
{
	int budget_bytes = atomic_read(&bin->budget_bytes);
	int left_bytes = atomic_read(&pa->cache_budget_bytes);
	int own_bytes = budget_bytes - READ_ONCE(bin->top) * size_bytes;
	/* What brings the bin to what is left then, see pcpu_bin_may_grow(). */
	int fair_bytes = min((left_bytes - budget_bytes) / 2, left_bytes / PCPU_REFILL_SHARE);
	unsigned int max_bytes = min(max(own_bytes, 0) + max(fair_bytes, 0), PCPU_REFILL_BYTES);

	/* Tiny ones fill a line of lengths, see pcpu_run_areas(), and the bin has room for it. */
	BUILD_BUG_ON(PCPU_LINE_SLOTS > PCPU_CACHE_DEPTH);
	return min(max_bytes / size_bytes,
		   max(PCPU_REFILL_AREAS, pcpu_slots_to_bytes(PCPU_LINE_SLOTS) / size_bytes));
}

/* ---- bins ------------------------------------------------------------------------ */

/**
 * pcpu_cache_release - return areas to the chunks, past the bins
 * @pa: the allocator
 * @areas: the caller's areas; sorted by address, so that those side by side go
 *	back as one
 * @nr: how many; few, see pcpu_chunk_release()
 *
 * Context: any but NMI; takes the lock.
 */
void pcpu_cache_release(struct pcpu_allocator *pa, struct pcpu_area *areas, unsigned int nr)
{
	unsigned int i, j;

	for (i = 1; i < nr; i++) {
		struct pcpu_area area = areas[i];

		for (j = i; j && pcpu_area_addr(&areas[j - 1]) > pcpu_area_addr(&area); j--)
			areas[j] = areas[j - 1];
		areas[j] = area;
	}
	pcpu_chunk_release(pa, areas, nr);
}

/* The same with areas that were at hand; those of one size are counted at a time. */
static void pcpu_cache_return(struct pcpu_allocator *pa, struct pcpu_area *areas,
			      unsigned int nr)
{
	unsigned int i, j;

	for (i = 0; i < nr; i = j) {
		for (j = i + 1; j < nr && areas[j].nr_slots == areas[i].nr_slots; j++)
			;
		pcpu_size_count(areas[i].nr_slots, PCPU_SIZE_RETURNED, j - i);
	}
	pcpu_cache_release(pa, areas, nr);
}

/* An area that was taken out, and found no other place. */
static void pcpu_return_addr(struct pcpu_allocator *pa, unsigned long addr)
{
	struct pcpu_area area;

	if (!WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, &area)))
		pcpu_cache_return(pa, &area, 1);
}

/* Return to the chunks what is in [from, to).  True if there was anything. */
static bool pcpu_bin_spill_range(struct pcpu_allocator *pa, struct pcpu_bin *bin,
				 unsigned int from, unsigned int to)
{
	struct pcpu_area areas[PCPU_SPILL_AREAS];
	unsigned int i, nr = 0;
	bool spilled = false;

	for (i = from; i < to; i++) {
		unsigned long addr = pcpu_entry_take(&bin->entry[i]);

		if (addr && !WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, &areas[nr]))) {
			spilled = true;
			nr++;
		}
		if (nr == PCPU_SPILL_AREAS) {
			pcpu_cache_return(pa, areas, nr);
			nr = 0;
		}
	}
	if (nr)
		pcpu_cache_return(pa, areas, nr);
	return spilled;
}

static bool pcpu_bin_spill(struct pcpu_allocator *pa, struct pcpu_bin *bin, unsigned int from)
{
	return pcpu_bin_spill_range(pa, bin, from, PCPU_CACHE_DEPTH);
}

/* A bin that begins again moves more areas only if it had hits enough meanwhile. */
static void pcpu_bin_renew_moves(struct pcpu_bin *bin)
{
	u8 round = READ_ONCE(bin->nr_hits) >> PCPU_BIN_MOVES_SHIFT;
	bool renews = round != READ_ONCE(bin->moves_round);

	WRITE_ONCE(bin->moves_round, round);
	WRITE_ONCE(bin->nr_moves, renews ? 0 : round_up(READ_ONCE(bin->nr_moves), 2));
}

/*
 * The hint first: who has found room before and puts after raises it again, or
 * leaves its area to the next drain, which looks at all entries.
 */
static bool pcpu_bin_drain(struct pcpu_allocator *pa, struct pcpu_bin *bin)
{
	int budget_bytes = atomic_xchg(&bin->budget_bytes, 0);

	WRITE_ONCE(bin->top, 0);
	pcpu_bin_renew_moves(bin);
	if (budget_bytes)
		atomic_add(budget_bytes, &pa->cache_budget_bytes);
	return pcpu_bin_spill(pa, bin, 0) || budget_bytes;
}

/*
 * After areas were put in.  If the bin has no part of the budget, the worker has been
 * here since and may have looked at the entries before: then what is here goes.  If it
 * has one, somebody will still see to it, and so drain the bin: what was put is ordered
 * before this look at it, the drain after.
 */
static void pcpu_bin_recheck(struct pcpu_allocator *pa, struct pcpu_bin *bin)
{
	if (!atomic_read(&bin->budget_bytes))
		pcpu_bin_spill(pa, bin, 0);
}

/* Put an area in whose put nobody tells the worker of. */
static bool pcpu_bin_keep(struct pcpu_allocator *pa, struct pcpu_bin *bin, unsigned long addr)
{
	if (!pcpu_bin_push(bin, addr))
		return false;
	pcpu_bin_recheck(pa, bin);
	return true;
}

/*
 * Before a bin gets another size, count its hits as of the one it has.  Where several
 * do it at once, what they count adds up to the hits there were.
 */
static void pcpu_bin_fold_hits(struct pcpu_bin *bin)
{
	unsigned long nr_hits = READ_ONCE(bin->nr_hits);
	unsigned long nr_new = nr_hits - xchg(&bin->folded_hits, nr_hits);

	if (nr_new)
		pcpu_size_count(READ_ONCE(bin->nr_slots), PCPU_SIZE_HIT, nr_new);
}

/* Make a bin that of another size.  If it served nobody it will not yield as soon again. */
static noinline struct pcpu_bin *pcpu_bin_claim(struct pcpu_allocator *pa, struct pcpu_bin *bin,
						unsigned int nr_slots)
{
	unsigned int patience = pcpu_bin_own_hits(bin) ? 0 : 2 * READ_ONCE(bin->patience);

	if (pcpu_bin_in_use(bin))
		pcpu_bin_drain(pa, bin);
	pcpu_bin_fold_hits(bin);
	WRITE_ONCE(bin->patience, clamp(patience, PCPU_BIN_PATIENCE, PCPU_BIN_MAX_PATIENCE));
	WRITE_ONCE(bin->nr_conflicts, 0);
	WRITE_ONCE(bin->nr_misses, 0);
	pcpu_bin_renew_moves(bin);
	WRITE_ONCE(bin->nr_slots, nr_slots);
	return bin;
}

/* The bin of a size in a cache; one is made its own if it has none. */
static __always_inline struct pcpu_bin *pcpu_bin_get(struct pcpu_allocator *pa,
						     struct pcpu_cache *cache,
						     unsigned int nr_slots)
{
	unsigned int index = hash_32(nr_slots, PCPU_CACHE_BIN_BITS);
	struct pcpu_bin *bin = &cache->bin[index], *other = &cache->bin[index ^ 1];

	if (READ_ONCE(bin->nr_slots) == nr_slots)
		return bin;
	if (READ_ONCE(other->nr_slots) == nr_slots)
		return other;
	if (pcpu_bin_in_use(bin) && !pcpu_bin_in_use(other))
		bin = other;
	return pcpu_bin_claim(pa, bin, nr_slots);
}

/*
 * This CPU's bin for what is wanted, or NULL; who @insists gets one if it may be kept at
 * hand at all.
 */
static struct pcpu_bin *pcpu_bin_for(struct pcpu_allocator *pa, const struct pcpu_want *want,
				     bool insists)
{
	unsigned int nr_slots = want->size_bytes >> PCPU_MIN_ALLOC_SHIFT;
	struct pcpu_cache *cache = raw_cpu_ptr(&pcpu_caches);

	if (want->size_bytes > READ_ONCE(pa->cache_max_bytes) || want->reserved ||
	    (!insists && pcpu_bins_refuse(cache, nr_slots)))
		return NULL;
	return pcpu_bin_get(pa, cache, nr_slots);
}

/* ---- the depot ------------------------------------------------------------------- */

/*
 * Entries of a depot's bin that the budget covers once a batch is added, or 0 if it has
 * no room for that.  It takes more of the budget where it has to, but leaves half of what
 * there is to the CPUs.
 */
static unsigned int pcpu_depot_room(struct pcpu_allocator *pa, struct pcpu_bin *depot,
				    unsigned int size_bytes)
{
	unsigned int end = READ_ONCE(depot->top) + PCPU_SPILL_AREAS;
	int lacks_bytes;

	if (end > PCPU_CACHE_DEPTH)
		return 0;
	lacks_bytes = end * size_bytes - atomic_read(&depot->budget_bytes);
	if (lacks_bytes <= 0)
		return end;
	if (lacks_bytes > atomic_read(&pa->cache_budget_bytes) / PCPU_DEPOT_SHARE ||
	    !pcpu_bin_take_budget(pa, depot, lacks_bytes))
		return 0;
	return end;
}

/*
 * Put an area into the first entry of [*@at, @end) that is free; *@at is behind it then.
 * Others put theirs at the same time.
 */
static bool pcpu_depot_put(struct pcpu_bin *depot, unsigned int *at, unsigned int end,
			   unsigned long addr)
{
	while (*at < end) {
		unsigned long *entry = &depot->entry[(*at)++];

		if (!READ_ONCE(*entry) && !cmpxchg(entry, 0UL, addr))
			return true;
	}
	return false;
}

/*
 * Give the depot what is in [from, DEPTH) of a bin.  What it has no room for returns to
 * the chunks: all of it, or what others were quicker than.
 */
static void pcpu_depot_give(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			    unsigned int from, unsigned int nr_slots)
{
	struct pcpu_cache *cache = pcpu_depot_cache();
	struct pcpu_bin *depot = NULL;
	unsigned int end = 0, at, i;

	if (cache && !pcpu_bins_refuse(cache, nr_slots))
		depot = pcpu_bin_get(pa, cache, nr_slots);
	if (depot)
		end = pcpu_depot_room(pa, depot, pcpu_slots_to_bytes(nr_slots));
	if (!end) {
		pcpu_bin_spill(pa, bin, from);
		return;
	}
	at = end - PCPU_SPILL_AREAS;
	for (i = from; i < PCPU_CACHE_DEPTH; i++) {
		unsigned long addr = pcpu_entry_take(&bin->entry[i]);

		if (addr && !pcpu_depot_put(depot, &at, end, addr)) {
			pcpu_return_addr(pa, addr);
			pcpu_bin_spill(pa, bin, i + 1);
			break;
		}
	}
	WRITE_ONCE(depot->top, at);
	/* Ordered by the exchanges above; pairs with pcpu_depot_age(). */
	if (!READ_ONCE(pa->depot_used))
		WRITE_ONCE(pa->depot_used, true);
	pcpu_bin_recheck(pa, depot);
}

/*
 * Take an area out of a bin of the depot, and put more of them into this CPU's bin, if
 * it has one.  Returns the area's address, or 0.
 */
static unsigned long pcpu_depot_take(struct pcpu_allocator *pa, struct pcpu_bin *depot,
				     struct pcpu_bin *bin, unsigned int size_bytes)
{
	unsigned int at = min(READ_ONCE(depot->top), PCPU_CACHE_DEPTH), nr_left;
	unsigned long addr = 0, next;

	while (at && !addr)
		addr = pcpu_entry_take(&depot->entry[--at]);
	for (nr_left = PCPU_SPILL_AREAS - 1; at && nr_left; nr_left--) {
		if (!bin || !pcpu_bin_has_room(pa, bin, size_bytes))
			break;
		next = pcpu_entry_take(&depot->entry[--at]);
		if (!next)
			continue;
		/* Another CPU wrote there last: all lines come at the same time. */
		pcpu_chunk_prefetch_area(pa, next);
		if (!pcpu_bin_keep(pa, bin, next))
			pcpu_return_addr(pa, next);
	}
	WRITE_ONCE(depot->top, at);
	return addr;
}

/* Serve a request that found nothing at hand here from what others had too much of. */
static bool pcpu_depot_serve(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_bin *depot = pcpu_depot_bin(req->nr_slots);
	struct pcpu_area area = {};
	unsigned long addr;

	if (!depot || !READ_ONCE(depot->top))
		return false;
	addr = pcpu_depot_take(pa, depot, pcpu_bin_for(pa, &req->want, false),
			       req->want.size_bytes);
	if (!addr || WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, &area)))
		return false;
	if (pcpu_area_suits(&area, addr, &req->want))
		WRITE_ONCE(depot->nr_hits, READ_ONCE(depot->nr_hits) + 1);
	else
		area = pcpu_cache_get_slow(pa, req->want, area);
	req->area = area;
	return area.chunk;
}

/* ---- what the layers above call ------------------------------------------------- */

/* Remember who is the first that has areas of less than a line at hand. */
static void pcpu_note_line_cpu(struct pcpu_allocator *pa, unsigned int nr_slots)
{
	if (nr_slots < PCPU_LINE_SLOTS && READ_ONCE(pa->line_cpu) == PCPU_NO_CPU)
		WRITE_ONCE(pa->line_cpu, raw_smp_processor_id());
}

/*
 * Does a bin refuse a small area, to have it moved?  Its line of lengths may be another
 * CPU's as well, and would be written by both with each pair for as long as the bins hold
 * such areas.  So where CPUs begin to use bins of them in turns, the first ones of a bin go
 * back to the chunks, and what is allocated in exchange comes from a line of this CPU's, see
 * pcpu_bin_serve_moved().  Where things only grow, or only go, nothing moves.
 */
static bool pcpu_bin_moves(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			   const struct pcpu_area *area)
{
	unsigned int cpu = raw_smp_processor_id(), nr_moves = READ_ONCE(bin->nr_moves);

	if (!IS_ENABLED(CONFIG_SMP) || area->nr_slots >= PCPU_LINE_SLOTS || pcpu_bin_in_use(bin))
		return false;
	pcpu_note_line_cpu(pa, area->nr_slots);
	if (!nr_moves && READ_ONCE(pa->line_cpu) == cpu)
		return false;
	/* Two in a row, or enough, or it is the one that was moved last. */
	if (nr_moves % 2 || nr_moves >= 2 * PCPU_BIN_MOVES ||
	    pcpu_area_addr(area) == READ_ONCE(*raw_cpu_ptr(&pcpu_line_addr)))
		return false;
	WRITE_ONCE(bin->nr_moves, nr_moves + 1);
	WRITE_ONCE(pa->line_cpu, cpu);
	WRITE_ONCE(pa->lines_wanted, true);
	WRITE_ONCE(pa->depot_used, true);
	/* Who takes that back again. */
	if (!READ_ONCE(pa->balance_drain))
		pcpu_balance_drain_later(pa);
	return true;
}

/**
 * pcpu_cache_put_slow - put an area into the bin of its size, which may not be there yet
 * @pa: the allocator
 * @area: the area, which pcpu_cache_may_put()
 * @may_spill: others may have to make room for it
 *
 * Context: any but NMI; takes the lock where it spills others, and may call the worker.
 * Return: false if there is no place for it
 */
bool pcpu_cache_put_slow(struct pcpu_allocator *pa, struct pcpu_area area, bool may_spill)
{
	struct pcpu_bin *bin = pcpu_bin_get(pa, raw_cpu_ptr(&pcpu_caches), area.nr_slots);
	unsigned int top;

	if (may_spill && pcpu_bin_moves(pa, bin, &area))
		return false;
	if (!pcpu_bin_has_room(pa, bin, pcpu_slots_to_bytes(area.nr_slots))) {
		top = min(READ_ONCE(bin->top), PCPU_CACHE_DEPTH);
		if (!may_spill || top <= PCPU_SPILL_AREAS)
			return false;
		WRITE_ONCE(bin->top, top - PCPU_SPILL_AREAS);
		pcpu_size_count(area.nr_slots, PCPU_SIZE_SPILL, 1);
		pcpu_depot_give(pa, bin, top - PCPU_SPILL_AREAS, area.nr_slots);
	}
	return pcpu_bin_push(bin, pcpu_area_addr(&area));
}

/* Put areas [@first, @nr) of a run at hand, so that the lowest is handed out first. */
static void pcpu_bin_fill(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			  const struct pcpu_request *req, unsigned int nr, unsigned int first)
{
	struct pcpu_area next = req->area;

	pcpu_note_line_cpu(pa, req->nr_slots);
	for (next.slot += nr * req->nr_slots; nr > first; nr--) {
		next.slot -= req->nr_slots;
		if (!pcpu_bin_has_room(pa, bin, req->want.size_bytes) ||
		    !pcpu_bin_keep(pa, bin, pcpu_area_addr(&next)))
			pcpu_cache_return(pa, &next, 1);
	}
}

/* If this CPU's bin refused the area before: what takes its place has a line of this CPU's. */
static bool pcpu_bin_serve_moved(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_bin *bin;

	if (!IS_ENABLED(CONFIG_SMP) || !READ_ONCE(pa->lines_wanted))
		return false;
	bin = pcpu_bin_of(req->nr_slots);
	if (!bin || !(READ_ONCE(bin->nr_moves) % 2) || pcpu_bin_in_use(bin) ||
	    !pcpu_chunk_take_in_line(pa, req))
		return false;
	WRITE_ONCE(bin->nr_moves, READ_ONCE(bin->nr_moves) + 1);
	pcpu_size_count(req->nr_slots, PCPU_SIZE_MISS, 1);
	return true;
}

/**
 * pcpu_cache_refill - take several areas for a bin that has run dry
 * @pa: the allocator
 * @req: a request that found nothing at hand; the first area is its own
 *
 * From the depot, if that has some; else side by side from the chunks.
 *
 * Context: any but NMI; takes the lock.
 * Return: true if the request is served
 */
bool pcpu_cache_refill(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	unsigned int size_bytes = req->want.size_bytes, nr;
	bool may_run = pcpu_chunk_may_run(pa, req->nr_slots);
	struct pcpu_bin *bin;

	if (req->want.reserved)
		return false;
	if (pcpu_bin_serve_moved(pa, req))
		return true;
	if (pcpu_depot_serve(pa, req))
		return true;
	bin = pcpu_bin_of(req->nr_slots);
	/* Where things only grow, no bin is made that of another size for it. */
	if (!bin && may_run)
		bin = pcpu_bin_for(pa, &req->want, false);
	if (!bin)
		return false;
	WRITE_ONCE(bin->nr_misses, READ_ONCE(bin->nr_misses) + 1);
	/* A few requests do not make a habit, but of what is tiny; side by side is not aligned. */
	if (!may_run ||
	    (READ_ONCE(bin->nr_misses) < PCPU_REFILL_MISSES &&
	     req->nr_slots > PCPU_TINY_SLOTS) ||
	    !IS_ALIGNED(size_bytes, req->want.align_bytes) ||
	    !pcpu_bin_may_grow(pa, bin, size_bytes))
		return false;
	nr = pcpu_refill_areas(pa, bin, size_bytes);
	if (nr < 2)
		return false;
	nr = pcpu_chunk_take_run(pa, req, nr);
	if (!nr)
		return false;
	pcpu_size_count(req->nr_slots, PCPU_SIZE_MISS, 1);
	pcpu_size_count(req->nr_slots, PCPU_SIZE_REFILL, 1);
	pcpu_size_count(req->nr_slots, PCPU_SIZE_REFILLED, nr - 1);
	/* The first is the request's own. */
	pcpu_bin_fill(pa, bin, req, nr, 1);
	return true;
}

/* Areas side by side as far as they are found, or one; no row is made present. */
static unsigned int pcpu_stock_take(struct pcpu_allocator *pa, struct pcpu_bin *bin,
				    struct pcpu_request *req)
{
	unsigned int size_bytes = req->want.size_bytes, nr;

	if (IS_ALIGNED(size_bytes, req->want.align_bytes)) {
		nr = pcpu_chunk_take_run(pa, req, pcpu_refill_areas(pa, bin, size_bytes));
		if (nr)
			return nr;
	}
	return pcpu_chunk_alloc(pa, req) ? 0 : 1;
}

/**
 * pcpu_cache_stock - put areas at hand for callers that cannot take the lock
 * @pa: the allocator
 * @req: what they miss; may not populate, and wants all areas of a run
 *
 * Another size makes way for it, if it has to.
 *
 * Context: any but NMI; takes the lock.
 * Return: false if there is no area for it, or no bin; true if there is only no budget
 */
bool pcpu_cache_stock(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_bin *bin = pcpu_bin_for(pa, &req->want, true);
	unsigned int nr;

	if (!bin)
		return false;
	/* Others will return some when the worker comes; memory would not help. */
	if (!pcpu_bin_may_grow(pa, bin, req->want.size_bytes))
		return true;
	nr = pcpu_stock_take(pa, bin, req);
	if (!nr)
		return false;
	pcpu_size_count(req->nr_slots, PCPU_SIZE_REFILL, 1);
	pcpu_size_count(req->nr_slots, PCPU_SIZE_REFILLED, nr);
	pcpu_bin_fill(pa, bin, req, nr, 0);
	/* Not idle when the worker looks next: who missed it has not come back yet. */
	WRITE_ONCE(bin->seen_hits, READ_ONCE(bin->nr_hits) - 1);
	return true;
}

/*
 * What does not suit and is of another size makes way.  If it is only not as well
 * aligned, it stays for the next request, and this one is not served from here.
 */
static bool pcpu_bin_refuse(struct pcpu_allocator *pa, struct pcpu_bin *bin,
			    const struct pcpu_want *want, struct pcpu_area *area)
{
	bool misaligned = pcpu_slots_to_bytes(area->nr_slots) == want->size_bytes;

	if (!misaligned || !bin || !pcpu_bin_keep(pa, bin, pcpu_area_addr(area)))
		pcpu_cache_return(pa, area, 1);
	return misaligned;
}

/**
 * pcpu_cache_get_slow - pcpu_cache_get() where it is not all that simple
 * @pa: the allocator
 * @want: what is wanted
 * @area: an area that turned out not to suit, or its chunk is NULL
 *
 * Context: any but NMI; takes the lock to return areas of another size.
 * Return: as there
 */
struct pcpu_area pcpu_cache_get_slow(struct pcpu_allocator *pa, struct pcpu_want want,
				     struct pcpu_area area)
{
	struct pcpu_bin *bin = pcpu_bin_of(want.size_bytes >> PCPU_MIN_ALLOC_SHIFT);
	unsigned long addr;

	for (;;) {
		if (area.chunk && pcpu_bin_refuse(pa, bin, &want, &area))
			return (struct pcpu_area){};
		area.chunk = NULL;
		if (!bin || !READ_ONCE(bin->top))
			return area;
		addr = pcpu_bin_pop(bin);
		if (!addr || WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, &area)))
			continue;
		if (pcpu_area_suits(&area, addr, &want)) {
			WRITE_ONCE(bin->nr_hits, READ_ONCE(bin->nr_hits) + 1);
			return area;
		}
	}
}

static bool pcpu_cache_drain_one(struct pcpu_allocator *pa, struct pcpu_cache *cache)
{
	bool drained = false;
	unsigned int i;

	for (i = 0; i < PCPU_CACHE_BINS; i++) {
		if (READ_ONCE(cache->bin[i].nr_slots))
			drained |= pcpu_bin_drain(pa, &cache->bin[i]);
	}
	return drained;
}

/**
 * pcpu_cache_drain - return what is at hand to the chunks
 * @pa: the allocator
 * @all_cpus: of every CPU, not only of the one it runs on; the depot's in either case
 *
 * Context: any but NMI, with @all_cpus it may sleep; takes the lock for a few
 * areas at a time.
 * Return: true if there was anything
 */
bool pcpu_cache_drain(struct pcpu_allocator *pa, bool all_cpus)
{
	bool drained = false;
	unsigned int cpu;

	if (!READ_ONCE(pa->cache_max_bytes))
		return false;
	if (!all_cpus)
		drained = pcpu_cache_drain_one(pa, raw_cpu_ptr(&pcpu_caches));
	for_each_possible_cpu(cpu) {
		if (!all_cpus)
			break;
		drained |= pcpu_cache_drain_one(pa, &per_cpu(pcpu_caches, cpu));
		cond_resched();
	}
	if (pcpu_depot_cache())
		drained |= pcpu_cache_drain_one(pa, pcpu_depot_cache());
	return drained;
}

/* Put what is in [from, DEPTH) side by side at the bottom; the number of entries there. */
static unsigned int pcpu_bin_move_down(struct pcpu_allocator *pa, struct pcpu_bin *bin,
				       unsigned int from)
{
	unsigned int to = 0;

	for (; from < PCPU_CACHE_DEPTH; from++) {
		unsigned long addr = pcpu_entry_take(&bin->entry[from]);

		if (!addr)
			continue;
		/* Those that were put meanwhile stay where they are. */
		while (to < PCPU_CACHE_DEPTH && cmpxchg(&bin->entry[to], 0UL, addr))
			to++;
		if (to < PCPU_CACHE_DEPTH)
			to++;
		else
			pcpu_return_addr(pa, addr);
	}
	return to;
}

/* Return what it has of the budget beyond @keep_bytes. */
static void pcpu_bin_return_budget(struct pcpu_allocator *pa, struct pcpu_bin *bin,
				   int keep_bytes)
{
	int bytes = atomic_read(&bin->budget_bytes);

	while (bytes > keep_bytes)
		if (atomic_try_cmpxchg(&bin->budget_bytes, &bytes, keep_bytes)) {
			atomic_add(bytes - keep_bytes, &pa->cache_budget_bytes);
			break;
		}
}

/*
 * Halve what a bin in use holds.  The bottom of a stack is not reached by those who take
 * and put in turn, and would keep its rows, and its part of the budget, for good.
 * It keeps some of the budget, so the worker comes again.
 */
static void pcpu_bin_trim(struct pcpu_allocator *pa, struct pcpu_bin *bin)
{
	unsigned int size_bytes = pcpu_slots_to_bytes(READ_ONCE(bin->nr_slots));
	unsigned int i, nr_held = 0, nr_go, to;

	for (i = 0; i < PCPU_CACHE_DEPTH; i++)
		nr_held += !!READ_ONCE(bin->entry[i]);
	nr_go = nr_held / 2;
	for (i = 0; i < PCPU_CACHE_DEPTH && nr_go; i++)
		nr_go -= !!READ_ONCE(bin->entry[i]);
	pcpu_bin_spill_range(pa, bin, 0, i);
	to = pcpu_bin_move_down(pa, bin, i);
	WRITE_ONCE(bin->top, to);
	pcpu_bin_return_budget(pa, bin, max(to, 1U) * size_bytes);
	/* A request that is about to fail may have drained it meanwhile. */
	pcpu_bin_recheck(pa, bin);
}

/* Has it served since the worker looked last? */
static bool pcpu_bin_is_idle(struct pcpu_bin *bin)
{
	unsigned long nr_hits = READ_ONCE(bin->nr_hits);
	bool idle = nr_hits == READ_ONCE(bin->seen_hits);

	WRITE_ONCE(bin->seen_hits, nr_hits);
	return idle;
}

/* Drain the bins that are not in use, and halve the others.  True if one is left. */
static bool pcpu_cache_age_one(struct pcpu_allocator *pa, struct pcpu_cache *cache)
{
	bool left = false;
	unsigned int i;

	for (i = 0; i < PCPU_CACHE_BINS; i++) {
		if (!pcpu_bin_in_use(&cache->bin[i])) {
			/* An interrupted pop may have hidden what was put meanwhile. */
			if (READ_ONCE(cache->bin[i].nr_slots))
				pcpu_bin_spill(pa, &cache->bin[i], 0);
			continue;
		}
		if (pcpu_bin_is_idle(&cache->bin[i])) {
			pcpu_bin_drain(pa, &cache->bin[i]);
		} else {
			pcpu_bin_trim(pa, &cache->bin[i]);
			left = true;
		}
	}
	return left;
}

/* The same for the depot's. */
static bool pcpu_depot_age(struct pcpu_allocator *pa)
{
	if (!pcpu_depot_cache())
		return false;
	WRITE_ONCE(pa->lines_wanted, false);
	WRITE_ONCE(pa->depot_used, false);
	/* Who gives it something meanwhile is seen behind this, or sees that; see there. */
	smp_mb();
	if (!pcpu_cache_age_one(pa, pcpu_depot_cache()))
		return false;
	WRITE_ONCE(pa->depot_used, true);
	return true;
}

/**
 * pcpu_cache_age - drain the bins that are not in use, and halve the others
 * @pa: the allocator
 *
 * Context: the worker.
 * Return: true if a bin is left to be looked at later
 */
bool pcpu_cache_age(struct pcpu_allocator *pa)
{
	bool left = false;
	unsigned int cpu;

	if (!READ_ONCE(pa->cache_max_bytes))
		return false;
	for_each_possible_cpu(cpu) {
		left |= pcpu_cache_age_one(pa, &per_cpu(pcpu_caches, cpu));
		cond_resched();
	}
	left |= pcpu_depot_age(pa);
	return left;
}

static void pcpu_figures_add(struct pcpu_cache_figures *sum, const struct pcpu_cache *cache)
{
	unsigned int i, j;

	for (i = 0; i < PCPU_CACHE_BINS; i++) {
		const struct pcpu_bin *bin = &cache->bin[i];

		sum->nr_hits += pcpu_bin_own_hits(bin);
		for (j = 0; j < PCPU_CACHE_DEPTH; j++)
			sum->nr_held += !!READ_ONCE(bin->entry[j]);
	}
}

/**
 * pcpu_cache_count - figures for debugfs
 * @pa: the allocator
 *
 * Return: sums over the bins of all CPUs and of the depot, approximately
 */
struct pcpu_cache_figures pcpu_cache_count(struct pcpu_allocator *pa)
{
	struct pcpu_cache_figures sum = { .nr_held = pcpu_kasan_nr_held(pa) };
	unsigned int cpu;

	if (!READ_ONCE(pa->cache_max_bytes))
		return sum;
	for_each_possible_cpu(cpu)
		pcpu_figures_add(&sum, &per_cpu(pcpu_caches, cpu));
	if (pcpu_depot_cache())
		pcpu_figures_add(&sum, pcpu_depot_cache());
	return sum;
}

/**
 * pcpu_cache_enable - begin to keep freed areas at hand
 * @pa: the allocator, pcpu_main
 * @ram_pages: memory of the machine
 *
 * The bins of all CPUs and of the depot together hold at most 256 KiB of each unit, and
 * 1/512 of memory, but for what CPUs that put while a bin is drained add.
 *
 * Context: once the worker runs, which drains them.
 */
void pcpu_cache_enable(struct pcpu_allocator *pa, unsigned long ram_pages)
{
	unsigned long share_pages = (ram_pages >> PCPU_CACHE_RAM_SHIFT) / pa->geo.nr_cpus;

	share_pages = min(share_pages, PCPU_CACHE_TOTAL_BYTES >> PAGE_SHIFT);
	pa->line_cpu = PCPU_NO_CPU;
	pa->cache_total_bytes = share_pages << PAGE_SHIFT;
	atomic_set(&pa->cache_budget_bytes, pa->cache_total_bytes);
	WRITE_ONCE(pa->cache_max_bytes, PCPU_CACHE_MAX_BYTES);
}
