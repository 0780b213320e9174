// SPDX-License-Identifier: GPL-2.0
/*
 * test-threads.c - several CPUs at once, under ThreadSanitizer
 *
 * Each thread checks that nobody else has what it has, by writing its number to a
 * table by page; the table is the only thing that threads share here.
 */
#include "test.h"

#define NR_THREADS	4
#define NR_PAGES	BIT(21)
#define NR_HELD		64

static u8 *owners;
static unsigned int nr_running;
static unsigned int most_pages = 3000;

static void mark(const struct vmap_area *va, u8 from, u8 to)
{
	unsigned long page = (va->va_start - VMALLOC_START) >> PAGE_SHIFT;
	unsigned long end = (va->va_end - VMALLOC_START) >> PAGE_SHIFT;

	for (; page < end && page < NR_PAGES; page++)
		EXPECT_EQ(__atomic_exchange_n(&owners[page], to, __ATOMIC_RELAXED), from);
}

static struct vmap_area *thread_alloc(u8 me)
{
	struct vmap_request req = {
		.size_bytes = (sim_below(16) ? sim_between(1, 8) :
					       sim_between(100, most_pages)) << PAGE_SHIFT,
		.align_bytes = PAGE_SIZE << sim_below(3),
		.start = VMALLOC_START, .end = VMALLOC_END, .node = NUMA_NO_NODE,
		.gfp = GFP_KERNEL,
	};
	struct model_object *object = calloc(1, sizeof(*object));
	struct vmap_area *va;

	req.vm = &object->vm;
	if (sim_below(2))
		model_bring_descriptor(&req, object);
	va = vmap_space_alloc(&req);
	EXPECT(!IS_ERR(va));
	mark(va, 0, me);
	sim_tlb_check(va->va_start, va->va_end);
	EXPECT(vmap_space_find(va->va_end - 1) == va);
	return va;
}

static void thread_free(struct vmap_area *va, u8 owner)
{
	unsigned long start = va->va_start;
	struct vm_struct *vm = va->vm;

	EXPECT(vmap_space_unlink(start) == va);
	mark(va, owner, 0);
	sim_tlb_stale(va->va_start, va->va_end);
	vmap_space_free(va);
	/* Mostly nobody has it by now, and whoever does is another area. */
	vmap_space_find(start);
	free(vm);
}

/* Areas are handed over between threads by exchange. */
static struct vmap_area *shelf[NR_HELD];

static void *churn(void *data)
{
	u8 me = 1;
	unsigned int i;

	shim_task.cpu = (unsigned long)data;
	sim_random_state = 77 + shim_task.cpu;
	for (i = 0; i < test_scaled(20000); i++) {
		struct vmap_area **place = &shelf[sim_below(NR_HELD)];
		struct vmap_area *va = xchg(place, NULL);

		if (!va)
			va = xchg(place, thread_alloc(me));
		if (va)
			thread_free(va, me);
	}
	__atomic_fetch_sub(&nr_running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int count_area(struct vmap_area *va, void *data)
{
	(*(unsigned long *)data)++;
	return 0;
}

/* Purges, walks, shrinks, reads statistics until the others are done. */
static void *observe(void *data)
{
	struct vmap_space_stats stats;
	unsigned long nr, round = 0;

	shim_task.cpu = (unsigned long)data;
	while (__atomic_load_n(&nr_running, __ATOMIC_ACQUIRE)) {
		nr = 0;
		vmap_space_walk(0, count_area, &nr);
		vmap_space_purge(ULONG_MAX, 0, false);
		vmap_space_read_stats(&stats);
		if (round++ % 4 == 0)
			sim.shrinker->scan_objects(sim.shrinker, NULL);
	}
	return NULL;
}

static void run_threads(unsigned int nr_cpus, unsigned long window)
{
	pthread_t threads[NR_THREADS + 1];
	unsigned long i;

	world_boot(nr_cpus, window);
	owners = calloc(NR_PAGES, 1);
	nr_running = NR_THREADS;
	for (i = 0; i <= NR_THREADS; i++)
		pthread_create(&threads[i], NULL, i < NR_THREADS ? churn : observe,
			       (void *)(i % nr_cpus));
	for (i = 0; i <= NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < NR_HELD; i++)
		if (shelf[i])
			thread_free(shelf[i], 1);
	world_shutdown();
}

TEST(threads_own_nodes)
{
	run_threads(NR_THREADS, 0x1000000000UL);
}

TEST(threads_one_node)
{
	run_threads(1, 0x1000000000UL);
}

TEST(threads_ranges_only)
{
	most_pages = 200;
	run_threads(2, 0xfffffffUL & PAGE_MASK);
	EXPECT_EQ(sim_cache_objects("vmap_segment"), 0);
}
