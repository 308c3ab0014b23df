/* vthr.h: structured threads for blocking code
 *
 * Link with -lvthr (pkg-config vthr); C11 and C++17.
 *
 * A scope owns the tasks that are spawned into it and is not left before all of them have ended.  A task is a function call
 * on a virtual thread of its own; its result is a value or an error.  Functions return 0 or an errno value and do not
 * touch errno, unless they say otherwise.  What each of them does when it is misused is in its comment: where that is
 * "aborts", one line on stderr names the object first.
 *
 * All functions may be called by any thread of the process, also one that a library made with pthread_create, unless they say
 * otherwise.  Where threads cannot be virtual (VTHR_DISABLE, another libc) tasks are ordinary threads and behave the same, but for
 * libc's calls: cancellation ends only waits of this API there.
 *
 * Cancellation.  When a scope is cancelled, everything that waits in it, or in a scope opened inside it, fails with ECANCELED, now and
 * later, until the scope is left: the functions below that wait, and libc's (read, accept, connect, poll, nanosleep, sem_wait,
 * pthread_barrier_wait, waitpid, ...; docs/api.md has the list).  For locks see vthr_scope_cancel_locks.  It comes at waits only: a call that need not wait does its work.  A call that
 * fails so has taken nothing, sent nothing, locked nothing.  What goes to files goes through.
 *
 * Waits.  Each waiting function f has the forms f_until, which ends with ETIMEDOUT at a point of time, and try_f, which does not wait and
 * returns EAGAIN instead.  Points of time are nanoseconds of CLOCK_MONOTONIC; VTHR_NEVER is later than all.  Handlers of
 * signals run in these waits and do not end them.  They are cancellation points of pthread_cancel, except for
 * vthr_scope_leave.
 *
 * Using what was freed (a channel, a scope that was left, a task of it, ...) aborts as far as the memory shows it: always, with
 * VTHR_QUARANTINE=1000 in the environment, until so many others have been freed. */
#ifndef VTHR_H
#define VTHR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vthr_scope vthr_scope;
typedef struct vthr_task vthr_task;

/* ---- Time ---- */

/* The time now, in nanoseconds of CLOCK_MONOTONIC. */
uint64_t vthr_now(void);

/* The point of time that is so many nanoseconds ahead; VTHR_MS(n) and VTHR_S(n) are n milliseconds and seconds,
 * VTHR_NEVER is later than all. */
uint64_t vthr_after(uint64_t ns);
#define VTHR_MS(n) ((uint64_t)(n) * 1000000u)
#define VTHR_S(n) ((uint64_t)(n) * 1000000000u)
#define VTHR_NEVER UINT64_MAX

/* ---- Scopes ---- */

/* Opens a scope inside the calling thread's innermost one, and stores it in *scope.  The calling thread must leave it.
 * Errors: ENOMEM.  Aborts: when the thread, or the task, ends with the scope still open. */
int vthr_scope_open(vthr_scope **scope);

/* Leaves the scope: waits until every task of it has ended, and frees it and its tasks.  Daemons are cancelled when all other tasks have
 * ended.  Context locals, tokens of semaphores and mutexes go back to what they were when the scope was opened.
 * Nothing ends the wait before, neither cancellation nor pthread_cancel: children never outlive their scope.
 *
 * Returns the first of these that holds:
 * - the error of the task that failed first, or of vthr_scope_fail; ETIMEDOUT if the scope's deadline came before;
 * - ECANCELED if a task ended with ECANCELED because a scope around this one was cancelled;
 * - 0.  So a scope that was cancelled itself absorbs what its tasks make of it.
 * Aborts: by a thread that did not open the scope; while a scope opened later by the same thread is still open. */
int vthr_scope_leave(vthr_scope *scope);

/* Cancels the scope and all scopes inside it; it does not wait, and is no failure.  The first failure of a task does the same.
 * May be called by any thread that knows that the scope is still open. */
void vthr_scope_cancel(vthr_scope *scope);

/* Fails the scope as a task of it that ends with this error (not 0). */
void vthr_scope_fail(vthr_scope *scope, int error);

