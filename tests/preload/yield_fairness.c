// A thread that does nothing but sched_yield keeps nobody else from getting on.
#include "check.h"
#include <semaphore.h>

static volatile int stop;
static int turns[5];
static int p[2];

static void *spin(void *arg)
{
    while (!stop)
        sched_yield();
    return arg;
}

static void *count(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        ++*(int *)arg;
        sched_yield();
    }
    return NULL;
}

static void *bounce(void *arg)
{
    char c;
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(read(p[0], &c, 1), 1);
        usleep(10);
        CHECK_EQ(write(p[1], &c, 1), 1);
    }
    return arg;
}

int main(void)
{
    pthread_t s[3], t[15];
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 3; i++)
        s[i] = start(spin, NULL);
    for (int i = 0; i < 5; i++)
        t[i] = start(count, &turns[i]);
    for (int i = 5; i < 15; i++)
        t[i] = start(bounce, NULL);
    CHECK_EQ(write(p[1], "abc", 3), 3);
    for (int i = 0; i < 15; i++)
        finish(t[i]);
    nap_ms(5);
    stop = 1;
    for (int i = 0; i < 3; i++)
        finish(s[i]);
    puts("all got their turns");
    return 0;
}
