// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc.c - memory that is contiguous in virtual addresses only
 *
 * What an allocation is made of, in the order in which it is got:
 *
 *   1. a vm_struct, with the array of its pages behind it where that is short,
 *	and the descriptor of step 2 where a segment serves that;
 *   2. address space and KASAN's shadow for it	(vmalloc-space.c)
 *   3. the array of pages, where it is long: by kmalloc() or vmalloc()
 *   4. the pages
 *   5. page tables and their entries		(vmalloc-map.c)
 *
 * Each of these may do what the caller's mask allows, and no more: the masks
 * are derived in one place, vmalloc_split_gfp(), and nowhere else.  What fails
 * is undone at once; a caller that cannot sleep leaves it to a work item, since
 * unmapping may.
 *
 * An area is found by address from step 2 on, with VM_UNINITIALIZED until it is
 * complete.  vfree() is the same in reverse; pages go back before TLBs are
 * flushed, addresses only after.
 *
 * No locks of its own: an area has one owner.
 */
#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/kasan.h>
#include <linux/kmemleak.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include <asm/shmparam.h>

#include "internal.h"
#include "vmalloc.h"
#include "vmalloc-internal.h"
#include "vmalloc-parts.h"

#ifdef CONFIG_HAVE_ARCH_HUGE_VMALLOC
static bool vmalloc_huge_ok __ro_after_init = true;

static int __init vmalloc_no_huge(char *unused)
{
	vmalloc_huge_ok = false;
	return 0;
}
early_param("nohugevmalloc", vmalloc_no_huge);
#else
#define vmalloc_huge_ok	false
#endif

/* ---- what the caller's mask lets each part do ---------------------------- */

/* What callers of __vmalloc() may ask for: all limits of reclaim, and no zones. */
#define VMALLOC_GFP_KNOWN						\
	(GFP_RECLAIM_MASK | GFP_USER | __GFP_ACCOUNT | __GFP_ZERO | __GFP_SKIP_KASAN)

/**
 * struct vmalloc_gfp - what an allocation may do to get each of its parts
 * @caller: the caller's mask, which decides on warnings and on page tables
 * @page: single pages, or blocks of the size of a leaf
 * @run: tries to get several pages at once: whether or not they are met, the
 *	allocation goes on
 * @meta: vm_struct, array of pages, address space, shadow: the caller's limits
 *	of reclaim and nothing else, as zone and accounting are for the pages
 * @nofail: steps that fail are tried again; only for who may sleep
 * @may_block: the caller may sleep
 */
struct vmalloc_gfp {
	gfp_t caller;
	gfp_t page;
	gfp_t run;
	gfp_t meta;
	bool nofail;
	bool may_block;
};

/*
 * The one place where masks are derived.  Scopes (memalloc_nofs_save() and so
 * on) are not looked at: each allocator beneath applies them to its mask.
 * Pages do not come with a warning of their own; where descriptors or address
 * space are short, what lies beneath says so, too.
 */
static struct vmalloc_gfp vmalloc_split_gfp(gfp_t gfp)
{
	struct vmalloc_gfp split;

	split.caller = gfp;
	split.may_block = gfpflags_allow_blocking(gfp);
	split.nofail = (gfp & __GFP_NOFAIL) && split.may_block;
	if (!split.nofail)
		gfp &= ~__GFP_NOFAIL;
	split.meta = gfp & GFP_RECLAIM_MASK & ~__GFP_SKIP_KASAN;
	if (!(gfp & (GFP_DMA | GFP_DMA32)))
		gfp |= __GFP_HIGHMEM;
	split.page = gfp | __GFP_NOWARN;
	split.run = split.page & ~(__GFP_DIRECT_RECLAIM | __GFP_NOFAIL);
	return split;
}

/**
 * memalloc_apply_gfp_scope() - let page tables be allocated as a mask says
 * @gfp_mask: the mask
 *
 * Page tables are allocated deep down with GFP_KERNEL.  Limits that the mask
 * has and GFP_KERNEL has not are put on the task instead.  Who may not sleep, or
 * would rather fail than wait, gets the scope of those who reclaim: it never
 * enters reclaim and invokes no OOM killer, but may take from the reserves.
 *
 * Return: a cookie for memalloc_restore_scope(); 0 if the mask has no limits.
 */
