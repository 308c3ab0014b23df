// Messages go with errors: from who fails to who joins, and out of scopes, as far as the number is returned, and no farther.
#include "tests/preload/check.h"
#include <stdlib.h>
#include <vthr.h>

static vthr_scope *open_scope(void)
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    return s;
}
#define SAYS(error, text) CHECK(!strcmp(vthr_error_message(error), text))

static int fails(void *arg, void **value)
{
    (void)value;
    return vthr_fail(ENOENT, "no user %s, number %d", (const char *)arg, 7);
}
static int fails_mute(void *arg, void **value)
{
    (void)arg, (void)value;
    return EIO;
}
static int fails_otherwise(void *arg, void **value)
{
    (void)arg, (void)value;
    vthr_fail(EDOM, "not what comes out");
    return EIO;
}
static int passes_on(void *arg, void **value)
{
    vthr_scope *s = open_scope();
    vthr_task *t;
    int r;

    CHECK_EQ(vthr_spawn(s, &t, fails, arg), 0);
    r = vthr_join(t, value);
    CHECK_EQ(r, ENOENT);
    SAYS(ENOENT, "no user deep, number 7");
    return vthr_scope_leave(s);
}
static int passes_all(void *arg, void **value)
{
    vthr_scope *s = open_scope(), *clean_up;
    vthr_task *t;
    int r;

    (void)value;
    CHECK_EQ(vthr_spawn(s, &t, passes_on, arg), 0);
    r = vthr_scope_leave(s);
    clean_up = open_scope(); // what goes well in between does not matter
    CHECK_EQ(vthr_scope_leave(clean_up), 0);
    return r;
}

static void from_tasks(void)
{
    vthr_scope *s = open_scope();
    vthr_case c[2];
    vthr_task *t, *mute, *otherwise;

    CHECK_EQ(vthr_spawn(s, &t, fails, "x"), 0);
    CHECK_EQ(vthr_join(t, NULL), ENOENT);
    SAYS(ENOENT, "no user x, number 7");
    SAYS(EDOM, "Numerical argument out of domain");
    CHECK_EQ(vthr_join(t, NULL), EALREADY);
    SAYS(EALREADY, "Operation already in progress");
    SAYS(ENOENT, "No such file or directory");
    CHECK_EQ(vthr_scope_leave(s), ENOENT); // once more
    SAYS(ENOENT, "no user x, number 7");

    s = open_scope(); // another error, without a message, takes the last one away
    CHECK_EQ(vthr_spawn(s, &mute, fails_mute, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), EIO);
    SAYS(EIO, "Input/output error");
    SAYS(ENOENT, "No such file or directory");

    s = open_scope();
    CHECK_EQ(vthr_spawn(s, &otherwise, fails_otherwise, NULL), 0);
    CHECK_EQ(vthr_join(otherwise, NULL), EIO);
    SAYS(EIO, "Input/output error");
    CHECK_EQ(vthr_scope_leave(s), EIO);

    s = open_scope();
    CHECK_EQ(vthr_spawn(s, NULL, passes_all, "deep"), 0);
    CHECK_EQ(vthr_scope_leave(s), ENOENT);
    SAYS(ENOENT, "no user deep, number 7");

    s = open_scope();
    CHECK_EQ(vthr_spawn(s, &t, fails, "chosen"), 0);
    c[0] = vthr_off();
    c[1] = vthr_on_join(t, NULL);
    CHECK_EQ(vthr_select(c, 2), 1);
    CHECK_EQ(c[1].result, ENOENT);
    SAYS(ENOENT, "no user chosen, number 7");
    CHECK_EQ(vthr_scope_leave(s), ENOENT);
}

// The first failure's is the scope's; the body's too.
static void from_scopes(void)
{
    vthr_scope *s = open_scope();
    vthr_task *t;

    vthr_scope_fail(s, vthr_fail(EDOM, "the body"));
    CHECK_EQ(vthr_spawn(s, &t, fails, "late"), ECANCELED);
    vthr_scope_fail(s, vthr_fail(EDOM, "the body again"));
    CHECK_EQ(vthr_scope_leave(s), EDOM);
    SAYS(EDOM, "the body");

    s = open_scope();
    CHECK_EQ(vthr_scope_deadline(s, 1), 0);
    vthr_scope_fail(s, vthr_fail(EDOM, "later than the deadline"));
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);
    SAYS(ETIMEDOUT, "Connection timed out");
}

// Outside of scopes; each thread has its own; a thread's goes with it.
static void *other(void *arg)
{
    SAYS(EDOM, "Numerical argument out of domain");
    CHECK_EQ(vthr_fail(EDOM, "%0*d", 5000, 7), EDOM);
    CHECK_EQ(strlen(vthr_error_message(EDOM)), 5000);
    return arg;
}
static void threads(void)
{
    CHECK_EQ(vthr_fail(EDOM, "mine"), EDOM);
    for (int i = 0; i < 100; i++)
        finish(start(other, NULL));
    SAYS(EDOM, "mine");
}

int main(void)
{
    from_tasks();
    from_scopes();
    threads();
    puts("ok");
    return 0;
}
