// waiting CALL: 40 threads wait in a call; prints how many OS threads the process has then.  Without argument: the names of the calls.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

enum { THREADS = 40 };

static int s[2], p[2], q[2], ep, ev;
static mqd_t mq;
static char buf[64];
static struct iovec vec = {buf, sizeof buf};
static struct mmsghdr msg = {.msg_hdr = {.msg_iov = &vec, .msg_iovlen = 1}};
static pid_t child;
static int n_ready;

static void do_recvmmsg(void) { recvmmsg(s[0], &msg, 1, 0, NULL); }
static void do_splice(void) { splice(p[0], NULL, q[1], NULL, 1, 0); }
static void do_tee(void) { tee(p[0], q[1], 1, 0); }
static void do_vmsplice(void) { vmsplice(p[0], &vec, 1, 0); }
static void do_mq_receive(void) { mq_receive(mq, buf, sizeof buf, NULL); }
static void do_waitpid(void) { waitpid(child, NULL, 0); }
static void do_epoll_pwait2(void) { struct epoll_event e; epoll_pwait2(ep, &e, 1, NULL, NULL); }
static void do_eventfd_read(void) { eventfd_t v; eventfd_read(ev, &v); }
static void do_preadv2(void) { preadv2(p[0], &vec, 1, -1, 0); }
static void do_raw_read(void) { syscall(SYS_read, p[0], buf, sizeof buf); }
static void do_raw_recvfrom(void) { syscall(SYS_recvfrom, s[0], buf, sizeof buf, 0, NULL, NULL); }
static void do_raw_epoll_wait(void) { struct epoll_event e; syscall(SYS_epoll_wait, ep, &e, 1, -1); }
static void do_raw_wait4(void) { syscall(SYS_wait4, child, NULL, 0, NULL); }

static const struct {
    const char *name;
    void (*fn)(void);
} calls[] = {
    {"recvmmsg", do_recvmmsg}, {"splice", do_splice}, {"tee", do_tee}, {"vmsplice", do_vmsplice}, {"mq_receive", do_mq_receive},
    {"waitpid", do_waitpid}, {"epoll_pwait2", do_epoll_pwait2}, {"eventfd_read", do_eventfd_read}, {"preadv2", do_preadv2},
    {"raw_read", do_raw_read}, {"raw_recvfrom", do_raw_recvfrom}, {"raw_epoll_wait", do_raw_epoll_wait}, {"raw_wait4", do_raw_wait4},
};

static void *wait_here(void *arg)
{
    __atomic_add_fetch(&n_ready, 1, __ATOMIC_SEQ_CST);
    calls[(intptr_t)arg].fn();
    return NULL;
}

static int os_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    return n;
}

int main(int argc, char **argv)
{
    char name[40];
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = sizeof buf};
    intptr_t which = -1;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (argc < 2)
            puts(calls[i].name);
        else if (strcmp(argv[1], calls[i].name) == 0)
            which = (intptr_t)i;
    }
    if (which < 0)
        return argc < 2 ? 0 : 2;
    snprintf(name, sizeof name, "/waiting-%d", (int)getpid());
    mq = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
    mq_unlink(name);
    if (mq < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, s) || pipe(p) || pipe(q) || (ep = epoll_create1(0)) < 0 || (ev = eventfd(0, 0)) < 0)
        return 2;
    child = fork();
    if (child == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, wait_here, (void *)which))
            return 2;
    }
    while (__atomic_load_n(&n_ready, __ATOMIC_SEQ_CST) < THREADS)
        usleep(1000);
    usleep(50000); // time for those that hold an OS thread to be found; enough of them for the test to fail are found at once
    printf("%d\n", os_threads());
    fflush(stdout);
    kill(child, SIGKILL);
    _exit(0);
}
