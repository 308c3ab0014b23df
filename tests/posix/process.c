// fork, pthread_atfork, vfork, exec, posix_spawn, system, popen, the wait family, exit.
#include "suite.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static atomic_int go, in;
static void *wait_go(void *arg)
{
    in++;
    until(&go);
    return arg;
}
static void *idle(void *arg) { return arg; }
static int status_of(pid_t pid)
{
    int s;
    CHECK_EQ(waitpid(pid, &s, 0), pid);
    return s;
}
static void exits(pid_t pid, int code)
{
    int s = status_of(pid);
    CHECK(WIFEXITED(s));
    CHECK_EQ(WEXITSTATUS(s), code);
}

// fork: "the child process shall be created with a single thread" and works: threads, locks, sleeps in it.
BOTH(fork_child_works, {
    pthread_t t = start(wait_go, NULL);
    until(&in);
    pid_t pid = fork();
    if (pid == 0) {
        settle();
        CHECK(finish(start(idle, &go)) == &go);
        _exit(5);
    }
    exits(pid, 5);
    go = 1;
    finish(t);
})
BOTH(fork_in_the_child_again, {
    pid_t pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0) {
            finish(start(idle, NULL));
            _exit(6);
        }
        exits(pid, 6);
        _exit(7);
    }
    exits(pid, 7);
})
// fork: "The set of signals pending for the child process shall be initialized to the empty set"; the mask is inherited.
BOTH(fork_pending_and_mask, {
    sigset_t s, p;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(sigpending(&p), 0);
        CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &s), 0);
        _exit(sigismember(&p, SIGUSR1) * 10 + sigismember(&s, SIGUSR1));
    }
    exits(pid, 1);
})
// pthread_atfork: "the parent and child fork handlers shall be called in the order in which they were established ...; the prepare fork
// handlers shall be called in the opposite order."
static char trace[32];
#define NOTE(n, c) static void n(void) { strcat(trace, c); }
NOTE(prep1, "1") NOTE(prep2, "2") NOTE(par1, "a") NOTE(par2, "b") NOTE(ch1, "x") NOTE(ch2, "y")
BOTH(atfork_order, {
    CHECK_EQ(pthread_atfork(prep1, par1, ch1), 0);
    CHECK_EQ(pthread_atfork(prep2, par2, ch2), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(strcmp(trace, "21xy") == 0 ? 3 : 1);
    CHECK(strcmp(trace, "21ab") == 0);
    exits(pid, 3);
})
// The mutex idiom of pthread_atfork's rationale: locked in prepare, unlocked in both.
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void lock_m(void) { CHECK_EQ(pthread_mutex_lock(&m), 0); }
static void unlock_m(void) { CHECK_EQ(pthread_mutex_unlock(&m), 0); }
static void *lock_often(void *arg)
{
    while (!go) {
        lock_m();
        sched_yield();
        unlock_m();
    }
    return arg;
}
BOTH(atfork_mutex, {
    CHECK_EQ(pthread_atfork(lock_m, unlock_m, unlock_m), 0);
    pthread_t t[2] = {start(lock_often, NULL), start(lock_often, NULL)};
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            lock_m();
            unlock_m();
            _exit(2);
        }
        exits(pid, 2);
    }
    go = 1;
    finish(t[0]);
    finish(t[1]);
})
// fork with malloc and stdio in use elsewhere: the child may use them (glibc).
static void *use_libc(void *arg)
{
    while (!go) {
        free(malloc(100));
        FILE *f = fopen("/dev/null", "w");
        fprintf(f, "%d", 1);
        fclose(f);
    }
    return arg;
}
BOTH(fork_under_malloc_and_stdio, {
    pthread_t t[2] = {start(use_libc, NULL), start(use_libc, NULL)};
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *p = malloc(1000);
            FILE *f = fopen("/dev/null", "w");
            _exit(p && f && fclose(f) == 0 ? 4 : 1);
        }
        exits(pid, 4);
    }
    go = 1;
    finish(t[0]);
    finish(t[1]);
})
// vfork, execve: the child's program gets its arguments; the parent goes on.
BOTH(vfork_exec, {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
        _exit(127);
    }
    exits(pid, 9);
})
BOTH(exec_keeps_the_mask, {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "kill -USR1 $$; exit 8", (char *)NULL);
        _exit(127);
    }
    exits(pid, 8);
})
// execve from a thread replaces the whole process.
static void *exec_it(void *arg)
{
    execl("/bin/sh", "sh", "-c", "exit 11", (char *)NULL);
    return arg;
}
LONE(exec_from_thread)
{
    pid_t pid = fork();
    if (pid == 0) {
        start(wait_go, NULL);
        start(exec_it, NULL);
        for (;;)
            pause();
    }
    exits(pid, 11);
}
BOTH(exec_fails, { CHECK_ERRNO(execl("/nonexistent", "x", (char *)NULL), ENOENT); })

