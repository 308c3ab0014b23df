/* All stacks on request (VTHR_DUMP_SIGNAL), and deadlocks (VTHR_DEADLOCK). */
#pragma once
void dump_install(void);
