// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-percpu.c - congruent areas, for the chunks of the percpu allocator
 *
 * A chunk has an area for each group of CPUs, at the same distances from each
 * other as in every other chunk.  They are sought from the top of the vmalloc
 * window downwards, away from everybody else, and are taken all or none under
 * one hold of the lock of the ranges.
 *
 * Each of these areas may lie in the middle of a free range, and then needs a
 * second descriptor.  How many do is known once a place was found; what is
 * missing is allocated without the lock, and the search repeated.  Those of the
 * usual chunk lie at the end of free ranges and need none.
 */
#include "vmalloc-internal.h"

#ifdef CONFIG_SMP

/* Looks under one hold of the lock, which then ends where the base is lowered next. */
#define CONGRUENT_BATCH		32
/* Searches from the top in several holds, each of them spoilt, until one is in a single hold. */
#define CONGRUENT_ROUNDS	4

/**
 * struct congruent - areas that are sought
 * @offsets: of each, from the base
 * @bytes: size of each
 * @nr: how many
 * @last: which one has the highest offset
 * @align: of the base, and of all offsets and sizes
 * @gfp: mask of the caller
 * @from_top: the search begins at the top of the window
 * @base: where they may lie: since the search began, there was no place above when it
 *	was there
 * @nr_freed: that of vmap_ranges when the search began
 * @nr_rounds: searches that found nothing, while something became free
 * @areas: their descriptors
 * @vms: what the caller gets
 * @spares: second descriptors
 * @nr_spares: how many
 * @nr_splits: how many are needed, as the last search says
 */
struct congruent {
	const unsigned long *offsets;
	const size_t *bytes;
	int nr;
	int last;
	size_t align;
	gfp_t gfp;
	bool from_top;
	unsigned long base;
	unsigned long nr_freed;
	unsigned int nr_rounds;
	struct vmap_area **areas;
	struct vm_struct **vms;
	struct list_head spares;
	int nr_spares;
	int nr_splits;
};

static unsigned long span_bytes(const struct congruent *con)
{
	return con->offsets[con->last] + con->bytes[con->last];
}

/* ---- what is asked for --------------------------------------------- */

/* Finds the last area, too. */
static bool check_areas(struct congruent *con)
{
	unsigned long start, end;
	int i, j;

	if (WARN_ON(offset_in_page(con->align) || !is_power_of_2(con->align)))
		return false;
	for (i = 0; i < con->nr; i++) {
		start = con->offsets[i];
		end = start + con->bytes[i];
		if (WARN_ON(!IS_ALIGNED(start | end, con->align)))
			return false;
		if (start > con->offsets[con->last])
			con->last = i;
		for (j = i + 1; j < con->nr; j++)
			if (WARN_ON(con->offsets[j] < end &&
				    start < con->offsets[j] + con->bytes[j]))
				return false;
	}
	return !WARN_ON(ALIGN_DOWN(VMALLOC_END, con->align) -
			ALIGN(VMALLOC_START, con->align) < span_bytes(con));
}

static void free_memory(struct congruent *con)
{
	int i;

	for (i = 0; i < con->nr && con->areas && con->vms; i++) {
		if (con->areas[i])
			vmap_descriptor_free(con->areas[i]);
		kfree(con->vms[i]);
	}
	kfree(con->areas);
	kfree(con->vms);
}

static bool get_memory(struct congruent *con)
{
	int i;

	con->areas = kcalloc(con->nr, sizeof(*con->areas), con->gfp);
	con->vms = kcalloc(con->nr, sizeof(*con->vms), con->gfp);
	if (!con->areas || !con->vms)
		return false;
	for (i = 0; i < con->nr; i++) {
		con->areas[i] = vmap_descriptor_alloc(con->gfp, NUMA_NO_NODE);
		con->vms[i] = kzalloc_obj(struct vm_struct, con->gfp);
		if (!con->areas[i] || !con->vms[i])
			return false;
	}
	return true;
}

/* ---- the search ---------------------------------------------------- */

