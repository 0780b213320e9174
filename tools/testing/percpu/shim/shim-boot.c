// SPDX-License-Identifier: GPL-2.0
/*
 * shim-boot.c - memblock, and the image's percpu section
 *
 * One range of memory, handed out from low to high with gaps between nodes.
 * What is freed stays out of reach, so a first chunk that still uses it is
 * caught.
 */
#include <sys/mman.h>

#include "sim.h"

#define SHIM_NODE_MAX	64

char shim_per_cpu_start[SHIM_STATIC_MAX] __aligned(1 << PAGE_SHIFT);
size_t shim_static_bytes = 5000;
#if defined(CONFIG_SMP) && defined(CONFIG_HAVE_SETUP_PER_CPU_AREA)
unsigned long __per_cpu_offset[NR_CPUS];
#endif

static unsigned long shim_boot;			/* start of the range */
static unsigned long shim_boot_next;		/* what was never handed out */
static struct page *shim_boot_pages;

unsigned long shim_boot_start(void)
{
	return shim_boot;
}

bool shim_is_boot_memory(const void *addr)
{
	return (unsigned long)addr - shim_boot < SHIM_BOOT_MAX;
}

struct page *shim_boot_page(const void *addr)
{
	unsigned long offset = (unsigned long)addr - shim_boot;
	struct page *page = &shim_boot_pages[offset >> PAGE_SHIFT];

	page->shim.state = SHIM_PAGE_OWNED;
	page->shim.zeroed = true;
	page->shim.memory = (void *)((unsigned long)addr & PAGE_MASK);
	return page;
}

void *memblock_alloc_try_nid(size_t bytes, size_t align, phys_addr_t min_addr,
			     phys_addr_t max_addr, int node)
{
	unsigned long start;

	if (shim_should_fail(SIM_METADATA))
		return NULL;
	/* Nodes are apart: some pages here, a lot there. */
	if (node >= 0)
		shim_boot_next += sim_below(8) * max(align, PAGE_SIZE);
	start = ALIGN(shim_boot_next, max_t(size_t, align, 16));
	SHIM_ASSERT(start + bytes <= shim_boot + SHIM_BOOT_MAX, "boot memory is used up");
	/* A gap of a page behind each block catches overruns. */
	shim_boot_next = PAGE_ALIGN(start + bytes) + PAGE_SIZE;
	sim_unpoison(start, bytes);
	return (void *)start;
}

void *shim_memblock_alloc_or_panic(const char *where, size_t bytes, size_t align)
{
	void *mem = memblock_alloc_try_nid(bytes, align, 0, 0, NUMA_NO_NODE);

	SHIM_ASSERT(mem, "%s: no boot memory", where);
	return mem;
}

/* memblock frees whole pages only. */
void memblock_free(void *mem, size_t bytes)
{
	if (!bytes)
		return;
	SHIM_ASSERT(PAGE_ALIGNED(mem) && PAGE_ALIGNED(bytes), "%p, %zu bytes", mem, bytes);
	SHIM_ASSERT(shim_is_boot_memory(mem), "%p is not from memblock", mem);
	memset(mem, 0x5a, bytes);
	sim_poison(mem, bytes);
}

/* ---- blocks of the page allocator, for those who want contiguous memory ----- */

static void *shim_free_blocks[16];	/* by order, chained through their first word */

void *shim_block_get(unsigned int order)
{
	unsigned long bytes = PAGE_SIZE << order;
	void *block;

	SHIM_ASSERT(order < ARRAY_SIZE(shim_free_blocks), "order %u", order);
	block = shim_free_blocks[order];
	if (block) {
		sim_unpoison(block, bytes);
		shim_free_blocks[order] = *(void **)block;
		return block;
	}
	shim_boot_next = ALIGN(shim_boot_next, bytes);
	block = (void *)shim_boot_next;
	shim_boot_next += bytes;
	SHIM_ASSERT(shim_boot_next <= shim_boot + SHIM_BOOT_MAX, "linear memory is used up");
	sim_unpoison(block, bytes);
	return block;
}

void shim_block_put(void *block, unsigned int order)
{
	memset(block, 0x5a, PAGE_SIZE << order);
	*(void **)block = shim_free_blocks[order];
	shim_free_blocks[order] = block;
	sim_poison(block, PAGE_SIZE << order);
}

void shim_boot_power_on(void)
{
	if (!shim_boot) {
		void *mem = mmap(NULL, SHIM_BOOT_MAX + SHIM_BOOT_ALIGN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		void *pages = mmap(NULL, (SHIM_BOOT_MAX >> PAGE_SHIFT) * sizeof(struct page),
				   PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		SHIM_ASSERT(mem != MAP_FAILED && pages != MAP_FAILED, "mmap");
		shim_boot = ALIGN((unsigned long)mem, SHIM_BOOT_ALIGN);
		shim_boot_pages = pages;
		shim_boot_next = shim_boot;
		memset(shim_per_cpu_start, 0x3c, sizeof(shim_per_cpu_start));
	}
}

void shim_boot_power_off(void)
{
	unsigned long bytes = PAGE_ALIGN(shim_boot_next - shim_boot);

	memset(shim_free_blocks, 0, sizeof(shim_free_blocks));
	sim_unpoison(shim_boot, bytes);
	madvise((void *)shim_boot, bytes, MADV_DONTNEED);
	madvise(shim_boot_pages, (SHIM_BOOT_MAX >> PAGE_SHIFT) * sizeof(struct page),
		MADV_DONTNEED);
	shim_boot_next = shim_boot;
}
