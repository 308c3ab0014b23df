// Waits for locks and barriers when the scope around them is cancelled, in the middle and when they begin later.  Those whose callers look at
// the result end with ECANCELED, the others in a scope that asks for it.  Nothing is locked then, and nobody is counted.
#include "tests/preload/check.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <vthr.h>

static struct shared {
    pthread_mutex_t plain, recursive, checking, shared, robust, inheriting, all;
    pthread_rwlock_t rw, rw_shared, rw_held, rw_shared_held; // the latter two are locked for writing
    pthread_cond_t cond;
    pthread_barrier_t barrier;
    sem_t none, none_shared;
    mtx_t c11;
    uint32_t word;
} *m;
static uint32_t word;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static vthr_event *may_end;

static struct timespec late(clockid_t clk)
{
    struct timespec t;

    clock_gettime(clk, &t);
    t.tv_sec += 100000;
    return t;
}
#define LATE &(struct timespec[1]){ late(CLOCK_REALTIME) }[0]
#define LATE_MONO &(struct timespec[1]){ late(CLOCK_MONOTONIC) }[0]

static int err(long r)
{
    return r == -1 ? errno : 0;
}
static int c11(int r)
{
    return r == thrd_error ? ECANCELED : r;
}

static int do_timedlock(void) { return pthread_mutex_timedlock(&m->plain, LATE); }
static int do_clocklock(void) { return pthread_mutex_clocklock(&m->plain, CLOCK_MONOTONIC, LATE_MONO); }
static int do_timedlock_shared(void) { return pthread_mutex_timedlock(&m->shared, LATE); }
static int do_clocklock_robust(void) { return pthread_mutex_clocklock(&m->robust, CLOCK_MONOTONIC, LATE_MONO); }
static int do_timedlock_inherit(void) { return pthread_mutex_timedlock(&m->inheriting, LATE); }
static int do_timedlock_all(void) { return pthread_mutex_timedlock(&m->all, LATE); }
static int do_mtx_timedlock(void) { return c11(mtx_timedlock(&m->c11, LATE)); }
static int do_timedrdlock(void) { return pthread_rwlock_timedrdlock(&m->rw_held, LATE); }
static int do_timedwrlock(void) { return pthread_rwlock_timedwrlock(&m->rw, LATE); }
static int do_clockrdlock(void) { return pthread_rwlock_clockrdlock(&m->rw_held, CLOCK_MONOTONIC, LATE_MONO); }
static int do_clockwrlock(void) { return pthread_rwlock_clockwrlock(&m->rw, CLOCK_MONOTONIC, LATE_MONO); }
static int do_timedrdlock_shared(void) { return pthread_rwlock_timedrdlock(&m->rw_shared_held, LATE); }
static int do_clockwrlock_shared(void) { return pthread_rwlock_clockwrlock(&m->rw_shared, CLOCK_MONOTONIC, LATE_MONO); }
static int do_barrier(void) { return pthread_barrier_wait(&m->barrier); }
static int do_sem_timedwait(void) { return err(sem_timedwait(&m->none, LATE)); }
static int do_sem_clockwait(void) { return err(sem_clockwait(&m->none, CLOCK_MONOTONIC, LATE_MONO)); }
static int do_sem_shared(void) { return err(sem_wait(&m->none_shared)); }
static int do_sem_timedwait_shared(void) { return err(sem_timedwait(&m->none_shared, LATE)); }

static int do_lock(void) { return pthread_mutex_lock(&m->plain); }
static int do_lock_recursive(void) { return pthread_mutex_lock(&m->recursive); }
static int do_lock_checking(void) { return pthread_mutex_lock(&m->checking); }
static int do_lock_shared(void) { return pthread_mutex_lock(&m->shared); }
static int do_lock_robust(void) { return pthread_mutex_lock(&m->robust); }
static int do_lock_inherit(void) { return pthread_mutex_lock(&m->inheriting); }
static int do_lock_all(void) { return pthread_mutex_lock(&m->all); }
static int do_mtx_lock(void) { return c11(mtx_lock(&m->c11)); }
static int do_rdlock(void) { return pthread_rwlock_rdlock(&m->rw_held); }
static int do_wrlock(void) { return pthread_rwlock_wrlock(&m->rw); }
static int do_rdlock_shared(void) { return pthread_rwlock_rdlock(&m->rw_shared_held); }
static int do_wrlock_shared(void) { return pthread_rwlock_wrlock(&m->rw_shared); }
static void never_called(void) { abort(); }
static int do_once(void) { return pthread_once(&once, never_called); }
static int do_futex(void) { return err(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0)); }
static int do_futex_timed(void) { return err(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, LATE_MONO, NULL, ~0u)); }
static int do_futex_shared(void) { return err(syscall(SYS_futex, &m->word, FUTEX_WAIT, 0, NULL, NULL, 0)); }

