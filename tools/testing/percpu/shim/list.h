/* SPDX-License-Identifier: GPL-2.0 */
/*
 * list.h - doubly linked lists and hash chains with the kernel's interface
 *
 * A deleted entry is poisoned, and adding one that is on a list is a bug, so
 * that misuse ends the test.
 */
#ifndef SHIM_LIST_H
#define SHIM_LIST_H

#include "base.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_POISON1		((void *)0x101UL)
#define LIST_POISON2		((void *)0x122UL)
#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

static inline void shim_list_link(struct list_head *entry, struct list_head *prev,
				  struct list_head *next)
{
	SHIM_ASSERT(prev->next == next && next->prev == prev, "list is broken");
	SHIM_ASSERT(entry != prev && entry != next, "entry is on this list already");
	entry->prev = prev;
	entry->next = next;
	next->prev = entry;
	WRITE_ONCE(prev->next, entry);
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	shim_list_link(entry, head, head->next);
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	shim_list_link(entry, head->prev, head);
}

static inline void shim_list_unlink(struct list_head *entry)
{
	SHIM_ASSERT(entry->next != LIST_POISON1, "entry was deleted before");
	SHIM_ASSERT(entry->prev->next == entry && entry->next->prev == entry,
		    "list is broken");
	entry->next->prev = entry->prev;
	WRITE_ONCE(entry->prev->next, entry->next);
}

static inline void __list_del_entry(struct list_head *entry)
{
	shim_list_unlink(entry);
}

static inline void list_del(struct list_head *entry)
{
	shim_list_unlink(entry);
	entry->next = LIST_POISON1;
	entry->prev = LIST_POISON2;
}

static inline void list_del_init(struct list_head *entry)
{
	shim_list_unlink(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	shim_list_unlink(entry);
	list_add(entry, head);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	shim_list_unlink(entry);
	list_add_tail(entry, head);
}

static inline void shim_list_splice(struct list_head *from, struct list_head *prev,
				    struct list_head *next)
{
	if (list_empty(from))
		return;
	from->next->prev = prev;
	prev->next = from->next;
	from->prev->next = next;
	next->prev = from->prev;
}

static inline void list_splice(struct list_head *from, struct list_head *head)
{
	shim_list_splice(from, head, head->next);
}

static inline void list_splice_init(struct list_head *from, struct list_head *head)
{
	shim_list_splice(from, head, head->next);
	INIT_LIST_HEAD(from);
}

static inline void list_splice_tail(struct list_head *from, struct list_head *head)
{
	shim_list_splice(from, head->prev, head);
}

static inline void list_splice_tail_init(struct list_head *from, struct list_head *head)
{
	shim_list_splice(from, head->prev, head);
	INIT_LIST_HEAD(from);
}

static inline void list_rotate_left(struct list_head *head)
{
	if (!list_empty(head))
		list_move_tail(head->next, head);
}

static inline size_t list_count_nodes(struct list_head *head)
{
	const struct list_head *at;
	size_t n = 0;

	for (at = head->next; at != head; at = at->next)
		n++;
	return n;
}

#define list_entry(ptr, type, member)	container_of(ptr, type, member)
#define list_first_entry(head, type, member)				\
	list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)				\
	list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member)			\
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_last_entry_or_null(head, type, member)			\
	(list_empty(head) ? NULL : list_last_entry(head, type, member))
#define list_next_entry(pos, member)					\
	list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_prev_entry(pos, member)					\
	list_entry((pos)->member.prev, __typeof__(*(pos)), member)
#define list_entry_is_head(pos, head, member)	(&(pos)->member == (head))
#define list_is_head(at, head)		((at) == (head))
#define list_is_last(at, head)		((at)->next == (head))
#define list_is_first(at, head)		((at)->prev == (head))
#define list_for_each(at, head)						\
	for (at = (head)->next; at != (head); at = at->next)
