/* Can libvthr.so be preloaded into a command?
 *
 * Follow what execve would do: find the file; if it is a script go on with its
 * interpreter, or, if that is env(1), with the command that env will look for
 * (env itself only has to exist: it hands the environment on). The file at the
 * end of the chain must be an ELF program that passes vthr_elf_check and
 * vthr_privilege_check; a script's own set-id bits mean nothing to Linux. */
#include "runtime/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The kernel's limit for interpreters that are scripts themselves. */
#define MAX_HOPS 5

static enum vthr_verdict conclude(struct vthr_check *check, enum vthr_verdict verdict,
                                  const char *why)
{
    snprintf(check->why, sizeof check->why, "%s", why);
    return verdict;
}

static void append_hop(struct vthr_check *check, const char *path)
{
    size_t used = strlen(check->chain);
    snprintf(check->chain + used, sizeof check->chain - used, "%s%s", used > 0 ? " -> " : "", path);
}

/* Opens path, which vthr_lookup found. O_NONBLOCK: it may have become a FIFO. */
static int open_program(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static enum vthr_verdict find(struct vthr_check *check, const char *command, char path[PATH_MAX])
{
    switch (vthr_lookup(command, path)) {
    case 0:
        return VTHR_CAN_PRELOAD;
    case -EACCES:
        /* execvp, too, cannot tell it from a directory that it may not search. */
        return conclude(check, VTHR_CANNOT_RUN,
                        strchr(command, '/')
                            ? "not executable: check its type and permissions"
                            : "not executable: check permissions, also of PATH's directories");
    default:
        return conclude(check, VTHR_CANNOT_RUN,
                        strchr(command, '/') ? "not found: check the path"
                                             : "not found: check the name and PATH");
    }
}

static enum vthr_verdict judge_program(struct vthr_check *check, int fd, const struct stat *st,
                                       const char *path)
{
    if (!vthr_elf_is(fd))
        return conclude(check, VTHR_CANNOT_PRELOAD,
                        "script without interpreter: give it a first line such as #!/bin/sh");
    if (!vthr_elf_check(fd, path, check->why) || !vthr_privilege_check(fd, st, check->why))
        return VTHR_CANNOT_PRELOAD;
    return VTHR_CAN_PRELOAD;
}

/* Follows one #! line: next becomes the command to go on with. */
static enum vthr_verdict follow(struct vthr_check *check, const struct vthr_script *script,
                                char next[PATH_MAX])
{
    snprintf(next, PATH_MAX, "%s", script->interpreter);
    if (script->by_env[0] == '\0')
        return VTHR_CAN_PRELOAD;
    append_hop(check, script->interpreter);
    char env[PATH_MAX];
    enum vthr_verdict verdict = find(check, script->interpreter, env);
    snprintf(next, PATH_MAX, "%s", script->by_env);
    return verdict;
}

static enum vthr_verdict judge(struct vthr_check *check, const char *command)
{
    char next[PATH_MAX], path[PATH_MAX];
    struct vthr_script script;
    struct stat st;

    append_hop(check, command);
    for (int hops = 0; hops <= MAX_HOPS; hops++) {
        enum vthr_verdict verdict = find(check, command, path);
        if (hops > 0)
            append_hop(check, verdict == VTHR_CAN_PRELOAD ? path : command);
        if (verdict != VTHR_CAN_PRELOAD)
            return verdict;
        int fd = open_program(path, &st);
        if (fd < 0)
            return conclude(check, VTHR_CANNOT_TELL,
                            "cannot be read, so not checked: allow reading it");
        int is_script = vthr_script_read(fd, &script);
        if (is_script == 0)
            verdict = judge_program(check, fd, &st, path);
        else if (is_script < 0)
            verdict = conclude(check, VTHR_CANNOT_RUN, "bad #! line: name an interpreter");
        close(fd);
        if (is_script <= 0)
            return verdict;
        verdict = follow(check, &script, next);
        if (verdict != VTHR_CAN_PRELOAD)
            return verdict;
        command = next;
    }
    return conclude(check, VTHR_CANNOT_RUN, "too many interpreters: shorten the chain of #! lines");
}

void vthr_check_command(const char *command, struct vthr_check *check)
{
    check->chain[0] = check->why[0] = '\0';
    check->verdict = judge(check, command);
}
