// Descriptors that are neither sockets nor pipes: FIFOs (also the waiting open), pseudo terminals, inotify, signalfd.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>

static char dir[] = "/tmp/preload-XXXXXX", fifo[64];

static void *open_and_write(void *arg)
{
    int fd = open(fifo, O_WRONLY); // waits for a reader
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "through the fifo", 16), 16);
    CHECK_EQ(close(fd), 0);
    return arg;
}

static void *bystander(void *arg)
{
    for (int i = 0; i < 10; i++)
        usleep(100);
    return arg;
}

static volatile int broken_pipes;
static __thread volatile int mine;

static void on_pipe(int sig)
{
    broken_pipes += sig == SIGPIPE;
    mine++;
}

// Without a reader: EPIPE, and the signal for the thread that wrote.
static void *broken(void *arg)
{
    struct iovec v[2] = {{(char *)"a", 1}, {(char *)"b", 1}};
    int p[2];
    CHECK(signal(SIGPIPE, on_pipe) != SIG_ERR);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    int in = open(fifo, O_RDONLY | O_NONBLOCK), out = open(fifo, O_WRONLY);
    CHECK(in >= 0 && out >= 0);
    CHECK_EQ(write(out, "x", 1), 1);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    close(in);
    CHECK_ERRNO(write(out, "x", 1), EPIPE);
    CHECK_ERRNO(writev(out, v, 2), EPIPE);
    CHECK_ERRNO(tee(p[0], out, 1, 0), EPIPE);
    CHECK_ERRNO(splice(p[0], NULL, out, NULL, 1, 0), EPIPE);
    CHECK_EQ(fcntl(out, F_SETFL, O_WRONLY | O_NONBLOCK), 0);
    CHECK_ERRNO(write(out, "x", 1), EPIPE);
    CHECK_ERRNO(write(out, "x", 1), EPIPE);
    printf("signals: %d, own %d\n", broken_pipes, mine);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    close(out);
    close(p[0]);
    close(p[1]);
    CHECK_EQ(unlink(fifo), 0);
    return arg;
}

static void fifos(void)
{
    pthread_t t[20];
    char buf[32];
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    for (int round = 0; round < 20; round++) {
        pthread_t w = start(open_and_write, NULL);
        for (int i = 0; i < 20; i++)
            t[i] = start(bystander, NULL);
        for (int i = 0; i < 20; i++)
            finish(t[i]);
        int fd = open(fifo, O_RDONLY);
        CHECK(fd >= 0);
        read_all(fd, buf, 16);
        CHECK_EQ(memcmp(buf, "through the fifo", 16), 0);
        CHECK_EQ(read(fd, buf, 1), 0);
        close(fd);
        finish(w);
    }
    CHECK_EQ(unlink(fifo), 0);
    finish(start(broken, NULL));
    puts("fifos");
}

static int fd_in;

static void *read_line(void *arg)
{
    CHECK_EQ(read(fd_in, arg, 100), 6);
    return NULL;
}

static void terminals(void)
{
    char line[100] = "", echo[100];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0);
    CHECK_EQ(grantpt(master), 0);
    CHECK_EQ(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    fd_in = slave;
    for (int i = 0; i < 50; i++) {
        pthread_t t = start(read_line, line); // a line at a time
        CHECK_EQ(write(master, "he", 2), 2);
        sched_yield();
        CHECK_EQ(write(master, "llo\n", 4), 4);
        finish(t);
        CHECK_EQ(memcmp(line, "hello\n", 6), 0);
        read_all(master, echo, 7);
        CHECK_EQ(memcmp(echo, "hello\r\n", 7), 0);
    }
    close(slave);
    CHECK_ERRNO(read(master, echo, 1), EIO);
    close(master);
    puts("terminals");
}

static void *read_event(void *arg)
{
    (void)arg;
    char buf[512] __attribute__((aligned(8)));
    struct inotify_event *e = (struct inotify_event *)buf;
    ssize_t n = read(fd_in, buf, sizeof buf);
    CHECK(n >= (ssize_t)sizeof *e);
    CHECK(e->mask & IN_CREATE);
    return strdup(e->name);
}

static void watches(void)
{
    char name[64];
    snprintf(name, sizeof name, "%s/new-file", dir);
    CHECK((fd_in = inotify_init1(IN_CLOEXEC)) >= 0);
    CHECK(inotify_add_watch(fd_in, dir, IN_CREATE) >= 0);
    pthread_t t = start(read_event, NULL);
    finish(start(bystander, NULL));
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    char *seen = finish(t);
    printf("watch: %s\n", seen);
    free(seen);
    close(fd);
    close(fd_in);
    CHECK_EQ(unlink(name), 0);
}

static void *read_signal(void *arg)
{
    struct signalfd_siginfo info;
    CHECK_EQ(read(fd_in, &info, sizeof info), sizeof info);
    *(int *)arg = info.ssi_int;
    return (void *)(intptr_t)info.ssi_signo;
}

static void signals(void)
{
    sigset_t set;
    int value = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK((fd_in = signalfd(-1, &set, SFD_CLOEXEC)) >= 0);
    for (int i = 0; i < 20; i++) {
        pthread_t t = start(read_signal, &value);
        CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = i}), 0);
        CHECK_EQ((long)finish(t), SIGUSR1);
        CHECK_EQ(value, i);
    }
    close(fd_in);
    puts("signals");
}

int main(void)
{
    CHECK(mkdtemp(dir) != NULL);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    fifos();
    terminals();
    watches();
    signals();
    CHECK_EQ(rmdir(dir), 0);
    return 0;
}
