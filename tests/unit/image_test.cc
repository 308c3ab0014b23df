#include "runtime/mem/image.h"
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <locale.h>
#include <pthread.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

/* The test's own thread-local data. */
__thread int tls_data = 42;
__thread int tls_zero;
__thread char tls_array[1000];
alignas(64) __thread int tls_aligned = 7;

const size_t STACK = 256 * 1024;
const uint32_t TID = 0x400001;

/* A context on an image of its own: what shells are made of. */
struct Imaged {
    char *mem;
    size_t size;
    char *tp;
    arch_ctx ctx = {}, back = {};
    void (*body)(Imaged &) = nullptr;

    Imaged()
    {
        size_t align = vthr_image.tls_align < 64 ? 64 : vthr_image.tls_align;

        size = STACK + vthr_image.tls_below + vthr_image.pd_size + 3 * align;
        mem = (char *)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        tp = (char *)(((uintptr_t)mem + STACK + vthr_image.tls_below + align) & ~(align - 1));
        EXPECT_EQ(image_create(tp, TID), 0);
    }
    /* Not unmapped: libc's own state in an image (malloc's cache) cannot be freed. */

    static void entry(void *self)
    {
        Imaged *i = (Imaged *)self;

        image_enter();
        i->body(*i);
        arch_switch(&i->ctx, &i->back);
        abort();
    }
    void run(void (*fn)(Imaged &))
    {
        body = fn;
        back.tp = (uintptr_t)arch_tp();
        arch_ctx_make(&ctx, mem + STACK, tp, entry, this);
        arch_switch(&back, &ctx);
    }
};

/* Filled in by bodies, which make no assertions themselves. */
struct Seen {
    int data, zero, array_sum, aligned;
    void *data_at;
    void *self;
    void *tp;
    int err, alpha;
    void *key_low, *key_high;
    int owner;
    void *p;
    int cancel_state;
    bool c_locale;
} seen;
pthread_key_t keys[100];
pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
locale_t other_locale;

void look(Imaged &)
{
    seen.data = tls_data;
    seen.zero = tls_zero;
    seen.array_sum = 0;
    for (char c : tls_array)
        seen.array_sum += c;
    seen.aligned = tls_aligned;
    seen.data_at = &tls_data;
    seen.self = (void *)pthread_self();
    asm volatile("movq %%fs:16, %0" : "=r"(seen.tp));
    seen.err = errno;
    seen.alpha = isalpha('a') && !isalpha('1') && toupper('a') == 'A';
    seen.key_low = pthread_getspecific(keys[0]);
    seen.key_high = pthread_getspecific(keys[99]);
    pthread_mutex_lock(&errorcheck);
    seen.owner = errorcheck.__data.__owner;
    pthread_mutex_unlock(&errorcheck);
    seen.p = malloc(100);
    free(seen.p);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &seen.cancel_state);
    seen.c_locale = uselocale(nullptr) == LC_GLOBAL_LOCALE;
}

void soil(Imaged &)
{
    tls_data = 1;
    tls_zero = 2;
    tls_aligned = 3;
    memset(tls_array, 1, sizeof tls_array);
    errno = 99;
    pthread_setspecific(keys[0], &tls_data);
    pthread_setspecific(keys[99], &tls_data);
    for (int i = 0; i < 50; i++) /* malloc's cache of this image */
        free(malloc(i * 16 + 1));
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    uselocale(other_locale);
}

void expect_fresh(const Imaged &image)
{
    EXPECT_EQ(seen.data, 42);
    EXPECT_EQ(seen.zero, 0);
    EXPECT_EQ(seen.array_sum, 0);
    EXPECT_EQ(seen.aligned, 7);
    EXPECT_EQ(seen.self, image.tp);
    EXPECT_EQ(seen.tp, image.tp);
    EXPECT_EQ(seen.err, 0);
    EXPECT_TRUE(seen.alpha);
    EXPECT_EQ(seen.key_low, nullptr);
    EXPECT_EQ(seen.key_high, nullptr);
    EXPECT_NE(seen.p, nullptr);
    EXPECT_EQ(seen.cancel_state, PTHREAD_CANCEL_ENABLE);
}

struct Image : testing::Test {
    static void SetUpTestSuite()
    {
        const char *why = "";

        ASSERT_EQ(arch_init(&why), 0) << why;
        ASSERT_EQ(image_init(&why), 0) << why;
        if (!other_locale) {
            other_locale = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
            for (auto &k : keys)
                ASSERT_EQ(pthread_key_create(&k, nullptr), 0);
        }
    }
    void SetUp() override { seen = {}; }
    void TearDown() override
    {
        EXPECT_EQ(tls_data, 42) << "the test's own thread";
        EXPECT_EQ(tls_zero, 0);
    }
};

