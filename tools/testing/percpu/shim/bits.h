/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bits.h - bit operations, bitmaps, logarithms, hashes, CPU masks
 */
#ifndef SHIM_BITS_H
#define SHIM_BITS_H

#include "base.h"

#define DECLARE_BITMAP(name, bits)	unsigned long name[BITS_TO_LONGS(bits)]
#define BITMAP_FIRST_WORD_MASK(start)	(~0UL << ((start) & (BITS_PER_LONG - 1)))
#define BITMAP_LAST_WORD_MASK(nbits)	(~0UL >> (-(nbits) & (BITS_PER_LONG - 1)))

/* ---- logarithms -------------------------------------------------------- */

#define __ffs(x)		((unsigned long)__builtin_ctzl(x))
#define __fls(x)		((unsigned long)(BITS_PER_LONG - 1 - __builtin_clzl(x)))
#define hweight_long(x)		((unsigned long)__builtin_popcountl(x))
#define ilog2(x)		(63 - __builtin_clzll((unsigned long long)(x)))
#define is_power_of_2(x)	({ __auto_type __x = (x); __x && !(__x & (__x - 1)); })

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int ffs_shim(int x)
{
	return __builtin_ffs(x);
}

static inline int fls_long(unsigned long x)
{
	return x ? BITS_PER_LONG - __builtin_clzl(x) : 0;
}

static inline unsigned long roundup_pow_of_two(unsigned long x)
{
	return x <= 1 ? 1 : 1UL << fls_long(x - 1);
}

static inline unsigned long rounddown_pow_of_two(unsigned long x)
{
	return 1UL << (fls_long(x) - 1);
}

static inline int order_base_2(unsigned long x)
{
	return x <= 1 ? 0 : fls_long(x - 1);
}

static inline int get_order(unsigned long size)
{
	return size <= PAGE_SIZE ? 0 : fls_long((size - 1) >> PAGE_SHIFT);
}

#define GOLDEN_RATIO_64		0x61C8864680B583EBull
static inline u32 hash_64(u64 value, unsigned int bits)
{
	return value * GOLDEN_RATIO_64 >> (64 - bits);
}

static inline u32 hash_32(u32 value, unsigned int bits)
{
	return value * 0x61C88647u >> (32 - bits);
}

#define hash_long(value, bits)	hash_64((unsigned long)(value), bits)
#define hash_ptr(ptr, bits)	hash_long(ptr, bits)

/* ---- single bits --------------------------------------------------------- */

