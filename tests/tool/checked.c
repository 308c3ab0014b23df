/* checked SIZE: threads with stacks of SIZE bytes, the library's and the program's own side by side, wait deep in their stacks for each
 * other, and read what they left there.  Prints "ok" when it was all there. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 6
#define DEEP 12

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static int here;

static void meet(void)
{
    pthread_mutex_lock(&m);
    if (++here == THREADS)
        pthread_cond_broadcast(&all_here);
    while (here < THREADS)
        pthread_cond_wait(&all_here, &m);
    pthread_mutex_unlock(&m);
}

static int descend(int deep)
{
    volatile char left[300];
    int sum = 0;

    memset((void *)left, deep, sizeof left);
    if (deep)
        sum = descend(deep - 1);
    else
        meet();
    for (size_t i = 0; i < sizeof left; i++)
        if (left[i] == deep)
            sum++;
    return sum;
}

static void *body(void *sum)
{
    *(int *)sum = descend(DEEP);
    return NULL;
}

static int round_of(size_t size, char *stacks)
{
    pthread_t t[THREADS];
    int sum[THREADS], right = 0;

    here = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_attr_t attr;

        pthread_attr_init(&attr);
        if (i % 2)
            pthread_attr_setstacksize(&attr, size);
        else
            pthread_attr_setstack(&attr, stacks + (size_t)i * size, size);
        if (pthread_create(&t[i], &attr, body, &sum[i]))
            exit(1);
        pthread_attr_destroy(&attr);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        right += sum[i] == (DEEP + 1) * 300;
    }
    return right == THREADS;
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : 65536;
    char *stacks = aligned_alloc(4096, THREADS * size);

    for (int i = 0; i < 3; i++)
        if (!round_of(size, stacks))
            return 1;
    free(stacks);
    puts("ok");
    return 0;
}
