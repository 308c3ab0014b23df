// Thread-local state across blocking calls: errno, __thread, strtok_r, strerror, locale, thread_local objects.
#include "check.h"
#include <clocale>
#include <cstdlib>
#include <cwctype>
#include <locale.h>
#include <string>
#include <vector>

static constexpr int THREADS = 64, ROUNDS = 50;

static __thread long counter = 5;
static __thread char big[20000];
static thread_local std::string text = "fresh";
static thread_local std::vector<int> numbers;
static pthread_barrier_t barrier;

static void pause_somehow(int i)
{
    switch (i % 3) {
    case 0: sched_yield(); break;
    case 1: usleep(100); break;
    default: pthread_barrier_wait(&barrier);
    }
}

static void *work(void *arg)
{
    long id = (long)arg;
    CHECK_EQ(errno, 0);
    CHECK_EQ(counter, 5);
    CHECK(text == "fresh" && numbers.empty());
    CHECK_EQ(big[sizeof big - 1], 0);

    std::string words;
    for (int i = 0; i < ROUNDS; i++)
        words += std::to_string(id * 1000 + i) + " ";
    char *save = nullptr, *word = strtok_r(&words[0], " ", &save);

    long *address = &counter;
    for (int i = 0; i < ROUNDS; i++) {
        errno = (int)id + i;
        counter += id;
        text += (char)('a' + id % 26);
        numbers.push_back((int)id);
        big[i * 100] = (char)id;
        char *message = strerror(100000 + (int)id); // the buffer is the thread's own
        int kept = errno;
        pause_somehow(i);
        CHECK_EQ(errno, kept);
        CHECK(address == &counter);
        CHECK_EQ(counter, 5 + id * (i + 1));
        CHECK_EQ(big[i * 100], (char)id);
        CHECK(word && atol(word) == id * 1000 + i);
        CHECK_EQ(atol(strpbrk(message, "0123456789")), 100000 + id);
        word = strtok_r(nullptr, " ", &save);
    }
    CHECK(word == nullptr);
    CHECK_EQ(text.size(), 5 + ROUNDS);
    CHECK_EQ(numbers.size(), ROUNDS);
    return nullptr;
}

// Odd threads use another locale, whose idea of letters differs.
static void *use_locale(void *arg)
{
    long id = (long)arg;
    CHECK(uselocale((locale_t) nullptr) == LC_GLOBAL_LOCALE);
    locale_t mine = newlocale(LC_ALL_MASK, id % 2 ? "C.UTF-8" : "C", (locale_t) nullptr);
    CHECK(mine != (locale_t) nullptr);
    CHECK(uselocale(mine) == LC_GLOBAL_LOCALE);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(uselocale((locale_t) nullptr) == mine);
        CHECK_EQ(!!iswalpha(0xe9), id % 2);
        CHECK_EQ(MB_CUR_MAX, id % 2 ? 6 : 1);
        CHECK(isalpha('x') && !isalpha('1') && toupper('q') == 'Q');
        pause_somehow(i);
    }
    CHECK(uselocale(LC_GLOBAL_LOCALE) == mine);
    freelocale(mine);
    return nullptr;
}

static void all(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        t[i] = start(fn, (void *)i);
    for (auto &thread : t)
        finish(thread);
}

int main()
{
    CHECK_EQ(pthread_barrier_init(&barrier, nullptr, THREADS), 0);
    all(work);
    all(work);
    puts("thread-local data");
    all(use_locale);
    puts("locales");
    CHECK_EQ(counter, 5);
    CHECK(text == "fresh");
    return 0;
}
