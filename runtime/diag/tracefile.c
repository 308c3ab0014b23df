/* The event trace as a file in Chrome's trace event format (JSON array), which Perfetto and chrome://tracing open.
 *
 * A native thread, the writer, empties the rings (sched/trace.h) fifty times a second and writes text.  Events of all rings are put in
 * the order of their times, up to the time at which the round began; one that its producer was late to store is moved to the
 * time up to which its track has been written.  An array without its closing bracket is complete to both viewers, so a process that is killed
 * leaves a usable file; exit() closes it.  tracejson.h has its lines.
 *
 * There is a track for each vthread: slices "running", what it waited for, "ready"; and one for each carrier: which vthread it ran, and its
 * own work in between.  A wake is a flow from the waker's slice to the next one of the woken. */
#include "runtime/diag/tracefile.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include "runtime/diag/debug.h"
#include "runtime/diag/memory.h"
#include "runtime/diag/tracejson.h"
#include "runtime/io/hidden.h"
#include "runtime/sched/native.h"
#include "runtime/sched/shell.h"
#include "runtime/sched/trace.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define PERIOD_NS 20000000ull
#define MAX_NUMBER (1u << 20) /* threads that have tracks */
#define MAX_OS 4096u          /* carriers: a hash table; a power of 2 */
#define BUFFER (64u << 10)     /* bytes that are written at once */

enum phase { UNSEEN, RUNNING, WAITING, READY, ENDED };

struct thread_track {
    uint64_t since;     /* of the phase, ns */
    uint64_t flow, flow_at; /* the wake that made it ready; 0: none */
    uint32_t os;        /* running on */
    uint8_t phase;
    uint8_t what;       /* waited for */
    char name[16];      /* as told */
    bool told;
};

struct os_track {
    uint32_t os;        /* 0: no entry */
    uint32_t id;        /* of the vthread that runs, as in events; 0: its own work */
    uint64_t since;
    bool seen;          /* an event told what it does */
};

static struct {
    struct vthr_lock lk; /* everything here */
    struct text text;
    char *buffer; /* of it */
    struct thread_track *thread;
    struct os_track os[MAX_OS];
    uint64_t flows, lost;
    uint64_t tick, ns;        /* the last two readings of both clocks: */
    uint64_t tick_was, ns_was;
    uint64_t start_ns;
    bool open;
    uint32_t wake; /* futex that nobody wakes */
} w = { .lk = VTHR_LOCK_INIT(RANK_LEAF) };

/* --- Clocks --- */

static void read_clocks(void)
{
    w.tick_was = w.tick;
    w.ns_was = w.ns;
    w.ns = now_ns();
    w.tick = arch_ticks();
}

/* ns since the start of the trace. */
static uint64_t time_of(uint64_t tick)
{
    double rate = w.tick > w.tick_was ? (double)(w.ns - w.ns_was) / (double)(w.tick - w.tick_was) : 1;
    double ns = (double)(w.ns_was - w.start_ns) + (double)(int64_t)(tick - w.tick_was) * rate;

    return ns > 0 ? (uint64_t)ns : 0;
}

/* --- Tracks --- */

/* id: as in the event, not 0. */
static struct thread_track *track_of(uint32_t id)
{
    uint32_t number = id - 1;
    const struct vthread *v = number == 0 ? &vthr_main : vthr_registry[number - 1];
    struct thread_track *t;

    if (number >= MAX_NUMBER)
        return NULL;
    t = &w.thread[number];
    if (!t->told || memcmp(t->name, v->name, sizeof t->name)) {
        memcpy(t->name, v->name, sizeof t->name);
        t->told = true;
        tracejson_track(&w.text, TRACE_THREADS, number, t->name, sizeof t->name);
    }
    return t;
}

static struct os_track *carrier_of(uint32_t os)
{
    for (uint32_t i = 0; i < MAX_OS; i++) {
        struct os_track *o = &w.os[(os + i) & (MAX_OS - 1)];

        if (o->os == os)
            return o;
        if (!o->os) {
            *o = (struct os_track){ .os = os };
            tracejson_track(&w.text, TRACE_CARRIERS, os, "carrier", 8);
            return o;
        }
    }
    return NULL;
}

