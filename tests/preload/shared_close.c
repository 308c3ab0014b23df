// A descriptor is closed while its file lives on in a duplicate and in another process: what then happens to the file is
// nobody's business here, and the number's next owner is served as ever.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROUNDS 200

static void *read_one(void *arg)
{
    char c = 0;
    CHECK_EQ(read((int)(long)arg, &c, 1), 1);
    return (void *)(long)c;
}

static int highest_number(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

int main(void)
{
    int first = 0;
    pthread_t idle = start(read_one, (void *)(long)open("/dev/zero", O_RDONLY));
    finish(idle);
    for (int i = 0; i < ROUNDS; i++) {
        int old[2], fresh[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
        // It is waited for once, so it is being watched.
        pthread_t t = start(read_one, (void *)(long)old[0]);
        for (int k = 0; k < 20; k++)
            sched_yield(); // so that it mostly waits first; right either way
        CHECK_EQ(write(old[1], "a", 1), 1);
        CHECK_EQ((long)finish(t), 'a');
        pid_t child = i % 20 == 0 ? fork() : -1;
        if (child == 0) {
            pause();
            _exit(0);
        }
        int copy = dup(old[0]), number = old[0];
        CHECK_EQ(close(old[0]), 0);
        CHECK_EQ(write(old[1], "stale", 5), 5); // an event of the old file, whose number is free or another's now
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh), 0);
        CHECK_EQ(fresh[0], number);
        t = start(read_one, (void *)(long)fresh[0]);
        CHECK_EQ(write(fresh[1], "b", 1), 1);
        CHECK_EQ((long)finish(t), 'b');
        if (child > 0) {
            kill(child, SIGKILL);
            CHECK_EQ(waitpid(child, NULL, 0), child);
        }
        close(copy);
        close(old[1]);
        close(fresh[0]);
        close(fresh[1]);
        if (i == 0)
            first = highest_number();
        CHECK_EQ(highest_number(), first); // no number was lost to anybody
    }
    puts("shared and closed");
    return 0;
}
