/* See snapshot.h.
 *
 * A thousand vthreads at a time: their descriptors, what matters of their stacks, and once more the words of their waiters, with a
 * few system calls.  Where the word has not changed and says "parked", all of it belongs together; else they are looked at
 * again, a few times.  One that never rests is running. */
#include "runtime/tool/deadlock.h"
#include "runtime/tool/placing.h"
#include "runtime/tool/snapshot.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 1024
#define TRIES 8
#define MAX_PROCS 4096
#define MAX_VTHREADS (1u << 24)
#define STACK_FIRST 16384ul      /* of each stack at first */
#define STACK_MORE (512ul << 10) /* of one that is deeper */

enum { LIFE_LIVE = 1, STATE_MASK = 7, STATE_PARKING = 1, STATE_PARKED = 2, HOW_PARK = 1 };

const char *const vt_state_names[VT_STATES] = { "parked", "ready", "running", "blocked" };

struct taking {
    struct target *t;
    const struct stopped *stopped;
    bool stacks;
    struct snapshot *out;
    size_t cap;
    /* One chunk. */
    uint64_t addr[CHUNK], number[CHUNK], before[CHUNK], after[CHUNK];
    bool ok[CHUNK], ok2[CHUNK];
    char *data;  /* descriptors */
    char *stack; /* STACK_FIRST each */
    struct walk walk[CHUNK];
    struct iovec local[CHUNK], remote[CHUNK];
};

/* --- Registers of one that does not run */

static bool walk_from_memory(struct target *t, const char *data, struct walk *w, const char *stack, size_t have)
{
    const struct vthr_debug *d = &t->d;
    uint64_t sp = field(data, d->vthread.ctx_sp);

    memset(w, 0, sizeof *w);
    if (have < d->frame_size)
        return false;
    for (unsigned i = 0; i < d->n_regs; i++)
        if (d->regs[i].dwarf < ARCH_DWARF_REGS && d->regs[i].offset + 8u <= d->frame_size) {
            memcpy(&w->regs[d->regs[i].dwarf], stack + d->regs[i].offset, 8);
            w->known |= 1u << d->regs[i].dwarf;
        }
    w->regs[d->sp_dwarf % ARCH_DWARF_REGS] = sp + d->frame_size;
    w->known |= 1u << d->sp_dwarf % ARCH_DWARF_REGS;
    w->data = stack;
    w->at = sp;
    w->size = have;
    return true;
}

void snapshot_saved_regs(struct target *t, uint64_t sp, uint64_t regs[ARCH_DWARF_REGS])
{
    char frame[4096];

    if (target_read(t, sp, frame, t->d.frame_size))
        return;
    for (unsigned i = 0; i < t->d.n_regs; i++)
        if (t->d.regs[i].dwarf < ARCH_DWARF_REGS && t->d.regs[i].offset + 8u <= t->d.frame_size)
            memcpy(&regs[t->d.regs[i].dwarf], frame + t->d.regs[i].offset, 8);
    regs[t->d.sp_dwarf % ARCH_DWARF_REGS] = sp + t->d.frame_size;
}

static size_t stack_depth(struct target *t, const char *data, size_t limit)
{
    uint64_t sp = field(data, t->d.vthread.ctx_sp), lo = field(data, t->d.vthread.stack_lo),
             size = field(data, t->d.vthread.stack_size);

    if (!size || sp < lo || sp >= lo + size) /* the main thread's, or not there */
        return limit;
    return lo + size - sp < limit ? lo + size - sp : limit;
}

/* --- One vthread */

static bool push(struct taking *k, struct vt **v)
{
    struct snapshot *s = k->out;

    if (s->n == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 1024;
        struct vt *more = realloc(s->all, cap * sizeof *more);

        if (!more)
            return false;
        s->all = more;
        k->cap = cap;
    }
    *v = &s->all[s->n++];
    memset(*v, 0, sizeof **v);
    return true;
}

