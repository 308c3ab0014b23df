/* See tree.h.  A task's parent is the owner of the innermost scope that it did not open itself (docs/debug-interface.md, "Scopes").  In a
 * process that runs a scope may be gone when it is looked at: what is read then is no thread's number, or a wrong one, so there may
 * even be circles. */
#include "runtime/tool/tree.h"

#include <stdlib.h>

#define MAX_DEPTH 256 /* scopes of one vthread */
#define NONE SIZE_MAX

struct places {
    int64_t inner;
    uint32_t parent, owner, live, cancelled;
};

struct by_pd {
    uint64_t pd;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct by_pd *x = a, *y = b;

    return x->pd < y->pd ? -1 : x->pd > y->pd;
}

static int64_t number_of(const struct snapshot *s, const struct by_pd *all, uint64_t pd)
{
    const struct by_pd key = { pd, 0 }, *found = bsearch(&key, all, s->n, sizeof key, compare);

    return found ? (int64_t)s->all[found->index].number : -1;
}

static int64_t parent_of(struct target *t, const struct snapshot *s, const struct by_pd *all, const struct places *p, const struct vt *v)
{
    uint64_t scope = target_word(t, v->ctx_tp + (uint64_t)p->inner);

    for (int i = 0; scope && i < MAX_DEPTH; i++) {
        uint64_t owner = target_word(t, scope + p->owner);

        if (owner != v->pd)
            return number_of(s, all, owner);
        scope = target_word(t, scope + p->parent);
    }
    return -1;
}

bool tree_find(struct target *t, struct snapshot *s)
{
    struct by_pd *all;
    struct places p;

    for (size_t i = 0; i < s->n; i++)
        s->all[i].parent = -1;
    if (!s->n || !t->d.scopes || target_read(t, (uintptr_t)t->d.scopes, &p, sizeof p) || !p.inner)
        return true;
    all = malloc(s->n * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < s->n; i++)
        all[i] = (struct by_pd){ s->all[i].pd, i };
    qsort(all, s->n, sizeof *all, compare);
    for (size_t i = 0; i < s->n; i++)
        s->all[i].parent = parent_of(t, s, all, &p, &s->all[i]);
    free(all);
    return true;
}

/* --- Walking */

struct node {
    size_t parent, child, next; /* child: the first */
    bool seen;
};

static void link_all(const struct snapshot *s, struct node *nodes)
{
    for (size_t i = 0; i < s->n; i++)
        nodes[i] = (struct node){ NONE, NONE, NONE, false };
    for (size_t i = s->n; i-- > 0;) { /* from the last: each comes before its younger siblings */
        const struct vt *up = snapshot_by_number((struct snapshot *)(uintptr_t)s, s->all[i].parent);

        if (!up)
            continue;
        nodes[i].parent = (size_t)(up - s->all);
        nodes[i].next = nodes[nodes[i].parent].child;
        nodes[nodes[i].parent].child = i;
    }
}

static void walk(struct node *nodes, size_t root, void (*see)(void *arg, size_t index, unsigned depth), void *arg)
{
    unsigned depth = 0;
    size_t at = root;

    for (;;) {
        nodes[at].seen = true;
        see(arg, at, depth);
        if (nodes[at].child != NONE && !nodes[nodes[at].child].seen) {
            at = nodes[at].child;
            depth++;
            continue;
        }
        while (at != root && (nodes[at].next == NONE || nodes[nodes[at].next].seen)) {
            at = nodes[at].parent;
            depth--;
        }
        if (at == root)
            return;
        at = nodes[at].next;
    }
}

bool tree_walk(const struct snapshot *s, void (*see)(void *arg, size_t index, unsigned depth), void *arg)
{
    struct node *nodes = malloc((s->n + 1) * sizeof *nodes);

    if (!nodes)
        return false;
    link_all(s, nodes);
    for (size_t i = 0; i < s->n; i++)
        if (nodes[i].parent == NONE)
            walk(nodes, i, see, arg);
    for (size_t i = 0; i < s->n; i++) /* in a circle */
        if (!nodes[i].seen)
            walk(nodes, i, see, arg);
    free(nodes);
    return true;
}
