/* Boot: settings at load, everything else at the first thread.
 *
 * A process that makes no thread starts no carrier, no loop, no monitor.  Activation is an ordered list; when a step fails,
 * the reason is said in one line and all threads are native from then on.  The order matters: glibc is probed before
 * anything is changed; the main thread is adopted after the pollers exist; signals are taken over last. */
#include "runtime/base/lock.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/base/symbol.h"
#include "runtime/base/unwind.h"
#include "runtime/diag/dump.h"
#include "runtime/diag/overflow.h"
#include "runtime/diag/stats.h"
#include "runtime/diag/tracefile.h"
#include "runtime/io/stdio.h"
#include "runtime/mem/image.h"
#include "runtime/sched/liblock.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/sched/starter.h"
#include "runtime/sched/usage.h"
#include "runtime/sync/name.h"
#include "runtime/thread/exit.h"
#include "runtime/thread/setid.h"
#include "runtime/thread/signal.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <string.h>

static struct vthr_lock boot_lk = VTHR_LOCK_INIT(RANK_BOOT);
static bool booted VTHR_EARLY_DATA;
static bool native; /* a step failed, or VTHR_DISABLE */
static bool native_for_good;

/* Compared in place: strncmp and a string lie elsewhere.  There is no environment after a clearenv by another preload's constructor. */
static VTHR_EARLY bool any_setting(void)
{
    for (char **e = environ; e && *e; e++)
        if ((*e)[0] == 'V' && (*e)[1] == 'T' && (*e)[2] == 'H' && (*e)[3] == 'R' && (*e)[4] == '_')
            return true;
    return false;
}

static VTHR_NOINLINE void read_settings(void)
{
    char err[256];

    if (vthr_config_parse(environ, &vthr_config, err, sizeof err)) {
        vthr_say(err, vthr_config.strict ? "" : ": running natively", NULL);
        if (vthr_config.strict)
            SYS1(SYS_exit_group, VTHR_EXIT_REFUSED);
        native_for_good = true;
    }
    native = native_for_good || vthr_config.disable;
}

/* Every process pays for this, most of them for nothing: it touches no memory but that of the settings. */
VTHR_EARLY void vthr_boot(void)
{
    if (booted)
        return;
    booted = true;
    if (any_setting())
        read_settings();
}

void fork_handlers_begin(void)
{
    vthr_boot(); /* another preload's constructor may be its caller */
    if (!native)
        fork_install();
}

static void adopt_main(void)
{
    struct vthread *v = &vthr_main;
    uint64_t word = v->w.word;

    memset(v, 0, sizeof *v);
    v->w.word = word & ~(uint64_t)W_MASK;
    v->w.vt = v;
    v->pd = arch_tp();
    v->tid = *image_tid(v->pd);
    v->ctx.tp = (uintptr_t)v->pd;
    v->refs = 2;
    SYS2(SYS_sigaltstack, NULL, &v->altstack);
    v->altstack.ss_flags &= ~SS_ONSTACK; /* shown, not set */
    SYS2(SYS_prctl, 16 /* PR_GET_NAME */, v->name);
    usage_adopt_main();
}

static int activate(const char **why)
{
    int r;

    vthr_real_resolve_all();
    fork_install();
    *why = "libgcc_s.so.1 cannot be loaded";
    if (!unwind_load())
        return -ENOENT;
    if ((r = arch_init(why)) || (r = image_init(why)))
        return r;
    if (vthr_config.fast_switch && arch_trap_init() && !arch_unblock_fault((void *)REAL(pthread_create)))
        arch_trap_off(); /* the slow way is the safe one */
    if (vthr_config.carriers == 0)
        vthr_config.carriers = vthr_config_cpus();
    if ((r = sched_init(vthr_config.carriers, why)))
        return r;
    adopt_main();
    image_unregister_rseq();
    if ((r = sched_adopt(&vthr_main, why)))
        return r;
    exit_catch_main(&vthr_main);
    vthr_self = &vthr_main;
    *why = "cannot start a thread of the runtime's own";
    if ((r = signal_start(&vthr_main)) || (r = monitor_start())) {
        vthr_self = NULL;
        return r;
    }
    starter_start();
    carrier_begin_first(&vthr_main);
    name_adopt(&vthr_main);
    setid_start();
    if (vthr_config.random && vthr_config.seed_picked) {
        char num[24];

        vthr_say("VTHR_SCHED: random seed ", vthr_utoa(vthr_config.seed, num), NULL);
    }
    overflow_install();
    dump_install();
    stats_at_exit();
    tracefile_start();
    stdio_install();
    liblock_install();
    store_release(&vthr_active, 1);
    return 0;
}

/* Go's runtime makes its threads' system calls itself, by instructions: signal masks with everything blocked, alternate
 * stacks, numbers of threads, waits.  What the kernel is told so belongs to an OS thread, and its goroutines are virtual threads
 * already.  Nothing is said, since nothing is lost. */
static bool has_go_runtime(void)
{
    return symbol_anywhere("_cgo_topofstack") && symbol_anywhere("crosscall2");
}

static void stay_native(const char *why, const char *also)
{
    if (why)
        vthr_say(why, also, NULL);
    native = true;
    if (vthr_config.strict)
        SYS1(SYS_exit_group, VTHR_EXIT_REFUSED);
}

bool vthr_may_activate(void)
{
    vthr_boot();
    return !native;
}

bool vthr_activate(void)
{
    const char *why = "unknown";

    if (likely(load_acquire(&vthr_active)))
        return true;
    if (native)
        return false;
    lock(&boot_lk);
    vthr_boot(); /* another preload's constructor may make threads before ours has run */
    if (!vthr_active && !native) {
        if (has_go_runtime())
            stay_native(vthr_config.strict ? "the program contains Go's runtime" : NULL, "");
        else if (activate(&why))
            stay_native(why, ": running natively");
    }
    unlock(&boot_lk);
    return vthr_active;
}
