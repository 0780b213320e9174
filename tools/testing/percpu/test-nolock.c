// SPDX-License-Identifier: GPL-2.0
/*
 * test-nolock.c - calls that are allowed in any context
 *
 * The shim refuses all that could wait, in NMIs and under raw spinlocks, and lets an
 * NMI in around each marked store, atomic operation and change of a lock.  So these
 * tests can put one everywhere, one place after the other, with the model and the
 * validator looking at what comes of it.  The same places are used for what traces
 * the allocator, and so comes in with its lock held and is no NMI.
 */
#include "test.h"

#define MAX_OBJECTS	6000
#define NR_CPUS_HERE	(IS_ENABLED(CONFIG_SMP) ? 3 : 1)
/* Contexts of ordinary calls. */
#define CTX_CALLS	(IS_ENABLED(CONFIG_PREEMPT_RT) ? CTX_IRQS_OFF : CTX_NR)

static const struct world near_world = { .nr_cpus = NR_CPUS_HERE, .cache = true, .nolock = true };

static struct object objects[MAX_OBJECTS];

/* Objects that fill the first chunk, which does not tell who is charged for what. */
static struct object fillers[64];
static unsigned int nr_fillers;

static struct pcpu_chunk *chunk_of(const struct object *object)
{
	struct pcpu_chunk *chunk;

	rcu_read_lock();
	chunk = pcpu_chunk_of(&pcpu_main, (unsigned long)__pcpu_ptr_to_addr(object->ptr));
	rcu_read_unlock();
	EXPECT(chunk);
	return chunk;
}

static void fill_first_chunk(void)
{
	size_t size = PAGE_SIZE;

	for (;;) {
		struct object *object = &fillers[nr_fillers];

		EXPECT(nr_fillers < ARRAY_SIZE(fillers));
		EXPECT(model_alloc(object, size, 4, false, GFP_KERNEL, CTX_TASK));
		if (chunk_of(object) == pcpu_main.first) {
			nr_fillers++;
			continue;
		}
		model_free(object, CTX_TASK);
		if (size == 4)
			return;
		size = size > 64 ? size / 2 : 4;
	}
}

static void boot(void)
{
	world_boot(&near_world);
	sim_run_all_work(100);
	nr_fillers = 0;
	fill_first_chunk();
}

static void shutdown(void)
{
	while (nr_fillers)
		model_free(&fillers[--nr_fillers], CTX_TASK);
	world_shutdown();
}

static void settle(void)
{
	EXPECT(sim_run_all_work(100) < 100);
	EXPECT(llist_empty(&pcpu_main.pending));
	EXPECT_EQ(atomic_read(&pcpu_main.nr_pending), 0);
	world_check();
}

/* A few failures are allowed, until the irq_work and the worker have run. */
static unsigned int alloc_soon(struct object *object, size_t size, size_t align, enum ctx ctx)
{
	unsigned int nr_failed = 0;

	while (!model_alloc_nolock(object, size, align, __GFP_ACCOUNT, ctx)) {
		EXPECT(++nr_failed < 3);
		EXPECT(sim_work_pending());
		sim_run_due_work();
	}
	return nr_failed;
}

/* By either call in, by either call out, from everywhere. */
TEST(nolock_every_context)
{
	static const size_t sizes[] = { 1, 8, 64, 200, 2048, 4096 };
	enum ctx in, out;
	unsigned int i;

	boot();
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (in = CTX_TASK; in < CTX_ANY_NR; in++) {
			for (out = CTX_TASK; out < CTX_ANY_NR; out++) {
				/* Not kept at hand, and the lock cannot be tried. */
				if (sizes[i] > 2048 &&
				    (!IS_ENABLED(CONFIG_SMP) || IS_ENABLED(CONFIG_PREEMPT_RT)) &&
				    (in == CTX_NMI || in == CTX_HARDIRQ || in == CTX_IRQS_OFF))
					continue;
				alloc_soon(&objects[0], sizes[i], 8, in);
				alloc_soon(&objects[1], sizes[i], 8, in);
				model_free_nolock(&objects[0], out);
				if (out < CTX_CALLS)
					model_free(&objects[1], out);
				else
					model_free_nolock(&objects[1], out);
				EXPECT(model_alloc(&objects[2], sizes[i], 8, false,
						   GFP_KERNEL_ACCOUNT, CTX_TASK));
				model_free_nolock(&objects[2], out);
				world_check();
			}
			settle();
		}
	shutdown();
}

