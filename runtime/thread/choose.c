/* Which threads keep an OS thread of their own.
 *
 * VTHR_EXCLUDE and VTHR_INCLUDE are lists of entries with commas between:
 *     OBJECT             the start routine, or the code that called pthread_create, lies in it
 *     OBJECT!ROUTINE     the start routine is that one
 *     !ROUTINE           the same, in any object
 * OBJECT is a file name, of a shared library or the program's own, or a path if it has a slash; ROUTINE a symbol, or 0x and the address
 * that nm would show for it.  `*` and `?` stand for anything and for one character.  What is excluded, or not included where
 * there is such a list, keeps an OS thread.
 *
 * Names of routines are looked up in the object's file, since static functions are in its symbol table only (.symtab, else .dynsym).
 * That takes a while, so verdicts are remembered, until an object is unloaded. */
#include "runtime/thread/choose.h"
#include "runtime/base/lock.h"
#include "runtime/base/options.h"
#include "runtime/base/sys.h"
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#define MEMORY 64

struct place {
    const void *addr;
    uintptr_t base;
    char path[PATH_MAX]; /* empty: unknown */
};
struct question {
    struct place start, caller;
    unsigned long long unloads;
};

static struct {
    const void *start, *caller;
    unsigned long long unloads;
    bool known, own;
} memory[MEMORY];
static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_LEAF); /* protects `memory` */

bool choose_glob(const char *p, const char *end, const char *text)
{
    while (p < end && *p != '*') {
        if (!*text || (*p != '?' && *p != *text))
            return false;
        p++;
        text++;
    }
    if (p == end)
        return !*text;
    for (;; text++) {
        if (choose_glob(p + 1, end, text))
            return true;
        if (!*text)
            return false;
    }
}

/* --- Where an address lies --- */

static bool contains(const struct dl_phdr_info *info, const void *addr)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && (uintptr_t)addr - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz)
            return true;
    }
    return false;
}

static void note(struct place *p, const struct dl_phdr_info *info)
{
    long n;

    if (!contains(info, p->addr))
        return;
    p->base = info->dlpi_addr;
    if (info->dlpi_name && *info->dlpi_name) {
        if (strlen(info->dlpi_name) < sizeof p->path)
            strcpy(p->path, info->dlpi_name);
        return;
    }
    n = SYS4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", p->path, sizeof p->path - 1);
    p->path[n > 0 ? n : 0] = 0;
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct question *q = arg;

    (void)size;
    q->unloads = info->dlpi_subs;
    note(&q->start, info);
    note(&q->caller, info);
    return 0;
}
static int look_unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(unsigned long long *)arg = info->dlpi_subs;
    return 1;
}

/* --- Routines by name --- */

static bool inside(uint64_t off, uint64_t n, uint64_t size)
{
    return off <= size && n <= size - off;
}

static bool table_has(const char *file, size_t size, const ElfW(Shdr) *sh, const ElfW(Shdr) *str, uint64_t value, const char *p, const char *end)
{
    const ElfW(Sym) *sym = (const void *)(file + sh->sh_offset);

    if (!inside(sh->sh_offset, sh->sh_size, size) || !inside(str->sh_offset, str->sh_size, size) || !str->sh_size || file[str->sh_offset + str->sh_size - 1])
        return false;
    for (size_t i = 0; i < sh->sh_size / sizeof *sym; i++)
        if (sym[i].st_value == value && ELF64_ST_TYPE(sym[i].st_info) == STT_FUNC && sym[i].st_name < str->sh_size &&
            choose_glob(p, end, file + str->sh_offset + sym[i].st_name))
            return true;
    return false;
}

static bool file_has(const char *file, size_t size, uint64_t value, const char *p, const char *end)
{
    const ElfW(Ehdr) *eh = (const void *)file;
    const ElfW(Shdr) *sh = (const void *)(file + (size < sizeof *eh ? 0 : eh->e_shoff));

    if (size < sizeof *eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_shentsize != sizeof *sh || eh->e_shoff % 8 ||
        !inside(eh->e_shoff, (uint64_t)eh->e_shnum * sizeof *sh, size))
        return false;
    for (unsigned i = 0; i < eh->e_shnum; i++)
        if ((sh[i].sh_type == SHT_SYMTAB || sh[i].sh_type == SHT_DYNSYM) && sh[i].sh_link < eh->e_shnum &&
            table_has(file, size, &sh[i], &sh[sh[i].sh_link], value, p, end))
            return true;
    return false;
}

