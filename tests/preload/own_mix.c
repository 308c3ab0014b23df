// Threads that have something of their own in the kernel fork, spawn, are signalled, cancelled, change identity, and end, beside others
// that have not.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { THREADS = 6, ROUNDS = 5 };

static pthread_barrier_t meet;
static int at_first;
static sigset_t all_open;
static __thread volatile sig_atomic_t handled;

static void on_signal(int sig)
{
    (void)sig;
    handled++;
}

static int nice_now(void)
{
    errno = 0;
    int n = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(errno, 0);
    return n;
}

static int more(int by)
{
    return at_first + by < 19 ? at_first + by : 19;
}

static void *has(void *want)
{
    CHECK_EQ(nice_now(), (intptr_t)want);
    return NULL;
}

static void await_child(pid_t p, int status)
{
    int s;
    CHECK(p > 0);
    CHECK_EQ(waitpid(p, &s, 0), p);
    CHECK(WIFEXITED(s));
    CHECK_EQ(WEXITSTATUS(s), status);
}

// In the child, and in its child, threads have what this one has.
static void *forks(void *want)
{
    pid_t p = fork();
    if (p == 0) {
        has(want);
        finish(start(has, want));
        _exit(5);
    }
    await_child(p, 5);
    return NULL;
}

// Even ones get something of their own.
static void *thread(void *arg)
{
    int i = (int)(intptr_t)arg;
    intptr_t mine = at_first;
    if (i % 2 == 0) {
        mine = more(i + 1);
        CHECK_EQ(setpriority(PRIO_PROCESS, 0, (int)mine), 0);
    }
    pthread_barrier_wait(&meet); // all have it
    if (i < 3) {
        pid_t p = fork();
        if (p == 0) {
            has((void *)mine);
            finish(start(forks, (void *)mine));
            _exit(6);
        }
        await_child(p, 6);
        int s = system("exit 3");
        CHECK(WIFEXITED(s));
        CHECK_EQ(WEXITSTATUS(s), 3);
    }
    pthread_barrier_wait(&meet); // main changes the group
    pthread_barrier_wait(&meet);
    int group = (int)syscall(SYS_getegid);
    CHECK(getuid() != 0 || group == 1234);
    pthread_barrier_wait(&meet); // and changes it back
    while (!handled)
        sigsuspend(&all_open);
    CHECK_EQ(nice_now(), mine);
    pthread_barrier_wait(&meet);
    if (i % 3 == 0)
        for (;;)
            pause(); // cancelled
    return (void *)mine;
}

int main(void)
{
    pthread_t t[THREADS];
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t usr1;
    at_first = nice_now();
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, &all_open), 0);
    CHECK_EQ(pthread_barrier_init(&meet, NULL, THREADS + 1), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (intptr_t i = 0; i < THREADS; i++)
            t[i] = start(thread, (void *)i);
        pthread_barrier_wait(&meet);
        pthread_barrier_wait(&meet);
        gid_t was = getegid();
        if (getuid() == 0)
            CHECK_EQ(setegid(1234), 0);
        pthread_barrier_wait(&meet);
        pthread_barrier_wait(&meet);
        CHECK_EQ(setegid(was), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_kill(t[i], SIGUSR1), 0);
        pthread_barrier_wait(&meet);
        for (int i = 0; i < THREADS; i += 3)
            CHECK_EQ(pthread_cancel(t[i]), 0);
        for (int i = 0; i < THREADS; i++) {
            void *r = finish(t[i]);
            CHECK(i % 3 == 0 ? r == PTHREAD_CANCELED : (intptr_t)r == (i % 2 == 0 ? more(i + 1) : at_first));
        }
        CHECK_EQ(nice_now(), at_first);
    }
    puts("mixed");
    return 0;
}
