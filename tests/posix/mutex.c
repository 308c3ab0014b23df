// Mutexes: types, attributes, errors, timed waits, robustness, protocols.
#include "suite.h"

static pthread_mutex_t made(int type)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&a), 0);
    return m;
}

static void *lock_it(void *m) { return (void *)(long)pthread_mutex_lock(m); }
static void *trylock_it(void *m) { return (void *)(long)pthread_mutex_trylock(m); }
static void *unlock_it(void *m) { return (void *)(long)pthread_mutex_unlock(m); }
static void *lock_unlock(void *m)
{
    long r = pthread_mutex_lock(m);
    return (void *)(r ? r : (long)pthread_mutex_unlock(m));
}
static long elsewhere(void *(*fn)(void *), void *arg) { return (long)finish(start(fn, arg)); }

// pthread_mutex_lock: "If the mutex type is PTHREAD_MUTEX_ERRORCHECK ... relock: error returned" (EDEADLK).
CASE(errorcheck_relock_is_edeadlk)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_lock(&m), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_mutex_unlock: [EPERM] "The mutex type is PTHREAD_MUTEX_ERRORCHECK ... and the current thread does not own the mutex."
CASE(errorcheck_unlock_by_other_is_eperm)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(unlock_it, &m), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_mutex_lock: errorcheck, "Unlock When Not Owner: error returned"; not locked at all counts as not owner.
CASE(errorcheck_unlock_unlocked_is_eperm)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_unlock(&m), EPERM);
}

// pthread_mutex_lock: "the mutex shall maintain the concept of a lock count".
CASE(recursive_counts)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_RECURSIVE);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_mutex_lock(&m), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        CHECK_EQ(elsewhere(trylock_it, &m), EBUSY);
    }
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(elsewhere(lock_unlock, &m), 0);
}

// pthread_mutex_trylock: "If the mutex type is PTHREAD_MUTEX_RECURSIVE and the mutex is currently owned by the calling thread,
// the mutex lock count shall be incremented by one and ... immediately return success."
CASE(recursive_trylock_by_owner)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_RECURSIVE);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_trylock(&m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(elsewhere(trylock_it, &m), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_mutex_unlock: [EPERM] recursive and not the owner.
CASE(recursive_unlock_by_other_is_eperm)
{
    pthread_mutex_t m = made(PTHREAD_MUTEX_RECURSIVE);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(unlock_it, &m), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), EPERM);
}

// pthread_mutex_trylock: [EBUSY] "The mutex could not be acquired because it was already locked."
CASE(trylock_busy)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_DEFAULT,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pthread_mutex_t m = made(types[i]);
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        CHECK_EQ(elsewhere(trylock_it, &m), EBUSY);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        CHECK_EQ(pthread_mutex_destroy(&m), 0);
    }
}

// pthread_mutex_trylock: a normal or errorcheck mutex owned by the caller "shall return immediately" (EBUSY).
CASE(trylock_own_is_ebusy)
{
    pthread_mutex_t n = made(PTHREAD_MUTEX_NORMAL), e = made(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_lock(&n), 0);
    CHECK_EQ(pthread_mutex_trylock(&n), EBUSY);
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    CHECK_EQ(pthread_mutex_trylock(&e), EBUSY);
}

// pthread_mutex_init: "the macro PTHREAD_MUTEX_INITIALIZER can be used to initialize mutexes"; and the GNU ones.
CASE(static_initializers)
{
    static pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER, r = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                           e = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, a = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    CHECK_EQ(pthread_mutex_lock(&n), 0);
    CHECK_EQ(pthread_mutex_trylock(&n), EBUSY);
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    CHECK_EQ(pthread_mutex_lock(&e), EDEADLK);
    CHECK_EQ(pthread_mutex_lock(&a), 0);
    CHECK_EQ(elsewhere(trylock_it, &a), EBUSY);
}

