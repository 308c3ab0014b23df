/* dumped MODE: threads to be looked at, all named after what they do.  Prints "ready" when each is on its way there.
 *   mixed     one of each kind of wait, some that run, 200 in one loop; ends with status 0 when a line comes on stdin
 *   plain     one thread that sleeps; signals are not blocked; never ends
 *   malloc    a thread that died halfway through malloc and has its lock, one that waits for that; never ends
 *   idle      10,000 threads at one place; never ends
 *   deadlock  two threads wait for each other's mutex, one for a mutex of its own, two join each other; never ends */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(x) ((x) ? (void)0 : abort())
#define MANY 200
#define FN __attribute__((noinline))

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER,
                       own = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t never;
static int quiet[2], file;
static volatile int stop;
static void *volatile malloced;
static pthread_t first, second;
static pthread_barrier_t begun;

static FN void spin_here(void)
{
    while (!stop)
        ;
}

static FN void raw_read(void)
{
    char c;
    long r;

    __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_read), "D"(quiet[0]), "S"(&c), "d"(1) : "rcx", "r11", "memory");
}

static FN long serve(int fd)
{
    char buf[4096];
    return read(fd, buf, sizeof buf);
}

static void *many(void *arg)
{
    return (void *)serve(*(int *)arg);
}
static void *on_mutex(void *arg)
{
    pthread_mutex_lock(&held);
    return arg;
}
static void *on_cond(void *arg)
{
    CHECK(pthread_mutex_lock(&own) == 0);
    pthread_cond_wait(&cond, &own);
    return arg;
}
static void *on_sem(void *arg)
{
    sem_wait(&never);
    return arg;
}
static void *on_sleep(void *arg)
{
    sleep(10000);
    return arg;
}
static void *on_signal(void *arg)
{
    pause();
    return arg;
}
static void *on_call(void *arg)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    flock(fd, LOCK_EX);
    return arg;
}
static void *on_raw(void *arg)
{
    raw_read();
    return arg;
}
static void *on_cpu(void *arg)
{
    spin_here();
    return arg;
}

static pthread_t start(const char *name, void *(*fn)(void *), void *arg)
{
    pthread_t t;

    CHECK(pthread_create(&t, NULL, fn, arg) == 0);
    CHECK(pthread_setname_np(t, name) == 0);
    return t;
}

static void ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int mixed(void)
{
    char c;

    CHECK(pthread_mutex_lock(&held) == 0);
    for (int i = 0; i < MANY; i++)
        start("connection", many, &quiet[0]);
    start("mutex", on_mutex, NULL);
    start("cond", on_cond, NULL);
    start("sem", on_sem, NULL);
    start("sleep", on_sleep, NULL);
    start("signal", on_signal, NULL);
    start("call", on_call, NULL);
    start("raw", on_raw, NULL);
    start("cpu", on_cpu, NULL);
    ready();
    CHECK(read(0, &c, 1) >= 0);
    _exit(0);
}

static void *take(void *name)
{
    int one = !strcmp(name, "one");

    CHECK(pthread_mutex_lock(one ? &a : &b) == 0);
    pthread_barrier_wait(&begun);
    return (void *)(long)pthread_mutex_lock(one ? &b : &a);
}
static void *again(void *arg)
{
    CHECK(pthread_mutex_lock(&own) == 0);
    CHECK(pthread_mutex_lock(&own) == 0);
    return arg;
}
static void *join_it(void *arg)
{
    pthread_barrier_wait(&begun);
    pthread_join(*(pthread_t *)arg, NULL);
    return arg;
}

static void deadlock(void)
{
    CHECK(pthread_barrier_init(&begun, NULL, 5) == 0);
    start("one", take, "one");
    start("two", take, "two");
    start("again", again, NULL);
    first = start("joins second", join_it, &second);
    second = start("joins first", join_it, &first);
    pthread_barrier_wait(&begun); /* both are known now */
    ready();
    for (;;)
        pause();
}

static FN void for_ever(void)
{
    for (;;)
        pause();
}

static int has_lock[2]; /* a byte says: malloc's lock is */

static FN void in_the_middle(int sig)
{
    (void)sig;
    CHECK(write(has_lock[1], "", 1) == 1);
    CHECK(write(1, "ready\n", 6) == 6);
    for_ever();
}
static void *allocate(void *arg)
{
    char c;

    CHECK(read(has_lock[0], &c, 1) == 1);
    malloced = malloc(100000);
    for_ever();
    return arg;
}

/* What malloc writes behind the block that it takes from the end of its memory is not there: it faults with its lock held. */
static FN void fault_in_malloc(void)
{
    struct sigaction sa = {.sa_handler = in_the_middle};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, end;

    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    start("sleep", on_sleep, NULL);
    from = ((uintptr_t)malloc(8000) + 8000 + 4096) & -page;
    end = (uintptr_t)sbrk(0) & -page;
    sigaction(SIGSEGV, &sa, NULL);
    CHECK(pipe(has_lock) == 0);
    start("allocate", allocate, NULL);
    CHECK(mprotect((void *)from, end - from, PROT_NONE) == 0);
    malloced = malloc(64000);
}

static void idle(void)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    for (int i = 0; i < 10000; i++)
        CHECK(pthread_create(&t, &attr, on_sleep, NULL) == 0);
}

int main(int argc, char **argv)
{
    sigset_t set;

    if (argc == 2 && !strcmp(argv[1], "malloc"))
        fault_in_malloc();
    if (argc == 2 && !strcmp(argv[1], "idle"))
        idle();
    if (argc == 2 && !strcmp(argv[1], "plain"))
        start("sleep", on_sleep, NULL);
    if (argc == 2 && strcmp(argv[1], "mixed") && strcmp(argv[1], "deadlock")) {
        ready();
        for_ever();
    }

    if (argc != 2 || pipe(quiet))
        return 2;
    sem_init(&never, 0, 0);
    file = open("/proc/self/exe", O_RDONLY);
    CHECK(flock(file, LOCK_EX) == 0);
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* whatever the program does about signals */
    if (!strcmp(argv[1], "deadlock"))
        deadlock();
    return mixed();
}
