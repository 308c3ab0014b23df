#include "runtime/sched/lot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <deque>
#include <thread>
#include <vector>

static const struct wait_on no_purpose = {};

namespace {

/* A native waiter queued by hand: nobody has to sleep for it. */
struct Queued {
    struct waiter w = {};
    struct lot_node n = {};

    explicit Queued(const void *addr, uint32_t bits = ~0u)
    {
        struct lot_bucket *b = lot_lock(addr);

        lot_queue(b, &n, addr, &w, waiter_prepare(&w, no_purpose));
        n.bits = bits;
        lot_unlock(b);
    }
    ~Queued()
    {
        wake(W_INTR);
        park();
    }
    bool wake(enum wake_reason r) { return waiter_wake(&w, n.ticket, r); }
    enum wake_reason state() const { return (enum wake_reason)(w.word & W_MASK); }
    bool woken() const { return state() == W_WOKEN; }
    int park() { return lot_park(&n, NO_DEADLINE, 0); }
};

/* How many wait on addr.  They keep their order as long as nobody else queues there. */
int waiting(const uint32_t *addr)
{
    static uint32_t elsewhere;
    int n = lot_requeue(addr, 0, &elsewhere, INT_MAX, nullptr, nullptr);

    EXPECT_EQ(lot_requeue(&elsewhere, 0, addr, INT_MAX, nullptr, nullptr), n);
    return n;
}

TEST(Lot, WakesInOrderAndOnlyTheAddress)
{
    uint32_t x = 0, y = 0;
    Queued a(&x), other(&y), b(&x), c(&x);

    EXPECT_EQ(lot_wake(&x, 0), 0);
    EXPECT_EQ(lot_wake(&x, 1), 1);
    EXPECT_TRUE(a.woken());
    EXPECT_FALSE(b.woken() || c.woken());
    EXPECT_EQ(a.park(), 0);
    EXPECT_EQ(lot_wake(&x, 1), 1);
    EXPECT_TRUE(b.woken());
    EXPECT_FALSE(c.woken());
    EXPECT_EQ(lot_wake(&x, INT_MAX), 1);
    EXPECT_TRUE(c.woken());
    EXPECT_EQ(lot_wake(&x, INT_MAX), 0);
    EXPECT_EQ(other.state(), W_PARKING);
}

TEST(Lot, AWakeIsNotSpentOnAWaiterThatEndedItself)
{
    uint32_t x = 0;
    Queued a(&x), b(&x);

    ASSERT_TRUE(a.wake(W_TIMEOUT));
    EXPECT_EQ(lot_wake(&x, 1), 1);
    EXPECT_TRUE(b.woken());
    EXPECT_EQ(a.park(), -ETIMEDOUT);
    EXPECT_EQ(b.park(), 0);
}

TEST(Lot, AWaiterTakesItselfOff)
{
    uint32_t x = 0;
    Queued a(&x), b(&x);

    ASSERT_TRUE(a.wake(W_INTR));
    EXPECT_EQ(a.park(), -EINTR);
    EXPECT_FALSE(a.n.linked);
    EXPECT_EQ(waiting(&x), 1);
}

TEST(Lot, UndoRunsOnlyForANodeStillQueued)
{
    uint32_t x = 0;
    int undone = 0;
    auto undo = [](void *arg) { ++*(int *)arg; };
    Queued a(&x), b(&x);

    ASSERT_TRUE(a.wake(W_TIMEOUT));
    EXPECT_EQ(lot_park_undo(&a.n, NO_DEADLINE, undo, &undone), -ETIMEDOUT);
    EXPECT_EQ(undone, 1);
    EXPECT_EQ(lot_wake(&x, 1), 1);
    EXPECT_EQ(lot_park_undo(&b.n, NO_DEADLINE, undo, &undone), 0);
    EXPECT_EQ(undone, 1);
}

TEST(Lot, CountedWakeCountsNodesTakenOff)
{
    uint32_t x = 0, count = 4;
    Queued a(&x), b(&x), c(&x), d(&x);
    struct lot_bucket *k;

    ASSERT_TRUE(a.wake(W_TIMEOUT));
    k = lot_lock(&x);
    EXPECT_EQ(lot_wake_counted(k, &x, 1, &count), 1);
    lot_unlock(k);
    EXPECT_EQ(count, 2u) << "the one that had ended, and the one woken";
    EXPECT_TRUE(b.woken());
    EXPECT_FALSE(c.woken() || d.woken());
}

TEST(Lot, BitsSelect)
{
    uint32_t x = 0;
    Queued a(&x, 1), b(&x, 2), c(&x, 3);

    EXPECT_EQ(lot_wake_bits(&x, INT_MAX, 4), 0);
    EXPECT_EQ(lot_wake_bits(&x, 1, 2), 1);
    EXPECT_TRUE(b.woken());
    EXPECT_FALSE(a.woken() || c.woken());
    EXPECT_EQ(lot_wake_bits(&x, INT_MAX, 2), 1);
    EXPECT_TRUE(c.woken());
    EXPECT_EQ(lot_wake(&x, INT_MAX), 1);
    EXPECT_TRUE(a.woken());
}

TEST(Lot, InterruptedInPlace)
{
    uint32_t x = 0;
    Queued a(&x), b(&x);

    ASSERT_TRUE(a.wake(W_INTR));
    EXPECT_TRUE(lot_park_stay(&a.n, 0)) << "interrupted, still queued";
    uint64_t before = a.n.ticket;
    ASSERT_TRUE(lot_resume(&a.n, &a.w, no_purpose));
    EXPECT_NE(a.n.ticket, before);
    EXPECT_EQ(lot_wake(&x, 1), 1);
    EXPECT_TRUE(a.woken()) << "it kept its place before b";
    EXPECT_FALSE(lot_park_stay(&a.n, 0));
    EXPECT_FALSE(lot_resume(&a.n, &a.w, no_purpose));
    EXPECT_FALSE(b.woken());
}

/* The wake comes between the interruption and the new episode: it is not lost, and not given away. */
TEST(Lot, TakenOffWhileInterrupted)
{
    uint32_t x = 0;
    Queued a(&x), b(&x);

    ASSERT_TRUE(a.wake(W_INTR));
    EXPECT_TRUE(lot_park_stay(&a.n, 0));
    EXPECT_EQ(lot_wake(&x, INT_MAX), 1) << "b only: the episode of a had ended";
    EXPECT_FALSE(lot_resume(&a.n, &a.w, no_purpose)) << "but the wake of all included it";
    EXPECT_TRUE(b.woken());
}

TEST(Lot, WaitSeesAChangedValue)
{
    uint32_t x = 1;

    EXPECT_EQ(lot_wait(&x, 0, NO_DEADLINE, no_purpose), -EAGAIN);
    EXPECT_EQ(lot_wait_bits(&x, 2, 0, 1, no_purpose), -EAGAIN);
    EXPECT_EQ(waiting(&x), 0);
}

TEST(Lot, WaitTimesOutNotEarly)
{
    uint32_t x = 0;
    uint64_t deadline = now_ns() + 2000000;

    EXPECT_EQ(lot_wait(&x, 0, deadline, no_purpose), -ETIMEDOUT);
    EXPECT_GE(now_ns(), deadline);
    EXPECT_EQ(lot_wait(&x, 0, 0, no_purpose), -ETIMEDOUT);
    EXPECT_EQ(waiting(&x), 0);
}

TEST(Lot, RequeueWakesSomeAndMovesSome)
{
    uint32_t x = 0, y = 0;
    int woken = -1;
    Queued y0(&y), a(&x), b(&x), c(&x), d(&x);

    EXPECT_EQ(lot_requeue(&x, 1, &y, 2, nullptr, &woken), 3);
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(a.woken());
    EXPECT_FALSE(b.woken() || c.woken() || d.woken());
    EXPECT_EQ(lot_wake(&y, 1), 1);
    EXPECT_TRUE(y0.woken()) << "the moved ones came to the tail";
    EXPECT_EQ(lot_wake(&y, 1), 1);
    EXPECT_TRUE(b.woken());
    EXPECT_EQ(lot_wake(&y, INT_MAX), 1);
    EXPECT_TRUE(c.woken());
    EXPECT_FALSE(d.woken());
    EXPECT_EQ(lot_wake(&x, INT_MAX), 1);
    EXPECT_TRUE(d.woken());
}

TEST(Lot, RequeueChecksTheValue)
{
    uint32_t x = 5, y = 0, expected = 4;
    int woken = -1;
    Queued a(&x);

    EXPECT_EQ(lot_requeue(&x, 1, &y, 1, &expected, &woken), -EAGAIN);
    EXPECT_EQ(woken, -1);
    EXPECT_EQ(waiting(&x), 1);
    expected = 5;
    EXPECT_EQ(lot_requeue(&x, 0, &y, 1, &expected, &woken), 1);
    EXPECT_EQ(woken, 0);
    EXPECT_EQ(waiting(&x), 0);
    EXPECT_EQ(waiting(&y), 1);
}

TEST(Lot, RequeueToItselfOnlyWakes)
{
    uint32_t x = 0;
    Queued a(&x), b(&x);

    EXPECT_EQ(lot_requeue(&x, 1, &x, INT_MAX, nullptr, nullptr), 1);
    EXPECT_TRUE(a.woken());
    EXPECT_EQ(waiting(&x), 1);
}

/* Enough words that some share a bucket, in both address orders of the two locks. */
TEST(Lot, RequeueBetweenManyAddresses)
{
    const size_t n = 20000;
    std::vector<uint32_t> words(n);
    std::deque<Queued> waiters;

    for (size_t i = 0; i < n; i++)
        waiters.emplace_back(&words[i]);
    for (size_t i = 0; i + 1 < n; i++) /* each drags all before it along */
        ASSERT_EQ(lot_requeue(&words[i], i >= 50, &words[i + 1], INT_MAX, nullptr, nullptr), (int)std::min<size_t>(i + 1, 51));
    int left = lot_wake(&words[n - 1], INT_MAX);
    EXPECT_EQ(left, 51);
    for (auto &q : waiters)
        ASSERT_TRUE(q.woken());
}

TEST(Lot, ATimedOutWaiterLeavesTheQueueItWasMovedTo)
{
    uint32_t x = 0, y = 0;
    Queued a(&x);

    EXPECT_EQ(lot_requeue(&x, 0, &y, 1, nullptr, nullptr), 1);
    ASSERT_TRUE(a.wake(W_TIMEOUT));
    EXPECT_EQ(a.park(), -ETIMEDOUT);
    EXPECT_EQ(waiting(&y), 0);
    EXPECT_EQ(lot_wake(&y, 1), 0);
}

/* Each is moved to x once it sleeps on a word of its own, so their order is known. */
TEST(LotThreads, SleepersWakeInOrder)
{
    const int n = 5;
    uint32_t x = 0, own[n] = {};
    std::atomic<int> next{0};
    std::vector<int> order;
    std::vector<std::thread> threads;

    for (int i = 0; i < n; i++)
        threads.emplace_back([&, i] {
            EXPECT_EQ(lot_wait(&own[i], 0, NO_DEADLINE, no_purpose), 0);
            order.push_back(i);
            next++;
        });
    for (int i = n - 1; i >= 0; i--)
        while (lot_requeue(&own[i], 0, &x, 1, nullptr, nullptr) == 0)
            std::this_thread::yield();
    for (int i = 0; i < n; i++) {
        EXPECT_EQ(lot_wake(&x, 1), 1);
        while (next != i + 1)
            std::this_thread::yield();
    }
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(order, (std::vector<int>{4, 3, 2, 1, 0}));
}

/* Waiters with deadlines, wakes and requeues all at once.  Nobody is lost: each wait ends by a wake or by its deadline,
 * and the wakes that were counted are the waits that say so. */
TEST(LotStress, WakesAreConserved)
{
    const unsigned n_threads = 4, rounds = 5000;
    static uint32_t x, y;
    std::atomic<unsigned> running{n_threads}, woken{0}, timed_out{0}, other{0};
    std::vector<std::thread> threads;
    unsigned given = 0;

    for (unsigned t = 0; t < n_threads; t++)
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < rounds; i++) {
                int r = lot_wait(t % 2 ? &x : &y, 0, now_ns() + (i * 7 + t) % 50 * 1000, no_purpose);

                (r == 0 ? woken : r == -ETIMEDOUT ? timed_out : other)++;
            }
            running--;
        });
    for (unsigned i = 0; running > 0; i++) {
        int w = 0;

        given += (unsigned)lot_wake(&x, (int)(i % 3));
        if (lot_requeue(&y, 1, &x, 1, nullptr, &w) >= 0)
            given += (unsigned)w;
        given += (unsigned)lot_wake(&y, 1);
    }
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(other.load(), 0u);
    EXPECT_EQ(woken + timed_out, n_threads * rounds);
    EXPECT_EQ(woken.load(), given);
    EXPECT_EQ(waiting(&x) + waiting(&y), 0);
}

/* The mutex of "Futexes are tricky" on top of it: no lost wake, no two owners. */
TEST(LotStress, MutexOnTop)
{
    const unsigned n_threads = 4, rounds = 20000;
    static uint32_t word;
    volatile unsigned counter = 0;
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> threads;

    for (unsigned t = 0; t < n_threads; t++)
        threads.emplace_back([&] {
            ready++;
            while (ready < n_threads)
                std::this_thread::yield();
            for (unsigned i = 0; i < rounds; i++) {
                uint32_t z = 0;

                if (!cas_acquire(&word, &z, 1u))
                    while (xchg_acquire(&word, 2u) != 0)
                        lot_wait(&word, 2, NO_DEADLINE, no_purpose);
                counter = counter + 1;
                if (i % 64 == 0)
                    std::this_thread::yield();
                if (xchg_release(&word, 0u) == 2)
                    lot_wake(&word, 1);
            }
        });
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(counter, n_threads * rounds);
}

} // namespace
