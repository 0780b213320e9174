// SPDX-License-Identifier: GPL-2.0
/*
 * test-context.c - requests that cannot sleep, sizes, alignments
 */
#include "test.h"

#define MAX_OBJECTS	16000

static struct object objects[MAX_OBJECTS];

static void free_n(unsigned int nr)
{
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
}

/* 1 MiB of objects back to back, with nobody else running. */
static unsigned int burst(unsigned int nr, size_t size, gfp_t gfp, enum ctx ctx)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!model_alloc(&objects[i], size, 8, false, gfp, ctx))
			break;
	return i;
}

#if defined(CONFIG_HAVE_SETUP_PER_CPU_AREA)
static void burst_in_world(const struct world *world)
{
	enum ctx ctx;

	world_boot(world);
	sim_run_all_work(100);
	for (ctx = CTX_SOFTIRQ; ctx <= CTX_HARDIRQ; ctx++) {
		EXPECT_EQ(burst(16000, 64, GFP_NOWAIT, ctx), 16000);
		world_check();
		free_n(16000);
		sim_run_all_work(100);
		EXPECT_EQ(burst(2000, 512, GFP_ATOMIC, ctx), 2000);
		world_check();
		free_n(2000);
		sim_run_all_work(100);
	}
	/* The worker between two bursts makes room for a second, with the first live. */
	EXPECT_EQ(burst(8000, 64, GFP_NOWAIT, CTX_HARDIRQ), 8000);
	sim_run_all_work(100);
	for (ctx = 8000; ctx < 16000; ctx++)
		EXPECT(model_alloc(&objects[ctx], 64, 8, false, GFP_NOWAIT, CTX_HARDIRQ));
	free_n(16000);
	world_shutdown();
}

TEST(burst_1_cpu)
{
	burst_in_world(&(struct world){ .nr_cpus = 1 });
}

TEST(burst_2_cpus)
{
	burst_in_world(&(struct world){ .nr_cpus = 2, .nodes = NODES_EACH });
}

TEST(burst_4_cpus_large_unit)
{
	burst_in_world(&(struct world){ .nr_cpus = 4, .atom_bytes = 2 << 20 });
}

TEST(burst_16_cpus)
{
	burst_in_world(&(struct world){ .nr_cpus = 16, .nodes = NODES_UNEVEN,
					.vmalloc_bytes = 32ULL << 30 });
}

/* A chunk's rows are enough for an object of the whole unit, without sleeping. */
TEST(nonblocking_large)
{
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = 2 });
	sim_run_all_work(100);
	for (i = 0; i < 8; i++)
		EXPECT(model_alloc(&objects[i], pcpu_main.geo.unit_bytes, PAGE_SIZE, false,
				   GFP_NOWAIT, CTX_HARDIRQ));
	free_n(8);
	world_shutdown();
}

/* The bound of pages that one such request takes. */
TEST(nonblocking_page_bound)
{
	unsigned long before;

	world_boot(&(struct world){ .nr_cpus = 4096, .vmalloc_bytes = 32ULL << 30,
				    .static_bytes = 100 });
	if (pcpu_main.geo.unit_pages == 1)
		test_skip("a unit is one page");
	sim_run_due_work();
	before = sim.nr_events;
	EXPECT(!model_alloc(&objects[0], pcpu_main.geo.unit_bytes, 8, false, GFP_NOWAIT,
			    CTX_IRQS_OFF));
	EXPECT(sim.nr_events - before <= 2 * 4096);
	EXPECT(sim_work_pending());
	world_shutdown();
}
#endif

/*
 * Chunks whose runs are long enough and badly aligned: they do not keep a request
 * from finding the chunk that was built for it.
 */
TEST(aligned_among_misaligned)
{
	const unsigned int nr = 8;
	size_t unit_bytes;
	unsigned int i, nr_chunks;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .static_bytes = 20000, .dyn_bytes = 512 });
	unit_bytes = pcpu_main.geo.unit_bytes;
	if (unit_bytes < 4 * PAGE_SIZE)
		test_skip("a unit is too small");
	for (i = 0; i < nr; i++) {
		EXPECT(model_alloc(&objects[i], 1024, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&objects[nr + i], unit_bytes - 1024, 4, false, GFP_KERNEL,
				   CTX_TASK));
	}
	while (i)
		model_free(&objects[nr + --i], CTX_TASK);
	nr_chunks = pcpu_main.nr_chunks;
	EXPECT(model_alloc(&objects[nr], unit_bytes - 2048, PAGE_SIZE, false, GFP_KERNEL,
			   CTX_TASK));
	EXPECT(pcpu_main.nr_chunks <= nr_chunks + 1);
	free_n(nr + 1);
	world_shutdown();
}

