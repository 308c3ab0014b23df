/* Calls on descriptors that park instead of blocking.  All run on a vthread outside the runtime and return the value
 * of the system call or -errno.  Each is a cancellation point. */
#pragma once
#include "runtime/sched/vthread.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

VTHR_BEGIN_DECLS
long io_read(struct vthread *v, int fd, void *buf, size_t n);
long io_write(struct vthread *v, int fd, const void *buf, size_t n);
long io_readv(struct vthread *v, int fd, const struct iovec *iov, int n);
long io_writev(struct vthread *v, int fd, const struct iovec *iov, int n);
long io_recvfrom(struct vthread *v, int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *alen);
long io_recvmsg(struct vthread *v, int fd, struct msghdr *m, int flags);
long io_sendto(struct vthread *v, int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t alen);
long io_sendmsg(struct vthread *v, int fd, const struct msghdr *m, int flags);
long io_recvmmsg(struct vthread *v, int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout);
long io_sendmmsg(struct vthread *v, int fd, struct mmsghdr *m, unsigned n, int flags);
long io_accept4(struct vthread *v, int fd, struct sockaddr *a, socklen_t *alen, int flags);
long io_connect(struct vthread *v, int fd, const struct sockaddr *a, socklen_t alen);

/* offset -1: the current position.  flags: RWF_*. */
long io_preadv2(struct vthread *v, int fd, const struct iovec *iov, int n, off_t at, int flags);
long io_pwritev2(struct vthread *v, int fd, const struct iovec *iov, int n, off_t at, int flags);
long io_sendfile(struct vthread *v, int out, int in, off_t *at, size_t n);
long io_splice(struct vthread *v, int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
long io_tee(struct vthread *v, int in, int out, size_t n, unsigned flags);
long io_vmsplice(struct vthread *v, int fd, const struct iovec *iov, size_t n, unsigned flags);

/* Message queues.  t: absolute on CLOCK_REALTIME, or NULL. */
long io_mq_receive(struct vthread *v, int mq, char *buf, size_t n, unsigned *prio, const struct timespec *t);
long io_mq_send(struct vthread *v, int mq, const char *buf, size_t n, unsigned prio, const struct timespec *t);

/* Waiting for children. */
long io_wait4(struct vthread *v, pid_t pid, int *status, int options, struct rusage *ru);
long io_waitid(struct vthread *v, idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *ru);
/* This process traces others: its waits end for more reasons than an end. */
void io_traces(void);

/* timeout NULL: none.  mask NULL: the signal mask stays. */
long io_ppoll(struct vthread *v, struct pollfd *fds, nfds_t n, const struct timespec *timeout, const uint64_t *mask);
long io_pselect(struct vthread *v, int n, fd_set *r, fd_set *w, fd_set *e, struct timespec *timeout, const uint64_t *mask,
                bool update_timeout);
long io_epoll_wait(struct vthread *v, int epfd, struct epoll_event *ev, int max, const struct timespec *timeout, const uint64_t *mask);

/* 0, or -EINTR or -ECANCELED with *left set (relative sleeps). */
long io_sleep(struct vthread *v, clockid_t clk, bool absolute, const struct timespec *t, struct timespec *left);
/* As sched_yield(2). */
void io_yield(struct vthread *v);
VTHR_END_DECLS
