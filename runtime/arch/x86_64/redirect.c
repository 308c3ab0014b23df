/* Replacing a small function of libc's that makes a futex system call.
 *
 * It is recognised by the call's number and operation, loaded as constants, and by being short; or left alone.  Its first bytes become a
 * jump, by one aligned store: another thread runs the old function or the new one. */
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"
#include "runtime/base/atomic.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096ul
#define LENGTH 64 /* within which all of it is expected */
#define JUMP 5

static bool contains(const unsigned char *p, const void *bytes, size_t n)
{
    for (int i = 0; i < LENGTH; i++)
        if (memcmp(p + i, bytes, n) == 0)
            return true;
    return false;
}

static bool is_futex_call(const unsigned char *p, int op)
{
    unsigned char load_op[5] = { 0xbe }, load_number[5] = { 0xb8 }; /* mov $op, %esi; mov $SYS_futex, %eax */
    int number = SYS_futex;

    memcpy(load_op + 1, &op, 4);
    memcpy(load_number + 1, &number, 4);
    return contains(p, load_op, 5) && contains(p, load_number, 5) && contains(p, "\x0f\x05", 2);
}

bool arch_redirect_futex(void *function, int op, void *to)
{
    unsigned char *p = function;
    intptr_t distance = (char *)to - (char *)(p + JUMP);
    int32_t disp = (int32_t)distance;
    uintptr_t page = (uintptr_t)p & ~(PAGE - 1);
    union {
        unsigned char byte[8];
        uint64_t word;
    } code;

    if ((uintptr_t)p % sizeof code || disp != distance || !is_futex_call(p, op))
        return false;
    memcpy(code.byte, p, sizeof code);
    code.byte[0] = 0xe9;
    memcpy(code.byte + 1, &disp, sizeof disp);
    /* Executable all the while: another thread may be in this page. */
    if (arch_syscall6(SYS_mprotect, (long)page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0) < 0)
        return false;
    store_release((uint64_t *)p, code.word);
    arch_syscall6(SYS_mprotect, (long)page, PAGE, PROT_READ | PROT_EXEC, 0, 0, 0);
    return true;
}
