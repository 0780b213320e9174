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

/* What of a batch is served at a time, by at most one hold of the lock a run. */
#define PCPU_BULK_AREAS		16U
/* And no more of each copy, but at least one object. */
#define PCPU_BULK_BYTES		SZ_64K

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
	if (unlikely(size_bytes - 1 >= pa->geo.unit_bytes ||
		     align_bytes > PAGE_SIZE || (align_bytes & (align_bytes - 1))))
		return pcpu_refuse_alloc(pa, size_bytes, align_bytes, gfp);
	if (unlikely(gfp & __GFP_NOFAIL))
		gfp = pcpu_drop_nofail(gfp);

	*want = (struct pcpu_want){
		.size_bytes = ALIGN(size_bytes, PCPU_MIN_ALLOC_SIZE),
		.align_bytes = max_t(unsigned int, align_bytes, PCPU_MIN_ALLOC_SIZE),
		.gfp = gfp,
		.reserved = reserved,
	};
	pcpu_kasan_enlarge(pa, want, size_bytes);
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
	trace_percpu_alloc_percpu_fail(want->reserved, !req->may_block,
				       pcpu_want_object_bytes(want), want->align_bytes);
	if ((want->gfp & __GFP_NOWARN) || !__ratelimit(&limit))
		return;
	pr_warn("allocation of %u bytes aligned to %u failed (gfp=%#x(%pGg), %s): %s\n",
		pcpu_want_object_bytes(want), want->align_bytes, want->gfp, &want->gfp,
		req->may_block ? "may sleep" : "may not sleep", pcpu_fail_texts[req->fail]);
	if (req->may_block)
		dump_stack();
}

/* ---- memory cgroups and allocation tags ---------------------------------------- */

#ifdef CONFIG_MEMCG
/*
 * Charge objects that have so many bytes in one unit, together.  False if the
 * cgroup's limit forbids it; *objcg is whom it was charged to.
 */
