// SPDX-License-Identifier: GPL-2.0
/*
 * The only program of a machine that boots to measure fork() and execve():
 * each new process takes percpu memory for its counters of pages and for its
 * concurrency ids, and gives it back when it exits. It prints figures in the
 * format of lib/test_percpu.c and powers off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_WARM		200
#define NR_MEASURED	2000
#define CHILD		"child"

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

static void run(int nr, int exec)
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

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void measure(const char *name, int exec)
{
	long long start;

	run(NR_WARM, exec);
	start = now_ns();
	run(NR_MEASURED, exec);
	printf("forks: %s %.1f ns\n", name, (double)(now_ns() - start) / NR_MEASURED);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], CHILD))
		return 0;
	enter_cgroup();
	measure("fork", 0);
	measure("fork_exec", 1);
	finish("passed", "");
}
