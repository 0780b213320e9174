// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc-stats.c - what others see of the vmalloc space
 *
 *   /proc/vmallocinfo	every area, then the ranges that wait for a TLB flush
 *   debugfs: vmalloc_stats	how areas fitted into free space, and preloads
 *   vmalloc_dump_obj()	which area an address in a report belongs to
 *
 * Areas are shown under the lock that taking them away needs, and only when they
 * are complete.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vmalloc.h"
#include "vmalloc-internal.h"

/* ---- /proc/vmallocinfo --------------------------------------------------- */

#ifdef CONFIG_PROC_FS
/* Pages whose nodes are looked up under one hold of a lock, which all areas of a segment share. */
#define VMINFO_BATCH	1024UL

/**
 * struct vminfo - a listing in progress
 * @m: where it goes
 * @nr_on_node: room to count pages of an area by node; NULL: not shown
 * @next: addresses below this one are done
 * @va_start: of the area whose pages are counted
 * @vm: of that area
 * @nr_counted: of its pages
 * @counting: there are more
 * @nr_looks: pages looked up since the walk began
 */
struct vminfo {
	struct seq_file *m;
	unsigned int *nr_on_node;
	unsigned long next;
	unsigned long va_start;
	const struct vm_struct *vm;
	unsigned long nr_counted;
	bool counting;
	unsigned long nr_looks;
};

static const struct {
	unsigned long flag;
	const char *word;
} vminfo_words[] = {
	{ VM_IOREMAP, " ioremap" },
	{ VM_SPARSE, " sparse" },
	{ VM_ALLOC, " vmalloc" },
	{ VM_MAP, " vmap" },
	{ VM_USERMAP, " user" },
	{ VM_DMA_COHERENT, " dma-coherent" },
};

/* Complete, and what was stored before can be read. */
static bool vminfo_complete(const struct vm_struct *vm)
{
	if (READ_ONCE(vm->flags) & VM_UNINITIALIZED)
		return false;
	/* Pairs with the barrier in clear_vm_uninitialized_flag(). */
	smp_rmb();
	return true;
}

/*
 * Count some more pages.  The area may have gone meanwhile, or have fewer pages, or
 * another may be in its place: what was counted so far is shown then.
 */
static int vminfo_count(struct vmap_area *va, void *data)
{
	struct vminfo *info = data;
	unsigned long nr, end, step;

	info->counting = false;
	if (va->va_start != info->va_start || va->vm != info->vm || !vminfo_complete(va->vm))
		return 1;
	/* Pairs with vm_give_pages(): there is an array if there are pages. */
	nr = smp_load_acquire(&va->vm->nr_pages);
	step = 1UL << get_vm_area_page_order(va->vm);
	end = min(nr, info->nr_counted + (VMINFO_BATCH - info->nr_looks) * step);
	for (; info->nr_counted < end; info->nr_counted += step, info->nr_looks++)
		info->nr_on_node[page_to_nid(va->vm->pages[info->nr_counted])] += step;
	info->counting = info->nr_counted < nr;
	return 1;
}

static void vminfo_nodes(struct vminfo *info)
{
	int node;

	for_each_node_state(node, N_HIGH_MEMORY)
		if (info->nr_on_node[node])
			seq_printf(info->m, " N%d=%u", node, info->nr_on_node[node]);
}

static void vminfo_vm(const struct vminfo *info, struct vm_struct *vm)
{
	const unsigned long nr_pages = READ_ONCE(vm->nr_pages);
	struct seq_file *m = info->m;
	unsigned int i;

	seq_printf(m, "0x%pK-0x%pK %7lu", vm->addr, vm->addr + vm->size, vm->size);
	if (vm->caller)
		seq_printf(m, " %pS", vm->caller);
	if (nr_pages)
		seq_printf(m, " pages=%lu", nr_pages);
	if (vm->phys_addr)
		seq_printf(m, " phys=%pa", &vm->phys_addr);
	for (i = 0; i < ARRAY_SIZE(vminfo_words); i++)
		if (vm->flags & vminfo_words[i].flag)
			seq_puts(m, vminfo_words[i].word);
	if (is_vmalloc_addr(vm->pages))
		seq_puts(m, " vpages");
}

/* Ends the walk where no more pages can be counted under its lock. */
static int vminfo_area(struct vmap_area *va, void *data)
{
	struct vminfo *info = data;

	info->next = va->va_end;
	if (!va->vm) {
		if (va->flags & VMAP_RAM)
			seq_printf(info->m, "0x%pK-0x%pK %7lu vm_map_ram\n",
				   (void *)va->va_start, (void *)va->va_end,
				   va->va_end - va->va_start);
		return 0;
	}
	if (!vminfo_complete(va->vm))
		return 0;
	vminfo_vm(info, va->vm);
	if (info->nr_on_node) {
		memset(info->nr_on_node, 0, nr_node_ids * sizeof(*info->nr_on_node));
		info->va_start = va->va_start;
		info->vm = va->vm;
		info->nr_counted = 0;
		vminfo_count(va, info);
		if (info->counting)
			return 1;
		vminfo_nodes(info);
	}
	seq_putc(info->m, '\n');
	return 0;
}