static bool is_named(const struct place *at, const char *p, const char *end)
{
    long fd = SYS4(SYS_openat, AT_FDCWD, at->path, O_RDONLY | O_CLOEXEC, 0), size, map;
    bool yes;

    if (fd < 0)
        return false;
    size = SYS3(SYS_lseek, fd, 0, SEEK_END);
    map = size > 0 ? SYS6(SYS_mmap, NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : -1;
    SYS1(SYS_close, fd);
    if (map < 0 && map > -4096)
        return false;
    yes = file_has((const char *)map, (size_t)size, (uintptr_t)at->addr - at->base, p, end);
    SYS2(SYS_munmap, map, size);
    return yes;
}

static bool is_at_offset(const struct place *at, const char *p, const char *end)
{
    uint64_t v = 0;

    for (p += 2; p < end; p++) {
        unsigned c = (unsigned char)*p | 0x20;

        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (c - 'a' + 10);
        else
            return false;
    }
    return v == (uintptr_t)at->addr - at->base;
}

static bool is_routine(const struct place *at, const char *p, const char *end)
{
    return end - p > 2 && p[0] == '0' && p[1] == 'x' ? is_at_offset(at, p, end) : at->path[0] && is_named(at, p, end);
}

/* --- Lists --- */

static bool is_object(const struct place *at, const char *p, const char *end)
{
    const char *slash = strrchr(at->path, '/');

    return at->path[0] && choose_glob(p, end, memchr(p, '/', (size_t)(end - p)) || !slash ? at->path : slash + 1);
}

static bool entry_says(const struct question *q, const char *p, const char *end)
{
    const char *mark = memchr(p, '!', (size_t)(end - p));

    if (!mark)
        return is_object(&q->start, p, end) || is_object(&q->caller, p, end);
    return (mark == p || is_object(&q->start, p, mark)) && is_routine(&q->start, mark + 1, end);
}

static bool listed(const struct question *q, const char *list)
{
    while (*list) {
        const char *end = strchrnul(list, ',');

        if (entry_says(q, list, end))
            return true;
        list = *end ? end + 1 : end;
    }
    return false;
}

static bool judge(struct question *q)
{
    dl_iterate_phdr(look, q);
    return listed(q, vthr_config.exclude) || (vthr_config.include[0] && !listed(q, vthr_config.include));
}

/* --- Memory --- */

static unsigned slot_of(const void *start, const void *caller)
{
    return (unsigned)(((uintptr_t)start * 31 + (uintptr_t)caller) * 0x9e3779b97f4a7c15ull >> 58) % MEMORY;
}

static VTHR_NOINLINE bool judge_and_keep(const void *start, const void *caller)
{
    struct question q = { .start.addr = start, .caller.addr = caller };
    unsigned i = slot_of(start, caller);
    bool own = judge(&q);

    lock(&lk);
    memory[i].start = start;
    memory[i].caller = caller;
    memory[i].unloads = q.unloads;
    memory[i].own = own;
    memory[i].known = true;
    unlock(&lk);
    return own;
}

bool choose_own_thread(const void *start, const void *caller)
{
    unsigned i = slot_of(start, caller);
    unsigned long long unloads = 0;
    bool known, own;

    if (likely(!vthr_config.exclude[0] && !vthr_config.include[0]))
        return false;
    dl_iterate_phdr(look_unloads, &unloads);
    lock(&lk);
    known = memory[i].known && memory[i].start == start && memory[i].caller == caller && memory[i].unloads == unloads;
    own = memory[i].own;
    unlock(&lk);
    return known ? own : judge_and_keep(start, caller);
}

void choose_reset_child(void)
{
    lock_init(&lk, RANK_LEAF);
}
