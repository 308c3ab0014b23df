// Not working under the shim (docs/compatibility.md): the kernel does not know a virtual thread's number.
#include "../suite.h"

static atomic_int locked, leave;
static void *hold_until_told(void *m)
{
    CHECK_EQ(pthread_mutex_lock(m), 0);
    atomic_store(&locked, 1);
    until(&leave);
    return NULL;
}

// pthread_mutex_lock: [EOWNERDEAD] "the process containing the previous owning thread terminated while holding the mutex lock":
// held by a thread that is not the main one.
LONE(robust_process_died_thread_held)
{
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t a;
    int status;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(m, &a), 0);
    pid_t pid = fork();
    if (pid == 0) {
        start(hold_until_told, m);
        until(&locked);
        _exit(3);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
}

// pthread_mutexattr_setprotocol: PTHREAD_PRIO_INHERIT between processes, contended.
static void *count(void *arg)
{
    struct { pthread_mutex_t m; int n; } *s = arg;
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(pthread_mutex_lock(&s->m), 0);
        s->n++;
        if (i % 16 == 0)
            sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
    }
    return NULL;
}
LONE(inherit_pshared_contended)
{
    struct { pthread_mutex_t m; int n; } *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t a;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(&s->m, &a), 0);
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = start(count, s);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
    CHECK_EQ(s->n, 900);
}
