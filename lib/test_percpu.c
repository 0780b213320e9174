// SPDX-License-Identifier: GPL-2.0
/*
 * Stress and benchmark module for the percpu allocator, in the manner of
 * lib/test_vmalloc.c. It uses the public interface only, so that any two
 * versions of the allocator can be compared with it.
 */

/**
 * DOC: test_percpu
 *
 * As a module it runs its tests while it is being loaded; loading then ends
 * with -EAGAIN by design, so that it can be loaded again::
 *
 *	insmod test_percpu.ko test=pairs,stress threads=2 loops=100000
 *
 * The error is -EINVAL where a test found the allocator at fault or where the
 * parameters are wrong, -ENOMEM where there was no memory to test with.
 *
 * Built in (CONFIG_TEST_PERCPU=y) it runs at boot, before userspace, with
 * parameters from the command line: ``test_percpu.test=groups``. With
 * ``test_percpu.halt=1`` the machine powers off afterwards.
 *
 * Parameters; 0 means the default, which may differ between tests:
 *
 * - test: names, separated by commas, run in this order (list below)
 * - threads: highest number of threads, each bound to a CPU of its own;
 *   default: all online CPUs
 * - loops: repetitions per thread; number of objects for cold and random35k
 * - size: size of an object in bytes; default: each test's own range
 * - live: objects per thread that are allocated at one time
 * - seed: start of the random number sequences
 * - seconds: stress goes on for so long, whatever loops says
 * - spread: groups moves on to the next online CPU with every few objects, so
 *   that what each CPU keeps at hand counts
 * - cap: exhaust stops after so many MiB per possible CPU; default: no limit
 * - halt: built in only, power off at the end
 *
 * Tests, with * for those that run by default:
 *
 * - pairs *: allocate and free, with 1, 2, 4... threads, in four patterns.
 *   pair_64 frees an object of 64 bytes at once; pair_64_live64 replaces the
 *   oldest of 64; pair_nowait_64_live64 does that with GFP_NOWAIT;
 *   pair_64_batch64 allocates 64, then frees 64. Time is per pair on one
 *   thread: with perfect scaling it does not change with the thread count
 * - neighbours *: one CPU allocates 64 objects for each thread, so that what lies
 *   side by side is another thread's, and each replaces the oldest of its own
 * - slub: the same as pairs for kmalloc() and kfree(), as a yardstick
 * - remote *: one CPU allocates, another one frees; time per object
 * - cold *: 28,000 objects of mixed size, then free them all
 * - random35k: 35,000 objects of up to a quarter page, as in test_vmalloc
 * - burst_irqsoff *: how many GFP_NOWAIT allocations in a row succeed while
 *   interrupts are off, up to 1 MiB
 * - groups *: objects that live and die together. 11 groups of objects take
 *   turns in allocating, 10 of them are freed: how many pages remain? (Built
 *   in only: pcpu_nr_pages() is not exported. Otherwise see /proc/meminfo.)
 * - exhaust: objects of 32 KiB until there is no memory, without retries
 * - stress *: random sizes, alignments and masks, from task, softirq and
 *   hardirq, freed on other CPUs than allocated, or after a grace period of
 *   RCU; every object is checked for zeroes when it is new and for its pattern
 *   before it is freed. Where the allocator has calls for batches, for objects
 *   that are not zeroed, and for any context, those are used as well: the last
 *   in hardirq. What each player does, turn by turn, follows from seed alone;
 *   which objects it meets depends on the others. stress_digest is made of what
 *   they drew: of all of it unless seconds is given, else of the first turns
 *
 * Figures are printed as "test_percpu: NAME VALUE UNIT". Time figures end in
 * _tN where N is the number of threads, pages are those of all units.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

static char *test = "pairs,neighbours,remote,cold,burst_irqsoff,groups,stress";
module_param(test, charp, 0444);
MODULE_PARM_DESC(test, "Tests to run, separated by commas: pairs neighbours slub remote cold random35k burst_irqsoff groups exhaust stress");

static unsigned int threads;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "Highest number of threads (0: all online CPUs)");

static unsigned int loops;
module_param(loops, uint, 0444);
MODULE_PARM_DESC(loops, "Repetitions per thread (0: each test's default)");

static unsigned int size;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "Size of an object in bytes (0: each test's range)");

static unsigned int live;
module_param(live, uint, 0444);
MODULE_PARM_DESC(live, "Live objects per thread (0: each test's default)");

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Start of the random number sequences");

static unsigned int seconds;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "stress: how long it goes on (0: as many turns as loops says)");

static bool spread;
module_param(spread, bool, 0444);
MODULE_PARM_DESC(spread, "groups: use all online CPUs by turns");

static unsigned int cap;
module_param(cap, uint, 0444);
MODULE_PARM_DESC(cap, "exhaust: limit in MiB per possible CPU (0: none)");

static bool halt_after;
module_param_named(halt, halt_after, bool, 0444);
MODULE_PARM_DESC(halt, "Built in: power off at the end");

#define BENCH_ALIGN	__alignof__(u64)

/* An allocator that does not have these calls is tested with what it has. */
#ifndef __alloc_percpu_uninit
#define __alloc_percpu_uninit(size, align, gfp)	__alloc_percpu_gfp(size, align, gfp)
#endif

#ifndef __alloc_percpu_nolock
#define __alloc_percpu_nolock(size, align, gfp)				\
	__alloc_percpu_gfp(size, align, (gfp) | GFP_NOWAIT | __GFP_NOWARN)
#define free_percpu_nolock(ptr)	free_percpu(ptr)
#endif

#ifndef __alloc_percpu_bulk
static void free_percpu_bulk(size_t nr, void __percpu **ptrs)
{
	while (nr--)
		free_percpu(ptrs[nr]);
}

static bool __alloc_percpu_bulk(size_t bytes, size_t align, gfp_t gfp, size_t nr,
				void __percpu **ptrs)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		ptrs[i] = __alloc_percpu_gfp(bytes, align, gfp);
		if (!ptrs[i]) {
			free_percpu_bulk(i, ptrs);
			return false;
		}
	}
	return true;
}
#endif

static void report(const char *name, u64 value, const char *unit)
{
	pr_info("%s %llu %s\n", name, value, unit);
}

/* Report ns / count with one decimal: a slab pair takes 20 ns. */
static void report_ns(const char *name, u64 ns, u64 count)
{
	u64 tenths = count ? div64_u64(ns * 10, count) : 0;
	u32 decimal;

	tenths = div_u64_rem(tenths, 10, &decimal);
	pr_info("%s %llu.%u ns\n", name, tenths, decimal);
}

