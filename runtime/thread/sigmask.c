/* Virtual signal masks.
 *
 * A mask is a word of the vthread, written by itself.  What the receiver may take is everything that at least one vthread has
 * unblocked: live vthreads are counted by mask (nearly all share a few), and the union changes when a count goes from or to
 * zero.  Blocking waits until the receiver has seen the change, so a signal that all have blocked stays in the kernel.
 *
 * A mask that is in force only while a handler runs is not counted: `mask_counted` is the one that is.  So the receiver may take
 * a signal that nobody can take just now.  It puts it back into the kernel and leaves it there (`held`) until a vthread's mask
 * opens for it: that one stores its mask, then (fence) looks at `held`; the receiver sets `held`, then looks at the masks.
 * `lk` protects the table and the union. */
#include "runtime/base/lock.h"
#include "runtime/base/real.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>

#define MAX_MASKS 64

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SIGNAL);
static struct {
    uint64_t mask;
    uint32_t count;
} masks[MAX_MASKS];
static unsigned n_masks;
static uint64_t unblocked_union;
static uint32_t union_gen; /* raised with each change of the union */
static uint64_t overflow;  /* unblocked by masks that had no slot */
static uint64_t held;      /* atomic */

/* lk held. */
static void recompute_union(void)
{
    uint64_t u = overflow;

    for (unsigned i = 0; i < n_masks; i++)
        if (masks[i].count)
            u |= ~masks[i].mask;
    if (u == unblocked_union)
        return;
    store_release(&unblocked_union, u);
    store_release(&union_gen, union_gen + 1);
    sig_receiver_poke();
}

static void mask_add(uint64_t mask, int by)
{
    unsigned i, hole = MAX_MASKS;
    bool changed = false;

    for (i = 0; i < n_masks; i++) {
        if (masks[i].mask == mask)
            break;
        if (!masks[i].count)
            hole = i;
    }
    if (i == n_masks && by > 0) {
        if (hole < MAX_MASKS)
            i = hole;
        else if (n_masks < MAX_MASKS)
            n_masks++;
        else
            overflow |= ~mask; /* more distinct masks than slots: these stay in the union for good */
        if (i < MAX_MASKS) {
            masks[i].mask = mask;
            masks[i].count = 0;
        }
        changed = true;
    }
    if (i < n_masks && (by > 0 || masks[i].count)) {
        masks[i].count += (uint32_t)by;
        changed = by > 0 ? masks[i].count == 1 : masks[i].count == 0;
    }
    if (changed)
        recompute_union();
}

void signal_mask_ref(struct vthread *v)
{
    v->mask_counted = v->sigmask;
    lock(&lk);
    mask_add(v->mask_counted, 1);
    unlock(&lk);
    sig_opened(v->sigmask);
}
void signal_mask_unref(struct vthread *v)
{
    v->sigmask = ~0ull;
    lock(&lk);
    mask_add(v->mask_counted, -1);
    unlock(&lk);
}

uint64_t sig_unblocked_union(uint32_t *gen)
{
    *gen = load_acquire(&union_gen); /* first: the union is at least as new */
    return load_acquire(&unblocked_union);
}

void sig_masks_reset(void)
{
    lock_init(&lk, RANK_SIGNAL);
    n_masks = 0;
    unblocked_union = overflow = 0;
    union_gen = 0;
    held = 0;
}

uint64_t sig_held_back(void)
{
    return load_acquire(&held);
}
void sig_hold_back(int sig)
{
    fetch_or_acq_rel(&held, SIGBIT(sig));
}
void sig_let_go(uint64_t set)
{
    if (fetch_and_acq_rel(&held, ~set) & set)
        sig_receiver_poke();
}

void sig_opened(uint64_t mask)
{
    fence_seq_cst();
    if (unlikely(load_relaxed(&held) & ~mask))
        sig_let_go(~mask);
}

/* What is pending for the process and was just unblocked is handled before the call returns (sigprocmask(2)): taken here,
 * before the receiver can. */
static void take_from_kernel(struct vthread *v, uint64_t newly)
{
    struct timespec zero = { 0, 0 };
    siginfo_t info;
    long sig;

    newly &= ~(KSIG_DIRECT | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (!newly)
        return;
    while ((sig = SYS4(SYS_rt_sigtimedwait, &newly, &info, &zero, 8)) > 0) {
        sig_code_restore(&info);
        if (!sig_timer_post(&info))
            sig_post_shared(v, (int)sig, &info);
    }
}

static void set_mask(struct vthread *v, uint64_t mask)
{
    uint64_t old = v->sigmask;

    mask &= ~(SIG_UNMASKABLE | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (mask == old && mask == v->mask_counted)
        return;
    rt_hold(v);
    v->sigmask = mask;
    take_from_kernel(v, old & ~mask);
    lock(&lk);
    mask_add(mask, 1);
    mask_add(v->mask_counted, -1);
    v->mask_counted = mask;
    unlock(&lk);
    sig_opened(mask);
    if ((mask & ~old) & ~unblocked_union)
        sig_receiver_wait(load_acquire(&union_gen)); /* it must not be taken any more when the call returns */
    if (load_relaxed(&v->sigpending) & mask)
        sig_give_back(v, mask);
    if (load_relaxed(&v->sigpending) & ~mask)
        store_relaxed(&v->attention, 1);
    rt_unhold(v);
}

/* sigreturn restores a mask without delivering: who called the handler looks at what is pending next. */
void sig_handler_returned(struct vthread *v, uint64_t mask)
{
    mask &= ~(SIG_UNMASKABLE | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (mask == v->mask_counted) {
        v->sigmask = mask;
        sig_opened(mask);
        if (load_relaxed(&v->sigpending) & ~mask) /* above a fault nobody looks right after */
            store_relaxed(&v->attention, 1);
    } else {
        set_mask(v, mask);
    }
}

int signal_mask(struct vthread *v, int how, const uint64_t *set, uint64_t *old)
{
    uint64_t was = v->sigmask, now = was;

    if (set) {
        switch (how) {
        case SIG_BLOCK: now = was | *set; break;
        case SIG_UNBLOCK: now = was & ~*set; break;
        case SIG_SETMASK: now = *set; break;
        default: return -EINVAL;
        }
    }
    if (old)
        *old = was;
    set_mask(v, now);
    return 0;
}
