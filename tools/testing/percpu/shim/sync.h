/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sync.h - tasks and their context, locks, RCU, waiting, workers, time
 *
 * Each thread is one task on one CPU.  What it holds and where it pretends to
 * run are fields of the task, and each shim function checks them: shim_bug()
 * where the kernel would deadlock, sleep in atomic context, or break a rule of
 * this allocator (its lock is a leaf).
 *
 * With SHIM_THREADS locks are real; without, a lock that is taken is a bug.
 */
#ifndef SHIM_SYNC_H
#define SHIM_SYNC_H

#include "bits.h"
#include "list.h"

#ifdef SHIM_THREADS
#include <pthread.h>
#endif

/* ---- the task ------------------------------------------------------------ */

#define PF_KTHREAD		0x00200000
#define PF_EXITING		0x00000004
#define PF_MEMALLOC		0x00000800
#define PF_MEMALLOC_NOFS	0x00040000
#define PF_MEMALLOC_NOIO	0x00080000
#define PF_MEMALLOC_PIN		0x10000000

struct alloc_tag;
struct obj_cgroup;

/**
 * struct task_struct - what runs, and how
 * @flags: PF_*
 * @alloc_tag: the call site that allocates
 * @pid: for messages
 * @comm: for messages
 * @killed: a fatal signal is pending
 * @objcg: whom its allocations are charged to
 * @cpu: where it runs
 * @irqs_off: interrupts are disabled
 * @preempt: preemption is disabled so many times
 * @hardirq: it is an interrupt handler
 * @softirq: it is a softirq handler
 * @nr_locks: spinlocks held
 * @nr_rcu: RCU read-side sections it is in
 * @backing_gfp: the mask that its backing allocations must have
 * @backing_known: check them against that
 * @nmi: it is an NMI
 * @raw_locked: it holds a raw spinlock, or runs where somebody might: it may only try
 *	to get locks
 * @reading: it reads a file, for which it allocates as it likes, and gets it
 */
struct task_struct {
	unsigned int flags;
	struct alloc_tag *alloc_tag;
	int pid;
	char comm[16];
	bool killed;
	struct obj_cgroup *objcg;
	unsigned int cpu;
	bool irqs_off;
	unsigned int preempt;
	bool hardirq;
	bool softirq;
	unsigned int nr_locks;
	unsigned int nr_rcu;
	gfp_t backing_gfp;
	bool backing_known;
	bool nmi;
	bool raw_locked;
	bool reading;
};

extern __thread struct task_struct shim_task;
#define current			(&shim_task)

#define in_hardirq()		(current->hardirq)
#define in_serving_softirq()	(current->softirq)
#define in_interrupt()		(current->hardirq || current->softirq || current->nmi)
#define in_nmi()		(current->nmi)
#define in_task()		(!in_interrupt())
#define irqs_disabled()		(current->irqs_off || current->hardirq || current->nmi)
#define in_atomic()		(in_interrupt() || current->preempt || current->nr_locks)
#define preemptible()		(!in_atomic() && !irqs_disabled())
#define preempt_disable()	(current->preempt++)
#define preempt_enable()	(current->preempt--)
#define raw_smp_processor_id()	(current->cpu)
#define smp_processor_id()	(current->cpu)

/* Static percpu variables of the sources themselves: a plain array by CPU. */
#define DEFINE_PER_CPU_ALIGNED(type, name) type name[NR_CPUS]
#define DECLARE_PER_CPU_ALIGNED(type, name) extern type name[NR_CPUS]
#define per_cpu(name, cpu)	((name)[cpu])
#define raw_cpu_ptr(pointer)	(&(*(pointer))[0] + raw_smp_processor_id())
#define get_cpu()		(current->preempt++, current->cpu)
#define put_cpu()		(current->preempt--)
#define local_irq_save(f)	((f) = current->irqs_off, current->irqs_off = true)
#define local_irq_restore(f)	(current->irqs_off = (f))
#define local_irq_disable()	(current->irqs_off = true)
#define local_irq_enable()	(current->irqs_off = false)
#define local_bh_disable()	preempt_disable()
#define local_bh_enable()	preempt_enable()

