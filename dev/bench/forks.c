// SPDX-License-Identifier: GPL-2.0
/*
 * The only program of a machine that boots to measure what userspace does and
 * the kernel takes percpu memory for. fork() and execve(): each new process
 * has counters of pages and concurrency ids. mkdir() of a cgroup: statistics
 * and reference counts. A BPF map with a value for each CPU: its entries. All
 * is given back as well. It prints figures in the format of lib/test_percpu.c
 * and powers off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD		"child"
#define MAP_ENTRIES	10000
#define MAP_VALUE_BYTES	64

static void finish(const char *what, const char *detail)
{
	printf("forks: end: %s%s%s\n", what, *detail ? ": " : "", detail);
	fflush(stdout);
	reboot(RB_AUTOBOOT);	/* without ACPI, QEMU ends only so */
	_exit(1);
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	printf("forks: %s: %s\n", what, strerror(errno));
	finish("failed", what);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

/* Processes of the root cgroup are not charged, and so take another path. */
static void enter_cgroup(void)
{
	check(!mkdir("/cgroup", 0755) && !mount("none", "/cgroup", "cgroup2", 0, NULL),
	      "mount cgroup2");
	write_file("/cgroup/cgroup.subtree_control", "+memory");
	check(!mkdir("/cgroup/forks", 0755), "mkdir");
	write_file("/cgroup/forks/cgroup.procs", "0");
}

static void run_processes(int nr, int exec)
{
	static char *const argv[] = { "/init", CHILD, NULL };
	static char *const environment[] = { NULL };
	int i, status;
	pid_t pid;

	for (i = 0; i < nr; i++) {
		pid = fork();
		if (!pid) {
			if (exec)
				execve("/init", argv, environment);
			_exit(exec);
		}
		check(pid > 0 && waitpid(pid, &status, 0) == pid && !status, "child");
	}
}

static void run_fork(int nr)
{
	run_processes(nr, 0);
}

static void run_fork_exec(int nr)
{
	run_processes(nr, 1);
}

/*
 * Most of a cgroup is freed after grace periods, by workers: those of earlier
 * ones, as this never idles. As many are left over at the end as from warming up.
 */
static void run_cgroup(int nr)
{
	while (nr--) {
		check(!mkdir("/cgroup/short", 0755), "mkdir of a cgroup");
		check(!rmdir("/cgroup/short"), "rmdir of a cgroup");
	}
}

/* A worker frees the map: this has to be SCHED_IDLE, so that it does so at once. */
static void run_map(int nr)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_PERCPU_ARRAY,
		.key_size = sizeof(int),
		.value_size = MAP_VALUE_BYTES,
		.max_entries = MAP_ENTRIES,
	};
	int fd;

	while (nr--) {
		fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
		check(fd >= 0, "creating a BPF map");
		close(fd);
		sched_yield();
	}
}

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Each of the turns does something @each times, and that is what is reported. */
static void measure(const char *name, void (*run)(int nr), int nr, int each)
{
	long long start;

	/* What workers have yet to do for others is not its own. */
	sleep(1);
	run((nr + 9) / 10);
	start = now_ns();
	run(nr);
	printf("forks: %s %.1f ns\n", name, (double)(now_ns() - start) / nr / each);
}

int main(int argc, char **argv)
{
	static const struct sched_param idle;

	if (argc > 1 && !strcmp(argv[1], CHILD))
		return 0;
	enter_cgroup();
	measure("fork", run_fork, 2000, 1);
	measure("fork_exec", run_fork_exec, 2000, 1);
	measure("cgroup", run_cgroup, 2000, 1);
	check(!sched_setscheduler(0, SCHED_IDLE, &idle), "SCHED_IDLE");
	measure("map_entry", run_map, 20, MAP_ENTRIES);
	finish("passed", "");
}
