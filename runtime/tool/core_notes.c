/* The notes in a core file that is written: the process, and each vthread and OS thread with its registers.
 *
 * What a core file says of the process is passed on as it is, and so is all that it has of an OS thread, under another number. */
#include "runtime/tool/core.h"
#include "runtime/tool/corefile.h"
#include "runtime/tool/tool.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <unistd.h>

struct notes {
    struct core_out *w;
    const struct stopped *stopped;
    FILE *to;
    bool begun; /* a thread is there, and the process's notes behind it */
};

static void note(struct notes *n, unsigned type, const void *data, size_t size)
{
    ElfW(Nhdr) h = { sizeof "CORE", (ElfW(Word))size, type };
    static const char zero[8];

    fwrite(&h, sizeof h, 1, n->to);
    fwrite("CORE\0\0\0", 8, 1, n->to);
    fwrite(data, size, 1, n->to);
    fwrite(zero, (4 - size % 4) % 4, 1, n->to);
}

/* --- The process */

static void note_process(struct notes *n)
{
    struct elf_prpsinfo info;
    char name[64];
    ssize_t got;
    int fd;

    memset(&info, 0, sizeof info);
    info.pr_sname = 'R';
    info.pr_pid = n->w->t->pid;
    snprintf(name, sizeof name, "/proc/%d/comm", (int)n->w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (got = read(fd, info.pr_fname, sizeof info.pr_fname - 1)) > 0)
        info.pr_fname[strcspn(info.pr_fname, "\n")] = 0;
    if (fd >= 0)
        close(fd);
    snprintf(name, sizeof name, "/proc/%d/cmdline", (int)n->w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, info.pr_psargs, sizeof info.pr_psargs - 1) : 0;
    for (ssize_t i = 0; i + 1 < got; i++)
        if (!info.pr_psargs[i])
            info.pr_psargs[i] = ' ';
    if (fd >= 0)
        close(fd);
    note(n, NT_PRPSINFO, &info, sizeof info);
}

static void note_auxv(struct notes *n)
{
    char name[64], data[8192];
    ssize_t got;
    int fd;

    snprintf(name, sizeof name, "/proc/%d/auxv", (int)n->w->t->pid);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, data, sizeof data) : 0;
    if (fd >= 0)
        close(fd);
    if (got > 0)
        note(n, NT_AUXV, data, (size_t)got);
}

static void note_files(struct notes *n)
{
    const struct core_out *w = n->w;
    uint64_t count = 0, word;
    char *data = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&data, &size);

    if (!to)
        return;
    for (size_t i = 0; i < w->n; i++)
        count += w->areas[i].file;
    fwrite(&count, 8, 1, to);
    word = CORE_PAGE;
    fwrite(&word, 8, 1, to);
    for (size_t i = 0; i < w->n; i++)
        if (w->areas[i].file) {
            const uint64_t row[3] = { w->areas[i].lo, w->areas[i].hi, w->areas[i].file_offset / CORE_PAGE };

            fwrite(row, sizeof row, 1, to);
        }
    for (size_t i = 0; i < w->n; i++)
        if (w->areas[i].file)
            fwrite(w->areas[i].path, strlen(w->areas[i].path) + 1, 1, to);
    fclose(to);
    note(n, NT_FILE, data, size);
    free(data);
}

/* Behind the first thread, as a kernel does it. */
static void begin(struct notes *n)
{
    const struct corefile *c = n->w->t->core;

    if (n->begun)
        return;
    n->begun = true;
    for (size_t i = 0; c && i < c->n_notes; i++)
        if (corefile_is_common(c->notes[i].type))
            fwrite(c->notes[i].whole, c->notes[i].whole_size, 1, n->to);
    if (!c) {
        note_process(n);
        note_auxv(n);
        note_files(n);
    }
}

/* --- Threads */

static void note_thread(struct notes *n, uint32_t tid, const struct user_regs_struct *regs, const struct user_fpregs_struct *fp)
{
    struct elf_prstatus s;

    memset(&s, 0, sizeof s);
    s.pr_pid = (pid_t)tid;
    s.pr_ppid = n->w->t->pid;
    s.pr_fpvalid = fp != NULL;
    memcpy(&s.pr_reg, regs, sizeof s.pr_reg);
    note(n, NT_PRSTATUS, &s, sizeof s);
    begin(n);
    if (fp)
        note(n, NT_FPREGSET, fp, sizeof *fp);
}

