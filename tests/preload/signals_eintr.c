// Signals break blocking calls with EINTR: sent to the process while main blocks, and by pthread_kill to a thread;
// with SA_RESTART those calls go on that Linux restarts.
#include "check.h"
#include <arpa/inet.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

static volatile int hits, finished;
static pthread_t target, handled_by;
static int p[2], listener, ep;
static sem_t empty;

static void on_signal(int sig)
{
    (void)sig;
    handled_by = pthread_self();
    __atomic_add_fetch(&hits, 1, __ATOMIC_SEQ_CST);
}

static void handle(int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGTERM, &sa, NULL), 0);
}

enum { READ, RECV, ACCEPT, POLL, PPOLL, SELECT, PSELECT, EPOLL, NANOSLEEP, CLOCK_SLEEP, PAUSE, SEM_WAIT, SEM_TIMED,
       CALLS };

static const char *const names[] = {"read", "recv", "accept", "poll", "ppoll", "select", "pselect", "epoll_wait",
                                    "nanosleep", "clock_nanosleep", "pause", "sem_wait", "sem_timedwait"};

// One call that would block for a minute or for ever; -1 and errno as a result.
static int block_in(int call)
{
    char c;
    struct pollfd pfd = {p[0], POLLIN, 0};
    struct timespec minute = {60, 0}, left = {0, 0};
    struct timeval tv = {60, 0};
    struct epoll_event e;
    fd_set set;
    int r;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    switch (call) {
    case READ: return (int)read(p[0], &c, 1);
    case RECV: return (int)recv(listener + 1, &c, 1, 0);
    case ACCEPT: return accept(listener, NULL, NULL);
    case POLL: return poll(&pfd, 1, -1);
    case PPOLL: return ppoll(&pfd, 1, &minute, NULL);
    case SELECT: return select(p[0] + 1, &set, NULL, NULL, &tv);
    case PSELECT: return pselect(p[0] + 1, &set, NULL, NULL, NULL, NULL);
    case EPOLL: return epoll_wait(ep, &e, 1, 60000);
    case NANOSLEEP:
        r = nanosleep(&minute, &left);
        CHECK(left.tv_sec > 0 && left.tv_sec <= 60);
        return r;
    case CLOCK_SLEEP:
        r = clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, &left);
        CHECK(left.tv_sec > 0 && left.tv_sec <= 60);
        errno = r;
        return -1;
    case PAUSE: return pause();
    case SEM_WAIT: return sem_wait(&empty);
    default: {
        struct timespec at = in_ms(CLOCK_REALTIME, 60000);
        return sem_timedwait(&empty, &at);
    }
    }
}

// Sends until the target says that its call is over: an early signal may come before the call.
static void *send_signals(void *arg)
{
    sigset_t set;
    sigfillset(&set);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    while (!finished) {
        if (arg)
            CHECK_EQ(kill(getpid(), SIGTERM), 0);
        else
            CHECK_EQ(pthread_kill(target, SIGTERM), 0);
        usleep(2000);
    }
    return NULL;
}

static void *run_all(void *arg)
{
    target = pthread_self();
    for (int call = 0; call < CALLS; call++) {
        finished = 0;
        pthread_t s = start(send_signals, arg);
        errno = 0;
        CHECK_EQ(block_in(call), -1);
        int kept = errno;
        finished = 1;
        CHECK(pthread_equal(handled_by, target));
        finish(s);
        printf("  %s: %s\n", names[call], kept == EINTR ? "EINTR" : strerror(kept));
    }
    return NULL;
}

// Five signals while it reads, then data.
static void *send_five(void *arg)
{
    (void)arg;
    sigset_t set;
    sigfillset(&set);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    for (int i = 0; i < 5; i++) {
        int before = hits;
        CHECK_EQ(pthread_kill(target, SIGTERM), 0);
        while (__atomic_load_n(&hits, __ATOMIC_SEQ_CST) == before)
            usleep(500);
    }
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(sem_post(&empty), 0);
    return NULL;
}

static void *restarted(void *arg)
{
    char c;
    target = pthread_self();
    for (int i = 0; i < 10; i++) {
        pthread_t s = start(send_five, NULL);
        CHECK_EQ(read(p[0], &c, 1), 1);
        CHECK_EQ(sem_wait(&empty), 0);
        finish(s);
    }
    return arg;
}

// Without SA_RESTART, but in calls that never fail with EINTR.
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *lock_and_join(void *arg)
{
    target = pthread_self();
    pthread_t s = start(send_five, NULL);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    finish(s);
    char c;
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(sem_wait(&empty), 0);
    return arg;
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int pair[2];
    CHECK_EQ(pipe(p), 0);
    CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 5), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(dup2(pair[0], listener + 1), listener + 1);
    CHECK((ep = epoll_create1(0)) >= 0);
    sem_init(&empty, 0, 0);

    handle(0);
    puts("main:");
    run_all((void *)1);
    puts("a thread:");
    finish(start(run_all, NULL));
    puts("never EINTR:");
    pthread_mutex_lock(&m);
    int before = hits;
    pthread_t t = start(lock_and_join, NULL);
    while (__atomic_load_n(&hits, __ATOMIC_SEQ_CST) < before + 3)
        usleep(500);
    pthread_mutex_unlock(&m);
    finish(t);
    handle(SA_RESTART);
    restarted(NULL);
    finish(start(restarted, NULL));
    puts("restarted");
    return 0;
}
