// TCP: accept, connect, echo with 200 at once, PEEK, WAITALL, DONTWAIT, shutdown, refused and reset connections.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CLIENTS = 200, MESSAGES = 20, BULK = 8 << 20 };

static struct sockaddr_in server;

static int listen_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof server;
    CHECK(fd >= 0);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (struct sockaddr *)&server, sizeof server), 0);
    CHECK_EQ(listen(fd, 512), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&server, &len), 0);
    return fd;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&server, sizeof server), 0);
    return fd;
}

static void pair(int listener, int fd[2])
{
    fd[0] = dial();
    fd[1] = accept(listener, NULL, NULL);
    CHECK(fd[1] >= 0);
}

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[256];
    ssize_t n;
    while ((n = recv(fd, buf, opaque(sizeof buf), 0)) > 0)
        CHECK_EQ(send(fd, buf, (size_t)n, MSG_NOSIGNAL), n);
    CHECK_EQ(n, 0);
    CHECK_EQ(close(fd), 0);
    return NULL;
}

static void *serve(void *arg)
{
    int listener = (int)(intptr_t)arg;
    pthread_t t[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        int fd = i % 2 ? accept(listener, (struct sockaddr *)&from, &len)
                       : accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
        CHECK(fd >= 0);
        CHECK_EQ(len, sizeof from);
        CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        CHECK_EQ(!!(fcntl(fd, F_GETFD) & FD_CLOEXEC), i % 2 == 0);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        t[i] = start(echo, (void *)(intptr_t)fd);
    }
    for (int i = 0; i < CLIENTS; i++)
        finish(t[i]);
    return NULL;
}

static pthread_barrier_t all_connected;

static void *client(void *arg)
{
    int fd = dial();
    char out[100], in[100];
    pthread_barrier_wait(&all_connected);
    for (int i = 0; i < MESSAGES; i++) {
        memset(out, (int)(intptr_t)arg + i, sizeof out);
        write_all(fd, out, sizeof out);
        read_all(fd, in, sizeof in);
        CHECK_EQ(memcmp(in, out, sizeof in), 0);
    }
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    CHECK_EQ(read(fd, in, 1), 0);
    CHECK_EQ(close(fd), 0);
    return NULL;
}

static void many_echoes(int listener)
{
    pthread_t t[CLIENTS], server_thread = start(serve, (void *)(intptr_t)listener);
    CHECK_EQ(pthread_barrier_init(&all_connected, NULL, CLIENTS), 0);
    for (intptr_t i = 0; i < CLIENTS; i++)
        t[i] = start(client, (void *)i);
    for (int i = 0; i < CLIENTS; i++)
        finish(t[i]);
    finish(server_thread);
    printf("%d clients, %d messages each\n", CLIENTS, MESSAGES);
}

static void *send_late(void *arg)
{
    int fd = (int)(intptr_t)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(send(fd, "0123456789", 10, 0), 10);
        sched_yield();
    }
    return NULL;
}

