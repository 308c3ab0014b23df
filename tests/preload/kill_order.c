/* A signal that a thread sends to its process is the main thread's, if that has it unblocked, when the call returns: the handler has run
 * before the main thread sees what the sender does next. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TIMES = 320, WAYS = 8 };

static int there[2], back[2], self;
static volatile sig_atomic_t came, value;
static pthread_t main_thread, on;

static void handler(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)uc;
    came++;
    value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
    on = pthread_self();
    if (info->si_pid != getpid())
        abort();
}

static void send_one(int i)
{
    siginfo_t info = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE };

    info.si_pid = getpid();
    info.si_value.sival_int = i;
    switch (i % WAYS) {
    case 0: kill(getpid(), SIGUSR1); break;
    case 1: sigqueue(getpid(), SIGRTMIN, info.si_value); break;
    case 2: syscall(SYS_kill, getpid(), SIGUSR1); break;
    case 3: syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info); break;
    case 4: pidfd_send_signal(self, SIGUSR1, NULL, 0); break;
    case 5: syscall(SYS_pidfd_send_signal, self, SIGRTMIN, &info, 0); break;
    case 6: kill(0, SIGUSR1); break;
    case 7: killpg(getpgrp(), SIGUSR1); break;
    }
}

static void *send(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        char c;

        if (read(back[0], &c, 1) != 1)
            abort();
        send_one(i);
        if (write(there[1], "x", 1) != 1)
            abort();
    }
    return arg;
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
    int late = 0, wrong = 0, elsewhere = 0;
    pthread_t t;

    main_thread = pthread_self();
    if ((getpgrp() != getpid() && setpgid(0, 0)) || (self = pidfd_open(getpid(), 0)) < 0 || pipe(there) || pipe(back) || sigaction(SIGUSR1, &sa, NULL) || sigaction(SIGRTMIN, &sa, NULL) ||
        pthread_create(&t, NULL, send, NULL))
        abort();
    for (int i = 0; i < TIMES; i++) {
        char c;

        if (write(back[1], "x", 1) != 1 || read(there[0], &c, 1) != 1)
            abort();
        late += came != i + 1;
        wrong += value != (i % WAYS == 1 || i % WAYS == 3 || i % WAYS == 5 ? i : 0);
        elsewhere += !pthread_equal(on, main_thread);
    }
    pthread_join(t, NULL);
    printf("late %d, wrong %d, on another thread %d\n", late, wrong, elsewhere);
    return 0;
}
