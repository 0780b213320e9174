/* SPDX-License-Identifier: GPL-2.0 */
/*
 * read.h - mapped pages with known contents, and a destination that may fault
 */
#ifndef SHIM_READ_H
#define SHIM_READ_H

#include "vmalloc-internal.h"

#define BASE			0x10000000UL
#define SPACE_PAGES		256UL
#define SPACE_END		(BASE + SPACE_PAGES * PAGE_SIZE)
#define kasan_reset_tag(p)	(p)
#define ZERO_PAGE(addr)		(&zero_page)

struct page {
	u8 bytes[PAGE_SIZE];
};

/* Takes @room bytes, and would fault behind them. */
struct iov_iter {
	u8 *next;
	size_t room;
};

static struct page zero_page;
static struct page pages[SPACE_PAGES];
static bool is_mapped[SPACE_PAGES];

static struct page *vmalloc_to_page(const void *p)
{
	const unsigned long i = ((unsigned long)p - BASE) >> PAGE_SHIFT;

	return i < SPACE_PAGES && is_mapped[i] ? &pages[i] : NULL;
}

static size_t copy_page_to_iter_nofault(const struct page *page, unsigned int offset,
					size_t bytes, struct iov_iter *iter)
{
	bytes = min(bytes, iter->room);
	assert(bytes <= PAGE_SIZE - offset);
	memcpy(iter->next, page->bytes + offset, bytes);
	iter->next += bytes;
	iter->room -= bytes;
	return bytes;
}

#endif /* SHIM_READ_H */
