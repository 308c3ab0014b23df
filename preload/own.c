/* Other properties of the calling OS thread: see runtime/thread/own.c. */
#include "preload/hook.h"
#include <linux/prctl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>

#define OWN(nr, ...)                                                     \
    ({                                                                   \
        struct vthread *v_ = vthr_parkable();                            \
        const long a_[6] = { __VA_ARGS__ };                              \
        (int)posix(v_ ? own_call(v_, nr, a_) : SYS3(nr, a_[0], a_[1], a_[2])); \
    })

HOOK int unshare(int flags)
{
    return OWN(SYS_unshare, flags);
}
HOOK int setns(int fd, int type)
{
    return OWN(SYS_setns, fd, type);
}
extern int capset(void *header, const void *data); /* declared nowhere */
HOOK int capset(void *header, const void *data)
{
    return OWN(SYS_capset, (long)header, (long)data);
}

/* The old identity is returned, whether it was changed or not; (uid_t)-1 asks only. */
static int set_fs(long nr, unsigned id)
{
    struct vthread *v = vthr_parkable();
    unsigned was = (unsigned)SYS1(nr, -1);

    if (!v || id == was || id == -1u) {
        SYS1(nr, id);
    } else if (own_begin(v)) {
        SYS1(nr, id);
        own_end(v, (unsigned)SYS1(nr, -1) == id);
    }
    return (int)was;
}
HOOK int setfsuid(uid_t id)
{
    return set_fs(SYS_setfsuid, id);
}
HOOK int setfsgid(gid_t id)
{
    return set_fs(SYS_setfsgid, id);
}

HOOK int personality(unsigned long p)
{
    return p == 0xffffffff ? (int)posix(SYS1(SYS_personality, p)) : OWN(SYS_personality, (long)p);
}

/* The options that set something of the calling OS thread's; others are the process's, or ask. */
static bool is_own(int option)
{
    switch (option) {
    case PR_SET_PDEATHSIG:
    case PR_SET_KEEPCAPS:
    case PR_SET_SECUREBITS:
    case PR_CAPBSET_DROP:
    case PR_CAP_AMBIENT:
    case PR_SET_SECCOMP:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK:
    case PR_SET_TSC:
    case PR_MCE_KILL:
    case PR_SET_SPECULATION_CTRL:
    case PR_SET_IO_FLUSHER:
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SCHED_CORE:
        return true;
    }
    return false;
}

static int set_name(struct vthread *v, const char *name)
{
    char copy[16] = "";

    if (bad_address(name))
        return -EFAULT;
    strncpy(copy, name, 15);
    return -thread_setname((pthread_t)v->pd, copy);
}

HOOK int prctl(int option, ...)
{
    struct vthread *v = vthr_parkable();
    long a[6] = { option };
    va_list ap;

    va_start(ap, option);
    for (int i = 1; i < 5; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (v && option == PR_SET_NAME)
        return (int)posix(set_name(v, (const char *)a[1]));
    if (v && option == PR_GET_NAME && !bad_address((void *)a[1])) {
        memcpy((void *)a[1], v->name, sizeof v->name);
        return 0;
    }
    return (int)posix(v && is_own(option) ? own_call(v, SYS_prctl, a) : SYS6(SYS_prctl, a[0], a[1], a[2], a[3], a[4], 0));
}
