/* Stopping timers.
 *
 * Natively a signal that a timer sent before it was stopped is handled before the call returns; so a program may then set the
 * signal's default action.  Ours may be with the receiver still.  One that had time left and does not repeat has sent none. */
#include "preload/hook.h"
#include <sys/time.h>

static bool stops(const struct itimerval *new)
{
    return !new || (new->it_value.tv_sec == 0 && new->it_value.tv_usec == 0);
}

static bool has_sent_none(const struct itimerval *old)
{
    return (old->it_value.tv_sec || old->it_value.tv_usec) && old->it_interval.tv_sec == 0 && old->it_interval.tv_usec == 0;
}

HOOK int setitimer(__itimer_which_t which, const struct itimerval *restrict new, struct itimerval *restrict old)
{
    static const int sigs[] = { SIGALRM, SIGVTALRM, SIGPROF };
    struct vthread *v = vthr_parkable();
    struct itimerval was;
    long r;

    if (!v || (unsigned)which > 2 || bad_address(new) || (old && bad_address(old)) || !stops(new))
        return (int)posix(SYS3(SYS_setitimer, which, new, old));
    r = SYS3(SYS_setitimer, which, new, &was);
    if (r == 0 && !has_sent_none(&was))
        signal_settle(v, SIGBIT(sigs[which]));
    if (r == 0 && old)
        *old = was;
    return (int)posix(r);
}
/* The seconds that were left: at least one, if there was any time. */
HOOK unsigned alarm(unsigned seconds)
{
    struct itimerval off = { { 0, 0 }, { 0, 0 } }, was;

    if (seconds || !vthr_parkable() || setitimer(ITIMER_REAL, &off, &was))
        return (unsigned)SYS1(SYS_alarm, seconds);
    if (was.it_value.tv_sec == 0 && was.it_value.tv_usec)
        return 1;
    return (unsigned)was.it_value.tv_sec + (was.it_value.tv_usec >= 500000);
}
