/* The runtime end to end, without the preload entry points: threads are made by thread_create. */
#include "runtime/base/options.h"
#include "runtime/io/fdtab.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/sync/barrier.h"
#include "runtime/sync/cond.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/sem.h"
#include "runtime/thread/thread.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

__thread int tls_data = 42;

struct Vthread : testing::Test {
    static void SetUpTestSuite()
    {
        vthr_boot(); /* as the library's constructor */
        vthr_config.carriers = 1;
        vthr_config.cache = 16;
        vthr_config.spares = 8;
        ASSERT_TRUE(vthr_activate());
    }
};

/* A vthread that runs fn. */
struct Thread {
    std::function<void *()> fn;
    pthread_t th;

    explicit Thread(std::function<void *()> f) : fn(std::move(f))
    {
        int r = thread_create(
            &th, nullptr, [](void *self) { return ((Thread *)self)->fn(); }, this, false, nullptr);
        EXPECT_EQ(r, 0);
    }
    void *join()
    {
        void *result = (void *)-1l;
        EXPECT_EQ(thread_join(th, &result, NO_DEADLINE), 0);
        return result;
    }
};

/* Lets the others run until the condition holds. */
template <class F> void until(F f)
{
    while (!f())
        io_yield(vthr_self);
}

TEST_F(Vthread, WhatEachTouchesBeginsAGroupOfPages)
{
    Thread t([]() -> void * { return (void *)((uintptr_t)__builtin_frame_address(0) & ~4095ul); });

    EXPECT_EQ((uintptr_t)t.join() % SLAB_ALIGN, 0u);
}

TEST_F(Vthread, ActivationIsDoneOnceAndAdoptsTheMainThread)
{
    EXPECT_TRUE(vthr_activate());
    EXPECT_EQ(vthr_self, &vthr_main);
    EXPECT_EQ(vthr_main.tid, (uint32_t)getpid());
    EXPECT_EQ(thread_of(pthread_self()), &vthr_main);
    EXPECT_EQ(vthread_by_tid((uint32_t)getpid()), &vthr_main);
    EXPECT_EQ(vthr_nlive, 1u);
    EXPECT_EQ(vthr_nprocs, 1u);
}

/* A module of a name service reads a file: announced inside announced. */
TEST_F(Vthread, AnAnnouncedCallInsideAnotherKeepsTheProcessor)
{
    auto run = [] {
        struct carrier *c = vthr_self->carrier;
        struct proc *p = &vthr_procs[0];
        uint64_t user = (uint64_t)(uintptr_t)c | P_USER, blocked = (uint64_t)(uintptr_t)c | P_BLOCK;

        ASSERT_EQ(load_acquire(&p->word), user);
        block_begin(vthr_self, false);
        block_begin(vthr_self, false);
        EXPECT_EQ(c->proc, p);
        EXPECT_EQ(load_acquire(&p->word), blocked);
        block_end(vthr_self);
        EXPECT_EQ(c->proc, p);
        EXPECT_EQ(load_acquire(&p->word), blocked); /* the outer one goes on */
        block_end(vthr_self);
        EXPECT_EQ(load_acquire(&p->word), user);
    };

    ASSERT_EQ(vthr_nlive, 1u); /* nobody to hand off to: the monitor keeps away */
    run();
}

/* A message at a time to and fro: the read that will have to wait does so without an attempt, mostly. */
TEST_F(Vthread, ReadsThatHadToWaitExpectToWait)
{
    int p[2];
    unsigned guessed = 0, reads = 0;

    ASSERT_EQ(pipe(p), 0);
    struct fdesc *d = fd_get(p[0]);
    struct fd_side *side = &d->side[FD_READ];
    Thread t([&] {
        char c;

        for (int i = 0; i < 20; i++) {
            EXPECT_EQ(io_read(vthr_self, p[0], &c, 1), 1);
            guessed += side->guesses > 0;
            fetch_add_relaxed(&reads, 1u);
        }
        return nullptr;
    });
    for (unsigned i = 0; i < 20; i++) {
        until([&] { return load_relaxed(&reads) == i && !list_empty(&side->waiters); });
        EXPECT_EQ(io_write(vthr_self, p[1], "x", 1), 1);
    }
    t.join();
    EXPECT_GE(guessed, 12u);
    EXPECT_LT(guessed, 20u); /* now and then it makes sure */

    Thread fast([&] {
        char c;

        for (int i = 0; i <= MAX_GUESSES; i++)
            EXPECT_EQ(io_read(vthr_self, p[0], &c, 1), 1);
        EXPECT_EQ(side->misses, 0); /* it has found out */
        return nullptr;
    });
    EXPECT_EQ(io_write(vthr_self, p[1], "xxxxxxxx", 8), 8);
    fast.join();
    fd_close_begin(p[0]);
    close(p[0]);
    fd_close_end(p[0]);
    close(p[1]);
}

