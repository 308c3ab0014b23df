/* Tasks: starting, ending, joining.
 *
 * A task's end is, in this order: its failure, which cancels its siblings; its result (`done`, and those who wait for it); its
 * being counted.  Who counts the last one lets the scope's owner go, and touches the scope no more.
 *
 * A task's memory goes with its scope, so that every handle is valid until then; at once, or at its end, when nobody has the
 * handle or it was given back. */
#include "runtime/api/scope.h"
#include "runtime/api/local.h"
#include "runtime/api/message.h"
#include "runtime/api/held.h"
#include "runtime/base/real.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPARES 64

/* --- The end --- */

/* True: this failure is to cancel the others. */
static bool note_failure(struct vthr_scope *s, struct vthr_task *t)
{
    bool fails = false;

    lock(&s->lk);
    list_del(&t->strand.link);
    t->strand.inner = NULL;
    if (t->error == ECANCELED && s->stop) {
        s->cut = true;
    } else if (t->error) {
        if (!s->error) {
            s->error = t->error;
            s->message = message_ref(t->message);
        }
        fails = !s->own;
    }
    unlock(&s->lk);
    return fails;
}

/* A joiner of this task gets its result, though the failure may cancel it as well, and is cancelled when it looks. */
static void publish_result(struct vthr_task *t, bool fails)
{
    struct list joiners;

    lock(&t->lk);
    store_release(&t->done, 1u);
    wait_take_all(&t->waiters, &joiners);
    if (fails)
        scope_cancel_tree(t->scope);
    wait_give_all(&joiners, GIVEN_DONE);
    unlock(&t->lk);
}

/* Locked.  Whoever waits for nobody to be left. */
static bool claim_leaver(struct vthr_scope *s, struct waiter_claim *c)
{
    return s->leaver && s->live == 0 && (s->daemons == 0 || !s->stop) && waiter_claim(s->leaver, s->leaver_ticket, c);
}

static void count_off(struct vthr_scope *s, struct vthr_task *t)
{
    struct wait_node *spawner = NULL;
    struct waiter_claim leaver;
    bool released, ended, keep;

    lock(&s->lk);
    *(t->daemon ? &s->daemons : &s->live) -= 1;
    if (s->limit && s->live < s->limit)
        spawner = wait_take(&s->spawners);
    released = t->released;
    keep = released && s->n_spares < MAX_SPARES && object_recycles();
    if (keep) {
        t->kind = OBJECT_FREED;
        list_add_head(&s->spares, &t->kept);
        s->n_spares++;
    }
    t->counted_off = true;
    ended = claim_leaver(s, &leaver);
    unlock(&s->lk);
    if (spawner)
        wait_give(spawner, GIVEN_DONE);
    if (ended)
        waiter_go(&leaver);
    if (!keep && released)
        task_free(t);
}

/* Runs also when pthread_exit or pthread_cancel unwinds the task. */
static void task_end(struct vthr_task **task)
{
    struct vthr_task *t = *task;
    struct vthr_scope *s = t->scope;
    struct vthread *v;
    bool fails;

    if (t->strand.inner != s)
        api_misuse("a task ended with a scope still open", t->strand.inner);
    vthr_strand = NULL;
    vthr_inner = NULL;
    locals_unref(t->strand.locals);
    t->message = t->error ? message_for(t->error) : NULL;
    message_end();
    v = wake_enter();
    give_back(&t->strand, NULL);
    fails = note_failure(s, t);
    if (v)
        scope_tell_none(v);
    publish_result(t, fails);
    count_off(s, t);
    wake_leave(v);
}

static void begin(struct vthr_task *t)
{
    struct vthread *v = wake_enter();
    struct vthr_scope *s = t->scope;

    lock(&s->lk);
    t->strand.vt = v;
    if (v)
        scope_tell(s, v);
    unlock(&s->lk);
    wake_leave(v);
    vthr_strand = &t->strand;
    vthr_inner = s;
}

static void *task_main(void *arg)
{
    __attribute__((cleanup(task_end))) struct vthr_task *t = arg;
    void *value = NULL;

    begin(t);
    t->error = ECANCELED; /* unless fn returns */
    t->error = t->fn(t->arg, &value);
    t->value = value;
    return NULL;
}

/* --- Starting --- */

static int start(struct vthr_task *t)
{
    pthread_t th;
    bool virtual_ = vthr_active;
    int r = virtual_ ? thread_create(&th, NULL, task_main, t, false, NULL) : REAL(pthread_create)(&th, NULL, task_main, t);

    if (r == 0)
        (void)(virtual_ ? thread_detach(th) : REAL(pthread_detach)(th));
    return r;
}

/* malloc's caches are by thread: what one that ends frees is not there for the next that is made. */
static struct vthr_task *get_task(struct vthr_scope *s)
{
    struct vthr_task *t = NULL;
    struct vthread *v;

    if (load_relaxed(&s->n_spares)) {
        v = api_hold();
        lock(&s->lk);
        if (!list_empty(&s->spares)) {
            t = container_of(s->spares.next, struct vthr_task, kept);
            list_del(&t->kept);
            s->n_spares--;
        }
        unlock(&s->lk);
        api_unhold(v);
    }
    if (!t)
        return malloc(sizeof *t);
    message_unref(t->message);
    return t;
}

