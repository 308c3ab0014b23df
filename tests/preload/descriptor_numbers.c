// A new descriptor gets the lowest free number, always: here while threads block in the kernel unannounced, so that the library looks at what
// their OS threads do.
#include "check.h"
#include <stdatomic.h>
#include <sys/syscall.h>

enum { BLOCKERS = 8, TIMES = 60 };

static atomic_int running = BLOCKERS;

static void block_directly(long ns)
{
    struct timespec ts = {0, ns};
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_nanosleep), "D"(&ts), "S"(0) : "rcx", "r11", "memory");
}

static void *blocker(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        block_directly(500000);
        sched_yield();
    }
    running--;
    return arg;
}

int main(void)
{
    pthread_t t[BLOCKERS];
    int lowest = dup(0), other = 0;
    close(lowest);
    for (int i = 0; i < BLOCKERS; i++)
        t[i] = start(blocker, NULL);
    while (running > 0) {
        int fd = dup(0);
        other += fd != lowest;
        close(fd);
    }
    for (int i = 0; i < BLOCKERS; i++)
        finish(t[i]);
    printf("%s\n", other ? "others got the number" : "the lowest, always");
    return 0;
}
