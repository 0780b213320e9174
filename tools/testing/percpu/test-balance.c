// SPDX-License-Identifier: GPL-2.0
/*
 * test-balance.c - the worker: reserve, spare chunks, give-back, shrinker
 */
#include "test.h"

#define MAX_OBJECTS	20000
#define MAX_PASSES	100

static struct object objects[MAX_OBJECTS];
static unsigned int nr_objects;

/* So often others come in between, at most. */
#define MAX_WINDOWS	20000

static unsigned int nr_windows;
static const unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1;

static void fill(unsigned int nr, size_t size, gfp_t gfp)
{
	while (nr--) {
		EXPECT(nr_objects < MAX_OBJECTS);
		EXPECT(model_alloc(&objects[nr_objects], size, 8, false, gfp, CTX_TASK));
		nr_objects++;
	}
}

static void free_all(void)
{
	while (nr_objects)
		model_free(&objects[--nr_objects], CTX_TASK);
}

/* With nothing to do, the worker is not queued again and again. */
TEST(balance_comes_to_rest)
{
	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	EXPECT(sim_run_all_work(MAX_PASSES) < MAX_PASSES);
	EXPECT(!sim_work_pending());
	fill(2000, 256, GFP_KERNEL);
	EXPECT(sim_run_all_work(MAX_PASSES) < MAX_PASSES);
	free_all();
	EXPECT(sim_run_all_work(MAX_PASSES) < MAX_PASSES);
	EXPECT(!sim_work_pending());
	world_shutdown();
}

/* One object that comes and goes does not call it each time. */
TEST(balance_is_not_kicked_by_a_pair)
{
	unsigned int i, passes = 0;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	fill(500, 1000, GFP_KERNEL);
	sim_run_all_work(MAX_PASSES);
	for (i = 0; i < 1000; i++) {
		fill(1, i % 2 ? 64 : 4000, i % 3 ? GFP_KERNEL : GFP_NOWAIT);
		model_free(&objects[--nr_objects], CTX_TASK);
		passes += sim_run_due_work();
		sim_advance(1);
	}
	SHIM_ASSERT(passes <= 20, "%u passes", passes);
	free_all();
	world_shutdown();
}

/* What a burst took goes back within seconds, again and again alike. */
TEST(balance_gives_back)
{
	unsigned long before, after, round;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	before = pcpu_nr_pages();
	for (round = 0; round < 5; round++) {
		unsigned long start;

		fill(3000, 1000, GFP_KERNEL);
		EXPECT(pcpu_nr_pages() > before + 2000000 / PAGE_SIZE);
		free_all();
		start = jiffies;
		while (jiffies - start < 5 * HZ) {
			sim_run_due_work();
			sim_advance(HZ / 10);
		}
		after = pcpu_nr_pages();
		/* Chunks that come with their pages: one is kept. */
		if (pcpu_main.backend->rows_fixed)
			after -= pcpu_main.geo.nr_units * pcpu_main.geo.unit_pages;
		SHIM_ASSERT(after <= before + 2 * nr_cpus, "round %lu: %lu pages before, %lu after",
			    round, before, after);
		EXPECT(pcpu_main.nr_spare_chunks <= pcpu_main.spare_chunks + 1);
		world_check();
	}
	world_shutdown();
}

/* Others leave rows empty as fast as the worker gives them back. */
static void make_and_free_rows(void)
{
	unsigned int nr = nr_objects;

	if (++nr_windows > MAX_WINDOWS)
		return;
	fill(32, PAGE_SIZE, GFP_KERNEL);
	while (nr_objects > nr)
		model_free(&objects[--nr_objects], CTX_TASK);
}

TEST(balance_pass_ends)
{
	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	fill(500, PAGE_SIZE, GFP_KERNEL);
	free_all();
	sim_advance(HZ);
	sim.on_window = make_and_free_rows;
	pcpu_balance_pass(&pcpu_main);
	sim.on_window = NULL;
	printf("%u windows\n", nr_windows);
	EXPECT(nr_windows && nr_windows < MAX_WINDOWS);
	sim_run_all_work(MAX_PASSES);
	world_shutdown();
}

/* Others take rows as fast as the worker fills them. */
static void take_a_row(void)
{
	if (nr_objects < MAX_OBJECTS &&
	    model_alloc(&objects[nr_objects], PAGE_SIZE, 8, false, GFP_NOWAIT, CTX_TASK))
		nr_objects++;
}

TEST(balance_fill_ends)
{
	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	while (pcpu_main.nr_empty_rows)
		fill(1, PAGE_SIZE, GFP_NOWAIT);
	sim.on_window = take_a_row;
	pcpu_balance_pass(&pcpu_main);
	sim.on_window = NULL;
	printf("%u rows taken\n", nr_objects);
	EXPECT(nr_objects && nr_objects < MAX_OBJECTS);
	free_all();
	world_shutdown();
}

