#include "runtime/arch/context.h"
#include "runtime/base/sys.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

TEST(Syscall, ReturnsMinusErrnoAndLeavesErrnoAlone)
{
    errno = 77;
    EXPECT_EQ(SYS1(SYS_close, -1), -EBADF);
    EXPECT_EQ(SYS0(SYS_getpid), getpid());
    EXPECT_EQ(errno, 77);
}

TEST(Syscall, SixArguments)
{
    int fd = memfd_create("six", 0);
    ASSERT_EQ(ftruncate(fd, 8192), 0);
    ASSERT_EQ(pwrite(fd, "second page", 12, 4096), 12);
    uint8_t flag = 0;

    for (bool interruptible : {false, true}) {
        long a = interruptible ? arch_syscall_intr(&flag, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 4096)
                               : SYS6(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);

        ASSERT_TRUE(a > 0 || a < -4095) << a;
        EXPECT_STREQ((const char *)a, "second page");
        munmap((void *)a, 4096);
    }
    close(fd);
}

TEST(Syscall, ASetFlagIsAnInterruptionWithoutTheCall)
{
    int fds[2];
    uint8_t flag = 1;

    ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
    EXPECT_EQ(arch_syscall_intr(&flag, SYS_write, fds[1], (long)"x", 1, 0, 0, 0), -EINTR);
    char c;
    EXPECT_EQ(read(fds[0], &c, 1), -1) << "nothing was written";
    flag = 0;
    EXPECT_EQ(arch_syscall_intr(&flag, SYS_write, fds[1], (long)"x", 1, 0, 0, 0), 1);
    EXPECT_EQ(arch_syscall_intr(&flag, SYS_close, -1, 0, 0, 0, 0, 0), -EBADF);
    close(fds[0]);
    close(fds[1]);
}

TEST(Syscall, FutexWaitsOnlyForItsValue)
{
    uint32_t word = 1;
    uint64_t deadline = now_ns() + 1000000;

    EXPECT_EQ(sys_futex_wait(&word, 0, NO_DEADLINE), -EAGAIN);
    EXPECT_EQ(sys_futex_wait(&word, 1, deadline), -ETIMEDOUT);
    EXPECT_GE(now_ns(), deadline);
    EXPECT_EQ(sys_futex_wait(&word, 1, 0), -ETIMEDOUT);
    EXPECT_EQ(sys_futex_wake(&word, 1), 0);
}

} // namespace
