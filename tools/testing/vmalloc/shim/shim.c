// SPDX-License-Identifier: GPL-2.0
/*
 * shim.c - locks, memory, TLB, shadow, and what else the address space calls
 */
#include <stdarg.h>

#include "kernel.h"

#define NR_BLOCKS	(1 << 16)

struct sim sim;
bool sim_verbose;
int shim_fence_word;
__thread struct shim_task shim_task;
__thread u64 sim_random_state;
void (*sim_on_release)(unsigned long start, unsigned long end);
void (*sim_on_read)(void);
void (*sim_on_wmb)(void);
void (*sim_on_unlock)(const spinlock_t *lock);
struct cpumask shim_possible_cpus;
unsigned int nr_cpu_ids = 1, shim_nr_cpus = 1;
int shim_node_of_cpu[NR_CPUS];

/* One for all that is simulated here. */
static pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- messages -------------------------------------------------------------- */

static void say(const char *kind, const char *file, int line, const char *fmt, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "%s at %s:%d: ", kind, file, line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void shim_bug(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("BUG", file, line, fmt, args);
	va_end(args);
	abort();
}

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	sim.nr_warnings++;
	if (sim.nr_expected) {
		sim.nr_expected--;
		return;
	}
	va_start(args, fmt);
	say("WARNING", file, line, fmt, args);
	va_end(args);
	abort();
}

