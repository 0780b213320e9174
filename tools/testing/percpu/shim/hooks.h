/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hooks.h - memory cgroups, allocation tags, kmemleak, tracepoints, sections
 *
 * All count what they are told, so that a test can ask for a balance of 0.
 */
#ifndef SHIM_HOOKS_H
#define SHIM_HOOKS_H

#include "mem.h"

/* ---- memory cgroups ---------------------------------------------------------- */

struct mem_cgroup {
	long percpu_bytes;
};

struct obj_cgroup {
	int refs;
	long charged_bytes;
	bool is_root;
	struct mem_cgroup memcg;
};

enum { MEMCG_PERCPU_B = 1 };

bool memcg_kmem_online(void);
bool mem_cgroup_kmem_disabled(void);
#define mem_cgroup_disabled()	mem_cgroup_kmem_disabled()
struct obj_cgroup *current_obj_cgroup(void);
static inline bool obj_cgroup_is_root(const struct obj_cgroup *objcg)
{
	return objcg->is_root;
}

int obj_cgroup_charge(struct obj_cgroup *objcg, gfp_t gfp, size_t bytes);
void obj_cgroup_uncharge(struct obj_cgroup *objcg, size_t bytes);
void obj_cgroup_get(struct obj_cgroup *objcg);
void obj_cgroup_put(struct obj_cgroup *objcg);
struct mem_cgroup *obj_cgroup_memcg(struct obj_cgroup *objcg);
void mod_memcg_state(struct mem_cgroup *memcg, int item, long bytes);

/* ---- allocation tags ----------------------------------------------------------- */

struct alloc_tag {
	long bytes;
	long calls;
};

union codetag_ref {
	struct alloc_tag *ct;
};

bool mem_alloc_profiling_enabled(void);
void alloc_tag_add(union codetag_ref *ref, struct alloc_tag *tag, size_t bytes);
void alloc_tag_sub(union codetag_ref *ref, size_t bytes);
void set_codetag_empty(union codetag_ref *ref);

#ifdef CONFIG_MEM_ALLOC_PROFILING
extern struct alloc_tag shim_site_tag;
#define alloc_hooks(expr)						\
({									\
	struct alloc_tag *__old_tag = current->alloc_tag;		\
									\
	current->alloc_tag = &shim_site_tag;				\
	__auto_type __result = (expr);					\
	current->alloc_tag = __old_tag;					\
	__result;							\
})
#else
#define alloc_hooks(expr)	(expr)
#endif

/* ---- kmemleak -------------------------------------------------------------------- */

void kmemleak_alloc_percpu(const void *ptr, size_t size, gfp_t gfp);
void kmemleak_free_percpu(const void *ptr);
#define kmemleak_ignore_phys(phys)	((void)(phys))
#define kmemleak_not_leak(ptr)		((void)(ptr))
#define kmemleak_no_scan(ptr)		((void)(ptr))
#define kmemleak_ignore(ptr)		((void)(ptr))

/* ---- sections and addresses ---------------------------------------------------------- */

/* The image's template: a percpu pointer of the first chunk points near it. */
#define SHIM_STATIC_MAX		(64 << 10)
extern char shim_per_cpu_start[SHIM_STATIC_MAX];
extern size_t shim_static_bytes;
#define __per_cpu_start		shim_per_cpu_start
#define __per_cpu_end		(shim_per_cpu_start + shim_static_bytes)
#ifdef CONFIG_SMP
extern unsigned long __per_cpu_offset[NR_CPUS];
#define per_cpu_offset(cpu)	(__per_cpu_offset[cpu])
#define per_cpu_ptr(ptr, cpu)						\
	((__typeof__(ptr))((unsigned long)(ptr) + per_cpu_offset(cpu)))
#else
#define per_cpu_ptr(ptr, cpu)	((void)(cpu), (ptr))
#endif
#define this_cpu_ptr(ptr)	per_cpu_ptr(ptr, smp_processor_id())
#define get_boot_cpu_id()	cpumask_first(cpu_possible_mask)
#define __pa(addr)		((unsigned long)(addr))
#define __va(phys)		((void *)(phys))

/* ---- boot memory (shim-boot.c) -------------------------------------------------------- */

#define MAX_DMA_ADDRESS		0x1000000UL
#define MEMBLOCK_ALLOC_ACCESSIBLE 0
void *memblock_alloc_try_nid(size_t bytes, size_t align, phys_addr_t min_addr,
			     phys_addr_t max_addr, int node);
void memblock_free(void *mem, size_t bytes);
void *shim_memblock_alloc_or_panic(const char *where, size_t bytes, size_t align);
#define memblock_alloc(bytes, align)					\
	memblock_alloc_try_nid(bytes, align, 0, 0, NUMA_NO_NODE)
#define memblock_alloc_from(bytes, align, from)				\
	memblock_alloc_try_nid(bytes, align, from, 0, NUMA_NO_NODE)
#define memblock_alloc_or_panic(bytes, align)				\
	shim_memblock_alloc_or_panic(__func__, bytes, align)
#define node_online(node)	true
#define NODE_DATA(node)		((void *)1)
void vm_area_register_early(struct vm_struct *vm, size_t align);
#define flush_cache_vmap_early	flush_cache_vmap

struct seq_file;
struct dentry;

/* ---- the public interface, as it is -------------------------------------------------- */

#include "../../../../include/linux/percpu.h"
#include <trace/events/percpu.h>

#endif /* SHIM_HOOKS_H */
