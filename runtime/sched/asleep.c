/* Does an OS thread sleep in the kernel?
 *
 * Only /proc tells, and whoever opens a file there has, for a moment, the lowest free descriptor number: the program's next pipe()
 * in another thread would get another number than natively.  So a native thread with a descriptor table of its own does it
 * (close_range with CLOSE_RANGE_UNSHARE, Linux 5.9; it copies no descriptor).  It is made at the first question, by the starter, and makes no threads itself,
 * which would share its table.  One question at a time: `tid` is set, then `question` counts up; the answer comes with `answer` equal to it.
 * Where the kernel has no such call, or the asker cannot be made, the file is opened in the program's table and moved up at once. */
#include "runtime/sched/asleep.h"
#include "runtime/base/atomic.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include "runtime/io/hidden.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/starter.h"
#include <fcntl.h>
#include <string.h>

#define OWN_TABLE 2u /* CLOSE_RANGE_UNSHARE, linux/close_range.h */
#define STACK 65536ul
#define PATIENCE_NS 50000000ull

static enum { NOT_STARTED, STARTING, STARTED, NO_THREAD } asker;
static uint64_t began;            /* to start it */
static int tid;                   /* asked for */
static bool is_asleep;            /* the answer */
static uint32_t question, answer; /* futexes */

static bool look(int of, bool own_table)
{
    char path[64] = "/proc/self/task/", num[24], buf[128], *paren;
    long fd, n;

    strcat(strcat(path, vthr_utoa((uint64_t)of, num)), "/stat");
    fd = SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (!own_table)
        fd = hidden_out_of_the_way((int)fd); /* at once: the read takes much longer */
    n = SYS3(SYS_read, fd, buf, sizeof buf - 1);
    SYS1(SYS_close, fd);
    buf[n > 0 ? n : 0] = 0;
    paren = strrchr(buf, ')');
    return paren && (paren[2] == 'S' || paren[2] == 'D');
}

static void *asker_main(void *arg)
{
    bool own_table = SYS3(SYS_close_range, 0, ~0u, OWN_TABLE) == 0;

    (void)arg;
    native_hurry(true);
    for (uint32_t done = 0;;) {
        uint32_t now = load_acquire(&question);

        if (now == done) {
            sys_futex_wait(&question, now, NO_DEADLINE);
            continue;
        }
        is_asleep = look(tid, own_table);
        store_release(&answer, done = now);
        sys_futex_wake(&answer, 1);
    }
    return NULL;
}

static void start_asker(void)
{
    store_release(&asker, native_start(asker_main, NULL, STACK) ? NO_THREAD : STARTED);
}

static void begin_asker(void)
{
    asker = STARTING;
    began = now_ns();
    if (!starter_do(start_asker))
        start_asker();
}

enum asleep asleep_ask(int of)
{
    uint32_t mine = question + 1, seen;

    if (asker == NOT_STARTED)
        begin_asker();
    if (load_acquire(&asker) == STARTING && now_ns() - began < PATIENCE_NS)
        return ASK_AGAIN;
    if (load_acquire(&asker) != STARTED)
        return look(of, false) ? ASLEEP : AWAKE;
    tid = of;
    store_release(&question, mine);
    sys_futex_wake(&question, 1);
    while ((seen = load_acquire(&answer)) != mine)
        sys_futex_wait(&answer, seen, NO_DEADLINE);
    return is_asleep ? ASLEEP : AWAKE;
}

void asleep_reset_child(void)
{
    asker = NOT_STARTED;
    question = answer = 0;
}
