// SPDX-License-Identifier: GPL-2.0
/*
 * world.c - boots the allocator on a machine of any shape, and takes it down
 *
 * The first chunk and the geometry are made by mm/percpu-first.c itself, from
 * the distances between the CPUs.
 */
#include "test.h"

struct obj_cgroup test_objcg;

static unsigned int world_node(const struct world *world, unsigned int index)
{
	unsigned int node = 0, part = world->nr_cpus / 2, end = part;

	switch (world->nodes) {
	case NODES_ONE:
		return 0;
	case NODES_EVEN:
		return (u64)index * 4 / world->nr_cpus;
	case NODES_UNEVEN:
		while (index >= end && part) {
			part /= 2;
			end += part;
			node++;
		}
		return node;
	case NODES_EACH:
		return index;
	case NODES_STRIPED:
		return index % 3;
	}
	return 0;
}

static void world_set_cpus(const struct world *world)
{
	unsigned int step = world->cpu_step ?: 1, i, cpu = 0;

	cpumask_clear(&shim_possible_cpus);
	for (i = 0; i < world->nr_cpus; i++, cpu += step) {
		SHIM_ASSERT(cpu < NR_CPUS, "too many CPUs");
		cpumask_set_cpu(cpu, &shim_possible_cpus);
		shim_node_of_cpu[cpu] = world_node(world, i);
		nr_cpu_ids = cpu + 1;
	}
	shim_nr_cpus = world->nr_cpus;
}

#ifdef CONFIG_HAVE_SETUP_PER_CPU_AREA
static int world_distance(unsigned int from, unsigned int to)
{
	return cpu_to_node(from) == cpu_to_node(to) ? LOCAL_DISTANCE : REMOTE_DISTANCE;
}

static int world_cpu_to_node(int cpu)
{
	return cpu_to_node(cpu);
}

static void world_first_chunk(const struct world *world)
{
	size_t atom = world->atom_bytes ?: PAGE_SIZE;
	unsigned int cpu;
	int err;

#ifdef CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK
	if (world->paged)
		err = pcpu_page_first_chunk(world->reserved_bytes, world_cpu_to_node);
	else
#endif
		err = pcpu_embed_first_chunk(world->reserved_bytes, world->dyn_bytes, atom,
					     world_distance, world_cpu_to_node);
	EXPECT_EQ(err, 0);
	for_each_possible_cpu(cpu)
		__per_cpu_offset[cpu] = (unsigned long)pcpu_base_addr +
					pcpu_unit_offsets[cpu] - (unsigned long)__per_cpu_start;
}
#else
/* The generic way, one group. */
static void world_first_chunk(const struct world *world)
{
	setup_per_cpu_areas();
}
#endif

void world_boot(const struct world *world)
{
#if BITS_PER_LONG == 32
	if (world->vmalloc_bytes > SHIM_SPACE_MAX)
		test_skip("the address space is too small");
#endif
	sim_reset();
	model_reset();
	if (world->vmalloc_bytes)
		sim.vmalloc_bytes = world->vmalloc_bytes;
	if (world->ram_pages)
		sim.ram_pages = world->ram_pages;
	sim.memcg = !world->no_memcg;
	shim_static_bytes = world->static_bytes ?: 5000;
	test_objcg = (struct obj_cgroup){ .refs = 1 };
	world_set_cpus(world);
	current->cpu = cpumask_first(cpu_possible_mask);

	memset(&pcpu_main, 0, sizeof(pcpu_main));
	sim.no_slab = true;
	sim.no_vmalloc = true;
	world_first_chunk(world);
	sim.no_slab = false;
	sim.no_vmalloc = false;
	/* What boot took is there for good. */
	sim.nr_spaces = 0;
	sim.nr_tables = 0;
	sim.nr_events = 0;
	sim.nr_messages = 0;
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	if (!world->no_worker)
		world_start_worker();
	if (world->cache)
		pcpu_cache_enable(&pcpu_main, totalram_pages());
	sim.leak_tolerant = world->nolock;
}

extern int (*shim_initcall_pcpu_balance_init)(void);

void world_start_worker(void)
{
	EXPECT_EQ(shim_initcall_pcpu_balance_init(), 0);
	/* Most tests look at what a free does to a chunk, and do without. */
	if (!getenv("CACHE"))
		pcpu_main.cache_max_bytes = 0;
}

/* Rows by what the page tables say, against what the chunk says. */
static void world_check_row(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
			    unsigned int row)
{
	bool present = chunk->rows[row].state == PCPU_ROW_PRESENT;
	unsigned int cpu;

	/* Some other task is at it. */
	if (chunk->rows[row].state == PCPU_ROW_COMING ||
	    chunk->rows[row].state == PCPU_ROW_GOING)
		return;
	for_each_cpu(cpu, pa->geo.cpus) {
		unsigned long addr = pcpu_chunk_addr(pa, chunk, cpu, row * PAGE_SIZE);
		struct page *page = vmalloc_to_page((void *)addr);

		EXPECT_EQ(!!page, present);
		if (page)
			EXPECT_EQ(page->shim.node, cpu_to_node(cpu));
	}
}

void world_check(void)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_chunk *chunk;
	unsigned long nr_rows = 0;
	unsigned int row;

	EXPECT_EQ(pcpu_validate(pa), 0);
	list_for_each_entry(chunk, &pa->chunks, link) {
		for (row = 0; row < chunk->nr_rows; row++) {
			nr_rows += chunk->rows[row].state != PCPU_ROW_ABSENT;
			if (!pa->backend->rows_fixed)
				world_check_row(pa, chunk, row);
		}
	}
	EXPECT_EQ(pcpu_nr_pages(), (nr_rows + pa->boot_pages) * pa->geo.nr_units);
	EXPECT_EQ(current->nr_locks, 0);
	EXPECT_EQ(current->nr_rcu, 0);
}

