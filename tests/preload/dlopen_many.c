// A library with static thread-local data comes while 10,000 threads exist: parked, running, and created meanwhile.
#include "check.h"
#include <dlfcn.h>
#include <stdlib.h>

enum { N = 10000, LATE = 200 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER, go = PTHREAD_COND_INITIALIZER;
static int waiting, open_now;
static int (*bump)(int);
static pthread_attr_t small;

static void *early(void *arg)
{
    int by = (int)(long)arg;
    pthread_mutex_lock(&lock);
    if (++waiting == N)
        pthread_cond_signal(&arrived);
    while (!open_now)
        pthread_cond_wait(&go, &lock);
    pthread_mutex_unlock(&lock);
    CHECK_EQ(bump(by), (1234 + by) * 10 + 1);
    CHECK_EQ(bump(by), (1234 + 2 * by) * 10 + 2);
    return NULL;
}

static void *create_late(void *arg)
{
    pthread_t t[LATE];
    for (int i = 0; i < LATE; i++)
        CHECK_EQ(pthread_create(&t[i], &small, early, arg), 0);
    for (int i = 0; i < LATE; i++)
        finish(t[i]);
    return NULL;
}

int main(void)
{
    static pthread_t t[N];
    static char path[4096];
    CHECK(readlink("/proc/self/exe", path, 4000) > 0);
    strcpy(strrchr(path, '/'), "/plugin-initial-exec.so");
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (long i = 0; i < N; i++)
        CHECK_EQ(pthread_create(&t[i], &small, early, (void *)(i % 1000)), 0);
    pthread_mutex_lock(&lock);
    while (waiting < N)
        pthread_cond_wait(&arrived, &lock);
    pthread_mutex_unlock(&lock);

    pthread_t creator = start(create_late, (void *)5);
    void *lib = dlopen(path, RTLD_NOW);
    CHECK(lib != NULL);
    CHECK_EQ(((int (*)(void))dlsym(lib, "plugin_at_load"))(), 12340);
    CHECK((bump = (int (*)(int))dlsym(lib, "plugin_bump")) != NULL);
    pthread_mutex_lock(&lock);
    open_now = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < N; i++)
        finish(t[i]);
    finish(creator);
    CHECK_EQ(bump(1), 12351);
    puts("ok");
    return 0;
}
