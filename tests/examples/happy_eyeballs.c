/* Connecting to the first of several addresses that answers: a new attempt every so often, or at once when one failed; each attempt has a
 * deadline of its own inside that of the whole. The winner cancels the others, and nobody leaks a descriptor. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vthr.h>

#define ATTEMPTS 3

struct attempt {
    struct sockaddr_in to;
    vthr_channel *failed; /* an attempt that ended without a connection says so */
    vthr_channel *won;
};

static int try_one(const struct attempt *a, int *fd)
{
    vthr_scope *s;
    int r = vthr_scope_open(&s);

    if (r)
        return r;
    vthr_scope_timeout(s, VTHR_S(2)); /* inside the deadline of the whole: the earlier one counts */
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*fd < 0 || connect(*fd, (const struct sockaddr *)&a->to, sizeof a->to)) {
        r = errno;
        if (*fd >= 0)
            close(*fd);
    }
    vthr_scope_leave(s);
    return r;
}
static int attempt(void *arg, void **value)
{
    const struct attempt *a = arg;
    int fd, r = try_one(a, &fd);

    (void)value;
    if (r)
        return vthr_try_send(a->failed, &r), 0; /* no failure of the whole */
    if (vthr_try_send(a->won, &fd))
        close(fd); /* somebody else was first */
    return 0;
}

/* The descriptor, or a negated errno value. */
static int connect_any(struct attempt *a, int n)
{
    int fd = -EHOSTUNREACH, late, reason, open = 0, next = 0;
    vthr_channel *failed, *won;
    vthr_scope *s;

    if (vthr_scope_open(&s) || vthr_channel_new(&failed, sizeof(int), ATTEMPTS) || vthr_channel_new(&won, sizeof(int), 1))
        return -ENOMEM;
    vthr_scope_timeout(s, VTHR_S(10));
    while (next < n || open > 0) {
        vthr_case c[] = {
            vthr_on_receive(won, &fd),
            vthr_on_receive(failed, &reason),
            next < n ? vthr_on_time(open ? vthr_after(VTHR_MS(250)) : vthr_now()) : vthr_off(),
        };
        int i = vthr_select(c, 3);

        if (i == 1)
            open--;
        else if (i != 2)
            break;
        if (next < n) {
            a[next].failed = failed;
            a[next].won = won;
            open += vthr_spawn(s, NULL, attempt, &a[next++]) == 0;
        }
    }
    vthr_scope_cancel(s);
    vthr_scope_leave(s);
    if (vthr_try_receive(won, &late) == 0) { /* in the last moment */
        if (fd < 0)
            fd = late;
        else
            close(late);
    }
    vthr_channel_free(failed);
    vthr_channel_free(won);
    return fd;
}

static int listener(struct sockaddr_in *a, int backlog)
{
    socklen_t len = sizeof *a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof *a) || getsockname(fd, (struct sockaddr *)a, &len) ||
        (backlog && listen(fd, backlog)))
        return -1;
    return fd;
}

int main(void)
{
    struct attempt a[ATTEMPTS] = { 0 };
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int fd, right;

    /* Nobody listens at the first two. */
    if (listener(&a[0].to, 0) < 0 || listener(&a[1].to, 0) < 0 || listener(&a[2].to, 5) < 0)
        return 1;
    fd = connect_any(a, ATTEMPTS);
    if (fd < 0 || getpeername(fd, (struct sockaddr *)&peer, &len))
        return 1;
    right = peer.sin_port == a[2].to.sin_port;
    close(fd);
    printf("connected to the one that listens: %s; ", right ? "yes" : "no");
    fd = connect_any(a, 2);
    printf("to none of two: %s\n", fd == -EHOSTUNREACH ? "EHOSTUNREACH" : "?");
    return 0;
}
