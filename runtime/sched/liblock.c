/* See liblock.h.
 *
 * Protocol.  A waiter parks in the lot, under the word's address, if it can park and the lock is one that was announced by
 * liblock_hold; else it sleeps in the kernel, as libc would have.  malloc's locks and the like are never announced: they are held for
 * moments, and a thread that parked with one of them while it waits for another could keep a carrier, which needs malloc
 * itself, from ever resuming it.
 *
 * Both kinds of waiters set the word to 2, so each unlock comes here, and wakes one of each kind that there is.  Counts tell it, kept
 * by a hash of the address: a waiter is counted before it sets the word, an unlocker has cleared the word before it looks.  Two
 * locks with one hash cost a wake too many; or a park for a lock that is not announced, which is right, only not needed.
 * A count that is never taken back (a handler jumps out of the wait) costs the same.
 *
 * Nothing of libc's is jumped to: the functions are replaced as a whole, in one store each, and who is in the middle of one goes on in
 * what is left of it. */
#include "runtime/sched/liblock.h"
#include "runtime/arch/context.h"
#include "runtime/base/real.h"
#include "runtime/base/sys.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>

#define SLOTS 1024u
#define LOSSES 4 /* as in sync/mutex.c */

static struct slot {
    uint32_t held, parked, asleep;
} slots[SLOTS];

/* What libc's macro for stream locks declares. */
struct stream_lock {
    uint32_t word;
    int count;
    void *owner;
};
static uint32_t *probe;

static struct slot *slot_of(const void *word)
{
    return &slots[((uintptr_t)word >> 3) * 0x9e3779b97f4a7c15ull >> 54];
}

/* Who has blocked all signals inside libc must stay on its carrier. */
static bool can_park(void)
{
    struct vthread *v = vthr_parkable();
    struct carrier *c;

    return v && !v->blocked_in && (c = carrier_here()) && !c->os.pinned;
}

static void park(uint32_t *word)
{
    struct slot *s = slot_of(word);
    bool granted = false;
    unsigned losses = 0;

    fetch_add_acq_rel(&s->parked, 1u);
    while (!granted && xchg_acquire(word, 2u) != 0)
        losses += lot_wait_lock(word, NO_DEADLINE, 0, losses >= LOSSES, &granted, wait_on(WAIT_STREAM, word)) == 0;
    fetch_sub_acq_rel(&s->parked, 1u);
}

static void lock_wait(uint32_t *word)
{
    struct slot *s = slot_of(word);

    fetch_add_acq_rel(&s->asleep, 1u);
    while (xchg_acquire(word, 2u) != 0) {
        if (load_relaxed(&s->held) && can_park()) {
            fetch_sub_acq_rel(&s->asleep, 1u);
            park(word);
            return;
        }
        SYS4(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL);
    }
    fetch_sub_acq_rel(&s->asleep, 1u);
}

static void lock_wake(uint32_t *word)
{
    struct slot *s = slot_of(word);
    bool parked;

    if (unlikely(word == load_relaxed(&probe))) {
        store_relaxed(&probe, NULL);
        return;
    }
    parked = load_acquire(&s->parked) != 0;
    if (parked)
        lot_wake_lock(word);
    /* Who fell asleep before the functions were replaced is not counted. */
    if (!parked || load_acquire(&s->asleep))
        SYS3(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/* A stream's unlock comes here, and its lock is made as we think. */
static bool works(void)
{
    struct stream_lock lk = { 0 };
    FILE f;
    bool ok;

    memset(&f, 0, sizeof f);
    f._lock = (void *)&lk;
    flockfile(&f);
    ok = lk.word == 1 && lk.owner == (void *)pthread_self();
    lk.word = 2;
    store_relaxed(&probe, &lk.word);
    funlockfile(&f);
    ok = ok && !load_relaxed(&probe) && lk.word == 0 && !lk.owner;
    store_relaxed(&probe, NULL);
    return ok;
}

void liblock_install(void)
{
    void *wait = vthr_real_symbol("__lll_lock_wait_private"), *wake = vthr_real_symbol("__lll_lock_wake_private");

    /* The new wake does what libc's did as long as nobody parks, so it may stay alone. */
    if (wait && wake && arch_redirect_futex(wake, FUTEX_WAKE_PRIVATE, (void *)lock_wake) && works())
        arch_redirect_futex(wait, FUTEX_WAIT_PRIVATE, (void *)lock_wait);
}

void liblock_hold(const void *word)
{
    fetch_add_acq_rel(&slot_of(word)->held, 1u);
}

void liblock_unhold(const void *word)
{
    fetch_sub_acq_rel(&slot_of(word)->held, 1u);
}

void liblock_reset_child(void)
{
    memset(slots, 0, sizeof slots);
}