static unsigned long chunk_used_slots(const struct pcpu_chunk *chunk)
{
	const struct pcpu_area_map *map = &chunk->map;
	unsigned int slot, nr_slots;
	unsigned long slots = 0;

	for (slot = pcpu_area_next(map, 0); slot < map->nr_slots;
	     slot = pcpu_area_next(map, slot + nr_slots)) {
		nr_slots = pcpu_area_length(map, slot);
		slots += pcpu_area_is_live(map, slot) ? nr_slots : 0;
	}
	return slots;
}

/* Slots in live areas. */
unsigned long world_used_slots(void)
{
	struct pcpu_allocator *pa = &pcpu_main;
	unsigned long slots = chunk_used_slots(pa->first);
	struct pcpu_chunk *chunk;

	if (pa->reserved)
		slots += chunk_used_slots(pa->reserved);
	list_for_each_entry(chunk, &pa->chunks, link)
		slots += chunk_used_slots(chunk);
	return slots;
}

/* The model's objects, and no others, are live. */
void world_check_used(void)
{
#ifdef PCPU_KASAN
	/* Areas are larger than their objects: test-kasan.c looks at bytes. */
	EXPECT(world_used_slots() >= model_used_slots());
	EXPECT_EQ(!world_used_slots(), !model_used_slots());
#else
	EXPECT_EQ(world_used_slots(), model_used_slots());
#endif
}

unsigned long world_taken_slots(void)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_chunk *chunk;
	unsigned long slots = 0;
	unsigned int row;

	list_for_each_entry(chunk, &pa->chunks, link)
		for (row = 0; row < chunk->nr_rows; row++)
			if (chunk->rows[row].state == PCPU_ROW_PRESENT)
				slots += PCPU_ROW_SLOTS - chunk->map.room[row].free_slots;
	for (row = 0; row < pa->first->nr_rows; row++)
		slots += PCPU_ROW_SLOTS - pa->first->map.room[row].free_slots;
	/* Slots of the first chunk's pages that are not its own. */
	return slots - (pa->first->nr_rows * PCPU_ROW_SLOTS -
			(pa->first->end_slot - pa->first->first_slot));
}

void world_shutdown(void)
{
	struct pcpu_allocator *pa = &pcpu_main;

	sim.fail_nth = 0;
	sim.fail_permille = 0;
	sim.on_window = NULL;
	sim.on_reclaim = NULL;
	sim.on_wait = NULL;
#ifdef SHIM_NMI
	sim_on_nmi = NULL;
#endif
	world_check();
	EXPECT_EQ(atomic_read(&pa->nr_preparing), 0);
	EXPECT_EQ(pa->nr_rows_in[PCPU_ROW_COMING], 0);
	EXPECT_EQ(pa->nr_rows_in[PCPU_ROW_GOING], 0);
	EXPECT_EQ(world_used_slots(), 0);
	if (!pa->cache_max_bytes && !pcpu_kasan_nr_held(pa))
		EXPECT_EQ(pa->counts.nr_alloc, pa->counts.nr_dealloc);
	if (pa->balance_enabled) {
		/* With caches: whoever kept an area had the worker called for it. */
		sim_run_all_work(20);
		EXPECT_EQ(pa->counts.nr_alloc, pa->counts.nr_dealloc);
		world_check();
		cancel_delayed_work_sync(&pa->balance_work);
	}

	/* What the worker keeps, it keeps in bounds; then all of it goes. */
	while (pcpu_chunk_give_back(pa, 0, UINT_MAX))
		world_check();
	while (pcpu_chunk_retire_spare(pa, 0))
		EXPECT_EQ(pcpu_validate(pa), 0);
	EXPECT_EQ(pa->nr_chunks, 0);
	EXPECT_EQ(pa->nr_rows_in[PCPU_ROW_PRESENT], 0);
	EXPECT(list_empty(&pa->chunks));
	sim_rcu_quiesce();

	EXPECT_EQ(sim.nr_pages, 0);
	EXPECT_EQ(sim.nr_objects, 0);
	EXPECT_EQ(sim.nr_spaces, 0);
	EXPECT_EQ(sim.nr_tables, 0);
	EXPECT_EQ(sim.nr_leak_objects, 0);
	EXPECT_EQ(sim.nr_charged_bytes, 0);
	EXPECT_EQ(test_objcg.charged_bytes, 0);
	EXPECT_EQ(test_objcg.memcg.percpu_bytes, 0);
	EXPECT_EQ(test_objcg.refs, 1);
#ifdef CONFIG_MEM_ALLOC_PROFILING
	EXPECT_EQ(shim_site_tag.bytes, 0);
	EXPECT_EQ(shim_site_tag.calls, 0);
#endif
	/* The first chunk's own create has no destroy. */
	EXPECT_EQ(shim_traced.create_chunk, shim_traced.destroy_chunk + 1);
	EXPECT_EQ(shim_traced.alloc, shim_traced.free);
	sim_power_off();
}

/* Run a scenario in a new world as often as something in it can fail, each time the next. */
unsigned int world_fail_each(const struct world *world, unsigned int kinds,
			     void (*scenario)(void))
{
	unsigned int nth;

	for (nth = 1;; nth++) {
		unsigned long nr_failed;

		world_boot(world);
		sim.fail_kinds = kinds;
		sim.fail_nth = nth;
		scenario();
		nr_failed = sim.nr_failed;
		sim.fail_kinds = SIM_ALL;
		world_shutdown();
		if (!nr_failed)
			return nth - 1;
	}
}
