/* See poller.h.
 *
 * libev is opened privately at activation: a process that never makes a thread does not load it, the program's own libev (or
 * one linked into it statically) is not mixed up with ours, and its system calls are libc's, not our hooks.
 *
 * libev facts that this relies on (4.33, ev.c): stopping a watcher makes no system call until an unwanted event arrives; a changed
 * descriptor is told to epoll at the loop's next iteration; ev_io_set marks the descriptor as possibly reopened, which
 * forces an EPOLL_CTL_ADD; fork watchers run also before it makes its epoll descriptor anew because of a stray event (a descriptor that
 * was closed by a route that we do not see, while its file lives on); it stops watchers of a descriptor that epoll refuses (ENOSPC),
 * and asserts that none is closed (Debian builds it with assertions). */
#include "runtime/io/poller.h"
#include "runtime/io/hidden.h"
#include "runtime/arch/context.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/base/sys.h"
#include "runtime/mem/blocks.h"
#include <dlfcn.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

_Static_assert(sizeof(struct ev_io) <= sizeof(struct ev_storage), "ev_io does not fit");
_Static_assert(sizeof(struct ev_fork) <= sizeof(struct ev_storage), "ev_fork does not fit");

#define MAX_NUMBER (1 << 20)

static struct {
    void *handle;
    void (*set_allocator)(void *(*)(void *, long));
    struct ev_loop *(*loop_new)(unsigned);
    void (*loop_destroy)(struct ev_loop *);
    int (*run)(struct ev_loop *, int);
    void (*io_start)(struct ev_loop *, struct ev_io *);
    void (*io_stop)(struct ev_loop *, struct ev_io *);
    void (*fork_start)(struct ev_loop *, struct ev_fork *);
    void (*set_userdata)(struct ev_loop *, void *);
    void *(*userdata)(struct ev_loop *);
    void (*set_release)(struct ev_loop *, void (*)(struct ev_loop *), void (*)(struct ev_loop *));
} ev;

