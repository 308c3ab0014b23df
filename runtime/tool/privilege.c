/* Whether executing a file raises privileges. The kernel then sets AT_SECURE
 * and the dynamic linker ignores every LD_PRELOAD entry with a slash.
 *
 * The rule is the kernel's (cap_bprm_creds_from_file): the new effective ids
 * differ from the caller's real ids, or a caller whose real user is not root
 * gains capabilities. Set-id bits and file capabilities do not count on nosuid
 * mounts and under no_new_privs. */
#include "runtime/tool/tool.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool raises_ignored(int fd)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID))
        return true;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

bool vthr_privilege_check(int fd, const struct stat *st, char why[VTHR_WHY_MAX])
{
    bool ignored = raises_ignored(fd);
    bool setuid = !ignored && (st->st_mode & S_ISUID);
    /* Without group execution the bit means mandatory locking. */
    bool setgid = !ignored && (st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP);
    bool capable = !ignored && getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
    const char *reason = NULL;

    if ((setuid ? st->st_uid : geteuid()) != getuid())
        reason = setuid ? "setuid" : "the caller's real and effective users differ";
    else if ((setgid ? st->st_gid : getegid()) != getgid())
        reason = setgid ? "setgid" : "the caller's real and effective groups differ";
    else if (capable)
        reason = "has file capabilities";
    if (!reason)
        return true;
    snprintf(why, VTHR_WHY_MAX,
             "%s, so the dynamic linker ignores LD_PRELOAD: start it from an account that has "
             "these privileges already",
             reason);
    return false;
}