/* A callee that takes other locks: not under a spinlock of ours, nor where they may be held. */
void shim_assert_unlocked(const char *what);
/* A callee that only tries to get other locks. */
void shim_assert_tries(const char *what);
/* A callee that may sleep. */
void shim_might_sleep(const char *what);

#define might_sleep()		shim_might_sleep(__func__)
#define might_sleep_if(cond)	do { if (cond) might_sleep(); } while (0)
#define cond_resched()		(shim_might_sleep("cond_resched"), 0)
#define cpu_relax()		shim_yield()
void shim_yield(void);

static inline bool fatal_signal_pending(const struct task_struct *task)
{
	return task->killed;
}

static inline bool signal_pending(const struct task_struct *task)
{
	return task->killed;
}

/* ---- time ------------------------------------------------------------------ */

#define HZ			1000
#define MAX_JIFFY_OFFSET	(LONG_MAX / 2 - 1)
#define MAX_SCHEDULE_TIMEOUT	LONG_MAX
extern unsigned long shim_jiffies;
#define jiffies			READ_ONCE(shim_jiffies)

#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define time_before_eq(a, b)	time_after_eq(b, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define msecs_to_jiffies(ms)	((unsigned long)(ms))
#define secs_to_jiffies(s)	((unsigned long)(s) * HZ)
#define jiffies_to_msecs(j)	((unsigned int)(j))

long schedule_timeout_killable(long timeout);
#define schedule_timeout_uninterruptible(timeout) schedule_timeout_killable(timeout)
#define msleep(ms)		schedule_timeout_killable(ms)

/* ---- atomics --------------------------------------------------------------- */

typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
typedef struct { s64 counter; } atomic64_t;
#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC_LONG_INIT(i)	{ (i) }

