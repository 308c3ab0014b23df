/* The debug descriptor.  See debug.h for what readers may rely on.
 *
 * It is not const: relocated data that the program may write to lies in .data, whose pages every core file holds; constant
 * data would be taken from the library's file, unrelocated.  Nothing ever writes it. */
#include "runtime/diag/debug.h"
#include "runtime/arch/frame.h"
#include "runtime/io/fdtab.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include <pthread.h>
#include <stddef.h>

#ifndef VTHR_VERSION
#define VTHR_VERSION "unknown"
#endif

/* The linker's bounds of the image. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

#define FIELD(type, member) { offsetof(struct type, member), sizeof(((struct type *)0)->member) }
#define SAME(type, member) .member = FIELD(type, member)
#define REG(n, off, num) { .name = n, .offset = off, .dwarf = num },
#define REG_COUNT(n, off, num) +1
#define WAIT(kind, text, what) [kind] = { .name = text, .object = what }
#define LOCK(kind, text, type, member) \
    [kind] = { text, VTHR_OBJ_ADDRESS, sizeof(((type *)0)->member), offsetof(type, member) }
#define COUNTER_AT(text, member) { text, offsetof(struct proc, member), 0 }
#define COUNTER(text, member) COUNTER_AT(text, count.member)
#define REG_INSIDE(n, off, num) &&(off) + 8 <= ARCH_FRAME_SIZE && sizeof(n) <= 8

/* Readers find these by value, or count on them without being told. */
_Static_assert(VT_FREE == 0 && VT_LIVE == 1 && VT_DONE == 2, "states are part of the interface");
_Static_assert(W_RUNNING == 0 && W_PARKING == 1 && W_PARKED == 2 && W_MASK == 7, "waiter states are part of the interface");
_Static_assert(HOW_EXIT == 3, "reasons of a switch are part of the interface");
_Static_assert(P_RT == 1 && P_USER == 2 && P_BLOCK == 3 && P_STATE == 7, "processor states are part of the interface");
_Static_assert(sizeof(VTHR_DEBUG_MAGIC) == 8 && sizeof(VTHR_VERSION) <= 16, "fixed text");
_Static_assert((0 ARCH_FRAME_REGS(REG_COUNT)) < VTHR_DEBUG_MAX_REGS, "the list of registers ends with an empty name");
_Static_assert(1 ARCH_FRAME_REGS(REG_INSIDE), "registers lie in the frame");
_Static_assert(sizeof(struct vthread) <= UINT16_MAX && sizeof(struct carrier) <= UINT16_MAX && sizeof(struct proc) <= UINT32_MAX &&
                   offsetof(struct proc, mon_cpu) <= UINT16_MAX,
               "offsets are 16 bits");
_Static_assert(offsetof(struct vthr_debug, version) == 8 && offsetof(struct vthr_debug, size) == 12 &&
                   offsetof(struct vthr_debug, image_lo) == 32 && offsetof(struct vthr_debug, tid_base) == 104 &&
                   offsetof(struct vthr_debug, vthread) == 120 && offsetof(struct vthr_debug, carrier) == 192 &&
                   offsetof(struct vthr_debug, proc) == 216 && offsetof(struct vthr_debug, frame_size) == 232 &&
                   offsetof(struct vthr_debug, arch_switch) == 256 && offsetof(struct vthr_debug, regs) == 264,
               "version 1 is laid out like this");
_Static_assert(offsetof(struct vthr_debug, trap_lo) == 552 && offsetof(struct vthr_debug, vthread2) == 568 &&
                   offsetof(struct vthr_debug, proc_now) == 600 && offsetof(struct vthr_debug, n_waits) == 608 &&
                   offsetof(struct vthr_debug, waits) == 616 && offsetof(struct vthr_debug, counters) == 1256 &&
                   offsetof(struct vthr_debug, n_carriers) == 1832 && offsetof(struct vthr_debug, parks_for) == 1848,
               "and goes on so");
_Static_assert(WAIT_KINDS <= VTHR_DEBUG_MAX_WAITS, "room for all kinds of waits");
_Static_assert(offsetof(struct scope_places, parent) == 8 && sizeof(struct scope_places) == 24, "read by its layout");

#define COUNTER_ROWS                                                                                        \
    COUNTER("spawns", spawns), COUNTER("switches", switches), COUNTER("parks", parks), COUNTER("wakes", wakes), \
        COUNTER("steals", steals), COUNTER("polls", polls), COUNTER("handoffs-blocked", handoffs[HANDOFF_BLOCKED]), \
        COUNTER("handoffs-announced", handoffs[HANDOFF_ANNOUNCED]), COUNTER("handoffs-computing", handoffs[HANDOFF_COMPUTING]), \
        COUNTER_AT("epoll-waits", poller.count.looks), COUNTER_AT("epoll-changes", poller.count.changes), \
        COUNTER_AT("poller-sleeps", poller.count.sleeps), COUNTER_AT("poller-wakeups", poller.count.wakeups), \
        COUNTER_AT("timer-armings", poller.count.armings), COUNTER_AT("timer-expirations", poller.count.timeouts), \
        COUNTER_AT("timers-set", timers.added), COUNTER_AT("timers-expired", timers.fired)
#define COUNTERS ARRAY_LEN(((struct vthr_debug_counter[]){ COUNTER_ROWS }))

