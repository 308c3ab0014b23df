/* Message queues and System V semaphores.
 *
 * System V objects are no descriptors, so a call that would wait is tried without waiting and then handed off.  None of them is
 * restarted after a signal handler (signal(7)). */
#include "preload/hook.h"
#include <string.h>

#define OPS_COPIED 16

HOOK ssize_t msgrcv(int id, void *msg, size_t n, long type, int flags)
{
    struct vthread *v = vthr_parkable();
    long r;

    if (!v)
        return REAL(msgrcv)(id, msg, n, type, flags);
    cancel_point(v);
    r = SYS5(SYS_msgrcv, id, msg, n, type, flags | IPC_NOWAIT);
    if (r == -ENOMSG && !(flags & IPC_NOWAIT))
        r = BLOCKING(v, true, false, SYS_msgrcv, id, msg, n, type, flags, 0);
    return posix(r);
}
HOOK int msgsnd(int id, const void *msg, size_t n, int flags)
{
    struct vthread *v = vthr_parkable();
    long r;

    if (!v)
        return REAL(msgsnd)(id, msg, n, flags);
    cancel_point(v);
    r = SYS4(SYS_msgsnd, id, msg, n, flags | IPC_NOWAIT);
    if (r == -EAGAIN && !(flags & IPC_NOWAIT))
        r = BLOCKING(v, true, false, SYS_msgsnd, id, msg, n, flags, 0, 0);
    return (int)posix(r);
}

/* -EAGAIN: it would wait, or one of the operations is not to wait: the real call tells. */
static long semop_now(int id, struct sembuf *ops, size_t n)
{
    struct sembuf copy[OPS_COPIED];

    if (n > OPS_COPIED)
        return -EAGAIN;
    if (n && bad_address(ops))
        return -EFAULT;
    memcpy(copy, ops, n * sizeof *ops);
    for (size_t i = 0; i < n; i++)
        copy[i].sem_flg |= IPC_NOWAIT;
    return SYS3(SYS_semop, id, copy, n);
}
HOOK int semtimedop(int id, struct sembuf *ops, size_t n, const struct timespec *t)
{
    struct vthread *v = vthr_parkable();
    long r;

    if (!v)
        return REAL(semtimedop)(id, ops, n, t);
    r = t ? -EAGAIN : semop_now(id, ops, n); /* a bad timeout is an error before all others */
    if (r == -EAGAIN && t && !bad_address(t) && ts_valid(t) && t->tv_sec >= 0)
        r = semop_now(id, ops, n);
    if (r == -EAGAIN)
        r = NO_CANCEL_POINT(v, BLOCKING(v, true, false, SYS_semtimedop, id, ops, n, t, 0, 0));
    return (int)posix(r);
}
HOOK int semop(int id, struct sembuf *ops, size_t n)
{
    return vthr_parkable() ? semtimedop(id, ops, n, NULL) : REAL(semop)(id, ops, n);
}

HOOK ssize_t mq_timedreceive(mqd_t mq, char *restrict buf, size_t n, unsigned *restrict prio, const struct timespec *restrict t)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_mq_receive(v, mq, buf, n, prio, t)) : REAL(mq_timedreceive)(mq, buf, n, prio, t);
}
HOOK ssize_t mq_receive(mqd_t mq, char *buf, size_t n, unsigned *prio)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_mq_receive(v, mq, buf, n, prio, NULL)) : REAL(mq_receive)(mq, buf, n, prio);
}
HOOK int mq_timedsend(mqd_t mq, const char *buf, size_t n, unsigned prio, const struct timespec *t)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_mq_send(v, mq, buf, n, prio, t)) : REAL(mq_timedsend)(mq, buf, n, prio, t);
}
HOOK int mq_send(mqd_t mq, const char *buf, size_t n, unsigned prio)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_mq_send(v, mq, buf, n, prio, NULL)) : REAL(mq_send)(mq, buf, n, prio);
}
HOOK int mq_close(mqd_t mq)
{
    return vthr_active ? close(mq) : REAL(mq_close)(mq); /* the same to Linux, and watched */
}
