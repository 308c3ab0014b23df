/* Who goes on after it woke somebody, with two processors.  Each round begins when the other processor sleeps. */
#include "runtime/base/options.h"
#include "runtime/io/io.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/waker.h"
#include "runtime/sync/sem.h"
#include "runtime/thread/thread.h"

#include <gtest/gtest.h>

namespace {

sem_t asked, answered;
unsigned answers;
bool over;

void *answer(void *)
{
    for (;;) {
        sema_wait(&asked, CLOCK_REALTIME, nullptr);
        if (load_acquire(&over))
            return nullptr;
        fetch_add_relaxed(&answers, 1u);
        sema_post(&answered);
    }
}

/* How often to try for what one round shows on a quiet machine. */
constexpr unsigned TRIES = 20000;

struct Waker : testing::Test {
    pthread_t th;

    static void SetUpTestSuite()
    {
        vthr_boot();
        vthr_config.carriers = 2;
        vthr_config.cache = 16;
        vthr_config.spares = 8;
        ASSERT_TRUE(vthr_activate());
        sem_init(&asked, 0, 0);
        sem_init(&answered, 0, 0);
    }
    void SetUp() override
    {
        answers = 0;
        over = false;
        ASSERT_EQ(thread_create(&th, nullptr, answer, nullptr, false, nullptr), 0);
    }
    void TearDown() override
    {
        store_release(&over, true);
        sema_post(&asked);
        EXPECT_EQ(thread_join(th, nullptr, NO_DEADLINE), 0);
    }

    static void ask()
    {
        while (load_acquire(&vthr_nsleeping) == 0)
            ;
        sema_post(&asked);
    }
    static void stop()
    {
        struct timespec ts = {0, 1};

        EXPECT_EQ(sema_wait(&answered, CLOCK_REALTIME, nullptr), 0);
        EXPECT_EQ(io_sleep(vthr_self, CLOCK_MONOTONIC, 0, &ts, nullptr), 0);
    }
    static uint64_t early()
    {
        return load_relaxed(&vthr_procs[0].count.early) + load_relaxed(&vthr_procs[1].count.early);
    }
};

TEST_F(Waker, OneThatGoesOnWakesAnIdleProcessor)
{
    uint64_t before = early();
    unsigned tries = 0;

    for (vthr_self->goes_on = 0; early() < before + 20 && tries < TRIES; tries++) {
        uint64_t t = now_ns();

        ask();
        while (load_acquire(&answers) == tries || now_ns() - t < 100000) /* does not stop: only another processor can run it */
            ;
        stop();
    }
    EXPECT_LT(tries, TRIES);
}

TEST_F(Waker, OneThatStopsWakesNobodyElseInTheEnd)
{
    unsigned tries = 0;

    for (vthr_self->goes_on = 4; vthr_self->goes_on && tries < TRIES; tries++) {
        ask();
        stop();
    }
    EXPECT_LT(tries, TRIES);
}

TEST_F(Waker, OneThatSpinsOnLocksDoesNotHaveToStop)
{
    for (unsigned i = 0; i < 100; i++) {
        vthr_self->goes_on = 0;
        vthr_self->unlocks = 0;
        ask();
        /* Kicked, if it has not run already.  A processor may have fallen asleep since the last unlock: then the next ones count. */
        bool kicked = false;
        for (int batch = 0; batch < 20 && !kicked; batch++) {
            for (int n = 0; n < 32; n++)
                waker_may_spin();
            kicked = load_acquire(&vthr_nsleeping) == 0 || load_acquire(&answers) == i + 1;
        }
        EXPECT_TRUE(kicked);
        stop();
    }
}

} // namespace