/* Sizes that are missed do not hide each other, not even one that cannot be had here. */
TEST(nolock_many_sizes)
{
	static const size_t sizes[] = { 64, 8, 1024, 128, 4096, 256 };
	unsigned int round, i, nr_failed = 0;
	enum ctx ctx;

	for (ctx = CTX_TASK; ctx < CTX_ANY_NR; ctx++) {
		boot();
		for (round = 0; round < 4; round++) {
			nr_failed = 0;
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				if (!model_alloc_nolock(&objects[i], sizes[i], 8, 0, ctx))
					nr_failed += sizes[i] <= 2048;
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				if (objects[i].ptr)
					model_free_nolock(&objects[i], ctx);
			sim_run_due_work();
		}
		EXPECT_EQ(nr_failed, 0);
		settle();
		shutdown();
	}
}

/*
 * Nor does one that is served, but gets low in each round as there is little budget, hide
 * one of the same bin that is not.
 */
TEST(nolock_low_hides_no_miss)
{
	static const size_t sizes[] = { 8, 1024 };
	unsigned int round, i, nr_failed = 0;
	int kept_bytes;
	enum ctx ctx;

	EXPECT_EQ(hash_32(2, PCPU_CACHE_BIN_BITS), hash_32(256, PCPU_CACHE_BIN_BITS));
	for (ctx = CTX_TASK; ctx < CTX_ANY_NR; ctx++) {
		boot();
		kept_bytes = atomic_read(&pcpu_main.cache_budget_bytes) - 2600;
		atomic_sub(kept_bytes, &pcpu_main.cache_budget_bytes);
		for (round = 0; round < 6; round++) {
			nr_failed = 0;
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				nr_failed += !model_alloc_nolock(&objects[i], sizes[i], 8, 0, ctx);
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				if (objects[i].ptr)
					model_free_nolock(&objects[i], ctx);
			sim_run_irq_work();
		}
		EXPECT_EQ(nr_failed, 0);
		atomic_add(kept_bytes, &pcpu_main.cache_budget_bytes);
		settle();
		shutdown();
	}
}

/* In an NMI, while another CPU, or what it came into, has the lock. */
static bool alloc_lock_held(struct object *object, size_t size)
{
	static struct task_struct holder;
	bool got;

	pcpu_main.lock.holder = &holder;
	got = model_alloc_nolock(object, size, 8, 0, CTX_NMI);
	pcpu_main.lock.holder = NULL;
	return got;
}

/* More is put at hand before the last is gone: who leaves time for that misses once. */
TEST(nolock_low_is_stocked_in_time)
{
	unsigned int nr = 0, nr_failed = 0;

	boot();
	while (nr < 200) {
		if (alloc_lock_held(&objects[nr], 64))
			nr++;
		else
			EXPECT(++nr_failed < 2);
		EXPECT_EQ(sim.nr_messages, 0);
		sim_run_due_work();
	}
	while (nr)
		model_free_nolock(&objects[--nr], CTX_NMI);
	settle();
	shutdown();
}

/* Nor do those miss more than once that are too large for the bins: rows come in time. */
TEST(nolock_low_rows_are_made_in_time)
{
	unsigned int nr = 0, nr_failed = 0;

	boot();
	while (nr < 200) {
		if (model_alloc_nolock(&objects[nr], 4096, 8, 0, CTX_TASK))
			nr++;
		else
			nr_failed++;
		sim_run_due_work();
	}
	printf("%u failed\n", nr_failed);
	EXPECT(nr_failed <= 1);
	while (nr)
		model_free_nolock(&objects[--nr], CTX_TASK);
	settle();
	shutdown();
}

/* What is missed in any context counts for the reserve. */
TEST(nolock_misses_raise_the_reserve)
{
	unsigned int nr = 0, nr_rows, i;

	boot();
	while (model_alloc_nolock(&objects[nr], 4096, 8, 0, CTX_TASK))
		nr++;
	nr_rows = pcpu_main.nonblock_rows;
	for (i = 0; i < 10; i++) {
		sim_run_irq_work();
		EXPECT(!model_alloc_nolock(&objects[nr], 4096, 8, 0, CTX_TASK));
	}
	EXPECT(pcpu_main.nonblock_rows >= nr_rows + 10);
	while (nr)
		model_free_nolock(&objects[--nr], CTX_TASK);
	settle();
	shutdown();
}

