// SPDX-License-Identifier: GPL-2.0
/*
 * test-threads.c - real threads with real locks, for ThreadSanitizer
 *
 * Each thread is a task on a CPU of its own; one more is the worker.  Contents
 * show whether two objects overlap: each has its pattern on every CPU.
 */
#include <sched.h>

#include "test.h"

#define NR_THREADS	4
#define MAX_OBJECTS	200
#define NR_SWAPS	64

static struct object *swaps[NR_SWAPS];	/* on their way from one thread to another */
static unsigned int nr_steps, most_bytes;
static bool stop;
static u64 base_seed;

/* The validator looks at marks that are cleared without the lock, and allows for it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:pcpu_check_areas\n";
}

static struct object *swap_with(struct object *object)
{
	return __atomic_exchange_n(&swaps[sim_below(NR_SWAPS)], object, __ATOMIC_ACQ_REL);
}

static struct object *new_object(void)
{
	static const struct {
		gfp_t gfp;
		enum ctx ctx;
	} requests[] = {
		{ GFP_KERNEL, CTX_TASK },
		{ GFP_KERNEL_ACCOUNT, CTX_NOIO_SCOPE },
		{ GFP_NOWAIT | __GFP_ACCOUNT, CTX_IRQS_OFF },
		{ GFP_ATOMIC, CTX_SOFTIRQ },
	};
	unsigned int what = sim_below(ARRAY_SIZE(requests));
	struct object *object = malloc(sizeof(*object));

	if (!model_alloc(object, sim_between(1, sim_below(10) ? 200 : most_bytes),
			 1U << sim_below(7), false, requests[what].gfp, requests[what].ctx)) {
		EXPECT(what >= 2 || sim.fail_permille);
		free(object);
		return NULL;
	}
	return object;
}

static void drop_object(struct object *object)
{
	model_free(object, sim_below(CTX_NR));
	free(object);
}

static void start_task(unsigned int nr)
{
	*current = (struct task_struct){ .comm = "thread", .pid = nr + 2 };
	current->cpu = nr % shim_nr_cpus;
	sim_random_state = base_seed + nr * 7919;
}

static void *run_thread(void *arg)
{
	struct object *own[MAX_OBJECTS], *other;
	unsigned int nr = 0, step, i, pressure = 60;

	start_task((unsigned long)arg);
	for (step = 0; step < nr_steps; step++) {
		if (!(step % 500))
			pressure = sim_between(20, 80);
		if (nr < MAX_OBJECTS && (!nr || sim_below(100) < pressure)) {
			own[nr] = new_object();
			nr += !!own[nr];
			continue;
		}
		i = sim_below(nr);
		if (sim_below(2)) {
			/* Freed by whoever finds it. */
			other = swap_with(own[i]);
			own[i] = own[--nr];
			if (other)
				drop_object(other);
		} else {
			drop_object(own[i]);
			own[i] = own[--nr];
		}
	}
	while (nr)
		drop_object(own[--nr]);
	return NULL;
}

static void *run_worker(void *arg)
{
	unsigned int round = 0;

	start_task(100);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		sim_run_due_work();
		sim_advance(1 + sim_below(50));
		if (!(++round % 4))
			sim_rcu_quiesce();
		if (!(round % 16)) {
			struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 1 };

			sim_shrinker()->count_objects(sim_shrinker(), &sc);
			sim_shrinker()->scan_objects(sim_shrinker(), &sc);
			pcpu_nr_pages();
		}
		if (!(round % 64))
			EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
		sched_yield();
	}
	return NULL;
}

/* Batches, which whoever finds them frees. */
struct batch {
	unsigned int nr;
	struct object objects[40];
};

static struct batch *batches[NR_SWAPS];

static void drop_batch(struct batch *batch)
{
	model_free_bulk(batch->objects, batch->nr, sim_below(CTX_NR));
	free(batch);
}

