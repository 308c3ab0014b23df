/* See census.h. */
#include "runtime/diag/census.h"
#include "runtime/diag/debug.h"
#include "runtime/diag/memory.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include <string.h>

#define TRIES 16
#define SLACK 64u /* threads made meanwhile */

bool census_holds(const struct census_row *r)
{
    return load_acquire(&r->v->w.word) == r->word && load_acquire(&r->v->carrier) == r->carrier &&
           load_acquire(&r->v->life) == VT_LIVE;
}

static enum census_state state_of(const struct census_row *r)
{
    uint64_t w = r->word & W_MASK;

    if (r->carrier)
        return r->v->blocked_in ? CENSUS_CALL : CENSUS_RUNNING;
    return w == W_PARKED || w == W_PARKING ? CENSUS_PARKED : CENSUS_READY;
}

static void fill(struct census_row *r, struct vthread *v)
{
    r->v = v;
    r->number = vthread_index(v);
    for (int i = 0; i < TRIES; i++) {
        r->word = load_acquire(&v->w.word);
        r->carrier = load_acquire(&v->carrier);
        r->state = (uint8_t)state_of(r);
        r->what = v->w.what;
        r->since = v->w.since;
        r->timed = v->timer.home != NULL;
        memcpy(r->name, v->name, 16);
        if (r->what.kind >= WAIT_KINDS || r->state == CENSUS_READY || r->state == CENSUS_RUNNING)
            r->what = wait_on(WAIT_NONE, NULL);
        fence_seq_cst();
        if (census_holds(r))
            return;
    }
    r->what = wait_on(WAIT_NONE, NULL); /* of two waits, perhaps: the object need not be of that kind */
}

static int add(struct vthread *v, void *arg)
{
    struct census *c = arg;
    uint32_t number = vthread_index(v);

    if (c->n == c->cap || number >= c->numbers)
        return 1;
    fill(&c->row[c->n++], v);
    c->row_of[number] = c->n;
    return 0;
}

/* The tid that a lock notes as its owner's; 0: none. */
static uint32_t owner_tid(const struct census_row *r)
{
    const struct vthr_debug_wait *w = &vthr_debug.waits[r->what.kind];
    uint32_t tid = 0;

    if (r->what.kind == WAIT_JOIN)
        return ((const struct vthread *)r->what.obj)->tid;
    if (w->owner_size == sizeof tid && !memory_read_now((uintptr_t)r->what.obj + w->owner, &tid, sizeof tid))
        return 0;
    return tid;
}

static void find_owner(struct census *c, struct census_row *r)
{
    struct vthread *v;
    uint32_t tid;

    if (r->state != CENSUS_PARKED && r->state != CENSUS_CALL)
        return;
    tid = owner_tid(r);
    v = tid ? vthread_by_tid(tid) : NULL;
    r->owner = v && vthread_index(v) < c->numbers ? c->row_of[vthread_index(v)] : 0;
}

struct census *census_take(void)
{
    uint32_t cap = shell_count() + 1 + SLACK;
    size_t bytes = sizeof(struct census) + cap * (sizeof(struct census_row) + sizeof(uint32_t));
    struct census *c = memory_get(bytes);

    if (!c)
        return NULL;
    c->bytes = bytes;
    c->cap = c->numbers = cap;
    c->row_of = (uint32_t *)&c->row[cap];
    vthread_each(add, c);
    for (uint32_t i = 0; i < c->n; i++)
        find_owner(c, &c->row[i]);
    return c;
}

bool census_again(struct census *c, uint32_t row)
{
    struct census_row *r = &c->row[row];

    if (load_acquire(&r->v->life) != VT_LIVE)
        return false;
    fill(r, r->v);
    r->owner = 0;
    find_owner(c, r);
    return true;
}

void census_end(struct census *c)
{
    if (c)
        memory_give(c, c->bytes);
}

static bool waits_for_ever(const struct census_row *r)
{
    return r->state == CENSUS_PARKED && r->owner && !r->timed;
}

/* Each was in this very wait when the rows were read and is now, so all were at once in between, and their owners are noted as
 * before: none of them can run to release what it has. */
static bool is_cycle(struct census *c, uint32_t first)
{
    uint32_t i = first;

    do {
        struct census_row now = c->row[i];

        if (!waits_for_ever(&now) || !census_holds(&now))
            return false;
        find_owner(c, &now);
        if (now.owner != c->row[i].owner)
            return false;
        i = now.owner - 1;
    } while (i != first);
    return true;
}

void census_cycles(struct census *c, void (*fn)(struct census *c, uint32_t row, void *arg), void *arg)
{
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t at = i;

        while (waits_for_ever(&c->row[at]) && !c->row[at].seen) {
            c->row[at].seen = i + 1;
            at = c->row[at].owner - 1;
        }
        /* It ended at one of this path, not of an earlier one. */
        if (waits_for_ever(&c->row[at]) && c->row[at].seen == i + 1 && is_cycle(c, at))
            fn(c, at, arg);
    }
}
