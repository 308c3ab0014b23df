#include "runtime/sched/native.h"
#include "runtime/base/ksig.h"
#include "runtime/base/real.h"
#include "runtime/base/lock.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/sched.h"
#include <errno.h>

#define SHORT_SLICE 100000u /* ns; the kernel's least */

/* What a new thread reads first.  Its starter does not wait for that: the kernel may run it late, where many compute. */
struct start {
    struct start *next;
    void *(*fn)(void *);
    void *arg;
};

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_CARRIERS);
static struct start *unused; /* protected by lk */

static struct start *start_get(void)
{
    struct start *s;

    lock(&lk);
    s = unused;
    if (s)
        unused = s->next;
    unlock(&lk);
    return s ? s : meta_alloc(sizeof *s);
}
static void start_put(struct start *s)
{
    lock(&lk);
    s->next = unused;
    unused = s;
    unlock(&lk);
}

static void *run(void *p)
{
    struct start s = *(struct start *)p;

    image_is_native();
    ksig_set_mask(~SIGBIT(SIG_SETXID)); /* pthread_create unblocks SIGCANCEL (32) in every new thread */
    start_put(p);
    return s.fn(s.arg);
}

int native_start(void *(*fn)(void *), void *arg, size_t stack)
{
    pthread_attr_t attr;
    struct start *s = start_get();
    pthread_t th;
    uint64_t old;
    int r;

    if (!s)
        return -ENOMEM;
    s->fn = fn;
    s->arg = arg;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack + ((vthr_image.tls_below + vthr_image.pd_size + 4095) & ~(size_t)4095));
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    carrier_pin();
    old = ksig_set_mask(~SIGBIT(SIG_SETXID)); /* that must reach all OS threads: thread/setid.c */
    r = REAL(pthread_create)(&th, &attr, run, s);
    ksig_set_mask(old);
    carrier_unpin();
    pthread_attr_destroy(&attr);
    if (r)
        start_put(s);
    return -r;
}

struct sched_attr_ { /* linux/sched/types.h, first version */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void native_hurry(bool on)
{
    struct sched_attr_ a = { .size = sizeof a };

    if (SYS4(SYS_sched_getattr, 0, &a, sizeof a, 0) < 0 || (a.policy != SCHED_OTHER && a.policy != SCHED_BATCH))
        return;
    a.runtime = on ? SHORT_SLICE : 0;
    SYS3(SYS_sched_setattr, 0, &a, 0);
}

void native_reset_child(void)
{
    lock_init(&lk, RANK_CARRIERS);
    unused = NULL;
}
