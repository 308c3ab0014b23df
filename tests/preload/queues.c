// POSIX and System V message queues, System V semaphores: waiting, timeouts, errors, signals, cancellation.
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

enum { N = 200 };

static mqd_t mq;
static volatile int ended;
static volatile sig_atomic_t handled;

static void *receive(void *arg)
{
    intptr_t sum = 0;
    for (int i = 0; i < N; i++) {
        char buf[64];
        unsigned prio = 99;
        CHECK_EQ(mq_receive(mq, buf, sizeof buf, &prio), 4);
        int n;
        memcpy(&n, buf, 4);
        CHECK_EQ(prio, (unsigned)n % 3);
        sum += n;
    }
    return (void *)(sum + 0 * (intptr_t)arg);
}

static void *send_some(void *arg)
{
    for (int i = 0; i < N; i++)
        CHECK_EQ(mq_send(mq, (char *)&i, 4, (unsigned)i % 3), 0);
    return arg;
}

static void *receive_one(void *arg)
{
    char buf[64];
    struct timespec far = in_ms(CLOCK_REALTIME, 1000000);
    ssize_t r = arg ? mq_timedreceive(mq, buf, sizeof buf, NULL, &far) : mq_receive(mq, buf, sizeof buf, NULL);
    intptr_t result = r < 0 ? -errno : r;
    ended = 1;
    return (void *)result;
}

static void handle(int sig)
{
    handled = sig;
}

static intptr_t disturb(void *(*fn)(void *), void *arg, int restart, void (*relieve)(void))
{
    struct sigaction sa = {.sa_handler = handle, .sa_flags = restart ? SA_RESTART : 0};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    handled = ended = 0;
    pthread_t t = start(fn, arg);
    while (relieve ? !handled : !ended) {
        pthread_kill(t, SIGUSR1);
        nap_ms(1);
    }
    if (relieve)
        relieve();
    return (intptr_t)finish(t);
}

static void send_one(void)
{
    CHECK_EQ(mq_send(mq, "abcd", 4, 0), 0);
}

static void posix(void)
{
    char name[40], buf[64];
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    snprintf(name, sizeof name, "/preload-%d", (int)getpid());
    mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(mq >= 0);
    CHECK_EQ(mq_unlink(name), 0);
    pthread_t t[8];
    intptr_t sum = 0;
    for (int i = 0; i < 8; i++)
        t[i] = start(i % 2 ? receive : send_some, NULL);
    for (int i = 0; i < 8; i++)
        sum += (intptr_t)finish(t[i]);
    CHECK_EQ(sum, 4 * (N * (N - 1) / 2));

    struct timespec past = in_ms(CLOCK_REALTIME, -1000), soon = in_ms(CLOCK_REALTIME, 20), bad = {0, -1};
    CHECK_ERRNO(mq_timedreceive(mq, buf, 64, NULL, &past), ETIMEDOUT);
    CHECK_ERRNO(mq_timedreceive(mq, buf, 64, NULL, &soon), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, soon));
    CHECK_ERRNO(mq_timedreceive(mq, buf, 64, NULL, &bad), EINVAL);
    CHECK_ERRNO(mq_timedreceive(mq, buf, 64, NULL, (struct timespec *)8), EFAULT);
    CHECK_ERRNO(mq_receive(mq, buf, 63, NULL), EMSGSIZE);
    CHECK_ERRNO(mq_send(mq, buf, 65, 0), EMSGSIZE);
    CHECK_ERRNO(mq_send(mq, buf, 1, 1u << 31), EINVAL);
    CHECK_ERRNO(mq_receive(-1, buf, 64, NULL), EBADF);
    CHECK_ERRNO(mq_receive(0, buf, 64, NULL), EBADF);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(mq_timedsend(mq, "x", 1, 0, &past), 0); // the time does not matter while there is room
    CHECK_ERRNO(mq_timedsend(mq, "x", 1, 0, &past), ETIMEDOUT);
    soon = in_ms(CLOCK_REALTIME, 20);
    CHECK_ERRNO(mq_timedsend(mq, "x", 1, 0, &soon), ETIMEDOUT);
    CHECK_EQ(mq_timedreceive(mq, buf, 64, NULL, &past), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(mq_receive(mq, buf, 64, NULL), 1);
    attr.mq_flags = O_NONBLOCK;
    CHECK_EQ(mq_setattr(mq, &attr, NULL), 0);
    CHECK_ERRNO(mq_receive(mq, buf, 64, NULL), EAGAIN);
    attr.mq_flags = 0;
    CHECK_EQ(mq_setattr(mq, &attr, NULL), 0);
    for (intptr_t timed = 0; timed < 2; timed++) {
        printf("mq, restarted: %ld\n", (long)disturb(receive_one, (void *)timed, 1, send_one));
        printf("mq, interrupted: %ld\n", (long)disturb(receive_one, (void *)timed, 0, NULL));
    }
    pthread_t c = start(receive_one, NULL);
    nap_ms(5);
    CHECK_EQ(pthread_cancel(c), 0);
    CHECK(finish(c) == PTHREAD_CANCELED);
    // The number may be another file's after a close.
    CHECK_EQ(mq_close(mq), 0);
    CHECK_ERRNO(mq_close(mq), EBADF);
}

