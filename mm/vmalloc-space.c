// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-space.c - the door to the address space: allocate, find, unlink, free
 *
 * An area is taken from a segment if one serves it, else from the ranges.  Which
 * of the two it is shows in VMAP_IN_SEGMENT, and nobody above needs to know.
 *
 * May be called from tasks only.  Without __GFP_DIRECT_RECLAIM nothing here
 * sleeps, and nothing is purged.
 */
#define CREATE_TRACE_POINTS
#include <trace/events/vmalloc.h>

#include "vmalloc-internal.h"

/* Lazy ranges that are visited under one hold of a node's lock. */
#define VMAP_LAZY_RANGES	128
/* Searches of all ranges and segments, each of them spoilt, until there is no room. */
#define VMAP_SEARCH_ROUNDS	16
/* Purges for one request, if it may lie anywhere, before the notifiers are asked. */
#define VMAP_PURGE_TRIES	8

static bool vmap_initialized __ro_after_init;

static unsigned long untagged(unsigned long addr)
{
	return (unsigned long)kasan_reset_tag((void *)addr);
}

/* ---- allocate ------------------------------------------------------ */

static struct vmap_area *alloc_in_ranges(const struct vmap_request *req)
{
	struct vmap_area *va = vmap_descriptor_alloc(req->gfp, req->node);
	int ret;

	if (!va)
		return ERR_PTR(-ENOMEM);
	va->flags = req->va_flags;
	va->vm = req->vm;
	ret = vmap_range_alloc(req, va);
	if (!ret)
		return va;
	vmap_descriptor_free(va);
	return ERR_PTR(ret);
}

/* What became free so far; not where. */
static unsigned long nr_freed(void)
{
	return READ_ONCE(vmap_ranges.nr_freed) + vmap_segment_nr_freed();
}

/*
 * In ranges and in segments of whatever node.  No lock is held from the first look to
 * the last, so if something became free meanwhile, it may lie where all was taken
 * before, and what is taken now may have been free: look again.
 */
static struct vmap_area *alloc_anywhere(const struct vmap_request *req)
{
	bool may_block = gfpflags_allow_blocking(req->gfp);
	unsigned int nr_rounds = VMAP_SEARCH_ROUNDS;
	struct vmap_area *va;
	unsigned long nr;

	for (;;) {
		nr = nr_freed();
		va = alloc_in_ranges(req);
		/* That alone misses nothing. */
		if (!IS_ERR(va) || !vmap_segments_serve(req))
			return va;
		/* For want of memory, too: in a segment it takes less. */
		va = vmap_segment_alloc_window(req) ?: va;
		if (va != ERR_PTR(-ENOENT) || nr == nr_freed() || !--nr_rounds)
			return va;
		if (may_block)
			cond_resched();
	}
}

static void trace_alloc(const struct vmap_request *req, const struct vmap_area *va)
{
	trace_alloc_vmap_area(IS_ERR(va) ? (unsigned long)va : va->va_start, req->size_bytes,
			      req->align_bytes, req->start, req->end, IS_ERR(va));
}

static void warn_no_room(const struct vmap_request *req)
{
	if (!(req->gfp & __GFP_NOWARN))
		pr_warn_ratelimited("vmalloc: no %lu bytes of address space between %#lx and %#lx\n",
				    req->size_bytes, req->start, req->end);
}

/* The segments of this CPU's node have no room, nor is there any for another one. */
static noinline struct vmap_area *alloc_or_make_room(const struct vmap_request *req)
{
	struct vmap_area *va = NULL;
	unsigned int nr_tries = 0, most_tries = 1;

	/* In a window that is full, most of what a purge gives back is of no use. */
	if (req->start == VMALLOC_START && req->end == VMALLOC_END)
		most_tries = VMAP_PURGE_TRIES;
	while (!va) {
		va = alloc_anywhere(req);
		trace_alloc(req, va);
		if (va != ERR_PTR(-ENOENT))
			return va;
		if (!gfpflags_allow_blocking(req->gfp))
			return ERR_PTR(-EBUSY);
		cond_resched();
		if (!vmap_purge_make_room(&nr_tries, most_tries)) {
			warn_no_room(req);
			return ERR_PTR(-EBUSY);
		}
		va = vmap_segment_alloc(req);
	}
	trace_alloc(req, va);
	return va;
}

/**
 * vmap_space_alloc - allocate an area of address space
 * @req: what is wanted
 *
 * The area can be found when this returns. KASAN's shadow is there.
 *
 * Return: the area, or ERR_PTR(): -EINVAL for a size or alignment that is none,
 * -EBUSY without address space or in early boot, -ENOMEM without memory
 */
struct vmap_area *vmap_space_alloc(const struct vmap_request *req)
{
	struct vmap_area *va;
	int ret;

