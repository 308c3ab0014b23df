#include "runtime/io/mode.h"
#include "runtime/sched/sched.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

static const struct wait_on no_purpose = {};

namespace {

/* A native waiter that never sleeps: what happened to it is in its word. */
struct Waiting {
    struct waiter w = {};
    struct fd_node n = {};
    struct fdesc *d;

    Waiting(int fd, enum fd_dir dir, bool shared = false) : d(fd_get(fd))
    {
        n.gen = fd_gen(d);
        fd_link(d, dir, &n, &w, waiter_prepare(&w, no_purpose), shared);
    }
    ~Waiting() { fd_unlink(d, &n); }
    enum wake_reason state() const { return (enum wake_reason)(w.word & W_MASK); }
    bool claim(enum wake_reason r) { return waiter_wake(&w, n.ticket, r); }
};

struct Fdtab : testing::Test {
    int p[2] = {-1, -1};

    static void SetUpTestSuite() /* one processor, which this thread polls by hand */
    {
        const char *why = "";

        if (!vthr_procs) {
            ASSERT_EQ(sched_init(1, &why), 0) << why;
        }
    }
    void SetUp() override { ASSERT_EQ(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0); }
    void TearDown() override
    {
        close_(p[0]);
        close_(p[1]);
    }
    /* As the hooked close. */
    static void close_(int &fd)
    {
        if (fd < 0)
            return;
        fd_close_begin(fd);
        close(fd);
        fd_close_end(fd);
        fd = -1;
    }
    static void poll() { poller_poll(&vthr_procs[0].poller); }
    void send(int n = 1) { ASSERT_EQ(write(p[1], "xxxxxxxx", n), n); }
    void receive()
    {
        char buf[64];
        ASSERT_GT(read(p[0], buf, sizeof buf), 0);
    }
};

TEST_F(Fdtab, EntriesAreFoundByNumber)
{
    EXPECT_EQ(fd_get(-1), nullptr);
    EXPECT_EQ(fd_get(INT32_MIN), nullptr);
    EXPECT_EQ(fd_get(1 << 22), nullptr);
    EXPECT_EQ(fd_peek(-1), nullptr);
    EXPECT_EQ(fd_peek(INT32_MAX), nullptr);
    EXPECT_EQ(fd_peek(100000), nullptr) << "not made yet";
    for (int fd : {0, 1, 63, 64, 65, 100000, (1 << 22) - 1}) {
        struct fdesc *d = fd_get(fd);

        ASSERT_NE(d, nullptr) << fd;
        EXPECT_EQ(d->fd, fd);
        EXPECT_EQ(fd_get(fd), d);
        EXPECT_EQ(fd_peek(fd), d);
    }
}

TEST_F(Fdtab, AnEventWakesItsDirection)
{
    Waiting r(p[0], FD_READ), other(p[0], FD_WRITE);

    poll();
    EXPECT_EQ(r.state(), W_PARKING);
    send();
    poll();
    EXPECT_EQ(r.state(), W_WOKEN);
    EXPECT_FALSE(r.n.linked);
}

TEST_F(Fdtab, WritableWakesWriters)
{
    Waiting w(p[1], FD_WRITE);

    poll();
    EXPECT_EQ(w.state(), W_WOKEN);
}

TEST_F(Fdtab, OneEventWakesOneInOrder)
{
    Waiting a(p[0], FD_READ), b(p[0], FD_READ), c(p[0], FD_READ);

    send();
    poll();
    EXPECT_EQ(a.state(), W_WOKEN);
    EXPECT_EQ(b.state(), W_PARKING);
    poll(); /* not read: still ready */
    EXPECT_EQ(b.state(), W_WOKEN);
    EXPECT_EQ(c.state(), W_PARKING);
    receive();
    poll();
    EXPECT_EQ(c.state(), W_PARKING);
}

TEST_F(Fdtab, SharedWaitersAllWakeAndOneOfTheOthers)
{
    Waiting a(p[0], FD_READ, true), b(p[0], FD_READ), c(p[0], FD_READ), d(p[0], FD_READ, true);

    send();
    poll();
    EXPECT_EQ(a.state(), W_WOKEN);
    EXPECT_EQ(b.state(), W_WOKEN);
    EXPECT_EQ(c.state(), W_PARKING);
    EXPECT_EQ(d.state(), W_WOKEN);
}

TEST_F(Fdtab, AnEventIsNotSpentOnAWaiterThatEndedItself)
{
    Waiting a(p[0], FD_READ), b(p[0], FD_READ), c(p[0], FD_READ);

    ASSERT_TRUE(a.claim(W_TIMEOUT));
    send();
    poll();
    EXPECT_EQ(a.state(), W_TIMEOUT);
    EXPECT_EQ(b.state(), W_WOKEN);
    EXPECT_EQ(c.state(), W_PARKING);
}

TEST_F(Fdtab, AnUnlinkedWaiterIsLeftAlone)
{
    Waiting a(p[0], FD_READ), b(p[0], FD_READ);

    fd_unlink(a.d, &a.n);
    EXPECT_FALSE(a.n.linked);
    fd_unlink(a.d, &a.n);
    send();
    poll();
    EXPECT_EQ(a.state(), W_PARKING);
    EXPECT_EQ(b.state(), W_WOKEN);
}

TEST_F(Fdtab, AWatchWithNobodyWaitingIsStoppedAndStartedAgain)
{
    struct fdesc *d = fd_get(p[0]);

    send();
    {
        Waiting a(p[0], FD_READ);
        EXPECT_TRUE(d->side[FD_READ].armed);
        poll();
        EXPECT_EQ(a.state(), W_WOKEN);
    }
    EXPECT_TRUE(d->side[FD_READ].armed) << "it stays armed between waits";
    for (int i = 0; i < 3; i++)
        poll();
    EXPECT_FALSE(d->side[FD_READ].armed);
    Waiting b(p[0], FD_READ);
    EXPECT_TRUE(d->side[FD_READ].armed);
    poll();
    EXPECT_EQ(b.state(), W_WOKEN);
}

TEST_F(Fdtab, CloseWakesAllWithClosed)
{
    struct fdesc *d = fd_get(p[0]);
    uint32_t gen = d->gen;
    Waiting a(p[0], FD_READ), b(p[0], FD_READ, true), w(p[0], FD_WRITE);

    fd_close_begin(p[0]);
    EXPECT_EQ(a.state(), W_CLOSED);
    EXPECT_EQ(b.state(), W_CLOSED);
    EXPECT_EQ(w.state(), W_CLOSED);
    EXPECT_NE(d->gen, gen);
    EXPECT_FALSE(d->side[FD_READ].armed || d->side[FD_WRITE].armed);
    EXPECT_EQ(d->home, nullptr);
    EXPECT_EQ(d->closing, 1u);
    fd_close_end(p[0]);
    EXPECT_EQ(d->closing, 0u);
}

TEST_F(Fdtab, NobodyWaitsInsideTheBracket)
{
    struct fdesc *d = fd_get(p[0]);

    fd_close_begin(p[0]);
    fd_close_begin(p[0]); /* two threads close one number */
    Waiting a(p[0], FD_READ);
    EXPECT_EQ(a.state(), W_WOKEN) << "look again";
    EXPECT_FALSE(a.n.linked);
    fd_close_end(p[0]);
    Waiting b(p[0], FD_READ);
    EXPECT_EQ(b.state(), W_WOKEN);
    fd_close_end(p[0]);
    fd_close_end(p[0]); /* one too many */
    EXPECT_EQ(d->closing, 0u);
    Waiting c(p[0], FD_READ);
    EXPECT_EQ(c.state(), W_PARKING);
    EXPECT_TRUE(d->side[FD_READ].armed);
}

/* The first wait of all for a number comes in the middle of a close. */
TEST_F(Fdtab, ACloseBracketsANumberThatNobodyWaitedForYet)
{
    int number = fcntl(p[0], F_DUPFD_CLOEXEC, 700);

    ASSERT_GE(number, 700);
    ASSERT_EQ(fd_peek(number), nullptr);
    fd_close_begin(number);
    Waiting a(number, FD_READ);
    EXPECT_EQ(a.state(), W_WOKEN) << "look again";
    EXPECT_FALSE(a.n.linked);
    close(number);
    fd_close_end(number);
    EXPECT_EQ(a.d->closing, 0u);
    int other = number + 1000;
    ASSERT_EQ(fd_peek(other), nullptr);
    fd_close_begin(other);
    fd_close_end(other);
    EXPECT_EQ(fd_peek(other), nullptr) << "was not open";
}

TEST_F(Fdtab, ARangeBracketsNumbersThatNobodyWaitedForYet)
{
    int number = fcntl(p[0], F_DUPFD_CLOEXEC, 2000);

    ASSERT_GE(number, 2000);
    ASSERT_EQ(fd_peek(number), nullptr);
    fd_close_range_begin(number - 10, UINT32_MAX);
    Waiting a(number, FD_READ);
    EXPECT_EQ(a.state(), W_WOKEN) << "look again";
    close(number);
    fd_close_range_end(number - 10, UINT32_MAX);
    EXPECT_EQ(a.d->closing, 0u);
    EXPECT_EQ(fd_peek(number + 1000), nullptr) << "was not open";
}

TEST_F(Fdtab, EachUseOfANumberHasItsOwnGenerationAndEvents)
{
    int number = p[0];
    uint32_t gen = fd_get(number)->gen;

    for (int i = 0; i < 4; i++) {
        Waiting a(number, FD_READ);
        poll();
        close_(p[0]);
        EXPECT_EQ(a.state(), W_CLOSED);
        close_(p[1]);
        ASSERT_EQ(pipe2(p, O_NONBLOCK), 0);
        ASSERT_EQ(p[0], number) << "the lowest free number";
        EXPECT_EQ(fd_get(number)->gen, gen += 2);
        Waiting b(number, FD_READ);
        poll();
        EXPECT_EQ(b.state(), W_PARKING);
        send();
        poll();
        EXPECT_EQ(b.state(), W_WOKEN);
        receive();
    }
}

TEST_F(Fdtab, AFreshDescriptorForgetsAnUnseenClose)
{
    int number = p[0];
    struct fdesc *d = fd_get(number);

    EXPECT_EQ(fd_learn_kind(d), FD_FLOW);
    uint32_t gen = d->gen;
    Waiting a(number, FD_READ);
    poll();
    close(p[0]); /* not by us */
    close(p[1]);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    ASSERT_EQ(p[0], number);
    fd_fresh(number);
    EXPECT_EQ(a.state(), W_CLOSED);
    EXPECT_NE(d->gen, gen);
    EXPECT_EQ(fd_learn_kind(d), FD_STREAM);
    Waiting b(number, FD_READ);
    send();
    poll();
    EXPECT_EQ(b.state(), W_WOKEN);
}

TEST_F(Fdtab, ARangeOfNumbers)
{
    std::vector<int> fds;
    std::vector<std::unique_ptr<Waiting>> waits;
    int base = 150; /* over the border of a chunk */

    for (int fd = base; fd < base + 60; fd++) {
        ASSERT_EQ(dup2(p[0], fd), fd);
        waits.push_back(std::make_unique<Waiting>(fd, FD_READ));
    }
    fd_close_range_begin(base + 10, base + 49);
    fd_close_range_end(base + 10, base + 49);
    for (int i = 0; i < 60; i++)
        EXPECT_EQ(waits[i]->state(), i < 10 || i > 49 ? W_PARKING : W_CLOSED) << i;
    fd_close_range_begin(base, UINT32_MAX);
    fd_close_range_end(base, UINT32_MAX);
    for (auto &w : waits)
        EXPECT_EQ(w->state(), W_CLOSED);
    waits.clear();
    for (int fd = base; fd < base + 60; fd++) {
        EXPECT_EQ(fd_get(fd)->closing, 0u);
        close(fd);
    }
}

TEST_F(Fdtab, KindsAreLearned)
{
    int sock[2], dgram[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram), 0);
    struct {
        int fd;
        enum fd_kind kind;
    } all[] = {
        {memfd_create("file", 0), FD_FILE}, {open("/", O_RDONLY | O_DIRECTORY), FD_FILE}, {p[0], FD_FLOW}, {p[1], FD_FLOW},
        {eventfd(0, 0), FD_FLOW}, {sock[0], FD_STREAM}, {dgram[0], FD_SOCKET}, {socket(AF_INET, SOCK_STREAM, 0), FD_STREAM},
    };

