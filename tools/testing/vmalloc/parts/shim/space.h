/* SPDX-License-Identifier: GPL-2.0 */
/*
 * space.h - an address space that is plain to see
 *
 * One byte for each page says whether it belongs to an area, is mapped, and may be
 * in a TLB.  First fit; what was freed can be had again after a purge.
 */
#ifndef SHIM_SPACE_H
#define SHIM_SPACE_H

#define VMALLOC_START	0x10001000UL
#define SPACE_PAGES	200000UL
#define VMALLOC_END	(VMALLOC_START + (SPACE_PAGES << PAGE_SHIFT))

#include "vmalloc-internal.h"

struct mutex vmap_purge_lock;

static u8 space_used[SPACE_PAGES], space_mapped[SPACE_PAGES], space_stale[SPACE_PAGES];
static LIST_HEAD(space_busy);
static LIST_HEAD(space_lazy);
static int space_nr_areas;

static unsigned long space_page(unsigned long addr)
{
	assert(addr >= VMALLOC_START && addr <= VMALLOC_END);
	return (addr - VMALLOC_START) >> PAGE_SHIFT;
}

#ifdef SHIM_HAVE_AREAS
bool is_vmalloc_addr(const void *p);
#else
static bool is_vmalloc_addr(const void *p)
{
	return (unsigned long)p >= VMALLOC_START && (unsigned long)p < VMALLOC_END;
}
#endif

/* As segments do: small ones in the whole window may bring their descriptors. */
bool vmap_segment_choose(const struct vmap_request *req, struct vmap_place *place)
{
	return req->start == VMALLOC_START && req->end == VMALLOC_END &&
		req->size_bytes <= 128 * PAGE_SIZE;
}

/* A descriptor that another takes the place of is its owner's again. */
static struct vmap_area *space_own(struct vmap_area *va)
{
	struct vmap_area *copy;

	if (!(va->flags & VMAP_OWN_DESCRIPTOR))
		return va;
	copy = malloc(sizeof(*copy));
	*copy = *va;
	copy->flags &= ~VMAP_OWN_DESCRIPTOR;
	memset(va, 0xa5, sizeof(*va));
	return copy;
}

static struct vmap_area *space_take(const struct vmap_request *req, unsigned long addr)
{
	struct vmap_area *va = req->va ?: calloc(1, sizeof(*va));
	unsigned long i;

	va->va_start = addr;
	va->va_end = addr + req->size_bytes;
	va->flags = req->va_flags | (req->va ? VMAP_OWN_DESCRIPTOR : 0);
	va->vm = req->vm;
	if (va->vm) {
		va->vm->addr = (void *)addr;
		va->vm->size = req->size_bytes;
	}
	for (i = space_page(addr); i < space_page(va->va_end); i++) {
		assert(!space_used[i] && !space_mapped[i] && !space_stale[i]);
		space_used[i] = 1;
	}
	list_add(&va->list, &space_busy);
	space_nr_areas++;
	return va;
}

static unsigned long space_place(const struct vmap_request *req)
{
	const unsigned long step = max(req->align_bytes, PAGE_SIZE);
	unsigned long addr = ALIGN(req->start, step), i = 0;

	while (addr + req->size_bytes <= req->end) {
		if (space_used[space_page(addr + (i << PAGE_SHIFT))]) {
			addr = ALIGN(addr + ((i + 1) << PAGE_SHIFT), step);
			i = 0;
		} else if (++i == req->size_bytes >> PAGE_SHIFT) {
			return addr;
		}
	}
	return 0;
}

static void space_make_room(void)
{
	guard(mutex)(&vmap_purge_lock);
	vmap_ram_purge_fragmented();
	vmap_space_purge_locked(ULONG_MAX, 0, false);
}

#ifndef space_failed
#define space_failed(req)	((void)0)
#endif

struct vmap_area *vmap_space_alloc(const struct vmap_request *req)
{
	unsigned long addr;

	might_sleep();
	if (shim_fails()) {
		space_failed(req);
		return ERR_PTR(-ENOMEM);
	}
	addr = space_place(req);
	if (!addr) {
		space_make_room();
		addr = space_place(req);
	}
	if (addr)
		return space_take(req, addr);
	space_failed(req);
	return ERR_PTR(-EBUSY);
}

struct vmap_area *vmap_space_find(unsigned long addr)
{
	struct vmap_area *va;

	list_for_each_entry(va, &space_busy, list)
		if (va->va_start <= addr && addr < va->va_end)
			return va;
	return NULL;
}

struct vmap_area *vmap_space_unlink(unsigned long addr)
{
	struct vmap_area *va = vmap_space_find(addr);

	might_sleep();
	if (va)
		list_del_init(&va->list);
	return va;
}

static void space_drop(struct vmap_area *va)
{
	unsigned long i;

	for (i = space_page(va->va_start); i < space_page(va->va_end); i++) {
		assert(space_used[i] && !space_mapped[i] && !space_stale[i]);
		space_used[i] = 0;
	}
	list_del_init(&va->list);
	free(va);
	space_nr_areas--;
}

void vmap_space_free(struct vmap_area *va)
{
	va = space_own(va);
	list_add(&va->list, &space_lazy);
}

void vmap_space_free_unmapped(struct vmap_area *va)
{
	INIT_LIST_HEAD(&va->list);
	space_drop(space_own(va));
}

int vmap_space_walk(unsigned long addr, vmap_area_fn fn, void *data)
{
	struct vmap_area *va = vmap_space_find(addr);

	return va ? fn(va, data) : 0;
}

static void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	memset(space_stale + space_page(start), 0, (end - start) >> PAGE_SHIFT);
}

void vmap_space_purge_locked(unsigned long start, unsigned long end, bool flush)
{
	struct vmap_area *va, *ahead;

	lockdep_assert_held(&vmap_purge_lock);
	list_for_each_entry(va, &space_lazy, list) {
		start = min(start, va->va_start);
		end = max(end, va->va_end);
	}
	if (start < end)
		flush_tlb_kernel_range(start, end);
	list_for_each_entry_safe(va, ahead, &space_lazy, list)
		space_drop(va);
}

static void vmap_unmap_lazily(unsigned long start, unsigned long end)
{
	unsigned long i;

	might_sleep();
	for (i = space_page(start); i < space_page(end); i++) {
		space_stale[i] |= space_mapped[i];
		space_mapped[i] = 0;
	}
}

static void vmap_unmap_area(const struct vmap_area *va, unsigned long end)
{
	assert(end == va->va_end || !space_mapped[space_page(end)]);
	vmap_unmap_lazily(va->va_start, end);
}

/* Fails in the middle if it fails. */
static int space_map(unsigned long start, unsigned long end)
{
	unsigned long i;

	might_sleep();
	for (i = space_page(start); i < space_page(end); i++) {
		if (shim_fails())
			return -ENOMEM;
		assert(space_used[i] && !space_mapped[i] && !space_stale[i]);
		space_mapped[i] = 1;
	}
	return 0;
}

#endif /* SHIM_SPACE_H */
