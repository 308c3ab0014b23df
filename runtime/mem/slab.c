/* Stack slabs.
 *
 * Each size has a bump cursor in its current mapping; a new mapping is made when it is used up.  Mapping many stacks at
 * once keeps the number of VMAs far below vm.max_map_count (65530): a guard made with MADV_GUARD_INSTALL (Linux
 * 6.13, madvise(2)) lives in the page table and splits nothing.  On older kernels a guard is an mprotect, two VMAs
 * a stack, and the limit is said when it is hit.  MADV_NOHUGEPAGE: a huge page would commit 2 MiB for a 4 KiB use.
 * Where there is memory for many, the first begins at a multiple of SLAB_ALIGN, so all do whose size is one.
 *
 * Protected by `lk`: everything here. */
#include "runtime/mem/slab.h"
#include "runtime/arch/valgrind.h"
#include "runtime/base/lock.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include <errno.h>
#include <sys/mman.h>

#define MADV_GUARD_INSTALL_ 102
#define MADV_POPULATE_WRITE_ 23 /* Linux 5.14 */
#define PAGE 4096ul
#define SLAB_BYTES (64ul << 20)
#define SLAB_MAX_BLOCKS 64ul
#define MAX_SIZES 64

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SLABS);
static struct cursor {
    size_t size, guard;
    char *next, *end;
    char *guarded; /* blocks below it have their guards */
    unsigned batch; /* guards made at once */
} cursors[MAX_SIZES];
static unsigned n_cursors;
static char *meta_next, *meta_end; /* for meta_alloc */

static long real_mmap(size_t len)
{
    long a = SYS6(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (a > 0 || a < -4095)
        SYS3(SYS_madvise, a, len, MADV_NOHUGEPAGE);
    return a;
}
static long real_guard(void *addr, size_t len)
{
    static bool no_madvise;
    long r;

    if (!load_relaxed(&no_madvise)) {
        r = SYS3(SYS_madvise, addr, len, MADV_GUARD_INSTALL_);
        if (r != -EINVAL)
            return r;
        store_relaxed(&no_madvise, true);
    }
    return SYS3(SYS_mprotect, addr, len, PROT_NONE);
}
static long real_discard(void *addr, size_t len)
{
    return SYS3(SYS_madvise, addr, len, MADV_DONTNEED);
}
static long real_populate(void *addr, size_t len)
{
    static bool none;
    long r = 0;

    if (!load_relaxed(&none) && (r = SYS3(SYS_madvise, addr, len, MADV_POPULATE_WRITE_)) == -EINVAL)
        store_relaxed(&none, true);
    return r;
}

struct slab_ops vthr_slab_ops = { real_mmap, real_guard, real_discard, real_populate };

static bool is_error(long r)
{
    return r < 0 && r >= -4095;
}

static struct cursor *find_cursor(size_t size, size_t guard)
{
    for (unsigned i = 0; i < n_cursors; i++)
        if (cursors[i].size == size && cursors[i].guard == guard)
            return &cursors[i];
    /* More sizes than slots: the last one changes hands, its unused rest is lost. */
    struct cursor *c = &cursors[n_cursors < MAX_SIZES ? n_cursors++ : MAX_SIZES - 1];
    *c = (struct cursor){ .size = size, .guard = guard, .batch = 1 };
    return c;
}

static bool refill(struct cursor *c)
{
    size_t n = SLAB_BYTES / c->size;
    long a;

    if (n > SLAB_MAX_BLOCKS || n < 1)
        n = n < 1 ? 1 : SLAB_MAX_BLOCKS;
    if (c->size > SLAB_BYTES / SLAB_MAX_BLOCKS) /* big stacks: address space is cheap, mappings are not */
        n = SLAB_MAX_BLOCKS;
    for (;; n = 1) { /* under RLIMIT_AS one block may still fit where many do not */
        a = vthr_slab_ops.mmap(n * c->size + (n > 1 ? SLAB_ALIGN - PAGE : 0));
        if (!is_error(a))
            break;
        if (n == 1)
            return false;
    }
    if (n > 1)
        a = (long)(((uintptr_t)a + SLAB_ALIGN - 1) & ~(SLAB_ALIGN - 1));
    c->next = c->guarded = (char *)a;
    c->end = c->next + n * c->size;
    return true;
}

/* The next blocks' guards, more of them each time.  Made ahead: a guard lies beside the used end of the block below it, and a write to a
 * page table that is in use by the processor is dear under some hypervisors (17 us instead of 2 seen). */
static bool make_guards(struct cursor *c)
{
    long r = 0;

    for (unsigned i = 0; i < c->batch && c->guarded < c->end; i++) {
        r = c->guard ? vthr_slab_ops.guard(c->guarded, c->guard) : 0;
        if (is_error(r))
            break;
        c->guarded += c->size;
    }
    if (c->guarded > c->next) {
        c->batch += c->batch < SLAB_MAX_BLOCKS ? c->batch : 0;
        return true;
    }
    if (r == -ENOMEM) {
        static bool said;

        if (!said)
            vthr_say("stack guard: the kernel refused another mapping: raise vm.max_map_count", NULL);
        said = true;
    }
    return false;
}

void *slab_alloc(size_t size, size_t guard)
{
    char *p = NULL;

    lock(&lk);
    struct cursor *c = find_cursor(size, guard);
    if ((c->next != c->end || refill(c)) && (c->next != c->guarded || make_guards(c))) {
        p = c->next;
        c->next += size;
    }
    unlock(&lk);
    if (p)
        arch_stack_is(p + guard, p + size);
    return p;
}

void slab_discard(void *addr, size_t len)
{
    if (len)
        vthr_slab_ops.discard(addr, len);
}

void slab_populate(void *addr, size_t len)
{
    vthr_slab_ops.populate(addr, len);
}

void *meta_alloc(size_t size)
{
    char *p = NULL;

    size = (size + 63) & ~(size_t)63;
    if (size >= 65536) {
        long a = SYS6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return is_error(a) ? NULL : (void *)a;
    }
    lock(&lk);
    if ((size_t)(meta_end - meta_next) < size) {
        long a = SYS6(SYS_mmap, 0, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (is_error(a))
            goto out;
        meta_next = (char *)a;
        meta_end = meta_next + 262144;
    }
    p = meta_next;
    meta_next += size;
out:
    unlock(&lk);
    return p;
}

void slab_reset_child(void)
{
    lock_init(&lk, RANK_SLABS);
    n_cursors = 0;
    meta_next = meta_end = NULL;
}