static void *run_batches(void *arg)
{
	struct batch *batch;
	unsigned int step;

	start_task((unsigned long)arg);
	for (step = 0; step < nr_steps; step++) {
		batch = malloc(sizeof(*batch));
		batch->nr = sim_between(1, ARRAY_SIZE(batch->objects));
		if (!model_alloc_bulk(batch->objects, batch->nr, 8U << sim_below(8),
				      1U << sim_below(7), GFP_KERNEL_ACCOUNT, CTX_TASK)) {
			EXPECT(sim.fail_permille);
			free(batch);
			continue;
		}
		batch = __atomic_exchange_n(&batches[sim_below(NR_SWAPS)], batch,
					    __ATOMIC_ACQ_REL);
		if (batch)
			drop_batch(batch);
	}
	return NULL;
}

/* More objects of a size than a bin holds, which another thread frees. */
struct pile {
	struct object objects[PCPU_CACHE_DEPTH + 40];
};

static struct pile *piles[2];

static void drop_pile(struct pile *pile)
{
	unsigned int i;

	for (i = 0; pile && i < ARRAY_SIZE(pile->objects); i++)
		model_free(&pile->objects[i], CTX_TASK);
	free(pile);
}

static void *run_piles(void *arg)
{
	unsigned int step, i, place;
	struct pile *pile;

	start_task((unsigned long)arg);
	for (step = 0; step < nr_steps; step++) {
		pile = malloc(sizeof(*pile));
		for (i = 0; i < ARRAY_SIZE(pile->objects); i++)
			EXPECT(model_alloc(&pile->objects[i], 64, 8, false, GFP_KERNEL, CTX_TASK));
		place = sim_below(ARRAY_SIZE(piles));
		drop_pile(__atomic_exchange_n(&piles[place], pile, __ATOMIC_ACQ_REL));
	}
	return NULL;
}

static void run_bodies(unsigned int nr, unsigned int steps, void *(*body)(void *arg))
{
	pthread_t threads[NR_THREADS * 2], worker;
	unsigned long i;

	nr_steps = steps;
	stop = false;
	base_seed = sim_random();
	EXPECT(!pthread_create(&worker, NULL, run_worker, NULL));
	for (i = 0; i < nr; i++)
		EXPECT(!pthread_create(&threads[i], NULL, body, (void *)i));
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(worker, NULL);

	for (i = 0; i < NR_SWAPS; i++) {
		if (swaps[i])
			drop_object(swaps[i]);
		swaps[i] = NULL;
		if (batches[i])
			drop_batch(batches[i]);
		batches[i] = NULL;
	}
}

static void run_threads(unsigned int nr, unsigned int steps)
{
	run_bodies(nr, steps, run_thread);
}

TEST(threads_small_objects)
{
	world_boot(&(struct world){ .nr_cpus = 4, .nodes = NODES_EVEN });
	most_bytes = 500;
	run_threads(NR_THREADS, test_scaled(20000));
	world_shutdown();
}

TEST(threads_large_objects)
{
	world_boot(&(struct world){ .nr_cpus = 2, .ram_pages = (256UL << 20) >> PAGE_SHIFT });
	most_bytes = pcpu_main.geo.unit_bytes;
	run_threads(NR_THREADS, test_scaled(10000));
	world_shutdown();
}

/* Many after the same rows, more than may prepare at once. */
TEST(threads_crowd)
{
	world_boot(&(struct world){ .nr_cpus = 8, .nodes = NODES_UNEVEN,
				    .ram_pages = (256UL << 20) >> PAGE_SHIFT });
	most_bytes = 4096;
	run_threads(2 * NR_THREADS, test_scaled(4000));
	world_shutdown();
}

TEST(threads_with_faults)
{
	world_boot(&(struct world){ .nr_cpus = 3, .ram_pages = (256UL << 20) >> PAGE_SHIFT });
	most_bytes = 8192;
	sim.fail_permille = 20;
	run_threads(NR_THREADS, test_scaled(8000));
	world_shutdown();
}

