/* libgcc's unwinder, without being linked with it. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* False: the library is not there. */
bool unwind_load(void);
VTHR_END_DECLS
