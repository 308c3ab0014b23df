/* vthr.h: structured threads for blocking code.  Link with -lvthr (pkg-config vthr); C11 and C++17.
 *
 * A scope owns the tasks that are spawned into it and is not left before all of them have ended.  A task is a function call
 * on a virtual thread of its own; its result is a value or an error.  Functions return 0 or an errno value and do not
 * touch errno.  What each of them does when it is misused is in its comment: where that is "aborts", one line on stderr
 * names the scope or task first.
 *
 * All functions may be called by any thread of the process, also one that a library made with pthread_create, unless they say
 * otherwise.  Where threads cannot be virtual (see README.md) tasks are ordinary threads and behave the same. */
#ifndef VTHR_H
#define VTHR_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vthr_scope vthr_scope;
typedef struct vthr_task vthr_task;

/* What a task runs.  arg: as given to vthr_spawn.  value: where to leave the result, NULL when it is called.  Returns 0, or
 * an errno value: then the task has failed and its value is not handed out. */
typedef int vthr_fn(void *arg, void **value);

/* Opens a scope inside the calling thread's innermost one, and stores it in *scope.  The calling thread must leave it.
 * Errors: ENOMEM. */
int vthr_scope_open(vthr_scope **scope);

/* Waits until every task of the scope has ended, frees the scope and its tasks, and returns the error of the task that failed
 * first, or 0.  The wait is no cancellation point of pthread_cancel: children never outlive their scope.  Handlers of signals
 * run in it and do not end it.
 * Aborts: by a thread that did not open the scope; while a scope opened later by the same thread is still open. */
int vthr_scope_leave(vthr_scope *scope);

/* Asks the tasks of the scope, and of all scopes opened inside them, to end: vthr_cancelled becomes true in them and stays so.
 * The first failure of a task does the same.  It does not wait, is no failure of the scope, and wakes nobody: a wait in
 * progress goes on. */
void vthr_scope_cancel(vthr_scope *scope);

/* 1 when a scope around the calling thread's code was cancelled, else 0.  Costs one load for each enclosing scope. */
int vthr_cancelled(void);

/* Starts fn(arg) as a task of the scope.  task: where to store it, or NULL when nobody joins it.  The caller must be the
 * thread that opened the scope or a task inside it.  The task stays valid until the scope is left.
 * Errors: ENOMEM; EAGAIN as pthread_create; ECANCELED when a scope around the task would be cancelled: it was not started. */
int vthr_spawn(vthr_scope *scope, vthr_task **task, vthr_fn *fn, void *arg);

/* Waits for the task to end and takes its result: a task's result is taken once.  value: where to store it, or NULL; untouched
 * on errors.
 * Returns 0 or the error of the task: what its function returned, ECANCELED if it ended by pthread_exit or pthread_cancel.
 * Errors of the call itself: EALREADY, the result was taken before; EDEADLK, the task is the caller. */
int vthr_join(vthr_task *task, void **value);

#ifdef __cplusplus
}
#endif
#endif
