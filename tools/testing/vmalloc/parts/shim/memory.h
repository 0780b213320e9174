/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - pages, slab objects, scopes and work items, all counted
 *
 * Every allocation is recorded with its mask, and can be made to fail.
 */
#ifndef SHIM_MEMORY_H
#define SHIM_MEMORY_H

#include <sys/mman.h>

#define CONFIG_MEMCG			1
#define CONFIG_NUMA			1
#define CONFIG_VMAP_PFN			1
#define CONFIG_HAVE_ARCH_HUGE_VMALLOC	1
#define PMD_SHIFT			17	/* 32 pages: what is huge here */
#define PMD_SIZE			(1UL << PMD_SHIFT)
#define SHMLBA				PAGE_SIZE
#define MAX_PAGE_ORDER			6

/* ---- masks ---------------------------------------------------------------- */

#define __GFP_DMA		0x1u
#define __GFP_HIGHMEM		0x2u
#define __GFP_DMA32		0x4u
#define __GFP_HIGH		0x20u
#define __GFP_IO		0x40u
#define __GFP_FS		0x80u
#define __GFP_ZERO		0x100u
#define __GFP_DIRECT_RECLAIM	0x400u
#define __GFP_KSWAPD_RECLAIM	0x800u
#define __GFP_NOWARN		0x2000u
#define __GFP_RETRY_MAYFAIL	0x4000u
#define __GFP_NOFAIL		0x8000u
#define __GFP_NORETRY		0x10000u
#define __GFP_MEMALLOC		0x20000u
#define __GFP_NOMEMALLOC	0x80000u
#define __GFP_HARDWALL		0x100000u
#define __GFP_THISNODE		0x200000u
#define __GFP_ACCOUNT		0x400000u
#define __GFP_SKIP_ZERO		0x1000000u
#define __GFP_SKIP_KASAN	0x2000000u
#define __GFP_NOLOCKDEP		0x4000000u
#define __GFP_RECLAIM		(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_USER		(GFP_KERNEL | __GFP_HARDWALL)
#define GFP_NOFS		(__GFP_RECLAIM | __GFP_IO)
#define GFP_NOIO		__GFP_RECLAIM
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT		(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_DMA			__GFP_DMA
#define GFP_DMA32		__GFP_DMA32
#define GFP_RECLAIM_MASK	(__GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | \
				 __GFP_NOWARN | __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | \
				 __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC | \
				 __GFP_NOLOCKDEP)
#define gfpflags_allow_blocking(gfp) (!!((gfp) & __GFP_DIRECT_RECLAIM))
#define gfp_has_io_fs(gfp)	(((gfp) & (__GFP_IO | __GFP_FS)) == (__GFP_IO | __GFP_FS))

/* ---- scopes ----------------------------------------------------------------- */

enum shim_scope { SCOPE_NONE, SCOPE_NOFS, SCOPE_NOIO, SCOPE_NORECLAIM };

static enum shim_scope shim_scope;

static unsigned int shim_enter_scope(enum shim_scope scope)
{
	assert(shim_scope == SCOPE_NONE);
	shim_scope = scope;
	return scope;
}

#define memalloc_nofs_save()		shim_enter_scope(SCOPE_NOFS)
#define memalloc_noio_save()		shim_enter_scope(SCOPE_NOIO)
#define memalloc_noreclaim_save()	shim_enter_scope(SCOPE_NORECLAIM)

static void memalloc_flags_restore(unsigned int flags)
{
	assert(shim_scope == flags);
	shim_scope = SCOPE_NONE;
}

/* ---- the record ---------------------------------------------------------------- */

/* Of one call: bits that some allocation had, and bits that all had. */
static struct {
	gfp_t any, all;
	unsigned int nr;
	enum shim_scope table_scope;
	unsigned int nr_sleeps, nr_messages;
	bool cache_unflushed;	/* mapped, and flush_cache_vmap() has not been told */
} record;

static void record_start(void)
{
	memset(&record, 0, sizeof(record));
	record.all = ~0u;
}

#define space_failed(req)	(record.nr_messages += !((req)->gfp & __GFP_NOWARN))
#define SHIM_HAVE_AREAS
#include "space.h"

static bool record_and_fail(gfp_t gfp)
{
	might_sleep();
	record.any |= gfp;
	record.all &= gfp;
	record.nr++;
	if (!shim_fails() || ((gfp & __GFP_NOFAIL) && (gfp & __GFP_DIRECT_RECLAIM)))
		return false;
	record.nr_messages += !(gfp & __GFP_NOWARN);
	return true;
}

