// fork, posix_spawn, vfork, daemon and the setuid family while other threads, or the forking one, are in the middle of something.
#define SUITE_LIMIT_MS 60000 // its threads keep all processors busy
#include "suite.h"
#include <fcntl.h>
#include <netdb.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

// --- What others do meanwhile, for as long as the case lasts ---

static atomic_int stop_all, begun;
static int quiet[2]; // nothing ever comes

static void *in_read(void *arg)
{
    char c;
    begun++;
    CHECK_EQ(read(quiet[0], &c, 1), 0); // its end
    return arg;
}
static void *in_stdio(void *arg)
{
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    for (begun++; !stop_all;) {
        flockfile(f);
        fprintf(f, "%d\n", 1);
        sched_yield();
        funlockfile(f);
    }
    CHECK_EQ(fclose(f), 0);
    return arg;
}
static void *in_malloc(void *arg)
{
    void *p[16];
    for (begun++; !stop_all;) {
        for (int i = 0; i < 16; i++)
            CHECK((p[i] = malloc((size_t)(i + 1) * 977)) != NULL);
        for (int i = 0; i < 16; i++)
            free(p[i]);
        sched_yield();
    }
    return arg;
}
// By names, glibc has a lock that a forked child finds taken (__check_pf's): numbers only, where a child does this.
static int in_child;
static void *in_getaddrinfo(void *arg)
{
    struct addrinfo *a, hints = {.ai_flags = AI_NUMERICHOST};
    for (begun++; !stop_all;) {
        CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &a), 0);
        freeaddrinfo(a);
        if (!in_child && getaddrinfo("localhost", NULL, NULL, &a) == 0)
            freeaddrinfo(a);
    }
    return arg;
}
static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;
static void *in_mutex(void *arg)
{
    for (begun++; !stop_all;) {
        pthread_mutex_lock(&busy_lock);
        sched_yield();
        pthread_mutex_unlock(&busy_lock);
    }
    return arg;
}
static void wait_in_handler(int sig)
{
    char c;
    int e = errno;
    (void)sig;
    begun++;
    CHECK_EQ(read(quiet[0], &c, 1), 0);
    errno = e;
}
static void *in_handler(void *arg)
{
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    return arg;
}

static void *(*const places[])(void *) = {in_read, in_stdio, in_malloc, in_getaddrinfo, in_mutex, in_handler};
enum { PLACES = sizeof places / sizeof places[0], EACH = 1 };
static pthread_t others[PLACES * EACH];

static void others_begin(void)
{
    struct sigaction sa = {.sa_handler = wait_in_handler};
    CHECK_EQ(pipe(quiet), 0);
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    for (int i = 0; i < PLACES * EACH; i++)
        others[i] = start(places[i % PLACES], NULL);
    while (begun < PLACES * EACH)
        settle();
}
static void others_end(void)
{
    stop_all = 1;
    CHECK_EQ(close(quiet[1]), 0);
    for (int i = 0; i < PLACES * EACH; i++)
        finish(others[i]);
}

// --- What works in a child ---

static void *works(void *arg)
{
    struct addrinfo *a, hints = {.ai_flags = AI_NUMERICHOST};
    FILE *f = fopen("/dev/null", "w");
    int p[2];
    char c = 0;
    void *m = malloc(100000);
    CHECK(m != NULL && f != NULL);
    free(m);
    CHECK(fprintf(f, "%p\n", arg) > 0);
    CHECK_EQ(fclose(f), 0);
    CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &a), 0);
    freeaddrinfo(a);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(c, 'x');
    CHECK_EQ(close(p[0]) | close(p[1]), 0);
    return arg;
}
static void exits(pid_t pid, int code)
{
    int s;
    while (waitpid(pid, &s, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK(WIFEXITED(s));
    CHECK_EQ(WEXITSTATUS(s), code);
}
static void several_work(void)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = start(works, t);
    for (int i = 0; i < 3; i++)
        CHECK(finish(t[i]) == t);
}
// A child and its child, both with threads.
static void fork_twice(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        works(NULL);
        several_work();
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            several_work();
            _exit(9);
        }
        exits(pid, 9);
        several_work();
        _exit(8);
    }
    exits(pid, 8);
}

