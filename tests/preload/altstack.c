// Alternate signal stacks, as sigaltstack(2) and sigaction(2) have them: handlers of every kind of signal run there, may wait
// there, nest, jump out; each thread has its own.
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>

#define SIZE 65536
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static __thread char *low;
static __thread volatile int hits, depth;
static atomic_int spinning, stop;
static sem_t entered;

static int on_alt(const void *p)
{
    return (const char *)p > low && (const char *)p < low + SIZE;
}

static stack_t now(void)
{
    stack_t s;
    CHECK_EQ(sigaltstack(NULL, &s), 0);
    return s;
}

static void set(void *sp, size_t size, int flags)
{
    stack_t s = {.ss_sp = sp, .ss_size = size, .ss_flags = flags};
    CHECK_EQ(sigaltstack(&s, NULL), 0);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    char here;
    stack_t s = now(), other = {.ss_sp = low, .ss_size = SIZE / 2};
    (void)info;
    CHECK(on_alt(&here));
    CHECK_EQ(s.ss_flags, SS_ONSTACK);
    CHECK(s.ss_sp == low && s.ss_size == SIZE);
    CHECK(uc->uc_stack.ss_sp == low && uc->uc_stack.ss_size == SIZE);
    errno = 0;
    CHECK(sigaltstack(&other, NULL) == -1 && errno == EPERM);
    hits++;
    if (depth++ == 0 && sig == SIGUSR1) {
        usleep(100); // waits on that stack; others run meanwhile
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR2), 0); // and one on top of it
        CHECK_EQ(hits, 2);
    }
    depth--;
    CHECK(on_alt(&here));
}

static void on_plain(int sig)
{
    char here;
    (void)sig;
    CHECK(!on_alt(&here));
    hits++;
}

static void *own(void *arg)
{
    CHECK_EQ(now().ss_flags, SS_DISABLE);
    low = malloc(SIZE);
    set(low, SIZE, 0);
    for (int i = 0; i < 50; i++) {
        hits = 0;
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
        CHECK_EQ(hits, 2);
        CHECK_EQ(pthread_kill(pthread_self(), SIGURG), 0); // without SA_ONSTACK
        CHECK_EQ(hits, 3);
        CHECK_EQ(now().ss_flags, 0);
    }
    set(NULL, 0, SS_DISABLE);
    CHECK_EQ(now().ss_flags, SS_DISABLE);
    free(low);
    return arg;
}

// One that computes, and one that waits, are interrupted there too.
static void on_note(int sig)
{
    char here;
    (void)sig;
    CHECK(on_alt(&here));
    sem_post(&entered);
    usleep(10);
}

static void *compute(void *arg)
{
    low = malloc(SIZE);
    set(low, SIZE, 0);
    atomic_fetch_add(&spinning, 1);
    while (!atomic_load(&stop))
        ;
    set(NULL, 0, SS_DISABLE);
    free(low);
    return arg;
}

static void *sleep_there(void *arg)
{
    int p[2];
    char c;
    CHECK_EQ(pipe(p), 0);
    low = malloc(SIZE);
    set(low, SIZE, 0);
    atomic_fetch_add(&spinning, 1);
    *(int *)arg = p[1];
    CHECK_EQ(read(p[0], &c, 1), 1); // SA_RESTART
    set(NULL, 0, SS_DISABLE);
    free(low);
    close(p[0]);
    close(p[1]);
    return arg;
}

static void interrupted(void)
{
    int fd = -1;
    pthread_t a = start(compute, NULL), b = start(sleep_there, &fd);
    while (atomic_load(&spinning) < 2)
        sched_yield();
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_kill(a, SIGHUP), 0);
        CHECK_EQ(sem_wait(&entered), 0);
        CHECK_EQ(pthread_kill(b, SIGHUP), 0);
        CHECK_EQ(sem_wait(&entered), 0);
    }
    atomic_store(&stop, 1);
    CHECK_EQ(write(fd, "x", 1), 1);
    finish(a);
    finish(b);
}

// A handler that is called with the stack disarmed, and may leave it for good.
static void on_disarmed(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    char here;
    (void)sig;
    (void)info;
    CHECK(on_alt(&here));
    CHECK(now().ss_flags & SS_DISABLE);
    CHECK(uc->uc_stack.ss_sp == low && uc->uc_stack.ss_size == SIZE);
    hits++;
}

