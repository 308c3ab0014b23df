/* Event loops: vthreads that keep an OS thread of their own for their waits. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* On vthread v, before a wait in epoll_wait: true if it should block its OS thread (announced, sure) instead of parking. */
bool loop_blocks(struct vthread *v);
/* v ends. */
void loop_forget(struct vthread *v);
void loop_reset_child(void);
VTHR_END_DECLS
