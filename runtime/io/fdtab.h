/* The descriptor table: what the runtime knows of each descriptor number, and waiting for it to become ready.
 *
 * Watchers stay armed between waits (level-triggered), so that steady traffic needs no epoll_ctl; one that fires twice with
 * nobody waiting is stopped.  close, dup2 and friends bracket the real call with fd_close_begin/fd_close_end: the generation
 * changes, waiters wake (W_CLOSED), watchers stop.
 *
 * What is remembered of a descriptor lives for one generation; of its modes: mode.h. */
#pragma once
#include "runtime/base/list.h"
#include "runtime/io/poller.h"
#include "runtime/sched/vthread.h"
#include <sys/socket.h>

enum fd_dir { FD_READ = 0, FD_WRITE = 1 };

enum fd_kind {
    FD_UNKNOWN,
    FD_FILE,   /* regular file, directory, block device: never polls, may block on the disk */
    FD_STREAM, /* stream socket */
    FD_SOCKET, /* another socket */
    FD_FLOW,   /* pipe, eventfd, ...: RWF_NOWAIT works */
    FD_OTHER   /* RWF_NOWAIT does not work: terminals, FIFOs, inotify */
};

enum fd_family { FD_FAMILY_UNKNOWN, FD_LOCAL, FD_NOT_LOCAL }; /* of a socket: AF_UNIX or not */

struct fd_node { /* one waiter on one direction of one descriptor; on the waiter's stack */
    struct list link;
    struct waiter *w;
    uint64_t ticket;
    uint32_t gen; /* of the descriptor, when its state was last looked at */
    bool linked;  /* protected by fdesc.lk */
    bool shared;  /* poll and friends: an event wakes all of these, and one of the others */
};

struct fd_side {
    struct poller_watch watch;
    struct list waiters; /* FIFO; protected by fdesc.lk */
    bool armed;          /* protected by fdesc.lk, changed under home->lk too */
    uint8_t idle_events; /* events since somebody last waited */
    bool drained;        /* hint: the last read took all there was */
    uint8_t misses;      /* hint: calls in a row whose first attempt found nothing; see io_wait_first */
    uint8_t guesses;     /* waits without an attempt before since the last attempt that came first */
};

struct fdesc {
    struct vthr_lock lk;
    int fd;
    uint32_t gen;         /* see fd_gen; written under lk */
    uint32_t closing;     /* inside a close bracket */
    uint8_t kind;         /* enum fd_kind */
    uint8_t family;       /* enum fd_family */
    bool anonymous;       /* no file of any type: an eventfd, if it can be written to */
    bool unwatched;       /* epoll does not take it: whoever waits for it must block; written under lk */
    bool blocking;        /* O_NONBLOCK was clear when last asked, at mode_epoch; this and the next six: mode.c */
    bool low_water;       /* SO_RCVLOWAT was more than 1 */
    uint32_t mode_epoch, timeo_epoch, low_epoch;
    uint32_t no_wait;     /* hint: O_NONBLOCK was set, and no call of ours has cleared it anywhere since (see fd_no_wait) */
    uint64_t timeo[2];    /* SO_RCVTIMEO, SO_SNDTIMEO in ns; 0 none */
    uint64_t stamp;       /* when it was made: see mode.h */
    struct poller *home;  /* where the watchers are; NULL: none armed */
    uint32_t accepting;   /* 1: a vthread is in accept */
    struct list closers;  /* fd_nodes that want to know of a close only; protected by lk */
    struct fd_side side[2];
};

VTHR_BEGIN_DECLS
/* The entry, made at first use.  NULL: fd is negative or too large, or no memory. */
struct fdesc *fd_get(int fd);
/* The entry if it exists. */
struct fdesc *fd_peek(int fd);

/* The generation: what stands behind the number changed between two looks that differ.  Read it before the file is asked whether
 * it is ready, and hand it to the wait that follows: a close in between ends the wait at once (W_CLOSED).  Odd: inside a close
 * bracket, when nobody can say which file was asked; the wait ends with W_WOKEN, and a new look is due. */
static inline uint32_t fd_gen(const struct fdesc *d)
{
    return load_acquire(&d->gen);
}

/* Parks the vthread (inside the runtime) until the direction may be ready.  W_WOKEN also means: try again. */
enum wake_reason fd_wait(struct fdesc *d, enum fd_dir dir, uint32_t gen, uint64_t deadline);

/* For waits on many descriptors: set gen in n nodes and look, link them, park by waiter_park, unlink. */
void fd_link(struct fdesc *d, enum fd_dir dir, struct fd_node *n, struct waiter *w, uint64_t ticket, bool shared);
/* Wakes when the descriptor is closed, without watching it. */
void fd_link_close(struct fdesc *d, struct fd_node *n, struct waiter *w, uint64_t ticket);
void fd_unlink(struct fdesc *d, struct fd_node *n);

/* The state of the file behind fd was changed by a call of ours: all who wait for it look again. */
void fd_look_again(int fd);
void fd_close_begin(int fd);
void fd_close_end(int fd);
/* The same for one caller that brackets its own call: what the one returned is the other's argument, and saves it a system call. */
struct fdesc *fd_close_begun(int fd);
void fd_close_ended(struct fdesc *d);
/* The same for all descriptors from lo to hi, both included. */
void fd_close_range_begin(unsigned lo, unsigned hi);
void fd_close_range_end(unsigned lo, unsigned hi);
/* A new descriptor came into being behind the number: forget what was known. */
void fd_fresh(int fd);
/* The same for all that came with a message (SCM_RIGHTS). */
void fd_fresh_passed(const struct msghdr *m);
enum fd_kind fd_learn_kind(struct fdesc *d);
bool fd_is_local(struct fdesc *d); /* a Unix socket; asks the kernel once */

/* The table has a say in what the caller does to descriptors: not before activation, nor in the runtime's own calls, nor in a
 * vfork child. */
static inline bool fd_tracked(void)
{
    struct vthread *v = vthr_self;

    return vthr_active && !(v && (v->in_rt || v->hooks_off));
}

void fdtab_reset_child(void); /* no vthread waits for anything, no watcher is armed */
VTHR_END_DECLS