// A condition that other processes may wait for: it may return 0 without a reason, as any.
static int do_cond_shared(void)
{
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    int r;

    pthread_mutex_lock(&own);
    do
        r = pthread_cond_wait(&m->cond, &own);
    while (r == 0);
    CHECK_EQ(pthread_mutex_trylock(&own), EBUSY);
    pthread_mutex_unlock(&own);
    return r;
}
static int do_cond_timed_shared(void)
{
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    int r;

    pthread_mutex_lock(&own);
    do
        r = pthread_cond_timedwait(&m->cond, &own, LATE);
    while (r == 0);
    CHECK_EQ(pthread_mutex_trylock(&own), EBUSY);
    pthread_mutex_unlock(&own);
    return r;
}

static const struct call {
    const char *name;
    int (*fn)(void);
    bool locks; // only where the scope asks for it
} calls[] = {
    { "pthread_mutex_timedlock", do_timedlock, false },
    { "pthread_mutex_clocklock", do_clocklock, false },
    { "pthread_mutex_timedlock, shared", do_timedlock_shared, false },
    { "pthread_mutex_clocklock, robust", do_clocklock_robust, false },
    { "pthread_mutex_timedlock, inheriting", do_timedlock_inherit, false },
    { "pthread_mutex_timedlock, all of that", do_timedlock_all, false },
    { "mtx_timedlock", do_mtx_timedlock, false },
    { "pthread_rwlock_timedrdlock", do_timedrdlock, false },
    { "pthread_rwlock_timedwrlock", do_timedwrlock, false },
    { "pthread_rwlock_clockrdlock", do_clockrdlock, false },
    { "pthread_rwlock_clockwrlock", do_clockwrlock, false },
    { "pthread_rwlock_timedrdlock, shared", do_timedrdlock_shared, false },
    { "pthread_rwlock_clockwrlock, shared", do_clockwrlock_shared, false },
    { "pthread_barrier_wait", do_barrier, false },
    { "sem_timedwait", do_sem_timedwait, false },
    { "sem_clockwait", do_sem_clockwait, false },
    { "sem_wait, shared", do_sem_shared, false },
    { "sem_timedwait, shared", do_sem_timedwait_shared, false },
    { "pthread_cond_wait, shared", do_cond_shared, false },
    { "pthread_cond_timedwait, shared", do_cond_timed_shared, false },
    { "pthread_mutex_lock", do_lock, true },
    { "pthread_mutex_lock, recursive", do_lock_recursive, true },
    { "pthread_mutex_lock, error checking", do_lock_checking, true },
    { "pthread_mutex_lock, shared", do_lock_shared, true },
    { "pthread_mutex_lock, robust", do_lock_robust, true },
    { "pthread_mutex_lock, inheriting", do_lock_inherit, true },
    { "pthread_mutex_lock, all of that", do_lock_all, true },
    { "mtx_lock", do_mtx_lock, true },
    { "pthread_rwlock_rdlock", do_rdlock, true },
    { "pthread_rwlock_wrlock", do_wrlock, true },
    { "pthread_rwlock_rdlock, shared", do_rdlock_shared, true },
    { "pthread_rwlock_wrlock, shared", do_wrlock_shared, true },
    { "pthread_once", do_once, true },
    { "futex", do_futex, true },
    { "futex with a timeout", do_futex_timed, true },
    { "futex, shared", do_futex_shared, true },
};
#define N_CALLS (sizeof calls / sizeof calls[0])

// --- What is held ---

static void make_mutex(pthread_mutex_t *mutex, int type, bool shared, bool robust, bool inherit)
{
    pthread_mutexattr_t a;

    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    if (shared)
        CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    if (robust)
        CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
    if (inherit)
        CHECK_EQ(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &a), 0);
}

