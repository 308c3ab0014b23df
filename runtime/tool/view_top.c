/* vthr top: what the vthreads do, again and again: on the whole screen, or, where there is none, one text after the other.
 *
 * Nothing counts what a vthread does, but each of its waits has a number of its own, so two looks tell how often it waited in between:
 * that is its activity.  One that computes has none; it is in the state "running". */
#include "runtime/tool/screen.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMED_RATES 5
#define CONTROL_L 12
#define MAX_PROCS 4096u
#define TICKET(word) ((word) >> 3)

enum key { BY_ACTIVITY, BY_AGE, BY_ID, BY_NAME, BY_STATE, BY_WAIT, KEYS };
static const char *const key_names[KEYS] = { "activity", "age", "id", "name", "state", "wait" };
static const char key_letters[KEYS + 1] = "atinsw";
static const char *const rates[NAMED_RATES] = { "switches", "parks", "wakes", "steals", "spawns" };

struct row {
    const struct vt *v;
    uint64_t waits; /* since the last look */
};

struct top {
    struct view *w;
    enum key key;
    bool reverse, begun;
    struct snapshot last;
    uint64_t counters[NAMED_RATES], last_counters[NAMED_RATES];
    struct row *rows;
    size_t n, first; /* the first that is shown */
    FILE *to;        /* NULL: the screen */
    int line;
};

int top_key(const char *name)
{
    for (int i = 0; i < KEYS; i++)
        if (strcmp(name, key_names[i]) == 0)
            return i;
    return -1;
}

/* --- A look */

static uint64_t counter(struct target *t, const char *name)
{
    uint32_t nprocs = target_u32(t, (uintptr_t)t->d.nprocs);
    uint64_t procs = target_word(t, (uintptr_t)t->d.procs), sum = 0;

    for (uint32_t c = 0; c < t->d.n_counters; c++)
        for (uint32_t i = 0; strncmp(t->d.counters[c].name, name, sizeof t->d.counters[c].name) == 0 && i < nprocs && i < MAX_PROCS; i++)
            sum += target_word(t, procs + (uint64_t)i * t->d.proc_size + t->d.counters[c].offset);
    return sum;
}

/* A number is used again by a later thread, whose waits go on where the former's ended. */
static uint64_t waits_since(struct top *p, const struct vt *v)
{
    const struct vt *was = snapshot_by_number(&p->last, v->number);

    return was && TICKET(v->word) >= TICKET(was->word) ? TICKET(v->word) - TICKET(was->word) : 0;
}

static enum key sorted_by;
static bool reversed;
static uint64_t sorted_at;

static uint64_t age(const struct vt *v)
{
    return v->wait_kind && v->since < sorted_at ? sorted_at - v->since : 0;
}

static int order(uint64_t a, uint64_t b) /* the larger first */
{
    return a > b ? -1 : a < b;
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int r = 0;

    switch (sorted_by) {
    case BY_ACTIVITY: /* those that compute before those that wait often */
        r = order(x->v->state == VT_IS_RUNNING, y->v->state == VT_IS_RUNNING);
        r = r ? r : order(x->waits, y->waits);
        break;
    case BY_AGE:
        r = order(age(x->v), age(y->v));
        break;
    case BY_NAME:
        r = strcmp(x->v->name, y->v->name);
        break;
    case BY_STATE:
        r = order(x->v->state, y->v->state);
        break;
    case BY_WAIT:
        r = x->v->wait_kind < y->v->wait_kind ? -1 : x->v->wait_kind > y->v->wait_kind;
        r = r ? r : order(y->v->wait_obj, x->v->wait_obj);
        break;
    default:
        break;
    }
    r = r ? r : x->v->number < y->v->number ? -1 : x->v->number > y->v->number;
    return reversed ? -r : r;
}

static void sort(struct top *p)
{
    sorted_by = p->key;
    reversed = p->reverse;
    sorted_at = p->w->snapshot.now;
    if (p->n)
        qsort(p->rows, p->n, sizeof *p->rows, compare);
}

static int look(struct top *p)
{
    struct view *w = p->w;
    bool stop = w->stop || w->target.core;
    struct row *rows;
    int r;

    if (target_read(&w->target, w->target.descriptor, &(char){ 0 }, 1)) {
        screen_close(); /* before it is said why */
        return target_failed(&w->target);
    }
    r = stop ? stop_all(&w->target, &w->stopped) : 0;
    snapshot_free(&p->last);
    p->last = w->snapshot;
    memset(&w->snapshot, 0, sizeof w->snapshot);
    if (!r)
        r = snapshot_take(&w->target, stop ? &w->stopped : NULL, false, &w->snapshot);
    stop_end(&w->stopped);
    if (r)
        return r;
    rows = realloc(p->rows, (w->snapshot.n + 1) * sizeof *rows);
    if (!rows) {
        vthr_tool_say(stderr, "out of memory");
        return VTHR_EXIT_ERROR;
    }
    p->rows = rows;
    p->n = 0;
    for (size_t i = 0; i < w->snapshot.n; i++)
        if (view_chosen(w, &w->snapshot.all[i]))
            rows[p->n++] = (struct row){ &w->snapshot.all[i], waits_since(p, &w->snapshot.all[i]) };
    memcpy(p->last_counters, p->counters, sizeof p->counters);
    for (int i = 0; i < NAMED_RATES; i++)
        p->counters[i] = counter(&w->target, rates[i]);
    sort(p);
    return 0;
}

/* --- Showing it */

