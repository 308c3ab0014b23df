// Two thousand threads parked on one condition, then on one semaphore, one barrier, one pipe, one once.
#include "check.h"
#include <semaphore.h>
#include <sys/resource.h>

enum { N = 2000 };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, all_wait = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t b;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t s;
static int waiting, open_now, p[2], inits;

static void init(void)
{
    usleep(5000);
    inits++;
}

static void *work(void *arg)
{
    char ch;
    pthread_mutex_lock(&m);
    if (++waiting == N)
        pthread_cond_signal(&all_wait);
    while (!open_now)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    pthread_barrier_wait(&b);
    CHECK_EQ(sem_wait(&s), 0);
    CHECK_EQ(sem_post(&s), 0);
    pthread_once(&once, init);
    CHECK_EQ(read(p[0], &ch, 1), 1);
    return (void *)((long)arg + ch);
}

int main(void)
{
    static pthread_t t[N];
    static char text[N];
    pthread_attr_t attr;
    long sum = 0;
    CHECK_EQ(pipe(p), 0);
    sem_init(&s, 0, 0);
    CHECK_EQ(pthread_barrier_init(&b, NULL, N + 1), 0);
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, 64 << 10), 0);
    for (long i = 0; i < N; i++)
        CHECK_EQ(pthread_create(&t[i], &attr, work, (void *)i), 0);
    pthread_mutex_lock(&m);
    while (waiting < N)
        pthread_cond_wait(&all_wait, &m);
    open_now = 1;
    CHECK_EQ(pthread_cond_broadcast(&c), 0);
    pthread_mutex_unlock(&m);
    pthread_barrier_wait(&b);
    CHECK_EQ(sem_post(&s), 0);
    memset(text, 1, sizeof text);
    write_all(p[1], text, sizeof text);
    for (int i = 0; i < N; i++)
        sum += (long)finish(t[i]);
    printf("%d threads, sum %ld, %d init\n", N, sum, inits);
    return 0;
}