// pthread_mutex_destroy: [EBUSY] "an attempt to destroy the object referenced by mutex while it is locked" (glibc detects it).
CASE(destroy_locked_is_ebusy)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_destroy(&m), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_destroy(&m), 0);
}

// pthread_mutex_destroy: "It shall be safe to destroy an initialized mutex that is unlocked", and "a destroyed mutex object
// can be reinitialized".
CASE(destroy_and_reinitialise)
{
    pthread_mutex_t m;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(pthread_mutex_init(&m, NULL), 0);
        CHECK_EQ(elsewhere(lock_unlock, &m), 0);
        CHECK_EQ(pthread_mutex_destroy(&m), 0);
    }
}

// pthread_mutex_destroy: "A mutex can be destroyed immediately after it is unlocked" (the example with a reference count).
struct counted {
    pthread_mutex_t m;
    int refs;
};
static void *drop(void *arg)
{
    struct counted *c = arg;
    pthread_mutex_lock(&c->m);
    int last = --c->refs == 0;
    pthread_mutex_unlock(&c->m);
    if (last) {
        CHECK_EQ(pthread_mutex_destroy(&c->m), 0);
        memset(c, 0xa5, sizeof *c);
        free(c);
    }
    return NULL;
}
CASE(destroy_after_unlock_by_last_user)
{
    for (int round = 0; round < 50; round++) {
        struct counted *c = malloc(sizeof *c);
        pthread_t t[4];
        pthread_mutex_init(&c->m, NULL);
        c->refs = 4;
        for (int i = 0; i < 4; i++)
            t[i] = start(drop, c);
        for (int i = 0; i < 4; i++)
            finish(t[i]);
    }
}

// pthread_mutex_lock: "If the mutex is already locked by another thread, the calling thread shall block until the mutex
// becomes available."
CASE(lock_blocks_until_unlocked)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    pthread_t t = start(lock_unlock, &m);
    settle();
    CHECK_EQ(pthread_tryjoin_np(t, NULL), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ((long)finish(t), 0);
}

// General: no two threads own it at the same time.
static long long plain_count;
static void *count_up(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(arg);
        plain_count++;
        if (i % 64 == 0)
            sched_yield();
        pthread_mutex_unlock(arg);
    }
    return NULL;
}
CASE(mutual_exclusion_of_every_type)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ADAPTIVE_NP};
    for (size_t i = 0; i < 4; i++) {
        pthread_mutex_t m = made(types[i]);
        pthread_t t[4];
        plain_count = 0;
        for (int k = 0; k < 4; k++)
            t[k] = start(count_up, &m);
        for (int k = 0; k < 4; k++)
            finish(t[k]);
        CHECK_EQ(plain_count, 8000);
    }
}

// pthread_mutex_lock: "If a signal is delivered to a thread waiting for a mutex, upon return from the signal handler the thread
// shall resume waiting for the mutex as if it was not interrupted."
static atomic_int handled;
static void count_signal(int sig) { (void)sig; atomic_fetch_add(&handled, 1); }
LONE(signal_does_not_end_the_wait)
{
    struct sigaction a = {.sa_handler = count_signal};
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    pthread_t t = start(lock_unlock, &m);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        while (atomic_load(&handled) < i)
            settle();
    }
    CHECK_EQ(pthread_tryjoin_np(t, NULL), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ((long)finish(t), 0);
}

// pthread_mutex_timedlock: [ETIMEDOUT] "The mutex could not be locked before the specified timeout expired."
static struct timespec soon, past, bad_big, bad_negative;
__attribute__((constructor)) static void times(void)
{
    past = (struct timespec){1, 0};
    bad_big = (struct timespec){1, 1000000000};
    bad_negative = (struct timespec){1, -1};
}
static void *timed(void *m)
{
    soon = in_ms(CLOCK_REALTIME, 3);
    long r = pthread_mutex_timedlock(m, &soon);
    CHECK(r != ETIMEDOUT || reached(CLOCK_REALTIME, soon));
    return (void *)r;
}
CASE(timedlock_times_out)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed, &m), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_mutex_timedlock: "Under no circumstance shall the function fail with a timeout if the mutex can be locked immediately.
// The validity of the abs_timeout parameter need not be checked if the mutex can be locked immediately."
CASE(timedlock_free_never_times_out)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_timedlock(&m, &past), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_timedlock(&m, &bad_big), 0);
}

