/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables.h - page tables of five levels with 8 entries each, and frames
 */
#ifndef SHIM_TABLES_H
#define SHIM_TABLES_H

#define CONFIG_HAVE_ARCH_HUGE_VMAP	1
#define CONFIG_HAVE_ARCH_HUGE_VMALLOC	1

#define ENTRIES		8
#define PMD_SHIFT	15
#define PUD_SHIFT	18
#define P4D_SHIFT	21
#define PGDIR_SHIFT	24
#define PMD_SIZE	(1UL << PMD_SHIFT)
#define PUD_SIZE	(1UL << PUD_SHIFT)
#define P4D_SIZE	(1UL << P4D_SHIFT)
#define PMD_MASK	(~(PMD_SIZE - 1))
#define PUD_MASK	(~(PUD_SIZE - 1))
#define P4D_MASK	(~(P4D_SIZE - 1))
#define BASE		0x10000000UL
#define NR_PAGES	(ENTRIES << (PGDIR_SHIFT - PAGE_SHIFT))
#define NR_FRAMES	65536UL

struct page { int unused; };
static struct page mem_map[NR_FRAMES];

#define page_to_pfn(page)	((unsigned long)((page) - mem_map))
#define pfn_to_page(pfn)	(mem_map + (pfn))
#define page_to_phys(page)	(page_to_pfn(page) << PAGE_SHIFT)
#define pfn_valid(pfn)		((pfn) < NR_FRAMES)
#define dump_page(page, why)	((void)0)
#define totalram_pages()	NR_FRAMES
#define GFP_KERNEL		0

static unsigned long num_pages_contiguous(struct page **pages, unsigned long nr)
{
	unsigned long i;

	for (i = 1; i < nr; i++)
		if (pages[i] != pages[0] + i)
			break;
	return i;
}

/* ---- entries: 0, a table (1), a leaf (3) ----------------------------------- */

#define PRESENT		1UL
#define LEAF		3UL
#define GROUP		0x10UL	/* of four entries that are one leaf */
#define KIND(v)		((v) & 3)
#define TABLE(v)	((void *)((v) & ~(PAGE_SIZE - 1)))

typedef struct { unsigned long v; } pte_t;
typedef struct { unsigned long v; } pmd_t;
typedef struct { unsigned long v; } pud_t;
typedef struct { unsigned long v; } p4d_t;
typedef struct { unsigned long v; } pgd_t;
static pgd_t top[ENTRIES];
static long nr_tables;
static int init_mm;

#define PAGE_KERNEL		0
#define pgprot_nx(prot)		(prot)
#define PGTBL_PGD_MODIFIED	1
#define PGTBL_P4D_MODIFIED	2
#define PGTBL_PUD_MODIFIED	4
#define PGTBL_PMD_MODIFIED	8
#define PGTBL_PTE_MODIFIED	16
#define ARCH_PAGE_TABLE_SYNC_MASK (PGTBL_PGD_MODIFIED | PGTBL_P4D_MODIFIED)
#define lazy_mmu_mode_enable()	((void)0)
#define lazy_mmu_mode_disable()	((void)0)
#define mmap_read_trylock(mm)	(rand() % 8 != 0)
#define mmap_read_unlock(mm)	((void)0)
#define flush_tlb_kernel_range(start, end)	((void)0)
#define kmsan_ioremap_page_range(...)		0
#define kmsan_vmap_pages_range_noflush(...)	0
#define kmsan_vunmap_range_noflush(...)		((void)0)
#define debug_pagealloc_enabled_static()	false
#define arch_vmap_p4d_supported(prot)		true
#define arch_vmap_pud_supported(prot)		true
#define arch_vmap_pmd_supported(prot)		true

#define DEFINE_ADDR_END(level, shift)					\
static unsigned long level##_addr_end(unsigned long addr, unsigned long end) \
{									\
	unsigned long next = ALIGN_DOWN(addr, 1UL << (shift)) + (1UL << (shift)); \
									\
	return next < end ? next : end;					\
}
DEFINE_ADDR_END(pgd, PGDIR_SHIFT)
DEFINE_ADDR_END(p4d, P4D_SHIFT)
DEFINE_ADDR_END(pud, PUD_SHIFT)
DEFINE_ADDR_END(pmd, PMD_SHIFT)

/* ---- what the architecture is told of ---------------------------------------- */