static void report_failed(const char *name, u64 failed)
{
	if (failed)
		pr_info("%s_failed %llu count\n", name, failed);
}

static unsigned int random_below(struct rnd_state *rnd, unsigned int limit)
{
	return prandom_u32_state(rnd) % limit;
}

/* Give way now and then in a loop, at a cost that does not show. */
static void breathe(unsigned int turn)
{
	if (turn % 256 == 0)
		cond_resched();
}

/*
 * Populated pages of all units, 0 as a module.
 */
static unsigned long pages_now(void)
{
	return IS_BUILTIN(CONFIG_TEST_PERCPU) ? pcpu_nr_pages() : 0;
}

/*
 * Wait until the allocator has given back, or put by, what it wants to: until
 * the pages have been the same for a second, 4 seconds at most. A module does
 * not see the pages and waits for 2 seconds.
 */
static unsigned long settle(void)
{
	unsigned long pages = pages_now(), before;
	unsigned int turn, same = 0;

	if (!IS_BUILTIN(CONFIG_TEST_PERCPU)) {
		msleep(2000);
		return 0;
	}
	for (turn = 0; turn < 80 && same < 20; turn++) {
		msleep(50);
		before = pages;
		pages = pages_now();
		same = pages == before ? same + 1 : 0;
	}
	return pages;
}

/*
 * Crews: threads bound to one CPU each, which start together.
 */

struct crew;

struct worker {
	struct crew *crew;
	unsigned int index;
	struct task_struct *task;
	struct completion done;
	int err;
	u64 start;
	u64 end;
	u64 failed;		/* allocations */
};

struct crew {
	int (*fn)(struct worker *worker);
	const void *arg;
	unsigned int nr;
	bool stop;		/* an error, or the user lost patience */
	struct completion go;
	atomic_t ready;
	struct worker worker[] __counted_by(nr);
};

static bool crew_stopped(struct crew *crew)
{
	return READ_ONCE(crew->stop);
}

/* Called by each worker once, when it is ready to measure. */
static void start_together(struct worker *worker)
{
	struct crew *crew = worker->crew;

	atomic_inc(&crew->ready);
	while (atomic_read(&crew->ready) < crew->nr && !crew_stopped(crew)) {
		cpu_relax();
		cond_resched();
	}
	worker->start = ktime_get_ns();
}

static int worker_thread(void *data)
{
	struct worker *worker = data;
	struct crew *crew = worker->crew;

	wait_for_completion(&crew->go);
	if (!crew_stopped(crew)) {
		worker->err = crew->fn(worker);
		if (worker->err)
			WRITE_ONCE(crew->stop, true);
	}
	complete(&worker->done);
	return 0;
}

static struct crew *crew_alloc(unsigned int nr, int (*fn)(struct worker *),
			       const void *arg)
{
	struct crew *crew = kvzalloc_flex(*crew, worker, nr);
	unsigned int i;

	if (!crew)
		return NULL;
	crew->nr = nr;
	crew->fn = fn;
	crew->arg = arg;
	init_completion(&crew->go);
	for (i = 0; i < nr; i++) {
		crew->worker[i].crew = crew;
		crew->worker[i].index = i;
		init_completion(&crew->worker[i].done);
	}
	return crew;
}

static int crew_start(struct crew *crew)
{
	unsigned int i = 0, cpu;

	guard(cpus_read_lock)();
	for_each_online_cpu(cpu) {
		struct worker *worker = &crew->worker[i];
		struct task_struct *task;

		if (i == crew->nr)
			break;
		task = kthread_create_on_cpu(worker_thread, worker, cpu,
					     "test_percpu/%u");
		if (IS_ERR(task))
			return PTR_ERR(task);
		worker->task = get_task_struct(task);
		wake_up_process(task);
		i++;
	}
	/* A CPU has gone since the threads were counted. */
	return i == crew->nr ? 0 : -EAGAIN;
}

/*
 * Run the crew's function on all of its workers. Returns the first error.
 */
static int crew_run(struct crew *crew)
{
	int err = crew_start(crew);
	unsigned int i;

	if (err)
		WRITE_ONCE(crew->stop, true);
	complete_all(&crew->go);

	for (i = 0; i < crew->nr; i++) {
		struct worker *worker = &crew->worker[i];

		if (!worker->task)
			continue;
		/* Wake up each second: so long a wait looks like a hang. */
		while (!wait_for_completion_timeout(&worker->done, HZ)) {
			if (fatal_signal_pending(current))
				WRITE_ONCE(crew->stop, true);
		}
		kthread_stop_put(worker->task);
		err = err ?: worker->err;
	}
	if (!err && fatal_signal_pending(current))
		err = -EINTR;
	return err;
}

/* From the first start to the last end. */
static u64 crew_ns(const struct crew *crew)
{
	u64 start = U64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < crew->nr; i++) {
		start = min(start, crew->worker[i].start);
		end = max(end, crew->worker[i].end);
	}
	return end - start;
}

static u64 crew_failed(const struct crew *crew)
{
	u64 failed = 0;
	unsigned int i;

	for (i = 0; i < crew->nr; i++)
		failed += crew->worker[i].failed;
	return failed;
}

static unsigned int max_threads(void)
{
	unsigned int online = num_online_cpus();

	return threads ? min(threads, online) : online;
}

/* 1, 2, 4... and at last the highest; 0 after that. */
static unsigned int next_threads(unsigned int nr)
{
	return nr < max_threads() ? min(nr * 2, max_threads()) : 0;
}

/*
 * pairs, slub: allocate and free.
 */

enum pattern { PAIR_AT_ONCE, PAIR_RING, PAIR_BATCH };

struct pairs {
	bool slub;
	enum pattern pattern;
	gfp_t gfp;
	size_t size;
	unsigned int live;
	unsigned int loops;
};

union object {
	void __percpu *percpu;
	void *slub;
};

static __always_inline bool object_alloc(union object *object, bool slub,
					 size_t bytes, gfp_t gfp)
{
	if (slub) {
		object->slub = kmalloc(bytes, gfp);
		return object->slub;
	}
	object->percpu = __alloc_percpu_gfp(bytes, BENCH_ALIGN, gfp);
	return object->percpu;
}

static __always_inline void object_free(union object *object, bool slub)
{
	if (slub)
		kfree(object->slub);
	else
		free_percpu(object->percpu);
}

