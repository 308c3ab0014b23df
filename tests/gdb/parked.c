/* Fifty threads that wait, at known depths and with known locals, and one that never does.  Plain POSIX.
 *
 * Thread i blocks in the way i % 5 after 1 + i % 7 calls of descend; each level knows the thread's number, its own level and
 * a local computed from both.  "ready PID" is printed when all of them are about to wait; settle.py sees when they do. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define N 50
#define NOINLINE __attribute__((noinline, noclone))

struct job {
    int id, depth;
};

static int pipe_fds[2], listener;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int arrived;
volatile int stop;
volatile unsigned long spins;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static NOINLINE void wait_in_read(int id)
{
    char c;

    if (read(pipe_fds[0], &c, 1) != 1)
        die("read");
    printf("%d\n", id);
}
static NOINLINE void wait_in_cond(int id)
{
    pthread_mutex_lock(&cond_mutex);
    while (!stop)
        pthread_cond_wait(&cond, &cond_mutex);
    pthread_mutex_unlock(&cond_mutex);
    printf("%d\n", id);
}
static NOINLINE void wait_in_mutex(int id)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    printf("%d\n", id);
}
static NOINLINE void wait_in_sleep(int id)
{
    sleep(600);
    printf("%d\n", id);
}
static NOINLINE void wait_in_accept(int id)
{
    if (accept(listener, NULL, NULL) < 0)
        die("accept");
    printf("%d\n", id);
}

static NOINLINE int descend(int id, int level, int depth)
{
    int mark = 1000 * id + level;

    if (level < depth)
        return descend(id, level + 1, depth) + mark;
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    switch (id % 5) {
    case 0: wait_in_read(id); break;
    case 1: wait_in_cond(id); break;
    case 2: wait_in_mutex(id); break;
    case 3: wait_in_sleep(id); break;
    case 4: wait_in_accept(id); break;
    }
    return mark;
}

static void *job_start(void *arg)
{
    struct job *job = arg;
    char name[16];

    snprintf(name, sizeof name, "job%d", job->id);
    pthread_setname_np(pthread_self(), name);
    descend(job->id, 1, job->depth);
    return NULL;
}

static NOINLINE void spin_inner(int key)
{
    while (!stop)
        spins += (unsigned)key;
}
static NOINLINE void spin_outer(int key)
{
    spin_inner(key + 1);
    spins++;
}
static void *spin_start(void *arg)
{
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    spin_outer(*(int *)arg);
    return NULL;
}

/* Two threads that hand a mutex and a condition to each other: always something to switch between. */
static int ball;
static void *player_start(void *arg)
{
    int me = *(int *)arg;

    for (int i = 0; i < 100000; i++) {
        pthread_mutex_lock(&cond_mutex);
        while (ball != me)
            pthread_cond_wait(&cond, &cond_mutex);
        ball = !me;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&cond_mutex);
    }
    return NULL;
}
static int play(void)
{
    static int ids[2] = { 0, 1 };
    pthread_t th[2];

    for (int i = 0; i < 2; i++)
        if (pthread_create(&th[i], NULL, player_start, &ids[i]))
            die("pthread_create");
    for (int i = 0; i < 2; i++)
        pthread_join(th[i], NULL);
    return 0;
}

static void listen_somewhere(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 5))
        die("listen");
}

int main(int argc, char **argv)
{
    static struct job jobs[N];
    static int key = 4711;
    pthread_attr_t attr; /* small stacks: core files hold all of them */
    pthread_t th;

    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    alarm(300);
    if (argc > 1 && !strcmp(argv[1], "play"))
        return play();
    if (pipe(pipe_fds))
        die("pipe");
    listen_somewhere();
    pthread_mutex_lock(&mutex);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (int i = 0; i < N; i++) {
        jobs[i] = (struct job){ i, 1 + i % 7 };
        if (pthread_create(&th, &attr, job_start, &jobs[i]))
            die("pthread_create");
    }
    if (pthread_create(&th, &attr, spin_start, &key))
        die("pthread_create");
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < N + 1)
        usleep(1000);
    printf("ready %d\n", getpid());
    fflush(stdout);
    sleep(600);
    return 0;
}
