// SPDX-License-Identifier: GPL-2.0
/*
 * test-kasan.c - what KASAN is told, byte for byte
 *
 * After each step the bytes that are accessible in all copies of all chunks must
 * be those of the objects that the test has, no more and no less.
 */
#include "test.h"

#define MAX_OBJECTS	400
#define NR_CPUS_HERE	3

static struct object objects[MAX_OBJECTS];
static unsigned int nr_objects;

/* ---- the shadow against the objects ------------------------------------------------- */

/* The shadow of each granule of a unit as it should be, but that what is not live varies. */
#define NOT_LIVE	0xff

static u8 *shadow_of_objects(const struct pcpu_chunk *chunk)
{
	size_t nr = pcpu_slots_to_bytes(chunk->map.nr_slots) / KASAN_GRANULE_SIZE;
	u8 *shadow = malloc(nr);
	unsigned int i;

	memset(shadow, NOT_LIVE, nr);
	for (i = 0; i < nr_objects; i++) {
		unsigned long addr = (unsigned long)__pcpu_ptr_to_addr(objects[i].ptr);
		u8 *first = shadow + (addr - chunk->base_addr) / KASAN_GRANULE_SIZE;
		unsigned int whole = objects[i].size / KASAN_GRANULE_SIZE;

		if (!pcpu_chunk_has(chunk, addr))
			continue;
		memset(first, 0, whole);
		if (objects[i].size % KASAN_GRANULE_SIZE)
			first[whole] = objects[i].size % KASAN_GRANULE_SIZE;
	}
	return shadow;
}

static void check_chunk(const struct pcpu_allocator *pa, const struct pcpu_chunk *chunk)
{
	size_t first = pcpu_slots_to_bytes(chunk->first_slot + 1) / KASAN_GRANULE_SIZE, i;
	size_t end = pcpu_slots_to_bytes(chunk->end_slot) / KASAN_GRANULE_SIZE;
	u8 *wanted = shadow_of_objects(chunk);
	unsigned int cpu;

	if (chunk->boot && is_vmalloc_addr((void *)chunk->base_addr))
		end = first;
	for_each_cpu(cpu, pa->geo.cpus) {
		const u8 *seen = kasan_mem_to_shadow((void *)pcpu_chunk_addr(pa, chunk, cpu, 0));

		for (i = first; i < end; i++) {
			bool right = wanted[i] == NOT_LIVE ? seen[i] >= 0x80 : seen[i] == wanted[i];

			SHIM_ASSERT(right, "cpu %u, granule %zu of the chunk at %#lx: %#x, not %#x",
				    cpu, i, chunk->base_addr, seen[i], wanted[i]);
		}
	}
	free(wanted);
}

static void check_shadow(void)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_chunk *chunk;

	check_chunk(pa, pa->first);
	if (pa->reserved)
		check_chunk(pa, pa->reserved);
	list_for_each_entry(chunk, &pa->chunks, link)
		check_chunk(pa, chunk);
}

/* ---- random work --------------------------------------------------------------------- */

static size_t random_size(void)
{
	size_t unit_bytes = pcpu_main.geo.unit_bytes;
	size_t size = sim_below(8) ? sim_between(1, 200) : sim_between(1, unit_bytes);

	/* Without room for a redzone it gets the whole unit. */
	return size > unit_bytes - 100 ? unit_bytes : size;
}

/* Calls in any context, where the world has them. */
static bool in_any_context;

static bool alloc_nolock(struct object *object, size_t size, size_t align)
{
	return model_alloc_nolock(object, size % PAGE_SIZE + 1, align, __GFP_ACCOUNT,
				  sim_below(CTX_ANY_NR));
}

