/* Scopes and their tasks: see vthr.h.
 *
 * live counts the tasks that have not ended; the opener waits on it in the parking lot.  A task's end is, in this order: its
 * result, done (joiners wait on it), live.  Whoever takes live to 0 wakes by address only: the scope may be freed by then.
 * Tasks are linked for being freed with their scope, by CAS, as any thread inside may spawn.
 *
 * `inner` is the innermost scope around the running code; an opener's chain of parents goes on through its task's scope, so
 * a look at cancellation walks up. */
#include "runtime/api/vthr.h"
#include "runtime/base/atomic.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct vthr_scope {
    struct vthr_scope *parent;
    struct vthr_task *tasks;
    pthread_t owner;
    uint32_t live;
    uint32_t cancelled;
    int error; /* of the first task that failed; by CAS from 0 */
};

struct vthr_task {
    struct vthr_task *next;
    struct vthr_scope *scope;
    vthr_fn *fn;
    void *arg, *value;
    int error;
    uint32_t done, taken;
};

static VTHR_TLS struct vthr_scope *inner;
static VTHR_TLS struct vthr_task *running;

static void misuse(const char *what, const void *obj) VTHR_NORETURN;
static void misuse(const char *what, const void *obj)
{
    char hex[17];
    uintptr_t a = (uintptr_t)obj;

    for (int i = 15; i >= 0; i--, a >>= 4)
        hex[i] = "0123456789abcdef"[a & 15];
    hex[16] = 0;
    vthr_say(what, " (at 0x", hex, ")", NULL);
    abort();
}

static bool cancelled_in(const struct vthr_scope *s)
{
    for (; s; s = s->parent)
        if (load_acquire(&s->cancelled))
            return true;
    return false;
}

static void count_down(struct vthr_scope *s)
{
    if (fetch_sub_acq_rel(&s->live, 1u) == 1)
        lot_wake(&s->live, INT_MAX);
}

/* Runs also when pthread_exit or pthread_cancel unwinds the task. */
static void task_end(struct vthr_task **task)
{
    struct vthr_task *t = *task;
    struct vthr_scope *s = t->scope;
    int none = 0;

    if (inner != s)
        misuse("a task ended with a scope still open", inner);
    if (t->error) {
        cas_acq_rel(&s->error, &none, t->error);
        store_release(&s->cancelled, 1u);
    }
    store_release(&t->done, 1u);
    lot_wake(&t->done, INT_MAX);
    count_down(s);
}

static void *task_main(void *arg)
{
    __attribute__((cleanup(task_end))) struct vthr_task *t = arg;
    void *value = NULL;

    running = t;
    inner = t->scope;
    t->error = ECANCELED; /* unless fn returns */
    t->error = t->fn(t->arg, &value);
    t->value = value;
    return NULL;
}

static int start(struct vthr_task *t)
{
    pthread_t th;
    bool virtual_ = vthr_activate();
    int r = virtual_ ? thread_create(&th, NULL, task_main, t, false) : REAL(pthread_create)(&th, NULL, task_main, t);

    if (r == 0)
        (void)(virtual_ ? thread_detach(th) : REAL(pthread_detach)(th));
    return r;
}

/* For debuggers. */
static void say_places(void)
{
    vthr_scope_places.parent = offsetof(struct vthr_scope, parent);
    vthr_scope_places.owner = offsetof(struct vthr_scope, owner);
    vthr_scope_places.live = offsetof(struct vthr_scope, live);
    vthr_scope_places.cancelled = offsetof(struct vthr_scope, cancelled);
    store_release(&vthr_scope_places.inner, (int64_t)((uintptr_t)&inner - (uintptr_t)arch_tp()));
}

VTHR_EXPORT int vthr_scope_open(struct vthr_scope **scope)
{
    struct vthr_scope *s = calloc(1, sizeof *s);

    if (!s)
        return ENOMEM;
    if (unlikely(!load_relaxed(&vthr_scope_places.inner)))
        say_places();
    s->parent = inner;
    s->owner = pthread_self();
    *scope = inner = s;
    return 0;
}

VTHR_EXPORT int vthr_scope_leave(struct vthr_scope *s)
{
    struct vthr_task *t, *next;
    uint32_t n;
    int error;

    if (s->owner != pthread_self())
        misuse("a scope is left by a thread that did not open it", s);
    if (inner != s)
        misuse("a scope is left before one that was opened inside it", s);
    while ((n = load_acquire(&s->live)) != 0)
        lot_wait(&s->live, n, NO_DEADLINE, wait_on(WAIT_SCOPE, s));
    inner = s->parent;
    error = s->error;
    for (t = s->tasks; t; t = next) {
        next = t->next;
        free(t);
    }
    free(s);
    return error;
}

VTHR_EXPORT void vthr_scope_cancel(struct vthr_scope *s)
{
    store_release(&s->cancelled, 1u);
}

VTHR_EXPORT int vthr_cancelled(void)
{
    return cancelled_in(inner);
}

VTHR_EXPORT int vthr_spawn(struct vthr_scope *s, struct vthr_task **task, vthr_fn *fn, void *arg)
{
    struct vthr_task *t;
    int r;

    if (cancelled_in(s))
        return ECANCELED;
    t = calloc(1, sizeof *t);
    if (!t)
        return ENOMEM;
    t->scope = s;
    t->fn = fn;
    t->arg = arg;
    fetch_add_acq_rel(&s->live, 1u);
    r = start(t);
    if (r) {
        free(t);
        count_down(s);
        return r;
    }
    /* The caller holds the scope open: it is the opener, or a task that is counted. */
    t->next = load_relaxed(&s->tasks);
    while (!cas_acq_rel(&s->tasks, &t->next, t))
        ;
    if (task)
        *task = t;
    return 0;
}

VTHR_EXPORT int vthr_join(struct vthr_task *t, void **value)
{
    if (t == running)
        return EDEADLK;
    while (!load_acquire(&t->done))
        lot_wait(&t->done, 0, NO_DEADLINE, wait_on(WAIT_TASK, t));
    if (xchg_acq_rel(&t->taken, 1u))
        return EALREADY;
    if (t->error == 0 && value)
        *value = t->value;
    return t->error;
}
