// vthr.hpp: exceptions across join and out of scopes, typed channels, select with lambdas, what destructors do.
#include <vthr.hpp>
#include "tests/preload/check.h"
#include <malloc.h>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

template <class E, class F> static bool throws(F f)
{
    try {
        f();
    } catch (E &) {
        return true;
    }
    return false;
}
static void sleep_long()
{
    struct timespec t = {100000, 0};
    vthr::check(nanosleep(&t, nullptr) ? errno : 0);
}

static void tasks()
{
    int side = 0;
    {
        vthr::scope s;
        auto a = s.spawn([] { return std::string("left"); });
        auto b = s.spawn([&] { side = 7; });
        CHECK(a.join() == "left");
        b.join();
        CHECK(throws<std::system_error>([&] { a.join(); })); // EALREADY
        s.spawn_daemon(sleep_long);
    }
    CHECK_EQ(side, 7);
}

static void failures()
{
    // The first failure comes out of the scope as what it was.
    CHECK(throws<std::out_of_range>([] {
        vthr::scope s;
        s.spawn(sleep_long);
        s.spawn([] { throw std::out_of_range("x"); });
    }));
    CHECK(throws<std::out_of_range>([] {
        vthr::scope s;
        auto t = s.spawn([]() -> int { throw std::out_of_range("x"); });
        try {
            t.join();
            CHECK(false);
        } catch (std::out_of_range &) {
        }
    }));
    // The body's exception cancels the tasks, and goes on.
    CHECK(throws<std::runtime_error>([] {
        vthr::scope s;
        s.spawn(sleep_long);
        throw std::runtime_error("body");
    }));
    // A deadline.
    try {
        vthr::scope s;
        s.timeout(1ms);
        s.spawn(sleep_long);
        s.leave();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK_EQ(e.code().value(), ETIMEDOUT);
    }
    // Cancelled from outside: no failure of the scope that was.
    {
        vthr::scope s;
        s.spawn([] {
            CHECK(throws<vthr::cancelled>([] {
                vthr::scope in;
                in.spawn(sleep_long);
            }));
            throw vthr::cancelled();
        });
        s.cancel();
    }
}

// What ends the body's waits is what the scope failed with, which then comes out of it.
static void failures_of_siblings()
{
    CHECK(throws<std::out_of_range>([] {
        vthr::scope s;
        auto waits = s.spawn(sleep_long);
        s.spawn([] { throw std::out_of_range("x"); });
        waits.join();
    }));
    CHECK(throws<std::out_of_range>([] {
        vthr::channel<int> c;
        vthr::scope s;
        s.spawn([] { throw std::out_of_range("x"); });
        vthr::scope in;
        c.receive();
    }));
    try { // a task of C
        vthr::scope s;
        CHECK_EQ(vthr_spawn(s.handle(), nullptr, [](void *, void **) { return vthr_fail(ENOENT, "no such cat"); }, nullptr), 0);
        sleep_long();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK(e.code().value() == ENOENT && std::string(e.what()).find("no such cat") == 0);
    }
    try {
        vthr::event never;
        vthr::scope s;
        s.timeout(1ms);
        never.wait();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK_EQ(e.code().value(), ETIMEDOUT);
    }
    CHECK(throws<std::out_of_range>([] { // a shielded part is not ended by it
        vthr::scope s;
        s.spawn([] { throw std::out_of_range("x"); });
        try {
            sleep_long();
        } catch (std::out_of_range &) {
            vthr::scope cleans;
            cleans.shield();
            cleans.spawn([] {}).join();
            cleans.cancel();
            CHECK(throws<vthr::cancelled>(sleep_long));
        }
    }));
    {
        vthr::scope s; // cancelled without a failure
        s.cancel();
        CHECK(throws<vthr::cancelled>(sleep_long));
    }
}

