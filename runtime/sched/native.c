#include "runtime/sched/native.h"
#include "runtime/base/ksig.h"
#include "runtime/base/real.h"
#include "runtime/mem/image.h"

int native_start(void *(*fn)(void *), void *arg, size_t stack)
{
    pthread_attr_t attr;
    pthread_t th;
    uint64_t old;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack + ((vthr_image.tls_below + vthr_image.pd_size + 4095) & ~(size_t)4095));
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    old = ksig_set_mask(~0ull);
    r = REAL(pthread_create)(&th, &attr, fn, arg);
    ksig_set_mask(old);
    pthread_attr_destroy(&attr);
    return -r;
}
