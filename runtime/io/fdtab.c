/* See fdtab.h.
 *
 * Lock order: poller.lk, then fdesc.lk.  `armed` and `home` change only with both held, so either protects a read.
 * Entries live in chunks that are never freed; `chunks[i]` is written once. */
#include "runtime/io/fdtab.h"
#include "runtime/io/mode.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/sched.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CHUNK 64
#define MAX_CHUNKS 65536 /* 4 million descriptors */

static struct fdesc *chunks[MAX_CHUNKS];
static unsigned chunks_end; /* no chunk is at this index or above; under grow_lk */
static struct vthr_lock grow_lk = VTHR_LOCK_INIT(RANK_FDTAB);
static int table_pid; /* whose table this is: a child that shares our memory (clone with CLONE_VM) must leave it alone */

static bool on_read(struct poller_watch *w);
static bool on_write(struct poller_watch *w);

/* Also from where handlers may run, which may need the lock. */
static struct fdesc *make_chunk(unsigned i)
{
    struct vthread *self = vthr_self;
    struct fdesc *c;

    rt_hold(self);
    lock(&grow_lk);
    c = chunks[i];
    if (!c && (c = meta_alloc(CHUNK * sizeof *c))) {
        if (!table_pid)
            table_pid = (int)SYS0(SYS_getpid);
        for (int k = 0; k < CHUNK; k++) {
            lock_init(&c[k].lk, RANK_FD);
            c[k].fd = (int)i * CHUNK + k;
            list_init(&c[k].closers);
            for (int s = 0; s < 2; s++) {
                list_init(&c[k].side[s].waiters);
                c[k].side[s].watch.fn = s ? on_write : on_read;
            }
        }
        if (i >= chunks_end)
            chunks_end = i + 1;
        store_release(&chunks[i], c);
    }
    unlock(&grow_lk);
    rt_unhold(self);
    return c;
}

struct fdesc *fd_peek(int fd)
{
    unsigned i = (unsigned)fd / CHUNK;
    struct fdesc *c = i < MAX_CHUNKS ? load_acquire(&chunks[i]) : NULL;

    return c ? &c[(unsigned)fd % CHUNK] : NULL;
}

struct fdesc *fd_get(int fd)
{
    unsigned i = (unsigned)fd / CHUNK;
    struct fdesc *c;

    if (unlikely(i >= MAX_CHUNKS))
        return NULL;
    c = load_acquire(&chunks[i]);
    if (unlikely(!c) && !(c = make_chunk(i)))
        return NULL;
    return &c[(unsigned)fd % CHUNK];
}

/* --- Events --- */

static void wake_all(struct list *waiters, enum wake_reason why)
{
    while (!list_empty(waiters)) {
        struct fd_node *n = container_of(waiters->next, struct fd_node, link);

        list_del(&n->link);
        n->linked = false;
        waiter_wake_batch(n->w, n->ticket, why);
    }
}

/* Poller's lock held. */
static bool on_event(struct fdesc *d, struct fd_side *s)
{
    struct list *it, *tmp;
    bool one = false, keep = true;

    lock(&d->lk);
    if (unlikely(s->watch.refused)) { /* all look for themselves */
        s->armed = keep = false;
        wake_all(&s->waiters, W_WOKEN);
    } else if (list_empty(&s->waiters)) {
        if (++s->idle_events >= 2) {
            s->armed = false;
            keep = false;
        }
    } else {
        list_for_each_safe (it, tmp, &s->waiters) {
            struct fd_node *n = container_of(it, struct fd_node, link);

            if (!n->shared && one)
                continue;
            list_del(it);
            n->linked = false;
            if (waiter_wake_batch(n->w, n->ticket, W_WOKEN) && !n->shared)
                one = true;
        }
        s->idle_events = 0;
    }
    unlock(&d->lk);
    return keep;
}
static bool on_read(struct poller_watch *w)
{
    struct fd_side *s = container_of(w, struct fd_side, watch);

    return on_event(container_of(s, struct fdesc, side[FD_READ]), s);
}
static bool on_write(struct poller_watch *w)
{
    struct fd_side *s = container_of(w, struct fd_side, watch);

    return on_event(container_of(s, struct fdesc, side[FD_WRITE]), s);
}

/* --- Waiting --- */

static struct poller *home_of(struct fdesc *d)
{
    struct poller *h = load_acquire(&d->home);
    struct vthread *v = vthr_self;

    if (h)
        return h;
    return v && v->proc ? &v->proc->poller : &vthr_procs[0].poller;
}

static void arm(struct fdesc *d, enum fd_dir dir)
{
    struct fd_side *s = &d->side[dir];
    struct poller *p;
    int r = 0;

    for (;;) { /* until the home that we locked is the one that counts */
        p = home_of(d);
        lock(&p->lk);
        lock(&d->lk);
        if (!d->home || d->home == p)
            break;
        unlock(&d->lk);
        unlock(&p->lk);
    }
    if (!d->home)
        r = poller_tries_locked(p, d->fd, d->kind != FD_STREAM && d->kind != FD_SOCKET);
    if (r) { /* closed by a route that we did not see, or not to be watched: each finds out */
        d->unwatched = r == -ELOOP;
        wake_all(&s->waiters, W_WOKEN);
    } else if (!s->armed && !d->closing && !list_empty(&s->waiters)) {
        store_release(&d->home, p);
        s->armed = true;
        s->idle_events = 0;
        poller_watch_start_locked(p, &s->watch, d->fd, dir == FD_WRITE);
    }
    unlock(&d->lk);
    unlock(&p->lk);
    poller_changed(p);
}

