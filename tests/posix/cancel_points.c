// Every function that shall be a cancellation point (System Interfaces, 2.9.5, "Cancellation Points"), in two ways: the request is
// pending at the call ("pending_NAME"), or comes while the thread is blocked in it ("blocked_NAME").
//
// 2.9.5.2: "When a thread has cancelability enabled and a cancellation request has been made with that thread as the target, and the
// thread then calls any function that is a cancellation point, the cancellation request shall be acted upon before the function
// returns.  If a thread has cancelability enabled and a cancellation request is made with the thread as a target while the thread
// is suspended at a cancellation point, the thread shall be awakened and the cancellation request shall be acted upon."
#include "suite.h"
#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>

static int empty[2], full[2], pair[2], stuffed[2], listener, file, msg, lockfile;
static mqd_t mq, mqfull;
static char path[40], fifo[64];
static sem_t never;
static pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static pid_t child;
static atomic_int canceled, entered, held;
static struct timespec far_away;

static void fill(int fd)
{
    char block[4096] = {0};
    int flags = fcntl(fd, F_GETFL);
    CHECK_EQ(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    while (write(fd, block, 1) > 0)
        ;
    CHECK_EQ(fcntl(fd, F_SETFL, flags), 0);
}

static void *forever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void unlock_mutex(void *arg)
{
    // Of a cancelled wait: "the mutex is re-acquired before calling the first cancellation cleanup handler".
    atomic_store(&held, pthread_mutex_lock(arg) == EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(arg), 0);
}

static sigset_t usr1_set(void)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    return s;
}

#define IN_COND(call)                                                                              \
    do {                                                                                           \
        CHECK_EQ(pthread_mutex_lock(&m), 0);                                                       \
        pthread_cleanup_push(unlock_mutex, &m);                                                    \
        for (;;)                                                                                   \
            call;                                                                                  \
        pthread_cleanup_pop(1);                                                                    \
    } while (0)

// --- One function each; those that can block do ---

static char buf[8192];
#define IOV (&(struct iovec){buf, sizeof buf})
#define MSG (&(struct msghdr){.msg_iov = IOV, .msg_iovlen = 1})
#define FN(name, ...) static void do_##name(void) { __VA_ARGS__; }

FN(read, read(empty[0], buf, 1))
FN(readv, readv(empty[0], IOV, 1))
FN(write, write(full[1], buf, 1))
FN(writev, writev(full[1], IOV, 1))
FN(recv, recv(pair[0], buf, 1, 0))
FN(recvfrom, recvfrom(pair[0], buf, 1, 0, NULL, NULL))
FN(recvmsg, recvmsg(pair[0], MSG, 0))
FN(recvmmsg, struct mmsghdr h = {.msg_hdr = {.msg_iov = IOV, .msg_iovlen = 1}}; recvmmsg(pair[0], &h, 1, 0, NULL))
FN(send, send(stuffed[0], buf, 1, 0))
FN(sendto, sendto(stuffed[0], buf, 1, 0, NULL, 0))
FN(sendmsg, sendmsg(stuffed[0], MSG, 0))
FN(accept, accept(listener, NULL, NULL))
FN(accept4, accept4(listener, NULL, NULL, SOCK_CLOEXEC))
FN(poll, struct pollfd p = {empty[0], POLLIN, 0}; poll(&p, 1, -1))
FN(poll_timeout, struct pollfd p = {empty[0], POLLIN, 0}; poll(&p, 1, 60000))
FN(ppoll, struct pollfd p = {empty[0], POLLIN, 0}; ppoll(&p, 1, NULL, NULL))
static void do_select(void)
{
    fd_set s;
    FD_ZERO(&s);
    FD_SET(empty[0], &s);
    select(empty[0] + 1, &s, NULL, NULL, NULL);
}
static void do_pselect(void)
{
    fd_set s;
    FD_ZERO(&s);
    FD_SET(empty[0], &s);
    pselect(empty[0] + 1, &s, NULL, NULL, NULL, NULL);
}
static void do_epoll_wait(void)
{
    struct epoll_event e;
    int ep = epoll_create1(0);
    epoll_wait(ep, &e, 1, -1);
}
FN(sleep, sleep(60))
FN(usleep, usleep(999999999))
FN(nanosleep, struct timespec t = {60, 0}; nanosleep(&t, NULL))
FN(clock_nanosleep, struct timespec t = {60, 0}; clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL))
FN(clock_nanosleep_absolute, clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &far_away, NULL))
FN(pause, pause())
FN(sigsuspend, sigset_t s; sigemptyset(&s); sigsuspend(&s))
FN(sigwait, sigset_t s = usr1_set(); int n; sigwait(&s, &n))
FN(sigwaitinfo, sigset_t s = usr1_set(); siginfo_t i; sigwaitinfo(&s, &i))
FN(sigtimedwait, sigset_t s = usr1_set(); siginfo_t i; struct timespec t = {60, 0}; sigtimedwait(&s, &i, &t))
FN(sem_wait, sem_wait(&never))
FN(sem_timedwait, sem_timedwait(&never, &far_away))
FN(sem_clockwait, sem_clockwait(&never, CLOCK_REALTIME, &far_away))
FN(pthread_cond_wait, IN_COND(pthread_cond_wait(&c, &m)))
FN(pthread_cond_timedwait, IN_COND(pthread_cond_timedwait(&c, &m, &far_away)))
FN(pthread_cond_clockwait, IN_COND(pthread_cond_clockwait(&c, &m, CLOCK_REALTIME, &far_away)))
FN(pthread_join, pthread_join(sleeper, NULL))
FN(pthread_timedjoin_np, pthread_timedjoin_np(sleeper, NULL, &far_away))
FN(waitpid, int s; waitpid(child, &s, 0))
FN(wait, int s; wait(&s))
FN(waitid, siginfo_t i; waitid(P_PID, (id_t)child, &i, WEXITED))
FN(mq_receive, mq_receive(mq, buf, sizeof buf, NULL))
FN(mq_timedreceive, mq_timedreceive(mq, buf, sizeof buf, NULL, &far_away))
FN(mq_send, mq_send(mqfull, buf, 1, 0))
FN(mq_timedsend, mq_timedsend(mqfull, buf, 1, 0, &far_away))
FN(msgrcv, msgrcv(msg, buf, 8, 0, 0))
FN(fcntl_setlkw, struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; fcntl(lockfile, F_SETLKW, &l))
FN(lockf, lockf(lockfile, F_LOCK, 0))
FN(open_fifo, open(fifo, O_RDONLY))
FN(creat_fifo, creat(fifo, 0600))
static void do_connect(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t n = sizeof a;
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    for (int i = 0; i < 100; i++) // until the backlog is full
        connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, n);
}
FN(getchar_of_a_pipe, FILE *f = fdopen(dup(empty[0]), "r"); getc(f))
FN(fgets_of_a_pipe, FILE *f = fdopen(dup(empty[0]), "r"); fgets(buf, 10, f))

