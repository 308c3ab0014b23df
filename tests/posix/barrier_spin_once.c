// Barriers, spin locks, pthread_once.
#include "suite.h"

// --- Barriers ---

static pthread_barrier_t bar;
static atomic_int arrived, serial, rounds_ok;

static void *pass_once(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    int r = pthread_barrier_wait(&bar);
    CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
    CHECK_EQ(atomic_load(&arrived), 8);
    atomic_fetch_add(&serial, r == PTHREAD_BARRIER_SERIAL_THREAD);
    return NULL;
}
// pthread_barrier_wait: "the constant PTHREAD_BARRIER_SERIAL_THREAD shall be returned to one unspecified thread and zero shall be
// returned to each of the remaining threads."
CASE(barrier_one_serial_thread)
{
    pthread_t t[8];
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 8), 0);
    for (int i = 0; i < 8; i++)
        t[i] = start(pass_once, NULL);
    for (int i = 0; i < 8; i++)
        finish(t[i]);
    CHECK_EQ(atomic_load(&serial), 1);
    CHECK_EQ(pthread_barrier_destroy(&bar), 0);
}

// pthread_barrier_wait: "At this point, the barrier shall be reset to the state it had as a result of the most recent
// pthread_barrier_init": used again at once.
static int phase[4];
static void *many_rounds(void *arg)
{
    long me = (long)arg;
    for (int i = 0; i < 100; i++) {
        phase[me] = i;
        pthread_barrier_wait(&bar);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(phase[k], i);
        if (pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&rounds_ok, 1);
    }
    return NULL;
}
CASE(barrier_reused_at_once)
{
    pthread_t t[4];
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 4), 0);
    for (long i = 0; i < 4; i++)
        t[i] = start(many_rounds, (void *)i);
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    CHECK_EQ(atomic_load(&rounds_ok), 100);
    CHECK_EQ(pthread_barrier_destroy(&bar), 0);
}

// pthread_barrier_init: a count of one: each wait is complete.
CASE(barrier_of_one)
{
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 1), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_barrier_wait(&bar), PTHREAD_BARRIER_SERIAL_THREAD);
    CHECK_EQ(pthread_barrier_destroy(&bar), 0);
}

// pthread_barrier_init: [EINVAL] "The value specified by count is equal to zero."
CASE(barrier_of_zero_is_einval) { CHECK_EQ(pthread_barrier_init(&bar, NULL, 0), EINVAL); }

// pthread_barrier_destroy right after the wait, by the serial thread, and the memory used otherwise (glibc: destroy waits).
static void *serial_destroys(void *arg)
{
    pthread_barrier_t *b = arg;
    if (pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD) {
        CHECK_EQ(pthread_barrier_destroy(b), 0);
        memset(b, 0x77, sizeof *b);
    }
    return NULL;
}
CASE(barrier_destroyed_by_serial_thread)
{
    for (int round = 0; round < 20; round++) {
        pthread_t t[4];
        CHECK_EQ(pthread_barrier_init(&bar, NULL, 4), 0);
        for (int i = 0; i < 4; i++)
            t[i] = start(serial_destroys, &bar);
        for (int i = 0; i < 4; i++)
            finish(t[i]);
    }
}

// pthread_barrierattr_setpshared, getpshared.
CASE(barrierattr_pshared)
{
    pthread_barrierattr_t a;
    int v = -1;
    CHECK_EQ(pthread_barrierattr_init(&a), 0);
    CHECK_EQ(pthread_barrierattr_getpshared(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_barrierattr_getpshared(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_barrierattr_setpshared(&a, 99), EINVAL);
}

// PTHREAD_PROCESS_SHARED: threads of two processes meet.
static void *shared_rounds(void *arg)
{
    for (int i = 0; i < 20; i++)
        CHECK(pthread_barrier_wait(arg) <= 0);
    return NULL;
}
LONE(barrier_between_processes)
{
    pthread_barrier_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t a;
    int status;
    CHECK_EQ(pthread_barrierattr_init(&a), 0);
    CHECK_EQ(pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_barrier_init(b, &a, 4), 0);
    pid_t pid = fork();
    pthread_t t[2] = {start(shared_rounds, b), start(shared_rounds, b)};
    finish(t[0]);
    finish(t[1]);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

// pthread_barrier_wait: "If a signal is delivered to a thread blocked on a barrier, upon return from the signal handler the thread
// shall resume waiting at the barrier if the barrier wait has not completed".
static atomic_int handled, through;
static void count_signal(int sig) { (void)sig; atomic_fetch_add(&handled, 1); }
static void *wait_bar(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&bar);
    atomic_store(&through, 1);
    return NULL;
}
LONE(barrier_signal_does_not_end_the_wait)
{
    struct sigaction a = {.sa_handler = count_signal};
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 2), 0);
    pthread_t t = start(wait_bar, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        while (atomic_load(&handled) <= i)
            settle();
    }
    CHECK_EQ(atomic_load(&through), 0);
    CHECK(pthread_barrier_wait(&bar) <= 0);
    finish(t);
}

// --- Spin locks ---

