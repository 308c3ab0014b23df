/* See object.h.  No error can be returned for what is found here: a line that names the object, and abort. */
#include "runtime/api/object.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include <stdlib.h>

static void **kept; /* a ring of the last that were freed */
static uint32_t turn;

void api_misuse(const char *what, const void *obj)
{
    char hex[17];
    uintptr_t a = (uintptr_t)obj;

    for (int i = 15; i >= 0; i--, a >>= 4)
        hex[i] = "0123456789abcdef"[a & 15];
    hex[16] = 0;
    vthr_say(what, " (at 0x", hex, ")", NULL);
    abort();
}

static const struct words {
    enum object_kind kind;
    const char *freed, *other;
} words[] = {
    { OBJECT_CHANNEL, "a channel is used after it was freed", "this is no channel" },
    { OBJECT_EVENT, "an event is used after it was freed", "this is no event" },
    { OBJECT_SEMAPHORE, "a semaphore is used after it was freed", "this is no semaphore" },
    { OBJECT_SCOPE, "a scope is used after it was left", "this is no scope" },
    { OBJECT_TASK, "a task is used after it was released, or its scope left", "this is no task" },
    { OBJECT_MUTEX, "a mutex is used after it was freed", "this is no mutex" },
    { OBJECT_CONDITION, "a condition is used after it was freed", "this is no condition" },
};

void object_misused(const void *obj, uint32_t kind, enum object_kind wanted)
{
    const struct words *w = words;

    while (w->kind != wanted)
        w++;
    api_misuse(kind == OBJECT_FREED ? w->freed : w->other, obj);
}

bool object_recycles(void)
{
    return vthr_config.quarantine == 0;
}

static void **ring(void)
{
    void **r = load_acquire(&kept), **mine, **none = NULL;

    if (r)
        return r;
    mine = calloc(vthr_config.quarantine, sizeof *mine);
    if (!mine || cas_acq_rel(&kept, &none, mine))
        return mine;
    free(mine);
    return none;
}

void object_free(void *obj, uint32_t *kind)
{
    store_relaxed(kind, OBJECT_FREED);
    if (!object_recycles()) {
        void **r = ring();

        if (r)
            obj = xchg_acq_rel(&r[fetch_add_relaxed(&turn, 1u) % vthr_config.quarantine], obj);
    }
    free(obj);
}