static struct vthr_task *new_task(struct vthr_scope *s, vthr_fn *fn, void *arg)
{
    struct vthr_task *t = get_task(s);

    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    lock_init(&t->lk, RANK_TASK);
    list_init(&t->waiters);
    list_init(&t->kept);
    t->kind = OBJECT_TASK;
    t->scope = s;
    t->fn = fn;
    t->arg = arg;
    t->strand.inner = s;
    t->strand.task = t;
    return t;
}

/* Counts the task in, when the scope's limit lets it. */
static int count_in(struct vthr_scope *s, struct vthr_task *t)
{
    for (;;) {
        struct vthread *v = api_hold();
        struct wait_node n;
        int r;

        lock(&s->lk);
        if (!s->stop && !t->daemon && s->limit && s->live >= s->limit) {
            r = waitq_wait(v, &s->lk, &s->spawners, &n, NO_DEADLINE, wait_on(WAIT_PLACE, s));
            if (r == 0 || r == EINTR)
                continue;
            return r;
        }
        r = s->stop ? ECANCELED : 0;
        if (!r) {
            s->used = true;
            *(t->daemon ? &s->daemons : &s->live) += 1;
            list_add_tail(&s->strands, &t->strand.link);
            if (!t->released)
                list_add_tail(&s->tasks, &t->kept);
        }
        unlock(&s->lk);
        api_unhold(v);
        return r;
    }
}

/* It was not started: as if it had never been. */
static void count_out(struct vthr_scope *s, struct vthr_task *t)
{
    struct vthread *v = wake_enter();

    lock(&s->lk);
    list_del(&t->strand.link);
    list_del(&t->kept);
    unlock(&s->lk);
    t->released = true;
    count_off(s, t);
    wake_leave(v);
}

static int spawn(struct vthr_scope *s, struct vthr_task **task, vthr_fn *fn, void *arg, bool daemon)
{
    struct vthr_task *t;
    struct locals *locals;
    int r;

    scope_check(s);
    t = new_task(s, fn, arg);
    if (!t)
        return ENOMEM;
    t->daemon = daemon;
    t->released = task == NULL;
    r = count_in(s, t);
    if (r) {
        free(t);
        return r;
    }
    t->strand.locals = locals = vthr_strand ? locals_ref(vthr_strand->locals) : NULL;
    r = start(t);
    if (r) {
        locals_unref(locals);
        count_out(s, t);
        return r;
    }
    if (task)
        *task = t;
    return 0;
}

VTHR_EXPORT int vthr_spawn(struct vthr_scope *s, struct vthr_task **task, vthr_fn *fn, void *arg)
{
    return spawn(s, task, fn, arg, false);
}

VTHR_EXPORT int vthr_spawn_daemon(struct vthr_scope *s, struct vthr_task **task, vthr_fn *fn, void *arg)
{
    return spawn(s, task, fn, arg, true);
}

/* --- The handle --- */

void task_free(struct vthr_task *t)
{
    message_unref(t->message);
    object_free(t, &t->kind);
}

int task_take_result(struct vthr_task *t, void **value)
{
    if (t->taken)
        return EALREADY;
    t->taken = true;
    if (t->error == 0 && value)
        *value = t->value;
    return t->error;
}

int task_tell_result(struct vthr_task *t, int result)
{
    if (result && load_acquire(&t->done))
        message_got(result, result == t->error ? t->message : NULL);
    return result;
}

VTHR_EXPORT int vthr_join_until(struct vthr_task *t, void **value, uint64_t deadline)
{
    task_check(t);
    if (vthr_strand && t == vthr_strand->task)
        return EDEADLK;
    for (;;) {
        struct vthread *v = api_hold();
        struct wait_node n;
        int r;

        lock(&t->lk);
        if (t->done || deadline == 0) {
            r = t->done ? task_take_result(t, value) : EAGAIN;
            unlock(&t->lk);
            api_unhold(v);
            return task_tell_result(t, r);
        }
        r = waitq_wait(v, &t->lk, &t->waiters, &n, deadline, wait_on(WAIT_TASK, t));
        if (r && r != EINTR)
            return r;
    }
}

VTHR_EXPORT int vthr_join(struct vthr_task *t, void **value)
{
    return vthr_join_until(t, value, NO_DEADLINE);
}

VTHR_EXPORT int vthr_try_join(struct vthr_task *t, void **value)
{
    return vthr_join_until(t, value, 0);
}

VTHR_EXPORT void vthr_release(struct vthr_task *t)
{
    struct vthr_scope *s;
    struct vthread *v;
    bool ended;

    task_check(t);
    s = t->scope;
    v = api_hold();
    lock(&s->lk);
    if (t->released)
        api_misuse("a task is released twice", t);
    list_del(&t->kept);
    t->released = true;
    ended = t->counted_off;
    unlock(&s->lk);
    api_unhold(v);
    if (ended)
        task_free(t);
}