TEST_F(Vthread, ResultsOfAThousand)
{
    std::vector<std::unique_ptr<Thread>> all;

    for (intptr_t i = 0; i < 1000; i++)
        all.push_back(std::make_unique<Thread>([i] {
            io_yield(vthr_self);
            return (void *)(i * i);
        }));
    for (intptr_t i = 0; i < 1000; i++)
        EXPECT_EQ(all[i]->join(), (void *)(i * i));
    EXPECT_EQ(vthr_nlive, 1u);
}

TEST_F(Vthread, IsAThreadWithItsOwnIdentity)
{
    struct {
        pthread_t self;
        struct vthread *v;
        uint32_t tid;
        char *stack;
        int data;
    } seen = {};
    Thread t([&] {
        seen = {pthread_self(), vthr_self, *image_tid((void *)pthread_self()), (char *)__builtin_frame_address(0), tls_data};
        tls_data = 5;
        errno = 77;
        return nullptr;
    });
    errno = 3;
    t.join();
    EXPECT_EQ(errno, 3);
    EXPECT_EQ(seen.self, t.th);
    EXPECT_GT(seen.tid, VTHR_TID_BASE);
    EXPECT_EQ(vthread_by_tid(seen.tid), seen.v);
    EXPECT_EQ(seen.data, 42);
    EXPECT_EQ(tls_data, 42);
    EXPECT_GT(seen.stack, seen.v->stack_lo);
    EXPECT_LT(seen.stack, seen.v->stack_lo + seen.v->stack_size);
}

TEST_F(Vthread, StacksAreUsedAgainAndLookNew)
{
    std::set<struct vthread *> used;

    for (int i = 0; i < 100; i++) {
        int data = 0;
        Thread t([&] {
            data = tls_data;
            tls_data = 5;
            used.insert(vthr_self);
            return nullptr;
        });
        t.join();
        ASSERT_EQ(data, 42) << i;
    }
    EXPECT_LE(used.size(), 2u);
}

TEST_F(Vthread, JoinErrors)
{
    int go = 0;
    Thread t([&] {
        until([&] { return go; });
        return nullptr;
    });
    int self_join = 0, second = 0;

    EXPECT_EQ(thread_join(t.th, nullptr, 0), EBUSY);
    EXPECT_EQ(thread_join(t.th, nullptr, now_ns() + 1000000), ETIMEDOUT);
    EXPECT_EQ(thread_join(pthread_self(), nullptr, NO_DEADLINE), EDEADLK);
    Thread u([&] {
        self_join = thread_join(pthread_self(), nullptr, NO_DEADLINE);
        return nullptr;
    });
    u.join();
    EXPECT_EQ(self_join, EDEADLK);
    Thread joiner([&] { return t.join(); });
    until([&] { return thread_of(t.th)->join == 1; });
    second = thread_join(t.th, nullptr, NO_DEADLINE);
    EXPECT_EQ(second, EINVAL) << "somebody joins already";
    go = 1;
    joiner.join();
}

TEST_F(Vthread, DetachedOnesGoByThemselves)
{
    int go = 0, done = 0;
    Thread t([&] {
        until([&] { return go; });
        done = 1;
        return nullptr;
    });

    EXPECT_EQ(thread_detach(t.th), 0);
    EXPECT_EQ(thread_detach(t.th), EINVAL);
    EXPECT_EQ(thread_join(t.th, nullptr, NO_DEADLINE), EINVAL);
    go = 1;
    until([&] { return done && load_relaxed(&vthr_nlive) == 1; });
}

TEST_F(Vthread, ThreadExitFromDeepInside)
{
    Thread t([]() -> void * { thread_exit((void *)0x77); });

    EXPECT_EQ(t.join(), (void *)0x77);
}

