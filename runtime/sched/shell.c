/* Shells.
 *
 * Layout of a shell's block, low to high:
 *     guard | stack ... | static TLS | struct pthread (TCB) | struct vthread
 * The image is added to what the program asked for, never taken out of it.  With a stack of the program's own the
 * block holds the image only.
 *
 * What every thread touches, the image and the first frames, begins at a multiple of SLAB_ALIGN, eight pages.  A hypervisor that shadows
 * page tables (KVM on x86 without nested paging) fills its own at the first access, with the pages beside it in their group of eight, as
 * far as they are present from the group's first on (FNAME(pte_prefetch) in Linux's arch/x86/kvm/mmu/paging_tmpl.h): one exit
 * of 23 us here instead of one for each page, 31 us.
 *
 * Free shells are kept by class (stack size, guard) last-in first-out, so that the hottest is used first.  Beyond
 * VTHR_CACHE of them in a class, the stack pages of a returned one go back to the kernel; its image stays, because libc
 * state in it (malloc's cache) can be neither freed nor lost.
 *
 * A number (tid) belongs to a shell and is used again with it.  `vthr_registry[i]` is written once, when i is handed out.
 * Protected by `lk`: classes and their lists, the count. */
#include "runtime/sched/shell.h"
#include "runtime/arch/valgrind.h"
#include "runtime/base/options.h"
#include "runtime/base/lock.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include <stddef.h>
#include <string.h>

#define PAGE 4096ul
#define FIRST_FRAMES 1024
#define MAX_SHELLS VTHR_TID_INDEX

struct shell_class {
    struct shell_class *next;
    size_t stack, guard, tail, block;
    struct vthread *hot, *cold;
    unsigned n_hot;
};

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SHELLS);
static struct shell_class *classes;
uint32_t vthr_nshells; /* how many entries of the registry are in use */
struct vthread **vthr_registry;


static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}
static size_t vthread_offset(void) /* from the thread pointer */
{
    return round_up(vthr_image.pd_size, VTHR_CACHELINE);
}
static size_t image_bytes(void)
{
    return round_up(vthr_image.tls_below, vthr_image.tls_align) + vthread_offset() +
           round_up(sizeof(struct vthread), VTHR_CACHELINE);
}
/* Unused at the block's end, so that what is touched begins a group of pages. */
static size_t tail_bytes(void)
{
    size_t touched = round_up(image_bytes() + FIRST_FRAMES, PAGE);

    return round_up(touched, SLAB_ALIGN) - touched;
}

/* lk held. */
static struct shell_class *find_class(size_t stack, size_t guard)
{
    struct shell_class *c;

    for (c = classes; c; c = c->next)
        if (c->stack == stack && c->guard == guard)
            return c;
    c = meta_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->stack = stack;
    c->guard = guard;
    c->tail = stack ? tail_bytes() : 0;
    c->block = round_up(guard + stack + image_bytes() + c->tail, stack ? SLAB_ALIGN : PAGE);
    c->next = classes;
    classes = c;
    return c;
}

/* What a thread touches at the least: its image and the first frames. */
static void populate(const struct shell_class *c, char *block, char *tp)
{
    uintptr_t lo = (uintptr_t)tp - vthr_image.tls_below - (c->stack ? FIRST_FRAMES : 0);

    lo &= ~(PAGE - 1);
    slab_populate((void *)lo, (uintptr_t)block + c->block - c->tail - lo);
}

static struct vthread *place(struct shell_class *c, char *block)
{
    uintptr_t end = (uintptr_t)block + c->block - c->tail - round_up(sizeof(struct vthread), VTHR_CACHELINE);
    uintptr_t align = vthr_image.tls_align > VTHR_CACHELINE ? vthr_image.tls_align : VTHR_CACHELINE;
    char *tp = (char *)((end - vthread_offset()) & ~(align - 1));
    struct vthread *v = (struct vthread *)(tp + vthread_offset());

    populate(c, block, tp);
    v->pd = tp;
    v->block = block;
    v->cls = c;
    return v;
}

