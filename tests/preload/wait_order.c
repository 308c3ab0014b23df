/* When a wait has found a child's end, the handlers of what the child sent before it, and of SIGCHLD, have run. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 40 };

static volatile sig_atomic_t ended, told;

static void handler(int sig)
{
    if (sig == SIGCHLD)
        ended++;
    else
        told++;
}

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
    int late_end = 0, late_word = 0;
    pthread_t t;

    if (sigaction(SIGCHLD, &sa, NULL) || sigaction(SIGUSR1, &sa, NULL) || pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
        abort();
    for (int i = 0; i < TIMES; i++) {
        pid_t pid = fork();
        siginfo_t info;

        if (!pid) {
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        if (i % 3 == 0 ? waitpid(pid, NULL, 0) != pid : i % 3 == 1 ? wait(NULL) != pid : waitid(P_PID, (id_t)pid, &info, WEXITED))
            abort();
        late_end += ended != i + 1;
        late_word += told != i + 1;
    }
    printf("late: end %d, word %d\n", late_end, late_word);
    return 0;
}
