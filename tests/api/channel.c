// Channels: every element is received once, in order for each sender, whatever the capacity, the element's size, the numbers of
// senders and receivers, and whoever is cancelled meanwhile.
#include "tests/preload/check.h"
#include <stdbool.h>
#include <stdlib.h>
#include <vthr.h>

struct element {
    long sender, number;
    char more[40];
};

static vthr_channel *ch;
static int each, n_senders, n_receivers;
static long next_of[16][16]; // by receiver and sender
static char seen[16][2000];

static int sends(void *arg, void **value)
{
    struct element e = { .sender = (long)arg };

    (void)value;
    memset(e.more, (int)e.sender, sizeof e.more);
    for (e.number = 0; e.number < each; e.number++)
        CHECK_EQ(vthr_send(ch, &e), 0);
    return 0;
}
static int receives(void *arg, void **value)
{
    long me = (long)arg;
    struct element e;
    int r;

    (void)value;
    for VTHR_EACH (e, ch) {
        CHECK(e.sender >= 0 && e.sender < n_senders && e.more[39] == (char)e.sender);
        CHECK(e.number >= next_of[me][e.sender]); // order of one sender's, as one receiver sees it
        next_of[me][e.sender] = e.number + 1;
        CHECK_EQ(__atomic_fetch_add(&seen[e.sender][e.number], 1, __ATOMIC_SEQ_CST), 0);
    }
    r = vthr_receive(ch, &e);
    CHECK_EQ(r, EPIPE); // drained
    return 0;
}
static void many(int senders, int receivers, int capacity, int n)
{
    vthr_scope *s, *in;

    n_senders = senders;
    n_receivers = receivers;
    each = n;
    memset(next_of, 0, sizeof next_of);
    memset(seen, 0, sizeof seen);
    CHECK_EQ(vthr_channel_new(&ch, sizeof(struct element), (size_t)capacity), 0);
    CHECK_EQ(vthr_scope_open(&s), 0);
    for (long i = 0; i < receivers; i++)
        CHECK_EQ(vthr_spawn(s, NULL, receives, (void *)i), 0);
    CHECK_EQ(vthr_scope_open(&in), 0);
    for (long i = 0; i < senders; i++)
        CHECK_EQ(vthr_spawn(in, NULL, sends, (void *)i), 0);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_channel_close(ch), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    for (int i = 0; i < senders; i++)
        for (int k = 0; k < n; k++)
            CHECK_EQ(seen[i][k], 1);
    vthr_channel_free(ch);
}

static void alone(void)
{
    vthr_channel *c;
    int x = 1;
    char big[70000], got[70000];

    CHECK_EQ(vthr_channel_new(&c, sizeof x, 0), 0);
    CHECK_EQ(vthr_try_send(c, &x), EAGAIN);
    CHECK_EQ(vthr_try_receive(c, &x), EAGAIN);
    CHECK_EQ(vthr_send_until(c, &x, vthr_after(1000)), ETIMEDOUT);
    CHECK_EQ(vthr_receive_until(c, &x, vthr_after(1000)), ETIMEDOUT);
    CHECK_EQ(vthr_channel_close(c), 0);
    CHECK_EQ(vthr_channel_close(c), EALREADY);
    CHECK_EQ(vthr_send(c, &x), EPIPE);
    CHECK_EQ(vthr_try_send(c, &x), EPIPE);
    CHECK_EQ(vthr_receive(c, &x), EPIPE);
    vthr_channel_free(c);

    CHECK_EQ(vthr_channel_new(&c, sizeof x, 3), 0);
    for (int round = 0; round < 5; round++) { // around the ring
        for (x = 0; x < 3; x++)
            CHECK_EQ(vthr_try_send(c, &x), 0);
        CHECK_EQ(vthr_try_send(c, &x), EAGAIN);
        CHECK_EQ(vthr_channel_length(c), 3);
        for (int i = 0; i < 2; i++)
            CHECK(vthr_receive(c, &x) == 0 && x == i);
        x = 7;
        CHECK_EQ(vthr_send(c, &x), 0);
        CHECK(vthr_receive(c, &x) == 0 && x == 2);
        CHECK(vthr_receive(c, &x) == 0 && x == 7);
    }
    x = 5;
    CHECK_EQ(vthr_send(c, &x), 0);
    CHECK_EQ(vthr_channel_close(c), 0);
    CHECK(vthr_receive(c, &x) == 0 && x == 5);
    CHECK_EQ(vthr_receive(c, &x), EPIPE);
    vthr_channel_free(c);

    CHECK_EQ(vthr_channel_new(&c, sizeof big, 1), 0);
    memset(big, 9, sizeof big);
    CHECK_EQ(vthr_send(c, big), 0);
    CHECK_EQ(vthr_receive(c, got), 0);
    CHECK_EQ(memcmp(big, got, sizeof big), 0);
    vthr_channel_free(c);
    CHECK_EQ(vthr_channel_new(&c, 0, 2), 0); // nothing but turns
    CHECK_EQ(vthr_send(c, NULL), 0);
    CHECK_EQ(vthr_send(c, NULL), 0);
    CHECK_EQ(vthr_try_send(c, NULL), EAGAIN);
    CHECK_EQ(vthr_receive(c, NULL), 0);
    vthr_channel_free(c);
    vthr_channel_free(NULL);
    CHECK_EQ(vthr_channel_new(&c, 1 << 20, (size_t)1 << 62), EINVAL);
}

