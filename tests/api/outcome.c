// What comes out of scopes: failures, deadlines, shields, daemons, limits; and what goes back when they are left.
#include "tests/preload/check.h"
#include <stdlib.h>
#include <vthr.h>

static int forever(void *arg, void **value)
{
    (void)value;
    if (arg)
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    return nanosleep(&(struct timespec){ 100000, 0 }, NULL) ? errno : 0;
}
static int fails(void *arg, void **value)
{
    (void)value;
    return (int)(long)arg;
}
static vthr_scope *open_scope(void)
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    return s;
}

static void first_failure(void)
{
    vthr_scope *s = open_scope(), *in;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
    CHECK_EQ(vthr_spawn(s, NULL, fails, (void *)(long)ENOENT), 0);
    CHECK_EQ(vthr_scope_leave(s), ENOENT); // the ECANCELED of the others is no failure

    s = open_scope(); // the body fails
    CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
    vthr_scope_fail(s, EDOM);
    vthr_scope_fail(s, ERANGE);
    CHECK_EQ(vthr_scope_leave(s), EDOM);

    s = open_scope(); // it comes out of scope after scope, if passed on
    in = open_scope();
    CHECK_EQ(vthr_spawn(in, NULL, fails, (void *)(long)EIO), 0);
    vthr_scope_fail(s, vthr_scope_leave(in));
    CHECK_EQ(vthr_scope_leave(s), EIO);

    s = open_scope(); // an outer cancellation comes out as ECANCELED, if it cut something
    in = open_scope();
    CHECK_EQ(vthr_spawn(in, NULL, forever, NULL), 0);
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(in), ECANCELED);
    in = open_scope();
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

