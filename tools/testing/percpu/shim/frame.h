/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame.h - what a test is; those of vmalloc are such, too
 *
 * Each test runs in a process of its own, so a crash, a BUG or a sanitizer's
 * report fails that test alone.
 */
#ifndef SHIM_FRAME_H
#define SHIM_FRAME_H

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);

/* TEST(name) { ... } */
#define TEST(fn)							\
	static void fn(void);						\
	static struct test test_##fn = { .name = #fn, .run = fn };	\
	__attribute__((constructor)) static void register_##fn(void)	\
	{								\
		test_register(&test_##fn);				\
	}								\
	static void fn(void)

#define EXPECT(cond)		SHIM_ASSERT(cond, "expected %s", #cond)
#define EXPECT_EQ(a, b)							\
	do {								\
		long long __x = (long long)(a), __y = (long long)(b);	\
									\
		SHIM_ASSERT(__x == __y, "expected %s == %s, have %lld and %lld", \
			    #a, #b, __x, __y);				\
	} while (0)

/* Loops scale with the environment's SCALE, in percent. */
unsigned int test_scaled(unsigned int n);

#endif /* SHIM_FRAME_H */
