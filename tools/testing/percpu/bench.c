// SPDX-License-Identifier: GPL-2.0
/*
 * bench.c - how the cost of an operation grows with CPUs, objects and chunks
 *
 * For valgrind's callgrind, which counts instructions in measure(), or only those
 * under a lock, and gives the same figure each time. bench.py runs it.
 *
 *   sim PATTERN CPUS LIVE [held]
 */
#include <time.h>
#include <valgrind/callgrind.h>

#include "test.h"

#define NR_REPLACED	2000		/* and as many are live, unless LIVE says otherwise */
#define NR_IN_FLIGHT	256
#define NR_COLD		28000
#define NR_RANDOM	35000
#define OBJECT_BYTES	64

/* As in lib/test_percpu.c. */
#define GROUPS		11
#define GROUP_RUN	16
#define GROUP_BYTES	(1000 * PAGE_SIZE)

static void __percpu *objects[NR_RANDOM];
static unsigned int nr_own;		/* of these, that are replaced */

/* Nothing is registered here, but world.c and model.c refer to these. */
void test_register(struct test *test)
{
}

void test_skip(const char *reason)
{
	exit(1);
}

unsigned int test_scaled(unsigned int n)
{
	return n;
}

static u64 measured_ns;

static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* What callgrind counts; what comes before runs much faster without. */
static void measure(void (*run)(void))
{
	u64 start;

	CALLGRIND_START_INSTRUMENTATION;
	start = now_ns();
	run();
	measured_ns = now_ns() - start;
	CALLGRIND_STOP_INSTRUMENTATION;
}

/* The same, where it counts what is done under a lock; shim-sync.c tells it when that is. */
static void measure_holds(void (*run)(void))
{
	shim_count_holds = true;
	measure(run);
	shim_count_holds = false;
}

static void run_pairs(void)
{
	unsigned int i;

	for (i = 0; i < NR_REPLACED; i++)
		free_percpu(__alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL));
}

/* Its copies are left as they are. */
static void run_uninit(void)
{
	unsigned int i;

	for (i = 0; i < NR_REPLACED; i++)
		free_percpu(__alloc_percpu_uninit(OBJECT_BYTES, 8, GFP_KERNEL));
}

/* Many, and then they all go: one by one, and by the bulk calls. */
static void run_singles(void)
{
	unsigned int i;

	for (i = 0; i < NR_REPLACED; i++)
		objects[i] = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
	for (i = 0; i < NR_REPLACED; i++)
		free_percpu(objects[i]);
}

static void run_bulk(void)
{
	EXPECT(__alloc_percpu_bulk(OBJECT_BYTES, 8, GFP_KERNEL, NR_REPLACED, objects));
	free_percpu_bulk(NR_REPLACED, objects);
}

/* One CPU allocates, and another frees what was allocated a while before. */
static void run_remote(size_t size_bytes)
{
	void __percpu **object;
	unsigned int i;

	for (i = 0; i < NR_REPLACED; i++) {
		object = &objects[i % NR_IN_FLIGHT];
		current->cpu = 1;
		free_percpu(*object);
		current->cpu = 0;
		*object = __alloc_percpu_gfp(size_bytes, 8, GFP_KERNEL);
	}
}

static void run_remote_64(void)
{
	run_remote(64);
}

static void run_remote_1024(void)
{
	run_remote(1024);
}

/* Nothing is kept at hand: each takes and releases an area of the map. */
static void run_misses(void)
{
	unsigned int i;

	for (i = 0; i < NR_REPLACED; i++) {
		void __percpu **object = &objects[i % nr_own];

		free_percpu(*object);
		*object = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
	}
}

/* Two instructions, and well spread in its upper bits. */
static u32 random_below(u64 *state, u32 limit)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((*state >> 32) * limit) >> 32;
}

