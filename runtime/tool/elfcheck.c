/* Whether the dynamic linker that knows libvthr.so will start an ELF file.
 *
 * The file is not trusted: it is read with pread only, every offset and size
 * that it contains is compared with what can be read, and nothing is looked at
 * but the header, the program headers and the interpreter's name, which are
 * also all that the kernel looks at.
 *
 * Which class and machine are ours is read from /proc/self/exe, which was built
 * together with the library: no list of architectures is needed. */
#include "runtime/tool/tool.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* The kernel's limit for the size of the program headers. */
#define MAX_HEADERS (65536 / sizeof(ElfW(Phdr)))

static bool read_exactly(int fd, void *to, size_t size, uint64_t offset)
{
    if (offset > INT64_MAX - size)
        return false;
    return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

__attribute__((format(printf, 2, 3))) static bool refuse(char why[VTHR_WHY_MAX],
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, VTHR_WHY_MAX, format, args);
    va_end(args);
    return false;
}

static bool damaged(char why[VTHR_WHY_MAX])
{
    return refuse(why, "damaged ELF file: install it again");
}

bool vthr_elf_is(int fd)
{
    char magic[SELFMAG];
    return read_exactly(fd, magic, sizeof magic, 0) && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static bool own_header(ElfW(Ehdr) *header)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_exactly(fd, header, sizeof *header, 0);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool same_machine(int fd, ElfW(Ehdr) *header, char why[VTHR_WHY_MAX])
{
    ElfW(Ehdr) own;
    /* A 32-bit header is shorter than ours, so the class comes first. */
    if (!read_exactly(fd, header, EI_NIDENT, 0))
        return damaged(why);
    int class = header->e_ident[EI_CLASS];
    if (class != ELFCLASS32 && class != ELFCLASS64)
        return damaged(why);
    if (!own_header(&own))
        return refuse(why, "/proc/self/exe cannot be read: mount /proc");
    if (class != own.e_ident[EI_CLASS])
        return refuse(why, "%s-bit program, but not so this vthr: use a vthr built for it",
                      class == ELFCLASS32 ? "32" : "64");
    if (!read_exactly(fd, header, sizeof *header, 0))
        return damaged(why);
    if (header->e_ident[EI_DATA] != own.e_ident[EI_DATA] || header->e_machine != own.e_machine)
        return refuse(why, "program for another machine (ELF machine %u, here %u): "
                           "use a vthr built for it",
                      header->e_machine, own.e_machine);
    return true;
}

struct segments {
    bool dynamic, interpreted;
    char interpreter[PATH_MAX];
};

static bool read_interpreter(int fd, const ElfW(Phdr) *ph, struct segments *found)
{
    size_t size = ph->p_filesz;
    if (ph->p_filesz < 2 || ph->p_filesz > sizeof found->interpreter)
        return false;
    found->interpreted = true;
    return read_exactly(fd, found->interpreter, size, ph->p_offset) &&
           found->interpreter[size - 1] == '\0';
}

static bool read_segments(int fd, const ElfW(Ehdr) *header, struct segments *found)
{
    if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phnum < 1 ||
        header->e_phnum > MAX_HEADERS || (header->e_type != ET_EXEC && header->e_type != ET_DYN))
        return false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) ph;
        /* The first comparison keeps the sum from wrapping round. */
        if (header->e_phoff > INT64_MAX / 2 ||
            !read_exactly(fd, &ph, sizeof ph, header->e_phoff + i * sizeof ph))
            return false;
        if (ph.p_type == PT_DYNAMIC)
            found->dynamic = true;
        else if (ph.p_type == PT_INTERP && !found->interpreted && !read_interpreter(fd, &ph, found))
            return false;
    }
    return true;
}

static bool is_glibc_linker(const char *path)
{
    const char *name = basename(path);
    return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld64.so", 7) == 0;
}

bool vthr_elf_check(int fd, const char *path, char why[VTHR_WHY_MAX])
{
    ElfW(Ehdr) header;
    struct segments found = {0};
    if (!same_machine(fd, &header, why))
        return false;
    if (!read_segments(fd, &header, &found))
        return damaged(why);
    /* "ld.so PROGRAM" preloads although ld.so itself has no interpreter. */
    if (is_glibc_linker(path))
        return true;
    if (!found.interpreted || !found.dynamic)
        return refuse(why, "statically linked, nothing can be preloaded: link it dynamically");
    if (strstr(found.interpreter, "ld-musl"))
        return refuse(why, "linked with musl: use a build for glibc");
    if (!is_glibc_linker(found.interpreter))
        return refuse(why, "uses the dynamic linker %s: use a build for glibc", found.interpreter);
    if (access(found.interpreter, F_OK) != 0)
        return refuse(why, "its dynamic linker %s does not exist: install the libc that it needs",
                      found.interpreter);
    return true;
}
