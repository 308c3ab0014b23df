// UDP: sendto, recvfrom, connected sockets, boundaries, truncation, refusal, non-blocking reads.
#include "check.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <sys/socket.h>

enum { CLIENTS = 50, MESSAGES = 20 };

static struct sockaddr_in server;

static int open_udp(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    for (;;) {
        char buf[100];
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(fd, buf, opaque(sizeof buf), 0, (struct sockaddr *)&from, &len);
        CHECK(n >= 0);
        CHECK_EQ(len, sizeof from);
        if (n == 0)
            return NULL;
        CHECK_EQ(sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len), n);
    }
}

static void *client(void *arg)
{
    struct sockaddr_in mine;
    int id = (int)(intptr_t)arg, fd = open_udp(&mine);
    if (id % 2)
        CHECK_EQ(connect(fd, (struct sockaddr *)&server, sizeof server), 0);
    for (int i = 0; i < MESSAGES; i++) {
        int out[2] = {id, i}, in[10];
        ssize_t n = id % 2 ? write(fd, out, sizeof out)
                           : sendto(fd, out, sizeof out, 0, (struct sockaddr *)&server, sizeof server);
        CHECK_EQ(n, sizeof out);
        CHECK_EQ(recv(fd, in, opaque(sizeof in), 0), sizeof out);
        CHECK(in[0] == id && in[1] == i);
    }
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a, b;
    char buf[16];
    int fd = open_udp(&server);
    pthread_t s = start(serve, (void *)(intptr_t)fd), t[CLIENTS];
    for (intptr_t i = 0; i < CLIENTS; i++)
        t[i] = start(client, (void *)i);
    for (int i = 0; i < CLIENTS; i++)
        finish(t[i]);
    int x = open_udp(&a), y = open_udp(&b);
    CHECK_EQ(sendto(x, "", 0, 0, (struct sockaddr *)&server, sizeof server), 0);
    finish(s);
    close(fd);
    puts("echoes");

    CHECK_ERRNO(recv(y, buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(sendto(x, "0123456789abcdefghij", 20, 0, (struct sockaddr *)&b, sizeof b), 20);
    CHECK_EQ(recv(y, buf, 4, MSG_PEEK), 4);
    CHECK_EQ(recv(y, buf, sizeof buf, MSG_PEEK | MSG_TRUNC), 20);
    CHECK_EQ(recv(y, buf, sizeof buf, 0), sizeof buf);
    CHECK_ERRNO(recv(y, buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(send(x, "x", 1, 0), EDESTADDRREQ);
    puts("boundaries");

    CHECK_EQ(close(y), 0);
    CHECK_EQ(connect(x, (struct sockaddr *)&b, sizeof b), 0);
    CHECK_EQ(send(x, "x", 1, 0), 1);
    CHECK_ERRNO(recv(x, buf, sizeof buf, 0), ECONNREFUSED);
    CHECK_EQ(send(x, "x", 1, 0), 1);
    CHECK_EQ(shutdown(x, SHUT_RDWR), 0);
    close(x);
    puts("refused");
    return 0;
}
