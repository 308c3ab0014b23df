/* setuid and its family.
 *
 * In the kernel an identity belongs to an OS thread; libc gives it to all (nptl/nptl_setxid.c): it marks every thread on its
 * lists, sends each signal 33, whose handler makes the same system call, takes the mark off the *calling* thread's descriptor
 * and counts down; it repeats that until no marked thread can be signalled.  By libc's reckoning an OS thread is the descriptor
 * that it was born with, but what its thread pointer shows while a vthread is mounted is that one's.  So both sides borrow the
 * OS thread's own thread pointer: the caller for the whole of libc's function (which skips itself by that), and our kernel
 * handler of 33 for libc's handler, on the carrier's signal stack.  The images of vthreads are on libc's lists too: marked,
 * not found by their numbers, unmarked.
 *
 * While a thread pointer is borrowed, vthr_self is what that descriptor says (on the first OS thread the main vthread's, which
 * may be elsewhere), so no handler that looks at it may run: SIG_NUDGE is blocked.  33 itself must stay open, or two callers would
 * wait for each other: one caller at a time, by `lk`, and so none is borrowing when it comes.
 *
 * A vthread that has its OS thread's number (sched/bound.c) gives that two descriptors with one number: libc signals it for each, and
 * the handler acts for one that is marked.  For the caller's own image the signal comes while it borrows, to itself.
 *
 * Every OS thread of ours has 33 unblocked (native_start, KSIG_CARRIER_MASK; the receiver in its wait). */
#include "runtime/thread/setid.h"
#include "runtime/base/ksig.h"
#include "runtime/base/lock.h"
#include "runtime/mem/image.h"
#include "runtime/sched/sched.h"
#include <errno.h>

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_BOOT);
static struct ksig_action libcs;

static uintptr_t born_with(const struct carrier *c)
{
    return c->is_first ? (uintptr_t)vthr_main.pd : c->ctx.tp;
}

#define MARK 0x40 /* SETXID_BITMASK of nptl/descr.h, in the word of cancellation */

static uintptr_t marked(const struct carrier *c)
{
    const struct vthread *v = c->bound;
    uintptr_t born = born_with(c);

    if (v && v->has_os_number && !(load_relaxed(image_cancel_word((void *)born)) & MARK))
        return (uintptr_t)v->pd;
    return born;
}

static void on_setxid(int sig, siginfo_t *info, void *uc)
{
    struct carrier *c = carrier_here();
    struct arch_tp_loan loan;

    if (c)
        arch_tp_borrow(&c->os, marked(c), &loan);
    libcs.handler(sig, info, uc);
    if (c)
        arch_tp_return(&c->os, &loan);
}

void setid_start(void)
{
    struct ksig_action ours;

    SYS4(SYS_rt_sigaction, SIG_SETXID, NULL, &libcs, 8);
    if ((long)libcs.handler <= 1) /* SIG_DFL, SIG_IGN: a libc without the broadcast */
        return;
    ours = libcs;
    ours.handler = on_setxid;
    ours.flags |= SA_ONSTACK;
    ours.mask |= SIGBIT(SIG_NUDGE);
    SYS4(SYS_rt_sigaction, SIG_SETXID, &ours, NULL, 8);
}

void setid_reset_child(void)
{
    lock_init(&lk, RANK_BOOT);
    if ((long)libcs.handler > 1)
        SYS4(SYS_rt_sigaction, SIG_SETXID, &libcs, NULL, 8);
}

/* A function of its own: errno is the borrowed thread's, and its address may be taken only once in a function. */
static VTHR_NOINLINE int call(int (*fn)(const long *), const long *args)
{
    int r = fn(args);

    return r < 0 ? -errno : r;
}

int setid_call(struct vthread *v, int (*fn)(const long *args), const long *args)
{
    struct arch_tp_loan loan;
    struct carrier *c;
    uint64_t mask;
    int r;

    rt_hold(v);
    lock(&lk);
    if (!v) {
        r = call(fn, args);
        unlock(&lk);
        return r;
    }
    c = v->carrier;
    mask = ksig_set_mask(KSIG_CARRIER_MASK | SIGBIT(SIG_NUDGE));
    arch_tp_borrow(&c->os, born_with(c), &loan);
    r = call(fn, args);
    arch_tp_return(&c->os, &loan);
    ksig_set_mask(mask);
    unlock(&lk);
    rt_unhold(v);
    return r;
}
