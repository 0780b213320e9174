// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-range.c - ranges of address space, of any size, alignment and window
 *
 * Two trees sorted by address: what is free, where each node also knows the
 * largest range below it, and what is busy.  A request gets the lowest address
 * that fits.  Both trees change under vmap_ranges.lock, in the same hold of it;
 * the busy one is read without a lock.
 *
 * An area needs one descriptor, which its caller brings.  If the area lies in
 * the middle of a free range, what is left is two ranges, and a second
 * descriptor is needed.  See vmap_preload().
 */
#include "vmalloc-internal.h"

/* Badly aligned ranges that a search looks at before it asks for larger ones. */
#define VMAP_FIT_TRIES		8
/* Of these, if there are none larger, looked at under one hold of the lock. */
#define VMAP_FIT_BATCH		32
/* Searches of all in several holds, each of them spoilt, until one is made in a single hold. */
#define VMAP_FIT_ROUNDS		4
/* Looks at the busy tree without a lock, each spoilt by a writer, until it is taken. */
#define VMAP_FIND_TRIES		8
/* Ranges that are made free under one hold of the lock. */
#define VMAP_FREE_BATCH		32

struct vmap_ranges vmap_ranges = {
	.lock	= __SPIN_LOCK_UNLOCKED(vmap_ranges.lock),
	.seq	= SEQCNT_SPINLOCK_ZERO(vmap_ranges.seq, &vmap_ranges.lock),
	.free	= RB_ROOT,
	.busy	= RB_ROOT,
};

static struct kmem_cache *vmap_area_cache __ro_after_init;

/* ---- descriptors --------------------------------------------------- */

/* The second descriptor of the next area that lies in the middle of a range. */
static DEFINE_PER_CPU(struct vmap_area *, vmap_spare);

/* Statistics. */
static atomic_long_t nr_preload_allocs, nr_preload_hits, nr_preload_failures;

struct vmap_area *vmap_descriptor_alloc(gfp_t gfp, int node)
{
	struct vmap_area *va;

	va = kmem_cache_alloc_node(vmap_area_cache, gfp & GFP_RECLAIM_MASK, node);
	/* Addresses in it are no references to what lies there. */
	if (va)
		kmemleak_scan_area(&va->rb_node, SIZE_MAX, gfp & GFP_RECLAIM_MASK);
	return va;
}

void vmap_descriptor_free(struct vmap_area *va)
{
	kmem_cache_free(vmap_area_cache, va);
}

void vmap_descriptor_free_list(struct list_head *descriptors)
{
	struct vmap_area *va, *ahead;

	list_for_each_entry_safe(va, ahead, descriptors, list)
		vmap_descriptor_free(va);
	INIT_LIST_HEAD(descriptors);
}

/**
 * vmap_preload - get a second descriptor
 * @gfp: mask of the caller
 * @node: NUMA node, or NUMA_NO_NODE
 *
 * Called without a lock, once a search has come to a fit in the middle of a free
 * range: no other kind needs it.  The caller adds it to its list of spares and
 * searches anew; vmap_range_take() uses up what is on that list and nothing
 * else, so that it cannot be forgotten, nor taken from where there is none; and
 * it does not matter where the caller runs by then.  Ends with vmap_preload_end().
 *
 * The CPU's spare serves callers that cannot reclaim, when memory is short.
 *
 * Return: a descriptor, or NULL if there is no memory within the limits of @gfp
 */
struct vmap_area *vmap_preload(gfp_t gfp, int node)
{
	struct vmap_area *va = this_cpu_xchg(vmap_spare, NULL);

	if (va) {
		atomic_long_inc(&nr_preload_hits);
		return va;
	}
	va = vmap_descriptor_alloc(gfp, node);
	if (va)
		atomic_long_inc(&nr_preload_allocs);
	else
		atomic_long_inc(&nr_preload_failures);
	return va;
}

/**
 * vmap_preload_end - leave a spare on this CPU
 * @spares: what was not used, which is one of these
 * @gfp: mask of the caller: what is missing is allocated within its limits, if
 *	that is easy
 * @node: NUMA node, or NUMA_NO_NODE
 */
