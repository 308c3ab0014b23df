// getcontext, setcontext, swapcontext, makecontext: signal masks go with contexts, in threads that share OS threads; what a context ends
// with is uc_link.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

enum { THREADS = 6, ROUNDS = 60, STACK = 65536 };

struct job {
    ucontext_t caller, worker, last;
    int steps, at, ended;
};

static __thread volatile sig_atomic_t usr1, usr2;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        usr1++;
    else
        usr2++;
}

static int blocked(int sig)
{
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, sig);
}

static void work(int high, int low)
{
    struct job *j = (struct job *)((uintptr_t)(unsigned)high << 32 | (unsigned)low);
    // As its context said: USR1 is blocked, USR2 is not.
    CHECK(blocked(SIGUSR1) && !blocked(SIGUSR2));
    for (; j->at < j->steps; j->at++) {
        int one = usr1, two = usr2;
        CHECK_EQ(raise(SIGUSR2), 0);
        CHECK_EQ(usr2, two + 1);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(usr1, one);
        sched_yield();
        // Back, where USR1 is not blocked: so it comes.
        CHECK_EQ(swapcontext(&j->worker, &j->caller), 0);
        CHECK(blocked(SIGUSR1) && !blocked(SIGUSR2));
        CHECK_EQ(usr1, one + 1);
    }
    j->ended = 1;
}

static void last(void)
{
    CHECK(blocked(SIGUSR1) && blocked(SIGUSR2));
    pthread_exit((void *)1);
}

static void *thread(void *arg)
{
    struct job j = {.steps = ROUNDS};
    char *stack = malloc(STACK), *stack2 = malloc(STACK);
    CHECK_EQ(getcontext(&j.last), 0);
    j.last.uc_stack.ss_sp = stack2;
    j.last.uc_stack.ss_size = STACK;
    sigaddset(&j.last.uc_sigmask, SIGUSR1);
    sigaddset(&j.last.uc_sigmask, SIGUSR2);
    makecontext(&j.last, last, 0);
    CHECK_EQ(getcontext(&j.worker), 0);
    CHECK(!sigismember(&j.worker.uc_sigmask, SIGUSR1) && !sigismember(&j.worker.uc_sigmask, SIGTERM));
    sigaddset(&j.worker.uc_sigmask, SIGUSR1);
    j.worker.uc_stack.ss_sp = stack;
    j.worker.uc_stack.ss_size = STACK;
    j.worker.uc_link = &j.caller;
    makecontext(&j.worker, (void (*)(void))work, 2, (int)((uintptr_t)&j >> 32), (int)(uintptr_t)&j);
    for (int i = 0; !j.ended; i++) {
        CHECK(!blocked(SIGUSR1) && !blocked(SIGUSR2));
        CHECK_EQ(swapcontext(&j.caller, &j.worker), 0);
        CHECK(!blocked(SIGUSR1));
        CHECK_EQ(usr1, i < ROUNDS ? i + 1 : ROUNDS);
        if (i % 10 == 5)
            usleep(10);
    }
    CHECK_EQ(usr2, ROUNDS);
    // A mask that was set meanwhile is that of the context again.
    volatile int times = 0;
    ucontext_t here;
    sigset_t set;
    CHECK_EQ(getcontext(&here), 0);
    CHECK(!blocked(SIGUSR2));
    if (times++ < 3) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
        CHECK_EQ(raise(SIGUSR2), 0);
        CHECK_EQ(usr2, ROUNDS + times - 1);
        setcontext(&here);
        CHECK(0);
    }
    CHECK_EQ(times, 4);
    CHECK_EQ(usr2, ROUNDS + 3);
    free(stack);
    if (arg)
        setcontext(&j.last);
    free(stack2);
    return NULL;
}

// One of before there were threads is set afterwards.
static ucontext_t early;
static volatile int returned;

int main(void)
{
    pthread_t t[THREADS];
    struct sigaction sa = {.sa_handler = on_signal};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    CHECK_EQ(getcontext(&early), 0);
    if (returned++ == 0) {
        for (intptr_t i = 0; i < THREADS; i++)
            t[i] = start(thread, (void *)(i % 2));
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ((intptr_t)finish(t[i]), i % 2);
        sigset_t set;
        sigfillset(&set);
        CHECK_EQ(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
        setcontext(&early);
        CHECK(0);
    }
    CHECK_EQ(returned, 2);
    CHECK(!blocked(SIGUSR1) && !blocked(SIGTERM));
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(usr1, 1);
    puts("contexts");
    return 0;
}
