/* Makes some threads that wait, and prints how many the kernel has and what they computed. With an argument, the
 * descriptor table is full when the first one is made. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N = 10 };
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, go;

static void *work(void *arg)
{
    pthread_mutex_lock(&m);
    waiting++;
    pthread_cond_broadcast(&c);
    while (!go)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    usleep(1000);
    return (char *)arg + 1;
}

int main(int argc, char **argv)
{
    pthread_t t[N];
    long sum = 0;
    int tasks = 0, fd, last = -1;
    DIR *d = opendir("/proc/self/task");

    (void)argv;
    if (!d)
        return 3;
    if (argc > 1)
        while ((fd = dup(2)) >= 0)
            last = fd;
    for (long i = 0; i < N; i++)
        if (pthread_create(&t[i], NULL, work, (void *)i))
            return 4;
    pthread_mutex_lock(&m);
    while (waiting < N)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    for (struct dirent *e; (e = readdir(d));)
        tasks += e->d_name[0] != '.';
    pthread_mutex_lock(&m);
    go = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < N; i++) {
        void *r;
        if (pthread_join(t[i], &r))
            return 5;
        sum += (long)r;
    }
    if (argc > 1 && (last < 0 || dup(2) >= 0))
        return 6;
    printf("tasks=%d sum=%ld\n", tasks, sum);
    return 42;
}
