// Thread ids: unique among the living, stable across blocking, the same by every way of asking; main's is the pid.
#include "check.h"
#include <stdlib.h>
#include <sys/syscall.h>

enum { THREADS = 300 };

static pthread_barrier_t all_here;
static pid_t ids[THREADS];

static void *work(void *arg)
{
    pid_t me = gettid();
    ids[(long)arg] = me;
    CHECK(me > 0 && me != getpid());
    pthread_barrier_wait(&all_here);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(gettid(), me);
        CHECK_EQ(syscall(SYS_gettid), me);
        CHECK_EQ(syscall(SYS_getpid), getpid());
        if (i % 10 == 0)
            usleep(10);
        else
            sched_yield();
    }
    pthread_barrier_wait(&all_here);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return *(const pid_t *)a - *(const pid_t *)b;
}

int main(void)
{
    pthread_t t[THREADS];
    CHECK_EQ(gettid(), getpid());
    CHECK_EQ(pthread_barrier_init(&all_here, NULL, THREADS), 0);
    for (long i = 0; i < THREADS; i++)
        t[i] = start(work, (void *)i);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(gettid(), getpid());
        CHECK_EQ(syscall(SYS_gettid), getpid());
        usleep(10);
    }
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    qsort(ids, THREADS, sizeof ids[0], compare);
    for (int i = 1; i < THREADS; i++)
        CHECK(ids[i - 1] < ids[i]);
    puts("unique and stable");
    return 0;
}
