/* vthr ps: one line for each vthread; with --tree below the one that opened the scope it was spawned in. */
#include "runtime/tool/tool.h"
#include "runtime/tool/tree.h"
#include "runtime/tool/view.h"

#include <string.h>

#define INDENT 2u
#define DEEPEST 30u /* indented no further */

struct listing {
    struct view *w;
    FILE *to;
    bool first;
};

static void line(struct view *w, const struct vt *v, unsigned depth, FILE *to)
{
    char wait[256], start[256], age[16] = "-", state[32], name[sizeof v->name];
    int indent = (int)(INDENT * (depth < DEEPEST ? depth : DEEPEST));

    wait_text(&w->target, v, wait, sizeof wait);
    view_start(&w->target, v, start, sizeof start);
    if (v->wait_kind)
        view_age(age, v->since, w->snapshot.now);
    view_state(v, state, sizeof state);
    memcpy(name, v->name, sizeof name);
    view_printable(name);
    view_printable(start);
    fprintf(to, "%7u %8u %*s%-*s %-14s %7s %-16s %s\n", v->number, v->tid, indent, "", w->tree && indent < 9 ? 24 - indent : 15, name,
            state, age, start, *wait ? wait : "-");
}

static void object(struct view *w, const struct vt *v, FILE *to)
{
    char text[256];

    fprintf(to, "{\"id\":%u,\"tid\":%u,\"name\":", v->number, v->tid);
    view_json(to, v->name, sizeof v->name);
    view_start(&w->target, v, text, sizeof text);
    fputs(",\"start\":", to);
    view_json(to, text, sizeof text);
    fprintf(to, ",\"state\":\"%s\"", vt_state_names[v->state]);
    if (v->parent >= 0)
        fprintf(to, ",\"parent\":%ld", (long)v->parent);
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

static void see(void *arg, size_t index, unsigned depth)
{
    struct listing *l = arg;
    const struct vt *v = &l->w->snapshot.all[index];

    if (!view_chosen(l->w, v))
        return;
    if (!l->w->json) {
        line(l->w, v, depth, l->to);
        return;
    }
    fputs(l->first ? "\n" : ",\n", l->to);
    object(l->w, v, l->to);
    l->first = false;
}

int view_ps(struct view *w, FILE *to)
{
    struct snapshot *s = &w->snapshot;
    struct listing l = { w, to, true };
    bool ok = tree_find(&w->target, s);

    if (w->json)
        fprintf(to, "{\"pid\":%d,\"library\":\"%.15s\",\"vthreads\":[", (int)w->target.pid, w->target.d.library);
    else
        fprintf(to, "%7s %8s %-*s %-14s %7s %-16s %s\n", "ID", "TID", w->tree ? 24 : 15, "NAME", "STATE", "SINCE", "START", "WAITS FOR");
    if (ok && w->tree)
        ok = tree_walk(s, see, &l);
    for (size_t i = 0; ok && !w->tree && i < s->n; i++)
        see(&l, i, 0);
    if (w->json)
        fputs("\n]}\n", to);
    if (!ok)
        vthr_tool_say(stderr, "out of memory");
    return ok ? 0 : VTHR_EXIT_ERROR;
}
