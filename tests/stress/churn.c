// 4 threads make short ones, joined or detached, with yields: churn [TOTAL]
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAKERS 4
#define CHECK(cond)                                                                                      \
    do {                                                                                                 \
        if (!(cond)) {                                                                                   \
            dprintf(2, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                                \
            _exit(1);                                                                                    \
        }                                                                                                \
    } while (0)

static long each;
static atomic_long joined_ran, detached_ran;
static _Thread_local long mine;
static _Thread_local char zero[500];
static sem_t room; // for detached threads: as many as that at a time

static void touch(long n)
{
    CHECK(mine == 0 && zero[n % 500] == 0); // fresh, whoever had this memory before
    mine = n;
    memset(zero, 1, sizeof zero);
    if (n % 3)
        sched_yield();
    CHECK(mine == n);
}

static void *joined(void *arg)
{
    touch((long)arg);
    atomic_fetch_add(&joined_ran, 1);
    return arg;
}

static void *detached(void *arg)
{
    touch((long)arg);
    atomic_fetch_add(&detached_ran, 1);
    CHECK(sem_post(&room) == 0);
    return NULL;
}

static void *make(void *arg)
{
    pthread_t t[8];
    for (long n = 1; n <= each;) {
        int k = 0;
        for (; k < 8 && n <= each; n++) {
            if (n % 2) {
                CHECK(pthread_create(&t[k++], NULL, joined, (void *)n) == 0);
            } else {
                pthread_t d;
                while (sem_wait(&room) != 0)
                    ;
                CHECK(pthread_create(&d, NULL, detached, (void *)n) == 0);
                CHECK(pthread_detach(d) == 0);
            }
            if (n % 5 == 0)
                sched_yield();
        }
        for (int i = 0; i < k; i++) {
            void *r;
            CHECK(pthread_join(t[i], &r) == 0 && r != NULL);
        }
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t t[MAKERS];
    each = (argc > 1 ? atol(argv[1]) : 200000) / MAKERS;
    CHECK(sem_init(&room, 0, 64) == 0);
    for (int i = 0; i < MAKERS; i++)
        CHECK(pthread_create(&t[i], NULL, make, NULL) == 0);
    for (int i = 0; i < MAKERS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < 64; i++) // the last detached ones
        while (sem_wait(&room) != 0)
            ;
    CHECK(joined_ran + detached_ran == each * MAKERS);
    printf("churn: %ld joined, %ld detached\n", (long)joined_ran, (long)detached_ran);
    return 0;
}
