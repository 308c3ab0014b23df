/* So many tasks in one scope: million_tasks [-p] [N].  Each adds its number; the last line says what they took.  -p: all are parked at
 * once, waiting for one event; that takes 10 GiB for a million.  Linked with the library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vthr.h>

static unsigned long sum;
static long waiting;
static vthr_event *go;

static int adds(void *arg, void **value)
{
    int r = 0;

    (void)value;
    if (go) {
        __atomic_add_fetch(&waiting, 1, __ATOMIC_RELAXED);
        r = vthr_event_wait(go);
    }
    __atomic_add_fetch(&sum, (unsigned long)arg, __ATOMIC_RELAXED);
    return r;
}

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "%s: %s\n", what, vthr_error_message(error));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    int parked = argc > 1 && strcmp(argv[1], "-p") == 0;
    unsigned long n = argc > 1 + parked ? strtoul(argv[1 + parked], NULL, 10) : 1000000;
    uint64_t begin = vthr_now(), spawned;
    struct rusage u;
    vthr_scope *s;

    if (parked)
        check(vthr_event_new(&go), "vthr_event_new");
    check(vthr_scope_open(&s), "vthr_scope_open");
    for (unsigned long i = 1; i <= n; i++)
        check(vthr_spawn(s, NULL, adds, (void *)i), "vthr_spawn");
    spawned = vthr_now();
    if (parked) {
        while (__atomic_load_n(&waiting, __ATOMIC_RELAXED) < (long)n)
            usleep(1000);
        vthr_event_set(go);
    }
    check(vthr_scope_leave(s), "vthr_scope_leave");
    if (sum != n * (n + 1) / 2) {
        fprintf(stderr, "the sum is %lu\n", sum);
        return 1;
    }
    getrusage(RUSAGE_SELF, &u);
    printf("%lu tasks in one scope: all ran; spawned in %.2f s, left after %.2f s; peak %.1f MiB, %.2f KiB for each\n", n,
           (double)(spawned - begin) / 1e9, (double)(vthr_now() - begin) / 1e9, (double)u.ru_maxrss / 1024, (double)u.ru_maxrss / (double)n);
    return 0;
}
