// SPDX-License-Identifier: GPL-2.0
/*
 * test-alloc.c - mm/vmalloc.c and mm/vmalloc-area.c, their masks and failures
 *
 * Each kind of request is made with each mask: no part of it may have a bit that
 * the mask forbids.  Then each thing that can fail fails in its turn: nothing may
 * be left behind, and __GFP_NOFAIL must not fail.  What is mapped is told to
 * flush_cache_vmap(), and permissions are reset in the order that leaves no TLB
 * with an entry of a free page.
 */
#define _GNU_SOURCE
#include "shim/memory.h"
#include "vmalloc-area.c"
#include "vmalloc.c"

struct mask {
	gfp_t gfp;
	enum shim_scope tables;
};

static const struct mask masks[] = {
	{ GFP_KERNEL, SCOPE_NONE },
	{ GFP_KERNEL_ACCOUNT | __GFP_ZERO, SCOPE_NONE },
	{ GFP_USER | __GFP_NOLOCKDEP, SCOPE_NONE },
	{ GFP_NOFS, SCOPE_NOFS },
	{ GFP_NOIO, SCOPE_NOIO },
	/* No I/O, though nothing is said of file systems: no page table may do it either. */
	{ GFP_KERNEL & ~__GFP_IO, SCOPE_NOIO },
	{ GFP_KERNEL | __GFP_NOMEMALLOC, SCOPE_NONE },
	{ GFP_NOWAIT, SCOPE_NORECLAIM },
	{ GFP_ATOMIC, SCOPE_NORECLAIM },
	{ GFP_ATOMIC | __GFP_NOFAIL, SCOPE_NORECLAIM },
	{ GFP_KERNEL | __GFP_NORETRY, SCOPE_NORECLAIM },
	{ GFP_KERNEL | __GFP_RETRY_MAYFAIL, SCOPE_NORECLAIM },
	{ GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN, SCOPE_NORECLAIM },
	{ GFP_KERNEL | __GFP_NOFAIL, SCOPE_NONE },
	{ GFP_NOFS | __GFP_NOFAIL, SCOPE_NOFS },
	{ GFP_NOIO | __GFP_NOFAIL, SCOPE_NOIO },
	{ GFP_KERNEL | GFP_DMA32, SCOPE_NONE },
};

/*
 * One page; pages and descriptor behind the vm_struct, from a cache of its own and by
 * kmalloc(); an array of its own; no descriptor behind it; a vmalloc'ed array.
 */
static const unsigned long page_counts[] = { 1, 2, 3, 13, 14, 100, 200, 513, 700 };

/* Bits that widen what may be done, so must come from the caller. */
#define WIDENS	(__GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HIGH | __GFP_NOFAIL | \
		 __GFP_MEMALLOC | __GFP_DMA | __GFP_DMA32 | __GFP_ACCOUNT)
/* Bits that limit it: what the caller has of them is in each mask. */
#define LIMITS	(__GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_NOMEMALLOC | __GFP_NOLOCKDEP)

static void settle(void)
{
	unsigned int i, node, memcg;

	for (i = 0; i < 3; i++)
		shim_run_works();
	space_make_room();
	assert(!space_nr_areas && !shim_nr_objects && !shim_nr_pages && !shim_warnings);
	for (node = 0; node < 2; node++)
		for (memcg = 0; memcg < 3; memcg++)
			assert(!shim_nr_vmalloc[node][memcg]);
}

static void *allocate(unsigned long nr, const struct mask *mask, unsigned long flags)
{
	return __vmalloc_node_range_noprof(nr << PAGE_SHIFT, 1, VMALLOC_START, VMALLOC_END,
					   mask->gfp, PAGE_KERNEL, flags, NUMA_NO_NODE, NULL);
}

