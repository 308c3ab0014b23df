/* Threads: creation, end, joining, names, attributes of running ones. */
#include "preload/hook.h"

HOOK int pthread_create(pthread_t *th, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    if (!vthr_activate())
        return REAL(pthread_create)(th, attr, start, arg);
    return thread_create(th, attr, start, arg, false, __builtin_return_address(0));
}
HOOK int pthread_join(pthread_t th, void **ret)
{
    return vthr_active ? thread_join(th, ret, NO_DEADLINE) : REAL(pthread_join)(th, ret);
}
HOOK int pthread_tryjoin_np(pthread_t th, void **ret)
{
    return vthr_active ? thread_join(th, ret, 0) : REAL(pthread_tryjoin_np)(th, ret);
}
static int join_until(pthread_t th, void **ret, clockid_t clk, const struct timespec *abs)
{
    if (!abs)
        return thread_join(th, ret, NO_DEADLINE);
    if (!ts_valid(abs))
        return EINVAL;
    for (;;) {
        uint64_t d = deadline_at(clk, abs);
        int r = thread_join(th, ret, d ? d : 1); /* 1: long past, which is not "try" */

        if (r != ETIMEDOUT || deadline_at(clk, abs) == 0)
            return r;
    }
}
HOOK int pthread_timedjoin_np(pthread_t th, void **ret, const struct timespec *abs)
{
    return vthr_active ? join_until(th, ret, CLOCK_REALTIME, abs) : REAL(pthread_timedjoin_np)(th, ret, abs);
}
HOOK int pthread_clockjoin_np(pthread_t th, void **ret, clockid_t clk, const struct timespec *abs)
{
    if (!vthr_active)
        return REAL(pthread_clockjoin_np)(th, ret, clk, abs);
    if (clk != CLOCK_REALTIME && clk != CLOCK_MONOTONIC)
        return EINVAL;
    return join_until(th, ret, clk, abs);
}
HOOK int pthread_detach(pthread_t th)
{
    return vthr_active ? thread_detach(th) : REAL(pthread_detach)(th);
}
HOOK int pthread_getattr_np(pthread_t th, pthread_attr_t *attr)
{
    return vthr_active ? thread_getattr(th, attr) : REAL(pthread_getattr_np)(th, attr);
}
HOOK int pthread_setname_np(pthread_t th, const char *name)
{
    return vthr_active ? thread_setname(th, name) : REAL(pthread_setname_np)(th, name);
}
HOOK int pthread_getname_np(pthread_t th, char *buf, size_t len)
{
    return vthr_active ? thread_getname(th, buf, len) : REAL(pthread_getname_np)(th, buf, len);
}
HOOK int pthread_setattr_default_np(const pthread_attr_t *attr)
{
    int (*real)(const pthread_attr_t *) = vthr_real_symbol("pthread_setattr_default_np");
    int r = real(attr);

    thread_defaults_changed();
    return r;
}
HOOK int pthread_cancel(pthread_t th)
{
    struct vthread *v = vthr_active ? thread_of(th) : NULL;

    return v ? cancel_request(v) : REAL(pthread_cancel)(th);
}
HOOK pid_t gettid(void)
{
    struct vthread *v = vthr_self;

    return v ? (pid_t)v->tid : (pid_t)SYS0(SYS_gettid);
}

/* --- Keys: values are glibc's own, in each image --- */
HOOK int pthread_key_create(pthread_key_t *key, void (*dtor)(void *))
{
    int r = REAL(pthread_key_create)(key, dtor);

    if (r == 0)
        tsd_note_key(*key, dtor);
    return r;
}
HOOK int __pthread_key_create(pthread_key_t *, void (*)(void *)) ALIAS(pthread_key_create);
HOOK int pthread_key_delete(pthread_key_t key)
{
    tsd_note_key(key, NULL);
    return REAL(pthread_key_delete)(key);
}

HOOK int pthread_getcpuclockid(pthread_t th, clockid_t *clk)
{
    struct vthread *v = vthr_active ? thread_of(th) : NULL;

    if (!v)
        return REAL(pthread_getcpuclockid)(th, clk);
    if (load_acquire(&v->life) != VT_LIVE)
        return ESRCH;
    usage_begin(USAGE_CPU);
    *clk = (clockid_t)(~v->tid << 3 | 6); /* as the kernel's for a number of its own: see clock.c */
    return 0;
}