// fork: "A process shall be created with a single thread. If a multi-threaded process calls fork(), the new process shall contain a
// replica of the calling thread and its entire address space, possibly including the states of mutexes and other resources";
// glibc's malloc, stdio and resolver are usable in the child.
BOTH(fork_while_others_are_everywhere, {
    others_begin();
    for (int i = 0; i < 2; i++)
        fork_twice();
    others_end();
})

// flockfile: "the thread [is] blocked until" the holder, which waits for something else meanwhile, releases the stream.  In the parent, its
// child and their child.
static FILE *stream;
static atomic_int held, wanted;
static void *holds_stream(void *arg)
{
    flockfile(stream);
    held = 1;
    until(&wanted);
    for (int i = 0; i < 3; i++)
        settle();
    funlockfile(stream);
    return arg;
}
static void *wants_stream(void *arg)
{
    until(&held);
    wanted = 1;
    flockfile(stream);
    funlockfile(stream);
    return arg;
}
static void stream_waited_for(void)
{
    pthread_t t[2] = {start(holds_stream, NULL), start(wants_stream, NULL)};
    finish(t[0]);
    finish(t[1]);
    held = wanted = 0;
}
BOTH(fork_and_wait_for_a_stream, {
    stream = fopen("/dev/null", "w");
    stream_waited_for();
    pid_t pid = fork();
    if (pid == 0) {
        stream_waited_for();
        pid = fork();
        if (pid == 0) {
            stream_waited_for();
            _exit(2);
        }
        exits(pid, 2);
        _exit(1);
    }
    exits(pid, 1);
    fclose(stream);
})

// Several threads fork at the same time.
static void *forks(void *arg)
{
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            CHECK(finish(start(works, &pid)) == &pid);
            _exit(4);
        }
        exits(pid, 4);
    }
    return arg;
}
LONE(fork_by_several_at_once)
{
    pthread_t t[4];
    others_begin();
    for (int i = 0; i < 4; i++)
        t[i] = start(forks, NULL);
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    others_end();
}

// fork: in a signal handler; "fork" was async-signal-safe in this edition (2.4.3), and is in glibc if no lock is held below.
static atomic_int forked;
static void fork_in_handler(int sig)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(sig, SIGUSR2);
        several_work();
        _exit(3);
    }
    exits(pid, 3);
    forked++;
}
BOTH(fork_in_a_handler, {
    struct sigaction sa = {.sa_handler = fork_in_handler};
    others_begin();
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR2), 0);
    CHECK_EQ(forked, 1);
    others_end();
})

// Signals whose handler waits, again and again, for a thread that forks and allocates: what it has interrupted goes on, and each
// child is well.  The handler calls async-signal-safe functions only (2.4.3).
static atomic_int handled, done;
static int ticks[2];
static void wait_a_little(int sig)
{
    int e = errno;
    struct pollfd p = {quiet[0], POLLIN, 0};
    char c;
    (void)sig;
    CHECK_EQ(write(ticks[1], "x", 1), 1);
    CHECK_EQ(read(ticks[0], &c, 1), 1);
    CHECK_EQ(poll(&p, 1, 1), 0);
    handled++;
    errno = e;
}
static void *fork_and_allocate(void *arg)
{
    do {
        pid_t pid;
        free(malloc(100000));
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            signal(SIGUSR2, SIG_IGN);
            CHECK(finish(start(works, &pid)) == &pid);
            _exit(5);
        }
        exits(pid, 5);
    } while (handled < 20);
    done = 1;
    return arg;
}
LONE(handler_waits_during_fork_and_malloc)
{
    struct sigaction sa = {.sa_handler = wait_a_little, .sa_flags = SA_RESTART};
    pthread_t t;
    CHECK_EQ(pipe(quiet) | pipe(ticks), 0);
    CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
    t = start(fork_and_allocate, NULL);
    while (!done) {
        CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
        settle();
    }
    finish(t);
}