static bool pcpu_memcg_charge(gfp_t gfp, size_t size_bytes, struct obj_cgroup **objcg)
{
	*objcg = NULL;
	if (!(gfp & __GFP_ACCOUNT) || !memcg_kmem_online())
		return true;
	*objcg = current_obj_cgroup();
	if (*objcg && obj_cgroup_is_root(*objcg))
		*objcg = NULL;
	if (!*objcg)
		return true;
	/* The counters of a cgroup take an int at a time. */
	if (pcpu_full_size_bytes(size_bytes) > INT_MAX)
		return false;
	return !obj_cgroup_charge(*objcg, gfp, pcpu_full_size_bytes(size_bytes));
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
static bool pcpu_memcg_charge(gfp_t gfp, size_t size_bytes, struct obj_cgroup **objcg)
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

static __always_inline void pcpu_zero(const struct pcpu_allocator *pa, unsigned long addr,
				      size_t size_bytes)
{
	unsigned int i;

	for (i = 0; i < pa->geo.nr_cpus; i++)
		memset((void *)(addr + pa->geo.copy_offsets[i]), 0, size_bytes);
}

/*
 * The caller writes all copies itself.  Where all memory shall be initialized
 * this is not left to it: what was freed is not zeroed here, so "on free" needs
 * it as well.
 */
static void pcpu_leave_uninit(const struct pcpu_allocator *pa, unsigned long addr,
			      size_t size_bytes, gfp_t gfp)
{
	unsigned int i;

	if (want_init_on_alloc(gfp) || want_init_on_free()) {
		pcpu_zero(pa, addr, size_bytes);
		return;
	}
	if (!IS_ENABLED(CONFIG_KMSAN))
		return;
	for (i = 0; i < pa->geo.nr_cpus; i++)
		kmsan_poison_memory((void *)(addr + pa->geo.copy_offsets[i]), size_bytes, gfp);
}

/*
 * Tell all who watch of an object whose copies are as they shall be; @nolock is
 * constant: kmemleak takes locks.
 */
static __always_inline void __percpu *
pcpu_object_finish(const struct pcpu_want *want, const struct pcpu_area *area,
		   struct obj_cgroup *objcg, bool nolock, unsigned long caller)
{
	unsigned long base = area->chunk->base_addr;
	size_t offset_bytes = pcpu_slots_to_bytes(area->slot);
	struct pcpu_ext *ext = pcpu_chunk_ext(area->chunk, area->slot);
	void __percpu *ptr = __addr_to_pcpu_ptr(pcpu_kasan_object_addr(&pcpu_main, area));
	size_t size_bytes = pcpu_want_object_bytes(want);

	if (!nolock)
		kmemleak_alloc_percpu(ptr, size_bytes, want->gfp);
	trace_percpu_alloc_percpu(caller, want->reserved, !gfpflags_allow_blocking(want->gfp),
				  size_bytes, want->align_bytes, (void *)base, offset_bytes,
				  ptr, pcpu_full_size_bytes(size_bytes), want->gfp);
	pcpu_memcg_commit(objcg, ext, size_bytes);
	pcpu_tag_alloc(ext, size_bytes);
	/* From here on it can be freed. */
	pcpu_area_enliven(&area->chunk->map, area->slot);
	return ptr;
}

/* The rest of a request that makes room. */
static void pcpu_request_equip(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	pcpu_request_arm(req, pcpu_backing_gfp(current_gfp_context(req->want.gfp)));
	req->may_populate = pcpu_may_populate(pa, req->may_block);
}

/*
 * Before a request fails: what others keep at hand, what waits in the quarantine, and
 * frees that are pending.  Those have hooks left, and may be many.  False if there was
 * nothing.
 */
static bool pcpu_collect_freed(struct pcpu_allocator *pa, const struct pcpu_request *req)
{
	bool found = req->may_block && pcpu_pending_drain(pa);

	if (req->fail == PCPU_FAIL_RESERVED)
		return found;
	found |= pcpu_kasan_drain(pa);
	found |= pcpu_cache_drain(pa, req->may_block);
	return found;
}

/* No present room was found: make some. */
static int pcpu_request_serve(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	int err = pcpu_chunk_make_room(pa, req);

	if (unlikely(err == -ENOMEM) && pcpu_collect_freed(pa, req))
		err = pcpu_chunk_alloc(pa, req);
	return err;
}

static noinline int pcpu_want_serve_slow(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	pcpu_request_equip(pa, req);
	return pcpu_request_serve(pa, req);
}

/* No area of that size was at hand: ask the chunks. */
static noinline struct pcpu_area pcpu_want_serve(struct pcpu_allocator *pa,
						 struct pcpu_want want)
{
	struct pcpu_request req __uninitialized;
	int err = 0;

	pcpu_request_begin(&req, &want);
	if (pcpu_cache_may_refill(pa, req.nr_slots) && pcpu_cache_refill(pa, &req)) {
		pcpu_balance_after_alloc(pa, &req);
		return req.area;
	}
	if (!pcpu_chunk_take(pa, &req))
		err = pcpu_want_serve_slow(pa, &req);
	pcpu_balance_after_alloc(pa, &req);
	if (unlikely(err)) {
		pcpu_report_failure(&req);
		return (struct pcpu_area){};
	}
	pcpu_size_count(req.nr_slots, PCPU_SIZE_MISS, 1);
	return req.area;
}

/* One of the doors below; @reserved and @uninit are constant in each. */
static __always_inline void __percpu *
pcpu_alloc_one(size_t size, size_t align, bool reserved, bool uninit, gfp_t gfp,
	       unsigned long caller)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct obj_cgroup *objcg;
	struct pcpu_want want;
	struct pcpu_area area;

	if (!pcpu_want_make(pa, &want, size, align, reserved, gfp))
		return NULL;
	might_alloc(want.gfp);
	if (unlikely(pcpu_should_fail(&want)) ||
	    !pcpu_memcg_charge(want.gfp, pcpu_want_object_bytes(&want), &objcg))
		return NULL;

	area = pcpu_cache_get(pa, want);
	if (!area.chunk)
		area = pcpu_want_serve(pa, want);
	if (!area.chunk) {
		pcpu_memcg_uncharge(objcg, pcpu_want_object_bytes(&want));
		return NULL;
	}
	pcpu_kasan_alloc(pa, &area, &want);
	if (uninit)
		pcpu_leave_uninit(pa, pcpu_area_addr(&area), pcpu_want_exact_bytes(&want),
				  want.gfp);
	else
		pcpu_zero(pa, pcpu_area_addr(&area), pcpu_want_exact_bytes(&want));
	return pcpu_object_finish(&want, &area, objcg, false, caller);
}

