// dlopen, dlsym and dlclose in threads: a library with thread-local data, dynamic and static, seen by threads that
// were there before it came; libraries that start threads when they are loaded; names found by the caller's RUNPATH.
#include "check.h"
#include <dlfcn.h>
#include <math.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>

typedef int bump_fn(int by);

static char dir[4000], path[4096];
static bump_fn *bump;
static sem_t loaded, ready;
static int stop;

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

// Does not wait: it is on a CPU, or wants to be, when the library comes.
static void *busy_before(void *arg)
{
    sem_post(&ready);
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        sched_yield();
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

static void *open_plugin(const char *name, int flags)
{
    snprintf(path, sizeof path, "%s/%s.so", dir, name);
    void *lib = dlopen(path, RTLD_NOW | flags);
    if (lib == NULL)
        dprintf(2, "%s\n", dlerror());
    CHECK(lib != NULL);
    return lib;
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

static void *bump_once(void *arg)
{
    CHECK_EQ(bump(1), 12351);
    return arg;
}

static void with_plugin(const char *name)
{
    enum { N = 50 };
    pthread_t before[N], after[N];
    stop = 0;
    for (long i = 0; i < N; i++)
        before[i] = start(i % 10 ? born_before : busy_before, (void *)i);
    for (int i = 0; i < N; i++)
        sem_wait(&ready);
    void *lib = open_plugin(name, RTLD_DEEPBIND);
    CHECK((bump = (bump_fn *)dlsym(lib, "plugin_bump")) != NULL);
    CHECK_EQ(((int (*)(void))dlsym(lib, "plugin_at_load"))(), 12340);
    // Its calls are the program's in spite of RTLD_DEEPBIND (which finds the same as long as nothing is preloaded).
    CHECK(((void *(*)(void))dlsym(lib, "plugin_sleep"))() == dlsym(RTLD_DEFAULT, "sleep"));
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < N; i++)
        sem_post(&loaded);
    for (long i = 0; i < N; i++)
        after[i] = start(use_twice, (void *)i);
    for (int i = 0; i < N; i++) {
        finish(before[i]);
        finish(after[i]);
    }
    while (sem_trywait(&loaded) == 0)
        ;
    CHECK_EQ(bump(1), 12351);
    CHECK_EQ(dlclose(lib), 0);

    for (int i = 0; i < N; i++)
        before[i] = start(i % 2 ? load_libm : load_plugin, NULL);
    for (int i = 0; i < N; i++)
        finish(before[i]);
    puts(name);
}

// Threads come and go while a library does.
static void *create_threads(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        finish(start(create_threads, arg)); // ends when the library is there
    return bump_once(arg);
}

static void while_created(const char *name)
{
    enum { N = 4, ROUNDS = 30 };
    pthread_t t[N];
    for (int round = 0; round < ROUNDS; round++) {
        stop = 0;
        for (int i = 0; i < N; i++)
            t[i] = start(create_threads, NULL);
        void *lib = open_plugin(name, 0);
        CHECK((bump = (bump_fn *)dlsym(lib, "plugin_bump")) != NULL);
        __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < N; i++)
            finish(t[i]);
        CHECK_EQ(dlclose(lib), 0);
    }
    puts("created meanwhile");
}

static void *load_starter(void *arg)
{
    void *lib = open_plugin("plugin-starter", 0);
    CHECK_EQ(((long (*)(void))dlsym(lib, "starter_sum"))(), 8 * 77 + 28);
    if (arg)
        CHECK_EQ(((long (*)(void))dlsym(lib, "starter_stop"))(), 83);
    return lib;
}

static void starters(void)
{
    enum { N = 10 };
    pthread_t t[N];
    void *lib = NULL;
    for (int i = 0; i < N; i++)
        t[i] = start(load_starter, NULL);
    for (int i = 0; i < N; i++)
        lib = finish(t[i]);
    for (int i = 1; i < N; i++) // not before all have it: its thread runs in it
        CHECK_EQ(dlclose(lib), 0);
    CHECK_EQ(((long (*)(void))dlsym(lib, "starter_stop"))(), 83);
    CHECK_EQ(dlclose(lib), 0);
    puts("starters");
}

static void *by_runpath(void *arg)
{
    void *loader = arg;
    void *(*open)(const char *) = (void *(*)(const char *))dlsym(loader, "loader_open");
    void *lib = open("plugin-by-name.so");
    CHECK(lib != NULL);
    CHECK_EQ(((int (*)(void))dlsym(lib, "plugin_at_load"))(), 12340);
    CHECK_EQ(dlclose(lib), 0);
    return NULL;
}

static void *in_namespace(void *arg)
{
    void *lib = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
    Lmid_t id = LM_ID_BASE;
    CHECK(lib != NULL);
    CHECK_EQ(dlinfo(lib, RTLD_DI_LMID, &id), 0);
    CHECK(id != LM_ID_BASE);
    CHECK_EQ(dlclose(lib), 0);
    return arg;
}

static void runpaths(void)
{
    enum { N = 8 };
    pthread_t t[N];
    void *loader = open_plugin("plugin-loader", 0);
    CHECK(dlopen("plugin-by-name.so", RTLD_NOW) == NULL); // not by the program's
    CHECK(dlerror() != NULL);
    for (int i = 0; i < N; i++)
        t[i] = start(by_runpath, loader);
    for (int i = 0; i < N; i++)
        finish(t[i]);
    CHECK_EQ(dlclose(loader), 0);
    finish(start(in_namespace, NULL));
    puts("runpath");
}

static void *fork_and_load(void *arg)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        // Before the child has threads, and while it has.
        if (arg) {
            void *lib = open_plugin("plugin-initial-exec", 0);
            CHECK((bump = (bump_fn *)dlsym(lib, "plugin_bump")) != NULL);
            CHECK_EQ(bump(1), 12351);
            for (int i = 0; i < 20; i++)
                finish(start(bump_once, NULL));
            load_starter(arg);
        } else {
            load_starter("alone");
            with_plugin("plugin-initial-exec");
        }
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return NULL;
}

int main(void)
{
    CHECK(readlink("/proc/self/exe", dir, sizeof dir - 1) > 0);
    *strrchr(dir, '/') = 0;
    sem_init(&loaded, 0, 0);
    sem_init(&ready, 0, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    // An error waits to be asked for, whatever else is called meanwhile.
    CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
    usleep(0);
    CHECK_ERRNO(close(-1), EBADF);
    CHECK(dlerror() != NULL);
    // The first threads of all are a constructor's.
    CHECK_EQ(dlclose(load_starter("alone")), 0);
    with_plugin("plugin-global-dynamic");
    with_plugin("plugin-initial-exec");
    while_created("plugin-initial-exec");
    starters();
    runpaths();
    finish(start(fork_and_load, NULL));
    finish(start(fork_and_load, "before"));
    fork_and_load(NULL);
    return 0;
}
