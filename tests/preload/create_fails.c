// Address space runs out at the N-th thread: pthread_create says EAGAIN, those before it are well, and nothing leaks.
#include "check.h"
#include <dirent.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MAX_THREADS 4096
#define STACK (8ul << 20)
#define SLACK 64 // stacks that an implementation may map at once

static sem_t go;
static pthread_attr_t attr;
static pthread_t threads[MAX_THREADS];

static void *park(void *arg)
{
    int here = 1;
    while (sem_wait(&go) != 0)
        CHECK_EQ(errno, EINTR);
    return here ? arg : NULL;
}

static void *nothing(void *arg) { return arg; }

// Makes threads until one fails; returns how many came before it. All are gone at the end.
static int until_failure(void)
{
    int n, error = 0;
    for (n = 0; n < MAX_THREADS; n++) {
        errno = 12345;
        error = pthread_create(&threads[n], &attr, park, (void *)(long)n);
        if (error)
            break;
    }
    CHECK_EQ(error, EAGAIN);
    for (int again = 0; again < 3; again++) { // no half-made thread is in the way of the next try
        pthread_t t;
        CHECK_EQ(pthread_create(&t, &attr, park, NULL), EAGAIN);
    }
    for (int i = 0; i < n; i++)
        CHECK_EQ(sem_post(&go), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ((long)finish(threads[i]), i);
    return n;
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static rlim_t address_space(void)
{
    unsigned long pages;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

int main(void)
{
    struct rlimit old, low;
    pthread_t t;
    int n[3], fds;

    CHECK_EQ(sem_init(&go, 0, 0), 0);
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, STACK), 0);
    CHECK_EQ(pthread_create(&t, &attr, nothing, &go), 0);
    CHECK(finish(t) == &go);

    fds = descriptors();
    CHECK_EQ(getrlimit(RLIMIT_AS, &old), 0);
    low = old;
    low.rlim_cur = address_space() + (1ul << 30);
    CHECK_EQ(setrlimit(RLIMIT_AS, &low), 0);
    for (int round = 0; round < 3; round++) {
        n[round] = until_failure();
        CHECK(n[round] >= 1);
        CHECK(n[round] >= n[0] - SLACK);
        // One at a time is possible always.
        for (int i = 0; i < 500; i++) {
            CHECK_EQ(pthread_create(&t, &attr, nothing, &go), 0);
            CHECK(finish(t) == &go);
        }
    }
    CHECK(n[2] >= n[1] - 1); // the address space is all in use by now
    puts("EAGAIN at some thread, each time as many");
    CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
    CHECK_EQ(descriptors(), fds);

    for (int i = 0; i < 300; i++)
        CHECK_EQ(pthread_create(&threads[i], &attr, park, (void *)(long)i), 0);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(sem_post(&go), 0);
    for (int i = 0; i < 300; i++)
        CHECK_EQ((long)finish(threads[i]), i);
    puts("300 without the limit");
    return 0;
}
