/* Where a vthread's registers are, if the process is stopped (docs/debug-interface.md, "Registers"). */
#ifndef VTHR_TOOL_PLACING_H
#define VTHR_TOOL_PLACING_H

#include "runtime/tool/target.h"

/* Whose stack a carrier's stack pointer is on: the address of a vthread, 0: the carrier's own. */
uint64_t placing_occupant(struct target *t, uint64_t carrier, uint64_t sp);

#endif
