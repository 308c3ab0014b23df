// stdio waits inside libc: a signal that is blocked, or handled with SA_RESTART, does not disturb it; one without ends it.
#include "check.h"
#include <signal.h>
#include <string.h>

static volatile int hits, over;
static int p[2];
static FILE *in;

static void on_signal(int sig)
{
    (void)sig;
    __atomic_add_fetch(&hits, 1, __ATOMIC_SEQ_CST);
}

static void handle(int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

static void *read_lines(void *arg)
{
    char line[100];
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    for (int i = 0; i < 20; i++) {
        CHECK(fgets(line, sizeof line, in) != NULL);
        CHECK_EQ(strcmp(line, "a line\n"), 0);
    }
    return arg;
}

static void *read_none(void *arg)
{
    char line[100];
    errno = 0;
    CHECK(fgets(line, sizeof line, in) == NULL);
    CHECK_EQ(errno, EINTR);
    over = 1;
    return arg;
}

int main(void)
{
    sigset_t usr2;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr2, NULL), 0);
    CHECK_EQ(pipe(p), 0);
    CHECK((in = fdopen(p[0], "r")) != NULL);
    handle(SA_RESTART);
    pthread_t t = start(read_lines, NULL);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 5; k++) {
            int before = hits;
            usleep(i * 20);
            CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
            CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
            while (__atomic_load_n(&hits, __ATOMIC_SEQ_CST) == before)
                sched_yield();
        }
        if (i == 10)
            CHECK_EQ(pthread_cancel(t), 0);
        write_all(p[1], "a line\n", 7);
    }
    finish(t);
    puts("restarted");
    handle(0);
    t = start(read_none, NULL);
    while (!over) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        usleep(1000);
    }
    finish(t);
    puts("interrupted");
    return 0;
}