    for (auto &k : all) {
        ASSERT_GE(k.fd, 0);
        EXPECT_EQ(fd_learn_kind(fd_get(k.fd)), k.kind) << k.fd;
        EXPECT_EQ(fd_get(k.fd)->kind, k.kind);
    }
    int number = all[0].fd;
    ASSERT_EQ(dup2(p[0], number), number);
    EXPECT_EQ(fd_learn_kind(fd_get(number)), FD_FILE) << "remembered for one generation";
    fd_fresh(number);
    EXPECT_EQ(fd_learn_kind(fd_get(number)), FD_FLOW);
    for (auto &k : all)
        if (k.fd != p[0] && k.fd != p[1])
            close_(k.fd);
    EXPECT_EQ(fd_learn_kind(fd_get(number)), FD_UNKNOWN) << "closed";
    close(sock[1]);
    close(dgram[1]);
}

TEST_F(Fdtab, ModesOfOneThatIsOursAloneAreRemembered)
{
    struct fdesc *d = fd_get(p[0]);

    fd_born(p[0], fd_sharing());
    EXPECT_FALSE(fd_blocks(d)) << "asked";
    ASSERT_EQ(fcntl(p[0], F_SETFL, 0), 0);
    EXPECT_FALSE(fd_blocks(d)) << "until told";
    fd_mode_set(p[0], true);
    EXPECT_TRUE(fd_blocks(d));
    ASSERT_EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
    EXPECT_TRUE(fd_blocks(d));
    EXPECT_FALSE(fd_is_blocking(d)) << "asks in any case";
    int fd = p[0];
    close_(p[0]);
    EXPECT_FALSE(fd_is_blocking(fd_get(fd))) << "no descriptor";
}

