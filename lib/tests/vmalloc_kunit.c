// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of vmalloc, through its public interface.
 *
 * What every caller may rely on is checked here and nothing else, so the suite
 * passes on any implementation that keeps the contract.  One that can check its
 * invariants does so after each case.
 *
 * The cases named mask_* record, by tracepoints, with which mask and in which
 * scope the current task allocates pages and slab objects while it calls vmalloc
 * or kvmalloc, and compare that with what the caller's mask allows.  Page tables
 * are made to be missing by a window of addresses that nobody used before.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_choices.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_TRACEPOINTS
#include <trace/events/kmem.h>
#endif

/* ---- invariants ---------------------------------------------------------- */

bool vmap_space_validate(void);

/* For an implementation that has none; it says itself what does not hold. */
bool __weak vmap_space_validate(void)
{
	return true;
}

static void check_invariants(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, vmap_space_validate());
}

/* ---- contents ------------------------------------------------------------ */

static u8 pattern(unsigned long at, u8 tag)
{
	return (at * 31 + at / 251) ^ tag;
}

static void fill(u8 *p, unsigned long bytes, u8 tag)
{
	unsigned long i;

	for (i = 0; i < bytes; i++)
		p[i] = pattern(i, tag);
}

static bool holds(const u8 *p, unsigned long bytes, u8 tag)
{
	unsigned long i;

	for (i = 0; i < bytes; i++)
		if (p[i] != pattern(i, tag))
			return false;
	return true;
}

static bool is_zero(const void *p, unsigned long bytes)
{
	return !memchr_inv(p, 0, bytes);
}

/* ---- allocation ---------------------------------------------------------- */

static const unsigned long sizes[] = {
	1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE, 22 * PAGE_SIZE,
	23 * PAGE_SIZE, 100 * PAGE_SIZE, 101 * PAGE_SIZE + 5, 600 * PAGE_SIZE,
};

static void sizes_keep_their_bytes(struct kunit *test)
{
	u8 *p[ARRAY_SIZE(sizes)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p[i] = vmalloc(sizes[i]);
		KUNIT_ASSERT_NOT_NULL(test, p[i]);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(p[i]));
		KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(p[i]));
		fill(p[i], sizes[i], i);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, holds(p[i], sizes[i], i), "size %lu", sizes[i]);
		vfree(p[i]);
	}
}

static void zeroed_after_dirty(struct kunit *test)
{
	const unsigned long bytes = 37 * PAGE_SIZE;
	unsigned int i;
	u8 *p;

	for (i = 0; i < 8; i++) {
		p = vzalloc(bytes);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_TRUE(test, is_zero(p, bytes));
		fill(p, bytes, i);
		vfree(p);
	}
}

static void area_says_what_it_is(struct kunit *test)
{
	const unsigned long bytes = 5 * PAGE_SIZE;
	struct vm_struct *vm;
	void *p;

	p = vmalloc(bytes);
	KUNIT_ASSERT_NOT_NULL(test, p);
	vm = find_vm_area(p);
	KUNIT_ASSERT_NOT_NULL(test, vm);
	KUNIT_EXPECT_EQ(test, vm->flags & ~VM_KASAN, (unsigned long)VM_ALLOC);
	KUNIT_EXPECT_EQ(test, get_vm_area_size(vm), bytes);
	KUNIT_EXPECT_EQ(test, vm->nr_pages, 5);
	KUNIT_EXPECT_PTR_EQ(test, find_vm_area(p + bytes - 1), vm);
	KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(p + 4 * PAGE_SIZE), vm->pages[4]);
	/* Behind the guard page nothing of it is left. */
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(p + bytes));
	KUNIT_EXPECT_TRUE(test, find_vm_area(p + bytes + PAGE_SIZE) != vm);
	vfree(p);
	KUNIT_EXPECT_NULL(test, find_vm_area(p));
}

static void size_zero_and_too_much(struct kunit *test)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	struct page *none = NULL;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_NULL(test, vmalloc(0));
		KUNIT_EXPECT_NULL(test, __vmalloc(0, gfp));
		KUNIT_EXPECT_NULL(test, vmap(&none, 0, VM_MAP, PAGE_KERNEL));
		KUNIT_EXPECT_NULL(test, get_vm_area(0, VM_IOREMAP));
	}
	KUNIT_EXPECT_NULL(test, vrealloc(NULL, 0, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, __vmalloc((totalram_pages() + 1) << PAGE_SHIFT, gfp));
	KUNIT_EXPECT_NULL(test, vmap(&none, totalram_pages() + 1, VM_MAP, PAGE_KERNEL));
	vfree(NULL);
	vunmap(NULL);
}

