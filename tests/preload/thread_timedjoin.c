// tryjoin, timedjoin, clockjoin: busy, timed out (not early), then joined.
#include "check.h"
#include <semaphore.h>

static sem_t go;

static void *wait_for_go(void *arg)
{
    sem_wait(&go);
    return arg;
}

int main(void)
{
    void *result = NULL;
    struct timespec at;
    sem_init(&go, 0, 0);

    pthread_t t = start(wait_for_go, (void *)11);
    CHECK_EQ(pthread_tryjoin_np(t, &result), EBUSY);
    at = in_ms(CLOCK_REALTIME, 30);
    CHECK_EQ(pthread_timedjoin_np(t, &result, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 30);
    CHECK_EQ(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    at = in_ms(CLOCK_REALTIME, -1000);
    CHECK_EQ(pthread_timedjoin_np(t, &result, &at), ETIMEDOUT);
    CHECK_EQ(result, 0);
    sem_post(&go);
    at = in_ms(CLOCK_REALTIME, 60000);
    CHECK_EQ(pthread_timedjoin_np(t, &result, &at), 0);
    printf("timedjoin: %ld\n", (long)result);

    t = start(wait_for_go, (void *)12);
    sem_post(&go);
    at = in_ms(CLOCK_MONOTONIC, 60000);
    CHECK_EQ(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &at), 0);
    printf("clockjoin: %ld\n", (long)result);

    t = start(wait_for_go, (void *)13);
    sem_post(&go);
    int busy;
    while ((busy = pthread_tryjoin_np(t, &result)) == EBUSY)
        sched_yield();
    CHECK_EQ(busy, 0);
    printf("tryjoin: %ld\n", (long)result);

    t = start(wait_for_go, (void *)14);
    sem_post(&go);
    CHECK_EQ(pthread_timedjoin_np(t, &result, NULL), 0);
    printf("no limit: %ld\n", (long)result);
    return 0;
}
