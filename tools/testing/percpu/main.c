// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - runs tests, each in a process of its own, several at a time
 *
 *   sim [-v] [-l] [-j JOBS] [-s SEED] [NAME...]
 *
 * A NAME picks the tests that contain it.  The seed, from -s or the environment's
 * SEED, makes a run repeatable; without one it is drawn and printed.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define EXIT_SKIPPED	77
#define MAX_JOBS	16
/* For a test that never ends; all others take far less. */
#define TEST_SECONDS	600

static struct test *tests, **tests_end = &tests;
static unsigned int scale = 100;
static u64 seed;
static unsigned int nr_passed, nr_failed, nr_skipped;

static struct job {
	pid_t pid;
	struct test *test;
	struct timespec start;
	FILE *output;
} jobs[MAX_JOBS];

void test_register(struct test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void test_skip(const char *reason)
{
	fprintf(stderr, "%s\n", reason);
	fflush(NULL);
	_exit(EXIT_SKIPPED);
}

unsigned int test_scaled(unsigned int n)
{
	return max((unsigned int)((u64)n * scale / 100), 1U);
}

static u64 hash_name(const char *name)
{
	u64 hash = 5381;

	while (*name)
		hash = hash * 33 + *name++;
	return hash;
}

static void time_is_up(int signal_nr)
{
	/* Where the trace hangs as well. */
	signal(SIGALRM, SIG_DFL);
	alarm(20);
	shim_bug(__FILE__, __LINE__, "the test has not ended");
}

static void run_in_child(struct test *test, FILE *output)
{
	dup2(fileno(output), STDOUT_FILENO);
	dup2(fileno(output), STDERR_FILENO);
	sim_random_state = seed ^ hash_name(test->name);
	sim_reset();
	signal(SIGALRM, time_is_up);
	alarm(TEST_SECONDS * max(scale, 100U) / 100);
	test->run();
	fflush(NULL);
	_exit(0);
}

static void start(struct job *job, struct test *test)
{
	job->test = test;
	job->output = tmpfile();
	if (!job->output) {
		perror("tmpfile");
		exit(2);
	}
	clock_gettime(CLOCK_MONOTONIC, &job->start);
	fflush(NULL);
	job->pid = fork();
	if (job->pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!job->pid)
		run_in_child(test, job->output);
}

static void show_output(struct job *job)
{
	char line[512];

	rewind(job->output);
	while (fgets(line, sizeof(line), job->output))
		printf("    %s", line);
}

static void finish(struct job *job, int status)
{
	struct timespec now;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = now.tv_sec - job->start.tv_sec + (now.tv_nsec - job->start.tv_nsec) / 1e9;
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		printf("%-40s ok      %6.1f s\n", job->test->name, seconds);
		nr_passed++;
		if (sim_verbose)
			show_output(job);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		printf("%-40s skipped:", job->test->name);
		show_output(job);
		nr_skipped++;
	} else {
		printf("%-40s FAILED  %6.1f s (SEED=%llu)\n", job->test->name, seconds,
		       (unsigned long long)seed);
		show_output(job);
		nr_failed++;
	}
	fflush(stdout);
	fclose(job->output);
	job->pid = 0;
}

static void wait_for_one(unsigned int nr_jobs)
{
	unsigned int i;
	int status;
	pid_t pid = wait(&status);

	for (i = 0; i < nr_jobs; i++)
		if (jobs[i].pid == pid)
			finish(&jobs[i], status);
}

static bool is_wanted(const struct test *test, char **names, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (strstr(test->name, names[i]))
			return true;
	return !nr;
}

static struct job *free_job(unsigned int nr_jobs)
{
	unsigned int i;

	for (;;) {
		for (i = 0; i < nr_jobs; i++)
			if (!jobs[i].pid)
				return &jobs[i];
		wait_for_one(nr_jobs);
	}
}

static bool any_job(unsigned int nr_jobs)
{
	unsigned int i;

	for (i = 0; i < nr_jobs; i++)
		if (jobs[i].pid)
			return true;
	return false;
}

#ifdef SIM_ASAN
/* Pages hang on tables that the leak checker does not see; tests count leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=0:detect_stack_use_after_return=0";
}
#endif

int main(int argc, char **argv)
{
	unsigned int nr_jobs = sysconf(_SC_NPROCESSORS_ONLN);
	const char *text = getenv("SEED");
	struct timespec now;
	bool list = false;
	struct test *test;
	int opt;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (u64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (text && *text)
		seed = strtoull(text, NULL, 0);
	text = getenv("SCALE");
	if (text && *text)
		scale = strtoul(text, NULL, 0);
	while ((opt = getopt(argc, argv, "vlj:s:")) != -1) {
		switch (opt) {
		case 'v':
			sim_verbose = true;
			break;
		case 'l':
			list = true;
			break;
		case 'j':
			nr_jobs = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	nr_jobs = clamp(nr_jobs, 1U, (unsigned int)MAX_JOBS);

	if (!list)
		printf("SEED=%llu\n", (unsigned long long)seed);
	for (test = tests; test; test = test->next) {
		if (!is_wanted(test, argv + optind, argc - optind))
			continue;
		if (list)
			puts(test->name);
		else
			start(free_job(nr_jobs), test);
	}
	if (list)
		return 0;
	while (any_job(nr_jobs))
		wait_for_one(nr_jobs);
	if (nr_skipped)
		printf("%u skipped\n", nr_skipped);
	printf("%u passed, %u failed\n", nr_passed, nr_failed);
	return nr_failed ? 1 : 0;
}
