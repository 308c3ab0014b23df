/* The starter: a native thread that starts carriers ahead.
 *
 * To make an OS thread libc allocates memory, and may wait for malloc's lock.  Whoever has that lock may be a vthread that does not run:
 * a signal handler that interrupted malloc or fork, and parked.  Then those whom the others count on must not wait for it: the
 * monitor, and who has a processor and is in the runtime.  So they take a spare that is there (carrier_get_spare), and one is there, as a
 * rule: whoever takes the last one asks the starter for another, which only delays the starter if that lock is held.
 *
 * `wanted` is the number of spares that are asked for, 0 when it has been done.  An errand is left first and asked for by `wanted` then, which
 * the starter takes in the other order; between the two a fence, or both could see the other's old value and the errand stay. */
#include "runtime/sched/starter.h"
#include "runtime/base/atomic.h"
#include "runtime/base/options.h"
#include "runtime/base/sys.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"

#define STACK 65536ul

static uint32_t wanted; /* futex */
static void (*errand)(void);
static bool there;

static void *starter_main(void *arg)
{
    (void)arg;
    native_hurry(true);
    for (;;) {
        uint32_t n = xchg_acq_rel(&wanted, 0u);
        void (*fn)(void) = n ? xchg_acq_rel(&errand, NULL) : NULL;

        if (fn)
            fn();
        if (n)
            carrier_prepare(n);
        else
            sys_futex_wait(&wanted, 0, NO_DEADLINE);
    }
    return NULL;
}

bool starter_ask(unsigned n)
{
    uint32_t old = load_relaxed(&wanted);

    if (!there)
        return false;
    while (old < n)
        if (cas_acq_rel(&wanted, &old, n)) {
            sys_futex_wake(&wanted, 1);
            break;
        }
    return true;
}

bool starter_do(void (*fn)(void))
{
    store_release(&errand, fn);
    fence_seq_cst();
    return starter_ask(1);
}

/* Without spares (VTHR_SPARES=0) each carrier is started by who needs it. */
void starter_start(void)
{
    there = vthr_config.spares && native_start(starter_main, NULL, STACK) == 0;
    if (there)
        carrier_prepare(1);
}

void starter_reset_child(void)
{
    there = false;
    wanted = 0;
    errand = NULL;
}
