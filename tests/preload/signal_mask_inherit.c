// Signal masks belong to threads: inherited from the creator, changed alone, kept across blocking calls.
#include "check.h"
#include <signal.h>

static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH};
enum { SIGNALS = 5, THREADS = 32 };

// Blocks exactly those of the set bits.
static void set_mask(unsigned bits)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < SIGNALS; i++)
        if (bits >> i & 1)
            sigaddset(&set, signals[i]);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
}

static unsigned get_mask(void)
{
    sigset_t set;
    unsigned bits = 0;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    for (int i = 0; i < SIGNALS; i++)
        bits |= (unsigned)sigismember(&set, signals[i]) << i;
    return bits;
}

static void *grandchild(void *arg)
{
    CHECK_EQ(get_mask(), (unsigned long)arg);
    return NULL;
}

static void *child(void *arg)
{
    unsigned bits = (unsigned)(unsigned long)arg;
    CHECK_EQ(get_mask(), 0x15);
    set_mask(bits);
    for (int i = 0; i < 20; i++) {
        i % 2 ? usleep(10) : sched_yield();
        CHECK_EQ(get_mask(), bits);
    }
    finish(start(grandchild, arg));
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, SIGHUP);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &one, &old), 0);
    CHECK_EQ(get_mask(), bits | 1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &one, NULL), 0);
    CHECK_EQ(get_mask(), bits & ~1u);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(get_mask(), bits);
    CHECK_EQ(pthread_sigmask(77, &old, NULL), EINVAL);
    return NULL;
}

static void *from_attr(void *arg)
{
    return (void *)(unsigned long)(get_mask() + (arg != NULL));
}

int main(void)
{
    pthread_t t[THREADS];
    set_mask(0x15);
    for (unsigned long i = 0; i < THREADS; i++)
        t[i] = start(child, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    CHECK_EQ(get_mask(), 0x15);
    set_mask(0);
    CHECK_EQ((long)finish(start(from_attr, NULL)), 0);

    pthread_attr_t attr;
    sigset_t set;
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_getsigmask_np(&attr, &set), PTHREAD_ATTR_NO_SIGMASK_NP);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_attr_setsigmask_np(&attr, &set), 0);
    CHECK_EQ(pthread_create(&t[0], &attr, from_attr, NULL), 0);
    printf("by the attribute: %ld\n", (long)finish(t[0]));
    CHECK_EQ(pthread_attr_destroy(&attr), 0);
    return 0;
}
