// SPDX-License-Identifier: GPL-2.0
/*
 * test-model.c - random work through the public doors, against the model
 */
#include "test.h"

#define MAX_OBJECTS	8192
#define SPARE_OBJECTS	16	/* for those that windows add */

/* For the next run: most failures in a thousand; one window in so many is used. */
static unsigned int faults, windows;
static struct object objects[MAX_OBJECTS + SPARE_OBJECTS];
static unsigned int nr_objects;

/* Masks and where each may be used. */
static const struct {
	gfp_t gfp;
	enum ctx first, last;
} masks[] = {
	{ GFP_KERNEL, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_KERNEL, CTX_TASK, CTX_TASK },
	{ GFP_KERNEL_ACCOUNT, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_KERNEL | __GFP_RETRY_MAYFAIL, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_KERNEL | __GFP_ZERO | __GFP_NOLOCKDEP, CTX_TASK, CTX_TASK },
	{ GFP_NOFS, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_NOIO, CTX_TASK, CTX_NOIO_SCOPE },
	{ GFP_USER | __GFP_HIGHMEM, CTX_TASK, CTX_TASK },
	{ GFP_NOWAIT, CTX_TASK, CTX_HARDIRQ },
	{ GFP_NOWAIT | __GFP_ACCOUNT, CTX_TASK, CTX_HARDIRQ },
	{ GFP_ATOMIC, CTX_TASK, CTX_HARDIRQ },
	{ GFP_ATOMIC | __GFP_NOWARN | __GFP_NOMEMALLOC, CTX_TASK, CTX_HARDIRQ },
};

static size_t random_size(size_t most)
{
	unsigned int bits = sim_between(2, ilog2(most));

	switch (sim_below(8)) {
	case 0:
		return min((size_t)1 << bits, most);
	case 1:
		return sim_between(1, 64);
	case 2:
		return 8;
	default:
		return min((size_t)sim_between(1, 1U << bits), most);
	}
}

static void alloc_one(size_t most, bool must_succeed)
{
	unsigned int mask = sim_below(ARRAY_SIZE(masks));
	enum ctx ctx = sim_between(masks[mask].first, masks[mask].last);
	bool reserved = pcpu_main.reserved && !sim_below(20);
	bool blocking = gfpflags_allow_blocking(masks[mask].gfp);
	size_t size = random_size(reserved ? 512 : most);
	size_t align = 1UL << sim_below(sim_below(4) ? 5 : PAGE_SHIFT + 1);
	struct object object;

	/* In windows of this, others work on the same objects. */
	if (model_alloc(&object, size, align, reserved, masks[mask].gfp, ctx))
		objects[nr_objects++] = object;
	else
		SHIM_ASSERT(reserved || !blocking || !must_succeed,
			    "blocking allocation of %zu bytes aligned to %zu failed", size, align);
}

static void free_one(void)
{
	unsigned int i = sim_below(nr_objects);
	struct object object = objects[i];

	objects[i] = objects[--nr_objects];
	model_free(&object, sim_below(CTX_NR));
}

static void free_all(void)
{
	while (nr_objects)
		free_one();
}

static void some_background(void)
{
	switch (sim_below(16)) {
	case 0:
		sim_run_due_work();
		break;
	case 1:
		sim_advance(sim_below(HZ));
		break;
	case 2:
		sim_rcu_quiesce();
		break;
	case 3:
		if (sim_shrinker()) {
			struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 128 };
			unsigned long n = sim_shrinker()->count_objects(sim_shrinker(), &sc);

			if (n != SHRINK_EMPTY && n)
				sim_shrinker()->scan_objects(sim_shrinker(), &sc);
		}
		break;
	case 4:
		if (nr_objects)
			model_check_pattern(&objects[sim_below(nr_objects)]);
		break;
	}
}

/* What other CPUs do while one is in the middle of something. */
static size_t window_bytes;
static unsigned int window_often;

static void window(void)
{
	if (sim_below(window_often))
		return;
	if (nr_objects < MAX_OBJECTS && sim_below(2))
		alloc_one(window_bytes, false);
	else if (nr_objects)
		free_one();
	if (!sim_below(4))
		some_background();
	if (!sim_below(8))
		world_check();
}

static void reclaim(gfp_t gfp)
{
	if (!sim_below(16) && nr_objects)
		free_one();
}

