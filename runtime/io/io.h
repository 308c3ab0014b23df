/* Calls on descriptors that park instead of blocking.  All run on a vthread outside the runtime and return the value
 * of the system call or -errno.  Each is a cancellation point. */
#pragma once
#include "runtime/sched/vthread.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

VTHR_BEGIN_DECLS
long io_read(struct vthread *v, int fd, void *buf, size_t n);
long io_write(struct vthread *v, int fd, const void *buf, size_t n);
long io_readv(struct vthread *v, int fd, const struct iovec *iov, int n);
long io_writev(struct vthread *v, int fd, const struct iovec *iov, int n);
long io_recvfrom(struct vthread *v, int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *alen);
long io_recvmsg(struct vthread *v, int fd, struct msghdr *m, int flags);
long io_sendto(struct vthread *v, int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t alen);
long io_sendmsg(struct vthread *v, int fd, const struct msghdr *m, int flags);
long io_accept4(struct vthread *v, int fd, struct sockaddr *a, socklen_t *alen, int flags);
long io_connect(struct vthread *v, int fd, const struct sockaddr *a, socklen_t alen);

/* timeout NULL: none.  mask NULL: the signal mask stays. */
long io_ppoll(struct vthread *v, struct pollfd *fds, nfds_t n, const struct timespec *timeout, const uint64_t *mask);
long io_pselect(struct vthread *v, int n, fd_set *r, fd_set *w, fd_set *e, struct timespec *timeout, const uint64_t *mask,
                bool update_timeout);
long io_epoll_wait(struct vthread *v, int epfd, struct epoll_event *ev, int max, int timeout_ms, const uint64_t *mask);

/* 0, or -EINTR with *left set (relative sleeps). */
long io_sleep(struct vthread *v, clockid_t clk, bool absolute, const struct timespec *t, struct timespec *left);
/* As sched_yield(2). */
void io_yield(struct vthread *v);
VTHR_END_DECLS
