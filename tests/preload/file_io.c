// Regular files from many threads: whole reads, positions, appending, vectors, the copying calls.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { SIZE = 16 << 20, THREADS = 16, BLOCK = 4096 };

static char name[] = "/tmp/preload-XXXXXX";
static int fd, log_fd;

static uint32_t at(size_t i)
{
    return (uint32_t)(i * 2654435761u);
}

static void *read_parts(void *arg)
{
    char buf[BLOCK];
    uint32_t *words = (uint32_t *)buf;
    unsigned seed = (unsigned)(uintptr_t)arg + 1;
    for (int i = 0; i < 200; i++) {
        size_t block = (size_t)rand_r(&seed) % (SIZE / BLOCK);
        struct iovec v[2] = {{buf, 100}, {buf + 100, BLOCK - 100}};
        off_t offset = (off_t)(block * BLOCK);
        ssize_t n = i % 2 ? pread(fd, buf, opaque(BLOCK), offset) : preadv(fd, v, 2, offset);
        CHECK_EQ(n, BLOCK);
        for (size_t k = 0; k < BLOCK / 4; k++)
            CHECK_EQ(words[k], at(block * BLOCK / 4 + k));
    }
    return NULL;
}

static void *read_whole(void *arg)
{
    uint32_t *words = malloc(SIZE);
    int own = open(name, O_RDONLY);
    CHECK(own >= 0);
    CHECK_EQ(read(own, words, SIZE), SIZE); // never short
    for (size_t i = 0; i < SIZE / 4; i++)
        if (words[i] != at(i))
            CHECK_EQ(words[i], at(i));
    CHECK_EQ(read(own, words, 1), 0);
    CHECK_EQ(lseek(own, -100, SEEK_END), SIZE - 100);
    CHECK_EQ(read(own, words, 1000), 100);
    close(own);
    free(words);
    return arg;
}

static void *append(void *arg)
{
    char record[64];
    memset(record, 'a' + (int)(intptr_t)arg, sizeof record);
    record[63] = '\n';
    struct iovec v[2] = {{record, 10}, {record + 10, 54}};
    for (int i = 0; i < 200; i++)
        CHECK_EQ(i % 2 ? write(log_fd, record, 64) : writev(log_fd, v, 2), 64);
    return NULL;
}

static int out[2];

static void *drain(void *arg)
{
    uint32_t buf[4096];
    for (size_t i = 0; i < SIZE / sizeof buf; i++) {
        read_all(out[0], buf, sizeof buf);
        for (size_t k = 0; k < 4096; k++)
            if (buf[k] != at(i * 4096 + k))
                CHECK_EQ(buf[k], at(i * 4096 + k));
    }
    return arg;
}

static void copying(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
    pthread_t t = start(drain, NULL);
    off_t offset = 0;
    while (offset < SIZE)
        CHECK(sendfile(out[1], fd, &offset, (size_t)(SIZE - offset)) > 0);
    finish(t);
    close(out[0]);
    close(out[1]);
    CHECK_EQ(pipe(out), 0);
    t = start(drain, NULL);
    offset = 0;
    while (offset < SIZE)
        CHECK(splice(fd, &offset, out[1], NULL, (size_t)(SIZE - offset), 0) > 0);
    finish(t);
    close(out[0]);
    close(out[1]);
    puts("copied");
}

int main(void)
{
    pthread_t t[THREADS];
    uint32_t *words = malloc(SIZE);
    for (size_t i = 0; i < SIZE / 4; i++)
        words[i] = at(i);
    CHECK((fd = mkstemp(name)) >= 0);
    CHECK_EQ(write(fd, words, SIZE), SIZE);
    free(words);
    CHECK_EQ(fsync(fd), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(i % 4 ? read_parts : read_whole, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    puts("read");
    copying();
    CHECK_EQ(close(fd), 0);

    CHECK((log_fd = open(name, O_WRONLY | O_TRUNC | O_APPEND)) >= 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(append, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    FILE *f = fopen(name, "r");
    char line[100];
    int seen[THREADS] = {0};
    while (fgets(line, sizeof line, f)) {
        CHECK_EQ(strlen(line), 64);
        CHECK(line[0] == line[62]);
        seen[line[0] - 'a']++;
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(seen[i], 200);
    fclose(f);
    struct stat st;
    CHECK_EQ(fstat(log_fd, &st), 0);
    printf("appended %ld\n", (long)st.st_size);
    CHECK_ERRNO(read(log_fd, line, 1), EBADF);
    CHECK_ERRNO(pread(log_fd, line, 1, -1), EINVAL);
    CHECK_EQ(close(log_fd), 0);
    CHECK_ERRNO(open("/", O_WRONLY), EISDIR);
    CHECK((fd = open("/", O_RDONLY)) >= 0);
    CHECK_ERRNO(read(fd, line, 1), EISDIR);
    CHECK_EQ(unlink(name), 0);
    return 0;
}