static bool shim_unsynced[NR_PAGES >> (P4D_SHIFT - PAGE_SHIFT)];	/* by entry of a p4d table */
static unsigned int shim_nr_syncs;
/* Written and not in the range of a flush_cache_vmap() yet. */
static unsigned long shim_unflushed_from = ~0UL, shim_unflushed_to;
/* Of the last flush_cache_vunmap(): what may be cleared. */
static unsigned long shim_vunmap_start, shim_vunmap_end;
static unsigned int shim_nr_vmap_flushes, shim_nr_vunmap_flushes;

static void arch_sync_kernel_mappings(unsigned long start, unsigned long end)
{
	unsigned long i;

	shim_nr_syncs++;
	for (i = (start - BASE) >> P4D_SHIFT; i <= (end - 1 - BASE) >> P4D_SHIFT; i++)
		shim_unsynced[i] = false;
}

static void shim_wrote(unsigned long addr, unsigned long bytes)
{
	shim_unflushed_from = min(shim_unflushed_from, addr);
	shim_unflushed_to = max(shim_unflushed_to, addr + bytes);
}

static void flush_cache_vmap(unsigned long start, unsigned long end)
{
	assert(shim_unflushed_from >= start && shim_unflushed_to <= end);
	shim_unflushed_from = ~0UL;
	shim_unflushed_to = 0;
	shim_nr_vmap_flushes++;
}

static void flush_cache_vunmap(unsigned long start, unsigned long end)
{
	shim_vunmap_start = start;
	shim_vunmap_end = end;
	shim_nr_vunmap_flushes++;
}

static void shim_clears(unsigned long addr)
{
	assert(addr >= shim_vunmap_start && addr < shim_vunmap_end);
}

/* After each call from outside: nothing is left that somebody has not been told of. */
static void shim_check_told(void)
{
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(shim_unsynced); i++)
		assert(!shim_unsynced[i]);
	assert(shim_unflushed_from == ~0UL);
	shim_vunmap_start = 0;
	shim_vunmap_end = 0;
}

static pgd_t *pgd_offset_k(unsigned long addr)
{
	assert(addr - BASE < NR_PAGES * PAGE_SIZE);
	return &top[(addr - BASE) >> PGDIR_SHIFT];
}

static unsigned long new_table(void)
{
	void *table;

	if (shim_fails())
		return 0;
	table = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(table, 0, PAGE_SIZE);
	nr_tables++;
	return (unsigned long)table | PRESENT;
}

