/* The stack of a vthread that runs. */
#pragma once
#include "runtime/diag/census.h"
#include "runtime/diag/unwind.h"

VTHR_BEGIN_DECLS
/* As unwind_all, of the vthread that row r shows; *n is 0 if it cannot be got hold of.  False: it moved on meanwhile.  One caller at a
 * time, on a native thread. */
bool sample_stack(struct census_row *r, struct unwind_tables *t, uintptr_t *pc, size_t max, size_t *n, bool *all);
VTHR_END_DECLS