/* With what the scope has failed so far: the error of the task that failed first, or of vthr_scope_fail; ETIMEDOUT if the scope's deadline
 * came before; 0 if it has not.  For those inside it, whose waits fail with ECANCELED then: why.
 * Returns that error, which vthr_error_message knows as well. */
int vthr_scope_error(vthr_scope *scope);

/* Shields the scope: the cancellation of scopes around it does not go into it, nor do their deadlines; its own do.  For cleaning
 * up.  Called by the opener right after opening.
 * Errors: EBUSY, there was a task or a scope in it already.  Aborts: by a thread that did not open it. */
int vthr_scope_shield(vthr_scope *scope);

/* Lets the cancellation of the scope end waits for locks, too, in it and in scopes opened inside it: pthread_mutex_lock,
 * pthread_rwlock_rdlock and wrlock, and pthread_once when another thread is at it return ECANCELED, mtx_lock thrd_error, std::mutex
 * throws, and syscall(SYS_futex, FUTEX_WAIT) fails with ECANCELED; nothing is locked then.  They wait on otherwise, because most
 * code does not look at what they return, and would go on without the lock.  So this is for scopes of whose code, libraries
 * included, it is known that it looks.  Called by the opener right after opening.
 * Errors: EBUSY, there was a task or a scope in it already.  Aborts: by a thread that did not open it. */
int vthr_scope_cancel_locks(vthr_scope *scope);

/* Cancels the scope at this point of time, unless it has been left; vthr_scope_leave returns ETIMEDOUT then.  A deadline can only be
 * shortened, and does not extend those of scopes around it.
 * Errors: ENOMEM.  Aborts: by a thread that did not open it. */
int vthr_scope_deadline(vthr_scope *scope, uint64_t when);

/* Sets the deadline so many nanoseconds from now on: see vthr_scope_deadline. */
int vthr_scope_timeout(vthr_scope *scope, uint64_t ns);

/* Limits how many tasks run in the scope at once, daemons not counted: vthr_spawn waits for a place.  0: any number.  A task of the scope
 * that spawns into it has its own place and waits for another.  Called by the opener right after opening.
 * Errors: EBUSY, there was a task or a scope in it already.  Aborts: by a thread that did not open it. */
int vthr_scope_limit(vthr_scope *scope, unsigned n);

/* Tells whether waits of the calling thread fail because a scope around it is cancelled or past its deadline.  Returns 1 or 0. */
int vthr_cancelled(void);

/* The earliest deadline that counts for the calling thread, or VTHR_NEVER.  Returns a point of time. */
uint64_t vthr_deadline(void);

/* ---- Tasks ---- */

/* A task runs a function of the type vthr_fn.  arg: as given to vthr_spawn.  value: where to leave the result, NULL when it is called.
 * It returns 0, or an errno value: then the task has failed and its value is not handed out.  ECANCELED in a cancelled scope is no
 * failure. */
typedef int vthr_fn(void *arg, void **value);

/* Starts fn(arg) as a task of the scope.  task: where to store it, or NULL when nobody joins it.  The caller must be the
 * thread that opened the scope or a task inside it.  The task stays valid until the scope is left or it is released.  It waits when
 * the scope has a limit.
 * Errors: ENOMEM; EAGAIN as pthread_create; ECANCELED when a scope around the task is cancelled: it was not started. */
int vthr_spawn(vthr_scope *scope, vthr_task **task, vthr_fn *fn, void *arg);

/* Starts a task as vthr_spawn does, which vthr_scope_leave does not wait for: it cancels it when the others have ended.  No limit holds
 * for it.
 * Errors: as vthr_spawn. */
int vthr_spawn_daemon(vthr_scope *scope, vthr_task **task, vthr_fn *fn, void *arg);

/* Waits for the task to end and takes its result: a task's result is taken once.  value: where to store it, or NULL; untouched
 * on errors.
 * Returns 0 or the error of the task: what its function returned, ECANCELED if it ended by pthread_exit or pthread_cancel.
 * Errors: of the call itself ECANCELED, the caller was cancelled; EALREADY, the result was taken before; EDEADLK, the task is
 * the caller; ETIMEDOUT; EAGAIN. */
int vthr_join(vthr_task *task, void **value);
int vthr_join_until(vthr_task *task, void **value, uint64_t when);
int vthr_try_join(vthr_task *task, void **value);

