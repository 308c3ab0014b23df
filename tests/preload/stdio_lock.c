// One thread holds a stream's lock while it waits; others block on that stream; 100 that do not need it go on.
#include "check.h"
#include <semaphore.h>
#include <stdlib.h>

static FILE *f;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int let_go;
static sem_t held, started;

static void *hold(void *arg)
{
    flockfile(f);
    flockfile(f); // the lock is recursive
    fputs("holder\n", f);
    sem_post(&held);
    pthread_mutex_lock(&m);
    while (!let_go)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    fprintf(f, "%s\n", "still holder");
    funlockfile(f);
    usleep(100);
    CHECK_EQ(ftrylockfile(f), 0); // ours still
    fputs("holder's last\n", f);
    funlockfile(f);
    funlockfile(f);
    return arg;
}

static void *print(void *arg)
{
    sem_post(&started);
    fprintf(f, "line %ld\n", (long)arg);
    return NULL;
}

static void *unrelated(void *arg)
{
    char buf[32];
    FILE *own = fopen("/dev/null", "w");
    CHECK(own != NULL);
    for (int i = 0; i < 20; i++) {
        fprintf(own, "%d", i);
        snprintf(buf, sizeof buf, "%d", i);
        free(malloc(1000));
        usleep(50);
    }
    CHECK_EQ(fclose(own), 0);
    return arg;
}

int main(void)
{
    pthread_t h, w[20], t[100];
    char line[64];
    int lines = 0, last_of_holder = 0, seen[20] = {0};
    sem_init(&held, 0, 0);
    sem_init(&started, 0, 0);
    CHECK((f = tmpfile()) != NULL);
    h = start(hold, NULL);
    sem_wait(&held);
    CHECK(ftrylockfile(f) != 0);
    for (long i = 0; i < 20; i++)
        w[i] = start(print, (void *)i);
    for (int i = 0; i < 20; i++)
        sem_wait(&started);
    for (int i = 0; i < 100; i++)
        t[i] = start(unrelated, NULL);
    for (int i = 0; i < 100; i++)
        finish(t[i]);
    puts("100 finished");
    pthread_mutex_lock(&m);
    let_go = 1;
    pthread_cond_signal(&c);
    pthread_mutex_unlock(&m);
    finish(h);
    for (int i = 0; i < 20; i++)
        finish(w[i]);
    rewind(f);
    while (fgets(line, (int)opaque(sizeof line), f)) {
        int n;
        lines++;
        if (sscanf(line, "line %d", &n) == 1)
            seen[n]++;
        else
            last_of_holder = lines;
    }
    for (int i = 0; i < 20; i++)
        CHECK_EQ(seen[i], 1);
    printf("%d lines, the holder's come first: %d\n", lines, last_of_holder == 3);
    CHECK_EQ(fclose(f), 0);
    return 0;
}