static noinline void __percpu *pcpu_alloc_reserved(size_t size, size_t align, gfp_t gfp,
						   unsigned long caller)
{
	return pcpu_alloc_one(size, align, true, false, gfp, caller);
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
 * with __GFP_NOWARN nothing is printed but by page tables that cannot be had,
 * where the architecture takes no mask for them.  __GFP_NOFAIL is not supported.
 *
 * Context: as @gfp says; never NMI.  On PREEMPT_RT not with a raw lock held
 * and not in hard interrupts, as it takes a spinlock_t.
 * Return: a percpu pointer, or NULL
 */
void __percpu *pcpu_alloc_noprof(size_t size, size_t align, bool reserved, gfp_t gfp)
{
	if (unlikely(reserved))
		return pcpu_alloc_reserved(size, align, gfp, _RET_IP_);
	return pcpu_alloc_one(size, align, false, false, gfp, _RET_IP_);
}
EXPORT_SYMBOL_GPL(pcpu_alloc_noprof);

/**
 * pcpu_alloc_uninit - allocate memory whose copies the caller initializes
 * @size: bytes of each copy, at most a unit
 * @align: alignment in bytes, a power of two, at most a page
 * @gfp: what may be done to get memory, as with pcpu_alloc()
 *
 * The doors to it are __alloc_percpu_uninit() and alloc_percpu_uninit().  The
 * copies hold what others left there, unless @gfp has __GFP_ZERO, or the kernel
 * was told to initialize all memory (init_on_alloc=1, init_on_free=1).
 *
 * Context: as @gfp says; never NMI.  On PREEMPT_RT as pcpu_alloc().
 * Return: a percpu pointer, or NULL
 */
void __percpu *pcpu_alloc_uninit_noprof(size_t size, size_t align, gfp_t gfp)
{
	return pcpu_alloc_one(size, align, false, true, gfp, _RET_IP_);
}
EXPORT_SYMBOL_GPL(pcpu_alloc_uninit_noprof);

/* ---- batches --------------------------------------------------------------------- */

/*
 * Take @nr areas from the chunks: runs as long as they are found in present
 * memory, then one by one, which makes rows present, after which runs are worth
 * a look again.  Returns how many were taken; fewer than @nr after a failure.
 */
static noinline unsigned int pcpu_bulk_serve(struct pcpu_allocator *pa,
					     const struct pcpu_want *want,
					     struct pcpu_area *areas, unsigned int nr)
{
	/* Side by side, areas are as aligned as their size. */
	unsigned int max_run = IS_ALIGNED(want->size_bytes, want->align_bytes) ? nr : 1;
	unsigned int nr_got = 0, run = max_run, nr_taken, seq;
	struct pcpu_request req __uninitialized;
	int err = 0;

	pcpu_request_begin(&req, want);
	pcpu_request_equip(pa, &req);
	req.wants_all = true;
	while (nr_got < nr) {
		run = min(run, nr - nr_got);
		if (run > 1) {
			nr_taken = pcpu_chunk_take_run(pa, &req, run);
			run = max(nr_taken, 1U);
		} else {
			seq = pcpu_peek(&pa->publish_seq);
			if (!pcpu_chunk_take(pa, &req))
				err = pcpu_request_serve(pa, &req);
			if (err)
				break;
			nr_taken = 1;
			if (seq != pcpu_peek(&pa->publish_seq))
				run = max_run;
		}
		for (; nr_taken; nr_taken--) {
			areas[nr_got++] = req.area;
			req.area.slot += req.nr_slots;
		}
	}
	pcpu_balance_after_alloc(pa, &req);
	if (err)
		pcpu_report_failure(&req);
	return nr_got;
}

/* Take @nr areas, those at hand first, or none. */
static bool pcpu_bulk_take(struct pcpu_allocator *pa, const struct pcpu_want *want,
			   struct pcpu_area *areas, unsigned int nr)
{
	unsigned int nr_slots = want->size_bytes >> PCPU_MIN_ALLOC_SHIFT;
	unsigned int nr_hits, nr_missed = 0;

	for (nr_hits = 0; nr_hits < nr; nr_hits++) {
		areas[nr_hits] = pcpu_cache_get(pa, *want);
		if (!areas[nr_hits].chunk)
			break;
	}
	if (nr_hits < nr)
		nr_missed = pcpu_bulk_serve(pa, want, areas + nr_hits, nr - nr_hits);
	if (likely(nr_hits + nr_missed == nr)) {
		pcpu_size_count(nr_slots, PCPU_SIZE_MISS, nr_missed);
		return true;
	}
	/* Those at hand have served nobody. */
	pcpu_size_count(nr_slots, PCPU_SIZE_HIT, -(long)nr_hits);
	pcpu_size_count(nr_slots, PCPU_SIZE_RETURNED, nr_hits);
	pcpu_cache_release(pa, areas, nr_hits + nr_missed);
	pcpu_balance_after_free(pa);
	return false;
}

/* All copies of all of them; of areas side by side, each CPU's in one go. */
static void pcpu_bulk_zero(const struct pcpu_allocator *pa, const struct pcpu_area *areas,
			   unsigned int nr, size_t size_bytes)
{
	unsigned int from, i;

	for (from = 0; from < nr; from = i) {
		unsigned long addr = pcpu_area_addr(&areas[from]);

		for (i = from + 1; i < nr; i++)
			if (pcpu_area_addr(&areas[i]) != addr + (i - from) * size_bytes)
				break;
		pcpu_zero(pa, addr, (i - from) * size_bytes);
	}
}

/*
 * How many are served at a time: not more than are zeroed in one go, and the
 * counters of a cgroup take an int.
 */
static unsigned int pcpu_bulk_max(const struct pcpu_want *want)
{
	size_t max = min(INT_MAX / pcpu_full_size_bytes(pcpu_want_object_bytes(want)),
			 PCPU_BULK_BYTES / want->size_bytes);

	return clamp_t(size_t, max, 1, PCPU_BULK_AREAS);
}

/* A batch that cannot be had: what there is of it goes. */
static void pcpu_bulk_undo(size_t nr, void __percpu **ptrs, gfp_t gfp)
{
	size_t i;

	for (i = 0; i < nr; i += PCPU_BULK_AREAS) {
		free_percpu_bulk(min_t(size_t, nr - i, PCPU_BULK_AREAS), ptrs + i);
		if (gfpflags_allow_blocking(gfp))
			cond_resched();
	}
}

/* Serve a few of a batch: charged together, and all of them or none. */
static bool pcpu_bulk_step(struct pcpu_allocator *pa, const struct pcpu_want *want,
			   unsigned int nr, void __percpu **ptrs, unsigned long caller)
{
	struct pcpu_area areas[PCPU_BULK_AREAS] __uninitialized;
	size_t sum_bytes = nr * (size_t)pcpu_want_object_bytes(want);
	struct obj_cgroup *objcg;
	unsigned int i;

	if (unlikely(pcpu_should_fail(want)) ||
	    !pcpu_memcg_charge(want->gfp, sum_bytes, &objcg))
		return false;
	if (!pcpu_bulk_take(pa, want, areas, nr)) {
		pcpu_memcg_uncharge(objcg, sum_bytes);
		return false;
	}
	for (i = 0; i < nr; i++)
		pcpu_kasan_alloc(pa, &areas[i], want);
	pcpu_bulk_zero(pa, areas, nr, pcpu_want_exact_bytes(want));
	for (i = 0; i < nr; i++)
		ptrs[i] = pcpu_object_finish(want, &areas[i], objcg, false, caller);
	return true;
}

/**
 * pcpu_alloc_bulk - allocate several objects of a size, all or none
 * @size: bytes of each copy, at most a unit
 * @align: alignment in bytes, a power of two, at most a page
 * @gfp: what may be done to get memory, as with pcpu_alloc()
 * @nr: how many
 * @ptrs: set to the objects, or to NULLs on failure; need not be initialized
 *
 * The door to it is __alloc_percpu_bulk().  As kmem_cache_alloc_bulk() does, it
 * refuses @nr of 0.  Each object is freed for itself, or by free_percpu_bulk().
 *
 * Context: as @gfp says; never NMI.  On PREEMPT_RT as pcpu_alloc().
 * Return: true if all of @ptrs are objects, false if none is
 */
bool pcpu_alloc_bulk_noprof(size_t size, size_t align, gfp_t gfp, size_t nr,
			    void __percpu **ptrs)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_want want;
	size_t nr_done = 0;
	unsigned int step;

	if (!nr)
		return false;
	if (!pcpu_want_make(pa, &want, size, align, false, gfp))
		goto fail;
	might_alloc(want.gfp);
	while (nr_done < nr) {
		step = min_t(size_t, pcpu_bulk_max(&want), nr - nr_done);
		if (!pcpu_bulk_step(pa, &want, step, ptrs + nr_done, _RET_IP_))
			goto fail;
		nr_done += step;
		if (gfpflags_allow_blocking(want.gfp))
			cond_resched();
	}
	return true;

fail:
	pcpu_bulk_undo(nr_done, ptrs, gfp);
	memset(ptrs, 0, nr * sizeof(*ptrs));
	return false;
}
EXPORT_SYMBOL_GPL(pcpu_alloc_bulk_noprof);

