/* See sample.h.
 *
 * Parked or ready: from the registers that the switch saved; whoever reads checks afterwards that it did not run meanwhile.
 * Mounted, and its OS thread asleep in the kernel: /proc tells program counter and stack pointer.  The frame pointer of an announced
 * call is known (vthread.call_fp); else the walk goes by what it finds (unwind.h), since a signal might end a call of the
 * program's that nothing should end.
 * Mounted and running: its OS thread is interrupted by SIG_NUDGE and walks its own stack in the handler.
 *
 * A sample: state 0 asked for, 1 being taken, 2 taken, 3 given up (the OS thread did not answer: it cannot be interrupted now). */
#include "runtime/diag/sample.h"
#include "runtime/arch/context.h"
#include "runtime/base/ksig.h"
#include "runtime/base/panic.h"
#include "runtime/diag/text.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal.h"
#include <fcntl.h>
#include <string.h>

#define PATIENCE 1000000000ull /* ns: a thread that is ready waits for a CPU; one that cannot answer is seldom */

enum { ASKED, TAKING, TAKEN, GIVEN_UP };

struct sample {
    uint32_t state; /* futex */
    int tid;
    uintptr_t sp;
    struct unwind_tables *tables;
    uintptr_t *pc;
    size_t max, n;
    bool all;
};

static struct sample current = { .state = GIVEN_UP }; /* static: a handler that comes late looks at it too */

static void on_nudge(const void *uc)
{
    struct sample *s = &current;
    uint32_t asked = ASKED;
    struct unwind u;

    if (load_acquire(&s->tid) != sys_gettid() || !cas_acq_rel(&s->state, &asked, (uint32_t)TAKING))
        return;
    s->sp = arch_frame_sp(uc);
    unwind_from_context(&u, s->tables, uc);
    s->n = unwind_all(&u, s->pc, s->max, &s->all);
    store_release(&s->state, (uint32_t)TAKEN);
    sys_futex_wake(&s->state, 1);
}

static bool take(int tid, struct unwind_tables *t, uintptr_t *pc, size_t max)
{
    struct sample *s = &current;
    uint64_t until = now_ns() + PATIENCE;
    uint32_t state;

    s->tables = t;
    s->pc = pc;
    s->max = max;
    store_release(&s->tid, tid);
    store_release(&s->state, (uint32_t)ASKED);
    store_release(&signal_on_nudge, on_nudge);
    SYS3(SYS_tgkill, SYS0(SYS_getpid), s->tid, SIG_NUDGE);
    while ((state = load_acquire(&s->state)) != TAKEN) {
        uint32_t asked = ASKED;

        if (state == ASKED && now_ns() >= until && cas_acq_rel(&s->state, &asked, (uint32_t)GIVEN_UP))
            break;
        sys_futex_wait(&s->state, state, state == ASKED ? until : NO_DEADLINE);
    }
    store_release(&signal_on_nudge, NULL);
    return state == TAKEN;
}

/* The two last words of /proc/self/task/TID/syscall, which are stack pointer and program counter.  False: it runs, or is not there. */
static bool read_call(int tid, uintptr_t *sp, uintptr_t *pc)
{
    char path[64] = "/proc/self/task/", num[24], buf[256];
    char *last, *before;
    long fd, n;

    strcat(strcat(path, vthr_utoa((uint64_t)tid, num)), "/syscall");
    fd = SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    n = SYS3(SYS_read, fd, buf, sizeof buf - 1);
    SYS1(SYS_close, fd);
    buf[n > 0 ? n : 0] = 0;
    last = strrchr(buf, ' ');
    if (!last)
        return false;
    *last = 0;
    before = strrchr(buf, ' ');
    if (!before)
        return false;
    *sp = text_parse_hex(before + 1, NULL);
    *pc = text_parse_hex(last + 1, NULL);
    return *sp && *pc;
}

static bool on_its_stack(const struct vthread *v, uintptr_t sp)
{
    return !v->stack_size || sp - (uintptr_t)v->stack_lo < v->stack_size ||
           (v->altstack.ss_size && sp - (uintptr_t)v->altstack.ss_sp < v->altstack.ss_size);
}

static bool sample_mounted(struct census_row *r, struct unwind_tables *t, uintptr_t *pc, size_t max, size_t *n, bool *all)
{
    int tid = r->carrier->tid;
    uintptr_t sp, at;

    if (read_call(tid, &sp, &at)) {
        struct unwind u;

        unwind_from_call(&u, t, sp, at, r->v->blocked_in ? r->v->call_fp : 0);
        if (r->state == CENSUS_RUNNING)
            r->state = CENSUS_BLOCKED;
        if (on_its_stack(r->v, sp))
            *n = unwind_all(&u, pc, max, all);
        return *n && census_holds(r);
    }
    if (!take(tid, t, pc, max))
        return true;
    if (!on_its_stack(r->v, current.sp))
        return false;
    *n = current.n;
    *all = current.all;
    return census_holds(r);
}

bool sample_stack(struct census_row *r, struct unwind_tables *t, uintptr_t *pc, size_t max, size_t *n, bool *all)
{
    struct unwind u;

    *n = 0;
    if (r->carrier)
        return sample_mounted(r, t, pc, max, n, all);
    if (unwind_from_switch(&u, t, (uintptr_t)r->v->ctx.sp))
        *n = unwind_all(&u, pc, max, all);
    return census_holds(r);
}
