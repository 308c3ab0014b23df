// Eight producers and eight consumers over a small bounded queue.
#include "check.h"
#include <stdint.h>

enum { PRODUCERS = 8, CONSUMERS = 8, EACH = 3000, ROOM = 5 };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static long queue[ROOM];
static int head, used, producing = PRODUCERS;

static void *produce(void *arg)
{
    for (long i = 0; i < EACH; i++) {
        pthread_mutex_lock(&m);
        while (used == ROOM)
            pthread_cond_wait(&not_full, &m);
        queue[(head + used++) % ROOM] = (long)(intptr_t)arg * EACH + i;
        pthread_mutex_unlock(&m);
        pthread_cond_signal(&not_empty);
    }
    pthread_mutex_lock(&m);
    if (--producing == 0)
        pthread_cond_broadcast(&not_empty);
    pthread_mutex_unlock(&m);
    return NULL;
}

static void *consume(void *arg)
{
    long last[PRODUCERS], sum = 0;
    (void)arg;
    memset(last, -1, sizeof last);
    pthread_mutex_lock(&m);
    for (;;) {
        while (used == 0 && producing > 0)
            pthread_cond_wait(&not_empty, &m);
        if (used == 0)
            break;
        long item = queue[head];
        head = (head + 1) % ROOM;
        used--;
        pthread_cond_signal(&not_full);
        CHECK(item % EACH > last[item / EACH]); // one producer's items stay in order
        last[item / EACH] = item % EACH;
        sum += item;
    }
    pthread_mutex_unlock(&m);
    return (void *)sum;
}

int main(void)
{
    pthread_t p[PRODUCERS], c[CONSUMERS];
    long sum = 0;
    for (int i = 0; i < CONSUMERS; i++)
        c[i] = start(consume, NULL);
    for (intptr_t i = 0; i < PRODUCERS; i++)
        p[i] = start(produce, (void *)i);
    for (int i = 0; i < PRODUCERS; i++)
        finish(p[i]);
    for (int i = 0; i < CONSUMERS; i++)
        sum += (long)finish(c[i]);
    printf("sum %ld\n", sum);
    return 0;
}
