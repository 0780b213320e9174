// SPDX-License-Identifier: GPL-2.0
/*
 * test-first.c - boot: geometry, the pointer law, the first chunk
 */
#include "test.h"

/* Each unit is where the geometry says, apart from all others. */
static void check_geometry(const struct world *world)
{
	const struct pcpu_geometry *geo = &pcpu_main.geo;
	unsigned int cpu, other, group, nr = 0, nr_units = 0;

	EXPECT_EQ(geo->nr_cpus, world->nr_cpus);
	EXPECT_EQ(geo->unit_bytes, geo->unit_pages * PAGE_SIZE);
	EXPECT(geo->unit_bytes >= PCPU_MIN_UNIT_SIZE);
	for_each_possible_cpu(cpu) {
		unsigned long offset = geo->unit_offsets[cpu];
		bool found = false;

		nr++;
		EXPECT(offset >= geo->unit_offsets[geo->low_cpu]);
		EXPECT(offset <= geo->unit_offsets[geo->high_cpu]);
		for (group = 0; group < geo->nr_groups; group++)
			if (offset >= geo->group_offsets[group] &&
			    offset + geo->unit_bytes <=
			    geo->group_offsets[group] + geo->group_bytes[group])
				found = true;
		EXPECT(found);
		if (world->nr_cpus > 600)
			continue;
		for_each_possible_cpu(other)
			EXPECT(other == cpu ||
			       abs_diff(offset, geo->unit_offsets[other]) >= geo->unit_bytes);
	}
	EXPECT_EQ(nr, world->nr_cpus);
	for (group = 0; group < geo->nr_groups; group++)
		nr_units += geo->group_bytes[group] / geo->unit_bytes;
	EXPECT_EQ(nr_units, geo->nr_units);
}

/* The static part of each unit is a copy of the image's. */
static void check_static(void)
{
#ifdef CONFIG_SMP
	unsigned long can, inside = shim_static_bytes / 2;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		char *copy = per_cpu_ptr(&__per_cpu_start[0], cpu);

		EXPECT(!memcmp(copy, __per_cpu_start, shim_static_bytes));
		EXPECT(is_kernel_percpu_address((unsigned long)copy));
		EXPECT(is_kernel_percpu_address((unsigned long)copy + shim_static_bytes - 1));
		EXPECT(!is_kernel_percpu_address((unsigned long)copy + shim_static_bytes));
		EXPECT(__is_kernel_percpu_address((unsigned long)copy + inside, &can));
		EXPECT_EQ(can, per_cpu_ptr(&__per_cpu_start[0], get_boot_cpu_id()) + inside);
	}
	EXPECT(!is_kernel_percpu_address((unsigned long)&can));
#else
	EXPECT(!is_kernel_percpu_address((unsigned long)pcpu_base_addr));
#endif
}

/* Fill the first chunk before slab and vmalloc are up: nothing else may be asked. */
static void check_early(size_t reserved_bytes)
{
	static struct object objects[20000];
	unsigned int nr = 0, i;
	unsigned long bytes = 0;

	sim.no_slab = true;
	sim.no_vmalloc = true;
	while (nr < ARRAY_SIZE(objects) && bytes < PERCPU_DYNAMIC_EARLY_SIZE - 4096) {
		size_t size = sim_between(1, 300);

		EXPECT(model_alloc(&objects[nr], size, 1U << sim_below(7), false, GFP_KERNEL,
				   CTX_TASK));
		EXPECT(!is_vmalloc_addr(__pcpu_ptr_to_addr(objects[nr].ptr)) ||
		       is_vmalloc_addr(pcpu_base_addr));
		bytes += ALIGN(size, 128);
		nr++;
	}
	if (reserved_bytes) {
		unsigned int first = nr;

		while (model_alloc(&objects[nr], 64, 64, true, GFP_KERNEL | __GFP_NOWARN,
				   CTX_TASK)) {
			unsigned long addr = (unsigned long)__pcpu_ptr_to_addr(objects[nr].ptr);

			EXPECT(addr - (unsigned long)pcpu_base_addr <
			       shim_static_bytes + reserved_bytes + 4);
			nr++;
		}
		EXPECT(nr - first >= reserved_bytes / 64 - 2);
	}
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	for (i = 0; i < nr; i++)
		model_free(&objects[i], CTX_TASK);
	EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
	sim.no_slab = false;
	sim.no_vmalloc = false;
}