TEST_F(Vthread, KeyDestructorsRun)
{
    static int destroyed;
    pthread_key_t key;
    auto dtor = [](void *p) { destroyed += *(int *)p; };
    int one = 1;

    ASSERT_EQ(pthread_key_create(&key, nullptr), 0);
    tsd_note_key(key, dtor);
    for (int i = 1; i <= 3; i++) {
        Thread t([&] {
            pthread_setspecific(key, &one);
            return nullptr;
        });
        t.join();
        EXPECT_EQ(destroyed, i);
    }
    tsd_note_key(key, nullptr);
    pthread_key_delete(key);
}

TEST_F(Vthread, CreationFailsCleanlyWithoutMemory)
{
    static struct slab_ops real;
    static int fails;
    pthread_attr_t attr;
    pthread_t th;
    uint32_t live = vthr_nlive;

    real = vthr_slab_ops;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 3 << 20); /* a size that nobody has used: needs a mapping */
    for (int what = 0; what < 2; what++) {
        fails = 0;
        vthr_slab_ops = real;
        if (what == 0)
            vthr_slab_ops.mmap = [](size_t) -> long {
                fails++;
                return -ENOMEM;
            };
        else
            vthr_slab_ops.guard = [](void *, size_t) -> long {
                fails++;
                return -EACCES;
            };
        EXPECT_EQ(thread_create(&th, &attr, [](void *p) { return p; }, nullptr, false, nullptr), EAGAIN);
        EXPECT_GT(fails, 0);
        EXPECT_EQ(vthr_nlive, live);
    }
    vthr_slab_ops = real;
    void *result = nullptr;
    ASSERT_EQ(thread_create(&th, &attr, [](void *p) { return p; }, (void *)7, false, nullptr), 0);
    EXPECT_EQ(thread_join(th, &result, NO_DEADLINE), 0);
    EXPECT_EQ(result, (void *)7);
    pthread_attr_destroy(&attr);
}

TEST_F(Vthread, AttributesAreKept)
{
    pthread_attr_t attr, got;
    pthread_t th;
    size_t size = 0, guard = 0;
    void *addr = nullptr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    pthread_attr_setguardsize(&attr, 8192);
    ASSERT_EQ(thread_create(&th, &attr, [](void *) -> void * { return __builtin_frame_address(0); }, nullptr, false, nullptr), 0);
    ASSERT_EQ(thread_getattr(th, &got), 0);
    pthread_attr_getstack(&got, &addr, &size);
    pthread_attr_getguardsize(&got, &guard);
    EXPECT_EQ(size, 1u << 20);
    EXPECT_EQ(guard, 8192u);
    void *frame = nullptr;
    EXPECT_EQ(thread_join(th, &frame, NO_DEADLINE), 0);
    EXPECT_GT(frame, addr);
    EXPECT_LT((char *)frame, (char *)addr + size);
    pthread_attr_destroy(&attr);
    pthread_attr_destroy(&got);
}

TEST_F(Vthread, Names)
{
    char name[16] = "";
    int go = 0;
    Thread t([&] {
        until([&] { return go; });
        return nullptr;
    });

    EXPECT_EQ(thread_setname(t.th, "fifteen-letters"), 0);
    EXPECT_EQ(thread_setname(t.th, "sixteen-letters!"), ERANGE);
    EXPECT_EQ(thread_getname(t.th, name, sizeof name), 0);
    EXPECT_STREQ(name, "fifteen-letters");
    EXPECT_EQ(thread_getname(t.th, name, 15), ERANGE);
    go = 1;
    t.join();
}

TEST_F(Vthread, MutexAndConditionHandOver)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    const int n = 20, rounds = 100;
    int turn = 0, wrong = 0;
    std::vector<std::unique_ptr<Thread>> all;

    for (int id = 0; id < n; id++)
        all.push_back(std::make_unique<Thread>([&, id] {
            for (int k = 0; k < rounds; k++) {
                mutex_lock(&m);
                while (turn % n != id)
                    cond_wait(&c, &m);
                wrong += turn != k * n + id;
                turn++;
                cond_broadcast(&c);
                mutex_unlock(&m);
            }
            return nullptr;
        }));
    for (auto &t : all)
        t->join();
    EXPECT_EQ(turn, n * rounds);
    EXPECT_EQ(wrong, 0);
}