unsigned int memalloc_apply_gfp_scope(gfp_t gfp_mask)
{
	if (!gfpflags_allow_blocking(gfp_mask))
		return memalloc_noreclaim_save();
	if (gfp_mask & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL))
		return memalloc_noreclaim_save();
	/* That is no FS either: a file system may do I/O. */
	if (!(gfp_mask & __GFP_IO))
		return memalloc_noio_save();
	return gfp_mask & __GFP_FS ? 0 : memalloc_nofs_save();
}

/**
 * memalloc_restore_scope() - end what memalloc_apply_gfp_scope() began
 * @flags: its cookie
 */
void memalloc_restore_scope(unsigned int flags)
{
	if (flags)
		memalloc_flags_restore(flags);
}

static gfp_t vmalloc_known_gfp(gfp_t gfp)
{
	const gfp_t unknown = gfp & ~VMALLOC_GFP_KNOWN;

	if (likely(!unknown))
		return gfp;
	gfp &= VMALLOC_GFP_KNOWN;
	WARN_ONCE(!(gfp & __GFP_NOWARN), "vmalloc: gfp bits %#x (%pGg) make no sense, ignored\n",
		  unknown, &unknown);
	return gfp;
}

/* ---- pages --------------------------------------------------------------- */

/* May these two be counted in one go: same node, same cgroup? */
static bool vm_same_account(const struct page *a, const struct page *b)
{
#ifdef CONFIG_MEMCG
	if (READ_ONCE(a->memcg_data) != READ_ONCE(b->memcg_data))
		return false;
#endif
	return page_to_nid(a) == page_to_nid(b);
}

/* NR_VMALLOC of the node and the cgroup, up (@sign 1) or down (-1). */
static void vm_account_pages(struct page **pages, unsigned long nr, int sign)
{
	unsigned long i, run;

	for (i = 0; i < nr; i += run) {
		run = 1;
		while (i + run < nr && vm_same_account(pages[i], pages[i + run]))
			run++;
		mod_lruvec_page_state(pages[i], NR_VMALLOC, sign * (int)run);
	}
}

static struct page *vm_alloc_block(gfp_t gfp, int node, unsigned int order)
{
	if (node == NUMA_NO_NODE)
		return alloc_pages_noprof(gfp, order);
	return alloc_pages_node_noprof(node, gfp, order);
}

/*
 * Appends a block to the array, as single pages: callers take references to them
 * one by one, and use their fields.
 */
static void vm_add_block(struct vm_struct *vm, struct page *block, unsigned int order)
{
	struct page **pages = vm->pages + vm->nr_pages;
	unsigned long i, nr = 1UL << order;

	mod_lruvec_page_state(block, NR_VMALLOC, nr);
	if (order)
		split_page(block, order);
	for (i = 0; i < nr; i++)
		pages[i] = block + i;
	vm->nr_pages += nr;
}

/* Large runs as far as they come for nothing; nothing depends on their size. */
static void vm_alloc_runs(struct vm_struct *vm, unsigned long nr, unsigned int min_order,
			  gfp_t gfp, int node)
{
	unsigned int order, most = MAX_PAGE_ORDER;
	struct page *block;

	while (vm->nr_pages < nr) {
		order = min_t(unsigned int, ilog2(nr - vm->nr_pages), most);
		if (order <= min_order)
			return;
		block = vm_alloc_block(gfp, node, order);
		if (block)
			vm_add_block(vm, block, order);
		else
			most = order - 1;
	}
}

/* Pages that one call may take with interrupts off. */
#define VM_BULK_PAGES	100UL

/* Single pages, many at a time, until the bulk allocator has no more. */
static void vm_alloc_bulk(struct vm_struct *vm, unsigned long nr, gfp_t gfp, int node)
{
	unsigned long want, got;
	struct page **pages;

	while (vm->nr_pages < nr) {
		want = min(nr - vm->nr_pages, VM_BULK_PAGES);
		pages = vm->pages + vm->nr_pages;
		/* It takes an entry that is not NULL for a page. */
		memset(pages, 0, want * sizeof(*pages));
		/* Without a node the task's memory policy chooses, page by page. */
		if (IS_ENABLED(CONFIG_NUMA) && node == NUMA_NO_NODE)
			got = alloc_pages_bulk_mempolicy_noprof(gfp, want, pages);
		else
			got = alloc_pages_bulk_node_noprof(gfp, node, want, pages);
		vm_account_pages(pages, got, 1);
		vm->nr_pages += got;
		if (got < want)
			return;
	}
}

