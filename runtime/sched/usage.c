/* See usage.h.
 *
 * A vthread's counts are written by whoever runs it, under a sequence number that is odd meanwhile; anyone may read the CPU time.  `on` is
 * the carrier whose clock runs for it, since `mark`; it counts only while the vthread says that it is on that carrier.  A vthread that was mounted
 * before counting began gets its counts from the first who asks. */
#include "runtime/sched/usage.h"
#include "runtime/base/lock.h"
#include "runtime/mem/slab.h"
#include <errno.h>
#include <string.h>

struct usage {
    uint32_t seq;
    struct carrier *on;
    uint64_t mark, cpu;
    bool asked_all;         /* it has asked for the rest: only then that is counted, for each count costs its switches a system call more */
    struct carrier *all_on; /* the same for the rest, its own only */
    struct rusage all_mark, all;
    struct usage *next;
};

uint32_t vthr_usage_level;
static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_LEAF);
static struct usage *unused; /* protected by lk */
static uint64_t main_cpu;    /* the main thread's, when it became a vthread */
static struct rusage main_all;

static uint64_t clock_of(clockid_t clk)
{
    struct timespec ts;

    return SYS2(SYS_clock_gettime, clk, &ts) < 0 ? 0 : (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
static uint64_t own_clock(void)
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}
static uint64_t carrier_clock(const struct carrier *c)
{
    return clock_of((clockid_t)(~(unsigned)c->tid << 3 | 6));
}

void usage_begin(enum usage_level level)
{
    if (load_relaxed(&vthr_usage_level) < level)
        store_release(&vthr_usage_level, (uint32_t)level);
}

void usage_adopt_main(void)
{
    main_cpu = own_clock();
    SYS2(SYS_getrusage, RUSAGE_THREAD, &main_all);
}

/* --- The counts of one vthread --- */

static struct usage *take(void)
{
    struct usage *u;

    lock(&lk);
    u = unused;
    if (u)
        unused = u->next;
    unlock(&lk);
    if (u)
        memset(u, 0, sizeof *u);
    return u ? u : meta_alloc(sizeof *u);
}
static void put(struct usage *u)
{
    lock(&lk);
    u->next = unused;
    unused = u;
    unlock(&lk);
}

/* NULL: no memory; then it is not counted. */
static struct usage *usage_of(struct vthread *v, struct carrier *on)
{
    struct usage *u = load_acquire(&v->usage), *none = NULL;

    if (u || !(u = take()))
        return u;
    if (v == &vthr_main) {
        u->cpu = main_cpu;
        u->all = main_all;
    }
    u->on = on;
    u->mark = on ? carrier_clock(on) : 0;
    if (cas_acq_rel(&v->usage, &none, u))
        return u;
    put(u);
    return none;
}

static void set(struct usage *u, struct carrier *on, uint64_t mark, uint64_t cpu)
{
    store_relaxed(&u->seq, u->seq + 1);
    fence_seq_cst();
    store_relaxed(&u->on, on);
    store_relaxed(&u->mark, mark);
    store_relaxed(&u->cpu, cpu);
    store_release(&u->seq, u->seq + 1);
}

static uint64_t since(uint64_t mark, uint64_t now)
{
    return now > mark ? now - mark : 0;
}

static void leave_cpu(struct vthread *v, struct carrier *c, uint64_t now)
{
    struct usage *u = load_acquire(&v->usage);

    if (u && u->on == c)
        set(u, NULL, 0, u->cpu + since(u->mark, now));
}
static void come_cpu(struct vthread *v, struct carrier *c, uint64_t now)
{
    struct usage *u = usage_of(v, NULL);

    if (u)
        set(u, c, now, u->cpu);
}

/* --- All of it --- */

static struct timeval tv_add(struct timeval t, struct timeval to, struct timeval from)
{
    t.tv_sec += to.tv_sec - from.tv_sec;
    t.tv_usec += to.tv_usec - from.tv_usec;
    while (t.tv_usec < 0) {
        t.tv_usec += 1000000;
        t.tv_sec--;
    }
    while (t.tv_usec >= 1000000) {
        t.tv_usec -= 1000000;
        t.tv_sec++;
    }
    return t;
}

static void add_all(struct rusage *sum, const struct rusage *now, const struct rusage *mark)
{
    sum->ru_utime = tv_add(sum->ru_utime, now->ru_utime, mark->ru_utime);
    sum->ru_stime = tv_add(sum->ru_stime, now->ru_stime, mark->ru_stime);
    sum->ru_maxrss = now->ru_maxrss; /* the process's */
#define X(f) sum->f += now->f - mark->f
    X(ru_minflt), X(ru_majflt), X(ru_inblock), X(ru_oublock), X(ru_nvcsw), X(ru_nivcsw);
#undef X
}

static void leave_all(struct vthread *v, struct carrier *c, const struct rusage *now)
{
    struct usage *u = load_acquire(&v->usage);

    if (!u || u->all_on != c)
        return;
    add_all(&u->all, now, &u->all_mark);
    u->all_on = NULL;
}
static void come_all(struct vthread *v, struct carrier *c, const struct rusage *now)
{
    struct usage *u = usage_of(v, NULL);

    if (!u)
        return;
    u->all_on = c;
    u->all_mark = *now;
}

/* --- Switching and asking --- */

static bool counted(const struct vthread *v)
{
    return v && !v->has_os_number;
}
static bool asked_all(const struct vthread *v)
{
    struct usage *u = counted(v) ? load_acquire(&v->usage) : NULL;

    return u && u->asked_all;
}

void usage_switch_slow(struct carrier *c, struct vthread *from, struct vthread *to)
{
    uint64_t now = own_clock();
    struct rusage all;

    if (counted(from))
        leave_cpu(from, c, now);
    if (counted(to))
        come_cpu(to, c, now);
    if (load_relaxed(&vthr_usage_level) < USAGE_ALL)
        return;
    if ((!asked_all(from) && !asked_all(to)) || SYS2(SYS_getrusage, RUSAGE_THREAD, &all) < 0)
        return;
    if (asked_all(from))
        leave_all(from, c, &all);
    if (asked_all(to))
        come_all(to, c, &all);
}

/* It cannot leave its carrier meanwhile. */
static uint64_t own_cpu(struct vthread *v)
{
    uint64_t ns = own_clock();
    struct usage *u;

    if (!counted(v))
        return ns;
    rt_hold(v);
    u = usage_of(v, v->carrier);
    ns = own_clock();
    if (u && !u->on)
        set(u, v->carrier, ns, u->cpu);
    ns = u ? u->cpu + since(u->mark, ns) : ns;
    rt_unhold(v);
    return ns;
}

static uint64_t read_cpu(struct vthread *v, struct usage *u)
{
    for (;;) {
        uint32_t seq = load_acquire(&u->seq);
        struct carrier *c = load_relaxed(&u->on);
        uint64_t mark = load_relaxed(&u->mark), ns = load_relaxed(&u->cpu);

        if (c && load_acquire(&v->carrier) == c)
            ns += since(mark, carrier_clock(c));
        fence_seq_cst();
        if (!(seq & 1) && load_relaxed(&u->seq) == seq)
            return ns;
    }
}

uint64_t usage_cpu(struct vthread *v)
{
    struct vthread *self = vthr_self;
    struct carrier *c;
    struct usage *u;
    uint64_t ns = 0;

    usage_begin(USAGE_CPU);
    if (v == self)
        return own_cpu(v);
    c = load_acquire(&v->carrier);
    if (!counted(v))
        return c ? carrier_clock(c) : 0;
    rt_hold(self);
    u = usage_of(v, c);
    ns = u ? read_cpu(v, u) : 0;
    rt_unhold(self);
    return ns;
}

/* What was counted of its time before it asked. */
static void begin_all(struct usage *u, uint64_t ns)
{
    struct timeval t = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC / 1000) }, none = { 0, 0 };

    u->all.ru_utime = tv_add(u->all.ru_utime, t, none);
    u->asked_all = true;
}

long usage_all(struct vthread *v, struct rusage *out)
{
    struct rusage now;
    struct usage *u;
    uint64_t ns;
    long r;

    if (!counted(v))
        return SYS2(SYS_getrusage, RUSAGE_THREAD, out);
    usage_begin(USAGE_ALL);
    ns = own_cpu(v);
    rt_hold(v);
    u = usage_of(v, v->carrier);
    if (u && !u->asked_all)
        begin_all(u, v == &vthr_main ? since(main_cpu, ns) : ns);
    r = SYS2(SYS_getrusage, RUSAGE_THREAD, &now);
    if (u && r == 0) {
        if (!u->all_on)
            come_all(v, v->carrier, &now);
        *out = u->all;
        add_all(out, &now, &u->all_mark);
    } else if (r == 0) {
        *out = now;
    }
    rt_unhold(v);
    return r;
}

void usage_forget(struct vthread *v)
{
    struct usage *u = v->usage ? xchg_acq_rel(&v->usage, NULL) : NULL;

    if (u)
        put(u);
}

void usage_reset_child(void)
{
    lock_init(&lk, RANK_LEAF);
    unused = NULL;
    main_cpu = 0;
    memset(&main_all, 0, sizeof main_all);
}