#define list_for_each_entry(pos, head, member)				\
	for (pos = list_first_entry(head, __typeof__(*pos), member);	\
	     !list_entry_is_head(pos, head, member);			\
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_reverse(pos, head, member)			\
	for (pos = list_last_entry(head, __typeof__(*pos), member);	\
	     !list_entry_is_head(pos, head, member);			\
	     pos = list_prev_entry(pos, member))
#define list_for_each_entry_safe(pos, ahead, head, member)		\
	for (pos = list_first_entry(head, __typeof__(*pos), member),	\
	     ahead = list_next_entry(pos, member);			\
	     !list_entry_is_head(pos, head, member);			\
	     pos = ahead, ahead = list_next_entry(ahead, member))
#define list_for_each_entry_safe_reverse(pos, ahead, head, member)	\
	for (pos = list_last_entry(head, __typeof__(*pos), member),	\
	     ahead = list_prev_entry(pos, member);			\
	     !list_entry_is_head(pos, head, member);			\
	     pos = ahead, ahead = list_prev_entry(ahead, member))
#define list_for_each_entry_from(pos, head, member)			\
	for (; !list_entry_is_head(pos, head, member);			\
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_continue(pos, head, member)			\
	for (pos = list_next_entry(pos, member);			\
	     !list_entry_is_head(pos, head, member);			\
	     pos = list_next_entry(pos, member))

/* ---- hash chains, with readers under RCU -------------------------------- */

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

#define HLIST_HEAD_INIT			{ NULL }
#define INIT_HLIST_HEAD(head)		((head)->first = NULL)

static inline void INIT_HLIST_NODE(struct hlist_node *node)
{
	node->next = NULL;
	node->pprev = NULL;
}

static inline bool hlist_unhashed(const struct hlist_node *node)
{
	return !node->pprev;
}

static inline bool hlist_empty(const struct hlist_head *head)
{
	return !READ_ONCE(head->first);
}

static inline void hlist_add_head_rcu(struct hlist_node *node, struct hlist_head *head)
{
	struct hlist_node *first = head->first;

	node->next = first;
	WRITE_ONCE(node->pprev, &head->first);
	smp_store_release(&head->first, node);
	if (first)
		WRITE_ONCE(first->pprev, &node->next);
}

#define hlist_add_head		hlist_add_head_rcu

static inline void shim_hlist_unlink(struct hlist_node *node)
{
	struct hlist_node *next = node->next;

	SHIM_ASSERT(*node->pprev == node, "hash chain is broken");
	WRITE_ONCE(*node->pprev, next);
	if (next)
		WRITE_ONCE(next->pprev, node->pprev);
}

/* Readers may stand on it, so its next stays. */
static inline void hlist_del_rcu(struct hlist_node *node)
{
	shim_hlist_unlink(node);
	WRITE_ONCE(node->pprev, LIST_POISON2);
}

static inline void hlist_del_init_rcu(struct hlist_node *node)
{
	if (hlist_unhashed(node))
		return;
	shim_hlist_unlink(node);
	WRITE_ONCE(node->pprev, NULL);
}

#define hlist_del_init		hlist_del_init_rcu

#define SHIM_HLIST_ENTRY(ptr, type, member)				\
({									\
	struct hlist_node *__node = (ptr);				\
	__node ? container_of(__node, type, member) : NULL;		\
})
#define hlist_entry(ptr, type, member)	container_of(ptr, type, member)
#define hlist_for_each_entry(pos, head, member)				\
	for (pos = SHIM_HLIST_ENTRY((head)->first, __typeof__(*pos), member); pos; \
	     pos = SHIM_HLIST_ENTRY(pos->member.next, __typeof__(*pos), member))
void shim_assert_reader(void);
/* Load, and let others run: what was loaded must stay until the reader is done. */
struct hlist_node *shim_rcu_load(struct hlist_node **node);
#define hlist_for_each_entry_rcu(pos, head, member, ...)		\
	for (pos = SHIM_HLIST_ENTRY(shim_rcu_load(&(head)->first),	\
				    __typeof__(*pos), member); pos;	\
	     pos = SHIM_HLIST_ENTRY(shim_rcu_load(&pos->member.next),	\
				    __typeof__(*pos), member))

/* ---- lockless lists: many add, one takes all ------------------------------------ */

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

static inline bool llist_empty(const struct llist_head *head)
{
	return !READ_ONCE(head->first);
}

static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	struct llist_node *first;

	do {
		first = READ_ONCE(head->first);
		WRITE_ONCE(node->next, first);
	} while (cmpxchg(&head->first, first, node) != first);
	return !first;
}

static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	return xchg(&head->first, NULL);
}

/* The body may list @pos again. */
#define llist_for_each_entry_safe(pos, ahead, node, member)			\
	for (struct llist_node *__left = (node);				\
	     __left && ((pos) = container_of(__left, typeof(*(pos)), member),	\
			(ahead) = NULL, __left = __left->next, true);)

#endif /* SHIM_LIST_H */