static void check_record(const struct mask *mask)
{
	gfp_t allowed = mask->gfp;

	if (!gfpflags_allow_blocking(allowed))
		allowed &= ~__GFP_NOFAIL;
	assert(!(record.any & WIDENS & ~allowed));
	/* Who would rather fail, for one, is not made to wait for anything. */
	assert(!(LIMITS & mask->gfp & ~record.all));
	/* No allocator beneath warns either. */
	assert((record.all & __GFP_NOWARN) || !(mask->gfp & __GFP_NOWARN));
	assert(record.table_scope == mask->tables);
	assert(!record.cache_unflushed);
	assert(shim_scope == SCOPE_NONE);
}

static void check_area(const void *p, unsigned long nr, unsigned long flags)
{
	struct vm_struct *vm = find_vm_area(p);
	unsigned long i;

	assert(vm && vm->addr == p && vm->nr_pages >= nr);
	assert(vm->flags == (VM_ALLOC | flags));
	assert(get_vm_area_size(vm) == vm->nr_pages << PAGE_SHIFT);
	for (i = 0; i < vm->nr_pages; i++)
		assert(vm->pages[i]->used && space_mapped[space_page((unsigned long)p) + i]);
	assert(!space_mapped[space_page((unsigned long)p) + vm->nr_pages]);
}

static void test_masks(unsigned long flags)
{
	unsigned int i, j;
	void *p;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		for (j = 0; j < ARRAY_SIZE(page_counts); j++) {
			record_start();
			p = allocate(page_counts[j], &masks[i], flags);
			assert(p);
			check_record(&masks[i]);
			check_area(p, page_counts[j], flags);
			vfree(p);
			settle();
		}
	}
}

/* Returns how many things could fail. */
static unsigned int fail_each(unsigned long nr, const struct mask *mask, unsigned long flags)
{
	const bool must = (mask->gfp & __GFP_NOFAIL) && gfpflags_allow_blocking(mask->gfp);
	unsigned int n, nr_failed = 0;
	bool over = false;
	void *p;

	for (n = 1; !over; n++) {
		record_start();
		shim_fail_in = n;
		p = allocate(nr, mask, flags);
		over = shim_fail_in;
		shim_fail_in = 0;
		assert(p || !must);
		assert(!record.nr_messages || !(mask->gfp & __GFP_NOWARN));
		/* What came is no news, unless the caller waited for it; what did not is. */
		assert(p ? !record.nr_messages || must :
			   record.nr_messages || (mask->gfp & __GFP_NOWARN));
		nr_failed += !p;
		if (p)
			check_area(p, nr, flags);
		vfree(p);
		settle();
	}
	return nr_failed;
}

/* When it fails, pages and their array are still the caller's, with either flag. */
static unsigned int fail_each_vmap(unsigned int nr, unsigned long flags)
{
	struct page **pages = kmalloc_node_noprof(nr * sizeof(*pages), GFP_KERNEL, 0);
	unsigned int n, i, nr_failed = 0;
	bool over = false;
	void *p = NULL;

	for (i = 0; i < nr; i++)
		pages[i] = alloc_pages_noprof(GFP_KERNEL, 0);
	for (n = 1; !over; n++) {
		shim_fail_in = n;
		p = vmap(pages, nr, flags, PAGE_KERNEL);
		over = shim_fail_in;
		shim_fail_in = 0;
		nr_failed += !p;
		assert(!p == !over && shim_nr_pages == nr);
		if (!over)
			assert(shim_nr_objects == 1);
	}
	assert(find_vm_area(p)->flags == flags);
	vfree(p);
	if (!(flags & VM_MAP_PUT_PAGES)) {
		free_pages_bulk(pages, nr);
		kfree(pages);
	}
	settle();
	return nr_failed;
}

static unsigned int fail_each_area(unsigned long flags)
{
	struct vm_struct *vm = NULL;
	unsigned int n, nr_failed = 0;
	bool over = false;

	for (n = 1; !over; n++) {
		shim_fail_in = n;
		vm = get_vm_area(3 * PAGE_SIZE, flags);
		over = shim_fail_in;
		shim_fail_in = 0;
		nr_failed += !vm;
		assert(!vm == !over);
		if (!vm)
			settle();
	}
	free_vm_area(vm);
	settle();
	return nr_failed;
}

