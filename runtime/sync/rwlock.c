/* Read-write locks.
 *
 * One word (in glibc's __readers): WRITER, WR_WAIT (writers queue), RD_WAIT (readers queue), and the number of readers.  Readers
 * queue in the parking lot under the word's address, writers under the next word's.  Whoever frees the lock clears the
 * wait bits and wakes one writer, or all readers when no writer waits; those woken compete again and set the bits again if
 * they must wait.  With PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP readers also wait behind WR_WAIT; the default prefers
 * readers, as glibc's does.  Process-shared locks are glibc's own. */
#include "runtime/sync/rwlock.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/sync/name.h"
#include "runtime/sync/self.h"
#include "runtime/sync/turns.h"
#include <errno.h>
#include <limits.h>

#define WRITER 0x80000000u
#define WR_WAIT 0x40000000u
#define RD_WAIT 0x20000000u
#define READERS 0x1fffffffu

static uint32_t *word_of(pthread_rwlock_t *l)
{
    return &l->__data.__readers;
}
static const uint32_t *writers_key(pthread_rwlock_t *l)
{
    return &l->__data.__writers;
}
static bool is_foreign(pthread_rwlock_t *l)
{
    return l->__data.__shared != 0;
}

static bool readers_yield(pthread_rwlock_t *l)
{
    return l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

/* The writer's number is in it, and libc's unlock looks whether it is the caller's: name.h. */
static struct os_name name_for(pthread_rwlock_t *l)
{
    return name_begin((uint32_t)l->__data.__cur_writer, false);
}

static int foreign_try(pthread_rwlock_t *l, bool write)
{
    struct os_name n = name_for(l);
    int r = write ? REAL(pthread_rwlock_trywrlock)(l) : REAL(pthread_rwlock_tryrdlock)(l);

    name_end(&n, write && r == 0);
    return r;
}

static int foreign_unlock(pthread_rwlock_t *l)
{
    struct os_name n = name_for(l);
    bool written = (uint32_t)l->__data.__cur_writer == self_tid();
    int r = REAL(pthread_rwlock_unlock)(l);

    if (r == 0 && written)
        name_given_up(&n);
    name_end(&n, false);
    return r;
}

int rwlock_tryrdlock(pthread_rwlock_t *l)
{
    uint32_t cur = load_relaxed(word_of(l));

    if (is_foreign(l))
        return foreign_try(l, false);
    do {
        if ((cur & WRITER) || ((cur & WR_WAIT) && readers_yield(l)))
            return EBUSY;
        if ((cur & READERS) == READERS)
            return EAGAIN;
    } while (!cas_acquire(word_of(l), &cur, cur + 1));
    return 0;
}

int rwlock_trywrlock(pthread_rwlock_t *l)
{
    uint32_t cur = load_relaxed(word_of(l));

    if (is_foreign(l))
        return foreign_try(l, true);
    do {
        if (cur & (WRITER | READERS))
            return EBUSY;
    } while (!cas_acquire(word_of(l), &cur, cur | WRITER));
    l->__data.__cur_writer = (int)self_tid();
    return 0;
}

/* Sets the wait bit and parks under `key` while the word stays as seen. */
static int wait_turn(pthread_rwlock_t *l, const uint32_t *key, uint32_t bit, bool (*must_wait)(pthread_rwlock_t *, uint32_t),
                     uint64_t deadline, unsigned ends)
{
    struct waiter native, *w = wait_enter(&native);
    struct lot_node n;
    struct lot_bucket *b = lot_lock(key);
    uint32_t cur = load_relaxed(word_of(l));
    int r = 0;

    for (;;) {
        if (!must_wait(l, cur)) {
            lot_unlock(b);
            goto out;
        }
        if (cas_acq_rel(word_of(l), &cur, cur | bit))
            break;
    }
    lot_queue(b, &n, key, w, waiter_prepare(w, wait_on(bit == RD_WAIT ? WAIT_RDLOCK : WAIT_WRLOCK, l)));
    lot_unlock(b);
    r = lot_park(&n, deadline, ends);
out:
    wait_leave(w);
    return r;
}

static bool reader_waits(pthread_rwlock_t *l, uint32_t cur)
{
    return (cur & WRITER) || ((cur & WR_WAIT) && readers_yield(l));
}
static bool writer_waits(pthread_rwlock_t *l, uint32_t cur)
{
    (void)l;
    return (cur & (WRITER | READERS)) != 0;
}

static void wake_waiters(pthread_rwlock_t *l, uint32_t bits)
{
    if (bits & WR_WAIT) {
        /* More than one may queue, and the bit was cleared: it is set again for the rest, and for readers that stay behind.  Under
         * the bucket's lock, without which the woken writer does not go on: it would find no reader to wake when it unlocks. */
        struct vthread *v = wake_enter();
        struct lot_bucket *b = lot_lock(writers_key(l));
        int woken = lot_wake_locked(b, writers_key(l), 1, ~0u);
        bool stay = woken && readers_yield(l);

        if (woken)
            __atomic_fetch_or(word_of(l), WR_WAIT | (stay ? bits & RD_WAIT : 0), __ATOMIC_RELAXED);
        lot_unlock(b);
        wake_leave(v);
        if (stay)
            return;
    }
    if (bits & RD_WAIT)
        lot_wake(word_of(l), INT_MAX);
}

static int real_lock(pthread_rwlock_t *l, bool write, clockid_t clk, const struct timespec *abs)
{
    if (!abs)
        return write ? REAL(pthread_rwlock_wrlock)(l) : REAL(pthread_rwlock_rdlock)(l);
    return write ? REAL(pthread_rwlock_clockwrlock)(l, clk, abs) : REAL(pthread_rwlock_clockrdlock)(l, clk, abs);
}

/* In turns, as a scope's cancellation has to end it. */
static int real_lock_turns(pthread_rwlock_t *l, bool write, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct turns t = turns_of(clk, abs);
    int r = write ? REAL(pthread_rwlock_trywrlock)(l) : REAL(pthread_rwlock_tryrdlock)(l);

    while ((r == EBUSY || r == ETIMEDOUT) && turn_begin(&t)) {
        if (lot_stopped(ends))
            return ECANCELED;
        r = real_lock(l, write, clk, &t.end);
    }
    return r;
}

static int foreign(pthread_rwlock_t *l, bool write, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct vthread *v = vthr_parkable();
    bool turns = v && lot_may_be_stopped(v, ends);
    struct os_name n = name_for(l);
    int r;

    if (v) {
        block_begin(v, true);
        block_note(v, wait_on(write ? WAIT_WRLOCK : WAIT_RDLOCK, l));
    }
    r = turns ? real_lock_turns(l, write, clk, abs, ends) : real_lock(l, write, clk, abs);
    if (v)
        block_end(v);
    name_end(&n, write && r == 0);
    return r;
}

/* A writer does not wait any more: those who waited behind it may have no reason to. */
static void writer_leaves(pthread_rwlock_t *l)
{
    if (!(load_relaxed(word_of(l)) & WRITER)) {
        uint32_t old = fetch_and_acq_rel(word_of(l), ~(WR_WAIT | RD_WAIT));

        wake_waiters(l, old & (WR_WAIT | RD_WAIT));
    }
}

static int lock_either(pthread_rwlock_t *l, bool write, clockid_t clk, const struct timespec *abs)
{
    unsigned ends = LOT_ENDS((unsigned)(abs ? STOP_WAIT : STOP_LOCK));

    if (abs && clk != CLOCK_REALTIME && clk != CLOCK_MONOTONIC)
        return EINVAL;
    if (is_foreign(l))
        return foreign(l, write, abs ? clk : CLOCK_REALTIME, abs, ends);
    for (;;) {
        int r = write ? rwlock_trywrlock(l) : rwlock_tryrdlock(l);
        uint64_t deadline = NO_DEADLINE;

        if (r != EBUSY)
            return r;
        if ((load_relaxed(word_of(l)) & WRITER) && l->__data.__cur_writer == (int)self_tid())
            return EDEADLK;
        if (abs) {
            if (!ts_valid(abs))
                return EINVAL;
            deadline = deadline_at(clk, abs);
            if (deadline == 0)
                return ETIMEDOUT;
        }
        r = write ? wait_turn(l, writers_key(l), WR_WAIT, writer_waits, deadline, ends)
                  : wait_turn(l, word_of(l), RD_WAIT, reader_waits, deadline, ends);
        if ((r == -ETIMEDOUT && deadline_at(clk, abs) == 0) || (r == -EINTR && lot_stopped(ends))) {
            if (write)
                writer_leaves(l);
            return r == -EINTR ? ECANCELED : ETIMEDOUT;
        }
    }
}

int rwlock_rdlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs)
{
    return lock_either(l, false, clk, abs);
}
int rwlock_wrlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs)
{
    return lock_either(l, true, clk, abs);
}

int rwlock_unlock(pthread_rwlock_t *l)
{
    uint32_t cur = load_relaxed(word_of(l)), left;

    if (is_foreign(l))
        return foreign_unlock(l);
    if (cur & WRITER)
        l->__data.__cur_writer = 0;
    do {
        left = cur & WRITER ? cur & ~WRITER : cur - 1;
        if (!(left & READERS))
            left = 0; /* free: the wait bits go, their waiters are woken */
    } while (!cas_acq_rel(word_of(l), &cur, left));
    if (left == 0 && (cur & (WR_WAIT | RD_WAIT)))
        wake_waiters(l, cur & (WR_WAIT | RD_WAIT));
    return 0;
}
