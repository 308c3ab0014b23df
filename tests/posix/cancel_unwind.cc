// Cancellation and pthread_exit through C++ frames: the Itanium C++ ABI's forced unwinding, as glibc and libstdc++ do it.
#include "suite.h"
#include <cxxabi.h>
#include <string>

static atomic_int destroyed, caught, in_wait;
static char trace[32];
struct Guard {
    const char *name;
    explicit Guard(const char *n) : name(n) {}
    ~Guard()
    {
        strcat(trace, name);
        destroyed++;
    }
};
static void reset()
{
    destroyed = caught = in_wait = 0;
    trace[0] = 0;
}
static void cleanup(void *arg) { strcat(trace, static_cast<const char *>(arg)); }

static void *blocked(void *)
{
    Guard a("a");
    std::string s(100, 'x');
    Guard b("b");
    in_wait = 1;
    for (;;)
        pause();
    return nullptr;
}
// Destructors of automatic objects run, the innermost first.
CASE(cancel_runs_destructors)
{
    reset();
    pthread_t t = start(blocked, nullptr);
    until(&in_wait);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK(strcmp(trace, "ba") == 0);
}
static void deep(int n)
{
    Guard g("");
    if (n == 0)
        pthread_exit(trace);
    if (n > 0)
        deep(n - 1);
    pthread_testcancel();
}
static void *deep_exit(void *)
{
    deep(99);
    return nullptr;
}
CASE(exit_from_depth_runs_destructors)
{
    reset();
    CHECK(finish(start(deep_exit, nullptr)) == trace);
    CHECK_EQ(destroyed, 100);
}
// catch (...) sees it and must rethrow; catch (abi::__forced_unwind &) too.
static void *catch_all(void *)
{
    try {
        in_wait = 1;
        for (;;)
            pause();
    } catch (...) {
        caught++;
        throw;
    }
}
static void *catch_forced(void *)
{
    Guard a("a");
    try {
        Guard b("b");
        pthread_exit(trace);
    } catch (abi::__forced_unwind &) {
        caught++;
        strcat(trace, "c");
        throw;
    }
}
CASE(catch_all_rethrows)
{
    reset();
    pthread_t t = start(catch_all, nullptr);
    until(&in_wait);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(caught, 1);
}
CASE(catch_forced_unwind)
{
    reset();
    CHECK(finish(start(catch_forced, nullptr)) == trace);
    CHECK(strcmp(trace, "bca") == 0);
}
// Cleanup handlers and destructors take their turns.
static void *both(void *)
{
    Guard a("a");
    pthread_cleanup_push(cleanup, const_cast<char *>("1"));
    Guard b("b");
    pthread_cleanup_push(cleanup, const_cast<char *>("2"));
    pthread_exit(nullptr);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return nullptr;
}
CASE(handlers_and_destructors_interleave)
{
    reset();
    finish(start(both, nullptr));
    CHECK(strcmp(trace, "2b1a") == 0);
}
// thread_local objects are destroyed at the end of a cancelled thread, and before the keys.
static pthread_key_t key;
static void key_gone(void *) { strcat(trace, "k"); }
static thread_local Guard tl("t");
static void *use_tl(void *)
{
    pthread_setspecific(key, trace);
    strcat(trace, tl.name[0] == 't' ? "" : "?");
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return nullptr;
}
CASE(thread_local_destroyed_then_keys)
{
    reset();
    CHECK_EQ(pthread_key_create(&key, key_gone), 0);
    CHECK(finish(start(use_tl, nullptr)) == PTHREAD_CANCELED);
    CHECK(strcmp(trace, "tk") == 0);
    CHECK_EQ(pthread_key_delete(key), 0);
}
// An ordinary exception in flight elsewhere is not disturbed.
static void *throw_and_catch(void *)
{
    for (int i = 0; i < 50; i++) {
        try {
            Guard g("");
            throw i;
        } catch (int n) {
            sched_yield();
            CHECK_EQ(n, i);
        }
    }
    return nullptr;
}
CASE(exceptions_beside_cancellations)
{
    reset();
    pthread_t t[6], u[6];
    for (int i = 0; i < 6; i++) {
        t[i] = start(throw_and_catch, nullptr);
        u[i] = start(deep_exit, nullptr);
    }
    for (int i = 0; i < 6; i++) {
        finish(t[i]);
        CHECK(finish(u[i]) == trace);
    }
}
