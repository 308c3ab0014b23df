/* The life of a vthread: activation, creation, end, joining. */
#pragma once
#include "runtime/sched/vthread.h"
#include <pthread.h>

VTHR_BEGIN_DECLS
/* Called by the library's constructor: reads the settings. */
void vthr_boot(void);
/* True when threads are to be virtual; the first call activates the runtime.  False: run natively (the reason was said). */
bool vthr_activate(void);
/* The first thread may yet be a virtual one. */
bool vthr_may_activate(void);

/* As pthread_create; 0 or an errno value.  c11: start is a thrd_start_t.  caller: an address in the code that wants it (choose.h);
 * NULL: one that shares OS threads whatever the settings say. */
int thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg, bool c11, const void *caller);
/* Ends the calling vthread as returning from its start routine does. */
void thread_exit(void *result) VTHR_NORETURN;
/* deadline: CLOCK_MONOTONIC ns, NO_DEADLINE, or 0 for tryjoin (EBUSY).  0 or an errno value. */
int thread_join(pthread_t th, void **result, uint64_t deadline);
int thread_detach(pthread_t th);
/* pthread_setattr_default_np was called. */
void thread_defaults_changed(void);
int thread_getattr(pthread_t th, pthread_attr_t *attr);
int thread_setname(pthread_t th, const char *name);
int thread_getname(pthread_t th, char *buf, size_t len);
/* The vthread of a handle; NULL: not one of ours.  Also for one that was detached and has ended (life is VT_FREE then): libc must
 * never see its handle, it would wait for ever. */
struct vthread *thread_of(pthread_t th);
void thread_unref(struct vthread *v);

/* Key destructors: keys are glibc's own (they live in the image), only the list of destructors is ours. */
void tsd_note_key(pthread_key_t key, void (*dtor)(void *));
void tsd_run_dtors(void);

/* fork(2) from any thread: the child's runtime is as if never activated.  To be called before any other handler is registered. */
void fork_install(void);
/* The program is about to register one. */
void fork_handlers_begin(void);
/* Runs around calls that make a process or replace this one: the kernel's signal mask becomes the vthread's own. */
uint64_t spawn_begin(void);
void spawn_end(uint64_t kernel_mask);
/* The calling OS thread is a child of vfork in our memory: its mask becomes the vthread's own. */
void thread_in_vfork_child(struct vthread *v);
VTHR_END_DECLS