TEST_F(Image, TheProbeIsPlausibleAndDoneOnce)
{
    const char *why = "";
    struct image_facts before = vthr_image;

    EXPECT_EQ(image_init(&why), 0);
    EXPECT_EQ(memcmp(&before, &vthr_image, sizeof before), 0);
    EXPECT_GT(vthr_image.pd_size, 1000u);
    EXPECT_GE(vthr_image.tls_below, sizeof tls_array);
    EXPECT_GE(vthr_image.tls_align, 64u);
    EXPECT_EQ(vthr_image.tls_align & (vthr_image.tls_align - 1), 0u);
    for (size_t off : {vthr_image.off_tid, vthr_image.off_list, vthr_image.off_dtv, vthr_image.off_cancel,
                       vthr_image.off_specific, vthr_image.off_result})
        EXPECT_LT(off, vthr_image.pd_size);
    EXPECT_EQ(*image_tid(arch_tp()), (uint32_t)gettid());
}

TEST_F(Image, ResultOfANativeThreadIsFound)
{
    std::vector<char> stack(1 << 20);
    pthread_attr_t attr;
    pthread_t th;

    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, (void *)(((uintptr_t)stack.data() + 4095) & ~4095ul), 900 * 1024 & ~4095);
    ASSERT_EQ(pthread_create(&th, &attr, [](void *) -> void * { pthread_exit((void *)0x1234); }, nullptr), 0);
    ASSERT_EQ(pthread_join(th, nullptr), 0);
    EXPECT_EQ(image_result((void *)th), (void *)0x1234) << "its stack is still there";
}

TEST_F(Image, ANewImageIsAThreadToLibc)
{
    Imaged image;

    image.run(look);
    expect_fresh(image);
    EXPECT_NE(seen.data_at, &tls_data);
    EXPECT_LT((char *)seen.data_at, image.tp);
    EXPECT_GE((char *)seen.data_at, image.tp - vthr_image.tls_below);
    EXPECT_EQ(seen.owner, (int)TID);
    EXPECT_TRUE(seen.c_locale);
    EXPECT_EQ(*image_tid(image.tp), TID);
}

TEST_F(Image, ThreadLocalsStartFromTheInitialValuesNotFromOurs)
{
    tls_data = 1000;
    tls_zero = 1000;
    tls_array[0] = 5;
    Imaged image;
    image.run(look);
    expect_fresh(image);
    tls_data = 42;
    tls_zero = 0;
    tls_array[0] = 0;
}

TEST_F(Image, ResetMakesItAsGoodAsNew)
{
    Imaged image;

    for (int i = 0; i < 20; i++) {
        image.run(soil);
        image.run(look);
        EXPECT_EQ(seen.data, 1) << "nothing changes without a reset";
        EXPECT_EQ(seen.zero, 2);
        EXPECT_EQ(seen.array_sum, (int)sizeof tls_array);
        EXPECT_NE(seen.key_high, nullptr);
        image.run(soil);
        image_reset(image.tp, TID + 1 + i);
        image.run(look);
        expect_fresh(image);
        EXPECT_EQ(seen.owner, (int)TID + 1 + i);
    }
}

TEST_F(Image, ImagesAreApart)
{
    Imaged a, b;

    a.run(soil);
    b.run(look);
    expect_fresh(b);
    void *at = seen.data_at;
    a.run(look);
    EXPECT_EQ(seen.data, 1);
    EXPECT_NE(seen.data_at, at);
    EXPECT_EQ(seen.tp, a.tp);
}

TEST_F(Image, CancellationWord)
{
    Imaged image;
    int *word = image_cancel_word(image.tp);

    EXPECT_EQ(*word, 0);
    EXPECT_FALSE(image_cancel_pending(image.tp));
    *word = 0x8;
    EXPECT_TRUE(image_cancel_pending(image.tp));
    for (int hidden : {0x8 | 0x1, 0x8 | 0x10, 0x1, 0x2, 0x10}) {
        *word = hidden;
        EXPECT_FALSE(image_cancel_pending(image.tp)) << hidden;
    }
    *word = 0;
    image.run([](Imaged &) {
        int old;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    });
    EXPECT_EQ(*word, 0x3) << "glibc's own functions work on it";
    image_reset(image.tp, TID);
    EXPECT_EQ(*word, 0);
}

struct Counted {
    static int made, gone;
    int value = 0;
    Counted() { made++; }
    ~Counted() { gone++; }
};
int Counted::made, Counted::gone;
thread_local Counted counted;

TEST_F(Image, ThreadLocalObjectsAreMadeAndDestroyedInTheImage)
{
    Imaged image;

    for (int i = 1; i <= 3; i++) {
        image.run([](Imaged &) { counted.value++; });
        EXPECT_EQ(Counted::made, i);
        EXPECT_EQ(Counted::gone, i - 1);
        image.run([](Imaged &) { image_run_tls_dtors(); });
        EXPECT_EQ(Counted::gone, i);
        image_reset(image.tp, TID);
    }
}

TEST_F(Image, ErrnoBelongsToTheImage)
{
    Imaged image;

    errno = 5;
    image.run([](Imaged &) { errno = 99; });
    EXPECT_EQ(errno, 5);
}

/* Contexts with images move between OS threads. */
TEST_F(Image, RunsOnAnyThread)
{
    Imaged image;

    image.run(soil);
    std::thread([&] {
        image.run(look);
        EXPECT_EQ(tls_data, 42) << "the native thread's own";
        EXPECT_EQ(pthread_self(), (pthread_t)arch_tp());
    }).join();
    EXPECT_EQ(seen.data, 1);
    EXPECT_EQ(seen.tp, image.tp);
}

} // namespace
