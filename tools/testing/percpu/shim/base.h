/* SPDX-License-Identifier: GPL-2.0 */
/*
 * base.h - the C dialect of the kernel: types, attributes, arithmetic, warnings
 */
#ifndef SHIM_BASE_H
#define SHIM_BASE_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
typedef unsigned int gfp_t;
typedef unsigned long phys_addr_t;
typedef unsigned int fmode_t;

#ifndef EINVAL
#error "errno.h lacks EINVAL"
#endif
#define ERESTARTSYS	512

/* ---- attributes ------------------------------------------------------- */

#define __percpu
#define __force
#define __user
#define __rcu
#define __iomem
#define __init
#define __initdata
#define __initconst
#define __meminit
#define __ref
#define __refdata
#define __ro_after_init
#define __read_mostly
#define __cold
#define __bitwise
#define __kprobes
#define notrace
#define asmlinkage
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __guarded_by(x)
#define __cacheline_aligned
#define ____cacheline_aligned
#define ____cacheline_aligned_in_smp
#define __aligned(x)		__attribute__((aligned(x)))
#define __packed		__attribute__((packed))
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define noinline		__attribute__((noinline))
#define __uninitialized		__attribute__((__uninitialized__))
#define __weak			__attribute__((weak))
#define __used			__attribute__((used))
#define __maybe_unused		__attribute__((unused))
#define __always_unused		__attribute__((unused))
#define __must_check		__attribute__((warn_unused_result))
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#define __alloc_size(x, ...)
#define __malloc
#define __noreturn		__attribute__((noreturn))
#define fallthrough		__attribute__((fallthrough))
#define __cleanup(fn)		__attribute__((cleanup(fn)))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)

#define EXPORT_SYMBOL(sym)	extern int shim_unused_##sym
#define EXPORT_SYMBOL_GPL(sym)	extern int shim_unused_##sym
#define VISIBLE_IF_KUNIT
#define EXPORT_SYMBOL_IF_KUNIT(sym) extern int shim_unused_##sym
#define MODULE_DESCRIPTION(text) extern int shim_unused_description
#define subsys_initcall(fn)	int (*shim_initcall_##fn)(void) = fn
#define late_initcall(fn)	int (*shim_initcall_##fn)(void) = fn
#define early_param(name, fn)	int (*shim_param_##fn)(char *) = fn

/* 1 where @option is defined as 1, else 0. */
#define SHIM_PLACE_1			0,
#define SHIM_SECOND(first, second, ...)	second
#define SHIM_IS_SET_2(placed)		SHIM_SECOND(placed 1, 0, 0)
#define SHIM_IS_SET_1(value)		SHIM_IS_SET_2(SHIM_PLACE_##value)
#define SHIM_IS_SET(value)		SHIM_IS_SET_1(value)
#define IS_ENABLED(option)		SHIM_IS_SET(option)
#define IS_BUILTIN(option)		SHIM_IS_SET(option)

/* ---- memory model ------------------------------------------------------ */

/*
 * An NMI may come here, where a test wants one: around each marked store, atomic
 * operation, bit that is set or cleared, and lock that is taken, tried or released.
 */
#ifdef SHIM_NMI
extern void (*sim_on_nmi)(void);
void shim_nmi_enter(void);
static inline void shim_nmi(void)
{
	if (__builtin_expect(!!sim_on_nmi, 0))
		shim_nmi_enter();
}
#else
static inline void shim_nmi(void)
{
}
#endif

#define barrier()		__asm__ __volatile__("" ::: "memory")
/* What is stored may have been read before an NMI that comes in just before. */
#define SHIM_STORE(p, v, order)						\
	do {								\
		__typeof__(*(p)) __stored = (v);			\
									\
		shim_nmi();						\
		__atomic_store_n(p, __stored, order);			\
		shim_nmi();						\
	} while (0)
