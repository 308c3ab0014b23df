/* Context locals.  The values that a strand sees are an array by key, shared with the tasks that it spawned and with the scopes that it
 * opened: both keep a reference.  Setting copies the array unless nobody else has it, so what others see never changes; leaving
 * a scope goes back to the array that was there when it was opened.  An array is changed by its only holder, so it is read
 * without a lock. */
#include "runtime/api/local.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct locals {
    uint32_t refs;
    uint32_t n;
    void *value[]; /* [0] stays NULL: it is for keys that were never set */
};

static uint32_t n_keys;

struct locals *locals_ref(struct locals *l)
{
    if (l)
        fetch_add_relaxed(&l->refs, 1u);
    return l;
}

void locals_unref(struct locals *l)
{
    if (l && fetch_sub_acq_rel(&l->refs, 1u) == 1)
        free(l);
}

/* Keys are numbered when they are set first. */
static uint32_t index_of(vthr_key *key)
{
    uint32_t none = 0, i = load_acquire(&key->index);

    if (i)
        return i;
    i = fetch_add_relaxed(&n_keys, 1u) + 1; /* lost, if another thread is faster */
    return cas_acq_rel(&key->index, &none, i) ? i : none;
}

/* One of the strand's own, with room for index i. */
static struct locals *own_locals(struct strand *me, uint32_t i)
{
    struct locals *old = me->locals, *l;
    uint32_t n = old && old->n > i ? old->n : i + 1;

    if (old && old->n > i && load_acquire(&old->refs) == 1)
        return old;
    l = calloc(1, sizeof *l + n * sizeof l->value[0]);
    if (!l)
        return NULL;
    l->refs = 1;
    l->n = n;
    if (old)
        memcpy(l->value, old->value, old->n * sizeof l->value[0]);
    locals_unref(old);
    return me->locals = l;
}

VTHR_EXPORT int vthr_set(vthr_key *key, void *value)
{
    struct strand *me = vthr_strand;
    struct locals *l;
    uint32_t i;

    if (!me || !me->inner)
        return EPERM;
    i = index_of(key);
    l = own_locals(me, i);
    if (!l)
        return ENOMEM;
    l->value[i] = value;
    return 0;
}

VTHR_EXPORT void *vthr_get(const vthr_key *key)
{
    struct strand *me = vthr_strand;
    struct locals *l = me ? me->locals : NULL;
    uint32_t i = load_relaxed(&key->index);

    return l && i < l->n ? l->value[i] : NULL;
}
