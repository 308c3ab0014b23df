/* See cancel.h.  Bits of glibc's cancelhandling: nptl/descr.h. */
#include "runtime/thread/cancel.h"
#include "runtime/base/real.h"
#include "runtime/mem/image.h"
#include "runtime/thread/signal.h"

#define CANCEL_DISABLED 0x1
#define CANCEL_ASYNC 0x2
#define CANCEL_REQUESTED 0x8
#define CANCEL_EXITING 0x10

bool cancel_pending(struct vthread *v)
{
    return image_cancel_pending(v->pd);
}

void cancel_act(struct vthread *v)
{
    (void)v;
    /* pthread_exit, not the internal __do_cancel: same unwinding, same base buffer. */
    REAL(pthread_exit)(PTHREAD_CANCELED);
}

void cancel_async_point(struct vthread *v)
{
    if ((load_relaxed(image_cancel_word(v->pd)) & CANCEL_ASYNC) && cancel_pending(v))
        cancel_act(v);
}

/* As for a signal: who sees the flag does not begin to wait, who does not is found waiting (thread/signal.c). */
void cancel_stop(struct vthread *v)
{
    store_relaxed(&v->stopped, v->stops);
    if (v != vthr_self)
        signal_nudge(v);
}

bool cancel_hold(struct vthread *v)
{
    int *word = image_cancel_word(v->pd);

    return !(load_relaxed(word) & CANCEL_ASYNC) && !(fetch_or_acq_rel(word, CANCEL_DISABLED) & CANCEL_DISABLED);
}

void cancel_release(struct vthread *v, bool held)
{
    if (held)
        fetch_and_acq_rel(image_cancel_word(v->pd), ~CANCEL_DISABLED);
}

int cancel_request(struct vthread *v)
{
    int was;

    if (load_acquire(&v->done))
        return 0;
    was = fetch_or_acq_rel(image_cancel_word(v->pd), CANCEL_REQUESTED);
    if (was & (CANCEL_REQUESTED | CANCEL_EXITING))
        return 0;
    if (v == vthr_self) {
        image_set_result(v->pd, PTHREAD_CANCELED); /* as glibc does: its pthread_setcancelstate, which may act on it, does not */
        cancel_async_point(v);
    } else if (!(was & CANCEL_DISABLED))
        signal_nudge(v);
    return 0;
}
