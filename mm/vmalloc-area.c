// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-area.c - areas with a vm_struct: reserve, find, remove; vmap()
 *
 * An area is a range of the address space with a vm_struct.  Here is what has to
 * do with areas that somebody else fills, ioremap() and the like, and what all of
 * them have in common.  Memory for an area is vmalloc.c's concern.
 *
 * No locks: an area has one owner, and the address space looks after itself.
 * Calls the address space and vmalloc-map.c.
 */
#include <linux/debug_locks.h>
#include <linux/debugobjects.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/kasan.h>
#include <linux/kmemleak.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleloader.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "vmalloc.h"
#include "vmalloc-internal.h"
#include "vmalloc-parts.h"

/* ---- addresses ----------------------------------------------------------- */

/**
 * is_vmalloc_addr() - is this an address in the vmalloc space?
 * @x: any address
 *
 * Says nothing about whether it was allocated.
 *
 * Context: any.
 * Return: true if it is.
 */
bool is_vmalloc_addr(const void *x)
{
	const unsigned long addr = (unsigned long)kasan_reset_tag(x);

	return addr >= VMALLOC_START && addr < VMALLOC_END;
}
EXPORT_SYMBOL(is_vmalloc_addr);

/**
 * is_vmalloc_or_module_addr() - the same, or in the space for modules
 * @x: any address
 *
 * Some architectures have a space for modules apart from vmalloc's, and fall
 * back on that when it is full.
 *
 * Context: any.
 * Return: true if it is.
 */
int is_vmalloc_or_module_addr(const void *x)
{
#if defined(CONFIG_EXECMEM) && defined(MODULES_VADDR)
	const unsigned long addr = (unsigned long)kasan_reset_tag(x);

	if (addr >= MODULES_VADDR && addr < MODULES_END)
		return true;
#endif
	return is_vmalloc_addr(x);
}
EXPORT_SYMBOL_GPL(is_vmalloc_or_module_addr);

/* ---- vm_struct ----------------------------------------------------------- */

/**
 * get_vm_area_page_order() - order of the blocks that an area's pages came in
 * @vm: the area
 *
 * Return: the order.
 */
unsigned int get_vm_area_page_order(struct vm_struct *vm)
{
	return vm_page_order(vm);
}

/**
 * clear_vm_uninitialized_flag() - an area is complete, others may look into it
 * @vm: the area
 */
void clear_vm_uninitialized_flag(struct vm_struct *vm)
{
	/* Fields before the flag, for vread_iter() and /proc/vmallocinfo. */
	smp_wmb();
	vm->flags &= ~VM_UNINITIALIZED;
}

/*
 * A vm_struct is the first part of a slab object, which kfree() frees.  Behind it are
 * the array of pages, if it is short, and the descriptor of the area, if a segment
 * serves it: one object instead of two or three.  Above this size they would round up
 * to more than they do apart.
 */
#define VM_OBJECT_BYTES		256
/* Without an array, and with room for two pages: the sizes of kmalloc() would waste more. */
#define VM_BARE_BYTES	(sizeof(struct vm_struct) + sizeof(struct vmap_area))
#define VM_CACHED_BYTES	(VM_BARE_BYTES + 2 * sizeof(struct page *))

static struct kmem_cache *vm_bare_cache __ro_after_init;
static struct kmem_cache *vm_cache __ro_after_init;

/* @bytes with the array, and behind them a descriptor. */
static struct vm_struct *vm_get_object(size_t bytes, gfp_t gfp, int node)
{
	const size_t all_bytes = bytes + sizeof(struct vmap_area);
	struct vm_struct *vm;

	if (all_bytes <= VM_BARE_BYTES)
		vm = kmem_cache_alloc_node(vm_bare_cache, gfp, node);
	else if (all_bytes <= VM_CACHED_BYTES)
		vm = kmem_cache_alloc_node(vm_cache, gfp, node);
	else
		vm = kmalloc_node(all_bytes, gfp, node);
	if (vm) {
		/* Addresses in the descriptor are no references to what lies there. */
		kmemleak_scan_area(vm, bytes, gfp);
		kmemleak_scan_area((void *)vm + bytes + offsetof(struct vmap_area, rb_node),
				   SIZE_MAX, gfp);
	}
	return vm;
}

