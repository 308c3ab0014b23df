// A child that asked for a signal at its parent's death (PR_SET_PDEATHSIG) lives as long as the thread that made it, whatever
// became of the OS threads below it: many threads make children while each holds an OS thread.
#include "check.h"
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { THREADS = 24 };

extern char **environ;
static char *self;
static pthread_barrier_t os_level, all;
static int ask[THREADS][2], answer[THREADS][2];
static pid_t child[THREADS];

static void live(int from, int to)
{
    char c;
    CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    while (read(from, &c, 1) == 1)
        CHECK_EQ(write(to, &c, 1), 1);
    _exit(0);
}

static pid_t make(int i)
{
    char from[12], to[12], *args[] = {self, from, to, NULL};
    pid_t pid;
    switch (i % 3) {
    case 0:
        if ((pid = fork()) == 0)
            live(ask[i][0], answer[i][1]);
        break;
    case 1:
        sprintf(from, "%d", ask[i][0]);
        sprintf(to, "%d", answer[i][1]);
        CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ), 0);
        break;
    default:
        sprintf(from, "%d", ask[i][0]);
        sprintf(to, "%d", answer[i][1]);
        if ((pid = vfork()) == 0) {
            execv("/proc/self/exe", args);
            _exit(1);
        }
    }
    return pid;
}

static void *parent(void *arg)
{
    int i = (int)(intptr_t)arg;
    pthread_barrier_wait(&os_level);
    child[i] = make(i);
    CHECK(child[i] > 0);
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all); // all children have answered
    CHECK_EQ(kill(child[i], SIGKILL), 0);
    CHECK_EQ(waitpid(child[i], NULL, 0), child[i]);
    return arg;
}

static void all_answer(void)
{
    for (int i = 0; i < THREADS; i++) {
        char c;
        CHECK_EQ(waitpid(child[i], NULL, WNOHANG), 0);
        CHECK_EQ(write(ask[i][1], "x", 1), 1);
        CHECK_EQ(read(answer[i][0], &c, 1), 1);
    }
}

int main(int argc, char **argv)
{
    pthread_t t[THREADS];
    pthread_barrierattr_t shared;
    if (argc == 3)
        live(atoi(argv[1]), atoi(argv[2]));
    self = argv[0];
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < THREADS; i++)
        CHECK(pipe(ask[i]) == 0 && pipe(answer[i]) == 0);
    CHECK_EQ(pthread_barrierattr_init(&shared), 0);
    CHECK_EQ(pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_barrier_init(&os_level, &shared, THREADS), 0);
    CHECK_EQ(pthread_barrier_init(&all, NULL, THREADS + 1), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(parent, (void *)i);
    pthread_barrier_wait(&all);
    all_answer();
    nap_ms(30); // OS threads that have become idle end
    all_answer();
    pthread_barrier_wait(&all);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("done");
    return 0;
}
