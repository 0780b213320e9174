/* SPDX-License-Identifier: GPL-2.0 */
/*
 * random.h - a random number generator, seeded by the test
 */
#ifndef SHIM_RANDOM_H
#define SHIM_RANDOM_H

extern __thread u64 sim_random_state;

static inline u64 sim_random(void)
{
	u64 x = (sim_random_state += 0x9E3779B97F4A7C15ull);

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

static inline unsigned int sim_below(unsigned int n)
{
	return (unsigned int)(((sim_random() >> 32) * n) >> 32);
}

static inline unsigned int sim_between(unsigned int low, unsigned int high)
{
	return low + sim_below(high - low + 1);
}

#endif /* SHIM_RANDOM_H */
