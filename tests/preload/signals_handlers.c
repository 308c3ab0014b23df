// What a handler leaves behind: the mask after it, its own changes to it, a jump out of it, a fork in it, a second signal
// while it runs; and signals for the process while threads end and libc has threads of its own.
#include "check.h"
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>

static volatile int hits, go_on, child_ok;
static pthread_t main_thread;
static sigset_t none;

static int blocked(int sig)
{
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, sig);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void block(int how, int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

// Every thread runs code when the signal comes, then lets others run on the same OS threads.
static void count(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)info;
    CHECK_EQ(blocked(sig), 1);
    CHECK_EQ(sigismember(&uc->uc_sigmask, sig), 0);
    CHECK_EQ(sigismember(&uc->uc_sigmask, SIGUSR2), 1);
    hits++;
}

static sigjmp_buf out;
static void jump_out(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static void *spin(void *arg)
{
    block(SIG_BLOCK, SIGUSR2);
    for (int i = 1; i <= 50; i++) {
        go_on = i;
        while (hits < i)
            ; // no call: the signal interrupts it
        CHECK_EQ(blocked(SIGUSR1), 0);
        CHECK_EQ(blocked(SIGUSR2), 1);
        sched_yield();
    }
    return arg;
}

// SIGUSR2 is blocked in one thread, open in main: it must not come to the first one's OS thread for that reason.
static void on_usr2(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    (void)context;
    CHECK(pthread_equal(pthread_self(), main_thread));
    hits++;
}

// After it this OS thread still takes what its next thread needs: faults, and signals that interrupt it.
static void *fault(void *arg)
{
    if (sigsetjmp(out, 1) == 0)
        *(volatile int *)opaque(16) = 1;
    return arg;
}

// The mask that a handler leaves in the context is the mask after it.
static void change(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR1);
    sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
    hits++;
}

static void *change_mask(void *arg)
{
    block(SIG_BLOCK, SIGUSR2);
    go_on = 1;
    while (!hits)
        ;
    CHECK_EQ(blocked(SIGUSR1), 1);
    CHECK_EQ(blocked(SIGUSR2), 0);
    block(SIG_UNBLOCK, SIGUSR1);
    block(SIG_BLOCK, SIGUSR2);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(blocked(SIGUSR1), 1);
    CHECK_EQ(blocked(SIGUSR2), 0);
    return arg;
}

// fork in a handler: the child's mask is the thread's, in the handler and after it.
static void fork_here(int sig, siginfo_t *info, void *context)
{
    int status;
    pid_t pid = fork();
    (void)info;
    (void)context;
    CHECK(pid >= 0);
    CHECK_EQ(blocked(sig), 1);
    if (pid == 0) {
        child_ok = 1;
        return;
    }
    while (waitpid(pid, &status, 0) != pid)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 7 << 8);
    hits++;
}

static void after_fork(void)
{
    sigset_t now, want;
    sigemptyset(&want);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    for (int sig = 1; sig < 32; sig++)
        if (sig != SIGUSR2)
            CHECK_EQ(sigismember(&now, sig), 0);
    child_ok = 0;
    handle(SIGUSR1, fork_here, 0);
}

static void *fork_in_handler(void *arg)
{
    go_on = 1;
    if (arg) {
        while (!hits && !child_ok)
            ;
    } else {
        CHECK_EQ(raise(SIGUSR1), 0);
    }
    if (child_ok) {
        after_fork();
        _exit(7);
    }
    return NULL;
}

// A signal for the process that comes while the only thread that takes it runs its handler runs it once more.
static void *send_to_process(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    return arg;
}

static void again(int sig, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (hits++ == 0) {
        sigset_t pending;
        finish(start(send_to_process, NULL));
        do {
            CHECK_EQ(sigpending(&pending), 0);
            sched_yield();
        } while (!sigismember(&pending, sig));
        CHECK_EQ(hits, 1);
    }
}

// Jumps out of handlers many times; then a blocked signal stays pending for sigwait.
static void jumps(void)
{
    struct sigaction sa = {.sa_handler = jump_out};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    for (volatile int i = 0; i < 100; i++)
        if (sigsetjmp(out, 1) == 0) {
            CHECK_EQ(raise(SIGUSR1), 0);
            CHECK(0);
        }
    CHECK_EQ(blocked(SIGUSR1), 0);
    block(SIG_BLOCK, SIGUSR1);
    finish(start(send_to_process, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    struct timespec minute = {60, 0};
    CHECK_EQ(sigtimedwait(&set, NULL, &minute), SIGUSR1);
    block(SIG_UNBLOCK, SIGUSR1);
}

// Timer threads that libc makes have all signals unblocked: what they take is not lost.
static sem_t timed;
static void tick(union sigval value)
{
    (void)value;
    for (int i = 0; i < 200; i++) {
        int before = hits;
        CHECK_EQ(kill(getpid(), SIGUSR2), 0);
        while (__atomic_load_n(&hits, __ATOMIC_SEQ_CST) == before)
            ;
    }
    sem_post(&timed);
}

static void timer_thread(void)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick};
    struct itimerspec at = {{0, 0}, {0, 1000000}};
    timer_t timer;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &at, NULL), 0);
    while (sem_wait(&timed) != 0)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(timer_delete(timer), 0);
}

static void send_one(pthread_t t, int i)
{
    while (go_on != i)
        sched_yield();
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
}

int main(void)
{
    pthread_t t;
    main_thread = pthread_self();
    sigemptyset(&none);
    sem_init(&timed, 0, 0);
    handle(SIGUSR1, count, 0);
    t = start(spin, NULL);
    for (int i = 1; i <= 50; i++)
        send_one(t, i);
    finish(t);
    struct sigaction sa = {.sa_handler = jump_out};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    for (int i = 0; i < 20; i++)
        finish(start(fault, NULL));
    puts("masks after handlers");

    hits = go_on = 0;
    handle(SIGUSR1, change, 0);
    t = start(change_mask, NULL);
    send_one(t, 1);
    finish(t);
    puts("changed by a handler");

    for (long running = 0; running < 2; running++) {
        hits = go_on = child_ok = 0;
        handle(SIGUSR1, fork_here, 0);
        t = start(fork_in_handler, (void *)running);
        if (running)
            send_one(t, 1);
        finish(t);
        CHECK_EQ(hits, 1);
    }
    puts("forked in a handler");

    hits = 0;
    handle(SIGUSR1, again, 0);
    finish(start(send_to_process, NULL));
    while (hits < 2)
        sched_yield();
    puts("once more");

    jumps();
    puts("jumped out");

    hits = 0;
    struct sigaction plain = {.sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR2, &plain, NULL), 0);
    timer_thread();
    puts("signals of a timer thread");
    return 0;
}
