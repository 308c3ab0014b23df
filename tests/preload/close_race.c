// A descriptor is replaced or closed at any instant of a call that waits on it: the call ends once the old file and the new one
// are ready, whichever of the two it is for.
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>

#define ROUNDS 400
#define LIMIT_MS 20000

static atomic_int fd_now, go, done;
static int events;

static long wait_poll(int fd)
{
    struct pollfd p = {fd, (short)events, 0};
    return poll(&p, 1, LIMIT_MS);
}
static long wait_select(int fd)
{
    struct timeval tv = {LIMIT_MS / 1000, 0};
    fd_set r, e;
    FD_ZERO(&r);
    FD_ZERO(&e);
    FD_SET(fd, &r);
    FD_SET(fd, &e);
    long n = select(fd + 1, &r, NULL, &e, &tv);
    return n < 0 && errno == EBADF ? 1 : n;
}
static long wait_read(int fd)
{
    char c;
    long n = read(fd, &c, 1);
    return n < 0 && errno == EBADF ? 1 : n;
}

static long (*waiting)(int);

static void *waiter(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        while (atomic_load(&go) <= i)
            sched_yield();
        CHECK_EQ(waiting(atomic_load(&fd_now)), 1);
        atomic_store(&done, i + 1);
    }
    return arg;
}

static void pause_a_little(void)
{
    for (int k = rand() % 4; k > 0; k--)
        sched_yield();
    for (volatile int k = rand() % 3000; k > 0; k--)
        ;
}

static void race(const char *what, long (*fn)(int), int ev, int replace)
{
    struct timespec late = in_ms(CLOCK_MONOTONIC, LIMIT_MS);
    waiting = fn;
    events = ev;
    go = done = 0;
    pthread_t t = start(waiter, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        int p[2], q[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, q), 0);
        atomic_store(&fd_now, p[0]);
        atomic_store(&go, i + 1);
        pause_a_little();
        int keep = -1;
        if (replace) {
            CHECK_EQ(dup2(q[0], p[0]), p[0]);
        } else {
            keep = dup(p[0]); // the file lives on
            close(p[0]);
        }
        pause_a_little();
        CHECK_EQ(write(q[1], "o", 1), 1); // first: Linux wakes for the old file and then looks at the new one
        CHECK(write(p[1], "d", 1) == 1 || errno == EPIPE);
        while (atomic_load(&done) <= i)
            sched_yield();
        if (replace)
            close(p[0]);
        if (keep >= 0)
            close(keep);
        close(p[1]);
        close(q[0]);
        close(q[1]);
    }
    finish(t);
    CHECK(!reached(CLOCK_MONOTONIC, late));
    puts(what);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    race("poll: replaced", wait_poll, POLLIN, 1);
    race("poll for the peer's end: replaced", wait_poll, POLLIN | POLLRDHUP, 1);
    race("poll for urgent data: replaced", wait_poll, POLLIN | POLLPRI, 1);
    race("poll: closed", wait_poll, POLLIN, 0);
    race("poll for the peer's end: closed", wait_poll, POLLIN | POLLRDHUP, 0);
    race("poll for urgent data: closed", wait_poll, POLLIN | POLLPRI, 0);
    race("select: replaced", wait_select, 0, 1);
    race("read: replaced", wait_read, 0, 1);
    race("read: closed", wait_read, 0, 0);
    return 0;
}
