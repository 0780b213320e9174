// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-stats.c - what /sys/kernel/debug/percpu_stats shows
 *
 * The file is a sequence: the figures of the allocator, then each chunk's.  One
 * step copies one chunk with its maps into a buffer, which is all that happens
 * under the allocator's lock; the copy is examined and printed without it.
 * Where chunks come and go during a read, those that are there all the time are
 * shown once; each is right in itself.
 *
 * Sizes are those of one unit, in bytes.  tools/mm/percpu-stats draws what it shows.
 */
#define pr_fmt(fmt) "percpu: " fmt

#include "percpu-internal.h"

/**
 * struct pcpu_view - a chunk as it was at one moment
 * @chunk: copy of the chunk, its maps and rows replaced by the copies below;
 *	its lists, extensions and index are not to be used
 * @label: what kind of chunk it is
 * @busy: room for the map of busy slots of a whole unit
 * @lengths: room for the lengths of areas
 * @rows: room for the rows
 * @walk: where the file is
 * @pos: its position, from 1, or 0 where no chunk was copied yet
 */
struct pcpu_view {
	struct pcpu_chunk chunk;
	const char *label;
	unsigned long *busy;
	u8 *lengths;
	struct pcpu_row *rows;
	struct pcpu_walk walk;
	loff_t pos;
};

/**
 * struct pcpu_figures - what is found out about a view, in slots
 * @first_free: the first free slot
 * @free_slots: free slots, whether their row has pages or not
 * @present_slots: those whose row has pages
 * @present_longest_slots: the longest free run in rows that have pages
 * @longest_slots: the longest free run, pages or not
 * @sum_frag_slots: free slots in front of the last area
 * @max_frag_slots: the longest free run in front of the last area
 */
struct pcpu_figures {
	unsigned int first_free;
	unsigned int free_slots;
	unsigned int present_slots;
	unsigned int present_longest_slots;
	unsigned int longest_slots;
	unsigned int sum_frag_slots;
	unsigned int max_frag_slots;
};

static const char * const pcpu_row_names[PCPU_NR_ROW_STATES] = {
	[PCPU_ROW_ABSENT]	= "rows_absent",
	[PCPU_ROW_COMING]	= "rows_coming",
	[PCPU_ROW_PRESENT]	= "rows_present",
	[PCPU_ROW_GOING]	= "rows_going",
};

/* In "rows_used", where PRESENT rows have a number. */
static const char pcpu_row_letters[PCPU_NR_ROW_STATES] = {
	[PCPU_ROW_ABSENT]	= '-',
	[PCPU_ROW_COMING]	= 'c',
	[PCPU_ROW_PRESENT]	= 'p',
	[PCPU_ROW_GOING]	= 'g',
};

static void pcpu_show(struct seq_file *m, const char *name, u64 value)
{
	seq_printf(m, "  %-20s: %12llu\n", name, value);
}

static void pcpu_show_slots(struct seq_file *m, const char *name, unsigned int nr_slots)
{
	pcpu_show(m, name, pcpu_slots_to_bytes(nr_slots));
}

static void pcpu_show_rows(struct seq_file *m, const unsigned int *nr_rows_in)
{
	unsigned int state;

	for (state = 0; state < PCPU_NR_ROW_STATES; state++)
		pcpu_show(m, pcpu_row_names[state], nr_rows_in[state]);
}

static void pcpu_show_title(struct seq_file *m, const char *title)
{
	seq_printf(m, "%s:\n----------------------------------------\n", title);
}

/* ---- the allocator -------------------------------------------------------- */

static void pcpu_show_layout(struct seq_file *m, const struct pcpu_allocator *pa)
{
	seq_puts(m, "Percpu Memory Statistics\n");
	pcpu_show_title(m, "Allocation Info");
	pcpu_show(m, "unit_size", pa->geo.unit_bytes);
	pcpu_show(m, "static_size", pa->static_bytes);
	pcpu_show(m, "reserved_size", pa->reserved_bytes);
	pcpu_show(m, "dyn_size", pa->dyn_bytes);
	pcpu_show(m, "atom_size", pa->geo.atom_bytes);
	pcpu_show(m, "alloc_size", pa->alloc_bytes);
	pcpu_show(m, "nr_units", pa->geo.nr_units);
	pcpu_show(m, "page_size", PAGE_SIZE);
	seq_putc(m, '\n');
}