static void note_from_core(struct notes *n, uint32_t tid, const struct core_thread *th)
{
    const struct corefile *c = n->w->t->core;
    struct elf_prstatus s;

    memcpy(&s, c->notes[th->first].desc, sizeof s);
    s.pr_pid = (pid_t)tid;
    note(n, NT_PRSTATUS, &s, sizeof s);
    begin(n);
    for (size_t i = th->first + 1; i < th->end; i++)
        if (!corefile_is_common(c->notes[i].type))
            fwrite(c->notes[i].whole, c->notes[i].whole_size, 1, n->to);
}

/* An OS thread's own registers. */
static void note_running(struct notes *n, uint32_t tid, const struct stopped_thread *th)
{
    struct user_fpregs_struct fp;
    struct user_regs_struct regs;
    struct iovec v = { &regs, sizeof regs }, f = { &fp, sizeof fp };

    if (n->w->t->core)
        note_from_core(n, tid, &n->w->t->core->threads[th - n->stopped->threads]);
    else if (ptrace(PTRACE_GETREGSET, th->tid, NT_PRSTATUS, &v) == 0)
        note_thread(n, tid, &regs, ptrace(PTRACE_GETREGSET, th->tid, NT_PRFPREG, &f) == 0 ? &fp : NULL);
}

static void note_saved(struct notes *n, uint32_t tid, uint64_t sp, uint64_t tp)
{
    struct user_regs_struct regs;
    uint64_t all[ARCH_DWARF_REGS] = { 0 };

    memset(&regs, 0, sizeof regs);
    snapshot_saved_regs(n->w->t, sp, all);
#define PUT(member, number) regs.member = all[number];
    ARCH_USER_REGS(PUT)
#undef PUT
    ARCH_USER_REGS_FIXED(regs, tp);
    note_thread(n, tid, &regs, NULL);
}

/* Of an OS thread that runs a vthread, which has its registers: its own context waits in the scheduler.  Debuggers that ask libthread_db
 * know of the thread, and look for it. */
static void note_below(struct notes *n, const struct vt *v, uint32_t tid)
{
    struct target *t = n->w->t;
    uint64_t sp = target_word(t, v->carrier + t->d.carrier.ctx_sp.offset), tp = target_word(t, v->carrier + t->d.carrier.ctx_tp.offset);

    if (sp)
        note_saved(n, tid, sp, tp);
}

static void note_vthread(struct notes *n, const struct vt *v)
{
    const struct stopped_thread *th = v->carrier_tid ? stop_find(n->stopped, v->carrier_tid) : NULL;

    if (th)
        note_running(n, v->tid, th);
    else
        note_saved(n, v->tid, v->ctx_sp, v->ctx_tp);
}

static const struct vt *runs_one(const struct snapshot *s, uint32_t lwp)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].carrier_tid == lwp)
            return &s->all[i];
    return NULL;
}

static void note_lwp(struct notes *n, const struct snapshot *s, const struct stopped_thread *th)
{
    uint32_t tid = s->n && th->inner == s->all[0].tid ? n->w->t->d.tid_base : th->inner;
    const struct vt *v = runs_one(s, th->inner);

    if (v)
        note_below(n, v, tid);
    else
        note_running(n, tid, th);
}

/* Debuggers begin with the first thread of a core file: who ran on the OS thread that got the signal, or that thread; of a live process
 * the main vthread. */
static void note_all(struct notes *n, const struct snapshot *s)
{
    const struct stopped_thread *got_signal = n->w->t->core && n->stopped->n ? &n->stopped->threads[0] : NULL;
    const struct vt *first = got_signal ? runs_one(s, got_signal->inner) : NULL;

    if (first)
        note_vthread(n, first);
    else if (got_signal)
        note_lwp(n, s, got_signal);
    for (size_t i = 0; i < s->n; i++)
        if (&s->all[i] != first)
            note_vthread(n, &s->all[i]);
    for (size_t i = 0; i < n->stopped->n; i++)
        if (first || &n->stopped->threads[i] != got_signal)
            note_lwp(n, s, &n->stopped->threads[i]);
}

int core_notes(struct core_out *w, const struct stopped *stopped, const struct snapshot *s)
{
    struct notes n = { .w = w, .stopped = stopped, .to = open_memstream(&w->notes, &w->notes_size) };

    if (!n.to)
        return core_failed("core");
    note_all(&n, s);
    return fclose(n.to) == 0 ? 0 : core_failed("core");
}
