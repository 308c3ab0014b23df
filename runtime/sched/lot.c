/* See lot.h.  Buckets are zero until first used, so a process that never contends does not touch them. */
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define BUCKETS 16384u

struct lot_bucket {
    struct vthr_lock lk;
    struct list q; /* of lot_node; next == NULL: never used */
};

static struct lot_bucket buckets[BUCKETS] VTHR_ALIGNED(4096); /* whole pages, for lot_reset_child */

static struct lot_bucket *bucket_of(const void *addr)
{
    return &buckets[((uintptr_t)addr >> 2) * 0x9e3779b97f4a7c15ull >> 50];
}

struct lot_bucket *lot_lock(const void *addr)
{
    struct lot_bucket *b = bucket_of(addr);

    b->lk.rank = RANK_LOT;
    lock(&b->lk);
    if (unlikely(!b->q.next))
        list_init(&b->q);
    return b;
}

void lot_unlock(struct lot_bucket *b)
{
    unlock(&b->lk);
}

void lot_queue(struct lot_bucket *b, struct lot_node *n, const void *addr, struct waiter *w, uint64_t ticket)
{
    n->addr = addr;
    n->w = w;
    n->ticket = ticket;
    n->bits = ~0u;
    n->linked = true;
    n->hungry = n->granted = false;
    list_add_tail(&b->q, &n->link);
}

static int wake_nodes(struct lot_bucket *b, const void *addr, int n, uint32_t bits, uint32_t *count)
{
    struct list *it, *tmp;
    int woken = 0;

    list_for_each_safe (it, tmp, &b->q) {
        struct lot_node *node = container_of(it, struct lot_node, link);

        if (woken >= n)
            break;
        if (node->addr != addr || !(node->bits & bits))
            continue;
        list_del(it);
        struct waiter *w = node->w;
        uint64_t ticket = node->ticket;

        node->linked = false;
        if (count)
            store_relaxed(count, *count - 1);
        /* One that a timer or a signal claimed first does not count: the wake goes to the next. */
        woken += waiter_wake(w, ticket, W_WOKEN);
    }
    return woken;
}

int lot_wake_locked(struct lot_bucket *b, const void *addr, int n, uint32_t bits)
{
    return wake_nodes(b, addr, n, bits, NULL);
}

int lot_wake_counted(struct lot_bucket *b, const void *addr, int n, uint32_t *count)
{
    return wake_nodes(b, addr, n, ~0u, count);
}

/* The bucket of a node can change by a requeue until it is locked. */
static struct lot_bucket *lock_node(struct lot_node *n)
{
    for (;;) {
        const void *addr = load_acquire(&n->addr);
        struct lot_bucket *b = lot_lock(addr);

        if (n->addr == addr)
            return b;
        lot_unlock(b);
    }
}

bool lot_withdraw(struct lot_node *n, void (*undo)(void *), void *arg)
{
    struct lot_bucket *b = lock_node(n);
    bool queued = n->linked;

    if (queued) {
        list_del(&n->link);
        n->linked = false;
        if (undo)
            undo(arg);
    }
    lot_unlock(b);
    return queued;
}

int lot_park_undo(struct lot_node *n, uint64_t deadline, void (*undo)(void *), void *arg)
{
    enum wake_reason r = waiter_park(n->w, deadline);

    /* Also when woken: the waker may be between taking us off and its last look at the node. */
    lot_withdraw(n, undo, arg);
    return r == W_WOKEN ? 0 : r == W_TIMEOUT ? -ETIMEDOUT : -EINTR;
}

bool lot_may_be_stopped(const struct vthread *v, unsigned ends)
{
    return v->stops & ends >> 2;
}

static inline void ends_begin(struct vthread *v, unsigned ends)
{
    if (v && ends) {
        v->intr = ends & SIG_RAN_ANY;
        v->cancellable = (uint8_t)(ends >> 2);
    }
}
static inline void ends_over(struct vthread *v, unsigned ends)
{
    if (v && ends)
        v->cancellable = v->intr = 0;
}

int lot_park(struct lot_node *n, uint64_t deadline, unsigned ends)
{
    struct vthread *v = n->w->vt;
    int r;

    ends_begin(v, ends);
    r = lot_park_undo(n, deadline, NULL, NULL);
    ends_over(v, ends);
    return r;
}

bool lot_stopped(unsigned ends)
{
    struct vthread *v = vthr_parkable();

    return v && (load_relaxed(&v->stopped) & ends >> 2);
}

bool lot_park_stay(struct lot_node *n, unsigned ends)
{
    struct vthread *v = n->w->vt;
    struct lot_bucket *b;
    bool queued;

    ends_begin(v, ends);
    waiter_park(n->w, NO_DEADLINE);
    ends_over(v, ends);
    b = lock_node(n);
    queued = n->linked;
    lot_unlock(b);
    return queued;
}

bool lot_resume(struct lot_node *n, struct waiter *w, struct wait_on what)
{
    struct lot_bucket *b = lock_node(n);
    bool queued = n->linked;

    if (queued)
        n->ticket = waiter_prepare(w, what);
    lot_unlock(b);
    return queued;
}

