/* Mutexes. */
#include "preload/hook.h"

HOOK int pthread_mutex_lock(pthread_mutex_t *m)
{
    return mutex_lock(m);
}
HOOK int pthread_mutex_trylock(pthread_mutex_t *m)
{
    return mutex_trylock(m);
}
HOOK int pthread_mutex_unlock(pthread_mutex_t *m)
{
    int r = mutex_unlock(m);

    waker_may_spin();
    return r;
}
HOOK int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *abs)
{
    return mutex_timedlock(m, CLOCK_REALTIME, abs);
}
HOOK int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    return mutex_timedlock(m, clk, abs);
}
HOOK int __pthread_mutex_lock(pthread_mutex_t *) ALIAS(pthread_mutex_lock);
HOOK int __pthread_mutex_trylock(pthread_mutex_t *) ALIAS(pthread_mutex_trylock);
HOOK int __pthread_mutex_unlock(pthread_mutex_t *) ALIAS(pthread_mutex_unlock);
HOOK int pthread_mutex_consistent(pthread_mutex_t *m)
{
    return vthr_active ? mutex_consistent(m) : REAL(pthread_mutex_consistent)(m);
}
