// Look-ups of users, groups, services, protocols from many threads; and what else libc does for threads that may wait: syslog,
// aio, getaddrinfo_a, random numbers, files, terminals, event counters, descriptors that libc closes by itself.
#include "check.h"
#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pty.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <arpa/inet.h>
#include <syslog.h>
#include <termios.h>

static void *look_up(void *arg)
{
    char buf[4096];
    struct passwd pw, *p;
    struct group gr, *g;
    struct servent se, *s;
    struct protoent pe, *q;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(getpwuid_r(0, &pw, buf, sizeof buf, &p), 0);
        CHECK(p == &pw && strcmp(pw.pw_name, "root") == 0);
        CHECK_EQ(getpwnam_r("root", &pw, buf, sizeof buf, &p), 0);
        CHECK(p == &pw && pw.pw_uid == 0);
        CHECK_EQ(getpwnam_r("root", &pw, buf, 1, &p), ERANGE);
        CHECK_EQ(getpwnam_r("no such user", &pw, buf, sizeof buf, &p), 0);
        CHECK(p == NULL);
        CHECK_EQ(getgrgid_r(0, &gr, buf, sizeof buf, &g), 0);
        CHECK(g == &gr && strcmp(gr.gr_name, "root") == 0);
        CHECK_EQ(getgrnam_r("root", &gr, buf, sizeof buf, &g), 0);
        CHECK(g == &gr);
        if (getservbyname_r("domain", "udp", &se, buf, sizeof buf, &s) == 0 && s)
            CHECK_EQ(se.s_port, htons(53));
        if (getprotobyname_r("tcp", &pe, buf, sizeof buf, &q) == 0 && q)
            CHECK_EQ(pe.p_proto, 6);
        gid_t ids[64];
        int n = 64;
        CHECK(getgrouplist("root", 0, ids, &n) > 0);
    }
    return arg;
}

static void *others(void *arg)
{
    char c[16];
    struct stat st;
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(posix_fallocate(fd, 0, 8192), 0);
    CHECK_EQ(fallocate(fd, 0, 8192, 100), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 8292);
    CHECK_EQ(posix_fallocate(-1, 0, 1), EBADF);
    CHECK_EQ(posix_fallocate(fd, -1, 1), EINVAL);
    CHECK_EQ(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE), 0);
    CHECK_EQ(syncfs(fd), 0);
    CHECK_ERRNO(syncfs(-1), EBADF);
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED);
    CHECK_EQ(msync(m, 4096, MS_SYNC), 0);
    CHECK_EQ(munmap(m, 4096), 0);
    CHECK_ERRNO(msync((void *)4096, 4096, MS_SYNC), ENOMEM); // below vm.mmap_min_addr: another thread may have m's place by now
    CHECK_EQ(getrandom(c, sizeof c, 0), sizeof c);
    CHECK_ERRNO(getrandom(c, sizeof c, 77), EINVAL);
    CHECK_EQ(getentropy(c, sizeof c), 0);
    static char large[300];
    CHECK_ERRNO(getentropy(large, sizeof large), EIO);

    struct aiocb cb = {.aio_fildes = fd, .aio_buf = c, .aio_nbytes = 16};
    const struct aiocb *list[1] = {&cb};
    CHECK_EQ(aio_read(&cb), 0);
    while (aio_error(&cb) == EINPROGRESS)
        CHECK_EQ(aio_suspend(list, 1, NULL), 0);
    CHECK_EQ(aio_return(&cb), 16);
    struct aiocb *all[1] = {&cb};
    cb.aio_lio_opcode = LIO_WRITE;
    CHECK_EQ(lio_listio(LIO_WAIT, all, 1, NULL), 0);
    CHECK_EQ(aio_return(&cb), 16);
    struct gaicb req = {.ar_name = "127.0.0.1"}, *reqs[1] = {&req};
    CHECK_EQ(getaddrinfo_a(GAI_WAIT, reqs, 1, NULL), 0);
    CHECK_EQ(gai_error(&req), 0);
    freeaddrinfo(req.ar_result);
    close(fd);

    struct iovec v[2] = {{c, 2}, {c + 2, 2}};
    CHECK((fd = open("/tmp", O_TMPFILE | O_RDWR, 0600)) >= 0);
    CHECK_EQ(pwritev2(fd, v, 2, 10, 0), 4);
    CHECK_EQ(pwritev2(fd, v, 2, -1, 0), 4);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    CHECK_EQ(preadv2(fd, v, 2, 10, 0), 4);
    CHECK_ERRNO(preadv2(fd, v, 2, 10, 1 << 30), EOPNOTSUPP);
    CHECK_ERRNO(preadv2(fd, v, 2, -5, 0), EINVAL);
    CHECK_ERRNO(preadv2(-1, v, 2, 0, 0), EBADF);
    close(fd);

    int tty, pts;
    CHECK_EQ(openpty(&tty, &pts, NULL, NULL, NULL), 0);
    CHECK_EQ(tcdrain(pts), 0);
    CHECK_EQ(tcsendbreak(pts, 0), 0);
    struct termios t;
    CHECK_EQ(tcgetattr(pts, &t), 0);
    CHECK_EQ(tcsetattr(pts, TCSADRAIN, &t), 0);
    CHECK_ERRNO(tcdrain(0), ENOTTY);
    CHECK_ERRNO(tcdrain(-1), EBADF);
    close(tty);
    close(pts);
    errno = EDOM;
    syslog(LOG_DEBUG, "preload test: %d %m", 1);
    return arg;
}