void shim_printk(int level, const char *fmt, ...)
{
	va_list args;

	SHIM_ASSERT(!shim_task.nr_locks, "printk under a spinlock");
	if (level <= 4)
		sim.nr_messages++;
	if (!sim_verbose)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

void sim_expect_warnings(unsigned int nr)
{
	sim.nr_expected = nr;
}

bool sim_expected(void)
{
	return !sim.nr_expected;
}

/* ---- locks ------------------------------------------------------------------------ */

void might_sleep(void)
{
	SHIM_ASSERT(!shim_task.nr_locks, "may sleep, under a spinlock");
	SHIM_ASSERT(!shim_task.nr_rcu, "may sleep, in an RCU read-side section");
	SHIM_ASSERT(!shim_task.atomic, "may sleep, with preemption disabled");
}

/* How long a lock is held cannot be timed here, but something of it be counted. */
void shim_step(void)
{
	if (++shim_task.nr_steps > data_race(sim.most_steps))
		WRITE_ONCE(sim.most_steps, shim_task.nr_steps);
}

/* The same for how long others have to wait for the CPU. */
static void shim_work(void)
{
	if (++shim_task.nr_works > data_race(sim.most_works))
		WRITE_ONCE(sim.most_works, shim_task.nr_works);
}

void spin_lock_init(spinlock_t *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->holder = NULL;
}

bool shim_is_held(const spinlock_t *lock)
{
	return READ_ONCE(lock->holder) == &shim_task;
}

static void locked(spinlock_t *lock)
{
	WRITE_ONCE(lock->holder, &shim_task);
	shim_task.nr_locks++;
	shim_task.nr_steps = 0;
}

void spin_lock(spinlock_t *lock)
{
	SHIM_ASSERT(!shim_is_held(lock), "deadlock");
	pthread_mutex_lock(&lock->mutex);
	locked(lock);
	if (IS_ENABLED(SHIM_BENCH))
		return;
	lock->nr_taken++;
	shim_task.nr_taken++;
	shim_work();
}

bool spin_trylock(spinlock_t *lock)
{
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
	locked(lock);
	return true;
}

void spin_unlock(spinlock_t *lock)
{
	SHIM_ASSERT(shim_is_held(lock), "lock is not held");
	WRITE_ONCE(lock->holder, NULL);
	shim_task.nr_locks--;
	pthread_mutex_unlock(&lock->mutex);
	if (!IS_ENABLED(SHIM_BENCH) && sim_on_unlock && !shim_task.nr_locks)
		sim_on_unlock(lock);
}

void mutex_lock(struct mutex *mutex)
{
	might_sleep();
	spin_lock(&mutex->lock);
	shim_task.nr_locks--;
}

bool mutex_trylock(struct mutex *mutex)
{
	if (!spin_trylock(&mutex->lock))
		return false;
	shim_task.nr_locks--;
	return true;
}

void mutex_unlock(struct mutex *mutex)
{
	shim_task.nr_locks++;
	spin_unlock(&mutex->lock);
}

/* ---- RCU: what waits for readers is freed once the test says there are none ---------- */

static struct rcu_head *waiting;

void rcu_read_lock(void)
{
	shim_task.nr_rcu++;
}

void rcu_read_unlock(void)
{
	shim_task.nr_rcu--;
}

void shim_assert_reader(void)
{
	SHIM_ASSERT(shim_task.nr_rcu, "not in an RCU read-side section");
}

struct hlist_node *shim_rcu_load(struct hlist_node **node)
{
	shim_assert_reader();
	return smp_load_acquire(node);
}

struct shim_object {
	struct kmem_cache *cache;
	struct shim_object *next;
	const void *scan_from;		/* kmemleak: all behind this, NULL for all of it */
	bool live;
	long body[];
};

void shim_kfree_rcu(struct rcu_head *head, void *object)
{
	pthread_mutex_lock(&world_lock);
	container_of(object, struct shim_object, body)->next = (void *)waiting;
	waiting = (void *)container_of(object, struct shim_object, body);
	pthread_mutex_unlock(&world_lock);
}

void sim_rcu_quiesce(void)
{
	struct shim_object *at = (void *)waiting, *ahead;

	waiting = NULL;
	for (; at; at = ahead) {
		ahead = at->next;
		kfree(at->body);
	}
}

/* ---- memory ------------------------------------------------------------------------------ */

struct kmem_cache {
	const char *name;
	size_t bytes;
	bool typesafe;
	long nr_objects;
	struct shim_object *unused;	/* of a typesafe cache: for ever */
	struct kmem_cache *next;
};

static struct kmem_cache *caches;
static struct kmem_cache plain = { .name = "kmalloc" };
static struct kmem_cache shadow_pages = { .name = "shadow" };

struct kmem_cache *kmem_cache_create(const char *name, size_t bytes, size_t align,
				     unsigned int flags, void *ctor)
{
	struct kmem_cache *cache = calloc(1, sizeof(*cache));

	cache->name = name;
	cache->bytes = bytes;
	cache->typesafe = flags & SLAB_TYPESAFE_BY_RCU;
	cache->next = caches;
	caches = cache;
	return cache;
}

long sim_cache_objects(const char *name)
{
	struct kmem_cache *cache;

	for (cache = caches; cache; cache = cache->next)
		if (!strcmp(cache->name, name))
			return cache->nr_objects;
	return 0;
}

static bool should_fail(const struct kmem_cache *cache, gfp_t gfp)
{
	sim.nr_events++;
	sim.gfp |= gfp;
	if (sim.on_alloc)
		sim.on_alloc(cache->name, gfp);
	if (shim_task.gfp_known)
		SHIM_ASSERT(!(gfp & ~(shim_task.gfp | __GFP_NOWARN | __GFP_NORETRY | __GFP_ZERO)),
			    "%s: mask %#x is wider than the caller's %#x", cache->name, gfp,
			    shim_task.gfp);
	if ((sim.fail_nth && !--sim.fail_nth) ||
	    (sim.fail_permille && sim_below(1000) < sim.fail_permille) ||
	    (sim.no_descriptors && !strcmp(cache->name, sim.no_descriptors)))
		sim.nr_failed++;
	else
		return false;
	return true;
}

static void *get_object(struct kmem_cache *cache, size_t bytes, gfp_t gfp)
{
	struct shim_object *object;

	SHIM_ASSERT(!shim_task.nr_locks, "%s is allocated under a spinlock", cache->name);
	if (gfpflags_allow_blocking(gfp))
		might_sleep();
	pthread_mutex_lock(&world_lock);
	if (should_fail(cache, gfp)) {
		pthread_mutex_unlock(&world_lock);
		return NULL;
	}
	sim.nr_objects++;
	cache->nr_objects++;
	object = cache->unused;
	if (object)
		cache->unused = object->next;
	pthread_mutex_unlock(&world_lock);
	if (!object)
		object = calloc(1, sizeof(*object) + bytes);
	object->cache = cache;
	object->live = true;
	if (!IS_ENABLED(SHIM_BENCH)) {
		object->scan_from = NULL;
		shim_task.allocated = object->body;
	}
	if (gfp & __GFP_ZERO)
		memset(object->body, 0, bytes);
	return object->body;
}

void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int node)
{
	return get_object(cache, cache->bytes, gfp);
}

