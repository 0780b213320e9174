// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-ram.c - vm_map_ram(): short-lived mappings cut from blocks
 *
 * Few pages are mapped often and for a short time (file systems that
 * decompress, video buffers).  Address space for them is cut from blocks, one
 * after the other and each page once: what was unmapped may be in TLBs until
 * the next flush.  A block in which nothing is live and little is left goes
 * back as a whole, and with it what the TLBs may hold.
 *
 *	|  dead  | live | dead |  live  |     never used     |
 *	0                               nr_used              VMAP_RAM_BLOCK_PAGES
 *
 * Each CPU has a queue of the blocks that have room, and takes from its own; a
 * block stays with its queue.  Blocks are found by address in an xarray, that
 * changes once a block.  More than VMAP_RAM_MAX_PAGES get an area of their own.
 *
 * Retiring keeps a block in the xarray until its area is among those to be
 * flushed, so vm_unmap_aliases() sees every dead page in one of the two.
 *
 * Locks, outermost first:
 *	vmap_purge_lock		vm_unmap_aliases() holds it from looking for what
 *				is stale until that is flushed: who comes second
 *				finds nothing and must wait for the first
 *	  queue->lock		Q: fields of its blocks, its list; where /proc/kcore
 *				is read, under the lock of the node or of the ranges
 *
 * Calls the address space and vmalloc-map.c.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/debug_locks.h>
#include <linux/debugobjects.h>
#include <linux/kasan.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include <asm/tlbflush.h>

#include "internal.h"
#include "vmalloc.h"
#include "vmalloc-internal.h"
#include "vmalloc-parts.h"

#define VMAP_RAM_MAX_PAGES	BITS_PER_LONG
/*
 * 4 MiB with pages of 4 KiB.  Where address space is scarce, all CPUs together
 * shall be able to hold 16 blocks each in 128 MiB.
 */
#if BITS_PER_LONG == 64
#define VMAP_RAM_BLOCK_PAGES	1024
#else
#define VMAP_RAM_BLOCK_PAGES						\
	MIN(1024, MAX(2 * VMAP_RAM_MAX_PAGES,				\
		      (SZ_128M / PAGE_SIZE / 16) / roundup_pow_of_two(NR_CPUS)))
#endif
#define VMAP_RAM_BLOCK_BYTES	(VMAP_RAM_BLOCK_PAGES * PAGE_SIZE)
/* Blocks of its queue that a request looks at before it gets a new one. */
#define VMAP_RAM_TRIES		4
/* Blocks that are looked at in one RCU section. */
#define VMAP_RAM_BATCH		32

struct vmap_ram_queue {
	spinlock_t lock;		/* protects what is marked Q */
	struct list_head open;		/* Q: blocks that have room */
};

struct vmap_ram_block {
	unsigned long start;		/* constant: its address */
	struct vmap_ram_queue *queue;	/* constant */
	struct list_head node;		/* Q: in queue->open; then the retirer's */
	bool retired;			/* Q: somebody gives it back */
	unsigned int nr_used;		/* Q: pages handed out, from the start on */
	unsigned int nr_dead;		/* Q: those of them that were unmapped */
	unsigned int stale_first;	/* Q: pages that may be in TLBs, from here */
	unsigned int stale_end;		/* Q: to here, exclusive */
	struct rcu_head rcu;
	DECLARE_BITMAP(live, VMAP_RAM_BLOCK_PAGES);	/* Q */
};

static DEFINE_PER_CPU(struct vmap_ram_queue, vmap_ram_queues);
static DEFINE_XARRAY(vmap_ram_blocks);

/* Blocks are aligned to their size.  Small numbers keep the xarray flat. */
static unsigned long vmap_ram_index(unsigned long addr)
{
	return addr / VMAP_RAM_BLOCK_BYTES - VMALLOC_START / VMAP_RAM_BLOCK_BYTES;
}

static unsigned int vmap_ram_page_in_block(const struct vmap_ram_block *block,
					   unsigned long addr)
{
	return (addr - block->start) >> PAGE_SHIFT;
}

/* ---- blocks -------------------------------------------------------------- */

static bool vmap_ram_block_is_idle(const struct vmap_ram_block *block)
{
	return !block->retired && block->nr_dead == block->nr_used;
}

/* After this, one caller alone may give the block back; under queue->lock. */
static void vmap_ram_block_close(struct vmap_ram_block *block)
{
	lockdep_assert_held(&block->queue->lock);
	block->retired = true;
	list_del_init(&block->node);
}

