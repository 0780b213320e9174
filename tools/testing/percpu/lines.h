/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lines.h - cache lines that the allocator reads and writes, counted
 */
#ifndef PERCPU_LINES_H
#define PERCPU_LINES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct lines - what was counted
 * @read: lines that an operation reads, the median of all
 * @written: lines that it writes
 * @shared: lines that were written by more than one CPU
 * @moved: writes to a line that another CPU wrote last
 */
struct lines {
	unsigned int read;
	unsigned int written;
	unsigned int shared;
	unsigned long moved;
};

/* What stands for a fence where the compiler instruments for ThreadSanitizer. */
extern int shim_fence_word;

/* Accesses to this, which the kernel does not have, do not count. */
void lines_ignore(const void *start, size_t bytes);
/* Forget everything, and count from now on. */
void lines_begin(void);
/* One more operation begins, on a CPU; only one thread may be in any at a time. */
void lines_operation(unsigned int cpu);
/* Between two operations nothing is counted. */
void lines_pause(void);
struct lines lines_end(void);

#endif /* PERCPU_LINES_H */
