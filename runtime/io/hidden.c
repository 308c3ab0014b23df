/* See hidden.h.
 *
 * The kernel hands out the lowest free number, and libev makes its epoll descriptor itself.  So while the pollers are made, every
 * free number below BASE is taken by a duplicate, and the soft limit is raised to the hard one: with the common limit of
 * 1024 ours lie above it, where the program's own count is not touched.  Where there is no room above, they lie at the limit's
 * end and the program can open that many fewer.  This is done once, at activation, before other threads exist. */
#include "runtime/io/hidden.h"
#include "runtime/base/atomic.h"
#include "runtime/base/sys.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#define BASE 1024u
#define MAX_HIDDEN 1024
#define LATE_ROOM 128u /* numbers at the end of a small limit for descriptors made later */

static int fds[MAX_HIDDEN];
static unsigned n_fds;
static int lowest = 1 << 30, highest = -1;
static unsigned char filled[BASE]; /* numbers taken for the time being */
static struct rlimit old_limit;

static void set_limit(const struct rlimit *l)
{
    SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, l, NULL);
}

int hidden_begin(unsigned n)
{
    struct rlimit up;
    unsigned base = BASE;
    long some;

    if (SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &old_limit) < 0)
        return -EINVAL;
    up = old_limit;
    up.rlim_cur = up.rlim_max;
    set_limit(&up);
    if (up.rlim_cur < BASE + n)
        base = up.rlim_cur > n + 8 ? (unsigned)up.rlim_cur - n - 4 : 0;
    if (base > old_limit.rlim_cur && old_limit.rlim_cur + n + 4 <= up.rlim_cur)
        base = (unsigned)old_limit.rlim_cur;
    some = SYS1(SYS_epoll_create1, 0);
    if (some < 0)
        return (int)some;
    if (some < (long)base)
        filled[some] = 1;
    for (long fd = some; fd >= 0 && fd + 1 < (long)base;) {
        fd = SYS1(SYS_dup, some);
        if (fd >= 0 && fd < (long)base)
            filled[fd] = 1;
        else if (fd >= 0)
            SYS1(SYS_close, fd);
    }
    if (some >= (long)base)
        SYS1(SYS_close, some);
    return 0;
}

static void close_run(unsigned lo, unsigned end)
{
    if (SYS3(SYS_close_range, lo, end - 1, 0) == 0)
        return;
    for (unsigned fd = lo; fd < end; fd++) /* before Linux 5.9 */
        SYS1(SYS_close, fd);
}

void hidden_end(void)
{
    for (unsigned fd = 0, lo; fd < BASE; fd++) {
        for (lo = fd; fd < BASE && filled[fd]; fd++)
            filled[fd] = 0;
        if (fd > lo)
            close_run(lo, fd);
    }
    set_limit(&old_limit);
}

int hidden_out_of_the_way(int fd)
{
    struct rlimit l;
    unsigned floor = BASE;
    long high;

    if (SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &l) == 0 && l.rlim_cur <= BASE + LATE_ROOM)
        floor = l.rlim_cur > 2 * LATE_ROOM ? (unsigned)l.rlim_cur - LATE_ROOM : (unsigned)l.rlim_cur / 2;
    high = SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor);
    if (high < 0)
        return fd;
    SYS1(SYS_close, fd);
    return (int)high;
}

void hidden_add(int fd)
{
    if (fd < 0 || n_fds == MAX_HIDDEN)
        return;
    fds[n_fds++] = fd;
    lowest = fd < lowest ? fd : lowest;
    highest = fd > highest ? fd : highest;
}

void hidden_replace(int old, int now)
{
    for (unsigned i = 0; i < n_fds; i++)
        if (fds[i] == old) {
            store_relaxed(&fds[i], now);
            if (now >= 0) {
                lowest = now < lowest ? now : lowest;
                highest = now > highest ? now : highest;
            }
            return;
        }
    hidden_add(now);
}

bool hidden_is(int fd)
{
    if (likely(fd < lowest) || fd > highest)
        return false;
    for (unsigned i = 0; i < n_fds; i++)
        if (fds[i] == fd)
            return true;
    return false;
}

bool hidden_in_range(unsigned lo, unsigned hi, unsigned *first)
{
    *first = ~0u;
    for (unsigned i = 0; i < n_fds; i++)
        if ((unsigned)fds[i] >= lo && (unsigned)fds[i] <= hi && (unsigned)fds[i] < *first)
            *first = (unsigned)fds[i];
    return *first != ~0u;
}

void hidden_reset(void)
{
    n_fds = 0;
    lowest = 1 << 30;
    highest = -1;
}
