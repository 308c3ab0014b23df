#include "runtime/sched/runq.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace {

struct vthread *item(uintptr_t n)
{
    return reinterpret_cast<struct vthread *>(n);
}
uintptr_t number(struct vthread *v)
{
    return reinterpret_cast<uintptr_t>(v);
}

struct Runq : testing::Test {
    struct runq q = {}, thief = {};

    void fill(uintptr_t first, unsigned n)
    {
        for (unsigned i = 0; i < n; i++)
            ASSERT_TRUE(runq_push(&q, item(first + i)));
    }
    void start_at(uint32_t at) /* as after this many pushes and pops */
    {
        q.head = q.tail = at;
    }
};

TEST_F(Runq, FirstInFirstOut)
{
    EXPECT_EQ(runq_pop_spmc(&q), nullptr);
    fill(1, 3);
    EXPECT_EQ(runq_len(&q), 3u);
    EXPECT_EQ(number(runq_pop_spmc(&q)), 1u);
    fill(4, 1);
    for (uintptr_t n : {2, 3, 4})
        EXPECT_EQ(number(runq_pop_spmc(&q)), n);
    EXPECT_EQ(runq_pop_spmc(&q), nullptr);
    EXPECT_EQ(runq_len(&q), 0u);
}

TEST_F(Runq, FullRefusesAndLosesNothing)
{
    fill(1, RUNQ_SIZE);
    EXPECT_FALSE(runq_push(&q, item(9999)));
    EXPECT_EQ(runq_len(&q), RUNQ_SIZE);
    EXPECT_EQ(number(runq_pop_spmc(&q)), 1u);
    EXPECT_TRUE(runq_push(&q, item(RUNQ_SIZE + 1)));
    EXPECT_FALSE(runq_push(&q, item(9999)));
    for (uintptr_t n = 2; n <= RUNQ_SIZE + 1; n++)
        EXPECT_EQ(number(runq_pop_spmc(&q)), n);
    EXPECT_EQ(runq_pop_spmc(&q), nullptr);
}

TEST_F(Runq, IndicesWrapAround)
{
    for (uint32_t start : {UINT32_MAX - 3, UINT32_MAX - RUNQ_SIZE, UINT32_MAX}) {
        start_at(start);
        fill(1, RUNQ_SIZE);
        EXPECT_FALSE(runq_push(&q, item(9999)));
        EXPECT_EQ(runq_len(&q), RUNQ_SIZE);
        thief.head = thief.tail = start;
        EXPECT_EQ(runq_steal_spmc(&thief, &q), RUNQ_SIZE / 2);
        for (uintptr_t n = 1; n <= RUNQ_SIZE / 2; n++)
            EXPECT_EQ(number(runq_pop_spmc(&thief)), n);
        for (uintptr_t n = RUNQ_SIZE / 2 + 1; n <= RUNQ_SIZE; n++)
            EXPECT_EQ(number(runq_pop_spmc(&q)), n);
        EXPECT_EQ(runq_pop_spmc(&q), nullptr);
        EXPECT_EQ(runq_pop_spmc(&thief), nullptr);
    }
}

TEST_F(Runq, StealTakesTheOlderHalfRoundedUp)
{
    EXPECT_EQ(runq_steal_spmc(&thief, &q), 0u);
    for (unsigned n : {1u, 2u, 3u, 7u, 100u, RUNQ_SIZE}) {
        unsigned half = n - n / 2;

        fill(1, n);
        EXPECT_EQ(runq_steal_spmc(&thief, &q), half) << n;
        EXPECT_EQ(runq_len(&thief), half);
        EXPECT_EQ(runq_len(&q), n - half);
        for (unsigned i = 1; i <= half; i++)
            EXPECT_EQ(number(runq_pop_spmc(&thief)), i);
        for (unsigned i = half + 1; i <= n; i++)
            EXPECT_EQ(number(runq_pop_spmc(&q)), i);
    }
}

/* One owner pushes and pops, thieves steal: each item comes out exactly once, and what one consumer gets from its own
 * takes is in rising order. */
TEST(RunqStress, EachItemIsTakenExactlyOnce)
{
    const unsigned items = 500000, n_thieves = 3;
    auto q = std::make_unique<struct runq>();
    std::vector<std::atomic<unsigned>> taken(items + 1);
    std::atomic<bool> done{false};
    std::atomic<unsigned> disorder{0}, steals{0};
    std::vector<std::thread> thieves;

    for (unsigned t = 0; t < n_thieves; t++)
        thieves.emplace_back([&] {
            auto mine = std::make_unique<struct runq>();
            uintptr_t last = 0;

            for (;;) {
                bool over = done.load();
                uint32_t n = runq_steal_spmc(mine.get(), q.get());

                steals += n > 0;
                for (uint32_t i = 0; i < n; i++) {
                    uintptr_t got = number(runq_pop_spmc(mine.get()));

                    disorder += got <= last;
                    last = got;
                    taken[got]++;
                }
                if (n == 0 && over)
                    return;
                if (n == 0)
                    std::this_thread::yield();
            }
        });
    uint32_t random = 1;
    for (uintptr_t next = 1; next <= items;) {
        random = random * 1664525 + 1013904223;
        for (unsigned burst = random >> 24; burst > 0 && next <= items; burst--)
            if (runq_push(q.get(), item(next)))
                next++;
            else
                break;
        while (runq_len(q.get()) == RUNQ_SIZE && steals < 1000) /* some work is left to the thieves alone */
            std::this_thread::yield();
        for (unsigned pops = random >> 16 & 0x7f; pops > 0; pops--) {
            struct vthread *v = runq_pop_spmc(q.get());

            if (!v)
                break;
            taken[number(v)]++;
        }
    }
    done = true;
    while (struct vthread *v = runq_pop_spmc(q.get()))
        taken[number(v)]++;
    for (auto &t : thieves)
        t.join();
    for (unsigned i = 1; i <= items; i++)
        ASSERT_EQ(taken[i].load(), 1u) << i;
    EXPECT_EQ(disorder.load(), 0u);
    EXPECT_GE(steals.load(), 1000u);
}

} // namespace
