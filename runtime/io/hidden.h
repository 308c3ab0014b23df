/* The runtime's own descriptors, out of the program's sight: it must get the numbers that it would get natively, and closing
 * all that it does not know must not hurt. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* Between the two, new descriptors get high numbers: for making the pollers.  n: how many will be made.  0 or -errno. */
int hidden_begin(unsigned n);
void hidden_end(void);
/* Marks fd as the runtime's. */
void hidden_add(int fd);
/* fd `old` is ours no more; `now` is (-1: none). */
void hidden_replace(int old, int now);
/* Gives a descriptor of the runtime's own, made for a moment, a high number, if there is one: it must not stand where the
 * program expects none (a number that it just closed) or its next one.  Returns the number. */
int hidden_out_of_the_way(int fd);
bool hidden_is(int fd);
/* True if one lies in lo..hi; *first is the lowest. */
bool hidden_in_range(unsigned lo, unsigned hi, unsigned *first);
void hidden_reset(void);
VTHR_END_DECLS