static void test_area_failures(void)
{
	/* The vm_struct, its place, and each page. */
	assert(fail_each_vmap(1, VM_MAP) == 3);
	assert(fail_each_vmap(40, VM_MAP) == 42);
	assert(fail_each_vmap(40, VM_MAP | VM_MAP_PUT_PAGES) == 42);
	assert(fail_each_vmap(200, VM_MAP) == 202);
	assert(fail_each_area(VM_IOREMAP) == 2);
	assert(fail_each_area(VM_ALLOC) == 2);
	assert(fail_each_area(VM_SPARSE) == 2);
}

static unsigned int test_failures(unsigned long flags)
{
	unsigned int i, j, nr_failed = 0;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		for (j = 0; j < ARRAY_SIZE(page_counts); j++)
			nr_failed += fail_each(page_counts[j], &masks[i], flags);
	return nr_failed;
}

#define NR_IN_A_ROW	5

/* The same with several failures in a row, from each on; returns the most sleeps. */
static unsigned int fail_in_a_row(unsigned long nr, const struct mask *mask,
				  unsigned long flags)
{
	unsigned int n, most_sleeps = 0;
	bool over = false;
	void *p;

	for (n = 1; !over; n += 1 + n / 20) {
		record_start();
		shim_fail_in = n;
		shim_fail_more = NR_IN_A_ROW - 1;
		p = allocate(nr, mask, flags);
		over = shim_fail_more == NR_IN_A_ROW - 1;
		shim_fail_in = 0;
		shim_fail_more = 0;
		assert(p);
		check_area(p, nr, flags);
		most_sleeps = max(most_sleeps, record.nr_sleeps);
		vfree(p);
		settle();
	}
	return most_sleeps;
}

/* __GFP_NOFAIL tries as often as it takes: for address space as for page tables. */
static void test_nofail(unsigned long flags)
{
	unsigned int i, j, nr, most = 0;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		if (!(masks[i].gfp & __GFP_NOFAIL) || !gfpflags_allow_blocking(masks[i].gfp))
			continue;
		for (j = 0; j < ARRAY_SIZE(page_counts); j++) {
			nr = fail_in_a_row(page_counts[j], &masks[i], flags);
			assert(nr > 1);
			most = max(most, nr);
		}
	}
	assert(most == NR_IN_A_ROW);
}

/*
 *	PMD_SIZE	     2 * PMD_SIZE	   3 * PMD_SIZE
 *	|.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...|
 *
 * The window has room for a large leaf, but none where such a leaf can be.
 */
static void test_no_place_for_leaf(void)
{
	static const gfp_t gfps[] = { GFP_KERNEL | __GFP_NOFAIL, GFP_KERNEL, GFP_NOWAIT };
	const unsigned long start = ALIGN(VMALLOC_START, PMD_SIZE) + PAGE_SIZE;
	const unsigned long end = start + 2 * PMD_SIZE - 4 * PAGE_SIZE;
	unsigned int i;
	void *p;

	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		record_start();
		p = __vmalloc_node_range_noprof(PMD_SIZE, 1, start, end, gfps[i], PAGE_KERNEL,
						VM_ALLOW_HUGE_VMAP, NUMA_NO_NODE, NULL);
		assert(p && !record.nr_sleeps && !record.nr_messages);
		assert(!vm_page_order(find_vm_area(p)));
		check_area(p, PMD_SIZE >> PAGE_SHIFT, VM_ALLOW_HUGE_VMAP);
		vfree(p);
		settle();
	}
}