static unsigned long vmap_ram_block_cut(struct vmap_ram_block *block, unsigned int nr)
{
	unsigned long addr = block->start + ((unsigned long)block->nr_used << PAGE_SHIFT);

	lockdep_assert_held(&block->queue->lock);
	bitmap_set(block->live, block->nr_used, nr);
	block->nr_used += nr;
	if (block->nr_used == VMAP_RAM_BLOCK_PAGES)
		list_del_init(&block->node);
	return addr;
}

/*
 * The area first joins those to be flushed.  Only then the block is no longer
 * found; if its addresses were flushed and became a new block in between, the
 * entry is that one's and stays.
 */
static void vmap_ram_retire(struct vmap_ram_block *block)
{
	struct vmap_area *va = vmap_space_unlink(block->start);

	if (!WARN_ON_ONCE(!va))
		vmap_space_free(va);
	xa_cmpxchg(&vmap_ram_blocks, vmap_ram_index(block->start), block, NULL, 0);
	kfree_rcu(block, rcu);
}

static struct vmap_ram_block *vmap_ram_new_block(gfp_t gfp, int node)
{
	const struct vmap_request req = {
		.size_bytes = VMAP_RAM_BLOCK_BYTES,
		.align_bytes = VMAP_RAM_BLOCK_BYTES,
		.start = VMALLOC_START,
		.end = VMALLOC_END,
		.node = node,
		.gfp = gfp,
		.va_flags = VMAP_RAM | VMAP_BLOCK,
	};
	struct vmap_ram_block *block;
	struct vmap_area *va;
	int err;

	block = kzalloc_node(sizeof(*block), gfp, node);
	if (!block)
		return NULL;
	va = vmap_space_alloc(&req);
	if (IS_ERR(va)) {
		kfree(block);
		return NULL;
	}
	INIT_LIST_HEAD(&block->node);
	block->start = va->va_start;
	block->queue = raw_cpu_ptr(&vmap_ram_queues);
	block->stale_first = VMAP_RAM_BLOCK_PAGES;
	err = xa_err(xa_store(&vmap_ram_blocks, vmap_ram_index(block->start), block, gfp));
	if (err) {
		vmap_space_free_unmapped(vmap_space_unlink(block->start));
		kfree(block);
		return NULL;
	}
	return block;
}

/* ---- mapping ------------------------------------------------------------- */

/* Cuts @nr pages from a block that is there; 0 if none has room. */
static unsigned long vmap_ram_cut(struct vmap_ram_queue *queue, unsigned int nr)
{
	struct vmap_ram_block *block;
	unsigned int tries = 0;

	guard(spinlock)(&queue->lock);
	list_for_each_entry(block, &queue->open, node) {
		if (VMAP_RAM_BLOCK_PAGES - block->nr_used >= nr)
			return vmap_ram_block_cut(block, nr);
		if (++tries == VMAP_RAM_TRIES)
			break;
	}
	return 0;
}

static unsigned long vmap_ram_get_piece(unsigned int nr, int node)
{
	struct vmap_ram_block *block;
	unsigned long addr;

	/* Another CPU's queue, after a migration, does as well. */
	addr = vmap_ram_cut(raw_cpu_ptr(&vmap_ram_queues), nr);
	if (addr)
		return addr;
	block = vmap_ram_new_block(GFP_KERNEL, node);
	if (!block)
		return 0;
	guard(spinlock)(&block->queue->lock);
	list_add(&block->node, &block->queue->open);
	return vmap_ram_block_cut(block, nr);
}

static unsigned long vmap_ram_get_area(unsigned long bytes, int node)
{
	const struct vmap_request req = {
		.size_bytes = bytes,
		.align_bytes = PAGE_SIZE,
		.start = VMALLOC_START,
		.end = VMALLOC_END,
		.node = node,
		.gfp = GFP_KERNEL,
		.va_flags = VMAP_RAM,
	};
	struct vmap_area *va = vmap_space_alloc(&req);

	return IS_ERR(va) ? 0 : va->va_start;
}

/**
 * vm_map_ram() - map pages for a short time
 * @pages: pages to map, in this order
 * @count: how many
 * @node: where to allocate what it takes to keep track, NUMA_NO_NODE for any
 *
 * Cheaper than vmap() for up to BITS_PER_LONG pages.  A mapping that stays holds
 * up to 4 MiB of address space from use, so do not keep it.
 *
 * Context: may sleep.
 * Return: the address, or NULL.
 */