/* ---- free ------------------------------------------------------------------------ */

static void pcpu_refuse_free(struct pcpu_allocator *pa, void __percpu *ptr)
{
	atomic_inc(&pa->nr_bad_frees);
	WARN_ONCE(1, "percpu: refused to free %p: no live object starts there\n",
		  (void __force *)ptr);
}

/*
 * Become the one who frees an object.  No slots if there is none, or KASAN knows that
 * the pointer is of a former one.
 */
static __always_inline struct pcpu_area pcpu_object_claim(struct pcpu_allocator *pa,
							  void __percpu *ptr)
{
	struct pcpu_area area = pcpu_chunk_claim(pa, pcpu_object_addr(ptr));

	if (area.nr_slots && unlikely(!pcpu_kasan_may_free(pa, &area, ptr))) {
		pcpu_area_enliven(&area.chunk->map, area.slot);
		area.nr_slots = 0;
	}
	return area;
}

/* Claim an object for its free, and tell all who watch.  No slots if there is none. */
static __always_inline struct pcpu_area pcpu_object_retire(struct pcpu_allocator *pa,
							   void __percpu *ptr)
{
	struct pcpu_area area = pcpu_object_claim(pa, ptr);
	struct pcpu_ext *ext;
	size_t size_bytes;

	if (unlikely(!area.nr_slots)) {
		pcpu_refuse_free(pa, ptr);
		return area;
	}

	/* Ours alone from here on, and nobody else's before the release. */
	size_bytes = pcpu_kasan_free(pa, &area);
	ext = pcpu_chunk_ext(area.chunk, area.slot);
	kmemleak_free_percpu(ptr);
	trace_percpu_free_percpu((void *)area.chunk->base_addr,
				 pcpu_slots_to_bytes(area.slot), ptr);
	pcpu_tag_free(ext, size_bytes);
	pcpu_memcg_free(ext, size_bytes);
	return area;
}