/* Without a result: no order.  With one: full order. */
#define SHIM_ATOMIC(name, type, value)					\
static inline value name##_read(const type *v)				\
{									\
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);		\
}									\
static inline void name##_set(type *v, value i)				\
{									\
	WRITE_ONCE(v->counter, i);					\
}									\
static inline void name##_add(value i, type *v)				\
{									\
	shim_nmi();							\
	__atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED);		\
	shim_nmi();							\
}									\
static inline void name##_sub(value i, type *v)				\
{									\
	shim_nmi();							\
	__atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED);		\
	shim_nmi();							\
}									\
static inline void name##_inc(type *v) { name##_add(1, v); }		\
static inline void name##_dec(type *v) { name##_sub(1, v); }		\
static inline value name##_add_return(value i, type *v)			\
{									\
	value result;							\
									\
	shim_nmi();							\
	result = __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
	shim_nmi();							\
	return result;							\
}									\
static inline value name##_sub_return(value i, type *v)			\
{									\
	value result;							\
									\
	shim_nmi();							\
	result = __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
	shim_nmi();							\
	return result;							\
}									\
static inline value name##_fetch_add(value i, type *v)			\
{									\
	value result;							\
									\
	shim_nmi();							\
	result = __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);	\
	shim_nmi();							\
	return result;							\
}									\
static inline value name##_inc_return(type *v) { return name##_add_return(1, v); } \
static inline value name##_dec_return(type *v) { return name##_sub_return(1, v); } \
static inline bool name##_dec_and_test(type *v) { return !name##_dec_return(v); } \
static inline bool name##_inc_and_test(type *v) { return !name##_inc_return(v); } \
static inline value name##_xchg(type *v, value i)			\
{									\
	return xchg(&v->counter, i);					\
}									\
static inline value name##_cmpxchg(type *v, value old, value i)		\
{									\
	return cmpxchg(&v->counter, old, i);				\
}									\
static inline bool name##_try_cmpxchg(type *v, value *old, value i)	\
{									\
	return try_cmpxchg(&v->counter, old, i);			\
}									\
static inline bool name##_add_unless(type *v, value i, value unless)	\
{									\
	value old = name##_read(v);					\
									\
	do {								\
		if (old == unless)					\
			return false;					\
	} while (!name##_try_cmpxchg(v, &old, old + i));		\
	return true;							\
}									\
static inline bool name##_inc_not_zero(type *v)				\
{									\
	return name##_add_unless(v, 1, 0);				\
}									\
static inline value name##_dec_if_positive(type *v)			\
{									\
	value old = name##_read(v);					\
									\
	do {								\
		if (old <= 0)						\
			break;						\
	} while (!name##_try_cmpxchg(v, &old, old - 1));		\
	return old - 1;							\
}

SHIM_ATOMIC(atomic, atomic_t, int)
SHIM_ATOMIC(atomic_long, atomic_long_t, long)
SHIM_ATOMIC(atomic64, atomic64_t, s64)

/* ---- spinlocks --------------------------------------------------------------- */

struct lock_class_key { int unused; };

typedef struct spinlock {
#ifdef SHIM_THREADS
	pthread_mutex_t mutex;
#endif
	const struct task_struct *holder;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#ifdef SHIM_THREADS
#define __SPIN_LOCK_UNLOCKED(name)	{ PTHREAD_MUTEX_INITIALIZER, NULL }
#else
#define __SPIN_LOCK_UNLOCKED(name)	{ NULL }
#endif
#define DEFINE_SPINLOCK(name)	spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RAW_SPINLOCK	DEFINE_SPINLOCK

void spin_lock_init(spinlock_t *lock);
void shim_spin_lock(spinlock_t *lock);
bool shim_spin_trylock(spinlock_t *lock);
void shim_spin_unlock(spinlock_t *lock);
bool shim_spin_is_held(const spinlock_t *lock);

/* The allocator's lock is taken from hard interrupts: never with them enabled. */
#define spin_lock(lock)		(SHIM_LOCK_NEEDS_IRQS_OFF(), shim_spin_lock(lock))
#define spin_unlock(lock)	shim_spin_unlock(lock)
#define SHIM_LOCK_NEEDS_IRQS_OFF()					\
	SHIM_ASSERT(irqs_disabled(), "spin_lock() with interrupts enabled")
/* There a spinlock_t may sleep, and its release may wake a task, which takes more locks. */
#define shim_assert_rt()						\
	SHIM_ASSERT(!IS_ENABLED(CONFIG_PREEMPT_RT) || !irqs_disabled(),	\
		    "a spinlock_t on PREEMPT_RT, with interrupts disabled")
#define spin_lock_irqsave(lock, flags)					\
	do { shim_assert_rt(); local_irq_save(flags); shim_spin_lock(lock); } while (0)
#define spin_unlock_irqrestore(lock, flags)				\
	do { shim_spin_unlock(lock); local_irq_restore(flags); } while (0)
#define spin_lock_irq(lock)						\
	do {								\
		SHIM_ASSERT(!irqs_disabled(), "spin_lock_irq() would enable interrupts"); \
		local_irq_disable();					\
		shim_spin_lock(lock);					\
	} while (0)
#define spin_unlock_irq(lock)						\
	do { shim_spin_unlock(lock); local_irq_enable(); } while (0)
#define spin_trylock_irqsave(lock, flags)				\
({									\
	shim_assert_rt();						\
	local_irq_save(flags);						\
	bool __got = shim_spin_trylock(lock);				\
	if (!__got)							\
		local_irq_restore(flags);				\
	__got;								\
})
/* As mm/internal.h has it. */
static inline bool can_spin_trylock(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && (in_nmi() || in_hardirq()))
		return false;
	return IS_ENABLED(CONFIG_SMP) || !in_nmi();
}

#define spin_is_locked(lock)	shim_spin_is_held(lock)
#define raw_spin_lock_irqsave	spin_lock_irqsave
#define raw_spin_unlock_irqrestore spin_unlock_irqrestore

#define lockdep_assert_held(lock)					\
	SHIM_ASSERT(shim_spin_is_held(lock), "%s: lock is not held", __func__)
#define lockdep_assert_not_held(lock)					\
	SHIM_ASSERT(!shim_spin_is_held(lock), "%s: lock is held", __func__)
#define lockdep_assert_irqs_disabled()					\
	SHIM_ASSERT(irqs_disabled(), "%s: interrupts are enabled", __func__)
#define lockdep_assert_in_softirq()	((void)0)
#define lockdep_set_class(lock, key)	((void)(key))

/* spin locks as scoped values */
struct shim_irqsave_guard {
	spinlock_t *lock;
	unsigned long flags;
};

static inline struct shim_irqsave_guard shim_guard_spinlock_irqsave(spinlock_t *lock)
{
	struct shim_irqsave_guard guard = { .lock = lock };

	spin_lock_irqsave(lock, guard.flags);
	return guard;
}

static inline void shim_unguard_spinlock_irqsave(struct shim_irqsave_guard *guard)
{
	spin_unlock_irqrestore(guard->lock, guard->flags);
}

struct shim_rcu_guard {
	bool held;
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
static inline struct shim_rcu_guard shim_guard_rcu(void)
{
	rcu_read_lock();
	return (struct shim_rcu_guard){ true };
}

static inline void shim_unguard_rcu(struct shim_rcu_guard *guard)
{
	rcu_read_unlock();
}

#define SHIM_GLUE_2(a, b)	a##b
#define SHIM_GLUE(a, b)		SHIM_GLUE_2(a, b)
#define guard(name)							\
	__auto_type SHIM_GLUE(__guard_, __LINE__)			\
	__attribute__((cleanup(shim_unguard_##name), unused)) =		\
		shim_guard_##name
#define scoped_guard(name, ...)						\
	for (__attribute__((cleanup(shim_unguard_##name)))		\
	     __auto_type __scope = shim_guard_##name(__VA_ARGS__),	\
	     *__once = &__scope; __once; __once = NULL)

/* ---- mutexes: for a few slow paths ------------------------------------------- */

struct mutex {
	spinlock_t lock;
};

#define DEFINE_MUTEX(name)	struct mutex name = { __SPIN_LOCK_UNLOCKED(name) }
void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* ---- RCU ----------------------------------------------------------------------- */

struct rcu_head {
	struct rcu_head *next;
	void *object;
	void (*func)(struct rcu_head *head);
};

bool rcu_read_lock_held(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void shim_kvfree_rcu(struct rcu_head *head, void *object);
void synchronize_rcu(void);
#define kvfree_rcu(object, member)	shim_kvfree_rcu(&(object)->member, object)
#define kfree_rcu(object, member)	kvfree_rcu(object, member)
#define rcu_dereference(p)	(shim_assert_reader(), smp_load_acquire(&(p)))
#define rcu_dereference_raw(p)	smp_load_acquire(&(p))
#define rcu_dereference_check(p, cond)	smp_load_acquire(&(p))
#define rcu_dereference_protected(p, cond) (p)
#define rcu_access_pointer(p)	READ_ONCE(p)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)	WRITE_ONCE(p, v)

/* ---- waiting ------------------------------------------------------------------- */

typedef struct wait_queue_head {
	unsigned int nr_wakes;
	unsigned int nr_waiting;
} wait_queue_head_t;

#define __WAIT_QUEUE_HEAD_INITIALIZER(name)	{ 0, 0 }
#define DECLARE_WAIT_QUEUE_HEAD(name)	wait_queue_head_t name = { 0, 0 }
void init_waitqueue_head(wait_queue_head_t *wq);
bool wq_has_sleeper(wait_queue_head_t *wq);
void wake_up_all(wait_queue_head_t *wq);
#define wake_up(wq)		wake_up_all(wq)
#define waitqueue_active(wq)	(READ_ONCE((wq)->nr_waiting) != 0)

/* One round of waiting: false once the time is up. */
bool shim_wait_begin(wait_queue_head_t *wq, unsigned int *seen, unsigned long *until,
		     long timeout);
bool shim_wait_round(wait_queue_head_t *wq, unsigned int *seen, unsigned long until);
void shim_wait_end(wait_queue_head_t *wq);

#define SHIM_WAIT(wq, cond, timeout, killable)				\
({									\
	unsigned int __seen;						\
	unsigned long __until;						\
	long __left = 0;						\
									\
	shim_wait_begin(&(wq), &__seen, &__until, timeout);		\
	for (;;) {							\
		if (cond) {						\
			__left = max(1L, (long)(__until - jiffies)); \
			break;						\
		}							\
		if ((killable) && fatal_signal_pending(current)) {	\
			__left = -ERESTARTSYS;				\
			break;						\
		}							\
		if (!shim_wait_round(&(wq), &__seen, __until)) {	\
			__left = (cond) ? 1 : 0;			\
			break;						\
		}							\
	}								\
	shim_wait_end(&(wq));						\
	__left;								\
})
#define wait_event_killable_timeout(wq, cond, timeout)	SHIM_WAIT(wq, cond, timeout, true)
#define wait_event_timeout(wq, cond, timeout)		SHIM_WAIT(wq, cond, timeout, false)

/* ---- workers: run when the test says so ------------------------------------------ */

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	work_func_t func;
};

struct delayed_work {
	struct work_struct work;
	struct delayed_work *next;	/* all that were initialised */
	bool known;
	bool pending;
	unsigned long expires;
};

struct workqueue_struct { int unused; };

extern struct workqueue_struct *system_wq, *system_unbound_wq, *system_dfl_wq;
extern struct workqueue_struct *system_percpu_wq, *system_long_wq;

void shim_init_delayed_work(struct delayed_work *dwork, work_func_t func);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
		      unsigned long delay);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay);
bool cancel_delayed_work_sync(struct delayed_work *dwork);
bool flush_delayed_work(struct delayed_work *dwork);
#define INIT_DELAYED_WORK(dwork, func)	shim_init_delayed_work(dwork, func)
#define INIT_DEFERRABLE_WORK		INIT_DELAYED_WORK
#define schedule_delayed_work(dwork, delay) queue_delayed_work(system_wq, dwork, delay)
#define delayed_work_pending(dwork)	READ_ONCE((dwork)->pending)
#define to_delayed_work(w)	container_of(w, struct delayed_work, work)

/* ---- irq_work: a hard interrupt, on PREEMPT_RT a task; before any worker ------------- */

struct irq_work {
	void (*func)(struct irq_work *work);
	struct irq_work *next;
	bool pending;
};

#define init_irq_work(work, fn)						\
	((void)(*(work) = (struct irq_work){ .func = (fn) }))
bool irq_work_queue(struct irq_work *work);

/* ---- rate limits ------------------------------------------------------------------- */

struct ratelimit_state {
	unsigned long interval;
	int burst;
	int printed;
	unsigned long begin;
};

#define DEFAULT_RATELIMIT_INTERVAL	(5 * HZ)
#define DEFAULT_RATELIMIT_BURST		10
#define DEFINE_RATELIMIT_STATE(name, every, most)			\
	struct ratelimit_state name = { .interval = every, .burst = most }
bool __ratelimit(struct ratelimit_state *rs);

#define SHIM_RATELIMITED()						\
({									\
	static DEFINE_RATELIMIT_STATE(__rs, DEFAULT_RATELIMIT_INTERVAL,	\
				      DEFAULT_RATELIMIT_BURST);		\
	__ratelimit(&__rs);						\
})
#define pr_warn_ratelimited(fmt, ...)					\
	do { if (SHIM_RATELIMITED()) pr_warn(fmt, ##__VA_ARGS__); } while (0)
#define pr_err_ratelimited(fmt, ...)					\
	do { if (SHIM_RATELIMITED()) pr_err(fmt, ##__VA_ARGS__); } while (0)
#define WARN_RATELIMIT(cond, ...)	WARN(cond, __VA_ARGS__)

/* ---- switches ------------------------------------------------------------------------ */

struct static_key_false { bool on; };
#define DEFINE_STATIC_KEY_FALSE(name)	struct static_key_false name
#define static_branch_unlikely(key)	READ_ONCE((key)->on)
#define static_branch_enable(key)	WRITE_ONCE((key)->on, true)

#endif /* SHIM_SYNC_H */