/* Who sleeps that often waits for what never comes. */
#define schedule_timeout_uninterruptible(ticks) assert(++record.nr_sleeps < 1000)
#define warn_alloc(gfp, mask, ...)	((void)(record.nr_messages += !((gfp) & __GFP_NOWARN)))
static bool shim_killed;
#define fatal_signal_pending(task)	shim_killed
static bool shim_in_interrupt;
#define in_interrupt()			shim_in_interrupt
#define in_nmi()			false
#define in_hardirq()			shim_in_interrupt

/* ---- slab ------------------------------------------------------------------------- */

static long shim_nr_objects;
void vfree(const void *addr);

static void *kmalloc_node_noprof(size_t bytes, gfp_t gfp, int node)
{
	void *object;

	if (record_and_fail(gfp))
		return NULL;
	shim_nr_objects++;
	object = malloc(bytes);
	memset(object, gfp & __GFP_ZERO ? 0 : 0xa5, bytes);
	return object;
}

struct kmem_cache {
	size_t bytes;
};

static struct kmem_cache *kmem_cache_create(const char *name, size_t bytes, size_t align,
					    unsigned long flags, void (*ctor)(void *object))
{
	static struct kmem_cache caches[2];
	static unsigned int nr;

	assert(nr < ARRAY_SIZE(caches));
	caches[nr].bytes = bytes;
	return &caches[nr++];
}

#define SLAB_PANIC				0
#define kmem_cache_alloc_node(cache, gfp, node)	kmalloc_node_noprof((cache)->bytes, gfp, node)
#define kmalloc_node(bytes, gfp, node)	kmalloc_node_noprof(bytes, gfp, node)
#define kzalloc_node(bytes, gfp, node)	kmalloc_node_noprof(bytes, (gfp) | __GFP_ZERO, node)

static void kfree(const void *object)
{
	shim_nr_objects -= !!object;
	free((void *)object);
}

static void kvfree(const void *object)
{
	if (is_vmalloc_addr(object))
		vfree(object);
	else
		kfree(object);
}

/* ---- pages ------------------------------------------------------------------------- */

#define NUMA_NO_NODE	(-1)
#define NR_PAGES	16384

/* Of its entry in the direct map. */
enum shim_direct { DIRECT_DEFAULT, DIRECT_INVALID, DIRECT_FLUSHED };

struct page {
	unsigned long memcg_data;
	int node;
	bool used;
	bool zeroed;
	enum shim_direct direct;
};

static struct page mem_map[NR_PAGES];
static long shim_nr_pages;
static long shim_nr_vmalloc[2][3];	/* NR_VMALLOC by node and cgroup */

#define page_to_nid(page)	((page)->node)
#define page_to_pfn(page)	((unsigned long)((page) - mem_map))
/* One of 16 is in high memory. */
#define page_address(page)	((void *)(page_to_pfn(page) % 16 == 5 ? 0 :	\
					  (page_to_pfn(page) + 1) << PAGE_SHIFT))
static unsigned long shim_totalram = 8192;
#define totalram_pages()	shim_totalram
#define split_page(page, order)	((void)0)
enum { NR_VMALLOC };

static void mod_lruvec_page_state(struct page *page, int item, int nr)
{
	shim_nr_vmalloc[page->node][page->memcg_data] += nr;
}

static bool block_is_free(unsigned long pfn, unsigned long nr)
{
	while (nr--)
		if (mem_map[pfn + nr].used)
			return false;
	return true;
}

/* Large ones are somewhere, aligned; the node and cgroup of a block vary. */
static struct page *alloc_pages_noprof(gfp_t gfp, unsigned int order)
{
	const unsigned long nr = 1UL << order;
	unsigned long pfn, i;
	int node, memcg;

	if (record_and_fail(gfp) || (order && rand() % 3 == 0))
		return NULL;
	for (pfn = rand() % NR_PAGES / nr * nr; !block_is_free(pfn, nr);)
		pfn = (pfn + nr) % NR_PAGES;
	node = rand() % 2;
	memcg = rand() % 3;
	for (i = pfn; i < pfn + nr; i++)
		mem_map[i] = (struct page){ .used = true, .zeroed = gfp & __GFP_ZERO,
					    .node = node, .memcg_data = memcg };
	shim_nr_pages += nr;
	return mem_map + pfn;
}

