// Cancellation: deferred, in blocking calls of every kind; disabled; asynchronous; cleanup handlers in order.
#include "check.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { READ, RECV, ACCEPT, POLL, SELECT, COND, COND_TIMED, SLEEP, USLEEP, SEM, JOIN, TEST, WAITPID, SIGWAIT, PAUSE,
       CALLS };

static const char *const names[] = {"read", "recv", "accept", "poll", "select", "cond_wait", "cond_timedwait", "sleep",
                                    "usleep", "sem_wait", "join", "testcancel", "waitpid", "sigwait", "pause"};

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t never, ready, go;
static int p[2], s[2], listener, cleaned, owned;
static pthread_t sleeper;
static pid_t child;

static void unlock(void *arg)
{
    // Whoever was cancelled in a condition wait owns the mutex here.
    owned += pthread_mutex_trylock(arg) == EBUSY;
    CHECK_EQ(pthread_mutex_unlock(arg), 0);
}

static void clean(void *arg)
{
    CHECK_EQ(cleaned, 2 - (long)arg); // 2 is the inner one
    cleaned++;
}

static void block_in(int call)
{
    char buf[8];
    struct pollfd pfd = {p[0], POLLIN, 0};
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    fd_set fds;
    sigset_t set;
    int sig;
    switch (call) {
    case READ: read_all(p[0], buf, 1); break;
    case RECV: CHECK(recv(s[0], buf, 1, 0) == 99); break;
    case ACCEPT: CHECK(accept(listener, NULL, NULL) == -99); break;
    case POLL: poll(&pfd, 1, -1); break;
    case SELECT:
        FD_ZERO(&fds);
        FD_SET(p[0], &fds);
        select(p[0] + 1, &fds, NULL, NULL, NULL);
        break;
    case COND:
    case COND_TIMED:
        pthread_mutex_lock(&m);
        pthread_cleanup_push(unlock, &m);
        for (;;)
            call == COND ? pthread_cond_wait(&c, &m) : pthread_cond_timedwait(&c, &m, &at);
        pthread_cleanup_pop(1);
        break;
    case SLEEP: sleep(60); break;
    case USLEEP: usleep(60000000); break;
    case SEM: sem_wait(&never); break;
    case JOIN: pthread_join(sleeper, NULL); break;
    case TEST:
        for (;;) {
            pthread_testcancel();
            sched_yield();
        }
    case WAITPID: waitpid(child, &sig, 0); break;
    case SIGWAIT:
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        sigwait(&set, &sig);
        break;
    default: pause();
    }
}

static void *cancelled(void *arg)
{
    pthread_cleanup_push(clean, (void *)1);
    pthread_cleanup_push(clean, (void *)2);
    sem_post(&ready);
    block_in((int)(intptr_t)arg);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleep_on(void *arg)
{
    sem_wait(&go);
    return arg;
}

static void blocked(int pause_ms)
{
    for (int call = 0; call < CALLS; call++) {
        cleaned = owned = 0;
        pthread_t t = start(cancelled, (void *)(intptr_t)call);
        sem_wait(&ready);
        if (pause_ms)
            nap_ms(pause_ms); // by now it blocks; without, it may be cancelled on its way
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK(finish(t) == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, 2);
        if (call == COND || call == COND_TIMED)
            CHECK_EQ(owned, 1);
        if (pause_ms)
            printf("  %s\n", names[call]);
    }
    CHECK_EQ(pthread_mutex_trylock(&m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void *disabled(void *arg)
{
    int old;
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
    sem_post(&ready);
    sem_wait(&go);
    usleep(100);
    pthread_testcancel();
    *(int *)arg = 1; // still here
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    *(int *)arg = 2;
    pthread_testcancel();
    *(int *)arg = 3;
    return NULL;
}

static void *reads_all(void *arg)
{
    char ch;
    for (;;) {
        CHECK_EQ(read(p[0], &ch, 1), 1);
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    }
}

static void *asynchronous(void *arg)
{
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    sem_post(&ready);
    for (volatile unsigned long i = 0;; i++)
        ;
    return arg;
}

int main(void)
{
    int seen = 0, bytes = 0;
    sem_init(&never, 0, 0);
    sem_init(&ready, 0, 0);
    sem_init(&go, 0, 0);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    CHECK_EQ(listen(listener, 5), 0);
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    sleeper = start(sleep_on, NULL);
    blocked(0);
    blocked(5);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    sem_post(&go);
    finish(sleeper); // a cancelled joiner leaves it joinable

    pthread_t t = start(disabled, &seen);
    sem_wait(&ready);
    CHECK_EQ(pthread_cancel(t), 0);
    sem_post(&go);
    CHECK(finish(t) == PTHREAD_CANCELED);
    printf("disabled: %d\n", seen);

    for (int i = 0; i < 30; i++) {
        bytes = 0;
        t = start(reads_all, &bytes);
        write_all(p[1], "0123456789", 10);
        while (__atomic_load_n(&bytes, __ATOMIC_SEQ_CST) < 10)
            sched_yield();
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK(finish(t) == PTHREAD_CANCELED);
        char next[5]; // is not taken by the one that is gone
        write_all(p[1], "again", 5);
        CHECK_EQ(read(p[0], next, opaque(5)), 5);
    }
    puts("readers gone");

    t = start(asynchronous, NULL);
    sem_wait(&ready);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    puts("asynchronous");

    t = start(sleep_on, (void *)9); // over before it is cancelled
    sem_post(&go);
    nap_ms(5);
    CHECK_EQ(pthread_setcanceltype(5, NULL), EINVAL);
    CHECK_EQ(pthread_setcancelstate(5, NULL), EINVAL);
    printf("over: %ld\n", (long)finish(t));
    return 0;
}
