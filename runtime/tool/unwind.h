/* Stacks, walked by libunwind, which is opened at run time: nothing else of vthr needs it. */
#ifndef VTHR_TOOL_UNWIND_H
#define VTHR_TOOL_UNWIND_H

#include "runtime/arch/ptrace.h"
#include "runtime/tool/target.h"

#define STACK_FRAMES 256

struct stack {
    struct stack *next;
    uint64_t key;       /* innermost pc */
    unsigned n;
    bool cut;           /* there is more of it, or the walk found no way on */
    uint64_t *pc;       /* innermost first; callers' are return addresses */
    unsigned n_slots;   /* by which another stack is seen to be the same: 0: not possible */
    struct { uint32_t offset; uint64_t value; } *slots;
    char *text;         /* frames as they are shown, a line each; made once, by stack_text */
};

/* Registers where a walk begins, and the memory around them that belongs to the same moment. */
struct walk {
    uint64_t regs[ARCH_DWARF_REGS];
    uint32_t known; /* bit n: register n */
    const char *data;
    uint64_t at;
    size_t size;
};

/* 0 or an exit status after having said why. */
int unwind_open(struct target *t);
void unwind_close(void);
/* The stack, one for all that are the same.  NULL: no memory.  It stays until unwind_close. */
const struct stack *unwind_walk(struct target *t, const struct walk *w);
/* One like it was walked before. */
bool unwind_is_known(const struct walk *w);
/* "read (libvthr.so)\nserve (httpd)\n...": without the library's own frames below the function that the program called. */
const char *stack_text(struct target *t, const struct stack *s);

#endif
