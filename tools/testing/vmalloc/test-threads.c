// SPDX-License-Identifier: GPL-2.0
/*
 * test-threads.c - several CPUs at once, under ThreadSanitizer
 *
 * Each thread checks that nobody else has what it has, by writing its number to a
 * table by page; the table is the only thing that threads share here, besides areas
 * that stay, which those who walk must see.
 */
#include "test.h"

#define NR_THREADS	4
#define NR_PAGES	BIT(21)
#define NR_HELD		64
#define NR_ROUNDS	test_scaled(20000)

static u8 *owners;
static unsigned int nr_running;
static unsigned int most_pages = 3000;
/* What others have may be all there is. */
static bool is_full;
static unsigned int nr_refused;
/* The number of each area is in its vm_struct, so walks know it from others. */
static unsigned long nr_areas;

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
		.gfp = is_full && sim_below(2) ? GFP_NOWAIT : GFP_KERNEL | __GFP_NOWARN,
	};
	struct model_object *object = calloc(1, sizeof(*object));
	struct vmap_area *va;

	object->vm.requested_size = __atomic_fetch_add(&nr_areas, 1, __ATOMIC_RELAXED);
	req.vm = &object->vm;
	if (sim_below(2))
		model_bring_descriptor(&req, object);
	va = vmap_space_alloc(&req);
	/* Who can sleep finds room, however fast others take and free it. */
	EXPECT(!IS_ERR(va) || (is_full && !gfpflags_allow_blocking(req.gfp)));
	if (IS_ERR(va)) {
		__atomic_fetch_add(&nr_refused, 1, __ATOMIC_RELAXED);
		free(object);
		return NULL;
	}
	mark(va, 0, me);
	sim_tlb_check(va->va_start, va->va_end);
	EXPECT(vmap_space_find(va->va_end - 1) == va);
	return va;
}

static void thread_drop(struct vmap_area *va, u8 owner)
{
	unsigned long start = va->va_start;

	EXPECT(vmap_space_unlink(start) == va);
	mark(va, owner, 0);
	sim_tlb_stale(va->va_start, va->va_end);
	vmap_space_free(va);
	/* Mostly nobody has it by now, and whoever does is another area. */
	vmap_space_find(start);
}

static void thread_free(struct vmap_area *va, u8 owner)
{
	struct vm_struct *vm = va->vm;

	thread_drop(va, owner);
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
	for (i = 0; i < NR_ROUNDS; i++) {
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

/* ---- percpu chunks, among ranges that are not aligned ---------------------------- */

#define NR_GROUPS	8

static unsigned int nr_chunk_threads;

static struct vm_struct **take_chunk(unsigned long align, gfp_t gfp)
{
	unsigned long offsets[NR_GROUPS], i;
	size_t sizes[NR_GROUPS];
	struct vm_struct **vms;

	for (i = 0; i < NR_GROUPS; i++) {
		offsets[i] = i * 64 * PAGE_SIZE;
		sizes[i] = align * sim_between(1, 2);
	}
	vms = pcpu_get_vm_areas(offsets, sizes, NR_GROUPS, align, gfp);
	EXPECT(vms || !gfpflags_allow_blocking(gfp));
	for (i = 0; i < NR_GROUPS && vms; i++) {
		EXPECT_EQ(vms[i]->addr - vms[0]->addr, offsets[i]);
		mark(vmap_space_find((unsigned long)vms[i]->addr), 0, 1);
	}
	return vms;
}

static void give_chunk(struct vm_struct **vms)
{
	unsigned int i;

	for (i = 0; i < NR_GROUPS; i++) {
		thread_drop(vmap_space_find((unsigned long)vms[i]->addr), 1);
		kfree(vms[i]);
	}
	kfree(vms);
}

static void *churn_chunks(void *data)
{
	struct vm_struct **vms;
	unsigned int i;

	shim_task.cpu = (unsigned long)data;
	sim_random_state = 55 + shim_task.cpu;
	for (i = 0; i < NR_ROUNDS / 10; i++) {
		vms = take_chunk(PAGE_SIZE << sim_below(6), sim_below(2) ? GFP_KERNEL : GFP_NOWAIT);
		if (vms)
			give_chunk(vms);
	}
	__atomic_fetch_sub(&nr_running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- those who watch ----------------------------------------------------------- */

static int count_area(struct vmap_area *va, void *data)
{
	(*(unsigned long *)data)++;
	return 0;
}

/* Purges, walks, shrinks, validates, reads statistics until the others are done. */
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
		/* Segments are made meanwhile, and others filled and emptied. */
		if (round % 8 == 0)
			world_check();
		if (round++ % 4 == 0)
			sim.shrinker->scan_objects(sim.shrinker, NULL);
	}
	return NULL;
}

/* ---- walks, while areas come and go -------------------------------------------- */

#define WALK_WINDOW	0x1000000000UL
#define MOST_PAGES	(WALK_WINDOW >> PAGE_SHIFT)
#define NR_STANDING	600
#define MOST_AREAS	(NR_STANDING + NR_THREADS * NR_ROUNDS)

static struct vmap_area *standing[NR_STANDING];		/* numbers 0 to NR_STANDING - 1 */

/**
 * struct walk - one walk, in parts
 * @nr: of the walk, from 1 on
 * @seen: by area: the last walk that came to it
 * @seen_lazy: by page: the last walk that saw it lazy
 * @nr_standing: areas that stay and were come to
 * @at: where the last of these ends
 * @next: where the next part of the walk begins
 * @pauses: the walk is left and begun again now and then
 */
struct walk {
	unsigned int nr;
	unsigned int *seen;
	unsigned int *seen_lazy;
	unsigned int nr_standing;
	unsigned long at;
	unsigned long next;
	bool pauses;
};

static int see_area(struct vmap_area *va, void *data)
{
	unsigned long number = va->vm->requested_size;
	struct walk *walk = data;

	EXPECT(number < MOST_AREAS && walk->seen[number] != walk->nr);
	walk->seen[number] = walk->nr;
	walk->next = va->va_end;
	if (number < NR_STANDING) {
		EXPECT(va->va_start >= walk->at);
		walk->at = va->va_end;
		walk->nr_standing++;
	}
	return walk->pauses && !sim_below(100);
}

static void see_lazy(unsigned long start, unsigned long end, void *data)
{
	unsigned long page = (start - VMALLOC_START) >> PAGE_SHIFT;
	struct walk *walk = data;

	for (; start < end; start += PAGE_SIZE, page++) {
		EXPECT(page < MOST_PAGES && walk->seen_lazy[page] != walk->nr);
		walk->seen_lazy[page] = walk->nr;
	}
}

static unsigned int nr_standing_behind(unsigned long addr)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_STANDING; i++)
		nr += standing[i]->va_end > addr;
	return nr;
}