/* Where others have the whole budget, and use it, that passes. */
TEST(nolock_gets_its_part_of_the_budget)
{
	const struct world world = { .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 200 : 1,
				     .cache = true, .nolock = true };
	unsigned int cpu, round, nr_failed = 0;

	world_boot(&world);
	sim_run_all_work(100);
	for (round = 0; round < 12; round++) {
		for (cpu = 1; cpu < world.nr_cpus; cpu++) {
			current->cpu = cpu;
			EXPECT(model_alloc(&objects[0], 256, 8, false, GFP_KERNEL, CTX_TASK));
			model_free(&objects[0], CTX_TASK);
		}
		current->cpu = 0;
		nr_failed = 0;
		for (cpu = 0; cpu < 2; cpu++) {
			nr_failed += !model_alloc_nolock(&objects[cpu], 256, 8, 0, CTX_NMI);
			sim_run_due_work();
		}
		for (cpu = 0; cpu < 2; cpu++)
			if (objects[cpu].ptr)
				model_free_nolock(&objects[cpu], CTX_NMI);
		sim_advance(HZ);
		sim_run_due_work();
	}
	EXPECT_EQ(nr_failed, 0);
	settle();
	shutdown();
}

/* What is missing is budget, not memory: no rows are made present for that. */
TEST(nolock_takes_no_budget_for_memory)
{
	unsigned int i, rows, budget_bytes;

	boot();
	sim_run_all_work(100);
	EXPECT_EQ(pcpu_cache_held_bytes(&pcpu_main), 0);
	rows = pcpu_main.reserve_rows;
	budget_bytes = atomic_xchg(&pcpu_main.cache_budget_bytes, 0);
	for (i = 0; i < 40; i++) {
		if (model_alloc_nolock(&objects[0], 64, 8, 0, CTX_TASK))
			model_free_nolock(&objects[0], CTX_TASK);
		sim_run_irq_work();
	}
	sim_run_due_work();
	EXPECT_EQ(pcpu_main.reserve_rows, rows);
	atomic_add(budget_bytes, &pcpu_main.cache_budget_bytes);
	settle();
	shutdown();
}

/* What was put at hand for one who cannot wait is there when it comes back. */
TEST(nolock_stock_outlives_a_look)
{
	unsigned int i;

	boot();
	sim_run_all_work(100);
	for (i = 0; i < 4; i++) {
		if (alloc_lock_held(&objects[0], 64))
			break;
		sim_run_irq_work();
		sim_advance(HZ);
		sim_run_due_work();
	}
	EXPECT(i <= 1);
	model_free_nolock(&objects[0], CTX_NMI);
	settle();
	shutdown();
}

/* What is wrong is refused without a word, or, where it is a bad free, with one warning. */
TEST(nolock_misuse)
{
	void __percpu *ptr;

	boot();
	EXPECT(!model_alloc_nolock(&objects[0], 0, 8, 0, CTX_NMI));
	EXPECT(!model_alloc_nolock(&objects[0], PAGE_SIZE + 1, 8, 0, CTX_NMI));
	EXPECT(!model_alloc_nolock(&objects[0], 8, 24, 0, CTX_NMI));
	EXPECT_EQ(sim.nr_messages, 0);
	free_percpu_nolock(NULL);

	/* Once it is at hand, and once it waits for the worker. */
	alloc_soon(&objects[0], 64, 8, CTX_TASK);
	ptr = objects[0].ptr;
	model_free_nolock(&objects[0], CTX_NMI);
	sim_expect_warnings(4);
	free_percpu_nolock(ptr);
	free_percpu(ptr);
	EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), 2);
	settle();
	free_percpu_nolock(ptr);
	free_percpu_nolock((char __percpu *)ptr + 1);
	EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), 4);
	EXPECT(sim_expected());
	settle();
	shutdown();
}

/*
 * A burst has what is present and at hand, takes no pages and calls nobody but the
 * irq_work.  Then it can go on, by a little.
 */