static __always_inline u64 run_pattern(const struct pairs *pairs, bool slub,
				       union object *ring)
{
	unsigned int i, j, at = 0;
	u64 failed = 0;

	switch (pairs->pattern) {
	case PAIR_AT_ONCE:
		for (i = 0; i < pairs->loops; i++) {
			failed += !object_alloc(&ring[0], slub, pairs->size, pairs->gfp);
			object_free(&ring[0], slub);
			breathe(i);
		}
		break;
	case PAIR_RING:
		for (i = 0; i < pairs->loops; i++) {
			object_free(&ring[at], slub);
			failed += !object_alloc(&ring[at], slub, pairs->size, pairs->gfp);
			if (++at == pairs->live)
				at = 0;
			breathe(i);
		}
		break;
	case PAIR_BATCH:
		for (i = 0; i < pairs->loops; i += pairs->live) {
			for (j = 0; j < pairs->live; j++)
				failed += !object_alloc(&ring[j], slub, pairs->size, pairs->gfp);
			for (j = 0; j < pairs->live; j++)
				object_free(&ring[j], slub);
			cond_resched();
		}
		break;
	}
	return failed;
}

static int pairs_worker(struct worker *worker)
{
	const struct pairs *pairs = worker->crew->arg;
	bool slub = pairs->slub;
	union object *ring;
	unsigned int i;
	int err = 0;

	ring = kvcalloc(pairs->live, sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	if (pairs->pattern == PAIR_RING) {
		for (i = 0; i < pairs->live && !err; i++) {
			if (!object_alloc(&ring[i], slub, pairs->size, GFP_KERNEL))
				err = -ENOMEM;
		}
	}
	if (!err) {
		start_together(worker);
		/* Two copies: the choice of allocator is not measured. */
		worker->failed = slub ? run_pattern(pairs, true, ring) :
					run_pattern(pairs, false, ring);
		worker->end = ktime_get_ns();
	}
	if (pairs->pattern == PAIR_RING) {
		for (i = 0; i < pairs->live; i++)
			object_free(&ring[i], slub);
	}
	kvfree(ring);
	return err;
}

static int run_pairs(struct pairs *pairs)
{
	const char *kind = pairs->slub ? "slub" : pairs->gfp == GFP_NOWAIT ?
			   "pair_nowait" : "pair";
	struct crew *crew;
	unsigned int nr;
	char name[64];
	int err;

	for (nr = 1; nr; nr = next_threads(nr)) {
		if (pairs->pattern == PAIR_AT_ONCE)
			snprintf(name, sizeof(name), "%s_%zu_t%u", kind,
				 pairs->size, nr);
		else
			snprintf(name, sizeof(name), "%s_%zu_%s%u_t%u", kind,
				 pairs->size, pairs->pattern == PAIR_RING ?
				 "live" : "batch", pairs->live, nr);
		crew = crew_alloc(nr, pairs_worker, pairs);
		if (!crew)
			return -ENOMEM;
		err = crew_run(crew);
		if (!err) {
			report_ns(name, crew_ns(crew), pairs->loops);
			report_failed(name, crew_failed(crew));
		}
		kvfree(crew);
		if (err)
			return err;
	}
	return 0;
}

static int run_pair_sizes(bool slub)
{
	static const unsigned int sizes[] = { 8, 64, 256, 1024 };
	static const struct {
		enum pattern pattern;
		gfp_t gfp;
	} kinds[] = {
		{ PAIR_AT_ONCE, GFP_KERNEL },
		{ PAIR_RING, GFP_KERNEL },
		{ PAIR_BATCH, GFP_KERNEL },
		{ PAIR_RING, GFP_NOWAIT },
	};
	struct pairs pairs = { .slub = slub, .live = live ?: 64 };
	unsigned int i, j;
	int err = 0;

	/* A whole number of batches. */
	pairs.loops = roundup(loops ?: 100000, pairs.live);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slub && kinds[i].gfp != GFP_KERNEL)
			continue;
		pairs.pattern = kinds[i].pattern;
		pairs.gfp = kinds[i].gfp;
		for (j = 0; j < ARRAY_SIZE(sizes) && !err; j++) {
			if (size && j)
				break;
			pairs.size = size ?: sizes[j];
			err = run_pairs(&pairs);
		}
	}
	return err;
}

static int test_pairs(void)
{
	return run_pair_sizes(false);
}

static int test_slub(void)
{
	return run_pair_sizes(true);
}

/*
 * neighbours: each thread replaces objects that lie between those of the others.
 */

struct neighbours {
	size_t size;
	unsigned int live;
	unsigned int loops;
	void __percpu **objects;	/* those of a thread in a row */
};

static int neighbours_worker(struct worker *worker)
{
	const struct neighbours *all = worker->crew->arg;
	void __percpu **own = all->objects + worker->index * all->live;
	unsigned int i;

	start_together(worker);
	for (i = 0; i < all->loops; i++) {
		void __percpu **object = &own[i % all->live];

		free_percpu(*object);
		*object = __alloc_percpu(all->size, BENCH_ALIGN);
		worker->failed += !*object;
		breathe(i);
	}
	worker->end = ktime_get_ns();
	return 0;
}

static int run_neighbours(struct neighbours *all, unsigned int nr)
{
	struct crew *crew = crew_alloc(nr, neighbours_worker, all);
	char name[64];
	unsigned int i;
	int err;

	if (!crew)
		return -ENOMEM;
	/* In turns, so that each has one of any @nr side by side. */
	for (i = 0; i < nr * all->live; i++)
		all->objects[i % nr * all->live + i / nr] = __alloc_percpu(all->size, BENCH_ALIGN);
	err = crew_run(crew);
	for (i = 0; i < nr * all->live; i++)
		free_percpu(all->objects[i]);
	if (!err) {
		snprintf(name, sizeof(name), "neighbours_%zu_t%u", all->size, nr);
		report_ns(name, crew_ns(crew), all->loops);
		report_failed(name, crew_failed(crew));
	}
	kvfree(crew);
	return err;
}

static int test_neighbours(void)
{
	static const unsigned int sizes[] = { 8, 64, 192 };
	struct neighbours all = { .live = live ?: 64, .loops = loops ?: 100000 };
	unsigned int i, nr;
	int err = 0;

	all.objects = kvcalloc(max_threads() * all.live, sizeof(*all.objects), GFP_KERNEL);
	if (!all.objects)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(sizes) && !err && !(size && i); i++) {
		all.size = size ?: sizes[i];
		for (nr = 1; nr && !err; nr = next_threads(nr))
			err = run_neighbours(&all, nr);
	}
	kvfree(all.objects);
	return err;
}

