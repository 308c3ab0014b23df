// Hundreds of threads wait in stdio at once, on sockets and pipes, by every way of reading, and get each their own answer.
#include "check.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <wchar.h>

enum { WAYS = 10, EACH = 24, N = WAYS * EACH, ROUNDS = 4 };
static int to[N], from[N];       // main's ends
static int child_in[N], child_out[N];
static pthread_barrier_t all;

// The next line without its end, read in one of the ways.
static void get(FILE *f, int way, char *line)
{
    char *grown = NULL;
    size_t room = 0, n = 0;
    wchar_t wide[64];
    int c;

    switch (way) {
    case 0:
        CHECK(fgets(line, 64, f) == line);
        line[strcspn(line, "\n")] = 0;
        break;
    case 1:
        CHECK(getline(&grown, &room, f) > 0);
        grown[strcspn(grown, "\n")] = 0;
        strcpy(line, grown);
        free(grown);
        break;
    case 2:
        CHECK(getdelim(&grown, &room, '\n', f) > 0);
        grown[strcspn(grown, "\n")] = 0;
        strcpy(line, grown);
        free(grown);
        break;
    case 3:
        CHECK_EQ(fread(line, 1, 16, f), 16); // all lines are 16 long
        line[15] = 0;
        break;
    case 4:
        while ((c = getc(f)) != '\n') {
            CHECK(c != EOF);
            line[n++] = (char)c;
        }
        line[n] = 0;
        break;
    case 5:
        CHECK_EQ(fscanf(f, "%63[^\n]", line), 1);
        CHECK_EQ(fgetc(f), '\n');
        break;
    case 6:
        CHECK(fgetws(wide, 64, f) == wide);
        CHECK(wcstombs(line, wide, 64) > 0);
        line[strcspn(line, "\n")] = 0;
        break;
    case 7:
        c = getc(f);
        CHECK_EQ(ungetc('x', f), 'x'); // a character that was not there
        CHECK_EQ(getc(f), 'x');
        CHECK_EQ(ungetc(c, f), c);
        CHECK(fgets(line, 64, f) == line);
        line[strcspn(line, "\n")] = 0;
        break;
    case 8:
        flockfile(f);
        while ((c = getc_unlocked(f)) != '\n')
            line[n++] = (char)c;
        line[n] = 0;
        funlockfile(f);
        break;
    case 9:
        CHECK_EQ(fwscanf(f, L"%63l[^\n]", wide), 1);
        CHECK_EQ(fgetwc(f), L'\n');
        CHECK(wcstombs(line, wide, 64) > 0);
        break;
    }
}

static void *serve(void *arg)
{
    long i = (long)arg;
    int way = (int)(i % WAYS), mode = (int)(i / WAYS % 3);
    char line[128], want[64], buf[2][512];
    FILE *in = fdopen(child_in[i], "r"), *out = fdopen(child_out[i], "w");

    CHECK(in && out);
    if (mode) {
        CHECK_EQ(setvbuf(in, mode == 2 ? NULL : buf[0], mode == 2 ? _IONBF : _IOLBF, mode == 2 ? 0 : sizeof buf[0]), 0);
        CHECK_EQ(setvbuf(out, mode == 2 ? NULL : buf[1], mode == 2 ? _IONBF : _IOLBF, mode == 2 ? 0 : sizeof buf[1]), 0);
    }
    pthread_barrier_wait(&all);
    for (int r = 0; r < ROUNDS; r++) {
        get(in, way, line);
        snprintf(want, sizeof want, "thread %03ld r %02d", i, r);
        CHECK_EQ(strcmp(line, want), 0);
        if (way == 6 || way == 9)
            CHECK(fwprintf(out, L"%s!\n", line) > 0);
        else if (r % 3 == 0)
            CHECK(fprintf(out, "%s!\n", line) > 0);
        else if (r % 3 == 1)
            CHECK(fputs(line, out) >= 0 && putc('!', out) == '!' && fputc('\n', out) == '\n');
        else
            CHECK(fwrite(line, 1, 15, out) == 15 && fwrite("!\n", 2, 1, out) == 1);
        CHECK_EQ(fflush(out), 0);
    }
    CHECK_EQ(way == 6 || way == 9 ? (int)fgetwc(in) : getc(in), way == 6 || way == 9 ? (int)WEOF : EOF);
    CHECK(feof(in) && !ferror(in));
    CHECK_EQ(fclose(in), 0);
    CHECK_EQ(fclose(out), 0);
    return arg;
}

int main(void)
{
    pthread_t t[N];
    char line[64], got[64], want[64];

    CHECK_EQ(pthread_barrier_init(&all, NULL, N + 1), 0);
    for (long i = 0; i < N; i++) {
        int p[2], q[2];
        if (i / WAYS % 2) {
            CHECK_EQ(pipe(p), 0);
            CHECK_EQ(pipe(q), 0);
            child_in[i] = p[0], to[i] = p[1], from[i] = q[0], child_out[i] = q[1];
        } else {
            CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
            child_in[i] = p[0], child_out[i] = dup(p[0]), to[i] = p[1], from[i] = dup(p[1]);
            CHECK(child_out[i] >= 0 && from[i] >= 0);
        }
        t[i] = start(serve, (void *)i);
    }
    pthread_barrier_wait(&all);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < N; i++) {
            snprintf(line, sizeof line, "thread %03d r %02d\n", i, r);
            if (r % 2) { // in two parts
                write_all(to[i], line, 5);
                write_all(to[i], line + 5, strlen(line) - 5);
            } else {
                write_all(to[i], line, strlen(line));
            }
        }
        for (int i = N - 1; i >= 0; i--) {
            snprintf(want, sizeof want, "thread %03d r %02d!\n", i, r);
            read_all(from[i], got, strlen(want));
            CHECK_EQ(memcmp(got, want, strlen(want)), 0);
        }
    }
    for (int i = 0; i < N; i++) {
        shutdown(to[i], SHUT_WR);
        CHECK_EQ(close(to[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ((long)finish(t[i]), i);
        CHECK_EQ(read(from[i], got, 1), 0);
        close(from[i]);
    }
    printf("%d threads, %d lines each\n", N, ROUNDS);
    return 0;
}
