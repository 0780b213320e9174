/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmalloc-parts.h - what the parts of vmalloc call in each other
 *
 *   vmalloc.c		memory
 *   vmalloc-area.c	areas with a vm_struct
 *   vmalloc-ram.c	vm_map_ram()
 *   vmalloc-map.c	page tables
 *   vmalloc-read.c	vread_iter()
 *   vmalloc-stats.c	what others see
 *
 * All of them lie above the address space, whose seam is vmalloc-internal.h.
 */
#ifndef _MM_VMALLOC_PARTS_H
#define _MM_VMALLOC_PARTS_H

#include <linux/init.h>
#include <linux/types.h>
#include <linux/vmalloc.h>

struct vmap_area;
struct vmap_request;

/* Order of the blocks in which the pages of an area came. */
static inline unsigned int vm_page_order(const struct vm_struct *vm)
{
#ifdef CONFIG_HAVE_ARCH_HUGE_VMALLOC
	return vm->page_order;
#else
	return 0;
#endif
}

static inline void vm_set_page_order(struct vm_struct *vm, unsigned int order)
{
#ifdef CONFIG_HAVE_ARCH_HUGE_VMALLOC
	vm->page_order = order;
#endif
}

/* Where the pages of an area are listed, if that is part of its vm_struct's object. */
static inline struct page **vm_inline_pages(struct vm_struct *vm)
{
	return (struct page **)(vm + 1);
}

/* vmalloc-area.c */
struct vm_struct *vm_alloc(struct vmap_request *space, unsigned long vm_flags,
			   unsigned long nr_pages);
struct vm_struct *vm_place(struct vm_struct *vm, struct vmap_request *space);
void __init vm_area_init(void);

/* remove_vm_area() for @who, who is sure that there is one. */
static inline struct vm_struct *vm_take_out(const void *addr, const char *who)
{
	struct vm_struct *vm = remove_vm_area(addr);

	WARN(!vm, "%s: there is no area at %p\n", who, addr);
	return vm;
}

struct vm_struct * __init vm_early_done(void);

/* vmalloc-map.c */
int vmap_map_area(const struct vmap_area *va, unsigned long end, pgprot_t prot,
		  struct page **pages, unsigned int page_shift, gfp_t gfp_mask);
void vmap_unmap_area(const struct vmap_area *va, unsigned long end);
void vmap_unmap_lazily(unsigned long start, unsigned long end);

/* vmalloc-ram.c; not 0 ends the walk */
typedef int (*vmap_live_fn)(unsigned long start, unsigned long end, void *data);

void vmap_flush_aliases(unsigned long start, unsigned long end);
int vmap_ram_visit_live(unsigned long addr, vmap_live_fn fn, void *data);
void __init vmap_ram_init(void);

#endif /* _MM_VMALLOC_PARTS_H */
