/* Messages beside errors: message.c. */
#pragma once
#include "runtime/base/compiler.h"

struct message;

VTHR_BEGIN_DECLS
void message_unref(struct message *m); /* NULL: nothing */
struct message *message_ref(struct message *m);
/* The calling thread's, if it came with this error: one reference more, or NULL. */
struct message *message_for(int error);
/* The calling thread got this error, not 0, and with it this message or NULL. */
void message_got(int error, struct message *m);
void message_end(void);
VTHR_END_DECLS
