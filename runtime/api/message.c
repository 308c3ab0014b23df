/* Messages beside errors.
 *
 * A thread has one at most, that of the last error that it made with vthr_fail, or got by joining or by leaving a scope.  It goes on with
 * that error, as a number that is returned: a task that ends with the error leaves it to its joiner and, as the first that
 * failed, to its scope; who joins or leaves has it then.  What other error came in between has nothing to say for it.
 *
 * A message never changes, and is shared by reference. */
#include "runtime/api/message.h"
#include "runtime/api/scope.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    uint32_t refs;
    int error;
    char text[];
};

static VTHR_TLS struct message *last;

struct message *message_ref(struct message *m)
{
    if (m)
        fetch_add_relaxed(&m->refs, 1u);
    return m;
}

void message_unref(struct message *m)
{
    if (m && fetch_sub_acq_rel(&m->refs, 1u) == 1)
        free(m);
}

struct message *message_for(int error)
{
    return last && last->error == error ? message_ref(last) : NULL;
}

/* Takes the reference. */
static void set_last(struct message *m)
{
    struct message *old = last;

    last = m;
    message_unref(old);
    if (m && (!vthr_strand || !vthr_strand->task))
        api_watch_end();
}

void message_got(int error, struct message *m)
{
    if (m != last)
        set_last(m && m->error == error ? message_ref(m) : NULL);
}

void message_end(void)
{
    set_last(NULL);
}

VTHR_EXPORT int vthr_fail(int error, const char *format, ...)
{
    struct message *m;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    m = n < 0 ? NULL : malloc(sizeof *m + (size_t)n + 1);
    if (m) {
        m->refs = 1;
        m->error = error;
        va_start(ap, format);
        vsnprintf(m->text, (size_t)n + 1, format, ap);
        va_end(ap);
    }
    set_last(m);
    return error;
}

VTHR_EXPORT const char *vthr_error_message(int error)
{
    const char *known;

    if (last && last->error == error)
        return last->text;
    known = strerrordesc_np(error);
    return known ? known : "unknown error";
}
