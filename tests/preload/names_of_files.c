// Calls on descriptors under their rarer names: 64-bit, internal and fortified ones, and those that make descriptors. Each is called
// with success and with an error; return values, errno and data must be the same.
#include "show.h"
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <utmp.h>

extern ssize_t __read(int, void *, size_t);
extern ssize_t __write(int, const void *, size_t);
extern int __close(int);
extern int __connect(int, const struct sockaddr *, socklen_t);
extern ssize_t __send(int, const void *, size_t, int);
extern int __fcntl(int, int, ...);
extern int __poll(struct pollfd *, nfds_t, int);
extern int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
extern int __nanosleep(const struct timespec *, struct timespec *);
extern int __open_2(const char *, int);
extern int __open64_2(const char *, int);
extern int __openat_2(int, const char *, int);
extern int __openat64_2(int, const char *, int);
extern mqd_t __mq_open_2(const char *, int);

static char name[] = "/tmp/preload-XXXXXX";
static char text[64];

static void opening(void)
{
    int dir = open64("/tmp", O_RDONLY | O_DIRECTORY), fd;
    CHECK(dir >= 0);
    CHECK((fd = mkstemp64(name)) >= 0);
    close(fd);
    CHECK((fd = creat64(name, 0600)) >= 0);
    SHOW(fcntl64(fd, F_GETFL) & O_ACCMODE);
    SHOW(__write(fd, "0123456789", 10));
    SHOW(__read(fd, text, 1));
    SHOW(__close(fd));
    SHOW(__close(-1));
    CHECK((fd = openat64(dir, name + 5, O_RDWR)) >= 0);
    SHOW(__read(fd, text, 4));
    SHOW(memcmp(text, "0123", 4));
    close(fd);
    CHECK((fd = __open_2(name, O_RDONLY)) >= 0);
    SHOW(__fcntl(fd, F_GETFL) & O_ACCMODE);
    close(fd);
    CHECK((fd = __open64_2(name, O_WRONLY)) >= 0);
    SHOW(__fcntl(fd, F_GETFL) & O_ACCMODE);
    close(fd);
    CHECK((fd = __openat_2(dir, name + 5, O_RDONLY)) >= 0);
    close(fd);
    CHECK((fd = __openat64_2(dir, name + 5, O_RDWR)) >= 0);
    close(fd);
    close(dir);
    SHOW(open64("/no/such/file", O_RDONLY));
    SHOW(openat64(-1, "no such file", O_RDONLY));
    SHOW(creat64("/", 0600));
    SHOW(__open_2("/no/such/file", O_RDONLY));
    SHOW(__open64_2("/", O_WRONLY));
    SHOW(__openat_2(-1, "x", O_RDONLY));
    SHOW(__openat64_2(-1, "x", O_RDONLY));
}

static void positioned(void)
{
    int fd = open(name, O_RDWR), out = open("/tmp", O_TMPFILE | O_RDWR, 0600), p[2];
    struct iovec v[2] = {{text, 3}, {text + 3, 3}};
    off64_t at = 2;
    CHECK(fd >= 0 && out >= 0);
    SHOW(pwrite64(fd, "ab", 2, 4));
    SHOW(pread64(fd, text, 6, 3));
    SHOW(memcmp(text, "3ab678", 6));
    SHOW(preadv64(fd, v, 2, 2));
    SHOW(memcmp(text, "23ab67", 6));
    SHOW(pwritev64(fd, v, 2, 10));
    SHOW(preadv64v2(fd, v, 2, 10, 0));
    SHOW(pwritev64v2(fd, v, 2, 16, 0));
    SHOW(pwritev64v2(fd, v, 2, -2, 0));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pread64(fd, text, 1, -1));
    SHOW(pwrite64(-1, text, 1, 0));
    SHOW(preadv64(fd, v, (int)opaque(5000), 0));
    SHOW(preadv64v2(fd, v, 1, 0, 1 << 30));
    SHOW(sendfile64(out, fd, &at, 5));
    SHOW(at);
    SHOW(sendfile64(out, -1, &at, 5));
    SHOW(fallocate64(fd, 0, 0, 100));
    SHOW(fallocate64(fd, 0, -1, 100));
    SHOW(posix_fallocate64(fd, 0, 200));
    SHOW(posix_fallocate64(-1, 0, 200));
    SHOW(readahead(fd, 0, 100));
    SHOW(readahead(-1, 0, 100));
    CHECK_EQ(pipe(p), 0);
    SHOW(pread64(p[0], text, 1, 0));
    SHOW(posix_fallocate64(p[1], 0, 1));
    SHOW(lockf64(fd, F_LOCK, 10));
    SHOW(lockf64(fd, F_TEST, 10));
    SHOW(lockf64(fd, F_ULOCK, 10));
    SHOW(lockf64(p[0], 77, 0));
    sync();
    close(p[0]);
    close(p[1]);
    close(fd);
    close(out);
}

