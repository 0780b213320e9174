// SPDX-License-Identifier: GPL-2.0
/*
 * shim-mem.c - pages, slab, address space, page tables
 *
 * The vmalloc space is one reserved range of the process.  An area of it
 * becomes accessible as a whole; which of its pages are mapped is kept in a
 * table, and enforced by AddressSanitizer's marks: a page is reachable from
 * flush_cache_vmap() after mapping to unmapping.  Contents live at the mapping,
 * so a page that is mapped loses what page_address() gave, unless that was
 * zeroed.
 *
 * The TLB is modelled by what it may still know: an address that was unmapped
 * is stale until flush_tlb_kernel_range(), and until then its page must not be
 * freed nor the address be mapped again.
 */
#include <sys/mman.h>

#include "sim.h"

#define SHIM_NR_SPACES	8192
#define SHIM_ADDR_STALE	1UL

struct mm_struct init_mm;
struct cpumask shim_possible_cpus;
unsigned int nr_cpu_ids = 1;
unsigned int shim_nr_cpus = 1;
int shim_node_of_cpu[NR_CPUS];

static unsigned long shim_space;		/* start of the vmalloc space */
static unsigned long *shim_ptes;		/* struct page *, or SHIM_ADDR_STALE */
static unsigned char *shim_tables;		/* for each table: 1 if there */

static struct shim_space {
	unsigned long start, end;
} shim_spaces[SHIM_NR_SPACES];			/* by address */
static unsigned int shim_nr_spaces;

#ifdef SHIM_THREADS
static pthread_mutex_t shim_space_lock = PTHREAD_MUTEX_INITIALIZER;
#define SHIM_SPACE_LOCK()	pthread_mutex_lock(&shim_space_lock)
#define SHIM_SPACE_UNLOCK()	pthread_mutex_unlock(&shim_space_lock)
#else
#define SHIM_SPACE_LOCK()	((void)0)
#define SHIM_SPACE_UNLOCK()	((void)0)
/* Pages that were mapped and not flushed, and that were unmapped and not flushed. */
static struct page *shim_new_pages, *shim_stale_pages;
#endif

/* ---- failing and recording ----------------------------------------------------- */

bool shim_should_fail(unsigned int kind)
{
	bool fail = false;

	if (current->reading)
		return false;
	sim_count(nr_events, 1);
	if (!(sim.fail_kinds & kind))
		return false;
	if (sim.fail_nth && !--sim.fail_nth)
		fail = true;
	if (sim.fail_permille && sim_below(1000) < sim.fail_permille)
		fail = true;
	if (fail)
		sim_count(nr_failed, 1);
	return fail;
}

void shim_tell_backing(unsigned int kind, gfp_t gfp)
{
	if (sim.on_backing && !current->reading)
		sim.on_backing(kind, gfp);
}

#define SHIM_RECLAIM_BITS	(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define SHIM_NEVER							\
	(__GFP_HIGH | __GFP_MEMALLOC | __GFP_ACCOUNT | __GFP_NOFAIL | __GFP_DMA | \
	 __GFP_DMA32 | __GFP_MOVABLE | __GFP_RECLAIMABLE | __GFP_THISNODE | \
	 __GFP_HARDWALL | __GFP_WRITE)

static void shim_check_mask(const char *where, gfp_t gfp, gfp_t may_add)
{
	shim_assert_unlocked(where);
	shim_window();
	if (gfpflags_allow_blocking(gfp)) {
		shim_might_sleep(where);
		if (sim.on_reclaim) {
			void (*on_reclaim)(gfp_t gfp) = sim.on_reclaim;
			struct task_struct task = *current;

			sim.on_reclaim = NULL;
			current->flags |= PF_MEMALLOC;
			on_reclaim(gfp);
			*current = task;
			sim.on_reclaim = on_reclaim;
		}
	}
	if (current->reading)
		return;
	SHIM_ASSERT(!(gfp & SHIM_NEVER), "%s: mask %#x has %#x", where, gfp, gfp & SHIM_NEVER);
	SHIM_ASSERT(gfp & __GFP_NOMEMALLOC, "%s: mask %#x may use the reserves", where, gfp);
	if (current->backing_known)
		SHIM_ASSERT((gfp & ~may_add) == current->backing_gfp,
			    "%s: mask %#x, not the caller's %#x", where, gfp,
			    current->backing_gfp);
}

