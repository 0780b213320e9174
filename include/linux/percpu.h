/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percpu.h - allocating per-CPU memory
 *
 * One object is as many copies as there are possible CPUs.  A percpu pointer
 * names all of them; per_cpu_ptr(), this_cpu_ptr() and the rest of
 * <linux/percpu-defs.h> turn it into the address of one.  New objects are
 * zeroed on every CPU, but for the _uninit ones.  Copies exist for CPUs that are offline, too.
 *
 * Documentation/mm/percpu.rst describes the allocator.
 */
#ifndef __LINUX_PERCPU_H
#define __LINUX_PERCPU_H

#include <linux/alloc_tag.h>
#include <linux/cleanup.h>
#include <linux/compiler_types.h>
#include <linux/init.h>
#include <linux/mmdebug.h>
#include <linux/pfn.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include <asm/percpu.h>

/* ---- sizes -------------------------------------------------------------- */

/* The grain: sizes and alignments below it are rounded up to it. */
#define PCPU_MIN_ALLOC_SHIFT		2
#define PCPU_MIN_ALLOC_SIZE		4

/*
 * No CPU's part of a chunk is smaller than this, so an object up to this size
 * fits on every system.  Callers take it for the size that they can rely on.
 */
#define PCPU_MIN_UNIT_SIZE		PFN_ALIGN(32 << 10)

/* With KASAN's redzones objects take more room, small ones several times as much. */
#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
#define PERCPU_KASAN_SHIFT		1
#else
#define PERCPU_KASAN_SHIFT		0
#endif

/* Kept in the first chunk, a unit, for the percpu variables of modules. */
#define PERCPU_MODULE_RESERVE						\
	(IS_ENABLED(CONFIG_MODULES) ? (8 << 10) << PERCPU_KASAN_SHIFT : 0)

/*
 * Room in the first chunk for objects, a unit.  EARLY_SIZE is what the kernel
 * allocates before vmalloc is up and other chunks can be made: percpu parts of
 * every kmem_cache, so it grows with their number.  RESERVE is what an
 * architecture asks for, and not less; it holds the objects of a small system
 * in memory that is often mapped by large pages.
 */
#ifndef CONFIG_KMALLOC_PARTITION_CACHES
#define PERCPU_DYNAMIC_SIZE_SHIFT	10
#elif defined(CONFIG_LOCKDEP) && !defined(CONFIG_PAGE_SIZE_4KB)
#define PERCPU_DYNAMIC_SIZE_SHIFT	13
#else
#define PERCPU_DYNAMIC_SIZE_SHIFT	12
#endif

#define PERCPU_DYNAMIC_EARLY_SIZE					\
	(20 << (PERCPU_DYNAMIC_SIZE_SHIFT + PERCPU_KASAN_SHIFT))
#define PERCPU_DYNAMIC_RESERVE						\
	((BITS_PER_LONG == 64 ? 28 : 20) << (PERCPU_DYNAMIC_SIZE_SHIFT + PERCPU_KASAN_SHIFT))

/* ---- allocating and freeing ----------------------------------------------- */

void __percpu *pcpu_alloc_noprof(size_t size, size_t align, bool reserved,
				 gfp_t gfp) __alloc_size(1);
void __percpu *pcpu_alloc_uninit_noprof(size_t size, size_t align,
					gfp_t gfp) __alloc_size(1);
bool pcpu_alloc_bulk_noprof(size_t size, size_t align, gfp_t gfp, size_t nr,
			    void __percpu **ptrs);
void __percpu *pcpu_alloc_nolock_noprof(size_t size, size_t align,
					gfp_t gfp) __alloc_size(1);
void free_percpu(void __percpu *ptr);
void free_percpu_nolock(void __percpu *ptr);
void free_percpu_bulk(size_t nr, void __percpu **ptrs);

DEFINE_FREE(free_percpu, void __percpu *, free_percpu(_T))

/*
 * What follows are macros so that allocation profiling counts each call site
 * for itself.
 */

/**
 * __alloc_percpu_gfp - allocate an object by size, in any context
 * @size: size of one copy in bytes
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 * @gfp: what the caller may do to get memory
 *
 * Context: any but NMI.  Without %__GFP_DIRECT_RECLAIM in @gfp it does not
 * sleep.
 * Return: percpu pointer to zeroed memory, or NULL
 */
#define __alloc_percpu_gfp(size, align, gfp)				\
	alloc_hooks(pcpu_alloc_noprof(size, align, false, gfp))

