/* Descriptors in a select: asked by poll(2) that does not wait, waited for as poll's are (io/pollset.c).  First their generations are
 * noted, then they are asked, then linked, so that a close in between ends the wait. */
#include "runtime/api/select.h"
#include <errno.h>
#include <poll.h>

#define AT_ONCE 32
#define TURN_NS 5000000ull

static bool is_fd(const vthr_case *c)
{
    return c->kind == VTHR_CASE_READABLE || c->kind == VTHR_CASE_WRITABLE;
}
static struct fdesc *entry(const vthr_case *c)
{
    return is_fd(c) && c->fd >= 0 && vthr_active ? fd_get(c->fd) : NULL;
}

static void ask(struct select_fd *f, const uint16_t *at, struct pollfd *p, unsigned n)
{
    sys_poll_now(p, n);
    for (unsigned i = 0; i < n; i++) {
        f[at[i]].ready = p[i].revents != 0;
        f[at[i]].result = p[i].revents & POLLNVAL ? EBADF : 0;
    }
}

void select_fd_look(struct select_fd *f, const vthr_case *cases, size_t n)
{
    struct pollfd p[AT_ONCE];
    uint16_t at[AT_ONCE];
    unsigned k = 0;

    for (size_t i = 0; i < n; i++) {
        struct fdesc *d;

        if (!is_fd(&cases[i]))
            continue;
        if (cases[i].fd < 0) {
            f[i].ready = true;
            f[i].result = EBADF;
            continue;
        }
        d = entry(&cases[i]);
        f[i].node.gen = d ? fd_gen(d) : 0;
        p[k] = (struct pollfd){ cases[i].fd, cases[i].kind == VTHR_CASE_READABLE ? POLLIN : POLLOUT, 0 };
        at[k++] = (uint16_t)i;
        if (k == AT_ONCE) {
            ask(f, at, p, k);
            k = 0;
        }
    }
    if (k)
        ask(f, at, p, k);
}

void select_fd_link(struct select_fd *f, const vthr_case *cases, size_t n, struct waiter *w, uint64_t ticket)
{
    for (size_t i = 0; i < n; i++) {
        struct fdesc *d = w->vt ? entry(&cases[i]) : NULL;

        f[i].node.w = NULL;
        f[i].node.linked = false;
        if (d)
            fd_link(d, cases[i].kind == VTHR_CASE_READABLE ? FD_READ : FD_WRITE, &f[i].node, w, ticket, true);
    }
}

void select_fd_unlink(struct select_fd *f, const vthr_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (f[i].node.w)
            fd_unlink(fd_get(cases[i].fd), &f[i].node);
}

uint64_t select_fd_turn(uint64_t end)
{
    uint64_t soon = now_ns() + TURN_NS;

    return soon < end ? soon : end;
}
