// create, join, return values, detach, exit, self, equal, and the errors of join.
#include "check.h"
#include <semaphore.h>
#include <stdint.h>

enum { MANY = 1000 };

static pthread_t main_thread;
static sem_t go, done;

static void *twice(void *arg)
{
    return (void *)((intptr_t)arg * 2);
}

static void leave(intptr_t value)
{
    pthread_exit((void *)value);
}

static void *exits_deep(void *arg)
{
    leave((intptr_t)arg + 7);
    return NULL;
}

static void *knows_itself(void *arg)
{
    pthread_t self = pthread_self();
    CHECK(pthread_equal(self, pthread_self()));
    CHECK(!pthread_equal(self, main_thread));
    CHECK_EQ(pthread_join(self, NULL), EDEADLK);
    *(pthread_t *)arg = self;
    return NULL;
}

static void *waits(void *arg)
{
    CHECK_EQ(sem_wait(&go), 0);
    CHECK_EQ(sem_post(&done), 0);
    return arg;
}

static void *detaches_itself(void *arg)
{
    CHECK_EQ(pthread_detach(pthread_self()), 0);
    CHECK_EQ(pthread_join(pthread_self(), NULL), EINVAL);
    CHECK_EQ(sem_post(&done), 0);
    return arg;
}

static void *joins(void *arg)
{
    return finish(*(pthread_t *)arg);
}

static void *tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return (void *)1;
    pthread_t left = start(tree, (void *)(depth - 1)), right = start(tree, (void *)(depth - 1));
    return (void *)((intptr_t)finish(left) + (intptr_t)finish(right));
}

int main(void)
{
    static pthread_t many[MANY];
    main_thread = pthread_self();
    CHECK_EQ(sem_init(&go, 0, 0), 0);
    CHECK_EQ(sem_init(&done, 0, 0), 0);

    printf("twice 21: %ld\n", (long)finish(start(twice, (void *)21)));
    printf("exit value: %ld\n", (long)finish(start(exits_deep, (void *)35)));

    pthread_t seen, t = start(knows_itself, &seen);
    finish(t);
    CHECK(pthread_equal(seen, t));
    CHECK(pthread_equal(main_thread, pthread_self()));

    long sum = 0;
    for (intptr_t i = 0; i < MANY; i++)
        many[i] = start(twice, (void *)i);
    for (int i = 0; i < MANY; i++)
        sum += (long)finish(many[i]);
    printf("sum over %d: %ld\n", MANY, sum);

    // All alive at once, each with its own identity.
    for (intptr_t i = 0; i < MANY; i++)
        many[i] = start(waits, (void *)i);
    for (int i = 1; i < MANY; i++)
        CHECK(!pthread_equal(many[i - 1], many[i]));
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(sem_post(&go), 0);
    for (int i = MANY; i-- > 0;)
        CHECK_EQ(finish(many[i]), i);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(sem_trywait(&done), 0);

    // Long over when it is joined.
    t = start(waits, (void *)5);
    sem_post(&go);
    sem_wait(&done);
    sched_yield();
    printf("joined late: %ld\n", (long)finish(t));

    // Joined by another than its creator.
    t = start(waits, (void *)6);
    pthread_t by = start(joins, &t);
    sem_post(&go);
    printf("joined by another: %ld\n", (long)finish(by));
    sem_wait(&done);

    t = start(waits, NULL);
    CHECK_EQ(pthread_detach(t), 0);
    CHECK_EQ(pthread_join(t, NULL), EINVAL);
    CHECK_EQ(pthread_detach(t), EINVAL);
    sem_post(&go);
    sem_wait(&done);

    for (int i = 0; i < MANY; i++) {
        t = start(detaches_itself, NULL);
        sem_wait(&done);
    }
    CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK);
    printf("leaves of a tree: %ld\n", (long)finish(start(tree, (void *)6)));
    return 0;
}
