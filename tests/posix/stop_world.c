// Stopping all threads by signals, as garbage collectors do: each acknowledges in its handler and waits there in sigsuspend for the
// restart.  Handlers may call async-signal-safe functions: sem_post, sigsuspend.
//
// Ten thousand threads, or as many as the system lets a process have.
#define SUITE_LIMIT_MS 90000 // they are many natively, too
#include "suite.h"
#include <semaphore.h>

#define STOP SIGRTMIN
#define RESTART (SIGRTMIN + 1)
enum { THREADS = 10000, AT_LEAST = 500 };
static sem_t acks;
static atomic_int restarted, ready, end;
static int never[2]; // nobody writes into it until the end
static sem_t done;
static pthread_t threads[THREADS];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void on_restart(int sig) { (void)sig; }
static void on_stop(int sig)
{
    sigset_t wait;
    int epoch = restarted;
    (void)sig;
    sem_post(&acks);
    sigfillset(&wait);
    sigdelset(&wait, RESTART);
    while (restarted == epoch)
        sigsuspend(&wait);
    sem_post(&acks);
}
static void *parked(void *arg)
{
    pthread_mutex_lock(&m);
    ready++;
    while (!end)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    return arg;
}
// In one of the calls that wait; the handler's return must not end it (SA_RESTART; sem_wait is restarted by the caller).
static void *parked_somewhere(void *arg)
{
    char c;
    switch ((long)arg % 3) {
    case 0:
        ready++;
        CHECK_EQ(read(never[0], &c, 1), 1);
        break;
    case 1:
        ready++;
        while (sem_wait(&done) != 0)
            CHECK_EQ(errno, EINTR);
        break;
    default:
        return parked(arg);
    }
    return arg;
}
static void *computing(void *arg)
{
    ready++;
    while (!end)
        ;
    return arg;
}
static void wait_all(int n)
{
    for (int i = 0; i < n; i++)
        while (sem_wait(&acks) != 0)
            CHECK_EQ(errno, EINTR);
}
static void end_all(int n)
{
    pthread_mutex_lock(&m);
    end = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(write(never[1], "", 1), 1);
        CHECK_EQ(sem_post(&done), 0);
    }
}
static int make_threads(int n, void *(*first)(void *), void *(*other)(void *))
{
    pthread_attr_t at;
    int made, r = 0;
    CHECK_EQ(pthread_attr_init(&at), 0);
    CHECK_EQ(pthread_attr_setstacksize(&at, 65536), 0);
    for (made = 0; made < n && !r; made += !r)
        r = pthread_create(&threads[made], &at, made ? other : first, (void *)(long)made);
    CHECK(r == 0 || (r == EAGAIN && made >= AT_LEAST));
    return made;
}
static void stop_world(int n, void *(*first)(void *), void *(*other)(void *))
{
    struct sigaction a = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    CHECK_EQ(sem_init(&acks, 0, 0), 0);
    CHECK_EQ(sem_init(&done, 0, 0), 0);
    CHECK_EQ(pipe(never), 0);
    sigfillset(&a.sa_mask);
    CHECK_EQ(sigaction(STOP, &a, NULL), 0);
    a.sa_handler = on_restart;
    CHECK_EQ(sigaction(RESTART, &a, NULL), 0);
    n = make_threads(n, first, other);
    while (ready < n)
        settle();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < n; i++)
            CHECK_EQ(pthread_kill(threads[i], STOP), 0);
        wait_all(n);
        restarted++;
        for (int i = 0; i < n; i++)
            CHECK_EQ(pthread_kill(threads[i], RESTART), 0);
        wait_all(n);
    }
    end_all(n);
    for (int i = 0; i < n; i++)
        finish(threads[i]);
}
LONE(ten_thousand_parked) { stop_world(THREADS, parked_somewhere, parked_somewhere); }
LONE(parked_and_one_computing) { stop_world(50, computing, parked); }
