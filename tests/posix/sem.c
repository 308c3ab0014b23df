// Semaphores: unnamed, shared, named.
#include "suite.h"
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>

static sem_t s;
static void fresh(unsigned value) { CHECK_EQ(sem_init(&s, 0, value), 0); }
static int value(sem_t *p)
{
    int v;
    CHECK_EQ(sem_getvalue(p, &v), 0);
    return v;
}
static void *wait_one(void *p) { return (void *)(long)sem_wait(p); }

// sem_init: "The value of the initialized semaphore shall be value."
CASE(init_value)
{
    fresh(5);
    CHECK_EQ(value(&s), 5);
    CHECK_EQ(sem_destroy(&s), 0);
}
// sem_init: [EINVAL] "The value argument exceeds {SEM_VALUE_MAX}."
CASE(init_too_large) { CHECK_ERRNO(sem_init(&s, 0, (unsigned)SEM_VALUE_MAX + 1), EINVAL); }

// sem_wait, sem_post: the value goes down and up.
CASE(wait_and_post_change_the_value)
{
    fresh(2);
    CHECK_EQ(sem_wait(&s), 0);
    CHECK_EQ(value(&s), 1);
    CHECK_EQ(sem_wait(&s), 0);
    CHECK_EQ(value(&s), 0);
    CHECK_EQ(sem_post(&s), 0);
    CHECK_EQ(value(&s), 1);
}
// sem_trywait: [EAGAIN] "The semaphore was already locked, so it cannot be immediately locked by the sem_trywait() operation."
CASE(trywait_eagain)
{
    fresh(1);
    CHECK_EQ(sem_trywait(&s), 0);
    CHECK_ERRNO(sem_trywait(&s), EAGAIN);
    CHECK_EQ(value(&s), 0);
}
// sem_post: [EOVERFLOW] "The maximum allowable value for a semaphore would be exceeded."
CASE(post_overflow)
{
    fresh(SEM_VALUE_MAX);
    CHECK_ERRNO(sem_post(&s), EOVERFLOW);
    CHECK_EQ(value(&s), SEM_VALUE_MAX);
}
// sem_wait: "If the semaphore value is currently zero, then the calling thread shall not return from the call to sem_wait() until it
// either locks the semaphore or the call is interrupted by a signal."
CASE(wait_blocks)
{
    fresh(0);
    pthread_t t = start(wait_one, &s);
    settle();
    CHECK_EQ(pthread_tryjoin_np(t, NULL), EBUSY);
    CHECK_EQ(sem_post(&s), 0);
    CHECK_EQ((long)finish(t), 0);
    CHECK_EQ(value(&s), 0);
}
// sem_post: "one of the threads blocked ... shall be allowed to return": n posts, n returns.
CASE(posts_release_each)
{
    pthread_t t[10];
    fresh(0);
    for (int i = 0; i < 10; i++)
        t[i] = start(wait_one, &s);
    settle();
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sem_post(&s), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ((long)finish(t[i]), 0);
    CHECK_EQ(value(&s), 0);
}
// sem_getvalue: "If sem is locked, then the object ... shall either be set to zero or to a negative number"; glibc: zero.
CASE(getvalue_with_waiters)
{
    fresh(0);
    pthread_t t = start(wait_one, &s);
    settle();
    CHECK_EQ(value(&s), 0);
    CHECK_EQ(sem_post(&s), 0);
    finish(t);
}
// sem_timedwait: [ETIMEDOUT], not before the time.
CASE(timedwait_times_out)
{
    fresh(0);
    struct timespec at = in_ms(CLOCK_REALTIME, 3);
    CHECK_ERRNO(sem_timedwait(&s, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
}
// sem_timedwait: "Under no circumstance shall the function fail with a timeout if the semaphore can be locked immediately. The
// validity of the abstime need not be checked if the semaphore can be locked immediately."
CASE(timedwait_free_is_immediate)
{
    struct timespec past = {1, 0};
    fresh(1);
    CHECK_EQ(sem_timedwait(&s, &past), 0);
    CHECK_ERRNO(sem_timedwait(&s, &past), ETIMEDOUT);
}
// sem_timedwait: [EINVAL] nanoseconds.
CASE(timedwait_bad_time)
{
    struct timespec big = {1, 1000000000}, negative = {1, -1};
    fresh(0);
    CHECK_ERRNO(sem_timedwait(&s, &big), EINVAL);
    CHECK_ERRNO(sem_timedwait(&s, &negative), EINVAL);
}
static void *timed_long(void *p)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    return (void *)(long)sem_timedwait(p, &at);
}
CASE(timedwait_obtains)
{
    fresh(0);
    pthread_t t = start(timed_long, &s);
    settle();
    CHECK_EQ(sem_post(&s), 0);
    CHECK_EQ((long)finish(t), 0);
}
// sem_clockwait: by the clock that is given.
CASE(clockwait)
{
    struct timespec at = in_ms(CLOCK_MONOTONIC, 2);
    fresh(1);
    CHECK_EQ(sem_clockwait(&s, CLOCK_MONOTONIC, &at), 0);
    CHECK_ERRNO(sem_clockwait(&s, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_ERRNO(sem_clockwait(&s, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
}
// sem_wait: [EINTR] "A signal interrupted this function."
static atomic_int ended;
static void nothing(int sig) { (void)sig; }
static void *wait_eintr(void *how)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    CHECK_ERRNO(how ? sem_timedwait(&s, &at) : sem_wait(&s), EINTR);
    atomic_store(&ended, 1);
    return NULL;
}
static void interrupted(void *how)
{
    struct sigaction a = {.sa_handler = nothing};
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    fresh(0);
    pthread_t t = start(wait_eintr, how);
    while (!atomic_load(&ended)) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        settle();
    }
    finish(t);
    CHECK_EQ(value(&s), 0);
}
LONE(wait_eintr_sem_wait) { interrupted(NULL); }
LONE(wait_eintr_sem_timedwait) { interrupted(&s); }

// sem_post: "shall be async-signal-safe and may be invoked from a signal-catching function."
static void post_it(int sig) { (void)sig; sem_post(&s); }
LONE(post_in_a_handler)
{
    struct sigaction a = {.sa_handler = post_it, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR2, &a, NULL), 0);
    fresh(0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(sem_wait(&s), 0);
    pthread_t t = start(wait_one, &s);
    settle();
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ((long)finish(t), 0);
}
// The same, sent to the thread that waits: SA_RESTART, and its own post lets it go on.
LONE(post_in_the_waiters_handler)
{
    struct sigaction a = {.sa_handler = post_it, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR2, &a, NULL), 0);
    fresh(0);
    pthread_t t = start(wait_one, &s);
    settle();
    CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
    CHECK_EQ((long)finish(t), 0);
}

// --- Shared and named ---

// sem_init: pshared non-zero: "the semaphore is shared between processes".
LONE(pshared_ping_pong)
{
    sem_t *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    CHECK_EQ(sem_init(&two[0], 1, 0), 0);
    CHECK_EQ(sem_init(&two[1], 1, 0), 0);
    pid_t pid = fork();
    for (int i = 0; i < 50; i++) {
        if (pid == 0) {
            CHECK_EQ((long)finish(start(wait_one, &two[0])), 0);
            CHECK_EQ(sem_post(&two[1]), 0);
        } else {
            CHECK_EQ(sem_post(&two[0]), 0);
            CHECK_EQ((long)finish(start(wait_one, &two[1])), 0);
        }
    }
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}
static char name[64];
static const char *own_name(const char *what)
{
    snprintf(name, sizeof name, "/vthr-%s-%d", what, (int)getpid());
    return name;
}
// sem_open: O_CREAT | O_EXCL: [EEXIST]; without O_CREAT: [ENOENT].
CASE(open_errors)
{
    const char *n = own_name("e");
    CHECK(sem_open(n, 0) == SEM_FAILED);
    CHECK_EQ(errno, ENOENT);
    sem_t *p = sem_open(n, O_CREAT | O_EXCL, 0600, 1);
    CHECK(p != SEM_FAILED);
    CHECK(sem_open(n, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(sem_unlink(n), 0);
    CHECK_ERRNO(sem_unlink(n), ENOENT);
    CHECK_EQ(sem_close(p), 0);
    CHECK(sem_open("/x", O_CREAT | O_EXCL, 0600, (unsigned)SEM_VALUE_MAX + 1) == SEM_FAILED);
    CHECK_EQ(errno, EINVAL);
}
// sem_open: "multiple successful calls to sem_open() with the same name ... shall return the same semaphore address".
CASE(open_same_address)
{
    const char *n = own_name("a");
    sem_t *p = sem_open(n, O_CREAT, 0600, 3), *q = sem_open(n, 0);
    CHECK(p != SEM_FAILED && p == q);
    CHECK_EQ(value(p), 3);
    CHECK_EQ(sem_close(p), 0);
    CHECK_EQ(value(q), 3);
    CHECK_EQ(sem_close(q), 0);
    CHECK_EQ(sem_unlink(n), 0);
}
// sem_unlink: "the name is removed ... destruction of the semaphore is postponed until all references ... have been closed".
CASE(unlink_keeps_the_open_one)
{
    const char *n = own_name("u");
    sem_t *p = sem_open(n, O_CREAT | O_EXCL, 0600, 0);
    CHECK(p != SEM_FAILED);
    CHECK_EQ(sem_unlink(n), 0);
    pthread_t t = start(wait_one, p);
    settle();
    CHECK_EQ(sem_post(p), 0);
    CHECK_EQ((long)finish(t), 0);
    CHECK_EQ(sem_close(p), 0);
}
// A named semaphore between processes, the other one a threaded one too.
LONE(named_between_processes)
{
    char other[64];
    int status;
    snprintf(other, sizeof other, "%s", own_name("p"));
    sem_t *a = sem_open(other, O_CREAT | O_EXCL, 0600, 0);
    sem_t *b = sem_open(own_name("q"), O_CREAT | O_EXCL, 0600, 0);
    CHECK(a != SEM_FAILED && b != SEM_FAILED);
    pid_t pid = fork();
    for (int i = 0; i < 30; i++) {
        if (pid == 0) {
            CHECK_EQ((long)finish(start(wait_one, a)), 0);
            CHECK_EQ(sem_post(b), 0);
        } else {
            CHECK_EQ(sem_post(a), 0);
            CHECK_EQ((long)finish(start(wait_one, b)), 0);
        }
    }
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(sem_unlink(other), 0);
    CHECK_EQ(sem_unlink(name), 0);
}