/* Nor one for small pages: then address space says so, and vmalloc, once each. */
static void test_no_place(void)
{
	const unsigned long start = ALIGN(VMALLOC_START, PMD_SIZE);

	record_start();
	assert(!__vmalloc_node_range_noprof(PMD_SIZE, 1, start, start + PMD_SIZE, GFP_KERNEL,
					    PAGE_KERNEL, VM_ALLOW_HUGE_VMAP, NUMA_NO_NODE, NULL));
	assert(record.nr_messages == 2);
	settle();
}

static void test_vrealloc(void)
{
	unsigned long size = 0, new_size, i;
	unsigned int step;
	u8 *p = NULL, *new;

	for (step = 0; step < 3000; step++) {
		new_size = 1 + rand() % (rand() % 3 ? 40 : 3) * PAGE_SIZE + rand() % PAGE_SIZE;
		shim_fail_in = rand() % 5 ? 0 : 1 + rand() % 20;
		new = vrealloc_node_align_noprof(p, new_size, 1, GFP_KERNEL, NUMA_NO_NODE);
		shim_fail_in = 0;
		if (!new)
			continue;
		for (i = 0; i < min(size, new_size); i += 97)
			assert(new[i] == (u8)i);
		for (i = 0; i < new_size; i += 97)
			new[i] = i;
		p = new;
		size = new_size;
		assert(find_vm_area(p)->nr_pages >= PAGE_ALIGN(size) >> PAGE_SHIFT);
		assert(find_vm_area(p)->requested_size == size);
	}
	assert(!vrealloc_node_align_noprof(p, 0, 1, GFP_KERNEL, NUMA_NO_NODE));
	settle();
}

/* What makes no sense is taken out, or refused, with a warning; with __GFP_NOWARN never. */
static const struct odd_request {
	unsigned long bytes;
	gfp_t gfp;
	int warnings;
} odd_requests[] = {
	{ PAGE_SIZE, GFP_KERNEL | __GFP_THISNODE, 1 },
	{ PAGE_SIZE, GFP_KERNEL | __GFP_THISNODE | __GFP_NOWARN, 0 },
	{ PAGE_SIZE, GFP_KERNEL | __GFP_DMA, 1 },
	/* GFP_NOWAIT has the bit. */
	{ PAGE_SIZE, GFP_NOWAIT | __GFP_DMA, 0 },
	{ PAGE_SIZE, GFP_KERNEL | __GFP_NOWARN, 0 },
	{ 0, GFP_KERNEL, 1 },
	{ 0, GFP_KERNEL | __GFP_NOWARN, 0 },
};

static void check_odd_request(const struct odd_request *odd, void *p)
{
	assert(!p == !odd->bytes);
	assert(shim_warnings == odd->warnings);
	assert(!(record.any & (__GFP_THISNODE | __GFP_DMA)));
	shim_warnings = 0;
	vfree(p);
	settle();
}

static void test_odd_requests(void)
{
	const struct odd_request *odd;

	for (odd = odd_requests; odd < odd_requests + ARRAY_SIZE(odd_requests); odd++) {
		record_start();
		check_odd_request(odd, __vmalloc_noprof(odd->bytes, odd->gfp));
		check_odd_request(odd, vmalloc_huge_node_noprof(odd->bytes, odd->gfp, 0));
	}
}

/* __vmalloc() keeps limits as its siblings do, and finds sense in each of them. */
static void test_public_masks(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		if (masks[i].gfp & (__GFP_DMA | __GFP_DMA32))
			continue;
		record_start();
		vfree(__vmalloc_noprof(700 * PAGE_SIZE, masks[i].gfp));
		check_record(&masks[i]);
		settle();
		record_start();
		vfree(vmalloc_huge_node_noprof(700 * PAGE_SIZE, masks[i].gfp, 0));
		check_record(&masks[i]);
		settle();
	}
}

