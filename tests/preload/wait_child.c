// Waiting for children: one, any, by pidfd; states, WNOHANG, WNOWAIT, stops, EINTR, SIGCHLD ignored, many at once.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MANY = 30 };

static pid_t child(int status, int ms)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(50);
        if (ms < 0)
            for (;;)
                pause();
        usleep((useconds_t)ms * 1000);
        _exit(status);
    }
    return pid;
}

static void *one(void *arg)
{
    int n = (int)(intptr_t)arg, status = -1;
    pid_t pid = child(n, n % 5 * 10);
    siginfo_t info = {0};
    switch (n % 4) {
    case 0:
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == n);
        break;
    case 1: {
        struct rusage ru;
        memset(&ru, 0xff, sizeof ru);
        CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == n);
        CHECK(ru.ru_utime.tv_sec >= 0 && ru.ru_utime.tv_sec < 100);
        break;
    }
    case 2:
        CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        CHECK(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == n && info.si_signo == SIGCHLD);
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
        break;
    default: {
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        CHECK(fd >= 0);
        CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), 0);
        CHECK(info.si_pid == pid && info.si_status == n);
        CHECK_ERRNO(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
        close(fd);
    }
    }
    CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
    return NULL;
}

static pid_t target;
static volatile int ended;
static volatile sig_atomic_t handled;

static void handle(int sig)
{
    handled = sig;
}

static void *wait_target(void *arg)
{
    int status = 0;
    pid_t r = waitpid(target, &status, (int)(intptr_t)arg);
    intptr_t result = r < 0 ? -errno : status;
    ended = 1;
    return (void *)result;
}

static void interrupted(int restart)
{
    struct sigaction sa = {.sa_handler = handle, .sa_flags = restart ? SA_RESTART : 0};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    target = child(0, -1);
    handled = ended = 0;
    pthread_t t = start(wait_target, NULL);
    while (restart ? !handled : !ended) {
        pthread_kill(t, SIGUSR1);
        nap_ms(1);
    }
    CHECK_EQ(kill(target, SIGKILL), 0);
    intptr_t r = (intptr_t)finish(t);
    printf("restart %d: %ld\n", restart, (long)r);
    if (!restart)
        CHECK_EQ(waitpid(target, NULL, 0), target);
}

static void stops(void)
{
    int status;
    target = child(0, -1);
    CHECK_EQ(waitpid(target, &status, WNOHANG), 0);
    siginfo_t info;
    memset(&info, 0xff, sizeof info);
    CHECK_EQ(waitid(P_PID, (id_t)target, &info, WEXITED | WNOHANG), 0);
    CHECK_EQ(info.si_pid, 0);
    pthread_t t = start(wait_target, (void *)WUNTRACED);
    kill(target, SIGSTOP);
    status = (int)(intptr_t)finish(t);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    t = start(wait_target, (void *)WCONTINUED);
    kill(target, SIGCONT);
    CHECK(WIFCONTINUED((int)(intptr_t)finish(t)));
    t = start(wait_target, NULL); // not for stops
    kill(target, SIGSTOP);
    kill(target, SIGKILL);
    status = (int)(intptr_t)finish(t);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// A child that asks to be traced ends the wait by stopping.
static void traced(void)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        usleep(50000);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGUSR2);
        _exit(3);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
}

static void *both(void *arg)
{
    intptr_t r = waitpid(target, NULL, 0);
    return (void *)(r < 0 ? -errno + 0 * (intptr_t)arg : r);
}

int main(void)
{
    pthread_t t[MANY];
    for (intptr_t i = 0; i < MANY; i++)
        t[i] = start(one, (void *)i);
    for (int i = 0; i < MANY; i++)
        finish(t[i]);
    puts("many");
    target = child(7, 30); // two wait for one
    t[0] = start(both, NULL);
    t[1] = start(both, NULL);
    intptr_t a = (intptr_t)finish(t[0]), b = (intptr_t)finish(t[1]);
    CHECK((a == target && b == -ECHILD) || (b == target && a == -ECHILD));
    interrupted(1);
    interrupted(0);
    stops();
    puts("stops");
    traced();
    puts("traced");
    CHECK_ERRNO(waitpid(getppid(), NULL, 0), ECHILD);
    CHECK_ERRNO(waitpid(1 << 30, NULL, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, NULL, 12345678), EINVAL);
    CHECK_ERRNO(waitid(P_PIDFD, 999, NULL, WEXITED), EBADF);
    CHECK_ERRNO(waitid(P_PID, 1, NULL, 0), EINVAL);
    target = child(0, 10);
    CHECK_ERRNO(waitpid(target, (int *)8, 0), EFAULT);
    signal(SIGCHLD, SIG_IGN); // children reap themselves; a wait ends with ECHILD when they have
    target = child(0, 20);
    CHECK_ERRNO(waitpid(target, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
    // No descriptor of the library's is left behind.
    int fd = dup(0);
    printf("next descriptor %d\n", fd);
    return 0;
}
