/* Finding a command as execvp does: a name with a slash is a path, others are
 * tried in each directory of PATH. A candidate that exists but may not be
 * executed does not end the search, it only changes the final error. */
#include "runtime/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == EACCES ? -EACCES : -ENOENT;
    if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return -EACCES;
    return 0;
}

static int try_directory(const char *dir, size_t dirlen, const char *command, char path[PATH_MAX])
{
    /* An empty directory name is the current directory. */
    int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)dirlen, dir, dirlen > 0 ? "/" : "", command);
    return n < PATH_MAX ? executable(path) : -ENOENT;
}

int vthr_lookup(const char *command, char path[PATH_MAX])
{
    if (*command == '\0')
        return -ENOENT;
    if (strchr(command, '/'))
        return try_directory("", 0, command, path);

    const char *dirs = getenv("PATH");
    if (!dirs)
        dirs = "/bin:/usr/bin";
    int result = -ENOENT;
    for (;;) {
        const char *end = strchrnul(dirs, ':');
        int r = end - dirs < PATH_MAX ? try_directory(dirs, (size_t)(end - dirs), command, path)
                                      : -ENOENT;
        if (r == 0)
            return 0;
        if (r == -EACCES)
            result = r;
        if (*end == '\0')
            return result;
        dirs = end + 1;
    }
}
