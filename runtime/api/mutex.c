/* Mutexes and conditions.
 *
 * A mutex that is unlocked goes to who waits longest, directly.  Who waits for a condition is a node in the condition's queue, under the
 * mutex's lock; signalling moves the node to the mutex's own queue, so that who is signalled wakes when it has the mutex,
 * and the wait is still one episode.  If that ends otherwise the node's word `signalled` says whether the signal was taken, and
 * the waiter queues for the mutex anew, firmly: it has to have it whatever it returns, and also when it is unwound.
 *
 * The owner notes what it has locked with its strand, as tokens are (semaphore.c). */
#include "runtime/api/held.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct vthr_mutex {
    struct vthr_lock lk;
    bool locked;               /* lk */
    uint32_t conditions;
    uint32_t kind;
    pthread_t owner;           /* written by the owner; 0: none, or one that is about to */
    struct vthr_scope *scope;  /* the owner's: the scope in which it locked it, NULL: in none */
    struct vthr_mutex *next;   /* in strand->locked */
    struct list waiters;
};

struct vthr_condition {
    struct list waiters;       /* mutex->lk */
    uint32_t kind;
    struct vthr_mutex *mutex;
};

static void mutex_check(const struct vthr_mutex *m)
{
    object_check(m, &m->kind, OBJECT_MUTEX);
}
static void condition_check(const struct vthr_condition *c)
{
    object_check(c, &c->kind, OBJECT_CONDITION);
}
static bool owned(const struct vthr_mutex *m)
{
    return pthread_equal(load_relaxed(&m->owner), pthread_self());
}

/* --- The owner's notes --- */

static void note(struct vthr_mutex *m)
{
    struct strand *me = vthr_strand;

    store_relaxed(&m->owner, pthread_self());
    m->scope = me ? me->inner : NULL;
    if (m->scope) {
        m->next = me->locked;
        me->locked = m;
    }
}

static void forget(struct vthr_mutex *m)
{
    struct vthr_mutex **at;

    if (m->scope) {
        for (at = &vthr_strand->locked; *at != m; at = &(*at)->next)
            ;
        *at = m->next;
    }
    store_relaxed(&m->owner, (pthread_t)0);
}

/* --- Locking --- */

/* Locked lk; the caller has the mutex no more.  Who has it now, to be told. */
static struct wait_node *pass_on(struct vthr_mutex *m)
{
    struct wait_node *n = wait_take(&m->waiters);

    m->locked = n != NULL;
    return n;
}

VTHR_EXPORT int vthr_mutex_lock_until(struct vthr_mutex *m, uint64_t deadline)
{
    mutex_check(m);
    if (owned(m))
        return EDEADLK;
    for (;;) {
        struct vthread *v = api_hold();
        struct wait_node n;
        int r;

        lock(&m->lk);
        if (!m->locked || deadline == 0) {
            r = m->locked ? EAGAIN : 0;
            m->locked = true;
            unlock(&m->lk);
            api_unhold(v);
        } else {
            n.slot = NULL;
            r = waitq_wait(v, &m->lk, &m->waiters, &n, deadline, wait_on(WAIT_LOCKED, m));
        }
        if (r == 0)
            note(m);
        if (r != EINTR)
            return r;
    }
}
VTHR_EXPORT int vthr_mutex_lock(struct vthr_mutex *m)
{
    return vthr_mutex_lock_until(m, NO_DEADLINE);
}
VTHR_EXPORT int vthr_try_mutex(struct vthr_mutex *m)
{
    return vthr_mutex_lock_until(m, 0);
}

/* In the runtime. */
static void release(struct vthr_mutex *m)
{
    struct wait_node *n;

    lock(&m->lk);
    n = pass_on(m);
    unlock(&m->lk);
    if (n)
        wait_give(n, GIVEN_DONE);
}

VTHR_EXPORT int vthr_mutex_unlock(struct vthr_mutex *m)
{
    struct vthread *v;

    mutex_check(m);
    if (!owned(m))
        return EPERM;
    forget(m);
    v = wake_enter();
    release(m);
    wake_leave(v);
    return 0;
}

void mutex_give_back(struct strand *me, const struct vthr_scope *s)
{
    struct vthr_mutex **at = &me->locked, *m;

    while ((m = *at)) {
        if (s && m->scope != s) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        store_relaxed(&m->owner, (pthread_t)0);
        release(m);
    }
}

/* --- Conditions --- */

/* Where a wait for a condition has to end. */
struct relock {
    struct vthr_condition *c;
    bool given;     /* the mutex has been passed on to us */
    bool signalled; /* lk */
    bool returned;
};

static void signal_some(struct vthr_condition *c, bool all);

