// Each call that waits ends with ECANCELED when the scope around it is cancelled: in the middle, and when it begins later.
#include "tests/preload/check.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vthr.h>

static int empty[2], full[2], stream[2], listener, locked[2], counter, epfd, msgq, sems, child;
static char dir[] = "/tmp/vthr-cancel-XXXXXX", fifo[64], file[64], buf[1 << 16];
static sem_t none;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_t endless;
static vthr_semaphore *taken;
static vthr_scope *one_only;

static int err(long r) // of a call that returns -1 and sets errno
{
    return r == -1 ? errno : 0;
}

static int do_read(void) { return err(read(empty[0], buf, 1)); }
static int do_readv(void) { return err(readv(stream[0], &(struct iovec){ buf, 1 }, 1)); }
static int do_write(void) { return err(write(full[1], buf, sizeof buf)); }
static int do_recv(void) { return err(recv(stream[0], buf, 1, 0)); }
static int do_recvmsg(void) { return err(recvmsg(stream[0], &(struct msghdr){ 0 }, 0)); }
static int do_accept(void) { return err(accept(listener, NULL, NULL)); }
static int do_poll(void) { return err(poll(&(struct pollfd){ empty[0], POLLIN, 0 }, 1, -1)); }
static int do_poll_odd(void) { return err(poll(&(struct pollfd){ stream[0], POLLPRI, 0 }, 1, -1)); }
static int do_epoll(void) { return err(epoll_wait(epfd, &(struct epoll_event){ 0 }, 1, -1)); }
static int do_nanosleep(void) { return err(nanosleep(&(struct timespec){ 100000, 0 }, NULL)); }
static int do_clock_nanosleep(void) { return clock_nanosleep(CLOCK_REALTIME, 0, &(struct timespec){ 100000, 0 }, NULL); }
static int do_sleep(void) { errno = 0; return sleep(100000) ? errno : 0; }
static int do_pause(void) { return err(pause()); }
static int do_sem(void) { return err(sem_wait(&none)); }
static int do_join(void) { return pthread_join(endless, NULL); }
static int do_waitpid(void) { return err(waitpid(child, NULL, 0)); }
static int do_wait_any(void) { return err(waitpid(-1, NULL, 0)); }
static int do_flock(void) { return err(flock(locked[1], LOCK_EX)); }
static int do_lockf(void) { return err(lockf(locked[1], F_LOCK, 1)); }
static int do_eventfd(void) { return err(eventfd_write(counter, 1)); }
static int do_msgrcv(void) { return err(msgrcv(msgq, buf, 10, 0, 0)); }
static int do_semop(void) { return err(semop(sems, &(struct sembuf){ 0, -1, 0 }, 1)); }
static int do_open(void) { return err(open(fifo, O_RDONLY)); }
static int do_splice(void) { return err(splice(empty[0], NULL, full[1], NULL, 10, 0)); }
static int do_acquire(void) { return vthr_acquire(taken); }
static int do_select(void)
{
    fd_set r;

    FD_ZERO(&r);
    FD_SET(empty[0], &r);
    return err(select(empty[0] + 1, &r, NULL, NULL, NULL));
}
static int do_sigwait(void)
{
    sigset_t s;
    siginfo_t info;

    sigemptyset(&s);
    sigaddset(&s, SIGRTMAX);
    return err(sigwaitinfo(&s, &info));
}
static int do_cond(void)
{
    int r;

    pthread_mutex_lock(&mutex);
    r = pthread_cond_wait(&never, &mutex);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY); // ours again
    pthread_mutex_unlock(&mutex);
    return r;
}
static int do_fgets(void)
{
    int fd = dup(empty[0]);
    FILE *f = fdopen(fd, "r");
    int r;

    errno = 0;
    r = fgets(buf, 10, f) ? 0 : errno;
    fclose(f);
    return r;
}
static int nothing(void *arg, void **value)
{
    (void)arg, (void)value;
    return 0;
}
static int do_spawn(void) { return vthr_spawn(one_only, NULL, nothing, NULL); }

