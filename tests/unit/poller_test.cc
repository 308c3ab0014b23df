#include "runtime/io/hidden.h"
#include "runtime/io/poller.h"
#include "runtime/base/sys.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

struct poller_ops real_ops = vthr_poller_ops;
int calls, fail_at; /* the call of either kind that fails */

int counting_eventfd()
{
    return ++calls == fail_at ? -EMFILE : real_ops.eventfd();
}
int counting_timerfd()
{
    return ++calls == fail_at ? -EMFILE : real_ops.timerfd();
}

int open_descriptors()
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

struct Watch {
    struct poller_watch w = {}; /* first: fn gets its address */
    int hits = 0, keep = 1 << 30; /* fn returns true while hits <= keep */
    int fd = -1;                  /* read from it, if set */

    Watch() { w.fn = on_event; }
    static bool on_event(struct poller_watch *pw)
    {
        Watch *self = (Watch *)pw;
        char c;

        if (self->fd >= 0 && read(self->fd, &c, 1) < 0)
            ADD_FAILURE() << "an event without data";
        return ++self->hits <= self->keep;
    }
};

struct Poller : testing::Test {
    struct poller p = {};
    int pipe_[2] = {-1, -1};
    uint32_t still = 1;

    void SetUp() override
    {
        const char *why = "";

        ASSERT_EQ(poller_init(&p, &why), 0) << why;
        ASSERT_EQ(pipe2(pipe_, O_NONBLOCK | O_CLOEXEC), 0);
    }
    void TearDown() override
    {
        poller_term(&p);
        close(pipe_[0]);
        close(pipe_[1]);
    }
    void start(Watch &w, int fd, bool write)
    {
        lock(&p.lk);
        poller_watch_start_locked(&p, &w.w, fd, write);
        unlock(&p.lk);
        poller_changed(&p);
    }
    void stop(Watch &w)
    {
        lock(&p.lk);
        poller_watch_stop_locked(&p, &w.w);
        unlock(&p.lk);
    }
    void wait_forever() { poller_wait(&p, NO_DEADLINE, &still); }
    /* Calls fn on another thread as soon as the owner waits in the kernel. */
    template <class F> std::thread when_asleep(F fn)
    {
        return std::thread([this, fn] {
            while (!load_relaxed(&p.in_wait))
                std::this_thread::yield();
            fn();
        });
    }
};

TEST_F(Poller, ReadableIsReportedUntilItIsRead)
{
    Watch w;

    start(w, pipe_[0], false);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 0);
    ASSERT_EQ(write(pipe_[1], "xy", 2), 2);
    poller_poll(&p);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 2) << "level-triggered";
    w.fd = pipe_[0];
    poller_poll(&p);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 4);
    w.fd = -1;
    poller_poll(&p);
    EXPECT_EQ(w.hits, 4) << "nothing left";
    stop(w);
}

TEST_F(Poller, WritableAndReadableAreApart)
{
    Watch r, w;

    start(w, pipe_[1], true);
    start(r, pipe_[0], false);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 1);
    EXPECT_EQ(r.hits, 0);
    char block[4096] = {};
    while (write(pipe_[1], block, sizeof block) > 0)
        ;
    poller_poll(&p);
    EXPECT_EQ(w.hits, 1) << "full";
    EXPECT_EQ(r.hits, 1);
    stop(r);
    stop(w);
}

TEST_F(Poller, HangUpIsAnEvent)
{
    Watch w;

    start(w, pipe_[0], false);
    close(pipe_[1]);
    pipe_[1] = -1;
    poller_poll(&p);
    EXPECT_EQ(w.hits, 1);
    stop(w);
}

TEST_F(Poller, FalseStopsTheWatch)
{
    Watch w;

    w.keep = 1;
    start(w, pipe_[0], false);
    ASSERT_EQ(write(pipe_[1], "x", 1), 1);
    for (int i = 0; i < 5; i++)
        poller_poll(&p);
    EXPECT_EQ(w.hits, 2) << "kept once, then stopped";
    start(w, pipe_[0], false);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 3) << "it can be started again";
}

TEST_F(Poller, StoppedWatchesAreSilent)
{
    Watch w;

    stop(w); /* never started */
    start(w, pipe_[0], false);
    ASSERT_EQ(write(pipe_[1], "x", 1), 1);
    poller_poll(&p);
    stop(w);
    poller_poll(&p);
    poller_poll(&p);
    EXPECT_EQ(w.hits, 1);
}

TEST_F(Poller, ANumberUsedAgainIsWatchedAnew)
{
    Watch w;
    int other[2];

    start(w, pipe_[0], false);
    poller_poll(&p);
    for (int i = 1; i <= 3; i++) {
        stop(w);
        ASSERT_EQ(pipe2(other, O_NONBLOCK), 0);
        ASSERT_EQ(dup2(other[0], pipe_[0]), pipe_[0]);
        ASSERT_EQ(dup2(other[1], pipe_[1]), pipe_[1]);
        close(other[0]);
        close(other[1]);
        start(w, pipe_[0], false);
        poller_poll(&p);
        EXPECT_EQ(w.hits, i - 1);
        ASSERT_EQ(write(pipe_[1], "x", 1), 1);
        poller_poll(&p);
        EXPECT_EQ(w.hits, i);
    }
    stop(w);
}