/*
 * remote: the first worker allocates, the second one frees. Objects are handed over
 * in arrays, so that what the two wait for is the allocator: slots that go to
 * and fro one by one cost both more than a pair does.
 */

#define REMOTE_BATCHES	4
#define REMOTE_OBJECTS	64		/* of a batch */

struct remote_batch {
	void __percpu *object[REMOTE_OBJECTS];
	/* The producer fills an empty one, the consumer empties a full one. */
	bool full ____cacheline_aligned;
} ____cacheline_aligned;

struct remote {
	size_t size;
	unsigned int loops;		/* a multiple of REMOTE_OBJECTS */
	struct remote_batch *batch;
};

static struct remote_batch *remote_batch(const struct remote *remote, unsigned int i)
{
	return &remote->batch[i / REMOTE_OBJECTS % REMOTE_BATCHES];
}

/* Wait until the other one is done with @batch; false: it gave up. */
static bool remote_wait(struct worker *worker, const struct remote_batch *batch, bool full)
{
	/* Pairs with the other one's release: it has touched the objects before. */
	while (smp_load_acquire(&batch->full) != full) {
		if (crew_stopped(worker->crew))
			return false;
		cpu_relax();
		cond_resched();
	}
	return true;
}

static void remote_produce(struct worker *worker, const struct remote *remote)
{
	unsigned int i, j;

	for (i = 0; i < remote->loops; i += REMOTE_OBJECTS) {
		struct remote_batch *batch = remote_batch(remote, i);

		if (!remote_wait(worker, batch, false))
			return;
		for (j = 0; j < REMOTE_OBJECTS; j++) {
			batch->object[j] = __alloc_percpu(remote->size, BENCH_ALIGN);
			worker->failed += !batch->object[j];
		}
		/* Pairs with the consumer's acquire. */
		smp_store_release(&batch->full, true);
		breathe(i);
	}
}

static void remote_consume(struct worker *worker, const struct remote *remote)
{
	unsigned int i, j;

	for (i = 0; i < remote->loops; i += REMOTE_OBJECTS) {
		struct remote_batch *batch = remote_batch(remote, i);

		if (!remote_wait(worker, batch, true))
			return;
		for (j = 0; j < REMOTE_OBJECTS; j++) {
			free_percpu(batch->object[j]);
			batch->object[j] = NULL;
		}
		/* Pairs with the producer's acquire. */
		smp_store_release(&batch->full, false);
		breathe(i);
	}
}

static int remote_worker(struct worker *worker)
{
	const struct remote *remote = worker->crew->arg;

	start_together(worker);
	if (worker->index == 0)
		remote_produce(worker, remote);
	else
		remote_consume(worker, remote);
	worker->end = ktime_get_ns();
	return 0;
}

static int run_remote(size_t bytes)
{
	struct remote remote = {
		.size = bytes,
		.loops = roundup(loops ?: 100000, REMOTE_OBJECTS),
	};
	struct crew *crew;
	unsigned int i;
	char name[32];
	int err = -ENOMEM;

	remote.batch = kvcalloc(REMOTE_BATCHES, sizeof(*remote.batch), GFP_KERNEL);
	crew = crew_alloc(2, remote_worker, &remote);
	if (!remote.batch || !crew)
		goto out;
	err = crew_run(crew);
	if (!err) {
		snprintf(name, sizeof(name), "remote_%zu", bytes);
		report_ns(name, crew_ns(crew), remote.loops);
		report_failed(name, crew_failed(crew));
	}
	/* What a crew that was stopped has left. */
	for (i = 0; i < REMOTE_BATCHES * REMOTE_OBJECTS; i++)
		free_percpu(remote_batch(&remote, i)->object[i % REMOTE_OBJECTS]);
out:
	kvfree(crew);
	kvfree(remote.batch);
	return err;
}

static int test_remote(void)
{
	int err;

	if (max_threads() < 2) {
		pr_info("remote skipped: it needs two CPUs\n");
		return 0;
	}
	err = run_remote(size ?: 64);
	if (!err && !size)
		err = run_remote(1024);
	return err;
}

/*
 * cold, random35k: many objects, none of which was there before.
 */

static int run_many(const char *name, unsigned int nr, bool align)
{
	struct rnd_state rnd;
	void __percpu **object;
	u64 start, middle, end;
	unsigned long pages;
	u64 failed = 0;
	unsigned int i;
	char label[32];

	object = kvcalloc(nr, sizeof(*object), GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	pages = settle();
	prandom_seed_state(&rnd, seed);

	start = ktime_get_ns();
	for (i = 0; i < nr; i++) {
		size_t bytes = 1 + random_below(&rnd, PAGE_SIZE / 4);
		size_t to = BENCH_ALIGN;

		if (align)
			to = 2UL << random_below(&rnd, PAGE_SHIFT - 1);
		object[i] = __alloc_percpu(size ?: bytes, to);
		failed += !object[i];
		breathe(i);
	}
	middle = ktime_get_ns();
	pages = pages_now() - pages;
	for (i = 0; i < nr; i++) {
		free_percpu(object[i]);
		breathe(i);
	}
	end = ktime_get_ns();
	kvfree(object);

	snprintf(label, sizeof(label), "%s_alloc", name);
	report_ns(label, middle - start, nr);
	snprintf(label, sizeof(label), "%s_free", name);
	report_ns(label, end - middle, nr);
	report_ns(name, end - start, nr);
	if (pages) {
		snprintf(label, sizeof(label), "%s_pages", name);
		report(label, pages, "pages");
	}
	report_failed(name, failed);
	return failed ? -ENOMEM : 0;
}

static int test_cold(void)
{
	return run_many("cold", loops ?: 28000, false);
}

static int test_random35k(void)
{
	return run_many("random35k", loops ?: 35000, true);
}

/*
 * burst_irqsoff: 1 MiB of objects in a row that nobody can help with.
 */

static int run_burst(size_t bytes, unsigned int nr)
{
	void __percpu **object;
	unsigned long flags;
	unsigned int n, i;
	char name[32];

	object = kvcalloc(nr, sizeof(*object), GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	settle();

	local_irq_save(flags);
	for (n = 0; n < nr; n++) {
		object[n] = __alloc_percpu_gfp(bytes, BENCH_ALIGN, GFP_NOWAIT);
		if (!object[n])
			break;
	}
	local_irq_restore(flags);

	for (i = 0; i < n; i++)
		free_percpu(object[i]);
	kvfree(object);
	snprintf(name, sizeof(name), "burst_%zu", bytes);
	report(name, n, "objects");
	return 0;
}

static int test_burst_irqsoff(void)
{
	int err;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_info("burst_irqsoff skipped: PREEMPT_RT takes sleeping locks here\n");
		return 0;
	}
	if (size)
		return run_burst(size, max(SZ_1M / size, 1U));
	err = run_burst(64, SZ_1M / 64);
	return err ?: run_burst(512, SZ_1M / 512);
}

/*
 * groups: objects that live and die together, a few at a time in turns, as
 * those of network namespaces and cgroups do.
 */

#define GROUPS		11
#define GROUP_RUN	16		/* objects of one group in a row */
#define GROUP_PAGES	1000		/* of all groups, per unit */

static unsigned int group_of(unsigned int i)
{
	return i / GROUP_RUN % GROUPS;
}

/* Called with each object: where those of a run are allocated, they are freed, too. */
static void groups_move(unsigned int i)
{
	unsigned int cpu;

	if (!spread || i % GROUP_RUN)
		return;
	cpu = cpumask_nth(i / GROUP_RUN % num_online_cpus(), cpu_online_mask);
	/* Else one has gone meanwhile. */
	if (cpu < nr_cpu_ids)
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

static void free_groups(void __percpu **object, unsigned int nr, bool all)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		groups_move(i);
		if (all || group_of(i)) {
			free_percpu(object[i]);
			object[i] = NULL;
		}
		breathe(i);
	}
}

