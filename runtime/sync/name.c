/* In the OS thread's name.
 *
 * A robust or priority-inheriting mutex has its owner's kernel thread number in its word, where the kernel looks for it; a process-shared
 * object that knows its owner has a number that must be no other's in any process, and vthreads of two processes have the same ones.
 * libc takes the number from the caller's struct pthread.  So for the time of libc's function that field shows the OS thread's number,
 * and from the lock to the unlock the vthread is bound to that OS thread (sched/bound.c): the unlock finds the same number, and a
 * process that dies leaves a mutex whose owner the kernel finds dead.  The field goes back at once, because libc's own recursive locks
 * and ours have the vthread's number.
 *
 * The first OS thread's number is the main thread's, which may hold something since before there were vthreads: others move to another
 * OS thread first.  And the main thread begins bound, if it does: the kernel takes the unlock of a priority-inheriting mutex from the OS
 * thread only that locked it.  So native threads count what they hold (`held`).
 *
 * The list of robust mutexes is the image's; an OS thread is told the head of the vthread's that holds one (carrier.robust).  A head that a thread leaves behind does no harm: it lies in memory that stays, and
 * the kernel passes over what shows another number. */
#include "runtime/sync/name.h"
#include "runtime/mem/image.h"
#include "runtime/sync/self.h"
#include <linux/futex.h>

/* A native thread's; by is its number, which a forked child's differs from: what the parent holds is not the child's. */
static __thread struct {
    uint32_t n, by;
} held;

static void native_took(void)
{
    uint32_t me = self_tid();

    held.n = (held.by == me ? held.n : 0) + 1;
    held.by = me;
}

static void tell_robust(struct vthread *v)
{
    struct carrier *c = v->carrier;
    void *head = image_robust(v->pd);

    if (c->robust == head)
        return;
    c->robust = head;
    SYS2(SYS_set_robust_list, head, sizeof(struct robust_list_head));
}

struct os_name name_begin(uint32_t owner, bool robust)
{
    struct vthread *v = vthr_self; /* also in the runtime: a condition variable's wait unlocks there */
    struct os_name n = { v && !v->hooks_off ? v : NULL, !v };

    if (!n.v)
        return n;
    bound_stay(v);
    if (robust)
        tell_robust(v);
    if (owner != v->tid)
        *image_tid(v->pd) = (uint32_t)v->carrier->tid;
    rt_unhold(v);
    return n;
}

static void release(struct vthread *v)
{
    rt_hold(v);
    bound_release(v);
    rt_unhold(v);
}

void name_given_up(struct os_name *n)
{
    if (n->native && held.n)
        held.n--;
    if (n->v && n->v->holds > 1) /* one is name_begin's */
        release(n->v);
}

void name_end(struct os_name *n, bool got)
{
    if (n->native && got)
        native_took();
    if (!n->v)
        return;
    *image_tid(n->v->pd) = n->v->tid;
    if (!got)
        release(n->v);
}

void name_adopt(struct vthread *v)
{
    bool mine = held.n && held.by == v->tid;

    rt_hold(v);
    for (uint32_t i = 0; mine && i < held.n; i++)
        bound_hold(v);
    rt_unhold(v);
    held.n = 0;
}
