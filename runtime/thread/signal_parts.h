/* What the files of the signal machinery share with each other only. */
#pragma once
#include "runtime/base/options.h"
#include "runtime/thread/signal.h"

#define NSIG_ 65
#define SIG_UNMASKABLE (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

VTHR_BEGIN_DECLS
/* Those that the receiver takes; the others are the kernel's to deliver. */
static inline bool sig_is_virtual(int sig)
{
    return sig >= 1 && sig < NSIG_ && sig != SIG_NUDGE && sig != SIG_SETXID &&
           !(SIGBIT(sig) & (KSIG_DIRECT | SIG_UNMASKABLE));
}
/* The library's own: whatever the program does about it, it goes to the receiver, which reports (VTHR_DUMP_SIGNAL). */
static inline bool sig_is_dump(int sig)
{
    return sig == (int)vthr_config.dump_signal && sig;
}
static inline bool sig_is_handler(const struct sigaction *a)
{
    return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;
}

/* sigpend.c: pending sets. */
int sig_post(struct vthread *v, int sig, const siginfo_t *info); /* 0, -ENOMEM, -ESRCH: it has ended */
/* One for the process, which v takes because it may: -EAGAIN if it may not any more. */
int sig_post_shared(struct vthread *v, int sig, const siginfo_t *info);
/* Signals for the process that were posted to v and are blocked now (set): another thread may take them. */
void sig_give_back(struct vthread *v, uint64_t set);
int sig_take(struct vthread *v, uint64_t set, siginfo_t *info);  /* the oldest of the lowest, or 0 */
/* Its action is to ignore it now: it is pending for nobody any more. */
void sig_discard(int sig);
void sig_items_reset_child(void);

/* signal.c: delivery. */
/* A fault of the program's own: the kernel delivers those signals to the code that caused them. */
void sig_on_fault(int sig, siginfo_t *info, void *ucontext);
void sig_on_nudge(int sig, siginfo_t *info, void *ucontext);
void sig_deliver_all(struct vthread *v, void *ucontext);
/* On v itself, outside the runtime: acts on all that its attention flag may stand for. */
void sig_attend(struct vthread *v, void *ucontext);

/* sigstack.c: on which stack a handler runs. */
stack_t sig_stack_of(const struct vthread *v); /* as sigaltstack(2) takes it */
/* Around a handler with these flags: the top of the stack that it runs on (0: the present one); SS_AUTODISARM, and what the
 * handler's uc_stack says after it. */
uintptr_t sig_stack_enter(struct vthread *v, int sa_flags, stack_t *saved);
void sig_stack_leave(struct vthread *v, const stack_t *saved);
/* In a handler that the kernel called, v being the mounted vthread: goes on as fn on the stack that a handler with these flags
 * runs on, then returns to the interrupted code.  Returns at once if it cannot (false), or after fn if there is nothing to move. */
bool sig_move(struct vthread *v, int sa_flags, int sig, siginfo_t *info, void *uc, void (*fn)(int, siginfo_t *, void *));

/* sigaction.c: dispositions. */
int sig_action_flags(int sig); /* looks without a lock */
bool sig_action_caught(int sig);
struct sigaction sig_action_for_delivery(int sig); /* SA_RESETHAND takes effect */
void sig_actions_take_over(void);
void sig_actions_give_back(void);
/* Of the kernel's signal 32, which libc does not let us set. */
int sig_install_nudge(bool on);

/* sigmask.c: virtual masks. */
void sig_handler_returned(struct vthread *v, uint64_t mask); /* the mask after it */
void sig_opened(uint64_t mask); /* a thread has this mask now: it may take what the receiver holds back */
uint64_t sig_unblocked_union(uint32_t *gen); /* what some vthread has unblocked, and which change that is */
void sig_masks_reset(void);
/* Signals that the receiver leaves in the kernel though the union has them: nobody could take them when it tried. */
uint64_t sig_held_back(void);
void sig_hold_back(int sig);
void sig_let_go(uint64_t set);

/* sigtimer.c */
bool sig_timer_post(const siginfo_t *info); /* posts it if it is a timer's that is for one thread */
/* Who used CPU time, if it is a signal of a timer of that and somebody may take it. */
struct vthread *sig_cpu_user(const siginfo_t *info);
void sig_timers_reset_child(void);

/* sigreceiver.c */
void sig_trampoline(int sig, siginfo_t *info, void *ucontext);
void sig_receiver_poke(void);
void sig_requeue(int sig, const siginfo_t *info); /* makes it pending for the process, in the kernel */
void sig_code_restore(siginfo_t *info);           /* of one taken from the kernel, which may have been requeued */
void sig_receiver_wait(uint32_t gen); /* until it has seen that change */
VTHR_END_DECLS
