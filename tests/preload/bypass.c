// A library may reach libc's pthread_create past every preload, by RTLD_NEXT; such threads and their creators are threads
// like others.
#include "check.h"
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_int stop, ran;
static __thread volatile long mine;

static void *compute(void *arg)
{
    mine = (long)arg;
    while (!atomic_load(&stop))
        CHECK_EQ(mine, (long)arg);
    return NULL;
}

static void *native(void *arg)
{
    sigset_t old;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &old), 0);
    CHECK_EQ(sigismember(&old, SIGSEGV), 0);
    atomic_fetch_add(&ran, 1);
    return arg;
}

int main(void)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    pthread_t busy[4];

    CHECK(libc);
    *(void **)&create = dlsym(libc, "pthread_create");
    CHECK(create);
    for (long i = 0; i < 4; i++)
        busy[i] = start(compute, (void *)(i + 1));
    for (int i = 0; i < 400; i++) {
        pthread_t t;
        pthread_attr_t attr;
        CHECK_EQ(pthread_attr_init(&attr), 0);
        CHECK_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
        CHECK_EQ(create(&t, &attr, native, NULL), 0);
        CHECK_EQ(pthread_attr_destroy(&attr), 0);
        while (atomic_load(&ran) <= i)
            sched_yield();
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 4; i++)
        finish(busy[i]);
    printf("%d threads past us\n", atomic_load(&ran));
    return 0;
}