unsigned int memalloc_apply_gfp_scope(gfp_t gfp)
{
	shim_bug(__FILE__, __LINE__, "%s() gives PF_MEMALLOC to some", __func__);
}

/* ---- pages ------------------------------------------------------------------------ */

static void shim_page_init(struct page *page, int node, gfp_t gfp)
{
	*page = (struct page){};
	page->lru.next = LIST_POISON1;
	page->shim.state = SHIM_PAGE_OWNED;
	page->shim.node = node;
	page->shim.zeroed = gfp & __GFP_ZERO;
}

struct page *shim_alloc_pages(const char *where, int node, gfp_t gfp, unsigned int order)
{
	unsigned long nr = 1UL << order, i;
	struct page *pages;
	void *memory = NULL;

	SHIM_ASSERT(!sim.no_slab, "%s: pages before the page allocator is up", where);
	shim_check_mask(where, gfp, __GFP_HIGHMEM | __GFP_ZERO | __GFP_COMP);
	sim_note(page_gfp, gfp);
	shim_tell_backing(SIM_PAGES, gfp);
	if (shim_should_fail(SIM_PAGES))
		return NULL;
	if ((unsigned long)sim_count(nr_pages, nr) + nr > sim.page_limit) {
		sim_count(nr_pages, -nr);
		return NULL;
	}

	pages = malloc(nr * sizeof(*pages));
	SHIM_ASSERT(pages, "out of memory");
	if (order) {
		SHIM_ASSERT(!(gfp & __GFP_HIGHMEM), "%s: order %u in highmem", where, order);
		memory = shim_block_get(order);
		memset(memory, gfp & __GFP_ZERO ? 0 : 0xa5, nr * PAGE_SIZE);
	}
	for (i = 0; i < nr; i++) {
		shim_page_init(&pages[i], node, gfp);
		if (order)
			pages[i].shim.memory = memory + i * PAGE_SIZE;
	}
	pages->shim.order = order;
	return pages;
}

struct page *alloc_pages_nolock(gfp_t gfp, int node, unsigned int order)
{
	SHIM_ASSERT(!(gfp & ~(__GFP_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)), "mask %#x", gfp);
	return shim_alloc_pages(__func__, node, gfp | __GFP_NOMEMALLOC, order);
}

void __free_pages(struct page *page, unsigned int order)
{
	unsigned long nr = 1UL << order, i;

	shim_assert_unlocked(__func__);
	shim_window();
	SHIM_ASSERT(page->shim.order == (int)order, "block of order %d freed as order %u",
		    page->shim.order, order);
	for (i = 0; i < nr; i++) {
		SHIM_ASSERT(page[i].shim.state == SHIM_PAGE_OWNED,
			    "page is freed that is %s", page[i].shim.state == SHIM_PAGE_MAPPED ?
			    "mapped" : "free");
		SHIM_ASSERT(!page[i].shim.stale_addr,
			    "page is freed that the TLB may know at %#lx",
			    page[i].shim.stale_addr);
		SHIM_ASSERT(!order || !page[i].private, "page->private is set in a block");
		page[i].shim.state = SHIM_PAGE_FREE;
	}
	SHIM_ASSERT(!(page->lru.next != LIST_POISON1 && page->lru.next), "page is on a list");
	if (order)
		shim_block_put(page->shim.memory, order);
	else
		free(page->shim.memory);
	free(page);
	sim_count(nr_pages, -nr);
}

