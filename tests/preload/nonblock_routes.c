// O_NONBLOCK by every route: each kind of descriptor is switched to and fro, by each way to do that, after its reads and writes have been
// answered in the mode before. What would wait says EAGAIN in the one mode, and waits in the other.
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <pty.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

struct pair { // what is read, and where to write for that
    const char *name;
    int in, out;
};

static void by_fcntl(int fd, int on)
{
    int fl = fcntl(fd, F_GETFL);
    CHECK_EQ(fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK), 0);
}
static void by_ioctl(int fd, int on)
{
    CHECK_EQ(ioctl(fd, FIONBIO, &on), 0);
}
// Another number of the same description.
static void by_duplicate(int fd, int on)
{
    int other = dup(fd);
    by_fcntl(other, on);
    close(other);
}
static void by_high_duplicate(int fd, int on)
{
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 80);
    by_ioctl(other, on);
    close(other);
}
// Another process, which inherited it.
static void ended(pid_t child)
{
    int status;
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}
static void by_child(int fd, int on)
{
    pid_t child = fork();
    if (child == 0) {
        by_fcntl(fd, on);
        _exit(0);
    }
    ended(child);
}
static void by_bare_fork(int fd, int on)
{
    pid_t child = _Fork();
    if (child == 0) {
        int fl = fcntl(fd, F_GETFL);
        _exit(fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK) != 0);
    }
    ended(child);
}
struct order {
    int fd, on;
};
static int obey(void *arg)
{
    struct order *o = arg;
    by_fcntl(o->fd, o->on);
    return 0;
}
static void by_clone(int fd, int on)
{
    struct order o = {fd, on};
    char *stack = malloc(65536);
    CHECK(stack != NULL);
    ended(clone(obey, stack + 65536, SIGCHLD, &o));
    free(stack);
}
// The same description, as it comes in a message.
static void by_message(int fd, int on)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {{0}};
    char c = 'x';
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof u.buf};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int s[2], other;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    CHECK_EQ(sendmsg(s[0], &m, 0), 1);
    memset(&u, 0, sizeof u);
    CHECK_EQ(recvmsg(s[1], &m, 0), 1);
    memcpy(&other, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof other);
    by_fcntl(other, on);
    close(other);
    close(s[0]);
    close(s[1]);
}

static const struct route {
    const char *name;
    void (*set)(int fd, int on);
} routes[] = {{"fcntl", by_fcntl}, {"FIONBIO", by_ioctl}, {"dup", by_duplicate}, {"F_DUPFD", by_high_duplicate},
              {"fork", by_child}, {"_Fork", by_bare_fork}, {"clone", by_clone},
              {"SCM_RIGHTS", by_message}};

enum { ROUTES = sizeof routes / sizeof *routes };

static const uint64_t one = 1;

static void put(const struct pair *p)
{
    CHECK_EQ(write(p->out, strcmp(p->name, "eventfd") ? "12345678" : (const char *)&one, 8), 8);
}

static void *put_later(void *arg)
{
    nap_ms(1);
    put(arg);
    return arg;
}

static void reads_nothing(const struct pair *p)
{
    char buf[16];
    struct iovec v = {buf, 8};
    CHECK_ERRNO(read(p->in, buf, 8), EAGAIN);
    CHECK_ERRNO(readv(p->in, &v, 1), EAGAIN);
    CHECK_ERRNO(read(p->in, buf, 8), EAGAIN);
}

static void read_waits(struct pair *p)
{
    char buf[16];
    struct iovec v = {buf, 8};
    for (int i = 0; i < 2; i++) {
        pthread_t t = start(put_later, p);
        CHECK_EQ(i ? readv(p->in, &v, 1) : read(p->in, buf, 8), 8);
        finish(t);
    }
}

static void *all_routes(void *arg)
{
    struct pair *p = arg;
    CHECK_EQ(fcntl(p->in, F_GETFL) & O_NONBLOCK, O_NONBLOCK); // by SOCK_NONBLOCK and the like
    reads_nothing(p);
    for (int i = 0; i < ROUTES; i++) {
        routes[i].set(p->in, 0);
        read_waits(p);
        routes[(i + 1) % ROUTES].set(p->in, 1);
        reads_nothing(p);
        put(p);
        char buf[8];
        struct pollfd there = {p->in, POLLIN, 0};
        CHECK_EQ(poll(&there, 1, -1), 1); // a terminal passes on what was written a little later
        CHECK_EQ(read(p->in, buf, 8), 8);
        reads_nothing(p);
    }
    return NULL;
}

static struct pair accepted(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), out = socket(AF_INET, SOCK_STREAM, 0), in;
    CHECK_EQ(bind(l, (struct sockaddr *)&a, len), 0);
    CHECK_EQ(listen(l, 1), 0);
    CHECK_EQ(getsockname(l, (struct sockaddr *)&a, &len), 0);
    CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
    CHECK_ERRNO(accept4(l, NULL, NULL, 0), EAGAIN);
    CHECK_EQ(connect(out, (struct sockaddr *)&a, len), 0);
    while ((in = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0)
        CHECK_EQ(errno, EAGAIN);
    close(l);
    return (struct pair){"accept4", in, out};
}

// A full pipe and a full socket, to and fro.
static void *writes(void *arg)
{
    static char block[65536];
    int *end = arg, fl;
    ssize_t n;
    for (int i = 0; i < ROUTES; i++) {
        routes[i].set(end[1], 1);
        for (fl = 0; (n = write(end[1], block, sizeof block)) > 0;)
            fl += n > 0;
        CHECK(n == -1 && errno == EAGAIN && fl > 0);
        CHECK_ERRNO(write(end[1], block, sizeof block), EAGAIN);
        by_fcntl(end[0], 1);
        while ((n = read(end[0], block, sizeof block)) > 0)
            ;
        CHECK(n == -1 && errno == EAGAIN);
        routes[(i + 2) % ROUTES].set(end[1], 0);
        CHECK_EQ(write(end[1], block, 4096), 4096);
        by_fcntl(end[0], 0);
        read_all(end[0], block, 4096);
    }
    return NULL;
}

int main(void)
{
    struct pair all[5];
    pthread_t t[7];
    int fd[2], sock[2], fifo[2], tty, pts;
    struct termios raw;
    CHECK_EQ(pipe2(fd, O_NONBLOCK), 0);
    all[0] = (struct pair){"pipe", fd[0], fd[1]};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    all[1] = (struct pair){"socketpair", fd[0], fd[1]};
    fd[0] = eventfd(0, EFD_NONBLOCK);
    all[2] = (struct pair){"eventfd", fd[0], fd[0]};
    CHECK_EQ(openpty(&tty, &pts, NULL, NULL, NULL), 0);
    CHECK_EQ(tcgetattr(pts, &raw), 0);
    cfmakeraw(&raw);
    CHECK_EQ(tcsetattr(pts, TCSANOW, &raw), 0);
    by_fcntl(pts, 1);
    all[3] = (struct pair){"tty", pts, tty};
    all[4] = accepted();
    CHECK_EQ(pipe(fifo), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
    for (int i = 0; i < 5; i++)
        t[i] = start(all_routes, &all[i]);
    t[5] = start(writes, fifo);
    t[6] = start(writes, sock);
    for (int i = 0; i < 7; i++)
        finish(t[i]);
    puts("all routes");
    return 0;
}