/**
 * __alloc_percpu - allocate an object by size
 * @size: size of one copy in bytes
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 *
 * Context: may sleep.
 * Return: percpu pointer to zeroed memory, or NULL
 */
#define __alloc_percpu(size, align)	__alloc_percpu_gfp(size, align, GFP_KERNEL)

/**
 * __alloc_percpu_uninit - allocate an object by size, to be initialized
 * @size: size of one copy in bytes
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 * @gfp: what the caller may do to get memory
 *
 * For callers that write every byte they ever read, in the copies of all
 * possible CPUs, and let nobody see a copy before.  Nothing is zeroed, unless
 * %__GFP_ZERO is in @gfp or the kernel initializes all memory.
 *
 * Context: any but NMI.  Without %__GFP_DIRECT_RECLAIM in @gfp it does not
 * sleep.
 * Return: percpu pointer to memory with any contents, or NULL
 */
#define __alloc_percpu_uninit(size, align, gfp)				\
	alloc_hooks(pcpu_alloc_uninit_noprof(size, align, gfp))

/**
 * alloc_percpu_uninit - allocate an object of a type, to be initialized
 * @type: the type
 * @gfp: what the caller may do to get memory
 *
 * See __alloc_percpu_uninit().
 *
 * Context: any but NMI.  Without %__GFP_DIRECT_RECLAIM in @gfp it does not
 * sleep.
 * Return: percpu pointer to a @type with any contents, or NULL
 */
#define alloc_percpu_uninit(type, gfp)					\
	((typeof(type) __percpu *)					\
	 __alloc_percpu_uninit(sizeof(type), __alignof__(type), gfp))

/**
 * __alloc_percpu_bulk - allocate several objects of a size, all or none
 * @size: size of one copy in bytes
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 * @gfp: what the caller may do to get memory
 * @nr: how many objects, not 0
 * @ptrs: array of @nr percpu pointers; set to objects of zeroed memory, or to
 *	NULLs on failure
 *
 * As with kmem_cache_alloc_bulk().  Costs less than as many single calls, the
 * more so if @size is a multiple of @align.  free_percpu_bulk() takes them back.
 *
 * Context: any but NMI.  Without %__GFP_DIRECT_RECLAIM in @gfp it does not
 * sleep.
 * Return: true if all were allocated, false if none was
 */
#define __alloc_percpu_bulk(size, align, gfp, nr, ptrs)			\
	alloc_hooks(pcpu_alloc_bulk_noprof(size, align, gfp, nr, ptrs))

/**
 * __alloc_percpu_nolock - allocate an object by size where no lock may be taken
 * @size: size of one copy in bytes, at most 4 KiB
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 * @gfp: 0 or %__GFP_ACCOUNT
 *
 * As kmalloc_nolock() does, it fails rather than wait for a lock or take pages, so
 * callers must be ready for that.  free_percpu() and free_percpu_nolock() both take
 * the object back.
 *
 * Context: any, NMI included.
 * Return: percpu pointer to zeroed memory, or NULL
 */
#define __alloc_percpu_nolock(size, align, gfp)				\
	alloc_hooks(pcpu_alloc_nolock_noprof(size, align, gfp))

/**
 * alloc_percpu_nolock - allocate an object of a type where no lock may be taken
 * @type: the type
 * @gfp: 0 or %__GFP_ACCOUNT
 *
 * See __alloc_percpu_nolock().
 *
 * Context: any, NMI included.
 * Return: percpu pointer to a zeroed @type, or NULL
 */
#define alloc_percpu_nolock(type, gfp)					\
	((typeof(type) __percpu *)					\
	 __alloc_percpu_nolock(sizeof(type), __alignof__(type), gfp))

/**
 * __alloc_reserved_percpu - allocate an object near the kernel's own
 * @size: size of one copy in bytes
 * @align: its alignment in bytes, a power of two, at most PAGE_SIZE
 *
 * For the module loader: where the first chunk has a reserved part, the object
 * comes from there or not at all, so that its pointer is in reach of
 * relocations.
 *
 * Context: may sleep.
 * Return: percpu pointer to zeroed memory, or NULL
 */
#define __alloc_reserved_percpu(size, align)				\
	alloc_hooks(pcpu_alloc_noprof(size, align, true, GFP_KERNEL))

/**
 * alloc_percpu_gfp - allocate an object of a type, in any context
 * @type: the type
 * @gfp: what the caller may do to get memory
 *
 * Context: any but NMI.  Without %__GFP_DIRECT_RECLAIM in @gfp it does not
 * sleep.
 * Return: percpu pointer to a zeroed @type, or NULL
 */
