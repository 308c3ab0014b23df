// Handlers that wait interrupt threads which make processes: these go on where they were, whatever ran on their OS thread meanwhile.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { THREADS = 6, ROUNDS = 12, SIGNALS = 240 };
static int handled, left = THREADS;
extern char **environ;

static void on_signal(int sig)
{
    (void)sig;
    usleep(300);
    sched_yield();
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

static void *makes_processes(void *arg)
{
    char *argv[] = { "true", NULL };

    for (int i = 0; i < ROUNDS; i++) {
        int status;
        pid_t pid;

        if (i % 2 == 0) {
            CHECK_EQ(system("exit 3"), 3 << 8);
            continue;
        }
        CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), 0);
        while (waitpid(pid, &status, 0) < 0)
            CHECK_EQ(errno, EINTR);
        CHECK_EQ(status, 0);
    }
    __atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED);
    return arg;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    pthread_t t[THREADS];

    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, makes_processes, NULL), 0);
    // So many only: on a busy machine threads that are always interrupted would come to nothing else.
    for (int i = 0; i < SIGNALS && __atomic_load_n(&left, __ATOMIC_RELAXED) > 0; i++) {
        pthread_kill(t[i % THREADS], SIGUSR1);
        usleep(200);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    CHECK(__atomic_load_n(&handled, __ATOMIC_RELAXED) > 0);
    puts("ok");
    return 0;
}
