// Sending: pthread_kill, kill, sigqueue; which thread takes it; order and values of queued signals.
#include "suite.h"
#include <sys/mman.h>

static atomic_int count, in, go, order_n;
static int order[64];
static pthread_t taker;
static void counting(int sig)
{
    (void)sig;
    taker = pthread_self();
    count++;
}
static void noting(int sig, siginfo_t *i, void *uc)
{
    (void)uc;
    order[order_n++] = (sig - SIGRTMIN) * 1000 + i->si_value.sival_int;
}
static void set(int sig, void (*fn)(int))
{
    struct sigaction a = {.sa_handler = fn};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
static void set_rt(void)
{
    struct sigaction a = {.sa_sigaction = noting, .sa_flags = SA_SIGINFO};
    sigfillset(&a.sa_mask);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sigaction(SIGRTMIN + i, &a, NULL), 0);
}
static void mask(int how, int sig)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, sig);
    CHECK_EQ(pthread_sigmask(how, &s, NULL), 0);
}
static void *wait_go(void *arg)
{
    in++;
    until(&go);
    return arg;
}
static void *spin_go(void *arg)
{
    in++;
    while (!go)
        ;
    return arg;
}
static void *park_forever(void *arg)
{
    in++;
    for (;;)
        pause();
    return arg;
}
static void *get_blocked(void *arg)
{
    mask(SIG_BLOCK, SIGUSR1);
    return wait_go(arg);
}

