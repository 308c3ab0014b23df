#include "runtime/sync/futex.h"
#include "runtime/base/sys.h"
#include "runtime/sched/lot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace {

const int WAIT = FUTEX_WAIT | FUTEX_PRIVATE_FLAG, WAKE = FUTEX_WAKE | FUTEX_PRIVATE_FLAG;
const int WAIT_BITSET = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, WAKE_BITSET = FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG;

/* The value or -errno, which must have been decided by us. */
long handled(uint32_t *addr, int op, uint32_t val, const timespec *t = nullptr, uint32_t *addr2 = nullptr, uint32_t val3 = 0)
{
    long ret = 12345;

    EXPECT_TRUE(futex_call(addr, op, val, t, addr2, val3, &ret));
    return ret;
}
bool left_to_the_kernel(uint32_t *addr, int op)
{
    long ret = 12345;

    return !futex_call(addr, op, 0, nullptr, nullptr, 0, &ret);
}
const timespec *number(long n) /* where an operation takes a number in the timeout's place */
{
    return (const timespec *)n;
}

/* A native thread in a wait of ours. */
struct Waiter {
    long ret = 1;
    std::thread t;

    Waiter(uint32_t *addr, uint32_t bits = ~0u)
        : t([=] { ret = handled(addr, WAIT_BITSET, *addr, nullptr, nullptr, bits); })
    {
    }
    long join()
    {
        t.join();
        return ret;
    }
};

void until_waiting(uint32_t *addr, int n)
{
    static uint32_t elsewhere;

    for (;;) {
        int now = lot_requeue(addr, 0, &elsewhere, INT_MAX, nullptr, nullptr);

        lot_requeue(&elsewhere, 0, addr, INT_MAX, nullptr, nullptr);
        if (now >= n)
            return;
        std::this_thread::yield();
    }
}

TEST(Futex, WaitLooksAtTheValue)
{
    uint32_t x = 1;

    EXPECT_EQ(handled(&x, WAIT, 0), -EAGAIN);
    EXPECT_EQ(handled(&x, WAIT_BITSET, 0, nullptr, nullptr, 1), -EAGAIN);
}

