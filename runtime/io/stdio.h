/* libc's streams: what a FILE reads, writes and closes goes by the same paths as read, write and close. */
#pragma once
#include "runtime/base/compiler.h"
#include <stdbool.h>

VTHR_BEGIN_DECLS
/* Redirects the streams, once per process.  Where libc's tables do not look as expected they stay as they are. */
void stdio_install(void);
/* Streams are redirected. */
bool stdio_redirected(void);
VTHR_END_DECLS
