/*
 * Micro benchmarks of threads, as a plain pthread program: run once natively and once under the shim, on one core.
 *
 *     micro [-r ROUNDS] [-t ROUND_MS] [NAME...]     without names: all of them
 *     micro parked N [STACK_BYTES]                  N threads that wait on one condition variable
 *
 * Each line of output is "name value unit". A time is the median of the rounds; the number of operations in a round is
 * chosen so that a round takes about ROUND_MS. All operations run in a created thread and after a first pthread_create,
 * so that no library's short cut for single-threaded processes is measured.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 101

static void check(int error, const char *what)
{
	if (error) {
		fprintf(stderr, "micro: %s: %s\n", what, strerror(error));
		exit(1);
	}
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	check(pthread_create(&thread, NULL, fn, arg), "pthread_create");
	return thread;
}

static void join(pthread_t thread)
{
	check(pthread_join(thread, NULL), "pthread_join");
}

/* ---- create and join ---- */

static void *empty(void *arg)
{
	return arg;
}

static void create_join(long n)
{
	for (long i = 0; i < n; i++)
		join(start(empty, NULL));
}

/* At most 64 detached threads at a time, as in a server with short connections. */
#define CHURN_WIDTH 64
static sem_t churn_credits;

static void *churn_thread(void *arg)
{
	sem_post(&churn_credits);
	return arg;
}

static void create_detached(long n)
{
	pthread_attr_t attr;
	pthread_t thread;

	check(pthread_attr_init(&attr), "pthread_attr_init");
	check(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), "pthread_attr_setdetachstate");
	sem_init(&churn_credits, 0, CHURN_WIDTH);
	for (long i = 0; i < n; i++) {
		sem_wait(&churn_credits);
		check(pthread_create(&thread, &attr, churn_thread, NULL), "pthread_create");
	}
	for (int i = 0; i < CHURN_WIDTH; i++)
		sem_wait(&churn_credits);
	pthread_attr_destroy(&attr);
}

/* ---- two threads that alternate; n counts one-way steps, half of them by each side ---- */

static void pair(void *(*fn)(void *), long n)
{
	long half = n / 2;
	pthread_t other = start(fn, (void *[]){(void *)(intptr_t)half, (void *)1});

	fn((void *[]){(void *)(intptr_t)half, (void *)0});
	join(other);
}

#define PAIR_COUNT(arg) ((long)(intptr_t)((void **)(arg))[0])
#define PAIR_SIDE(arg) ((int)(intptr_t)((void **)(arg))[1])

static void *yield_side(void *arg)
{
	for (long i = PAIR_COUNT(arg); i > 0; i--)
		sched_yield();
	return NULL;
}

static void yield(long n)
{
	pair(yield_side, n);
}

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static int turn;

static void *cond_side(void *arg)
{
	int me = PAIR_SIDE(arg);

	for (long i = PAIR_COUNT(arg); i > 0; i--) {
		pthread_mutex_lock(&turn_lock);
		while (turn != me)
			pthread_cond_wait(&turn_changed[me], &turn_lock);
		turn = !me;
		pthread_cond_signal(&turn_changed[!me]);
		pthread_mutex_unlock(&turn_lock);
	}
	return NULL;
}

static void mutex_cond(long n)
{
	turn = 0;
	pair(cond_side, n);
}

static sem_t sems[2];

static void *sem_side(void *arg)
{
	int me = PAIR_SIDE(arg);

	for (long i = PAIR_COUNT(arg); i > 0; i--) {
		sem_wait(&sems[me]);
		sem_post(&sems[!me]);
	}
	return NULL;
}

static void semaphore(long n)
{
	sem_init(&sems[0], 0, 1);
	sem_init(&sems[1], 0, 0);
	pair(sem_side, n);
}

static int pipes[2][2];

static void *pipe_side(void *arg)
{
	int me = PAIR_SIDE(arg);
	char byte = 'x';

	for (long i = PAIR_COUNT(arg); i > 0; i--)
		if (read(pipes[me][0], &byte, 1) != 1 || write(pipes[!me][1], &byte, 1) != 1)
			check(errno, "pipe");
	return NULL;
}

static void pipe_pair(long n)
{
	if (pipe(pipes[0]) || pipe(pipes[1]) || write(pipes[0][1], "x", 1) != 1)
		check(errno, "pipe");
	pair(pipe_side, n);
	for (int i = 0; i < 4; i++)
		close(pipes[i / 2][i % 2]);
}

/* ---- no contention ---- */

static void mutex_free(long n)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	for (long i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
}

/* ---- measuring ---- */

static const struct benchmark {
	const char *name;
	void (*run)(long n);   /* n is even */
} benchmarks[] = {
	{"create_join", create_join},
	{"create_detached", create_detached},
	{"yield", yield},
	{"mutex_cond", mutex_cond},
	{"mutex_uncontended", mutex_free},
	{"sem", semaphore},
	{"pipe", pipe_pair},
};
#define BENCHMARKS (sizeof benchmarks / sizeof benchmarks[0])

static int rounds = 7;
static double round_ns = 100e6;

