// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-map.c - kernel page tables of the vmalloc space
 *
 * Writes and clears page table entries of ranges that the caller owns, and
 * looks them up.  Two owners may share a table but never an entry, so no lock
 * is taken; only putting a leaf in the place of a table excludes ptdump, which
 * walks tables that it does not own.
 *
 * A range is worked off in steps.  Each step goes down from the top of the
 * tables and does as much as one leaf, one hole or one lowest-level table
 * covers.  Going down again costs some ten loads for each 512 pages; in return
 * there is one function for all levels instead of one for each.
 *
 * Tables are never freed here, as owners of sparse areas keep pointers to
 * entries, except where a larger leaf takes the place of an empty one.  They
 * are allocated as GFP_KERNEL: see memalloc_apply_gfp_scope() for how a
 * caller's mask reaches that.
 *
 * Calls the page table helpers and KMSAN.  Knows nothing of which range is
 * whose, but for the checks of ioremap_page_range() and of sparse areas, and
 * that a segment is where the table of its areas can be remembered.
 */
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kasan.h>
#include <linux/kmsan.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmap_lock.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include <asm/tlbflush.h>

#include "internal.h"
#include "pgalloc-track.h"
#include "vmalloc.h"
#include "vmalloc-internal.h"
#include "vmalloc-parts.h"

/* ---- what an entry is, and the usual case -------------------------------- */

/* vmap_look_LEVEL(): what the entry says about where to go on. */
enum vmap_look {
	VMAP_HOLE,
	VMAP_LEAF,
	VMAP_TABLE,
};

