// What the kernel keeps for a thread, and a thread sets for itself or for another, is that one's: not its neighbours' on the same OS
// thread, and it keeps it wherever it goes on.  What is not permitted here fails, and changes nothing.
#include "check.h"
#include <linux/capability.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { OTHERS = 6, ROUNDS = 40 };

static pthread_barrier_t meet;
static sem_t more[OTHERS], back;

static void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        CHECK_EQ(errno, EINTR);
}

// All that is looked at, in one line.
struct look {
    int policy, priority, nice, slack, no_new_privs, keepcaps, pdeathsig, fsuid, fsgid, cpus, persona;
    char name[16];
    ino_t directory;
    struct __user_cap_data_struct caps[2];
};

extern int capset(void *header, const void *data);
static struct __user_cap_header_struct capabilities = {_LINUX_CAPABILITY_VERSION_3, 0};

static struct look look(void)
{
    struct look l;
    struct sched_param p;
    cpu_set_t set;
    memset(&l, 0, sizeof l);
    l.policy = sched_getscheduler(0); // glibc's pthread_getschedparam remembers what it was told last
    CHECK_EQ(sched_getparam(gettid(), &p), 0);
    l.priority = p.sched_priority;
    l.nice = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)gettid()), l.nice);
    l.slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    l.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    l.keepcaps = prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0);
    CHECK_EQ(prctl(PR_GET_PDEATHSIG, &l.pdeathsig, 0, 0, 0), 0);
    l.fsuid = setfsuid((uid_t)-1);
    l.fsgid = setfsgid((gid_t)-1);
    l.persona = personality(0xffffffff);
    CHECK_EQ(syscall(SYS_capget, &capabilities, l.caps), 0);
    struct stat st;
    CHECK_EQ(stat(".", &st), 0);
    l.directory = st.st_ino;
    CHECK_EQ(pthread_getaffinity_np(pthread_self(), sizeof set, &set), 0);
    l.cpus = CPU_COUNT(&set);
    CHECK_EQ(prctl(PR_GET_NAME, l.name, 0, 0, 0), 0);
    return l;
}

static struct look at_first;

static int is_as_at_first(void)
{
    struct look l = look();
    return memcmp(&l, &at_first, sizeof l) == 0;
}

// Runs between the looks of the others, on the same OS threads.
static void *neighbour(void *arg)
{
    pthread_barrier_wait(&meet);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(is_as_at_first());
        sched_yield();
        if (i % 8 == 0)
            usleep(1);
    }
    pthread_barrier_wait(&meet);
    CHECK(is_as_at_first());
    return arg;
}

static void *inherits(void *want)
{
    struct look l = look();
    CHECK_EQ(memcmp(&l, want, sizeof l), 0);
    return NULL;
}

struct change {
    const char *name;
    int (*make)(void);
};

