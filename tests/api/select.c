// Select: exactly one case is done, the others are as if they had never been; fair among ready ones; every kind of case.
#include "tests/preload/check.h"
#include <stdbool.h>
#include <stdlib.h>
#include <vthr.h>

#define N 8

static vthr_channel *ch[N];
static vthr_scope *open_scope(void)
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    return s;
}
static void make(int n, size_t cap)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(vthr_channel_new(&ch[i], sizeof(int), cap), 0);
}
static void drop(int n)
{
    for (int i = 0; i < n; i++)
        vthr_channel_free(ch[i]);
}

static void alone(void)
{
    vthr_case c[N];
    int x[N], chosen[N] = { 0 };

    make(N, 1);
    for (int i = 0; i < N; i++)
        c[i] = vthr_on_receive(ch[i], &x[i]);
    CHECK_EQ(vthr_try_select(c, N), -EAGAIN);
    CHECK_EQ(vthr_select_until(c, N, vthr_after(1000)), -ETIMEDOUT);
    for (int i = 0; i < N; i++)
        CHECK_EQ(vthr_send(ch[i], &i), 0);
    for (int k = 0; k < 400 * N; k++) {
        int i = vthr_select(c, N);

        CHECK(i >= 0 && i < N && x[i] == i && c[i].result == 0);
        chosen[i]++;
        CHECK_EQ(vthr_send(ch[i], &i), 0);
    }
    for (int i = 0; i < N; i++)
        CHECK(chosen[i] > 100); // 400 expected: a deviation of 15 sigma
    for (int i = 0; i < N; i++)
        CHECK_EQ(vthr_receive(ch[i], &x[i]), 0);
    c[3] = vthr_on_send(ch[3], &x[3]);
    CHECK_EQ(vthr_select(c, N), 3);
    c[3] = vthr_off();
    c[5] = vthr_on_time(vthr_after(1000));
    CHECK_EQ(vthr_select(c, N), 5);
    vthr_channel_close(ch[2]);
    c[5] = vthr_off();
    CHECK_EQ(vthr_select(c, N), 2);
    CHECK_EQ(c[2].result, EPIPE);
    c[0].kind = 77;
    CHECK_EQ(vthr_select(c, N), -EINVAL);
    drop(N);
}

// Each of those that are ready is as likely as the others, wherever it stands and whatever it is.
#define DRAWS 6000
static void fair(void)
{
    int p[2], x = 0, chosen[N] = { 0 };
    vthr_case c[N];
    vthr_event *e;

    make(N, 1);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(vthr_event_new(&e), 0);
    vthr_event_set(e);
    for (int i = 0; i < N; i++)
        c[i] = vthr_on_receive(ch[i], &x);
    for (int k = 0; k < DRAWS; k++) {
        vthr_try_send(ch[0], &x);
        vthr_try_send(ch[1], &x);
        vthr_try_send(ch[5], &x);
        chosen[vthr_select(c, N)]++;
    }
    CHECK_EQ(chosen[0] + chosen[1] + chosen[5], DRAWS);
    for (int i = 0; i < N; i++) // 2000 expected: a deviation of 14 sigma
        CHECK((i != 0 && i != 1 && i != 5) || (chosen[i] > 1500 && chosen[i] < 2500));
    memset(chosen, 0, sizeof chosen);
    c[1] = vthr_on_readable(p[0]);
    c[2] = vthr_on_event(e);
    c[7] = vthr_on_time(1);
    vthr_try_receive(ch[0], &x);
    vthr_try_receive(ch[5], &x);
    for (int k = 0; k < DRAWS; k++)
        chosen[k & 1 ? vthr_select(c, N) : vthr_try_select(c, N)]++;
    for (int i = 0; i < N; i++)
        CHECK(i == 1 || i == 2 || i == 7 ? chosen[i] > 1500 && chosen[i] < 2500 : chosen[i] == 0);
    vthr_event_free(e);
    close(p[0]);
    close(p[1]);
    drop(N);
}

