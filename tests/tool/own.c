/* Which of its threads keep an OS thread of their own?  With "limit N": how many can it make at a time; with "churn N": makes many, of which
 * never more than N may be there. */
#include "own.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static void *first(void *arg)
{
    tell("first");
    return arg;
}
static void *second(void *arg)
{
    tell("second");
    return arg;
}
static void *given_away(void *arg)
{
    tell("given");
    return arg;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *at_gate(void *arg)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return arg;
}

static int limit(int n)
{
    pthread_t t[64], more;
    int made = 0, r = 0;

    pthread_mutex_lock(&gate);
    while (made <= n && (r = pthread_create(&t[made], NULL, at_gate, NULL)) == 0)
        made++;
    printf("made=%d error=%s\n", made, r == EAGAIN ? "EAGAIN" : r ? "?" : "none");
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < made; i++)
        pthread_join(t[i], NULL);
    /* Who has joined can make others at once. */
    for (int i = 0; i < made; i++) {
        r = pthread_create(&more, NULL, at_gate, NULL);
        if (r || pthread_join(more, NULL))
            return 1;
    }
    return 0;
}

static atomic_int there, most;
static void *passes(void *arg)
{
    int n = atomic_fetch_add(&there, 1) + 1, m = atomic_load(&most);

    while (n > m && !atomic_compare_exchange_weak(&most, &m, n))
        ;
    usleep(500);
    atomic_fetch_sub(&there, 1);
    return arg;
}

static int churn(int n)
{
    pthread_t t[200];

    for (int i = 0; i < 200; i++)
        if (pthread_create(&t[i], NULL, passes, NULL))
            return 1;
    for (int i = 0; i < 200; i++)
        pthread_join(t[i], NULL);
    printf("%s\n", atomic_load(&most) <= n ? "kept" : "exceeded");
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t t[4];

    if (argc > 2 && strcmp(argv[1], "limit") == 0)
        return limit(atoi(argv[2]));
    if (argc > 2)
        return churn(atoi(argv[2]));
    pthread_create(&t[0], NULL, first, NULL);
    pthread_join(t[0], NULL);
    pthread_create(&t[1], NULL, second, NULL);
    pthread_join(t[1], NULL);
    lib_starts_its_own(&t[2]);
    pthread_join(t[2], NULL);
    lib_starts(&t[3], given_away);
    pthread_join(t[3], NULL);
    return 0;
}