static sigjmp_buf out;
static void jump(int sig, siginfo_t *info, void *context)
{
    char here;
    (void)sig;
    (void)info;
    (void)context;
    CHECK(on_alt(&here));
    siglongjmp(out, 1);
}

static void *special(void *arg)
{
    low = malloc(SIZE);
    stack_t s = {.ss_sp = low, .ss_size = SIZE, .ss_flags = 16};
    CHECK(sigaltstack(&s, NULL) == -1 && errno == EINVAL);
    s = (stack_t){.ss_sp = low, .ss_size = 100};
    CHECK(sigaltstack(&s, NULL) == -1 && errno == ENOMEM);
    CHECK_EQ(now().ss_flags, SS_DISABLE);
    set(low, SIZE, (int)SS_AUTODISARM);
    hits = 0;
    CHECK_EQ(pthread_kill(pthread_self(), SIGALRM), 0);
    CHECK_EQ(hits, 1);
    s = now();
    CHECK(s.ss_sp == low && s.ss_size == SIZE && (unsigned)s.ss_flags == SS_AUTODISARM);
    set(low, SIZE, 0);
    for (volatile int i = 0; i < 20; i++) {
        if (sigsetjmp(out, 1) == 0)
            CHECK_EQ(pthread_kill(pthread_self(), SIGTERM), 0);
        else
            CHECK_EQ(now().ss_flags, 0);
    }
    // The child has the stack that its parent thread had.
    hits = 0;
    pid_t p = fork();
    if (p == 0) {
        s = now();
        CHECK(s.ss_sp == low && s.ss_size == SIZE && s.ss_flags == 0);
        CHECK_EQ(raise(SIGUSR2), 0);
        _exit(hits == 1 ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(p, &status, 0), p);
    CHECK_EQ(status, 0);
    set(NULL, 0, SS_DISABLE);
    free(low);
    return arg;
}

// Recursion until the stack is full: found on the alternate stack, which natively is the only way.
static void *deeper(void *p)
{
    volatile char room[512];
    room[0] = p ? *(char *)p : 1;
    if (room[0] != 1)
        return NULL;
    char *r = deeper((void *)room);
    return r + room[0];
}
static void *overflow(void *arg)
{
    struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    low = malloc(SIZE);
    set(low, SIZE, 0);
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(out, 1) == 0)
            deeper(NULL);
    puts("overflow found");
    set(NULL, 0, SS_DISABLE);
    free(low);
    return arg;
}

// Without one the process dies of it.
static void dies(void)
{
    pid_t p = fork();
    if (p == 0) {
        pthread_t t;
        struct sigaction sa = {.sa_handler = on_plain};
        dup2(open("/dev/null", O_WRONLY), 2); // what is said of it is no part of this
        sigaction(SIGSEGV, &sa, NULL);
        pthread_create(&t, NULL, deeper, NULL);
        pthread_join(t, NULL);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(p, &status, 0), p);
    printf("overflow without one: signal %d\n", WTERMSIG(status));
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    pthread_t t[8];
    CHECK_EQ(sem_init(&entered, 0, 0), 0);
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    sa.sa_sigaction = on_disarmed;
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    sa.sa_sigaction = jump;
    CHECK_EQ(sigaction(SIGTERM, &sa, NULL), 0);
    sa = (struct sigaction){.sa_handler = on_note, .sa_flags = SA_ONSTACK | SA_RESTART};
    CHECK_EQ(sigaction(SIGHUP, &sa, NULL), 0);
    sa = (struct sigaction){.sa_handler = on_plain};
    CHECK_EQ(sigaction(SIGURG, &sa, NULL), 0);
    low = malloc(SIZE); // the main thread's, set before the first thread exists
    set(low, SIZE, 0);
    for (int i = 0; i < 8; i++)
        t[i] = start(own, NULL);
    for (int i = 0; i < 8; i++)
        finish(t[i]);
    CHECK_EQ(now().ss_flags, 0);
    CHECK(now().ss_sp == low);
    hits = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(hits, 2);
    puts("each has its own");
    interrupted();
    puts("interrupted there");
    finish(start(special, NULL));
    puts("special");
    finish(start(overflow, NULL));
    dies();
    return 0;
}
