/* See text.h. */
#include "runtime/diag/text.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#define PATIENCE_NS 1000000000l /* a reader that takes nothing for so long gets no more */

void text_begin(struct text *t, int fd)
{
    t->fd = fd;
    t->failed = false;
    t->n = 0;
    t->buf = t->own;
    t->size = sizeof t->own;
}

void text_enlarge(struct text *t, char *buf, size_t size)
{
    t->buf = buf;
    t->size = size;
}

/* Whoever writes here must get on: the thread that takes the process's signals, one that is about to die.  So nothing is written before
 * there is room: a pipe that polls as writable takes as much as the buffer holds (PIPE_BUF). */
static bool wait_for_room(int fd)
{
    struct pollfd p = { fd, POLLOUT, 0 };
    struct timespec ts = { 0, 0 };
    long r;

    ts.tv_sec = PATIENCE_NS / 1000000000l;
    do /* the kernel counts the time down in ts */
        r = SYS5(SYS_ppoll, &p, 1, &ts, NULL, 8);
    while (r == -EINTR);
    return r > 0;
}

/* Nobody reads any more.  The signal is this thread's, and would come as soon as it unblocks it. */
static void take_sigpipe(void)
{
    uint64_t set = 1ull << (SIGPIPE - 1);
    struct timespec none = { 0, 0 };

    SYS4(SYS_rt_sigtimedwait, &set, NULL, &none, sizeof set);
}

static void flush(struct text *t)
{
    size_t done = 0;

    while (done < t->n && !t->failed) {
        long r = wait_for_room(t->fd) ? SYS3(SYS_write, t->fd, t->buf + done, t->n - done) : -ETIMEDOUT;

        if (r == -EPIPE)
            take_sigpipe();
        if (r > 0)
            done += (size_t)r;
        else if (r != -EINTR && r != -EAGAIN)
            t->failed = true;
    }
    t->n = 0;
}

void text_end(struct text *t)
{
    flush(t);
}

char *text_room(struct text *t, size_t n)
{
    if (t->size - t->n < n)
        flush(t);
    return t->buf + t->n;
}

void text_used(struct text *t, char *end)
{
    t->n = (size_t)(end - t->buf);
}

void text_bytes(struct text *t, const char *s, size_t n)
{
    while (n) {
        size_t part = t->size - t->n;

        if (part == 0) {
            flush(t);
            continue;
        }
        part = n < part ? n : part;
        memcpy(t->buf + t->n, s, part);
        t->n += part;
        s += part;
        n -= part;
    }
}

void text_put(struct text *t, const char *part, ...)
{
    va_list ap;

    va_start(ap, part);
    for (; part; part = va_arg(ap, const char *))
        text_bytes(t, part, strlen(part));
    va_end(ap);
}

void text_number(struct text *t, uint64_t v)
{
    char num[24];

    text_put(t, vthr_utoa(v, num), NULL);
}

void text_padded(struct text *t, uint64_t v, unsigned width)
{
    char num[24];
    size_t n = strlen(vthr_utoa(v, num));

    for (; n < width; n++)
        text_bytes(t, " ", 1);
    text_put(t, num, NULL);
}

void text_hex(struct text *t, uint64_t v)
{
    char num[18];
    size_t i = sizeof num;

    do
        num[--i] = "0123456789abcdef"[v % 16];
    while (v /= 16);
    num[--i] = 'x';
    num[--i] = '0';
    text_bytes(t, num + i, sizeof num - i);
}

void text_name(struct text *t, const char *s, size_t max)
{
    for (size_t i = 0; i < max && s[i]; i++)
        text_bytes(t, s[i] >= ' ' && s[i] <= '~' ? &s[i] : "?", 1);
}

uintptr_t text_parse_hex(const char *s, const char **end)
{
    uintptr_t v = 0;

    if (s[0] == '0' && s[1] == 'x')
        s += 2;
    for (;; s++) {
        if (*s >= '0' && *s <= '9')
            v = v << 4 | (uintptr_t)(*s - '0');
        else if (*s >= 'a' && *s <= 'f')
            v = v << 4 | (uintptr_t)(*s - 'a' + 10);
        else
            break;
    }
    if (end)
        *end = s;
    return v;
}
