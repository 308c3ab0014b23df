// Threads that give themselves an alternate signal stack, wait in it being set, and end with it unmapped, as Rust's and Java's do,
// while the kernel preempts: no signal of the runtime's own may arrive on a stack that is gone.
#include "check.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SIZE 16384
#define THREADS 16
#define ROUNDS 60

static void *user(void *arg)
{
    stack_t alt = {.ss_size = SIZE}, off = {.ss_flags = SS_DISABLE};
    alt.ss_sp = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(alt.ss_sp != MAP_FAILED);
    CHECK_EQ(sigaltstack(&alt, NULL), 0);
    for (int i = 0; i < 3; i++) {
        usleep(i * 50);
        for (volatile int k = 0; k < 3000; k++)
            ;
    }
    CHECK_EQ(sigaltstack(&off, NULL), 0);
    CHECK_EQ(munmap(alt.ss_sp, SIZE), 0);
    return arg;
}

static void on_segv(int sig)
{
    (void)sig;
    _exit(99);
}

int main(void)
{
    struct sigaction sa = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    pid_t rival[2]; // somebody the kernel has to switch to
    for (int i = 0; i < 2; i++) {
        rival[i] = fork();
        CHECK(rival[i] >= 0);
        while (rival[i] == 0)
            if (getppid() == 1)
                _exit(0);
    }
    for (int r = 0; r < ROUNDS; r++) {
        pthread_t t[THREADS];
        for (int i = 0; i < THREADS; i++)
            t[i] = start(user, NULL);
        for (int i = 0; i < THREADS; i++)
            finish(t[i]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(kill(rival[i], SIGKILL), 0);
        CHECK_EQ(waitpid(rival[i], NULL, 0), rival[i]);
    }
    puts("ended");
    return 0;
}
