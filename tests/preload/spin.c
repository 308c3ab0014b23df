// Spin locks: trylock, and a contended counter whose holders sometimes yield.
#include "check.h"

static pthread_spinlock_t s;
static volatile long count;

static void *work(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        if (i % 5 == 0) {
            while (pthread_spin_trylock(&s) != 0)
                sched_yield();
        } else {
            CHECK_EQ(pthread_spin_lock(&s), 0);
        }
        long seen = count;
        if (i % 500 == 0)
            sched_yield();
        count = seen + 1;
        CHECK_EQ(pthread_spin_unlock(&s), 0);
    }
    return arg;
}

int main(void)
{
    pthread_t t[8];
    CHECK_EQ(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(pthread_spin_lock(&s), 0);
    CHECK_EQ(pthread_spin_trylock(&s), EBUSY);
    CHECK_EQ(pthread_spin_unlock(&s), 0);
    for (int i = 0; i < 8; i++)
        t[i] = start(work, NULL);
    for (int i = 0; i < 8; i++)
        finish(t[i]);
    printf("%ld\n", count);
    CHECK_EQ(pthread_spin_destroy(&s), 0);
    return 0;
}