static void fill(struct taking *k, struct vt *v, size_t i, const char *data, enum vt_state state)
{
    const struct vthr_debug *d = &k->t->d;

    v->addr = k->addr[i];
    v->number = (uint32_t)k->number[i];
    v->tid = (uint32_t)field(data, d->vthread.tid);
    memcpy(v->name, data + d->vthread.name.offset, d->vthread.name.size < sizeof v->name ? d->vthread.name.size : sizeof v->name);
    v->name[sizeof v->name - 1] = 0;
    v->start = field(data, d->vthread.start);
    v->word = field(data, d->vthread.waiter_word);
    v->ctx_sp = field(data, d->vthread.ctx_sp);
    v->ctx_tp = field(data, d->vthread.ctx_tp);
    v->pd = field(data, d->vthread.pd);
    v->stack_lo = field(data, d->vthread.stack_lo);
    v->stack_size = field(data, d->vthread.stack_size);
    v->guard_size = field(data, d->vthread2.guard_size);
    v->user_stack = field(data, d->vthread2.user_stack) != 0;
    v->state = state;
    if (state == VT_IS_PARKED || state == VT_IS_BLOCKED) {
        v->wait_kind = (uint32_t)field(data, d->vthread2.wait_kind);
        if (v->wait_kind >= d->n_waits)
            v->wait_kind = 0;
        v->wait_obj = field(data, d->vthread.wait_obj);
        v->wait_n = (uint32_t)field(data, d->vthread2.wait_n);
        v->since = field(data, d->vthread2.wait_since);
        if (field(data, d->vthread2.has_deadline))
            v->deadline = field(data, d->vthread2.deadline);
    }
    v->carrier = state == VT_IS_RUNNING || state == VT_IS_BLOCKED ? field(data, d->vthread.carrier) : 0;
    if (v->carrier)
        v->carrier_tid = target_u32(k->t, field(data, d->vthread.carrier) + d->carrier.tid.offset);
    wait_blocker(k->t, v);
}

/* The whole stack.  False: in a process that runs, this one did not rest meanwhile. */
static bool walk_deep(struct taking *k, struct vt *v, const char *data)
{
    size_t depth = stack_depth(k->t, data, STACK_MORE), have = depth;
    uint64_t sp = field(data, k->t->d.vthread.ctx_sp);
    char *stack = malloc(depth ? depth : 1);
    bool rested = true;
    struct walk w;

    /* The main thread's ends somewhere. */
    while (stack && have >= 4096 && target_read(k->t, sp, stack, have))
        have /= 2;
    if (stack && walk_from_memory(k->t, data, &w, stack, have)) {
        rested = k->stopped || target_word(k->t, v->addr + k->t->d.vthread.waiter_word.offset) == v->word;
        if (rested)
            v->stack = unwind_walk(k->t, &w);
    }
    free(stack);
    return rested;
}

/* The same for one that may go on at any moment: it is looked at anew until it rests for long enough. */
static void chase(struct taking *k, struct vt *v, size_t i)
{
    const struct vthr_debug *d = &k->t->d;
    char *data = malloc(d->vthread_size);

    for (int try = 0; data && try < TRIES && target_read(k->t, k->addr[i], data, d->vthread_size) == 0; try++) {
        bool parked = (field(data, d->vthread.waiter_word) & STATE_MASK) == STATE_PARKED && !field(data, d->vthread.carrier);

        if (!parked || field(data, d->vthread.life) != LIFE_LIVE)
            continue;
        fill(k, v, i, data, VT_IS_PARKED);
        if (walk_deep(k, v, data)) {
            free(data);
            return;
        }
    }
    free(data);
    v->state = VT_IS_RUNNING;
    v->wait_kind = 0;
    v->blocker = -1;
}

/* --- One that has a carrier */

