/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seq.h - sequence files in debugfs, written into memory
 *
 * sim_read_file() in sim.h reads them.
 */
#ifndef SHIM_SEQ_H
#define SHIM_SEQ_H

#include <sys/types.h>

struct dentry;
struct inode {
	void *i_private;
};

struct file {
	void *private_data;
};

struct seq_operations;

/**
 * struct seq_file - a file that is being read
 * @private: the file's own
 * @op: what makes the text
 * @text: all of it so far
 * @nr_bytes: its length, without the terminating 0
 */
struct seq_file {
	void *private;
	const struct seq_operations *op;
	char *text;
	size_t nr_bytes;
};

struct seq_operations {
	void *(*start)(struct seq_file *m, loff_t *pos);
	void (*stop)(struct seq_file *m, void *item);
	void *(*next)(struct seq_file *m, void *item, loff_t *pos);
	int (*show)(struct seq_file *m, void *item);
};

struct file_operations {
	int (*open)(struct inode *inode, struct file *file);
	ssize_t (*read)(struct file *file, char *buffer, size_t size, loff_t *pos);
	loff_t (*llseek)(struct file *file, loff_t offset, int whence);
	int (*release)(struct inode *inode, struct file *file);
};

#define SEQ_START_TOKEN		((void *)1)

__printf(2, 3) void seq_printf(struct seq_file *m, const char *format, ...);
#define seq_puts(m, text)	seq_printf(m, "%s", text)
#define seq_putc(m, c)		seq_printf(m, "%c", c)
int seq_open(struct file *file, const struct seq_operations *op);
int seq_release(struct inode *inode, struct file *file);
int single_open(struct file *file, int (*show)(struct seq_file *m, void *item), void *data);
int single_release(struct inode *inode, struct file *file);
#define seq_read		NULL
#define seq_lseek		NULL

#define DEFINE_SHOW_ATTRIBUTE(name)					\
	static int name##_open(struct inode *inode, struct file *file)	\
	{								\
		return single_open(file, name##_show, inode->i_private); \
	}								\
	static const struct file_operations name##_fops = {		\
		.open = name##_open, .read = seq_read,			\
		.llseek = seq_lseek, .release = single_release,		\
	}

void debugfs_create_file(const char *name, unsigned short mode, struct dentry *parent, void *data,
			 const struct file_operations *fops);

#endif /* SHIM_SEQ_H */
