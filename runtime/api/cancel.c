/* Cancelling a scope: it and all scopes inside it are marked, and every strand in them is told.
 *
 * `stop` of a scope and of the strands in its list change together, under its lock; a scope is opened and left under the lock of the
 * one around it.  So a walk from a scope inwards, which keeps the locks of the path that it is on, meets every strand
 * once and in its innermost scope, and a strand that enters or leaves a scope meanwhile is in one or in the other.  A
 * shield is a scope that the walk passes by.
 *
 * A strand that is told: see cancel_stop.  It finds the flag before its next wait, or its wait ends. */
#include "runtime/api/message.h"
#include "runtime/api/scope.h"
#include "runtime/thread/cancel.h"

static void tell(struct strand *st)
{
    if (st->vt)
        cancel_stop(st->vt);
    else if (st->native)
        waiter_wake(st->native, st->native_ticket, W_INTR);
}

static void mark(struct vthr_scope *s)
{
    struct list *it;

    store_release(&s->stop, 1u);
    list_for_each (it, &s->strands)
        tell(container_of(it, struct strand, link));
}

/* The next child to be marked from *it on; its lock is taken. */
static struct vthr_scope *enter_child(struct vthr_scope *s, struct list *it)
{
    for (; it != &s->children; it = it->next) {
        struct vthr_scope *c = container_of(it, struct vthr_scope, sibling);

        if (c->shielded)
            continue;
        vthr_rank_pop(RANK_SCOPE); /* many of one rank, from the outermost inwards */
        lock(&c->lk);
        if (!c->stop)
            return c;
        unlock(&c->lk);
    }
    return NULL;
}

/* top locked; it is not when this returns. */
static void walk(struct vthr_scope *top)
{
    struct vthr_scope *s = top, *c;
    struct list *it = s->children.next;

    mark(s);
    for (;;) {
        c = enter_child(s, it);
        if (c) {
            mark(c);
            s = c;
            it = c->children.next;
            continue;
        }
        if (s == top)
            break;
        c = s;
        s = s->parent;
        it = c->sibling.next;
        unlock(&c->lk);
    }
    unlock(&top->lk);
}

void scope_cancel_tree(struct vthr_scope *s)
{
    lock(&s->lk);
    s->own = true;
    if (s->stop) /* what is inside it is marked, too */
        unlock(&s->lk);
    else
        walk(s);
}

VTHR_EXPORT void vthr_scope_cancel(struct vthr_scope *s)
{
    struct vthread *v;

    scope_check(s);
    v = wake_enter();
    scope_cancel_tree(s);
    wake_leave(v);
}

VTHR_EXPORT void vthr_scope_fail(struct vthr_scope *s, int error)
{
    struct message *message, *unused;
    struct vthread *v;

    scope_check(s);
    message = unused = message_for(error);
    v = wake_enter();
    lock(&s->lk);
    if (!s->error) {
        s->error = error;
        s->message = message;
        unused = NULL;
    }
    unlock(&s->lk);
    scope_cancel_tree(s);
    wake_leave(v);
    message_unref(unused);
}

VTHR_EXPORT int vthr_cancelled(void)
{
    struct strand *me = vthr_strand;

    if (!me || !me->inner)
        return 0;
    if (!load_acquire(&me->inner->stop) && scope_deadline_of(me->inner) <= now_ns()) {
        /* Nobody else may have come to look at timers while this thread computed. */
        struct vthread *v = wake_enter();

        scope_expire_due(me->inner);
        wake_leave(v);
    }
    return load_acquire(&me->inner->stop);
}
