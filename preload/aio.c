/* Asynchronous I/O of libc: threads of libc's own do the work, natively; these calls wait for them. */
#include "preload/hook.h"

static bool waits(int mode)
{
    return mode == LIO_WAIT; /* and GAI_WAIT */
}
_Static_assert((int)LIO_WAIT == (int)GAI_WAIT, "one test for both");

HOOK int aio_suspend(const struct aiocb *const list[], int n, const struct timespec *restrict t)
{
    FORWARD(true, REAL(aio_suspend)(list, n, t));
}
HOOK int aio_suspend64(const struct aiocb64 *const list[], int n, const struct timespec *restrict t)
{
    FORWARD(true, REAL(aio_suspend64)(list, n, t));
}
HOOK int lio_listio(int mode, struct aiocb *const list[restrict], int n, struct sigevent *restrict event)
{
    FORWARD(waits(mode), PINNED(REAL(lio_listio)(mode, list, n, event)));
}
HOOK int lio_listio64(int mode, struct aiocb64 *const list[restrict], int n, struct sigevent *restrict event)
{
    FORWARD(waits(mode), PINNED(REAL(lio_listio64)(mode, list, n, event)));
}
HOOK int getaddrinfo_a(int mode, struct gaicb *list[restrict], int n, struct sigevent *restrict event)
{
    FORWARD(waits(mode), PINNED(REAL(getaddrinfo_a)(mode, list, n, event)));
}
HOOK int gai_suspend(const struct gaicb *const list[], int n, const struct timespec *t)
{
    FORWARD(true, REAL(gai_suspend)(list, n, t));
}
