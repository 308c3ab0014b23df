// A thread that overflows its stack: the process dies as the default action says, unless a handler on an alternate stack takes it.
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SMALL (128 << 10)

static pthread_barrier_t together;

static __attribute__((noinline)) long deeper(long n)
{
    volatile char room[200];
    room[0] = (char)n;
    return n < 0 ? 0 : deeper(n + 1) + room[0];
}

static void handle(void (*handler)(int), int flags)
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
}

static void alternate(void)
{
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK_EQ(sigaltstack(&s, NULL), 0);
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

static void *plain(void *arg)
{
    (void)arg;
    return (void *)deeper(0);
}

static void *ignored(void *arg)
{
    handle(SIG_IGN, 0);
    return plain(arg);
}

static void *blocked(void *arg)
{
    sigset_t set;
    handle(leave, SA_ONSTACK);
    alternate();
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return plain(arg);
}

static void *no_room(void *arg)
{
    handle(leave, SA_ONSTACK); // and no alternate stack
    return plain(arg);
}

static void *handled(void *arg)
{
    handle(leave, SA_ONSTACK);
    alternate();
    return plain(arg);
}

static void *given_up(void *arg)
{
    handle(give_up, SA_ONSTACK);
    alternate();
    return plain(arg);
}

static void *at_once(void *arg)
{
    pthread_barrier_wait(&together);
    return plain(arg);
}

static void *waits(void *arg)
{
    pause();
    return arg;
}

// Under a memory of the program's own, with a guard page of its own.
static void own_stack(pthread_attr_t *attr)
{
    char *p = mmap(NULL, SMALL + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(mprotect(p, 4096, PROT_NONE), 0);
    CHECK_EQ(pthread_attr_setstack(attr, p + 4096, SMALL), 0);
}

static void child(void *(*how)(void *), int n, int own)
{
    pthread_t t[2];
    pthread_attr_t attr;
    CHECK_EQ(dup2(open("/dev/null", O_WRONLY), 2), 2); // what is said of it is no part of this
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, SMALL), 0);
    if (own)
        own_stack(&attr);
    CHECK_EQ(pthread_barrier_init(&together, NULL, 2), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_create(&t[i], &attr, how, NULL), 0);
    if (how == waits)
        deeper(0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    _exit(0);
}

static void check(const char *what, void *(*how)(void *), int n, int own)
{
    int status;
    pid_t p = fork();
    if (p == 0)
        child(how, n, own);
    CHECK_EQ(waitpid(p, &status, 0), p);
    if (WIFSIGNALED(status))
        printf("%s: signal %d, core %d\n", what, WTERMSIG(status), WCOREDUMP(status) != 0);
    else
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    fflush(stdout);
}

int main(void)
{
    struct rlimit l;
    CHECK_EQ(getrlimit(RLIMIT_STACK, &l), 0);
    l.rlim_cur = 256 << 10;
    CHECK_EQ(setrlimit(RLIMIT_STACK, &l), 0);
    check("by default", plain, 1, 0);
    check("ignored", ignored, 1, 0);
    check("blocked", blocked, 1, 0);
    check("handler without room", no_room, 1, 0);
    check("handler", handled, 1, 0);
    check("handler that gives up", given_up, 1, 0);
    check("stack of one's own", plain, 1, 1);
    check("two at once", at_once, 2, 0);
    check("main thread", waits, 1, 0);
    return 0;
}