/* __GFP_NOWARN is silence, whatever else a mask says: no stack in the log either. */
static void nowarn_is_silent(struct kunit *test)
{
	static const gfp_t odd_bits[] = { __GFP_HIGHMEM, __GFP_DMA32, __GFP_MOVABLE };
	/* In a slab, in pages of a high order, and more than kmalloc() has. */
	static const unsigned long bytes[] = {
		100, 5 * PAGE_SIZE, KMALLOC_MAX_SIZE + PAGE_SIZE,
	};
	unsigned int i;
	gfp_t gfp;
	void *p;

	kunit_warning_suppress(test) {
		for (i = 0; i < ARRAY_SIZE(odd_bits) * ARRAY_SIZE(bytes); i++) {
			gfp = GFP_KERNEL | __GFP_NOWARN | odd_bits[i % ARRAY_SIZE(odd_bits)];
			p = kvmalloc(bytes[i / ARRAY_SIZE(odd_bits)], gfp);
			KUNIT_EXPECT_NOT_NULL(test, p);
			p = kvrealloc(p, 7 * PAGE_SIZE, gfp) ?: p;
			KUNIT_EXPECT_NOT_NULL(test, p);
			kvfree(p);
		}
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

static void shrinks_and_grows(struct kunit *test)
{
	const unsigned long most = 30 * PAGE_SIZE;
	static const unsigned int steps[] = { 29, 7, 8, 1, 30, 2, 64 };
	unsigned long bytes, known = most;
	unsigned int i;
	u8 *p;

	p = vmalloc(most);
	KUNIT_ASSERT_NOT_NULL(test, p);
	fill(p, most, 1);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		bytes = steps[i] * PAGE_SIZE - 3;
		p = vrealloc(p, bytes, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		known = min(known, bytes);
		KUNIT_EXPECT_TRUE_MSG(test, holds(p, known, 1), "step %u", i);
		memset(p + known, 0, bytes - known);
	}
	KUNIT_EXPECT_NULL(test, vrealloc(p, 0, GFP_KERNEL));
}

/* ---- mappings of pages --------------------------------------------------- */

#define NR_PAGES	70

static void get_pages(struct kunit *test, struct page **pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
		memset(page_address(pages[i]), i, PAGE_SIZE);
	}
}

static void put_pages(struct page **pages, unsigned int nr)
{
	while (nr)
		__free_page(pages[--nr]);
}

static bool shows_pages(const u8 *p, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (p[i * PAGE_SIZE] != (u8)i || p[i * PAGE_SIZE + PAGE_SIZE - 1] != (u8)i)
			return false;
	return true;
}

static void vmap_shows_pages(struct kunit *test)
{
	struct page *pages[NR_PAGES];
	u8 *p;

	get_pages(test, pages, NR_PAGES);
	p = vmap(pages, NR_PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_TRUE(test, shows_pages(p, NR_PAGES));
	KUNIT_EXPECT_EQ(test, find_vm_area(p)->flags, (unsigned long)VM_MAP);
	vunmap(p);
	put_pages(pages, NR_PAGES);
}

/* More pieces than a block has pages, several of them live at any time. */
static void vm_map_ram_shows_pages(struct kunit *test)
{
	static const unsigned int counts[] = { 1, 3, 32, 64, 70, 2, 17, 5 };
	struct { u8 *p; unsigned int nr; } live[5] = {};
	struct page *pages[NR_PAGES];
	unsigned int i, slot;

	get_pages(test, pages, NR_PAGES);
	for (i = 0; i < 400; i++) {
		slot = i % ARRAY_SIZE(live);
		if (live[slot].p) {
			KUNIT_EXPECT_TRUE(test, shows_pages(live[slot].p, live[slot].nr));
			vm_unmap_ram(live[slot].p, live[slot].nr);
		}
		live[slot].nr = counts[i % ARRAY_SIZE(counts)];
		live[slot].p = vm_map_ram(pages, live[slot].nr, NUMA_NO_NODE);
		KUNIT_ASSERT_NOT_NULL(test, live[slot].p);
		if (i % 50 == 49)
			vm_unmap_aliases();
	}
	for (slot = 0; slot < ARRAY_SIZE(live); slot++) {
		KUNIT_EXPECT_TRUE(test, shows_pages(live[slot].p, live[slot].nr));
		vm_unmap_ram(live[slot].p, live[slot].nr);
	}
	vm_unmap_aliases();
	put_pages(pages, NR_PAGES);
}

static void areas_without_memory(struct kunit *test)
{
	struct vm_struct *a, *b;

	a = get_vm_area(3 * PAGE_SIZE, VM_IOREMAP);
	b = get_vm_area(3 * PAGE_SIZE, VM_ALLOC);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, get_vm_area_size(a), 3 * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)a->addr, 4 * PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, find_vm_area(a->addr + PAGE_SIZE), a);
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(b->addr));
	free_vm_area(a);
	free_vm_area(b);
}

static void sparse_areas_are_mapped_by_parts(struct kunit *test)
{
	struct page *pages[3];
	struct vm_struct *vm;
	unsigned long start;

	get_pages(test, pages, 3);
	vm = get_vm_area(8 * PAGE_SIZE, VM_SPARSE);
	KUNIT_ASSERT_NOT_NULL(test, vm);
	start = (unsigned long)vm->addr + 2 * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, vm_area_map_pages(vm, start, start + 3 * PAGE_SIZE, pages));
	KUNIT_EXPECT_TRUE(test, shows_pages((u8 *)start, 3));
	KUNIT_EXPECT_NULL(test, vmalloc_to_page((void *)(start - PAGE_SIZE)));
	KUNIT_EXPECT_NULL(test, vmalloc_to_page((void *)(start + 3 * PAGE_SIZE)));

	vm_area_unmap_pages(vm, start + PAGE_SIZE, start + 2 * PAGE_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page((void *)start), pages[0]);
	KUNIT_EXPECT_NULL(test, vmalloc_to_page((void *)(start + PAGE_SIZE)));
	KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page((void *)(start + 2 * PAGE_SIZE)), pages[2]);

	/* Nothing outside of it, its guard page included. */
	start = (unsigned long)vm->addr;
	KUNIT_EXPECT_EQ(test, -ERANGE,
			vm_area_map_pages(vm, start - PAGE_SIZE, start + PAGE_SIZE, pages));
	KUNIT_EXPECT_EQ(test, -ERANGE, vm_area_map_pages(vm, start + 7 * PAGE_SIZE,
							 start + 9 * PAGE_SIZE, pages));
	free_vm_area(vm);
	put_pages(pages, 3);
}

