/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mem.h - pages, slab, vmalloc address space and page tables
 *
 * Memory that backs chunks comes from here only.  Each allocation can be made
 * to fail, has its mask recorded and its context checked (shim-mem.c).
 */
#ifndef SHIM_MEM_H
#define SHIM_MEM_H

#include "sync.h"

/* ---- masks ----------------------------------------------------------------- */

#define __GFP_DMA		((gfp_t)0x00000001)
#define __GFP_HIGHMEM		((gfp_t)0x00000002)
#define __GFP_DMA32		((gfp_t)0x00000004)
#define __GFP_MOVABLE		((gfp_t)0x00000008)
#define __GFP_RECLAIMABLE	((gfp_t)0x00000010)
#define __GFP_HIGH		((gfp_t)0x00000020)
#define __GFP_IO		((gfp_t)0x00000040)
#define __GFP_FS		((gfp_t)0x00000080)
#define __GFP_ZERO		((gfp_t)0x00000100)
#define __GFP_DIRECT_RECLAIM	((gfp_t)0x00000400)
#define __GFP_KSWAPD_RECLAIM	((gfp_t)0x00000800)
#define __GFP_WRITE		((gfp_t)0x00001000)
#define __GFP_NOWARN		((gfp_t)0x00002000)
#define __GFP_RETRY_MAYFAIL	((gfp_t)0x00004000)
#define __GFP_NOFAIL		((gfp_t)0x00008000)
#define __GFP_NORETRY		((gfp_t)0x00010000)
#define __GFP_MEMALLOC		((gfp_t)0x00020000)
#define __GFP_COMP		((gfp_t)0x00040000)
#define __GFP_NOMEMALLOC	((gfp_t)0x00080000)
#define __GFP_HARDWALL		((gfp_t)0x00100000)
#define __GFP_THISNODE		((gfp_t)0x00200000)
#define __GFP_ACCOUNT		((gfp_t)0x00400000)
#define __GFP_ZEROTAGS		((gfp_t)0x00800000)
#define __GFP_NOLOCKDEP		((gfp_t)0x01000000)
#define __GFP_RECLAIM		(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_ZONEMASK		(__GFP_DMA | __GFP_HIGHMEM | __GFP_DMA32 | __GFP_MOVABLE)

#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOWAIT		(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_NOIO		__GFP_RECLAIM
#define GFP_NOFS		(__GFP_RECLAIM | __GFP_IO)
#define GFP_USER		(GFP_KERNEL | __GFP_HARDWALL)
#define GFP_HIGHUSER		(GFP_USER | __GFP_HIGHMEM)
#define GFP_PGTABLE_KERNEL	(GFP_KERNEL | __GFP_ZERO)

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/* The kernel's rule: NOIO takes away IO and FS, NOFS takes away FS. */
static inline gfp_t current_gfp_context(gfp_t gfp)
{
	unsigned int flags = READ_ONCE(current->flags);

	if (flags & PF_MEMALLOC_NOIO)
		gfp &= ~(__GFP_IO | __GFP_FS);
	else if (flags & PF_MEMALLOC_NOFS)
		gfp &= ~__GFP_FS;
	if (flags & PF_MEMALLOC_PIN)
		gfp &= ~__GFP_MOVABLE;
	return gfp;
}

static inline unsigned int memalloc_flags_save(unsigned int flags)
{
	unsigned int added = flags & ~current->flags;

	current->flags |= added;
	return added;
}

static inline void memalloc_flags_restore(unsigned int added)
{
	current->flags &= ~added;
}

#define memalloc_noio_save()	memalloc_flags_save(PF_MEMALLOC_NOIO)
#define memalloc_nofs_save()	memalloc_flags_save(PF_MEMALLOC_NOFS)
#define memalloc_pin_save()	memalloc_flags_save(PF_MEMALLOC_PIN)
#define memalloc_noreclaim_save() memalloc_flags_save(PF_MEMALLOC)
#define memalloc_noio_restore	memalloc_flags_restore
#define memalloc_nofs_restore	memalloc_flags_restore
#define memalloc_pin_restore	memalloc_flags_restore
#define memalloc_noreclaim_restore memalloc_flags_restore
#define might_alloc(gfp)	might_sleep_if(gfpflags_allow_blocking(gfp))

