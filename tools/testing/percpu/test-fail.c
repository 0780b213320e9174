// SPDX-License-Identifier: GPL-2.0
/*
 * test-fail.c - memory runs out: each backing allocation in turn, or all of it;
 *	and requests that are made to fail
 */
#include "test.h"

#define MAX_OBJECTS	4096

static struct object objects[MAX_OBJECTS];
static unsigned int nr_objects;

static bool try_alloc(size_t size, size_t align, gfp_t gfp, enum ctx ctx)
{
	struct object object;
	bool got = model_alloc(&object, size, align, false, gfp, ctx);

	if (got)
		objects[nr_objects++] = object;
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	EXPECT_EQ(pcpu_main.nr_rows_in[PCPU_ROW_COMING], 0);
	return got;
}

static void free_all(void)
{
	while (nr_objects)
		model_free(&objects[--nr_objects], CTX_TASK);
}

/* Some of everything that asks for memory. */
static void scenario(void)
{
	size_t unit = pcpu_main.geo.unit_bytes;
	unsigned int i;

	sim_run_due_work();
	for (i = 0; i < 3; i++)
		try_alloc(unit / 4 * 3, 64, GFP_KERNEL, CTX_TASK);
	try_alloc(unit, PAGE_SIZE, GFP_KERNEL | __GFP_RETRY_MAYFAIL, CTX_NOFS_SCOPE);
	for (i = 0; i < 6; i++)
		try_alloc(2000, 8, GFP_NOWAIT, CTX_IRQS_OFF);
	try_alloc(unit, 8, GFP_KERNEL_ACCOUNT | __GFP_NORETRY, CTX_TASK);
	sim_advance(HZ);
	sim_run_due_work();
	for (i = 0; i < 6; i++)
		try_alloc(3000, 1024, GFP_ATOMIC | __GFP_ACCOUNT, CTX_SOFTIRQ);
	try_alloc(unit - 100, 4, GFP_NOIO, CTX_NOIO_SCOPE);
	free_all();
	sim_advance(HZ);
	sim_run_due_work();
	try_alloc(unit, 8, GFP_KERNEL, CTX_TASK);
	free_all();
}

static void fail_each_of(const struct world *world, unsigned int kinds)
{
	EXPECT(world_fail_each(world, kinds, scenario) > 0);
}

static const struct world small = {
	.nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
	.nodes = NODES_EACH,
	.ram_pages = (256UL << 20) >> PAGE_SHIFT,
};

TEST(fail_nth_of_all)
{
	fail_each_of(&small, SIM_ALL);
}

TEST(fail_nth_metadata)
{
	fail_each_of(&small, SIM_METADATA);
}

TEST(fail_nth_pages)
{
	fail_each_of(&small, SIM_PAGES);
}

#ifdef CONFIG_HAVE_SETUP_PER_CPU_AREA
TEST(fail_nth_space)
{
	fail_each_of(&small, SIM_SPACE);
}

TEST(fail_nth_tables)
{
	fail_each_of(&(struct world){ .nr_cpus = 5, .nodes = NODES_EACH,
				      .atom_bytes = 2 << 20, .ram_pages = small.ram_pages,
				      .vmalloc_bytes = 32ULL << 30 }, SIM_TABLES);
}
#endif

#ifdef CONFIG_MEMCG
TEST(fail_nth_charge)
{
	fail_each_of(&small, SIM_CHARGE);
}
#endif

/* All of a kind fail for a while: what is live stays, and all works again after. */
TEST(fail_all_for_a_while)
{
	unsigned int kind, i;

	for (kind = SIM_PAGES; kind <= SIM_CHARGE; kind <<= 1) {
		world_boot(&small);
		for (i = 0; i < 40; i++)
			EXPECT(try_alloc(1500, 8, GFP_KERNEL_ACCOUNT, CTX_TASK));
		sim.fail_kinds = kind;
		sim.fail_permille = 1000;
		for (i = 0; i < 200; i++)
			try_alloc(1500, 8, (i & 1 ? GFP_KERNEL : GFP_NOWAIT) | __GFP_NOWARN |
				  (i & 2 ? __GFP_ACCOUNT : 0), CTX_TASK);
		sim_run_all_work(20);
		for (i = 0; i < nr_objects; i++)
			model_check_pattern(&objects[i]);
		sim.fail_permille = 0;
		EXPECT(try_alloc(pcpu_main.geo.unit_bytes, 8, GFP_KERNEL, CTX_TASK));
		free_all();
		world_shutdown();
	}
}

