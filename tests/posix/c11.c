// C11 threads (ISO/IEC 9899:2011, 7.26): the functions' returns are enumerations, not errno values.
#include "suite.h"
#include <threads.h>

static int give(void *p) { return *(int *)p; }
static int leave(void *p) { thrd_exit(*(int *)p); }
static atomic_int go;
static int wait_go(void *p) { (void)p; until(&go); return 5; }

// thrd_create, thrd_join: "stores the thread's result code in the integer pointed to by res".
CASE(thrd_join_result)
{
    thrd_t t;
    int in = 42, out = 0;
    CHECK_EQ(thrd_create(&t, give, &in), thrd_success);
    CHECK_EQ(thrd_join(t, &out), thrd_success);
    CHECK_EQ(out, 42);
    in = -7; // an int, not a pointer
    CHECK_EQ(thrd_create(&t, give, &in), thrd_success);
    CHECK_EQ(thrd_join(t, &out), thrd_success);
    CHECK_EQ(out, -7);
}
// thrd_exit: "terminates execution of the calling thread and sets its result code to res".
CASE(thrd_exit_result)
{
    thrd_t t;
    int in = 17, out = 0;
    CHECK_EQ(thrd_create(&t, leave, &in), thrd_success);
    CHECK_EQ(thrd_join(t, &out), thrd_success);
    CHECK_EQ(out, 17);
}
// thrd_join: res may be null.
CASE(thrd_join_null)
{
    thrd_t t;
    int in = 1;
    CHECK_EQ(thrd_create(&t, give, &in), thrd_success);
    CHECK_EQ(thrd_join(t, NULL), thrd_success);
}
// thrd_detach.
static atomic_int detached_ran;
static int set_ran(void *p) { (void)p; atomic_store(&detached_ran, 1); return 0; }
CASE(thrd_detach_runs)
{
    thrd_t t;
    CHECK_EQ(thrd_create(&t, set_ran, NULL), thrd_success);
    CHECK_EQ(thrd_detach(t), thrd_success);
    until(&detached_ran);
}
// thrd_current, thrd_equal: "returns zero if the thread thr0 and thr1 refer to different threads".
static thrd_t seen;
static int see(void *p) { (void)p; seen = thrd_current(); return 0; }
CASE(thrd_current_equal)
{
    thrd_t t;
    CHECK_EQ(thrd_create(&t, see, NULL), thrd_success);
    CHECK_EQ(thrd_join(t, NULL), thrd_success);
    CHECK(thrd_equal(t, seen));
    CHECK(!thrd_equal(t, thrd_current()));
}
// thrd_sleep: "returns zero if the requested time has elapsed".
CASE(thrd_sleep_elapses)
{
    struct timespec d = {0, 2000000}, at = in_ms(CLOCK_MONOTONIC, 2);
    CHECK_EQ(thrd_sleep(&d, NULL), 0);
    CHECK(reached(CLOCK_MONOTONIC, at));
}
// thrd_sleep: "-1 if it has been interrupted by a signal", and stores the rest; "a negative value ... if it fails".
static atomic_int slept;
static void nothing(int sig) { (void)sig; }
static int sleeper(void *p)
{
    struct timespec d = {60, 0}, rest = {0, 0};
    (void)p;
    int r = thrd_sleep(&d, &rest);
    atomic_store(&slept, 1);
    return r == -1 && rest.tv_sec > 0;
}
LONE(thrd_sleep_interrupted)
{
    struct sigaction a = {.sa_handler = nothing};
    thrd_t t;
    int ok = 0;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(thrd_create(&t, sleeper, NULL), thrd_success);
    while (!atomic_load(&slept)) {
        pthread_kill(t, SIGUSR1);
        settle();
    }
    CHECK_EQ(thrd_join(t, &ok), thrd_success);
    CHECK_EQ(ok, 1);
}
CASE(thrd_sleep_bad)
{
    struct timespec d = {0, 1000000000};
    CHECK(thrd_sleep(&d, NULL) < -1);
}
// thrd_yield returns nothing and returns.
CASE(thrd_yield_returns) { thrd_yield(); }

