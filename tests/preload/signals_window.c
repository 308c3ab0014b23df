// A signal that only the call's own mask lets through ends the call, however close to its beginning it comes: before it,
// between its look at pending signals and its wait, in the wait.
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

enum { SUSPEND, PPOLL, PPOLL_PRI, PSELECT, EPOLL, CALLS, ROUNDS = 1500 };

static const char *const names[] = {"sigsuspend", "ppoll", "ppoll for priority data", "pselect", "epoll_pwait"};
static volatile int handled;
static int turn, p[2], ep;

static void on_signal(int sig)
{
    (void)sig;
    handled++;
}

static int call(int which)
{
    sigset_t none;
    struct pollfd pfd = {p[0], which == PPOLL ? POLLIN : POLLPRI, 0};
    struct epoll_event e;
    fd_set set;
    sigemptyset(&none);
    switch (which) {
    case SUSPEND: return sigsuspend(&none);
    case PPOLL:
    case PPOLL_PRI: return ppoll(&pfd, 1, NULL, &none);
    case PSELECT:
        FD_ZERO(&set);
        FD_SET(p[0], &set);
        return pselect(p[0] + 1, &set, NULL, NULL, NULL, &none);
    default: return epoll_pwait(ep, &e, 1, -1, &none);
    }
}

static void *take(void *arg)
{
    int which = (int)(long)arg;
    for (int i = 1; i <= ROUNDS; i++) {
        handled = 0;
        __atomic_store_n(&turn, i, __ATOMIC_RELEASE);
        CHECK_ERRNO(call(which), EINTR);
        CHECK_EQ(handled, 1);
    }
    return NULL;
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct epoll_event e = {.events = EPOLLIN};
    sigset_t usr1;
    CHECK_EQ(pipe(p), 0);
    CHECK((ep = epoll_create1(0)) >= 0);
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), 0);
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
    for (long which = 0; which < CALLS; which++) {
        turn = 0;
        pthread_t t = start(take, (void *)which);
        for (int i = 1; i <= ROUNDS; i++) {
            while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != i)
                sched_yield();
            for (volatile int k = 0; k < i % 251 * 200; k++) // a little later each time: up to 100 us or so
                ;
            CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        }
        finish(t);
        puts(names[which]);
    }
    return 0;
}
