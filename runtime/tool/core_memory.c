/* The memory in a core file that is written: of a process what a kernel would write by default, anonymous and changed pages, and the
 * first page of each file, by which debuggers find it; of a core file what it has. */
#include "runtime/tool/core.h"
#include "runtime/tool/corefile.h"
#include "runtime/tool/tool.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESENT (3ull << 62) /* pagemap: in memory or in swap */
#define OF_FILE (1ull << 61) /* pagemap: as the file has it, or shared */

/* --- A process: what is mapped */

/* Pages of its own where it is not writable any more: relocations, by which debuggers find the libraries. */
static bool has_own_pages(const struct core_out *w, const struct core_area *a)
{
    uint64_t entries[512];

    for (uint64_t at = a->lo; at < a->hi;) {
        size_t pages = (a->hi - at) / CORE_PAGE < 512 ? (a->hi - at) / CORE_PAGE : 512;
        ssize_t r = pread(w->pagemap, entries, pages * 8, (off_t)(at / CORE_PAGE * 8));

        if (r <= 0)
            return true;
        for (size_t i = 0; i < (size_t)r / 8; i++)
            if ((entries[i] & PRESENT) && !(entries[i] & OF_FILE))
                return true;
        at += (uint64_t)r / 8 * CORE_PAGE;
    }
    return false;
}

static uint64_t how_much(const struct core_out *w, const struct core_area *a, bool is_private, bool anonymous)
{
    const char *p = a->path;

    if (!(a->flags & PF_R) || strcmp(p, "[vvar]") == 0 || strcmp(p, "[vsyscall]") == 0 || strcmp(p, "[vvar_vclock]") == 0 ||
        (strncmp(p, "/dev/", 5) == 0 && strncmp(p, "/dev/zero", 9) != 0 && strncmp(p, "/dev/shm/", 9) != 0))
        return 0;
    if (anonymous || *p == '[' || strstr(p, " (deleted)") || (is_private && ((a->flags & PF_W) || has_own_pages(w, a))))
        return a->hi - a->lo;
    return a->file_offset == 0 && a->hi > a->lo ? CORE_PAGE : 0;
}

static bool add_area(struct core_out *w, const char *line)
{
    unsigned long lo, hi, offset, inode;
    char perms[8];
    struct core_area *a;
    int at = 0;

    if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &lo, &hi, perms, &offset, &inode, &at) < 5 || !at)
        return true;
    if (w->n % 64 == 0) {
        struct core_area *more = realloc(w->areas, (w->n + 64) * sizeof *more);

        if (!more)
            return false;
        w->areas = more;
    }
    a = &w->areas[w->n++];
    *a = (struct core_area){ lo, hi, offset, 0, 0, inode != 0, strndup(line + at, strcspn(line + at, "\n")) };
    a->flags = (perms[0] == 'r' ? PF_R : 0u) | (perms[1] == 'w' ? PF_W : 0u) | (perms[2] == 'x' ? PF_X : 0u);
    if (!a->path)
        return false;
    a->dumped = how_much(w, a, perms[3] == 'p', inode == 0);
    return true;
}

static int areas_of_process(struct core_out *w)
{
    char name[64], *line = NULL;
    size_t cap = 0;
    bool ok = true;
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/maps", (int)w->t->pid);
    f = fopen(name, "re");
    if (!f)
        return target_failed(w->t);
    while (ok && getline(&line, &cap, f) > 0)
        ok = add_area(w, line);
    free(line);
    fclose(f);
    return ok ? 0 : core_failed("core");
}

/* --- A process: its pages */

/* One stretch of pages that are there; a guard among them ends it. */
static int copy(struct core_out *w, uint64_t lo, uint64_t hi, uint64_t to)
{
    for (uint64_t at = lo; at < hi;) {
        size_t n = hi - at < CORE_BLOCK ? hi - at : CORE_BLOCK;

        while (n > CORE_PAGE && target_read(w->t, at, w->buffer, n))
            n = n / 2 & ~(CORE_PAGE - 1);
        if (n <= CORE_PAGE && target_read(w->t, at, w->buffer, n)) {
            at += CORE_PAGE; /* cannot be read: a hole */
            continue;
        }
        if (core_put(w, w->buffer, n, to + (at - lo)))
            return -1;
        at += n;
    }
    return 0;
}

static bool touched(uint64_t entry)
{
    return (entry & PRESENT) != 0;
}

static int copy_from_process(struct core_out *w, const struct core_area *a, uint64_t to)
{
    uint64_t entries[4096];
    uint64_t hi = a->lo + a->dumped;

    for (uint64_t at = a->lo; at < hi;) {
        size_t pages = (hi - at) / CORE_PAGE < 4096 ? (hi - at) / CORE_PAGE : 4096, i = 0;
        bool all = (a->file && !strstr(a->path, " (deleted)")) || strcmp(a->path, "[vdso]") == 0;
        ssize_t r = all ? -1 : pread(w->pagemap, entries, pages * 8, (off_t)(at / CORE_PAGE * 8));

        if (r <= 0) { /* no pagemap, or pages of a file: all of them may matter */
            if (copy(w, at, at + pages * CORE_PAGE, to + (at - a->lo)))
                return -1;
            at += pages * CORE_PAGE;
            continue;
        }
        pages = (size_t)r / 8;
        while (i < pages) {
            size_t k = i;

            while (k < pages && touched(entries[k]) == touched(entries[i]))
                k++;
            if (touched(entries[i]) && copy(w, at + i * CORE_PAGE, at + k * CORE_PAGE, to + (at + i * CORE_PAGE - a->lo)))
                return -1;
            i = k;
        }
        at += pages * CORE_PAGE;
    }
    return 0;
}

/* --- A core file */

static int areas_of_core(struct core_out *w)
{
    const struct corefile *c = w->t->core;

    w->areas = calloc(c->n_segments + 1, sizeof *w->areas);
    if (!w->areas)
        return core_failed("core");
    for (size_t i = 0; i < c->n_segments; i++) {
        const struct core_segment *s = &c->segments[i];

        w->areas[w->n++] = (struct core_area){ s->lo, s->hi, s->offset, s->size, s->flags, false, NULL };
    }
    return 0;
}

/* Its holes stay holes. */
static int copy_from_core(struct core_out *w, const struct core_area *a, uint64_t to)
{
    const struct corefile *c = w->t->core;
    uint64_t at = a->file_offset, end = at + a->dumped;

    while (at < end) {
        off_t data = lseek(c->fd, (off_t)at, SEEK_DATA), hole;

        if (data < 0 || (uint64_t)data >= end)
            return data < 0 && errno != ENXIO ? -1 : 0;
        hole = lseek(c->fd, data, SEEK_HOLE);
        if (hole < 0)
            return -1;
        for (at = (uint64_t)data; at < (uint64_t)hole && at < end;) {
            uint64_t stop = (uint64_t)hole < end ? (uint64_t)hole : end;
            ssize_t n = pread(c->fd, w->buffer, stop - at < CORE_BLOCK ? stop - at : CORE_BLOCK, (off_t)at);

            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0 || core_put(w, w->buffer, (size_t)n, to + (at - a->file_offset)))
                return -1;
            at += (uint64_t)n;
        }
    }
    return 0;
}

/* --- Either */

int core_areas(struct core_out *w)
{
    return w->t->core ? areas_of_core(w) : areas_of_process(w);
}

int core_copy(struct core_out *w, const struct core_area *a, uint64_t to)
{
    return (w->t->core ? copy_from_core : copy_from_process)(w, a, to);
}
