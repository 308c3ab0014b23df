/* Scopes, tasks and the threads in them, as the files of the native API see them.
 *
 * Strands.  A strand is a thread as the API knows it: a task's, or one that opened a scope by itself.  `vthr_strand` is the calling
 * thread's.  A strand is in the list of its innermost scope, and scopes are in the list `children` of the scope that they
 * were opened in, so each strand is reached from above by one way.
 *
 * Locks.  A scope's lock protects its lists, counts and flags, `inner` and the cancellation flags (vthread.stopped, stops) of the strands in
 * its list, and `shielded` of its children.  Several scopes are locked from the outermost inwards. */
#pragma once
#include "runtime/api/object.h"
#include "runtime/api/vthr.h"
#include "runtime/api/waitq.h"
#include "runtime/sched/timer.h"
#include <pthread.h>

struct locals;
struct held;
struct message;

struct strand {
    struct list link;          /* in inner->strands */
    struct vthr_scope *inner;  /* NULL: in none any more */
    struct vthread *vt;        /* NULL: native, or a task that has not begun */
    struct vthr_task *task;    /* NULL: none of the API's */
    struct locals *locals;     /* local.c */
    struct held *held;         /* semaphore.c */
    struct vthr_mutex *locked; /* mutex.c */
    struct waiter *native;     /* waitq.c */
    uint64_t native_ticket;
};

struct vthr_scope {
    struct vthr_lock lk;
    uint32_t stop;             /* cancelled, or one around it is and no shield between */
    uint32_t kind;             /* OBJECT_SCOPE */
    bool own;                  /* cancelled itself */
    bool shielded;
    bool locks;                /* its cancellation ends waits for locks, too */
    bool cut;                  /* a task ended with ECANCELED because of `stop` */
    bool used;                 /* something was opened or started in it */
    int error;                 /* of the first task that failed, ETIMEDOUT of the deadline */
    struct message *message;   /* that came with it, or NULL */
    uint32_t live, daemons;    /* tasks that have not ended */
    uint32_t limit;            /* of live; 0: none */
    struct vthr_scope *parent;
    struct strand *owner;
    pthread_t thread;          /* the owner's */
    struct list strands, children, sibling, tasks, spawners;
    struct list spares;        /* of ended tasks that nobody has the handle of, for the next */
    uint32_t n_spares;
    struct waiter *leaver;     /* the owner, waiting for the tasks' end */
    uint64_t leaver_ticket;
    uint64_t deadline;         /* its own; read anywhere */
    struct timer timer;
    struct locals *locals;     /* the owner's, as they were when it was opened */
    struct strand first;       /* the owner's, if it had none */
};

struct vthr_task {
    struct strand strand;
    struct list kept;          /* in scope->tasks, if somebody has the handle */
    struct vthr_scope *scope;
    vthr_fn *fn;
    void *arg, *value;
    struct message *message;   /* that came with it, or NULL */
    int error;
    uint32_t kind;             /* OBJECT_TASK */
    bool released;             /* nobody has the handle: freed at its end.  scope->lk */
    bool counted_off;          /* scope->lk */
    bool daemon;
    bool taken;                /* lk */
    uint32_t done;             /* set under lk */
    struct vthr_lock lk;
    struct list waiters;
};

VTHR_BEGIN_DECLS
extern VTHR_TLS struct strand *vthr_strand;
extern VTHR_TLS struct vthr_scope *vthr_inner; /* vthr_strand->inner, where debuggers find it */

static inline void scope_check(const struct vthr_scope *s)
{
    object_check(s, &s->kind, OBJECT_SCOPE);
}
static inline void task_check(const struct vthr_task *t)
{
    object_check(t, &t->kind, OBJECT_TASK);
}

/* task.c.  Ended, and t->lk held: as vthr_join. */
int task_take_result(struct vthr_task *t, void **value);
/* What it says goes on to the caller, with the error that it returned.  Nothing locked. */
int task_tell_result(struct vthr_task *t, int result);
void task_free(struct vthr_task *t);

/* ending.c.  The calling thread, which is no task's, has something that its end must find. */
void api_watch_end(void);

/* cancel.c.  In the runtime. */
void scope_cancel_tree(struct vthr_scope *s);

/* The strand's scope is s now, or its flags have changed; s locked. */
static inline void scope_tell(const struct vthr_scope *s, struct vthread *v)
{
    v->stops = (uint8_t)(s->locks ? STOP_ALL : STOP_POINT | STOP_WAIT);
    store_relaxed(&v->stopped, s->stop ? v->stops : 0);
}

static inline void scope_tell_none(struct vthread *v)
{
    v->stops = 0;
    store_relaxed(&v->stopped, 0);
}

/* deadline.c */
uint64_t scope_deadline_of(const struct vthr_scope *s); /* the earliest that counts */
void scope_expire_due(struct vthr_scope *s);            /* those around s whose time has come.  Holding */
void scope_deadline_end(struct vthr_scope *s);
VTHR_END_DECLS
