/* A thread for each kind of wait, named after it, and some that wait for each other.  Plain POSIX, but for the scope, which is opened
 * where the process has vthr.h's functions. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER, quiet = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t ring[3] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
pthread_cond_t never = PTHREAD_COND_INITIALIZER;
pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
pthread_once_t once = PTHREAD_ONCE_INIT;
pthread_barrier_t barrier, in_ring;
pthread_t sleeper;
sem_t sem;
static int pipe_fds[2], full_fds[2], listener, epfd, word;

static void die(const char *what)
{
    perror(what);
    exit(1);
}
static void must(int r, const char *what)
{
    errno = r;
    if (r)
        die(what);
}

static void long_sleep(void)
{
    sleep(3600);
}
static void wait_sleep(void)
{
    long_sleep();
}
static void wait_mutex(void)
{
    pthread_mutex_lock(&taken);
}
static void wait_timed(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 3600;
    pthread_mutex_timedlock(&taken, &t);
}
static void wait_condition(void)
{
    pthread_mutex_lock(&quiet);
    for (;;)
        pthread_cond_wait(&never, &quiet);
}
static void wait_semaphore(void)
{
    sem_wait(&sem);
}
static void wait_rdlock(void)
{
    pthread_rwlock_rdlock(&rwlock);
}
static void wait_wrlock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}
static void wait_barrier(void)
{
    pthread_barrier_wait(&barrier);
}
static void wait_once(void) /* two: one of them runs it, and sleeps */
{
    pthread_once(&once, long_sleep);
}
static void wait_futex(void)
{
    syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
}
static void wait_join(void)
{
    pthread_join(sleeper, NULL);
}
static void wait_read(void)
{
    char c;

    if (read(pipe_fds[0], &c, 1) < 0)
        die("read");
}
static void wait_write(void)
{
    static char many[1 << 20];

    if (write(full_fds[1], many, sizeof many) < 0)
        die("write");
}
static void wait_accept(void) /* two: one of them waits for a connection */
{
    accept(listener, NULL, NULL);
}
static void wait_poll(void)
{
    struct pollfd p[2] = { { pipe_fds[0], POLLIN, 0 }, { listener, POLLIN, 0 } };

    poll(p, 2, -1);
}
static void wait_select(void)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(pipe_fds[0], &set);
    select(pipe_fds[0] + 1, &set, NULL, NULL, NULL);
}
static void wait_epoll(void)
{
    struct epoll_event e;

    epoll_wait(epfd, &e, 1, -1);
}
static void wait_signal(void)
{
    pause();
}
static int task(void *arg, void **value)
{
    (void)arg;
    (void)value;
    pthread_setname_np(pthread_self(), "task");
    long_sleep();
    return 0;
}
static void wait_scope(void)
{
    int (*open_scope)(void **) = (int (*)(void **))dlsym(RTLD_DEFAULT, "vthr_scope_open");
    int (*spawn)(void *, void **, int (*)(void *, void **), void *) =
        (int (*)(void *, void **, int (*)(void *, void **), void *))dlsym(RTLD_DEFAULT, "vthr_spawn");
    int (*leave)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "vthr_scope_leave");
    void *scope;

    if (!open_scope || !spawn || !leave)
        return;
    must(open_scope(&scope), "vthr_scope_open");
    must(spawn(scope, NULL, task, NULL), "vthr_spawn");
    leave(scope);
}

/* Each has its own and wants the next one's. */
static void wait_ring(int i)
{
    pthread_mutex_lock(&ring[i]);
    pthread_barrier_wait(&in_ring);
    pthread_mutex_lock(&ring[(i + 1) % 3]);
}
static void wait_ring0(void)
{
    wait_ring(0);
}
static void wait_ring1(void)
{
    wait_ring(1);
}
static void wait_ring2(void)
{
    wait_ring(2);
}
static void wait_own(void)
{
    pthread_mutex_lock(&own);
    pthread_mutex_lock(&own);
}

static const struct {
    const char *name;
    void (*fn)(void);
} threads[] = {
    { "sleep", wait_sleep },   { "mutex", wait_mutex },     { "timed", wait_timed },   { "condition", wait_condition },
    { "semaphore", wait_semaphore }, { "rdlock", wait_rdlock }, { "wrlock", wait_wrlock }, { "barrier", wait_barrier },
    { "once1", wait_once },    { "once2", wait_once },      { "futex", wait_futex },   { "join", wait_join },
    { "read", wait_read },     { "write", wait_write },     { "accept1", wait_accept }, { "accept2", wait_accept },
    { "poll", wait_poll },     { "select", wait_select },   { "epoll", wait_epoll },   { "signal", wait_signal },
    { "scope", wait_scope },   { "ring0", wait_ring0 },     { "ring1", wait_ring1 },   { "ring2", wait_ring2 },
    { "own", wait_own },
};

static void *start(void *arg)
{
    size_t i = (size_t)arg;

    pthread_setname_np(pthread_self(), threads[i].name);
    threads[i].fn();
    return NULL;
}

static void listen_somewhere(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 5))
        die("listen");
}

int main(void)
{
    pthread_attr_t attr; /* small stacks: core files hold all of them */
    pthread_t th;

    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    alarm(300);
    if (pipe(pipe_fds) || pipe(full_fds))
        die("pipe");
    listen_somewhere();
    epfd = epoll_create1(0);
    must(pthread_barrier_init(&barrier, NULL, 2), "pthread_barrier_init");
    must(pthread_barrier_init(&in_ring, NULL, 3), "pthread_barrier_init");
    sem_init(&sem, 0, 0);
    pthread_mutex_lock(&taken);
    pthread_rwlock_wrlock(&rwlock);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        must(pthread_create(&th, &attr, start, (void *)i), "pthread_create");
        if (i == 0)
            sleeper = th;
    }
    printf("ready %d fds %d %d %d %d\n", getpid(), pipe_fds[0], full_fds[1], listener, epfd);
    fflush(stdout);
    wait_sleep();
    return 0;
}
