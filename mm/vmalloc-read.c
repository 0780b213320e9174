// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-read.c - reading the vmalloc space for /proc/kcore
 *
 * Nobody who reads here owns what he reads.  Areas are visited in the order of
 * their addresses, each under the lock that taking it away needs, so its pages
 * stay while they are copied.  The copy must not fault there; where it would,
 * the read is short, and kcore faults the destination in and tries again.
 *
 * Pages are read by their own address, not through the mapping, which may go
 * page by page beneath a sparse area.
 */
#include <linux/kasan.h>
#include <linux/mm.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "vmalloc.h"
#include "vmalloc-internal.h"
#include "vmalloc-parts.h"

/**
 * struct vread - a read in progress
 * @iter: where the bytes go
 * @addr: next address to read
 * @left: bytes to go
 * @faulted: the destination would have faulted, so nothing more is copied
 */
struct vread {
	struct iov_iter *iter;
	unsigned long addr;
	size_t left;
	bool faulted;
};

/* What visiting an area or a part of one tells the walk. */
#define VREAD_GO_ON	0
#define VREAD_STOP	1

/* Bytes of one page that come next, up to address @end. */
static size_t vread_chunk(const struct vread *read, unsigned long end)
{
	size_t bytes = min(read->left, PAGE_SIZE - offset_in_page(read->addr));

	return min(bytes, end - read->addr);
}

static int vread_advance(struct vread *read, size_t bytes, size_t copied)
{
	read->addr += copied;
	read->left -= copied;
	read->faulted = copied < bytes;
	return read->faulted || !read->left ? VREAD_STOP : VREAD_GO_ON;
}

/* Zeros up to @end; addresses at or above it need nothing. */
static int vread_zeros(struct vread *read, unsigned long end)
{
	int ret = read->left ? VREAD_GO_ON : VREAD_STOP;
	size_t bytes;

	while (ret == VREAD_GO_ON && read->addr < end) {
		bytes = vread_chunk(read, end);
		ret = vread_advance(read, bytes,
				    copy_page_to_iter_nofault(ZERO_PAGE(0), 0, bytes, read->iter));
	}
	return ret;
}

/* What is mapped up to @end, zeros where nothing is. */
static int vread_pages(struct vread *read, unsigned long end)
{
	int ret = read->left ? VREAD_GO_ON : VREAD_STOP;
	struct page *page;
	size_t bytes, offset;

	while (ret == VREAD_GO_ON && read->addr < end) {
		page = vmalloc_to_page((void *)read->addr);
		bytes = vread_chunk(read, end);
		offset = page ? offset_in_page(read->addr) : 0;
		ret = vread_advance(read, bytes,
				    copy_page_to_iter_nofault(page ?: ZERO_PAGE(0), offset,
							      bytes, read->iter));
	}
	return ret;
}

static int vread_live_part(unsigned long start, unsigned long end, void *data)
{
	struct vread *read = data;

	if (vread_zeros(read, start))
		return VREAD_STOP;
	return vread_pages(read, end);
}

/*
 * Where the readable bytes of an area end; its start if there are none.
 * vrealloc() may have freed pages at the end of what vmalloc() allocated.
 */
static unsigned long vread_area_end(const struct vmap_area *va)
{
	const struct vm_struct *vm = va->vm;

	if (!vm)
		return va->flags & VMAP_RAM ? va->va_end : va->va_start;
	if (READ_ONCE(vm->flags) & VM_UNINITIALIZED)
		return va->va_start;
	/* Pairs with the barrier in clear_vm_uninitialized_flag(). */
	smp_rmb();
	if ((vm->flags & VM_ALLOC) && vm->nr_pages)
		return va->va_start + (vm->nr_pages << PAGE_SHIFT);
	return va->va_start + get_vm_area_size(vm);
}

static int vread_area(struct vmap_area *va, void *data)
{
	struct vread *read = data;
	const unsigned long end = vread_area_end(va);

	if (va->va_start >= read->addr + read->left)
		return VREAD_STOP;
	if (read->addr >= end)
		return VREAD_GO_ON;
	if (vread_zeros(read, va->va_start))
		return VREAD_STOP;
	if (!va->vm && (va->flags & VMAP_BLOCK)) {
		if (vmap_ram_visit_live(va->va_start, vread_live_part, read))
			return VREAD_STOP;
		return vread_zeros(read, end);
	}
	/* Reading a device has effects; sparse areas change without a lock. */
	if (va->vm && (va->vm->flags & (VM_IOREMAP | VM_SPARSE)))
		return vread_zeros(read, end);
	return vread_pages(read, end);
}

/**
 * vread_iter() - copy from the vmalloc space, whatever is there
 * @iter: where to
 * @addr: first address; need not be in any area
 * @count: how many bytes
 *
 * Holes, I/O mappings and sparse areas read as zeros.  May be used where the
 * caller knows nothing of the addresses; who has a vmalloc'ed object, uses
 * memcpy().
 *
 * Return: bytes by which @iter has advanced: @count, unless the destination
 * would have faulted.
 */
long vread_iter(struct iov_iter *iter, const char *addr, size_t count)
{
	struct vread read = {
		.iter = iter,
		.addr = (unsigned long)kasan_reset_tag(addr),
	};
	size_t total;

	/* The last byte of the address space is left out, not wrapped around. */
	total = min_t(size_t, count, ULONG_MAX - read.addr);
	read.left = total;
	vmap_space_walk(read.addr, vread_area, &read);
	if (!read.faulted)
		vread_zeros(&read, read.addr + read.left);
	return total - read.left;
}
