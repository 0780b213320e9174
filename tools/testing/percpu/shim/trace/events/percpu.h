/* SPDX-License-Identifier: GPL-2.0 */
/* The tracepoints of the percpu allocator, as counters. */
#ifndef SHIM_TRACE_PERCPU_H
#define SHIM_TRACE_PERCPU_H

#include "../../sync.h"

struct shim_trace_counts {
	unsigned long alloc, alloc_fail, free, create_chunk, destroy_chunk;
};

extern struct shim_trace_counts shim_traced;

static inline void shim_trace(unsigned long *counter)
{
	shim_assert_tries("tracepoint");
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline void trace_percpu_alloc_percpu(unsigned long call_site, bool reserved,
					     bool is_atomic, size_t size, size_t align,
					     void *base_addr, int off, void *ptr,
					     size_t bytes_alloc, gfp_t gfp_flags)
{
	shim_trace(&shim_traced.alloc);
}

static inline void trace_percpu_free_percpu(void *base_addr, int off, void *ptr)
{
	shim_trace(&shim_traced.free);
}

static inline void trace_percpu_alloc_percpu_fail(bool reserved, bool is_atomic, size_t size,
						  size_t align)
{
	shim_trace(&shim_traced.alloc_fail);
}

static inline void trace_percpu_create_chunk(void *base_addr)
{
	shim_trace(&shim_traced.create_chunk);
}

static inline void trace_percpu_destroy_chunk(void *base_addr)
{
	shim_trace(&shim_traced.destroy_chunk);
}

#define trace_percpu_alloc_percpu_enabled()	true
#define trace_percpu_free_percpu_enabled()	true

#endif /* SHIM_TRACE_PERCPU_H */
