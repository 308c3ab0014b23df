#include "runtime/base/options.h"
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal.h"
#include "runtime/thread/thread.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

volatile sig_atomic_t handled, last_signal;
struct vthread *volatile handled_on;
uint64_t mask_inside;

void on_signal(int sig)
{
    handled = handled + 1;
    last_signal = sig;
    handled_on = vthr_self;
    mask_inside = vthr_self->sigmask;
}

struct SignalMask : testing::Test {
    static void SetUpTestSuite()
    {
        vthr_boot(); /* as the library's constructor */
        vthr_config.carriers = 1;
        vthr_config.cache = 16;
        vthr_config.spares = 8;
        ASSERT_TRUE(vthr_activate());
    }
    void SetUp() override
    {
        struct sigaction a = {};

        a.sa_handler = on_signal;
        a.sa_flags = SA_RESTART;
        for (int sig : {SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1})
            ASSERT_EQ(signal_action(sig, &a, nullptr), 0);
        set(0);
        handled = 0;
        last_signal = 0;
        handled_on = nullptr;
    }
    void TearDown() override { set(0); }

    uint64_t get()
    {
        uint64_t old = ~0ull;
        EXPECT_EQ(signal_mask(vthr_self, SIG_BLOCK, nullptr, &old), 0);
        return old;
    }
    void set(uint64_t mask) { EXPECT_EQ(signal_mask(vthr_self, SIG_SETMASK, &mask, nullptr), 0); }
    uint64_t change(int how, uint64_t bits)
    {
        uint64_t old = 0;
        EXPECT_EQ(signal_mask(vthr_self, how, &bits, &old), 0);
        return old;
    }
    void send(int sig) { ASSERT_EQ(signal_send_self(vthr_self, sig, SI_USER), 0); }
};

const uint64_t USR1 = SIGBIT(SIGUSR1), USR2 = SIGBIT(SIGUSR2);

TEST_F(SignalMask, BlockUnblockSet)
{
    EXPECT_EQ(get(), 0u);
    EXPECT_EQ(change(SIG_BLOCK, USR1), 0u);
    EXPECT_EQ(change(SIG_BLOCK, USR2), USR1);
    EXPECT_EQ(change(SIG_UNBLOCK, USR1), USR1 | USR2);
    EXPECT_EQ(change(SIG_SETMASK, USR1), USR2);
    EXPECT_EQ(get(), USR1);
    uint64_t bits = USR2;
    EXPECT_EQ(signal_mask(vthr_self, 99, &bits, nullptr), -EINVAL);
    EXPECT_EQ(get(), USR1) << "an error changes nothing";
}

TEST_F(SignalMask, SomeCannotBeBlocked)
{
    change(SIG_SETMASK, ~0ull);
    uint64_t now = get();
    for (int sig : {SIGKILL, SIGSTOP, SIG_NUDGE, SIG_SETXID})
        EXPECT_FALSE(now & SIGBIT(sig)) << sig;
    EXPECT_TRUE(now & USR1);
    EXPECT_TRUE(now & SIGBIT(SIGTERM));
}

TEST_F(SignalMask, TheKernelsMaskStaysTheCarriers)
{
    uint64_t before = ksig_get_mask();

    EXPECT_TRUE(before & USR1) << "blocked for the OS thread, not for the vthread";
    change(SIG_BLOCK, USR1);
    change(SIG_UNBLOCK, USR1);
    EXPECT_EQ(ksig_get_mask(), before);
}

TEST_F(SignalMask, ABlockedSignalWaitsForItsUnblocking)
{
    change(SIG_BLOCK, USR1);
    send(SIGUSR1);
    EXPECT_EQ(handled, 0);
    EXPECT_TRUE(signal_pending(vthr_self) & USR1);
    send(SIGUSR1); /* not queued: pending once */
    change(SIG_UNBLOCK, USR1);
    EXPECT_EQ(handled, 1) << "before the call returns";
    EXPECT_EQ(handled_on, vthr_self);
    EXPECT_FALSE(signal_pending(vthr_self) & USR1);
}

TEST_F(SignalMask, RealTimeSignalsAreQueued)
{
    change(SIG_BLOCK, SIGBIT(SIGRTMIN));
    for (int i = 0; i < 5; i++)
        send(SIGRTMIN);
    change(SIG_UNBLOCK, SIGBIT(SIGRTMIN));
    EXPECT_EQ(handled, 5);
}

TEST_F(SignalMask, AHandlerRunsWithItsSignalBlocked)
{
    change(SIG_BLOCK, USR2);
    send(SIGUSR1);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(mask_inside, USR1 | USR2);
    EXPECT_EQ(get(), USR2) << "restored";
}

TEST_F(SignalMask, TheProcesssSignalFindsTheThreadThatTakesIt)
{
    change(SIG_BLOCK, USR1);
    int go = 0;
    pthread_t th;
    struct vthread *taker;
    ASSERT_EQ(thread_create(
                  &th, nullptr,
                  [](void *p) -> void * {
                      uint64_t none = 0;

                      signal_mask(vthr_self, SIG_SETMASK, &none, nullptr);
                      while (!load_relaxed((int *)p))
                          io_yield(vthr_self);
                      return nullptr;
                  },
                  &go, false, nullptr),
              0);
    taker = thread_of(th);
    while (load_relaxed(&taker->sigmask) & USR1)
        io_yield(vthr_self);
    ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
    while (!handled)
        io_yield(vthr_self);
    EXPECT_EQ(handled_on, taker);
    store_relaxed(&go, 1);
    EXPECT_EQ(thread_join(th, nullptr, NO_DEADLINE), 0);
    EXPECT_EQ(handled, 1);
}