TEST(nolock_burst)
{
	unsigned long nr_pages, nr_events, nr_present;
	unsigned int nr = 0, before;
	enum ctx ctx;

	for (ctx = CTX_TASK; ctx < CTX_ANY_NR; ctx++) {
		boot();
		nr = 0;
		alloc_soon(&objects[nr++], 256, 8, ctx);
		nr_pages = sim.nr_pages;
		nr_events = sim.nr_events;
		nr_present = pcpu_nr_pages() / pcpu_main.geo.nr_units * PAGE_SIZE / 256;
		while (nr < MAX_OBJECTS && model_alloc_nolock(&objects[nr], 256, 8, 0, ctx))
			nr++;
		EXPECT(nr <= nr_present);
		EXPECT_EQ(sim.nr_pages, nr_pages);
		EXPECT_EQ(sim.nr_events, nr_events);
		EXPECT_EQ(sim.nr_messages, 0);
		/* Nor does that: it puts at hand what is present, and the worker does the rest. */
		sim_run_irq_work();
		EXPECT_EQ(sim.nr_pages, nr_pages);
		EXPECT_EQ(sim.nr_events, nr_events);
		world_check();
		before = nr;
		while (nr < before + 100)
			alloc_soon(&objects[nr++], 256, 8, ctx);
		while (nr)
			model_free_nolock(&objects[--nr], ctx);
		settle();
		shutdown();
	}
}

/* Nobody runs for a long time: no free is lost, whatever else happens. */
TEST(nolock_free_is_not_lost)
{
	const unsigned int total = test_scaled(MAX_OBJECTS);
	unsigned long before;
	unsigned int i;

	boot();
	before = world_used_slots();
	for (i = 0; i < total; i++)
		EXPECT(model_alloc(&objects[i], 4 * sim_between(1, 40), 4, false,
				   i % 2 ? GFP_KERNEL : GFP_KERNEL_ACCOUNT, CTX_TASK));
	for (i = 0; i < total; i++)
		model_free_nolock(&objects[i], CTX_NMI);
	EXPECT(!llist_empty(&pcpu_main.pending));
	EXPECT_EQ(world_used_slots(), before);
	world_check();
	settle();
	EXPECT_EQ(world_taken_slots(), before);
	shutdown();
}

static void refuse_all_memory(bool refuse)
{
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = refuse ? 1000 : 0;
}

