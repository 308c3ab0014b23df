/* The vthr command: runs a program with libvthr.so preloaded, or says why that
 * cannot work. main.c reads the options, check.c judges the program (with
 * lookup.c, script.c, elfcheck.c, privilege.c), launch.c runs it. */
#ifndef VTHR_TOOL_TOOL_H
#define VTHR_TOOL_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "runtime/base/config.h"

/* Exit statuses of env(1), nohup(1) and the like. */
enum {
    VTHR_EXIT_CHECK_FAILED = 1,
    VTHR_EXIT_ERROR = VTHR_EXIT_REFUSED,
    VTHR_EXIT_CANNOT_EXECUTE = 126,
    VTHR_EXIT_NOT_FOUND = 127,
};

/* Prints one line "vthr: ..." in which control characters have become '?':
 * file names and file contents cannot forge a second line. */
void vthr_tool_say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

void vthr_tool_help(FILE *to);

/* --- What stands in the way of preloading */

#define VTHR_WHY_MAX (PATH_MAX + 256)

enum vthr_verdict {
    VTHR_CAN_PRELOAD,
    VTHR_CANNOT_RUN,     /* not found, not executable: exec will fail too */
    VTHR_CANNOT_TELL,    /* may be executed but not read */
    VTHR_CANNOT_PRELOAD, /* would run natively */
};

struct vthr_check {
    enum vthr_verdict verdict;
    char chain[2 * PATH_MAX]; /* the command, then the interpreters that it leads to */
    char why[VTHR_WHY_MAX];   /* "reason: remedy"; empty for VTHR_CAN_PRELOAD */
};

void vthr_check_command(const char *command, struct vthr_check *check);

/* Finds command as execvp does. Returns 0 with its path, -ENOENT or -EACCES. */
int vthr_lookup(const char *command, char path[PATH_MAX]);

/* The "#!" line of a script. */
struct vthr_script {
    char interpreter[256];
    char by_env[256]; /* the command that env(1) is asked to find, or empty */
};

/* Returns 1 and fills script, 0 if fd is no script, -EINVAL if its "#!" line
 * is one that the kernel refuses. */
int vthr_script_read(int fd, struct vthr_script *script);

/* Is it an ELF file at all? */
bool vthr_elf_is(int fd);

/* True if the dynamic linker of this system would preload into fd, which
 * vthr_elf_is; otherwise why not, in why. */
bool vthr_elf_check(int fd, const char *path, char why[VTHR_WHY_MAX]);

/* True if executing fd changes no privileges; otherwise why not. */
bool vthr_privilege_check(int fd, const struct stat *st, char why[VTHR_WHY_MAX]);

/* --- Running */

/* Puts libvthr.so in front of LD_PRELOAD. Returns 0 or an exit status, after
 * having said why. */
int vthr_preload_add(void);

/* Becomes the command; returns an exit status if that fails, after having said
 * why. check is what is known about the command, or NULL. */
int vthr_execute(char **argv, const struct vthr_check *check);

#endif