static int vminfo_walk(struct vminfo *info, unsigned long addr, vmap_area_fn fn)
{
	info->nr_looks = 0;
	return vmap_space_walk(addr, fn, info);
}

/* The rest of an area, with the lock let go of now and then. */
static void vminfo_finish(struct vminfo *info)
{
	while (info->counting) {
		cond_resched();
		/* No area is there any more? */
		if (!vminfo_walk(info, info->va_start, vminfo_count))
			break;
	}
	vminfo_nodes(info);
	seq_putc(info->m, '\n');
}

static void vminfo_lazy(unsigned long start, unsigned long end, void *data)
{
	const struct vminfo *info = data;

	seq_printf(info->m, "0x%pK-0x%pK %7lu unpurged vm_area\n", (void *)start,
		   (void *)end, end - start);
}

static int vminfo_show(struct seq_file *m, void *unused)
{
	struct vminfo info = { .m = m };

	if (IS_ENABLED(CONFIG_NUMA))
		info.nr_on_node = kmalloc_array(nr_node_ids, sizeof(*info.nr_on_node),
						GFP_KERNEL);
	while (vminfo_walk(&info, info.next, vminfo_area))
		vminfo_finish(&info);
	vmap_space_walk_lazy(vminfo_lazy, &info);
	kfree(info.nr_on_node);
	return 0;
}

static int __init vminfo_init(void)
{
	proc_create_single("vmallocinfo", 0400, NULL, vminfo_show);
	return 0;
}
module_init(vminfo_init);
#endif /* CONFIG_PROC_FS */

/* ---- debugfs ------------------------------------------------------------- */

#ifdef CONFIG_DEBUG_FS
static const char * const vmstats_fits[VMAP_NR_FITS] = {
	[VMAP_FIT_NONE] = "none",
	[VMAP_FIT_EXACT] = "exact",
	[VMAP_FIT_LOW] = "low",
	[VMAP_FIT_HIGH] = "high",
	[VMAP_FIT_MIDDLE] = "middle",
};

static int vmalloc_stats_show(struct seq_file *m, void *unused)
{
	struct vmap_space_stats stats;
	unsigned int i;

	vmap_space_read_stats(&stats);
	for (i = 0; i < VMAP_NR_FITS; i++)
		seq_printf(m, "fit_%s %lu\n", vmstats_fits[i], stats.nr_fits[i]);
	seq_printf(m, "in_segments %lu\n", stats.nr_in_segments);
	seq_printf(m, "segments %lu\n", stats.nr_segments);
	seq_printf(m, "preload_allocs %lu\n", stats.nr_preload_allocs);
	seq_printf(m, "preload_hits %lu\n", stats.nr_preload_hits);
	seq_printf(m, "preload_failures %lu\n", stats.nr_preload_failures);
	seq_printf(m, "purges %lu\n", stats.nr_purges);
	seq_printf(m, "lazy_pages %lu\n", stats.lazy_pages);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vmalloc_stats);

static int __init vmalloc_stats_init(void)
{
	debugfs_create_file("vmalloc_stats", 0444, NULL, NULL, &vmalloc_stats_fops);
	return 0;
}
late_initcall(vmalloc_stats_init);
#endif /* CONFIG_DEBUG_FS */

/* ---- reports ------------------------------------------------------------- */

#ifdef CONFIG_PRINTK
struct vmdump {
	unsigned long nr_pages;
	unsigned long addr;
	const void *caller;
	bool found;
};

static int vmdump_area(struct vmap_area *va, void *data)
{
	struct vmdump *dump = data;

	if (va->vm) {
		dump->found = true;
		dump->addr = (unsigned long)va->vm->addr;
		dump->nr_pages = va->vm->nr_pages;
		dump->caller = va->vm->caller;
	}
	return 1;
}

/**
 * vmalloc_dump_obj() - end a line of a report with the area of an address
 * @object: any address
 *
 * Context: any; where a lock is taken already, it does without.
 * Return: whether something was printed.
 */
bool vmalloc_dump_obj(void *object)
{
	struct vmdump dump = {};

	if (!vmap_space_peek((unsigned long)object, vmdump_area, &dump) || !dump.found)
		return false;
	pr_cont(" %lu-page vmalloc region starting at %#lx allocated at %pS\n",
		dump.nr_pages, dump.addr, dump.caller);
	return true;
}
#endif /* CONFIG_PRINTK */
