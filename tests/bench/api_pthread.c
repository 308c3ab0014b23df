/* The work of api.c, by pthreads: a queue of a mutex and conditions for a channel, one condition for many queues. */
#include "api_work.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>

static void *nothing(void *arg)
{
	return arg;
}
static pthread_t start(void *(*fn)(void *), long n)
{
	pthread_t t;

	bench_check(pthread_create(&t, NULL, fn, (void *)n), "pthread_create");
	return t;
}
static void spawn_join(long n)
{
	for (long i = 0; i < n; i++)
		bench_check(pthread_join(start(nothing, 0), NULL), "pthread_join");
}

/* Like a channel: capacity 0 waits until the element was taken. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed_for_sender = PTHREAD_COND_INITIALIZER, changed_for_receiver = PTHREAD_COND_INITIALIZER;
static long ring[128];
static unsigned long sent, received, capacity;

static void send_one(long x)
{
	pthread_mutex_lock(&lock);
	while (sent - received >= (capacity ? capacity : 1))
		pthread_cond_wait(&changed_for_sender, &lock);
	ring[sent++ % 128] = x;
	pthread_cond_signal(&changed_for_receiver);
	if (capacity == 0)
		while (received < sent)
			pthread_cond_wait(&changed_for_sender, &lock);
	pthread_mutex_unlock(&lock);
}
static long receive_one(void)
{
	long x;

	pthread_mutex_lock(&lock);
	while (sent == received)
		pthread_cond_wait(&changed_for_receiver, &lock);
	x = ring[received++ % 128];
	pthread_cond_signal(&changed_for_sender);
	pthread_mutex_unlock(&lock);
	return x;
}
static void *sender(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		send_one(i);
	return NULL;
}
static void pass(long n, unsigned long cap)
{
	pthread_t t;

	capacity = cap;
	sent = received = 0;
	t = start(sender, n);
	for (long i = 0; i < n; i++)
		receive_one();
	pthread_join(t, NULL);
}
static void handoff(long n)
{
	pass(n, 0);
}
static void buffered(long n)
{
	pass(n, 128);
}

/* Eight places under one mutex: what a select over them comes to. */
static long place[8];
static unsigned full;

static void *sender_to_many(void *arg)
{
	for (long i = 0; i < (long)arg; i++) {
		pthread_mutex_lock(&lock);
		while (full & 1u << (i & 7))
			pthread_cond_wait(&changed_for_sender, &lock);
		place[i & 7] = i;
		full |= 1u << (i & 7);
		pthread_cond_signal(&changed_for_receiver);
		while (full & 1u << (i & 7))
			pthread_cond_wait(&changed_for_sender, &lock);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}
static void select_8(long n)
{
	pthread_t t = start(sender_to_many, n);

	for (long i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		while (!full)
			pthread_cond_wait(&changed_for_receiver, &lock);
		full &= full - 1;
		pthread_cond_signal(&changed_for_sender);
		pthread_mutex_unlock(&lock);
	}
	pthread_join(t, NULL);
}

static void local_read(long n)
{
	pthread_key_t key;
	long x = 1, sum = 0;

	bench_check(pthread_key_create(&key, NULL), "pthread_key_create");
	pthread_setspecific(key, &x);
	for (long i = 0; i < n; i++)
		sum += *(long *)pthread_getspecific(key);
	if (sum != n)
		abort();
	pthread_key_delete(key);
}

static void semaphore(long n)
{
	sem_t s;

	sem_init(&s, 0, 1);
	for (long i = 0; i < n; i++) {
		sem_wait(&s);
		sem_post(&s);
	}
}

const struct work all_work[] = {
	{"spawn_join", spawn_join},
	{"handoff", handoff},
	{"buffered", buffered},
	{"select_8", select_8},
	{"local_read", local_read},
	{"semaphore", semaphore},
	{0, 0},
};
