// Cancellation and pthread_exit unwind C++ frames: destructors run, catch (...) sees it and must pass it on,
// thread_local objects go last.
#include "check.h"
#include <condition_variable>
#include <cxxabi.h>
#include <mutex>
#include <semaphore.h>
#include <thread>

static sem_t ready;
static std::mutex m;
static std::condition_variable c;

struct Says {
    const char *name;
    ~Says() { printf("  drop %s\n", name); }
};

static thread_local Says last{"thread_local"};

static void dig(void *(*end)(void *))
{
    Says inner{"inner"};
    try {
        end(nullptr);
    } catch (const abi::__forced_unwind &) {
        puts("  forced");
        throw;
    }
}

static void *body(void *arg)
{
    CHECK(last.name);
    Says outer{"outer"};
    try {
        dig(reinterpret_cast<void *(*)(void *)>(arg));
    } catch (...) {
        puts("  caught all");
        throw;
    }
    return nullptr;
}

static void *leave(void *)
{
    pthread_exit(reinterpret_cast<void *>(4));
}

static void *sleep_long(void *)
{
    sem_post(&ready);
    sleep(60);
    return nullptr;
}

static void *wait_condition(void *)
{
    std::unique_lock<std::mutex> lock(m);
    sem_post(&ready);
    for (;;)
        c.wait(lock);
}

static void *read_nothing(void *)
{
    int p[2];
    char ch;
    CHECK_EQ(pipe(p), 0);
    sem_post(&ready);
    CHECK_EQ(read(p[0], &ch, 1), 99);
    return nullptr;
}

static void cancel_in(const char *name, void *(*end)(void *))
{
    puts(name);
    pthread_t t = start(body, reinterpret_cast<void *>(end));
    sem_wait(&ready);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
}

int main()
{
    sem_init(&ready, 0, 0);
    puts("pthread_exit");
    CHECK_EQ((long)finish(start(body, reinterpret_cast<void *>(leave))), 4);
    cancel_in("sleep", sleep_long);
    cancel_in("read", read_nothing);
    cancel_in("condition", wait_condition);
    CHECK(m.try_lock());
    m.unlock();
    return 0;
}
