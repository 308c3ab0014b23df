/* See stdio.h.
 *
 * A stream calls its operations through a table of functions in libc.  libc checks that the table's address is one of its own,
 * not what is in it, so the slots for reading, writing and closing a descriptor are replaced in place: by one store each, after
 * the pages, which the linker made read-only, were opened.  That is done at activation and never undone.
 *
 * Protocol.  Nothing is touched unless all looks as expected: the tables are found by their contents (read, write, seek and stat
 * of libc's file streams in the places where they belong), and those of byte streams, of wide streams and of popen must be
 * among them.  The functions put there do what libc's do, with io_read and io_write in the place of the system call.  They pass
 * the call on to libc's where nothing can park: on native threads, in a child (forked or vforked), and inside an announced call
 * (getaddrinfo reads /etc/hosts through a stream).
 *
 * The stream's lock stays libc's.  A vthread that parks here holds it, as a thread that blocks does; its owner is the vthread's
 * own TCB, so it can migrate meanwhile.  Whoever wants the same lock parks too: see sched/liblock.h. */
#include "runtime/io/stdio.h"
#include "runtime/base/real.h"
#include "runtime/io/blocking.h"
#include "runtime/io/fdtab.h"
#include "runtime/io/hidden.h"
#include "runtime/io/io.h"
#include "runtime/io/linger.h"
#include "runtime/sched/liblock.h"
#include "runtime/sched/sched.h"
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>

/* Places in a table. */
enum { SLOT_READ = 14, SLOT_WRITE, SLOT_SEEK, SLOT_CLOSE, SLOT_STAT, SLOTS = 21 };
/* glibc: libio.h.  The stream was opened with "c": its calls are no cancellation points. */
#define FLAGS2_NOTCANCEL 2
#define FLAGS_ERROR 0x20

#define MAX_TABLES 16

typedef ssize_t read_fn(FILE *, void *, ssize_t);
typedef ssize_t write_fn(FILE *, const void *, ssize_t);
typedef int close_fn(FILE *);

static struct {
    read_fn *read;
    write_fn *write;
    close_fn *close, *proc_close;
    void *seek, *stat;
    void **file_table, **wfile_table;
} libc;
static bool redirected;

bool stdio_redirected(void)
{
    return load_relaxed(&redirected);
}

/* --- The functions in the tables --- */

/* Who may park for a stream. */
static struct vthread *parkable(void)
{
    struct vthread *v = vthr_parkable();

    return v && !v->blocked_in ? v : NULL;
}

/* Around calls for streams that are no cancellation points. */
static int cancel_hold(const FILE *f)
{
    int was = -1;

    if (unlikely(f->_flags2 & FLAGS2_NOTCANCEL))
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
    return was;
}
static void cancel_unhold(int was)
{
    if (unlikely(was >= 0))
        pthread_setcancelstate(was, NULL);
}

/* The stream's lock is held here, and others may park for it.  Cancellation leaves by unwinding. */
static void unhold(const void **lock)
{
    if (*lock)
        liblock_unhold(*lock);
}
static long read_holding(struct vthread *v, FILE *f, void *buf, size_t n)
{
    __attribute__((cleanup(unhold))) const void *lock = f->_lock;

    if (lock)
        liblock_hold(lock);
    return io_read(v, f->_fileno, buf, n);
}
static long write_holding(struct vthread *v, FILE *f, const void *buf, size_t n)
{
    __attribute__((cleanup(unhold))) const void *lock = f->_lock;

    if (lock)
        liblock_hold(lock);
    return io_write(v, f->_fileno, buf, n);
}

static ssize_t file_read(FILE *f, void *buf, ssize_t n)
{
    struct vthread *v = parkable();
    int hold;
    long r;

    if (!v)
        return libc.read(f, buf, n);
    hold = cancel_hold(f);
    r = read_holding(v, f, buf, (size_t)n);
    cancel_unhold(hold);
    if (r < 0) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

/* All of it, or the stream is marked as broken.  Returns how much was written. */
static ssize_t file_write(FILE *f, const void *buf, ssize_t n)
{
    struct vthread *v = parkable();
    ssize_t done = 0;
    int hold;

    if (!v)
        return libc.write(f, buf, n);
    hold = cancel_hold(f);
    while (done < n) {
        long r = write_holding(v, f, (const char *)buf + done, (size_t)(n - done));

        if (r < 0) {
            errno = (int)-r;
            f->_flags |= FLAGS_ERROR;
            break;
        }
        done += r;
    }
    cancel_unhold(hold);
    if (f->_offset >= 0)
        f->_offset += done;
    return done;
}

static int file_close(FILE *f)
{
    int fd = f->_fileno, r;

    if (!fd_tracked())
        return libc.close(f);
    if (hidden_is(fd)) {
        errno = EBADF;
        return -1;
    }
    if (parkable())
        linger_wait(vthr_self, fd);
    fd_close_begin(fd);
    r = libc.close(f);
    fd_close_end(fd);
    return r;
}

/* libc's function for a stream of popen closes the descriptor and then waits for the child, when the number may be in use again: a
 * bracket around it all would last too long.  So the pipe is closed here, by one call that puts what is no open file to anybody in
 * its place, for libc to close. */
static void close_pipe(int fd)
{
    int nothing = (int)SYS4(SYS_openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);

    fd_close_begin(fd);
    if (nothing >= 0)
        SYS3(SYS_dup3, nothing, fd, O_CLOEXEC);
    fd_close_end(fd);
    if (nothing >= 0)
        SYS1(SYS_close, nothing);
}

static int proc_close(FILE *f)
{
    struct vthread *v = parkable();
    int r, e;

    if (fd_tracked() && !hidden_is(f->_fileno))
        close_pipe(f->_fileno);
    if (!v)
        return libc.proc_close(f);
    block_begin(v, true);
    r = libc.proc_close(f);
    e = errno;
    block_end(v);
    errno = e;
    return r;
}

/* --- Putting them there --- */

struct libc_image {
    uintptr_t lo, hi;             /* everything that is loaded */
    uintptr_t relro_lo, relro_hi; /* read-only after relocation */
};

static int is_image(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct libc_image *im = arg, it = { UINTPTR_MAX, 0, 0, 0 };
    uintptr_t at = (uintptr_t)libc.file_table;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t lo = info->dlpi_addr + p->p_vaddr, hi = lo + p->p_memsz;

        if (p->p_type == PT_GNU_RELRO) {
            it.relro_lo = lo;
            it.relro_hi = hi;
        } else if (p->p_type == PT_LOAD) {
            it.lo = lo < it.lo ? lo : it.lo;
            it.hi = hi > it.hi ? hi : it.hi;
        }
    }
    if (at < it.relro_lo || at >= it.relro_hi)
        return 0;
    *im = it;
    return 1;
}

