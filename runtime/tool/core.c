/* vthr core PID -o FILE: a core file of a live process in which each vthread is a thread of its own (NT_PRSTATUS), so that any debugger
 * shows all of them without knowing of vthreads.
 *
 * The process stands still while it is written.  Threads have the numbers that the process knows them by (gettid); an OS thread that
 * runs no vthread has its own, but for the process's first one, whose number is that of the main vthread: it gets the base of
 * vthreads' numbers, which none has.  Of memory, what a kernel would write by default: anonymous and changed pages, and the first page of
 * each file, by which debuggers find it.  Pages that were never touched are holes in the file. */
#include "runtime/tool/snapshot.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/view.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <unistd.h>

#define PAGE 4096ul
#define BLOCK (256 * PAGE)
#define PRESENT (3ull << 62) /* pagemap: in memory or in swap */
#define OF_FILE (1ull << 61) /* pagemap: as the file has it, or shared */

struct area {
    uint64_t lo, hi, file_offset;
    uint64_t dumped; /* bytes of it that the file has */
    unsigned flags;  /* PF_* */
    bool file;       /* NT_FILE names it */
    char *path;
};

struct notes {
    char *data;
    size_t size;
    FILE *to;
};

struct writing {
    struct target *t;
    int fd, pagemap;
    struct area *areas;
    size_t n;
    struct notes notes;
    char *buffer;
};

static int failed(const char *what)
{
    vthr_tool_say(stderr, "%s: %s", what, strerror(errno));
    return VTHR_EXIT_ERROR;
}

/* --- What is mapped */

/* Pages of its own where it is not writable any more: relocations, by which debuggers find the libraries. */
static bool has_own_pages(const struct writing *w, const struct area *a)
{
    uint64_t entries[512];

    for (uint64_t at = a->lo; at < a->hi;) {
        size_t pages = (a->hi - at) / PAGE < 512 ? (a->hi - at) / PAGE : 512;
        ssize_t r = pread(w->pagemap, entries, pages * 8, (off_t)(at / PAGE * 8));

        if (r <= 0)
            return true;
        for (size_t i = 0; i < (size_t)r / 8; i++)
            if ((entries[i] & PRESENT) && !(entries[i] & OF_FILE))
                return true;
        at += (uint64_t)r / 8 * PAGE;
    }
    return false;
}

static uint64_t how_much(const struct writing *w, const struct area *a, bool is_private, bool anonymous)
{
    const char *p = a->path;

    if (!(a->flags & PF_R) || strcmp(p, "[vvar]") == 0 || strcmp(p, "[vsyscall]") == 0 || strcmp(p, "[vvar_vclock]") == 0 ||
        (strncmp(p, "/dev/", 5) == 0 && strncmp(p, "/dev/zero", 9) != 0 && strncmp(p, "/dev/shm/", 9) != 0))
        return 0;
    if (anonymous || *p == '[' || strstr(p, " (deleted)") || (is_private && ((a->flags & PF_W) || has_own_pages(w, a))))
        return a->hi - a->lo;
    return a->file_offset == 0 && a->hi > a->lo ? PAGE : 0;
}

static bool add_area(struct writing *w, const char *line)
{
    unsigned long lo, hi, offset, inode;
    char perms[8];
    struct area *a;
    int at = 0;

    if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &lo, &hi, perms, &offset, &inode, &at) < 5 || !at)
        return true;
    if (w->n % 64 == 0) {
        struct area *more = realloc(w->areas, (w->n + 64) * sizeof *more);

        if (!more)
            return false;
        w->areas = more;
    }
    a = &w->areas[w->n++];
    *a = (struct area){ lo, hi, offset, 0, 0, inode != 0, strndup(line + at, strcspn(line + at, "\n")) };
    a->flags = (perms[0] == 'r' ? PF_R : 0u) | (perms[1] == 'w' ? PF_W : 0u) | (perms[2] == 'x' ? PF_X : 0u);
    if (!a->path)
        return false;
    a->dumped = how_much(w, a, perms[3] == 'p', inode == 0);
    return true;
}

static int read_areas(struct writing *w)
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
    return ok ? 0 : failed("core");
}

/* --- Notes */

static void note(struct notes *n, unsigned type, const void *data, size_t size)
{
    ElfW(Nhdr) h = { sizeof "CORE", (ElfW(Word))size, type };
    static const char zero[8];

    fwrite(&h, sizeof h, 1, n->to);
    fwrite("CORE\0\0\0", 8, 1, n->to);
    fwrite(data, size, 1, n->to);
    fwrite(zero, (4 - size % 4) % 4, 1, n->to);
}

