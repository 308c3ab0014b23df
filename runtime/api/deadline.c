/* Deadlines of scopes.  A scope's timer is in the heap of a processor; when it is due the scope is cancelled like any other, and what
 * comes out of it is ETIMEDOUT unless a task failed before.  Nested deadlines need no more: the outer one cancels the inner
 * scope with its tree. */
#include "runtime/api/scope.h"
#include <errno.h>

static void expire(struct vthr_scope *s)
{
    lock(&s->lk);
    if (!s->error && !s->own)
        s->error = ETIMEDOUT;
    unlock(&s->lk);
    scope_cancel_tree(s);
}

static void fire(struct timer *t)
{
    expire(container_of(t, struct vthr_scope, timer));
}

uint64_t scope_deadline_of(const struct vthr_scope *s)
{
    uint64_t d = NO_DEADLINE;

    for (; s; s = s->shielded ? NULL : s->parent) {
        uint64_t own = load_relaxed(&s->deadline);

        d = own < d ? own : d;
    }
    return d;
}

/* The scopes around the calling thread's stay as long as it is inside. */
void scope_expire_due(struct vthr_scope *s)
{
    uint64_t now = now_ns();

    for (; s; s = s->shielded ? NULL : s->parent)
        if (load_relaxed(&s->deadline) <= now)
            expire(s);
}

/* 0 or an errno value. */
static int arm(struct vthread *v, struct vthr_scope *s, uint64_t at)
{
    struct proc *p = v && v->proc ? v->proc : &vthr_procs[0];
    int r;

    timer_del_fired(&s->timer);
    s->timer.fire = fire;
    r = timer_add(&p->timers, &s->timer, NULL, 0, at);
    if (r > 0 && (!v || p != v->proc))
        proc_kick(p); /* it may sleep for longer */
    return r < 0 ? -r : 0;
}

void scope_deadline_end(struct vthr_scope *s)
{
    if (s->timer.fire)
        timer_del_fired(&s->timer);
}

VTHR_EXPORT int vthr_scope_deadline(struct vthr_scope *s, uint64_t at)
{
    struct vthread *v;
    int r = 0;

    scope_check(s);
    if (s->owner != vthr_strand)
        api_misuse("a scope's deadline is set by a thread that did not open it", s);
    if (at >= s->deadline)
        return 0;
    store_relaxed(&s->deadline, at);
    if (!vthr_active)
        return 0;
    v = wake_enter();
    if (at <= now_ns())
        expire(s);
    else
        r = arm(v, s, at);
    wake_leave(v);
    return r;
}

VTHR_EXPORT int vthr_scope_timeout(struct vthr_scope *s, uint64_t ns)
{
    return vthr_scope_deadline(s, vthr_after(ns));
}

VTHR_EXPORT uint64_t vthr_deadline(void)
{
    struct strand *me = vthr_strand;

    return me && me->inner ? scope_deadline_of(me->inner) : NO_DEADLINE;
}

VTHR_EXPORT uint64_t vthr_now(void)
{
    return now_ns();
}

VTHR_EXPORT uint64_t vthr_after(uint64_t ns)
{
    uint64_t now = now_ns();

    return ns < NO_DEADLINE - 1 - now ? now + ns : NO_DEADLINE;
}