/* A request that may sleep does not fail for what only waits for the worker. */
TEST(nolock_pending_serves_a_request)
{
	unsigned int nr = 0, i;

	boot();
	for (; nr < 8; nr++)
		EXPECT(model_alloc(&objects[nr], 3000, 4, false, GFP_KERNEL, CTX_TASK));
	refuse_all_memory(true);
	while (model_alloc(&objects[nr], 3000, 4, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK))
		nr++;
	EXPECT_EQ(atomic_read(&pcpu_main.nr_pending), 0);
	model_free_nolock(&objects[--nr], CTX_NMI);
	EXPECT_EQ(atomic_read(&pcpu_main.nr_pending), 1);
	world_check();
	/* One that may not sleep leaves it. */
	EXPECT(!model_alloc(&objects[nr], 3000, 4, false, GFP_NOWAIT | __GFP_NOWARN, CTX_TASK));
	EXPECT(model_alloc(&objects[nr], 3000, 4, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	EXPECT_EQ(atomic_read(&pcpu_main.nr_pending), 0);
	EXPECT(!model_alloc(&objects[nr + 1], 3000, 4, false, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	refuse_all_memory(false);
	for (i = 0; i <= nr; i++)
		model_free(&objects[i], CTX_TASK);
	settle();
	shutdown();
}

/* What is in a bin and does not suit is neither handed out nor lost. */
TEST(nolock_unsuited)
{
	struct pcpu_bin *small, *large;
	unsigned int i;
	void *where;

	if (IS_ENABLED(CONFIG_KASAN_GENERIC))
		test_skip("what was freed waits in the quarantine, not at hand");
	boot();
	EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&objects[1], 128, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&objects[0], CTX_TASK);
	model_free(&objects[1], CTX_TASK);
	small = pcpu_bin_of(64 / PCPU_MIN_ALLOC_SIZE);
	large = pcpu_bin_of(128 / PCPU_MIN_ALLOC_SIZE);
	EXPECT(small->top && large->top);
	EXPECT(pcpu_bin_push(small, pcpu_bin_pop(large)));
	alloc_soon(&objects[0], 64, 8, CTX_NMI);
	model_free_nolock(&objects[0], CTX_NMI);

	/* Badly aligned: left to who does not mind. */
	for (i = 0; i < 2; i++)
		EXPECT(model_alloc(&objects[i], 12, 4, false, GFP_KERNEL, CTX_TASK));
	i = IS_ALIGNED((unsigned long)__pcpu_ptr_to_addr(objects[0].ptr), 64);
	model_free(&objects[!i], CTX_TASK);
	where = __pcpu_ptr_to_addr(objects[i].ptr);
	model_free(&objects[i], CTX_TASK);
	alloc_soon(&objects[2], 12, 64, CTX_TASK);
	alloc_soon(&objects[3], 12, 4, CTX_TASK);
	EXPECT(__pcpu_ptr_to_addr(objects[2].ptr) != where);
	model_free_nolock(&objects[2], CTX_NMI);
	model_free_nolock(&objects[3], CTX_NMI);
	settle();
	EXPECT_EQ(world_taken_slots(), world_used_slots());
	shutdown();
}

/* An object before there is a worker. */
static void boot_early(void)
{
	struct world world = near_world;

	world.no_worker = true;
	world.cache = false;
	world_boot(&world);
	EXPECT(model_alloc_nolock(&objects[0], 64, 8, 0, CTX_TASK));
}

/* Before the worker exists, frees wait for it. */
TEST(nolock_early)
{
	boot_early();
	model_free_nolock(&objects[0], CTX_IRQS_OFF);
	world_check();
	EXPECT(!llist_empty(&pcpu_main.pending));
	world_start_worker();
	settle();
	world_shutdown();
}

/* Nor is one forgotten that came when the worker had run, and no irq_work could be called. */
TEST(nolock_early_and_nobody_called)
{
	boot_early();
	pcpu_balance_set_bounds(&pcpu_main, totalram_pages());
	pcpu_balance_enable(&pcpu_main);
	sim_run_all_work(100);
	model_free_nolock(&objects[0], CTX_NMI);
	EXPECT(!sim_work_pending());
	EXPECT(!llist_empty(&pcpu_main.pending));
	pcpu_nolock_enable(&pcpu_main);
	settle();
	world_shutdown();
}

/* Objects of the first chunk are not charged: to take that back is not safe in an NMI. */
TEST(nolock_first_chunk_is_not_charged)
{
	unsigned int nr = 0;

	world_boot(&near_world);
	sim_run_all_work(100);
	do {
		alloc_soon(&objects[nr], 64, 8, nr % 2 ? CTX_NMI : CTX_TASK);
		EXPECT(chunk_of(&objects[nr]) == pcpu_main.first);
		EXPECT_EQ(test_objcg.charged_bytes, 0);
	} while (++nr < 40);
	while (nr)
		model_free_nolock(&objects[--nr], CTX_NMI);
	settle();
	world_shutdown();
}

/* A charge that is refused leaves nothing behind. */
static void charge_scenario(void)
{
	unsigned int i;

	sim_run_all_work(100);
	nr_fillers = 0;
	fill_first_chunk();
	for (i = 0; i < 4; i++)
		model_alloc_nolock(&objects[i], 64, 8, __GFP_ACCOUNT, CTX_NMI);
	sim_run_due_work();
	for (; i < 30; i++)
		model_alloc_nolock(&objects[i], 64, 8, __GFP_ACCOUNT,
				   i % 2 ? CTX_NMI : CTX_TASK);
	while (i--)
		if (objects[i].ptr)
			model_free_nolock(&objects[i], CTX_NMI);
	while (nr_fillers)
		model_free(&fillers[--nr_fillers], CTX_TASK);
	settle();
}

TEST(nolock_charge_fails)
{
	unsigned int nr = world_fail_each(&near_world, SIM_CHARGE, charge_scenario);

	/* Without memory cgroups there is nothing that could fail. */
	EXPECT(nr >= 10 || !IS_ENABLED(CONFIG_MEMCG));
}

/*
 * One free is about to list its chunk when others complete it, and take down the
 * chunk, too:
 *
 *   this CPU    mark A                                     ... list the chunk?
 *   others              free B: mark, list | drain | destroy
 */
static struct object *victim, *other;
static struct pcpu_chunk *dying;

static void complete_and_destroy(void)
{
	if (!other->ptr || !bitmap_weight(dying->pending, dying->map.nr_slots))
		return;
	model_free_nolock(other, CTX_TASK);
	pcpu_pending_drain(&pcpu_main);
	EXPECT(bitmap_empty(dying->pending, dying->map.nr_slots));
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	while (pcpu_chunk_retire_spare(&pcpu_main, 0))
		;
	EXPECT_EQ(atomic_read(&dying->pending_state), PCPU_PENDING_DEAD);
	/* Its memory stays as long as the one who marks looks at it. */
	sim_rcu_quiesce();
	dying = NULL;
}

TEST(nolock_chunk_dies)
{
	unsigned int nr = 2;

	/* Without bins, so that the chunk holds nothing else. */
	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .nolock = true });
	sim_run_all_work(100);
	pcpu_main.cache_max_bytes = 0;
	EXPECT(model_alloc(&objects[0], SZ_4K, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&objects[1], SZ_4K, 8, false, GFP_KERNEL, CTX_TASK));
	while (chunk_of(&objects[nr - 2]) == pcpu_main.first) {
		EXPECT(model_alloc(&objects[nr], SZ_4K, 8, false, GFP_KERNEL, CTX_TASK));
		nr++;
	}
	victim = &objects[--nr];
	other = &objects[--nr];
	dying = chunk_of(victim);
	EXPECT_EQ(dying->nr_areas, 2);
	sim.on_window = complete_and_destroy;
	model_free_nolock(victim, CTX_TASK);
	sim.on_window = NULL;
	EXPECT(!dying);
	world_check();
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
	settle();
	world_shutdown();
}

/* A chunk that is listed, and has nothing pending any more, waits for the next drain. */
TEST(nolock_chunk_listed)
{
	struct pcpu_chunk *chunk;
	unsigned int nr_chunks;

	world_boot(&near_world);
	sim_run_all_work(100);
	nr_chunks = pcpu_main.nr_chunks;
	if (!pcpu_main.nr_spare_chunks)
		test_skip("no spare chunks are kept");
	chunk = list_last_entry(&pcpu_main.spare, struct pcpu_chunk, grow_link);
	atomic_set(&chunk->pending_state, PCPU_PENDING_LISTED);
	EXPECT(!pcpu_chunk_retire_spare(&pcpu_main, 0));
	EXPECT_EQ(pcpu_main.nr_chunks, nr_chunks);
	llist_add(&chunk->pending_node, &pcpu_main.pending);
	pcpu_pending_drain(&pcpu_main);
	EXPECT(pcpu_chunk_retire_spare(&pcpu_main, 0));
	settle();
	world_shutdown();
}

/*
 * Who completes what is pending stops when it has done as many as there were, and
 * leaves one that came meanwhile.  That one's irq_work and the worker found the list
 * empty, as it was in the former's hands:
 *
 *   a request   take the list    complete one                  ... complete 16, list again
 *   others                                    mark one | worker
 */
#define NR_LISTED	16	/* as many as are completed at a time */

static void free_and_balance(void)
{
	if (!victim->ptr || atomic_read(&pcpu_main.nr_pending) != NR_LISTED)
		return;
	EXPECT(llist_empty(&pcpu_main.pending));
	model_free_nolock(victim, CTX_TASK);
	EXPECT(sim_run_all_work(100) < 100);
}

TEST(nolock_drain_leaves_one)
{
	unsigned int nr, i;

	world_boot(&near_world);
	sim_run_all_work(100);
	for (nr = 0; !nr || chunk_of(&objects[nr - 1]) == chunk_of(&objects[0]); nr++)
		EXPECT(model_alloc(&objects[nr], 64, 4, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
	EXPECT(nr > NR_LISTED + 1);
	victim = &objects[0];
	for (i = 1; i <= NR_LISTED; i++)
		model_free_nolock(&objects[i], CTX_TASK);
	/* Listed last, so it comes first. */
	model_free_nolock(&objects[nr - 1], CTX_TASK);
	sim.on_window = free_and_balance;
	EXPECT(pcpu_pending_drain(&pcpu_main));
	sim.on_window = NULL;
	EXPECT(!victim->ptr);
	EXPECT_EQ(atomic_read(&pcpu_main.nr_pending), 1);
	settle();
	while (--nr > NR_LISTED + 1)
		model_free(&objects[nr - 1], CTX_TASK);
	settle();
	world_shutdown();
}

#ifdef SHIM_NMI
/* ---- an NMI at each boundary ------------------------------------------------------ */

static const size_t nmi_sizes[] = { 64, 128, 64, 12 };
static struct object nmi_objects[4];
static unsigned long nmi_nth, nr_boundaries;

/* What was left by the one before is freed; some of the new ones stay. */
static void nmi_body(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nmi_objects); i++) {
		if (nmi_objects[i].ptr)
			model_free_nolock(&nmi_objects[i], CTX_TASK);
		model_alloc_nolock(&nmi_objects[i], nmi_sizes[i], 4, __GFP_ACCOUNT, CTX_TASK);
	}
	for (i = 0; i < 2; i++)
		if (nmi_objects[i].ptr)
			model_free_nolock(&nmi_objects[i], CTX_TASK);
}

static void count_to_nmi(void)
{
	if (++nr_boundaries == nmi_nth)
		nmi_body();
}

/* What is being freed, or was as the last: bad code may free it once more. */
static void __percpu *freed;
static unsigned long nr_nmi_first, nr_nmi_second;

/*
 * Two free the same: the second is refused.  Where that is the one who was interrupted,
 * nothing is allocated here, as that could get what was freed, and he would free it.
 */
static void count_to_second_free(void)
{
	int nr_bad = atomic_read(&pcpu_main.nr_bad_frees);

	if (++nr_boundaries != nmi_nth)
		return;
	if (freed) {
		sim_expect_warnings(1);
		free_percpu_nolock(freed);
		if (!sim.nr_expected) {
			EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), nr_bad + 1);
			nr_nmi_second++;
		} else {
			EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), nr_bad);
			if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
				sim_leak_forget(freed);
			nr_nmi_first++;
			return;
		}
	}
	nmi_body();
}