void *vm_map_ram(struct page **pages, unsigned int count, int node)
{
	unsigned long bytes = (unsigned long)count << PAGE_SHIFT;
	unsigned long addr;

	if (WARN_ON(!count))
		return NULL;
	if (count <= VMAP_RAM_MAX_PAGES)
		addr = vmap_ram_get_piece(count, node);
	else
		addr = vmap_ram_get_area(bytes, node);
	if (!addr)
		return NULL;
	if (vmap_pages_range(addr, addr + bytes, PAGE_KERNEL, pages, PAGE_SHIFT)) {
		vm_unmap_ram((void *)addr, count);
		return NULL;
	}
	/* With KASAN's hardware tags it does nothing: these pages have tags already. */
	return kasan_unpoison_vmalloc((void *)addr, bytes, KASAN_VMALLOC_PROT_NORMAL);
}
EXPORT_SYMBOL(vm_map_ram);

/* ---- unmapping ----------------------------------------------------------- */

static bool vmap_ram_is_live(const struct vmap_ram_block *block, unsigned int first,
			     unsigned int nr)
{
	const unsigned int end = first + nr;

	return end <= VMAP_RAM_BLOCK_PAGES && find_next_zero_bit(block->live, end, first) >= end;
}

/*
 * The block that has these pages, all of them live: it stays, then, as long as the caller,
 * whose they are, does not unmap them.  NULL: it has none.
 */
static struct vmap_ram_block *vmap_ram_find_live(unsigned long addr, unsigned int nr)
{
	struct vmap_ram_block *block;

	guard(rcu)();
	block = xa_load(&vmap_ram_blocks, vmap_ram_index(addr));
	/* Others change other bits. */
	if (!block || !data_race(vmap_ram_is_live(block, vmap_ram_page_in_block(block, addr), nr)))
		return NULL;
	return block;
}

static void vmap_ram_put_piece(unsigned long addr, unsigned int nr)
{
	struct vmap_ram_block *block = vmap_ram_find_live(addr, nr);
	unsigned int first;
	bool retire;

	if (WARN_ON_ONCE(!block))
		return;
	vmap_unmap_lazily(addr, addr + ((unsigned long)nr << PAGE_SHIFT));

	first = vmap_ram_page_in_block(block, addr);
	scoped_guard(spinlock, &block->queue->lock) {
		if (WARN_ON_ONCE(!test_bit(first, block->live)))
			return;
		/* Only now: readers rely on the pages of what is live. */
		bitmap_clear(block->live, first, nr);
		block->nr_dead += nr;
		block->stale_first = min(block->stale_first, first);
		block->stale_end = max(block->stale_end, first + nr);
		retire = vmap_ram_block_is_idle(block) &&
			VMAP_RAM_BLOCK_PAGES - block->nr_used < VMAP_RAM_MAX_PAGES;
		if (retire)
			vmap_ram_block_close(block);
	}
	if (retire)
		vmap_ram_retire(block);
}

static void vmap_ram_put_area(unsigned long addr)
{
	struct vmap_area *va = vmap_space_unlink(addr);

	if (WARN_ON_ONCE(!va))
		return;
	debug_check_no_locks_freed((void *)va->va_start, va->va_end - va->va_start);
	vmap_unmap_lazily(va->va_start, va->va_end);
	vmap_space_free(va);
}

/**
 * vm_unmap_ram() - undo vm_map_ram()
 * @mem: what it returned
 * @count: the same count; parts cannot be unmapped
 *
 * Context: may sleep.
 */
void vm_unmap_ram(const void *mem, unsigned int count)
{
	unsigned long bytes = (unsigned long)count << PAGE_SHIFT;
	unsigned long addr = (unsigned long)kasan_reset_tag(mem);

	might_sleep();
	if (WARN_ON(!is_vmalloc_addr(mem) || !PAGE_ALIGNED(addr) || !count))
		return;
	kasan_poison_vmalloc(mem, bytes);
	if (count > VMAP_RAM_MAX_PAGES) {
		vmap_ram_put_area(addr);
		return;
	}
	debug_check_no_locks_freed(mem, bytes);
	vmap_ram_put_piece(addr, count);
}
EXPORT_SYMBOL(vm_unmap_ram);

/* ---- flushing ------------------------------------------------------------ */

/* A range of addresses that the next TLB flush has to cover. */
struct vmap_ram_stale {
	unsigned long start, end;
	bool any;
};

/* Retire the block if it is not worth keeping, else note what it has stale. */
static void vmap_ram_collect(struct vmap_ram_block *block, bool all_idle,
			     struct list_head *retired, struct vmap_ram_stale *stale)
{
	unsigned int left;

