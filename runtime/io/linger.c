/* close(2) on a socket with SO_LINGER waits until the peer has acknowledged all data and the end of the stream, or for the linger
 * time (socket(7)).  That wait is parked: shut the sending side down, as close does, and look at the connection's state
 * until it is past FIN_WAIT1; then the real close does not wait.  There is no event for this change that a level-triggered
 * poller could tell from "writable", so it is looked at by a timer with growing intervals.
 *
 * With unread data close resets the connection instead and does not wait: left to the real call. */
#include "runtime/io/linger.h"
#include "runtime/io/mode.h"
#include "runtime/sched/sched.h"
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define FIRST_NS 50000ull
#define LAST_NS 10000000ull

static bool used; /* some socket of this process had SO_LINGER on */

void linger_noted(const void *val, unsigned len)
{
    const struct linger *l = val;

    if (len >= sizeof *l && l->l_onoff && l->l_linger > 0)
        store_relaxed(&used, true);
}

static bool lingers(struct fdesc *d, struct linger *l)
{
    unsigned len = sizeof *l;
    int unread = 0;

    return fd_learn_kind(d) == FD_STREAM && SYS5(SYS_getsockopt, d->fd, SOL_SOCKET, SO_LINGER, l, &len) == 0 && l->l_onoff &&
           l->l_linger > 0 && fd_is_blocking(d) && SYS3(SYS_ioctl, d->fd, SIOCINQ, &unread) == 0 && unread == 0;
}

static bool settled(int fd)
{
    struct tcp_info info;
    unsigned len = sizeof info;

    if (SYS5(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return true;
    return info.tcpi_state != TCP_FIN_WAIT1 && info.tcpi_state != TCP_CLOSING && info.tcpi_state != TCP_LAST_ACK;
}

void linger_wait(struct vthread *v, int fd)
{
    struct linger l;
    struct fdesc *d;
    uint64_t end, step = FIRST_NS;

    if (likely(!load_relaxed(&used)) || !(d = fd_get(fd)) || !lingers(d, &l) || SYS2(SYS_shutdown, fd, SHUT_WR) < 0)
        return;
    end = now_ns() + (uint64_t)l.l_linger * NSEC_PER_SEC;
    while (!settled(fd) && now_ns() < end) {
        rt_enter(v);
        waiter_prepare(&v->w, wait_on(WAIT_CLOSE, d));
        waiter_park(&v->w, now_ns() + step);
        rt_leave(v);
        step = step * 2 < LAST_NS ? step * 2 : LAST_NS;
    }
}