static int test_groups(void)
{
	const size_t bytes = GROUP_PAGES * PAGE_SIZE;
	unsigned long before, full, left, end;
	const unsigned int nr = bytes / 64;
	struct rnd_state rnd;
	void __percpu **object;
	unsigned int n = 0;
	size_t sum = 0;
	int err = 0;

	object = kvcalloc(nr, sizeof(*object), GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	before = settle();
	prandom_seed_state(&rnd, seed);
	while (n < nr && sum < bytes) {
		size_t one = size ?: 64 + 8 * random_below(&rnd, 57);

		groups_move(n);
		object[n] = __alloc_percpu(one, BENCH_ALIGN);
		if (!object[n]) {
			err = -ENOMEM;
			break;
		}
		sum += one;
		breathe(++n);
	}
	full = settle();
	free_groups(object, n, false);
	left = settle();
	free_groups(object, n, true);
	if (spread)
		set_cpus_allowed_ptr(current, cpu_possible_mask);
	kvfree(object);
	end = settle();
	if (err)
		return err;

	report("groups_objects", n, "objects");
	report("groups_asked", sum / PAGE_SIZE * num_possible_cpus(), "pages");
	if (!IS_BUILTIN(CONFIG_TEST_PERCPU)) {
		pr_info("groups: pages are shown where the test is built in\n");
		return 0;
	}
	report("groups_full_pages", full - before, "pages");
	report("groups_left_pages", left > before ? left - before : 0, "pages");
	report("groups_end_pages", end > before ? end - before : 0, "pages");
	return 0;
}

/*
 * exhaust: all memory, politely. The objects are chained through their own
 * first unit, since there will be no other memory to keep them in.
 */

static int test_exhaust(void)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;
	const unsigned int cpu = cpumask_first(cpu_possible_mask);
	const size_t bytes = max_t(size_t, size ?: PCPU_MIN_UNIT_SIZE, sizeof(void *));
	const u64 limit = cap ? (u64)cap << 20 : U64_MAX;
	void __percpu *last = NULL, *object;
	u64 sum = 0, nr = 0;
	bool killed = false;

	while (sum + bytes <= limit) {
		object = __alloc_percpu_gfp(bytes, BENCH_ALIGN, gfp);
		if (!object)
			break;
		*(void __percpu **)per_cpu_ptr(object, cpu) = last;
		last = object;
		sum += bytes;
		breathe(++nr);
		killed = fatal_signal_pending(current);
		if (killed)
			break;
	}
	if (sum + bytes > limit)
		pr_info("exhaust: stopped at the limit of %u MiB\n", cap);
	while (last) {
		object = last;
		last = *(void __percpu **)per_cpu_ptr(object, cpu);
		free_percpu(object);
		cond_resched();
	}
	if (killed)
		return -EINTR;
	report("exhaust_objects", nr, "objects");
	report("exhaust_bytes", (sum >> 10) * num_possible_cpus(), "KiB");
	return 0;
}

/*
 * stress: each thread has three players: itself, work in softirq and work in
 * hardirq on the same CPU. A player owns a table of objects and trades them,
 * full or empty, for those on a table that all players share.
 */

struct stress_object {
	void __percpu *ptr;		/* NULL: nothing allocated */
	size_t size;
	u8 tag;
	bool in_rcu;			/* waits for a grace period */
	struct rcu_head rcu;
	struct stress *stress;
};

struct stress_player {
	const char *name;
	struct stress *stress;
	struct rnd_state rnd;
	struct stress_object **own;
	unsigned int nr;
	bool grow;
	atomic_t busy;
	u64 turns, allocs, frees, failed;
	u64 nolock, bulk, uninit;	/* of the allocs */
	u32 digest;		/* of what it drew, see stress_digests() */
};

/* What a player does in a turn; drawn before it looks at any object. */
struct stress_draw {
	unsigned int own;
	unsigned int shared;
	bool trade;
	bool against;		/* free while it grows, allocate while it shrinks */
	bool by_rcu;
	u8 tag;
	size_t size;
	size_t align;
};

struct stress_team {
	struct stress_player task, softirq, hardirq;
	struct work_struct softirq_work;
	struct irq_work hardirq_work;
};

struct stress {
	unsigned int loops;
	u64 irq_turns;			/* what a player in interrupts has to do */
	unsigned long end;		/* in jiffies, if there is a time limit */
	unsigned int nr_teams;
	struct stress_team *team;
	unsigned int nr_objects;
	struct stress_object *object;	/* all there are */
	struct stress_object **own;	/* the players' tables */
	unsigned int nr_shared;
	struct stress_object **shared;
	atomic_t errors;
	atomic_long_t rcu_frees;
};