	if (unlikely(!req->size_bytes || offset_in_page(req->size_bytes) ||
		     !is_power_of_2(req->align_bytes)))
		return ERR_PTR(-EINVAL);
	if (unlikely(!vmap_initialized))
		return ERR_PTR(-EBUSY);
	might_alloc(req->gfp);

	va = vmap_segment_alloc(req);
	if (likely(va))
		trace_alloc(req, va);
	else
		va = alloc_or_make_room(req);
	if (IS_ERR(va))
		return va;
	ret = kasan_populate_vmalloc(va->va_start, req->size_bytes,
				     req->gfp & GFP_RECLAIM_MASK);
	if (!ret)
		return va;
	va = vmap_space_unlink(va->va_start);
	if (va)
		vmap_space_free_unmapped(va);
	return ERR_PTR(ret);
}

/* ---- find ---------------------------------------------------------- */

/**
 * vmap_space_find - find the area at an address
 * @addr: any address in it, tagged or not
 *
 * Return: the area, or NULL. It stays as long as the caller knows that nobody
 * unlinks it.
 */
struct vmap_area *vmap_space_find(unsigned long addr)
{
	struct vmap_segment *seg;
	struct vmap_area *va;

	if (unlikely(!vmap_initialized))
		return NULL;
	addr = untagged(addr);
	guard(rcu)();
	seg = vmap_segment_at(addr);
	if (seg) {
		spin_lock(&seg->node->lock);
		va = vmap_segment_find(seg, addr);
		spin_unlock(&seg->node->lock);
		return va;
	}
	va = vmap_range_find(addr);
	return va && !(va->flags & VMAP_SEGMENT) ? va : NULL;
}

/**
 * vmap_space_unlink - find the area at an address, for the last time
 * @addr: any address in it, tagged or not
 *
 * Return: the area, which is the caller's from now on; or NULL
 */
struct vmap_area *vmap_space_unlink(unsigned long addr)
{
	struct vmap_segment *seg;
	struct vmap_area *va;

	if (unlikely(!vmap_initialized))
		return NULL;
	addr = untagged(addr);
	guard(rcu)();
	seg = vmap_segment_at(addr);
	if (!seg)
		return vmap_range_unlink(addr);
	spin_lock(&seg->node->lock);
	va = vmap_segment_unlink(seg, addr);
	spin_unlock(&seg->node->lock);
	return va;
}

/**
 * vmap_space_peek - look at the area at an address, from any context but NMI
 * @addr: any address in it, tagged or not
 * @fn: called with a spinlock held
 * @data: for @fn
 *
 * Return: false if there is none, or if that cannot be said without waiting
 */
bool vmap_space_peek(unsigned long addr, vmap_area_fn fn, void *data)
{
	struct vmap_segment *seg;
	struct vmap_area *va;
	spinlock_t *lock;	/* N or L */

	if (unlikely(!vmap_initialized))
		return false;
	addr = untagged(addr);
	guard(rcu)();
	seg = vmap_segment_at(addr);
	lock = seg ? &seg->node->lock : &vmap_ranges.lock;
	if (!spin_trylock(lock))
		return false;
	if (seg) {
		va = vmap_segment_find(seg, addr);
	} else {
		va = vmap_range_next(addr);
		if (va && (va->va_start > addr || (va->flags & VMAP_SEGMENT)))
			va = NULL;
	}
	if (va)
		fn(va, data);
	spin_unlock(lock);
	return va;
}

/**
 * struct vmap_walk - a walk in progress
 * @addr: areas that end behind this address are left
 * @fn: called for each, with a spinlock held
 * @data: for @fn
 * @ret: what @fn returned last, or 0
 */
struct vmap_walk {
	unsigned long addr;
	vmap_area_fn fn;
	void *data;
	int ret;
};

/*
 * The next range, if there is one: visit it where it is an area, else say which
 * segment it is.
 */
static bool walk_range(struct vmap_walk *walk, struct vmap_segment **seg)
{
	struct vmap_area *va;

	guard(spinlock)(&vmap_ranges.lock);
	va = vmap_range_next(walk->addr);
	if (!va)
		return false;
	if (va->flags & VMAP_SEGMENT) {
		*seg = vmap_area_segment(va);
		return true;
	}
	walk->ret = walk->fn(va, walk->data);
	walk->addr = va->va_end;
	return true;
}

/* In segments no lock is needed but their node's. */
static bool walk_step(struct vmap_walk *walk)
{
	struct vmap_segment *seg;

	guard(rcu)();
	seg = vmap_segment_at(walk->addr);
	if (!seg && !walk_range(walk, &seg))
		return false;
	if (seg) {
		walk->ret = vmap_segment_walk(seg, walk->addr, walk->fn, walk->data);
		walk->addr = seg->start + vmap_class_bytes(seg->class);
	}
	return !walk->ret;
}

