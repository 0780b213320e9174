// SPDX-License-Identifier: GPL-2.0
/*
 * test-cache.c - freed areas that each CPU keeps at hand
 *
 * Windows stand for interrupts, other tasks and the worker: they open before
 * and after each atomic operation on an entry.
 */
#include "test.h"

#define MAX_OBJECTS	4096
#define NR_CPUS_HERE	(IS_ENABLED(CONFIG_SMP) ? 3 : 1)

static struct object objects[MAX_OBJECTS + 64];
static unsigned int nr_objects;

/* Before a boot, or they have sizes, hits and misses of the one before. */
static void forget_bins(void)
{
	memset(pcpu_caches, 0, sizeof(pcpu_caches));
	if (pcpu_depot_cache())
		memset(pcpu_depot_cache(), 0, sizeof(struct pcpu_cache));
}

static void boot_with_cache(unsigned int nr_cpus)
{
	world_boot(&(struct world){ .nr_cpus = nr_cpus, .cache = true });
	sim_run_all_work(100);
}

static unsigned int held(void)
{
	return pcpu_cache_count(&pcpu_main).nr_held;
}

static unsigned long hits(void)
{
	return pcpu_cache_count(&pcpu_main).nr_hits;
}

static int bin_budgets(const struct pcpu_cache *cache)
{
	unsigned int i;
	int sum = 0;

	for (i = 0; i < PCPU_CACHE_BINS; i++)
		sum += atomic_read(&cache->bin[i].budget_bytes);
	return sum;
}

/* The budget is whole: what is not in it, the bins have. */
static void check_budget(void)
{
	int sum = atomic_read(&pcpu_main.cache_budget_bytes);
	unsigned int cpu;

	EXPECT(sum >= 0);
	for_each_possible_cpu(cpu)
		sum += bin_budgets(&per_cpu(pcpu_caches, cpu));
	if (pcpu_depot_cache())
		sum += bin_budgets(pcpu_depot_cache());
	EXPECT_EQ(sum, pcpu_main.cache_total_bytes);
}

/* Areas in the depot's bin of a size. */
static unsigned int in_depot(size_t size)
{
	struct pcpu_bin *bin = pcpu_depot_cache() ?
			       pcpu_bin_in(pcpu_depot_cache(), size / 4) : NULL;
	unsigned int i, nr = 0;

	for (i = 0; bin && i < PCPU_CACHE_DEPTH; i++)
		nr += !!bin->entry[i];
	/* No more than its part of the budget is for. */
	if (bin)
		EXPECT(nr * size <= atomic_read(&bin->budget_bytes));
	return nr;
}

static unsigned long depot_hits(void)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; pcpu_depot_cache() && i < PCPU_CACHE_BINS; i++)
		sum += pcpu_depot_cache()->bin[i].nr_hits;
	return sum;
}

/* When all has been quiet for long enough, nothing is at hand any more. */
static void expect_idle(void)
{
	EXPECT(sim_run_all_work(100) < 100);
	EXPECT_EQ(held(), 0);
	EXPECT_EQ(pcpu_cache_held_bytes(&pcpu_main), 0);
	check_budget();
	world_check();
}

static void *address(const struct object *object)
{
	return __pcpu_ptr_to_addr(object->ptr);
}

TEST(cache_returns_what_was_freed)
{
	static const size_t sizes[] = { 4, 8, 64, 256, 1000, 1024, 2048 };
	struct object object, again;
	unsigned int i, j;

	boot_with_cache(NR_CPUS_HERE);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT(model_alloc(&object, sizes[i], 4, false, GFP_KERNEL, CTX_TASK));
		for (j = 0; j < 100; j++) {
			void *where = address(&object);
			unsigned long before;

			/* Which may make a bin that of this size, and forget another's hits. */
			model_free(&object, CTX_TASK);
			before = hits();
			EXPECT(model_alloc(&again, sizes[i], 4, false, GFP_NOWAIT, CTX_HARDIRQ));
			EXPECT_EQ(address(&again), where);
			EXPECT_EQ(hits(), before + 1);
			object = again;
		}
		model_free(&object, CTX_TASK);
		expect_idle();
	}
	world_shutdown();
}

