/* A process looked at from outside, or its core file: its memory, what is mapped in it, and its debug descriptor
 * (docs/debug-interface.md).
 *
 * All that is read from it may be nonsense: it changes while it is read, or is damaged.  Every size and count is bounded before it
 * is used, and memory is reached by process_vm_readv only, which fails where there is none, or by corefile.c, which does so too. */
#ifndef VTHR_TOOL_TARGET_H
#define VTHR_TOOL_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "runtime/diag/debug.h"

/* Exit statuses of the commands that look at a process. */
enum {
    VTHR_EXIT_GONE = 1,
    VTHR_EXIT_PERMISSION = 2,
    VTHR_EXIT_NO_VTHREADS = 3,
    VTHR_EXIT_VERSION = 4,
};

struct corefile; /* corefile.h */
struct symbols;

struct module { /* an ELF image */
    uint64_t lo, hi;
    uint64_t bias;   /* address minus the file's own address */
    uint64_t eh_hdr; /* PT_GNU_EH_FRAME; 0: none */
    bool headers;    /* the two above are known, or known not to be there */
    char *path;
    struct symbols *symbols;
};

struct target {
    pid_t pid;
    struct corefile *core; /* NULL: a live process */
    char label[64];        /* "process 17", or the core file's name */
    struct module *modules; /* by address */
    size_t n_modules;
    uint64_t descriptor;
    struct vthr_debug d; /* zero where the target's is shorter */
};

/* Each returns 0 or an exit status, after having said why. */
int target_open(struct target *t, const char *which); /* a number of a process, or a core file's name */
void target_close(struct target *t);
/* Says that it ended, may not be read, or lacks what is looked for; for a failed read. */
int target_failed(struct target *t);

/* 0 or -errno. */
int target_read(struct target *t, uint64_t addr, void *to, size_t n);
/* Reads n pieces, in one system call if all goes well.  ok[i]: it could be read. */
void target_read_many(struct target *t, const struct iovec *local, const struct iovec *remote, bool *ok, size_t n);
uint64_t target_word(struct target *t, uint64_t addr); /* 0 if it cannot be read */
uint32_t target_u32(struct target *t, uint64_t addr);

struct module *target_module(struct target *t, uint64_t addr);
/* Bias and unwind table of a module.  False: it is no ELF image. */
bool target_headers(struct target *t, struct module *m);
/* Address of an exported symbol, or 0. */
uint64_t target_symbol(struct target *t, struct module *m, const char *name);

/* The name of what is at addr, with *offset into it, or NULL.  symbols.c. */
const char *symbol_at(struct target *t, uint64_t addr, uint64_t *offset);
void symbols_free(struct symbols *s);

/* A field of a structure that was read; 0 if this library does not have it. */
static inline uint64_t field(const char *data, struct vthr_debug_field f)
{
    uint64_t v = 0;

    if (f.size <= sizeof v)
        __builtin_memcpy(&v, data + f.offset, f.size);
    return v;
}

#endif