/* Gives the handle back: the caller will not look at the task again, and its memory goes when it has ended, not with the scope.  Called
 * once for a task, after or instead of joining.
 * Aborts: a second time, while the task runs. */
void vthr_release(vthr_task *task);

/* ---- Messages ---- */

/* Makes an error with a message, by printf's rules: return vthr_fail(ENOENT, "no user %s", name);  The message goes with the error as far
 * as that is returned: to who joins the task, and to who leaves the scope.  Returns the error; without memory it has no
 * message. */
int vthr_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message that came with the error which the calling thread got last, by vthr_fail, joining, a select, or leaving a scope, if that was
 * this one; else what strerror(3) knows about it.  Returns a string, valid until the thread gets another error so, or
 * ends. */
const char *vthr_error_message(int error);

/* ---- Channels ---- */

/* A channel passes elements of one size from any number of senders to any number of receivers, in order, each to one of them.  Who waits
 * longest is served first. */
typedef struct vthr_channel vthr_channel;

/* Makes a channel.  capacity: how many elements it holds that nobody has received yet; 0: a sender waits for its receiver.
 * element_size may be 0.
 * Errors: ENOMEM; EINVAL, too large. */
int vthr_channel_new(vthr_channel **channel, size_t element_size, size_t capacity);

/* Frees a channel that nobody uses any more; elements in it are lost.  NULL: nothing.
 * Aborts: while somebody waits in it; a second time (see vthr: using what was freed). */
void vthr_channel_free(vthr_channel *channel);

/* Closes the channel: senders fail from here on, also those that wait; receivers get what was sent before, and then fail.
 * Errors: EALREADY, it was closed before. */
int vthr_channel_close(vthr_channel *channel);

/* Sends *element.  Errors: EPIPE, the channel is closed; ECANCELED; ETIMEDOUT; EAGAIN.  It was not sent then. */
int vthr_send(vthr_channel *channel, const void *element);
int vthr_send_until(vthr_channel *channel, const void *element, uint64_t when);
int vthr_try_send(vthr_channel *channel, const void *element);

/* Receives into *element.  Errors: EPIPE, the channel is closed and empty; ECANCELED; ETIMEDOUT; EAGAIN.  *element is untouched
 * then, and nothing was received. */
int vthr_receive(vthr_channel *channel, void *element);
int vthr_receive_until(vthr_channel *channel, void *element, uint64_t when);
int vthr_try_receive(vthr_channel *channel, void *element);

/* Receives each element into the variable x, one after the other: for VTHR_EACH (x, channel) { ... } ends when receiving fails, as the
 * channel is closed and empty, or the caller cancelled (vthr_cancelled tells). */
#define VTHR_EACH(x, channel) (; vthr_receive((channel), &(x)) == 0;)

/* Tells how many elements it held a moment ago.  Returns that number. */
size_t vthr_channel_length(vthr_channel *channel);

/* ---- Events ---- */

/* An event is something that happens once and that any number of threads wait for. */
typedef struct vthr_event vthr_event;

/* Makes an event that has not happened.
 * Errors: ENOMEM. */
int vthr_event_new(vthr_event **event);

/* Frees an event.  NULL: nothing.
 * Aborts: while somebody waits for it. */
void vthr_event_free(vthr_event *event);

/* Says that it has happened: all waits for it end, now and later.  Again: nothing. */
void vthr_event_set(vthr_event *event);

/* Waits until the event has happened.
 * Errors: ECANCELED; ETIMEDOUT; EAGAIN. */
int vthr_event_wait(vthr_event *event);
int vthr_event_wait_until(vthr_event *event, uint64_t when);
int vthr_try_event(vthr_event *event);

/* ---- Select ---- */

/* A vthr_case is one of the things that vthr_select waits for; made by the functions vthr_on_... and vthr_off. */
typedef struct vthr_case {
    int kind;
    int result;      /* of the case that was chosen */
    int fd;
    void *object, *variable;
    uint64_t when;
} vthr_case;

