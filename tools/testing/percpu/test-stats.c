// SPDX-License-Identifier: GPL-2.0
/*
 * test-stats.c - what debugfs shows, read as a tool reads it
 */
#include "test.h"

#define MAX_OBJECTS	2000
#define NR_CPUS_HERE	(IS_ENABLED(CONFIG_SMP) ? 3 : 1)
#define ALL_SIZES	0

static struct object objects[MAX_OBJECTS];

static void boot_with_cache(size_t reserved_bytes)
{
	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .cache = true,
				    .reserved_bytes = reserved_bytes });
	sim_run_all_work(100);
}

static void alloc_some(unsigned int from, unsigned int to, size_t size)
{
	for (; from < to; from++)
		EXPECT(model_alloc(&objects[from], size, 4, false, GFP_KERNEL, CTX_TASK));
}

static void free_some(unsigned int from, unsigned int to)
{
	while (to > from)
		model_free(&objects[--to], CTX_TASK);
}

/* ---- reading ---------------------------------------------------------------------- */

/* The place of a column, from 0. */
static unsigned int column_of(const char *header, const char *name)
{
	unsigned int column, length = strlen(name), skip;

	for (column = 0; *header != '\n'; column++) {
		header += strspn(header, " ");
		skip = strcspn(header, "\n ");
		if (skip == length && !memcmp(header, name, length))
			return column;
		header += skip;
	}
	SHIM_ASSERT(false, "no column %s", name);
	return 0;
}

static u64 field(const char *line, unsigned int column)
{
	while (column--) {
		line += strspn(line, " ");
		line += strcspn(line, "\n ");
	}
	return strtoull(line, NULL, 10);
}

/* Of percpu_sizes: a column's value for a size, or its sum. */
static u64 sizes_value(const char *name, size_t size)
{
	char *text = sim_read_file("percpu_sizes"), *line = text;
	unsigned int column = column_of(text, name);
	u64 sum = 0, below = 0;

	while ((line = strchr(line, '\n')) && *++line) {
		u64 min_bytes = field(line, 0), max_bytes = field(line, 1);

		EXPECT(min_bytes > below && max_bytes >= min_bytes);
		EXPECT(max_bytes - min_bytes <= max_bytes / 4 || min_bytes > 32 << 10);
		below = max_bytes;
		if (size == ALL_SIZES || (min_bytes <= size && size <= max_bytes))
			sum += field(line, column);
	}
	free(text);
	return sum;
}

/* Of percpu_stats: the first line of that name. */
static u64 stats_value(const char *name)
{
	char *text = sim_read_file("percpu_stats"), *at = text;
	u64 value;

	do {
		at = strstr(at + 1, name);
		SHIM_ASSERT(at, "there is no %s", name);
	} while (at[-1] != ' ' || (at[strlen(name)] != ' ' && at[strlen(name)] != ':'));
	value = strtoull(strchr(at, ':') + 1, NULL, 10);
	free(text);
	return value;
}

/* ---- sizes ------------------------------------------------------------------------- */

/* Both files tell the same, and areas at hand are accounted for. */
static void check_agree(void)
{
	u64 frees = stats_value("nr_dealloc"), hits = sizes_value("hits", ALL_SIZES);
	u64 left = sizes_value("returned", ALL_SIZES) + sizes_value("cached", ALL_SIZES) + hits;

	EXPECT_EQ(stats_value("nr_alloc"), sizes_value("allocs", ALL_SIZES));
	EXPECT_EQ(stats_value("nr_cur_alloc"), sizes_value("live", ALL_SIZES));
	EXPECT_EQ(sizes_value("live_bytes", ALL_SIZES), world_used_slots() * 4);
	if (!pcpu_main.reserved)
		EXPECT_EQ(sizes_value("cached_bytes", ALL_SIZES),
			  (world_taken_slots() - world_used_slots()) * 4);
	EXPECT_EQ(stats_value("nr_cached"), sizes_value("cached", ALL_SIZES));
	EXPECT_EQ(stats_value("nr_cache_hits"), hits);
	EXPECT_EQ(stats_value("nr_cache_refilled"), sizes_value("refilled", ALL_SIZES));
	EXPECT_EQ(sizes_value("allocs", ALL_SIZES), hits + sizes_value("misses", ALL_SIZES));
	/* What came into bins was freed, or a refill's. */
	EXPECT(left <= frees + sizes_value("refilled", ALL_SIZES));
}

