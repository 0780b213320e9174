// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-balance.c - the worker that keeps the allocator in balance
 *
 * It gives back rows that stay empty, destroys spare chunks beyond what it
 * keeps, makes rows present ahead of requests that cannot sleep, and builds
 * spare chunks so that such requests find address space and page tables.
 * Nobody waits for it.  It asks for memory with __GFP_NORETRY|__GFP_NOWARN
 * and tries again later where there is none, so it neither starts the OOM
 * killer nor touches the emergency reserve.
 *
 * Calls the chunk layer.  One pass at a time: @balance_work does not run twice
 * at once.  Holds no lock while it works.
 */
#include "percpu-internal.h"

#define PCPU_BALANCE_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

/* Empty rows: below LOW the worker is called, and it fills up to at least MIN. */
#define PCPU_RESERVE_LOW_ROWS	2U
#define PCPU_RESERVE_MIN_ROWS	4U
#define PCPU_RESERVE_MAX_ROWS	64U

/* Room that spare chunks keep for requests that cannot sleep, per unit. */
#define PCPU_SPARE_BYTES	SZ_1M
/* Spare chunks, and the reserve, may cost this part of memory each. */
#define PCPU_SPARE_RAM_SHIFT	10

/* How long rows must lie empty, roughly, before their pages are given back. */
#define PCPU_IDLE_DELAY		(HZ / 2)
#define PCPU_RETRY_DELAY	(HZ / 10)

/**
 * pcpu_balance_kick - ask for a pass of the worker
 * @pa: the allocator
 * @urgent: now, rather than when things have been quiet for a moment
 *
 * Context: any but NMI.  Before workqueues exist it does nothing.
 */
void pcpu_balance_kick(struct pcpu_allocator *pa, bool urgent)
{
	unsigned long delay = PCPU_IDLE_DELAY;

	if (!READ_ONCE(pa->balance_enabled))
		return;
	if (urgent) {
		unsigned long retry = READ_ONCE(pa->balance_retry);

		delay = time_before(jiffies, retry) ? retry - jiffies : 0;
		if (!delay) {
			mod_delayed_work(system_dfl_wq, &pa->balance_work, 0);
			return;
		}
	}
	queue_delayed_work(system_dfl_wq, &pa->balance_work, delay);
}

/* Chunks that come with their pages are kept only where the reserve needs one. */
static bool pcpu_balance_wants_chunk(const struct pcpu_allocator *pa)
{
	if (pa->backend->rows_fixed &&
	    pcpu_peek(&pa->nr_empty_rows) >= PCPU_RESERVE_MIN_ROWS)
		return false;
	return pcpu_peek(&pa->nr_spare_chunks) < pa->spare_chunks;
}

/**
 * pcpu_balance_after_alloc - kick the worker if a request left too little
 * @pa: the allocator
 * @req: the request, served or failed
 *
 * Context: any but NMI, no lock.  Reads counters without it: a late or a
 * needless kick does no harm.
 */
void pcpu_balance_after_alloc(struct pcpu_allocator *pa, const struct pcpu_request *req)
{
	bool low_rows = pcpu_peek(&pa->nr_empty_rows) < PCPU_RESERVE_LOW_ROWS;

	if (low_rows || pcpu_balance_wants_chunk(pa) || (req->fail && !req->may_block))
		pcpu_balance_kick(pa, true);
}

/* Spare chunks to leave: one more than is filled up to, so that the border costs no work. */
static unsigned int pcpu_balance_keep_chunks(const struct pcpu_allocator *pa)
{
	return pa->spare_chunks + !pa->backend->rows_fixed;
}

/* True if something waits to be given back.  Rows of the first chunk never are. */
static bool pcpu_balance_has_surplus(const struct pcpu_allocator *pa)
{
	unsigned int nr_rows = pcpu_peek(&pa->nr_empty_rows);

	if (pcpu_peek(&pa->nr_spare_chunks) > pcpu_balance_keep_chunks(pa))
		return true;
	return !pa->backend->rows_fixed && nr_rows > READ_ONCE(pa->reserve_rows) &&
	       !(pa->first && nr_rows <= pcpu_peek(&pa->first->nr_empty_rows));
}

/**
 * pcpu_balance_after_free - kick the worker if a free left too much
 * @pa: the allocator
 *
 * Context: any but NMI, no lock.
 */
void pcpu_balance_after_free(struct pcpu_allocator *pa)
{
	if (pcpu_balance_has_surplus(pa))
		pcpu_balance_kick(pa, false);
}

/*
 * Follow what requests that cannot sleep used since the last pass: up at once,
 * down by halves.
 */