// Two sides that select over the same channels, in the opposite order: each element passes once.
#define TURNS 1000
static long sum_sent, sum_received;
static int sends(void *arg, void **value)
{
    int x = 1;

    (void)value;
    for (int k = 0; k < TURNS; k++) {
        vthr_case c[4];
        int i;

        for (i = 0; i < 4; i++)
            c[i] = vthr_on_send(ch[arg ? 3 - i : i], &x);
        i = vthr_select(c, 4);
        CHECK(i >= 0 && c[i].result == 0);
        __atomic_add_fetch(&sum_sent, x, __ATOMIC_SEQ_CST);
        x++;
    }
    return 0;
}
static int receives(void *arg, void **value)
{
    (void)value;
    for (int k = 0; k < TURNS; k++) {
        int x[4] = { 0 }, i;
        vthr_case c[4];

        for (i = 0; i < 4; i++)
            c[i] = vthr_on_receive(ch[arg ? 3 - i : i], &x[i]);
        i = vthr_select(c, 4);
        CHECK(i >= 0 && c[i].result == 0);
        for (int j = 0; j < 4; j++)
            CHECK((x[j] != 0) == (j == i)); // nothing was received by the others
        __atomic_add_fetch(&sum_received, x[i], __ATOMIC_SEQ_CST);
    }
    return 0;
}
static void both_sides(size_t cap)
{
    vthr_scope *s;

    make(4, cap);
    sum_sent = sum_received = 0;
    s = open_scope();
    for (long i = 0; i < 3; i++) {
        CHECK_EQ(vthr_spawn(s, NULL, sends, (void *)(i & 1)), 0);
        CHECK_EQ(vthr_spawn(s, NULL, receives, (void *)(i & 1)), 0);
    }
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(sum_sent, sum_received);
    CHECK_EQ(sum_sent, 3L * TURNS * (TURNS + 1) / 2);
    drop(4);
}

