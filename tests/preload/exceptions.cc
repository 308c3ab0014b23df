// C++ exceptions thrown and caught across blocking calls: nested, rethrown, kept, passed between threads.
#include "check.h"
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

static constexpr int THREADS = 50, ROUNDS = 100;

static pthread_barrier_t barrier;
static int pipe_fd[2];

static void block(int i)
{
    switch (i % 4) {
    case 0: sched_yield(); break;
    case 1: usleep(50); break;
    case 2: pthread_barrier_wait(&barrier); break;
    default: {
        char c = 0;
        CHECK_EQ(write(pipe_fd[1], &c, 1), 1);
        CHECK_EQ(read(pipe_fd[0], &c, 1), 1);
    }
    }
}

struct Guard {
    int i;
    int *count;
    ~Guard()
    {
        block(i); // parks while the stack unwinds
        ++*count;
    }
};

static void dig(int depth, int i, int *count)
{
    Guard guard{i + depth, count};
    if (depth == 0)
        throw std::runtime_error(std::to_string(i));
    dig(depth - 1, i, count);
}

static void *work(void *arg)
{
    long id = (long)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int unwound = 0;
        try {
            dig(3, i, &unwound);
            CHECK(false);
        } catch (const std::exception &e) {
            CHECK_EQ(unwound, 4);
            block(i);
            CHECK(e.what() == std::to_string(i));
            try {
                block(i + 1);
                throw id;
            } catch (long inner) {
                block(i + 2);
                CHECK_EQ(inner, id);
                CHECK_EQ(std::uncaught_exceptions(), 0);
            }
            block(i + 3);
            std::exception_ptr outer = std::current_exception();
            CHECK(outer);
            try {
                throw; // still the outer one
            } catch (const std::runtime_error &again) {
                block(i);
                CHECK(again.what() == std::to_string(i));
            }
        }
        CHECK(!std::current_exception());
    }
    return nullptr;
}

static void *fail(void *arg)
{
    auto *slot = static_cast<std::exception_ptr *>(arg);
    try {
        try {
            sched_yield();
            throw std::out_of_range("far away");
        } catch (...) {
            std::throw_with_nested(std::logic_error("nested around"));
        }
    } catch (...) {
        *slot = std::current_exception();
        sched_yield();
    }
    return nullptr;
}

int main()
{
    CHECK_EQ(pthread_barrier_init(&barrier, nullptr, THREADS), 0);
    CHECK_EQ(pipe(pipe_fd), 0);
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        t[i] = start(work, (void *)i);
    for (auto &thread : t)
        finish(thread);
    puts("thrown and caught");

    std::vector<std::exception_ptr> slots(100);
    std::vector<pthread_t> failing;
    for (auto &slot : slots)
        failing.push_back(start(fail, &slot));
    int right = 0;
    for (size_t i = 0; i < slots.size(); i++) {
        finish(failing[i]);
        try {
            std::rethrow_exception(slots[i]);
        } catch (const std::logic_error &outer) {
            sched_yield();
            try {
                std::rethrow_if_nested(outer);
            } catch (const std::out_of_range &inner) {
                right += outer.what() == std::string("nested around") && inner.what() == std::string("far away");
            }
        }
    }
    printf("passed between threads: %d\n", right);
    return 0;
}
