// Epoll instances nested as deep as the kernel allows: one that watches one more cannot watch them.
#include "check.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>

enum { DEPTH = 5 };
static int p[2], e[DEPTH];
static sem_t started;

static void *wait_epoll(void *arg)
{
    struct epoll_event ev;

    sem_post(&started);
    CHECK_EQ(epoll_wait(e[DEPTH - 1], &ev, 1, -1), 1);
    return arg;
}
static void *wait_poll(void *arg)
{
    struct pollfd f = { e[DEPTH - 1], POLLIN, 0 };

    sem_post(&started);
    CHECK_EQ(poll(&f, 1, -1), 1);
    return arg;
}
static void *wait_exact(void *arg)
{
    struct pollfd f[2] = { { e[DEPTH - 1], POLLIN | POLLPRI, 0 }, { p[1], POLLPRI, 0 } };

    sem_post(&started);
    CHECK_EQ(poll(f, 2, -1), 1);
    return arg;
}
static void *wait_select(void *arg)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(e[DEPTH - 1], &set);
    sem_post(&started);
    CHECK_EQ(select(e[DEPTH - 1] + 1, &set, NULL, NULL, NULL), 1);
    return arg;
}

int main(void)
{
    void *(*const waits[])(void *) = { wait_epoll, wait_poll, wait_exact, wait_select };
    struct epoll_event ev = { .events = EPOLLIN };
    pthread_t t[4];
    char c;

    CHECK_EQ(sem_init(&started, 0, 0), 0);
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < DEPTH; i++) {
        CHECK((e[i] = epoll_create1(0)) >= 0);
        CHECK_EQ(epoll_ctl(e[i], EPOLL_CTL_ADD, i ? e[i - 1] : p[0], &ev), 0);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_create(&t[i], NULL, waits[i], NULL), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(sem_wait(&started), 0);
        usleep(2000);
        CHECK_EQ(write(p[1], "x", 1), 1);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_join(t[i], NULL), 0);
        CHECK_EQ(read(p[0], &c, 1), 1);
    }
    puts("ok");
    return 0;
}
