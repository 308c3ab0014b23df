/* The program's own futexes.
 *
 * Private ones (FUTEX_PRIVATE_FLAG, or without it on memory that cannot be shared: libstdc++ does not set the flag) live in the
 * parking lot.  What decides is the mapping: a futex without the flag is between processes only if its page is in a shared
 * mapping.  That is asked of the kernel once per address range and remembered (is_shared_mapping).
 *
 * A wake goes to the lot and to the kernel, because a thread that we do not see (raw clone, inline system call) may wait
 * there; the kernel is spared where the lot had a waiter and only one was wanted. */
#include "runtime/sync/futex.h"
#include "runtime/base/sys.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

/* Parses one hexadecimal number; returns the position after it. */
static const char *hex(const char *s, uint64_t *out)
{
    uint64_t v = 0;

    for (;; s++) {
        if (*s >= '0' && *s <= '9')
            v = v * 16 + (uint64_t)(*s - '0');
        else if (*s >= 'a' && *s <= 'f')
            v = v * 16 + (uint64_t)(*s - 'a' + 10);
        else
            break;
    }
    *out = v;
    return s;
}

/* One line of /proc/self/maps: 1 the address is in it and shared, 0 in it and private, -1 elsewhere. */
static int line_says(const char *l, uint64_t addr)
{
    uint64_t lo, hi;

    l = hex(l, &lo);
    if (*l++ != '-')
        return -1;
    l = hex(l, &hi);
    if (addr < lo || addr >= hi)
        return -1;
    return l[0] && l[1] && l[2] && l[3] && l[4] == 's';
}

static int search_maps(uint64_t addr)
{
    char buf[1024];
    size_t have = 0;
    int answer = -1;
    long fd = SYS4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), n;

    if (fd < 0)
        return 0;
    while (answer < 0 && (n = SYS3(SYS_read, fd, buf + have, sizeof buf - 1 - have)) > 0) {
        char *line = buf, *nl;

        have += (size_t)n;
        buf[have] = 0;
        while (answer < 0 && (nl = memchr(line, '\n', have - (size_t)(line - buf)))) {
            answer = line_says(line, addr);
            line = nl + 1;
        }
        have -= (size_t)(line - buf);
        memmove(buf, line, have);
        if (have == sizeof buf - 1)
            have = 0; /* a line longer than the buffer: its address part was seen with its beginning */
    }
    SYS1(SYS_close, fd);
    return answer > 0;
}

/* Answers are remembered by page.  A page that is unmapped and mapped again as the other kind is not noticed: such a
 * program would have to use one address for futexes of both kinds. */
static bool is_shared_mapping(const void *addr)
{
    static uint64_t seen[256]; /* page number << 1 | shared */
    uint64_t page = (uintptr_t)addr >> 12, *slot = &seen[page * 0x9e3779b97f4a7c15ull >> 56], s = load_relaxed(slot);

    if (s >> 1 != page) {
        s = page << 1 | (uint64_t)search_maps((uintptr_t)addr);
        store_relaxed(slot, s);
    }
    return s & 1;
}

static bool readable(const uint32_t *addr)
{
    unsigned char vec;

    return ((uintptr_t)addr & 3) == 0 &&
           SYS3(SYS_mincore, (uintptr_t)addr & ~(uintptr_t)4095, 4096, &vec) == 0;
}

static int futex_deadline(int op, const struct timespec *ts, uint64_t *out)
{
    *out = NO_DEADLINE;
    if (!ts)
        return 0;
    if (bad_address(ts))
        return -EFAULT;
    if (!ts_valid(ts) || ts->tv_sec < 0)
        return -EINVAL;
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
        *out = deadline_after(ts);
    else
        *out = deadline_at(op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, ts);
    return 0;
}

/* A wait that begins in a cancelled scope, which is to end such waits, does wait for a moment, as one for a condition: cond.c. */
static bool shorten(uint64_t *deadline, unsigned *ends)
{
    uint64_t moment;

    if (likely(!lot_stopped(*ends)))
        return false;
    *ends &= SIG_RAN_ANY;
    moment = now_ns() + STOPPED_WAIT_NS;
    if (*deadline <= moment)
        return false;
    *deadline = moment;
    return true;
}