static void note_process(struct writing *w)
{
    struct elf_prpsinfo info;
    char name[64];
    ssize_t n;
    int fd;

    memset(&info, 0, sizeof info);
    info.pr_sname = 'R';
    info.pr_pid = w->t->pid;
    snprintf(name, sizeof name, "/proc/%d/comm", (int)w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (n = read(fd, info.pr_fname, sizeof info.pr_fname - 1)) > 0)
        info.pr_fname[strcspn(info.pr_fname, "\n")] = 0;
    if (fd >= 0)
        close(fd);
    snprintf(name, sizeof name, "/proc/%d/cmdline", (int)w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, info.pr_psargs, sizeof info.pr_psargs - 1) : 0;
    for (ssize_t i = 0; i + 1 < n; i++)
        if (!info.pr_psargs[i])
            info.pr_psargs[i] = ' ';
    if (fd >= 0)
        close(fd);
    note(&w->notes, NT_PRPSINFO, &info, sizeof info);
}

static void note_auxv(struct writing *w)
{
    char name[64], data[8192];
    ssize_t n;
    int fd;

    snprintf(name, sizeof name, "/proc/%d/auxv", (int)w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, data, sizeof data) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0)
        note(&w->notes, NT_AUXV, data, (size_t)n);
}

static void note_files(struct writing *w)
{
    uint64_t count = 0, word;
    char *data = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&data, &size);

    if (!to)
        return;
    for (size_t i = 0; i < w->n; i++)
        count += w->areas[i].file;
    fwrite(&count, 8, 1, to);
    word = PAGE;
    fwrite(&word, 8, 1, to);
    for (size_t i = 0; i < w->n; i++)
        if (w->areas[i].file) {
            const uint64_t row[3] = { w->areas[i].lo, w->areas[i].hi, w->areas[i].file_offset / PAGE };

            fwrite(row, sizeof row, 1, to);
        }
    for (size_t i = 0; i < w->n; i++)
        if (w->areas[i].file)
            fwrite(w->areas[i].path, strlen(w->areas[i].path) + 1, 1, to);
    fclose(to);
    note(&w->notes, NT_FILE, data, size);
    free(data);
}

static void note_thread(struct writing *w, uint32_t tid, const struct user_regs_struct *regs, const struct user_fpregs_struct *fp)
{
    struct elf_prstatus s;

    memset(&s, 0, sizeof s);
    s.pr_pid = (pid_t)tid;
    s.pr_ppid = w->t->pid;
    s.pr_fpvalid = fp != NULL;
    memcpy(&s.pr_reg, regs, sizeof s.pr_reg);
    note(&w->notes, NT_PRSTATUS, &s, sizeof s);
    if (fp)
        note(&w->notes, NT_FPREGSET, fp, sizeof *fp);
}

/* Of an OS thread that is stopped. */
static void note_running(struct writing *w, uint32_t tid, pid_t lwp)
{
    struct user_fpregs_struct fp;
    struct user_regs_struct regs;
    struct iovec v = { &regs, sizeof regs }, f = { &fp, sizeof fp };

    if (ptrace(PTRACE_GETREGSET, lwp, NT_PRSTATUS, &v) == 0)
        note_thread(w, tid, &regs, ptrace(PTRACE_GETREGSET, lwp, NT_PRFPREG, &f) == 0 ? &fp : NULL);
}

static void note_saved(struct writing *w, uint32_t tid, uint64_t sp, uint64_t tp)
{
    struct user_regs_struct regs;
    uint64_t all[ARCH_DWARF_REGS] = { 0 };

    memset(&regs, 0, sizeof regs);
    snapshot_saved_regs(w->t, sp, all);
#define PUT(member, number) regs.member = all[number];
    ARCH_USER_REGS(PUT)
#undef PUT
    ARCH_USER_REGS_FIXED(regs, tp);
    note_thread(w, tid, &regs, NULL);
}

/* Of an OS thread that runs a vthread, which has its registers: its own context waits in the scheduler.  Debuggers that ask libthread_db
 * know of the thread, and look for it. */
static void note_below(struct writing *w, const struct vt *v, uint32_t tid)
{
    const struct vthr_debug *d = &w->t->d;
    uint64_t sp = target_word(w->t, v->carrier + d->carrier.ctx_sp.offset), tp = target_word(w->t, v->carrier + d->carrier.ctx_tp.offset);

    if (sp)
        note_saved(w, tid, sp, tp);
}

static const struct vt *runs_one(const struct snapshot *s, uint32_t lwp)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].carrier_tid == lwp)
            return &s->all[i];
    return NULL;
}

/* The main vthread first: debuggers begin with the first thread of a core file. */
static int make_notes(struct writing *w, const struct stopped *stopped, const struct snapshot *s)
{
    w->notes.to = open_memstream(&w->notes.data, &w->notes.size);
    if (!w->notes.to)
        return failed("core");
    for (size_t i = 0; i < s->n; i++) {
        const struct vt *v = &s->all[i];
        const struct stopped_thread *th = v->carrier_tid ? stop_find(stopped, v->carrier_tid) : NULL;

        if (th)
            note_running(w, v->tid, th->tid);
        else
            note_saved(w, v->tid, v->ctx_sp, v->ctx_tp);
        if (i == 0) {
            note_process(w);
            note_auxv(w);
            note_files(w);
        }
    }
    for (size_t i = 0; i < stopped->n; i++) {
        uint32_t lwp = stopped->threads[i].inner, tid = s->n && lwp == s->all[0].tid ? w->t->d.tid_base : lwp;
        const struct vt *v = runs_one(s, lwp);

        if (v)
            note_below(w, v, tid);
        else
            note_running(w, tid, stopped->threads[i].tid);
    }
    if (!s->n) {
        note_process(w);
        note_auxv(w);
        note_files(w);
    }
    return fclose(w->notes.to) == 0 ? 0 : failed("core");
}

