// What a signal handler does to a blocked call: signal(7), "Interruption of system calls and library functions by signal handlers".
//
//   restart_NAME   with SA_RESTART "the call is automatically restarted after the signal handler returns": it ends with its result
//   eintr_NAME     without it "the call fails with the error EINTR"
//   always_NAME    "never restarted after being interrupted by a signal handler, regardless of the use of SA_RESTART"
//   ignored_NAME   a signal that is ignored does not end it
#include "suite.h"
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static int p[2], full[2], s[2], stuffed[2], listener, ev, msg, semid;
static mqd_t mq, mqfull;
static sem_t sem;
static pid_t child;
static struct sockaddr_un addr;
static socklen_t addrlen;
static atomic_int handled, done, in;
static char buf[65536];

static void fill(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, buf, 4096) > 0)
        ;
    while (write(fd, buf, 1) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

// --- Calls, and what lets each go on ---

#define IOV (&(struct iovec){buf, 1})
#define MSG (&(struct msghdr){.msg_iov = IOV, .msg_iovlen = 1})
#define CALL(name, ...) static long call_##name(void) { return (long)(__VA_ARGS__); }
#define LET(name, ...) static void let_##name(void) { __VA_ARGS__; }

CALL(read, read(p[0], buf, 1))
CALL(readv, readv(p[0], IOV, 1))
LET(read, CHECK_EQ(write(p[1], "x", 1), 1))
CALL(write, write(full[1], buf, 1))
CALL(writev, writev(full[1], IOV, 1))
static void let_write(void)
{
    char b[4096];
    CHECK_EQ(read(full[0], b, sizeof b), 4096);
    CHECK_EQ(read(full[0], b, sizeof b), 4096);
}
CALL(read_eventfd, read(ev, buf, 8) == 8 ? 1 : -1)
LET(read_eventfd, uint64_t one = 1; CHECK_EQ(write(ev, &one, 8), 8))
CALL(recv, recv(s[0], buf, 1, 0))
CALL(recvfrom, recvfrom(s[0], buf, 1, 0, NULL, NULL))
CALL(recvmsg, recvmsg(s[0], MSG, 0))
LET(recv, CHECK_EQ(send(s[1], "x", 1, 0), 1))
CALL(send, send(stuffed[0], buf, 1, 0))
CALL(sendto, sendto(stuffed[0], buf, 1, 0, NULL, 0))
CALL(sendmsg, sendmsg(stuffed[0], MSG, 0))
static void let_send(void)
{
    // Until it is writable again.
    struct pollfd f = {stuffed[0], POLLOUT, 0};
    char b[4096];
    while (poll(&f, 1, 0) == 0 && !done)
        if (recv(stuffed[1], b, sizeof b, MSG_DONTWAIT) < 0)
            settle();
}
static long call_accept(void)
{
    int fd = accept(listener, NULL, NULL);
    return fd >= 0 ? close(fd) + 1 : fd;
}
LET(accept, int c = socket(AF_UNIX, SOCK_STREAM, 0); CHECK_EQ(connect(c, (struct sockaddr *)&addr, addrlen), 0))
static long call_waitpid(void) { return waitpid(child, NULL, 0) == child ? 1 : -1; }
static long call_wait(void) { return wait(NULL) > 0 ? 1 : -1; }
static long call_waitid(void)
{
    siginfo_t i;
    return waitid(P_PID, (id_t)child, &i, WEXITED) == 0 ? 1 : -1;
}
LET(wait, CHECK_EQ(kill(child, SIGKILL), 0))
CALL(mq_receive, mq_receive(mq, buf, sizeof buf, NULL) == 1 ? 1 : -1)
LET(mq_receive, CHECK_EQ(mq_send(mq, "x", 1, 0), 0))
CALL(mq_send, mq_send(mqfull, "x", 1, 0) == 0 ? 1 : -1)
LET(mq_send, CHECK_EQ(mq_receive(mqfull, buf, sizeof buf, NULL), 1))
CALL(sem_wait, sem_wait(&sem) == 0 ? 1 : -1)
LET(sem_wait, CHECK_EQ(sem_post(&sem), 0))
static long call_sem_timedwait(void)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 600000);
    return sem_timedwait(&sem, &at) == 0 ? 1 : -1;
}
// Never restarted.
CALL(pause, pause())
CALL(sigsuspend, sigsuspend(&(sigset_t){{0}}))
CALL(poll, poll(&(struct pollfd){p[0], POLLIN, 0}, 1, -1))
CALL(poll_timeout, poll(&(struct pollfd){p[0], POLLIN, 0}, 1, 600000))
CALL(ppoll, ppoll(&(struct pollfd){p[0], POLLIN, 0}, 1, NULL, NULL))
static long call_select(void)
{
    fd_set f;
    FD_ZERO(&f);
    FD_SET(p[0], &f);
    return select(p[0] + 1, &f, NULL, NULL, NULL);
}
static long call_pselect(void)
{
    fd_set f;
    FD_ZERO(&f);
    FD_SET(p[0], &f);
    return pselect(p[0] + 1, &f, NULL, NULL, NULL, NULL);
}
static long call_epoll_wait(void)
{
    struct epoll_event e;
    int ep = epoll_create1(EPOLL_CLOEXEC);
    return epoll_wait(ep, &e, 1, -1);
}
CALL(nanosleep, nanosleep(&(struct timespec){600, 0}, NULL))
CALL(usleep, usleep(999999999))
static long call_sleep(void) // "the number of seconds left to sleep"
{
    errno = EINTR;
    return sleep(600) > 0 ? -1 : 0;
}
static long call_clock_nanosleep(void)
{
    errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){600, 0}, NULL);
    return errno ? -1 : 0;
}
static long call_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &(struct timespec){600, 0});
}
CALL(msgrcv, msgrcv(msg, buf, 8, 0, 0))
CALL(semop, semop(semid, &(struct sembuf){0, -1, 0}, 1))
// Sockets with a timeout are not restarted either.
static long call_recv_timeout(void)
{
    struct timeval t = {600, 0};
    CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), 0);
    return recv(s[0], buf, 1, 0);
}

