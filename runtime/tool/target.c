/* See target.h. */
#include "runtime/tool/target.h"
#include "runtime/tool/corefile.h"
#include "runtime/tool/interval.h"
#include "runtime/tool/tool.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PHDRS 256
#define MAX_DYNAMIC 512
#define MAX_CHAIN 4096
#define BATCH 512

/* --- Memory */

int target_read(struct target *t, uint64_t addr, void *to, size_t n)
{
    struct iovec local = { to, n }, remote = { (void *)(uintptr_t)addr, n };
    ssize_t r;

    if (t->core)
        return corefile_read(t->core, addr, to, n);
    r = process_vm_readv(t->pid, &local, 1, &remote, 1, 0);
    if (r < 0)
        return -errno;
    return (size_t)r == n ? 0 : -EFAULT;
}

/* The kernel stops at the first piece that it cannot read. */
void target_read_many(struct target *t, const struct iovec *local, const struct iovec *remote, bool *ok, size_t n)
{
    size_t i = 0;

    for (; t->core && i < n; i++)
        ok[i] = corefile_read(t->core, (uintptr_t)remote[i].iov_base, local[i].iov_base, local[i].iov_len) == 0;
    while (i < n) {
        size_t k = n - i < BATCH ? n - i : BATCH;
        ssize_t r = process_vm_readv(t->pid, local + i, k, remote + i, k, 0);
        size_t end = i + k;

        while (i < end && r >= 0 && (size_t)r >= local[i].iov_len) {
            r -= (ssize_t)local[i].iov_len;
            ok[i++] = true;
        }
        if (i < end)
            ok[i++] = false;
    }
}

uint64_t target_word(struct target *t, uint64_t addr)
{
    uint64_t v;

    return target_read(t, addr, &v, sizeof v) ? 0 : v;
}

uint32_t target_u32(struct target *t, uint64_t addr)
{
    uint32_t v;

    return target_read(t, addr, &v, sizeof v) ? 0 : v;
}

/* --- What is mapped */

static bool grow(struct target *t)
{
    if (t->n_modules % 64 == 0) {
        struct module *more = realloc(t->modules, (t->n_modules + 64) * sizeof *more);
        if (!more)
            return false;
        t->modules = more;
    }
    memset(&t->modules[t->n_modules++], 0, sizeof *t->modules);
    return true;
}

/* A file's mappings follow each other, with those of its .bss, which have no name, among them. */
static bool add_mapping(struct target *t, uint64_t lo, uint64_t hi, uint64_t offset, const char *path)
{
    struct module *last = t->n_modules ? &t->modules[t->n_modules - 1] : NULL;

    if (last && strcmp(last->path, path) == 0 && offset != 0) {
        last->hi = hi;
        return true;
    }
    if (!*path || (*path == '[' && strcmp(path, "[vdso]") != 0) || offset != 0) {
        if (last && !*path && lo == last->hi) /* .bss */
            last->hi = hi;
        return true;
    }
    if (!grow(t))
        return false;
    last = &t->modules[t->n_modules - 1];
    last->lo = lo;
    last->hi = hi;
    last->path = strdup(path);
    return last->path != NULL;
}

static int read_maps(struct target *t)
{
    char name[64], *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/maps", (int)t->pid);
    f = fopen(name, "re");
    if (!f)
        return -errno;
    while ((n = getline(&line, &cap, f)) > 0) {
        unsigned long lo, hi, offset;
        int at = 0;

        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %n", &lo, &hi, &offset, &at) < 3 || !at)
            continue;
        if (!add_mapping(t, lo, hi, offset, line + at))
            break;
    }
    free(line);
    fclose(f);
    return 0;
}

static void read_ranges(struct target *t)
{
    for (size_t i = 0; i < t->core->n_ranges; i++) {
        const struct core_range *r = &t->core->ranges[i];

        if (!add_mapping(t, r->lo, r->hi, r->file_offset, r->path))
            break;
    }
}

struct module *target_module(struct target *t, uint64_t addr)
{
    return interval_find(t->modules, t->n_modules, sizeof *t->modules, addr);
}

/* --- ELF in memory */

static size_t program_headers(struct target *t, const struct module *m, ElfW(Phdr) ph[MAX_PHDRS])
{
    ElfW(Ehdr) e;

    if (target_read(t, m->lo, &e, sizeof e) || memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_phentsize != sizeof *ph ||
        e.e_phnum > MAX_PHDRS || target_read(t, m->lo + e.e_phoff, ph, e.e_phnum * sizeof *ph))
        return 0;
    return e.e_phnum;
}

bool target_headers(struct target *t, struct module *m)
{
    ElfW(Phdr) ph[MAX_PHDRS];
    size_t n, i;

    if (m->headers)
        return m->bias != UINT64_MAX;
    m->headers = true;
    m->bias = UINT64_MAX;
    n = program_headers(t, m, ph);
    for (i = 0; i < n; i++)
        if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
            m->bias = m->lo - ph[i].p_vaddr;
    for (i = 0; i < n && m->bias != UINT64_MAX; i++)
        if (ph[i].p_type == PT_GNU_EH_FRAME)
            m->eh_hdr = m->bias + ph[i].p_vaddr;
    return m->bias != UINT64_MAX;
}

