// Semaphores: values, try, timed and clock waits, the named kind, hand-over between many threads.
#include "check.h"
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

static sem_t s, ping, pong;

static int value(sem_t *sem)
{
    int v;
    CHECK_EQ(sem_getvalue(sem, &v), 0);
    return v;
}

static void *post(void *arg)
{
    sched_yield();
    CHECK_EQ(sem_post(arg), 0);
    return NULL;
}

static void *echo(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        CHECK_EQ(sem_wait(&ping), 0);
        CHECK_EQ(sem_post(&pong), 0);
    }
    return arg;
}

static int inside, most;

static void *limited(void *arg)
{
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(sem_wait(&s), 0);
        int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        if (now > most)
            most = now;
        CHECK(now <= 3);
        sched_yield();
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        CHECK_EQ(sem_post(&s), 0);
    }
    return arg;
}

static void timeouts(void)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 25);
    CHECK_ERRNO(sem_trywait(&s), EAGAIN);
    CHECK_ERRNO(sem_timedwait(&s, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 25);
    CHECK_ERRNO(sem_clockwait(&s, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    at = in_ms(CLOCK_REALTIME, -25);
    CHECK_ERRNO(sem_timedwait(&s, &at), ETIMEDOUT);
    at.tv_nsec = 1000000000;
    CHECK_ERRNO(sem_timedwait(&s, &at), EINVAL);
    CHECK_ERRNO(sem_clockwait(&s, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
    CHECK_EQ(sem_post(&s), 0);
    at = in_ms(CLOCK_REALTIME, -25);
    CHECK_EQ(sem_timedwait(&s, &at), 0); // there is one: no matter the time
    puts("timeouts");
}

static void named(void)
{
    char name[64];
    snprintf(name, sizeof name, "/preload-test-%d", (int)getpid());
    sem_t *a = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
    CHECK(a != SEM_FAILED);
    CHECK(sem_open(name, O_CREAT | O_EXCL, 0600, 2) == SEM_FAILED && errno == EEXIST);
    sem_t *b = sem_open(name, 0);
    CHECK(b == a);
    CHECK_EQ(value(b), 2);
    CHECK_EQ(sem_wait(b), 0);
    CHECK_EQ(sem_wait(b), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        nap_ms(20);
        sem_post(b);
        _exit(0);
    }
    CHECK_EQ(sem_wait(a), 0); // posted by another process
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    pthread_t t = start(post, b);
    CHECK_EQ(sem_wait(a), 0);
    finish(t);
    CHECK_EQ(sem_close(b), 0);
    CHECK_EQ(sem_close(a), 0);
    CHECK_EQ(sem_unlink(name), 0);
    CHECK_ERRNO(sem_unlink(name), ENOENT);
    puts("named");
}

static void shared_by_processes(void)
{
    sem_t *pair = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pair != MAP_FAILED);
    CHECK_EQ(sem_init(&pair[0], 1, 0), 0);
    CHECK_EQ(sem_init(&pair[1], 1, 0), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 500; i++) {
            sem_wait(&pair[0]);
            sem_post(&pair[1]);
        }
        _exit(0);
    }
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(sem_post(&pair[0]), 0);
        CHECK_EQ(sem_wait(&pair[1]), 0);
    }
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    puts("shared by processes");
}

int main(void)
{
    CHECK_EQ(sem_init(&s, 0, 0), 0);
    CHECK_ERRNO(sem_init(&ping, 0, (unsigned)SEM_VALUE_MAX + 1), EINVAL);
    CHECK_EQ(sem_init(&ping, 0, SEM_VALUE_MAX), 0);
    CHECK_ERRNO(sem_post(&ping), EOVERFLOW);
    CHECK_EQ(sem_destroy(&ping), 0);
    timeouts();
    for (int i = 0; i < 200; i++) {
        pthread_t t = start(post, &s);
        CHECK_EQ(sem_wait(&s), 0);
        finish(t);
    }
    timeouts();
    CHECK_EQ(value(&s), 0);

    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    pthread_t t = start(echo, NULL);
    for (int i = 0; i < 5000; i++) {
        CHECK_EQ(sem_post(&ping), 0);
        CHECK_EQ(sem_wait(&pong), 0);
    }
    finish(t);
    puts("ping-pong");

    pthread_t many[50];
    for (int i = 0; i < 3; i++)
        sem_post(&s);
    for (int i = 0; i < 50; i++)
        many[i] = start(limited, NULL);
    for (int i = 0; i < 50; i++)
        finish(many[i]);
    CHECK_EQ(value(&s), 3);
    CHECK(most <= 3);
    puts("limited to three");
    named();
    shared_by_processes();
    return 0;
}