TEST(stats_hits_and_misses)
{
	unsigned int i;

	boot_with_cache(0);
	EXPECT_EQ(sizes_value("allocs", ALL_SIZES), 0);
	for (i = 0; i < 10; i++) {
		alloc_some(0, 1, 64);
		EXPECT_EQ(sizes_value("live", 64), 1);
		EXPECT_EQ(sizes_value("cached", 64), 0);
		free_some(0, 1);
		EXPECT_EQ(sizes_value("live", 64), 0);
		EXPECT_EQ(sizes_value("cached", 64), 1);
		EXPECT_EQ(sizes_value("cached_bytes", 64), 64);
	}
	/* Too large to be kept. */
	for (i = 0; i < 5; i++) {
		alloc_some(0, 1, 3000);
		free_some(0, 1);
	}
	EXPECT_EQ(sizes_value("allocs", 64), 10);
	EXPECT_EQ(sizes_value("misses", 64), 1);
	EXPECT_EQ(sizes_value("hits", 64), 9);
	EXPECT_EQ(sizes_value("misses", 3000), 5);
	EXPECT_EQ(sizes_value("allocs", ALL_SIZES), 15);
	EXPECT_EQ(sizes_value("returned", ALL_SIZES), 0);
	check_agree();
	pcpu_cache_drain(&pcpu_main, true);
	EXPECT_EQ(sizes_value("returned", 64), 1);
	EXPECT_EQ(sizes_value("cached", ALL_SIZES), 0);
	check_agree();
	world_shutdown();
}

/* A failed request is none. */
TEST(stats_leave_out_failures)
{
	unsigned int n = 0;

	boot_with_cache(0);
	sim.fail_permille = 1000;
	sim.fail_kinds = SIM_ALL;
	while (model_alloc(&objects[n], 3000, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK))
		n++;
	EXPECT_EQ(sizes_value("misses", 3000), n);
	sim.fail_permille = 0;
	check_agree();
	free_some(0, n);
	world_shutdown();
}

/* What is freed and waits for the worker is not live, and is shown. */
TEST(stats_pending_frees)
{
	unsigned int i;
	u64 nr_live;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .cache = true, .nolock = true });
	sim_run_all_work(100);
	nr_live = stats_value("nr_cur_alloc");
	for (i = 0; i < 20; i++)
		EXPECT(model_alloc(&objects[i], 3000, 4, false, GFP_KERNEL, CTX_TASK));
	for (i = 0; i < 20; i++)
		model_free_nolock(&objects[i], CTX_TASK);
	EXPECT_EQ(stats_value("nr_pending"), 20);
	EXPECT_EQ(stats_value("nr_cur_alloc"), nr_live);
	EXPECT_EQ(stats_value("nr_cur_alloc"), sizes_value("live", ALL_SIZES));
	sim_run_all_work(100);
	EXPECT_EQ(stats_value("nr_pending"), 0);
	check_agree();
	world_shutdown();
}

/* Objects until nothing is left; how many.  No backing can be had from here on. */
static unsigned int take_all(size_t size)
{
	unsigned int n = 0;

	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	while (model_alloc(&objects[n], size, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK))
		n++;
	return n;
}

