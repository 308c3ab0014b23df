#include "runtime/arch/context.h"
#include "runtime/arch/frame.h"
#include "runtime/arch/syscall.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unwind.h>
#include <vector>
#include <xmmintrin.h>

/* switch_with(from, to, in, out): loads rbx rbp r12-r15 from in[0..5], switches, stores what they are afterwards. */
extern "C" void switch_with(arch_ctx *from, arch_ctx *to, const uint64_t *in, uint64_t *out);
asm(R"(
        .text
        .type   switch_with, @function
switch_with:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        pushq   %rcx
        movq    (%rdx), %rbx
        movq    8(%rdx), %rbp
        movq    16(%rdx), %r12
        movq    24(%rdx), %r13
        movq    32(%rdx), %r14
        movq    40(%rdx), %r15
        call    arch_switch
        popq    %rcx
        movq    %rbx, (%rcx)
        movq    %rbp, 8(%rcx)
        movq    %r12, 16(%rcx)
        movq    %r13, 24(%rcx)
        movq    %r14, 32(%rcx)
        movq    %r15, 40(%rcx)
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .size   switch_with, .-switch_with
)");
/* switch.S: how the thread pointer is set. */
/* syscall.h: arch_tp_way. */

namespace {

const unsigned short FCW_DEFAULT = 0x37f, FCW_SINGLE = 0x07f /* 24 bit precision */;

unsigned short fcw()
{
    unsigned short w;
    asm volatile("fnstcw %0" : "=m"(w));
    return w;
}
void set_fcw(unsigned short w)
{
    asm volatile("fldcw %0" : : "m"(w));
}

/* A context of the test's own thread: the thread pointer stays. */
struct Context {
    arch_ctx ctx = {}, back = {};
    std::vector<char> stack = std::vector<char>(256 * 1024);
    void (*body)(Context &);
    void *arg;
    void *entry_frame = nullptr;

    explicit Context(void (*b)(Context &), void *a = nullptr) : body(b), arg(a)
    {
        arch_ctx_make(&ctx, stack.data() + stack.size(), arch_tp(), entry, this);
    }
    static void entry(void *self)
    {
        Context *c = (Context *)self;

        c->entry_frame = __builtin_frame_address(0); /* 16-byte aligned in a function called as the ABI says */
        c->body(*c);
        c->leave();
        abort();
    }
    void run()
    {
        back.tp = (uintptr_t)arch_tp(); /* arch_switch stores the stack pointer only */
        arch_switch(&back, &ctx);
    }
    void leave() { arch_switch(&ctx, &back); }
    bool on_stack(const void *p) const
    {
        return (const char *)p >= stack.data() && (const char *)p < stack.data() + stack.size();
    }
};

/* With wrfsbase and with arch_prctl. */
struct Switch : testing::TestWithParam<bool> {
    void SetUp() override
    {
        const char *why = nullptr;

        ASSERT_EQ(arch_init(&why), 0) << why;
        if (GetParam() && arch_tp_way != 1)
            GTEST_SKIP() << "no wrfsbase here";
        arch_tp_way = GetParam();
    }
    void TearDown() override
    {
        const char *why;

        arch_init(&why);
        _mm_setcsr(0x1f80);
        set_fcw(FCW_DEFAULT);
    }
};
INSTANTIATE_TEST_SUITE_P(ThreadPointer, Switch, testing::Values(true, false),
                         [](auto &i) { return i.param ? "wrfsbase" : "arch_prctl"; });

TEST_P(Switch, ANewContextRunsOnItsStack)
{
    struct Seen {
        void *arg, *frame, *tp;
        int *err;
    } seen = {};
    Context c(
        [](Context &self) {
            Seen *s = (Seen *)self.arg;

            s->arg = self.arg;
            s->frame = __builtin_frame_address(0);
            s->tp = arch_tp();
            s->err = &errno;
        },
        &seen);

    c.run();
    EXPECT_EQ(seen.arg, &seen);
    EXPECT_TRUE(c.on_stack(seen.frame));
    EXPECT_EQ((uintptr_t)c.entry_frame % 16, 0u);
    EXPECT_EQ(seen.tp, arch_tp());
    EXPECT_EQ(seen.err, &errno);
}

TEST_P(Switch, AnyTopIsAligned)
{
    for (size_t off = 0; off < 32; off++) {
        Context c([](Context &) {});

        arch_ctx_make(&c.ctx, c.stack.data() + c.stack.size() - off, arch_tp(), Context::entry, &c);
        c.run();
        EXPECT_TRUE(c.on_stack(c.entry_frame));
        EXPECT_EQ((uintptr_t)c.entry_frame % 16, 0u) << off;
    }
}

struct Registers {
    uint64_t mine[6], seen[6];
    std::mt19937_64 random;
    bool stop = false;
    int wrong = 0;

