/* The end of a vthread.
 *
 * Order, as in glibc's start_thread: cleanup handlers (by unwinding), thread_local destructors, key destructors; then it leaves
 * its stack, and the context that runs next wakes its joiners and drops its reference (vthread_finished), because a joiner
 * may free the stack.  The last live vthread to end ends the process with status 0. */
#include "runtime/thread/exit.h"
#include "runtime/base/real.h"
#include "runtime/io/loop.h"
#include "runtime/mem/image.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/sched/usage.h"
#include "runtime/thread/limit.h"
#include "runtime/thread/own.h"
#include "runtime/thread/signal.h"
#include "runtime/thread/thread.h"
#include <limits.h>
#include <linux/futex.h>
#include <locale.h>
#include <setjmp.h>
#include <threads.h>

/* pthread.h declares them only where pthread_cleanup_push uses them. */
extern void __pthread_register_cancel(__pthread_unwind_buf_t *);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *);

/* glibc: nptl/descr.h.  What __pthread_register_cancel links. */
struct unwind_buf {
    struct {
        void *jmp_buf[8];
        int mask_was_saved;
    } cancel_jmp_buf[1];
    union {
        void *pad[4];
        struct {
            struct unwind_buf *prev;
        } data;
    } priv;
};
_Static_assert(sizeof(struct unwind_buf) == sizeof(__pthread_unwind_buf_t), "cancellation buffer layout");

void thread_unref(struct vthread *v)
{
    if (fetch_sub_acq_rel(&v->refs, 1u) == 1 && v != &vthr_main)
        shell_put(v);
}

void vthread_finished(struct vthread *v)
{
    if (unlikely(v->bound != NULL))
        bound_finished(v);
    usage_forget(v);
    if (v != &vthr_main)
        limit_leave();
    v->life = VT_DONE;
    store_release(&v->done, 1u);
    lot_wake(&v->done, INT_MAX);
    thread_unref(v);
}

static void run_last_wishes(void)
{
    image_run_tls_dtors();
    tsd_run_dtors();
    uselocale(LC_GLOBAL_LOCALE);
}

/* Robust mutexes that it still holds: the kernel looks only at OS threads, so this does what exit_robust_list
 * (kernel/futex/core.c) does.  They show the number of the OS thread that v is bound to, or its own.  A contended
 * priority-inheriting one is the kernel's to hand on: the OS thread ends too (bound.c). */
static void abandon_robust(struct vthread *v)
{
    struct robust_list_head *head = image_robust(v->pd);
    uint32_t os = (uint32_t)v->carrier->tid;
    struct robust_list *e = head->list.next;

    for (int limit = 2048; e != &head->list && limit > 0; limit--) {
        struct robust_list *entry = (void *)((uintptr_t)e & ~(uintptr_t)1), *next = entry->next;
        uint32_t *word = (uint32_t *)((char *)entry + head->futex_offset), cur = load_relaxed(word);

        while ((cur & FUTEX_TID_MASK) == v->tid || (cur & FUTEX_TID_MASK) == os)
            if (cas_acq_rel(word, &cur, (cur & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) {
                SYS3(SYS_futex, word, FUTEX_WAKE, 1);
                break;
            }
        e = next;
    }
}

void thread_exit(void *result)
{
    struct vthread *v = vthr_self;

    if (!v) { /* the only thread of a forked child, which was a vthread in its parent */
        run_last_wishes();
        exit(0);
    }
    v->result = result;
    /* EXITING: no cancellation from here on. */
    fetch_or_acq_rel(image_cancel_word(v->pd), 0x10);
    run_last_wishes();
    abandon_robust(v);
    if (fetch_sub_acq_rel(&vthr_nlive, 1u) == 1) {
        fetch_add_relaxed(&vthr_nlive, 1u);
        exit(0);
    }
    v->in_rt = 1; /* no handler from here on */
    loop_forget(v);
    signal_mask_unref(v);
    signal_close(v);
    own_ended(v);
    rt_enter(v);
    sched_exit(v);
}

static void *call_start(struct vthread *v)
{
    if (v->c11)
        return (void *)(intptr_t)((thrd_start_t)(void *)v->start)(v->arg);
    return v->start(v->arg);
}

void exit_entry(void *arg)
{
    struct vthread *v = arg;
    __pthread_unwind_buf_t base;
    void *result;

    sched_after_switch(v->carrier);
    image_enter();
    rt_leave(v);
    /* The outermost cancellation buffer: glibc's pthread_exit and forced unwinding end here. */
    if (__sigsetjmp_cancel(base.__cancel_jmp_buf, 0) == 0) {
        __pthread_register_cancel(&base);
        result = call_start(v);
    } else {
        result = image_result(arch_tp());
    }
    thread_exit(result);
}

static void main_exited(void)
{
    thread_exit(image_result(arch_tp()));
}

void exit_catch_main(struct vthread *main_v)
{
    __pthread_unwind_buf_t probe;
    struct unwind_buf *b = (struct unwind_buf *)&probe;

    (void)main_v;
    __pthread_register_cancel(&probe);
    __pthread_unregister_cancel(&probe);
    for (b = b->priv.data.prev; b && b->priv.data.prev; b = b->priv.data.prev)
        ;
    if (b)
        arch_jmpbuf_redirect(b->cancel_jmp_buf[0].jmp_buf, main_exited);
}
