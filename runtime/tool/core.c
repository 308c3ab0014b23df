/* vthr core PID|COREFILE -o FILE: a core file in which each vthread is a thread of its own (NT_PRSTATUS), so that any debugger
 * shows all of them without knowing of vthreads: of a live process, or made from a core file.
 *
 * A process stands still while it is written.  Threads have the numbers that the process knows them by (gettid); an OS thread that
 * runs no vthread has its own, but for the process's first one, whose number is that of the main vthread: it gets the base of
 * vthreads' numbers, which none has.  Of memory, what a kernel would write by default, or what the other core file has.  Pages that
 * were never touched are holes in the file. */
#include "runtime/tool/core.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/view.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int core_failed(const char *what)
{
    vthr_tool_say(stderr, "%s: %s", what, strerror(errno));
    return VTHR_EXIT_ERROR;
}

int core_put(struct core_out *w, const void *data, size_t n, uint64_t at)
{
    while (n) {
        ssize_t r = pwrite(w->fd, data, n, (off_t)at);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        data = (const char *)data + r;
        n -= (size_t)r;
        at += (uint64_t)r;
    }
    return 0;
}

static int write_file(struct core_out *w)
{
    size_t phnum = w->n + 1;
    bool many = phnum >= PN_XNUM;
    uint64_t table = sizeof(ElfW(Ehdr)), at = table + phnum * sizeof(ElfW(Phdr)) + sizeof(ElfW(Shdr)), size;
    ElfW(Phdr) *ph = calloc(phnum, sizeof *ph);
    ElfW(Shdr) section = { .sh_info = (ElfW(Word))phnum };
    ElfW(Ehdr) e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                     .e_type = ET_CORE, .e_machine = ARCH_ELF_MACHINE, .e_version = EV_CURRENT, .e_phoff = table,
                     .e_ehsize = sizeof e, .e_phentsize = sizeof *ph, .e_phnum = many ? PN_XNUM : (ElfW(Half))phnum };
    int r = 0;

    if (!ph)
        return core_failed("core");
    if (many) { /* the number of program headers is in the first section header */
        e.e_shoff = at - sizeof section;
        e.e_shentsize = sizeof section;
        e.e_shnum = 1;
    }
    ph[0] = (ElfW(Phdr)){ .p_type = PT_NOTE, .p_offset = at, .p_filesz = w->notes_size, .p_align = 4 };
    size = (at + w->notes_size + CORE_PAGE - 1) & ~(CORE_PAGE - 1);
    for (size_t i = 0; i < w->n; i++) {
        const struct core_area *a = &w->areas[i];

        ph[i + 1] = (ElfW(Phdr)){ .p_type = PT_LOAD, .p_flags = a->flags, .p_offset = size, .p_vaddr = a->lo, .p_filesz = a->dumped,
                                  .p_memsz = a->hi - a->lo, .p_align = CORE_PAGE };
        size += (a->dumped + CORE_PAGE - 1) & ~(CORE_PAGE - 1);
    }
    if (core_put(w, &e, sizeof e, 0) || core_put(w, ph, phnum * sizeof *ph, table) ||
        core_put(w, &section, sizeof section, at - sizeof section) || core_put(w, w->notes, w->notes_size, at) || ftruncate(w->fd, (off_t)size))
        r = -1;
    for (size_t i = 0; i < w->n && !r; i++)
        r = core_copy(w, &w->areas[i], ph[i + 1].p_offset);
    free(ph);
    return r ? core_failed("core: writing") : 0;
}

int core_write(struct target *t, const struct stopped *stopped, const struct snapshot *s, const char *path)
{
    struct core_out w = { .t = t, .fd = -1, .pagemap = -1 };
    char name[64];
    int r;

    if (!t->core) {
        snprintf(name, sizeof name, "/proc/%d/pagemap", (int)t->pid);
        w.pagemap = open(name, O_RDONLY | O_CLOEXEC);
    }
    w.buffer = malloc(CORE_BLOCK);
    r = w.buffer ? core_areas(&w) : core_failed("core");
    if (!r)
        r = core_notes(&w, stopped, s);
    if (!r) {
        w.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        r = w.fd < 0 ? core_failed(path) : write_file(&w);
        if (w.fd >= 0 && close(w.fd) && !r)
            r = core_failed(path);
        if (r && w.fd >= 0)
            unlink(path);
    }
    if (w.pagemap >= 0)
        close(w.pagemap);
    for (size_t i = 0; i < w.n; i++)
        free(w.areas[i].path);
    free(w.areas);
    free(w.notes);
    free(w.buffer);
    return r;
}