TEST(Futex, Timeouts)
{
    uint32_t x = 0;
    timespec t = {0, 1000000};
    uint64_t start = now_ns();

    EXPECT_EQ(handled(&x, WAIT, 0, &t), -ETIMEDOUT) << "relative";
    EXPECT_GE(now_ns(), start + 1000000);
    for (int clock : {0, (int)FUTEX_CLOCK_REALTIME}) {
        t = {1, 0};
        EXPECT_EQ(handled(&x, WAIT_BITSET | clock, 0, &t, nullptr, ~0u), -ETIMEDOUT) << "absolute, long ago";
        clock_gettime(clock ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
        EXPECT_EQ(handled(&x, WAIT_BITSET | clock, 0, &t, nullptr, ~0u), -ETIMEDOUT);
    }
    for (timespec bad : {timespec{0, -1}, timespec{0, 1000000000}, timespec{-1, 0}})
        EXPECT_EQ(handled(&x, WAIT, 0, &bad), -EINVAL);
    EXPECT_EQ(handled(&x, WAIT, 0, number(8)), -EFAULT);
    EXPECT_EQ(handled(&x, WAIT_BITSET, 0, nullptr, nullptr, 0), -EINVAL);
    EXPECT_EQ(handled(&x, WAKE_BITSET, 1, nullptr, nullptr, 0), -EINVAL);
}

TEST(Futex, WakeCountsThoseItWoke)
{
    uint32_t x = 0;

    EXPECT_EQ(handled(&x, WAKE, 1), 0);
    Waiter a(&x), b(&x), c(&x);
    until_waiting(&x, 3);
    EXPECT_EQ(handled(&x, WAKE, 2), 2);
    EXPECT_EQ(handled(&x, WAKE, INT_MAX), 1);
    EXPECT_EQ(handled(&x, WAKE, UINT_MAX), 0);
    EXPECT_EQ(a.join(), 0);
    EXPECT_EQ(b.join(), 0);
    EXPECT_EQ(c.join(), 0);
}

TEST(Futex, Bits)
{
    uint32_t x = 0;
    Waiter a(&x, 1), b(&x, 6);

    until_waiting(&x, 2);
    EXPECT_EQ(handled(&x, WAKE_BITSET, INT_MAX, nullptr, nullptr, 8), 0);
    EXPECT_EQ(handled(&x, WAKE_BITSET, INT_MAX, nullptr, nullptr, 4), 1);
    EXPECT_EQ(b.join(), 0);
    EXPECT_EQ(handled(&x, WAKE, INT_MAX), 1);
    EXPECT_EQ(a.join(), 0);
}

TEST(Futex, Requeue)
{
    uint32_t x = 0, y = 0;
    Waiter a(&x), b(&x), c(&x);

    until_waiting(&x, 3);
    EXPECT_EQ(handled(&x, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, number(INT_MAX), &y, 9), -EAGAIN);
    EXPECT_EQ(handled(&x, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, number(1), &y, 0), 2);
    EXPECT_EQ(handled(&x, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, number(INT_MAX), &y), 1);
    EXPECT_EQ(handled(&x, WAKE, INT_MAX), 0);
    EXPECT_EQ(handled(&y, WAKE, INT_MAX), 2);
    EXPECT_EQ(a.join() + b.join() + c.join(), 0);
}

TEST(Futex, WakeOpChangesTheSecondWord)
{
    uint32_t x = 0, y = 5;
    Waiter a(&x);

    until_waiting(&x, 1);
    EXPECT_EQ(handled(&x, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, number(1), &y,
                      FUTEX_OP(FUTEX_OP_ADD, 2, FUTEX_OP_CMP_EQ, 5)),
              1);
    EXPECT_EQ(y, 7u);
    EXPECT_EQ(a.join(), 0);
}

TEST(Futex, AWaiterInTheKernelIsWokenToo)
{
    uint32_t x = 0;
    Waiter ours(&x);
    long ret = 1;

    until_waiting(&x, 1);
    std::thread raw([&] { ret = SYS6(SYS_futex, &x, WAIT, 0, 0, 0, 0); });
    int woken = 0;
    while (woken < 2)
        woken += (int)handled(&x, WAKE, INT_MAX);
    raw.join();
    EXPECT_EQ(woken, 2);
    EXPECT_EQ(ret, 0);
    EXPECT_EQ(ours.join(), 0);
}

TEST(Futex, WhatIsForTheKernel)
{
    uint32_t x = 0;
    uint32_t *shared =
        (uint32_t *)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t *gone = (uint32_t *)mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gone, 4096);

    for (int op : {FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI, 99})
        EXPECT_TRUE(left_to_the_kernel(&x, op | FUTEX_PRIVATE_FLAG)) << op;
    for (int op : {FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_WAKE_OP})
        EXPECT_TRUE(left_to_the_kernel(shared, op)) << op;
    EXPECT_TRUE(left_to_the_kernel((uint32_t *)((char *)&x + 1), WAIT)) << "not aligned";
    EXPECT_TRUE(left_to_the_kernel(gone, WAIT)) << "not mapped";
    EXPECT_TRUE(left_to_the_kernel(nullptr, WAIT));
    EXPECT_EQ(handled((uint32_t *)((char *)&x + 1), WAKE, 1), -EINVAL) << "as the kernel says";
    munmap(shared, 4096);
}

TEST(Futex, WithoutTheFlagTheMappingDecides)
{
    static uint32_t data;
    uint32_t stack = 1;

    EXPECT_EQ(handled(&stack, FUTEX_WAIT, 0), -EAGAIN);
    EXPECT_EQ(handled(&data, FUTEX_WAIT, 1), -EAGAIN);
    Waiter a(&data);
    until_waiting(&data, 1);
    EXPECT_EQ(handled(&data, FUTEX_WAKE, 1), 1) << "private by its mapping: the same queue";
    EXPECT_EQ(a.join(), 0);
}

} // namespace