static int real_eventfd(void)
{
    return (int)SYS2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
}
static int real_timerfd(void)
{
    return (int)SYS2(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}
struct poller_ops vthr_poller_ops = { real_eventfd, real_timerfd };

/* The program's own copy is ours too: what it has allocated there came from malloc. */
static bool is_in_use(void)
{
    void *h = REAL(dlopen)("libev.so.4", RTLD_LAZY | RTLD_NOLOAD);

    if (h)
        dlclose(h);
    return h != NULL;
}

static int load_libev(const char **why)
{
    void *h = ev.handle;
    bool in_use;

    if (h)
        return 0;
    in_use = is_in_use();
    h = REAL(dlopen)("libev.so.4", VTHR_DLOPEN_PRIVATE); /* our own dlopen would drop DEEPBIND */
    *why = "libev.so.4 cannot be loaded: apt-get install libev4";
    if (!h)
        return -ENOENT;
#define GET(field, name) \
    if (!(*(void **)&ev.field = dlsym(h, name))) \
        return -ENOENT
    GET(set_allocator, "ev_set_allocator");
    GET(loop_new, "ev_loop_new");
    GET(loop_destroy, "ev_loop_destroy");
    GET(run, "ev_run");
    GET(io_start, "ev_io_start");
    GET(io_stop, "ev_io_stop");
    GET(fork_start, "ev_fork_start");
    GET(set_userdata, "ev_set_userdata");
    GET(userdata, "ev_userdata");
    GET(set_release, "ev_set_loop_release_cb");
#undef GET
    if (!in_use)
        ev.set_allocator(block_resize); /* mem/blocks.h */
    ev.handle = h;
    return 0;
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct poller_watch *w = (struct poller_watch *)io;

    ((struct poller *)ev.userdata(loop))->fired++;
    w->refused = revents & EV_ERROR;
    if (!w->fn(w))
        ev.io_stop(loop, io);
}

/* False: it is not there yet, though its reason is. */
static bool take_kick(struct poller *p)
{
    uint64_t n;

    if (SYS3(SYS_read, p->wakefd, &n, sizeof n) < 0)
        return false;
    p->count.wakeups++;
    return true;
}

static bool on_wake(struct poller_watch *w)
{
    struct poller *p = container_of(w, struct poller, wake);
    take_kick(p);
    return true;
}

static bool on_timer(struct poller_watch *w)
{
    struct poller *p = container_of(w, struct poller, timer);
    uint64_t n;

    SYS3(SYS_read, p->tfd, &n, sizeof n);
    p->count.timeouts++;
    p->armed_at = NO_DEADLINE;
    return true;
}

static void on_renewal(struct ev_loop *loop, struct ev_fork *f, int revents)
{
    (void)f;
    (void)revents;
    ((struct poller *)ev.userdata(loop))->renewed = true;
}

/* Around libev's epoll_wait, which sleeps only where we cannot (epfd < 0). */
static void release_loop(struct ev_loop *loop)
{
    struct poller *p = ev.userdata(loop);

    if (p->epfd >= 0)
        return;
    store_relaxed(&p->in_wait, 1u);
    unlock(&p->lk);
}
static void acquire_loop(struct ev_loop *loop)
{
    struct poller *p = ev.userdata(loop);

    if (p->epfd >= 0)
        return;
    lock(&p->lk);
    store_relaxed(&p->in_wait, 0u);
}

void poller_watch_start_locked(struct poller *p, struct poller_watch *w, int fd, bool write)
{
    struct ev_io *io = (struct ev_io *)&w->ev;

    ev_init(io, on_io);
    ev_io_set(io, fd, write ? EV_WRITE : EV_READ);
    ev.io_start(p->loop, io);
    p->changed = true;
    p->count.changes++;
}

void poller_watch_stop_locked(struct poller *p, struct poller_watch *w)
{
    ev.io_stop(p->loop, (struct ev_io *)&w->ev);
    p->changed = true;
    p->count.changes++;
}

void poller_forget_locked(struct poller *p, int fd)
{
    struct epoll_event none = { 0 };

    if (p->epfd >= 0)
        SYS4(SYS_epoll_ctl, p->epfd, EPOLL_CTL_DEL, fd, &none);
}

int poller_tries_locked(struct poller *p, int fd, bool may_nest)
{
    struct epoll_event none = { 0 };
    long r;

    if (!may_nest || p->epfd < 0) {
        r = SYS2(SYS_fcntl, fd, F_GETFD);
        return r < 0 ? (int)r : 0;
    }
    r = SYS4(SYS_epoll_ctl, p->epfd, EPOLL_CTL_ADD, fd, &none);
    if (r == 0)
        SYS4(SYS_epoll_ctl, p->epfd, EPOLL_CTL_DEL, fd, &none);
    /* The others are libev's own business. */
    return r == -EBADF || r == -ELOOP ? (int)r : 0;
}

void poller_changed(struct poller *p)
{
    if (load_relaxed(&p->in_wait))
        poller_kick(p);
}

static bool is_epoll(int fd)
{
    char path[32] = "/proc/self/fd/", num[24], link[64];
    long n;

    strcat(path, vthr_utoa((uint64_t)fd, num));
    n = SYS4(SYS_readlinkat, AT_FDCWD, path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = 0;
    return strcmp(link, "anon_inode:[eventpoll]") == 0;
}

/* libev does not tell its descriptor.  The kernel hands out the lowest free number: find it from there. */
static struct ev_loop *new_loop(int *epfd)
{
    int low = vthr_poller_ops.eventfd(), fd;
    struct ev_loop *l;

    *epfd = -1;
    if (low < 0)
        return NULL;
    SYS1(SYS_close, low);
    for (fd = low; fd < low + 64 && is_epoll(fd); fd++)
        ;
    low = fd;
    l = ev.loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOSIGMASK);
    for (; l && fd < low + 64 && *epfd < 0; fd++)
        if (is_epoll(fd))
            *epfd = fd;
    return l;
}

/* The epoll descriptor that watches wakefd.  A registration without events changes nothing for whoever owns another one. */
static int find_epoll(int wakefd)
{
    struct epoll_event none = { 0 };
    struct rlimit l = { 0 };

    SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &l);
    for (int fd = 0; fd < MAX_NUMBER && (rlim_t)fd < l.rlim_cur; fd++) {
        long r = SYS4(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, wakefd, &none);

        if (r == -EEXIST)
            return fd;
        if (r == 0)
            SYS4(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, wakefd, &none);
    }
    return -1;
}

/* Lock held.  The number is the lowest that was free, and visible to the program's eyes, but not to its close. */
static void learn_renewed(struct poller *p)
{
    int old = p->epfd;

    p->renewed = false;
    p->epfd = find_epoll(p->wakefd);
    hidden_replace(old, p->epfd);
}

int poller_init(struct poller *p, const char **why)
{
    int r = load_libev(why);

    if (r)
        return r;
    lock_init(&p->lk, RANK_POLLER);
    *why = "no descriptors left for the poller: raise the limit (ulimit -n)";
    p->wakefd = vthr_poller_ops.eventfd();
    if (p->wakefd < 0)
        return p->wakefd;
    p->tfd = vthr_poller_ops.timerfd();
    if (p->tfd < 0) {
        r = p->tfd;
        goto err_wakefd;
    }
    p->loop = new_loop(&p->epfd);
    if (!p->loop) {
        r = -EMFILE;
        goto err_tfd;
    }
    ev.set_userdata(p->loop, p);
    ev.set_release(p->loop, release_loop, acquire_loop);
    hidden_add(p->wakefd);
    hidden_add(p->tfd);
    hidden_add(p->epfd);
    p->armed_at = NO_DEADLINE;
    p->in_wait = 0;
    p->wake.fn = on_wake;
    p->timer.fn = on_timer;
    poller_watch_start_locked(p, &p->wake, p->wakefd, false);
    poller_watch_start_locked(p, &p->timer, p->tfd, false);
    struct ev_fork *renewal = (struct ev_fork *)&p->renewal;

    ev_init(renewal, on_renewal);
    ev.fork_start(p->loop, renewal);
    p->renewed = false;
    return 0;

err_tfd:
    SYS1(SYS_close, p->tfd);
err_wakefd:
    SYS1(SYS_close, p->wakefd);
    return r;
}