static const struct call {
    const char *name;
    long (*call)(void);
    void (*let)(void); // NULL: never restarted
} calls[] = {
#define R(name, let) {#name, call_##name, let_##let}
#define N(name) {#name, call_##name, NULL}
    R(read, read), R(readv, read), R(write, write), R(writev, write), R(read_eventfd, read_eventfd), R(recv, recv),
    R(recvfrom, recv), R(recvmsg, recv), R(send, send), R(sendto, send), R(sendmsg, send), R(accept, accept),
    R(waitpid, wait), R(wait, wait), R(waitid, wait), R(mq_receive, mq_receive), R(mq_send, mq_send), R(sem_wait, sem_wait),
    N(pause), N(sigsuspend), N(poll), N(poll_timeout), N(ppoll), N(select), N(pselect), N(epoll_wait), N(nanosleep), N(usleep),
    N(sleep), N(clock_nanosleep), N(sigtimedwait), N(msgrcv), N(semop), N(recv_timeout),
    N(sem_timedwait), // signal(7) counts it among the restarted; the kernel has no restart for a futex with a timeout and a handler
};

static void handler(int sig) { (void)sig; handled++; }

static void set_up(void)
{
    struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 64};
    char name[64];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(full), 0);
    fill(full[1]);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, stuffed), 0);
    fill(stuffed[0]);
    addr.sun_family = AF_UNIX;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
    CHECK_EQ(listen(listener, 4), 0);
    addrlen = sizeof addr;
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &addrlen), 0);
    ev = eventfd(0, 0);
    snprintf(name, sizeof name, "/vthr-eintr-%d", (int)getpid());
    mq = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
    mq_unlink(name);
    mqfull = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
    mq_unlink(name);
    CHECK(mq != (mqd_t)-1 && mqfull != (mqd_t)-1);
    CHECK_EQ(mq_send(mqfull, "x", 1, 0), 0);
    CHECK_EQ(sem_init(&sem, 0, 0), 0);
}

struct run {
    const struct call *c;
    char kind; // r, e, a, i
};
static void *caller(void *arg)
{
    struct run *r = arg;
    errno = 0;
    in = 1;
    long got = r->c->call();
    int error = errno;
    done = 1;
    if (r->kind == 'r' || r->kind == 'i') {
        CHECK_EQ(got, 1);
    } else {
        CHECK_EQ(got, -1);
        CHECK_EQ(error, EINTR);
    }
    return NULL;
}
static void run(void *arg)
{
    struct run *r = arg;
    struct sigaction a = {.sa_handler = r->kind == 'i' ? SIG_IGN : handler,
                          .sa_flags = r->kind == 'r' || r->kind == 'a' ? SA_RESTART : 0};
    sigset_t set;
    set_up();
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    msg = strcmp(r->c->name, "msgrcv") == 0 ? msgget(IPC_PRIVATE, 0600) : -1;
    semid = strcmp(r->c->name, "semop") == 0 ? semget(IPC_PRIVATE, 1, 0600) : -1;
    if (strncmp(r->c->name, "wait", 4) == 0) {
        child = fork();
        if (child == 0)
            for (;;)
                pause();
    }
    pthread_t t = start(caller, r);
    until(&in);
    if (r->kind == 'r' || r->kind == 'i') {
        for (int i = 1; i <= 3; i++) {
            CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
            settle();
            while (r->kind == 'r' && handled < i)
                settle();
        }
        CHECK_EQ(done, 0);
        r->c->let();
    } else {
        while (!done) { // until one came when it was blocked
            CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
            settle();
        }
    }
    finish(t);
    if (child > 0)
        kill(child, SIGKILL);
    if (msg >= 0)
        msgctl(msg, IPC_RMID, NULL);
    if (semid >= 0)
        semctl(semid, 0, IPC_RMID);
}

__attribute__((constructor)) static void all(void)
{
    static struct run runs[3 * sizeof calls / sizeof *calls];
    static char names[sizeof runs / sizeof *runs][48];
    int n = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct call *c = &calls[i];
        for (const char *k = c->let ? "rei" : "a"; *k; k++) {
            runs[n] = (struct run){c, *k};
            snprintf(names[n], sizeof names[n], "%s_%s",
                     *k == 'r' ? "restart" : *k == 'e' ? "eintr" : *k == 'a' ? "always" : "ignored", c->name);
            suite_add(names[n], run, &runs[n], 1);
            n++;
        }
    }
}