/*
 * Areas were put where drains find them before this read: by atomic operations, the
 * worker clearing by one before it drains; or under a lock, that of the quarantine, which
 * the worker takes between that and its look.
 */
static __always_inline void pcpu_note_kept(struct pcpu_allocator *pa)
{
	if (unlikely(!READ_ONCE(pa->balance_drain)))
		pcpu_balance_drain_later(pa);
}

/* The rest of a free for which no bin had room. */
static noinline void pcpu_object_release(struct pcpu_allocator *pa, struct pcpu_area area)
{
	if (pcpu_cache_may_put(pa, &area) && pcpu_cache_put_slow(pa, area, true)) {
		pcpu_note_kept(pa);
		return;
	}
	pcpu_chunk_release_one(pa, area);
	pcpu_balance_after_free(pa);
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

	if (!ptr)
		return;
	area = pcpu_object_retire(pa, ptr);
	if (unlikely(!area.nr_slots))
		return;
	if (!pcpu_kasan_swap(pa, &area) || likely(pcpu_cache_try_put(pa, area)))
		pcpu_note_kept(pa);
	else
		pcpu_object_release(pa, area);
}
EXPORT_SYMBOL_GPL(free_percpu);

/**
 * free_percpu_bulk - free several percpu objects
 * @nr: how many
 * @ptrs: the objects, of any sizes, in any order; NULLs are passed over
 *
 * Each is freed as by free_percpu(), and refused for itself where it is bad.
 * Cheapest in the order in which __alloc_percpu_bulk() gave them.  It does not
 * know whether it may sleep, so who frees very many calls it for some at a time.
 *
 * Context: any but NMI; does not sleep.  On PREEMPT_RT it takes a spinlock_t.
 */