#define WRITE_ONCE(x, value)	SHIM_STORE(&(x), value, __ATOMIC_RELAXED)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	SHIM_STORE(p, v, __ATOMIC_RELEASE)
#define OPTIMIZER_HIDE_VAR(var)	__asm__("" : "=r" (var) : "0" (var))
#define prefetchw(p)		__builtin_prefetch(p, 1)
#define smp_mb()		shim_fence()
#define smp_rmb()		shim_fence()
#define smp_wmb()		shim_fence()
#define smp_mb__before_atomic()	shim_fence()
#define smp_mb__after_atomic()	shim_fence()
/* Not less than a word: arc, hexagon and sparc32 cannot exchange a byte. */
#define shim_assert_xchg(p)						\
	_Static_assert(sizeof(*(p)) >= 4, "xchg() of " #p)
#define xchg(p, v)							\
({									\
	shim_assert_xchg(p);						\
	shim_nmi();							\
	__auto_type __was = __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); \
	shim_nmi();							\
	__was;								\
})
/* Others may come in just before and just after. */
void shim_preempt(void);
/* Not where instructions are counted: they are to be the allocator's. */
#ifdef SHIM_COUNT_HOLDS
#define shim_others()		((void)0)
#else
#define shim_others()		shim_preempt()
#endif
#define cmpxchg(p, old, new)						\
({									\
	__auto_type __old = (old);					\
									\
	shim_others();							\
	shim_nmi();							\
	__atomic_compare_exchange_n(p, &__old, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	shim_nmi();							\
	shim_others();							\
	__old;								\
})
#define try_cmpxchg(p, old, new)					\
({									\
	bool __done;							\
									\
	shim_others();							\
	shim_nmi();							\
	__done = __atomic_compare_exchange_n(p, old, new, false,	\
					     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	shim_nmi();							\
	shim_others();							\
	__done;								\
})

#if defined(__SANITIZE_THREAD__)
#define SHIM_TSAN	1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHIM_TSAN	1
#endif
#endif

#ifdef SHIM_TSAN
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define data_race(expr)							\
({									\
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);			\
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);			\
	__auto_type __value = (expr);					\
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);			\
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);			\
	__value;							\
})
/* As KCSAN does by default: marked reads may meet plain writes under a lock. */
#define READ_ONCE(x)		data_race(__atomic_load_n(&(x), __ATOMIC_RELAXED))
/* TSan does not model fences: an exchange on one shared word orders as much. */
extern int shim_fence_word;
static inline void shim_fence(void)
{
	__atomic_fetch_add(&shim_fence_word, 1, __ATOMIC_SEQ_CST);
}
#else
#define data_race(expr)		(expr)
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
static inline void shim_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif
#define ASSERT_EXCLUSIVE_WRITER(var)	((void)(var))
#define ASSERT_EXCLUSIVE_ACCESS(var)	((void)(var))

/* ---- arithmetic -------------------------------------------------------- */

#define BITS_PER_LONG		__LONG_WIDTH__
#define BITS_PER_BYTE		8
#define BITS_PER_TYPE(type)	(sizeof(type) * 8)
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define BIT_WORD(n)		((n) / BITS_PER_LONG)
#define BIT_MASK(n)		(1UL << ((n) % BITS_PER_LONG))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define GENMASK(high, low)	((~0UL << (low)) & (~0UL >> (BITS_PER_LONG - 1 - (high))))
#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)
#define static_assert(cond, ...) _Static_assert(cond, #cond)
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))
#define struct_size(ptr, member, count)					\
	(sizeof(*(ptr)) + sizeof((ptr)->member[0]) * (count))
#define struct_size_t(type, member, count)				\
	(sizeof(type) + sizeof(((type *)0)->member[0]) * (count))

#define __ALIGN_MASK(x, mask)	(((x) + (mask)) & ~(mask))
#define ALIGN(x, a)		__ALIGN_MASK(x, (__typeof__(x))(a) - 1)
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define PTR_ALIGN(p, a)		((__typeof__(p))ALIGN((unsigned long)(p), (a)))
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define round_up(x, y)		ALIGN(x, y)
#define round_down(x, y)	ALIGN_DOWN(x, y)
#define roundup(x, y)		((((x) + (y) - 1) / (y)) * (y))
#define rounddown(x, y)		((x) - (x) % (y))
#define DIV_ROUND_UP(x, y)	(((x) + (y) - 1) / (y))
#define DIV_ROUND_CLOSEST(x, y)	(((x) + (y) / 2) / (y))
#define mult_frac(x, n, d)	((x) / (d) * (n) + (x) % (d) * (n) / (d))

#define SHIM_PICK(a, op, b)						\
({									\
	__typeof__(a) __a = (a);					\
	__typeof__(b) __b = (b);					\
	__a op __b ? __a : __b;						\
})
#define min(a, b)		SHIM_PICK(a, <, b)
#define max(a, b)		SHIM_PICK(a, >, b)
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define umin(a, b)		min((u64)(a), (u64)(b))
#define umax(a, b)		max((u64)(a), (u64)(b))
#define clamp(x, low, high)	min(max(x, low), high)
#define clamp_t(type, x, low, high) clamp((type)(x), (type)(low), (type)(high))
#define swap(a, b)							\
	do { __typeof__(a) __swap = (a); (a) = (b); (b) = __swap; } while (0)
#define abs_diff(a, b)							\
({									\
	__typeof__(a) __a = (a);					\
	__typeof__(b) __b = (b);					\
	__a > __b ? __a - __b : __b - __a;				\
})

#define check_add_overflow(a, b, r)	__builtin_add_overflow(a, b, r)
#define check_mul_overflow(a, b, r)	__builtin_mul_overflow(a, b, r)
#define check_sub_overflow(a, b, r)	__builtin_sub_overflow(a, b, r)

