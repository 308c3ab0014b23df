/* Functions of libc that start threads of libc's own, which stay native: only the signal block around their start matters. */
#include "preload/hook.h"

HOOK int timer_create(clockid_t clk, struct sigevent *restrict event, timer_t *restrict timer)
{
    clockid_t of = clock_for_timer(clk);
    struct sigevent kernel;
    uint32_t tid = event ? signal_timer_event(event, &kernel) : 0;
    int r = PINNED(REAL(timer_create)(of, tid ? &kernel : event, timer));

    if (r == 0 && (intptr_t)*timer >= 0) /* negative: SIGEV_THREAD, libc's own */
        signal_timer_made((int)(intptr_t)*timer, tid);
    return r;
}
HOOK int mq_notify(mqd_t q, const struct sigevent *event)
{
    return PINNED(REAL(mq_notify)(q, event));
}
HOOK int aio_read(struct aiocb *cb)
{
    return PINNED(REAL(aio_read)(cb));
}
HOOK int aio_write(struct aiocb *cb)
{
    return PINNED(REAL(aio_write)(cb));
}
HOOK int aio_fsync(int op, struct aiocb *cb)
{
    return PINNED(REAL(aio_fsync)(op, cb));
}
HOOK int aio_read64(struct aiocb64 *cb)
{
    return PINNED(REAL(aio_read64)(cb));
}
HOOK int aio_write64(struct aiocb64 *cb)
{
    return PINNED(REAL(aio_write64)(cb));
}
HOOK int aio_fsync64(int op, struct aiocb64 *cb)
{
    return PINNED(REAL(aio_fsync64)(op, cb));
}