/**
 * vm_alloc() - get a vm_struct, and what fits behind it
 * @space: what address space is wanted, without guard page, which is added
 * @vm_flags: VM_* for the area
 * @nr_pages: how many pages it gets; 0 if no array is needed
 *
 * All but its place is to go to vm_place() as it is.
 *
 * Return: the vm_struct, or NULL.  If its pages is NULL, the array was too long.
 */
struct vm_struct *vm_alloc(struct vmap_request *space, unsigned long vm_flags,
			   unsigned long nr_pages)
{
	size_t bytes = sizeof(struct vm_struct) + nr_pages * sizeof(struct page *);
	struct vm_struct *vm;
	bool own;

	if (!(vm_flags & VM_NO_GUARD))
		space->size_bytes += PAGE_SIZE;
	own = vmap_segment_choose(space, &space->place);
	if (bytes + (own ? sizeof(struct vmap_area) : 0) > VM_OBJECT_BYTES)
		bytes = sizeof(struct vm_struct);
	if (own)
		vm = vm_get_object(bytes, space->gfp, space->node);
	else
		vm = kmalloc_node(bytes, space->gfp, space->node);
	if (!vm)
		return NULL;
	vm->next = NULL;
	vm->addr = NULL;
	vm->size = 0;
	vm->flags = vm_flags;
	/* Of the array, only what nr_pages says is ever looked at. */
	vm->pages = bytes > sizeof(struct vm_struct) ? vm_inline_pages(vm) : NULL;
	vm_set_page_order(vm, 0);
	vm->nr_pages = 0;
	vm->phys_addr = 0;
	vm->caller = NULL;
	vm->requested_size = 0;
	space->vm = vm;
	space->va = own ? (void *)vm + bytes : NULL;
	return vm;
}

/**
 * vm_place() - get address space for a vm_struct
 * @vm: what vm_alloc() returned
 * @space: what that was given; its va is the area afterwards
 *
 * Return: @vm; NULL on failure, and @vm is freed.
 */
struct vm_struct *vm_place(struct vm_struct *vm, struct vmap_request *space)
{
	struct vmap_area *va = vmap_space_alloc(space);

	if (IS_ERR(va)) {
		kfree(vm);
		return NULL;
	}
	space->va = va;
	return vm;
}

static unsigned long vm_ioremap_align(unsigned long bytes)
{
	return 1UL << clamp_t(int, get_count_order_long(bytes), PAGE_SHIFT, IOREMAP_MAX_ORDER);
}

/**
 * __get_vm_area_node() - reserve address space
 * @size: bytes, without guard page
 * @align: alignment, a power of two; decided by the size with VM_IOREMAP
 * @shift: the size is rounded up to a multiple of 1 << @shift
 * @vm_flags: VM_* for the area
 * @start: lowest address
 * @end: end of the window, exclusive
 * @node: where descriptors should lie
 * @gfp_mask: what may be done to get descriptors, address space and shadow
 * @caller: address of who asks, for /proc/vmallocinfo
 *
 * A guard page follows, unless VM_NO_GUARD.  Nothing is mapped.
 *
 * Context: process context; sleeps if @gfp_mask allows it.
 * Return: the area, or NULL.
 */
struct vm_struct *__get_vm_area_node(unsigned long size, unsigned long align,
				     unsigned long shift, unsigned long vm_flags,
				     unsigned long start, unsigned long end, int node,
				     gfp_t gfp_mask, const void *caller)
{
	struct vmap_request space = {
		.size_bytes = ALIGN(size, 1UL << shift),
		.align_bytes = align,
		.start = start,
		.end = end,
		.node = node,
		.gfp = gfp_mask & GFP_RECLAIM_MASK,
	};
	struct vm_struct *vm;

	if (WARN_ON_ONCE(in_nmi() || in_hardirq()) || !space.size_bytes)
		return NULL;
	if (vm_flags & VM_IOREMAP)
		space.align_bytes = vm_ioremap_align(space.size_bytes);
	vm = vm_alloc(&space, vm_flags, 0);
	if (!vm)
		return NULL;
	vm->caller = caller;
	vm->requested_size = size;
	vm = vm_place(vm, &space);
	if (!vm)
		return NULL;
	/*
	 * Others may map it by means of their own.  What vmalloc() maps becomes
	 * accessible when it is mapped.
	 */
	if (!(vm_flags & VM_ALLOC))
		vm->addr = kasan_unpoison_vmalloc(vm->addr, size, KASAN_VMALLOC_PROT_NORMAL);
	return vm;
}

