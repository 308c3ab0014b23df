// Mutexes: attributes and protocols.
#include "mutex.h"

// pthread_mutexattr_*: defaults and what was set is got.
CASE(attr_defaults)
{
    pthread_mutexattr_t a;
    int v;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_gettype(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_MUTEX_DEFAULT);
    CHECK_EQ(pthread_mutexattr_getpshared(&a, &v), 0); // "the default value ... shall be PTHREAD_PROCESS_PRIVATE"
    CHECK_EQ(v, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_mutexattr_getrobust(&a, &v), 0); // "the default value ... is PTHREAD_MUTEX_STALLED"
    CHECK_EQ(v, PTHREAD_MUTEX_STALLED);
    CHECK_EQ(pthread_mutexattr_getprotocol(&a, &v), 0); // "the default value ... shall be PTHREAD_PRIO_NONE"
    CHECK_EQ(v, PTHREAD_PRIO_NONE);
}

#define ATTR_PAIR(name, what, good, bad)                                                            \
    CASE(attr_##name)                                                                              \
    {                                                                                              \
        pthread_mutexattr_t a;                                                                     \
        int v = -1;                                                                                \
        CHECK_EQ(pthread_mutexattr_init(&a), 0);                                                   \
        CHECK_EQ(pthread_mutexattr_set##what(&a, good), 0);                                        \
        CHECK_EQ(pthread_mutexattr_get##what(&a, &v), 0);                                          \
        CHECK_EQ(v, good);                                                                         \
        CHECK_EQ(pthread_mutexattr_set##what(&a, bad), EINVAL);                                    \
        CHECK_EQ(pthread_mutexattr_destroy(&a), 0);                                                \
    }
// pthread_mutexattr_settype, setpshared, setrobust, setprotocol: [EINVAL] "The value ... is invalid".
ATTR_PAIR(type_recursive, type, PTHREAD_MUTEX_RECURSIVE, 4711)
ATTR_PAIR(type_errorcheck, type, PTHREAD_MUTEX_ERRORCHECK, -1)
ATTR_PAIR(pshared, pshared, PTHREAD_PROCESS_SHARED, 4711)
ATTR_PAIR(robust, robust, PTHREAD_MUTEX_ROBUST, 4711)
ATTR_PAIR(protocol_inherit, protocol, PTHREAD_PRIO_INHERIT, 4711)
ATTR_PAIR(protocol_protect, protocol, PTHREAD_PRIO_PROTECT, 4711)

// pthread_mutexattr_setprioceiling: "The values of prioceiling are within the maximum range of priorities defined by SCHED_FIFO."
CASE(attr_prioceiling)
{
    pthread_mutexattr_t a;
    int v = -1;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setprioceiling(&a, sched_get_priority_max(SCHED_FIFO)), 0);
    CHECK_EQ(pthread_mutexattr_getprioceiling(&a, &v), 0);
    CHECK_EQ(v, sched_get_priority_max(SCHED_FIFO));
    CHECK_EQ(pthread_mutexattr_setprioceiling(&a, sched_get_priority_max(SCHED_FIFO) + 1), EINVAL);
}

// pthread_mutexattr_destroy: "a destroyed attr attributes object can be reinitialized"; mutexes made with it are not affected.
CASE(attr_destroyed_after_init)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_RECURSIVE);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
}

// --- Protocols ---

static pthread_mutex_t with_protocol(int protocol, int type)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&a, protocol), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    return m;
}

// pthread_mutexattr_setprotocol: PTHREAD_PRIO_INHERIT, with every type.
static pthread_mutex_t pi;
CASE(inherit_excludes)
{
    pi = with_protocol(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL);
    pthread_t t[3];
    plain_count = 0;
    for (int i = 0; i < 3; i++)
        t[i] = start(count_up, &pi);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
    CHECK_EQ(plain_count, 6000);
    CHECK_EQ(pthread_mutex_destroy(&pi), 0);
}
CASE(inherit_recursive_and_errorcheck)
{
    pi = with_protocol(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_RECURSIVE);
    CHECK_EQ(pthread_mutex_lock(&pi), 0);
    CHECK_EQ(pthread_mutex_lock(&pi), 0);
    CHECK_EQ(pthread_mutex_unlock(&pi), 0);
    CHECK_EQ(elsewhere(trylock_it, &pi), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&pi), 0);
    pi = with_protocol(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_lock(&pi), 0);
    CHECK_EQ(pthread_mutex_lock(&pi), EDEADLK);
    CHECK_EQ(elsewhere(unlock_it, &pi), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&pi), 0);
}
CASE(inherit_timedlock)
{
    pi = with_protocol(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL);
    CHECK_EQ(pthread_mutex_lock(&pi), 0);
    CHECK_EQ(elsewhere(timed, &pi), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&pi), 0);
}

// pthread_mutex_getprioceiling: "shall return the current priority ceiling of the mutex"; [EINVAL] without PRIO_PROTECT.
CASE(getprioceiling)
{
    pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER, p;
    pthread_mutexattr_t a;
    int v = -1;
    CHECK_EQ(pthread_mutex_getprioceiling(&n, &v), EINVAL);
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT), 0);
    CHECK_EQ(pthread_mutexattr_setprioceiling(&a, 5), 0);
    CHECK_EQ(pthread_mutex_init(&p, &a), 0);
    CHECK_EQ(pthread_mutex_getprioceiling(&p, &v), 0);
    CHECK_EQ(v, 5);
}
