// Everything at once: threads that each do, in random order, whatever threads of real programs do: streams and datagrams, pipes, locks,
// conditions, cancellation, signals, children, timers, stdio, name services, libraries, exceptions. Each deed checks what it got.
//
//   chaos [SEED [THREADS [DEEDS]]]     deeds of each thread; the seed of the run is printed (0: from the clock)
//
// One shared thing is bent on purpose: SIGUSR1 arrives at any time, so every deed must bear EINTR.
#include <atomic>
#include <cerrno>
#include <clocale>
#include <csetjmp>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <condition_variable>
#include <dlfcn.h>
#include <fcntl.h>
#include <functional>
#include <future>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

extern char **environ;

namespace {

[[noreturn]] void fail(int line, const char *what)
{
    dprintf(2, "chaos.cc:%d: failed: %s (errno %d: %s)\n", line, what, errno, strerror(errno));
    abort();
}
#define CHECK(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

// ---- what the deeds share ----

struct Dice {
    uint64_t s;
    uint32_t next()
    {
        s = s * 6364136223846793005u + 1442695040888963407u;
        return static_cast<uint32_t>(s >> 33);
    }
    uint32_t upto(uint32_t n) { return next() % n; }
};

thread_local Dice dice;
thread_local long my_value;
std::atomic<long> interruptions{0};

void on_usr1(int)
{
    int keep = errno;

    interruptions++;
    errno = EIO; // must not be seen outside
    errno = keep;
}

template <typename F> auto retry(F f) -> decltype(f())
{
    decltype(f()) r;

    do
        r = f();
    while (r == static_cast<decltype(f())>(-1) && errno == EINTR);
    return r;
}

void write_all(int fd, const void *p, size_t n)
{
    const char *c = static_cast<const char *>(p);

    while (n > 0) {
        ssize_t r = retry([&] { return write(fd, c, n); });

        CHECK(r > 0);
        c += r;
        n -= static_cast<size_t>(r);
    }
}
void read_all(int fd, void *p, size_t n)
{
    char *c = static_cast<char *>(p);

    while (n > 0) {
        ssize_t r = retry([&] { return read(fd, c, n); });

        CHECK(r > 0);
        c += r;
        n -= static_cast<size_t>(r);
    }
}
void shut(int fd)
{
    CHECK(close(fd) == 0);
}
void micro_sleep(long us)
{
    struct timespec t = {0, us * 1000};

    nanosleep(&t, nullptr); // as long as it likes
}
struct timespec in_ms(clockid_t c, long ms)
{
    struct timespec t;

