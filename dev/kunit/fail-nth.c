// SPDX-License-Identifier: GPL-2.0
/*
 * Lets percpu requests fail below system calls, for dev/kunit/init.
 *
 *   fail-nth each          make each call with its first request failing, then
 *                          with its second, until all of them were served
 *   fail-nth random NUMBER make each call NUMBER times, with failures as
 *                          /sys/kernel/debug/fail_percpu says for this task
 *
 * A call that met a failure must return an error that says so, or succeed all
 * the same; it prints how often it did which. FAIL_PERCPU must be the only kind
 * of fault injection in the kernel, as /proc/PID/fail-nth counts all kinds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP	"/sys/fs/cgroup/fail"
#define MNT	"/mnt"

/* What a call came to, told by the process that made it. */
static struct result {
	int error;
	int nr_left;		/* of the requests before the one to fail */
	int told;
} *result;

static void die(const char *what)
{
	fprintf(stderr, "fail-nth: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void write_self(const char *name, int value)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d", value) < 0)
		die(name);
	close(fd);
}

static int read_nth(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die("fail-nth");
	close(fd);
	return atoi(text);
}

/* From here on no request fails, so that what was made can be taken back. */
static void tell(int error)
{
	result->nr_left = read_nth();
	write_self("/proc/thread-self/fail-nth", 0);
	result->error = error;
	result->told = 1;
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	tell(pid < 0 ? errno : 0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* The program that takes over tells, see main(). */
static void do_exec(void)
{
	execl("/bin/fail-nth", "fail-nth", "tell", NULL);
	tell(errno);
}

static void do_netns(void)
{
	tell(unshare(CLONE_NEWNET) ? errno : 0);
}

static void do_cgroup(void)
{
	int error = mkdir(CGROUP "/child", 0755) ? errno : 0;

	tell(error);
	if (!error && rmdir(CGROUP "/child"))
		die("rmdir");
}

static void do_mount(void)
{
	int error = mount("none", MNT, "tmpfs", 0, NULL) ? errno : 0;

	tell(error);
	if (!error && umount(MNT))
		die("umount");
}

/* Load it, then unload it, unless it says EAGAIN to the former: its work is done. */
static void do_module(const char *name)
{
	char path[64];
	int fd, error;

	snprintf(path, sizeof(path), "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		tell(ENOSYS);
		return;
	}
	error = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	tell(error == EAGAIN ? 0 : error);
	if (!error && syscall(SYS_delete_module, name, 0))
		die(name);
}

/* Nothing but static percpu data. */
static void do_percpu_test(void)
{
	do_module("percpu_test");
}

/* A device, with counters. */
static void do_dummy(void)
{
	do_module("dummy");
}

/*
 * Static percpu data, and what it has in a network name space. Not rds.ko: it has an
 * SRCU domain, and where that gets no memory srcu_module_notify() returns a plain
 * -ENOMEM, which is no error to who calls it. So it is loaded without.
 */
static void do_nf_tables(void)
{
	do_module("nf_tables");
}

static const struct call {
	const char *name;
	void (*make)(void);
} calls[] = {
	{ "fork", do_fork },
	{ "execve", do_exec },
	{ "unshare(CLONE_NEWNET)", do_netns },
	{ "mkdir of a cgroup", do_cgroup },
	{ "mount of a tmpfs", do_mount },
	{ "percpu_test.ko", do_percpu_test },
	{ "dummy.ko", do_dummy },
	{ "nf_tables.ko", do_nf_tables },
};

#define NR_CALLS	(int)(sizeof(calls) / sizeof(calls[0]))

/* In a process of its own; @nth request to fail, or 0. */
static void make_call(const struct call *call, int nth)
{
	int status;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	pid = fork();
	if (pid < 0) {
		/* With random failures this one, too. */
		result->error = errno;
		result->told = 1;
		return;
	}
	if (!pid) {
		write_self("/proc/thread-self/fail-nth", nth);
		call->make();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (!result->told || !WIFEXITED(status) || WEXITSTATUS(status))
		result->error = EPROTO;
}

static int is_clean(int error)
{
	return error == ENOMEM || error == EAGAIN || error == ENOSPC;
}

static int fail_each(const struct call *call)
{
	int nth, nr_errors = 0, nr_tolerated = 0, nr_bad = 0, last = 0;

	for (nth = 1;; nth++) {
		make_call(call, nth);
		if (result->error == EPROTO) {
			printf("%s: request %d failed, and the process died\n", call->name, nth);
			nr_bad++;
			break;
		}
		if (result->nr_left)
			break;
		if (!result->error) {
			nr_tolerated++;
			continue;
		}
		nr_errors++;
		last = result->error;
		if (!is_clean(last)) {
			printf("%s: request %d failed, and the error is: %s\n", call->name, nth,
			       strerror(last));
			nr_bad++;
		}
	}
	if (result->error && result->error != EPROTO) {
		printf("%s without a failure: %s\n", call->name, strerror(result->error));
		nr_bad++;
	}
	printf("%s: %d requests, of which made to fail %d gave an error (%s), %d did not\n",
	       call->name, nth - 1, nr_errors, last ? strerror(last) : "none", nr_tolerated);
	return nr_bad || !nr_errors;
}

static int fail_at_random(const struct call *call, int number)
{
	int i, nr_errors = 0, nr_bad = 0;

	for (i = 0; i < number; i++) {
		make_call(call, 0);
		nr_errors += !!result->error;
		if (result->error && !is_clean(result->error)) {
			printf("%s: %s\n", call->name, strerror(result->error));
			nr_bad++;
		}
	}
	printf("%s: %d times, of which %d gave an error\n", call->name, number, nr_errors);
	return nr_bad || !nr_errors;
}

/* Does this kernel have such a call? It is made without failures. */
static int has_call(const struct call *call)
{
	make_call(call, 0);
	if (result->error != EINVAL && result->error != ENOSYS)
		return 1;
	printf("%s: skipped: not in this kernel\n", call->name);
	return 0;
}

static int walk(const struct call *call, int number)
{
	int failed;

	if (!has_call(call))
		return 0;
	if (!number)
		return fail_each(call);
	write_self("/proc/self/make-it-fail", 1);
	failed = fail_at_random(call, number);
	write_self("/proc/self/make-it-fail", 0);
	return failed;
}

int main(int argc, char **argv)
{
	int i, failed = 0, number = argc > 2 ? atoi(argv[2]) : 0;
	int fd = open("/fail-nth.result", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (argc < 2 || fd < 0 || ftruncate(fd, sizeof(*result)))
		die("no mode, or no file");
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (result == MAP_FAILED)
		die("mmap");
	if (!strcmp(argv[1], "tell")) {
		tell(0);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir(MNT, 0755);
	for (i = 0; i < NR_CALLS; i++)
		failed |= walk(&calls[i], number);
	return failed;
}
