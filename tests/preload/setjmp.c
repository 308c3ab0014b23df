// Jumps within a thread: setjmp out of deep calls, sigsetjmp with masks, swapcontext between stacks of one's own.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

enum { THREADS = 20 };

static void dig(jmp_buf out, int depth)
{
    volatile char frame[200];
    if (depth < 0)
        return;
    frame[0] = (char)depth;
    if (depth % 10 == 0)
        sched_yield();
    if (depth == 0)
        longjmp(out, 7);
    dig(out, depth - 1);
    frame[1] = frame[0];
}

static void *jump(void *arg)
{
    for (volatile int i = 0; i < 50; i++) {
        jmp_buf out;
        volatile int tries = 0;
        int r = setjmp(out);
        CHECK_EQ(r, tries ? 7 : 0);
        if (tries++ < 2)
            dig(out, 30);
        sigjmp_buf with_mask;
        sigset_t set, now;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        if (sigsetjmp(with_mask, 1) == 0) {
            CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
            sched_yield();
            siglongjmp(with_mask, 1);
        }
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        CHECK_EQ(sigismember(&now, SIGUSR1), 0);
    }
    return arg;
}

struct fibers {
    ucontext_t main, fiber[2];
    int steps[2];
};

static void fiber(unsigned high, unsigned low, int me)
{
    struct fibers *f = (struct fibers *)((unsigned long)high << 32 | low);
    for (int i = 0; i < 100; i++) {
        f->steps[me]++;
        if (i % 10 == 0)
            usleep(10); // blocks on a stack that nobody announced
        errno = 1000 + me;
        CHECK_EQ(swapcontext(&f->fiber[me], &f->fiber[!me]), 0);
    }
}

static void *contexts(void *arg)
{
    struct fibers f = {.steps = {0, 0}};
    char *stacks = malloc(2 * 65536);
    for (volatile int i = 0; i < 2; i++) {
        CHECK_EQ(getcontext(&f.fiber[i]), 0);
        f.fiber[i].uc_stack.ss_sp = stacks + i * 65536;
        f.fiber[i].uc_stack.ss_size = 65536;
        f.fiber[i].uc_link = &f.main;
        unsigned long at = (unsigned long)&f;
        makecontext(&f.fiber[i], (void (*)(void))fiber, 3, (unsigned)(at >> 32), (unsigned)at, i);
    }
    CHECK_EQ(swapcontext(&f.main, &f.fiber[0]), 0);
    CHECK(f.steps[0] == 100 && f.steps[1] == 100);
    free(stacks);
    return arg;
}

int main(void)
{
    pthread_t t[THREADS];
    jump(NULL);
    contexts(NULL);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(i % 2 ? jump : contexts, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("jumped");
    return 0;
}