static void prepare(void)
{
    pthread_rwlockattr_t rw;
    pthread_condattr_t cond;

    m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    make_mutex(&m->plain, PTHREAD_MUTEX_NORMAL, false, false, false);
    make_mutex(&m->recursive, PTHREAD_MUTEX_RECURSIVE, false, false, false);
    make_mutex(&m->checking, PTHREAD_MUTEX_ERRORCHECK, false, false, false);
    make_mutex(&m->shared, PTHREAD_MUTEX_NORMAL, true, false, false);
    make_mutex(&m->robust, PTHREAD_MUTEX_NORMAL, false, true, false);
    make_mutex(&m->inheriting, PTHREAD_MUTEX_NORMAL, false, false, true);
    make_mutex(&m->all, PTHREAD_MUTEX_RECURSIVE, true, true, true);
    CHECK_EQ(mtx_init(&m->c11, mtx_timed), thrd_success);
    pthread_rwlockattr_init(&rw);
    CHECK_EQ(pthread_rwlock_init(&m->rw, &rw), 0);
    CHECK_EQ(pthread_rwlock_init(&m->rw_held, &rw), 0);
    CHECK_EQ(pthread_rwlockattr_setpshared(&rw, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_rwlock_init(&m->rw_shared, &rw), 0);
    CHECK_EQ(pthread_rwlock_init(&m->rw_shared_held, &rw), 0);
    pthread_condattr_init(&cond);
    CHECK_EQ(pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_cond_init(&m->cond, &cond), 0);
    CHECK_EQ(pthread_barrier_init(&m->barrier, NULL, 2), 0);
    CHECK_EQ(sem_init(&m->none, 0, 0), 0);
    CHECK_EQ(sem_init(&m->none_shared, 1, 0), 0);
}

static void lock_all(void)
{
    CHECK_EQ(pthread_mutex_trylock(&m->plain), 0);
    CHECK_EQ(pthread_mutex_trylock(&m->recursive), 0);
    CHECK_EQ(pthread_mutex_trylock(&m->checking), 0);
    CHECK_EQ(pthread_mutex_trylock(&m->shared), 0);
    CHECK_EQ(pthread_mutex_trylock(&m->inheriting), 0);
    CHECK_EQ(mtx_trylock(&m->c11), thrd_success);
    CHECK_EQ(pthread_rwlock_trywrlock(&m->rw), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(&m->rw), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(&m->rw_shared), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw_shared), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(&m->rw_shared), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(&m->rw_held), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(&m->rw_shared_held), 0);
    CHECK_EQ(sem_trywait(&m->none), -1);
    CHECK_EQ(sem_trywait(&m->none_shared), -1);
}
static void unlock_all(void)
{
    CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->checking), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->shared), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->inheriting), 0);
    CHECK_EQ(mtx_unlock(&m->c11), thrd_success);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw_shared), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw_held), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw_shared_held), 0);
}

// --- Each call ---

static int begun;
static void begins(void)
{
    __atomic_store_n(&begun, 1, __ATOMIC_SEQ_CST);
}
static void wait_begun(int yields)
{
    while (!__atomic_load_n(&begun, __ATOMIC_SEQ_CST) || yields-- > 0)
        sched_yield();
    begun = 0;
}

static int calls_twice(void *arg, void **value)
{
    const struct call *c = arg;
    int r;

    (void)value;
    begins();
    if ((r = c->fn()) != ECANCELED || (r = c->fn()) != ECANCELED) {
        dprintf(2, "%s: %s\n", c->name, strerror(r));
        _exit(1);
    }
    CHECK_EQ(vthr_cancelled(), 1);
    return ECANCELED;
}

static vthr_scope *open_scope(bool locks)
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    if (locks)
        CHECK_EQ(vthr_scope_cancel_locks(s), 0);
    return s;
}

static void cancel_each(void)
{
    for (size_t i = 0; i < N_CALLS; i++)
        for (int yields = 0; yields < 3; yields++) {
            vthr_scope *s = open_scope(calls[i].locks);

            CHECK_EQ(vthr_spawn(s, NULL, calls_twice, (void *)(uintptr_t)&calls[i]), 0);
            CHECK_EQ(vthr_scope_cancel_locks(s), EBUSY);
            wait_begun(yields);
            vthr_scope_cancel(s);
            CHECK_EQ(vthr_scope_leave(s), 0);
        }
}

