/* vthr stat: counters and sums, as text, JSON, or in the Prometheus text format. */
#include "runtime/tool/view.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROCS 4096u
#define PAGE 4096ul
#define PRESENT (3ull << 62) /* pagemap: in memory or in swap */
#define LOOKED_AT 4096u      /* stacks, at most twice as many */

/* A number: the name that text and JSON give it, and what Prometheus is told of it. */
struct metric {
    const char *name;
    const char *family, *label, *value; /* label NULL: none */
    const char *help;
    bool counts; /* up only, from when the first thread was made */
};

/* Those that the library counts by itself; it may be a later one and have more. */
static const struct metric counted[] = {
    { "spawns", "vthr_spawns_total", NULL, NULL, "Threads made.", true },
    { "switches", "vthr_switches_total", NULL, NULL, "Changes from one virtual thread to another or to the scheduler.", true },
    { "parks", "vthr_parks_total", NULL, NULL, "Waits in which a virtual thread gave up its carrier.", true },
    { "wakes", "vthr_wakes_total", NULL, NULL, "Virtual threads made ready to run.", true },
    { "steals", "vthr_steals_total", NULL, NULL, "Times that a processor took work from another.", true },
    { "polls", "vthr_polls_total", NULL, NULL, "Looks at the descriptors between two virtual threads.", true },
    { "handoffs-blocked", "vthr_handoffs_total", "cause", "blocked", "Processors taken from a carrier.", true },
    { "handoffs-announced", "vthr_handoffs_total", "cause", "announced", "", true },
    { "handoffs-computing", "vthr_handoffs_total", "cause", "computing", "", true },
    { "epoll-waits", "vthr_poller_calls_total", "call", "epoll_wait", "System calls made to wait for descriptors and timers.", true },
    { "epoll-changes", "vthr_poller_calls_total", "call", "epoll_ctl", "", true },
    { "poller-sleeps", "vthr_poller_calls_total", "call", "sleep", "", true },
    { "timer-armings", "vthr_poller_calls_total", "call", "timerfd_settime", "", true },
    { "poller-wakeups", "vthr_poller_wakeups_total", NULL, NULL, "Sleeps of a processor that another ended.", true },
    { "timer-expirations", "vthr_timer_expirations_total", NULL, NULL, "Sleeps of a processor that its timer ended.", true },
    { "timers-set", "vthr_timers_set_total", NULL, NULL, "Waits with a time limit, sleeps included.", true },
    { "timers-expired", "vthr_timers_expired_total", NULL, NULL, "Those that the limit ended.", true },
};

struct printing {
    struct view *w;
    FILE *to;
    char family[64]; /* Prometheus: the last one that was described */
};

/* Nothing that a damaged process says can break a line. */
static void label_value(FILE *to, const char *s)
{
    for (; *s; s++)
        putc(*s == '"' || *s == '\\' || (unsigned char)*s < ' ' || (unsigned char)*s >= 0x7f ? '_' : *s, to);
}

static void prometheus(struct printing *p, const struct metric *m, uint64_t value)
{
    if (strcmp(p->family, m->family) != 0) {
        snprintf(p->family, sizeof p->family, "%s", m->family);
        fprintf(p->to, "# HELP %s %s\n# TYPE %s %s\n", m->family, m->help, m->family, m->counts ? "counter" : "gauge");
    }
    fputs(m->family, p->to);
    if (m->label) {
        fprintf(p->to, "{%s=\"", m->label);
        label_value(p->to, m->value);
        fputs("\"}", p->to);
    }
    fprintf(p->to, " %lu\n", (unsigned long)value);
}

static void metric(struct printing *p, const struct metric *m, uint64_t value)
{
    if (p->w->prometheus) {
        prometheus(p, m, value);
    } else if (p->w->json) {
        fputs(",\n", p->to);
        view_json(p->to, m->name, strlen(m->name));
        fprintf(p->to, ":%lu", (unsigned long)value);
    } else {
        fprintf(p->to, "%-24s %12lu\n", m->name, (unsigned long)value);
    }
}

static void plain(struct printing *p, const char *name, const char *family, const char *help, uint64_t value)
{
    metric(p, &(struct metric){ name, family, NULL, NULL, help, false }, value);
}

/* --- Sums over the processors */

static uint64_t sum(struct target *t, uint64_t offset, unsigned size)
{
    uint32_t nprocs = target_u32(t, (uintptr_t)t->d.nprocs);
    uint64_t procs = target_word(t, (uintptr_t)t->d.procs), total = 0;

    for (uint32_t i = 0; i < nprocs && i < MAX_PROCS; i++) {
        uint64_t at = procs + (uint64_t)i * t->d.proc_size + offset;

        total += size == 4 ? target_u32(t, at) : target_word(t, at);
    }
    return total;
}

static const struct metric *known(const char *name)
{
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        if (strcmp(counted[i].name, name) == 0)
            return &counted[i];
    return NULL;
}

/* Prometheus wants one family's numbers side by side: in the order of the table, then what it does not know. */
static void counters(struct printing *p)
{
    struct target *t = &p->w->target;
    char names[VTHR_DEBUG_MAX_COUNTERS][sizeof t->d.counters[0].name + 1];
    char family[64];

    for (uint32_t c = 0; c < t->d.n_counters; c++)
        snprintf(names[c], sizeof names[c], "%.*s", (int)sizeof t->d.counters[c].name, t->d.counters[c].name);
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        for (uint32_t c = 0; c < t->d.n_counters; c++)
            if (strcmp(names[c], counted[i].name) == 0)
                metric(p, &counted[i], sum(t, t->d.counters[c].offset, 8));
    for (uint32_t c = 0; c < t->d.n_counters; c++) {
        if (known(names[c]))
            continue;
        snprintf(family, sizeof family, "vthr_%s_total", names[c]);
        for (char *s = family; *s; s++)
            if (!isalnum((unsigned char)*s))
                *s = '_';
        metric(p, &(struct metric){ names[c], family, NULL, NULL, "A counter of this library.", true },
               sum(t, t->d.counters[c].offset, 8));
    }
}