#define alloc_pages_node_noprof(node, gfp, order) alloc_pages_noprof(gfp, order)
#define alloc_pages_bulk_mempolicy_noprof(gfp, nr, pages) \
	alloc_pages_bulk_node_noprof(gfp, 0, nr, pages)

static unsigned long alloc_pages_bulk_node_noprof(gfp_t gfp, int node, unsigned long nr,
						  struct page **pages)
{
	unsigned long i;

	/* It gives up early when it likes. */
	for (i = 0; i < nr && rand() % 200; i++) {
		assert(!pages[i]);
		pages[i] = alloc_pages_noprof(gfp & ~__GFP_NOFAIL, 0);
		if (!pages[i])
			break;
	}
	return i;
}

static void free_pages_bulk(struct page **pages, unsigned long nr)
{
	while (nr--) {
		assert(pages[nr]->used && pages[nr]->direct == DIRECT_DEFAULT);
		pages[nr]->used = false;
		shim_nr_pages--;
	}
}

static void __free_page(struct page *page)
{
	free_pages_bulk(&page, 1);
}

/* ---- permissions: the direct map's entries go, are flushed, come back ------------------ */

static unsigned int shim_nr_reset, shim_nr_alias_flushes;

static int set_direct_map_invalid_noflush(struct page *page)
{
	assert(page_address(page) && page->used && page->direct == DIRECT_DEFAULT);
	page->direct = DIRECT_INVALID;
	return 0;
}

static int set_direct_map_default_noflush(struct page *page)
{
	assert(page->direct == DIRECT_FLUSHED);
	page->direct = DIRECT_DEFAULT;
	shim_nr_reset++;
	return 0;
}

static void space_make_room(void);

static void vmap_flush_aliases(unsigned long start, unsigned long end)
{
	unsigned long i, addr;

	shim_nr_alias_flushes++;
	for (i = 0; i < NR_PAGES; i++) {
		if (mem_map[i].direct != DIRECT_INVALID)
			continue;
		addr = (unsigned long)page_address(&mem_map[i]);
		assert(start <= addr && addr + PAGE_SIZE <= end);
		mem_map[i].direct = DIRECT_FLUSHED;
	}
	/* What was unmapped lazily goes with it. */
	space_make_room();
	for (i = 0; i < SPACE_PAGES; i++)
		assert(!space_stale[i]);
}

/* ---- work items, lists of them -------------------------------------------------------- */

struct llist_head { struct llist_node *first; };
struct work_struct {
	void (*func)(struct work_struct *work);
	bool pending;
};

#define LLIST_HEAD(name)	struct llist_head name
#define DECLARE_WORK(name, fn)	struct work_struct name = { .func = (fn) }
#define INIT_WORK(work, fn)	((work)->func = (fn))
#define init_llist_head(list)	((list)->first = NULL)
#define llist_for_each_safe(pos, ahead, node)				\
	for ((pos) = (node); (pos) && ((ahead) = (pos)->next, 1); (pos) = (ahead))
#define llist_for_each_entry_safe(pos, ahead, node, member)		\
	for ((pos) = (void *)(node);					\
	     (pos) && ((ahead) = (void *)(pos)->member.next, true);	\
	     (pos) = (ahead))

static bool llist_add(struct llist_node *node, struct llist_head *list)
{
	node->next = list->first;
	list->first = node;
	return !node->next;
}

static struct llist_node *llist_del_all(struct llist_head *list)
{
	struct llist_node *first = list->first;

	list->first = NULL;
	return first;
}

static struct work_struct *shim_works[8];

static void schedule_work(struct work_struct *work)
{
	unsigned int i = 0;

	while (shim_works[i])
		i++;
	shim_works[i] = work;
}

static void shim_run_works(void)
{
	struct work_struct *work;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shim_works); i++) {
		work = shim_works[i];
		shim_works[i] = NULL;
		if (work)
			work->func(work);
	}
}

/* ---- the rest -------------------------------------------------------------------------- */

typedef struct { unsigned long v; } pte_t;
typedef unsigned int kasan_vmalloc_flags_t;
struct vm_area_struct {
	unsigned long vm_start, vm_end;
	unsigned int nr_inserted;
};