static void pcpu_show_totals(struct seq_file *m, struct pcpu_allocator *pa)
{
	unsigned int nr_rows_in[PCPU_NR_ROW_STATES];
	unsigned int nr_chunks, nr_spare_chunks, nr_empty_rows, reserve_rows, nr_pending;
	struct pcpu_cache_figures cache;
	struct pcpu_counts counts;
	unsigned long nr_refilled, nr_misses, nr_hits;
	u64 nr_made, nr_live;

	cache = pcpu_cache_count(pa);
	nr_hits = max_t(long, cache.nr_hits + pcpu_size_total(PCPU_SIZE_HIT), 0);
	nr_refilled = pcpu_size_total(PCPU_SIZE_REFILLED);
	nr_misses = pcpu_size_total(PCPU_SIZE_MISS);
	spin_lock_irq(&pa->lock);
	counts = pa->counts;
	nr_chunks = pa->nr_chunks;
	nr_spare_chunks = pa->nr_spare_chunks;
	nr_empty_rows = pa->nr_empty_rows;
	reserve_rows = READ_ONCE(pa->reserve_rows);
	nr_pending = atomic_read(&pa->nr_pending);
	memcpy(nr_rows_in, pa->nr_rows_in, sizeof(nr_rows_in));
	spin_unlock_irq(&pa->lock);

	pcpu_show_title(m, "Global Stats");
	/*
	 * To callers an area at hand is freed, as is one whose free is pending, and one
	 * that was taken ahead of them was not allocated before it served.
	 */
	nr_live = counts.nr_alloc - counts.nr_dealloc;
	nr_live -= min_t(u64, cache.nr_held + nr_pending, nr_live);
	/* What the worker takes, or a batch that then fails, is no request served. */
	nr_made = max_t(u64, nr_hits + nr_misses, nr_live);
	pcpu_show(m, "nr_alloc", nr_made);
	pcpu_show(m, "nr_dealloc", nr_made - nr_live);
	pcpu_show(m, "nr_cur_alloc", nr_live);
	pcpu_show(m, "nr_max_alloc", counts.nr_max_alloc);
	/* The first chunk is one of them, and not in the allocator's figures. */
	pcpu_show(m, "nr_chunks", nr_chunks + 1);
	pcpu_show(m, "nr_max_chunks", counts.nr_max_chunks + 1);
	pcpu_show(m, "min_alloc_size", counts.min_alloc_bytes);
	pcpu_show(m, "max_alloc_size", counts.max_alloc_bytes);
	pcpu_show(m, "empty_pop_pages", nr_empty_rows);
	pcpu_show(m, "nr_spare_chunks", nr_spare_chunks);
	pcpu_show(m, "reserve_rows", reserve_rows);
	pcpu_show(m, "nr_cached", cache.nr_held);
	pcpu_show(m, "nr_cache_hits", nr_hits);
	pcpu_show(m, "nr_cache_refilled", nr_refilled);
	pcpu_show(m, "nr_pending", nr_pending);
	pcpu_show(m, "nr_bad_frees", atomic_read(&pa->nr_bad_frees));
	pcpu_show_rows(m, nr_rows_in);
	seq_putc(m, '\n');

	pcpu_show_title(m, "Per Chunk Stats");
}

/* ---- a chunk ---------------------------------------------------------------- */

/* Does an area start at @slot, and where does that area, or the free run, end? */
static unsigned int pcpu_view_run(const struct pcpu_chunk *chunk, unsigned int slot,
				  bool *is_area)
{
	unsigned int row = slot / PCPU_ROW_SLOTS, end;
	unsigned int nr_slots = pcpu_area_length(&chunk->map, slot);

	*is_area = nr_slots;
	if (nr_slots)
		end = slot + nr_slots;
	else if (chunk->rows[row].state != PCPU_ROW_PRESENT)
		end = (row + 1) * PCPU_ROW_SLOTS;
	else	/* At least one, so that an impossible state is no endless loop. */
		end = max(find_next_bit(chunk->map.busy, chunk->end_slot, slot), slot + 1UL);
	return min(end, chunk->end_slot);
}

/* Fill in @fig and the sizes of up to @max areas; return how many there are. */
static unsigned int pcpu_view_measure(const struct pcpu_chunk *chunk,
				      struct pcpu_figures *fig, u32 *sizes, unsigned int max)
{
	unsigned int slot, end, run = 0, present_run = 0, nr = 0;
	bool is_area;

	memset(fig, 0, sizeof(*fig));
	fig->first_free = PCPU_NONE;
	for (slot = chunk->first_slot; slot < chunk->end_slot; slot = end) {
		end = pcpu_view_run(chunk, slot, &is_area);
		if (is_area) {
			/* What was free so far is in front of an area. */
			fig->sum_frag_slots = fig->free_slots;
			fig->max_frag_slots = fig->longest_slots;
			run = 0;
			present_run = 0;
			if (nr < max)
				sizes[nr++] = end - slot;
			continue;
		}
		if (fig->first_free == PCPU_NONE)
			fig->first_free = slot;
		run += end - slot;
		fig->longest_slots = max(fig->longest_slots, run);
		fig->free_slots += end - slot;
		if (chunk->rows[slot / PCPU_ROW_SLOTS].state != PCPU_ROW_PRESENT) {
			present_run = 0;
			continue;
		}
		present_run += end - slot;
		fig->present_longest_slots = max(fig->present_longest_slots, present_run);
		fig->present_slots += end - slot;
	}
	if (fig->first_free == PCPU_NONE)
		fig->first_free = chunk->end_slot;
	return nr;
}

