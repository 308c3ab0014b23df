/* The tree of the native API's tasks: whose child a vthread is. */
#ifndef VTHR_TOOL_TREE_H
#define VTHR_TOOL_TREE_H

#include "runtime/tool/snapshot.h"

/* Fills in `parent` of each.  False: no memory. */
bool tree_find(struct target *t, struct snapshot *s);
/* Children behind their parent, each generation by number: calls see(index, depth) for all. */
bool tree_walk(const struct snapshot *s, void (*see)(void *arg, size_t index, unsigned depth), void *arg);

#endif