static inline size_t size_mul(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t size_add(size_t a, size_t b)
{
	size_t sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

#define cmp_int(a, b)		(((a) > (b)) - ((a) < (b)))

typedef int (*cmp_func_t)(const void *a, const void *b);
#define sort(base, nr, bytes, cmp, swap) ((void)(swap), qsort(base, nr, bytes, cmp))

/* The first byte that is not @c, or NULL. */
static inline void *memchr_inv(const void *start, int c, size_t bytes)
{
	const u8 *at = start, *end = at + bytes;

	while (at < end && *at == (u8)c)
		at++;
	return at < end ? (void *)at : NULL;
}

/* ---- pages ------------------------------------------------------------- */

#ifndef PAGE_SHIFT
#define PAGE_SHIFT		12
#endif
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x)		IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define PFN_ALIGN(x)		(((unsigned long)(x) + (PAGE_SIZE - 1)) & PAGE_MASK)
#define PFN_UP(x)		(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x)		((x) >> PAGE_SHIFT)
#define PFN_PHYS(x)		((phys_addr_t)(x) << PAGE_SHIFT)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define SMP_CACHE_BYTES		64
#define L1_CACHE_BYTES		64
#define cache_line_size()	64
#define SZ_1K			0x400UL
#define SZ_2K			0x800UL
#define SZ_4K			0x1000UL
#define SZ_8K			0x2000UL
#define SZ_16K			0x4000UL
#define SZ_64K			0x10000UL
#define SZ_256K			0x40000UL
#define SZ_1M			0x100000UL
#define SZ_2M			0x200000UL
#define SZ_1G			0x40000000UL

/* ---- error pointers ------------------------------------------------------ */

#define MAX_ERRNO		4095
#define IS_ERR_VALUE(x)		((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *ptr)
{
	return (long)ptr;
}

static inline bool IS_ERR(const void *ptr)
{
	return IS_ERR_VALUE(ptr);
}

static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return !ptr || IS_ERR_VALUE(ptr);
}

static inline bool IS_ERR_PCPU(const void *ptr)
{
	return IS_ERR_VALUE(ptr);
}

/* ---- messages ------------------------------------------------------------ */

/*
 * A kernel warning ends the test, unless the test has said that it expects it.
 * Each is counted, "once" or not.  See sim_expect_warnings().
 */
__printf(3, 4) void shim_warn(const char *file, int line, const char *fmt, ...);
/* The simulated kernel is used in a way that the real one does not allow. */
__printf(3, 4) __noreturn void shim_bug(const char *file, int line, const char *fmt, ...);
__printf(2, 3) void shim_printk(int level, const char *fmt, ...);

#define SHIM_WARN(cond, ...)						\
({									\
	bool __cond = !!(cond);						\
									\
	if (unlikely(__cond))						\
		shim_warn(__FILE__, __LINE__, __VA_ARGS__);		\
	unlikely(__cond);						\
})
#define WARN_ON(cond)		SHIM_WARN(cond, "%s", #cond)
#define WARN_ON_ONCE(cond)	SHIM_WARN(cond, "%s", #cond)
#define WARN(cond, ...)		SHIM_WARN(cond, __VA_ARGS__)
#define WARN_ONCE(cond, ...)	SHIM_WARN(cond, __VA_ARGS__)
#define VM_WARN_ON(cond)	WARN_ON(cond)
#define VM_WARN_ON_ONCE(cond)	WARN_ON(cond)
#define VM_WARN_ONCE(cond, ...)	WARN(cond, __VA_ARGS__)
#define BUG()			shim_bug(__FILE__, __LINE__, "BUG()")
#define BUG_ON(cond)							\
	do {								\
		if (unlikely(cond))					\
			shim_bug(__FILE__, __LINE__, "BUG_ON(%s)", #cond); \
	} while (0)
#define VM_BUG_ON(cond)		BUG_ON(cond)
#define SHIM_ASSERT(cond, ...)						\
	do {								\
		if (unlikely(!(cond)))					\
			shim_bug(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)
#define panic(...)		shim_bug(__FILE__, __LINE__, __VA_ARGS__)

#ifndef pr_fmt
#define pr_fmt(fmt)		fmt
#endif
#define KERN_EMERG		""
#define KERN_ERR		""
#define KERN_WARNING		""
#define KERN_INFO		""
#define KERN_DEBUG		""
#define KERN_CONT		""
#define KERN_NOTICE		""
#define printk(fmt, ...)	shim_printk(6, fmt, ##__VA_ARGS__)
#define pr_emerg(fmt, ...)	shim_printk(0, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit(fmt, ...)	shim_printk(2, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...)	shim_printk(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)	shim_printk(4, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_once		pr_warn
#define pr_notice(fmt, ...)	shim_printk(5, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	shim_printk(6, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_cont(fmt, ...)	shim_printk(6, fmt, ##__VA_ARGS__)
#define pr_debug(fmt, ...)	shim_printk(7, pr_fmt(fmt), ##__VA_ARGS__)
void dump_stack(void);
__printf(3, 4) int scnprintf(char *buf, size_t size, const char *fmt, ...);

#define _RET_IP_		((unsigned long)__builtin_return_address(0))
#define _THIS_IP_		0UL

/* ---- scoped values --------------------------------------------------------- */

#define DEFINE_FREE(name, type, free)					\
	static inline void __free_##name(void *p)			\
	{								\
		type _T = *(type *)p;					\
		free;							\
	}
#define __free(name)		__cleanup(__free_##name)
#define no_free_ptr(p)							\
({									\
	__auto_type __ptr = (p);					\
	(p) = NULL;							\
	__ptr;								\
})
#define return_ptr(p)		return no_free_ptr(p)

#endif /* SHIM_BASE_H */
