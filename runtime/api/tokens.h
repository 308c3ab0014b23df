/* Semaphores, as semaphore.c and select.c see them. */
#pragma once
#include "runtime/api/object.h"
#include "runtime/api/waitq.h"

struct vthr_semaphore {
    struct vthr_lock lk;
    unsigned free, total; /* free: written under lk, read anywhere */
    struct list waiters;
    uint32_t kind;
};
static inline void semaphore_check(const struct vthr_semaphore *s)
{
    object_check(s, &s->kind, OBJECT_SEMAPHORE);
}

VTHR_BEGIN_DECLS
/* The calling thread is in a scope, which tokens that it takes belong to. */
bool semaphore_may_take(void);
/* It has taken one: notes that.  0; ENOMEM: it went back.  Out of the runtime. */
int semaphore_took(struct vthr_semaphore *s);
VTHR_END_DECLS
