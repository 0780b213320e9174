// SPDX-License-Identifier: GPL-2.0
/*
 * test-read.c - mm/vmalloc-read.c over areas of every kind
 *
 * A random row of areas, with holes between them, is read from random addresses.
 * Each byte must be what the kind of its area says, and a destination that would
 * fault makes the read short by that and no more.
 */
#include "shim/read.h"
#include "vmalloc-read.c"

enum kind {
	ALLOC,		/* readable */
	SHRUNK,		/* the same, the last page was given back */
	IOREMAP,
	SPARSE,
	UNFINISHED,
	RAM,		/* vm_map_ram() with an area of its own */
	BLOCK,		/* one of its blocks: every other pair of pages is live */
	FREED,		/* belongs to nobody */
	NR_KINDS,
};

#define MAX_AREAS	64

static struct vmap_area areas[MAX_AREAS];
static struct vm_struct vms[MAX_AREAS];
static unsigned int nr_areas;
static u8 expected[SPACE_PAGES * PAGE_SIZE];

static void make_area(unsigned long first, unsigned long nr, enum kind kind)
{
	static const unsigned long flags[NR_KINDS] = {
		[ALLOC] = VM_ALLOC, [SHRUNK] = VM_ALLOC, [IOREMAP] = VM_IOREMAP,
		[SPARSE] = VM_SPARSE, [UNFINISHED] = VM_ALLOC | VM_UNINITIALIZED,
	};
	const unsigned long readable = kind == SHRUNK ? nr - 1 : nr;
	const bool shows = kind == ALLOC || kind == SHRUNK || kind == RAM || kind == BLOCK;
	struct vmap_area *va = &areas[nr_areas];
	struct vm_struct *vm = &vms[nr_areas++];
	unsigned long i;

	*va = (struct vmap_area) {
		.va_start = BASE + first * PAGE_SIZE,
		.va_end = BASE + (first + nr + 1) * PAGE_SIZE,
	};
	*vm = (struct vm_struct) {
		.addr = (void *)va->va_start,
		.size = va->va_end - va->va_start,
		.flags = flags[kind],
		.nr_pages = flags[kind] & VM_ALLOC ? readable : 0,
	};
	if (kind == RAM || kind == BLOCK)
		va->flags = kind == RAM ? VMAP_RAM : VMAP_RAM | VMAP_BLOCK;
	else if (kind != FREED)
		va->vm = vm;
	for (i = first; i < first + nr; i++) {
		is_mapped[i] = i < first + readable;
		if (shows && is_mapped[i] && (kind != BLOCK || !((i - first) & 2)))
			memcpy(expected + i * PAGE_SIZE, pages[i].bytes, PAGE_SIZE);
	}
}

int vmap_space_walk(unsigned long addr, vmap_area_fn fn, void *data)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr_areas && !ret; i++)
		if (areas[i].va_end > addr)
			ret = fn(&areas[i], data);
	return ret;
}

int vmap_ram_visit_live(unsigned long addr, vmap_live_fn fn, void *data)
{
	const struct vmap_area *va = areas;
	unsigned long start;
	int ret = 0;

	while (va->va_start != addr)
		va++;
	for (start = addr; start < va->va_end && !ret; start += 4 * PAGE_SIZE)
		ret = fn(start, min(start + 2 * PAGE_SIZE, va->va_end), data);
	return ret;
}

static void make_space(void)
{
	unsigned long at = rand() % 4, nr;

	memset(is_mapped, 0, sizeof(is_mapped));
	memset(expected, 0, sizeof(expected));
	nr_areas = 0;
	for (;;) {
		nr = 2 + rand() % 9;
		if (at + nr + 1 > SPACE_PAGES || nr_areas == MAX_AREAS)
			return;
		make_area(at, nr, rand() % NR_KINDS);
		at += nr + 1 + rand() % 3 * (rand() % 4);
	}
}

static void read_once(void)
{
	static u8 buffer[sizeof(expected)];
	const unsigned long at = rand() % sizeof(expected);
	const size_t most = sizeof(expected) - at;
	const size_t bytes = rand() % 3 ? rand() % (most + 1) : min(most, PAGE_SIZE);
	struct iov_iter iter = {
		.next = buffer,
		.room = rand() % 3 ? bytes : rand() % (bytes + 1),
	};
	const size_t room = iter.room;
	size_t done = vread_iter(&iter, (char *)BASE + at, bytes);

	assert(done == room && iter.next == buffer + done);
	assert(!memcmp(buffer, expected + at, done));
}

int main(int argc, char **argv)
{
	unsigned long i, byte;
	struct iov_iter iter;
	u8 last[16];

	srand(argc > 1 ? atoi(argv[1]) : 1);
	for (i = 0; i < SPACE_PAGES; i++)
		for (byte = 0; byte < PAGE_SIZE; byte++)
			pages[i].bytes[byte] = 1 + (i * 7 + byte) % 255;
	for (i = 0; i < 4000; i++) {
		if (i % 20 == 0)
			make_space();
		read_once();
	}
	/* At the end of all addresses nothing wraps around. */
	iter = (struct iov_iter) { .next = last, .room = sizeof(last) };
	assert(vread_iter(&iter, (char *)ULONG_MAX - 3, sizeof(last)) == 3);
	printf("read: %lu reads\n", i);
	return 0;
}