static void waiting(void)
{
    int s[2], fd;
    struct timeval none = {0, 0};
    struct timespec moment = {0, 1000}, bad = {0, -1};
    struct sockaddr_in a = {.sin_family = AF_INET};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct pollfd p = {s[0], POLLIN, 0};
    fd_set set;
    SHOW(__poll(&p, 1, 0));
    SHOW(__send(s[1], "xyz", 3, 0));
    SHOW(__poll(&p, 1, -1));
    SHOW(p.revents);
    FD_ZERO(&set);
    FD_SET(s[0], &set);
    SHOW(__select(s[0] + 1, &set, NULL, NULL, NULL));
    FD_SET(s[0], &set);
    SHOW(__select(s[0] + 1, NULL, NULL, &set, &none));
    SHOW(__select(-1, NULL, NULL, NULL, &none));
    SHOW(__nanosleep(&moment, NULL));
    SHOW(__nanosleep(&bad, NULL));
    SHOW(__send(-1, "x", 1, 0));
    close(s[0]);
    SHOW(__send(s[1], "x", 1, MSG_NOSIGNAL));
    close(s[1]);
    CHECK((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    a.sin_port = htons(1);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SHOW(__connect(fd, (struct sockaddr *)&a, sizeof a));
    SHOW(__connect(fd, (struct sockaddr *)&a, 1));
    SHOW(__connect(-1, (struct sockaddr *)&a, sizeof a));
    close(fd);
}

static void made(void)
{
    int fd, other, status, group = -1;
    CHECK((fd = epoll_create(1)) >= 0);
    close(fd);
    SHOW(epoll_create(0));
    CHECK((fd = inotify_init()) >= 0);
    SHOW(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    group = fanotify_init(FAN_CLOEXEC, O_RDONLY); // root only
    SHOW(group >= 0 ? 0 : -1);
    if (group >= 0)
        close(group);
    SHOW(fanotify_init(~0u, 0) < 0);
    CHECK((fd = pidfd_open(getpid(), 0)) >= 0);
    other = pidfd_getfd(fd, 1, 0);
    SHOW(other >= 0);
    close(other);
    SHOW(pidfd_getfd(fd, 12345, 0));
    SHOW(pidfd_open(-1, 0));
    close(fd);
    union {
        struct file_handle h;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u = {.h.handle_bytes = 0};
    SHOW(open_by_handle_at(-1, &u.h, O_RDONLY) == -1);
    SHOW(__mq_open_2("/no such queue of preload", O_RDONLY));
    SHOW(__mq_open_2("no slash", O_RDONLY));

    pid_t child = fork();
    if (child == 0) { // a session of its own, and its terminal
        int tty, pts;
        if (openpty(&tty, &pts, NULL, NULL, NULL) != 0 || login_tty(pts) != 0 || tcgetpgrp(0) != getpid())
            _exit(1);
        closefrom(2);
        _exit(fcntl(2, F_GETFD) == -1 && fcntl(1, F_GETFD) == 0 ? 0 : 2);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    SHOW(status);
    SHOW(login_tty(-1));
}

static void *close_high(void *arg)
{
    int fd = fcntl(1, F_DUPFD, 100), low = fcntl(1, F_DUPFD, 50);
    CHECK(fd >= 100 && low >= 50 && low < 100);
    closefrom(100);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(low, F_GETFD));
    nap_ms(1); // the library still wakes its threads
    return arg;
}

static void *run(void *arg)
{
    opening();
    positioned();
    waiting();
    made();
    CHECK_EQ(unlink(name), 0);
    return arg;
}

int main(void)
{
    finish(start(run, NULL));
    finish(start(close_high, NULL));
    return 0;
}
