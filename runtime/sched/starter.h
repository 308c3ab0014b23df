/* Who starts spare carriers: starter.c. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* At activation; starts the first spare, too.  Where no thread can be made there is no starter, and nothing else changes. */
void starter_start(void);
/* Spares are missing: there shall be n, VTHR_SPARES at the most.  Does not wait.  False: nobody will start them. */
bool starter_ask(unsigned n);
/* fn, which starts a thread, is called on the starter.  One at a time. */
bool starter_do(void (*fn)(void));
void starter_reset_child(void);
VTHR_END_DECLS