/* Bytes of a row that are used, or in what other state than PRESENT it is, below 0. */
static int pcpu_view_row_use(const struct pcpu_chunk *chunk, unsigned int row)
{
	unsigned int slot = max(row * PCPU_ROW_SLOTS, chunk->first_slot);
	unsigned int end = min((row + 1) * PCPU_ROW_SLOTS, chunk->end_slot);

	if (chunk->rows[row].state != PCPU_ROW_PRESENT)
		return -1 - chunk->rows[row].state;
	return slot < end ? pcpu_slots_to_bytes(bitmap_weight_from(chunk->map.busy, slot, end)) : 0;
}

static void pcpu_show_row_use(struct seq_file *m, int use, unsigned int nr_rows)
{
	if (use >= 0)
		seq_printf(m, " %d", use);
	else
		seq_printf(m, " %c", pcpu_row_letters[-1 - use]);
	if (nr_rows > 1)
		seq_printf(m, "x%u", nr_rows);
}

/* A word for each row, or for so many in a row that are alike: "0", "4096x12", "-x3". */
static void pcpu_show_rows_used(struct seq_file *m, const struct pcpu_chunk *chunk)
{
	unsigned int row, from = 0;
	int use;

	seq_printf(m, "  %-20s:", "rows_used");
	for (row = 1; row <= chunk->nr_rows; row++) {
		use = pcpu_view_row_use(chunk, from);
		if (row < chunk->nr_rows && pcpu_view_row_use(chunk, row) == use)
			continue;
		pcpu_show_row_use(m, use, row - from);
		from = row;
	}
	seq_putc(m, '\n');
}

static int pcpu_cmp_sizes(const void *a, const void *b)
{
	return cmp_int(*(const u32 *)a, *(const u32 *)b);
}

static int pcpu_show_view(struct seq_file *m, const struct pcpu_view *view)
{
	const struct pcpu_chunk *chunk = &view->chunk;
	struct pcpu_figures fig;
	unsigned int nr;
	u32 *sizes;

	sizes = kvmalloc_array(chunk->nr_areas + 1, sizeof(*sizes), GFP_KERNEL);
	if (!sizes)
		return -ENOMEM;
	/* No area: its size is shown as 0. */
	sizes[0] = 0;
	nr = pcpu_view_measure(chunk, &fig, sizes, chunk->nr_areas);
	sort(sizes, nr, sizeof(*sizes), pcpu_cmp_sizes, NULL);

	seq_printf(m, "%s\n", view->label);
	pcpu_show(m, "nr_alloc", chunk->nr_areas);
	pcpu_show_slots(m, "max_alloc_size", chunk->max_area_slots);
	pcpu_show(m, "empty_pop_pages", chunk->nr_empty_rows);
	pcpu_show(m, "first_bit", fig.first_free);
	pcpu_show_slots(m, "free_bytes", fig.free_slots);
	pcpu_show_slots(m, "contig_bytes", fig.longest_slots);
	pcpu_show_slots(m, "sum_frag", fig.sum_frag_slots);
	pcpu_show_slots(m, "max_frag", fig.max_frag_slots);
	pcpu_show_slots(m, "cur_min_alloc", sizes[0]);
	pcpu_show_slots(m, "cur_med_alloc", sizes[nr ? (nr - 1) / 2 : 0]);
	pcpu_show_slots(m, "cur_max_alloc", sizes[nr ? nr - 1 : 0]);
	pcpu_show_slots(m, "present_free_bytes", fig.present_slots);
	pcpu_show_slots(m, "present_contig_bytes", fig.present_longest_slots);
	pcpu_show_rows(m, chunk->nr_rows_in);
	pcpu_show_rows_used(m, chunk);
	seq_putc(m, '\n');

	kvfree(sizes);
	return 0;
}

/* ---- the file ----------------------------------------------------------------- */

static const char *pcpu_chunk_label(const struct pcpu_allocator *pa,
				    const struct pcpu_chunk *chunk)
{
	if (chunk == pa->reserved)
		return "Chunk: <- Reserved Chunk";
	if (chunk == pa->first)
		return "Chunk: <- First Chunk";
	if (chunk->nr_rows_in[PCPU_ROW_ABSENT] == chunk->nr_rows)
		return "Chunk (spare):";
	return chunk->nr_rows_in[PCPU_ROW_ABSENT] ? "Chunk (partial):" : "Chunk:";
}

