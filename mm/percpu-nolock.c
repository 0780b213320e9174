// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-nolock.c - areas for callers in any context, and frees that must wait
 *
 * __alloc_percpu_nolock() and free_percpu_nolock() are called from NMIs, with raw
 * spinlocks held, from hard interrupts on PREEMPT_RT, and by what traces the
 * allocator itself.  Here is what they may do:
 *
 *   1. An allocation takes an area that this CPU has at hand.  Where there is none,
 *      it tries the lock, once, and takes a place in present memory.  Else it fails.
 *   2. A free gives the area to this CPU's bin.  Where there is no room for it, or
 *      a hook is left that must not run here, it marks the area in its chunk's map
 *      of pending frees.  That takes two atomic operations and cannot fail.
 *   3. An irq_work on this CPU puts more areas at hand, from present memory, and has
 *      the worker run, which completes the frees and makes rows present.  A request
 *      that may sleep completes them, too, before it fails.
 *
 * Nothing here allocates, populates, waits, or takes a lock in another way than by
 * trying it.  So a burst that finds too little sees failures; it has what is present
 * and no more.
 *
 * An NMI may come in between any two instructions of all this, and of the cache
 * below: an entry of a bin, a bit of a map and the state of a chunk each change by
 * one atomic operation, which decides who owns what, and all else is a hint.
 *
 * How a chunk is found by who completes frees: who has marked an area puts the chunk
 * on a lockless list, unless it is there.  The other takes the list, lets all list a
 * chunk of it again, and then looks at the chunk's map; so a mark is seen by this look
 * or by a later one.  An area that is marked keeps its chunk.  But who completes may be
 * quicker than the one who marks, and release it; then the chunk can be gone, which its
 * state tells, and RCU keeps the memory that the state is in.
 *
 * Calls the cache, the chunk layer and the worker, which calls pcpu_pending_drain().
 *
 * The model of pending frees: tools/testing/percpu/model/pending.pml
 */
#include "percpu-internal.h"

/* With fewer areas at hand the irq_work is called for more. */
#define PCPU_NEAR_LOW		4U
/* Entries without an area that suits, until the chunks are asked. */
#define PCPU_NEAR_TRIES		4U
/* Pending frees that are completed under one hold of the lock. */
#define PCPU_PENDING_BATCH	16U

/**
 * struct pcpu_near - what keeps areas at hand on a CPU
 * @work: puts more of them there
 * @missed: A: sizes that were missed, see pcpu_missed_pack(), or 0; by the bin that
 *	they would have, so that none hides those of other bins, and the last one of
 *	sizes that no bin keeps
 */
struct pcpu_near {
	struct irq_work work;
	unsigned int missed[PCPU_CACHE_BINS + 1];
};

/* Of pcpu_main; other allocators have none. */
static DEFINE_PER_CPU_ALIGNED(struct pcpu_near, pcpu_nears);

/* ---- kicks ----------------------------------------------------------------------- */

/* Alignment is a power of two of slots, at most those of a page. */
static unsigned int pcpu_missed_pack(const struct pcpu_want *want)
{
	return (want->size_bytes >> PCPU_MIN_ALLOC_SHIFT) << 8 |
	       ilog2(want->align_bytes >> PCPU_MIN_ALLOC_SHIFT);
}

static struct pcpu_want pcpu_missed_unpack(unsigned int missed)
{
	unsigned int size_bytes = (missed >> 8) << PCPU_MIN_ALLOC_SHIFT;

	return (struct pcpu_want){
		.size_bytes = size_bytes,
#ifdef PCPU_KASAN
		.exact_bytes = size_bytes,
#endif
		.align_bytes = PCPU_MIN_ALLOC_SIZE << (missed & 0xff),
		.gfp = __GFP_NOWARN,
	};
}