TEST_F(Fdtab, ModesOfOneThatMayBeSharedAreAsked)
{
    struct fdesc *d = fd_get(p[0]);
    auto set = [&](int flags) { EXPECT_EQ(fcntl(p[0], F_SETFL, flags), 0); };
    auto remembered = [&] {
        set(0);
        fd_mode_set(p[0], true);
        EXPECT_TRUE(fd_blocks(d));
        set(O_NONBLOCK);
        return fd_blocks(d);
    };

    EXPECT_FALSE(remembered()) << "not known where it comes from";
    fd_born(p[0], fd_sharing());
    EXPECT_TRUE(remembered());
    uint64_t before = fd_sharing();
    fd_sharing_begin();
    EXPECT_FALSE(remembered()) << "a child is being made";
    fd_sharing_end(false);
    EXPECT_TRUE(remembered()) << "it failed";
    fd_sharing_begin();
    fd_born(p[0], fd_sharing());
    fd_sharing_end(true);
    EXPECT_FALSE(remembered()) << "made meanwhile";
    fd_born(p[0], before);
    EXPECT_FALSE(remembered()) << "made before";
    fd_born(p[0], fd_sharing());
    EXPECT_TRUE(remembered());
    fd_fresh(p[0]);
    EXPECT_FALSE(remembered()) << "another one behind the number";
}