TEST_F(SignalMask, PendingForTheProcessWhenAllBlockIt)
{
    change(SIG_BLOCK, USR1);
    ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
    EXPECT_TRUE(signal_pending(vthr_self) & USR1);
    EXPECT_EQ(handled, 0);
    change(SIG_UNBLOCK, USR1);
    EXPECT_EQ(handled, 1);
}

TEST_F(SignalMask, ANewThreadInheritsTheMaskNotThePending)
{
    struct {
        uint64_t mask, pending;
    } seen = {};
    pthread_t th;

    change(SIG_SETMASK, USR1 | USR2);
    send(SIGUSR1);
    ASSERT_EQ(thread_create(
                  &th, nullptr,
                  [](void *p) -> void * {
                      auto *s = (decltype(seen) *)p;

                      s->mask = vthr_self->sigmask;
                      s->pending = signal_pending(vthr_self);
                      return nullptr;
                  },
                  &seen, false, nullptr),
              0);
    EXPECT_EQ(thread_join(th, nullptr, NO_DEADLINE), 0);
    EXPECT_EQ(seen.mask, USR1 | USR2);
    EXPECT_FALSE(seen.pending & USR1);
    change(SIG_SETMASK, 0);
    EXPECT_EQ(handled, 1);
}

TEST_F(SignalMask, SigwaitTakesThemInOrder)
{
    siginfo_t info;
    uint64_t set = USR1 | SIGBIT(SIGRTMIN) | SIGBIT(SIGRTMIN + 1);

    change(SIG_BLOCK, set);
    EXPECT_EQ(signal_wait(vthr_self, set, &info, 0), -EAGAIN);
    send(SIGRTMIN + 1);
    send(SIGRTMIN);
    send(SIGUSR1);
    for (int sig : {SIGUSR1, SIGRTMIN, SIGRTMIN + 1}) {
        EXPECT_EQ(signal_wait(vthr_self, set, &info, NO_DEADLINE), sig);
        EXPECT_EQ(info.si_signo, sig);
    }
    uint64_t deadline = now_ns() + 1000000;
    EXPECT_EQ(signal_wait(vthr_self, set, &info, deadline), -EAGAIN);
    EXPECT_GE(now_ns(), deadline);
    EXPECT_EQ(handled, 0);
}

TEST_F(SignalMask, SuspendReturnsAfterTheHandler)
{
    change(SIG_BLOCK, USR1);
    send(SIGUSR1);
    EXPECT_EQ(signal_suspend(vthr_self, USR2), -EINTR);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(get(), USR1) << "the old mask is back";
}

TEST_F(SignalMask, ASignalEndsASleepUnderItsMaskOnly)
{
    pthread_t th;
    long result = 1;

    handled = 0;
    ASSERT_EQ(thread_create(
                  &th, nullptr,
                  [](void *p) -> void * {
                      timespec t = {3600, 0}, left = {};

                      *(long *)p = io_sleep(vthr_self, CLOCK_MONOTONIC, false, &t, &left);
                      return (void *)(left.tv_sec > 0);
                  },
                  &result, false, nullptr),
              0);
    struct vthread *sleeper = thread_of(th);
    siginfo_t info = {};
    void *some_left = nullptr;

    info.si_signo = SIGUSR1;
    while (load_acquire(&sleeper->carrier) || (load_acquire(&sleeper->w.word) & W_MASK) != W_PARKED)
        io_yield(vthr_self);
    ASSERT_EQ(signal_send(sleeper, SIGUSR1, &info), 0);
    EXPECT_EQ(thread_join(th, &some_left, NO_DEADLINE), 0);
    EXPECT_EQ(result, -EINTR);
    EXPECT_EQ(some_left, (void *)1);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(handled_on, sleeper);
}

/* io_epoll_wait and ppoll look for one, then decide to block: what runs in between must not be lost. */
TEST_F(SignalMask, ABlockingCallEndsForAHandlerThatRanSinceItsCallBegan)
{
    struct pollfd nothing = {-1, POLLIN, 0};
    struct timespec limit = {5, 0};

    vthr_self->sig_ran = 0;
    send(SIGUSR1);
    ASSERT_EQ(handled, 1);
    EXPECT_EQ(blocking_go_on(vthr_self, true, false, SYS_ppoll, (long)&nothing, 1, (long)&limit, 0, 8, 0), -EINTR);
    EXPECT_EQ(vthr_self->intr, 0);
    limit = {0, 1};
    EXPECT_EQ(blocking_syscall(vthr_self, true, false, SYS_ppoll, (long)&nothing, 1, (long)&limit, 0, 8, 0), 0);
}

TEST_F(SignalMask, ActionsAreVirtual)
{
    struct sigaction old = {}, ign = {};

    EXPECT_EQ(signal_action(SIGUSR1, nullptr, &old), 0);
    EXPECT_EQ(old.sa_handler, on_signal);
    ign.sa_handler = SIG_IGN;
    EXPECT_EQ(signal_action(SIGUSR1, &ign, &old), 0);
    EXPECT_EQ(old.sa_handler, on_signal);
    send(SIGUSR1);
    EXPECT_EQ(handled, 0);
    for (int sig : {0, -1, 65, SIGKILL, SIGSTOP})
        EXPECT_EQ(signal_action(sig, &ign, nullptr), -EINVAL) << sig;
    struct sigaction once = {};
    once.sa_handler = on_signal;
    once.sa_flags = SA_RESETHAND;
    EXPECT_EQ(signal_action(SIGUSR1, &once, nullptr), 0);
    send(SIGUSR1);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(signal_action(SIGUSR1, nullptr, &old), 0);
    EXPECT_EQ(old.sa_handler, SIG_DFL);
}

} // namespace