/* Some live objects keep their pages, and no more. */
TEST(balance_keeps_survivors)
{
	unsigned int i, kept = 0;
	unsigned long bound;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	fill(8000, 128, GFP_KERNEL);
	for (i = 0; i < nr_objects; i++) {
		if (i / 500 % 4 == 1)
			objects[kept++] = objects[i];
		else
			model_free(&objects[i], CTX_TASK);
	}
	nr_objects = kept;
	sim_run_all_work(MAX_PASSES);
	for (i = 0; i < nr_objects; i++)
		model_check_pattern(&objects[i]);
	if (!pcpu_main.backend->rows_fixed) {
		unsigned long rows = DIV_ROUND_UP(kept * 128UL, PAGE_SIZE);

		bound = (rows + 8 + 4 + pcpu_main.boot_pages) * nr_cpus;
		SHIM_ASSERT(pcpu_nr_pages() <= bound, "%lu pages for %u objects, at most %lu",
			    pcpu_nr_pages(), kept, bound);
	}
	free_all();
	world_shutdown();
}

/* The reserve is there for those who cannot sleep, filled up after use. */
TEST(balance_keeps_a_reserve)
{
	unsigned int round;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	for (round = 0; round < 20; round++) {
		sim_run_all_work(MAX_PASSES);
		EXPECT(pcpu_main.nr_empty_rows >= 2);
		EXPECT(pcpu_main.nr_spare_chunks >= 1 || pcpu_main.backend->rows_fixed);
		fill(sim_between(1, 60), sim_between(100, 4000),
		     round % 2 ? GFP_KERNEL : GFP_KERNEL | __GFP_NORETRY);
	}
	free_all();
	world_shutdown();
}

/* It grows with use by those who cannot sleep, in bounds, and shrinks when idle. */
TEST(balance_adapts_the_reserve)
{
	unsigned int most = 0, round;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	for (round = 0; round < 10; round++) {
		while (nr_objects < 40 && model_alloc(&objects[nr_objects], PAGE_SIZE, 8, false,
						      GFP_NOWAIT, CTX_IRQS_OFF))
			nr_objects++;
		sim_run_due_work();
		most = max(most, pcpu_main.reserve_rows);
		EXPECT(pcpu_main.reserve_rows <= pcpu_main.reserve_max_rows);
		free_all();
		sim_advance(HZ / 4);
	}
	sim_run_all_work(MAX_PASSES);
	EXPECT(pcpu_main.reserve_rows < most || pcpu_main.backend->rows_fixed);
	EXPECT(pcpu_main.reserve_rows <= 4);
	world_shutdown();
}

/* A border case: fill and empty exactly one chunk, over and over. */
TEST(balance_has_hysteresis)
{
	unsigned long created, i;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	fill(3, pcpu_main.geo.unit_bytes, GFP_KERNEL);
	sim_run_all_work(MAX_PASSES);
	created = shim_traced.create_chunk;
	for (i = 0; i < 50; i++) {
		fill(1, pcpu_main.geo.unit_bytes, GFP_KERNEL);
		sim_run_all_work(MAX_PASSES);
		model_free(&objects[--nr_objects], CTX_TASK);
		sim_run_all_work(MAX_PASSES);
	}
	if (!pcpu_main.backend->rows_fixed)
		SHIM_ASSERT(shim_traced.create_chunk - created <= 10, "%lu chunks were made",
			    shim_traced.create_chunk - created);
	free_all();
	world_shutdown();
}

/* One TLB flush takes many rows. */
TEST(balance_flushes_in_batches)
{
	unsigned long rows;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	fill(3000, 1000, GFP_KERNEL);
	rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
	sim.nr_flushes = 0;
	free_all();
	sim_run_all_work(MAX_PASSES);
	rows -= pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
	if (!pcpu_main.backend->rows_fixed) {
		EXPECT(rows > 2000000 / PAGE_SIZE);
		SHIM_ASSERT(sim.nr_flushes <= DIV_ROUND_UP(rows, 16), "%lu flushes for %lu rows",
			    sim.nr_flushes, rows);
	}
	world_shutdown();
}