/* Rows that promise a run of so many slots inside. */
static unsigned int rows_promising(unsigned int nr_slots)
{
	struct pcpu_chunk *chunk;
	unsigned int i, nr = 0;

	list_for_each_entry(chunk, &pcpu_main.chunks, link)
		for (i = 0; i < chunk->nr_rows; i++)
			nr += chunk->map.room[i].bound_slots >= nr_slots;
	return nr;
}

/*
 * Many rows promise a longer run than they have.  One request does not look into
 * all of them under one hold of the lock; each does a part of it.
 */
TEST(misled_search_is_bounded)
{
	/* Of a lower class than what is no whole grain may have. */
	const unsigned int nr_slots = 26 * PCPU_GRAIN_SLOTS / 16;
	static void __percpu *large[1600], *small[ARRAY_SIZE(large) * 4];
	unsigned int i, nr_before, nr_after;

	if (PAGE_SIZE != SZ_4K)
		test_skip("rows of 4 KiB are needed");
	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1 });
	for (i = 0; i < ARRAY_SIZE(large); i++)
		large[i] = __alloc_percpu_gfp(1024, 1024, GFP_KERNEL);
	/* The first and the third of a row: what is free at its end is known. */
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		if ((unsigned long)per_cpu_ptr(large[i], 0) % 2048)
			continue;
		free_percpu(large[i]);
		large[i] = NULL;
	}
	/* They leave 4 slots each, which are no whole grain: these say no more. */
	for (i = 0; i < ARRAY_SIZE(small); i++)
		small[i] = __alloc_percpu_gfp(112, 128, GFP_KERNEL);

	nr_before = rows_promising(nr_slots);
	EXPECT(nr_before > 200);
	objects[0].ptr = __alloc_percpu_gfp(4 * nr_slots, 4, GFP_KERNEL);
	nr_after = rows_promising(nr_slots);
	/* Once more where a chunk had to be built. */
	EXPECT(nr_after + (pcpu_main.backend->rows_fixed ? 128 : 64) >= nr_before);
	/* A chunk that came with its pages may have had better room. */
	EXPECT(nr_after < nr_before || pcpu_main.backend->rows_fixed);

	free_percpu(objects[0].ptr);
	for (i = 0; i < ARRAY_SIZE(small); i++)
		free_percpu(small[i]);
	for (i = 0; i < ARRAY_SIZE(large); i++)
		free_percpu(large[i]);
	world_shutdown();
}

/* Nothing is ready and the worker does not run: refused at once, quietly. */
TEST(nonblocking_without_worker)
{
	unsigned int nr;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .no_worker = true });
	nr = burst(MAX_OBJECTS, 64, GFP_NOWAIT, CTX_IRQS_OFF);
	EXPECT(nr >= PERCPU_DYNAMIC_EARLY_SIZE / 64);
	EXPECT(nr < MAX_OBJECTS);
	EXPECT_EQ(sim.nr_messages, 0);
	EXPECT_EQ(sim.nr_events, 0);
	world_check();
	free_n(nr);
	world_shutdown();
}

/* After a failure that could not sleep the worker is on its way, and then it works. */
TEST(nonblocking_recovers)
{
	unsigned int nr;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1 });
	sim_run_all_work(100);
	nr = burst(MAX_OBJECTS, 4000, GFP_NOWAIT, CTX_IRQS_OFF);
	EXPECT(nr < MAX_OBJECTS);
	EXPECT(sim_work_pending());
	sim_run_all_work(100);
	EXPECT(model_alloc(&objects[nr], 4000, 8, false, GFP_NOWAIT, CTX_IRQS_OFF));
	free_n(nr + 1);
	world_shutdown();
}

