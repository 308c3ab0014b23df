/* Parts of vthr core: core.c lays the file out, core_memory.c knows what of the memory is in it, core_notes.c describes the process and
 * its threads. */
#ifndef VTHR_TOOL_CORE_H
#define VTHR_TOOL_CORE_H

#include "runtime/tool/snapshot.h"

#define CORE_PAGE 4096ul
#define CORE_BLOCK (256 * CORE_PAGE)

struct core_area {
    uint64_t lo, hi, file_offset; /* the last: in what is mapped, or, of a core file's, in that */
    uint64_t dumped;              /* bytes of it that the file has */
    unsigned flags;               /* PF_* */
    bool file;                    /* NT_FILE names it */
    char *path;
};

struct core_out {
    struct target *t;
    int fd, pagemap;
    struct core_area *areas;
    size_t n;
    char *notes;
    size_t notes_size;
    char *buffer; /* CORE_BLOCK */
};

/* Says why, by errno; an exit status. */
int core_failed(const char *what);
/* All of n bytes, or -1. */
int core_put(struct core_out *w, const void *data, size_t n, uint64_t at);
/* 0, or an exit status after having said why. */
int core_areas(struct core_out *w);
/* Writes an area's bytes from `to` on, but for those that are zero anyway.  0 or -1. */
int core_copy(struct core_out *w, const struct core_area *a, uint64_t to);
/* 0, or an exit status after having said why. */
int core_notes(struct core_out *w, const struct stopped *stopped, const struct snapshot *s);

#endif
