// Event loops that wait hundreds of times, and are preempted between: each keeps its thread-local data whatever it does next, which is to
// fork, to wait in another way, to run a handler, to end; and another thread is made where it was.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

enum { LOOPS = 6, WAITS = 120, LAPS = 3 };

static __thread volatile long own = -1;
static __thread volatile int ran;
static int in[LOOPS], out[LOOPS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int sig)
{
    (void)sig;
    ran++;
}

static void *other(void *arg)
{
    CHECK_EQ(own, -1);
    own = 77;
    sched_yield();
    CHECK_EQ(own, 77);
    return arg;
}

static void turns(long me, int ep, int n)
{
    for (int i = 0; i < n; i++) {
        struct epoll_event ev;
        uint64_t count = 0;
        CHECK_EQ(epoll_wait(ep, &ev, 1, i % 2 ? -1 : 60000), 1);
        CHECK_EQ(own, me);
        CHECK_EQ(read(in[me], &count, sizeof count), 8);
        CHECK_ERRNO(read(in[me], &count, sizeof count), EAGAIN);
        for (volatile int k = 0; k < 2000; k++)
            ;
        CHECK_EQ(write(out[me], &count, sizeof count), 8);
        CHECK_EQ(own, me);
    }
}

static void in_a_child(long me)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int ok = own == me;
        finish(start(other, NULL));
        _exit(ok && own == me ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void *loop(void *arg)
{
    long me = (long)arg;
    struct epoll_event ev = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    own = me;
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, in[me], &ev), 0);
    for (int lap = 0; lap < LAPS; lap++) {
        turns(me, ep, WAITS);
        switch ((me + lap) % 4) {
        case 0:
            CHECK_EQ(pthread_mutex_lock(&lock), 0);
            nap_ms(1); // others wait for it
            CHECK_EQ(pthread_mutex_unlock(&lock), 0);
            break;
        case 1:
            in_a_child(me);
            break;
        case 2:
            CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
            CHECK_EQ(ran, 1);
            ran = 0;
            break;
        case 3:
            finish(start(other, NULL));
            break;
        }
        CHECK_EQ(own, me);
    }
    close(ep);
    return arg;
}

int main(void)
{
    pthread_t t[LOOPS];
    uint64_t one = 1;
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    for (int i = 0; i < LOOPS; i++)
        CHECK((in[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
    for (int i = 0; i < LOOPS; i++)
        out[i] = in[i ^ 1]; // pairs
    for (long i = 0; i < LOOPS; i++)
        t[i] = start(loop, (void *)i);
    for (int i = 0; i < LOOPS; i += 2)
        CHECK_EQ(write(in[i], &one, sizeof one), 8);
    for (int i = 0; i < LOOPS; i++)
        finish(t[i]);
    finish(start(other, NULL));
    puts("settled");
    return 0;
}