static bool find_names(struct libc_image *im)
{
    void *fn[6];

    libc.file_table = vthr_real_symbol("_IO_file_jumps");
    libc.wfile_table = vthr_real_symbol("_IO_wfile_jumps");
    libc.read = (read_fn *)(fn[0] = vthr_real_symbol("_IO_file_read"));
    libc.write = (write_fn *)(fn[1] = vthr_real_symbol("_IO_file_write"));
    libc.close = (close_fn *)(fn[2] = vthr_real_symbol("_IO_file_close"));
    libc.proc_close = (close_fn *)(fn[3] = vthr_real_symbol("_IO_proc_close"));
    libc.seek = fn[4] = vthr_real_symbol("_IO_file_seek");
    libc.stat = fn[5] = vthr_real_symbol("_IO_file_stat");
    if (!libc.file_table || !libc.wfile_table || !dl_iterate_phdr(is_image, im))
        return false;
    for (int i = 0; i < 6; i++)
        if ((uintptr_t)fn[i] < im->lo || (uintptr_t)fn[i] >= im->hi)
            return false;
    return true;
}

static bool is_table(void **t)
{
    return !t[0] && !t[1] && t[SLOT_READ] == (void *)libc.read && t[SLOT_WRITE] == (void *)libc.write &&
           t[SLOT_SEEK] == libc.seek && t[SLOT_STAT] == libc.stat;
}

/* 0: not as expected. */
static int find_tables(const struct libc_image *im, void **found[MAX_TABLES])
{
    void **end = (void **)im->relro_hi - SLOTS;
    bool file = false, wfile = false, proc = false;
    int n = 0;

    for (void **t = (void **)((im->relro_lo + 7) & ~(uintptr_t)7); t <= end; t++) {
        if (!is_table(t))
            continue;
        if (n == MAX_TABLES)
            return 0;
        file |= t == libc.file_table && t[SLOT_CLOSE] == (void *)libc.close;
        wfile |= t == libc.wfile_table && t[SLOT_CLOSE] == (void *)libc.close;
        proc |= t[SLOT_CLOSE] == (void *)libc.proc_close;
        found[n++] = t;
    }
    return file && wfile && proc ? n : 0;
}

static void put(void **slot, void *fn)
{
    store_release(slot, fn);
}

static void redirect(void **t)
{
    put(&t[SLOT_READ], (void *)file_read);
    put(&t[SLOT_WRITE], (void *)file_write);
    if (t[SLOT_CLOSE] == (void *)libc.close)
        put(&t[SLOT_CLOSE], (void *)file_close);
    else if (t[SLOT_CLOSE] == (void *)libc.proc_close)
        put(&t[SLOT_CLOSE], (void *)proc_close);
}

void stdio_install(void)
{
    void **table[MAX_TABLES];
    struct libc_image im;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), lo, hi;
    int n;

    if (redirected || !find_names(&im) || (n = find_tables(&im, table)) == 0)
        return;
    /* The linker protects whole pages only. */
    lo = (uintptr_t)table[0] & ~(page - 1);
    hi = ((uintptr_t)(table[n - 1] + SLOTS) + page - 1) & ~(page - 1);
    if (hi > (im.relro_hi & ~(page - 1)))
        hi = im.relro_hi & ~(page - 1);
    if (lo < hi && SYS3(SYS_mprotect, lo, hi - lo, PROT_READ | PROT_WRITE) < 0)
        return;
    for (int i = 0; i < n; i++)
        redirect(table[i]);
    if (lo < hi)
        SYS3(SYS_mprotect, lo, hi - lo, PROT_READ);
    store_relaxed(&redirected, true);
}