static void free_one(struct object *object, enum ctx ctx)
{
	freed = object->ptr;
	model_free(object, ctx);
}

static void free_some(struct object *some, unsigned int nr)
{
	freed = some[nr / 2].ptr;
	model_free_bulk(some, nr, CTX_TASK);
}

/* A little of all that the allocator does: misses, hits, refills, spills, the worker. */
static void busy_scenario(void)
{
	const unsigned int nr = 40;
	unsigned int i;

	freed = NULL;

	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], i % 8 ? 64 : 128, 4, false,
				   i % 3 ? GFP_KERNEL : GFP_KERNEL_ACCOUNT, CTX_TASK));
	for (i = 0; i < nr; i += 2)
		free_one(&objects[i], CTX_SOFTIRQ);
	freed = NULL;
	for (i = 0; i < nr; i += 2)
		EXPECT(model_alloc(&objects[i], 64, 4, false, GFP_NOWAIT, CTX_CALLS - 1));
	EXPECT(model_alloc_nolock(&objects[nr], 64, 4, 0, CTX_TASK) || i);
	free_some(objects, 20);
	freed = objects[nr].ptr;
	if (freed)
		model_free_nolock(&objects[nr], CTX_TASK);
	freed = NULL;
	EXPECT(model_alloc_bulk(objects, 20, 12, 4, GFP_KERNEL_ACCOUNT, CTX_TASK));
	sim_run_due_work();
	for (i = 0; i < nr; i++)
		free_one(&objects[i], CTX_TASK);
	pcpu_cache_drain(&pcpu_main, true);
	sim_advance(HZ);
	sim_run_due_work();
}

