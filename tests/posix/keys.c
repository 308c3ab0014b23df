// Thread-specific data.
#include "suite.h"
#include <limits.h>

static pthread_key_t k, k2;
static atomic_int calls;
static char trace[64];

static void *value_of(void *arg) { (void)arg; return pthread_getspecific(k); }

// pthread_key_create: "Upon key creation, the value NULL shall be associated with the new key in all active threads. Upon thread
// creation, the value NULL shall be associated with all defined keys in the new thread."
CASE(null_at_first)
{
    CHECK_EQ(pthread_key_create(&k, NULL), 0);
    CHECK(pthread_getspecific(k) == NULL);
    CHECK_EQ(pthread_setspecific(k, &k), 0);
    CHECK(finish(start(value_of, NULL)) == NULL);
    CHECK(pthread_getspecific(k) == &k);
    CHECK_EQ(pthread_key_delete(k), 0);
}
// The same for a key that takes a deleted one's place.
CASE(null_after_reuse)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_key_create(&k, NULL), 0);
        CHECK(pthread_getspecific(k) == NULL);
        CHECK_EQ(pthread_setspecific(k, &k), 0);
        CHECK_EQ(pthread_key_delete(k), 0);
    }
}
// pthread_key_create: "At thread exit, if a key value has a non-NULL destructor pointer, and the thread has a non-NULL value
// associated with that key, the value of the key is set to NULL, and then the function pointed to is called with the
// previously associated value as its sole argument."
static void check_null(void *v)
{
    CHECK(v == &calls);
    CHECK(pthread_getspecific(k) == NULL);
    atomic_fetch_add(&calls, 1);
}
static void *set_calls(void *how)
{
    CHECK_EQ(pthread_setspecific(k, &calls), 0);
    if (how == (void *)1)
        pthread_exit(NULL);
    if (how == (void *)2) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    return NULL;
}
static void ended_by(long how)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k, check_null), 0);
    finish(start(set_calls, (void *)how));
    CHECK_EQ(atomic_load(&calls), 1);
    CHECK_EQ(pthread_key_delete(k), 0);
}
CASE(destructor_after_return) { ended_by(0); }
CASE(destructor_after_pthread_exit) { ended_by(1); }
CASE(destructor_after_cancel) { ended_by(2); }
// No call for a NULL value.
static void *set_null(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_setspecific(k, &calls), 0);
    CHECK_EQ(pthread_setspecific(k, NULL), 0);
    return NULL;
}
CASE(no_destructor_for_null)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k, check_null), 0);
    finish(start(set_null, NULL));
    CHECK_EQ(atomic_load(&calls), 0);
    CHECK_EQ(pthread_key_delete(k), 0);
}
// pthread_key_create: "If, after all the destructors have been called ..., there are still some non-NULL values with associated
// destructors, then the process is repeated."
static void again(void *v)
{
    long n = (long)v;
    atomic_fetch_add(&calls, 1);
    if (n > 1)
        CHECK_EQ(pthread_setspecific(k, (void *)(n - 1)), 0);
}
static void *set_n(void *arg)
{
    CHECK_EQ(pthread_setspecific(k, arg), 0);
    return NULL;
}
CASE(destructors_are_repeated)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k, again), 0);
    finish(start(set_n, (void *)3));
    CHECK_EQ(atomic_load(&calls), 3);
    CHECK_EQ(pthread_key_delete(k), 0);
}
// "at least {PTHREAD_DESTRUCTOR_ITERATIONS} iterations"; glibc stops then.
CASE(destructor_iterations)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k, again), 0);
    finish(start(set_n, (void *)100));
    CHECK_EQ(atomic_load(&calls), PTHREAD_DESTRUCTOR_ITERATIONS);
    CHECK_EQ(pthread_key_delete(k), 0);
}
// A destructor that sets another key's value has that destroyed too.
static void second(void *v) { CHECK(v == &k2); atomic_fetch_add(&calls, 10); }
static void first(void *v) { (void)v; atomic_fetch_add(&calls, 1); CHECK_EQ(pthread_setspecific(k2, &k2), 0); }
CASE(destructor_sets_another_key)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k2, second), 0);
    CHECK_EQ(pthread_key_create(&k, first), 0);
    finish(start(set_n, (void *)1));
    CHECK_EQ(atomic_load(&calls), 11);
    CHECK_EQ(pthread_key_delete(k), 0);
    CHECK_EQ(pthread_key_delete(k2), 0);
}
// pthread_key_delete: "no destructor functions shall be invoked by pthread_key_delete()", nor at the thread's end.
static void *set_and_delete(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_setspecific(k, &calls), 0);
    CHECK_EQ(pthread_key_delete(k), 0);
    return NULL;
}
CASE(no_destructor_for_deleted_key)
{
    atomic_store(&calls, 0);
    CHECK_EQ(pthread_key_create(&k, check_null), 0);
    finish(start(set_and_delete, NULL));
    CHECK_EQ(atomic_load(&calls), 0);
}
// pthread_key_delete: [EINVAL] "The key value is invalid"; pthread_setspecific too.
CASE(invalid_key)
{
    CHECK_EQ(pthread_key_create(&k, NULL), 0);
    CHECK_EQ(pthread_key_delete(k), 0);
    CHECK_EQ(pthread_key_delete(k), EINVAL);
    CHECK_EQ(pthread_setspecific(k, &k), EINVAL);
    CHECK(pthread_getspecific(k) == NULL);
    CHECK_EQ(pthread_key_delete((pthread_key_t)PTHREAD_KEYS_MAX + 5), EINVAL);
}
// pthread_key_create: [EAGAIN] "the system-imposed limit on the total number of keys per process {PTHREAD_KEYS_MAX} has been exceeded".
static pthread_key_t all[PTHREAD_KEYS_MAX];
CASE(keys_max)
{
    int n = 0, r = 0;
    while (n < PTHREAD_KEYS_MAX && (r = pthread_key_create(&all[n], NULL)) == 0)
        n++;
    if (n == PTHREAD_KEYS_MAX)
        r = pthread_key_create(&k, NULL);
    CHECK_EQ(r, EAGAIN);
    CHECK(n > PTHREAD_KEYS_MAX - 16);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_key_delete(all[i]), 0);
}
// Many keys, each thread its own values, all destroyed.
static pthread_key_t some[100];
static void add(void *v) { atomic_fetch_add(&calls, (int)(long)v); }
static void *use_all(void *arg)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(pthread_setspecific(some[i], (void *)((long)arg + i)), 0);
    sched_yield();
    for (int i = 0; i < 100; i++)
        CHECK_EQ((long)pthread_getspecific(some[i]), (long)arg + i);
    return NULL;
}
CASE(hundred_keys)
{
    pthread_t t[4];
    atomic_store(&calls, 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(pthread_key_create(&some[i], add), 0);
    for (long i = 0; i < 4; i++)
        t[i] = start(use_all, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    CHECK_EQ(atomic_load(&calls), 4 * 4950 + 100 * 10);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(pthread_key_delete(some[i]), 0);
}
// pthread_exit: cleanup handlers "shall be popped ... and then executed. After all cancellation cleanup handlers have been executed,
// if the thread has any thread-specific data, appropriate destructor functions shall be called".
static void note_cleanup(void *arg) { (void)arg; strcat(trace, "c"); }
static void note_key(void *v) { (void)v; strcat(trace, "k"); }
static void *both(void *arg)
{
    CHECK_EQ(pthread_setspecific(k, trace), 0);
    pthread_cleanup_push(note_cleanup, NULL);
    if (!arg)
        pthread_exit(NULL);
    pthread_cleanup_pop(1);
    return NULL;
}
CASE(destructors_after_cleanup_handlers)
{
    CHECK_EQ(pthread_key_create(&k, note_key), 0);
    finish(start(both, NULL));
    CHECK(strcmp(trace, "ck") == 0);
    CHECK_EQ(pthread_key_delete(k), 0);
}
