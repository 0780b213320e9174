/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percpu_gfp.h - what a caller's mask comes to in the memory behind percpu objects
 *
 * The table of Documentation/mm/percpu.rst, for the tests that hold the allocator
 * to it: tools/testing/percpu/test-gfp.c, which also compares the two, and
 * percpu_internal_kunit.c.
 */
#ifndef PERCPU_GFP_H
#define PERCPU_GFP_H

/* Page tables take no mask: the scope that they are allocated in. */
enum pcpu_gfp_tables {
	PCPU_TABLES_NONE,	/* there are none: no chunk is created */
	PCPU_TABLES_SAME,	/* one that makes GFP_KERNEL the mask beside */
	PCPU_TABLES_TRIED,	/* noreclaim, after a try of as many pages with the mask */
};

/**
 * struct pcpu_gfp_case - a line of the table
 * @name: the caller's mask and its task's scope, as the documentation has them
 * @gfp: the mask
 * @scope: PF_MEMALLOC flags of the task
 * @backing_name: @backing, as the documentation has it
 * @backing: what pages, metadata and address space are asked for with, but for
 *	__GFP_NOMEMALLOC, which is always there
 * @tables: what page tables are asked for with
 */
struct pcpu_gfp_case {
	const char *name;
	gfp_t gfp;
	unsigned int scope;
	const char *backing_name;
	gfp_t backing;
	enum pcpu_gfp_tables tables;
};

/* Names are made where the masks come as they are written. */
#define PCPU_GFP_MASK(_gfp, _backing, _tables)				\
	{ .name = #_gfp, .gfp = _gfp, .backing_name = #_backing,	\
	  .backing = _backing, .tables = PCPU_TABLES_##_tables }
#define PCPU_GFP_SCOPE(_gfp, _scope, _flag, _backing, _tables)		\
	{ .name = #_gfp ", " #_scope, .gfp = _gfp, .scope = _flag,	\
	  .backing_name = #_backing, .backing = _backing,		\
	  .tables = PCPU_TABLES_##_tables }

static const struct pcpu_gfp_case pcpu_gfp_cases[] = {
	PCPU_GFP_MASK(GFP_KERNEL, GFP_KERNEL, SAME),
	PCPU_GFP_MASK(GFP_NOFS, GFP_NOFS, SAME),
	PCPU_GFP_MASK(GFP_NOIO, GFP_NOIO, SAME),
	PCPU_GFP_MASK(GFP_NOWAIT, GFP_NOWAIT, NONE),
	PCPU_GFP_MASK(GFP_ATOMIC, __GFP_KSWAPD_RECLAIM, NONE),
	PCPU_GFP_MASK(GFP_KERNEL | __GFP_NORETRY, GFP_KERNEL | __GFP_NORETRY, TRIED),
	PCPU_GFP_MASK(GFP_KERNEL | __GFP_RETRY_MAYFAIL, GFP_KERNEL | __GFP_RETRY_MAYFAIL, TRIED),
	PCPU_GFP_MASK(GFP_NOFS | __GFP_NORETRY, GFP_NOFS | __GFP_NORETRY, TRIED),
	PCPU_GFP_MASK(GFP_KERNEL_ACCOUNT, GFP_KERNEL, SAME),
	PCPU_GFP_MASK(GFP_HIGHUSER, GFP_KERNEL, SAME),
	PCPU_GFP_SCOPE(GFP_KERNEL, nofs, PF_MEMALLOC_NOFS, GFP_NOFS, SAME),
	PCPU_GFP_SCOPE(GFP_KERNEL, noio, PF_MEMALLOC_NOIO, GFP_NOIO, SAME),
	PCPU_GFP_SCOPE(GFP_NOFS, noio, PF_MEMALLOC_NOIO, GFP_NOIO, SAME),
	PCPU_GFP_SCOPE(GFP_KERNEL | __GFP_NORETRY, noio, PF_MEMALLOC_NOIO,
		       GFP_NOIO | __GFP_NORETRY, TRIED),
	PCPU_GFP_SCOPE(GFP_KERNEL, pin, PF_MEMALLOC_PIN, GFP_KERNEL, SAME),
	PCPU_GFP_SCOPE(GFP_KERNEL, noreclaim, PF_MEMALLOC, GFP_KERNEL, NONE),
};

#endif /* PERCPU_GFP_H */
