// Addresses that look like memory and are none: the calls say EFAULT, as the kernel does, and nobody crashes.
#include "show.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char *gone; // no access

static void *calls(void *arg)
{
    int s[2], d[2], p[2];
    char c = 'x';
    struct iovec bad = {gone, 8}, good = {&c, 1}, half[2] = {{&c, 1}, {gone, 8}};
    struct iovec *vector = (void *)gone;
    struct msghdr m = {0};

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, d), 0);
    CHECK_EQ(pipe(p), 0);
    int in[3] = {s[0], d[0], p[0]}, out[3] = {s[1], d[1], p[1]};
    for (int i = 0; i < 3; i++) {
        printf("descriptors %d\n", i);
        for (int n = 1; n < 3; n++) {
            SHOW(writev(out[i], vector, n));
            SHOW(readv(in[i], vector, n)); // empty
        }
        SHOW(writev(out[i], &bad, 1));
        SHOW(write(out[i], gone, 8));
        CHECK_EQ(writev(out[i], &good, 1), 1);
        for (int n = 1; n < 3; n++)
            SHOW(readv(in[i], vector, n));
        if (i == 0 || i == 2) {
            SHOW(readv(in[i], &bad, 1));
            SHOW(read(in[i], gone, 8));
        }
        SHOW(readv(in[i], half, 1));
    }
    for (int i = 0; i < 2; i++) {
        printf("messages %d\n", i);
        SHOW(recvmsg(in[i], (void *)gone, 0));
        SHOW(sendmsg(out[i], (void *)gone, 0));
        m.msg_iov = vector;
        m.msg_iovlen = 1;
        SHOW(recvmsg(in[i], &m, 0));
        SHOW(sendmsg(out[i], &m, 0));
        SHOW(recvmsg(in[i], &m, MSG_WAITALL));
        SHOW(send(out[i], gone, 8, 0));
        SHOW(sendto(out[i], &c, 1, 0, (void *)gone, 16));
    }
    return arg;
}

int main(void)
{
    CHECK((gone = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
    finish(start(calls, NULL));
    return 0;
}
