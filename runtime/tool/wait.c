/* What a vthread waits for: who has it, and in words (docs/debug-interface.md, "Waits"). */
#include "runtime/tool/snapshot.h"

#include <poll.h>
#include <stdio.h>

#define FDS_SHOWN 4

void wait_blocker(struct target *t, struct vt *v)
{
    const struct vthr_debug_wait *w;
    uint32_t tid = 0, main_tid;

    v->blocker = -1;
    v->blocker_tid = 0;
    if (!v->wait_kind)
        return;
    w = &t->d.waits[v->wait_kind];
    if (w->object == VTHR_OBJ_VTHREAD)
        tid = target_u32(t, v->wait_obj + t->d.vthread.tid.offset);
    else if (w->owner_size == sizeof tid)
        tid = target_u32(t, v->wait_obj + w->owner);
    main_tid = target_u32(t, (uintptr_t)t->d.main + t->d.vthread.tid.offset);
    v->blocker_tid = tid;
    if (tid == main_tid && tid)
        v->blocker = 0;
    else if (tid > t->d.tid_base)
        v->blocker = tid % t->d.tid_base;
    else if (tid)
        v->blocker = -2;
}

const char *wait_kind_name(const struct target *t, const struct vt *v)
{
    return v->wait_kind ? t->d.waits[v->wait_kind].name : "";
}

static void object_text(struct target *t, const struct vt *v, char *to, size_t size)
{
    const char *name;
    uint64_t offset;
    int at = 0;

    *to = 0;
    switch (t->d.waits[v->wait_kind].object) {
    case VTHR_OBJ_ADDRESS:
        at = snprintf(to, size, " %#lx", (unsigned long)v->wait_obj);
        name = symbol_at(t, v->wait_obj, &offset);
        if (name && offset)
            snprintf(to + at, size - (size_t)at, " <%.64s+%lu>", name, (unsigned long)offset);
        else if (name)
            snprintf(to + at, size - (size_t)at, " <%.64s>", name);
        break;
    case VTHR_OBJ_FD:
        if (v->wait_obj)
            snprintf(to, size, " fd %d", (int)target_u32(t, v->wait_obj + t->d.fdesc_fd.offset));
        break;
    case VTHR_OBJ_VTHREAD:
        snprintf(to, size, " vthread %ld", (long)v->blocker);
        break;
    case VTHR_OBJ_POLLFDS: {
        struct pollfd fds[FDS_SHOWN];
        uint32_t n = v->wait_n < FDS_SHOWN ? v->wait_n : FDS_SHOWN;

        if (!n || target_read(t, v->wait_obj, fds, n * sizeof *fds))
            break;
        at = snprintf(to, size, " fd ");
        for (uint32_t i = 0; i < n; i++)
            at += snprintf(to + at, size - (size_t)at, "%s%d", i ? "," : "", fds[i].fd);
        if (v->wait_n > n)
            snprintf(to + at, size - (size_t)at, ",... (%u)", v->wait_n);
        break;
    }
    case VTHR_OBJ_CALL:
        if (v->wait_obj)
            snprintf(to, size, " %lu (%u, ...)", (unsigned long)v->wait_obj, v->wait_n);
        break;
    }
}

void wait_text(struct target *t, const struct vt *v, char *to, size_t size)
{
    char object[192];
    int at;

    *to = 0;
    if (!v->wait_kind)
        return;
    object_text(t, v, object, sizeof object);
    at = snprintf(to, size, "%.12s%s", wait_kind_name(t, v), object);
    if (!t->d.waits[v->wait_kind].owner_size || at < 0 || (size_t)at >= size)
        return;
    if (v->blocker >= 0)
        snprintf(to + at, size - (size_t)at, " of vthread %ld", (long)v->blocker);
    else if (v->blocker == -2)
        snprintf(to + at, size - (size_t)at, " of LWP %u", v->blocker_tid);
}
