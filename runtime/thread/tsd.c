/* Key destructors.  Keys and values are glibc's, in each image; glibc's table of destructors is not exported, so the
 * wrappers of pthread_key_create keep one. */
#include "runtime/base/atomic.h"
#include "runtime/base/real.h"
#include "runtime/thread/thread.h"
#include <limits.h>

static void (*dtors[PTHREAD_KEYS_MAX])(void *);
static unsigned top; /* one past the highest key seen */

void tsd_note_key(pthread_key_t key, void (*dtor)(void *))
{
    unsigned t = load_relaxed(&top);

    if (key >= PTHREAD_KEYS_MAX)
        return;
    store_release(&dtors[key], dtor);
    while (key >= t && !cas_acq_rel(&top, &t, key + 1))
        ;
}

static bool one_round(void)
{
    bool any = false;

    for (pthread_key_t k = 0; k < load_acquire(&top); k++) {
        void *val = pthread_getspecific(k);
        void (*dtor)(void *) = load_acquire(&dtors[k]);

        if (!val)
            continue;
        pthread_setspecific(k, NULL);
        if (dtor) {
            dtor(val);
            any = true;
        }
    }
    return any;
}

void tsd_run_dtors(void)
{
    for (int i = 0; i < PTHREAD_DESTRUCTOR_ITERATIONS && one_round(); i++)
        ;
}
