/* What poll, select and epoll_wait share: a wait on a set of descriptors, and the scope of a p-form's signal mask. */
#pragma once
#include "runtime/io/fdtab.h"
#include "runtime/io/io.h"
#include "runtime/sched/sched.h"

/* Signal masks of the p-forms are virtual masks: set, wait, handlers run, restored. */
struct mask_scope {
    struct vthread *v;
    uint64_t old;
    bool set;
};

VTHR_BEGIN_DECLS
/* mask NULL: it stays.  Forgets which handlers ran before. */
void mask_begin(struct mask_scope *s, struct vthread *v, const uint64_t *mask);
void mask_end(struct mask_scope *s);

/* *out: CLOCK_MONOTONIC ns, NO_DEADLINE for t == NULL, 0: do not wait.  0, -EFAULT or -EINVAL. */
int pollset_deadline(const struct timespec *t, uint64_t *out);
/* poll(2) until the deadline.  revents are set.  The count, 0 at the deadline, or -errno (-EINTR: a handler ran or the
 * vthread is cancelled; -ECANCELED). */
long pollset_wait(struct vthread *v, struct pollfd *fds, nfds_t n, uint64_t deadline);

/* The wait itself, for sets of events that are readable and writable only.  nodes: two per descriptor.  First note, then ask
 * the kernel what is ready, then park: a file that is closed in between ends the wait at once with W_CLOSED. */
void pollset_note(const struct pollfd *fds, nfds_t n, struct fd_node *nodes);
/* True when one of them cannot be parked on: the wait must block. */
bool pollset_unwatched(const struct pollfd *fds, nfds_t n);
enum wake_reason pollset_park(struct vthread *v, const struct pollfd *fds, nfds_t n, struct fd_node *nodes, uint64_t deadline,
                              struct wait_on what);
VTHR_END_DECLS