void vmap_preload_end(struct list_head *spares, gfp_t gfp, int node)
{
	struct vmap_area *va;

	if (!this_cpu_read(vmap_spare)) {
		va = list_first_entry_or_null(spares, struct vmap_area, list);
		if (va)
			list_del(&va->list);
		else
			va = vmap_descriptor_alloc((gfp & ~__GFP_NOFAIL) | __GFP_NORETRY |
						   __GFP_NOWARN, node);
		va = va ? this_cpu_xchg(vmap_spare, va) : NULL;
		if (va)		/* somebody else was here, or we are elsewhere */
			list_add(&va->list, spares);
	}
	vmap_descriptor_free_list(spares);
}

void vmap_preload_read_stats(struct vmap_space_stats *stats)
{
	stats->nr_preload_allocs = atomic_long_read(&nr_preload_allocs);
	stats->nr_preload_hits = atomic_long_read(&nr_preload_hits);
	stats->nr_preload_failures = atomic_long_read(&nr_preload_failures);
}

/* ---- the tree of what is free -------------------------------------- */

#define vmap_rb_area(node)	rb_entry(node, struct vmap_area, rb_node)

RB_DECLARE_CALLBACKS_MAX(static, vmap_free_augment, struct vmap_area, rb_node,
			 unsigned long, subtree_max_size, vmap_area_bytes)

/* The largest range in the subtree at @node. */
static unsigned long subtree_bytes(struct rb_node *node)
{
	return node ? vmap_rb_area(node)->subtree_max_size : 0;
}

/* The lowest range of at least @bytes in the subtree at @node, which has one. */
static struct vmap_area *subtree_lowest(struct rb_node *node, unsigned long bytes)
{
	for (;;) {
		if (subtree_bytes(node->rb_left) >= bytes) {
			node = node->rb_left;
			continue;
		}
		if (vmap_area_bytes(vmap_rb_area(node)) >= bytes)
			return vmap_rb_area(node);
		node = node->rb_right;
	}
}

/* The next range behind @va that has at least @bytes. */
static struct vmap_area *free_next(struct vmap_area *va, unsigned long bytes)
{
	struct rb_node *node = &va->rb_node, *child;

	for (;;) {
		if (subtree_bytes(node->rb_right) >= bytes)
			return subtree_lowest(node->rb_right, bytes);
		do {
			child = node;
			node = rb_parent(node);
			if (!node)
				return NULL;
		} while (child == node->rb_right);
		if (vmap_area_bytes(vmap_rb_area(node)) >= bytes)
			return vmap_rb_area(node);
	}
}

/* The highest range of at least @bytes in the subtree at @node, which has one. */
static struct vmap_area *subtree_highest(struct rb_node *node, unsigned long bytes)
{
	for (;;) {
		if (subtree_bytes(node->rb_right) >= bytes) {
			node = node->rb_right;
			continue;
		}
		if (vmap_area_bytes(vmap_rb_area(node)) >= bytes)
			return vmap_rb_area(node);
		node = node->rb_left;
	}
}

/* The last range before @va that has at least @bytes. */
static struct vmap_area *free_prev(struct vmap_area *va, unsigned long bytes)
{
	struct rb_node *node = &va->rb_node, *child;

	for (;;) {
		if (subtree_bytes(node->rb_left) >= bytes)
			return subtree_highest(node->rb_left, bytes);
		do {
			child = node;
			node = rb_parent(node);
			if (!node)
				return NULL;
		} while (child == node->rb_left);
		if (vmap_area_bytes(vmap_rb_area(node)) >= bytes)
			return vmap_rb_area(node);
	}
}

/* The lowest range that ends behind @addr and has at least @bytes. */
static struct vmap_area *free_first(unsigned long addr, unsigned long bytes)
{
	struct rb_node *node = vmap_ranges.free.rb_node;
	struct vmap_area *first = NULL;

