// The runner of the conformance suite.
//
// A program is a list of cases; each is one stated behaviour, named, with the function and the sentence of its page in The Open
// Group Base Specifications (or of another source that is named) above it.  main() is here.
//
//   CASE(name) { ... }   runs in a child with the other cases of its kind, one after the other: it leaves nothing behind
//   LONE(name) { ... }   runs in a child of its own: it may change dispositions, masks, or end
//
// A case passes by returning; a failed CHECK, a signal, an end by exit() or a hang is a failure, and the cases after it
// run in a new child.  Every case prints "name: pass" or "name: FAIL"; the program's status is 1 if one failed.
// With arguments, only the cases with these names run.
//
// Nothing here measures time.  "Blocked by now" cannot be seen from within: settle() makes it likely, and a case has to
// pass either way.
#ifndef SUITE_H
#define SUITE_H

#include "../preload/check.h"
#include <poll.h>
#include <signal.h>
#ifdef __cplusplus
#include <atomic>
using std::atomic_int;
using std::atomic_load;
using std::atomic_store;
using std::atomic_fetch_add;
#else
#include <stdatomic.h>
#endif
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

struct suite_case {
    const char *name;
    void (*fn)(void *);
    void *arg;
    int lone;
};

#ifndef SUITE_LIMIT_MS
#define SUITE_LIMIT_MS 20000 // a case that takes longer hangs
#endif
enum { SUITE_MAX = 400 };
static struct suite_case suite_cases[SUITE_MAX];
static int suite_count;

MAYBE void suite_add(const char *name, void (*fn)(void *), void *arg, int lone)
{
    if (suite_count == SUITE_MAX)
        abort();
    struct suite_case c = {name, fn, arg, lone};
    suite_cases[suite_count++] = c;
}

#define SUITE_CASE(name, lone)                                                                     \
    static void case_##name(void *);                                                               \
    __attribute__((constructor)) static void add_##name(void)                                      \
    {                                                                                              \
        suite_add(#name, case_##name, NULL, lone);                                                 \
    }                                                                                              \
    static void case_##name(__attribute__((unused)) void *suite_arg)
#define CASE(name) SUITE_CASE(name, 0)
#define LONE(name) SUITE_CASE(name, 1)
// Every case of these runs on the main thread and on another one; without a thread there would be no virtual one.
MAYBE void *suite_on_thread(void *arg)
{
    ((void (*)(void))arg)();
    return NULL;
}
MAYBE void suite_nothing(void)
{
}
#define BOTH(name, ...)                                                                            \
    static void body_##name(void) { __VA_ARGS__ }                                                  \
    LONE(name##_in_main)                                                                           \
    {                                                                                              \
        finish(start(suite_on_thread, (void *)suite_nothing));                                     \
        body_##name();                                                                             \
    }                                                                                              \
    LONE(name##_in_thread) { finish(start(suite_on_thread, (void *)body_##name)); }

// Lets others come as far as they can.
MAYBE void settle(void)
{
    for (int i = 0; i < 4; i++)
        sched_yield();
    struct timespec ts = from_ns(1000000);
    nanosleep(&ts, NULL);
}

// Waits until a flag that another thread or a handler sets is up.
MAYBE void until(atomic_int *flag)
{
    while (!atomic_load(flag))
        settle();
}

MAYBE void suite_say(const char *name, const char *verdict)
{
    char line[200];
    int n = snprintf(line, sizeof line, "%s: %s\n", name, verdict);
    write_all(1, line, (size_t)n);
}

// Runs from `first` on, until a case of another kind; `*at` is the one that runs.
MAYBE void suite_child(atomic_int *at, int first, const char *wanted)
{
    for (int i = first; i < suite_count; i++) {
        const struct suite_case *c = &suite_cases[i];
        if (c->lone && i != first)
            break;
        if (wanted && strcmp(wanted, c->name) != 0)
            continue;
        atomic_store(at, i);
        c->fn(c->arg);
        suite_say(c->name, "pass");
        atomic_store(at, i + 1);
        if (c->lone)
            break;
    }
    _exit(0);
}

// 0, or what ended the child.
MAYBE int suite_wait(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), status;
    struct pollfd pfd = {fd, POLLIN, 0};
    int r;
    while ((r = poll(&pfd, 1, SUITE_LIMIT_MS)) < 0 && errno == EINTR)
        ;
    close(fd);
    if (r == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

MAYBE int suite_run(const char *wanted)
{
    atomic_int *at = (atomic_int *)mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int failed = 0, next = 0;
    CHECK(at != MAP_FAILED);
    while (next < suite_count) {
        if (wanted && strcmp(wanted, suite_cases[next].name) != 0) {
            next++;
            continue;
        }
        atomic_store(at, next);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            suite_child(at, next, wanted);
        int status = suite_wait(pid), stopped = atomic_load(at);
        if (status != 0 && stopped < suite_count) {
            dprintf(2, "%s: status %#x%s\n", suite_cases[stopped].name, (unsigned)status,
                    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? " (hangs)" : "");
            suite_say(suite_cases[stopped].name, "FAIL");
            failed = 1;
            next = stopped + 1;
        } else if (stopped <= next && !wanted) {
            suite_say(suite_cases[next].name, "FAIL"); // it ended the child with status 0
            failed = 1;
            next++;
        } else {
            next = wanted ? next + 1 : stopped;
        }
    }
    munmap(at, sizeof *at);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc == 1)
        return suite_run(NULL);
    for (int i = 1; i < argc; i++)
        failed |= suite_run(argv[i]);
    return failed;
}
#endif
