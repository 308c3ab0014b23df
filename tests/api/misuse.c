// Each misuse for which there is no error ends the process by one line that names the object, and SIGABRT.  What is freed is kept
// (VTHR_QUARANTINE), so that no freed memory is read.
#include "tests/preload/check.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <vthr.h>

static void misused(const char *line, void (*f)(void))
{
    char said[300] = "";
    size_t n = 0;
    ssize_t k;
    int st, p[2];
    pid_t pid;

    CHECK_EQ(pipe(p), 0);
    CHECK((pid = fork()) >= 0);
    if (pid == 0) {
        dup2(p[1], 2);
        close(p[0]);
        f();
        _exit(0);
    }
    close(p[1]);
    while ((k = read(p[0], said + n, sizeof said - 1 - n)) > 0)
        n += (size_t)k;
    CHECK_EQ(waitpid(pid, &st, 0), pid);
    if (!WIFSIGNALED(st) || WTERMSIG(st) != SIGABRT || !strstr(said, line) || !strstr(said, "(at 0x") ||
        strchr(said, '\n') != said + n - 1) {
        dprintf(2, "%s: status %#x, said: %s\n", line, (unsigned)st, said);
        _exit(1);
    }
    close(p[0]);
}

static vthr_scope *s;
static vthr_channel *c;
static vthr_semaphore *sem;
static int x;

static int receives(void *arg, void **value)
{
    (void)arg, (void)value;
    return vthr_receive(c, &x);
}
static int takes(void *arg, void **value)
{
    (void)arg, (void)value;
    vthr_acquire(sem);
    return vthr_receive(c, &x);
}
static int opens(void *arg, void **value)
{
    (void)arg, (void)value;
    return vthr_scope_open(&s);
}
static void prepare(void)
{
    vthr_scope_open(&s);
    vthr_channel_new(&c, sizeof x, 0);
    vthr_semaphore_new(&sem, 1);
}

// Or used after it was freed, if the receiver is late.
static void freed_with_waiter(void)
{
    prepare();
    vthr_spawn(s, NULL, receives, NULL);
    for (int i = 0; i < 100; i++)
        sched_yield();
    vthr_channel_free(c);
    vthr_scope_leave(s);
}
static void churn(void) // memory that malloc had back would be used again
{
    for (int i = 0; i < 50; i++)
        free(memset(malloc(16 + 8 * (size_t)i), 1, 16 + 8 * (size_t)i));
}
static void used_after_free(void)
{
    prepare();
    vthr_channel_free(c);
    churn();
    vthr_try_send(c, &x);
}
static void received_after_free(void)
{
    prepare();
    vthr_channel_free(c);
    churn();
    vthr_receive(c, &x);
}
static void freed_twice(void)
{
    prepare();
    vthr_channel_free(c);
    churn();
    vthr_channel_free(c);
}
static void closed_after_free(void)
{
    prepare();
    vthr_channel_free(c);
    vthr_channel_close(c);
}
static void selected_after_free(void)
{
    vthr_case k[2];

    prepare();
    k[0] = vthr_on_readable(0);
    k[1] = vthr_on_receive(c, &x);
    vthr_channel_free(c);
    vthr_try_select(k, 2);
}
static void event_after_free(void)
{
    vthr_event *e;

    vthr_event_new(&e);
    vthr_event_free(e);
    vthr_event_set(e);
}
static void semaphore_after_free(void)
{
    prepare();
    vthr_semaphore_free(sem);
    vthr_acquire(sem);
}
static void mutex_after_free(void)
{
    vthr_mutex *m;

    vthr_mutex_new(&m);
    vthr_mutex_free(m);
    vthr_mutex_lock(m);
}
static void mutex_locked(void)
{
    vthr_mutex *m;

    vthr_mutex_new(&m);
    vthr_mutex_lock(m);
    vthr_mutex_free(m);
}
static void mutex_has_conditions(void)
{
    vthr_condition *k;
    vthr_mutex *m;

    vthr_mutex_new(&m);
    vthr_condition_new(&k, m);
    vthr_mutex_free(m);
}
static void condition_after_free(void)
{
    vthr_condition *k;
    vthr_mutex *m;

    vthr_mutex_new(&m);
    vthr_condition_new(&k, m);
    vthr_condition_free(k);
    vthr_condition_signal(k);
}
static void left_twice(void)
{
    prepare();
    vthr_scope_leave(s);
    churn();
    vthr_scope_leave(s);
}
static void cancelled_after_leave(void)
{
    prepare();
    vthr_scope_leave(s);
    vthr_scope_cancel(s);
}
static int nothing(void *arg, void **value)
{
    (void)arg, (void)value;
    return 0;
}
static void spawned_after_leave(void)
{
    prepare();
    vthr_scope_leave(s);
    vthr_spawn(s, NULL, nothing, NULL);
}
static void joined_after_leave(void)
{
    vthr_task *t;

    prepare();
    vthr_spawn(s, &t, nothing, NULL);
    vthr_scope_leave(s);
    churn();
    vthr_join(t, NULL);
}
static void joined_after_release(void)
{
    vthr_task *t;

    prepare();
    vthr_spawn(s, &t, nothing, NULL);
    vthr_join(t, NULL);
    vthr_release(t);
    vthr_spawn(s, NULL, nothing, NULL);
    for (int i = 0; i < 10; i++)
        sched_yield();
    vthr_join(t, NULL);
}
static void no_scope(void)
{
    static char zeros[400];

    vthr_spawn((vthr_scope *)(void *)zeros, NULL, nothing, NULL);
}
static void wrong_kind(void)
{
    prepare();
    vthr_scope_cancel((vthr_scope *)(void *)c);
}
static void *opens_only(void *arg)
{
    vthr_scope_open(arg);
    return NULL;
}
static void thread_left_open(void)
{
    finish(start(opens_only, &s));
}
static void *exits_only(void *arg)
{
    vthr_scope_open(arg);
    pthread_exit(NULL);
}
static void thread_exited_open(void)
{
    finish(start(exits_only, &s));
}
static void no_channel(void)
{
    static char zeros[200];

    vthr_try_send((vthr_channel *)(void *)zeros, &x);
}
static void token_out(void)
{
    prepare();
    vthr_spawn(s, NULL, takes, NULL);
    while (vthr_try_acquire(sem) == 0) {
        vthr_give_back(sem);
        sched_yield();
    }
    vthr_semaphore_free(sem);
}
static void released_twice(void)
{
    vthr_task *t;

    prepare();
    vthr_spawn(s, &t, receives, NULL);
    vthr_release(t);
    vthr_release(t);
}
static void left_open(void)
{
    vthr_scope *outer;

    vthr_scope_open(&outer);
    vthr_spawn(outer, NULL, opens, NULL);
    vthr_scope_leave(outer);
}
static void *shields(void *arg)
{
    vthr_scope_shield(arg);
    return NULL;
}
static void wrong_thread(void)
{
    prepare();
    finish(start(shields, s));
}

