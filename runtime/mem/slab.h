/* Slabs: address space for stacks.  One mapping holds many stacks of one size, reserved and not committed. */
#pragma once
#include "runtime/base/compiler.h"

#define SLAB_ALIGN 32768ul /* of a mapping's first block */

VTHR_BEGIN_DECLS
/* System calls behind an indirection so that tests can make the N-th one fail. */
struct slab_ops {
    long (*mmap)(size_t len);                   /* address or -errno */
    long (*guard)(void *addr, size_t len);      /* 0 or -errno */
    long (*discard)(void *addr, size_t len);    /* gives the pages back */
    long (*populate)(void *addr, size_t len);   /* makes the pages present at once; a hint */
};
extern struct slab_ops vthr_slab_ops;

/* A block of `size` bytes (multiple of the page size) whose lowest `guard` bytes fault.  NULL: no memory.
 * Blocks are never given back to the kernel: callers recycle them by size. */
void *slab_alloc(size_t size, size_t guard);
/* The caller is about to write to each page of [addr, addr+len), page-aligned: one system call instead of a fault each. */
void slab_populate(void *addr, size_t len);
/* Gives the pages of [addr, addr+len) back; they read as zero afterwards. */
void slab_discard(void *addr, size_t len);
/* Zeroed memory for the runtime's own tables, from mmap: never from the program's malloc.  NULL: no memory. */
void *meta_alloc(size_t size);
void slab_reset_child(void);
VTHR_END_DECLS
