/* Stopping a process for a consistent view of it, by ptrace.  If vthr dies meanwhile, the kernel lets it go on.  The threads of a core
 * file stand still already. */
#ifndef VTHR_TOOL_STOP_H
#define VTHR_TOOL_STOP_H

#include "runtime/arch/ptrace.h"
#include "runtime/tool/target.h"

struct stopped_thread {
    pid_t tid;       /* as we see it */
    uint32_t inner;  /* as the process sees it */
    bool has_regs;
    uint64_t regs[ARCH_DWARF_REGS]; /* by DWARF number */
};

struct stopped {
    struct stopped_thread *threads;
    size_t n;
    bool live; /* by us */
};

/* 0, or an exit status after having said why; nothing is stopped then. */
int stop_all(struct target *t, struct stopped *s);
void stop_end(struct stopped *s);
const struct stopped_thread *stop_find(const struct stopped *s, uint32_t inner);

#endif
