/* Mutexes.
 *
 * The word __lock is glibc's: 0 free, 1 held, 2 held with waiters; waiters are in the parking lot under its address.  A woken
 * waiter competes again, and takes the lock as 2, since it cannot know whether others wait (Drepper, "Futexes are
 * tricky").  One that came too late LOSSES times is given the lock by whoever releases it next: on one carrier a thread that waits with
 * the lock held, and takes it again at once after each release, would keep it from all others for ever, where natively the
 * kernel interrupts it at some moment.  __owner and __count are written by the holder only.  Static initialisers and pthread_mutex_init's layout
 * are glibc's, so init and destroy are not replaced.
 *
 * The cancellation of a scope (vthr.h) ends waits with a timeout, whose callers look at the result, and others in scopes that ask for it. */
#include "runtime/sync/mutex.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/sync/name.h"
#include "runtime/sync/self.h"
#include "runtime/sync/turns.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>

#define KIND_TYPE 3     /* normal, recursive, errorcheck, adaptive */
/* Robust 16, priority-protecting 64, process-shared 128.  A priority-inheriting one (32) of this process alone is ours: the
 * kernel's would need the owner's kernel thread id, and vthreads have no priorities to inherit. */
#define KIND_INHERIT 32
#define KIND_FOREIGN 0xd0
#define SPINS 100
#define LOSSES 4

static uint32_t *word_of(pthread_mutex_t *m)
{
    return (uint32_t *)&m->__data.__lock;
}

bool mutex_is_foreign(const pthread_mutex_t *m)
{
    return (m->__data.__kind & KIND_FOREIGN) != 0;
}

static int lock_word(pthread_mutex_t *m, uint64_t deadline, unsigned ends)
{
    uint32_t *w = word_of(m), z = 0, losses = 0;
    bool granted = false;
    int r;

    if (likely(cas_acquire(w, &z, 1u)))
        return 0;
    if (vthr_nprocs > 1)
        for (int i = 0; i < SPINS; i++) {
            z = 0;
            if (load_relaxed(w) == 0 && cas_acquire(w, &z, 1u))
                return 0;
            arch_cpu_relax();
        }
    while (!granted && xchg_acquire(w, 2u) != 0) {
        r = lot_wait_lock(w, deadline, ends, losses >= LOSSES, &granted, wait_on(WAIT_MUTEX, w));
        if (r == -ETIMEDOUT)
            return ETIMEDOUT;
        if (unlikely(r == -EINTR) && lot_stopped(ends))
            return ECANCELED;
        losses += r == 0;
    }
    return 0;
}

static void own(pthread_mutex_t *m)
{
    m->__data.__owner = (int)self_tid();
    m->__data.__nusers = 1;
}

/* 0: go on and take it; else the answer (-1: held already, success). */
static int owned_by_self(pthread_mutex_t *m, bool trying)
{
    int kind = m->__data.__kind & KIND_TYPE;

    if (likely(kind == PTHREAD_MUTEX_NORMAL || kind == PTHREAD_MUTEX_ADAPTIVE_NP) || m->__data.__owner != (int)self_tid())
        return 0;
    if (kind == PTHREAD_MUTEX_ERRORCHECK)
        return trying ? EBUSY : EDEADLK;
    if (m->__data.__count + 1 == 0)
        return EAGAIN;
    m->__data.__count++;
    return -1;
}

