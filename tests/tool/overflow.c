/* overflow HOW: a thread overflows its stack. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEEP __attribute__((noinline)) long
#define ROOM(n) volatile char room[n]; room[0] = (char)i

DEEP deeper(long i)
{
    ROOM(100);
    return deeper(i + 1) + room[0];
}

DEEP odd(long i);
DEEP even(long i)
{
    ROOM(100);
    return odd(i + 1) + room[0];
}
DEEP odd(long i)
{
    ROOM(200);
    return even(i + 1) + room[0];
}

static int compare(const void *a, const void *b)
{
    return deeper(0) + (a < b);
}

static void leave(int sig)
{
    (void)sig;
    _exit(7);
}
static void give_up(int sig)
{
    signal(sig, SIG_DFL);
}

static void on_own_stack(void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};

    sigaltstack(&s, NULL);
    sigaction(SIGSEGV, &sa, NULL);
}

static int is(const char *how, const char *what)
{
    return strcmp(how, what) == 0;
}

/* On an alternate stack with a guard below it. */
static void go_deeper(int sig)
{
    deeper(sig);
}
static void overflow_alternate(void)
{
    struct sigaction sa = {.sa_handler = go_deeper, .sa_flags = SA_ONSTACK};
    char *m = mmap(NULL, 128 << 10, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t s = {.ss_sp = m + (64 << 10), .ss_size = 64 << 10};

    mprotect(s.ss_sp, s.ss_size, PROT_READ | PROT_WRITE);
    sigaltstack(&s, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
}

void *worker(void *how)
{
    int list[4] = {4, 2, 1, 3};

    pthread_setname_np(pthread_self(), "net\t7");
    if (is(how, "in turn"))
        return (void *)even(0);
    if (is(how, "in libc"))
        qsort(list, 4, sizeof *list, compare);
    if (is(how, "handled"))
        on_own_stack(leave);
    if (is(how, "given up"))
        on_own_stack(give_up);
    if (is(how, "alternate"))
        overflow_alternate();
    if (is(how, "other fault"))
        *(volatile int *)8 = 0;
    if (is(how, "main"))
        pause();
    return (void *)deeper(0);
}

int main(int argc, char **argv)
{
    pthread_t t;
    pthread_attr_t attr;

    if (argc != 2)
        return 2;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    pthread_create(&t, &attr, worker, argv[1]);
    if (is(argv[1], "main"))
        deeper(0);
    pthread_join(t, NULL);
    return 0;
}