// A scope inside has it from the one around it, and a shield keeps it out.
static int opens_another(void *arg, void **value)
{
    vthr_scope *s = open_scope(false);

    (void)value;
    begins();
    CHECK_EQ(pthread_mutex_lock(arg), ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), 0);
    s = open_scope(false);
    CHECK_EQ(vthr_scope_shield(s), 0);
    CHECK_EQ(vthr_scope_timeout(s, VTHR_MS(1)), 0);
    CHECK_EQ(pthread_mutex_lock(arg), ECANCELED); // of its own
    CHECK_EQ(vthr_scope_leave(s), ETIMEDOUT);
    return 0;
}
static void inherited(void)
{
    vthr_scope *s = open_scope(true);

    CHECK_EQ(vthr_spawn(s, NULL, opens_another, &m->plain), 0);
    wait_begun(2);
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

// --- Without being asked, waits for locks go on ---

static int waits_on(void *arg, void **value)
{
    vthr_event *locked = arg;

    (void)value;
    begins();
    CHECK_EQ(pthread_mutex_lock(&m->plain), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&m->rw_held), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw_held), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&m->rw), 0);
    CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
    CHECK_EQ(mtx_lock(&m->c11), thrd_success);
    CHECK_EQ(mtx_unlock(&m->c11), thrd_success);
    CHECK_EQ(vthr_cancelled(), 1);
    vthr_event_set(locked);
    return ECANCELED;
}
static void not_asked_for(void)
{
    vthr_scope *s = open_scope(false);
    vthr_event *locked;

    CHECK_EQ(vthr_event_new(&locked), 0);
    CHECK_EQ(vthr_spawn(s, NULL, waits_on, locked), 0);
    wait_begun(3);
    vthr_scope_cancel(s);
    for (int i = 0; i < 10; i++)
        sched_yield();
    CHECK_EQ(vthr_try_event(locked), EAGAIN);
    unlock_all();
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(vthr_try_event(locked), 0);
    vthr_event_free(locked);
    lock_all();
}

// --- Initialisers ---

static void runs_once(void)
{
    begins();
    CHECK_EQ(vthr_event_wait(may_end), 0);
}
static int first(void *arg, void **value)
{
    (void)value;
    if (arg)
        CHECK_EQ(pthread_once(&once, runs_once), 0);
    else
        call_once(&flag, runs_once);
    return 0;
}
static int other(void *arg, void **value)
{
    (void)value;
    if (arg)
        CHECK_EQ(pthread_once(&once, never_called), 0);
    else
        call_once(&flag, never_called); // says nothing, so it is not ended
    CHECK_EQ(vthr_try_event(may_end), 0);
    return 0;
}
static void call_once_waits_on(void)
{
    vthr_scope *s = open_scope(true), *in;

    CHECK_EQ(vthr_event_new(&may_end), 0);
    CHECK_EQ(vthr_spawn(s, NULL, first, NULL), 0);
    wait_begun(0);
    in = open_scope(true);
    CHECK_EQ(vthr_spawn(in, NULL, other, NULL), 0);
    for (int i = 0; i < 3; i++)
        sched_yield();
    vthr_scope_cancel(in);
    for (int i = 0; i < 3; i++)
        sched_yield();
    vthr_event_set(may_end);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    vthr_event_free(may_end);
}

// --- The barrier's last against a cancellation ---

static int result[2];
static int meets(void *arg, void **value)
{
    int *r = arg;

    (void)value;
    begins();
    *r = pthread_barrier_wait(&m->barrier);
    return *r == ECANCELED ? ECANCELED : 0;
}
static void barrier_race(void)
{
    for (int i = 0; i < 400; i++) {
        vthr_scope *outer = open_scope(false), *s = open_scope(false);

        CHECK_EQ(vthr_spawn(s, NULL, meets, &result[0]), 0);
        wait_begun(i % 3);
        if (i & 4)
            vthr_scope_cancel(s);
        CHECK_EQ(vthr_spawn(outer, NULL, meets, &result[1]), 0);
        if (i & 8)
            wait_begun(i % 2);
        vthr_scope_cancel(s);
        CHECK_EQ(vthr_scope_leave(s), 0);
        if (result[0] == ECANCELED)
            vthr_scope_cancel(outer);
        CHECK_EQ(vthr_scope_leave(outer), 0);
        begun = 0;
        if (result[0] == ECANCELED)
            CHECK_EQ(result[1], ECANCELED);
        else
            CHECK_EQ(result[0] + result[1], PTHREAD_BARRIER_SERIAL_THREAD);
    }
}

// --- An unlock against a cancellation ---