/* The objects of test_percpu's cold: any size up to a quarter page. */
static void alloc_cold(void)
{
	u64 state = 1;
	unsigned int i;

	for (i = 0; i < NR_COLD; i++)
		objects[i] = __alloc_percpu_gfp(1 + random_below(&state, 1024), 8, GFP_KERNEL);
}

/* Those of its random35k: with alignments of 2 to 2048 too. */
static void alloc_random(void)
{
	u64 state = 1;
	unsigned int i;

	for (i = 0; i < NR_RANDOM; i++) {
		size_t bytes = 1 + random_below(&state, 1024);

		objects[i] = __alloc_percpu_gfp(bytes, 2UL << random_below(&state, 11), GFP_KERNEL);
	}
}

/* In the order in which they were allocated; there may be no more of them. */
static void free_all(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objects) && objects[i]; i++)
		free_percpu(objects[i]);
}

/*
 * groups: what test_percpu's groups does: 11 groups of objects take turns in allocating, and
 * then 10 of them go.  How many rows are left?  In "turns" each run of a group's objects is
 * another CPU's, in "mixed" each object.
 */
static unsigned int group_cpu_objects;	/* as many in a row are one CPU's, or 0: all */

static unsigned int rows_settled(void)
{
	sim_run_all_work(100);
	return pcpu_main.nr_rows_in[PCPU_ROW_PRESENT];
}

static void run_groups(void)
{
	unsigned int i, n = 0, before = rows_settled(), full;
	u64 state = 1;
	size_t sum = 0;

	while (n < NR_RANDOM && sum < GROUP_BYTES) {
		size_t bytes = 64 + 8 * random_below(&state, 57);

		if (group_cpu_objects)
			current->cpu = n / group_cpu_objects % shim_nr_cpus;
		objects[n++] = __alloc_percpu_gfp(bytes, 8, GFP_KERNEL);
		sum += bytes;
		if (!(n % 1000))
			sim_run_due_work();
	}
	full = rows_settled();
	for (i = 0; i < n; i++) {
		if (i / GROUP_RUN % GROUPS)
			free_percpu(objects[i]);
	}
	printf("full %u left %u\n", full - before, rows_settled() - before);
}

static void run_groups_turns(void)
{
	group_cpu_objects = GROUP_RUN;
	run_groups();
}

static void run_groups_mixed(void)
{
	group_cpu_objects = 1;
	run_groups();
}

/*
 * zero: a row of every copy, as 64 areas of 64 bytes one by one, or as one run.
 */
