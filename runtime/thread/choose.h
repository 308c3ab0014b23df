/* Which threads keep an OS thread of their own: VTHR_INCLUDE, VTHR_EXCLUDE. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* start: the routine; caller: an address in the code that asked for the thread. */
bool choose_own_thread(const void *start, const void *caller);
/* Whether an entry of a list is about this routine; exported for tests.  text is compared with `*` and `?` in the pattern. */
bool choose_glob(const char *pattern, const char *end, const char *text);
void choose_reset_child(void);
VTHR_END_DECLS
