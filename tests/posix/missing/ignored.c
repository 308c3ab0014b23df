// Not working under the shim (docs/compatibility.md): signals that are pending for a virtual thread are not discarded.
#include "../suite.h"

static atomic_int count;
static void counting(int sig) { (void)sig; count++; }
static void set(int sig, void (*fn)(int), int flags)
{
    struct sigaction a = {.sa_handler = fn, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
// 2.4.3: "Setting a signal action to SIG_IGN for a signal that is pending shall cause the pending signal to be discarded, whether or not it
// is blocked."
static void *discards(void *arg)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    set(SIGUSR1, counting, 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    set(SIGUSR1, SIG_IGN, 0);
    set(SIGUSR1, counting, 0);
    CHECK_EQ(sigpending(&s), 0);
    CHECK(!sigismember(&s, SIGUSR1));
    return arg;
}
LONE(ignoring_discards_pending) { finish(start(discards, NULL)); }
