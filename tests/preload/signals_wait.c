// Signals blocked everywhere and taken by sigwait, sigwaitinfo, sigtimedwait; sigsuspend, ppoll and pselect with masks;
// pending signals; values.
#include "check.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/select.h>

static sem_t got;
static sigset_t set;
static volatile int handled;

static void *take(void *arg)
{
    for (;;) {
        int sig = 0;
        CHECK_EQ(sigwait(&set, &sig), 0);
        if (sig == SIGTERM)
            return arg;
        CHECK_EQ(sig, SIGHUP);
        sem_post(&got);
    }
}

static void *take_values(void *arg)
{
    long sum = 0;
    (void)arg;
    for (int i = 0; i < 50; i++) {
        siginfo_t info;
        CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
        CHECK(info.si_code == SI_QUEUE && info.si_pid == getpid());
        sum += info.si_value.sival_int;
    }
    return (void *)sum;
}

static void *take_own(void *arg)
{
    siginfo_t info;
    struct timespec ts = {60, 0}, zero = {0, 0}, some = from_ns(20000000);
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_ERRNO(sigtimedwait(&set, &info, &zero), EAGAIN);
    CHECK_ERRNO(sigtimedwait(&set, &info, &some), EAGAIN);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 20000000);
    sem_post(arg);
    CHECK_EQ(sigtimedwait(&set, &info, &ts), SIGUSR1);
    CHECK_EQ(raise(SIGUSR2), 0);
    sigset_t pending;
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR2) && !sigismember(&pending, SIGUSR1));
    CHECK_EQ(sigtimedwait(&set, NULL, &ts), SIGUSR2);
    return NULL;
}

static void on_signal(int sig)
{
    (void)sig;
    handled++;
}

// The signal is pending, or comes while it waits; the mask is the old one afterwards.
static void *suspend(void *arg)
{
    sigset_t open_all, now;
    int p[2];
    struct pollfd pfd;
    fd_set fds;
    sigemptyset(&open_all);
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 30; i++) {
        handled = 0;
        sem_post(arg);
        switch (i % 3) {
        case 0: CHECK_ERRNO(sigsuspend(&open_all), EINTR); break;
        case 1:
            pfd = (struct pollfd){p[0], POLLIN, 0};
            CHECK_ERRNO(ppoll(&pfd, 1, NULL, &open_all), EINTR);
            break;
        default:
            FD_ZERO(&fds);
            FD_SET(p[0], &fds);
            CHECK_ERRNO(pselect(p[0] + 1, &fds, NULL, NULL, NULL, &open_all), EINTR);
        }
        CHECK_EQ(handled, 1);
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
        CHECK_EQ(sigismember(&now, SIGUSR1), 1);
    }
    return NULL;
}

int main(void)
{
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    sem_init(&got, 0, 0);

    pthread_t t = start(take, NULL);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(kill(getpid(), SIGHUP), 0);
        CHECK_EQ(sem_wait(&got), 0);
    }
    CHECK_EQ(pthread_kill(t, SIGHUP), 0);
    CHECK_EQ(sem_wait(&got), 0);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    finish(t);
    puts("sigwait");

    t = start(take_values, NULL);
    for (int i = 0; i < 50; i++) {
        if (i % 2)
            CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}), 0);
        else
            CHECK_EQ(pthread_sigqueue(t, SIGRTMIN, (union sigval){.sival_int = i}), 0);
    }
    printf("values: %ld\n", (long)finish(t));

    t = start(take_own, &got);
    sem_wait(&got);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    finish(t);
    puts("sigtimedwait");

    struct sigaction sa = {.sa_handler = on_signal};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    t = start(suspend, &got);
    for (int i = 0; i < 30; i++) {
        CHECK_EQ(sem_wait(&got), 0);
        if (i % 2)
            sched_yield();
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    }
    finish(t);
    puts("suspended");

    // Sent while blocked, taken when unblocked, before the call returns.
    handled = 0;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(handled, 0);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &one, NULL), 0);
    printf("handled when unblocked: %d\n", handled);
    return 0;
}
