// A timer on a thread's CPU time runs with what that thread uses, not with what its neighbours do.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { BURN = 10000000, THREADS = 4 };

static __thread volatile sig_atomic_t fired;
static sem_t ready, neighbour_done;

static void on_timer(int sig, siginfo_t *info, void *uc)
{
    (void)sig, (void)uc;
    CHECK_EQ(info->si_code, SI_TIMER);
    fired++;
}

static long long cpu(void)
{
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        CHECK_EQ(errno, EINTR);
}

static timer_t make(int i)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
    timer_t t = 0;
    ev._sigev_un._tid = gettid();
    if (i % 2)
        CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    if (i == 3) {
        int id;
        CHECK_EQ(syscall(SYS_timer_create, clock, &ev, &id), 0);
        return (timer_t)(intptr_t)id;
    }
    CHECK_EQ(timer_create(clock, &ev, &t), 0);
    return t;
}

static void *timed(void *arg)
{
    timer_t t = make((int)(intptr_t)arg);
    struct itimerspec once = {.it_value.tv_nsec = 5 * BURN};
    long long before = cpu();
    CHECK_EQ(timer_settime(t, 0, &once, NULL), 0);
    CHECK_EQ(sem_post(&ready), 0);
    wait_for(&neighbour_done);
    CHECK_EQ(fired, 0); // it has used next to nothing
    while (!fired)
        ;
    CHECK_EQ(fired, 1);
    CHECK(cpu() - before >= 5 * BURN - 1000000);
    CHECK_EQ(timer_delete(t), 0);
    return NULL;
}

static void *neighbour(void *arg)
{
    for (long long end = cpu() + 8 * BURN; cpu() < end;)
        ;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sem_post(&neighbour_done), 0);
    return arg;
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    pthread_t t[THREADS];
    CHECK_EQ(sigaction(SIGRTMIN, &sa, NULL), 0);
    CHECK_EQ(sem_init(&ready, 0, 0), 0);
    CHECK_EQ(sem_init(&neighbour_done, 0, 0), 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(timed, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++)
        wait_for(&ready);
    finish(start(neighbour, NULL));
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("fired");
    return 0;
}
