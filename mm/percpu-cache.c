// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-cache.c - each CPU keeps some freed areas at hand
 *
 * An area that was freed stays taken in its chunk, and its address is put into
 * a small table of the CPU that freed it, in the bin of its size.  A request of
 * the same size on that CPU finds it there, without the allocator's lock and
 * without masking interrupts.
 *
 * An entry is one word, 0 or an address.  Who turns 0 into an address gives the
 * area to the table; who turns the address into 0 owns the area.  Both are
 * single atomic operations, so tasks, interrupts and other CPUs need no guard
 * against each other, and the worker empties the tables of all CPUs, running
 * or not, from where it is.  Nothing is written into the areas themselves: a
 * late write to freed memory cannot harm the allocator.
 *
 * What all tables together may hold is bounded, see pcpu_cache_enable().  The
 * worker drains them when frees have been quiet for a moment.
 *
 * Calls the chunk layer.  No locks; every function works in any context but
 * NMI.
 */
#include "percpu-internal.h"

#define PCPU_CACHE_BIN_BITS	5
#define PCPU_CACHE_WAYS		8

/* Bounds for what the tables of all CPUs hold, and for each of them. */
#define PCPU_CACHE_TOTAL_BYTES	SZ_256K
#define PCPU_CACHE_CPU_MIN	SZ_1K
#define PCPU_CACHE_CPU_MAX	SZ_8K

/**
 * struct pcpu_cache - freed areas at hand on one CPU
 * @addr: A: 0, or the address of an area that is taken and not live
 * @held_bytes: A: size of those areas, in one unit
 * @nr_hits: requests served; approximate, as nothing keeps interrupts out
 */
struct pcpu_cache {
	unsigned long addr[1 << PCPU_CACHE_BIN_BITS][PCPU_CACHE_WAYS];
	atomic_t held_bytes;
	unsigned long nr_hits;
};

/* Of pcpu_main; other allocators have none. */
static DEFINE_PER_CPU_ALIGNED(struct pcpu_cache, pcpu_caches);

static unsigned long *pcpu_cache_bin(struct pcpu_cache *cache, unsigned int nr_slots)
{
	return cache->addr[hash_32(nr_slots, PCPU_CACHE_BIN_BITS)];
}

/* The area at @addr, which the caller has just taken out of a table. */
static struct pcpu_chunk *pcpu_cache_area(struct pcpu_allocator *pa, struct pcpu_cache *cache,
					  unsigned long addr, unsigned int *slot,
					  unsigned int *nr_slots)
{
	struct pcpu_chunk *chunk = pcpu_chunk_of_area(pa, addr, slot, nr_slots);

	if (!WARN_ON_ONCE(!chunk))
		atomic_sub(pcpu_slots_to_bytes(*nr_slots), &cache->held_bytes);
	return chunk;
}

static bool pcpu_cache_drain_one(struct pcpu_allocator *pa, struct pcpu_cache *cache)
{
	unsigned long *entry = &cache->addr[0][0], addr;
	unsigned int i, slot, nr_slots;
	struct pcpu_chunk *chunk;
	bool drained = false;

	if (!atomic_read(&cache->held_bytes))
		return false;
	for (i = 0; i < ARRAY_SIZE(cache->addr) * PCPU_CACHE_WAYS; i++) {
		if (!READ_ONCE(entry[i]))
			continue;
		addr = xchg(&entry[i], 0);
		if (!addr)
			continue;
		chunk = pcpu_cache_area(pa, cache, addr, &slot, &nr_slots);
		if (!chunk)
			continue;
		pcpu_chunk_release(pa, chunk, slot, nr_slots);
		drained = true;
	}
	return drained;
}

/**
 * pcpu_cache_put - keep a freed area at hand
 * @pa: the allocator
 * @chunk: the area's chunk
 * @slot: its first slot
 * @nr_slots: its length
 *
 * Context: any but NMI.  The caller owns the area, and no longer does if it
 * was taken in.
 * Return: false if there is no place for it
 */
bool pcpu_cache_put(struct pcpu_allocator *pa, struct pcpu_chunk *chunk,
		    unsigned int slot, unsigned int nr_slots)
{
	unsigned long addr = chunk->base_addr + pcpu_slots_to_bytes(slot);
	int size_bytes = pcpu_slots_to_bytes(nr_slots);
	struct pcpu_cache *cache;
	unsigned long *bin;
	unsigned int way;

	if (size_bytes > pa->cache_cpu_bytes / 2 || chunk == pa->reserved)
		return false;
	/* Where it runs on from here does not matter: any CPU's table will do. */
	cache = raw_cpu_ptr(&pcpu_caches);
	if (atomic_read(&cache->held_bytes) + size_bytes > pa->cache_cpu_bytes)
		pcpu_cache_drain_one(pa, cache);

	bin = pcpu_cache_bin(cache, nr_slots);
	for (way = 0; way < PCPU_CACHE_WAYS; way++) {
		if (READ_ONCE(bin[way]) || cmpxchg(&bin[way], 0UL, addr))
			continue;
		atomic_add(size_bytes, &cache->held_bytes);
		return true;
	}
	return false;
}