// Those that do not block here: only with the request pending.
FN(pthread_testcancel, pthread_testcancel())
FN(open, open("/dev/null", O_RDONLY))
FN(openat, openat(AT_FDCWD, "/dev/null", O_RDONLY))
FN(creat, creat("/dev/null", 0600))
FN(close, close(dup(file)))
FN(fsync, fsync(file))
FN(fdatasync, fdatasync(file))
FN(msync, msync(0, 0, MS_SYNC))
FN(pread, pread(file, buf, 1, 0))
FN(pwrite, pwrite(file, buf, 1, 0))
FN(preadv, preadv(file, IOV, 1, 0))
FN(pwritev, pwritev(file, IOV, 1, 0))
FN(tcdrain, tcdrain(file))
FN(read_ready, read(file, buf, 1))
FN(write_ready, write(file, buf, 1))
FN(send_ready, send(pair[1], buf, 1, 0))
FN(poll_0, struct pollfd p = {empty[0], POLLIN, 0}; poll(&p, 1, 0))
FN(sleep_0, sleep(0); usleep(0); pthread_testcancel())
FN(nanosleep_0, struct timespec t = {0, 0}; nanosleep(&t, NULL))
FN(waitpid_nohang, int s; waitpid(child, &s, WNOHANG))
FN(sigtimedwait_0, sigset_t s = usr1_set(); siginfo_t i; struct timespec t = {0, 0}; sigtimedwait(&s, &i, &t))
FN(system, if (system("exit 0") == 0) pthread_testcancel())
FN(msgsnd, struct { long t; char c[8]; } d = {1, {0}}; msgsnd(msg, &d, 8, IPC_NOWAIT))
FN(mq_send_ready, mq_send(mq, buf, 1, 0))
FN(fcntl_setlkw_free, struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET}; fcntl(file, F_SETLKW, &l))