static void read_nothing() // throws errno, as C++ programs do
{
    char c;
    int p[2];

    CHECK_EQ(pipe(p), 0);
    ssize_t n = read(p[0], &c, 1);
    int error = errno;
    close(p[0]);
    close(p[1]);
    if (n < 0)
        throw std::system_error(error, std::generic_category(), "read");
}
static void errors_of_libc()
{
    try { // the deadline is what it failed with, not that the read was cancelled by it
        vthr::scope s;
        s.timeout(1ms);
        s.spawn(read_nothing);
        s.leave();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK_EQ(e.code().value(), ETIMEDOUT);
    }
    {
        vthr::scope s;
        s.spawn(read_nothing);
        s.cancel();
    }
    try { // its number is there for C
        vthr::scope s;
        auto t = s.spawn([] { throw std::system_error(ENOENT, std::generic_category(), "the list"); });
        CHECK_EQ(vthr_join(t.handle(), nullptr), ENOENT);
        CHECK(!strncmp(vthr_error_message(ENOENT), "the list", 8));
        s.leave();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK_EQ(e.code().value(), ENOENT);
    }
}

static void results()
{
    {
        vthr::scope s; // after it was left
        auto text = s.spawn([] { return std::string("text"); });
        auto none = s.spawn([] {});
        s.leave();
        CHECK(text.join() == "text");
        none.join();
        CHECK(throws<std::system_error>([&] { text.join(); }));
    }
    {
        vthr::scope s;
        std::vector<vthr::task<int>> all;
        int sum = 0;
        for (int i = 0; i < 10; i++)
            all.push_back(s.spawn([i] { return i; }));
        for (auto &t : all)
            sum += t.join();
        CHECK_EQ(sum, 45);
    }
    vthr::scope s; // what is not kept leaves nothing behind, while the scope goes on
    size_t before = 0;
    for (int i = 0; i < 30000; i++) {
        if (i == 10000)
            before = mallinfo2().uordblks;
        s.spawn([] {}).join();
    }
    CHECK(mallinfo2().uordblks < before + 1000000);
}

static void times()
{
    vthr::channel<int> c;
    vthr::semaphore sem(1);
    vthr::mutex m;
    vthr::condition changed(m);
    vthr::event e;
    vthr::scope s;
    auto soon = [] { return vthr::clock::now() + 1ms; };

    CHECK(!c.send_until(1, soon()) && !c.receive_until(soon()));
    {
        auto token = sem.try_acquire();
        CHECK(token && !sem.try_acquire());
    }
    CHECK(sem.try_acquire());
    {
        std::unique_lock<vthr::mutex> guard(m);
        CHECK(!changed.wait_until(soon(), [] { return false; }));
        CHECK(changed.wait_until(soon(), [] { return true; }));
        s.spawn([&] {
            std::unique_lock<vthr::mutex> late(m, 1ms);
            CHECK(!late);
        }).join();
    }
    CHECK(!e.wait_until(soon()));
    s.spawn([&] { e.set(); });
    CHECK_EQ(vthr::select(vthr::on_receive(c, [](std::optional<int>) {}), vthr::on_event(e, [] {})), 1);
    CHECK(e.wait_until(soon()));
    e.wait();
}

struct counted { // alive so many
    static std::atomic<int> n;
    std::string text;
    explicit counted(std::string t) : text(std::move(t)) { n++; }
    counted(counted &&o) noexcept : text(std::move(o.text)) { n++; }
    counted(const counted &) = delete;
    ~counted() { n--; }
};
std::atomic<int> counted::n;

static void channels()
{
    for (std::size_t capacity : {0, 5}) {
        vthr::channel<int> c(capacity);
        vthr::channel<counted> words(capacity);
        long sum = 0;
        int got = 0;
        vthr::scope s;
        s.spawn([&] {
            for (int i = 0; i < 100; i++)
                CHECK(c.send(i));
            c.close();
            CHECK(!c.send(1));
        });
        s.spawn([&] {
            for (int i = 0; i < 100; i++)
                CHECK(words.send(counted("a long word that is not kept in the string itself")));
            words.close();
        });
        for (int x : c)
            sum += x;
        for (auto &w : words)
            got += w.text.size() == 49;
        CHECK_EQ(sum, 4950);
        CHECK_EQ(got, 100);
        s.leave();
    }
    {
        struct fixed {
            const int x = 4; // cannot be assigned
        };
        vthr::channel<fixed> c(1);
        CHECK(c.send(fixed()) && c.receive()->x == 4);
    }
    {
        vthr::channel<counted> left(3);
        CHECK(left.try_send(counted("x")));
        CHECK(left.try_send(counted("y")));
        CHECK(left.try_receive()->text == "x");
        CHECK_EQ(counted::n, 1);
    }
    CHECK_EQ(counted::n, 0);
}

