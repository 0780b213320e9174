/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test.h - what all tests share
 */
#ifndef PERCPU_TEST_H
#define PERCPU_TEST_H

#include "shim/frame.h"
#include "shim/sim.h"
#include "../../../mm/percpu-internal.h"

/* Ends the test: neither passed nor failed. */
__noreturn void test_skip(const char *reason);

/* ---- a machine (world.c) ----------------------------------------------------- */

enum world_nodes {
	NODES_ONE,		/* all CPUs are near */
	NODES_EVEN,		/* four of equal size */
	NODES_UNEVEN,		/* 1/2, 1/4, 1/8 ... of the CPUs */
	NODES_EACH,		/* every CPU is alone */
	NODES_STRIPED,		/* CPU n is on node n % 3 */
};

/**
 * struct world - a machine to boot
 * @nr_cpus: possible CPUs
 * @cpu_step: distance of their numbers, 0 means 1
 * @nodes: which CPUs are near each other
 * @static_bytes: size of the kernel's percpu variables
 * @reserved_bytes: for modules, a unit
 * @dyn_bytes: for objects, a unit
 * @atom_bytes: alignment of groups, 0 means a page
 * @paged: the first chunk consists of single pages
 * @no_worker: leave the worker out
 * @vmalloc_bytes: 0 means 4 GiB
 * @ram_pages: 0 means 64 GiB
 * @no_memcg: memory cgroups do not count kernel memory
 * @cache: freed areas are kept at hand, as with CACHE=1 in the environment
 * @nolock: objects may be allocated and freed by the calls for any context
 */
struct world {
	unsigned int nr_cpus;
	unsigned int cpu_step;
	enum world_nodes nodes;
	size_t static_bytes;
	size_t reserved_bytes;
	size_t dyn_bytes;
	size_t atom_bytes;
	bool paged;
	bool no_worker;
	u64 vmalloc_bytes;
	unsigned long ram_pages;
	bool no_memcg;
	bool cache;
	bool nolock;
};

/* Boots pcpu_main; leaves sim as after sim_reset(). */
void world_boot(const struct world *world);
/* After boot: start the worker, as subsys_initcall does. */
void world_start_worker(void);
/* Everything must have been freed: takes all chunks down and checks for leaks. */
void world_shutdown(void);
unsigned int world_fail_each(const struct world *world, unsigned int kinds,
			     void (*scenario)(void));
/* Every invariant, and what the page tables say of each row. */
void world_check(void);
unsigned long world_used_slots(void);
void world_check_used(void);
/* As world_used_slots(), and areas that are being freed, at hand or in quarantine. */
unsigned long world_taken_slots(void);

/* ---- objects, with a naive model (model.c) ------------------------------------- */

/* The context that a request is made in. */
enum ctx {
	CTX_TASK,
	CTX_NOFS_SCOPE,
	CTX_NOIO_SCOPE,
	CTX_SOFTIRQ,
	/* From here on PREEMPT_RT allows no ordinary calls. */
	CTX_IRQS_OFF,
	CTX_HARDIRQ,
	CTX_NR,
	/* From here on only the calls for any context are allowed. */
	CTX_RAW_LOCK = CTX_NR,
	CTX_NMI,
	CTX_ANY_NR,
};

struct object {
	void __percpu *ptr;
	u32 size;
	u32 pattern;
	bool reserved;
	bool accounted;
};

void ctx_enter(enum ctx ctx);
void ctx_leave(enum ctx ctx);

void model_reset(void);
/* Allocate through the door, check the result, fill in a pattern. */
bool model_alloc(struct object *object, size_t size, size_t align, bool reserved,
		 gfp_t gfp, enum ctx ctx);
/* Check the pattern, free. */
void model_free(struct object *object, enum ctx ctx);
/* The same for several, by the bulk calls. */
bool model_alloc_bulk(struct object *objects, unsigned int nr, size_t size, size_t align,
		      gfp_t gfp, enum ctx ctx);
void model_free_bulk(struct object *objects, unsigned int nr, enum ctx ctx);
/* The same by the calls for any context. */
bool model_alloc_nolock(struct object *object, size_t size, size_t align, gfp_t gfp,
			enum ctx ctx);
void model_free_nolock(struct object *object, enum ctx ctx);
void model_check_pattern(const struct object *object);
/* Slots that the model thinks are in use. */
unsigned long model_used_slots(void);

extern struct obj_cgroup test_objcg;

/* The entry of a table that has this name, or NULL. */
#define FIND_NAMED(table, wanted) ({						\
	typeof(&(table)[0]) found_ = NULL;					\
	unsigned int i_;							\
										\
	for (i_ = 0; i_ < ARRAY_SIZE(table) && !found_; i_++)			\
		found_ = strcmp((table)[i_].name, wanted) ? NULL : &(table)[i_];	\
	found_;									\
})

#endif /* PERCPU_TEST_H */
