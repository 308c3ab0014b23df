/* vthr stacks: each different stack once, with the vthreads that have it; then the deadlocks. */
#include "runtime/tool/tool.h"
#include "runtime/tool/unwind.h"
#include "runtime/tool/view.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const struct vt *v;
    const char *text; /* "" without a stack */
    size_t same;      /* of the group that it leads, or 0 */
};

static int compare(const struct row *a, const struct row *b)
{
    int r = a->text == b->text ? 0 : strcmp(a->text, b->text);

    if (r)
        return r;
    if (a->v->state != b->v->state)
        return a->v->state < b->v->state ? -1 : 1;
    return a->v->wait_kind < b->v->wait_kind ? -1 : a->v->wait_kind > b->v->wait_kind;
}

static int by_stack(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    int r = compare(a, b);

    return r ? r : a->v->number < b->v->number ? -1 : a->v->number > b->v->number;
}

static size_t collect(struct view *w, struct row *rows)
{
    size_t n = 0, i = 0;

    for (size_t k = 0; k < w->snapshot.n; k++) {
        const struct vt *v = &w->snapshot.all[k];

        if (view_chosen(w, v))
            rows[n++] = (struct row){ v, v->stack ? stack_text(&w->target, v->stack) : "", 0 };
    }
    if (n)
        qsort(rows, n, sizeof *rows, by_stack);
    while (i < n) {
        size_t first = i++;

        while (i < n && compare(&rows[first], &rows[i]) == 0)
            i++;
        rows[first].same = i - first;
    }
    return n;
}

/* "3-17, 20": numbers that follow each other as a range. */
static void numbers(const struct row *rows, size_t n, FILE *to)
{
    for (size_t i = 0; i < n;) {
        size_t k = i;

        while (k + 1 < n && rows[k + 1].v->number == rows[k].v->number + 1)
            k++;
        fprintf(to, k > i ? "%s%u-%u" : "%s%u", i ? ", " : "", rows[i].v->number, rows[k].v->number);
        i = k + 1;
    }
}

static void name_text(const struct vt *v, FILE *to)
{
    char name[sizeof v->name];

    memcpy(name, v->name, sizeof name);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(to, "\"%s\"", name);
}

static void ages(struct view *w, const struct row *rows, size_t n, FILE *to)
{
    uint64_t newest = 0, oldest = UINT64_MAX;
    char a[16], b[16];

    for (size_t i = 0; i < n; i++) {
        uint64_t since = rows[i].v->since;

        newest = since > newest ? since : newest;
        oldest = since < oldest ? since : oldest;
    }
    view_age(a, newest, w->snapshot.now);
    view_age(b, oldest, w->snapshot.now);
    fprintf(to, strcmp(a, b) ? " for %s to %s" : " for %s", a, b);
}

static void group(struct view *w, const struct row *rows, FILE *to)
{
    const struct vt *v = rows->v;
    size_t n = rows->same;
    char wait[256];
    bool one_wait = true;

    wait_text(&w->target, v, wait, sizeof wait);
    for (size_t i = 1; i < n && one_wait; i++)
        one_wait = rows[i].v->wait_obj == v->wait_obj && rows[i].v->blocker == v->blocker;
    fprintf(to, n == 1 ? "%zu vthread" : "%zu vthreads", n);
    if (n == 1) {
        fputs(" ", to);
        name_text(v, to);
    }
    fprintf(to, " %s", vt_state_names[v->state]);
    if (v->wait_kind) {
        fprintf(to, ", waiting for %.*s", one_wait ? 255 : 12, one_wait ? wait : wait_kind_name(&w->target, v));
        ages(w, rows, n, to);
    }
    fputs(": ", to);
    numbers(rows, n, to);
    putc('\n', to);
    for (const char *s = rows->text; *s;) {
        size_t len = strcspn(s, "\n");

        fprintf(to, "    %.*s\n", (int)len, s);
        s += len + 1;
    }
    if (!*rows->text)
        fputs(rows->v->state == VT_IS_PARKED ? "    (no stack: it cannot be read)\n" : "    (no stack: it runs; see --stop)\n", to);
    putc('\n', to);
}

