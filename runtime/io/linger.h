/* Closing sockets with SO_LINGER. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* setsockopt was called with SO_LINGER on: from now on closing looks. */
void linger_noted(const void *val, unsigned len);
/* Before close(fd): parks until the kernel's lingering close would return at once. */
void linger_wait(struct vthread *v, int fd);
VTHR_END_DECLS
