// SPDX-License-Identifier: GPL-2.0
/*
 * percpu.c - the percpu allocator's door
 *
 * Checks arguments, turns the caller's gfp mask into what the request may do,
 * charges, lets the chunk layer find or make room, zeroes, and tells those who
 * watch: memory cgroups, allocation tags, kmemleak and tracing.  On the way
 * back it first claims the object, so that of two frees only one goes on.
 *
 * How it works inside is told in Documentation/mm/percpu.rst; terms, layers,
 * states and locks at the head of percpu-internal.h.
 *
 * Calls the cache, the chunk layer and the worker.  Takes no lock itself: every hook here
 * runs outside of all of them.
 */
#define pr_fmt(fmt) "percpu: " fmt

#include "percpu-internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/percpu.h>

struct pcpu_allocator pcpu_main;

/* What of a caller's mask reaches the backing allocations. */
#define PCPU_BACKING_MASK						\
	(__GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_NORETRY |		\
	 __GFP_RETRY_MAYFAIL | __GFP_NOWARN | __GFP_NOLOCKDEP)

/* ---- requests ------------------------------------------------------------------ */

/*
 * One row times all CPUs is a lot of memory: it is never taken from the
 * emergency reserve, so __GFP_HIGH and the like do not pass, and
 * __GFP_NOMEMALLOC holds even for tasks that reclaim.
 */
static gfp_t pcpu_backing_gfp(gfp_t gfp)
{
	return (gfp & PCPU_BACKING_MASK) | __GFP_NOMEMALLOC;
}

/*
 * Rows can be made present where the page allocator's locks may be taken and
 * the backend maps without sleeping.  On PREEMPT_RT those locks sleep, which
 * leaves out hard interrupts and sections with interrupts disabled.
 */
static bool pcpu_may_populate(const struct pcpu_allocator *pa, bool may_block)
{
	if (may_block)
		return true;
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && (in_hardirq() || irqs_disabled()))
		return false;
	return pa->backend->maps_atomic && slab_is_available() && !in_nmi();
}

static bool pcpu_refuse_alloc(const struct pcpu_allocator *pa, size_t size_bytes,
			      size_t align_bytes, gfp_t gfp)
{
	WARN(!(gfp & __GFP_NOWARN), "percpu: cannot allocate %zu bytes aligned to %zu (at most %zu and %lu, the alignment a power of two)\n",
	     size_bytes, align_bytes, pa->geo.unit_bytes, PAGE_SIZE);
	return false;
}

/* Many pages for many CPUs cannot be promised; callers must see failure. */
static gfp_t pcpu_drop_nofail(gfp_t gfp)
{
	WARN_ONCE(!(gfp & __GFP_NOWARN),
		  "percpu: __GFP_NOFAIL is not supported, the allocation may fail\n");
	return gfp & ~__GFP_NOFAIL;
}

/* Take the caller's arguments; false if they make no sense. */
static __always_inline bool pcpu_want_make(struct pcpu_allocator *pa, struct pcpu_want *want,
					   size_t size_bytes, size_t align_bytes,
					   bool reserved, gfp_t gfp)
{
	if (unlikely(!size_bytes || size_bytes > pa->geo.unit_bytes ||
		     align_bytes > PAGE_SIZE || (align_bytes & (align_bytes - 1))))
		return pcpu_refuse_alloc(pa, size_bytes, align_bytes, gfp);
	if (unlikely(gfp & __GFP_NOFAIL))
		gfp = pcpu_drop_nofail(gfp);

	*want = (struct pcpu_want){
		.size_bytes = ALIGN(size_bytes, PCPU_MIN_ALLOC_SIZE),
		.align_bytes = max_t(unsigned int, align_bytes, PCPU_MIN_ALLOC_SIZE),
		.gfp = current_gfp_context(gfp),
		.reserved = reserved,
	};
	return true;
}

static const char * const pcpu_fail_texts[PCPU_NR_FAILS] = {
	[PCPU_FAIL_NOT]		= "no failure",
	[PCPU_FAIL_RESERVED]	= "the reserved chunk is full",
	[PCPU_FAIL_ROOM]	= "no chunk has room, and the caller may not create one",
	[PCPU_FAIL_CHUNK]	= "no memory or address space for a chunk",
	[PCPU_FAIL_PAGES]	= "no memory for pages",
	[PCPU_FAIL_KILLED]	= "the task was killed",
	[PCPU_FAIL_BROKEN]	= "internal error, see the warning before",
};