static void alloc_row(void)
{
	objects[0] = __alloc_percpu_gfp(PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
	EXPECT(objects[0]);
}

static noinline void zero_row(size_t bytes)
{
	size_t at;
	int cpu;

	for (at = 0; at < PAGE_SIZE; at += bytes) {
		for_each_possible_cpu(cpu)
			memset(per_cpu_ptr(objects[0], cpu) + at, 0, bytes);
	}
}

static void run_zero_singles(void)
{
	zero_row(OBJECT_BYTES);
}

static void run_zero_run(void)
{
	zero_row(PAGE_SIZE);
}

/*
 * lazy: what if the worker zeroed the areas that it finds at hand, twice a second?  How many
 * of the requests that follow would get one of these?  LIVE is pairs a second.
 */
#define NR_LAZY_PASSES	8
#define MAX_LAZY	(2 * PCPU_CACHE_BINS * PCPU_CACHE_DEPTH)

static unsigned long lazy_zeroed[MAX_LAZY];
static unsigned int lazy_rate, nr_lazy, nr_lazy_zeroed, nr_lazy_found, nr_lazy_pairs;

static void lazy_zero(const struct pcpu_cache *cache)
{
	unsigned int i, j;

	for (i = 0; i < PCPU_CACHE_BINS; i++) {
		for (j = 0; j < PCPU_CACHE_DEPTH; j++) {
			if (cache->bin[i].entry[j])
				lazy_zeroed[nr_lazy++] = cache->bin[i].entry[j];
		}
	}
}

/* So much time goes by; the worker comes when it is due. */
static void lazy_wait(unsigned long by)
{
	sim_advance(by);
	if (!sim_run_due_work())
		return;
	nr_lazy = 0;
	lazy_zero(&per_cpu(pcpu_caches, current->cpu));
	lazy_zero(pcpu_depot_cache());
	nr_lazy_zeroed += nr_lazy;
}

static void lazy_alloc(unsigned int at)
{
	unsigned long addr;
	unsigned int i;

	objects[at] = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
	addr = pcpu_object_addr(objects[at]);
	for (i = 0; i < nr_lazy && lazy_zeroed[i] != addr; i++)
		;
	if (i < nr_lazy) {
		lazy_zeroed[i] = lazy_zeroed[--nr_lazy];
		nr_lazy_found++;
	}
	/* The next jiffy, or several. */
	if (++nr_lazy_pairs % max(lazy_rate / HZ, 1U) == 0)
		lazy_wait(max(HZ / lazy_rate, 1U));
}

static void run_lazy(unsigned int batch)
{
	unsigned int n, i;

	for (n = 0; n < max(lazy_rate * NR_LAZY_PASSES / 2, 1000U); n += batch) {
		for (i = 0; i < batch; i++)
			free_percpu(objects[(n + i) % 64]);
		for (i = 0; i < batch; i++)
			lazy_alloc((n + i) % 64);
	}
	printf("pairs %u found %u zeroed %u\n", nr_lazy_pairs, nr_lazy_found, nr_lazy_zeroed);
}

static void run_lazy_ring(void)
{
	run_lazy(1);
}

static void run_lazy_batch(void)
{
	run_lazy(64);
}

static void live(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		EXPECT(__alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL));
}

/* So many are live; those that are replaced lie in the middle. */
static void alloc_spread(unsigned int nr_live)
{
	unsigned int i;

	nr_live = nr_live ?: NR_REPLACED;
	nr_own = min(nr_live, NR_REPLACED);
	live((nr_live - nr_own) / 2);
	for (i = 0; i < nr_own; i++)
		objects[i] = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
	live(nr_live - nr_own - (nr_live - nr_own) / 2);
}

/* Of 8 to 128 bytes, which leaves a hole between any two that are live. */
static size_t mixed_bytes(u64 *state)
{
	return 8 * (1 + random_below(state, 16));
}

static void alloc_mixed(unsigned int nr_live)
{
	void __percpu **holes;
	unsigned int i;
	u64 state = 2;

	nr_live = nr_live ?: NR_REPLACED;
	nr_own = min(nr_live, NR_REPLACED);
	holes = malloc(nr_live * sizeof(*holes));
	EXPECT(holes);
	for (i = 0; i < nr_live; i++) {
		void __percpu *object = __alloc_percpu_gfp(mixed_bytes(&state), 8, GFP_KERNEL);

		holes[i] = __alloc_percpu_gfp(mixed_bytes(&state), 8, GFP_KERNEL);
		if (i % (nr_live / nr_own) == 0 && i / (nr_live / nr_own) < nr_own)
			objects[i / (nr_live / nr_own)] = object;
	}
	for (i = 0; i < nr_live; i++)
		free_percpu(holes[i]);
	free(holes);
}

/* As run_misses(), of mixed size. */
static void run_mixed(void)
{
	unsigned int i;
	u64 state = 3;

	for (i = 0; i < NR_REPLACED; i++) {
		void __percpu **object = &objects[i % nr_own];

		free_percpu(*object);
		*object = __alloc_percpu_gfp(mixed_bytes(&state), 8, GFP_KERNEL);
	}
}

/**
 * struct pattern - what is measured
 * @name: for the command line
 * @prepare: run before, NULL if the objects are those of alloc_spread()
 * @run: what is measured
 * @nr_operations: that it consists of
 * @cache: freed areas are kept at hand; otherwise as CACHE=1 in the environment says
 * @nr_left: objects that are there at its end, or 0: all that are replaced
 * @rate: LIVE is pairs a second
 * @atom_bytes: alignment of the first chunk: 2 MiB as on x86, or 0 for small chunks
 */
