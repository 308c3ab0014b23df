/* Doing something in the OS thread's name: what libc and the kernel see is its number, not the vthread's. */
#pragma once
#include "runtime/sched/bound.h"

struct os_name {
    struct vthread *v; /* NULL: nothing was changed */
    bool native;       /* there is none: an OS thread, which may be the main vthread's later */
};

VTHR_BEGIN_DECLS
/* The object's owner is told by the kernel's number: until name_end the calling vthread's image shows it, and it stays on its OS thread.
 * owner: the number that the object shows now, which is the caller's if it took it before there were vthreads.  robust: the kernel is to
 * look at the caller's list of robust mutexes should the OS thread end. */
struct os_name name_begin(uint32_t owner, bool robust);
/* With got the vthread stays on the OS thread until name_given_up; without, it may leave it again. */
void name_end(struct os_name *n, bool got);
/* Between the two, after the object was released: what name_end has kept ends. */
void name_given_up(struct os_name *n);
/* The calling OS thread has become v, on the carrier that it is: v stays there for what it has taken before. */
void name_adopt(struct vthread *v);
VTHR_END_DECLS