/* No run, and nothing to do in bulk. */
static bool vm_alloc_one_page(struct vm_struct *vm, gfp_t gfp, int node)
{
	struct page *page = vm_alloc_block(gfp, node, 0);

	if (!page)
		return false;
	mod_lruvec_page_state(page, NR_VMALLOC, 1);
	vm->pages[0] = page;
	vm->nr_pages = 1;
	return true;
}

/*
 * Fills vm->pages up to @nr, in blocks of 1 << @order that are aligned to their
 * size.  False if not all came; vm->nr_pages says how many did.
 */
static bool vm_alloc_pages(struct vm_struct *vm, unsigned long nr, unsigned int order,
			   const struct vmalloc_gfp *gfp, int node)
{
	/* A leaf that does not come is no failure: small pages are tried next. */
	gfp_t block_gfp = order ? gfp->page & ~__GFP_NOFAIL : gfp->page;
	struct page *block;

	if (nr == 1)
		return vm_alloc_one_page(vm, block_gfp, node);
	vm_alloc_runs(vm, nr, order, gfp->run, node);
	if (!order)
		vm_alloc_bulk(vm, nr, gfp->page, node);
	while (vm->nr_pages < nr) {
		if (fatal_signal_pending(current) && !gfp->nofail)
			return false;
		block = vm_alloc_block(block_gfp, node, order);
		if (!block)
			return false;
		vm_add_block(vm, block, order);
	}
	return true;
}

/* The pages from @first up to @end go back to the page allocator. */
static void vm_free_pages(struct vm_struct *vm, unsigned long first, unsigned long end)
{
	struct page **pages;

	if (first == end)
		return;
	pages = vm->pages + first;
	/* Pages that came with vmap() were never counted. */
	if (!(vm->flags & VM_MAP_PUT_PAGES))
		vm_account_pages(pages, end - first, -1);
	if (end - first == 1)
		__free_page(*pages);
	else
		free_pages_bulk(pages, end - first);
}

/* ---- freeing ------------------------------------------------------------- */

/* Objects that vfree_atomic() was given, linked through themselves. */
struct vfree_later {
	struct llist_head objects;
	struct work_struct work;
};

static DEFINE_PER_CPU(struct vfree_later, vfree_later);

static void vfree_later_work(struct work_struct *work)
{
	struct vfree_later *later = container_of(work, struct vfree_later, work);
	struct llist_node *object, *next;

	llist_for_each_safe(object, next, llist_del_all(&later->objects))
		vfree(object);
}

/**
 * vfree_atomic() - vfree() from where one cannot sleep
 * @addr: what vmalloc() or one like it returned; must be writable; or NULL
 *
 * Frees later, from a work item.
 *
 * Context: any but NMI.
 */
void vfree_atomic(const void *addr)
{
	struct vfree_later *later;

	if (WARN_ON_ONCE(in_nmi()) || !addr)
		return;
	kmemleak_free(addr);
	/* Any CPU's list will do. */
	later = raw_cpu_ptr(&vfree_later);
	if (llist_add((struct llist_node *)addr, &later->objects))
		schedule_work(&later->work);
}

static void vm_for_direct_map(const struct vm_struct *vm, int (*set)(struct page *page))
{
	unsigned long i;

	for (i = 0; i < vm->nr_pages; i++)
		if (page_address(vm->pages[i]))
			set(vm->pages[i]);
}

/*
 * The pages of an area whose permissions were changed, in the direct map too.
 * They become inaccessible there; then stale entries go, of both mappings; then
 * they are as all others.  So no TLB holds an executable entry of a free page.
 */
static void vm_reset_permissions(const struct vm_struct *vm)
{
	unsigned long addr, i, start = ULONG_MAX, end = 0;

	for (i = 0; i < vm->nr_pages; i++) {
		addr = (unsigned long)page_address(vm->pages[i]);
		if (!addr)
			continue;
		start = min(start, addr);
		end = max(end, addr + PAGE_SIZE);
	}
	vm_for_direct_map(vm, set_direct_map_invalid_noflush);
	vmap_flush_aliases(start, end);
	vm_for_direct_map(vm, set_direct_map_default_noflush);
}

/**
 * vfree() - free what vmalloc() or one like it allocated
 * @addr: what it returned; NULL does nothing
 *
 * Pages that others hold references to stay with those.
 *
 * Context: any but NMI; sleeps unless in interrupt, where it frees later.
 */