static int one_result;
static int sends_one(void *arg, void **value)
{
    int x = 1;

    (void)value;
    return one_result = vthr_send(arg, &x);
}
static int receives_one(void *arg, void **value)
{
    int x;

    (void)value;
    return one_result = vthr_receive(arg, &x);
}
// Who waits when it is closed, or cancelled, has sent or received nothing; or has, and says so.
static void ends(void)
{
    for (int i = 0; i < 400; i++) {
        bool send = i & 1, closes = i & 2;
        vthr_channel *c;
        vthr_scope *s;
        int x = 2, r;

        CHECK_EQ(vthr_channel_new(&c, sizeof x, 0), 0);
        CHECK_EQ(vthr_scope_open(&s), 0);
        CHECK_EQ(vthr_spawn(s, NULL, send ? sends_one : receives_one, c), 0);
        for (int k = 0; k < i % 3; k++)
            sched_yield();
        r = i & 4 ? send ? vthr_try_receive(c, &x) : vthr_try_send(c, &x) : EAGAIN;
        if (closes)
            vthr_channel_close(c);
        else
            vthr_scope_cancel(s);
        vthr_scope_leave(s);
        CHECK_EQ(one_result, r == 0 ? 0 : closes ? EPIPE : ECANCELED);
        CHECK_EQ(x, r == 0 && send ? 1 : 2);
        vthr_channel_free(c);
    }
}

// A receiver may free the channel at once when it has its element.
static int sends_last(void *arg, void **value)
{
    int x = 3;

    (void)value;
    return vthr_send(arg, &x);
}
static void freed_at_once(void)
{
    for (int i = 0; i < 300; i++) {
        vthr_channel *c;
        vthr_scope *s;
        int x;

        CHECK_EQ(vthr_channel_new(&c, sizeof x, (size_t)(i & 1)), 0);
        CHECK_EQ(vthr_scope_open(&s), 0);
        CHECK_EQ(vthr_spawn(s, NULL, sends_last, c), 0);
        CHECK(vthr_receive(c, &x) == 0 && x == 3);
        vthr_channel_free(c);
        CHECK_EQ(vthr_scope_leave(s), 0);
    }
}

static int sets(void *arg, void **value)
{
    (void)value;
    vthr_event_set(arg);
    return 0;
}
static int waits(void *arg, void **value)
{
    (void)value;
    return vthr_event_wait(arg);
}
static vthr_once once;
static int attempts;
static int attempted(void *arg)
{
    int n = __atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST);

    (void)arg;
    sched_yield();
    return n < 3 ? EIO : 0;
}
static int does_once(void *arg, void **value)
{
    int r;

    (void)value;
    while ((r = vthr_do_once(&once, attempted, arg)) == EIO)
        ;
    CHECK(__atomic_load_n(&attempts, __ATOMIC_SEQ_CST) == 3);
    return r;
}
static void events(void)
{
    vthr_event *e;
    vthr_scope *s;

    CHECK_EQ(vthr_event_new(&e), 0);
    CHECK_EQ(vthr_try_event(e), EAGAIN);
    CHECK_EQ(vthr_event_wait_until(e, vthr_after(1000)), ETIMEDOUT);
    CHECK_EQ(vthr_scope_open(&s), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(vthr_spawn(s, NULL, i == 10 ? sets : waits, e), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(vthr_event_wait(e), 0);
    vthr_event_free(e);
    CHECK_EQ(vthr_scope_open(&s), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(vthr_spawn(s, NULL, does_once, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

int main(void)
{
    alone();
    many(1, 1, 0, 2000);
    many(1, 1, 7, 2000);
    many(8, 8, 0, 100);
    many(8, 1, 3, 100);
    many(1, 8, 3, 400);
    many(16, 16, 100, 50);
    ends();
    freed_at_once();
    events();
    puts("ok");
    return 0;
}
