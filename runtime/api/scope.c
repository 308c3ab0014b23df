/* Scopes: opening, leaving, settings.  See scope.h for who is in which list.
 *
 * A scope is left when no task is live.  Its owner waits for that with a waiter that the last task claims (task.c) under the scope's
 * lock, the last thing that a task does with the scope; the owner takes the lock once more before it frees it.  When
 * only daemons are left the scope is cancelled.  The wait is ended by nothing else. */
#include "runtime/api/scope.h"
#include "runtime/api/local.h"
#include "runtime/api/held.h"
#include "runtime/api/message.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <stdlib.h>

VTHR_TLS struct strand *vthr_strand;
VTHR_TLS struct vthr_scope *vthr_inner;

/* For debuggers. */
static void say_places(void)
{
    vthr_scope_places.parent = offsetof(struct vthr_scope, parent);
    vthr_scope_places.owner = offsetof(struct vthr_scope, thread);
    vthr_scope_places.live = offsetof(struct vthr_scope, live);
    vthr_scope_places.cancelled = offsetof(struct vthr_scope, stop);
    store_release(&vthr_scope_places.inner, (int64_t)((uintptr_t)&vthr_inner - (uintptr_t)arch_tp()));
}

static struct strand *begin_strand(struct vthr_scope *s)
{
    if (!vthr_strand) {
        list_init(&s->first.link);
        s->first.vt = vthr_self;
        vthr_strand = &s->first;
        api_watch_end();
    }
    return vthr_strand;
}

static void init(struct vthr_scope *s)
{
    lock_init(&s->lk, RANK_SCOPE);
    list_init(&s->strands);
    list_init(&s->children);
    list_init(&s->sibling);
    list_init(&s->tasks);
    list_init(&s->spawners);
    list_init(&s->spares);
    s->kind = OBJECT_SCOPE;
    s->deadline = NO_DEADLINE;
}

static void lock_two(struct vthr_scope *outer, struct vthr_scope *s)
{
    if (outer) {
        lock(&outer->lk);
        vthr_rank_pop(RANK_SCOPE);
    }
    lock(&s->lk);
}
static void unlock_two(struct vthr_scope *outer, struct vthr_scope *s)
{
    unlock(&s->lk);
    if (outer)
        unlock(&outer->lk);
}

/* Both locked. */
static void move_strand(struct strand *me, struct vthr_scope *to)
{
    list_del(&me->link);
    me->inner = vthr_inner = to;
    if (to)
        list_add_tail(&to->strands, &me->link);
    if (!me->vt)
        return;
    if (to)
        scope_tell(to, me->vt);
    else
        scope_tell_none(me->vt);
}

VTHR_EXPORT int vthr_scope_open(struct vthr_scope **scope)
{
    struct vthr_scope *s = calloc(1, sizeof *s), *outer;
    struct vthread *v;
    struct strand *me;

    if (!s)
        return ENOMEM;
    vthr_activate();
    if (unlikely(!load_relaxed(&vthr_scope_places.inner)))
        say_places();
    init(s);
    s->thread = pthread_self();
    s->owner = me = begin_strand(s);
    s->parent = outer = me->inner;
    s->locals = locals_ref(me->locals);
    v = wake_enter();
    lock_two(outer, s);
    if (outer) {
        s->stop = outer->stop;
        s->locks = outer->locks;
        outer->used = true;
        list_add_tail(&outer->children, &s->sibling);
    }
    move_strand(me, s);
    unlock_two(outer, s);
    wake_leave(v);
    *scope = s;
    return 0;
}

VTHR_EXPORT int vthr_scope_error(struct vthr_scope *s)
{
    struct message *message;
    struct vthread *v;
    int error;

    scope_check(s);
    v = api_hold();
    lock(&s->lk);
    error = s->error;
    message = message_ref(s->message);
    unlock(&s->lk);
    api_unhold(v);
    if (error)
        message_got(error, message);
    message_unref(message);
    return error;
}

/* --- Settings: before there is anything in it.  Both locked --- */

