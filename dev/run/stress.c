// SPDX-License-Identifier: GPL-2.0
/*
 * Memory pressure and races, for the guest of "make pressure" and "make races".
 *
 *   stress pressure SCENE SEED   one of the scenes below
 *   stress races SECONDS SEED    everything at once, see below
 *
 * Each actor is a process with a name and a random sequence of its own, which
 * follows from SEED and its number; when they meet is up to the machine. Percpu
 * memory is asked for through lib/test_percpu_hold.c. What is found is added to
 * /checks, a line for each check: verdict|what|value|limit.
 *
 * A watchdog on each CPU, of real-time priority, sleeps and notes when it
 * overslept. What all CPUs overslept together was a pause of the host and is
 * subtracted, from requests that took long, too. The rest is a stall.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECKS		"/checks"
#define CGROUPS		"/sys/fs/cgroup"
#define DEBUG		"/sys/kernel/debug"
#define HOLD		DEBUG "/test_percpu_hold"
#define MAX_CPUS	16
#define MAX_ACTORS	32
#define MAX_GAPS	256
#define STALL_MS	10000	/* what nothing may take */
#define GROW_MS		120000	/* until Percpu is large, on a host that is busy */
#define GAP_MS		300	/* what is noted */
#define BACK_MS		10000	/* giving everything back */
#define REPORTS_SHOWN	10	/* of the OOM killer, in a window: its ratelimit */
#define WINDOW_MS	5000
#define BACK_ROWS	2	/* but for so many, see check_given_back() */
#define NR_CHARGERS	16	/* cgroups; more than a CPU has charges at hand of */

/* ---- what all processes share --------------------------------------------- */

struct gap {
	double begin, end;
};

struct gaps {
	atomic_int nr;
	struct gap gap[MAX_GAPS];
};

struct actor {
	const char *name;
	uint64_t random;
	atomic_long turns;		/* requests, or whatever it does */
	atomic_long failed;
	struct gaps slow;		/* turns that took long */
};

static struct shared {
	atomic_bool go, stop;
	atomic_uint nr_ready;
	struct gaps overslept[MAX_CPUS];
	struct actor actor[MAX_ACTORS];
} *shared;

static unsigned int nr_cpus, nr_actors;
static pid_t watchdogs[MAX_CPUS], actors[MAX_ACTORS];
static uint64_t seed;

static void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fputs("stress: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* splitmix64: any seed will do. */
static uint32_t random_below(struct actor *actor, uint32_t limit)
{
	uint64_t z = actor->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z >> 32) % limit;
}

/* 0, or an errno; nothing is allocated. */
static int put(int fd, const char *text)
{
	return write(fd, text, strlen(text)) < 0 ? errno : 0;
}

static int write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = put(fd, text);
	close(fd);
	return error;
}

static void must_write(const char *name, const char *text)
{
	errno = write_file(name, text);
	if (errno)
		die("\"%s\" to %s", text, name);
}

/* The figure after @name in a file, or -1. */
static long figure(const char *file, const char *name)
{
	static char text[65536];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t length = strlen(name);
	char *line = text;

	if (n < 0)
		die("%s", file);
	close(fd);
	text[n] = 0;
	while (line) {
		line += strspn(line, " \n");
		if (!strncmp(line, name, length) && strchr(" :", line[length]))
			return strtol(line + length + strspn(line + length, " :"), NULL, 10);
		line = strchr(line, '\n');
	}
	return -1;
}

static void check(bool ok, const char *what, long value, const char *limit)
{
	FILE *file = fopen(CHECKS, "a");

	if (!file)
		die(CHECKS);
	fprintf(file, "%s|%s|%ld|%s\n", ok ? "ok" : "FAILED", what, value, limit);
	fclose(file);
}

static void check_scene(bool ok, const char *scene, const char *what, long value,
			const char *limit)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", scene, what);
	check(ok, text, value, limit);
}

/* ---- watchdogs -------------------------------------------------------------- */

static void note_gap(struct gaps *gaps, double begin, double end)
{
	int n;

	if ((end - begin) * 1000 < GAP_MS)
		return;
	n = atomic_fetch_add(&gaps->nr, 1);
	if (n < MAX_GAPS)
		gaps->gap[n] = (struct gap){ begin, end };
}

static void run_watchdog(unsigned int cpu)
{
	struct sched_param param = { .sched_priority = 50 };
	double before;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) ||
	    sched_setscheduler(0, SCHED_FIFO, &param) || mlockall(MCL_CURRENT | MCL_FUTURE))
		die("watchdog");
	for (before = now();;) {
		double begin = before;

		sleep_ms(20);
		before = now();
		note_gap(&shared->overslept[cpu], begin, before);
	}
}

