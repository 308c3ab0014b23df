// The signal calls of System V and BSD: each thread's own mask, wherever it runs, and handlers in the thread that they are sent to.
#include "check.h"
#include <dlfcn.h>
#include <signal.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { THREADS = 8, ROUNDS = 10 };

static __thread volatile int mine;
static pthread_barrier_t all;

static int bit(int sig)
{
    return 1 << (sig - 1);
}

static void count(int sig)
{
    (void)sig;
    mine++;
}

// Under this name the linker warns.
static int (*old_mask)(void);

static int blocked(int sig)
{
    sigset_t set;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    return sigismember(&set, sig);
}

// Half of them hold the signal; each sees its own choice after the others have run.
static void hold_in_half(int i)
{
    int hold = i % 2;
    for (int round = 1; round <= ROUNDS; round++) {
        mine = 0;
        CHECK_EQ(hold ? sighold(SIGUSR1) : sigrelse(SIGUSR1), 0);
        pthread_barrier_wait(&all);
        CHECK_EQ(blocked(SIGUSR1), hold);
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
        CHECK_EQ(mine, !hold);
        CHECK_EQ(old_mask() >> (SIGUSR1 - 1) & 1, hold);
        CHECK_EQ(sigrelse(SIGUSR1), 0);
        CHECK_EQ(mine, 1);
        pthread_barrier_wait(&all);
    }
}

static void set_returns(int i)
{
    if (i == 0)
        CHECK(sigset(SIGUSR2, count) == SIG_DFL);
    pthread_barrier_wait(&all);
    CHECK(sigset(SIGUSR2, SIG_HOLD) == count);
    CHECK(sigset(SIGUSR2, SIG_HOLD) == SIG_HOLD);
    pthread_barrier_wait(&all);
    CHECK_EQ(blocked(SIGUSR2), 1);
    mine = 0;
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(mine, 0);
    CHECK(sigset(SIGUSR2, count) == SIG_HOLD); // lets it through
    CHECK_EQ(mine, 1);
    CHECK(sigset(SIGUSR2, count) == count);
    pthread_barrier_wait(&all);
    if (i == 0) {
        CHECK_EQ(sigignore(SIGUSR2), 0);
        CHECK_EQ(raise(SIGUSR2), 0);
        CHECK(sigset(SIGUSR2, SIG_DFL) == SIG_IGN);
    }
    CHECK_EQ(mine, 1);
    CHECK(sigset(0, count) == SIG_ERR && errno == EINVAL);
    CHECK(sigset(SIGKILL, count) == SIG_ERR && errno == EINVAL);
    CHECK_ERRNO(sighold(65), EINVAL);
    CHECK_ERRNO(sigrelse(0), EINVAL);
    CHECK_ERRNO(sigignore(SIGSTOP), EINVAL);
}

static void masks_of_bsd(int i)
{
    int own = bit(SIGUSR1) | (i % 2 ? bit(SIGURG) : bit(SIGWINCH));
    CHECK_EQ(sigsetmask(own), 0);
    pthread_barrier_wait(&all);
    CHECK_EQ(old_mask(), own);
    CHECK_EQ(sigblock(bit(SIGIO)), own);
    pthread_barrier_wait(&all);
    CHECK_EQ(old_mask(), own | bit(SIGIO));
    CHECK_EQ(blocked(SIGIO), 1);
    CHECK_EQ(sigsetmask(0), own | bit(SIGIO));
    pthread_barrier_wait(&all);
}

static pthread_t threads[THREADS];

// One after the other waits with its own signal open, and is woken by its neighbour.
static void pause_in_turn(int i)
{
    for (int round = 0; round < 2; round++) {
        mine = 0;
        CHECK_EQ(sighold(SIGUSR1), 0);
        pthread_barrier_wait(&all);
        CHECK_EQ(pthread_kill(threads[(i + 1) % THREADS], SIGUSR1), 0);
        CHECK_ERRNO(sigpause(SIGUSR1), EINTR);
        CHECK_EQ(mine, 1);
        CHECK_EQ(blocked(SIGUSR1), 1);
        CHECK_EQ(sigrelse(SIGUSR1), 0);
        CHECK_EQ(mine, 1);
        pthread_barrier_wait(&all);
    }
    CHECK_ERRNO(sigpause(65), EINVAL);
}

static void *run(void *arg)
{
    int i = (int)(long)arg;
    threads[i] = pthread_self(); // before main has it
    hold_in_half(i);
    set_returns(i);
    masks_of_bsd(i);
    pause_in_turn(i);
    return arg;
}

int main(void)
{
    old_mask = (int (*)(void))dlsym(RTLD_DEFAULT, "siggetmask");
    CHECK(old_mask != NULL);
    CHECK_EQ(pthread_barrier_init(&all, NULL, THREADS), 0);
    CHECK(sigset(SIGUSR1, count) == SIG_DFL);
    CHECK_EQ(siginterrupt(SIGUSR1, 1), 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(run, (void *)(long)i);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    puts("done");
    return 0;
}
