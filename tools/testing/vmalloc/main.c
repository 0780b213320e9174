// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - runs tests, each in a process of its own
 *
 *   sim [-v] [-s SEED] [NAME...]
 *
 * A NAME picks the tests that contain it.  The seed, from -s or the environment's
 * SEED, makes a run repeatable; without one it is drawn and printed.
 */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* For a test that never ends; all others take far less. */
#define TEST_SECONDS	600

static struct test *tests, **tests_end = &tests;
static unsigned int scale = 100;

void test_register(struct test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

unsigned int test_scaled(unsigned int n)
{
	return max((unsigned int)((u64)n * scale / 100), 1U);
}

/* LeakSanitizer does not see pointers in the chains; tests count leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=0";
}

static bool is_wanted(const struct test *test, char **names, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (strstr(test->name, names[i]))
			return true;
	return !nr;
}

static bool run(const struct test *test, u64 seed)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		sim_random_state = seed;
		/* Not handled, so it kills. */
		alarm(TEST_SECONDS * max(scale, 100U) / 100);
		test->run();
		fflush(NULL);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	unsigned int nr_passed = 0, nr_failed = 0;
	const char *text = getenv("SEED");
	struct test *test;
	u64 seed = time(NULL);
	int opt;

	if (text && *text)
		seed = strtoull(text, NULL, 0);
	text = getenv("SCALE");
	if (text && *text)
		scale = strtoul(text, NULL, 0);
	while ((opt = getopt(argc, argv, "vs:")) != -1) {
		if (opt == 'v')
			sim_verbose = true;
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	printf("SEED=%llu\n", (unsigned long long)seed);
	for (test = tests; test; test = test->next) {
		bool ok;

		if (!is_wanted(test, argv + optind, argc - optind))
			continue;
		ok = run(test, seed);
		printf("%-40s %s\n", test->name, ok ? "ok" : "FAILED");
		nr_passed += ok;
		nr_failed += !ok;
	}
	printf("%u passed, %u failed\n", nr_passed, nr_failed);
	return nr_failed ? 1 : 0;
}