static void close_thread(struct thread_track *t, uint32_t number, uint64_t now)
{
    const char *name = t->phase == RUNNING ? "running" : t->phase == READY ? "ready" : vthr_debug.waits[t->what].name;

    if (t->phase == UNSEEN || t->phase == ENDED)
        return;
    tracejson_slice(&w.text, &(struct trace_slice){ .side = TRACE_THREADS, .track = number, .name = name, .max = 12,
                                                    .carrier = t->phase == RUNNING ? t->os : 0, .from = t->since, .to = now });
}

static void set_phase(struct thread_track *t, enum phase phase, uint64_t now)
{
    t->phase = (uint8_t)phase;
    t->since = now;
}

static void close_carrier(struct os_track *o, uint64_t now)
{
    struct trace_slice slice = { .side = TRACE_CARRIERS, .track = o->os, .name = "scheduler", .max = 16, .from = o->since, .to = now };

    if (o->id) {
        slice.name = w.thread[o->id - 1].name;
        slice.number = o->id - 1;
        slice.numbered = true;
    }
    tracejson_slice(&w.text, &slice);
}

/* --- Events --- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void thread_stops(const struct trace_event *e, uint64_t now)
{
    struct thread_track *t = track_of(e->a);

    if (!t)
        return;
    now = later(now, t->since);
    if (t->phase == UNSEEN) /* it ran before the trace began */
        t->phase = RUNNING, t->os = e->os;
    if (t->phase == READY) { /* woken before it had stopped, in time order */
        t->phase = RUNNING;
        close_thread(t, e->a - 1, now);
        set_phase(t, READY, now);
        return;
    }
    close_thread(t, e->a - 1, now);
    t->what = e->what < WAIT_KINDS ? e->what : WAIT_NONE;
    set_phase(t, e->how == HOW_PARK ? WAITING : e->how == HOW_EXIT ? ENDED : READY, now);
}

static void thread_runs(const struct trace_event *e, uint64_t now)
{
    struct thread_track *t = track_of(e->b);

    if (!t)
        return;
    now = later(now, later(t->since, t->flow_at));
    close_thread(t, e->b - 1, now);
    set_phase(t, RUNNING, now);
    t->os = e->os;
    if (t->flow)
        tracejson_flow(&w.text, false, TRACE_THREADS, e->b - 1, t->flow, now);
    t->flow = 0;
}

static void on_switch(const struct trace_event *e, uint64_t now)
{
    struct os_track *o = carrier_of(e->os);

    if (o) {
        uint64_t at = later(now, o->since);

        if (!o->seen)
            o->id = e->a; /* the one that ran before the trace began, if any */
        if (o->seen || e->a)
            close_carrier(o, at);
        o->seen = true;
        o->since = at;
        o->id = e->b <= MAX_NUMBER ? e->b : 0;
    }
    if (e->a)
        thread_stops(e, now);
    if (e->b)
        thread_runs(e, now);
}

/* Also a new thread's beginning. */
static void on_wake(const struct trace_event *e, uint64_t now)
{
    struct thread_track *t = track_of(e->b);

    if (!t)
        return;
    now = later(now, t->since);
    if (e->kind == TRACE_SPAWN || t->phase != RUNNING) { /* else it was about to stop, or the wake came before that was recorded */
        close_thread(t, e->b - 1, now);
        set_phase(t, READY, now);
    }
    if (!e->a && !e->os)
        return; /* by a native thread: it has no track */
    t->flow = ++w.flows;
    t->flow_at = now;
    tracejson_flow(&w.text, true, e->a ? TRACE_THREADS : TRACE_CARRIERS, e->a ? e->a - 1 : e->os, t->flow, now);
}

static void on_handoff(const struct trace_event *e, uint64_t now)
{
    static const char *const causes[] = { "blocked", "announced", "computing" };

    tracejson_instant(&w.text, TRACE_CARRIERS, e->os, "handoff: ", causes[e->how % HANDOFF_CAUSES], now);
}

static void on_event(const struct trace_event *e)
{
    uint64_t now = time_of(e->at);

    switch (e->kind) {
    case TRACE_SWITCH: on_switch(e, now); break;
    case TRACE_WAKE:
    case TRACE_SPAWN: on_wake(e, now); break;
    case TRACE_HANDOFF: on_handoff(e, now); break;
    }
}

static struct trace_ring *ring(unsigned i)
{
    return i < vthr_nprocs ? vthr_procs[i].trace : vthr_trace_common;
}

