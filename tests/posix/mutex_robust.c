// Mutexes: robust ones, and those that processes share.
#include "mutex.h"
#include <semaphore.h>

static pthread_mutex_t robust(int type, int shared)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, shared), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    return m;
}
static void abandon(pthread_mutex_t *m) { CHECK_EQ(elsewhere(lock_it, m), 0); }

// pthread_mutex_lock: [EOWNERDEAD] "The mutex is a robust mutex and the process [thread] containing the previous owning thread
// terminated while holding the mutex lock. The mutex lock shall be acquired by the calling thread".
static pthread_mutex_t rm;
LONE(robust_owner_dead)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(elsewhere(trylock_it, &rm), EBUSY);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(lock_unlock, &rm), 0);
}

// pthread_mutex_trylock and timedlock: [EOWNERDEAD] too.
LONE(robust_owner_dead_trylock)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_trylock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}
LONE(robust_owner_dead_timedlock)
{
    rm = robust(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PROCESS_PRIVATE);
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_timedlock(&rm, &at), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_unlock of an inconsistent one: "the mutex ... shall become permanently unusable" and lock gives [ENOTRECOVERABLE].
LONE(robust_not_recoverable)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(pthread_mutex_lock(&rm), ENOTRECOVERABLE);
    CHECK_EQ(elsewhere(lock_it, &rm), ENOTRECOVERABLE); // not trylock: glibc's leaves the mutex locked
}

// pthread_mutex_consistent: [EINVAL] "The mutex object referenced by mutex is not robust or does not protect an inconsistent state."
LONE(consistent_einval)
{
    pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER;
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_mutex_consistent(&n), EINVAL);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(pthread_mutex_consistent(&rm), EINVAL);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_unlock: [EPERM] "... or the mutex is a robust mutex, and the current thread does not own the mutex."
LONE(robust_unlock_by_other_is_eperm)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(elsewhere(unlock_it, &rm), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
}

// pthread_mutex_lock: a waiter is told when the owner ends while it waits.
static atomic_int locked, leave;
static void *hold_until_told(void *m)
{
    CHECK_EQ(pthread_mutex_lock(m), 0);
    atomic_store(&locked, 1);
    until(&leave);
    return NULL;
}
LONE(robust_waiter_learns)
{
    rm = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE);
    pthread_t owner = start(hold_until_told, &rm);
    until(&locked);
    pthread_t waiter = start(lock_it, &rm);
    settle();
    atomic_store(&leave, 1);
    CHECK_EQ((long)finish(waiter), EOWNERDEAD);
    finish(owner);
}

// The same by pthread_exit, by cancellation and for several mutexes held at the end.
static pthread_mutex_t many[5];
static void *hold_many(void *how)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_mutex_lock(&many[i]), 0);
    if (how)
        pthread_exit(NULL);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return NULL;
}
LONE(robust_several_by_exit_and_cancel)
{
    for (long how = 0; how < 2; how++) {
        for (int i = 0; i < 5; i++)
            many[i] = robust(PTHREAD_MUTEX_NORMAL, i % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
        finish(start(hold_many, (void *)how));
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(pthread_mutex_trylock(&many[i]), EOWNERDEAD);
            CHECK_EQ(pthread_mutex_consistent(&many[i]), 0);
            CHECK_EQ(pthread_mutex_unlock(&many[i]), 0);
        }
    }
}

// pthread_mutex_lock: recursive robust: after EOWNERDEAD and consistent, it counts as ever.
LONE(robust_recursive)
{
    rm = robust(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PROCESS_PRIVATE);
    abandon(&rm);
    CHECK_EQ(pthread_mutex_lock(&rm), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&rm), 0);
    CHECK_EQ(pthread_mutex_lock(&rm), 0);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(trylock_it, &rm), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&rm), 0);
    CHECK_EQ(elsewhere(lock_unlock, &rm), 0);
}

// pthread_mutex_unlock: "shall release the mutex object referenced by mutex", also one that the initial thread locked before there was
// another one, and that others wait for by now.
static sem_t waiting;
static void *wait_for_usr1(void *arg)
{
    sigset_t s;
    int sig;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK_EQ(sem_post(&waiting), 0);
    CHECK_EQ(sigwait(&s, &sig), 0);
    return arg;
}
static void held_from_the_beginning(int robust, int shared, int protocol)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    pthread_t t[4], waiter[2];
    sigset_t s;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, robust), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, shared), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&a, protocol), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    CHECK_EQ(sem_init(&waiting, 0, 0), 0);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);

    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_trylock(&m), 0);
    for (int i = 0; i < 4; i++) {
        t[i] = start(wait_for_usr1, NULL);
        CHECK_EQ(sem_wait(&waiting), 0);
    }
    settle();
    for (int i = 0; i < 2; i++)
        waiter[i] = start(lock_unlock, &m);
    settle();
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    settle();
    CHECK_EQ(elsewhere(trylock_it, &m), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ((long)finish(waiter[i]), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), EPERM);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_kill(t[i], SIGUSR1), 0);
        finish(t[i]);
    }
    CHECK_EQ(elsewhere(lock_unlock, &m), 0);
}
LONE(held_from_the_beginning_robust)
{
    held_from_the_beginning(PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
}
LONE(held_from_the_beginning_robust_inherit)
{
    held_from_the_beginning(PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT);
}
LONE(held_from_the_beginning_shared_inherit)
{
    held_from_the_beginning(PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_INHERIT);
}

// --- Between processes ---

static void *shared_page(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
static void child_ends(pid_t pid, int code)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

// pthread_mutexattr_setpshared: "PTHREAD_PROCESS_SHARED to permit a mutex to be operated upon by any thread that has access to
// the memory where the mutex is allocated".
struct both {
    pthread_mutex_t m;
    pthread_cond_t c;
    int n;
};
static void *shared_count(void *arg)
{
    struct both *b = arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&b->m);
        b->n++;
        pthread_mutex_unlock(&b->m);
    }
    return NULL;
}
LONE(pshared_counts_between_processes)
{
    struct both *b = shared_page();
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutex_init(&b->m, &a), 0);
    pid_t pid = fork();
    pthread_t t[2] = {start(shared_count, b), start(shared_count, b)};
    finish(t[0]);
    finish(t[1]);
    if (pid == 0)
        _exit(7);
    child_ends(pid, 7);
    CHECK_EQ(b->n, 2000);
}

// pthread_mutex_lock: [EOWNERDEAD] "the process containing the previous owning thread terminated while holding the mutex lock".
LONE(robust_process_died_main_held)
{
    pthread_mutex_t *m = shared_page();
    *m = robust(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_SHARED);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(pthread_mutex_lock(m), 0);
        _exit(3);
    }
    child_ends(pid, 3);
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
}
