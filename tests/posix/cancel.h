// What the programs about cancellation share.
#ifndef CANCEL_H
#define CANCEL_H
#include "suite.h"

MAYBE atomic_int in, go, cleaned;
MAYBE char trace[32];
MAYBE void note(void *arg) { strcat(trace, arg); }
MAYBE void clean(void *arg) { (void)arg; atomic_fetch_add(&cleaned, 1); }
MAYBE void reset(void)
{
    atomic_store(&in, 0);
    atomic_store(&go, 0);
    atomic_store(&cleaned, 0);
    trace[0] = 0;
}
// Never leaves the loop but by a request.
MAYBE void *test_loop(void *arg)
{
    atomic_store(&in, 1);
    for (;;)
        pthread_testcancel();
    return arg;
}
#endif