static void group_json(struct view *w, const struct row *rows, FILE *to)
{
    fprintf(to, "{\"count\":%zu,\"state\":\"%s\"", rows->same, vt_state_names[rows->v->state]);
    if (rows->v->wait_kind) {
        fputs(",\"wait_kind\":", to);
        view_json(to, wait_kind_name(&w->target, rows->v), 12);
    }
    fputs(",\"frames\":[", to);
    for (const char *s = rows->text; *s;) {
        size_t len = strcspn(s, "\n");

        if (s != rows->text)
            putc(',', to);
        view_json(to, s, len);
        s += len + 1;
    }
    fputs("],\"vthreads\":[", to);
    for (size_t i = 0; i < rows->same; i++)
        fprintf(to, "%s%u", i ? "," : "", rows[i].v->number);
    fputs("]}", to);
}

/* The members of deadlock number k, in the order in which they wait for each other. */
static void deadlock(struct view *w, int64_t k, FILE *to)
{
    struct snapshot *s = &w->snapshot;
    size_t count = 0, i = 0;
    const struct vt *v, *first;
    bool timed = false;
    char wait[256];

    while (s->cycle[i] != k)
        i++;
    v = first = &s->all[i];
    do {
        count++;
        timed |= v->deadline != 0;
    } while ((v = snapshot_by_number(s, v->blocker)) != first);
    if (w->json)
        fputs(k ? ",[" : "[", to);
    else
        fprintf(to, "Deadlock of %zu vthread%s%s:\n", count, count == 1 ? "" : "s", timed ? " until a wait times out" : "");
    do {
        if (w->json) {
            fprintf(to, "%s%u", v == first ? "" : ",", v->number);
        } else {
            wait_text(&w->target, v, wait, sizeof wait);
            fprintf(to, "    %u ", v->number);
            name_text(v, to);
            fprintf(to, " waits for %s\n", wait);
        }
    } while ((v = snapshot_by_number(s, v->blocker)) != first);
    fputs(w->json ? "]" : "\n", to);
}

static int by_count(const void *x, const void *y)
{
    const struct row *const *a = x, *const *b = y;

    if ((*a)->same != (*b)->same)
        return (*a)->same > (*b)->same ? -1 : 1;
    return (*a)->v->number < (*b)->v->number ? -1 : 1;
}

int view_stacks(struct view *w, FILE *to)
{
    struct row *rows = malloc((w->snapshot.n + 1) * sizeof *rows);
    struct row **groups = malloc((w->snapshot.n + 1) * sizeof(struct row *));
    size_t n, m = 0;

    if (!rows || !groups) {
        vthr_tool_say(stderr, "out of memory");
        free(rows);
        free(groups);
        return VTHR_EXIT_ERROR;
    }
    n = collect(w, rows);
    for (size_t i = 0; i < n; i++)
        if (rows[i].same)
            groups[m++] = &rows[i];
    if (m)
        qsort(groups, m, sizeof *groups, by_count);
    if (w->json)
        fprintf(to, "{\"pid\":%d,\"count\":%zu,\"stacks\":[", (int)w->target.pid, n);
    for (size_t i = 0; i < m; i++) {
        if (w->json)
            fputs(i ? ",\n" : "\n", to);
        (w->json ? group_json : group)(w, groups[i], to);
    }
    if (w->json)
        fputs("\n],\"deadlocks\":[", to);
    for (size_t k = 0; k < w->snapshot.deadlocks; k++)
        deadlock(w, (int64_t)k, to);
    if (w->json)
        fputs("]}\n", to);
    free(rows);
    free(groups);
    return 0;
}
