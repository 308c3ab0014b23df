// The futex system call through syscall(): wait, wake, bitsets, requeue, with and without the private flag, and
// between processes.
#include "check.h"
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static uint32_t word, other, arrived;
static int private_flag;

static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2, uint32_t val3)
{
    return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static uint32_t load(uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void *wait_change(void *arg)
{
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    while (load(&word) == 0) {
        long r = futex(&word, FUTEX_WAIT | private_flag, 0, NULL, NULL, 0);
        CHECK(r == 0 || errno == EAGAIN);
    }
    return arg;
}

static void *wait_forever(void *arg)
{
    long r;
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    do
        r = futex(&word, FUTEX_WAIT_BITSET | private_flag, 0, NULL, NULL, (uint32_t)(uintptr_t)arg);
    while (r == -1 && errno == EINTR);
    CHECK_EQ(r, 0);
    return NULL;
}

// Wakes one or more until that many have woken: waiters may not have reached the kernel yet.
static void wake_exactly(uint32_t *addr, uint32_t bits, long n)
{
    while (n > 0) {
        long woken = futex(addr, FUTEX_WAKE_BITSET | private_flag, 1, NULL, NULL, bits);
        CHECK(woken == 0 || woken == 1);
        n -= woken;
        if (woken == 0)
            sched_yield();
    }
}

static void within(void)
{
    struct timespec ts = from_ns(20000000), at;
    pthread_t t[20];
    word = 0;
    CHECK_ERRNO(futex(&word, FUTEX_WAIT | private_flag, 1, NULL, NULL, 0), EAGAIN);
    CHECK_EQ(futex(&word, FUTEX_WAKE | private_flag, INT_MAX, NULL, NULL, 0), 0);
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT | private_flag, 0, &ts, NULL, 0), ETIMEDOUT); // relative
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 20000000);
    at = in_ms(CLOCK_MONOTONIC, 20); // absolute
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | private_flag, 0, &at, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME | private_flag, 0, &at, NULL, 1), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | private_flag, 0, &at, NULL, 0), EINVAL);
    ts.tv_nsec = 1000000000;
    CHECK_ERRNO(futex(&word, FUTEX_WAIT | private_flag, 0, &ts, NULL, 0), EINVAL);
    CHECK_ERRNO(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT | private_flag, 0, NULL, NULL, 0), EINVAL);
    puts("errors and timeouts");

    arrived = 0;
    for (int i = 0; i < 20; i++)
        t[i] = start(wait_change, NULL);
    while (load(&arrived) < 20)
        sched_yield();
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    CHECK(futex(&word, FUTEX_WAKE | private_flag, INT_MAX, NULL, NULL, 0) <= 20);
    for (int i = 0; i < 20; i++)
        finish(t[i]);
    puts("wait and wake");

    word = 0;
    for (int i = 0; i < 20; i++)
        t[i] = start(wait_forever, (void *)(uintptr_t)(i % 2 ? 1 : 4));
    wake_exactly(&word, 1, 10);
    CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET | private_flag, 100, NULL, NULL, 1 | 2 | 8), 0);
    for (int i = 1; i < 20; i += 2)
        finish(t[i]);
    wake_exactly(&word, 4 | 8, 10);
    for (int i = 0; i < 20; i += 2)
        finish(t[i]);
    puts("bitsets");

    for (int i = 0; i < 20; i++)
        t[i] = start(wait_forever, (void *)(uintptr_t)~0u);
    CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE | private_flag, 1, (void *)1, &other, 7), EAGAIN);
    long moved = 0; // woken and requeued both count
    while (moved < 20) {
        long n = futex(&word, FUTEX_CMP_REQUEUE | private_flag, 0, (void *)100, &other, 0);
        CHECK(n >= 0);
        moved += n;
        if (n == 0)
            sched_yield();
    }
    CHECK_EQ(futex(&word, FUTEX_WAKE | private_flag, 100, NULL, NULL, 0), 0);
    wake_exactly(&other, 1, 5);
    CHECK_EQ(futex(&other, FUTEX_REQUEUE | private_flag, 3, (void *)100, &word, 0), 15);
    CHECK_EQ(futex(&word, FUTEX_WAKE | private_flag, 5, NULL, NULL, 0), 5);
    CHECK_EQ(futex(&word, FUTEX_WAKE | private_flag, INT_MAX, NULL, NULL, 0), 7);
    for (int i = 0; i < 20; i++)
        finish(t[i]);
    puts("requeued");
}

// A ping-pong over shared memory, with a crowd of waiters on our side.
static uint32_t *shared;

static void bounce(int me)
{
    for (uint32_t i = (uint32_t)me; i < 1000; i += 2) {
        uint32_t now;
        while ((now = load(shared)) != i)
            futex(shared, FUTEX_WAIT, now, NULL, NULL, 0);
        __atomic_store_n(shared, i + 1, __ATOMIC_SEQ_CST);
        futex(shared, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}

static void *bounce_here(void *arg)
{
    bounce(0);
    return arg;
}

static void between_processes(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        bounce(1);
        _exit(0);
    }
    finish(start(bounce_here, NULL));
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    printf("between processes: %u\n", *shared);
}

int main(void)
{
    private_flag = FUTEX_PRIVATE_FLAG;
    within();
    private_flag = 0;
    within();
    between_processes();
    return 0;
}
