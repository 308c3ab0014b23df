/* The report of all vthreads: what each does and waits for, who has that, its stack.  Those with the same stack that wait for the
 * same kind of thing are one group, as are 10,000 connections in one accept loop.
 *
 * Made by a native thread (the receiver, for VTHR_DUMP_SIGNAL; the monitor, for VTHR_DEADLOCK), so it is made also when no vthread
 * can run.  It takes no lock and calls nothing of libc that might: the program may be deadlocked in malloc or stdio, or the
 * runtime by a bug of ours. */
#include "runtime/diag/dump.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/diag/census.h"
#include "runtime/diag/debug.h"
#include "runtime/diag/sample.h"
#include "runtime/diag/stack.h"
#include "runtime/io/fdtab.h"
#include "runtime/io/hidden.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal.h"
#include <fcntl.h>
#include <string.h>

#define MAX_FRAMES 4096ul
#define POOL (1ul << 22) /* frames of all different stacks */
#define TRIES 8          /* of a stack that changes while it is read */
#define MAX_REPORTED 64      /* cycles, by VTHR_DEADLOCK */
#define SHOWN 24         /* numbers, or ranges of them, of a group */

/* Threads with the same stack in the same kind of wait. */
struct group {
    uint64_t hash;
    uint32_t first, last; /* rows; linked by next */
    uint32_t count;
    uint32_t n_pc;
    size_t pc;            /* in the pool */
    uint64_t since;       /* the earliest */
    bool all, same_name;
};

struct dump {
    struct text text;
    struct census *census;
    struct unwind_tables *tables;
    struct symbols *symbols;
    uintptr_t *scratch, *pool;
    size_t pool_used;
    struct group *groups;
    uint32_t n_groups, n_slots;
    uint32_t *slots; /* hash table: group + 1 */
    uint32_t *next;  /* by row: the next one in its group + 1 */
    uint64_t now;
};

/* --- Collecting --- */

static bool get_memory(struct dump *d)
{
    d->census = census_take();
    d->tables = unwind_begin();
    if (!d->census || !d->tables)
        return false;
    d->symbols = symbols_begin(&d->tables->memory);
    for (d->n_slots = 256; d->n_slots < 2 * d->census->n;)
        d->n_slots *= 2;
    d->scratch = memory_get(MAX_FRAMES * sizeof *d->scratch);
    d->pool = memory_get(POOL * sizeof *d->pool);
    d->groups = memory_get(d->census->n * sizeof *d->groups);
    d->next = memory_get(d->census->n * sizeof *d->next);
    d->slots = memory_get(d->n_slots * sizeof *d->slots);
    return d->symbols && d->scratch && d->pool && d->groups && d->next && d->slots;
}

static void give_memory(struct dump *d)
{
    if (d->census) {
        memory_give(d->groups, d->census->n * sizeof *d->groups);
        memory_give(d->next, d->census->n * sizeof *d->next);
    }
    memory_give(d->slots, d->n_slots * sizeof *d->slots);
    memory_give(d->scratch, MAX_FRAMES * sizeof *d->scratch);
    memory_give(d->pool, POOL * sizeof *d->pool);
    symbols_end(d->symbols);
    unwind_end(d->tables);
    census_end(d->census);
}

static bool has_owner(const struct census_row *r)
{
    return r->what.kind == WAIT_JOIN || vthr_debug.waits[r->what.kind].owner_size;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    return ((h << 5 | h >> 59) ^ v) * 0x9e3779b97f4a7c15ull;
}

/* Waits for different locks are different groups. */
static uint64_t hash_of(const struct census_row *r, const uintptr_t *pc, size_t n)
{
    uint64_t h = mix(mix(1, r->state), r->what.kind);

    if (has_owner(r))
        h = mix(h, (uintptr_t)r->what.obj);
    for (size_t i = 0; i < n; i++)
        h = mix(h, pc[i]);
    return h ? h : 1;
}

static bool belongs(const struct dump *d, const struct group *g, uint64_t hash, const struct census_row *r, const uintptr_t *pc,
                    size_t n)
{
    const struct census_row *one = &d->census->row[g->first];

    return g->hash == hash && one->state == r->state && one->what.kind == r->what.kind &&
           (!has_owner(r) || one->what.obj == r->what.obj) && g->n_pc == n && !memcmp(d->pool + g->pc, pc, n * sizeof *pc);
}