/* Each size by each alignment, up to the unit and the page. */
TEST(sizes_and_alignments)
{
	unsigned int cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1;
	size_t size, align, unit;

	world_boot(&(struct world){ .nr_cpus = cpus, .reserved_bytes = 8 << 10 });
	unit = pcpu_main.geo.unit_bytes;
	for (size = 1; size <= unit; size += size < 200 ? 1 : size / 7)
		for (align = 0; align <= PAGE_SIZE; align = align ? align * 2 : 1) {
			EXPECT(model_alloc(&objects[0], size, align, false, GFP_KERNEL,
					   CTX_TASK));
			model_free(&objects[0], CTX_TASK);
		}
	for (size = unit - 8; size <= unit; size++) {
		EXPECT(model_alloc(&objects[0], size, PAGE_SIZE, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[0], CTX_TASK);
	}
	world_shutdown();
}

/* Small objects lie dense: no page more than they need, but for the reserve. */
TEST(density)
{
	unsigned int i, nr = 10000, cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1;
	unsigned long pages, need;

	world_boot(&(struct world){ .nr_cpus = cpus });
	sim_run_all_work(100);
	pages = pcpu_nr_pages();
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], 20, 4, false, GFP_KERNEL, CTX_TASK));
	need = DIV_ROUND_UP(20UL * nr, PAGE_SIZE) * cpus;
	pages = pcpu_nr_pages() - pages;
	SHIM_ASSERT(pages <= need + pcpu_main.geo.unit_pages * cpus, "%lu pages for %lu", pages,
		    need);
	free_n(nr);
	world_shutdown();
}

/*
 * Rows that are not there join free slots around them:
 *
 *   row          0        1        2 ...
 *            [AAAA....][absent][absent]...     B takes the tail of row 0, too
 *            [ absent ][....CCCC]              D takes the head of row 1, too
 */
#ifdef CONFIG_HAVE_SETUP_PER_CPU_AREA
TEST(rows_join_their_neighbours)
{
	unsigned int nr = 0;
	size_t unit;
	void *first;

	world_boot(&(struct world){ .nr_cpus = 2, .no_worker = true, .static_bytes = 60 << 10 });
	unit = pcpu_main.geo.unit_bytes;
	while (!bitmap_full(pcpu_main.first->map.busy, pcpu_main.first->map.nr_slots))
		EXPECT(model_alloc(&objects[nr++], 64, 4, false, GFP_NOWAIT, CTX_TASK) ||
		       model_alloc(&objects[nr - 1], 4, 4, false, GFP_NOWAIT, CTX_TASK));

	EXPECT(model_alloc(&objects[nr], PAGE_SIZE / 2, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&objects[nr + 1], unit - PAGE_SIZE / 2, 8, false, GFP_KERNEL,
			   CTX_TASK));
	EXPECT_EQ(pcpu_main.nr_chunks, 1);
	model_free(&objects[nr], CTX_TASK);
	model_free(&objects[nr + 1], CTX_TASK);
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;

	EXPECT(model_alloc(&objects[nr], PAGE_SIZE, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&objects[nr + 1], PAGE_SIZE / 2, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(model_alloc(&objects[nr + 2], PAGE_SIZE / 2, 8, false, GFP_KERNEL, CTX_TASK));
	first = objects[nr].ptr;
	model_free(&objects[nr], CTX_TASK);
	model_free(&objects[nr + 1], CTX_TASK);
	EXPECT_EQ(pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX), 1);
	EXPECT(model_alloc(&objects[nr], PAGE_SIZE / 2 * 3, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(objects[nr].ptr == first);
	EXPECT_EQ(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT], 2);
	model_free(&objects[nr], CTX_TASK);
	model_free(&objects[nr + 2], CTX_TASK);
	free_n(nr);
	world_shutdown();
}
#endif

/*
 * Rows whose one run is too badly aligned hide the one where it is not from the first
 * search, but not from the one before a request fails:
 *
 *   |#####..####|#####..####| ... |####..#####|
 *         misaligned                aligned
 */
TEST(misaligned_rows_hide_no_aligned_one)
{
	unsigned int n, nr_holes = 0;
	void *hole = NULL;

	if (PAGE_SIZE > SZ_4K)
		test_skip("a row has room for too many");
	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1 });
	sim_run_all_work(100);
	for (n = 0; n < 4000; n++)
		EXPECT(model_alloc(&objects[n], 32, 32, false, GFP_KERNEL, CTX_TASK));
	/* Fill up what is present, so that nothing else will do. */
	sim.fail_kinds = SIM_ALL;
	sim.fail_permille = 1000;
	while (model_alloc(&objects[n], 32, 32, false, GFP_NOWAIT, CTX_TASK))
		EXPECT(++n < MAX_OBJECTS);
	while (n-- > 1 && nr_holes < 20) {
		unsigned long addr = (unsigned long)__pcpu_ptr_to_addr(objects[n].ptr);

		if (objects[n].ptr != objects[n - 1].ptr + 32 ||
		    addr % PAGE_SIZE != PAGE_SIZE / 2 + (nr_holes ? 0 : 32))
			continue;
		if (!nr_holes++)
			hole = objects[n - 1].ptr;
		model_free(&objects[n], CTX_TASK);
		model_free(&objects[--n], CTX_TASK);
	}
	EXPECT_EQ(nr_holes, 20);
	EXPECT(model_alloc(&objects[MAX_OBJECTS - 1], 64, 64, false, GFP_NOWAIT, CTX_TASK));
	EXPECT(objects[MAX_OBJECTS - 1].ptr == hole);
	sim.fail_permille = 0;
	for (n = 0; n < MAX_OBJECTS; n++)
		if (objects[n].ptr)
			model_free(&objects[n], CTX_TASK);
	world_shutdown();
}

