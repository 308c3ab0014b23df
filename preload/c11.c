/* C11 threads: glibc's types are the pthread ones. */
#include "preload/hook.h"
#include <threads.h>

static int thrd_result(int r)
{
    switch (r) {
    case 0: return thrd_success;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
    }
}
#define MTX(m) ((pthread_mutex_t *)(m))
#define CND(c) ((pthread_cond_t *)(c))

HOOK int thrd_create(thrd_t *th, thrd_start_t fn, void *arg)
{
    if (!vthr_activate()) {
        int (*real)(thrd_t *, thrd_start_t, void *) = vthr_real_symbol("thrd_create");

        return real(th, fn, arg);
    }
    int r = thread_create(th, NULL, (void *(*)(void *))(void *)fn, arg, true, __builtin_return_address(0));
    return r == EAGAIN ? thrd_error : thrd_result(r);
}
HOOK int thrd_join(thrd_t th, int *res)
{
    void *value = NULL;
    int r = pthread_join(th, &value);

    if (res)
        *res = (int)(intptr_t)value;
    return thrd_result(r);
}
HOOK int thrd_detach(thrd_t th)
{
    return thrd_result(pthread_detach(th));
}
HOOK int thrd_sleep(const struct timespec *t, struct timespec *left)
{
    struct vthread *v = vthr_parkable();
    long r = v ? io_sleep(v, CLOCK_REALTIME, false, t, left) : SYS4(SYS_clock_nanosleep, CLOCK_REALTIME, 0, t, left);

    return r == 0 ? 0 : r == -EINTR ? -1 : -2;
}
HOOK void thrd_yield(void)
{
    sched_yield();
}
HOOK int mtx_lock(mtx_t *m)
{
    return thrd_result(mutex_lock(MTX(m)));
}
HOOK int mtx_trylock(mtx_t *m)
{
    return thrd_result(mutex_trylock(MTX(m)));
}
HOOK int mtx_timedlock(mtx_t *restrict m, const struct timespec *restrict abs)
{
    return thrd_result(mutex_timedlock(MTX(m), CLOCK_REALTIME, abs));
}
HOOK int mtx_unlock(mtx_t *m)
{
    return thrd_result(mutex_unlock(MTX(m)));
}
HOOK int cnd_wait(cnd_t *c, mtx_t *m)
{
    return thrd_result(cond_wait(CND(c), MTX(m)));
}
HOOK int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict abs)
{
    return thrd_result(cond_timedwait(CND(c), MTX(m), abs));
}
HOOK int cnd_signal(cnd_t *c)
{
    return thrd_result(cond_signal(CND(c)));
}
HOOK int cnd_broadcast(cnd_t *c)
{
    return thrd_result(cond_broadcast(CND(c)));
}
HOOK void call_once(once_flag *f, void (*fn)(void))
{
    once_run((pthread_once_t *)f, fn, 0); /* it could not say that it was cancelled */
}
HOOK int tss_create(tss_t *key, tss_dtor_t dtor)
{
    return thrd_result(pthread_key_create(key, dtor));
}
HOOK void tss_delete(tss_t key)
{
    pthread_key_delete(key);
}