// mtx_trylock: "returns thrd_busy if the resource requested is already in use".
static mtx_t m;
static int try_it(void *p) { (void)p; int r = mtx_trylock(&m); if (r == thrd_success) mtx_unlock(&m); return r; }
static int on_other(thrd_start_t fn)
{
    thrd_t t;
    int r;
    CHECK_EQ(thrd_create(&t, fn, NULL), thrd_success);
    CHECK_EQ(thrd_join(t, &r), thrd_success);
    return r;
}
CASE(mtx_plain)
{
    CHECK_EQ(mtx_init(&m, mtx_plain), thrd_success);
    CHECK_EQ(mtx_lock(&m), thrd_success);
    CHECK_EQ(on_other(try_it), thrd_busy);
    CHECK_EQ(mtx_unlock(&m), thrd_success);
    CHECK_EQ(on_other(try_it), thrd_success);
    mtx_destroy(&m);
}
CASE(mtx_recursive)
{
    CHECK_EQ(mtx_init(&m, mtx_plain | mtx_recursive), thrd_success);
    CHECK_EQ(mtx_lock(&m), thrd_success);
    CHECK_EQ(mtx_lock(&m), thrd_success);
    CHECK_EQ(mtx_trylock(&m), thrd_success);
    CHECK_EQ(mtx_unlock(&m), thrd_success);
    CHECK_EQ(mtx_unlock(&m), thrd_success);
    CHECK_EQ(on_other(try_it), thrd_busy);
    CHECK_EQ(mtx_unlock(&m), thrd_success);
    CHECK_EQ(on_other(try_it), thrd_success);
    mtx_destroy(&m);
}
// mtx_timedlock: "thrd_timedout if the time specified was reached without acquiring the requested resource" (TIME_UTC).
static int timed_it(void *p)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    (void)p;
    int r = mtx_timedlock(&m, &at);
    return r == thrd_timedout && !reached(CLOCK_REALTIME, at) ? -1 : r;
}
CASE(mtx_timedlock_timed_out)
{
    CHECK_EQ(mtx_init(&m, mtx_timed), thrd_success);
    CHECK_EQ(mtx_lock(&m), thrd_success);
    CHECK_EQ(on_other(timed_it), thrd_timedout);
    CHECK_EQ(mtx_unlock(&m), thrd_success);
    CHECK_EQ(on_other(timed_it), thrd_success);
}
// cnd_signal, cnd_broadcast, cnd_wait.
static cnd_t c;
static int in, open_, out;
static int wait_cnd(void *p)
{
    (void)p;
    mtx_lock(&m);
    in++;
    while (!open_)
        CHECK_EQ(cnd_wait(&c, &m), thrd_success);
    out++;
    mtx_unlock(&m);
    return 0;
}
static void cnd_case(int broadcast)
{
    thrd_t t[6];
    in = open_ = out = 0;
    CHECK_EQ(mtx_init(&m, mtx_plain), thrd_success);
    CHECK_EQ(cnd_init(&c), thrd_success);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(thrd_create(&t[i], wait_cnd, NULL), thrd_success);
    mtx_lock(&m);
    while (in < 6) {
        mtx_unlock(&m);
        settle();
        mtx_lock(&m);
    }
    open_ = 1;
    for (int i = 0; i < (broadcast ? 1 : 6); i++)
        CHECK_EQ(broadcast ? cnd_broadcast(&c) : cnd_signal(&c), thrd_success);
    mtx_unlock(&m);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(thrd_join(t[i], NULL), thrd_success);
    CHECK_EQ(out, 6);
    cnd_destroy(&c);
    mtx_destroy(&m);
}
CASE(cnd_broadcast_all) { cnd_case(1); }
CASE(cnd_signal_each) { cnd_case(0); }
// cnd_timedwait: "thrd_timedout if the time specified in the call was reached".
CASE(cnd_timedwait_timed_out)
{
    CHECK_EQ(mtx_init(&m, mtx_plain), thrd_success);
    CHECK_EQ(cnd_init(&c), thrd_success);
    CHECK_EQ(mtx_lock(&m), thrd_success);
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    int r;
    while ((r = cnd_timedwait(&c, &m, &at)) == thrd_success)
        ;
    CHECK_EQ(r, thrd_timedout);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(mtx_unlock(&m), thrd_success);
}
// call_once: "ensures that func is called exactly once".
static once_flag flag = ONCE_FLAG_INIT;
static atomic_int calls;
static void count(void) { atomic_fetch_add(&calls, 1); }
static int once_it(void *p) { (void)p; call_once(&flag, count); return atomic_load(&calls); }
CASE(call_once_once)
{
    thrd_t t[8];
    int r;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(thrd_create(&t[i], once_it, NULL), thrd_success);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(thrd_join(t[i], &r), thrd_success);
        CHECK_EQ(r, 1);
    }
}
// tss_create, tss_get, tss_set; "the destructor is called at thread exit" with the value.
static tss_t key;
static atomic_int destroyed;
static void destroy(void *p) { atomic_fetch_add(&destroyed, *(int *)p); }
static int set_it(void *p)
{
    CHECK(tss_get(key) == NULL);
    CHECK_EQ(tss_set(key, p), thrd_success);
    CHECK(tss_get(key) == p);
    return 0;
}
CASE(tss_destructor)
{
    thrd_t t;
    int five = 5;
    CHECK_EQ(tss_create(&key, destroy), thrd_success);
    CHECK_EQ(thrd_create(&t, set_it, &five), thrd_success);
    CHECK_EQ(thrd_join(t, NULL), thrd_success);
    CHECK_EQ(atomic_load(&destroyed), 5);
    tss_delete(key);
}
CASE(join_waits)
{
    thrd_t t;
    int r = 0;
    CHECK_EQ(thrd_create(&t, wait_go, NULL), thrd_success);
    atomic_store(&go, 1);
    CHECK_EQ(thrd_join(t, &r), thrd_success);
    CHECK_EQ(r, 5);
}
