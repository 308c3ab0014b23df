// What runs at exit, in which order, when a thread calls it: thread_local destructors of that thread, handlers, static
// destructors; handlers may block and start threads; unflushed output comes out.
#include "check.h"
#include <cstdlib>
#include <semaphore.h>
#include <sys/wait.h>

static sem_t never;

struct Static {
    const char *name;
    ~Static() { printf("drop %s\n", name); }
};

static Static global{"global"};
static thread_local Static local{"local of the exiting thread"};

static void *say(void *arg)
{
    usleep(100);
    printf("thread of a handler: %s\n", static_cast<const char *>(arg));
    return nullptr;
}

static void first()
{
    puts("registered first");
}

static void second()
{
    finish(start(say, const_cast<char *>("joined")));
    puts("registered second");
}

static void with_status(int status, void *arg)
{
    printf("on_exit %d %s\n", status, static_cast<const char *>(arg));
}

static void quick()
{
    puts("quick");
    fflush(stdout);
}

static void *exits(void *)
{
    static Static inside{"static in a function"};
    CHECK(local.name && inside.name);
    printf("no newline, no flush");
    exit(17);
}

static void *quick_exits(void *)
{
    CHECK(local.name);
    quick_exit(18);
}

static void *waits(void *)
{
    sem_wait(&never);
    return nullptr;
}

static void in_child(void *(*how)(void *))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 10; i++)
            start(waits, nullptr);
        start(how, nullptr);
        waits(nullptr);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    printf("exited with %d\n", WEXITSTATUS(status));
}

int main()
{
    sem_init(&never, 0, 0);
    CHECK_EQ(atexit(first), 0);
    CHECK_EQ(atexit(second), 0);
    CHECK_EQ(on_exit(with_status, const_cast<char *>("argument")), 0);
    CHECK_EQ(at_quick_exit(quick), 0);
    in_child(exits);
    in_child(quick_exits);
    return 0;
}
