// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-sizes.c - which sizes are allocated, and what /sys/kernel/debug/percpu_sizes shows
 *
 * Sizes are put into classes: each multiple of a slot up to 8 slots has its own,
 * above that there are four to each power of two, and one takes all over 32 KiB.
 * A class is named by the largest size in it.
 *
 * What happens away from the common pair is counted by CPU and class as it
 * happens.  A hit is part of the common pair, which must not pay for this: it is
 * counted in its bin, as ever, and comes here only when the bin becomes that of
 * another size.  So hits are approximate: one that an interrupt or another CPU
 * disturbs may get lost, or count for the size that the bin had before or has
 * after.  All other counts are exact.  They begin at boot and are never reset.
 *
 * Live objects are not counted at all, but found in the chunks' maps when the file
 * is read.  Where chunks come and go meanwhile, those that are there all the time
 * are counted once.
 *
 * Compiled with CONFIG_PERCPU_STATS.  Takes the allocator's lock to copy one chunk's
 * maps at a time; counting takes no lock.
 */
#define pr_fmt(fmt) "percpu: " fmt

#include "percpu-internal.h"

/* 0 to 3 are 1 to 4 slots; four to each power of two from there on, up to 8192. */
#define PCPU_SIZE_SUBSHIFT	2
#define PCPU_NR_SIZE_CLASSES	49
#define PCPU_LAST_SIZE_CLASS	(PCPU_NR_SIZE_CLASSES - 1)

/**
 * struct pcpu_size_counts - what happened on one CPU
 * @nr: A: by size class and kind of event
 *
 * 2.3 KiB where a long has 64 bits.
 */
struct pcpu_size_counts {
	atomic_long_t nr[PCPU_NR_SIZE_CLASSES][PCPU_NR_SIZE_EVENTS];
};

/* Of pcpu_main, the one that has bins. */
static DEFINE_PER_CPU_ALIGNED(struct pcpu_size_counts, pcpu_size_counts);

/**
 * struct pcpu_size_figures - what is shown of a size class
 * @nr_live: objects that were allocated and not freed
 * @live_slots: slots of each unit in them
 * @nr_held: areas at hand
 * @held_slots: slots of each unit in those
 * @nr: events by kind, on all CPUs
 */
struct pcpu_size_figures {
	u64 nr_live;
	u64 live_slots;
	u64 nr_held;
	u64 held_slots;
	unsigned long nr[PCPU_NR_SIZE_EVENTS];
};

/**
 * struct pcpu_size_table - all classes
 * @of: the figures of each
 * @lengths: room for the lengths of a chunk's areas
 */
struct pcpu_size_table {
	struct pcpu_size_figures of[PCPU_NR_SIZE_CLASSES];
	u8 lengths[];
};

/* ---- classes ----------------------------------------------------------------- */

static unsigned int pcpu_size_class(unsigned int nr_slots)
{
	unsigned int last = nr_slots - 1;
	unsigned int shift = max(fls(last), PCPU_SIZE_SUBSHIFT + 1) - PCPU_SIZE_SUBSHIFT - 1;

	return min((shift << PCPU_SIZE_SUBSHIFT) + (last >> shift), PCPU_LAST_SIZE_CLASS);
}

/* Of all classes but the last, which has no bound. */
static unsigned int pcpu_size_class_max_slots(unsigned int class)
{
	unsigned int shift = max(class >> PCPU_SIZE_SUBSHIFT, 1U) - 1;

	return (class + 1 - (shift << PCPU_SIZE_SUBSHIFT)) << shift;
}

/* ---- events -------------------------------------------------------------------- */

/**
 * pcpu_size_count - count events
 * @nr_slots: the size they concern
 * @event: their kind
 * @nr: how many
 *
 * Context: any, no lock.
 */
void pcpu_size_count(unsigned int nr_slots, enum pcpu_size_event event, unsigned long nr)
{
	/* Which CPU's does not matter, only the sum is shown. */
	struct pcpu_size_counts *counts = raw_cpu_ptr(&pcpu_size_counts);

	if (nr)
		atomic_long_add(nr, &counts->nr[pcpu_size_class(nr_slots)][event]);
}

/**
 * pcpu_size_total - events of a kind, of all sizes, on all CPUs
 * @event: the kind
 *
 * Of hits only those that no bin still counts, see pcpu_cache_count().
 *
 * Context: any, no lock.
 * Return: their number
 */
unsigned long pcpu_size_total(enum pcpu_size_event event)
{
	unsigned long sum = 0;
	unsigned int cpu, class;

	for_each_possible_cpu(cpu)
		for (class = 0; class < PCPU_NR_SIZE_CLASSES; class++)
			sum += atomic_long_read(&per_cpu(pcpu_size_counts, cpu).nr[class][event]);
	return sum;
}

/* ---- the table ------------------------------------------------------------------- */

static void pcpu_table_add_events(struct pcpu_size_table *table,
				  const struct pcpu_size_counts *counts)
{
	unsigned int class, event;

	for (class = 0; class < PCPU_NR_SIZE_CLASSES; class++)
		for (event = 0; event < PCPU_NR_SIZE_EVENTS; event++)
			table->of[class].nr[event] += atomic_long_read(&counts->nr[class][event]);
}

/* Areas that a bin has kept from the time when it had another size count as of its own. */
static void pcpu_table_add_bin(struct pcpu_size_table *table, const struct pcpu_bin *bin)
{
	unsigned int nr_slots = READ_ONCE(bin->nr_slots), i;
	struct pcpu_size_figures *figures;

	if (!nr_slots)
		return;
	figures = &table->of[pcpu_size_class(nr_slots)];
	figures->nr[PCPU_SIZE_HIT] += pcpu_bin_own_hits(bin);
	for (i = 0; i < PCPU_CACHE_DEPTH; i++) {
		if (READ_ONCE(bin->entry[i])) {
			figures->nr_held++;
			figures->held_slots += nr_slots;
		}
	}
}

