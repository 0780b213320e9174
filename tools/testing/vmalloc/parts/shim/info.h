/* SPDX-License-Identifier: GPL-2.0 */
/*
 * info.h - a seq_file that is a string, pages with nodes, walks over a few areas
 */
#ifndef SHIM_INFO_H
#define SHIM_INFO_H

#include <stdarg.h>
#include "vmalloc-internal.h"

#define CONFIG_PROC_FS		1
#define CONFIG_PRINTK		1
#define CONFIG_NUMA		1
#define NR_NODES		2
#define GFP_KERNEL		0
#define N_HIGH_MEMORY		0
#define nr_node_ids		NR_NODES
#define for_each_node_state(node, state) for ((node) = 0; (node) < NR_NODES; (node)++)
#define is_vmalloc_addr(p)	false
#define kmalloc_array(n, bytes, gfp) calloc(n, bytes)
#define kfree(p)		free(p)
#define proc_create_single(name, mode, parent, show) ((void)0)
#define module_init(fn)		static void *shim_init_##fn __attribute__((unused)) = fn

struct page {
	int node;
};

struct seq_file {
	char text[4096];
	size_t used;
};

static void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	m->used += vsnprintf(m->text + m->used, sizeof(m->text) - m->used, fmt, args);
	va_end(args);
	assert(m->used < sizeof(m->text));
}

#define seq_puts(m, s)		seq_printf(m, "%s", s)
#define seq_putc(m, c)		seq_printf(m, "%c", c)

static struct seq_file shim_log;
#define pr_cont(...)		seq_printf(&shim_log, __VA_ARGS__)

/* How many pages were looked at since the lock was taken. */
static unsigned long shim_nr_looks;

static int page_to_nid(const struct page *page)
{
	assert(shim_nr_spinlocks);
	shim_nr_looks++;
	return page->node;
}

static unsigned int get_vm_area_page_order(struct vm_struct *vm)
{
	return vm->page_order;
}

#endif /* SHIM_INFO_H */
