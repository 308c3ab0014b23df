/* The glibc thread image.
 *
 * Protocol.  image_init runs one native thread on a stack of ours, which copies its own struct pthread: the template.
 * Words of it that point into itself are noted and relocated in each copy (tcb, self, robust list, first key block).
 * libthread_db's descriptors (_thread_db_*: {bits, count, offset}, exported for debuggers) give the offsets that have
 * a name there; the offset of `result` is found by what the native thread returned.  _dl_allocate_tls (ld.so)
 * makes TLS and DTV of a fresh image.
 *
 * Recycling.  glibc exports no way to free a dying thread's malloc cache, so an image keeps libc's TLS block and is
 * reset around it: the TLS of all other modules is copied from a pristine image (`tls`), struct pthread from the
 * template but for its resolver state and list node; dynamic TLS blocks and second level key blocks are freed.
 *
 * glibc's list.  A dlopened library with static TLS is initialised by ld.so, before its constructors run, in the
 * threads on glibc's lists, and dlclose waits for those of them that are looking a symbol up.  So every image is on the
 * list of threads with stacks of their own (_dl_stack_user, in _rtld_global at an offset that libthread_db's
 * descriptor tells), from before its TLS is built until the process ends; a free one is a thread that never runs.
 * The list has a lock without a name, but we need none: glibc reads it forwards, adds at its head and removes what it
 * has added.  We append the pristine image once, and insert all others right behind it, under a lock of our own:
 * the words we write (`next` from the pristine node on, `prev` behind it and in the head) are none that glibc
 * writes, and a reader sees a whole list at any moment because nodes of ours are never removed.
 *   - A new image is linked before _dl_allocate_tls, which takes the lock that dlopen holds from the moment that the
 *     library is known until it is initialised: one of the two sees the other.
 *   - A reset races with ld.so, which initialises the pristine image first, then the others: image_reset copies until
 *     the copy equals the pristine image *after* it was written.
 *   - setxid's signals to the numbers of images fail (no such OS thread), which glibc takes for threads that ended.
 *   - libthread_db lists them too, and would show each as an OS thread that has no registers (gdb does, in a core file).  It
 *     leaves out what has a lower priority than it was asked for, so images carry the lowest; glibc looks at that field
 *     only in threads whose scheduling it has set or asked for.  Carriers inherit it from the vthread that starts them.
 *   - In a forked child glibc has made the lists anew, with the forking thread only.
 *
 * Rejected: initialising after dlopen has returned (constructors run before that, and start threads); linking images for
 * the time of a dlopen only (its end cannot be seen: libc wants to return to the caller itself, see
 * preload/x86_64/dlopen.S). */
#include "runtime/mem/image.h"
#include "runtime/base/lock.h"
#include "runtime/base/real.h"
#include "runtime/base/sys.h"
#include "runtime/mem/slab.h"
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <bits/types/res_state.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RELOCS 16
#define MAX_PD 8192
#define TEMPLATE_STACK 65536
#define RESULT_MAGIC ((void *)0x5c3a91e7d2b64f08ul)
#define RSEQ_CPU_ID_OFF 4
#define RSEQ_CPU_ID_FAILED 0xfffffffeu /* RSEQ_CPU_ID_REGISTRATION_FAILED */
#define RSEQ_SIG_ 0x53053053u
#define KEY_BLOCKS 32       /* PTHREAD_KEY_1STLEVEL_SIZE */
#define TLS_UNALLOCATED ((void *)-1l)

struct image_facts vthr_image;
static size_t off_policy, off_priority; /* 32 bits each */

struct dtv_slot {
    void *val, *to_free;
};

static struct {
    char pd[MAX_PD];             /* template of struct pthread */
    size_t relocs[MAX_RELOCS];   /* offsets of words that point into the struct itself */
    unsigned n_relocs;
    size_t off_res;              /* resolver state inside struct pthread, 0 if unknown */
    ptrdiff_t resp;              /* libc's __resp pointer, relative to the thread pointer */
    bool have_resp;
    char *tls;                   /* pristine TLS, tls_below bytes; ld.so writes it */
    size_t libc_lo, libc_hi;     /* libc's own part of it */
} t;

/* list_t of glibc's */
struct list_node {
    struct list_node *next, *prev;
};
static struct {
    struct list_node *head;      /* _dl_stack_user */
    struct list_node *anchor;    /* the pristine image's, NULL while it is not linked */
    struct vthr_lock lk;         /* for linking */
} threads = { .lk = VTHR_LOCK_INIT(RANK_LEAF) };

