// Streams that write to what is full: the writer waits, others of the same stream queue up behind its lock, no line is torn.
#include "check.h"
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { WRITERS = 16, LINES = 400, TEXT = 300 };
static FILE *out;
static sem_t started;
static int done;

static void *print(void *arg)
{
    char text[TEXT + 1];

    memset(text, 'a' + (int)((long)arg % 26), TEXT);
    text[TEXT] = 0;
    for (int i = 0; i < LINES; i++) {
        switch (i % 4) {
        case 0:
            CHECK(fprintf(out, "%02ld %03d %s\n", (long)arg, i, text) > 0);
            break;
        case 1:
            CHECK_EQ(fflush(out), 0);
            // fall through
        default:
            flockfile(out);
            CHECK(fprintf(out, "%02ld ", (long)arg) > 0);
            CHECK(fprintf(out, "%03d ", i) > 0);
            CHECK(fputs(text, out) >= 0);
            CHECK_EQ(putc_unlocked('\n', out), '\n');
            funlockfile(out);
        }
    }
    return arg;
}

static void *closer(void *arg)
{
    for (int i = 0; i < WRITERS; i++)
        finish(((pthread_t *)arg)[i]);
    CHECK_EQ(fclose(out), 0); // the rest is written here
    return NULL;
}

// Buffered, line-buffered and unbuffered streams into a pipe or socket whose reader starts late.
static void many_writers(int fd_in, int fd_out, int mode, int exact)
{
    pthread_t t[WRITERS], c;
    FILE *in = fdopen(fd_in, "r");
    int next[WRITERS] = {0}, lines = 0;
    char line[TEXT + 64];

    CHECK((out = fdopen(fd_out, "w")) != NULL);
    CHECK_EQ(setvbuf(out, NULL, mode, mode == _IONBF ? 0 : 4096), 0);
    for (long i = 0; i < WRITERS; i++)
        t[i] = start(print, (void *)i);
    c = start(closer, t);
    nap_ms(5);
    while (fgets(line, (int)opaque(sizeof line), in)) {
        int w, n, len = (int)strlen(line);
        CHECK_EQ(sscanf(line, "%d %d ", &w, &n), 2);
        CHECK(w >= 0 && w < WRITERS);
        if (exact) {
            CHECK_EQ(n, next[w]);
            CHECK_EQ(len, TEXT + 8);
            for (int i = 7; i < len - 1; i++)
                CHECK_EQ(line[i], 'a' + w % 26);
        }
        next[w]++;
        lines++;
    }
    finish(c);
    CHECK_EQ(fclose(in), 0);
    printf("mode %d: %d lines\n", mode, lines);
}

static void *fill(void *arg)
{
    FILE *f = arg;
    long n = 0;
    char block[1000];

    memset(block, 'x', sizeof block);
    sem_post(&started);
    while (fwrite(block, sizeof block, 1, f) == 1)
        n++;
    CHECK_EQ(errno, EPIPE);
    CHECK(ferror(f));
    CHECK(n > 0);
    CHECK_EQ(fputc('x', f), 'x');
    CHECK_EQ(fclose(f), EOF); // that cannot be written either
    CHECK_EQ(errno, EPIPE);
    __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
    return NULL;
}

// The reader goes away under a waiting writer.
static void broken_pipe(int p[2], int sock)
{
    FILE *f = fdopen(p[1], "w");
    pthread_t t = start(fill, f);

    sem_wait(&started);
    nap_ms(2);
    if (sock)
        CHECK_EQ(shutdown(p[0], SHUT_RDWR), 0);
    else
        CHECK_EQ(close(p[0]), 0);
    finish(t);
    if (sock)
        CHECK_EQ(close(p[0]), 0);
}

static void *big(void *arg)
{
    char *block = malloc(3 << 20);
    FILE *f = arg;

    for (int i = 0; i < 3 << 20; i++)
        block[i] = (char)(i * 7 + i / 1000);
    CHECK_EQ(fputc('>', f), '>');
    CHECK_EQ(fwrite(block, 1, 3 << 20, f), 3 << 20);
    CHECK_EQ(fputs("<\n", f) >= 0, 1);
    CHECK_EQ(fclose(f), 0);
    free(block);
    return NULL;
}

// One call that writes more than fits, and a read of the same size on the other side.
static void big_block(int p[2])
{
    char *block = malloc(3 << 20);
    FILE *in = fdopen(p[0], "r");
    pthread_t t = start(big, fdopen(p[1], "w"));

    CHECK_EQ(getc(in), '>');
    CHECK_EQ(fread(block, 1, 3 << 20, in), 3 << 20);
    for (int i = 0; i < 3 << 20; i++)
        CHECK(block[i] == (char)(i * 7 + i / 1000));
    CHECK_EQ(getc(in), '<');
    CHECK_EQ(getc(in), '\n');
    CHECK_EQ(getc(in), EOF);
    finish(t);
    CHECK_EQ(fclose(in), 0);
    free(block);
}

int main(void)
{
    int modes[] = {_IOFBF, _IOLBF, _IONBF};
    int p[2];

    sem_init(&started, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    for (int m = 0; m < 3; m++) {
        CHECK_EQ(pipe(p), 0);
        many_writers(p[0], p[1], modes[m], 1);
    }
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    many_writers(p[0], p[1], _IOFBF, 1);
    CHECK_EQ(pipe(p), 0);
    broken_pipe(p, 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    broken_pipe(p, 1);
    printf("broken: %d\n", done);
    CHECK_EQ(pipe(p), 0);
    big_block(p);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    big_block(p);
    puts("big blocks");
    return 0;
}
