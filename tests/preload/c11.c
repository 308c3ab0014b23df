// C11 threads: thrd, mtx, cnd, tss, call_once.
#include "check.h"
#include <threads.h>

static mtx_t plain, recursive, timed;
static cnd_t turn_changed;
static tss_t key;
static once_flag flag = ONCE_FLAG_INIT;
static int turn, count, dropped, calls;

static void drop(void *value)
{
    (void)value;
    __atomic_add_fetch(&dropped, 1, __ATOMIC_SEQ_CST);
}

static void call(void)
{
    thrd_yield();
    calls++;
}

static int take_turns(void *arg)
{
    int me = *(int *)arg;
    call_once(&flag, call);
    CHECK(tss_get(key) == NULL);
    CHECK_EQ(tss_set(key, arg), thrd_success);
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(mtx_lock(&plain), thrd_success);
        while (turn != me)
            CHECK_EQ(cnd_wait(&turn_changed, &plain), thrd_success);
        turn = (turn + 1) % 4;
        count++;
        CHECK_EQ(cnd_broadcast(&turn_changed), thrd_success);
        CHECK_EQ(mtx_unlock(&plain), thrd_success);
        if (i % 100 == 0)
            thrd_yield();
    }
    CHECK(tss_get(key) == arg);
    if (me % 2)
        thrd_exit(me * 10);
    return me * 10;
}

static int try_both(void *arg)
{
    struct timespec at;
    (void)arg;
    CHECK_EQ(mtx_trylock(&plain), thrd_busy);
    CHECK_EQ(mtx_trylock(&recursive), thrd_busy);
    CHECK_EQ(timespec_get(&at, TIME_UTC), TIME_UTC);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(mtx_timedlock(&timed, &at), thrd_timedout);
    CHECK(reached(CLOCK_REALTIME, at));
    return 1;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

int main(void)
{
    thrd_t t[4];
    int ids[4], result, sum = 0;
    CHECK_EQ(mtx_init(&plain, mtx_plain), thrd_success);
    CHECK_EQ(mtx_init(&recursive, mtx_plain | mtx_recursive), thrd_success);
    CHECK_EQ(mtx_init(&timed, mtx_timed), thrd_success);
    CHECK_EQ(cnd_init(&turn_changed), thrd_success);
    CHECK_EQ(tss_create(&key, drop), thrd_success);

    for (int i = 0; i < 4; i++) {
        ids[i] = i;
        CHECK_EQ(thrd_create(&t[i], take_turns, &ids[i]), thrd_success);
    }
    CHECK(!thrd_equal(t[0], t[1]));
    CHECK(thrd_equal(thrd_current(), thrd_current()));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(thrd_join(t[i], &result), thrd_success);
        sum += result;
    }
    printf("turns %d, results %d, dropped %d, called %d\n", count, sum, dropped, calls);

    mtx_lock(&plain);
    mtx_lock(&timed);
    CHECK_EQ(mtx_lock(&recursive), thrd_success);
    CHECK_EQ(mtx_trylock(&recursive), thrd_success);
    CHECK_EQ(thrd_create(&t[0], try_both, NULL), thrd_success);
    CHECK_EQ(thrd_join(t[0], &result), thrd_success);
    printf("busy: %d\n", result);
    mtx_unlock(&recursive);
    mtx_unlock(&recursive);
    mtx_unlock(&timed);

    struct timespec at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(cnd_timedwait(&turn_changed, &plain, &at), thrd_timedout);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(cnd_signal(&turn_changed), thrd_success);
    mtx_unlock(&plain);

    long long before = now_ns(CLOCK_MONOTONIC);
    struct timespec ts = {0, 5000000};
    CHECK_EQ(thrd_sleep(&ts, NULL), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 5000000);
    ts.tv_nsec = -1;
    CHECK(thrd_sleep(&ts, NULL) < -1);

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(thrd_create(&t[0], nothing, NULL), thrd_success);
        CHECK_EQ(thrd_detach(t[0]), thrd_success);
    }
    tss_delete(key);
    cnd_destroy(&turn_changed);
    mtx_destroy(&plain);
    mtx_destroy(&recursive);
    mtx_destroy(&timed);
    puts("done");
    return 0;
}
