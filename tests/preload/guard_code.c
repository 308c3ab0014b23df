// What a handler is told of a stack overflow, and of an access to nothing.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

static char *lowest; // of the stack

static void on_fault(int sig, siginfo_t *info, void *uc)
{
    char *at = info->si_addr;
    (void)uc;
    CHECK_EQ(sig, SIGSEGV);
    dprintf(1, "%s%s\n", info->si_code == SEGV_ACCERR ? "ACCERR" : info->si_code == SEGV_MAPERR ? "MAPERR" : "?",
            at && at < lowest && at >= lowest - 65536 ? ", below the stack" : "");
    _exit(info->si_code);
}

static __attribute__((noinline)) long deeper(long n)
{
    volatile char room[1024];
    room[0] = (char)n;
    return n < 0 ? 0 : deeper(n + 1) + room[0];
}

static void *fault(void *arg)
{
    pthread_attr_t attr;
    size_t size;
    void *lo;
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK_EQ(sigaltstack(&s, NULL), 0);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &lo, &size), 0);
    lowest = lo;
    lowest += 4096; // give or take a page
    switch ((intptr_t)arg) {
    case 0:
        return (void *)deeper(0);
    case 1:
        return (void *)(intptr_t)*(volatile char *)opaque(16);
    default:
        lo = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return (void *)(intptr_t)*(volatile char *)lo;
    }
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int status;
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    for (intptr_t i = 0; i < 3; i++) {
        pid_t p = fork();
        CHECK(p >= 0);
        if (p == 0) {
            finish(start(fault, (void *)i));
            _exit(99);
        }
        CHECK_EQ(waitpid(p, &status, 0), p);
        printf("%d\n", WEXITSTATUS(status));
    }
    return 0;
}
