/* The first line of a script, as the kernel and env(1) read it.
 *
 * The kernel looks at the first 256 bytes: "#!", blanks, the interpreter's
 * path, and everything up to the end of the line, less blanks at both ends, as
 * one single argument. env takes that argument as the name of a command,
 * blanks included, unless it starts with -S, which splits it into words. */
#include "runtime/tool/tool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_READS 256
#define BLANKS " \t"

/* Cuts the next word off *rest; NULL at the end. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, BLANKS);
    char *end = word + strcspn(word, BLANKS);
    if (word == end)
        return NULL;
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* The command among env's words: after the options and NAME=VALUE pairs. */
static const char *split_by_env(char *words)
{
    const char *word;
    while ((word = next_word(&words))) {
        if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0)
            next_word(&words);
        else if (*word != '-' && !strchr(word, '='))
            return word;
    }
    return "";
}

static const char *command_of_env(char *argument)
{
    if (strncmp(argument, "-S", 2) == 0)
        return split_by_env(argument + 2);
    if (strncmp(argument, "--split-string=", 15) == 0)
        return split_by_env(argument + 15);
    return argument;
}

int vthr_script_read(int fd, struct vthr_script *script)
{
    char line[KERNEL_READS + 1];
    ssize_t n = pread(fd, line, KERNEL_READS, 0);
    if (n < 2 || line[0] != '#' || line[1] != '!')
        return 0;
    line[n] = '\0';

    /* A line that is too long loses its end; only the path must be whole. */
    char *end = strchr(line, '\n');
    bool cut = !end && n == KERNEL_READS;
    if (!end)
        end = line + strlen(line);
    while (end > line + 2 && strchr(BLANKS, end[-1]))
        end--;
    *end = '\0';

    char *rest = line + 2;
    char *interpreter = next_word(&rest);
    if (!interpreter || (cut && *rest == '\0'))
        return -EINVAL;
    rest += strspn(rest, BLANKS);
    strcpy(script->interpreter, interpreter);
    script->by_env[0] = '\0';
    if (strcmp(basename(interpreter), "env") == 0)
        strcpy(script->by_env, command_of_env(rest));
    return 1;
}
