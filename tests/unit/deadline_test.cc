#include "runtime/sync/deadline.h"

#include <gtest/gtest.h>

#include <climits>

namespace {

uint64_t ns(const timespec &t)
{
    return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

TEST(Deadline, ValidTimes)
{
    for (long nsec : {0l, 1l, 999999999l}) {
        timespec t = {-5, nsec};
        EXPECT_TRUE(ts_valid(&t)) << nsec;
    }
    for (long nsec : {-1l, 1000000000l, LONG_MAX, LONG_MIN}) {
        timespec t = {0, nsec};
        EXPECT_FALSE(ts_valid(&t)) << nsec;
    }
}

TEST(Deadline, AfterAddsToNow)
{
    for (timespec rel : {timespec{0, 0}, timespec{0, 999999999}, timespec{7, 1}, timespec{1000000000, 999999999}}) {
        uint64_t before = now_ns(), d = deadline_after(&rel), after = now_ns();

        EXPECT_GE(d, before + ns(rel));
        EXPECT_LE(d, after + ns(rel));
        EXPECT_LT(d, NO_DEADLINE);
    }
}

TEST(Deadline, AfterSaturatesBelowNoDeadline)
{
    for (time_t sec : {1000000001l, 18446744073l, 18446744074l, LONG_MAX}) {
        timespec rel = {sec, 999999999};
        EXPECT_EQ(deadline_after(&rel), NO_DEADLINE - 1) << sec;
    }
}

/* The two clocks are read one after the other, so the answer lies between the time asked for and that plus the time that
 * the call took: never early. */
TEST(Deadline, AtOfTheMonotonicClockIsTheTimeItself)
{
    timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    for (timespec abs : {timespec{now.tv_sec + 10, 0}, timespec{now.tv_sec + 10, 999999999},
                         timespec{now.tv_sec + 1, now.tv_nsec}, timespec{now.tv_sec + 1000000, 1}}) {
        uint64_t before = now_ns(), d = deadline_at(CLOCK_MONOTONIC, &abs), after = now_ns();

        EXPECT_GE(d, ns(abs));
        EXPECT_LE(d, ns(abs) + (after - before));
    }
}

TEST(Deadline, AtOfThePastIsZero)
{
    for (clockid_t clk : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
        timespec now, abs;

        clock_gettime(clk, &now);
        for (time_t sec : {(time_t)LONG_MIN, (time_t)-1, (time_t)0, now.tv_sec - 1}) {
            abs = {sec, 0};
            EXPECT_EQ(deadline_at(clk, &abs), 0u) << clk << " " << sec;
            abs = {sec, 999999999};
            if (sec < now.tv_sec - 1) {
                EXPECT_EQ(deadline_at(clk, &abs), 0u) << clk << " " << sec;
            }
        }
        /* Past within the same second: a borrow. */
        do
            clock_gettime(clk, &now);
        while (now.tv_nsec == 0);
        abs = {now.tv_sec, now.tv_nsec - 1};
        EXPECT_EQ(deadline_at(clk, &abs), 0u);
    }
}

TEST(Deadline, AtOfTheFarFutureSaturates)
{
    for (clockid_t clk : {CLOCK_MONOTONIC, CLOCK_REALTIME})
        for (long nsec : {0l, 999999999l}) {
            timespec abs = {LONG_MAX, nsec};
            EXPECT_EQ(deadline_at(clk, &abs), NO_DEADLINE - 1);
        }
}

TEST(Deadline, AtOfTheRealTimeClockIsConverted)
{
    timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    timespec abs = {now.tv_sec + 100, now.tv_nsec};
    uint64_t d = deadline_at(CLOCK_REALTIME, &abs);
    EXPECT_NE(d, 0u);
    EXPECT_LT(d, now_ns() + 101 * NSEC_PER_SEC) << "on CLOCK_MONOTONIC, whose zero is elsewhere";
    EXPECT_GT(d, now_ns());
}

} // namespace
