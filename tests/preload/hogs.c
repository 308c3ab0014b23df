// Hundreds of threads that compute, most of which have never run: who is woken meanwhile by a signal, a descriptor or a timer
// comes before them, and stops them all.
#include "check.h"
#include <signal.h>
#include <stdatomic.h>

#define HOGS 300

static atomic_int stop;

static void on_alarm(int sig)
{
    (void)sig;
    atomic_store(&stop, 1);
}

static void *compute(void *arg)
{
    while (!atomic_load(&stop))
        ;
    return arg;
}

static void *stop_later(void *arg)
{
    usleep(20000);
    atomic_store(&stop, 1);
    return arg;
}

static pthread_t hog[HOGS];

static void begin(void)
{
    atomic_store(&stop, 0);
    for (int i = 0; i < HOGS; i++)
        hog[i] = start(compute, NULL);
}
static void end(const char *what)
{
    for (int i = 0; i < HOGS; i++)
        finish(hog[i]);
    puts(what);
}

int main(void)
{
    sigset_t none, alrm;
    sigemptyset(&none);
    sigemptyset(&alrm);
    sigaddset(&alrm, SIGALRM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &alrm, NULL), 0);
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
    CHECK_EQ(alarm(1), 0);
    begin();
    while (!atomic_load(&stop))
        sigsuspend(&none);
    end("a signal");
    pthread_t t = start(stop_later, NULL);
    begin();
    end("a timer");
    finish(t);
    return 0;
}