/* The kernel's, which gives PF_MEMALLOC to some: percpu has no use for that. */
unsigned int memalloc_apply_gfp_scope(gfp_t gfp);
#define memalloc_restore_scope	memalloc_flags_restore

/* ---- pages ------------------------------------------------------------------- */

enum shim_page_state {
	SHIM_PAGE_FREE,
	SHIM_PAGE_OWNED,	/* allocated */
	SHIM_PAGE_MAPPED,	/* and in the page tables */
};

struct page {
	struct list_head lru;
	unsigned long private;
	struct shim_page_info {
		enum shim_page_state state;
		int order;		/* of the block, in its first page */
		int node;
		bool zeroed;
		void *memory;		/* what page_address() gave, or NULL */
		unsigned long stale_addr;	/* the TLB may still know it there */
		struct page *next_pending;
	} shim;
};

#define page_private(page)	((page)->private)
#define set_page_private(page, value) ((page)->private = (value))

struct page *shim_alloc_pages(const char *where, int node, gfp_t gfp, unsigned int order);
void __free_pages(struct page *page, unsigned int order);
void *page_address(const struct page *page);
struct page *virt_to_page(const void *addr);
struct page *alloc_pages_nolock(gfp_t gfp, int node, unsigned int order);
#define alloc_pages_node(node, gfp, order) shim_alloc_pages(__func__, node, gfp, order)
#define alloc_pages(gfp, order)	alloc_pages_node(NUMA_NO_NODE, gfp, order)
#define alloc_page(gfp)		alloc_pages(gfp, 0)
#define __free_page(page)	__free_pages(page, 0)
#define free_pages_nolock	__free_pages
unsigned long page_to_phys(struct page *page);
#define page_to_pfn(page)	(page_to_phys(page) >> PAGE_SHIFT)

unsigned long totalram_pages(void);

/* ---- slab ----------------------------------------------------------------------- */

void *shim_kvzalloc(const char *where, size_t bytes, gfp_t gfp);
void kvfree(const void *object);
#define kvzalloc(bytes, gfp)	shim_kvzalloc(__func__, bytes, gfp)
#define kzalloc(bytes, gfp)	shim_kvzalloc(__func__, bytes, gfp)
#define kmalloc(bytes, gfp)	shim_kvzalloc(__func__, bytes, gfp)
#define kvmalloc(bytes, gfp)	shim_kvzalloc(__func__, bytes, gfp)
#define kcalloc(n, bytes, gfp)	shim_kvzalloc(__func__, size_mul(n, bytes), gfp)
#define kvmalloc_array(n, bytes, gfp) shim_kvzalloc(__func__, size_mul(n, bytes), gfp)
#define kvcalloc(n, bytes, gfp)	shim_kvzalloc(__func__, size_mul(n, bytes), gfp)
#define kzalloc_obj(obj, ...)	shim_kvzalloc(__func__, sizeof(obj), GFP_KERNEL)
#define kfree(object)		kvfree(object)
#define vmalloc(bytes)		shim_kvzalloc(__func__, bytes, GFP_KERNEL)
#define vzalloc(bytes)		shim_kvzalloc(__func__, bytes, GFP_KERNEL)
#define vfree(object)		kvfree(object)
bool slab_is_available(void);

/* ---- address space and page tables ---------------------------------------------- */

#define VM_ALLOC		0x02
#define VM_MAP			0x04
#define VM_NO_GUARD		0x40

struct vm_struct {
	void *addr;
	unsigned long size;
	unsigned long flags;
};

typedef struct { unsigned long pgprot; } pgprot_t;
typedef struct { unsigned long pte; } pte_t;
typedef int (*pte_fn_t)(pte_t *pte, unsigned long addr, void *data);
struct mm_struct { int unused; };

