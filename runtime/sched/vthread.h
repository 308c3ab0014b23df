/* The vthread descriptor, and how running code finds its own.
 *
 * A descriptor lies at the top of its shell (mem above the stack, beside the TCB) and is never unmapped: a finished
 * vthread's shell is recycled with its number.  vthr_self is the program's view: NULL on carriers' own stacks and on
 * native threads. */
#pragma once
#include "runtime/arch/context.h"
#include "runtime/base/list.h"
#include "runtime/sched/timer.h"
#include "runtime/sched/waiter.h"
#include <signal.h>

struct proc;
struct carrier;

enum vthread_life { VT_FREE = 0, VT_LIVE = 1, VT_DONE = 2 };

/* Which handlers ran; which of them end a wait (signal(7)). */
enum { SIG_RAN_RESTART = 1, SIG_RAN_PLAIN = 2, SIG_RAN_ANY = 3 };

/* A thread's number: times << 22 | index.  The index belongs to the shell, from 1; `times` counts how often it was used, from 1 and round
 * again, because programs expect that the number of a thread that has ended is not the next one's.  So numbers are above the kernel's
 * PID_MAX_LIMIT (2^22), never kernel thread ids, and below 2^28, as FUTEX_TID_MASK and the clocks of threads want it. */
#define VTHR_TID_BASE (1u << 22)
#define VTHR_TID_INDEX (VTHR_TID_BASE - 1)
#define VTHR_TID_TIMES 63u

struct vthread {
    /* Part 1: what debuggers read (offsets exported by diag/debug.c). */
    struct arch_ctx ctx;       /* valid while carrier == NULL */
    uint32_t tid;              /* also in the TCB; the main thread keeps getpid() */
    uint32_t life;             /* enum vthread_life */
    struct carrier *carrier;   /* who runs it, NULL: parked or ready.  Written by the carrier at mount/unmount. */
    void *(*start)(void *);
    void *arg;
    char name[16];
    char *stack_lo;            /* usable stack, guard excluded */
    size_t stack_size;

    /* Part 2: private.  Running code */
    struct waiter w;           /* debuggers read what it waits for */
    struct timer timer;
    struct proc *proc;         /* set while in the runtime and owning a processor */
    uint8_t in_rt;             /* > 0: in the runtime: our signal handler keeps away, hooks pass through */
    uint8_t how;               /* what the next context must do for us, see sched.c */
    uint8_t attention;         /* look at pending signals and cancellation when leaving the runtime */
    uint8_t c11;               /* start is a thrd_start_t */
    uint8_t blocked_in;        /* inside an announced blocking call */
    uint8_t cancellable;       /* STOP_*: what ends the wait that comes */
    uint8_t stopped;           /* STOP_*: the waits that fail, as the native API's scope around it is cancelled (thread/cancel.h) */
    uint8_t stops;             /* STOP_*: those that would; 0: in no scope */
    uint8_t loop_credit, loop_waits; /* see io/loop.c */
    uint8_t pins;              /* of its carrier, see carrier_pin */
    uint8_t settled;           /* one more pin, until it stops: see carrier_settle */
    uint8_t hooks_off;         /* a vfork child runs in our memory: hooks pass everything through */

    /* Life */
    uint32_t refs;             /* one for running, one for the handle */
    uint32_t done;             /* 0 -> 1 when off its stack for good; joiners wait on it in the parking lot */
    uint32_t join;             /* 0 joinable, 1 being joined, 2 detached */
    void *result;
    void *pd;                  /* thread pointer == pthread_t */
    struct vthread *next_free; /* shell list */
    struct vthread *q_next;    /* global run queue */
    uint32_t number;           /* of this use of the shell; tid is another one while has_os_number */
    struct shell_class *cls;
    char *block;               /* lowest address of the shell */
    size_t guard_size, attr_stack_size;
    void *user_stack;          /* given by the program, or NULL */
    unsigned long stack_known; /* Valgrind's number of it */

    /* A thread that keeps an OS thread for itself: see bound.c */
    struct carrier *bound;     /* it */
    uint64_t bound_until;      /* when the wait in progress ends */
    uint32_t holds;
    bool bound_life, has_os_number;
    bool owns;                 /* its OS thread has properties that others must not get: thread/own.c */
    struct carrier *reserve;   /* where it goes next, to stay */

    struct usage *usage;       /* what it used of the CPU, once somebody asked: usage.c */

    /* Signals: see thread/signal.c */
    uint64_t sigmask;          /* virtual mask; written by itself only */
    uint64_t mask_counted;     /* the mask that counts in sigmask.c: without those of handlers */
    uint64_t sigwaiting;       /* what a sigwait in progress asks for */
    uint64_t sigpending;       /* bits set by senders, taken by itself */
    uint8_t sig_ran;           /* SIG_RAN_*: handlers that ran since the call in progress began */
    uint8_t intr;              /* SIG_RAN_*: those that end the wait that comes */
    bool sig_closed;           /* ending: takes no more */
    struct sig_queue *sigq;
    stack_t altstack;          /* set by the program; ss_sp NULL: none */
    uintptr_t call_fp;         /* in an announced call: frame pointer of who made it (diag/sample.c) */
    uintptr_t faulted_at;      /* stack pointer of the last fault that a handler of the program's took */
    uint8_t goes_on;           /* after it woke somebody: sched/waker.c */
    uint8_t unlocks;           /* with one in `next` that an idle processor could run: sched/waker.c */
    uint32_t prng;
};

VTHR_BEGIN_DECLS
extern VTHR_TLS struct vthread *vthr_self;
extern struct vthread vthr_main; /* vthread 0: the main thread; its tid says whether it is in use */
extern int vthr_active;          /* 1 once the first thread was made */

/* Where debuggers find the native API's scopes.  api/scope.c fills it in when the first one is opened, `inner` last. */
struct scope_places {
    int64_t inner; /* offset from the thread pointer of the pointer to the innermost scope; 0: none was opened yet */
    uint32_t parent, owner, live, cancelled; /* offsets in it: pointer, pthread_t, uint32_t, uint32_t */
};
extern struct scope_places vthr_scope_places;

/* What debuggers and reports call it: 0 is the main thread, the others count from 1. */
static inline uint32_t vthread_index(const struct vthread *v)
{
    return v == &vthr_main ? 0 : v->number & VTHR_TID_INDEX;
}
/* vthread of a number, or NULL.  Descriptors are never unmapped, so the result can be read at any time. */
struct vthread *vthread_by_tid(uint32_t tid);
/* Calls fn for the main thread and every live vthread, until it returns non-zero; returns that. */
int vthread_each(int (*fn)(struct vthread *, void *), void *arg);

/* The vthread that may park here: not a native thread, not inside the runtime. */
static inline struct vthread *vthr_parkable(void)
{
    struct vthread *v = vthr_self;

    return v && !v->in_rt && !v->hooks_off ? v : NULL;
}
VTHR_END_DECLS