// pthread_kill: "request that a signal be delivered to the specified thread": the handler runs there: sleeping, computing, in pause.
static void kill_it(void *(*fn)(void *))
{
    set(SIGUSR1, counting);
    pthread_t t = start(fn, NULL);
    until(&in);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        while (count < i)
            settle();
        CHECK(pthread_equal(taker, t));
    }
    go = 1;
}
LONE(pthread_kill_sleeping) { kill_it(wait_go); }
LONE(pthread_kill_computing) { kill_it(spin_go); }
LONE(pthread_kill_in_pause) { kill_it(park_forever); }
// pthread_kill to the main thread, from another one.
static pthread_t main_thread;
static void *kill_main(void *arg)
{
    CHECK_EQ(pthread_kill(main_thread, SIGUSR1), 0);
    return arg;
}
LONE(pthread_kill_main)
{
    set(SIGUSR1, counting);
    main_thread = pthread_self();
    pthread_t t = start(kill_main, NULL);
    until(&count);
    CHECK(pthread_equal(taker, main_thread));
    finish(t);
}
// tgkill(2) with the number of a thread.
static pid_t number;
static void *give_number(void *arg)
{
    number = gettid();
    return wait_go(arg);
}
LONE(tgkill_by_number)
{
    set(SIGUSR1, counting);
    pthread_t t = start(give_number, NULL);
    until(&in);
    CHECK_EQ(tgkill(getpid(), number, SIGUSR1), 0);
    until(&count);
    CHECK(pthread_equal(taker, t));
    CHECK_ERRNO(tgkill(getpid(), number, 4711), EINVAL);
    go = 1;
    finish(t);
}
// 2.4.1: a signal for the process "shall be delivered to exactly one of those threads ... that has not blocked delivery of the signal".
LONE(process_signal_to_the_one_that_has_it_open)
{
    set(SIGUSR1, counting);
    pthread_t t = start(wait_go, NULL);
    pthread_t b[3] = {start(get_blocked, NULL), start(get_blocked, NULL), start(get_blocked, NULL)};
    while (in < 4)
        settle();
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        while (count < i)
            settle();
        CHECK(pthread_equal(taker, t));
    }
    go = 1;
    finish(t);
    for (int i = 0; i < 3; i++)
        finish(b[i]);
}
// kill: "if the value of pid causes sig to be generated for the sending process, and if sig is not blocked for the calling thread and if no other
// thread has sig unblocked or is waiting in a sigwait() ..., either sig or at least one pending unblocked signal shall be delivered to the
// sending thread before kill() returns."
LONE(kill_self_delivered_before_it_returns)
{
    set(SIGUSR1, counting);
    pthread_t t = start(get_blocked, NULL);
    until(&in);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(count, i);
    }
    go = 1;
    finish(t);
}
// All have it blocked: it stays pending for the process, and goes to the first that opens.
static void *open_it(void *arg)
{
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(count, 1);
    return arg;
}
LONE(process_pending_goes_to_who_unblocks)
{
    set(SIGUSR1, counting);
    mask(SIG_BLOCK, SIGUSR1);
    pthread_t b = start(get_blocked, NULL);
    until(&in);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(count, 0);
    pthread_t t = start(open_it, NULL);
    finish(t);
    CHECK(pthread_equal(taker, t));
    go = 1;
    finish(b);
}
// sigqueue: "if sig is ... in the range SIGRTMIN to SIGRTMAX, the signal shall be queued": every one, in order, with its value.
static void *queue_rt(void *arg)
{
    for (int i = 0; i < 4; i++)
        mask(SIG_BLOCK, SIGRTMIN + i);
    for (int v = 0; v < 5; v++)
        CHECK_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, (union sigval){.sival_int = v}), 0);
    for (int i = 3; i >= 0; i--)
        CHECK_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + i, (union sigval){.sival_int = 10 + i}), 0);
    CHECK_EQ(order_n, 0);
    sigset_t none;
    sigemptyset(&none);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
    CHECK_EQ(order_n, 9);
    return arg;
}
// sigaction, 2.4.2: "the lowest numbered pending signal" first, "FIFO order" within one.  Handlers that block all: they run as listed.
// (A handler without sa_mask would be interrupted by the next one.)
LONE(realtime_fifo_within_one_signal)
{
    set_rt();
    finish(start(queue_rt, NULL));
    int last = -1;
    for (int i = 0; i < 9; i++)
        if (order[i] / 1000 == 2 && order[i] != 2012) {
            CHECK_EQ(order[i] % 1000, last + 1);
            last++;
        }
    CHECK_EQ(last, 4);
}
static void *wait_rt(void *arg)
{
    sigset_t s;
    siginfo_t i;
    sigemptyset(&s);
    for (int k = 0; k < 4; k++)
        sigaddset(&s, SIGRTMIN + k);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    for (int k = 3; k >= 0; k--)
        for (int v = 0; v < 3; v++)
            CHECK_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + k, (union sigval){.sival_int = v}), 0);
    for (int k = 0; k < 4; k++)
        for (int v = 0; v < 3; v++) {
            CHECK_EQ(sigwaitinfo(&s, &i), SIGRTMIN + k);
            CHECK_EQ(i.si_value.sival_int, v);
        }
    return arg;
}
// sigwaitinfo: "the lowest numbered" pending one in SIGRTMIN..SIGRTMAX is selected.
LONE(sigwaitinfo_lowest_first) { finish(start(wait_rt, NULL)); }
// The same through the process: sigqueue to ourselves.
LONE(sigqueue_process_in_order)
{
    sigset_t s;
    siginfo_t i;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    finish(start(wait_rt, NULL));
    for (int v = 0; v < 10; v++)
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = v}), 0);
    for (int v = 0; v < 10; v++) {
        CHECK_EQ(sigwaitinfo(&s, &i), SIGRTMIN);
        CHECK_EQ(i.si_value.sival_int, v);
        CHECK_EQ(i.si_code, SI_QUEUE);
    }
}
// sigqueue, kill: errors.
LONE(send_errors)
{
    finish(start(wait_rt, NULL));
    CHECK_ERRNO(sigqueue(getpid(), 4711, (union sigval){0}), EINVAL);
    CHECK_ERRNO(kill(getpid(), 4711), EINVAL);
    CHECK_ERRNO(kill(0x3fffffff, 0), ESRCH);
    CHECK_EQ(kill(getpid(), 0), 0);
    CHECK_EQ(sigqueue(getpid(), 0, (union sigval){0}), 0);
}
// From another process.
LONE(from_another_process)
{
    set(SIGUSR1, counting);
    pthread_t t = start(wait_go, NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        _exit(kill(parent, SIGUSR1));
    until(&count);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    go = 1;
    finish(t);
}
// Default actions end the process, whichever thread it is sent to.
static void *raise_it(void *arg)
{
    raise((int)(long)arg);
    return NULL;
}
static void dies_by(int sig, int how)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct { long a, b; } none = {0, 0};
        (void)none;
        pthread_t t = start(how == 1 ? raise_it : park_forever, (void *)(long)sig);
        if (how == 0)
            kill(getpid(), sig);
        if (how == 2)
            pthread_kill(t, sig);
        for (;;)
            pause();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), sig);
}
LONE(kill_term_ends) { dies_by(SIGTERM, 0); }
LONE(raise_hup_ends) { dies_by(SIGHUP, 1); }
LONE(pthread_kill_usr1_ends) { dies_by(SIGUSR1, 2); }
LONE(kill_kill_ends) { dies_by(SIGKILL, 0); }
LONE(raise_abrt_ends) { dies_by(SIGABRT, 1); }
LONE(pthread_kill_rt_ends) { dies_by(SIGRTMIN + 3, 2); }
LONE(raise_segv_ends) { dies_by(SIGSEGV, 1); }
// Stop and continue: the whole process.
LONE(stop_and_continue)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t = start(raise_it, (void *)(long)SIGSTOP);
        finish(t);
        _exit(4);
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 4);
}