TEST_F(Poller, TheDescriptorFoundIsTheLoopsOwn)
{
    std::vector<int> others; /* the program's own epoll descriptors, before and after a gap */
    for (int i = 0; i < 5; i++)
        others.push_back(epoll_create1(0));
    close(others[2]);
    struct poller q = {};
    const char *why = "";

    ASSERT_EQ(poller_init(&q, &why), 0) << why;
    poller_poll(&q);
    struct epoll_event e = {};
    EXPECT_EQ(epoll_ctl(q.epfd, EPOLL_CTL_ADD, q.wakefd, &e), -1);
    EXPECT_EQ(errno, EEXIST) << "its own eventfd is in it";
    poller_term(&q);
    for (int i : {0, 1, 3, 4})
        close(others[i]);
}

/* An event of a file that lives on under another number is a stray to libev, which answers by a new epoll descriptor. */
TEST_F(Poller, TheDescriptorThatLibevMakesAnewIsFound)
{
    Watch w;
    int kept = dup(pipe_[0]), other[2];
    const char *why;

    ASSERT_EQ(pipe2(other, O_NONBLOCK), 0);
    poller_term(&p);
    int hole = dup(0); /* a lower number than libev has at first */
    ASSERT_EQ(poller_init(&p, &why), 0) << why;
    int old = p.epfd;
    ASSERT_LT(hole, old);
    close(hole);
    w.keep = 1;
    start(w, pipe_[0], false);
    poller_poll(&p);
    ASSERT_EQ(dup2(other[0], pipe_[0]), pipe_[0]); /* by a route that we do not see */
    ASSERT_EQ(write(pipe_[1], "x", 1), 1);
    for (int i = 0; i < 10; i++)
        poller_poll(&p);
    EXPECT_LE(w.hits, 2);
    ASSERT_EQ(p.epfd, hole) << "libev's new one";
    EXPECT_FALSE(hidden_is(old));
    EXPECT_TRUE(hidden_is(p.epfd));
    struct epoll_event e = {};
    EXPECT_EQ(epoll_ctl(p.epfd, EPOLL_CTL_ADD, p.wakefd, &e), -1);
    EXPECT_EQ(errno, EEXIST) << "its own eventfd is in it";
    /* The old number is another file's now, which is never ready. */
    ASSERT_EQ(dup2(other[0], old), old);
    std::thread t = when_asleep([this] { poller_kick(&p); });
    wait_forever();
    t.join();
    close(old);
    close(kept);
    close(other[0]);
    close(other[1]);
}

TEST_F(Poller, ADescriptorThatIsNoneIsNotTaken)
{
    int gone = dup(pipe_[0]);

    EXPECT_EQ(poller_tries_locked(&p, gone, false), 0);
    EXPECT_EQ(poller_tries_locked(&p, gone, true), 0);
    close(gone);
    EXPECT_EQ(poller_tries_locked(&p, gone, false), -EBADF);
    EXPECT_EQ(poller_tries_locked(&p, gone, true), -EBADF);
}

TEST_F(Poller, KickBeforeTheWaitCounts)
{
    poller_kick(&p);
    poller_kick(&p);
    wait_forever();
    poller_kick(&p);
    wait_forever();
}

TEST_F(Poller, KickEndsAWait)
{
    for (int i = 0; i < 20; i++) {
        std::thread t = when_asleep([this] { poller_kick(&p); });

        wait_forever();
        t.join();
        EXPECT_EQ(p.in_wait, 0u);
    }
}

TEST_F(Poller, NoWaitOnceStillIsZero)
{
    Watch w;

    still = 0;
    wait_forever();
    start(w, pipe_[0], false);
    ASSERT_EQ(write(pipe_[1], "x", 1), 1);
    wait_forever();
    EXPECT_EQ(w.hits, 1) << "but it looks";
    stop(w);
}

TEST_F(Poller, AnEventEndsAWait)
{
    Watch w;

    w.fd = pipe_[0];
    start(w, pipe_[0], false);
    std::thread t = when_asleep([this] { EXPECT_EQ(write(pipe_[1], "x", 1), 1); });
    while (w.hits == 0)
        wait_forever();
    t.join();
    EXPECT_EQ(w.hits, 1);
    stop(w);
}

TEST_F(Poller, AWatchStartedWhileTheOwnerSleepsIsSeen)
{
    Watch w;

    ASSERT_EQ(write(pipe_[1], "x", 1), 1);
    std::thread t = when_asleep([&, this] { start(w, pipe_[0], false); });
    while (w.hits == 0)
        wait_forever();
    t.join();
    stop(w);
}

