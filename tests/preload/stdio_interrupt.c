// What ends a wait inside stdio: a signal, a timeout, non-blocking mode, cancellation; and in what state it leaves the stream.
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

static sem_t ready;
static int handled, cleaned;

static void on_signal(int sig)
{
    (void)sig;
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}
static void handle(int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

// Signals until it has ended: one that comes before it waits only runs the handler.
static void pester(pthread_t t, int *over)
{
    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE)) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        usleep(1000);
    }
}

static int over;
static char line[64];

static void *read_interrupted(void *arg)
{
    FILE *f = arg;

    sem_post(&ready);
    errno = 0;
    CHECK(!fgets(line, (int)opaque(sizeof line), f));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(f) && !feof(f));
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    clearerr(f);
    sem_post(&ready);
    CHECK(fgets(line, (int)opaque(sizeof line), f)); // nothing is lost
    CHECK_EQ(strcmp(line, "after\n"), 0);
    return NULL;
}
static void *read_restarted(void *arg)
{
    sem_post(&ready);
    CHECK(fgets(line, (int)opaque(sizeof line), arg));
    CHECK_EQ(strcmp(line, "restarted\n"), 0);
    return NULL;
}
static void *write_interrupted(void *arg)
{
    FILE *f = arg;
    static char block[1 << 20];

    sem_post(&ready);
    errno = 0;
    CHECK(fwrite(block, 1, sizeof block, f) < sizeof block);
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(f));
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void signals(void)
{
    int p[2];
    FILE *f;
    pthread_t t;

    handle(0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    CHECK((f = fdopen(p[0], "r")) != NULL);
    t = start(read_interrupted, f);
    sem_wait(&ready);
    pester(t, &over);
    sem_wait(&ready);
    handle(SA_RESTART);
    write_all(p[1], "after\n", 6);
    finish(t);
    t = start(read_restarted, f);
    sem_wait(&ready);
    handled = 0;
    while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < 3) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        usleep(1000);
    }
    write_all(p[1], "restarted\n", 10);
    finish(t);
    fclose(f), close(p[1]);

    handle(0);
    over = 0;
    CHECK_EQ(pipe(p), 0);
    CHECK((f = fdopen(p[1], "w")) != NULL);
    CHECK_EQ(setvbuf(f, NULL, _IONBF, 0), 0);
    t = start(write_interrupted, f);
    sem_wait(&ready);
    pester(t, &over);
    finish(t);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    fclose(f);
    puts("signals");
}

static void *nothing(void *arg)
{
    return arg;
}

static void *errors(void *arg)
{
    struct timeval tv = {0, 20000};
    int p[2], keep, err[2];
    FILE *f, *e;
    char text[128] = "";

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    CHECK((f = fdopen(p[0], "r+")) != NULL);
    errno = 0;
    CHECK(!fgets(line, (int)opaque(sizeof line), f));
    CHECK_EQ(errno, EAGAIN);
    CHECK(ferror(f) && !feof(f));
    // perror leaves stderr alone but for the text; errno goes into it.
    keep = dup(2);
    CHECK_EQ(pipe(err), 0);
    CHECK_EQ(dup2(err[1], 2), 2);
    errno = EAGAIN;
    perror("reading");
    CHECK_EQ(dup2(keep, 2), 2);
    close(err[1]), close(keep);
    CHECK((e = fdopen(err[0], "r")) != NULL);
    CHECK(fgets(text, (int)opaque(sizeof text), e));
    printf("%s", text);
    fclose(e);

    clearerr(f);
    write_all(p[1], "half", 4); // what came before the error is not lost
    errno = 0;
    CHECK_EQ(getc(f), 'h');
    CHECK_EQ(fcntl(p[0], F_SETFL, 0), 0);
    CHECK_EQ(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    memset(line, 0, sizeof line);
    CHECK_EQ(fread(line, 1, 10, f), 3); // the timeout ends it
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(strcmp(line, "alf"), 0);
    clearerr(f);
    CHECK_EQ(fcntl(p[1], F_SETFL, 0), 0);
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    fclose(f), close(p[1]);

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    CHECK((f = fdopen(p[0], "w")) != NULL);
    for (int i = 0; i < 100000 && fprintf(f, "line %d\n", i) > 0; i++)
        ;
    CHECK_EQ(errno, EAGAIN);
    CHECK(ferror(f));
    close(p[1]);
    fclose(f);

    puts("errors");
    return arg;
}

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}
static void *cancelled_reader(void *f)
{
    pthread_cleanup_push(clean, NULL);
    sem_post(&ready);
    fgets(line, (int)opaque(sizeof line), f);
    CHECK(!"fgets returned");
    pthread_cleanup_pop(0);
    return NULL;
}
static void *cancelled_writer(void *f)
{
    pthread_cleanup_push(clean, NULL);
    sem_post(&ready);
    for (;;)
        CHECK(fprintf(f, "%0100d\n", 1) > 0);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *cancelled_at_once(void *f)
{
    int c;

    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    sem_post(&ready);
    CHECK_EQ(fgetc(f), 'a'); // disabled: it waits and reads
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    CHECK_EQ(fgetc(f), 'b'); // from the buffer: no system call, no cancellation
    c = fgetc(f);            // here
    CHECK(!"fgetc returned");
    return (void *)(long)c;
}
// Opened with "c": never a cancellation point.
static void *not_a_point(void *f)
{
    sem_post(&ready);
    CHECK(fgets(line, (int)opaque(sizeof line), f));
    cleaned++;
    pthread_testcancel();
    CHECK(!"not cancelled");
    return NULL;
}

static void cancellation(void)
{
    char path[] = "/tmp/stdio_interrupt.XXXXXX", fifo[64];
    int p[2], fd;
    FILE *f;
    pthread_t t;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    CHECK((f = fdopen(p[0], "r+")) != NULL);
    for (int i = 0; i < 20; i++) {
        t = start(cancelled_reader, f);
        sem_wait(&ready);
        if (i % 2)
            nap_ms(1);
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK(finish(t) == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, i + 1);
        CHECK_EQ(ftrylockfile(f), 0); // its lock was given back
        funlockfile(f);
    }
    write_all(p[1], "all there\n", 10);
    CHECK(fgets(line, (int)opaque(sizeof line), f));
    CHECK_EQ(strcmp(line, "all there\n"), 0);

    t = start(cancelled_at_once, f);
    sem_wait(&ready);
    CHECK_EQ(pthread_cancel(t), 0);
    write_all(p[1], "ab", 2);
    CHECK(finish(t) == PTHREAD_CANCELED);

    cleaned = 0;
    t = start(cancelled_writer, f);
    sem_wait(&ready);
    nap_ms(2);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(ftrylockfile(f), 0);
    funlockfile(f);
    close(p[1]);
    fclose(f);

    CHECK(mkdtemp(path) != NULL);
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    CHECK((fd = open(fifo, O_RDWR)) >= 0);
    CHECK((f = fopen(fifo, "rc")) != NULL);
    unlink(fifo), rmdir(path);
    cleaned = 0;
    t = start(not_a_point, f);
    sem_wait(&ready);
    nap_ms(2);
    CHECK_EQ(pthread_cancel(t), 0);
    nap_ms(2);
    CHECK_EQ(cleaned, 0);
    write_all(fd, "line\n", 5);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, 1);
    fclose(f), close(fd);
    puts("cancellation");
}

int main(void)
{
    alarm(40);
    sem_init(&ready, 0, 0);
    signals();
    finish(start(errors, NULL));
    finish(start(nothing, NULL));
    cancellation();
    return 0;
}
