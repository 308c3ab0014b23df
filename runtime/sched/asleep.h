/* Does an OS thread sleep in the kernel?  See asleep.c. */
#pragma once
#include <stdbool.h>

/* By its number.  Not certain to be asleep counts as awake.  Monitor only. */
bool asleep_ask(int tid);
void asleep_reset_child(void);