void vfree(const void *addr)
{
	struct vm_struct *vm;

	if (unlikely(in_interrupt())) {
		vfree_atomic(addr);
		return;
	}
	might_sleep();
	if (!addr)
		return;
	kmemleak_free(addr);
	vm = vm_take_out(addr, __func__);
	if (!vm)
		return;
	if (unlikely(vm->flags & VM_FLUSH_RESET_PERMS))
		vm_reset_permissions(vm);
	vm_free_pages(vm, 0, vm->nr_pages);
	if (vm->pages != vm_inline_pages(vm))
		kvfree(vm->pages);
	kfree(vm);
}
EXPORT_SYMBOL(vfree);

/* ---- allocating ---------------------------------------------------------- */

/**
 * struct vmalloc_request - one allocation, as the caller wants it
 * @size: bytes
 * @align: alignment, a power of two
 * @gfp: what may be done to get each part
 * @prot: protection
 * @vm_flags: VM_* for the area, besides VM_ALLOC
 * @caller: address of who asks
 * @tag: KASAN may give it a tag
 * @space: window, node and mask; size and alignment for the leaves that are tried
 */
struct vmalloc_request {
	unsigned long size;
	unsigned long align;
	struct vmalloc_gfp gfp;
	pgprot_t prot;
	unsigned long vm_flags;
	const void *caller;
	bool tag;
	struct vmap_request space;
};

static void vmalloc_warn(const struct vmalloc_request *req, unsigned int shift, const char *what)
{
	/* Without large leaves it is no failure yet: small pages are tried next. */
	if (shift == PAGE_SHIFT)
		warn_alloc(req->gfp.caller, NULL, "vmalloc error: size %lu, %s", req->size, what);
}

/* The same for pages, also those of the array: a wish to die is no news. */
static void vmalloc_warn_alive(const struct vmalloc_request *req, unsigned int shift,
			       const char *what)
{
	if (!fatal_signal_pending(current))
		vmalloc_warn(req, shift, what);
}

/*
 * With KASAN's hardware tags, tag and zero the memory when it is mapped, and not
 * page by page when it is got.  Only what is mapped as usual can have tags.
 */
static kasan_vmalloc_flags_t vmalloc_prepare_tags(struct vmalloc_request *req)
{
	kasan_vmalloc_flags_t flags = KASAN_VMALLOC_VM_ALLOC;
	const gfp_t later = __GFP_SKIP_KASAN | __GFP_SKIP_ZERO;

	if (pgprot_val(req->prot) != pgprot_val(PAGE_KERNEL))
		return flags;
	flags |= KASAN_VMALLOC_PROT_NORMAL;
	if (!kasan_hw_tags_enabled() || !req->tag)
		return flags;
	req->prot = arch_vmap_pgprot_tagged(req->prot);
	req->gfp.page |= later;
	req->gfp.run |= later;
	if (!want_init_on_free() && want_init_on_alloc(req->gfp.page))
		flags |= KASAN_VMALLOC_INIT;
	return flags;
}

/* The largest leaf to try. */
static unsigned int vmalloc_leaf_shift(const struct vmalloc_request *req)
{
	if (!vmalloc_huge_ok || !(req->vm_flags & VM_ALLOW_HUGE_VMAP))
		return PAGE_SHIFT;
	/* Putting a leaf in the place of a table waits for other CPUs. */
	if (!req->gfp.may_block)
		return PAGE_SHIFT;
	if (req->size >= PMD_SIZE && arch_vmap_pmd_supported(req->prot))
		return PMD_SHIFT;
	return arch_vmap_pte_supported_shift(req->size);
}

/* Step 1 and 2: vm_struct and address space. */
static struct vm_struct *vmalloc_get_area(struct vmalloc_request *req, unsigned int shift)
{
	struct vmap_request *space = &req->space;
	struct vm_struct *vm;

	space->size_bytes = ALIGN(req->size, 1UL << shift);
	/* It wrapped around. */
	if (!space->size_bytes)
		return NULL;
	space->align_bytes = max(req->align, 1UL << shift);
	vm = vm_alloc(space, req->vm_flags | VM_ALLOC | VM_UNINITIALIZED,
		      space->size_bytes >> PAGE_SHIFT);
	if (!vm)
		return NULL;
	vm->caller = req->caller;
	vm->requested_size = req->size;
	vm_set_page_order(vm, shift - PAGE_SHIFT);
	return vm_place(vm, space);
}

