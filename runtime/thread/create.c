/* Creating vthreads, and the calls that look at or change one by its handle. */
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/io/hidden.h"
#include "runtime/mem/image.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/thread/choose.h"
#include "runtime/thread/exit.h"
#include "runtime/thread/limit.h"
#include "runtime/thread/own.h"
#include "runtime/thread/signal.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>

#define PAGE 4096ul

struct wishes {
    size_t stack, guard;
    void *user_stack;
    bool detached;
    bool mask_given;
    uint64_t mask;
    struct own_wishes own;
};

static int read_attr(const pthread_attr_t *given, struct wishes *w)
{
    pthread_attr_t dfl;
    const pthread_attr_t *a = given;
    void *addr;
    int detach, r;
    sigset_t mask;

    if (!a) {
        r = pthread_getattr_default_np(&dfl);
        if (r)
            return r;
        a = &dfl;
    }
    pthread_attr_getdetachstate(a, &detach);
    pthread_attr_getguardsize(a, &w->guard);
    r = pthread_attr_getstack(a, &addr, &w->stack);
    if (r)
        return r;
    /* glibc keeps the end of the stack: without one of the program's, addr is 0 - size. */
    w->user_stack = (uintptr_t)addr + w->stack != 0 ? addr : NULL;
    if (w->stack == 0)
        pthread_attr_getstacksize(a, &w->stack);
    w->detached = detach == PTHREAD_CREATE_DETACHED;
    w->mask_given = pthread_attr_getsigmask_np(a, &mask) == 0;
    if (w->mask_given)
        memcpy(&w->mask, &mask, 8);
    own_read_attr(a, &w->own);
    if (!given)
        pthread_attr_destroy(&dfl);
    return 0;
}

/* The default attributes are asked for once: pthread_setattr_default_np is hooked to forget them. */
static struct wishes defaults;
static int have_defaults;

void thread_defaults_changed(void)
{
    store_release(&have_defaults, 0);
}

static int get_wishes(const pthread_attr_t *attr, struct wishes *w)
{
    if (attr)
        return read_attr(attr, w);
    if (!load_acquire(&have_defaults)) {
        int r = read_attr(NULL, &defaults);

        if (r)
            return r;
        store_release(&have_defaults, 1);
    }
    *w = defaults;
    return 0;
}

/* It runs, sooner or later; or it is as if it had not been made. */
static int launch(struct vthread *v, bool own, struct own_wishes *wishes)
{
    int r = 0;

    fetch_add_relaxed(&vthr_nlive, 1u);
    store_release(&v->life, VT_LIVE);
    if (v->owns)
        bound_start_procs();
    if (own)
        r = -bound_spawn(v, own_prepare, wishes);
    else
        sched_spawn(v);
    if (r) {
        fetch_sub_relaxed(&vthr_nlive, 1u);
        signal_mask_unref(v);
        signal_close(v);
        shell_put(v);
    }
    return r;
}

int thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg, bool c11, const void *caller)
{
    struct vthread *self = vthr_parkable(), *v;
    struct wishes w;
    uint64_t mask = self ? self->sigmask : ksig_get_mask();
    bool own = caller && choose_own_thread((const void *)start, caller);
    int r = get_wishes(attr, &w);
    bool owns;

    if (r || (r = limit_enter()))
        return r;
    owns = (self && self->owns) || !own_has(self, &w.own);
    if (self)
        rt_enter(self);
    v = shell_get(w.stack, w.guard, w.user_stack);
    if (!v) {
        if (self)
            rt_leave(self);
        limit_leave();
        return EAGAIN;
    }
    v->start = start;
    v->arg = arg;
    v->c11 = c11;
    v->owns = owns;
    v->in_rt = 1; /* it starts in the middle of a switch */
    v->attr_stack_size = w.stack;
    v->join = w.detached ? 2 : 0;
    v->refs = w.detached ? 1 : 2;
    v->sigmask = w.mask_given ? w.mask : mask;
    v->prng = v->tid * 2654435761u;
    memcpy(v->name, self ? self->name : vthr_main.name, sizeof v->name);
    arch_ctx_make(&v->ctx, shell_stack_top(v), v->pd, exit_entry, v);
    /* The image's own copy of our TLS. */
    *(struct vthread **)((char *)v->pd + ((char *)&vthr_self - (char *)arch_tp())) = v;
    signal_mask_ref(v);
    *out = (pthread_t)v->pd;
    r = launch(v, own || owns, &w.own);
    if (self)
        rt_leave(self);
    if (r)
        limit_leave();
    return r;
}

