// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-balance.c - the worker that keeps the allocator in balance
 *
 * It gives back rows that stay empty, destroys spare chunks beyond what it
 * keeps, makes rows present ahead of requests that cannot sleep, and builds
 * spare chunks so that such requests find address space and page tables.  It
 * completes frees that were made where they could not be.  Nobody waits for it.
 * It asks for memory with __GFP_NORETRY|__GFP_NOWARN, which never starts the OOM
 * killer, and where there is none it tries again later, ever less often.
 *
 * Calls the cache and the chunk layer.  One pass at a time: @balance_work does not run twice
 * at once.  Holds no lock while it works.
 */
#include "percpu-internal.h"

#define PCPU_BALANCE_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

/* Empty rows: the worker is called below PCPU_RESERVE_LOW_ROWS, and fills up to MIN at least. */
#define PCPU_RESERVE_MIN_ROWS	4U
#define PCPU_RESERVE_MAX_ROWS	64U
/* The minimum where requests that cannot sleep are served from it alone. */
#define PCPU_RESERVE_BLIND_ROWS	16U

/* Room that spare chunks keep for requests that cannot sleep, per unit. */
#define PCPU_SPARE_BYTES	SZ_1M
/* Spare chunks, and the reserve, may cost this part of memory each. */
#define PCPU_SPARE_RAM_SHIFT	10

/* Give-back and decay happen no more often than this. */
#define PCPU_IDLE_DELAY		(HZ / 2)
/* After a failure to fill, the first and the longest pause. */
#define PCPU_BACKOFF_MIN	(HZ / 10)
#define PCPU_BACKOFF_MAX	(60UL * HZ)
#define PCPU_VALIDATE_EVERY	(10UL * HZ)

static unsigned int pcpu_reserve_min_rows(const struct pcpu_allocator *pa)
{
	/* Fixed rows are not filled one by one, so there is no use in more. */
	if (pa->backend->maps_atomic || pa->backend->rows_fixed)
		return PCPU_RESERVE_MIN_ROWS;
	return PCPU_RESERVE_BLIND_ROWS;
}

/*
 * Is @stamp, which was at most @max_delay ahead when it was set, not in the future?  For any
 * age of it: a machine can be idle for longer than time_after() allows.
 */
static bool pcpu_balance_is_due(unsigned long stamp, unsigned long max_delay)
{
	return stamp - jiffies - 1 >= max_delay;
}

static bool pcpu_balance_backs_off(const struct pcpu_allocator *pa)
{
	return !pcpu_balance_is_due(READ_ONCE(pa->balance_retry), PCPU_BACKOFF_MAX);
}

static noinline void pcpu_balance_queue(struct pcpu_allocator *pa, bool urgent)
{
	/* Pairs with pcpu_balance_enable(): the work item is initialized. */
	if (!smp_load_acquire(&pa->balance_enabled))
		return;
	if (!urgent) {
		if (!delayed_work_pending(&pa->balance_work))
			queue_delayed_work(system_dfl_wq, &pa->balance_work, PCPU_IDLE_DELAY);
		return;
	}
	/*
	 * One of all CPUs that find it necessary takes the workqueue's locks.  The others
	 * rely on it, so it must not be preempted in between.
	 */
	preempt_disable();
	if (!xchg(&pa->balance_urgent, true))
		mod_delayed_work(system_dfl_wq, &pa->balance_work, 0);
	preempt_enable();
}

/**
 * pcpu_balance_kick - ask for a pass of the worker
 * @pa: the allocator
 * @urgent: now, rather than when things have been quiet for a moment
 *
 * Context: any but NMI.  Before workqueues exist it does nothing.
 */
void pcpu_balance_kick(struct pcpu_allocator *pa, bool urgent)
{
	if (!urgent || !pcpu_balance_is_called(pa))
		pcpu_balance_queue(pa, urgent);
}

/**
 * pcpu_balance_drain_later - have the worker look after what is kept at hand
 * @pa: the allocator
 *
 * Context: any but NMI, no lock.
 */