static struct {
    void *(*allocate_tls)(void *);
    void *(*allocate_tls_init)(void *, bool);
    void (*get_static_info)(size_t *, size_t *);
    void (*ctype_init)(void);
    void (*call_tls_dtors)(void);
    const ptrdiff_t *rseq_offset;
    const unsigned *rseq_size;
} ld;

static int db_offset(const char *name, unsigned want_bits, size_t *out)
{
    const uint32_t *d = vthr_real_symbol(name);

    if (!d || (want_bits && d[0] != want_bits))
        return -ENOSYS;
    *out = d[2];
    return 0;
}

static int find_symbols(void)
{
    const uint32_t *size = vthr_real_symbol("_thread_db_sizeof_pthread");
    char *global = vthr_real_symbol("_rtld_global");
    void **resp = vthr_real_symbol("__resp"); /* the calling thread's: its place is the same in all */
    size_t total, off_user;

    ld.allocate_tls = vthr_real_symbol("_dl_allocate_tls");
    ld.allocate_tls_init = vthr_real_symbol("_dl_allocate_tls_init");
    ld.get_static_info = vthr_real_symbol("_dl_get_tls_static_info");
    ld.ctype_init = vthr_real_symbol("__ctype_init");
    ld.call_tls_dtors = vthr_real_symbol("__call_tls_dtors");
    ld.rseq_offset = vthr_real_symbol("__rseq_offset");
    ld.rseq_size = vthr_real_symbol("__rseq_size");
    if (!size || !global || !ld.allocate_tls || !ld.allocate_tls_init || !ld.get_static_info || !ld.ctype_init || !ld.call_tls_dtors)
        return -ENOSYS;
    if (db_offset("_thread_db_pthread_tid", 32, &vthr_image.off_tid) ||
        db_offset("_thread_db_pthread_list", 128, &vthr_image.off_list) ||
        db_offset("_thread_db_pthread_dtvp", 64, &vthr_image.off_dtv) ||
        db_offset("_thread_db_pthread_cancelhandling", 32, &vthr_image.off_cancel) ||
        db_offset("_thread_db_pthread_specific", 0, &vthr_image.off_specific) ||
        db_offset("_thread_db_pthread_schedpolicy", 32, &off_policy) ||
        db_offset("_thread_db_pthread_schedparam_sched_priority", 32, &off_priority) ||
        db_offset("_thread_db_rtld_global__dl_stack_user", 128, &off_user))
        return -ENOSYS;
    threads.head = (struct list_node *)(global + off_user);
    if (resp) {
        t.resp = (char *)resp - (char *)arch_tp();
        t.have_resp = true;
    }
    vthr_image.pd_size = *size;
    ld.get_static_info(&total, &vthr_image.tls_align);
    vthr_image.tls_below = total - vthr_image.pd_size;
    return vthr_image.pd_size > MAX_PD || total < vthr_image.pd_size ? -ENOSYS : 0;
}

static void set_priority(char *tp, int policy, int priority)
{
    *(int *)(tp + off_policy) = policy;
    *(int *)(tp + off_priority) = priority;
}

void image_is_native(void)
{
    char *tp = arch_tp();

    if (*(int *)(tp + off_priority) == INT_MIN)
        set_priority(tp, SCHED_OTHER, 0);
}

/* Runs on the native template thread.  It must not wait for ld.so's lock: the activating thread may hold it, being in the
 * constructor of a library. */
static void *template_thread(void *arg)
{
    char *tp = arch_tp();

    (void)arg;
    memcpy(t.pd, tp, vthr_image.pd_size);
    for (size_t off = 0; off + 8 <= vthr_image.pd_size; off += 8) {
        uintptr_t w = *(uintptr_t *)(t.pd + off);

        if (w >= (uintptr_t)tp && w < (uintptr_t)tp + vthr_image.pd_size && t.n_relocs < MAX_RELOCS) {
            t.relocs[t.n_relocs++] = off;
            *(uintptr_t *)(t.pd + off) = w - (uintptr_t)tp;
        }
    }
    if (t.have_resp) {
        char *res = *(char **)(tp + t.resp);

        if (res > tp && res < tp + vthr_image.pd_size)
            t.off_res = (size_t)(res - tp);
    }
    return RESULT_MAGIC;
}