#define alloc_percpu_gfp(type, gfp)					\
	((typeof(type) __percpu *)					\
	 __alloc_percpu_gfp(sizeof(type), __alignof__(type), gfp))

/**
 * alloc_percpu - allocate an object of a type
 * @type: the type
 *
 * Context: may sleep.
 * Return: percpu pointer to a zeroed @type, or NULL
 */
#define alloc_percpu(type)		alloc_percpu_gfp(type, GFP_KERNEL)

/**
 * alloc_percpu_noprof - alloc_percpu() for a caller that is counted elsewhere
 * @type: the type
 *
 * Context: may sleep.
 * Return: percpu pointer to a zeroed @type, or NULL
 */
#define alloc_percpu_noprof(type)					\
	((typeof(type) __percpu *)pcpu_alloc_noprof(sizeof(type),	\
		__alignof__(type), false, GFP_KERNEL))

/* ---- addresses ------------------------------------------------------------ */

extern void *pcpu_base_addr;			/* the first chunk's lowest unit */
extern const unsigned long *pcpu_unit_offsets;	/* from there, by CPU number */

bool is_kernel_percpu_address(unsigned long addr);
bool __is_kernel_percpu_address(unsigned long addr, unsigned long *can_addr);
phys_addr_t per_cpu_ptr_to_phys(void *addr);
unsigned long pcpu_nr_pages(void);

/* ---- boot: for setup_per_cpu_areas() --------------------------------------- */

/**
 * struct pcpu_group_info - units that lie side by side
 * @base_offset: distance of the first one from the lowest group, in bytes
 * @nr_units: their number, padding included
 * @cpu_map: the CPU that each unit is for, NR_CPUS where it is padding
 */
struct pcpu_group_info {
	unsigned long base_offset;
	int nr_units;
	unsigned int *cpu_map;
};

/**
 * struct pcpu_alloc_info - how units are sized and where they lie
 * @unit_size: distance between the units of a group, in bytes
 * @static_size: bytes at the start of a unit that hold the kernel's variables
 * @reserved_size: bytes after them for the variables of modules
 * @dyn_size: bytes after those for objects
 * @alloc_size: memory is taken in pieces of this many bytes, a whole number of
 *	units each
 * @atom_size: @alloc_size is a multiple of it, groups are aligned to it
 * @__ai_size: bytes of this structure and the maps behind it
 * @nr_groups: length of @groups
 * @groups: the groups
 */
struct pcpu_alloc_info {
	size_t unit_size;
	size_t static_size;
	size_t reserved_size;
	size_t dyn_size;
	size_t alloc_size;
	size_t atom_size;
	size_t __ai_size;
	int nr_groups;
	struct pcpu_group_info groups[];
};

/* What percpu_alloc= on the command line chooses from. */
enum pcpu_fc { PCPU_FC_AUTO, PCPU_FC_EMBED, PCPU_FC_PAGE, PCPU_FC_NR };

extern enum pcpu_fc pcpu_chosen_fc;
extern const char * const pcpu_fc_names[PCPU_FC_NR];

/* LOCAL_DISTANCE where two CPUs are on the same node. */
typedef int (pcpu_fc_cpu_distance_fn_t)(unsigned int from, unsigned int to);
/* The node of a CPU, or NUMA_NO_NODE. */
typedef int (pcpu_fc_cpu_to_node_fn_t)(int cpu);

int __init pcpu_embed_first_chunk(size_t reserved_size, size_t dyn_size,
				  size_t atom_size,
				  pcpu_fc_cpu_distance_fn_t cpu_distance_fn,
				  pcpu_fc_cpu_to_node_fn_t cpu_to_nd_fn);
#ifdef CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK
int __init pcpu_page_first_chunk(size_t reserved_size,
				 pcpu_fc_cpu_to_node_fn_t cpu_to_nd_fn);
void __init pcpu_populate_pte(unsigned long addr);
#endif

struct pcpu_alloc_info * __init pcpu_alloc_alloc_info(int nr_groups, int nr_units);
void __init pcpu_free_alloc_info(struct pcpu_alloc_info *ai);
void __init pcpu_setup_first_chunk(const struct pcpu_alloc_info *ai, void *base_addr);

#if !(defined(CONFIG_SMP) && defined(CONFIG_HAVE_SETUP_PER_CPU_AREA))
void __init setup_per_cpu_areas(void);
#endif

#endif /* __LINUX_PERCPU_H */
