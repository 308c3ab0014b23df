/* The work of api.c, by the native API. */
#include "api_work.h"
#include <stdint.h>
#include <stdlib.h>
#include <vthr.h>

static vthr_channel *channel, *channels[8];
static vthr_scope *scope;

static void begin(void)
{
	bench_check(vthr_scope_open(&scope), "vthr_scope_open");
}
static void end(void)
{
	bench_check(vthr_scope_leave(scope), "vthr_scope_leave");
}
static void spawn(vthr_fn *fn, long n)
{
	bench_check(vthr_spawn(scope, NULL, fn, (void *)n), "vthr_spawn");
}

static int nothing(void *arg, void **value)
{
	*value = arg;
	return 0;
}

static void spawn_join(long n)
{
	vthr_task *t;

	begin();
	for (long i = 0; i < n; i++) {
		bench_check(vthr_spawn(scope, &t, nothing, NULL), "vthr_spawn");
		bench_check(vthr_join(t, NULL), "vthr_join");
		vthr_release(t);
	}
	end();
}

static void scope_of_one(long n)
{
	for (long i = 0; i < n; i++) {
		begin();
		spawn(nothing, 0);
		end();
	}
}

static int sender(void *arg, void **value)
{
	(void)value;
	for (long i = 0; i < (long)arg; i++)
		vthr_send(channel, &i);
	return 0;
}
static void pass(long n, size_t capacity)
{
	long got;

	bench_check(vthr_channel_new(&channel, sizeof got, capacity), "vthr_channel_new");
	begin();
	spawn(sender, n);
	for (long i = 0; i < n; i++)
		vthr_receive(channel, &got);
	end();
	vthr_channel_free(channel);
}
static void handoff(long n)
{
	pass(n, 0);
}
static void buffered(long n)
{
	pass(n, 128);
}

/* One waits in a select over all of them, another sends to one after the other. */
static int sender_to_many(void *arg, void **value)
{
	(void)value;
	for (long i = 0; i < (long)arg; i++)
		vthr_send(channels[i & 7], &i);
	return 0;
}
static void select_8(long n)
{
	vthr_case c[8];
	long got[8];

	for (int i = 0; i < 8; i++) {
		bench_check(vthr_channel_new(&channels[i], sizeof(long), 0), "vthr_channel_new");
		c[i] = vthr_on_receive(channels[i], &got[i]);
	}
	begin();
	spawn(sender_to_many, n);
	for (long i = 0; i < n; i++)
		if (vthr_select(c, 8) < 0)
			abort();
	end();
	for (int i = 0; i < 8; i++)
		vthr_channel_free(channels[i]);
}

VTHR_LOCAL(long, number);
static void local_read(long n)
{
	long x = 1, sum = 0;

	begin();
	bench_check(set_number(&x), "vthr_set");
	for (long i = 0; i < n; i++)
		sum += *number();
	if (sum != n)
		abort();
	end();
}

static void semaphore(long n)
{
	vthr_semaphore *s;

	begin();
	bench_check(vthr_semaphore_new(&s, 1), "vthr_semaphore_new");
	for (long i = 0; i < n; i++) {
		vthr_acquire(s);
		vthr_give_back(s);
	}
	end();
	vthr_semaphore_free(s);
}

const struct work all_work[] = {
	{"spawn_join", spawn_join},
	{"scope_of_one", scope_of_one},
	{"handoff", handoff},
	{"buffered", buffered},
	{"select_8", select_8},
	{"local_read", local_read},
	{"semaphore", semaphore},
	{0, 0},
};
