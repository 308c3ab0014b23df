/* A stack overflow is reported before the process dies of it: who, started where, the stack.
 *
 * Called by the handler of SIGSEGV, on the carrier's signal stack, when no handler of the program's takes the fault.  The
 * thread was in the middle of anything, malloc or ld.so: nothing here locks or allocates but mappings of its own. */
#include "runtime/diag/overflow.h"
#include "runtime/arch/context.h"
#include "runtime/base/sys.h"
#include "runtime/diag/stack.h"
#include "runtime/diag/unwind.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal.h"
#include <fcntl.h>
#include <string.h>

#define MAX_FRAMES (1ul << 20)
#define REACH 65536ul /* how far from the stack pointer a push, a call or a function's locals touch the stack */
#define MAIN_GAP (1ul << 20) /* the kernel's stack_guard_gap */

static int reporter; /* kernel thread id of who reports; 0: nobody yet */

struct bounds {
    uintptr_t lo, hi;
};

/* The line of the main thread's stack in /proc/self/maps, read in pieces of whole lines. */
static bool main_bounds(struct bounds *b)
{
    char text[4096];
    long fd = SYS4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), got;
    size_t n = 0;
    bool found = false;

    if (fd < 0)
        return false;
    while (!found && (got = SYS3(SYS_read, fd, text + n, sizeof text - 1 - n)) > 0) {
        char *line = text, *end;

        n += (size_t)got;
        text[n] = 0;
        for (; (end = strchr(line, '\n')); line = end + 1) {
            const char *p = line;

            *end = 0;
            if (!strstr(line, "[stack]"))
                continue;
            b->lo = text_parse_hex(p, &p);
            b->hi = text_parse_hex(p + 1, NULL);
            found = true;
            break;
        }
        n -= (size_t)(line - text);
        memmove(text, line, n);
    }
    SYS1(SYS_close, fd);
    return found;
}

/* The alternate signal stack, when the thread is on it. */
static bool alternate(const struct vthread *v, uintptr_t sp, struct bounds *b)
{
    uintptr_t lo = (uintptr_t)v->altstack.ss_sp, size = v->altstack.ss_size;

    *b = (struct bounds){ lo, lo + size };
    return size && sp >= lo - REACH && sp < lo + size;
}

/* Whether the access was one to v's stack, below its end or to a guard that the program made within it. */
static bool overflowed(struct vthread *v, uintptr_t addr, uintptr_t sp, struct bounds *b)
{
    uintptr_t below = v->user_stack ? REACH : v->guard_size;

    if (alternate(v, sp, b)) {
        below = REACH;
    } else if (v->stack_size) {
        *b = (struct bounds){ (uintptr_t)v->stack_lo, (uintptr_t)v->stack_lo + v->stack_size };
    } else {
        below = MAIN_GAP;
        if (v != &vthr_main || !main_bounds(b))
            return false;
    }
    return addr >= b->lo - below && addr < b->hi && addr + REACH >= sp && addr < sp + REACH;
}

static void print_who(struct text *t, struct symbols *s, const struct vthread *v)
{
    text_put(t, "vthr: stack overflow in vthread ", NULL);
    text_number(t, vthread_index(v));
    text_put(t, " (tid ", NULL);
    text_number(t, v->tid);
    text_put(t, ", \"", NULL);
    text_name(t, v->name, sizeof v->name);
    text_put(t, "\"), ", NULL);
    if (v == &vthr_main) {
        text_put(t, "the main thread\n", NULL);
    } else {
        text_put(t, "started at ", NULL);
        stack_print_place(t, s, (uintptr_t)v->start);
        text_put(t, "\n", NULL);
    }
}

static void print_where(struct text *t, const struct bounds *b, uintptr_t sp, uintptr_t addr)
{
    text_put(t, "    stack ", NULL);
    text_hex(t, b->lo);
    text_put(t, " to ", NULL);
    text_hex(t, b->hi);
    text_put(t, " (", NULL);
    text_number(t, (b->hi - b->lo) >> 10);
    text_put(t, " KiB), stack pointer ", NULL);
    text_hex(t, sp);
    text_put(t, ", access to ", NULL);
    text_hex(t, addr);
    text_put(t, "\n", NULL);
}

static void print_stack(struct text *t, struct symbols *s, struct unwind_tables *tables, const void *uc)
{
    uintptr_t *pc = memory_get(MAX_FRAMES * sizeof *pc);
    struct unwind u;
    size_t n;
    bool all;

    if (!pc)
        return;
    unwind_from_context(&u, tables, uc);
    n = unwind_all(&u, pc, MAX_FRAMES, &all);
    stack_print(t, s, pc, stack_trim(pc, n), all);
}

/* What it mapped stays: the process ends. */
static void report(struct vthread *v, const struct bounds *b, uintptr_t addr, const void *uc)
{
    struct unwind_tables *tables = unwind_begin();
    struct symbols *s = tables ? symbols_begin(&tables->memory) : NULL;
    struct text t;

    text_begin(&t, 2);
    print_who(&t, s, v);
    print_where(&t, b, arch_frame_sp(uc), addr);
    if (tables)
        print_stack(&t, s, tables, uc);
    text_end(&t);
}

static void on_death(struct vthread *v, const siginfo_t *info, const void *uc)
{
    uintptr_t addr = (uintptr_t)info->si_addr;
    struct bounds b;
    int none = 0;

    if (!v || !overflowed(v, addr, arch_frame_sp(uc), &b))
        return;
    if (cas_acq_rel(&reporter, &none, sys_gettid())) {
        report(v, &b, addr, uc);
        return;
    }
    if (none == sys_gettid()) /* the report itself faulted */
        return;
    for (;;) /* another one's death ends this thread too */
        SYS0(SYS_pause);
}

void overflow_install(void)
{
    cfi_init();
    reporter = 0;
    signal_on_death = on_death;
}
