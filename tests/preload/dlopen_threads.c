// dlopen, dlsym and dlclose in threads: a library with thread-local data, dynamic and static, seen by threads that
// were there before it came.  Static data (initial-exec) are looked at by later threads only: initialising them in
// vthreads that already live is not done yet (docs/compatibility.md).
#include "check.h"
#include <dlfcn.h>
#include <math.h>
#include <semaphore.h>
#include <stdlib.h>

typedef int bump_fn(int by);

static char path[4096];
static bump_fn *bump;
static sem_t loaded, ready;

static void *use_twice(void *arg)
{
    int by = (int)(long)arg;
    CHECK_EQ(bump(by), (1234 + by) * 10 + 1);
    sched_yield();
    CHECK_EQ(bump(by), (1234 + 2 * by) * 10 + 2);
    return NULL;
}

static void *born_before(void *arg)
{
    sem_post(&ready);
    sem_wait(&loaded);
    return use_twice(arg);
}

static void *load_libm(void *arg)
{
    for (int i = 0; i < 20; i++) {
        void *lib = dlopen("libm.so.6", RTLD_LAZY | (i % 2 ? RTLD_LOCAL : RTLD_GLOBAL));
        CHECK(lib != NULL);
        double (*fn)(double) = (double (*)(double))dlsym(lib, "cbrt");
        CHECK(fn != NULL && fabs(fn(27.0) - 3.0) < 1e-12);
        CHECK(dlsym(lib, "no_such_name") == NULL);
        CHECK(dlerror() != NULL && dlerror() == NULL); // a thread's own
        sched_yield();
        CHECK_EQ(dlclose(lib), 0);
    }
    return arg;
}

static void *load_plugin(void *arg)
{
    for (int i = 0; i < 20; i++) {
        void *lib = dlopen(path, RTLD_NOW);
        CHECK(lib != NULL);
        bump_fn *fn = (bump_fn *)dlsym(lib, "plugin_bump");
        CHECK(fn != NULL);
        fn(1);
        CHECK_EQ(dlclose(lib), 0);
    }
    return arg;
}

static void with_plugin(const char *dir, const char *name, int early)
{
    enum { N = 50 };
    pthread_t before[N], after[N];
    snprintf(path, sizeof path, "%.*s/%s.so", 4000, dir, name);
    for (long i = 0; i < early; i++)
        before[i] = start(born_before, (void *)i);
    for (int i = 0; i < early; i++)
        sem_wait(&ready);
    void *lib = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    CHECK(lib != NULL);
    CHECK((bump = (bump_fn *)dlsym(lib, "plugin_bump")) != NULL);
    for (int i = 0; i < early; i++)
        sem_post(&loaded);
    for (long i = 0; i < N; i++)
        after[i] = start(use_twice, (void *)i);
    for (int i = 0; i < early; i++)
        finish(before[i]);
    for (int i = 0; i < N; i++)
        finish(after[i]);
    CHECK_EQ(bump(1), 12351);
    CHECK_EQ(dlclose(lib), 0);

    for (int i = 0; i < N; i++)
        before[i] = start(i % 2 ? load_libm : load_plugin, NULL);
    for (int i = 0; i < N; i++)
        finish(before[i]);
    puts(name);
}

int main(void)
{
    static char dir[4096];
    CHECK(readlink("/proc/self/exe", dir, sizeof dir - 1) > 0);
    *strrchr(dir, '/') = 0;
    sem_init(&loaded, 0, 0);
    sem_init(&ready, 0, 0);
    with_plugin(dir, "plugin-global-dynamic", 50);
    with_plugin(dir, "plugin-initial-exec", 0);
    CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
    return 0;
}
