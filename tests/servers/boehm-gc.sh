#!/bin/bash
# Boehm's garbage collector (client-type): threads that allocate, beside many that wait with the only pointers to their lists on their stacks; the world is stopped by signals, and what is reachable must be intact
NAME=boehm-gc
LIB=$(cd "$(dirname "$0")/lib" && pwd)
. "$LIB/prelude.sh"
need gcc
cat >"$T/gc.c" <<'CC'
#define GC_THREADS
#include <gc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { WAITING = 200, ALLOCATING = 4, LENGTH = 200, TREES = 60, DEPTH = 9 };
struct node { struct node *left, *right; unsigned long value; };
static void fail(const char *what) { fprintf(stderr, "%s\n", what); _exit(1); }
static struct node *leaf(unsigned long value)
{
    struct node *n = GC_MALLOC(sizeof *n);
    if (!n) fail("no memory");
    n->value = value;
    return n;
}
static struct node *tree(int depth, unsigned long value)
{
    struct node *n = leaf(value);
    if (depth) {
        n->left = tree(depth - 1, 2 * value);
        n->right = tree(depth - 1, 2 * value + 1);
    }
    return n;
}
static void check(const struct node *n, int depth, unsigned long value)
{
    if (!n || n->value != value || !n->left != !depth) fail("a tree is damaged");
    if (depth) { check(n->left, depth - 1, 2 * value); check(n->right, depth - 1, 2 * value + 1); }
}
static int request[WAITING][2], reply[WAITING][2];
static void *waits(void *arg)
{
    long i = (long)arg;
    char c;
    struct node *list = NULL;
    for (int k = 0; k < LENGTH; k++) { struct node *n = leaf((unsigned long)(i * 1000 + k)); n->left = list; list = n; }
    while (read(request[i][0], &c, 1) == 1 && c) { /* parked: only this stack knows the list */
        struct node *n = list;
        for (int k = LENGTH - 1; k >= 0; k--, n = n->left)
            if (!n || n->value != (unsigned long)(i * 1000 + k)) fail("a list is damaged");
        list = n = leaf((unsigned long)(i * 1000)); /* a new one, the old one is garbage */
        for (int k = 1; k < LENGTH; k++) { n = leaf((unsigned long)(i * 1000 + k)); n->left = list; list = n; }
        if (write(reply[i][1], &c, 1) != 1) fail("write");
    }
    return list;
}
static void *allocates(void *arg)
{
    struct node *kept = tree(DEPTH, 1);
    for (int i = 0; i < TREES; i++) {
        struct node *t = tree(DEPTH, 1);
        check(t, DEPTH, 1);
        if (i % 8 == 7) { check(kept, DEPTH, 1); kept = t; }
        if (i % 16 == 0) GC_gcollect();
    }
    check(kept, DEPTH, 1);
    return arg;
}
int main(void)
{
    pthread_t w[WAITING], a[ALLOCATING];
    char c = 1;
    GC_INIT();
    for (long i = 0; i < WAITING; i++) {
        if (pipe(request[i]) || pipe(reply[i])) fail("pipe");
        if (pthread_create(&w[i], NULL, waits, (void *)i)) fail("pthread_create");
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ALLOCATING; i++) pthread_create(&a[i], NULL, allocates, NULL);
        for (int i = round; i < WAITING; i += 3) if (write(request[i][1], &c, 1) != 1) fail("write");
        for (int i = round; i < WAITING; i += 3) if (read(reply[i][0], &c, 1) != 1) fail("read");
        for (int i = 0; i < ALLOCATING; i++) pthread_join(a[i], NULL);
    }
    for (int k = 0; k < 2; k++, c = 0)
        for (int i = 0; i < WAITING; i++) {
            char r;
            if (write(request[i][1], &c, 1) != 1 || (c && read(reply[i][0], &r, 1) != 1)) fail("last");
        }
    for (int i = 0; i < WAITING; i++) pthread_join(w[i], NULL);
    printf("collections %lu\n", (unsigned long)GC_get_gc_no());
    return GC_get_gc_no() < 12;
}
CC
echo '#include <gc.h>' | gcc -E - >/dev/null 2>&1 || skip "libgc-dev is not installed"
gcc -O2 -pthread "$T/gc.c" -o "$T/gc" -lgc 2>"$T/build.log" || die "build: $(head -1 "$T/build.log")"
RUN_MAX=80 run "$T/gc" || die "status $?: $(tail -1 "$T/out.log")"
FIG="$FIG $(tr ' ' = <"$T/out.log")"
peak
ok
