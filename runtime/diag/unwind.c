/* See unwind.h. */
#include "runtime/diag/unwind.h"
#include "runtime/arch/frame.h"
#include <string.h>

#define ALL_KNOWN ((1u << ARCH_DWARF_REGS) - 1)
#define MAX_FRAME (1ul << 30)  /* a caller's frame further away than that is none */
#define SEARCH 4096ul          /* bytes of stack that are searched for a return address */

struct unwind_tables *unwind_begin(void)
{
    return memory_get(sizeof(struct unwind_tables)); /* all zero: empty */
}

void unwind_end(struct unwind_tables *t)
{
    memory_give(t, sizeof *t);
}

static void start(struct unwind *u, struct unwind_tables *t)
{
    memset(u, 0, sizeof *u);
    u->t = t;
    memory_refresh(&t->memory);
}

static void set(struct unwind *u, unsigned reg, uintptr_t value)
{
    u->reg[reg] = value;
    u->known |= 1u << reg;
}

static bool is_known(const struct unwind *u, unsigned reg)
{
    return reg < ARCH_DWARF_REGS && (u->known >> reg & 1);
}

void unwind_from_context(struct unwind *u, struct unwind_tables *t, const void *uc)
{
    start(u, t);
    arch_context_regs(uc, u->reg);
    u->known = ALL_KNOWN;
    u->exact = true;
}

bool unwind_from_switch(struct unwind *u, struct unwind_tables *t, uintptr_t sp)
{
    static const struct {
        uint16_t offset, dwarf;
    } saved[] = {
#define SAVED(name, off, num) { off, num },
        ARCH_FRAME_REGS(SAVED)
#undef SAVED
    };
    uintptr_t word;

    start(u, t);
    for (size_t i = 0; i < ARRAY_LEN(saved); i++) {
        if (!memory_read(&t->memory, MEMORY_CHANGING, sp + saved[i].offset, &word, sizeof word))
            return false;
        set(u, saved[i].dwarf, word);
    }
    set(u, ARCH_DWARF_SP, sp + ARCH_FRAME_SIZE);
    return true;
}

void unwind_from_call(struct unwind *u, struct unwind_tables *t, uintptr_t sp, uintptr_t pc, uintptr_t fp)
{
    start(u, t);
    set(u, ARCH_DWARF_SP, sp);
    set(u, ARCH_DWARF_PC, pc);
    if (fp)
        set(u, ARCH_DWARF_FP, fp);
    u->exact = true;
}

static bool load(struct unwind *u, uintptr_t addr, uintptr_t *word)
{
    return memory_read(&u->t->memory, MEMORY_CHANGING, addr, word, sizeof *word);
}

/* The row for this frame, or NULL. */
static const struct cfi_row *row_of(struct unwind *u)
{
    uintptr_t pc = unwind_pc(u);
    unsigned slot = (unsigned)(pc * 0x9e3779b97f4a7c15ull >> 58) % UNWIND_ROWS;

    if (u->t->rows[slot].pc != pc) {
        u->t->rows[slot].pc = 0;
        if (!cfi_find(&u->t->memory, pc, &u->t->rows[slot].row))
            return NULL;
        u->t->rows[slot].pc = pc;
    }
    return &u->t->rows[slot].row;
}

static bool at_sigreturn(struct unwind *u)
{
    unsigned char code[ARCH_CODE_BYTES];

    return memory_read(&u->t->memory, MEMORY_FIXED, u->reg[ARCH_DWARF_PC], code, sizeof code) && arch_is_sigreturn(code);
}

/* A handler's frame: on to the code that the signal interrupted. */
static bool step_signal(struct unwind *u)
{
    unsigned char uc[ARCH_CONTEXT_BYTES];

    if (!memory_read(&u->t->memory, MEMORY_CHANGING, u->reg[ARCH_DWARF_SP], uc, sizeof uc))
        return false;
    arch_context_regs(uc, u->reg);
    u->known = ALL_KNOWN;
    u->exact = true;
    return true;
}

static bool cfa_of(struct unwind *u, const struct cfi_row *row, uintptr_t *cfa)
{
    if (row->cfa_expr)
        return cfi_eval(&u->t->memory, row->cfa_expr, u->reg, false, 0, cfa);
    if (!is_known(u, row->cfa_reg))
        return false;
    *cfa = u->reg[row->cfa_reg] + (uintptr_t)row->cfa_offset;
    return true;
}

