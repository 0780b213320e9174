// SPDX-License-Identifier: GPL-2.0
/*
 * Real callers of percpu memory, for the guest of "make run".
 *
 *   callers exec NUMBER LIVE         fork and exec NUMBER times, LIVE at a time
 *   callers netns NUMBER             make NUMBER network namespaces, delete them
 *   callers cgroup NUMBER            the same with cgroups that had a process
 *   callers bpf NUMBER               make NUMBER BPF maps of each kind that has
 *                                    percpu elements, fill and read them; print
 *                                    how many elements could not be had at once
 *   callers bpf-irq NUMBER           on each CPU have a BPF program insert NUMBER
 *                                    elements in one hard interrupt; print how many
 *                                    it could not have
 *   callers modules ROUNDS A,B C     load and unload modules: A then B by one
 *                                    worker, C by another
 *   callers test MODULE [PARAMETERS] load a test module, which does its work
 *                                    while it is loaded and does not stay
 *   callers settle SECONDS           wait until nothing has changed for one
 *                                    second, but no longer than SECONDS
 *   callers watch SECONDS KIB AREAS FILE NAME COMMAND...
 *
 * One worker for each CPU does its part of NUMBER. "watch" runs COMMAND,
 * samples Percpu of /proc/meminfo meanwhile, then waits up to SECONDS for
 * Percpu and the number of allocated areas to return to no more than KIB and
 * AREAS above what they were. It adds one line to FILE, with Percpu in KiB and
 * the other figures from debugfs percpu_stats:
 *
 *   name|before|peak|after|seconds|areas made|before|after|chunks|empty rows
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGROUPS	"/sys/fs/cgroup"
#define STATS	"/sys/kernel/debug/percpu_stats"
#define MAX_LIVE 1024
#define MAP_ENTRIES 200
#define MAP_VALUE_BYTES 64
#define IRQ_VALUE 0x5a5a5a5a
#define MAX_CPUS 64

static void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fputs("callers: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static int number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n <= 0 || n > 1000000) {
		errno = EINVAL;
		die("%s", text);
	}
	return n;
}

/* Wait for one child; true if it ended well. */
static int ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d", cpu);
}

/* Run @work(@worker, @number, @arg) in @workers processes, bound to CPUs. */
static int run_workers(int workers, int number, void *arg,
		       void (*work)(int worker, int number, void *arg))
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t pids[64];
	int failed = 0;

	for (int i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			bind_to(i % cpus);
			work(i, number, arg);
			exit(0);
		}
	}
	for (int i = 0; i < workers; i++)
		failed |= !ended_well(pids[i]);
	return failed;
}

static int on_every_cpu(int number, void *arg,
			void (*work)(int worker, int number, void *arg))
{
	int workers = sysconf(_SC_NPROCESSORS_ONLN);

	if (workers > 64)
		workers = 64;
	return run_workers(workers, number / workers, arg, work);
}

/*
 * exec: children live until the gate, the pipe that is their standard input,
 * is closed, so that @live address spaces exist at the same time.
 */
static void exec_work(int worker, int number, void *arg)
{
	int live = *(int *)arg;
	pid_t pids[MAX_LIVE];

	for (int done = 0; done < number; done += live) {
		int gate[2];

		if (live > number - done)
			live = number - done;
		if (pipe2(gate, O_CLOEXEC))
			die("pipe");
		for (int i = 0; i < live; i++) {
			pids[i] = fork();
			if (pids[i] < 0)
				die("fork");
			if (!pids[i]) {
				dup2(gate[0], 0);
				execl("/proc/self/exe", "callers", "wait", NULL);
				_exit(1);
			}
		}
		close(gate[1]);
		close(gate[0]);
		for (int i = 0; i < live; i++)
			if (!ended_well(pids[i]))
				die("a child of worker %d failed", worker);
	}
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("lo up");
	close(fd);
}

/* netns: each namespace lives by an open file; closing them deletes it. */
static void netns_work(int worker, int number, void *arg)
{
	int *fds = calloc(number, sizeof(*fds));

	for (int i = 0; i < number; i++) {
		if (unshare(CLONE_NEWNET))
			die("network namespace %d of worker %d", i, worker);
		raise_loopback();
		fds[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			die("/proc/self/ns/net");
	}
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", name);
	close(fd);
}

/* One process in the cgroup, with some pages charged to it. */
static void visit_cgroup(const char *path)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		char name[128], *memory;
		size_t size = 64 << 10;

		snprintf(name, sizeof(name), "%s/cgroup.procs", path);
		write_file(name, "0");
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			die("mmap");
		memset(memory, 1, size);
		_exit(0);
	}
	if (!ended_well(pid))
		die("the process in %s failed", path);
}

