/* Compiler vocabulary shared by every floor.  Valid in C and C++. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define prefetch(p) __builtin_prefetch(p) /* any address: a wrong one does nothing */
#define VTHR_EXPORT __attribute__((visibility("default")))
#define VTHR_HIDDEN __attribute__((visibility("hidden")))
#define VTHR_NOINLINE __attribute__((noinline))
#define VTHR_NORETURN __attribute__((noreturn))
#define VTHR_ALIGNED(n) __attribute__((aligned(n)))
#define VTHR_CACHELINE 64
/* A word or two of TLS: reached as %fs:offset, never through __tls_get_addr. */
#define VTHR_TLS __thread __attribute__((tls_model("initial-exec")))

/* What runs when a program starts and in processes that make no thread: together, near the beginning of the file. */
#define VTHR_EARLY __attribute__((section(".text.startup.early")))
#define VTHR_EARLY_CONST __attribute__((section(".early_rodata")))
/* Zero or not, it lies with what the dynamic linker writes to anyway. */
#define VTHR_EARLY_DATA __attribute__((section(".data.early")))
#define VTHR_EARLY_BSS __attribute__((section(".bss.early")))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* True for addresses that no program can use: where the kernel would say EFAULT and we would crash.  Cheap, and not
 * complete: a bad address elsewhere faults as it would in any libc function. */
static inline bool bad_address(const void *p)
{
    return (uintptr_t)p - 65536 >= 0x7ffffffeful << 12;
}

#ifdef __cplusplus
#define VTHR_BEGIN_DECLS extern "C" {
#define VTHR_END_DECLS }
#else
#define VTHR_BEGIN_DECLS
#define VTHR_END_DECLS
#endif

/* How a library of our own is opened: in no scope but its own, and its libc calls bound to libc rather than to us.
 * AddressSanitizer refuses RTLD_DEEPBIND. */
#ifdef __SANITIZE_ADDRESS__
#define VTHR_DLOPEN_PRIVATE (RTLD_NOW | RTLD_LOCAL)
#else
#define VTHR_DLOPEN_PRIVATE (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif
