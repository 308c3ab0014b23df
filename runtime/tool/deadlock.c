/* See deadlock.h.  Each waits for one other at the most, so follow each path until it meets itself. */
#include "runtime/tool/deadlock.h"

#include <stdlib.h>

static ssize_t index_of(struct snapshot *s, int64_t number)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (s->all[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return number >= 0 && lo < s->n && s->all[lo].number == number ? (ssize_t)lo : -1;
}

struct vt *snapshot_by_number(struct snapshot *s, int64_t number)
{
    ssize_t i = index_of(s, number);

    return i < 0 ? NULL : &s->all[i];
}

/* In a process that runs: they still wait for the same. */
static bool still(struct target *t, struct snapshot *s, size_t first)
{
    size_t i = first;

    do {
        struct vt v = s->all[i];

        if (target_word(t, v.addr + t->d.vthread.waiter_word.offset) != v.word)
            return false;
        wait_blocker(t, &v);
        if (v.blocker != s->all[i].blocker)
            return false;
        i = (size_t)index_of(s, v.blocker);
    } while (i != first);
    return true;
}

bool deadlock_search(struct target *t, struct snapshot *s)
{
    size_t *seen = calloc(s->n + 1, sizeof *seen);

    s->cycle = malloc((s->n + 1) * sizeof *s->cycle);
    if (!seen || !s->cycle) {
        free(seen);
        return false;
    }
    for (size_t i = 0; i < s->n; i++)
        s->cycle[i] = -1;
    for (size_t i = 0; i < s->n; i++) {
        ssize_t at = (ssize_t)i, first;

        while (at >= 0 && !seen[at]) {
            seen[at] = i + 1;
            at = index_of(s, s->all[at].blocker);
        }
        if (at < 0 || seen[at] != i + 1 || !still(t, s, (size_t)at))
            continue;
        first = at;
        do {
            s->cycle[at] = (int64_t)s->deadlocks;
            at = index_of(s, s->all[at].blocker);
        } while (at != first);
        s->deadlocks++;
    }
    free(seen);
    return true;
}
