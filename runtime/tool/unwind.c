/* See unwind.h.
 *
 * libunwind asks for memory and for unwind tables.  Memory comes from the copy of the stack, which belongs to one moment, else from the
 * process by pages, which are kept: it is code and unwind tables then, which do not change.  The tables are those in memory
 * (.eh_frame_hdr), so a file that was replaced since does no harm.  Where there is no table (code made at run time) libunwind
 * guesses by frame pointers.
 *
 * Ten thousand threads in one loop have one stack: it is walked once.  A walk notes where on the stack it found each return address;
 * a stack with the same words at the same places is the same. */
#include "runtime/tool/unwind.h"
#include "runtime/tool/tool.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define NAME(function) STRING(UNW_OBJ(function))
#define LIBRARY "libunwind-" STRING(UNW_TARGET) ".so.8"

#define PAGE 4096ul
#define PAGES 16384 /* kept */

static struct {
    void *handle;
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *, int);
    void (*destroy_addr_space)(unw_addr_space_t);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    int (*init_remote)(unw_cursor_t *, unw_addr_space_t, void *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    int (*search_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t *, unw_proc_info_t *, int, void *);
} lib;

struct page {
    uint64_t at; /* | 1: filled */
    char data[PAGE];
};

static struct page **pages;
static unw_addr_space_t space;
static struct stack *stacks[1024];

struct walking {
    struct target *t;
    const struct walk *w;
};

/* --- Memory */

static bool from_pages(struct target *t, uint64_t addr, void *to, size_t n)
{
    uint64_t at = addr & ~(PAGE - 1);
    struct page **slot = &pages[(at / PAGE) % PAGES];

    if (addr + n > at + PAGE) /* words need not be aligned */
        return target_read(t, addr, to, n) == 0;
    if (!*slot && !(*slot = calloc(1, sizeof **slot)))
        return target_read(t, addr, to, n) == 0;
    if ((*slot)->at != (at | 1)) {
        (*slot)->at = 0;
        if (target_read(t, at, (*slot)->data, PAGE))
            return false;
        (*slot)->at = at | 1;
    }
    memcpy(to, (*slot)->data + (addr - at), n);
    return true;
}