/* Step 3: the array of pages, if it is not there.  It recurses once or twice. */
static bool vmalloc_get_array(struct vm_struct *vm, const struct vmalloc_request *req,
			      unsigned long nr)
{
	const gfp_t gfp = req->gfp.meta | __GFP_NOWARN;
	const unsigned long bytes = nr * sizeof(struct page *);

	if (vm->pages)
		return true;
	if (bytes > PAGE_SIZE)
		vm->pages = __vmalloc_node_noprof(bytes, 1, gfp, req->space.node,
						  req->caller);
	else
		vm->pages = kmalloc_node_noprof(bytes, gfp, req->space.node);
	return vm->pages;
}

/* Step 5: page tables. */
static int vmalloc_map(struct vm_struct *vm, const struct vmalloc_request *req,
		       unsigned int shift)
{
	const struct vmap_area *va = req->space.va;
	const unsigned long addr = va->va_start;
	const unsigned long end = addr + get_vm_area_size(vm);
	unsigned int scope;
	int err;

	scope = memalloc_apply_gfp_scope(req->gfp.caller);
	for (;;) {
		err = vmap_map_area(va, end, req->prot, vm->pages, shift,
				    req->gfp.meta | __GFP_ZERO);
		flush_cache_vmap(addr, end);
		if (!err || !req->gfp.nofail)
			break;
		/* The next try must not meet what this one mapped. */
		vunmap_range_noflush(addr, end);
		schedule_timeout_uninterruptible(1);
	}
	memalloc_restore_scope(scope);
	return err;
}

/* Steps 3 to 5. */
static bool vmalloc_fill_area(struct vm_struct *vm, const struct vmalloc_request *req,
			      unsigned int shift)
{
	const unsigned long nr = get_vm_area_size(vm) >> PAGE_SHIFT;

	if (!vmalloc_get_array(vm, req, nr)) {
		vmalloc_warn_alive(req, shift, "no memory for the array of pages");
		return false;
	}
	if (!vm_alloc_pages(vm, nr, shift - PAGE_SHIFT, &req->gfp, req->space.node)) {
		vmalloc_warn_alive(req, shift, "not enough pages");
		return false;
	}
	if (vmalloc_map(vm, req, shift)) {
		vmalloc_warn(req, shift, "pages could not be mapped");
		return false;
	}
	return true;
}

/* Areas whose allocation failed where it must not sleep. */
static LLIST_HEAD(vmalloc_failed);

static void vmalloc_failed_work(struct work_struct *work)
{
	struct vm_struct *vm, *next;

	llist_for_each_entry_safe(vm, next, llist_del_all(&vmalloc_failed), llnode)
		vfree(vm->addr);
}

static DECLARE_WORK(vmalloc_failed_worker, vmalloc_failed_work);

static void vmalloc_undo(struct vm_struct *vm, bool may_block)
{
	if (may_block)
		vfree(vm->addr);
	else if (llist_add(&vm->llnode, &vmalloc_failed))
		schedule_work(&vmalloc_failed_worker);
}

/* The whole allocation with leaves of one size. */
static void *vmalloc_try(struct vmalloc_request *req, unsigned int shift,
			 kasan_vmalloc_flags_t kasan_flags)
{
	/* There may never be a place for large leaves: small pages are tried instead. */
	const bool again = req->gfp.nofail && shift == PAGE_SHIFT;
	struct vm_struct *vm;

	while (!(vm = vmalloc_get_area(req, shift))) {
		vmalloc_warn(req, shift, again ? "no address space yet, trying again" :
						 "no address space, or no vm_struct");
		if (!again)
			return NULL;
		schedule_timeout_uninterruptible(1);
	}
	if (!vmalloc_fill_area(vm, req, shift)) {
		vmalloc_undo(vm, req->gfp.may_block);
		return NULL;
	}
	if (req->tag)
		vm->addr = kasan_unpoison_vmalloc(vm->addr, req->size, kasan_flags);
	clear_vm_uninitialized_flag(vm);
	if (!(req->vm_flags & VM_DEFER_KMEMLEAK))
		kmemleak_vmalloc(vm, PAGE_ALIGN(req->size), req->gfp.caller);
	return vm->addr;
}