#define PAGE_KERNEL			1
#define pgprot_val(prot)		(prot)
#define pgprot_nx(prot)			(prot)
#define pte_mkspecial(pte)		(pte)
#define pfn_pte(pfn, prot)		((pte_t){ pfn })
#define pfn_valid(pfn)			false
#define set_pte_at(mm, addr, pte, v)	((void)0)
#define vm_insert_page(vma, addr, page)	((vma)->nr_inserted++, 0)
#define vmalloc_to_page(p)		(&mem_map[0])
#define vm_flags_set(vma, flags)	((void)0)
#define check_shl_overflow(a, s, d)	(*(d) = (a) << (s), 0)
#define VM_DONTEXPAND			0
#define VM_DONTDUMP			0
#define arch_vmap_pmd_supported(prot)	true
#define arch_vmap_pte_supported_shift(bytes) PAGE_SHIFT
#define arch_vmap_pgprot_tagged(prot)	(prot)
#define get_count_order_long(n)		((n) > 1 ? ilog2((n) - 1) + 1 : 0)
#define flush_cache_vmap(start, end)	(record.cache_unflushed = false)
#define KASAN_VMALLOC_VM_ALLOC		2
#define KASAN_VMALLOC_PROT_NORMAL	4
#define KASAN_VMALLOC_INIT		1
#define kasan_reset_tag(p)		(p)
#define kasan_hw_tags_enabled()		false
#define kasan_poison_vmalloc(p, bytes)	((void)0)
#define kasan_unpoison_vmalloc(p, bytes, flags) (p)
#define kasan_free_module_shadow(vm)	((void)0)
#define kasan_vrealloc(p, old, new)	((void)0)
#define kasan_populate_early_vm_area_shadow(p, bytes) ((void)0)
#define debug_check_no_locks_freed(p, bytes) ((void)0)
#define debug_check_no_obj_freed(p, bytes) ((void)0)
#define kmemleak_free(p)		((void)0)
#define kmemleak_scan_area(p, bytes, gfp) ((void)0)
#define kmemleak_free_part(p, bytes)	((void)0)
#define kmemleak_vmalloc(vm, bytes, gfp) ((void)0)
#define want_init_on_free()		false
#define want_init_on_alloc(gfp)		true

void *__vmalloc_node_noprof(unsigned long size, unsigned long align, gfp_t gfp_mask,
			    int node, const void *caller);
void *__vmalloc_node_range_noprof(unsigned long size, unsigned long align,
				  unsigned long start, unsigned long end, gfp_t gfp_mask,
				  pgprot_t prot, unsigned long vm_flags, int node,
				  const void *caller);
struct vm_struct *find_vm_area(const void *addr);
struct vm_struct *remove_vm_area(const void *addr);
struct vm_struct *get_vm_area_caller(unsigned long size, unsigned long flags,
				     const void *caller);
void free_vm_area(struct vm_struct *area);
unsigned int memalloc_apply_gfp_scope(gfp_t gfp_mask);

static void vunmap_range_noflush(unsigned long start, unsigned long end)
{
	vmap_unmap_lazily(start, end);
	flush_tlb_kernel_range(start, end);
}

#define vunmap_range(start, end) vunmap_range_noflush(start, end)

static int vmap_pages_range_noflush(unsigned long start, unsigned long end, pgprot_t prot,
				    struct page **pages, unsigned int shift, gfp_t gfp)
{
	unsigned long addr;

	record.table_scope = shim_scope;
	record.cache_unflushed = true;
	for (addr = start; addr < end; addr += PAGE_SIZE)
		memset((void *)addr, (*pages++)->zeroed ? 0 : 0x5a, PAGE_SIZE);
	return space_map(start, end);
}

static int vmap_map_area(const struct vmap_area *va, unsigned long end, pgprot_t prot,
			 struct page **pages, unsigned int shift, gfp_t gfp)
{
	return vmap_pages_range_noflush(va->va_start, end, prot, pages, shift, gfp);
}

#define vmap_pages_range(start, end, prot, pages, shift) space_map(start, end)

static int init_mm;

static int apply_to_page_range(void *mm, unsigned long addr, unsigned long bytes,
			       int (*fn)(pte_t *pte, unsigned long addr, void *data), void *data)
{
	unsigned long at;
	pte_t pte;
	int err;

	record.cache_unflushed = true;
	for (at = addr; at < addr + bytes; at += PAGE_SIZE) {
		err = fn(&pte, at, data) ?: space_map(at, at + PAGE_SIZE);
		if (err)
			return err;
	}
	return 0;
}

void vmap_ram_purge_fragmented(void)
{
}

static void vmap_ram_init(void)
{
}

void vmap_space_init(struct vm_struct *early_list)
{
	void *window = mmap((void *)VMALLOC_START, VMALLOC_END - VMALLOC_START,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			    -1, 0);

	assert(window == (void *)VMALLOC_START);
}

#endif /* SHIM_MEMORY_H */
