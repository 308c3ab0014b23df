// Thread-specific data: destructors in rounds, deleted keys, many keys, a fresh start in each new thread.
#include "check.h"
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

enum { KEYS = 200, THREADS = 300 };

static pthread_key_t stubborn, chain[4], keys[KEYS], dead;
static int rounds, chain_calls, freed, dead_calls;

static void count_round(void *value)
{
    rounds++;
    pthread_setspecific(stubborn, value); // never gives up
}

// Sets the next key of the chain, whose destructor is due only in this or a later round.
static void next_in_chain(void *value)
{
    intptr_t i = (intptr_t)value;
    CHECK(pthread_getspecific(chain[i - 1]) == NULL);
    chain_calls++;
    if (i < 4)
        CHECK_EQ(pthread_setspecific(chain[i], (void *)(i + 1)), 0);
}

static void release(void *value)
{
    free(value);
    __atomic_add_fetch(&freed, 1, __ATOMIC_RELAXED);
}

static void never(void *value)
{
    (void)value;
    dead_calls++;
}

static void *all_destructors(void *arg)
{
    CHECK(pthread_getspecific(stubborn) == NULL);
    CHECK_EQ(pthread_setspecific(stubborn, "x"), 0);
    CHECK_EQ(pthread_setspecific(chain[0], (void *)1), 0);
    CHECK_EQ(pthread_setspecific(dead, "y"), 0);
    CHECK_EQ(pthread_key_delete(dead), 0);
    return arg;
}

static void *use_keys(void *arg)
{
    intptr_t base = (intptr_t)arg * 1000;
    for (int i = 0; i < KEYS; i++) {
        CHECK(pthread_getspecific(keys[i]) == NULL);
        long *value = malloc(sizeof *value);
        *value = base + i;
        CHECK_EQ(pthread_setspecific(keys[i], value), 0);
        if (i % 50 == 0)
            sched_yield();
    }
    for (int i = 0; i < KEYS; i++)
        CHECK_EQ(*(long *)pthread_getspecific(keys[i]), base + i);
    if ((intptr_t)arg % 2)
        pthread_exit(NULL);
    return NULL;
}

int main(void)
{
    static pthread_t t[THREADS];
    CHECK_EQ(pthread_key_create(&stubborn, count_round), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_key_create(&chain[i], next_in_chain), 0);
    CHECK_EQ(pthread_key_create(&dead, never), 0);
    finish(start(all_destructors, NULL));
    printf("rounds %d (limit %d), chain %d, deleted %d\n", rounds, PTHREAD_DESTRUCTOR_ITERATIONS,
           chain_calls, dead_calls);
    CHECK_EQ(pthread_setspecific(dead, "z"), EINVAL);
    CHECK_EQ(pthread_key_delete(dead), EINVAL);
    CHECK(pthread_getspecific(dead) == NULL);

    for (int i = 0; i < KEYS; i++)
        CHECK_EQ(pthread_key_create(&keys[i], release), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(use_keys, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("freed %d\n", freed);

    // One after another: shells may be reused, values may not.
    for (intptr_t i = 0; i < 100; i++)
        finish(start(use_keys, (void *)i));
    printf("freed %d\n", freed);

    // A key that is made again hides the old value, also in a thread that had set it.
    pthread_key_t again;
    CHECK_EQ(pthread_key_create(&again, NULL), 0);
    CHECK_EQ(pthread_setspecific(again, "old"), 0);
    CHECK_EQ(pthread_key_delete(again), 0);
    CHECK_EQ(pthread_key_create(&again, NULL), 0);
    CHECK(pthread_getspecific(again) == NULL);
    CHECK_EQ(pthread_setspecific(again, "new"), 0);
    CHECK_EQ(strcmp(pthread_getspecific(again), "new"), 0);

    int n = 0;
    pthread_key_t extra;
    while (pthread_key_create(&extra, NULL) == 0)
        n++;
    CHECK(n < PTHREAD_KEYS_MAX && n > PTHREAD_KEYS_MAX - KEYS - 50);
    puts("keys run out where they should");
    return 0;
}
