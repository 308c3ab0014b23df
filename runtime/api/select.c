/* Select.
 *
 * First look: one of those that can be done is chosen at random, and done.  If none can, a node is queued for each
 * case under one episode of the caller's waiter.  A partner that comes claims the episode, so that one case at the most is
 * done for the caller.  While it still queues, the caller may find that a case has become possible: then it claims its
 * own episode, so that nobody else ends it, before it takes.
 *
 * Nodes are queued in the order of the objects' addresses, one object locked at a time.  Two selects that meet in two channels would
 * else claim themselves, fail to claim each other, and begin again, for ever.
 *
 * What can be done with a case on an object: select_case.h.  Descriptors: select_fd.c. */
#include "runtime/api/select.h"
#include "runtime/api/select_case.h"
#include <errno.h>
#include <stdlib.h>

#define ON_STACK 16

struct selection {
    vthr_case *cases;
    size_t n;
    struct vthread *v;
    struct waiter native, *w;
    uint64_t ticket, deadline;
    struct wait_node *nodes;
    struct select_fd *fds;
    uint16_t *order;
    uint16_t n_fds, n_objects;
    uint64_t first_time;        /* of the VTHR_CASE_TIME cases */
};

/* --- The first look --- */

static bool try_case(vthr_case *c)
{
    struct vthread *v = api_hold();
    struct wait_node *partner = NULL;
    struct vthr_lock *lk = case_lock(c);
    bool done;

    lock(lk);
    done = case_can_do(c, NULL) && case_do(c, NULL, &partner);
    unlock(lk);
    if (done && partner)
        wait_give_unhold(v, partner, GIVEN_DONE);
    else
        api_unhold(v);
    if (done)
        case_settle(c);
    return done;
}

static uint32_t below(struct vthread *v, uint32_t n)
{
    static VTHR_TLS uint32_t others;
    uint32_t *s = v ? &v->prng : &others;

    *s = *s * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(*s >> 8) * n >> 24);
}

static inline bool may_do(const struct selection *s, size_t i, uint64_t now)
{
    const vthr_case *c = &s->cases[i];

    return case_is_object(c) ? case_may_do(c) : case_is_fd(c) ? s->fds[i].ready : c->kind == VTHR_CASE_TIME && c->when <= now;
}

/* One of those that seem possible, each as likely as the others; n: none. */
static size_t choose(struct selection *s, uint64_t now)
{
    size_t at = s->n;
    uint32_t ready = 0;

    for (size_t i = 0; i < s->n; i++)
        if (may_do(s, i, now) && (++ready == 1 || below(s->v, ready) == 0))
            at = i;
    return at;
}

static bool do_case(struct selection *s, size_t i)
{
    vthr_case *c = &s->cases[i];

    if (case_is_object(c))
        return try_case(c);
    c->result = case_is_fd(c) ? s->fds[i].result : 0;
    return true;
}

/* The index of the case that was done, or -EAGAIN.  surely: look under the locks. */
static int look(struct selection *s, bool surely)
{
    uint64_t now = s->first_time != NO_DEADLINE ? now_ns() : 0;
    size_t i;

    if (s->n_fds)
        select_fd_look(s->fds, s->cases, s->n);
    i = choose(s, now);
    if (i < s->n && do_case(s, i))
        return (int)i;
    if (i == s->n && !surely)
        return -EAGAIN;
    for (i = 0; i < s->n; i++) /* somebody was faster */
        if (((surely && case_is_object(&s->cases[i])) || may_do(s, i, now)) && do_case(s, i))
            return (int)i;
    return -EAGAIN;
}

/* --- Waiting --- */

static void sort_objects(struct selection *s)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->n; i++) {
        unsigned at = n;

        if (!case_is_object(&s->cases[i]))
            continue;
        for (; at > 0 && (uintptr_t)s->cases[s->order[at - 1]].object > (uintptr_t)s->cases[i].object; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = (uint16_t)i;
        n++;
    }
    s->n_objects = (uint16_t)n;
}

enum queued { QUEUED, QUEUED_DONE, QUEUED_AGAIN, QUEUED_ENDED };

/* QUEUED_DONE: the case was possible, and is done.  QUEUED_AGAIN: it was, and is not.  QUEUED_ENDED: another case is done, or the
 * wait interrupted.  Then nothing is queued for this one. */
static enum queued queue_case(struct selection *s, size_t i)
{
    vthr_case *c = &s->cases[i];
    struct wait_node *n = &s->nodes[i], *partner = NULL;
    struct vthr_lock *lk = case_lock(c);
    struct waiter_claim self;
    bool mine = true, done = false, possible;

    lock(lk);
    possible = case_can_do(c, s->w);
    if (possible) {
        mine = waiter_claim(s->w, s->ticket, &self);
        if (mine)
            done = case_do(c, s->w, &partner);
    } else {
        n->w = s->w;
        n->ticket = s->ticket;
        n->slot = c->variable;
        n->given = 0;
        n->linked = true;
        list_add_tail(case_queue(c), &n->link);
    }
    unlock(lk);
    if (!possible)
        return QUEUED;
    if (!mine)
        return QUEUED_ENDED;
    if (partner)
        wait_give(partner, GIVEN_DONE);
    return done ? QUEUED_DONE : QUEUED_AGAIN;
}

