// Asynchronous I/O in its 64-bit forms, and what tells of the arrival of a message: all done by threads that libc makes.
#include "show.h"
#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>

static char text[16] = "0123456789abcde";

static void transfers(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600), p[2];
    struct aiocb cb = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = 10};
    const struct aiocb *list[1] = {&cb};
    struct aiocb64 cb64 = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = 5, .aio_offset = 10};
    const struct aiocb64 *list64[1] = {&cb64};
    struct aiocb64 *all64[1] = {&cb64};
    struct timespec moment = {0, 1000000};
    CHECK(fd >= 0);
    SHOW(aio_write(&cb));
    while (aio_error(&cb) == EINPROGRESS)
        CHECK_EQ(aio_suspend(list, 1, NULL), 0);
    SHOW(aio_return(&cb));
    SHOW(aio_write64(&cb64));
    while (aio_error64(&cb64) == EINPROGRESS)
        CHECK_EQ(aio_suspend64(list64, 1, NULL), 0);
    SHOW(aio_return64(&cb64));
    SHOW(aio_fsync(O_SYNC, &cb));
    while (aio_error(&cb) == EINPROGRESS)
        CHECK_EQ(aio_suspend(list, 1, NULL), 0);
    SHOW(aio_return(&cb));
    SHOW(aio_fsync(77, &cb));
    SHOW(aio_fsync64(O_DSYNC, &cb64));
    while (aio_error64(&cb64) == EINPROGRESS)
        CHECK_EQ(aio_suspend64(list64, 1, NULL), 0);
    SHOW(aio_return64(&cb64));
    cb64.aio_offset = 3;
    SHOW(aio_read64(&cb64));
    while (aio_error64(&cb64) == EINPROGRESS)
        CHECK_EQ(aio_suspend64(list64, 1, NULL), 0);
    SHOW(aio_return64(&cb64));
    SHOW(memcmp(text, "34567", 5));
    cb64.aio_lio_opcode = LIO_WRITE;
    SHOW(lio_listio64(LIO_WAIT, all64, 1, NULL));
    SHOW(aio_return64(&cb64));
    SHOW(lio_listio64(77, all64, 1, NULL));

    // One that waits for a pipe: the time runs out, then it is there.
    CHECK_EQ(pipe(p), 0);
    cb64 = (struct aiocb64){.aio_fildes = p[0], .aio_buf = text, .aio_nbytes = 5};
    SHOW(aio_read64(&cb64));
    SHOW(aio_suspend64(list64, 1, &moment));
    write_all(p[1], "hello", 5);
    while (aio_error64(&cb64) == EINPROGRESS)
        CHECK_EQ(aio_suspend64(list64, 1, NULL), 0);
    SHOW(aio_return64(&cb64));
    cb64.aio_fildes = -1;
    SHOW(aio_read64(&cb64));
    while (aio_error64(&cb64) == EINPROGRESS)
        aio_suspend64(list64, 1, NULL);
    SHOW(aio_error64(&cb64) == EBADF);
    SHOW(aio_return64(&cb64));
    close(fd);
    close(p[0]);
    close(p[1]);
}

static void address(void)
{
    struct gaicb req = {.ar_name = "127.0.0.1"}, *list[1] = {&req};
    const struct gaicb *wait_for[1] = {&req};
    SHOW(getaddrinfo_a(GAI_NOWAIT, list, 1, NULL));
    while (gai_error(&req) == EAI_INPROGRESS) {
        int r = gai_suspend(wait_for, 1, NULL);
        CHECK(r == 0 || r == EAI_ALLDONE);
    }
    SHOW(gai_error(&req));
    SHOW(gai_suspend(wait_for, 1, NULL) == EAI_ALLDONE);
    freeaddrinfo(req.ar_result);
}

static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told_cond = PTHREAD_COND_INITIALIZER;
static int told;

static void tell(union sigval value)
{
    pthread_mutex_lock(&lk);
    told += value.sival_int;
    pthread_cond_signal(&told_cond);
    pthread_mutex_unlock(&lk);
}

static void messages(void)
{
    char name[40];
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tell, .sigev_value.sival_int = 3};
    snprintf(name, sizeof name, "/preload-%d", (int)getpid());
    mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    if (q < 0) {
        puts("no queues here");
        return;
    }
    mq_unlink(name);
    CHECK_EQ(mq_notify(q, &ev), 0);
    CHECK_ERRNO(mq_notify(q, &ev), EBUSY);
    CHECK_EQ(mq_send(q, "x", 1, 0), 0);
    pthread_mutex_lock(&lk);
    while (!told)
        pthread_cond_wait(&told_cond, &lk);
    pthread_mutex_unlock(&lk);
    CHECK_EQ(told, 3);
    CHECK_ERRNO(mq_notify(-1, &ev), EBADF);
    mq_close(q);
    puts("told");
}

static void *run(void *arg)
{
    transfers();
    address();
    messages();
    return arg;
}

int main(void)
{
    finish(start(run, NULL));
    return 0;
}
