/* The receiver: the native thread that takes process-directed signals; activation and fork of the signal machinery.  Protocol:
 * signal.c. */
#include "runtime/base/options.h"
#include "runtime/base/real.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <ucontext.h>

#define DISGUISE (-0x56540000)

static int receiver_tid;
static uint32_t receiver_gen; /* futex: the change of the masks' union that the receiver has seen */
static siginfo_t received;    /* receiver only: set by its trampoline */
static uint32_t asked, answered; /* rounds of the receiver: signal_settle.  answered: futex */
static uint32_t requeued;        /* how often it gave a signal back, because nobody could take it */

/* The kernel lets nobody send what looks like its own or kill's (si_code >= 0, rt_sigqueueinfo(2)), not even the process to
 * itself: such a signal goes back with another code, and gets its own again where it is taken. */
static void code_disguise(siginfo_t *info)
{
    if (info->si_code >= 0)
        info->si_code = DISGUISE - info->si_code;
}
void sig_code_restore(siginfo_t *info)
{
    if (info->si_code <= DISGUISE && info->si_code >= DISGUISE - 0xffff)
        info->si_code = DISGUISE - info->si_code;
}

void sig_trampoline(int sig, siginfo_t *info, void *uc)
{
    if ((int)SYS0(SYS_gettid) == receiver_tid) {
        received = *info;
        received.si_signo = sig;
        sig_code_restore(&received);
        memset(&((ucontext_t *)uc)->uc_sigmask, 0xff, 8); /* not one more, if this interrupted the handler of a poke: there is room for one */
        return;
    }
    struct vthread *v = vthr_self;
    if (v && v->hooks_off) { /* a vfork child: its own business, and it has only this thread */
        struct sigaction a = sig_action_for_delivery(sig);

        if (sig_is_handler(&a))
            a.sa_handler(sig);
        return;
    }
    /* Unblocked here for a moment only (exec, spawn), or a thread that libc made for itself (SIGEV_THREAD), with all
     * unblocked: to the receiver, as it came. */
    siginfo_t copy = *info;
    (void)uc;
    code_disguise(&copy);
    SYS4(SYS_rt_tgsigqueueinfo, SYS0(SYS_getpid), load_acquire(&receiver_tid), sig, &copy);
}

struct pick {
    uint64_t bit;
    struct vthread *v;
};
static int pick_one(struct vthread *v, void *arg)
{
    struct pick *p = arg;

    if (load_relaxed(&v->sigmask) & p->bit)
        return 0;
    p->v = v;
    return 1;
}

static struct vthread *somebody_for(int sig)
{
    struct pick p = { SIGBIT(sig), NULL };

    vthread_each(pick_one, &p); /* the main vthread comes first */
    return p.v;
}

void sig_requeue(int sig, const siginfo_t *info)
{
    siginfo_t copy = *info;

    code_disguise(&copy);
    SYS3(SYS_rt_sigqueueinfo, SYS0(SYS_getpid), sig, &copy);
}

void (*signal_on_dump)(void);

static void dispatch(siginfo_t *info)
{
    int sig = info->si_signo, r = 0;
    struct vthread *v;

    if (sig_is_dump(sig)) {
        if (signal_on_dump)
            signal_on_dump();
        return;
    }
    if (sig_timer_post(info))
        return;
    v = sig_cpu_user(info);
    if (v && sig_post_shared(v, sig, info) == 0) {
        signal_nudge(v);
        return;
    }
    while ((v = somebody_for(sig)) && (r = sig_post_shared(v, sig, info)) == -EAGAIN)
        ; /* it ended, or blocked it meanwhile */
    if (v) {
        if (r == 0)
            signal_nudge(v);
        return;
    }
    sig_hold_back(sig);
    sig_requeue(sig, info);
    fetch_add_acq_rel(&requeued, 1u); /* after it: who sees the new count sees the signal with the kernel */
    if (somebody_for(sig))
        sig_let_go(SIGBIT(sig));
}

void sig_receiver_poke(void)
{
    int tid = load_acquire(&receiver_tid);

    if (tid)
        SYS3(SYS_tgkill, SYS0(SYS_getpid), tid, SIG_NUDGE);
}

void sig_receiver_wait(uint32_t gen)
{
    uint32_t seen;

    while ((int32_t)((seen = load_acquire(&receiver_gen)) - gen) < 0)
        sys_futex_wait(&receiver_gen, seen, NO_DEADLINE);
}

