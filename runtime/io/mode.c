/* See mode.h. */
#include "runtime/io/mode.h"
#include <fcntl.h>
#include <sys/time.h>

#define AT_IT 0xffffull /* of the sharing word */

static uint64_t sharing = AT_IT + 1;
static uint32_t mode_epoch = 1, timeo_epoch = 1, low_epoch = 1; /* raised by every change of any descriptor */
static uint32_t cleared_epoch = 1;                              /* raised when O_NONBLOCK is cleared on any */
static bool inheritable; /* a timeout or low water mark was set, ever: who accepts may have it from the listener */

uint64_t fd_sharing(void)
{
    uint64_t now = load_acquire(&sharing);

    return now & AT_IT ? 0 : now;
}
void fd_sharing_begin(void)
{
    fetch_add_acq_rel(&sharing, 1ull);
}
void fd_sharing_end(bool happened)
{
    fetch_add_acq_rel(&sharing, happened ? AT_IT : ~0ull);
}

static bool ours_alone(const struct fdesc *d)
{
    return load_relaxed(&d->stamp) == load_acquire(&sharing);
}

void fd_forget_modes(struct fdesc *d)
{
    d->mode_epoch = d->timeo_epoch = d->low_epoch = d->no_wait = 0;
    store_relaxed(&d->stamp, 0ull);
}

static void note_defaults(struct fdesc *d)
{
    d->timeo[FD_READ] = d->timeo[FD_WRITE] = 0;
    d->low_water = false;
    d->timeo_epoch = load_relaxed(&timeo_epoch);
    d->low_epoch = load_relaxed(&low_epoch);
}

void fd_born(int fd, uint64_t stamp)
{
    struct fdesc *d;

    fd_fresh(fd);
    d = fd_get(fd);
    if (!d)
        return;
    note_defaults(d);
    store_relaxed(&d->stamp, stamp);
}

void fd_accepted(struct fdesc *d, const struct fdesc *listener, uint64_t stamp, bool blocking)
{
    d->blocking = blocking;
    d->mode_epoch = load_relaxed(&mode_epoch);
    d->no_wait = blocking ? 0 : load_relaxed(&cleared_epoch);
    if (ours_alone(listener) && !load_relaxed(&inheritable))
        note_defaults(d);
    store_relaxed(&d->stamp, stamp);
}

void fd_timeouts_changed(void)
{
    store_relaxed(&inheritable, true);
    fetch_add_acq_rel(&timeo_epoch, 1u);
}
void fd_low_water_changed(void)
{
    store_relaxed(&inheritable, true);
    fetch_add_acq_rel(&low_epoch, 1u);
}
void fd_mode_set(int fd, bool blocking)
{
    struct fdesc *d = blocking ? NULL : fd_peek(fd);

    if (blocking)
        fetch_add_acq_rel(&cleared_epoch, 1u);
    fetch_add_acq_rel(&mode_epoch, 1u);
    if (d)
        d->no_wait = load_relaxed(&cleared_epoch);
}
bool fd_no_wait(const struct fdesc *d)
{
    return load_relaxed(&d->no_wait) == load_relaxed(&cleared_epoch);
}
void fd_not_no_wait(struct fdesc *d)
{
    store_relaxed(&d->no_wait, 0u);
}

bool fd_is_blocking(struct fdesc *d)
{
    uint32_t epoch = load_acquire(&mode_epoch), cleared = load_acquire(&cleared_epoch);
    long fl = SYS2(SYS_fcntl, d->fd, F_GETFL);

    d->blocking = fl >= 0 && !(fl & O_NONBLOCK);
    d->mode_epoch = epoch;
    d->no_wait = fl >= 0 && (fl & O_NONBLOCK) ? cleared : 0;
    return d->blocking;
}
bool fd_blocks(struct fdesc *d)
{
    return d->mode_epoch == load_acquire(&mode_epoch) && ours_alone(d) ? d->blocking : fd_is_blocking(d);
}

static uint64_t ask_timeout(const struct fdesc *d, enum fd_dir dir)
{
    struct timeval tv = { 0, 0 };
    unsigned len = sizeof tv;

    if (d->kind != FD_STREAM && d->kind != FD_SOCKET)
        return 0;
    if (SYS5(SYS_getsockopt, d->fd, SOL_SOCKET, dir == FD_READ ? SO_RCVTIMEO : SO_SNDTIMEO, &tv, &len) < 0)
        return 0;
    return (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * 1000;
}

uint64_t fd_timeout(struct fdesc *d, enum fd_dir dir)
{
    uint32_t epoch = load_acquire(&timeo_epoch);

    if (!ours_alone(d))
        return ask_timeout(d, dir);
    if (d->timeo_epoch != epoch) {
        d->timeo[FD_READ] = ask_timeout(d, FD_READ);
        d->timeo[FD_WRITE] = ask_timeout(d, FD_WRITE);
        d->timeo_epoch = epoch;
    }
    return d->timeo[dir];
}

bool fd_has_low_water(struct fdesc *d)
{
    uint32_t epoch = load_acquire(&low_epoch);
    int low = 0;
    unsigned len = sizeof low;

    if (d->low_epoch == epoch && ours_alone(d))
        return d->low_water;
    d->low_water = SYS5(SYS_getsockopt, d->fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) == 0 && low > 1;
    d->low_epoch = epoch;
    return d->low_water;
}

/* What the child has, its parent has too: nothing is its alone but what it makes. */
void fd_modes_reset_child(void)
{
    sharing = (sharing | AT_IT) + 1;
}