static unsigned int pcpu_missed_index(struct pcpu_allocator *pa, const struct pcpu_want *want)
{
	if (want->size_bytes > READ_ONCE(pa->cache_max_bytes))
		return PCPU_CACHE_BINS;
	return hash_32(want->size_bytes >> PCPU_MIN_ALLOC_SHIFT, PCPU_CACHE_BIN_BITS);
}

/*
 * Have this CPU's irq_work run; @want is what it shall put at hand, or NULL, and may be what
 * was @served once more.
 */
static void pcpu_near_kick(struct pcpu_allocator *pa, const struct pcpu_want *want,
			   bool served)
{
	struct pcpu_near *near = raw_cpu_ptr(&pcpu_nears);
	unsigned int *missed;

	/* Pairs with pcpu_nolock_enable(). */
	if (!smp_load_acquire(&pa->nolock_enabled))
		return;
	if (want) {
		missed = &near->missed[pcpu_missed_index(pa, want)];
		/* Of those that failed the latest wins: one that fails again will say so. */
		if (!served || !READ_ONCE(*missed))
			WRITE_ONCE(*missed, pcpu_missed_pack(want));
	}
	irq_work_queue(&near->work);
}

/* What was missed is put at hand, as far as it is present, and more is asked for. */
static void pcpu_near_stock(struct pcpu_allocator *pa, unsigned int missed)
{
	struct pcpu_want want = pcpu_missed_unpack(missed);
	struct pcpu_request req;

	pcpu_request_init(&req, &want, __GFP_NOWARN | __GFP_NOMEMALLOC);
	req.may_populate = false;
	req.wants_all = true;
	if (!pcpu_cache_stock(pa, &req))
		req.fail = PCPU_FAIL_ROOM;
	pcpu_balance_after_alloc(pa, &req);
}

/* A hard interrupt, or on PREEMPT_RT a task.  Any CPU's bins will do. */
static void pcpu_near_work(struct irq_work *work)
{
	struct pcpu_near *near = container_of(work, struct pcpu_near, work);
	struct pcpu_allocator *pa = &pcpu_main;
	unsigned int i, missed;

	for (i = 0; i < ARRAY_SIZE(near->missed); i++) {
		missed = READ_ONCE(near->missed[i]) ? xchg(&near->missed[i], 0) : 0;
		if (missed)
			pcpu_near_stock(pa, missed);
	}
	if (!llist_empty(&pa->pending))
		pcpu_balance_kick(pa, true);
	pcpu_balance_if_low(pa);
	/* What was put at hand is to be looked after, even if its bin was drained since. */
	if (!READ_ONCE(pa->balance_drain))
		pcpu_balance_drain_later(pa);
}

/* ---- pending frees ----------------------------------------------------------------- */

/* Under RCU: an area of the chunk has been marked. */
static void pcpu_pending_list(struct pcpu_allocator *pa, struct pcpu_chunk *chunk)
{
	if (atomic_cmpxchg(&chunk->pending_state, PCPU_PENDING_IDLE,
			   PCPU_PENDING_LISTED) == PCPU_PENDING_IDLE)
		llist_add(&chunk->pending_node, &pa->pending);
}

/* Leave an area to the worker.  It is not the caller's any more. */
static void pcpu_pending_mark(struct pcpu_allocator *pa, const struct pcpu_area *area)
{
	rcu_read_lock();
	atomic_inc(&pa->nr_pending);
	/* Fully ordered: what was written of the object before, and the state after. */
	WARN_ON_ONCE(test_and_set_bit(area->slot, area->chunk->pending));
	pcpu_pending_list(pa, area->chunk);
	rcu_read_unlock();
}

/* Take marked areas out of a chunk that is off the list.  Under RCU. */
static unsigned int pcpu_pending_take_from(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
					   struct pcpu_area *areas)
{
	struct pcpu_area_map *map = &chunk->map;
	unsigned int slot = 0, nr = 0;