static void pcpu_report_failure(const struct pcpu_request *req)
{
	const struct pcpu_want *want = &req->want;
	static DEFINE_RATELIMIT_STATE(limit, 10 * HZ, 5);

	if (req->fail == PCPU_FAIL_KILLED)
		return;
	trace_percpu_alloc_percpu_fail(want->reserved, !req->may_block, want->size_bytes,
				       want->align_bytes);
	if ((want->gfp & __GFP_NOWARN) || !__ratelimit(&limit))
		return;
	pr_warn("allocation of %u bytes aligned to %u failed (gfp=%#x(%pGg), %s): %s\n",
		want->size_bytes, want->align_bytes, want->gfp, &want->gfp,
		req->may_block ? "may sleep" : "may not sleep", pcpu_fail_texts[req->fail]);
	if (req->may_block)
		dump_stack();
}

/* ---- memory cgroups and allocation tags ---------------------------------------- */

#ifdef CONFIG_MEMCG
/* False if the cgroup's limit forbids it; *objcg is whom it was charged to. */
static bool pcpu_memcg_charge(const struct pcpu_want *want, struct obj_cgroup **objcg)
{
	*objcg = NULL;
	if (!(want->gfp & __GFP_ACCOUNT) || !memcg_kmem_online())
		return true;
	*objcg = current_obj_cgroup();
	if (*objcg && obj_cgroup_is_root(*objcg))
		*objcg = NULL;
	if (!*objcg)
		return true;
	/* The counters of a cgroup take an int at a time. */
	if (pcpu_full_size_bytes(want->size_bytes) > INT_MAX)
		return false;
	return !obj_cgroup_charge(*objcg, want->gfp, pcpu_full_size_bytes(want->size_bytes));
}

static void pcpu_memcg_uncharge(struct obj_cgroup *objcg, size_t size_bytes)
{
	if (objcg)
		obj_cgroup_uncharge(objcg, pcpu_full_size_bytes(size_bytes));
}

static void pcpu_memcg_count(struct obj_cgroup *objcg, long bytes)
{
	rcu_read_lock();
	mod_memcg_state(obj_cgroup_memcg(objcg), MEMCG_PERCPU_B, bytes);
	rcu_read_unlock();
}

/* Objects of the first chunk have no entry, and are free of charge. */
static void pcpu_memcg_commit(struct obj_cgroup *objcg, struct pcpu_ext *ext,
			      size_t size_bytes)
{
	if (!objcg)
		return;
	if (!ext) {
		pcpu_memcg_uncharge(objcg, size_bytes);
		return;
	}
	obj_cgroup_get(objcg);
	ext->objcg = objcg;
	pcpu_memcg_count(objcg, pcpu_full_size_bytes(size_bytes));
}

static void pcpu_memcg_free(struct pcpu_ext *ext, size_t size_bytes)
{
	struct obj_cgroup *objcg = ext ? ext->objcg : NULL;

	if (!objcg)
		return;
	ext->objcg = NULL;
	pcpu_memcg_uncharge(objcg, size_bytes);
	pcpu_memcg_count(objcg, -(long)pcpu_full_size_bytes(size_bytes));
	obj_cgroup_put(objcg);
}
#else
static bool pcpu_memcg_charge(const struct pcpu_want *want, struct obj_cgroup **objcg)
{
	*objcg = NULL;
	return true;
}

static void pcpu_memcg_uncharge(struct obj_cgroup *objcg, size_t size_bytes)
{
}

static void pcpu_memcg_commit(struct obj_cgroup *objcg, struct pcpu_ext *ext,
			      size_t size_bytes)
{
}

static void pcpu_memcg_free(struct pcpu_ext *ext, size_t size_bytes)
{
}
#endif

#ifdef CONFIG_MEM_ALLOC_PROFILING
static void pcpu_tag_alloc(struct pcpu_ext *ext, size_t size_bytes)
{
	if (mem_alloc_profiling_enabled() && ext)
		alloc_tag_add(&ext->tag, current->alloc_tag, pcpu_full_size_bytes(size_bytes));
}

static void pcpu_tag_free(struct pcpu_ext *ext, size_t size_bytes)
{
	if (mem_alloc_profiling_enabled() && ext)
		alloc_tag_sub(&ext->tag, pcpu_full_size_bytes(size_bytes));
}
#else
static void pcpu_tag_alloc(struct pcpu_ext *ext, size_t size_bytes)
{
}

static void pcpu_tag_free(struct pcpu_ext *ext, size_t size_bytes)
{
}
#endif

/* ---- allocation ------------------------------------------------------------------ */