void *page_address(const struct page *page)
{
	struct page *p = (struct page *)page;
	void *memory = smp_load_acquire(&p->shim.memory);

	SHIM_ASSERT(p->shim.state == SHIM_PAGE_OWNED, "page_address() of a page that is %s",
		    p->shim.state == SHIM_PAGE_MAPPED ? "mapped" : "free");
	if (!memory) {
		void *old = NULL;

		memory = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		SHIM_ASSERT(memory, "out of memory");
		memset(memory, p->shim.zeroed ? 0 : 0xa5, PAGE_SIZE);
		if (!__atomic_compare_exchange_n(&p->shim.memory, &old, memory, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			free(memory);
			memory = old;
		}
	}
	return memory;
}

struct page *virt_to_page(const void *addr)
{
	SHIM_ASSERT(shim_is_boot_memory(addr), "virt_to_page() of what is not linear memory");
	return shim_boot_page(addr);
}

unsigned long page_to_phys(struct page *page)
{
	if (page->shim.state == SHIM_PAGE_MAPPED)
		return (unsigned long)page << PAGE_SHIFT;
	return (unsigned long)page_address(page);
}

unsigned long totalram_pages(void)
{
	return sim.ram_pages;
}

/* ---- slab ----------------------------------------------------------------------------- */

void *shim_kvzalloc(const char *where, size_t bytes, gfp_t gfp)
{
	void *object;

	SHIM_ASSERT(!sim.no_slab, "%s: slab is not up", where);
	SHIM_ASSERT(gfpflags_allow_blocking(gfp), "%s: metadata where sleeping is not allowed",
		    where);
	shim_check_mask(where, gfp, __GFP_ZERO);
	sim_note(meta_gfp, gfp);
	shim_tell_backing(SIM_METADATA, gfp);
	if (shim_should_fail(SIM_METADATA))
		return NULL;
	object = calloc(1, bytes);
	SHIM_ASSERT(object, "out of memory");
	sim_count(nr_objects, 1);
	return object;
}

void kvfree(const void *object)
{
	if (!object)
		return;
	shim_assert_unlocked(__func__);
	if (!in_interrupt())
		shim_might_sleep(__func__);
	sim_count(nr_objects, -1);
	free((void *)object);
}

bool slab_is_available(void)
{
	return !sim.no_slab;
}

/* ---- address space ------------------------------------------------------------------------ */

unsigned long shim_vmalloc_start(void)
{
	return shim_space;
}

unsigned long shim_vmalloc_total(void)
{
	return sim.vmalloc_bytes;
}

bool is_vmalloc_addr(const void *addr)
{
	return (unsigned long)addr - shim_space < SHIM_SPACE_MAX;
}

static unsigned long *shim_pte(unsigned long addr)
{
	SHIM_ASSERT(is_vmalloc_addr((void *)addr), "%#lx is not in the vmalloc space", addr);
	return &shim_ptes[(addr - shim_space) >> PAGE_SHIFT];
}

static unsigned char *shim_table(unsigned long addr)
{
	return &shim_tables[(addr - shim_space) >> PMD_SHIFT];
}

/* End of an area that overlaps [start, end), or 0. */
static unsigned long shim_overlap(unsigned long start, unsigned long end)
{
	unsigned int low = 0, high = shim_nr_spaces;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (shim_spaces[mid].end <= start)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < shim_nr_spaces && shim_spaces[low].start < end)
		return shim_spaces[low].end;
	return 0;
}

static void shim_space_add(unsigned long start, unsigned long end)
{
	unsigned int i = shim_nr_spaces++;

	SHIM_ASSERT(i < SHIM_NR_SPACES, "too many areas");
	for (; i && shim_spaces[i - 1].start > start; i--)
		shim_spaces[i] = shim_spaces[i - 1];
	shim_spaces[i] = (struct shim_space){ start, end };
	SHIM_ASSERT(!mprotect((void *)start, end - start, PROT_READ | PROT_WRITE),
		    "cannot make %lu bytes of address space accessible", end - start);
	sim_poison(start, end - start);
	sim_count(nr_spaces, 1);
}