static bool read_memory(struct walking *k, uint64_t addr, void *to, size_t n)
{
    const struct walk *w = k->w;

    if (addr >= w->at && addr - w->at < w->size && n <= w->size - (addr - w->at)) {
        memcpy(to, w->data + (addr - w->at), n);
        return true;
    }
    if (target_module(k->t, addr))
        return from_pages(k->t, addr, to, n);
    return target_read(k->t, addr, to, n) == 0;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *val, int write, void *arg)
{
    (void)as;
    *val = write ? *val : 0;
    return !write && read_memory(arg, addr, val, sizeof *val) ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *val, int write, void *arg)
{
    const struct walk *w = ((struct walking *)arg)->w;

    (void)as;
    if (write || reg < 0 || reg >= ARCH_DWARF_REGS || !(w->known & 1u << reg))
        return -UNW_EBADREG;
    *val = w->regs[reg];
    return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *val, int write, void *arg)
{
    (void)as, (void)reg, (void)val, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int get_dyn_info_list_addr(unw_addr_space_t as, unw_word_t *addr, void *arg)
{
    (void)as, (void)addr, (void)arg;
    return -UNW_ENOINFO;
}

static int resume(unw_addr_space_t as, unw_cursor_t *c, void *arg)
{
    (void)as, (void)c, (void)arg;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t addr, char *buf, size_t size, unw_word_t *offset, void *arg)
{
    (void)as, (void)addr, (void)buf, (void)size, (void)offset, (void)arg;
    return -UNW_ENOINFO;
}

/* --- Unwind tables: DWARF pointer encodings of .eh_frame_hdr as linkers write them */

enum { PE_UDATA4 = 0x03, PE_SDATA4_PCREL = 0x1b, PE_SDATA4_DATAREL = 0x3b };

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *arg)
{
    struct walking *k = arg;
    struct module *m = target_module(k->t, ip);
    struct { uint8_t version, frame_enc, count_enc, table_enc; int32_t frame; uint32_t count; } h;
    unw_dyn_info_t di;

    if (!m || !target_headers(k->t, m) || !m->eh_hdr || !read_memory(k, m->eh_hdr, &h, sizeof h) || h.version != 1 ||
        h.frame_enc != PE_SDATA4_PCREL || h.count_enc != PE_UDATA4 || h.table_enc != PE_SDATA4_DATAREL)
        return -UNW_ENOINFO;
    memset(&di, 0, sizeof di);
    di.start_ip = m->lo;
    di.end_ip = m->hi;
    di.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    di.u.rti.segbase = m->eh_hdr;
    di.u.rti.table_data = m->eh_hdr + sizeof h;
    di.u.rti.table_len = h.count * 2ul * sizeof(int32_t) / sizeof(unw_word_t);
    return lib.search_table(as, ip, &di, pi, need, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
    (void)as, (void)pi, (void)arg;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = get_dyn_info_list_addr,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = resume,
    .get_proc_name = get_proc_name,
};

/* --- Opening */

static bool look_up(void)
{
    const struct { const char *name; void *to; } all[] = {
        { NAME(create_addr_space), &lib.create_addr_space }, { NAME(destroy_addr_space), &lib.destroy_addr_space },
        { NAME(set_caching_policy), &lib.set_caching_policy }, { NAME(init_remote), &lib.init_remote },
        { NAME(step), &lib.step }, { NAME(get_reg), &lib.get_reg }, { NAME(dwarf_search_unwind_table), &lib.search_table },
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        void *f = dlsym(lib.handle, all[i].name);

        if (!f)
            return false;
        memcpy(all[i].to, &f, sizeof f);
    }
    return true;
}

int unwind_open(struct target *t)
{
    (void)t;
    lib.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib.handle || !look_up()) {
        vthr_tool_say(stderr, "%s cannot be opened: stacks need it: install libunwind8", LIBRARY);
        return VTHR_EXIT_ERROR;
    }
    pages = calloc(PAGES, sizeof *pages);
    space = pages ? lib.create_addr_space(&accessors, 0) : NULL;
    if (!space) {
        vthr_tool_say(stderr, "out of memory");
        return VTHR_EXIT_ERROR;
    }
    lib.set_caching_policy(space, UNW_CACHE_GLOBAL);
    return 0;
}

void unwind_close(void)
{
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        for (struct stack *s = stacks[i], *next; s; s = next) {
            next = s->next;
            free(s->pc);
            free(s->slots);
            free(s->text);
            free(s);
        }
    memset(stacks, 0, sizeof stacks);
    for (size_t i = 0; pages && i < PAGES; i++)
        free(pages[i]);
    free(pages);
    pages = NULL;
    if (space)
        lib.destroy_addr_space(space);
    space = NULL;
}

/* --- Walking */

static struct stack **bucket(uint64_t pc)
{
    return &stacks[(pc * 0x9e3779b97f4a7c15ull) >> 54];
}

static bool same(const struct stack *s, const struct walk *w, uint64_t sp)
{
    if (!s->n_slots)
        return false;
    for (unsigned i = 0; i < s->n_slots; i++) {
        uint64_t addr = sp + s->slots[i].offset, value;

        if (addr < w->at || addr - w->at + sizeof value > w->size)
            return false;
        memcpy(&value, w->data + (addr - w->at), sizeof value);
        if (value != s->slots[i].value)
            return false;
    }
    return true;
}

/* Notes where the return address pc lies, if that is where calls put it: right below the caller's frame. */
static bool note_slot(struct stack *s, struct walking *k, uint64_t first_sp, uint64_t sp, uint64_t pc)
{
    uint64_t at = sp - sizeof pc, value;

    if (at < first_sp || at - first_sp > UINT32_MAX || !read_memory(k, at, &value, sizeof value) || value != pc)
        return false;
    s->slots[s->n_slots].offset = (uint32_t)(at - first_sp);
    s->slots[s->n_slots++].value = pc;
    return true;
}