#define DEFINE_LEVEL(up, UP, low, shift)					\
static bool up##_none(up##_t e) { return !e.v; }			\
static bool up##_present(up##_t e) { return e.v; }			\
static bool up##_leaf(up##_t e) { return KIND(e.v) == LEAF; }		\
static bool up##_bad(up##_t e) { return e.v && KIND(e.v) != PRESENT; }	\
static bool up##_none_or_clear_bad(up##_t *e)				\
{									\
	assert(!up##_bad(*e));						\
	return !e->v;							\
}									\
static low##_t *low##_offset(up##_t *e, unsigned long addr)		\
{									\
	assert(KIND(e->v) == PRESENT);					\
	return (low##_t *)TABLE(e->v) + ((addr - BASE) >> (shift)) % ENTRIES; \
}									\
static low##_t *low##_alloc_track(void *mm, up##_t *e, unsigned long addr, \
				  pgtbl_mod_mask *modified)		\
{									\
	if (!e->v) {							\
		e->v = new_table();					\
		if (e->v) {						\
			*modified |= PGTBL_##UP##_MODIFIED;		\
			if (PGTBL_##UP##_MODIFIED & ARCH_PAGE_TABLE_SYNC_MASK) \
				shim_unsynced[(addr - BASE) >> P4D_SHIFT] = true; \
		}							\
	}								\
	return e->v ? low##_offset(e, addr) : NULL;			\
}
DEFINE_LEVEL(pgd, PGD, p4d, P4D_SHIFT)
DEFINE_LEVEL(p4d, P4D, pud, PUD_SHIFT)
DEFINE_LEVEL(pud, PUD, pmd, PMD_SHIFT)
DEFINE_LEVEL(pmd, PMD, pte, PAGE_SHIFT)
#define pte_offset_kernel	pte_offset
#define pte_index(addr)		(((addr) - BASE) / PAGE_SIZE % ENTRIES)
#define pte_alloc_kernel_track(pmd, addr, modified) pte_alloc_track(NULL, pmd, addr, modified)

#define DEFINE_LEAF(level, shift)					\
static bool level##_set_huge(level##_t *e, phys_addr_t phys, pgprot_t prot) \
{									\
	assert(!e->v && IS_ALIGNED(phys, 1UL << (shift)));		\
	if (rand() % 10 == 0)						\
		return false;						\
	e->v = phys | LEAF;						\
	return true;							\
}									\
static bool level##_clear_huge(level##_t *e)				\
{									\
	bool leaf = KIND(e->v) == LEAF;					\
									\
	if (leaf)							\
		e->v = 0;						\
	return leaf;							\
}									\
static struct page *level##_page(level##_t e)				\
{									\
	return pfn_to_page(e.v >> PAGE_SHIFT);				\
}
DEFINE_LEAF(p4d, P4D_SHIFT)
DEFINE_LEAF(pud, PUD_SHIFT)
DEFINE_LEAF(pmd, PMD_SHIFT)

/* Whoever replaces a table says that nothing is in it. */
static void free_empty(unsigned long entry, int levels_below)
{
	unsigned long *table = TABLE(entry);
	int i;

	assert(KIND(entry) == PRESENT);
	for (i = 0; i < ENTRIES; i++) {
		if (!table[i])
			continue;
		assert(levels_below);
		free_empty(table[i], levels_below - 1);
	}
	free(table);
	nr_tables--;
}

static bool p4d_free_pud_page(p4d_t *p4d, unsigned long addr)
{
	free_empty(p4d->v, 2);
	p4d->v = 0;
	return true;
}

static bool pud_free_pmd_page(pud_t *pud, unsigned long addr)
{
	free_empty(pud->v, 1);
	pud->v = 0;
	return true;
}

static bool pmd_free_pte_page(pmd_t *pmd, unsigned long addr)
{
	free_empty(pmd->v, 0);
	pmd->v = 0;
	return true;
}

#define pte_none(pte)		(!(pte).v)
#define pte_present(pte)	((pte).v & PRESENT)
#define pte_page(pte)		pfn_to_page((pte).v >> PAGE_SHIFT)
#define ptep_get(p)		(*(p))
#define pfn_pte(pfn, prot)	((pte_t){ (pfn) << PAGE_SHIFT | PRESENT })
#define mk_pte(page, prot)	pfn_pte(page_to_pfn(page), prot)
#define set_pte_at(mm, addr, p, pte) set_ptes(mm, addr, p, pte, 1)

static void set_ptes(void *mm, unsigned long addr, pte_t *p, pte_t pte, unsigned int nr)
{
	shim_wrote(addr, nr * PAGE_SIZE);
	for (; nr--; pte.v += PAGE_SIZE) {
		assert(!p->v);
		*p++ = pte;
	}
}

static pte_t ptep_get_and_clear(void *mm, unsigned long addr, pte_t *p)
{
	pte_t old = *p;

	shim_clears(addr);
	p->v = 0;
	return old;
}

#ifdef CONFIG_HUGETLB_PAGE
#define GROUP_BYTES		(4 * PAGE_SIZE)
#define arch_make_huge_pte(pte, shift, flags) ((pte_t){ (pte).v | GROUP })
#define arch_vmap_pte_range_unmap_size(addr, p) ((p)->v & GROUP ? GROUP_BYTES : PAGE_SIZE)

static unsigned long arch_vmap_pte_range_map_size(unsigned long addr, unsigned long end,
						  u64 pfn, unsigned int max_shift)
{
	if (max_shift < PAGE_SHIFT + 2 || end - addr < GROUP_BYTES || pfn % 4)
		return PAGE_SIZE;
	return IS_ALIGNED(addr, GROUP_BYTES) ? GROUP_BYTES : PAGE_SIZE;
}

static void set_huge_pte_at(void *mm, unsigned long addr, pte_t *p, pte_t pte,
			    unsigned long bytes)
{
	set_ptes(mm, addr, p, pte, 4);
}

static pte_t huge_ptep_get_and_clear(void *mm, unsigned long addr, pte_t *p,
				     unsigned long bytes)
{
	pte_t old = *p;

	assert(IS_ALIGNED(addr, GROUP_BYTES) && bytes == GROUP_BYTES);
	shim_clears(addr);
	memset(p, 0, 4 * sizeof(*p));
	return old;
}
#endif

static struct vm_struct *shim_area;	/* the only one, if there is one */

static struct vm_struct *find_vm_area(const void *addr)
{
	return shim_area && addr >= shim_area->addr && addr < shim_area->addr + shim_area->size ?
	       shim_area : NULL;
}

#endif /* SHIM_TABLES_H */