static int find_result(const char *tp)
{
    for (size_t off = 0; off + 8 <= vthr_image.pd_size; off += 8)
        if (*(void *const *)(tp + off) == RESULT_MAGIC) {
            vthr_image.off_result = off;
            return 0;
        }
    return -ENOSYS;
}

static int make_template(void)
{
    size_t size = TEMPLATE_STACK + ((vthr_image.tls_below + vthr_image.pd_size + 4095) & ~(size_t)4095);
    char *stack = slab_alloc(size, 0);
    pthread_attr_t attr;
    pthread_t th;
    int r;

    if (!stack)
        return -ENOMEM;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, size);
    r = REAL(pthread_create)(&th, &attr, template_thread, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return -r;
    REAL(pthread_join)(th, NULL);
    /* The stack is ours: the struct can still be read. */
    r = find_result((const char *)th);
    *image_tid(t.pd) = 0; /* so that no image shows this number, not for a moment */
    set_priority(t.pd, SCHED_BATCH, INT_MIN);
    if (ld.rseq_offset && ld.rseq_size && *ld.rseq_size && *ld.rseq_offset >= 0) {
        uint32_t *rseq = (uint32_t *)(t.pd + *ld.rseq_offset);

        rseq[0] = 0;
        rseq[RSEQ_CPU_ID_OFF / 4] = RSEQ_CPU_ID_FAILED;
    }
    return r;
}

static int libc_tls_range(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t inside = (uintptr_t)vthr_real_symbol("__ctype_init");
    bool is_libc = false;
    size_t memsz = 0;

    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && inside - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz)
            is_libc = true;
        if (ph->p_type == PT_TLS)
            memsz = ph->p_memsz;
    }
    if (!is_libc)
        return 0;
    if (memsz && info->dlpi_tls_data) {
        size_t below = (size_t)((char *)arch_tp() - (char *)info->dlpi_tls_data);

        t.libc_lo = vthr_image.tls_below - below;
        t.libc_hi = t.libc_lo + memsz;
    }
    return 1;
}

static void set_words(char *tp, uint32_t tid)
{
    for (unsigned i = 0; i < t.n_relocs; i++)
        *(uintptr_t *)(tp + t.relocs[i]) = *(uintptr_t *)(t.pd + t.relocs[i]) + (uintptr_t)tp;
    *image_tid(tp) = tid;
    /* The stack guard and pointer guard are the same for all threads, and copied with the template. */
}

static struct list_node *list_node(char *tp)
{
    return (struct list_node *)(tp + vthr_image.off_list);
}

/* Appends the pristine image's node.  The list's last thread is the process's first, which never leaves it. */
static int link_anchor(struct list_node *n)
{
    struct list_node *head = threads.head, *last = head->prev;

    if (!last || last->next != head || head->next->prev != head)
        return -ENOSYS;
    n->next = head;
    n->prev = last;
    head->prev = n;
    store_release(&last->next, n);
    threads.anchor = n;
    return 0;
}

static void link_image(struct list_node *n)
{
    struct list_node *anchor = threads.anchor;

    lock(&threads.lk);
    n->prev = anchor;
    n->next = anchor->next;
    n->next->prev = n;
    store_release(&anchor->next, n);
    unlock(&threads.lk);
}

/* A pristine image, kept for its TLS.  It is never run. */
static int make_pristine(void)
{
    size_t align = vthr_image.tls_align;
    size_t below = (vthr_image.tls_below + align - 1) & ~(align - 1);
    char *mem = meta_alloc(below + vthr_image.pd_size + align);
    char *tp;
    int r;

    if (!mem)
        return -ENOMEM;
    tp = (char *)(((uintptr_t)mem + below + align - 1) & ~(align - 1));
    memcpy(tp, t.pd, vthr_image.pd_size);
    set_words(tp, 0);
    *(void **)(tp + vthr_image.off_dtv) = NULL;
    r = link_anchor(list_node(tp));
    if (r)
        return r;
    if (!ld.allocate_tls(tp))
        return -ENOMEM;
    t.tls = tp - vthr_image.tls_below;
    return 0;
}

/* In a forked child that makes threads: libraries may have come since glibc forgot the pristine image. */
static int renew_pristine(void)
{
    char *tp = t.tls + vthr_image.tls_below;
    int r = link_anchor(list_node(tp));

    if (r)
        return r;
    ld.allocate_tls_init(tp, true);
    return 0;
}