/* Take all memory there is, as one who does not mind failure; then give it back. */
static void exhaust(gfp_t gfp, enum ctx ctx)
{
	unsigned long before, most;
	unsigned int round;

	world_boot(&small);
	sim_run_all_work(100);
	before = pcpu_nr_pages();
	for (round = 0; round < 3; round++) {
		sim.page_limit = (12 << 20) >> PAGE_SHIFT;
		sim.vmalloc_bytes = 64 << 20;
		while (nr_objects < MAX_OBJECTS && try_alloc(8000, 8, gfp, ctx))
			sim_run_due_work();
		EXPECT(nr_objects < MAX_OBJECTS);
		most = pcpu_nr_pages();
		free_all();
		sim_run_all_work(100);
		/* Chunks that come with their pages: one is kept. */
		EXPECT(pcpu_nr_pages() <= before + (pcpu_main.backend->rows_fixed ?
		       pcpu_main.geo.nr_units * pcpu_main.geo.unit_pages : 0));
		EXPECT(most > before);
	}
	world_shutdown();
}

TEST(exhaust_noretry)
{
	exhaust(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, CTX_TASK);
}

TEST(exhaust_kernel)
{
	exhaust(GFP_KERNEL, CTX_TASK);
}

TEST(exhaust_nowait)
{
	exhaust(GFP_NOWAIT, CTX_IRQS_OFF);
}

/* One line for a failure, none with __GFP_NOWARN, few for many. */
TEST(fail_messages)
{
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = 1, .no_worker = true });
	/* The first chunk is full. */
	while (try_alloc(64, 64, GFP_NOWAIT, CTX_TASK))
		;
	EXPECT_EQ(sim.nr_messages, 0);
	EXPECT_EQ(shim_traced.alloc_fail, 1);

	EXPECT(!try_alloc(64, 64, GFP_ATOMIC, CTX_SOFTIRQ));
	EXPECT_EQ(sim.nr_messages, 1);
	EXPECT(strstr(sim.message, "64"));
	EXPECT_EQ(shim_traced.alloc_fail, 2);

	sim.fail_permille = 1000;
	EXPECT(!try_alloc(100, 16, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(sim.nr_messages, 2);
	EXPECT(strstr(sim.message, "100"));
	EXPECT(strstr(sim.message, "16"));
	for (i = 0; i < 1000; i++)
		EXPECT(!try_alloc(64, 64, GFP_KERNEL, CTX_TASK));
	EXPECT(sim.nr_messages <= 10);
	sim.fail_permille = 0;
	free_all();
	world_shutdown();
}

/* Masks that are seen, in sum, whatever callers say. */
TEST(gfp_of_backing)
{
	static const gfp_t masks[] = {
		GFP_KERNEL | __GFP_HIGH | __GFP_MEMALLOC | __GFP_ACCOUNT | __GFP_MOVABLE |
		__GFP_DMA | __GFP_DMA32 | __GFP_RECLAIMABLE | __GFP_THISNODE | __GFP_WRITE |
		__GFP_HARDWALL | __GFP_COMP | __GFP_ZERO | __GFP_HIGHMEM,
		GFP_ATOMIC | __GFP_MEMALLOC,
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1 });
		sim_run_all_work(100);
		sim.page_gfp = 0;
		sim.meta_gfp = 0;
		sim.table_gfp = 0;
		for (n = 0; n < 200; n++)
			try_alloc(4000, 8, masks[i], CTX_TASK);
		/* shim_check_mask() compared each with the caller's. */
		EXPECT(!(sim.page_gfp & (__GFP_HIGH | __GFP_MEMALLOC | __GFP_ACCOUNT)));
		if (!(masks[i] & __GFP_DIRECT_RECLAIM))
			EXPECT_EQ(sim.meta_gfp | sim.table_gfp, 0);
		free_all();
		world_shutdown();
	}
}

/* __GFP_NOFAIL: one warning, and then it counts as GFP_KERNEL. */
TEST(gfp_nofail)
{
	world_boot(&small);
	sim_expect_warnings(1);
	EXPECT(try_alloc(64, 8, GFP_KERNEL | __GFP_NOFAIL, CTX_TASK));
	EXPECT(sim_expected());
	sim_expect_warnings(1);
	sim.fail_permille = 1000;
	while (try_alloc(1000, 8, GFP_KERNEL | __GFP_NOFAIL, CTX_TASK))
		sim_expect_warnings(1);
	sim.nr_expected = 0;
	free_all();
	world_shutdown();
}

/* Reclaim, under an allocation of ours, frees objects of ours. */
static void free_in_reclaim(gfp_t gfp)
{
	if (nr_objects > 5)
		model_free(&objects[--nr_objects], CTX_TASK);
}