static void shim_space_del(unsigned long start, unsigned long end)
{
	unsigned long addr;
	unsigned int i;

	for (addr = start; addr < end; addr += PAGE_SIZE) {
		SHIM_ASSERT(*shim_pte(addr) <= SHIM_ADDR_STALE,
			    "address space is freed with pages in it");
		if (*shim_pte(addr))
			*shim_pte(addr) = 0;
	}
	for (i = 0; i < shim_nr_spaces; i++)
		if (shim_spaces[i].start == start)
			break;
	SHIM_ASSERT(i < shim_nr_spaces && shim_spaces[i].end == end, "no such area");
	shim_nr_spaces--;
	for (; i < shim_nr_spaces; i++)
		shim_spaces[i] = shim_spaces[i + 1];
	/* Tables live as long as any area needs them, whose owner may be making them. */
	for (addr = ALIGN_DOWN(start, PMD_SIZE); addr < end; addr += PMD_SIZE) {
		if (!shim_overlap(addr, addr + PMD_SIZE) && *shim_table(addr)) {
			*shim_table(addr) = 0;
			sim_count(nr_tables, -1);
		}
	}
	SHIM_ASSERT(mmap((void *)start, end - start, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
		    MAP_FAILED, "mmap");
	sim_count(nr_spaces, -1);
}

/* The lowest base at which all of the areas are free, or 0. */
static unsigned long shim_find_base(const unsigned long *offsets, const size_t *sizes,
				    int nr, size_t align)
{
	unsigned long base = ALIGN(shim_space + PAGE_SIZE, align), span = 0;
	unsigned long end = shim_space + min_t(u64, sim.vmalloc_bytes, SHIM_SPACE_MAX);
	int i;

	for (i = 0; i < nr; i++)
		span = max(span, offsets[i] + sizes[i]);
again:
	if (base + span > end)
		return 0;
	for (i = 0; i < nr; i++) {
		unsigned long start = base + offsets[i];
		unsigned long behind = shim_overlap(start, start + sizes[i]);

		if (behind) {
			base = ALIGN(base + behind - start, align);
			goto again;
		}
	}
	return base;
}

unsigned long shim_space_take(size_t bytes, unsigned long align)
{
	unsigned long offset = 0, base;

	SHIM_SPACE_LOCK();
	base = shim_find_base(&offset, &bytes, 1, align);
	SHIM_ASSERT(base, "vmalloc space is full");
	shim_space_add(base, base + bytes);
	SHIM_SPACE_UNLOCK();
	return base;
}

void shim_space_give(unsigned long start, unsigned long bytes)
{
	SHIM_SPACE_LOCK();
	shim_space_del(start, start + bytes);
	SHIM_SPACE_UNLOCK();
}

static void shim_check_groups(const unsigned long *offsets, const size_t *sizes, int nr,
			      size_t align)
{
	int i, j;

	SHIM_ASSERT(is_power_of_2(align) && PAGE_ALIGNED(align), "alignment %zu", align);
	for (i = 0; i < nr; i++) {
		SHIM_ASSERT(IS_ALIGNED(offsets[i], align) && IS_ALIGNED(sizes[i], align),
			    "group %d: offset %#lx, %zu bytes, not aligned to %zu", i,
			    offsets[i], sizes[i], align);
		for (j = i + 1; j < nr; j++)
			SHIM_ASSERT(offsets[i] + sizes[i] <= offsets[j] ||
				    offsets[j] + sizes[j] <= offsets[i],
				    "groups %d and %d overlap", i, j);
	}
}

struct vm_struct **pcpu_get_vm_areas(const unsigned long *offsets, const size_t *sizes,
				     int nr_vms, size_t align, gfp_t gfp)
{
	struct vm_struct **vms;
	unsigned long base;
	int i;

	shim_might_sleep(__func__);
	SHIM_ASSERT(!sim.no_vmalloc, "vmalloc is not up");
	shim_check_groups(offsets, sizes, nr_vms, align);
	shim_check_mask(__func__, gfp, 0);
	sim_note(meta_gfp, gfp);
	shim_tell_backing(SIM_SPACE, gfp);
	if (shim_should_fail(SIM_SPACE))
		return NULL;

	SHIM_SPACE_LOCK();
	base = shim_find_base(offsets, sizes, nr_vms, align);
	if (base)
		for (i = 0; i < nr_vms; i++)
			shim_space_add(base + offsets[i], base + offsets[i] + sizes[i]);
	SHIM_SPACE_UNLOCK();
	if (!base)
		return NULL;

	vms = calloc(nr_vms, sizeof(*vms));
	SHIM_ASSERT(vms, "out of memory");
	for (i = 0; i < nr_vms; i++) {
		vms[i] = calloc(1, sizeof(**vms));
		SHIM_ASSERT(vms[i], "out of memory");
		vms[i]->addr = (void *)(base + offsets[i]);
		vms[i]->size = sizes[i];
#ifdef CONFIG_KASAN_GENERIC
		kasan_unpoison(vms[i]->addr, sizes[i], false);
#endif
	}
	return vms;
}

void pcpu_free_vm_areas(struct vm_struct **vms, int nr_vms)
{
	int i;

	shim_might_sleep(__func__);
	for (i = 0; i < nr_vms; i++) {
		shim_space_give((unsigned long)vms[i]->addr, vms[i]->size);
		free(vms[i]);
	}
	free(vms);
}

/* Only the question whether vmalloc is up. */
struct vm_struct *get_vm_area(unsigned long size, unsigned long flags)
{
	struct vm_struct *area;

	shim_might_sleep(__func__);
	if (sim.no_vmalloc || shim_should_fail(SIM_SPACE))
		return NULL;
	area = calloc(1, sizeof(*area));
	SHIM_ASSERT(area, "out of memory");
	area->size = size;
	area->addr = (void *)shim_space_take(size, PAGE_SIZE);
	return area;
}

void free_vm_area(struct vm_struct *area)
{
	shim_might_sleep(__func__);
	shim_space_give((unsigned long)area->addr, area->size);
	free(area);
}

void vm_area_register_early(struct vm_struct *vm, size_t align)
{
	/* Or its readers leave out the last page. */
	BUG_ON(!(vm->flags & VM_NO_GUARD));
	vm->addr = (void *)shim_space_take(vm->size, align);
}

/* ---- page tables ----------------------------------------------------------------------------- */

pmd_t shim_upper_table = { 1 };

pmd_t *shim_pmd_offset(unsigned long addr)
{
	return (pmd_t *)shim_table(addr);
}

void shim_pmd_populate(pmd_t *pmd, void *table)
{
	SHIM_ASSERT(table && !pmd->there, "page table is there already");
	pmd->there = 1;
	sim_count(nr_tables, 1);
}

static void shim_table_make(unsigned long addr)
{
	if (!__atomic_exchange_n(shim_table(addr), 1, __ATOMIC_SEQ_CST))
		sim_count(nr_tables, 1);
}

/*
 * Tables take no mask, so the task's scope must bound what they may do: never
 * more than the caller may, and no OOM killer where the caller wants none.
 */
static int shim_table_alloc(unsigned long addr)
{
	gfp_t gfp = current_gfp_context(GFP_PGTABLE_KERNEL);
	gfp_t caller = current->backing_gfp;

	if (__atomic_load_n(shim_table(addr), __ATOMIC_SEQ_CST))
		return 0;
	shim_might_sleep("a page table allocation");
	if (current->backing_known) {
		bool gives_up = caller & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL);

		/* In the noreclaim scope there is no reclaim, and no endless retry. */
		SHIM_ASSERT(gives_up == !!(current->flags & PF_MEMALLOC),
			    "page tables in the wrong scope for a caller with %#x", caller);
		SHIM_ASSERT(gives_up || !(gfp & (__GFP_IO | __GFP_FS) & ~caller),
			    "page tables with mask %#x for a caller with %#x", gfp, caller);
	}
	sim_note(table_gfp, gfp);
	shim_tell_backing(SIM_TABLES, gfp);
	if (shim_should_fail(SIM_TABLES))
		return -ENOMEM;
	shim_table_make(addr);
	return 0;
}

