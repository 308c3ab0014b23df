// Thousands of threads one after another: each starts with fresh thread-local data, errno, locale, signal mask.
#include "check.h"
#include <locale.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <wctype.h>

enum { ROUNDS = 5000 };

static __thread int initial = 42;
static __thread char zero[70000];
static int object;
static __thread int *pointer = &object; // needs a relocation
static __thread struct { long a; char b[100]; double c; } mixed = {7, "seven", 7.5};
static __thread long aligned __attribute__((aligned(64))) = -1;
static pthread_key_t key;
static sem_t done;

static void spoil(void)
{
    initial = 1;
    memset(zero + 30000, 0xff, 100);
    zero[sizeof zero - 1] = zero[0] = 1;
    pointer = NULL;
    memset(&mixed, 0xff, sizeof mixed);
    aligned = 99;
    errno = EILSEQ;
    CHECK(uselocale(newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0)) == LC_GLOBAL_LOCALE);
    CHECK_EQ(pthread_setspecific(key, "x"), 0);
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    sigset_t all;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    CHECK_EQ(pthread_setname_np(pthread_self(), "spoilt"), 0);
}

static void *one(void *arg)
{
    int state, type;
    sigset_t mask;
    char name[16];
    CHECK_EQ(errno, 0);
    CHECK_EQ(initial, 42);
    CHECK_EQ(zero[0] | zero[30050] | zero[sizeof zero - 1], 0);
    CHECK(pointer == &object);
    CHECK(mixed.a == 7 && !strcmp(mixed.b, "seven") && mixed.b[99] == 0 && mixed.c == 7.5);
    CHECK_EQ(aligned, -1);
    CHECK_EQ((unsigned long)&aligned % 64, 0);
    CHECK(uselocale((locale_t)0) == LC_GLOBAL_LOCALE);
    CHECK_EQ(!!iswalpha(0xe9), 0);
    CHECK(pthread_getspecific(key) == NULL);
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    CHECK_EQ(state, PTHREAD_CANCEL_ENABLE);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type), 0);
    CHECK_EQ(type, PTHREAD_CANCEL_DEFERRED);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int s = 1; s < 32; s++)
        CHECK_EQ(sigismember(&mask, s), 0);
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    CHECK_EQ(strcmp(name, "spoilt") == 0, 0);
    locale_t before = uselocale((locale_t)0);
    spoil();
    freelocale(uselocale(before));
    uselocale(LC_GLOBAL_LOCALE);
    sem_post(&done);
    return arg;
}

int main(void)
{
    CHECK_EQ(pthread_key_create(&key, NULL), 0);
    sem_init(&done, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t t = start(one, NULL);
        if (i % 4 == 0)
            CHECK_EQ(pthread_detach(t), 0);
        CHECK_EQ(sem_wait(&done), 0);
        if (i % 4)
            finish(t);
    }
    printf("%d threads started fresh\n", ROUNDS);
    return 0;
}
