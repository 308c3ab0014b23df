// CPU time of a thread is what it used itself, whoever ran beside it on the same OS thread: CLOCK_THREAD_CPUTIME_ID,
// pthread_getcpuclockid, getrusage(RUSAGE_THREAD), each by libc's function and by syscall(2).
#include "check.h"
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { BURN = 20000000, PARKED = 8, YIELDS = 500 };

static long long raw_ns(clockid_t clock)
{
    struct timespec ts;
    CHECK_EQ(syscall(SYS_clock_gettime, clock, &ts), 0);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long used(int raw)
{
    struct rusage ru;
    CHECK_EQ(raw ? syscall(SYS_getrusage, RUSAGE_THREAD, &ru) : getrusage(RUSAGE_THREAD, &ru), 0);
    return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000LL + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000LL;
}

static long long cpu(void)
{
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void burn(long long ns)
{
    for (long long end = cpu() + ns; cpu() < end;)
        ;
}

static sem_t begin, ready;

static void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        CHECK_EQ(errno, EINTR);
}

// Its clocks stand still while another computes.
static void *parked(void *arg)
{
    clockid_t mine;
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &mine), 0);
    long long before = cpu(), ru = used(0);
    CHECK(raw_ns(mine) >= before);
    CHECK_EQ(sem_post(&ready), 0);
    wait_for(&begin);
    CHECK(cpu() - before < BURN);
    CHECK(used(1) - ru < BURN);
    CHECK(now_ns(mine) - before < BURN);
    return arg;
}

static void *burner(void *arg)
{
    long long ru = used(0);
    burn(3 * BURN);
    CHECK(used(0) - ru >= BURN);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(sem_post(&begin), 0);
    return arg;
}

// Never less than before, whatever runs in between and wherever it goes on.
static void *yielder(void *arg)
{
    long long last = cpu(), last_ru = used(0), now;
    for (int i = 0; i < YIELDS; i++) {
        sched_yield();
        now = i % 2 ? cpu() : raw_ns(CLOCK_THREAD_CPUTIME_ID);
        CHECK(now >= last);
        last = now;
        now = used(i % 2);
        CHECK(now >= last_ru);
        last_ru = now;
    }
    long long *sum = arg;
    __atomic_add_fetch(sum, last, __ATOMIC_SEQ_CST);
    return NULL;
}

static volatile int stop;
static void *spin(void *arg)
{
    while (!stop)
        ;
    *(long long *)arg = cpu();
    return NULL;
}

// Another's clock goes on while it computes, and is the one that it sees itself.
static void others(void)
{
    pthread_t t;
    clockid_t clock;
    long long seen, last = 0, its = 0;
    t = start(spin, &its);
    CHECK_EQ(pthread_getcpuclockid(t, &clock), 0);
    for (long long first = now_ns(clock); (seen = now_ns(clock)) - first < BURN; last = seen)
        CHECK(seen >= last);
    struct timespec of_thread, own;
    CHECK_EQ(clock_getres(clock, &of_thread), 0);
    CHECK_EQ(clock_getres(CLOCK_THREAD_CPUTIME_ID, &own), 0);
    CHECK(of_thread.tv_sec == own.tv_sec && of_thread.tv_nsec == own.tv_nsec);
    stop = 1;
    finish(t);
    CHECK(its >= seen);
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    seen = cpu();
    CHECK(now_ns(clock) >= seen);
    puts("others");
}

int main(void)
{
    pthread_t t[PARKED];
    long long sum = 0, process = now_ns(CLOCK_PROCESS_CPUTIME_ID), before = cpu();
    CHECK_EQ(sem_init(&begin, 0, 0), 0);
    CHECK_EQ(sem_init(&ready, 0, 0), 0);
    burn(BURN / 2);
    for (int i = 0; i < PARKED; i++)
        t[i] = start(parked, NULL);
    for (int i = 0; i < PARKED; i++)
        wait_for(&ready);
    finish(start(burner, NULL));
    for (int i = 0; i < PARKED; i++)
        finish(t[i]);
    CHECK(cpu() - before < BURN * 2); // main's own
    puts("parked");
    for (int i = 0; i < PARKED; i++)
        t[i] = start(yielder, &sum);
    for (int i = 0; i < PARKED; i++)
        finish(t[i]);
    CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - process >= sum);
    puts("yields");
    others();
    return 0;
}
