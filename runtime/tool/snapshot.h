/* The vthreads of a process at one moment, or, if it is not stopped, each at a moment of its own (docs/debug-interface.md, "Without
 * stopping the process"). */
#ifndef VTHR_TOOL_SNAPSHOT_H
#define VTHR_TOOL_SNAPSHOT_H

#include "runtime/tool/stop.h"
#include "runtime/tool/target.h"

enum vt_state { VT_IS_PARKED, VT_IS_READY, VT_IS_RUNNING, VT_IS_BLOCKED, VT_STATES };
extern const char *const vt_state_names[VT_STATES];

struct stack; /* unwind.h */

struct vt {
    uint64_t addr;
    uint32_t number, tid, carrier_tid; /* the last: of who runs it, 0: nobody */
    enum vt_state state;
    char name[16];
    uint64_t word, start, ctx_sp, ctx_tp, carrier; /* the last: of who runs it, 0: nobody */
    uint64_t pd, stack_lo, stack_size, guard_size; /* stack_size 0: the main thread's; user_stack: the program's own */
    bool user_stack;
    uint64_t wait_obj, since, deadline; /* 0: none */
    uint32_t wait_kind, wait_n;         /* kind 0: does not wait, or this library does not say */
    int64_t blocker;                    /* number of the vthread that it waits for; -1: none known; -2: a native thread, see below */
    uint32_t blocker_tid;               /* 0: nobody is noted */
    int64_t parent;                     /* tree.h */
    const struct stack *stack;          /* NULL: not asked for, or it runs */
};

struct snapshot {
    struct vt *all;
    size_t n;
    uint64_t now;     /* ns of CLOCK_MONOTONIC */
    size_t deadlocks; /* cycles found */
    int64_t *cycle;   /* by index in `all`: the number of the deadlock that it is part of, or -1 */
};

/* stopped: NULL if the process runs.  want_stacks: also walks them. */
int snapshot_take(struct target *t, const struct stopped *stopped, bool want_stacks, struct snapshot *out);
/* Registers of a context that no OS thread runs, saved at sp, by DWARF number. */
void snapshot_saved_regs(struct target *t, uint64_t sp, uint64_t regs[ARCH_DWARF_REGS]);
void snapshot_free(struct snapshot *s);
struct vt *snapshot_by_number(struct snapshot *s, int64_t number);

/* Notes who has the lock that v waits for, or is joined by it: blocker, blocker_tid.  wait.c. */
void wait_blocker(struct target *t, struct vt *v);
/* What v waits for, in words; "" if nothing. */
void wait_text(struct target *t, const struct vt *v, char *to, size_t size);
const char *wait_kind_name(const struct target *t, const struct vt *v);

#endif
