// A descriptor is replaced or closed at any instant of a call that waits on it: the call ends once the old file and the new one
// are ready, whichever of the two it is for.  The waits have no end of their own that a run would live to see: what the machine is
// busy with may make the program slow, but a wait that is not woken stays, and run-diff shows which races had passed.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>

#define ROUNDS 400
#define RACE_MS 1000 // no more rounds than fit in
#define HOUR_MS 3600000

static atomic_int fd_now, go, done, over;
static int events;

static long wait_poll(int fd)
{
    struct pollfd p = {fd, (short)events, 0};
    return poll(&p, 1, HOUR_MS);
}
static long wait_select(int fd)
{
    struct timeval tv = {HOUR_MS / 1000, 0};
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
    for (int i = 0;; i++) {
        while (atomic_load(&go) <= i) {
            if (atomic_load(&over))
                return arg;
            sched_yield();
        }
        CHECK_EQ(waiting(atomic_load(&fd_now)), 1);
        atomic_store(&done, i + 1);
    }
}

static void pause_a_little(void)
{
    for (int k = rand() % 4; k > 0; k--)
        sched_yield();
    for (volatile int k = rand() % 3000; k > 0; k--)
        ;
}

// A number above all that were used, of which the runtime knows nothing yet.  -1: none left.
static int unused_number(int fd)
{
    static int next = 64;
    int n = fcntl(fd, F_DUPFD, next);
    next += 64;
    return n;
}

enum how { CLOSED, REPLACED, REPLACED_UNUSED };

static void race(const char *what, long (*fn)(int), int ev, enum how how)
{
    struct timespec enough = in_ms(CLOCK_MONOTONIC, RACE_MS);
    waiting = fn;
    events = ev;
    go = done = over = 0;
    pthread_t t = start(waiter, NULL);
    for (int i = 0; i < ROUNDS && !reached(CLOCK_MONOTONIC, enough); i++) {
        int p[2], q[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, q), 0);
        if (how == REPLACED_UNUSED) {
            int n = unused_number(p[0]);
            close(p[0]);
            p[0] = n;
            if (n < 0) {
                close(p[1]);
                close(q[0]);
                close(q[1]);
                break;
            }
        }
        atomic_store(&fd_now, p[0]);
        atomic_store(&go, i + 1);
        pause_a_little();
        int keep = -1;
        if (how != CLOSED) {
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
        if (how != CLOSED)
            close(p[0]);
        if (keep >= 0)
            close(keep);
        close(p[1]);
        close(q[0]);
        close(q[1]);
    }
    over = 1;
    finish(t);
    puts(what);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0); // said at once: a wait that stays ends the program from outside
    race("poll: replaced, a number's first use", wait_poll, POLLIN, REPLACED_UNUSED);
    race("poll: replaced", wait_poll, POLLIN, REPLACED);
    race("poll for the peer's end: replaced", wait_poll, POLLIN | POLLRDHUP, REPLACED);
    race("poll for urgent data: replaced", wait_poll, POLLIN | POLLPRI, REPLACED);
    race("poll: closed", wait_poll, POLLIN, CLOSED);
    race("poll for the peer's end: closed", wait_poll, POLLIN | POLLRDHUP, CLOSED);
    race("poll for urgent data: closed", wait_poll, POLLIN | POLLPRI, CLOSED);
    race("select: replaced", wait_select, 0, REPLACED);
    race("read: replaced", wait_read, 0, REPLACED);
    race("read: closed", wait_read, 0, CLOSED);
    return 0;
}