	/* Fully ordered: who does not list it again has set its mark before. */
	atomic_xchg(&chunk->pending_state, PCPU_PENDING_IDLE);
	for (;; slot++) {
		/* Racy: who marks another lists the chunk again. */
		slot = data_race(find_next_bit(chunk->pending, map->nr_slots, slot));
		if (slot >= map->nr_slots)
			break;
		if (nr == PCPU_PENDING_BATCH) {
			/* Its marked area keeps it, and if another has taken that, RCU does. */
			pcpu_pending_list(pa, chunk);
			break;
		}
		if (!test_and_clear_bit(slot, chunk->pending))
			continue;
		areas[nr++] = (struct pcpu_area){ chunk, slot, pcpu_area_length(map, slot) };
	}
	atomic_sub(nr, &pa->nr_pending);
	return nr;
}

/* Take marked areas out of each chunk of a list that no one else has. */
static unsigned int pcpu_pending_drain_list(struct pcpu_allocator *pa, struct llist_node *list)
{
	struct pcpu_area areas[PCPU_PENDING_BATCH];
	struct pcpu_chunk *chunk, *next;
	unsigned int nr, i, nr_drained = 0;

	/* Each is marked as listed, so it is there until that changes. */
	llist_for_each_entry_safe(chunk, next, list, pending_node) {
		rcu_read_lock();
		nr = pcpu_pending_take_from(pa, chunk, areas);
		rcu_read_unlock();
		nr_drained += nr;
		for (i = 0; i < nr; i++)
			pcpu_object_settle(&areas[i]);
		if (nr)
			pcpu_cache_release(pa, areas, nr);
		cond_resched();
	}
	return nr_drained;
}

/**
 * pcpu_pending_drain - complete as many frees as are pending
 * @pa: the allocator
 *
 * Areas go to their chunks, past the bins: so one that is marked cannot become live
 * while somebody has the lock.  For those that are marked meanwhile it does not go on,
 * as that might have no end: what is left is for the worker, which it calls.
 *
 * Context: may sleep; takes the lock.  Several may do it at once.
 * Return: true if there were any
 */
bool pcpu_pending_drain(struct pcpu_allocator *pa)
{
	int budget = atomic_read(&pa->nr_pending);
	unsigned int nr;
	bool drained = false;

	while (!llist_empty(&pa->pending)) {
		nr = pcpu_pending_drain_list(pa, llist_del_all(&pa->pending));
		drained |= nr;
		/* A chunk can be listed that has nothing any more. */
		budget -= max(nr, 1U);
		if (budget <= 0)
			break;
	}
	/* Who marked what is left may have found the list empty, and called nobody. */
	if (!llist_empty(&pa->pending))
		pcpu_balance_kick(pa, true);
	return drained;
}

/* ---- what the door calls ------------------------------------------------------------- */

/*
 * May the lock be tried?  On UP a lock that is tried is always had, but as it is held
 * with interrupts disabled, nobody can be inside where they are enabled.  On
 * PREEMPT_RT its release may wake a task, so it is not tried where the scheduler's
 * locks may be held.
 */
static bool pcpu_may_trylock(void)
{
	if (!can_spin_trylock())
		return false;
	if (IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_PREEMPT_RT))
		return true;
	return !irqs_disabled();
}

/* From this CPU's bin.  As pcpu_cache_get(), but what does not suit is left alone. */
static bool pcpu_near_take(struct pcpu_allocator *pa, const struct pcpu_want *want,
			   struct pcpu_area *area)
{
	unsigned int nr_slots = want->size_bytes >> PCPU_MIN_ALLOC_SHIFT;
	struct pcpu_bin *bin = pcpu_bin_of(nr_slots);
	unsigned int nr_left = PCPU_NEAR_TRIES;
	unsigned long addr;

