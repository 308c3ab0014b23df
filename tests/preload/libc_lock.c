// A thread waits for a pipe while it holds a lock inside libc, a stream's; 50 others want it, 100 do not and go on.
#include "check.h"
#include <semaphore.h>
#include <stdlib.h>

#define WANT 50
#define OTHERS 100

static FILE *f;
static int gate[2];
static sem_t held, started;

static void *hold(void *arg)
{
    char c;
    flockfile(f);
    fprintf(f, "%s", "begin ");
    sem_post(&held);
    CHECK_EQ(read(gate[0], &c, 1), 1);
    fprintf(f, "end %c\n", c);
    funlockfile(f);
    return arg;
}

static void *want(void *arg)
{
    sem_post(&started);
    for (int i = 0; i < 3; i++) {
        fprintf(f, "%ld: %d\n", (long)arg, i);
        sched_yield();
    }
    return arg;
}

static void *other(void *arg)
{
    int p[2];
    char buf[64], c;
    FILE *own = tmpfile();
    CHECK(own != NULL);
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 20; i++) {
        fprintf(own, "%d\n", i);
        snprintf(buf, sizeof buf, "%d", i);
        free(malloc(5000));
        CHECK_EQ(write(p[1], buf, 1), 1);
        CHECK_EQ(read(p[0], &c, 1), 1);
        usleep(100);
    }
    CHECK_EQ(fclose(own), 0);
    close(p[0]);
    close(p[1]);
    return arg;
}

int main(void)
{
    pthread_t h, w[WANT], o[OTHERS];
    int lines = 0, n, i, next[WANT] = {0};
    char line[100];

    CHECK_EQ(sem_init(&held, 0, 0), 0);
    CHECK_EQ(sem_init(&started, 0, 0), 0);
    CHECK_EQ(pipe(gate), 0);
    CHECK((f = tmpfile()) != NULL);
    CHECK_EQ(setvbuf(f, NULL, _IOLBF, BUFSIZ), 0); // as stdout on a terminal
    h = start(hold, NULL);
    sem_wait(&held);
    for (long k = 0; k < WANT; k++)
        w[k] = start(want, (void *)k);
    for (int k = 0; k < WANT; k++)
        sem_wait(&started);
    for (int k = 0; k < OTHERS; k++)
        o[k] = start(other, &o[k]);
    for (int k = 0; k < OTHERS; k++)
        CHECK(finish(o[k]) == &o[k]);
    puts("100 others finished");
    CHECK_EQ(write(gate[1], "!", 1), 1);
    finish(h);
    for (long k = 0; k < WANT; k++)
        CHECK((long)finish(w[k]) == k);

    rewind(f);
    CHECK(fgets(line, (int)opaque(sizeof line), f) != NULL);
    CHECK(strcmp(line, "begin end !\n") == 0);
    while (fgets(line, (int)opaque(sizeof line), f)) {
        CHECK_EQ(sscanf(line, "%d: %d", &n, &i), 2);
        CHECK(n >= 0 && n < WANT);
        CHECK_EQ(i, next[n]++);
        lines++;
    }
    printf("%d lines after the holder's\n", lines);
    CHECK_EQ(fclose(f), 0);
    return 0;
}
