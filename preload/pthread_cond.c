/* Condition variables, in both symbol versions.
 *
 * GLIBC_2.2.5: the object of old binaries is a pointer to a heap-allocated condition, made at first use, as glibc's own
 * compatibility code does. */
#include "preload/hook.h"
#include <stdlib.h>

#define V2(name) __attribute__((visibility("default"), symver(#name "@@GLIBC_2.3.2")))
#define V1(name) __attribute__((visibility("default"), symver(#name "@GLIBC_2.2.5")))

V2(pthread_cond_wait) int v2_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return cond_wait(c, m);
}
V2(pthread_cond_timedwait) int v2_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs)
{
    return cond_timedwait(c, m, abs);
}
V2(pthread_cond_signal) int v2_signal(pthread_cond_t *c)
{
    return cond_signal(c);
}
V2(pthread_cond_broadcast) int v2_broadcast(pthread_cond_t *c)
{
    return cond_broadcast(c);
}
HOOK int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    return cond_clockwait(c, m, clk, abs);
}

struct old_cond {
    pthread_cond_t *cond;
};
static pthread_cond_t *cond_of(struct old_cond *o)
{
    pthread_cond_t *c = load_acquire(&o->cond), *fresh, *none = NULL;

    if (c)
        return c;
    fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return NULL;
    if (cas_acq_rel(&o->cond, &none, fresh))
        return fresh;
    free(fresh);
    return none;
}
V1(pthread_cond_init) int v1_init(struct old_cond *o, const pthread_condattr_t *attr)
{
    (void)attr;
    o->cond = NULL;
    return 0;
}
V1(pthread_cond_destroy) int v1_destroy(struct old_cond *o)
{
    free(o->cond);
    o->cond = NULL;
    return 0;
}
V1(pthread_cond_wait) int v1_wait(struct old_cond *o, pthread_mutex_t *m)
{
    pthread_cond_t *c = cond_of(o);

    return c ? cond_wait(c, m) : ENOMEM;
}
V1(pthread_cond_timedwait) int v1_timedwait(struct old_cond *o, pthread_mutex_t *m, const struct timespec *abs)
{
    pthread_cond_t *c = cond_of(o);

    return c ? cond_timedwait(c, m, abs) : ENOMEM;
}
V1(pthread_cond_signal) int v1_signal(struct old_cond *o)
{
    pthread_cond_t *c = cond_of(o);

    return c ? cond_signal(c) : ENOMEM;
}
V1(pthread_cond_broadcast) int v1_broadcast(struct old_cond *o)
{
    pthread_cond_t *c = cond_of(o);

    return c ? cond_broadcast(c) : ENOMEM;
}