static void boot_and_check(const struct world *world)
{
	world_boot(world);
	check_geometry(world);
	check_static();
	check_early(pcpu_main.reserved_bytes);
	world_shutdown();
}

#ifdef CONFIG_HAVE_SETUP_PER_CPU_AREA
TEST(first_chunk_shapes)
{
	static const unsigned int cpus[] = { 1, 2, 3, 4, 7, 13, 64, 127, 512 };
	static const size_t atoms[] = { 0, 64 << 10, 512 << 10, 2 << 20 };
	unsigned int i, j, nodes;

	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		for (nodes = NODES_ONE; nodes <= NODES_STRIPED; nodes++) {
			for (j = 0; j < ARRAY_SIZE(atoms); j++) {
				if (nodes == NODES_EACH && cpus[i] > 64)
					continue;
				boot_and_check(&(struct world){
					.nr_cpus = cpus[i],
					.nodes = nodes,
					.atom_bytes = atoms[j],
					.static_bytes = sim_between(1, 20000),
					.reserved_bytes = sim_below(2) ? 8 << 10 : 0,
					.dyn_bytes = sim_below(64 << 10),
					.cpu_step = sim_between(1, 4),
					.vmalloc_bytes = 32ULL << 30,
					.no_worker = true,
				});
			}
		}
	}
}

TEST(first_chunk_paged)
{
	static const unsigned int cpus[] = { 1, 2, 5, 64, 300 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cpus); i++)
		boot_and_check(&(struct world){
			.nr_cpus = cpus[i],
			.nodes = NODES_STRIPED,
			.static_bytes = sim_between(1, 20000),
			.reserved_bytes = sim_below(2) ? 8 << 10 : 0,
			.paged = true,
			.no_worker = true,
		});
}

static int far_apart(unsigned int from, unsigned int to)
{
	return from == to ? LOCAL_DISTANCE : REMOTE_DISTANCE;
}

/* Groups too far apart for the vmalloc space are refused; all memory goes back. */
TEST(first_chunk_too_far_apart)
{
	struct world world = { .nr_cpus = 8, .no_worker = true };

	world_boot(&world);
	world_shutdown();
	sim_reset();
	sim.vmalloc_bytes = 64 << 10;
	EXPECT_EQ(pcpu_embed_first_chunk(0, 0, PAGE_SIZE, far_apart, NULL), -EINVAL);
}

/* Each boot allocation in turn that may fail: an error, not a crash. */
TEST(first_chunk_no_memory)
{
	unsigned int nth;
	int err = -ENOMEM;

	world_boot(&(struct world){ .nr_cpus = 8, .no_worker = true });
	for (nth = 1; nth <= 9; nth++) {
		sim.fail_nth = nth;
		err = pcpu_embed_first_chunk(0, 0, PAGE_SIZE, far_apart, NULL);
		EXPECT_EQ(err, -ENOMEM);
	}
	for (nth = 3; nth <= 10; nth++) {
		sim.fail_nth = nth;
		err = pcpu_page_first_chunk(0, NULL);
		EXPECT_EQ(err, -ENOMEM);
	}
	sim.fail_nth = 0;
}
#else
TEST(first_chunk)
{
	boot_and_check(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 5 : 1,
					.no_worker = true });
}
#endif

#if defined(CONFIG_HAVE_SETUP_PER_CPU_AREA)
/*
 * After setup_per_cpu_areas() some machines take CPUs out of cpu_possible_mask: Xen PV with
 * maxcpus=, x86 whose APIC fails late, alpha, J2.
 */
TEST(first_possible_cpus_become_fewer)
{
	static struct object o[200];
	unsigned int i;

	world_boot(&(struct world){ .nr_cpus = 4 });
	cpumask_clear(&shim_possible_cpus);
	for (i = 0; i < 2; i++)
		cpumask_set_cpu(i, &shim_possible_cpus);
	shim_nr_cpus = 2;
	for (i = 0; i < ARRAY_SIZE(o); i++)
		EXPECT(model_alloc(&o[i], 1024, 8, false, GFP_KERNEL, CTX_TASK));
	while (i)
		model_free(&o[--i], CTX_TASK);
	world_shutdown();
}
#endif
