// Threads that the kernel takes the CPU from at any instruction keep their thread-local storage, whatever the process does
// meanwhile: real faults with a handler, children, timers with threads of libc's own, all signals blocked.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define COMPUTING 12
#define ROUNDS 12

static __thread volatile long mine[32];
static __thread sigjmp_buf back;
static __thread volatile int expected;
static atomic_int stop;
static atomic_long spun;
static char *guarded;

static void look(long who)
{
    for (int i = 0; i < 32; i++)
        CHECK_EQ(mine[i], who);
    CHECK_EQ(errno, (int)who);
}

static void *compute(void *arg)
{
    long who = (long)arg;
    pthread_t self = pthread_self();
    sigset_t all;
    sigfillset(&all);
    if (who % 2)
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    for (int i = 0; i < 32; i++)
        mine[i] = who;
    errno = (int)who;
    while (!atomic_load(&stop)) {
        look(who);
        CHECK(pthread_equal(self, pthread_self()));
        atomic_fetch_add_explicit(&spun, 1, memory_order_relaxed);
    }
    return NULL;
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    CHECK(expected && sig == SIGSEGV && (char *)info->si_addr == guarded + 8);
    expected = 0;
    siglongjmp(back, 1);
}

static void *fault(void *arg)
{
    while (!atomic_load(&stop)) {
        errno = 77;
        if (sigsetjmp(back, 1) == 0) {
            expected = 1;
            *(volatile int *)(guarded + 8) = 1;
            CHECK(!"reached");
        }
        CHECK_EQ(expected, 0);
    }
    return arg;
}

static atomic_int ticks;
static void on_timer(union sigval v)
{
    (void)v;
    atomic_fetch_add(&ticks, 1);
}

static void children(void)
{
    char *argv[] = {"true", NULL}, *envp[] = {NULL};
    int status;
    pid_t pid;

    CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(system("exit 3") >> 8, 3);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        errno = 5;
        sched_yield();
        _exit(errno == 5 ? 7 : 8);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 7);
    pid = vfork();
    if (pid == 0)
        _exit(9);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
}

static void timers(void)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer};
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    int before = atomic_load(&ticks);
    timer_t t;

    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    CHECK_EQ(timer_settime(t, 0, &soon, NULL), 0);
    while (atomic_load(&ticks) == before)
        sched_yield();
    CHECK_EQ(timer_delete(t), 0);
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    pthread_t threads[COMPUTING + 2];
    long seen = 0;

    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(guarded != MAP_FAILED);
    sigfillset(&sa.sa_mask);
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    for (long i = 0; i < COMPUTING; i++)
        threads[i] = start(compute, (void *)(i + 1));
    threads[COMPUTING] = start(fault, NULL);
    threads[COMPUTING + 1] = start(fault, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        children();
        timers();
    }
    while ((seen = atomic_load(&spun)) < 20000)
        nap_ms(1);
    atomic_store(&stop, 1);
    for (int i = 0; i < COMPUTING + 2; i++)
        finish(threads[i]);
    puts("kept");

    // Blocked, a fault ends the process, as does one without a handler.
    for (int blocked = 0; blocked < 2; blocked++) {
        pid_t pid = fork();
        if (pid == 0) {
            threads[0] = start(compute, NULL);
            signal(SIGSEGV, SIG_DFL);
            if (blocked) {
                CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
                expected = 1;
                CHECK_EQ(pthread_sigmask(SIG_BLOCK, &sa.sa_mask, NULL), 0);
            }
            *(volatile int *)(guarded + 8) = 1;
            _exit(1);
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        printf("killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    }
    return 0;
}
