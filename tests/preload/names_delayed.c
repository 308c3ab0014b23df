// Many look-ups at once, of a name server that answers none of them before all have come: they wait at the same time, and hold nobody
// else up. The server is a process of this program's, on the loopback of a network and mount namespace of its own.
// Exits with 77 where such namespaces are not allowed.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { LOOKUPS = 200, ONE_BY_ONE = 20, SKIPPED = 77 };

// --- The namespaces ---

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text);
}

static void enter_namespaces(void)
{
    char map[64];
    int uid = (int)geteuid();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) == 0)
        return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
        _exit(SKIPPED);
    snprintf(map, sizeof map, "0 %d 1", uid);
    if (!put("/proc/self/uid_map", map))
        _exit(SKIPPED);
}

static void replace(const char *path, const char *text)
{
    char name[] = "/tmp/names_delayed.XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    write_all(fd, text, strlen(text));
    close(fd);
    int r = mount(name, path, NULL, MS_BIND, NULL);
    unlink(name);
    if (r != 0)
        _exit(SKIPPED);
}

static void loopback_up(void)
{
    struct ifreq req = {.ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    strcpy(req.ifr_name, "lo");
    if (ioctl(fd, SIOCSIFFLAGS, &req) != 0)
        _exit(SKIPPED);
    close(fd);
}

// --- The server: hN.test has the address 10.1.0.N, and the other way round ---

struct query {
    struct sockaddr_in from;
    socklen_t from_len;
    size_t len;
    unsigned char data[512];
};

static void answer(int fd, struct query *q)
{
    unsigned char *p = q->data + q->len;
    int reverse = q->data[q->len - 3] == 12; // PTR
    char label[64];
    memcpy(label, q->data + 13, q->data[12]);
    label[q->data[12]] = 0;
    int n = atoi(reverse ? label : label + 1);

    q->data[2] = 0x81; // a response
    q->data[3] = 0x80;
    q->data[7] = 1;  // one answer
    q->data[11] = 0; // nothing more, whatever the query had
    memcpy(p, "\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\x01\0", 15); // the question's name, A, IN, no time to live, 4 bytes
    p[15] = (unsigned char)n;
    p += 16;
    if (reverse) {
        int len = sprintf(label, "h%d", n);
        p -= 16;
        p[3] = 12;
        p[11] = (unsigned char)(len + 7);
        p[12] = (unsigned char)len;
        memcpy(p + 13, label, (size_t)len);
        memcpy(p + 13 + len, "\4test", 6);
        p += 19 + len;
    }
    CHECK(sendto(fd, q->data, (size_t)(p - q->data), 0, (struct sockaddr *)&q->from, q->from_len) > 0);
}

static void take(int fd, struct query *q)
{
    q->from_len = sizeof q->from;
    ssize_t n = recvfrom(fd, q->data, 300, 0, (struct sockaddr *)&q->from, &q->from_len);
    CHECK(n > 17);
    q->len = (size_t)n;
}

static void serve(int fd, int all_here, int go)
{
    static struct query q[LOOKUPS];
    char c;
    for (int i = 0; i < LOOKUPS; i++)
        take(fd, &q[i]);
    CHECK_EQ(write(all_here, "x", 1), 1);
    CHECK_EQ(read(go, &c, 1), 1);
    for (int i = 0; i < LOOKUPS; i++)
        answer(fd, &q[i]);
    for (;;) {
        take(fd, &q[0]);
        answer(fd, &q[0]);
    }
}

static pid_t start_server(int all_here, int go)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pid_t parent = getpid();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            serve(fd, all_here, go);
        _exit(0);
    }
    CHECK(pid > 0);
    close(fd);
    return pid;
}

// --- The clients ---

static void by_address(const struct sockaddr_in *a)
{
    char host[64], want[64];
    snprintf(want, sizeof want, "h%d.test", (int)(ntohl(a->sin_addr.s_addr) & 255));
    CHECK_EQ(getnameinfo((const struct sockaddr *)a, sizeof *a, host, sizeof host, NULL, 0, NI_NAMEREQD), 0);
    CHECK(strcmp(host, want) == 0);
}

static void *look_up(void *arg)
{
    int i = (int)(intptr_t)arg;
    struct sockaddr_in want = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010000u + (unsigned)i)};
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    char name[32], buf[1024];
    struct hostent h, *found;
    int err;

    snprintf(name, sizeof name, "h%d.test", i);
    switch (i % 4) {
    case 0:
    case 1:
        CHECK_EQ(getaddrinfo(name, NULL, &hints, &list), 0);
        CHECK(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr == want.sin_addr.s_addr);
        CHECK(list->ai_next == NULL);
        freeaddrinfo(list);
        break;
    case 2:
        CHECK_EQ(gethostbyname_r(name, &h, buf, sizeof buf, &found, &err), 0);
        CHECK(found && memcmp(h.h_addr_list[0], &want.sin_addr, 4) == 0);
        break;
    case 3:
        by_address(&want);
        break;
    }
    return arg;
}

// libc serves these one after the other.
static void *look_up_alone(void *arg)
{
    char name[32];
    snprintf(name, sizeof name, "h%d.test", (int)(intptr_t)arg);
    CHECK(gethostbyname(name) != NULL);
    return arg;
}

static int ping[2], pong[2];

static void *echo(void *arg)
{
    char c;
    while (read(ping[0], &c, 1) == 1)
        CHECK_EQ(write(pong[1], &c, 1), 1);
    return arg;
}

int main(void)
{
    pthread_t t[LOOKUPS];
    int all_here[2], go[2];
    char c;

    enter_namespaces();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return SKIPPED;
    replace("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
    replace("/etc/nsswitch.conf", "hosts: files dns\n");
    loopback_up();
    CHECK(pipe(all_here) == 0 && pipe(go) == 0 && pipe(ping) == 0 && pipe(pong) == 0);
    pid_t server = start_server(all_here[1], go[0]);

    pthread_t e = start(echo, NULL);
    for (intptr_t i = 0; i < LOOKUPS; i++)
        t[i] = start(look_up, (void *)i);
    CHECK_EQ(read(all_here[0], &c, 1), 1);
    puts("all wait");
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(write(ping[1], "x", 1), 1);
        CHECK_EQ(read(pong[0], &c, 1), 1);
    }
    CHECK_EQ(write(go[1], "x", 1), 1);
    for (int i = 0; i < LOOKUPS; i++)
        finish(t[i]);
    puts("all answered");

    for (intptr_t i = 0; i < ONE_BY_ONE; i++)
        t[i] = start(look_up_alone, (void *)i);
    for (int i = 0; i < ONE_BY_ONE; i++)
        finish(t[i]);
    CHECK_EQ(kill(server, SIGKILL), 0); // it has the pipes too
    CHECK_EQ(waitpid(server, NULL, 0), server);
    close(ping[1]);
    finish(e);
    puts("done");
    return 0;
}
