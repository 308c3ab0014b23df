#include "runtime/sched/timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <map>
#include <random>
#include <thread>

static const struct wait_on no_purpose = {};

namespace {

/* A native waiter with its timer, in an episode that never parks. */
struct Sleeper {
    struct waiter w = {};
    struct timer t = {};
    uint64_t ticket = 0;

    int add(struct timers *ts, uint64_t at)
    {
        ticket = waiter_prepare(&w, no_purpose);
        return timer_add(ts, &t, &w, ticket, at);
    }
    bool timed_out() const
    {
        return (w.word & W_MASK) == W_TIMEOUT && w.word >> 3 == ticket;
    }
};

struct Timers : testing::Test {
    struct timers ts = {};
    Timers() { timers_init(&ts); }
};

TEST_F(Timers, EmptyHeap)
{
    EXPECT_EQ(timers_next(&ts), NO_DEADLINE);
    EXPECT_EQ(timers_run(&ts, UINT64_MAX - 1), 0u);
}

TEST_F(Timers, AddSaysWhetherItIsTheEarliest)
{
    Sleeper a, b, c, d;

    EXPECT_EQ(a.add(&ts, 50), 1);
    EXPECT_EQ(b.add(&ts, 60), 0);
    EXPECT_EQ(c.add(&ts, 40), 1);
    EXPECT_EQ(d.add(&ts, 40), 0) << "a tie is not earlier";
    EXPECT_EQ(timers_next(&ts), 40u);
}

TEST_F(Timers, RunsExactlyThoseThatAreDue)
{
    Sleeper a, b, c;

    a.add(&ts, 30);
    b.add(&ts, 10);
    c.add(&ts, 20);
    EXPECT_EQ(timers_run(&ts, 9), 0u);
    EXPECT_EQ(timers_run(&ts, 10), 1u);
    EXPECT_TRUE(b.timed_out());
    EXPECT_FALSE(a.timed_out() || c.timed_out());
    EXPECT_EQ(timers_next(&ts), 20u);
    EXPECT_EQ(timers_run(&ts, 30), 2u);
    EXPECT_TRUE(a.timed_out() && c.timed_out());
    EXPECT_EQ(timers_next(&ts), NO_DEADLINE);
}

TEST_F(Timers, CancelWhileDue)
{
    Sleeper a, b;

    a.add(&ts, 10);
    b.add(&ts, 10);
    timer_del(&a.t);
    EXPECT_EQ(timers_run(&ts, 100), 1u);
    EXPECT_FALSE(a.timed_out());
    EXPECT_TRUE(b.timed_out());
    timer_del(&a.t);
    timer_del(&b.t); /* after it fired */
    EXPECT_EQ(timers_next(&ts), NO_DEADLINE);
}

TEST_F(Timers, LastingTimerCancelledBeforeItsTimeLeavesTheNext)
{
    Sleeper a, b;

    a.add(&ts, 10);
    b.add(&ts, 20);
    timer_del(&a.t);
    EXPECT_EQ(timers_next(&ts), 20u);
    EXPECT_EQ(a.add(&ts, 15), 1) << "a cancelled timer can be used again";
    EXPECT_EQ(timers_run(&ts, 15), 1u);
    EXPECT_TRUE(a.timed_out());
}

TEST_F(Timers, AnEpisodeThatEndedIsLeftAlone)
{
    Sleeper a;

    a.add(&ts, 10);
    ASSERT_TRUE(waiter_wake(&a.w, a.ticket, W_WOKEN));
    uint64_t next = waiter_prepare(&a.w, no_purpose);
    EXPECT_EQ(timers_run(&ts, 10), 1u);
    EXPECT_EQ(a.w.word, next << 3 | W_PARKING);
}

TEST_F(Timers, RandomAgainstAModel)
{
    std::mt19937 random(12345);
    std::deque<Sleeper> all(3000);
    std::vector<Sleeper *> idle;
    std::multimap<uint64_t, Sleeper *> model;
    uint64_t now = 0;

    for (auto &s : all)
        idle.push_back(&s);
    for (int step = 0; step < 60000; step++) {
        unsigned what = random() % 100;
        bool growing = step < 10000;

        if ((what < 50 || growing) && !idle.empty()) {
            Sleeper *s = idle.back();
            uint64_t at = now + random() % 500; /* many ties */
            int first = model.empty() || at < model.begin()->first;

            idle.pop_back();
            ASSERT_EQ(s->add(&ts, at), first);
            model.emplace(at, s);
        } else if (what < 80 && !model.empty()) {
            auto it = model.begin();
            std::advance(it, random() % std::min<size_t>(model.size(), 50));
            timer_del(&it->second->t);
            ASSERT_FALSE(it->second->timed_out());
            idle.push_back(it->second);
            model.erase(it);
        } else {
            now += random() % 10;
            unsigned due = 0;

            ASSERT_EQ(timers_next(&ts), model.empty() ? NO_DEADLINE : model.begin()->first);
            auto end = model.upper_bound(now);
            due = (unsigned)std::distance(model.begin(), end);
            ASSERT_EQ(timers_run(&ts, now), due);
            for (auto it = model.begin(); it != end; it = model.erase(it)) {
                ASSERT_TRUE(it->second->timed_out());
                idle.push_back(it->second);
            }
            for (auto &m : model)
                ASSERT_FALSE(m.second->timed_out());
        }
        ASSERT_EQ(timers_next(&ts), model.empty() ? NO_DEADLINE : model.begin()->first);
        ASSERT_EQ(ts.n, model.size());
    }
    while (!model.empty()) { /* what is left comes in order */
        uint64_t at = model.begin()->first;

        ASSERT_EQ(timers_next(&ts), at);
        ASSERT_EQ(timers_run(&ts, at), model.count(at));
        model.erase(at);
    }
}

/* Waiters end their own waits while another thread lets them time out: one reason each, and after timer_del the heap
 * no longer has the timer. */
TEST_F(Timers, CancelAgainstExpiryStress)
{
    const unsigned rounds = 50000, n_threads = 2;
    std::atomic<unsigned> running{n_threads}, wrong{0}, timeouts{0}, woken{0};
    std::vector<std::thread> waiters;

    for (unsigned k = 0; k < n_threads; k++)
        waiters.emplace_back([&, k] {
            Sleeper s;

            for (unsigned i = 0; i < rounds; i++) {
                s.add(&ts, i * 2 + k);
                if (i % 64 == 0)
                    std::this_thread::yield();
                bool mine = waiter_wake(&s.w, s.ticket, W_WOKEN);
                timer_del(&s.t);
                wrong += s.t.pos != 0 || s.t.home != nullptr;
                wrong += mine == s.timed_out();
                (mine ? woken : timeouts)++;
            }
            running--;
        });
    while (running)
        timers_run(&ts, NO_DEADLINE - 1);
    for (auto &t : waiters)
        t.join();
    EXPECT_EQ(wrong.load(), 0u);
    EXPECT_EQ(timeouts + woken, rounds * n_threads);
    EXPECT_EQ(ts.n, 0u);
    EXPECT_EQ(timers_next(&ts), NO_DEADLINE);
}

} // namespace
