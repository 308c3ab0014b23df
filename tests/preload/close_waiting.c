// Descriptors shut down and closed while others wait on them.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#define WAITERS 6

struct job {
    int fd;
    long result;
    int error;
    short revents;
    char byte;
};

static sem_t ready;

static void *reader(void *arg)
{
    struct job *j = arg;
    sem_post(&ready);
    j->result = read(j->fd, &j->byte, 1);
    j->error = errno;
    return j;
}

static void *receiver(void *arg)
{
    struct job *j = arg;
    sem_post(&ready);
    j->result = recv(j->fd, &j->byte, 1, 0);
    j->error = errno;
    return j;
}

static void *poller(void *arg)
{
    struct job *j = arg;
    struct pollfd pfd = {j->fd, POLLIN | POLLRDHUP, 0};
    sem_post(&ready);
    j->result = poll(&pfd, 1, 20000);
    j->revents = pfd.revents;
    return j;
}

static void *selector(void *arg)
{
    struct job *j = arg;
    struct timeval tv = {20, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(j->fd, &set);
    sem_post(&ready);
    j->result = select(j->fd + 1, &set, NULL, NULL, &tv);
    return j;
}

static void *acceptor(void *arg)
{
    struct job *j = arg;
    sem_post(&ready);
    j->result = accept(j->fd, NULL, NULL);
    j->error = errno;
    return j;
}

static void *writer(void *arg)
{
    struct job *j = arg;
    static char big[4 << 20];
    sem_post(&ready);
    while ((j->result = write(j->fd, big, sizeof big)) > 0)
        ;
    j->error = errno;
    return j;
}

static struct job jobs[WAITERS];
static pthread_t threads[WAITERS];

// n threads wait on this descriptor.
static void begin(int n, void *(*fn)(void *), int fd)
{
    for (int i = 0; i < n; i++) {
        jobs[i] = (struct job){.fd = fd, .result = -99};
        threads[i] = start(fn, &jobs[i]);
    }
    for (int i = 0; i < n; i++)
        sem_wait(&ready);
    nap_ms(100);
}

static void end(int n)
{
    for (int i = 0; i < n; i++)
        finish(threads[i]);
}

static void pair_of(int p[2]) { CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0); }

