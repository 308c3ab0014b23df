/* Events, as event.c and select.c see them. */
#pragma once
#include "runtime/api/waitq.h"

struct vthr_event {
    struct vthr_lock lk;
    uint32_t set; /* written under lk, read anywhere */
    struct list waiters;
};