// posix_spawn: "shall create a new process (child process) from the specified process image", from several threads; vfork likewise.
static void *spawns(void *arg)
{
    char *argv[] = {"true", NULL};
    for (int i = 0; i < 3; i++) {
        pid_t pid;
        CHECK_EQ(posix_spawnp(&pid, "true", NULL, NULL, argv, environ), 0);
        exits(pid, 0);
        pid = vfork();
        if (pid == 0) {
            execlp("true", "true", (char *)NULL);
            _exit(127);
        }
        CHECK(pid > 0);
        exits(pid, 0);
    }
    return arg;
}
LONE(spawn_and_vfork_under_load)
{
    pthread_t t[4];
    others_begin();
    for (int i = 0; i < 4; i++)
        t[i] = start(spawns, NULL);
    for (int i = 0; i < 4; i++)
        finish(t[i]);
    others_end();
}

// daemon(3): "forks, and if the fork(2) succeeds, the parent calls _exit(2)"; the daemon is a session leader and may have threads.
static int told[2]; // static: in the daemon there is no stack but the forking thread's
static void *becomes_daemon(void *arg)
{
    (void)arg;
    CHECK_EQ(daemon(1, 1), 0);
    CHECK_EQ(getsid(0), getpid());
    CHECK_EQ(getpgrp(), getpid());
    several_work();
    fork_twice();
    CHECK_EQ(write(told[1], "d", 1), 1);
    _exit(0);
}
BOTH(daemon_under_load, {
    char c = 0;
    CHECK_EQ(pipe(told), 0);
    others_begin();
    pid_t pid = fork();
    if (pid == 0) {
        begun = 0;
        in_child = 1;
        others_begin(); // once more, in the child
        finish(start(becomes_daemon, NULL));
        _exit(1);
    }
    exits(pid, 0);
    close(told[1]);
    CHECK_EQ(read(told[0], &c, 1), 1);
    CHECK_EQ(c, 'd');
    others_end();
})

// seteuid: "shall set the effective user ID of the calling process", for every thread of it, parked ones too.
static atomic_int wrong;
static void *sees_user(void *arg)
{
    char c;
    begun++;
    CHECK_EQ(read(quiet[0], &c, 1), 0);
    wrong += syscall(SYS_geteuid) != (long)arg;
    wrong += geteuid() != (uid_t)(long)arg;
    return NULL;
}
static void *sets_user(void *arg)
{
    CHECK_EQ(seteuid((uid_t)(long)arg), 0);
    return NULL;
}
static void users(void (*set)(long))
{
    enum { MANY = 1000 };
    static pthread_t t[MANY];
    long user = geteuid() == 0 ? 65534 : (long)geteuid();
    pthread_attr_t a;
    CHECK_EQ(pipe(quiet), 0);
    CHECK_EQ(pthread_attr_init(&a), 0);
    CHECK_EQ(pthread_attr_setstacksize(&a, 65536), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(pthread_create(&t[i], &a, sees_user, (void *)user), 0);
    while (begun < MANY)
        settle();
    set(user);
    CHECK_EQ(close(quiet[1]), 0);
    for (int i = 0; i < MANY; i++)
        finish(t[i]);
    CHECK_EQ(wrong, 0);
}
static void set_here(long user) { CHECK_EQ(seteuid((uid_t)user), 0); }
static void set_there(long user) { finish(start(sets_user, (void *)user)); }
static void set_twice_at_once(long user)
{
    pthread_t t = start(sets_user, (void *)user);
    CHECK_EQ(seteuid((uid_t)user), 0);
    finish(t);
}
LONE(seteuid_by_main_with_a_thousand_parked) { users(set_here); }
LONE(seteuid_by_thread_with_a_thousand_parked) { users(set_there); }
LONE(seteuid_by_two_with_a_thousand_parked) { users(set_twice_at_once); }
