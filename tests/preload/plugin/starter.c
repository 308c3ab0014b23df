// A library whose constructor starts threads, which use its thread-local data while it is being loaded, and joins all but one.
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

enum { THREADS = 8 };
static __thread long value = 77;
static long found[THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static sem_t stop;
static pthread_t last;

long starter_sum(void);
long starter_stop(void);

static void *work(void *arg)
{
    long i = (long)arg;
    found[i] = value;
    value += i;
    usleep(100);
    pthread_mutex_lock(&lock);
    sum += value;
    pthread_mutex_unlock(&lock);
    return arg;
}

static void *stay(void *arg)
{
    value += 5;
    sem_wait(&stop);
    return (void *)(value + (long)arg);
}

__attribute__((constructor)) static void load(void)
{
    pthread_t t[THREADS];
    sem_init(&stop, 0, 0);
    pthread_create(&last, NULL, stay, (void *)1);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

// 8 * 77 + 28, and what each thread found is 77.
long starter_sum(void)
{
    for (int i = 0; i < THREADS; i++)
        if (found[i] != 77)
            return -1;
    return sum;
}

// 83
long starter_stop(void)
{
    void *r = NULL;
    sem_post(&stop);
    pthread_join(last, &r);
    return (long)r;
}