    clock_gettime(c, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}
bool past(clockid_t c, const struct timespec &t)
{
    struct timespec n;

    clock_gettime(c, &n);
    return n.tv_sec > t.tv_sec || (n.tv_sec == t.tv_sec && n.tv_nsec >= t.tv_nsec);
}
// A child's status, or -1 if it was killed.
int status_of(pid_t pid)
{
    int st = 0;

    CHECK(retry([&] { return waitpid(pid, &st, 0); }) == pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

// ---- streams ----

void echo_pair()
{
    int s[2];
    uint32_t seed = dice.next(), n = 1 + dice.upto(200), len = 1 + dice.upto(3000);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    std::thread other([=] {
        std::vector<char> b(len);
        for (uint32_t i = 0; i < n; i++) {
            read_all(s[1], b.data(), len);
            write_all(s[1], b.data(), len);
        }
    });
    std::vector<char> a(len), b(len);
    for (uint32_t i = 0; i < n; i++) {
        memset(a.data(), static_cast<int>((seed + i) & 0x7f), len);
        write_all(s[0], a.data(), len);
        read_all(s[0], b.data(), len);
        CHECK(a == b);
    }
    other.join();
    shut(s[0]);
    shut(s[1]);
}

void pipe_flood()
{
    int p[2];
    uint32_t words = 20000 + dice.upto(60000);

    CHECK(pipe2(p, O_CLOEXEC) == 0);
    std::thread other([=] {
        std::vector<uint32_t> v(words);
        for (uint32_t i = 0; i < words; i++)
            v[i] = i * 2654435761u;
        write_all(p[1], v.data(), words * 4);
        shut(p[1]);
    });
    std::vector<uint32_t> got(1024);
    uint32_t at = 0;
    size_t have = 0;
    for (;;) {
        char *base = reinterpret_cast<char *>(got.data());
        ssize_t r = retry([&] { return read(p[0], base + have, 4096 - have); });
        CHECK(r >= 0);
        if (r == 0)
            break;
        have += static_cast<size_t>(r);
        for (size_t i = 0; i < have / 4; i++)
            CHECK(got[i] == at++ * 2654435761u);
        memmove(base, base + have / 4 * 4, have % 4);
        have %= 4;
    }
    CHECK(at == words && have == 0);
    other.join();
    shut(p[0]);
}

void tcp_round()
{
    struct sockaddr_in a = {};
    socklen_t l = sizeof a;
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), c, s;
    uint64_t word = dice.next();

    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(ls >= 0 && bind(ls, reinterpret_cast<sockaddr *>(&a), sizeof a) == 0 && listen(ls, 4) == 0);
    CHECK(getsockname(ls, reinterpret_cast<sockaddr *>(&a), &l) == 0);
    std::thread client([=] {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = connect(fd, reinterpret_cast<const sockaddr *>(&a), sizeof a);
        if (r < 0 && errno == EINTR) { // goes on by itself
            struct pollfd p = {fd, POLLOUT, 0};
            CHECK(retry([&] { return poll(&p, 1, -1); }) == 1);
            r = 0;
        }
        CHECK(r == 0);
        write_all(fd, &word, sizeof word);
        char b;
        CHECK(retry([&] { return read(fd, &b, 1); }) == 0);
        shut(fd);
    });
    s = static_cast<int>(retry([&] { return accept4(ls, nullptr, nullptr, SOCK_CLOEXEC); }));
    CHECK(s >= 0);
    read_all(s, &word, sizeof word);
    c = dup(s);
    CHECK(c >= 0 && shutdown(c, SHUT_RDWR) == 0);
    client.join();
    shut(c);
    shut(s);
    shut(ls);
}

void datagrams()
{
    int s[2];
    uint32_t n = 1 + dice.upto(300);

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s) == 0);
    std::thread other([=] {
        for (uint32_t i = 0; i < n; i++)
            CHECK(retry([&] { return send(s[1], &i, sizeof i, 0); }) == sizeof i);
    });
    for (uint32_t i = 0, got; i < n; i++) {
        CHECK(retry([&] { return recv(s[0], &got, sizeof got, 0); }) == sizeof got);
        CHECK(got == i);
    }
    other.join();
    shut(s[0]);
    shut(s[1]);
}

void socket_timeout()
{
    int s[2];
    char b;
    struct timeval t = {0, 1000 + dice.upto(3000)};

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    CHECK(recv(s[0], &b, 1, 0) == -1 && (errno == EAGAIN || errno == EINTR));
    CHECK(fcntl(s[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(read(s[0], &b, 1) == -1 && errno == EAGAIN);
    CHECK(fcntl(s[1], F_GETFL) == O_RDWR);
    CHECK(shutdown(s[1], SHUT_WR) == 0); // another thread's child may hold it
    CHECK(read(s[0], &b, 1) == 0);
    shut(s[0]);
    shut(s[1]);
}

void shutdown_wakes()
{
    int s[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
    std::thread other([=] {
        char b;
        CHECK(retry([&] { return read(s[0], &b, 1); }) == 0);
    });
    if (dice.upto(2))
        micro_sleep(dice.upto(500));
    CHECK(shutdown(s[0], SHUT_RD) == 0);
    other.join();
    shut(s[0]);
    shut(s[1]);
}

// ---- readiness ----

void polls()
{
    int p[2];
    char b = 'x';

    CHECK(pipe2(p, O_CLOEXEC) == 0);
    std::thread other([=] {
        micro_sleep(100);
        CHECK(retry([&] { return write(p[1], &b, 1); }) == 1);
    });
    switch (dice.upto(3)) {
    case 0: {
        struct pollfd f[2] = {{p[0], POLLIN, 0}, {-1, POLLIN, 0}};
        CHECK(retry([&] { return poll(f, 2, 20000); }) == 1 && f[0].revents == POLLIN);
        break;
    }
    case 1: {
        int r;
        fd_set set;
        do {
            struct timeval t = {20, 0};
            FD_ZERO(&set);
            if (p[0] >= FD_SETSIZE)
                break;
            FD_SET(p[0], &set);
            r = select(p[0] + 1, &set, nullptr, nullptr, &t);
        } while (r < 0 && errno == EINTR);
        CHECK(p[0] >= FD_SETSIZE || (r == 1 && FD_ISSET(p[0], &set)));
        break;
    }
    default: {
        int e = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event ev = {}, out = {};
        ev.events = EPOLLIN | EPOLLET;
        ev.data.u64 = 77;
        CHECK(e >= 0 && epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev) == 0);
        CHECK(retry([&] { return epoll_wait(e, &out, 1, 20000); }) == 1 && out.data.u64 == 77 && out.events == EPOLLIN);
        CHECK(epoll_wait(e, &out, 1, 0) == 0);
        shut(e);
    }
    }
    read_all(p[0], &b, 1);
    other.join();
    shut(p[0]);
    shut(p[1]);
}

void counters()
{
    int e = eventfd(0, EFD_CLOEXEC), t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t sum = 0, v;
    uint32_t n = 1 + dice.upto(50);
    struct itimerspec its = {{0, 0}, {0, 1 + dice.upto(2000000)}};

    CHECK(e >= 0 && t >= 0 && timerfd_settime(t, 0, &its, nullptr) == 0);
    std::thread other([=] {
        for (uint32_t i = 1; i <= n; i++) {
            uint64_t w = i;
            write_all(e, &w, 8);
            if (i % 8 == 0)
                sched_yield();
        }
    });
    while (sum < uint64_t(n) * (n + 1) / 2) {
        read_all(e, &v, 8);
        sum += v;
    }
    CHECK(sum == uint64_t(n) * (n + 1) / 2);
    read_all(t, &v, 8);
    CHECK(v == 1);
    other.join();
    shut(e);
    shut(t);
}

// ---- locks ----

void queue_work()
{
    std::mutex m;
    std::condition_variable c;
    std::vector<int> q;
    int n = 1 + static_cast<int>(dice.upto(300)), got = 0;
    long sum = 0;
    auto consumer = [&] {
        for (;;) {
            std::unique_lock<std::mutex> l(m);
            c.wait(l, [&] { return !q.empty() || got == n; });
            if (q.empty())
                return;
            sum += q.back();
            q.pop_back();
            if (++got == n)
                c.notify_all();
        }
    };
    std::thread a(consumer), b(consumer);
    for (int i = 1; i <= n; i++) {
        std::lock_guard<std::mutex> l(m);
        q.push_back(i);
        c.notify_one();
    }
    a.join();
    b.join();
    CHECK(sum == long(n) * (n + 1) / 2);
}

void timed_waits()
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    sem_t s;
    struct timespec t = in_ms(CLOCK_REALTIME, 1 + dice.upto(3));
    int r;

    CHECK(sem_init(&s, 0, 0) == 0);
    CHECK(pthread_mutex_lock(&m) == 0);
    do
        r = pthread_cond_timedwait(&c, &m, &t);
    while (r == 0);
    CHECK(r == ETIMEDOUT && past(CLOCK_REALTIME, t));
    t = in_ms(CLOCK_REALTIME, 1);
    std::thread other([&] { CHECK(pthread_mutex_timedlock(&m, &t) == ETIMEDOUT && past(CLOCK_REALTIME, t)); });
    other.join();
    CHECK(pthread_mutex_unlock(&m) == 0);
    t = in_ms(CLOCK_MONOTONIC, 1);
    do
        r = sem_clockwait(&s, CLOCK_MONOTONIC, &t);
    while (r < 0 && errno == EINTR);
    CHECK(r == -1 && errno == ETIMEDOUT && past(CLOCK_MONOTONIC, t));
    CHECK(sem_destroy(&s) == 0 && pthread_cond_destroy(&c) == 0 && pthread_mutex_destroy(&m) == 0);
}

void readers_and_writers()
{
    pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
    long a = 0, b = 0;
    auto work = [&](bool write) {
        for (int i = 0; i < 50; i++) {
            CHECK((write ? pthread_rwlock_wrlock(&l) : pthread_rwlock_rdlock(&l)) == 0);
            if (write)
                a++;
            CHECK(a == b + (write ? 1 : 0));
            if (i % 10 == 0)
                sched_yield();
            if (write)
                b++;
            CHECK(pthread_rwlock_unlock(&l) == 0);
        }
    };
    std::thread w1(work, true), w2(work, true), r(work, false);
    work(false);
    w1.join();
    w2.join();
    r.join();
    CHECK(a == 100 && b == 100 && pthread_rwlock_destroy(&l) == 0);
}

void barrier_rounds()
{
    pthread_barrier_t b;
    std::atomic<int> serial{0}, count{0};
    auto work = [&] {
        for (int i = 0; i < 20; i++) {
            count++;
            int r = pthread_barrier_wait(&b);
            CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
            CHECK(count >= 3 * (i + 1));
            serial += r == PTHREAD_BARRIER_SERIAL_THREAD;
        }
    };
    CHECK(pthread_barrier_init(&b, nullptr, 3) == 0);
    std::thread x(work), y(work);
    work();
    x.join();
    y.join();
    CHECK(serial == 20 && pthread_barrier_destroy(&b) == 0);
}

std::mutex one_lock; // of everybody
long under_one_lock;
void one_mutex()
{
    for (int i = 0; i < 200; i++) {
        std::lock_guard<std::mutex> l(one_lock);
        long was = under_one_lock;
        if (i % 50 == 0)
            sched_yield();
        CHECK(under_one_lock == was);
        under_one_lock = was + 1;
    }
}

void file_locks()
{
    static std::atomic<int> inside{0};
    static const char *path = getenv("CHAOS_LOCK");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK(retry([&] { return flock(fd, LOCK_EX); }) == 0);
    CHECK(inside.fetch_add(1) == 0);
    sched_yield();
    inside--;
    shut(fd);
}

// ---- threads ----

void *plain_return(void *arg)
{
    my_value = reinterpret_cast<long>(arg);
    sched_yield();
    CHECK(my_value == reinterpret_cast<long>(arg));
    if (my_value % 3 == 0)
        pthread_exit(arg);
    return arg;
}
void make_threads()
{
    pthread_t t[20];
    uint32_t n = 1 + dice.upto(20);
    long keep = my_value;

    for (uint32_t i = 0; i < n; i++)
        CHECK(pthread_create(&t[i], nullptr, plain_return, reinterpret_cast<void *>(uintptr_t(i + 1))) == 0);
    for (uint32_t i = n; i-- > 0;) {
        void *r;
        CHECK(pthread_join(t[i], &r) == 0 && r == reinterpret_cast<void *>(uintptr_t(i + 1)));
    }
    CHECK(my_value == keep);
}

void detached_ones()
{
    static std::atomic<long> begun{0};
    pthread_attr_t a;
    sem_t *s = new sem_t; // the last user frees it
    int n = 1 + static_cast<int>(dice.upto(10));

    CHECK(sem_init(s, 0, 0) == 0 && pthread_attr_init(&a) == 0);
    CHECK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0 && pthread_attr_setstacksize(&a, 128 << 10) == 0);
    for (int i = 0; i < n; i++) {
        pthread_t t;
        CHECK(pthread_create(
                  &t, &a,
                  [](void *p) -> void * {
                      begun++;
                      CHECK(sem_post(static_cast<sem_t *>(p)) == 0);
                      return nullptr;
                  },
                  s) == 0);
    }
    for (int i = 0; i < n; i++)
        CHECK(retry([&] { return sem_wait(s); }) == 0);
    CHECK(pthread_attr_destroy(&a) == 0);
    // s is left: a poster may still look at it
}

struct Mark {
    std::atomic<int> *n;
    explicit Mark(std::atomic<int> *p) : n(p) {}
    ~Mark() { ++*n; }
};
struct Doomed {
    int kind, p[2];
    std::atomic<int> unwound{0}, ready{0};
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    sem_t s;
};
void *doomed(void *arg)
{
    Doomed *d = static_cast<Doomed *>(arg);
    Mark mark(&d->unwound);
    char b;

    d->ready = 1;
    for (;;) {
        switch (d->kind) {
        case 0: CHECK(retry([&] { return read(d->p[0], &b, 1); }) != 0); break;
        case 1: sem_wait(&d->s); break;
        case 2: micro_sleep(900000); break;
        case 3: {
            struct pollfd f = {d->p[0], POLLIN, 0};
            poll(&f, 1, -1);
            break;
        }
        case 4:
            CHECK(pthread_mutex_lock(&d->m) == 0);
            pthread_cleanup_push([](void *m) { CHECK(pthread_mutex_unlock(static_cast<pthread_mutex_t *>(m)) == 0); }, &d->m);
            for (;;)
                pthread_cond_wait(&d->c, &d->m);
            pthread_cleanup_pop(1);
            break;
        case 5: pause(); break;
        default: pthread_testcancel();
        }
    }
}
void cancel_one()
{
    Doomed d;
    pthread_t t;
    void *r;

    d.kind = static_cast<int>(dice.upto(7));
    CHECK(pipe2(d.p, O_CLOEXEC) == 0 && sem_init(&d.s, 0, 0) == 0);
    CHECK(pthread_create(&t, nullptr, doomed, &d) == 0);
    while (dice.upto(4) && !d.ready)
        sched_yield();
    if (dice.upto(2))
        micro_sleep(dice.upto(300));
    CHECK(pthread_cancel(t) == 0);
    CHECK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED);
    CHECK(d.unwound == 1 || !d.ready);
    CHECK(pthread_mutex_trylock(&d.m) == 0 && pthread_mutex_unlock(&d.m) == 0);
    shut(d.p[0]);
    shut(d.p[1]);
}

void futures()
{
    auto f = std::async(std::launch::async, [] {
        micro_sleep(50);
        return 5;
    });
    auto g = std::async(std::launch::async, []() -> int { throw std::runtime_error("thrown"); });
    std::promise<int> p;
    std::thread t([&] { p.set_value(9); });

    CHECK(f.get() == 5);
    try {
        g.get();
        CHECK(false);
    } catch (const std::runtime_error &e) {
        CHECK(!strcmp(e.what(), "thrown"));
    }
    CHECK(p.get_future().get() == 9);
    t.join();
}

int deep(int n)
{
    volatile char room[600];

    memset(const_cast<char *>(room), n, sizeof room);
    if (n == 0) {
        sched_yield();
        throw n + 41;
    }
    try {
        return deep(n - 1) + room[0];
    } catch (int &x) {
        if (n % 8 == 0)
            micro_sleep(1);
        CHECK(room[5] == n);
        x++;
        throw;
    }
}
void throws()
{
    try {
        deep(40);
        CHECK(false);
    } catch (int x) {
        CHECK(x == 81);
    }
}

// ---- signals ----

void interrupt_some()
{
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            struct timespec t = {0, 200000};
            if (nanosleep(&t, &t) < 0)
                CHECK(errno == EINTR);
        }
    });
    for (uint32_t i = dice.upto(10); i > 0; i--) {
        CHECK(pthread_kill(other.native_handle(), SIGUSR1) == 0);
        if (i % 3 == 0)
            sched_yield();
    }
    stop = true;
    other.join();
}

