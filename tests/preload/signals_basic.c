// Handlers: raise and pthread_kill run them in the right thread, kill in one that may, SIGCHLD, alarm, interval timers,
// alternate stacks, faults that a handler jumps out of.
#include "check.h"
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { THREADS = 20 };

static __thread volatile int mine;
static volatile int total;
static pthread_t main_thread;
static volatile int in_main;
static sem_t sem;

static void count(int sig)
{
    int kept = errno;
    (void)sig;
    mine++;
    __atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
    in_main = pthread_equal(pthread_self(), main_thread);
    sem_post(&sem);
    errno = kept;
}

static void handle(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void *raise_here(void *arg)
{
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(mine, i); // before raise returns
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR2), 0);
        CHECK_EQ(mine, ++i);
        if (i % 4 == 0)
            usleep(10);
    }
    return arg;
}

static void *wait_for_hits(void *arg)
{
    while (mine < 5)
        sched_yield();
    return arg;
}

static void *block_usr1(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    sem_post(&sem);
    sem_wait(arg);
    CHECK_EQ(mine, 0);
    return NULL;
}

static void raised(void)
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        t[i] = start(raise_here, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("raised %d\n", total);

    total = 0;
    for (int i = 0; i < THREADS; i++)
        t[i] = start(wait_for_hits, NULL);
    while (sem_trywait(&sem) == 0)
        ;
    for (int k = 0; k < 5; k++)
        for (int i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_kill(t[i], SIGUSR1), 0);
            while (sem_wait(&sem) != 0) // one after the other: they would merge
                CHECK_EQ(errno, EINTR);
        }
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("sent to threads %d\n", total);
    CHECK_EQ(pthread_kill(pthread_self(), 999), EINVAL);
    CHECK_EQ(pthread_kill(pthread_self(), 0), 0);
}

// Signals for the process go to main where it may take them, whoever sends them.
static void *send_to_process(void *arg)
{
    sigset_t set;
    sigfillset(&set);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    return arg;
}

static void for_the_process(void)
{
    pthread_t t[THREADS];
    sem_t end;
    sem_init(&end, 0, 0);
    mine = 0;
    for (int i = 0; i < THREADS; i++)
        t[i] = start(block_usr1, &end);
    for (int i = 0; i < THREADS; i++)
        sem_wait(&sem);
    for (int i = 0; i < 10; i++) {
        in_main = 0;
        pthread_t s = start(send_to_process, NULL);
        while (sem_wait(&sem) != 0)
            CHECK_EQ(errno, EINTR);
        CHECK(in_main);
        finish(s);
    }
    CHECK_EQ(mine, 10);
    for (int i = 0; i < THREADS; i++)
        sem_post(&end);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("for the process: main");
}

static void children(void)
{
    handle(SIGCHLD, count, SA_RESTART | SA_NOCLDSTOP);
    for (int i = 0; i < 5; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(i);
        while (sem_wait(&sem) != 0)
            CHECK_EQ(errno, EINTR);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WEXITSTATUS(status), i);
    }
    handle(SIGCHLD, SIG_DFL, 0);
    puts("children");

    handle(SIGALRM, count, SA_RESTART);
    // First the one that is measured: the interval timer's last signal may still be on its way when that is off.
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(alarm(1), 0);
    while (sem_wait(&sem) != 0)
        CHECK_EQ(errno, EINTR);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 900000000); // by the real-time clock's ticks
    CHECK_EQ(alarm(0), 0);
    struct itimerval it = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
    for (int i = 0; i < 5; i++)
        while (sem_wait(&sem) != 0)
            CHECK_EQ(errno, EINTR);
    CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
    puts("alarms");
}

static __thread sigjmp_buf out;
static __thread char *alt_low, *alt_high;

static void jump_out(int sig, siginfo_t *info, void *context)
{
    char local;
    (void)context;
    CHECK(sig == SIGSEGV && info->si_addr == (void *)16);
    CHECK(&local > alt_low && &local < alt_high);
    siglongjmp(out, 1);
}

static void *fault(void *arg)
{
    stack_t alt = {.ss_size = 65536}, was;
    CHECK_EQ(sigaltstack(NULL, &was), 0);
    CHECK(was.ss_flags & SS_DISABLE);
    alt.ss_sp = alt_low = malloc(alt.ss_size);
    alt_high = alt_low + alt.ss_size;
    CHECK_EQ(sigaltstack(&alt, NULL), 0);
    for (volatile int i = 0; i < 20; i++) {
        if (sigsetjmp(out, 1) == 0) {
            usleep(10);
            *(volatile int *)opaque(16) = 1;
            CHECK(0);
        }
        sched_yield();
        CHECK_EQ(sigaltstack(NULL, &was), 0);
        CHECK(was.ss_sp == alt_low && was.ss_size == alt.ss_size && was.ss_flags == 0);
    }
    alt.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&alt, NULL), 0);
    free(alt_low);
    return arg;
}

int main(void)
{
    pthread_t t[THREADS];
    main_thread = pthread_self();
    sem_init(&sem, 0, 0);
    handle(SIGUSR1, count, SA_RESTART);
    handle(SIGUSR2, count, SA_RESTART);
    raised();
    for_the_process();
    children();
    struct sigaction sa = {.sa_sigaction = jump_out, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(fault, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("faults");
    return 0;
}
