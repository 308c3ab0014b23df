/* Who is calling, as lock owners are recorded: the thread's number in its TCB, for vthreads and native threads alike. */
#pragma once
#include "runtime/arch/syscall.h"
#include "runtime/base/compiler.h"
#include "runtime/base/sys.h"
#include "runtime/mem/image.h"

VTHR_BEGIN_DECLS
/* Cached offset of tid in struct pthread; found at the first call. */
extern uint32_t vthr_tid_offset;
uint32_t self_tid_slow(void);

static inline uint32_t self_tid(void)
{
    if (unlikely(!vthr_tid_offset))
        return self_tid_slow();
    return *(uint32_t *)((char *)arch_tp() + vthr_tid_offset);
}
VTHR_END_DECLS