static pthread_spinlock_t sl;
static int spun;
static void *spin_count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        CHECK_EQ(pthread_spin_lock(&sl), 0);
        spun++;
        CHECK_EQ(pthread_spin_unlock(&sl), 0);
    }
    return NULL;
}
static void *spin_try(void *arg) { (void)arg; return (void *)(long)pthread_spin_trylock(&sl); }
// pthread_spin_lock: "shall lock the spin lock referenced by lock".
CASE(spin_excludes)
{
    pthread_t t[4];
    CHECK_EQ(pthread_spin_init(&sl, PTHREAD_PROCESS_PRIVATE), 0);
    for (int i = 0; i < 4; i++)
        t[i] = start(spin_count, NULL);
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    CHECK_EQ(spun, 12000);
    CHECK_EQ(pthread_spin_destroy(&sl), 0);
}
// pthread_spin_trylock: "shall fail if it is held"; [EBUSY] "A thread currently holds the lock."
CASE(spin_trylock_busy)
{
    CHECK_EQ(pthread_spin_init(&sl, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_spin_trylock(&sl), 0);
    CHECK_EQ(pthread_spin_trylock(&sl), EBUSY);
    CHECK_EQ((long)finish(start(spin_try, NULL)), EBUSY);
    CHECK_EQ(pthread_spin_unlock(&sl), 0);
    CHECK_EQ(pthread_spin_trylock(&sl), 0);
}
// pthread_spin_lock: "shall not return from the pthread_spin_lock() call until the lock becomes available"; any thread of a preempted
// holder's process must come to run.
static void *spin_once(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_spin_lock(&sl), 0);
    CHECK_EQ(pthread_spin_unlock(&sl), 0);
    return NULL;
}
CASE(spin_waits_for_sleeping_holder)
{
    pthread_t t[3];
    CHECK_EQ(pthread_spin_init(&sl, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(pthread_spin_lock(&sl), 0);
    for (int i = 0; i < 3; i++)
        t[i] = start(spin_once, NULL);
    settle();
    CHECK_EQ(pthread_tryjoin_np(t[0], NULL), EBUSY);
    CHECK_EQ(pthread_spin_unlock(&sl), 0);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
}

// --- pthread_once ---

static atomic_int inits;
static pthread_once_t once = PTHREAD_ONCE_INIT, slow_once = PTHREAD_ONCE_INIT, cancel_once = PTHREAD_ONCE_INIT,
                      inner_once = PTHREAD_ONCE_INIT, outer_once = PTHREAD_ONCE_INIT;
static void init(void) { atomic_fetch_add(&inits, 1); }
static void *call_once_fn(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_once(&once, init), 0);
    CHECK_EQ(atomic_load(&inits), 1);
    return NULL;
}
// pthread_once: "The first call to pthread_once() by any thread in a process, with a given once_control, shall call the
// init_routine with no arguments. Subsequent calls ... shall not call the init_routine."
CASE(once_calls_once)
{
    pthread_t t[10];
    for (int i = 0; i < 10; i++)
        t[i] = start(call_once_fn, NULL);
    for (int i = 0; i < 10; i++)
        finish(t[i]);
    CHECK_EQ(pthread_once(&once, init), 0);
    CHECK_EQ(atomic_load(&inits), 1);
}
// pthread_once: "On return from pthread_once(), init_routine shall have completed."
static atomic_int slow_done;
static void slow_init(void)
{
    settle();
    atomic_store(&slow_done, 1);
}
static void *slow(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_once(&slow_once, slow_init), 0);
    CHECK_EQ(atomic_load(&slow_done), 1);
    return NULL;
}
CASE(once_has_completed_on_return)
{
    pthread_t t[10];
    for (int i = 0; i < 10; i++)
        t[i] = start(slow, NULL);
    for (int i = 0; i < 10; i++)
        finish(t[i]);
}
// pthread_once: "if init_routine is a cancellation point and is canceled, the effect on once_control shall be as if
// pthread_once() was never called."
static atomic_int tries;
static void cancelled_init(void)
{
    if (atomic_fetch_add(&tries, 1) == 0) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
}
static void *run_cancelled(void *arg)
{
    (void)arg;
    pthread_once(&cancel_once, cancelled_init);
    return NULL;
}
CASE(once_cancelled_counts_as_never_called)
{
    CHECK(finish(start(run_cancelled, NULL)) == PTHREAD_CANCELED);
    CHECK(finish(start(run_cancelled, NULL)) == NULL);
    CHECK_EQ(atomic_load(&tries), 2);
    CHECK_EQ(pthread_once(&cancel_once, cancelled_init), 0);
    CHECK_EQ(atomic_load(&tries), 2);
}
// pthread_once of another control within an init routine.
static void inner(void) { atomic_fetch_add(&inits, 100); }
static void outer(void) { CHECK_EQ(pthread_once(&inner_once, inner), 0); }
CASE(once_nested)
{
    atomic_store(&inits, 0);
    CHECK_EQ(pthread_once(&outer_once, outer), 0);
    CHECK_EQ(atomic_load(&inits), 100);
}