void pcpu_balance_drain_later(struct pcpu_allocator *pa)
{
	/*
	 * Ordered before the look at what is queued: either the worker that is
	 * about to begin sees the flag, or it is called once more.
	 */
	if (!xchg(&pa->balance_drain, true))
		pcpu_balance_kick(pa, false);
}

/* A refill, or a bin that has taken budget and not used it, tells nobody else. */
static void pcpu_balance_watch_cache(struct pcpu_allocator *pa)
{
	if (pcpu_cache_held_bytes(pa) && !READ_ONCE(pa->balance_drain))
		pcpu_balance_drain_later(pa);
}

/* Chunks that come with their pages are kept only where the reserve needs one. */
static bool pcpu_balance_wants_chunk(const struct pcpu_allocator *pa)
{
	if (pa->backend->rows_fixed &&
	    pcpu_peek(&pa->nr_empty_rows) >= PCPU_RESERVE_MIN_ROWS)
		return false;
	return pcpu_peek(&pa->nr_spare_chunks) < pa->spare_chunks;
}

static void pcpu_balance_note_missed(struct pcpu_allocator *pa, const struct pcpu_want *want)
{
	pa->missed.size_bytes = max(pa->missed.size_bytes, want->size_bytes);
	pa->missed.align_bytes = max(pa->missed.align_bytes, want->align_bytes);
}

/* To fill; where memory has just been refused the worker would not even ask. */
static __always_inline void pcpu_balance_kick_fill(struct pcpu_allocator *pa)
{
	if (!pcpu_balance_is_called(pa))
		pcpu_balance_queue(pa, !pcpu_balance_backs_off(pa));
}

/* What would have served a request: the next of its kind shall find that. */
static noinline void pcpu_balance_after_miss(struct pcpu_allocator *pa,
					     const struct pcpu_request *req)
{
	unsigned long flags;

	if (req->may_block)
		return;
	spin_lock_irqsave(&pa->lock, flags);
	pa->nonblock_rows += DIV_ROUND_UP(req->nr_slots, PCPU_ROW_SLOTS) + 1;
	if (!req->may_populate)
		pcpu_balance_note_missed(pa, &req->want);
	spin_unlock_irqrestore(&pa->lock, flags);
	pcpu_balance_kick_fill(pa);
}

/**
 * pcpu_balance_if_low - kick the worker if few rows or chunks are left
 * @pa: the allocator
 *
 * Context: any but NMI, no lock.
 */
void pcpu_balance_if_low(struct pcpu_allocator *pa)
{
	if (pcpu_peek(&pa->nr_empty_rows) < PCPU_RESERVE_LOW_ROWS || pcpu_balance_wants_chunk(pa))
		pcpu_balance_kick_fill(pa);
}

/**
 * pcpu_balance_after_alloc_slow - the rest of pcpu_balance_after_alloc()
 * @pa: the allocator
 * @req: the request, served or failed
 *
 * Context: as there.
 */
void pcpu_balance_after_alloc_slow(struct pcpu_allocator *pa, const struct pcpu_request *req)
{
	if (unlikely(req->fail))
		pcpu_balance_after_miss(pa, req);
	pcpu_balance_watch_cache(pa);
	pcpu_balance_if_low(pa);
}

/* Spare chunks to leave: one more than is filled up to, so that the border costs no work. */
static unsigned int pcpu_balance_keep_chunks(const struct pcpu_allocator *pa)
{
	return pa->spare_chunks + !pa->backend->rows_fixed;
}

static unsigned int pcpu_first_empty_rows(const struct pcpu_allocator *pa)
{
	return pa->first ? pcpu_peek(&pa->first->nr_empty_rows) : 0;
}

/* True if something waits to be given back.  Rows of the first chunk never are. */
static bool pcpu_balance_has_surplus(const struct pcpu_allocator *pa)
{
	unsigned int nr_rows = pcpu_peek(&pa->nr_empty_rows);

	if (pcpu_peek(&pa->nr_spare_chunks) > pcpu_balance_keep_chunks(pa))
		return true;
	return !pa->backend->rows_fixed && nr_rows > READ_ONCE(pa->reserve_rows) &&
	       nr_rows > pcpu_first_empty_rows(pa);
}

