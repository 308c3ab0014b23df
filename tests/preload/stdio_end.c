// fork and exit while threads wait inside stdio and hold the locks of streams.
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { READERS = 20 };
static FILE *in[READERS], *out, *full;
static int writers[READERS], out_end, full_end;
static sem_t ready;
static char big_buffer[200000];

static void *read_line(void *f)
{
    char line[64];

    flockfile(f);
    sem_post(&ready);
    void *r = fgets(line, (int)opaque(sizeof line), f);
    funlockfile(f);
    return (void *)(long)(r && strcmp(line, "go on\n") == 0);
}
static void *flush_all(void *arg)
{
    sem_post(&ready);
    return (void *)((long)arg + (fflush(NULL) == 0)); // waits with the list of all streams locked
}
static void *drain(void *arg)
{
    char buf[4096];
    long n = 0, got;

    while (n < (long)arg && (got = read(full_end, buf, sizeof buf)) > 0)
        n += got;
    return (void *)n;
}

static FILE *stream(int *end, const char *mode)
{
    int p[2];
    FILE *f;

    CHECK_EQ(pipe(p), 0);
    CHECK((f = fdopen(p[mode[0] == 'w'], mode)) != NULL);
    *end = p[mode[0] != 'w'];
    return f;
}

static void readers_wait(pthread_t *t)
{
    sem_init(&ready, 0, 0);
    for (int i = 0; i < READERS; i++) {
        in[i] = stream(&writers[i], "r");
        t[i] = start(read_line, in[i]);
    }
    for (int i = 0; i < READERS; i++)
        sem_wait(&ready);
    nap_ms(2);
}
static void readers_end(pthread_t *t)
{
    for (int i = 0; i < READERS; i++)
        write_all(writers[i], "go on\n", 6);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ((long)finish(t[i]), 1);
        CHECK_EQ(fclose(in[i]), 0);
        close(writers[i]);
    }
}

static void *in_child(void *arg)
{
    FILE *f = arg;
    char line[64];

    CHECK(fgets(line, (int)opaque(sizeof line), f));
    return (void *)(long)(strcmp(line, "in the child\n") == 0);
}

// The child may use the streams that others hold in the parent, natively and on threads of its own.
static void child(void)
{
    pthread_t t[READERS];

    alarm(20);
    for (int i = 0; i < READERS; i++) {
        close(writers[i]);
        CHECK_EQ(ftrylockfile(in[i]), 0);
        funlockfile(in[i]);
        CHECK_EQ(fclose(in[i]), 0);
    }
    CHECK(fprintf(out, "hello from the child\n") > 0);
    CHECK_EQ(fflush(out), 0);
    for (int i = 0; i < READERS; i++) {
        in[i] = stream(&writers[i], "r");
        t[i] = start(in_child, in[i]);
    }
    for (int i = 0; i < READERS; i++)
        write_all(writers[i], "in the child\n", 13);
    for (int i = 0; i < READERS; i++)
        CHECK_EQ((long)finish(t[i]), 1);
    exit(7);
}

static int reap(pid_t pid)
{
    int status;

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *fork_one(void *arg)
{
    pid_t pid = fork();

    if (pid == 0)
        child();
    CHECK_EQ(reap(pid), 7);
    return arg;
}

static void forks(void)
{
    pthread_t t[READERS], f, d;
    char got[32];
    pid_t pid;

    out = stream(&out_end, "w");
    readers_wait(t);
    finish(start(fork_one, NULL));
    fork_one(NULL);
    for (int i = 0; i < 2; i++) {
        read_all(out_end, got, 21);
        CHECK_EQ(memcmp(got, "hello from the child\n", 21), 0);
    }
    readers_end(t);
    puts("forks with readers");

    // fork waits for the list of streams, which fflush(NULL) holds until somebody drains the pipe.
    full = stream(&full_end, "w");
    CHECK_EQ(setvbuf(full, big_buffer, _IOFBF, sizeof big_buffer), 0);
    for (int i = 0; i < 150000; i++)
        CHECK_EQ(putc('x', full), 'x');
    f = start(flush_all, (void *)1);
    sem_wait(&ready);
    nap_ms(2);
    d = start(drain, (void *)150000);
    pid = fork();
    if (pid == 0)
        _exit(3);
    CHECK_EQ(reap(pid), 3);
    CHECK_EQ((long)finish(f), 2);
    CHECK_EQ((long)finish(d), 150000);
    CHECK_EQ(fclose(full), 0);
    CHECK_EQ(fclose(out), 0);
    close(full_end), close(out_end);
    puts("fork under a flush");
}

// Ends a process in one of the ways while others wait; what is buffered elsewhere must be written.
static int ending(int way)
{
    pthread_t t[READERS];
    int p[2], status;
    char got[16] = "";
    pid_t pid;

    CHECK_EQ(pipe(p), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(20);
        close(p[0]);
        CHECK((out = fdopen(p[1], "w")) != NULL);
        CHECK(fputs("buffered", out) >= 0);
        readers_wait(t);
        if (way == 0)
            exit(11);
        if (way == 1) // from another thread
            finish(start((void *(*)(void *))(void *)exit, (void *)12));
        if (way == 2) { // the flush at exit has to wait for a reader: the thread that drains
            full = stream(&full_end, "w");
            CHECK_EQ(setvbuf(full, big_buffer, _IOFBF, sizeof big_buffer), 0);
            for (int i = 0; i < 150000; i++)
                CHECK_EQ(putc('x', full), 'x');
            start(drain, (void *)150000);
            exit(13);
        }
        _exit(1);
    }
    close(p[1]);
    status = reap(pid);
    CHECK_EQ(read(p[0], got, sizeof got), 8);
    CHECK_EQ(strcmp(got, "buffered"), 0);
    close(p[0]);
    return status;
}

int main(void)
{
    alarm(40);
    forks();
    for (int way = 0; way < 3; way++)
        printf("exit: %d\n", ending(way));
    fflush(stdout);
    return 0;
}
