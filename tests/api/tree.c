// A tree of scopes whose tasks also spawn into the outermost one: every task runs once, and none is left behind.
#include "tests/preload/check.h"
#include <stdlib.h>
#include <vthr.h>

#define DEPTH 8L

static vthr_scope *top;
static int ran;

static int leaf(void *arg, void **value)
{
    (void)arg, (void)value;
    __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static int tree(void *arg, void **value)
{
    long depth = (long)arg;
    vthr_scope *s;

    (void)value;
    __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
    if (depth == 0)
        return 0;
    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, NULL, tree, (void *)(depth - 1)), 0);
    CHECK_EQ(vthr_spawn(s, NULL, tree, (void *)(depth - 1)), 0);
    CHECK_EQ(vthr_spawn(top, NULL, leaf, NULL), 0);
    return vthr_scope_leave(s);
}

int main(void)
{
    CHECK_EQ(vthr_scope_open(&top), 0);
    CHECK_EQ(vthr_spawn(top, NULL, tree, (void *)DEPTH), 0);
    CHECK_EQ(vthr_scope_leave(top), 0);
    CHECK_EQ(ran, (1 << (DEPTH + 1)) - 1 + (1 << DEPTH) - 1);
    puts("ok");
    return 0;
}