/* Also when it is unwound; then a signal goes to the next. */
static void lock_again(struct relock *r)
{
    struct vthr_mutex *m = r->c->mutex;

    if (r->signalled && !r->returned)
        signal_some(r->c, false);
    while (!r->given) {
        struct vthread *v = api_hold();
        struct wait_node n;

        lock(&m->lk);
        if (m->locked) {
            n.slot = NULL;
            r->given = waitq_wait_firm(v, &m->lk, &m->waiters, &n, wait_on(WAIT_LOCKED, m));
        } else {
            m->locked = r->given = true;
            unlock(&m->lk);
            api_unhold(v);
        }
    }
    note(m);
}

/* 0, ECANCELED, ETIMEDOUT. */
static int wait_unlocked(struct vthr_condition *c, uint64_t deadline)
{
    struct vthr_mutex *m = c->mutex;
    __attribute__((cleanup(lock_again))) struct relock again = { c, false, false, false };
    struct vthread *v = api_hold();
    struct wait_node n;
    int r;

    lock(&m->lk);
    n.slot = &again.signalled;
    r = waitq_wait_giving(v, &m->lk, &c->waiters, &n, deadline, wait_on(WAIT_CONDITION, c), pass_on(m));
    again.given = r == 0;
    again.returned = true;
    return again.signalled || r == EINTR ? 0 : r; /* after a handler what is waited for has to be looked at again */
}

VTHR_EXPORT int vthr_condition_wait_until(struct vthr_condition *c, uint64_t deadline)
{
    condition_check(c);
    if (!owned(c->mutex))
        return EPERM;
    forget(c->mutex);
    return wait_unlocked(c, deadline);
}
VTHR_EXPORT int vthr_condition_wait(struct vthr_condition *c)
{
    return vthr_condition_wait_until(c, NO_DEADLINE);
}

static void signal_some(struct vthr_condition *c, bool all)
{
    struct vthread *v = wake_enter();
    struct vthr_mutex *m = c->mutex;
    struct wait_node *next = NULL;

    condition_check(c);
    lock(&m->lk);
    while (!list_empty(&c->waiters)) {
        struct wait_node *n = container_of(c->waiters.next, struct wait_node, link);

        list_del(&n->link);
        list_add_tail(&m->waiters, &n->link);
        *(bool *)n->slot = true;
        if (!all)
            break;
    }
    if (!m->locked)
        next = pass_on(m);
    unlock(&m->lk);
    if (next)
        wait_give(next, GIVEN_DONE);
    wake_leave(v);
}
VTHR_EXPORT void vthr_condition_signal(struct vthr_condition *c)
{
    signal_some(c, false);
}
VTHR_EXPORT void vthr_condition_broadcast(struct vthr_condition *c)
{
    signal_some(c, true);
}

/* --- Life --- */

VTHR_EXPORT int vthr_mutex_new(struct vthr_mutex **mutex)
{
    struct vthr_mutex *m = calloc(1, sizeof *m);

    if (!m)
        return ENOMEM;
    lock_init(&m->lk, RANK_OBJECT);
    list_init(&m->waiters);
    m->kind = OBJECT_MUTEX;
    *mutex = m;
    return 0;
}

VTHR_EXPORT void vthr_mutex_free(struct vthr_mutex *m)
{
    struct vthread *v;
    bool used;

    if (!m)
        return;
    mutex_check(m);
    v = api_hold();
    lock(&m->lk); /* who unlocked it last is done with it then */
    used = m->locked || !list_empty(&m->waiters);
    unlock(&m->lk);
    api_unhold(v);
    if (used)
        api_misuse("a mutex is freed while it is locked", m);
    if (load_relaxed(&m->conditions))
        api_misuse("a mutex is freed before its conditions", m);
    object_free(m, &m->kind);
}

VTHR_EXPORT int vthr_condition_new(struct vthr_condition **condition, struct vthr_mutex *m)
{
    struct vthr_condition *c = malloc(sizeof *c);

    mutex_check(m);
    if (!c)
        return ENOMEM;
    list_init(&c->waiters);
    c->kind = OBJECT_CONDITION;
    c->mutex = m;
    fetch_add_relaxed(&m->conditions, 1u);
    *condition = c;
    return 0;
}

VTHR_EXPORT void vthr_condition_free(struct vthr_condition *c)
{
    struct vthread *v;
    bool used;

    if (!c)
        return;
    condition_check(c);
    v = api_hold();
    lock(&c->mutex->lk); /* who signalled it is done with it then */
    used = !list_empty(&c->waiters);
    unlock(&c->mutex->lk);
    api_unhold(v);
    if (used)
        api_misuse("a condition is freed while somebody waits for it", c);
    fetch_sub_relaxed(&c->mutex->conditions, 1u);
    object_free(c, &c->kind);
}
