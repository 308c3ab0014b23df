// Another preload: its constructor makes hooked calls, and looks names up, before or after the library under test is set up.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void *thread(void *arg)
{
    usleep(10);
    return arg;
}

__attribute__((constructor(101))) static void early(void)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    struct timespec ts = {0, 1000};
    pthread_t t;
    void *r = NULL;
    int s[2];
    char c = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) || send(s[0], "x", 1, 0) != 1 || recv(s[1], &c, 1, 0) != 1 || c != 'x')
        _exit(20);
    if (write(s[1], "y", 1) != 1 || read(s[0], &c, 1) != 1 || c != 'y')
        _exit(21);
    close(s[0]);
    close(s[1]);
    if (nanosleep(&ts, NULL) || poll(NULL, 0, 1) || pthread_mutex_lock(&m) || pthread_mutex_unlock(&m))
        _exit(22);
    if (signal(SIGUSR1, SIG_IGN) == SIG_ERR || raise(SIGUSR1) || !dlsym(RTLD_NEXT, "read"))
        _exit(23);
    if (getenv("EARLY_THREADS") && (pthread_create(&t, NULL, thread, &c) || pthread_join(t, &r) || r != &c))
        _exit(24);
    if (getenv("EARLY_CLEARENV") && (clearenv() || getenv("PATH")))
        _exit(25);
}
