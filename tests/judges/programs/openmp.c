/* OpenMP: parallel loops, reductions, tasks, nested teams, locks, ordered, threadprivate. */
#include <omp.h>
#include <stdio.h>

static int own;
#pragma omp threadprivate(own)

static long fib(int n)
{
    long a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a) if (n > 12)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(void)
{
    long sum = 0, f = 0, locked = 0, nested = 0, ordered = 0, privates = 0;
    omp_lock_t lock;
    omp_init_lock(&lock);
    omp_set_max_active_levels(2);
    for (int round = 0; round < 200; round++) {
#pragma omp parallel for num_threads(8) reduction(+ : sum) schedule(dynamic, 3)
        for (int i = 0; i < 1000; i++)
            sum += i;
#pragma omp parallel num_threads(6)
        {
            omp_set_lock(&lock);
            locked++;
            omp_unset_lock(&lock);
#pragma omp barrier
#pragma omp critical
            locked++;
            own++;
        }
    }
#pragma omp parallel num_threads(6) reduction(+ : privates)
    privates += own;
#pragma omp parallel num_threads(4)
#pragma omp single
    f = fib(24);
#pragma omp parallel num_threads(4) reduction(+ : nested)
    {
        long mine = 0;
#pragma omp parallel for num_threads(3) reduction(+ : mine)
        for (int i = 0; i < 100; i++)
            mine += i;
        nested += mine;
    }
#pragma omp parallel for num_threads(5) ordered
    for (int i = 0; i < 500; i++)
#pragma omp ordered
        ordered = ordered * 31 + i;
    printf("%ld %ld %ld %ld %ld %ld\n", sum, f, locked, nested, ordered, privates);
    return 0;
}