static void flags(int listener)
{
    int fd[2];
    char buf[100];
    pair(listener, fd);
    CHECK_ERRNO(recv(fd[1], buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(recv(fd[1], buf, sizeof buf, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
    pthread_t t = start(send_late, (void *)(intptr_t)fd[0]);
    CHECK_EQ(recv(fd[1], buf, 10, MSG_PEEK | MSG_WAITALL), 10);
    CHECK_EQ(memcmp(buf, "0123456789", 10), 0);
    CHECK_EQ(recv(fd[1], buf, 100, MSG_WAITALL), 100);
    CHECK_EQ(memcmp(buf + 90, "0123456789", 10), 0);
    finish(t);
    // WAITALL ends short at the end of the stream.
    CHECK_EQ(send(fd[0], "abc", 3, 0), 3);
    CHECK_EQ(shutdown(fd[0], SHUT_WR), 0);
    CHECK_EQ(recv(fd[1], buf, 100, MSG_WAITALL), 3);
    CHECK_EQ(recv(fd[1], buf, 100, MSG_WAITALL), 0);
    close(fd[0]);
    close(fd[1]);
    puts("flags");
}

static void *send_bulk(void *arg)
{
    char *buf = malloc(BULK);
    for (int i = 0; i < BULK; i++)
        buf[i] = (char)(i * 7 + (i >> 10));
    CHECK_EQ(send((int)(intptr_t)arg, buf, BULK, 0), BULK); // blocking: all of it
    free(buf);
    CHECK_EQ(shutdown((int)(intptr_t)arg, SHUT_WR), 0);
    return NULL;
}

static void bulk(int listener)
{
    int fd[2];
    char buf[60000];
    long total = 0;
    ssize_t n;
    pair(listener, fd);
    pthread_t t = start(send_bulk, (void *)(intptr_t)fd[0]);
    while ((n = recv(fd[1], buf, sizeof buf, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++, total++)
            CHECK_EQ(buf[i], (char)(total * 7 + (total >> 10)));
    }
    finish(t);
    CHECK_EQ(n, 0);
    close(fd[0]);
    close(fd[1]);
    printf("bulk: %ld bytes\n", total);
}

static void *read_to_end(void *arg)
{
    char c;
    return (void *)(intptr_t)recv((int)(intptr_t)arg, &c, 1, 0);
}

// Another thread's shutdown ends a read that has begun or is about to.
static void shut_down(int listener)
{
    int fd[50][2];
    pthread_t t[50];
    for (int i = 0; i < 50; i++) {
        pair(listener, fd[i]);
        t[i] = start(read_to_end, (void *)(intptr_t)fd[i][1]);
    }
    for (int i = 0; i < 50; i++)
        CHECK_EQ(shutdown(fd[i][1], i % 2 ? SHUT_RD : SHUT_RDWR), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(finish(t[i]), 0);
        close(fd[i][0]);
        close(fd[i][1]);
    }
    puts("shutdown wakes readers");
}

static void *accept_fails(void *arg)
{
    CHECK_ERRNO(accept((int)(intptr_t)arg, NULL, NULL), EINVAL);
    return NULL;
}

static void *send_until_reset(void *arg)
{
    char buf[65536] = {0};
    ssize_t n;
    while ((n = send((int)(intptr_t)arg, buf, sizeof buf, MSG_NOSIGNAL)) > 0)
        ;
    CHECK(n == -1 && (errno == ECONNRESET || errno == EPIPE));
    return NULL;
}

static void resets(int listener)
{
    int fd[2];
    char c;
    struct linger hard = {1, 0};
    for (int i = 0; i < 20; i++) {
        pair(listener, fd);
        pthread_t t = start(send_until_reset, (void *)(intptr_t)fd[0]);
        read_all(fd[1], &c, 1);
        CHECK_EQ(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
        CHECK_EQ(close(fd[1]), 0);
        finish(t);
        close(fd[0]);
    }
    // A reader learns of the reset too.
    pair(listener, fd);
    pthread_t t = start(read_to_end, (void *)(intptr_t)fd[0]);
    CHECK_EQ(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    CHECK_EQ(close(fd[1]), 0);
    CHECK_EQ((long)finish(t), -1);
    CHECK_ERRNO(send(fd[0], &c, 1, MSG_NOSIGNAL), EPIPE);
    close(fd[0]);
    puts("resets");
}

static void refused(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&server, sizeof server), ECONNREFUSED);
    CHECK_ERRNO(recv(fd, &one, sizeof one, 0), ENOTCONN);
    CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&server, sizeof server), EBADF);
    CHECK_ERRNO(connect(0, (struct sockaddr *)&server, sizeof server), ENOTSOCK);
    puts("refused");
}

int main(void)
{
    int listener = listen_tcp();
    int fd[2];
    pair(listener, fd); // before any thread exists
    CHECK_EQ(send(fd[0], "x", 1, 0), 1);
    CHECK_EQ(close(fd[0]), 0);
    many_echoes(listener);
    char c;
    CHECK_EQ(read(fd[1], &c, 1), 1);
    CHECK_EQ(read(fd[1], &c, 1), 0);
    close(fd[1]);
    flags(listener);
    bulk(listener);
    shut_down(listener);
    resets(listener);
    pthread_t t = start(accept_fails, (void *)(intptr_t)listener);
    CHECK_EQ(shutdown(listener, SHUT_RDWR), 0);
    finish(t);
    close(listener);
    refused();
    return 0;
}