void free_percpu_bulk(size_t nr, void __percpu **ptrs)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_area areas[PCPU_BULK_AREAS] __uninitialized;
	unsigned int nr_areas = 0, nr_slots = 0;
	bool kept = false, released = false;
	size_t i;

	for (i = 0; i < nr; i++) {
		struct pcpu_area area;

		if (!ptrs[i])
			continue;
		area = pcpu_object_retire(pa, ptrs[i]);
		if (!area.nr_slots)
			continue;
		/* More come: rather than make room in a bin, let those go that find none. */
		if (!pcpu_kasan_swap(pa, &area) || pcpu_cache_put(pa, area)) {
			kept = true;
			continue;
		}
		released = true;
		nr_slots += area.nr_slots;
		areas[nr_areas] = area;
		if (++nr_areas == PCPU_BULK_AREAS ||
		    pcpu_slots_to_bytes(nr_slots) >= PCPU_BULK_BYTES) {
			pcpu_cache_release(pa, areas, nr_areas);
			nr_areas = 0;
			nr_slots = 0;
		}
	}
	if (nr_areas)
		pcpu_cache_release(pa, areas, nr_areas);
	if (kept)
		pcpu_note_kept(pa);
	if (released)
		pcpu_balance_after_free(pa);
}
EXPORT_SYMBOL_GPL(free_percpu_bulk);

/* ---- any context ------------------------------------------------------------------ */

/* The copies are zeroed with interrupts disabled, and in NMI. */
#define PCPU_NOLOCK_MAX_BYTES	SZ_4K

/*
 * Charge an area that has been found, as kmalloc_nolock() charges: without
 * __GFP_RECLAIM memory cgroups only try their locks.  Objects of the first chunk
 * are free of charge; and in NMI all are, where its figures are not safe from that.
 */
static bool pcpu_nolock_charge(const struct pcpu_want *want, const struct pcpu_area *area,
			       struct obj_cgroup **objcg)
{
	gfp_t gfp = want->gfp;

	if (!pcpu_chunk_ext(area->chunk, area->slot) ||
	    (IS_ENABLED(CONFIG_MEMCG_NMI_SAFETY_REQUIRES_ATOMIC) && in_nmi()))
		gfp &= ~__GFP_ACCOUNT;
	return pcpu_memcg_charge(gfp, pcpu_want_object_bytes(want), objcg);
}

/**
 * pcpu_alloc_nolock - allocate memory with a copy for each possible CPU in any context
 * @size: bytes of each copy, at most 4 KiB
 * @align: alignment in bytes, a power of two, at most a page
 * @gfp: 0 or __GFP_ACCOUNT; what else kmalloc_nolock() takes is implied
 *
 * The doors to it are __alloc_percpu_nolock() and alloc_percpu_nolock().  It never
 * waits for a lock and takes no pages: it uses what this CPU has at hand, or present
 * memory if the lock is free.  Failure is normal, and silent; an irq_work then sees
 * to it that more is at hand a moment later.  All copies are zeroed.  kmemleak does
 * not know of the object.
 *
 * Context: any, NMI included where cmpxchg() is safe in it.
 * Return: a percpu pointer, or NULL
 */
