// A peer that goes away in the middle of a big blocking write: what the writes return, and who gets SIGPIPE.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define BIG (64ul << 20)
#define MANY 20

static char *big;
static __thread volatile int pipes_here;
static volatile int pipes_all;

static void on_sigpipe(int sig)
{
    (void)sig;
    pipes_here++;
    __atomic_add_fetch(&pipes_all, 1, __ATOMIC_SEQ_CST);
}

static void tcp_pair(int p[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(l >= 0);
    CHECK_EQ(bind(l, (struct sockaddr *)&addr, sizeof addr), 0);
    CHECK_EQ(listen(l, 64), 0);
    CHECK_EQ(getsockname(l, (struct sockaddr *)&addr, &len), 0);
    CHECK((p[1] = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK_EQ(connect(p[1], (struct sockaddr *)&addr, sizeof addr), 0);
    CHECK((p[0] = accept(l, NULL, NULL)) >= 0);
    close(l);
}

static void unix_pair(int p[2]) { CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0); }
static void pipe_pair(int p[2]) { CHECK_EQ(pipe(p), 0); }

enum { WRITE, WRITEV, SEND, SEND_NOSIGNAL };

struct job {
    int fd, how;
    sem_t ready;
    struct {
        const char *result;
        int error, pipes;
    } call[3];
};

static ssize_t put(int fd, int how)
{
    struct iovec iov[2] = {{big, BIG / 2}, {big + BIG / 2, BIG / 2}};
    switch (how) {
    case WRITE: return write(fd, big, BIG);
    case WRITEV: return writev(fd, iov, 2);
    case SEND: return send(fd, big, BIG, 0);
    default: return send(fd, big, BIG, MSG_NOSIGNAL);
    }
}

static void *writer(void *arg)
{
    struct job *j = arg;
    sem_post(&j->ready);
    for (int i = 0; i < 3; i++) {
        errno = 0;
        ssize_t n = put(j->fd, j->how);
        j->call[i].error = n < 0 ? errno : 0;
        j->call[i].result = n < 0 ? "failed" : n == (ssize_t)BIG ? "all" : "some";
        j->call[i].pipes = pipes_here;
    }
    return j;
}

static void begin(struct job *j, pthread_t *t, int fd, int how)
{
    *j = (struct job){.fd = fd, .how = how};
    CHECK_EQ(sem_init(&j->ready, 0, 0), 0);
    *t = start(writer, j);
    sem_wait(&j->ready);
}

static void go_away(int fd, int reset)
{
    struct linger l = {1, 0};
    char buf[1000];
    read_all(fd, buf, sizeof buf);
    nap_ms(30); // the writer is waiting for room by now
    if (reset)
        CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    CHECK_EQ(close(fd), 0);
}

static void print(const char *name, int how, struct job *j)
{
    static const char *const hows[] = {"write", "writev", "send", "send without a signal"};
    printf("%s, %s:", name, hows[how]);
    for (int i = 0; i < 3; i++)
        printf(" %s%s%s (%d SIGPIPE)", j->call[i].result, j->call[i].error ? " " : "",
               j->call[i].error ? strerrorname_np(j->call[i].error) : "", j->call[i].pipes);
    puts("");
}

static void one(const char *name, void (*make)(int[2]), int reset, int how)
{
    struct job j;
    pthread_t t;
    int p[2];
    make(p);
    begin(&j, &t, p[1], how);
    go_away(p[0], reset);
    finish(t);
    print(name, how, &j);
    CHECK_EQ(pipes_here, 0); // the signal is the writing thread's
    close(p[1]);
}

static void many(void)
{
    struct job jobs[MANY];
    pthread_t t[MANY];
    int p[MANY][2], same = 0;
    for (int i = 0; i < MANY; i++) {
        tcp_pair(p[i]);
        begin(&jobs[i], &t[i], p[i][1], WRITE);
    }
    for (int i = 0; i < MANY; i++)
        go_away(p[i][0], 1);
    for (int i = 0; i < MANY; i++) {
        finish(t[i]);
        same += jobs[i].call[0].error == 0 && jobs[i].call[1].error == ECONNRESET &&
                jobs[i].call[2].error == EPIPE && jobs[i].call[2].pipes == 1;
        close(p[i][1]);
    }
    printf("%d at once: %d as alone\n", MANY, same);
}

// Blocked, the signal stays pending for the thread that wrote.
static void *blocked(void *arg)
{
    int p[2];
    sigset_t set, pending;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    pipe_pair(p);
    close(p[0]);
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    sched_yield();
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 1);
    CHECK_EQ(sigtimedwait(&set, NULL, &none), SIGPIPE);
    CHECK_ERRNO(sigtimedwait(&set, NULL, &none), EAGAIN);
    close(p[1]);
    return arg;
}

static void *broken(void *arg)
{
    int p[2];
    pipe_pair(p);
    close(p[0]);
    write(p[1], "x", 1);
    return arg;
}

// Ignored: EPIPE only. Default: the end of the process.
static void dispositions(void)
{
    int status;
    pid_t child;
    signal(SIGPIPE, SIG_IGN);
    finish(start(broken, NULL));
    puts("ignored");
    fflush(stdout);
    CHECK((child = fork()) >= 0);
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        finish(start(broken, NULL));
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    printf("default: ended by SIGPIPE: %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_sigpipe};
    CHECK((big = calloc(1, BIG)) != NULL);
    CHECK_EQ(sigaction(SIGPIPE, &sa, NULL), 0);
    for (int how = WRITE; how <= SEND_NOSIGNAL; how++) {
        one("tcp reset", tcp_pair, 1, how);
        one("unix close", unix_pair, 0, how);
        if (how <= WRITEV)
            one("pipe close", pipe_pair, 0, how);
    }
    many();
    int before = pipes_all;
    finish(start(blocked, NULL));
    CHECK_EQ(pipes_all, before);
    puts("blocked");
    dispositions();
    return 0;
}
