/* Blocks of the runtime's own memory that change their size, for libev. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* As realloc: old NULL makes one, size 0 frees it (and returns NULL).  NULL otherwise: no memory. */
void *block_resize(void *old, long size);
void blocks_reset_child(void);
VTHR_END_DECLS
