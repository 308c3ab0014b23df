/* N threads wait in fgets on one end each of a socket pair, and N more on the lock of a stream that one of them holds.  Prints
 * how many kernel threads there were for all, and how many did what they had to. */
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N = 200, LOCKERS = 100 };
static int pair[N][2];
static FILE *first;
static sem_t ready;

static void *reader(void *arg)
{
    long i = (long)arg;
    char line[32];
    FILE *f = fdopen(pair[i][1], "r+");

    if (i == 0)
        first = f;
    flockfile(f);
    sem_post(&ready);
    if (!fgets(line, sizeof line, f) || strcmp(line, "go\n") || fputs("gone\n", f) < 0 || fflush(f))
        arg = NULL;
    else
        arg = "ok";
    funlockfile(f);
    return arg;
}

static void *locker(void *arg)
{
    sem_post(&ready);
    if (fprintf(first, "%s\n", "late") > 0 && fflush(first) == 0)
        arg = "ok";
    return arg;
}

static int kernel_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

int main(void)
{
    pthread_t t[N], l[LOCKERS];
    int tasks, n, good = 0;
    char got[5 + LOCKERS * 5];
    void *r;

    sem_init(&ready, 0, 0);
    for (long i = 0; i < N; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]) || pthread_create(&t[i], NULL, reader, (void *)i))
            return 2;
    for (int i = 0; i < N; i++)
        sem_wait(&ready);
    usleep(20000);
    tasks = kernel_threads();
    for (long i = 0; i < LOCKERS; i++)
        if (pthread_create(&l[i], NULL, locker, NULL))
            return 2;
    for (int i = 0; i < LOCKERS; i++)
        sem_wait(&ready);
    usleep(20000);
    n = kernel_threads();
    tasks = n > tasks ? n : tasks;
    for (int i = N - 1; i >= 0; i--)
        if (write(pair[i][0], "go\n", 3) != 3)
            return 3;
    for (int i = 0; i < N; i++)
        good += pthread_join(t[i], &r) == 0 && r;
    for (int i = 0; i < LOCKERS; i++)
        good += pthread_join(l[i], &r) == 0 && r;
    for (size_t n = 0; n < sizeof got;) {
        ssize_t k = read(pair[0][0], got + n, sizeof got - n);
        if (k <= 0)
            return 4;
        n += (size_t)k;
    }
    fprintf(stderr, "kernel threads: %d\n", tasks);
    printf("%s kernel threads, good: %d\n", tasks > N ? "as many" : tasks < 20 ? "few" : "many", good);
    return 0;
}