/*
 * Where nothing is reserved, what asks for that is served as all others are: 32-bit x86 and
 * 64-bit powerpc have their modules' variables so.  No row is begun while another has room.
 */
TEST(reserved_without_a_chunk_uses_present_room)
{
	unsigned int n, nr_rows, nr_chunks;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .dyn_bytes = 40 << 10 });
	if (pcpu_main.reserved)
		test_skip("something is reserved");
	sim_run_all_work(100);
	nr_rows = pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
	nr_chunks = pcpu_main.nr_chunks;
	for (n = 0; n < 40; n++)
		EXPECT(model_alloc(&objects[n], 256, 8, true, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_main.nr_rows_in[PCPU_ROW_PRESENT], nr_rows);
	EXPECT_EQ(pcpu_main.nr_chunks, nr_chunks);
	free_n(n);
	sim_run_all_work(100);
	world_shutdown();
}

/*
 * Objects of two rows leave one row of each chunk that has an odd number of them.  Those
 * rows must not hide where the next objects fit: each would take a chunk of its own.
 */
TEST(rows_left_over_hide_no_chunk)
{
	static struct object pairs[1000];
	unsigned int n, nr_chunks = 0, nr_needed;
	struct pcpu_chunk *chunk;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .dyn_bytes = 500 << 10 });
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	sim_run_all_work(100);
	for (n = 0; n < ARRAY_SIZE(pairs); n++) {
		EXPECT(model_alloc(&pairs[n], 2 * PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL,
				   CTX_TASK));
		if (n % 16 == 0)
			sim_run_due_work();
	}
	list_for_each_entry(chunk, &pcpu_main.chunks, link)
		nr_chunks++;
	/* As many as have room, the first one, spare ones, and one that is being filled. */
	nr_needed = DIV_ROUND_UP(2 * n, pcpu_main.geo.unit_pages - 1) +
		    pcpu_main.nr_spare_chunks + 2;
	EXPECT(nr_chunks <= nr_needed);
	while (n)
		model_free(&pairs[--n], CTX_TASK);
	sim_run_all_work(100);
	world_shutdown();
}

