/* Things that counters count: 10 threads, each of which sleeps once, waits once for a mutex, and once for a pipe. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(x) ((x) ? (void)0 : abort())

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int pipes[2];

static void *work(void *arg)
{
    char c;

    usleep(100);
    CHECK(pthread_mutex_lock(&lock) == 0);
    CHECK(pthread_mutex_unlock(&lock) == 0);
    CHECK(read(pipes[0], &c, 1) == 1);
    return arg;
}

int main(void)
{
    pthread_t t[10];

    CHECK(pipe(pipes) == 0);
    CHECK(pthread_mutex_lock(&lock) == 0);
    for (int i = 0; i < 10; i++)
        CHECK(pthread_create(&t[i], NULL, work, NULL) == 0);
    usleep(50000); /* on one carrier the others come to the mutex meanwhile */
    CHECK(pthread_mutex_unlock(&lock) == 0);
    usleep(1000);
    CHECK(write(pipes[1], "0123456789", 10) == 10);
    for (int i = 0; i < 10; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    return 0;
}
