// SPDX-License-Identifier: GPL-2.0
/*
 * shim-kasan.c - the shadow: one reserved range of the process for all of it
 */
#include <sys/mman.h>

#include "sim.h"

#define SHIM_ADDR_BITS		47
#define SHIM_SHADOW_BYTES	(BIT(SHIM_ADDR_BITS) / KASAN_GRANULE_SIZE)

static u8 *shim_shadow;
u32 shim_kasan_stack;

u8 *kasan_mem_to_shadow(const void *addr)
{
	return shim_shadow + (unsigned long)addr / KASAN_GRANULE_SIZE;
}

void kasan_poison(const void *addr, size_t size, u8 value, bool init)
{
	SHIM_ASSERT(IS_ALIGNED((unsigned long)addr | size, KASAN_GRANULE_SIZE),
		    "%p, %zu bytes are not whole granules", addr, size);
	memset(kasan_mem_to_shadow(addr), value, size / KASAN_GRANULE_SIZE);
}

void kasan_unpoison(const void *addr, size_t size, bool init)
{
	unsigned int rest = size % KASAN_GRANULE_SIZE;

	kasan_poison(addr, size - rest, 0, false);
	if (rest)
		*kasan_mem_to_shadow(addr + size) = rest;
}

void kasan_set_track(struct kasan_track *track, u32 stack)
{
	track->pid = current->pid;
	track->stack = stack;
}

void kasan_save_track(struct kasan_track *track, gfp_t gfp)
{
	SHIM_ASSERT(!in_nmi(), "the depot of stacks has a lock");
	kasan_set_track(track, shim_kasan_stack);
}

long copy_from_kernel_nofault(void *to, const void *from, size_t size)
{
	if (is_vmalloc_addr(from) && !sim_page_is_mapped((unsigned long)from))
		return -EFAULT;
	memcpy(to, from, size);
	return 0;
}

void shim_kasan_power_on(void)
{
	if (!shim_shadow) {
		shim_shadow = mmap(NULL, SHIM_SHADOW_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		SHIM_ASSERT(shim_shadow != MAP_FAILED, "no address space for a shadow");
	} else {
		madvise(shim_shadow, SHIM_SHADOW_BYTES, MADV_DONTNEED);
	}
	shim_kasan_stack = 0;
}
