#include "runtime/sched/native.h"
#include "runtime/base/ksig.h"
#include "runtime/base/real.h"
#include "runtime/mem/image.h"
#include "runtime/sched/sched.h"

struct start {
    void *(*fn)(void *);
    void *arg;
    uint32_t taken; /* futex: the new thread has read this */
};

static void *run(void *p)
{
    struct start s = *(struct start *)p;

    image_is_native();
    ksig_set_mask(~SIGBIT(SIG_SETXID)); /* pthread_create unblocks SIGCANCEL (32) in every new thread */
    store_release(&((struct start *)p)->taken, 1u);
    sys_futex_wake(&((struct start *)p)->taken, 1);
    return s.fn(s.arg);
}

int native_start(void *(*fn)(void *), void *arg, size_t stack)
{
    pthread_attr_t attr;
    struct start s = { fn, arg, 0 };
    pthread_t th;
    uint64_t old;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack + ((vthr_image.tls_below + vthr_image.pd_size + 4095) & ~(size_t)4095));
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    carrier_pin();
    old = ksig_set_mask(~SIGBIT(SIG_SETXID)); /* that must reach all OS threads: thread/setid.c */
    r = REAL(pthread_create)(&th, &attr, run, &s);
    ksig_set_mask(old);
    carrier_unpin();
    pthread_attr_destroy(&attr);
    while (!r && !load_acquire(&s.taken))
        sys_futex_wait(&s.taken, 0, NO_DEADLINE);
    return -r;
}
