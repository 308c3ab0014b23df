/* Handlers of fork that were registered before the first thread: the one in the child finds threads, locks and descriptors in
 * working order, and they run in the order of POSIX. */
#include "check.h"
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char order[16];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int fds[2];

static void note(char c)
{
    order[strlen(order)] = c;
}
static void *echo(void *arg)
{
    char c;

    CHECK(read(fds[0], &c, 1) == 1 && c == 'x');
    return arg;
}
static void one_thread(void)
{
    pthread_t th;
    void *got;

    CHECK(pthread_create(&th, NULL, echo, fds) == 0);
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(pthread_join(th, &got) == 0 && got == fds);
}

static void prepare1(void)
{
    note('1');
    CHECK(pthread_mutex_lock(&mu) == 0);
}
static void prepare2(void)
{
    note('2');
}
static void parent1(void)
{
    note('3');
    CHECK(pthread_mutex_unlock(&mu) == 0);
}
static void parent2(void)
{
    note('4');
}
static void child1(void)
{
    note('5');
    CHECK(pthread_mutex_unlock(&mu) == 0);
    one_thread();
}
static void child2(void)
{
    note('6');
    one_thread();
}

static void *forks(void *arg)
{
    int status;
    pid_t pid;

    memset(order, 0, sizeof order);
    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(strcmp(order, "2156") == 0);
        one_thread();
        _exit(7);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(strcmp(order, "2134") == 0);
    return arg;
}

int main(void)
{
    pthread_t th;

    CHECK(pipe(fds) == 0);
    CHECK(pthread_atfork(prepare1, parent1, child1) == 0);
    CHECK(pthread_atfork(prepare2, parent2, child2) == 0);
    forks(NULL);
    one_thread();
    forks(NULL);
    CHECK(pthread_create(&th, NULL, forks, NULL) == 0);
    CHECK(pthread_join(th, NULL) == 0);
    puts("ok");
    return 0;
}
