// Compute tasks that make tasks; some carriers have none of their own. Results are checked: steal [ROUNDS]
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(cond)                                                                                      \
    do {                                                                                                 \
        if (!(cond)) {                                                                                   \
            dprintf(2, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                                \
            _exit(1);                                                                                    \
        }                                                                                                \
    } while (0)

struct task {
    uint32_t from, to;
    uint64_t sum;
};

static uint64_t mix(uint32_t i)
{
    uint64_t x = i * 0x9e3779b97f4a7c15u;
    for (int k = 0; k < 20; k++)
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return x;
}

static uint64_t alone(uint32_t from, uint32_t to)
{
    uint64_t s = 0;
    for (uint32_t i = from; i < to; i++)
        s += mix(i);
    return s;
}

static void *split(void *arg)
{
    struct task *t = arg;
    if (t->to - t->from <= 500) {
        t->sum = alone(t->from, t->to);
        if (t->from % 3 == 0)
            sched_yield();
        return t;
    }
    uint32_t middle = t->from + (t->to - t->from) / 2;
    struct task half[2] = {{t->from, middle, 0}, {middle, t->to, 0}};
    pthread_t th[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&th[i], NULL, split, &half[i]) == 0);
    for (int i = 0; i < 2; i++) {
        void *r;
        CHECK(pthread_join(th[i], &r) == 0 && r == &half[i]);
    }
    t->sum = half[0].sum + half[1].sum;
    return t;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 40;
    uint64_t want = alone(0, 200000);
    for (int i = 0; i < rounds; i++) {
        struct task all = {0, 200000, 0};
        split(&all);
        CHECK(all.sum == want);
    }
    printf("steal: %d rounds\n", rounds);
    return 0;
}