/* A batch counts as so many requests, and as none if it fails. */
TEST(stats_of_batches)
{
	void __percpu *ptrs[16];
	unsigned int n;
	u64 nr_hits;

	boot_with_cache(0);
	alloc_some(0, 8, 512);
	free_some(0, 8);
	nr_hits = sizes_value("hits", 512);
	EXPECT_EQ(sizes_value("cached", 512), 8);
	EXPECT_EQ(sizes_value("misses", 512), 8);
	EXPECT(__alloc_percpu_bulk(512, 8, GFP_KERNEL, 16, ptrs));
	EXPECT(sizes_value("hits", 512) > nr_hits);
	EXPECT_EQ(sizes_value("allocs", 512), nr_hits + 8 + 16);
	free_percpu_bulk(16, ptrs);

	n = take_all(2000);
	EXPECT(n > 2);
	n -= 2;
	free_some(n, n + 2);
	EXPECT_EQ(sizes_value("cached", 2000), 2);
	EXPECT(!__alloc_percpu_bulk(2000, 4, GFP_NOWAIT | __GFP_NOWARN, 16, ptrs));
	EXPECT_EQ(sizes_value("cached", 2000), 0);
	EXPECT_EQ(sizes_value("allocs", 2000), n + 2);
	EXPECT_EQ(sizes_value("returned", 2000), 2);
	sim.fail_permille = 0;
	check_agree();
	free_some(0, n);
	world_shutdown();
}

/* Of a batch that fails, what the chunks gave goes back, and was no request either. */
TEST(stats_of_batches_that_fail_late)
{
	void __percpu *ptrs[16];
	unsigned int n;

	boot_with_cache(0);
	n = take_all(3000);
	EXPECT(n > 3);
	n -= 3;
	free_some(n, n + 3);
	EXPECT(!__alloc_percpu_bulk(3000, 4, GFP_NOWAIT | __GFP_NOWARN, 16, ptrs));
	EXPECT_EQ(sizes_value("allocs", 3000), n + 3);
	check_agree();
	sim.fail_permille = 0;
	free_some(0, n);
	world_shutdown();
}

/* What the worker takes for requests that failed, to make room, is none of theirs. */
TEST(stats_leave_out_the_worker)
{
	unsigned int n = 0;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .cache = true, .nolock = true });
	sim_run_all_work(100);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	while (model_alloc_nolock(&objects[n], 3000, 8, 0, CTX_TASK))
		n++;
	EXPECT(n);
	EXPECT(!model_alloc_nolock(&objects[n], 4096, 64, 0, CTX_TASK));
	sim.fail_permille = 0;
	sim_run_all_work(100);
	EXPECT_EQ(pcpu_main.missed.size_bytes, 0);
	EXPECT_EQ(stats_value("max_alloc_size"), 3000);
	EXPECT_EQ(stats_value("min_alloc_size"), 3000);
	check_agree();
	while (n)
		model_free_nolock(&objects[--n], CTX_TASK);
	sim_run_all_work(100);
	check_agree();
	world_shutdown();
}

TEST(stats_refills_and_spills)
{
	/* The first spills fill the depot, from which requests are served first. */
	unsigned int nr_depot = pcpu_depot_cache() ? PCPU_CACHE_DEPTH : 0;
	unsigned int nr_returned = 13 * 16 - nr_depot, n;

	boot_with_cache(0);
	alloc_some(0, 400, 64);
	EXPECT_EQ(sizes_value("misses", 64), 400);
	EXPECT_EQ(sizes_value("refills", 64), 0);
	/* Refills begin rows only where enough of the reserve is left. */
	sim_run_all_work(100);
	EXPECT(pcpu_main.nr_empty_rows > pcpu_main.reserve_rows / 2 + 1);
	/* 96 fill the bin; after that 16 go whenever it is full. */
	free_some(100, 400);
	EXPECT_EQ(sizes_value("spills", 64), 13);
	EXPECT_EQ(sizes_value("returned", 64), nr_returned);
	EXPECT_EQ(sizes_value("cached", 64), 300 - nr_returned);
	EXPECT_EQ(sizes_value("cached_bytes", 64), 64 * (300 - nr_returned));
	check_agree();
	/* Those, three that do not make a habit, then five times one and 15 refilled with it. */
	n = 100 + 92 + nr_depot + 3 + 5 * 16;
	alloc_some(100, n, 64);
	EXPECT_EQ(sizes_value("hits", 64), 92 + nr_depot + 5 * 15);
	EXPECT_EQ(sizes_value("misses", 64), 400 + 3 + 5);
	EXPECT_EQ(sizes_value("refills", 64), 5);
	EXPECT_EQ(sizes_value("refilled", 64), 5 * 15);
	EXPECT_EQ(sizes_value("cached", 64), 0);
	check_agree();
	free_some(0, n);
	pcpu_cache_drain(&pcpu_main, true);
	check_agree();
	world_shutdown();
}

