/* See placing.h.  Only the two vthreads that the carrier switches between come into question.  Known stacks decide; the main thread's,
 * and those that the program made itself, are told by where the saved stack pointers are. */
#include "runtime/tool/placing.h"

#include <stdlib.h>

static bool on_stack(struct target *t, const char *data, uint64_t sp)
{
    uint64_t lo = field(data, t->d.vthread.stack_lo);

    return sp > lo && sp <= lo + field(data, t->d.vthread.stack_size);
}

uint64_t placing_occupant(struct target *t, uint64_t carrier, uint64_t sp)
{
    const struct vthr_debug *d = &t->d;
    char *data = malloc(2 * (size_t)d->vthread_size + d->carrier_size);
    char *c = data + 2 * (size_t)d->vthread_size;
    uint64_t who[2] = { 0, 0 }, base, answer;
    bool known[2] = { false, false };

    if (!data)
        return 0;
    if (target_read(t, carrier, c, d->carrier_size) == 0) {
        who[0] = field(c, d->carrier.cur);
        who[1] = field(c, d->carrier.prev);
    }
    for (int i = 0; i < 2; i++) {
        known[i] = who[i] && target_read(t, who[i], data + i * d->vthread_size, d->vthread_size) == 0;
        if (known[i] && on_stack(t, data + i * d->vthread_size, sp)) {
            answer = who[i];
            goto out;
        }
    }
    base = field(c, d->carrier.ctx_sp);
    if (base && sp > base + d->frame_size - 65536 && sp <= base + d->frame_size + 256 &&
        (who[1] || !who[0] || (known[0] && field(data, d->vthread.stack_size)))) {
        answer = 0;
    } else if (who[1] && known[0]) {
        uint64_t saved = field(data, d->vthread.ctx_sp);

        answer = (sp > saved ? sp - saved : saved - sp) > 4096 ? who[1] : who[0];
    } else {
        answer = who[0] ? who[0] : who[1];
    }
out:
    free(data);
    return answer;
}
