// main leaves by pthread_exit while others go on: cleanup handlers, then TSD destructors; the last thread ends the
// process with status 0 and runs the atexit handlers.
#include "check.h"
#include <semaphore.h>
#include <stdlib.h>

static pthread_t main_thread;
static pthread_key_t key;
static sem_t main_gone;

static void cleanup(void *arg)
{
    printf("cleanup %s\n", (char *)arg);
}

static void tsd_destructor(void *arg)
{
    printf("TSD %s\n", (char *)arg);
    sem_post(&main_gone);
}

static void at_exit(void)
{
    puts("atexit");
}

static void *last_one(void *arg)
{
    void *result;
    sem_wait(&main_gone);
    CHECK_EQ(pthread_join(main_thread, &result), 0);
    printf("main returned %ld\n", (long)result);
    usleep(10000);
    puts("last thread");
    return arg;
}

int main(void)
{
    main_thread = pthread_self();
    sem_init(&main_gone, 0, 0);
    CHECK_EQ(atexit(at_exit), 0);
    CHECK_EQ(pthread_key_create(&key, tsd_destructor), 0);
    CHECK_EQ(pthread_setspecific(key, "value"), 0);
    start(last_one, (void *)5);
    pthread_cleanup_push(cleanup, "outer");
    pthread_cleanup_push(cleanup, "inner");
    pthread_exit((void *)33);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return 9;
}