/**
 * pcpu_balance_after_free_slow - the rest of pcpu_balance_after_free()
 * @pa: the allocator
 *
 * Context: as there.
 */
void pcpu_balance_after_free_slow(struct pcpu_allocator *pa)
{
	if (!delayed_work_pending(&pa->balance_work) && pcpu_balance_has_surplus(pa))
		pcpu_balance_kick(pa, false);
	pcpu_balance_watch_cache(pa);
}

/*
 * Follow what requests that cannot sleep used since the last pass: up at once,
 * down by halves when it has been quiet.
 */
static void pcpu_balance_adapt(struct pcpu_allocator *pa, bool quiet)
{
	unsigned int used, rows = READ_ONCE(pa->reserve_rows);
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	used = pa->nonblock_rows;
	pa->nonblock_rows = 0;
	spin_unlock_irqrestore(&pa->lock, flags);

	if (quiet)
		rows /= 2;
	WRITE_ONCE(pa->reserve_rows, clamp(max(used, rows), pcpu_reserve_min_rows(pa),
					   pa->reserve_max_rows));
}

/*
 * No more than there was at the beginning: what others leave empty meanwhile is for
 * the next pass, as this one might have no end.
 */
static void pcpu_balance_shrink(struct pcpu_allocator *pa)
{
	unsigned int nr_chunks = pcpu_peek(&pa->nr_spare_chunks);
	unsigned int nr_rows = pcpu_peek(&pa->nr_empty_rows), nr;

	do {
		for (; nr_chunks; nr_chunks--) {
			if (!pcpu_chunk_retire_spare(pa, pcpu_balance_keep_chunks(pa)))
				break;
			cond_resched();
		}
		if (pa->backend->rows_fixed)
			break;
		nr = pcpu_chunk_give_back(pa, READ_ONCE(pa->reserve_rows), nr_rows);
		/* A row may be the last that a chunk had. */
		nr_rows -= nr;
		nr_chunks += nr;
		cond_resched();
	} while (nr);
}

static bool pcpu_balance_add_chunk(struct pcpu_allocator *pa)
{
	struct pcpu_request req;

	pcpu_request_init(&req, NULL, PCPU_BALANCE_GFP);
	if (pcpu_request_get_chunk(pa, &req))
		return false;
	pcpu_chunk_add_new(pa, &req);
	return true;
}

static bool pcpu_balance_add_row(struct pcpu_allocator *pa)
{
	struct pcpu_request req;
	bool added;

	pcpu_request_init(&req, NULL, PCPU_BALANCE_GFP);
	if (pcpu_request_get_rows(pa, &req, 1))
		return false;
	added = pcpu_chunk_add_row(pa, &req);
	pcpu_request_drop(&req);
	return added;
}

/*
 * For those that make no rows present, rows of the reserve that lie apart do not serve one
 * that needs several.  Make room for the largest that failed: take it, and leave it.
 */
static bool pcpu_balance_add_missed(struct pcpu_allocator *pa)
{
	struct pcpu_request req;
	struct pcpu_want missed;
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	missed = pa->missed;
	pa->missed = (struct pcpu_want){};
	missed.gfp = PCPU_BALANCE_GFP;
	spin_unlock_irqrestore(&pa->lock, flags);
	if (!missed.size_bytes)
		return true;

	pcpu_request_init(&req, &missed, PCPU_BALANCE_GFP);
	/* It is not the size of any request that was served. */
	req.want.size_bytes = 0;
	if (pcpu_chunk_alloc(pa, &req))
		return false;
	pcpu_chunk_release_one(pa, req.area);
	return true;
}

/*
 * A row may take the last spare chunk, so chunks are looked after before each.
 * Rows are filled even if no chunk can be built: the two need different things.
 * Where others take all as it comes, they will ask for more, and a pass has other work.
 */
