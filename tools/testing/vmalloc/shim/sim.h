/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sim.h - what a test sets and sees of the simulated kernel
 */
#ifndef SHIM_SIM_H
#define SHIM_SIM_H

#include "../../percpu/shim/random.h"

/**
 * struct sim - the simulated kernel
 *
 * To set:
 * @window_start: VMALLOC_START
 * @window_end: VMALLOC_END
 * @fail_nth: let the n-th allocation from now on fail, 0 for none
 * @fail_permille: let so many in a thousand fail
 * @no_descriptors: let all allocations of this cache fail
 * @on_alloc: called for each allocation: of which cache ("kmalloc", "shadow"), its mask
 *
 * To see:
 * @nr_events: allocations asked for
 * @nr_failed: of those, made to fail
 * @nr_objects: in use
 * @nr_flushes: TLB flushes
 * @nr_shadow: pages of shadow in use
 * @nr_shadow_flushes: TLB flushes for shadow that was released
 * @shadow_flush_start: what the last of these spans
 * @shadow_flush_end: its end
 * @nr_warnings: kernel warnings, and of those
 * @nr_expected: the ones that a test still expects
 * @nr_messages: lines of level warning and above
 * @most_steps: functions that a lock is asserted in, under one hold of a spinlock, at most
 * @most_works: locks taken and shadow released without a cond_resched() in between, at most
 * @gfp: all masks, or-ed
 * @work: what is to be run
 */
struct sim {
	unsigned long window_start;
	unsigned long window_end;
	unsigned long fail_nth;
	unsigned int fail_permille;
	const char *no_descriptors;
	void (*on_alloc)(const char *cache, gfp_t gfp);

	unsigned long nr_events;
	unsigned long nr_failed;
	long nr_objects;
	unsigned long nr_flushes;
	long nr_shadow;
	unsigned long nr_shadow_flushes;
	unsigned long shadow_flush_start;
	unsigned long shadow_flush_end;
	unsigned long nr_warnings;
	unsigned long nr_expected;
	unsigned long nr_messages;
	unsigned int most_steps;
	unsigned int most_works;
	gfp_t gfp;
	struct work_struct *work;
	struct shrinker *shrinker;
};

extern struct sim sim;
extern bool sim_verbose;

void sim_reset(void);
void sim_expect_warnings(unsigned int nr);
bool sim_expected(void);
bool sim_run_work(void);
void sim_rcu_quiesce(void);
long sim_cache_objects(const char *name);

/* How often does kmemleak find a value in an object of a cache? */
unsigned int sim_references(const void *object, unsigned long value);

/* The TLB: pages that were unmapped and may still be known to it. */
void sim_tlb_stale(unsigned long start, unsigned long end);
void sim_tlb_check(unsigned long start, unsigned long end);

/* KASAN's shadow must be there. */
void sim_shadow_check(unsigned long start, unsigned long end);
/* Called for what is released; for the test's model. */
extern void (*sim_on_release)(unsigned long start, unsigned long end);

#endif /* SHIM_SIM_H */
