/* Who am I, and who is there. */
#include "runtime/sched/bound.h"
#include "runtime/sched/shell.h"
#include "runtime/sched/sched.h"

VTHR_TLS struct vthread *vthr_self;
VTHR_TLS struct carrier *vthr_carrier;
struct vthread vthr_main;
struct scope_places vthr_scope_places;

struct vthread *vthread_by_tid(uint32_t tid)
{
    struct vthread *v;
    uint32_t index;

    if (vthr_active && tid == vthr_main.tid)
        return &vthr_main;
    if (tid <= VTHR_TID_BASE)
        return bound_find(tid, NULL);
    index = tid & VTHR_TID_INDEX;
    if (index == 0 || index > shell_count())
        return NULL;
    v = load_acquire(&vthr_registry[index - 1]);
    return load_relaxed(&v->number) == tid ? v : NULL;
}

int vthread_each(int (*fn)(struct vthread *, void *), void *arg)
{
    uint32_t n = shell_count();
    int r = vthr_main.life == VT_LIVE ? fn(&vthr_main, arg) : 0;

    for (uint32_t i = 0; i < n && !r; i++) {
        struct vthread *v = load_acquire(&vthr_registry[i]);

        if (v && load_acquire(&v->life) == VT_LIVE)
            r = fn(v, arg);
    }
    return r;
}