static const struct point {
    const char *name;
    void (*fn)(void);
    int blocks;
} points[] = {
#define B(n) {#n, do_##n, 1}
#define P(n) {#n, do_##n, 0}
    B(read), B(readv), B(write), B(writev), B(recv), B(recvfrom), B(recvmsg), B(recvmmsg), B(send), B(sendto), B(sendmsg),
    B(accept), B(accept4), B(poll), B(poll_timeout), B(ppoll), B(select), B(pselect), B(epoll_wait), B(sleep), B(usleep),
    B(nanosleep), B(clock_nanosleep), B(clock_nanosleep_absolute), B(pause), B(sigsuspend), B(sigwait), B(sigwaitinfo),
    B(sigtimedwait), B(sem_wait), B(sem_timedwait), B(sem_clockwait), B(pthread_cond_wait), B(pthread_cond_timedwait),
    B(pthread_cond_clockwait), B(pthread_join), B(pthread_timedjoin_np), B(waitpid), B(wait), B(waitid), B(mq_receive),
    B(mq_timedreceive), B(mq_send), B(mq_timedsend), B(msgrcv), B(fcntl_setlkw), B(lockf), B(open_fifo), B(creat_fifo),
    B(connect), B(getchar_of_a_pipe), B(fgets_of_a_pipe),
    P(pthread_testcancel), P(open), P(openat), P(creat), P(close), P(fsync), P(fdatasync), P(msync), P(pread), P(pwrite),
    P(preadv), P(pwritev), P(tcdrain), P(read_ready), P(write_ready), P(send_ready), P(poll_0), P(sleep_0), P(nanosleep_0),
    P(waitpid_nohang), P(sigtimedwait_0), P(system), P(msgsnd), P(mq_send_ready), P(fcntl_setlkw_free),
};

// --- The two ways ---

static void note(void *arg) { (void)arg; atomic_store(&canceled, 1); }

struct run {
    const struct point *p;
    int pending;
};
static void *victim(void *arg)
{
    struct run *r = arg;
    pthread_cleanup_push(note, NULL);
    if (r->pending)
        CHECK_EQ(pthread_cancel(pthread_self()), 0); // deferred: not acted upon here
    atomic_store(&entered, 1);
    r->p->fn();
    pthread_cleanup_pop(0);
    return NULL;
}

static mqd_t queue(const char *what)
{
    struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 64};
    char name[64];
    snprintf(name, sizeof name, "/vthr-%s-%d", what, (int)getpid());
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
    CHECK(q != (mqd_t)-1);
    mq_unlink(name);
    return q;
}

static void set_up(void)
{
    static int done;
    sigset_t s = usr1_set();
    if (done++)
        return;
    far_away = in_ms(CLOCK_REALTIME, 600000);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    CHECK_EQ(pipe(empty), 0);
    CHECK_EQ(pipe(full), 0);
    fill(full[1]);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, stuffed), 0);
    fill(stuffed[0]);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&a, sizeof(sa_family_t)), 0); // a name of the kernel's choice
    CHECK_EQ(listen(listener, 1), 0);
    snprintf(path, sizeof path, "/tmp/vthr-cancel-%d", (int)getpid());
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    mq = queue("e");
    mqfull = queue("f");
    CHECK_EQ(mq_send(mqfull, buf, 1, 0), 0);
    msg = msgget(IPC_PRIVATE, 0600);
    CHECK(msg >= 0);
    CHECK_EQ(sem_init(&never, 0, 0), 0);
    int ready[2];
    char one;
    CHECK_EQ(pipe(ready), 0);
    child = fork(); // holds the lock of the file, and does not end
    if (child == 0) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int mine = open(path, O_RDWR);
        CHECK_EQ(fcntl(mine, F_SETLK, &l), 0);
        CHECK_EQ(write(ready[1], "", 1), 1);
        for (;;)
            pause();
    }
    read_all(ready[0], &one, 1);
    lockfile = open(path, O_RDWR);
    sleeper = start(forever, NULL);
}
static void tear_down(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    unlink(path);
    unlink(fifo);
    msgctl(msg, IPC_RMID, NULL);
}

static void run(void *arg)
{
    struct run *r = arg;
    set_up();
    atomic_store(&canceled, 0);
    atomic_store(&entered, 0);
    atomic_store(&held, -1);
    pthread_t t = start(victim, r);
    if (!r->pending) {
        until(&entered);
        settle();
        CHECK_EQ(pthread_cancel(t), 0);
    }
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(atomic_load(&canceled), 1);
    if (strncmp(r->p->name, "pthread_cond", 12) == 0)
        CHECK_EQ(atomic_load(&held), 1);
}
static void last(void *arg) { (void)arg; set_up(); tear_down(); }

__attribute__((constructor)) static void all(void)
{
    static struct run runs[2 * sizeof points / sizeof *points];
    static char names[sizeof runs / sizeof *runs][48];
    int n = 0;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (int pending = 1; pending >= !points[i].blocks; pending--) {
            runs[n] = (struct run){&points[i], pending};
            snprintf(names[n], sizeof names[n], "%s_%s", pending ? "pending" : "blocked", points[i].name);
            suite_add(names[n], run, &runs[n], 0);
            n++;
        }
    }
    suite_add("tear_down", last, NULL, 0);
}
