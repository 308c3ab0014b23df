// Thread attributes.
#include "suite.h"
#include <limits.h>

static pthread_attr_t a;
static char something[1];
static void fresh(void) { CHECK_EQ(pthread_attr_init(&a), 0); }

// pthread_attr_init: "default values for all of the individual attributes"; pthread_attr_getdetachstate: PTHREAD_CREATE_JOINABLE.
CASE(default_detachstate)
{
    int v = -1;
    fresh();
    CHECK_EQ(pthread_attr_getdetachstate(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_CREATE_JOINABLE);
}
CASE(default_scheduling)
{
    struct sched_param p = {.sched_priority = -1};
    int v = -1;
    fresh();
    CHECK_EQ(pthread_attr_getinheritsched(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_INHERIT_SCHED);
    CHECK_EQ(pthread_attr_getschedpolicy(&a, &v), 0);
    CHECK_EQ(v, SCHED_OTHER);
    CHECK_EQ(pthread_attr_getschedparam(&a, &p), 0);
    CHECK_EQ(p.sched_priority, 0);
    CHECK_EQ(pthread_attr_getscope(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_SCOPE_SYSTEM);
}
CASE(default_sizes)
{
    size_t size = 0, guard = 0;
    fresh();
    CHECK_EQ(pthread_attr_getstacksize(&a, &size), 0);
    CHECK(size >= (size_t)PTHREAD_STACK_MIN);
    CHECK_EQ(pthread_attr_getguardsize(&a, &guard), 0);
    CHECK_EQ(guard, sysconf(_SC_PAGESIZE)); // "The default value of the guardsize attribute is {PAGESIZE} bytes."
}
#define PAIR(name, what, good, bad, error)                                                         \
    CASE(name)                                                                                     \
    {                                                                                              \
        int v = -1;                                                                                \
        fresh();                                                                                   \
        CHECK_EQ(pthread_attr_set##what(&a, good), 0);                                             \
        CHECK_EQ(pthread_attr_get##what(&a, &v), 0);                                               \
        CHECK_EQ(v, good);                                                                         \
        CHECK_EQ(pthread_attr_set##what(&a, bad), error);                                          \
    }
// pthread_attr_set*: [EINVAL] "The value ... is not valid", [ENOTSUP] for the scope.
PAIR(detachstate, detachstate, PTHREAD_CREATE_DETACHED, 4711, EINVAL)
PAIR(inheritsched, inheritsched, PTHREAD_EXPLICIT_SCHED, 4711, EINVAL)
PAIR(schedpolicy_fifo, schedpolicy, SCHED_FIFO, 4711, EINVAL)
PAIR(schedpolicy_rr, schedpolicy, SCHED_RR, -1, EINVAL)
PAIR(scope, scope, PTHREAD_SCOPE_SYSTEM, PTHREAD_SCOPE_PROCESS, ENOTSUP)
CASE(schedparam)
{
    struct sched_param p = {.sched_priority = 5}, q = {0};
    fresh();
    CHECK_EQ(pthread_attr_setschedpolicy(&a, SCHED_FIFO), 0);
    CHECK_EQ(pthread_attr_setschedparam(&a, &p), 0);
    CHECK_EQ(pthread_attr_getschedparam(&a, &q), 0);
    CHECK_EQ(q.sched_priority, 5);
    p.sched_priority = 1000;
    CHECK_EQ(pthread_attr_setschedparam(&a, &p), EINVAL);
}
// pthread_attr_setstacksize: [EINVAL] "The value of stacksize is less than {PTHREAD_STACK_MIN}".
CASE(stacksize)
{
    size_t v = 0;
    fresh();
    CHECK_EQ(pthread_attr_setstacksize(&a, 262144), 0);
    CHECK_EQ(pthread_attr_getstacksize(&a, &v), 0);
    CHECK_EQ(v, 262144);
    CHECK_EQ(pthread_attr_setstacksize(&a, 100), EINVAL);
    CHECK_EQ(pthread_attr_setstacksize(&a, (size_t)PTHREAD_STACK_MIN), 0);
}
CASE(guardsize)
{
    size_t v = 1;
    fresh();
    CHECK_EQ(pthread_attr_setguardsize(&a, 0), 0);
    CHECK_EQ(pthread_attr_getguardsize(&a, &v), 0);
    CHECK_EQ(v, 0);
    CHECK_EQ(pthread_attr_setguardsize(&a, 5000), 0); // "shall store ... the guardsize attribute specified by the previous call"
    CHECK_EQ(pthread_attr_getguardsize(&a, &v), 0);
    CHECK_EQ(v, 5000);
}
static void *nothing(void *arg) { return arg; }
// pthread_attr_setstack: the thread runs on the storage that it is given.
static char *base;
static void *where(void *arg)
{
    char here;
    (void)arg;
    return (void *)(long)(&here > base && &here < base + 262144);
}
CASE(stack)
{
    pthread_t t;
    void *got = NULL;
    size_t n = 0;
    fresh();
    base = mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base != MAP_FAILED);
    CHECK_EQ(pthread_attr_setstack(&a, base, 262144), 0);
    CHECK_EQ(pthread_attr_getstack(&a, &got, &n), 0);
    CHECK(got == base && n == 262144);
    CHECK_EQ(pthread_create(&t, &a, where, NULL), 0);
    CHECK_EQ((long)finish(t), 1);
    CHECK_EQ(pthread_create(&t, &a, where, NULL), 0); // and again after that one has ended
    CHECK_EQ((long)finish(t), 1);
    CHECK_EQ(munmap(base, 262144), 0);
    CHECK_EQ(pthread_attr_setstack(&a, something, 100), EINVAL);
}
// pthread_create: "attr ... may be modified later": the thread is not affected, and one object serves many threads.
CASE(attr_changed_after_create)
{
    pthread_t t, u;
    fresh();
    CHECK_EQ(pthread_create(&t, &a, nothing, something), 0);
    CHECK_EQ(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_create(&u, &a, nothing, something), 0);
    CHECK_EQ(pthread_attr_destroy(&a), 0);
    CHECK(finish(t) == something);
}
// pthread_create with PTHREAD_CREATE_DETACHED: joining is [EINVAL].
static atomic_int go, in;
static void *wait_go(void *arg)
{
    atomic_store(&in, 1);
    until(&go);
    return arg;
}
CASE(created_detached)
{
    pthread_t t;
    atomic_store(&go, 0);
    fresh();
    CHECK_EQ(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_create(&t, &a, wait_go, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), EINVAL);
    CHECK_EQ(pthread_detach(t), EINVAL);
    atomic_store(&go, 1);
}
// pthread_getattr_np(3): the attributes of a thread that runs.
static void *own_attr(void *arg)
{
    pthread_attr_t mine;
    size_t n = 0, guard = 0;
    void *low = NULL;
    int d = -1;
    char here;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &mine), 0);
    CHECK_EQ(pthread_attr_getstack(&mine, &low, &n), 0);
    CHECK((char *)low < &here && &here < (char *)low + n);
    CHECK(n >= 524288 - 65536 && n <= 524288 + 65536);
    CHECK_EQ(pthread_attr_getguardsize(&mine, &guard), 0);
    CHECK_EQ(guard, 8192);
    CHECK_EQ(pthread_attr_getdetachstate(&mine, &d), 0);
    CHECK_EQ(d, PTHREAD_CREATE_JOINABLE);
    CHECK_EQ(pthread_attr_destroy(&mine), 0);
    return arg;
}
CASE(getattr_np_self)
{
    pthread_t t;
    fresh();
    CHECK_EQ(pthread_attr_setstacksize(&a, 524288), 0);
    CHECK_EQ(pthread_attr_setguardsize(&a, 8192), 0);
    CHECK_EQ(pthread_create(&t, &a, own_attr, something), 0);
    CHECK(finish(t) == something);
}
CASE(getattr_np_other_detached)
{
    pthread_attr_t got;
    pthread_t t;
    int d = -1;
    atomic_store(&go, 0);
    atomic_store(&in, 0);
    fresh();
    CHECK_EQ(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_create(&t, &a, wait_go, NULL), 0);
    until(&in);
    CHECK_EQ(pthread_getattr_np(t, &got), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&got, &d), 0);
    CHECK_EQ(d, PTHREAD_CREATE_DETACHED);
    atomic_store(&go, 1);
}
// The main thread's stack holds its locals.
CASE(getattr_np_main)
{
    pthread_attr_t got;
    void *low;
    size_t n;
    char here;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &got), 0);
    CHECK_EQ(pthread_attr_getstack(&got, &low, &n), 0);
    CHECK((char *)low < &here && &here < (char *)low + n);
}
// pthread_attr_setsigmask_np(3): "the new thread's signal mask".
static void *has_usr1(void *arg)
{
    sigset_t now;
    (void)arg;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    return (void *)(long)(sigismember(&now, SIGUSR1) * 10 + sigismember(&now, SIGUSR2));
}
CASE(sigmask_np)
{
    sigset_t set, got;
    pthread_t t;
    fresh();
    CHECK_EQ(pthread_attr_getsigmask_np(&a, &got), PTHREAD_ATTR_NO_SIGMASK_NP);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_attr_setsigmask_np(&a, &set), 0);
    CHECK_EQ(pthread_attr_getsigmask_np(&a, &got), 0);
    CHECK(sigismember(&got, SIGUSR1) && !sigismember(&got, SIGUSR2));
    CHECK_EQ(pthread_create(&t, &a, has_usr1, NULL), 0);
    CHECK_EQ((long)finish(t), 10);
}
// pthread_setattr_default_np(3): "the default attributes for threads that are created with attr NULL".
static void *stack_size(void *arg)
{
    pthread_attr_t mine;
    size_t n;
    (void)arg;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &mine), 0);
    CHECK_EQ(pthread_attr_getstacksize(&mine, &n), 0);
    return (void *)(long)(n >= 393216 - 65536 && n <= 393216 + 65536);
}
LONE(setattr_default_np)
{
    size_t n = 0;
    fresh();
    CHECK_EQ(pthread_attr_setstacksize(&a, 393216), 0);
    CHECK_EQ(pthread_setattr_default_np(&a), 0);
    CHECK_EQ(pthread_getattr_default_np(&a), 0);
    CHECK_EQ(pthread_attr_getstacksize(&a, &n), 0);
    CHECK_EQ(n, 393216);
    CHECK_EQ((long)finish(start(stack_size, NULL)), 1);
}
// A stack of PTHREAD_STACK_MIN is enough for a thread that does little.
CASE(stack_min_runs)
{
    pthread_t t;
    fresh();
    CHECK_EQ(pthread_attr_setstacksize(&a, (size_t)PTHREAD_STACK_MIN), 0);
    CHECK_EQ(pthread_create(&t, &a, nothing, something), 0);
    CHECK(finish(t) == something);
}
// No guard at all.
CASE(no_guard_runs)
{
    pthread_t t;
    fresh();
    CHECK_EQ(pthread_attr_setguardsize(&a, 0), 0);
    CHECK_EQ(pthread_create(&t, &a, nothing, something), 0);
    CHECK(finish(t) == something);
}