/* One register of the caller's. */
static bool restore(struct unwind *u, const struct unwind *callee, unsigned reg, const struct cfi_rule *rule, uintptr_t cfa)
{
    uintptr_t v = cfa + (uintptr_t)rule->value;

    switch (rule->kind) {
    case CFI_SAME: return true;
    case CFI_UNDEFINED: u->known &= ~(1u << reg); return true;
    case CFI_REG:
        if (is_known(callee, (unsigned)rule->value))
            set(u, reg, callee->reg[rule->value]);
        else
            u->known &= ~(1u << reg);
        return true;
    case CFI_AT_EXPR:
    case CFI_IS_EXPR:
        if (!cfi_eval(&u->t->memory, (uintptr_t)rule->value, callee->reg, true, cfa, &v))
            return false;
        break;
    }
    if ((rule->kind == CFI_AT || rule->kind == CFI_AT_EXPR) && !load(u, v, &v))
        return false;
    set(u, reg, v);
    return true;
}

static bool step_row(struct unwind *u, const struct cfi_row *row, uintptr_t cfa)
{
    struct unwind callee = *u;

    set(u, ARCH_DWARF_SP, cfa);
    for (unsigned i = 0; i < ARCH_DWARF_REGS; i++)
        if (!restore(u, &callee, i, &row->reg[i], cfa))
            return false;
    return true;
}

static bool near_above(uintptr_t low, uintptr_t addr)
{
    return addr > low && addr - low < MAX_FRAME;
}

static bool is_code(struct unwind *u, uintptr_t pc)
{
    unsigned char code[ARCH_CODE_BYTES];
    uintptr_t map, first;

    return cfi_object(pc - 1, &map, &first) && memory_read(&u->t->memory, MEMORY_FIXED, pc - sizeof code, code, sizeof code) &&
           arch_is_call(code);
}

/* By the frame pointer, where it looks like one: it points to the caller's, which lies higher, and to a return address. */
static bool step_pointer(struct unwind *u)
{
    uintptr_t fp = u->reg[ARCH_DWARF_FP], next, pc;

    if (!is_known(u, ARCH_DWARF_FP) || fp % sizeof fp || !near_above(u->reg[ARCH_DWARF_SP] - 1, fp) || !load(u, fp, &next) ||
        !load(u, fp + sizeof fp, &pc) || !pc || (next && !near_above(fp, next)))
        return false;
    set(u, ARCH_DWARF_SP, fp + 2 * sizeof fp);
    set(u, ARCH_DWARF_FP, next);
    set(u, ARCH_DWARF_PC, pc);
    return true;
}

/* The first word on the stack that a call may have left there.  Below it lies the frame pointer, if the function saved it. */
static bool step_search(struct unwind *u)
{
    uintptr_t sp = u->reg[ARCH_DWARF_SP], word, below = 0;

    for (uintptr_t at = sp; at - sp < SEARCH && load(u, at, &word); at += sizeof word) {
        if (is_code(u, word)) {
            u->known = 0;
            set(u, ARCH_DWARF_PC, word);
            set(u, ARCH_DWARF_SP, at + sizeof word);
            if (near_above(at, below) && at > sp)
                set(u, ARCH_DWARF_FP, below);
            return true;
        }
        below = word;
    }
    return false;
}

bool unwind_step(struct unwind *u)
{
    const struct cfi_row *row = row_of(u);
    uintptr_t sp = u->reg[ARCH_DWARF_SP], cfa;
    bool ok;

    if (!row || row->signal) {
        if (at_sigreturn(u))
            return step_signal(u);
    }
    if (row && row->reg[ARCH_DWARF_PC].kind == CFI_UNDEFINED)
        return false;
    if (row && cfa_of(u, row, &cfa)) {
        ok = step_row(u, row, cfa);
    } else {
        ok = (!row && step_pointer(u)) || step_search(u);
        u->guessed = true;
    }
    u->exact = false;
    return ok && is_known(u, ARCH_DWARF_PC) && u->reg[ARCH_DWARF_PC] && near_above(sp, u->reg[ARCH_DWARF_SP]);
}

size_t unwind_all(struct unwind *u, uintptr_t *pc, size_t n, bool *all)
{
    size_t i = 0;

    *all = false;
    while (i < n) {
        pc[i++] = unwind_pc(u);
        if (!unwind_step(u)) {
            *all = true;
            break;
        }
    }
    return i;
}
