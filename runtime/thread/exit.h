/* The end of vthreads and of the process. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* pthread_exit on the main thread unwinds to a buffer in libc's __libc_start_call_main, which would end the OS thread:
 * make it end the vthread. */
void exit_catch_main(struct vthread *main_v);
/* First code of every vthread. */
void exit_entry(void *v);
VTHR_END_DECLS