/* CPUs give areas to the depot, and take them, all at once, while the worker drains it. */
TEST(threads_depot)
{
	unsigned long nr_hits = 0;
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = 4, .cache = true });
	run_bodies(NR_THREADS, test_scaled(400), run_piles);
	for (i = 0; i < ARRAY_SIZE(piles); i++)
		drop_pile(piles[i]);
	for (i = 0; i < PCPU_CACHE_BINS; i++)
		nr_hits += pcpu_depot_cache()->bin[i].nr_hits;
	EXPECT(nr_hits > 0);
	world_shutdown();
}

/* Neighbours in the address space share a page table; who leaves may not have come to it. */
static void *run_spaces(void *arg)
{
	unsigned long offset = 0;
	size_t size = PAGE_SIZE;
	struct vm_struct **vms;
	unsigned int step;

	start_task((unsigned long)arg);
	for (step = 0; step < nr_steps; step++) {
		vms = pcpu_get_vm_areas(&offset, &size, 1, PAGE_SIZE,
					GFP_KERNEL | __GFP_NOMEMALLOC);
		EXPECT(vms);
		if (sim_below(2))
			EXPECT(!apply_to_page_range(&init_mm, (unsigned long)vms[0]->addr, size,
						    NULL, NULL));
		pcpu_free_vm_areas(vms, 1);
	}
	return NULL;
}

TEST(threads_page_tables)
{
	world_boot(&(struct world){ .nr_cpus = 4 });
	run_bodies(NR_THREADS, test_scaled(2000), run_spaces);
	world_shutdown();
}

TEST(threads_bulk)
{
	world_boot(&(struct world){ .nr_cpus = 4, .ram_pages = (256UL << 20) >> PAGE_SHIFT });
	run_bodies(NR_THREADS, test_scaled(3000), run_batches);
	sim.fail_permille = 20;
	run_bodies(NR_THREADS, test_scaled(1000), run_batches);
	world_shutdown();
}

/* Bins run dry again and again, and are refilled by the chunks, while memory is short. */
static void *run_refills(void *arg)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 1 };
	struct object objects[60];
	unsigned int step, i;

	start_task((unsigned long)arg);
	for (step = 0; step < nr_steps; step++) {
		for (i = 0; i < ARRAY_SIZE(objects); i++)
			EXPECT(model_alloc(&objects[i], 8U << step % 5, 8, false, GFP_KERNEL,
					   CTX_TASK));
		while (i)
			model_free(&objects[--i], CTX_TASK);
		sim_shrinker()->scan_objects(sim_shrinker(), &sc);
		pcpu_cache_drain(&pcpu_main, true);
	}
	return NULL;
}

TEST(threads_refills_under_pressure)
{
	world_boot(&(struct world){ .nr_cpus = 4, .cache = true });
	run_bodies(NR_THREADS, test_scaled(1500), run_refills);
	world_shutdown();
}

/* ---- any context: each thread is interrupted by NMIs, too --------------------------- */

static __thread struct object nmi_object;
static __thread bool has_nmis;

static void thread_nmi(void)
{
	if (!has_nmis || sim_below(50))
		return;
	if (nmi_object.ptr)
		model_free_nolock(&nmi_object, CTX_TASK);
	else
		model_alloc_nolock(&nmi_object, 16U << sim_below(5), 8,
				   sim_below(2) ? __GFP_ACCOUNT : 0, CTX_TASK);
}

static void drop_nolock(struct object *object)
{
	if (sim_below(2))
		model_free(object, sim_below(CTX_NR));
	else
		model_free_nolock(object, sim_below(CTX_ANY_NR));
	free(object);
}

static struct object *new_nolock(void)
{
	struct object *object = malloc(sizeof(*object));
	size_t size = 16U << sim_below(5);
	bool got;

	if (sim_below(2))
		got = model_alloc(object, size, 8, false, GFP_NOWAIT | __GFP_ACCOUNT,
				  CTX_HARDIRQ);
	else
		got = model_alloc_nolock(object, size, 8, __GFP_ACCOUNT, sim_below(CTX_ANY_NR));
	if (got)
		return object;
	free(object);
	return NULL;
}

