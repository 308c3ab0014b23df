// The C++ library's own: mutexes, condition variables, shared_mutex, futures (raw futexes inside), async, threads.
#include "check.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static void mutexes()
{
    std::mutex m;
    std::recursive_mutex r;
    std::timed_mutex t;
    long count = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; i++)
        threads.emplace_back([&] {
            for (int k = 0; k < 500; k++) {
                std::scoped_lock lock(m, r);
                std::lock_guard<std::recursive_mutex> again(r);
                count++;
                if (k % 100 == 0)
                    std::this_thread::yield();
            }
        });
    for (auto &thread : threads)
        thread.join();
    std::lock_guard<std::timed_mutex> held(t);
    std::thread([&] {
        auto before = std::chrono::steady_clock::now();
        CHECK(!t.try_lock_for(10ms));
        CHECK(std::chrono::steady_clock::now() - before >= 10ms);
    }).join();
    printf("mutexes: %ld\n", count);
}

static void conditions()
{
    std::mutex m;
    std::condition_variable c;
    std::condition_variable_any any;
    bool go = false;
    int woken = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; i++)
        threads.emplace_back([&, i] {
            std::unique_lock<std::mutex> lock(m);
            if (i % 2)
                CHECK(c.wait_for(lock, 60s, [&] { return go; }));
            else
                any.wait(lock, [&] { return go; });
            woken++;
        });
    std::unique_lock<std::mutex> lock(m);
    auto until = std::chrono::steady_clock::now() + 10ms;
    CHECK(!c.wait_until(lock, until, [] { return false; }));
    CHECK(std::chrono::steady_clock::now() >= until);
    go = true;
    c.notify_all();
    any.notify_all();
    lock.unlock();
    for (auto &thread : threads)
        thread.join();
    printf("conditions: %d\n", woken);
}

static void shared()
{
    std::shared_mutex m;
    std::shared_timed_mutex tm;
    long a = 0, b = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 12; i++)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 300; k++) {
                if (i % 4 == 0) {
                    std::unique_lock<std::shared_mutex> lock(m);
                    a++;
                    std::this_thread::yield();
                    b++;
                } else {
                    std::shared_lock<std::shared_mutex> lock(m);
                    CHECK(a == b);
                }
            }
        });
    for (auto &thread : threads)
        thread.join();
    tm.lock();
    std::thread([&] { CHECK(!tm.try_lock_shared_for(5ms)); }).join();
    tm.unlock();
    printf("shared: %ld\n", a);
}

static void futures()
{
    std::vector<std::future<int>> futures;
    for (int i = 0; i < 50; i++)
        futures.push_back(std::async(std::launch::async, [i] {
            std::this_thread::sleep_for(std::chrono::microseconds(i * 10));
            return i;
        }));
    int sum = 0;
    for (auto &f : futures)
        sum += f.get();

    std::promise<int> promise;
    std::shared_future<int> result = promise.get_future().share();
    CHECK(result.wait_for(5ms) == std::future_status::timeout);
    std::atomic<int> total{0};
    std::vector<std::thread> waiters;
    for (int i = 0; i < 20; i++)
        waiters.emplace_back([&] { total += result.get(); });
    promise.set_value(3);
    for (auto &w : waiters)
        w.join();

    std::packaged_task<int(int)> task([](int x) -> int {
        if (x < 0)
            throw std::invalid_argument("negative");
        return x;
    });
    auto failed = task.get_future();
    std::thread(std::move(task), -1).join();
    const char *what = "nothing";
    try {
        failed.get();
    } catch (const std::invalid_argument &) {
        what = "invalid_argument";
    }

    std::future<int> orphan;
    {
        std::promise<int> gone;
        orphan = gone.get_future();
    }
    try {
        orphan.get();
    } catch (const std::future_error &e) {
        CHECK(e.code() == std::future_errc::broken_promise);
    }
    printf("futures: %d, shared %d, failed with %s\n", sum, total.load(), what);

    std::promise<void> at_exit;
    auto exited = at_exit.get_future();
    std::thread([&] { at_exit.set_value_at_thread_exit(); }).detach();
    exited.get();
    puts("set at thread exit");
}

static void ids()
{
    std::thread t([] {});
    CHECK(t.get_id() != std::this_thread::get_id() && t.joinable());
    t.join();
    CHECK(!t.joinable());
    try {
        t.join();
    } catch (const std::system_error &e) {
        printf("joined twice: %d\n", e.code() == std::errc::invalid_argument);
    }
}

int main()
{
    mutexes();
    conditions();
    shared();
    futures();
    ids();
    return 0;
}
