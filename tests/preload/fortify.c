// The names that a fortified build imports: sizes that the compiler cannot see, buffers that it can.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef __USE_FORTIFY_LEVEL
#error "build with optimisation"
#endif

static int fd[2];
static sem_t ready;

static void *receive_all_ways(void *arg)
{
    char buf[64];
    struct pollfd p[2] = {{fd[0], POLLIN, 0}, {fd[0], POLLPRI, 0}};
    struct timespec ts = {60, 0};
    sem_post(&ready);
    CHECK_EQ(read(fd[0], buf, opaque(5)), 5);
    sem_post(&ready);
    CHECK_EQ(recv(fd[0], buf, opaque(5), 0), 5);
    sem_post(&ready);
    CHECK_EQ(recvfrom(fd[0], buf, opaque(5), 0, NULL, NULL), 5);
    sem_post(&ready);
    CHECK_EQ(poll(p, (nfds_t)opaque(2), -1), 1);
    CHECK_EQ(read(fd[0], buf, opaque(64)), 5);
    sem_post(&ready);
    CHECK_EQ(ppoll(p, (nfds_t)opaque(2), &ts, NULL), 1);
    CHECK_EQ(recv(fd[0], buf, opaque(64), MSG_PEEK), 5);
    CHECK_EQ(memcmp(buf, "hello", 5), 0);
    return arg;
}

int main(void)
{
    char name[] = "/tmp/preload-XXXXXX", buf[64];
    CHECK_EQ(sem_init(&ready, 0, 0), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    pthread_t t = start(receive_all_ways, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(sem_wait(&ready), 0);
        CHECK_EQ(send(fd[1], "hello", opaque(5), 0), 5);
    }
    finish(t);
    int file = mkstemp(name);
    CHECK(file >= 0);
    CHECK_EQ(pwrite(file, "0123456789", opaque(10), 0), 10);
    CHECK_EQ(pread(file, buf, opaque(64), 3), 7);
    CHECK_EQ(pread64(file, buf, opaque(2), 1), 2);
    CHECK_EQ(memcmp(buf, "12", 2), 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(confstr(_CS_PATH, buf, opaque(64)) > 0, 1);
    CHECK(getcwd(buf, opaque(64)) != NULL || errno == ERANGE);
    puts("fortified");
    return 0;
}