static int deadline_inside(void *arg, void **value)
{
    vthr_scope *s = open_scope();
    uint64_t outer = vthr_deadline();

    (void)arg, (void)value;
    CHECK_EQ(vthr_scope_timeout(s, VTHR_S(100000)), 0);
    CHECK_EQ(vthr_deadline(), outer); // nested deadlines only shorten
    CHECK_EQ(forever(NULL, NULL), ECANCELED);
    return vthr_scope_leave(s);
}
static void deadlines(void)
{
    vthr_scope *s = open_scope(), *in;
    uint64_t at = vthr_after(VTHR_MS(5));

    CHECK_EQ(vthr_scope_deadline(s, at), 0);
    CHECK_EQ(vthr_scope_deadline(s, vthr_after(VTHR_S(10))), 0);
    CHECK_EQ(vthr_deadline(), at);
    vthr_spawn(s, NULL, deadline_inside, NULL); // unless it is past already
    vthr_spawn(s, NULL, forever, NULL);
    forever(NULL, NULL);
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);
    CHECK(vthr_now() >= at);
    CHECK(vthr_deadline() == VTHR_NEVER);

    s = open_scope(); // of the body alone
    CHECK_EQ(vthr_scope_timeout(s, VTHR_MS(1)), 0);
    CHECK_EQ(forever(NULL, NULL), ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);

    s = open_scope(); // of a body that computes
    CHECK_EQ(vthr_scope_timeout(s, VTHR_MS(1)), 0);
    while (!vthr_cancelled())
        ;
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);

    s = open_scope(); // past
    CHECK_EQ(vthr_scope_deadline(s, 1), 0);
    CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), ECANCELED);
    in = open_scope(); // a shield with a deadline of its own
    CHECK_EQ(vthr_scope_shield(in), 0);
    CHECK(vthr_deadline() == VTHR_NEVER);
    CHECK_EQ(vthr_cancelled(), 0);
    CHECK_EQ(vthr_scope_timeout(in, VTHR_MS(1)), 0);
    CHECK_EQ(forever(NULL, NULL), ECANCELED);
    CHECK_EQ(vthr_scope_leave(in), ETIMEDOUT);
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);

    s = open_scope(); // not reached
    CHECK_EQ(vthr_scope_timeout(s, VTHR_S(100000)), 0);
    CHECK_EQ(vthr_spawn(s, NULL, fails, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    for (int i = 0; i < 300; i++) { // reached while it is left
        s = open_scope();
        CHECK_EQ(vthr_scope_timeout(s, (uint64_t)i * 300), 0);
        vthr_spawn(s, NULL, fails, NULL);
        int r = vthr_scope_leave(s);
        CHECK(r == 0 || r == ETIMEDOUT);
    }
}

static vthr_scope *outer_scope;
static int cancels_from_inside(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(vthr_cancelled(), 0);
    vthr_scope_cancel(outer_scope);
    CHECK_EQ(vthr_cancelled(), 0); // shielded
    CHECK_EQ(nanosleep(&(struct timespec){ 0, 1000 }, NULL), 0);
    return 0;
}
static void shields(void)
{
    vthr_scope *s = outer_scope = open_scope(), *in = open_scope();

    CHECK_EQ(vthr_scope_shield(in), 0);
    CHECK_EQ(vthr_spawn(in, NULL, cancels_from_inside, NULL), 0);
    CHECK_EQ(vthr_scope_shield(in), EBUSY);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_cancelled(), 1);
    CHECK_EQ(vthr_scope_leave(s), 0);

    s = open_scope(); // its own cancellation does go into it
    CHECK_EQ(vthr_scope_shield(s), 0);
    CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

static void daemons(void)
{
    int begun = 0;
    vthr_scope *s = open_scope();

    CHECK_EQ(vthr_spawn_daemon(s, NULL, forever, &begun), 0);
    CHECK_EQ(vthr_spawn_daemon(s, NULL, forever, &begun), 0);
    CHECK_EQ(vthr_spawn(s, NULL, fails, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(begun, 2);

    s = open_scope(); // one that fails is a failure
    CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
    CHECK_EQ(vthr_spawn_daemon(s, NULL, fails, (void *)(long)EDOM), 0);
    CHECK_EQ(vthr_scope_leave(s), EDOM);
}

static int running, most;
static int counts(void *arg, void **value)
{
    int n = __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);

    (void)arg, (void)value;
    CHECK(n <= 3);
    if (n > most)
        most = n;
    for (int i = 0; i < 5; i++)
        sched_yield();
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static void limits(void)
{
    vthr_scope *s = open_scope();

    CHECK_EQ(vthr_scope_limit(s, 3), 0);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(vthr_spawn(s, NULL, counts, NULL), 0);
    CHECK_EQ(vthr_scope_limit(s, 4), EBUSY);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK(most >= 1 && running == 0);

    s = open_scope(); // a failure ends the wait for a place
    CHECK_EQ(vthr_scope_limit(s, 2), 0);
    CHECK_EQ(vthr_spawn(s, NULL, forever, NULL), 0);
    CHECK_EQ(vthr_spawn(s, NULL, fails, (void *)(long)EDOM), 0);
    int r, n = 0;
    while ((r = vthr_spawn(s, NULL, forever, NULL)) == 0)
        n++;
    CHECK(n <= 1); // in the place of the one that failed, before its failure was known
    CHECK_EQ(r, ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), EDOM);
}

// A tree as deep as this is cancelled at once.
#define DEPTH 1000
static int deepest;
static int digs(void *arg, void **value)
{
    long depth = (long)arg;
    vthr_scope *s;

    (void)value;
    if (depth == DEPTH) {
        __atomic_store_n(&deepest, 1, __ATOMIC_SEQ_CST);
        return forever(NULL, NULL);
    }
    s = open_scope();
    CHECK_EQ(vthr_spawn(s, NULL, digs, (void *)(depth + 1)), 0);
    return vthr_scope_leave(s);
}
static void deep(void)
{
    vthr_scope *s = open_scope();
    vthr_task *t;

    CHECK_EQ(vthr_spawn(s, &t, digs, (void *)0L), 0);
    while (!__atomic_load_n(&deepest, __ATOMIC_SEQ_CST))
        sched_yield();
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

VTHR_LOCAL(const char, user);
VTHR_LOCAL(int, number);
static int inherits(void *arg, void **value)
{
    vthr_scope *s;

    (void)arg, (void)value;
    CHECK(!strcmp(user(), "outer"));
    s = open_scope();
    CHECK_EQ(set_user("task"), 0);
    CHECK(!strcmp(user(), "task") && number() == NULL);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK(!strcmp(user(), "outer"));
    CHECK_EQ(set_user("end"), 0); // the task's scope is the outer one, its values are its own
    return 0;
}
static void locals(void)
{
    vthr_scope *s, *in;
    int n = 5;

    CHECK(user() == NULL);
    CHECK_EQ(set_user("nowhere"), EPERM);
    s = open_scope();
    CHECK_EQ(set_user("outer"), 0);
    CHECK_EQ(vthr_spawn(s, NULL, inherits, NULL), 0);
    in = open_scope();
    CHECK_EQ(set_user("inner"), 0);
    CHECK_EQ(set_number(&n), 0);
    CHECK(!strcmp(user(), "inner") && *number() == 5);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK(!strcmp(user(), "outer") && number() == NULL);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK(user() == NULL);
}

static vthr_semaphore *sem;
static int takes(void *arg, void **value)
{
    (void)value;
    CHECK_EQ(vthr_acquire(sem), 0);
    if (arg)
        return EIO;
    sched_yield();
    return 0; // and never gives it back
}
static void tokens(void)
{
    vthr_scope *s, *in;

    CHECK_EQ(vthr_semaphore_new(&sem, 2), 0);
    CHECK_EQ(vthr_acquire(sem), EPERM); // in no scope
    s = open_scope();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(vthr_spawn(s, NULL, takes, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    s = open_scope();
    CHECK_EQ(vthr_give_back(sem), EPERM);
    CHECK_EQ(vthr_acquire(sem), 0);
    in = open_scope();
    CHECK_EQ(vthr_acquire(sem), 0);
    CHECK_EQ(vthr_try_acquire(sem), EAGAIN);
    CHECK_EQ(vthr_acquire_until(sem, vthr_after(1000)), ETIMEDOUT);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_try_acquire(sem), 0);
    CHECK_EQ(vthr_give_back(sem), 0);
    CHECK_EQ(vthr_give_back(sem), 0);
    CHECK_EQ(vthr_give_back(sem), EPERM);
    CHECK_EQ(vthr_scope_leave(s), 0);
    vthr_semaphore_free(sem);
}

static void handles(void)
{
    vthr_scope *s = open_scope();
    vthr_task *t;

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(vthr_spawn(s, &t, fails, NULL), 0);
        if (i & 1)
            CHECK_EQ(vthr_join(t, NULL), 0);
        vthr_release(t);
    }
    CHECK_EQ(vthr_spawn(s, &t, forever, NULL), 0);
    CHECK_EQ(vthr_try_join(t, NULL), EAGAIN);
    CHECK_EQ(vthr_join_until(t, NULL, vthr_after(1000)), ETIMEDOUT);
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

int main(void)
{
    first_failure();
    deadlines();
    shields();
    daemons();
    limits();
    deep();
    locals();
    tokens();
    handles();
    puts("ok");
    return 0;
}