static const struct call {
    const char *name;
    int (*fn)(void);
} calls[] = {
    { "read", do_read }, { "readv", do_readv }, { "write", do_write }, { "recv", do_recv }, { "recvmsg", do_recvmsg },
    { "accept", do_accept }, { "poll", do_poll }, { "poll, urgent", do_poll_odd }, { "epoll_wait", do_epoll }, { "select", do_select },
    { "nanosleep", do_nanosleep }, { "clock_nanosleep", do_clock_nanosleep }, { "sleep", do_sleep }, { "pause", do_pause },
    { "sem_wait", do_sem }, { "pthread_cond_wait", do_cond }, { "pthread_join", do_join }, { "waitpid", do_waitpid },
    { "wait", do_wait_any }, { "flock", do_flock }, { "lockf", do_lockf }, { "eventfd_write", do_eventfd }, { "msgrcv", do_msgrcv }, { "semop", do_semop }, { "open", do_open },
    { "splice", do_splice }, { "sigwaitinfo", do_sigwait }, { "fgets", do_fgets }, { "vthr_acquire", do_acquire },
};

static int begun;
static void begins(void)
{
    __atomic_store_n(&begun, 1, __ATOMIC_SEQ_CST);
}
static void wait_begun(int yields)
{
    while (!__atomic_load_n(&begun, __ATOMIC_SEQ_CST) || yields-- > 0)
        sched_yield();
    begun = 0;
}

// What need not wait works all the same, and a shield lets everything through.
static void clean_up(void)
{
    vthr_scope *s;
    int p[2], fd;
    char c;

    CHECK_EQ(vthr_cancelled(), 1);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "ab", 2), 2);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK((fd = open(file, O_RDWR)) >= 0);
    CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
    CHECK_EQ(fsync(fd), 0);
    close(fd);
    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_cancelled(), 1);
    CHECK_EQ(vthr_scope_shield(s), 0);
    CHECK_EQ(vthr_cancelled(), 0);
    CHECK_EQ(nanosleep(&(struct timespec){ 0, 1000 }, NULL), 0);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(vthr_cancelled(), 1);
    close(p[0]);
    close(p[1]);
}

static int task(void *arg, void **value)
{
    const struct call *c = arg;
    int r;

    (void)value;
    begins();
    if ((r = c->fn()) != ECANCELED || (r = c->fn()) != ECANCELED) {
        dprintf(2, "%s: %s\n", c->name, strerror(r));
        _exit(1);
    }
    clean_up();
    return ECANCELED;
}

static void cancel_each(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        for (int yields = 0; yields < 3; yields++) {
            vthr_scope *s;
            vthr_task *t;

            CHECK_EQ(vthr_scope_open(&s), 0);
            CHECK_EQ(vthr_spawn(s, &t, task, (void *)(uintptr_t)&calls[i]), 0);
            wait_begun(yields);
            vthr_scope_cancel(s);
            CHECK_EQ(vthr_scope_leave(s), 0);
            CHECK_EQ(vthr_cancelled(), 0);
        }
}

// The opener is in its scope, too; and a wait for a place in a scope.
static int holds_place(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(do_read(), ECANCELED);
    return ECANCELED;
}
static int waits_for_place(void *arg, void **value)
{
    (void)value;
    CHECK_EQ(vthr_scope_open(&one_only), 0);
    CHECK_EQ(vthr_scope_limit(one_only, 1), 0);
    CHECK_EQ(vthr_spawn(one_only, NULL, holds_place, arg), 0);
    begins();
    CHECK_EQ(do_spawn(), ECANCELED);
    CHECK_EQ(do_read(), ECANCELED);
    return vthr_scope_leave(one_only);
}
static void openers(void)
{
    vthr_scope *s;
    vthr_task *t;

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, &t, waits_for_place, NULL), 0);
    wait_begun(2);
    vthr_scope_cancel(s);
    CHECK_EQ(do_nanosleep(), ECANCELED);
    CHECK_EQ(do_read(), ECANCELED);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

