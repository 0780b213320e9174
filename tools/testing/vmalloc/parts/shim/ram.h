/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ram.h - what vm_map_ram() needs besides address space: an xarray, memory
 */
#ifndef SHIM_RAM_H
#define SHIM_RAM_H

#include "space.h"

struct page;
typedef int pgprot_t;
#define PAGE_KERNEL			0
#define GFP_KERNEL			0
#define kasan_reset_tag(p)		(p)
#define kasan_poison_vmalloc(p, bytes)	((void)0)
#define kasan_unpoison_vmalloc(p, bytes, flags) (p)
#define debug_check_no_locks_freed(p, bytes) ((void)0)
#define kfree(p)			free(p)
#define kfree_rcu(p, member)		free(p)

static void *kzalloc_node(size_t bytes, gfp_t gfp, int node)
{
	might_sleep();
	return shim_fails() ? NULL : calloc(1, bytes);
}

static int vmap_pages_range(unsigned long start, unsigned long end, pgprot_t prot,
			    struct page **pages, unsigned int shift)
{
	return space_map(start, end);
}

#define XA_SLOTS	SPACE_PAGES
struct xarray {
	void *slot[XA_SLOTS];
};
#define DEFINE_XARRAY(name)	struct xarray name
#define xa_err(p)		((p) == ERR_PTR(-ENOMEM) ? -ENOMEM : 0)
#define xa_for_each_start(xa, index, p, start)				\
	for ((index) = (start); ((p) = shim_xa_find(xa, &(index))); (index)++)

static void *shim_xa_find(struct xarray *xa, unsigned long *index)
{
	while (*index < XA_SLOTS && !xa->slot[*index])
		++*index;
	return *index < XA_SLOTS ? xa->slot[*index] : NULL;
}

static void *xa_store(struct xarray *xa, unsigned long index, void *p, gfp_t gfp)
{
	might_sleep();
	if (shim_fails())
		return ERR_PTR(-ENOMEM);
	xa->slot[index] = p;
	return NULL;
}

static void *xa_load(struct xarray *xa, unsigned long index)
{
	return index < XA_SLOTS ? xa->slot[index] : NULL;
}

static void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *new,
			gfp_t gfp)
{
	void *found = xa->slot[index];

	if (found == old)
		xa->slot[index] = new;
	return found;
}

void vm_unmap_ram(const void *mem, unsigned int count);

#endif /* SHIM_RAM_H */
