/* Events, as event.c and select.c see them. */
#pragma once
#include "runtime/api/object.h"
#include "runtime/api/waitq.h"

struct vthr_event {
    struct vthr_lock lk;
    uint32_t set; /* written under lk, read anywhere */
    struct list waiters;
    uint32_t kind;
};
static inline void event_check(const struct vthr_event *e)
{
    object_check(e, &e->kind, OBJECT_EVENT);
}
