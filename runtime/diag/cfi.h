/* Call frame information (DWARF's .eh_frame): how a function's caller is found at each of its instructions. */
#pragma once
#include "runtime/arch/unwind.h"
#include "runtime/diag/memory.h"

enum cfi_rule_kind {
    CFI_SAME,       /* not changed by the function */
    CFI_UNDEFINED,  /* lost */
    CFI_AT,         /* in memory at CFA + value */
    CFI_IS,         /* is CFA + value */
    CFI_REG,        /* in register `value` */
    CFI_AT_EXPR,    /* in memory where the expression at `value` says */
    CFI_IS_EXPR,    /* what the expression says */
};

struct cfi_rule {
    uint8_t kind;
    int64_t value;
};

/* The state at one instruction.  CFA: the stack pointer before the call. */
struct cfi_row {
    struct cfi_rule reg[ARCH_DWARF_REGS];
    uint32_t cfa_reg;
    int64_t cfa_offset;
    uintptr_t cfa_expr; /* 0: cfa_reg + cfa_offset */
    bool signal;        /* the frame of a signal handler's return */
};

VTHR_BEGIN_DECLS
/* Once, at activation. */
void cfi_init(void);
/* The row for the instruction at pc.  False: nothing is known of it. */
bool cfi_find(struct memory *m, uintptr_t pc, struct cfi_row *row);
/* The loaded object that pc lies in: its link_map and where its first byte is.  Async-signal-safe, takes no lock. */
bool cfi_object(uintptr_t pc, uintptr_t *link_map, uintptr_t *start);
/* Evaluates the expression at `at` (its length first).  push: on the stack from the start, with has_push. */
bool cfi_eval(struct memory *m, uintptr_t at, const uintptr_t reg[ARCH_DWARF_REGS], bool has_push, uintptr_t push, uintptr_t *out);
VTHR_END_DECLS