struct vthread *thread_of(pthread_t th)
{
    struct vthread *v;
    uint32_t tid;

    if ((void *)th == vthr_main.pd)
        return &vthr_main;
    if (!th)
        return NULL;
    for (;;) {
        tid = load_acquire(image_tid((void *)th));
        v = tid > VTHR_TID_BASE ? vthread_by_tid(tid) : bound_find(tid, (void *)th);
        if (v || load_acquire(image_tid((void *)th)) == tid) /* else it got another number meanwhile: bound.c */
            return v && v->pd == (void *)th ? v : NULL;
    }
}

int thread_getattr(pthread_t th, pthread_attr_t *attr)
{
    struct vthread *v = thread_of(th);
    int r;

    if (!v || v == &vthr_main || (v->stack_size == 0))
        return REAL(pthread_getattr_np)(th, attr);
    r = pthread_attr_init(attr);
    if (r)
        return r;
    pthread_attr_setguardsize(attr, v->guard_size);
    pthread_attr_setdetachstate(attr, load_relaxed(&v->join) == 2 ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
    /* The stack as asked for, at the top of what there is: what lies below is slack above the guard. */
    size_t size = v->attr_stack_size < v->stack_size ? v->attr_stack_size : v->stack_size;
    char *lo = (char *)v->stack_lo + (v->stack_size - size);

    /* A runtime may put guard pages of its own there.  The end moves up into the thread image, which natively lies within
     * the stack too.  A stack of the program's own is what the program said. */
    if (!v->user_stack)
        lo += -(uintptr_t)lo & 4095;
    r = pthread_attr_setstack(attr, lo, size);
    if (r)
        pthread_attr_destroy(attr);
    return r;
}

/* /proc shows the names of OS threads. */
static void name_os_thread(int tid, const char *name)
{
    char path[64] = "/proc/self/task/", num[24];
    long fd;

    strcat(strcat(path, vthr_utoa((uint64_t)tid, num)), "/comm");
    fd = SYS4(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    fd = hidden_out_of_the_way((int)fd);
    SYS3(SYS_write, fd, name, strlen(name));
    SYS1(SYS_close, fd);
}

/* One that keeps its OS thread has it named; and the first OS thread shows the main thread's name, which is the process's in ps. */
static void name_what_shows(struct vthread *v)
{
    int os = v == &vthr_main ? (int)v->tid : bound_os_tid(v);

    if (os && v == vthr_self && v->carrier->tid == os)
        SYS2(SYS_prctl, PR_SET_NAME, v->name);
    else if (os)
        name_os_thread(os, v->name);
}

int thread_setname(pthread_t th, const char *name)
{
    struct vthread *v = thread_of(th);
    size_t len = strlen(name);

    if (!v)
        return REAL(pthread_setname_np)(th, name);
    if (len > 15)
        return ERANGE;
    memset(v->name, 0, sizeof v->name);
    memcpy(v->name, name, len);
    rt_hold(vthr_self);
    name_what_shows(v);
    rt_unhold(vthr_self);
    return 0;
}

int thread_getname(pthread_t th, char *buf, size_t len)
{
    struct vthread *v = thread_of(th);

    if (!v)
        return REAL(pthread_getname_np)(th, buf, len);
    if (len <= strlen(v->name) || len < 16)
        return ERANGE;
    memcpy(buf, v->name, 16);
    return 0;
}