static void *allocate_killed(unsigned int seed, unsigned int fail_in, bool killed)
{
	void *p;

	srand(seed);
	record_start();
	shim_fail_in = fail_in;
	shim_fail_more = 1;
	shim_killed = killed;
	/* The array of pages has two pages itself. */
	p = allocate(PAGE_SIZE / sizeof(struct page *) + 1, &masks[0], 0);
	shim_killed = false;
	shim_fail_in = 0;
	shim_fail_more = 0;
	vfree(p);
	settle();
	return p;
}

/* Who is to die gets no more pages one by one: that is no news, whatever they are for. */
static void test_killed(void)
{
	const unsigned int seed = rand();
	unsigned int n, nr_refused = 0;

	for (n = 1; n < 40; n++) {
		if (!allocate_killed(seed, n, false) || allocate_killed(seed, n, true))
			continue;
		assert(!record.nr_messages);
		nr_refused++;
	}
	assert(nr_refused);
}

static void test_areas(void)
{
	struct vm_struct *vm;
	struct page **pages;
	void *p;

	vm = get_vm_area(3 * PAGE_SIZE, VM_IOREMAP);
	assert(vm->flags == VM_IOREMAP && IS_ALIGNED((unsigned long)vm->addr, 4 * PAGE_SIZE));
	assert(find_vm_area(vm->addr + 3 * PAGE_SIZE) == vm);
	free_vm_area(vm);

	pages = kmalloc_node_noprof(2 * sizeof(*pages), GFP_KERNEL, 0);
	pages[0] = alloc_pages_noprof(GFP_KERNEL, 0);
	pages[1] = alloc_pages_noprof(GFP_KERNEL, 0);
	p = vmap(pages, 2, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	assert(p && find_vm_area(p)->nr_pages == 2);
	vfree(p);

	record_start();
	p = vmap_pfn((unsigned long[]){ 7, 9, 8 }, 3, PAGE_KERNEL);
	assert(p && find_vm_area(p)->flags == VM_IOREMAP && !record.cache_unflushed);
	vunmap(p);

	p = vmalloc_noprof(5 * PAGE_SIZE);
	vfree_atomic(p);
	assert(find_vm_area(p));
	settle();

	/* Nothing there, and not the start of a page: refused with a warning. */
	vfree((void *)VMALLOC_START);
	vfree((void *)VMALLOC_START + 8);
	assert(shim_warnings == 3);
	shim_warnings = 0;
	settle();
}

/* Only areas made for it are shown to processes, and nothing behind their end. */
static void test_user_range(void)
{
	struct vm_area_struct vma = { .vm_start = 0, .vm_end = 3 * PAGE_SIZE };
	void *p = vmalloc_user_noprof(3 * PAGE_SIZE), *other = vmalloc_noprof(3 * PAGE_SIZE);

	assert(find_vm_area(p)->flags == (VM_ALLOC | VM_USERMAP));
	assert(remap_vmalloc_range(&vma, other, 0) == -EINVAL);
	assert(remap_vmalloc_range(&vma, p, 1) == -EINVAL);
	assert(remap_vmalloc_range(&vma, p, -1UL) == -EINVAL);
	assert(remap_vmalloc_range(&vma, p + 8, 0) == -EINVAL);
	assert(remap_vmalloc_range_partial(&vma, 8, p, 0, PAGE_SIZE) == -EINVAL);
	assert(!vma.nr_inserted);
	assert(!remap_vmalloc_range(&vma, p, 0) && vma.nr_inserted == 3);
	assert(!remap_vmalloc_range_partial(&vma, 0, p, 1, 1) && vma.nr_inserted == 4);
	/* As /proc/vmcore does: from inside of it. */
	vma.nr_inserted = 0;
	assert(!remap_vmalloc_range_partial(&vma, 0, p + PAGE_SIZE, 0, 2 * PAGE_SIZE));
	assert(vma.nr_inserted == 2);
	assert(remap_vmalloc_range_partial(&vma, 0, p + PAGE_SIZE, 0, 3 * PAGE_SIZE) == -EINVAL);
	assert(remap_vmalloc_range_partial(&vma, 0, p + 3 * PAGE_SIZE, 0, PAGE_SIZE) == -EINVAL);
	vfree(p);
	vfree(other);
	settle();
}

/* In an interrupt nothing is unmapped or searched: a free waits, all else is refused. */
static void test_interrupt(void)
{
	struct page *page = alloc_pages_noprof(GFP_KERNEL, 0);
	void *p = vmalloc_noprof(5 * PAGE_SIZE), *mapped = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	shim_in_interrupt = true;
	vfree(NULL);
	vfree(p);
	assert(find_vm_area(p) && !shim_warnings);
	vunmap(mapped);
	assert(find_vm_area(mapped) && shim_warnings == 1);
	assert(!__vmalloc_noprof(PAGE_SIZE, GFP_ATOMIC) && shim_warnings == 2);
	assert(!get_vm_area(PAGE_SIZE, VM_IOREMAP) && shim_warnings == 3);
	shim_in_interrupt = false;
	shim_warnings = 0;
	shim_run_works();
	assert(!find_vm_area(p));
	vunmap(mapped);
	__free_page(page);
	settle();
}

/* Flags that vmap() cannot do, or that are not its caller's to give. */
static void test_vmap_flags(void)
{
	struct page *page = alloc_pages_noprof(GFP_KERNEL, 0);
	void *p;

	assert(!vmap(&page, 1, VM_MAP | VM_FLUSH_RESET_PERMS, PAGE_KERNEL) && shim_warnings == 1);
	p = vmap(&page, 1, VM_MAP | VM_NO_GUARD, PAGE_KERNEL);
	assert(p && shim_warnings == 2 && find_vm_area(p)->flags == VM_MAP);
	assert(find_vm_area(p)->size == 2 * PAGE_SIZE);
	vunmap(p);
	assert(!vmap(&page, 0, VM_MAP, PAGE_KERNEL));
	assert(!vmap(&page, totalram_pages() + 1, VM_MAP, PAGE_KERNEL));
	assert(shim_warnings == 2);
	shim_warnings = 0;
	__free_page(page);
	settle();
}

/* A zone is for the pages and for nothing else; a node that is insisted on moves. */
static void test_places(void)
{
	void *p, *moved;

	record_start();
	p = vmalloc_32_noprof(100 * PAGE_SIZE);
	assert((record.any & __GFP_DMA32) && !(record.all & __GFP_DMA32));
	assert(!(record.any & __GFP_HIGHMEM));
	vfree(p);
	p = vmalloc_32_user_noprof(3 * PAGE_SIZE);
	assert(find_vm_area(p)->flags == (VM_ALLOC | VM_USERMAP));
	vfree(p);

	p = vmalloc_noprof(3 * PAGE_SIZE);
	vmalloc_to_page(p)->node = 1;
	assert(vrealloc_node_align_noprof(p, PAGE_SIZE, 1, GFP_KERNEL, 0) == p);
	assert(vrealloc_node_align_noprof(p, 1, 1, GFP_KERNEL | __GFP_THISNODE, 1) == p);
	moved = vrealloc_node_align_noprof(p, 1, 1, GFP_KERNEL | __GFP_THISNODE, 0);
	assert(moved && moved != p);
	/* Without room there, it stays where it is. */
	shim_fail_in = 1;
	assert(!vrealloc_node_align_noprof(moved, 1, 1, GFP_KERNEL | __GFP_THISNODE, 0));
	assert(find_vm_area(moved) && !shim_fail_in);
	assert(!vrealloc_node_align_noprof(moved, 1, 1UL << 40, GFP_KERNEL, 0));
	assert(shim_warnings == 1);
	shim_warnings = 0;
	vfree(moved);
	settle();
}

#define EARLY(page, nr)	{ .addr = (void *)(VMALLOC_START + (page) * PAGE_SIZE), \
			  .size = (nr) * PAGE_SIZE }

