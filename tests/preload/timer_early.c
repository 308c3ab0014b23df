// A timer for the main thread, made before there are others, is for the main thread afterwards.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

enum { THREADS = 6, TICKS = 10 };

static __thread volatile sig_atomic_t mine;
static sem_t tick;
static volatile int stop;

static void on_timer(int sig, siginfo_t *info, void *uc)
{
    (void)sig, (void)uc;
    CHECK_EQ(info->si_code, SI_TIMER);
    CHECK_EQ(info->si_value.sival_int, 42);
    mine++;
    sem_post(&tick);
}

static void *other(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        usleep(100);
    CHECK_EQ(mine, 0);
    return arg;
}

static void take(int n)
{
    for (int before = mine; mine < before + n;)
        if (sem_wait(&tick) != 0)
            CHECK_EQ(errno, EINTR);
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42};
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    pthread_t t[THREADS];
    timer_t timer;
    CHECK_EQ(sem_init(&tick, 0, 0), 0);
    CHECK_EQ(sigaction(SIGRTMIN, &sa, NULL), 0);
    ev._sigev_un._tid = gettid();
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
    take(TICKS);
    puts("alone");
    for (int i = 0; i < THREADS; i++)
        t[i] = start(other, NULL);
    take(TICKS);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    take(TICKS);
    CHECK_EQ(timer_delete(timer), 0);
    puts("among others");
    return 0;
}