// Everyone offers to send and to receive on one channel: nobody meets himself.
static int swaps(void *arg, void **value)
{
    long *balance = arg;

    (void)value;
    for (int k = 0; k < TURNS; k++) {
        int out = 1, in = 0, i;
        vthr_case c[2] = { vthr_on_send(ch[0], &out), vthr_on_receive(ch[0], &in) };

        i = vthr_select_until(c, 2, k == TURNS - 1 ? vthr_now() : VTHR_NEVER);
        if (i < 0)
            break;
        CHECK_EQ(in, i);
        __atomic_add_fetch(balance, i ? -1 : 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}
static void meet(void)
{
    vthr_scope *s = open_scope();
    long balance = 0;

    make(1, 0);
    CHECK_EQ(vthr_spawn(s, NULL, swaps, &balance), 0);
    CHECK_EQ(vthr_spawn(s, NULL, swaps, &balance), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(balance, 0);
    drop(1);
}

static int answers(void *arg, void **value)
{
    *value = arg;
    return arg ? 0 : EDOM;
}
static int forever(void *arg, void **value)
{
    vthr_case c[2];
    int x, fds[2];

    (void)arg, (void)value;
    CHECK_EQ(pipe(fds), 0);
    c[0] = vthr_on_readable(fds[0]);
    c[1] = vthr_on_receive(ch[0], &x);
    CHECK_EQ(vthr_select(c, 2), -ECANCELED);
    CHECK_EQ(vthr_select(c, 2), -ECANCELED);
    CHECK_EQ(vthr_select(c, 0), -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    return ECANCELED;
}
static int writes(void *arg, void **value)
{
    (void)value;
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return 0;
}
static int sets(void *arg, void **value)
{
    (void)value;
    vthr_event_set(arg);
    return 0;
}
// A task to be done, a keyboard, a message, an event, or the time.
static void kinds(void)
{
    for (int round = 0; round < 50; round++) {
        vthr_scope *s = open_scope();
        vthr_task *t = NULL;
        vthr_event *e;
        void *got = NULL;
        int fds[2], x = 0, i;
        vthr_case c[6];

        make(1, 0);
        CHECK_EQ(pipe(fds), 0);
        CHECK_EQ(vthr_event_new(&e), 0);
        c[0] = vthr_off();
        c[1] = vthr_on_readable(fds[0]);
        c[2] = vthr_on_receive(ch[0], &x);
        c[3] = vthr_on_event(e);
        c[4] = vthr_off();
        c[5] = vthr_off();
        switch (round % 5) {
        case 0:
            CHECK_EQ(vthr_spawn(s, &t, answers, &x), 0);
            c[0] = vthr_on_join(t, &got);
            CHECK_EQ(vthr_select(c, 6), 0);
            CHECK(c[0].result == 0 && got == &x);
            CHECK_EQ(vthr_select(c, 6), 0);
            CHECK_EQ(c[0].result, EALREADY);
            break;
        case 1:
            CHECK_EQ(vthr_spawn(s, NULL, writes, &fds[1]), 0);
            CHECK_EQ(vthr_select(c, 6), 1);
            c[4] = vthr_on_writable(fds[1]);
            i = vthr_select(c, 6);
            CHECK(i == 1 || i == 4);
            break;
        case 2:
            CHECK_EQ(vthr_spawn(s, NULL, sets, e), 0);
            CHECK_EQ(vthr_select(c, 6), 3);
            break;
        case 3:
            c[5] = vthr_on_time(vthr_after(1000));
            CHECK_EQ(vthr_select(c, 6), 5);
            break;
        case 4:
            close(fds[0]);
            CHECK_EQ(vthr_select(c, 6), 1);
            CHECK_EQ(c[1].result, EBADF);
            c[1] = vthr_on_readable(-1);
            CHECK_EQ(vthr_select(c, 6), 1);
            CHECK_EQ(pipe(fds), 0);
            break;
        }
        CHECK_EQ(vthr_scope_leave(s), 0);
        vthr_event_free(e);
        close(fds[0]);
        close(fds[1]);
        s = open_scope();
        CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
        for (i = 0; i < round % 4; i++)
            sched_yield();
        vthr_scope_cancel(s);
        CHECK_EQ(vthr_scope_leave(s), 0);
        drop(1);
    }
}

// Tokens: taken by the case that is chosen only, noted with the caller's scope, given back with it.
static vthr_semaphore *sem;
static int holders, most;
static int takes_either(void *arg, void **value)
{
    (void)arg, (void)value;
    for (;;) {
        int x = 0, i, n;
        vthr_case c[3] = { vthr_on_acquire(sem), vthr_on_receive(ch[0], &x), vthr_on_acquire(sem) };

        i = vthr_select(c, 3);
        CHECK(i >= 0);
        if (i == 1 && c[1].result == EPIPE)
            break;
        CHECK_EQ(c[i].result, 0);
        if (i == 1) {
            CHECK_EQ(x, 1);
            __atomic_add_fetch(&sum_received, 1, __ATOMIC_SEQ_CST);
            CHECK_EQ(vthr_give_back(sem), EPERM);
            continue;
        }
        n = __atomic_add_fetch(&holders, 1, __ATOMIC_SEQ_CST);
        CHECK(n <= 2);
        most = n > most ? n : most;
        sched_yield();
        __atomic_sub_fetch(&holders, 1, __ATOMIC_SEQ_CST);
        CHECK_EQ(vthr_give_back(sem), 0);
    }
    return vthr_acquire(sem); // and does not give it back
}
static int waits_for_token(void *arg, void **value)
{
    vthr_case c[2] = { vthr_on_acquire(sem), vthr_on_time(VTHR_NEVER) };

    (void)value;
    CHECK_EQ(vthr_try_select(c, 2), -EAGAIN);
    CHECK_EQ(vthr_select_until(c, 2, vthr_after(1000)), -ETIMEDOUT);
    vthr_event_set(arg);
    CHECK_EQ(vthr_select(c, 2), -ECANCELED);
    CHECK_EQ(vthr_give_back(sem), EPERM);
    return ECANCELED;
}
static void tokens(void)
{
    vthr_event *waits;
    vthr_case c[1];
    vthr_scope *s;
    int one = 1;

    make(1, 0);
    CHECK_EQ(vthr_event_new(&waits), 0);
    CHECK_EQ(vthr_semaphore_new(&sem, 2), 0);
    c[0] = vthr_on_acquire(sem);
    CHECK_EQ(vthr_select(c, 1), 0);
    CHECK_EQ(c[0].result, EPERM); // in no scope
    s = open_scope();
    sum_received = 0;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(vthr_spawn(s, NULL, takes_either, NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(vthr_send(ch[0], &one), 0);
    CHECK_EQ(vthr_channel_close(ch[0]), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(sum_received, 20);
    CHECK(most >= 1);
    s = open_scope();
    CHECK_EQ(vthr_select(c, 1), 0);
    CHECK_EQ(vthr_select(c, 1), 0);
    CHECK_EQ(vthr_spawn(s, NULL, waits_for_token, waits), 0);
    CHECK_EQ(vthr_event_wait(waits), 0);
    for (int i = 0; i < 5; i++)
        sched_yield();
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
    vthr_semaphore_free(sem); // aborts if one is out
    vthr_event_free(waits);
    drop(1);
}

// More cases than fit into its frame.
static void wide(void)
{
    enum { WIDE = 100 };
    vthr_case c[WIDE];
    vthr_scope *s;
    int x[WIDE];

    make(1, 0);
    s = open_scope();
    for (int i = 0; i < WIDE; i++)
        c[i] = vthr_on_time(VTHR_NEVER);
    for (int i = 0; i < WIDE; i += 10)
        c[i] = vthr_on_receive(ch[0], &x[i]); // one channel, many times
    sum_sent = 0;
    CHECK_EQ(vthr_select_until(c, WIDE, vthr_after(1000)), -ETIMEDOUT);
    CHECK_EQ(vthr_scope_leave(s), 0);
    drop(1);
}

int main(void)
{
    alone();
    fair();
    both_sides(0);
    both_sides(2);
    meet();
    kinds();
    tokens();
    wide();
    puts("ok");
    return 0;
}