/* Hits stay with the size that had them, when its bin becomes that of another. */
TEST(stats_hits_outlive_the_bin)
{
	unsigned int nr_slots = 17, i, round;

	while (hash_32(nr_slots, PCPU_CACHE_BIN_BITS) != hash_32(16, PCPU_CACHE_BIN_BITS))
		nr_slots++;
	boot_with_cache(0);
	for (round = 1; round < 4; round++) {
		for (i = 0; i < 11; i++) {
			alloc_some(0, 1, 64);
			free_some(0, 1);
		}
		pcpu_cache_drain(&pcpu_main, true);
		EXPECT_EQ(pcpu_bin_of(16)->nr_slots, 16);
		for (i = 0; i < 6; i++) {
			alloc_some(0, 1, 4 * nr_slots);
			free_some(0, 1);
		}
		EXPECT_EQ(pcpu_bin_of(nr_slots)->nr_slots, nr_slots);
		EXPECT(!pcpu_bin_of(16));
		pcpu_cache_drain(&pcpu_main, true);
		EXPECT_EQ(sizes_value("hits", 64), 10 * round);
		EXPECT_EQ(sizes_value("hits", 4 * nr_slots), 5 * round);
		check_agree();
	}
	world_shutdown();
}

/* Of every size, in all kinds of chunks. */
TEST(stats_live_objects)
{
	unsigned int nr = 0, i, size, of_size;
	u64 bytes;

	boot_with_cache(8192);
	for (size = 4; size <= 32768; size += size / 16 * 4 + 4, nr++)
		EXPECT(model_alloc(&objects[nr], size, 4, nr % 8 == 0 && size < 600, GFP_KERNEL,
				   CTX_TASK));
	EXPECT(nr > 30);
	EXPECT(stats_value("nr_chunks") > 1 || !IS_ENABLED(CONFIG_MMU));
	EXPECT_EQ(sizes_value("live", ALL_SIZES), nr);
	check_agree();
	while (nr) {
		size = objects[0].size;
		for (i = of_size = 0; i < nr; i++)
			of_size += objects[i].size == size;
		EXPECT(sizes_value("live", size) >= of_size);
		bytes = sizes_value("live", size) * size;
		EXPECT(sizes_value("live_bytes", size) >= bytes * 3 / 4);
		EXPECT(sizes_value("live_bytes", size) <= bytes * 5 / 4 + 4);
		model_free(&objects[0], CTX_TASK);
		objects[0] = objects[--nr];
		EXPECT_EQ(sizes_value("live", ALL_SIZES), nr);
	}
	check_agree();
	world_shutdown();
}

