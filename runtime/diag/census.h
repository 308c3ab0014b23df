/* All vthreads, each as it was at one instant: what it does, what it waits for, who has that.  Taken from inside while they run on;
 * a row that changed while it was read is read again. */
#pragma once
#include "runtime/sched/vthread.h"

enum census_state { CENSUS_RUNNING, CENSUS_BLOCKED, CENSUS_CALL, CENSUS_READY, CENSUS_PARKED, CENSUS_STATES };

struct census_row {
    struct vthread *v;
    struct carrier *carrier;
    uint64_t word;        /* the waiter's: which wait it is */
    struct wait_on what;  /* in a call or parked */
    uint64_t since;
    uint32_t number;      /* 0: the main thread */
    uint32_t owner;       /* row + 1 of who has what it waits for; 0: nobody, or not known */
    uint8_t state;        /* enum census_state; BLOCKED is what sample_stack makes of a running one that sleeps in the kernel */
    bool timed;           /* it stops waiting by itself */
    char name[17];
    uint32_t seen;        /* census_cycles: by which path */
};

struct census {
    size_t bytes; /* of the mapping */
    uint32_t n, cap;
    uint32_t *row_of; /* by number: row + 1 */
    uint32_t numbers;
    struct census_row row[];
};

VTHR_BEGIN_DECLS
/* NULL: no memory. */
struct census *census_take(void);
void census_end(struct census *c);
/* Looks at the row's vthread anew.  False: it has ended. */
bool census_again(struct census *c, uint32_t row);
/* True while the row's vthread is where it was. */
bool census_holds(const struct census_row *r);
/* Calls fn once for each cycle of vthreads that wait for each other's locks, or for each other's end, without a time limit; row: one of
 * it, the others follow by `owner`.  Only cycles that were whole at one instant. */
void census_cycles(struct census *c, void (*fn)(struct census *c, uint32_t row, void *arg), void *arg);
VTHR_END_DECLS