static void unqueue(struct selection *s, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        size_t i = s->order[k];
        struct vthr_lock *lk;

        if (s->nodes[i].given)
            continue; /* whoever did it may have freed the object */
        lk = case_lock(&s->cases[i]);
        lock(lk);
        if (s->nodes[i].linked)
            list_del(&s->nodes[i].link);
        unlock(lk);
    }
}

/* After W_GIVEN: which one of the first n. */
static size_t find_given(struct selection *s, unsigned n)
{
    for (;;) {
        for (unsigned k = 0; k < n; k++)
            if (load_acquire(&s->nodes[s->order[k]].given))
                return s->order[k];
        arch_cpu_relax();
    }
}

static enum wake_reason reason_now(struct selection *s)
{
    return (enum wake_reason)(load_acquire(&s->w->word) & W_MASK);
}

/* In the runtime.  The index of the case that is done, or -1 with *why. */
static int wait_once(struct selection *s, uint64_t deadline, enum wake_reason *why)
{
    enum queued q = QUEUED;
    unsigned n = 0;
    int done = -1;

    s->ticket = waiter_prepare_alone(s->w, wait_on_many(WAIT_SELECT, s->cases, (uint32_t)s->n));
    if (s->n_fds)
        select_fd_link(s->fds, s->cases, s->n, s->w, s->ticket);
    while (n < s->n_objects && (q = queue_case(s, s->order[n])) == QUEUED)
        n++;
    *why = q == QUEUED ? wait_park(s->w, s->ticket, deadline) : q == QUEUED_ENDED ? reason_now(s) : W_WOKEN;
    if (q == QUEUED_DONE) {
        done = s->order[n];
    } else if (*why == W_GIVEN) {
        done = (int)find_given(s, n);
        case_given(&s->cases[done], s->nodes[done].given);
    }
    unqueue(s, n);
    if (s->n_fds)
        select_fd_unlink(s->fds, s->cases, s->n);
    return done;
}

static int wait_and_look(struct selection *s)
{
    uint64_t end = s->first_time < s->deadline ? s->first_time : s->deadline;

    sort_objects(s);
    for (;;) {
        enum wake_reason why;
        uint64_t until = !s->v && s->n_fds ? select_fd_turn(end) : end; /* no poller tells a native thread */
        int r;

        if (s->v)
            rt_enter(s->v);
        r = wait_once(s, until, &why);
        if (s->v)
            rt_leave(s->v);
        if (r >= 0)
            case_settle(&s->cases[r]);
        if (r < 0 && why == W_INTR && wait_interrupted(s->v) == ECANCELED)
            return -ECANCELED;
        if (r < 0)
            r = look(s, false);
        if (r >= 0)
            return r;
        if (why == W_TIMEOUT && until == s->deadline && now_ns() >= s->deadline)
            return -ETIMEDOUT;
    }
}

static int survey(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        vthr_case *c = &s->cases[i];

        if (c->kind < VTHR_CASE_OFF || c->kind > VTHR_CASE_ACQUIRE)
            return -EINVAL;
        case_check(c);
        if (c->kind == VTHR_CASE_TIME && c->when < s->first_time)
            s->first_time = c->when;
        s->n_fds += case_is_fd(c);
    }
    return 0;
}

static int run(struct selection *s)
{
    int r = survey(s);

    if (r)
        return r;
    r = look(s, s->deadline == 0);
    return r != -EAGAIN || s->deadline == 0 ? r : wait_and_look(s);
}

struct memory {
    struct wait_node nodes[ON_STACK];
    uint16_t order[ON_STACK];
};

static void init(struct selection *s, vthr_case *cases, size_t n, uint64_t deadline)
{
    s->cases = cases;
    s->n = n;
    s->v = vthr_parkable();
    s->native.word = 0;
    s->native.vt = NULL;
    s->w = s->v ? &s->v->w : &s->native;
    s->deadline = deadline;
    s->first_time = NO_DEADLINE;
    s->n_fds = s->n_objects = 0;
    s->fds = NULL;
}

static bool any_fd(const vthr_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (case_is_fd(&cases[i]))
            return true;
    return false;
}

VTHR_EXPORT int vthr_select_until(vthr_case *cases, size_t n, uint64_t deadline)
{
    struct selection s;
    struct memory small;
    char *mem = NULL;
    int r;

    if (n > UINT16_MAX)
        return -EINVAL;
    init(&s, cases, n, deadline);
    s.nodes = small.nodes;
    s.order = small.order;
    if (n > ON_STACK || any_fd(cases, n)) {
        mem = calloc(n, sizeof *s.fds + sizeof *s.nodes + sizeof *s.order);
        if (!mem)
            return -ENOMEM;
        s.fds = (void *)mem;
        s.nodes = (void *)(s.fds + n);
        s.order = (void *)(s.nodes + n);
    }
    r = run(&s);
    free(mem);
    return r;
}
VTHR_EXPORT int vthr_select(vthr_case *cases, size_t n)
{
    return vthr_select_until(cases, n, NO_DEADLINE);
}
VTHR_EXPORT int vthr_try_select(vthr_case *cases, size_t n)
{
    return vthr_select_until(cases, n, 0);
}