TEST_F(Fdtab, NonBlockingModeIsBelievedUntilAnyIsCleared)
{
    struct fdesc *d = fd_get(p[0]), *e = fd_get(p[1]);

    EXPECT_FALSE(fd_no_wait(d));
    EXPECT_FALSE(fd_is_blocking(d));
    EXPECT_TRUE(fd_no_wait(d)) << "asked";
    fd_mode_set(p[1], false);
    EXPECT_TRUE(fd_no_wait(d)) << "another one set";
    EXPECT_TRUE(fd_no_wait(e)) << "set";
    fd_mode_set(p[1], true);
    EXPECT_FALSE(fd_no_wait(d)) << "may be the same description under another number";
    EXPECT_FALSE(fd_no_wait(e));
    fd_accepted(d, e, fd_sharing(), false);
    EXPECT_TRUE(fd_no_wait(d)) << "made so";
    fd_not_no_wait(d);
    EXPECT_FALSE(fd_no_wait(d)) << "was wrong";
    fd_accepted(d, e, fd_sharing(), false);
    fd_close_begin(p[0]);
    fd_close_end(p[0]);
    EXPECT_FALSE(fd_no_wait(d)) << "another generation";
}

TEST_F(Fdtab, TimeoutsOfOneThatIsOursAloneAreAskedOnce)
{
    int s[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct fdesc *d = fd_get(s[0]), *e = fd_get(s[1]);
    timeval rcv = {1, 500000}, snd = {2, 0};

    fd_born(s[0], fd_sharing());
    fd_learn_kind(d);
    fd_learn_kind(e);
    ASSERT_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &rcv, sizeof rcv), 0);
    ASSERT_EQ(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &snd, sizeof snd), 0);
    EXPECT_EQ(fd_timeout(d, FD_READ), 0u) << "until told";
    fd_timeouts_changed();
    EXPECT_EQ(fd_timeout(d, FD_READ), 1500000000u);
    EXPECT_EQ(fd_timeout(d, FD_WRITE), 2000000000u);
    ASSERT_EQ(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &rcv, sizeof rcv), 0);
    EXPECT_EQ(fd_timeout(e, FD_READ), 1500000000u) << "may be shared: asked";
    EXPECT_EQ(fd_timeout(fd_get(p[0]), FD_READ), 0u) << "no socket";
    close_(s[0]);
    close_(s[1]);
}

