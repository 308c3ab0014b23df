// alarm, interval timers, POSIX timers.
#include "suite.h"
#include <stdint.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static atomic_int count, value, code, thread_fn_ran;
static pthread_t taker;
static void counting(int sig, siginfo_t *i, void *uc)
{
    (void)sig;
    (void)uc;
    taker = pthread_self();
    code = i->si_code;
    value = i->si_value.sival_int;
    count++;
}
static void set(int sig)
{
    struct sigaction a = {.sa_sigaction = counting, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
static void *idle(void *arg) { return arg; }
static void threaded(void) { finish(start(idle, NULL)); }

// alarm: "the number of seconds remaining until the previous request"; 0 cancels it.
LONE(alarm_remaining)
{
    threaded();
    CHECK_EQ(alarm(1000), 0);
    unsigned left = alarm(0);
    CHECK(left > 900 && left <= 1000);
    CHECK_EQ(alarm(0), 0);
}
// setitimer: ITIMER_REAL: "A SIGALRM signal is delivered when this timer expires."
LONE(itimer_real_once)
{
    struct itimerval v = {.it_value = {0, 1000}}, old;
    threaded();
    set(SIGALRM);
    CHECK_EQ(setitimer(ITIMER_REAL, &v, NULL), 0);
    until(&count);
    CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
    CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
    CHECK_EQ(count, 1);
}
LONE(itimer_real_repeats)
{
    struct itimerval v = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}}, old;
    threaded();
    set(SIGALRM);
    CHECK_EQ(setitimer(ITIMER_REAL, &v, NULL), 0);
    while (count < 5)
        settle();
    CHECK_EQ(setitimer(ITIMER_REAL, &off, &old), 0);
    CHECK_EQ(old.it_interval.tv_usec, 1000);
    CHECK(pthread_equal(taker, pthread_self())); // the main thread has it open
}
// ITIMER_VIRTUAL and ITIMER_PROF count CPU time.
static void cpu_timer(int which, int sig)
{
    struct itimerval v = {.it_value = {0, 2000}};
    threaded();
    set(sig);
    CHECK_EQ(setitimer(which, &v, NULL), 0);
    while (!count)
        ;
}
LONE(itimer_virtual) { cpu_timer(ITIMER_VIRTUAL, SIGVTALRM); }
LONE(itimer_prof) { cpu_timer(ITIMER_PROF, SIGPROF); }
// An alarm wakes a thread from pause.
LONE(alarm_ends_pause)
{
    struct itimerval v = {{0, 1000}, {0, 1000}};
    threaded();
    set(SIGALRM);
    CHECK_EQ(setitimer(ITIMER_REAL, &v, NULL), 0);
    CHECK_ERRNO(pause(), EINTR);
    CHECK(count > 0);
}
// timer_create: SIGEV_SIGNAL: the signal, si_code SI_TIMER, the value.
static timer_t made(struct sigevent *e)
{
    timer_t t;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, e, &t), 0);
    return t;
}
LONE(timer_signal)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42};
    struct itimerspec v = {.it_value = {0, 1000000}};
    threaded();
    set(SIGRTMIN);
    timer_t t = made(&e);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    until(&count);
    CHECK_EQ(code, SI_TIMER);
    CHECK_EQ(value, 42);
    CHECK_EQ(timer_gettime(t, &v), 0);
    CHECK(v.it_value.tv_sec == 0 && v.it_value.tv_nsec == 0);
    CHECK_EQ(timer_delete(t), 0);
}
LONE(timer_signal_repeats)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec v = {{0, 1000000}, {0, 1000000}};
    threaded();
    set(SIGUSR1);
    timer_t t = made(&e);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    while (count < 5)
        settle();
    CHECK(timer_getoverrun(t) >= 0);
    CHECK_EQ(timer_delete(t), 0);
}
// timer_create: evp NULL: SIGALRM.
LONE(timer_default_is_sigalrm)
{
    struct itimerspec v = {.it_value = {0, 1000000}};
    threaded();
    set(SIGALRM);
    timer_t t = made(NULL);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    until(&count);
}
// SIGEV_THREAD: "a notification function will be called ... as if a new thread with attributes".
static void notify(union sigval v)
{
    value = v.sival_int;
    thread_fn_ran++;
}
LONE(timer_thread)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify, .sigev_value.sival_int = 17};
    struct itimerspec v = {{0, 1000000}, {0, 1000000}};
    threaded();
    timer_t t = made(&e);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    while (thread_fn_ran < 3)
        settle();
    CHECK_EQ(value, 17);
    CHECK_EQ(timer_delete(t), 0);
}
// SIGEV_NONE: only its time can be read.
LONE(timer_none)
{
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    struct itimerspec v = {.it_value = {1000, 0}}, now;
    threaded();
    timer_t t = made(&e);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    CHECK_EQ(timer_gettime(t, &now), 0);
    CHECK(now.it_value.tv_sec > 900);
    CHECK_EQ(timer_delete(t), 0);
}
// The signal of a timer is awaited by sigwaitinfo.
static void *await_timer(void *arg)
{
    sigset_t s;
    siginfo_t i;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    CHECK_EQ(sigwaitinfo(&s, &i), SIGRTMIN);
    CHECK_EQ(i.si_code, SI_TIMER);
    CHECK_EQ(i.si_value.sival_int, 5);
    return arg;
}
LONE(timer_signal_awaited)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 5};
    struct itimerspec v = {.it_value = {0, 1000000}};
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    pthread_t w = start(await_timer, NULL);
    timer_t t = made(&e);
    CHECK_EQ(timer_settime(t, 0, &v, NULL), 0);
    finish(w);
}
// timer_create: [EINVAL]; timer_settime: nanoseconds.
LONE(timer_errors)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 4711};
    struct itimerspec v = {.it_value = {0, 1000000000}};
    timer_t t;
    threaded();
    CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &e, &t), EINVAL);
    CHECK_ERRNO(timer_create(4711, NULL, &t), EINVAL);
    t = made(NULL);
    CHECK_ERRNO(timer_settime(t, 0, &v, NULL), EINVAL);
}
// nanosleep: "-1 if interrupted, and the rest is stored"; clock_nanosleep returns the error and not through errno.
LONE(nanosleep_rest)
{
    struct itimerval v = {{0, 1000}, {0, 1000}};
    struct timespec t = {600, 0}, rest = {0, 0};
    struct sigaction a = {.sa_sigaction = counting, .sa_flags = SA_SIGINFO};
    threaded();
    CHECK_EQ(sigaction(SIGALRM, &a, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &v, NULL), 0);
    CHECK_ERRNO(nanosleep(&t, &rest), EINTR);
    CHECK(rest.tv_sec > 500 && rest.tv_sec < 600);
    rest.tv_sec = 0;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest), EINTR);
    CHECK(rest.tv_sec > 500);
    t.tv_nsec = 1000000000;
    CHECK_ERRNO(nanosleep(&t, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL), EINVAL);
}
// timerfd: read blocks until it expires and gives the number of expirations.
LONE(timerfd_read)
{
    struct itimerspec v = {.it_value = {0, 1000000}};
    uint64_t n = 0;
    threaded();
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK_EQ(timerfd_settime(fd, 0, &v, NULL), 0);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK_EQ(n, 1);
}
