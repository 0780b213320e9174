// SPDX-License-Identifier: GPL-2.0
/*
 * shim-seq.c - sequence files in debugfs, written into memory
 */
#include "sim.h"

/* ---- text ------------------------------------------------------------------- */

void seq_printf(struct seq_file *m, const char *format, ...)
{
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(NULL, 0, format, args);
	va_end(args);
	m->text = realloc(m->text, m->nr_bytes + more + 1);
	SHIM_ASSERT(m->text, "out of memory");
	va_start(args, format);
	vsnprintf(m->text + m->nr_bytes, more + 1, format, args);
	va_end(args);
	m->nr_bytes += more;
}

/* ---- files -------------------------------------------------------------------- */

int seq_open(struct file *file, const struct seq_operations *op)
{
	struct seq_file *m = calloc(1, sizeof(*m));

	SHIM_ASSERT(m, "out of memory");
	m->op = op;
	file->private_data = m;
	return 0;
}

/* The text stays with sim_read_file(). */
int seq_release(struct inode *inode, struct file *file)
{
	free(file->private_data);
	return 0;
}

static void *single_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? NULL : SEQ_START_TOKEN;
}

static void *single_next(struct seq_file *m, void *item, loff_t *pos)
{
	++*pos;
	return NULL;
}

static void single_stop(struct seq_file *m, void *item)
{
}

/* One of them is open at a time. */
static struct seq_operations single_op = {
	.start = single_start, .next = single_next, .stop = single_stop,
};

int single_open(struct file *file, int (*show)(struct seq_file *m, void *item), void *data)
{
	single_op.show = show;
	seq_open(file, &single_op);
	((struct seq_file *)file->private_data)->private = data;
	return 0;
}

int single_release(struct inode *inode, struct file *file)
{
	return seq_release(inode, file);
}

/* ---- debugfs -------------------------------------------------------------------- */

static struct {
	const char *name;
	const struct file_operations *fops;
} files[4];

void debugfs_create_file(const char *name, unsigned short mode, struct dentry *parent, void *data,
			 const struct file_operations *fops)
{
	unsigned int i = 0;

	while (files[i].name && strcmp(files[i].name, name))
		SHIM_ASSERT(++i < ARRAY_SIZE(files), "too many files");
	files[i].name = name;
	files[i].fops = fops;
}

static char *read_all(const struct file_operations *fops)
{
	struct inode inode = {};
	struct file file = {};
	struct seq_file *m;
	loff_t pos = 0;
	void *item;
	char *text;
	int err;

	current->reading = true;
	err = fops->open(&inode, &file);
	SHIM_ASSERT(!err, "open failed: %d", err);
	m = file.private_data;
	for (item = m->op->start(m, &pos); item && !err; item = m->op->next(m, item, &pos))
		err = m->op->show(m, item);
	m->op->stop(m, item);
	SHIM_ASSERT(!err, "show failed: %d", err);
	text = m->text;
	fops->release(&inode, &file);
	current->reading = false;
	return text;
}

extern int (*shim_initcall_pcpu_stats_init)(void);
extern int (*shim_initcall_pcpu_sizes_init)(void);

char *sim_read_file(const char *name)
{
	unsigned int i;

	shim_initcall_pcpu_stats_init();
	shim_initcall_pcpu_sizes_init();
	for (i = 0; i < ARRAY_SIZE(files) && files[i].name; i++)
		if (!strcmp(files[i].name, name))
			return read_all(files[i].fops);
	return NULL;
}
