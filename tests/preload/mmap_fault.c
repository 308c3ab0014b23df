// Threads stopped by page faults that are served late, while 100 others go on. Where the kernel does not let us serve
// page faults, there is nothing to see.
#include "check.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGES = 10 };

static char *pages;
static long page;
static sem_t started;

static void *touch(void *arg)
{
    sem_post(&started);
    char seen = ((volatile char *)pages)[(long)arg * page + 5];
    CHECK_EQ(seen, 'a' + (long)arg);
    return NULL;
}

static void *work(void *arg)
{
    for (int i = 0; i < 20; i++)
        usleep(50);
    return arg;
}

int main(void)
{
    static char content[65536];
    struct uffdio_api api = {.api = UFFD_API};
    pthread_t f[PAGES], t[100];
    sem_init(&started, 0, 0);
    page = sysconf(_SC_PAGESIZE);
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0) {
        puts("skipped: no userfaultfd");
        return 0;
    }
    pages = mmap(NULL, (size_t)(PAGES * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    struct uffdio_register reg = {.range = {(unsigned long)pages, (unsigned long)(PAGES * page)},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
    CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
    for (long i = 0; i < PAGES; i++)
        f[i] = start(touch, (void *)i);
    for (int i = 0; i < PAGES; i++)
        sem_wait(&started);
    for (int i = 0; i < 100; i++)
        t[i] = start(work, NULL);
    for (int i = 0; i < 100; i++)
        finish(t[i]);
    puts("100 finished");
    for (int i = 0; i < PAGES; i++) {
        struct uffd_msg msg;
        CHECK_EQ(read(fd, &msg, sizeof msg), sizeof msg);
        CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
        unsigned long at = msg.arg.pagefault.address & ~((unsigned long)page - 1);
        memset(content, 'a' + (int)((at - (unsigned long)pages) / (unsigned long)page), (size_t)page);
        struct uffdio_copy copy = {.dst = at, .src = (unsigned long)content, .len = (unsigned long)page};
        CHECK_EQ(ioctl(fd, UFFDIO_COPY, &copy), 0);
    }
    for (int i = 0; i < PAGES; i++)
        finish(f[i]);
    puts("faults served");
    return 0;
}