static void alloc_some(void)
{
	size_t align = 1UL << sim_below(sim_below(4) ? 8 : PAGE_SHIFT + 1), size = random_size();
	unsigned int nr = min(sim_between(1, 40), MAX_OBJECTS - nr_objects);
	struct object *object = &objects[nr_objects];

	if (in_any_context && nr && sim_below(2)) {
		if (alloc_nolock(object, size, align))
			nr_objects++;
	} else if (!sim_below(4)) {
		if (nr && model_alloc_bulk(object, nr, size % 500 + 1, align, GFP_KERNEL, CTX_TASK))
			nr_objects += nr;
	} else if (nr && model_alloc(object, size, align, pcpu_main.reserved && !sim_below(20),
				     GFP_KERNEL_ACCOUNT | __GFP_NOWARN, CTX_TASK)) {
		nr_objects++;
	}
}

static void free_some(void)
{
	unsigned int nr = sim_below(4) ? 1 : sim_between(1, 40), other;

	nr = min(nr, nr_objects);
	nr_objects -= nr;
	other = sim_below(nr_objects + 1);
	swap(objects[nr_objects], objects[other]);
	if (nr == 1 && in_any_context)
		model_free_nolock(&objects[nr_objects], sim_below(CTX_ANY_NR));
	else if (nr == 1)
		model_free(&objects[nr_objects], CTX_TASK);
	else
		model_free_bulk(&objects[nr_objects], nr, CTX_TASK);
}

static void work(const struct world *world, unsigned int steps)
{
	unsigned int step, pressure = 60;

	world_boot(world);
	check_shadow();
	for (step = 0; step < steps; step++) {
		if (!(step % 64))
			pressure = sim_between(10, 90);
		if (sim_below(100) < pressure)
			alloc_some();
		else if (nr_objects)
			free_some();
		if (!sim_below(32)) {
			sim_advance(sim_below(HZ));
			sim_run_due_work();
		}
		check_shadow();
	}
	while (nr_objects)
		free_some();
	check_shadow();
	world_shutdown();
}

TEST(kasan_bytes)
{
	work(&(struct world){ .nr_cpus = NR_CPUS_HERE, .nodes = NODES_EACH,
			      .static_bytes = 4099, .reserved_bytes = 8 << 10,
			      .ram_pages = (64UL << 20) >> PAGE_SHIFT }, test_scaled(1500));
}

TEST(kasan_bytes_with_caches)
{
	work(&(struct world){ .nr_cpus = 2, .ram_pages = (64UL << 20) >> PAGE_SHIFT,
			      .cache = true }, test_scaled(1500));
}

TEST(kasan_bytes_in_any_context)
{
	in_any_context = true;
	work(&(struct world){ .nr_cpus = NR_CPUS_HERE, .ram_pages = (64UL << 20) >> PAGE_SHIFT,
			      .cache = true, .nolock = true }, test_scaled(1500));
}

TEST(kasan_bytes_paged_first_chunk)
{
	work(&(struct world){ .nr_cpus = 2, .ram_pages = (64UL << 20) >> PAGE_SHIFT,
			      .paged = true }, test_scaled(500));
}

/* ---- sizes and charges ------------------------------------------------------------------ */

TEST(kasan_accounts_the_size_of_the_caller)
{
	static const size_t sizes[] = { 1, 4, 5, 8, 60, 64, 100, 4000, 32 << 10 };
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE });
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		long charge = pcpu_full_size_bytes(ALIGN(sizes[i], PCPU_MIN_ALLOC_SIZE));

		EXPECT(model_alloc(&objects[0], sizes[i], 4, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
		/* Objects of the first chunk are free of charge. */
		EXPECT(test_objcg.charged_bytes == charge || !test_objcg.charged_bytes);
		model_free(&objects[0], CTX_TASK);
		EXPECT_EQ(test_objcg.charged_bytes, 0);
	}
	world_shutdown();
}

/* ---- the quarantine ---------------------------------------------------------------------- */

static unsigned int nr_held(void)
{
	return pcpu_kasan_nr_held(&pcpu_main);
}

TEST(kasan_quarantine_delays_reuse)
{
	struct object a, b;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE });
	EXPECT(model_alloc(&a, 64, 8, false, GFP_KERNEL, CTX_TASK));
	b = a;
	model_free(&a, CTX_TASK);
	EXPECT_EQ(nr_held(), 1);
	EXPECT(model_alloc(&a, 64, 8, false, GFP_KERNEL, CTX_TASK));
	EXPECT(a.ptr != b.ptr);
	model_free(&a, CTX_TASK);
	world_shutdown();
	EXPECT_EQ(nr_held(), 0);
}

