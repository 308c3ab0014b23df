// syscall(2) with the numbers of calls that wait: the same results, among threads that must go on, and no cancellation points.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define RAW(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static int p[2];

static void *write_later(void *arg)
{
    nap_ms(2);
    CHECK_EQ(RAW(write, p[1], "ab", 2), 2);
    return arg;
}

// Something to wait for.
static pthread_t later(void)
{
    return start(write_later, NULL);
}

static void reads(void)
{
    char c[8];
    struct iovec v = {c, 8};
    pthread_t t = later();
    CHECK_EQ(RAW(read, p[0], c, 8), 2);
    finish(t);
    t = later();
    CHECK_EQ(RAW(readv, p[0], &v, 1), 2);
    finish(t);
    t = later();
    CHECK_EQ(RAW(preadv2, p[0], &v, 1, -1l, -1l, 0), 2);
    finish(t);
    CHECK_ERRNO(RAW(pread64, p[0], c, 8, 0), ESPIPE);
    CHECK_ERRNO(RAW(read, -1, c, 8), EBADF);
    CHECK_EQ(RAW(fcntl, p[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_ERRNO(RAW(read, p[0], c, 8), EAGAIN);
    CHECK_EQ(RAW(fcntl, p[0], F_SETFL, 0), 0);
}

static void waits(void)
{
    char c[8];
    struct pollfd f = {p[0], POLLIN, 0};
    struct timespec t1000 = {1000, 0}, zero = {0, 0}, ms = {0, 1000000}, bad = {0, -1};
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 7};
    uint64_t mask = 0;
    pthread_t t = later();
    CHECK_EQ(RAW(poll, &f, 1, -1), 1);
    finish(t);
    CHECK_EQ(RAW(ppoll, &f, 1, &t1000, NULL, 8), 1);
    CHECK(t1000.tv_sec < 1000 && t1000.tv_sec > 900); // what is left
    CHECK_ERRNO(RAW(ppoll, &f, 1, &t1000, &mask, 16), EINVAL);
    CHECK_ERRNO(RAW(ppoll, &f, 1, &bad, &mask, 8), EINVAL);
    CHECK_EQ(read(p[0], c, 8), 2);
    CHECK_EQ(RAW(ppoll, &f, 1, &ms, NULL, 8), 0);
    CHECK_EQ(ms.tv_nsec, 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    t = later();
    CHECK_EQ(RAW(pselect6, p[0] + 1, &set, NULL, NULL, NULL, NULL), 1);
    finish(t);
    struct timeval tv = {0, 0};
    CHECK_EQ(RAW(select, p[0] + 1, &set, NULL, NULL, &tv), 1);
    CHECK_EQ(read(p[0], c, 8), 2);
    int ep = (int)RAW(epoll_create1, 0);
    CHECK_EQ(RAW(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &ev), 0);
    t = later();
    CHECK_EQ(RAW(epoll_wait, ep, &ev, 1, -1), 1);
    finish(t);
    CHECK_EQ(ev.data.u32, 7);
    CHECK_EQ(RAW(epoll_pwait, ep, &ev, 1, 0, &mask, 8), 1);
    CHECK_EQ(read(p[0], c, 8), 2);
    CHECK_EQ(RAW(epoll_pwait2, ep, &ev, 1, &zero, NULL, 8), 0);
    t = later();
    CHECK_EQ(epoll_pwait2(ep, &ev, 1, NULL, NULL), 1);
    finish(t);
    CHECK_EQ(read(p[0], c, 8), 2);
    ms.tv_nsec = 1000000;
    CHECK_EQ(epoll_pwait2(ep, &ev, 1, &ms, NULL), 0);
    CHECK_ERRNO(epoll_pwait2(ep, &ev, 1, &bad, NULL), EINVAL);
    CHECK_ERRNO(epoll_pwait2(p[0], &ev, 1, &ms, NULL), EINVAL);
    CHECK_EQ(RAW(close, ep), 0);
    CHECK_EQ(RAW(nanosleep, &ms, NULL), 0);
    CHECK_ERRNO(RAW(clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
    struct timespec at = in_ms(CLOCK_REALTIME, 5);
    CHECK_EQ(RAW(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), 0);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(RAW(sched_yield), 0);
}

static struct sockaddr_in addr = {.sin_family = AF_INET};
static int listener;

static void *serve(void *arg)
{
    char c[8];
    int fd = (int)RAW(accept4, listener, NULL, NULL, 0);
    CHECK(fd >= 0);
    CHECK_EQ(RAW(recvfrom, fd, c, 8, 0, NULL, NULL), 3);
    struct iovec v = {c, 3};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    CHECK_EQ(RAW(sendmsg, fd, &m, 0), 3);
    CHECK_EQ(RAW(close, fd), 0);
    return arg;
}

static void sockets(void)
{
    char c[8];
    socklen_t len = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = (int)RAW(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    CHECK_EQ(listen(listener, 5), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pthread_t t = start(serve, NULL);
    int fd = (int)RAW(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(RAW(connect, fd, &addr, sizeof addr), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    nap_ms(2);
    CHECK_EQ(RAW(sendto, fd, "abc", 3, 0, NULL, 0), 3);
    struct iovec v = {c, 8};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
    CHECK_EQ(RAW(recvmmsg, fd, &m, 1, 0, NULL), 1);
    CHECK_EQ(m.msg_len, 3);
    finish(t);
    CHECK_ERRNO(RAW(accept, fd, NULL, NULL), EINVAL); // not listening: no wait
    CHECK_EQ(RAW(close, fd), 0);
    CHECK_EQ(RAW(close, listener), 0);
    CHECK_ERRNO(RAW(close, listener), EBADF);
}

static volatile sig_atomic_t handled;
static void handle(int sig)
{
    handled = sig;
}

struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static void signals(void)
{
    uint64_t usr1 = 1ull << (SIGUSR1 - 1), old, now;
    struct timespec zero = {0, 0};
    struct kernel_action ka;
    siginfo_t info;
    CHECK(signal(SIGUSR1, handle) == SIG_DFL);
    CHECK_EQ(RAW(rt_sigaction, SIGUSR1, NULL, &ka, 8), 0);
    CHECK(ka.handler == handle);
    CHECK_EQ(RAW(rt_sigprocmask, SIG_BLOCK, &usr1, &old, 8), 0);
    CHECK(!(old & usr1));
    CHECK_EQ(RAW(rt_sigprocmask, SIG_BLOCK, NULL, &now, 8), 0);
    CHECK(now == (old | usr1));
    sigset_t seen;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &seen), 0);
    CHECK_EQ(sigismember(&seen, SIGUSR1), 1);
    CHECK_EQ(RAW(tgkill, getpid(), gettid(), SIGUSR1), 0);
    CHECK_EQ(RAW(rt_sigpending, &now, 8), 0);
    CHECK(now & usr1);
    CHECK_EQ(handled, 0);
    CHECK_EQ(RAW(rt_sigtimedwait, &usr1, &info, &zero, 8), SIGUSR1);
    CHECK_EQ(info.si_signo, SIGUSR1);
    CHECK_ERRNO(RAW(rt_sigtimedwait, &usr1, &info, &zero, 8), EAGAIN);
    CHECK_ERRNO(RAW(rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 4), EINVAL);
    CHECK_ERRNO(RAW(rt_sigprocmask, 99, &usr1, NULL, 8), EINVAL);
    CHECK_EQ(RAW(tkill, gettid(), SIGUSR1), 0);
    CHECK_EQ(handled, 0);
    CHECK_ERRNO(RAW(rt_sigsuspend, &old, 8), EINTR);
    CHECK_EQ(handled, SIGUSR1);
    CHECK_EQ(RAW(rt_sigprocmask, SIG_SETMASK, &old, NULL, 8), 0);
    ka.handler = SIG_IGN;
    ka.flags = 0;
    CHECK_EQ(RAW(rt_sigaction, SIGUSR1, &ka, NULL, 8), 0);
    handled = 0;
    raise(SIGUSR1);
    CHECK_EQ(handled, 0);
}

static void *in_raw_read(void *arg)
{
    char c[8];
    CHECK_EQ(RAW(read, p[0], c, 8), 2); // not a cancellation point
    *(volatile int *)arg = 1;
    pthread_testcancel();
    CHECK(0);
    return NULL;
}

static void *thread_of_signals(void *arg)
{
    signals();
    return arg;
}

int main(void)
{
    volatile int passed = 0;
    int status;
    CHECK_EQ(RAW(pipe2, p, 0), 0);
    finish(start(thread_of_signals, NULL));
    puts("signals");
    reads();
    waits();
    puts("waits");
    sockets();
    puts("sockets");
    pid_t pid = fork();
    if (pid == 0)
        _exit(9);
    CHECK_EQ(RAW(wait4, pid, &status, 0, NULL), pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
    CHECK_ERRNO(RAW(waitid, P_PID, pid, NULL, WEXITED, NULL), ECHILD);
    pthread_t t = start(in_raw_read, (void *)&passed);
    nap_ms(5);
    CHECK_EQ(pthread_cancel(t), 0);
    nap_ms(5);
    CHECK_EQ(write(p[1], "ab", 2), 2);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(passed, 1);
    // dup2 over a descriptor that is being watched: the number is another file then.
    int q[2];
    char c[8];
    CHECK_EQ(pipe(q), 0);
    CHECK_EQ(RAW(dup2, q[0], p[0]), p[0]);
    CHECK_EQ(write(q[1], "xyz", 3), 3);
    CHECK_EQ(RAW(read, p[0], c, 8), 3);
    CHECK_ERRNO(syscall(-1, 0), ENOSYS);
    unsigned char r[16];
    CHECK_EQ(RAW(getrandom, r, 16, 0), 16);
    CHECK(RAW(gettid) == gettid());
    return 0;
}