enum { VTHR_CASE_OFF, VTHR_CASE_SEND, VTHR_CASE_RECEIVE, VTHR_CASE_JOIN, VTHR_CASE_EVENT, VTHR_CASE_READABLE, VTHR_CASE_WRITABLE,
       VTHR_CASE_TIME, VTHR_CASE_ACQUIRE };

/* Waits until one of n cases can be done, does it, and returns its index; the others are as if they had never been.  Among those that
 * can be done at once the choice is fair.  cases[i].result is what the function for that case alone would have returned: 0, or
 * EPIPE of a closed channel, the error of a task.
 * Returns an errno value, negated, when none was done: -ECANCELED; -ETIMEDOUT; -EAGAIN; -ENOMEM, with more than 16 cases or
 * descriptors; -EINVAL, no such kind. */
int vthr_select(vthr_case *cases, size_t n);
int vthr_select_until(vthr_case *cases, size_t n, uint64_t when);
int vthr_try_select(vthr_case *cases, size_t n);

static inline vthr_case vthr_case_of(int kind, void *object, void *variable)
{
    vthr_case c = { kind, 0, -1, object, variable, VTHR_NEVER };
    return c;
}

/* A case that is left out.  Returns the case. */
static inline vthr_case vthr_off(void)
{
    return vthr_case_of(VTHR_CASE_OFF, NULL, NULL);
}

/* A case that sends *element to the channel: see vthr_send.  Returns the case. */
static inline vthr_case vthr_on_send(vthr_channel *channel, const void *element)
{
    return vthr_case_of(VTHR_CASE_SEND, channel, (void *)(uintptr_t)element);
}

/* A case that receives into *element: see vthr_receive.  Returns the case. */
static inline vthr_case vthr_on_receive(vthr_channel *channel, void *element)
{
    return vthr_case_of(VTHR_CASE_RECEIVE, channel, element);
}

/* A case that waits for the task to end and takes its result: see vthr_join.  Returns the case. */
static inline vthr_case vthr_on_join(vthr_task *task, void **value)
{
    return vthr_case_of(VTHR_CASE_JOIN, task, (void *)value);
}

/* A case that waits for the event: see vthr_event_wait.  Returns the case. */
static inline vthr_case vthr_on_event(vthr_event *event)
{
    return vthr_case_of(VTHR_CASE_EVENT, event, NULL);
}

/* A case that waits until poll(2) would report the descriptor as readable, or as broken; reading is the caller's.  Returns the case. */
static inline vthr_case vthr_on_readable(int fd)
{
    vthr_case c = vthr_case_of(VTHR_CASE_READABLE, NULL, NULL);
    c.fd = fd;
    return c;
}

/* A case that waits until poll(2) would report the descriptor as writable, or as broken.  Returns the case. */
static inline vthr_case vthr_on_writable(int fd)
{
    vthr_case c = vthr_case_of(VTHR_CASE_WRITABLE, NULL, NULL);
    c.fd = fd;
    return c;
}

/* A case that waits until this point of time.  Returns the case. */
static inline vthr_case vthr_on_time(uint64_t when)
{
    vthr_case c = vthr_case_of(VTHR_CASE_TIME, NULL, NULL);
    c.when = when;
    return c;
}

/* ---- Once ---- */

typedef struct vthr_once {
    unsigned state; /* 0 */
} vthr_once;

/* Calls fn(arg) if no call for this object has returned 0 before, while others wait for it to return.  The object is zero at first.
 * Returns what fn returned: the next caller tries again after an error.
 * Errors: ECANCELED, waiting for another's call. */
int vthr_do_once(vthr_once *once, int (*fn)(void *arg), void *arg);

/* ---- Semaphores ---- */

typedef struct vthr_semaphore vthr_semaphore;

/* Makes a semaphore of so many tokens, of which each holder has one.
 * Errors: ENOMEM. */
int vthr_semaphore_new(vthr_semaphore **semaphore, unsigned tokens);

/* Frees a semaphore.  NULL: nothing.
 * Aborts: while somebody has a token or waits for one. */
void vthr_semaphore_free(vthr_semaphore *semaphore);

/* Takes a token, in turn.  It goes back by vthr_give_back, or when the scope that the caller is in now is left, or its task ends,
 * whatever comes first.
 * Errors: ECANCELED; ETIMEDOUT; EAGAIN; ENOMEM; EPERM, the caller is in no scope. */
