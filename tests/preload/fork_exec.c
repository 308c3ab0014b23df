// fork from threads: exec, children that go on as threaded processes, nested; atfork order; system, popen,
// posix_spawn, vfork; the signal mask and the descriptors that a new program gets.
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static __thread int mine = 1;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static int wait_for(pid_t pid)
{
    int status;
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void *fork_and_exec(void *arg)
{
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
            _exit(99);
        }
        CHECK_EQ(wait_for(pid), 7);
    }
    return arg;
}

static void *add(void *arg)
{
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&m);
        ++*(int *)arg;
        pthread_mutex_unlock(&m);
        if (i % 10 == 0)
            usleep(10);
    }
    return NULL;
}

// What a forked child does: threads of its own, and forks again.
static int live(int depth)
{
    pthread_t t[10];
    int sum = 0;
    CHECK_EQ(syscall(SYS_gettid), getpid()); // its only thread is its first
    CHECK_EQ(mine, 5);
    for (int i = 0; i < 10; i++)
        t[i] = start(add, &sum);
    for (int i = 0; i < 10; i++)
        finish(t[i]);
    if (depth > 0) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(live(depth - 1));
        sum += wait_for(pid) - 1;
    }
    return sum == 1000 ? 1 : 0;
}

static void *fork_and_live(void *arg)
{
    mine = 5;
    pid_t pid = fork();
    if (pid == 0)
        _exit(live(2));
    CHECK_EQ(wait_for(pid), 1);
    return arg;
}

static void *keep_busy(void *arg)
{
    while (!__atomic_load_n((int *)arg, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&m);
        sched_yield();
        pthread_mutex_unlock(&m);
        usleep(100);
    }
    return NULL;
}

static void prepare1(void)
{
    puts("prepare 1");
    fflush(stdout); // the child must not inherit it
}

static void prepare2(void)
{
    puts("prepare 2");
}

static void parent1(void)
{
    usleep(1000);
}

static void parent2(void)
{
    pthread_mutex_unlock(&m);
}

static void child1(void)
{
    puts("child 1");
}

static void child2(void)
{
    puts("child 2");
    fflush(stdout);
    pthread_mutex_unlock(&m);
}

// Taken for the time of the fork, as libraries do with their locks.
static void lock_all(void)
{
    pthread_mutex_lock(&m);
}

static void *fork_quietly(void *arg)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK_EQ(wait_for(pid), 0);
    return arg;
}

static void *other_ways(void *arg)
{
    char line[64] = "";
    int status;
    CHECK_EQ(system("exit 3"), 3 << 8);
    CHECK(system(NULL) != 0);
    FILE *f = popen("echo from popen", "r");
    CHECK(f != NULL && fgets(line, sizeof line, f) != NULL);
    CHECK_EQ(strcmp(line, "from popen\n"), 0);
    CHECK_EQ(pclose(f), 0);
    CHECK((f = popen("read x; test \"$x\" = hello; exit $?", "w")) != NULL);
    fprintf(f, "hello\n");
    CHECK_EQ(pclose(f), 0);

    pid_t pid;
    char *argv[] = {"sh", "-c", "exit 4", NULL};
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
    CHECK_EQ(wait_for(pid), 4);
    CHECK_EQ(posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, environ), ENOENT);
    pid = vfork();
    if (pid == 0) {
        execv("/bin/sh", argv);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 4);
    CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
    pid = fork();
    if (pid == 0) {
        usleep(10000);
        _exit(6);
    }
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    CHECK_EQ(info.si_status, 6);
    return arg;
}

// Prints what a program sees that this thread starts: blocked signals, and the numbers of open descriptors.
static void *what_it_gets(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    if (arg)
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    for (int way = 0; way < 4; way++) {
        pid_t pid;
        char *mask[] = {"grep", "SigBlk", "/proc/self/status", NULL}, *files[] = {"ls", "/proc/self/fd", NULL};
        char **argv = way % 2 ? mask : files;
        fflush(stdout);
        if (way < 2) {
            pid = fork();
            if (pid == 0) {
                execvp(argv[0], argv);
                _exit(99);
            }
        } else {
            CHECK_EQ(posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ), 0);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    return NULL;
}

int main(void)
{
    int stop = 0;
    pthread_t busy[5], t[20];
    // Whatever we were started with must not count.
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    for (int i = 0; i < 5; i++)
        busy[i] = start(keep_busy, &stop);
    for (int i = 0; i < 20; i++)
        t[i] = start(i % 2 ? fork_and_exec : other_ways, NULL);
    for (int i = 0; i < 20; i++)
        finish(t[i]);
    puts("exec");
    what_it_gets(NULL);
    finish(start(what_it_gets, NULL));
    finish(start(what_it_gets, &stop));
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 5; i++)
        finish(busy[i]);

    fflush(stdout);
    for (int i = 0; i < 5; i++)
        t[i] = start(fork_and_live, NULL);
    for (int i = 0; i < 5; i++)
        finish(t[i]);
    puts("children with threads");
    fflush(stdout);
    CHECK_EQ(pthread_atfork(prepare1, parent1, child1), 0);
    CHECK_EQ(pthread_atfork(prepare2, NULL, NULL), 0);
    CHECK_EQ(pthread_atfork(lock_all, parent2, child2), 0);
    finish(start(fork_quietly, NULL));
    fork_quietly(NULL);
    return 0;
}