static void pcpu_zero(const struct pcpu_allocator *pa, unsigned long addr, size_t size_bytes)
{
	unsigned int cpu;

	for_each_cpu(cpu, pa->geo.cpus)
		memset((void *)(addr + pa->geo.unit_offsets[cpu]), 0, size_bytes);
}

static __always_inline void __percpu *
pcpu_object_finish(struct pcpu_allocator *pa, const struct pcpu_want *want,
		   const struct pcpu_area *area, struct obj_cgroup *objcg, unsigned long caller)
{
	unsigned long base = area->chunk->base_addr;
	size_t offset_bytes = pcpu_slots_to_bytes(area->slot);
	struct pcpu_ext *ext = pcpu_chunk_ext(area->chunk, area->slot);
	void __percpu *ptr = __addr_to_pcpu_ptr(base + offset_bytes);

	pcpu_zero(pa, base + offset_bytes, want->size_bytes);
	kmemleak_alloc_percpu(ptr, want->size_bytes, want->gfp);
	trace_percpu_alloc_percpu(caller, want->reserved, !gfpflags_allow_blocking(want->gfp),
				  want->size_bytes, want->align_bytes, (void *)base, offset_bytes,
				  ptr, pcpu_full_size_bytes(want->size_bytes), want->gfp);
	pcpu_memcg_commit(objcg, ext, want->size_bytes);
	pcpu_tag_alloc(ext, want->size_bytes);
	/* From here on it can be freed. */
	pcpu_area_enliven(&area->chunk->map, area->slot);
	return ptr;
}

/* No area of that size was at hand: ask the chunks. */
static noinline bool pcpu_want_serve(struct pcpu_allocator *pa, const struct pcpu_want *want,
				     struct pcpu_area *area)
{
	struct pcpu_request req;
	int err;

	pcpu_request_init(&req, want, pcpu_backing_gfp(want->gfp));
	req.may_populate = pcpu_may_populate(pa, req.may_block);
	err = pcpu_cache_refill(pa, &req) ? 0 : pcpu_chunk_alloc(pa, &req);
	/* Before it fails, what others keep at hand. */
	if (unlikely(err == -ENOMEM) && req.fail != PCPU_FAIL_RESERVED &&
	    pcpu_cache_drain(pa, req.may_block))
		err = pcpu_chunk_alloc(pa, &req);
	pcpu_balance_after_alloc(pa, &req);
	if (err)
		pcpu_report_failure(&req);
	else
		pcpu_size_count(req.nr_slots, PCPU_SIZE_MISS, 1);
	*area = req.area;
	return !err;
}

/**
 * pcpu_alloc - allocate memory with a copy for each possible CPU
 * @size: bytes of each copy, at most a unit
 * @align: alignment in bytes, a power of two, at most a page
 * @reserved: from the reserved part of the first chunk, if there is one
 * @gfp: what may be done to get memory
 *
 * The doors to it are alloc_percpu() and its kin.  All copies are zeroed.
 * With __GFP_DIRECT_RECLAIM in @gfp it may sleep and reclaim, no deeper than
 * @gfp and the task's memalloc scope allow.  Without, it takes what is there,
 * and pages where they can be had without sleeping.  __GFP_NORETRY,
 * __GFP_RETRY_MAYFAIL and __GFP_NOWARN hold for all memory behind the object;
 * with __GFP_NOWARN nothing is ever printed.  __GFP_NOFAIL is not supported.
 *
 * Context: as @gfp says; never NMI.  On PREEMPT_RT not with a raw lock held
 * and not in hard interrupts, as it takes a spinlock_t.
 * Return: a percpu pointer, or NULL
 */
void __percpu *pcpu_alloc_noprof(size_t size, size_t align, bool reserved, gfp_t gfp)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct obj_cgroup *objcg;
	struct pcpu_want want;
	struct pcpu_area area;

	if (!pcpu_want_make(pa, &want, size, align, reserved, gfp))
		return NULL;
	might_alloc(want.gfp);
	if (!pcpu_memcg_charge(&want, &objcg))
		return NULL;

	if (!pcpu_cache_get(pa, &want, &area) && !pcpu_want_serve(pa, &want, &area)) {
		pcpu_memcg_uncharge(objcg, want.size_bytes);
		return NULL;
	}
	return pcpu_object_finish(pa, &want, &area, objcg, _RET_IP_);
}
EXPORT_SYMBOL_GPL(pcpu_alloc_noprof);

/* ---- free ------------------------------------------------------------------------ */

static void pcpu_refuse_free(struct pcpu_allocator *pa, void __percpu *ptr)
{
	atomic_inc(&pa->nr_bad_frees);
	WARN_ONCE(1, "percpu: refused to free %p: no live object starts there\n",
		  (void __force *)ptr);
}