#define PAGE_KERNEL		((pgprot_t){ 0 })
#define PMD_SHIFT		(PAGE_SHIFT + 9)
#define PMD_SIZE		(1UL << PMD_SHIFT)
#define PUD_SIZE		(1UL << 30)
#define PTRS_PER_PTE		512
extern struct mm_struct init_mm;

unsigned long shim_vmalloc_start(void);
unsigned long shim_vmalloc_total(void);
#define VMALLOC_START		shim_vmalloc_start()
#define VMALLOC_TOTAL		shim_vmalloc_total()
#define VMALLOC_END		(VMALLOC_START + VMALLOC_TOTAL)

struct vm_struct *get_vm_area(unsigned long size, unsigned long flags);
void free_vm_area(struct vm_struct *area);
struct vm_struct **pcpu_get_vm_areas(const unsigned long *offsets, const size_t *sizes,
				     int nr_vms, size_t align, gfp_t gfp);
void pcpu_free_vm_areas(struct vm_struct **vms, int nr_vms);
int apply_to_page_range(struct mm_struct *mm, unsigned long addr, unsigned long size,
			pte_fn_t fn, void *data);
int vmap_pages_range_noflush(unsigned long addr, unsigned long end, pgprot_t prot,
			     struct page **pages, unsigned int page_shift, gfp_t gfp);
void vunmap_range_noflush(unsigned long addr, unsigned long end);
#define __vunmap_range_noflush	vunmap_range_noflush
#define __vmap_pages_range_noflush(addr, end, prot, pages, shift)	\
	vmap_pages_range_noflush(addr, end, prot, pages, shift, 0)
struct page *vmalloc_to_page(const void *addr);
bool is_vmalloc_addr(const void *addr);
void flush_cache_vmap(unsigned long start, unsigned long end);
void flush_cache_vunmap(unsigned long start, unsigned long end);
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
#define kmsan_enabled		false
#define kmsan_poison_memory(addr, size, gfp)	do { } while (0)
bool want_init_on_alloc(gfp_t gfp);
bool want_init_on_free(void);

/* At boot: all levels but the last are there. */
typedef struct { unsigned char there; } pmd_t;
typedef pmd_t pgd_t;
typedef pmd_t p4d_t;
typedef pmd_t pud_t;
extern pmd_t shim_upper_table;
pmd_t *shim_pmd_offset(unsigned long addr);
void shim_pmd_populate(pmd_t *pmd, void *table);
#define pgd_offset_k(addr)	(&shim_upper_table)
#define p4d_offset(pgd, addr)	(pgd)
#define pud_offset(p4d, addr)	(p4d)
#define pmd_offset(pud, addr)	shim_pmd_offset(addr)
#define pgd_none(pgd)		(!(pgd).there)
#define p4d_none(p4d)		(!(p4d).there)
#define pud_none(pud)		(!(pud).there)
#define pmd_present(pmd)	((pmd).there)
#define pgd_populate_kernel(addr, pgd, table)	shim_pmd_populate(pgd, table)
#define p4d_populate_kernel(addr, p4d, table)	shim_pmd_populate(p4d, table)
#define pud_populate(mm, pud, table)		shim_pmd_populate(pud, table)
#define pmd_populate_kernel(mm, pmd, table)	shim_pmd_populate(pmd, table)

/* ---- the shrinker ------------------------------------------------------------------ */

#define SHRINK_STOP		(~0UL)
#define SHRINK_EMPTY		(~0UL - 1)
#define DEFAULT_SEEKS		2

struct shrink_control {
	gfp_t gfp_mask;
	int nid;
	unsigned long nr_to_scan;
	unsigned long nr_scanned;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *s, struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *s, struct shrink_control *sc);
	long batch;
	int seeks;
	unsigned int flags;
	void *private_data;
};

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...);
void shrinker_register(struct shrinker *shrinker);
void shrinker_free(struct shrinker *shrinker);

#endif /* SHIM_MEM_H */
