// Barriers reused at once, one serial thread per round.
#include "check.h"

enum { THREADS = 16, ROUNDS = 1000 };

static pthread_barrier_t b;
static int arrived, serial;

static void *work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
        int r = pthread_barrier_wait(&b);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        CHECK(__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) >= (i + 1) * THREADS);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    }
    return arg;
}

// The thread that comes out first may destroy it.
static void *pass_and_destroy(void *arg)
{
    if (pthread_barrier_wait(arg) == PTHREAD_BARRIER_SERIAL_THREAD)
        CHECK_EQ(pthread_barrier_destroy(arg), 0);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    CHECK_EQ(pthread_barrier_init(&b, NULL, 0), EINVAL);
    CHECK_EQ(pthread_barrier_init(&b, NULL, 1), 0);
    CHECK_EQ(pthread_barrier_wait(&b), PTHREAD_BARRIER_SERIAL_THREAD);
    CHECK_EQ(pthread_barrier_destroy(&b), 0);
    CHECK_EQ(pthread_barrier_init(&b, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(work, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("%d passed %d rounds, %d serial\n", THREADS, ROUNDS, serial);
    CHECK_EQ(pthread_barrier_destroy(&b), 0);
    for (int round = 0; round < 100; round++) {
        CHECK_EQ(pthread_barrier_init(&b, NULL, 4), 0);
        for (int i = 0; i < 4; i++)
            t[i] = start(pass_and_destroy, &b);
        for (int i = 0; i < 4; i++)
            finish(t[i]);
    }
    puts("destroyed");
    return 0;
}
