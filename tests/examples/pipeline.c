/* A pipeline with back-pressure: read, square, sum. A fast source does not fill the memory: no channel ever holds more than its bound, so the
 * source is at most so far ahead of the sum. */
#include <stdio.h>
#include <sched.h>
#include <vthr.h>

#define NUMBERS 10000L
#define BOUND 4

static vthr_channel *raw, *squares;
static long produced, summed, furthest;

static int source(void *arg, void **value)
{
    int r = 0;

    (void)arg, (void)value;
    for (long i = 1; i <= NUMBERS && r == 0; i++) {
        long ahead;

        r = vthr_send(raw, &i);
        ahead = __atomic_add_fetch(&produced, 1, __ATOMIC_SEQ_CST) - __atomic_load_n(&summed, __ATOMIC_SEQ_CST);
        furthest = ahead > furthest ? ahead : furthest;
    }
    vthr_channel_close(raw);
    return r;
}
static int square(void *arg, void **value)
{
    long x;
    int r = 0;

    (void)arg, (void)value;
    for VTHR_EACH (x, raw) {
        x *= x;
        r = vthr_send(squares, &x);
        if (r)
            break;
    }
    vthr_channel_close(squares);
    return r;
}

int main(void)
{
    long x, sum = 0;
    vthr_scope *s;

    if (vthr_scope_open(&s) || vthr_channel_new(&raw, sizeof x, BOUND) || vthr_channel_new(&squares, sizeof x, BOUND))
        return 1;
    vthr_spawn(s, NULL, source, NULL);
    vthr_spawn(s, NULL, square, NULL);
    for VTHR_EACH (x, squares) {
        sum += x;
        if (__atomic_add_fetch(&summed, 1, __ATOMIC_SEQ_CST) % 100 == 0)
            sched_yield(); /* a slow consumer */
    }
    if (vthr_scope_leave(s))
        return 1;
    /* Two channels, one number in each of the three hands. */
    printf("sum %ld, never further ahead than the bounds: %s\n", sum, furthest <= 2 * BOUND + 3 ? "yes" : "no");
    vthr_channel_free(raw);
    vthr_channel_free(squares);
    return 0;
}