/**
 * __vmalloc_node_range() - allocate memory in a window of addresses
 * @size: bytes
 * @align: alignment, a power of two
 * @start: lowest address
 * @end: end of the window, exclusive
 * @gfp_mask: any mask without zones but DMA and DMA32: see below
 * @prot: protection
 * @vm_flags: VM_* for the area, besides VM_ALLOC
 * @node: where memory should come from, or NUMA_NO_NODE
 * @caller: address of who asks
 *
 * Every part of the allocation keeps to what @gfp_mask and the scopes of the
 * task allow: pages, the array of them, descriptors, address space, shadow.
 * Page tables, which are allocated without a mask, too, with this exception:
 * for a caller that cannot sleep, or gives __GFP_NORETRY or __GFP_RETRY_MAYFAIL,
 * they may come from the emergency reserves, and are not waited for.
 *
 * __GFP_NOFAIL means for ever, but only for who may sleep and has a window that
 * can hold @size.  With __GFP_NOWARN nothing is warned of, neither what failed
 * nor what made no sense; but where a page table could not be had, the page
 * allocator says so.
 *
 * Context: process context; may sleep if @gfp_mask says so.
 * Return: the address, or NULL.
 */
void *__vmalloc_node_range_noprof(unsigned long size, unsigned long align,
				  unsigned long start, unsigned long end, gfp_t gfp_mask,
				  pgprot_t prot, unsigned long vm_flags, int node,
				  const void *caller)
{
	struct vmalloc_request req;
	kasan_vmalloc_flags_t kasan_flags;
	unsigned int shift;
	void *addr;

	if (WARN_ON_ONCE(in_nmi() || in_hardirq()))
		return NULL;
	if (unlikely(!size)) {
		WARN_ON_ONCE(!(gfp_mask & __GFP_NOWARN));
		return NULL;
	}
	req.size = size;
	req.align = align;
	req.gfp = vmalloc_split_gfp(gfp_mask);
	req.prot = prot;
	req.vm_flags = vm_flags;
	req.caller = caller;
	req.tag = !(kasan_hw_tags_enabled() && (gfp_mask & __GFP_SKIP_KASAN));
	/* The rest of it is for vmalloc_get_area(). */
	req.space.start = start;
	req.space.end = end;
	req.space.node = node;
	req.space.gfp = req.gfp.meta;
	req.space.va_flags = 0;
	if (size >> PAGE_SHIFT > totalram_pages()) {
		vmalloc_warn(&req, PAGE_SHIFT, "more than there is memory");
		return NULL;
	}
	shift = vmalloc_leaf_shift(&req);
	kasan_flags = vmalloc_prepare_tags(&req);
	if (shift > PAGE_SHIFT) {
		/* As in vmalloc_warn(). */
		req.space.gfp |= __GFP_NOWARN;
		addr = vmalloc_try(&req, shift, kasan_flags);
		if (addr)
			return addr;
		req.space.gfp = req.gfp.meta;
	}
	return vmalloc_try(&req, PAGE_SHIFT, kasan_flags);
}

/**
 * __vmalloc_node() - allocate memory
 * @size: bytes
 * @align: alignment, a power of two
 * @gfp_mask: as for __vmalloc_node_range()
 * @node: where memory should come from, or NUMA_NO_NODE
 * @caller: address of who asks
 *
 * Return: the address, or NULL.
 */
void *__vmalloc_node_noprof(unsigned long size, unsigned long align, gfp_t gfp_mask,
			    int node, const void *caller)
{
	return __vmalloc_node_range_noprof(size, align, VMALLOC_START, VMALLOC_END, gfp_mask,
					   PAGE_KERNEL, 0, node, caller);
}

#ifdef CONFIG_TEST_VMALLOC_MODULE
/* For lib/test_vmalloc.c and nobody else. */
EXPORT_SYMBOL_GPL(__vmalloc_node_noprof);
#endif

/* The frame of this macro's user is the one whose caller is recorded. */
#define vmalloc_from(size, align, gfp, flags, node)			\
	__vmalloc_node_range_noprof(size, align, VMALLOC_START, VMALLOC_END, gfp, \
				    PAGE_KERNEL, flags, node, __builtin_return_address(0))

/**
 * __vmalloc() - allocate memory with a mask
 * @size: bytes
 * @gfp_mask: as for __vmalloc_node_range(), without zones; bits that make no
 *	sense are ignored, with a warning unless __GFP_NOWARN is among the others
 *
 * Return: the address, or NULL.
 */
