/* Making processes, replacing this one, waiting for children.  fork itself is libc's: see runtime/thread/fork.c. */
#include "preload/hook.h"
#include <stdarg.h>
#include <stdlib.h>

/* Called by x86_64/vfork.S in the child and then in the parent.  The child shares our memory: its hooks must leave the
 * runtime alone, which the vthread's own flag tells them until the parent goes on. */
__attribute__((used, visibility("hidden"))) long vthr_vfork_returned(long pid)
{
    struct vthread *v = vthr_self;

    if (vthr_active && pid == 0)
        fd_sharing_begin();
    if (v && pid == 0) {
        v->hooks_off = 1;
        thread_in_vfork_child(v);
    } else if (v) {
        v->hooks_off = 0;
    }
    if (vthr_active && pid > 0)
        fd_sharing_end(true);
    return posix(pid);
}

/* Without fork's handlers: a child that may do next to nothing. */
HOOK pid_t _Fork(void)
{
    return SHARING(REAL(_Fork)());
}
HOOK int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    va_list ap;
    void *rest[3];

    va_start(ap, arg);
    for (int i = 0; i < 3; i++)
        rest[i] = va_arg(ap, void *);
    va_end(ap);
    clone_shares((unsigned)flags);
    return SHARING(REAL(clone)(fn, stack, flags, arg, rest[0], rest[1], rest[2]));
}

/* Our handlers are registered late, to save every process that makes no thread the trouble, and yet before any other. */
HOOK int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
{
    fork_handlers_begin();
    return REAL(__register_atfork)(prepare, parent, child, dso);
}

/* exec keeps the signal mask: the new program must get the vthread's own, not its carrier's. */
#define EXEC(call)                    \
    ({                                \
        uint64_t m_ = spawn_begin();  \
        int r_ = (call), e_ = errno;  \
        spawn_end(m_);                \
        errno = e_;                   \
        r_;                           \
    })

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
    return EXEC(REAL(execve)(path, argv, envp));
}
HOOK int execv(const char *path, char *const argv[])
{
    return EXEC(REAL(execv)(path, argv));
}
HOOK int execvp(const char *file, char *const argv[])
{
    return EXEC(REAL(execvp)(file, argv));
}
HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return EXEC(REAL(execvpe)(file, argv, envp));
}
HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
    return EXEC(REAL(fexecve)(fd, argv, envp));
}

HOOK int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return EXEC(REAL(execveat)(dir, path, argv, envp, flags));
}

/* execl and friends: the arguments as an array on the stack, as libc does it. */
#define COLLECT(argv, first, ap)                              \
    size_t n_ = 1;                                            \
    va_list count_;                                           \
    va_copy(count_, ap);                                      \
    while (va_arg(count_, char *))                            \
        n_++;                                                 \
    va_end(count_);                                           \
    char *argv[n_ + 1];                                       \
    argv[0] = (char *)(uintptr_t)(first);                     \
    for (size_t i_ = 1; i_ <= n_; i_++)                       \
        argv[i_] = va_arg(ap, char *)

HOOK int execl(const char *path, const char *arg, ...)
{
    va_list ap;
    int r;

    va_start(ap, arg);
    COLLECT(argv, arg, ap);
    r = execv(path, argv);
    va_end(ap);
    return r;
}
HOOK int execlp(const char *file, const char *arg, ...)
{
    va_list ap;
    int r;

    va_start(ap, arg);
    COLLECT(argv, arg, ap);
    r = execvp(file, argv);
    va_end(ap);
    return r;
}
HOOK int execle(const char *path, const char *arg, ...)
{
    va_list ap;
    int r;

    va_start(ap, arg);
    COLLECT(argv, arg, ap);
    r = execve(path, argv, va_arg(ap, char **));
    va_end(ap);
    return r;
}

#define SPAWN(v, sure, call)                          \
    ({                                                \
        uint64_t m_ = spawn_begin();                  \
        __typeof__(call) s_ = SHARING(ANNOUNCED(v, sure, call)); \
        int f_ = errno;                               \
        spawn_end(m_);                                \
        errno = f_;                                   \
        s_;                                           \
    })

HOOK int posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *fa,
                     const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
    struct vthread *v = vthr_parkable();

    return v ? SPAWN(v, false, REAL(posix_spawn)(pid, path, fa, attr, argv, envp))
             : SHARING(REAL(posix_spawn)(pid, path, fa, attr, argv, envp));
}
HOOK int posix_spawnp(pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *fa,
                      const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
    struct vthread *v = vthr_parkable();

    return v ? SPAWN(v, false, REAL(posix_spawnp)(pid, file, fa, attr, argv, envp))
             : SHARING(REAL(posix_spawnp)(pid, file, fa, attr, argv, envp));
}
HOOK int system(const char *cmd)
{
    struct vthread *v = vthr_parkable();

    return v ? SPAWN(v, true, REAL(system)(cmd)) : SHARING(REAL(system)(cmd));
}
HOOK FILE *popen(const char *cmd, const char *mode)
{
    struct vthread *v = vthr_parkable();
    FILE *f = v ? SPAWN(v, false, REAL(popen)(cmd, mode)) : SHARING(REAL(popen)(cmd, mode));

    if (v && f)
        fd_fresh(fileno(f));
    return f;
}

/* The processes that a process traces end its waits by more than their end. */
HOOK long ptrace(enum __ptrace_request req, ...)
{
    struct vthread *v = vthr_parkable();
    void *a, *b, *c;
    va_list ap;
    long r;

    va_start(ap, req);
    a = va_arg(ap, void *);
    b = va_arg(ap, void *);
    c = va_arg(ap, void *);
    va_end(ap);
    io_traces();
    if (!v || !traces_for_itself(req))
        return REAL(ptrace)(req, a, b, c);
    if (!own_begin(v)) {
        errno = EAGAIN;
        return -1;
    }
    r = REAL(ptrace)(req, a, b, c);
    own_end(v, r != -1);
    return r;
}

HOOK pid_t wait4(pid_t pid, int *status, int options, struct rusage *ru)
{
    struct vthread *v = vthr_parkable();

    return v ? (pid_t)posix(io_wait4(v, pid, status, options, ru)) : REAL(wait4)(pid, status, options, ru);
}
HOOK pid_t waitpid(pid_t pid, int *status, int options)
{
    return vthr_parkable() ? wait4(pid, status, options, NULL) : REAL(waitpid)(pid, status, options);
}
HOOK pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}
HOOK pid_t wait3(int *status, int options, struct rusage *ru)
{
    return wait4(-1, status, options, ru);
}
HOOK int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_waitid(v, type, id, info, options, NULL)) : REAL(waitid)(type, id, info, options);
}