	while (node) {
		if (vmap_rb_area(node)->va_end > addr) {
			first = vmap_rb_area(node);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	if (!first || vmap_area_bytes(first) >= bytes)
		return first;
	return free_next(first, bytes);
}

/* The last range that starts below @addr. */
static struct vmap_area *free_below(unsigned long addr)
{
	struct rb_node *node = vmap_ranges.free.rb_node;
	struct vmap_area *below = NULL;

	while (node) {
		if (vmap_rb_area(node)->va_start < addr) {
			below = vmap_rb_area(node);
			node = node->rb_right;
		} else {
			node = node->rb_left;
		}
	}
	return below;
}

/**
 * vmap_range_free_below - find the last free range that starts below an address
 * @addr: the address
 * @bytes: smaller ranges do not count
 *
 * Return: the range, which may reach beyond @addr, or NULL
 */
struct vmap_area *vmap_range_free_below(unsigned long addr, unsigned long bytes)
{
	struct vmap_area *below = free_below(addr);

	lockdep_assert_held(&vmap_ranges.lock);
	if (!below || vmap_area_bytes(below) >= bytes)
		return below;
	return free_prev(below, bytes);
}

/* A range has a new size. */
static void free_resized(struct vmap_area *va)
{
	vmap_free_augment_propagate(&va->rb_node, NULL);
}

static void free_erase(struct vmap_area *va)
{
	rb_erase_augmented(&va->rb_node, &vmap_ranges.free, &vmap_free_augment);
}

/*
 * Readers that have no lock may come here from the busy tree, with a descriptor that was
 * moved.  They do it all again, but must not follow what an earlier use of this one,
 * or of its memory, left in it: so that is gone before anybody comes to it.
 */
static void clear_children(struct vmap_area *va)
{
	WRITE_ONCE(va->rb_node.rb_left, NULL);
	WRITE_ONCE(va->rb_node.rb_right, NULL);
	/* Before all stores that let it be reached, those of rotations too. */
	smp_wmb();
}

static void free_insert(struct vmap_area *va)
{
	struct rb_node **link = &vmap_ranges.free.rb_node, *parent = NULL;
	unsigned long bytes = vmap_area_bytes(va);

	while (*link) {
		struct vmap_area *at = vmap_rb_area(*link);

		parent = *link;
		at->subtree_max_size = max(at->subtree_max_size, bytes);
		link = va->va_start < at->va_start ? &parent->rb_left : &parent->rb_right;
	}
	va->subtree_max_size = bytes;
	clear_children(va);
	rb_link_node(&va->rb_node, parent, link);
	rb_insert_augmented(&va->rb_node, &vmap_ranges.free, &vmap_free_augment);
}

/* Make @va free, together with free neighbours; descriptors left over go to @unused. */
static void free_merge(struct vmap_area *va, struct list_head *unused)
{
	struct vmap_area *low = free_below(va->va_start);
	struct vmap_area *high = low ? free_next(low, 1) : free_first(0, 1);
	bool joins_high = high && high->va_start == va->va_end;

	if (WARN_ONCE((low && low->va_end > va->va_start) ||
		      (high && high->va_start < va->va_end),
		      "vmalloc: %#lx-%#lx is free already\n", va->va_start, va->va_end))
		return;
	WRITE_ONCE(vmap_ranges.nr_freed, vmap_ranges.nr_freed + 1);
	if (low && low->va_end == va->va_start) {
		low->va_end = va->va_end;
		list_add(&va->list, unused);
		if (joins_high) {
			free_erase(high);
			low->va_end = high->va_end;
			list_add(&high->list, unused);
		}
		free_resized(low);
	} else if (joins_high) {
		high->va_start = va->va_start;
		list_add(&va->list, unused);
		free_resized(high);
	} else {
		free_insert(va);
	}
}

/* ---- fits ---------------------------------------------------------- */

/* Place a request as low as it can be in a free range. */
static bool fit_lowest(const struct vmap_request *req, const struct vmap_area *range,
		       struct vmap_fit *fit)
{
	unsigned long align = max(req->align_bytes, PAGE_SIZE);
	unsigned long low = max(range->va_start, req->start);
	unsigned long high = min(range->va_end, req->end);

	fit->start = ALIGN(low, align);
	fit->end = fit->start + req->size_bytes;
	/* Either sum may wrap at the end of the address space. */
	return fit->start >= low && fit->end > fit->start && fit->end <= high;
}

/*
 * Try at most @tries ranges that have @bytes, from @from on.  Where none fits, the start
 * of the fit is where to go on.
 */
static struct vmap_fit fit_try(const struct vmap_request *req, unsigned long from,
			       unsigned long bytes, unsigned int tries)
{
	struct vmap_area *range = free_first(from, bytes);
	struct vmap_fit fit = { };

	while (range && range->va_start < req->end && tries--) {
		if (fit_lowest(req, range, &fit)) {
			fit.range = range;
			return fit;
		}
		range = free_next(range, bytes);
	}
	fit.start = range ? min(range->va_start, req->end) : req->end;
	return fit;
}

/**
 * struct fit_search - a search that may take several holds of the lock
 * @from: where it goes on: at the end of the window not at all
 * @tries: ranges to look at under the next hold
 * @nr_rounds: how often all was searched in vain, while something became free
 * @nr_freed: that of vmap_ranges when it began
 */
struct fit_search {
	unsigned long from;
	unsigned int tries;
	unsigned int nr_rounds;
	unsigned long nr_freed;
};

/*
 * Nothing up to @end.  If that is the end of the window, that was all, unless something
 * became free since the search began, which may lie where it had been already.
 */
static void fit_search_on(const struct vmap_request *req, struct fit_search *search,
			  unsigned long end)
{
	search->from = end;
	search->tries = VMAP_FIT_BATCH;
	if (end < req->end || search->nr_freed == vmap_ranges.nr_freed)
		return;
	search->from = req->start;
	/* In one hold nobody can spoil it: however long it takes, it is the last one. */
	search->tries = ++search->nr_rounds < VMAP_FIT_ROUNDS ? VMAP_FIT_TRIES : UINT_MAX;
}

/*
 * The lowest place that fits; but where alignment fails in the first few ranges,
 * one that is large enough for any alignment is taken, if there is one.  If there is
 * not, the search has moved on.
 */
static struct vmap_fit fit_find(const struct vmap_request *req, struct fit_search *search)
{
	unsigned long bytes = req->size_bytes, roomy_bytes;
	struct vmap_fit fit, roomy;

	lockdep_assert_held(&vmap_ranges.lock);
	/* Without alignment only those that reach out of the window do not fit. */
	fit = fit_try(req, search->from, bytes, search->tries);
	if (fit.range)
		return fit;
	if (search->from == req->start) {
		search->nr_freed = vmap_ranges.nr_freed;
		if (!check_add_overflow(bytes, req->align_bytes, &roomy_bytes)) {
			roomy = fit_try(req, req->start, roomy_bytes, VMAP_FIT_TRIES);
			if (roomy.range)
				return roomy;
		}
	}
	fit_search_on(req, search, fit.start);
	return fit;
}

enum vmap_fit_kind vmap_fit_kind(const struct vmap_fit *fit)
{
	bool low, high;

	if (!fit->range)
		return VMAP_FIT_NONE;
	low = fit->start == fit->range->va_start;
	high = fit->end == fit->range->va_end;
	if (low)
		return high ? VMAP_FIT_EXACT : VMAP_FIT_LOW;
	return high ? VMAP_FIT_HIGH : VMAP_FIT_MIDDLE;
}

/**
 * vmap_range_take - cut a place out of the free range that it lies in
 * @fit: the place
 * @spares: descriptors; has one if the fit is VMAP_FIT_MIDDLE, which uses it up.
 *	VMAP_FIT_EXACT adds one.
 */
void vmap_range_take(const struct vmap_fit *fit, struct list_head *spares)
{
	enum vmap_fit_kind kind = vmap_fit_kind(fit);
	struct vmap_area *range = fit->range, *high;

	lockdep_assert_held(&vmap_ranges.lock);
	vmap_ranges.nr_fits[kind]++;
	switch (kind) {
	case VMAP_FIT_EXACT:
		free_erase(range);
		list_add(&range->list, spares);
		return;
	case VMAP_FIT_LOW:
		range->va_start = fit->end;
		break;
	case VMAP_FIT_MIDDLE:
		high = list_first_entry(spares, struct vmap_area, list);
		list_del(&high->list);
		high->va_start = fit->end;
		high->va_end = range->va_end;
		range->va_end = fit->start;
		free_resized(range);
		free_insert(high);
		return;
	case VMAP_FIT_HIGH:
		range->va_end = fit->start;
		break;
	default:
		return;
	}
	free_resized(range);
}

/* ---- the tree of what is busy -------------------------------------- */

/**
 * vmap_range_link - let an area be found
 * @va: the area, all of its fields set
 */
void vmap_range_link(struct vmap_area *va)
{
	struct rb_node **link = &vmap_ranges.busy.rb_node, *parent = NULL;

	lockdep_assert_held(&vmap_ranges.lock);
	while (*link) {
		parent = *link;
		link = va->va_start < vmap_rb_area(parent)->va_start ?
			&parent->rb_left : &parent->rb_right;
	}
	clear_children(va);
	write_seqcount_begin(&vmap_ranges.seq);
	rb_link_node_rcu(&va->rb_node, parent, link);
	rb_insert_color(&va->rb_node, &vmap_ranges.busy);
	write_seqcount_end(&vmap_ranges.seq);
}

/**
 * vmap_range_unlink_area - let an area be found no more
 * @va: the area
 */
void vmap_range_unlink_area(struct vmap_area *va)
{
	lockdep_assert_held(&vmap_ranges.lock);
	write_seqcount_begin(&vmap_ranges.seq);
	rb_erase(&va->rb_node, &vmap_ranges.busy);
	write_seqcount_end(&vmap_ranges.seq);
}

/* Descriptors may be used anew at any time, but stay descriptors (RCU). */
static struct vmap_area *busy_at(unsigned long addr)
{
	struct rb_node *node = rcu_dereference_raw(vmap_ranges.busy.rb_node);

	while (node) {
		struct vmap_area *va = vmap_rb_area(node);

		if (addr < READ_ONCE(va->va_start))
			node = rcu_dereference_raw(node->rb_left);
		else if (addr >= READ_ONCE(va->va_end))
			node = rcu_dereference_raw(node->rb_right);
		else
			return va;
	}
	return NULL;
}

/**
 * vmap_range_find - find the busy range at an address, without a lock unless many write
 * @addr: the address
 *
 * Return: an area or a segment, or NULL. It stays what it is as long as the
 * caller knows that nobody frees it.
 */
struct vmap_area *vmap_range_find(unsigned long addr)
{
	unsigned int seq, nr_tries = VMAP_FIND_TRIES;
	struct vmap_area *va;

	guard(rcu)();
	while (nr_tries--) {
		seq = read_seqcount_begin(&vmap_ranges.seq);
		va = busy_at(addr);
		if (!read_seqcount_retry(&vmap_ranges.seq, seq))
			return va;
	}
	/* Where many CPUs write without a pause, a reader would never come to an end. */
	guard(spinlock)(&vmap_ranges.lock);
	return busy_at(addr);
}

/**
 * vmap_range_next - find the lowest busy range that ends behind an address
 * @addr: the address
 *
 * Return: an area or a segment, or NULL
 */
struct vmap_area *vmap_range_next(unsigned long addr)
{
	struct rb_node *node = vmap_ranges.busy.rb_node;
	struct vmap_area *next = NULL;

	lockdep_assert_held(&vmap_ranges.lock);
	while (node) {
		if (vmap_rb_area(node)->va_end > addr) {
			next = vmap_rb_area(node);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return next;
}

/**
 * vmap_range_unlink - take the area at an address out of the busy tree
 * @addr: the address
 *
 * Return: the area, or NULL if there is none
 */
struct vmap_area *vmap_range_unlink(unsigned long addr)
{
	struct vmap_area *va;

	spin_lock(&vmap_ranges.lock);
	va = busy_at(addr);
	if (va && (va->flags & VMAP_SEGMENT))
		va = NULL;
	if (va)
		vmap_range_unlink_area(va);
	spin_unlock(&vmap_ranges.lock);
	return va;
}

/* ---- allocate and free --------------------------------------------- */

/* All that says where it lies, before it can be found. */
static void set_place(const struct vmap_request *req, struct vmap_area *va,
		      const struct vmap_fit *fit)
{
	va->va_start = fit->start;
	va->va_end = fit->end;
	if (req->vm) {
		req->vm->addr = (void *)fit->start;
		req->vm->size = req->size_bytes;
	}
	if (va->flags & VMAP_SEGMENT)
		vmap_area_segment(va)->start = fit->start;
}

/*
 * Find, take and link, under one hold of the lock.  Returns VMAP_FIT_MIDDLE if that
 * needs a spare that is not there, VMAP_FIT_NONE if the search has to go on, or
 * another where it is done.
 */
static enum vmap_fit_kind range_try(const struct vmap_request *req, struct fit_search *search,
				    struct vmap_area *va, struct list_head *spares)
{
	enum vmap_fit_kind kind;
	struct vmap_fit fit;

	spin_lock(&vmap_ranges.lock);
	fit = fit_find(req, search);
	kind = vmap_fit_kind(&fit);
	if (kind != VMAP_FIT_NONE && (kind != VMAP_FIT_MIDDLE || !list_empty(spares))) {
		vmap_range_take(&fit, spares);
		set_place(req, va, &fit);
		vmap_range_link(va);
		kind = VMAP_FIT_EXACT;
	}
	spin_unlock(&vmap_ranges.lock);
	return kind;
}

/**
 * vmap_range_alloc - take a busy range
 * @req: what is wanted
 * @va: its descriptor, all set but for the addresses. Can be found afterwards.
 *
 * Return: 0, -ENOENT if nothing fits, -ENOMEM if a descriptor was missing
 */
int vmap_range_alloc(const struct vmap_request *req, struct vmap_area *va)
{
	struct fit_search search = { .from = req->start, .tries = VMAP_FIT_TRIES };
	enum vmap_fit_kind kind;
	struct vmap_area *spare;
	LIST_HEAD(spares);
	bool split = false;

	for (;;) {
		kind = range_try(req, &search, va, &spares);
		if (kind == VMAP_FIT_NONE && search.from < req->end) {
			if (gfpflags_allow_blocking(req->gfp))
				cond_resched();
			continue;
		}
		if (kind != VMAP_FIT_MIDDLE)
			break;
		spare = vmap_preload(req->gfp, req->node);
		if (!spare)
			return -ENOMEM;
		list_add(&spare->list, &spares);
		split = true;
	}
	if (split || !list_empty(&spares))
		vmap_preload_end(&spares, req->gfp, req->node);
	return kind == VMAP_FIT_NONE ? -ENOENT : 0;
}

/**
 * vmap_range_free_some - make a few areas free, as many as one hold of the lock is for
 * @areas: linked by their list, not in the busy tree, no TLB knows them. Those that are
 *	free now are gone from it.
 *
 * Return: false if these were all
 */
bool vmap_range_free_some(struct list_head *areas)
{
	unsigned int nr = VMAP_FREE_BATCH;
	struct vmap_area *va;
	LIST_HEAD(unused);

	if (list_empty(areas))
		return false;
	spin_lock(&vmap_ranges.lock);
	while (nr-- && !list_empty(areas)) {
		va = list_first_entry(areas, struct vmap_area, list);
		list_del(&va->list);
		free_merge(va, &unused);
	}
	spin_unlock(&vmap_ranges.lock);
	vmap_descriptor_free_list(&unused);
	return !list_empty(areas);
}

/**
 * vmap_range_free - make areas free, without a pause
 * @areas: as above; few of them
 */
void vmap_range_free(struct list_head *areas)
{
	while (vmap_range_free_some(areas))
		;
}

/* ---- boot ---------------------------------------------------------- */

/* @vm is NULL for a free range. */
static void __init early_range(unsigned long start, unsigned long end, struct vm_struct *vm)
{
	struct vmap_area *va;

	if (start >= end)
		return;
	va = vmap_descriptor_alloc(GFP_NOWAIT, NUMA_NO_NODE);
	if (WARN_ON_ONCE(!va))
		return;
	va->va_start = start;
	va->va_end = end;
	va->flags = 0;
	va->vm = vm;
	spin_lock(&vmap_ranges.lock);
	if (vm)
		vmap_range_link(va);
	else
		free_insert(va);
	spin_unlock(&vmap_ranges.lock);
}

/**
 * vmap_range_init - import what was taken before, and make the rest free
 * @early_list: areas of early boot, by address
 */
void __init vmap_range_init(struct vm_struct *early_list)
{
	unsigned long free_start = 1, start;	/* nothing lies at NULL */
	struct vm_struct *vm;
	unsigned int cpu;

	/* Readers walk the busy tree under RCU. */
	vmap_area_cache = kmem_cache_create("vmap_area", sizeof(struct vmap_area), 0,
					    SLAB_PANIC | SLAB_TYPESAFE_BY_RCU, NULL);
	for (vm = early_list; vm; vm = vm->next) {
		start = (unsigned long)vm->addr;
		early_range(free_start, start, NULL);
		early_range(start, start + vm->size, vm);
		free_start = start + vm->size;
	}
	early_range(free_start, ULONG_MAX, NULL);
	for_each_possible_cpu(cpu)
		per_cpu(vmap_spare, cpu) = vmap_descriptor_alloc(GFP_NOWAIT, NUMA_NO_NODE);
}
