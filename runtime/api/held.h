/* What the tokens of semaphores need from scopes and tasks: semaphore.c. */
#pragma once
#include "runtime/api/scope.h"

VTHR_BEGIN_DECLS
/* What me took inside scope s and still has; s NULL: all.  In the runtime. */
void semaphore_give_back(struct strand *me, const struct vthr_scope *s);
VTHR_END_DECLS