/* What was there all the time is come to, in order, and nothing is twice. */
static void *walk_all(void *data)
{
	struct walk walk = {
		.seen = calloc(MOST_AREAS, sizeof(*walk.seen)),
		.seen_lazy = calloc(MOST_PAGES, sizeof(*walk.seen_lazy)),
	};
	unsigned long start;

	shim_task.cpu = (unsigned long)data;
	sim_random_state = 99 + shim_task.cpu;
	while (__atomic_load_n(&nr_running, __ATOMIC_ACQUIRE)) {
		walk.nr++;
		walk.nr_standing = 0;
		walk.at = 0;
		walk.pauses = sim_below(2);
		start = sim_below(2) ? 0 : standing[sim_below(NR_STANDING)]->va_start +
					   sim_below(PAGE_SIZE);
		walk.next = start;
		while (vmap_space_walk(walk.next, see_area, &walk))
			;
		EXPECT_EQ(walk.nr_standing, nr_standing_behind(start));
		vmap_space_walk_lazy(see_lazy, &walk);
	}
	free(walk.seen);
	free(walk.seen_lazy);
	return NULL;
}

/* ---- runs ---------------------------------------------------------------------- */

/* Pages at the start of the window that nobody else gets. */
static unsigned long nr_reserved;

/* @nr_standing areas stay, and all the time two threads walk, or none. */
static void run_threads(unsigned int nr_cpus, unsigned long window, unsigned int nr_standing)
{
	struct vmap_area *reserved = NULL;
	unsigned long i, nr_threads = NR_THREADS + (nr_standing ? 3 : 1);
	pthread_t threads[NR_THREADS + 3];

	world_boot(nr_cpus, window);
	if (nr_reserved)
		reserved = model_alloc_pages(nr_reserved, 1);
	owners = calloc(NR_PAGES, 1);
	for (i = 0; i < nr_standing; i++)
		standing[i] = thread_alloc(2);
	nr_running = NR_THREADS;
	for (i = 0; i < nr_threads; i++)
		pthread_create(&threads[i], NULL, i < nr_chunk_threads ? churn_chunks :
			       i < NR_THREADS ? churn :
			       i > NR_THREADS ? walk_all : observe, (void *)(i % nr_cpus));
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < NR_HELD; i++)
		if (shelf[i])
			thread_free(shelf[i], 1);
	for (i = 0; i < nr_standing; i++)
		thread_free(standing[i], 2);
	if (reserved)
		model_free(reserved->va_start, true);
	world_shutdown();
}

TEST(threads_own_nodes)
{
	run_threads(NR_THREADS, 0x1000000000UL, 0);
}

TEST(threads_one_node)
{
	run_threads(1, 0x1000000000UL, 0);
}

TEST(threads_ranges_only)
{
	most_pages = 200;
	run_threads(2, 0xfffffffUL & PAGE_MASK, 0);
	EXPECT_EQ(sim_cache_objects("vmap_segment"), 0);
}

TEST(threads_chunks)
{
	nr_chunk_threads = 2;
	most_pages = 200;
	run_threads(NR_THREADS, 0xfffffffUL & PAGE_MASK, 0);
}

/*
 * Ten segments are all that is left, for four nodes: each serves all CPUs, goes and comes
 * again, and many requests have to search all of them.
 */
TEST(threads_full)
{
	const unsigned long nr_segments = 64 * NR_THREADS;

	is_full = true;
	most_pages = 100;
	nr_reserved = (nr_segments - 10) * VMAP_SEGMENT_GRANULES;
	run_threads(NR_THREADS, nr_segments * vmap_class_bytes(0), 0);
	EXPECT(nr_refused && nr_refused < NR_ROUNDS * NR_THREADS / 2);
}

TEST(threads_walk)
{
	run_threads(NR_THREADS, WALK_WINDOW, NR_STANDING);
}
