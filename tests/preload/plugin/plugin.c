// A library with thread-local data, loaded while threads run.
#include <unistd.h>

static __thread int value = 1234;
static __thread char block[100];
static int at_load;

int plugin_bump(int by);
int plugin_at_load(void);
void *plugin_sleep(void);

__attribute__((constructor)) static void load(void)
{
    at_load = value * 10 + block[sizeof block - 1];
}

// What the constructor found in its thread's data.
int plugin_at_load(void)
{
    return at_load;
}

int plugin_bump(int by)
{
    block[sizeof block - 1]++;
    value += by;
    return value * 10 + block[sizeof block - 1];
}

// Which function of this name the library calls.
void *plugin_sleep(void)
{
    return (void *)sleep;
}