void poller_term(struct poller *p)
{
    if (!p->loop)
        return;
    ev.loop_destroy(p->loop);
    p->loop = NULL;
    SYS1(SYS_close, p->tfd);
    SYS1(SYS_close, p->wakefd);
}

void poller_abandon(struct poller *p)
{
    if (!p->loop)
        return;
    if (p->epfd >= 0)
        SYS1(SYS_close, p->epfd);
    SYS1(SYS_close, p->tfd);
    SYS1(SYS_close, p->wakefd);
    p->loop = NULL;
}

/* Lock held. */
static void look(struct poller *p)
{
    p->changed = false;
    p->count.looks++;
    ev.run(p->loop, EVRUN_NOWAIT);
    if (unlikely(p->renewed))
        learn_renewed(p);
}

void poller_poll(struct poller *p)
{
    lock(&p->lk);
    look(p);
    unlock(&p->lk);
}

/* Where libev sleeps, which knows whole milliseconds only. */
static void arm_timer(struct poller *p, uint64_t deadline)
{
    struct itimerspec its = { { 0, 0 }, { 0, 0 } };

    /* An earlier setting costs one spurious wake, setting it again costs a system call each time. */
    if (deadline >= p->armed_at)
        return;
    its.it_value.tv_sec = (time_t)(deadline / NSEC_PER_SEC);
    its.it_value.tv_nsec = (long)(deadline % NSEC_PER_SEC);
    if (deadline == 0)
        its.it_value.tv_nsec = 1; /* zero would disarm */
    SYS4(SYS_timerfd_settime, p->tfd, TFD_TIMER_ABSTIME, &its, NULL);
    p->count.armings++;
    p->armed_at = deadline;
}

/* Until epfd has an event, which stays there: libev asks for levels, and epoll puts those back.  By epoll and not by poll on epfd, because
 * only for its direct sleepers does the kernel know that who writes is about to wait for the answer (sync wakeups), and runs both
 * on one CPU: 145 us for a request and its answer by poll on this platform, 30 us by epoll.  Returns 0 when t has passed. */
static long sleep_in_epoll(int epfd, const struct timespec *t)
{
    static bool absent; /* before Linux 5.11, or forbidden */

    if (!load_relaxed(&absent)) {
        struct epoll_event e;
        long r = SYS6(SYS_epoll_pwait2, epfd, &e, 1, t, NULL, 8);

        if (r != -ENOSYS && r != -EPERM)
            return r;
        store_relaxed(&absent, true);
    }
    struct pollfd on = { epfd, POLLIN, 0 };

    return SYS5(SYS_ppoll, &on, 1, t, NULL, 8);
}

/* On libev's epoll descriptor.  0: the deadline came and nothing else.  After it the thread pointer is mended before libc needs it
 * (arch/x86_64/tp.c).  Lock held, and released for the sleep. */
static long sleep_on(struct poller *p, int epfd, uint64_t deadline)
{
    struct timespec left, *t = NULL;
    long r;

    p->count.sleeps++;
    if (deadline != NO_DEADLINE) {
        uint64_t now = now_ns(), ns = deadline > now ? deadline - now : 0;

        left = (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
        t = &left;
        p->count.armings++;
    }
    store_relaxed(&p->in_wait, 1u);
    unlock(&p->lk);
    r = sleep_in_epoll(epfd, t);
    arch_tp_mend();
    lock(&p->lk);
    store_relaxed(&p->in_wait, 0u);
    return r;
}

/* A sleep that ended because there is something to run is not followed by a look: events wait until that has had its turn, as they do where
 * nobody slept.  Lock held. */
static void sleep_and_look(struct poller *p, uint64_t deadline, const uint32_t *still)
{
    uint32_t fired = p->fired;
    int epfd;

    if (p->changed) {
        look(p);
        if (p->fired != fired)
            return;
    }
    epfd = p->epfd;
    if (epfd < 0 || !load_relaxed(still))
        look(p);
    else if (sleep_on(p, epfd, deadline) == 0)
        p->count.timeouts++; /* no event: nothing to look at */
    else if (load_relaxed(still) || !take_kick(p))
        look(p);
}

void poller_wait(struct poller *p, uint64_t deadline, const uint32_t *still)
{
    lock(&p->lk);
    if (p->epfd >= 0) {
        sleep_and_look(p, deadline, still);
    } else {
        arm_timer(p, deadline);
        ev.run(p->loop, load_relaxed(still) ? EVRUN_ONCE : EVRUN_NOWAIT);
    }
    unlock(&p->lk);
}

void poller_kick(struct poller *p)
{
    uint64_t one = 1;

    SYS3(SYS_write, p->wakefd, &one, sizeof one);
}
