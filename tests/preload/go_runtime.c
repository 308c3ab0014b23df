/* A program with Go's runtime in it, known by two names that it exports: what its threads tell the kernel by system call
 * instructions of their own, here an alternate signal stack, and their numbers hold. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void crosscall2(void);
void _cgo_topofstack(void);
void crosscall2(void) {}
void _cgo_topofstack(void) {}

enum { THREADS = 8, STACK = 65536 };

static __thread char *mine;
static __thread int on_it;

static long direct(long n, const void *a, const void *b)
{
    long r;

    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return r;
}

static void handler(int sig)
{
    char here;

    (void)sig;
    on_it += (uintptr_t)&here - (uintptr_t)mine < STACK;
}

static void *work(void *arg)
{
    stack_t s = { .ss_size = STACK, .ss_sp = mine = malloc(STACK) };
    stack_t off = { .ss_flags = SS_DISABLE };
    char path[64];

    (void)arg;
    if (!mine || direct(SYS_sigaltstack, &s, NULL))
        abort();
    for (int i = 0; i < 20; i++) {
        pthread_kill(pthread_self(), SIGUSR1);
        usleep(100);
    }
    snprintf(path, sizeof path, "/proc/self/task/%ld", direct(SYS_gettid, NULL, NULL));
    on_it += direct(SYS_gettid, NULL, NULL) == gettid() && !access(path, F_OK);
    direct(SYS_sigaltstack, &off, NULL);
    free(mine);
    return (void *)(intptr_t)on_it;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
    pthread_t t[THREADS];
    long sum = 0;

    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, work, NULL))
            abort();
    for (int i = 0; i < THREADS; i++) {
        void *r;

        pthread_join(t[i], &r);
        sum += (intptr_t)r;
    }
    printf("%ld\n", sum);
    return 0;
}