/* The part of [*begin, *end] that a CPU overslept: the longest such. */
static void cut(const struct gaps *gaps, double *begin, double *end)
{
	double best_begin = 0, best_end = 0;

	for (int i = 0; i < gaps->nr && i < MAX_GAPS; i++) {
		double b = gaps->gap[i].begin > *begin ? gaps->gap[i].begin : *begin;
		double e = gaps->gap[i].end < *end ? gaps->gap[i].end : *end;

		if (e - b > best_end - best_begin) {
			best_begin = b;
			best_end = e;
		}
	}
	*begin = best_begin;
	*end = best_end;
}

/* The longest of these gaps in ms, without what all CPUs overslept together. */
static long longest_ms(const struct gaps *gaps)
{
	double longest = 0;

	for (int i = 0; i < gaps->nr && i < MAX_GAPS; i++) {
		double begin = gaps->gap[i].begin, end = gaps->gap[i].end;
		double length = end - begin;

		for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
			cut(&shared->overslept[cpu], &begin, &end);
		length -= end - begin;
		if (length > longest)
			longest = length;
	}
	return longest * 1000;
}

static void check_stalls(const char *scene)
{
	const char *slowest_name = "any";
	long longest = 0, slowest = 0;
	char text[64];

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		long ms = longest_ms(&shared->overslept[cpu]);

		longest = ms > longest ? ms : longest;
	}
	for (unsigned int i = 0; i < nr_actors; i++) {
		long ms = longest_ms(&shared->actor[i].slow);

		if (ms > slowest) {
			slowest = ms;
			slowest_name = shared->actor[i].name;
		}
	}
	check_scene(longest < STALL_MS, scene, "longest stall of a CPU (ms)", longest,
		    "below 10000");
	snprintf(text, sizeof(text), "longest turn of an actor, %s (ms)", slowest_name);
	check_scene(slowest < STALL_MS, scene, text, slowest, "below 10000");
}

/* ---- actors ------------------------------------------------------------------- */

static void set_oom_score(const char *score)
{
	must_write("/proc/self/oom_score_adj", score);
}

/* From here on without page faults, as memory may run out; then wait for all. */
static void get_ready(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall");
	atomic_fetch_add(&shared->nr_ready, 1);
	while (!atomic_load(&shared->go))
		sleep_ms(5);
}

static void start_actor(const char *name, const char *oom_score, void (*run)(struct actor *actor))
{
	struct actor *actor = &shared->actor[nr_actors];

	if (nr_actors == MAX_ACTORS)
		die("too many actors");
	actor->name = name;
	actor->random = (seed << 8) + nr_actors;
	actors[nr_actors] = fork();
	if (actors[nr_actors] < 0)
		die("fork");
	if (!actors[nr_actors]) {
		prctl(PR_SET_NAME, name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		set_oom_score(oom_score);
		run(actor);
		exit(0);
	}
	nr_actors++;
}

static void start_watchdogs(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		watchdogs[cpu] = fork();
		if (watchdogs[cpu] < 0)
			die("fork");
		if (!watchdogs[cpu]) {
			prctl(PR_SET_NAME, "watchdog");
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run_watchdog(cpu);
		}
	}
}

static void stop_watchdogs(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		kill(watchdogs[cpu], SIGKILL);
		waitpid(watchdogs[cpu], NULL, 0);
	}
}

/* Returns how many were killed. */
static unsigned int wait_for_actors(void)
{
	unsigned int nr_killed = 0;
	int status;

	for (unsigned int i = 0; i < nr_actors; i++) {
		while (waitpid(actors[i], &status, 0) < 0)
			if (errno != EINTR)
				die("waitpid");
		nr_killed += WIFSIGNALED(status);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			check_scene(false, shared->actor[i].name, "exit code",
				    WEXITSTATUS(status), "exactly 0");
	}
	return nr_killed;
}

static void charge_on_all_cpus(unsigned int nth)
{
	char path[64];
	cpu_set_t set;
	int fds[2];

	snprintf(path, sizeof(path), CGROUPS "/charger-%u/cgroup.procs", nth);
	must_write(path, "0");
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) || pipe(fds))
			die("charger");
		close(fds[0]);
		close(fds[1]);
	}
}

/*
 * A cgroup that is gone leaves reference counts, which are percpu objects, to those
 * who hold charges of it: what its processes left in caches, such as a directory
 * entry, and each CPU, which has charges of the last few cgroups at hand. So drop the
 * former, and have the latter take charges of cgroups that stay until the end.
 */
