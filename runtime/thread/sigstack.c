/* Stacks of signal handlers.
 *
 * Protocol.  Every carrier has a signal stack of its own, for good; all our handlers in the kernel have SA_ONSTACK, so the
 * kernel's frame never lies on a stack of the program's: that may be nearly full, or tiny, or be given back by a vthread that
 * has moved to another carrier since the kernel heard of it.  There the handler only decides, with SIG_NUDGE blocked (it must not find us
 * there), on which stack the program's handler should run, and moves the frame (arch_handler_move): to the vthread's
 * alternate stack, or below the interrupted stack pointer.  From then on it may park, and return on another carrier.
 *
 * Alternate stacks are virtual: the vthread's `altstack`, with the kernel's rules (kernel/signal.c, do_sigaltstack). */
#include "runtime/sched/sched.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>

#define SS_AUTODISARM_ (1u << 31) /* linux/signal.h */
#define SMALLEST 2048ul           /* the kernel's MINSIGSTKSZ; libc's is the processor's need */

static unsigned flags_of(const stack_t *s)
{
    return (unsigned)s->ss_flags;
}

static bool contains(const stack_t *s, uintptr_t sp)
{
    return sp - (uintptr_t)s->ss_sp - 1 < s->ss_size;
}
static bool is_on(const stack_t *s, uintptr_t sp)
{
    return !(flags_of(s) & SS_AUTODISARM_) && contains(s, sp);
}

/* Where a handler with these flags begins whose interrupted code has this stack pointer: 0: below that. */
static uintptr_t top_for(struct vthread *v, int sa_flags, uintptr_t sp)
{
    const stack_t *s = &v->altstack;

    if (!(sa_flags & SA_ONSTACK) || !s->ss_size || is_on(s, sp))
        return 0;
    return (uintptr_t)s->ss_sp + s->ss_size;
}

static unsigned shown_flags(const stack_t *s, uintptr_t sp)
{
    unsigned kept = flags_of(s) & SS_AUTODISARM_;

    return kept | (!s->ss_size ? SS_DISABLE : is_on(s, sp) ? SS_ONSTACK : 0);
}

int signal_altstack(struct vthread *v, const stack_t *ss, stack_t *old, uintptr_t sp)
{
    stack_t *cur = &v->altstack, was = *cur, new;
    unsigned mode;

    was.ss_flags = (int)shown_flags(cur, sp);
    if (ss) {
        new = *ss;
        mode = flags_of(&new) & ~SS_AUTODISARM_;
        if (is_on(cur, sp))
            return -EPERM;
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
            return -EINVAL;
        if (mode == SS_DISABLE) {
            new.ss_sp = NULL;
            new.ss_size = 0;
        } else if (new.ss_size < SMALLEST) {
            return -ENOMEM;
        }
        *cur = new;
    }
    if (old)
        *old = was;
    return 0;
}

stack_t sig_stack_of(const struct vthread *v)
{
    stack_t s = v->altstack;

    if (!s.ss_size)
        s.ss_flags |= SS_DISABLE;
    return s;
}

uintptr_t sig_stack_enter(struct vthread *v, int sa_flags, stack_t *saved)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), top = top_for(v, sa_flags, here);

    *saved = sig_stack_of(v);
    if (flags_of(saved) & SS_AUTODISARM_)
        v->altstack = (stack_t){ .ss_flags = SS_DISABLE };
    return contains(saved, here) ? 0 : top; /* sig_move went there already */
}

void sig_stack_leave(struct vthread *v, const stack_t *saved)
{
    signal_altstack(v, saved, NULL, (uintptr_t)__builtin_frame_address(0)); /* refused as the kernel refuses */
}

/* The vthread and its carrier, if the code runs on that one's signal stack. */
static struct carrier *on_its_sigstack(struct vthread *v)
{
    struct carrier *c = v ? v->carrier : NULL;

    return c && carrier_on_sigstack(c, (uintptr_t)__builtin_frame_address(0)) ? c : NULL;
}

bool sig_move(struct vthread *v, int sa_flags, int sig, siginfo_t *info, void *uc, void (*fn)(int, siginfo_t *, void *))
{
    struct carrier *c = on_its_sigstack(v);
    uintptr_t was = arch_frame_sp(uc), sp;

    if (!c) {
        fn(sig, info, uc);
        return true;
    }
    sp = top_for(v, sa_flags, was);
    if (sp || !carrier_on_sigstack(c, was))
        arch_handler_move(sp ? sp : arch_frame_below(uc), sig, info, uc, fn);
    return false;
}
