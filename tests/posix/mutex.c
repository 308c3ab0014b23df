// Mutexes: types, errors, exclusion, waits, the end of their lives.
#include "mutex.h"

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
