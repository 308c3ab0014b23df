/* Names of addresses, from the files that are mapped in a process: .symtab, else .dynsym, of the file and of its separate debug
 * information by build id.  The file is looked for where the process sees it (/proc/PID/root), that of a core file where it was, and must begin with the bytes that
 * are in memory: after an upgrade there may be another one by that name. */
#include "runtime/tool/demangle.h"
#include "runtime/tool/target.h"
#include "runtime/tool/tool.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct symbol {
    uint64_t value, size; /* as the file has it */
    const char *name;     /* in the mapped file */
    char *plain;          /* as written in C++, once it was asked for */
    bool local;
};

struct image {
    const char *data;
    size_t size;
};

struct symbols {
    struct image files[2]; /* the file, its debug information */
    struct symbol *all;
    size_t n;
};

static bool map_file(const char *path, struct image *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p = MAP_FAILED;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)sizeof(ElfW(Ehdr)))
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return false;
    out->data = p;
    out->size = (size_t)st.st_size;
    return true;
}

static void unmap_file(struct image *f)
{
    if (f->data)
        munmap((void *)(uintptr_t)f->data, f->size);
    f->data = NULL;
}

static const void *piece(const struct image *f, uint64_t offset, uint64_t n)
{
    return offset <= f->size && n <= f->size - offset ? f->data + offset : NULL;
}

static const ElfW(Ehdr) *header(const struct image *f)
{
    const ElfW(Ehdr) *e = piece(f, 0, sizeof *e);

    return e && memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 && e->e_ident[EI_CLASS] == ELFCLASS64 ? e : NULL;
}

static bool is_the_one(struct target *t, const struct module *m, const struct image *f)
{
    char memory[1024];
    size_t n = f->size < sizeof memory ? f->size : sizeof memory;

    return target_read(t, m->lo, memory, n) == 0 && memcmp(memory, f->data, n) == 0;
}

static const ElfW(Shdr) *section(const struct image *f, unsigned type)
{
    const ElfW(Ehdr) *e = header(f);
    const ElfW(Shdr) *s = e ? piece(f, e->e_shoff, (uint64_t)e->e_shnum * sizeof *s) : NULL;

    for (unsigned i = 0; s && i < e->e_shnum; i++)
        if (s[i].sh_type == type && s[i].sh_link < e->e_shnum)
            return &s[i];
    return NULL;
}

static const char *string(const struct image *f, const ElfW(Shdr) *table, uint64_t at)
{
    const char *s = at < table->sh_size ? piece(f, table->sh_offset + at, 1) : NULL;

    return s && memchr(s, 0, f->size - (size_t)(s - f->data)) ? s : NULL;
}

static bool add_table(struct symbols *s, const struct image *f, unsigned type)
{
    const ElfW(Shdr) *sec = section(f, type), *strings;
    const ElfW(Sym) *sym = sec ? piece(f, sec->sh_offset, sec->sh_size) : NULL;
    size_t n = sym ? sec->sh_size / sizeof *sym : 0;
    struct symbol *more;

    if (!n)
        return false;
    strings = (const ElfW(Shdr) *)piece(f, header(f)->e_shoff, sizeof *strings) + sec->sh_link;
    more = realloc(s->all, (s->n + n) * sizeof *more);
    if (!more)
        return false;
    s->all = more;
    for (size_t i = 0; i < n; i++) {
        unsigned kind = ELF64_ST_TYPE(sym[i].st_info);
        const char *name;

        if ((kind != STT_FUNC && kind != STT_OBJECT && kind != STT_GNU_IFUNC) || sym[i].st_shndx == SHN_UNDEF ||
            !(name = string(f, strings, sym[i].st_name)) || !*name)
            continue;
        s->all[s->n++] = (struct symbol){ sym[i].st_value, sym[i].st_size, name, NULL, ELF64_ST_BIND(sym[i].st_info) == STB_LOCAL };
    }
    return true;
}

