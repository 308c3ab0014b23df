// A library with thread-local data, loaded while threads run.

static __thread int value = 1234;
static __thread char block[100];

int plugin_bump(int by);

int plugin_bump(int by)
{
    block[sizeof block - 1]++;
    value += by;
    return value * 10 + block[sizeof block - 1];
}
