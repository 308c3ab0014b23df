// A thread makes a guard of the lowest page of the stack that pthread_getattr_np tells it, as language runtimes do.
#include "check.h"
#include <stdint.h>
#include <sys/mman.h>

static void *work(void *arg)
{
    pthread_attr_t a;
    void *lo;
    size_t size, page = (size_t)sysconf(_SC_PAGESIZE);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &a), 0);
    CHECK_EQ(pthread_attr_getstack(&a, &lo, &size), 0);
    CHECK_EQ((uintptr_t)lo % page, 0);
    CHECK((char *)&a > (char *)lo && (char *)&a < (char *)lo + size);
    // Above the thread's own guard, which glibc counts to the stack.
    size_t guard;
    CHECK_EQ(pthread_attr_getguardsize(&a, &guard), 0);
    CHECK_EQ(mprotect((char *)lo + guard, page, PROT_NONE), 0);
    CHECK_EQ(mprotect((char *)lo + guard, page, PROT_READ | PROT_WRITE), 0);
    pthread_attr_destroy(&a);
    return arg;
}

int main(void)
{
    finish(start(work, NULL));
    puts("guarded");
    return 0;
}
