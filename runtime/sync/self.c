#include "runtime/sync/self.h"
#include "runtime/base/real.h"

uint32_t vthr_tid_offset;

uint32_t self_tid_slow(void)
{
    const uint32_t *d = vthr_real_symbol("_thread_db_pthread_tid");

    if (!d)
        return (uint32_t)sys_gettid();
    vthr_tid_offset = d[2];
    return *(uint32_t *)((char *)arch_tp() + d[2]);
}
