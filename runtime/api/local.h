/* What the values of context locals need from scopes and tasks: local.c. */
#pragma once
#include "runtime/api/scope.h"

VTHR_BEGIN_DECLS
struct locals *locals_ref(struct locals *l); /* NULL: none */
void locals_unref(struct locals *l);
VTHR_END_DECLS
