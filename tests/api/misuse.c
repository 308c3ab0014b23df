// Each misuse for which there is no error ends the process by one line that names the object, and SIGABRT.
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
static void used_after_free(void)
{
    prepare();
    vthr_channel_free(c);
    vthr_try_send(c, &x);
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

int main(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    misused("a channel is ", freed_with_waiter);
    misused("a channel is used after it was freed", used_after_free);
    misused("this is no channel", no_channel);
    misused("a semaphore is freed while tokens are out", token_out);
    misused("a task is released twice", released_twice);
    misused("a task ended with a scope still open", left_open);
    misused("by a thread that did not open it", wrong_thread);
    puts("ok");
    return 0;
}
