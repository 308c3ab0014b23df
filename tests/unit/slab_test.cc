#include "runtime/mem/slab.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace {

const size_t PAGE = 4096;

struct slab_ops real_ops = vthr_slab_ops;
int mmap_calls, guard_calls, fail_at, fail_until; /* calls from fail_at to before fail_until fail */
long fail_with;
size_t last_len;

bool failing(int call)
{
    return call >= fail_at && call < fail_until;
}
long counting_mmap(size_t len)
{
    last_len = len;
    return failing(++mmap_calls) ? fail_with : real_ops.mmap(len);
}
long counting_guard(void *addr, size_t len)
{
    return failing(++guard_calls) ? fail_with : real_ops.guard(addr, len);
}

/* Each test has block sizes of its own: what an earlier one left over does not matter to it. */
size_t fresh_size()
{
    static size_t n = 16;
    return n++ * PAGE;
}

struct Slab : testing::Test {
    void fail_mmap(int at, int until)
    {
        vthr_slab_ops.mmap = counting_mmap;
        set(at, until, -ENOMEM);
    }
    void fail_guard(int at, int until, long with)
    {
        vthr_slab_ops.guard = counting_guard;
        set(at, until, with);
    }
    void set(int at, int until, long with)
    {
        mmap_calls = guard_calls = 0;
        fail_at = at;
        fail_until = until;
        fail_with = with;
    }
    void TearDown() override { vthr_slab_ops = real_ops; }
};

struct Regions {
    std::map<char *, size_t> all;

    void add(void *p, size_t len)
    {
        char *lo = (char *)p;
        auto next = all.lower_bound(lo);

        ASSERT_NE(p, nullptr);
        if (next != all.end()) {
            ASSERT_LE(lo + len, next->first);
        }
        if (next != all.begin()) {
            --next;
            ASSERT_LE(next->first + next->second, lo);
        }
        all[lo] = len;
    }
};

TEST_F(Slab, GuardFaultsAndTheRestDoesNot)
{
    size_t size = fresh_size();

    for (int i = 0; i < 3; i++) {
        char *p = (char *)slab_alloc(size, 2 * PAGE);

        ASSERT_NE(p, nullptr);
        EXPECT_EQ((uintptr_t)p % PAGE, 0u);
        for (size_t at = 2 * PAGE; at < size; at++)
            ASSERT_EQ(p[at], 0);
        memset(p + 2 * PAGE, 0x5a, size - 2 * PAGE);
        EXPECT_DEATH(*(volatile char *)p = 1, "");
        EXPECT_DEATH(*(volatile char *)(p + 2 * PAGE - 1) = 1, "");
    }
}

TEST_F(Slab, WithoutGuardAllOfItIsUsable)
{
    size_t size = fresh_size();
    char *p = (char *)slab_alloc(size, 0);

    ASSERT_NE(p, nullptr);
    memset(p, 0x5a, size);
}

TEST_F(Slab, BlocksAreDisjoint)
{
    Regions r;
    size_t a = fresh_size(), b = fresh_size();

    for (int i = 0; i < 200; i++) { /* more than one mapping holds */
        r.add(slab_alloc(a, PAGE), a);
        r.add(slab_alloc(b, i % 2 ? PAGE : 0), b);
    }
    r.add(slab_alloc(3 << 20, PAGE), 3 << 20);
    r.add(slab_alloc(128 << 20, PAGE), 128 << 20);
}

TEST_F(Slab, MoreSizesThanRemembered)
{
    Regions r;

    for (size_t i = 0; i < 80; i++) {
        size_t size = fresh_size();

        r.add(slab_alloc(size, 0), size);
        r.add(slab_alloc(size, PAGE), size);
    }
    for (size_t n = 16; n < 90; n++)
        r.add(slab_alloc(n * PAGE, 0), n * PAGE);
}

TEST_F(Slab, OneMappingServesManyBlocks)
{
    size_t size = fresh_size();

    fail_mmap(0, 0);
    ASSERT_NE(slab_alloc(size, 0), nullptr);
    EXPECT_EQ(mmap_calls, 1);
    size_t blocks = last_len / size;
    EXPECT_GT(blocks, 1u);
    for (size_t i = 1; i < blocks; i++)
        ASSERT_NE(slab_alloc(size, 0), nullptr);
    EXPECT_EQ(mmap_calls, 1);
    ASSERT_NE(slab_alloc(size, 0), nullptr);
    EXPECT_EQ(mmap_calls, 2);
}

TEST_F(Slab, BlocksAreAlignedWhoseSizeIs)
{
    for (int i = 0; i < 200; i++)
        ASSERT_EQ((uintptr_t)slab_alloc(5 * SLAB_ALIGN, PAGE) % SLAB_ALIGN, 0u);
}