	guard(spinlock)(&block->queue->lock);
	left = VMAP_RAM_BLOCK_PAGES - block->nr_used;
	if (vmap_ram_block_is_idle(block) && block->nr_used &&
	    (all_idle || left < VMAP_RAM_BLOCK_PAGES / 4)) {
		vmap_ram_block_close(block);
		list_add(&block->node, retired);
		return;
	}
	if (!stale || block->stale_first >= block->stale_end)
		return;
	stale->start = min(stale->start, block->start + (block->stale_first << PAGE_SHIFT));
	stale->end = max(stale->end, block->start + (block->stale_end << PAGE_SHIFT));
	stale->any = true;
	block->stale_first = VMAP_RAM_BLOCK_PAGES;
	block->stale_end = 0;
}

/* The next few blocks from *index on, which is moved on; false if these were all. */
static bool vmap_ram_collect_some(unsigned long *index, bool all_idle,
				  struct list_head *retired, struct vmap_ram_stale *stale)
{
	unsigned int left = VMAP_RAM_BATCH;
	struct vmap_ram_block *block;
	unsigned long at;

	guard(rcu)();
	xa_for_each_start(&vmap_ram_blocks, at, block, *index) {
		vmap_ram_collect(block, all_idle, retired, stale);
		if (!--left)
			break;
	}
	*index = at + 1;
	return block;
}

static void vmap_ram_collect_all(bool all_idle, struct vmap_ram_stale *stale)
{
	struct vmap_ram_block *block, *next;
	unsigned long index = 0;
	LIST_HEAD(retired);

	while (vmap_ram_collect_some(&index, all_idle, &retired, stale))
		cond_resched();
	list_for_each_entry_safe(block, next, &retired, node) {
		vmap_ram_retire(block);
		cond_resched();
	}
}

/**
 * vmap_ram_purge_fragmented() - let go of the blocks in which nothing is live
 *
 * For a shortage of address space: their areas can be had after a purge.
 *
 * Context: may sleep; the caller holds vmap_purge_lock.
 */
void vmap_ram_purge_fragmented(void)
{
	vmap_ram_collect_all(true, NULL);
}

/**
 * vmap_flush_aliases() - flush what was unmapped, and another range with it
 * @start: start of the other range
 * @end: its end, exclusive; not above @start if there is none
 *
 * Context: may sleep.
 */
void vmap_flush_aliases(unsigned long start, unsigned long end)
{
	struct vmap_ram_stale stale = {
		.start = start < end ? start : ULONG_MAX,
		.end = start < end ? end : 0,
		.any = start < end,
	};

	guard(mutex)(&vmap_purge_lock);
	vmap_ram_collect_all(false, &stale);
	vmap_space_purge_locked(stale.start, stale.end, stale.any);
}

/**
 * vm_unmap_aliases() - flush what was unmapped and may still be in TLBs
 *
 * Mappings are flushed lazily.  When this returns, no page that was unmapped
 * before the call can be reached through an address of the vmalloc space.
 *
 * Context: may sleep.
 */
void vm_unmap_aliases(void)
{
	vmap_flush_aliases(0, 0);
}
EXPORT_SYMBOL_GPL(vm_unmap_aliases);

/* ---- reading ------------------------------------------------------------- */

/**
 * vmap_ram_visit_live() - visit the mapped parts of a block
 * @addr: address in a block
 * @fn: called with start and end of each part, in order; a value other than 0
 *	ends the walk
 * @data: handed to @fn
 *
 * Context: @fn runs under the spinlock that unmapping needs, so the pages stay.
 * Return: what @fn returned last.
 */
int vmap_ram_visit_live(unsigned long addr, vmap_live_fn fn, void *data)
{
	unsigned int first, end;
	struct vmap_ram_block *block;
	int ret = 0;

	guard(rcu)();
	block = xa_load(&vmap_ram_blocks, vmap_ram_index(addr));
	if (!block)
		return 0;
	guard(spinlock)(&block->queue->lock);
	for_each_set_bitrange(first, end, block->live, VMAP_RAM_BLOCK_PAGES) {
		ret = fn(block->start + ((unsigned long)first << PAGE_SHIFT),
			 block->start + ((unsigned long)end << PAGE_SHIFT), data);
		if (ret)
			break;
	}
	return ret;
}

void __init vmap_ram_init(void)
{
	struct vmap_ram_queue *queue;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(&vmap_ram_queues, cpu);
		spin_lock_init(&queue->lock);
		INIT_LIST_HEAD(&queue->open);
	}
}
