// Helpers for the differential tests: a failed check says where, and ends the program with status 1.
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Not through stdio or exit(): another thread may hold their locks.
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            int check_errno_ = errno;                                                              \
            dprintf(2, "%s:%d: failed: %s (errno %d, %s)\n", __FILE__, __LINE__, #cond,            \
                    check_errno_, strerror(check_errno_));                                         \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// An integer expression has this value, else the value that it had is printed.
#define CHECK_EQ(expr, want)                                                                       \
    do {                                                                                           \
        long check_got_ = (long)(expr), check_want_ = (long)(want);                                \
        if (check_got_ != check_want_) {                                                           \
            int check_errno_ = errno;                                                              \
            dprintf(2, "%s:%d: %s is %ld, not %s (%ld) (errno %d, %s)\n", __FILE__, __LINE__,      \
                    #expr, check_got_, #want, check_want_, check_errno_, strerror(check_errno_));  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// A call that returns -1 and sets errno to this.
#define CHECK_ERRNO(expr, want)                                                                    \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK_EQ(expr, -1);                                                                        \
        CHECK_EQ(errno, want);                                                                     \
    } while (0)

#define MAYBE __attribute__((unused)) static

// A size that the compiler cannot see through.
MAYBE inline size_t opaque(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

MAYBE inline long long now_ns(clockid_t clock)
{
    struct timespec ts;
    CHECK_EQ(clock_gettime(clock, &ts), 0);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

MAYBE inline struct timespec from_ns(long long ns)
{
    struct timespec ts;
    ts.tv_sec = (time_t)(ns / 1000000000);
    ts.tv_nsec = (long)(ns % 1000000000);
    return ts;
}

// The absolute time that is this far ahead (or, if negative, back).
MAYBE inline struct timespec in_ms(clockid_t clock, long ms)
{
    return from_ns(now_ns(clock) + ms * 1000000LL);
}

MAYBE inline int reached(clockid_t clock, struct timespec at)
{
    return now_ns(clock) >= at.tv_sec * 1000000000LL + at.tv_nsec;
}

MAYBE inline void nap_ms(long ms)
{
    struct timespec ts = from_ns(ms * 1000000LL);
    while (nanosleep(&ts, &ts) != 0)
        CHECK_EQ(errno, EINTR);
}

MAYBE inline pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

MAYBE inline void *finish(pthread_t t)
{
    void *result = NULL;
    CHECK_EQ(pthread_join(t, &result), 0);
    return result;
}

MAYBE inline void write_all(int fd, const void *buf, size_t len)
{
    const char *p = (const char *)buf;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        CHECK(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

// Reads exactly len bytes.
MAYBE inline void read_all(int fd, void *buf, size_t len)
{
    char *p = (char *)buf;
    while (len > 0) {
        ssize_t n = read(fd, p, len);
        CHECK(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

#endif
