/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kasan.h - the shadow that KASAN keeps, for builds with CONFIG_KASAN_GENERIC
 *
 * A byte for each granule of 8, wherever in the process: 0 is accessible, 1 to 7
 * are accessible so far, all else is not.  Nothing enforces it; tests compare it
 * with what they think is live.
 */
#ifndef SHIM_KASAN_H
#define SHIM_KASAN_H

#include "mem.h"

/* None of the builds has tags. */
#define kasan_reset_tag(addr)	((void *)(addr))

#ifdef CONFIG_KASAN_GENERIC

#define set_tag(addr, tag)	((void)(tag), (void *)(addr))
#define kasan_random_tag()	0
#define KASAN_TAG_KERNEL	0xFF
#define KASAN_GRANULE_SIZE	8UL
#define KASAN_PERCPU_REDZONE	0xE7
#define KASAN_PERCPU_FREE	0xE6
#define KASAN_PERCPU_UNUSED	0xE5

struct kasan_track {
	u32 pid;
	u32 stack;
};

struct kasan_percpu_object {
	const void __percpu *ptr;
	const void *start;
	size_t size;
	unsigned int cpu;
	struct kasan_track alloc_track;
	struct kasan_track free_track;
};

u8 *kasan_mem_to_shadow(const void *addr);
void kasan_poison(const void *addr, size_t size, u8 value, bool init);
void kasan_unpoison(const void *addr, size_t size, bool init);
void kasan_set_track(struct kasan_track *track, u32 stack);
void kasan_save_track(struct kasan_track *track, gfp_t gfp);
bool kasan_find_percpu_object(const void *addr, struct kasan_percpu_object *object);
long copy_from_kernel_nofault(void *to, const void *from, size_t size);
void shim_kasan_power_on(void);

/* What kasan_save_track() remembers next, as a stack. */
extern u32 shim_kasan_stack;

#define kasan_check_range(addr, size, write, ip) ((void)(size), true)
#define instrumentation_begin()	do { } while (0)
#define instrumentation_end()	do { } while (0)
#define noinstr
#define rcu_is_watching()	true

#else
static inline void shim_kasan_power_on(void)
{
}
#endif

#endif /* SHIM_KASAN_H */
