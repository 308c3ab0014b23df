// Threads that compute for ever, while 100 others do blocking work and finish; then the process ends.
#include "check.h"
#include <semaphore.h>
#include <sys/socket.h>

static sem_t started;

static void *compute(void *arg)
{
    sem_post(&started);
    for (volatile unsigned long i = 0;; i++)
        ;
    return arg;
}

static void *work(void *arg)
{
    int fd[2];
    char c = 'x';
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    for (int i = 0; i < 10; i++) {
        usleep(100);
        CHECK_EQ(write(fd[0], &c, 1), 1);
        CHECK_EQ(read(fd[1], &c, 1), 1);
        sched_yield();
    }
    close(fd[0]);
    close(fd[1]);
    return arg;
}

static void round_of_work(void)
{
    pthread_t t[100];
    for (int i = 0; i < 100; i++)
        t[i] = start(work, NULL);
    for (int i = 0; i < 100; i++)
        finish(t[i]);
    puts("100 finished");
    fflush(stdout);
}

int main(void)
{
    sem_init(&started, 0, 0);
    for (int i = 0; i < 3; i++) {
        start(compute, NULL);
        sem_wait(&started);
        round_of_work();
    }
    return 0; // the loops go on
}
