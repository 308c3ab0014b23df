#include "runtime/diag/unwind.h"
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"
#include "runtime/diag/stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#include <vector>

namespace {

using Pcs = std::vector<uintptr_t>;

struct Tables {
    unwind_tables *t;
    Tables()
    {
        cfi_init();
        t = unwind_begin();
    }
    ~Tables() { unwind_end(t); }
};

Pcs walk(unwind *u)
{
    Pcs pc(1000);
    bool all;

    pc.resize(unwind_all(u, pc.data(), pc.size(), &all));
    EXPECT_TRUE(all);
    return pc;
}

/* What libgcc says, return addresses less one. */
Pcs reference()
{
    Pcs pc;

    _Unwind_Backtrace(
        [](struct _Unwind_Context *c, void *arg) {
            int exact = 0;
            uintptr_t ip = _Unwind_GetIPInfo(c, &exact);

            ((Pcs *)arg)->push_back(ip - !exact);
            return _URC_NO_REASON;
        },
        &pc);
    while (!pc.empty() && pc.back() + 1 <= 1)
        pc.pop_back();
    return pc;
}

/* Ours and libgcc's from the same function on; the innermost frames are different calls in it. */
struct Both {
    Pcs ours, theirs;
};
__attribute__((noinline)) void take(Both *b)
{
    Tables t;
    ucontext_t uc;
    unwind u;

    getcontext(&uc);
    unwind_from_context(&u, t.t, &uc);
    b->ours = walk(&u);
    b->theirs = reference();
    /* reference() and this function have one frame more and another place. */
    ASSERT_GT(b->ours.size(), 2u);
    b->ours.erase(b->ours.begin());
    ASSERT_GT(b->theirs.size(), b->ours.size());
    b->theirs.erase(b->theirs.begin(), b->theirs.end() - (ptrdiff_t)b->ours.size());
}

__attribute__((noinline)) int with_array(Both *b, int n)
{
    volatile char room[n * 100 + 1]; /* the frame pointer is the CFA's base */

    room[n] = 1;
    if (n)
        return with_array(b, n - 1) + room[n];
    take(b);
    return room[0];
}

TEST(Unwind, AgreesWithLibgcc)
{
    Both b;

    with_array(&b, 5);
    EXPECT_EQ(b.ours, b.theirs);
}

Both *sorted;
int in_libc(const void *a, const void *b)
{
    if (sorted->ours.empty())
        take(sorted);
    return *(const int *)a - *(const int *)b;
}

TEST(Unwind, GoesThroughLibc)
{
    int list[] = { 3, 1, 2 };
    Both b;

    sorted = &b;
    qsort(list, 3, sizeof *list, in_libc);
    EXPECT_EQ(b.ours, b.theirs);
}

void on_usr1(int)
{
    take(sorted);
}

TEST(Unwind, GoesThroughAHandler)
{
    Both b;

    sorted = &b;
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    EXPECT_EQ(b.ours, b.theirs);
}

void thrown(Both *b)
{
    struct At_end {
        Both *b;
        ~At_end() { take(b); }
    } at_end{ b };

    throw 1;
}

TEST(Unwind, InAClearingUpFrame)
{
    Both b;

    try {
        thrown(&b);
    } catch (int) {
    }
    EXPECT_EQ(b.ours, b.theirs);
}

/* A parked context: from its saved registers to arch_entry, where it ends. */
struct Parked {
    arch_ctx ctx, back;
    std::vector<char> stack = std::vector<char>(65536);
};
__attribute__((noinline)) void parks(Parked *p, int n)
{
    if (n)
        parks(p, n - 1);
    else
        arch_switch(&p->ctx, &p->back);
    asm volatile("");
}
void body(void *p)
{
    parks((Parked *)p, 3);
    arch_switch(&((Parked *)p)->ctx, &((Parked *)p)->back);
    abort();
}

TEST(Unwind, AParkedContext)
{
    const char *why;
    Tables t;
    unwind u;
    Parked p;
    symbols *s = symbols_begin(&t.t->memory);
    std::vector<std::string> names;

    ASSERT_EQ(arch_init(&why), 0);
    p.back.tp = (uintptr_t)arch_tp();
    arch_ctx_make(&p.ctx, p.stack.data() + p.stack.size(), arch_tp(), body, &p);
    ASSERT_TRUE(unwind_from_switch(&u, t.t, (uintptr_t)p.ctx.sp));
    EXPECT_EQ(walk(&u).size(), 1u); /* never run */
    arch_switch(&p.back, &p.ctx);
    ASSERT_TRUE(unwind_from_switch(&u, t.t, (uintptr_t)p.ctx.sp));
    for (uintptr_t pc : walk(&u))
        names.push_back(symbol_at(s, pc)->name);
    ASSERT_EQ(names.size(), 6u);
    for (int i = 0; i < 4; i++)
        EXPECT_NE(names[i].find("parks"), std::string::npos) << names[i];
    EXPECT_NE(names[4].find("body"), std::string::npos) << names[4];
    EXPECT_EQ(names[5], "arch_entry");
    symbols_end(s);
}

/* Only the program counter and the stack pointer of a call are known: the rest is found by a search. */
TEST(Unwind, WithTwoRegistersOnly)
{
    Tables t;
    ucontext_t uc;
    unwind u;
    Pcs full, part;

    getcontext(&uc);
    unwind_from_context(&u, t.t, &uc);
    full = walk(&u);
    unwind_from_call(&u, t.t, (uintptr_t)uc.uc_mcontext.gregs[REG_RSP], (uintptr_t)uc.uc_mcontext.gregs[REG_RIP], 0);
    part = walk(&u);
    ASSERT_GT(full.size(), 3u);
    ASSERT_GT(part.size(), 3u);
    EXPECT_EQ(full.back(), part.back());
}

/* Whatever the stack holds, it ends without a fault. */
TEST(Unwind, GarbageIsNoFault)
{
    Tables t;
    std::vector<uintptr_t> words(4096);
    ucontext_t uc = {};
    unsigned seed = 1;

    for (int round = 0; round < 200; round++) {
        unwind u;

        for (auto &w : words)
            switch (rand_r(&seed) % 4) {
            case 0: w = (uintptr_t)&words[rand_r(&seed) % words.size()]; break;
            case 1: w = (uintptr_t)&qsort + rand_r(&seed) % 4096; break;
            case 2: w = (uintptr_t)&with_array + rand_r(&seed) % 4096; break;
            default: w = (uintptr_t)rand_r(&seed) << 16;
            }
        for (int i = 0; i < 17; i++)
            uc.uc_mcontext.gregs[i] = (greg_t)words[rand_r(&seed) % words.size()];
        uc.uc_mcontext.gregs[REG_RSP] = (greg_t)&words[rand_r(&seed) % words.size()];
        unwind_from_context(&u, t.t, &uc);
        walk(&u);
    }
}

TEST(Symbols, OfAFunction)
{
    Tables t;
    symbols *s = symbols_begin(&t.t->memory);
    const place *p = symbol_at(s, (uintptr_t)&cfi_init);

    EXPECT_STREQ(p->name, "cfi_init");
    EXPECT_STREQ(p->object, "unwind_test");
    EXPECT_EQ(p->offset, 0u);
    p = symbol_at(s, (uintptr_t)&getpid + 1);
    EXPECT_STREQ(p->name, "getpid");
    EXPECT_EQ(p->offset, 1u);
    p = symbol_at(s, 0x1234);
    EXPECT_STREQ(p->object, "");
    EXPECT_EQ(p->offset, 0x1234u);
    symbols_end(s);
}

std::string printed(const Pcs &pc, bool all = true)
{
    int p[2];
    char buf[65536];
    text t;

    EXPECT_EQ(pipe(p), 0);
    text_begin(&t, p[1]);
    stack_print(&t, nullptr, pc.data(), pc.size(), all);
    text_end(&t);
    close(p[1]);
    ssize_t n = read(p[0], buf, sizeof buf);
    close(p[0]);
    return std::string(buf, n > 0 ? n : 0);
}

TEST(Fold, Nothing)
{
    EXPECT_EQ(printed({ 1, 2, 2, 3 }), "    #0 0x1\n    #1 0x2\n    #2 0x2\n    #3 0x3\n");
    EXPECT_EQ(printed({ 1 }, false), "    #0 0x1\n    ... and more frames\n");
}

TEST(Fold, OneFunction)
{
    Pcs pc(100, 7);

    pc.push_back(8);
    EXPECT_EQ(printed(pc), "    #0   0x7\n    ... repeated to #99: 100 times\n    #100 0x8\n");
}

TEST(Fold, SeveralInTurn)
{
    Pcs pc = { 9 };

    for (int i = 0; i < 4; i++)
        pc.insert(pc.end(), { 1, 1, 2 });
    pc.push_back(1);
    EXPECT_EQ(printed(pc), "    #0  0x9\n    #1  0x1\n    #2  0x1\n    #3  0x2\n    ... these 3 repeated to #12: 4 times\n"
                           "    #13 0x1\n");
}

} // namespace