#ifdef CONFIG_VMAP_PFN
static int next_frame_is(pte_t *pte, unsigned long addr, void *data)
{
	unsigned long **pfn = data;

	return pte_pfn(ptep_get(pte)) == *(*pfn)++ ? 0 : -EINVAL;
}

/* Frames that nothing lies in: whatever is done with these, they are not touched. */
static void get_pfns(unsigned long *pfns, unsigned int nr)
{
	unsigned long pfn = max_pfn;
	unsigned int i;

	while (pfn_valid(pfn))
		pfn++;
	for (i = 0; i < nr; i++)
		pfns[i] = pfn + (i * 3) % nr;
}

static void vmap_pfn_maps_frames(struct kunit *test)
{
	unsigned long pfns[5], *next = pfns;
	const unsigned long bytes = ARRAY_SIZE(pfns) * PAGE_SIZE;
	void *p;

	if (IS_ENABLED(CONFIG_UML))
		kunit_skip(test, "the host can map nothing but memory");
	get_pfns(pfns, ARRAY_SIZE(pfns));
	p = vmap_pfn(pfns, ARRAY_SIZE(pfns), PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, find_vm_area(p)->flags, (unsigned long)VM_IOREMAP);
	KUNIT_EXPECT_EQ(test, 0, apply_to_existing_page_range(&init_mm, (unsigned long)p, bytes,
							      next_frame_is, &next));
	KUNIT_EXPECT_PTR_EQ(test, next, pfns + ARRAY_SIZE(pfns));
	vunmap(p);
	KUNIT_EXPECT_NULL(test, find_vm_area(p));
}

/* What has a page is refused, wherever it stands. */
static void vmap_pfn_refuses_pages(struct kunit *test)
{
	void *memory = kunit_kmalloc(test, 1, GFP_KERNEL);
	unsigned long pfns[5];
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, memory);
	for (i = 0; i < ARRAY_SIZE(pfns); i++) {
		get_pfns(pfns, ARRAY_SIZE(pfns));
		pfns[i] = page_to_pfn(virt_to_page(memory));
		kunit_warning_suppress(test)
			KUNIT_EXPECT_NULL(test, vmap_pfn(pfns, ARRAY_SIZE(pfns), PAGE_KERNEL));
	}
}
#endif

static void *shown_area;

static int show_area(struct file *file, struct vm_area_struct *vma)
{
	return remap_vmalloc_range(vma, shown_area, vma->vm_pgoff);
}

static const struct file_operations shown_fops = { .mmap = show_area };

/* Where a process has it, or -errno. */
static unsigned long show_pages(struct kunit *test, struct file *file, unsigned long first,
				unsigned long nr)
{
	return kunit_vm_mmap(test, file, 0, nr * PAGE_SIZE, PROT_READ, MAP_SHARED,
			     first * PAGE_SIZE);
}

static void user_areas_are_shown(struct kunit *test)
{
	const unsigned long bytes = 6 * PAGE_SIZE, part = 4 * PAGE_SIZE;
	unsigned long addr;
	struct file *file;
	u8 *copy, *p;

	if (kunit_attach_mm() || !current->mm->task_size)
		kunit_skip(test, "no process can be had here");
	copy = kunit_kzalloc(test, part, GFP_KERNEL);
	file = anon_inode_getfile("[vmalloc]", &shown_fops, NULL, O_RDWR);
	p = vmalloc_user(bytes);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_TRUE(test, is_zero(p, bytes));
	fill(p, bytes, 9);

	shown_area = p;
	addr = show_pages(test, file, 2, 4);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "%ld", (long)addr);
	KUNIT_ASSERT_EQ(test, 0, copy_from_user(copy, (void __user *)addr, part));
	KUNIT_EXPECT_EQ(test, 0, memcmp(copy, p + 2 * PAGE_SIZE, part));
	/* It is the memory itself. */
	p[3 * PAGE_SIZE] ^= 0xff;
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(copy, (void __user *)addr, part));
	KUNIT_EXPECT_EQ(test, copy[PAGE_SIZE], p[3 * PAGE_SIZE]);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, part));

	/* Neither its guard page, nor an area that is not meant for it. */
	KUNIT_EXPECT_EQ(test, (long)show_pages(test, file, 3, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, (long)show_pages(test, file, 7, 1), -EINVAL);
	vfree(p);
	shown_area = vmalloc(bytes);
	KUNIT_ASSERT_NOT_NULL(test, shown_area);
	KUNIT_EXPECT_EQ(test, (long)show_pages(test, file, 0, 1), -EINVAL);
	vfree(shown_area);
	fput(file);
}

static void huge_is_like_small(struct kunit *test)
{
	const unsigned long bytes = 5 * SZ_1M;
	unsigned long i;
	u8 *p;

	p = vmalloc_huge(bytes, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, p);
	kunit_info(test, "mapped by large leaves: %s", str_yes_no(is_vm_area_hugepages(p)));
	KUNIT_EXPECT_TRUE(test, is_zero(p, bytes));
	for (i = 0; i < bytes; i += PAGE_SIZE)
		*(unsigned long *)(p + i) = page_to_pfn(vmalloc_to_page(p + i));
	for (i = 0; i < bytes; i += PAGE_SIZE)
		if (*(unsigned long *)page_address(vmalloc_to_page(p + i)) !=
		    vmalloc_to_pfn(p + i))
			break;
	KUNIT_EXPECT_EQ(test, i, bytes);
	vfree(p);
}

/* ---- reading what others have -------------------------------------------- */

static void read_kernel(struct kunit *test, u8 *to, const void *from, size_t bytes)
{
	struct kvec vec = { .iov_base = to, .iov_len = bytes };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, bytes);
	KUNIT_EXPECT_EQ(test, vread_iter(&iter, from, bytes), bytes);
}