static void at_each_boundary(bool is_trace, void (*on_nmi)(void))
{
	unsigned long nr_all, step;

	boot();
	sim_nmi_is_trace = is_trace;
	/* Twice, for what is only done at first. */
	busy_scenario();
	nr_boundaries = 0;
	sim_on_nmi = on_nmi;
	busy_scenario();
	nr_all = nr_boundaries;
	EXPECT(nr_all > 1000);
	step = max(100 / test_scaled(100), 1U);
	for (nmi_nth = 1; nmi_nth <= nr_all; nmi_nth += step) {
		nr_boundaries = 0;
		busy_scenario();
		EXPECT(sim_expected());
		EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), nr_nmi_first + nr_nmi_second);
		EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	}
	printf("%lu boundaries\n", nr_all);
	sim_on_nmi = NULL;
	nmi_body();
	for (nr_all = 0; nr_all < ARRAY_SIZE(nmi_objects); nr_all++)
		if (nmi_objects[nr_all].ptr)
			model_free(&nmi_objects[nr_all], CTX_TASK);
	settle();
	shutdown();
}

TEST(nolock_nmi_at_each_boundary)
{
	at_each_boundary(false, count_to_nmi);
}

/* Interrupts may be enabled there, or disabled by the one who holds the lock. */
TEST(nolock_trace_at_each_boundary)
{
	at_each_boundary(true, count_to_nmi);
}

static void second_free_at_each_boundary(bool is_trace)
{
	at_each_boundary(is_trace, count_to_second_free);
	printf("%lu times it came first, %lu times second\n", nr_nmi_first, nr_nmi_second);
	EXPECT(nr_nmi_first >= test_scaled(100) / 2);
	EXPECT(nr_nmi_second >= test_scaled(300));
}

/* One frees what another is freeing: one of them does, and the other is told. */
TEST(nolock_nmi_frees_the_same)
{
	second_free_at_each_boundary(false);
}

