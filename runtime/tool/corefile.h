/* A core file, read as if it were the process: its memory, what was mapped, its OS threads with their notes.
 *
 * What the file lacks of a mapped file (code, constants) is taken from that file, if it is still the one: it begins with the bytes that
 * the core file has of it.  Everything is bounded by the file's own size before it is used. */
#ifndef VTHR_TOOL_COREFILE_H
#define VTHR_TOOL_COREFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/arch/ptrace.h"

struct core_segment { /* a PT_LOAD */
    uint64_t lo, hi;
    uint64_t offset, size; /* what the file has of it */
    unsigned flags;        /* PF_* */
};

struct core_range { /* something mapped: a row of NT_FILE, or a segment that is in none */
    uint64_t lo, hi, file_offset;
    const char *path; /* "": no file */
    int fd;           /* of that file; -1: not opened, -2: it is not there or not the one */
};

struct core_note {
    unsigned type;
    const char *whole; /* with its header and padding */
    size_t whole_size;
    const char *desc;
    size_t size;
};

struct core_thread { /* an OS thread: NT_PRSTATUS and the notes that follow it, but for those of the process */
    uint32_t tid;
    size_t first, end; /* in notes */
};

struct corefile {
    int fd;
    uint64_t size;
    const char *path;
    struct core_segment *segments; /* by address */
    size_t n_segments;
    struct core_range *ranges; /* by address */
    size_t n_ranges;
    char *data; /* the notes */
    size_t data_size;
    struct core_note *notes;
    size_t n_notes;
    struct core_thread *threads; /* the first is the one that got the signal */
    size_t n_threads;
};

/* NULL after having said why. */
struct corefile *corefile_open(const char *path);
void corefile_close(struct corefile *c);
/* 0 or -EFAULT. */
int corefile_read(struct corefile *c, uint64_t addr, void *to, size_t n);
/* Is it a note about the whole process? */
bool corefile_is_common(unsigned type);
const struct core_note *corefile_note(const struct corefile *c, unsigned type);
/* Number of the process, 0: not known. */
int corefile_pid(const struct corefile *c);
/* General registers, by DWARF number. */
void corefile_regs(const struct corefile *c, const struct core_thread *th, uint64_t regs[ARCH_DWARF_REGS]);

#endif