// posix_spawn: attributes and file actions.
static int spawned(const posix_spawn_file_actions_t *fa, const posix_spawnattr_t *at, const char *script)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", fa, at, argv, environ), 0);
    int s = status_of(pid);
    return WIFEXITED(s) ? WEXITSTATUS(s) : 1000 + WTERMSIG(s);
}
BOTH(spawn_plain, { CHECK_EQ(spawned(NULL, NULL, "exit 13"), 13); })
BOTH(spawn_fails, {
    char *argv[] = {"x", NULL};
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ), ENOENT);
    CHECK_EQ(posix_spawnp(&pid, "nonexistent-program", NULL, NULL, argv, environ), ENOENT);
})
BOTH(spawn_sigmask, {
    posix_spawnattr_t a;
    sigset_t s;
    CHECK_EQ(posix_spawnattr_init(&a), 0);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK_EQ(posix_spawnattr_setsigmask(&a, &s), 0);
    CHECK_EQ(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK), 0);
    CHECK_EQ(spawned(NULL, &a, "kill -USR1 $$; exit 14"), 14);
    CHECK_EQ(spawned(NULL, NULL, "kill -USR1 $$; exit 14"), 1000 + SIGUSR1);
})
BOTH(spawn_sigdefault, {
    posix_spawnattr_t a;
    sigset_t s;
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    CHECK_EQ(spawned(NULL, NULL, "kill -USR2 $$; exit 15"), 15); // "signals set to be ignored ... shall be set to be ignored"
    CHECK_EQ(posix_spawnattr_init(&a), 0);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    CHECK_EQ(posix_spawnattr_setsigdefault(&a, &s), 0);
    CHECK_EQ(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGDEF), 0);
    CHECK_EQ(spawned(NULL, &a, "kill -USR2 $$; exit 15"), 1000 + SIGUSR2);
})
static void caught(int sig) { (void)sig; }
BOTH(spawn_resets_caught, {
    CHECK(signal(SIGTERM, caught) != SIG_ERR); // "signals set to be caught ... shall be set to the default action"
    CHECK_EQ(spawned(NULL, NULL, "kill -TERM $$; exit 16"), 1000 + SIGTERM);
})
BOTH(spawn_pgroup, {
    posix_spawnattr_t a;
    CHECK_EQ(posix_spawnattr_init(&a), 0);
    CHECK_EQ(posix_spawnattr_setpgroup(&a, 0), 0);
    CHECK_EQ(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP), 0);
    CHECK_EQ(spawned(NULL, &a, "test $(ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat) -eq $$"), 0);
})
BOTH(spawn_file_actions, {
    posix_spawn_file_actions_t fa;
    int p[2];
    char b[8] = {0};
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(posix_spawn_file_actions_init(&fa), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&fa, p[1], 1), 0);
    CHECK_EQ(posix_spawn_file_actions_addclose(&fa, p[0]), 0);
    CHECK_EQ(posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0), 0);
    CHECK_EQ(spawned(&fa, NULL, "echo hello; read x || exit 17"), 17);
    CHECK_EQ(read(p[0], b, 8), 6);
    CHECK_EQ(memcmp(b, "hello\n", 6), 0);
    CHECK_EQ(posix_spawn_file_actions_destroy(&fa), 0);
})
// system: "the exit status of the command language interpreter in the format of waitpid()"; NULL: non-zero.
BOTH(system_status, {
    CHECK(system(NULL) != 0);
    int s = system("exit 18");
    CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 18);
    CHECK_EQ(system("exit 0"), 0);
    s = system("kill -TERM $$");
    CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGTERM);
})
// popen, pclose.
BOTH(popen_read, {
    char line[32] = {0};
    FILE *f = popen("echo out; exit 19", "r");
    CHECK(f && fgets(line, sizeof line, f));
    CHECK(strcmp(line, "out\n") == 0);
    CHECK_EQ(WEXITSTATUS(pclose(f)), 19);
})
BOTH(popen_write, {
    FILE *f = popen("read a && test \"$a\" = in && exit 20", "w");
    CHECK(f && fputs("in\n", f) >= 0);
    CHECK_EQ(WEXITSTATUS(pclose(f)), 20);
})
// --- wait ---
static pid_t child_exit(int code)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(code);
    return pid;
}
static pid_t child_paused(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}
// waitpid: WNOHANG: 0 while the child lives; [ECHILD] without a child.
BOTH(waitpid_nohang_and_echild, {
    int s;
    CHECK_ERRNO(waitpid(-1, &s, 0), ECHILD);
    CHECK_ERRNO(wait(&s), ECHILD);
    pid_t pid = child_paused();
    CHECK_EQ(waitpid(pid, &s, WNOHANG), 0);
    CHECK_EQ(waitpid(-1, &s, WNOHANG), 0);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_EQ(waitpid(pid, &s, 0), pid);
    CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGTERM);
    CHECK_ERRNO(waitpid(pid, &s, 0), ECHILD);
    CHECK_ERRNO(waitpid(pid, &s, 4711), EINVAL);
})
BOTH(wait_any, {
    int s;
    pid_t a = child_exit(1), b = child_exit(2);
    pid_t x = wait(&s), y = wait(&s);
    CHECK((x == a && y == b) || (x == b && y == a));
})
// waitpid: WUNTRACED, WCONTINUED.
BOTH(wait_stopped_continued, {
    int s;
    pid_t pid = child_paused();
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK_EQ(waitpid(pid, &s, WUNTRACED), pid);
    CHECK(WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &s, WCONTINUED), pid);
    CHECK(WIFCONTINUED(s));
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &s, 0), pid);
})
// waitid: WNOWAIT leaves it waitable; the siginfo.
BOTH(waitid_nowait, {
    siginfo_t i;
    pid_t pid = child_exit(21);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &i, WEXITED | WNOWAIT), 0);
    CHECK(i.si_pid == pid && i.si_code == CLD_EXITED && i.si_status == 21 && i.si_signo == SIGCHLD);
    exits(pid, 21);
    CHECK_ERRNO(waitid(P_PID, (id_t)pid, &i, WEXITED), ECHILD);
    CHECK_ERRNO(waitid(P_ALL, 0, &i, 0), EINVAL);
})
// A child of one thread can be waited for by another.
static void *wait_for(void *arg)
{
    exits((pid_t)(long)arg, 22);
    return NULL;
}
BOTH(wait_by_another_thread, { finish(start(wait_for, (void *)(long)child_exit(22))); })
// SIGCHLD ignored: "their terminated children shall not be transformed into zombies", wait: [ECHILD] after the last.
BOTH(sigchld_ignored, {
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    pid_t pid = child_exit(0);
    CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
})
// --- exit ---
static int *log_page;
static void log_n(int n) { log_page[++log_page[0]] = n; }
static void at1(void) { log_n(1); }
static void at2(void) { log_n(2); }
static void *exit_it(void *arg) { exit((int)(long)arg); }
static void *underscore(void *arg) { _exit((int)(long)arg); }
// atexit: "called in the reverse order of their registration"; exit from a thread, others parked and computing.
static void *compute(void *arg)
{
    in++;
    for (;;)
        ;
    return arg;
}
static void exit_from(void *(*fn)(void *), int code, int handlers)
{
    log_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(atexit(at1), 0);
        CHECK_EQ(atexit(at2), 0);
        start(wait_go, NULL);
        start(compute, NULL);
        while (in < 2)
            settle();
        start(fn, (void *)(long)code);
        for (;;)
            pause();
    }
    exits(pid, code);
    CHECK_EQ(log_page[0], handlers);
    if (handlers)
        CHECK(log_page[1] == 2 && log_page[2] == 1);
}
LONE(exit_from_thread) { exit_from(exit_it, 23, 2); }
LONE(underscore_exit_from_thread) { exit_from(underscore, 24, 0); }
// Returning from main is exit(), whatever the threads do: the handlers run on the main thread.
LONE(exit_in_main_with_threads)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 20; i++)
            start(wait_go, NULL);
        exit(25);
    }
    exits(pid, 25);
}
// exit flushes streams.
LONE(exit_flushes)
{
    int p[2];
    char b[8] = {0};
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        FILE *f = fdopen(p[1], "w");
        fputs("held", f);
        start(exit_it, (void *)26L);
        for (;;)
            pause();
    }
    exits(pid, 26);
    CHECK_EQ(read(p[0], b, 8), 4);
}
// quick_exit, at_quick_exit.
LONE(quick_exit_from_thread)
{
    log_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(at_quick_exit(at1), 0);
        CHECK_EQ(atexit(at2), 0);
        start(wait_go, NULL);
        quick_exit(27);
    }
    exits(pid, 27);
    CHECK(log_page[0] == 1 && log_page[1] == 1);
}
// daemon(3): a new session, and the child works.
LONE(daemon_works)
{
    int p[2];
    char c = 0;
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        finish(start(idle, NULL));
        CHECK_EQ(daemon(0, 1), 0);
        pthread_t t = start(idle, &go);
        CHECK(finish(t) == &go);
        CHECK_EQ(write(p[1], getsid(0) != getppid() ? "d" : "?", 1), 1);
        _exit(0);
    }
    exits(pid, 0);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(c, 'd');
}
