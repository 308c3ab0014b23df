// Streams under names that few programs call, on pipes that have data later: each waits in its thread while another one writes.
#include "show.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>

static int to[2], from[2], in[2];

static void *write_later(void *arg)
{
    nap_ms(2);
    write_all(to[1], "12 34 line one\nline two\n", 24);
    write_all(in[1], "7 8x", 4);
    return arg;
}

static void *copy_back(void *arg)
{
    char buf[100];
    size_t n = 0;
    while (n < 10)
        n += (size_t)read(from[0], buf + n, sizeof buf - n);
    printf("back: %.*s|\n", (int)n, buf);
    return arg;
}

static int vf(FILE *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vfprintf(f, format, ap);
    va_end(ap);
    return n;
}
static int vd(int fd, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vdprintf(fd, format, ap);
    va_end(ap);
    return n;
}
static int v(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vprintf(format, ap);
    va_end(ap);
    return n;
}

static void *run(void *arg)
{
    FILE *f = fdopen(to[0], "r"), *g = fdopen(from[1], "w");
    char *line = NULL, path[40];
    size_t room = 0;
    int a = 0, b = 0;
    CHECK(f && g);
    SHOW(fscanf(f, "%d %d", &a, &b));
    SHOW(a * 100 + b);
    SHOW(getline(&line, &room, f));
    SHOW(getline(&line, &room, f));
    printf("%s", line);
    free(line);
    SHOW(vf(g, "%s %d|", "vf", 1));
    SHOW(fflush(g));
    SHOW(vd(from[1], "%s %d|", "vd", 2));
    SHOW(vd(-1, "x"));
    SHOW(v("%s %d\n", "v", 3));
    SHOW(putchar('p'));
    SHOW(scanf("%d %d", &a, &b));
    SHOW(a * 100 + b);
    SHOW(getchar());
    snprintf(path, sizeof path, "/proc/self/fd/%d", to[0]);
    SHOW(freopen64("/dev/null", "r", f) == f);
    SHOW(fgetc(f));
    SHOW(fclose(f));
    SHOW(fopen64("/no/such/file", "r") == NULL);
    CHECK((f = fopen64("/dev/null", "w")) != NULL);
    SHOW(fclose(f));
    fclose(g);
    return arg;
}

int main(void)
{
    CHECK_EQ(pipe(to), 0);
    CHECK_EQ(pipe(from), 0);
    CHECK_EQ(pipe(in), 0);
    CHECK_EQ(dup2(in[0], 0), 0);
    pthread_t t = start(run, NULL), w = start(write_later, NULL);
    finish(w);
    finish(t);
    finish(start(copy_back, NULL));
    return 0;
}
