// Deep recursion on stacks of the size that was asked for, with blocking calls at the bottom.
#include "check.h"
#include <stdlib.h>

static size_t dig(char *top, size_t deep)
{
    volatile char frame[1000];
    frame[0] = (char)deep;
    frame[sizeof frame - 1] = 1;
    size_t used = (size_t)(top - (char *)frame);
    if (used < deep)
        used = dig(top, deep);
    else
        usleep(100);
    CHECK_EQ(frame[0], (char)deep);
    return used + (size_t)frame[sizeof frame - 1] - 1;
}

static void *run(void *arg)
{
    char top;
    size_t deep = (size_t)arg, used = dig(&top, deep);
    CHECK(used >= deep && used < deep + 4096);
    sched_yield();
    return NULL;
}

static void many(size_t size, size_t deep)
{
    enum { N = 20 };
    pthread_t t[N];
    pthread_attr_t attr;
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, size), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(pthread_create(&t[i], &attr, run, (void *)deep), 0);
    for (int i = 0; i < N; i++)
        finish(t[i]);
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    printf("%zu KiB of %zu\n", deep >> 10, size >> 10);
}

int main(void)
{
    many(8 << 20, 7 << 20);
    many(256 << 10, 200 << 10);
    many(64 << 10, 40 << 10);
    many(8 << 20, 1 << 10);
    return 0;
}
