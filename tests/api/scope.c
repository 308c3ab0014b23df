// Scopes and tasks.  The last lines show that the tasks were vthreads, with and without LD_PRELOAD.
#include <vthr.h>
#include "tests/preload/check.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static int ended;

static int twice(void *arg, void **value)
{
    *value = (void *)((long)arg * 2);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static void results(void)
{
    vthr_scope *s;
    vthr_task *t[100];
    void *got;

    CHECK_EQ(vthr_scope_open(&s), 0);
    for (long i = 0; i < 100; i++)
        CHECK_EQ(vthr_spawn(s, &t[i], twice, (void *)i), 0);
    for (long i = 0; i < 100; i++) {
        CHECK_EQ(vthr_join(t[i], &got), 0);
        CHECK_EQ((long)got, 2 * i);
    }
    CHECK_EQ(vthr_join(t[0], &got), EALREADY);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

static int pipe_fd[2];
static int reads(void *arg, void **value)
{
    char c;

    (void)arg, (void)value;
    CHECK_EQ(read(pipe_fd[0], &c, 1), 1);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static int writes(void *arg, void **value)
{
    (void)value;
    for (long i = 0; i < (long)arg; i++)
        CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
    return 0;
}
// Nobody joins: leaving waits for those that are parked in read.
static void leave_waits(void)
{
    vthr_scope *s;

    CHECK_EQ(pipe(pipe_fd), 0);
    ended = 0;
    CHECK_EQ(vthr_scope_open(&s), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(vthr_spawn(s, NULL, reads, NULL), 0);
    CHECK_EQ(vthr_spawn(s, NULL, writes, (void *)50L), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(ended, 50);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static int until_cancelled(void *arg, void **value)
{
    vthr_scope *s; // the cancellation of an outer scope is seen in an inner one

    (void)arg, (void)value;
    CHECK_EQ(vthr_scope_open(&s), 0);
    while (!vthr_cancelled())
        sched_yield();
    CHECK_EQ(vthr_spawn(s, NULL, twice, NULL), ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), 0);
    return ERANGE; // later than the first failure
}
static int fails(void *arg, void **value)
{
    *value = arg;
    return ENOENT;
}
static int exits(void *arg, void **value)
{
    (void)arg, (void)value;
    pthread_exit(NULL);
}
static int joins_itself(void *arg, void **value)
{
    vthr_task *me;
    long word;

    (void)value;
    CHECK_EQ(read(*(int *)arg, &word, sizeof word), sizeof word);
    me = (vthr_task *)word;
    CHECK_EQ(vthr_join(me, NULL), EDEADLK);
    return 0;
}
static void failures(void)
{
    vthr_scope *s;
    vthr_task *a, *b;
    void *got = &s;
    long word;

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, &a, until_cancelled, NULL), 0);
    CHECK_EQ(vthr_spawn(s, &b, fails, NULL), 0);
    CHECK_EQ(vthr_join(b, &got), ENOENT);
    CHECK(got == &s);
    CHECK_EQ(vthr_cancelled(), 1);
    CHECK_EQ(vthr_join(b, &got), EALREADY);
    CHECK_EQ(vthr_scope_leave(s), ENOENT);
    CHECK_EQ(vthr_cancelled(), 0);

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, &a, exits, NULL), 0);
    CHECK_EQ(vthr_join(a, NULL), ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), ECANCELED);

    CHECK_EQ(pipe(pipe_fd), 0);
    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, &a, joins_itself, &pipe_fd[0]), 0);
    word = (long)a;
    CHECK_EQ(write(pipe_fd[1], &word, sizeof word), sizeof word);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

// In a thread that knows nothing of the API.
static void *foreign(void *arg)
{
    results();
    return arg;
}

// Each misuse ends the process by one line and SIGABRT.
static void misused(const char *line, void (*f)(void))
{
    char said[200] = "";
    int st, p[2];
    pid_t pid;

    CHECK_EQ(pipe(p), 0);
    CHECK((pid = fork()) >= 0);
    if (pid == 0) {
        dup2(p[1], 2);
        f();
        _exit(0);
    }
    close(p[1]);
    CHECK(read(p[0], said, sizeof said - 1) > 0);
    CHECK_EQ(waitpid(pid, &st, 0), pid);
    CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT);
    CHECK(strstr(said, line) && strstr(said, "(at 0x"));
    CHECK(strchr(said, '\n') == said + strlen(said) - 1);
    close(p[0]);
}
static void wrong_order(void)
{
    vthr_scope *a, *b;

    vthr_scope_open(&a);
    vthr_scope_open(&b);
    vthr_scope_leave(a);
}
static void *leaves(void *s)
{
    vthr_scope_leave(s);
    return NULL;
}
static void wrong_thread(void)
{
    vthr_scope *s;
    pthread_t th;

    vthr_scope_open(&s);
    pthread_create(&th, NULL, leaves, s);
    pthread_join(th, NULL);
}

static int number(void *arg, void **value)
{
    (void)arg;
    *value = (void *)(long)gettid();
    return 0;
}

int main(void)
{
    vthr_scope *s;
    vthr_task *t;
    pthread_t th;
    void *tid;

    misused("left before one", wrong_order);
    misused("did not open it", wrong_thread);
    results();
    leave_waits();
    failures();
    CHECK_EQ(pthread_create(&th, NULL, foreign, NULL), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, &t, number, NULL), 0);
    CHECK_EQ(vthr_join(t, &tid), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK((long)tid > 1 << 22); // a vthread's
    puts("ok");
    return 0;
}