void own_signal()
{
    sigset_t set, old;
    siginfo_t si;
    union sigval v;

    v.sival_int = static_cast<int>(dice.upto(1000));
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &old) == 0);
    CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 3, v) == 0);
    CHECK(retry([&] { return sigwaitinfo(&set, &si); }) == SIGRTMIN + 3 && si.si_value.sival_int == v.sival_int);
    struct timespec t = {0, 500000};
    int r = sigtimedwait(&set, nullptr, &t);
    CHECK(r == -1 && (errno == EAGAIN || errno == EINTR));
    CHECK(pthread_sigmask(SIG_SETMASK, &old, nullptr) == 0);
}

thread_local sigjmp_buf leave;
thread_local volatile int jumped;
void on_usr2(int)
{
    jumped = 1;
    siglongjmp(leave, 1);
}
void jump_out()
{
    jumped = 0;
    if (sigsetjmp(leave, 1) == 0) {
        raise(SIGUSR2);
        CHECK(false);
    }
    CHECK(jumped == 1);
}

void a_timer()
{
    static std::atomic<int> rang{0};
    struct sigevent ev = {};
    struct itimerspec its = {{0, 0}, {0, 1 + dice.upto(500000)}};
    timer_t t;
    sem_t s;

    CHECK(sem_init(&s, 0, 0) == 0);
    ev.sigev_notify = SIGEV_THREAD;
    ev.sigev_value.sival_ptr = &s;
    ev.sigev_notify_function = [](union sigval v) {
        rang++;
        sem_post(static_cast<sem_t *>(v.sival_ptr));
    };
    CHECK(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0 && timer_settime(t, 0, &its, nullptr) == 0);
    CHECK(retry([&] { return sem_wait(&s); }) == 0);
    CHECK(timer_delete(t) == 0);
    micro_sleep(2000); // sem_post may still be looking
}

