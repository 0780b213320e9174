// SPDX-License-Identifier: GPL-2.0
/*
 * bench-lines.c - which cache lines of metadata CPUs touch, and which they share
 *
 * Each CPU of a pattern is a thread. They take turns, pair by pair, so each run counts the
 * same lines; how long they would wait for these depends on the machine. bench.py runs it.
 *
 *   sim PATTERN CPUS THREADS BYTES
 */
#include <pthread.h>

#include "lines.h"
#include "test.h"

#define NR_LIVE		64		/* of a thread, in patterns that have some */
#define NR_WARM		(4 * NR_LIVE)	/* its pairs before those that count */
#define NR_COUNTED	(4 * NR_LIVE)
#define NR_USED_ROWS	64
#define MAX_THREADS	64

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

static void __percpu *objects[MAX_THREADS][NR_LIVE];
static unsigned int nr_threads, object_bytes;

static void __percpu *alloc_one(void)
{
	void __percpu *ptr = __alloc_percpu_gfp(object_bytes, 4, GFP_KERNEL);

	EXPECT(ptr);
	return ptr;
}

/* ---- patterns: turn @n of @thread -------------------------------------------------- */

/* One live object at most. */
static void turn_one(unsigned int thread, unsigned int n)
{
	free_percpu(alloc_one());
}

/* The oldest of several makes way for another. */
static void turn_ring(unsigned int thread, unsigned int n)
{
	void __percpu **object = &objects[thread][n % NR_LIVE];

	free_percpu(*object);
	*object = alloc_one();
}

/* Each CPU allocates its own, one by one, in turns. */
static void alloc_in_turns(void)
{
	unsigned int i;

	for (i = 0; i < nr_threads * NR_LIVE; i++) {
		current->cpu = i % nr_threads;
		objects[i % nr_threads][i / nr_threads] = alloc_one();
	}
}

/* The first CPU allocates for all: what lies side by side is freed by different ones. */
static void alloc_for_others(void)
{
	unsigned int i;

	for (i = 0; i < nr_threads * NR_LIVE; i++)
		objects[i % nr_threads][i / nr_threads] = alloc_one();
}

/* As in a machine that has run for a while: rows that are in use in part. */
static void use_rows(void)
{
	unsigned int i;

	for (i = 0; i < NR_USED_ROWS; i++)
		EXPECT(__alloc_percpu_gfp(PAGE_SIZE / 2, PAGE_SIZE, GFP_KERNEL));
}

static const struct pattern {
	const char *name;
	void (*prepare)(void);
	void (*turn)(unsigned int thread, unsigned int n);
	bool fresh;
	bool no_cache;
} patterns[] = {
	{ "hit", NULL, turn_one, .fresh = true },
	{ "ring", alloc_in_turns, turn_ring },
	{ "neighbours", alloc_for_others, turn_ring },
	{ "fresh", alloc_for_others, turn_ring, .fresh = true },
	{ "miss", alloc_in_turns, turn_ring, .fresh = true, .no_cache = true },
};

/* ---- threads that take turns --------------------------------------------------------- */

static const struct pattern *pattern;
static unsigned int nr_turns;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t next_turn = PTHREAD_COND_INITIALIZER;

static void *run_thread(void *arg)
{
	unsigned int thread = (unsigned long)arg, n;

	*current = (struct task_struct){ .comm = "thread", .pid = thread + 2, .cpu = thread };
	pthread_mutex_lock(&mutex);
	lines_ignore(current, sizeof(*current));
	pthread_mutex_unlock(&mutex);
	for (n = 0; n < NR_WARM + NR_COUNTED; n++) {
		pthread_mutex_lock(&mutex);
		while (nr_turns != n * nr_threads + thread)
			pthread_cond_wait(&next_turn, &mutex);
		if (n >= NR_WARM)
			lines_operation(thread);
		pattern->turn(thread, n);
		lines_pause();
		nr_turns++;
		pthread_cond_broadcast(&next_turn);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[MAX_THREADS];
	unsigned long i;

	lines_ignore(&sim, sizeof(sim));
	lines_ignore(&shim_traced, sizeof(shim_traced));
	lines_ignore(&shim_fence_word, sizeof(shim_fence_word));
	lines_begin();
	for (i = 0; i < nr_threads; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, run_thread, (void *)i), 0);
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	struct lines lines;

	pattern = argc == 5 ? FIND_NAMED(patterns, argv[1]) : NULL;
	nr_threads = pattern ? atoi(argv[3]) : 0;
	object_bytes = pattern ? atoi(argv[4]) : 0;
	if (!nr_threads || nr_threads > MAX_THREADS || !object_bytes) {
		fprintf(stderr, "usage: sim PATTERN CPUS THREADS BYTES (bench.py calls it)\n");
		return 2;
	}
	world_boot(&(struct world){ .nr_cpus = atoi(argv[2]), .cache = !pattern->no_cache,
				    .no_memcg = true, .vmalloc_bytes = 1UL << 33 });
	if (!pattern->fresh)
		use_rows();
	if (pattern->prepare)
		pattern->prepare();
	current->cpu = 0;
	sim_run_all_work(100);
	run_threads();
	lines = lines_end();
	printf("read %u written %u shared %u moved %lu pairs %u\n", lines.read, lines.written,
	       lines.shared, lines.moved, nr_threads * NR_COUNTED);
	return 0;
}