static void read_shows_areas_and_holes(struct kunit *test)
{
	const unsigned long bytes = 3 * PAGE_SIZE, whole = bytes + PAGE_SIZE;
	struct page *page;
	u8 *copy, *p, *ram;

	copy = kunit_kmalloc(test, whole, GFP_KERNEL);
	p = vmalloc(bytes);
	page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, page);
	fill(p, bytes, 7);

	/* The guard page behind it is a hole. */
	memset(copy, 1, whole);
	read_kernel(test, copy, p, whole);
	KUNIT_EXPECT_TRUE(test, holds(copy, bytes, 7));
	KUNIT_EXPECT_TRUE(test, is_zero(copy + bytes, PAGE_SIZE));
	read_kernel(test, copy, p + PAGE_SIZE + 3, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, memcmp(copy, p + PAGE_SIZE + 3, PAGE_SIZE), 0);

	/* So is everything, once it was freed. */
	vfree(p);
	read_kernel(test, copy, p, bytes);
	KUNIT_EXPECT_TRUE(test, is_zero(copy, bytes));

	ram = vm_map_ram(&page, 1, NUMA_NO_NODE);
	KUNIT_ASSERT_NOT_NULL(test, ram);
	fill(ram, PAGE_SIZE, 8);
	read_kernel(test, copy, ram, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, holds(copy, PAGE_SIZE, 8));
	vm_unmap_ram(ram, 1);
	__free_page(page);
}

/* ---- /proc/vmallocinfo --------------------------------------------------- */

#define LISTING_BYTES	SZ_128K

/* Some of each kind are live, and a range waits for a purge: a place for a breakpoint. */
static noinline void listing_was_read(const char *text)
{
	asm volatile("" : : "r" (text) : "memory");
}

/* What the file shows now; nothing is mounted yet. */
static const char *read_listing(struct kunit *test)
{
	struct file_system_type *proc = get_fs_type("proc");
	char *text = kunit_kzalloc(test, LISTING_BYTES, GFP_KERNEL);
	struct vfsmount *mount;
	struct file *file;
	loff_t at = 0;

	KUNIT_ASSERT_NOT_NULL(test, proc);
	KUNIT_ASSERT_NOT_NULL(test, text);
	mount = kern_mount(proc);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mount);
	file = file_open_root_mnt(mount, "vmallocinfo", O_RDONLY, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR(file));
	if (!IS_ERR(file)) {
		while (kernel_read(file, text + at, LISTING_BYTES - 1 - at, &at) > 0)
			;
		listing_was_read(text);
		__fput_sync(file);
	}
	kern_unmount(mount);
	KUNIT_EXPECT_LT(test, at, LISTING_BYTES - 1);
	return text;
}

/* Addresses are hashed in the line as they are here, or hidden before there is a key. */
static bool is_listed(const char *text, const void *p, const char *words)
{
	const unsigned long bytes = find_vm_area(p)->size;
	const char *line, *end, *found;
	char key[64];

	snprintf(key, sizeof(key), "0x%pK-0x%pK %7lu ", p, p + bytes, bytes);
	for (line = strstr(text, key); line; line = strstr(end, key)) {
		end = strchrnul(line, '\n');
		found = strstr(line, words);
		if (found && found < end)
			return true;
	}
	return false;
}

static void list_each_kind(struct kunit *test)
{
	const unsigned long many = PAGE_SIZE / sizeof(void *) + 9;
	struct page *page = alloc_page(GFP_KERNEL), *pages[] = { page, page, page };
	struct vm_struct *device = get_vm_area(PAGE_SIZE, VM_IOREMAP);
	struct vm_struct *sparse = get_vm_area(3 * PAGE_SIZE, VM_SPARSE);
	void *ram = vm_map_ram(pages, 3, NUMA_NO_NODE);
	void __percpu *copies[3];
	const struct {
		void *p;
		const char *words;
	} listed[] = {
		{ vmalloc(5 * PAGE_SIZE), " pages=5 vmalloc" },
		/* The array of their pages is more than a page. */
		{ vmalloc(many * PAGE_SIZE), " vmalloc vpages" },
		/* For a window of one's own. */
		{ __vmalloc_node(PAGE_SIZE, SZ_1M, GFP_KERNEL, NUMA_NO_NODE, NULL), " vmalloc" },
		{ vmalloc_user(2 * PAGE_SIZE), " pages=2 vmalloc user" },
		{ vmap(pages, 3, VM_MAP, PAGE_KERNEL), " vmap" },
	};
	const char *text;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(copies); i++)
		copies[i] = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, device);
	KUNIT_ASSERT_NOT_NULL(test, sparse);
	device->phys_addr = 0x12345000;
	vfree(vmalloc(7 * PAGE_SIZE));
	text = read_listing(test);

	KUNIT_EXPECT_TRUE(test, is_listed(text, device->addr, " ioremap"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, "2345000 ioremap"));
	KUNIT_EXPECT_TRUE(test, is_listed(text, sparse->addr, " sparse"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, " vm_map_ram\n"));
	for (i = 0; i < ARRAY_SIZE(listed); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, is_listed(text, listed[i].p, listed[i].words), "%s",
				      listed[i].words);
		vfree(listed[i].p);
	}
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		free_percpu(copies[i]);
	vm_unmap_ram(ram, 3);
	free_vm_area(device);
	free_vm_area(sparse);
	__free_page(page);
}

static void proc_lists_areas(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PROC_FS))
		kunit_skip(test, "without CONFIG_PROC_FS there is no /proc/vmallocinfo");
	list_each_kind(test);
}