static void take_mounted(struct taking *k, struct vt *v, size_t i, const char *data)
{
    const struct vthr_debug *d = &k->t->d;
    uint64_t carrier = field(data, d->vthread.carrier);
    uint32_t tid = target_u32(k->t, carrier + d->carrier.tid.offset);
    const struct stopped_thread *th = k->stopped ? stop_find(k->stopped, tid) : NULL;
    enum vt_state state = field(data, d->vthread.blocked_in) ? VT_IS_BLOCKED : VT_IS_RUNNING;

    if (th && th->has_regs && placing_occupant(k->t, carrier, th->regs[d->sp_dwarf % ARCH_DWARF_REGS]) != k->addr[i]) {
        /* In the middle of a switch. */
        uint64_t st = field(data, d->vthread.waiter_word) & STATE_MASK;

        state = field(data, d->vthread.how) == HOW_PARK && (st == STATE_PARKING || st == STATE_PARKED) ? VT_IS_PARKED : VT_IS_READY;
        fill(k, v, i, data, state);
        if (k->stacks)
            walk_deep(k, v, data);
        return;
    }
    fill(k, v, i, data, state);
    if (th && th->has_regs && k->stacks) {
        struct walk w = { .known = (1u << ARCH_DWARF_REGS) - 1 };

        memcpy(w.regs, th->regs, sizeof w.regs);
        v->stack = unwind_walk(k->t, &w);
    }
}

/* --- A chunk */

static void read_chunk(struct taking *k, size_t n)
{
    const struct vthr_debug *d = &k->t->d;
    struct iovec *local = k->local, *remote = k->remote;

    for (size_t i = 0; i < n; i++) {
        local[i] = (struct iovec){ k->data + i * d->vthread_size, d->vthread_size };
        remote[i] = (struct iovec){ (void *)(uintptr_t)k->addr[i], d->vthread_size };
    }
    target_read_many(k->t, local, remote, k->ok, n);
    for (size_t i = 0; i < n && k->stacks; i++) {
        const char *data = k->data + i * d->vthread_size;
        bool parked = k->ok[i] && field(data, d->vthread.life) == LIFE_LIVE && !field(data, d->vthread.carrier);
        size_t depth = parked ? stack_depth(k->t, data, STACK_FIRST) : 0;

        local[i] = (struct iovec){ k->stack + i * STACK_FIRST, depth };
        remote[i] = (struct iovec){ (void *)(uintptr_t)field(data, d->vthread.ctx_sp), depth };
    }
    if (k->stacks) {
        target_read_many(k->t, local, remote, k->ok2, n);
        for (size_t i = 0; i < n; i++)
            k->walk[i].size = k->ok2[i] ? local[i].iov_len : 0;
    }
    for (size_t i = 0; i < n; i++) {
        local[i] = (struct iovec){ &k->after[i], 8 };
        remote[i] = (struct iovec){ (void *)(uintptr_t)(k->addr[i] + d->vthread.waiter_word.offset), 8 };
    }
    target_read_many(k->t, local, remote, k->ok2, n);
}

/* False: no memory.  Those that moved stay in the chunk, *left of them. */
static bool take_chunk(struct taking *k, size_t n, bool last, size_t *left)
{
    const struct vthr_debug *d = &k->t->d;

    read_chunk(k, n);
    *left = 0;
    for (size_t i = 0; i < n; i++) {
        const char *data = k->data + i * d->vthread_size;
        uint64_t word, st;
        struct vt *v;

        if (!k->ok[i] || !k->ok2[i] || field(data, d->vthread.life) != LIFE_LIVE)
            continue;
        word = field(data, d->vthread.waiter_word);
        st = word & STATE_MASK;
        if (!k->stopped && word != k->after[i] && !last) { /* once more */
            k->addr[*left] = k->addr[i];
            k->number[(*left)++] = k->number[i];
            continue;
        }
        if (!push(k, &v))
            return false;
        if (field(data, d->vthread.carrier)) {
            take_mounted(k, v, i, data);
        } else if (!k->stopped && word != k->after[i]) {
            fill(k, v, i, data, VT_IS_RUNNING);
            v->carrier_tid = 0;
        } else {
            bool parked = st == STATE_PARKED || st == STATE_PARKING;
            struct walk *w = &k->walk[i];

            fill(k, v, i, data, parked ? VT_IS_PARKED : VT_IS_READY);
            if (!k->stacks || (!k->stopped && st != STATE_PARKED)) /* a ready one may run at any moment */
                continue;
            if (w->size && walk_from_memory(k->t, data, w, k->stack + i * STACK_FIRST, w->size) &&
                (w->size < STACK_FIRST || unwind_is_known(w)))
                v->stack = unwind_walk(k->t, w);
            else if (k->stopped)
                walk_deep(k, v, data);
            else
                chase(k, v, i);
        }
    }
    return true;
}

