// Stopping all threads by signals, as garbage collectors do: each acknowledges in its handler and waits there in sigsuspend for the
// restart.  Handlers may call async-signal-safe functions: sem_post, sigsuspend.
#include "suite.h"
#include <semaphore.h>

#define STOP SIGRTMIN
#define RESTART (SIGRTMIN + 1)
enum { THREADS = 1000 };
static sem_t acks;
static atomic_int restarted, ready, end;
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
static void stop_world(int n, void *(*other)(void *))
{
    struct sigaction a = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    pthread_attr_t at;
    CHECK_EQ(sem_init(&acks, 0, 0), 0);
    sigfillset(&a.sa_mask);
    CHECK_EQ(sigaction(STOP, &a, NULL), 0);
    a.sa_handler = on_restart;
    CHECK_EQ(sigaction(RESTART, &a, NULL), 0);
    CHECK_EQ(pthread_attr_init(&at), 0);
    CHECK_EQ(pthread_attr_setstacksize(&at, 65536), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_create(&threads[i], &at, i ? parked : other, NULL), 0);
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
    pthread_mutex_lock(&m);
    end = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < n; i++)
        finish(threads[i]);
}
LONE(thousand_parked) { stop_world(THREADS, parked); }
LONE(parked_and_one_computing) { stop_world(50, computing); }