/**
 * free_percpu - free a percpu object
 * @ptr: what the allocation returned, or NULL
 *
 * A pointer that is not the start of a live object is refused with a warning:
 * one that was freed already, points inside an object, is static, or never
 * came from here.
 *
 * Context: any but NMI; does not sleep.  On PREEMPT_RT it takes a spinlock_t.
 */
void free_percpu(void __percpu *ptr)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_area area;
	struct pcpu_ext *ext;
	size_t size_bytes;

	if (!ptr)
		return;
	if (unlikely(!pcpu_chunk_claim(pa, (unsigned long)__pcpu_ptr_to_addr(ptr), &area))) {
		pcpu_refuse_free(pa, ptr);
		return;
	}

	/* Ours alone from here on, and nobody else's before the release. */
	size_bytes = pcpu_slots_to_bytes(area.nr_slots);
	ext = pcpu_chunk_ext(area.chunk, area.slot);
	kmemleak_free_percpu(ptr);
	trace_percpu_free_percpu((void *)area.chunk->base_addr, pcpu_slots_to_bytes(area.slot),
				 ptr);
	pcpu_tag_free(ext, size_bytes);
	pcpu_memcg_free(ext, size_bytes);
	if (likely(pcpu_cache_put(pa, &area))) {
		/*
		 * It was put where drains find it by an atomic operation before
		 * this read; the worker clears by one before it drains.
		 */
		if (unlikely(!READ_ONCE(pa->balance_drain)))
			pcpu_balance_drain_later(pa);
		return;
	}
	pcpu_chunk_release(pa, &area, 1);
	pcpu_balance_after_free(pa);
}
EXPORT_SYMBOL_GPL(free_percpu);

/* ---- addresses ------------------------------------------------------------------- */

/**
 * __is_kernel_percpu_address - is an address in the kernel's static percpu area
 * @addr: an address in some CPU's copy
 * @can_addr: if not NULL, set to the address of the same byte in the boot
 *	CPU's copy
 *
 * Context: any, no lock.
 * Return: true if so; on UP always false, as static percpu variables are like
 * all others there
 */
bool __is_kernel_percpu_address(unsigned long addr, unsigned long *can_addr)
{
#ifdef CONFIG_SMP
	const unsigned long size_bytes = __per_cpu_end - __per_cpu_start;
	void __percpu *base = __addr_to_pcpu_ptr(pcpu_base_addr);
	unsigned long offset_bytes;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		offset_bytes = addr - (unsigned long)per_cpu_ptr(base, cpu);
		if (offset_bytes >= size_bytes)
			continue;
		if (can_addr)
			*can_addr = (unsigned long)per_cpu_ptr(base, get_boot_cpu_id()) +
				    offset_bytes;
		return true;
	}
#endif
	return false;
}

/**
 * is_kernel_percpu_address - is an address in the kernel's static percpu area
 * @addr: an address in some CPU's copy
 *
 * Those of modules do not count, see is_module_percpu_address().
 *
 * Context: any, no lock.
 * Return: true if so
 */
bool is_kernel_percpu_address(unsigned long addr)
{
	return __is_kernel_percpu_address(addr, NULL);
}

/**
 * per_cpu_ptr_to_phys - physical address of a CPU's copy
 * @addr: what per_cpu_ptr() or this_cpu_ptr() returned
 *
 * First chunks lie in the linear map or in vmalloc space, later ones where the
 * backend puts them.  The caller keeps the object alive.
 *
 * Context: any, no lock; from boot on.
 * Return: the physical address
 */
phys_addr_t per_cpu_ptr_to_phys(void *addr)
{
	if (is_vmalloc_addr(addr))
		return page_to_phys(vmalloc_to_page(addr)) + offset_in_page(addr);
	return __pa(addr);
}

/**
 * pcpu_nr_pages - pages that back percpu memory
 *
 * Present rows times units, padding units included; metadata is not.
 *
 * Context: any, no lock.
 * Return: pages
 */
unsigned long pcpu_nr_pages(void)
{
	const struct pcpu_allocator *pa = &pcpu_main;
	unsigned long nr_rows = pa->boot_pages;

	nr_rows += pcpu_peek(&pa->nr_rows_in[PCPU_ROW_PRESENT]);
	nr_rows += pcpu_peek(&pa->nr_rows_in[PCPU_ROW_COMING]);
	nr_rows += pcpu_peek(&pa->nr_rows_in[PCPU_ROW_GOING]);
	return nr_rows * pa->geo.nr_units;
}