/* Sizes of one slot to eight, and each power of two, close a class. */
TEST(stats_size_classes)
{
	unsigned int size;

	boot_with_cache(0);
	for (size = 4; size <= 32768; size = size < 32 ? size + 4 : 2 * size) {
		EXPECT(model_alloc(&objects[0], size, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT_EQ(sizes_value("live", size), 1);
		EXPECT_EQ(sizes_value("live", size + 4), 0);
		EXPECT_EQ(sizes_value("max_size", size), size);
		if (size <= 32)
			EXPECT_EQ(sizes_value("min_size", size), size);
		model_free(&objects[0], CTX_TASK);
	}
	world_shutdown();
}

static void some_step(unsigned int *nr)
{
	unsigned int i;

	current->cpu = sim_below(NR_CPUS_HERE);
	if (*nr < 500 && sim_below(100) < (*nr < 200 ? 60 : 45)) {
		size_t size = sim_below(20) ? 8 << sim_below(8) : 4 * sim_between(1, 900);

		if (model_alloc(&objects[*nr], size, 4, false, GFP_NOWAIT, CTX_TASK))
			++*nr;
	} else if (*nr) {
		i = sim_below(*nr);
		model_free(&objects[i], CTX_TASK);
		objects[i] = objects[--*nr];
	}
}

TEST(stats_agree_after_anything)
{
	unsigned int step, nr = 0;

	boot_with_cache(0);
	for (step = 0; step < test_scaled(20000); step++) {
		some_step(&nr);
		if (!sim_below(200))
			pcpu_cache_drain(&pcpu_main, sim_below(2));
		if (step % 500 == 0)
			check_agree();
	}
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
	check_agree();
	current->cpu = 0;
	world_shutdown();
}

/* ---- chunks ------------------------------------------------------------------------- */

#define NR_WALKED	5

static unsigned long walked[3 * NR_WALKED + 2];
static unsigned int nr_walked;

/* Visit up to @max chunks, boot chunks apart. */
static void walk_on(struct pcpu_walk *walk, unsigned int max)
{
	struct pcpu_chunk *chunk;

	while (max) {
		spin_lock_irq(&pcpu_main.lock);
		chunk = pcpu_walk_next(&pcpu_main, walk);
		spin_unlock_irq(&pcpu_main.lock);
		if (!chunk)
			return;
		EXPECT(nr_walked < ARRAY_SIZE(walked));
		walked[nr_walked++] = chunk->base_addr;
		max -= !chunk->boot;
	}
}

static unsigned int times_walked(const struct object *object)
{
	unsigned long addr = (unsigned long)__pcpu_ptr_to_addr(object->ptr);
	unsigned int i, n = 0;

	for (i = 0; i < nr_walked; i++)
		n += addr - walked[i] < pcpu_main.geo.unit_bytes;
	return n;
}

static void retire_all(void)
{
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	while (pcpu_chunk_retire_spare(&pcpu_main, 0))
		;
}

/* After @at chunks have been visited, those of @gone go: the others are seen once. */
static void walk_while_they_go(unsigned int at, unsigned long gone)
{
	struct pcpu_walk walk;
	unsigned int i;

	nr_walked = 0;
	for (i = 0; i < NR_WALKED; i++)
		EXPECT(model_alloc(&objects[i], pcpu_main.geo.unit_bytes, 4, false, GFP_KERNEL,
				   CTX_TASK));
	pcpu_walk_begin(&pcpu_main, &walk);
	walk_on(&walk, at);
	for_each_set_bit(i, &gone, NR_WALKED)
		model_free(&objects[i], CTX_TASK);
	retire_all();
	walk_on(&walk, UINT_MAX);
	pcpu_walk_end(&pcpu_main, &walk);
	for (i = 0; i < NR_WALKED; i++) {
		if (test_bit(i, &gone))
			continue;
		EXPECT_EQ(times_walked(&objects[i]), 1);
		model_free(&objects[i], CTX_TASK);
	}
	retire_all();
}

TEST(stats_walk_keeps_its_place)
{
	unsigned long gone;
	unsigned int at;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .no_worker = true });
	for (at = 0; at <= NR_WALKED; at++)
		for (gone = 0; gone < BIT(NR_WALKED); gone++)
			walk_while_they_go(at, gone);
	world_shutdown();
}