// ---- processes ----

void child_plain()
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0)
        _exit(my_value == 4711 ? 17 : 18);
    CHECK(status_of(pid) == (my_value == 4711 ? 17 : 18));
}

void child_threads()
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        int p[2];
        char b = 0;
        CHECK(pipe(p) == 0);
        std::thread t([&] { write_all(p[1], "z", 1); });
        read_all(p[0], &b, 1);
        t.join();
        void *m = malloc(100000);
        free(m);
        pid_t sub = fork();
        if (sub == 0)
            _exit(3);
        int st;
        CHECK(retry([&] { return waitpid(sub, &st, 0); }) == sub && WEXITSTATUS(st) == 3);
        _exit(b == 'z' ? 0 : 1);
    }
    CHECK(status_of(pid) == 0);
}

void child_program()
{
    char *const argv[] = {const_cast<char *>("sh"), const_cast<char *>("-c"), const_cast<char *>("exit 7"), nullptr};
    pid_t pid;

    CHECK(posix_spawn(&pid, "/bin/sh", nullptr, nullptr, argv, environ) == 0);
    CHECK(status_of(pid) == 7);
}

void child_pipe()
{
    char line[64] = "";
    FILE *f = popen("echo from the child; exit 3", "r");

    CHECK(f);
    while (!fgets(line, sizeof line, f)) {
        CHECK(ferror(f) && errno == EINTR);
        clearerr(f);
    }
    CHECK(!strcmp(line, "from the child\n"));
    int st = pclose(f);
    CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 3);
}

