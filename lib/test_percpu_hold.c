// SPDX-License-Identifier: GPL-2.0
/*
 * Lets processes hold percpu memory, for tests of memory pressure: a process
 * can be charged for it, run into the limit of its cgroup, be killed while it
 * allocates, and gives everything back when it ends, however it does.
 *
 * Each open file of /sys/kernel/debug/test_percpu_hold holds objects of its
 * own. Three words written to it ask for some::
 *
 *	MASK BYTES COUNT
 *
 * MASK is one or more of these words, joined by "+": kernel, nowait, noretry,
 * account. The write fails with ENOMEM at the first object that cannot be had,
 * and with EINTR where the task was killed; what it has until then, it keeps.
 * Every copy of every object has a pattern, which is verified when the file is
 * closed and all its objects are freed. Reading the file gives the figures of
 * the file, and the number of errors found in all of them so far.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#define HOLD_ERRORS_SHOWN	10

/**
 * struct hold_head - the beginning of an object's copy for the first CPU
 * @next: the object that the file held before this one
 * @size_bytes: its size
 * @tag: what its pattern is made of
 *
 * There is no other memory to keep this in when memory has run out.
 */
struct hold_head {
	void __percpu *next;
	u32 size_bytes;
	u32 tag;
};

/**
 * struct holder - an open file
 * @lock: guards all of it
 * @objects: the object that came last
 * @nr_objects: how many there are
 * @nr_bytes: bytes of all their copies
 * @nr_failed: requests that failed
 */
struct holder {
	struct mutex lock;	/* all below */
	void __percpu *objects;
	u64 nr_objects;
	u64 nr_bytes;
	u64 nr_failed;
};

static struct dentry *hold_file;
static atomic_t hold_errors;
static atomic_t hold_tags;

static struct hold_head *hold_head_of(void __percpu *object)
{
	return per_cpu_ptr(object, cpumask_first(cpu_possible_mask));
}

static u8 hold_byte(u32 tag, unsigned int cpu)
{
	return (tag * 31 + cpu * 37) | 1;
}

/* Where the pattern of a CPU's copy begins. */
static size_t hold_offset(unsigned int cpu)
{
	return cpu == cpumask_first(cpu_possible_mask) ? sizeof(struct hold_head) : 0;
}

static void hold_error(const char *what, void __percpu *object, size_t size_bytes,
		       unsigned int cpu)
{
	if (atomic_inc_return(&hold_errors) <= HOLD_ERRORS_SHOWN)
		pr_err("%s: cpu %u, pointer %lx, size %zu\n", what, cpu,
		       (unsigned long)object, size_bytes);
}

static void hold_fill(void __percpu *object, u32 size_bytes, void __percpu *next)
{
	u32 tag = atomic_inc_return(&hold_tags);
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (memchr_inv(per_cpu_ptr(object, cpu), 0, size_bytes))
			hold_error("not zero", object, size_bytes, cpu);
	}
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(object, cpu) + hold_offset(cpu), hold_byte(tag, cpu),
		       size_bytes - hold_offset(cpu));
	*hold_head_of(object) = (struct hold_head){ next, size_bytes, tag };
}

static void hold_verify(void __percpu *object, const struct hold_head *head)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (memchr_inv(per_cpu_ptr(object, cpu) + hold_offset(cpu),
			       hold_byte(head->tag, cpu),
			       head->size_bytes - hold_offset(cpu)))
			hold_error("overwritten", object, head->size_bytes, cpu);
	}
}

static int hold_alloc(struct holder *holder, u32 size_bytes, gfp_t gfp)
{
	void __percpu *object;

	if (fatal_signal_pending(current))
		return -EINTR;
	object = __alloc_percpu_gfp(size_bytes, __alignof__(struct hold_head), gfp);
	if (!object) {
		holder->nr_failed++;
		return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
	}
	hold_fill(object, size_bytes, holder->objects);
	holder->objects = object;
	holder->nr_objects++;
	holder->nr_bytes += (u64)size_bytes * num_possible_cpus();
	return 0;
}

static int hold_mask(char *words, gfp_t *gfp)
{
	char *word;

	*gfp = GFP_NOWAIT;
	while ((word = strsep(&words, "+"))) {
		if (!strcmp(word, "kernel"))
			*gfp |= GFP_KERNEL;
		else if (!strcmp(word, "noretry"))
			*gfp |= GFP_KERNEL | __GFP_NORETRY;
		else if (!strcmp(word, "account"))
			*gfp |= __GFP_ACCOUNT;
		else if (strcmp(word, "nowait"))
			return -EINVAL;
	}
	*gfp |= __GFP_NOWARN;
	return 0;
}

static ssize_t hold_write(struct file *file, const char __user *from, size_t length,
			  loff_t *offset)
{
	struct holder *holder = file->private_data;
	char text[64], words[32];
	u32 size_bytes, count;
	int err = 0;
	gfp_t gfp;

	if (length >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, length))
		return -EFAULT;
	text[length] = 0;
	if (sscanf(text, "%31s %u %u", words, &size_bytes, &count) != 3 ||
	    size_bytes < sizeof(struct hold_head) || size_bytes > PCPU_MIN_UNIT_SIZE)
		return -EINVAL;
	err = hold_mask(words, &gfp);

	guard(mutex)(&holder->lock);
	while (count-- && !err) {
		err = hold_alloc(holder, size_bytes, gfp);
		cond_resched();
	}
	return err ?: length;
}

static ssize_t hold_read(struct file *file, char __user *to, size_t length, loff_t *offset)
{
	struct holder *holder = file->private_data;
	char text[128];
	int n;

	scoped_guard(mutex, &holder->lock)
		n = scnprintf(text, sizeof(text),
			      "objects %llu\nbytes %llu\nfailed %llu\nerrors %d\n",
			      holder->nr_objects, holder->nr_bytes, holder->nr_failed,
			      atomic_read(&hold_errors));
	return simple_read_from_buffer(to, length, offset, text, n);
}

static int hold_open(struct inode *inode, struct file *file)
{
	struct holder *holder = kzalloc_obj(*holder);

	if (!holder)
		return -ENOMEM;
	mutex_init(&holder->lock);
	file->private_data = holder;
	return 0;
}

static int hold_release(struct inode *inode, struct file *file)
{
	struct holder *holder = file->private_data;

	while (holder->objects) {
		void __percpu *object = holder->objects;
		struct hold_head head = *hold_head_of(object);

		hold_verify(object, &head);
		free_percpu(object);
		holder->objects = head.next;
		cond_resched();
	}
	kfree(holder);
	return 0;
}

static const struct file_operations hold_fops = {
	.owner = THIS_MODULE,
	.open = hold_open,
	.read = hold_read,
	.write = hold_write,
	.release = hold_release,
};

static int __init test_percpu_hold_init(void)
{
	hold_file = debugfs_create_file("test_percpu_hold", 0600, NULL, NULL, &hold_fops);
	return PTR_ERR_OR_ZERO(hold_file);
}
module_init(test_percpu_hold_init);

static void __exit test_percpu_hold_exit(void)
{
	debugfs_remove(hold_file);
}
module_exit(test_percpu_hold_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Lets processes hold percpu memory, for tests");
