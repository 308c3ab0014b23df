// Attributes: stack sizes and places, guards, detach state; what pthread_getattr_np says of a running thread.
#include "check.h"
#include <limits.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

struct want {
    size_t size;
    void *own;
    size_t guard;
};

static sem_t done;

static void *look(void *arg)
{
    struct want *want = arg;
    pthread_attr_t attr;
    void *low;
    size_t size, guard;
    int state;
    char local = 0;

    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &low, &size), 0);
    CHECK_EQ(pthread_attr_getguardsize(&attr, &guard), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attr, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_JOINABLE);
    CHECK((char *)low < &local && &local < (char *)low + size);
    if (want->own) {
        CHECK_EQ(low, want->own);
        CHECK_EQ(size, want->size);
    } else {
        CHECK(size <= want->size && size + 65536 >= want->size - want->guard);
        CHECK_EQ(guard, want->guard);
    }
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    return NULL;
}

// Writes to the whole stack below this frame. The thread's own data may come out of what was asked for, but little.
static void *use_all(void *arg)
{
    struct want *want = arg;
    pthread_attr_t attr;
    void *low;
    size_t size;

    look(arg);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &low, &size), 0);
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    volatile char here = 0;
    CHECK((size_t)((char *)&here - (char *)low) >= want->size / 2);
    for (volatile char *p = &here - 256; p >= (char *)low; p -= 64)
        *p = 1;
    sched_yield();
    return NULL;
}

static void *announce(void *arg)
{
    (void)arg;
    int state;
    pthread_attr_t attr;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attr, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_DETACHED);
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    sem_post(&done);
    return NULL;
}

static void with_size(size_t size, size_t guard)
{
    pthread_attr_t attr;
    struct want want = {size, NULL, guard};
    pthread_t t;
    size_t got;
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, size), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attr, &got), 0);
    CHECK_EQ(got, size);
    CHECK_EQ(pthread_attr_setguardsize(&attr, guard), 0);
    CHECK_EQ(pthread_create(&t, &attr, use_all, &want), 0);
    finish(t);
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    printf("stack of %zu, guard %zu\n", size, guard);
}

static void with_own(size_t size)
{
    char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mem != MAP_FAILED);
    pthread_attr_t attr;
    struct want want = {size, mem, 0};
    pthread_t t;
    for (int i = 0; i < 20; i++) { // the same memory again and again
        CHECK_EQ(pthread_attr_init(&attr), 0);
        CHECK_EQ(pthread_attr_setstack(&attr, mem, size), 0);
        CHECK_EQ(pthread_create(&t, &attr, look, &want), 0);
        CHECK_EQ(pthread_attr_destroy(&attr), 0);
        finish(t);
    }
    // Nobody may look at it after the join.
    CHECK_EQ(munmap(mem, size), 0);
    printf("own stack of %zu\n", size);
}

int main(void)
{
    pthread_attr_t attr;
    size_t size, guard;
    int state;
    struct rlimit limit;
    CHECK_EQ(sem_init(&done, 0, 0), 0);

    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attr, &size), 0);
    CHECK_EQ(pthread_attr_getguardsize(&attr, &guard), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attr, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_JOINABLE);
    CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_cur != RLIM_INFINITY)
        CHECK_EQ(size, limit.rlim_cur);
    CHECK_EQ(pthread_attr_setstacksize(&attr, 100), EINVAL);
    CHECK_EQ(pthread_attr_setdetachstate(&attr, 77), EINVAL);
    struct want want = {size, NULL, guard};
    for (int i = 0; i < 3; i++)
        finish(start(look, &want));

    CHECK_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        CHECK_EQ(pthread_create(&t, &attr, announce, NULL), 0);
        sem_wait(&done);
    }
    CHECK_EQ(pthread_attr_destroy(&attr), 0);

    with_size(65536, 4096);
    with_size(81920, 4096);
    with_size(262144, 4096);
    with_size(262144, 65536);
    with_size(262144, 0);
    with_size(8 << 20, 4096);
    with_size(64 << 20, 4096);
    with_own(16384);
    with_own(65536);

    pthread_attr_t mine;
    void *low;
    char *local = (char *)&low;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &mine), 0);
    CHECK_EQ(pthread_attr_getstack(&mine, &low, &size), 0);
    CHECK((char *)low < local && local < (char *)low + size);
    CHECK_EQ(pthread_attr_destroy(&mine), 0);

    puts("main's stack is where it says");

    CHECK_EQ(pthread_attr_init(&mine), 0);
    CHECK_EQ(pthread_attr_setstacksize(&mine, 128 << 10), 0);
    CHECK_EQ(pthread_setattr_default_np(&mine), 0);
    CHECK_EQ(pthread_attr_destroy(&mine), 0);
    want.size = 128 << 10;
    finish(start(look, &want));
    puts("default changed");
    return 0;
}