TEST_F(Fdtab, LowWaterMark)
{
    int s[2], low = 5, one = 1;
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct fdesc *d = fd_get(s[0]), *e = fd_get(s[1]);

    fd_born(s[0], fd_sharing());
    ASSERT_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low), 0);
    ASSERT_EQ(setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low), 0);
    EXPECT_FALSE(fd_has_low_water(d)) << "until told";
    EXPECT_TRUE(fd_has_low_water(e)) << "may be shared: asked";
    fd_low_water_changed();
    EXPECT_TRUE(fd_has_low_water(d));
    ASSERT_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one), 0);
    fd_low_water_changed();
    EXPECT_FALSE(fd_has_low_water(d));
    close_(s[0]);
    close_(s[1]);
}

/* A child that has not exec'ed yet may share our memory (vfork): its closes do not count. */
TEST_F(Fdtab, AnotherProcessLeavesTheTableAlone)
{
    Waiting a(p[0], FD_READ);
    uint32_t gen = a.d->gen;
    pid_t child = fork();

    if (child == 0) {
        int number = p[0];

        close_(p[0]);
        fd_fresh(number);
        _exit(a.d->gen == gen && a.state() == W_PARKING && a.d->closing == 0 ? 0 : 1);
    }
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(Fdtab, AForkedChildStartsOver)
{
    Waiting a(p[0], FD_READ);
    fd_learn_kind(a.d);
    pid_t child = fork();

    if (child == 0) {
        fdtab_reset_child();
        _exit(!(a.d->home == nullptr && !a.d->side[FD_READ].armed && list_empty(&a.d->side[FD_READ].waiters) &&
                a.d->kind == FD_UNKNOWN && a.d->fd == p[0]));
    }
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Threads wait for one pipe with deadlines, others feed it and close the number over and over.  Each wait ends. */
TEST_F(Fdtab, WaitAgainstEventsAndClosesStress)
{
    const unsigned n_threads = 3, rounds = 3000;
    int number = fcntl(p[0], F_DUPFD_CLOEXEC, 300);
    std::atomic<unsigned> running{n_threads}, reasons[W_MASK] = {};
    std::vector<std::thread> threads;

    ASSERT_GE(number, 300);
    for (unsigned t = 0; t < n_threads; t++)
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < rounds; i++) {
                struct fdesc *d = fd_get(number);
                struct waiter w = {};
                struct fd_node n = {};

                n.gen = fd_gen(d);
                fd_link(d, FD_READ, &n, &w, waiter_prepare(&w, no_purpose), false);
                reasons[waiter_park(&w, now_ns() + (i + t) % 40 * 1000)]++;
                lock(&d->lk); /* as fd_wait: whoever wakes us may still hold the node */
                if (n.linked) {
                    list_del(&n.link);
                    n.linked = false;
                }
                unlock(&d->lk);
            }
            running--;
        });
    for (unsigned i = 0; running > 0; i++) {
        if (i % 2)
            send();
        poll();
        if (i % 3 == 0) {
            fd_close_begin(number);
            dup3(p[0], number, O_CLOEXEC);
            fd_close_end(number);
        }
        if (i % 2)
            receive();
    }
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(reasons[W_WOKEN] + reasons[W_TIMEOUT] + reasons[W_CLOSED], n_threads * rounds);
    EXPECT_TRUE(list_empty(&fd_get(number)->side[FD_READ].waiters));
    fd_close_begin(number);
    close(number);
    fd_close_end(number);
}

} // namespace