TEST(nolock_trace_frees_the_same)
{
	second_free_at_each_boundary(true);
}

/* ---- frees without end ------------------------------------------------------------ */

#define NR_FREED_AT_FIRST	20

static unsigned int nr_freed;

/* Of the next to be freed, one is freed every other time. */
static void nmi_frees(void)
{
	if (nr_boundaries++ % 2 && nr_freed < MAX_OBJECTS)
		model_free_nolock(&objects[nr_freed++], CTX_TASK);
}

/* Who completes what is pending is not held by what comes meanwhile. */
TEST(nolock_drain_ends)
{
	unsigned int i;

	world_boot(&near_world);
	for (i = 0; i < MAX_OBJECTS; i++)
		EXPECT(model_alloc(&objects[i], 64, 4, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
	while (nr_freed < NR_FREED_AT_FIRST)
		model_free_nolock(&objects[nr_freed++], CTX_NMI);
	sim_on_nmi = nmi_frees;
	EXPECT(pcpu_pending_drain(&pcpu_main));
	sim_on_nmi = NULL;
	printf("%u of %u freed meanwhile\n", nr_freed - NR_FREED_AT_FIRST, MAX_OBJECTS);
	EXPECT(nr_freed > NR_FREED_AT_FIRST);
	EXPECT(nr_freed < MAX_OBJECTS);
	/* And who comes first has been served. */
	EXPECT(atomic_read(&pcpu_main.nr_pending) <= nr_freed - NR_FREED_AT_FIRST);
	while (nr_freed < MAX_OBJECTS)
		model_free_nolock(&objects[nr_freed++], CTX_NMI);
	settle();
	world_shutdown();
}

/* ---- many NMIs ---------------------------------------------------------------------- */

#define NR_STORM	300

static unsigned int busy_index, nmi_one_in;
static unsigned long nr_nmi_allocs, nr_nmi_failures;

static void storm_nmi(void)
{
	unsigned int i = sim_below(NR_STORM);

	if (sim_below(nmi_one_in) || i == busy_index)
		return;
	if (objects[i].ptr) {
		model_free_nolock(&objects[i], CTX_TASK);
		return;
	}
	nr_nmi_allocs++;
	nr_nmi_failures += !model_alloc_nolock(&objects[i], 4 * sim_between(1, 8) * 4,
					       4U << sim_below(3), sim_below(2) ? __GFP_ACCOUNT : 0,
					       CTX_TASK);
}

static void storm_step(void)
{
	unsigned int i = busy_index = sim_below(NR_STORM);
	bool nolock = !sim_below(4);
	enum ctx ctx = sim_below(nolock ? CTX_ANY_NR : CTX_CALLS);

	if (objects[i].ptr && nolock)
		model_free_nolock(&objects[i], ctx);
	else if (objects[i].ptr)
		model_free(&objects[i], ctx);
	else if (nolock)
		model_alloc_nolock(&objects[i], 4 * sim_between(1, 50), 8, __GFP_ACCOUNT, ctx);
	else
		model_alloc(&objects[i], 4 * sim_between(1, sim_below(9) ? 40 : 600), 8, false,
			    sim_below(2) ? GFP_NOWAIT : GFP_ATOMIC | __GFP_ACCOUNT, ctx);
	current->cpu = sim_below(NR_CPUS_HERE);
	busy_index = NR_STORM;
}

TEST(nolock_nmi_storm)
{
	unsigned int step, i;

	boot();
	sim_on_nmi = storm_nmi;
	for (step = 0; step < test_scaled(60000); step++) {
		if (!(step % 5000))
			nmi_one_in = sim_between(2, 100);
		storm_step();
		if (!sim_below(50))
			sim_run_irq_work();
		if (!sim_below(200)) {
			sim_advance(sim_below(HZ));
			sim_run_due_work();
		}
		if (!(step % 500))
			EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	}
	sim_on_nmi = NULL;
	EXPECT(nr_nmi_allocs > test_scaled(1000) && nr_nmi_failures < nr_nmi_allocs);
	printf("%lu allocations in NMI, %lu failed\n", nr_nmi_allocs, nr_nmi_failures);
	current->cpu = cpumask_first(cpu_possible_mask);
	for (i = 0; i < NR_STORM; i++)
		if (objects[i].ptr)
			model_free(&objects[i], CTX_TASK);
	settle();
	shutdown();
}
#endif /* SHIM_NMI */