static bool pcpu_view_load(struct pcpu_allocator *pa, struct pcpu_view *view)
{
	const struct pcpu_chunk *chunk;
	struct pcpu_chunk *copy = &view->chunk;

	spin_lock_irq(&pa->lock);
	chunk = pcpu_walk_next(pa, &view->walk);
	if (chunk) {
		view->label = pcpu_chunk_label(pa, chunk);
		*copy = *chunk;
		bitmap_copy(view->busy, chunk->map.busy, chunk->map.nr_slots);
		/* Racy: owners make areas live, and free them, all the time. */
		data_race(memcpy(view->lengths, chunk->map.lengths, chunk->map.nr_slots));
		memcpy(view->rows, chunk->rows, chunk->nr_rows * sizeof(*view->rows));
	}
	spin_unlock_irq(&pa->lock);
	if (!chunk)
		return false;

	copy->map.busy = view->busy;
	copy->map.lengths = view->lengths;
	copy->map.room = NULL;
	copy->rows = view->rows;
	return true;
}

static struct pcpu_view *pcpu_view_alloc(const struct pcpu_allocator *pa)
{
	unsigned int nr_slots = pa->geo.unit_pages * PCPU_ROW_SLOTS;
	unsigned int nr_longs = BITS_TO_LONGS(nr_slots);
	struct pcpu_view *view;

	view = kvzalloc(sizeof(*view) + nr_longs * sizeof(long) +
			pa->geo.unit_pages * sizeof(*view->rows) + nr_slots, GFP_KERNEL);
	if (!view)
		return NULL;
	view->busy = (unsigned long *)(view + 1);
	view->rows = (struct pcpu_row *)(view->busy + nr_longs);
	view->lengths = (u8 *)(view->rows + pa->geo.unit_pages);
	return view;
}

static void pcpu_view_rewind(struct pcpu_allocator *pa, struct pcpu_view *view)
{
	if (!view->pos)
		return;
	pcpu_walk_end(pa, &view->walk);
	pcpu_walk_begin(pa, &view->walk);
	view->pos = 0;
}

/* What is shown again, as the buffer was too small for it, is still in the view. */
static void *pcpu_stats_at(struct seq_file *m, loff_t pos)
{
	struct pcpu_view *view = m->private;

	if (pos < view->pos)
		pcpu_view_rewind(&pcpu_main, view);
	if (!pos)
		return SEQ_START_TOKEN;
	for (; view->pos < pos; view->pos++)
		if (!pcpu_view_load(&pcpu_main, view))
			return NULL;
	return view;
}

static void *pcpu_stats_start(struct seq_file *m, loff_t *pos)
{
	return pcpu_stats_at(m, *pos);
}

static void *pcpu_stats_next(struct seq_file *m, void *item, loff_t *pos)
{
	return pcpu_stats_at(m, ++*pos);
}

static void pcpu_stats_stop(struct seq_file *m, void *item)
{
}

static int pcpu_stats_show(struct seq_file *m, void *item)
{
	if (item != SEQ_START_TOKEN)
		return pcpu_show_view(m, item);

	pcpu_show_layout(m, &pcpu_main);
	pcpu_show_totals(m, &pcpu_main);
	return 0;
}

static const struct seq_operations pcpu_stats_sops = {
	.start	= pcpu_stats_start,
	.next	= pcpu_stats_next,
	.stop	= pcpu_stats_stop,
	.show	= pcpu_stats_show,
};

static int pcpu_stats_open(struct inode *inode, struct file *file)
{
	struct pcpu_view *view = pcpu_view_alloc(&pcpu_main);
	int err;

	if (!view)
		return -ENOMEM;
	err = seq_open(file, &pcpu_stats_sops);
	if (err) {
		kvfree(view);
		return err;
	}
	pcpu_walk_begin(&pcpu_main, &view->walk);
	((struct seq_file *)file->private_data)->private = view;
	return 0;
}

static int pcpu_stats_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct pcpu_view *view = m->private;

	pcpu_walk_end(&pcpu_main, &view->walk);
	kvfree(view);
	return seq_release(inode, file);
}

static const struct file_operations pcpu_stats_fops = {
	.open		= pcpu_stats_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= pcpu_stats_release,
};

static int __init pcpu_stats_init(void)
{
	debugfs_create_file("percpu_stats", 0444, NULL, NULL, &pcpu_stats_fops);
	return 0;
}
late_initcall(pcpu_stats_init);
