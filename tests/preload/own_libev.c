// A program that uses libev itself: loops begun before the first thread and after it, growing beside threads that wait.
#include "check.h"
#include <ev.h>
#include <sys/eventfd.h>

enum { WATCHERS = 200 };

struct set {
    ev_io io[WATCHERS];
    ev_timer timer[WATCHERS];
    int fd[WATCHERS], got, rang;
};

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
    struct set *s = w->data;
    uint64_t n;
    (void)events;
    CHECK_EQ(read(w->fd, &n, sizeof n), (ssize_t)sizeof n);
    ev_io_stop(loop, w);
    s->got++;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    ((struct set *)w->data)->rang++;
}

static void grow(struct ev_loop *loop, struct set *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        CHECK((s->fd[i] = eventfd(0, 0)) >= 0);
        ev_io_init(&s->io[i], on_io, s->fd[i], EV_READ);
        ev_timer_init(&s->timer[i], on_timer, 0.001 * (i % 7), 0.);
        s->io[i].data = s->timer[i].data = s;
        ev_io_start(loop, &s->io[i]);
        ev_timer_start(loop, &s->timer[i]);
    }
}

static void serve(struct ev_loop *loop, struct set *s)
{
    uint64_t one = 1;
    for (int i = 0; i < WATCHERS; i++)
        CHECK_EQ(write(s->fd[i], &one, sizeof one), (ssize_t)sizeof one);
    ev_run(loop, 0);
    CHECK_EQ(s->got, WATCHERS);
    CHECK_EQ(s->rang, WATCHERS);
    for (int i = 0; i < WATCHERS; i++)
        close(s->fd[i]);
}

static void *whole(void *arg)
{
    struct ev_loop *loop = ev_loop_new(0);
    CHECK(loop);
    grow(loop, arg, 0, WATCHERS);
    serve(loop, arg);
    ev_loop_destroy(loop);
    return NULL;
}

static struct set first, second, third;

int main(void)
{
    struct ev_loop *loop = ev_default_loop(0);
    CHECK(loop);
    grow(loop, &first, 0, 3); // what it allocates here is the C library's
    pthread_t a = start(whole, &second), b = start(whole, &third);
    grow(loop, &first, 3, WATCHERS);
    serve(loop, &first);
    finish(a);
    finish(b);
    puts("done");
    return 0;
}