int apply_to_page_range(struct mm_struct *mm, unsigned long addr, unsigned long size,
			pte_fn_t fn, void *data)
{
	unsigned long end = addr + size;
	int err = 0;

	shim_might_sleep(__func__);
	SHIM_ASSERT(mm == &init_mm && !fn && size, "not what this shim is for");
	SHIM_SPACE_LOCK();
	SHIM_ASSERT(shim_overlap(addr, end), "page tables for no area");
	SHIM_SPACE_UNLOCK();
	for (; addr < end && !err; addr = ALIGN(addr + 1, PMD_SIZE))
		err = shim_table_alloc(addr);
	return err;
}

int vmap_pages_range_noflush(unsigned long addr, unsigned long end, pgprot_t prot,
			     struct page **pages, unsigned int page_shift, gfp_t gfp)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(page_shift == PAGE_SHIFT && addr < end, "bad range");
	for (; addr < end; addr += PAGE_SIZE, pages++) {
		struct page *page = *pages;

		SHIM_ASSERT(__atomic_load_n(shim_table(addr), __ATOMIC_SEQ_CST),
			    "mapping would allocate a page table");
		SHIM_ASSERT(*shim_pte(addr) != SHIM_ADDR_STALE,
			    "%#lx is mapped again before the TLB flush", addr);
		SHIM_ASSERT(!*shim_pte(addr), "%#lx is mapped already", addr);
		SHIM_ASSERT(page->shim.state == SHIM_PAGE_OWNED, "page is mapped twice");
		sim_unpoison(addr, PAGE_SIZE);
		memset((void *)addr, page->shim.zeroed ? 0 : 0xa5, PAGE_SIZE);
		page->shim.state = SHIM_PAGE_MAPPED;
		*shim_pte(addr) = (unsigned long)page;
#ifndef SHIM_THREADS
		sim_poison(addr, PAGE_SIZE);
		page->shim.stale_addr = addr;
		page->shim.next_pending = shim_new_pages;
		shim_new_pages = page;
#endif
	}
	shim_window();
	return 0;
}

