// Creation, joining, detaching, identity, ends.
#include "suite.h"
#include <limits.h>

static atomic_int go, in;
static void *give(void *arg) { return arg; }
static void *wait_go(void *arg)
{
    atomic_fetch_add(&in, 1);
    until(&go);
    return arg;
}
static pthread_t waiting(void)
{
    atomic_store(&go, 0);
    atomic_store(&in, 0);
    return start(wait_go, &go);
}
static void let_go(void) { atomic_store(&go, 1); }

// pthread_create: "The thread is created executing start_routine with arg as its sole argument"; pthread_join gives the value.
CASE(argument_and_result) { CHECK(finish(start(give, &go)) == &go); }
// pthread_join: value_ptr may be NULL.
CASE(join_without_result) { CHECK_EQ(pthread_join(start(give, NULL), NULL), 0); }
// pthread_join: [EDEADLK] "A deadlock was detected": oneself.
CASE(join_self) { CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK); }
static void *join_me(void *arg) { (void)arg; return (void *)(long)pthread_join(pthread_self(), NULL); }
CASE(join_self_in_thread) { CHECK_EQ((long)finish(start(join_me, NULL)), EDEADLK); }
static pthread_t main_thread;
// pthread_join: [EINVAL] a thread that is not joinable.
CASE(join_detached)
{
    pthread_t t = waiting();
    CHECK_EQ(pthread_detach(t), 0);
    CHECK_EQ(pthread_join(t, NULL), EINVAL);
    let_go();
}
// pthread_detach: [EINVAL] not joinable.
CASE(detach_twice)
{
    pthread_t t = waiting();
    CHECK_EQ(pthread_detach(t), 0);
    CHECK_EQ(pthread_detach(t), EINVAL);
    let_go();
}
static void *join_arg(void *arg) { return (void *)(long)pthread_join(*(pthread_t *)arg, NULL); }
// pthread_detach of one that has ended frees it; of the caller too.
static void *detach_self(void *arg) { CHECK_EQ(pthread_detach(pthread_self()), 0); atomic_store((atomic_int *)arg, 1); return NULL; }
CASE(detach_self_then_end)
{
    static atomic_int done;
    start(detach_self, &done);
    until(&done);
}
CASE(detach_after_the_end)
{
    for (int i = 0; i < 20; i++) {
        pthread_t t = start(give, NULL);
        settle();
        CHECK_EQ(pthread_detach(t), 0);
    }
}
// pthread_join: "suspend execution of the calling thread until the target thread terminates".
CASE(join_waits)
{
    pthread_t t = waiting();
    pthread_t j = start(join_arg, &t);
    settle();
    CHECK_EQ(pthread_tryjoin_np(j, NULL), EBUSY);
    let_go();
    CHECK_EQ((long)finish(j), 0);
}
// pthread_timedjoin_np(3), pthread_clockjoin_np: ETIMEDOUT; the thread remains joinable.
CASE(timedjoin)
{
    pthread_t t = waiting();
    struct timespec at = in_ms(CLOCK_REALTIME, 2), mono = in_ms(CLOCK_MONOTONIC, 4);
    CHECK_EQ(pthread_timedjoin_np(t, NULL, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &mono), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, mono));
    let_go();
    CHECK(finish(t) == &go);
}
// pthread_self, pthread_equal.
static void *self(void *arg) { *(pthread_t *)arg = pthread_self(); return NULL; }
CASE(self_and_equal)
{
    pthread_t inside, t = start(self, &inside);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(pthread_equal(t, inside));
    CHECK(!pthread_equal(t, pthread_self()));
    CHECK(pthread_equal(pthread_self(), pthread_self()));
}
// Thread numbers differ between live threads and stay the same in one.
static void *number(void *arg)
{
    pid_t me = gettid();
    atomic_fetch_add(&in, 1);
    until(&go);
    CHECK_EQ(gettid(), me);
    *(pid_t *)arg = me;
    return NULL;
}
CASE(numbers_differ)
{
    pthread_t t[10];
    pid_t n[11] = {gettid()};
    atomic_store(&go, 0);
    for (int i = 0; i < 10; i++)
        t[i] = start(number, &n[i + 1]);
    let_go();
    for (int i = 0; i < 10; i++)
        finish(t[i]);
    for (int i = 0; i < 11; i++)
        for (int k = 0; k < i; k++)
            CHECK(n[i] != n[k]);
    CHECK_EQ(n[0], getpid());
}
// pthread_create: "The signal mask shall be inherited from the creating thread. The set of signals pending for the new thread shall
// be empty."
static void *mask_and_pending(void *arg)
{
    sigset_t now, pending;
    (void)arg;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    CHECK_EQ(sigpending(&pending), 0);
    return (void *)(long)(sigismember(&now, SIGUSR1) * 10 + sigismember(&pending, SIGUSR1));
}
LONE(mask_inherited_pending_not)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ((long)finish(start(mask_and_pending, NULL)), 10);
}
// pthread_create: "The floating-point environment shall be inherited from the creating thread."
#include <fenv.h>
static void *rounding(void *arg) { (void)arg; return (void *)(long)fegetround(); }
CASE(floating_point_environment_inherited)
{
    CHECK_EQ(fesetround(FE_DOWNWARD), 0);
    CHECK_EQ((long)finish(start(rounding, NULL)), FE_DOWNWARD);
    CHECK_EQ(fesetround(FE_TONEAREST), 0);
    CHECK_EQ((long)finish(start(rounding, NULL)), FE_TONEAREST);
}
// The environment is the thread's own, across blocking.
static void *own_rounding(void *arg)
{
    int mode = arg ? FE_UPWARD : FE_TOWARDZERO;
    CHECK_EQ(fesetround(mode), 0);
    for (int i = 0; i < 3; i++) {
        settle();
        CHECK_EQ(fegetround(), mode);
    }
    return NULL;
}
CASE(floating_point_environment_own)
{
    pthread_t t[4];
    for (long i = 0; i < 4; i++)
        t[i] = start(own_rounding, (void *)(i % 2));
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}
// errno: "each thread shall have its own".
static void *own_errno(void *arg)
{
    errno = (int)(long)arg;
    for (int i = 0; i < 3; i++) {
        sched_yield();
        settle();
        CHECK_EQ(errno, (long)arg);
    }
    return NULL;
}
CASE(errno_is_the_threads)
{
    pthread_t t[5];
    errno = 99;
    for (long i = 0; i < 5; i++)
        t[i] = start(own_errno, (void *)(i + 1));
    for (int i = 0; i < 5; i++)
        finish(t[i]);
    CHECK_EQ(errno, 99);
}
// pthread_exit from depth: the value arrives.
static __attribute__((noinline)) void down(int n, void *v)
{
    volatile char pad[64];
    pad[0] = (char)n;
    if (n == 0)
        pthread_exit(v);
    if (n > 0)
        down(n - 1, v);
    pad[1] = pad[0];
}
static void *deep(void *arg) { down(500, arg); return NULL; }
CASE(exit_from_depth) { CHECK(finish(start(deep, &go)) == &go); }
// pthread_exit: cleanup handlers run, the last pushed first.
static char trace[16];
static void note(void *arg) { strcat(trace, arg); }
static void *exit_with_handlers(void *arg)
{
    pthread_cleanup_push(note, "a");
    pthread_cleanup_push(note, "b");
    pthread_cleanup_push(note, "x");
    pthread_cleanup_pop(0);
    down(3, arg);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}