	if (!bin)
		return false;
	while (nr_left-- && READ_ONCE(bin->top)) {
		addr = pcpu_bin_pop(bin);
		if (!addr || WARN_ON_ONCE(!pcpu_chunk_of_area(pa, addr, area)))
			continue;
		if (pcpu_area_suits(area, addr, want)) {
			WRITE_ONCE(bin->nr_hits, READ_ONCE(bin->nr_hits) + 1);
			if (READ_ONCE(bin->top) < PCPU_NEAR_LOW)
				pcpu_near_kick(pa, want, true);
			return true;
		}
		/* Badly aligned, which another request may not mind; or of another size. */
		if (area->nr_slots == nr_slots && pcpu_bin_push(bin, addr))
			break;
		pcpu_size_count(area->nr_slots, PCPU_SIZE_RETURNED, 1);
		pcpu_pending_mark(pa, area);
	}
	return false;
}

/* From present memory, if the lock is free. */
static bool pcpu_near_try_chunks(struct pcpu_allocator *pa, const struct pcpu_want *want,
				 struct pcpu_area *area)
{
	struct pcpu_request req;

	if (!pcpu_may_trylock())
		return false;
	pcpu_request_init(&req, want, want->gfp);
	if (!pcpu_chunk_try_alloc(pa, &req))
		return false;
	pcpu_size_count(req.nr_slots, PCPU_SIZE_MISS, 1);
	*area = req.area;
	return true;
}

/**
 * pcpu_nolock_get - an area for a caller in any context
 * @pa: the allocator, pcpu_main
 * @want: what is wanted
 *
 * Context: any.
 * Return: an area, which is not live; its chunk is NULL if there is none
 */
struct pcpu_area pcpu_nolock_get(struct pcpu_allocator *pa, const struct pcpu_want *want)
{
	struct pcpu_area area = {};
	bool taken;

	if (pcpu_near_take(pa, want, &area))
		return area;
	taken = pcpu_near_try_chunks(pa, want, &area);
	/* So that the next finds it at hand, or, if it is too large for that, present. */
	if (!taken || want->size_bytes <= READ_ONCE(pa->cache_max_bytes))
		pcpu_near_kick(pa, want, taken);
	else if (pcpu_peek(&pa->nr_empty_rows) < PCPU_RESERVE_LOW_ROWS)
		pcpu_near_kick(pa, NULL, true);
	return taken ? area : (struct pcpu_area){};
}

/**
 * pcpu_nolock_put - take an area back in any context
 * @pa: the allocator, pcpu_main
 * @area: the caller's area, not live
 * @may_keep: no hook is left, so that it can be handed out at once
 *
 * Context: any.
 */
void pcpu_nolock_put(struct pcpu_allocator *pa, const struct pcpu_area *area, bool may_keep)
{
	if (may_keep && pcpu_cache_try_put(pa, *area)) {
		if (!READ_ONCE(pa->balance_drain))
			pcpu_near_kick(pa, NULL, true);
		return;
	}
	pcpu_pending_mark(pa, area);
	pcpu_near_kick(pa, NULL, true);
}

/**
 * pcpu_nolock_enable - let calls in any context have areas put at hand
 * @pa: the allocator, pcpu_main
 *
 * Context: boot, once the worker runs.
 */
void pcpu_nolock_enable(struct pcpu_allocator *pa)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		init_irq_work(&per_cpu(pcpu_nears, cpu).work, pcpu_near_work);
	/* Pairs with pcpu_near_kick(). */
	smp_store_release(&pa->nolock_enabled, true);
	/* Who lists a chunk from here on sees it, or is seen here. */
	smp_mb();
	if (!llist_empty(&pa->pending))
		pcpu_balance_kick(pa, true);
}

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * pcpu_nolock_flush - wait for the irq_work of all CPUs
 *
 * Context: may sleep.
 */
void pcpu_nolock_flush(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu(pcpu_nears, cpu).work);
}
EXPORT_SYMBOL_IF_KUNIT(pcpu_nolock_flush);
#endif