TEST_F(Vthread, MutexExcludesAcrossYields)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    int inside = 0, wrong = 0, count = 0;
    std::vector<std::unique_ptr<Thread>> all;

    for (int i = 0; i < 30; i++)
        all.push_back(std::make_unique<Thread>([&] {
            for (int k = 0; k < 50; k++) {
                mutex_lock(&m);
                wrong += inside++ != 0;
                io_yield(vthr_self);
                count++;
                inside--;
                mutex_unlock(&m);
            }
            return nullptr;
        }));
    for (auto &t : all)
        t->join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(count, 1500);
}

TEST_F(Vthread, TimedWaitsEnd)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    sem_t s;
    timespec past = {1, 0}, soon;

    sem_init(&s, 0, 0);
    mutex_lock(&m);
    EXPECT_EQ(cond_clockwait(&c, &m, CLOCK_REALTIME, &past), ETIMEDOUT);
    Thread t([&] { return (void *)(intptr_t)mutex_timedlock(&m, CLOCK_REALTIME, &past); });
    EXPECT_EQ(t.join(), (void *)ETIMEDOUT);
    uint64_t start = now_ns();
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 1000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    EXPECT_EQ(sema_wait(&s, CLOCK_MONOTONIC, &soon), -ETIMEDOUT);
    EXPECT_GE(now_ns(), start + 1000000);
    EXPECT_EQ(cond_clockwait(&c, &m, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    mutex_unlock(&m);
}

/* Native threads and vthreads use the same objects. */
TEST_F(Vthread, NativeThreadsTakePart)
{
    sem_t ping, pong;
    const int rounds = 500;
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    int count = 0;

    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    std::thread native([&] { /* pthread_create here is libc's */
        for (int i = 0; i < rounds; i++) {
            sema_wait(&ping, CLOCK_REALTIME, nullptr);
            mutex_lock(&m);
            count++;
            mutex_unlock(&m);
            sema_post(&pong);
        }
    });
    Thread t([&] {
        for (int i = 0; i < rounds; i++) {
            sema_post(&ping);
            sema_wait(&pong, CLOCK_REALTIME, nullptr);
            mutex_lock(&m);
            count++;
            mutex_unlock(&m);
        }
        return nullptr;
    });
    t.join();
    native.join();
    EXPECT_EQ(count, 2 * rounds);
}

TEST_F(Vthread, BarrierRounds)
{
    pthread_barrier_t b;
    const int n = 10, rounds = 50;
    int serial = 0, wrong = 0, arrived = 0;
    std::vector<std::unique_ptr<Thread>> all;

    pthread_barrier_init(&b, nullptr, n);
    for (int i = 0; i < n; i++)
        all.push_back(std::make_unique<Thread>([&] {
            for (int k = 0; k < rounds; k++) {
                fetch_add_acq_rel(&arrived, 1);
                if (barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD)
                    fetch_add_acq_rel(&serial, 1);
                if (load_acquire(&arrived) < (k + 1) * n)
                    fetch_add_acq_rel(&wrong, 1);
            }
            return nullptr;
        }));
    for (auto &t : all)
        t->join();
    EXPECT_EQ(serial, rounds);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(barrier_destroy(&b), 0);
}

TEST_F(Vthread, ParkedReadersAreFed)
{
    const int n = 50;
    int pipes[n][2];
    std::vector<std::unique_ptr<Thread>> all;

    for (auto &p : pipes)
        ASSERT_EQ(pipe(p), 0); /* blocking: only the vthread waits */
    for (int i = 0; i < n; i++)
        all.push_back(std::make_unique<Thread>([&, i] {
            char c = 0;
            long sum = 0;

            while (io_read(vthr_self, pipes[i][0], &c, 1) == 1)
                sum += c;
            return (void *)sum;
        }));
    for (int k = 1; k <= 3; k++)
        for (int i = 0; i < n; i++) {
            char c = (char)k;
            ASSERT_EQ(io_write(vthr_self, pipes[i][1], &c, 1), 1);
        }
    for (auto &p : pipes)
        close(p[1]);
    for (auto &t : all)
        EXPECT_EQ(t->join(), (void *)6);
    for (auto &p : pipes) {
        fd_close_begin(p[0]);
        close(p[0]);
        fd_close_end(p[0]);
    }
}

TEST_F(Vthread, WritersParkWhileAPipeIsFull)
{
    int p[2];
    const size_t total = 1 << 20;

    ASSERT_EQ(pipe(p), 0);
    Thread t([&] {
        std::vector<char> out(total, 'x');
        return (void *)io_write(vthr_self, p[1], out.data(), total);
    });
    size_t got = 0;
    char buf[4096];
    while (got < total) {
        long n = io_read(vthr_self, p[0], buf, sizeof buf);
        ASSERT_GT(n, 0);
        got += (size_t)n;
    }
    EXPECT_EQ(t.join(), (void *)total);
    close(p[0]);
    close(p[1]);
}

TEST_F(Vthread, PollOfManyEndsByOneOrByTime)
{
    int p[3][2];
    pollfd fds[3];

    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(pipe(p[i]), 0);
        fds[i] = {p[i][0], POLLIN, 0};
    }
    timespec zero = {0, 0}, soon = {0, 1000000};
    EXPECT_EQ(io_ppoll(vthr_self, fds, 3, &zero, nullptr), 0);
    uint64_t start = now_ns();
    EXPECT_EQ(io_ppoll(vthr_self, fds, 3, &soon, nullptr), 0);
    EXPECT_GE(now_ns(), start + 1000000);
    Thread t([&] { return (void *)io_ppoll(vthr_self, fds, 3, nullptr, nullptr); });
    until([&] { return load_acquire(&thread_of(t.th)->carrier) == nullptr; });
    ASSERT_EQ(write(p[1][1], "x", 1), 1);
    EXPECT_EQ(t.join(), (void *)1);
    EXPECT_EQ(fds[1].revents, POLLIN);
    EXPECT_EQ(fds[0].revents | fds[2].revents, 0);
    for (auto &q : p) {
        close(q[0]);
        close(q[1]);
    }
}

