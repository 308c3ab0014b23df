/* See corefile.h. */
#include "runtime/tool/corefile.h"
#include "runtime/tool/interval.h"
#include "runtime/tool/tool.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ul
#define MAX_SEGMENTS (1u << 22)
#define MAX_NOTES (1ul << 30)

enum { NOT_OPENED = -1, NOT_USABLE = -2 };

/* --- The file */

static int read_at(int fd, uint64_t at, void *to, size_t n)
{
    while (n) {
        ssize_t r = pread(fd, to, n, (off_t)at);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -EFAULT;
        to = (char *)to + r;
        at += (uint64_t)r;
        n -= (size_t)r;
    }
    return 0;
}

static bool is_core(const ElfW(Ehdr) *e)
{
    return memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 && e->e_ident[EI_CLASS] == ELFCLASS64 && e->e_ident[EI_DATA] == ELFDATA2LSB &&
           e->e_type == ET_CORE && e->e_machine == ARCH_ELF_MACHINE && e->e_phentsize == sizeof(ElfW(Phdr));
}

/* With very many the number is in the first section header. */
static uint64_t headers(const struct corefile *c, const ElfW(Ehdr) *e)
{
    ElfW(Shdr) s;

    if (e->e_phnum != PN_XNUM)
        return e->e_phnum;
    return e->e_shoff && read_at(c->fd, e->e_shoff, &s, sizeof s) == 0 ? s.sh_info : 0;
}

static bool add_notes(struct corefile *c, const ElfW(Phdr) *ph)
{
    char *more;

    if (ph->p_filesz > c->size || ph->p_offset > c->size - ph->p_filesz || c->data_size + ph->p_filesz > MAX_NOTES)
        return false;
    more = realloc(c->data, c->data_size + ph->p_filesz + 1);
    if (!more)
        return false;
    c->data = more;
    if (read_at(c->fd, ph->p_offset, more + c->data_size, ph->p_filesz))
        return false;
    c->data_size += ph->p_filesz;
    return true;
}

static void add_segment(struct corefile *c, const ElfW(Phdr) *ph)
{
    struct core_segment *s = &c->segments[c->n_segments];
    uint64_t there = ph->p_offset < c->size ? c->size - ph->p_offset : 0;

    if (ph->p_vaddr + ph->p_memsz <= ph->p_vaddr)
        return;
    *s = (struct core_segment){ ph->p_vaddr, ph->p_vaddr + ph->p_memsz, ph->p_offset, ph->p_filesz, ph->p_flags };
    if (s->size > ph->p_memsz)
        s->size = ph->p_memsz;
    if (s->size > there) /* the file was cut off */
        s->size = there;
    c->n_segments++;
}

static int by_address(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x); /* both structures begin with it */
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static bool read_headers(struct corefile *c)
{
    ElfW(Phdr) *ph;
    ElfW(Ehdr) e;
    uint64_t n;
    bool ok;

    if (read_at(c->fd, 0, &e, sizeof e) || !is_core(&e))
        return false;
    n = headers(c, &e);
    if (!n || n > MAX_SEGMENTS || n * sizeof *ph > c->size)
        return false;
    ph = malloc(n * sizeof *ph);
    c->segments = malloc(n * sizeof *c->segments);
    ok = ph && c->segments && read_at(c->fd, e.e_phoff, ph, n * sizeof *ph) == 0;
    for (uint64_t i = 0; ok && i < n; i++)
        if (ph[i].p_type == PT_NOTE)
            ok = add_notes(c, &ph[i]);
        else if (ph[i].p_type == PT_LOAD)
            add_segment(c, &ph[i]);
    free(ph);
    if (ok && c->n_segments)
        qsort(c->segments, c->n_segments, sizeof *c->segments, by_address);
    return ok;
}

/* --- Notes */