static void cgroup_work(int worker, int number, void *arg)
{
	char path[64];

	for (int i = 0; i < number; i++) {
		snprintf(path, sizeof(path), CGROUPS "/run-%d-%d", worker, i);
		if (mkdir(path, 0755))
			die("%s", path);
		visit_cgroup(path);
	}
	for (int i = 0; i < number; i++) {
		snprintf(path, sizeof(path), CGROUPS "/run-%d-%d", worker, i);
		/* Busy until the last task has been switched away from. */
		while (rmdir(path)) {
			if (errno != EBUSY)
				die("%s", path);
			usleep(1000);
		}
	}
}

static int bpf(int command, union bpf_attr attr)
{
	return syscall(SYS_bpf, command, &attr, sizeof(attr));
}

/* What @cpu has in the element of @key: nobody else's. */
static void fill_value(void *value, int map, uint32_t key, int cpu)
{
	memset(value, map * 31 + key * 7 + cpu + 1, MAP_VALUE_BYTES);
}

/* Of all workers: elements that were inserted, and those not at the first try. */
static struct late {
	atomic_long nr, nr_late;
} *late;

/*
 * An element that is inserted with interrupts disabled takes what is at hand. There
 * may be nothing for a moment, but no longer.
 */
static void insert(int map, uint32_t key, void *values)
{
	for (int tries = 0; tries < 1000; tries++) {
		if (!bpf(BPF_MAP_UPDATE_ELEM, (union bpf_attr) {
				.map_fd = map, .key = (uintptr_t)&key,
				.value = (uintptr_t)values })) {
			atomic_fetch_add(&late->nr, 1);
			return;
		}
		if (errno != ENOMEM)
			break;
		atomic_fetch_add(&late->nr_late, !tries);
		usleep(1000);
	}
	die("element %u of a BPF map", key);
}

static void use_map(enum bpf_map_type type, unsigned int flags)
{
	static char values[MAX_CPUS][MAP_VALUE_BYTES], expected[MAP_VALUE_BYTES];
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	int map = bpf(BPF_MAP_CREATE, (union bpf_attr) {
		.map_type = type, .map_flags = flags, .key_size = sizeof(uint32_t),
		.value_size = MAP_VALUE_BYTES, .max_entries = MAP_ENTRIES });

	if (map < 0)
		die("a BPF map of type %d", type);
	for (uint32_t key = 0; key < MAP_ENTRIES; key++) {
		for (int cpu = 0; cpu < cpus; cpu++)
			fill_value(values[cpu], map, key, cpu);
		insert(map, key, values);
	}
	for (uint32_t key = 0; key < MAP_ENTRIES; key++) {
		if (bpf(BPF_MAP_LOOKUP_ELEM, (union bpf_attr) {
				.map_fd = map, .key = (uintptr_t)&key,
				.value = (uintptr_t)values }))
			die("element %u of a BPF map is gone", key);
		for (int cpu = 0; cpu < cpus; cpu++) {
			fill_value(expected, map, key, cpu);
			if (memcmp(values[cpu], expected, MAP_VALUE_BYTES))
				die("element %u of a BPF map was overwritten", key);
		}
	}
	close(map);
}

/*
 * bpf: the elements of arrays and of preallocated hashes are allocated several by
 * one call, those of other hashes one by one in a context that may be any.
 */
static void bpf_work(int worker, int number, void *arg)
{
	while (number--) {
		use_map(BPF_MAP_TYPE_PERCPU_ARRAY, 0);
		use_map(BPF_MAP_TYPE_PERCPU_HASH, 0);
		use_map(BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC);
	}
}

