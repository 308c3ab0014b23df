// Signals that a shell or a service manager sends to a process with many threads: STOP and CONT stop and continue all of them, TSTP too;
// TERM, HUP and USR1 reach a handler, or a thread in sigwait, or end the process by default; TERM in the middle of what ever.
#include "check.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { THREADS = 8 };

// Shared with the child.
static struct shared {
    atomic_long steps[THREADS];
    atomic_int ready, handled[65], waited;
} *s;

static void on_signal(int sig)
{
    s->handled[sig]++;
}

static void *runs(void *arg)
{
    atomic_long *mine = arg;
    int parks = (mine - s->steps) % 2;
    s->ready++;
    for (;;) {
        ++*mine;
        if (parks)
            usleep(50);
    }
    return NULL;
}

static void *waits(void *arg)
{
    sigset_t set;
    int sig;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    s->ready++;
    for (;;) {
        CHECK_EQ(sigwait(&set, &sig), 0);
        CHECK_EQ(sig, SIGUSR2);
        s->waited++;
    }
    return NULL;
}

static pid_t server(int handlers)
{
    memset(s, 0, sizeof *s);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        while (s->ready < THREADS + 1)
            usleep(200);
        return pid;
    }
    CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    CHECK_EQ(setpgid(0, 0), 0); // not orphaned: SIGTSTP stops it
    if (handlers) {
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        CHECK_EQ(sigaction(SIGHUP, &sa, NULL), 0);
        CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
        CHECK_EQ(sigaction(SIGCONT, &sa, NULL), 0);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    start(waits, NULL);
    for (int i = 0; i < THREADS; i++)
        start(runs, &s->steps[i]);
    for (;;)
        pause();
}

static void await_steps(void)
{
    for (int i = 0; i < THREADS; i++)
        for (long before = s->steps[i]; s->steps[i] == before;)
            usleep(200);
}

static void await(atomic_int *n, int want)
{
    while (*n < want)
        usleep(200);
    CHECK_EQ(*n, want);
}

// All threads stand still; what is sent meanwhile comes when they go on.
static void stop_and_continue(pid_t pid, int sig)
{
    long then[THREADS];
    int status, conts = s->handled[SIGCONT], hups = s->handled[SIGHUP];
    await_steps();
    CHECK_EQ(kill(pid, sig), 0);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), sig);
    for (int i = 0; i < THREADS; i++)
        then[i] = s->steps[i];
    CHECK_EQ(kill(pid, SIGHUP), 0);
    usleep(20000);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(s->steps[i], then[i]);
    CHECK_EQ(s->handled[SIGHUP], hups);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    await(&s->handled[SIGCONT], conts + 1);
    await(&s->handled[SIGHUP], hups + 1);
    await_steps();
}

static void ends(pid_t pid, int sig)
{
    int status;
    await_steps();
    CHECK_EQ(kill(pid, sig), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), sig);
}

int main(void)
{
    const int ending[] = {SIGTERM, SIGHUP, SIGUSR1, SIGINT, SIGALRM, SIGKILL, SIGPIPE, SIGRTMIN};
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    pid_t pid = server(1);
    stop_and_continue(pid, SIGSTOP);
    stop_and_continue(pid, SIGTSTP);
    stop_and_continue(pid, SIGSTOP);
    puts("stopped and continued");
    for (int i = 0; i < 20; i++) {
        int before = s->handled[SIGUSR1];
        CHECK_EQ(kill(pid, SIGUSR1), 0);
        await(&s->handled[SIGUSR1], before + 1);
        CHECK_EQ(kill(pid, SIGUSR2), 0);
        await(&s->waited, i + 1);
    }
    puts("handled");
    ends(pid, SIGTERM);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
        ends(server(0), ending[i]);
    puts("ended");
    return 0;
}