void *__vmalloc_noprof(unsigned long size, gfp_t gfp_mask)
{
	return vmalloc_from(size, 1, vmalloc_known_gfp(gfp_mask), 0, NUMA_NO_NODE);
}
EXPORT_SYMBOL(__vmalloc_noprof);

/**
 * vmalloc_huge_node() - allocate memory, mapped by large leaves where possible
 * @size: bytes
 * @gfp_mask: as for __vmalloc()
 * @node: where memory should come from, or NUMA_NO_NODE
 *
 * Return: the address, or NULL.
 */
void *vmalloc_huge_node_noprof(unsigned long size, gfp_t gfp_mask, int node)
{
	return vmalloc_from(size, 1, vmalloc_known_gfp(gfp_mask), VM_ALLOW_HUGE_VMAP, node);
}
EXPORT_SYMBOL_GPL(vmalloc_huge_node_noprof);

/**
 * vmalloc() - allocate memory
 * @size: bytes
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmalloc_noprof(unsigned long size)
{
	return vmalloc_from(size, 1, GFP_KERNEL, 0, NUMA_NO_NODE);
}
EXPORT_SYMBOL(vmalloc_noprof);

/**
 * vzalloc() - allocate memory filled with zeros
 * @size: bytes
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vzalloc_noprof(unsigned long size)
{
	return vmalloc_from(size, 1, GFP_KERNEL | __GFP_ZERO, 0, NUMA_NO_NODE);
}
EXPORT_SYMBOL(vzalloc_noprof);

/**
 * vmalloc_node() - allocate memory, preferably from a node
 * @size: bytes
 * @node: the node
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmalloc_node_noprof(unsigned long size, int node)
{
	return vmalloc_from(size, 1, GFP_KERNEL, 0, node);
}
EXPORT_SYMBOL(vmalloc_node_noprof);

/**
 * vzalloc_node() - allocate memory filled with zeros, preferably from a node
 * @size: bytes
 * @node: the node
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vzalloc_node_noprof(unsigned long size, int node)
{
	return vmalloc_from(size, 1, GFP_KERNEL | __GFP_ZERO, 0, node);
}
EXPORT_SYMBOL(vzalloc_node_noprof);

/**
 * vmalloc_user() - allocate memory that can be shown to a process
 * @size: bytes
 *
 * Filled with zeros, so that nothing leaks; see remap_vmalloc_range().
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmalloc_user_noprof(unsigned long size)
{
	return vmalloc_from(size, SHMLBA, GFP_KERNEL | __GFP_ZERO, VM_USERMAP, NUMA_NO_NODE);
}
EXPORT_SYMBOL(vmalloc_user_noprof);

/* The zone whose pages all have physical addresses of 32 bits. */
#if defined(CONFIG_64BIT) && !defined(CONFIG_ZONE_DMA32) && defined(CONFIG_ZONE_DMA)
#define VMALLOC_GFP_32	(GFP_KERNEL | GFP_DMA)
#else
#define VMALLOC_GFP_32	(GFP_KERNEL | GFP_DMA32)
#endif

/**
 * vmalloc_32() - allocate memory with physical addresses of 32 bits
 * @size: bytes
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmalloc_32_noprof(unsigned long size)
{
	return vmalloc_from(size, 1, VMALLOC_GFP_32, 0, NUMA_NO_NODE);
}
EXPORT_SYMBOL(vmalloc_32_noprof);

/**
 * vmalloc_32_user() - the same, to be shown to a process
 * @size: bytes
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vmalloc_32_user_noprof(unsigned long size)
{
	return vmalloc_from(size, SHMLBA, VMALLOC_GFP_32 | __GFP_ZERO, VM_USERMAP,
			    NUMA_NO_NODE);
}
EXPORT_SYMBOL(vmalloc_32_user_noprof);

/* ---- changing the size --------------------------------------------------- */

/*
 * Can pages at the end be given back, so that @nr are left?  Blocks cannot be
 * taken apart, permissions must be reset before, and a process that maps the
 * area expects all of it.  kmemleak allocates as it pleases.
 */
static bool vrealloc_can_trim(const struct vm_struct *vm, unsigned long nr, gfp_t gfp)
{
	return nr < vm->nr_pages && !vm_page_order(vm) && gfp_has_io_fs(gfp) &&
		!(vm->flags & (VM_FLUSH_RESET_PERMS | VM_USERMAP));
}

struct vrealloc_trim {
	struct vm_struct *vm;
	unsigned long nr_pages;
};