static int set_policy(void)
{
    struct sched_param p = {0};
    return pthread_setschedparam(pthread_self(), SCHED_BATCH, &p);
}
static int set_batch(void)
{
    struct sched_param p = {0};
    return sched_setscheduler(0, SCHED_BATCH, &p);
}
static int set_fifo(void)
{
    struct sched_param p = {.sched_priority = 1};
    int r = pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
    CHECK(r == 0 || r == EPERM);
    return r;
}
static int set_rr(void)
{
    struct sched_param p = {.sched_priority = 2};
    if (syscall(SYS_sched_setscheduler, gettid(), SCHED_RR, &p) == 0)
        return pthread_setschedprio(pthread_self(), 1);
    CHECK_EQ(errno, EPERM);
    return errno;
}
static int set_nice(void)
{
    errno = 0;
    int was = getpriority(PRIO_PROCESS, 0), is = nice(1);
    CHECK_EQ(errno, 0);
    CHECK_EQ(is, was < 19 ? was + 1 : 19);
    return 0;
}
static int set_priority(void)
{
    return setpriority(PRIO_PROCESS, (id_t)gettid(), at_first.nice < 17 ? at_first.nice + 3 : 19);
}
static int set_slack(void)
{
    return prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0);
}
static int set_no_new_privs(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static int set_keepcaps(void)
{
    return (int)syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
}
static int set_pdeathsig(void)
{
    return prctl(PR_SET_PDEATHSIG, 10, 0, 0, 0);
}
static int set_fsuid(void)
{
    if (geteuid() != 0)
        return 1;
    setfsuid(4321);
    return 0;
}
static int set_fsgid(void)
{
    if (geteuid() != 0)
        return 1;
    setfsgid(4321);
    return 0;
}
static int set_caps(void)
{
    struct look l = look();
    l.caps[0].effective &= ~(1u << CAP_NET_RAW);
    CHECK_EQ(capset(&capabilities, l.caps), 0);
    l.caps[0].permitted = l.caps[1].permitted = -1u; // more than it has
    CHECK_ERRNO(capset(&capabilities, l.caps), EPERM);
    return 0;
}
static int set_persona(void)
{
    int was = look().persona;
    CHECK_EQ(personality((unsigned)was | ADDR_NO_RANDOMIZE), was);
    return 0;
}
static int set_directory(void)
{
    CHECK_ERRNO(setns(-1, 0), EBADF);
    CHECK_ERRNO(unshare(CLONE_FS | CLONE_NEWUSER | CLONE_THREAD), EINVAL);
    if (unshare(CLONE_FS)) // a filter of system calls may forbid it
        return errno;
    return chdir("/proc");
}
static int set_name(void)
{
    return prctl(PR_SET_NAME, "a name of twenty letters", 0, 0, 0);
}
static int set_affinity(void)
{
    cpu_set_t set;
    int n = 0;
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) && n++)
            CPU_CLR(i, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static const struct change changes[] = {
    {"policy", set_policy}, {"batch", set_batch},     {"fifo", set_fifo},           {"rr", set_rr},
    {"nice", set_nice},     {"priority", set_priority}, {"slack", set_slack},     {"no_new_privs", set_no_new_privs},
    {"keepcaps", set_keepcaps}, {"pdeathsig", set_pdeathsig}, {"fsuid", set_fsuid}, {"fsgid", set_fsgid}, {"caps", set_caps}, {"persona", set_persona}, {"directory", set_directory}, {"name", set_name},
    {"affinity", set_affinity},
};

static void *changer(void *arg)
{
    const struct change *c = arg;
    int done = c->make() == 0;
    struct look mine = look();
    pthread_barrier_wait(&meet);
    for (int i = 0; i < ROUNDS; i++) {
        struct look now = look();
        CHECK_EQ(memcmp(&now, &mine, sizeof now), 0);
        sched_yield();
        if (i % 8 == 4)
            usleep(1);
    }
    if (!done)
        CHECK(is_as_at_first());
    pthread_barrier_wait(&meet);
    // Threads that it makes have it too; PR_SET_PDEATHSIG is not inherited.
    mine.pdeathsig = at_first.pdeathsig;
    finish(start(inherits, &mine));
    return NULL;
}

static void each_change(void)
{
    pthread_t t[OTHERS], c;
    CHECK_EQ(pthread_barrier_init(&meet, NULL, OTHERS + 1), 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        for (int k = 0; k < OTHERS; k++)
            t[k] = start(neighbour, NULL);
        c = start(changer, (void *)(uintptr_t)&changes[i]);
        for (int k = 0; k < OTHERS; k++)
            finish(t[k]);
        finish(c);
        CHECK(is_as_at_first());
        puts(changes[i].name);
    }
    CHECK_EQ(pthread_barrier_destroy(&meet), 0);
}

// --- For another one, which waits, or computes ---

static volatile int stop;

static void *computes(void *arg)
{
    int want = (int)(intptr_t)arg;
    CHECK_EQ(sem_post(&back), 0);
    while (!stop)
        ;
    CHECK_EQ(look().nice, want);
    return NULL;
}

static void *waits(void *arg)
{
    int i = (int)(intptr_t)arg, want = i % 2 ? SCHED_BATCH : at_first.policy;
    CHECK_EQ(sem_post(&back), 0);
    wait_for(&more[i]);
    CHECK_EQ(look().policy, want);
    CHECK_EQ(sem_post(&back), 0);
    wait_for(&more[i]);
    CHECK_EQ(look().policy, want);
    return NULL;
}

static void for_another(void)
{
    struct sched_param p = {0};
    cpu_set_t all, one;
    pthread_t t[OTHERS];
    int policy;
    for (int i = 0; i < OTHERS; i++)
        t[i] = start(waits, (void *)(intptr_t)i);
    for (int i = 0; i < OTHERS; i++)
        wait_for(&back);
    for (int i = 1; i < OTHERS; i += 2)
        CHECK_EQ(pthread_setschedparam(t[i], SCHED_BATCH, &p), 0);
    for (int i = 0; i < OTHERS; i++) {
        CHECK_EQ(pthread_getschedparam(t[i], &policy, &p), 0);
        CHECK_EQ(policy, i % 2 ? SCHED_BATCH : at_first.policy);
        p.sched_priority = 1; // of a policy that has none
        CHECK_EQ(pthread_setschedparam(t[i], SCHED_BATCH, &p), EINVAL);
        CHECK_EQ(pthread_setschedparam(t[i], 77, &p), EINVAL);
        CHECK_EQ(pthread_setschedprio(t[i], 1), EINVAL);
        p.sched_priority = 0;
    }
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CHECK_EQ(pthread_setaffinity_np(t[0], sizeof one, &one), EINVAL);
    CHECK_EQ(pthread_setaffinity_np(t[0], sizeof all, &all), 0);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    CHECK_EQ(pthread_setaffinity_np(t[2], sizeof one, &one), 0);
    CHECK_EQ(pthread_getaffinity_np(t[2], sizeof all, &all), 0);
    CHECK(CPU_EQUAL(&all, &one));
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < OTHERS; i++) {
            CHECK_EQ(sem_post(&more[i]), 0);
            if (k == 0)
                wait_for(&back);
        }
    for (int i = 0; i < OTHERS; i++)
        finish(t[i]);
    CHECK(is_as_at_first());
    puts("for one that waits");
}

