/* The identities of the process: see runtime/thread/setid.c. */
#include "preload/hook.h"
#include <grp.h>
#include <stdlib.h>

static int for_all(int (*fn)(const long *), const long *args)
{
    struct vthread *v = vthr_self;

    /* In a child of vfork too the threads on libc's lists are not its own: libc finds none of them. */
    return !vthr_active || (v && v->hooks_off) ? fn(args) : (int)posix(setid_call(v, fn, args));
}

/* `call` takes its arguments from a[]. */
#define IDS(name, params, call, ...)             \
    static int real_##name(const long *a)        \
    {                                            \
        return REAL(name) call;                  \
    }                                            \
    HOOK int name params                         \
    {                                            \
        const long a[] = { __VA_ARGS__ };        \
        return for_all(real_##name, a);          \
    }

IDS(setuid, (uid_t u), ((uid_t)a[0]), u)
IDS(setgid, (gid_t g), ((gid_t)a[0]), g)
IDS(seteuid, (uid_t u), ((uid_t)a[0]), u)
IDS(setegid, (gid_t g), ((gid_t)a[0]), g)
IDS(setreuid, (uid_t r, uid_t e), ((uid_t)a[0], (uid_t)a[1]), r, e)
IDS(setregid, (gid_t r, gid_t e), ((gid_t)a[0], (gid_t)a[1]), r, e)
IDS(setresuid, (uid_t r, uid_t e, uid_t s), ((uid_t)a[0], (uid_t)a[1], (uid_t)a[2]), r, e, s)
IDS(setresgid, (gid_t r, gid_t e, gid_t s), ((gid_t)a[0], (gid_t)a[1], (gid_t)a[2]), r, e, s)
IDS(setgroups, (size_t n, const gid_t *list), ((size_t)a[0], (const gid_t *)a[1]), (long)n, (long)list)

/* libc's calls its own setgroups.  As it: as many groups as the kernel takes. */
HOOK int initgroups(const char *user, gid_t group)
{
    gid_t *list = NULL;
    int room = 16, n, r;

    if (!vthr_parkable())
        return REAL(initgroups)(user, group);
    do {
        gid_t *more = realloc(list, (size_t)room * sizeof *list);

        if (!more) {
            free(list);
            errno = ENOMEM;
            return -1;
        }
        list = more;
        n = room;
    } while (getgrouplist(user, group, list, &n) < 0 && (room = n > room ? n : 2 * room) <= 65536);
    n = n < room ? n : room;
    do
        r = setgroups((size_t)n, list);
    while (r < 0 && errno == EINVAL && --n > 0);
    free(list);
    return r;
}
