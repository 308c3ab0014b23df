/* The end of threads that are no tasks.  Destructors of keys run when a thread ends, however it does, and not when the process exits, whose
 * threads may have scopes open. */
#include "runtime/api/message.h"
#include "runtime/api/scope.h"
#include "runtime/base/real.h"
#include "runtime/thread/thread.h"

enum { KEY_NOT, KEY_BEING_MADE, KEY_MADE };
static uint32_t state;
static pthread_key_t key;
static VTHR_TLS bool watched;

static void ended(void *arg)
{
    (void)arg;
    watched = false;
    message_end();
    if (vthr_strand)
        api_misuse("a thread ended with a scope still open", vthr_strand->inner);
}

/* False: there are no keys left, or another thread is at it. */
static bool make_key(void)
{
    uint32_t not = KEY_NOT;

    if (load_acquire(&state) == KEY_MADE)
        return true;
    if (!cas_acq_rel(&state, &not, KEY_BEING_MADE))
        return not == KEY_MADE;
    if (REAL(pthread_key_create)(&key, ended)) {
        store_release(&state, KEY_NOT);
        return false;
    }
    tsd_note_key(key, ended);
    store_release(&state, KEY_MADE);
    return true;
}

void api_watch_end(void)
{
    if (!watched && make_key())
        watched = pthread_setspecific(key, &state) == 0;
}