CASE(exit_runs_handlers_in_order)
{
    trace[0] = 0;
    CHECK(finish(start(exit_with_handlers, trace)) == trace);
    CHECK(strcmp(trace, "ba") == 0);
}
// pthread_cleanup_pop: "invoke it (if execute is non-zero)".
static void *pop_execute(void *arg)
{
    pthread_cleanup_push(note, "1");
    pthread_cleanup_push(note, "2");
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(0);
    return arg;
}
CASE(cleanup_pop_execute)
{
    trace[0] = 0;
    finish(start(pop_execute, NULL));
    CHECK(strcmp(trace, "2") == 0);
}
// pthread_exit: "The process shall exit with an exit status of 0 after the last thread has been terminated."
static atomic_int *shared;
static void *outlive(void *arg)
{
    settle();
    settle();
    atomic_store(shared, 1);
    return arg;
}
LONE(process_exits_0_with_its_last_thread)
{
    int status;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        start(outlive, NULL);
        pthread_exit((void *)7);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(atomic_load(shared), 1);
}
// The main thread can be joined after its pthread_exit.
static void *join_main_then_exit(void *arg)
{
    void *v = NULL;
    (void)arg;
    CHECK_EQ(pthread_join(main_thread, &v), 0);
    CHECK_EQ((long)v, 7);
    _exit(9);
}
LONE(main_thread_is_joined)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        main_thread = pthread_self();
        start(join_main_then_exit, NULL);
        pthread_exit((void *)7);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
}
// pthread_setname_np(3): 15 characters; ERANGE; its own and another's.
CASE(names)
{
    char got[16];
    pthread_t t = waiting();
    CHECK_EQ(pthread_setname_np(t, "fifteen-letters"), 0);
    CHECK_EQ(pthread_getname_np(t, got, sizeof got), 0);
    CHECK(strcmp(got, "fifteen-letters") == 0);
    CHECK_EQ(pthread_setname_np(t, "sixteen--letters"), ERANGE);
    CHECK_EQ(pthread_getname_np(t, got, 15), ERANGE);
    let_go();
    finish(t);
}
// A new thread has its creator's name (the kernel's clone).
static void *my_name(void *arg) { CHECK_EQ(pthread_getname_np(pthread_self(), arg, 16), 0); return NULL; }
static void *named_creator(void *arg)
{
    CHECK_EQ(pthread_setname_np(pthread_self(), "creator"), 0);
    finish(start(my_name, arg));
    return NULL;
}
CASE(name_inherited)
{
    char got[16];
    finish(start(named_creator, got));
    CHECK(strcmp(got, "creator") == 0);
}
// pthread_kill: sig 0: "error checking is performed but no signal is actually sent".
CASE(kill_0)
{
    pthread_t t = waiting();
    CHECK_EQ(pthread_kill(t, 0), 0);
    CHECK_EQ(pthread_kill(t, 4711), EINVAL);
    let_go();
    finish(t);
}
// pthread_getconcurrency: "the value set by a previous call to pthread_setconcurrency()"; 0 at first; [EINVAL] negative.
LONE(concurrency)
{
    CHECK_EQ(pthread_getconcurrency(), 0);
    CHECK_EQ(pthread_setconcurrency(4), 0);
    CHECK_EQ(pthread_getconcurrency(), 4);
    CHECK_EQ(pthread_setconcurrency(-1), EINVAL);
}
// pthread_getschedparam: an ordinary thread is SCHED_OTHER, priority 0.
CASE(getschedparam)
{
    struct sched_param p = {.sched_priority = 77};
    pthread_t t = waiting();
    int policy = -1;
    CHECK_EQ(pthread_getschedparam(t, &policy, &p), 0);
    CHECK_EQ(policy, SCHED_OTHER);
    CHECK_EQ(p.sched_priority, 0);
    CHECK_EQ(pthread_setschedparam(t, SCHED_OTHER, &p), 0);
    p.sched_priority = 5;
    CHECK_EQ(pthread_setschedparam(t, SCHED_OTHER, &p), EINVAL);
    let_go();
    finish(t);
}
// pthread_getcpuclockid: a clock that can be read.
CASE(getcpuclockid)
{
    pthread_t t = waiting();
    struct timespec ts;
    clockid_t c;
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &c), 0);
    CHECK_EQ(clock_gettime(c, &ts), 0);
    CHECK_EQ(pthread_getcpuclockid(t, &c), 0);
    CHECK_EQ(clock_gettime(c, &ts), 0);
    let_go();
    finish(t);
}
// Threads make threads.
static atomic_int made;
static void *tree(void *arg)
{
    long n = (long)arg;
    atomic_fetch_add(&made, 1);
    if (n > 0) {
        pthread_t l = start(tree, (void *)(n - 1)), r = start(tree, (void *)(n - 1));
        finish(l);
        finish(r);
    }
    return NULL;
}
CASE(threads_make_threads)
{
    atomic_store(&made, 0);
    finish(start(tree, (void *)5));
    CHECK_EQ(atomic_load(&made), 63);
}