static void forget_dead_cgroups(void)
{
	must_write("/proc/sys/vm/drop_caches", "2");
	for (unsigned int i = 0; i < NR_CHARGERS; i++) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			die("fork");
		if (!pid) {
			charge_on_all_cpus(i);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) < 0 || status)
			die("charger");
	}
	/* The watchdogs run, so that no CPU idles in the address space of one that is gone. */
	sleep_ms(100);
}

static void make_chargers(void)
{
	char path[64];

	for (unsigned int i = 0; i < NR_CHARGERS; i++) {
		snprintf(path, sizeof(path), CGROUPS "/charger-%u", i);
		if (mkdir(path, 0755) && errno != EEXIST)
			die("%s", path);
	}
}

static void set_up(const char *seed_text)
{
	seed = strtoull(seed_text, NULL, 10);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	set_oom_score("-1000");
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus > MAX_CPUS)
		die("too many CPUs");
	make_chargers();
	start_watchdogs();
}

/* ---- asking for memory -------------------------------------------------------- */

static int open_hold(void)
{
	int fd = open(HOLD, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(HOLD);
	return fd;
}

/* One object; 0 or an errno. */
static int hold(struct actor *actor, int fd, const char *mask)
{
	static const unsigned int sizes[] = { 32768, 32768, 32768, 4096, 2000, 128 };
	double begin = now();
	char text[64];
	int error;

	snprintf(text, sizeof(text), "%s %u 1", mask, sizes[random_below(actor, 6)]);
	error = put(fd, text);
	note_gap(&actor->slow, begin, now());
	atomic_fetch_add(&actor->turns, 1);
	atomic_fetch_add(&actor->failed, error == ENOMEM);
	return error;
}

/* Until nothing is left, and then on: what wants memory then shall not hurt. */
static void hog(struct actor *actor, const char *mask)
{
	int fd = open_hold();

	get_ready();
	while (!atomic_load(&shared->stop)) {
		if (hold(actor, fd, mask))
			sleep_ms(5);
	}
	close(fd);
}

static void run_noretry(struct actor *actor)
{
	hog(actor, "noretry");
}

static void run_nowait(struct actor *actor)
{
	hog(actor, "nowait");
}

static void run_kernel(struct actor *actor)
{
	hog(actor, "kernel");
}

/* Fork and exec; where there is no memory for that, later. */
static void run_forker(struct actor *actor)
{
	get_ready();
	while (!atomic_load(&shared->stop)) {
		double begin = now();
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
			atomic_fetch_add(&actor->failed, 1);
		note_gap(&actor->slow, begin, now());
		atomic_fetch_add(&actor->turns, 1);
	}
}

/* ---- what is left ------------------------------------------------------------- */

static struct before {
	long percpu_kib, available_kib, areas, kills;
} before;

static long dying_cgroups(void)
{
	return figure(CGROUPS "/cgroup.stat", "nr_dying_descendants");
}

static long live_areas(void)
{
	return figure(DEBUG "/percpu_stats", "nr_cur_alloc");
}

/* A page of each unit: what is populated and given back. */
static long row_kib(void)
{
	return figure(DEBUG "/percpu_stats", "nr_units") * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Nothing is left of what was before: it does not get less any more. */
static void wait_until_quiet(void)
{
	double begin = now();
	long areas;

	do {
		areas = live_areas();
		forget_dead_cgroups();
	} while ((dying_cgroups() || areas != live_areas()) &&
		 (now() - begin) * 1000 < BACK_MS);
}

/* Freed areas that CPUs keep at hand, and the rows they are in, go when nobody wants them. */
static void wait_until_idle(void)
{
	double begin = now();

	while (figure(DEBUG "/percpu_stats", "nr_cached") > 0 && (now() - begin) * 1000 < BACK_MS)
		sleep_ms(50);
}

static char *read_log(void)
{
	static char log[1 << 20];
	int n = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);

	log[n < 0 ? 0 : n] = 0;
	return log;
}

/* When the last line with this text was logged, in ms since boot; 0 if there is none. */
static long logged_ms(const char *log, const char *text)
{
	const char *line = NULL;

	for (const char *at = log; (at = strstr(at, text)); at++)
		line = at;
	while (line && line > log && line[-1] != '\n')
		line--;
	line = line ? strchr(line, '[') : NULL;
	return line ? strtod(line + 1, NULL) * 1000 : 0;
}

/*
 * A window is over that long after its first report, so certainly after its last; the
 * next report begins another. The log's first line of this scene tells the time now.
 */
static void wait_for_fresh_window(void)
{
	const char *log = read_log();
	long ms = logged_ms(log, " invoked oom-killer") + WINDOW_MS - logged_ms(log, " begins\n");

	if (ms > 0)
		sleep_ms(ms + 100);
}

static void look_before(const char *scene)
{
	char text[64];

	wait_until_quiet();
	wait_until_idle();
	snprintf(text, sizeof(text), "stress: %s begins\n", scene);
	must_write("/dev/kmsg", text);
	wait_for_fresh_window();
	before.percpu_kib = figure("/proc/meminfo", "Percpu");
	before.available_kib = figure("/proc/meminfo", "MemAvailable");
	before.areas = live_areas();
	before.kills = figure("/proc/vmstat", "oom_kill");
}

/*
 * Everything is given back, and soon. The areas are those of before, neither more nor
 * fewer, and an area does not move: so the same rows hold them. Beside these the
 * allocator keeps up to four empty rows, and lets them become two before it fills up.
 */
static void check_given_back(const char *scene)
{
	long back_kib = BACK_ROWS * row_kib();
	double begin = now();
	long kib, areas, dying;
	char limit[32];

	do {
		forget_dead_cgroups();
		dying = dying_cgroups();
		areas = live_areas() - before.areas;
	} while ((areas || dying) && (now() - begin) * 1000 < BACK_MS);
	/* From here on nobody starts a process, so that what is at hand can go. */
	do {
		sleep_ms(50);
		kib = figure("/proc/meminfo", "Percpu") - before.percpu_kib;
	} while (kib > back_kib && (now() - begin) * 1000 < 2 * BACK_MS);
	printf("    %ld areas, %ld cgroups, %ld KiB left after %.0f ms\n", areas, dying, kib,
	       (now() - begin) * 1000);
	check_scene(!dying, scene, "cgroups that do not die", dying, "exactly 0");
	snprintf(limit, sizeof(limit), "at most %ld", back_kib);
	check_scene(kib <= back_kib, scene, "Percpu that is not given back (KiB)", kib, limit);
	check_scene(!areas, scene, "areas more than before", areas, "exactly 0");
}

/* Who invoked the OOM killer, by the kernel's log. */
struct invokers {
	long balance;		/* the allocator's worker: never */
	long noretry;		/* with __GFP_NORETRY, or who asks for nothing without: never */
	long kthreadd;		/* makes threads, which workqueues want, too: may */
	long others;		/* may where they are part of the scene */
};

/* One report, from its first line to where the next begins, or to the end. */
static void add_report(struct invokers *invokers, char *report)
{
	char *mask = strstr(report, " invoked oom-killer"), *name = mask, *work, *end;

	end = strstr(mask, "oom-kill:");
	if (end)
		*end = 0;
	while (name > report && name[-1] != ' ')
		name--;
	*mask++ = 0;
	work = strstr(mask, "Workqueue: ");
	printf("    %s %.*s%s%.*s\n", name, (int)strcspn(mask, ","), mask, work ? ", " : "",
	       work ? (int)strcspn(work, "\n") : 0, work ? work : "");
	if ((work && strstr(work, "pcpu_balance_workfn")) || strstr(mask, " pcpu_balance_"))
		invokers->balance++;
	/* A page fault of theirs is none of their requests. */
	else if (((!strcmp(name, "noretry") || !strcmp(name, "nowait")) &&
		  !memmem(mask, strcspn(mask, "\n"), "MOVABLE", 7)) ||
		 memmem(mask, strcspn(mask, "\n"), "__GFP_NORETRY", 13))
		invokers->noretry++;
	else if (!strcmp(name, "kthreadd"))
		invokers->kthreadd++;
	else
		invokers->others++;
}

static struct invokers find_invokers(void)
{
	struct invokers invokers = { 0 };
	char *at, *line = read_log(), *report = NULL;

	/* The scene's first line, see look_before(). */
	while ((at = strstr(line, " begins\n")))
		line = at + 1;
	/* Each report is cut where the line of the next one begins. */
	while ((at = strstr(line, " invoked oom-killer"))) {
		while (at > line && at[-1] != '\n')
			at--;
		if (report) {
			at[-1] = 0;
			add_report(&invokers, report);
		}
		report = at;
		line = strchr(at, '\n');
		if (!line)
			break;
	}
	if (report)
		add_report(&invokers, report);
	return invokers;
}

/* Requests for percpu memory: all, or those that failed. */
static long sum_turns(bool failed)
{
	long sum = 0;

	for (unsigned int i = 0; i < nr_actors; i++) {
		const struct actor *actor = &shared->actor[i];

		if (strcmp(actor->name, "forker"))
			sum += failed ? actor->failed : actor->turns;
	}
	return sum;
}

static long peak_percpu_kib, lowest_free_kib = LONG_MAX;
/* By what Percpu did from one look to the next: at least so much. */
static long populated_kib, given_back_kib;

static long kib_in(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* As figure(), of a file that stays open: with its buffer there, nothing is allocated. */
static void note_peak(void)
{
	static char text[4096];
	static long last_kib;
	static int fd = -1;
	long percpu_kib, free_kib;
	ssize_t n;

	if (fd < 0)
		fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	percpu_kib = kib_in(text, "\nPercpu:") - before.percpu_kib;
	free_kib = kib_in(text, "\nMemFree:");
	if (percpu_kib > last_kib)
		populated_kib += percpu_kib - last_kib;
	else
		given_back_kib += last_kib - percpu_kib;
	last_kib = percpu_kib;
	peak_percpu_kib = percpu_kib > peak_percpu_kib ? percpu_kib : peak_percpu_kib;
	lowest_free_kib = free_kib < lowest_free_kib ? free_kib : lowest_free_kib;
}

/* See for a while how far the actors get, then stop them. */
static void run_for(unsigned int ms)
{
	double begin = now();

	while ((now() - begin) * 1000 < ms) {
		note_peak();
		sleep_ms(20);
	}
	atomic_store(&shared->stop, true);
}

/* Once all of them are ready: who is not might be killed for a page fault. */
static void let_go(void)
{
	double begin = now();

	note_peak();
	while (atomic_load(&shared->nr_ready) < nr_actors && (now() - begin) * 1000 < STALL_MS)
		sleep_ms(5);
	atomic_store(&shared->go, true);
}

static void let_run(unsigned int ms)
{
	let_go();
	run_for(ms);
}

/* Percpu memory has taken most of what there was; how much depends on what others needed. */
static bool has_grown(void)
{
	return peak_percpu_kib > before.available_kib / 2;
}

/* Until it has, and then on. */
static void let_grow(unsigned int ms)
{
	double begin;

	let_go();
	begin = now();
	while (!has_grown() && (now() - begin) * 1000 < GROW_MS) {
		note_peak();
		sleep_ms(20);
	}
	run_for(ms);
}

/* ---- scenes of memory pressure ------------------------------------------------ */

#define CGROUP	CGROUPS "/pressure"

static void start_hogs(unsigned int nr, const char *name, void (*run)(struct actor *actor))
{
	while (nr--)
		start_actor(name, "1000", run);
}

/*
 * The OOM killer must not be invoked by the worker, nor for what has NORETRY. Others
 * may: who insists, and bystanders who need memory when there is none, such as one who
 * wants a thread. So every kill has to have an invoker, and the right one. The kernel
 * shows that of so many; where the requests are @polite there have to be fewer. Returns
 * how often it was neither those nor kthreadd.
 */
static long check_figures(const char *scene, bool polite)
{
	long kills = figure("/proc/vmstat", "oom_kill") - before.kills;
	struct invokers invokers = find_invokers();
	long reports = invokers.balance + invokers.noretry + invokers.kthreadd + invokers.others;
	long unknown = kills - reports;

	printf("    %ld requests, %ld failed, %ld kills, Percpu at most %ld KiB more of %ld, %ld KiB free at least\n",
	       sum_turns(false), sum_turns(true), kills, peak_percpu_kib, before.available_kib,
	       lowest_free_kib);
	check_scene(!invokers.balance, scene, "OOM killer invoked by the balance work",
		    invokers.balance, "exactly 0");
	check_scene(!invokers.noretry, scene, "OOM killer invoked by NORETRY requests",
		    invokers.noretry, "exactly 0");
	if (polite)
		check_scene(reports < REPORTS_SHOWN, scene, "reports of the OOM killer", reports,
			    "below 10");
	if (reports < REPORTS_SHOWN)
		check_scene(!unknown, scene, "OOM kills whose invoker is not known", unknown,
			    "exactly 0");
	else
		printf("    the kernel shows no more reports: %ld kills by unknown\n", unknown);
	if (polite)
		check_scene(sum_turns(true) > 0, scene, "requests that failed", sum_turns(true),
			    "at least 1");
	return invokers.others;
}

/* Where free memory is below, those who allocate have to reclaim it themselves. */
static long low_watermarks_kib(void)
{
	static char text[65536];
	int fd = open("/proc/zoneinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 0, length = 0;
	long pages = 0;

	/* A zone at a time. */
	while (n >= 0 && (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += n;
	if (n < 0)
		die("/proc/zoneinfo");
	close(fd);
	text[length] = 0;
	for (char *at = text; (at = strstr(at, "\n        low ")); at++)
		pages += strtol(at + 13, NULL, 10);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void check_grown(const char *scene)
{
	check_scene(has_grown(), scene, "Percpu at its peak (KiB)", peak_percpu_kib,
		    "more than half of what was available");
}

/* Nothing was left, and it was percpu memory that took it. */
static void check_exhausted(const char *scene)
{
	long low_kib = low_watermarks_kib();

	check_scene(lowest_free_kib < low_kib, scene, "free memory at its lowest (KiB)",
		    lowest_free_kib, "below the low watermarks");
	check_grown(scene);
}

/*
 * Nobody insists on memory, but for the kernel itself: that starts a thread now and then,
 * for a worker that sleeps. All else that runs has what it needs and waits.
 */
static void play_politely(const char *scene, void (*run)(struct actor *actor),
			  void (*check_end)(const char *scene))
{
	long others;

	start_hogs(8, scene, run);
	let_grow(8000);
	wait_for_actors();
	check_end(scene);
	others = check_figures(scene, true);
	check_scene(!others, scene, "OOM killer invoked by others than kthreadd", others,
		    "exactly 0");
}

/* Until nothing is left, politely: nobody dies of that. */
static void scene_noretry(const char *scene)
{
	play_politely(scene, run_noretry, check_exhausted);
}

/*
 * The same from requests that cannot sleep, each of which calls the worker. That pauses
 * where it is refused memory, and without it they fail with some of it left: they may
 * take the last, or not.
 */
static void scene_nowait(const char *scene)
{
	play_politely(scene, run_nowait, check_grown);
}

/* With others that fork meanwhile, and may well be killed or invoke the killer. */
static void scene_forks(const char *scene)
{
	start_hogs(6, "noretry", run_noretry);
	start_hogs(2, "nowait", run_nowait);
	for (int i = 0; i < 4; i++)
		start_actor("forker", "500", run_forker);
	let_grow(10000);
	wait_for_actors();
	check_exhausted(scene);
	check_figures(scene, true);
}

/* Until nothing is left, insistently: who asks is killed, and nobody else. */
static void scene_kernel(const char *scene)
{
	unsigned int nr_killed;

	start_hogs(8, "kernel", run_kernel);
	let_grow(10000);
	nr_killed = wait_for_actors();
	check_exhausted(scene);
	check_figures(scene, false);
	check_scene(nr_killed > 0, scene, "of 8 hogs were killed", nr_killed, "at least 1");
}

static void make_cgroup(const char *limit)
{
	if (mkdir(CGROUP, 0755))
		die(CGROUP);
	must_write(CGROUP "/memory.max", limit);
}

/* Returns what percpu memory it is charged for when all is freed, in bytes. */
static long remove_cgroup(void)
{
	double begin = now();
	long bytes;

	/* What it was charged for goes with its objects. */
	do {
		bytes = figure(CGROUP "/memory.stat", "percpu");
		if (!bytes)
			break;
		sleep_ms(100);
	} while ((now() - begin) * 1000 < BACK_MS);
	while (rmdir(CGROUP)) {
		if (errno != EBUSY || (now() - begin) * 1000 > 2 * BACK_MS)
			die(CGROUP);
		sleep_ms(10);
	}
	return bytes;
}

static void check_charge(const char *scene, long bytes)
{
	check_scene(bytes == 0, scene, "charged to the cgroup when all is freed (bytes)", bytes,
		    "exactly 0");
}

static void enter_cgroup(void)
{
	must_write(CGROUP "/cgroup.procs", "0");
}

static void run_memcg_noretry(struct actor *actor)
{
	enter_cgroup();
	hog(actor, "account+noretry");
}

static void run_memcg_kernel(struct actor *actor)
{
	enter_cgroup();
	hog(actor, "account+kernel");
}

/* At the limit of a cgroup: requests fail, and nobody dies. */
static void scene_limit(const char *scene)
{
	long limit_kib = 48 << 10;

	make_cgroup("48M");
	start_hogs(6, "noretry", run_memcg_noretry);
	let_run(4000);
	wait_for_actors();
	check_figures(scene, true);
	check_scene(peak_percpu_kib > limit_kib / 2, scene, "Percpu at its peak (KiB)",
		    peak_percpu_kib, "more than half of the limit");
	check_scene(figure(CGROUP "/memory.events", "oom_kill") == 0, scene,
		    "kills in the cgroup", figure(CGROUP "/memory.events", "oom_kill"),
		    "exactly 0");
	check_charge(scene, remove_cgroup());
}

/* The same without NORETRY: those in it are killed, one after the other. */
static void scene_limit_kernel(const char *scene)
{
	unsigned int nr_killed;
	long kills;

	make_cgroup("48M");
	start_hogs(6, "kernel", run_memcg_kernel);
	start_actor("forker", "500", run_forker);
	let_run(5000);
	nr_killed = wait_for_actors();
	kills = figure(CGROUP "/memory.events", "oom_kill");
	check_figures(scene, false);
	check_scene(nr_killed > 0, scene, "of 6 hogs were killed", nr_killed, "at least 1");
	check_scene(kills == figure("/proc/vmstat", "oom_kill") - before.kills, scene,
		    "kills in the cgroup", kills, "all there were");
	check_charge(scene, remove_cgroup());
}

/* A cgroup is killed in the middle, again and again, while others fork. */
static void scene_killed(const char *scene)
{
	struct actor chance = { .random = seed };
	double begin, longest = 0;
	long left = 0;

	start_actor("forker", "500", run_forker);
	atomic_store(&shared->go, true);
	for (int round = 0; round < 10; round++) {
		unsigned int first = nr_actors;

		make_cgroup("max");
		start_hogs(2, "noretry", run_memcg_noretry);
		start_hogs(2, "kernel", run_memcg_kernel);
		sleep_ms(300 + random_below(&chance, 700));
		note_peak();
		begin = now();
		must_write(CGROUP "/cgroup.kill", "1");
		while (nr_actors > first)
			waitpid(actors[--nr_actors], NULL, 0);
		longest = now() - begin > longest ? now() - begin : longest;
		left += remove_cgroup();
	}
	atomic_store(&shared->stop, true);
	wait_for_actors();
	/* Those that insist may have taken all there was before their end came. */
	check_figures(scene, false);
	check_scene(peak_percpu_kib > 8 << 10, scene, "Percpu at its peak (KiB)",
		    peak_percpu_kib, "more than 8192");
	check_charge(scene, left);
	check_scene(longest * 1000 < STALL_MS, scene, "until all in it had died (ms)",
		    longest * 1000, "below 10000");
}

static const struct scene {
	const char *name;
	void (*play)(const char *name);
} scenes[] = {
	{ "noretry", scene_noretry },
	{ "nowait", scene_nowait },
	{ "forks", scene_forks },
	{ "kernel", scene_kernel },
	{ "limit", scene_limit },
	{ "limit-kernel", scene_limit_kernel },
	{ "killed", scene_killed },
};

static int pressure(const char *name, const char *seed_text)
{
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		if (strcmp(scenes[i].name, name))
			continue;
		set_up(seed_text);
		look_before(name);
		scenes[i].play(name);
		check_given_back(name);
		stop_watchdogs();
		check_stalls(name);
		return 0;
	}
	errno = EINVAL;
	die("scene %s", name);
	return 1;
}

/* ---- races -------------------------------------------------------------------- */

static void act(struct actor *actor, unsigned int max_ms, void (*turn)(struct actor *actor))
{
	while (!atomic_load(&shared->stop)) {
		double begin = now();

		turn(actor);
		note_gap(&actor->slow, begin, now());
		atomic_fetch_add(&actor->turns, 1);
		sleep_ms(random_below(actor, max_ms));
	}
}

/* CPU 0 stays; all others come and go, one at a time. */
static void turn_hotplug(struct actor *actor)
{
	unsigned int cpu = 1 + random_below(actor, nr_cpus - 1);
	char name[64];

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu%u/online", cpu);
	must_write(name, "0");
	sleep_ms(random_below(actor, 50));
	must_write(name, "1");
}

static void run_hotplug(struct actor *actor)
{
	act(actor, 100, turn_hotplug);
}

/* Ours alone, or all that there are. */
static void turn_shrinker(struct actor *actor)
{
	static char name[128];
	glob_t found;

	if (!name[0]) {
		if (glob(DEBUG "/shrinker/percpu-*/scan", 0, NULL, &found))
			die("no shrinker called percpu");
		snprintf(name, sizeof(name), "%s", found.gl_pathv[0]);
		globfree(&found);
	}
	if (random_below(actor, 8))
		must_write(name, "0 0 1000");
	else
		must_write("/proc/sys/vm/drop_caches", "2");
}

static void run_shrinker(struct actor *actor)
{
	act(actor, 60, turn_shrinker);
}

static void load(const char *name, const char *parameters, int allowed)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s", path);
	if (syscall(SYS_finit_module, fd, parameters, 0) && errno != allowed)
		die("loading %s %s", name, parameters);
	close(fd);
}

static void unload(const char *name)
{
	if (syscall(SYS_delete_module, name, 0))
		die("unloading %s", name);
}

/* Their static percpu data is in the reserved chunk; what they allocate is not. */
static void turn_modules(struct actor *actor)
{
	if (random_below(actor, 2)) {
		load("rds", "", 0);
		load("rds_tcp", "", 0);
		unload("rds_tcp");
		unload("rds");
	} else {
		load("nf_tables", "", 0);
		unload("nf_tables");
	}
}

static void run_modules(struct actor *actor)
{
	act(actor, 50, turn_modules);
}

/* Files read in pieces, some not to their end. */
static void turn_reader(struct actor *actor)
{
	static const char * const files[] = {
		DEBUG "/percpu_stats", DEBUG "/percpu_sizes", "/proc/meminfo",
		CGROUPS "/memory.stat",
	};
	static char text[8192];
	int fd = open(files[random_below(actor, 4)], O_RDONLY | O_CLOEXEC);
	/* A sequence of its own, as nobody knows how long the file is. */
	struct actor pieces = { .random = random_below(actor, UINT32_MAX) };
	ssize_t n;

	if (fd < 0)
		die("reader");
	do {
		n = read(fd, text, 1 + random_below(&pieces, sizeof(text)));
		if (n < 0)
			die("reader");
	} while (n && random_below(&pieces, 16));
	close(fd);
}

static void run_reader(struct actor *actor)
{
	act(actor, 20, turn_reader);
}

/* Memory comes and goes in waves; half of them are freed by another process. */
static void turn_waver(struct actor *actor)
{
	static const char * const masks[] = { "kernel", "nowait", "noretry", "account+kernel" };
	unsigned int count = 10 + random_below(actor, 200);
	bool elsewhere = random_below(actor, 2);
	int fd = open_hold();
	pid_t pid;

	while (count--) {
		int error = hold(actor, fd, masks[random_below(actor, 4)]);

		if (error && error != ENOMEM)
			die(HOLD);
	}
	if (elsewhere) {
		pid = fork();
		if (!pid) {
			sleep_ms(random_below(actor, 50));
			_exit(0);
		}
		close(fd);
		waitpid(pid, NULL, 0);
		return;
	}
	close(fd);
}

static void run_waver(struct actor *actor)
{
	act(actor, 300, turn_waver);
}

/* Processes, in cgroups of their own: all of these have percpu counters. */
static void turn_family(struct actor *actor)
{
	char path[64], procs[96];
	pid_t pid;

	snprintf(path, sizeof(path), CGROUPS "/family-%u", random_below(actor, 1 << 20));
	if (mkdir(path, 0755) && errno != EEXIST)
		die("%s", path);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	pid = fork();
	if (!pid) {
		must_write(procs, "0");
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	while (rmdir(path)) {
		if (errno != EBUSY)
			die("%s", path);
		sleep_ms(1);
	}
}

static void run_family(struct actor *actor)
{
	act(actor, 20, turn_family);
}

/* The module's own players; it is in its init function all the time. */
static char churn_parameters[96];

static void run_churn(struct actor *actor)
{
	load("test_percpu", churn_parameters, EAGAIN);
	atomic_fetch_add(&actor->turns, 1);
}

static const struct {
	const char *name;
	void (*run)(struct actor *actor);
} racers[] = {
	{ "hotplug", run_hotplug },
	{ "shrinker", run_shrinker },
	{ "modules", run_modules },
	{ "reader", run_reader },
	{ "reader", run_reader },
	{ "waver", run_waver },
	{ "waver", run_waver },
	{ "family", run_family },
};

static int races(const char *seconds_text, const char *seed_text)
{
	unsigned int ms = atoi(seconds_text) * 1000;

	set_up(seed_text);
	printf("    seed %llu\n", (unsigned long long)seed);
	look_before("races");
	snprintf(churn_parameters, sizeof(churn_parameters), "test=stress seconds=%u seed=%u",
		 ms / 1000, (unsigned int)seed);
	start_actor("churn", "0", run_churn);
	sleep_ms(1000);			/* its threads are on all CPUs */
	for (size_t i = 0; i < sizeof(racers) / sizeof(racers[0]); i++)
		start_actor(racers[i].name, "0", racers[i].run);
	run_for(ms);
	wait_for_actors();
	for (unsigned int i = 0; i < nr_actors; i++)
		check_scene(shared->actor[i].turns > 0, "races", shared->actor[i].name,
			    shared->actor[i].turns, "at least 1");
	check_scene(populated_kib >= row_kib(), "races", "rows that were populated, or more",
		    populated_kib / row_kib(), "at least 1");
	check_scene(given_back_kib >= row_kib(), "races", "rows that were given back, or more",
		    given_back_kib / row_kib(), "at least 1");
	check_given_back("races");
	stop_watchdogs();
	check_stalls("races");
	check_scene(figure(HOLD, "errors") == 0, "races", "objects that were overwritten",
		    figure(HOLD, "errors"), "exactly 0");
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!strcmp(command, "pressure") && argc == 4)
		return pressure(argv[2], argv[3]);
	if (!strcmp(command, "races") && argc == 4)
		return races(argv[2], argv[3]);
	fprintf(stderr, "stress: wrong arguments; see the head of stress.c\n");
	return 2;
}