/**
 * vmap_space_walk - visit areas that can be found, by address
 * @addr: areas that end behind this address
 * @fn: called with a spinlock held, so it must not sleep; not 0 ends the walk
 * @data: for @fn
 *
 * May sleep, but not where @fn is called. Areas that come or go meanwhile may be missed.
 *
 * Return: what @fn returned last, or 0
 */
int vmap_space_walk(unsigned long addr, vmap_area_fn fn, void *data)
{
	struct vmap_walk walk = { .addr = untagged(addr), .fn = fn, .data = data };

	if (unlikely(!vmap_initialized))
		return 0;
	while (walk_step(&walk))
		cond_resched();
	return walk.ret;
}

/* Let others have the lock.  What is lazy stays, as only a purge makes it something else. */
static void let_others_in(struct vmap_node *vn)
{
	lockdep_assert_held(&vmap_purge_lock);
	spin_unlock(&vn->lock);
	cond_resched();
	spin_lock(&vn->lock);
}

static void walk_lazy_node(struct vmap_node *vn, vmap_lazy_fn fn, void *data)
{
	struct vmap_segment *seg;
	struct vmap_area *va;
	unsigned int nr = 0;

	spin_lock(&vn->lock);
	list_for_each_entry(va, &vn->lazy_ranges, list) {
		fn(va->va_start, va->va_end, data);
		if (++nr % VMAP_LAZY_RANGES == 0)
			let_others_in(vn);
	}
	/* A segment has up to half as many as it has granules. */
	list_for_each_entry(seg, &vn->lazy_segments, lazy_link) {
		vmap_segment_walk_lazy(seg, fn, data);
		let_others_in(vn);
	}
	spin_unlock(&vn->lock);
}

/**
 * vmap_space_walk_lazy - visit what was freed and waits for a purge
 * @fn: called with a spinlock held
 * @data: for @fn
 *
 * May sleep. No purge runs meanwhile, so nothing is visited twice.
 */
void vmap_space_walk_lazy(vmap_lazy_fn fn, void *data)
{
	struct vmap_node *vn;

	might_sleep();
	guard(mutex)(&vmap_purge_lock);
	for_each_vmap_node(vn)
		walk_lazy_node(vn, fn, data);
}

/* ---- free ---------------------------------------------------------- */

/**
 * vmap_space_free - free an area whose page table entries have been cleared
 * @va: the area, unlinked
 */
void vmap_space_free(struct vmap_area *va)
{
	unsigned long addr = va->va_start;
	struct vmap_node *vn;

	if (va->flags & VMAP_IN_SEGMENT) {
		va = vmap_segment_free(va, true);
		if (va)
			vmap_descriptor_free(va);
	} else {
		vn = vmap_this_node();
		spin_lock(&vn->lock);
		vmap_purge_note_lazy(vn, vmap_area_bytes(va) >> PAGE_SHIFT);
		list_add(&va->list, &vn->lazy_ranges);
		spin_unlock(&vn->lock);
	}
	if (trace_free_vmap_area_noflush_enabled())
		vmap_purge_trace_free(addr);
}

/**
 * vmap_space_free_unmapped - free an area where nothing was ever mapped
 * @va: the area, unlinked
 */
void vmap_space_free_unmapped(struct vmap_area *va)
{
	LIST_HEAD(areas);

	if (va->flags & VMAP_IN_SEGMENT) {
		va = vmap_segment_free(va, false);
		if (va)
			vmap_descriptor_free(va);
		return;
	}
	list_add(&va->list, &areas);
	vmap_range_free(&areas);
}

/* ---- boot, statistics ---------------------------------------------- */

/**
 * vmap_space_init - take over address space
 * @early_list: areas of early boot, sorted by address
 */
void __init vmap_space_init(struct vm_struct *early_list)
{
	vmap_range_init(early_list);
	vmap_segment_init();
	vmap_initialized = true;
	vmap_purge_init();
}

/**
 * vmap_space_read_stats - count
 * @stats: gets all figures, each right at some time during the call
 */
void vmap_space_read_stats(struct vmap_space_stats *stats)
{
	struct vmap_node *vn;
	unsigned int kind;

	memset(stats, 0, sizeof(*stats));
	if (!vmap_initialized)
		return;
	for (kind = 0; kind < VMAP_NR_FITS; kind++)
		stats->nr_fits[kind] = READ_ONCE(vmap_ranges.nr_fits[kind]);
	for_each_vmap_node(vn) {
		stats->nr_in_segments += READ_ONCE(vn->nr_areas);
		stats->nr_segments += READ_ONCE(vn->nr_segments);
	}
	vmap_preload_read_stats(stats);
	vmap_purge_read_stats(stats);
}