/* /usr/lib/debug/.build-id/xx/yyyy.debug, as debuggers do. */
static bool debug_path(const struct image *f, char path[PATH_MAX])
{
    const ElfW(Ehdr) *e = header(f);
    const ElfW(Phdr) *ph = piece(f, e->e_phoff, (uint64_t)e->e_phnum * sizeof *ph);

    for (unsigned i = 0; ph && i < e->e_phnum; i++) {
        const char *note = ph[i].p_type == PT_NOTE ? piece(f, ph[i].p_offset, ph[i].p_filesz) : NULL;
        uint64_t left = note ? ph[i].p_filesz : 0;

        while (left >= sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *n = (const void *)note;
            uint64_t whole = sizeof *n + (((uint64_t)n->n_namesz + 3) & ~3ull) + (((uint64_t)n->n_descsz + 3) & ~3ull);
            const unsigned char *id = (const unsigned char *)note + sizeof *n + 4;

            if (whole > left)
                break;
            if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && n->n_descsz >= 2 && n->n_descsz <= 64) {
                int at = snprintf(path, PATH_MAX, "/usr/lib/debug/.build-id/%02x/", id[0]);

                for (unsigned k = 1; k < n->n_descsz; k++)
                    at += snprintf(path + at, PATH_MAX - (size_t)at, "%02x", id[k]);
                snprintf(path + at, PATH_MAX - (size_t)at, ".debug");
                return true;
            }
            note += whole;
            left -= whole;
        }
    }
    return false;
}

static int by_value(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    if ((x->size != 0) != (y->size != 0))
        return x->size ? -1 : 1;
    if (x->local != y->local) /* the name that others call it by */
        return x->local ? 1 : -1;
    return strlen(x->name) < strlen(y->name) ? -1 : strlen(x->name) > strlen(y->name) ? 1 : strcmp(x->name, y->name);
}

static struct symbols *load(struct target *t, const struct module *m)
{
    struct symbols *s = calloc(1, sizeof *s);
    char path[PATH_MAX];

    if (!s)
        return NULL;
    if (t->core)
        snprintf(path, sizeof path, "%s", m->path);
    else
        snprintf(path, sizeof path, "/proc/%d/root%s", (int)t->pid, m->path);
    if (!map_file(path, &s->files[0]))
        return s;
    if (!header(&s->files[0]) || !is_the_one(t, m, &s->files[0])) {
        unmap_file(&s->files[0]);
        return s;
    }
    if (!add_table(s, &s->files[0], SHT_SYMTAB)) {
        if (debug_path(&s->files[0], path) && map_file(path, &s->files[1]) && header(&s->files[1]))
            add_table(s, &s->files[1], SHT_SYMTAB);
        add_table(s, &s->files[0], SHT_DYNSYM);
    }
    if (s->n)
        qsort(s->all, s->n, sizeof *s->all, by_value);
    return s;
}

const char *symbol_at(struct target *t, uint64_t addr, uint64_t *offset)
{
    struct module *m = target_module(t, addr);
    size_t lo = 0, hi;
    struct symbols *s;
    uint64_t value;

    if (!m || !target_headers(t, m))
        return NULL;
    if (!m->symbols)
        m->symbols = load(t, m);
    s = m->symbols;
    if (!s || !s->n)
        return NULL;
    value = addr - m->bias;
    for (hi = s->n; lo < hi;) {
        size_t mid = (lo + hi) / 2;

        if (value < s->all[mid].value)
            hi = mid;
        else
            lo = mid + 1;
    }
    if (!lo)
        return NULL;
    lo--;
    while (lo && s->all[lo - 1].value == s->all[lo].value) /* the best of those at one address comes first */
        lo--;
    if (s->all[lo].size ? value - s->all[lo].value >= s->all[lo].size : value - s->all[lo].value >= 4096)
        return NULL;
    *offset = value - s->all[lo].value;
    if (!s->all[lo].plain)
        s->all[lo].plain = demangle(s->all[lo].name);
    return s->all[lo].plain ? s->all[lo].plain : s->all[lo].name;
}

void symbols_free(struct symbols *s)
{
    if (!s)
        return;
    unmap_file(&s->files[0]);
    unmap_file(&s->files[1]);
    for (size_t i = 0; i < s->n; i++)
        free(s->all[i].plain);
    free(s->all);
    free(s);
}
