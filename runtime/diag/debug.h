/* vthr_debug: where a debugger, a core reader or the vthr command finds the vthreads, without debug information.
 * docs/debug-interface.md is this for those who write readers.
 *
 * Rules for readers.
 * - Find the symbol vthr_debug (.dynsym has it also when the library is stripped) and check magic and version.
 * - `size` is the writer's: what lies beyond it is absent.  New fields are only added at the end of struct vthr_debug.
 *   Any other change raises `version`, and a reader refuses versions it does not know.
 * - A field of a structure is {offset, size}; size 0: this library does not have it.  Integers are unsigned.
 * - `vthr_active` of 0: no vthread exists yet.  The registry holds `nshells` pointers, of which those with life ==
 *   VT_LIVE exist; number 0, the main thread, is not in it.  An entry's number is its index + 1.
 *
 * Where a vthread's registers are, at any instant that the process may be stopped:
 * - carrier == NULL: at ctx.sp, in the layout of `frame`.  It is parked (waiter state 1 or 2) or ready (any other).
 * - carrier != NULL and the carrier's OS thread has its stack pointer on this vthread's stack: in that OS thread.
 * - carrier != NULL and it has not: the process was stopped in the middle of a switch from or to it; at ctx.sp.
 *   cur and prev of the carrier say which stacks come into question, the third being that of the carrier's own context.
 * ctx.sp is stored before the stack is left and read before it is entered, so one of the three holds at each instruction.
 *
 * What it waits for (wait_*) is written before the waiter's word says so and stays until the next wait begins: it means
 * something while the vthread is parked, and while blocked_in is not 0 (an announced call on its OS thread). */
#pragma once
#include "runtime/base/compiler.h"

#define VTHR_DEBUG_MAGIC "vthrdbg" /* with its NUL: 8 bytes */
#define VTHR_DEBUG_VERSION 1
#define VTHR_DEBUG_MAX_REGS 24

struct vthr_debug_field {
    uint16_t offset, size;
};

struct vthr_debug_reg {
    char name[8];    /* as debuggers call it; empty: end of the list */
    uint16_t offset; /* in the saved frame */
    uint16_t dwarf;  /* DWARF register number */
};

/* What the object of a wait is. */
enum vthr_debug_object {
    VTHR_OBJ_NONE,
    VTHR_OBJ_ADDRESS, /* of the program's own object */
    VTHR_OBJ_FD,      /* struct fdesc: fdesc.fd is the descriptor's number */
    VTHR_OBJ_VTHREAD, /* struct vthread */
    VTHR_OBJ_POLLFDS, /* wait_n times struct pollfd */
    VTHR_OBJ_CALL,    /* not an address: the system call's number, 0 if not known; wait_n is its first argument */
};

/* A kind of wait; its number is the index. */
struct vthr_debug_wait {
    char name[12];
    uint8_t object;     /* enum vthr_debug_object */
    uint8_t owner_size; /* not 0: the object is a lock, and at */
    uint16_t owner;     /* this offset in it is the tid of its owner, 0 while none is noted */
};
#define VTHR_DEBUG_MAX_WAITS 40

struct vthr_debug_counter {
    char name[20];
    uint16_t offset; /* in struct proc; the sum over all processors counts; uint64_t */
    uint16_t unused;
};
#define VTHR_DEBUG_MAX_COUNTERS 24

struct vthr_debug {
    char magic[8];
    uint32_t version;
    uint32_t size;               /* of this structure */
    char library[16];            /* version of the library, for people */
    const void *image_lo, *image_hi; /* the library's own code and data: frames in between are the runtime's */

    /* Addresses of variables. */
    const void *active;          /* int */
    const void *main;            /* struct vthread */
    const void *registry;        /* struct vthread **: pointer to the array of pointers */
    const void *nshells;         /* uint32_t */
    const void *nlive;           /* uint32_t */
    const void *procs;           /* struct proc *: pointer to the array */
    const void *nprocs;          /* unsigned */

    uint32_t tid_base;           /* tid of the vthread with number N is tid_base + N */
    uint32_t vthread_size, carrier_size, proc_size;

    struct {
        struct vthr_debug_field ctx_sp, ctx_tp, tid, life, carrier, start, arg, wait_obj, name, stack_lo, stack_size,
            waiter_word, how, in_rt, pd, sigmask, sigpending, blocked_in;
    } vthread;
    struct {
        struct vthr_debug_field ctx_sp, ctx_tp, tid, cur, prev, proc;
    } carrier;
    struct {
        struct vthr_debug_field word, id, sleeping, tick;
    } proc;

    /* The saved frame: where registers lie relative to ctx.sp, and what is added to that for the stack pointer. */
    uint32_t frame_size;
    char sp_name[8], tp_name[8]; /* the registers that ctx.sp + frame_size and ctx.tp are the values of */
    uint16_t sp_dwarf, n_regs;
    const void *arch_switch;     /* what a parked vthread is in */
    struct vthr_debug_reg regs[VTHR_DEBUG_MAX_REGS];

    /* Two uintptr_t: the region in which a SIGSEGV is the library's own and harmless (arch/x86_64/tp.c); a thread whose thread
     * pointer lies in it gets its real one, ctx.tp of its carrier's `cur` or of the carrier, at its next access. */
    const void *trap_lo, *trap_size;

    /* From here on only in libraries whose `size` covers it, as ever.  What vthreads wait for. */
    struct {
        struct vthr_debug_field wait_kind, wait_n, wait_since, /* ns of CLOCK_MONOTONIC, up to 10 ms early */
            deadline, has_deadline,                          /* ns; it counts while has_deadline is not 0 */
            guard_size, user_stack, join;                    /* join: 0 joinable, 1 being joined, 2 detached */
    } vthread2;
    struct vthr_debug_field proc_now; /* the clock when the processor last read it: how late it was in a core file */
    struct vthr_debug_field fdesc_fd;
    uint32_t n_waits, n_counters;
    struct vthr_debug_wait waits[VTHR_DEBUG_MAX_WAITS];
    struct vthr_debug_counter counters[VTHR_DEBUG_MAX_COUNTERS];
    const void *n_carriers; /* unsigned: OS threads that run vthreads */
    const void *scopes;     /* struct scope_places (sched/vthread.h) */
    uint32_t parks_for;     /* place in a processor of n_waits counters like those above: parks by what was waited for */
    struct vthr_debug_field timers_pending, timers_most; /* of a processor: in its heap now; at most, at one time */
};

VTHR_BEGIN_DECLS
extern struct vthr_debug vthr_debug VTHR_EXPORT;
VTHR_END_DECLS