/* lk held. */
static bool register_shell(struct vthread *v)
{
    if (!vthr_registry)
        vthr_registry = meta_alloc(MAX_SHELLS * sizeof *vthr_registry);
    if (!vthr_registry || vthr_nshells == MAX_SHELLS)
        return false;
    v->tid = v->number = VTHR_TID_BASE + 1 + vthr_nshells;
    store_release(&vthr_registry[vthr_nshells], v);
    store_release(&vthr_nshells, vthr_nshells + 1);
    return true;
}

static struct vthread *make(struct shell_class *c)
{
    char *block = slab_alloc(c->block, c->guard);
    struct vthread *v;
    bool ok;

    if (!block)
        return NULL;
    v = place(c, block);
    lock(&lk);
    ok = register_shell(v);
    unlock(&lk);
    if (!ok || image_create(v->pd, v->tid))
        return NULL;
    return v;
}

static struct vthread *take_free(struct shell_class *c)
{
    struct vthread *v = c->hot;

    if (v) {
        c->hot = v->next_free;
        c->n_hot--;
    } else if ((v = c->cold)) {
        c->cold = v->next_free;
    }
    return v;
}

static uint32_t next_number(uint32_t number)
{
    uint32_t times = number / VTHR_TID_BASE;

    return (number & VTHR_TID_INDEX) | (times < VTHR_TID_TIMES ? times + 1 : 1) * VTHR_TID_BASE;
}

static void renew(struct vthread *v)
{
    uint32_t number = v->number;
    uint64_t word = v->w.word; /* tickets go on counting: a late waker of the last life must not match */
    void *pd = v->pd;
    char *block = v->block;
    struct shell_class *c = v->cls;

    memset(v, 0, sizeof *v);
    v->tid = v->number = number;
    v->w.word = word & ~(uint64_t)W_MASK;
    v->w.vt = v;
    v->pd = pd;
    v->block = block;
    v->cls = c;
    v->ctx.tp = (uintptr_t)pd;
}

struct vthread *shell_get(size_t stack, size_t guard, void *user_stack)
{
    size_t own = user_stack ? 0 : round_up(stack, PAGE);
    struct shell_class *c;
    struct vthread *v;

    guard = user_stack ? 0 : round_up(guard, PAGE);
    lock(&lk);
    c = find_class(own, guard);
    v = c ? take_free(c) : NULL;
    unlock(&lk);
    if (v) {
        store_relaxed(&v->number, next_number(v->number));
        image_reset(v->pd, v->number);
    } else {
        v = c ? make(c) : NULL;
        if (!v)
            return NULL;
    }
    renew(v);
    v->user_stack = user_stack;
    v->guard_size = guard;
    v->stack_lo = user_stack ? user_stack : v->block + guard;
    v->stack_size = user_stack ? stack : (size_t)((char *)shell_stack_top(v) - v->stack_lo);
    if (user_stack)
        v->stack_known = arch_stack_is(user_stack, (char *)user_stack + stack);
    return v;
}

void *shell_stack_top(struct vthread *v)
{
    uintptr_t top;

    if (v->user_stack)
        top = (uintptr_t)v->user_stack + v->stack_size;
    else
        top = (uintptr_t)v->pd - round_up(vthr_image.tls_below, vthr_image.tls_align);
    return (void *)(top & ~(uintptr_t)15);
}

void shell_put(struct vthread *v)
{
    struct shell_class *c = v->cls;
    bool cold;

    v->life = VT_FREE;
    if (v->user_stack)
        arch_stack_was(v->stack_known);
    lock(&lk);
    cold = c->n_hot >= vthr_config.cache;
    if (!cold) {
        v->next_free = c->hot;
        c->hot = v;
        c->n_hot++;
    }
    unlock(&lk);
    if (!cold)
        return;
    if (!v->user_stack && c->stack) {
        char *lo = v->block + c->guard;
        char *hi = (char *)((uintptr_t)shell_stack_top(v) & ~(PAGE - 1));

        slab_discard(lo, (size_t)(hi - lo));
    }
    lock(&lk);
    v->next_free = c->cold;
    c->cold = v;
    unlock(&lk);
}

uint32_t shell_count(void)
{
    return load_acquire(&vthr_nshells);
}

void shell_reset_child(void)
{
    lock_init(&lk, RANK_SHELLS);
    classes = NULL; /* the parent's stacks may hold what the child still needs: none is used again */
}
