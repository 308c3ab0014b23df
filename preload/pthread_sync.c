/* Read-write locks, barriers, once, spin locks, semaphores. */
#include "preload/hook.h"

HOOK int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    return rwlock_rdlock(l, 0, NULL);
}
HOOK int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    return rwlock_wrlock(l, 0, NULL);
}
HOOK int pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
    return rwlock_tryrdlock(l);
}
HOOK int pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
    return rwlock_trywrlock(l);
}
HOOK int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    return rwlock_unlock(l);
}
HOOK int pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *abs)
{
    return rwlock_rdlock(l, CLOCK_REALTIME, abs);
}
HOOK int pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *abs)
{
    return rwlock_wrlock(l, CLOCK_REALTIME, abs);
}
HOOK int pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs)
{
    return rwlock_rdlock(l, clk, abs);
}
HOOK int pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs)
{
    return rwlock_wrlock(l, clk, abs);
}
HOOK int __pthread_rwlock_rdlock(pthread_rwlock_t *) ALIAS(pthread_rwlock_rdlock);
HOOK int __pthread_rwlock_wrlock(pthread_rwlock_t *) ALIAS(pthread_rwlock_wrlock);
HOOK int __pthread_rwlock_tryrdlock(pthread_rwlock_t *) ALIAS(pthread_rwlock_tryrdlock);
HOOK int __pthread_rwlock_trywrlock(pthread_rwlock_t *) ALIAS(pthread_rwlock_trywrlock);
HOOK int __pthread_rwlock_unlock(pthread_rwlock_t *) ALIAS(pthread_rwlock_unlock);

HOOK int pthread_barrier_wait(pthread_barrier_t *b)
{
    return barrier_wait(b);
}
HOOK int pthread_barrier_destroy(pthread_barrier_t *b)
{
    return barrier_destroy(b);
}
HOOK int pthread_once(pthread_once_t *once, void (*fn)(void))
{
    return once_run(once, fn, STOP_LOCK);
}
HOOK int __pthread_once(pthread_once_t *, void (*)(void)) ALIAS(pthread_once);
HOOK int pthread_spin_lock(pthread_spinlock_t *l)
{
    return spin_lock(l);
}

HOOK int sem_wait(sem_t *s)
{
    return (int)posix(sema_wait(s, 0, NULL));
}
HOOK int sem_timedwait(sem_t *s, const struct timespec *abs)
{
    return (int)posix(sema_wait(s, CLOCK_REALTIME, abs));
}
HOOK int sem_clockwait(sem_t *s, clockid_t clk, const struct timespec *abs)
{
    return (int)posix(sema_wait(s, clk, abs));
}
HOOK int sem_trywait(sem_t *s)
{
    return (int)posix(sema_trywait(s));
}
HOOK int sem_post(sem_t *s)
{
    return (int)posix(sema_post(s));
}
