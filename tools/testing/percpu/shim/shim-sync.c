// SPDX-License-Identifier: GPL-2.0
/*
 * shim-sync.c - context checks, locks, RCU, waiting, workers, messages
 */
#include "sim.h"
#ifdef SHIM_THREADS
#include <sched.h>
#include <time.h>
#endif

struct sim sim;
bool sim_verbose;
int shim_fence_word;
__thread u64 sim_random_state;
__thread struct task_struct shim_task = { .comm = "test", .pid = 1 };
/* As in the kernel, where a 32-bit counter wraps five minutes after boot. */
unsigned long shim_jiffies = -300L * HZ;
struct workqueue_struct *system_wq, *system_unbound_wq, *system_dfl_wq;
struct workqueue_struct *system_percpu_wq, *system_long_wq;

/* ---- messages -------------------------------------------------------------- */

static void shim_die(void)
{
#ifdef SIM_ASAN
	__sanitizer_print_stack_trace();
#endif
	fflush(stdout);
	abort();
}

void shim_bug(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "BUG at %s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	shim_die();
	abort();
}

static bool shim_take_expected(void)
{
	unsigned long left = __atomic_load_n(&sim.nr_expected, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(&sim.nr_expected, &left, left - 1, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	return false;
}

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	sim_count(nr_warnings, 1);
	if (shim_take_expected())
		return;
	fflush(stdout);
	fprintf(stderr, "WARNING at %s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	shim_die();
}

void shim_printk(int level, const char *fmt, ...)
{
	va_list args;
	char text[256];

	shim_assert_unlocked("printk");
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (level <= 4) {
		sim_count(nr_messages, 1);
#ifndef SHIM_THREADS
		memcpy(sim.message, text, sizeof(text));
#endif
	}
	if (sim_verbose || level <= 3)
		fprintf(stderr, "%s", text);
}

void dump_stack(void)
{
	shim_assert_unlocked(__func__);
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return !size ? 0 : min(n, (int)size - 1);
}

void sim_expect_warnings(unsigned int nr)
{
	sim.nr_expected = nr;
}

bool sim_expected(void)
{
	bool all = !sim.nr_expected;

	sim.nr_expected = 0;
	return all;
}

/* ---- context ---------------------------------------------------------------- */

void shim_assert_tries(const char *what)
{
	SHIM_ASSERT(!current->nr_locks, "%s under a spinlock", what);
}

void shim_assert_unlocked(const char *what)
{
	shim_assert_tries(what);
	SHIM_ASSERT(!in_nmi(), "%s in an NMI", what);
	SHIM_ASSERT(!current->raw_locked, "%s under a raw spinlock", what);
}

void shim_might_sleep(const char *what)
{
	SHIM_ASSERT(!current->nr_locks, "%s may sleep, under a spinlock", what);
	SHIM_ASSERT(!irqs_disabled(), "%s may sleep, with interrupts disabled", what);
	SHIM_ASSERT(!in_interrupt(), "%s may sleep, in an interrupt", what);
	SHIM_ASSERT(!current->preempt, "%s may sleep, with preemption disabled", what);
	SHIM_ASSERT(!current->nr_rcu, "%s may sleep, in an RCU read-side section", what);
}

void shim_yield(void)
{
#ifdef SHIM_THREADS
	sched_yield();
#endif
}

#ifdef SHIM_NMI
void (*sim_on_nmi)(void);
bool sim_nmi_is_trace;

static __thread bool shim_in_nmi;

/* Locks that the interrupted code holds are taken, but not by the NMI. */
void shim_nmi_enter(void)
{
	struct task_struct task = *current;

	if (shim_in_nmi || in_nmi())
		return;
	shim_in_nmi = true;
	if (sim_nmi_is_trace)
		current->raw_locked = true;
	else
		current->nmi = true;
	current->nr_locks = 0;
	sim_on_nmi();
	shim_in_nmi = false;
	SHIM_ASSERT(!current->nr_locks, "an NMI leaves a lock held");
	SHIM_ASSERT(current->nr_rcu == task.nr_rcu, "an NMI leaves an RCU read-side section");
	*current = task;
}
#endif

static unsigned int shim_nr_readers;	/* tasks that were interrupted as readers */

static void shim_run_window(void)
{
	void (*on_window)(void) = sim.on_window;
	struct task_struct task = *current;

	*current = (struct task_struct){ .comm = "other", .pid = 2, .cpu = task.cpu };
	sim.on_window = NULL;
	on_window();
	sim.on_window = on_window;
	*current = task;
}

void shim_window(void)
{
	if (!sim.on_window)
		return;
	shim_assert_unlocked("a call");
	SHIM_ASSERT(!current->nr_rcu, "a call that may take long, in an RCU read-side section");
	shim_run_window();
}

void shim_preempt(void)
{
	if (!sim.on_window || current->nr_locks)
		return;
	shim_nr_readers += !!current->nr_rcu;
	shim_run_window();
	shim_nr_readers -= !!current->nr_rcu;
}

struct hlist_node *shim_rcu_load(struct hlist_node **node)
{
	struct hlist_node *loaded = smp_load_acquire(node);

	shim_assert_reader();
	if (sim.on_window && !current->nr_locks) {
		shim_nr_readers++;
		shim_run_window();
		shim_nr_readers--;
	}
	return loaded;
}

/* ---- locks -------------------------------------------------------------------- */

void spin_lock_init(spinlock_t *lock)
{
#ifdef SHIM_THREADS
	pthread_mutex_init(&lock->mutex, NULL);
#endif
	lock->holder = NULL;
}

/* Callgrind counts what runs under a lock, and begins and ends with the hold. */
#ifdef SHIM_COUNT_HOLDS
#include <valgrind/callgrind.h>

bool shim_count_holds;

static void shim_count_toggle(void)
{
	if (shim_count_holds)
		CALLGRIND_TOGGLE_COLLECT;
}
#else
static void shim_count_toggle(void)
{
}
#endif

static void shim_spin_taken(spinlock_t *lock)
{
	WRITE_ONCE(lock->holder, current);
	current->nr_locks++;
	sim_count(nr_lock_holds, 1);
	shim_count_toggle();
}

void shim_spin_lock(spinlock_t *lock)
{
	SHIM_ASSERT(!shim_spin_is_held(lock), "deadlock: the lock is held already");
	shim_assert_unlocked("spin_lock (a leaf lock is held)");
	SHIM_ASSERT(!IS_ENABLED(CONFIG_PREEMPT_RT) || !in_hardirq(),
		    "a spinlock_t sleeps on PREEMPT_RT");
	shim_nmi();
#ifdef SHIM_THREADS
	pthread_mutex_lock(&lock->mutex);
#endif
	shim_spin_taken(lock);
	shim_nmi();
}

bool shim_spin_trylock(spinlock_t *lock)
{
	SHIM_ASSERT(can_spin_trylock(), "a lock must not be tried here");
	shim_nmi();
#ifdef SHIM_THREADS
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
#else
	SHIM_ASSERT(IS_ENABLED(CONFIG_SMP) || !lock->holder,
		    "on UP a lock that is tried is had, and two are inside");
	if (lock->holder)
		return false;
#endif
	shim_spin_taken(lock);
	shim_nmi();
	return true;
}

void shim_spin_unlock(spinlock_t *lock)
{
	SHIM_ASSERT(shim_spin_is_held(lock), "unlock of a lock that is not held");
	shim_count_toggle();
	shim_nmi();
	WRITE_ONCE(lock->holder, NULL);
	current->nr_locks--;
#ifdef SHIM_THREADS
	pthread_mutex_unlock(&lock->mutex);
#endif
	shim_nmi();
}

bool shim_spin_is_held(const spinlock_t *lock)
{
	return READ_ONCE(lock->holder) == current;
}

void mutex_init(struct mutex *mutex)
{
	spin_lock_init(&mutex->lock);
}

void mutex_lock(struct mutex *mutex)
{
	shim_might_sleep(__func__);
#ifdef SHIM_THREADS
	pthread_mutex_lock(&mutex->lock.mutex);
#endif
	WRITE_ONCE(mutex->lock.holder, current);
}

void mutex_unlock(struct mutex *mutex)
{
	WRITE_ONCE(mutex->lock.holder, NULL);
#ifdef SHIM_THREADS
	pthread_mutex_unlock(&mutex->lock.mutex);
#endif
}

/* ---- RCU ------------------------------------------------------------------------ */

static struct rcu_head *shim_rcu_waiting;

#ifdef SHIM_THREADS
/* A grace period is over when a writer got in after all readers. */
static pthread_rwlock_t shim_rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t shim_rcu_list_lock = PTHREAD_MUTEX_INITIALIZER;
#define SHIM_RCU_LIST_LOCK()	pthread_mutex_lock(&shim_rcu_list_lock)
#define SHIM_RCU_LIST_UNLOCK()	pthread_mutex_unlock(&shim_rcu_list_lock)
#else
#define SHIM_RCU_LIST_LOCK()	((void)0)
#define SHIM_RCU_LIST_UNLOCK()	((void)0)
#endif

void rcu_read_lock(void)
{
#ifdef SHIM_THREADS
	if (!current->nr_rcu)
		pthread_rwlock_rdlock(&shim_rcu_lock);
#endif
	current->nr_rcu++;
}

void rcu_read_unlock(void)
{
	SHIM_ASSERT(current->nr_rcu, "rcu_read_unlock() without a lock");
	current->nr_rcu--;
#ifdef SHIM_THREADS
	if (!current->nr_rcu)
		pthread_rwlock_unlock(&shim_rcu_lock);
#endif
}

bool rcu_read_lock_held(void)
{
	return current->nr_rcu;
}

/* Readers are in a read-side section, or hold the lock that writers take. */
void shim_assert_reader(void)
{
	SHIM_ASSERT(current->nr_rcu || current->nr_locks,
		    "an RCU-protected list is read without protection");
}

static void shim_rcu_wait(struct rcu_head *head)
{
	shim_assert_unlocked("call_rcu");
	SHIM_RCU_LIST_LOCK();
	head->next = shim_rcu_waiting;
	shim_rcu_waiting = head;
	SHIM_RCU_LIST_UNLOCK();
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	shim_rcu_wait(head);
}

void shim_kvfree_rcu(struct rcu_head *head, void *object)
{
	head->func = NULL;
	head->object = object;
	shim_rcu_wait(head);
}

void sim_rcu_quiesce(void)
{
	struct rcu_head *head, *next;

	SHIM_ASSERT(!current->nr_rcu, "a grace period inside a read-side section");
	if (shim_nr_readers)
		return;
	SHIM_RCU_LIST_LOCK();
	head = shim_rcu_waiting;
	shim_rcu_waiting = NULL;
	SHIM_RCU_LIST_UNLOCK();
#ifdef SHIM_THREADS
	pthread_rwlock_wrlock(&shim_rcu_lock);
	pthread_rwlock_unlock(&shim_rcu_lock);
#endif
	for (; head; head = next) {
		next = head->next;
		if (head->func)
			head->func(head);
		else
			kvfree(head->object);
	}
}

void synchronize_rcu(void)
{
	shim_might_sleep(__func__);
	sim_rcu_quiesce();
}

/* ---- waiting --------------------------------------------------------------------- */

void init_waitqueue_head(wait_queue_head_t *wq)
{
	*wq = (wait_queue_head_t){};
}

bool wq_has_sleeper(wait_queue_head_t *wq)
{
	smp_mb();
	return READ_ONCE(wq->nr_waiting);
}

void wake_up_all(wait_queue_head_t *wq)
{
	shim_assert_unlocked(__func__);
	shim_window();
	__atomic_fetch_add(&wq->nr_wakes, 1, __ATOMIC_SEQ_CST);
}

bool shim_wait_begin(wait_queue_head_t *wq, unsigned int *seen, unsigned long *until,
		     long timeout)
{
	shim_might_sleep("wait_event");
	__atomic_fetch_add(&wq->nr_waiting, 1, __ATOMIC_SEQ_CST);
	*seen = __atomic_load_n(&wq->nr_wakes, __ATOMIC_SEQ_CST);
	*until = jiffies + timeout;
	return true;
}

/*
 * Alone, nobody else can make the condition true but @on_wait; time passes.
 * With threads, they do, and the thread that runs the worker moves the time.
 */
bool shim_wait_round(wait_queue_head_t *wq, unsigned int *seen, unsigned long until)
{
	if (time_after_eq(jiffies, until))
		return false;
#ifdef SHIM_THREADS
	while (__atomic_load_n(&wq->nr_wakes, __ATOMIC_SEQ_CST) == *seen &&
	       time_before(jiffies, until))
		sched_yield();
	*seen = __atomic_load_n(&wq->nr_wakes, __ATOMIC_SEQ_CST);
#else
	shim_window();
	if (sim.on_wait)
		sim.on_wait();
	shim_jiffies++;
#endif
	return true;
}

void shim_wait_end(wait_queue_head_t *wq)
{
	__atomic_fetch_sub(&wq->nr_waiting, 1, __ATOMIC_SEQ_CST);
}

long schedule_timeout_killable(long timeout)
{
	shim_might_sleep(__func__);
	sim_advance(timeout);
	return 0;
}

void sim_advance(unsigned long by)
{
	__atomic_fetch_add(&shim_jiffies, by, __ATOMIC_RELAXED);
}

/* ---- workers ------------------------------------------------------------------------ */

static struct delayed_work *shim_works;
static bool shim_work_runs;

void shim_init_delayed_work(struct delayed_work *dwork, work_func_t func)
{
	dwork->work.func = func;
	dwork->pending = false;
	dwork->next = shim_works;
	shim_works = dwork;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay)
{
	shim_assert_unlocked("queueing work");
	SHIM_ASSERT(dwork->work.func, "work is not initialised");
	if (__atomic_load_n(&dwork->pending, __ATOMIC_RELAXED))
		return false;
	WRITE_ONCE(dwork->expires, jiffies + delay);
	return !__atomic_exchange_n(&dwork->pending, true, __ATOMIC_SEQ_CST);
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
		      unsigned long delay)
{
	shim_assert_unlocked("queueing work");
	SHIM_ASSERT(dwork->work.func, "work is not initialised");
	/* Who calls may be preempted before, and stay so for long. */
	if (!current->preempt)
		shim_preempt();
	WRITE_ONCE(dwork->expires, jiffies + delay);
	return __atomic_exchange_n(&dwork->pending, true, __ATOMIC_SEQ_CST);
}

bool cancel_delayed_work_sync(struct delayed_work *dwork)
{
	shim_might_sleep(__func__);
	return __atomic_exchange_n(&dwork->pending, false, __ATOMIC_SEQ_CST);
}

bool flush_delayed_work(struct delayed_work *dwork)
{
	shim_might_sleep(__func__);
	if (!__atomic_exchange_n(&dwork->pending, false, __ATOMIC_SEQ_CST))
		return false;
	dwork->work.func(&dwork->work);
	return true;
}

static struct irq_work *shim_irq_works;

bool irq_work_queue(struct irq_work *work)
{
	SHIM_ASSERT(work->func, "irq_work is not initialised");
	if (__atomic_exchange_n(&work->pending, true, __ATOMIC_SEQ_CST))
		return false;
	work->next = __atomic_load_n(&shim_irq_works, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&shim_irq_works, &work->next, work, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return true;
}

bool sim_work_pending(void)
{
	struct delayed_work *dwork;

	if (READ_ONCE(shim_irq_works))
		return true;
	for (dwork = shim_works; dwork; dwork = dwork->next)
		if (READ_ONCE(dwork->pending))
			return true;
	return false;
}

void sim_run_irq_work(void)
{
	struct irq_work *work, *next;
	struct task_struct task = *current;

	work = __atomic_exchange_n(&shim_irq_works, NULL, __ATOMIC_SEQ_CST);
	for (; work; work = next) {
		next = work->next;
		/* From here on it can be queued again. */
		__atomic_store_n(&work->pending, false, __ATOMIC_SEQ_CST);
		*current = (struct task_struct){
			.comm = "irq_work",
			.cpu = task.cpu,
			.hardirq = !IS_ENABLED(CONFIG_PREEMPT_RT),
		};
		work->func(work);
		*current = task;
	}
}

/* A kernel thread of its own: no scope, no killer, no caller's mask. */
unsigned int sim_run_due_work(void)
{
	struct task_struct caller = *current;
	struct delayed_work *dwork;
	unsigned int nr = 0;

	shim_might_sleep(__func__);
	/* In a window of a pass: the same work does not run twice at once. */
	if (shim_work_runs)
		return 0;
	sim_run_irq_work();
	shim_work_runs = true;
	for (dwork = shim_works; dwork; dwork = dwork->next) {
		if (!READ_ONCE(dwork->pending) ||
		    time_before(jiffies, READ_ONCE(dwork->expires)))
			continue;
		if (!__atomic_exchange_n(&dwork->pending, false, __ATOMIC_SEQ_CST))
			continue;
		*current = (struct task_struct){
			.flags = PF_KTHREAD,
			.comm = "kworker",
			.cpu = caller.cpu,
			.backing_known = true,
			.backing_gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN |
				       __GFP_NOMEMALLOC,
		};
		dwork->work.func(&dwork->work);
		*current = caller;
		nr++;
	}
	shim_work_runs = false;
	return nr;
}

unsigned int sim_run_all_work(unsigned int most)
{
	unsigned int nr = 0;

	while (sim_work_pending() && nr < most) {
		nr += sim_run_due_work();
		sim_advance(HZ / 10);
	}
	return nr;
}

#ifdef SHIM_THREADS
bool __ratelimit(struct ratelimit_state *rs)
{
	return false;
}
#else
bool __ratelimit(struct ratelimit_state *rs)
{
	if (!rs->begin || time_after(jiffies, rs->begin + rs->interval)) {
		rs->begin = jiffies | 1;
		rs->printed = 0;
	}
	return rs->printed++ < rs->burst;
}
#endif

/* ---- power --------------------------------------------------------------------------- */

void sim_reset(void)
{
	sim = (struct sim){
		.fail_kinds = SIM_ALL,
		.page_limit = ULONG_MAX,
		.vmalloc_bytes = min_t(u64, 4ULL << 30, SHIM_SPACE_MAX),
		.ram_pages = (64ULL << 30) >> PAGE_SHIFT,
		.memcg = true,
		.profiling = true,
	};
	*current = (struct task_struct){ .comm = "test", .pid = 1 };
	shim_works = NULL;
	shim_irq_works = NULL;
	shim_work_runs = false;
#ifdef SHIM_NMI
	sim_on_nmi = NULL;
	sim_nmi_is_trace = false;
#endif
	shim_mem_power_on();
	shim_boot_power_on();
	shim_hooks_power_on();
	shim_kasan_power_on();
}

void sim_power_off(void)
{
	sim_rcu_quiesce();
	shim_works = NULL;
	shim_mem_power_off();
	shim_boot_power_off();
}
