// A sleeper wakes although there is always another computing thread that waits for a processor: each one starts the next.
#include "check.h"

#define CHAIN 300

static volatile int stop;
static int started; // atomic

static void *compute(void *arg)
{
    pthread_t t;
    if (__atomic_add_fetch(&started, 1, __ATOMIC_RELAXED) < CHAIN && !stop) {
        CHECK_EQ(pthread_create(&t, NULL, compute, NULL), 0);
        CHECK_EQ(pthread_detach(t), 0);
    }
    while (!stop)
        ;
    return arg;
}

int main(void)
{
    pthread_t t = start(compute, NULL);
    nap_ms(1);
    puts(__atomic_load_n(&started, __ATOMIC_RELAXED) < CHAIN ? "woke beside them" : "woke after all of them");
    stop = 1;
    finish(t);
    return 0;
}