static void pcpu_balance_adapt(struct pcpu_allocator *pa)
{
	unsigned int used, rows = pa->reserve_rows / 2;
	unsigned long flags;

	spin_lock_irqsave(&pa->lock, flags);
	used = pa->nonblock_rows;
	pa->nonblock_rows = 0;
	spin_unlock_irqrestore(&pa->lock, flags);

	WRITE_ONCE(pa->reserve_rows, clamp(max(used, rows), PCPU_RESERVE_MIN_ROWS,
					   pa->reserve_max_rows));
}

static void pcpu_balance_shrink(struct pcpu_allocator *pa)
{
	do {
		while (pcpu_chunk_retire_spare(pa, pcpu_balance_keep_chunks(pa)))
			cond_resched();
		cond_resched();
	} while (!pa->backend->rows_fixed &&
		 pcpu_chunk_give_back(pa, pa->reserve_rows, UINT_MAX));
}

static bool pcpu_balance_add_chunk(struct pcpu_allocator *pa)
{
	struct pcpu_request req;

	pcpu_request_init(&req, PCPU_BALANCE_GFP);
	if (pcpu_request_get_chunk(pa, &req))
		return false;
	pcpu_chunk_add_new(pa, &req);
	return true;
}

static bool pcpu_balance_add_row(struct pcpu_allocator *pa)
{
	struct pcpu_request req;
	bool added;

	pcpu_request_init(&req, PCPU_BALANCE_GFP);
	if (pcpu_request_get_rows(pa, &req, 1))
		return false;
	added = pcpu_chunk_add_row(pa, &req);
	pcpu_request_drop(&req);
	return added;
}

static bool pcpu_balance_fill(struct pcpu_allocator *pa)
{
	while (pcpu_balance_wants_chunk(pa)) {
		if (!pcpu_balance_add_chunk(pa))
			return false;
		cond_resched();
	}
	if (pa->backend->rows_fixed)
		return true;
	while (READ_ONCE(pa->nr_empty_rows) < pa->reserve_rows) {
		if (!pcpu_balance_add_row(pa))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * pcpu_balance_pass - bring reserve and spares to what they should be
 * @pa: the allocator
 *
 * Context: may sleep; not twice at once.
 * Return: true if another pass should follow after a while: the reserve is
 * still larger than its minimum, or memory was short
 */
bool pcpu_balance_pass(struct pcpu_allocator *pa)
{
	bool filled;

	pcpu_balance_adapt(pa);
	pcpu_balance_shrink(pa);
	filled = pcpu_balance_fill(pa);
	if (!filled)
		WRITE_ONCE(pa->balance_retry, jiffies + PCPU_RETRY_DELAY);
	if (IS_ENABLED(CONFIG_DEBUG_VM))
		pcpu_validate(pa);
	return !filled || pa->reserve_rows > PCPU_RESERVE_MIN_ROWS ||
	       pcpu_balance_has_surplus(pa);
}

static void pcpu_balance_workfn(struct work_struct *work)
{
	struct pcpu_allocator *pa = container_of(to_delayed_work(work), struct pcpu_allocator,
						 balance_work);

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
				     (unsigned long)PCPU_RESERVE_MIN_ROWS,
				     (unsigned long)PCPU_RESERVE_MAX_ROWS);
	pa->reserve_rows = PCPU_RESERVE_MIN_ROWS;
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
	WRITE_ONCE(pa->balance_enabled, true);
	pcpu_balance_kick(pa, true);
}

/* ---- memory pressure --------------------------------------------------------- */

static unsigned long pcpu_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pcpu_allocator *pa = shrinker->private_data;
	unsigned int nr_rows = pcpu_peek(&pa->nr_empty_rows);

	if (pa->backend->rows_fixed || nr_rows <= PCPU_RESERVE_MIN_ROWS)
		return SHRINK_EMPTY;
	return (unsigned long)(nr_rows - PCPU_RESERVE_MIN_ROWS) * pa->geo.nr_cpus;
}

/*
 * Unmapping needs a TLB flush and so a context of its own: reclaim asks the
 * worker and does not wait.
 */
static unsigned long pcpu_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pcpu_allocator *pa = shrinker->private_data;

	WRITE_ONCE(pa->reserve_rows, PCPU_RESERVE_MIN_ROWS);
	pcpu_balance_kick(pa, true);
	return SHRINK_STOP;
}

static int __init pcpu_balance_init(void)
{
	struct shrinker *shrinker;

	pcpu_balance_set_bounds(&pcpu_main, totalram_pages());
	pcpu_balance_enable(&pcpu_main);

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