void *kzalloc(size_t bytes, gfp_t gfp)
{
	return get_object(&plain, bytes, gfp | __GFP_ZERO);
}

void kfree(const void *body)
{
	struct shim_object *object;

	SHIM_ASSERT(!shim_task.nr_locks, "freed under a spinlock");
	if (!body)
		return;
	object = container_of((void *)body, struct shim_object, body);
	SHIM_ASSERT(object->live, "%s is freed twice", object->cache->name);
	pthread_mutex_lock(&world_lock);
	object->live = false;
	sim.nr_objects--;
	object->cache->nr_objects--;
	if (object->cache->typesafe) {
		object->next = object->cache->unused;
		object->cache->unused = object;
		object = NULL;
	}
	pthread_mutex_unlock(&world_lock);
	free(object);
}

void kmem_cache_free(struct kmem_cache *cache, void *body)
{
	kfree(body);
}

/* What is known here: the rest of the object that was allocated just before. */
void shim_scan_area(const void *ptr, size_t bytes)
{
	struct shim_object *object = container_of(shim_task.allocated, struct shim_object, body);

	SHIM_ASSERT(ptr >= (void *)object->body && bytes == SIZE_MAX &&
		    ptr < (void *)object->body + object->cache->bytes, "not in this object");
	object->scan_from = ptr;
}

unsigned int sim_references(const void *body, unsigned long value)
{
	const struct shim_object *object = container_of((void *)body, struct shim_object, body);
	const unsigned long *word = object->scan_from ?: body;
	unsigned int nr = 0;

	for (; (void *)(word + 1) <= body + object->cache->bytes; word++)
		nr += *word == value;
	return nr;
}

unsigned long totalram_pages(void)
{
	return 1UL << 18;
}

/* ---- what is known of each page of address space --------------------------------------------- */

struct block {
	unsigned long index;
	bool used;
	u8 stale[512];		/* by page */
	u8 shadow[512];		/* of eight pages, by the first of them */
};

static struct block blocks[NR_BLOCKS];

static struct block *block_at(unsigned long page)
{
	unsigned long index = page / 512, slot = hash_long(index, 16);

	while (blocks[slot].used && blocks[slot].index != index)
		slot = (slot + 1) % NR_BLOCKS;
	blocks[slot].index = index;
	blocks[slot].used = true;
	return &blocks[slot];
}

void sim_tlb_stale(unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&world_lock);
	for (; start < end; start += PAGE_SIZE)
		block_at(PFN_DOWN(start))->stale[PFN_DOWN(start) % 512] = 1;
	pthread_mutex_unlock(&world_lock);
}

void sim_tlb_check(unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&world_lock);
	for (; start < end; start += PAGE_SIZE)
		SHIM_ASSERT(!block_at(PFN_DOWN(start))->stale[PFN_DOWN(start) % 512],
			    "%#lx is used again, and a TLB may know it", start);
	pthread_mutex_unlock(&world_lock);
}

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	unsigned int i, page;

	might_sleep();
	if (IS_ENABLED(SHIM_BENCH))
		return;
	pthread_mutex_lock(&world_lock);
	sim.nr_flushes++;
	for (i = 0; i < NR_BLOCKS; i++) {
		for (page = 0; blocks[i].used && page < 512; page++) {
			unsigned long addr = (blocks[i].index * 512 + page) << PAGE_SHIFT;

			if (addr >= start && addr < end)
				blocks[i].stale[page] = 0;
		}
	}
	pthread_mutex_unlock(&world_lock);
}

