// Read-write locks.
#include "suite.h"

static long on_other(void *(*fn)(void *), void *arg) { return (long)finish(start(fn, arg)); }
static void *tryrd(void *l)
{
    long r = pthread_rwlock_tryrdlock(l);
    return (void *)(r ? r : (long)pthread_rwlock_unlock(l));
}
static void *trywr(void *l)
{
    long r = pthread_rwlock_trywrlock(l);
    return (void *)(r ? r : (long)pthread_rwlock_unlock(l));
}
static void *rd(void *l)
{
    long r = pthread_rwlock_rdlock(l);
    return (void *)(r ? r : (long)pthread_rwlock_unlock(l));
}
static void *wr(void *l)
{
    long r = pthread_rwlock_wrlock(l);
    return (void *)(r ? r : (long)pthread_rwlock_unlock(l));
}
static pthread_rwlock_t fresh(void)
{
    pthread_rwlock_t l;
    CHECK_EQ(pthread_rwlock_init(&l, NULL), 0);
    return l;
}

// pthread_rwlock_rdlock: "The calling thread acquires the read lock if a writer does not hold the lock and there are no
// writers blocked on the lock."
CASE(readers_share)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    CHECK_EQ(on_other(rd, &l), 0);
    CHECK_EQ(on_other(tryrd, &l), 0);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
}

// pthread_rwlock_rdlock: "A thread may hold multiple concurrent read locks on rwlock ... must perform matching unlocks".
CASE(read_lock_several_times)
{
    pthread_rwlock_t l = fresh();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_rwlock_unlock(&l), 0);
        CHECK_EQ(on_other(trywr, &l), EBUSY);
    }
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(on_other(trywr, &l), 0);
}

// pthread_rwlock_trywrlock: "shall fail if any thread currently holds rwlock (for reading or writing)" [EBUSY].
CASE(trywrlock_busy)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    CHECK_EQ(on_other(trywr, &l), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(on_other(trywr, &l), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(on_other(trywr, &l), 0);
}

// pthread_rwlock_tryrdlock: [EBUSY] "a writer holds the lock".
CASE(tryrdlock_busy)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(on_other(tryrd, &l), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(on_other(tryrd, &l), 0);
}

// pthread_rwlock_wrlock, rdlock: [EDEADLK] "The current thread already owns the read-write lock for writing".
CASE(deadlock_is_told)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&l), EDEADLK);
    CHECK_EQ(pthread_rwlock_rdlock(&l), EDEADLK);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
}

// pthread_rwlock_wrlock: "Otherwise, the thread shall block until it can acquire the lock."
CASE(writer_waits_for_readers)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    pthread_t t = start(wr, &l);
    settle();
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(pthread_tryjoin_np(t, NULL), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ((long)finish(t), 0);
}
CASE(readers_wait_for_writer)
{
    pthread_rwlock_t l = fresh();
    pthread_t t[5];
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    for (int i = 0; i < 5; i++)
        t[i] = start(rd, &l);
    settle();
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_tryjoin_np(t[i], NULL), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ((long)finish(t[i]), 0);
}
CASE(writer_waits_for_writer)
{
    pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    pthread_t t = start(wr, &l), u = start(wr, &l);
    settle();
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ((long)finish(t), 0);
    CHECK_EQ((long)finish(u), 0);
}

// pthread_rwlock_timedwrlock, timedrdlock: [ETIMEDOUT], never before the time.
static void *timed_rd(void *l)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    long r = pthread_rwlock_timedrdlock(l, &at);
    CHECK(reached(CLOCK_REALTIME, at));
    return (void *)r;
}
static void *timed_wr(void *l)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    long r = pthread_rwlock_timedwrlock(l, &at);
    CHECK(reached(CLOCK_REALTIME, at));
    return (void *)r;
}
CASE(timed_out_behind_writer)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(on_other(timed_rd, &l), ETIMEDOUT);
    CHECK_EQ(on_other(timed_wr, &l), ETIMEDOUT);
}
CASE(timed_writer_out_behind_reader)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_rdlock(&l), 0);
    CHECK_EQ(on_other(timed_wr, &l), ETIMEDOUT);
    CHECK_EQ(on_other(tryrd, &l), 0); // the writer that gave up does not hold readers back
}

// pthread_rwlock_timedrdlock: "Under no circumstances shall the function fail with a timeout if the lock can be acquired
// immediately."
CASE(timed_free_is_immediate)
{
    pthread_rwlock_t l = fresh();
    struct timespec past = {1, 0};
    CHECK_EQ(pthread_rwlock_timedrdlock(&l, &past), 0);
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ(pthread_rwlock_timedwrlock(&l, &past), 0);
}

// pthread_rwlock_timedrdlock: [EINVAL] "The abstime nanosecond value is less than zero or greater than or equal to 1000 million."
static void *bad_rd(void *l)
{
    struct timespec at = {1, 1000000000};
    return (void *)(long)pthread_rwlock_timedrdlock(l, &at);
}
static void *bad_wr(void *l)
{
    struct timespec at = {1, -1};
    return (void *)(long)pthread_rwlock_timedwrlock(l, &at);
}
CASE(timed_bad_time)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(on_other(bad_rd, &l), EINVAL);
    CHECK_EQ(on_other(bad_wr, &l), EINVAL);
}

// pthread_rwlock_timedwrlock: [EDEADLK].
CASE(timed_deadlock)
{
    pthread_rwlock_t l = fresh();
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    CHECK_EQ(pthread_rwlock_timedwrlock(&l, &at), EDEADLK);
    CHECK_EQ(pthread_rwlock_timedrdlock(&l, &at), EDEADLK);
}

