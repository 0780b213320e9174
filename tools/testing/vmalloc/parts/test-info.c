// SPDX-License-Identifier: GPL-2.0
/*
 * test-info.c - /proc/vmallocinfo of mm/vmalloc-stats.c, and large areas in it
 *
 * The nodes of all pages are counted, but no lock is held for more than some of them,
 * of one area or of many; meanwhile the area may shrink, go, or be another one.
 */
#include "shim/info.h"

static void meanwhile(void);
#undef cond_resched
#define cond_resched()		meanwhile()
#include "vmalloc-stats.c"

#define MOST_LOOKS	1024
#define LARGE_PAGES	10000UL

static struct page pages[LARGE_PAGES];
static struct page *array[LARGE_PAGES];
static struct vm_struct vms[3];
static struct vmap_area areas[3];
static spinlock_t lock;
static void (*change)(void);
static unsigned int nr_yields;

static void meanwhile(void)
{
	might_sleep();
	if (++nr_yields == 3 && change)
		change();
}

int vmap_space_walk(unsigned long addr, vmap_area_fn fn, void *data)
{
	unsigned int i;
	int ret = 0;

	/* As in a segment: one hold for all of them. */
	guard(spinlock)(&lock);
	shim_nr_looks = 0;
	for (i = 0; i < ARRAY_SIZE(areas) && !ret; i++) {
		if (areas[i].va_end > addr)
			ret = fn(&areas[i], data);
		assert(shim_nr_looks <= MOST_LOOKS);
	}
	return ret;
}

void vmap_space_walk_lazy(vmap_lazy_fn fn, void *data)
{
}

static void make_area(unsigned int i, unsigned long nr)
{
	vms[i] = (struct vm_struct) {
		.addr = (void *)((i + 1UL) << 28), .size = (nr + 1) << PAGE_SHIFT,
		.flags = VM_ALLOC, .pages = array, .nr_pages = nr,
	};
	areas[i] = (struct vmap_area) {
		.va_start = (i + 1UL) << 28, .vm = &vms[i],
		.va_end = ((i + 1UL) << 28) + vms[i].size,
	};
}

/* The line of the second area, or part of it. */
static bool shows(unsigned int order, const char *words, void (*fn)(void))
{
	struct seq_file m = { };
	unsigned int lines = 0;
	const char *at;

	make_area(0, 3);
	make_area(1, LARGE_PAGES);
	make_area(2, 1500);
	vms[1].page_order = order;
	change = fn;
	nr_yields = 0;
	vminfo_show(&m, NULL);
	for (at = m.text; *at; at++)
		lines += *at == '\n';
	assert(strstr(m.text, " pages=3 vmalloc N0=3\n"));
	assert(strstr(m.text, " pages=1500 vmalloc N0=1500\n") || fn);
	assert(lines == 3);
	return strstr(m.text, words);
}

/* Each of them may be counted in one hold, but not all; nor the next, where one fills it. */
static void test_many(unsigned long nr)
{
	const char *line = " pages=%lu vmalloc N0=%lu\n";
	struct seq_file m = { };
	char text[64], *at = m.text;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(areas); i++)
		make_area(i, nr);
	snprintf(text, sizeof(text), line, nr, nr);
	change = NULL;
	nr_yields = 0;
	vminfo_show(&m, NULL);
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		at = strstr(at, text);
		assert(at++);
	}
	assert(!strstr(at, text) && nr_yields);
}

static bool peeks;	/* nobody has the lock */

bool vmap_space_peek(unsigned long addr, vmap_area_fn fn, void *data)
{
	guard(spinlock)(&lock);
	if (peeks)
		fn(&areas[0], data);
	return peeks;
}

/* A report ends with the area of an address; of an area without a vm_struct it says nothing. */
static void test_dump(void)
{
	const void *p = (void *)areas[0].va_start;

	make_area(0, 3);
	assert(!vmalloc_dump_obj((void *)p));
	peeks = true;
	areas[0].vm = NULL;
	assert(!vmalloc_dump_obj((void *)p) && !shim_log.used);
	make_area(0, 3);
	assert(vmalloc_dump_obj((void *)p));
	assert(strstr(shim_log.text, " 3-page vmalloc region starting at 0x10000000 allocated at"));
}

static void shrink(void)
{
	vms[1].nr_pages = 10;
}

static void replace(void)
{
	vms[1] = (struct vm_struct) { .flags = VM_UNINITIALIZED, .nr_pages = LARGE_PAGES };
}

static void take_away(void)
{
	areas[1] = areas[2];
}

int main(int argc, char **argv)
{
	unsigned long i;

	for (i = 0; i < LARGE_PAGES; i++) {
		pages[i].node = i >= 6000;
		array[i] = &pages[i];
	}
	assert(shows(0, " pages=10000 vmalloc N0=6000 N1=4000\n", NULL));
	assert(nr_yields > 5);
	assert(shows(3, " pages=10000 vmalloc N0=6000 N1=4000\n", NULL));
	/* What was counted until then, beside the three pages of the area before it. */
	assert(shows(0, " pages=10000 vmalloc N0=3069\n", shrink));
	assert(shows(0, " pages=10000 vmalloc N0=3069\n", replace));
	assert(shows(0, " pages=10000 vmalloc N0=3069\n", take_away));
	test_many(900);
	test_many(MOST_LOOKS);
	test_dump();
	printf("info: %u yields\n", nr_yields);
	return 0;
}