static struct stack *walk(struct target *t, const struct walk *w)
{
    struct walking k = { t, w };
    struct stack *s = calloc(1, sizeof *s);
    bool slots = true;
    unw_word_t pc, sp, first_sp = 0;
    unw_cursor_t c;

    if (!s || !(s->pc = malloc(STACK_FRAMES * sizeof *s->pc)) || !(s->slots = malloc(STACK_FRAMES * sizeof *s->slots)))
        return NULL;
    s->cut = true;
    if (lib.init_remote(&c, space, &k) != 0)
        return s;
    while (s->n < STACK_FRAMES) {
        int r;

        if (lib.get_reg(&c, UNW_REG_IP, &pc) != 0 || lib.get_reg(&c, UNW_REG_SP, &sp) != 0 || pc == 0)
            break;
        if (s->n == 0)
            first_sp = sp;
        else
            slots = slots && note_slot(s, &k, first_sp, sp, pc);
        s->pc[s->n++] = pc;
        r = lib.step(&c);
        if (r <= 0) {
            s->cut = r < 0;
            break;
        }
    }
    if (!slots)
        s->n_slots = 0;
    return s;
}

static struct stack *find(const struct walk *w)
{
    uint64_t pc = w->regs[UNW_TDEP_IP], sp = w->regs[UNW_TDEP_SP];

    for (struct stack *s = *bucket(pc); s; s = s->next)
        if (s->key == pc && same(s, w, sp))
            return s;
    return NULL;
}

bool unwind_is_known(const struct walk *w)
{
    return find(w) != NULL;
}

const struct stack *unwind_walk(struct target *t, const struct walk *w)
{
    struct stack *s = find(w);

    if (s || !(s = walk(t, w)))
        return s;
    s->key = s->n ? s->pc[0] : 0;
    s->next = *bucket(s->key);
    *bucket(s->key) = s;
    return s;
}

/* --- In words */

static bool is_internal(const struct target *t, uint64_t pc)
{
    return pc >= (uintptr_t)t->d.image_lo && pc < (uintptr_t)t->d.image_hi;
}

static void one_frame(struct target *t, const struct stack *s, unsigned i, FILE *to)
{
    uint64_t pc = s->pc[i], offset, at = i ? pc - 1 : pc; /* a return address may be the next function's first */
    struct module *m = target_module(t, at);
    const char *name = symbol_at(t, at, &offset), *base = m ? strrchr(m->path, '/') : NULL;

    base = base ? base + 1 : m ? m->path : "no file";
    if (name)
        fprintf(to, "%.*s (%s)\n", (int)strcspn(name, "@\n"), name, base); /* without a version */
    else
        fprintf(to, "%#lx (%s)\n", (unsigned long)(m && m->bias != UINT64_MAX ? at - m->bias : at), base);
}

const char *stack_text(struct target *t, const struct stack *cs)
{
    struct stack *s = (struct stack *)(uintptr_t)cs;
    unsigned first = 0, last;
    size_t size;
    FILE *to;

    if (s->text)
        return s->text;
    to = open_memstream(&s->text, &size);
    if (!to)
        return "";
    /* From the outermost of the library's innermost frames, which is what the program called, to before its own first frames. */
    while (first < s->n && is_internal(t, s->pc[first]))
        first++;
    last = s->n;
    while (last > first && is_internal(t, s->pc[last - 1]))
        last--;
    if (first == s->n)
        first = 0, last = s->n;
    for (unsigned i = first ? first - 1 : 0; i < last; i++)
        one_frame(t, s, i, to);
    if (s->cut)
        fputs("...\n", to);
    fclose(to);
    return s->text ? s->text : "";
}