/* Without memory the worker gives up, quietly, and comes back later. */
TEST(balance_without_memory)
{
	unsigned int passes = 0, i;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim.fail_permille = 1000;
	for (i = 0; i < 100; i++) {
		passes += sim_run_due_work();
		model_alloc(&objects[0], 64, 8, false, GFP_NOWAIT, CTX_HARDIRQ);
		if (objects[0].ptr)
			model_free(&objects[0], CTX_TASK);
		sim_advance(1);
	}
	/* 100 ms: not each request may cause a pass that fails again. */
	SHIM_ASSERT(passes <= 10, "%u passes in 100 ms", passes);
	EXPECT_EQ(sim.nr_messages, 0);
	sim.fail_permille = 0;
	sim_run_all_work(MAX_PASSES);
	EXPECT(pcpu_main.nr_empty_rows >= 2);
	EXPECT(pcpu_main.nr_spare_chunks >= 1 || pcpu_main.backend->rows_fixed);
	world_shutdown();
}

/* The longer memory is refused, the less often the worker asks for it. */
TEST(balance_backs_off_ever_longer)
{
	unsigned int i, nr = 0, nr_tries = 0;
	unsigned long asked;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(100);
	sim.fail_permille = 1000;
	for (i = 0; i < 600; i++) {
		/* So large that spare chunks serve few of them: the others call the worker. */
		nr += model_alloc(&objects[nr], pcpu_main.geo.unit_bytes, 8, false, GFP_NOWAIT,
				  CTX_HARDIRQ);
		asked = sim.nr_failed;
		sim_run_due_work();
		nr_tries += sim.nr_failed > asked;
		sim_advance(HZ);
	}
	/* 0.1 s, doubled up to 60 s: 10 times in the first 102 s, and 8 times in the others. */
	SHIM_ASSERT(nr_tries >= 10 && nr_tries <= 20, "%u tries in 600 s", nr_tries);
	sim.fail_permille = 0;
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
	sim_run_all_work(MAX_PASSES);
	world_shutdown();
}

/* Under pressure the shrinker has the worker give back what it can. */
TEST(balance_shrinker)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 128 };
	struct shrinker *shrinker;
	unsigned long before, n;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(MAX_PASSES);
	shrinker = sim_shrinker();
	EXPECT(shrinker);
	fill(3000, 1000, GFP_KERNEL);
	free_all();
	before = pcpu_nr_pages();
	n = shrinker->count_objects(shrinker, &sc);
	if (!pcpu_main.backend->rows_fixed) {
		EXPECT(n && n != SHRINK_EMPTY);
		shrinker->scan_objects(shrinker, &sc);
		EXPECT_EQ(sim_run_due_work(), 1);
		EXPECT(pcpu_nr_pages() < before / 4);
		n = shrinker->count_objects(shrinker, &sc);
		EXPECT(!n || n == SHRINK_EMPTY || n < 10 * nr_cpus);
	} else {
		EXPECT(!n || n == SHRINK_EMPTY);
	}
	world_shutdown();
}

/* At once, whatever it was: what requests that cannot sleep used before, and what is at hand. */
TEST(balance_shrinker_takes_all)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 128 };
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = nr_cpus, .cache = true });
	sim_run_all_work(MAX_PASSES);
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	for (i = 0; i < 40; i++)
		if (!model_alloc(&objects[i], PAGE_SIZE, 8, false, GFP_NOWAIT, CTX_IRQS_OFF))
			break;
	sim_run_due_work();
	EXPECT(pcpu_main.reserve_rows > 4);
	sim_shrinker()->scan_objects(sim_shrinker(), &sc);
	EXPECT_EQ(sim_run_due_work(), 1);
	EXPECT_EQ(pcpu_main.reserve_rows, 4);
	EXPECT(pcpu_main.nr_empty_rows <= 4 + pcpu_main.first->nr_rows);
	while (i)
		model_free(&objects[--i], CTX_TASK);
	sim_run_all_work(MAX_PASSES);

	/* Nothing else is to be given back. */
	EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&objects[0], CTX_TASK);
	EXPECT_EQ(pcpu_cache_count(&pcpu_main).nr_held, 1);
	sim_shrinker()->scan_objects(sim_shrinker(), &sc);
	EXPECT_EQ(sim_run_due_work(), 1);
	EXPECT_EQ(pcpu_cache_count(&pcpu_main).nr_held, 0);
	EXPECT_EQ(pcpu_cache_held_bytes(&pcpu_main), 0);
	world_shutdown();
}

