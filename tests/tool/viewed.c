/* A process to be looked at.  viewed idle N: N threads wait at the same place.  viewed serve N: N threads echo, each on a connection of its
 * own, and the main thread is the client of all of them, until standard input ends; then it says whether every byte came back.  viewed
 * zombie: a process that has ended, whose number is printed.  viewed spin: a thread that computes, one that blocks its OS thread. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t nothing_comes = PTHREAD_COND_INITIALIZER;
volatile int stop;
volatile unsigned long spins;
static int locked_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void start(void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t th;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&th, &attr, fn, arg);
    if (r) {
        errno = r;
        die("pthread_create");
    }
    pthread_attr_destroy(&attr);
}

static NOINLINE void wait_for_nothing(void)
{
    pthread_mutex_lock(&lock);
    while (!stop)
        pthread_cond_wait(&nothing_comes, &lock);
    pthread_mutex_unlock(&lock);
}
static void *idle(void *arg)
{
    wait_for_nothing();
    return arg;
}

/* Deeper than what is read of a stack at once. */
static NOINLINE int echo(int fd)
{
    volatile char room[20000];
    char c;

    room[0] = room[sizeof room - 1] = 0;
    if (read(fd, &c, 1) != 1)
        return 0;
    c++;
    if (write(fd, &c, 1) != 1)
        die("write");
    return 1 + room[0];
}
static void *serve(void *arg)
{
    while (echo((int)(intptr_t)arg))
        ;
    return NULL;
}

static NOINLINE int client(int n)
{
    int (*fds)[2] = calloc((size_t)n, sizeof *fds);
    unsigned long rounds = 0;
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };

    for (int i = 0; i < n; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]))
            die("socketpair");
        start(serve, (void *)(intptr_t)fds[i][1]);
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (poll(&in, 1, 0) == 0) {
        for (int i = 0; i < n; i++) {
            char c = (char)(rounds + (unsigned)i);

            if (write(fds[i][0], &c, 1) != 1)
                die("write to a server");
        }
        for (int i = 0; i < n; i++) {
            char c;

            if (read(fds[i][0], &c, 1) != 1 || c != (char)(rounds + (unsigned)i + 1))
                die("read from a server");
        }
        rounds++;
    }
    printf("%s\n", rounds ? "all came back" : "nothing was sent");
    return rounds ? 0 : 1;
}

static NOINLINE void compute(void)
{
    while (!stop)
        spins++;
}
static void *spin(void *arg)
{
    pthread_setname_np(pthread_self(), "spins");
    compute();
    return arg;
}
static NOINLINE void block_in_flock(void)
{
    int fd = open("/proc/self/exe", O_RDONLY);

    flock(fd, LOCK_EX);
}
/* Called as a C++ compiler calls tool::block(void *). */
static void *block(void *arg) __asm__("_ZN4tool5blockEPv");
static void *block(void *arg)
{
    pthread_setname_np(pthread_self(), "blocks");
    block_in_flock();
    return arg;
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : 0;
    struct rlimit files;

    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    alarm(300);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc > 1 && !strcmp(argv[1], "serve"))
        return client(n);
    if (argc > 1 && !strcmp(argv[1], "spin")) {
        locked_fd = open("/proc/self/exe", O_RDONLY);
        if (flock(locked_fd, LOCK_EX))
            die("flock");
        start(spin, NULL);
        start(block, NULL);
    }
    for (int i = 0; i < n; i++)
        start(idle, NULL);
    if (argc > 1 && !strcmp(argv[1], "zombie")) {
        pid_t child = fork();
        siginfo_t info;

        if (child == 0)
            _exit(0);
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
        printf("ready %d\n", child);
    } else {
        printf("ready %d\n", getpid());
    }
    fflush(stdout);
    for (;;)
        pause();
}
