// SPDX-License-Identifier: GPL-2.0
/*
 * test-misuse.c - bad arguments, bad frees, killed tasks, crowds
 */
#include "test.h"

#define MAX_OBJECTS	4096

static struct object objects[MAX_OBJECTS];
static const struct world small = {
	.nr_cpus = IS_ENABLED(CONFIG_SMP) ? 3 : 1,
	.ram_pages = (256UL << 20) >> PAGE_SHIFT,
	.reserved_bytes = 8 << 10,
};

static void free_n(unsigned int nr)
{
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
}

/* ---- arguments ------------------------------------------------------------------ */

static void refuse(size_t size, size_t align, bool reserved)
{
	struct object object;
	unsigned long events = sim.nr_events;

	sim_expect_warnings(1);
	EXPECT(!model_alloc(&object, size, align, reserved, GFP_KERNEL, CTX_TASK));
	EXPECT(sim_expected());
	EXPECT(!model_alloc(&object, size, align, reserved, GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	EXPECT(!model_alloc(&object, size, align, reserved, GFP_NOWAIT, CTX_HARDIRQ));
	sim_expect_warnings(1);
	EXPECT(!model_alloc(&object, size, align, reserved, GFP_ATOMIC, CTX_SOFTIRQ));
	EXPECT(sim_expected());
	EXPECT_EQ(sim.nr_events, events);
	EXPECT_EQ(shim_traced.alloc_fail, 0);
}

TEST(bad_arguments)
{
	static const size_t aligns[] = { 3, 5, 6, 24, 100, 4095, 2 * PAGE_SIZE, SIZE_MAX,
					 1UL << (BITS_PER_LONG - 1), 0xfff };
	size_t unit, i;

	world_boot(&small);
	unit = pcpu_main.geo.unit_bytes;
	refuse(0, 8, false);
	refuse(0, 8, true);
	refuse(unit + 1, 8, false);
	refuse(unit + 4, 4, true);
	refuse(SIZE_MAX, 8, false);
	refuse(SIZE_MAX - 2, 8, false);
	refuse((size_t)(1ULL << 32), 8, false);
	for (i = 0; i < ARRAY_SIZE(aligns); i++)
		refuse(16, aligns[i], false);
	world_shutdown();
}

/* ---- frees ------------------------------------------------------------------------ */

static void refuse_free(const void *ptr)
{
	struct pcpu_allocator *pa = &pcpu_main;
	unsigned long used = world_used_slots();
	int refused = atomic_read(&pa->nr_bad_frees);
	u64 dealloc = pa->counts.nr_dealloc;
	unsigned long freed = shim_traced.free;

	sim_expect_warnings(1);
	free_percpu((void *)ptr);
	EXPECT(sim_expected());
	EXPECT_EQ(atomic_read(&pa->nr_bad_frees), refused + 1);
	EXPECT_EQ(pa->counts.nr_dealloc, dealloc);
	EXPECT_EQ(shim_traced.free, freed);
	EXPECT_EQ(world_used_slots(), used);
	EXPECT_EQ(pcpu_validate(pa), 0);
}

static void refuse_inside(const struct object *object)
{
	char *ptr = object->ptr;
	size_t offset, step = max(object->size / 50, 1U);

	for (offset = 1; offset < ALIGN(object->size, 4); offset += step)
		refuse_free(ptr + offset);
}

TEST(bad_frees)
{
	struct pcpu_allocator *pa = &pcpu_main;
	unsigned int i, nr = 60, on_stack;
	char *heap = malloc(64);
	char *ptr;

	world_boot(&small);
	free_percpu(NULL);
	for (i = 0; i < nr; i++)
		EXPECT(model_alloc(&objects[i], sim_between(1, i % 10 ? 200 : 9000), 4, i % 15 == 3,
				   GFP_KERNEL, CTX_TASK));
	for (i = 0; i < nr; i++)
		refuse_inside(&objects[i]);

	refuse_free(ERR_PTR(-ENOMEM));
	refuse_free(ERR_PTR(-EINVAL));
	refuse_free((void *)1);
	refuse_free((void *)8);
	refuse_free((void *)-8UL);
	refuse_free(&on_stack);
	refuse_free(heap);
	refuse_free(refuse_free);
#ifdef CONFIG_SMP
	/* On UP these are the first object. */
	refuse_free(pcpu_base_addr);
	refuse_free(__addr_to_pcpu_ptr(pcpu_base_addr));
#endif
	refuse_free(__addr_to_pcpu_ptr((char *)pcpu_base_addr + pa->geo.unit_bytes));
	refuse_free(__addr_to_pcpu_ptr((char *)pcpu_base_addr - 4));
	refuse_free(__addr_to_pcpu_ptr(VMALLOC_START));
	refuse_free(__addr_to_pcpu_ptr(VMALLOC_END));
#ifdef CONFIG_SMP
	/* The address of a CPU's copy is not a percpu pointer. */
	for (i = 0; i < nr; i++)
		refuse_free(per_cpu_ptr(objects[i].ptr, cpumask_last(cpu_possible_mask)));
	for (i = 0; i < shim_static_bytes; i += 4)
		refuse_free(&__per_cpu_start[i]);
#endif
	/* Twice, also when others were freed between. */
	for (i = 0; i < nr; i++) {
		ptr = objects[i].ptr;
		model_free(&objects[i], CTX_TASK);
		refuse_free(ptr);
		objects[i].ptr = ptr;
	}
	for (i = 0; i < nr; i++)
		refuse_free(objects[i].ptr);
	free(heap);
	world_shutdown();
}

/* After an object's rows, and then its chunk, are gone. */
TEST(late_frees)
{
	unsigned int i, nr = 40;
	static void *ptrs[40];

	world_boot(&small);
	for (i = 0; i < nr; i++) {
		EXPECT(model_alloc(&objects[i], pcpu_main.geo.unit_bytes / 2, 8, false, GFP_KERNEL,
				   CTX_TASK));
		ptrs[i] = objects[i].ptr;
	}
	free_n(nr);
	sim_run_all_work(100);
	for (i = 0; i < nr; i++)
		refuse_free(ptrs[i]);
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	for (i = 0; i < nr; i++)
		refuse_free(ptrs[i]);
	while (pcpu_chunk_retire_spare(&pcpu_main, 0))
		;
	for (i = 0; i < nr; i++)
		refuse_free(ptrs[i]);
	sim_rcu_quiesce();
	for (i = 0; i < nr; i++)
		refuse_free(ptrs[i]);
	world_shutdown();
}

/* The chunk goes while a late free looks at it. */
static void retire_all(void)
{
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	while (pcpu_chunk_retire_spare(&pcpu_main, 0))
		;
	sim_rcu_quiesce();
}

TEST(late_free_meets_retirement)
{
	void *ptr;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	EXPECT(model_alloc(&objects[0], pcpu_main.geo.unit_bytes, 8, false, GFP_KERNEL,
			   CTX_TASK));
	EXPECT(model_alloc(&objects[1], pcpu_main.geo.unit_bytes, 8, false, GFP_KERNEL,
			   CTX_TASK));
	ptr = objects[1].ptr;
	free_n(2);
	EXPECT(pcpu_main.nr_chunks);
	sim.on_window = retire_all;
	sim_expect_warnings(1);
	free_percpu(ptr);
	EXPECT(sim_expected());
	sim.on_window = NULL;
	EXPECT(!pcpu_main.nr_chunks);
	world_shutdown();
}

/* Every slot of a chunk as a pointer: only those of live objects are taken. */
TEST(free_each_slot)
{
	struct pcpu_chunk *chunk;
	unsigned int slot, nr = 0, freed = 0;

	world_boot(&small);
	while (list_empty(&pcpu_main.chunks) || nr < 300)
		EXPECT(model_alloc(&objects[nr++], sim_between(1, 500), 4, false, GFP_KERNEL,
				   CTX_TASK));
	sim_run_all_work(100);
	chunk = list_first_entry(&pcpu_main.chunks, struct pcpu_chunk, link);
	for (slot = 0; slot < chunk->map.nr_slots; slot++) {
		char *ptr = __addr_to_pcpu_ptr(chunk->base_addr + slot * 4UL);
		unsigned int i;

		for (i = 0; i < nr; i++)
			if (objects[i].ptr == ptr)
				break;
		if (i < nr) {
			model_free(&objects[i], CTX_TASK);
			refuse_free(ptr);
			objects[i] = objects[--nr];
			freed++;
		} else if (!(slot % 7)) {
			refuse_free(ptr);
		}
	}
	EXPECT(freed);
	free_n(nr);
	world_shutdown();
}

/* ---- killed tasks and crowds -------------------------------------------------------- */

/* No chunk for a dead task; what is there, it may have. */
TEST(killed_task)
{
	unsigned int nr = 0;
	unsigned long events;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	events = sim.nr_events;
	current->killed = true;
	while (model_alloc(&objects[nr], 500, 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK))
		nr++;
	EXPECT_EQ(sim.nr_messages, 0);
	EXPECT_EQ(shim_traced.alloc_fail, 0);
	EXPECT(sim.nr_events - events <= nr + 1 + 1);
	world_check();
	current->killed = false;
	EXPECT(model_alloc(&objects[nr], 500, 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
	free_n(nr + 1);
	world_shutdown();
}

/* One row is had all the same: it may be all that the task's way out needs. */
TEST(killed_task_gets_a_row)
{
	static struct object o[512];
	unsigned int n = 0;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1, .no_worker = true,
				    .dyn_bytes = 125 * PAGE_SIZE });
	if (pcpu_main.backend->rows_fixed)
		test_skip("chunks come with their pages");
	if (IS_ENABLED(CONFIG_KASAN_GENERIC))
		test_skip("a page with its redzone is two rows");
	/* A chunk, whose rows are in use as far as they are there. */
	while (pcpu_main.nr_rows_in[PCPU_ROW_PRESENT] < 2)
		EXPECT(model_alloc(&o[n++], PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL, CTX_TASK));
	current->killed = true;
	EXPECT(model_alloc(&o[n++], PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL, CTX_TASK));
	EXPECT(!model_alloc(&o[n], 4 * PAGE_SIZE, PAGE_SIZE, false, GFP_KERNEL, CTX_TASK));
	current->killed = false;
	while (n)
		model_free(&o[--n], CTX_TASK);
	world_shutdown();
}

static unsigned int nr_waits;

static void count_waits(void)
{
	nr_waits++;
}

static void kill_in_wait(void)
{
	current->killed = true;
}

static void kill_in_reclaim(gfp_t gfp)
{
	shim_task.killed = true;
}

/* Over the cap a task waits, a bounded time, and then goes ahead. */
TEST(crowd_waits_are_bounded)
{
	unsigned long start;
	unsigned int nr = 0;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	atomic_set(&pcpu_main.nr_preparing, 1000);
	sim.on_wait = count_waits;
	start = jiffies;
	while (!nr_waits)
		EXPECT(model_alloc(&objects[nr++], 3000, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(jiffies - start <= 10);
	EXPECT(nr_waits <= 10);
	/* Those who may not sleep do not wait. */
	nr_waits = 0;
	while (model_alloc(&objects[nr], 3000, 8, false, GFP_NOWAIT, CTX_IRQS_OFF))
		nr++;
	EXPECT_EQ(nr_waits, 0);
	atomic_set(&pcpu_main.nr_preparing, 0);
	free_n(nr);
	world_shutdown();
}

TEST(crowd_waits_are_killable)
{
	unsigned int nr = 0;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	atomic_set(&pcpu_main.nr_preparing, 1000);
	sim.on_wait = kill_in_wait;
	while (model_alloc(&objects[nr], 3000, 8, false, GFP_KERNEL, CTX_TASK))
		nr++;
	EXPECT(current->killed);
	EXPECT_EQ(sim.nr_messages, 0);
	EXPECT_EQ(sim.nr_events, 0);
	current->killed = false;
	atomic_set(&pcpu_main.nr_preparing, 0);
	free_n(nr);
	world_shutdown();
}

/* In a wait, another task makes room: it is taken. */
static void free_in_wait(void)
{
	nr_waits++;
	if (objects[0].ptr)
		model_free(&objects[0], CTX_TASK);
}

TEST(crowd_takes_what_comes_free)
{
	unsigned int nr = 1;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	EXPECT(model_alloc(&objects[0], 4000, 8, false, GFP_KERNEL, CTX_TASK));
	atomic_set(&pcpu_main.nr_preparing, 1000);
	sim.on_wait = free_in_wait;
	while (!nr_waits)
		EXPECT(model_alloc(&objects[nr++], 4000, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(!objects[0].ptr);
	EXPECT_EQ(sim.nr_events, 0);
	atomic_set(&pcpu_main.nr_preparing, 0);
	objects[0] = objects[--nr];
	free_n(nr);
	world_shutdown();
}

/* Killed in the middle of getting pages: nothing stays behind. */
TEST(killed_while_it_gets_pages)
{
	unsigned int i, nr = 0;

	world_boot(&(struct world){ .nr_cpus = small.nr_cpus, .no_worker = true });
	for (i = 0; i < 100; i++) {
		sim.on_reclaim = i % 2 ? kill_in_reclaim : NULL;
		current->killed = false;
		nr += model_alloc(&objects[nr], 3000, 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK);
		world_check();
	}
	current->killed = false;
	sim.on_reclaim = NULL;
	free_n(nr);
	world_shutdown();
}