/* What is kept ahead of need is bounded by memory and by address space. */
TEST(balance_bounds)
{
	static const unsigned int cpus[] = { 1, 2, 64, 513, 4096 };
	unsigned int i, j;

	for (i = 0; i < (IS_ENABLED(CONFIG_HAVE_SETUP_PER_CPU_AREA) ? ARRAY_SIZE(cpus) : 1); i++) {
		for (j = 26; j <= 40; j += 2) {
			struct pcpu_allocator *pa = &pcpu_main;
			unsigned long kept;

			world_boot(&(struct world){
				.nr_cpus = cpus[i],
				.ram_pages = (1UL << j) >> PAGE_SHIFT,
				.vmalloc_bytes = 32ULL << 30,
				.static_bytes = 100,
				.no_worker = true,
			});
			pcpu_balance_set_bounds(pa, sim.ram_pages);
			EXPECT(pa->spare_chunks >= 1);
			EXPECT(pa->reserve_rows >= 2);
			EXPECT(pa->reserve_max_rows >= pa->reserve_rows);
			kept = pa->backend->chunk_overhead_bytes(pa);
			kept += pcpu_chunk_bytes(pa->geo.unit_pages, PCPU_HAS_EXT);
			kept *= pa->spare_chunks;
			EXPECT(pa->spare_chunks == 1 || kept <= (1UL << j) >> 10);
			EXPECT(pa->spare_chunks == 1 ||
			       pa->spare_chunks * pa->geo.nr_units * pa->geo.unit_bytes <=
			       sim.vmalloc_bytes / 64);
			world_shutdown();
		}
	}
}

/*
 * One row in use of every two: rows without an area are there, but no two side by side.  A
 * request for two that makes no rows present fails; the next of its kind shall not.
 */
TEST(missed_rows_are_made)
{
	static struct object rows[64], large;
	unsigned int i, nr, nr_tries;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	if (pcpu_main.backend->maps_atomic)
		test_skip("such requests make rows present");
	sim_run_all_work(100);
	nr = min(4 * pcpu_main.geo.unit_pages, 64U);
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&rows[i], PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL, CTX_TASK));
	for (i = 0; i < nr; i += 2)
		model_free(&rows[i], CTX_TASK);
	sim_run_all_work(100);
	for (nr_tries = 0; nr_tries < 3; nr_tries++) {
		if (model_alloc(&large, 2 * PAGE_SIZE, 8, false, GFP_NOWAIT, CTX_HARDIRQ))
			break;
		sim_run_due_work();
	}
	EXPECT(nr_tries < 3);
	model_free(&large, CTX_TASK);
	for (i = 1; i < nr; i += 2)
		model_free(&rows[i], CTX_TASK);
	world_shutdown();
}

/* Nothing happens for so long that jiffies have gone half of their way around. */
TEST(idle_for_half_of_jiffies)
{
	unsigned long before;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(100);
	before = pcpu_nr_pages();
	EXPECT(!sim_work_pending());
	sim_advance((1UL << (BITS_PER_LONG - 1)) + 10 * HZ);
	fill(1000, 1000, GFP_KERNEL);
	free_all();
	EXPECT(sim_run_all_work(1000) < 1000);
	if (!pcpu_main.backend->rows_fixed)
		EXPECT(pcpu_nr_pages() <= before + 10 * pcpu_main.geo.nr_units);
	world_shutdown();
}

/* Another CPU, while a task has said that it calls the worker, and has not called it. */
static void kick_from_elsewhere(void)
{
	if (!READ_ONCE(pcpu_main.balance_urgent) || sim_work_pending())
		return;
	pcpu_balance_kick(&pcpu_main, true);
	nr_windows += !sim_work_pending();
}

/* Who is preempted there for long keeps all others from calling it. */
TEST(urgent_kick_is_not_preempted)
{
	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	sim_run_all_work(100);
	nr_windows = 0;
	sim.on_window = kick_from_elsewhere;
	pcpu_balance_kick(&pcpu_main, true);
	sim.on_window = NULL;
	EXPECT_EQ(nr_windows, 0);
	sim_run_all_work(100);
	world_shutdown();
}

/* The worker has just failed to get memory; that is no reason to give back later. */
TEST(pressure_waits_for_no_backoff)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };
	unsigned long before;
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = nr_cpus });
	if (pcpu_main.backend->rows_fixed)
		test_skip("rows are fixed");
	sim_run_all_work(100);
	fill(1000, 1000, GFP_KERNEL);
	sim.fail_permille = 1000;
	sim.fail_kinds = SIM_PAGES | SIM_METADATA | SIM_SPACE | SIM_TABLES;
	for (i = 0; i < 8; i++) {
		sim_advance(i << 6);
		pcpu_balance_kick(&pcpu_main, true);
		sim_run_due_work();
	}
	while (sim_work_pending())
		sim_run_all_work(100);
	sim.fail_permille = 0;
	free_all();
	before = pcpu_nr_pages();
	sim_shrinker()->scan_objects(sim_shrinker(), &sc);
	sim_run_due_work();
	EXPECT(pcpu_nr_pages() < before);
	world_shutdown();
}