/**
 * __get_vm_area_caller() - reserve address space in a window
 * @size: bytes, without guard page
 * @flags: VM_* for the area
 * @start: lowest address
 * @end: end of the window, exclusive
 * @caller: address of who asks
 *
 * Context: may sleep.
 * Return: the area, or NULL.
 */
struct vm_struct *__get_vm_area_caller(unsigned long size, unsigned long flags,
				       unsigned long start, unsigned long end,
				       const void *caller)
{
	return __get_vm_area_node(size, 1, PAGE_SHIFT, flags, start, end, NUMA_NO_NODE,
				  GFP_KERNEL, caller);
}

/**
 * get_vm_area_caller() - reserve address space for somebody else
 * @size: bytes, without guard page
 * @flags: VM_* for the area
 * @caller: address of who asks
 *
 * Context: may sleep.
 * Return: the area, or NULL.
 */
struct vm_struct *get_vm_area_caller(unsigned long size, unsigned long flags,
				     const void *caller)
{
	return __get_vm_area_caller(size, flags, VMALLOC_START, VMALLOC_END, caller);
}

/**
 * get_vm_area() - reserve address space
 * @size: bytes, without guard page
 * @flags: VM_* for the area
 *
 * Context: may sleep.
 * Return: the area, or NULL.
 */
struct vm_struct *get_vm_area(unsigned long size, unsigned long flags)
{
	return get_vm_area_caller(size, flags, __builtin_return_address(0));
}

/**
 * find_vmap_area() - descriptor of the range that holds an address
 * @addr: any address
 *
 * Return: it, or NULL; valid as long as the caller keeps the range from being
 * freed.
 */
struct vmap_area *find_vmap_area(unsigned long addr)
{
	return vmap_space_find(addr);
}

/**
 * find_vm_area() - area that holds an address
 * @addr: any address, in the guard page too
 *
 * Return: it, or NULL; valid as long as the caller keeps the area from being
 * freed.
 */
struct vm_struct *find_vm_area(const void *addr)
{
	const struct vmap_area *va = vmap_space_find((unsigned long)addr);

	return va ? va->vm : NULL;
}

/**
 * remove_vm_area() - unmap an area and give back its address space
 * @addr: an address in it, on a page boundary
 *
 * Return: its vm_struct, which the caller has to kfree(); its pages are the
 * caller's as well.  NULL if there is no such area.
 */
struct vm_struct *remove_vm_area(const void *addr)
{
	struct vmap_area *va;
	struct vm_struct *vm;

	might_sleep();
	if (WARN(!PAGE_ALIGNED(addr), "vmalloc: %p is not the start of a page, not freed\n",
		 addr))
		return NULL;
	va = vmap_space_unlink((unsigned long)addr);
	/* A range of vm_map_ram() is nobody's here: that is lost now. */
	if (!va || WARN_ON_ONCE(!va->vm))
		return NULL;
	vm = va->vm;
	debug_check_no_locks_freed(vm->addr, get_vm_area_size(vm));
	debug_check_no_obj_freed(vm->addr, get_vm_area_size(vm));
	kasan_free_module_shadow(vm);
	kasan_poison_vmalloc(vm->addr, get_vm_area_size(vm));
	vmap_unmap_area(va, va->va_start + get_vm_area_size(vm));
	vmap_space_free(va);
	return vm;
}

/**
 * free_vm_area() - give back an area that has no pages of its own
 * @area: what get_vm_area() or one like it returned
 *
 * Context: may sleep.
 */
void free_vm_area(struct vm_struct *area)
{
	if (!WARN_ON(remove_vm_area(area->addr) != area))
		kfree(area);
}
EXPORT_SYMBOL_GPL(free_vm_area);

/* ---- mapping what others have -------------------------------------------- */