void fd_link(struct fdesc *d, enum fd_dir dir, struct fd_node *n, struct waiter *w, uint64_t ticket, bool shared)
{
    struct fd_side *s = &d->side[dir];
    bool need_arm;

    n->w = w;
    n->ticket = ticket;
    n->shared = shared;
    lock(&d->lk);
    if (unlikely(d->closing || d->gen != n->gen)) {
        n->linked = false;
        unlock(&d->lk);
        waiter_wake(w, ticket, n->gen & 1 ? W_WOKEN : W_CLOSED);
        return;
    }
    n->linked = true;
    list_add_tail(&s->waiters, &n->link);
    s->idle_events = 0;
    need_arm = !s->armed;
    unlock(&d->lk);
    if (need_arm)
        arm(d, dir);
}

void fd_link_close(struct fdesc *d, struct fd_node *n, struct waiter *w, uint64_t ticket)
{
    n->w = w;
    n->ticket = ticket;
    n->shared = true;
    lock(&d->lk);
    n->linked = !d->closing && d->gen == n->gen;
    if (n->linked)
        list_add_tail(&d->closers, &n->link);
    unlock(&d->lk);
    if (!n->linked)
        waiter_wake(w, ticket, W_CLOSED);
}

void fd_unlink(struct fdesc *d, struct fd_node *n)
{
    lock(&d->lk); /* also when it is off the list: whoever took it off may still be looking at it */
    if (n->linked) {
        list_del(&n->link);
        n->linked = false;
    }
    unlock(&d->lk);
}

enum wake_reason fd_wait(struct fdesc *d, enum fd_dir dir, uint32_t gen, uint64_t deadline)
{
    struct waiter *w = &vthr_self->w;
    struct fd_node n = { .gen = gen };
    enum wake_reason r;

    fd_link(d, dir, &n, w, waiter_prepare(w, wait_on(dir == FD_READ ? WAIT_READ : WAIT_WRITE, d)), false);
    r = waiter_park(w, deadline);
    lock(&d->lk); /* the waker may still be inside on_event with our node */
    if (n.linked) {
        list_del(&n.link);
        n.linked = false;
    }
    unlock(&d->lk);
    return r;
}

/* --- Closing --- */

static bool not_our_table(void)
{
    return (int)SYS0(SYS_getpid) != table_pid;
}

static void forget(struct fdesc *d)
{
    d->kind = FD_UNKNOWN;
    d->unwatched = false;
    d->family = FD_FAMILY_UNKNOWN;
    fd_forget_modes(d);
    for (int i = 0; i < 2; i++) {
        d->side[i].drained = false;
        d->side[i].misses = d->side[i].guesses = 0;
    }
}

void fd_look_again(int fd)
{
    struct fdesc *d = fd_peek(fd);
    struct vthread *v;

    if (!d)
        return;
    v = wake_enter();
    lock(&d->lk);
    wake_all(&d->side[FD_READ].waiters, W_WOKEN);
    wake_all(&d->side[FD_WRITE].waiters, W_WOKEN);
    unlock(&d->lk);
    wake_leave(v);
}

/* The entry of a number that is about to be closed.  One that nobody waited for yet may have none, and somebody may be about to: had
 * the close no bracket, that wait would stay with the old file.  Numbers that are not open (a loop over all) make no entries. */
static struct fdesc *entry_to_close(int fd)
{
    struct fdesc *d = fd_peek(fd);

    if (likely(d) || SYS2(SYS_fcntl, fd, F_GETFD) < 0 || (table_pid && not_our_table()))
        return d;
    return fd_get(fd);
}

struct fdesc *fd_close_begun(int fd)
{
    struct fdesc *d = entry_to_close(fd);
    struct poller *p;
    struct vthread *v;

    if (!d || ((load_relaxed(&d->home) || load_relaxed(&d->kind)) && not_our_table()))
        return NULL;
    v = wake_enter();
    for (;;) {
        p = load_acquire(&d->home);
        if (p)
            lock(&p->lk);
        lock(&d->lk);
        if (d->home == p)
            break;
        unlock(&d->lk);
        if (p)
            unlock(&p->lk);
    }
    d->closing++;
    store_release(&d->gen, (d->gen | 1) + 2);
    forget(d);
    for (int i = 0; i < 2; i++) {
        if (d->side[i].armed)
            poller_watch_stop_locked(p, &d->side[i].watch);
        d->side[i].armed = false;
        wake_all(&d->side[i].waiters, W_CLOSED);
    }
    wake_all(&d->closers, W_CLOSED);
    if (p)
        poller_forget_locked(p, fd);
    store_release(&d->home, NULL);
    unlock(&d->lk);
    if (p)
        unlock(&p->lk);
    wake_leave(v);
    return d;
}
void fd_close_begin(int fd)
{
    fd_close_begun(fd);
}

