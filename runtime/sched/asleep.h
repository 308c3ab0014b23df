/* Does an OS thread sleep in the kernel?  See asleep.c. */
#pragma once

enum asleep { AWAKE, ASLEEP, ASK_AGAIN };

/* By its number.  Not certain to be asleep counts as awake; ASK_AGAIN: not known yet.  Monitor only. */
enum asleep asleep_ask(int tid);
void asleep_reset_child(void);