TEST(free_from_reclaim)
{
	unsigned int i;

	world_boot(&small);
	for (i = 0; i < 500; i++) {
		sim.on_reclaim = i % 3 ? free_in_reclaim : NULL;
		try_alloc(sim_between(1, 9000), 8, i % 2 ? GFP_KERNEL : GFP_NOFS, CTX_TASK);
	}
	free_all();
	world_shutdown();
}

/* ---- requests made to fail ----------------------------------------------------------- */

/* Reclaim, under an allocation of ours, allocates from us: no lock is held that it needs. */
static void alloc_in_reclaim(gfp_t gfp)
{
	struct object nested[2];
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(nested); i++)
		nr += model_alloc(&nested[nr], sim_between(1, 9000), 8, false, GFP_NOFS, CTX_TASK);
	while (nr)
		model_free(&nested[--nr], CTX_TASK);
}

TEST(alloc_from_reclaim)
{
	unsigned int i;

	world_boot(&small);
	sim.on_reclaim = alloc_in_reclaim;
	for (i = 0; i < 300; i++)
		try_alloc(sim_between(1, 9000), 8, i % 2 ? GFP_KERNEL : GFP_NOIO, CTX_TASK);
	sim.on_reclaim = NULL;
	free_all();
	world_shutdown();
}

#ifdef CONFIG_FAIL_PERCPU
/* At hand or not, charged or not, one by one or several, nothing is left behind. */
static void fail_scenario(void)
{
	struct object batch[40];
	unsigned int i;

	for (i = 0; i < 6; i++) {
		if (model_alloc(&objects[0], 64, 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK))
			model_free(&objects[0], CTX_TASK);
		if (model_alloc(&objects[0], 64, 8, false, GFP_NOWAIT, CTX_HARDIRQ))
			model_free(&objects[0], CTX_HARDIRQ);
	}
	if (model_alloc_bulk(batch, ARRAY_SIZE(batch), 64, 8, GFP_KERNEL_ACCOUNT, CTX_TASK))
		model_free_bulk(batch, ARRAY_SIZE(batch), CTX_TASK);
	if (try_alloc(pcpu_main.geo.unit_bytes, 8, GFP_KERNEL, CTX_TASK))
		free_all();
	if (model_alloc(&objects[0], 64, 8, true, GFP_KERNEL, CTX_TASK))
		model_free(&objects[0], CTX_TASK);
}

TEST(fail_percpu_each)
{
	struct world world = small;

	/* 12 single ones, 3 parts of a batch, a large one and a reserved one. */
	EXPECT_EQ(world_fail_each(&world, SIM_REQUESTS, fail_scenario), 17);
	world.cache = true;
	world.reserved_bytes = IS_ENABLED(CONFIG_SMP) ? 8 << 10 : 0;
	EXPECT_EQ(world_fail_each(&world, SIM_REQUESTS, fail_scenario), 17);
}

TEST(fail_percpu_at_hand)
{
	struct world world = small;
	unsigned long nr_traced, nr_events;

	world.cache = true;
	world_boot(&world);
	EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&objects[0], CTX_TASK);
	EXPECT_EQ(pcpu_cache_count(&pcpu_main).nr_held, 1);
	nr_traced = shim_traced.alloc_fail;
	nr_events = sim.nr_events;
	sim.fail_kinds = SIM_REQUESTS;
	sim.fail_nth = 1;
	EXPECT(!model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(shim_traced.alloc_fail, nr_traced + 1);
	EXPECT_EQ(sim.nr_events, nr_events + 1);
	EXPECT_EQ(pcpu_cache_count(&pcpu_main).nr_held, 1);
	EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ(pcpu_cache_count(&pcpu_main).nr_held, 0);
	model_free(&objects[0], CTX_TASK);
	world_shutdown();
}

/* With an area at hand, so that nothing else fails the request, in NMIs as well. */
TEST(fail_percpu_nolock)
{
	struct world world = small;
	unsigned long nr_traced;
	enum ctx ctx;

	world.cache = true;
	world.nolock = true;
	world_boot(&world);
	for (ctx = CTX_TASK; ctx < CTX_ANY_NR; ctx++) {
		EXPECT(model_alloc(&objects[0], 64, 8, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[0], CTX_TASK);
		nr_traced = shim_traced.alloc_fail;
		sim.fail_kinds = SIM_REQUESTS;
		sim.fail_nth = 1;
		EXPECT(!model_alloc_nolock(&objects[0], 64, 8, __GFP_ACCOUNT, ctx));
		EXPECT_EQ(shim_traced.alloc_fail, nr_traced + 1);
		EXPECT(model_alloc_nolock(&objects[0], 64, 8, __GFP_ACCOUNT, ctx));
		model_free_nolock(&objects[0], ctx);
		sim_run_all_work(100);
	}
	world_shutdown();
}
#endif
