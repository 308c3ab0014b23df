/* Counters, and their summary at exit (VTHR_STATS=1). */
#pragma once
void stats_at_exit(void);
