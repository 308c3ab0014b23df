/* Reading memory that may not be there, or may change under the reader: stacks of other threads, what a wild pointer points to.
 *
 * The kernel copies (process_vm_readv), so an address without memory is an error and no fault; nothing is locked and nothing
 * allocated, so a signal handler may read too.  Whole pages are kept: those of code and unwind tables (MEMORY_FIXED) until
 * memory_begin, those of stacks and data until memory_refresh. */
#pragma once
#include "runtime/base/compiler.h"

#define MEMORY_PAGE 4096ul
#define MEMORY_SLOTS 32

enum memory_kind { MEMORY_FIXED, MEMORY_CHANGING, MEMORY_KINDS };

struct memory {
    uintptr_t at[MEMORY_KINDS][MEMORY_SLOTS]; /* address of the page that a slot has; 0: none */
    unsigned char page[MEMORY_KINDS][MEMORY_SLOTS][MEMORY_PAGE];
};

VTHR_BEGIN_DECLS
void memory_begin(struct memory *m);
/* What is read from here on is not older than this call. */
void memory_refresh(struct memory *m);
/* False: there is no memory, or not all of it. */
bool memory_read(struct memory *m, enum memory_kind kind, uintptr_t addr, void *to, size_t n);
/* The same without keeping anything. */
bool memory_read_now(uintptr_t addr, void *to, size_t n);
/* Memory of one's own, zeroed; NULL: none.  And back. */
void *memory_get(size_t size);
void memory_give(void *p, size_t size);
VTHR_END_DECLS
