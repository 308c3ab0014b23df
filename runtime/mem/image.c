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
 * template but for its resolver state; dynamic TLS blocks and second level key blocks are freed.
 *
 * Rejected: putting images on glibc's own thread lists (their lock has no exported name). */
#include "runtime/mem/image.h"
#include "runtime/base/lock.h"
#include "runtime/base/real.h"
#include "runtime/base/sys.h"
#include "runtime/mem/slab.h"
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
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
    char *tls;                   /* pristine TLS, tls_below bytes; protected by tls_lock */
    size_t libc_lo, libc_hi;     /* libc's own part of it */
    bool stale;                  /* a module came or went since */
} t;
static struct vthr_lock tls_lock = VTHR_LOCK_INIT(RANK_LEAF);

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
    size_t total;

    ld.allocate_tls = vthr_real_symbol("_dl_allocate_tls");
    ld.allocate_tls_init = vthr_real_symbol("_dl_allocate_tls_init");
    ld.get_static_info = vthr_real_symbol("_dl_get_tls_static_info");
    ld.ctype_init = vthr_real_symbol("__ctype_init");
    ld.call_tls_dtors = vthr_real_symbol("__call_tls_dtors");
    ld.rseq_offset = vthr_real_symbol("__rseq_offset");
    ld.rseq_size = vthr_real_symbol("__rseq_size");
    if (!size || !ld.allocate_tls || !ld.allocate_tls_init || !ld.get_static_info || !ld.ctype_init || !ld.call_tls_dtors)
        return -ENOSYS;
    if (db_offset("_thread_db_pthread_tid", 32, &vthr_image.off_tid) ||
        db_offset("_thread_db_pthread_list", 128, &vthr_image.off_list) ||
        db_offset("_thread_db_pthread_dtvp", 64, &vthr_image.off_dtv) ||
        db_offset("_thread_db_pthread_cancelhandling", 32, &vthr_image.off_cancel) ||
        db_offset("_thread_db_pthread_specific", 0, &vthr_image.off_specific))
        return -ENOSYS;
    vthr_image.pd_size = *size;
    ld.get_static_info(&total, &vthr_image.tls_align);
    vthr_image.tls_below = total - vthr_image.pd_size;
    return vthr_image.pd_size > MAX_PD || total < vthr_image.pd_size ? -ENOSYS : 0;
}

/* Runs on the native template thread. */
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
    void **resp = vthr_real_symbol("__resp");
    if (resp) {
        t.resp = (char *)resp - tp;
        t.have_resp = true;
        if ((char *)*resp > tp && (char *)*resp < tp + vthr_image.pd_size)
            t.off_res = (size_t)((char *)*resp - tp);
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

/* A pristine image, kept for its TLS.  It is never run. */
static int make_tls_template(void)
{
    size_t align = vthr_image.tls_align;
    size_t below = (vthr_image.tls_below + align - 1) & ~(align - 1);
    static char *tp;

    if (!tp) {
        char *mem = meta_alloc(below + vthr_image.pd_size + align);

        if (!mem)
            return -ENOMEM;
        tp = (char *)(((uintptr_t)mem + below + align - 1) & ~(align - 1));
        memcpy(tp, t.pd, vthr_image.pd_size);
        *(void **)tp = tp;
        *(void **)(tp + vthr_image.off_dtv) = NULL;
        if (!ld.allocate_tls(tp))
            return -ENOMEM;
    } else {
        ld.allocate_tls_init(tp, true);
    }
    t.tls = tp - vthr_image.tls_below;
    return 0;
}

int image_init(const char **why)
{
    int r;

    if (t.tls)
        return 0;
    *why = "this glibc's thread layout is unknown: see docs/internals.md, \"Thread image\"";
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
    return make_tls_template();
}

void image_modules_changed(void)
{
    store_release(&t.stale, true);
}

static void refresh_tls(void)
{
    if (likely(!load_acquire(&t.stale)))
        return;
    lock(&tls_lock);
    if (t.stale) {
        t.stale = false;
        make_tls_template();
    }
    unlock(&tls_lock);
}

static void set_words(char *tp, uint32_t tid)
{
    for (unsigned i = 0; i < t.n_relocs; i++)
        *(uintptr_t *)(tp + t.relocs[i]) = *(uintptr_t *)(t.pd + t.relocs[i]) + (uintptr_t)tp;
    *image_tid(tp) = tid;
    /* fork's __reclaim_stacks unlinks the forking thread: a node linked to itself survives that. */
    void **node = (void **)(tp + vthr_image.off_list);
    node[0] = node[1] = node;
    /* The stack guard and pointer guard are the same for all threads, and copied with the template. */
}

int image_create(void *tp_, uint32_t tid)
{
    char *tp = tp_;

    refresh_tls();
    memcpy(tp, t.pd, vthr_image.pd_size);
    *(void **)(tp + vthr_image.off_dtv) = NULL;
    set_words(tp, tid);
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

static void copy_pd(char *tp)
{
    void *dtv = *(void **)(tp + vthr_image.off_dtv);
    size_t keep = t.off_res ? t.off_res : vthr_image.pd_size;
    size_t rest = keep + (t.off_res ? sizeof(struct __res_state) : 0);

    memcpy(tp, t.pd, keep);
    if (rest < vthr_image.pd_size)
        memcpy(tp + rest, t.pd + rest, vthr_image.pd_size - rest);
    *(void **)(tp + vthr_image.off_dtv) = dtv;
}

void image_reset(void *tp_, uint32_t tid)
{
    char *tp = tp_, *tls = tp - vthr_image.tls_below;

    refresh_tls();
    free_key_blocks(tp);
    free_dynamic_tls(tp);
    copy_pd(tp);
    set_words(tp, tid);
    memcpy(tls, t.tls, t.libc_lo);
    memcpy(tls + t.libc_hi, t.tls + t.libc_hi, vthr_image.tls_below - t.libc_hi);
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
    lock_init(&tls_lock, RANK_LEAF);
    t.stale = true; /* another thread may have been making it */
}
