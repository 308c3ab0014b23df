/* POSIX message queues: their descriptors can be polled, and a timeout that is long past makes an attempt that does not wait (the
 * kernel looks for a message, or for room, before it looks at the time).
 *
 * A vthread that waits here is not in the kernel's queue of receivers, so a process that has asked for mq_notify is told of a message
 * that comes meanwhile, which natively it would not be. */
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/cancel.h"
#include <errno.h>

/* A wait until a point of CLOCK_REALTIME looks at that clock again this often: it may be set meanwhile. */
#define RECHECK_NS NSEC_PER_SEC

struct message {
    long nr; /* SYS_mq_timedsend or SYS_mq_timedreceive */
    int mq;
    char *buf;
    size_t n;
    long prio; /* a value to send, the address of one to receive */
};

static long attempt(const struct message *m)
{
    static const struct timespec past;

    return SYS5(m->nr, m->mq, m->buf, m->n, m->prio, &past);
}

/* When to look again.  0: the time is over. */
static uint64_t next_look(const struct timespec *t)
{
    uint64_t now = now_ns(), end = t ? deadline_at(CLOCK_REALTIME, t) : NO_DEADLINE;

    if (end <= now)
        return 0;
    return t && end - now > RECHECK_NS ? now + RECHECK_NS : end;
}

static long pass(struct vthread *v, const struct message *m, const struct timespec *t)
{
    struct fdesc *d = fd_get(m->mq);
    struct io_wait w;
    long r;

    cancel_point(v);
    if (t && bad_address(t))
        return -EFAULT;
    if (t && (!ts_valid(t) || t->tv_sec < 0))
        return -EINVAL;
    if (!d)
        return attempt(m);
    io_wait_init(v, &w, d, m->nr == SYS_mq_timedsend ? FD_WRITE : FD_READ);
    w.asked = w.restartable = true; /* signal(7): with a timeout, too */
    for (;;) {
        r = attempt(m);
        if (r != -ETIMEDOUT && r != -EINTR)
            return r; /* -EAGAIN among them: O_NONBLOCK */
        w.deadline = next_look(t);
        if (!w.deadline)
            return -ETIMEDOUT;
        r = io_wait_more(v, &w);
        if (r && r != -EAGAIN)
            return r;
    }
}

long io_mq_receive(struct vthread *v, int mq, char *buf, size_t n, unsigned *prio, const struct timespec *t)
{
    struct message m = { SYS_mq_timedreceive, mq, buf, n, (long)prio };

    return pass(v, &m, t);
}

long io_mq_send(struct vthread *v, int mq, const char *buf, size_t n, unsigned prio, const struct timespec *t)
{
    struct message m = { SYS_mq_timedsend, mq, (char *)(uintptr_t)buf, n, (long)prio };

    return pass(v, &m, t);
}