int lot_wait_ends(const uint32_t *addr, uint32_t val, uint64_t deadline, uint32_t bits, unsigned ends, struct wait_on what)
{
    struct waiter native, *w = wait_enter(&native);
    struct lot_node n;
    struct lot_bucket *b = lot_lock(addr);
    int r = -EAGAIN;

    if (load_relaxed(addr) == val) {
        lot_queue(b, &n, addr, w, waiter_prepare(w, what));
        n.bits = bits;
        lot_unlock(b);
        r = lot_park(&n, deadline, ends);
    } else {
        lot_unlock(b);
    }
    wait_leave(w);
    return r;
}

int lot_wait_bits(const uint32_t *addr, uint32_t val, uint64_t deadline, uint32_t bits, struct wait_on what)
{
    return lot_wait_ends(addr, val, deadline, bits, 0, what);
}

int lot_wait(const uint32_t *addr, uint32_t val, uint64_t deadline, struct wait_on what)
{
    return lot_wait_bits(addr, val, deadline, ~0u, what);
}

int lot_wait_lock(uint32_t *word, uint64_t deadline, unsigned ends, bool hungry, bool *granted, struct wait_on what)
{
    struct waiter native, *w = wait_enter(&native);
    struct lot_node n = { .granted = false };
    struct lot_bucket *b = lot_lock(word);
    int r = -EAGAIN;

    if (load_relaxed(word) == 2) {
        lot_queue(b, &n, word, w, waiter_prepare(w, what));
        if (hungry) {
            n.hungry = true;
            list_del(&n.link);
            list_add_head(&b->q, &n.link);
        }
        lot_unlock(b);
        r = lot_park(&n, deadline, ends);
    } else {
        lot_unlock(b);
    }
    wait_leave(w);
    *granted = r == 0 && n.granted;
    return r;
}

/* The word may be touched while somebody is queued under its address for the lock: then it is a lock still. */
static void wake_or_give(struct lot_bucket *b, uint32_t *word)
{
    struct list *it, *tmp;

    list_for_each_safe (it, tmp, &b->q) {
        struct lot_node *n = container_of(it, struct lot_node, link);
        struct waiter *w = n->w;
        uint64_t ticket = n->ticket;

        if (n->addr != word)
            continue;
        if (n->hungry && xchg_acq_rel(word, 2u) != 0)
            return; /* another one has it, and will come here */
        n->granted = n->hungry;
        list_del(it);
        n->linked = false;
        if (waiter_wake(w, ticket, W_WOKEN))
            return;
        /* A timer or a signal claimed it first. */
        if (n->hungry)
            store_release(word, 0u);
    }
}

void lot_wake_lock(uint32_t *word)
{
    struct vthread *v = wake_enter();
    struct lot_bucket *b = lot_lock(word);

    wake_or_give(b, word);
    lot_unlock(b);
    wake_leave(v);
}

int lot_wake_bits(const void *addr, int n, uint32_t bits)
{
    struct vthread *v = wake_enter();
    struct lot_bucket *b = lot_lock(addr);
    int woken = lot_wake_locked(b, addr, n, bits);

    lot_unlock(b);
    wake_leave(v);
    return woken;
}

int lot_wake(const void *addr, int n)
{
    return lot_wake_bits(addr, n, ~0u);
}

static void lock_two(const void *x, const void *y, struct lot_bucket **bx, struct lot_bucket **by)
{
    struct lot_bucket *a = bucket_of(x), *b = bucket_of(y);

    *bx = a;
    *by = b;
    if (a == b) {
        lot_lock(x);
    } else if (a < b) {
        lot_lock(x);
        b->lk.rank = RANK_LOT;
        vthr_rank_pop(RANK_LOT); /* two of one rank, in address order */
        lot_lock(y);
    } else {
        lot_lock(y);
        vthr_rank_pop(RANK_LOT);
        lot_lock(x);
    }
}

static int move_nodes(struct lot_bucket *from_b, const void *from, struct lot_bucket *to_b, const void *to, int m)
{
    struct list *it, *tmp;
    int moved = 0;

    list_for_each_safe (it, tmp, &from_b->q) {
        struct lot_node *node = container_of(it, struct lot_node, link);

        if (moved >= m)
            break;
        if (node->addr != from)
            continue;
        list_del(it);
        node->w->what.obj = to; /* parked, or about to */
        store_release(&node->addr, to);
        list_add_tail(&to_b->q, it);
        moved++;
    }
    return moved;
}

int lot_requeue(const uint32_t *from, int n, const void *to, int m, const uint32_t *check, int *woken)
{
    struct vthread *v = wake_enter();
    struct lot_bucket *fb, *tb;
    int w = -EAGAIN, moved = 0;

    lock_two(from, to, &fb, &tb);
    if (!check || load_relaxed(from) == *check) {
        w = lot_wake_locked(fb, from, n, ~0u);
        if (from != to)
            moved = move_nodes(fb, from, tb, to, m);
    }
    if (fb != tb)
        lot_unlock(tb);
    lot_unlock(fb);
    wake_leave(v);
    if (w >= 0 && woken)
        *woken = w;
    return w < 0 ? w : w + moved;
}

/* Zero pages are as good as never used, and cost the child of a fork nothing: looking at 16,384 buckets would fault in each page. */
void lot_reset_child(void)
{
    if (SYS3(SYS_madvise, buckets, sizeof buckets, MADV_DONTNEED) == 0)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        if (buckets[i].q.next || buckets[i].lk.word) {
            lock_init(&buckets[i].lk, RANK_LOT);
            buckets[i].q.next = NULL;
        }
}