static const struct pattern {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	unsigned int nr_operations;
	bool cache;
	unsigned int nr_left;
	bool rate;
	size_t atom_bytes;
} patterns[] = {
	{ "hit", NULL, run_pairs, NR_REPLACED, .cache = true },
	{ "miss", NULL, run_misses, NR_REPLACED },
	{ "mixed", NULL, run_mixed, NR_REPLACED },
	{ "remote_64", run_remote_64, run_remote_64, NR_REPLACED, .cache = true,
	  .nr_left = NR_IN_FLIGHT },
	{ "remote_1024", run_remote_1024, run_remote_1024, NR_REPLACED, .cache = true,
	  .nr_left = NR_IN_FLIGHT },
	{ "uninit", NULL, run_uninit, NR_REPLACED, .cache = true },
	{ "singles", NULL, run_singles, NR_REPLACED, .cache = true },
	{ "bulk", NULL, run_bulk, NR_REPLACED, .cache = true },
	{ "cold_alloc", free_all, alloc_cold, NR_COLD, .atom_bytes = SZ_2M },
	{ "cold_free", alloc_cold, free_all, NR_COLD, .atom_bytes = SZ_2M },
	{ "random_alloc", free_all, alloc_random, NR_RANDOM, .atom_bytes = SZ_2M },
	{ "random_free", alloc_random, free_all, NR_RANDOM, .atom_bytes = SZ_2M },
	{ "zero_singles", alloc_row, run_zero_singles, 1, .nr_left = 1 },
	{ "zero_run", alloc_row, run_zero_run, 1, .nr_left = 1 },
	{ "lazy_ring", NULL, run_lazy_ring, 1, .cache = true, .rate = true },
	{ "lazy_batch", NULL, run_lazy_batch, 1, .cache = true, .rate = true },
	{ "groups", free_all, run_groups, NR_RANDOM, .cache = true },
	{ "groups_turns", free_all, run_groups_turns, NR_RANDOM, .cache = true },
	{ "groups_mixed", free_all, run_groups_mixed, NR_RANDOM, .cache = true },
};

int main(int argc, char **argv)
{
	const struct pattern *pattern = argc >= 4 ? FIND_NAMED(patterns, argv[1]) : NULL;
	void (*alloc_live)(unsigned int nr_live);
	bool held = argc == 5 && !strcmp(argv[4], "held");
	unsigned int i;

	if (!pattern || (argc > 4 && !held)) {
		fprintf(stderr, "usage: sim PATTERN CPUS LIVE [held] (bench.py calls it)\n");
		return 2;
	}
	world_boot(&(struct world){ .nr_cpus = atoi(argv[2]), .cache = pattern->cache,
				    .atom_bytes = pattern->atom_bytes, .no_memcg = true,
				    .vmalloc_bytes = 1UL << 33 });
	if (pattern->prepare) {
		live(atoi(argv[3]));
		pattern->prepare();
	} else {
		lazy_rate = pattern->rate ? atoi(argv[3]) : 0;
		alloc_live = pattern->run == run_mixed ? alloc_mixed : alloc_spread;
		alloc_live(pattern->rate ? 0 : atoi(argv[3]));
	}
	sim_run_all_work(100);
	(held ? measure_holds : measure)(pattern->run);
	if (pattern->run != free_all && strncmp(pattern->name, "groups", 6)) {
		for (i = 0; i < (pattern->nr_left ?: nr_own ?: pattern->nr_operations); i++)
			EXPECT(objects[i]);
	}
	/* The first one, and those that are not spare. */
	printf("operations %u ns %llu rows %u chunks %u\n", pattern->nr_operations,
	       (unsigned long long)measured_ns, pcpu_main.nr_rows_in[PCPU_ROW_PRESENT],
	       1 + pcpu_main.nr_chunks - pcpu_main.nr_spare_chunks);
	return 0;
}