TEST(kasan_quarantine_is_bounded)
{
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE });
	for (i = 0; i < 5000; i++) {
		EXPECT(model_alloc(&objects[0], sim_between(1, i % 2 ? 20 : 8000), 4, false,
				   GFP_KERNEL, CTX_TASK));
		model_free(&objects[0], CTX_TASK);
		EXPECT(pcpu_kasan_held_bytes(&pcpu_main) <= 64 << 10);
	}
	EXPECT(nr_held());
	world_shutdown();
	EXPECT_EQ(nr_held(), 0);
}

/* Of the smallest areas no more wait than there are places for. */
TEST(kasan_quarantine_is_bounded_in_areas)
{
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE });
	for (i = 0; i < 3000; i++) {
		EXPECT(model_alloc(&objects[0], 1, 1, false, GFP_KERNEL, CTX_TASK));
		model_free(&objects[0], CTX_TASK);
		EXPECT(nr_held() <= 1024);
	}
	EXPECT(pcpu_kasan_held_bytes(&pcpu_main) < 64 << 10);
	world_shutdown();
	EXPECT_EQ(nr_held(), 0);
}

/* As many as fit: what waits must not make the last request fail. */
TEST(kasan_quarantine_yields)
{
	struct object a[2];

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .reserved_bytes = 8 << 10 });
	EXPECT(model_alloc(&a[0], 8000, 8, false, GFP_KERNEL, CTX_TASK));
	model_free(&a[0], CTX_TASK);
	EXPECT_EQ(nr_held(), 1);
	sim.fail_permille = 1000;
	EXPECT(!model_alloc(&a[0], pcpu_main.geo.unit_bytes, 4, false,
			    GFP_KERNEL | __GFP_NOWARN, CTX_TASK));
	EXPECT_EQ(nr_held(), 0);
	sim.fail_permille = 0;
	world_shutdown();
}

TEST(kasan_quarantine_leaves_modules_alone)
{
	struct object a, b;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .reserved_bytes = 8 << 10 });
	EXPECT(model_alloc(&a, 5000, 8, true, GFP_KERNEL, CTX_TASK));
	b = a;
	model_free(&a, CTX_TASK);
	EXPECT_EQ(nr_held(), 0);
	EXPECT(model_alloc(&a, 5000, 8, true, GFP_KERNEL, CTX_TASK));
	EXPECT_EQ((unsigned long)a.ptr, (unsigned long)b.ptr);
	model_free(&a, CTX_TASK);
	world_shutdown();
}

/* ---- what a report finds ----------------------------------------------------------------- */

static void expect_found(const struct object *object, unsigned int cpu, long offset,
			 unsigned int alloc_stack, unsigned int free_stack)
{
	void *copy = per_cpu_ptr((void *)object->ptr, cpu);
	struct kasan_percpu_object found = {};

	EXPECT(kasan_find_percpu_object(copy + offset, &found));
	EXPECT_EQ((unsigned long)found.ptr, (unsigned long)object->ptr);
	EXPECT_EQ((unsigned long)found.start, (unsigned long)copy);
	EXPECT_EQ(found.size, object->size);
	EXPECT_EQ(found.cpu, cpu);
	EXPECT_EQ(found.alloc_track.stack, alloc_stack);
	EXPECT_EQ(found.free_track.stack, free_stack);
}