#define DEFINE_VMAP_LOOK(level)						\
static __always_inline enum vmap_look vmap_look_##level(level##_t entry) \
{									\
	if (level##_none(entry))					\
		return VMAP_HOLE;					\
	if (level##_leaf(entry))					\
		return VMAP_LEAF;					\
	return WARN_ON_ONCE(level##_bad(entry)) ? VMAP_HOLE : VMAP_TABLE; \
}

DEFINE_VMAP_LOOK(pgd)
DEFINE_VMAP_LOOK(p4d)
DEFINE_VMAP_LOOK(pud)
DEFINE_VMAP_LOOK(pmd)

/*
 * The lowest-level table that holds [start, end), or NULL: there is more than one, none
 * yet, or a larger leaf.  Where areas have come and gone there is one nearly always, and
 * a small area then needs nothing but its entries.
 */
static pmd_t *vmap_one_table(unsigned long start, unsigned long end)
{
	pgd_t *pgd = pgd_offset_k(start);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (end - start - 1 >= PMD_SIZE || ((end - 1) ^ start) & PMD_MASK ||
	    ARCH_PAGE_TABLE_SYNC_MASK & PGTBL_PTE_MODIFIED)
		return NULL;
	if (unlikely(vmap_look_pgd(*pgd) != VMAP_TABLE))
		return NULL;
	p4d = p4d_offset(pgd, start);
	if (unlikely(vmap_look_p4d(*p4d) != VMAP_TABLE))
		return NULL;
	pud = pud_offset(p4d, start);
	if (unlikely(vmap_look_pud(*pud) != VMAP_TABLE))
		return NULL;
	pmd = pmd_offset(pud, start);
	return likely(vmap_look_pmd(*pmd) == VMAP_TABLE) ? pmd : NULL;
}

/* Let a segment know the table that it lies in, where that is one. */
static noinline pte_t *vmap_find_table(struct vmap_segment *seg, const struct vmap_area *va)
{
	pmd_t *pmd = NULL;
	pte_t *table;

	if (vmap_class_bytes(seg->class) <= PMD_SIZE)
		pmd = vmap_one_table(va->va_start, va->va_end);
	if (!pmd)
		return NULL;
	table = pte_offset_kernel(pmd, va->va_start) - pte_index(va->va_start);
	/* All who find it find the same. */
	smp_store_release(&seg->table, table);
	return table;
}

/*
 * The entry of an area's first page, if all areas of its segment have theirs in one table.
 * A table is taken away for a leaf in its place only; who maps such a leaf has all that it
 * covers, and this segment lies there.
 */
static __always_inline pte_t *vmap_area_pte(const struct vmap_area *va)
{
	struct vmap_segment *seg;
	pte_t *table;

	if (!(va->flags & VMAP_IN_SEGMENT))
		return NULL;
	seg = vmap_area_segment(va);
	/* Pairs with the release above: the table was cleared before. */
	table = smp_load_acquire(&seg->table);
	if (unlikely(!table))
		table = vmap_find_table(seg, va);
	return table ? table + pte_index(va->va_start) : NULL;
}

/* ---- mapping ------------------------------------------------------------- */

/**
 * struct vmap_map - a mapping in progress
 * @prot: protection of every entry
 * @max_shift: no leaf is larger than 1 << @max_shift bytes
 * @pages: next page to map; NULL where a physical range is mapped
 * @phys: next physical address to map
 * @modified: levels at which tables or entries were changed
 */
struct vmap_map {
	pgprot_t prot;
	unsigned int max_shift;
	struct page **pages;
	phys_addr_t phys;
	pgtbl_mod_mask modified;
};

#ifdef CONFIG_HAVE_ARCH_HUGE_VMAP
static unsigned int vmap_phys_max_shift __ro_after_init = BITS_PER_LONG - 1;

static int __init vmap_no_huge_ioremap(char *unused)
{
	vmap_phys_max_shift = PAGE_SHIFT;
	return 0;
}
early_param("nohugeiomap", vmap_no_huge_ioremap);
#else
#define vmap_phys_max_shift	PAGE_SHIFT
#endif

static bool vmap_leaf_fits(const struct vmap_map *map, unsigned long addr,
			   unsigned long next, unsigned int shift)
{
	unsigned long bytes = 1UL << shift;

	return map->max_shift >= shift && next - addr == bytes &&
		!((addr | map->phys) & (bytes - 1));
}

/*
 * vmap_make_LEVEL_leaf(): map [addr, next) by one leaf of that level, if it
 * fits and the architecture does it.  A table that stands there is empty; it
 * can only go while ptdump, which holds the lock for writing, is not reading
 * it.  Other readers of the lock are no danger: each has a range of its own.
 */
#define DEFINE_VMAP_MAKE_LEAF(level, LEVEL, free_table)			\
static bool vmap_make_##level##_leaf(struct vmap_map *map, level##_t *entry, \
				     unsigned long addr, unsigned long next) \
{									\
	bool made = false;						\
									\
	if (!vmap_leaf_fits(map, addr, next, LEVEL##_SHIFT) ||		\
	    !arch_vmap_##level##_supported(map->prot))			\
		return false;						\
	if (!level##_present(*entry)) {					\
		made = level##_set_huge(entry, map->phys, map->prot);	\
	} else if (mmap_read_trylock(&init_mm)) {			\
		made = free_table(entry, addr) &&			\
		       level##_set_huge(entry, map->phys, map->prot);	\
		mmap_read_unlock(&init_mm);				\
	}								\
	if (made)							\
		map->modified |= PGTBL_##LEVEL##_MODIFIED;		\
	return made;							\
}

DEFINE_VMAP_MAKE_LEAF(p4d, P4D, p4d_free_pud_page)
DEFINE_VMAP_MAKE_LEAF(pud, PUD, pud_free_pmd_page)
DEFINE_VMAP_MAKE_LEAF(pmd, PMD, pmd_free_pte_page)

/* How many of @pages lie side by side and meet free entries; 0 is an error. */
static unsigned long vmap_run_length(struct page **pages, pte_t *pte, unsigned long max)
{
	unsigned long i, nr;

	if (WARN_ON(!*pages))
		return 0;
	nr = num_pages_contiguous(pages, max);
	for (i = 0; i < nr; i++)
		if (WARN_ON(!pte_none(ptep_get(pte + i))))
			return 0;
	return nr;
}

static int vmap_fill_from_pages(pgprot_t prot, struct page **pages, pte_t *pte,
				unsigned long addr, unsigned long end)
{
	unsigned long left = (end - addr) >> PAGE_SHIFT;
	unsigned long nr;

	lazy_mmu_mode_enable();
	while (left) {
		nr = vmap_run_length(pages, pte, left);
		if (!nr)
			break;
		set_ptes(&init_mm, addr, pte, mk_pte(*pages, prot), nr);
		pages += nr;
		pte += nr;
		addr += nr << PAGE_SHIFT;
		left -= nr;
	}
	lazy_mmu_mode_disable();
	return left ? -ENOMEM : 0;
}

/* Writes the entry or entries of one leaf and returns how many bytes it maps. */
static unsigned long vmap_set_phys_leaf(const struct vmap_map *map, pte_t *pte,
					unsigned long addr, unsigned long end, u64 pfn)
{
	pte_t entry = pfn_pte(pfn, map->prot);
#ifdef CONFIG_HUGETLB_PAGE
	unsigned long bytes = arch_vmap_pte_range_map_size(addr, end, pfn, map->max_shift);

	if (bytes != PAGE_SIZE) {
		entry = arch_make_huge_pte(entry, ilog2(bytes), 0);
		set_huge_pte_at(&init_mm, addr, pte, entry, bytes);
		return bytes;
	}
#endif
	set_pte_at(&init_mm, addr, pte, entry);
	return PAGE_SIZE;
}

/* Something is mapped where @pfn should go. */
static void vmap_report_collision(unsigned long addr, u64 pfn)
{
	if (pfn_valid(pfn))
		dump_page(pfn_to_page(pfn), "to be mapped where something is mapped");
	WARN(1, "vmap: %#lx is mapped already\n", addr);
}

static int vmap_fill_from_phys(struct vmap_map *map, pte_t *pte, unsigned long addr,
			       unsigned long end)
{
	u64 pfn = map->phys >> PAGE_SHIFT;
	unsigned long bytes;

	if (WARN_ON_ONCE(!PAGE_ALIGNED(end - addr)))
		return -EINVAL;
	lazy_mmu_mode_enable();
	while (addr != end && pte_none(ptep_get(pte))) {
		bytes = vmap_set_phys_leaf(map, pte, addr, end, pfn);
		addr += bytes;
		pte += bytes >> PAGE_SHIFT;
		pfn += bytes >> PAGE_SHIFT;
	}
	lazy_mmu_mode_disable();
	if (likely(addr == end))
		return 0;
	vmap_report_collision(addr, pfn);
	return -EBUSY;
}

/*
 * One step: map what a single leaf or a single lowest-level table holds of
 * [addr, end).  *next is how far that reaches.  A leaf that is there already is
 * somebody else's, and must not be taken for a table.
 */
static int vmap_map_step(struct vmap_map *map, unsigned long addr, unsigned long end,
			 unsigned long *next)
{
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t *pte;

	*next = pgd_addr_end(addr, end);
	p4d = p4d_alloc_track(&init_mm, pgd_offset_k(addr), addr, &map->modified);
	if (!p4d)
		return -ENOMEM;
	*next = p4d_addr_end(addr, *next);
	if (WARN_ON(p4d_leaf(*p4d)))
		return -EBUSY;
	if (vmap_make_p4d_leaf(map, p4d, addr, *next))
		return 0;
	pud = pud_alloc_track(&init_mm, p4d, addr, &map->modified);
	if (!pud)
		return -ENOMEM;
	*next = pud_addr_end(addr, *next);
	if (WARN_ON(pud_leaf(*pud)))
		return -EBUSY;
	if (vmap_make_pud_leaf(map, pud, addr, *next))
		return 0;
	pmd = pmd_alloc_track(&init_mm, pud, addr, &map->modified);
	if (!pmd)
		return -ENOMEM;
	*next = pmd_addr_end(addr, *next);
	if (WARN_ON(pmd_leaf(*pmd)))
		return -EBUSY;
	if (vmap_make_pmd_leaf(map, pmd, addr, *next))
		return 0;
	pte = pte_alloc_kernel_track(pmd, addr, &map->modified);
	if (!pte)
		return -ENOMEM;
	map->modified |= PGTBL_PTE_MODIFIED;
	if (map->pages)
		return vmap_fill_from_pages(map->prot, map->pages, pte, addr, *next);
	return vmap_fill_from_phys(map, pte, addr, *next);
}

static int vmap_map_range(struct vmap_map *map, unsigned long start, unsigned long end)
{
	unsigned long addr = start, next;
	int err;

	if (WARN_ON(start >= end))
		return -EINVAL;
	do {
		err = vmap_map_step(map, addr, end, &next);
		if (err)
			break;
		map->phys += next - addr;
		if (map->pages)
			map->pages += (next - addr) >> PAGE_SHIFT;
		addr = next;
	} while (addr != end);
	/* On error, too: what was reached is there to be unmapped. */
	if (map->modified & ARCH_PAGE_TABLE_SYNC_MASK)
		arch_sync_kernel_mappings(start, end);
	return err;
}

static int vmap_map_phys(unsigned long addr, unsigned long end, phys_addr_t phys,
			 pgprot_t prot, unsigned int max_shift)
{
	struct vmap_map map = {
		.prot = prot,
		.max_shift = max_shift,
		.phys = phys,
	};

	/* Replacing a table waits for the TLBs of all CPUs. */
	might_sleep();
	return vmap_map_range(&map, addr, end);
}

/**
 * vmap_page_range() - map a physical range
 * @addr: start of the virtual range
 * @end: its end, exclusive
 * @phys_addr: physical address of the first byte
 * @prot: protection; execution is taken away
 *
 * The range need not belong to a vm_struct, but it must be the caller's.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int vmap_page_range(unsigned long addr, unsigned long end, phys_addr_t phys_addr,
		    pgprot_t prot)
{
	int err;

	err = vmap_map_phys(addr, end, phys_addr, pgprot_nx(prot), vmap_phys_max_shift);
	flush_cache_vmap(addr, end);
	if (err)
		return err;
	return kmsan_ioremap_page_range(addr, end, phys_addr, prot, vmap_phys_max_shift);
}

/**
 * ioremap_page_range() - map a physical range into an area made for it
 * @addr: address of an area with VM_IOREMAP
 * @end: its end without the guard page, exclusive
 * @phys_addr: physical address of the first byte
 * @prot: protection; execution is taken away
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EINVAL where there is no such area, -ERANGE where the
 * range is not exactly the area's.
 */
int ioremap_page_range(unsigned long addr, unsigned long end, phys_addr_t phys_addr,
		       pgprot_t prot)
{
	const struct vm_struct *vm = find_vm_area((void *)addr);
	unsigned long vm_addr;

	if (WARN_ONCE(!vm || !(vm->flags & VM_IOREMAP),
		      "ioremap: no area for I/O at %#lx\n", addr))
		return -EINVAL;
	vm_addr = (unsigned long)vm->addr;
	if (WARN_ONCE(addr != vm_addr || end != vm_addr + get_vm_area_size(vm),
		      "ioremap: range [%#lx,%#lx) is not that of the area at %#lx\n",
		      addr, end, vm_addr))
		return -ERANGE;
	return vmap_page_range(addr, end, phys_addr, prot);
}

static int vmap_map_blocks(unsigned long addr, unsigned long end, pgprot_t prot,
			   struct page **pages, unsigned int shift)
{
	const unsigned long bytes = 1UL << shift;
	int err;

	while (addr < end) {
		err = vmap_map_phys(addr, addr + bytes, page_to_phys(*pages), prot, shift);
		if (err)
			return err;
		addr += bytes;
		pages += bytes >> PAGE_SHIFT;
	}
	return 0;
}

static noinline int vmap_map_small(unsigned long addr, unsigned long end, pgprot_t prot,
				   struct page **pages)
{
	struct vmap_map map = {
		.prot = prot,
		.max_shift = PAGE_SHIFT,
		.pages = pages,
	};

	return vmap_map_range(&map, addr, end);
}

/**
 * __vmap_pages_range_noflush() - map pages, without telling KMSAN
 * @addr: start of the virtual range
 * @end: its end, exclusive
 * @prot: protection
 * @pages: one entry for each PAGE_SIZE of the range
 * @page_shift: the pages lie in aligned blocks of this size at least
 *
 * For KMSAN, which maps its own shadow with it.  The caller flushes caches.
 *
 * Context: may sleep where a table is missing and the scope allows it.
 * Return: 0 or -ENOMEM; the range may be mapped in part then.
 */
int __vmap_pages_range_noflush(unsigned long addr, unsigned long end, pgprot_t prot,
			       struct page **pages, unsigned int page_shift)
{
	pmd_t *pmd;

	WARN_ON(page_shift < PAGE_SHIFT);
	if (IS_ENABLED(CONFIG_HAVE_ARCH_HUGE_VMALLOC) && page_shift > PAGE_SHIFT)
		return vmap_map_blocks(addr, end, prot, pages, page_shift);
	pmd = vmap_one_table(addr, end);
	if (unlikely(!pmd))
		return vmap_map_small(addr, end, prot, pages);
	return vmap_fill_from_pages(prot, pages, pte_offset_kernel(pmd, addr), addr, end);
}

/**
 * vmap_pages_range_noflush() - map pages; the caller flushes caches
 * @addr: start of the virtual range
 * @end: its end, exclusive
 * @prot: protection
 * @pages: one entry for each PAGE_SIZE of the range; the caller is sure of them
 * @page_shift: the pages lie in aligned blocks of this size at least
 * @gfp_mask: what KMSAN may do to get memory for its shadow
 *
 * Context: may sleep where a table is missing and the scope allows it.
 * Return: 0 or -errno; the range may be mapped in part then.
 */
int vmap_pages_range_noflush(unsigned long addr, unsigned long end, pgprot_t prot,
			     struct page **pages, unsigned int page_shift,
			     gfp_t gfp_mask)
{
	int err = kmsan_vmap_pages_range_noflush(addr, end, prot, pages, page_shift,
						 gfp_mask);

	return err ?: __vmap_pages_range_noflush(addr, end, prot, pages, page_shift);
}

/**
 * vmap_map_area() - vmap_pages_range_noflush() for an area from its start on
 * @va: the area
 * @end: end of what is mapped, exclusive
 * @prot: see there
 * @pages: see there
 * @page_shift: see there
 * @gfp_mask: see there
 *
 * Return: see there.
 */
int vmap_map_area(const struct vmap_area *va, unsigned long end, pgprot_t prot,
		  struct page **pages, unsigned int page_shift, gfp_t gfp_mask)
{
	const unsigned long addr = va->va_start;
	pte_t *pte;
	int err;

	err = kmsan_vmap_pages_range_noflush(addr, end, prot, pages, page_shift, gfp_mask);
	if (err)
		return err;
	pte = page_shift == PAGE_SHIFT ? vmap_area_pte(va) : NULL;
	if (unlikely(!pte))
		return __vmap_pages_range_noflush(addr, end, prot, pages, page_shift);
	return vmap_fill_from_pages(prot, pages, pte, addr, end);
}

/* Somebody else's array may hold anything.  Nothing is mapped yet. */
static bool vmap_pages_exist(struct page **pages, unsigned long nr)
{
	while (nr--)
		if (WARN_ON(!pages[nr]) || WARN_ON(!pfn_valid(page_to_pfn(pages[nr]))))
			return false;
	return true;
}

/**
 * vmap_pages_range() - map pages and flush caches
 * @addr: start of the virtual range
 * @end: its end, exclusive
 * @prot: protection
 * @pages: one entry for each PAGE_SIZE of the range
 * @page_shift: the pages lie in aligned blocks of this size at least
 *
 * Context: may sleep.
 * Return: 0 or -errno; the range may be mapped in part then.  -EINVAL: there is an
 * entry that is no page, and nothing was mapped.
 */
int vmap_pages_range(unsigned long addr, unsigned long end, pgprot_t prot,
		     struct page **pages, unsigned int page_shift)
{
	int err;

	if (!vmap_pages_exist(pages, (end - addr) >> PAGE_SHIFT))
		return -EINVAL;
	err = vmap_pages_range_noflush(addr, end, prot, pages, page_shift, GFP_KERNEL);
	flush_cache_vmap(addr, end);
	return err;
}

/* ---- unmapping ----------------------------------------------------------- */

/*
 * vmap_clear_LEVEL(): true if there is no table below @entry to go on with,
 * because it maps nothing, was a leaf, or is corrupt and was reported.
 */
#define DEFINE_VMAP_CLEAR(level, LEVEL)					\
static bool vmap_clear_##level(level##_t *entry, unsigned long bytes,	\
			       pgtbl_mod_mask *modified)		\
{									\
	bool leaf = level##_clear_huge(entry);				\
									\
	if (leaf || level##_bad(*entry))				\
		*modified |= PGTBL_##LEVEL##_MODIFIED;			\
	/* A leaf goes as a whole, though others may have been meant to stay. */ \
	WARN_ON(leaf && bytes < LEVEL##_SIZE);				\
	return leaf || level##_none_or_clear_bad(entry);		\
}

DEFINE_VMAP_CLEAR(pud, PUD)
DEFINE_VMAP_CLEAR(pmd, PMD)

/* Leaves of a p4d have no clear that says what it did. */
static bool vmap_clear_p4d(p4d_t *p4d, pgtbl_mod_mask *modified)
{
	p4d_clear_huge(p4d);
	if (p4d_bad(*p4d))
		*modified |= PGTBL_P4D_MODIFIED;
	return p4d_none_or_clear_bad(p4d);
}

#ifdef CONFIG_HUGETLB_PAGE
/*
 * Clears a leaf made of several entries, if *pte belongs to one, and returns how
 * far behind @addr it reaches; 0 if it is an entry like others.
 */
static unsigned long vmap_clear_group(unsigned long addr, unsigned long end, pte_t *pte)
{
	unsigned long bytes = arch_vmap_pte_range_unmap_size(addr, pte);
	unsigned long start, inside;
	pte_t old;

	if (bytes == PAGE_SIZE)
		return 0;
	start = ALIGN_DOWN(addr, bytes);
	inside = addr - start;
	WARN_ON(inside);
	WARN_ON(end - start < bytes);
	old = huge_ptep_get_and_clear(&init_mm, start, pte - (inside >> PAGE_SHIFT), bytes);
	WARN_ON(!pte_none(old) && !pte_present(old));
	return min(bytes - inside, end - addr);
}
#else
static unsigned long vmap_clear_group(unsigned long addr, unsigned long end, pte_t *pte)
{
	return 0;
}
#endif

static void vmap_clear_ptes(pte_t *pte, unsigned long addr, unsigned long end)
{
	unsigned long bytes;
	pte_t old;

	lazy_mmu_mode_enable();
	while (addr != end) {
		bytes = vmap_clear_group(addr, end, pte);
		if (likely(!bytes)) {
			old = ptep_get_and_clear(&init_mm, addr, pte);
			WARN_ON(!pte_none(old) && !pte_present(old));
			bytes = PAGE_SIZE;
		}
		addr += bytes;
		pte += bytes >> PAGE_SHIFT;
	}
	lazy_mmu_mode_disable();
}

/* One step of unmapping: returns how far it has come. */
static unsigned long vmap_unmap_step(unsigned long addr, unsigned long end,
				     pgtbl_mod_mask *modified)
{
	pgd_t *pgd = pgd_offset_k(addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	end = pgd_addr_end(addr, end);
	if (pgd_bad(*pgd))
		*modified |= PGTBL_PGD_MODIFIED;
	if (pgd_none_or_clear_bad(pgd))
		return end;
	p4d = p4d_offset(pgd, addr);
	end = p4d_addr_end(addr, end);
	if (vmap_clear_p4d(p4d, modified))
		return end;
	pud = pud_offset(p4d, addr);
	end = pud_addr_end(addr, end);
	if (vmap_clear_pud(pud, end - addr, modified))
		return end;
	pmd = pmd_offset(pud, addr);
	end = pmd_addr_end(addr, end);
	if (vmap_clear_pmd(pmd, end - addr, modified))
		return end;
	vmap_clear_ptes(pte_offset_kernel(pmd, addr), addr, end);
	*modified |= PGTBL_PTE_MODIFIED;
	cond_resched();
	return end;
}

static noinline void vmap_unmap_steps(unsigned long start, unsigned long end)
{
	unsigned long addr = start;
	pgtbl_mod_mask modified = 0;

	do {
		addr = vmap_unmap_step(addr, end, &modified);
	} while (addr != end);
	if (modified & ARCH_PAGE_TABLE_SYNC_MASK)
		arch_sync_kernel_mappings(start, end);
}

/**
 * __vunmap_range_noflush() - clear entries, without telling KMSAN
 * @start: start of the virtual range
 * @end: its end, exclusive
 *
 * What is not mapped is passed over.  Tables stay.
 *
 * Context: as the architecture's entry accessors; yields if it may.
 */
void __vunmap_range_noflush(unsigned long start, unsigned long end)
{
	pmd_t *pmd;

	if (WARN_ON(start >= end))
		return;
	pmd = vmap_one_table(start, end);
	if (likely(pmd)) {
		vmap_clear_ptes(pte_offset_kernel(pmd, start), start, end);
		cond_resched();
	} else {
		vmap_unmap_steps(start, end);
	}
}

/**
 * vunmap_range_noflush() - clear entries; the caller flushes
 * @start: start of the virtual range
 * @end: its end, exclusive
 *
 * The caller has called flush_cache_vunmap(), and flushes TLBs before anybody
 * may get these addresses anew.
 */
void vunmap_range_noflush(unsigned long start, unsigned long end)
{
	kmsan_vunmap_range_noflush(start, end);
	__vunmap_range_noflush(start, end);
}

/**
 * vmap_unmap_lazily() - unmap a range that will be flushed later
 * @start: start of the virtual range
 * @end: its end, exclusive
 *
 * With debug_pagealloc the flush is not put off, so that uses of what is no
 * longer mapped are found.
 */
void vmap_unmap_lazily(unsigned long start, unsigned long end)
{
	flush_cache_vunmap(start, end);
	vunmap_range_noflush(start, end);
	if (debug_pagealloc_enabled_static())
		flush_tlb_kernel_range(start, end);
}

/**
 * vmap_unmap_area() - unmap an area that will be flushed later
 * @va: the area, unlinked
 * @end: end of what may be mapped, exclusive: where a guard page begins
 *
 * The entry of a guard page is not touched.  On UML each entry that was cleared, even an
 * empty one, is a system call of the host in the next flush.
 */
void vmap_unmap_area(const struct vmap_area *va, unsigned long end)
{
	const unsigned long start = va->va_start;
	pte_t *pte = vmap_area_pte(va);

	if (unlikely(!pte)) {
		vmap_unmap_lazily(start, end);
		return;
	}
	flush_cache_vunmap(start, end);
	kmsan_vunmap_range_noflush(start, end);
	vmap_clear_ptes(pte, start, end);
	cond_resched();
	if (debug_pagealloc_enabled_static())
		flush_tlb_kernel_range(start, end);
}

/**
 * vunmap_range() - unmap a range and flush caches and TLBs
 * @addr: start of the virtual range
 * @end: its end, exclusive
 *
 * Whoever touches the range afterwards faults.
 */
void vunmap_range(unsigned long addr, unsigned long end)
{
	flush_cache_vunmap(addr, end);
	vunmap_range_noflush(addr, end);
	flush_tlb_kernel_range(addr, end);
}

/* ---- sparse areas -------------------------------------------------------- */

static int vmap_check_sparse(const struct vm_struct *vm, unsigned long start,
			     unsigned long end)
{
	const unsigned long addr = (unsigned long)vm->addr;
	const unsigned long refused = VM_FLUSH_RESET_PERMS | VM_NO_GUARD;

	might_sleep();
	if (WARN_ON_ONCE((vm->flags & (VM_SPARSE | refused)) != VM_SPARSE))
		return -EINVAL;
	if ((end - start) >> PAGE_SHIFT > totalram_pages())
		return -E2BIG;
	return start < addr || end > addr + get_vm_area_size(vm) ? -ERANGE : 0;
}

/**
 * vm_area_map_pages() - map pages into a part of a sparse area
 * @area: area with VM_SPARSE
 * @start: start of the part
 * @end: its end, exclusive
 * @pages: one entry for each PAGE_SIZE of the part
 *
 * Return: 0, or -errno with nothing, or a beginning, mapped.
 */
int vm_area_map_pages(struct vm_struct *area, unsigned long start, unsigned long end,
		      struct page **pages)
{
	int err = vmap_check_sparse(area, start, end);

	return err ?: vmap_pages_range(start, end, PAGE_KERNEL, pages, PAGE_SHIFT);
}

/**
 * vm_area_unmap_pages() - unmap a part of a sparse area
 * @area: area with VM_SPARSE
 * @start: start of the part
 * @end: its end, exclusive
 */
void vm_area_unmap_pages(struct vm_struct *area, unsigned long start, unsigned long end)
{
	if (!vmap_check_sparse(area, start, end))
		vunmap_range(start, end);
}

/* ---- looking up ---------------------------------------------------------- */

static struct page *vmap_page_in_leaf(struct page *first, unsigned long offset)
{
	return first + (offset >> PAGE_SHIFT);
}

/**
 * vmalloc_to_page() - page that a vmalloc address is mapped to
 * @vmalloc_addr: any address in it
 *
 * With a mapping by larger leaves it is the one page of PAGE_SIZE that holds
 * the address, as with small ones.  Takes no lock: the caller knows that the
 * mapping stays.
 *
 * Context: any.
 * Return: the page, or NULL if nothing is mapped there.
 */
struct page *vmalloc_to_page(const void *vmalloc_addr)
{
	const unsigned long addr = (unsigned long)vmalloc_addr;
	enum vmap_look look;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t pte;

	VIRTUAL_BUG_ON(!is_vmalloc_or_module_addr(vmalloc_addr));

	/* No architecture has leaves at the top. */
	look = vmap_look_pgd(*pgd_offset_k(addr));
	if (WARN_ON_ONCE(look == VMAP_LEAF) || look == VMAP_HOLE)
		return NULL;
	p4d = p4d_offset(pgd_offset_k(addr), addr);
	look = vmap_look_p4d(*p4d);
	if (look != VMAP_TABLE)
		return look == VMAP_HOLE ? NULL :
			vmap_page_in_leaf(p4d_page(*p4d), addr & ~P4D_MASK);
	pud = pud_offset(p4d, addr);
	look = vmap_look_pud(*pud);
	if (look != VMAP_TABLE)
		return look == VMAP_HOLE ? NULL :
			vmap_page_in_leaf(pud_page(*pud), addr & ~PUD_MASK);
	pmd = pmd_offset(pud, addr);
	look = vmap_look_pmd(*pmd);
	if (look != VMAP_TABLE)
		return look == VMAP_HOLE ? NULL :
			vmap_page_in_leaf(pmd_page(*pmd), addr & ~PMD_MASK);
	pte = ptep_get(pte_offset_kernel(pmd, addr));
	return pte_present(pte) ? pte_page(pte) : NULL;
}
EXPORT_SYMBOL(vmalloc_to_page);

/**
 * vmalloc_to_pfn() - frame that a vmalloc address is mapped to
 * @vmalloc_addr: any address in a mapped page
 *
 * Context: any.
 * Return: the frame.
 */
unsigned long vmalloc_to_pfn(const void *vmalloc_addr)
{
	return page_to_pfn(vmalloc_to_page(vmalloc_addr));
}
EXPORT_SYMBOL(vmalloc_to_pfn);
