/* See stop.h.  Threads are seized and interrupted until a look at the list finds no new one: one that is not stopped yet may make
 * others.  Signals that a thread reports while it is being stopped are given back to it when it is let go. */
#include "runtime/tool/stop.h"
#include "runtime/tool/corefile.h"
#include "runtime/tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool known(const struct stopped *s, pid_t tid)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->threads[i].tid == tid)
            return true;
    return false;
}

/* The last number of the NSpid line: what gettid() says in its own namespace. */
static uint32_t inner_tid(pid_t pid, pid_t tid)
{
    char name[64], line[256];
    uint32_t inner = (uint32_t)tid;
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/task/%d/status", (int)pid, (int)tid);
    f = fopen(name, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "NSpid:", 6) == 0) {
            const char *last = strrchr(line, '\t');

            if (last)
                inner = (uint32_t)strtoul(last, NULL, 10);
        }
    if (f)
        fclose(f);
    return inner;
}

static bool grow(struct stopped *s)
{
    if (s->n % 64 == 0) {
        struct stopped_thread *more = realloc(s->threads, (s->n + 64) * sizeof *more);

        if (!more)
            return false;
        s->threads = more;
    }
    memset(&s->threads[s->n], 0, sizeof *s->threads);
    return true;
}

static void take_regs(struct stopped_thread *th)
{
    struct user_regs_struct r;
    struct iovec v = { &r, sizeof r };

    if (ptrace(PTRACE_GETREGSET, th->tid, 1 /* NT_PRSTATUS */, &v) != 0)
        return;
#define TAKE(member, number) th->regs[number] = r.member;
    ARCH_USER_REGS(TAKE)
#undef TAKE
    th->has_regs = true;
}

/* Waits for the stop that PTRACE_INTERRUPT asked for.  False: the thread has ended. */
static bool wait_stop(pid_t tid)
{
    for (;;) {
        int status;

        if (waitpid(tid, &status, __WALL) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (!WIFSTOPPED(status))
            return false;
        if (status >> 16 == PTRACE_EVENT_STOP)
            return true;
        /* A signal came first: it is delivered, and the interrupt comes then. */
        ptrace(PTRACE_CONT, tid, 0, WSTOPSIG(status));
    }
}

/* 1: stopped; 0: it has ended; -errno. */
static int stop_one(struct target *t, struct stopped *s, pid_t tid)
{
    if (!grow(s))
        return -ENOMEM;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0)
        return errno == ESRCH ? 0 : -errno;
    if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 || !wait_stop(tid))
        return 0;
    s->threads[s->n].tid = tid;
    s->threads[s->n].inner = inner_tid(t->pid, tid);
    take_regs(&s->threads[s->n++]);
    return 1;
}

/* One look at the list of threads; how many were stopped, or -errno. */
static int stop_new(struct target *t, struct stopped *s)
{
    char name[64];
    struct dirent *e;
    int found = 0, r = 0;
    DIR *dir;

    snprintf(name, sizeof name, "/proc/%d/task", (int)t->pid);
    dir = opendir(name);
    if (!dir)
        return -errno;
    while (r >= 0 && (e = readdir(dir))) {
        pid_t tid = (pid_t)atoi(e->d_name);

        if (tid <= 0 || known(s, tid))
            continue;
        r = stop_one(t, s, tid);
        found += r > 0;
    }
    closedir(dir);
    return r < 0 ? r : found;
}

/* In the order of the file. */
static int in_core(const struct corefile *c, struct stopped *s)
{
    for (size_t i = 0; i < c->n_threads; i++) {
        if (!grow(s)) {
            vthr_tool_say(stderr, "out of memory");
            return VTHR_EXIT_ERROR;
        }
        s->threads[s->n].tid = (pid_t)c->threads[i].tid;
        s->threads[s->n].inner = c->threads[i].tid;
        s->threads[s->n].has_regs = true;
        corefile_regs(c, &c->threads[i], s->threads[s->n++].regs);
    }
    return 0;
}

int stop_all(struct target *t, struct stopped *s)
{
    int r;

    memset(s, 0, sizeof *s);
    if (t->core)
        return in_core(t->core, s);
    s->live = true;
    do
        r = stop_new(t, s);
    while (r > 0);
    if (r == 0 && s->n)
        return 0;
    stop_end(s);
    if (r == -EPERM) {
        vthr_tool_say(stderr, "%s: it cannot be stopped: permission refused, or another debugger has it", t->label);
        return VTHR_EXIT_PERMISSION;
    }
    if (r == -ENOMEM) {
        vthr_tool_say(stderr, "out of memory");
        return VTHR_EXIT_ERROR;
    }
    return target_failed(t);
}

void stop_end(struct stopped *s)
{
    for (size_t i = 0; s->live && i < s->n; i++)
        ptrace(PTRACE_DETACH, s->threads[i].tid, 0, 0);
    free(s->threads);
    memset(s, 0, sizeof *s);
}

const struct stopped_thread *stop_find(const struct stopped *s, uint32_t inner)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->threads[i].inner == inner)
            return &s->threads[i];
    return NULL;
}