// Nothing is taken by a wait that was cancelled.
static int reads_once(void *arg, void **value)
{
    (void)value;
    begins();
    return err(read(*(int *)arg, buf, 10));
}
static int waits_once(void *arg, void **value)
{
    (void)value;
    begins();
    return err(sem_wait(arg));
}
static void race(vthr_fn *fn, void *arg, void (*offer)(void *), int (*left)(void *))
{
    for (int i = 0; i < 300; i++) {
        vthr_scope *s;
        vthr_task *t;
        int r;

        CHECK_EQ(vthr_scope_open(&s), 0);
        CHECK_EQ(vthr_spawn(s, &t, fn, arg), 0);
        wait_begun(i % 4);
        if (i & 4) {
            offer(arg);
            vthr_scope_cancel(s);
        } else {
            vthr_scope_cancel(s);
            offer(arg);
        }
        vthr_scope_leave(s);
        r = left(arg);
        CHECK(r == 0 || r == 1);
    }
}
static int race_pipe[2];
static int race_result;
static int notes_result(void *arg, void **value)
{
    vthr_fn *fn = arg == &none ? waits_once : reads_once;

    return race_result = fn(arg, value);
}
static void offer_byte(void *arg)
{
    (void)arg;
    CHECK_EQ(write(race_pipe[1], "x", 1), 1);
}
static int byte_left(void *arg)
{
    int n;
    struct pollfd p = { *(int *)arg, POLLIN, 0 };

    n = poll(&p, 1, 0);
    CHECK_EQ(n, race_result == ECANCELED); // taken, or still there
    if (n)
        CHECK_EQ(read(race_pipe[0], buf, 10), 1);
    return n;
}
static void offer_token(void *arg)
{
    sem_post(arg);
}
static int token_left(void *arg)
{
    int r = sem_trywait(arg) == 0;

    CHECK_EQ(r, race_result == ECANCELED);
    return r;
}

static void *runs_forever(void *arg)
{
    sem_t *s = arg;

    while (sem_wait(s))
        ;
    return NULL;
}

static void prepare(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    static sem_t end;
    int fd;

    CHECK(mkdtemp(dir) != NULL);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    snprintf(file, sizeof file, "%s/file", dir);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    CHECK((fd = open(file, O_RDWR | O_CREAT, 0600)) >= 0);
    locked[0] = fd;
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK((locked[1] = open(file, O_RDWR)) >= 0);
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_len = 1 }), 0);
    CHECK((counter = eventfd(0, 0)) >= 0);
    CHECK_EQ(eventfd_write(counter, UINT64_MAX - 1), 0);
    CHECK_EQ(pipe(empty), 0);
    CHECK_EQ(pipe(full), 0);
    CHECK_EQ(pipe(race_pipe), 0);
    CHECK_EQ(write(full[1], buf, sizeof buf), sizeof buf);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
    CHECK((listener = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/listener", dir);
    CHECK_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(listen(listener, 5), 0);
    unlink(a.sun_path);
    CHECK((epfd = epoll_create1(0)) >= 0);
    CHECK((msgq = msgget(IPC_PRIVATE, 0600)) >= 0);
    CHECK((sems = semget(IPC_PRIVATE, 1, 0600)) >= 0);
    CHECK_EQ(sem_init(&none, 0, 0), 0);
    CHECK_EQ(sem_init(&end, 0, 0), 0);
    CHECK((child = fork()) >= 0);
    if (child == 0) {
        close(empty[1]);
        CHECK_EQ(read(empty[0], buf, 1), 0); // until the parent ends
        _exit(0);
    }
    endless = start(runs_forever, &end);
}
static void tidy(void)
{
    msgctl(msgq, IPC_RMID, NULL);
    semctl(sems, 0, IPC_RMID);
    unlink(fifo);
    unlink(file);
    rmdir(dir);
}

static int holds_token(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(vthr_acquire(taken), 0);
    CHECK_EQ(do_read(), ECANCELED);
    return ECANCELED; // and the token goes back
}

int main(void)
{
    vthr_scope *s;

    prepare();
    CHECK_EQ(vthr_semaphore_new(&taken, 1), 0);
    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, NULL, holds_token, NULL), 0);
    while (vthr_try_acquire(taken) == 0) {
        CHECK_EQ(vthr_give_back(taken), 0);
        sched_yield();
    }
    cancel_each();
    openers();
    race(notes_result, &race_pipe[0], offer_byte, byte_left);
    race(notes_result, &none, offer_token, token_left);
    vthr_scope_cancel(s);
    CHECK_EQ(vthr_scope_leave(s), 0);
    vthr_semaphore_free(taken);
    tidy();
    puts("ok");
    return 0;
}
