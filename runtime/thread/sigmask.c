/* Virtual signal masks.
 *
 * A mask is a word of the vthread, written by itself.  What the receiver may take is everything that at least one vthread has
 * unblocked: live vthreads are counted by mask (nearly all share a few), and the union changes when a count goes from or to
 * zero.  Blocking waits until the receiver has seen the change, so a signal that all have blocked stays in the kernel.
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
static uint64_t stray;     /* atomic */

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

void signal_mask_ref(uint64_t mask)
{
    lock(&lk);
    mask_add(mask, 1);
    unlock(&lk);
}
void signal_mask_unref(uint64_t mask)
{
    lock(&lk);
    mask_add(mask, -1);
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
    stray = 0;
}

void sig_leave_stray(int sig)
{
    fetch_or_acq_rel(&stray, SIGBIT(sig));
}
uint64_t sig_stray(void)
{
    return load_relaxed(&stray);
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
    while ((sig = SYS4(SYS_rt_sigtimedwait, &newly, &info, &zero, 8)) > 0)
        sig_post(v, (int)sig, &info);
}

static void set_mask(struct vthread *v, uint64_t mask)
{
    uint64_t old = v->sigmask;

    mask &= ~(SIG_UNMASKABLE | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (mask == old)
        return;
    v->in_rt++; /* our lock is held: no handler here */
    v->sigmask = mask;
    take_from_kernel(v, old & ~mask);
    lock(&lk);
    mask_add(mask, 1);
    mask_add(old, -1);
    unlock(&lk);
    if ((mask & ~old) & ~unblocked_union)
        sig_receiver_wait(load_acquire(&union_gen)); /* it must not be taken any more when the call returns */
    v->in_rt--;
    uint64_t s = load_relaxed(&stray) & ~mask;
    for (int sig = 1; s; sig++, s >>= 1)
        if ((s & 1) && (fetch_and_acq_rel(&stray, ~SIGBIT(sig)) & SIGBIT(sig)))
            signal_send_self(v, sig, SI_USER);
    if (load_relaxed(&v->attention) || (load_relaxed(&v->sigpending) & ~mask))
        rt_attention(v);
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
