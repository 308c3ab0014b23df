// setuid and its family in a threaded process: every thread has the new identity when the call returns, whatever it is doing, and so
// has each of the kernel's own threads.
#include "check.h"
#include <dirent.h>
#include <grp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#define PARKED 20
#define OTHER 4711

static sem_t go, done;
static atomic_int stop, running;
static int tube[2];
static uid_t seen[PARKED];

// The line "NAME:" of a task's status begins with these two values.  1: yes, 0: no, -1: the task is gone.
static int task_is(const char *task, const char *name, unsigned real, unsigned effective)
{
    char path[300], line[256];
    unsigned r, f;
    int found = -1;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *s = fopen(path, "r");
    if (!s)
        return -1;
    while (fgets(line, sizeof line, s))
        if (strncmp(line, name, strlen(name)) == 0) {
            CHECK(sscanf(line + strlen(name), ": %u %u", &r, &f) == 2);
            found = r == real && f == effective;
        }
    fclose(s);
    return found;
}

// So do all tasks'.  libc passes over a thread that is about to end: such a one must then end.
static int all_are(const char *name, unsigned real, unsigned effective)
{
    struct timespec late = in_ms(CLOCK_MONOTONIC, 10000);
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    CHECK(d);
    while ((e = readdir(d)))
        while (e->d_name[0] != '.' && task_is(e->d_name, name, real, effective) == 0) {
            if (reached(CLOCK_MONOTONIC, late)) {
                dprintf(2, "thread %s has not the %s %u %u\n", e->d_name, name, real, effective);
                return 0;
            }
            sched_yield();
        }
    closedir(d);
    return 1;
}

static void *parked(void *arg)
{
    for (;;) {
        CHECK_EQ(sem_wait(&go), 0);
        if (atomic_load(&stop))
            return arg;
        seen[(long)arg] = geteuid();
        CHECK_EQ(sem_post(&done), 0);
        sched_yield();
    }
}
static void *computing(void *arg)
{
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&stop))
        ;
    return arg;
}
static void *reading(void *arg)
{
    char c;
    atomic_fetch_add(&running, 1);
    CHECK_EQ(read(tube[0], &c, 1), 1); // not interrupted
    return arg;
}
static void *sleeping(void *arg)
{
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&stop))
        usleep(500);
    return arg;
}

static void ask_all(uid_t want)
{
    for (int i = 0; i < PARKED; i++)
        seen[i] = (uid_t)-1;
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(sem_post(&go), 0);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(sem_wait(&done), 0);
    for (int i = 0; i < PARKED; i++)
        CHECK(seen[i] == want || seen[i] == (uid_t)-1); // one may have answered twice
}

static void *there_and_back(void *arg)
{
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(seteuid(OTHER), 0);
        CHECK_EQ(geteuid(), OTHER);
        CHECK(all_are("Uid", 0, OTHER));
        ask_all(OTHER);
        CHECK_EQ(seteuid(0), 0);
        CHECK(all_are("Uid", 0, 0));
    }
    ask_all(0);
    return arg;
}

static void *groups(void *arg)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(setresgid((gid_t)-1, OTHER, (gid_t)-1), 0);
        sched_yield();
    }
    return arg;
}

static void the_others(void)
{
    pthread_t t[3];
    gid_t list[3] = {7, 8, 9}, got[3];
    for (int i = 0; i < 3; i++) // at once
        t[i] = start(groups, NULL);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
    CHECK(all_are("Gid", 0, OTHER));
    CHECK_EQ(setegid(0), 0);
    CHECK_EQ(setregid(0, OTHER + 1), 0);
    CHECK(all_are("Gid", 0, OTHER + 1));
    CHECK_EQ(setgid(0), 0);
    CHECK_EQ(setreuid(0, OTHER), 0);
    CHECK(all_are("Uid", 0, OTHER));
    CHECK_ERRNO(setgroups(3, list), EPERM);
    CHECK_ERRNO(setgid(5), EPERM);
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(setgroups(3, list), 0);
    CHECK(all_are("Groups", 7, 8));
    CHECK_EQ(getgroups(3, got), 3);
    CHECK(got[0] == 7 && got[2] == 9);
    CHECK_EQ(initgroups("root", 77), 0);
    CHECK_EQ(getgroups(0, NULL) > 0, 1);
    CHECK_ERRNO(setuid((uid_t)-1), EINVAL);
}

// As a server does it: threads first, then for good.
static void drop(void)
{
    pid_t p = fork();
    if (p == 0) {
        pthread_t t = start(sleeping, NULL);
        CHECK_EQ(setgroups(0, NULL), 0);
        CHECK_EQ(setresgid(OTHER, OTHER, OTHER), 0);
        CHECK_EQ(setresuid(OTHER, OTHER, OTHER), 0);
        CHECK(all_are("Uid", OTHER, OTHER));
        CHECK(all_are("Gid", OTHER, OTHER));
        CHECK_ERRNO(setuid(0), EPERM);
        atomic_store(&stop, 1);
        finish(t);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(p, &status, 0), p);
    CHECK_EQ(status, 0);
}

static void *ending(void *arg)
{
    return arg;
}
static void *starting(void *arg)
{
    while (!atomic_load(&stop))
        finish(start(ending, NULL));
    return arg;
}
static void on_usr1(int sig)
{
    (void)sig;
    CHECK_EQ(seteuid(OTHER), 0);
    CHECK(all_are("Uid", 0, OTHER));
    CHECK_EQ(seteuid(0), 0);
}

// From a handler, in a child of vfork, while threads come and go.
static void odd_places(void)
{
    pthread_t t;
    int status;
    signal(SIGUSR1, on_usr1);
    CHECK_EQ(raise(SIGUSR1), 0);
    pid_t p = vfork();
    if (p == 0)
        _exit(setgid(OTHER) == 0 && setuid(OTHER) == 0 && geteuid() == OTHER ? 0 : 1);
    CHECK_EQ(waitpid(p, &status, 0), p);
    CHECK_EQ(status, 0);
    CHECK(all_are("Uid", 0, 0));
    t = start(starting, NULL);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(seteuid(OTHER), 0);
        CHECK_EQ(seteuid(0), 0);
    }
    atomic_store(&stop, 1);
    finish(t);
    atomic_store(&stop, 0);
    CHECK(all_are("Uid", 0, 0));
}

int main(void)
{
    pthread_t t[PARKED], c, r, s;
    if (geteuid() != 0) {
        puts("not root");
        return 0;
    }
    CHECK_EQ(pipe(tube), 0);
    CHECK_EQ(sem_init(&go, 0, 0), 0);
    CHECK_EQ(sem_init(&done, 0, 0), 0);
    for (long i = 0; i < PARKED; i++)
        t[i] = start(parked, (void *)i);
    r = start(reading, NULL);
    s = start(sleeping, NULL);
    c = start(computing, NULL);
    while (atomic_load(&running) < 3)
        sched_yield();
    there_and_back(NULL);
    puts("from the main thread");
    finish(start(there_and_back, NULL));
    puts("from another");
    the_others();
    puts("the others");
    atomic_store(&stop, 1);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(sem_post(&go), 0);
    for (int i = 0; i < PARKED; i++)
        finish(t[i]);
    CHECK_EQ(write(tube[1], "x", 1), 1);
    finish(c);
    finish(r);
    finish(s);
    atomic_store(&stop, 0);
    odd_places();
    puts("odd places");
    drop();
    puts("dropped");
    return 0;
}
