// SPDX-License-Identifier: GPL-2.0
/*
 * shim-hooks.c - memory cgroups, allocation tags, kmemleak, shrinkers
 */
#include "sim.h"

struct shim_trace_counts shim_traced;

/* ---- memory cgroups ------------------------------------------------------------ */

bool memcg_kmem_online(void)
{
	return sim.memcg;
}

bool mem_cgroup_kmem_disabled(void)
{
	return !sim.memcg;
}

struct obj_cgroup *current_obj_cgroup(void)
{
	return current->objcg;
}

int obj_cgroup_charge(struct obj_cgroup *objcg, gfp_t gfp, size_t bytes)
{
	shim_assert_tries(__func__);
	if (gfp & __GFP_RECLAIM)
		shim_assert_unlocked(__func__);
	if (gfpflags_allow_blocking(gfp))
		shim_might_sleep(__func__);
	SHIM_ASSERT(!objcg->is_root, "the root is not charged");
	if (shim_should_fail(SIM_CHARGE))
		return -ENOMEM;
	__atomic_fetch_add(&objcg->charged_bytes, bytes, __ATOMIC_RELAXED);
	sim_count(nr_charged_bytes, bytes);
	return 0;
}

void obj_cgroup_uncharge(struct obj_cgroup *objcg, size_t bytes)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(__atomic_sub_fetch(&objcg->charged_bytes, bytes, __ATOMIC_RELAXED) >= 0,
		    "more is uncharged than was charged");
	sim_count(nr_charged_bytes, -bytes);
}

void obj_cgroup_get(struct obj_cgroup *objcg)
{
	__atomic_fetch_add(&objcg->refs, 1, __ATOMIC_RELAXED);
}

void obj_cgroup_put(struct obj_cgroup *objcg)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(__atomic_sub_fetch(&objcg->refs, 1, __ATOMIC_ACQ_REL) >= 0,
		    "one reference too many is put");
}

struct mem_cgroup *obj_cgroup_memcg(struct obj_cgroup *objcg)
{
	shim_assert_reader();
	return &objcg->memcg;
}

void mod_memcg_state(struct mem_cgroup *memcg, int item, long bytes)
{
	shim_assert_tries(__func__);
	SHIM_ASSERT(item == MEMCG_PERCPU_B, "item %d", item);
	__atomic_fetch_add(&memcg->percpu_bytes, bytes, __ATOMIC_RELAXED);
}

/* ---- fault injection -------------------------------------------------------------- */

#ifdef CONFIG_FAIL_PERCPU
struct pcpu_want;
bool pcpu_should_fail(const struct pcpu_want *want);

/* Stands in for mm/percpu-fault.c, which asks the kernel's framework. */
bool pcpu_should_fail(const struct pcpu_want *want)
{
	if (!(sim.fail_kinds & SIM_REQUESTS) || !shim_should_fail(SIM_REQUESTS))
		return false;
	shim_traced.alloc_fail++;
	return true;
}
#endif

/* ---- allocation tags -------------------------------------------------------------- */

#ifdef CONFIG_MEM_ALLOC_PROFILING
struct alloc_tag shim_site_tag;

bool mem_alloc_profiling_enabled(void)
{
	return sim.profiling;
}

void alloc_tag_add(union codetag_ref *ref, struct alloc_tag *tag, size_t bytes)
{
	shim_assert_tries(__func__);
	SHIM_ASSERT(!ref->ct, "the object has a tag already");
	ref->ct = tag;
	if (!tag)
		return;
	__atomic_fetch_add(&tag->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tag->calls, 1, __ATOMIC_RELAXED);
}

void alloc_tag_sub(union codetag_ref *ref, size_t bytes)
{
	struct alloc_tag *tag = ref->ct;

	shim_assert_tries(__func__);
	ref->ct = NULL;
	if (!tag)
		return;
	__atomic_fetch_sub(&tag->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&tag->calls, 1, __ATOMIC_RELAXED);
}

void set_codetag_empty(union codetag_ref *ref)
{
	ref->ct = NULL;
}
#endif

/* ---- kmemleak: a set of pointers ---------------------------------------------------- */