/*
 *	 0	  4	 8	   12	     16
 *	|...|aaaa|bbbb|....|cccc|....		announced in the order c, a, b
 */
static void test_early_areas(void)
{
	static struct vm_struct c = EARLY(12, 4), a = EARLY(4, 4), b = EARLY(8, 2);
	static struct vm_struct two = { .size = 2 * PAGE_SIZE }, five = { .size = 5 * PAGE_SIZE };
	static struct vm_struct aligned = { .size = PAGE_SIZE };
	struct vm_struct *vm;
	unsigned int nr = 0;

	vm_area_add_early(&c);
	vm_area_add_early(&a);
	vm_area_add_early(&b);
	vm_area_register_early(&two, PAGE_SIZE);
	assert(two.addr == (void *)VMALLOC_START);
	vm_area_register_early(&five, PAGE_SIZE);
	assert(five.addr == c.addr + c.size);
	vm_area_register_early(&aligned, 8 * PAGE_SIZE);
	assert(IS_ALIGNED((unsigned long)aligned.addr, 8 * PAGE_SIZE));
	for (vm = vm_early_list; vm; vm = vm->next, nr++)
		assert(!vm->next || vm->addr + vm->size <= vm->next->addr);
	assert(nr == 6);
}

/* As modules have it: what was executable may be in no TLB when its pages are free. */
static void test_permissions(void)
{
	unsigned int i, j, nr_direct;
	struct vm_struct *vm;
	void *p;

	for (i = 0; i < ARRAY_SIZE(page_counts); i++) {
		p = allocate(page_counts[i], &masks[0], 0);
		vfree(p);
		assert(!shim_nr_alias_flushes && !shim_nr_reset);

		p = allocate(page_counts[i], &masks[0], 0);
		vm = find_vm_area(p);
		vm->flags |= VM_FLUSH_RESET_PERMS;
		nr_direct = 0;
		for (j = 0; j < vm->nr_pages; j++)
			nr_direct += !!page_address(vm->pages[j]);
		/* No page of it leaves before that. */
		assert(vrealloc_node_align_noprof(p, 1, 1, GFP_KERNEL, NUMA_NO_NODE) == p);
		assert(vm->nr_pages == page_counts[i]);
		vfree(p);
		assert(shim_nr_alias_flushes == 1 && shim_nr_reset == nr_direct);
		shim_nr_alias_flushes = 0;
		shim_nr_reset = 0;
		settle();
	}
}

