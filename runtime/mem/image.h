/* The glibc thread image: TCB (struct pthread), static TLS and DTV, so that a vthread is a real thread to libc. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* What we know of this glibc's struct pthread; offsets from the thread pointer. */
struct image_facts {
    size_t pd_size;    /* sizeof (struct pthread) */
    size_t tls_below;  /* static TLS below the thread pointer */
    size_t tls_align;
    size_t off_tid, off_list, off_dtv, off_cancel, off_specific, off_result;
};
extern struct image_facts vthr_image;

/* Probes glibc and makes the template.  Creates and joins one native thread.  0, or -errno with *why set to a
 * message; nothing stays changed then. */
int image_init(const char **why);

/* Builds an image around thread pointer `tp`: [tp - tls_below, tp + pd_size) must be zeroed memory, and must stay mapped as long
 * as the process lives, whatever is returned: libc knows of it from now on.  0 or -ENOMEM. */
int image_create(void *tp, uint32_t tid);
/* Makes a used image as good as new, but for libc's own TLS (malloc's tcache, resolver), which stays warm. */
void image_reset(void *tp, uint32_t tid);

/* errno, ctype tables and resolver pointer of the running image: call once on its own stack, first thing. */
void image_enter(void);
/* thread_local destructors, then locale; key destructors are thread/tsd.c's. */
void image_run_tls_dtors(void);
/* The value that glibc's pthread_exit stored. */
static inline void image_set_result(void *tp, void *result)
{
    *(void **)((char *)tp + vthr_image.off_result) = result;
}
static inline void *image_result(const void *tp)
{
    return *(void *const *)((const char *)tp + vthr_image.off_result);
}
/* glibc's cancellation word of an image (nptl/descr.h: CANCELSTATE 1, CANCELTYPE 2, CANCELED 8, EXITING 16). */
static inline int *image_cancel_word(const void *tp)
{
    return (int *)((uintptr_t)tp + vthr_image.off_cancel);
}
/* Requested, enabled, and not acted upon yet. */
static inline bool image_cancel_pending(const void *tp)
{
    int w = __atomic_load_n(image_cancel_word(tp), __ATOMIC_RELAXED);

    return (w & (0x1 | 0x8 | 0x10)) == 0x8;
}
static inline uint32_t *image_tid(const void *tp)
{
    return (uint32_t *)((uintptr_t)tp + vthr_image.off_tid);
}
/* Head of the list of robust mutexes, as set_robust_list(2) takes it.  It follows the tid; image.c relocates its self-pointer. */
static inline void *image_robust(const void *tp)
{
    return image_tid(tp) + 4;
}
/* The main thread's OS thread will run others: take its kernel rseq registration away from its image. */
void image_unregister_rseq(void);
/* The calling thread is an OS thread of its own: debuggers are to see it. */
void image_is_native(void);
void image_reset_child(void);
VTHR_END_DECLS