/* ---- rows --------------------------------------------------------------------------- */

/* Sums of the words of all lines "rows_used". */
struct row_sums {
	u64 used_bytes;
	u64 nr_present;
	u64 nr_absent;
};

static void add_words(struct row_sums *sums, char *words)
{
	char *word, *count;
	u64 nr;

	for (word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		count = strchr(word, 'x');
		nr = count ? strtoull(count + 1, NULL, 10) : 1;
		EXPECT(nr > 0);
		if (*word == '-') {
			sums->nr_absent += nr;
		} else {
			EXPECT(*word >= '0' && *word <= '9');
			EXPECT(strtoull(word, NULL, 10) <= PAGE_SIZE);
			sums->used_bytes += nr * strtoull(word, NULL, 10);
			sums->nr_present += nr;
		}
	}
}

static struct row_sums read_rows(void)
{
	char *text = sim_read_file("percpu_stats"), *at = text;
	struct row_sums sums = {};

	while ((at = strstr(at, "rows_used"))) {
		char *end = strchr(at, '\n');

		*end = 0;
		add_words(&sums, strchr(at, ':') + 1);
		at = end + 1;
	}
	free(text);
	return sums;
}

/* Rows of all chunks by state, boot chunks too. */
static unsigned int count_rows(enum pcpu_row_state state)
{
	unsigned int nr = pcpu_main.first->nr_rows_in[state] + pcpu_main.nr_rows_in[state];

	return nr + (pcpu_main.reserved ? pcpu_main.reserved->nr_rows_in[state] : 0);
}

static void check_rows(void)
{
	struct row_sums sums = read_rows();

	EXPECT_EQ(sums.used_bytes, world_taken_slots() * 4);
	EXPECT_EQ(sums.nr_present, count_rows(PCPU_ROW_PRESENT));
	EXPECT_EQ(sums.nr_absent, count_rows(PCPU_ROW_ABSENT));
}

TEST(stats_rows_used)
{
	unsigned int n;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .static_bytes = 5004,
				    .reserved_bytes = 8192 });
	check_rows();
	for (n = 0; n < 200; n++)
		EXPECT(model_alloc(&objects[n], 4 * sim_between(1, 3000), 4, false, GFP_KERNEL,
				   CTX_TASK));
	check_rows();
	while (n) {
		model_free(&objects[--n], CTX_TASK);
		check_rows();
	}
	sim_run_all_work(100);
	check_rows();
	EXPECT_EQ(stats_value("page_size"), PAGE_SIZE);
	EXPECT_EQ(stats_value("nr_units"), pcpu_main.geo.nr_units);
	world_shutdown();
}

/* ---- for tools/mm/percpu-stats ---------------------------------------------------- */

static void write_to(const char *folder, const char *name)
{
	char *text = sim_read_file(name), path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	SHIM_ASSERT(file && fputs(text, file) >= 0 && !fclose(file), "cannot write %s", path);
	free(text);
}

/* dev/test-percpu-stats.py has the reader show these files, and knows what is in them. */
TEST(stats_for_reader)
{
	const char *folder = getenv("STATS_FOLDER");
	unsigned int i;

	boot_with_cache(PAGE_SIZE);
	for (i = 0; i < 50; i++) {
		alloc_some(0, 1, 64);
		free_some(0, 1);
	}
	alloc_some(0, 10, 64);
	alloc_some(10, 12, 20000);
	free_some(0, 1);
	EXPECT_EQ(sizes_value("live", 64), 9);
	EXPECT(sizes_value("cached", 64) >= 1);
	EXPECT_EQ(count_rows(PCPU_ROW_COMING) + count_rows(PCPU_ROW_GOING), 0);
	if (!folder)
		return;
	write_to(folder, "percpu_stats");
	write_to(folder, "percpu_sizes");
}
