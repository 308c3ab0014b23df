/* The one place that picks an architecture's headers: the build puts runtime/arch/<cpu> on the include path. */
#pragma once
#if defined(__x86_64__)
#include "runtime/arch/x86_64/syscall.h"
#else
#error "libvthr: unsupported architecture"
#endif