TEST_F(Vthread, SleepsAreNotEarlyAndRunTogether)
{
    std::vector<std::unique_ptr<Thread>> all;
    std::vector<int> early(20);

    for (int i = 0; i < 20; i++)
        all.push_back(std::make_unique<Thread>([&, i] {
            timespec t = {0, (20 - i) * 100000};
            uint64_t start = now_ns();

            if (io_sleep(vthr_self, CLOCK_MONOTONIC, false, &t, nullptr) != 0)
                early[i] = 2;
            if (now_ns() < start + (uint64_t)t.tv_nsec)
                early[i] = 1;
            return nullptr;
        }));
    for (auto &t : all)
        t->join();
    EXPECT_EQ(early, std::vector<int>(20));
}

/* Under the fast slot a pair that wakes each other must not keep a third from running. */
TEST_F(Vthread, APairThatHandsOverDoesNotStarveAThird)
{
    sem_t a, b;
    int stop = 0;

    sem_init(&a, 0, 1);
    sem_init(&b, 0, 0);
    auto half = [&](sem_t *mine, sem_t *other) {
        while (!load_relaxed(&stop)) {
            sema_wait(mine, CLOCK_REALTIME, nullptr);
            sema_post(other);
        }
        sema_post(other);
        return nullptr;
    };
    Thread x([&] { return half(&a, &b); }), y([&] { return half(&b, &a); });
    Thread third([&] {
        for (int i = 0; i < 10; i++)
            io_yield(vthr_self);
        store_relaxed(&stop, 1);
        return nullptr;
    });
    third.join();
    x.join();
    y.join();
}

TEST_F(Vthread, SpinningOneDoesNotStopTheOthers)
{
    int seen = 0;
    Thread spinner([&] { /* never enters the runtime: its processor is handed off */
        while (!load_relaxed(&seen))
            ;
        return nullptr;
    });
    Thread other([&] {
        store_relaxed(&seen, 1);
        return nullptr;
    });
    spinner.join();
    other.join();
}

TEST_F(Vthread, EveryVthreadIsListed)
{
    int go = 0;
    std::set<struct vthread *> listed;
    Thread a([&] {
        until([&] { return go; });
        return nullptr;
    }),
        b([&] {
            until([&] { return go; });
            return nullptr;
        });

    vthread_each(
        [](struct vthread *v, void *s) {
            ((std::set<struct vthread *> *)s)->insert(v);
            return 0;
        },
        &listed);
    EXPECT_EQ(listed, (std::set<struct vthread *>{&vthr_main, thread_of(a.th), thread_of(b.th)}));
    int calls = 0;
    EXPECT_EQ(vthread_each([](struct vthread *, void *n) { return ++*(int *)n == 2 ? 7 : 0; }, &calls), 7);
    EXPECT_EQ(calls, 2);
    go = 1;
    a.join();
    b.join();
}

} // namespace