TEST_F(Slab, NoMemoryIsNullAndPasses)
{
    size_t size = fresh_size();

    fail_mmap(1, 5);
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    EXPECT_EQ(mmap_calls, 2) << "many blocks, then one";
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    EXPECT_EQ(mmap_calls, 4);
    char *p = (char *)slab_alloc(size, PAGE);
    ASSERT_NE(p, nullptr);
    memset(p + PAGE, 1, size - PAGE);
}

TEST_F(Slab, OneBlockWhereManyDoNotFit)
{
    size_t size = fresh_size();
    Regions r;

    fail_mmap(1, 2);
    r.add(slab_alloc(size, PAGE), size);
    EXPECT_EQ(mmap_calls, 2);
    EXPECT_EQ(last_len, size);
    r.add(slab_alloc(size, PAGE), size);
    EXPECT_EQ(mmap_calls, 3);
    EXPECT_GT(last_len, size) << "memory may have come back";
}

TEST_F(Slab, EachCallFailsOnce)
{
    for (int n = 1; n <= 4; n++) {
        size_t size = fresh_size();
        Regions r;

        fail_mmap(n, n + 1);
        for (int i = 0; i < 130; i++) /* three mappings: a single failure is made up for */
            r.add(slab_alloc(size, 0), size);
    }
}

TEST_F(Slab, FailingGuardLosesNoBlock)
{
    size_t size = fresh_size();
    Regions r;
    char *first;

    fail_guard(2, 4, -EACCES);
    first = (char *)slab_alloc(size, PAGE);
    r.add(first, size);
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    char *p = (char *)slab_alloc(size, PAGE);
    r.add(p, size);
    EXPECT_EQ(p, first + size);
}

TEST_F(Slab, GuardsAreMadeAheadAndAFailureAheadIsNoFailure)
{
    size_t size = fresh_size();
    Regions r;

    fail_guard(5, 7, -EACCES);
    for (int i = 0; i < 4; i++)
        r.add(slab_alloc(size, PAGE), size); /* the fourth's batch ran into the fifth call */
    EXPECT_GE(guard_calls, 5);
    while (guard_calls < 6)
        EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    for (int i = 0; i < 40; i++) {
        char *p = (char *)slab_alloc(size, PAGE);

        r.add(p, size);
        EXPECT_DEATH(*(volatile char *)p = 1, "");
    }
}

TEST_F(Slab, TheMappingLimitIsSaidOnce)
{
    size_t size = fresh_size();

    fail_guard(1, 3, -ENOMEM);
    testing::internal::CaptureStderr();
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    EXPECT_EQ(slab_alloc(size, PAGE), nullptr);
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(said, "vthr: stack guard: the kernel refused another mapping: raise vm.max_map_count\n");
    EXPECT_NE(slab_alloc(size, PAGE), nullptr);
}

TEST_F(Slab, DiscardedPagesReadAsZero)
{
    size_t size = fresh_size();
    char *p = (char *)slab_alloc(size, 0);

    ASSERT_NE(p, nullptr);
    memset(p, 0x5a, size);
    slab_discard(p + PAGE, 0);
    slab_discard(p + PAGE, size - 2 * PAGE);
    for (size_t i = 0; i < size; i++)
        ASSERT_EQ(p[i], i < PAGE || i >= size - PAGE ? 0x5a : 0) << i;
}

TEST_F(Slab, MetaMemoryIsZeroedAlignedAndDisjoint)
{
    Regions r;

    for (size_t size = 1; size < 200000; size = size * 5 / 4 + 1)
        for (int i = 0; i < 3; i++) {
            char *p = (char *)meta_alloc(size);

            ASSERT_NE(p, nullptr);
            ASSERT_EQ((uintptr_t)p % 64, 0u);
            for (size_t k = 0; k < size; k++)
                ASSERT_EQ(p[k], 0);
            memset(p, 0xff, size);
            r.add(p, size);
        }
    EXPECT_EQ(meta_alloc((size_t)1 << 60), nullptr);
    EXPECT_NE(meta_alloc(8), nullptr);
}

TEST_F(Slab, ManyThreads)
{
    Regions r;
    std::mutex m;
    std::vector<std::thread> threads;
    size_t size = fresh_size();

    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            std::vector<void *> blocks, meta;

            for (int i = 0; i < 300; i++) {
                blocks.push_back(slab_alloc(size, PAGE));
                meta.push_back(meta_alloc(100));
            }
            std::lock_guard<std::mutex> g(m);
            for (int i = 0; i < 300; i++) {
                r.add(blocks[i], size);
                r.add(meta[i], 100);
            }
        });
    for (auto &t : threads)
        t.join();
    EXPECT_EQ(r.all.size(), 2400u);
}

} // namespace