// pthread_rwlock_clockrdlock, clockwrlock: by the clock that is given; others are [EINVAL].
static void *clock_both(void *l)
{
    struct timespec at = in_ms(CLOCK_MONOTONIC, 2);
    CHECK_EQ(pthread_rwlock_clockrdlock(l, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_EQ(pthread_rwlock_clockwrlock(l, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_clockwrlock(l, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
    return NULL;
}
CASE(clock_locks)
{
    pthread_rwlock_t l = fresh();
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    finish(start(clock_both, &l));
}

// pthread_rwlock_unlock of many readers lets the writer in; then all go on: a mixed load keeps its invariant.
static int a, b;
static void *mixed(void *arg)
{
    for (int i = 0; i < 400; i++) {
        if (i % 8 == 0) {
            CHECK_EQ(pthread_rwlock_wrlock(arg), 0);
            a++;
            if (i % 64 == 0)
                sched_yield();
            b++;
        } else {
            CHECK_EQ(pthread_rwlock_rdlock(arg), 0);
            CHECK_EQ(a, b);
        }
        CHECK_EQ(pthread_rwlock_unlock(arg), 0);
    }
    return NULL;
}
CASE(mixed_load)
{
    pthread_rwlock_t l = fresh();
    pthread_t t[5];
    for (int i = 0; i < 5; i++)
        t[i] = start(mixed, &l);
    for (int i = 0; i < 5; i++)
        finish(t[i]);
    CHECK_EQ(a, 250);
    CHECK_EQ(pthread_rwlock_destroy(&l), 0);
}

// pthread_rwlockattr_setkind_np(3): with PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP a waiting writer goes before new readers.
static pthread_rwlock_t pw;
static atomic_int writer_in, reader_in;
static void *pw_writer(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_rwlock_wrlock(&pw), 0);
    CHECK_EQ(atomic_load(&reader_in), 0);
    atomic_store(&writer_in, 1);
    CHECK_EQ(pthread_rwlock_unlock(&pw), 0);
    return NULL;
}
static void *pw_reader(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_rwlock_rdlock(&pw), 0);
    atomic_store(&reader_in, 1);
    CHECK_EQ(atomic_load(&writer_in), 1);
    CHECK_EQ(pthread_rwlock_unlock(&pw), 0);
    return NULL;
}
CASE(prefer_writer)
{
    pthread_rwlockattr_t at;
    int kind = -1;
    CHECK_EQ(pthread_rwlockattr_init(&at), 0);
    CHECK_EQ(pthread_rwlockattr_getkind_np(&at, &kind), 0);
    CHECK_EQ(kind, PTHREAD_RWLOCK_PREFER_READER_NP);
    CHECK_EQ(pthread_rwlockattr_setkind_np(&at, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), 0);
    CHECK_EQ(pthread_rwlock_init(&pw, &at), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&pw), 0);
    pthread_t w = start(pw_writer, NULL);
    while (pthread_rwlock_tryrdlock(&pw) == 0) { // until the writer waits
        CHECK_EQ(pthread_rwlock_unlock(&pw), 0);
        settle();
    }
    pthread_t r = start(pw_reader, NULL);
    settle();
    CHECK_EQ(pthread_rwlock_unlock(&pw), 0);
    finish(w);
    finish(r);
}

// pthread_rwlockattr_setpshared.
CASE(attr_pshared)
{
    pthread_rwlockattr_t at;
    int v = -1;
    CHECK_EQ(pthread_rwlockattr_init(&at), 0);
    CHECK_EQ(pthread_rwlockattr_getpshared(&at, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_rwlockattr_setpshared(&at, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_rwlockattr_getpshared(&at, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_rwlockattr_setpshared(&at, 99), EINVAL);
    CHECK_EQ(pthread_rwlockattr_destroy(&at), 0);
}

// pthread_rwlock_rdlock: "If a signal is delivered to a thread waiting for a read-write lock ..., upon return from the signal
// handler the thread resumes waiting for the read-write lock ... as if it was not interrupted."
static atomic_int handled;
static void count_signal(int sig) { (void)sig; atomic_fetch_add(&handled, 1); }
LONE(signal_does_not_end_the_wait)
{
    struct sigaction s = {.sa_handler = count_signal};
    static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
    CHECK_EQ(sigaction(SIGUSR1, &s, NULL), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&l), 0);
    pthread_t t[2] = {start(rd, &l), start(wr, &l)};
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(pthread_kill(t[i % 2], SIGUSR1), 0);
        while (atomic_load(&handled) <= i)
            settle();
    }
    CHECK_EQ(pthread_rwlock_unlock(&l), 0);
    CHECK_EQ((long)finish(t[0]), 0);
    CHECK_EQ((long)finish(t[1]), 0);
}

// pthread_rwlockattr_setpshared: between processes.
struct shared {
    pthread_rwlock_t l;
    int a, b;
};
static void *shared_mixed(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 200; i++) {
        if (i % 4 == 0) {
            CHECK_EQ(pthread_rwlock_wrlock(&s->l), 0);
            s->a++;
            s->b++;
        } else {
            CHECK_EQ(pthread_rwlock_rdlock(&s->l), 0);
            CHECK_EQ(s->a, s->b);
        }
        CHECK_EQ(pthread_rwlock_unlock(&s->l), 0);
    }
    return NULL;
}
LONE(pshared_between_processes)
{
    struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_rwlockattr_t at;
    int status;
    CHECK_EQ(pthread_rwlockattr_init(&at), 0);
    CHECK_EQ(pthread_rwlockattr_setpshared(&at, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_rwlock_init(&s->l, &at), 0);
    pid_t pid = fork();
    pthread_t t[2] = {start(shared_mixed, s), start(shared_mixed, s)};
    finish(t[0]);
    finish(t[1]);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(s->a, 200);
}
