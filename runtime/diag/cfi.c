/* See cfi.h.  The formats: DWARF 5, 6.4 and 7.24; Linux Standard Base, "Exception Frames".
 *
 * Why not libunwind or libgcc: in a handler and among deadlocked threads nothing may be locked or allocated, and both
 * look their tables up by dl_iterate_phdr, which locks; libunwind also allocates.  _dl_find_object (glibc 2.35) does neither. */
#include "runtime/diag/cfi.h"
#include "runtime/base/symbol.h"
#include <string.h>

#define MAX_REMEMBERED 8
#define MAX_EVAL 32
#define ENC_OMIT 0xff
#define ENC_INDIRECT 0x80
#define ENC_RELATIVE 0x70
#define ENC_PCREL 0x10
#define ENC_DATAREL 0x30
#define TABLE_ENC 0x3b /* datarel, sdata4: the only one that linkers make */

/* glibc's struct dl_find_object (dlfcn.h), on processors without DLFO_STRUCT_HAS_EH_DBASE. */
struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    void *link_map;
    void *eh_frame; /* PT_GNU_EH_FRAME */
    unsigned long long reserved[7];
};

static int (*find_object)(void *pc, struct found_object *out);

/* A reader of one table. */
struct reader {
    struct memory *m;
    uintptr_t at, end;
    bool bad;
};

void cfi_init(void)
{
    if (!find_object)
        *(void **)&find_object = symbol_next("_dl_find_object");
}

bool cfi_object(uintptr_t pc, uintptr_t *link_map, uintptr_t *start)
{
    struct found_object o;

    if (!find_object || find_object((void *)pc, &o))
        return false;
    *link_map = (uintptr_t)o.link_map;
    *start = (uintptr_t)o.map_start;
    return true;
}

/* --- Reading --- */

static uint64_t get(struct reader *r, size_t n)
{
    uint64_t v = 0;

    if (r->bad || r->end - r->at < n || !memory_read(r->m, MEMORY_FIXED, r->at, &v, n)) {
        r->bad = true;
        return 0;
    }
    r->at += n;
    return v;
}

/* LEB128; *bits: how many it had, *negative: what its last byte says of the rest, if it is signed. */
static uint64_t get_leb(struct reader *r, unsigned *bits, bool *negative)
{
    uint64_t v = 0, b;

    *bits = 0;
    do {
        b = get(r, 1);
        if (*bits < 64)
            v |= (b & 0x7f) << *bits;
        *bits += 7;
    } while ((b & 0x80) && !r->bad);
    *negative = (b & 0x40) != 0;
    return v;
}

static uint64_t get_uleb(struct reader *r)
{
    unsigned bits;
    bool negative;

    return get_leb(r, &bits, &negative);
}

static int64_t get_sleb(struct reader *r)
{
    unsigned bits;
    bool negative;
    uint64_t v = get_leb(r, &bits, &negative);

    return (int64_t)(negative && bits < 64 ? v | ~0ull << bits : v);
}

static uintptr_t get_encoded(struct reader *r, uint8_t enc, uintptr_t data)
{
    uintptr_t from = r->at, v;

    switch (enc & 0x0f) {
    case 0x01: v = get_uleb(r); break;
    case 0x09: v = (uintptr_t)get_sleb(r); break;
    case 0x02: v = get(r, 2); break;
    case 0x0a: v = (uintptr_t)(int16_t)get(r, 2); break;
    case 0x03: v = get(r, 4); break;
    case 0x0b: v = (uintptr_t)(int32_t)get(r, 4); break;
    default: v = get(r, 8); break;
    }
    if ((enc & ENC_RELATIVE) == ENC_PCREL)
        v += from;
    else if ((enc & ENC_RELATIVE) == ENC_DATAREL)
        v += data;
    if ((enc & ENC_INDIRECT) && !memory_read(r->m, MEMORY_FIXED, v, &v, sizeof v))
        r->bad = true;
    return v;
}

/* --- From a program counter to its FDE --- */