bool corefile_is_common(unsigned type)
{
    return type == NT_PRPSINFO || type == NT_AUXV || type == NT_FILE || type == NT_SIGINFO;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* The next one in the data; its size with everything, 0: the end, or nonsense. */
static size_t note_at(const struct corefile *c, size_t at, struct core_note *out)
{
    ElfW(Nhdr) h;
    size_t left = c->data_size - at, begin;

    if (left < sizeof h)
        return 0;
    memcpy(&h, c->data + at, sizeof h);
    begin = sizeof h + padded(h.n_namesz);
    if (begin > left || h.n_descsz > left - begin)
        return 0;
    *out = (struct core_note){ h.n_type, c->data + at, begin + padded(h.n_descsz), c->data + at + begin, h.n_descsz };
    if (out->whole_size > left)
        out->whole_size = left;
    return out->whole_size;
}

static bool is_thread(const struct core_note *n)
{
    return n->type == NT_PRSTATUS && n->size >= sizeof(struct elf_prstatus) && memcmp(n->whole + sizeof(ElfW(Nhdr)), "CORE", 5) == 0;
}

static bool read_notes(struct corefile *c)
{
    struct core_note n;
    size_t count = 0, threads = 0, size;

    for (size_t at = 0; (size = note_at(c, at, &n)); at += size) {
        count++;
        threads += is_thread(&n);
    }
    c->notes = malloc((count + 1) * sizeof *c->notes);
    c->threads = malloc((threads + 1) * sizeof *c->threads);
    if (!c->notes || !c->threads)
        return false;
    for (size_t at = 0; (size = note_at(c, at, &n)); at += size) {
        if (is_thread(&n)) {
            struct elf_prstatus s;

            memcpy(&s, n.desc, sizeof s);
            c->threads[c->n_threads++] = (struct core_thread){ (uint32_t)s.pr_pid, c->n_notes, 0 };
        }
        c->notes[c->n_notes++] = n;
        if (c->n_threads)
            c->threads[c->n_threads - 1].end = c->n_notes;
    }
    return true;
}

const struct core_note *corefile_note(const struct corefile *c, unsigned type)
{
    for (size_t i = 0; i < c->n_notes; i++)
        if (c->notes[i].type == type)
            return &c->notes[i];
    return NULL;
}

int corefile_pid(const struct corefile *c)
{
    const struct core_note *n = corefile_note(c, NT_PRPSINFO);
    struct elf_prpsinfo info;

    if (!n || n->size < sizeof info)
        return 0;
    memcpy(&info, n->desc, sizeof info);
    return info.pr_pid;
}

void corefile_regs(const struct corefile *c, const struct core_thread *th, uint64_t regs[ARCH_DWARF_REGS])
{
    struct elf_prstatus s;
    struct user_regs_struct r;

    memcpy(&s, c->notes[th->first].desc, sizeof s);
    memcpy(&r, &s.pr_reg, sizeof r);
#define TAKE(member, number) regs[number] = r.member;
    ARCH_USER_REGS(TAKE)
#undef TAKE
}

/* --- What was mapped */

/* NT_FILE: {count, page size}, count times {from, to, offset in pages}, then the names. */
static void add_files(struct corefile *c, const struct core_note *n)
{
    const char *name, *end = n->desc + n->size;
    uint64_t head[2], row[3];

    if (n->size < sizeof head)
        return;
    memcpy(head, n->desc, sizeof head);
    if (head[0] > (n->size - sizeof head) / sizeof row)
        return;
    name = n->desc + sizeof head + head[0] * sizeof row;
    for (uint64_t i = 0; i < head[0] && name < end; i++) {
        const char *nul = memchr(name, 0, (size_t)(end - name));

        if (!nul)
            return;
        memcpy(row, n->desc + sizeof head + i * sizeof row, sizeof row);
        c->ranges[c->n_ranges++] = (struct core_range){ row[0], row[1], row[2] * head[1], name, NOT_OPENED };
        name = nul + 1;
    }
}

/* The kernel's own page with code is no file of anybody, but an ELF image. */
static uint64_t vdso(const struct corefile *c)
{
    const struct core_note *n = corefile_note(c, NT_AUXV);
    ElfW(auxv_t) a;

    for (size_t at = 0; n && at + sizeof a <= n->size; at += sizeof a) {
        memcpy(&a, n->desc + at, sizeof a);
        if (a.a_type == AT_SYSINFO_EHDR)
            return a.a_un.a_val;
    }
    return 0;
}

static bool find_ranges(struct corefile *c)
{
    const struct core_note *n = corefile_note(c, NT_FILE);
    uint64_t kernels = vdso(c);
    size_t files;

    c->ranges = malloc((c->n_segments + (n ? n->size / 24 : 0) + 1) * sizeof *c->ranges);
    if (!c->ranges)
        return false;
    if (n)
        add_files(c, n);
    files = c->n_ranges;
    if (files)
        qsort(c->ranges, files, sizeof *c->ranges, by_address);
    for (size_t i = 0; i < c->n_segments; i++) {
        const struct core_segment *s = &c->segments[i];

        if (!interval_find(c->ranges, files, sizeof *c->ranges, s->lo))
            c->ranges[c->n_ranges++] = (struct core_range){ s->lo, s->hi, 0, s->lo == kernels ? "[vdso]" : "", NOT_USABLE };
    }
    if (c->n_ranges)
        qsort(c->ranges, c->n_ranges, sizeof *c->ranges, by_address);
    return true;
}

/* --- Memory */

static const struct core_segment *segment_of(const struct corefile *c, uint64_t addr)
{
    return interval_find(c->segments, c->n_segments, sizeof *c->segments, addr);
}

/* The beginning of the file, which the core file has where it is an ELF image's, is as it was. */
static bool is_the_one(struct corefile *c, const char *path, int fd)
{
    char was[PAGE], is[PAGE];

    for (size_t i = 0; i < c->n_ranges; i++) {
        const struct core_range *r = &c->ranges[i];
        const struct core_segment *s = r->file_offset == 0 && strcmp(r->path, path) == 0 ? segment_of(c, r->lo) : NULL;

        if (s && s->lo == r->lo && s->size >= PAGE)
            return read_at(c->fd, s->offset, was, PAGE) == 0 && read_at(fd, 0, is, PAGE) == 0 && memcmp(was, is, PAGE) == 0;
    }
    return true;
}

static int file_of(struct corefile *c, struct core_range *r)
{
    struct stat st;

    if (r->fd != NOT_OPENED)
        return r->fd;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd >= 0 && (fstat(r->fd, &st) || !S_ISREG(st.st_mode) || !is_the_one(c, r->path, r->fd))) {
        close(r->fd);
        r->fd = NOT_USABLE;
    }
    if (r->fd < 0)
        r->fd = NOT_USABLE;
    return r->fd;
}

