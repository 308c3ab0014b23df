// No other process ever sees O_NONBLOCK on what it shares with us: a child looks at the flags of a pipe, a socket, a listener and a
// terminal at random moments while threads wait on them by every kind of call.  connect is made on sockets that the child does not have.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { ROUNDS = 150, PIPE = 0, SOCK = 2, TTY = 4, DGRAM = 6, LISTENER = 8, FDS = 9 };

static int fd[FDS];
static int file;

static void *read_side(void *arg)
{
    int from = (int)(intptr_t)arg;
    char buf[100];
    for (int got = 0; got < ROUNDS * 10;) {
        struct iovec v = {buf, 10};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        ssize_t n;
        switch (from == SOCK ? got / 10 % 4 : 0) {
        case 1:
            n = recv(fd[from], buf, 10, 0);
            break;
        case 2:
            n = recvmsg(fd[from], &m, 0);
            break;
        case 3:
            n = readv(fd[from], &v, 1);
            break;
        default:
            n = read(fd[from], buf, 10);
        }
        CHECK(n > 0);
        got += (int)n;
    }
    return NULL;
}

static void *write_side(void *arg)
{
    int to = (int)(intptr_t)arg;
    off_t at;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 8 == 0)
            nap_ms(1); // let readers wait
        at = 0;
        if (to == SOCK + 1 && i % 3 == 0)
            CHECK_EQ(sendfile(fd[to], file, &at, 10), 10);
        else if (to == PIPE + 1 && i % 3 == 0)
            CHECK_EQ(splice(file, &at, fd[to], NULL, 10, 0), 10);
        else
            write_all(fd[to], "123456789\n", 10);
    }
    return NULL;
}

static void *datagrams_in(void *arg)
{
    char buf[2][20];
    struct iovec v[2] = {{buf[0], 20}, {buf[1], 20}};
    struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = v, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = v + 1, .msg_iovlen = 1}}};
    for (int got = 0; got < ROUNDS;) {
        int n = recvmmsg(fd[DGRAM], m, 2, 0, NULL);
        CHECK(n > 0);
        got += n;
    }
    return arg;
}

static void *datagrams_out(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 8 == 0)
            nap_ms(1);
        CHECK_EQ(send(fd[DGRAM + 1], "x", 1, 0), 1);
    }
    return arg;
}

static void *acceptor(void *arg)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        int s = accept(fd[LISTENER], NULL, NULL);
        CHECK(s >= 0);
        CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
        close(s);
    }
    return arg;
}

static void *connector(void *arg)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(connect(s, arg, sizeof(struct sockaddr_in)), 0);
        CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
        close(s);
        if (i % 8 == 0)
            nap_ms(1);
    }
    return arg;
}

int main(void)
{
    char name[] = "/tmp/preload-XXXXXX";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), status;
    CHECK(stop != MAP_FAILED);
    CHECK((file = mkstemp(name)) >= 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(write(file, "123456789\n", 10), 10);
    CHECK_EQ(pipe(fd + PIPE), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd + SOCK), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd + DGRAM), 0);
    struct termios raw;
    memset(&raw, 0, sizeof raw);
    raw.c_cflag = CS8 | CREAD;
    raw.c_cc[VMIN] = 1;
    CHECK_EQ(openpty(&fd[TTY], &fd[TTY + 1], NULL, &raw, NULL), 0);
    fd[LISTENER] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(fd[LISTENER], (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(fd[LISTENER], 50), 0);
    CHECK_EQ(getsockname(fd[LISTENER], (struct sockaddr *)&at, &len), 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        unsigned seed = 1, looks = 0;
        int seen = 0;
        while (!__atomic_load_n(stop, __ATOMIC_SEQ_CST) || looks == 0) {
            int i = rand_r(&seed) % FDS;
            if (fcntl(fd[i], F_GETFL) & O_NONBLOCK)
                seen |= 1 << (i / 2);
            looks++;
        }
        _exit(seen);
    }
    pthread_t t[10];
    int n = 0;
    for (intptr_t k = PIPE; k <= TTY; k += 2) {
        t[n++] = start(read_side, (void *)k);
        t[n++] = start(write_side, (void *)(k + 1));
    }
    t[n++] = start(datagrams_in, NULL);
    t[n++] = start(datagrams_out, NULL);
    t[n++] = start(acceptor, NULL);
    t[n++] = start(connector, &at);
    while (n > 0)
        finish(t[--n]);
    __atomic_store_n(stop, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    printf("seen by the other process: %d\n", WEXITSTATUS(status));
    return 0;
}