/* The table of PT_GNU_EH_FRAME: pairs {function, FDE}, sorted, relative to its own start.  0: none. */
static uintptr_t search(struct memory *m, uintptr_t hdr, uintptr_t pc)
{
    struct reader r = { m, hdr, UINTPTR_MAX, false };
    uint8_t version = (uint8_t)get(&r, 1), ptr_enc = (uint8_t)get(&r, 1), count_enc = (uint8_t)get(&r, 1);
    uint8_t table_enc = (uint8_t)get(&r, 1);
    uintptr_t count, lo = 0, hi;
    int32_t pair[2];

    get_encoded(&r, ptr_enc, hdr);
    if (r.bad || version != 1 || count_enc == ENC_OMIT || table_enc != TABLE_ENC)
        return 0;
    count = get_encoded(&r, count_enc, hdr);
    if (r.bad)
        return 0;
    for (hi = count; lo < hi;) { /* the first that begins behind pc */
        uintptr_t mid = (lo + hi) / 2;

        if (!memory_read(m, MEMORY_FIXED, r.at + mid * sizeof pair, pair, sizeof pair))
            return 0;
        if (hdr + (uintptr_t)(intptr_t)pair[0] <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 || !memory_read(m, MEMORY_FIXED, r.at + (lo - 1) * sizeof pair, pair, sizeof pair))
        return 0;
    return hdr + (uintptr_t)(intptr_t)pair[1];
}

struct cie {
    struct reader program;
    uint64_t code_align;
    int64_t data_align;
    uint8_t ptr_enc;
    bool has_data, signal;
};

/* A table's entry behind its length; false: the end, or a form that linkers do not make. */
static bool enter(struct memory *m, uintptr_t at, struct reader *r)
{
    uint32_t length;

    if (!memory_read(m, MEMORY_FIXED, at, &length, sizeof length) || length == 0 || length == UINT32_MAX)
        return false;
    *r = (struct reader){ m, at + 4, at + 4 + length, false };
    return true;
}

static bool read_cie(struct memory *m, uintptr_t at, struct cie *c)
{
    struct reader r;
    char augmentation[8] = "";
    uint64_t n;
    uintptr_t data_end;
    uint8_t version;
    size_t i = 0;

    memset(c, 0, sizeof *c);
    if (!enter(m, at, &r) || get(&r, 4) != 0)
        return false;
    version = (uint8_t)get(&r, 1);
    while ((augmentation[i] = (char)get(&r, 1)) && i < sizeof augmentation - 1)
        i++;
    c->code_align = get_uleb(&r);
    c->data_align = get_sleb(&r);
    if ((version == 1 ? get(&r, 1) : get_uleb(&r)) != ARCH_DWARF_PC)
        return false;
    if (augmentation[0] == 'z') {
        c->has_data = true;
        n = get_uleb(&r);
        data_end = r.at + n;
        for (const char *a = augmentation + 1; *a; a++)
            switch (*a) {
            case 'R': c->ptr_enc = (uint8_t)get(&r, 1); break;
            case 'L': get(&r, 1); break;
            case 'S': c->signal = true; break;
            case 'P': {
                uint8_t enc = (uint8_t)get(&r, 1);

                get_encoded(&r, enc & (uint8_t)~ENC_INDIRECT, 0);
                break;
            }
            }
        r.at = data_end;
    }
    c->program = r;
    return !r.bad;
}

/* --- The program --- */

struct state {
    struct cfi_row row, first, kept[MAX_REMEMBERED];
    unsigned n_kept;
    uintptr_t loc;
};

static void set_rule(struct cfi_row *row, uint64_t reg, enum cfi_rule_kind kind, int64_t value)
{
    if (reg < ARCH_DWARF_REGS)
        row->reg[reg] = (struct cfi_rule){ (uint8_t)kind, value };
}

/* The expression at the reader, as its address. */
static int64_t expression(struct reader *r)
{
    uintptr_t at = r->at;

    r->at += get_uleb(r);
    return (int64_t)at;
}

/* Those whose operand is in the opcode; false: another one. */
static bool run_short(struct reader *r, const struct cie *c, struct state *s, uint8_t op)
{
    switch (op >> 6) {
    case 1: s->loc += (op & 0x3f) * c->code_align; return true;
    case 2: set_rule(&s->row, op & 0x3f, CFI_AT, (int64_t)get_uleb(r) * c->data_align); return true;
    case 3:
        if ((op & 0x3f) < ARCH_DWARF_REGS)
            s->row.reg[op & 0x3f] = s->first.reg[op & 0x3f];
        return true;
    default: return false;
    }
}

static void run_cfa(struct reader *r, const struct cie *c, struct cfi_row *row, uint8_t op)
{
    switch (op) {
    case 0x0c: row->cfa_reg = (uint32_t)get_uleb(r); row->cfa_offset = (int64_t)get_uleb(r); break; /* def_cfa */
    case 0x12: row->cfa_reg = (uint32_t)get_uleb(r); row->cfa_offset = get_sleb(r) * c->data_align; break;
    case 0x0d: row->cfa_reg = (uint32_t)get_uleb(r); break;
    case 0x0e: row->cfa_offset = (int64_t)get_uleb(r); break;
    case 0x13: row->cfa_offset = get_sleb(r) * c->data_align; break;
    }
    row->cfa_expr = 0;
}

static void run_one(struct reader *r, const struct cie *c, struct state *s, uint8_t op)
{
    uint64_t reg;

    switch (op) {
    case 0x00: break;                                                  /* nop */
    case 0x01: s->loc = get_encoded(r, c->ptr_enc, 0); break;          /* set_loc */
    case 0x02: s->loc += get(r, 1) * c->code_align; break;             /* advance_loc1, 2, 4 */
    case 0x03: s->loc += get(r, 2) * c->code_align; break;
    case 0x04: s->loc += get(r, 4) * c->code_align; break;
    case 0x05: reg = get_uleb(r); set_rule(&s->row, reg, CFI_AT, (int64_t)get_uleb(r) * c->data_align); break;
    case 0x11: reg = get_uleb(r); set_rule(&s->row, reg, CFI_AT, get_sleb(r) * c->data_align); break;
    case 0x2f: reg = get_uleb(r); set_rule(&s->row, reg, CFI_AT, -(int64_t)get_uleb(r) * c->data_align); break;
    case 0x14: reg = get_uleb(r); set_rule(&s->row, reg, CFI_IS, (int64_t)get_uleb(r) * c->data_align); break;
    case 0x15: reg = get_uleb(r); set_rule(&s->row, reg, CFI_IS, get_sleb(r) * c->data_align); break;
    case 0x06:                                                         /* restore_extended */
        reg = get_uleb(r);
        if (reg < ARCH_DWARF_REGS)
            s->row.reg[reg] = s->first.reg[reg];
        break;
    case 0x07: set_rule(&s->row, get_uleb(r), CFI_UNDEFINED, 0); break;
    case 0x08: set_rule(&s->row, get_uleb(r), CFI_SAME, 0); break;
    case 0x09: reg = get_uleb(r); set_rule(&s->row, reg, CFI_REG, (int64_t)get_uleb(r)); break;
    case 0x0a:                                                         /* remember_state */
        if (s->n_kept == MAX_REMEMBERED)
            r->bad = true;
        else
            s->kept[s->n_kept++] = s->row;
        break;
    case 0x0b:                                                         /* restore_state */
        if (s->n_kept == 0)
            r->bad = true;
        else
            s->row = s->kept[--s->n_kept];
        break;
    case 0x0c: case 0x0d: case 0x0e: case 0x12: case 0x13: run_cfa(r, c, &s->row, op); break;
    case 0x0f: s->row.cfa_expr = (uintptr_t)expression(r); break;      /* def_cfa_expression */
    case 0x10: reg = get_uleb(r); set_rule(&s->row, reg, CFI_AT_EXPR, expression(r)); break;
    case 0x16: reg = get_uleb(r); set_rule(&s->row, reg, CFI_IS_EXPR, expression(r)); break;
    case 0x2e: get_uleb(r); break;                                     /* GNU_args_size */
    default: r->bad = true;
    }
}

/* A row holds from one change of the location to the next: stops with the one that holds at pc. */
static void run(struct reader *r, const struct cie *c, struct state *s, uintptr_t pc)
{
    while (r->at < r->end && !r->bad) {
        struct cfi_row before = s->row;
        uint8_t op = (uint8_t)get(r, 1);

        if (!run_short(r, c, s, op))
            run_one(r, c, s, op);
        if (s->loc > pc) {
            s->row = before;
            return;
        }
    }
}

static bool run_fde(struct memory *m, uintptr_t fde, uintptr_t pc, struct cfi_row *out)
{
    struct state s = { .n_kept = 0 };
    struct reader r;
    struct cie c;
    uintptr_t at, begin, range;

    if (!enter(m, fde, &r))
        return false;
    at = r.at;
    if (!read_cie(m, at - (uintptr_t)get(&r, 4), &c))
        return false;
    begin = get_encoded(&r, c.ptr_enc, 0);
    range = get_encoded(&r, c.ptr_enc & 0x0f, 0);
    if (c.has_data) {
        uint64_t n = get_uleb(&r);

        r.at += n;
    }
    if (r.bad || pc - begin >= range)
        return false;
    run(&c.program, &c, &s, UINTPTR_MAX);
    s.first = s.row;
    s.loc = begin;
    run(&r, &c, &s, pc);
    *out = s.row;
    out->signal = c.signal;
    return !r.bad && !c.program.bad;
}

bool cfi_find(struct memory *m, uintptr_t pc, struct cfi_row *row)
{
    struct found_object o;
    uintptr_t fde;

    if (!find_object || find_object((void *)pc, &o) || !o.eh_frame)
        return false;
    fde = search(m, (uintptr_t)o.eh_frame, pc);
    return fde && run_fde(m, fde, pc, row);
}

/* --- Expressions --- */

struct machine {
    uintptr_t stack[MAX_EVAL];
    unsigned n;
    bool bad;
};

static void push(struct machine *k, uintptr_t v)
{
    if (k->n == MAX_EVAL)
        k->bad = true;
    else
        k->stack[k->n++] = v;
}
static uintptr_t pop(struct machine *k)
{
    if (k->n == 0) {
        k->bad = true;
        return 0;
    }
    return k->stack[--k->n];
}

static bool binary(struct machine *k, uint8_t op)
{
    uintptr_t b, a;

    if (op < 0x1a || op > 0x2e || op == 0x1f || op == 0x20 || op == 0x23 || op == 0x28) /* neg, not, plus_uconst, bra */
        return false;
    b = pop(k);
    a = pop(k);
    switch (op) {
    case 0x1a: push(k, a & b); break;
    case 0x1b: push(k, b ? (uintptr_t)((intptr_t)a / (intptr_t)b) : 0); break;
    case 0x1c: push(k, a - b); break;
    case 0x1d: push(k, b ? a % b : 0); break;
    case 0x1e: push(k, a * b); break;
    case 0x21: push(k, a | b); break;
    case 0x22: push(k, a + b); break;
    case 0x24: push(k, a << (b & 63)); break;
    case 0x25: push(k, a >> (b & 63)); break;
    case 0x26: push(k, (uintptr_t)((intptr_t)a >> (b & 63))); break;
    case 0x27: push(k, a ^ b); break;
    case 0x29: push(k, a == b); break;
    case 0x2a: push(k, (intptr_t)a >= (intptr_t)b); break;
    case 0x2b: push(k, (intptr_t)a > (intptr_t)b); break;
    case 0x2c: push(k, (intptr_t)a <= (intptr_t)b); break;
    case 0x2d: push(k, (intptr_t)a < (intptr_t)b); break;
    case 0x2e: push(k, a != b); break;
    default: k->bad = true;
    }
    return true;
}

static bool constant(struct machine *k, struct reader *r, uint8_t op)
{
    switch (op) {
    case 0x03: push(k, get(r, 8)); return true;
    case 0x08: push(k, get(r, 1)); return true;
    case 0x09: push(k, (uintptr_t)(int8_t)get(r, 1)); return true;
    case 0x0a: push(k, get(r, 2)); return true;
    case 0x0b: push(k, (uintptr_t)(int16_t)get(r, 2)); return true;
    case 0x0c: push(k, get(r, 4)); return true;
    case 0x0d: push(k, (uintptr_t)(int32_t)get(r, 4)); return true;
    case 0x0e: case 0x0f: push(k, get(r, 8)); return true;
    case 0x10: push(k, get_uleb(r)); return true;
    case 0x11: push(k, (uintptr_t)get_sleb(r)); return true;
    }
    if (op < 0x30 || op > 0x4f)
        return false;
    push(k, op - 0x30u);
    return true;
}

static void shuffle_or_load(struct machine *k, struct reader *r, uint8_t op)
{
    uintptr_t a, b;

    switch (op) {
    case 0x06: /* deref */
        a = pop(k);
        k->bad |= !memory_read(r->m, MEMORY_CHANGING, a, &a, sizeof a);
        push(k, a);
        break;
    case 0x12: a = pop(k); push(k, a); push(k, a); break;
    case 0x13: pop(k); break;
    case 0x14: a = pop(k); b = pop(k); push(k, b); push(k, a); push(k, b); break;
    case 0x16: a = pop(k); b = pop(k); push(k, a); push(k, b); break;
    case 0x1f: push(k, -pop(k)); break;
    case 0x20: push(k, ~pop(k)); break;
    case 0x23: a = pop(k); push(k, a + get_uleb(r)); break;
    case 0x96: break;
    default: k->bad = true;
    }
}

bool cfi_eval(struct memory *m, uintptr_t at, const uintptr_t reg[ARCH_DWARF_REGS], bool has_push, uintptr_t first, uintptr_t *out)
{
    struct reader r = { m, at, UINTPTR_MAX, false };
    struct machine k = { .n = 0 };
    uint64_t n = get_uleb(&r);

    r.end = r.at + n;
    if (has_push)
        push(&k, first);
    while (r.at < r.end && !r.bad && !k.bad) {
        uint8_t op = (uint8_t)get(&r, 1);

        if (op >= 0x70 && op <= 0x8f) { /* breg */
            int64_t offset = get_sleb(&r);

            if (op - 0x70 >= ARCH_DWARF_REGS)
                return false;
            push(&k, reg[op - 0x70] + (uintptr_t)offset);
        } else if (!constant(&k, &r, op) && !binary(&k, op)) {
            shuffle_or_load(&k, &r, op);
        }
    }
    *out = pop(&k);
    return !r.bad && !k.bad;
}