static void pcpu_table_add_cache(struct pcpu_size_table *table, const struct pcpu_cache *cache)
{
	unsigned int i;

	for (i = 0; i < PCPU_CACHE_BINS; i++)
		pcpu_table_add_bin(table, &cache->bin[i]);
}

static void pcpu_table_add_cpus(struct pcpu_size_table *table)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		pcpu_table_add_events(table, &per_cpu(pcpu_size_counts, cpu));
		pcpu_table_add_cache(table, &per_cpu(pcpu_caches, cpu));
		cond_resched();
	}
	if (pcpu_depot_cache())
		pcpu_table_add_cache(table, pcpu_depot_cache());
}

static bool pcpu_table_copy_chunk(struct pcpu_allocator *pa, struct pcpu_size_table *table,
				  struct pcpu_walk *walk, struct pcpu_area_map *map)
{
	const struct pcpu_chunk *chunk;

	spin_lock_irq(&pa->lock);
	chunk = pcpu_walk_next(pa, walk);
	if (chunk) {
		*map = chunk->map;
		/* Racy: owners make areas live, and free them, all the time. */
		data_race(memcpy(table->lengths, map->lengths, map->nr_slots));
	}
	spin_unlock_irq(&pa->lock);
	map->lengths = table->lengths;
	return chunk;
}

static void pcpu_table_add_chunks(struct pcpu_allocator *pa, struct pcpu_size_table *table)
{
	struct pcpu_size_figures *figures;
	struct pcpu_area_map map;
	unsigned int slot, nr_slots;
	struct pcpu_walk walk;

	pcpu_walk_begin(pa, &walk);
	while (pcpu_table_copy_chunk(pa, table, &walk, &map)) {
		for (slot = pcpu_area_next(&map, 0); slot < map.nr_slots;
		     slot = pcpu_area_next(&map, slot + nr_slots)) {
			nr_slots = pcpu_area_length(&map, slot);
			if (!pcpu_area_is_live(&map, slot))
				continue;
			figures = &table->of[pcpu_size_class(nr_slots)];
			figures->nr_live++;
			figures->live_slots += nr_slots;
		}
		cond_resched();
	}
	pcpu_walk_end(pa, &walk);
}

static struct pcpu_size_table *pcpu_table_alloc(const struct pcpu_allocator *pa)
{
	struct pcpu_size_table *table;

	return kvzalloc(struct_size(table, lengths, pa->geo.unit_pages * PCPU_ROW_SLOTS),
			GFP_KERNEL);
}

/* ---- the file ----------------------------------------------------------------------- */

static bool pcpu_figures_empty(const struct pcpu_size_figures *figures)
{
	return !memchr_inv(figures, 0, sizeof(*figures));
}

static void pcpu_show_class(struct seq_file *m, const struct pcpu_size_figures *figures,
			    size_t min_bytes, size_t max_bytes)
{
	const unsigned long *nr = figures->nr;
	/* Those of a bin are folded in as they are, and may have been set back. */
	unsigned long nr_hits = max_t(long, nr[PCPU_SIZE_HIT], 0);

	seq_printf(m, "%8zu %8zu %10llu %12llu %8llu %12llu", min_bytes, max_bytes,
		   figures->nr_live, figures->live_slots << PCPU_MIN_ALLOC_SHIFT,
		   figures->nr_held, figures->held_slots << PCPU_MIN_ALLOC_SHIFT);
	seq_printf(m, " %14lu %14lu %12lu %10lu %12lu %10lu %12lu\n",
		   nr_hits + nr[PCPU_SIZE_MISS], nr_hits,
		   nr[PCPU_SIZE_MISS], nr[PCPU_SIZE_REFILL], nr[PCPU_SIZE_REFILLED],
		   nr[PCPU_SIZE_SPILL], nr[PCPU_SIZE_RETURNED]);
}

/* Columns may be added at the end of a line: readers go by the names in the first. */
static int pcpu_sizes_show(struct seq_file *m, void *unused)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_size_table *table = pcpu_table_alloc(pa);
	unsigned int class, min_slots = 1, max_slots;
	size_t unit_bytes = pa->geo.unit_bytes;

	if (!table)
		return -ENOMEM;
	pcpu_table_add_cpus(table);
	pcpu_table_add_chunks(pa, table);

	seq_printf(m, "%8s %8s %10s %12s %8s %12s", "min_size", "max_size", "live", "live_bytes",
		   "cached", "cached_bytes");
	seq_printf(m, " %14s %14s %12s %10s %12s %10s %12s\n", "allocs", "hits", "misses",
		   "refills", "refilled", "spills", "returned");
	for (class = 0; class < PCPU_NR_SIZE_CLASSES; class++) {
		max_slots = class < PCPU_LAST_SIZE_CLASS ? pcpu_size_class_max_slots(class) :
							   unit_bytes >> PCPU_MIN_ALLOC_SHIFT;
		if (!pcpu_figures_empty(&table->of[class]))
			pcpu_show_class(m, &table->of[class], pcpu_slots_to_bytes(min_slots),
					pcpu_slots_to_bytes(max_slots));
		min_slots = max_slots + 1;
	}
	kvfree(table);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pcpu_sizes);

static int __init pcpu_sizes_init(void)
{
	debugfs_create_file("percpu_sizes", 0444, NULL, NULL, &pcpu_sizes_fops);
	return 0;
}
late_initcall(pcpu_sizes_init);