static bool take_all_of_chunk(struct taking *k, size_t n)
{
    for (int i = 1; n; i++)
        if (!take_chunk(k, n, i == TRIES, &n))
            return false;
    return true;
}

static bool take_registry(struct taking *k)
{
    const struct vthr_debug *d = &k->t->d;
    uint32_t n = target_u32(k->t, (uintptr_t)d->nshells);
    uint64_t table = target_word(k->t, (uintptr_t)d->registry);
    size_t have = 1;

    if (n > MAX_VTHREADS)
        n = MAX_VTHREADS;
    k->addr[0] = (uintptr_t)d->main;
    k->number[0] = 0;
    for (uint32_t at = 0; at < n;) {
        uint64_t addr[CHUNK];
        size_t m = n - at < CHUNK - have ? n - at : CHUNK - have;

        if (target_read(k->t, table + 8ul * at, addr, m * sizeof *addr))
            break;
        for (size_t i = 0; i < m; i++)
            if (addr[i]) {
                k->addr[have] = addr[i];
                k->number[have++] = at + i + 1;
            }
        at += (uint32_t)m;
        if (!take_all_of_chunk(k, have))
            return false;
        have = 0;
    }
    return take_all_of_chunk(k, have);
}

/* --- All */

static int by_number(const void *a, const void *b)
{
    const struct vt *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int out_of_memory(void)
{
    vthr_tool_say(stderr, "out of memory");
    return VTHR_EXIT_ERROR;
}

/* In a core file: as of when the program looked at its clock last. */
static uint64_t now_of(struct target *t)
{
    uint32_t nprocs = target_u32(t, (uintptr_t)t->d.nprocs);
    uint64_t procs = target_word(t, (uintptr_t)t->d.procs), last = 0;
    struct timespec now;

    if (!t->core) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
    }
    for (uint32_t i = 0; i < nprocs && i < MAX_PROCS && t->d.proc_now.size == sizeof last; i++) {
        uint64_t at = target_word(t, procs + (uint64_t)i * t->d.proc_size + t->d.proc_now.offset);

        last = at > last ? at : last;
    }
    return last;
}

int snapshot_take(struct target *t, const struct stopped *stopped, bool want_stacks, struct snapshot *out)
{
    struct taking *k = calloc(1, sizeof *k);
    bool ok;

    memset(out, 0, sizeof *out);
    if (!k)
        return out_of_memory();
    *k = (struct taking){ .t = t, .stopped = stopped, .stacks = want_stacks, .out = out };
    k->data = malloc((size_t)CHUNK * t->d.vthread_size);
    k->stack = want_stacks ? malloc(CHUNK * STACK_FIRST) : NULL;
    ok = k->data && (k->stack || !want_stacks);
    out->now = now_of(t);
    if (ok && target_u32(t, (uintptr_t)t->d.active))
        ok = take_registry(k);
    free(k->data);
    free(k->stack);
    free(k);
    if (!ok)
        return out_of_memory();
    if (out->n)
        qsort(out->all, out->n, sizeof *out->all, by_number);
    if (!deadlock_search(t, out))
        return out_of_memory();
    /* One that ended while it was looked at shows less than it had. */
    return target_read(t, t->descriptor, &(char){ 0 }, 1) ? target_failed(t) : 0;
}

void snapshot_free(struct snapshot *s)
{
    free(s->all);
    free(s->cycle);
    memset(s, 0, sizeof *s);
}
