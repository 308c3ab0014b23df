// A threaded program for preloads_test.sh: every thread allocates here and frees there, throws, locks, sleeps and talks over
// sockets. Calls are made before main by a constructor and by an IFUNC resolver, too. Prints "ok".
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

#define CHECK(c) ((c) ? (void)0 : (dprintf(2, "%s:%d: failed: %s\n", __FILE__, __LINE__, #c), _exit(1)))

static int resolver_calls;

extern "C" {
static int chosen(void)
{
    return 42;
}
// Runs while the program is being relocated.
typedef int chosen_fn(void);
__attribute__((used)) static chosen_fn *resolve(void)
{
    char c;
    resolver_calls = close(-1) == -1 && read(-1, &c, 1) == -1;
    return chosen;
}
int by_resolver(void) __attribute__((ifunc("resolve")));
}

// Before the constructors of those libraries that come after this program in the order of initialisation.
__attribute__((constructor(101))) static void early(void)
{
    struct timespec ts = {0, 1000};
    int p[2];
    char c = 0;
    CHECK(pipe(p) == 0);
    CHECK(write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x');
    close(p[0]);
    close(p[1]);
    nanosleep(&ts, nullptr);
}

static std::mutex lock;
static std::condition_variable changed;
static std::vector<char *> shared;
static std::atomic<int> caught;

static void allocate(int i)
{
    for (int n = 0; n < 200; n++) {
        char *p = (char *)malloc(1 + (size_t)(i * 37 + n * 91) % 5000);
        CHECK(p);
        *p = 1;
        std::lock_guard<std::mutex> g(lock);
        shared.push_back(p);
        if (shared.size() > 100) {
            free(shared.front());
            shared.erase(shared.begin());
        }
    }
    char *big = (char *)realloc(calloc(1, 100), 1 << 20);
    CHECK(big && big[99] == 0);
    free(big);
}

static void nap(long us)
{
    struct timespec ts = {0, us * 1000};
    CHECK(nanosleep(&ts, nullptr) == 0);
}

static void fail(int i)
{
    nap(10);
    std::string s(1000, 'x');
    if (i % 2)
        throw std::runtime_error(s + std::to_string(i));
    throw std::string("s") + std::to_string(i);
}

static void worker(int i)
{
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    std::thread echo([&] {
        char buf[1000];
        ssize_t n;
        while ((n = recv(s[1], buf, sizeof buf, 0)) > 0)
            CHECK(send(s[1], buf, (size_t)n, 0) == n);
        close(s[1]);
    });
    for (int round = 0; round < 10; round++) {
        char buf[1000];
        allocate(i);
        try {
            fail(i + round);
        } catch (const std::runtime_error &e) {
            CHECK(e.what() == std::string(1000, 'x') + std::to_string(i + round));
            caught++;
        } catch (const std::string &e) {
            CHECK(e == "s" + std::to_string(i + round));
            caught++;
        }
        memset(buf, round, sizeof buf);
        CHECK(send(s[0], buf, sizeof buf, 0) == (ssize_t)sizeof buf);
        CHECK(recv(s[0], buf, sizeof buf, MSG_WAITALL) == (ssize_t)sizeof buf && buf[999] == round);
    }
    close(s[0]);
    echo.join();
    std::lock_guard<std::mutex> g(lock);
    changed.notify_all();
}

int main()
{
    enum { N = 20 };
    std::vector<std::thread> t;
    FILE *f = tmpfile();
    CHECK(f && fsync(fileno(f)) == 0); // libeatmydata's
    fclose(f);
    CHECK(by_resolver() == 42 && resolver_calls == 1);
    for (int i = 0; i < N; i++)
        t.emplace_back(worker, i);
    {
        std::unique_lock<std::mutex> g(lock);
        changed.wait(g, [] { return caught == N * 10; });
        CHECK(!changed.wait_for(g, std::chrono::milliseconds(2), [] { return false; }));
    }
    for (auto &th : t)
        th.join();
    for (char *p : shared)
        free(p);
    CHECK(time(nullptr) > 0);
    puts("ok");
}
