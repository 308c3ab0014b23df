// The order of C++ thread_local constructors and destructors and TSD destructors.
#include "check.h"

static pthread_key_t key;

static void tsd_destructor(void *value)
{
    printf("TSD %s\n", (const char *)value);
}

struct Speaker {
    const char *name;
    explicit Speaker(const char *n) : name(n) { printf("make %s\n", name); }
    ~Speaker();
};

static thread_local Speaker late("late");

Speaker::~Speaker()
{
    sched_yield(); // a destructor may block
    printf("drop %s\n", name);
    if (!strcmp(name, "second"))
        printf("and made by a destructor: %s\n", late.name);
}

static thread_local Speaker first("first"), second("second");

static void *speak(void *arg)
{
    CHECK_EQ(pthread_setspecific(key, "value"), 0);
    printf("%s %s\n", first.name, second.name);
    if (arg)
        pthread_exit(nullptr);
    return nullptr;
}

int main()
{
    CHECK_EQ(pthread_key_create(&key, tsd_destructor), 0);
    puts("return:");
    finish(start(speak, nullptr));
    puts("exit:");
    finish(start(speak, (void *)1));
    puts("main:");
    printf("%s\n", first.name);
    return 0;
}
