/* Timers: when a waiter's episode ends by itself, or something else is due.  One binary heap per processor, in ns of CLOCK_MONOTONIC.
 *
 * Why not libev's: its clock is a double that is read once per iteration, so a timer set late in an iteration fires
 * early unless the loop's time is updated first (two clock reads), and epoll rounds to milliseconds.  Here a sleeping
 * processor sleeps until the earliest deadline (poller.c): never early, late by microseconds. */
#pragma once
#include "runtime/base/lock.h"
#include "runtime/sched/waiter.h"

struct timer {
    uint64_t at;
    uint64_t ticket;
    struct waiter *w;
    struct timers *home; /* heap it is in; NULL: none.  Written by the waiter only. */
    uint32_t pos;        /* index + 1 in the heap, 0: not there.  Protected by home->lk. */
    /* Not a waiter's (w == NULL): called without the lock, on a carrier's own context. */
    void (*fire)(struct timer *);
    struct timer *next_due;
    uint32_t firing;     /* 1 from when it was due until fire has returned */
};

struct timers {
    struct vthr_lock lk;
    uint32_t n, cap;
    struct timer **heap; /* protected by lk */
    uint64_t next;       /* earliest deadline; written under lk, read anywhere */
    uint64_t added, fired; /* counters, under lk */
    uint32_t most;         /* there were at one time */
};

VTHR_BEGIN_DECLS
void timers_init(struct timers *ts);
/* 1: t is now the earliest; 0: not; -ENOMEM. */
int timer_add(struct timers *ts, struct timer *t, struct waiter *w, uint64_t ticket, uint64_t at);
/* After it the heap no longer refers to t. */
void timer_del(struct timer *t);
/* As timer_del; a call of fire that has begun has ended, too. */
void timer_del_fired(struct timer *t);
/* Wakes all that are due at `now`; returns how many. */
unsigned timers_run(struct timers *ts, uint64_t now);
static inline uint64_t timers_next(struct timers *ts)
{
    return load_relaxed(&ts->next);
}
VTHR_END_DECLS