static void start_from_top(struct congruent *con)
{
	con->from_top = false;
	con->base = ALIGN_DOWN(VMALLOC_END, con->align) - span_bytes(con);
	con->nr_freed = vmap_ranges.nr_freed;
}

/* That was all, unless something became free meanwhile, above the base perhaps. */
static int search_failed(struct congruent *con)
{
	if (con->nr_freed == vmap_ranges.nr_freed)
		return -ENOENT;
	con->from_top = true;
	con->nr_rounds++;
	return -EBUSY;
}

/*
 * The base if area @i lies in one free range there; else a lower one, with no place for
 * this area in between; 0: there is none.
 */
static unsigned long lower_base(const struct congruent *con, int i)
{
	unsigned long offset = con->offsets[i], bytes = con->bytes[i];
	unsigned long end = con->base + offset + bytes;
	struct vmap_area *range = vmap_range_free_below(end, bytes);

	if (!range)
		return 0;
	end = ALIGN_DOWN(min(end, range->va_end), con->align);
	if (end < range->va_start + bytes)
		end = ALIGN_DOWN(range->va_start, con->align);
	/* Below offset + bytes there is no base. */
	return end < offset + bytes ? 0 : end - offset - bytes;
}

/*
 * From the top down: whoever does not fit pulls the base down, until all fit.  0, -ENOENT,
 * or -EBUSY if others should have the lock before it goes on.
 */
static int find_base(struct congruent *con)
{
	unsigned long low = ALIGN(VMALLOC_START, con->align), lower;
	/* In one hold nobody can spoil it, and however long it takes, it is the last one. */
	bool all = con->nr_rounds >= CONGRUENT_ROUNDS;
	int i = con->last, nr_fit = 0, nr_looks = 0;

	if (con->from_top)
		start_from_top(con);
	while (nr_fit < con->nr) {
		lower = lower_base(con, i);
		nr_looks++;
		if (lower < low)
			return search_failed(con);
		if (lower == con->base) {
			nr_fit++;
			i = i ? i - 1 : con->nr - 1;
			continue;
		}
		con->base = lower;
		nr_fit = 0;
		if (nr_looks >= CONGRUENT_BATCH && !all)
			return -EBUSY;
	}
	return 0;
}

static struct vmap_fit fit_of(const struct congruent *con, int i)
{
	struct vmap_fit fit = { .start = con->base + con->offsets[i] };

	fit.end = fit.start + con->bytes[i];
	fit.range = vmap_range_free_below(fit.end, con->bytes[i]);
	return fit;
}

/* ---- all or none --------------------------------------------------- */

static void take_areas(struct congruent *con)
{
	struct vmap_area *va;
	struct vm_struct *vm;
	struct vmap_fit fit;
	int i;

	for (i = 0; i < con->nr; i++) {
		fit = fit_of(con, i);
		vmap_range_take(&fit, &con->spares);
		va = con->areas[i];
		vm = con->vms[i];
		va->va_start = fit.start;
		va->va_end = fit.end;
		va->flags = 0;
		va->vm = vm;
		vm->flags = VM_ALLOC | VM_NO_GUARD;
		vm->addr = (void *)fit.start;
		vm->size = con->bytes[i];
		vm->requested_size = con->bytes[i];
		vm->caller = pcpu_get_vm_areas;
		vmap_range_link(va);
	}
}

/*
 * Each area in the middle of a free range may split it.  One at its end stays at the end
 * of what others leave of the range, so it never does, whatever is taken before it.
 */
static int count_splits(const struct congruent *con)
{
	struct vmap_fit fit;
	int i, nr = 0;

	for (i = 0; i < con->nr; i++) {
		fit = fit_of(con, i);
		nr += vmap_fit_kind(&fit) == VMAP_FIT_MIDDLE;
	}
	return nr;
}

/* As find_base(), or -EAGAIN if spares are missing. */
static int try_areas(struct congruent *con)
{
	int ret;

	guard(spinlock)(&vmap_ranges.lock);
	ret = find_base(con);
	if (ret)
		return ret;
	con->nr_splits = count_splits(con);
	if (con->nr_spares < con->nr_splits)
		return -EAGAIN;
	take_areas(con);
	return 0;
}

