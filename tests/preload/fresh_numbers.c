// The number of a thread that has ended is not at once another's, and nobody has it.
#include "check.h"
#include <signal.h>
#include <sys/syscall.h>

enum { N = 30 };

static void *number(void *arg)
{
    CHECK_EQ(gettid(), syscall(SYS_gettid));
    *(pid_t *)arg = gettid();
    return NULL;
}

int main(void)
{
    pid_t of[N];

    for (int i = 0; i < N; i++) {
        finish(start(number, &of[i]));
        CHECK(of[i] > 0 && of[i] != getpid());
        for (int k = 0; k < i; k++)
            CHECK(of[k] != of[i]);
        if (i > 0)
            CHECK_ERRNO(syscall(SYS_tgkill, getpid(), of[i - 1], 0), ESRCH);
    }
    puts("different");
    return 0;
}