struct dynamic {
    uint64_t symtab, strtab, gnu_hash;
};

/* ld.so puts addresses in place of what the file says; not in the vdso. */
static uint64_t absolute(const struct module *m, uint64_t value)
{
    return value >= m->lo ? value : m->bias + value;
}

static bool read_dynamic(struct target *t, struct module *m, struct dynamic *out)
{
    ElfW(Phdr) ph[MAX_PHDRS];
    size_t n = program_headers(t, m, ph);

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        if (ph[i].p_type != PT_DYNAMIC)
            continue;
        for (size_t k = 0; k < MAX_DYNAMIC; k++) {
            ElfW(Dyn) d;

            if (target_read(t, m->bias + ph[i].p_vaddr + k * sizeof d, &d, sizeof d) || d.d_tag == DT_NULL)
                break;
            if (d.d_tag == DT_SYMTAB)
                out->symtab = absolute(m, d.d_un.d_ptr);
            else if (d.d_tag == DT_STRTAB)
                out->strtab = absolute(m, d.d_un.d_ptr);
            else if (d.d_tag == DT_GNU_HASH)
                out->gnu_hash = absolute(m, d.d_un.d_ptr);
        }
    }
    return out->symtab && out->strtab && out->gnu_hash;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t h = 5381;

    while (*name)
        h = h * 33 + (unsigned char)*name++;
    return h;
}

static bool name_is(struct target *t, uint64_t addr, const char *name)
{
    char buf[64];
    size_t n = strlen(name) + 1;

    return n <= sizeof buf && target_read(t, addr, buf, n) == 0 && memcmp(buf, name, n) == 0;
}

uint64_t target_symbol(struct target *t, struct module *m, const char *name)
{
    struct { uint32_t buckets, first, bloom, shift; } head;
    uint32_t h = gnu_hash(name), at, chain;
    uint64_t buckets, chains;
    struct dynamic dyn;

    if (!target_headers(t, m) || !read_dynamic(t, m, &dyn) || target_read(t, dyn.gnu_hash, &head, sizeof head) || !head.buckets)
        return 0;
    buckets = dyn.gnu_hash + sizeof head + (uint64_t)head.bloom * sizeof(ElfW(Addr));
    chains = buckets + (uint64_t)head.buckets * 4;
    at = target_u32(t, buckets + (uint64_t)(h % head.buckets) * 4);
    if (at < head.first)
        return 0;
    for (unsigned i = 0; i < MAX_CHAIN; i++, at++) {
        ElfW(Sym) sym;

        if (target_read(t, chains + (uint64_t)(at - head.first) * 4, &chain, 4))
            return 0;
        if ((chain | 1) == (h | 1) && target_read(t, dyn.symtab + (uint64_t)at * sizeof sym, &sym, sizeof sym) == 0 &&
            sym.st_shndx != SHN_UNDEF && name_is(t, dyn.strtab + sym.st_name, name))
            return m->bias + sym.st_value;
        if (chain & 1)
            return 0;
    }
    return 0;
}

/* --- Opening */

static int refused(struct target *t)
{
    vthr_tool_say(stderr, "%s: permission refused: run this as its user or as root, where the kernel lets one debug it", t->label);
    return VTHR_EXIT_PERMISSION;
}

#define PF_EXITING 4ul /* proc(5), flags: the kernel does not name them for programs, but they are fixed */

/* Nothing of it can be looked at any more: a zombie, or its memory is going away before it becomes one. */
static bool has_ended(pid_t pid)
{
    char name[64], buf[512], *paren;
    unsigned long flags = 0;
    bool ended = true;
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    f = fopen(name, "re");
    if (!f)
        return errno != EACCES;
    if (fgets(buf, sizeof buf, f) && (paren = strrchr(buf, ')')) && sscanf(paren + 2, "%*c %*d %*d %*d %*d %*d %lu", &flags) == 1)
        ended = paren[2] == 'Z' || paren[2] == 'X' || (flags & PF_EXITING);
    fclose(f);
    return ended;
}

static int gone(struct target *t, const char *how)
{
    vthr_tool_say(stderr, "%s: %s", t->label, how);
    return VTHR_EXIT_GONE;
}

int target_failed(struct target *t)
{
    if (t->core) {
        vthr_tool_say(stderr, "%s: memory is missing in it: it was cut off, or is damaged", t->label);
        return VTHR_EXIT_ERROR;
    }
    if ((kill(t->pid, 0) < 0 && errno == ESRCH) || has_ended(t->pid))
        return gone(t, "it has ended");
    return refused(t);
}