__attribute__((visibility("default"), used)) struct vthr_debug vthr_debug = {
    .magic = VTHR_DEBUG_MAGIC,
    .version = VTHR_DEBUG_VERSION,
    .size = sizeof(struct vthr_debug),
    .library = VTHR_VERSION,
    .image_lo = __ehdr_start,
    .image_hi = _end,
    .active = &vthr_active,
    .main = &vthr_main,
    .registry = &vthr_registry,
    .nshells = &vthr_nshells,
    .nlive = &vthr_nlive,
    .procs = &vthr_procs,
    .nprocs = &vthr_nprocs,
    .tid_base = VTHR_TID_BASE,
    .vthread_size = sizeof(struct vthread),
    .carrier_size = sizeof(struct carrier),
    .proc_size = sizeof(struct proc),
    .vthread = {
        .ctx_sp = FIELD(vthread, ctx.sp), .ctx_tp = FIELD(vthread, ctx.tp), SAME(vthread, tid), SAME(vthread, life),
        SAME(vthread, carrier), SAME(vthread, start), SAME(vthread, arg), .wait_obj = FIELD(vthread, w.what.obj),
        SAME(vthread, name), SAME(vthread, stack_lo), SAME(vthread, stack_size), .waiter_word = FIELD(vthread, w.word),
        SAME(vthread, how), SAME(vthread, in_rt), SAME(vthread, pd), SAME(vthread, sigmask), SAME(vthread, sigpending),
        SAME(vthread, blocked_in),
    },
    .carrier = {
        .ctx_sp = FIELD(carrier, ctx.sp), .ctx_tp = FIELD(carrier, ctx.tp), SAME(carrier, tid), SAME(carrier, cur),
        SAME(carrier, prev), SAME(carrier, proc),
    },
    .proc = { SAME(proc, word), SAME(proc, id), SAME(proc, sleeping), SAME(proc, tick) },
    .frame_size = ARCH_FRAME_SIZE,
    .sp_name = ARCH_FRAME_SP_NAME,
    .tp_name = ARCH_FRAME_TP_NAME,
    .sp_dwarf = ARCH_FRAME_SP_DWARF,
    .n_regs = 0 ARCH_FRAME_REGS(REG_COUNT),
    .arch_switch = (const void *)arch_switch,
    .regs = { ARCH_FRAME_REGS(REG) },
    .trap_lo = &arch_trap_lo,
    .trap_size = &arch_trap_size,
    .vthread2 = {
        .wait_kind = FIELD(vthread, w.what.kind), .wait_n = FIELD(vthread, w.what.n), .wait_since = FIELD(vthread, w.since),
        .deadline = FIELD(vthread, timer.at), .has_deadline = FIELD(vthread, timer.home), SAME(vthread, guard_size),
        SAME(vthread, user_stack), SAME(vthread, join),
    },
    .proc_now = FIELD(proc, now),
    .fdesc_fd = FIELD(fdesc, fd),
    .n_waits = WAIT_KINDS,
    .waits = {
        WAIT(WAIT_NONE, "nothing", VTHR_OBJ_NONE),
        LOCK(WAIT_MUTEX, "mutex", pthread_mutex_t, __data.__owner),
        WAIT(WAIT_COND, "condition", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_SEM, "semaphore", VTHR_OBJ_ADDRESS),
        LOCK(WAIT_RDLOCK, "rdlock", pthread_rwlock_t, __data.__cur_writer),
        LOCK(WAIT_WRLOCK, "wrlock", pthread_rwlock_t, __data.__cur_writer),
        WAIT(WAIT_BARRIER, "barrier", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_ONCE, "once", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_FUTEX, "futex", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_JOIN, "join", VTHR_OBJ_VTHREAD),
        WAIT(WAIT_READ, "read", VTHR_OBJ_FD),
        WAIT(WAIT_WRITE, "write", VTHR_OBJ_FD),
        WAIT(WAIT_ACCEPT, "accept turn", VTHR_OBJ_FD),
        WAIT(WAIT_POLL, "poll", VTHR_OBJ_POLLFDS),
        WAIT(WAIT_EPOLL, "epoll", VTHR_OBJ_FD),
        WAIT(WAIT_SLEEP, "sleep", VTHR_OBJ_NONE),
        WAIT(WAIT_SIGNAL, "signal", VTHR_OBJ_NONE),
        WAIT(WAIT_CLOSE, "close", VTHR_OBJ_FD),
        WAIT(WAIT_SCOPE, "scope", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_TASK, "task", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_CALL, "call", VTHR_OBJ_CALL),
        WAIT(WAIT_PLACE, "place", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_TOKEN, "token", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_SEND, "send", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_RECEIVE, "receive", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_SELECT, "select", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_EVENT, "event", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_STREAM, "stream", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_LOCKED, "api mutex", VTHR_OBJ_ADDRESS),
        WAIT(WAIT_CONDITION, "api cond", VTHR_OBJ_ADDRESS),
    },
    .n_counters = COUNTERS,
    .counters = { COUNTER_ROWS },
    .n_carriers = &vthr_ncarriers,
    .scopes = &vthr_scope_places,
    .parks_for = offsetof(struct proc, count.parks_for),
    .timers_pending = FIELD(proc, timers.n),
    .timers_most = FIELD(proc, timers.most),
};