static volatile pid_t its_number;
static void *computes_numbered(void *arg)
{
    its_number = gettid();
    return computes(arg);
}

static void for_one_that_computes(void)
{
    int want = at_first.nice < 18 ? at_first.nice + 2 : 19;
    pthread_t t = start(computes_numbered, (void *)(intptr_t)want);
    wait_for(&back);
    CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)its_number, want), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)its_number), want);
    stop = 1;
    finish(t);
    CHECK(is_as_at_first());
    puts("for one that computes");
}

// --- By attributes of a new one ---

static void by_attributes(void)
{
    struct look want = at_first;
    struct sched_param p = {0};
    pthread_attr_t attr;
    pthread_t t;
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setschedpolicy(&attr, SCHED_OTHER), 0);
    CHECK_EQ(pthread_attr_setschedparam(&attr, &p), 0);
    CHECK_EQ(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED), 0);
    want.policy = SCHED_OTHER;
    CHECK_EQ(pthread_create(&t, &attr, inherits, &want), 0);
    finish(t);
    cpu_set_t all, one;
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    CHECK_EQ(pthread_attr_setaffinity_np(&attr, sizeof one, &one), 0);
    want.cpus = 1;
    CHECK_EQ(pthread_create(&t, &attr, inherits, &want), 0);
    finish(t);
    CPU_ZERO(&one);
    CPU_SET(CPU_SETSIZE - 1, &one); // there is none such
    CHECK_EQ(pthread_attr_setaffinity_np(&attr, sizeof one, &one), 0);
    CHECK_EQ(pthread_create(&t, &attr, inherits, &want), EINVAL);
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    puts("attributes");
}

static void *main_part(void *arg)
{
    return arg;
}

int main(void)
{
    alarm(80);
    for (int i = 0; i < OTHERS; i++)
        CHECK_EQ(sem_init(&more[i], 0, 0), 0);
    CHECK_EQ(sem_init(&back, 0, 0), 0);
    at_first = look();
    finish(start(main_part, NULL));
    CHECK(is_as_at_first());
    each_change();
    for_another();
    for_one_that_computes();
    by_attributes();
    // The main thread too, last: whatever it makes from here on has it as well.
    CHECK_EQ(set_slack(), 0);
    struct look mine = look();
    CHECK_EQ(mine.slack, 123456);
    finish(start(inherits, &mine));
    puts("main");
    return 0;
}
