// A peer shuts its reading side down: writes that wait for room end with EPIPE, although poll never says that they may go on.
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { WAYS = 4 };

static int fd[2];
static pthread_barrier_t before;

static void *wait_for_room(void *arg)
{
    static char buf[1000];
    struct iovec v[2] = {{buf, 500}, {buf, 500}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    pthread_barrier_wait(&before);
    switch ((intptr_t)arg) {
    case 0: CHECK_ERRNO(write(fd[0], buf, sizeof buf), EPIPE); break;
    case 1: CHECK_ERRNO(send(fd[0], buf, sizeof buf, MSG_NOSIGNAL), EPIPE); break;
    case 2: CHECK_ERRNO(writev(fd[0], v, 2), EPIPE); break;
    case 3: CHECK_ERRNO(sendmsg(fd[0], &m, 0), EPIPE); break;
    }
    return arg;
}

static void fill(void)
{
    static char buf[1000];
    ssize_t n;
    while ((n = send(fd[0], buf, sizeof buf, MSG_DONTWAIT)) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

// Shuts down when a byte comes; another process where `child` is set.
static void shut(int type, int child)
{
    pthread_t t[WAYS];
    int go[2];
    CHECK_EQ(socketpair(AF_UNIX, type, 0, fd), 0);
    CHECK_EQ(pipe(go), 0);
    pid_t pid = child ? fork() : -1;
    if (pid == 0) {
        char c;
        CHECK_EQ(read(go[0], &c, 1), 1);
        CHECK_EQ(shutdown(fd[1], SHUT_RD), 0);
        _exit(0);
    }
    fill();
    for (intptr_t i = 0; i < WAYS; i++)
        t[i] = start(wait_for_room, (void *)i);
    pthread_barrier_wait(&before);
    for (int i = 0; i < 100; i++)
        sched_yield(); // they begin to wait; if not, they find it shut
    if (child)
        CHECK_EQ(write(go[1], "x", 1), 1);
    else
        CHECK_EQ(shutdown(fd[1], SHUT_RD), 0);
    for (int i = 0; i < WAYS; i++)
        finish(t[i]);
    struct pollfd p = {fd[0], POLLOUT, 0};
    CHECK_EQ(poll(&p, 1, 0), 0);
    if (child)
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
    close(fd[0]);
    close(fd[1]);
    close(go[0]);
    close(go[1]);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(pthread_barrier_init(&before, NULL, WAYS + 1), 0);
    for (int child = 0; child < 2; child++) {
        shut(SOCK_STREAM, child);
        shut(SOCK_SEQPACKET, child);
    }
    puts("done");
    return 0;
}
