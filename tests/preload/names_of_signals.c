// Signal calls under their old and internal names, _longjmp and the forms of syslog, in a thread of their own.
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <syslog.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

typedef void (*handler)(int);
extern int __sigaction(int, const struct sigaction *, struct sigaction *);
extern int __sigsuspend(const sigset_t *);
extern int __sigpause(int, int);
extern int sigpause(int);
extern handler bsd_signal(int, handler);
extern handler __sysv_signal(int, handler);
extern handler sysv_signal(int, handler);
extern void __syslog_chk(int, int, const char *, ...);
extern void __vsyslog_chk(int, int, const char *, va_list);
// The header makes sigpause that of System V.
__asm__(".symver bsd_pause, sigpause@GLIBC_2.2.5");
extern int bsd_pause(int);

static volatile int ran;

static void count(int sig)
{
    ran += sig == SIGUSR1 ? 1 : 100;
}

static void log_all(const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    vsyslog(LOG_DEBUG, format, ap);
    __vsyslog_chk(LOG_DEBUG, 1, format, again);
    va_end(again);
    va_end(ap);
}

static void *run(void *arg)
{
    struct sigaction sa = {.sa_handler = count}, old;
    sigset_t set;
    jmp_buf env;
    volatile int jumps = 0;
    SHOW(__sigaction(SIGUSR1, &sa, &old));
    SHOW(old.sa_handler == SIG_DFL);
    SHOW(__sigaction(SIGKILL, &sa, NULL));
    SHOW(gsignal(SIGUSR1));
    SHOW(ran);
    SHOW(gsignal(65));
    SHOW(ssignal(SIGUSR1, SIG_IGN) == count);
    SHOW(gsignal(SIGUSR1));
    SHOW(ran);
    SHOW(bsd_signal(SIGUSR1, count) == SIG_IGN);
    SHOW(gsignal(SIGUSR1));
    SHOW(gsignal(SIGUSR1)); // it stays
    SHOW(ran);
    SHOW(sysv_signal(SIGUSR1, count) == count);
    SHOW(gsignal(SIGUSR1));
    SHOW(signal(SIGUSR1, count) == SIG_DFL); // it was taken away
    SHOW(__sysv_signal(SIGUSR1, count) == count);
    SHOW(gsignal(SIGUSR1));
    SHOW(signal(SIGUSR1, count) == SIG_DFL);
    SHOW(bsd_signal(0, count) == SIG_ERR);
    SHOW(__sysv_signal(65, count) == SIG_ERR);

    ran = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    SHOW(ran);
    SHOW(bsd_pause(0)); // a mask: nothing is blocked
    SHOW(ran);
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    SHOW(__sigpause(SIGUSR1, 1)); // a signal: it is let through
    SHOW(ran);
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    sigemptyset(&set);
    SHOW(__sigsuspend(&set));
    SHOW(ran);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    SHOW(sigismember(&set, SIGUSR1));

    if (_setjmp(env) < 3) {
        jumps++;
        _longjmp(env, jumps);
    }
    SHOW(jumps);

    errno = ENOENT;
    log_all("preload test: %d %m", 2);
    __syslog_chk(LOG_DEBUG, 1, "preload test: %d", 3);
    return arg;
}

int main(void)
{
    finish(start(run, NULL));
    return 0;
}