// pthread_mutex_timedlock: the timeout shall expire "if the absolute time specified by abs_timeout has already been passed".
static void *timed_past(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &past); }
CASE(timedlock_past_times_out_at_once)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed_past, &m), ETIMEDOUT);
}

// pthread_mutex_timedlock: [EINVAL] "the abs_timeout parameter specified a nanoseconds field value less than zero or greater
// than or equal to 1000 million", the process would have blocked.
static void *timed_big(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &bad_big); }
static void *timed_negative(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &bad_negative); }
CASE(timedlock_bad_time_is_einval)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed_big, &m), EINVAL);
    CHECK_EQ(elsewhere(timed_negative, &m), EINVAL);
}

// pthread_mutex_timedlock: [EDEADLK] errorcheck, owned by the caller; recursive: counts.
CASE(timedlock_by_owner)
{
    pthread_mutex_t e = made(PTHREAD_MUTEX_ERRORCHECK), r = made(PTHREAD_MUTEX_RECURSIVE), n = made(PTHREAD_MUTEX_NORMAL);
    struct timespec at;
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    CHECK_EQ(pthread_mutex_timedlock(&e, &past), EDEADLK);
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    CHECK_EQ(pthread_mutex_timedlock(&r, &past), 0);
    CHECK_EQ(pthread_mutex_lock(&n), 0);
    at = in_ms(CLOCK_REALTIME, 2);
    CHECK_EQ(pthread_mutex_timedlock(&n, &at), ETIMEDOUT);
}

// pthread_mutex_clocklock: "the time as measured by the clock specified by clock_id".
CASE(clocklock_monotonic_and_realtime)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (int i = 0; i < 2; i++) {
        pthread_mutex_t m = made(PTHREAD_MUTEX_NORMAL);
        struct timespec at = in_ms(clocks[i], 2);
        CHECK_EQ(pthread_mutex_clocklock(&m, clocks[i], &at), 0);
        CHECK_EQ(pthread_mutex_clocklock(&m, clocks[i], &at), ETIMEDOUT);
        CHECK(reached(clocks[i], at));
    }
}

// pthread_mutex_clocklock: [EINVAL] a clock that is not supported.
CASE(clocklock_other_clock_is_einval)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
}

// pthread_mutex_timedlock: the mutex comes free before the timeout.
static void *timed_long(void *m)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    long r = pthread_mutex_timedlock(m, &at);
    return (void *)(r ? r : (long)pthread_mutex_unlock(m));
}
CASE(timedlock_obtains_it)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    pthread_t t = start(timed_long, &m);
    settle();
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ((long)finish(t), 0);
}

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

// --- Robust mutexes ---

static pthread_mutex_t robust(int type, int shared)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, shared), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    return m;
}
static void abandon(pthread_mutex_t *m) { CHECK_EQ(elsewhere(lock_it, m), 0); }

// pthread_mutex_lock: [EOWNERDEAD] "The mutex is a robust mutex and the process [thread] containing the previous owning thread
// terminated while holding the mutex lock. The mutex lock shall be acquired by the calling thread".
static pthread_mutex_t rm;
LONE(robust_owner_dead)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(elsewhere(trylock_it, &rm), EBUSY);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(lock_unlock, &rm), 0);
}

