/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test.h - what all tests share
 */
#ifndef VMALLOC_TEST_H
#define VMALLOC_TEST_H

#include "../percpu/shim/frame.h"
#include "../../../mm/vmalloc-internal.h"

/* ---- a machine (world.c) ----------------------------------------------------- */

#if BITS_PER_LONG == 64
#define WORLD_START	0x100000000000UL
#else
#define WORLD_START	0x40000000UL
#endif

/*
 * Boots with the vmalloc window at WORLD_START, or at @start.  64 GiB give room to
 * segments of both classes on 8 CPUs, 4 GiB to class 0, 64 MiB to none.
 */
void world_boot(unsigned int nr_cpus, unsigned long window_bytes);
void world_boot_at(unsigned int nr_cpus, unsigned long start, unsigned long window_bytes,
		   struct vm_struct *early_list);
/* Every invariant. */
void world_check(void);
/* All was freed: purges all, and looks for leaks. */
void world_shutdown(void);

/* ---- areas, with a naive model (model.c) ---------------------------------------- */

/* An object that a descriptor may be part of: it is gone as soon as the area is freed. */
struct model_object {
	struct vm_struct vm;
	struct vmap_area va;
};

extern bool model_own_descriptors;	/* every other area that can have one does */
void model_bring_descriptor(struct vmap_request *req, struct model_object *object);
struct vmap_area *model_alloc(const struct vmap_request *req);
/* The same for any address in the vmalloc window. */
struct vmap_area *model_alloc_pages(unsigned long nr_pages, unsigned long align_pages);
struct vmap_area *model_alloc_gfp(unsigned long nr_pages, unsigned long align_pages, gfp_t gfp);
void model_free(unsigned long addr, bool mapped);
/* Compare all of it with a walk and with lookups. */
void model_check(void);
unsigned int model_nr_areas(void);
unsigned long model_area_start(unsigned int i);
void model_free_all(void);

/*
 * Others move an area between two places at each of @nr holds of the lock of ranges, at
 * first from @from to @to: one of the places is free at any time.  Ends when both are taken.
 */
void model_swing(unsigned long from, unsigned long to, unsigned long bytes, unsigned int nr);
/* How many holds there were. */
unsigned int model_swing_end(void);

#endif /* VMALLOC_TEST_H */
