/* See timer.h. */
#include "runtime/sched/timer.h"
#include "runtime/mem/slab.h"
#include <errno.h>
#include <string.h>

void timers_init(struct timers *ts)
{
    lock_init(&ts->lk, RANK_TIMERS);
    ts->n = 0;
    store_relaxed(&ts->next, NO_DEADLINE);
}

static void put(struct timers *ts, uint32_t i, struct timer *t)
{
    ts->heap[i] = t;
    t->pos = i + 1;
}

static void sift_up(struct timers *ts, uint32_t i, struct timer *t)
{
    while (i > 0) {
        uint32_t up = (i - 1) / 2;

        if (ts->heap[up]->at <= t->at)
            break;
        put(ts, i, ts->heap[up]);
        i = up;
    }
    put(ts, i, t);
}

static void sift_down(struct timers *ts, uint32_t i, struct timer *t)
{
    for (;;) {
        uint32_t c = 2 * i + 1;

        if (c >= ts->n)
            break;
        if (c + 1 < ts->n && ts->heap[c + 1]->at < ts->heap[c]->at)
            c++;
        if (t->at <= ts->heap[c]->at)
            break;
        put(ts, i, ts->heap[c]);
        i = c;
    }
    put(ts, i, t);
}

static int grow(struct timers *ts)
{
    uint32_t cap = ts->cap ? ts->cap * 2 : 256;
    struct timer **h = meta_alloc(cap * sizeof *h);

    if (!h)
        return -ENOMEM;
    /* The old array is left behind: doubling wastes at most as much as is in use. */
    if (ts->n)
        memcpy(h, ts->heap, ts->n * sizeof *h);
    ts->heap = h;
    ts->cap = cap;
    return 0;
}

static void note_next(struct timers *ts)
{
    store_relaxed(&ts->next, ts->n ? ts->heap[0]->at : NO_DEADLINE);
}

static void remove_at(struct timers *ts, uint32_t i)
{
    struct timer *last = ts->heap[--ts->n];

    ts->heap[i]->pos = 0;
    if (i < ts->n) {
        sift_down(ts, i, last);
        if (last->pos == i + 1)
            sift_up(ts, i, last);
    }
    note_next(ts);
}

int timer_add(struct timers *ts, struct timer *t, struct waiter *w, uint64_t ticket, uint64_t at)
{
    int first;

    lock(&ts->lk);
    if (ts->n == ts->cap && grow(ts)) {
        unlock(&ts->lk);
        return -ENOMEM;
    }
    t->at = at;
    t->w = w;
    t->ticket = ticket;
    t->home = ts;
    sift_up(ts, ts->n++, t);
    ts->added++;
    ts->most = ts->n > ts->most ? ts->n : ts->most;
    first = t->pos == 1;
    note_next(ts);
    unlock(&ts->lk);
    return first;
}

void timer_del(struct timer *t)
{
    struct timers *ts = t->home;

    if (!ts)
        return;
    t->home = NULL;
    lock(&ts->lk);
    if (t->pos)
        remove_at(ts, t->pos - 1);
    unlock(&ts->lk);
}

void timer_del_fired(struct timer *t)
{
    timer_del(t);
    while (load_acquire(&t->firing))
        SYS0(SYS_sched_yield);
}

static void fire_all(struct timer *t)
{
    while (t) {
        struct timer *next = t->next_due;

        t->fire(t);
        store_release(&t->firing, 0u); /* it may be gone from here on */
        t = next;
    }
}

unsigned timers_run(struct timers *ts, uint64_t now)
{
    struct timer *due = NULL;
    unsigned n = 0;

    if (timers_next(ts) > now)
        return 0;
    lock(&ts->lk);
    while (ts->n && ts->heap[0]->at <= now) {
        struct timer *t = ts->heap[0];

        remove_at(ts, 0);
        /* Under the lock: timer_del of a waiter that goes on meanwhile waits for it. */
        if (t->w) {
            waiter_wake_batch(t->w, t->ticket, W_TIMEOUT);
        } else {
            store_relaxed(&t->firing, 1u);
            t->next_due = due;
            due = t;
        }
        n++;
    }
    ts->fired += n;
    unlock(&ts->lk);
    fire_all(due);
    return n;
}
