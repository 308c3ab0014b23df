/* See stack.h. */
#include "runtime/diag/stack.h"

#define MAX_PERIOD 16 /* functions that call each other in turn */
#define LEAST 3       /* times that a recursion must repeat to be folded */

/* The linker's bounds of the image. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool stack_is_ours(uintptr_t pc)
{
    return pc - (uintptr_t)__ehdr_start < (uintptr_t)(_end - __ehdr_start);
}

size_t stack_trim(uintptr_t *pc, size_t n)
{
    size_t left = 0, i;

    while (n > 1 && stack_is_ours(pc[n - 1]))
        n--;
    for (i = 0; i < n; i++)
        if (i + 1 == n || !stack_is_ours(pc[i]) || !stack_is_ours(pc[i + 1]))
            pc[left++] = pc[i];
    return left;
}

void stack_print_place(struct text *t, struct symbols *s, uintptr_t pc)
{
    const struct place *p = s ? symbol_at(s, pc) : NULL;

    if (!p || !*p->object) {
        text_hex(t, pc);
        return;
    }
    if (*p->name) {
        text_name(t, p->name, sizeof p->name);
        if (p->offset) {
            text_put(t, "+", NULL);
            text_hex(t, p->offset);
        }
        text_put(t, " (", NULL);
        text_name(t, p->object, sizeof p->object);
        text_put(t, ")", NULL);
    } else {
        text_name(t, p->object, sizeof p->object);
        text_put(t, "+", NULL);
        text_hex(t, p->offset);
    }
}

static unsigned digits(size_t n)
{
    return n < 10 ? 1 : 1 + digits(n / 10);
}

static void frame_line(struct text *t, struct symbols *s, size_t number, uintptr_t pc, size_t n)
{
    unsigned width = digits(n), own = digits(number);

    text_put(t, "    #", NULL);
    text_number(t, number);
    for (; own < width + 1; own++)
        text_put(t, " ", NULL);
    stack_print_place(t, s, pc);
}

/* How often pc[0..period) stands there in a row. */
static size_t repeats(const uintptr_t *pc, size_t n, size_t period)
{
    size_t i = period;

    while (i < n && pc[i] == pc[i - period])
        i++;
    return i / period;
}

/* The period that covers the most frames; 0: none repeats. */
static size_t find_period(const uintptr_t *pc, size_t n, size_t *times)
{
    size_t best = 0, covered = 0;

    *times = 1;
    for (size_t p = 1; p <= MAX_PERIOD && p * LEAST <= n; p++) {
        size_t r = repeats(pc, n, p);

        if (r >= LEAST && r * p > covered) {
            best = p;
            covered = r * p;
            *times = r;
        }
    }
    return best;
}

void stack_print(struct text *t, struct symbols *s, const uintptr_t *pc, size_t n, bool all)
{
    for (size_t i = 0; i < n;) {
        size_t times, period = find_period(pc + i, n - i, &times), block = period ? period : 1;

        for (size_t k = 0; k < block; k++) {
            frame_line(t, s, i + k, pc[i + k], n);
            text_put(t, "\n", NULL);
        }
        if (period) {
            text_put(t, "    ... ", NULL);
            if (period > 1) {
                text_put(t, "these ", NULL);
                text_number(t, period);
                text_put(t, " ", NULL);
            }
            text_put(t, "repeated to #", NULL);
            text_number(t, i + period * times - 1);
            text_put(t, ": ", NULL);
            text_number(t, times);
            text_put(t, " times\n", NULL);
        }
        i += block * times;
    }
    if (!all)
        text_put(t, "    ... and more frames\n", NULL);
}
