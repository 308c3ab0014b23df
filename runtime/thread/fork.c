/* fork and friends.
 *
 * Protocol.  Nothing is locked before a fork: in the child only the forking thread exists, and what another thread was in the middle of is
 * thrown away there, not repaired.  A child handler that libc runs before the program's own (registered before
 * any other) turns the runtime into one that was never activated: every lock is made anew, free lists, the parking
 * lot, timers and run queues are forgotten (their memory is lost to the child), the pollers' descriptors are closed,
 * signals go back to the kernel.  The forking vthread is now an ordinary thread; its stack and image stay in use for
 * ever.  The next pthread_create activates the runtime anew with this thread as the main vthread.
 *
 * Rejected: taking every lock in a prepare handler.  The program's own prepare handlers run before or after it and may park.
 *
 * vfork: the child borrows our memory while its parent's OS thread waits in the kernel; its hooks pass everything through
 * (vthread.hooks_off), so the parent's tables stay as they are. */
#include "runtime/base/real.h"
#include "runtime/io/fdtab.h"
#include "runtime/io/loop.h"
#include "runtime/io/mode.h"
#include "runtime/mem/blocks.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/liblock.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/thread/choose.h"
#include "runtime/thread/limit.h"
#include "runtime/thread/setid.h"
#include "runtime/thread/signal.h"
#include "runtime/thread/thread.h"

static int mark_gone(struct vthread *v, void *self)
{
    if (v != self)
        v->life = VT_DONE;
    return 0;
}

/* libc's fork blocks all signals: last thing before it. */
static void at_prepare(void)
{
    carrier_makes_process();
    carrier_pin();
    if (vthr_active)
        fd_sharing_begin();
}
static void at_parent(void)
{
    if (vthr_active)
        fd_sharing_end(true);
    carrier_unpin();
}

static void at_child(void)
{
    struct vthread *v = vthr_self;

    if (!vthr_active)
        return;
    arch_trap_off(); /* it is pinned, and stays so */
    if (v)
        v->pins = v->settled = 0;
    vthread_each(mark_gone, v);
    slab_reset_child();
    blocks_reset_child();
    shell_reset_child();
    image_reset_child();
    lot_reset_child();
    liblock_reset_child();
    fdtab_reset_child();
    loop_reset_child();
    sched_reset_child();
    signal_reset_child(v);
    setid_reset_child();
    choose_reset_child();
    limit_reset_child();
    if (v)
        v->loop_credit = 0;
    vthr_main.life = VT_FREE;
    vthr_main.pd = NULL;
    vthr_self = NULL;
    store_release(&vthr_active, 0);
}

/* At activation, or right before the program registers its first handlers: ours come first in the child either way. */
void fork_install(void)
{
    static bool installed;

    if (!xchg_relaxed(&installed, true))
        REAL(__register_atfork)(at_prepare, at_parent, at_child, &__dso_handle);
}

VTHR_EARLY uint64_t spawn_begin(void)
{
    struct vthread *v = vthr_self;

    if (!v || v->hooks_off)
        return 0;
    carrier_makes_process();
    carrier_pin(); /* the mask may have SIGSEGV in it */
    return ksig_set_mask(v->sigmask);
}
VTHR_EARLY void spawn_end(uint64_t mask)
{
    if (!vthr_self || vthr_self->hooks_off)
        return;
    ksig_set_mask(mask);
    carrier_unpin();
}

void thread_in_vfork_child(struct vthread *v)
{
    carrier_makes_process(); /* in the parent's memory */
    if (arch_tp_traps())
        arch_tp_tell((uintptr_t)v->pd);
    ksig_set_mask(v->sigmask);
}
