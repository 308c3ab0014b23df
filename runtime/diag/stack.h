/* Stacks as text, for people. */
#pragma once
#include "runtime/diag/symbols.h"
#include "runtime/diag/text.h"

VTHR_BEGIN_DECLS
/* The code lies in this library. */
bool stack_is_ours(uintptr_t pc);
/* Of pc[0..n), innermost first, those that tell something: of the runtime's frames between two of the program's only the outermost,
 * which is the call that the program made; of those at a thread's start none.  Returns how many are left. */
size_t stack_trim(uintptr_t *pc, size_t n);
/* One line for each frame, recursion folded.  all: the last frame is the thread's first. */
void stack_print(struct text *t, struct symbols *s, const uintptr_t *pc, size_t n, bool all);
/* name+0x12 (object) */
void stack_print_place(struct text *t, struct symbols *s, uintptr_t pc);
VTHR_END_DECLS