void __percpu *pcpu_alloc_nolock_noprof(size_t size, size_t align, gfp_t gfp)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct obj_cgroup *objcg;
	struct pcpu_want want;
	struct pcpu_area area;

	VM_WARN_ON_ONCE(gfp & ~(__GFP_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_NOMEMALLOC));
	if (in_nmi() && !IS_ENABLED(CONFIG_ARCH_HAVE_NMI_SAFE_CMPXCHG))
		return NULL;
	gfp = (gfp & __GFP_ACCOUNT) | __GFP_NOWARN | __GFP_NOMEMALLOC;
	if (size > PCPU_NOLOCK_MAX_BYTES || !pcpu_want_make(pa, &want, size, align, false, gfp))
		return NULL;
	/* Safe in any context: it takes no lock, and prints nothing with __GFP_NOWARN. */
	if (unlikely(pcpu_should_fail(&want)))
		return NULL;

	area = pcpu_nolock_get(pa, &want);
	if (!area.chunk) {
		trace_percpu_alloc_percpu_fail(false, true, size, align);
		return NULL;
	}
	/* The charge comes second, since to take it back is not safe everywhere. */
	if (!pcpu_nolock_charge(&want, &area, &objcg)) {
		pcpu_nolock_put(pa, &area, true);
		return NULL;
	}
	pcpu_kasan_alloc(pa, &area, &want);
	pcpu_zero(pa, pcpu_area_addr(&area), pcpu_want_exact_bytes(&want));
	return pcpu_object_finish(&want, &area, objcg, true, _RET_IP_);
}
EXPORT_SYMBOL_GPL(pcpu_alloc_nolock_noprof);

/* Some hook of a free has to wait: kmemleak's takes locks, and the last put of a cgroup. */
static bool pcpu_must_settle(const struct pcpu_ext *ext)
{
#ifdef CONFIG_MEMCG
	if (ext && ext->objcg)
		return true;
#endif
	return IS_ENABLED(CONFIG_DEBUG_KMEMLEAK);
}

/**
 * pcpu_object_settle - run the hooks that a free in any context has left
 * @area: what was the object, or an area that only was at hand: nothing is left then
 *
 * Context: any but NMI, no lock.
 */
void pcpu_object_settle(const struct pcpu_area *area)
{
	kmemleak_free_percpu(__addr_to_pcpu_ptr(pcpu_area_addr(area)));
	pcpu_memcg_free(pcpu_chunk_ext(area->chunk, area->slot),
			pcpu_kasan_freed_bytes(&pcpu_main, area));
}

/**
 * free_percpu_nolock - free a percpu object in any context
 * @ptr: what an allocation returned, or NULL
 *
 * Takes any object, however it was allocated, and refuses what free_percpu()
 * refuses.  It cannot fail: an object that has no place at hand, or that is
 * charged to a memory cgroup, is freed by the worker a moment later.
 *
 * Context: any, NMI included where cmpxchg() is safe in it.
 */
void free_percpu_nolock(void __percpu *ptr)
{
	struct pcpu_allocator *pa = &pcpu_main;
	struct pcpu_area area;
	struct pcpu_ext *ext;
	size_t size_bytes;

	if (!ptr)
		return;
	/* After a bug: a warning is worth the risk that its output takes locks. */
	area = pcpu_object_claim(pa, ptr);
	if (unlikely(!area.nr_slots)) {
		pcpu_refuse_free(pa, ptr);
		return;
	}
	size_bytes = pcpu_kasan_free(pa, &area);
	ext = pcpu_chunk_ext(area.chunk, area.slot);
	trace_percpu_free_percpu((void *)area.chunk->base_addr,
				 pcpu_slots_to_bytes(area.slot), ptr);
	pcpu_tag_free(ext, size_bytes);
	pcpu_nolock_put(pa, &area, !pcpu_must_settle(ext));
}
EXPORT_SYMBOL_GPL(free_percpu_nolock);

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