// No misuse: the process ends with a scope open, by exit, in a thread that opened it.
static void *exits_process(void *arg)
{
    vthr_scope_open(arg);
    exit(7);
}
static void exits_inside(void)
{
    pid_t pid = fork();
    int st;

    CHECK(pid >= 0);
    if (pid == 0)
        finish(start(exits_process, &s));
    CHECK_EQ(waitpid(pid, &st, 0), pid);
    CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 7);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!getenv("VTHR_QUARANTINE")) {
        setenv("VTHR_QUARANTINE", "100", 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    misused("a channel is ", freed_with_waiter);
    misused("a channel is used after it was freed", used_after_free);
    misused("a channel is used after it was freed", received_after_free);
    misused("a channel is used after it was freed", freed_twice);
    misused("a channel is used after it was freed", closed_after_free);
    misused("a channel is used after it was freed", selected_after_free);
    misused("an event is used after it was freed", event_after_free);
    misused("a semaphore is used after it was freed", semaphore_after_free);
    misused("a mutex is used after it was freed", mutex_after_free);
    misused("a mutex is freed while it is locked", mutex_locked);
    misused("a mutex is freed before its conditions", mutex_has_conditions);
    misused("a condition is used after it was freed", condition_after_free);
    misused("a scope is used after it was left", left_twice);
    misused("a scope is used after it was left", cancelled_after_leave);
    misused("a scope is used after it was left", spawned_after_leave);
    misused("a task is used after it was released, or its scope left", joined_after_leave);
    misused("a task is used after it was released, or its scope left", joined_after_release);
    misused("this is no scope", no_scope);
    misused("this is no scope", wrong_kind);
    misused("this is no channel", no_channel);
    misused("a thread ended with a scope still open", thread_left_open);
    misused("a thread ended with a scope still open", thread_exited_open);
    exits_inside();
    misused("a semaphore is freed while tokens are out", token_out);
    misused("a task is released twice", released_twice);
    misused("a task ended with a scope still open", left_open);
    misused("by a thread that did not open it", wrong_thread);
    puts("ok");
    return 0;
}