/* --- The file */

static int put(struct writing *w, const void *data, size_t n, uint64_t at)
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

/* One stretch of pages that are there; a guard among them ends it. */
static int copy(struct writing *w, uint64_t lo, uint64_t hi, uint64_t to)
{
    for (uint64_t at = lo; at < hi;) {
        size_t n = hi - at < BLOCK ? hi - at : BLOCK;

        while (n > PAGE && target_read(w->t, at, w->buffer, n))
            n = n / 2 & ~(PAGE - 1);
        if (n <= PAGE && target_read(w->t, at, w->buffer, n)) {
            at += PAGE; /* cannot be read: a hole */
            continue;
        }
        if (put(w, w->buffer, n, to + (at - lo)))
            return -1;
        at += n;
    }
    return 0;
}

static bool touched(uint64_t entry)
{
    return (entry & PRESENT) != 0;
}

static int copy_area(struct writing *w, const struct area *a, uint64_t to)
{
    uint64_t entries[4096];
    uint64_t hi = a->lo + a->dumped;

    for (uint64_t at = a->lo; at < hi;) {
        size_t pages = (hi - at) / PAGE < 4096 ? (hi - at) / PAGE : 4096, i = 0;
        bool all = (a->file && !strstr(a->path, " (deleted)")) || strcmp(a->path, "[vdso]") == 0;
        ssize_t r = all ? -1 : pread(w->pagemap, entries, pages * 8, (off_t)(at / PAGE * 8));

        if (r <= 0) { /* no pagemap, or pages of a file: all of them may matter */
            if (copy(w, at, at + pages * PAGE, to + (at - a->lo)))
                return -1;
            at += pages * PAGE;
            continue;
        }
        pages = (size_t)r / 8;
        while (i < pages) {
            size_t k = i;

            while (k < pages && touched(entries[k]) == touched(entries[i]))
                k++;
            if (touched(entries[i]) && copy(w, at + i * PAGE, at + k * PAGE, to + (at + i * PAGE - a->lo)))
                return -1;
            i = k;
        }
        at += pages * PAGE;
    }
    return 0;
}

static int write_file(struct writing *w)
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
        return failed("core");
    if (many) { /* the number of program headers is in the first section header */
        e.e_shoff = at - sizeof section;
        e.e_shentsize = sizeof section;
        e.e_shnum = 1;
    }
    ph[0] = (ElfW(Phdr)){ .p_type = PT_NOTE, .p_offset = at, .p_filesz = w->notes.size, .p_align = 4 };
    size = (at + w->notes.size + PAGE - 1) & ~(PAGE - 1);
    for (size_t i = 0; i < w->n; i++) {
        const struct area *a = &w->areas[i];

        ph[i + 1] = (ElfW(Phdr)){ .p_type = PT_LOAD, .p_flags = a->flags, .p_offset = size, .p_vaddr = a->lo, .p_filesz = a->dumped,
                                  .p_memsz = a->hi - a->lo, .p_align = PAGE };
        size += a->dumped;
    }
    if (put(w, &e, sizeof e, 0) || put(w, ph, phnum * sizeof *ph, table) || put(w, &section, sizeof section, at - sizeof section) ||
        put(w, w->notes.data, w->notes.size, at) || ftruncate(w->fd, (off_t)size))
        r = -1;
    for (size_t i = 0; i < w->n && !r; i++)
        r = copy_area(w, &w->areas[i], ph[i + 1].p_offset);
    free(ph);
    return r ? failed("core: writing") : 0;
}

int core_write(struct target *t, const struct stopped *stopped, const struct snapshot *s, const char *path)
{
    struct writing w = { .t = t, .fd = -1, .pagemap = -1 };
    char name[64];
    int r;

    snprintf(name, sizeof name, "/proc/%d/pagemap", (int)t->pid);
    w.pagemap = open(name, O_RDONLY | O_CLOEXEC);
    w.buffer = malloc(BLOCK);
    r = w.buffer ? read_areas(&w) : failed("core");
    if (!r)
        r = make_notes(&w, stopped, s);
    if (!r) {
        w.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        r = w.fd < 0 ? failed(path) : write_file(&w);
        if (w.fd >= 0 && close(w.fd) && !r)
            r = failed(path);
        if (r && w.fd >= 0)
            unlink(path);
    }
    if (w.pagemap >= 0)
        close(w.pagemap);
    for (size_t i = 0; i < w.n; i++)
        free(w.areas[i].path);
    free(w.areas);
    free(w.notes.data);
    free(w.buffer);
    return r;
}
