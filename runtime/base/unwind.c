/* The two functions of libgcc that cleanups in C refer to, looked up when they are needed.
 *
 * Linked with libgcc_s, the library would have it loaded into every program that is started, most of which never unwind: a
 * third of what the library costs a short program.  libgcc's static copy would not do either: an unwinding that one copy began
 * would go on in the other, which knows nothing of the frames that were registered there (code made at run time).  libc
 * solves it in the same way.
 *
 * Activation loads libgcc_s, so that no thread does while it unwinds; a process without threads does so then and there. */
#include "runtime/base/unwind.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include <unwind.h>

#define LIBRARY "libgcc_s.so.1"

typedef void resume_fn(struct _Unwind_Exception *);
typedef _Unwind_Reason_Code personality_fn(int, _Unwind_Action, _Unwind_Exception_Class, struct _Unwind_Exception *,
                                           struct _Unwind_Context *);

/* By the names that the compiler calls; the header would have them exported. */
__attribute__((used)) resume_fn vthr_unwind_resume __asm__("_Unwind_Resume");
__attribute__((used)) personality_fn vthr_personality __asm__("__gcc_personality_v0");

static resume_fn *resume;
static personality_fn *personality;

bool unwind_load(void)
{
    void *h, *r, *p;

    if (load_acquire(&resume))
        return true;
    h = REAL(dlopen)(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* never closed */
    r = h ? dlsym(h, "_Unwind_Resume") : NULL;
    p = h ? dlsym(h, "__gcc_personality_v0") : NULL;
    if (!r || !p)
        return false;
    store_relaxed(&personality, (personality_fn *)p);
    store_release(&resume, (resume_fn *)r);
    return true;
}

static void need(void)
{
    if (!unwind_load())
        vthr_panic(LIBRARY " cannot be loaded");
}

void vthr_unwind_resume(struct _Unwind_Exception *e)
{
    need();
    resume(e);
}

_Unwind_Reason_Code vthr_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                     struct _Unwind_Exception *e, struct _Unwind_Context *context)
{
    need();
    return personality(version, actions, class, e, context);
}
