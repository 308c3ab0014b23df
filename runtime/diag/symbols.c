/* See symbols.h.  A file that is not the one that was loaded any more (replaced by an update) names nothing: its first bytes,
 * where the build-id lies, are compared with those in memory. */
#include "runtime/diag/symbols.h"
#include "runtime/base/sys.h"
#include "runtime/diag/cfi.h"
#include "runtime/io/hidden.h"
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAX_OBJECTS 64
#define CACHE 256
#define COMPARED 1024u

struct object {
    uintptr_t map;   /* struct link_map */
    uintptr_t start; /* its first byte in memory */
    uintptr_t bias;
    char name[64];
    const char *file; /* mapped, or NULL */
    size_t size;
    const ElfW(Sym) *sym;
    size_t n_sym;
    const char *str;
    size_t str_size;
};

struct symbols {
    struct memory *m;
    unsigned n;
    struct object object[MAX_OBJECTS];
    struct place cache[CACHE];
};

struct symbols *symbols_begin(struct memory *m)
{
    struct symbols *s = memory_get(sizeof *s);

    if (s)
        s->m = m;
    return s;
}

void symbols_end(struct symbols *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        memory_give((void *)(uintptr_t)s->object[i].file, s->object[i].size);
    memory_give(s, sizeof *s);
}

static void map_file(struct object *o, const char *path)
{
    struct stat st;
    long fd = SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), a;

    if (fd < 0)
        return;
    fd = hidden_out_of_the_way((int)fd);
    if (SYS2(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)sizeof(ElfW(Ehdr))) {
        a = SYS6(SYS_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (a > 0 || a < -4095) {
            o->file = (const char *)a;
            o->size = (size_t)st.st_size;
        }
    }
    SYS1(SYS_close, fd);
}

static bool is_the_loaded_one(struct symbols *s, const struct object *o)
{
    unsigned char loaded[COMPARED];
    size_t n = o->size < COMPARED ? o->size : COMPARED;

    return memory_read(s->m, MEMORY_FIXED, o->start, loaded, n) && memcmp(loaded, o->file, n) == 0;
}

static bool inside(const struct object *o, uint64_t at, uint64_t n)
{
    return at <= o->size && n <= o->size - at;
}

static void find_table(struct object *o)
{
    const ElfW(Ehdr) *e = (const void *)o->file;
    const ElfW(Shdr) *sh = (const void *)(o->file + e->e_shoff), *best = NULL;

    if (memcmp(e->e_ident, ELFMAG, SELFMAG) || e->e_shentsize != sizeof *sh || e->e_shoff % sizeof(uint64_t) ||
        !inside(o, e->e_shoff, (uint64_t)e->e_shnum * sizeof *sh))
        return;
    for (unsigned i = 0; i < e->e_shnum; i++)
        if ((sh[i].sh_type == SHT_SYMTAB || (sh[i].sh_type == SHT_DYNSYM && !best)) && sh[i].sh_link < e->e_shnum &&
            inside(o, sh[i].sh_offset, sh[i].sh_size) && sh[i].sh_offset % sizeof(uint64_t) == 0)
            best = &sh[i];
    if (!best || !inside(o, sh[best->sh_link].sh_offset, sh[best->sh_link].sh_size) || sh[best->sh_link].sh_size == 0)
        return;
    o->sym = (const void *)(o->file + best->sh_offset);
    o->n_sym = best->sh_size / sizeof *o->sym;
    o->str = o->file + sh[best->sh_link].sh_offset;
    o->str_size = sh[best->sh_link].sh_size;
    if (o->str[o->str_size - 1])
        o->n_sym = 0; /* its last name would not end */
}

/* Text of the program's; false: there is no such text, or it is longer. */
static bool read_text(struct symbols *s, uintptr_t at, char *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!memory_read(s->m, MEMORY_FIXED, at + i, &to[i], 1))
            return false;
        if (!to[i])
            return true;
    }
    return false;
}

static void set_name(struct object *o, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);

    n = n < sizeof o->name ? n : sizeof o->name - 1;
    memcpy(o->name, base, n);
    o->name[n] = 0;
}

static void open_object(struct symbols *s, struct object *o)
{
    struct link_map l;
    char path[512], link[512];
    long n;

    if (!memory_read(s->m, MEMORY_FIXED, o->map, &l, offsetof(struct link_map, l_ld)) ||
        !read_text(s, (uintptr_t)l.l_name, path, sizeof path))
        return;
    o->bias = l.l_addr;
    if (!*path) { /* the program itself */
        strcpy(path, "/proc/self/exe");
        n = SYS4(SYS_readlinkat, AT_FDCWD, path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = 0;
        set_name(o, link);
    } else {
        set_name(o, path);
    }
    map_file(o, path);
    if (o->file && is_the_loaded_one(s, o))
        find_table(o);
}

static struct object *object_of(struct symbols *s, uintptr_t pc)
{
    uintptr_t map, start;
    struct object *o;

    if (!cfi_object(pc, &map, &start))
        return NULL;
    for (unsigned i = 0; i < s->n; i++)
        if (s->object[i].map == map && s->object[i].start == start)
            return &s->object[i];
    if (s->n == MAX_OBJECTS)
        return NULL;
    o = &s->object[s->n++];
    memset(o, 0, sizeof *o);
    o->map = map;
    o->start = start;
    open_object(s, o);
    return o;
}

/* Of several names of one function: one that is exported, without underscores. */
static int rank(const struct object *o, const ElfW(Sym) *sym)
{
    return 2 * (ELF64_ST_BIND(sym->st_info) != STB_LOCAL) + (o->str[sym->st_name] != '_');
}

static void find_name(const struct object *o, struct place *p)
{
    uintptr_t at = p->pc - o->bias;
    const ElfW(Sym) *best = NULL;

    for (size_t i = 0; i < o->n_sym; i++) {
        const ElfW(Sym) *sym = &o->sym[i];
        unsigned type = ELF64_ST_TYPE(sym->st_info);

        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym->st_shndx == SHN_UNDEF || sym->st_name >= o->str_size ||
            at < sym->st_value || at - sym->st_value >= (sym->st_size ? sym->st_size : 1))
            continue;
        if (!best || sym->st_value > best->st_value || (sym->st_value == best->st_value && rank(o, sym) > rank(o, best)))
            best = sym;
    }
    if (!best)
        return;
    strncpy(p->name, o->str + best->st_name, sizeof p->name - 1);
    p->name[strcspn(p->name, "@")] = 0; /* without its version */
    p->offset = at - best->st_value;
}

const struct place *symbol_at(struct symbols *s, uintptr_t pc)
{
    struct place *p = &s->cache[pc * 0x9e3779b97f4a7c15ull >> 56];
    const struct object *o;

    if (p->pc == pc)
        return p;
    memset(p, 0, sizeof *p);
    p->pc = pc;
    o = object_of(s, pc);
    if (!o) {
        p->offset = pc;
        return p;
    }
    memcpy(p->object, o->name, sizeof p->object);
    p->offset = pc - o->start;
    find_name(o, p);
    return p;
}