int image_init(const char **why)
{
    int r;

    *why = "this glibc's thread layout is unknown: see docs/internals.md, \"Thread image\"";
    if (threads.anchor)
        return 0;
    if (t.tls)
        return renew_pristine();
    r = find_symbols();
    if (r)
        return r;
    t.n_relocs = 0;
    r = make_template();
    if (r) {
        if (r != -ENOSYS)
            *why = "cannot create a thread";
        return r;
    }
    dl_iterate_phdr(libc_tls_range, NULL);
    if (t.libc_hi == 0)
        return -ENOSYS;
    return make_pristine();
}

int image_create(void *tp_, uint32_t tid)
{
    char *tp = tp_;

    memcpy(tp, t.pd, vthr_image.pd_size);
    *(void **)(tp + vthr_image.off_dtv) = NULL;
    set_words(tp, tid);
    link_image(list_node(tp));
    if (!ld.allocate_tls(tp))
        return -ENOMEM;
    if (t.have_resp && t.off_res)
        *(void **)(tp + t.resp) = tp + t.off_res;
    return 0;
}

static void free_dynamic_tls(char *tp)
{
    struct dtv_slot *dtv = *(struct dtv_slot **)(tp + vthr_image.off_dtv);
    size_t n = (size_t)dtv[-1].val;

    for (size_t i = 1; i <= n; i++)
        if (dtv[i].to_free) {
            free(dtv[i].to_free);
            dtv[i].to_free = NULL;
            dtv[i].val = TLS_UNALLOCATED;
        }
}

static void free_key_blocks(char *tp)
{
    void **blocks = (void **)(tp + vthr_image.off_specific);

    for (int i = 1; i < KEY_BLOCKS; i++)
        if (blocks[i]) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
}

static void copy_part(char *tp, size_t from, size_t to)
{
    if (from < to)
        memcpy(tp + from, t.pd + from, to - from);
}

/* Of struct pthread all but what belongs to the memory and not to the thread: the resolver's state, the list node, the DTV. */
static void copy_pd(char *tp)
{
    void *dtv = *(void **)(tp + vthr_image.off_dtv);
    size_t list = vthr_image.off_list, res = t.off_res ? t.off_res : vthr_image.pd_size;
    size_t res_end = t.off_res ? res + sizeof(struct __res_state) : res;
    size_t list_end = list + sizeof(struct list_node);

    copy_part(tp, 0, list < res ? list : res);
    if (list < res)
        copy_part(tp, list_end, res);
    else
        copy_part(tp, res_end, list);
    copy_part(tp, list < res ? res_end : list_end, vthr_image.pd_size);
    *(void **)(tp + vthr_image.off_dtv) = dtv;
}

/* [lo, hi) of the pristine TLS.  dlopen may be writing a library's initial data there and then here: what was copied
 * too early, over the initialised data, is seen to differ afterwards.  (On a weakly ordered CPU ld.so's two writes need
 * not be seen in this order: use ld.allocate_tls_init there, and put libc's part back.) */
static void copy_tls(char *tls, size_t lo, size_t hi)
{
    do {
        memcpy(tls + lo, t.tls + lo, hi - lo);
        fence_seq_cst();
    } while (unlikely(memcmp(tls + lo, t.tls + lo, hi - lo)));
}

void image_reset(void *tp_, uint32_t tid)
{
    char *tp = tp_, *tls = tp - vthr_image.tls_below;

    free_key_blocks(tp);
    free_dynamic_tls(tp);
    copy_pd(tp);
    set_words(tp, tid);
    copy_tls(tls, 0, t.libc_lo);
    copy_tls(tls, t.libc_hi, vthr_image.tls_below);
}

void image_enter(void)
{
    ld.ctype_init();
    errno = 0;
}

void image_run_tls_dtors(void)
{
    ld.call_tls_dtors();
}

void image_unregister_rseq(void)
{
    if (!ld.rseq_offset || !ld.rseq_size || !*ld.rseq_size)
        return;
    uint32_t *rseq = (uint32_t *)((char *)arch_tp() + *ld.rseq_offset);
    /* 32: the length that glibc registers, whatever part of it is in use. */
    SYS4(SYS_rseq, rseq, 32, 1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG_);
    rseq[RSEQ_CPU_ID_OFF / 4] = RSEQ_CPU_ID_FAILED;
}

void image_reset_child(void)
{
    lock_init(&threads.lk, RANK_LEAF);
    threads.anchor = NULL;
    image_is_native();
}
