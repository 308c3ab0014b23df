// Objects in shared memory that know their owner: mutexes of all such kinds and rwlocks, between threads of two processes; what a process
// that dies, or a thread that ends, leaves locked.
#include "check.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 150, THREADS = 2 };

static struct shared {
    pthread_mutex_t m, gate;
    pthread_rwlock_t rw;
    pthread_cond_t c;
    long counter, inside;
    atomic_int held, turn;
} *s;

static void make_mutex(pthread_mutex_t *m, int type, int robust, int protocol, int shared)
{
    pthread_mutexattr_t a;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, robust), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&a, protocol), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, shared), 0);
    CHECK_EQ(pthread_mutex_init(m, &a), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&a), 0);
}

// fn runs in THREADS threads of this process and of a child.
static void in_two_processes(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    int status;
    s->counter = s->inside = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(fn, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(s->counter, 2 * THREADS * ROUNDS);
}

static void visit(void)
{
    CHECK_EQ(s->inside++, 0);
    if (s->counter % 4 == 0)
        sched_yield();
    s->counter++;
    s->inside--;
}
static void *by_mutex(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(pthread_mutex_lock(&s->m), 0);
        visit();
        CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
        if (i % 8 == 0)
            usleep(50);
    }
    return arg;
}
static void *by_recursion(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(pthread_mutex_lock(&s->m), 0);
        CHECK_EQ(pthread_mutex_trylock(&s->m), 0);
        visit();
        CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
        CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
        CHECK_EQ(pthread_mutex_unlock(&s->m), EPERM);
    }
    return arg;
}
static void *by_rwlock(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(pthread_rwlock_wrlock(&s->rw), 0);
        visit();
        usleep(1);
        CHECK_EQ(pthread_rwlock_unlock(&s->rw), 0);
        CHECK_EQ(pthread_rwlock_rdlock(&s->rw), 0);
        CHECK_EQ(s->inside, 0);
        CHECK_EQ(pthread_rwlock_unlock(&s->rw), 0);
    }
    return arg;
}
// The mutex's own kind, given up in a wait.
static void *by_condition(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        CHECK_EQ(pthread_mutex_lock(&s->m), 0);
        visit();
        if (i % 16 == 0) {
            int r = pthread_cond_timedwait(&s->c, &s->m, &soon);
            CHECK(r == 0 || r == ETIMEDOUT);
            CHECK_EQ(s->inside, 0);
        }
        CHECK_EQ(pthread_cond_signal(&s->c), 0);
        CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
    }
    return arg;
}

static void *holds(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&s->m), 0);
    sched_yield();
    usleep(100);
    atomic_store(&s->held, 1);
    return arg;
}
static void *holds_for_ever(void *arg)
{
    holds(arg);
    for (;;)
        pause();
    return arg;
}
static void *recovers(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&s->m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&s->m), 0);
    CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
    CHECK_EQ(pthread_mutex_lock(&s->m), 0);
    CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
    return arg;
}
static void process_dies(void)
{
    int status;
    atomic_store(&s->held, 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        start(holds_for_ever, NULL);
        for (;;)
            pause();
    }
    while (!atomic_load(&s->held))
        usleep(200);
    pthread_t waits = start(recovers, NULL); // before or after the end
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    finish(waits);
}

int main(void)
{
    pthread_condattr_t ca;
    pthread_rwlockattr_t ra;
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    CHECK_EQ(pthread_condattr_init(&ca), 0);
    CHECK_EQ(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_cond_init(&s->c, &ca), 0);
    CHECK_EQ(pthread_rwlockattr_init(&ra), 0);
    CHECK_EQ(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_rwlock_init(&s->rw, &ra), 0);

    in_two_processes(by_rwlock);
    printf("rwlock\n");
    for (int robust = 0; robust < 2; robust++)
        for (int inherit = 0; inherit < 2; inherit++) {
            int protocol = inherit ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;
            make_mutex(&s->m, PTHREAD_MUTEX_NORMAL, robust, protocol, PTHREAD_PROCESS_SHARED);
            in_two_processes(by_mutex);
            in_two_processes(by_condition);
            make_mutex(&s->m, PTHREAD_MUTEX_RECURSIVE, robust, protocol, PTHREAD_PROCESS_SHARED);
            in_two_processes(by_recursion);
            printf("robust %d, inherits %d\n", robust, inherit);
        }
    for (int inherit = 0; inherit < 2; inherit++)
        for (int i = 0; i < 3; i++) {
            make_mutex(&s->m, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, inherit ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE,
                       PTHREAD_PROCESS_SHARED);
            process_dies();
        }
    printf("processes died\n");
    return 0;
}