static int acquire(pthread_mutex_t *m, uint64_t deadline, unsigned ends)
{
    int r = owned_by_self(m, false);

    if (r)
        return r < 0 ? 0 : r;
    r = lock_word(m, deadline, ends);
    if (r)
        return r;
    own(m);
    m->__data.__count = (m->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE;
    return 0;
}

#define KIND_ROBUST 16
#define KIND_SHARED 128

/* Whose owner's number the kernel or another process looks at. */
static bool has_name(const pthread_mutex_t *m)
{
    int kind = m->__data.__kind;

    return (kind & (KIND_FOREIGN & ~KIND_SHARED)) || (kind & KIND_INHERIT) || (kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE ||
           (kind & KIND_TYPE) == PTHREAD_MUTEX_ERRORCHECK;
}

struct os_name mutex_name(pthread_mutex_t *m)
{
    uint32_t owner;

    if (!mutex_is_foreign(m) || !has_name(m))
        return (struct os_name){ NULL, false };
    owner = m->__data.__kind & (KIND_ROBUST | KIND_INHERIT) ? load_relaxed(word_of(m)) & FUTEX_TID_MASK : (uint32_t)m->__data.__owner;
    return name_begin(owner, (m->__data.__kind & KIND_ROBUST) != 0);
}

static int foreign_unlock(pthread_mutex_t *m)
{
    struct os_name n = mutex_name(m);
    int r = REAL(pthread_mutex_unlock)(m);

    if (r == 0)
        name_given_up(&n);
    name_end(&n, false);
    return r;
}

/* glibc's, which keeps a robust mutex that is not recoverable when it says so: nobody else would hear of it then. */
static int real_trylock(pthread_mutex_t *m)
{
    int r = REAL(pthread_mutex_trylock)(m);
    uint32_t w;

    if (likely(r != ENOTRECOVERABLE))
        return r;
    w = load_relaxed(word_of(m));
    if ((w & FUTEX_TID_MASK) == *image_tid(arch_tp()) && (xchg_release(word_of(m), 0u) & FUTEX_WAITERS))
        SYS3(SYS_futex, word_of(m), FUTEX_WAKE, 1);
    return r;
}

static bool got(int r)
{
    return r == 0 || r == EOWNERDEAD;
}

static int foreign_trylock(pthread_mutex_t *m)
{
    struct os_name n = mutex_name(m);
    int r = real_trylock(m);

    name_end(&n, got(r));
    return r;
}

static int real_lock(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    return !abs                    ? REAL(pthread_mutex_lock)(m)
           : clk == CLOCK_REALTIME ? REAL(pthread_mutex_timedlock)(m, abs)
                                   : REAL(pthread_mutex_clocklock)(m, clk, abs);
}

/* In turns, as a scope's cancellation has to end it. */
static int real_lock_turns(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct turns t = turns_of(clk, abs);
    int r = ETIMEDOUT;

    while (r == ETIMEDOUT && turn_begin(&t)) {
        if (lot_stopped(ends))
            return ECANCELED;
        r = real_lock(m, clk, &t.end);
    }
    return r;
}

static int wait_foreign(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct vthread *v = vthr_parkable();
    bool turns = v && lot_may_be_stopped(v, ends);
    int r = real_trylock(m);

    if (r != EBUSY)
        return r;
    if (v) {
        block_begin(v, true);
        block_note(v, wait_on(WAIT_MUTEX, m));
    }
    r = turns ? real_lock_turns(m, clk, abs, ends) : real_lock(m, clk, abs);
    if (v)
        block_end(v);
    return r;
}

static int foreign_lock(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct os_name n = mutex_name(m);
    int r = wait_foreign(m, clk, abs, ends);

    name_end(&n, got(r));
    return r;
}

int mutex_lock(pthread_mutex_t *m)
{
    if (unlikely(mutex_is_foreign(m)))
        return foreign_lock(m, CLOCK_REALTIME, NULL, LOT_ENDS(STOP_LOCK));
    return acquire(m, NO_DEADLINE, LOT_ENDS(STOP_LOCK));
}

int mutex_trylock(pthread_mutex_t *m)
{
    uint32_t z = 0;
    int r;

    if (unlikely(mutex_is_foreign(m)))
        return foreign_trylock(m);
    r = owned_by_self(m, true);
    if (r)
        return r < 0 ? 0 : r;
    if (!cas_acquire(word_of(m), &z, 1u))
        return EBUSY;
    own(m);
    m->__data.__count = (m->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE;
    return 0;
}

int mutex_timedlock(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    int r;

    if (clk != CLOCK_REALTIME && clk != CLOCK_MONOTONIC)
        return EINVAL;
    if (unlikely(mutex_is_foreign(m)))
        return foreign_lock(m, clk, abs, LOT_ENDS(STOP_WAIT));
    r = mutex_trylock(m);
    if (r != EBUSY) {
        /* trylock says EBUSY where lock says EDEADLK */
        return r;
    }
    r = owned_by_self(m, false);
    if (r)
        return r < 0 ? 0 : r;
    if (!ts_valid(abs))
        return EINVAL;
    for (;;) { /* the clock may have been set back meanwhile */
        uint64_t d = deadline_at(clk, abs);

        if (d == 0)
            return ETIMEDOUT;
        r = acquire(m, d, LOT_ENDS(STOP_WAIT));
        if (r != ETIMEDOUT)
            return r;
    }
}

static void unlock_word(pthread_mutex_t *m)
{
    uint32_t *w = word_of(m);

    m->__data.__owner = 0;
    m->__data.__nusers = 0;
    /* After this exchange the memory may be freed by the next owner: only the address is used below. */
    if (unlikely(xchg_release(w, 0u) == 2))
        lot_wake_lock(w);
}

int mutex_unlock(pthread_mutex_t *m)
{
    int kind = m->__data.__kind;

    if (likely((kind & (KIND_FOREIGN | KIND_TYPE)) == 0)) {
        unlock_word(m);
        return 0;
    }
    if (kind & KIND_FOREIGN)
        return foreign_unlock(m);
    kind &= KIND_TYPE;
    if (kind == PTHREAD_MUTEX_RECURSIVE || kind == PTHREAD_MUTEX_ERRORCHECK) {
        if (m->__data.__owner != (int)self_tid())
            return EPERM;
        if (kind == PTHREAD_MUTEX_RECURSIVE && --m->__data.__count != 0)
            return 0;
    }
    unlock_word(m);
    return 0;
}

/* It makes the caller the owner. */
int mutex_consistent(pthread_mutex_t *m)
{
    struct os_name n = mutex_name(m);
    int r = REAL(pthread_mutex_consistent)(m);

    name_end(&n, false);
    return r;
}

int mutex_release_all(pthread_mutex_t *m, unsigned *count)
{
    int kind = m->__data.__kind & KIND_TYPE;

    *count = m->__data.__count;
    if (mutex_is_foreign(m))
        return foreign_unlock(m);
    if ((kind == PTHREAD_MUTEX_RECURSIVE || kind == PTHREAD_MUTEX_ERRORCHECK) && m->__data.__owner != (int)self_tid())
        return EPERM;
    unlock_word(m);
    return 0;
}

void mutex_reacquire(pthread_mutex_t *m, unsigned count)
{
    if (mutex_is_foreign(m)) {
        foreign_lock(m, CLOCK_REALTIME, NULL, 0);
        return;
    }
    acquire(m, NO_DEADLINE, 0);
    m->__data.__count = count;
}
