/* Names of code addresses, without dladdr (which locks) and without debug information: from the symbol tables of the files that
 * are loaded, the full one where it was not stripped.  Async-signal-safe. */
#pragma once
#include "runtime/diag/memory.h"

#define SYMBOL_NAME 128

struct place {
    uintptr_t pc;
    uintptr_t offset;       /* from the name; without one, from the object's start */
    char name[SYMBOL_NAME]; /* empty: unknown */
    char object[64];        /* last part of the file's name; empty: no object is there */
};

struct symbols;

VTHR_BEGIN_DECLS
/* m is what it reads through.  NULL: no memory. */
struct symbols *symbols_begin(struct memory *m);
void symbols_end(struct symbols *s);
/* What lies at pc.  Valid until the next call. */
const struct place *symbol_at(struct symbols *s, uintptr_t pc);
VTHR_END_DECLS
