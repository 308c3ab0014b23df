/* Kernel signal masks of the runtime's own OS threads.  What the program sees is virtual: thread/signal.c. */
#pragma once
#include "runtime/base/sys.h"
#include <signal.h>

#define SIGBIT(sig) (1ull << ((sig)-1))

/* Wakes a carrier out of user code to look at its vthread's pending signals.  glibc keeps 32 for itself (SIGCANCEL,
 * SIGTIMER) and hides it from programs; its only receivers there block it. */
#define SIG_NUDGE 32
#define SIG_SETXID 33

/* Synchronous: the kernel delivers them to the code that caused them, on whatever OS thread it runs. */
#define KSIG_DIRECT                                                                                              \
    (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGSYS) | \
     SIGBIT(SIGABRT))
/* A carrier takes nothing else: the receiver thread does. */
#define KSIG_CARRIER_MASK (~(KSIG_DIRECT | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID)))

/* The kernel's struct sigaction (asm/signal.h), for calls past libc. */
struct ksig_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    const void *restorer;
    uint64_t mask;
};

/* Returns the old mask. */
static inline uint64_t ksig_set_mask(uint64_t mask)
{
    uint64_t old = 0;

    SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, 8);
    return old;
}
static inline uint64_t ksig_get_mask(void)
{
    uint64_t old = 0;

    SYS4(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &old, 8);
    return old;
}
