/* What tokens and locks need from scopes and tasks: semaphore.c, mutex.c. */
#pragma once
#include "runtime/api/scope.h"

VTHR_BEGIN_DECLS
/* What me took inside scope s and still has; s NULL: all.  In the runtime. */
void semaphore_give_back(struct strand *me, const struct vthr_scope *s);
void mutex_give_back(struct strand *me, const struct vthr_scope *s);
static inline void give_back(struct strand *me, const struct vthr_scope *s)
{
    if (me->held)
        semaphore_give_back(me, s);
    if (me->locked)
        mutex_give_back(me, s);
}
VTHR_END_DECLS
