/* A reader of a mapped file: its page faults block its OS thread, where no library sees a call; other tasks go on meanwhile.
 *
 * The reader goes through the file again and again, and lets go of its pages each time, until the others have passed so many messages. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vthr.h>

#define SIZE (4l << 20)
#define STEP 4096l
#define MESSAGES 1000

static int passed; /* messages, since the reader began; -1: it has not */

static int reads(void *arg, void **value)
{
    unsigned char *map = arg;
    long sum;

    (void)value;
    __atomic_store_n(&passed, 0, __ATOMIC_SEQ_CST);
    do {
        sum = 0;
        for (long i = 0; i < SIZE; i += STEP)
            sum += map[i]; /* a page fault */
        if (sum != SIZE / STEP)
            return vthr_fail(5, "the sum is %ld", sum);
        madvise(map, SIZE, MADV_DONTNEED);
    } while (__atomic_load_n(&passed, __ATOMIC_SEQ_CST) < MESSAGES);
    return 0;
}

static int pings(void *arg, void **value)
{
    int r = 0;

    (void)value;
    for (long i = 0; r == 0; i++)
        r = vthr_send(arg, &i);
    return r;
}
static int counts(void *arg, void **value)
{
    long i;

    (void)value;
    for VTHR_EACH (i, (vthr_channel *)arg) {
        if (__atomic_load_n(&passed, __ATOMIC_SEQ_CST) >= 0)
            __atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static void *map_file(void)
{
    char name[] = "/tmp/vthr-mmap-XXXXXX", page[STEP] = { 1 };
    int fd = mkstemp(name);
    void *map;

    if (fd < 0)
        return MAP_FAILED;
    unlink(name);
    for (long i = 0; i < SIZE; i += STEP)
        if (write(fd, page, sizeof page) != sizeof page)
            return MAP_FAILED;
    map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return map;
}

int main(void)
{
    void *map = map_file();
    vthr_channel *c;
    vthr_scope *s;
    int r;

    passed = -1;
    if (map == MAP_FAILED || vthr_scope_open(&s) || vthr_channel_new(&c, sizeof(long), 0))
        return 1;
    vthr_spawn_daemon(s, NULL, pings, c);
    vthr_spawn_daemon(s, NULL, counts, c);
    vthr_spawn(s, NULL, reads, map);
    r = vthr_scope_leave(s);
    if (r)
        fprintf(stderr, "%s\n", vthr_error_message(r));
    vthr_channel_free(c);
    printf("result %d, the others went on: %s\n", r, passed >= MESSAGES ? "yes" : "no");
    return 0;
}
