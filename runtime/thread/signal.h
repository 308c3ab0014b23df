/* Virtual signals: masks, pending sets and delivery per vthread. */
#pragma once
#include "runtime/base/ksig.h"
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* Activation: takes the process's dispositions over, starts the receiver.  0 or -errno. */
int signal_start(struct vthread *main_v);
/* In a forked child, which is single-threaded: gives everything back to the kernel. */
void signal_reset_child(struct vthread *v);

/* A vthread's mask begins and ends to count for what the receiver takes. */
void signal_mask_ref(struct vthread *v);
void signal_mask_unref(struct vthread *v); /* it blocks everything from here on */
/* An ending vthread takes no more signals; those for the process go to others. */
void signal_close(struct vthread *v);

/* On the calling vthread, outside the runtime.  All return 0 or -errno. */
int signal_mask(struct vthread *v, int how, const uint64_t *set, uint64_t *old);
int signal_action(int sig, const struct sigaction *act, struct sigaction *old);
int signal_send(struct vthread *to, int sig, const siginfo_t *info);
int signal_send_self(struct vthread *v, int sig, int code);
/* To the process.  -EAGAIN: it is left to the kernel, whose choice is another one. */
int signal_send_process(int sig, const siginfo_t *info);
uint64_t signal_pending(struct vthread *v);
/* sigaltstack(2) for v, the caller, whose stack pointer is sp. */
int signal_altstack(struct vthread *v, const stack_t *ss, stack_t *old, uintptr_t sp);
int signal_suspend(struct vthread *v, uint64_t mask);
/* sigwait family: returns the signal or -errno (-EAGAIN at the deadline). */
int signal_wait(struct vthread *v, uint64_t set, siginfo_t *info, uint64_t deadline);

/* timer_create for a vthread: its number, and the event to give to the kernel; 0: the event is no such one.  Then what came of it
 * (tid 0: a timer of any other kind). */
uint32_t signal_timer_event(const struct sigevent *event, struct sigevent *kernel);
void signal_timer_made(int timer, uint32_t tid);
/* Instances of these signals that the kernel has for the process, or had, are with their threads when it returns.  v is the caller. */
void signal_settle(struct vthread *v, uint64_t set);
/* Those that have handlers of the program's. */
uint64_t signal_caught(void);

/* A pending SIGPIPE that the kernel kept for this OS thread becomes the vthread's. */
void signal_sigpipe(struct vthread *v);
/* Wakes or interrupts the vthread so that it looks at its attention flag. */
void signal_nudge(struct vthread *v);
/* Called before the process dies of a memory fault that no handler of the program's takes; in a handler, v as it was interrupted. */
extern void (*signal_on_death)(struct vthread *v, const siginfo_t *info, const void *uc);
/* Called, if not NULL, in the handler of every nudge, on the carrier's signal stack. */
extern void (*signal_on_nudge)(const void *uc);
/* Called, if not NULL, by the receiver when the signal VTHR_DUMP_SIGNAL has come. */
extern void (*signal_on_dump)(void);
VTHR_END_DECLS
