// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-fault.c - fail_percpu: let percpu requests fail on purpose
 *
 * So that callers' error paths can be tried.  The door asks here before it does
 * anything for a request, so an injected failure is one like any other to its
 * caller, also where an area was at hand.  What the files in debugfs, the boot
 * parameter and /proc/<pid>/fail-nth mean is told in
 * Documentation/fault-injection/fault-injection.rst.
 *
 * Calls the fault injection framework.  No locks; works in any context.
 */
#include "percpu-internal.h"

#include <linux/fault-inject.h>

static struct {
	struct fault_attr attr;
	bool ignore_gfp_wait;
	u32 min_bytes;
} fail_percpu = {
	.attr = FAULT_ATTR_INITIALIZER,
};

/**
 * pcpu_should_fail - is this request to fail, because somebody wants to see that
 * @want: the request
 *
 * Before the scheduler runs no request does: callers rely on those.
 *
 * Context: any.
 * Return: true if so; it was traced, and told in the log unless __GFP_NOWARN
 */
bool pcpu_should_fail(const struct pcpu_want *want)
{
	bool may_block = gfpflags_allow_blocking(want->gfp);
	unsigned int size_bytes = pcpu_want_object_bytes(want);

	if (system_state < SYSTEM_SCHEDULING || size_bytes < fail_percpu.min_bytes ||
	    (may_block && fail_percpu.ignore_gfp_wait))
		return false;
	if (likely(!should_fail_ex(&fail_percpu.attr, size_bytes,
				   want->gfp & __GFP_NOWARN ? FAULT_NOWARN : 0)))
		return false;
	trace_percpu_alloc_percpu_fail(want->reserved, !may_block, size_bytes,
				       want->align_bytes);
	return true;
}

static char *pcpu_fault_text __initdata;

static int __init pcpu_fault_setup(char *text)
{
	pcpu_fault_text = text;
	return 1;
}
__setup("fail_percpu=", pcpu_fault_setup);

/* Not as soon as it is found: random numbers for it take memory and a work item. */
static int __init pcpu_fault_begin(void)
{
	if (pcpu_fault_text)
		setup_fault_attr(&fail_percpu.attr, pcpu_fault_text);
	return 0;
}
early_initcall(pcpu_fault_begin);

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static int __init pcpu_fault_init(void)
{
	struct dentry *dir = fault_create_debugfs_attr("fail_percpu", NULL, &fail_percpu.attr);

	if (IS_ERR(dir))
		return PTR_ERR(dir);
	debugfs_create_bool("ignore-gfp-wait", 0600, dir, &fail_percpu.ignore_gfp_wait);
	debugfs_create_u32("min-size", 0600, dir, &fail_percpu.min_bytes);
	return 0;
}
late_initcall(pcpu_fault_init);
#endif