/* How many bytes there are at addr in one place: in which file, and where in it. */
static uint64_t place(struct corefile *c, uint64_t addr, int *fd, uint64_t *at)
{
    const struct core_segment *s = segment_of(c, addr);
    struct core_range *r;
    uint64_t end;

    if (s && addr - s->lo < s->size) {
        *fd = c->fd;
        *at = s->offset + (addr - s->lo);
        return s->size - (addr - s->lo);
    }
    r = interval_find(c->ranges, c->n_ranges, sizeof *c->ranges, addr);
    if (!r || !*r->path || (*fd = file_of(c, r)) < 0)
        return 0;
    *at = r->file_offset + (addr - r->lo);
    end = r->hi;
    if (s && s->lo < r->hi && s->lo > addr)
        end = s->lo;
    return end - addr;
}

int corefile_read(struct corefile *c, uint64_t addr, void *to, size_t n)
{
    while (n) {
        uint64_t at, have;
        int fd;

        have = place(c, addr, &fd, &at);
        if (have > n)
            have = n;
        if (!have || read_at(fd, at, to, have))
            return -EFAULT;
        to = (char *)to + have;
        addr += have;
        n -= have;
    }
    return 0;
}

/* --- Opening */

struct corefile *corefile_open(const char *path)
{
    struct corefile *c = calloc(1, sizeof *c);
    struct stat st;

    if (!c) {
        vthr_tool_say(stderr, "out of memory");
        return NULL;
    }
    c->path = path;
    c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->fd < 0) {
        if (errno == ENOENT && !strchr(path, '/'))
            vthr_tool_say(stderr, "%s: not the number of a process, and no such core file", path);
        else
            vthr_tool_say(stderr, "%s: %s", path, strerror(errno));
    } else if (fstat(c->fd, &st) || !S_ISREG(st.st_mode)) {
        vthr_tool_say(stderr, "%s: not a core file", path);
    } else {
        c->size = (uint64_t)st.st_size;
        if (read_headers(c) && read_notes(c) && c->n_threads && find_ranges(c))
            return c;
        vthr_tool_say(stderr, "%s: not a core file of this architecture, or damaged", path);
    }
    corefile_close(c);
    return NULL;
}

void corefile_close(struct corefile *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_ranges; i++)
        if (c->ranges[i].fd >= 0)
            close(c->ranges[i].fd);
    if (c->fd >= 0)
        close(c->fd);
    free(c->segments);
    free(c->ranges);
    free(c->data);
    free(c->notes);
    free(c->threads);
    free(c);
}
