// Calls that take a thread's number: gettid()'s works for the thread itself and for others, a number that is no thread's does not.
#include "check.h"
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { THREADS = 6 };

static pthread_barrier_t all;
static pid_t numbers[THREADS];
static __thread volatile int mine;

static void count(int sig)
{
    (void)sig;
    mine++;
}

static void ask(pid_t tid)
{
    cpu_set_t set;
    struct sched_param param = {.sched_priority = 9};
    struct timespec t;
    CHECK_EQ(sched_getaffinity(tid, sizeof set, &set), 0);
    CHECK(CPU_COUNT(&set) > 0);
    CHECK_EQ(sched_setaffinity(tid, sizeof set, &set), 0);
    CHECK_EQ(sched_getscheduler(tid), SCHED_OTHER);
    CHECK_EQ(sched_getparam(tid, &param), 0);
    CHECK_EQ(param.sched_priority, 0);
    CHECK_EQ(sched_setparam(tid, &param), 0);
    CHECK_EQ(sched_setscheduler(tid, SCHED_OTHER, &param), 0);
    param.sched_priority = 5;
    CHECK_ERRNO(sched_setscheduler(tid, SCHED_OTHER, &param), EINVAL);
    CHECK_ERRNO(sched_setparam(tid, &param), EINVAL);
    CHECK_EQ(sched_rr_get_interval(tid, &t), 0);
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)tid);
    CHECK_EQ(errno, 0);
    CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)tid, nice), 0);
    CPU_ZERO(&set);
    CHECK_ERRNO(sched_setaffinity(tid, sizeof set, &set), EINVAL);

    unsigned long mask[16] = {0};
    CHECK(syscall(SYS_sched_getaffinity, tid, sizeof mask, mask) > 0);
    CHECK_EQ(syscall(SYS_sched_setaffinity, tid, sizeof mask, mask) == 0, mask[0] != 0);
    CHECK_EQ(syscall(SYS_sched_getscheduler, tid), SCHED_OTHER);
    param.sched_priority = 0;
    CHECK_EQ(syscall(SYS_sched_setscheduler, tid, SCHED_OTHER, &param), 0);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, tid), 20 - nice);
    CHECK_EQ(syscall(SYS_setpriority, PRIO_PROCESS, tid, nice), 0);
    CHECK_EQ(syscall(SYS_tkill, tid, 0), 0);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, 0), 0);
}

static void ask_in_vain(pid_t tid)
{
    cpu_set_t set;
    struct sched_param param = {0};
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CHECK_ERRNO(sched_getaffinity(tid, sizeof set, &set), ESRCH);
    CHECK_ERRNO(sched_setaffinity(tid, sizeof set, &set), ESRCH);
    CHECK_ERRNO(sched_getscheduler(tid), ESRCH);
    CHECK_ERRNO(sched_setscheduler(tid, SCHED_OTHER, &param), ESRCH);
    CHECK_ERRNO(sched_getparam(tid, &param), ESRCH);
    CHECK_ERRNO(setpriority(PRIO_PROCESS, (id_t)tid, 0), ESRCH);
    CHECK_ERRNO(getpriority(PRIO_PROCESS, (id_t)tid), ESRCH);
    CHECK_ERRNO(tgkill(getpid(), tid, 0), ESRCH);
}

static void *run(void *arg)
{
    int i = (int)(intptr_t)arg;
    numbers[i] = gettid();
    pthread_barrier_wait(&all);
    ask(gettid());
    ask(numbers[(i + 1) % THREADS]);
    ask(getpid());
    CHECK_EQ(syscall(SYS_tkill, gettid(), SIGUSR1), 0);
    CHECK_EQ(mine, 1);
    CHECK_EQ(tgkill(getpid(), gettid(), SIGUSR1), 0);
    CHECK_EQ(mine, 2);
    ask_in_vain(0x7ffffffe);
    pthread_barrier_wait(&all);
    return arg;
}

int main(void)
{
    pthread_t t[THREADS];
    signal(SIGUSR1, count);
    CHECK_EQ(pthread_barrier_init(&all, NULL, THREADS), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(run, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    ask_in_vain(numbers[0]);
    puts("done");
    return 0;
}