static int id;

struct message {
    long type;
    char text[16];
};

static void *sysv_receive(void *arg)
{
    struct message m;
    long type = (long)(intptr_t)arg;
    ssize_t r = msgrcv(id, &m, sizeof m.text, type, 0);
    intptr_t result = r < 0 ? -errno : (intptr_t)r;
    ended = 1;
    return (void *)result;
}

static void *sysv_send(void *arg)
{
    struct message m = {1, "0123456789"};
    for (intptr_t i = 0; i < (intptr_t)arg; i++)
        CHECK_EQ(msgsnd(id, &m, 16, 0), 0);
    return NULL;
}

static void *semaphore_wait(void *arg)
{
    struct sembuf down = {0, -1, 0};
    int r = semop(id, &down, 1);
    intptr_t result = r < 0 ? -errno : 0 * (intptr_t)arg;
    ended = 1;
    return (void *)result;
}

static void up(void)
{
    struct sembuf op = {0, 1, 0};
    CHECK_EQ(semop(id, &op, 1), 0);
}

static void sysv(void)
{
    struct message m = {0};
    pthread_t t[4];
    CHECK((id = msgget(IPC_PRIVATE, 0600)) >= 0);
    CHECK_ERRNO(msgrcv(id, &m, 16, 0, IPC_NOWAIT), ENOMSG);
    CHECK_ERRNO(msgsnd(id, &m, 16, 0), EINVAL);
    CHECK_ERRNO(msgrcv(-1, &m, 16, 0, 0), EINVAL);
    for (intptr_t i = 0; i < 4; i++)
        t[i] = start(sysv_receive, (void *)(i + 1));
    for (long type = 4; type >= 1; type--) {
        m.type = type;
        CHECK_EQ(msgsnd(id, &m, (size_t)type, 0), 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ((intptr_t)finish(t[i]), i + 1);
    t[0] = start(sysv_send, (void *)3000); // more than fits
    for (int i = 0; i < 3000; i++)
        CHECK_EQ(msgrcv(id, &m, 16, 0, 0), 16);
    finish(t[0]);
    CHECK_EQ(msgsnd(id, &m, 16, 0), 0);
    CHECK_ERRNO(msgrcv(id, &m, 3, 0, 0), E2BIG);
    CHECK_EQ(msgrcv(id, &m, 3, 0, MSG_NOERROR), 3);
    // Never restarted, whatever SA_RESTART says.
    printf("msgrcv, interrupted: %ld\n", (long)disturb(sysv_receive, (void *)9, 1, NULL));
    t[0] = start(sysv_receive, (void *)9);
    nap_ms(5);
    CHECK_EQ(pthread_cancel(t[0]), 0);
    CHECK(finish(t[0]) == PTHREAD_CANCELED);
    t[0] = start(sysv_receive, (void *)9);
    nap_ms(5);
    CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
    intptr_t r = (intptr_t)finish(t[0]);
    CHECK(r == -EIDRM || r == -EINVAL);

    CHECK((id = semget(IPC_PRIVATE, 2, 0600)) >= 0);
    struct sembuf down = {0, -1, IPC_NOWAIT}, both[2] = {{0, 1, 0}, {1, -1, IPC_NOWAIT}};
    CHECK_ERRNO(semop(id, &down, 1), EAGAIN);
    CHECK_ERRNO(semop(id, both, 2), EAGAIN);
    CHECK_EQ(semctl(id, 0, GETVAL), 0);
    struct timespec ms20 = {0, 20000000}, bad = {0, -1};
    down.sem_flg = 0;
    CHECK_ERRNO(semtimedop(id, &down, 1, &ms20), EAGAIN);
    CHECK_ERRNO(semtimedop(id, &down, 1, &bad), EINVAL);
    CHECK_ERRNO(semop(id, NULL, 1), EFAULT);
    CHECK_ERRNO(semop(id, &down, 0), EINVAL);
    CHECK_ERRNO(semop(id, &down, 100000), E2BIG);
    for (int i = 0; i < 4; i++)
        t[i] = start(semaphore_wait, NULL);
    for (int i = 0; i < 4; i++)
        up();
    for (int i = 0; i < 4; i++)
        CHECK_EQ((intptr_t)finish(t[i]), 0);
    printf("semop, interrupted: %ld\n", (long)disturb(semaphore_wait, NULL, 1, NULL));
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

int main(void)
{
    posix();
    sysv();
    return 0;
}
