// SPDX-License-Identifier: GPL-2.0
/*
 * lines.c - cache lines that the allocator reads and writes, counted
 *
 * mm/percpu*.c are compiled for ThreadSanitizer, which calls a function for each access, but
 * are linked with these functions instead of its own. So it runs at nearly full speed, with
 * 4096 CPUs and in threads, and counts the same each time. What the objects' copies, the stack
 * and the lock take is left out: memset() and shim-sync.c are not compiled so, and locals
 * have no calls.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

#define LINE_BYTES	64
#define TABLE_BITS	16
#define TABLE_LINES	65536U
#define MAX_OPERATIONS	65536
#define MAX_IGNORED	80

/**
 * struct line - a cache line
 * @number: its address in lines, or 0
 * @read_by: the last operation that read it
 * @written_by: the last operation that wrote it
 * @cpu: the CPU that wrote it last, counted from 1
 * @shared: by more than one
 */
static struct line {
	uintptr_t number;
	unsigned int read_by;
	unsigned int written_by;
	unsigned int cpu;
	bool shared;
} table[TABLE_LINES];

static struct {
	unsigned int read, written;
} operations[MAX_OPERATIONS];

static struct {
	uintptr_t start;
	size_t bytes;
} ignored[MAX_IGNORED];

static bool counting;
static unsigned int nr_ignored;
static unsigned int nr_operations, nr_lines, this_cpu;
static struct lines sum;

void lines_ignore(const void *start, size_t bytes)
{
	ignored[nr_ignored].start = (uintptr_t)start;
	ignored[nr_ignored++].bytes = bytes;
}

static bool is_ignored(uintptr_t addr)
{
	unsigned int i;

	for (i = 0; i < nr_ignored; i++) {
		if (addr - ignored[i].start < ignored[i].bytes)
			return true;
	}
	return false;
}

static struct line *line_of(uintptr_t number)
{
	unsigned int i = (number * 0x9e3779b97f4a7c15UL) >> (64 - TABLE_BITS);

	while (table[i].number && table[i].number != number)
		i = (i + 1) % TABLE_LINES;
	if (!table[i].number && ++nr_lines > TABLE_LINES / 2) {
		fprintf(stderr, "lines.c: too many lines\n");
		exit(1);
	}
	table[i].number = number;
	return &table[i];
}

static void count_write(struct line *line)
{
	if (line->cpu && line->cpu != this_cpu + 1) {
		sum.moved++;
		sum.shared += !line->shared;
		line->shared = true;
	}
	line->cpu = this_cpu + 1;
	if (line->written_by == nr_operations)
		return;
	line->written_by = nr_operations;
	operations[nr_operations - 1].written++;
}

static void count(const volatile void *addr, unsigned int bytes, bool reads, bool writes)
{
	uintptr_t number = (uintptr_t)addr / LINE_BYTES;

	if (!counting || is_ignored((uintptr_t)addr))
		return;
	for (; number <= ((uintptr_t)addr + bytes - 1) / LINE_BYTES; number++) {
		struct line *line = line_of(number);

		if (reads && line->read_by != nr_operations) {
			line->read_by = nr_operations;
			operations[nr_operations - 1].read++;
		}
		if (writes)
			count_write(line);
	}
}

void lines_begin(void)
{
	memset(table, 0, sizeof(table));
	memset(operations, 0, sizeof(operations));
	memset(&sum, 0, sizeof(sum));
	nr_operations = 0;
	nr_lines = 0;
}

void lines_operation(unsigned int cpu)
{
	if (++nr_operations > MAX_OPERATIONS) {
		fprintf(stderr, "lines.c: too many operations\n");
		exit(1);
	}
	this_cpu = cpu;
	counting = true;
}

void lines_pause(void)
{
	counting = false;
}

static int compare(const void *a, const void *b)
{
	unsigned int left = *(const unsigned int *)a, right = *(const unsigned int *)b;

	return (left > right) - (left < right);
}

static unsigned int median(const unsigned int *of, unsigned int stride)
{
	static unsigned int sorted[MAX_OPERATIONS];
	unsigned int i;

	for (i = 0; i < nr_operations; i++)
		sorted[i] = of[i * stride];
	qsort(sorted, nr_operations, sizeof(*sorted), compare);
	return sorted[nr_operations / 2];
}

struct lines lines_end(void)
{
	sum.read = median(&operations[0].read, 2);
	sum.written = median(&operations[0].written, 2);
	return sum;
}

/* ---- what the compiler calls ------------------------------------------------------ */

void __tsan_init(void) {}
void __tsan_func_entry(void *pc) {}
void __tsan_func_exit(void) {}

#define PLAIN(bytes)							\
void __tsan_read##bytes(void *p) { count(p, bytes, true, false); }	\
void __tsan_write##bytes(void *p) { count(p, bytes, false, true); }	\
void __tsan_unaligned_read##bytes(void *p) { count(p, bytes, true, false); } \
void __tsan_unaligned_write##bytes(void *p) { count(p, bytes, false, true); }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define CHANGE(bits, name)						\
uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *p,	\
					    uint##bits##_t v, int order) \
{									\
	count(p, bits / 8, true, true);					\
	return __atomic_##name(p, v, __ATOMIC_SEQ_CST);			\
}
#define __atomic_exchange(p, v, order)	__atomic_exchange_n(p, v, order)

/* One that fails has fetched the line for a write, too. */
#define ATOMIC(bits)							\
uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order) \
{									\
	count(p, bits / 8, true, false);				\
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);			\
}									\
void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t v, int order) \
{									\
	count(p, bits / 8, false, true);				\
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);			\
}									\
uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *p, \
		uint##bits##_t old, uint##bits##_t new, int order, int fail_order) \
{									\
	count(p, bits / 8, true, true);					\
	__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	return old;							\
}									\
CHANGE(bits, exchange)							\
CHANGE(bits, fetch_add)							\
CHANGE(bits, fetch_sub)							\
CHANGE(bits, fetch_and)							\
CHANGE(bits, fetch_or)							\
CHANGE(bits, fetch_xor)

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order) {}

/* Those of data_race(), which are accesses all the same. */
void AnnotateIgnoreReadsBegin(const char *file, int line) {}
void AnnotateIgnoreReadsEnd(const char *file, int line) {}
void AnnotateIgnoreWritesBegin(const char *file, int line) {}
void AnnotateIgnoreWritesEnd(const char *file, int line) {}
