// pthread_once, std::call_once (also when the first attempts throw) and static local initialisers, contended.
#include "check.h"
#include <mutex>
#include <semaphore.h>
#include <stdexcept>

static constexpr int THREADS = 50;

static pthread_once_t once = PTHREAD_ONCE_INIT, outer = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;
static int calls, nested_calls;
static volatile bool ready;

static void init()
{
    calls++;
    for (int i = 0; i < 10; i++)
        sched_yield();
    usleep(20000);
    ready = true;
}

static void init_inner()
{
    usleep(1000);
    nested_calls++;
}

static void init_outer()
{
    CHECK_EQ(pthread_once(&inner, init_inner), 0);
    nested_calls++;
}

static void *use_once(void *)
{
    CHECK_EQ(pthread_once(&once, init), 0);
    CHECK(ready);
    CHECK_EQ(pthread_once(&outer, init_outer), 0);
    CHECK_EQ(nested_calls, 2);
    return nullptr;
}

static std::once_flag flag;
static int attempts, caught;

static void *use_call_once(void *)
{
    try {
        std::call_once(flag, [] {
            usleep(1000);
            if (__atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST) < 4)
                throw std::runtime_error("not yet");
        });
    } catch (const std::runtime_error &) {
        __atomic_add_fetch(&caught, 1, __ATOMIC_SEQ_CST);
    }
    return nullptr;
}

struct Slow {
    int value;
    Slow()
    {
        static int made;
        usleep(20000);
        value = ++made;
    }
};

static int slow_value()
{
    static Slow slow;
    return slow.value;
}

struct Fails {
    Fails()
    {
        static int tries;
        usleep(1000);
        if (++tries < 3)
            throw tries;
    }
};

static int failures;

static void *use_statics(void *)
{
    CHECK_EQ(slow_value(), 1);
    try {
        static Fails fails;
    } catch (int) {
        __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
    }
    return nullptr;
}

// Cancelled inside the initialiser: the next one calls it again.
static pthread_once_t broken = PTHREAD_ONCE_INIT;
static sem_t inside;
static int broken_calls;

static void init_broken()
{
    if (++broken_calls == 1) {
        sem_post(&inside);
        for (;;)
            pause();
    }
}

static void *use_broken(void *)
{
    pthread_once(&broken, init_broken);
    return nullptr;
}

static void all(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (auto &thread : t)
        thread = start(fn, nullptr);
    for (auto &thread : t)
        finish(thread);
}

int main()
{
    all(use_once);
    printf("pthread_once: %d, nested %d\n", calls, nested_calls);
    all(use_call_once);
    printf("call_once: %d attempts, %d caught\n", attempts, caught);
    all(use_statics);
    printf("statics: %d failed\n", failures);
    sem_init(&inside, 0, 0);
    pthread_t t = start(use_broken, nullptr);
    sem_wait(&inside);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    use_broken(nullptr);
    use_broken(nullptr);
    printf("cancelled once, called %d times\n", broken_calls);
    return 0;
}