/* The area can be found already: who sees that it has pages must see where they are. */
static void vm_give_pages(struct vm_struct *vm, struct page **pages, unsigned int count)
{
	vm->pages = pages;
	/* Pairs with vminfo_count(). */
	smp_store_release(&vm->nr_pages, count);
}

/**
 * vmap() - map pages side by side
 * @pages: the pages
 * @count: how many
 * @flags: VM_* for the area
 * @prot: protection; execution is taken away
 *
 * With VM_MAP_PUT_PAGES the array, which kvfree() must be able to free, and one
 * reference to each page become the area's; vfree() drops them.
 *
 * Context: may sleep.
 * Return: the address, or NULL, and nothing was taken over.
 */
void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
{
	unsigned long addr, bytes = (unsigned long)count << PAGE_SHIFT;
	struct vm_struct *vm;

	might_sleep();
	if (WARN_ON_ONCE(flags & VM_FLUSH_RESET_PERMS))
		return NULL;
	/* A guard page keeps others from our overruns, so it is not ours to waive. */
	if (WARN_ON_ONCE(flags & VM_NO_GUARD))
		flags &= ~VM_NO_GUARD;
	if (count > totalram_pages())
		return NULL;
	vm = get_vm_area_caller(bytes, flags, __builtin_return_address(0));
	if (!vm)
		return NULL;
	addr = (unsigned long)vm->addr;
	if (vmap_pages_range(addr, addr + bytes, pgprot_nx(prot), pages, PAGE_SHIFT)) {
		free_vm_area(vm);
		return NULL;
	}
	if (flags & VM_MAP_PUT_PAGES)
		vm_give_pages(vm, pages, count);
	return vm->addr;
}
EXPORT_SYMBOL(vmap);

/**
 * vunmap() - undo vmap()
 * @addr: what it returned; NULL does nothing
 *
 * Context: may sleep; not in interrupt.
 */
void vunmap(const void *addr)
{
	if (WARN_ON_ONCE(in_interrupt()))
		return;
	might_sleep();
	if (addr)
		kfree(vm_take_out(addr, __func__));
}
EXPORT_SYMBOL(vunmap);

#ifdef CONFIG_VMAP_PFN
struct vmap_pfns {
	const unsigned long *next;
	pgprot_t prot;
};

static int vmap_set_pfn(pte_t *pte, unsigned long addr, void *data)
{
	struct vmap_pfns *pfns = data;
	const unsigned long pfn = *pfns->next++;

	/* Memory that has pages is mapped by vmap(). */
	if (WARN_ON_ONCE(pfn_valid(pfn)))
		return -EINVAL;
	set_pte_at(&init_mm, addr, pte, pte_mkspecial(pfn_pte(pfn, pfns->prot)));
	return 0;
}

/**
 * vmap_pfn() - map memory that has no pages, frame by frame
 * @pfns: the frames
 * @count: how many
 * @prot: protection; execution is taken away
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmap_pfn(unsigned long *pfns, unsigned int count, pgprot_t prot)
{
	struct vmap_pfns todo = { .next = pfns, .prot = pgprot_nx(prot) };
	unsigned long addr, bytes = (unsigned long)count << PAGE_SHIFT;
	struct vm_struct *vm;

	vm = get_vm_area_caller(bytes, VM_IOREMAP, __builtin_return_address(0));
	if (!vm)
		return NULL;
	addr = (unsigned long)vm->addr;
	if (apply_to_page_range(&init_mm, addr, bytes, vmap_set_pfn, &todo)) {
		free_vm_area(vm);
		return NULL;
	}
	flush_cache_vmap(addr, addr + bytes);
	return vm->addr;
}
EXPORT_SYMBOL_GPL(vmap_pfn);
#endif

static int vm_check_user_range(void *kaddr, unsigned long offset, unsigned long bytes)
{
	const struct vm_struct *vm = find_vm_area(kaddr);
	unsigned long inside, end;

	if (!vm || !(vm->flags & (VM_USERMAP | VM_DMA_COHERENT)))
		return -EINVAL;
	inside = kasan_reset_tag(kaddr) - kasan_reset_tag(vm->addr);
	if (check_add_overflow(offset, inside, &offset) ||
	    check_add_overflow(offset, bytes, &end) || end > get_vm_area_size(vm))
		return -EINVAL;
	return 0;
}

/**
 * remap_vmalloc_range_partial() - show a part of an area to a process
 * @vma: where it appears
 * @uaddr: address in @vma
 * @kaddr: address in an area that has VM_USERMAP or VM_DMA_COHERENT
 * @pgoff: pages from @kaddr to the first that appears
 * @size: bytes
 *
 * Return: 0 or -errno; a beginning may be there then, and goes with @vma.
 */