/* Nobody waits for the lock while all chunks are looked through for a row. */
TEST(rows_are_picked_from_some_chunks_at_a_time)
{
	static struct object objects[3000];
	unsigned int n, nr_chunks = 0;
	unsigned long nr_holds;
	struct pcpu_chunk *chunk;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .dyn_bytes = 500 << 10 });
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	for (n = 0; n < ARRAY_SIZE(objects); n++)
		EXPECT(model_alloc(&objects[n], PCPU_MIN_UNIT_SIZE, PAGE_SIZE, false,
				   GFP_KERNEL, CTX_TASK));
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	list_for_each_entry(chunk, &pcpu_main.chunks, link)
		nr_chunks++;
	EXPECT(nr_chunks >= 3 * 64);
	/* The oldest chunk is looked at last. */
	model_free(&objects[100], CTX_TASK);
	nr_holds = sim.nr_lock_holds;
	EXPECT(pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX));
	nr_holds = sim.nr_lock_holds - nr_holds;
	EXPECT(nr_holds > nr_chunks / 64);
	objects[100].ptr = NULL;
	/* Of those that have some, few are looked at: each row of a chunk is. */
	for (n = 0; n < 16; n++)
		model_free(&objects[200 + 20 * n], CTX_TASK);
	nr_holds = sim.nr_lock_holds;
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	nr_holds = sim.nr_lock_holds - nr_holds;
	EXPECT(nr_holds >= min(16U, 16 * pcpu_main.geo.unit_pages / 64));
	for (n = 0; n < 16; n++)
		objects[200 + 20 * n].ptr = NULL;
	for (n = 0; n < ARRAY_SIZE(objects); n++) {
		if (objects[n].ptr)
			model_free(&objects[n], CTX_TASK);
	}
	sim_run_all_work(100);
	world_shutdown();
}

/*
 * Each round allocates what fills ten chunks, keeps one object of each chunk and frees the
 * others, whose pages the worker gives back.  There is room for all that follow.
 */
static void fill_and_give_back(u64 vmalloc_bytes)
{
	static struct object kept[1000], gone[1000];
	unsigned int round, i, nr, nr_kept = 0, nr_filling, nr_needed;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .dyn_bytes = 500 << 10, .vmalloc_bytes = vmalloc_bytes });
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	sim_run_all_work(100);
	nr_filling = pcpu_main.geo.unit_pages / 2;
	nr = 10 * nr_filling;
	EXPECT(nr < ARRAY_SIZE(gone));
	for (round = 0; round < 20; round++) {
		for (i = 0; i < nr; i++) {
			EXPECT(model_alloc(&gone[i], 2 * PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL,
					   CTX_TASK));
			if (i % 16 == 0)
				sim_run_due_work();
		}
		for (i = 0; i < nr; i++) {
			if (i % nr_filling == nr_filling / 2)
				kept[nr_kept++] = gone[i];
			else
				model_free(&gone[i], CTX_TASK);
		}
		sim_run_all_work(100);
	}
	nr_needed = DIV_ROUND_UP(2 * (nr_kept + nr), pcpu_main.geo.unit_pages - 1) +
		    pcpu_main.nr_spare_chunks + 2;
	EXPECT(pcpu_main.nr_chunks <= 2 * nr_needed);
	while (nr_kept)
		model_free(&kept[--nr_kept], CTX_TASK);
	sim_run_all_work(100);
	world_shutdown();
}

TEST(given_back_rows_hide_no_chunk)
{
	fill_and_give_back(0);
}

/* The same, where there is not address space for more. */
TEST(given_back_rows_are_found)
{
	fill_and_give_back((32 << 20) / 4096 * PAGE_SIZE);
}

/*
 * Objects of two to eight rows that come and go, a few of which stay: load rises and falls,
 * and the worker gives back what is empty in between.
 */
TEST(tides_of_rows_waste_no_chunks)
{
	static struct object o[1000];
	unsigned int tide, i, nr = 0, base, max_chunks = 0, max_rows = 0;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
				    .dyn_bytes = 500 << 10 });
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	sim_run_all_work(100);
	for (tide = 0; tide < 40; tide++) {
		base = nr;
		for (i = 0; i < 300; i++, nr++) {
			EXPECT(model_alloc(&o[nr], sim_between(2, 8) * PAGE_SIZE, 8, false,
					   GFP_KERNEL, CTX_TASK));
			if (i % 16 == 0)
				sim_run_due_work();
		}
		max_rows = max(max_rows, pcpu_main.nr_rows_in[PCPU_ROW_PRESENT]);
		max_chunks = max(max_chunks, pcpu_main.nr_chunks);
		/* One in fifty stays. */
		for (i = base; i < nr; i++) {
			if (i % 50 == 7)
				o[base++] = o[i];
			else
				model_free(&o[i], CTX_TASK);
		}
		nr = base;
		sim_run_all_work(100);
	}
	EXPECT(max_chunks <= 2 * max_rows / pcpu_main.geo.unit_pages + 2);
	while (nr)
		model_free(&o[--nr], CTX_TASK);
	sim_run_all_work(100);
	world_shutdown();
}