static void random_work(const struct world *world, unsigned int steps, unsigned int most_objects,
			size_t most_bytes, unsigned int check_every)
{
	unsigned int step, pressure = 50;
	bool must_succeed;

	world_boot(world);
	if (!most_bytes)
		most_bytes = pcpu_main.geo.unit_bytes;
	must_succeed = !faults;
	if (windows) {
		window_often = windows;
		window_bytes = most_bytes;
		sim.on_window = window;
		sim.on_reclaim = reclaim;
	}
	for (step = 0; step < steps; step++) {
		if (!(step % 256)) {
			static const unsigned int pressures[] = { 90, 65, 50, 40, 10 };

			pressure = pressures[sim_below(ARRAY_SIZE(pressures))];
			sim.fail_permille = faults && sim_below(2) ? sim_below(faults) : 0;
		}
		if (!nr_objects || (nr_objects < most_objects && sim_below(100) < pressure))
			alloc_one(most_bytes, must_succeed);
		else
			free_one();
		some_background();
		if (!(step % check_every))
			world_check();
		if (!(step % 64))
			world_check_used();
	}
	sim.fail_permille = 0;
	free_all();
	world_shutdown();
	faults = 0;
	windows = 0;
}

#ifdef CONFIG_SMP
/* Few spare chunks: little to look at after each step. */
#define SMALL_RAM	((256UL << 20) >> PAGE_SHIFT)

TEST(model_faults)
{
	faults = 300;
	random_work(&(struct world){ .nr_cpus = 3, .nodes = NODES_EACH, .ram_pages = SMALL_RAM,
				     .reserved_bytes = 8 << 10 },
		    test_scaled(40000), 150, 0, 1);
}

TEST(model_windows)
{
	windows = 10;
	random_work(&(struct world){ .nr_cpus = 3, .nodes = NODES_EACH, .ram_pages = SMALL_RAM },
		    test_scaled(20000), 150, 0, 1);
}

TEST(model_windows_and_faults)
{
	windows = 20;
	faults = 200;
	random_work(&(struct world){ .nr_cpus = 2, .ram_pages = SMALL_RAM,
				     .reserved_bytes = 8 << 10 },
		    test_scaled(20000), 150, 0, 1);
}

TEST(model_each_step)
{
	random_work(&(struct world){ .nr_cpus = 2, .ram_pages = SMALL_RAM },
		    test_scaled(40000), 150, 0, 1);
}

TEST(model_1_cpu)
{
	random_work(&(struct world){ .nr_cpus = 1 }, test_scaled(40000), 2000, 0, 8);
}

TEST(model_2_cpus)
{
	random_work(&(struct world){ .nr_cpus = 2, .reserved_bytes = 8 << 10 },
		    test_scaled(40000), 2000, 0, 8);
}

TEST(model_2_cpus_small_objects)
{
	random_work(&(struct world){ .nr_cpus = 2 }, test_scaled(300000), MAX_OBJECTS, 512, 200);
}

TEST(model_3_cpus_apart)
{
	random_work(&(struct world){ .nr_cpus = 3, .nodes = NODES_EACH, .cpu_step = 7,
				     .static_bytes = 4099, .reserved_bytes = 8 << 10 },
		    test_scaled(30000), 2000, 0, 8);
}

TEST(model_64_cpus)
{
	random_work(&(struct world){ .nr_cpus = 64, .nodes = NODES_EVEN },
		    test_scaled(10000), 1000, 0, 64);
}

TEST(model_64_cpus_uneven_padding)
{
	random_work(&(struct world){ .nr_cpus = 61, .nodes = NODES_UNEVEN,
				     .atom_bytes = 256 << 10, .static_bytes = 9000,
				     .reserved_bytes = 8 << 10, .vmalloc_bytes = 4ULL << 30 },
		    test_scaled(10000), 1000, 0, 64);
}

TEST(model_513_cpus_striped)
{
	random_work(&(struct world){ .nr_cpus = 513, .nodes = NODES_STRIPED,
				     .vmalloc_bytes = 16ULL << 30 },
		    test_scaled(2000), 300, 0, 256);
}

#ifdef CONFIG_HAVE_SETUP_PER_CPU_AREA
TEST(model_4096_cpus)
{
	random_work(&(struct world){ .nr_cpus = 4096, .nodes = NODES_UNEVEN,
				     .vmalloc_bytes = 32ULL << 30, .static_bytes = 100,
				     .dyn_bytes = 20 << 10 },
		    test_scaled(300), 60, 8 << 10, 100);
}
#endif

#ifdef CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK
TEST(model_paged_first_chunk)
{
	random_work(&(struct world){ .nr_cpus = 5, .nodes = NODES_EACH, .paged = true,
				     .reserved_bytes = 8 << 10 },
		    test_scaled(20000), 1000, 0, 8);
}
#endif

TEST(model_no_memcg)
{
	random_work(&(struct world){ .nr_cpus = 4, .no_memcg = true },
		    test_scaled(20000), 1000, 0, 8);
}

TEST(model_no_worker)
{
	random_work(&(struct world){ .nr_cpus = 4, .no_worker = true },
		    test_scaled(20000), 1000, 0, 8);
}
#else
TEST(model_up)
{
	random_work(&(struct world){ .nr_cpus = 1 }, test_scaled(40000), 2000, 0, 8);
}

TEST(model_up_small_objects)
{
	random_work(&(struct world){ .nr_cpus = 1 }, test_scaled(300000), MAX_OBJECTS, 512, 200);
}
#endif