static void *run_nolock(void *arg)
{
	struct object *object;
	unsigned int step;

	start_task((unsigned long)arg);
	has_nmis = true;
	for (step = 0; step < nr_steps; step++) {
		object = new_nolock();
		object = swap_with(object);
		if (object)
			drop_nolock(object);
	}
	has_nmis = false;
	if (nmi_object.ptr)
		model_free_nolock(&nmi_object, CTX_TASK);
	return NULL;
}

TEST(threads_nolock)
{
	world_boot(&(struct world){ .nr_cpus = 4, .cache = true, .nolock = true });
	sim_on_nmi = thread_nmi;
	run_bodies(NR_THREADS, test_scaled(20000), run_nolock);
	world_shutdown();
}

/* The same pointer freed by all at once: one of them wins. */
static void *target;
static unsigned int nr_ready;

static void *free_target(void *arg)
{
	start_task((unsigned long)arg);
	__atomic_fetch_add(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < NR_THREADS)
		sched_yield();
	free_percpu(target);
	return NULL;
}

TEST(threads_double_free)
{
	pthread_t threads[NR_THREADS];
	unsigned long round, i;

	world_boot(&(struct world){ .nr_cpus = 4 });
	for (round = 0; round < test_scaled(300); round++) {
		target = alloc_hooks(pcpu_alloc_noprof(64, 8, false, GFP_KERNEL));
		EXPECT(target);
		nr_ready = 0;
		/* A warning would end the test: allow all but one. */
		sim_expect_warnings(NR_THREADS - 1);
		for (i = 0; i < NR_THREADS; i++)
			EXPECT(!pthread_create(&threads[i], NULL, free_target, (void *)i));
		for (i = 0; i < NR_THREADS; i++)
			pthread_join(threads[i], NULL);
		EXPECT(sim_expected());
	}
	EXPECT_EQ(atomic_read(&pcpu_main.nr_bad_frees), round * (NR_THREADS - 1));
	world_shutdown();
}

/*
 * A pointer from a former life is freed as soon as there is an object again.  Who
 * frees it must find all that was noted of the object; nothing else orders the two.
 */
static unsigned long nr_strays;

static struct pcpu_area target_area(void)
{
	struct pcpu_area area;

	EXPECT(pcpu_chunk_of_area(&pcpu_main, (unsigned long)__pcpu_ptr_to_addr(target), &area));
	return area;
}

static void *free_stray(void *arg)
{
	unsigned long round, nr_rounds = (unsigned long)arg;
	struct pcpu_area area = target_area();

	start_task(0);
	for (round = 0; round < nr_rounds; round++) {
		while (!pcpu_area_is_live(&area.chunk->map, area.slot))
			sched_yield();
		free_percpu(target);
		__atomic_store_n(&nr_strays, round + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST(threads_stray_free)
{
	unsigned long round, nr_rounds = test_scaled(1000);
	void *fill[1024];
	unsigned int nr_fill = 0;
	pthread_t thread;

	world_boot(&(struct world){ .nr_cpus = 4, .cache = true });
	/* In the first chunk nothing is noted of objects. */
	do {
		target = alloc_hooks(pcpu_alloc_noprof(64, 8, false, GFP_KERNEL));
		fill[nr_fill++] = target;
	} while (target_area().chunk->boot && nr_fill < ARRAY_SIZE(fill));
	EXPECT(!target_area().chunk->boot);
	free_percpu(target);
	nr_strays = 0;
	EXPECT(!pthread_create(&thread, NULL, free_stray, (void *)nr_rounds));
	current->objcg = &test_objcg;
	for (round = 0; round < nr_rounds; round++) {
		/* The same CPU's bin: what was freed last goes out first. */
		EXPECT(alloc_hooks(pcpu_alloc_noprof(64, 8, false, GFP_KERNEL_ACCOUNT)) ==
		       target);
		while (__atomic_load_n(&nr_strays, __ATOMIC_ACQUIRE) == round)
			sched_yield();
	}
	current->objcg = NULL;
	pthread_join(thread, NULL);
	while (--nr_fill)
		free_percpu(fill[nr_fill - 1]);
	world_shutdown();
}