/* ---- masks --------------------------------------------------------------- */

#ifdef CONFIG_TRACEPOINTS

/* What one task has allocated. */
static struct recorder {
	struct task_struct *task;
	unsigned int nr_pages, nr_objects, nr_bad;
	unsigned int nr_reserve;	/* as those who reclaim do */
	gfp_t forbidden;	/* bits of the mask under test that must not appear */
	gfp_t worst;
	bool may_give_up;	/* waiting for memory is only right with these: */
	bool may_use_reserve;
	size_t attempt_bytes;	/* what kvmalloc() tries to get by kmalloc() */
	unsigned int nr_attempts;
	gfp_t attempt;
} recorder;

#define GIVES_UP	(__GFP_NORETRY | __GFP_RETRY_MAYFAIL)
/* What tells one caller's mask from another's. */
#define OWN_BITS	(GFP_KERNEL | GIVES_UP | __GFP_NOFAIL | __GFP_HIGH | __GFP_HIGHMEM | \
			 __GFP_ACCOUNT)

static bool is_bad(gfp_t gfp)
{
	/*
	 * In this scope nothing reclaims, and reserves are there for it.  It is for page
	 * tables, which are allocated with no mask of the caller's; another scope around
	 * it may take some of GFP_KERNEL away.
	 */
	if (current->flags & PF_MEMALLOC) {
		const gfp_t unscoped = gfp | __GFP_IO | __GFP_FS;
		const bool table = (unscoped & OWN_BITS) == GFP_KERNEL;

		recorder.nr_reserve++;
		/* KMSAN has arrays of shadow pages there, too, with the caller's mask. */
		if (table || !IS_ENABLED(CONFIG_KMSAN))
			return !recorder.may_use_reserve || !table;
	}
	if (gfp & recorder.forbidden)
		return true;
	return recorder.may_give_up && (gfp & __GFP_DIRECT_RECLAIM) && !(gfp & GIVES_UP);
}

static void record(gfp_t gfp)
{
	if (is_bad(gfp)) {
		recorder.nr_bad++;
		recorder.worst |= gfp;
	}
}

static void record_page(void *unused, struct page *page, unsigned int order, gfp_t gfp,
			int migratetype)
{
	if (current != recorder.task || in_interrupt())
		return;
	recorder.nr_pages++;
	record(gfp);
}

static void record_kmalloc(void *unused, unsigned long ip, const void *p, size_t asked,
			   size_t got, gfp_t gfp, int node)
{
	if (current != recorder.task || in_interrupt())
		return;
	recorder.nr_objects++;
	/* Large ones are traced twice. */
	if (asked && asked == recorder.attempt_bytes && gfp != recorder.attempt) {
		recorder.nr_attempts++;
		recorder.attempt = gfp;
	}
	record(current_gfp_context(gfp));
}

static void record_object(void *unused, unsigned long ip, const void *p,
			  struct kmem_cache *cache, gfp_t gfp, int node)
{
	record_kmalloc(unused, ip, p, 0, 0, gfp, node);
}

static int recorder_init(struct kunit_suite *suite)
{
	return register_trace_mm_page_alloc(record_page, NULL) ?:
	       register_trace_kmalloc(record_kmalloc, NULL) ?:
	       register_trace_kmem_cache_alloc(record_object, NULL);
}

static void recorder_exit(struct kunit_suite *suite)
{
	unregister_trace_mm_page_alloc(record_page, NULL);
	unregister_trace_kmalloc(record_kmalloc, NULL);
	unregister_trace_kmem_cache_alloc(record_object, NULL);
	tracepoint_synchronize_unregister();
}

struct mask_case {
	const char *name;
	gfp_t gfp;
	gfp_t forbidden;
	unsigned int (*enter)(void);	/* scope around the call */
};

static unsigned int no_scope(void)
{
	return 0;
}

static unsigned int nofs_scope(void)
{
	return memalloc_nofs_save();
}

static unsigned int noio_scope(void)
{
	return memalloc_noio_save();
}

static const struct mask_case mask_cases[] = {
	{ "GFP_KERNEL", GFP_KERNEL, 0, no_scope },
	{ "GFP_NOFS", GFP_NOFS, __GFP_FS, no_scope },
	{ "GFP_NOIO", GFP_NOIO, __GFP_FS | __GFP_IO, no_scope },
	{ "GFP_NOWAIT", GFP_NOWAIT, __GFP_DIRECT_RECLAIM, no_scope },
	{ "GFP_ATOMIC", GFP_ATOMIC, __GFP_DIRECT_RECLAIM, no_scope },
	{ "NORETRY", GFP_KERNEL | __GFP_NORETRY, 0, no_scope },
	{ "RETRY_MAYFAIL", GFP_KERNEL | __GFP_RETRY_MAYFAIL, 0, no_scope },
	{ "NOFAIL", GFP_KERNEL | __GFP_NOFAIL, 0, no_scope },
	{ "NOFS NOFAIL", GFP_NOFS | __GFP_NOFAIL, __GFP_FS, no_scope },
	{ "NOIO NORETRY", GFP_NOIO | __GFP_NORETRY, __GFP_FS | __GFP_IO, no_scope },
	{ "nofs scope", GFP_KERNEL, __GFP_FS, nofs_scope },
	{ "noio scope", GFP_KERNEL, __GFP_FS | __GFP_IO, noio_scope },
	{ "nofs scope, NOWAIT", GFP_NOWAIT, __GFP_DIRECT_RECLAIM | __GFP_FS, nofs_scope },
};

KUNIT_ARRAY_PARAM_DESC(mask, mask_cases, name);

