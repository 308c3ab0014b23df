/* Looking an address up among intervals that are sorted and do not overlap. */
#ifndef VTHR_TOOL_INTERVAL_H
#define VTHR_TOOL_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

/* Each of the n elements begins with {uint64_t from, to}.  The one that addr lies in, or NULL. */
static inline void *interval_find(const void *base, size_t n, size_t size, uint64_t addr)
{
    size_t lo = 0, hi = n;
    const uint64_t *found;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (addr < *(const uint64_t *)((const char *)base + mid * size))
            hi = mid;
        else
            lo = mid + 1;
    }
    if (!lo)
        return NULL;
    found = (const uint64_t *)((const char *)base + (lo - 1) * size);
    return addr < found[1] ? (void *)(uintptr_t)found : NULL;
}

#endif