    explicit Registers(unsigned seed) : random(seed) {}
    void go(arch_ctx *from, arch_ctx *to)
    {
        for (auto &r : mine)
            r = random();
        switch_with(from, to, mine, seen);
        wrong += memcmp(mine, seen, sizeof mine) != 0;
    }
};

TEST_P(Switch, CalleeSavedRegistersSurvive)
{
    Registers here(1), there(2);
    Context c(
        [](Context &self) {
            Registers *r = (Registers *)self.arg;

            while (!r->stop)
                r->go(&self.ctx, &self.back);
        },
        &there);

    c.back.tp = (uintptr_t)arch_tp();
    for (int i = 0; i < 2000; i++)
        here.go(&c.back, &c.ctx);
    there.stop = true;
    c.run();
    EXPECT_EQ(here.wrong, 0);
    EXPECT_EQ(there.wrong, 0);
}

/* The frame is where debuggers are told that it is. */
TEST_P(Switch, TheSavedFrameIsAsDescribed)
{
    Registers there(3);
    Context c([](Context &self) { ((Registers *)self.arg)->go(&self.ctx, &self.back); }, &there);
    const char *names[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
    const struct {
        const char *name;
        int offset;
    } frame[] = {
#define X(name, offset, dwarf) {name, offset},
        ARCH_FRAME_REGS(X)
#undef X
    };

    c.run();
    ASSERT_TRUE(c.on_stack(c.ctx.sp));
    for (int i = 0; i < 6; i++)
        for (auto &f : frame)
            if (!strcmp(f.name, names[i])) {
                EXPECT_EQ(*(uint64_t *)((char *)c.ctx.sp + f.offset), there.mine[i]) << f.name;
            }
    uintptr_t rip = *(uintptr_t *)((char *)c.ctx.sp + ARCH_FRAME_RIP);
    EXPECT_GT(rip, (uintptr_t)switch_with);
    EXPECT_LT(rip, (uintptr_t)switch_with + 128);
    EXPECT_EQ(*(uint64_t *)((char *)c.ctx.sp + ARCH_FRAME_RBP), there.mine[1]);
    c.run();
}

TEST_P(Switch, ControlWordsBelongToTheContext)
{
    struct Seen {
        unsigned csr[3];
        unsigned short cw[3];
    } seen = {};
    Context c(
        [](Context &self) {
            Seen *s = (Seen *)self.arg;

            for (int i = 0;; i++) {
                s->csr[i] = _mm_getcsr();
                s->cw[i] = fcw();
                if (i == 2)
                    return;
                _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
                set_fcw(FCW_SINGLE);
                self.leave();
            }
        },
        &seen);

    _MM_SET_ROUNDING_MODE(_MM_ROUND_TOWARD_ZERO);
    unsigned here = _mm_getcsr();
    set_fcw(0x27f);
    for (int i = 0; i < 3; i++) {
        c.run();
        EXPECT_EQ(_mm_getcsr(), here) << i;
        EXPECT_EQ(fcw(), 0x27f) << i;
        if (i == 1) { /* equal ones on both sides */
            _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
            here = _mm_getcsr();
        }
    }
    EXPECT_EQ(seen.csr[0], 0x1f80u) << "a new context has the default";
    EXPECT_EQ(seen.cw[0], FCW_DEFAULT);
    for (int i = 1; i < 3; i++) {
        EXPECT_EQ(seen.csr[i] & _MM_ROUND_MASK, (unsigned)_MM_ROUND_UP) << i;
        EXPECT_EQ(seen.cw[i], FCW_SINGLE) << i;
    }
}

TEST_P(Switch, ManyContextsTakeTurns)
{
    struct Turn {
        int id, sum = 0;
    };
    std::vector<Turn> turns(50);
    std::vector<std::unique_ptr<Context>> contexts;

    for (int i = 0; i < 50; i++) {
        turns[i].id = i;
        contexts.push_back(std::make_unique<Context>(
            [](Context &self) {
                Turn *t = (Turn *)self.arg;

                for (int k = 1; k <= 100; k++) {
                    t->sum += k * t->id;
                    self.leave();
                }
            },
            &turns[i]));
    }
    for (int k = 0; k < 101; k++)
        for (auto &c : contexts)
            c->run();
    for (auto &t : turns)
        EXPECT_EQ(t.sum, 5050 * t.id);
}

TEST_P(Switch, ExceptionsStayInTheirContext)
{
    std::string caught;
    Context c(
        [](Context &self) {
            for (int i = 0; i < 2; i++)
                try {
                    self.leave();
                    throw std::runtime_error(std::to_string(i));
                } catch (std::exception &e) {
                    *(std::string *)self.arg += e.what();
                }
        },
        &caught);

    c.run();
    try {
        c.run(); /* throws and catches inside, then leaves from inside the next try */
        throw 1;
    } catch (int) {
    }
    c.run();
    EXPECT_EQ(caught, "01");
}

TEST_P(Switch, UnwindingEndsAtTheEntry)
{
    struct Walk {
        int frames = 0;
        _Unwind_Reason_Code end = _URC_NO_REASON;
    } walk;
    Context c(
        [](Context &self) {
            Walk *w = (Walk *)self.arg;

            w->end = _Unwind_Backtrace(
                [](_Unwind_Context *, void *arg) {
                    return ++((Walk *)arg)->frames > 50 ? _URC_NORMAL_STOP : _URC_NO_REASON;
                },
                w);
        },
        &walk);

    c.run();
    EXPECT_EQ(walk.end, _URC_END_OF_STACK);
    EXPECT_GE(walk.frames, 2);
    EXPECT_LT(walk.frames, 10);
}

/* A context goes on on another OS thread, with that thread's thread pointer given to it. */
TEST_P(Switch, AnotherThreadGoesOnWithTheContext)
{
    std::vector<void *> seen;
    Context c(
        [](Context &self) {
            for (int i = 0; i < 2; i++) {
                void *tp; /* arch_tp() may be read once: a context's own never changes otherwise */

                asm volatile("movq %%fs:16, %0" : "=r"(tp));
                ((std::vector<void *> *)self.arg)->push_back(tp);
                self.leave();
            }
        },
        &seen);
    void *other_tp = nullptr;

    c.run();
    std::thread([&] {
        other_tp = arch_tp();
        c.ctx.tp = (uintptr_t)other_tp;
        c.run();
    }).join();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0], arch_tp());
    EXPECT_EQ(seen[1], other_tp);
}

Context *jumping;
void *landed;

void landing()
{
    landed = __builtin_frame_address(0);
    jumping->leave();
}

TEST_P(Switch, RedirectedLongjmpCallsTheFunctionOnTheFrame)
{
    Context c([](Context &) {
        jmp_buf buf;

        if (setjmp(buf) != 0)
            abort();
        arch_jmpbuf_redirect(buf, landing);
        longjmp(buf, 1);
    });

    jumping = &c;
    landed = nullptr;
    c.run();
    EXPECT_TRUE(c.on_stack(landed));
    EXPECT_EQ((uintptr_t)landed % 16, 0u);
}

} // namespace