static void recorder_start(const struct mask_case *mask)
{
	recorder = (struct recorder) {
		.forbidden = mask->forbidden,
		.may_give_up = mask->gfp & GIVES_UP,
		.may_use_reserve = (mask->gfp & GIVES_UP) ||
				   !(mask->gfp & __GFP_DIRECT_RECLAIM),
	};
	WRITE_ONCE(recorder.task, current);
}

static void recorder_stop(struct kunit *test)
{
	WRITE_ONCE(recorder.task, NULL);
	KUNIT_EXPECT_EQ_MSG(test, recorder.nr_bad, 0, "such as %pGg", &recorder.worst);
	KUNIT_EXPECT_GT(test, recorder.nr_pages + recorder.nr_objects, 0);
}

/*
 * Addresses that nobody has used; page tables are missing where 64 bits are.  Elsewhere
 * there are few, and who cannot sleep gets none that wait for a purge.
 */
static unsigned long fresh_window(void)
{
	static unsigned long next;

	if (!IS_ENABLED(CONFIG_64BIT)) {
		vm_unmap_aliases();
		return VMALLOC_START;
	}
	if (!next)
		next = ALIGN(VMALLOC_START + (VMALLOC_END - VMALLOC_START) / 2, SZ_1G);
	next += SZ_1G;
	return next;
}

static void mask_vmalloc(struct kunit *test)
{
	const struct mask_case *mask = test->param_value;
	/* The array of so many pages is vmalloc'ed in its turn. */
	const unsigned long bytes = PAGE_SIZE * (PAGE_SIZE / sizeof(void *) + 9);
	unsigned long start = fresh_window();
	unsigned long end = IS_ENABLED(CONFIG_64BIT) ? start + SZ_1G : VMALLOC_END;
	unsigned int scope;
	void *p;

	scope = mask->enter();
	recorder_start(mask);
	p = __vmalloc_node_range(bytes, 1, start, end, mask->gfp, PAGE_KERNEL, 0,
				 NUMA_NO_NODE, __builtin_return_address(0));
	recorder_stop(test);
	memalloc_flags_restore(scope);
	KUNIT_EXPECT_NOT_NULL(test, p);
	KUNIT_EXPECT_GE(test, recorder.nr_pages, bytes >> (PAGE_SHIFT + MAX_PAGE_ORDER));
	/* Elsewhere a table may be larger than the window, or part of a page. */
	if (IS_ENABLED(CONFIG_X86_64))
		KUNIT_EXPECT_EQ(test, recorder.may_use_reserve, !!recorder.nr_reserve);
	vfree(p);
}

static void mask_kvmalloc(struct kunit *test)
{
	const struct mask_case *mask = test->param_value;
	/* No kmalloc() has so much. */
	const unsigned long bytes = KMALLOC_MAX_SIZE + PAGE_SIZE;
	unsigned int scope;
	u8 *p;

	scope = mask->enter();
	recorder_start(mask);
	p = kvmalloc(bytes, mask->gfp | __GFP_ZERO);
	recorder_stop(test);
	memalloc_flags_restore(scope);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(p));
	KUNIT_EXPECT_TRUE(test, is_zero(p, bytes));
	kvfree(p);
}

/* 64 KiB with usual pages: kmalloc() has so much, by pages of a high order. */
#define ATTEMPT_BYTES	(16 * PAGE_SIZE)

/* Contiguous memory is not reclaimed for, but where the caller says that it is worth it. */
static bool attempt_may_wait(const struct mask_case *mask)
{
	return (mask->gfp & __GFP_DIRECT_RECLAIM) && (mask->gfp & __GFP_RETRY_MAYFAIL);
}

static void check_attempt(struct kunit *test, const struct mask_case *mask)
{
	const gfp_t gfp = recorder.attempt;

	KUNIT_EXPECT_EQ_MSG(test, recorder.nr_attempts, 1, "%s", mask->name);
	KUNIT_EXPECT_TRUE(test, gfp & __GFP_NOWARN);
	KUNIT_EXPECT_FALSE(test, gfp & __GFP_NOFAIL);
	KUNIT_EXPECT_EQ(test, !!(gfp & __GFP_DIRECT_RECLAIM), attempt_may_wait(mask));
	/* Nothing is added that the caller has not. */
	KUNIT_EXPECT_EQ_MSG(test, gfp & ~(mask->gfp | __GFP_ZERO | __GFP_NOWARN), 0, "%pGg", &gfp);
}

static void *try_kvmalloc(struct kunit *test, const struct mask_case *mask)
{
	unsigned int scope = mask->enter();
	void *p;

	recorder_start(mask);
	recorder.attempt_bytes = ATTEMPT_BYTES;
	p = kvmalloc(ATTEMPT_BYTES, mask->gfp | __GFP_ZERO);
	recorder_stop(test);
	memalloc_flags_restore(scope);
	check_attempt(test, mask);
	return p;
}

static void mask_kvmalloc_attempt(struct kunit *test)
{
	u8 *p = try_kvmalloc(test, test->param_value);

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_TRUE(test, is_zero(p, ATTEMPT_BYTES));
	kvfree(p);
}

/* Nobody can move it: such pages would keep memory from being taken away, or compacted. */
static void kvmalloc_is_not_movable(struct kunit *test)
{
	static const struct mask_case mask = {
		"movable", GFP_KERNEL | __GFP_NOWARN | __GFP_MOVABLE, __GFP_MOVABLE, no_scope
	};
	static const unsigned long bytes[] = { ATTEMPT_BYTES, KMALLOC_MAX_SIZE + PAGE_SIZE };
	unsigned int i;
	void *p;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		recorder_start(&mask);
		p = kvmalloc(bytes[i], mask.gfp);
		recorder_stop(test);
		KUNIT_EXPECT_NOT_NULL(test, p);
		kvfree(p);
	}
}

