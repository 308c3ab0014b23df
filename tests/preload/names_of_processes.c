// exec in all forms, from children of a thread; wait3; vfork by its internal name.
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern pid_t __vfork(void);

static char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit ${CODE:-7}", NULL};
static char *const env[] = {(char *)"CODE=9", (char *)"PATH=/bin:/usr/bin", NULL};

// The child's status; 99: exec failed.
#define STATUS(call)                                                                               \
    ({                                                                                             \
        int status_ = 0;                                                                           \
        pid_t child_ = fork();                                                                     \
        if (child_ == 0) {                                                                         \
            call;                                                                                  \
            _exit(99);                                                                             \
        }                                                                                          \
        CHECK_EQ(waitpid(child_, &status_, 0), child_);                                            \
        WIFEXITED(status_) ? WEXITSTATUS(status_) : -status_;                                      \
    })

static void *run(void *arg)
{
    struct rusage ru;
    int status = -1, fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    SHOW(STATUS(execl("/bin/sh", "sh", "-c", argv[2], (char *)NULL)));
    SHOW(STATUS(execle("/bin/sh", "sh", "-c", argv[2], (char *)NULL, env)));
    SHOW(STATUS(execlp("sh", "sh", "-c", argv[2], (char *)NULL)));
    SHOW(STATUS(execv("/bin/sh", argv)));
    SHOW(STATUS(execve("/bin/sh", argv, env)));
    SHOW(STATUS(execvp("sh", argv)));
    SHOW(STATUS(execvpe("sh", argv, env)));
    SHOW(STATUS(fexecve(fd, argv, env)));
    SHOW(STATUS(execveat(AT_FDCWD, "/bin/sh", argv, env, 0)));
    SHOW(execl("/no/such/file", "x", (char *)NULL));
    SHOW(execle("/no/such/file", "x", (char *)NULL, env));
    SHOW(execlp("/no/such/file", "x", (char *)NULL));
    SHOW(execv("/", argv));
    SHOW(execve("/dev/null", argv, env));
    SHOW(execvp("", argv));
    SHOW(execvpe("/no/such/file", argv, env));
    SHOW(fexecve(-1, argv, env));
    SHOW(execveat(-1, "x", argv, env, 0));

    pid_t child = __vfork();
    if (child == 0) {
        execve("/bin/sh", argv, env);
        _exit(99);
    }
    SHOW(wait3(&status, 0, &ru) == child);
    SHOW(WEXITSTATUS(status));
    SHOW(wait3(&status, 0, NULL));
    SHOW(wait3(&status, WNOHANG, NULL));
    SHOW(wait3(&status, -1, NULL));
    close(fd);
    return arg;
}

int main(void)
{
    finish(start(run, NULL));
    return 0;
}
