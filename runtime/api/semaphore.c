/* Semaphores.  Who takes a token is noted with the strand and the scope that it is in: when the scope is left, or the task ends, what was
 * not released goes back.  So a token cannot leak, and cannot be released by somebody who has none.
 *
 * A token that is released goes to the waiter who has waited longest, directly. */
#include "runtime/api/tokens.h"
#include "runtime/api/held.h"
#include <errno.h>
#include <stdlib.h>

struct held { /* one token; its strand's own */
    struct held *next;
    struct vthr_semaphore *sem;
    struct vthr_scope *scope;
};

VTHR_EXPORT int vthr_semaphore_new(struct vthr_semaphore **sem, unsigned tokens)
{
    struct vthr_semaphore *s = calloc(1, sizeof *s);

    if (!s)
        return ENOMEM;
    lock_init(&s->lk, RANK_OBJECT);
    list_init(&s->waiters);
    s->kind = OBJECT_SEMAPHORE;
    s->free = s->total = tokens;
    *sem = s;
    return 0;
}

VTHR_EXPORT void vthr_semaphore_free(struct vthr_semaphore *s)
{
    struct vthread *v;
    bool used;

    if (!s)
        return;
    semaphore_check(s);
    v = api_hold();
    lock(&s->lk); /* whoever gave the last token back is done with it then */
    used = s->free != s->total || !list_empty(&s->waiters);
    unlock(&s->lk);
    api_unhold(v);
    if (used)
        api_misuse("a semaphore is freed while tokens are out", s);
    object_free(s, &s->kind);
}

static int take(struct vthr_semaphore *s, uint64_t deadline)
{
    for (;;) {
        struct vthread *v = api_hold();
        struct wait_node n;
        int r;

        lock(&s->lk);
        if (s->free > 0 || deadline == 0) {
            r = s->free ? 0 : EAGAIN;
            s->free -= r == 0;
            unlock(&s->lk);
            api_unhold(v);
            return r;
        }
        r = waitq_wait(v, &s->lk, &s->waiters, &n, deadline, wait_on(WAIT_TOKEN, s));
        if (r != EINTR)
            return r;
    }
}

/* In the runtime. */
static void give(struct vthr_semaphore *s)
{
    struct wait_node *n;

    lock(&s->lk);
    n = wait_take(&s->waiters);
    if (!n)
        s->free++;
    unlock(&s->lk);
    if (n)
        wait_give(n, GIVEN_DONE);
}

bool semaphore_may_take(void)
{
    return vthr_strand && vthr_strand->inner;
}

int semaphore_took(struct vthr_semaphore *s)
{
    struct strand *me = vthr_strand;
    struct held *h = malloc(sizeof *h);

    if (!h) {
        struct vthread *v = wake_enter();

        give(s);
        wake_leave(v);
        return ENOMEM;
    }
    h->sem = s;
    h->scope = me->inner;
    h->next = me->held;
    me->held = h;
    return 0;
}

VTHR_EXPORT int vthr_acquire_until(struct vthr_semaphore *s, uint64_t deadline)
{
    int r;

    semaphore_check(s);
    if (!semaphore_may_take())
        return EPERM;
    r = take(s, deadline);
    return r ? r : semaphore_took(s);
}

VTHR_EXPORT int vthr_acquire(struct vthr_semaphore *s)
{
    return vthr_acquire_until(s, NO_DEADLINE);
}

VTHR_EXPORT int vthr_try_acquire(struct vthr_semaphore *s)
{
    return vthr_acquire_until(s, 0);
}

VTHR_EXPORT int vthr_give_back(struct vthr_semaphore *s)
{
    struct strand *me = vthr_strand;
    struct held **at, *h;
    struct vthread *v;

    semaphore_check(s);
    if (!me)
        return EPERM;
    for (at = &me->held; (h = *at) && h->sem != s; at = &h->next)
        ;
    if (!h)
        return EPERM;
    *at = h->next;
    v = wake_enter();
    give(s);
    wake_leave(v);
    free(h);
    return 0;
}

void semaphore_give_back(struct strand *me, const struct vthr_scope *s)
{
    struct held **at = &me->held, *h;

    while ((h = *at)) {
        if (s && h->scope != s) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        give(h->sem);
        free(h);
    }
}
