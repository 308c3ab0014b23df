/* Looking symbols up without dlsym. */
#pragma once
#include "runtime/base/compiler.h"
#include <stdbool.h>

VTHR_BEGIN_DECLS
/* The definition of `name` that comes after this library in the order of loading, as dlsym(RTLD_NEXT) finds it: NULL if there
 * is none.  Of a thread-local variable it is the calling thread's. */
void *symbol_next(const char *name);
/* For each of n: names + off[i] goes to slots[i], where that is NULL; it stays so when there is no such symbol. */
void symbols_next(const char *names, const uint16_t *off, void **slots, unsigned n);
/* Does any loaded object, before or after this library, define it? */
bool symbol_anywhere(const char *name);
VTHR_END_DECLS
