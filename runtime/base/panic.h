/* Saying that something is wrong: one line on stderr, "vthr: what: remedy".  Async-signal-safe, no allocation. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* Writes the parts, joined, as one line in one write(2).  Ends with a NULL part. */
void vthr_say(const char *part, ...) __attribute__((sentinel));
/* For broken invariants of our own: says what and aborts, so that a core shows it. */
void vthr_panic(const char *what) VTHR_NORETURN;
/* Decimal digits of v in buf (at least 21 bytes); returns buf. */
char *vthr_utoa(uint64_t v, char *buf);
VTHR_END_DECLS