void flush_cache_vmap(unsigned long start, unsigned long end)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(start < end, "empty range");
	shim_window();
#ifndef SHIM_THREADS
	for (struct page **at = &shim_new_pages; *at;) {
		struct page *page = *at;

		if (page->shim.stale_addr < start || page->shim.stale_addr >= end) {
			at = &page->shim.next_pending;
			continue;
		}
		sim_unpoison(page->shim.stale_addr, PAGE_SIZE);
		page->shim.stale_addr = 0;
		*at = page->shim.next_pending;
	}
#endif
}

void flush_cache_vunmap(unsigned long start, unsigned long end)
{
	SHIM_ASSERT(start < end, "empty range");
}

void vunmap_range_noflush(unsigned long addr, unsigned long end)
{
	shim_assert_unlocked(__func__);
	for (; addr < end; addr += PAGE_SIZE) {
		unsigned long pte = *shim_pte(addr);
		struct page *page = (struct page *)pte;

		if (pte <= SHIM_ADDR_STALE)
			continue;
		shim_window();
		SHIM_ASSERT(!page->shim.stale_addr, "unmapped before flush_cache_vmap()");
		sim_poison(addr, PAGE_SIZE);
		page->shim.state = SHIM_PAGE_OWNED;
#ifdef SHIM_THREADS
		*shim_pte(addr) = 0;
#else
		*shim_pte(addr) = SHIM_ADDR_STALE;
		page->shim.stale_addr = addr;
		page->shim.next_pending = shim_stale_pages;
		shim_stale_pages = page;
#endif
	}
}

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	shim_assert_unlocked(__func__);
	SHIM_ASSERT(!irqs_disabled(), "a TLB flush waits for other CPUs");
	shim_window();
	SHIM_ASSERT(start < end, "empty range");
	sim_count(nr_flushes, 1);
#ifndef SHIM_THREADS
	for (struct page **at = &shim_stale_pages; *at;) {
		struct page *page = *at;

		if (page->shim.stale_addr < start || page->shim.stale_addr >= end) {
			at = &page->shim.next_pending;
			continue;
		}
		*shim_pte(page->shim.stale_addr) = 0;
		page->shim.stale_addr = 0;
		*at = page->shim.next_pending;
	}
#endif
}

struct page *vmalloc_to_page(const void *addr)
{
	unsigned long pte = *shim_pte((unsigned long)addr);

	return pte <= SHIM_ADDR_STALE ? NULL : (struct page *)pte;
}

bool sim_page_is_mapped(unsigned long addr)
{
	return vmalloc_to_page((void *)addr);
}

/* ---- power --------------------------------------------------------------------------------------- */

static void *shim_reserve(size_t bytes, int prot)
{
	void *mem = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	SHIM_ASSERT(mem != MAP_FAILED, "cannot reserve %zu bytes of address space", bytes);
	return mem;
}

void shim_mem_power_on(void)
{
	if (shim_space)
		return;
	shim_space = ALIGN((unsigned long)shim_reserve(SHIM_SPACE_MAX + PMD_SIZE, PROT_NONE),
			   PMD_SIZE);
	shim_ptes = shim_reserve((SHIM_SPACE_MAX >> PAGE_SHIFT) * sizeof(long),
				 PROT_READ | PROT_WRITE);
	shim_tables = shim_reserve((SHIM_SPACE_MAX >> PMD_SHIFT) + 1, PROT_READ | PROT_WRITE);
}

void shim_mem_power_off(void)
{
	while (shim_nr_spaces) {
		struct shim_space space = shim_spaces[shim_nr_spaces - 1];
		unsigned long addr;

		for (addr = space.start; addr < space.end; addr += PAGE_SIZE)
			*shim_pte(addr) = 0;
		shim_space_give(space.start, space.end - space.start);
	}
}

/* ---- hardening ----------------------------------------------------------------------- */

bool want_init_on_alloc(gfp_t gfp)
{
	return sim.init_on_alloc || (gfp & __GFP_ZERO);
}

bool want_init_on_free(void)
{
	return sim.init_on_free;
}
