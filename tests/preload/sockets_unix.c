// Unix sockets: stream, datagram, seqpacket, sendmsg/recvmsg, descriptors passed along, full backlogs and queues.
#include "check.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int fd[2];

static void *send_messages(void *arg)
{
    int datagram = (int)(intptr_t)arg;
    for (int i = 0; i < 2000; i++) {
        char buf[300];
        memset(buf, i, sizeof buf);
        size_t len = 1 + (size_t)i % sizeof buf;
        CHECK_EQ(send(fd[0], buf, len, 0), len); // blocks when the queue is full
    }
    if (!datagram)
        CHECK_EQ(shutdown(fd[0], SHUT_WR), 0);
    return NULL;
}

static void messages(int type, const char *name)
{
    CHECK_EQ(socketpair(AF_UNIX, type, 0, fd), 0);
    pthread_t t = start(send_messages, (void *)(intptr_t)(type == SOCK_DGRAM));
    for (int i = 0; i < 2000; i++) {
        char buf[400];
        size_t len = 1 + (size_t)i % 300;
        ssize_t n = recv(fd[1], buf, sizeof buf, 0);
        CHECK_EQ(n, len); // boundaries are kept
        CHECK(buf[0] == (char)i && buf[len - 1] == (char)i);
    }
    if (type != SOCK_DGRAM) {
        char c;
        CHECK_EQ(recv(fd[1], &c, 1, 0), 0);
    }
    finish(t);
    CHECK_EQ(send(fd[1], "truncated", 9, 0), 9);
    char small[4];
    struct iovec v = {small, sizeof small};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(fd[0], &msg, 0), 4);
    CHECK(msg.msg_flags & MSG_TRUNC);
    close(fd[0]);
    close(fd[1]);
    puts(name);
}

static void *send_descriptor(void *arg)
{
    int p[2];
    char control[CMSG_SPACE(sizeof p[0])] = {0};
    struct iovec v[2] = {{"de", 2}, {"scriptor", 8}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pipe(p), 0);
        CHECK_EQ(write(p[1], &i, sizeof i), sizeof i);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof p[0]);
        memcpy(CMSG_DATA(c), &p[0], sizeof p[0]);
        CHECK_EQ(sendmsg(fd[0], &msg, 0), 10);
        close(p[0]);
        close(p[1]);
    }
    return arg;
}

static void descriptors(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    pthread_t t = start(send_descriptor, NULL);
    for (int i = 0; i < 200; i++) {
        char text[10], control[CMSG_SPACE(sizeof(int))];
        struct iovec v = {text, sizeof text};
        struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        CHECK_EQ(recvmsg(fd[1], &msg, MSG_CMSG_CLOEXEC), 10);
        CHECK_EQ(memcmp(text, "descriptor", 10), 0);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        int got, number = -1;
        CHECK(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof got));
        memcpy(&got, CMSG_DATA(c), sizeof got);
        CHECK(fcntl(got, F_GETFD) & FD_CLOEXEC);
        CHECK_EQ(read(got, &number, sizeof number), sizeof number);
        CHECK_EQ(number, i);
        CHECK_EQ(read(got, &number, sizeof number), 0);
        close(got);
    }
    finish(t);
    close(fd[0]);
    close(fd[1]);
    puts("descriptors");
}

static struct sockaddr_un address;
static socklen_t address_len;

static void *connect_one(void *arg)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(connect(s, (struct sockaddr *)&address, address_len), 0); // waits for room in the backlog
    char c = 0;
    CHECK_EQ(write(s, &c, 1), 1);
    CHECK_EQ(read(s, &c, 1), 1);
    close(s);
    return arg;
}

static void full_backlog(void)
{
    pthread_t t[50];
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    address.sun_family = AF_UNIX;
    address_len = sizeof(sa_family_t);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, address_len), 0); // the kernel picks an abstract name
    address_len = sizeof address;
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &address_len), 0);
    CHECK_EQ(listen(listener, 1), 0);
    for (int i = 0; i < 50; i++)
        t[i] = start(connect_one, NULL);
    for (int i = 0; i < 50; i++) {
        char c = 1;
        int s = accept(listener, NULL, NULL);
        CHECK(s >= 0);
        CHECK_EQ(read(s, &c, 1), 1);
        CHECK_EQ(write(s, &c, 1), 1);
        close(s);
    }
    for (int i = 0; i < 50; i++)
        finish(t[i]);
    close(listener);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERRNO(connect(s, (struct sockaddr *)&address, address_len), ECONNREFUSED);
    struct sockaddr_un nowhere = {AF_UNIX, "/nowhere/at/all"};
    CHECK_ERRNO(connect(s, (struct sockaddr *)&nowhere, sizeof nowhere), ENOENT);
    close(s);
    puts("full backlog");
}

static void *recv_batch(void *arg)
{
    struct mmsghdr m[8];
    struct iovec v[8];
    char buf[8][16];
    int total = 0;
    for (int i = 0; i < 8; i++) {
        v[i] = (struct iovec){buf[i], sizeof buf[i]};
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
    }
    while (total < 100) {
        int n = recvmmsg(fd[1], m, 8, MSG_WAITFORONE, NULL);
        CHECK(n > 0);
        for (int i = 0; i < n; i++)
            CHECK_EQ(m[i].msg_len, 5);
        total += n;
    }
    *(int *)arg = total;
    return NULL;
}

static void batches(void)
{
    int total = 0;
    struct iovec v = {"batch", 5};
    struct mmsghdr m[10];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    pthread_t t = start(recv_batch, &total);
    for (int i = 0; i < 10; i++)
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
    for (int sent = 0; sent < 100;) {
        int n = sendmmsg(fd[0], m, (unsigned)(100 - sent < 10 ? 100 - sent : 10), 0);
        CHECK(n > 0);
        sent += n;
    }
    finish(t);
    close(fd[0]);
    close(fd[1]);
    printf("batches: %d\n", total);
}

int main(void)
{
    messages(SOCK_DGRAM, "datagrams");
    messages(SOCK_SEQPACKET, "sequenced packets");
    descriptors();
    full_backlog();
    batches();
    return 0;
}