static int find_descriptor(struct target *t)
{
    /* First where the name promises it. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < t->n_modules; i++) {
            const char *base = strrchr(t->modules[i].path, '/');

            if ((base && strstr(base, "vthr") != NULL) != (pass == 0))
                continue;
            t->descriptor = target_symbol(t, &t->modules[i], "vthr_debug");
            if (t->descriptor)
                return 0;
        }
    if (!t->core && has_ended(t->pid))
        return gone(t, "it has ended");
    vthr_tool_say(stderr, "%s: no virtual threads: libvthr.so is not loaded in it", t->label);
    return VTHR_EXIT_NO_VTHREADS;
}

/* All places lie in what is read of the structures. */
static bool inside(const struct vthr_debug_field *f, size_t bytes, size_t limit)
{
    for (size_t i = 0; i < bytes / sizeof *f; i++)
        if (f[i].offset + (size_t)f[i].size > limit)
            return false;
    return true;
}

static bool sound(const struct vthr_debug *d)
{
    return d->vthread_size <= 1 << 20 && d->carrier_size <= 1 << 20 && d->proc_size <= 1 << 20 && d->frame_size <= 4096 &&
           d->n_regs <= VTHR_DEBUG_MAX_REGS && inside(&d->vthread.ctx_sp, sizeof d->vthread, d->vthread_size) &&
           inside(&d->vthread2.wait_kind, sizeof d->vthread2, d->vthread_size) &&
           inside(&d->carrier.ctx_sp, sizeof d->carrier, d->carrier_size) &&
           inside(&d->timers_pending, sizeof d->timers_pending + sizeof d->timers_most, d->proc_size);
}

static int read_descriptor(struct target *t)
{
    size_t n = offsetof(struct vthr_debug, vthread2);

    if (target_read(t, t->descriptor, &t->d, offsetof(struct vthr_debug, library)))
        return target_failed(t);
    if (memcmp(t->d.magic, VTHR_DEBUG_MAGIC, sizeof t->d.magic) != 0) {
        vthr_tool_say(stderr, "%s: its libvthr.so is not initialized yet, or damaged", t->label);
        return VTHR_EXIT_NO_VTHREADS;
    }
    if (t->d.version != VTHR_DEBUG_VERSION || t->d.size < n) {
        vthr_tool_say(stderr, "%s: its libvthr.so describes itself in format %u, and this vthr reads format %u: "
                      "use the vthr that came with it", t->label, t->d.version, VTHR_DEBUG_VERSION);
        return VTHR_EXIT_VERSION;
    }
    n = t->d.size < sizeof t->d ? t->d.size : sizeof t->d;
    if (target_read(t, t->descriptor, &t->d, n))
        return target_failed(t);
    t->d.library[sizeof t->d.library - 1] = 0;
    if (!sound(&t->d)) {
        vthr_tool_say(stderr, "%s: its libvthr.so's descriptor is damaged", t->label);
        return VTHR_EXIT_VERSION;
    }
    if (t->d.n_waits > VTHR_DEBUG_MAX_WAITS)
        t->d.n_waits = VTHR_DEBUG_MAX_WAITS;
    if (t->d.n_counters > VTHR_DEBUG_MAX_COUNTERS)
        t->d.n_counters = VTHR_DEBUG_MAX_COUNTERS;
    return 0;
}

static bool number(const char *text, pid_t *out)
{
    char *end;
    long v;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    v = strtol(text, &end, 10);
    *out = (pid_t)v;
    return !*end && !errno && v > 0 && v == (pid_t)v;
}

static int open_process(struct target *t)
{
    int r;

    snprintf(t->label, sizeof t->label, "process %d", (int)t->pid);
    if (kill(t->pid, 0) < 0 && errno == ESRCH)
        return gone(t, "there is none");
    if (has_ended(t->pid))
        return gone(t, "it has ended");
    r = read_maps(t);
    if (r == -EACCES || r == -EPERM)
        return refused(t);
    if (r)
        return gone(t, "it has ended");
    return t->n_modules && target_read(t, t->modules[0].lo, &(char){ 0 }, 1) == -EPERM ? refused(t) : 0;
}

static int open_core(struct target *t, const char *path)
{
    const char *name = strlen(path) < sizeof t->label ? path : path + strlen(path) - sizeof t->label + 1;

    snprintf(t->label, sizeof t->label, "%s", name);
    t->core = corefile_open(path);
    if (!t->core)
        return VTHR_EXIT_ERROR;
    t->pid = corefile_pid(t->core);
    read_ranges(t);
    return 0;
}

int target_open(struct target *t, const char *which)
{
    int r;

    memset(t, 0, sizeof *t);
    r = number(which, &t->pid) ? open_process(t) : open_core(t, which);
    if (!r)
        r = find_descriptor(t);
    return r ? r : read_descriptor(t);
}

void target_close(struct target *t)
{
    for (size_t i = 0; i < t->n_modules; i++) {
        symbols_free(t->modules[i].symbols);
        free(t->modules[i].path);
    }
    free(t->modules);
    corefile_close(t->core);
}
