// SPDX-License-Identifier: GPL-2.0
/*
 * test-uninit.c - objects whose copies the caller initializes
 */
#include "test.h"

#define SIZE	64

static void fill(void __percpu *ptr, u8 with)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr((u8 *)ptr, cpu), with, SIZE);
}

static bool holds(void __percpu *ptr, u8 value)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < SIZE; i++)
			if (per_cpu_ptr((u8 *)ptr, cpu)[i] != value)
				return false;
	return true;
}

/* An object where one was that held 0xa5. */
static void __percpu *reuse(bool uninit, gfp_t gfp)
{
	void __percpu *old = __alloc_percpu_gfp(SIZE, 8, GFP_KERNEL), *ptr;

	EXPECT(old);
	fill(old, 0xa5);
	free_percpu(old);
	ptr = uninit ? __alloc_percpu_uninit(SIZE, 8, gfp) : __alloc_percpu_gfp(SIZE, 8, gfp);
	EXPECT(ptr == old);
	return ptr;
}

static void check(bool uninit, gfp_t gfp, u8 value)
{
	void __percpu *ptr = reuse(uninit, gfp);

	EXPECT(holds(ptr, value));
	EXPECT_EQ(sim.nr_leak_objects, 1);
	free_percpu(ptr);
	EXPECT_EQ(sim.nr_leak_objects, 0);
}

static void check_all(void)
{
	check(true, GFP_KERNEL, 0xa5);
	check(true, GFP_NOWAIT, 0xa5);
	check(true, GFP_KERNEL | __GFP_ZERO, 0);
	check(false, GFP_KERNEL, 0);
	sim.init_on_alloc = true;
	check(true, GFP_KERNEL, 0);
	sim.init_on_alloc = false;
	sim.init_on_free = true;
	check(true, GFP_KERNEL, 0);
	check(false, GFP_KERNEL, 0);
	sim.init_on_free = false;
	check(true, GFP_KERNEL, 0xa5);
}

/* Nothing is zeroed, unless the kernel was told to initialize all memory. */
TEST(uninit_is_left_alone)
{
	unsigned int cached;

	for (cached = 0; cached < 2; cached++) {
		world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 5 : 1,
					    .cache = cached });
		sim_run_all_work(100);
		check_all();
		world_shutdown();
	}
}

/* All else is as with other objects: charges, tags, refusals, failures. */
TEST(uninit_is_an_object)
{
	void __percpu *other, *ptr;

	world_boot(&(struct world){ .nr_cpus = IS_ENABLED(CONFIG_SMP) ? 5 : 1 });
	sim_run_all_work(100);
	/* Takes what room the first chunk may have: objects there are free of charge. */
	other = __alloc_percpu_gfp(pcpu_main.geo.unit_bytes, 8, GFP_KERNEL);
	current->objcg = &test_objcg;
	ptr = __alloc_percpu_uninit(pcpu_main.geo.unit_bytes, 8, GFP_KERNEL_ACCOUNT);
	EXPECT(ptr);
#ifdef CONFIG_MEMCG
	EXPECT_EQ(test_objcg.charged_bytes, pcpu_full_size_bytes(pcpu_main.geo.unit_bytes));
#endif
	free_percpu(ptr);
	sim_expect_warnings(1);
	free_percpu(ptr);
	EXPECT(sim_expected());
	sim_expect_warnings(1);
	EXPECT(!__alloc_percpu_uninit(0, 8, GFP_KERNEL));
	EXPECT(sim_expected());
#ifdef CONFIG_MEMCG
	sim.fail_kinds = SIM_CHARGE;
	sim.fail_permille = 1000;
	EXPECT(!__alloc_percpu_uninit(64, 8, GFP_KERNEL_ACCOUNT | __GFP_NOWARN));
	sim.fail_permille = 0;
#endif
	current->objcg = NULL;
	free_percpu(other);
	world_shutdown();
}