/* Larger areas, and those of the reserved chunk, are not kept. */
TEST(cache_keeps_out)
{
	struct world world = { .nr_cpus = NR_CPUS_HERE, .cache = true, .reserved_bytes = 4096 };
	struct object object;

	world_boot(&world);
	sim_run_all_work(100);
	EXPECT(model_alloc(&object, 2052, 4, false, GFP_KERNEL, CTX_TASK));
	model_free(&object, CTX_TASK);
	EXPECT_EQ(held(), 0);
	EXPECT(model_alloc(&object, 64, 8, true, GFP_KERNEL, CTX_TASK));
	model_free(&object, CTX_TASK);
	EXPECT_EQ(held(), pcpu_main.reserved ? 0 : 1);
	/* Nor does a request for the reserved chunk get one that is at hand. */
	EXPECT(model_alloc(&object, 64, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&object, CTX_TASK);
	EXPECT_EQ(held(), 1);
	EXPECT(model_alloc(&object, 64, 8, true, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(held(), 1);
	model_free(&object, CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* What is at hand may be badly aligned for the next request. */
TEST(cache_heeds_alignment)
{
	struct object pair[2], aligned;
	unsigned int i, kept;

	boot_with_cache(NR_CPUS_HERE);
	for (i = 0; i < 50; i++) {
		EXPECT(model_alloc(&pair[0], 12, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&pair[1], 12, 4, false, GFP_KERNEL, CTX_TASK));
		model_free(&pair[0], CTX_TASK);
		model_free(&pair[1], CTX_TASK);
		/* The model checks the alignment; what does not suit stays at hand. */
		kept = held();
		EXPECT(model_alloc(&aligned, 12, 64, false, GFP_KERNEL, CTX_TASK));
		EXPECT(held() >= kept - 1);
		model_free(&aligned, CTX_TASK);
	}
	expect_idle();
	world_shutdown();
}

/* All CPUs together keep within the total, whatever they free. */
TEST(cache_total_is_bounded)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 64 : 1, cpu, i, n = 0;
	unsigned long bytes;

	boot_with_cache(nr_cpus);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		for (i = 0; i < 50; i++, n++)
			EXPECT(model_alloc(&objects[n], i % 2 ? 256 : 1024, 8, false,
					   GFP_KERNEL, CTX_TASK));
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		current->cpu = cpu;
		for (i = 0; i < 50; i++)
			model_free(&objects[--n], CTX_TASK);
		check_budget();
		EXPECT(pcpu_cache_held_bytes(&pcpu_main) <= pcpu_main.cache_total_bytes);
	}
	bytes = pcpu_slots_to_bytes(world_taken_slots() - world_used_slots());
	SHIM_ASSERT(bytes <= pcpu_main.cache_total_bytes, "%lu bytes at hand", bytes);
	EXPECT(held() > 0);
	/* Memory pressure: all of it goes at the next pass. */
	WRITE_ONCE(pcpu_main.balance_pressure, true);
	pcpu_balance_pass(&pcpu_main);
	EXPECT_EQ(held(), 0);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* A bin that serves is left alone; one that does not goes. */
TEST(cache_ages)
{
	struct object used, unused;
	unsigned int pass;

	boot_with_cache(NR_CPUS_HERE);
	EXPECT(model_alloc(&used, 64, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&unused, 128, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&unused, CTX_TASK);
	model_free(&used, CTX_TASK);
	for (pass = 0; pass < 10; pass++) {
		EXPECT(model_alloc(&used, 64, 8, false, GFP_KERNEL, CTX_TASK));
		model_free(&used, CTX_TASK);
		sim_advance(HZ);
		EXPECT(sim_run_due_work() > 0);
		EXPECT_EQ(held(), 1);
	}
	expect_idle();
	world_shutdown();
}

/*
 * A bin that runs dry is refilled with several areas, but only up to what there
 * was: growth takes one by one, and so does not spread what belongs together.
 */
TEST(cache_refills_up_to_the_peak)
{
	unsigned int n;
	u64 peak;

	boot_with_cache(NR_CPUS_HERE);
	for (n = 0; n < 1000; n++) {
		EXPECT(model_alloc(&objects[n], 64, 8, false, GFP_KERNEL, CTX_TASK));
		EXPECT_EQ(held(), 0);
	}
	peak = pcpu_main.peak_areas;
	while (n > 400)
		model_free(&objects[--n], CTX_TASK);
	while (n < 1000) {
		EXPECT(model_alloc(&objects[n++], 64, 8, false, GFP_KERNEL, CTX_TASK));
		EXPECT_EQ(pcpu_main.peak_areas, peak);
	}
	EXPECT(hits() > 500);
	while (n)
		model_free(&objects[--n], CTX_TASK);
	expect_idle();
	world_shutdown();
}

static unsigned long line_of(const struct object *obj)
{
	return (unsigned long)address(obj) / pcpu_slots_to_bytes(PCPU_LINE_SLOTS);
}

/*
 * Tiny areas are an exception: each CPU takes a line of lengths at a time, whole and for
 * itself, from the first one on.
 */
TEST(cache_tiny_areas_fill_lines)
{
	static const unsigned int sizes[] = { 4, 8, 12, 16 };
	unsigned int i, n, nr_of_line;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("one CPU shares its lines with nobody");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		nr_of_line = pcpu_slots_to_bytes(PCPU_LINE_SLOTS) / sizes[i];
		boot_with_cache(NR_CPUS_HERE);
		for (n = 0; n < NR_CPUS_HERE * nr_of_line; n++) {
			current->cpu = n % NR_CPUS_HERE;
			EXPECT(model_alloc(&objects[n], sizes[i], 4, false, GFP_KERNEL,
					   CTX_TASK));
			if (n >= NR_CPUS_HERE)
				EXPECT_EQ(line_of(&objects[n]),
					  line_of(&objects[n - NR_CPUS_HERE]));
			else
				EXPECT(!n || line_of(&objects[n]) != line_of(&objects[n - 1]));
		}
		while (n)
			model_free(&objects[--n], CTX_TASK);
		current->cpu = 0;
		expect_idle();
		world_shutdown();
	}
}

/* What the next refill of 1024 B puts at hand, of how much is left of the budget. */
static unsigned int refilled_of(int left_bytes, unsigned int *nr)
{
	int kept_bytes = atomic_read(&pcpu_main.cache_budget_bytes) - left_bytes;
	unsigned int nr_held;

	atomic_sub(kept_bytes, &pcpu_main.cache_budget_bytes);
	do {
		EXPECT(model_alloc(&objects[(*nr)++], 1024, 8, false, GFP_KERNEL, CTX_TASK));
	} while (!held());
	nr_held = held();
	pcpu_cache_drain(&pcpu_main, true);
	atomic_add(kept_bytes, &pcpu_main.cache_budget_bytes);
	return nr_held;
}

/* Large areas come several at a time as well, but fewer where the budget is short. */
TEST(cache_refills_by_the_budget)
{
	unsigned int n;

	boot_with_cache(NR_CPUS_HERE);
	for (n = 0; n < 100; n++)
		EXPECT(model_alloc(&objects[n], 1024, 8, false, GFP_KERNEL, CTX_TASK));
	while (n)
		model_free(&objects[--n], CTX_TASK);
	pcpu_cache_drain(&pcpu_main, true);
	EXPECT_EQ(refilled_of(64 * 1024, &n), 15);
	EXPECT_EQ(refilled_of(32 * 1024, &n), 7);
	EXPECT_EQ(refilled_of(16 * 1024, &n), 3);
	while (n)
		model_free(&objects[--n], CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* What a refill has put at hand goes back, though nothing is freed after it. */
TEST(cache_refill_calls_the_worker)
{
	unsigned int n;

	boot_with_cache(NR_CPUS_HERE);
	for (n = 0; n < 400; n++)
		EXPECT(model_alloc(&objects[n], 64, 8, false, GFP_KERNEL, CTX_TASK));
	while (n > 100)
		model_free(&objects[--n], CTX_TASK);
	pcpu_cache_drain(&pcpu_main, true);
	WRITE_ONCE(pcpu_main.balance_drain, false);
	while (sim_work_pending())
		cancel_delayed_work_sync(&pcpu_main.balance_work);
	while (!held())
		EXPECT(model_alloc(&objects[n++], 64, 8, false, GFP_KERNEL, CTX_TASK));
	expect_idle();
	while (n)
		model_free(&objects[--n], CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* CPUs that only allocate do not take the budget from the one that could use it. */
TEST(cache_budget_is_not_starved)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 64 : 1, cpu, i, n = 0;
	unsigned long before;

	boot_with_cache(nr_cpus);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		current->cpu = cpu;
		for (i = 0; i < 16 * 6; i++)
			EXPECT(model_alloc(&objects[n++ % MAX_OBJECTS], 64 + i % 16 * 60, 4, false,
					   GFP_KERNEL, CTX_TASK));
		if (n >= MAX_OBJECTS - 100)
			break;
	}
	before = hits();
	for (i = 0; i < 100; i++) {
		EXPECT(model_alloc(&objects[n], 64, 8, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[n], CTX_TASK);
	}
	EXPECT(hits() >= before + 90);
	while (n)
		model_free(&objects[--n], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* The objects of two CPUs, by turns, each replaced by its own; with as many hits as that. */
static void replace_by_turns(unsigned int nr, size_t size)
{
	unsigned int n;

	for (n = 0; n < nr; n++) {
		current->cpu = n % 2;
		model_free(&objects[n], CTX_TASK);
		EXPECT(model_alloc(&objects[n], size, 4, false, GFP_KERNEL, CTX_TASK));
	}
}

#define NR_HALF_ROWS	16U

/* Rows that are in use, and have room for whole lines. */
static void take_half_rows(struct object *half, unsigned int nr)
{
	while (nr--)
		EXPECT(model_alloc(&half[nr], PAGE_SIZE / 2 + 4, PAGE_SIZE, false, GFP_KERNEL,
				   CTX_TASK));
}

/*
 * Two CPUs have objects side by side, and replace them again and again: soon none of one
 * lies in a line of lengths with any of the other, and no row was added for it.
 */
TEST(cache_neighbours_move_apart)
{
	static const unsigned int sizes[] = { 4, 8, 24, 64, 96, 128, 192, 252 };
	unsigned int nr = 32, nr_rows, i, a, b;
	unsigned long before;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("there is one CPU");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		forget_bins();
		boot_with_cache(NR_CPUS_HERE);
		take_half_rows(&objects[nr], NR_HALF_ROWS);
		for (a = 0; a < nr; a++)
			EXPECT(model_alloc(&objects[a], sizes[i], 4, false, GFP_KERNEL, CTX_TASK));
		nr_rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
		for (a = 0; a < 5; a++)
			replace_by_turns(nr, sizes[i]);
		before = hits();
		replace_by_turns(nr, sizes[i]);
		EXPECT_EQ(hits() - before, nr);
		for (a = 0; a < nr; a += 2)
			for (b = 1; b < nr; b += 2)
				EXPECT(line_of(&objects[a]) != line_of(&objects[b]));
		EXPECT_EQ(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT], nr_rows);
		for (a = 0; a < nr + NR_HALF_ROWS; a++)
			model_free(&objects[a], CTX_TASK);
		current->cpu = 0;
		expect_idle();
		world_shutdown();
	}
}

static unsigned long line_of_entry(unsigned int cpu, unsigned int i)
{
	return pcpu_bin_in(&per_cpu(pcpu_caches, cpu), 16)->entry[i] / (4 * PCPU_LINE_SLOTS);
}

/* What two CPUs take ahead, one after the other, is whole lines of lengths. */
TEST(cache_refills_take_whole_lines)
{
	unsigned int max_bytes, nr = 200, i, j;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("there is one CPU");
	boot_with_cache(2);
	max_bytes = pcpu_main.cache_max_bytes;
	pcpu_main.cache_max_bytes = 0;
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], 64, 4, false, GFP_KERNEL, CTX_TASK));
	while (i)
		model_free(&objects[--i], CTX_TASK);
	pcpu_main.cache_max_bytes = max_bytes;
	/* So that what is free begins inside of a line; the fourth that each misses is refilled. */
	EXPECT(model_alloc(&objects[8], 128, 4, false, GFP_KERNEL, CTX_TASK));
	for (; i < 8; i++) {
		current->cpu = i % 2;
		EXPECT(model_alloc(&objects[i], 64, 4, false, GFP_KERNEL, CTX_TASK));
	}
	EXPECT_EQ(held(), 2 * 15);
	for (i = 0; i < 15; i++)
		for (j = 0; j < 15; j++)
			EXPECT(line_of_entry(0, i) != line_of_entry(1, j));
	for (i = 0; i <= 8; i++)
		model_free(&objects[i], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* What another CPU has at hand serves a request that may sleep, before that fails. */
TEST(cache_of_others_is_drained_before_failure)
{
	unsigned int nr = 0;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("there is one CPU");
	boot_with_cache(2);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	while (model_alloc(&objects[nr], 2000, 4, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK))
		nr++;
	current->cpu = 1;
	model_free(&objects[--nr], CTX_TASK);
	EXPECT_EQ(held(), 1);
	current->cpu = 0;
	EXPECT(!model_alloc(&objects[nr], 1996, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK));
	EXPECT_EQ(held(), 1);
	EXPECT(model_alloc(&objects[nr], 1996, 4, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	sim.fail_permille = 0;
	do
		model_free(&objects[nr], CTX_TASK);
	while (nr--);
	expect_idle();
	world_shutdown();
}

/* Does a CPU's bin, after it was idle, refuse what it is given? */
static bool moves_again(unsigned int n)
{
	bool refused;

	expect_idle();
	EXPECT(!pcpu_main.lines_wanted);
	current->cpu = n % 2;
	model_free(&objects[n], CTX_TASK);
	refused = !held();
	/* The worker is told of that, too: what it looks at then costs each miss a look. */
	EXPECT_EQ(pcpu_main.lines_wanted, refused);
	expect_idle();
	EXPECT(!pcpu_main.lines_wanted);
	EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
	return refused;
}

/* A bin that has moved as many as it may moves others only after many hits. */
TEST(cache_moves_are_renewed_by_hits)
{
	unsigned int nr = 300, i;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("there is one CPU");
	forget_bins();
	boot_with_cache(2);
	take_half_rows(&objects[nr], NR_HALF_ROWS);
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], 64, 4, false, GFP_KERNEL, CTX_TASK));
	replace_by_turns(nr, 64);
	/* The one that was at it first had nothing to move so far, and is now the last. */
	EXPECT(moves_again(0));
	EXPECT(!moves_again(1));
	for (i = 0; i < 2000; i++) {
		current->cpu = 1;
		model_free(&objects[1], CTX_TASK);
		EXPECT(model_alloc(&objects[1], 64, 4, false, GFP_KERNEL, CTX_TASK));
	}
	EXPECT(moves_again(3));
	for (i = 0; i < nr + NR_HALF_ROWS; i++)
		model_free(&objects[i], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* A CPU that only frees moves none but the first, and where one CPU is at it none moves. */
TEST(cache_moves_for_those_who_allocate)
{
	unsigned int cpu, n;

	for (cpu = 0; cpu < NR_CPUS_HERE; cpu++) {
		boot_with_cache(NR_CPUS_HERE);
		for (n = 0; n < 40; n++)
			EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
		/* The first that has a use for bins. */
		model_free(&objects[0], CTX_TASK);
		EXPECT(model_alloc(&objects[0], 64, 4, false, GFP_KERNEL, CTX_TASK));
		current->cpu = cpu;
		while (n)
			model_free(&objects[--n], CTX_TASK);
		EXPECT_EQ(held(), 40 - !!cpu);
		current->cpu = 0;
		expect_idle();
		world_shutdown();
	}
}

/* A mass free scatters what it leaves at hand over many rows; bins in use must not keep them. */
TEST(cache_bins_in_use_are_trimmed)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 64 : 1, nr = MAX_OBJECTS, i, pass, cpu;

	boot_with_cache(nr_cpus);
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], 64, 8, false, GFP_KERNEL, CTX_TASK));
	for (i = 0; i < nr; i++) {
		current->cpu = i % nr_cpus;
		model_free(&objects[i * 1001 % nr], CTX_TASK);
	}
	EXPECT(held() > 4 * nr_cpus);
	for (pass = 0; pass < 12; pass++) {
		for (cpu = 0; cpu < nr_cpus; cpu++) {
			current->cpu = cpu;
			EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
			model_free(&objects[0], CTX_TASK);
		}
		sim_advance(HZ);
		sim_run_due_work();
		check_budget();
	}
	/* Each had a hit in each pass. */
	EXPECT(hits() >= 12 * nr_cpus - 12);
	EXPECT(held() <= 2 * nr_cpus);
	EXPECT(pcpu_cache_held_bytes(&pcpu_main) <= 2 * 64 * nr_cpus);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* The budget is for all CPUs: who comes late finds some of it, and soon its part. */
TEST(cache_budget_is_shared)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 500 : 1, cpu, pass, nr_none = 0;
	unsigned long before;

	boot_with_cache(nr_cpus);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		EXPECT(model_alloc(&objects[cpu], 64, 8, false, GFP_KERNEL, CTX_TASK));
	for (pass = 0; pass < 4; pass++) {
		for (cpu = 0; cpu < nr_cpus; cpu++) {
			current->cpu = cpu;
			model_free(&objects[cpu], CTX_TASK);
			before = hits();
			EXPECT(model_alloc(&objects[cpu], 64, 8, false, GFP_KERNEL, CTX_TASK));
			nr_none += pass == 3 && hits() == before;
		}
		sim_advance(HZ);
		sim_run_due_work();
	}
	EXPECT_EQ(nr_none, 0);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		model_free(&objects[cpu], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* More sizes than bins: bins change their size, and areas do not get lost. */
TEST(cache_more_sizes_than_bins)
{
	unsigned int round, i, n;

	boot_with_cache(NR_CPUS_HERE);
	for (round = 0; round < test_scaled(200); round++) {
		for (n = 0; n < 100; n++)
			EXPECT(model_alloc(&objects[n], 4 * sim_between(1, 60), 4, false,
					   GFP_KERNEL, CTX_TASK));
		for (i = 0; i < 100; i++)
			model_free(&objects[--n], CTX_TASK);
		check_budget();
	}
	expect_idle();
	world_shutdown();
}

/* Bins that hold an area of another size than they did before. */
static unsigned int bins_changed(unsigned int *sizes)
{
	unsigned int i, nr = 0;

	for (i = 0; i < PCPU_CACHE_BINS; i++) {
		unsigned int nr_slots = per_cpu(pcpu_caches, 0).bin[i].nr_slots;

		nr += sizes[i] && sizes[i] != nr_slots;
		sizes[i] = nr_slots;
	}
	return nr;
}

/*
 * Frees of sizes that do not recur take bins from each other ever more seldom, as nobody is
 * served from these; and a size that is used takes one soon all the same.
 */
TEST(cache_patience_grows_in_vain)
{
	static void __percpu *many[6400];
	unsigned int sizes[PCPU_CACHE_BINS] = {}, nr_early = 0, nr_late = 0, i;
	unsigned long nr_hits;
	struct object pair;

	boot_with_cache(1);
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = __alloc_percpu_gfp(4 + i * 4 % 1024, 4, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(many); i++) {
		free_percpu(many[i]);
		*(i < ARRAY_SIZE(many) / 4 ? &nr_early : &nr_late) += bins_changed(sizes);
	}
	EXPECT(nr_early > 8);
	/* Three times as long. */
	EXPECT(nr_late < 2 * nr_early);

	nr_hits = hits();
	for (i = 0; i < 400; i++) {
		EXPECT(model_alloc(&pair, 1200, 4, false, GFP_KERNEL, CTX_TASK));
		model_free(&pair, CTX_TASK);
	}
	EXPECT(hits() - nr_hits > 100);
	expect_idle();
	world_shutdown();
}

static size_t taken_over_bytes;
static int windows_until = -1;

/* While an area is being put, its bin is drained and becomes that of another size. */
static void take_over(void)
{
	struct object object;

	if (windows_until-- != 0)
		return;
	pcpu_cache_drain(&pcpu_main, true);
	EXPECT(model_alloc(&object, taken_over_bytes, 4, false, GFP_NOWAIT, CTX_HARDIRQ));
	model_free(&object, CTX_HARDIRQ);
	EXPECT(pcpu_bin_of(taken_over_bytes / 4));
	pcpu_cache_drain(&pcpu_main, true);
}

/* On any CPU: the task may be on another one by now. */
static bool has_bin(unsigned int nr_slots)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < PCPU_CACHE_BINS; i++)
			if (per_cpu(pcpu_caches, cpu).bin[i].nr_slots == nr_slots &&
			    per_cpu(pcpu_caches, cpu).bin[i].top)
				return true;
	return false;
}

/* In each window that a free has, in turn. */
TEST(cache_bin_changes_while_put)
{
	unsigned int nr_slots = 17, i, nr_strays = 0;
	struct object small, large, next;

	while (hash_32(nr_slots, PCPU_CACHE_BIN_BITS) != hash_32(16, PCPU_CACHE_BIN_BITS))
		nr_slots++;
	taken_over_bytes = 4 * nr_slots;
	/* Each window several times: on which CPU one runs there is left to chance. */
	for (i = 0; i < 6 * 8; i++) {
		forget_bins();
		boot_with_cache(NR_CPUS_HERE);
		EXPECT(model_alloc(&small, 64, 8, false, GFP_KERNEL, CTX_TASK));
		model_free(&small, CTX_TASK);
		EXPECT(model_alloc(&small, 64, 8, false, GFP_KERNEL, CTX_TASK));
		/* What takes the small one's place for a large one overlaps this. */
		EXPECT(model_alloc(&next, 20, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT_EQ(address(&next), address(&small) + 64);
		windows_until = i % 8;
		sim.on_window = take_over;
		model_free(&small, CTX_TASK);
		sim.on_window = NULL;
		if (windows_until < 0)
			nr_strays += held() && has_bin(nr_slots);
		EXPECT(model_alloc(&large, taken_over_bytes, 4, false, GFP_KERNEL, CTX_TASK));
		model_check_pattern(&next);
		model_free(&large, CTX_TASK);
		model_free(&next, CTX_TASK);
		expect_idle();
		world_shutdown();
	}
	EXPECT(nr_strays > 0);
}

/* Once, the worker comes, finds nothing in use any more, and is not called again. */
static void work_once(void)
{
	if (windows_until-- != 0)
		return;
	while (sim_work_pending()) {
		sim_advance(HZ);
		sim_run_due_work();
	}
}

/* A request that does not suit puts back what it took: not behind the worker's back. */
TEST(cache_put_back_is_not_left_behind)
{
	struct object pair[2], aligned;
	unsigned int window;

	for (window = 0; window < 12; window++) {
		boot_with_cache(NR_CPUS_HERE);
		EXPECT(model_alloc(&pair[0], 20, 64, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&pair[1], 20, 4, false, GFP_KERNEL, CTX_TASK));
		model_free(&pair[0], CTX_TASK);
		model_free(&pair[1], CTX_TASK);
		EXPECT_EQ(held(), 2);
		windows_until = window;
		sim.on_window = work_once;
		EXPECT(model_alloc(&aligned, 20, 64, false, GFP_KERNEL, CTX_TASK));
		sim.on_window = NULL;
		expect_idle();
		model_free(&aligned, CTX_TASK);
		world_shutdown();
	}
}

/* Nor does a free in any context, after which only the irq_work can call the worker. */
TEST(cache_nolock_put_is_not_left_behind)
{
	unsigned int window, nr_met = 0;
	struct object pair[2];

	for (window = 0; window < 8; window++) {
		world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .cache = true,
					    .nolock = true });
		sim_run_all_work(100);
		EXPECT(model_alloc(&pair[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&pair[1], 64, 8, false, GFP_KERNEL, CTX_TASK));
		model_free(&pair[0], CTX_TASK);
		windows_until = window;
		sim.on_window = work_once;
		model_free_nolock(&pair[1], CTX_TASK);
		sim.on_window = NULL;
		nr_met += held() == 1 && !pcpu_cache_held_bytes(&pcpu_main);
		expect_idle();
		world_shutdown();
	}
	/* With kmemleak the worker completes all of these frees. */
	EXPECT(nr_met || IS_ENABLED(CONFIG_DEBUG_KMEMLEAK));
}

/* Nor does a refill, while the worker takes away what it has of the budget. */
TEST(cache_refill_is_not_left_behind)
{
	unsigned int window, n, nr_refills = 0;

	for (window = 0; window < 80; window++) {
		boot_with_cache(NR_CPUS_HERE);
		for (n = 0; n < 100; n++)
			EXPECT(model_alloc(&objects[n], 64, 8, false, GFP_KERNEL, CTX_TASK));
		while (n > 50)
			model_free(&objects[--n], CTX_TASK);
		pcpu_cache_drain(&pcpu_main, true);
		EXPECT_EQ(held(), 0);
		windows_until = window;
		sim.on_window = work_once;
		EXPECT(model_alloc(&objects[n++], 64, 8, false, GFP_KERNEL, CTX_TASK));
		sim.on_window = NULL;
		nr_refills += held() > 0;
		expect_idle();
		while (n)
			model_free(&objects[--n], CTX_TASK);
		world_shutdown();
	}
	EXPECT(nr_refills > 0);
}

/* ---- CPUs that go --------------------------------------------------------------------- */

static unsigned int held_by(unsigned int cpu)
{
	const struct pcpu_cache *cache = &per_cpu(pcpu_caches, cpu);
	unsigned int i, j, nr = 0;

	for (i = 0; i < PCPU_CACHE_BINS; i++)
		for (j = 0; j < PCPU_CACHE_DEPTH; j++)
			nr += !!cache->bin[i].entry[j];
	return nr;
}

/* Fill the bins of a CPU, so that more is left to others. */
static void fill_bins_of(unsigned int cpu)
{
	static const size_t sizes[] = { 8, 24, 64, 256, 1024, 2048 };
	unsigned int n;

	current->cpu = cpu;
	for (n = 0; n < 600; n++)
		EXPECT(model_alloc(&objects[n], sizes[n % ARRAY_SIZE(sizes)], 4, false,
				   GFP_KERNEL, CTX_TASK));
	while (n)
		model_free(&objects[--n], CTX_TASK);
	current->cpu = 0;
}

/*
 * A CPU goes offline with full bins.  Nothing is told to the allocator: the worker comes
 * for them from another CPU, whose own bins are in use all the time.
 */
TEST(cache_of_a_cpu_that_goes)
{
	unsigned long nr_pages;
	struct object object;
	unsigned int pass, i;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("needs two CPUs");
	boot_with_cache(2);
	nr_pages = pcpu_nr_pages();
	fill_bins_of(1);
	EXPECT(held_by(1) > 100);
	EXPECT(pcpu_nr_pages() > nr_pages);
	for (pass = 0; pass < 12; pass++) {
		for (i = 0; i < 2; i++) {
			EXPECT(model_alloc(&object, 64, 4, false, GFP_KERNEL, CTX_TASK));
			model_free(&object, CTX_TASK);
		}
		sim_advance(HZ);
		sim_run_due_work();
		check_budget();
	}
	EXPECT_EQ(held_by(1), 0);
	EXPECT_EQ(bin_budgets(&per_cpu(pcpu_caches, 1)), 0);
	EXPECT_EQ(held(), held_by(0));
	EXPECT_EQ(held(), 1);
	expect_idle();
	/* km gives back whole chunks, and keeps a spare one. */
	if (pcpu_main.backend->rows_fixed)
		EXPECT_EQ(pcpu_main.nr_spare_chunks, pcpu_main.nr_chunks);
	else
		EXPECT_EQ(pcpu_nr_pages(), nr_pages);
	world_shutdown();
}

/* ---- whose an area is ------------------------------------------------------------------ */

#if defined(CONFIG_MEMCG) && defined(CONFIG_MEM_ALLOC_PROFILING)
struct payer {
	struct obj_cgroup objcg;
	struct alloc_tag tag;
};

#define PAID_SIZE	64

static void __percpu *alloc_paid(struct payer *payer)
{
	void __percpu *ptr;

	current->objcg = &payer->objcg;
	current->alloc_tag = &payer->tag;
	ptr = pcpu_alloc_noprof(PAID_SIZE, 8, false, GFP_KERNEL_ACCOUNT);
	current->objcg = NULL;
	current->alloc_tag = NULL;
	EXPECT(ptr);
	return ptr;
}

static void expect_paid(const struct payer *payer, unsigned int nr)
{
	EXPECT_EQ(payer->objcg.charged_bytes, nr * pcpu_full_size_bytes(PAID_SIZE));
	EXPECT_EQ(payer->objcg.memcg.percpu_bytes, nr * pcpu_full_size_bytes(PAID_SIZE));
	EXPECT_EQ(payer->objcg.refs, 1 + nr);
	EXPECT_EQ(payer->tag.bytes, nr * pcpu_full_size_bytes(PAID_SIZE));
	EXPECT_EQ(payer->tag.calls, nr);
}

/* Who has an area out of a bin pays for it, and who had it before does not. */
TEST(cache_charges_who_has_it)
{
	struct payer first = { .objcg.refs = 1 }, second = { .objcg.refs = 1 };
	void __percpu *ptr, *again, *other;
	struct object filler;
	unsigned int n = 0;

	boot_with_cache(NR_CPUS_HERE);
	/* Objects of the first chunk have no payer. */
	do
		EXPECT(model_alloc(&objects[n], PAID_SIZE, 8, false, GFP_KERNEL, CTX_TASK));
	while (pcpu_first_has(&pcpu_main, (unsigned long)address(&objects[n++])));
	expect_idle();

	ptr = alloc_paid(&first);
	expect_paid(&first, 1);
	free_percpu(ptr);
	EXPECT_EQ(held(), 1);
	expect_paid(&first, 0);
	again = alloc_paid(&second);
	EXPECT(again == ptr);
	expect_paid(&first, 0);
	expect_paid(&second, 1);

	/* Freed in any context it is not at hand before its payer is told. */
	free_percpu_nolock(again);
	EXPECT_EQ(second.objcg.refs, 2);
	EXPECT_EQ(second.tag.calls, 0);
	other = alloc_paid(&first);
	EXPECT(other != again);
	sim_run_due_work();
	expect_paid(&second, 0);
	expect_paid(&first, 1);

	/* And one without a payer owes nobody. */
	free_percpu(other);
	EXPECT(model_alloc(&filler, PAID_SIZE, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(filler.ptr == other);
	expect_paid(&first, 0);
	model_free(&filler, CTX_TASK);
	expect_paid(&first, 0);
	expect_paid(&second, 0);
	while (n)
		model_free(&objects[--n], CTX_TASK);
	expect_idle();
	world_shutdown();
}
#endif

/* ---- the depot --------------------------------------------------------------------- */

static void boot_for_depot(void)
{
	if (!pcpu_depot_cache())
		test_skip("one CPU needs no depot");
	boot_with_cache(NR_CPUS_HERE);
}

/* On one CPU, until there is something in the depot; this is more than a bin holds. */
static void fill_depot(size_t size, unsigned int nr)
{
	unsigned int n;

	current->cpu = 0;
	for (n = 0; n < nr; n++)
		EXPECT(model_alloc(&objects[n], size, 4, false, GFP_KERNEL, CTX_TASK));
	current->cpu = 1;
	while (n)
		model_free(&objects[--n], CTX_TASK);
	current->cpu = 0;
}

static void circulate(size_t size, unsigned int nr)
{
	struct object *object;
	unsigned int n;

	for (n = 0; n < nr; n++) {
		object = &objects[n % 100];
		current->cpu = 1;
		model_free(object, CTX_TASK);
		current->cpu = 2;
		EXPECT(model_alloc(object, size, 4, false, GFP_KERNEL, CTX_TASK));
	}
}

/* What one CPU frees another allocates, and the chunks' maps do not change for it. */
TEST(depot_feeds_other_cpus)
{
	static const size_t sizes[] = { 8, 64, 1024, 2048 };
	unsigned int i, n;
	unsigned long before;
	u64 nr_alloc, nr_dealloc;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		boot_for_depot();
		for (n = 0; n < 100; n++)
			EXPECT(model_alloc(&objects[n], sizes[i], 4, false, GFP_KERNEL, CTX_TASK));
		circulate(sizes[i], 500);
		nr_alloc = pcpu_main.counts.nr_alloc;
		nr_dealloc = pcpu_main.counts.nr_dealloc;
		before = hits();
		circulate(sizes[i], 2000);
		EXPECT_EQ(pcpu_main.counts.nr_alloc, nr_alloc);
		EXPECT_EQ(pcpu_main.counts.nr_dealloc, nr_dealloc);
		EXPECT_EQ(hits(), before + 2000);
		in_depot(sizes[i]);
		check_budget();
		for (n = 0; n < 100; n++)
			model_free(&objects[n], CTX_TASK);
		expect_idle();
		world_shutdown();
	}
}

/* Where memory grows as well: what is in the depot is there already. */
TEST(depot_serves_growth)
{
	struct object object, second;
	u64 peak;

	boot_for_depot();
	fill_depot(64, 200);
	EXPECT(in_depot(64) > 0);
	peak = pcpu_main.counts.nr_alloc - pcpu_main.counts.nr_dealloc;
	pcpu_main.peak_areas = peak;
	current->cpu = 2;
	EXPECT(model_alloc(&object, 64, 4, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_main.peak_areas, peak);
	EXPECT_EQ(depot_hits(), 1);

	/* It has served, so the worker leaves half of it: no bin of a CPU has any. */
	sim_advance(HZ);
	EXPECT(sim_run_due_work() > 0);
	EXPECT(in_depot(64) > 0);
	EXPECT_EQ(held(), in_depot(64));
	pcpu_main.peak_areas = pcpu_main.counts.nr_alloc - pcpu_main.counts.nr_dealloc;
	current->cpu = 1;
	EXPECT(model_alloc(&second, 64, 4, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(depot_hits(), 2);
	EXPECT(pcpu_main.depot_used);

	model_free(&object, CTX_TASK);
	model_free(&second, CTX_TASK);
	expect_idle();
	EXPECT(!pcpu_main.depot_used);
	world_shutdown();
}

/* What is used is left alone, though nothing else is. */
TEST(depot_ages)
{
	struct object taken, pair;
	unsigned int pass, i;

	boot_for_depot();
	fill_depot(64, 200);
	EXPECT(in_depot(64) >= 16);
	current->cpu = 2;
	EXPECT(model_alloc(&taken, 64, 4, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(depot_hits(), 1);
	sim_advance(HZ);
	EXPECT(sim_run_due_work() > 0);
	EXPECT(in_depot(64) > 0);
	/* And what is not used goes, though something else is. */
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < 2; i++) {
			current->cpu = 2;
			EXPECT(model_alloc(&pair, 64, 4, false, GFP_KERNEL, CTX_TASK));
			current->cpu = 2;
			model_free(&pair, CTX_TASK);
		}
		sim_advance(HZ);
		EXPECT(sim_run_due_work() > 0);
	}
	EXPECT_EQ(in_depot(64), 0);
	EXPECT(held() > 0);
	model_free(&taken, CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* A size of which little makes the budget short leaves some of it to others. */
TEST(depot_leaves_some_budget)
{
	boot_for_depot();
	fill_depot(2048, 300);
	EXPECT(in_depot(2048) > 0);
	EXPECT(atomic_read(&pcpu_main.cache_budget_bytes) >= SZ_16K);
	expect_idle();
	world_shutdown();
}

/* What was freed elsewhere may be badly aligned for the next request. */
TEST(depot_heeds_alignment)
{
	struct object odd, aligned;

	boot_for_depot();
	EXPECT(model_alloc(&odd, 4, 4, false, GFP_KERNEL, CTX_TASK));
	fill_depot(64, 200);
	EXPECT(in_depot(64) > 0);
	current->cpu = 2;
	/* The model checks the alignment. */
	EXPECT(model_alloc(&aligned, 64, 64, false, GFP_KERNEL, CTX_TASK));
	EXPECT(held() > 0);
	model_free(&aligned, CTX_TASK);
	model_free(&odd, CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* A request that cannot sleep, and would fail, gets at what is in the depot. */
TEST(depot_is_drained_before_failure)
{
	struct object object, blocker;
	unsigned int n = 0;

	boot_for_depot();
	fill_depot(1024, 100);
	EXPECT(in_depot(1024) >= 16);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	/* Of a size that is not kept, until only the depot's areas are left. */
	current->cpu = 2;
	while (n < MAX_OBJECTS && in_depot(1024)) {
		if (!model_alloc(&objects[n], 2052, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK))
			break;
		n++;
	}
	EXPECT(n < MAX_OBJECTS);
	EXPECT_EQ(in_depot(1024), 0);
	sim.fail_permille = 0;
	while (n)
		model_free(&objects[--n], CTX_TASK);
	EXPECT(model_alloc(&object, 64, 4, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&blocker, 64, 4, false, GFP_KERNEL, CTX_TASK));
	model_free(&object, CTX_TASK);
	model_free(&blocker, CTX_TASK);
	expect_idle();
	world_shutdown();
}

/* What is in the depot is not live: each second free of it is refused. */
TEST(depot_refuses_second_frees)
{
	struct pcpu_bin *bin;
	unsigned int i, nr = 0;
	int refused;

	boot_for_depot();
	fill_depot(64, 200);
	bin = pcpu_bin_in(pcpu_depot_cache(), 16);
	refused = atomic_read(&pcpu_main.nr_bad_frees);
	for (i = 0; i < PCPU_CACHE_DEPTH; i++) {
		unsigned long addr = bin->entry[i];

		if (!addr)
			continue;
		sim_expect_warnings(1);
		free_percpu(__addr_to_pcpu_ptr(addr));
		EXPECT(sim_expected());
		EXPECT_EQ(bin->entry[i], addr);
		nr++;
	}
	EXPECT(nr >= 16);
	EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), refused + nr);
	expect_idle();
	world_shutdown();
}

/* Many CPUs that free much: the total holds, and leaves something to each. */
TEST(depot_is_within_the_total)
{
	static const size_t sizes[] = { 64, 256, 1024, 2048 };
	unsigned int cpu, i, n, most_bytes = 0;

	if (!pcpu_depot_cache())
		test_skip("one CPU needs no depot");
	boot_with_cache(16);
	for (n = 0; n < MAX_OBJECTS; n++)
		EXPECT(model_alloc(&objects[n], sizes[n / 128 % 4], 4, false, GFP_KERNEL,
				   CTX_TASK));
	for (cpu = 0; n; cpu = (cpu + 1) % 16) {
		current->cpu = cpu;
		for (i = 0; i < 128; i++)
			model_free(&objects[--n], CTX_TASK);
		check_budget();
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			in_depot(sizes[i]);
		EXPECT(pcpu_slots_to_bytes(world_taken_slots() - world_used_slots()) <=
		       pcpu_main.cache_total_bytes);
		most_bytes = max_t(unsigned int, most_bytes, bin_budgets(pcpu_depot_cache()));
	}
	EXPECT(most_bytes > 0 && most_bytes < pcpu_main.cache_total_bytes);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

static struct object nested_object;
static unsigned int nested_cpu;

/* Once, an object is freed on some CPU. */
static void free_once(void)
{
	if (windows_until-- != 0)
		return;
	current->cpu = nested_cpu;
	model_free(&nested_object, CTX_HARDIRQ);
}

/* Two CPUs give at once: no area gets lost, and the depot holds no more than it may. */
TEST(depot_is_given_at_once)
{
	unsigned int window, n, nr_free = PCPU_CACHE_DEPTH, nr_back = 0;
	struct object last;

	for (window = 0; windows_until < 0; window++) {
		forget_bins();
		boot_for_depot();
		for (n = 0; n < 2 * nr_free; n++)
			EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&last, 64, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&nested_object, 64, 4, false, GFP_KERNEL, CTX_TASK));
		while (n) {
			current->cpu = n > nr_free ? 1 : 2;
			/* Nothing is moved. */
			pcpu_main.line_cpu = current->cpu;
			model_free(&objects[--n], CTX_TASK);
		}
		EXPECT_EQ(held(), 2 * nr_free);
		windows_until = window;
		nested_cpu = 2;
		current->cpu = 1;
		sim.on_window = free_once;
		model_free(&last, CTX_TASK);
		sim.on_window = NULL;
		EXPECT(in_depot(64) >= 16);
		nr_back += held() < 2 * nr_free + 2;
		if (windows_until >= 0)
			model_free(&nested_object, CTX_TASK);
		expect_idle();
		world_shutdown();
	}
	/* In some windows both looked for room before either put. */
	EXPECT(nr_back > 0);
}

/* An interrupt puts an area where one of the depot's was to go. */
TEST(depot_is_taken_and_interrupted)
{
	unsigned int window;
	struct object taken;

	for (window = 0; windows_until < 0; window++) {
		forget_bins();
		boot_for_depot();
		EXPECT(model_alloc(&nested_object, 64, 4, false, GFP_KERNEL, CTX_TASK));
		fill_depot(64, 200);
		EXPECT(in_depot(64) > 0);
		windows_until = window;
		nested_cpu = 2;
		current->cpu = 2;
		sim.on_window = free_once;
		EXPECT(model_alloc(&taken, 64, 4, false, GFP_KERNEL, CTX_TASK));
		sim.on_window = NULL;
		model_free(&taken, CTX_TASK);
		if (windows_until >= 0)
			model_free(&nested_object, CTX_TASK);
		expect_idle();
		world_shutdown();
	}
}

/* While a CPU gives or takes a batch, the worker comes: nothing stays behind its back. */
TEST(depot_is_not_left_behind)
{
	unsigned int window, n, nr_given = 0, nr_taken = 0;
	struct object object;

	for (window = 0; windows_until < 0; window++) {
		boot_for_depot();
		for (n = 0; n <= PCPU_CACHE_DEPTH; n++)
			EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
		while (n > 1)
			model_free(&objects[--n], CTX_TASK);
		EXPECT_EQ(in_depot(64), 0);
		/* A window in which all is quiet, but for this CPU. */
		windows_until = window;
		sim.on_window = work_once;
		model_free(&objects[0], CTX_TASK);
		nr_given += in_depot(64) > 0;
		current->cpu = (current->cpu + 1) % NR_CPUS_HERE;
		EXPECT(model_alloc(&object, 64, 4, false, GFP_KERNEL, CTX_TASK));
		sim.on_window = NULL;
		nr_taken += depot_hits();
		expect_idle();
		model_free(&object, CTX_TASK);
		memset(pcpu_depot_cache(), 0, sizeof(struct pcpu_cache));
		world_shutdown();
	}
	EXPECT(nr_given > 0);
	EXPECT(nr_taken > 0);
}

/*
 * A pop is interrupted by a put, and that by the worker, which drains the bin: the put
 * goes above what the pop then says is the top.  It must not stay for good, though
 * another CPU's bin is in use all the time.
 */
static struct object nested;
static int nested_at[2], nested_depth;

static void use_other_bin(void)
{
	struct object object;

	current->cpu = 1;
	EXPECT(model_alloc(&object, 1024, 4, false, GFP_KERNEL, CTX_TASK));
	model_free(&object, CTX_TASK);
	current->cpu = 0;
}

/* A window in a window opens again only if it is set there. */
static void nest(void)
{
	if (nested_depth > 1 || nested_at[nested_depth]-- > 0)
		return;
	sim.on_window = nested_depth++ ? NULL : nest;
	if (nested_depth == 1) {
		model_free(&nested, CTX_TASK);
		nested_depth = 2;
	} else {
		pcpu_cache_age(&pcpu_main);
		use_other_bin();
	}
}

static void nest_at(int put_at, int worker_at)
{
	struct object first, second;
	unsigned int pass;

	boot_with_cache(2);
	EXPECT(model_alloc(&first, 64, 4, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&nested, 64, 4, false, GFP_KERNEL, CTX_TASK));
	model_free(&first, CTX_TASK);
	use_other_bin();
	nested_at[0] = put_at;
	nested_at[1] = worker_at;
	nested_depth = 0;
	sim.on_window = nest;
	EXPECT(model_alloc(&second, 64, 4, false, GFP_KERNEL, CTX_TASK));
	sim.on_window = NULL;
	if (!nested_depth)
		model_free(&nested, CTX_TASK);
	for (pass = 0; pass < 8; pass++) {
		use_other_bin();
		sim_advance(HZ);
		sim_run_due_work();
	}
	/* That of the other bin. */
	EXPECT(held() <= 1);
	model_free(&second, CTX_TASK);
	expect_idle();
	world_shutdown();
}

TEST(cache_nested_put_is_not_left_behind)
{
	int put_at, worker_at;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("needs two CPUs");
	for (put_at = 0; put_at < 6; put_at++)
		for (worker_at = 0; worker_at < 6; worker_at++)
			nest_at(put_at, worker_at);
}

/* The worker halves a bin that a request, about to fail, drains meanwhile. */
static void drain_at_last(void)
{
	if (!windows_until--)
		pcpu_cache_drain(&pcpu_main, true);
}

TEST(cache_trim_meets_drain)
{
	int at;

	for (at = 0; ; at++) {
		boot_with_cache(NR_CPUS_HERE);
		for (nr_objects = 0; nr_objects < 64; nr_objects++)
			EXPECT(model_alloc(&objects[nr_objects], 64, 4, false, GFP_KERNEL,
					   CTX_TASK));
		while (nr_objects)
			model_free(&objects[--nr_objects], CTX_TASK);
		EXPECT(model_alloc(&objects[0], 64, 4, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[0], CTX_TASK);
		windows_until = at;
		sim.on_window = drain_at_last;
		pcpu_cache_age(&pcpu_main);
		sim.on_window = NULL;
		if (windows_until >= 0)
			break;
		/* What it holds has budget, so that somebody comes for it. */
		EXPECT(!held() || pcpu_cache_held_bytes(&pcpu_main));
		expect_idle();
		world_shutdown();
	}
	EXPECT(at > 32);
	expect_idle();
	world_shutdown();
}

/* Who fails, drains what is at hand and is served then has missed nothing. */
TEST(cache_served_late_is_no_miss)
{
	unsigned int n, nonblock_rows, nr_empty_rows, nr_served = 0;

	boot_for_depot();
	fill_depot(1024, 100);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	current->cpu = 2;
	for (n = 0; in_depot(1024); n++) {
		nonblock_rows = pcpu_main.nonblock_rows;
		nr_empty_rows = pcpu_main.nr_empty_rows;
		if (!model_alloc(&objects[n], 2052, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK))
			break;
		/* Those that it began, and no more. */
		EXPECT(pcpu_main.nonblock_rows - nonblock_rows <=
		       max(nr_empty_rows, pcpu_main.nr_empty_rows) - pcpu_main.nr_empty_rows);
		nr_served += !in_depot(1024);
	}
	EXPECT_EQ(nr_served, 1);
	sim.fail_permille = 0;
	while (n)
		model_free(&objects[--n], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* ---- anything may happen in between --------------------------------------------- */

static bool in_burst;
static unsigned int nr_depot_used;

/* More of a size than a bin holds, from one CPU to another. */
static void burst(void)
{
	unsigned int from = sim_below(NR_CPUS_HERE), to = sim_below(NR_CPUS_HERE);
	size_t size = sim_below(2) ? 64 : 24;
	unsigned long hits_before = depot_hits();
	unsigned int i, first = nr_objects;
	struct object object;

	if (in_burst || nr_objects > MAX_OBJECTS / 2)
		return;
	in_burst = true;
	for (i = 0; i < 2 * PCPU_CACHE_DEPTH; i++) {
		current->cpu = from;
		if (model_alloc(&object, size, 4, false, GFP_ATOMIC, CTX_TASK))
			objects[nr_objects++] = object;
	}
	/* Others may have freed some of them meanwhile, and added theirs. */
	while (nr_objects > first) {
		object = objects[--nr_objects];
		current->cpu = to;
		model_free(&object, CTX_TASK);
	}
	current->cpu = from;
	for (i = 0; i < PCPU_CACHE_DEPTH; i++)
		if (model_alloc(&object, size, 4, false, GFP_ATOMIC, CTX_TASK))
			objects[nr_objects++] = object;
	in_burst = false;
	nr_depot_used += depot_hits() > hits_before;
}

static void one_step(void)
{
	static const struct {
		size_t size, align;
	} kinds[] = {
		{ 8, 8 }, { 64, 8 }, { 64, 64 }, { 64, 4 }, { 256, 8 }, { 12, 4 }, { 520, 8 },
		{ 2048, 4096 },
	};
	unsigned int kind = sim_below(ARRAY_SIZE(kinds)), i;
	struct object object;

	current->cpu = sim_below(NR_CPUS_HERE);
	if (!sim_below(150))
		burst();
	/* Seldom: so many sizes that bins change theirs. */
	if (!sim_below(50)) {
		for (i = 0; i < 40 && nr_objects < MAX_OBJECTS; i++)
			if (model_alloc(&object, 4 * sim_between(1, 500), 4, false, GFP_NOWAIT,
					CTX_TASK))
				objects[nr_objects++] = object;
	}
	if (nr_objects < MAX_OBJECTS && sim_below(100) < (nr_objects < 200 ? 60 : 45)) {
		if (model_alloc(&object, kinds[kind].size, kinds[kind].align, false, GFP_ATOMIC,
				CTX_TASK))
			objects[nr_objects++] = object;
	} else if (nr_objects) {
		i = sim_below(nr_objects);
		object = objects[i];
		objects[i] = objects[--nr_objects];
		model_free(&object, CTX_TASK);
	}
}

static void window(void)
{
	/* Drains are seldom enough for a bin to get full. */
	switch (sim_below(in_burst ? 6000 : 24)) {
	case 0:
		sim_advance(sim_below(HZ));
		sim_run_due_work();
		break;
	case 1:
		pcpu_cache_drain(&pcpu_main, sim_below(2));
		break;
	case 2:
		pcpu_cache_age(&pcpu_main);
		break;
	case 3 ... 8:
	case 100 ... 200:
		one_step();
		break;
	}
}

TEST(cache_windows)
{
	unsigned int step;

	boot_with_cache(NR_CPUS_HERE);
	sim.on_window = window;
	for (step = 0; step < test_scaled(200000); step++) {
		one_step();
		if (!(step % 64)) {
			check_budget();
			world_check();
		}
	}
	sim.on_window = NULL;
	if (sim_verbose)
		fprintf(stderr, "%u bursts used the depot\n", nr_depot_used);
	EXPECT(!pcpu_depot_cache() || nr_depot_used > 0);
	while (nr_objects)
		model_free(&objects[--nr_objects], CTX_TASK);
	current->cpu = 0;
	expect_idle();
	world_shutdown();
}

/* ---- whole lines are no reason to take more memory ---------------------------------------- */

static void free_objects(unsigned int nr)
{
	unsigned int n;

	current->cpu = 0;
	for (n = 0; n < nr; n++)
		if (objects[n].ptr)
			model_free(&objects[n], CTX_TASK);
	sim_run_all_work(100);
	world_shutdown();
}

/* Fills rows, then leaves a hole of @size bytes behind each three that stay. */
static unsigned int make_holes(unsigned int nr_cpus, size_t size)
{
	unsigned int max_bytes, nr = 0, n;

	boot_with_cache(nr_cpus);
	max_bytes = pcpu_main.cache_max_bytes;
	pcpu_main.cache_max_bytes = 0;
	do
		EXPECT(model_alloc(&objects[nr++], size, size, false, GFP_KERNEL, CTX_TASK));
	while (nr < 3000 || !PAGE_ALIGNED(address(&objects[nr - 1]) + size));
	for (n = 0; n < nr; n += 4)
		model_free(&objects[n], CTX_TASK);
	sim_run_all_work(100);
	pcpu_main.cache_max_bytes = max_bytes;
	return nr;
}

/* Each CPU replaces some of its objects, one by one, in turns. */
static void replace_some(unsigned int nr_cpus)
{
	unsigned int turn, cpu;

	for (turn = 0; turn < 60; turn++) {
		for (cpu = 0; cpu < nr_cpus; cpu++) {
			struct object *object = &objects[4 * (turn * nr_cpus + cpu) + 1];

			current->cpu = cpu;
			model_free(object, CTX_TASK);
			EXPECT(model_alloc(object, 64, 64, false, GFP_KERNEL, CTX_TASK));
		}
	}
	current->cpu = 0;
}

TEST(cache_moves_add_few_rows)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 8 : 1, nr = make_holes(nr_cpus, 64);
	unsigned int nr_rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];

	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	replace_some(nr_cpus);
	sim_run_all_work(100);
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] <= nr_rows + 2);
	free_objects(nr);
}

/* No page can be had: the reserve is for those that need it, not for what has room elsewhere. */
TEST(cache_moves_leave_the_reserve)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 8 : 1, nr = make_holes(nr_cpus, 64);
	struct object pages[64];
	unsigned int n = 0, nr_left;

	EXPECT(pcpu_main.nr_empty_rows >= 4);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	/* As long as more than half of it is left some are begun, then none. */
	for (nr_left = pcpu_main.reserve_rows / 2; pcpu_main.nr_empty_rows > nr_left; n++)
		EXPECT(model_alloc(&pages[n], PAGE_SIZE, PAGE_SIZE, false, GFP_NOWAIT,
				   CTX_HARDIRQ));
	replace_some(nr_cpus);
	EXPECT_EQ(pcpu_main.nr_empty_rows, nr_left);
	sim.fail_permille = 0;
	while (n)
		model_free(&pages[--n], CTX_TASK);
	free_objects(nr);
}

/* No row is begun for a refill of tiny areas while others have places, though apart. */
TEST(cache_refills_of_tiny_begin_no_row)
{
	unsigned int nr, max_bytes, n, nr_rows;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("one CPU shares lines with nobody");
	if (PAGE_SIZE > SZ_4K)
		test_skip("a row has room for too many");
	nr = make_holes(1, 8);
	max_bytes = pcpu_main.cache_max_bytes;
	/* From here on they grow. */
	sim_advance(HZ);
	pcpu_balance_pass(&pcpu_main);
	EXPECT_EQ(pcpu_areas_ahead(&pcpu_main), 0);
	nr_rows = pcpu_main.nr_empty_rows;
	for (n = 0; n < nr / 2; n += 4)
		EXPECT(model_alloc(&objects[n], 8, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_main.nr_empty_rows, nr_rows);

	/* Nor if there were more of late. */
	pcpu_main.cache_max_bytes = 0;
	for (n = 2; n < nr; n += 4)
		model_free(&objects[n], CTX_TASK);
	pcpu_main.cache_max_bytes = max_bytes;
	nr_rows = pcpu_main.nr_empty_rows;
	for (n = 2; n < nr / 2; n += 4)
		EXPECT(model_alloc(&objects[n], 8, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_main.nr_empty_rows, nr_rows);
	free_objects(nr);
}

/* Nor is it for what a refill takes beside the area that was asked for. */
TEST(cache_refills_leave_the_reserve)
{
	unsigned int nr = make_holes(1, 1024), n;
	struct object page;

	EXPECT(pcpu_main.nr_empty_rows >= 4);
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	for (n = 0; n < nr / 2; n += 4)
		EXPECT(model_alloc(&objects[n], 1024, 1024, false, GFP_KERNEL, CTX_TASK));
	EXPECT(pcpu_main.nr_empty_rows >= pcpu_main.reserve_rows / 2);
	EXPECT(model_alloc(&page, PAGE_SIZE, PAGE_SIZE, false, GFP_NOWAIT, CTX_HARDIRQ));
	sim.fail_permille = 0;
	model_free(&page, CTX_TASK);
	free_objects(nr);
}

/*
 * So many objects, replaced at random and so slowly that bins are idle between: no more
 * memory than they took at first, but for two rows.
 */
static void slow_churn(size_t size, bool alloc_first)
{
	unsigned int nr = 4000, nr_cpus = IS_ENABLED(CONFIG_SMP) ? 4 : 1, n, step, nr_rows;

	boot_with_cache(nr_cpus);
	for (n = 0; n < nr; n++) {
		current->cpu = n % nr_cpus;
		EXPECT(model_alloc(&objects[n], size, 4, false, GFP_KERNEL, CTX_TASK));
	}
	current->cpu = 0;
	sim_run_all_work(100);
	nr_rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
	for (step = 0; step < 20000; step++) {
		n = sim_below(nr);
		current->cpu = step % nr_cpus;
		if (alloc_first)
			EXPECT(model_alloc(&objects[nr], size, 4, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[n], CTX_TASK);
		if (alloc_first)
			objects[n] = objects[nr];
		else
			EXPECT(model_alloc(&objects[n], size, 4, false, GFP_KERNEL, CTX_TASK));
		objects[nr].ptr = NULL;
		current->cpu = 0;
		if (step % nr_cpus == nr_cpus - 1)
			sim_run_all_work(100);
	}
	sim_run_all_work(100);
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] <= nr_rows + 2);
	free_objects(nr);
}

TEST(cache_slow_churn_8)
{
	slow_churn(8, true);
}

TEST(cache_slow_churn_24)
{
	slow_churn(24, false);
}

TEST(cache_slow_churn_64)
{
	slow_churn(64, false);
}

/* Tiny objects that come slowly and stay, on one CPU. */
TEST(cache_slow_growth_of_tiny)
{
	unsigned int nr = 2000, n;

	boot_with_cache(IS_ENABLED(CONFIG_SMP) ? 4 : 1);
	for (n = 0; n < nr; n++) {
		EXPECT(model_alloc(&objects[n], 4, 4, false, GFP_KERNEL, CTX_TASK));
		sim_run_all_work(100);
	}
	/* The first chunk begins inside of a row.  None was begun while another had room. */
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] + pcpu_main.first->nr_rows -
	       pcpu_main.nr_empty_rows <= DIV_ROUND_UP(nr * 4, PAGE_SIZE) + 1);
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] <= nr * 4 / PAGE_SIZE + 5);
	free_objects(nr);
}

/* The same at 100 a second on any of 64 CPUs. */
TEST(cache_growth_of_tiny_on_many_cpus)
{
	unsigned int nr = 4000, nr_cpus = IS_ENABLED(CONFIG_SMP) ? 64 : 1, n;

	boot_with_cache(nr_cpus);
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	for (n = 0; n < nr; n++) {
		current->cpu = sim_below(nr_cpus);
		EXPECT(model_alloc(&objects[n], 4, 4, false, GFP_KERNEL, CTX_TASK));
		current->cpu = 0;
		if (n % 50 == 49) {
			sim_advance(HZ / 2 + 1);
			sim_run_due_work();
		}
	}
	sim_run_all_work(100);
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] <= nr * 4 / PAGE_SIZE + 5);
	free_objects(nr);
}

/* One CPU alone has objects, and replaces them by turns: no other uses bins. */
TEST(cache_one_cpu_moves_nothing)
{
	unsigned int cpu, n, nr = 40;
	unsigned long before;

	for (cpu = 0; cpu < NR_CPUS_HERE; cpu++) {
		boot_with_cache(NR_CPUS_HERE);
		current->cpu = cpu;
		for (n = 0; n < nr; n++)
			EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
		before = hits();
		for (n = 0; n < nr; n++) {
			model_free(&objects[n], CTX_TASK);
			EXPECT(model_alloc(&objects[n], 64, 4, false, GFP_KERNEL, CTX_TASK));
		}
		EXPECT_EQ(hits() - before, nr);
		while (n)
			model_free(&objects[--n], CTX_TASK);
		current->cpu = 0;
		expect_idle();
		world_shutdown();
	}
}

/* Objects of @size on four CPUs, some of which each CPU replaces once it had hits. */
static void hit_and_replace(unsigned int nr, size_t size)
{
	unsigned int cpu, i;

	for (cpu = 0; cpu < 4; cpu++) {
		current->cpu = cpu;
		for (i = 0; i < 1100; i++) {
			EXPECT(model_alloc(&objects[nr], size, 4, false, GFP_KERNEL, CTX_TASK));
			model_free(&objects[nr], CTX_TASK);
		}
	}
	current->cpu = 0;
	sim_run_all_work(100);
	for (i = 0; i < 4 * 64; i++) {
		struct object *object = &objects[sim_below(nr)];

		current->cpu = i % 4;
		model_free(object, CTX_TASK);
		EXPECT(model_alloc(object, size, 4, false, GFP_KERNEL, CTX_TASK));
	}
	current->cpu = 0;
	sim_run_all_work(100);
}

/*
 * While others come and go, whose rows have room for lines, or are given back: rows are not
 * kept for it one after the other.
 */
static void beside_others(size_t size, size_t others_size)
{
	static struct object others[64];
	unsigned int nr = 3000, n, round, nr_rows;

	if (!IS_ENABLED(CONFIG_SMP))
		test_skip("there is one CPU");
	forget_bins();
	boot_with_cache(4);
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	for (n = 0; n < nr; n++) {
		current->cpu = n % 4;
		EXPECT(model_alloc(&objects[n], size, 4, false, GFP_KERNEL, CTX_TASK));
	}
	current->cpu = 0;
	sim_run_all_work(100);
	nr_rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
	for (round = 0; round < 20; round++) {
		for (n = 0; n < ARRAY_SIZE(others); n++)
			EXPECT(model_alloc(&others[n], others_size, PAGE_SIZE, false, GFP_KERNEL,
					   CTX_TASK));
		hit_and_replace(nr, size);
		for (n = 0; n < ARRAY_SIZE(others); n++)
			model_free(&others[n], CTX_TASK);
		sim_run_all_work(100);
	}
	EXPECT(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] <= nr_rows + nr_rows / 4 + 20);
	free_objects(nr);
}

TEST(cache_lines_beside_half_rows_8)
{
	beside_others(8, PAGE_SIZE / 2 + 4);
}

TEST(cache_lines_beside_half_rows_64)
{
	beside_others(64, PAGE_SIZE / 2 + 4);
}

TEST(cache_lines_beside_rows_that_go)
{
	beside_others(24, PAGE_SIZE);
}