// pthread_mutex_trylock and timedlock: [EOWNERDEAD] too.
LONE(robust_owner_dead_trylock)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_trylock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}
LONE(robust_owner_dead_timedlock)
{
    rm = robust(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PROCESS_PRIVATE);
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_timedlock(&rm, &at), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_unlock of an inconsistent one: "the mutex ... shall become permanently unusable" and lock gives [ENOTRECOVERABLE].
LONE(robust_not_recoverable)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(pthread_mutex_lock(&rm), ENOTRECOVERABLE);
    CHECK_EQ(elsewhere(lock_it, &rm), ENOTRECOVERABLE); // not trylock: glibc's leaves the mutex locked
}

// pthread_mutex_consistent: [EINVAL] "The mutex object referenced by mutex is not robust or does not protect an inconsistent state."
LONE(consistent_einval)
{
    pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER;
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_mutex_consistent(&n), EINVAL);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(pthread_mutex_consistent(&rm), EINVAL);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_unlock: [EPERM] "... or the mutex is a robust mutex, and the current thread does not own the mutex."
LONE(robust_unlock_by_other_is_eperm)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(elsewhere(unlock_it, &rm), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_lock: a waiter is told when the owner ends while it waits.
static atomic_int locked, leave;
static void *hold_until_told(void *m)
{
    CHECK_EQ(pthread_mutex_lock(m), 0);
    atomic_store(&locked, 1);
    until(&leave);
    return NULL;
}
LONE(robust_waiter_learns)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    pthread_t owner = start(hold_until_told, &rm);
    until(&locked);
    pthread_t waiter = start(lock_it, &rm);
    settle();
    atomic_store(&leave, 1);
    CHECK_EQ((long)finish(waiter), EOWNERDEAD);
    finish(owner);
}

// The same by pthread_exit, by cancellation and for several mutexes held at the end.
static pthread_mutex_t many[5];
static void *hold_many(void *how)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_mutex_lock(&many[i]), 0);
    if (how)
        pthread_exit(NULL);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return NULL;
}
LONE(robust_several_by_exit_and_cancel)
{
    for (long how = 0; how < 2; how++) {
        for (int i = 0; i < 5; i++)
            many[i] = robust(PTHREAD_MUTEX_NORMAL, i % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
        finish(start(hold_many, (void *)how));
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(pthread_mutex_trylock(&many[i]), EOWNERDEAD);
            CHECK_EQ(pthread_mutex_consistent(&many[i]), 0);
            CHECK_EQ(pthread_mutex_unlock(&many[i]), 0);
        }
    }
}

// pthread_mutex_lock: recursive robust: after EOWNERDEAD and consistent, it counts as ever.
LONE(robust_recursive)
{
    rm = robust(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(trylock_it, &rm), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(lock_unlock, &rm), 0);
}

// --- Between processes ---

static void *shared_page(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
static void child_ends(pid_t pid, int code)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

// pthread_mutexattr_setpshared: "PTHREAD_PROCESS_SHARED to permit a mutex to be operated upon by any thread that has access to
// the memory where the mutex is allocated".
struct both {
    pthread_mutex_t m;
    pthread_cond_t c;
    int n;
};
static void *shared_count(void *arg)
{
    struct both *b = arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&b->m);
        b->n++;
        pthread_mutex_unlock(&b->m);
    }
    return NULL;
}
LONE(pshared_counts_between_processes)
{
    struct both *b = shared_page();
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutex_init(&b->m, &a), 0);
    pid_t pid = fork();
    pthread_t t[2] = {start(shared_count, b), start(shared_count, b)};
    finish(t[0]);
    finish(t[1]);
    if (pid == 0)
        _exit(7);
    child_ends(pid, 7);
    CHECK_EQ(b->n, 2000);
}

// pthread_mutex_lock: [EOWNERDEAD] "the process containing the previous owning thread terminated while holding the mutex lock".
LONE(robust_process_died_main_held)
{
    pthread_mutex_t *m = shared_page();
    *m = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_SHARED);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(pthread_mutex_lock(m), 0);
        _exit(3);
    }
    child_ends(pid, 3);
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
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
