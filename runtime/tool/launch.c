/* Running a command with libvthr.so preloaded.
 *
 * The library is the one that came with this executable: beside it (a build
 * directory) or in ../lib (an installation), and nowhere else, so that no
 * setting can make vthr load a stranger. It goes to the front of LD_PRELOAD,
 * because the first definition of a symbol wins; what stood there stays. */
#include "runtime/tool/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libvthr.so"

static bool own_directory(char dir[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
    if (n <= 0)
        return false;
    dir[n] = '\0';
    char *slash = strrchr(dir, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static int find_library(char library[PATH_MAX])
{
    static const char *const places[] = {"", "/../lib"};
    char dir[PATH_MAX], path[PATH_MAX];
    if (!own_directory(dir)) {
        vthr_tool_say(stderr, "/proc/self/exe: cannot be read: mount /proc");
        return VTHR_EXIT_ERROR;
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(path, sizeof path, "%s%s/" LIBRARY, dir, places[i]);
        if (n < PATH_MAX && access(path, R_OK) == 0 && realpath(path, library))
            return 0;
    }
    vthr_tool_say(stderr, LIBRARY ": neither in %s nor in %s/../lib: install it there", dir, dir);
    return VTHR_EXIT_ERROR;
}

/* Is it the first entry already? Then vthr runs below another vthr. */
static bool comes_first(const char *preload, const char *library)
{
    size_t n = strlen(library);
    return strncmp(preload, library, n) == 0 && strchr(": ", preload[n]);
}

int vthr_preload_add(void)
{
    char library[PATH_MAX];
    int status = find_library(library);
    if (status != 0)
        return status;
    if (strpbrk(library, ": ")) {
        vthr_tool_say(stderr, "%s: LD_PRELOAD cannot hold a path with blanks or colons: move it",
                      library);
        return VTHR_EXIT_ERROR;
    }

    const char *before = getenv("LD_PRELOAD");
    char *preload = NULL;
    if (!before || *before == '\0')
        preload = strdup(library);
    else if (comes_first(before, library))
        return 0;
    else if (asprintf(&preload, "%s:%s", library, before) < 0)
        preload = NULL;
    if (!preload || setenv("LD_PRELOAD", preload, 1) != 0) {
        vthr_tool_say(stderr, "LD_PRELOAD: %s: shorten the environment", strerror(ENOMEM));
        status = VTHR_EXIT_ERROR;
    }
    free(preload);
    return status;
}

int vthr_execute(char **argv, const struct vthr_check *check)
{
    execvp(argv[0], argv);
    int e = errno;
    /* The check knows more than errno: which link of the chain is missing. */
    if (check && check->verdict == VTHR_CANNOT_RUN)
        vthr_tool_say(stderr, "%s: %s", check->chain, check->why);
    else
        vthr_tool_say(stderr, "%s: cannot be run: %s", argv[0], strerror(e));
    return e == ENOENT ? VTHR_EXIT_NOT_FOUND : VTHR_EXIT_CANNOT_EXECUTE;
}