static bool get_spares(struct congruent *con)
{
	struct vmap_area *va;

	while (con->nr_spares < con->nr_splits) {
		va = vmap_preload(con->gfp, NUMA_NO_NODE);
		if (!va)
			return false;
		list_add(&va->list, &con->spares);
		con->nr_spares++;
	}
	return true;
}

/* One try after the other, for as long as that may help. */
static int try_from_top(struct congruent *con)
{
	int ret;

	con->from_top = true;
	con->nr_rounds = 0;
	for (;;) {
		ret = try_areas(con);
		if (ret == -EAGAIN && !get_spares(con))
			return -ENOMEM;
		if (ret != -EAGAIN && ret != -EBUSY)
			return ret;
		if (gfpflags_allow_blocking(con->gfp))
			cond_resched();
	}
}

static bool find_and_take(struct congruent *con)
{
	unsigned int nr_tries = 0;
	int ret;

	ret = try_from_top(con);
	if (ret == -ENOENT && gfpflags_allow_blocking(con->gfp)) {
		vmap_purge_make_room(&nr_tries, 1);
		ret = try_from_top(con);
	}
	return !ret;
}

static bool populate_shadow(struct congruent *con)
{
	int i;

	for (i = 0; i < con->nr; i++)
		if (kasan_populate_vmalloc(con->areas[i]->va_start, con->bytes[i], con->gfp))
			return false;
	return true;
}

/* Shadow of what was populated stays with the addresses, for the next user. */
static void give_areas(struct congruent *con)
{
	LIST_HEAD(areas);
	int i;

	spin_lock(&vmap_ranges.lock);
	for (i = 0; i < con->nr; i++) {
		vmap_range_unlink_area(con->areas[i]);
		list_add(&con->areas[i]->list, &areas);
		con->areas[i] = NULL;
	}
	spin_unlock(&vmap_ranges.lock);
	vmap_range_free(&areas);
}

/**
 * pcpu_get_vm_areas - allocate congruent areas of address space
 * @offsets: of each area, from a base that is the same for all
 * @sizes: of each area, in bytes
 * @nr_vms: number of areas
 * @align: alignment of the base; all offsets and sizes are multiples of it
 * @gfp: limits for descriptors and KASAN's shadow
 *
 * Without guard pages. Nothing is mapped yet.
 *
 * Return: an array of @nr_vms areas for pcpu_free_vm_areas(), or NULL
 */
struct vm_struct **pcpu_get_vm_areas(const unsigned long *offsets, const size_t *sizes,
				     int nr_vms, size_t align, gfp_t gfp)
{
	struct congruent con = {
		.offsets = offsets, .bytes = sizes, .nr = nr_vms, .align = align, .gfp = gfp,
		.spares = LIST_HEAD_INIT(con.spares),
	};
	bool taken;

	if (!check_areas(&con))
		return NULL;
	taken = get_memory(&con) && find_and_take(&con);
	/* Among what a failure leaves is the spare of a CPU. */
	if (taken || !list_empty(&con.spares))
		vmap_preload_end(&con.spares, gfp, NUMA_NO_NODE);
	if (!taken)
		goto fail;
	if (!populate_shadow(&con)) {
		give_areas(&con);
		goto fail;
	}
	/* What has HW tags is not VM_ALLOC alone; see __kasan_unpoison_vmalloc(). */
	kasan_unpoison_vmap_areas(con.vms, nr_vms, KASAN_VMALLOC_PROT_NORMAL);
	kfree(con.areas);
	return con.vms;
fail:
	free_memory(&con);
	return NULL;
}

/**
 * pcpu_free_vm_areas - free congruent areas
 * @vms: what pcpu_get_vm_areas() gave
 * @nr_vms: number of areas
 */
void pcpu_free_vm_areas(struct vm_struct **vms, int nr_vms)
{
	int i;

	for (i = 0; i < nr_vms; i++)
		free_vm_area(vms[i]);
	kfree(vms);
}

#endif /* CONFIG_SMP */