int remap_vmalloc_range_partial(struct vm_area_struct *vma, unsigned long uaddr,
				void *kaddr, unsigned long pgoff, unsigned long size)
{
	unsigned long offset, done;
	int err;

	if (!PAGE_ALIGNED(uaddr | (unsigned long)kaddr) ||
	    check_shl_overflow(pgoff, PAGE_SHIFT, &offset))
		return -EINVAL;
	size = PAGE_ALIGN(size);
	err = vm_check_user_range(kaddr, offset, size);
	if (err)
		return err;
	kaddr += offset;
	for (done = 0; done < size; done += PAGE_SIZE) {
		err = vm_insert_page(vma, uaddr + done, vmalloc_to_page(kaddr + done));
		if (err)
			return err;
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

/**
 * remap_vmalloc_range() - show an area to a process
 * @vma: where it appears; all of it is filled
 * @addr: address of the area, which has VM_USERMAP or VM_DMA_COHERENT
 * @pgoff: pages from @addr to the first that appears
 *
 * Return: 0 or -errno.
 */
int remap_vmalloc_range(struct vm_area_struct *vma, void *addr, unsigned long pgoff)
{
	const unsigned long bytes = vma->vm_end - vma->vm_start;

	return remap_vmalloc_range_partial(vma, vma->vm_start, addr, pgoff, bytes);
}
EXPORT_SYMBOL(remap_vmalloc_range);

/* ---- boot ---------------------------------------------------------------- */

void __init vm_area_init(void)
{
	vm_bare_cache = kmem_cache_create("vm_struct_bare", VM_BARE_BYTES, 0, SLAB_PANIC, NULL);
	vm_cache = kmem_cache_create("vm_struct", VM_CACHED_BYTES, 0, SLAB_PANIC, NULL);
}

/* Areas from before vmalloc_init(), by address. */
static struct vm_struct *vm_early_list __initdata;
static bool vm_early_over __initdata;

/**
 * vm_area_add_early() - announce an area that is mapped already
 * @vm: address, size and flags are set, the rest is 0
 *
 * Context: before vmalloc_init().
 */
void __init vm_area_add_early(struct vm_struct *vm)
{
	struct vm_struct **link = &vm_early_list;

	BUG_ON(vm_early_over);
	while (*link && (*link)->addr < vm->addr) {
		BUG_ON((*link)->addr + (*link)->size > vm->addr);
		link = &(*link)->next;
	}
	BUG_ON(*link && vm->addr + vm->size > (*link)->addr);
	vm->next = *link;
	*link = vm;
}

/**
 * vm_area_register_early() - find an address for an area, and announce it
 * @vm: size and flags are set, the rest is 0
 * @align: alignment, a power of two
 *
 * Context: before vmalloc_init().
 */
void __init vm_area_register_early(struct vm_struct *vm, size_t align)
{
	unsigned long other, addr = ALIGN(VMALLOC_START, align);
	struct vm_struct **link;

	BUG_ON(vm_early_over);
	for (link = &vm_early_list; *link; link = &(*link)->next) {
		other = (unsigned long)(*link)->addr;
		if (other >= addr && other - addr >= vm->size)
			break;
		addr = max(addr, ALIGN(other + (*link)->size, align));
	}
	BUG_ON(addr > VMALLOC_END - vm->size);
	vm->addr = (void *)addr;
	vm->next = *link;
	*link = vm;
	kasan_populate_early_vm_area_shadow(vm->addr, vm->size);
}

/**
 * vm_early_done() - end the time of early areas
 *
 * Return: their list, by address.
 */
struct vm_struct * __init vm_early_done(void)
{
	vm_early_over = true;
	return vm_early_list;
}
