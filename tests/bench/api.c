/*
 * Micro benchmarks of the native API, and the same work with pthreads:
 *
 *     api [-c] [-r ROUNDS] [-t ROUND_MS] [NAME...]             linked with the library
 *     api_pthread [-c] [-r ROUNDS] [-t ROUND_MS] [NAME...]     plain; run natively
 *
 * Each line of output is "name value unit": the median of the rounds, by operation. Run it on one core to compare
 * (VTHR_CARRIERS=1, taskset). With -c it counts CPU time, which tells something on a busy machine, too, where nothing sleeps.
 */
#include "api_work.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 101

static bool by_cpu;

void bench_check(int error, const char *what)
{
	if (error) {
		fprintf(stderr, "api: %s: %s\n", what, strerror(error));
		exit(1);
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(by_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double time_run(const struct work *w, long n)
{
	double begin = now();

	w->run(n);
	return now() - begin;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct work *w, int rounds, double round_ns)
{
	double results[MAX_ROUNDS], took;
	long n = 64;

	while ((took = time_run(w, n)) < round_ns / 4)
		n *= 2;
	n = (long)((double)n * round_ns / took) / 2 * 2 + 2;
	for (int i = 0; i < rounds; i++)
		results[i] = time_run(w, n) / (double)n;
	qsort(results, (size_t)rounds, sizeof results[0], by_value);
	printf("%s %.1f ns\n", w->name, results[rounds / 2]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int c, rounds = 7;
	double round_ns = 100e6;

	while ((c = getopt(argc, argv, "cr:t:")) != -1) {
		if (c == 'r' && atoi(optarg) > 0 && atoi(optarg) <= MAX_ROUNDS)
			rounds = atoi(optarg);
		else if (c == 'c')
			by_cpu = true;
		else if (c == 't' && atoi(optarg) > 0)
			round_ns = atoi(optarg) * 1e6;
		else
			return 2;
	}
	for (const struct work *w = all_work; w->name; w++) {
		bool wanted = optind == argc;

		for (int i = optind; i < argc; i++)
			wanted |= strcmp(argv[i], w->name) == 0;
		if (wanted)
			measure(w, rounds, round_ns);
	}
	return 0;
}
