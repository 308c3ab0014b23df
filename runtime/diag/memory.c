/* See memory.h. */
#include "runtime/diag/memory.h"
#include "runtime/base/sys.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

bool memory_read_now(uintptr_t addr, void *to, size_t n)
{
    struct iovec here = { to, n }, there = { (void *)addr, n };

    return SYS6(SYS_process_vm_readv, SYS0(SYS_getpid), &here, 1, &there, 1, 0) == (long)n;
}

void memory_refresh(struct memory *m)
{
    memset(m->at[MEMORY_CHANGING], 0, sizeof m->at[MEMORY_CHANGING]);
}

void memory_begin(struct memory *m)
{
    memset(m->at, 0, sizeof m->at);
}

static const unsigned char *page_of(struct memory *m, enum memory_kind kind, uintptr_t page)
{
    unsigned slot = page / MEMORY_PAGE % MEMORY_SLOTS;

    if (m->at[kind][slot] != page) {
        m->at[kind][slot] = 0;
        if (!memory_read_now(page, m->page[kind][slot], MEMORY_PAGE))
            return NULL;
        m->at[kind][slot] = page;
    }
    return m->page[kind][slot];
}

bool memory_read(struct memory *m, enum memory_kind kind, uintptr_t addr, void *to, size_t n)
{
    char *out = to;

    while (n) {
        uintptr_t off = addr % MEMORY_PAGE;
        size_t part = n < MEMORY_PAGE - off ? n : MEMORY_PAGE - off;
        const unsigned char *page = addr < MEMORY_PAGE ? NULL : page_of(m, kind, addr - off);

        if (!page)
            return false;
        memcpy(out, page + off, part);
        out += part;
        addr += part;
        n -= part;
    }
    return true;
}

void *memory_get(size_t size)
{
    long a = SYS6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return a < 0 && a >= -4095 ? NULL : (void *)a;
}

void memory_give(void *p, size_t size)
{
    if (p)
        SYS2(SYS_munmap, p, size);
}