static void share_late(void)
{
	late = mmap(NULL, sizeof(*late), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (late == MAP_FAILED)
		die("mmap");
}

/* All others are there when the map is made, so only the last kind can be late. */
static int bpf_maps(int number)
{
	int failed;

	share_late();
	failed = on_every_cpu(number, NULL, bpf_work);
	printf("late elements: %ld of %ld\n", atomic_load(&late->nr_late),
	       atomic_load(&late->nr) / 3);
	return failed;
}

/* A program that inserts the keys below @number, and returns how many it could not. */
static int load_inserter(int map, int number)
{
	const struct bpf_insn insns[] = {
		/* r6: key, r7: misses; on the stack a copy of the key, and the value */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_6, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_7, .imm = 0 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -16,
		  .imm = IRQ_VALUE },
		/* the loop */
		{ .code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_6, .off = -4 },
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3,
		  .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_3, .imm = -16 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = BPF_ANY },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_update_elem },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .imm = 0, .off = 1 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_7, .imm = 1 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_6, .imm = 1 },
		{ .code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = BPF_REG_6, .imm = number,
		  .off = -13 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_0,
		  .src_reg = BPF_REG_7 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program = bpf(BPF_PROG_LOAD, (union bpf_attr) {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(insns[0]), .license = (uintptr_t)"GPL" });

	if (program < 0)
		die("a BPF program");
	return program;
}

/* Of the keys below @number those that are there: their value on @cpu, zeroes elsewhere. */
static int count_inserted(int map, int number, int cpu)
{
	uint64_t values[MAX_CPUS];
	int cpus = sysconf(_SC_NPROCESSORS_CONF), found = 0;

	for (uint32_t key = 0; key < number; key++) {
		if (bpf(BPF_MAP_LOOKUP_ELEM, (union bpf_attr) {
				.map_fd = map, .key = (uintptr_t)&key,
				.value = (uintptr_t)values }))
			continue;
		found++;
		for (int i = 0; i < cpus; i++)
			if (values[i] != (i == cpu ? IRQ_VALUE : 0))
				die("element %u of a BPF program was overwritten", key);
	}
	return found;
}

/*
 * @cpu runs the program in an interrupt that another CPU sends, and so with nothing
 * refilled meanwhile. One insertion before has it refill what it keeps of the elements
 * themselves, which are no percpu objects and which the program needs as many of.
 */
static int insert_in_interrupt(int cpu, int number)
{
	static char values[MAX_CPUS][sizeof(uint64_t)];
	int map = bpf(BPF_MAP_CREATE, (union bpf_attr) {
		.map_type = BPF_MAP_TYPE_PERCPU_HASH, .map_flags = BPF_F_NO_PREALLOC,
		.key_size = sizeof(uint32_t), .value_size = sizeof(uint64_t),
		.max_entries = number + 1 });
	union bpf_attr run = { .test.flags = BPF_F_TEST_RUN_ON_CPU, .test.cpu = cpu };

	if (map < 0)
		die("a BPF map");
	run.test.prog_fd = load_inserter(map, number);
	bind_to(cpu);
	insert(map, number, values);
	bind_to((cpu + 1) % sysconf(_SC_NPROCESSORS_ONLN));
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &run, sizeof(run)))
		die("running a BPF program");
	if (count_inserted(map, number, cpu) + run.test.retval != number)
		die("%u of %d elements missed, others are gone", run.test.retval, number);
	close(run.test.prog_fd);
	close(map);
	return run.test.retval;
}

static int bpf_irq(int number)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), missed = 0;

	share_late();
	for (int cpu = 0; cpu < cpus; cpu++)
		missed += insert_in_interrupt(cpu, number);
	printf("missed elements: %d of %d\n", missed, cpus * number);
	return 0;
}

/* 0, or EAGAIN from a test module that has done its work and does not stay. */
static int load_module(const char *file, const char *parameters)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		die("%s", file);
	if (syscall(SYS_finit_module, fd, parameters, 0)) {
		error = errno;
		if (error != EAGAIN)
			die("loading %s %s", file, parameters);
	}
	close(fd);
	return error;
}

static void unload_module(const char *file)
{
	const char *base = strrchr(file, '/');
	char name[64];

	snprintf(name, sizeof(name), "%s", base ? base + 1 : file);
	*strchrnul(name, '.') = 0;
	/* ENOENT: it did not stay */
	if (syscall(SYS_delete_module, name, 0) && errno != ENOENT)
		die("unloading %s", name);
}

static void modules_work(int worker, int rounds, void *arg)
{
	char *files[8], *list = ((char **)arg)[worker];
	int n = 0;

	for (char *file = strtok(list, ","); file && n < 8; file = strtok(NULL, ","))
		files[n++] = file;
	while (rounds--) {
		for (int i = 0; i < n; i++)
			load_module(files[i], "");
		for (int i = n; i--;)
			unload_module(files[i]);
	}
}