int kasan_populate_vmalloc(unsigned long addr, unsigned long bytes, gfp_t gfp)
{
	unsigned long page = ALIGN_DOWN(PFN_DOWN(addr), 8), end = PFN_DOWN(addr + bytes - 1) + 1;
	int ret = 0;

	if (IS_ENABLED(SHIM_BENCH))
		return 0;
	SHIM_ASSERT(!shim_task.nr_locks, "shadow is allocated under a spinlock");
	pthread_mutex_lock(&world_lock);
	if (should_fail(&shadow_pages, gfp))
		ret = -ENOMEM;
	for (; !ret && page < end; page += 8) {
		u8 *shadow = &block_at(page)->shadow[page % 512];

		sim.nr_shadow += !*shadow;
		*shadow = 1;
	}
	pthread_mutex_unlock(&world_lock);
	return ret;
}

void sim_shadow_check(unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&world_lock);
	for (; start < end; start += PAGE_SIZE)
		SHIM_ASSERT(block_at(PFN_DOWN(start))->shadow[PFN_DOWN(start) % 512 / 8 * 8],
			    "%#lx is in use and has no shadow", start);
	pthread_mutex_unlock(&world_lock);
}

void kasan_release_vmalloc(unsigned long start, unsigned long end, unsigned long free_start,
			   unsigned long free_end, unsigned long flags)
{
	unsigned long page = ALIGN(PFN_DOWN(free_start), 8);

	SHIM_ASSERT(!shim_task.nr_locks, "shadow is released under a spinlock");
	if (IS_ENABLED(SHIM_BENCH))
		return;
	shim_work();
	if (flags & KASAN_VMALLOC_TLB_FLUSH) {
		sim.nr_shadow_flushes++;
		sim.shadow_flush_start = start;
		sim.shadow_flush_end = end;
	}
	if (!(flags & KASAN_VMALLOC_PAGE_RANGE))
		return;
	pthread_mutex_lock(&world_lock);
	for (; page + 8 <= PFN_DOWN(free_end); page += 8) {
		u8 *shadow = &block_at(page)->shadow[page % 512];

		sim.nr_shadow -= *shadow;
		*shadow = 0;
	}
	pthread_mutex_unlock(&world_lock);
	if (sim_on_release)
		sim_on_release(free_start, free_end);
}

/* ---- work, notifiers, the shrinker --------------------------------------------------------------- */

void schedule_work(struct work_struct *work)
{
	__atomic_store_n(&sim.work, work, __ATOMIC_RELEASE);
}

bool sim_run_work(void)
{
	struct work_struct *work = __atomic_exchange_n(&sim.work, NULL, __ATOMIC_ACQ_REL);

	if (work)
		work->func(work);
	return work;
}

int blocking_notifier_chain_register(struct blocking_notifier_head *head,
				     struct notifier_block *nb)
{
	nb->next = head->head;
	head->head = nb;
	return 0;
}

int blocking_notifier_chain_unregister(struct blocking_notifier_head *head,
				       struct notifier_block *nb)
{
	head->head = nb->next;
	return 0;
}

int blocking_notifier_call_chain(struct blocking_notifier_head *head, unsigned long action,
				 void *data)
{
	struct notifier_block *nb;

	might_sleep();
	for (nb = head->head; nb; nb = nb->next)
		nb->notifier_call(nb, action, data);
	return 0;
}

struct shrinker *shrinker_alloc(unsigned int flags, const char *name)
{
	return calloc(1, sizeof(struct shrinker));
}

void shrinker_register(struct shrinker *shrinker)
{
	sim.shrinker = shrinker;
}

void sim_reset(void)
{
	unsigned int cpu;

	memset(&sim, 0, sizeof(sim));
	for (cpu = 0; cpu < shim_nr_cpus; cpu++)
		cpumask_set_cpu(cpu, &shim_possible_cpus);
	nr_cpu_ids = shim_nr_cpus;
}