static int event;

static void *count(void *arg)
{
    eventfd_t value = 0;
    CHECK_EQ(eventfd_read(event, &value), 0);
    return (void *)(value + 0 * (uintptr_t)arg);
}

static int p[2];
static void *wait_for_byte(void *arg)
{
    char c;
    return (void *)(intptr_t)read(*(int *)arg, &c, 1);
}

// What is remembered of a number must not outlive the file: a watched socket is replaced by libc's own dup3.
static void replaced(void)
{
    int s[2], q[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    for (int i = 0; i < 3; i++) { // waits on it, so that it is watched
        pthread_t t = start(wait_for_byte, &s[0]);
        nap_ms(1);
        CHECK_EQ(write(s[1], "x", 1), 1);
        CHECK_EQ((intptr_t)finish(t), 1);
    }
    FILE *f = fdopen(s[0], "r+");
    CHECK(f != NULL);
    CHECK_EQ(pipe(q), 0);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", q[0]);
    CHECK(freopen(path, "r", f) == f);
    int number = fileno(f);
    pthread_t t = start(wait_for_byte, &number);
    nap_ms(1);
    CHECK_EQ(write(q[1], "y", 1), 1);
    CHECK_EQ((intptr_t)finish(t), 1);
    fclose(f);
    close(s[1]);

    // A descriptor by message, under a number that was watched, closed by closedir before.
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    int dir = open("/", O_RDONLY | O_DIRECTORY);
    char c;
    CHECK_ERRNO(read(dir, &c, 1), EISDIR); // known as a file now
    DIR *d = fdopendir(dir);
    CHECK_EQ(closedir(d), 0);
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {{0}};
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof u.buf};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &q[0], sizeof(int));
    CHECK_EQ(sendmsg(s[0], &m, 0), 1);
    memset(&u, 0, sizeof u);
    CHECK_EQ(recvmsg(s[1], &m, 0), 1);
    memcpy(&number, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
    CHECK_EQ(number, dir);
    t = start(wait_for_byte, &number);
    nap_ms(1);
    CHECK_EQ(write(q[1], "z", 1), 1);
    CHECK_EQ((intptr_t)finish(t), 1);
}

int main(void)
{
    pthread_t t[12];
    for (int i = 0; i < 12; i++)
        t[i] = start(i % 3 ? look_up : others, NULL);
    for (int i = 0; i < 12; i++)
        finish(t[i]);
    puts("looked up");
    CHECK((event = eventfd(0, 0)) >= 0);
    t[0] = start(count, NULL);
    nap_ms(1);
    CHECK_EQ(eventfd_write(event, 5), 0);
    CHECK_EQ((uintptr_t)finish(t[0]), 5);
    CHECK_EQ(pipe(p), 0);
    replaced();
    return 0;
}