static struct group *new_group(struct dump *d, uint64_t hash, uint32_t row, size_t n, bool all)
{
    struct group *g = &d->groups[d->n_groups++];

    if (n > POOL - d->pool_used)
        n = 0;
    *g = (struct group){ .hash = hash, .first = row, .n_pc = (uint32_t)n, .pc = d->pool_used, .since = UINT64_MAX, .all = all,
                         .same_name = true };
    memcpy(d->pool + d->pool_used, d->scratch, n * sizeof *d->pool);
    d->pool_used += n;
    return g;
}

static struct group *group_of(struct dump *d, uint32_t row, size_t n, bool all)
{
    const struct census_row *r = &d->census->row[row];
    uint64_t hash = hash_of(r, d->scratch, n);
    uint32_t *slot = &d->slots[hash >> 20 & (d->n_slots - 1)];

    while (*slot) {
        if (belongs(d, &d->groups[*slot - 1], hash, r, d->scratch, n))
            return &d->groups[*slot - 1];
        if (++slot == d->slots + d->n_slots)
            slot = d->slots;
    }
    *slot = d->n_groups + 1;
    return new_group(d, hash, row, n, all);
}

static void add(struct dump *d, uint32_t row, size_t n, bool all)
{
    struct census_row *r = &d->census->row[row];
    struct group *g = group_of(d, row, n, all);

    if (g->count++)
        d->next[g->last] = row + 1;
    g->last = row;
    if (r->since < g->since)
        g->since = r->since;
    g->same_name &= strcmp(d->census->row[g->first].name, r->name) == 0;
}

/* Its stack, while it stays where it is; else another look.  One that always moves on is shown without. */
static void collect(struct dump *d, uint32_t row)
{
    struct census_row *r = &d->census->row[row];
    size_t n = 0;
    bool all = true;

    for (int i = 0; i < TRIES; i++) {
        if (sample_stack(r, d->tables, d->scratch, MAX_FRAMES, &n, &all))
            break;
        n = 0;
        if (!census_again(d->census, row))
            return; /* it has ended */
    }
    add(d, row, stack_trim(d->scratch, n), all);
}

/* --- Printing --- */

static void put_thread(struct dump *d, const struct census_row *r)
{
    text_put(&d->text, "vthread ", NULL);
    text_number(&d->text, r->number);
    text_put(&d->text, " \"", NULL);
    text_name(&d->text, r->name, sizeof r->name);
    text_put(&d->text, "\"", NULL);
}

static void put_seconds(struct dump *d, uint64_t ns)
{
    text_number(&d->text, ns / NSEC_PER_SEC);
    text_put(&d->text, ".", NULL);
    for (uint64_t unit = 100000000; unit >= 1000000; unit /= 10)
        text_number(&d->text, ns / unit % 10);
    text_put(&d->text, " s", NULL);
}

/* The kind of wait, and on what if it is the same for the whole group. */
static void put_wait(struct dump *d, const struct census_row *r, bool alone)
{
    const struct vthr_debug_wait *w = &vthr_debug.waits[r->what.kind];
    int fd;

    text_put(&d->text, w->name, NULL);
    if (has_owner(r) && w->object == VTHR_OBJ_ADDRESS) {
        text_put(&d->text, " ", NULL);
        text_hex(&d->text, (uintptr_t)r->what.obj);
    } else if (r->what.kind == WAIT_JOIN) {
        text_put(&d->text, " of", NULL);
    } else if (w->object == VTHR_OBJ_CALL) {
        if (r->what.obj && alone) {
            text_put(&d->text, " ", NULL);
            text_number(&d->text, (uintptr_t)r->what.obj);
        }
    } else if (alone && w->object == VTHR_OBJ_FD && r->what.obj &&
               memory_read_now((uintptr_t)&((const struct fdesc *)r->what.obj)->fd, &fd, sizeof fd)) {
        text_put(&d->text, " descriptor ", NULL);
        text_number(&d->text, (unsigned)fd);
    } else if (alone && w->object == VTHR_OBJ_ADDRESS) {
        text_put(&d->text, " ", NULL);
        text_hex(&d->text, (uintptr_t)r->what.obj);
    }
    if (!r->owner)
        return;
    text_put(&d->text, r->what.kind == WAIT_JOIN ? " " : ", held by ", NULL);
    put_thread(d, &d->census->row[r->owner - 1]);
}