static void by_kind(struct printing *p, const char *what, const char *family, const char *help, bool counts, const uint64_t *values)
{
    struct target *t = &p->w->target;
    char name[64], kind[16];

    for (uint32_t i = 1; i < t->d.n_waits; i++) {
        snprintf(kind, sizeof kind, "%.12s", t->d.waits[i].name);
        snprintf(name, sizeof name, "%s %s", what, kind);
        if (values[i])
            metric(p, &(struct metric){ name, family, "for", kind, help, counts }, values[i]);
    }
}

static void parks(struct printing *p)
{
    struct target *t = &p->w->target;
    uint64_t values[VTHR_DEBUG_MAX_WAITS] = { 0 };

    for (uint32_t i = 1; t->d.parks_for && i < t->d.n_waits; i++)
        values[i] = sum(t, t->d.parks_for + i * sizeof values[0], 8);
    by_kind(p, "parks for", "vthr_parks_by_cause_total", "Parks by what was waited for.", true, values);
}

/* --- Stacks: what the address space holds of them, and how many of their pages have memory.  Of many, some are looked at. */

static uint64_t resident(int pagemap, uint64_t lo, uint64_t size)
{
    uint64_t entries[512], pages = 0, hi = lo + size;

    for (lo &= ~(PAGE - 1); lo < hi;) {
        size_t n = (hi - lo + PAGE - 1) / PAGE < 512 ? (hi - lo + PAGE - 1) / PAGE : 512;
        ssize_t r = pread(pagemap, entries, n * 8, (off_t)(lo / PAGE * 8));

        for (ssize_t i = 0; i < r / 8; i++)
            pages += (entries[i] & PRESENT) != 0;
        lo += n * PAGE;
    }
    return pages * PAGE;
}

static void stacks(struct printing *p)
{
    const struct snapshot *s = &p->w->snapshot;
    uint64_t space = 0, memory = 0;
    size_t step = s->n / LOOKED_AT + 1, n = 0, looked_at = 0;
    unsigned unit = p->w->prometheus ? 0 : 10;
    char name[64];
    int pagemap;

    snprintf(name, sizeof name, "/proc/%d/pagemap", (int)p->w->target.pid);
    pagemap = p->w->target.core ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < s->n; i++) {
        const struct vt *v = &s->all[i];

        if (!v->stack_size || v->user_stack)
            continue;
        space += v->stack_size + v->guard_size;
        if (n++ % step == 0 && pagemap >= 0) {
            memory += resident(pagemap, v->stack_lo, v->stack_size);
            looked_at++;
        }
    }
    plain(p, "stack-space-kib", "vthr_stack_space_bytes", "Address space of the stacks of virtual threads.", space >> unit);
    if (looked_at)
        plain(p, "stack-memory-kib", "vthr_stack_memory_bytes", "Memory in these stacks.", memory / looked_at * n >> unit);
    if (pagemap >= 0)
        close(pagemap);
}

/* --- All */

static void vthreads(struct printing *p)
{
    struct view *w = p->w;
    uint64_t states[VT_STATES] = { 0 }, waits[VTHR_DEBUG_MAX_WAITS] = { 0 }, n = 0;

    for (size_t i = 0; i < w->snapshot.n; i++)
        if (view_chosen(w, &w->snapshot.all[i])) {
            states[w->snapshot.all[i].state]++;
            waits[w->snapshot.all[i].wait_kind]++;
            n++;
        }
    if (!w->prometheus) /* there it is the sum over the states */
        plain(p, "vthreads", NULL, NULL, n);
    for (int i = 0; i < VT_STATES; i++)
        metric(p, &(struct metric){ vt_state_names[i], "vthr_vthreads", "state", vt_state_names[i], "Virtual threads by state.", false },
               states[i]);
    by_kind(p, "waiting for", "vthr_waiting", "Virtual threads that wait, by what for.", false, waits);
}

void view_stat(struct view *w, FILE *to)
{
    struct printing p = { .w = w, .to = to };
    struct target *t = &w->target;

    if (w->json)
        fprintf(to, "{\"pid\":%d", (int)t->pid);
    plain(&p, "processors", "vthr_processors", "Virtual threads that may run at a time.", target_u32(t, (uintptr_t)t->d.nprocs));
    if (t->d.n_carriers)
        plain(&p, "carriers", "vthr_carriers", "OS threads that run virtual threads.", target_u32(t, (uintptr_t)t->d.n_carriers));
    vthreads(&p);
    plain(&p, "deadlocks", "vthr_deadlocks", "Cycles of virtual threads that wait for each other.", w->snapshot.deadlocks);
    counters(&p);
    parks(&p);
    if (t->d.timers_pending.size == 4) {
        plain(&p, "timers-pending", "vthr_timers_pending", "Time limits of waits that go on.", sum(t, t->d.timers_pending.offset, 4));
        plain(&p, "timers-most", "vthr_timers_most", "The most at one time, of each processor.", sum(t, t->d.timers_most.offset, 4));
    }
    stacks(&p);
    if (w->json)
        fputs("\n}\n", to);
}
