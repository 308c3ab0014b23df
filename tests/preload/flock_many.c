// Fifty threads blocked at once in calls that only the kernel can wait in (flock, record locks), 100 others go on;
// name look-ups by fifty at once.
#include "check.h"
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/file.h>

static char name[] = "/tmp/preload-XXXXXX";
static sem_t started;
static volatile int inside;

static void *lock_whole(void *arg)
{
    int fd = open(name, O_RDWR);
    CHECK(fd >= 0);
    sem_post(&started);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_EQ(inside++, 0);
    sched_yield();
    inside--;
    CHECK_EQ(flock(fd, LOCK_UN), 0);
    close(fd);
    return arg;
}

static void *lock_record(void *arg)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    int fd = open(name, O_RDWR);
    CHECK(fd >= 0);
    sem_post(&started);
    CHECK_EQ(fcntl(fd, F_OFD_SETLKW, &lock), 0);
    sched_yield();
    lock.l_type = F_UNLCK;
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
    close(fd);
    return arg;
}

static void *work(void *arg)
{
    for (int i = 0; i < 20; i++)
        usleep(50);
    return arg;
}

static void *look_up(void *arg)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
        freeaddrinfo(found);
        CHECK_EQ(getaddrinfo("localhost", "80", &hints, &found), 0);
        freeaddrinfo(found);
    }
    return arg;
}

int main(void)
{
    pthread_t b[50], t[100];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    sem_init(&started, 0, 0);
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
    for (int i = 0; i < 50; i++)
        b[i] = start(i % 2 ? lock_record : lock_whole, NULL);
    for (int i = 0; i < 50; i++)
        sem_wait(&started);
    for (int i = 0; i < 100; i++)
        t[i] = start(work, NULL);
    for (int i = 0; i < 100; i++)
        finish(t[i]);
    puts("100 finished");
    CHECK_EQ(close(fd), 0);
    for (int i = 0; i < 50; i++)
        finish(b[i]);
    CHECK_EQ(unlink(name), 0);
    puts("locks passed on");
    for (int i = 0; i < 50; i++)
        b[i] = start(look_up, NULL);
    for (int i = 0; i < 50; i++)
        finish(b[i]);
    puts("looked up");
    return 0;
}