// ---- libc ----

void files()
{
    FILE *f = tmpfile();
    char b[32];
    int sum = 0, v;

    CHECK(f);
    for (int i = 0; i < 500; i++)
        CHECK(fprintf(f, "%d\n", i) > 0);
    rewind(f);
    while (fscanf(f, "%31s", b) == 1) {
        CHECK(sscanf(b, "%d", &v) == 1);
        sum += v;
    }
    CHECK(sum == 499 * 500 / 2 && fclose(f) == 0);
}

FILE *shared_log;
std::atomic<long> logged{0};
void log_lines()
{
    for (int i = 0; i < 20; i++) {
        CHECK(fprintf(shared_log, "[%08ld|%08ld]\n", my_value, my_value) == 20);
        logged++;
    }
    CHECK(fflush(shared_log) == 0);
}

void names()
{
    struct addrinfo hints = {}, *r = nullptr;
    struct passwd pw, *found;
    char b[4096];

    hints.ai_flags = AI_NUMERICHOST;
    hints.ai_socktype = SOCK_STREAM;
    CHECK(getaddrinfo("127.0.0.1", "80", &hints, &r) == 0 && r);
    CHECK(reinterpret_cast<sockaddr_in *>(r->ai_addr)->sin_port == htons(80));
    freeaddrinfo(r);
    CHECK(getpwuid_r(0, &pw, b, sizeof b, &found) == 0 && found && pw.pw_uid == 0);
}