static void shield(struct vthr_scope *s, unsigned n)
{
    (void)n;
    s->shielded = true;
    s->stop = s->own;
}
static void cancel_locks(struct vthr_scope *s, unsigned n)
{
    (void)n;
    s->locks = true;
}
static void limit(struct vthr_scope *s, unsigned n)
{
    s->limit = n;
}

static int set(struct vthr_scope *s, void (*how)(struct vthr_scope *, unsigned), unsigned n, const char *misuse)
{
    struct vthr_scope *outer;
    struct vthread *v;
    int r = EBUSY;

    scope_check(s);
    outer = s->parent;
    if (s->owner != vthr_strand)
        api_misuse(misuse, s);
    v = wake_enter();
    lock_two(outer, s);
    if (!s->used && s->owner->inner == s) {
        r = 0;
        how(s, n);
        if (s->owner->vt)
            scope_tell(s, s->owner->vt);
    }
    unlock_two(outer, s);
    wake_leave(v);
    return r;
}

VTHR_EXPORT int vthr_scope_shield(struct vthr_scope *s)
{
    return set(s, shield, 0, "a scope is shielded by a thread that did not open it");
}

VTHR_EXPORT int vthr_scope_cancel_locks(struct vthr_scope *s)
{
    return set(s, cancel_locks, 0, "a scope is told to cancel waits for locks by a thread that did not open it");
}

VTHR_EXPORT int vthr_scope_limit(struct vthr_scope *s, unsigned n)
{
    return set(s, limit, n, "a scope is limited by a thread that did not open it");
}

/* --- Leaving --- */

enum children { CHILDREN_NONE, CHILDREN_DAEMONS, CHILDREN_SOME };

/* Locked. */
static enum children children_of(const struct vthr_scope *s)
{
    return s->live ? CHILDREN_SOME : s->daemons == 0 ? CHILDREN_NONE : s->stop ? CHILDREN_SOME : CHILDREN_DAEMONS;
}

static void park_leaver(struct vthr_scope *s, struct waiter *w)
{
    s->leaver = w;
    s->leaver_ticket = waiter_prepare(w, wait_on(WAIT_SCOPE, s));
    unlock(&s->lk);
    waiter_park(w, NO_DEADLINE);
    lock(&s->lk);
    s->leaver = NULL;
}

static void wait_for_tasks(struct vthr_scope *s)
{
    enum children left;

    do {
        struct waiter native, *w = wait_enter(&native); /* handlers run between two turns */

        lock(&s->lk);
        left = children_of(s);
        if (left == CHILDREN_SOME)
            park_leaver(s, w);
        unlock(&s->lk);
        if (left == CHILDREN_DAEMONS)
            scope_cancel_tree(s);
        wait_leave(w);
    } while (left != CHILDREN_NONE);
}

static void free_tasks(struct list *tasks)
{
    struct list *it, *tmp;

    list_for_each_safe (it, tmp, tasks)
        task_free(container_of(it, struct vthr_task, kept));
}

static int result_of(const struct vthr_scope *s)
{
    return s->error ? s->error : s->cut && !s->own ? ECANCELED : 0;
}

VTHR_EXPORT int vthr_scope_leave(struct vthr_scope *s)
{
    struct vthr_scope *outer;
    struct strand *me = vthr_strand;
    struct vthread *v;
    int error;

    scope_check(s);
    outer = s->parent;
    if (!me || s->owner != me)
        api_misuse("a scope is left by a thread that did not open it", s);
    if (me->inner != s)
        api_misuse("a scope is left before one that was opened inside it", s);
    wait_for_tasks(s);
    v = wake_enter();
    scope_deadline_end(s);
    give_back(me, s);
    lock_two(outer, s);
    list_del(&s->sibling);
    move_strand(me, outer);
    unlock_two(outer, s);
    wake_leave(v);
    locals_unref(me->locals);
    me->locals = s->locals;
    if (me == &s->first)
        vthr_strand = NULL;
    error = result_of(s);
    free_tasks(&s->tasks);
    free_tasks(&s->spares);
    if (error)
        message_got(error, s->message);
    message_unref(s->message);
    object_free(s, &s->kind);
    return error;
}