/**
 * pcpu_cache_get - serve a request from what is at hand
 * @pa: the allocator
 * @req: the request; on success its chunk and slot are set
 *
 * Context: any but NMI.
 * Return: true on success
 */
bool pcpu_cache_get(struct pcpu_allocator *pa, struct pcpu_request *req)
{
	struct pcpu_cache *cache;
	struct pcpu_chunk *chunk;
	unsigned int way, slot, nr_slots;
	unsigned long *bin, addr;

	if (req->size_bytes > pa->cache_cpu_bytes / 2 || req->reserved)
		return false;
	cache = raw_cpu_ptr(&pcpu_caches);
	bin = pcpu_cache_bin(cache, req->nr_slots);
	for (way = 0; way < PCPU_CACHE_WAYS; way++) {
		addr = READ_ONCE(bin[way]);
		if (!addr || !IS_ALIGNED(addr, req->align_bytes) ||
		    cmpxchg(&bin[way], addr, 0UL) != addr)
			continue;
		chunk = pcpu_cache_area(pa, cache, addr, &slot, &nr_slots);
		if (!chunk)
			continue;
		if (nr_slots != req->nr_slots) {
			/* Another size of the same bin: make way for this one. */
			pcpu_chunk_release(pa, chunk, slot, nr_slots);
			continue;
		}
		pcpu_area_enliven(&chunk->map, slot);
		WRITE_ONCE(cache->nr_hits, READ_ONCE(cache->nr_hits) + 1);
		req->chunk = chunk;
		req->slot = slot;
		return true;
	}
	return false;
}

/**
 * pcpu_cache_drain - return what is at hand to the chunks
 * @pa: the allocator
 * @all_cpus: of every CPU, not only of the one it runs on
 *
 * Context: any but NMI; takes the lock for each area.
 * Return: true if there was anything
 */
bool pcpu_cache_drain(struct pcpu_allocator *pa, bool all_cpus)
{
	bool drained = false;
	unsigned int cpu;

	if (!pa->cache_cpu_bytes)
		return false;
	if (!all_cpus)
		return pcpu_cache_drain_one(pa, raw_cpu_ptr(&pcpu_caches));
	for_each_possible_cpu(cpu)
		drained |= pcpu_cache_drain_one(pa, &per_cpu(pcpu_caches, cpu));
	return drained;
}

/**
 * pcpu_cache_count - figures for debugfs
 * @pa: the allocator
 * @nr_held: set to the areas at hand on all CPUs
 *
 * Return: requests served from what was at hand, approximately
 */
unsigned long pcpu_cache_count(struct pcpu_allocator *pa, unsigned long *nr_held)
{
	unsigned long nr_hits = 0;
	unsigned int cpu, i;

	*nr_held = 0;
	if (!pa->cache_cpu_bytes)
		return 0;
	for_each_possible_cpu(cpu) {
		struct pcpu_cache *cache = &per_cpu(pcpu_caches, cpu);
		unsigned long *entry = &cache->addr[0][0];

		nr_hits += READ_ONCE(cache->nr_hits);
		for (i = 0; i < ARRAY_SIZE(cache->addr) * PCPU_CACHE_WAYS; i++)
			*nr_held += !!READ_ONCE(entry[i]);
	}
	return nr_hits;
}

/**
 * pcpu_cache_enable - begin to keep freed areas at hand
 * @pa: the allocator, pcpu_main
 *
 * The tables of all CPUs together hold at most 256 KiB of each unit, or 1 KiB
 * for each CPU where there are more than 256, and none more than 8 KiB, but for
 * what CPUs that put at the same moment add.
 *
 * Context: once the worker runs, which drains them.
 */
void pcpu_cache_enable(struct pcpu_allocator *pa)
{
	WRITE_ONCE(pa->cache_cpu_bytes, clamp_t(int, PCPU_CACHE_TOTAL_BYTES / pa->geo.nr_cpus,
						PCPU_CACHE_CPU_MIN, PCPU_CACHE_CPU_MAX));
}