static void put(struct top *p, bool reverse, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(struct top *p, bool reverse, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (p->to)
        fprintf(p->to, "%s\n", line);
    else
        screen_line(p->line++, line, reverse);
}

static double seconds(const struct top *p)
{
    uint64_t was = p->last.now, is = p->w->snapshot.now;

    return p->begun && is > was ? (double)(is - was) / 1e9 : 0;
}

/* Per second, since the last look; as much room as there is. */
static void rate(char to[24], const struct top *p, uint64_t n)
{
    double s = seconds(p), r = s > 0 ? (double)n / s : 0;

    if (s <= 0)
        snprintf(to, 24, "-");
    else
        snprintf(to, 24, r < 10 && r > 0 ? "%.1f" : "%.0f", r);
}

static void head(struct top *p)
{
    struct view *w = p->w;
    struct target *t = &w->target;
    size_t states[VT_STATES] = { 0 };
    char r[NAMED_RATES][24];

    for (size_t i = 0; i < p->n; i++)
        states[p->rows[i].v->state]++;
    put(p, false, "%s: %zu vthreads: %zu running, %zu ready, %zu blocked, %zu parked; %u processors, %u carriers, %zu deadlocks", t->label,
        p->n, states[VT_IS_RUNNING], states[VT_IS_READY], states[VT_IS_BLOCKED], states[VT_IS_PARKED],
        target_u32(t, (uintptr_t)t->d.nprocs), t->d.n_carriers ? target_u32(t, (uintptr_t)t->d.n_carriers) : 0, w->snapshot.deadlocks);
    for (int i = 0; i < NAMED_RATES; i++)
        rate(r[i], p, p->counters[i] - p->last_counters[i]);
    put(p, false, "per second: %s switches, %s parks, %s wakes, %s steals, %s spawns", r[0], r[1], r[2], r[3], r[4]);
    if (!p->to)
        put(p, false, "by %s%s; keys: (a)ctivity (t)ime (i)d (n)ame (s)tate (w)ait, (r)everse, arrows, (q)uit", key_names[p->key],
            p->reverse ? ", reversed" : "");
}

static void row(struct top *p, const struct row *r)
{
    const struct vt *v = r->v;
    char wait[256], start[256], age[16] = "-", state[32], name[sizeof v->name], waits[24];

    wait_text(&p->w->target, v, wait, sizeof wait);
    view_start(&p->w->target, v, start, sizeof start);
    view_state(v, state, sizeof state);
    if (v->wait_kind)
        view_age(age, v->since, p->w->snapshot.now);
    rate(waits, p, r->waits);
    memcpy(name, v->name, sizeof name);
    view_printable(name);
    view_printable(start);
    put(p, false, "%7u %8u %-15s %-14s %8s %7s %-16s %s", v->number, v->tid, name, state, waits, age, start, *wait ? wait : "-");
}

static void show(struct top *p)
{
    size_t room = SIZE_MAX;

    p->line = 0;
    if (!p->to)
        screen_clear();
    head(p);
    put(p, true, "%7s %8s %-15s %-14s %8s %7s %-16s %s", "ID", "TID", "NAME", "STATE", "WAITS/S", "SINCE", "START", "WAITS FOR");
    if (!p->to) {
        room = screen_rows() > p->line ? (size_t)(screen_rows() - p->line) : 0;
        if (p->first >= p->n)
            p->first = p->n ? p->n - 1 : 0;
    }
    for (size_t i = p->first; i < p->n && room; i++, room--)
        row(p, &p->rows[i]);
    if (p->to)
        fputs("\n", p->to);
    else
        screen_show();
}

/* --- Until it is told to end */

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* False: quit. */
static bool obey(struct top *p, int key)
{
    size_t page = screen_rows() > 5 ? (size_t)screen_rows() - 5 : 1;
    const char *letter = key < 256 && key > 0 ? strchr(key_letters, key) : NULL;

    if (letter)
        p->key = (enum key)(letter - key_letters);
    switch (key) {
    case 'q':
        return false;
    case 'r':
        p->reverse = !p->reverse;
        break;
    case CONTROL_L:
        screen_redraw();
        break;
    case SCREEN_UP:
        p->first -= p->first > 0;
        break;
    case SCREEN_DOWN:
        p->first++;
        break;
    case SCREEN_PAGE_UP:
        p->first -= p->first < page ? p->first : page;
        break;
    case SCREEN_PAGE_DOWN:
        p->first += page;
        break;
    case SCREEN_HOME:
        p->first = 0;
        break;
    }
    return true;
}

/* Until the next look is due.  False: quit. */
static bool wait_on_screen(struct top *p)
{
    uint64_t until = now_ms() + (uint64_t)(p->w->delay * 1000);

    for (uint64_t now; (now = now_ms()) < until;) {
        int key = screen_key((int)(until - now));

        if (key == SCREEN_NONE)
            continue;
        if (key == ' ')
            return true;
        if (!obey(p, key))
            return false;
        sort(p);
        show(p);
    }
    return true;
}

static bool wait_for_next(struct top *p)
{
    struct timespec d = { (time_t)p->w->delay, (long)((p->w->delay - (double)(time_t)p->w->delay) * 1e9) };

    if (!p->to)
        return wait_on_screen(p);
    while (nanosleep(&d, &d) < 0 && errno == EINTR)
        ;
    return true;
}

int view_top(struct view *w)
{
    struct top p = { .w = w, .key = (enum key)(w->sort ? top_key(w->sort) : BY_ACTIVITY) };
    unsigned times = 0;
    int r;

    if (!screen_open())
        p.to = stdout;
    for (;;) {
        r = look(&p);
        if (r)
            break;
        show(&p);
        p.begun = true;
        if (p.to && (fflush(p.to) != 0 || ferror(p.to)))
            r = VTHR_EXIT_ERROR;
        times++;
        if (r || times == w->times || !wait_for_next(&p))
            break;
    }
    screen_close();
    snapshot_free(&p.last);
    free(p.rows);
    return r;
}