static bool pcpu_balance_fill(struct pcpu_allocator *pa)
{
	unsigned int nr_left = pa->spare_chunks + 2 * pa->reserve_max_rows;
	bool chunks_filled = true, rows_filled = true;
	bool missed_filled = pcpu_balance_add_missed(pa);

	while (rows_filled) {
		for (; nr_left && chunks_filled && pcpu_balance_wants_chunk(pa); nr_left--) {
			chunks_filled = pcpu_balance_add_chunk(pa);
			cond_resched();
		}
		if (pa->backend->rows_fixed || !nr_left ||
		    pcpu_peek(&pa->nr_empty_rows) >= READ_ONCE(pa->reserve_rows))
			break;
		nr_left--;
		rows_filled = pcpu_balance_add_row(pa);
		cond_resched();
	}
	return chunks_filled && rows_filled && missed_filled;
}

/* Try, and after a failure not again for a while that doubles each time. */
static void pcpu_balance_try_fill(struct pcpu_allocator *pa)
{
	if (pcpu_balance_backs_off(pa))
		return;
	if (pcpu_balance_fill(pa)) {
		pa->balance_backoff = 0;
		return;
	}
	pa->balance_backoff = clamp(2 * pa->balance_backoff, PCPU_BACKOFF_MIN,
				    PCPU_BACKOFF_MAX);
	WRITE_ONCE(pa->balance_retry, jiffies + pa->balance_backoff);
}

/* What is at hand: all of it under pressure, else what nobody used of late. */
static void pcpu_balance_drain(struct pcpu_allocator *pa, bool pressure)
{
	unsigned long flags;

	if (xchg(&pa->balance_drain, false)) {
		bool left = false;

		if (pressure) {
			pcpu_kasan_drain(pa);
			pcpu_cache_drain(pa, true);
		} else {
			left = pcpu_kasan_age(pa);
			left |= pcpu_cache_age(pa);
		}
		if (left)
			WRITE_ONCE(pa->balance_drain, true);
	}
	spin_lock_irqsave(&pa->lock, flags);
	pa->peak_areas = pa->counts.nr_alloc - pa->counts.nr_dealloc;
	spin_unlock_irqrestore(&pa->lock, flags);
}

/**
 * pcpu_balance_pass - bring reserve and spares to what they should be
 * @pa: the allocator
 *
 * Context: may sleep; not twice at once.
 * Return: true if another pass should follow after a while: something is left
 * to be completed, drained or given back, or the reserve is still larger than its minimum.  A
 * failure to fill waits for the next request that needs what is missing.
 */
bool pcpu_balance_pass(struct pcpu_allocator *pa)
{
	bool pressure = xchg(&pa->balance_pressure, false);
	bool quiet = pressure || pcpu_balance_is_due(pa->balance_shrink_at, PCPU_IDLE_DELAY);

	pcpu_pending_drain(pa);
	pcpu_balance_adapt(pa, quiet);
	if (quiet) {
		pcpu_balance_drain(pa, pressure);
		pcpu_balance_shrink(pa);
		pa->balance_shrink_at = jiffies + PCPU_IDLE_DELAY;
	}
	pcpu_balance_try_fill(pa);
	if (IS_ENABLED(CONFIG_DEBUG_VM) &&
	    pcpu_balance_is_due(pa->balance_validate_at, PCPU_VALIDATE_EVERY)) {
		pcpu_validate_chunks(pa);
		pa->balance_validate_at = jiffies + PCPU_VALIDATE_EVERY;
	}
	return READ_ONCE(pa->reserve_rows) > pcpu_reserve_min_rows(pa) ||
	       !llist_empty(&pa->pending) ||
	       READ_ONCE(pa->balance_drain) || pcpu_balance_has_surplus(pa);
}

static void pcpu_balance_workfn(struct work_struct *work)
{
	struct pcpu_allocator *pa = container_of(to_delayed_work(work), struct pcpu_allocator,
						 balance_work);

	WRITE_ONCE(pa->balance_urgent, false);
	if (pcpu_balance_pass(pa))
		pcpu_balance_kick(pa, false);
}

/**
 * pcpu_balance_set_bounds - bound what is kept ahead of need
 * @pa: the allocator
 * @ram_pages: memory of the machine
 *
 * Context: boot, or a test.
 */
