// Whom the signals of timers reach: timers for one thread (SIGEV_THREAD_ID) that thread, those of CPU time one that computes.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

enum { THREADS = 12, TICKS = 5 };

static __thread volatile int mine;
static __thread sem_t *woken;
static __thread volatile int value;
static volatile int idle_hits, busy_hits;
static __thread int is_busy;

static void on_timer(int sig, siginfo_t *info, void *uc)
{
    (void)sig, (void)uc;
    CHECK_EQ(info->si_code, SI_TIMER);
    value = info->si_value.sival_int;
    mine++;
    if (woken)
        sem_post(woken);
}

static void on_prof(int sig)
{
    (void)sig;
    __atomic_add_fetch(is_busy ? &busy_hits : &idle_hits, 1, __ATOMIC_SEQ_CST);
}

static timer_t timer_for(pid_t tid, int number, int raw)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = number};
    timer_t t = 0;
    ev._sigev_un._tid = tid;
    if (raw) {
        int id;
        CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), 0);
        t = (timer_t)(intptr_t)id;
    } else {
        CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    }
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    CHECK_EQ(timer_settime(t, 0, &often, NULL), 0);
    return t;
}

// Waits parked, or in its own code; every signal that comes is its own.
static void *take_ticks(void *arg)
{
    int i = (int)(intptr_t)arg;
    sem_t sem;
    CHECK_EQ(sem_init(&sem, 0, 0), 0);
    woken = &sem;
    timer_t t = timer_for(gettid(), 1000 + i, i % 4 == 3);
    for (int n = 0; n < TICKS; n++) {
        if (i % 2) {
            while (sem_wait(&sem) != 0)
                CHECK_EQ(errno, EINTR);
        } else {
            int before = mine;
            while (mine == before)
                sched_yield();
        }
        CHECK_EQ(value, 1000 + i);
    }
    CHECK_EQ(timer_delete(t), 0);
    return arg;
}

static volatile int stop;

static void *compute(void *arg)
{
    is_busy = 1;
    while (!stop)
        if (busy_hits + idle_hits >= TICKS * 4)
            stop = 1;
    return arg;
}

static void *stay(void *arg)
{
    sem_t *s = arg;
    while (sem_wait(s) != 0)
        CHECK_EQ(errno, EINTR);
    return arg;
}

static void cpu_time(int which, int sig, const char *name)
{
    struct itimerval often = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    pthread_t t[THREADS], busy;
    sem_t s;
    stop = busy_hits = idle_hits = 0;
    struct sigaction sa = {.sa_handler = on_prof, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
    CHECK_EQ(sem_init(&s, 0, 0), 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(stay, &s);
    busy = start(compute, NULL);
    CHECK_EQ(setitimer(which, &often, NULL), 0);
    finish(busy);
    CHECK_EQ(setitimer(which, &off, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sem_post(&s), 0);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    CHECK(busy_hits > idle_hits);
    puts(name);
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    pthread_t t[THREADS];
    CHECK_EQ(sigaction(SIGRTMIN, &sa, NULL), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(take_ticks, (void *)i);
    take_ticks((void *)(intptr_t)THREADS);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("threads");
    cpu_time(ITIMER_PROF, SIGPROF, "SIGPROF");
    cpu_time(ITIMER_VIRTUAL, SIGVTALRM, "SIGVTALRM");
    return 0;
}