#ifndef SHIM_LEAK_BITS
#define SHIM_LEAK_BITS	18
#endif
#define SHIM_LEAK_GONE	((const void *)1)

static const void *shim_leak_set[1 << SHIM_LEAK_BITS];
static unsigned long shim_leak_nr_gone;

static unsigned long shim_leak_hash(const void *ptr)
{
	return hash_ptr((unsigned long)ptr, SHIM_LEAK_BITS);
}

#ifdef SHIM_THREADS
void kmemleak_alloc_percpu(const void *ptr, size_t size, gfp_t gfp)
{
	shim_assert_unlocked(__func__);
	if (!sim.leak_tolerant)
		sim_count(nr_leak_objects, 1);
}

void kmemleak_free_percpu(const void *ptr)
{
	shim_assert_unlocked(__func__);
	if (!sim.leak_tolerant)
		sim_count(nr_leak_objects, -1);
}

void sim_leak_forget(const void *ptr)
{
}
#else
static void shim_leak_insert(const void *ptr)
{
	unsigned long at = shim_leak_hash(ptr);

	while (shim_leak_set[at]) {
		SHIM_ASSERT(shim_leak_set[at] != ptr,
			    "%p is handed out before kmemleak knew that it was freed", ptr);
		at = (at + 1) % ARRAY_SIZE(shim_leak_set);
	}
	shim_leak_set[at] = ptr;
}

/* Deleted entries are marks that make chains long: drop them now and then. */
static void shim_leak_rehash(void)
{
	static const void *live[ARRAY_SIZE(shim_leak_set)];
	unsigned long i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(shim_leak_set); i++)
		if (shim_leak_set[i] > SHIM_LEAK_GONE)
			live[nr++] = shim_leak_set[i];
	memset(shim_leak_set, 0, sizeof(shim_leak_set));
	for (i = 0; i < nr; i++)
		shim_leak_insert(live[i]);
	shim_leak_nr_gone = 0;
}

void kmemleak_alloc_percpu(const void *ptr, size_t size, gfp_t gfp)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(ptr && size, "nothing");
	shim_window();
	shim_leak_insert(ptr);
	sim.nr_leak_objects++;
	SHIM_ASSERT((unsigned long)sim.nr_leak_objects < ARRAY_SIZE(shim_leak_set) / 2,
		    "too many objects for this shim");
}

static void shim_leak_remove(const void *ptr, bool tolerant)
{
	unsigned long at = shim_leak_hash(ptr);

	for (; shim_leak_set[at] != ptr; at = (at + 1) % ARRAY_SIZE(shim_leak_set)) {
		SHIM_ASSERT(shim_leak_set[at] || tolerant, "kmemleak does not know %p", ptr);
		if (!shim_leak_set[at])
			return;
	}
	shim_leak_set[at] = SHIM_LEAK_GONE;
	sim.nr_leak_objects--;
	if (++shim_leak_nr_gone == ARRAY_SIZE(shim_leak_set) / 4)
		shim_leak_rehash();
}

void kmemleak_free_percpu(const void *ptr)
{
	shim_assert_unlocked(__func__);
	shim_window();
	shim_leak_remove(ptr, sim.leak_tolerant);
}

void sim_leak_forget(const void *ptr)
{
	shim_leak_remove(ptr, true);
}
#endif

/* ---- shrinkers -------------------------------------------------------------------------- */

static struct shrinker shim_shrinker;
static bool shim_shrinker_registered;

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	shim_might_sleep(__func__);
	return &shim_shrinker;
}

void shrinker_register(struct shrinker *shrinker)
{
	shim_shrinker_registered = true;
}

void shrinker_free(struct shrinker *shrinker)
{
	shim_shrinker_registered = false;
}

struct shrinker *sim_shrinker(void)
{
	return shim_shrinker_registered ? &shim_shrinker : NULL;
}

void shim_hooks_power_on(void)
{
	if (shim_leak_nr_gone)
		memset(shim_leak_set, 0, sizeof(shim_leak_set));
	shim_leak_nr_gone = 0;
	memset(&shim_traced, 0, sizeof(shim_traced));
	shim_shrinker_registered = false;
#ifdef CONFIG_MEM_ALLOC_PROFILING
	shim_site_tag = (struct alloc_tag){};
#endif
}