static void selects()
{
    vthr::channel<counted> words;
    vthr::channel<int> numbers(1);
    int which = -1, seen = 0;

    which = vthr::select(vthr::on_receive(numbers, [&](std::optional<int>) { seen = 1; }), vthr::otherwise([&] { seen = 2; }));
    CHECK(which == 1 && seen == 2);
    vthr::select(vthr::on_send(numbers, 5, [&](bool ok) { seen = ok ? 3 : 4; }),
                 vthr::on_receive(words, [&](std::optional<counted>) { seen = 9; }));
    CHECK_EQ(seen, 3);
    vthr::scope s;
    auto t = s.spawn([&] {
        CHECK(words.send(counted("from the task")));
        return 11;
    });
    bool word = false, end = false, number = false;
    while (!word || !end || !number)
        vthr::select(vthr::on_receive(words, [&](std::optional<counted> w) { word = w->text == "from the task"; }),
                     vthr::on_receive(numbers, [&](std::optional<int> x) { number = *x == 5; }),
                     vthr::on_end(t, [&](auto &task) {
                         if (!end)
                             CHECK_EQ(task.join(), 11);
                         end = true;
                     }));
    which = vthr::select(vthr::on_send(words, "nobody takes it", [](bool) {}), vthr::on_time(vthr::clock::now() + 1ms, [] {}));
    CHECK_EQ(which, 1);
    s.leave();
    CHECK_EQ(counted::n, 0);
}

static vthr::local<const char> user;
static void tokens()
{
    vthr::semaphore sem(2);
    vthr::scope s;
    std::atomic<int> inside{0};

    user.set("me");
    for (int i = 0; i < 20; i++)
        s.spawn([&] {
            CHECK(!strcmp(user.get(), "me"));
            auto token = sem.acquire();
            CHECK(++inside <= 2);
            sched_yield();
            inside--;
        });
    for (int i = 0; i < 20; i++) // the token is the function's
        vthr::select(vthr::on_acquire(sem,
                                      [&](vthr::semaphore::token) {
                                          CHECK(++inside <= 2);
                                          sched_yield();
                                          inside--;
                                      }),
                     vthr::on_time(vthr::clock::now() + 100h, [] { CHECK(false); }));
    s.leave();
    CHECK(user.get() == nullptr);
}

static int says(void *, void **)
{
    return vthr_fail(ENOENT, "no such mouse");
}
static void messages() // of C's errors in C++, and the other way round
{
    try {
        vthr::scope s;
        CHECK_EQ(vthr_spawn(s.handle(), nullptr, says, nullptr), 0);
        s.leave();
        CHECK(false);
    } catch (std::system_error &e) {
        CHECK_EQ(e.code().value(), ENOENT);
        CHECK(std::string(e.what()).find("no such mouse") == 0);
    }
    CHECK(throws<std::runtime_error>([] {
        vthr::scope s;
        auto other = s.spawn([]() -> int { throw std::runtime_error("from C++"); });
        CHECK_EQ(vthr_join(other.handle(), nullptr), ENOTRECOVERABLE);
        CHECK(!strcmp(vthr_error_message(ENOTRECOVERABLE), "from C++"));
    }));
}

static void locks()
{
    vthr::mutex m;
    vthr::condition grown(m);
    int n = 0;
    {
        vthr::scope s;
        for (int i = 0; i < 5; i++)
            s.spawn([&] {
                std::lock_guard<vthr::mutex> guard(m);
                n++;
                grown.notify_all();
            });
        std::unique_lock<vthr::mutex> guard(m);
        grown.wait([&] { return n == 5; });
    }
    vthr::scope s;
    s.spawn([&] {
        std::lock_guard<vthr::mutex> guard(m);
        CHECK(throws<vthr::cancelled>([&] { grown.wait([&] { return n == 6; }); }));
        throw vthr::cancelled();
    });
    s.cancel();
}

int main()
{
    messages();
    locks();
    tasks();
    failures();
    failures_of_siblings();
    errors_of_libc();
    results();
    times();
    channels();
    selects();
    tokens();
    puts("ok");
    return 0;
}