void libraries()
{
    void *h = dlopen("libm.so.6", RTLD_NOW);

    CHECK(h);
    auto f = reinterpret_cast<double (*)(double)>(dlsym(h, "cbrt"));
    CHECK(f && f(27.0) > 2.99 && f(27.0) < 3.01);
    CHECK(dlclose(h) == 0);
}

void memory()
{
    std::vector<std::string> v;

    for (uint32_t i = 0; i < 200; i++)
        v.emplace_back(dice.upto(2000), static_cast<char>('a' + i % 26));
    for (uint32_t i = 0; i < 200; i++)
        CHECK(v[i].empty() || v[i].back() == static_cast<char>('a' + i % 26));
    size_t n = (1 + dice.upto(64)) << 12;
    char *m = static_cast<char *>(mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(m != MAP_FAILED);
    m[n - 1] = 1;
    CHECK(munmap(m, n) == 0);
}

void words()
{
    char text[] = "one two three four", *at = text; // strtok's place is static: strtok_r
    int n = 0;
    locale_t l = newlocale(LC_ALL_MASK, "C", nullptr), old = uselocale(l);

    for (char *w = strtok_r(text, " ", &at); w; w = strtok_r(nullptr, " ", &at)) {
        n++;
        sched_yield();
    }
    CHECK(n == 4 && uselocale(nullptr) == l);
    uselocale(old);
    freelocale(l);
    errno = 1234;
    sched_yield();
    CHECK(errno == 1234);
}

struct Hop {
    ucontext_t back, there;
    int n = 0;
};
thread_local Hop *hop;
void hopping()
{
    for (;;) {
        hop->n++;
        sched_yield();
        swapcontext(&hop->there, &hop->back);
    }
}
void contexts()
{
    Hop h;
    std::vector<char> stack(64 << 10);

    hop = &h;
    CHECK(getcontext(&h.there) == 0);
    h.there.uc_stack.ss_sp = stack.data();
    h.there.uc_stack.ss_size = stack.size();
    h.there.uc_link = nullptr;
    makecontext(&h.there, hopping, 0);
    for (int i = 0; i < 5; i++)
        CHECK(swapcontext(&h.back, &h.there) == 0);
    CHECK(h.n == 5);
}

void compute()
{
    volatile double x = 1.0;

    for (int i = 0; i < 200000; i++)
        x = x * 1.0000001 + 1e-9;
    CHECK(x > 1.0 && x < 1.1);
}

struct Deed {
    const char *name;
    void (*run)();
    std::atomic<long> done;
};
#define DEED(f) {#f, f, {0}}
Deed deeds[] = {
    DEED(echo_pair), DEED(pipe_flood), DEED(tcp_round), DEED(datagrams), DEED(socket_timeout), DEED(shutdown_wakes), DEED(polls),
    DEED(counters), DEED(queue_work), DEED(timed_waits), DEED(readers_and_writers), DEED(barrier_rounds), DEED(one_mutex),
    DEED(file_locks), DEED(make_threads), DEED(detached_ones), DEED(cancel_one), DEED(futures), DEED(throws), DEED(interrupt_some),
    DEED(own_signal), DEED(jump_out), DEED(a_timer), DEED(child_plain), DEED(child_threads), DEED(child_program), DEED(child_pipe),
    DEED(files), DEED(log_lines), DEED(names), DEED(libraries), DEED(memory), DEED(words), DEED(contexts), DEED(compute),
};
constexpr uint32_t NDEEDS = sizeof deeds / sizeof deeds[0];

// ---- the run ----

struct Worker {
    pthread_t t;
    uint64_t seed;
    int deeds;
    std::atomic<const Deed *> now{nullptr};
};
std::vector<Worker> workers;
std::atomic<int> working;

void *work(void *arg)
{
    Worker *w = static_cast<Worker *>(arg);
    const char *only = getenv("CHAOS_ONLY"); // DEED,DEED...

    dice.s = w->seed;
    my_value = 4711;
    for (int i = 0; i < w->deeds; i++) {
        Deed *d = &deeds[dice.upto(NDEEDS)];

        if (only && !strstr(only, d->name))
            continue;
        w->now = d;
        d->run();
        d->done++;
        CHECK(my_value == 4711);
    }
    w->now = nullptr;
    working--;
    return nullptr;
}

void check_log(long lines)
{
    char line[100];
    long n = 0;

    rewind(shared_log);
    for (; fgets(line, sizeof line, shared_log); n++)
        CHECK(!strcmp(line, "[00004711|00004711]\n"));
    CHECK(n == lines);
}

} // namespace

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 0) : 0;
    unsigned threads = argc > 2 ? static_cast<unsigned>(atoi(argv[2])) : 24;
    int each = argc > 3 ? atoi(argv[3]) : 100;
    struct sigaction sa = {};
    char path[] = "/tmp/chaos.XXXXXX";
    Dice d = {seed};
    long total = 0;

    if (!seed)
        seed = d.s = static_cast<uint64_t>(time(nullptr)) * 1000 + static_cast<uint64_t>(getpid());
    printf("chaos: seed %llu, %u threads, %d deeds each\n", static_cast<unsigned long long>(seed), threads, each);
    fflush(stdout);
    shut(mkstemp(path));
    setenv("CHAOS_LOCK", path, 1);
    sa.sa_handler = on_usr1;
    sigaction(SIGUSR1, &sa, nullptr);
    sa.sa_handler = on_usr2;
    sigaction(SIGUSR2, &sa, nullptr);
    CHECK((shared_log = tmpfile()) != nullptr);
    std::vector<Worker> w(threads);
    workers.swap(w);
    working = static_cast<int>(threads);
    for (Worker &x : workers) {
        x.seed = d.next() + (uint64_t(d.next()) << 32);
        x.deeds = each;
        CHECK(pthread_create(&x.t, nullptr, work, &x) == 0);
    }
    while (working > 0) { // bend: interrupt whoever is at work; none of them is joined yet
        CHECK(pthread_kill(workers[d.upto(threads)].t, SIGUSR1) == 0);
        micro_sleep(1000);
    }
    for (Worker &x : workers)
        CHECK(pthread_join(x.t, nullptr) == 0);
    check_log(logged);
    unlink(path);
    for (Deed &x : deeds)
        total += x.done;
    printf("chaos: %ld deeds, %s\n", total, interruptions > 0 ? "interrupted" : "not interrupted");
    return 0;
}
