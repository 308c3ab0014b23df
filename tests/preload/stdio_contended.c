// Many threads want one stream while the one that has its lock waits: every line arrives once and whole, whoever is interrupted,
// cancelled or forked meanwhile.
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { WRITERS = 40, LINES = 40, READERS = 20 };
static FILE *out, *in;
static sem_t started;
static int handled;
static int seen[WRITERS][LINES];

static void on_signal(int sig)
{
    (void)sig;
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

static void *writer(void *arg)
{
    long me = (long)arg;

    for (int i = 0; i < LINES; i++) {
        CHECK(fprintf(out, "%ld %d a line that is long enough to fill the pipe soon\n", me, i) > 0);
        CHECK_EQ(fflush(out), 0);
    }
    return NULL;
}
static void *reader(void *arg)
{
    char line[100];
    int w, l, n;

    while (fgets(line, sizeof line, in)) {
        CHECK(sscanf(line, "%d %d a line that is long enough to fill the pipe soon%n", &w, &l, &n) == 2);
        CHECK_EQ(line[n], '\n');
        __atomic_fetch_add(&seen[w][l], 1, __ATOMIC_RELAXED);
    }
    return arg;
}

// Both ends of a small pipe are contended, and signals interrupt all.
static void crowd(void)
{
    pthread_t w[WRITERS], r[READERS];
    int p[2];

    CHECK_EQ(pipe(p), 0);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 4096) >= 4096);
    CHECK((in = fdopen(p[0], "r")) && (out = fdopen(p[1], "w")));
    for (long i = 0; i < READERS; i++)
        CHECK_EQ(pthread_create(&r[i], NULL, reader, NULL), 0);
    for (long i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&w[i], NULL, writer, (void *)i), 0);
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < READERS; i++)
            CHECK_EQ(pthread_kill(r[i], SIGUSR1), 0);
        usleep(100);
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_join(w[i], NULL), 0);
    CHECK_EQ(fclose(out), 0);
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(pthread_join(r[i], NULL), 0);
    CHECK_EQ(fclose(in), 0);
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < LINES; k++)
            CHECK_EQ(seen[i][k], 1);
    CHECK(__atomic_load_n(&handled, __ATOMIC_RELAXED) > 0);
    puts("all lines");
}

static void *get_line(void *arg)
{
    static char line[16];

    sem_post(&started);
    return fgets(line, sizeof line, in) ? line : arg;
}
static void *put_line(void *arg)
{
    sem_post(&started);
    CHECK(fputs("late\n", in) >= 0 && fflush(in) == 0);
    return arg;
}

// The one that has the lock is cancelled in its read; a child of fork finds the lock free.
static void cancelled(void)
{
    pthread_t holder, w[10];
    char got[50];
    void *r;
    int s[2], status;
    pid_t pid;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK((in = fdopen(s[0], "r+")) != NULL);
    CHECK_EQ(pthread_create(&holder, NULL, get_line, NULL), 0);
    CHECK_EQ(sem_wait(&started), 0);
    while (ftrylockfile(in) == 0) {
        funlockfile(in);
        usleep(100);
    }
    for (int i = 0; i < 10; i++)
        CHECK_EQ(pthread_create(&w[i], NULL, put_line, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sem_wait(&started), 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(ftrylockfile(in) == 0 ? 3 : 4);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
    CHECK_EQ(pthread_cancel(holder), 0);
    CHECK_EQ(pthread_join(holder, &r), 0);
    CHECK(r == PTHREAD_CANCELED);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(pthread_join(w[i], NULL), 0);
    for (size_t n = 0; n < sizeof got;) {
        ssize_t k = read(s[1], got + n, sizeof got - n);
        CHECK(k > 0);
        n += (size_t)k;
    }
    for (int i = 0; i < 10; i++)
        CHECK_EQ(memcmp(got + 5 * i, "late\n", 5), 0);
    CHECK_EQ(fclose(in), 0);
    puts("cancelled");
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(sem_init(&started, 0, 0), 0);
    crowd();
    cancelled();
    return 0;
}
