// Jumps out of handlers, contexts, alternate stacks.
#include "suite.h"
#include <setjmp.h>
#include <ucontext.h>

static atomic_int count, on_alt, in, seen_flags;
static sigjmp_buf env;
static char *alt_base;
enum { ALT = 65536 };

static void set(int sig, void (*fn)(int), int flags)
{
    struct sigaction a = {.sa_handler = fn, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
static int is_blocked(int sig)
{
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    return sigismember(&now, sig);
}

// siglongjmp: "shall restore the saved signal mask if and only if the env argument was initialized by a call to sigsetjmp() with a non-zero
// savemask argument."
static void jump(int sig) { (void)sig; count++; siglongjmp(env, 1); }
BOTH(siglongjmp_restores_the_mask, {
    set(SIGUSR1, jump, 0);
    for (int i = 0; i < 5; i++) {
        if (sigsetjmp(env, 1) == 0)
            raise(SIGUSR1);
        CHECK_EQ(is_blocked(SIGUSR1), 0);
    }
    CHECK_EQ(count, 5);
})
BOTH(siglongjmp_without_savemask, {
    set(SIGUSR1, jump, 0);
    if (sigsetjmp(env, 0) == 0)
        raise(SIGUSR1);
    CHECK_EQ(is_blocked(SIGUSR1), 1);
})
// setjmp of Linux does not save the mask.
static jmp_buf plain;
static void jump_plain(int sig) { (void)sig; longjmp(plain, 7); }
BOTH(longjmp_out_of_a_handler, {
    set(SIGUSR1, jump_plain, SA_NODEFER);
    int r = setjmp(plain);
    if (r == 0)
        raise(SIGUSR1);
    CHECK_EQ(r, 7);
    CHECK_EQ(is_blocked(SIGUSR1), 0);
})
// longjmp: "if val is 0, setjmp returns 1".
BOTH(longjmp_of_zero, {
    volatile int turns = 0;
    int r = setjmp(plain);
    if (turns++ == 0)
        longjmp(plain, 0);
    CHECK_EQ(r, 1);
})
// A jump out of a handler that interrupted a blocked call.
static void *blocked_jumper(void *arg)
{
    if (sigsetjmp(env, 1) == 0) {
        in = 1;
        for (;;)
            sleep(60);
    }
    CHECK_EQ(is_blocked(SIGUSR1), 0);
    settle(); // and blocking calls go on working
    return arg;
}
LONE(siglongjmp_out_of_a_blocked_call)
{
    set(SIGUSR1, jump, 0);
    pthread_t t = start(blocked_jumper, NULL);
    until(&in);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    finish(t);
    CHECK_EQ(count, 1);
}
// Out of nested handlers at once.
static void inner_jump(int sig) { (void)sig; siglongjmp(env, 3); }
static void outer(int sig) { (void)sig; raise(SIGUSR2); count = 100; }
BOTH(siglongjmp_out_of_nested_handlers, {
    set(SIGUSR1, outer, 0);
    set(SIGUSR2, inner_jump, 0);
    int r = sigsetjmp(env, 1);
    if (r == 0)
        raise(SIGUSR1);
    CHECK_EQ(r, 3);
    CHECK_EQ(count, 0);
    CHECK_EQ(is_blocked(SIGUSR1), 0);
    CHECK_EQ(is_blocked(SIGUSR2), 0);
})

// getcontext, makecontext, swapcontext.
static ucontext_t a, b;
static int trace[16], n;
static void coroutine(int x, int y)
{
    trace[n++] = x;
    CHECK_EQ(swapcontext(&b, &a), 0);
    trace[n++] = y;
    sched_yield();
    settle(); // parks on this stack
    trace[n++] = x + y;
}
BOTH(swapcontext_with_parking, {
    static char stack[65536];
    CHECK_EQ(getcontext(&b), 0);
    b.uc_stack.ss_sp = stack;
    b.uc_stack.ss_size = sizeof stack;
    b.uc_link = &a;
    makecontext(&b, (void (*)(void))coroutine, 2, 10, 20);
    CHECK_EQ(swapcontext(&a, &b), 0);
    trace[n++] = 1;
    CHECK_EQ(swapcontext(&a, &b), 0); // ends by uc_link
    CHECK_EQ(n, 4);
    CHECK(trace[0] == 10 && trace[1] == 1 && trace[2] == 20 && trace[3] == 30);
})
// setcontext: "the program continues through the corresponding call to getcontext()".
BOTH(setcontext_returns_through_getcontext, {
    volatile int turns = 0;
    CHECK_EQ(getcontext(&a), 0);
    if (turns++ < 3)
        setcontext(&a);
    CHECK_EQ(turns, 4);
})

// sigaltstack: "SS_DISABLE" at first; what was set is reported; SS_ONSTACK while it is in use.
static stack_t current(void)
{
    stack_t s;
    CHECK_EQ(sigaltstack(NULL, &s), 0);
    return s;
}
static void use_alt(void)
{
    stack_t s = {.ss_size = ALT};
    alt_base = mmap(NULL, ALT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    s.ss_sp = alt_base;
    CHECK_EQ(sigaltstack(&s, NULL), 0);
}
static void where(int sig)
{
    char here;
    stack_t s;
    (void)sig;
    on_alt = &here > alt_base && &here < alt_base + ALT;
    sigaltstack(NULL, &s);
    seen_flags = s.ss_flags;
    count++;
}
BOTH(altstack_disabled_at_first, { CHECK_EQ(current().ss_flags, SS_DISABLE); })
BOTH(altstack_is_reported, {
    use_alt();
    stack_t s = current();
    CHECK(s.ss_sp == alt_base && s.ss_size == ALT);
    CHECK_EQ(s.ss_flags, 0);
})
// sigaction: SA_ONSTACK: "the signal shall be delivered to the calling process on that stack"; otherwise "on the current stack".
BOTH(onstack_runs_there, {
    use_alt();
    set(SIGUSR1, where, SA_ONSTACK);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(on_alt, 1);
    CHECK_EQ(seen_flags, SS_ONSTACK);
    CHECK_EQ(current().ss_flags, 0);
})
BOTH(without_onstack_runs_here, {
    use_alt();
    set(SIGUSR1, where, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(on_alt, 0);
    CHECK_EQ(seen_flags, 0);
})
BOTH(onstack_without_altstack, {
    set(SIGUSR1, where, SA_ONSTACK);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(seen_flags, SS_DISABLE);
})
// sigaltstack: [EPERM] "An attempt was made to modify an active stack."  [ENOMEM] too small.  [EINVAL] flags.
static void modify(int sig)
{
    stack_t s = {.ss_flags = SS_DISABLE};
    (void)sig;
    count = sigaltstack(&s, NULL) == -1 && errno == EPERM;
}
BOTH(altstack_active_is_eperm, {
    use_alt();
    set(SIGUSR1, modify, SA_ONSTACK);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 1);
})
BOTH(altstack_errors, {
    char little[16];
    stack_t s = {.ss_sp = little, .ss_size = sizeof little};
    CHECK_ERRNO(sigaltstack(&s, NULL), ENOMEM);
    s.ss_flags = 4711;
    CHECK_ERRNO(sigaltstack(&s, NULL), EINVAL);
})
// The alternate stack is the thread's own: another thread has none.
static void *no_alt(void *arg) { CHECK_EQ(current().ss_flags, SS_DISABLE); return arg; }
BOTH(altstack_is_not_inherited, {
    use_alt();
    finish(start(no_alt, NULL));
    CHECK(current().ss_sp == alt_base);
})
// A stack overflow is survived with SA_ONSTACK.
static void overflown(int sig) { (void)sig; count++; siglongjmp(env, 1); }
static __attribute__((noinline)) int recurse(volatile char *p)
{
    volatile char pad[512];
    pad[0] = p ? p[0] : 1;
    return pad[0] ? recurse(pad) + pad[1] : 0;
}
#pragma GCC diagnostic ignored "-Winfinite-recursion"
LONE(overflow_in_thread_is_caught)
{
    extern void *overflow_thread(void *);
    finish(start(overflow_thread, NULL));
    CHECK_EQ(count, 2);
}
void *overflow_thread(void *);
void *overflow_thread(void *arg)
{
    use_alt();
    set(SIGSEGV, overflown, SA_ONSTACK);
    for (volatile int i = 0; i < 2; i++)
        if (sigsetjmp(env, 1) == 0)
            recurse(NULL);
    CHECK_EQ(current().ss_flags, 0);
    return arg;
}
// Sent from outside while it computes, and while it is blocked.
static void *alt_thread(void *arg)
{
    use_alt();
    in = 1;
    while (!count)
        if (arg)
            settle();
    CHECK_EQ(on_alt, 1);
    return NULL;
}
static void alt_from_outside(void *sleeping)
{
    set(SIGUSR1, where, SA_ONSTACK);
    pthread_t t = start(alt_thread, sleeping);
    until(&in);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    finish(t);
}
LONE(onstack_from_outside_computing) { alt_from_outside(NULL); }
LONE(onstack_from_outside_sleeping) { alt_from_outside(&env); }