static inline void set_bit(unsigned long nr, unsigned long *map)
{
	shim_nmi();
	__atomic_fetch_or(&map[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_RELAXED);
	shim_nmi();
}

static inline void clear_bit(unsigned long nr, unsigned long *map)
{
	shim_nmi();
	__atomic_fetch_and(&map[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_RELAXED);
	shim_nmi();
}

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return READ_ONCE(map[BIT_WORD(nr)]) & BIT_MASK(nr);
}

static inline bool test_bit_acquire(unsigned long nr, const unsigned long *map)
{
	return smp_load_acquire(&map[BIT_WORD(nr)]) & BIT_MASK(nr);
}

static inline bool test_and_set_bit(unsigned long nr, unsigned long *map)
{
	unsigned long old;

	shim_nmi();
	old = __atomic_fetch_or(&map[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST);
	shim_nmi();
	return old & BIT_MASK(nr);
}

static inline bool test_and_clear_bit(unsigned long nr, unsigned long *map)
{
	unsigned long old;

	shim_nmi();
	old = __atomic_fetch_and(&map[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_SEQ_CST);
	shim_nmi();
	return old & BIT_MASK(nr);
}

static inline void __set_bit(unsigned long nr, unsigned long *map)
{
	map[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(unsigned long nr, unsigned long *map)
{
	map[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline bool __test_and_set_bit(unsigned long nr, unsigned long *map)
{
	bool old = map[BIT_WORD(nr)] & BIT_MASK(nr);

	__set_bit(nr, map);
	return old;
}

static inline bool __test_and_clear_bit(unsigned long nr, unsigned long *map)
{
	bool old = map[BIT_WORD(nr)] & BIT_MASK(nr);

	__clear_bit(nr, map);
	return old;
}

static inline void __assign_bit(unsigned long nr, unsigned long *map, bool value)
{
	if (value)
		__set_bit(nr, map);
	else
		__clear_bit(nr, map);
}

/* ---- searches: the size where nothing is found ----------------------------- */

static inline unsigned long shim_find(const unsigned long *map, unsigned long size,
				      unsigned long start, unsigned long flip)
{
	unsigned long word = BIT_WORD(start), bits;

	if (start >= size)
		return size;
	bits = (map[word] ^ flip) & BITMAP_FIRST_WORD_MASK(start);
	while (!bits) {
		if (++word * BITS_PER_LONG >= size)
			return size;
		bits = map[word] ^ flip;
	}
	return min(word * BITS_PER_LONG + __ffs(bits), size);
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long start)
{
	return shim_find(map, size, start, 0);
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size,
					       unsigned long start)
{
	return shim_find(map, size, start, ~0UL);
}

#define find_first_bit(map, size)	find_next_bit(map, size, 0)
#define find_first_zero_bit(map, size)	find_next_zero_bit(map, size, 0)

static inline unsigned long find_last_bit(const unsigned long *map, unsigned long size)
{
	unsigned long word, bits;

	if (!size)
		return size;
	word = BIT_WORD(size - 1);
	bits = map[word] & BITMAP_LAST_WORD_MASK(size);
	while (!bits) {
		if (!word--)
			return size;
		bits = map[word];
	}
	return word * BITS_PER_LONG + __fls(bits);
}

#define for_each_set_bit(bit, map, size)				\
	for (bit = 0; bit = find_next_bit(map, size, bit), bit < (size); bit++)
#define for_each_set_bit_from(bit, map, size)				\
	for (; bit = find_next_bit(map, size, bit), bit < (size); bit++)
#define for_each_clear_bit(bit, map, size)				\
	for (bit = 0; bit = find_next_zero_bit(map, size, bit), bit < (size); bit++)
#define for_each_clear_bit_from(bit, map, size)				\
	for (; bit = find_next_zero_bit(map, size, bit), bit < (size); bit++)

/* ---- ranges ---------------------------------------------------------------- */

/* By words, as in the kernel: bench.py counts what they cost. */
static inline void shim_fill(unsigned long *map, unsigned int start, unsigned int nr,
			     unsigned long value)
{
	unsigned int end = start + nr, word = BIT_WORD(start);
	unsigned long mask = BITMAP_FIRST_WORD_MASK(start);

	if (!nr)
		return;
	for (; word < BIT_WORD(end - 1); word++, mask = ~0UL)
		map[word] = (map[word] & ~mask) | (value & mask);
	mask &= BITMAP_LAST_WORD_MASK(end);
	map[word] = (map[word] & ~mask) | (value & mask);
}

static inline void bitmap_set(unsigned long *map, unsigned int start, unsigned int nr)
{
	shim_fill(map, start, nr, ~0UL);
}

static inline void bitmap_clear(unsigned long *map, unsigned int start, unsigned int nr)
{
	shim_fill(map, start, nr, 0);
}

#define bitmap_size(nbits)	(BITS_TO_LONGS(nbits) * sizeof(long))

static inline void bitmap_copy(unsigned long *to, const unsigned long *from, unsigned int nbits)
{
	memcpy(to, from, bitmap_size(nbits));
}

static inline void bitmap_fill(unsigned long *map, unsigned int nbits)
{
	memset(map, 0xff, bitmap_size(nbits));
}

static inline void bitmap_zero(unsigned long *map, unsigned int nbits)
{
	memset(map, 0, bitmap_size(nbits));
}

static inline bool bitmap_empty(const unsigned long *map, unsigned int nbits)
{
	return find_first_bit(map, nbits) >= nbits;
}

static inline bool bitmap_full(const unsigned long *map, unsigned int nbits)
{
	return find_first_zero_bit(map, nbits) >= nbits;
}

static inline bool bitmap_equal(const unsigned long *a, const unsigned long *b,
				unsigned int nbits)
{
	unsigned int i;

	for (i = 0; i < nbits / BITS_PER_LONG; i++)
		if (a[i] != b[i])
			return false;
	return !(nbits % BITS_PER_LONG) ||
	       !((a[i] ^ b[i]) & BITMAP_LAST_WORD_MASK(nbits));
}

static inline unsigned long bitmap_weight_from(const unsigned long *map, unsigned int start,
					       unsigned int end)
{
	unsigned long weight = 0;

	for (; start < end; start++)
		if (start % BITS_PER_LONG || start + BITS_PER_LONG > end)
			weight += map[start / BITS_PER_LONG] >> (start % BITS_PER_LONG) & 1;
		else
			weight += __builtin_popcountl(map[start / BITS_PER_LONG]),
			start += BITS_PER_LONG - 1;
	return weight;
}

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int nbits)
{
	unsigned int i, n = 0;

	for (i = 0; i < nbits / BITS_PER_LONG; i++)
		n += hweight_long(map[i]);
	if (nbits % BITS_PER_LONG)
		n += hweight_long(map[i] & BITMAP_LAST_WORD_MASK(nbits));
	return n;
}

/* ---- CPUs: their number is decided when the test runs ---------------------- */

#ifdef CONFIG_SMP
#define NR_CPUS			4096
#else
#define NR_CPUS			1
#endif
struct cpumask {
	DECLARE_BITMAP(bits, NR_CPUS);
};

extern struct cpumask shim_possible_cpus;
extern unsigned int nr_cpu_ids;
extern unsigned int shim_nr_cpus;
extern int shim_node_of_cpu[NR_CPUS];

#define cpu_possible_mask	((const struct cpumask *)&shim_possible_cpus)
#define cpu_online_mask		cpu_possible_mask
#define num_possible_cpus()	shim_nr_cpus
#define num_online_cpus()	shim_nr_cpus
#define cpumask_bits(mask)	((mask)->bits)
#define cpumask_test_cpu(cpu, mask) test_bit(cpu, (mask)->bits)
#define cpumask_set_cpu(cpu, mask)  __set_bit(cpu, (mask)->bits)
#define cpumask_clear_cpu(cpu, mask) __clear_bit(cpu, (mask)->bits)
#define cpumask_test_and_set_cpu(cpu, mask) test_and_set_bit(cpu, (mask)->bits)
#define cpumask_equal(a, b)	bitmap_equal((a)->bits, (b)->bits, NR_CPUS)
#define cpumask_pr_args(mask)	64, (mask)->bits
#define cpumask_clear(mask)	bitmap_zero((mask)->bits, NR_CPUS)
#define cpumask_weight(mask)	bitmap_weight((mask)->bits, NR_CPUS)
#define cpumask_first(mask)	((unsigned int)find_first_bit((mask)->bits, nr_cpu_ids))
#define cpumask_last(mask)	((unsigned int)find_last_bit((mask)->bits, nr_cpu_ids))
#define cpumask_next(cpu, mask)	((unsigned int)find_next_bit((mask)->bits, nr_cpu_ids, (cpu) + 1))
#define cpumask_empty(mask)	bitmap_empty((mask)->bits, NR_CPUS)
#define cpumask_copy(to, from)	(*(to) = *(from))
#define cpu_possible(cpu)	cpumask_test_cpu(cpu, cpu_possible_mask)
#define for_each_cpu(cpu, mask)	for_each_set_bit(cpu, (mask)->bits, nr_cpu_ids)
#define for_each_possible_cpu(cpu) for_each_cpu(cpu, cpu_possible_mask)
#define for_each_online_cpu(cpu) for_each_possible_cpu(cpu)

#define NUMA_NO_NODE		(-1)
#define LOCAL_DISTANCE		10
#define REMOTE_DISTANCE		20
#define cpu_to_node(cpu)	(shim_node_of_cpu[cpu])
#define early_cpu_to_node(cpu)	cpu_to_node(cpu)
#define numa_node_id()		0
#define numa_mem_id()		0

#endif /* SHIM_BITS_H */