/* Between two rounds the receiver has taken nothing that it has not dispatched. */
static void await_round(void)
{
    uint32_t round = fetch_add_acq_rel(&asked, 1u) + 1, seen;

    sig_receiver_poke();
    while ((int32_t)((seen = load_acquire(&answered)) - round) < 0)
        sys_futex_wait(&answered, seen, NO_DEADLINE);
}

static void answer(void)
{
    uint32_t round = load_acquire(&asked);

    if (xchg_acq_rel(&answered, round) != round)
        sys_futex_wake(&answered, 1 << 30);
}

void signal_settle(struct vthread *v, uint64_t set)
{
    uint64_t pending;
    uint32_t gen, returned;

    rt_hold(v);
    do { /* What is not with the kernel is with the receiver, if anywhere, until its next round, or goes back; in this order. */
        returned = load_acquire(&requeued);
        pending = 0;
        SYS2(SYS_rt_sigpending, &pending, 8);
        await_round();
    } while ((pending & set & sig_unblocked_union(&gen) & ~sig_held_back()) || load_acquire(&requeued) != returned);
    rt_unhold(v);
}

static uint64_t dump_bit(void)
{
    return vthr_config.dump_signal ? SIGBIT(vthr_config.dump_signal) : 0;
}

static void *receiver_main(void *arg)
{
    (void)arg;
    store_release(&receiver_tid, (int)SYS0(SYS_gettid));
    sys_futex_wake((uint32_t *)&receiver_tid, 1);
    for (;;) {
        uint32_t gen;
        uint64_t mask = ~((sig_unblocked_union(&gen) & ~sig_held_back()) | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID) | dump_bit());

        /* Everything is blocked here: whatever was removed from the union before gen can no longer be taken. */
        if (xchg_acq_rel(&receiver_gen, gen) != gen)
            sys_futex_wake(&receiver_gen, 1 << 30);
        answer();
        received.si_signo = 0;
        SYS2(SYS_rt_sigsuspend, &mask, 8);
        if (received.si_signo)
            dispatch(&received);
    }
    return NULL;
}

static int start_receiver(void)
{
    int r = native_start(receiver_main, NULL, 65536);

    while (!r && !load_acquire(&receiver_tid))
        sys_futex_wait((uint32_t *)&receiver_tid, 0, NO_DEADLINE);
    return r;
}

/* Signals that are pending for the calling OS thread alone, not for the process: only /proc tells the one from the other. */
static uint64_t thread_pending(void)
{
    static const char label[] = "\nSigPnd:\t";
    char text[4096];
    const char *p;
    long n = 0, got;
    uint64_t set = 0;
    long fd = SYS4(SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0)
        return 0;
    while (n < (long)sizeof text - 1 && (got = SYS3(SYS_read, fd, text + n, sizeof text - 1 - n)) > 0)
        n += got;
    SYS1(SYS_close, fd);
    text[n] = 0;
    p = strstr(text, label);
    for (p = p ? p + sizeof label - 1 : ""; *p && *p != '\n'; p++)
        set = set << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    return set;
}

/* What the main thread has sent to itself before there were vthreads stays with it, whatever carrier it runs on. */
static void adopt_pending(struct vthread *main_v)
{
    struct timespec zero = { 0, 0 };
    uint64_t set = 0;
    siginfo_t info;

    SYS2(SYS_rt_sigpending, &set, 8);
    if (!set)
        return;
    set = thread_pending() & ~KSIG_DIRECT;
    while (set && SYS4(SYS_rt_sigtimedwait, &set, &info, &zero, 8) > 0) {
        sig_post(main_v, info.si_signo, &info);
        set &= thread_pending();
    }
}

int signal_start(struct vthread *main_v)
{
    int r;

    sig_actions_take_over();
    r = sig_install_nudge(true);
    if (r)
        return r;
    main_v->sigmask = ksig_set_mask(KSIG_CARRIER_MASK);
    adopt_pending(main_v);
    sig_masks_reset();
    receiver_tid = 0;
    receiver_gen = 0;
    asked = answered = 0;
    signal_mask_ref(main_v);
    r = start_receiver();
    if (r)
        ksig_set_mask(main_v->sigmask);
    return r;
}

void signal_reset_child(struct vthread *v)
{
    stack_t alt;

    sig_items_reset_child();
    sig_masks_reset();
    sig_timers_reset_child();
    sig_actions_give_back();
    sig_install_nudge(false);
    if (!v)
        return;
    v->sigq = NULL;
    v->sigpending = 0;
    v->attention = 0;
    v->in_rt = 0;
    alt = sig_stack_of(v);
    SYS2(SYS_sigaltstack, &alt, NULL);
    ksig_set_mask(v->sigmask);
}