static long do_wait(struct vthread *v, uint32_t *addr, int op, uint32_t val, const struct timespec *ts, uint32_t bits)
{
    unsigned handlers = ts ? SIG_RAN_ANY : SIG_RAN_PLAIN; /* with a timeout the kernel does not restart it */
    unsigned ends = handlers | LOT_ENDS(STOP_LOCK);
    uint64_t deadline;
    bool shortened;
    int r = futex_deadline(op, ts, &deadline);

    if (r)
        return r;
    if (bits == 0)
        return -EINVAL;
    if (v)
        v->sig_ran = 0;
    shortened = shorten(&deadline, &ends);
    for (;;) {
        r = lot_wait_ends(addr, val, deadline, bits, ends, wait_on(WAIT_FUTEX, addr));
        if (r == -ETIMEDOUT && shortened)
            return -ECANCELED;
        if (r != -EINTR)
            return r;
        if (!v || (v->sig_ran & handlers))
            return -EINTR;
        if (lot_stopped(ends))
            return -ECANCELED;
        /* SA_RESTART, or no handler at all */
    }
}

static long do_wake(uint32_t *addr, int op, uint32_t val, uint32_t bits)
{
    int want = val > INT_MAX ? INT_MAX : (int)val, n;
    long k;

    if (bits == 0)
        return -EINVAL;
    n = lot_wake_bits(addr, want, bits);
    if (n >= want)
        return n;
    k = SYS6(SYS_futex, addr, op, want - n, 0, 0, bits);
    return k < 0 ? (n ? n : k) : n + k;
}

bool futex_call(uint32_t *addr, int op, uint32_t val, const struct timespec *timeout, uint32_t *addr2, uint32_t val3,
                long *ret)
{
    struct vthread *v = vthr_parkable();
    int cmd = op & FUTEX_CMD_MASK;

    if (cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_WAKE && cmd != FUTEX_WAKE_BITSET &&
        cmd != FUTEX_REQUEUE && cmd != FUTEX_CMP_REQUEUE && cmd != FUTEX_WAKE_OP)
        return false;
    if (!(op & FUTEX_PRIVATE_FLAG) && is_shared_mapping(addr))
        return false;
    /* Those that we read ourselves: on a bad address the kernel shall say EFAULT or EINVAL. */
    if ((cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_CMP_REQUEUE) && !readable(addr))
        return false;
    switch (cmd) {
    case FUTEX_WAIT:
        *ret = do_wait(v, addr, op, val, timeout, ~0u);
        return true;
    case FUTEX_WAIT_BITSET:
        *ret = do_wait(v, addr, op, val, timeout, val3);
        return true;
    case FUTEX_WAKE:
        *ret = do_wake(addr, op, val, ~0u);
        return true;
    case FUTEX_WAKE_BITSET:
        *ret = do_wake(addr, op, val, val3);
        return true;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: {
        int woken = 0;
        long limit = (long)timeout; /* the argument's place holds a number here */

        *ret = lot_requeue(addr, (int)val, addr2, limit > INT_MAX ? INT_MAX : (int)limit,
                           cmd == FUTEX_CMP_REQUEUE ? &val3 : NULL, &woken);
        return true;
    }
    case FUTEX_WAKE_OP: {
        /* The kernel does the operation atomically and wakes its own waiters; ours are woken by its verdict, which
         * it does not tell: so wake all that it could have meant.  Spurious wakes are allowed. */
        long limit = (long)timeout;

        *ret = SYS6(SYS_futex, addr, op, val, timeout, addr2, val3);
        if (*ret >= 0)
            *ret += lot_wake(addr, (int)val) + lot_wake(addr2, limit > INT_MAX ? INT_MAX : (int)limit);
        return true;
    }
    }
    return false;
}