#define STRESS_IRQ_OBJECTS	64
#define STRESS_IRQ_TURNS	8	/* by each interrupt, one of which comes */
#define STRESS_IRQ_LOOPS	64	/* every so many turns of the task */
#define STRESS_BATCH		20
#define STRESS_DIGEST_TURNS	100
#define STRESS_ERRORS_SHOWN	10

static u8 stress_byte(const struct stress_object *object, unsigned int cpu)
{
	return (object->tag + 37 * cpu) | 1;
}

static void stress_error(const char *who, const char *what,
			 const struct stress_object *object, size_t align,
			 unsigned int cpu)
{
	if (atomic_inc_return(&object->stress->errors) > STRESS_ERRORS_SHOWN)
		return;
	pr_err("stress, %s: %s, cpu %u, pointer %lx, size %zu, align %zu\n",
	       who, what, cpu, (unsigned long)object->ptr, object->size, align);
}

/* A new object has to be aligned and, if it shall be, zero on every CPU. */
static void stress_fill(struct stress_player *player,
			struct stress_object *object, size_t align, bool zeroed)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		void *copy = per_cpu_ptr(object->ptr, cpu);

		if (!IS_ALIGNED((unsigned long)copy, align))
			stress_error(player->name, "badly aligned", object, align, cpu);
		if (zeroed && memchr_inv(copy, 0, object->size))
			stress_error(player->name, "not zero", object, align, cpu);
	}
	/* A second pass finds copies that are in one place. */
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(object->ptr, cpu), stress_byte(object, cpu),
		       object->size);
}

static void stress_check(const char *who, const struct stress_object *object)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (memchr_inv(per_cpu_ptr(object->ptr, cpu),
			       stress_byte(object, cpu), object->size))
			stress_error(who, "overwritten", object, 0, cpu);
	}
}

static size_t stress_size(struct rnd_state *rnd)
{
	if (size)
		return size;
	/* Small ones most of the time, any size now and then. */
	if (!random_below(rnd, 512))
		return 1 + random_below(rnd, PCPU_MIN_UNIT_SIZE);
	return 1 + random_below(rnd, 8U << random_below(rnd, 9));
}

enum stress_context {
	STRESS_BLOCKING,	/* GFP_KERNEL */
	STRESS_NOFS,		/* GFP_KERNEL in a GFP_NOFS scope */
	STRESS_NOWAIT,
	STRESS_ATOMIC,
	STRESS_IRQS_OFF,	/* GFP_ATOMIC with interrupts off */
	STRESS_UNINIT,		/* GFP_KERNEL, not zeroed */
	STRESS_BULK,		/* GFP_KERNEL, many at a time */
	STRESS_CONTEXTS,	/* in a task there are all of these */
	STRESS_NOLOCK = STRESS_CONTEXTS,
};

static void __percpu *stress_alloc(size_t bytes, size_t align,
				   enum stress_context context)
{
	void __percpu *ptr;
	unsigned long flags;

	switch (context) {
	case STRESS_BLOCKING:
		return __alloc_percpu(bytes, align);
	case STRESS_NOFS:
		flags = memalloc_nofs_save();
		ptr = __alloc_percpu(bytes, align);
		memalloc_nofs_restore(flags);
		return ptr;
	case STRESS_NOWAIT:
		return __alloc_percpu_gfp(bytes, align, GFP_NOWAIT);
	case STRESS_UNINIT:
		return __alloc_percpu_uninit(bytes, align, GFP_KERNEL);
	case STRESS_NOLOCK:
		return __alloc_percpu_nolock(bytes, align, 0);
	case STRESS_IRQS_OFF:
		if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
			local_irq_save(flags);
			ptr = __alloc_percpu_gfp(bytes, align, GFP_ATOMIC | __GFP_NOWARN);
			local_irq_restore(flags);
			return ptr;
		}
		fallthrough;
	default:
		return __alloc_percpu_gfp(bytes, align, GFP_ATOMIC | __GFP_NOWARN);
	}
}

static void stress_free(struct stress_player *player,
			struct stress_object *object, enum stress_context context)
{
	unsigned long flags;

	stress_check(player->name, object);
	if (context == STRESS_NOLOCK) {
		free_percpu_nolock(object->ptr);
	} else if (context == STRESS_IRQS_OFF && !IS_ENABLED(CONFIG_PREEMPT_RT)) {
		local_irq_save(flags);
		free_percpu(object->ptr);
		local_irq_restore(flags);
	} else {
		free_percpu(object->ptr);
	}
	object->ptr = NULL;
	player->frees++;
}

static void stress_rcu_free(struct rcu_head *rcu)
{
	struct stress_object *object = container_of(rcu, struct stress_object, rcu);

	stress_check("rcu", object);
	free_percpu(object->ptr);
	object->ptr = NULL;
	atomic_long_inc(&object->stress->rcu_frees);
	/* Pairs with the acquire of whoever meets the object next. */
	smp_store_release(&object->in_rcu, false);
}

/*
 * All turns count where loops limits them, as each player then has as many whenever
 * it is run; else the first, which none is too slow for.
 */
static bool stress_digests(const struct stress_player *player)
{
	return !seconds || player->turns < STRESS_DIGEST_TURNS;
}

static struct stress_draw stress_draw(struct stress_player *player)
{
	struct rnd_state *rnd = &player->rnd;
	struct stress_draw draw;

	draw.own = random_below(rnd, player->nr);
	draw.shared = random_below(rnd, player->stress->nr_shared);
	draw.trade = !random_below(rnd, 4);
	draw.against = !random_below(rnd, 8);
	draw.by_rcu = !random_below(rnd, 8);
	draw.tag = random_below(rnd, 256);
	draw.size = stress_size(rnd);
	draw.align = random_below(rnd, 64) ? 1UL << random_below(rnd, 7) : PAGE_SIZE;
	if (stress_digests(player))
		player->digest = jhash_3words(draw.own ^ draw.tag << 16, draw.shared,
					      draw.size ^ draw.align << 16, player->digest);
	return draw;
}

static void stress_turn_alloc(struct stress_player *player, struct stress_object *object,
			      const struct stress_draw *draw, enum stress_context context)
{
	object->size = draw->size;
	object->tag = draw->tag;
	object->ptr = stress_alloc(object->size, draw->align, context);
	if (!object->ptr) {
		player->failed++;
		return;
	}
	player->allocs++;
	player->nolock += context == STRESS_NOLOCK;
	player->uninit += context == STRESS_UNINIT;
	stress_fill(player, object, draw->align, context != STRESS_UNINIT);
}

