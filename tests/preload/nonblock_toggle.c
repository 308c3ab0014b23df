// The program's O_NONBLOCK is respected at each call, however it was set; and no other process that shares a
// descriptor ever sees a flag that the program did not set.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void set_by(int way, int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    CHECK(flags >= 0);
    if (way == 0)
        CHECK_EQ(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
    else
        CHECK_EQ(ioctl(fd, FIONBIO, &on), 0);
}

static int out_fd;

static void *write_later(void *arg)
{
    sched_yield();
    CHECK_EQ(write(out_fd, "x", 1), 1);
    return arg;
}

static void toggle(int in, int out)
{
    char c;
    out_fd = out;
    for (int i = 0; i < 100; i++) {
        int way = i % 2, other = i / 2 % 2, copy = i % 5 == 0 ? dup(in) : in;
        set_by(way, copy, 1); // on one descriptor, for all copies of it
        CHECK(fcntl(in, F_GETFL) & O_NONBLOCK);
        CHECK_ERRNO(read(in, &c, 1), EAGAIN);
        set_by(other, in, 0);
        CHECK_EQ(fcntl(copy, F_GETFL) & O_NONBLOCK, 0);
        pthread_t t = start(write_later, NULL);
        CHECK_EQ(read(copy, &c, 1), 1);
        finish(t);
        if (copy != in)
            close(copy);
    }
}

// A child process may switch the flag behind our back.
static void toggled_by_child(void)
{
    int p[2], status;
    char c;
    CHECK_EQ(pipe(p), 0);
    for (int on = 1; on >= 0; on--) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            set_by(0, p[0], on);
            _exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        if (on) {
            CHECK_ERRNO(read(p[0], &c, 1), EAGAIN);
        } else {
            out_fd = p[1];
            pthread_t t = start(write_later, NULL);
            CHECK_EQ(read(p[0], &c, 1), 1);
            finish(t);
        }
    }
    close(p[0]);
    close(p[1]);
}

enum { PAIRS = 3, ROUNDS = 400 };

static int pairs[PAIRS][2], listener;
static struct sockaddr_in at = {.sin_family = AF_INET};

static void *reader(void *arg)
{
    char buf[1000];
    int fd = pairs[(intptr_t)arg][0];
    for (int i = 0; i < ROUNDS; i++)
        read_all(fd, buf, sizeof buf);
    return NULL;
}

static void *writer(void *arg)
{
    char buf[1000] = {0};
    int fd = pairs[(intptr_t)arg][1];
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 16 == 0)
            usleep(100);
        write_all(fd, buf, sizeof buf);
    }
    return NULL;
}

static void *acceptor(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int fd = accept(listener, NULL, NULL);
        CHECK(fd >= 0);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        close(fd);
    }
    return arg;
}

static void *connector(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        close(fd);
        usleep(100);
    }
    return arg;
}

static void watched(void)
{
    socklen_t len = sizeof at;
    pthread_t t[2 * PAIRS + 2];
    int status, *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(stop != MAP_FAILED);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 50), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    CHECK_EQ(pipe(pairs[0]), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[1]), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[2]), 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int seen = 0;
        while (!__atomic_load_n(stop, __ATOMIC_SEQ_CST)) {
            for (int i = 0; i < PAIRS; i++)
                seen |= (fcntl(pairs[i][0], F_GETFL) | fcntl(pairs[i][1], F_GETFL)) & O_NONBLOCK;
            seen |= fcntl(listener, F_GETFL) & O_NONBLOCK;
            sched_yield();
        }
        _exit(seen ? 1 : 0);
    }
    for (intptr_t i = 0; i < PAIRS; i++) {
        t[2 * i] = start(reader, (void *)i);
        t[2 * i + 1] = start(writer, (void *)i);
    }
    t[2 * PAIRS] = start(acceptor, NULL);
    t[2 * PAIRS + 1] = start(connector, NULL);
    for (int i = 0; i < 2 * PAIRS + 2; i++)
        finish(t[i]);
    __atomic_store_n(stop, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    printf("seen by the other process: %d\n", WEXITSTATUS(status));
}

int main(void)
{
    int p[2];
    char c;
    CHECK_EQ(pipe(p), 0);
    toggle(p[0], p[1]);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    CHECK_ERRNO(read(p[0], &c, 1), EAGAIN);
    CHECK_ERRNO(recv(p[0], &c, 1, 0), EAGAIN);
    toggle(p[0], p[1]);
    puts("toggled");
    toggled_by_child();
    puts("toggled by a child");

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(fd, 5), 0);
    CHECK_ERRNO(accept(fd, NULL, NULL), EAGAIN);
    close(fd);
    at.sin_port = 0;
    watched();
    return 0;
}