static double time_run(const struct benchmark *bench, long n)
{
	double begin = now_ns();

	bench->run(n);
	return now_ns() - begin;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *measure(void *arg)
{
	const struct benchmark *bench = arg;
	double results[MAX_ROUNDS];
	long n = 64;
	double took;

	/* The doubling warms up as well: caches of stacks, page tables, the branch predictor. */
	while ((took = time_run(bench, n)) < round_ns / 4)
		n *= 2;
	n = (long)((double)n * round_ns / took) / 2 * 2 + 2;
	for (int i = 0; i < rounds; i++)
		results[i] = time_run(bench, n) / (double)n;
	qsort(results, (size_t)rounds, sizeof results[0], by_value);
	printf("%s %.1f ns\n", bench->name, results[rounds / 2]);
	fflush(stdout);
	return NULL;
}

/* ---- parked threads ---- */

static pthread_mutex_t lot_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lot_open = PTHREAD_COND_INITIALIZER, lot_full = PTHREAD_COND_INITIALIZER;
static long lot_parked, lot_expected = -1;
static bool lot_is_open;

static void *park(void *arg)
{
	pthread_mutex_lock(&lot_lock);
	if (++lot_parked == lot_expected)
		pthread_cond_signal(&lot_full);
	while (!lot_is_open)
		pthread_cond_wait(&lot_open, &lot_lock);
	pthread_mutex_unlock(&lot_lock);
	return arg;
}

/* A field of /proc/self/status in KiB. */
static double status_kib(const char *field)
{
	char line[256];
	double value = 0;
	FILE *file = fopen("/proc/self/status", "r");

	if (!file)
		check(errno, "/proc/self/status");
	while (fgets(line, sizeof line, file))
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			value = strtod(line + strlen(field) + 1, NULL);
	fclose(file);
	return value;
}

static void wait_until_parked(long n)
{
	pthread_mutex_lock(&lot_lock);
	lot_expected = n;
	while (lot_parked < n)
		pthread_cond_wait(&lot_full, &lot_lock);
	pthread_mutex_unlock(&lot_lock);
}

static void open_lot(void)
{
	pthread_mutex_lock(&lot_lock);
	lot_is_open = true;
	pthread_cond_broadcast(&lot_open);
	pthread_mutex_unlock(&lot_lock);
}

static int parked(long n, size_t stack_size)
{
	pthread_t *threads = malloc((size_t)n * sizeof *threads);
	pthread_attr_t attr;
	long made;

	if (!threads)
		check(ENOMEM, "malloc");
	memset(threads, 0, (size_t)n * sizeof *threads);
	pthread_attr_init(&attr);
	if (stack_size)
		check(pthread_attr_setstacksize(&attr, stack_size), "pthread_attr_setstacksize");
	join(start(empty, NULL));   /* what is set up once must not count per thread */

	double rss = status_kib("VmRSS"), pte = status_kib("VmPTE"), begin = now_ns();
	for (made = 0; made < n; made++) {
		int error = pthread_create(&threads[made], &attr, park, NULL);
		if (error) {
			fprintf(stderr, "micro: pthread_create of thread %ld: %s\n", made + 1, strerror(error));
			break;
		}
	}
	wait_until_parked(made);
	double created = now_ns() - begin;
	rss = status_kib("VmRSS") - rss;
	pte = status_kib("VmPTE") - pte;

	begin = now_ns();
	open_lot();
	for (long i = 0; i < made; i++)
		join(threads[i]);
	double woken = now_ns() - begin;

	double count = made ? (double)made : 1;
	printf("parked_threads %ld threads\n", made);
	printf("parked_create %.1f ns\n", created / count);
	printf("parked_rss %.2f KiB\n", rss / count);
	printf("parked_page_tables %.2f KiB\n", pte / count);
	printf("parked_memory %.2f KiB\n", (rss + pte) / count);
	printf("parked_wake_join %.1f ns\n", woken / count);
	free(threads);
	return made == n ? 0 : 1;
}

/* ---- command line ---- */

static long positive(const char *text, long max)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > max) {
		fprintf(stderr, "micro: not a number from 1 to %ld: %s\n", max, text);
		exit(2);
	}
	return value;
}

static const struct benchmark *find(const char *name)
{
	for (size_t i = 0; i < BENCHMARKS; i++)
		if (strcmp(name, benchmarks[i].name) == 0)
			return &benchmarks[i];
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: micro [-r ROUNDS] [-t ROUND_MS] [NAME...]\n       micro parked N [STACK_BYTES]\nnames:");
	for (size_t i = 0; i < BENCHMARKS; i++)
		fprintf(stderr, " %s", benchmarks[i].name);
	fprintf(stderr, "\n");
	return 2;
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "r:t:")) != -1) {
		if (c == 'r')
			rounds = (int)positive(optarg, MAX_ROUNDS);
		else if (c == 't')
			round_ns = (double)positive(optarg, 60000) * 1e6;
		else
			return usage();
	}
	argc -= optind;
	argv += optind;
	if (argc >= 2 && argc <= 3 && strcmp(argv[0], "parked") == 0)
		return parked(positive(argv[1], 10000000), argc == 3 ? (size_t)positive(argv[2], INT32_MAX) : 0);
	for (int i = 0; i < argc; i++)
		if (!find(argv[i]))
			return usage();
	for (size_t i = 0; i < (argc ? (size_t)argc : BENCHMARKS); i++)
		join(start(measure, (void *)(argc ? find(argv[i]) : &benchmarks[i])));
	return 0;
}
