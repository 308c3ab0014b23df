// When a timer has been stopped its signal comes no more, whatever other threads do: the default action, which ends the process, may
// be set then.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { ROUNDS = 150, OTHERS = 4 };

static volatile sig_atomic_t ticks;
static volatile int stop;

static void on_alarm(int sig)
{
    (void)sig;
    ticks++;
}

// Signals for the process are the main thread's.
static void *other(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        sched_yield();
        usleep(100);
    }
    return arg;
}

static void arm(long value, long interval)
{
    struct itimerval v = {{0, interval}, {0, value}};
    CHECK_EQ(setitimer(ITIMER_REAL, &v, NULL), 0);
}

static void repeats(int how)
{
    struct itimerval off = {{0, 0}, {0, 0}}, old;
    for (int i = 0; i < ROUNDS; i++) {
        ticks = 0;
        CHECK(signal(SIGALRM, on_alarm) == SIG_DFL);
        arm(50 + i, 100);
        while (ticks < 1 + i % 3)
            ;
        if (how == 0)
            CHECK_EQ(setitimer(ITIMER_REAL, &off, &old), 0);
        else if (how == 1)
            CHECK_EQ(syscall(SYS_setitimer, ITIMER_REAL, &off, &old), 0);
        else
            alarm(0);
        int seen = ticks;
        CHECK(how == 2 || old.it_interval.tv_usec == 100);
        CHECK(signal(SIGALRM, SIG_DFL) == on_alarm);
        CHECK_EQ(ticks, seen);
    }
}

// One that ran off at about the time when it was stopped.
static void once(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(signal(SIGALRM, on_alarm) == SIG_DFL);
        arm(60, 0);
        for (volatile int k = 0; k < 400 * (i % 50); k++)
            ;
        alarm(0);
        CHECK(signal(SIGALRM, SIG_DFL) == on_alarm);
    }
}

int main(void)
{
    pthread_t t[OTHERS];
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    for (int i = 0; i < OTHERS; i++)
        t[i] = start(other, NULL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    for (int how = 0; how < 3; how++)
        repeats(how);
    once();
    CHECK_EQ(alarm(100), 0);
    CHECK(alarm(0) > 0);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < OTHERS; i++)
        finish(t[i]);
    puts("stopped");
    return 0;
}
