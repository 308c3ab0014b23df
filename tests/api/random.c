// Random programs of scopes, tasks, channels, selects, semaphores, locks, barriers, deadlines and cancellations, against what must hold of all
// of them:
// - every element that was sent was received once, or is still in its channel; those of one sender arrive in order;
// - no task outlives its scope; its result is what its function left, and is taken once;
// - no token is lost, and never are there more holders than tokens; no more than one has a mutex, and nobody else what it has for writing;
// - a barrier lets pairs through, one of each with the number that says so, whoever gives up;
// - no more tasks run in a scope than its limit says; deadlines only shorten, and never come early; daemons are not cancelled before the
//   others have ended, if nothing else cancels them;
// - what comes out of a scope is what a task in it failed with, of those that none had surely failed before, or what it was told to;
// - a wait that nothing but a cancellation ends is ended by it (else the test hangs), and later waits fail as well.
// TEST_SEED repeats a program; the schedule may differ.  A failure prints the seed.
#include <stdbool.h>
#include <stdlib.h>
#include <vthr.h>
#include "tests/preload/check.h"

#define CHANNELS 3
#define TOKENS 2
#define PROGRAMS 12
#define MUST(cond)                                                                            \
    do {                                                                                      \
        if (!(cond)) {                                                                        \
            dprintf(2, "%s:%d: failed: %s (TEST_SEED=%llu)\n", __FILE__, __LINE__, #cond, seed); \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

static unsigned long long seed;
static vthr_channel *channels[CHANNELS];
static vthr_semaphore *tokens;
static vthr_event *event, *happened;
static vthr_mutex *mutex;
static vthr_condition *condition;
static int never[2];  // a pipe to which nobody writes
static int always[2]; // one with something in it
static int holders, budget;
static int inside; // what the mutex protects
static pthread_mutex_t posix_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t posix_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;      // of two
static int posix_inside, readers, writers;
static unsigned long firsts, seconds;  // at the barrier

struct tally { // of elements, which are different numbers
    unsigned long count, sum, xor, squares;
};
static struct tally sent, received;
static unsigned long last_id;

static void count(struct tally *t, unsigned long x)
{
    __atomic_add_fetch(&t->count, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&t->sum, x, __ATOMIC_RELAXED);
    __atomic_xor_fetch(&t->xor, x * 0x9e3779b97f4a7c15ul, __ATOMIC_RELAXED);
    __atomic_add_fetch(&t->squares, x * x, __ATOMIC_RELAXED);
}
static unsigned long new_id(void)
{
    return __atomic_add_fetch(&last_id, 2, __ATOMIC_RELAXED);
}
// Odd numbers are of the one that feeds a channel, and grow.  last: what the receiver had from it last.
static void in_order(unsigned long x, unsigned long *last)
{
    if (x & 1) {
        if (x <= *last) {
            dprintf(2, "%lu after %lu (TEST_SEED=%llu)\n", x, *last, seed);
            abort();
        }
        *last = x;
    }
}

VTHR_LOCAL(const void, mark);

struct node { // what is known of a scope, by those in it
    struct node *outer; // NULL: none that could cancel it
    int live;          // tasks that run
    int plain;         // those of them that are no daemons
    int begun;         // those of these that have begun
    int limit;
    bool leaving;
    int failed[64];    // by errno: so many tasks of it
    int first[64];     // those of them that may have been the first
    bool told;         // it was cancelled, or had a deadline
    bool timed;
};

struct job {
    struct node *in;
    unsigned depth;
    uint32_t random;
    bool forever, daemon;
    uintptr_t answer; // its value
    unsigned long fed[CHANNELS]; // see in_order
};

#define HANDLES 4
struct child {
    vthr_task *task;
    uintptr_t answer;
    bool daemon, taken;
};

static unsigned pick(struct job *j, unsigned n)
{
    j->random ^= j->random << 13;
    j->random ^= j->random >> 17;
    j->random ^= j->random << 5;
    return j->random % n;
}

// A wait's outcome fits to what is known.
static void outcome(int r, bool may_time_out)
{
    MUST(r == 0 || r == ECANCELED || (may_time_out && (r == ETIMEDOUT || r == EAGAIN)));
    if (r == ECANCELED) {
        struct timespec long_time = { 100000, 0 };

        MUST(vthr_cancelled());
        MUST(nanosleep(&long_time, NULL) == -1 && errno == ECANCELED);
    }
}

static uint64_t when(struct job *j) // now, soon, or never: the deadline of a wait
{
    switch (pick(j, 3)) {
    case 0:
        return 0;
    case 1:
        return vthr_after(pick(j, 200) * 1000);
    default:
        return VTHR_NEVER;
    }
}

static void send_some(struct job *j)
{
    unsigned long x = new_id();
    uint64_t t = when(j);
    int r = vthr_send_until(channels[pick(j, CHANNELS)], &x, t);

    MUST((x & 1) == 0);
    outcome(r, t != VTHR_NEVER);
    if (r == 0)
        count(&sent, x);
}
static void receive_some(struct job *j)
{
    unsigned long x = 0;
    uint64_t t = when(j);
    unsigned i = pick(j, CHANNELS);
    int r = vthr_receive_until(channels[i], &x, t);

    outcome(r, t != VTHR_NEVER);
    MUST((r == 0) == (x != 0));
    if (r == 0) {
        count(&received, x);
        in_order(x, &j->fed[i]);
    }
}

static void took_token(void)
{
    MUST(__atomic_add_fetch(&holders, 1, __ATOMIC_SEQ_CST) <= TOKENS);
    __atomic_sub_fetch(&holders, 1, __ATOMIC_SEQ_CST);
    MUST(vthr_give_back(tokens) == 0);
}

static bool may_be_done(const vthr_case *c) // though nobody does anything
{
    return c->kind == VTHR_CASE_TIME || c->kind == VTHR_CASE_ACQUIRE || c->object == happened || (c->kind == VTHR_CASE_READABLE && c->fd == always[0]) ||
           c->kind == VTHR_CASE_WRITABLE;
}

static void select_some(struct job *j)
{
    unsigned long x[4] = { 0 };
    vthr_case c[4];
    uint64_t t = when(j);
    int n = 1 + (int)pick(j, 4), r;

    for (int i = 0; i < n; i++)
        switch (pick(j, 8)) {
        case 5:
            c[i] = vthr_on_acquire(tokens);
            break;
        case 6:
            c[i] = vthr_off();
            break;
        case 7: // something that is ready
            c[i] = pick(j, 3) == 0 ? vthr_on_event(happened) : pick(j, 2) ? vthr_on_readable(always[0]) : vthr_on_writable(always[1]);
            break;
        case 0:
            x[i] = new_id();
            c[i] = vthr_on_send(channels[pick(j, CHANNELS)], &x[i]);
            break;
        case 1:
            c[i] = vthr_on_time(vthr_after(pick(j, 300) * 1000));
            break;
        case 2:
            c[i] = pick(j, 2) ? vthr_on_event(event) : vthr_on_readable(never[0]);
            break;
        default:
            c[i] = vthr_on_receive(channels[pick(j, CHANNELS)], &x[i]);
        }
    if (t == VTHR_NEVER)
        c[0] = vthr_on_receive(channels[0], &x[0]), x[0] = 0; // something that will come
    r = vthr_select_until(c, (size_t)n, t);
    if (r < 0) {
        outcome(-r, t != VTHR_NEVER);
        r = -1;
    }
    for (int i = 0; i < n; i++) {
        if (c[i].kind == VTHR_CASE_RECEIVE) {
            MUST((x[i] != 0) == (i == r));
            if (i == r) {
                count(&received, x[i]);
                for (int k = 0; k < CHANNELS; k++)
                    if (c[i].object == channels[k])
                        in_order(x[i], &j->fed[k]);
            }
        } else if (c[i].kind == VTHR_CASE_SEND && i == r) {
            count(&sent, x[i]);
        } else {
            MUST(i != r || may_be_done(&c[i])); // nobody sets the event, or writes
        }
    }
    if (r >= 0)
        MUST(c[r].result == 0);
    if (r >= 0 && c[r].kind == VTHR_CASE_ACQUIRE)
        took_token();
}

// Locked in a scope of its own, and unlocked, or not.
static void lock_some(struct job *j)
{
    uint64_t t = when(j);
    vthr_scope *s;
    int r;

    CHECK_EQ(vthr_scope_open(&s), 0);
    r = vthr_mutex_lock_until(mutex, t);
    outcome(r, t != VTHR_NEVER);
    if (r == 0) {
        MUST(inside++ == 0);
        if (pick(j, 2))
            sched_yield();
        if (pick(j, 3) == 0) {
            MUST(--inside == 0);
            outcome(vthr_condition_wait_until(condition, vthr_after(pick(j, 200) * 1000)), true);
            MUST(inside++ == 0);
        }
        MUST(--inside == 0);
        if (pick(j, 2))
            MUST(vthr_mutex_unlock(mutex) == 0);
    }
    (pick(j, 2) ? vthr_condition_signal : vthr_condition_broadcast)(condition);
    MUST(vthr_scope_leave(s) == 0);
}

// POSIX's locks, in a scope whose cancellation ends waits for them, or not.
static void posix_lock_some(struct job *j)
{
    bool soon = pick(j, 2), writes = pick(j, 3) == 0;
    uint64_t ns = vthr_after(soon ? pick(j, 200) * 1000 : VTHR_S(100000));
    struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
    vthr_scope *s;
    int r;

    CHECK_EQ(vthr_scope_open(&s), 0);
    if (pick(j, 2))
        CHECK_EQ(vthr_scope_cancel_locks(s), 0);
    r = pick(j, 2) ? pthread_mutex_clocklock(&posix_mutex, CLOCK_MONOTONIC, &t) : pthread_mutex_lock(&posix_mutex);
    outcome(r, soon);
    if (r == 0) {
        MUST(posix_inside++ == 0);
        if (pick(j, 2))
            sched_yield();
        MUST(--posix_inside == 0);
        MUST(pthread_mutex_unlock(&posix_mutex) == 0);
    }
    r = (writes ? pthread_rwlock_clockwrlock : pthread_rwlock_clockrdlock)(&posix_rwlock, CLOCK_MONOTONIC, &t);
    outcome(r, soon);
    if (r == 0) {
        int *mine = writes ? &writers : &readers;

        MUST(__atomic_add_fetch(mine, 1, __ATOMIC_SEQ_CST) == 1 || !writes);
        MUST(__atomic_load_n(writes ? &readers : &writers, __ATOMIC_SEQ_CST) == 0);
        if (pick(j, 2))
            sched_yield();
        __atomic_sub_fetch(mine, 1, __ATOMIC_SEQ_CST);
        MUST(pthread_rwlock_unlock(&posix_rwlock) == 0);
    }
    MUST(vthr_scope_leave(s) == 0);
}

static int meet(void)
{
    int r = pthread_barrier_wait(&barrier);

    if (r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD)
        __atomic_add_fetch(r ? &firsts : &seconds, 1, __ATOMIC_RELAXED);
    return r == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : r;
}

// Taken in a scope of its own, and given back, or not.
static void hold_some(struct job *j)
{
    vthr_scope *s;
    int r;

    CHECK_EQ(vthr_scope_open(&s), 0);
    r = vthr_acquire_until(tokens, vthr_after(pick(j, 200) * 1000));
    outcome(r, true);
    if (r == 0) {
        MUST(__atomic_add_fetch(&holders, 1, __ATOMIC_SEQ_CST) <= TOKENS);
        if (pick(j, 2))
            sched_yield();
        __atomic_sub_fetch(&holders, 1, __ATOMIC_SEQ_CST);
        if (pick(j, 2))
            MUST(vthr_give_back(tokens) == 0);
    }
    r = vthr_scope_leave(s);
    MUST(r == 0);
}

static int task(void *arg, void **value);
static void spawn_some(struct job *j, vthr_scope *s, struct node *in, bool doomed, struct child *children)
{
    unsigned n = 1 + pick(j, HANDLES);

    for (unsigned i = 0; i < n; i++) {
        struct job *child = malloc(sizeof *child);
        bool daemon = pick(j, 4) == 0, keep = pick(j, 2) != 0;
        int r;

        CHECK(child != NULL);
        *child = (struct job){ .in = in, .depth = j->depth + 1, .random = pick(j, 0x7fffffff) | 1, .daemon = daemon,
                               .forever = (doomed || daemon) && pick(j, 2), .answer = pick(j, 0x7fffffff) };
        children[i] = (struct child){ NULL, child->answer, daemon, false };
        __atomic_add_fetch(&in->live, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&in->plain, !daemon, __ATOMIC_SEQ_CST);
        r = (daemon ? vthr_spawn_daemon : vthr_spawn)(s, keep ? &children[i].task : NULL, task, child);
        if (r) {
            MUST(r == ECANCELED);
            __atomic_sub_fetch(&in->live, 1, __ATOMIC_SEQ_CST);
            __atomic_sub_fetch(&in->plain, !daemon, __ATOMIC_SEQ_CST);
            free(child);
        }
    }
}

// Takes the result, or not.
static void join(struct job *j, struct node *in, struct child *c)
{
    uint64_t t = c->daemon ? vthr_after(pick(j, 200) * 1000) : when(j); // one that waits for ever is a daemon
    void *value = NULL;
    int r;

    if (pick(j, 2)) {
        vthr_case k[2] = { vthr_on_join(c->task, &value), vthr_on_readable(never[0]) };

        r = vthr_select_until(k, 2, t);
        MUST(r <= 0);
        r = r == 0 ? k[0].result : -r;
    } else {
        r = vthr_join_until(c->task, &value, t);
    }
    if (c->taken) {
        MUST(r == EALREADY || (r == ECANCELED && vthr_cancelled()) || (r == ETIMEDOUT || r == EAGAIN)); // whatever is seen first
        return;
    }
    if (r == 0)
        MUST((uintptr_t)value == c->answer);
    else
        MUST(value == NULL && (r == ECANCELED || r == ETIMEDOUT || r == EAGAIN || (r < 64 && __atomic_load_n(&in->failed[r], __ATOMIC_SEQ_CST))));
    c->taken = r == 0 || (r != ECANCELED && r != ETIMEDOUT && r != EAGAIN);
    if (r == ECANCELED || r == EAGAIN)
        c->task = NULL; // its own result, or of the call
}

static int nest(struct job *j)
{
    struct child children[2][HANDLES] = { 0 };
    struct node in = { 0 };
    bool outer = vthr_cancelled(), shield = pick(j, 4) == 0, doomed = false;
    uint64_t due = vthr_deadline(), at = VTHR_NEVER;
    const void *before = mark();
    vthr_scope *s;
    int r, failures = 0;

    CHECK_EQ(vthr_scope_open(&s), 0);
    if (shield)
        CHECK_EQ(vthr_scope_shield(s), 0);
    MUST(shield || !outer || vthr_cancelled());
    in.outer = shield ? NULL : j->in;
    if (pick(j, 4) == 0) {
        in.limit = 1 + (int)pick(j, 3);
        CHECK_EQ(vthr_scope_limit(s, (unsigned)in.limit), 0);
    }
    CHECK_EQ(set_mark(&in), 0);
    if (pick(j, 3) == 0) {
        in.timed = in.told = doomed = true;
        at = vthr_after(pick(j, 1000) * 1000);
        CHECK_EQ(vthr_scope_deadline(s, at), 0);
    }
    MUST(vthr_deadline() == (shield || at < due ? at : due));
    if (pick(j, 3) == 0 && !doomed) { // after what follows, whatever comes: so no limit may be waited for
        doomed = in.told = true;
        spawn_some(j, s, &in, false, children[0]);
        vthr_scope_cancel(s);
        spawn_some(j, s, &in, true, children[1]);
    } else {
        spawn_some(j, s, &in, in.timed, children[0]);
    }
    if (pick(j, 2))
        select_some(j);
    for (int i = 0; i < 2 * HANDLES; i++) {
        struct child *c = &children[i / HANDLES][i % HANDLES];

        for (int n = (int)pick(j, 3); n > 0 && c->task; n--)
            join(j, &in, c);
        if (c->task && pick(j, 2))
            vthr_release(c->task);
    }
    __atomic_store_n(&in.leaving, true, __ATOMIC_SEQ_CST);
    r = vthr_scope_leave(s);
    MUST(in.live == 0);
    MUST(vthr_deadline() == due);
    MUST(mark() == before);
    for (int e = 1; e < 64; e++)
        failures += in.failed[e];
    if (r == 0)
        MUST(failures == 0 || in.told);
    else if (r == ETIMEDOUT)
        MUST(in.timed && vthr_now() >= at);
    else if (r == ECANCELED)
        MUST(!shield && vthr_cancelled());
    else
        MUST(r < 64 && (in.told || vthr_cancelled() ? in.failed : in.first)[r] > 0);
    return r;
}

// Something other than the others' end may have cancelled those in it.
static bool excused(struct node *in)
{
    for (; in; in = in->outer) {
        if (in->told)
            return true;
        for (int e = 1; e < 64; e++)
            if (__atomic_load_n(&in->failed[e], __ATOMIC_SEQ_CST))
                return true;
    }
    return false;
}
static bool is_over(struct job *j) // or inside a daemon, which is
{
    struct node *in = j->in;

    if (j->daemon && __atomic_load_n(&in->leaving, __ATOMIC_SEQ_CST) && __atomic_load_n(&in->plain, __ATOMIC_SEQ_CST) == 0)
        return true;
    for (in = in->outer; in; in = in->outer)
        if (__atomic_load_n(&in->leaving, __ATOMIC_SEQ_CST) && __atomic_load_n(&in->plain, __ATOMIC_SEQ_CST) == 0)
            return true;
    return false;
}

static int run(struct job *j)
{
    struct timespec long_time = { 100000, 0 };
    unsigned n = pick(j, 8);
    char c;

    if (j->forever) {
        if (pick(j, 2))
            MUST(read(never[0], &c, 1) == -1 && errno == ECANCELED);
        else
            MUST(nanosleep(&long_time, NULL) == -1 && errno == ECANCELED);
        MUST(vthr_cancelled());
        MUST(is_over(j) || excused(j->in));
        return pick(j, 3) ? ECANCELED : 1 + (int)pick(j, 63); // what fails when it is cancelled is not the first
    }
    while (n--)
        switch (pick(j, 14)) {
        case 11:
        case 12:
            posix_lock_some(j);
            break;
        case 13:
            outcome(meet(), false);
            break;
        case 10:
            lock_some(j);
            break;
        case 0:
        case 1:
            send_some(j);
            break;
        case 2:
        case 3:
            receive_some(j);
            break;
        case 4:
        case 5:
            select_some(j);
            break;
        case 6:
            hold_some(j);
            break;
        case 7:
            sched_yield();
            break;
        case 8:
            if (j->depth < 5 && __atomic_sub_fetch(&budget, 1, __ATOMIC_RELAXED) > 0)
                nest(j);
            break;
        case 9:
            if (pick(j, 10) == 0)
                return 1 + (int)pick(j, 63);
            break;
        }
    return vthr_cancelled() ? ECANCELED : 0;
}

static int task(void *arg, void **value)
{
    struct job *j = arg;
    struct node *in = j->in;
    int r;

    MUST(mark() == in);
    if (!j->daemon) {
        r = __atomic_add_fetch(&in->begun, 1, __ATOMIC_SEQ_CST);
        MUST(in->limit == 0 || r <= in->limit);
    }
    r = run(j);
    *value = (void *)j->answer;
    if (r && r != ECANCELED) {
        if (!vthr_cancelled() || is_over(j)) // daemons are cancelled without a failure
            __atomic_add_fetch(&in->first[r], 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&in->failed[r], 1, __ATOMIC_SEQ_CST);
    }
    if (!j->daemon) {
        __atomic_sub_fetch(&in->begun, 1, __ATOMIC_SEQ_CST);
        __atomic_sub_fetch(&in->plain, 1, __ATOMIC_SEQ_CST);
    }
    free(j);
    __atomic_sub_fetch(&in->live, 1, __ATOMIC_SEQ_CST);
    return r;
}

// So that every send and receive finds its partner some time.
static int feeds(void *arg, void **value)
{
    int r;

    (void)value;
    for (;;) {
        unsigned long x = new_id() | 1;

        r = vthr_send(arg, &x);
        if (r)
            break;
        count(&sent, x);
    }
    MUST(r == ECANCELED);
    return r;
}
static int drains(void *arg, void **value)
{
    unsigned long x, last = 0;
    int r;

    (void)value;
    while ((r = vthr_receive(arg, &x)) == 0) {
        count(&received, x);
        in_order(x, &last);
    }
    MUST(r == ECANCELED);
    return r;
}

static int meets(void *arg, void **value)
{
    int r;

    (void)arg, (void)value;
    while ((r = meet()) == 0)
        sched_yield();
    MUST(r == ECANCELED);
    return r;
}

static void program(void)
{
    struct job root = { .random = (uint32_t)(seed * 2654435761u) | 1 };
    vthr_scope *s;
    unsigned long x;

    memset(&sent, 0, sizeof sent);
    memset(&received, 0, sizeof received);
    budget = 40;
    last_id = firsts = seconds = 0;
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    CHECK_EQ(vthr_semaphore_new(&tokens, TOKENS), 0);
    CHECK_EQ(vthr_event_new(&event), 0);
    CHECK_EQ(vthr_event_new(&happened), 0);
    vthr_event_set(happened);
    CHECK_EQ(vthr_mutex_new(&mutex), 0);
    CHECK_EQ(vthr_condition_new(&condition, mutex), 0);
    CHECK_EQ(vthr_scope_open(&s), 0);
    for (unsigned i = 0; i < CHANNELS; i++) {
        CHECK_EQ(vthr_channel_new(&channels[i], sizeof x, i * pick(&root, 4)), 0);
        CHECK_EQ(vthr_spawn_daemon(s, NULL, feeds, channels[i]), 0);
        CHECK_EQ(vthr_spawn_daemon(s, NULL, drains, channels[i]), 0);
    }
    CHECK_EQ(vthr_spawn_daemon(s, NULL, meets, NULL), 0);
    for (int i = 0; i < 3; i++)
        nest(&root);
    MUST(vthr_scope_leave(s) == 0);
    for (unsigned i = 0; i < CHANNELS; i++) {
        while (vthr_try_receive(channels[i], &x) == 0)
            count(&received, x);
        vthr_channel_free(channels[i]);
    }
    MUST(memcmp(&sent, &received, sizeof sent) == 0);
    MUST(firsts == seconds);
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
    vthr_semaphore_free(tokens); // aborts if one is out
    vthr_event_free(event);
    vthr_event_free(happened);
    vthr_condition_free(condition);
    vthr_mutex_free(mutex); // aborts if somebody has it
}

int main(void)
{
    const char *given = getenv("TEST_SEED");
    struct timespec now;

    CHECK_EQ(pipe(never), 0);
    CHECK_EQ(pipe(always), 0);
    CHECK_EQ(write(always[1], "x", 1), 1);
    clock_gettime(CLOCK_REALTIME, &now);
    seed = given ? strtoull(given, NULL, 10) : (unsigned long long)now.tv_nsec * 1000 + (unsigned)getpid() % 1000;
    for (int i = 0; i < (given ? 1 : PROGRAMS); i++, seed++)
        program();
    puts("ok");
    return 0;
}