static int vrealloc_set_nr_pages(struct vmap_area *va, void *data)
{
	const struct vrealloc_trim *trim = data;

	if (!WARN_ON_ONCE(va->vm != trim->vm))
		trim->vm->nr_pages = trim->nr_pages;
	return 1;
}

static void vrealloc_trim(struct vm_struct *vm, unsigned long addr, unsigned long nr)
{
	struct vrealloc_trim trim = { .vm = vm, .nr_pages = nr };
	const unsigned long start = addr + (nr << PAGE_SHIFT);
	const unsigned long old_nr = vm->nr_pages;
	const unsigned long end = addr + (old_nr << PAGE_SHIFT);

	/* After that, nobody who walks the areas looks at the pages to come off. */
	vmap_space_walk(addr, vrealloc_set_nr_pages, &trim);
	kmemleak_free_part((void *)start, end - start);
	vunmap_range(start, end);
	vm_free_pages(vm, nr, old_nr);
	memset(vm->pages + nr, 0, (old_nr - nr) * sizeof(*vm->pages));
}

static void vrealloc_in_place(struct vm_struct *vm, const void *p, size_t size, gfp_t gfp)
{
	const size_t old_size = vm->requested_size;
	const unsigned long nr = PAGE_ALIGN(size) >> PAGE_SHIFT;

	/* Bytes behind the end are zeros whenever somebody may rely on it. */
	if (size < old_size && (want_init_on_free() || want_init_on_alloc(gfp)))
		memset((void *)p + size, 0, old_size - size);
	if (size <= old_size && vrealloc_can_trim(vm, nr, gfp))
		vrealloc_trim(vm, (unsigned long)kasan_reset_tag(p), nr);
	vm->requested_size = size;
	kasan_vrealloc(p, old_size, size);
}

/* Is what p has on the wrong node for a caller that insists? */
static bool vrealloc_has_to_move(const void *p, gfp_t gfp, int node)
{
	return (gfp & __GFP_THISNODE) && node != NUMA_NO_NODE &&
		page_to_nid(vmalloc_to_page(p)) != node;
}

/**
 * vrealloc_node_align() - change the size of an allocation
 * @p: what vmalloc() or one like it returned, or NULL for a new allocation
 * @size: new size in bytes; 0 frees
 * @align: alignment, which @p must have already
 * @flags: mask; with __GFP_THISNODE an object on another node is moved
 * @nid: where memory should come from, or NUMA_NO_NODE
 *
 * What both sizes have in common keeps its contents.  For __GFP_ZERO to hold, the
 * allocation and each change of its size must have it.  Shrinking gives pages back
 * where that is possible; growing beyond the pages that there are copies.
 *
 * Nobody else may change or free @p meanwhile.
 *
 * Return: the address, which may be another; NULL on failure, and @p is as it was,
 * or if @size is 0.
 */
void *vrealloc_node_align_noprof(const void *p, size_t size, unsigned long align,
				 gfp_t flags, int nid)
{
	struct vm_struct *vm;
	void *new;

	if (!size) {
		vfree(p);
		return NULL;
	}
	if (!p)
		return vmalloc_from(size, align, flags, 0, nid);
	vm = find_vm_area(p);
	if (WARN(!vm, "vrealloc: nothing is allocated at %p\n", p) ||
	    WARN(vm->requested_size > get_vm_area_size(vm),
		 "vrealloc: sizes at %p do not agree\n", p) ||
	    WARN(!IS_ALIGNED((unsigned long)p, align),
		 "vrealloc: cannot raise the alignment to %#lx\n", align))
		return NULL;
	if (!vrealloc_has_to_move(p, flags, nid) &&
	    (size <= vm->requested_size || size <= vm->nr_pages << PAGE_SHIFT)) {
		vrealloc_in_place(vm, p, size, flags);
		return (void *)p;
	}
	new = vmalloc_from(size, align, flags, 0, nid);
	if (new) {
		memcpy(new, p, min(size, vm->requested_size));
		vfree(p);
	}
	return new;
}
EXPORT_SYMBOL(vrealloc_node_align_noprof);

/* ---- boot ---------------------------------------------------------------- */

void __init vmalloc_init(void)
{
	struct vfree_later *later;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		later = per_cpu_ptr(&vfree_later, cpu);
		init_llist_head(&later->objects);
		INIT_WORK(&later->work, vfree_later_work);
	}
	vm_area_init();
	vmap_ram_init();
	vmap_space_init(vm_early_done());
}