/* The figure after @name in @text, or -1. */
static long figure(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		return -1;
	at += strlen(name);
	return strtol(at + strspn(at, " :"), NULL, 10);
}

struct stats {
	long made, areas, chunks, empty;
};

static struct stats read_stats(void)
{
	static char text[4096];
	int fd = open(STATS, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		die(STATS);
	close(fd);
	text[n] = 0;
	return (struct stats) {
		.made = figure(text, " nr_alloc"),
		.areas = figure(text, "nr_cur_alloc"),
		.chunks = figure(text, "nr_chunks"),
		.empty = figure(text, "empty_pop_pages"),
	};
}

/*
 * Percpu of /proc/meminfo in KiB. The file stays open: with its buffer there
 * already, reading it again allocates nothing, even when memory has run out.
 */
static long read_percpu(void)
{
	static char text[4096];
	static int fd = -1;
	ssize_t n;

	if (fd < 0)
		fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		die("/proc/meminfo");
	text[n] = 0;
	return figure(text, "Percpu");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int settle(int seconds)
{
	double start = now(), since = start;
	long percpu = -1, areas = -1;

	while (now() - start < seconds && now() - since < 1) {
		long new_percpu = read_percpu(), new_areas = read_stats().areas;

		if (new_percpu != percpu || new_areas != areas)
			since = now();
		percpu = new_percpu;
		areas = new_areas;
		usleep(50000);
	}
	return 0;
}

/* Run the command; the highest Percpu that was seen meanwhile. */
static long peak_of(char **command, int *status)
{
	long peak = read_percpu();
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execvp(command[0], command);
		die("%s", command[0]);
	}
	while (waitpid(pid, status, WNOHANG) == 0) {
		long percpu = read_percpu();

		if (percpu > peak)
			peak = percpu;
		usleep(10000);
	}
	return peak;
}

static int watch(char **argv)
{
	int seconds = number_of(argv[0]), kib = number_of(argv[1]), areas = number_of(argv[2]);
	FILE *file = fopen(argv[3], "a");
	long before, peak, after;
	struct stats old, new;
	int status = 0;
	double start;

	if (!file)
		die("%s", argv[3]);
	old = read_stats();
	before = read_percpu();
	/* From here on without page faults: memory may run out. */
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	peak = peak_of(argv + 5, &status);
	start = now();
	for (;;) {
		new = read_stats();
		after = read_percpu();
		if (after <= before + kib && new.areas <= old.areas + areas)
			break;
		if (now() - start > seconds)
			break;
		usleep(50000);
	}
	fprintf(file, "%s|%ld|%ld|%ld|%.1f|%ld|%ld|%ld|%ld|%ld\n", argv[4], before, peak,
		after, now() - start, new.made - old.made, old.areas, new.areas,
		new.chunks, new.empty);
	fclose(file);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	char c;

	if (!strcmp(command, "wait"))
		return read(0, &c, 1) != 0;
	if (!strcmp(command, "exec") && argc == 4) {
		int live = number_of(argv[3]) / sysconf(_SC_NPROCESSORS_ONLN);

		live = live < 1 ? 1 : live > MAX_LIVE ? MAX_LIVE : live;
		return on_every_cpu(number_of(argv[2]), &live, exec_work);
	}
	if (!strcmp(command, "netns") && argc == 3)
		return on_every_cpu(number_of(argv[2]), NULL, netns_work);
	if (!strcmp(command, "cgroup") && argc == 3)
		return on_every_cpu(number_of(argv[2]), NULL, cgroup_work);
	if (!strcmp(command, "bpf") && argc == 3)
		return bpf_maps(number_of(argv[2]));
	if (!strcmp(command, "bpf-irq") && argc == 3)
		return bpf_irq(number_of(argv[2]));
	if (!strcmp(command, "modules") && argc > 3 && argc <= 3 + 64)
		return run_workers(argc - 3, number_of(argv[2]), argv + 3, modules_work);
	if (!strcmp(command, "test") && (argc == 3 || argc == 4))
		return load_module(argv[2], argc == 4 ? argv[3] : "") != EAGAIN;
	if (!strcmp(command, "settle") && argc == 3)
		return settle(number_of(argv[2]));
	if (!strcmp(command, "watch") && argc > 7)
		return watch(argv + 2);
	fprintf(stderr, "callers: wrong arguments; see the head of callers.c\n");
	return 2;
}
