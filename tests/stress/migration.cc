// What belongs to a thread stays with it however often it waits and wherever it wakes: errno, __thread and thread_local
// values, thread_local objects with destructors, exceptions in flight, locale, strtok's place.
//
//   migration [ROUNDS]     at least 12 waits and 48 yields a round
//
// Threads work in pairs. What is counted as a wait is a call that returns only after the partner has run, or after a time.
#include <atomic>
#include <cerrno>
#include <clocale>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int PAIRS = 6;

#define CHECK(cond)                                                                                      \
    do {                                                                                                 \
        if (!(cond)) {                                                                                   \
            dprintf(2, "%s:%d: failed: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);              \
            _exit(1);                                                                                    \
        }                                                                                                \
    } while (0)

std::atomic<long> parks{0}, yields{0}, made{0}, dropped{0};

__thread long plain;
__thread char block[300];
thread_local long initialized = 7;
struct Object {
    pthread_t owner = pthread_self();
    std::string text;
    Object() { made++; }
    ~Object()
    {
        sched_yield();
        CHECK(pthread_equal(owner, pthread_self()));
        CHECK(text.size() == 40);
        dropped++;
    }
};
thread_local Object object;

struct Pair {
    int ends[2][2]; // two pipes: to side 0, to side 1
    std::mutex m;
    std::condition_variable cv;
    int turn = 0;
};

struct Side {
    Pair *pair;
    int side;
    long id, rounds;
    locale_t locale;
    long parks = 0, yields = 0;
};

// One wait of each kind; errno is set before a call that succeeds, and found unchanged after it. errno is reached anew each
// time, by a function that is not inlined: a compiler may keep its address over a call.
__attribute__((noinline)) void set_errno(int e) { errno = e; }
__attribute__((noinline)) int get_errno() { return errno; }

void by_pipe(Side &s, long n)
{
    Pair &p = *s.pair;
    char c = (char)n, got = 0;
    int e = 1000 + (int)((s.id * 131 + n) % 1000);
    set_errno(e);
    if (s.side == 0) {
        CHECK(write(p.ends[1][1], &c, 1) == 1);
        CHECK(read(p.ends[0][0], &got, 1) == 1);
    } else {
        CHECK(read(p.ends[1][0], &got, 1) == 1);
        CHECK(write(p.ends[0][1], &c, 1) == 1);
    }
    CHECK(get_errno() == e);
    CHECK(got == c);
    s.parks++;
}

void by_condition(Side &s, long n)
{
    Pair &p = *s.pair;
    int e = 3000 + (int)((s.id * 37 + n) % 1000);
    std::unique_lock<std::mutex> lock(p.m);
    set_errno(e);
    while (p.turn != s.side) {
        p.cv.wait(lock);
        s.parks++;
    }
    CHECK(get_errno() == e);
    p.turn = !s.side;
    p.cv.notify_one();
}

void by_yield(Side &s, long n)
{
    int e = 5000 + (int)((s.id + n) % 1000);
    set_errno(e);
    for (int i = 0; i < 4; i++)
        sched_yield();
    CHECK(get_errno() == e);
    s.yields += 4;
}

void by_sleep(Side &s, long n)
{
    struct timespec ts = {0, 20000};
    int e = 7000 + (int)((s.id + n) % 1000);
    set_errno(e);
    CHECK(nanosleep(&ts, nullptr) == 0);
    CHECK(get_errno() == e);
    s.parks++;
}

std::mutex shared[3];
long counters[3];

void by_mutex(Side &s, long n)
{
    std::lock_guard<std::mutex> lock(shared[n % 3]);
    long v = counters[n % 3];
    sched_yield(); // others want the lock meanwhile
    counters[n % 3] = v + 1;
    s.yields++;
}

void one_of(Side &s, long n)
{
    by_pipe(s, n);
    if (n % 3 == 0)
        by_condition(s, n);
    by_yield(s, n);
    if (n % 100 == 0)
        by_sleep(s, n);
}

struct Wrong : std::runtime_error {
    long id;
    Wrong(long i) : std::runtime_error("wrong " + std::to_string(i)), id(i) {}
};

struct Unwound {
    Side &s;
    long n;
    ~Unwound() { by_yield(s, n); } // waits while an exception is in flight
};

[[noreturn]] __attribute__((noinline)) void deep(Side &s, long n, int depth)
{
    Unwound u{s, n};
    if (depth > 0)
        deep(s, n, depth - 1);
    by_pipe(s, n);
    throw Wrong(s.id * 1000000 + n);
}

void exceptions(Side &s, long n)
{
    long want = s.id * 1000000 + n;
    bool caught = false;
    CHECK(!std::current_exception());
    try {
        try {
            deep(s, n, 3);
        } catch (const Wrong &w) {
            CHECK(w.id == want);
            by_pipe(s, n);
            std::exception_ptr held = std::current_exception();
            CHECK(held);
            try { // another inside the handler of the first
                by_yield(s, n);
                throw std::logic_error("inner");
            } catch (const std::logic_error &inner) {
                by_pipe(s, n);
                CHECK(!strcmp(inner.what(), "inner"));
                CHECK(std::current_exception() != held);
            }
            by_condition(s, n);
            CHECK(std::current_exception() == held);
            CHECK(w.what() == "wrong " + std::to_string(want));
            CHECK(std::uncaught_exceptions() == 0);
            throw;
        }
    } catch (const std::runtime_error &again) {
        by_pipe(s, n);
        CHECK(dynamic_cast<const Wrong &>(again).id == want);
        caught = true;
    }
    CHECK(caught && !std::current_exception());
}

void *run(void *arg)
{
    Side &s = *(Side *)arg;
    const char *const words[] = {"one", "two", "three", "four"};
    char text[32] = "", locale_mark[16];
    char *place = nullptr;
    int word = 0;

    plain = s.id;
    initialized += s.id;
    memset(block, (char)('a' + s.id), sizeof block);
    object.text.assign(40, (char)('a' + s.id));
    long *where = &plain;
    CHECK(uselocale(s.locale) != (locale_t) nullptr);
    snprintf(locale_mark, sizeof locale_mark, "%.1f", 0.5);

    for (long n = 0; n < s.rounds; n++) {
        one_of(s, n);
        if (n % 8 == 0)
            by_mutex(s, n);
        if (n % 20 == 0)
            exceptions(s, n);

        CHECK(plain == s.id && &plain == where);
        CHECK(initialized == 7 + s.id);
        CHECK(block[0] == 'a' + s.id && block[n % 300] == 'a' + s.id);
        CHECK(object.text[n % 40] == 'a' + s.id && pthread_equal(object.owner, pthread_self()));
        CHECK(uselocale((locale_t) nullptr) == s.locale);
        if (n % 16 == 0) {
            char mark[16];
            snprintf(mark, sizeof mark, "%.1f", 0.5);
            CHECK(!strcmp(mark, locale_mark));
        }
        // strtok_r goes on where it was; strtok has one place for all threads and cannot be checked so.
        char *w;
        if (word == 0)
            strcpy(text, "one two,three  four");
        w = strtok_r(word == 0 ? text : nullptr, " ,", &place);
        CHECK(w && !strcmp(w, words[word]));
        if (++word == 4) {
            CHECK(strtok_r(nullptr, " ,", &place) == nullptr);
            word = 0;
        }
    }
    uselocale(LC_GLOBAL_LOCALE);
    parks += s.parks;
    yields += s.yields;
    return arg;
}

} // namespace

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 90000;
    static Pair pairs[PAIRS];
    static Side sides[PAIRS * 2];
    pthread_t threads[PAIRS * 2];
    struct timespec a, b;

    // One with a decimal comma where there is one, else copies of C: then it is the handles that are compared.
    locale_t comma = (locale_t) nullptr;
    for (const char *name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "es_ES.UTF-8"})
        if (!comma)
            comma = newlocale(LC_ALL_MASK, name, (locale_t) nullptr);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t) nullptr);
    CHECK(c);

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < PAIRS * 2; i++) {
        Pair &p = pairs[i / 2];
        if (i % 2 == 0) {
            if (i % 4 == 0) {
                CHECK(pipe(p.ends[0]) == 0 && pipe(p.ends[1]) == 0);
            } else {
                CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p.ends[0]) == 0);
                CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p.ends[1]) == 0);
            }
        }
        locale_t own = duplocale(comma && i % 2 ? comma : c);
        CHECK(own);
        sides[i] = Side{&p, (int)(i % 2), i, rounds, own};
    }
    for (int i = 0; i < PAIRS * 2; i++)
        CHECK(pthread_create(&threads[i], nullptr, run, &sides[i]) == 0);
    for (int i = 0; i < PAIRS * 2; i++) {
        void *r;
        CHECK(pthread_join(threads[i], &r) == 0 && r == &sides[i]);
        freelocale(sides[i].locale);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    CHECK(made == PAIRS * 2 && dropped == made);
    long want = 0;
    for (long n = 0; n < rounds; n += 8)
        want += PAIRS * 2;
    CHECK(counters[0] + counters[1] + counters[2] == want);
    CHECK(parks >= 12 * rounds && yields >= 48 * rounds);
    printf("migration: %ld waits and %ld yields of %d threads in %.1f s\n", parks.load(), yields.load(), PAIRS * 2,
           (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
    return 0;
}
