// The descriptor numbers that a program gets and sees are the lowest free ones, threads or not; a program that closes
// all that it does not know goes on.
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static sem_t go;
static int p[2];

static void *wait_for_go(void *arg)
{
    char c;
    sem_wait(&go);
    CHECK_EQ(read(p[0], &c, 1), 1);
    usleep(100);
    return arg;
}

static void numbers(void)
{
    int fd[6];
    CHECK_EQ(pipe(fd), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd + 2), 0);
    CHECK((fd[4] = open("/dev/null", O_RDONLY)) >= 0);
    CHECK((fd[5] = dup(0)) >= 0);
    for (int i = 0; i < 6; i++)
        printf("%d ", fd[i]);
    puts("");
    for (int i = 0; i < 6; i++)
        CHECK_EQ(close(fd[i]), 0);
}

static void *numbers_in_thread(void *arg)
{
    numbers();
    return arg;
}

static void crowd(void (*meanwhile)(void))
{
    pthread_t t[50];
    for (int i = 0; i < 50; i++)
        t[i] = start(wait_for_go, NULL);
    for (int i = 0; i < 25; i++)
        sem_post(&go);
    meanwhile();
    for (int i = 0; i < 25; i++)
        sem_post(&go);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(write(p[1], "x", 1), 1);
    for (int i = 0; i < 50; i++)
        finish(t[i]);
}

static void meanwhile_numbers(void)
{
    numbers();
    finish(start(numbers_in_thread, NULL));
}

static void close_unknown(void)
{
    for (int fd = 3; fd < 4096; fd++)
        if (fd != p[0] && fd != p[1])
            CHECK_ERRNO(close(fd), EBADF);
    CHECK_EQ(close_range(5, ~0u, 0), 0);
}

static void daemon_like(void)
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int fd = 3; fd < 4096; fd++)
            close(fd);
        CHECK_EQ(pipe(p), 0);
        sem_init(&go, 0, 0);
        crowd(numbers);
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

// At the limit the calls say EMFILE; the threads go on.
static void exhaust(void)
{
    struct rlimit limit = {64, 64};
    int n = 0, fd;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((fd = dup(0)) >= 0)
        n++;
    CHECK_EQ(errno, EMFILE);
    CHECK_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
    CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
    printf("%d more\n", n);
    usleep(1000);
}

int main(void)
{
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    sem_init(&go, 0, 0);
    CHECK_EQ(pipe(p), 0);
    numbers();
    crowd(meanwhile_numbers);
    numbers();
    crowd(daemon_like);
    crowd(close_unknown);
    puts("closed what it did not know");
    crowd(exhaust);
    return 0;
}
