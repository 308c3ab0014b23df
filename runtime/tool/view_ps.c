/* vthr ps: one line for each vthread.  vthr stat: counters and sums. */
#include "runtime/tool/view.h"

#include <string.h>

static void start_text(struct target *t, const struct vt *v, char *to, size_t size)
{
    uint64_t offset;
    const char *name = v->start ? symbol_at(t, v->start, &offset) : NULL;

    if (v->number == 0)
        snprintf(to, size, "main");
    else if (name)
        snprintf(to, size, "%s", name);
    else
        snprintf(to, size, "%#lx", (unsigned long)v->start);
}

static void printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
}

static void line(struct view *w, const struct vt *v, FILE *to)
{
    char wait[256], start[256], age[16] = "-", state[32], name[sizeof v->name];

    wait_text(&w->target, v, wait, sizeof wait);
    start_text(&w->target, v, start, sizeof start);
    if (v->wait_kind)
        view_age(age, v->since, w->snapshot.now);
    if (v->carrier_tid)
        snprintf(state, sizeof state, "%s %u", vt_state_names[v->state], v->carrier_tid);
    else
        snprintf(state, sizeof state, "%s", vt_state_names[v->state]);
    memcpy(name, v->name, sizeof name);
    printable(name);
    printable(start);
    fprintf(to, "%7u %8u %-15s %-14s %7s %-16s %s\n", v->number, v->tid, name, state, age, start, *wait ? wait : "-");
}

static void object(struct view *w, const struct vt *v, FILE *to)
{
    char text[256];

    fprintf(to, "{\"id\":%u,\"tid\":%u,\"name\":", v->number, v->tid);
    view_json(to, v->name, sizeof v->name);
    start_text(&w->target, v, text, sizeof text);
    fputs(",\"start\":", to);
    view_json(to, text, sizeof text);
    fprintf(to, ",\"state\":\"%s\"", vt_state_names[v->state]);
    if (v->carrier_tid)
        fprintf(to, ",\"lwp\":%u", v->carrier_tid);
    if (v->wait_kind) {
        wait_text(&w->target, v, text, sizeof text);
        fputs(",\"wait\":", to);
        view_json(to, text, sizeof text);
        fputs(",\"wait_kind\":", to);
        view_json(to, wait_kind_name(&w->target, v), 12);
        fprintf(to, ",\"wait_object\":\"%#lx\",\"waited_ns\":%lu", (unsigned long)v->wait_obj,
                (unsigned long)(w->snapshot.now > v->since ? w->snapshot.now - v->since : 0));
        if (v->blocker >= 0)
            fprintf(to, ",\"waits_for\":%ld", (long)v->blocker);
        if (v->deadline)
            fprintf(to, ",\"left_ns\":%ld", (long)(v->deadline - w->snapshot.now));
    }
    fputs("}", to);
}

void view_ps(struct view *w, FILE *to)
{
    struct snapshot *s = &w->snapshot;
    bool first = true;

    if (w->json)
        fprintf(to, "{\"pid\":%d,\"library\":\"%.15s\",\"vthreads\":[", (int)w->target.pid, w->target.d.library);
    else
        fprintf(to, "%7s %8s %-15s %-14s %7s %-16s %s\n", "ID", "TID", "NAME", "STATE", "SINCE", "START", "WAITS FOR");
    for (size_t i = 0; i < s->n; i++) {
        if (!view_chosen(w, &s->all[i]))
            continue;
        if (!w->json) {
            line(w, &s->all[i], to);
            continue;
        }
        fputs(first ? "\n" : ",\n", to);
        object(w, &s->all[i], to);
        first = false;
    }
    if (w->json)
        fputs("\n]}\n", to);
}

/* --- stat */

static void item(struct view *w, FILE *to, const char *name, uint64_t value)
{
    if (w->json)
        fprintf(to, ",\n\"%s\":%lu", name, (unsigned long)value);
    else
        fprintf(to, "%-24s %12lu\n", name, (unsigned long)value);
}

static void counters(struct view *w, FILE *to)
{
    struct target *t = &w->target;
    uint32_t nprocs = target_u32(t, (uintptr_t)t->d.nprocs);
    uint64_t procs = target_word(t, (uintptr_t)t->d.procs);

    for (uint32_t c = 0; c < t->d.n_counters; c++) {
        char name[sizeof t->d.counters[c].name + 1] = "";
        uint64_t sum = 0;

        for (uint32_t p = 0; p < nprocs && p < 4096; p++)
            sum += target_word(t, procs + (uint64_t)p * t->d.proc_size + t->d.counters[c].offset);
        memcpy(name, t->d.counters[c].name, sizeof name - 1);
        item(w, to, name, sum);
    }
}

void view_stat(struct view *w, FILE *to)
{
    struct target *t = &w->target;
    uint64_t states[VT_STATES] = { 0 }, waits[VTHR_DEBUG_MAX_WAITS] = { 0 }, n = 0;
    char name[64];

    for (size_t i = 0; i < w->snapshot.n; i++)
        if (view_chosen(w, &w->snapshot.all[i])) {
            states[w->snapshot.all[i].state]++;
            waits[w->snapshot.all[i].wait_kind]++;
            n++;
        }
    if (w->json)
        fprintf(to, "{\"pid\":%d", (int)t->pid);
    item(w, to, "processors", target_u32(t, (uintptr_t)t->d.nprocs));
    if (t->d.n_carriers)
        item(w, to, "carriers", target_u32(t, (uintptr_t)t->d.n_carriers));
    item(w, to, "vthreads", n);
    for (int i = 0; i < VT_STATES; i++)
        item(w, to, vt_state_names[i], states[i]);
    for (uint32_t i = 1; i < t->d.n_waits; i++)
        if (waits[i]) {
            snprintf(name, sizeof name, "waiting for %.12s", t->d.waits[i].name);
            item(w, to, name, waits[i]);
        }
    item(w, to, "deadlocks", w->snapshot.deadlocks);
    counters(w, to);
    if (w->json)
        fputs("\n}\n", to);
}