static void put_numbers(struct dump *d, const struct group *g)
{
    uint32_t row = g->first, shown = 0;

    for (uint32_t left = g->count; left;) {
        uint32_t from = d->census->row[row].number, to = from;

        if (shown++ == SHOWN) {
            text_put(&d->text, " and ", NULL);
            text_number(&d->text, left);
            text_put(&d->text, " more", NULL);
            return;
        }
        while (--left && d->census->row[d->next[row] - 1].number == to + 1) {
            row = d->next[row] - 1;
            to++;
        }
        text_put(&d->text, " ", NULL);
        text_number(&d->text, from);
        if (to > from) {
            text_put(&d->text, to == from + 1 ? " " : "-", NULL);
            text_number(&d->text, to);
        }
        if (left)
            row = d->next[row] - 1;
    }
}

static void print_group(struct dump *d, const struct group *g)
{
    static const char *const states[] = { "running", "asleep in the kernel", "in a call", "ready", "parked" };
    const struct census_row *r = &d->census->row[g->first];

    text_put(&d->text, "\n", NULL);
    text_number(&d->text, g->count);
    text_put(&d->text, " ", states[r->state], NULL);
    if (r->state == CENSUS_PARKED || r->state == CENSUS_CALL) {
        text_put(&d->text, ", ", NULL);
        put_wait(d, r, g->count == 1);
        text_put(&d->text, g->count == 1 ? ", for " : ", for up to ", NULL);
        put_seconds(d, d->now > g->since ? d->now - g->since : 0);
    }
    text_put(&d->text, g->count == 1 ? ": vthread" : ": vthreads", NULL);
    put_numbers(d, g);
    if (g->same_name) {
        text_put(&d->text, " \"", NULL);
        text_name(&d->text, r->name, sizeof r->name);
        text_put(&d->text, "\"", NULL);
    }
    text_put(&d->text, "\n", NULL);
    if (g->n_pc)
        stack_print(&d->text, d->symbols, d->pool + g->pc, g->n_pc, g->all);
    else
        text_put(&d->text, "    (its stack cannot be read now)\n", NULL);
}

static void print_processor(struct dump *d, struct proc *p)
{
    static const char *const states[] = { "", "in the library", "in the program", "in a call" };
    uint64_t w = load_acquire(&p->word);
    const struct carrier *c = (const struct carrier *)(uintptr_t)(w & ~(uint64_t)P_STATE);

    if (!c)
        return;
    text_put(&d->text, "processor ", NULL);
    text_number(&d->text, p->id);
    text_put(&d->text, ": OS thread ", NULL);
    text_number(&d->text, (unsigned)c->tid);
    text_put(&d->text, ", ", load_relaxed(&p->sleeping) ? "asleep" : states[w & 3], ", ", NULL);
    text_number(&d->text, runq_len(&p->rq) + (load_relaxed(&p->next) != NULL) + load_relaxed(&p->inbox_n));
    text_put(&d->text, " ready, ", NULL);
    text_number(&d->text, load_relaxed(&p->timers.n));
    text_put(&d->text, " timers\n", NULL);
}

static void print_head(struct dump *d)
{
    char name[17] = "";

    SYS2(SYS_prctl, 16 /* PR_GET_NAME */, name);
    memcpy(name, vthr_main.name, 16);
    text_put(&d->text, "vthr: stacks of process ", NULL);
    text_number(&d->text, (unsigned long)SYS0(SYS_getpid));
    text_put(&d->text, " \"", NULL);
    text_name(&d->text, name, sizeof name);
    text_put(&d->text, "\", ", NULL);
    text_number(&d->text, d->census->n);
    text_put(&d->text, " vthreads\n", NULL);
    for (unsigned i = 0; i < vthr_nprocs; i++)
        print_processor(d, &vthr_procs[i]);
}

