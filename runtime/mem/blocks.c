/* See blocks.h.
 *
 * Why not malloc: a signal handler may interrupt a thread that has one of malloc's locks (in fork, all of them) and park.  A carrier
 * whose loop needed memory then would wait for that lock in the kernel, and might be the only one to resume the thread.
 *
 * Sizes are powers of two; free blocks wait in a list for each, and the memory is never returned. */
#include "runtime/mem/blocks.h"
#include "runtime/base/lock.h"
#include "runtime/mem/slab.h"
#include <string.h>

#define SMALLEST 6 /* 64 bytes with the header */
#define CLASSES 40

struct block {
    unsigned cls;
    struct block *next; /* free */
} VTHR_ALIGNED(16);

static struct block *free_blocks[CLASSES];
static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_LEAF);

static struct block *make(unsigned cls)
{
    struct block *b;

    lock(&lk);
    b = free_blocks[cls];
    if (b)
        free_blocks[cls] = b->next;
    unlock(&lk);
    if (!b && (b = meta_alloc(1ul << cls)))
        b->cls = cls;
    return b;
}

static void give_back(struct block *b)
{
    lock(&lk);
    b->next = free_blocks[b->cls];
    free_blocks[b->cls] = b;
    unlock(&lk);
}

void *block_resize(void *old, long size)
{
    struct block *b = old ? (struct block *)old - 1 : NULL, *bigger;
    unsigned cls = SMALLEST;

    if (size <= 0) {
        if (b)
            give_back(b);
        return NULL;
    }
    while (cls < CLASSES && (1ul << cls) < (size_t)size + sizeof *b)
        cls++;
    if (cls == CLASSES)
        return NULL;
    if (b && b->cls >= cls)
        return old;
    bigger = make(cls);
    if (!bigger)
        return NULL;
    if (b) {
        memcpy(bigger + 1, old, (1ul << b->cls) - sizeof *b);
        give_back(b);
    }
    return bigger + 1;
}

void blocks_reset_child(void)
{
    lock_init(&lk, RANK_LEAF);
    memset(free_blocks, 0, sizeof free_blocks);
}