/* With more memory than address space, the size may wrap around when it is rounded up. */
static void test_wrap(unsigned long flags)
{
	shim_totalram = ~0UL >> PAGE_SHIFT;
	assert(!__vmalloc_node_range_noprof(~0UL - 10, 1, VMALLOC_START, VMALLOC_END, GFP_KERNEL,
					    PAGE_KERNEL, flags, NUMA_NO_NODE, NULL));
	shim_totalram = 8192;
	settle();
}

int main(int argc, char **argv)
{
	unsigned int nr_failed;

	srand(argc > 1 ? atoi(argv[1]) : 1);
	test_early_areas();
	vmalloc_init();
	test_masks(0);
	test_masks(VM_ALLOW_HUGE_VMAP);
	nr_failed = test_failures(0) + test_failures(VM_ALLOW_HUGE_VMAP);
	test_nofail(0);
	test_nofail(VM_ALLOW_HUGE_VMAP);
	test_no_place_for_leaf();
	test_no_place();
	test_vrealloc();
	test_areas();
	test_area_failures();
	test_user_range();
	test_interrupt();
	test_vmap_flags();
	test_places();
	test_permissions();
	test_wrap(0);
	test_wrap(VM_ALLOW_HUGE_VMAP);
	test_odd_requests();
	test_public_masks();
	test_killed();
	printf("alloc: %zu masks, %u requests failed\n", ARRAY_SIZE(masks), nr_failed);
	assert(nr_failed > 20000);
	return 0;
}
