/* The thread pointer mended by traps (arch/x86_64/tp.c), on a plain OS thread in a child process. */
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum { OK = 0, NOT_HERE = 77, WRONG = 1 };

volatile sig_atomic_t own_faults;
char *guarded;

void on_own_fault(int, siginfo_t *info, void *)
{
    own_faults = own_faults + (info->si_addr == guarded);
    mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

bool begin(arch_thread *t)
{
    const char *why;
    struct sigaction sa = {};

    if (arch_init(&why) || !arch_trap_init())
        return false;
    sa.sa_sigaction = arch_fault_entry;
    sa.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &sa, nullptr);
    arch_trap_chain(on_own_fault);
    if (!arch_thread_reserve(t) || !t->trap)
        _exit(WRONG);
    arch_thread_begin(t);
    return true;
}

long switches()
{
    struct rusage r;

    arch_syscall6(SYS_getrusage, RUSAGE_THREAD, (long)&r, 0, 0, 0, 0);
    return r.ru_nvcsw;
}

/* Another thread runs on this CPU meanwhile.  A sleep alone may be over before it begins. */
void be_switched()
{
    struct timespec ts = {0, 1000};
    long before = switches();

    while (switches() == before)
        arch_syscall6(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
}

template <class F> int in_child(F f)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(f());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define HERE(result)                                                    \
    int result_ = (result);                                             \
    if (result_ == NOT_HERE)                                            \
        GTEST_SKIP() << "the kernel keeps the thread pointer by itself"; \
    EXPECT_EQ(result_, OK)

TEST(TrappedThreadPointer, IsRightAfterTheKernelSwitched)
{
    HERE(in_child([] {
        static thread_local volatile int mine = 5;
        arch_thread t;
        if (!begin(&t))
            return NOT_HERE;
        for (int i = 0; i < 100; i++) {
            mine = i;
            be_switched();
            if (mine != i || arch_tp() != (void *)t.tp)
                return WRONG;
        }
        return arch_tp_trap_count() >= 100 ? OK : WRONG;
    }));
}

TEST(TrappedThreadPointer, IsMendedWithoutATrapOnRequest)
{
    HERE(in_child([] {
        arch_thread t;
        if (!begin(&t))
            return NOT_HERE;
        for (int i = 0; i < 100; i++) {
            be_switched();
            arch_tp_mend();
            if (arch_tp() != (void *)t.tp)
                return WRONG;
        }
        return arch_tp_trap_count() < 50 ? OK : WRONG; /* preemption may add some */
    }));
}

TEST(TrappedThreadPointer, APinnedThreadMayBlockTheSignal)
{
    HERE(in_child([] {
        arch_thread t;
        sigset_t all, old;
        if (!begin(&t))
            return NOT_HERE;
        sigfillset(&all);
        for (int i = 0; i < 100; i++) {
            arch_tp_pin(&t);
            arch_tp_pin(&t);
            arch_tp_unpin(&t);
            sigprocmask(SIG_SETMASK, &all, &old);
            be_switched();
            if (arch_tp() != (void *)t.tp)
                return WRONG;
            sigprocmask(SIG_SETMASK, &old, nullptr);
            arch_tp_unpin(&t);
            be_switched();
            if (arch_tp() != (void *)t.tp)
                return WRONG;
        }
        return OK;
    }));
}

TEST(TrappedThreadPointer, OtherFaultsAreTheProgramsOwn)
{
    HERE(in_child([] {
        arch_thread t;
        if (!begin(&t))
            return NOT_HERE;
        guarded = (char *)mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < 10; i++) {
            mprotect(guarded, 4096, PROT_NONE);
            be_switched();
            *(volatile char *)guarded = 1;
        }
        return own_faults == 10 ? OK : WRONG;
    }));
}

TEST(TrappedThreadPointer, AWildPointerIntoTheRegionIsReportedInTheEnd)
{
    HERE(in_child([] {
        arch_thread t;
        if (!begin(&t))
            return NOT_HERE;
        arch_trap_chain([](int, siginfo_t *, void *) { _exit(OK); });
        *(volatile char *)t.trap = 1;
        return WRONG;
    }));
}

TEST(TrappedThreadPointer, SlotsAreUsedAgain)
{
    HERE(in_child([] {
        const char *why;
        arch_thread t[3];
        if (arch_init(&why) || !arch_trap_init())
            return NOT_HERE;
        for (auto &one : t)
            if (!arch_thread_reserve(&one))
                return WRONG;
        uintptr_t second = t[1].trap;
        arch_thread_release(&t[1]);
        arch_thread again;
        if (!arch_thread_reserve(&again) || again.trap != second || t[0].trap == t[2].trap)
            return WRONG;
        for (int i = 0; i < 100000; i++)
            if (!arch_thread_reserve(&again))
                return OK; /* a limit, and it is said */
        return WRONG;
    }));
}

} // namespace
