#include "runtime/base/lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

#ifdef VTHR_DEBUG_CHECKS
TEST(LockDeathTest, FallingRankPanics)
{
    struct vthr_lock low = VTHR_LOCK_INIT(RANK_POLLER), high = VTHR_LOCK_INIT(RANK_LOT);

    EXPECT_DEATH(
        {
            lock(&high);
            lock(&low);
        },
        "lock rank violated");
}

TEST(LockDeathTest, TwoOfOneRankPanic)
{
    struct vthr_lock a = VTHR_LOCK_INIT(RANK_FD), b = VTHR_LOCK_INIT(RANK_FD);

    EXPECT_DEATH(
        {
            lock(&a);
            lock(&b);
        },
        "lock rank violated");
}

TEST(LockDeathTest, TheHighestHeldRankCounts)
{
    struct vthr_lock a = VTHR_LOCK_INIT(RANK_BOOT), b = VTHR_LOCK_INIT(RANK_LEAF), c = VTHR_LOCK_INIT(RANK_SLABS);

    EXPECT_DEATH(
        {
            lock(&a);
            lock(&b);
            unlock(&a);
            lock(&c);
        },
        "lock rank violated");
}
#endif

TEST(Lock, RisingRanksAreFineAndReleasedInAnyOrder)
{
    struct vthr_lock l[RANK_LEAF + 1];

    for (int round = 0; round < 2; round++) {
        for (int r = RANK_BOOT; r <= RANK_LEAF; r++) {
            lock_init(&l[r], (enum vthr_rank)r);
            lock(&l[r]);
        }
        for (int r = RANK_BOOT; r <= RANK_LEAF; r++)
            unlock(&l[round ? RANK_LEAF + RANK_BOOT - r : r]);
    }
    lock(&l[RANK_BOOT]);
    unlock(&l[RANK_BOOT]);
}

TEST(Lock, TryLockTakesAFreeOneInAnyOrder)
{
    struct vthr_lock low = VTHR_LOCK_INIT(RANK_POLLER), high = VTHR_LOCK_INIT(RANK_LOT);

    lock(&high);
    EXPECT_TRUE(try_lock(&low));
    EXPECT_FALSE(try_lock(&low));
    EXPECT_FALSE(try_lock(&high));
    unlock(&low);
    EXPECT_TRUE(try_lock(&low));
    unlock(&low);
    unlock(&high);
    EXPECT_EQ(low.word, 0u);
    EXPECT_EQ(high.word, 0u);
}

TEST(Lock, SleeperIsWoken)
{
    struct vthr_lock l = VTHR_LOCK_INIT(RANK_LEAF);
    std::atomic<bool> got{false};

    lock(&l);
    std::thread other([&] {
        lock(&l);
        got = true;
        unlock(&l);
    });
    while (load_relaxed(&l.word) != 2) /* it is asleep, or about to be */
        std::this_thread::yield();
    EXPECT_FALSE(got);
    unlock(&l);
    other.join();
    EXPECT_TRUE(got);
    EXPECT_EQ(l.word, 0u);
}

TEST(LockStress, MutualExclusion)
{
    const unsigned n_threads = 4, rounds = 200000;
    struct vthr_lock l = VTHR_LOCK_INIT(RANK_LEAF);
    volatile unsigned a = 0, b = 0; /* changed together, under the lock only */
    std::atomic<unsigned> torn{0}, ready{0};
    std::vector<std::thread> threads;

    for (unsigned t = 0; t < n_threads; t++)
        threads.emplace_back([&, t] {
            ready++;
            while (ready < n_threads)
                std::this_thread::yield();
            for (unsigned i = 0; i < rounds; i++) {
                if (t == 0 && i % 3 == 0)
                    while (!try_lock(&l))
                        std::this_thread::yield();
                else
                    lock(&l);
                torn += a != b;
                a = a + 1;
                if (i % 128 == 0)
                    std::this_thread::yield(); /* others run into a held lock even on one processor */
                b = b + 1;
                unlock(&l);
            }
        });
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(torn.load(), 0u);
    EXPECT_EQ(a, n_threads * rounds);
    EXPECT_EQ(b, n_threads * rounds);
    EXPECT_EQ(l.word, 0u);
}

} // namespace