static int listen_on(struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)addr, sizeof *addr), 0);
    CHECK_EQ(listen(fd, 16), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

static void tcp_pair(int p[2])
{
    struct sockaddr_in addr;
    int l = listen_on(&addr);
    CHECK((p[0] = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK_EQ(connect(p[0], (struct sockaddr *)&addr, sizeof addr), 0);
    CHECK((p[1] = accept(l, NULL, NULL)) >= 0);
    close(l);
}

static void shutdowns(int tcp)
{
    int p[2];
    void (*make)(int[2]) = tcp ? tcp_pair : pair_of;

    // One's own end: every reader sees the end of the stream.
    make(p);
    begin(WAITERS, reader, p[0]);
    CHECK_EQ(shutdown(p[0], SHUT_RD), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(jobs[i].result, 0);
    close(p[0]);
    close(p[1]);

    make(p);
    begin(WAITERS, poller, p[0]);
    CHECK_EQ(shutdown(p[0], SHUT_RD), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(jobs[i].result, 1);
        CHECK_EQ(jobs[i].revents & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    }
    close(p[0]);
    close(p[1]);

    // The peer's.
    make(p);
    begin(WAITERS, receiver, p[0]);
    CHECK_EQ(shutdown(p[1], SHUT_WR), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(jobs[i].result, 0);
    // The other direction still works.
    CHECK_EQ(write(p[0], "z", 1), 1);
    CHECK_EQ(read(p[1], &jobs[0].byte, 1), 1);
    close(p[0]);
    close(p[1]);

    make(p);
    begin(WAITERS, selector, p[0]);
    CHECK_EQ(close(p[1]), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(jobs[i].result, 1);
    close(p[0]);
    printf("%s: shut down\n", tcp ? "tcp" : "unix");
}

static void listeners(void)
{
    struct sockaddr_in addr;
    int l = listen_on(&addr);
    begin(WAITERS, acceptor, l);
    CHECK_EQ(shutdown(l, SHUT_RDWR), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(jobs[i].result, -1);
        CHECK_EQ(jobs[i].error, EINVAL);
    }
    close(l);
    puts("listener shut down");
}

static void pipe_ends(void)
{
    int p[2];
    CHECK_EQ(pipe(p), 0);
    begin(WAITERS, reader, p[0]);
    CHECK_EQ(close(p[1]), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(jobs[i].result, 0);
    close(p[0]);

    CHECK_EQ(pipe(p), 0);
    begin(2, writer, p[1]);
    CHECK_EQ(close(p[0]), 0);
    end(2);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(jobs[i].result, -1);
        CHECK_EQ(jobs[i].error, EPIPE);
    }
    close(p[1]);

    CHECK_EQ(pipe(p), 0);
    begin(WAITERS, poller, p[0]);
    CHECK_EQ(close(p[1]), 0);
    end(WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(jobs[i].result, 1);
        CHECK_EQ(jobs[i].revents, POLLHUP);
    }
    close(p[0]);
    puts("pipe ends closed");
}

static void writer_shut_down(int tcp)
{
    int p[2];
    if (tcp)
        tcp_pair(p);
    else
        pair_of(p);
    begin(1, writer, p[0]);
    CHECK_EQ(shutdown(p[0], SHUT_WR), 0);
    end(1);
    CHECK_EQ(jobs[0].result, -1);
    CHECK_EQ(jobs[0].error, EPIPE);
    close(p[0]);
    close(p[1]);
    printf("%s: shut down under a writer that waits for room\n", tcp ? "tcp" : "unix");
}

// The number is closed or given to another file while a call waits. Whether that call goes on waiting for the old file or
// fails with EBADF is not promised; it must end once the old file is ready, and take nothing from the new one.
static void closed_under(void *(*fn)(void *), const char *what, int replace)
{
    int p[2], other[2], fd;
    pair_of(p);
    pair_of(other);
    struct timespec late = in_ms(CLOCK_MONOTONIC, 10000); // before the limit of the wait itself
    begin(1, fn, p[0]);
    fd = p[0];
    if (replace)
        CHECK_EQ(dup2(other[0], fd), fd);
    else
        CHECK_EQ(close(fd), 0);
    if (replace)
        CHECK_EQ(write(other[1], "o", 1), 1); // not for the one that waits
    nap_ms(20);
    write(p[1], "d", 1);
    end(1);
    CHECK(!reached(CLOCK_MONOTONIC, late));
    if (fn == poller)
        CHECK_EQ(jobs[0].result, 1);
    else if (jobs[0].result == 1)
        CHECK_EQ(jobs[0].byte, 'd');
    else
        CHECK(jobs[0].result == -1 && jobs[0].error == EBADF);
    if (replace) {
        CHECK_EQ(read(fd, &jobs[0].byte, 1), 1);
        CHECK_EQ(jobs[0].byte, 'o');
        close(fd);
    }
    close(p[1]);
    close(other[0]);
    close(other[1]);
    printf("%s: %s under it\n", what, replace ? "replaced" : "closed");
}

static void epoll_sets(void)
{
    int p[2], q[2], ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    pair_of(p);
    pair_of(q);
    ev.data.u32 = 1;
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
    ev.data.u32 = 2;
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &ev), 0);
    CHECK_EQ(close(p[0]), 0); // leaves the set
    CHECK_EQ(epoll_wait(ep, &ev, 1, 50), 0);
    CHECK_EQ(write(q[1], "e", 1), 1);
    CHECK_EQ(epoll_wait(ep, &ev, 1, 20000), 1);
    CHECK_EQ(ev.data.u32, 2);
    close(p[1]);
    close(q[0]);
    close(q[1]);
    close(ep);
    puts("epoll set");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(sem_init(&ready, 0, 0), 0);
    shutdowns(0);
    shutdowns(1);
    listeners();
    pipe_ends();
    epoll_sets();
    closed_under(reader, "read", 0);
    closed_under(receiver, "recv", 0);
    closed_under(poller, "poll", 0);
    closed_under(reader, "read", 1);
    closed_under(receiver, "recv", 1);
    closed_under(poller, "poll", 1);
    writer_shut_down(1);
    writer_shut_down(0);
    return 0;
}
