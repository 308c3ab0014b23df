#include "runtime/sched/waiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

static const struct wait_on no_purpose = {};

namespace {

/* Native waiters: vt is NULL. */

TEST(Waiter, WokenBeforeItParks)
{
    struct waiter w = {};
    uint64_t ticket = waiter_prepare(&w, no_purpose);

    EXPECT_TRUE(waiter_wake(&w, ticket, W_WOKEN));
    EXPECT_EQ(waiter_park(&w, NO_DEADLINE), W_WOKEN);
}

TEST(Waiter, TheFirstReasonStays)
{
    for (enum wake_reason first : {W_WOKEN, W_TIMEOUT, W_INTR, W_CLOSED}) {
        struct waiter w = {};
        uint64_t ticket = waiter_prepare(&w, no_purpose);

        EXPECT_TRUE(waiter_wake(&w, ticket, first));
        EXPECT_FALSE(waiter_wake(&w, ticket, W_WOKEN));
        EXPECT_FALSE(waiter_wake_batch(&w, ticket, W_INTR));
        EXPECT_EQ(waiter_park(&w, 0), first) << "not even by a deadline that has passed";
    }
}

TEST(Waiter, AStaleTicketDoesNothing)
{
    struct waiter w = {};
    uint64_t first = waiter_prepare(&w, no_purpose);

    EXPECT_TRUE(waiter_wake(&w, first, W_WOKEN));
    EXPECT_EQ(waiter_park(&w, NO_DEADLINE), W_WOKEN);
    uint64_t second = waiter_prepare(&w, no_purpose);
    EXPECT_NE(first, second);
    EXPECT_FALSE(waiter_wake(&w, first, W_WOKEN));
    EXPECT_FALSE(waiter_wake(&w, second + 1, W_WOKEN));
    EXPECT_EQ(w.word, second << 3 | W_PARKING);
    EXPECT_TRUE(waiter_wake(&w, second, W_CLOSED));
    EXPECT_EQ(waiter_park(&w, NO_DEADLINE), W_CLOSED);
}

TEST(Waiter, NobodyWaits)
{
    struct waiter w = {};

    EXPECT_FALSE(waiter_wake(&w, 0, W_WOKEN));
    EXPECT_EQ(w.word, 0u);
}

TEST(Waiter, DeadlineIsNeverEarly)
{
    struct waiter w = {};

    waiter_prepare(&w, no_purpose);
    EXPECT_EQ(waiter_park(&w, 0), W_TIMEOUT);
    for (uint64_t ns : {1ul, 1000ul, 1000000ul, 3000000ul}) {
        uint64_t deadline = now_ns() + ns;

        waiter_prepare(&w, no_purpose);
        EXPECT_EQ(waiter_park(&w, deadline), W_TIMEOUT);
        EXPECT_GE(now_ns(), deadline);
    }
}

/* Parked or not yet, by turns: the waker is let go before the park. */
TEST(WaiterStress, ParkAndWakeBetweenThreads)
{
    const uint64_t rounds = 20000;
    struct waiter w = {};
    std::atomic<uint64_t> published{0};
    std::atomic<unsigned> lost{0};
    std::thread waker([&] {
        uint64_t last = 0;

        while (last < rounds) {
            uint64_t ticket = published.load();

            if (ticket == last) {
                std::this_thread::yield();
                continue;
            }
            lost += !waiter_wake(&w, ticket, W_WOKEN);
            last = ticket;
        }
    });

    for (uint64_t i = 0; i < rounds; i++) {
        published = waiter_prepare(&w, no_purpose);
        EXPECT_EQ(waiter_park(&w, NO_DEADLINE), W_WOKEN);
    }
    waker.join();
    EXPECT_EQ(lost.load(), 0u);
}

TEST(WaiterStress, ManyWakersOneWinner)
{
    const unsigned rounds = 5000, n_wakers = 3;
    const enum wake_reason reasons[n_wakers] = {W_WOKEN, W_INTR, W_CLOSED};
    struct waiter w = {};
    std::atomic<uint64_t> published{0};
    std::atomic<unsigned> done{0}, winners{0};
    std::atomic<int> reason{0};
    std::vector<std::thread> wakers;

    for (unsigned k = 0; k < n_wakers; k++)
        wakers.emplace_back([&, k] {
            for (uint64_t turn = 1; turn <= rounds; turn++) {
                while (published < turn)
                    std::this_thread::yield();
                if (waiter_wake(&w, turn, reasons[k])) {
                    winners++;
                    reason = reasons[k];
                }
                done++;
            }
        });
    for (uint64_t turn = 1; turn <= rounds; turn++) {
        ASSERT_EQ(waiter_prepare(&w, no_purpose), turn);
        winners = 0;
        done = 0;
        published = turn;
        enum wake_reason r = waiter_park(&w, turn % 2 ? NO_DEADLINE : now_ns() + NSEC_PER_SEC * 3600);
        while (done < n_wakers)
            std::this_thread::yield();
        ASSERT_EQ(winners, 1u);
        ASSERT_EQ((int)r, reason);
    }
    for (auto &t : wakers)
        t.join();
}

/* A deadline against a waker: one of them, and each says so. */
TEST(WaiterStress, DeadlineAgainstWaker)
{
    const uint64_t rounds = 5000;
    struct waiter w = {};
    std::atomic<uint64_t> published{0}, answered{0};
    std::atomic<bool> won{false};
    std::thread waker([&] {
        for (uint64_t turn = 1; turn <= rounds; turn++) {
            while (published < turn)
                std::this_thread::yield();
            won = waiter_wake(&w, turn, W_WOKEN);
            answered = turn;
        }
    });

    for (uint64_t turn = 1; turn <= rounds; turn++) {
        ASSERT_EQ(waiter_prepare(&w, no_purpose), turn);
        published = turn;
        enum wake_reason r = waiter_park(&w, now_ns() + turn % 100 * 100);
        while (answered < turn)
            std::this_thread::yield();
        ASSERT_EQ(r, won ? W_WOKEN : W_TIMEOUT);
    }
    waker.join();
}

} // namespace
