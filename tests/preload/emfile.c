// A full descriptor table: calls that make descriptors fail with EMFILE, threads that wait on others are well.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define WAITERS 8
#define LIMIT 100

static int pairs[WAITERS][2];
static int listener, ep;
static sem_t ready;

static void *wait_on(void *arg)
{
    long i = (long)arg;
    int fd = pairs[i][1];
    char c = 0;
    struct pollfd pfd = {fd, POLLIN, 0};
    struct timeval tv = {20, 0};
    fd_set set;

    sem_post(&ready);
    switch (i % 4) {
    case 0: break;
    case 1: CHECK_EQ(poll(&pfd, 1, 20000), 1); break;
    case 2:
        FD_ZERO(&set);
        FD_SET(fd, &set);
        CHECK_EQ(select(fd + 1, &set, NULL, NULL, &tv), 1);
        break;
    case 3: {
        struct epoll_event ev;
        CHECK_EQ(epoll_wait(ep, &ev, 1, 20000), 1);
        fd = ev.data.fd; // of any of those in the set
        break;
    }
    }
    CHECK_EQ(read(fd, &c, 1), 1);
    return (void *)(long)c;
}

static void *quick(void *arg)
{
    struct pollfd pfd = {listener, POLLIN, 0};
    CHECK_EQ(poll(&pfd, 1, 1), 0);
    usleep(100);
    sched_yield();
    CHECK_ERRNO(dup(0), EMFILE);
    return arg;
}

static int dial(struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)to, sizeof *to), 0);
    return fd;
}

int main(void)
{
    struct rlimit lim;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    pthread_t t[WAITERS], q[50];
    int p[2] = {-7, -7}, last = -1, fd, got, woken = 0;
    char c;

    CHECK_EQ(sem_init(&ready, 0, 0), 0);
    CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    CHECK_EQ(listen(listener, 16), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    CHECK((ep = epoll_create1(0)) >= 0);
    for (long i = 0; i < WAITERS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        if (i % 4 == 3) {
            struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pairs[i][1]};
            CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, pairs[i][1], &ev), 0);
        }
    }
    for (long i = 0; i < WAITERS; i++)
        t[i] = start(wait_on, (void *)i);
    for (int i = 0; i < WAITERS; i++)
        sem_wait(&ready);
    int client = dial(&addr);

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = LIMIT;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
    while ((fd = dup(2)) >= 0)
        last = fd;
    CHECK_EQ(errno, EMFILE);
    CHECK_EQ(last, LIMIT - 1);

    CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 0, p), EMFILE);
    CHECK_ERRNO(pipe(p), EMFILE);
    CHECK_ERRNO(pipe2(p, O_NONBLOCK), EMFILE);
    CHECK_EQ(p[0], -7);
    CHECK_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
    CHECK_ERRNO(fcntl(0, F_DUPFD, 0), EMFILE);
    CHECK_ERRNO(fcntl(0, F_DUPFD_CLOEXEC, 0), EMFILE);
    CHECK_ERRNO(epoll_create1(0), EMFILE);
    CHECK_ERRNO(eventfd(0, 0), EMFILE);
    CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 0), EMFILE);
    CHECK_ERRNO(dup2(0, LIMIT), EBADF);
    CHECK(fopen("/dev/null", "r") == NULL);
    CHECK_EQ(errno, EMFILE);
    CHECK_ERRNO(accept(listener, NULL, NULL), EMFILE); // the connection stays in the queue
    CHECK_ERRNO(accept4(listener, NULL, NULL, SOCK_CLOEXEC), EMFILE);
    puts("EMFILE everywhere");

    CHECK_EQ(close(last), 0);
    CHECK_ERRNO(pipe(p), EMFILE); // and takes nothing
    CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 0, p), EMFILE);
    CHECK_EQ((got = accept(listener, NULL, NULL)), last);
    CHECK_EQ(write(client, "x", 1), 1);
    CHECK_EQ(read(got, &c, 1), 1);
    puts("accepted when one was free");

    for (int i = 0; i < 50; i++)
        q[i] = start(quick, &q[i]);
    for (int i = 0; i < 50; i++)
        CHECK(finish(q[i]) == &q[i]);
    puts("50 new threads");

    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(write(pairs[i][0], "y", 1), 1);
    for (int i = 0; i < WAITERS; i++)
        woken += (long)finish(t[i]) == 'y';
    printf("%d waiters woken\n", woken);
    CHECK_ERRNO(accept(listener, NULL, NULL), EMFILE); // without waiting for a connection
    puts("EMFILE without a connection");
    return 0;
}
