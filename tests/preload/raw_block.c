// Threads blocked in system calls that no library sees, while 100 others go on; then they are released.
#include "check.h"
#include <semaphore.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { BLOCKED = 10 };

static int p[BLOCKED][2], q[2];
static sem_t started;

static long raw_read(int fd, void *buf, size_t len)
{
#if defined(__x86_64__)
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_read), "D"(fd), "S"(buf), "d"(len) : "rcx", "r11", "memory");
    return r;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_read, x0 __asm__("x0") = fd;
    register void *x1 __asm__("x1") = buf;
    register size_t x2 __asm__("x2") = len;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
#error "no raw read for this machine"
#endif
}

static void *blocked(void *arg)
{
    int i = (int)(intptr_t)arg;
    char c = 0;
    sem_post(&started);
    if (i % 2)
        CHECK_EQ(raw_read(p[i][0], &c, 1), 1);
    else
        CHECK_EQ(syscall(SYS_read, p[i][0], &c, 1), 1);
    return (void *)(intptr_t)c;
}

static void *work(void *arg)
{
    char c;
    for (int i = 0; i < 20; i++) {
        usleep(50);
        CHECK_EQ(write(q[1], "x", 1), 1);
        CHECK_EQ(read(q[0], &c, 1), 1);
    }
    return arg;
}

int main(void)
{
    pthread_t b[BLOCKED], t[100];
    sem_init(&started, 0, 0);
    CHECK_EQ(pipe(q), 0);
    for (intptr_t i = 0; i < BLOCKED; i++) {
        CHECK_EQ(pipe(p[i]), 0);
        b[i] = start(blocked, (void *)i);
    }
    for (int i = 0; i < BLOCKED; i++)
        sem_wait(&started);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            t[i] = start(work, NULL);
        for (int i = 0; i < 100; i++)
            finish(t[i]);
    }
    puts("100 finished, three times");
    for (int i = 0; i < BLOCKED; i++) {
        char c = (char)('a' + i);
        CHECK_EQ(write(p[i][1], &c, 1), 1);
        CHECK_EQ((long)finish(b[i]), c);
    }
    puts("released");
    return 0;
}
