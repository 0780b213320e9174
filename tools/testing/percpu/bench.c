// SPDX-License-Identifier: GPL-2.0
/*
 * bench.c - how the cost of an operation grows with CPUs, objects and chunks
 *
 * For valgrind's callgrind, which counts instructions between measure_begin()
 * and measure_end() and gives the same figure each time. bench.py runs it.
 *
 *   sim PATTERN CPUS LIVE
 */
#include "test.h"

#define NR_OPERATIONS	2000
#define OBJECT_BYTES	64

static void __percpu *objects[NR_OPERATIONS];

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

/* Where callgrind begins and ends to count; called and never inlined. */
static noinline void measure(void (*run)(void))
{
	run();
	barrier();
}

static void run_pairs(void)
{
	unsigned int i;

	for (i = 0; i < NR_OPERATIONS; i++)
		free_percpu(__alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL));
}

/* Nothing is kept at hand: each takes and releases an area of the map. */
static void run_misses(void)
{
	unsigned int i;

	for (i = 0; i < NR_OPERATIONS; i++) {
		free_percpu(objects[i]);
		objects[i] = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
	}
}

static void live(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		EXPECT(__alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL));
}

int main(int argc, char **argv)
{
	unsigned int nr_cpus, nr_live, i;
	bool hits;

	if (argc != 4) {
		fprintf(stderr, "usage: sim hit|miss CPUS LIVE (bench.py calls it)\n");
		return 2;
	}
	hits = !strcmp(argv[1], "hit");
	nr_cpus = atoi(argv[2]);
	nr_live = atoi(argv[3]);

	world_boot(&(struct world){ .nr_cpus = nr_cpus, .cache = hits, .no_memcg = true,
				    .vmalloc_bytes = 1UL << 33 });
	live(nr_live / 2);
	/* Spread over what is live. */
	for (i = 0; i < NR_OPERATIONS; i++) {
		objects[i] = __alloc_percpu_gfp(OBJECT_BYTES, 8, GFP_KERNEL);
		EXPECT(objects[i]);
	}
	live(nr_live / 2);
	sim_run_all_work(100);
	measure(hits ? run_pairs : run_misses);
	printf("chunks %u\n", pcpu_main.nr_chunks + 1);
	return 0;
}
