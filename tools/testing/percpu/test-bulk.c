// SPDX-License-Identifier: GPL-2.0
/*
 * test-bulk.c - several objects by one call
 *
 * All of them or none, whatever fails; and what they were charged, marked and
 * told to others is what as many single calls would have led to.
 */
#include "test.h"

#define MAX_OBJECTS	6000

static struct object objects[MAX_OBJECTS];
static void __percpu *ptrs[MAX_OBJECTS];

static const struct world small = {
	.nr_cpus = IS_ENABLED(CONFIG_SMP) ? 3 : 1,
	.nodes = NODES_EACH,
	.ram_pages = (256UL << 20) >> PAGE_SHIFT,
	.reserved_bytes = 8 << 10,
};

static unsigned int held(void)
{
	return pcpu_cache_count(&pcpu_main).nr_held;
}

static unsigned long hits(void)
{
	return pcpu_cache_count(&pcpu_main).nr_hits;
}

static unsigned long address(const struct object *object)
{
	return (unsigned long)__pcpu_ptr_to_addr(object->ptr);
}

/* What the objects must have been charged: those in the first chunk are free. */
static long charge_of(const struct object *object, unsigned int nr)
{
	long bytes = 0;

	rcu_read_lock();
	for (; nr--; object++)
		if (object->accounted && pcpu_chunk_of(&pcpu_main, address(object))->ext)
			bytes += pcpu_full_size_bytes(ALIGN(object->size, 4));
	rcu_read_unlock();
	return bytes;
}

static void check_charge(long bytes)
{
#ifdef CONFIG_MEMCG
	EXPECT_EQ(test_objcg.charged_bytes, bytes);
	EXPECT_EQ(test_objcg.memcg.percpu_bytes, bytes);
#endif
}

/* ---- what is asked for -------------------------------------------------------------- */

static void one_batch(size_t size, size_t align, unsigned int nr)
{
	unsigned long used = world_used_slots();

	EXPECT(model_alloc_bulk(objects, nr, size, align, GFP_KERNEL_ACCOUNT, CTX_TASK));
	EXPECT_EQ(world_used_slots(), used + nr * (ALIGN(size, 4) / 4));
	check_charge(charge_of(objects, nr));
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	/* Some one by one, the others together. */
	while (nr && nr % 7)
		model_free(&objects[--nr], CTX_TASK);
	model_free_bulk(objects, nr, CTX_TASK);
	EXPECT_EQ(world_used_slots(), used);
	check_charge(0);
}

TEST(bulk_sizes)
{
	static const unsigned int counts[] = { 1, 2, 15, 16, 17, 32, 100 };
	static const size_t aligns[] = { 1, 8, 64, PAGE_SIZE };
	size_t sizes[] = { 1, 4, 8, 12, 60, 64, 256, 1000, 2048, 2052, PAGE_SIZE,
			   PAGE_SIZE + 4, 0, 0 };
	unsigned int i, j, k;
	size_t unit;

	world_boot(&small);
	sim_run_all_work(100);
	unit = pcpu_main.geo.unit_bytes;
	sizes[ARRAY_SIZE(sizes) - 2] = unit / 2 + 4;
	sizes[ARRAY_SIZE(sizes) - 1] = unit;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(aligns); j++)
			for (k = 0; k < ARRAY_SIZE(counts); k++)
				if (sizes[i] <= unit && max(sizes[i], aligns[j]) * counts[k] <=
				    20 * unit)
					one_batch(sizes[i], aligns[j], counts[k]);
	world_shutdown();
}

TEST(bulk_of_many)
{
	world_boot(&small);
	one_batch(8, 8, MAX_OBJECTS);
	one_batch(20, 16, 3000);
	world_shutdown();
}

