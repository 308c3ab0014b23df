/* Symbol lookup in the hash tables (DT_GNU_HASH) of the objects that were loaded after this one.
 *
 * Why not dlsym: it takes the lock that dlopen holds while a library's constructors run, so a hook's first call on a thread that such
 * a constructor waits for would never return; and it forgets the error that dlerror() has yet to tell.  dl_iterate_phdr's
 * lock is held only while an object is put on the list or taken off it.
 *
 * Versions: a name's default version is taken, as dlsym does.  Objects without a GNU hash table are passed over; libc and
 * what is preloaded with us have one. */
#include "runtime/base/symbol.h"
#include "runtime/base/atomic.h"
#include <link.h>
#include <string.h>

#define HIDDEN_VERSION 0x8000
#define GNU_UNIQUE 10 /* STB_GNU_UNIQUE */

extern const ElfW(Ehdr) __ehdr_start VTHR_HIDDEN;

struct object {
    uintptr_t base;
    const char *tls;
    const ElfW(Sym) *sym;
    const char *str;
    const ElfW(Half) *versym;
    const uint32_t *hash;
};

struct search {
    const char *names;
    const uint16_t *off;
    void **slots;
    unsigned n;
    bool after_us;
    bool by_segments; /* how this library is recognised */
    bool resolver; /* what a search for one name found is to be called for the answer */
};

static VTHR_EARLY uint32_t gnu_hash(const char *s)
{
    uint32_t h = 5381;

    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h;
}

static VTHR_EARLY bool contains(const struct dl_phdr_info *info, const void *p)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && (uintptr_t)p - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz)
            return true;
    }
    return false;
}

/* ld.so has made the addresses in the dynamic section absolute, but for the vdso's. */
static VTHR_EARLY const void *at(const struct dl_phdr_info *info, ElfW(Addr) p)
{
    return (const void *)(p < info->dlpi_addr ? p + info->dlpi_addr : p);
}

static VTHR_EARLY bool read_object(const struct dl_phdr_info *info, struct object *o)
{
    const ElfW(Dyn) *d = NULL;

    memset(o, 0, sizeof *o);
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            d = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    if (!d)
        return false;
    for (; d->d_tag != DT_NULL; d++)
        switch (d->d_tag) {
        case DT_SYMTAB: o->sym = at(info, d->d_un.d_ptr); break;
        case DT_STRTAB: o->str = at(info, d->d_un.d_ptr); break;
        case DT_VERSYM: o->versym = at(info, d->d_un.d_ptr); break;
        case DT_GNU_HASH: o->hash = at(info, d->d_un.d_ptr); break;
        }
    o->base = info->dlpi_addr;
    o->tls = info->dlpi_tls_data;
    return o->sym && o->str && o->hash;
}

static VTHR_EARLY bool matches(const struct object *o, uint32_t i, const char *name)
{
    const ElfW(Sym) *s = &o->sym[i];
    unsigned bind = ELF64_ST_BIND(s->st_info);

    return s->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK || bind == GNU_UNIQUE) &&
           !(o->versym && (o->versym[i] & HIDDEN_VERSION)) && !strcmp(o->str + s->st_name, name);
}

/* Index into the symbol table, 0 for none. */
static VTHR_EARLY uint32_t find(const struct object *o, const char *name)
{
    uint32_t h = gnu_hash(name);
    uint32_t n_buckets = o->hash[0], first = o->hash[1], n_bloom = o->hash[2], shift = o->hash[3];
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(o->hash + 4);
    const uint32_t *buckets = (const uint32_t *)(bloom + n_bloom);
    const uint32_t *chain = buckets + n_buckets;
    const unsigned bits = 8 * sizeof *bloom;
    ElfW(Addr) word = bloom[h / bits % n_bloom];

    if (!(word >> h % bits & word >> (h >> shift) % bits & 1) || !n_buckets)
        return 0;
    for (uint32_t i = buckets[h % n_buckets]; i >= first && i; i++) {
        uint32_t c = chain[i - first];

        if ((c | 1) == (h | 1) && matches(o, i, name))
            return i;
        if (c & 1)
            break;
    }
    return 0;
}

static VTHR_EARLY void *value(const struct object *o, uint32_t i)
{
    const ElfW(Sym) *s = &o->sym[i];

    if (ELF64_ST_TYPE(s->st_info) == STT_TLS)
        return o->tls ? (void *)(o->tls + s->st_value) : NULL;
    return (void *)(o->base + s->st_value);
}

/* Where the linker puts them: behind the header, which it names. */
static VTHR_EARLY const ElfW(Phdr) *our_headers(void)
{
    return (const ElfW(Phdr) *)(&__ehdr_start + 1);
}

static VTHR_EARLY int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    struct object o;
    unsigned left = 0;

    (void)size;
    if (!s->after_us) {
        s->after_us = s->by_segments ? contains(info, &__ehdr_start) : info->dlpi_phdr == our_headers();
        return 0;
    }
    if (!read_object(info, &o))
        return 0;
    for (unsigned k = 0; k < s->n; k++) {
        uint32_t i;

        if (load_relaxed(&s->slots[k]))
            continue;
        i = find(&o, s->names + s->off[k]);
        left += !i;
        if (!i)
            continue;
        if (ELF64_ST_TYPE(o.sym[i].st_info) == STT_GNU_IFUNC) {
            if (s->n > 1)
                continue; /* left to a search of its own, which calls it outside the lock */
            s->resolver = true;
        }
        store_relaxed(&s->slots[k], value(&o, i));
    }
    return !left;
}

/* What is before this library is not looked at: that would bring in a page of each. */
static VTHR_EARLY void search(struct search *s)
{
    dl_iterate_phdr(look, s);
    if (s->after_us)
        return;
    s->by_segments = true; /* a tool has moved our program headers */
    dl_iterate_phdr(look, s);
}

VTHR_EARLY void symbols_next(const char *names, const uint16_t *off, void **slots, unsigned n)
{
    struct search s = { .names = names, .off = off, .slots = slots, .n = n };

    search(&s);
}

bool symbol_anywhere(const char *name)
{
    const uint16_t zero = 0;
    void *found = NULL;
    struct search s = { .names = name, .off = &zero, .slots = &found, .n = 1, .after_us = true };

    dl_iterate_phdr(look, &s);
    return found;
}

VTHR_EARLY void *symbol_next(const char *name)
{
    const uint16_t zero = 0;
    void *found = NULL;
    struct search s = { .names = name, .off = &zero, .slots = &found, .n = 1 };

    search(&s);
    return found && s.resolver ? ((void *(*)(void))found)() : found;
}