static void print_cycle(struct census *c, uint32_t first, void *arg)
{
    struct dump *d = arg;
    uint32_t i = first;

    text_put(&d->text, "\nDEADLOCK:\n", NULL);
    do {
        text_put(&d->text, "    ", NULL);
        put_thread(d, &c->row[i]);
        text_put(&d->text, " waits for ", NULL);
        put_wait(d, &c->row[i], true);
        text_put(&d->text, "\n", NULL);
        i = c->row[i].owner - 1;
    } while (i != first);
}

static int open_file(void)
{
    long fd = 2;

    if (*vthr_config.dump_file) {
        /* O_NONBLOCK: it may be a FIFO without a reader */
        fd = SYS4(SYS_openat, AT_FDCWD, vthr_config.dump_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
        if (fd >= 0)
            fd = hidden_out_of_the_way((int)fd);
        else
            vthr_say("VTHR_DUMP_FILE=", vthr_config.dump_file, ": cannot be written", NULL);
    }
    return fd >= 0 ? (int)fd : 2;
}

static void print_all(struct dump *d)
{
    print_head(d);
    for (uint32_t i = 0; i < d->census->n; i++)
        collect(d, i);
    for (unsigned state = 0; state < CENSUS_STATES; state++)
        for (uint32_t i = 0; i < d->n_groups; i++)
            if (d->census->row[d->groups[i].first].state == state)
                print_group(d, &d->groups[i]);
    census_cycles(d->census, print_cycle, d);
    text_put(&d->text, "\nvthr: end of stacks\n", NULL);
}

static void dump_all(void)
{
    struct dump *d = memory_get(sizeof *d);
    int fd = open_file();

    if (d && get_memory(d)) {
        d->now = now_ns();
        text_begin(&d->text, fd);
        print_all(d);
        text_end(&d->text);
    } else {
        vthr_say("no memory for a dump of stacks", NULL);
    }
    if (d)
        give_memory(d);
    memory_give(d, sizeof *d);
    if (fd != 2)
        SYS1(SYS_close, fd);
}

/* --- Deadlocks, by the monitor --- */

/* Each cycle once: known by its lowest thread, and by which wait of that it is. */
static struct {
    uint32_t number;
    uint64_t word;
} reported[MAX_REPORTED];
static uint32_t n_reported;

static bool is_new(const struct census *c, uint32_t first)
{
    const struct census_row *low = &c->row[first];

    for (uint32_t i = low->owner - 1; i != first; i = c->row[i].owner - 1)
        low = c->row[i].number < low->number ? &c->row[i] : low;
    for (uint32_t k = 0; k < n_reported; k++)
        if (reported[k].number == low->number && reported[k].word == low->word)
            return false;
    reported[n_reported].number = low->number;
    reported[n_reported++].word = low->word;
    return true;
}

static void print_deadlock(struct census *c, uint32_t first, void *arg)
{
    struct dump *d = arg;
    uint32_t i = first, from = d->n_groups;

    if (n_reported == MAX_REPORTED || !is_new(c, first))
        return;
    text_begin(&d->text, 2);
    text_put(&d->text, "vthr: threads wait for each other for ever", NULL);
    print_cycle(c, first, d);
    do {
        collect(d, i);
        i = c->row[i].owner - 1;
    } while (i != first);
    for (uint32_t k = from; k < d->n_groups; k++)
        print_group(d, &d->groups[k]);
    text_end(&d->text);
}

static void look_for_deadlock(void)
{
    struct dump *d;

    if (n_reported == MAX_REPORTED)
        return;
    d = memory_get(sizeof *d);
    if (d && get_memory(d)) {
        d->now = now_ns();
        census_cycles(d->census, print_deadlock, d);
    }
    if (d)
        give_memory(d);
    memory_give(d, sizeof *d);
}

void dump_install(void)
{
    cfi_init();
    n_reported = 0;
    signal_on_nudge = NULL;
    signal_on_dump = dump_all;
    if (vthr_config.deadlock)
        vthr_monitor_hook = look_for_deadlock;
}
