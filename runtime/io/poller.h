/* A poller: a libev loop with its lock.  One per processor; the only user of libev.
 *
 * The lock is held while watchers change and while libev looks and runs callbacks; never while anybody sleeps, and never while user
 * code runs.  The sleep is a system call of our own on libev's epoll descriptor (which is itself pollable), so that no
 * event is in hand while others change things: one that libev had taken from the kernel for a descriptor which another thread forgets
 * meanwhile is a stray to it, and it answers strays by making its epoll descriptor anew. */
#pragma once
#include "runtime/base/lock.h"

/* Storage for a struct ev_io, whose size is checked in poller.c. */
struct ev_storage {
    uint64_t words[8];
};

struct poller_watch {
    struct ev_storage ev;
    /* Runs with the poller's lock held.  False: nobody waits, stop watching. */
    bool (*fn)(struct poller_watch *);
    bool refused; /* set before fn runs: epoll does not take the descriptor, the watch has ended */
};

/* System calls, by what they are for; written with the lock held. */
struct poller_counters {
    uint64_t looks;    /* epoll_wait */
    uint64_t sleeps;   /* epoll_pwait2 */
    uint64_t armings;  /* of these, with a deadline */
    uint64_t wakeups;  /* read of the eventfd; as many writes */
    uint64_t timeouts; /* and ended by it */
    uint64_t changes;  /* epoll_ctl at the most: watchers started and stopped, which libev may merge */
};

struct poller {
    struct vthr_lock lk;
    void *loop;        /* struct ev_loop; protected by lk */
    int epfd;          /* libev's epoll descriptor; -1: not known, libev's own sleep is used */
    int wakefd, tfd;   /* eventfd that ends a sleep; timerfd for the next deadline, where epfd is not known */
    struct poller_watch wake, timer;
    struct ev_storage renewal; /* struct ev_fork: runs before libev makes its epoll descriptor anew */
    bool renewed;      /* it did: epfd is out of date */
    uint64_t armed_at; /* what tfd is set to; protected by lk */
    bool changed;      /* watchers that libev has not told epoll yet; protected by lk */
    uint32_t fired;    /* callbacks run; protected by lk */
    struct poller_counters count;
    uint32_t in_wait;  /* the owner sleeps: changes need a kick to be seen */
};

VTHR_BEGIN_DECLS
/* 0, or -errno with *why set (no libev, no descriptors left). */
int poller_init(struct poller *p, const char **why);
void poller_term(struct poller *p);
/* In a forked child: closes the descriptors; the loop, which another thread may have been changing, is left alone. */
void poller_abandon(struct poller *p);
/* Looks once without waiting; callbacks make vthreads ready. */
void poller_poll(struct poller *p);
/* Sleeps until an event, a kick or `deadline`; not at all once *still is 0. */
void poller_wait(struct poller *p, uint64_t deadline, const uint32_t *still);
void poller_kick(struct poller *p);

/* Watch for reading (write == false) or writing.  Lock held by the caller for the _locked forms. */
void poller_watch_start_locked(struct poller *p, struct poller_watch *w, int fd, bool write);
void poller_watch_stop_locked(struct poller *p, struct poller_watch *w);
/* fd is about to be closed.  Its file may live on (a duplicate, another process), and epoll with it: without this its events
 * would go on coming, and libev answers such strays by making its epoll descriptor anew.  Lock held. */
void poller_forget_locked(struct poller *p, int fd);
/* Before the first watch on fd.  0, or why epoll does not take it, which libev might answer by an abort: -EBADF, no such descriptor;
 * -ELOOP, an epoll instance that watches others, as deep as the kernel allows.  may_nest: it can be one.  Lock held. */
int poller_tries_locked(struct poller *p, int fd, bool may_nest);
/* To be called after the lock was released: makes a sleeping owner see the new watcher. */
void poller_changed(struct poller *p);

struct poller_ops { /* so that tests can make descriptor creation fail */
    int (*eventfd)(void);
    int (*timerfd)(void);
};
extern struct poller_ops vthr_poller_ops;
VTHR_END_DECLS