TEST_F(Poller, DeadlineIsNeverEarly)
{
    for (uint64_t ns : {1ul, 50000ul, 1000000ul, 2500000ul, 100000ul}) {
        uint64_t deadline = now_ns() + ns;

        poller_wait(&p, deadline, &still);
        EXPECT_GE(now_ns(), deadline);
    }
    poller_wait(&p, 0, &still);
    poller_wait(&p, 1, &still);
    poller_wait(&p, now_ns(), &still);
}

TEST_F(Poller, AnEarlierDeadlineReplacesALaterOne)
{
    uint64_t far = now_ns() + 3600 * NSEC_PER_SEC, near;

    poller_kick(&p);
    poller_wait(&p, far, &still);
    near = now_ns() + 1000000;
    poller_wait(&p, near, &still);
    EXPECT_GE(now_ns(), near);
}

TEST_F(Poller, TheLastDeadlineBeforeNeverIsFarAway)
{
    poller_kick(&p);
    poller_wait(&p, NO_DEADLINE - 1, &still);
    uint64_t near = now_ns() + 1000000;
    poller_wait(&p, near, &still);
    EXPECT_GE(now_ns(), near);
}

// Where libev's epoll descriptor was not found it sleeps itself, and a timerfd ends that.
TEST_F(Poller, DeadlinesByTimerfd)
{
    int epfd = p.epfd;
    uint64_t far = now_ns() + 3600 * NSEC_PER_SEC, near;
    struct itimerspec left = {};

    p.epfd = -1;
    poller_kick(&p);
    poller_wait(&p, NO_DEADLINE - 1, &still);
    ASSERT_EQ(timerfd_gettime(p.tfd, &left), 0);
    EXPECT_GT(left.it_value.tv_sec, 1000000000);
    poller_kick(&p);
    poller_wait(&p, far, &still);
    EXPECT_EQ(p.armed_at, far);
    near = now_ns() + 1000000;
    poller_wait(&p, near, &still);
    EXPECT_GE(now_ns(), near);
    p.epfd = epfd;
}

TEST_F(Poller, TermClosesAllDescriptors)
{
    int before = open_descriptors();
    struct poller q = {};
    const char *why = "";

    for (int i = 0; i < 10; i++) {
        ASSERT_EQ(poller_init(&q, &why), 0) << why;
        EXPECT_GT(open_descriptors(), before);
        poller_poll(&q);
        poller_term(&q);
        EXPECT_EQ(open_descriptors(), before);
        poller_term(&q); /* again: nothing */
    }
    ASSERT_EQ(poller_init(&q, &why), 0);
    poller_abandon(&q);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Poller, EachDescriptorThatCannotBeMade)
{
    int before = open_descriptors(), failures = 0;

    vthr_poller_ops = {counting_eventfd, counting_timerfd};
    for (fail_at = 1;; fail_at++) {
        struct poller q = {};
        const char *why = nullptr;
        int r;

        calls = 0;
        r = poller_init(&q, &why);
        if (r == 0) {
            poller_term(&q);
            EXPECT_EQ(open_descriptors(), before);
            break;
        }
        failures++;
        EXPECT_EQ(r, -EMFILE);
        EXPECT_STREQ(why, "no descriptors left for the poller: raise the limit (ulimit -n)");
        EXPECT_EQ(open_descriptors(), before) << "call " << fail_at;
        poller_term(&q); /* harmless after a failure */
        EXPECT_EQ(open_descriptors(), before);
    }
    vthr_poller_ops = real_ops;
    EXPECT_GE(failures, 2);
}

TEST_F(Poller, DescriptorLimitReached)
{
    int before = open_descriptors(), top = 0, failures = 0;
    struct rlimit old, low;

    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            top = fd;
    std::vector<int> fill; /* no gaps below the limit */
    for (int fd; (fd = dup(pipe_[0])) >= 0;) {
        if (fd > top) {
            close(fd);
            break;
        }
        fill.push_back(fd);
    }
    for (rlim_t extra = 0; extra < 10; extra++) {
        struct poller q = {};
        const char *why = nullptr;

        low = {(rlim_t)top + 1 + extra, old.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        int r = poller_init(&q, &why);
        setrlimit(RLIMIT_NOFILE, &old);
        if (r == 0) {
            poller_kick(&q);
            poller_wait(&q, NO_DEADLINE, &still);
            poller_term(&q);
            break;
        }
        failures++;
        EXPECT_EQ(r, -EMFILE) << extra;
        EXPECT_EQ(open_descriptors(), before + (int)fill.size()) << extra;
    }
    EXPECT_GE(failures, 3) << "eventfd, timerfd, epoll";
    EXPECT_LT(failures, 10);
    for (int fd : fill)
        close(fd);
    EXPECT_EQ(open_descriptors(), before);
}

} // namespace