/* None at all is refused without a word; bad arguments as for one object. */
TEST(bulk_bad_arguments)
{
	unsigned long events;

	world_boot(&small);
	events = sim.nr_events;
	EXPECT(!model_alloc_bulk(objects, 0, 64, 8, GFP_KERNEL, CTX_TASK));
	free_percpu_bulk(0, NULL);
	sim_expect_warnings(1);
	EXPECT(!model_alloc_bulk(objects, 5, 0, 8, GFP_KERNEL, CTX_TASK));
	EXPECT(sim_expected());
	sim_expect_warnings(1);
	EXPECT(!model_alloc_bulk(objects, 40, 64, 24, GFP_KERNEL, CTX_TASK));
	EXPECT(sim_expected());
	EXPECT(!model_alloc_bulk(objects, 5, SIZE_MAX, 8, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	EXPECT_EQ(sim.nr_events, events);
	world_shutdown();
}

/* ---- where they come from ------------------------------------------------------------- */

/*
 * Though nothing of the kind was ever there, they lie side by side, and the lock is
 * taken a few times for many of them.
 */
TEST(bulk_lies_side_by_side)
{
	unsigned int i, nr_breaks = 0;
	unsigned long holds;

	world_boot(&small);
	sim_run_all_work(100);
	holds = sim.nr_lock_holds;
	EXPECT(model_alloc_bulk(objects, 512, 64, 64, GFP_KERNEL, CTX_TASK));
	holds = sim.nr_lock_holds - holds;
	SHIM_ASSERT(holds <= 512 / 4, "%lu lock holds", holds);
	for (i = 1; i < 512; i++)
		nr_breaks += address(&objects[i]) != address(&objects[i - 1]) + 64;
	/* Rows end, chunks end, and the first chunk begins anywhere. */
	SHIM_ASSERT(nr_breaks <= 8, "%u breaks", nr_breaks);
	holds = sim.nr_lock_holds;
	model_free_bulk(objects, 512, CTX_TASK);
	holds = sim.nr_lock_holds - holds;
	SHIM_ASSERT(holds <= 512 / 8, "%lu lock holds", holds);
	world_shutdown();
}

/* Without a run anywhere, holes in present memory serve before new rows do. */
TEST(bulk_takes_present_holes)
{
	unsigned int i, nr = 2048, nr_free = 0;
	unsigned long pages;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	EXPECT(model_alloc_bulk(objects, nr, 64, 64, GFP_KERNEL, CTX_TASK));
	/* Whatever else is present is taken, too. */
	for (i = nr; i < MAX_OBJECTS; i++) {
		pages = pcpu_nr_pages();
		EXPECT(model_alloc(&objects[i], 64, 64, false, GFP_KERNEL, CTX_TASK));
		if (pcpu_nr_pages() != pages)
			break;
	}
	if (i == MAX_OBJECTS)
		test_skip("chunks come with all of their pages");
	for (i = 0; i < nr; i += 2, nr_free++)
		model_free(&objects[i], CTX_TASK);
	pages = pcpu_nr_pages();
	EXPECT(model_alloc_bulk(objects + nr + 2000, nr_free, 64, 64, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_nr_pages(), pages);
	model_free_bulk(objects + nr + 2000, nr_free, CTX_TASK);
	for (i = 0; i < MAX_OBJECTS; i++)
		if (objects[i].ptr)
			model_free(&objects[i], CTX_TASK);
	world_shutdown();
}

TEST(bulk_takes_what_is_at_hand)
{
	unsigned long nr_hits;
	unsigned int kept;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .cache = true });
	sim_run_all_work(100);
	EXPECT(model_alloc_bulk(objects, 40, 64, 8, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(hits(), 0);
	model_free_bulk(objects, 40, CTX_TASK);
	EXPECT_EQ(held(), 40);
	EXPECT(model_alloc_bulk(objects, 25, 64, 8, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(held(), 15);
	EXPECT_EQ(hits(), 25);
	/* With no worker on its way, one is called for what is kept. */
	EXPECT(sim_run_all_work(100) < 100);
	EXPECT_EQ(held(), 0);
	WRITE_ONCE(pcpu_main.balance_drain, false);
	EXPECT(!sim_work_pending());
	model_free_bulk(objects, 15, CTX_TASK);
	EXPECT_EQ(held(), 15);
	EXPECT(sim_work_pending());
	EXPECT(model_alloc_bulk(objects, 15, 64, 8, GFP_KERNEL, CTX_TASK));
	model_free_bulk(objects, 15, CTX_TASK);
	nr_hits = hits();
	/* More than is there: all that is, and the rest from the chunks. */
	EXPECT(model_alloc_bulk(objects + 25, 100, 64, 8, GFP_NOWAIT, CTX_HARDIRQ));
	EXPECT(model_alloc_bulk(objects, 15, 64, 8, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(held(), 0);
	EXPECT_EQ(hits(), nr_hits + 15);
	/* More than a bin has room for: full it is, and nothing was moved twice. */
	EXPECT(model_alloc_bulk(objects + 125, 400, 64, 8, GFP_KERNEL, CTX_TASK));
	model_free_bulk(objects, 525, CTX_HARDIRQ);
	kept = held();
	EXPECT(kept >= 64 && kept <= PCPU_CACHE_DEPTH);
	EXPECT_EQ(pcpu_main.counts.nr_alloc - pcpu_main.counts.nr_dealloc, kept);
	/* With no request after it, the worker looks after them. */
	EXPECT(sim_run_all_work(100) < 100);
	EXPECT_EQ(held(), 0);
	world_shutdown();
}

/* ---- memory runs out ------------------------------------------------------------------- */

static bool try_bulk(unsigned int nr, size_t size, size_t align, gfp_t gfp, enum ctx ctx)
{
	unsigned long used = world_used_slots(), leaks = sim.nr_leak_objects;
	long charged = sim.nr_charged_bytes;
	bool got = model_alloc_bulk(objects, nr, size, align, gfp, ctx);

	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	EXPECT_EQ(pcpu_main.nr_rows_in[PCPU_ROW_COMING], 0);
	EXPECT_EQ(sim.nr_leak_objects, leaks + (got ? nr : 0));
	if (got)
		model_free_bulk(objects, nr, CTX_TASK);
	EXPECT_EQ(world_used_slots(), used);
	EXPECT_EQ(sim.nr_charged_bytes, charged);
	EXPECT_EQ(sim.nr_leak_objects, leaks);
	return got;
}

static void scenario(void)
{
	size_t unit = pcpu_main.geo.unit_bytes;

	sim_run_due_work();
	try_bulk(100, 64, 8, GFP_KERNEL_ACCOUNT, CTX_TASK);
	try_bulk(7, unit / 2 + 4, 64, GFP_KERNEL, CTX_TASK);
	try_bulk(200, 400, 16, GFP_NOWAIT | __GFP_ACCOUNT, CTX_IRQS_OFF);
	try_bulk(3, unit, 8, GFP_KERNEL_ACCOUNT | __GFP_NORETRY, CTX_NOFS_SCOPE);
	sim_advance(HZ);
	sim_run_due_work();
	try_bulk(40, 2000, 8, GFP_ATOMIC | __GFP_ACCOUNT, CTX_SOFTIRQ);
	try_bulk(33, PAGE_SIZE, PAGE_SIZE, GFP_KERNEL_ACCOUNT, CTX_TASK);
}

static void fail_each(unsigned int kinds)
{
	unsigned int nr = world_fail_each(&small, kinds, scenario);

	SHIM_ASSERT(nr >= 5, "only %u places can fail", nr);
}

TEST(bulk_fail_nth_of_all)
{
	fail_each(SIM_ALL);
}

TEST(bulk_fail_nth_pages)
{
	fail_each(SIM_PAGES);
}

#ifdef CONFIG_MEMCG
TEST(bulk_fail_nth_charge)
{
	fail_each(SIM_CHARGE);
}

/* More than a cgroup's counter takes at a time is charged in parts. */
TEST(bulk_charges_an_int_at_a_time)
{
	unsigned int nr_cpus = IS_ENABLED(CONFIG_SMP) ? 4096 : 1;
	size_t full;

	world_boot(&(struct world){ .nr_cpus = nr_cpus, .vmalloc_bytes = 1ULL << 33 });
	full = pcpu_full_size_bytes(pcpu_main.geo.unit_bytes);
	if (full * PCPU_HAS_EXT * 16 <= INT_MAX)
		test_skip("no object is that large here");
	SHIM_ASSERT(full <= INT_MAX, "not even one");
	/* Pages are what runs out: before that, all charges must have been possible. */
	sim.fail_kinds = SIM_PAGES;
	sim.fail_nth = 3;
	EXPECT(!try_bulk(16, pcpu_main.geo.unit_bytes, 8, GFP_KERNEL_ACCOUNT, CTX_TASK));
	EXPECT(sim.nr_failed);
	world_shutdown();
}
#endif

/* When memory has run out in the middle of a batch, what others keep at hand serves. */
TEST(bulk_drains_before_it_fails)
{
	unsigned int nr = 0, i;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .cache = true });
	sim_run_all_work(100);
	EXPECT(model_alloc_bulk(objects, 90, 40, 8, GFP_KERNEL, CTX_TASK));
	sim.fail_permille = 1000;
	for (i = 100; i < MAX_OBJECTS; i++, nr++)
		if (!model_alloc(&objects[i], 40, 8, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK))
			break;
	model_free_bulk(objects, 90, CTX_TASK);
	EXPECT(held() > 60);
	EXPECT(model_alloc_bulk(objects, 90, 36, 4, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	sim.fail_permille = 0;
	model_free_bulk(objects, 90, CTX_TASK);
	model_free_bulk(objects + 100, nr, CTX_TASK);
	world_shutdown();
}

/* It never sleeps when it must not, also not between the parts of a batch. */
TEST(bulk_nowait_until_full)
{
	unsigned int ctx, nr;

	for (ctx = CTX_SOFTIRQ; ctx <= CTX_HARDIRQ; ctx++) {
		world_boot(&small);
		sim_run_all_work(100);
		sim.page_limit = sim.nr_pages + 200;
		for (nr = 0; nr + 50 <= MAX_OBJECTS; nr += 50)
			if (!model_alloc_bulk(objects + nr, 50, 500, 4, GFP_NOWAIT, ctx))
				break;
		EXPECT(nr && nr + 50 <= MAX_OBJECTS);
		EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
		model_free_bulk(objects, nr, ctx);
		world_shutdown();
	}
}

/* ---- bad frees among good ones ----------------------------------------------------------- */

TEST(bulk_frees_refuse_each_alone)
{
	unsigned int i, j, nr, nr_bad = 0, on_stack;
	unsigned long used;

	world_boot(&small);
	used = world_used_slots();
	EXPECT(__alloc_percpu_bulk(64, 8, GFP_KERNEL, 100, ptrs));
	for (nr = 100, i = 0; i < 100; i += 5) {
		/* Twice in the batch, inside, foreign, and nothing. */
		ptrs[nr++] = ptrs[i];
		ptrs[nr++] = (char __percpu *)ptrs[i + 1] + 8;
		ptrs[nr++] = (void __percpu *)&on_stack;
		ptrs[nr++] = NULL;
		nr_bad += 3;
	}
	for (i = 0; i < nr; i++) {
		j = sim_below(nr);
		swap(ptrs[i], ptrs[j]);
	}
	sim_expect_warnings(nr_bad);
	free_percpu_bulk(nr, ptrs);
	EXPECT(sim_expected());
	EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), nr_bad);
	EXPECT_EQ(world_used_slots(), used);
	/* All of it once more. */
	sim_expect_warnings(100 + nr_bad);
	free_percpu_bulk(nr, ptrs);
	EXPECT(sim_expected());
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	world_shutdown();
}

/* ---- anything, in any order ---------------------------------------------------------------- */

TEST(bulk_mixed_with_singles)
{
	static const size_t sizes[] = { 8, 64, 64, 64, 100, 2048, 5000 };
	unsigned int step, nr = 0, n, from;

	world_boot(&small);
	for (step = 0; step < test_scaled(20000); step++) {
		size_t size = sizes[sim_below(ARRAY_SIZE(sizes))];
		gfp_t gfp = sim_below(2) ? GFP_KERNEL_ACCOUNT : GFP_NOWAIT;
		enum ctx ctx = gfp == GFP_NOWAIT ? CTX_SOFTIRQ : CTX_TASK;

		n = sim_below(3) ? 1 : sim_between(1, 40);
		current->cpu = sim_below(small.nr_cpus);
		if (nr + n < 800 && sim_below(2)) {
			if (n == 1)
				nr += model_alloc(&objects[nr], size, 8, false, gfp, ctx);
			else if (model_alloc_bulk(objects + nr, n, size, 8, gfp, ctx))
				nr += n;
		} else if (nr >= n) {
			/* From anywhere; what is above moves down. */
			from = sim_below(nr - n + 1);
			if (n == 1)
				model_free(&objects[from], ctx);
			else
				model_free_bulk(objects + from, n, ctx);
			memmove(objects + from, objects + from + n,
				(nr - from - n) * sizeof(*objects));
			nr -= n;
		}
		if (!(step % 256)) {
			sim_advance(sim_below(HZ));
			sim_run_due_work();
			check_charge(charge_of(objects, nr));
			world_check();
		}
	}
	model_free_bulk(objects, nr, CTX_TASK);
	current->cpu = 0;
	world_shutdown();
}