/* The attempt fails: vmalloc() does it, under the same mask. */
static void kvmalloc_falls_back(struct kunit *test)
{
#ifdef CONFIG_FAIL_PAGE_ALLOC
	const struct mask_case *mask;
	u8 *p;

	for (mask = mask_cases; mask < mask_cases + ARRAY_SIZE(mask_cases); mask++) {
		/* Only those that do not wait can be made to fail. */
		if (attempt_may_wait(mask))
			continue;
		current->fail_nth = 1;
		p = try_kvmalloc(test, mask);
		KUNIT_EXPECT_EQ_MSG(test, current->fail_nth, 0, "%s", mask->name);
		current->fail_nth = 0;
		KUNIT_ASSERT_NOT_NULL_MSG(test, p, "%s", mask->name);
		KUNIT_EXPECT_TRUE_MSG(test, is_vmalloc_addr(p), "%s", mask->name);
		KUNIT_EXPECT_TRUE(test, is_zero(p, ATTEMPT_BYTES));
		kvfree(p);
	}
#else
	kunit_skip(test, "without CONFIG_FAIL_PAGE_ALLOC kmalloc() does not fail");
#endif
}

/* Of calls that take no mask, or where more than one thing is done with it, in a scope. */
struct scope_case {
	const char *name;
	gfp_t forbidden;
	unsigned int (*enter)(void);
	bool (*call)(struct page **pages);
};

/* More than a page table has entries for, with usual pages. */
#define SCOPE_PAGES	700

static bool call_vmap(struct page **pages)
{
	void *p = vmap(pages, SCOPE_PAGES, VM_MAP, PAGE_KERNEL);

	vunmap(p);
	return p;
}

/* Parts of blocks, until a block had to be made, and an area of its own. */
static bool call_vm_map_ram(struct page **pages)
{
	static void *few[512];
	void *many = vm_map_ram(pages, SCOPE_PAGES, NUMA_NO_NODE);
	unsigned int nr = 0, before = recorder.nr_objects;
	bool ok = many;

	while (ok && nr < ARRAY_SIZE(few) && recorder.nr_objects == before) {
		few[nr] = vm_map_ram(pages, 3, NUMA_NO_NODE);
		ok = few[nr];
		nr += ok;
	}
	while (nr)
		vm_unmap_ram(few[--nr], 3);
	if (many)
		vm_unmap_ram(many, SCOPE_PAGES);
	return ok;
}

static bool call_vrealloc(struct page **pages)
{
	static const unsigned int steps[] = { 2, 40, 3, SCOPE_PAGES };
	void *p = NULL, *next;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		next = vrealloc(p, steps[i] * PAGE_SIZE, GFP_KERNEL);
		if (!next)
			break;
		p = next;
	}
	vfree(p);
	return i == ARRAY_SIZE(steps);
}

static const struct scope_case scope_cases[] = {
	{ "vmap, nofs scope", __GFP_FS, nofs_scope, call_vmap },
	{ "vmap, noio scope", __GFP_FS | __GFP_IO, noio_scope, call_vmap },
	{ "vm_map_ram, nofs scope", __GFP_FS, nofs_scope, call_vm_map_ram },
	{ "vm_map_ram, noio scope", __GFP_FS | __GFP_IO, noio_scope, call_vm_map_ram },
	{ "vrealloc, nofs scope", __GFP_FS, nofs_scope, call_vrealloc },
	{ "vrealloc, noio scope", __GFP_FS | __GFP_IO, noio_scope, call_vrealloc },
};

KUNIT_ARRAY_PARAM_DESC(scope, scope_cases, name);

static void mask_in_scope(struct kunit *test)
{
	const struct scope_case *call = test->param_value;
	const struct mask_case mask = { .gfp = GFP_KERNEL, .forbidden = call->forbidden };
	struct page *page = alloc_page(GFP_KERNEL), **pages;
	unsigned int scope, i;
	bool done;

	pages = kunit_kmalloc_array(test, SCOPE_PAGES, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < SCOPE_PAGES; i++)
		pages[i] = page;
	scope = call->enter();
	recorder_start(&mask);
	done = call->call(pages);
	recorder_stop(test);
	memalloc_flags_restore(scope);
	KUNIT_EXPECT_TRUE(test, done);
	__free_page(page);
}

#else /* no tracepoints */

static int recorder_init(struct kunit_suite *suite)
{
	kunit_info(suite, "without CONFIG_TRACEPOINTS, masks cannot be recorded: not tested");
	return 0;
}

static void recorder_exit(struct kunit_suite *suite)
{
}

#endif

/* ---- several at once ----------------------------------------------------- */

#define NR_ACTORS	4
#define NR_KEPT		12
#define NR_TURNS	600
#define MOST_PAGES	24

/* How something was got, and is given back. */
enum kind { BY_VMALLOC, ALIGNED, LONG, BY_VMAP, BY_RAM, NR_KINDS };

struct kept {
	void *p;
	enum kind kind;
	unsigned int nr_pages;
	u64 tag;
};

struct actor {
	struct completion done;
	struct rnd_state random;
	struct page *pages[MOST_PAGES];
	struct kept kept[NR_KEPT];
	u64 next_tag;
	unsigned int nr_failed, nr_spoilt;
};

static u64 *last_word(const struct kept *kept)
{
	return kept->p + kept->nr_pages * PAGE_SIZE - sizeof(u64);
}