void pcpu_balance_set_bounds(struct pcpu_allocator *pa, unsigned long ram_pages)
{
	unsigned long budget_pages = max(ram_pages >> PCPU_SPARE_RAM_SHIFT, 1UL);
	size_t chunk_bytes = pcpu_chunk_bytes(pa->geo.unit_pages, PCPU_HAS_EXT) +
			     pa->backend->chunk_overhead_bytes(pa);
	unsigned long affordable = budget_pages / DIV_ROUND_UP(chunk_bytes, PAGE_SIZE);
	unsigned int chunks = DIV_ROUND_UP(PCPU_SPARE_BYTES, pa->geo.unit_bytes);

	chunks = min3((unsigned long)chunks, affordable,
		      (unsigned long)pa->backend->max_spare_chunks(pa));
	pa->spare_chunks = max(chunks, 1U);
	pa->reserve_max_rows = clamp(budget_pages / pa->geo.nr_cpus,
				     (unsigned long)pcpu_reserve_min_rows(pa),
				     (unsigned long)PCPU_RESERVE_MAX_ROWS);
	pa->reserve_rows = pcpu_reserve_min_rows(pa);
	pa->balance_shrink_at = jiffies;
	pa->balance_validate_at = jiffies;
	pa->balance_retry = jiffies;
}

/**
 * pcpu_balance_enable - let the worker run
 * @pa: the allocator, its bounds set
 *
 * Context: once workqueues run; may sleep.
 */
void pcpu_balance_enable(struct pcpu_allocator *pa)
{
	INIT_DELAYED_WORK(&pa->balance_work, pcpu_balance_workfn);
	/* Pairs with pcpu_balance_kick(). */
	smp_store_release(&pa->balance_enabled, true);
	pcpu_balance_kick(pa, true);
}

/* ---- memory pressure --------------------------------------------------------- */

static unsigned long pcpu_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pcpu_allocator *pa = shrinker->private_data;
	unsigned int held_bytes = pcpu_cache_held_bytes(pa) + pcpu_kasan_held_bytes(pa);
	unsigned int nr_rows = held_bytes >> PAGE_SHIFT;
	unsigned int nr_empty = pcpu_peek(&pa->nr_empty_rows);
	unsigned int keep = max(pcpu_reserve_min_rows(pa), pcpu_first_empty_rows(pa));

	if (!pa->backend->rows_fixed && nr_empty > keep)
		nr_rows += nr_empty - keep;
	return nr_rows ? (unsigned long)nr_rows * pa->geo.nr_cpus : SHRINK_EMPTY;
}

/*
 * Unmapping needs a TLB flush and so a context of its own: reclaim asks the
 * worker and does not wait.
 */
static unsigned long pcpu_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pcpu_allocator *pa = shrinker->private_data;

	WRITE_ONCE(pa->reserve_rows, pcpu_reserve_min_rows(pa));
	if (pcpu_balance_has_surplus(pa) || READ_ONCE(pa->balance_drain)) {
		WRITE_ONCE(pa->balance_pressure, true);
		pcpu_balance_kick(pa, true);
	}
	return SHRINK_STOP;
}

static int __init pcpu_balance_init(void)
{
	struct shrinker *shrinker;

	pcpu_balance_set_bounds(&pcpu_main, totalram_pages());
	pcpu_balance_enable(&pcpu_main);
	pcpu_cache_enable(&pcpu_main, totalram_pages());
	pcpu_nolock_enable(&pcpu_main);
	pcpu_kasan_enable(&pcpu_main, totalram_pages());

	shrinker = shrinker_alloc(0, "percpu");
	if (!shrinker) {
		pr_warn("percpu: no memory for the shrinker; empty pages are given back when idle only\n");
		return 0;
	}
	shrinker->count_objects = pcpu_shrink_count;
	shrinker->scan_objects = pcpu_shrink_scan;
	shrinker->private_data = &pcpu_main;
	shrinker_register(shrinker);
	return 0;
}
subsys_initcall(pcpu_balance_init);