void fd_close_end(int fd)
{
    struct fdesc *d = fd_peek(fd);

    if (d && load_relaxed(&d->closing) && !not_our_table())
        fd_close_ended(d);
}
void fd_close_ended(struct fdesc *d)
{
    if (!d)
        return;
    lock(&d->lk);
    if (d->closing && --d->closing == 0)
        store_release(&d->gen, d->gen & ~1u);
    unlock(&d->lk);
}

static void each_known(unsigned lo, unsigned hi, void (*fn)(int))
{
    for (unsigned i = lo / CHUNK; i < MAX_CHUNKS && i <= hi / CHUNK; i++) {
        if (!load_acquire(&chunks[i]))
            continue;
        for (unsigned fd = i * CHUNK; fd < (i + 1) * CHUNK; fd++)
            if (fd >= lo && fd <= hi)
                fn((int)fd);
    }
}
/* As entry_to_close makes one entry: the numbers that are open say which chunks there must be. */
static void know_open(unsigned lo, unsigned hi)
{
    long dir = SYS4(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
    uint64_t buf[256];

    while (dir >= 0 && (n = SYS3(SYS_getdents64, dir, buf, sizeof buf)) > 0)
        for (const char *at = (const char *)buf; at < (const char *)buf + n; at += ((const struct dirent64 *)at)->d_reclen) {
            const char *name = ((const struct dirent64 *)at)->d_name;
            unsigned fd = 0;

            for (; *name >= '0' && *name <= '9'; name++)
                fd = fd * 10 + (unsigned)(*name - '0');
            if (*name == 0 && fd != dir && fd >= lo && fd <= hi)
                fd_get((int)fd);
        }
    if (dir >= 0)
        SYS1(SYS_close, dir);
}

void fd_close_range_begin(unsigned lo, unsigned hi)
{
    know_open(lo, hi);
    each_known(lo, hi, fd_close_begin);
}
void fd_close_range_end(unsigned lo, unsigned hi)
{
    each_known(lo, hi, fd_close_end);
}

void fd_fresh(int fd)
{
    struct fdesc *d = fd_peek(fd);

    if (!d)
        return;
    if (!load_relaxed(&d->kind) && !load_relaxed(&d->home)) {
        d->family = FD_FAMILY_UNKNOWN;
        fd_forget_modes(d);
        return;
    }
    /* Known under this number: it was closed by a route that we did not see. */
    fd_close_begin(fd);
    fd_close_end(fd);
}

void fd_fresh_passed(const struct msghdr *m)
{
    struct msghdr copy = *m; /* CMSG_NXTHDR wants one that it may change */

    for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c)) {
        int fd;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof fd <= c->cmsg_len; at += sizeof fd) {
            memcpy(&fd, (char *)c + at, sizeof fd);
            fd_fresh(fd);
        }
    }
}

/* --- What is known of a descriptor --- */

enum fd_kind fd_learn_kind(struct fdesc *d)
{
    struct stat st;
    int type = 0;
    unsigned len = sizeof type;
    enum fd_kind k;

    if (d->kind != FD_UNKNOWN)
        return d->kind;
    if (SYS2(SYS_fstat, d->fd, &st) < 0)
        return FD_UNKNOWN;
    d->anonymous = (st.st_mode & S_IFMT) == 0;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        k = FD_FILE;
    else if (!S_ISSOCK(st.st_mode))
        k = FD_FLOW;
    else if (SYS5(SYS_getsockopt, d->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM)
        k = FD_STREAM;
    else
        k = FD_SOCKET;
    d->kind = k;
    return k;
}

bool fd_is_local(struct fdesc *d)
{
    int domain = 0;
    unsigned len = sizeof domain;

    if (d->family == FD_FAMILY_UNKNOWN)
        d->family = SYS5(SYS_getsockopt, d->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX ? FD_LOCAL
                                                                                                               : FD_NOT_LOCAL;
    return d->family == FD_LOCAL;
}

/* --- fork --- */

void fdtab_reset_child(void)
{
    lock_init(&grow_lk, RANK_FDTAB);
    table_pid = (int)SYS0(SYS_getpid);
    fd_modes_reset_child();
    for (unsigned i = 0; i < chunks_end; i++) { /* not all of MAX_CHUNKS: each page of pointers would be a fault in the child */
        struct fdesc *c = chunks[i];

        for (int k = 0; c && k < CHUNK; k++) {
            lock_init(&c[k].lk, RANK_FD);
            c[k].home = NULL;
            c[k].closing = 0;
            c[k].gen &= ~1u;
            c[k].accepting = 0;
            list_init(&c[k].closers);
            forget(&c[k]);
            for (int s = 0; s < 2; s++) {
                c[k].side[s].armed = false;
                list_init(&c[k].side[s].waiters);
            }
        }
    }
}