static void give_back(struct actor *actor, struct kept *kept)
{
	/* Those pages are in other mappings too. */
	bool own = kept->kind != BY_VMAP && kept->kind != BY_RAM;

	if (!kept->p)
		return;
	if (own && (*(u64 *)kept->p != kept->tag || *last_word(kept) != kept->tag))
		actor->nr_spoilt++;
	if (!own && (vmalloc_to_page(kept->p) != actor->pages[0] ||
		     vmalloc_to_page(last_word(kept)) != actor->pages[kept->nr_pages - 1]))
		actor->nr_spoilt++;
	if (kept->kind == BY_RAM)
		vm_unmap_ram(kept->p, kept->nr_pages);
	else
		vfree(kept->p);
	kept->p = NULL;
}

static void *get_kept(struct actor *actor, const struct kept *kept)
{
	const unsigned long bytes = kept->nr_pages * PAGE_SIZE;

	switch (kept->kind) {
	case BY_VMAP:
		return vmap(actor->pages, kept->nr_pages, VM_MAP, PAGE_KERNEL);
	case BY_RAM:
		return vm_map_ram(actor->pages, kept->nr_pages, NUMA_NO_NODE);
	case ALIGNED:
		return __vmalloc_node(bytes, SZ_1M, GFP_KERNEL, NUMA_NO_NODE, NULL);
	default:
		return vmalloc(bytes);
	}
}

static void take_one(struct actor *actor, struct kept *kept)
{
	kept->kind = prandom_u32_state(&actor->random) % NR_KINDS;
	kept->nr_pages = 1 + prandom_u32_state(&actor->random) % MOST_PAGES;
	if (kept->kind == LONG)
		kept->nr_pages += 128;
	kept->p = get_kept(actor, kept);
	if (!kept->p) {
		actor->nr_failed++;
		return;
	}
	if (kept->kind == BY_VMAP || kept->kind == BY_RAM)
		return;
	kept->tag = actor->next_tag++;
	*(u64 *)kept->p = kept->tag;
	*last_word(kept) = kept->tag;
}

static int act(void *data)
{
	struct actor *actor = data;
	struct kept *kept;
	unsigned int i;

	for (i = 0; i < NR_TURNS + NR_KEPT; i++) {
		kept = &actor->kept[i % NR_KEPT];
		give_back(actor, kept);
		if (i < NR_TURNS)
			take_one(actor, kept);
		cond_resched();
	}
	complete(&actor->done);
	return 0;
}

static void threads_keep_what_they_have(struct kunit *test)
{
	struct task_struct *task[NR_ACTORS];
	struct actor *actors;
	unsigned int i;

	actors = kunit_kcalloc(test, NR_ACTORS, sizeof(*actors), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, actors);
	for (i = 0; i < NR_ACTORS; i++) {
		init_completion(&actors[i].done);
		prandom_seed_state(&actors[i].random, i + 1);
		actors[i].next_tag = (u64)(i + 1) << 32;
		get_pages(test, actors[i].pages, MOST_PAGES);
	}
	for (i = 0; i < NR_ACTORS; i++)
		task[i] = kthread_run(act, &actors[i], "vmalloc/%u", i);
	for (i = 0; i < NR_ACTORS; i++)
		while (!IS_ERR(task[i]) && !wait_for_completion_timeout(&actors[i].done, 1))
			vm_unmap_aliases();
	for (i = 0; i < NR_ACTORS; i++) {
		KUNIT_EXPECT_FALSE(test, IS_ERR(task[i]));
		KUNIT_EXPECT_EQ(test, actors[i].nr_failed, 0);
		KUNIT_EXPECT_EQ(test, actors[i].nr_spoilt, 0);
		put_pages(actors[i].pages, MOST_PAGES);
	}
}

static struct kunit_case vmalloc_cases[] = {
	KUNIT_CASE(sizes_keep_their_bytes),
	KUNIT_CASE(zeroed_after_dirty),
	KUNIT_CASE(area_says_what_it_is),
	KUNIT_CASE(size_zero_and_too_much),
	KUNIT_CASE(nowarn_is_silent),
	KUNIT_CASE(shrinks_and_grows),
	KUNIT_CASE(vmap_shows_pages),
	KUNIT_CASE(vm_map_ram_shows_pages),
	KUNIT_CASE(areas_without_memory),
	KUNIT_CASE(sparse_areas_are_mapped_by_parts),
#ifdef CONFIG_VMAP_PFN
	KUNIT_CASE(vmap_pfn_maps_frames),
	KUNIT_CASE(vmap_pfn_refuses_pages),
#endif
	KUNIT_CASE(user_areas_are_shown),
	KUNIT_CASE(huge_is_like_small),
	KUNIT_CASE(read_shows_areas_and_holes),
	KUNIT_CASE(proc_lists_areas),
#ifdef CONFIG_TRACEPOINTS
	KUNIT_CASE_PARAM(mask_vmalloc, mask_gen_params),
	KUNIT_CASE_PARAM(mask_kvmalloc, mask_gen_params),
	KUNIT_CASE_PARAM(mask_kvmalloc_attempt, mask_gen_params),
	KUNIT_CASE(kvmalloc_is_not_movable),
	KUNIT_CASE(kvmalloc_falls_back),
	KUNIT_CASE_PARAM(mask_in_scope, scope_gen_params),
#endif
	KUNIT_CASE_SLOW(threads_keep_what_they_have),
	{}
};

static struct kunit_suite vmalloc_suite = {
	.name = "vmalloc",
	.suite_init = recorder_init,
	.suite_exit = recorder_exit,
	.exit = check_invariants,
	.test_cases = vmalloc_cases,
};

kunit_test_suite(vmalloc_suite);