static void stress_turn_free(struct stress_player *player, struct stress_object *object,
			     const struct stress_draw *draw, enum stress_context context)
{
	if (!draw->by_rcu) {
		stress_free(player, object, context);
		return;
	}
	object->in_rcu = true;
	call_rcu(&object->rcu, stress_rcu_free);
}

/*
 * Of the player's objects, from the one that was drawn on, those that are @full, or
 * those that are empty, as many as make a batch.
 */
static unsigned int stress_batch(struct stress_player *player, unsigned int at, bool full,
				 struct stress_object **batch)
{
	unsigned int i, nr = 0;

	for (i = 0; i < player->nr && nr < STRESS_BATCH; i++) {
		struct stress_object *object = player->own[(at + i) % player->nr];

		/* Pairs with the release in stress_rcu_free(). */
		if (!smp_load_acquire(&object->in_rcu) && !!object->ptr == full)
			batch[nr++] = object;
	}
	return nr;
}

static void stress_turn_bulk(struct stress_player *player, const struct stress_draw *draw,
			     bool full)
{
	struct stress_object *batch[STRESS_BATCH];
	void __percpu *ptrs[STRESS_BATCH];
	unsigned int nr = stress_batch(player, draw->own, full, batch), i;

	if (full) {
		for (i = 0; i < nr; i++) {
			stress_check(player->name, batch[i]);
			ptrs[i] = batch[i]->ptr;
			batch[i]->ptr = NULL;
		}
		free_percpu_bulk(nr, ptrs);
		player->frees += nr;
		return;
	}
	if (!__alloc_percpu_bulk(draw->size, draw->align, GFP_KERNEL, nr, ptrs)) {
		player->failed++;
		return;
	}
	for (i = 0; i < nr; i++) {
		batch[i]->size = draw->size;
		batch[i]->tag = draw->tag + i;
		batch[i]->ptr = ptrs[i];
		stress_fill(player, batch[i], draw->align, true);
	}
	player->allocs += nr;
	player->bulk += nr;
}

/* One turn: trade an object, then allocate where there is none, else free. */
static void stress_turn(struct stress_player *player, enum stress_context context)
{
	const struct stress_draw draw = stress_draw(player);
	struct stress_object **own = &player->own[draw.own], *object;

	player->turns++;
	/* In long waves from nearly empty to nearly full tables and back. */
	if (player->turns % (8 * player->nr) == 0)
		player->grow = !player->grow;
	if (draw.trade)
		*own = xchg(&player->stress->shared[draw.shared], *own);
	object = *own;

	/* Pairs with the release in stress_rcu_free(). */
	if (smp_load_acquire(&object->in_rcu))
		return;
	if (!!object->ptr == player->grow && !draw.against)
		return;
	if (context == STRESS_BULK)
		stress_turn_bulk(player, &draw, object->ptr);
	else if (object->ptr)
		stress_turn_free(player, object, &draw, context);
	else
		stress_turn_alloc(player, object, &draw, context);
}

static void stress_interrupt(struct stress_player *player, enum stress_context even,
			     enum stress_context odd)
{
	unsigned int i;

	/* Its thread may have been moved to another CPU and started a second. */
	if (atomic_cmpxchg_acquire(&player->busy, 0, 1))
		return;
	for (i = 0; i < STRESS_IRQ_TURNS && player->turns < player->stress->irq_turns; i++)
		stress_turn(player, i % 2 ? odd : even);
	atomic_set_release(&player->busy, 0);
}

static void stress_softirq(struct work_struct *work)
{
	stress_interrupt(&container_of(work, struct stress_team, softirq_work)->softirq,
			 STRESS_NOWAIT, STRESS_ATOMIC);
}

static void stress_hardirq(struct irq_work *work)
{
	stress_interrupt(&container_of(work, struct stress_team, hardirq_work)->hardirq,
			 STRESS_NOLOCK, STRESS_ATOMIC);
}

static bool stress_is_over(const struct stress *stress, unsigned int turn)
{
	return seconds ? time_after(jiffies, stress->end) : turn > stress->loops;
}

static void stress_call_interrupts(struct stress_team *team)
{
	queue_work(system_bh_wq, &team->softirq_work);
	if (IS_ENABLED(CONFIG_IRQ_WORK))
		irq_work_queue(&team->hardirq_work);
}

static void stress_wait_for_interrupts(struct stress_team *team)
{
	flush_work(&team->softirq_work);
	if (IS_ENABLED(CONFIG_IRQ_WORK))
		irq_work_sync(&team->hardirq_work);
}

/* Calls that came while one was pending were lost. */
static bool stress_lacks_turns(const struct stress *stress, const struct stress_team *team)
{
	return team->softirq.turns < stress->irq_turns ||
	       (IS_ENABLED(CONFIG_IRQ_WORK) && team->hardirq.turns < stress->irq_turns);
}

static int stress_worker(struct worker *worker)
{
	struct stress *stress = (struct stress *)worker->crew->arg;
	struct stress_team *team = &stress->team[worker->index];
	unsigned int i;

	start_together(worker);
	for (i = 1; !stress_is_over(stress, i) && !crew_stopped(worker->crew); i++) {
		stress_turn(&team->task, random_below(&team->task.rnd, STRESS_CONTEXTS));
		if (i % STRESS_IRQ_LOOPS)
			continue;
		stress_call_interrupts(team);
		cond_resched();
	}
	stress_wait_for_interrupts(team);
	while (!seconds && stress_lacks_turns(stress, team) && !crew_stopped(worker->crew)) {
		stress_call_interrupts(team);
		stress_wait_for_interrupts(team);
	}
	worker->end = ktime_get_ns();
	return 0;
}

static void stress_player_init(struct stress *stress, struct stress_player *player,
			       const char *name, unsigned int nr, unsigned int *taken)
{
	player->name = name;
	player->stress = stress;
	player->own = &stress->own[*taken];
	player->nr = nr;
	player->grow = true;
	prandom_seed_state(&player->rnd, (u64)seed + *taken);
	*taken += nr;
}