/* The earliest event before `until`, taken off its ring. */
static bool take(uint64_t until, struct trace_event *e)
{
    struct trace_ring *best = NULL;

    for (unsigned i = 0; i <= vthr_nprocs; i++) {
        struct trace_ring *r = ring(i);
        const struct trace_event *first = &r->ev[r->tail % TRACE_RING];

        if (r->tail == load_acquire(&r->head) || (int64_t)(first->at - until) > 0)
            continue;
        if (!best || (int64_t)(first->at - best->ev[best->tail % TRACE_RING].at) < 0)
            best = r;
    }
    if (!best)
        return false;
    *e = best->ev[best->tail % TRACE_RING];
    store_release(&best->tail, best->tail + 1);
    return true;
}

static void put_lost(void)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i <= vthr_nprocs; i++)
        lost += load_relaxed(&ring(i)->lost);
    if (lost == w.lost)
        return;
    tracejson_lost(&w.text, lost - w.lost, w.ns - w.start_ns);
    w.lost = lost;
}

/* lk held. */
static void drain(void)
{
    struct trace_event e;

    read_clocks();
    while (take(w.tick, &e))
        on_event(&e);
    put_lost();
}

/* lk held.  A disk that is full: what was written is kept, the rest is not recorded any more. */
static void give_up_if_failed(void)
{
    if (!w.text.failed)
        return;
    store_relaxed(&vthr_tracing, false);
    w.open = false;
    vthr_say("VTHR_TRACE=", vthr_config.trace, ": cannot be written any further: the trace ends there", NULL);
}

static void *writer_main(void *arg)
{
    (void)arg;
    for (;;) {
        bool open;

        sys_futex_wait(&w.wake, 0, now_ns() + PERIOD_NS);
        lock(&w.lk);
        if (w.open) {
            drain();
            text_end(&w.text);
            give_up_if_failed();
        }
        open = w.open;
        unlock(&w.lk);
        if (!open)
            return NULL;
    }
}

/* What lasts still, up to now, and the end of the array. */
static void finish(void)
{
    struct vthread *self = vthr_self;
    uint64_t now;

    if (!vthr_active || !vthr_tracing)
        return;
    rt_hold(self);
    lock(&w.lk);
    store_relaxed(&vthr_tracing, false);
    if (w.open) {
        drain();
        now = w.ns - w.start_ns;
        for (uint32_t i = 0; i <= shell_count() && i < MAX_NUMBER; i++)
            close_thread(&w.thread[i], i, now);
        for (uint32_t i = 0; i < MAX_OS; i++)
            if (w.os[i].seen)
                close_carrier(&w.os[i], now);
        tracejson_end(&w.text);
        text_end(&w.text);
        give_up_if_failed();
        w.open = false;
    }
    unlock(&w.lk);
    rt_unhold(self);
}

/* FILE, or FILE.PID if another process writes to that. */
static int open_file(void)
{
    char path[VTHR_PATH_MAX + 24], num[24];
    long fd, r;

    strcpy(path, vthr_config.trace);
    for (int try = 0; try < 2; try++) {
        fd = SYS4(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return (int)fd;
        r = SYS2(SYS_flock, fd, LOCK_EX | LOCK_NB);
        if (r == 0 || try == 1)
            break;
        SYS1(SYS_close, fd);
        strcat(strcat(path, "."), vthr_utoa((uint64_t)SYS0(SYS_getpid), num));
    }
    SYS2(SYS_ftruncate, fd, 0);
    return hidden_out_of_the_way((int)fd);
}

static void begin(int fd)
{
    lock_init(&w.lk, RANK_LEAF);
    memset(w.os, 0, sizeof w.os);
    w.flows = w.lost = 0;
    text_begin(&w.text, fd);
    if (w.buffer)
        text_enlarge(&w.text, w.buffer, BUFFER);
    read_clocks();
    read_clocks();
    w.start_ns = w.ns;
    tracejson_begin(&w.text);
    w.open = true;
}

void tracefile_start(void)
{
    static bool registered;
    int fd;

    if (!*vthr_config.trace)
        return;
    w.thread = memory_get(MAX_NUMBER * sizeof *w.thread);
    w.buffer = memory_get(BUFFER);
    fd = w.thread && !trace_rings() ? open_file() : -1;
    if (fd < 0) {
        vthr_say("VTHR_TRACE=", vthr_config.trace, ": cannot be written", NULL);
        return;
    }
    hidden_add(fd);
    vthr_trace_fd = fd;
    begin(fd);
    if (native_start(writer_main, NULL, 65536))
        return;
    store_release(&vthr_tracing, true);
    if (!registered)
        atexit(finish);
    registered = true;
}
