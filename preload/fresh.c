/* Calls by which a descriptor comes into being or goes away inside libc.
 *
 * The descriptor table forgets a number when a hooked call closes it.  Some calls of libc close or replace descriptors without a
 * call that we see, and what is remembered of the old file, an armed watcher above all, would be taken for the new one's: so
 * those are bracketed as close is, and a number that comes into being by any of the calls below starts anew. */
#include "preload/hook.h"
#include <stdarg.h>

HOOK int closedir(DIR *dir)
{
    int fd = vthr_parkable() ? dirfd(dir) : -1, r;

    if (fd < 0)
        return REAL(closedir)(dir);
    fd_close_begin(fd);
    r = REAL(closedir)(dir);
    fd_close_end(fd);
    return r;
}
/* Makes fd the descriptors 0 to 2. */
HOOK int login_tty(int fd)
{
    int r;

    if (!vthr_parkable())
        return REAL(login_tty)(fd);
    fd_close_range_begin(0, 2);
    fd_close_begin(fd);
    r = REAL(login_tty)(fd);
    fd_close_end(fd);
    fd_close_range_end(0, 2);
    return r;
}
HOOK int pipe(int fds[2])
{
    return BORN_PAIR(fds, REAL(pipe)(fds));
}
HOOK int pipe2(int fds[2], int flags)
{
    return BORN_PAIR(fds, REAL(pipe2)(fds, flags));
}
HOOK int eventfd(unsigned value, int flags)
{
    return BORN(REAL(eventfd)(value, flags));
}
HOOK int timerfd_create(clockid_t clk, int flags)
{
    return BORN(REAL(timerfd_create)(clk, flags));
}
HOOK int signalfd(int fd, const sigset_t *set, int flags)
{
    int r = REAL(signalfd)(fd, set, flags);

    return fd == r ? r : fresh(r);
}
HOOK int epoll_create(int size)
{
    return fresh(REAL(epoll_create)(size));
}
HOOK int epoll_create1(int flags)
{
    return fresh(REAL(epoll_create1)(flags));
}
HOOK int inotify_init(void)
{
    return fresh(REAL(inotify_init)());
}
HOOK int inotify_init1(int flags)
{
    return fresh(REAL(inotify_init1)(flags));
}
HOOK int fanotify_init(unsigned flags, unsigned file_flags)
{
    return fresh(REAL(fanotify_init)(flags, file_flags));
}
HOOK int memfd_create(const char *name, unsigned flags)
{
    return fresh(REAL(memfd_create)(name, flags));
}
HOOK int pidfd_open(pid_t pid, unsigned flags)
{
    return fresh(REAL(pidfd_open)(pid, flags));
}
HOOK int pidfd_getfd(int pidfd, int fd, unsigned flags)
{
    return fresh(REAL(pidfd_getfd)(pidfd, fd, flags));
}
HOOK int open_by_handle_at(int dir, struct file_handle *handle, int flags)
{
    return fresh(REAL(open_by_handle_at)(dir, handle, flags));
}
HOOK mqd_t mq_open(const char *name, int flags, ...)
{
    va_list ap;
    mode_t mode;
    struct mq_attr *attr;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    attr = va_arg(ap, struct mq_attr *);
    va_end(ap);
    return fresh(REAL(mq_open)(name, flags, mode, attr));
}
HOOK mqd_t __mq_open_2(const char *name, int flags)
{
    return mq_open(name, flags);
}