static int stress_init(struct stress *stress, unsigned int nr_teams)
{
	const unsigned int nr_task = live ?: 1024;
	unsigned int i, taken = 0;

	stress->loops = loops ?: 100000;
	stress->irq_turns = seconds ? U64_MAX :
			    stress->loops / STRESS_IRQ_LOOPS * STRESS_IRQ_TURNS;
	stress->end = jiffies + seconds * HZ;
	stress->nr_teams = nr_teams;
	stress->nr_shared = 64 * nr_teams;
	stress->nr_objects = (nr_task + 2 * STRESS_IRQ_OBJECTS) * nr_teams +
			     stress->nr_shared;
	stress->team = kvcalloc(nr_teams, sizeof(*stress->team), GFP_KERNEL);
	stress->object = kvcalloc(stress->nr_objects, sizeof(*stress->object), GFP_KERNEL);
	stress->own = kvcalloc(stress->nr_objects, sizeof(*stress->own), GFP_KERNEL);
	if (!stress->team || !stress->object || !stress->own)
		return -ENOMEM;

	for (i = 0; i < stress->nr_objects; i++) {
		stress->object[i].stress = stress;
		stress->own[i] = &stress->object[i];
	}
	for (i = 0; i < nr_teams; i++) {
		struct stress_team *team = &stress->team[i];

		stress_player_init(stress, &team->task, "task", nr_task, &taken);
		stress_player_init(stress, &team->softirq, "softirq",
				   STRESS_IRQ_OBJECTS, &taken);
		stress_player_init(stress, &team->hardirq, "hardirq",
				   STRESS_IRQ_OBJECTS, &taken);
		INIT_WORK(&team->softirq_work, stress_softirq);
		/* Not IRQ_WORK_HARD_IRQ: a thread on PREEMPT_RT. */
		init_irq_work(&team->hardirq_work, stress_hardirq);
	}
	stress->shared = stress->own + taken;
	return 0;
}

static void stress_report(struct stress *stress, u64 ns)
{
	u64 turns = 0, in_task = 0, in_softirq = 0, in_hardirq = 0, failed = 0;
	u64 nolock = 0, bulk = 0, uninit = 0;
	u32 digest = 0;
	unsigned int i;

	for (i = 0; i < stress->nr_teams; i++) {
		struct stress_team *team = &stress->team[i];

		digest = jhash_3words(team->task.digest, team->softirq.digest,
				      team->hardirq.digest, digest);
		turns += team->task.turns + team->softirq.turns + team->hardirq.turns;
		failed += team->task.failed + team->softirq.failed + team->hardirq.failed;
		in_task += team->task.allocs;
		in_softirq += team->softirq.allocs;
		in_hardirq += team->hardirq.allocs;
		nolock += team->hardirq.nolock;
		bulk += team->task.bulk;
		uninit += team->task.uninit;
	}
	/* The same for the same seed: of all turns, or without a limit of the first. */
	report("stress_digest", digest, "number");
	report("stress_turns", turns, "count");
	report("stress_task_allocs", in_task, "count");
	report("stress_softirq_allocs", in_softirq, "count");
	report("stress_hardirq_allocs", in_hardirq, "count");
	report("stress_nolock_allocs", nolock, "count");
	report("stress_bulk_allocs", bulk, "count");
	report("stress_uninit_allocs", uninit, "count");
	report("stress_rcu_frees", atomic_long_read(&stress->rcu_frees), "count");
	report("stress_failed", failed, "count");
	report("stress_time", div_u64(ns, NSEC_PER_MSEC), "ms");
	report("stress_errors", atomic_read(&stress->errors), "count");
}

static int test_stress(void)
{
	struct stress stress = { };
	struct stress_player *checker;
	struct crew *crew = NULL;
	unsigned int i;
	int err;

	err = stress_init(&stress, max_threads());
	if (err)
		goto out;
	crew = crew_alloc(stress.nr_teams, stress_worker, &stress);
	if (!crew) {
		err = -ENOMEM;
		goto out;
	}
	report("stress_seed", seed, "number");
	err = crew_run(crew);
	rcu_barrier();

	checker = &stress.team[0].task;
	for (i = 0; i < stress.nr_objects; i++) {
		if (stress.object[i].ptr)
			stress_free(checker, &stress.object[i], STRESS_BLOCKING);
		breathe(i);
	}
	stress_report(&stress, crew_ns(crew));
	if (atomic_read(&stress.errors))
		err = -EINVAL;
out:
	kvfree(crew);
	kvfree(stress.own);
	kvfree(stress.object);
	kvfree(stress.team);
	return err;
}

/*
 * The list of tests, and how they are called.
 */

static const struct test_case {
	const char *name;
	int (*fn)(void);
} test_cases[] = {
	{ "pairs", test_pairs },
	{ "neighbours", test_neighbours },
	{ "slub", test_slub },
	{ "remote", test_remote },
	{ "cold", test_cold },
	{ "random35k", test_random35k },
	{ "burst_irqsoff", test_burst_irqsoff },
	{ "groups", test_groups },
	{ "exhaust", test_exhaust },
	{ "stress", test_stress },
};

static const struct test_case *find_test(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(test_cases); i++) {
		if (!strcmp(test_cases[i].name, name))
			return &test_cases[i];
	}
	pr_err("there is no test \"%s\"; see modinfo\n", name);
	return NULL;
}

/* Run the tests of a list, or only look whether all of them exist. */
static int run_list(char *list, bool dry)
{
	const struct test_case *one;
	int err = 0, ret;
	char *name;

	while ((name = strsep(&list, ","))) {
		if (!*name)
			continue;
		one = find_test(name);
		if (!one)
			return -EINVAL;
		if (dry)
			continue;
		ret = one->fn();
		if (ret)
			pr_err("%s failed with error %d\n", name, ret);
		/* A fault in the allocator outweighs a lack of memory. */
		if (!err || ret == -EINVAL)
			err = ret;
		if (ret == -EINTR)
			break;
	}
	return err;
}

static int run_tests(void)
{
	bool dry = true;
	char *list;
	int err;

	do {
		list = kstrdup(test, GFP_KERNEL);
		if (!list)
			return -ENOMEM;
		err = run_list(list, dry);
		kfree(list);
		dry = !dry;
	} while (!err && !dry);
	return err;
}

static int __init test_percpu_init(void)
{
	int err = run_tests();

	pr_info("end: %s\n", err ? "failed" : "passed");
	if (!IS_BUILTIN(CONFIG_TEST_PERCPU))
		return err ?: -EAGAIN;	/* Failure unloads the module. */
	if (halt_after) {
		/* A machine that cannot, as QEMU without ACPI, starts anew. */
		if (kernel_can_power_off() || IS_ENABLED(CONFIG_UML))
			kernel_power_off();
		else
			kernel_restart(NULL);
	}
	return 0;
}

#ifdef MODULE
module_init(test_percpu_init);
#else
late_initcall(test_percpu_init);
#endif

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Stress and benchmark module for the percpu allocator");