static int got_it;
static int locks(void *arg, void **value)
{
    int r;

    (void)arg, (void)value;
    begins();
    r = pthread_mutex_lock(&m->plain);
    got_it = r == 0;
    if (r == 0) {
        CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
        CHECK_EQ(pthread_rwlock_trywrlock(&m->rw), EBUSY);
    } else {
        CHECK_EQ(r, ECANCELED);
    }
    r = pthread_rwlock_wrlock(&m->rw);
    if (r == 0)
        CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
    else
        CHECK_EQ(r, ECANCELED);
    return 0;
}
static void unlock_race(void)
{
    for (int i = 0; i < 300; i++) {
        vthr_scope *s = open_scope(true);

        for (int k = 0; k < 3; k++)
            CHECK_EQ(vthr_spawn(s, NULL, locks, NULL), 0);
        wait_begun(i % 4);
        if (i & 4) {
            CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
            vthr_scope_cancel(s);
        } else {
            vthr_scope_cancel(s);
            CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
        }
        CHECK_EQ(vthr_scope_leave(s), 0);
        begun = 0;
        CHECK_EQ(pthread_mutex_trylock(&m->plain), 0); // it is nobody's
        CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
        CHECK_EQ(pthread_rwlock_trywrlock(&m->rw), 0);
        CHECK_EQ(pthread_rwlock_unlock(&m->rw), 0);
        CHECK_EQ(pthread_rwlock_tryrdlock(&m->rw), 0);
    }
}

// A writer that waits no more lets the readers in that waited behind it.
static pthread_rwlock_t writers_first = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static int writes(void *arg, void **value)
{
    (void)arg, (void)value;
    begins();
    CHECK_EQ(pthread_rwlock_wrlock(&writers_first), ECANCELED);
    return ECANCELED;
}
static int reads(void *arg, void **value)
{
    (void)arg, (void)value;
    begins();
    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    return pthread_rwlock_unlock(&writers_first);
}
static void writer_leaves(void)
{
    vthr_scope *readers = open_scope(false), *writer = open_scope(true);
    int r;

    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    CHECK_EQ(vthr_spawn(writer, NULL, writes, NULL), 0);
    wait_begun(0);
    while ((r = pthread_rwlock_tryrdlock(&writers_first)) == 0) { // until it waits
        CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
        sched_yield();
    }
    CHECK_EQ(r, EBUSY);
    CHECK_EQ(vthr_spawn(readers, NULL, reads, NULL), 0);
    wait_begun(2);
    vthr_scope_cancel(writer);
    CHECK_EQ(vthr_scope_leave(writer), 0);
    CHECK_EQ(vthr_scope_leave(readers), 0);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
}

// What need not wait does its work in a cancelled scope.
static void free_ones(void)
{
    vthr_scope *s = open_scope(true);

    vthr_scope_cancel(s);
    unlock_all();
    for (size_t i = 0; i < N_CALLS; i++) {
        if (calls[i].fn == do_timedlock || calls[i].fn == do_lock || calls[i].fn == do_clocklock) {
            CHECK_EQ(calls[i].fn(), 0);
            CHECK_EQ(pthread_mutex_unlock(&m->plain), 0);
        } else if (calls[i].fn == do_lock_all || calls[i].fn == do_timedlock_all) {
            CHECK_EQ(calls[i].fn(), 0);
            CHECK_EQ(pthread_mutex_unlock(&m->all), 0);
        } else if (calls[i].fn == do_rdlock || calls[i].fn == do_timedrdlock) {
            CHECK_EQ(calls[i].fn(), 0);
            CHECK_EQ(pthread_rwlock_unlock(&m->rw_held), 0);
        } else if (calls[i].fn == do_wrlock_shared || calls[i].fn == do_clockwrlock_shared) {
            CHECK_EQ(calls[i].fn(), 0);
            CHECK_EQ(pthread_rwlock_unlock(&m->rw_shared), 0);
        }
    }
    CHECK_EQ(sem_post(&m->none), 0);
    CHECK_EQ(sem_timedwait(&m->none, LATE), 0);
    CHECK_EQ(sem_post(&m->none_shared), 0);
    CHECK_EQ(sem_wait(&m->none_shared), 0);
    lock_all();
    CHECK_EQ(vthr_scope_leave(s), 0);
}

int main(void)
{
    vthr_scope *s;

    prepare();
    s = open_scope(false);
    lock_all();
    CHECK_EQ(pthread_mutex_trylock(&m->robust), 0);
    CHECK_EQ(pthread_mutex_trylock(&m->all), 0);
    CHECK_EQ(vthr_event_new(&may_end), 0);
    CHECK_EQ(vthr_spawn(s, NULL, first, &once), 0);
    wait_begun(0);
    cancel_each();
    vthr_event_set(may_end);
    CHECK_EQ(other(&once, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    vthr_event_free(may_end);
    unlock_all(); // nobody else has them
    CHECK_EQ(pthread_mutex_unlock(&m->all), 0);
    CHECK_EQ(pthread_mutex_unlock(&m->robust), 0);
    lock_all();
    inherited();
    not_asked_for();
    call_once_waits_on();
    barrier_race();
    unlock_race();
    writer_leaves();
    free_ones();
    puts("ok");
    return 0;
}