int vthr_acquire(vthr_semaphore *semaphore);
int vthr_acquire_until(vthr_semaphore *semaphore, uint64_t when);
int vthr_try_acquire(vthr_semaphore *semaphore);

/* Gives the token back that the calling thread took last.
 * Errors: EPERM, it has none. */
int vthr_give_back(vthr_semaphore *semaphore);

/* A case that takes a token: see vthr_acquire.  Returns the case. */
static inline vthr_case vthr_on_acquire(vthr_semaphore *semaphore)
{
    return vthr_case_of(VTHR_CASE_ACQUIRE, semaphore, NULL);
}

/* ---- Mutexes and conditions ---- */

/* Unlike pthreads' they know cancellation and deadlines, and no scope or task takes a lock along. */
typedef struct vthr_mutex vthr_mutex;
typedef struct vthr_condition vthr_condition;

/* Makes a mutex, unlocked.
 * Errors: ENOMEM. */
int vthr_mutex_new(vthr_mutex **mutex);

/* Frees a mutex.  NULL: nothing.
 * Aborts: while it is locked or has conditions. */
void vthr_mutex_free(vthr_mutex *mutex);

/* Locks it, in turn.  It is unlocked by vthr_mutex_unlock, or when the scope that the caller is in now is left, or its task ends,
 * whatever comes first; outside of scopes by vthr_mutex_unlock only.
 * Errors: ECANCELED; ETIMEDOUT; EAGAIN; EDEADLK, the caller has locked it. */
int vthr_mutex_lock(vthr_mutex *mutex);
int vthr_mutex_lock_until(vthr_mutex *mutex, uint64_t when);
int vthr_try_mutex(vthr_mutex *mutex);

/* Unlocks it.  Who waits longest has it then.
 * Errors: EPERM, the caller has not locked it. */
int vthr_mutex_unlock(vthr_mutex *mutex);

/* Makes a condition of what the mutex protects.
 * Errors: ENOMEM. */
int vthr_condition_new(vthr_condition **condition, vthr_mutex *mutex);

/* Frees a condition.  NULL: nothing.
 * Aborts: while somebody waits for it. */
void vthr_condition_free(vthr_condition *condition);

/* Unlocks the condition's mutex, waits to be signalled, and has locked the mutex again when it returns, whatever it returns.  Others may
 * have had the mutex in between, or a handler of a signal has run: look again at what was waited for.  Who has been signalled is
 * told so by 0, even if cancelled or late.
 * Errors: ECANCELED; ETIMEDOUT; EPERM, the caller has not locked the mutex. */
int vthr_condition_wait(vthr_condition *condition);
int vthr_condition_wait_until(vthr_condition *condition, uint64_t when);

/* Lets the one go on who waits longest.  The mutex may be locked or not. */
void vthr_condition_signal(vthr_condition *condition);

/* Lets all go on who wait. */
void vthr_condition_broadcast(vthr_condition *condition);

/* ---- Context locals ---- */

/* A vthr_key has a value for each scope and task: what vthr_set set last there, else what was set where it was opened or spawned.  It is
 * zero at first, and has static storage. */
typedef struct vthr_key {
    unsigned index; /* 0 */
} vthr_key;

/* Sets the value until the calling thread's innermost scope is left.  Tasks spawned from here on have it, those that run already do not.
 * Errors: ENOMEM; EPERM, the caller is in no scope. */
int vthr_set(vthr_key *key, void *value);

/* The value of the key.  Returns NULL when there is none. */
void *vthr_get(const vthr_key *key);

/* Defines, at file scope, a key with functions of the right type: VTHR_LOCAL(type, name); gives type *name(void) and
 * int set_name(type *value). */
#define VTHR_LOCAL(type, name)                         \
    static vthr_key name##_key;                        \
    static inline type *name(void)                     \
    {                                                  \
        return (type *)vthr_get(&name##_key);          \
    }                                                  \
    static inline int set_##name(type *value)          \
    {                                                  \
        return vthr_set(&name##_key, (void *)(value)); \
    }                                                  \
    typedef int name##_local_needs_semicolon

#ifdef __cplusplus
}
#endif
#endif
