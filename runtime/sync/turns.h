/* Waits inside libc that a scope's cancellation has to end.  Nothing from outside can: it takes what interrupts its system call for a spurious
 * wake and goes on.  So they are made in turns, each with a deadline of its own: what was not there by then has not been taken. */
#pragma once
#include "runtime/base/sys.h"
#include <time.h>

#define TURN_FIRST_NS 1000000l
#define TURN_LAST_NS 16000000l

struct turns {
    clockid_t clk;
    const struct timespec *abs; /* the caller's deadline, NULL: none */
    struct timespec end;        /* of this turn */
    long step;                  /* 0: the last one was the last */
};

static inline struct turns turns_of(clockid_t clk, const struct timespec *abs)
{
    return (struct turns){ .clk = clk, .abs = abs, .step = TURN_FIRST_NS };
}

/* False: the last turn was up to the caller's deadline. */
static inline bool turn_begin(struct turns *t)
{
    if (!t->step)
        return false;
    clock_gettime(t->clk, &t->end);
    t->end.tv_nsec += t->step;
    if (t->end.tv_nsec >= (long)NSEC_PER_SEC) {
        t->end.tv_nsec -= (long)NSEC_PER_SEC;
        t->end.tv_sec++;
    }
    t->step = t->step < TURN_LAST_NS ? t->step * 2 : t->step;
    if (t->abs && (t->abs->tv_sec < t->end.tv_sec || (t->abs->tv_sec == t->end.tv_sec && t->abs->tv_nsec <= t->end.tv_nsec))) {
        t->end = *t->abs;
        t->step = 0;
    }
    return true;
}