TEST(kasan_report_finds_object)
{
	struct object a, b, old;
	unsigned int cpu, size;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .nodes = NODES_EACH });
	for (size = 1; size < 300; size += 7) {
		shim_kasan_stack = 11;
		EXPECT(model_alloc(&a, size, 4, false, GFP_KERNEL, CTX_TASK));
		EXPECT(model_alloc(&b, size, 64, false, GFP_KERNEL, CTX_TASK));
		for_each_possible_cpu(cpu) {
			expect_found(&a, cpu, size, 11, 0);
			expect_found(&b, cpu, size, 11, 0);
			expect_found(&b, cpu, 0, 11, 0);
		}
		old = a;
		shim_kasan_stack = 12;
		model_free(&a, CTX_TASK);
		for_each_possible_cpu(cpu) {
			expect_found(&old, cpu, 0, 11, 12);
			expect_found(&old, cpu, size - 1, 11, 12);
			expect_found(&old, cpu, size, 11, 12);
		}
		model_free(&b, CTX_TASK);
	}
	world_shutdown();
}

TEST(kasan_report_survives_missing_rows)
{
	struct kasan_percpu_object found;
	struct pcpu_chunk *chunk;
	struct object a;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .nodes = NODES_EACH });
	EXPECT(model_alloc(&a, pcpu_main.geo.unit_bytes - 4096, 4, false, GFP_KERNEL, CTX_TASK));
	model_free(&a, CTX_TASK);
	pcpu_kasan_drain(&pcpu_main);
	while (pcpu_chunk_give_back(&pcpu_main, 0, UINT_MAX))
		;
	list_for_each_entry(chunk, &pcpu_main.chunks, link)
		EXPECT(!kasan_find_percpu_object((void *)chunk->base_addr, &found));
	EXPECT(!kasan_find_percpu_object(&found, &found));
	world_shutdown();
}

/* Objects of the first chunk are free of charge: leave no room there. */
static unsigned int fill_first_chunk(void)
{
	size_t size = 4000;
	unsigned int n = 0;

	while (size) {
		EXPECT(n < MAX_OBJECTS);
		EXPECT(model_alloc(&objects[n], size, 8, false, GFP_KERNEL, CTX_TASK));
		if (pcpu_first_has(&pcpu_main, (unsigned long)__pcpu_ptr_to_addr(objects[n].ptr))) {
			n++;
			continue;
		}
		model_free(&objects[n], CTX_TASK);
		size /= 8;
	}
	return n;
}

TEST(kasan_overwritten_record_is_told)
{
	static const unsigned int sizes[] = { 40, 8, 6, 201, 64 };
	struct object a, b;
	unsigned int i, nr;

	world_boot(&(struct world){ .nr_cpus = NR_CPUS_HERE, .nolock = true });
	nr = fill_first_chunk();
	EXPECT(model_alloc(&b, 4 << 10, 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* Just past it no harm is done. */
		EXPECT(model_alloc(&a, sizes[i], 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
		memset(per_cpu_ptr((u8 *)a.ptr, pcpu_main.geo.low_cpu) + sizes[i], 0x5a, 8);
		expect_found(&a, pcpu_main.geo.high_cpu, sizes[i], 0, 0);
		model_free(&a, CTX_TASK);

		EXPECT(model_alloc(&a, sizes[i], 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
		memset(per_cpu_ptr((u8 *)a.ptr, pcpu_main.geo.low_cpu) + sizes[i], 0x5a, 24);
		sim_expect_warnings(1);
		/* And still with the charge that was made. */
		model_free(&a, CTX_TASK);
		EXPECT(sim_expected());
		EXPECT_EQ(test_objcg.charged_bytes, pcpu_full_size_bytes(4 << 10));

		/* So by who completes it, if it is freed in any context. */
		EXPECT(model_alloc(&a, sizes[i], 8, false, GFP_KERNEL_ACCOUNT, CTX_TASK));
		memset(per_cpu_ptr((u8 *)a.ptr, pcpu_main.geo.low_cpu) + sizes[i], 0x5a, 24);
		sim_expect_warnings(1);
		model_free_nolock(&a, CTX_NMI);
		EXPECT(sim_expected());
		sim_run_all_work(100);
		EXPECT_EQ(test_objcg.charged_bytes, pcpu_full_size_bytes(4 << 10));
	}
	model_free(&b, CTX_TASK);
	while (nr)
		model_free(&objects[--nr], CTX_TASK);
	world_shutdown();
}
