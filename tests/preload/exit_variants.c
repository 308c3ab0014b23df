// How processes with threads end: each way in a child of its own, whose wait status is printed.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static sem_t never, started;

static void say_atexit(void)
{
    puts("  atexit");
}

static void *wait_forever(void *arg)
{
    sem_post(&started);
    sem_wait(&never);
    return arg;
}

static void *spin_forever(void *arg)
{
    sem_post(&started);
    for (volatile long i = 0;; i++)
        ;
    return arg;
}

static void crowd(void)
{
    for (int i = 0; i < 20; i++)
        start(i == 7 ? spin_forever : wait_forever, NULL);
    for (int i = 0; i < 20; i++)
        sem_wait(&started);
}

static void *call_exit(void *arg)
{
    exit((int)(long)arg);
}

static void *call__exit(void *arg)
{
    _exit((int)(long)arg);
}

static void *call_abort(void *arg)
{
    (void)arg;
    abort();
}

static void *fault(void *arg)
{
    *(volatile int *)opaque((size_t)arg) = 1;
    return NULL;
}

static void *raise_it(void *arg)
{
    raise((int)(long)arg);
    return NULL;
}

static void *kill_us(void *arg)
{
    kill(getpid(), (int)(long)arg);
    wait_forever(NULL);
    return NULL;
}

static void *thread_exit(void *arg)
{
    pthread_exit(arg);
}

static int return_from_main(void)
{
    crowd();
    return 21;
}

static int exit_in_thread(void)
{
    crowd();
    start(call_exit, (void *)22);
    wait_forever(NULL);
    return 0;
}

static int _exit_in_thread(void)
{
    crowd();
    start(call__exit, (void *)23);
    wait_forever(NULL);
    return 0;
}

static int abort_in_thread(void)
{
    crowd();
    start(call_abort, NULL);
    wait_forever(NULL);
    return 0;
}

static int fault_in_thread(void)
{
    crowd();
    start(fault, (void *)8);
    wait_forever(NULL);
    return 0;
}

static int fault_in_main(void)
{
    crowd();
    fault((void *)16);
    return 0;
}

static int raise_in_thread(void)
{
    crowd();
    start(raise_it, (void *)(long)SIGUSR2);
    wait_forever(NULL);
    return 0;
}

static int kill_from_thread(void)
{
    crowd();
    start(kill_us, (void *)(long)SIGTERM);
    wait_forever(NULL);
    return 0;
}

static int main_exits_first(void)
{
    start(thread_exit, NULL);
    pthread_exit((void *)77); // the process ends with 0 all the same
}

static int only_main_exits(void)
{
    finish(start(thread_exit, NULL));
    pthread_exit((void *)77);
}

static int no_threads(void)
{
    return 24;
}

static int exit_in_main_from_deep(void)
{
    crowd();
    call_exit((void *)25);
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void);
} ways[] = {
    {"return from main", return_from_main},
    {"exit in a thread", exit_in_thread},
    {"_exit in a thread", _exit_in_thread},
    {"abort in a thread", abort_in_thread},
    {"fault in a thread", fault_in_thread},
    {"fault in main", fault_in_main},
    {"raise in a thread", raise_in_thread},
    {"kill from a thread", kill_from_thread},
    {"main exits first", main_exits_first},
    {"only main exits", only_main_exits},
    {"no threads", no_threads},
    {"exit in main", exit_in_main_from_deep},
};

int main(void)
{
    sem_init(&never, 0, 0);
    sem_init(&started, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int status;
        printf("%s:\n", ways[i].name);
        fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            CHECK_EQ(atexit(say_atexit), 0);
            return ways[i].fn();
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
            printf("  exited with %d\n", WEXITSTATUS(status));
        else
            printf("  killed by %d\n", WTERMSIG(status));
    }
    return 0;
}
