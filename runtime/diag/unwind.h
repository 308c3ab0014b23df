/* Walking a stack from inside the process: in a handler of signals, over a parked vthread's stack, over one that changes meanwhile.
 *
 * No lock, no allocation, no fault, whatever the stack holds (memory.h, cfi.h).  Where code has no unwind information (a JIT
 * compiler's), frame pointers are followed if there are any; else the stack is searched for a return address.  Such frames
 * are marked as guessed. */
#pragma once
#include "runtime/arch/unwind.h"
#include "runtime/diag/cfi.h"

#define UNWIND_ROWS 64

struct unwind_tables {
    struct memory memory;
    struct {
        uintptr_t pc;
        struct cfi_row row;
    } rows[UNWIND_ROWS]; /* found lately; pc 0: none */
};

struct unwind {
    struct unwind_tables *t;
    uintptr_t reg[ARCH_DWARF_REGS];
    uint32_t known;  /* bit per register */
    bool exact;      /* the program counter is an instruction that was to be executed, not a return address */
    bool guessed;    /* this frame was not found by unwind information */
};

VTHR_BEGIN_DECLS
/* NULL: no memory. */
struct unwind_tables *unwind_begin(void);
void unwind_end(struct unwind_tables *t);

/* The innermost frame: of a ucontext_t; of a parked context, whose saved frame is at sp; of an OS thread in a system call, of which
 * only these registers are known (fp 0: nor that). */
void unwind_from_context(struct unwind *u, struct unwind_tables *t, const void *uc);
bool unwind_from_switch(struct unwind *u, struct unwind_tables *t, uintptr_t sp);
void unwind_from_call(struct unwind *u, struct unwind_tables *t, uintptr_t sp, uintptr_t pc, uintptr_t fp);
/* To the caller's frame.  False: this was the outermost, or the stack cannot be followed further. */
bool unwind_step(struct unwind *u);
/* Up to n program counters, innermost first; those that are return addresses less one, so that each lies in the call.  *all: the last
 * one is the outermost. */
size_t unwind_all(struct unwind *u, uintptr_t *pc, size_t n, bool *all);

static inline uintptr_t unwind_pc(const struct unwind *u)
{
    return u->reg[ARCH_DWARF_PC] - !u->exact;
}
VTHR_END_DECLS
